//! From answers to verified inspections, each with the probability with which it was looked at.

use crate::decide::{EvidenceUnit, Origin};
use crate::domain::{
    Band, ClassSet, InspectionId, Label, LabelStatus, ModelRef, Outcome, Plan, Prediction, Probability,
    Route, Task, Timestamp,
};
use crate::store::{CheckedItem, StoreError, View};
use std::collections::BTreeMap;

/// One inspection whose truth is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    pub inspection: InspectionId,
    pub unit: String,
    /// Not seen before since the model is live: only such inspections are independent of each other.
    pub is_first_of_unit: bool,
    pub decided_at: Timestamp,
    /// Number of the station's last decision on it in the log.
    pub seq: i64,
    /// What the station decided alone, or that it asked.
    pub outcome: Outcome,
    pub band: Option<Band>,
    /// With which all its pictures were looked at.
    pub probability: Probability,
    /// Its truth with its classes, and its most dangerous score; on lines that name items whether the name
    /// was wrong, and the name.
    pub evidence: EvidenceUnit,
}

/// What people have verified of a model's work on this line since `since`, oldest first. Left out are
/// inspections that nobody has answered wholly, and checks that contradict the station until a second
/// look agrees.
pub fn verified(
    view: &View<'_>,
    plan: &Plan,
    model: &ModelRef,
    since: Timestamp,
) -> Result<Vec<Verified>, StoreError> {
    Ok(inspections(plan, view.checks(&model.hash, since)?))
}

/// What people have verified of all that a model saw since `since`, also in shadow. The evidence for its
/// thresholds: what it would have decided is as well known there as if it had decided.
pub fn verified_in_all(
    view: &View<'_>,
    plan: &Plan,
    model: &ModelRef,
    since: Timestamp,
) -> Result<Vec<Verified>, StoreError> {
    let agreements = Probability::saturating(plan.release.agreements);
    let mut items = view.checks(&model.hash, since)?;
    items.extend(view.shadow_checks(&model.hash, since, agreements)?);
    Ok(inspections(plan, items))
}

fn inspections(plan: &Plan, items: Vec<CheckedItem>) -> Vec<Verified> {
    let mut inspections: BTreeMap<InspectionId, Vec<CheckedItem>> = BTreeMap::new();
    for item in items {
        inspections.entry(item.inspection).or_default().push(item);
    }
    let mut found: Vec<Verified> =
        inspections.into_values().filter_map(|items| inspection(plan, &items)).collect();
    found.sort_by_key(|one| one.seq);
    found
}

fn inspection(plan: &Plan, items: &[CheckedItem]) -> Option<Verified> {
    let first = items.first()?;
    let is_whole = items.len() >= first.items as usize && items.iter().all(|item| is_known(plan, item));
    if !is_whole {
        return None;
    }
    let probability = items.iter().map(|item| item.probability).fold(Probability::ONE, least);
    let rarest = items.iter().map(|item| item.least).fold(probability, least);
    let outcome = items.iter().map(|item| item.outcome).fold(Outcome::Pass, worse);
    let truth = items.iter().filter_map(|item| {
        let label = item.label.as_ref()?;
        Some(match plan.task {
            Task::Defect => {
                (is_bad(plan, label), item.prediction.divert_probability(plan), classes_of(plan, label))
            }
            Task::Classify | Task::Transcribe => {
                let named = plan.class_set([item.prediction.label()]);
                (is_misnamed(plan, label, &item.prediction), item.prediction.doubt(), named)
            }
        })
    });
    let unit = EvidenceUnit::of_items(truth)?;
    let origin = if outcome == Outcome::Review { Origin::Reviewed } else { Origin::Audit };
    Some(Verified {
        inspection: first.inspection,
        unit: first.unit.clone(),
        is_first_of_unit: first.is_first_of_unit,
        decided_at: items.iter().map(|item| item.decided_at).fold(first.decided_at, Timestamp::max),
        seq: items.iter().map(|item| item.seq).fold(first.seq, i64::max),
        outcome,
        band: items.iter().filter_map(|item| item.band).max(),
        probability,
        evidence: EvidenceUnit {
            weight: 1.0 / probability.get().max(f64::MIN_POSITIVE),
            stake: rarest.get() / probability.get().max(f64::MIN_POSITIVE),
            origin,
            ..unit
        },
    })
}

/// Whether the answers settle it: a check that contradicts the station takes two looks.
fn is_known(plan: &Plan, item: &CheckedItem) -> bool {
    let Some(label) = item.label.as_ref().filter(|label| label.status != LabelStatus::Disputed) else {
        return false;
    };
    let contradicts = match item.outcome {
        Outcome::Pass if plan.task == Task::Transcribe => is_misnamed(plan, label, &item.prediction),
        Outcome::Pass => is_bad(plan, label),
        Outcome::Divert => !is_bad(plan, label),
        Outcome::Review => false,
    };
    !contradicts || item.looks >= 2
}

/// Whether a unit with this label must not pass: also where nobody could tell. What is said is never bad.
#[must_use]
pub fn is_bad(plan: &Plan, label: &Label) -> bool {
    if plan.task == Task::Transcribe {
        return label.status != LabelStatus::Confirmed;
    }
    label.status != LabelStatus::Confirmed
        || label.classes().iter().any(|class| plan.route(class) != Some(Route::Pass))
}

/// What nobody could tell has no class, and counts for the limits of the whole line alone.
fn classes_of(plan: &Plan, label: &Label) -> ClassSet {
    let is_known = label.status == LabelStatus::Confirmed;
    plan.class_set(label.classes().into_iter().filter(|_| is_known))
}

/// Whether a model gives an item another name than this label, or reads something else in it.
#[must_use]
pub fn is_misnamed(plan: &Plan, label: &Label, prediction: &Prediction) -> bool {
    let is_wrong = match plan.task {
        Task::Transcribe => plan.transcript.truth(label) != prediction.label(),
        Task::Defect | Task::Classify => label.main_class() != prediction.label(),
    };
    label.status != LabelStatus::Confirmed || is_wrong
}

fn least(a: Probability, b: Probability) -> Probability {
    if b < a { b } else { a }
}

/// A unit diverts when any picture does, and is asked about when any is.
fn worse(a: Outcome, b: Outcome) -> Outcome {
    match (a, b) {
        (Outcome::Divert, _) | (_, Outcome::Divert) => Outcome::Divert,
        (Outcome::Review, _) | (_, Outcome::Review) => Outcome::Review,
        _ => Outcome::Pass,
    }
}

/// As evidence for a promise: of each unit its first inspection.
#[must_use]
pub fn evidence(verified: &[Verified]) -> Vec<EvidenceUnit> {
    verified.iter().filter(|one| one.is_first_of_unit).map(|one| one.evidence).collect()
}
