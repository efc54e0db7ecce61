//! The one fold from events to the tables that queries read. `append` calls it inside the
//! event's transaction and `rebuild` calls it again for the whole log; it must depend on nothing
//! but the event and the tables themselves, or the two would differ.

use super::StoreError;
use super::log::Record;
use crate::domain::{Arrival, DecidedBy, Decision, Event, InspectionId, ItemId, Outcome, Policy, Prediction};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

/// Every table that is a projection; `rebuild` empties, refills and compares these.
pub(super) const TABLES: [&str; 10] = [
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
];

/// Settings rows.
pub(super) const LEVEL: &str = "level";
pub(super) const POLICY: &str = "policy";
pub(super) const MODEL: &str = "model";
pub(super) const PLAN: &str = "plan";
pub(super) const NAME: &str = "name";

pub(super) fn project(conn: &Connection, record: &Record, event: &Event) -> Result<(), StoreError> {
    match event {
        Event::LineCreated { name, plan } => {
            set(conn, NAME, name)?;
            set(conn, PLAN, plan)
        }
        Event::PlanChanged { plan } => set(conn, PLAN, plan),
        Event::LevelChanged { to, .. } => set(conn, LEVEL, to),
        Event::ModelPromoted { model, .. } => {
            set(conn, MODEL, model)?;
            // A policy is evidence about one model; with another model it is void.
            conn.prepare_cached("DELETE FROM settings WHERE name = ?1")?.execute([POLICY])?;
            Ok(())
        }
        Event::PolicyAdopted { policy, .. } => set::<Policy>(conn, POLICY, policy),
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
            Ok(())
        }
        Event::LabelWithdrawn { item } => {
            conn.prepare_cached("DELETE FROM labels WHERE item_id = ?1")?.execute([item.to_string()])?;
            Ok(())
        }
        Event::BlobExpired { media, rule } => {
            conn.prepare_cached("INSERT OR REPLACE INTO expired VALUES (?1,?2,?3)")?.execute(params![
                media.as_str(),
                rule,
                record.at
            ])?;
            Ok(())
        }
        Event::Exported { .. } => Ok(()),
    }
}

fn text<T: Serialize>(value: &T) -> Result<String, StoreError> {
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
    if decision.outcome == Outcome::Review {
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
    debug_assert!(decision.decided_by != DecidedBy::Model || decision.outcome != Outcome::Pass || items > 0);
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
