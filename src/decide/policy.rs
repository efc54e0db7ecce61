//! From a prediction to a decision, and from the decisions of its items to an inspection.
//!
//! The one rule above all others: an item passes only when the level lets the model decide, a
//! pass threshold is supported, and a sound prediction lies strictly below it. Whatever else
//! happens ends at a person, or is diverted. Pure; knows nothing of where predictions come from.

use crate::domain::{
    DecidedBy, Decision, Level, Outcome, Plan, Policy, Prediction, Probability, Reason, Route, Task,
};

/// Class probabilities add up to 1 within this: rounding of 32-bit floats over many classes stays
/// far below, and a network that disagrees with its package does not.
const PROBABILITY_SUM_TOLERANCE: f64 = 1e-3;

/// What the station knows of an item when it decides.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    Predicted(&'a Prediction),
    /// No prediction: damaged file, no model, a fault, a copy of another unit's picture.
    Failed(&'a Reason),
}

/// Decides one item under `policy`.
#[must_use]
pub fn decide_item(plan: &Plan, policy: &Policy, seen: Seen<'_>) -> Decision {
    let (outcome, decided_by, reason, model) = match seen {
        Seen::Failed(reason) => (Outcome::Review, DecidedBy::Station, reason.clone(), None),
        Seen::Predicted(prediction) => {
            let (outcome, decided_by, reason) = decide_prediction(plan, policy, prediction);
            (outcome, decided_by, reason, Some(prediction.model.clone()))
        }
    };
    Decision { outcome, decided_by, reason, policy: Some(policy.clone()), model, audit: None }
}

fn decide_prediction(plan: &Plan, policy: &Policy, prediction: &Prediction) -> (Outcome, DecidedBy, Reason) {
    if let Some(why) = unsound(prediction) {
        return (Outcome::Review, DecidedBy::Station, Reason::ModelFault { why });
    }
    if !policy.level.is_automatic() {
        return (Outcome::Review, DecidedBy::Station, Reason::LevelAsks { level: policy.level });
    }
    let (outcome, reason) = match plan.task {
        Task::Defect => decide_probability(policy, prediction.divert_probability(plan)),
        Task::Classify => decide_name(plan.route(prediction.label()), policy, prediction),
        Task::Transcribe => decide_name(route_of_reading(prediction), policy, prediction),
    };
    (outcome, DecidedBy::Model, reason)
}

/// On lines that write down what is said a reading passes. That nothing was said, or something else than any
/// reading, is nothing to hand on.
fn route_of_reading(prediction: &Prediction) -> Option<Route> {
    let reading = prediction.label();
    (!reading.is_empty() && reading != Prediction::OTHER).then_some(Route::Pass)
}

/// On lines that name items: a name that is sure enough takes its route.
fn decide_name(route: Option<Route>, policy: &Policy, prediction: &Prediction) -> (Outcome, Reason) {
    let (class, doubt) = (prediction.label().to_owned(), prediction.doubt());
    let accept_below = policy.thresholds.accept_below;
    if let (Some(accept_below), Some(route)) = (accept_below.filter(|at| doubt < *at), route) {
        let outcome = match route {
            Route::Pass => Outcome::Pass,
            Route::Divert => Outcome::Divert,
        };
        return (outcome, Reason::Named { class, doubt, accept_below });
    }
    // Level full leaves nothing to people; what has no sure name does not pass.
    let outcome = if policy.level == Level::Full { Outcome::Divert } else { Outcome::Review };
    (outcome, Reason::Doubtful { class, doubt, accept_below })
}

fn decide_probability(policy: &Policy, p: Probability) -> (Outcome, Reason) {
    let thresholds = policy.thresholds;
    if let Some(divert_above) = thresholds.divert_above
        && p > divert_above
    {
        return (Outcome::Divert, Reason::AboveDivert { p, divert_above });
    }
    if let Some(pass_below) = thresholds.pass_below
        && p < pass_below
    {
        return (Outcome::Pass, Reason::BelowPass { p, pass_below });
    }
    if policy.level == Level::Full {
        return (Outcome::Divert, Reason::NotSafelyGood { p });
    }
    (Outcome::Review, Reason::Between { p, thresholds })
}

/// Why a prediction cannot be believed. A sum above 1 would hide a defect behind a confident
/// "good".
fn unsound(prediction: &Prediction) -> Option<String> {
    if prediction.probabilities.is_empty() {
        return Some("the prediction names no class".into());
    }
    let sum: f64 = prediction.probabilities.values().map(|p| p.get()).sum();
    ((sum - 1.0).abs() > PROBABILITY_SUM_TOLERANCE)
        .then(|| format!("class probabilities add up to {sum:.3} instead of 1"))
}

/// Decides an inspection from its items' decisions in force, of `want` items.
///
/// A diverting item diverts at once. Passing needs all items. An incomplete inspection asks:
/// with `Incomplete` when its time is over or nothing else is open.
#[must_use]
pub fn decide_inspection(items: &[Outcome], want: u32, timed_out: bool) -> (Outcome, Reason) {
    if items.contains(&Outcome::Divert) {
        return (Outcome::Divert, Reason::AnItemDiverts);
    }
    let have = u32::try_from(items.len()).unwrap_or(u32::MAX);
    let complete = have >= want.max(1);
    let asks = items.contains(&Outcome::Review);
    if !complete && (timed_out || !asks) {
        return (Outcome::Review, Reason::Incomplete { have, want });
    }
    if asks {
        return (Outcome::Review, Reason::AnItemAsks);
    }
    (Outcome::Pass, Reason::AllItemsPass)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Class, ModelRef, Route, Task, Thresholds, Timing};
    use proptest::prelude::*;

    fn plan() -> Plan {
        let class = |name: &str, route| Class { name: name.into(), route };
        Plan::new("Tiles", Task::Defect, vec![class("good", Route::Pass), class("crack", Route::Divert)])
    }

    fn prediction(entries: &[(&str, f64)]) -> Prediction {
        Prediction {
            model: ModelRef { name: "m".into(), hash: "h".into() },
            probabilities: entries.iter().map(|&(c, p)| (c.to_owned(), Probability::saturating(p))).collect(),
            regions: Vec::new(),
            transcript: None,
            timing: Timing::default(),
            inputs: None,
            features: Vec::new(),
        }
    }

    fn policy(level: Level, pass_below: Option<f64>, divert_above: Option<f64>) -> Policy {
        let at = |t: Option<f64>| t.map(Probability::saturating);
        Policy {
            level,
            thresholds: Thresholds {
                pass_below: at(pass_below),
                divert_above: at(divert_above),
                accept_below: None,
            },
            version: 1,
        }
    }

    fn outcome(policy: &Policy, entries: &[(&str, f64)]) -> Outcome {
        decide_item(&plan(), policy, Seen::Predicted(&prediction(entries))).outcome
    }

    #[test]
    fn readings_pass_when_sure_and_nothing_said_never_does() {
        let plan = Plan::new("Readings", Task::Transcribe, vec![]);
        let decide = |level, entries: &[(&str, f64)]| {
            let accept_below = Some(Probability::saturating(0.1));
            let thresholds = Thresholds { accept_below, ..Thresholds::default() };
            let policy = Policy { level, thresholds, version: 1 };
            decide_item(&plan, &policy, Seen::Predicted(&prediction(entries))).outcome
        };
        let other = Prediction::OTHER;
        for (level, unsure) in [(Level::Partial, Outcome::Review), (Level::Full, Outcome::Divert)] {
            assert_eq!(decide(level, &[("four two", 0.95), (other, 0.05)]), Outcome::Pass);
            for entries in [
                &[("four two", 0.85), (other, 0.15)][..],
                &[("", 0.99), (other, 0.01)],
                &[("four two", 0.01), (other, 0.99)],
                &[(other, 1.0)],
            ] {
                assert_eq!(decide(level, entries), unsure, "{entries:?}");
            }
        }
        assert_eq!(decide(Level::Assist, &[("four two", 1.0), (other, 0.0)]), Outcome::Review);
    }

    #[test]
    fn unknown_classes_and_broken_numbers_never_pass() {
        for level in Level::ALL {
            let policy = policy(level, Some(0.4), Some(0.6));
            for entries in [
                // A broken network makes every class NaN, and each becomes 1.
                &[("good", f64::NAN), ("crack", f64::NAN)][..],
                &[("good", 1.0), ("crack", 0.9)],
                &[("never heard of", 1.0)],
                &[("good", 0.5), ("never heard of", 0.5)],
                &[],
            ] {
                assert_ne!(outcome(&policy, entries), Outcome::Pass, "{level} {entries:?}");
            }
        }
    }

    #[test]
    fn at_the_threshold_itself_a_person_is_asked() {
        let policy = policy(Level::Partial, Some(0.25), Some(0.75));
        for (p, expected) in [
            (0.2, Outcome::Pass),
            (0.25, Outcome::Review),
            (0.5, Outcome::Review),
            (0.75, Outcome::Review),
            (0.8, Outcome::Divert),
        ] {
            assert_eq!(outcome(&policy, &[("good", 1.0 - p), ("crack", p)]), expected, "{p}");
        }
    }

    #[test]
    fn an_inspection_passes_only_complete() {
        use Outcome::{Divert, Pass, Review};
        assert_eq!(decide_inspection(&[Pass, Pass], 2, false), (Pass, Reason::AllItemsPass));
        assert_eq!(decide_inspection(&[Pass, Review], 2, false), (Review, Reason::AnItemAsks));
        assert_eq!(decide_inspection(&[Pass, Divert], 3, false), (Divert, Reason::AnItemDiverts));
        let incomplete = (Review, Reason::Incomplete { have: 1, want: 2 });
        assert_eq!(decide_inspection(&[Pass], 2, true), incomplete);
        assert_eq!(decide_inspection(&[Pass], 2, false), incomplete);
        assert_eq!(decide_inspection(&[Review], 2, true), incomplete);
        assert_eq!(decide_inspection(&[Review], 2, false).1, Reason::AnItemAsks);
        assert_eq!(decide_inspection(&[], 0, true).0, Review, "nothing seen is nothing passed");
    }

    fn any_level() -> impl Strategy<Value = Level> {
        proptest::sample::select(Level::ALL.to_vec())
    }

    fn any_threshold() -> impl Strategy<Value = Option<f64>> {
        proptest::option::of(prop_oneof![0.0..=1.0, Just(0.0), Just(1.0)])
    }

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        proptest::sample::select(vec![Outcome::Pass, Outcome::Divert, Outcome::Review])
    }

    fn caution(outcome: Outcome) -> u8 {
        match outcome {
            Outcome::Pass => 0,
            Outcome::Review => 1,
            Outcome::Divert => 2,
        }
    }

    proptest! {
        #[test]
        fn only_a_prediction_strictly_below_the_pass_threshold_passes(
            level in any_level(), low in any_threshold(), high in any_threshold(), p in 0.0..=1.0_f64,
        ) {
            let policy = policy(level, low, high);
            let prediction = prediction(&[("good", 1.0 - p), ("crack", p)]);
            let decision = decide_item(&plan(), &policy, Seen::Predicted(&prediction));
            let below = low.is_some_and(|t| prediction.divert_probability(&plan()).get() < t);
            if decision.outcome == Outcome::Pass {
                prop_assert!(level.is_automatic() && below);
            }
            if level == Level::Full {
                prop_assert_ne!(decision.outcome, Outcome::Review);
            }
            if !level.is_automatic() {
                prop_assert_eq!(decision.outcome, Outcome::Review);
            }
            prop_assert_eq!(decision.policy, Some(policy));
            prop_assert_eq!(decision.model, Some(prediction.model));
        }

        #[test]
        fn failures_always_go_to_a_person(level in any_level(), low in any_threshold(), high in any_threshold()) {
            for reason in [
                Reason::NoModel { why: "none".into() },
                Reason::ModelFault { why: "panicked".into() },
                Reason::Undecodable { why: "empty".into() },
                Reason::SameBytes { unit: "a".into(), name: "b".into() },
                Reason::NoReference { why: "absent".into() },
            ] {
                let decision = decide_item(&plan(), &policy(level, low, high), Seen::Failed(&reason));
                prop_assert_eq!(decision.outcome, Outcome::Review);
                prop_assert_eq!(decision.decided_by, DecidedBy::Station);
                prop_assert_eq!(decision.reason, reason);
            }
        }

        #[test]
        fn a_higher_defect_probability_is_never_treated_more_lightly(
            level in any_level(), low in any_threshold(), high in any_threshold(),
            p in 0.0..=1.0_f64, q in 0.0..=1.0_f64,
        ) {
            let policy = policy(level, low, high);
            let (p, q) = (p.min(q), p.max(q));
            let at = |p: f64| caution(outcome(&policy, &[("good", 1.0 - p), ("crack", p)]));
            prop_assert!(at(p) <= at(q));
        }

        #[test]
        fn an_inspection_never_passes_with_an_open_or_diverted_item(
            items in proptest::collection::vec(any_outcome(), 0..5), want in 0..5_u32, timed_out: bool,
        ) {
            let (outcome, _) = decide_inspection(&items, want, timed_out);
            if outcome == Outcome::Pass {
                prop_assert!(items.iter().all(|&item| item == Outcome::Pass));
                prop_assert!(!items.is_empty() && items.len() >= want as usize);
            }
        }
    }
}
