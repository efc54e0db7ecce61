//! What people have verified of a model's decisions and questions, and the alarms that stand.

use super::project::BLIND;
use super::query::{json, parsed, word};
use super::releases::STATION_OUTCOME;
use super::{StoreError, View};
use crate::domain::{
    Alarm, Band, InspectionId, ItemId, Label, Outcome, Plan, Prediction, Probability, Route, Task, Timestamp,
};
use rusqlite::{OptionalExtension, Row, params};
use std::collections::BTreeSet;

/// Predictions that are read for each unit that is wanted, at most.
const PICTURES_PER_UNIT: usize = 20;

/// An item that a person looks at, or has looked at: asked, or drawn for a check.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedItem {
    pub item: ItemId,
    pub inspection: InspectionId,
    pub unit: String,
    /// Pictures of the whole inspection.
    pub items: u32,
    /// Whether the unit was not on the line before, since the model is live.
    pub is_first_of_unit: bool,
    /// Number of the station's decision in the log.
    pub seq: i64,
    pub outcome: Outcome,
    /// Of an automatic decision.
    pub band: Option<Band>,
    /// Of being looked at, and the smallest that the rules of its time could give.
    pub probability: Probability,
    pub least: Probability,
    pub decided_at: Timestamp,
    pub prediction: Prediction,
    /// Absent while nobody has answered.
    pub label: Option<Label>,
    /// Answers that stand.
    pub looks: u32,
}

/// Inspections that a model decided alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Automatic {
    pub passed: u64,
    pub diverted: u64,
}

impl View<'_> {
    /// Items of this model that a person was to look at since it is live, in the order of the station's
    /// decisions.
    pub fn checks(&self, model_hash: &str, since: Timestamp) -> Result<Vec<CheckedItem>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT c.item_id, c.inspection_id, n.unit, n.items, c.seq, c.outcome, c.band, c.probability,
                    c.least, c.decided_at, p.payload, l.payload,
                    (SELECT count(*) FROM verdicts v WHERE v.item_id = c.item_id AND v.undone = 0),
                    NOT EXISTS (SELECT 1 FROM inspections e WHERE e.unit = n.unit
                                AND e.opened_at >= ?2
                                AND (e.opened_at, e.inspection_id) < (n.opened_at, n.inspection_id))
             FROM checks c JOIN inspections n ON n.inspection_id = c.inspection_id
             JOIN predictions p ON p.item_id = c.item_id
             LEFT JOIN labels l ON l.item_id = c.item_id
             WHERE c.model = ?1 AND c.decided_at >= ?2 ORDER BY c.seq",
        )?;
        let rows = statement.query_map(params![model_hash, since.as_micros()], checked)?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Items that this model saw in shadow and a person was to look at, since a time: what came to people
    /// anyway, and what was drawn for the comparison. `agreements` is the probability with which that draws
    /// what the models agree on.
    pub fn shadow_checks(
        &self,
        model_hash: &str,
        since: Timestamp,
        agreements: Probability,
    ) -> Result<Vec<CheckedItem>, StoreError> {
        // Other checks of what was decided alone are left out, as they are from the comparison. The smallest
        // probability is one for all that is decided by the same rules, and 1 where people decide everything.
        let mut statement = self.conn.prepare_cached(&format!(
            "WITH rarest AS (SELECT min(?3, coalesce(min(probability), 1.0)) AS p FROM comparisons WHERE model = ?1)
             SELECT s.item_id, i.inspection_id, n.unit, n.items, e.seq, {STATION_OUTCOME} AS outcome, NULL,
                    CASE WHEN c.outcome = 'review' THEN 1.0 ELSE k.probability END,
                    CASE WHEN json_extract(e.payload, '$.decision.policy.level') IN ('partial', 'full')
                         THEN rarest.p ELSE 1.0 END,
                    e.at, s.payload, l.payload,
                    (SELECT count(*) FROM verdicts v WHERE v.item_id = s.item_id AND v.undone = 0),
                    NOT EXISTS (SELECT 1 FROM inspections b WHERE b.unit = n.unit
                                AND b.opened_at >= ?2
                                AND (b.opened_at, b.inspection_id) < (n.opened_at, n.inspection_id))
             FROM shadow_predictions s, rarest
             JOIN items i ON i.item_id = s.item_id
             JOIN inspections n ON n.inspection_id = i.inspection_id
             JOIN decisions d ON d.item_id = s.item_id
             LEFT JOIN checks c ON c.item_id = s.item_id
             LEFT JOIN automatic a ON a.inspection_id = i.inspection_id
             LEFT JOIN comparisons k ON k.item_id = s.item_id AND k.model = s.model
             LEFT JOIN labels l ON l.item_id = s.item_id
             JOIN events e ON e.seq = coalesce(c.seq, d.before_answers)
             WHERE s.model = ?1 AND i.arrived_at >= ?2 AND (c.outcome = 'review' OR k.item_id IS NOT NULL)
             ORDER BY e.seq"
        ))?;
        let wanted = params![model_hash, since.as_micros(), agreements.get()];
        let rows = statement.query_map(wanted, checked)?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// How many inspections a model has decided alone since a time.
    pub fn automatic(&self, model_hash: &str, since: Timestamp) -> Result<Automatic, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT count(*) FROM automatic WHERE model = ?1 AND outcome = ?2 AND decided_at >= ?3",
        )?;
        let mut count = |outcome: Outcome| -> Result<u64, StoreError> {
            let n: i64 = statement
                .query_row(params![model_hash, outcome.as_str(), since.as_micros()], |row| row.get(0))?;
            Ok(u64::try_from(n).unwrap_or_default())
        };
        Ok(Automatic { passed: count(Outcome::Pass)?, diverted: count(Outcome::Divert)? })
    }

    /// The first predictions that a model made since a time, of each unit one.
    pub fn first_predictions(
        &self,
        model_hash: &str,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<Prediction>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT p.payload, i.unit FROM predictions p JOIN items i ON i.item_id = p.item_id
             WHERE p.item_id >= ?1 AND json_extract(p.payload, '$.model.hash') = ?2
             ORDER BY p.item_id LIMIT ?3",
        )?;
        // A line on which the same few units go round has no end of predictions and never enough units.
        let most = i64::try_from(limit.saturating_mul(PICTURES_PER_UNIT)).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![first_id_at(since), model_hash, most])?;
        let (mut units, mut found) = (BTreeSet::new(), Vec::new());
        while let Some(row) = rows.next()? {
            if units.insert(row.get::<_, String>(1)?) {
                found.push(json(row, 0)?);
            }
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    /// Alarms that stand, and since when.
    pub fn alarms(&self) -> Result<Vec<(Timestamp, Alarm)>, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT raised_at, payload FROM alarms ORDER BY raised_at, kind")?;
        let rows = statement.query_map([], |row| Ok((Timestamp::from_micros(row.get(0)?), json(row, 1)?)))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Whether the item waits without anything being shown of the model's view.
    pub fn is_blind(&self, item: ItemId) -> Result<bool, StoreError> {
        let code: Option<String> = self
            .conn
            .prepare_cached("SELECT code FROM queue WHERE item_id = ?1")?
            .query_row([item.to_string()], |row| row.get(0))
            .optional()?;
        Ok(code.as_deref() == Some(BLIND))
    }

    /// Whether this person has looked at the item already.
    pub(super) fn has_looked(&self, item: ItemId, reviewer: &str) -> Result<bool, StoreError> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM verdicts WHERE item_id = ?1 AND reviewer = ?2 AND undone = 0)";
        Ok(self.conn.prepare_cached(sql)?.query_row(params![item.to_string(), reviewer], |row| row.get(0))?)
    }

    /// What the policy in force rests on, as it was written down when that was adopted.
    pub fn policy_evidence(&self) -> Result<Option<String>, StoreError> {
        let sql = "SELECT json_extract(payload, '$.evidence') FROM events
                   WHERE kind = 'PolicyAdopted' ORDER BY seq DESC LIMIT 1";
        Ok(self.conn.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?)
    }

    /// First answers that two people gave to one item independently. Second looks at checks are left out: they
    /// are only asked for where the first contradicted, and would make everybody look careless.
    pub fn two_answers(&self) -> Result<Vec<TwoAnswers>, StoreError> {
        let sql = "WITH firsts AS (
                 SELECT item_id, reviewer,
                        coalesce(class_before, class, json_extract(payload, '$.transcript')) AS said,
                        row_number() OVER (PARTITION BY item_id ORDER BY seq) AS number
                 FROM verdicts WHERE undone = 0 AND status = 'answered' AND mode != 'shown')
             SELECT i.unit, a.said, b.said
             FROM firsts a JOIN firsts b ON b.item_id = a.item_id AND b.number = 2 AND b.reviewer != a.reviewer
             JOIN items i ON i.item_id = a.item_id
             WHERE a.number = 1 AND NOT EXISTS
                 (SELECT 1 FROM checks c WHERE c.item_id = a.item_id AND c.outcome != 'review')
             ORDER BY a.item_id";
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement
            .query_map([], |row| Ok(TwoAnswers { unit: row.get(0)?, said: [row.get(1)?, row.get(2)?] }))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// How many of these there are, and how many disagree about what becomes of the item: whether it passes,
    /// and on lines that name items or write them down what it is.
    pub fn answer_pairs(&self, plan: &Plan) -> Result<(u64, u64), StoreError> {
        let pairs = self.two_answers()?;
        let disagreements = pairs.iter().filter(|pair| disagree(plan, &pair.said)).count();
        Ok((pairs.len() as u64, disagreements as u64))
    }
}

/// What two people said of an item; absent where that has no class and no words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwoAnswers {
    pub unit: String,
    pub said: [Option<String>; 2],
}

/// Whether two answers mean different things for an item.
fn disagree(plan: &Plan, [a, b]: &[Option<String>; 2]) -> bool {
    let passes =
        |class: &Option<String>| class.as_deref().and_then(|class| plan.route(class)) == Some(Route::Pass);
    let written = |text: &Option<String>| text.as_deref().map(|text| plan.transcript.normalise(text));
    match plan.task {
        Task::Defect => passes(a) != passes(b),
        Task::Classify => a != b,
        Task::Transcribe => written(a) != written(b),
    }
}

fn checked(row: &Row<'_>) -> rusqlite::Result<CheckedItem> {
    let is_there = |column| row.get_ref(column).map(|value| value != rusqlite::types::ValueRef::Null);
    Ok(CheckedItem {
        item: parsed(row, 0)?,
        inspection: parsed(row, 1)?,
        unit: row.get(2)?,
        items: row.get(3)?,
        seq: row.get(4)?,
        outcome: word(row, 5)?,
        band: if is_there(6)? { Some(word(row, 6)?) } else { None },
        probability: Probability::saturating(row.get(7)?),
        least: Probability::saturating(row.get(8)?),
        decided_at: Timestamp::from_micros(row.get(9)?),
        prediction: json(row, 10)?,
        label: if is_there(11)? { Some(json(row, 11)?) } else { None },
        looks: row.get(12)?,
        is_first_of_unit: row.get(13)?,
    })
}

/// The smallest id that an item of this time can have: ids begin with their milliseconds.
pub(super) fn first_id_at(time: Timestamp) -> String {
    let millis = u64::try_from(time.as_micros() / 1000).unwrap_or_default() & 0xffff_ffff_ffff;
    format!("{:08x}-{:04x}-7000-8000-000000000000", millis >> 16, millis & 0xffff)
}
