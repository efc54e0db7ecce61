//! The final audit of a model before it is released: criteria first, then one look at the audit set,
//! then the outcome, which nobody can change.

use super::dataset::{Locked, freeze_audit_set, seen_units};
use super::{EngineError, Line};
use crate::domain::{
    AuditCriteria, AuditOutcome, AuditUse, Criterion, DataVersion, Event, EventId, Independence, LabelStatus,
    LabelledItem, MediaKind, Probability,
};
use crate::infer::Model;
use crate::learn::{self, Report};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

/// The word in the log for this use of the audit set.
const PURPOSE: &str = "final audit";

/// What a model has to keep.
#[derive(Clone, Debug)]
pub struct AuditRequest {
    pub criteria: Vec<Criterion>,
    /// P(defect) from which a unit counts as diverted.
    pub divert_from: Probability,
    /// Who stands for it.
    pub signed_by: Option<String>,
    pub seed: u64,
}

/// The outcome as it is in the log, and the figures beside it.
pub struct AuditReport {
    pub event: EventId,
    pub outcome: AuditOutcome,
    pub report: Report,
}

/// Measures a model on the audit set and judges it. The criteria and the use of the set are on the disk
/// before the first picture is read. A model whose training had units of the set is refused.
pub fn final_audit(
    line: &mut Line,
    model: &Model,
    request: &AuditRequest,
    actor: &str,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<AuditReport, EngineError> {
    if request.criteria.is_empty() {
        return Err(EngineError::Usage("a final audit needs criteria. Hint: --require auroc>=0.95".into()));
    }
    let signed_by = request.signed_by.as_deref().map(str::trim);
    if signed_by == Some("") {
        return Err(EngineError::Usage("a signature needs a name".into()));
    }
    let independence = independence(line, model)?;
    let (dataset, items) = freeze_audit_set(line, actor)?;
    let (criteria, times, uses) = announce(line, model, request, &dataset, &items, actor)?;
    let evaluation = learn::evaluate(model, &items, request.seed, cancel, progress)?;
    let results: Vec<_> = request
        .criteria
        .iter()
        .map(|criterion| learn::judge(criterion, &evaluation, request.divert_from))
        .collect();
    let medium = model.manifest().input.medium();
    let expected = items.iter().filter(|item| is_measurable(item, medium)).count();
    let unmeasured = expected.saturating_sub(evaluation.report.n);
    let outcome = AuditOutcome {
        criteria,
        model: model.model_ref().clone(),
        dataset,
        // What could not be read might have been what the model gets wrong.
        passed: unmeasured == 0 && results.iter().all(|result| result.passed),
        results,
        items: evaluation.report.n,
        units: evaluation.report.groups,
        unmeasured,
        times,
        uses,
        independence,
    };
    let event = line.store.transact::<_, EngineError>(actor, |tx| {
        let audit = tx.append(&Event::FinalAudit(outcome.clone()))?;
        if let Some(name) = signed_by {
            tx.append(&Event::AuditSigned { audit, signed_by: name.to_owned() })?;
        }
        Ok(audit)
    })?;
    Ok(AuditReport { event, outcome, report: evaluation.report })
}

/// Labels without an answer are no truth to measure by, and of a line's other medium the model says nothing.
fn is_measurable(item: &LabelledItem, medium: MediaKind) -> bool {
    item.label.status == LabelStatus::Confirmed && item.kind == medium
}

/// Refuses a model that has learnt from the audit set.
fn independence(line: &Line, model: &Model) -> Result<Independence, EngineError> {
    // Without an audit set there is nothing to have seen; that is refused next.
    let Some(locked) = Locked::of(line)? else { return Ok(Independence::Unknown) };
    let (is_whole, seen) = seen_units(line, model.manifest(), &locked)?;
    if seen > 0 {
        let why = format!(
            "the training of {} had {seen} units of the audit set, from before it was locked. Hint: train again",
            model.model_ref().name
        );
        return Err(EngineError::Refused { why, support: Box::new(None) });
    }
    Ok(if is_whole { Independence::Known } else { Independence::Unknown })
}

/// Sets down criteria and use in one transaction; gives the criteria's event, the how-manieth final audit
/// of this model on these items it is, and how many uses of the set there are now.
fn announce(
    line: &mut Line,
    model: &Model,
    request: &AuditRequest,
    dataset: &DataVersion,
    items: &[LabelledItem],
    actor: &str,
) -> Result<(EventId, usize, usize), EngineError> {
    let units: BTreeSet<&str> = items.iter().map(|item| item.group.as_str()).collect();
    let model = model.model_ref();
    line.store.transact::<_, EngineError>(actor, |tx| {
        let uses = tx.audit_uses()?;
        let same = |used: &AuditUse| {
            used.purpose == PURPOSE
                && used.model.hash == model.hash
                && used.dataset.as_ref().is_some_and(|known| known.hash == dataset.hash)
        };
        let times = 1 + uses.iter().filter(|noted| same(&noted.what)).count();
        let criteria = tx.append(&Event::AuditCriteriaSet(AuditCriteria {
            model: model.clone(),
            dataset: dataset.clone(),
            criteria: request.criteria.clone(),
            divert_from: request.divert_from,
        }))?;
        tx.append(&Event::AuditSetUsed(AuditUse {
            model: model.clone(),
            purpose: PURPOSE.to_owned(),
            dataset: Some(dataset.clone()),
            items: items.len(),
            units: units.len(),
        }))?;
        Ok((criteria, times, 1 + uses.len()))
    })
}
