//! What a person looks through: the queue under a filter, the history of one item, the labels.
//!
//! Nothing here reads more than a page, a count that stops at a limit, or ids.

use super::project::BLIND;
use super::query::{ITEM, item, json, parsed, word};
use super::{QueuePlace, Queued, StoreError, View, log};
use crate::domain::{
    DecidedBy, Event, Item, ItemId, Label, LabelStatus, MediaHash, Outcome, Timestamp, TranscriptRule, Vote,
};
use rusqlite::{OptionalExtension, ToSql, params};
use std::collections::BTreeMap;

/// What is said of a question that gives nothing away.
pub const ASKED_BLIND: &str = "asked without showing what the model says";

/// Which waiting items a person wants to see; empty fields ask for nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueFilter {
    /// The model's most probable class.
    pub suggestion: Option<String>,
    /// Machine-readable reason, as in the event.
    pub reason: Option<String>,
    pub model: Option<String>,
    /// Part of the unit or of the file's name.
    pub text: String,
    /// Probability of the suggested class, both ends included.
    pub confidence: Option<[f64; 2]>,
    /// Inspections opened at or after this time.
    pub since: Option<Timestamp>,
}

impl QueueFilter {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Conditions on `queue q`, and their values from the place `first` on.
    fn conditions(&self, first: usize) -> (String, Vec<Box<dyn ToSql>>) {
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        let mut sql = String::new();
        let mut add = |condition: &str, value: Box<dyn ToSql>| {
            let place = format!("?{}", first + values.len());
            sql.push_str(" AND ");
            sql.push_str(&condition.replace('#', &place));
            values.push(value);
        };
        for (condition, text) in [
            ("q.suggestion = #", &self.suggestion),
            ("q.code = #", &self.reason),
            ("q.model = #", &self.model),
        ] {
            if let Some(text) = text {
                add(condition, Box::new(text.clone()));
            }
        }
        if !self.text.trim().is_empty() {
            // LIKE knows upper and lower case and is twice as fast as comparing lowered texts.
            let literal = self.text.trim().replace('!', "!!").replace('%', "!%").replace('_', "!_");
            add("(q.unit LIKE # ESCAPE '!' OR q.name LIKE # ESCAPE '!')", Box::new(format!("%{literal}%")));
        }
        if let Some([low, high]) = self.confidence {
            add("q.confidence >= #", Box::new(low));
            add("q.confidence <= #", Box::new(high));
        }
        if let Some(since) = self.since {
            add("q.opened_at >= #", Box::new(since.as_micros()));
        }
        (sql, values)
    }
}

/// An item of the queue as a list names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    pub item: Item,
    /// For the person who is asked.
    pub reason: String,
}

/// The items of an inspection, and what is in force for each.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectedItem {
    pub item: Item,
    pub outcome: Outcome,
    pub decided_by: DecidedBy,
    pub reason: String,
}

/// One event of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    pub at: Timestamp,
    pub actor: String,
    pub event: Event,
}

/// Which labels a person wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelFilter {
    /// One of the item's classes.
    pub class: Option<String>,
    /// A word of what is said.
    pub word: Option<String>,
    pub status: Option<LabelStatus>,
    /// Part of the unit, of the file's name or of what is said.
    pub text: String,
    /// Only what people answered here, or only what was imported.
    pub is_answered: Option<bool>,
}

/// A labelled item of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    pub item: Item,
    pub label: Label,
    pub votes: Vec<Vote>,
    pub settled_at: Timestamp,
}

/// Where a labelled region lies, in pixels of its picture.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelPlace {
    pub class: String,
    pub center: [f32; 2],
    /// Root of the area of its box.
    pub side: f32,
}

/// Answers whose seconds make the median: how fast a person is now.
const PACE_ANSWERS: i64 = 200;

/// Answers of one person since some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AnswerPace {
    pub answers: usize,
    /// `None` before the first.
    pub median_secs: Option<f64>,
}

impl View<'_> {
    /// As [`View::queue`], of what the filter wants.
    pub fn filtered_queue(
        &self,
        filter: &QueueFilter,
        after: Option<&QueuePlace>,
        limit: usize,
    ) -> Result<Vec<Queued>, StoreError> {
        let (conditions, values) = filter.conditions(6);
        let sql = format!(
            "SELECT {ITEM}, CASE WHEN q.code = '{BLIND}' THEN '{ASKED_BLIND}' ELSE d.reason END,
                    CASE WHEN q.code = '{BLIND}' THEN NULL ELSE p.payload END, q.priority, q.opened_at
             FROM queue q JOIN items i ON i.item_id = q.item_id
             JOIN decisions d ON d.item_id = q.item_id
             LEFT JOIN predictions p ON p.item_id = q.item_id
             WHERE (q.priority, q.opened_at, q.inspection_id, q.item_id) > (?1, ?2, ?3, ?4){conditions}
             ORDER BY q.priority, q.opened_at, q.inspection_id, q.item_id LIMIT ?5"
        );
        let (priority, opened_at, inspection, item_id) = QueuePlace::bounds(after);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.conn.prepare_cached(&sql)?;
        let fixed: [&dyn ToSql; 5] = [&priority, &opened_at, &inspection, &item_id, &limit];
        let all: Vec<&dyn ToSql> = fixed.into_iter().chain(values.iter().map(|v| &**v)).collect();
        let rows = statement.query_map(all.as_slice(), Queued::read)?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// What waits first, without what a model says of it: for lists that only name items.
    pub fn waiting(&self, filter: &QueueFilter, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        let (conditions, values) = filter.conditions(2);
        let sql = format!(
            "SELECT {ITEM}, CASE WHEN q.code = '{BLIND}' THEN '{ASKED_BLIND}' ELSE d.reason END
             FROM queue q JOIN items i ON i.item_id = q.item_id
             JOIN decisions d ON d.item_id = q.item_id WHERE TRUE{conditions}
             ORDER BY q.priority, q.opened_at, q.inspection_id, q.item_id LIMIT ?1"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let all: Vec<&dyn ToSql> =
            std::iter::once(&limit as &dyn ToSql).chain(values.iter().map(|v| &**v)).collect();
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement
            .query_map(all.as_slice(), |row| Ok(Waiting { item: item(row)?, reason: row.get(9)? }))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// How many waiting items the filter wants, counted up to a limit.
    pub fn queue_count(&self, filter: &QueueFilter, limit: usize) -> Result<usize, StoreError> {
        let (conditions, values) = filter.conditions(2);
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM queue q WHERE TRUE{conditions} LIMIT ?1)");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let all: Vec<&dyn ToSql> =
            std::iter::once(&limit as &dyn ToSql).chain(values.iter().map(|v| &**v)).collect();
        let count: i64 = self.conn.prepare_cached(&sql)?.query_row(all.as_slice(), |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// When the inspection was opened that waits longest.
    pub fn oldest_waiting(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT opened_at FROM queue ORDER BY priority, opened_at LIMIT 1";
        Ok(self
            .conn
            .prepare_cached(sql)?
            .query_row([], |row| Ok(Timestamp::from_micros(row.get(0)?)))
            .optional()?)
    }

    /// Where the items behind `after` stand in the queue.
    pub(super) fn places(
        &self,
        filter: &QueueFilter,
        after: Option<&QueuePlace>,
        limit: usize,
    ) -> Result<Vec<QueuePlace>, StoreError> {
        let (conditions, values) = filter.conditions(6);
        let sql = format!(
            "SELECT q.priority, q.opened_at, q.inspection_id, q.item_id FROM queue q
             WHERE (q.priority, q.opened_at, q.inspection_id, q.item_id) > (?1, ?2, ?3, ?4){conditions}
             ORDER BY q.priority, q.opened_at, q.inspection_id, q.item_id LIMIT ?5"
        );
        let (priority, opened_at, inspection, item_id) = QueuePlace::bounds(after);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let fixed: [&dyn ToSql; 5] = [&priority, &opened_at, &inspection, &item_id, &limit];
        let all: Vec<&dyn ToSql> = fixed.into_iter().chain(values.iter().map(|v| &**v)).collect();
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(all.as_slice(), |row| {
            Ok(QueuePlace {
                priority: row.get(0)?,
                opened_at: row.get(1)?,
                inspection: row.get(2)?,
                item: row.get(3)?,
            })
        })?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// One row of the queue; `None` when the item does not wait.
    pub fn queued(&self, id: ItemId) -> Result<Option<Queued>, StoreError> {
        let sql = format!(
            "SELECT {ITEM}, CASE WHEN q.code = '{BLIND}' THEN '{ASKED_BLIND}' ELSE d.reason END,
                    CASE WHEN q.code = '{BLIND}' THEN NULL ELSE p.payload END, q.priority, q.opened_at
             FROM queue q JOIN items i ON i.item_id = q.item_id
             JOIN decisions d ON d.item_id = q.item_id
             LEFT JOIN predictions p ON p.item_id = q.item_id WHERE q.item_id = ?1"
        );
        Ok(self.conn.prepare_cached(&sql)?.query_row([id.to_string()], Queued::read).optional()?)
    }

    /// Whether an item waits for a person.
    pub fn is_waiting(&self, id: ItemId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM queue WHERE item_id = ?1)";
        Ok(self.conn.prepare_cached(sql)?.query_row([id.to_string()], |row| row.get(0))?)
    }

    /// Every item of an inspection that has arrived, in order of arrival.
    pub fn inspected_items(
        &self,
        inspection: crate::domain::InspectionId,
    ) -> Result<Vec<InspectedItem>, StoreError> {
        let sql = format!(
            "SELECT {ITEM}, d.decision, d.decided_by, d.reason
             FROM items i JOIN decisions d ON d.item_id = i.item_id
             WHERE i.inspection_id = ?1 ORDER BY i.item_id"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map([inspection.to_string()], |row| {
            Ok(InspectedItem {
                item: item(row)?,
                outcome: word(row, 9)?,
                decided_by: word(row, 10)?,
                reason: row.get(11)?,
            })
        })?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Everything that happened to an item, oldest first.
    pub fn history(&self, id: ItemId) -> Result<Vec<HistoryEntry>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT seq FROM events WHERE json_extract(payload, '$.item') = ?1 ORDER BY seq",
        )?;
        let seqs: Vec<i64> =
            statement.query_map([id.to_string()], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        seqs.into_iter()
            .map(|seq| {
                let (at, actor, event) = log::entry_at(self.conn, seq)?
                    .ok_or_else(|| StoreError::Damaged(format!("event {seq} is gone")))?;
                Ok(HistoryEntry { at, actor, event })
            })
            .collect()
    }

    /// Items that this person has on the screen now.
    pub fn leased_by(&self, reviewer: &str, now: Timestamp) -> Result<Vec<ItemId>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT item_id FROM leases WHERE reviewer = ?1 AND until > ?2 ORDER BY until DESC",
        )?;
        let rows = statement.query_map(params![reviewer, now.as_micros()], |row| parsed(row, 0))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Standing answers of a person since a time, and the median of the seconds that the newest took.
    pub fn answer_pace(&self, reviewer: &str, since: Timestamp) -> Result<AnswerPace, StoreError> {
        let mut counted = self.conn.prepare_cached(
            "SELECT count(*) FROM verdicts WHERE reviewer = ?1 AND undone = 0 AND answered_at >= ?2",
        )?;
        let answers: i64 = counted.query_row(params![reviewer, since.as_micros()], |row| row.get(0))?;
        let mut newest = self.conn.prepare_cached(
            "SELECT seconds FROM verdicts WHERE reviewer = ?1 AND undone = 0 AND answered_at >= ?2
             ORDER BY seq DESC LIMIT ?3",
        )?;
        let mut seconds: Vec<f64> = newest
            .query_map(params![reviewer, since.as_micros(), PACE_ANSWERS], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        seconds.sort_by(f64::total_cmp);
        let answers = usize::try_from(answers).unwrap_or_default();
        Ok(AnswerPace { answers, median_secs: seconds.get(seconds.len() / 2).copied() })
    }

    /// Items of the labels that the filter wants, newest first: 16 bytes each, so that a million
    /// can be scrolled.
    pub fn labelled_ids(
        &self,
        filter: &LabelFilter,
        rule: &TranscriptRule,
    ) -> Result<Vec<ItemId>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT l.item_id, l.payload FROM labels l JOIN items i ON i.item_id = l.item_id
             WHERE (?1 IS NULL OR l.class = ?1
                    OR EXISTS (SELECT 1 FROM json_each(l.payload, '$.regions') r
                               WHERE json_extract(r.value, '$.class') = ?1)
                    OR (?1 = 'good' AND l.class IS NULL AND json_extract(l.payload, '$.regions[0]') IS NULL
                        AND json_extract(l.payload, '$.transcript') IS NULL AND l.status = 'confirmed'))
               AND (?2 IS NULL OR l.status = ?2)
               AND (?3 = '' OR instr(lower(i.unit), ?3) OR instr(lower(i.name), ?3)
                    OR instr(lower(json_extract(l.payload, '$.transcript')), ?3))
               AND (?4 IS NULL OR ?4 = EXISTS (SELECT 1 FROM verdicts v
                                               WHERE v.item_id = l.item_id AND v.undone = 0))
             ORDER BY l.settled_at DESC, l.item_id DESC",
        )?;
        let status = filter.status.map(LabelStatus::as_str);
        let text = filter.text.trim().to_lowercase();
        let rows = statement.query_map(params![filter.class, status, text, filter.is_answered], |row| {
            let is_wanted = match &filter.word {
                Some(word) => rule.words_of(&json(row, 1)?).contains(word),
                None => true,
            };
            if is_wanted { parsed(row, 0).map(Some) } else { Ok(None) }
        })?;
        rows.filter_map(|row| row.map_err(StoreError::from).transpose()).collect()
    }

    pub fn labelled(&self, id: ItemId) -> Result<Option<Labelled>, StoreError> {
        let sql = format!(
            "SELECT {ITEM}, l.payload, i.votes, l.settled_at
             FROM labels l JOIN items i ON i.item_id = l.item_id WHERE l.item_id = ?1"
        );
        Ok(self
            .conn
            .prepare_cached(&sql)?
            .query_row([id.to_string()], |row| {
                Ok(Labelled {
                    item: item(row)?,
                    label: json(row, 9)?,
                    votes: json(row, 10)?,
                    settled_at: Timestamp::from_micros(row.get(11)?),
                })
            })
            .optional()?)
    }

    /// Labels by their own class and status. A label without a class of its own counts under its
    /// first region, or as good; what is said has none.
    pub fn label_counts(&self) -> Result<BTreeMap<(String, String), i64>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT CASE WHEN status = 'confirmed'
                         THEN coalesce(class, json_extract(payload, '$.regions[0].class'),
                                       iif(json_extract(payload, '$.transcript') IS NULL, 'good', ''))
                         ELSE '' END AS what, status, count(*) FROM labels GROUP BY 1, 2",
        )?;
        let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// In how many labels a word is said.
    pub fn word_counts(&self, rule: &TranscriptRule) -> Result<BTreeMap<String, i64>, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT payload FROM labels")?;
        let mut counts = BTreeMap::new();
        for label in statement.query_map([], |row| json::<Label>(row, 0))? {
            for word in rule.words_of(&label?) {
                *counts.entry(word).or_default() += 1;
            }
        }
        Ok(counts)
    }

    /// Regions of the newest labels, at most so many labels.
    pub fn label_places(&self, limit: usize) -> Result<Vec<LabelPlace>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT payload FROM labels ORDER BY settled_at DESC, item_id DESC LIMIT ?1")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let labels = statement.query_map([limit], |row| json::<Label>(row, 0))?;
        let mut places = Vec::new();
        for label in labels {
            for region in label?.regions {
                let Some(b) = region.shape.bounds() else { continue };
                places.push(LabelPlace { class: region.class, center: b.center(), side: b.area().sqrt() });
            }
        }
        Ok(places)
    }

    /// Whether another connection has committed since the number was last the same.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        Ok(self.conn.query_row("PRAGMA data_version", [], |row| row.get(0))?)
    }

    /// The rule that erased these bytes, where one did.
    pub fn expired(&self, media: &MediaHash) -> Result<Option<String>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT rule FROM expired WHERE media = ?1")?
            .query_row([media.as_str()], |row| row.get(0))
            .optional()?)
    }
}

impl Queued {
    /// From the columns of an item, then reason, prediction, priority and time of opening.
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let item = item(row)?;
        let after = QueuePlace {
            priority: row.get(11)?,
            opened_at: row.get(12)?,
            inspection: item.inspection.map(|id| id.to_string()).unwrap_or_default(),
            item: item.id.to_string(),
        };
        let has_prediction = row.get_ref(10)? != rusqlite::types::ValueRef::Null;
        let prediction = if has_prediction { Some(json(row, 10)?) } else { None };
        Ok(Self { item, reason: row.get(9)?, prediction, after })
    }
}

impl QueuePlace {
    /// Lower bounds of the four columns that order the queue.
    fn bounds(after: Option<&Self>) -> (i64, i64, &str, &str) {
        after.map_or((i64::MIN, i64::MIN, "", ""), |a| {
            (a.priority, a.opened_at, a.inspection.as_str(), a.item.as_str())
        })
    }
}
