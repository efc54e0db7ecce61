//! A candidate beside the live model on the items that both have seen, and beside the people who answered
//! them.

use super::latency::{LatencyMs, percentiles};
use super::{EngineError, Line};
use crate::decide::{Comparison, Pair, Seen, Support, comparison, decide_item, support};
use crate::domain::{
    ItemId, Label, LabelStatus, Level, ModelRef, Outcome, Plan, Policy, Prediction, Probability,
    ReleaseState, Task, Thresholds, Timestamp,
};
use crate::infer::Model;
use crate::store::SeenByBoth;
use crate::watch::{is_bad, is_misnamed};
use serde::Serialize;
use std::collections::BTreeMap;

/// A call is "defective" from here on, as long as nothing else is known.
const CALL: f64 = 0.5;
/// Disagreements that a report lists.
const LISTED: usize = 200;
/// Three bets share the chance of a false abort: on calls, on escapes, on overkill.
const BETS: f64 = 3.0;

/// An item on which the two call differently.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disagreement {
    pub item: ItemId,
    pub unit: String,
    /// Probability that it should not pass.
    pub live: Probability,
    pub candidate: Probability,
    /// What people say; absent while nobody has.
    pub truth: Option<String>,
}

/// The same comparison among a part of the items.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slice {
    pub name: String,
    pub calls: Comparison,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompareReport {
    pub live: ModelRef,
    pub candidate: ModelRef,
    pub state: Option<ReleaseState>,
    pub since: Timestamp,
    /// Items that both have looked at, and those that the candidate had no time for.
    pub seen: u64,
    pub dropped: u64,
    /// On how many of them they call differently.
    pub disagreements: u64,
    /// Whether each is called rightly at ½.
    pub calls: Comparison,
    /// What would escape and what would be diverted for nothing, each by the thresholds that its own
    /// evidence supports.
    pub escapes: Comparison,
    pub overkill: Comparison,
    /// Share that each would decide without a person.
    pub automation_live: f64,
    pub automation_candidate: f64,
    pub promise: Support,
    /// Preparation and network.
    pub latency_live_ms: LatencyMs,
    pub latency_candidate_ms: LatencyMs,
    /// By what people said the item is.
    pub slices: Vec<Slice>,
    pub listed: Vec<Disagreement>,
    /// Above this capital a bet has shown that the candidate is worse.
    pub capital_needed: f64,
}

impl CompareReport {
    pub(super) fn capital_needed(plan: &Plan) -> f64 {
        BETS / plan.release.false_abort
    }

    /// The kind of error of which the candidate has been shown to make more.
    #[must_use]
    pub fn worse(&self) -> Option<(&'static str, &Comparison)> {
        [("wrong calls", &self.calls), ("escapes", &self.escapes), ("false diverts", &self.overkill)]
            .into_iter()
            .find(|(_, comparison)| comparison.capital >= self.capital_needed)
    }

    #[must_use]
    pub fn is_worse(&self) -> bool {
        self.worse().is_some() || (self.calls.difference > 0.0 && self.calls.verdicts_needed == Some(0))
    }
}

/// Both views of one item.
struct Both {
    item: ItemId,
    unit: String,
    inspection: String,
    live: Prediction,
    candidate: Prediction,
    /// With which its truth came to be known; `None` while it is not.
    known: Option<(Label, Probability)>,
}

/// Compares a candidate with the live model, in the step of its release that runs now.
pub fn compare(line: &Line, model: &Model) -> Result<CompareReport, EngineError> {
    let view = line.store.view();
    let settings = view.settings()?;
    let candidate = model.model_ref().clone();
    let Some(live) = settings.model.clone() else {
        let why = "this line has no live model to compare with".into();
        return Err(EngineError::Refused { why, support: Box::new(None) });
    };
    let release = view.release(&candidate.hash)?;
    let since = release.as_ref().map_or(Timestamp::from_micros(0), |release| release.since);
    let mut both: Vec<Both> = view
        .seen_by_both(&candidate.hash, since)?
        .into_iter()
        .filter(|seen| seen.decided.model == live)
        .map(|seen| of_row(seen, false))
        .collect();
    let by_candidate = view.seen_by_both(&live.hash, since)?;
    both.extend(
        by_candidate
            .into_iter()
            .filter(|seen| seen.decided.model == candidate)
            .map(|seen| of_row(seen, true)),
    );
    both.sort_by_key(|one| one.item);
    let promise = support(&line.plan.promise, &line.evidence_of(model)?);
    let live_thresholds = settings.policy.map_or_else(Thresholds::default, |policy| policy.thresholds);
    let (_, dropped) = view.shadow_counts(&candidate.hash)?;
    let thresholds = [live_thresholds, promise.thresholds];
    let times = |of: fn(&Both) -> &Prediction| -> LatencyMs {
        let ms: Vec<f64> = both.iter().map(of).map(|p| p.timing.prepare_ms + p.timing.network_ms).collect();
        percentiles(&ms)
    };
    let plan = &line.plan;
    let report = Judged { plan, both: &both, thresholds };
    Ok(CompareReport {
        state: release.map(|release| release.state),
        since,
        seen: both.len() as u64,
        dropped,
        disagreements: both.iter().filter(|one| report.disagree(one)).count() as u64,
        calls: report.compared(|_| true, |plan, _, prediction, label| is_wrong_call(plan, prediction, label)),
        escapes: report.compared(
            |_| true,
            |plan, thresholds, p, label| would(plan, thresholds, p) == Outcome::Pass && is_bad(plan, label),
        ),
        overkill: report.compared(
            |_| true,
            |plan, thresholds, p, label| {
                would(plan, thresholds, p) == Outcome::Divert && !is_bad(plan, label)
            },
        ),
        automation_live: report.automation(0, |one| &one.live),
        automation_candidate: report.automation(1, |one| &one.candidate),
        latency_live_ms: times(|one| &one.live),
        latency_candidate_ms: times(|one| &one.candidate),
        slices: report.slices(),
        listed: report.listed(),
        capital_needed: CompareReport::capital_needed(plan),
        live,
        candidate,
        promise,
    })
}

fn of_row(seen: SeenByBoth, by_candidate: bool) -> Both {
    // What was asked for the comparison counts by that draw, also where the answer has sent the unit back to
    // people since. What came to a person anyway is known with certainty. Other checks of what was decided
    // alone are left out: only the comparison's own probability is known for each item.
    let probability = match (seen.asked, seen.outcome) {
        (Some((_, probability)), _) => Some(probability),
        (None, Outcome::Review) => Some(Probability::ONE),
        _ => None,
    };
    let known = seen.label.filter(|label| label.status != LabelStatus::Disputed).zip(probability);
    let (live, candidate) =
        if by_candidate { (seen.other, seen.decided) } else { (seen.decided, seen.other) };
    Both { item: seen.item, unit: seen.unit, inspection: seen.inspection, live, candidate, known }
}

struct Judged<'a> {
    plan: &'a Plan,
    both: &'a [Both],
    /// Of the live model and of the candidate.
    thresholds: [Thresholds; 2],
}

type IsWrong = fn(&Plan, Thresholds, &Prediction, &Label) -> bool;

impl Judged<'_> {
    /// Of each unit its first inspection counts: later ones are not independent of it.
    fn compared(&self, counts: impl Fn(&Label) -> bool, is_wrong: IsWrong) -> Comparison {
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        let mut seen = 0.0;
        let mut pairs = Vec::new();
        for one in self.both {
            if *first.entry(&one.unit).or_insert(&one.inspection) != one.inspection {
                continue;
            }
            seen += 1.0;
            let Some((label, probability)) = one.known.as_ref().filter(|(label, _)| counts(label)) else {
                continue;
            };
            let [live, candidate] = self.thresholds;
            pairs.push(Pair {
                live_wrong: is_wrong(self.plan, live, &one.live, label),
                candidate_wrong: is_wrong(self.plan, candidate, &one.candidate, label),
                probability: *probability,
            });
        }
        comparison(&pairs, seen)
    }

    fn disagree(&self, one: &Both) -> bool {
        disagree(self.plan, &one.live, &one.candidate)
    }

    fn automation(&self, which: usize, of: fn(&Both) -> &Prediction) -> f64 {
        let alone = self
            .both
            .iter()
            .filter(|one| would(self.plan, self.thresholds[which], of(one)) != Outcome::Review)
            .count();
        alone as f64 / self.both.len().max(1) as f64
    }

    fn slices(&self) -> Vec<Slice> {
        let mut classes: Vec<String> = self
            .both
            .iter()
            .filter_map(|one| one.known.as_ref().map(|(label, _)| label.main_class().to_owned()))
            .collect();
        classes.sort();
        classes.dedup();
        classes
            .into_iter()
            .map(|class| {
                let calls = self.compared(
                    |label| label.main_class() == class,
                    |plan, _, prediction, label| is_wrong_call(plan, prediction, label),
                );
                Slice { name: class, calls }
            })
            .collect()
    }

    /// What nobody has answered yet first.
    fn listed(&self) -> Vec<Disagreement> {
        let mut listed: Vec<Disagreement> = self
            .both
            .iter()
            .filter(|one| self.disagree(one))
            .map(|one| Disagreement {
                item: one.item,
                unit: one.unit.clone(),
                live: one.live.divert_probability(self.plan),
                candidate: one.candidate.divert_probability(self.plan),
                truth: one.known.as_ref().map(|(label, _)| label.main_class().to_owned()),
            })
            .collect();
        listed.sort_by(|a, b| (a.truth.is_some(), b.item).cmp(&(b.truth.is_some(), a.item)));
        listed.truncate(LISTED);
        listed
    }
}

/// Whether two models say different things of an item.
pub(super) fn disagree(plan: &Plan, a: &Prediction, b: &Prediction) -> bool {
    match plan.task {
        Task::Defect => calls_bad(plan, a) != calls_bad(plan, b),
        Task::Classify | Task::Transcribe => a.label() != b.label(),
    }
}

fn calls_bad(plan: &Plan, prediction: &Prediction) -> bool {
    prediction.divert_probability(plan).get() >= CALL
}

fn is_wrong_call(plan: &Plan, prediction: &Prediction, label: &Label) -> bool {
    match plan.task {
        Task::Defect => calls_bad(plan, prediction) != is_bad(plan, label),
        Task::Classify | Task::Transcribe => is_misnamed(label, prediction),
    }
}

/// What a model would do alone, were its thresholds in force.
fn would(plan: &Plan, thresholds: Thresholds, prediction: &Prediction) -> Outcome {
    let policy = Policy { level: Level::Partial, thresholds, version: 0 };
    decide_item(plan, &policy, Seen::Predicted(prediction)).outcome
}
