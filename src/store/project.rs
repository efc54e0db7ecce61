//! The one fold from events to the tables that queries read. `append` calls it inside the
//! event's transaction and `rebuild` calls it again for the whole log; it must depend on nothing
//! but the event and the tables themselves, or the two would differ.

use super::StoreError;
use super::log::Record;
use super::releases;
use crate::domain::{Arrival, DecidedBy, Decision, Event, InspectionId, ItemId, Outcome, Policy, Prediction};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

/// Every table that is a projection; `rebuild` empties, refills and compares these.
pub(super) const TABLES: [&str; 17] = [
    "items",
    "inspections",
    "predictions",
    "decisions",
    "queue",
    "verdicts",
    "labels",
    "expired",
    "tallies",
    "settings",
    "checks",
    "automatic",
    "alarms",
    "models",
    "shadow_predictions",
    "shadow_drops",
    "comparisons",
];

/// Settings rows.
pub(super) const LEVEL: &str = "level";
pub(super) const POLICY: &str = "policy";
pub(super) const MODEL: &str = "model";
pub(super) const PLAN: &str = "plan";
pub(super) const NAME: &str = "name";
pub(super) const AUDITS: &str = "audits";
pub(super) const POLICY_SINCE: &str = "policy since";
pub(super) const LIVE_SINCE: &str = "live since";
/// Why an item that is shown without the model's view waits: the same for checks and for questions.
pub(super) const BLIND: &str = "blind";

pub(super) fn project(conn: &Connection, record: &Record, event: &Event) -> Result<(), StoreError> {
    match event {
        Event::LineCreated { name, plan } => {
            set(conn, NAME, name)?;
            set(conn, PLAN, plan)
        }
        Event::PlanChanged { plan } => set(conn, PLAN, plan),
        Event::LevelChanged { to, .. } => set(conn, LEVEL, to),
        Event::ModelPromoted { model, reason, .. } => {
            let since = releases::promoted(conn, record, model, reason)?;
            set(conn, MODEL, model)?;
            set(conn, LIVE_SINCE, &since)?;
            // A policy is about one model; with another model it is void. Alarms stand until a person has
            // seen to them.
            conn.prepare_cached("DELETE FROM settings WHERE name IN (?1, ?2)")?.execute([POLICY, AUDITS])?;
            Ok(())
        }
        Event::ModelMoved { model, to, reason, canary, .. } => {
            releases::moved(conn, record, model, *to, reason, canary.as_ref())
        }
        Event::ShadowPredicted { item, prediction } => {
            conn.prepare_cached("INSERT OR REPLACE INTO shadow_predictions VALUES (?1, ?2, ?3)")?
                .execute(params![item.to_string(), prediction.model.hash, text(prediction)?])?;
            Ok(())
        }
        Event::ShadowDropped { model, items } => {
            conn.prepare_cached(
                "INSERT INTO shadow_drops VALUES (?1, ?2) ON CONFLICT (model) DO UPDATE SET items = items + excluded.items",
            )?
            .execute(params![model.hash, i64::try_from(*items).unwrap_or(i64::MAX)])?;
            Ok(())
        }
        Event::ComparisonAsked { item, model, agree, probability } => {
            releases::asked(conn, &item.to_string(), model, *agree, *probability)
        }
        Event::PolicyAdopted { policy, audits, .. } => {
            if let Some(audits) = audits {
                set(conn, AUDITS, audits)?;
            }
            set(conn, POLICY_SINCE, &record.at)?;
            set::<Policy>(conn, POLICY, policy)
        }
        Event::AlarmRaised { alarm } => {
            conn.prepare_cached("INSERT OR REPLACE INTO alarms VALUES (?1, ?2, ?3)")?.execute(params![
                alarm.kind.as_str(),
                record.at,
                text(alarm)?
            ])?;
            Ok(())
        }
        Event::AlarmCleared { alarm, .. } => {
            conn.prepare_cached("DELETE FROM alarms WHERE kind = ?1")?.execute([alarm.as_str()])?;
            Ok(())
        }
        Event::ItemArrived(arrival) => arrived(conn, record, arrival),
        Event::ItemPredicted { item, prediction } => {
            conn.prepare_cached("INSERT OR REPLACE INTO predictions VALUES (?1, ?2)")?
                .execute(params![item.to_string(), text(prediction)?])?;
            Ok(())
        }
        Event::ItemDecided { item, inspection, decision } => {
            item_decided(conn, record, *item, *inspection, decision)
        }
        Event::InspectionDecided { inspection, unit, items, decision } => {
            inspection_decided(conn, record, *inspection, unit, *items, decision)
        }
        Event::VerdictGiven(verdict) => {
            conn.prepare_cached("INSERT INTO verdicts VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,0,?11)")?
                .execute(params![
                    record.id,
                    record.seq,
                    verdict.item.to_string(),
                    verdict.reviewer,
                    verdict.class,
                    text(&verdict.status)?.trim_matches('"'),
                    verdict.mode.as_str(),
                    verdict.class_before,
                    verdict.seconds,
                    record.at,
                    text(verdict)?
                ])?;
            tally(conn, "verdicts", 1)
        }
        Event::VerdictUndone { verdict, .. } => {
            conn.prepare_cached("UPDATE verdicts SET undone = 1 WHERE event_id = ?1")?
                .execute([verdict.to_string()])?;
            tally(conn, "verdicts", -1)
        }
        Event::LabelSettled { item, label } => {
            let new = conn.prepare_cached("INSERT OR REPLACE INTO labels VALUES (?1,?2,?3,?4,?5)")?.execute(
                params![item.to_string(), label.class, label.status.as_str(), record.at, text(label)?],
            )?;
            debug_assert_eq!(new, 1);
            // A check that was answered waits no more; a contradiction queues it again.
            conn.prepare_cached(
                "DELETE FROM queue WHERE item_id = ?1
                 AND (SELECT decision FROM decisions WHERE item_id = ?1) != 'review'",
            )?
            .execute([item.to_string()])?;
            Ok(())
        }
        Event::LabelWithdrawn { item } => {
            let item = item.to_string();
            conn.prepare_cached("DELETE FROM labels WHERE item_id = ?1")?.execute([&item])?;
            check_again(conn, &item)
        }
        Event::BlobExpired { media, rule } => {
            conn.prepare_cached("INSERT OR REPLACE INTO expired VALUES (?1,?2,?3)")?.execute(params![
                media.as_str(),
                rule,
                record.at
            ])?;
            Ok(())
        }
        // Few, and read from the log itself.
        Event::Exported { .. }
        | Event::DatasetFrozen(_)
        | Event::AuditSetLocked(_)
        | Event::AuditSetUsed(_)
        | Event::AuditCriteriaSet(_)
        | Event::FinalAudit(_)
        | Event::AuditSigned { .. } => Ok(()),
    }
}

pub(super) fn text<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Refused(format!("cannot be written: {error}")))
}

fn set<T: Serialize>(conn: &Connection, name: &str, value: &T) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT OR REPLACE INTO settings VALUES (?1, ?2)")?
        .execute(params![name, text(value)?])?;
    Ok(())
}

fn tally(conn: &Connection, what: &str, change: i64) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO tallies VALUES (?1, ?2) ON CONFLICT (what) DO UPDATE SET n = n + excluded.n",
    )?
    .execute(params![what, change])?;
    Ok(())
}

fn arrived(conn: &Connection, record: &Record, arrival: &Arrival) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT INTO items VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)")?
        .execute(params![
            arrival.item.to_string(),
            arrival.inspection.map(|id| id.to_string()),
            arrival.unit,
            arrival.position,
            arrival.kind.as_str(),
            arrival.media.as_str(),
            i64::try_from(arrival.bytes).unwrap_or(i64::MAX),
            arrival.reference.as_ref().map(|media| media.as_str().to_owned()),
            arrival.name,
            arrival.source,
            arrival.modified_at.map(crate::domain::Timestamp::as_micros),
            record.at,
            arrival.label.as_ref().map(text).transpose()?,
            text(&arrival.votes)?,
            text(&arrival.extra)?
        ])?;
    // The same picture came again after its rule had erased it.
    conn.prepare_cached("DELETE FROM expired WHERE media = ?1")?.execute([arrival.media.as_str()])?;
    let Some(inspection) = arrival.inspection else {
        return tally(conn, "imported", 1);
    };
    conn.prepare_cached(
        "INSERT INTO inspections (inspection_id, unit, opened_at, items) VALUES (?1, ?2, ?3, 1)
         ON CONFLICT (inspection_id) DO UPDATE SET items = items + 1",
    )?
    .execute(params![inspection.to_string(), arrival.unit, record.at])?;
    tally(conn, "arrived", 1)
}

/// Damaged items come after those that a look can answer.
fn priority(decision: &Decision) -> i64 {
    i64::from(decision.reason.is_quarantine())
}

fn item_decided(
    conn: &Connection,
    record: &Record,
    item: ItemId,
    inspection: InspectionId,
    decision: &Decision,
) -> Result<(), StoreError> {
    let item = item.to_string();
    let before: Option<(String, Option<i64>)> = conn
        .prepare_cached("SELECT decision, before_answers FROM decisions WHERE item_id = ?1")?
        .query_row([&item], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (before, before_answers) = before.map_or((None, None), |(outcome, seq)| (Some(outcome), seq));
    let before_answers = match decision.decided_by {
        DecidedBy::Person => before_answers,
        DecidedBy::Model | DecidedBy::Station => Some(record.seq),
    };
    let code = code(decision)?;
    conn.prepare_cached("INSERT OR REPLACE INTO decisions VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)")?
        .execute(params![
            item,
            inspection.to_string(),
            decision.outcome.as_str(),
            decision.decided_by.as_str(),
            code,
            decision.reason.to_string(),
            decision.model.as_ref().map(|model| model.name.clone()),
            decision.policy.as_ref().map(text).transpose()?,
            record.at,
            before_answers
        ])?;
    if let Some(before) = before {
        tally(conn, &format!("items_{before}"), -1)?;
    }
    tally(conn, &format!("items_{}", decision.outcome), 1)?;
    check_drawn(conn, record, &item, inspection, decision)?;
    let is_answered = decision.outcome != Outcome::Review && is_labelled(conn, &item)?;
    if decision.is_blind() && !is_answered {
        queue_blind(conn, &item, &inspection.to_string())?;
    } else if decision.outcome == Outcome::Review {
        let seen = predicted(conn, &item)?;
        conn.prepare_cached(
            "INSERT OR REPLACE INTO queue
             SELECT ?1, ?2, n.opened_at, n.inspection_id, ?4, i.unit, i.name, ?5, ?6, ?7
             FROM inspections n JOIN items i ON i.item_id = ?1 WHERE n.inspection_id = ?3",
        )?
        .execute(params![
            item,
            priority(decision),
            inspection.to_string(),
            code,
            seen.as_ref().map(|p| p.model.name.as_str()),
            seen.as_ref().map(Prediction::label),
            seen.as_ref().map(|p| p.confidence().get())
        ])?;
    } else {
        conn.prepare_cached("DELETE FROM queue WHERE item_id = ?1")?.execute([&item])?;
    }
    Ok(())
}

/// Notes that a person will look at what a model has decided or asked: once, however often an answer to it
/// is taken back.
fn check_drawn(
    conn: &Connection,
    record: &Record,
    item: &str,
    inspection: InspectionId,
    decision: &Decision,
) -> Result<(), StoreError> {
    let (Some(model), false) = (&decision.model, decision.decided_by == DecidedBy::Person) else {
        return Ok(());
    };
    let is_asked = decision.outcome == Outcome::Review;
    if !is_asked && !decision.is_blind() {
        return Ok(());
    }
    let audit = decision.audit.filter(|_| !is_asked);
    let band = audit.map(|audit| text(&audit.band)).transpose()?;
    conn.prepare_cached("INSERT OR IGNORE INTO checks VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)")?.execute(
        params![
            item,
            inspection.to_string(),
            record.seq,
            model.hash,
            decision.outcome.as_str(),
            band.as_ref().map(|band| band.trim_matches('"')),
            audit.map_or(1.0, |audit| audit.probability.get()),
            decision.audit.map_or(1.0, |audit| audit.least.get()),
            record.at
        ],
    )?;
    Ok(())
}

pub(super) fn is_labelled(conn: &Connection, item: &str) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM labels WHERE item_id = ?1)";
    Ok(conn.prepare_cached(sql)?.query_row([item], |row| row.get(0))?)
}

/// A check whose answer was taken back waits again.
fn check_again(conn: &Connection, item: &str) -> Result<(), StoreError> {
    let drawn: Option<String> = conn
        .prepare_cached(
            "SELECT d.inspection_id FROM decisions d LEFT JOIN checks c ON c.item_id = d.item_id
             WHERE d.item_id = ?1 AND d.decided_by = 'model' AND d.decision != 'review'
               AND (d.decision = c.outcome
                    OR EXISTS (SELECT 1 FROM comparisons k WHERE k.item_id = d.item_id))",
        )?
        .query_row([item], |row| row.get(0))
        .optional()?;
    if let Some(inspection) = drawn {
        queue_blind(conn, item, &inspection)?;
    }
    Ok(())
}

/// A question that gives nothing away, whatever it is about.
pub(super) fn queue_blind(conn: &Connection, item: &str, inspection: &str) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO queue
         SELECT ?1, 0, n.opened_at, n.inspection_id, ?3, i.unit, i.name, NULL, NULL, NULL
         FROM inspections n JOIN items i ON i.item_id = ?1 WHERE n.inspection_id = ?2",
    )?
    .execute(params![item, inspection, BLIND])?;
    Ok(())
}

/// What a model has said of the item.
fn predicted(conn: &Connection, item: &str) -> Result<Option<Prediction>, StoreError> {
    let payload: Option<String> = conn
        .prepare_cached("SELECT payload FROM predictions WHERE item_id = ?1")?
        .query_row([item], |row| row.get(0))
        .optional()?;
    let damaged = |error| StoreError::Damaged(format!("the prediction of item {item}: {error}"));
    payload.map(|text| serde_json::from_str(&text).map_err(damaged)).transpose()
}

/// The reason's machine-readable name, as it stands in the event.
fn code(decision: &Decision) -> Result<String, StoreError> {
    let reason = serde_json::to_value(&decision.reason)
        .map_err(|error| StoreError::Refused(format!("cannot be written: {error}")))?;
    Ok(reason["code"].as_str().unwrap_or_default().to_owned())
}

fn inspection_decided(
    conn: &Connection,
    record: &Record,
    inspection: InspectionId,
    unit: &str,
    items: u32,
    decision: &Decision,
) -> Result<(), StoreError> {
    let id = inspection.to_string();
    let before: Option<(Option<String>, Option<String>)> = conn
        .prepare_cached("SELECT decision, decided_by FROM inspections WHERE inspection_id = ?1")?
        .query_row([&id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((Some(outcome), Some(by))) = before {
        tally(conn, &format!("inspections_{outcome}_{by}"), -1)?;
    }
    tally(conn, &format!("inspections_{}_{}", decision.outcome, decision.decided_by.as_str()), 1)?;
    if let (DecidedBy::Model, Some(model)) = (decision.decided_by, &decision.model) {
        conn.prepare_cached("INSERT OR IGNORE INTO automatic VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            id,
            model.hash,
            decision.outcome.as_str(),
            record.at
        ])?;
    }
    conn.prepare_cached(
        "UPDATE inspections SET unit = ?2, items = ?3, decision = ?4, decided_by = ?5, reason = ?6, decided_at = ?7
         WHERE inspection_id = ?1",
    )?
    .execute(params![
        id,
        unit,
        items,
        decision.outcome.as_str(),
        decision.decided_by.as_str(),
        decision.reason.to_string(),
        record.at
    ])?;
    Ok(())
}
