//! A candidate beside the live model on the items that both have seen, and beside the people who answered
//! them.

use super::both::{Both, Pairs};
use super::latency::{LatencyMs, percentiles};
use super::{EngineError, Line};
use crate::decide::{Comparison, Pair, Seen, Support, comparison, decide_item, support};
use crate::domain::{
    InputStats, Item, ItemId, Label, LabelStatus, Level, ModelRef, Outcome, Plan, Policy, Prediction,
    Probability, Release, ReleaseState, Task, Thresholds, Timestamp,
};
use crate::infer::Model;
use crate::learn::SliceKind;
use crate::watch::{is_bad, is_misnamed};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A call is "defective" from here on, as long as nothing else is known.
pub const CALL: f64 = 0.5;
/// Disagreements that a report lists.
const LISTED: usize = 200;
/// The errors that are counted: whatever a model would do, what it would pass, what it would divert.
const KINDS: [&str; 3] = ["wrong calls", "escapes", "false diverts"];
/// A bet on each of them: they share the chance of a false abort.
const BETS: f64 = KINDS.len() as f64;
/// Parts of the time and of the brightness.
const PARTS: usize = 3;

/// An item on which the two call differently.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disagreement {
    pub item: ItemId,
    pub unit: String,
    /// Probability that it should not pass; on lines that name items or write them down, that what each says
    /// is wrong.
    pub live: Probability,
    pub candidate: Probability,
    /// What live model and candidate say that it is; only on such lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<[String; 2]>,
    /// What people say; absent while nobody has.
    pub truth: Option<String>,
}

/// An item with what each of two models says of it, with regions; in the order that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Differing {
    pub item: Item,
    pub predictions: [Prediction; 2],
}

/// `None` where one of them has not looked at it.
pub fn differing(
    line: &Line,
    item: ItemId,
    models: &[ModelRef; 2],
) -> Result<Option<Differing>, EngineError> {
    let view = line.store.view();
    let said = view.predictions_of(item)?;
    let by = |model: &ModelRef| said.iter().find(|prediction| prediction.model == *model).cloned();
    let [first, second] = models.each_ref().map(by);
    let both = view.item(item)?.zip(first.zip(second));
    Ok(both.map(|(item, (first, second))| Differing { item, predictions: [first, second] }))
}

/// The same comparison among a part of the items.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slice {
    pub kind: SliceKind,
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
    /// With a known truth among those that the candidate decided itself.
    pub own: u64,
    /// On how many of them they call differently.
    pub disagreements: u64,
    /// Whether each is called rightly at ½.
    pub calls: Comparison,
    /// What would escape and what would be diverted for nothing: a canary by the thresholds that it decides
    /// by, another candidate by those that its own evidence supports.
    pub escapes: Comparison,
    pub overkill: Comparison,
    /// Share that each would decide without a person.
    pub automation_live: f64,
    pub automation_candidate: f64,
    pub promise: Support,
    /// Preparation and network.
    pub latency_live_ms: LatencyMs,
    pub latency_candidate_ms: LatencyMs,
    /// By what people said the item is, and by where, when and in which light it was taken.
    pub slices: Vec<Slice>,
    pub listed: Vec<Disagreement>,
    /// Above this capital a bet has shown that the candidate is worse.
    pub capital_needed: f64,
}

impl CompareReport {
    #[must_use]
    pub fn is_worse(&self) -> bool {
        let capitals = [self.calls, self.escapes, self.overkill].map(|found| found.capital);
        capitals.iter().any(|capital| *capital >= self.capital_needed)
            || (self.calls.difference > 0.0 && self.calls.verdicts_needed == Some(0))
    }
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
    let mut pairs = Pairs::new(live, candidate, since);
    pairs.catch_up(&line.store)?;
    let promise = support(&line.plan.promise, &line.evidence_of(model)?);
    let (_, dropped) = view.shadow_counts(&pairs.candidate.hash)?;
    let live_thresholds = settings.policy.map_or_else(Thresholds::default, |policy| policy.thresholds);
    let own_thresholds = in_force(release.as_ref()).unwrap_or(promise.thresholds);
    let (plan, both) = (&line.plan, pairs.items());
    let judged = Judged { plan, both: &both, thresholds: [live_thresholds, own_thresholds] };
    let [calls, escapes, overkill] = judged.kinds();
    Ok(CompareReport {
        state: release.map(|release| release.state),
        since,
        seen: both.len() as u64,
        dropped,
        own: judged.compared(&|one, _| one.by_candidate, wrong_call).n,
        disagreements: both.iter().filter(|one| judged.disagree(one)).count() as u64,
        calls,
        escapes,
        overkill,
        automation_live: judged.automation(0, |one| &one.live),
        automation_candidate: judged.automation(1, |one| &one.candidate),
        latency_live_ms: latency(&both, |one| &one.live),
        latency_candidate_ms: latency(&both, |one| &one.candidate),
        slices: judged.slices(),
        listed: judged.listed(),
        capital_needed: capital_needed(plan),
        live: pairs.live,
        candidate: pairs.candidate,
        promise,
    })
}

/// The error of which a canary has been shown to make more than the live model, by what `pairs` knows.
pub(super) fn shown_worse(
    line: &Line,
    canary: &Release,
    pairs: &Pairs,
) -> Result<Option<(&'static str, Comparison)>, EngineError> {
    let policy = line.store.view().settings()?.policy;
    let live = policy.map_or_else(Thresholds::default, |policy| policy.thresholds);
    let own = in_force(Some(canary)).unwrap_or_default();
    let both = pairs.items();
    let judged = Judged { plan: &line.plan, both: &both, thresholds: [live, own] };
    let needed = capital_needed(&line.plan);
    Ok(KINDS.into_iter().zip(judged.kinds()).find(|(_, found)| found.capital >= needed))
}

/// A bet against thresholds that move with its own observations would not be valid at every look.
fn in_force(release: Option<&Release>) -> Option<Thresholds> {
    Some(release?.canary.as_ref()?.policy.thresholds)
}

/// From here on a bet has shown that the candidate is worse.
pub(super) fn capital_needed(plan: &Plan) -> f64 {
    BETS / plan.release.false_abort
}

fn latency(both: &[&Both], of: fn(&Both) -> &Prediction) -> LatencyMs {
    let timing = both.iter().map(|one| of(one).timing);
    let ms: Vec<f64> = timing.map(|timing| timing.prepare_ms + timing.network_ms).collect();
    percentiles(&ms)
}

struct Judged<'a> {
    plan: &'a Plan,
    both: &'a [&'a Both],
    /// Of the live model and of the candidate.
    thresholds: [Thresholds; 2],
}

type IsWrong = fn(&Plan, Thresholds, &Prediction, &Label) -> bool;

impl Judged<'_> {
    /// Of each unit its first inspection counts: later ones are not independent of it.
    fn compared(&self, counts: &dyn Fn(&Both, &Label) -> bool, is_wrong: IsWrong) -> Comparison {
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        let mut seen = 0.0;
        let mut pairs = Vec::new();
        for one in self.both {
            if *first.entry(&one.unit).or_insert(&one.inspection) != one.inspection {
                continue;
            }
            seen += 1.0;
            let Some((label, probability)) = one.known.as_ref().filter(|(label, _)| counts(one, label))
            else {
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

    /// In the order of [`KINDS`].
    fn kinds(&self) -> [Comparison; 3] {
        let is_wrong: [IsWrong; 3] = [wrong_call, escapes, overkill];
        is_wrong.map(|is_wrong| self.compared(&|_, _| true, is_wrong))
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
        let time = |one: &Both| one.arrived_at.as_micros() as f64;
        let measured = |one: &Both, of: fn(&InputStats) -> Option<f32>| {
            one.live.inputs.as_ref().and_then(of).map_or(f64::NAN, f64::from)
        };
        let light = |one: &Both| measured(one, |stats| Some(stats.image()?.brightness));
        let level = |one: &Both| measured(one, |stats| Some(stats.sound()?.level_db));
        let day = |micros: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "made from whole microseconds")]
            Timestamp::from_micros(micros as i64).to_string().chars().take(19).collect::<String>()
        };
        // What is said is hardly ever said twice.
        let mut slices = match self.plan.task {
            Task::Transcribe => Vec::new(),
            Task::Defect | Task::Classify => {
                self.named(SliceKind::Class, |_, label| label.main_class().to_owned())
            }
        };
        let sources = self.named(SliceKind::Source, |one, _| one.source.clone());
        // The whole line is no part of it.
        slices.extend(if sources.len() > 1 { sources } else { Vec::new() });
        slices.extend(self.parts(SliceKind::Time, time, day));
        slices.extend(self.parts(SliceKind::Brightness, light, |value| format!("{value:.1}")));
        slices.extend(self.parts(SliceKind::Level, level, |value| format!("{value:.1}")));
        slices
    }

    fn known(&self) -> impl Iterator<Item = (&Both, &Label)> {
        self.both.iter().filter_map(|one| one.known.as_ref().map(|(label, _)| (*one, label)))
    }

    fn named(&self, kind: SliceKind, name: impl Fn(&Both, &Label) -> String) -> Vec<Slice> {
        let names: BTreeSet<String> = self.known().map(|(one, label)| name(one, label)).collect();
        let slice = |wanted: String| {
            let calls = self.compared(&|one, label| name(one, label) == wanted, wrong_call);
            Slice { kind, name: wanted, calls }
        };
        names.into_iter().map(slice).collect()
    }

    /// Parts with about as many known items each, by a value.
    fn parts(
        &self,
        kind: SliceKind,
        value: impl Fn(&Both) -> f64,
        text: impl Fn(f64) -> String,
    ) -> Vec<Slice> {
        let mut values: Vec<f64> =
            self.known().map(|(one, _)| value(one)).filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let bounds: Vec<f64> =
            (0..PARTS).filter_map(|part| values.get(part * values.len() / PARTS).copied()).collect();
        if values.len() < PARTS || bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Vec::new();
        }
        let part = |(at, &from): (usize, &f64)| {
            let end = bounds.get(at + 1).copied().unwrap_or(f64::INFINITY);
            let calls = self.compared(&|one, _| (from..end).contains(&value(one)), wrong_call);
            Slice { kind, name: format!("from {}", text(from)), calls }
        };
        bounds.iter().enumerate().map(part).collect()
    }

    /// What nobody has answered yet first.
    fn listed(&self) -> Vec<Disagreement> {
        let mut listed: Vec<Disagreement> =
            self.both.iter().filter(|one| self.disagree(one)).map(|one| self.disagreement(one)).collect();
        listed.sort_by(|a, b| (a.truth.is_some(), b.item).cmp(&(b.truth.is_some(), a.item)));
        listed.truncate(LISTED);
        listed
    }

    fn disagreement(&self, one: &Both) -> Disagreement {
        let plan = self.plan;
        let names_items = plan.task != Task::Defect;
        let doubt = |prediction: &Prediction| {
            if names_items { prediction.doubt() } else { prediction.divert_probability(plan) }
        };
        let truth = |label: &Label| match plan.task {
            Task::Transcribe if label.status == LabelStatus::Confirmed => plan.transcript.truth(label),
            Task::Transcribe => label.status.to_string(),
            Task::Defect | Task::Classify => label.main_class().to_owned(),
        };
        Disagreement {
            item: one.item,
            unit: one.unit.clone(),
            live: doubt(&one.live),
            candidate: doubt(&one.candidate),
            said: names_items.then(|| [&one.live, &one.candidate].map(|said| said.label().to_owned())),
            truth: one.known.as_ref().map(|(label, _)| truth(label)),
        }
    }
}

/// What an item of so likely a defect is called, and how surely. Of several kinds of defect none need be
/// likely by itself.
#[must_use]
pub fn called(defective: Probability) -> (&'static str, Probability) {
    if defective.get() >= CALL {
        ("defective", defective)
    } else {
        (Label::GOOD, Probability::saturating(1.0 - defective.get()))
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

pub(super) fn wrong_call(plan: &Plan, _: Thresholds, prediction: &Prediction, label: &Label) -> bool {
    match plan.task {
        Task::Defect => calls_bad(plan, prediction) != is_bad(plan, label),
        Task::Classify | Task::Transcribe => is_misnamed(plan, label, prediction),
    }
}

fn escapes(plan: &Plan, thresholds: Thresholds, prediction: &Prediction, label: &Label) -> bool {
    would(plan, thresholds, prediction) == Outcome::Pass && is_bad(plan, label)
}

fn overkill(plan: &Plan, thresholds: Thresholds, prediction: &Prediction, label: &Label) -> bool {
    would(plan, thresholds, prediction) == Outcome::Divert && !is_bad(plan, label)
}

/// What a model would do alone, were its thresholds in force.
fn would(plan: &Plan, thresholds: Thresholds, prediction: &Prediction) -> Outcome {
    let policy = Policy { level: Level::Partial, thresholds, version: 0 };
    decide_item(plan, &policy, Seen::Predicted(prediction)).outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timing;

    fn read(reading: &str) -> Prediction {
        let p = Probability::saturating;
        Prediction {
            model: ModelRef { name: "reader".into(), hash: "0".repeat(64) },
            probabilities: [(reading.to_owned(), p(0.75)), (Prediction::OTHER.to_owned(), p(0.25))].into(),
            regions: Vec::new(),
            transcript: Some(reading.to_owned()),
            timing: Timing::default(),
            inputs: None,
            features: Vec::new(),
        }
    }

    #[test]
    fn readings_that_differ_are_listed_with_what_each_model_reads_and_what_was_said() {
        let plan = Plan::new("Serials", Task::Transcribe, Vec::new());
        let label = Label { class: None, transcript: Some("Three 4".into()), ..Label::confirmed("") };
        let both = |live: &str, candidate: &str, known: Option<&Label>| Both {
            item: ItemId::generate(),
            unit: candidate.to_owned(),
            inspection: candidate.to_owned(),
            source: "folder:inbox".into(),
            arrived_at: Timestamp::from_micros(1),
            by_candidate: false,
            live: read(live),
            candidate: read(candidate),
            known: known.map(|label| (label.clone(), Probability::ONE)),
        };
        let seen = [
            both("three four", "three four", Some(&label)),
            both("three four", "three five", Some(&label)),
            both("one", "nine", None),
        ];
        let both: Vec<&Both> = seen.iter().collect();
        let judged = Judged { plan: &plan, both: &both, thresholds: [Thresholds::default(); 2] };
        let [unknown, known] = &judged.listed()[..] else { panic!() };
        assert_eq!((unknown.unit.as_str(), &unknown.truth), ("nine", &None), "what is open comes first");
        assert_eq!(known.said, Some(["three four".to_owned(), "three five".to_owned()]));
        assert_eq!(known.truth.as_deref(), Some("three four"), "in the convention of the line");
        assert_eq!(known.live.get(), 0.25, "the doubt, and no probability of a defect");
        let calls = judged.kinds()[0];
        assert_eq!((calls.n, calls.only_candidate_wrong, calls.only_live_wrong), (2, 1, 0));
        assert!(judged.slices().is_empty(), "two sounds make no slice");
    }
}
