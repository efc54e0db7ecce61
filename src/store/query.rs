//! Reading: plain functions over the projections, for transactions and for readers beside them.

use super::project::{AUDITS, LEVEL, LIVE_SINCE, MODEL, PLAN, POLICY, POLICY_SINCE};
use super::{QueueFilter, StoreError, log};
use crate::domain::{
    AuditRates, DecidedBy, Decision, Event, EventId, InspectionId, Item, ItemId, Label, Level, MediaHash,
    MediaKind, ModelRef, Outcome, Policy, Prediction, Timestamp, Verdict, Vote,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::str::FromStr;

/// A view of the line's state: inside a transaction, what that transaction sees.
pub struct View<'a> {
    pub(super) conn: &'a Connection,
}

/// One row of the queue, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    pub item: Item,
    /// For the person who is asked.
    pub reason: String,
    pub prediction: Option<Prediction>,
    pub after: QueuePlace,
}

/// Where a page of the queue ended; the next one begins behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePlace {
    pub(super) priority: i64,
    pub(super) opened_at: i64,
    pub(super) inspection: String,
    pub(super) item: String,
}

/// A verdict that stands, with the id of its event.
#[derive(Clone, Debug, PartialEq)]
pub struct StandingVerdict {
    pub event: EventId,
    pub verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq)]
pub struct InspectionState {
    pub id: InspectionId,
    pub unit: String,
    pub opened_at: Timestamp,
    /// The decision in force and who made it; `None` while items are missing.
    pub decision: Option<(Outcome, DecidedBy)>,
    pub reason: Option<String>,
    /// Outcomes of its items, and who decided each.
    pub items: Vec<(ItemId, Outcome, DecidedBy)>,
}

/// Counts that a glance needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tallies {
    pub arrived: i64,
    pub imported: i64,
    pub passed: i64,
    pub diverted: i64,
    pub waiting: i64,
    pub verdicts: i64,
    /// Inspections with a decision.
    pub inspections: i64,
    /// Of these, decided without a person.
    pub automatic: i64,
}

impl Tallies {
    /// Share of inspections decided without a person; `None` before the first.
    #[must_use]
    pub fn automation_rate(&self) -> Option<f64> {
        (self.inspections > 0).then(|| self.automatic as f64 / self.inspections as f64)
    }
}

/// What the line does now.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub level: Level,
    pub policy: Option<Policy>,
    pub model: Option<ModelRef>,
    /// Since when that is live, and the policy in force.
    pub live_since: Option<Timestamp>,
    pub policy_since: Option<Timestamp>,
    /// How often automatic decisions are checked.
    pub audits: Option<AuditRates>,
    /// BLAKE3 of the plan that the log last saw.
    pub plan: Option<String>,
}

/// A labelled item as exports and training take it from the store.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelRow {
    pub item: Item,
    pub label: Label,
    pub votes: Vec<Vote>,
    pub extra: BTreeMap<String, serde_json::Value>,
}

pub(super) const ITEM: &str =
    "i.item_id, i.inspection_id, i.unit, i.kind, i.media, i.name, i.source, i.reference, i.arrived_at";

/// A stored text that does not parse is damage, and named as such.
pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| rusqlite::Error::InvalidColumnType(column, text, rusqlite::types::Type::Text))
}

fn parsed_some<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    if row.get_ref(column)? == rusqlite::types::ValueRef::Null {
        return Ok(None);
    }
    parsed(row, column).map(Some)
}

/// A column with JSON in it; a bare word is read as a JSON string.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

pub(super) fn word<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_value(serde_json::Value::String(text)).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

pub(super) fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    Ok(Item {
        id: parsed(row, 0)?,
        inspection: parsed_some(row, 1)?,
        unit: row.get(2)?,
        kind: word::<MediaKind>(row, 3)?,
        media: MediaHash::from_hex(row.get_ref(4)?.as_str()?),
        name: row.get(5)?,
        source: row.get(6)?,
        reference: row.get::<_, Option<String>>(7)?.map(|hex| MediaHash::from_hex(&hex)),
        arrived_at: Timestamp::from_micros(row.get(8)?),
    })
}

impl View<'_> {
    pub fn item(&self, id: ItemId) -> Result<Option<Item>, StoreError> {
        let sql = format!("SELECT {ITEM} FROM items i WHERE i.item_id = ?1");
        Ok(self.conn.prepare_cached(&sql)?.query_row([id.to_string()], item).optional()?)
    }

    /// The first item that brought these bytes through a source.
    pub fn item_with_bytes(&self, media: &MediaHash) -> Result<Option<Item>, StoreError> {
        let sql = format!(
            "SELECT {ITEM} FROM items i WHERE i.media = ?1 AND i.inspection_id IS NOT NULL
             ORDER BY i.arrived_at, i.item_id LIMIT 1"
        );
        Ok(self.conn.prepare_cached(&sql)?.query_row([media.as_str()], item).optional()?)
    }

    /// Whether this very file (same source, name, and content) was taken in before.
    pub fn knows_file(&self, source: &str, name: &str, media: &MediaHash) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM items WHERE source = ?1 AND name = ?2 AND media = ?3)";
        Ok(self
            .conn
            .prepare_cached(sql)?
            .query_row(params![source, name, media.as_str()], |row| row.get(0))?)
    }

    /// As [`View::knows_file`] without reading the file: same source, name, size and file time.
    pub fn knows_unchanged_file(
        &self,
        source: &str,
        name: &str,
        bytes: u64,
        modified_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM items
                   WHERE source = ?1 AND name = ?2 AND bytes = ?3 AND modified_at = ?4)";
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        Ok(self
            .conn
            .prepare_cached(sql)?
            .query_row(params![source, name, bytes, modified_at.as_micros()], |row| row.get(0))?)
    }

    pub fn prediction(&self, id: ItemId) -> Result<Option<Prediction>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT payload FROM predictions WHERE item_id = ?1")?
            .query_row([id.to_string()], |row| json(row, 0))
            .optional()?)
    }

    /// The outcome in force.
    pub fn outcome(&self, id: ItemId) -> Result<Option<Outcome>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT decision FROM decisions WHERE item_id = ?1")?
            .query_row([id.to_string()], |row| word(row, 0))
            .optional()?)
    }

    /// The outcome in force, who decided it, and the reason as it was shown.
    pub fn decision(&self, id: ItemId) -> Result<Option<(Outcome, DecidedBy, String)>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT decision, decided_by, reason FROM decisions WHERE item_id = ?1")?
            .query_row([id.to_string()], |row| Ok((word(row, 0)?, word(row, 1)?, row.get(2)?)))
            .optional()?)
    }

    /// The newest decision of the item that no person made, as it was recorded.
    pub fn decision_before_answers(&self, id: ItemId) -> Result<Option<Decision>, StoreError> {
        let seq: Option<i64> = self
            .conn
            .prepare_cached("SELECT before_answers FROM decisions WHERE item_id = ?1")?
            .query_row([id.to_string()], |row| row.get(0))
            .optional()?
            .flatten();
        let Some(seq) = seq else { return Ok(None) };
        match log::event_at(self.conn, seq)? {
            Some(Event::ItemDecided { item, decision, .. }) if item == id => Ok(Some(decision)),
            _ => Err(StoreError::Damaged(format!("event {seq} is not the decision of item {id}"))),
        }
    }

    /// At most `limit` rows behind `after`, in the order in which they should be answered.
    pub fn queue(&self, after: Option<&QueuePlace>, limit: usize) -> Result<Vec<Queued>, StoreError> {
        self.filtered_queue(&QueueFilter::default(), after, limit)
    }

    /// The newest inspection of this unit that was opened after `since`, still waits for items
    /// and has none at `position` yet (a second picture from one side is another passage).
    pub fn open_inspection(
        &self,
        unit: &str,
        position: Option<&str>,
        since: Timestamp,
    ) -> Result<Option<InspectionId>, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT n.inspection_id FROM inspections n
                 WHERE n.unit = ?1 AND n.decision IS NULL AND n.opened_at > ?3
                   AND NOT EXISTS (SELECT 1 FROM items i WHERE i.inspection_id = n.inspection_id
                                   AND ?2 IS NOT NULL AND i.position = ?2)
                 ORDER BY n.opened_at DESC LIMIT 1",
            )?
            .query_row(params![unit, position, since.as_micros()], |row| parsed(row, 0))
            .optional()?)
    }

    /// Inspections that were opened before `before` and still wait for items, oldest first.
    pub fn overdue_inspections(&self, before: Timestamp) -> Result<Vec<InspectionId>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT inspection_id FROM inspections WHERE decision IS NULL AND opened_at <= ?1
             ORDER BY opened_at, inspection_id",
        )?;
        let rows = statement.query_map([before.as_micros()], |row| parsed(row, 0))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    pub fn inspection(&self, id: InspectionId) -> Result<Option<InspectionState>, StoreError> {
        let row = self
            .conn
            .prepare_cached(
                "SELECT unit, opened_at, decision, decided_by, reason FROM inspections WHERE inspection_id = ?1",
            )?
            .query_row([id.to_string()], |row| {
                let decided = row.get_ref(2)? != rusqlite::types::ValueRef::Null;
                Ok((
                    row.get::<_, String>(0)?,
                    Timestamp::from_micros(row.get(1)?),
                    if decided { Some((word(row, 2)?, word(row, 3)?)) } else { None },
                    row.get::<_, Option<String>>(4)?,
                ))
            })
            .optional()?;
        let Some((unit, opened_at, decision, reason)) = row else {
            return Ok(None);
        };
        let mut statement = self.conn.prepare_cached(
            "SELECT i.item_id, d.decision, d.decided_by FROM items i
             JOIN decisions d ON d.item_id = i.item_id
             WHERE i.inspection_id = ?1 ORDER BY i.item_id",
        )?;
        let items = statement
            .query_map([id.to_string()], |row| Ok((parsed(row, 0)?, word(row, 1)?, word(row, 2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Some(InspectionState { id, unit, opened_at, decision, reason, items }))
    }

    /// Standing verdicts of an item, oldest first.
    pub fn verdicts(&self, id: ItemId) -> Result<Vec<StandingVerdict>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT event_id, payload FROM verdicts WHERE item_id = ?1 AND undone = 0 ORDER BY seq",
        )?;
        let rows = statement.query_map([id.to_string()], |row| {
            Ok(StandingVerdict { event: parsed(row, 0)?, verdict: json(row, 1)? })
        })?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// The reviewer's newest answer that still stands.
    pub fn last_verdict_of(&self, reviewer: &str) -> Result<Option<StandingVerdict>, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT event_id, payload FROM verdicts WHERE reviewer = ?1 AND undone = 0
                 ORDER BY seq DESC LIMIT 1",
            )?
            .query_row([reviewer], |row| {
                Ok(StandingVerdict { event: parsed(row, 0)?, verdict: json(row, 1)? })
            })
            .optional()?)
    }

    pub fn label(&self, id: ItemId) -> Result<Option<Label>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT payload FROM labels WHERE item_id = ?1")?
            .query_row([id.to_string()], |row| json(row, 0))
            .optional()?)
    }

    /// The label that an import brought with the item.
    pub fn imported_label(&self, id: ItemId) -> Result<Option<Label>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT label FROM items WHERE item_id = ?1 AND label IS NOT NULL")?
            .query_row([id.to_string()], |row| json(row, 0))
            .optional()?)
    }

    /// Every labelled item whose media has not expired, in the order of arrival.
    pub fn labels(&self) -> Result<Vec<LabelRow>, StoreError> {
        let sql = format!(
            "SELECT {ITEM}, l.payload, i.votes, i.extra FROM labels l JOIN items i ON i.item_id = l.item_id
             WHERE NOT EXISTS (SELECT 1 FROM expired e WHERE e.media = i.media)
             ORDER BY i.arrived_at, i.item_id"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map([], |row| {
            Ok(LabelRow {
                item: item(row)?,
                label: json(row, 9)?,
                votes: json(row, 10)?,
                extra: json(row, 11)?,
            })
        })?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Whether the log has an export with this digest: proof that exactly these labels left the
    /// store.
    pub fn has_exported(&self, digest: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM events
                   WHERE kind = 'Exported' AND json_extract(payload, '$.digest') = ?1)";
        Ok(self.conn.prepare_cached(sql)?.query_row([digest], |row| row.get(0))?)
    }

    pub fn tallies(&self) -> Result<Tallies, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT what, n FROM tallies")?;
        let counts: BTreeMap<String, i64> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let n = |what: &str| counts.get(what).copied().unwrap_or(0);
        let prefix_sum = |prefix: &str| {
            counts.iter().filter(|(what, _)| what.starts_with(prefix)).map(|(_, n)| n).sum::<i64>()
        };
        Ok(Tallies {
            arrived: n("arrived"),
            imported: n("imported"),
            passed: n("items_pass"),
            diverted: n("items_divert"),
            waiting: n("items_review"),
            verdicts: n("verdicts"),
            inspections: prefix_sum("inspections_"),
            automatic: n("inspections_pass_model") + n("inspections_divert_model"),
        })
    }

    pub fn settings(&self) -> Result<Settings, StoreError> {
        Ok(Settings {
            level: self.setting(LEVEL)?.unwrap_or(Level::Manual),
            policy: self.setting(POLICY)?,
            model: self.setting(MODEL)?,
            live_since: self.setting(LIVE_SINCE)?,
            policy_since: self.setting(POLICY_SINCE)?,
            audits: self.setting(AUDITS)?,
            plan: self.setting(PLAN)?,
        })
    }

    fn setting<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
            .query_row([name], |row| json(row, 0))
            .optional()?)
    }
}
