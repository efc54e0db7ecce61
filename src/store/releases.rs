//! Where each model stands on a line, what models in shadow have said, and what people say of both.

use super::evidence::first_id_at;
use super::log::Record;
use super::project::{is_labelled, queue_blind, text};
use super::query::{json, parsed, word};
use super::{StoreError, View};
use crate::domain::{
    Canary, ItemId, Label, MediaHash, ModelRef, Outcome, Prediction, Probability, Release, ReleaseMove,
    ReleaseState, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Since when its decisions count: from now on, or since it was live before where it comes back without a
/// new trial.
pub(super) fn promoted(
    conn: &Connection,
    record: &Record,
    model: &ModelRef,
    reason: &str,
) -> Result<Timestamp, StoreError> {
    let before = conn
        .prepare_cached("SELECT live_at FROM models WHERE hash = ?1 AND state = 'retired'")?
        .query_row([&model.hash], |row| row.get::<_, Option<i64>>(0))
        .optional()?
        .flatten();
    let live_at = before.unwrap_or(record.at);
    conn.prepare_cached(
        "UPDATE models SET state = 'retired', since = ?2, reason = ?3 WHERE state = 'live' AND hash != ?1",
    )?
    .execute(params![model.hash, record.at, format!("{} took its place: {reason}", model.name)])?;
    conn.prepare_cached("INSERT OR REPLACE INTO models VALUES (?1, ?2, 'live', ?3, ?4, ?5, NULL)")?
        .execute(params![model.hash, model.name, record.at, reason, live_at])?;
    Ok(Timestamp::from_micros(live_at))
}

pub(super) fn moved(
    conn: &Connection,
    record: &Record,
    model: &ModelRef,
    to: ReleaseState,
    reason: &str,
    canary: Option<&Canary>,
) -> Result<(), StoreError> {
    // The live model leaves its place to another one only. With a new trial what it did before is past.
    conn.prepare_cached(
        "INSERT INTO models VALUES (?1, ?2, ?3, ?4, ?5, NULL, ?6)
         ON CONFLICT (hash) DO UPDATE SET state = excluded.state, since = excluded.since,
                                          reason = excluded.reason, canary = excluded.canary,
                                          live_at = CASE excluded.state WHEN 'retired' THEN live_at END
         WHERE state != 'live' AND excluded.state != 'live'",
    )?
    .execute(params![
        model.hash,
        model.name,
        to.as_str(),
        record.at,
        reason,
        canary.map(text).transpose()?
    ])?;
    Ok(())
}

pub(super) fn asked(
    conn: &Connection,
    item: &str,
    model: &ModelRef,
    agree: bool,
    probability: Probability,
) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT OR IGNORE INTO comparisons VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        item,
        model.hash,
        agree,
        probability.get()
    ])?;
    let inspection: Option<String> = conn
        .prepare_cached("SELECT inspection_id FROM decisions WHERE item_id = ?1 AND decision != 'review'")?
        .query_row([item], |row| row.get(0))
        .optional()?;
    match inspection {
        Some(inspection) if !is_labelled(conn, item)? => queue_blind(conn, item, &inspection),
        _ => Ok(()),
    }
}

/// An item that one model decided and another one has looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenByBoth {
    pub item: ItemId,
    pub inspection: String,
    pub unit: String,
    pub source: String,
    pub arrived_at: Timestamp,
    /// Of the station, before anybody answered.
    pub outcome: Outcome,
    /// By the model that decided, and by the other.
    pub decided: Prediction,
    pub other: Prediction,
    /// With which a person was asked just for the comparison, and whether the models agreed.
    pub asked: Option<(bool, Probability)>,
    pub label: Option<Label>,
}

/// What the station said of an item before anybody answered: a check or a question remembers it, and an
/// inspection that a model decided.
pub(super) const STATION_OUTCOME: &str = "coalesce(c.outcome, a.outcome, d.decision)";

/// An item as a model in shadow needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadowItem {
    pub item: ItemId,
    pub unit: String,
    pub media: MediaHash,
    pub reference: Option<MediaHash>,
    /// Of the model that the station asked; absent where it got no answer.
    pub prediction: Option<Prediction>,
    /// Of the station, before anybody answered.
    pub outcome: Outcome,
}

fn release(row: &Row<'_>) -> rusqlite::Result<Release> {
    let has_canary = row.get_ref(6)? != rusqlite::types::ValueRef::Null;
    Ok(Release {
        model: ModelRef { hash: row.get(0)?, name: row.get(1)? },
        state: word(row, 2)?,
        since: Timestamp::from_micros(row.get(3)?),
        reason: row.get(4)?,
        live_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_micros),
        canary: if has_canary { Some(json(row, 6)?) } else { None },
    })
}

impl View<'_> {
    /// All models that the line has ever known, the newest change first.
    pub fn releases(&self) -> Result<Vec<Release>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT hash, name, state, since, reason, live_at, canary FROM models ORDER BY since DESC, hash",
        )?;
        let rows = statement.query_map([], release)?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    pub fn release(&self, hash: &str) -> Result<Option<Release>, StoreError> {
        let sql = "SELECT hash, name, state, since, reason, live_at, canary FROM models WHERE hash = ?1";
        Ok(self.conn.prepare_cached(sql)?.query_row([hash], release).optional()?)
    }

    /// All that has become of a model, oldest first. It is retired by the promotion of another one, too.
    pub fn release_history(&self, hash: &str) -> Result<Vec<ReleaseMove>, StoreError> {
        // Few, and read from the log itself.
        let mut statement = self.conn.prepare_cached(
            "SELECT at, actor, json_extract(payload, '$.model.hash') = ?1, json_extract(payload, '$.to'),
                    json_extract(payload, '$.reason'), json_extract(payload, '$.model.name')
             FROM events WHERE kind IN ('ModelMoved', 'ModelPromoted') ORDER BY seq",
        )?;
        let mut rows = statement.query([hash])?;
        let mut history: Vec<ReleaseMove> = Vec::new();
        while let Some(row) = rows.next()? {
            let (at, actor, reason) = (Timestamp::from_micros(row.get(0)?), row.get(1)?, row.get(4)?);
            let is_own: bool = row.get(2)?;
            let is_promotion = row.get_ref(3)? == rusqlite::types::ValueRef::Null;
            let is_live = history.last().is_some_and(|last| last.to == ReleaseState::Live);
            let (to, reason) = match (is_own, is_promotion) {
                (true, true) => (ReleaseState::Live, reason),
                // As in [`moved`]: to and from live it goes by promotions alone.
                (true, false) if !is_live && word::<ReleaseState>(row, 3)? != ReleaseState::Live => {
                    (word(row, 3)?, reason)
                }
                (false, true) if is_live => {
                    (ReleaseState::Retired, format!("{} took its place: {reason}", row.get::<_, String>(5)?))
                }
                _ => continue,
            };
            history.push(ReleaseMove { at, to, actor, reason });
        }
        Ok(history)
    }

    /// The model that decides a share of the line, where there is one.
    pub fn canary(&self) -> Result<Option<Release>, StoreError> {
        Ok(self.releases()?.into_iter().find(|release| release.state == ReleaseState::Canary))
    }

    /// Since when a model has been tried, without a break: from its first step into shadow or onto a share of
    /// the line, also where it is live since. A model that comes back to the line as it was goes on where it
    /// left. `None` for one that is not on the line.
    pub fn trial_since(&self, hash: &str) -> Result<Option<Timestamp>, StoreError> {
        let (mut since, mut before, mut is_live) = (None, None, false);
        for ReleaseMove { at, to, .. } in self.release_history(hash)? {
            match to {
                ReleaseState::Live => {
                    since = since.filter(|_| !is_live).or(before).or(Some(at));
                    (before, is_live) = (None, true);
                }
                _ if is_live => (since, before, is_live) = (None, since, false),
                ReleaseState::Shadow | ReleaseState::Canary => (since, before) = (since.or(Some(at)), None),
                ReleaseState::Candidate | ReleaseState::Retired => (since, before) = (None, None),
            }
        }
        Ok(since)
    }

    /// The one that was live before the present one.
    pub fn live_before(&self) -> Result<Option<Release>, StoreError> {
        let mut was: Vec<Release> = self.releases()?;
        was.retain(|release| release.state == ReleaseState::Retired && release.live_at.is_some());
        Ok(was.into_iter().max_by_key(|release| release.since))
    }

    /// Items that arrived behind `after`, in their order, as far as the station has decided them.
    pub fn shadow_items(&self, after: Option<ItemId>, limit: usize) -> Result<Vec<ShadowItem>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT i.item_id, i.unit, i.media, i.reference, p.payload, {STATION_OUTCOME}
             FROM items i JOIN decisions d ON d.item_id = i.item_id
             LEFT JOIN predictions p ON p.item_id = i.item_id
             LEFT JOIN checks c ON c.item_id = i.item_id
             LEFT JOIN automatic a ON a.inspection_id = i.inspection_id
             WHERE i.item_id > ?1 AND i.inspection_id IS NOT NULL ORDER BY i.item_id LIMIT ?2"
        ))?;
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![after, limit], |row| {
            let is_predicted = row.get_ref(4)? != rusqlite::types::ValueRef::Null;
            Ok(ShadowItem {
                item: parsed(row, 0)?,
                unit: row.get(1)?,
                media: MediaHash::from_hex(row.get_ref(2)?.as_str()?),
                reference: row.get::<_, Option<String>>(3)?.map(|hex| MediaHash::from_hex(&hex)),
                prediction: if is_predicted { Some(json(row, 4)?) } else { None },
                outcome: word(row, 5)?,
            })
        })?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// The newest item that arrived before a time, or at all.
    pub fn newest_item_before(&self, time: Option<Timestamp>) -> Result<Option<ItemId>, StoreError> {
        let sql = "SELECT max(item_id) FROM items WHERE inspection_id IS NOT NULL AND item_id < ?1";
        // Above every id.
        let end = time.map_or_else(|| "g".to_owned(), first_id_at);
        self.item_id(sql, &end)
    }

    /// Settled labels since a time, and all.
    pub fn labels_since(&self, time: Timestamp) -> Result<(usize, usize), StoreError> {
        let sql = "SELECT count(*) FILTER (WHERE settled_at > ?1), count(*) FROM labels";
        let count = |row: &Row<'_>, column| -> rusqlite::Result<usize> {
            Ok(usize::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
        };
        let mut statement = self.conn.prepare_cached(sql)?;
        Ok(statement.query_row([time.as_micros()], |row| Ok((count(row, 0)?, count(row, 1)?)))?)
    }

    /// Whether a person was asked about the item because two models see it alike, or not.
    pub fn is_compared(&self, item: ItemId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM comparisons WHERE item_id = ?1)";
        Ok(self.conn.prepare_cached(sql)?.query_row([item.to_string()], |row| row.get(0))?)
    }

    /// Questions asked for comparisons that nobody has answered yet.
    pub fn comparisons_waiting(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM comparisons k JOIN queue q ON q.item_id = k.item_id";
        let n: i64 = self.conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(u64::try_from(n).unwrap_or_default())
    }

    /// The newest item that a model in shadow has looked at.
    pub fn newest_shadow(&self, hash: &str) -> Result<Option<ItemId>, StoreError> {
        self.item_id("SELECT max(item_id) FROM shadow_predictions WHERE model = ?1", hash)
    }

    fn item_id(&self, sql: &str, argument: &str) -> Result<Option<ItemId>, StoreError> {
        let found: Option<String> = self.conn.prepare_cached(sql)?.query_row([argument], |row| row.get(0))?;
        found
            .map(|id| id.parse().map_err(|_| StoreError::Damaged(format!("\"{id}\" is not an item"))))
            .transpose()
    }

    /// Items that a model in shadow has looked at, and those it had no time for.
    pub fn shadow_counts(&self, hash: &str) -> Result<(u64, u64), StoreError> {
        let count = |sql: &str| -> Result<u64, StoreError> {
            let n: Option<i64> =
                self.conn.prepare_cached(sql)?.query_row([hash], |row| row.get(0)).optional()?;
            Ok(n.and_then(|n| u64::try_from(n).ok()).unwrap_or_default())
        };
        Ok((
            count("SELECT count(*) FROM shadow_predictions WHERE model = ?1")?,
            count("SELECT items FROM shadow_drops WHERE model = ?1")?,
        ))
    }

    /// What the model that decided an item and those in shadow have said of it.
    pub fn predictions_of(&self, item: ItemId) -> Result<Vec<Prediction>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT payload FROM predictions WHERE item_id = ?1
             UNION ALL SELECT payload FROM shadow_predictions WHERE item_id = ?1",
        )?;
        let rows = statement.query_map([item.to_string()], |row| json(row, 0))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// What this model says of items that another one decided; oldest first. Behind the event `after`: only
    /// those of which the log says something newer.
    pub fn seen_by_both(
        &self,
        hash: &str,
        since: Timestamp,
        after: Option<i64>,
    ) -> Result<Vec<SeenByBoth>, StoreError> {
        let newer = match after {
            Some(_) => "s.item_id IN (SELECT json_extract(payload, '$.item') FROM events WHERE seq > ?3)",
            None => "?3 IS NULL",
        };
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT s.item_id, i.inspection_id, i.unit, {STATION_OUTCOME}, p.payload, s.payload, k.agree,
                    k.probability, l.payload, i.source, i.arrived_at
             FROM shadow_predictions s
             JOIN items i ON i.item_id = s.item_id
             JOIN predictions p ON p.item_id = s.item_id
             JOIN decisions d ON d.item_id = s.item_id
             LEFT JOIN comparisons k ON k.item_id = s.item_id AND k.model = s.model
             LEFT JOIN checks c ON c.item_id = s.item_id
             LEFT JOIN automatic a ON a.inspection_id = i.inspection_id
             LEFT JOIN labels l ON l.item_id = s.item_id
             WHERE s.model = ?1 AND i.arrived_at >= ?2 AND {newer} ORDER BY s.item_id"
        ))?;
        let rows = statement.query_map(params![hash, since.as_micros(), after], both)?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }
}

fn both(row: &Row<'_>) -> rusqlite::Result<SeenByBoth> {
    let is_there = |column| row.get_ref(column).map(|value| value != rusqlite::types::ValueRef::Null);
    Ok(SeenByBoth {
        item: parsed(row, 0)?,
        inspection: row.get(1)?,
        unit: row.get(2)?,
        outcome: word(row, 3)?,
        decided: json(row, 4)?,
        other: json(row, 5)?,
        asked: if is_there(6)? { Some((row.get(6)?, Probability::saturating(row.get(7)?))) } else { None },
        label: if is_there(8)? { Some(json(row, 8)?) } else { None },
        source: row.get(9)?,
        arrived_at: Timestamp::from_micros(row.get(10)?),
    })
}
