//! The final audit of a model before it is released: criteria first, then one look at the audit set,
//! then the outcome, which nobody can change, and who signs it.

use super::dataset::{AuditSetReport, Locked, freeze_audit_set, seen_units};
use super::{EngineError, Line};
use crate::decide::Requirement;
use crate::domain::{
    AuditCriteria, AuditOutcome, AuditUse, Criterion, DataVersion, Event, EventId, Independence, LabelStatus,
    LabelledItem, Measure, MediaKind, Probability,
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

/// Puts a person's name under the outcome that stands in the log.
pub fn sign_audit(line: &mut Line, audit: EventId, signer: &str) -> Result<(), EngineError> {
    let signer = signer.trim();
    if signer.is_empty() {
        return Err(EngineError::Usage("a signature needs a name".into()));
    }
    line.store.transact::<_, EngineError>(signer, |tx| {
        if !tx.final_audits()?.iter().any(|noted| noted.event == audit) {
            return Err(EngineError::Usage(format!("there is no final audit {audit}")));
        }
        let signed = (audit, signer.to_owned());
        if !tx.audit_signatures()?.iter().any(|noted| noted.what == signed) {
            tx.append(&Event::AuditSigned { audit, signed_by: signed.1 })?;
        }
        Ok(())
    })
}

/// Why no model can be shown to keep a criterion on this audit set, in words.
#[must_use]
pub fn out_of_reach(criterion: &Criterion, set: &AuditSetReport) -> Option<String> {
    let units = match &criterion.measure {
        Measure::Figure(_) => return None,
        Measure::Miss => set.defective_units,
        Measure::Overkill => set.good_units,
        Measure::Recall(class) => set.classes.get(class).map_or(0, |count| count.units),
    };
    learn::out_of_reach(criterion, units)
}

/// What the newest final audit of the package with this hash says, as a line of a check list; `None` where there was none.
pub fn audit_line(line: &Line, hash: &str) -> Result<Option<Requirement>, EngineError> {
    let view = line.store.view();
    let audits = view.final_audits()?;
    let Some(audit) = audits.iter().rfind(|noted| noted.what.model.hash == hash) else {
        return Ok(None);
    };
    let signatures = view.audit_signatures()?;
    let signers = signatures.iter().filter(|signed| signed.what.0 == audit.event);
    let signers: Vec<&str> = signers.map(|signed| signed.what.1.as_str()).collect();
    let signed = if signers.is_empty() { "nobody yet".to_owned() } else { signers.join(", ") };
    let outcome = if audit.what.passed { "passed" } else { "failed" };
    let day: String = audit.at.to_string().chars().take(10).collect();
    let what = format!("a final audit that it passes: {outcome} on {day}, signed by {signed}");
    Ok(Some(Requirement { what, is_met: audit.what.passed }))
}

/// Labels without an answer are no truth to measure by, and of a line's other medium the model says nothing.
fn is_measurable(item: &LabelledItem, medium: MediaKind) -> bool {
    item.label.status == LabelStatus::Confirmed && item.kind == medium
}

/// Refuses a model that has learnt from the audit set.
fn independence(line: &Line, model: &Model) -> Result<Independence, EngineError> {
    // Without an audit set there is nothing to have seen; that is refused next.
    let Some(locked) = Locked::of(line)? else { return Ok(Independence::Unknown) };
    let (behind, seen) = seen_units(line, model.manifest(), &locked)?;
    if seen > 0 {
        let why = format!(
            "the training of {} had {seen} units of the audit set, from before it was locked. Hint: train again",
            model.model_ref().name
        );
        return Err(EngineError::Refused { why, support: Box::new(None) });
    }
    Ok(if behind.unknown.is_none() { Independence::Known } else { Independence::Unknown })
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
