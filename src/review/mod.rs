//! What people answer: verdicts, undo, labels settled from verdicts, and the decisions that
//! follow from them.
//!
//! Works on the store alone; knows nothing of models or the window.

mod inspection;
mod settle;

pub use inspection::redecide;
pub use settle::settle;

use crate::domain::{
    DecidedBy, Decision, Event, EventId, Item, ItemId, Label, LabelStatus, Outcome, Plan, Reason, Route,
    Task, Verdict, VerdictStatus,
};
use crate::store::{Store, StoreError, Tx};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ReviewError {
    #[error("there is no item {0} on this line")]
    UnknownItem(ItemId),
    #[error("\"{class}\" is not a class of this line: {known}")]
    UnknownClass { class: String, known: String },
    #[error("an answer needs a class")]
    NoClass,
    #[error("a reviewer needs a name")]
    NoReviewer,
    #[error("{holder} has this item on the screen. Hint: take another one, or wait")]
    Leased { holder: String },
    #[error("{0} has no answer that could be taken back")]
    NothingToUndo(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an answer or its undoing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub item: ItemId,
    /// The event of the verdict, or of its undoing.
    pub event: EventId,
}

/// Records one verdict, durably, with the label and the decisions that follow from it. A transcript is
/// written in the line's convention, so that people agree where they heard the same.
pub fn answer(store: &mut Store, plan: &Plan, verdict: &Verdict) -> Result<Recorded, ReviewError> {
    check(plan, verdict)?;
    let transcript = verdict.transcript.as_ref().map(|said| plan.transcript.normalise(said));
    let verdict = &Verdict { transcript, ..verdict.clone() };
    if let Err(holder) = store.lease(verdict.item, &verdict.reviewer, plan.review.lease_secs)? {
        return Err(ReviewError::Leased { holder });
    }
    let recorded = store.transact(&verdict.reviewer, |tx| {
        let item = tx.item(verdict.item)?.ok_or(ReviewError::UnknownItem(verdict.item))?;
        let event = tx.append(&Event::VerdictGiven(verdict.clone()))?;
        follow(tx, plan, &item)?;
        Ok::<_, ReviewError>(Recorded { item: item.id, event })
    })?;
    store.release_lease(verdict.item, &verdict.reviewer)?;
    store.flush_outbox()?;
    Ok(recorded)
}

/// Takes the reviewer's newest standing answer back; again and again, as far as there are any.
pub fn undo(store: &mut Store, plan: &Plan, reviewer: &str) -> Result<Recorded, ReviewError> {
    let recorded = store.transact(reviewer, |tx| {
        let last =
            tx.last_verdict_of(reviewer)?.ok_or_else(|| ReviewError::NothingToUndo(reviewer.to_owned()))?;
        let id = last.verdict.item;
        let item = tx.item(id)?.ok_or(ReviewError::UnknownItem(id))?;
        let event = tx.append(&Event::VerdictUndone {
            verdict: last.event,
            item: id,
            reviewer: reviewer.to_owned(),
        })?;
        follow(tx, plan, &item)?;
        Ok::<_, ReviewError>(Recorded { item: id, event })
    })?;
    store.flush_outbox()?;
    Ok(recorded)
}

fn check(plan: &Plan, verdict: &Verdict) -> Result<(), ReviewError> {
    if verdict.reviewer.trim().is_empty() {
        return Err(ReviewError::NoReviewer);
    }
    // A transcript says nothing about defects: where they are looked for, only a class answers.
    let is_answer =
        verdict.class.is_some() || (plan.task == Task::Transcribe && verdict.transcript.is_some());
    if verdict.status == VerdictStatus::Answered && !is_answer {
        return Err(ReviewError::NoClass);
    }
    let named = verdict.class.iter().chain(verdict.regions.iter().map(|region| &region.class));
    for class in named {
        if plan.route(class).is_none() {
            let known: Vec<&str> = plan.classes.iter().map(|c| c.name.as_str()).collect();
            return Err(ReviewError::UnknownClass { class: class.clone(), known: known.join(", ") });
        }
    }
    Ok(())
}

/// Brings label and decisions in line with the verdicts that stand now; where none stands any
/// more, what the station had decided before counts again. Only changes become events.
fn follow(tx: &Tx<'_>, plan: &Plan, item: &Item) -> Result<(), StoreError> {
    let standing: Vec<Verdict> = tx.verdicts(item.id)?.into_iter().map(|v| v.verdict).collect();
    let label = match settle(&standing) {
        Some(label) => Some(label),
        None => tx.imported_label(item.id)?,
    };
    if label != tx.label(item.id)? {
        tx.append(&match &label {
            Some(label) => Event::LabelSettled { item: item.id, label: label.clone() },
            None => Event::LabelWithdrawn { item: item.id },
        })?;
    }
    let Some(inspection) = item.inspection else {
        return Ok(());
    };
    let settings = tx.settings()?;
    let by_person = |(outcome, reason)| Decision {
        outcome,
        decided_by: DecidedBy::Person,
        reason,
        policy: settings.policy.clone(),
        model: None,
        audit: None,
    };
    let before = tx.decision_before_answers(item.id)?;
    let in_force = tx.decision(item.id)?;
    let decision = match &label {
        Some(label) => {
            let answer = by_person(consequence(plan, label));
            let is_compared = tx.is_compared(item.id)?;
            match before.as_ref().filter(|before| is_check(before, is_compared)) {
                // A check that agrees changes nothing: the station's decision stands as its own, unless a look
                // that still counts has contradicted it.
                Some(before) if answer.outcome == before.outcome && !contradicts(plan, &standing, before) => {
                    before.clone()
                }
                // One look against the station is not enough, and the unit must not be away meanwhile.
                Some(before) if answer.outcome != before.outcome && standing.len() < LOOKS => {
                    Decision { audit: before.audit, ..by_person((Outcome::Review, Reason::SecondLook)) }
                }
                // Whoever decides between two looks is to see as little as they did.
                Some(before) if answer.outcome == Outcome::Review => {
                    Decision { audit: before.audit, ..answer }
                }
                _ => answer,
            }
        }
        None => before.unwrap_or_else(|| by_person((Outcome::Review, Reason::AnswerTakenBack))),
    };
    if !is_in_force(&decision, in_force.as_ref()) {
        tx.append(&Event::ItemDecided { item: item.id, inspection, decision })?;
    }
    redecide(tx, plan, inspection, false)
}

/// Looks that it takes to contradict the station by a check.
const LOOKS: usize = 2;

/// Whether the station decided alone and a person looks all the same: the item was drawn for a check, or
/// two models are compared by it.
fn is_check(decision: &Decision, is_compared: bool) -> bool {
    let is_alone = decision.decided_by == DecidedBy::Model && decision.outcome != Outcome::Review;
    is_alone && (decision.is_blind() || is_compared)
}

/// Whether any of these looks, each for itself, says something else than the station.
fn contradicts(plan: &Plan, looks: &[Verdict], station: &Decision) -> bool {
    looks.iter().any(|look| {
        settle(std::slice::from_ref(look)).is_some_and(|label| consequence(plan, &label).0 != station.outcome)
    })
}

fn is_in_force(decision: &Decision, in_force: Option<&(Outcome, DecidedBy, String)>) -> bool {
    in_force.is_some_and(|(outcome, by, reason)| {
        (*outcome, *by) == (decision.outcome, decision.decided_by) && *reason == decision.reason.to_string()
    })
}

/// What a settled label means for the unit. Whoever could not tell, or got a picture that shows
/// nothing, has not seen a good part: the unit is set aside, never passed.
fn consequence(plan: &Plan, label: &Label) -> (Outcome, Reason) {
    match label.status {
        LabelStatus::Disputed => (Outcome::Review, Reason::Disputed),
        LabelStatus::CannotTell => (Outcome::Divert, Reason::CannotTell),
        LabelStatus::BadInput => (Outcome::Divert, Reason::BadInput),
        LabelStatus::Confirmed if plan.task == Task::Transcribe => {
            // Words have no routes. What the line's rule does not allow was misread from the part, or misheard.
            let said = label.transcript.as_deref().unwrap_or_default();
            let reason = Reason::Answered { class: said.to_owned() };
            (if plan.transcript.allows(said) { Outcome::Pass } else { Outcome::Divert }, reason)
        }
        LabelStatus::Confirmed => {
            let good = label.classes().iter().all(|class| plan.route(class) == Some(Route::Pass));
            let reason = Reason::Answered { class: label.main_class().to_owned() };
            (if good { Outcome::Pass } else { Outcome::Divert }, reason)
        }
    }
}
