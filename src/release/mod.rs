//! The registry of a line: which moves of a model are allowed, and how they are written down.
//!
//! Works on the store alone. Whether a move is wise — evidence, speed, classes — is the engine's to ask;
//! that there is one live model at any time holds whatever is asked.

use crate::domain::{Alarm, Canary, Event, ModelRef, Plan, Release, ReleaseState};
use crate::store::{StoreError, Tx};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ReleaseError {
    #[error("{model} is {from} and cannot become {to}")]
    NotAllowed { model: String, from: ReleaseState, to: ReleaseState },
    #[error("{0} has a share of the line already. Hint: retire it first")]
    ShareTaken(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Notes a model as a candidate, where the line does not know it yet.
pub fn register(tx: &Tx<'_>, model: &ModelRef, reason: &str) -> Result<(), ReleaseError> {
    if tx.release(&model.hash)?.is_none() {
        write(tx, model, None, ReleaseState::Candidate, reason, None)?;
    }
    Ok(())
}

/// Into shadow, or out of everything.
pub fn move_to(tx: &Tx<'_>, model: &ModelRef, to: ReleaseState, reason: &str) -> Result<(), ReleaseError> {
    let from = allowed(tx, model, to)?;
    write(tx, model, from, to, reason, None)
}

/// Gives a model a share of the line, or another one. `evidence` is what that rests on.
pub fn give_share(
    tx: &Tx<'_>,
    model: &ModelRef,
    canary: Canary,
    evidence: Option<serde_json::Value>,
    reason: &str,
) -> Result<(), ReleaseError> {
    // Whatever else is written in the log: nobody gets a share beside another.
    let is_other = |other: &Release| other.state == ReleaseState::Canary && other.model != *model;
    if let Some(other) = tx.releases()?.into_iter().find(is_other) {
        return Err(ReleaseError::ShareTaken(other.model.name));
    }
    let from = allowed(tx, model, ReleaseState::Canary)?;
    write(tx, model, from, ReleaseState::Canary, reason, Some((canary, evidence)))
}

/// Takes a canary back because of `alarm`, which stands from then on. `false` where it has no share any
/// more.
pub fn take_back(tx: &Tx<'_>, model: &ModelRef, alarm: &Alarm) -> Result<bool, StoreError> {
    let release = tx.release(&model.hash)?;
    let Some(release) = release.filter(|release| release.state == ReleaseState::Canary) else {
        return Ok(false);
    };
    tx.append(&Event::ModelMoved {
        model: model.clone(),
        from: Some(release.state),
        to: ReleaseState::Retired,
        reason: alarm.text.clone(),
        canary: None,
        evidence: serde_json::to_value(alarm).ok(),
    })?;
    tx.append(&Event::AlarmRaised { alarm: alarm.clone() })?;
    Ok(true)
}

/// The plan's next larger share; the largest again behind that.
#[must_use]
pub fn next_share(plan: &Plan, before: Option<f64>) -> f64 {
    let steps = &plan.release.steps;
    let next = steps.iter().find(|step| before.is_none_or(|before| **step > before));
    next.or_else(|| steps.last()).copied().unwrap_or_default()
}

/// The state that a model is in, where it may be moved from there.
fn allowed(tx: &Tx<'_>, model: &ModelRef, to: ReleaseState) -> Result<Option<ReleaseState>, ReleaseError> {
    let from = tx.release(&model.hash)?.map(|release| release.state);
    match from {
        Some(from) if !from.may_become(to) => {
            Err(ReleaseError::NotAllowed { model: model.name.clone(), from, to })
        }
        _ => Ok(from),
    }
}

fn write(
    tx: &Tx<'_>,
    model: &ModelRef,
    from: Option<ReleaseState>,
    to: ReleaseState,
    reason: &str,
    share: Option<(Canary, Option<serde_json::Value>)>,
) -> Result<(), ReleaseError> {
    let (canary, evidence) = share.map_or((None, None), |(canary, evidence)| (Some(canary), evidence));
    let (model, reason) = (model.clone(), reason.to_owned());
    tx.append(&Event::ModelMoved { model, from, to, reason, canary, evidence })?;
    Ok(())
}
