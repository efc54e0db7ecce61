//! Everything that a person wants to know of a promise: what the evidence supports, where it comes from,
//! what is in force, what escapes, and what more labels would buy.

use super::{EngineError, Line, find_model, steward};
use crate::decide::{
    AnswerPairs, CurvePoint, Evidence, Outlook, Requirement, Support, outlook, requirements, risk_curve,
    support,
};
use crate::domain::{
    Alarm, AuditRates, Level, ModelRef, Outcome, Policy, Probability, Promise, Task, Timestamp,
};
use crate::learn::{Apart, apart};
use crate::watch::{self, Estimates, SeriesPoint};
use serde::Serialize;
use std::collections::BTreeMap;

/// Multiples of the evidence that the outlook looks at.
const TIMES: [f64; 5] = [1.0, 1.25, 1.5, 2.0, 4.0];
const CURVE_CONFIDENCE: f64 = 0.9;
/// Of the resampling that gives intervals.
const SEED: u64 = 1;
/// Points of the estimate over time.
const SERIES_POINTS: usize = 200;

/// One model's promise on one line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PromiseReport {
    pub model: ModelRef,
    pub is_live: bool,
    pub level: Level,
    pub support: Support,
    /// In force, where the model is live.
    pub policy: Option<Policy>,
    pub audits: Option<AuditRates>,
    pub curve: Vec<CurvePoint>,
    pub outlook: Vec<Outlook>,
    pub estimates: Estimates,
    /// How far people's transcripts of the same sounds lie apart; only where they are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said_apart: Option<Apart>,
    pub series: Vec<SeriesPoint>,
    /// Checks that nobody has answered yet.
    pub pending: usize,
    pub alarms: Vec<(Timestamp, Alarm)>,
    /// What each level takes that lets the model decide.
    pub checklists: BTreeMap<Level, Vec<Requirement>>,
    #[serde(skip)]
    evidence: Evidence,
    /// As far as it says something of this promise.
    #[serde(skip)]
    answers: Option<AnswerPairs>,
}

impl PromiseReport {
    /// What the same evidence would support of another promise. Changes nothing.
    #[must_use]
    pub fn what_if(&self, promise: &Promise) -> Support {
        support(promise, &self.evidence).corrected(self.answers)
    }
}

/// Of the live model, or of the named one.
pub fn promise_report(line: &Line, model: Option<&str>) -> Result<PromiseReport, EngineError> {
    let view = line.store.view();
    let settings = view.settings()?;
    let name = match (model, &settings.model) {
        (Some(name), _) => name.to_owned(),
        (None, Some(live)) => live.name.clone(),
        (None, None) => {
            let why = "this line has no live model".into();
            return Err(EngineError::Refused { why, support: Box::new(None) });
        }
    };
    let model = find_model(Some(line.store.folder()), &name)?;
    let reference = model.model_ref();
    let is_live = settings.model.as_ref() == Some(reference);
    let evidence = line.evidence_of(&model)?;
    let since = steward::live_since(&settings, reference);
    let verified = watch::verified(&view, &line.plan, reference, since)?;
    let promise = &line.plan.promise;
    let estimates = watch::estimates(&view, &line.plan, reference, since, &verified)?;
    // It is about good or not; how often people give a wrong name is another matter.
    let answers = AnswerPairs { pairs: estimates.answer_pairs, disagreements: estimates.disagreements };
    let answers = Some(answers).filter(|_| line.plan.task == Task::Defect);
    let support = support(promise, &evidence).corrected(answers);
    let alarms = view.alarms()?;
    let now = steward::circumstances(&line.plan, settings.model.is_some(), Some(&support), &alarms);
    let pending = view
        .checks(&reference.hash, since)?
        .iter()
        .filter(|check| check.outcome != Outcome::Review && check.label.is_none())
        .count();
    Ok(PromiseReport {
        model: reference.clone(),
        is_live,
        level: settings.level,
        support,
        policy: settings.policy.filter(|_| is_live),
        audits: settings.audits.filter(|_| is_live),
        curve: risk_curve(promise, &evidence, Probability::saturating(CURVE_CONFIDENCE)),
        outlook: outlook(promise, &evidence, &TIMES),
        estimates,
        said_apart: said_apart(line)?,
        series: watch::series(&verified, SERIES_POINTS),
        pending,
        alarms,
        checklists: [Level::Partial, Level::Full]
            .into_iter()
            .map(|level| (level, requirements(level, &now)))
            .collect(),
        evidence,
        answers,
    })
}

/// After the convention of the line.
fn said_apart(line: &Line) -> Result<Option<Apart>, EngineError> {
    if line.plan.task != Task::Transcribe {
        return Ok(None);
    }
    let written = |text: &Option<String>| text.as_ref().map(|text| line.plan.transcript.normalise(text));
    let pairs = line.store.view().two_answers()?.into_iter().filter_map(|pair| {
        let [a, b] = pair.said.each_ref().map(written);
        Some((pair.unit, [a?, b?]))
    });
    Ok(apart(&pairs.collect::<Vec<_>>(), SEED))
}
