//! What the writer does with one item that has been through decode and network: known, copied or
//! new; its inspection; its decision. One transaction, on the state as it is then.

use super::line::policy_in_force;
use crate::decide::{Evidence, Seen, audit_of, audit_rates, decide_item};
use crate::domain::{
    Arrival, Audit, AuditRates, DecidedBy, Decision, Event, InspectionId, ItemId, MediaHash, MediaKind,
    ModelRef, Outcome, Plan, Prediction, Reason, Task, Thresholds, Timestamp, WhenFull,
};
use crate::review::redecide;
use crate::store::{StoreError, Tx};
use crate::watch::{Norms, deviations};

/// An item on its way to the log.
#[derive(Clone, Debug)]
pub(super) struct Inspected {
    pub source: String,
    pub name: String,
    pub unit: String,
    pub position: Option<String>,
    pub kind: MediaKind,
    pub media: MediaHash,
    pub bytes: u64,
    pub modified_at: Option<Timestamp>,
    pub reference: Option<MediaHash>,
    /// The model that was to look at it.
    pub asked: Option<ModelRef>,
    /// Or why there is none.
    pub prediction: Result<Prediction, Reason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    /// This very file came before; nothing was written.
    Known,
    Decided {
        item: ItemId,
        outcome: Outcome,
        is_quarantined: bool,
    },
}

/// `norms` is what pictures of this line look like where all is well, where that is known.
pub(super) fn record(
    tx: &Tx<'_>,
    plan: &Plan,
    seen: &Inspected,
    norms: Option<&Norms>,
) -> Result<Recorded, StoreError> {
    if tx.knows_file(&seen.source, &seen.name, &seen.media)? {
        return Ok(Recorded::Known);
    }
    let failure = match &seen.prediction {
        // The more telling reason: what cannot be decoded may well come twice.
        Err(reason @ Reason::Undecodable { .. }) => Some(reason.clone()),
        other => same_bytes(tx, &seen.media)?
            .or_else(|| other.as_ref().err().cloned())
            .or_else(|| unlike(plan, norms?, other.as_ref().ok()?)),
    };
    let inspection = inspection_of(tx, plan, seen)?;
    let item = ItemId::generate();
    tx.append(&Event::ItemArrived(Arrival {
        item,
        inspection: Some(inspection),
        unit: seen.unit.clone(),
        position: seen.position.clone(),
        kind: seen.kind,
        media: seen.media.clone(),
        bytes: seen.bytes,
        reference: seen.reference.clone(),
        name: seen.name.clone(),
        source: seen.source.clone(),
        modified_at: seen.modified_at,
        label: None,
        votes: Vec::new(),
        extra: std::collections::BTreeMap::new(),
    }))?;
    if let Ok(prediction) = &seen.prediction {
        tx.append(&Event::ItemPredicted { item, prediction: prediction.clone() })?;
    }
    let model = seen.prediction.as_ref().ok().map(|prediction| prediction.model.hash.as_str());
    let settings = tx.settings()?;
    let canary = tx.canary()?.filter(|canary| Some(canary.model.hash.as_str()) == model);
    let canary = canary.and_then(|release| release.canary);
    let policy = policy_in_force(&settings, canary.as_ref(), model);
    let mut decision = match (&failure, &seen.prediction) {
        (None, Ok(prediction)) => decide_item(plan, &policy, Seen::Predicted(prediction)),
        (Some(reason), _) | (None, Err(reason)) => decide_item(plan, &policy, Seen::Failed(reason)),
    };
    if let (DecidedBy::Model, Ok(prediction)) = (decision.decided_by, &seen.prediction) {
        let rates = canary.map(|canary| canary.audits).or(settings.audits);
        decision.audit = Some(draw(tx, plan, rates, inspection, &decision, prediction));
    }
    divert_when_full(tx, plan, &mut decision)?;
    let recorded = Recorded::Decided {
        item,
        outcome: decision.outcome,
        is_quarantined: decision.reason.is_quarantine(),
    };
    tx.append(&Event::ItemDecided { item, inspection, decision })?;
    redecide(tx, plan, inspection, false)?;
    Ok(recorded)
}

/// The check that is drawn with a decision; before anybody is shown it.
fn draw(
    tx: &Tx<'_>,
    plan: &Plan,
    rates: Option<AuditRates>,
    inspection: InspectionId,
    decision: &Decision,
    prediction: &Prediction,
) -> Audit {
    let thresholds = decision.policy.as_ref().map_or_else(Thresholds::default, |policy| policy.thresholds);
    let rates = rates.unwrap_or_else(|| audit_rates(&plan.audit, &Evidence::default(), thresholds));
    let p = match plan.task {
        Task::Defect => prediction.divert_probability(plan),
        Task::Classify | Task::Transcribe => prediction.doubt(),
    };
    audit_of(&rates, &tx.audit_key(), &inspection.to_string(), decision.outcome, p, thresholds)
}

/// A picture far outside of what the model knows goes to a person, whatever the model says.
fn unlike(plan: &Plan, norms: &Norms, prediction: &Prediction) -> Option<Reason> {
    let (what, deviations) = deviations(plan, norms, prediction)?;
    let is_far = deviations.abs() > plan.watch.outlier;
    is_far.then(|| Reason::Unlike { what: what.to_owned(), deviations })
}

/// More questions than people can answer: the plan may divert what would be asked. Never a pass.
fn divert_when_full(tx: &Tx<'_>, plan: &Plan, decision: &mut Decision) -> Result<(), StoreError> {
    if decision.outcome != Outcome::Review || plan.queue.when_full != WhenFull::Divert {
        return Ok(());
    }
    let waiting = u64::try_from(tx.tallies()?.waiting).unwrap_or_default();
    if waiting >= u64::from(plan.queue.most) {
        decision.outcome = Outcome::Divert;
        decision.decided_by = DecidedBy::Station;
        decision.reason = Reason::QueueFull { waiting };
        decision.audit = None;
    }
    Ok(())
}

/// A picture that came before under any other name: the camera froze, or somebody copied a file.
fn same_bytes(tx: &Tx<'_>, media: &MediaHash) -> Result<Option<Reason>, StoreError> {
    Ok(tx.item_with_bytes(media)?.map(|other| Reason::SameBytes { unit: other.unit, name: other.name }))
}

fn inspection_of(tx: &Tx<'_>, plan: &Plan, seen: &Inspected) -> Result<InspectionId, StoreError> {
    if plan.inspection.items > 1 {
        let since = tx.now().plus_secs(-plan.inspection.timeout_secs);
        if let Some(open) = tx.open_inspection(&seen.unit, seen.position.as_deref(), since)? {
            return Ok(open);
        }
    }
    Ok(InspectionId::generate())
}

/// Gives up waiting for the missing items of overdue inspections.
pub(super) fn close_overdue(tx: &Tx<'_>, plan: &Plan) -> Result<u64, StoreError> {
    let overdue = tx.overdue_inspections(tx.now().plus_secs(-plan.inspection.timeout_secs))?;
    for &inspection in &overdue {
        redecide(tx, plan, inspection, true)?;
    }
    Ok(overdue.len() as u64)
}
