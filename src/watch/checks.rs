//! Whether verified decisions contradict the promise: a bet against it that is valid at every look.

use super::Verified;
use crate::decide::{Estimate, LimitKind, Tally, capital_above, estimate};
use crate::domain::{Alarm, AlarmKind, Outcome, Plan, Probability, limit_name};
use serde::Serialize;

/// The alarm that a promise is broken, from what was verified since the policy is in force. Limits
/// promised together, those of classes among them, share the chance of a false alarm.
#[must_use]
pub fn broken_promise(plan: &Plan, verified: &[Verified]) -> Option<Alarm> {
    let limits = plan.promise.stated();
    let capital_needed = limits.len() as f64 / plan.watch.false_alarm;
    limits.into_iter().find_map(|stated| {
        let tally = outcomes(plan, stated.kind, stated.class, verified);
        let limit = stated.limit.limit;
        let capital = capital_above(&tally.answers, limit.get());
        (capital >= capital_needed).then(|| Alarm {
            kind: AlarmKind::Promise,
            text: format!(
                "{} of {} verified inspections break the limit on {} ({limit})",
                tally.errors(),
                tally.n(),
                limit_name(stated.kind, stated.class),
            ),
            value: tally.rate().unwrap_or_default(),
            limit: limit.get(),
            model: None,
        })
    })
}

/// How often a limit on one class was broken as far as people know: of its own rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassEstimate {
    pub kind: LimitKind,
    pub class: String,
    pub estimate: Estimate,
}

/// Estimates for the limits on single classes of which anything was verified. What such a limit is a rate
/// of (all units with a crack, say) is itself known from answers and checks alone, so that they speak for
/// what they stand for.
#[must_use]
pub fn by_class(plan: &Plan, verified: &[Verified], confidence: Probability) -> Vec<ClassEstimate> {
    let of_classes = plan.promise.stated().into_iter().filter_map(|one| Some((one.kind, one.class?)));
    of_classes
        .filter_map(|(kind, class)| {
            let tally = outcomes(plan, kind, Some(class), verified);
            let estimate = estimate(&tally.answers, tally.stands_for(), confidence)?;
            Some(ClassEstimate { kind, class: class.to_owned(), estimate })
        })
        .collect()
}

/// What became of the inspections that count for a limit.
fn outcomes(plan: &Plan, kind: LimitKind, class: Option<&str>, verified: &[Verified]) -> Tally {
    let mut tally = Tally::default();
    let wanted = class.map(|class| plan.class_set([class]));
    let of_class = |one: &&Verified| wanted.is_none_or(|class| one.evidence.classes.meets(class));
    for one in verified.iter().filter(|one| one.is_first_of_unit).filter(of_class) {
        let bad = one.evidence.defective;
        let (counts, is_error) = match kind {
            LimitKind::Outgoing => (one.outcome == Outcome::Pass, bad),
            LimitKind::Error => (one.outcome != Outcome::Review, bad),
            LimitKind::Miss => (bad, one.outcome == Outcome::Pass),
            LimitKind::Overkill => (!bad, one.outcome == Outcome::Divert),
        };
        if counts {
            tally.add(one.evidence.weight, one.evidence.stake, is_error);
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::EvidenceUnit;
    use crate::domain::{Class, ClassPromise, InspectionId, Limit, Route, Task, Timestamp};

    fn plan() -> Plan {
        let class = |name: &str, route| Class { name: name.into(), route };
        let classes =
            vec![class("good", Route::Pass), class("crack", Route::Divert), class("scratch", Route::Divert)];
        let p = Probability::saturating;
        let limit = |limit| Some(Limit { limit: p(limit), confidence: p(0.95) });
        let mut plan = Plan::new("x", Task::Defect, classes);
        plan.promise.miss = limit(0.5);
        plan.promise.class.insert("crack".into(), ClassPromise { miss: limit(0.05), error: None });
        plan
    }

    fn seen(plan: &Plan, class: &str, outcome: Outcome) -> Verified {
        let unit = EvidenceUnit::known(class != "good", Probability::saturating(0.1));
        Verified {
            inspection: InspectionId::generate(),
            unit: String::new(),
            is_first_of_unit: true,
            decided_at: Timestamp::from_micros(0),
            seq: 0,
            outcome,
            band: None,
            probability: Probability::ONE,
            evidence: unit.with_classes(plan.class_set([class])),
        }
    }

    #[test]
    fn a_broken_limit_on_one_class_alarms_by_its_name_and_is_estimated_for_itself() {
        let plan = plan();
        let many = |class, outcome, n| (0..n).map(|_| seen(&plan, class, outcome)).collect::<Vec<_>>();
        // A third of the scratches escapes, as promised of all defects together.
        let mut verified =
            [many("scratch", Outcome::Pass, 20), many("scratch", Outcome::Review, 40)].concat();
        verified.extend(many("crack", Outcome::Review, 30));
        assert!(broken_promise(&plan, &verified).is_none());
        verified.extend(many("crack", Outcome::Pass, 10));
        let alarm = broken_promise(&plan, &verified).unwrap();
        assert!(alarm.text.contains("10 of 40") && alarm.text.contains("miss of class crack"), "{alarm:?}");
        let found = by_class(&plan, &verified, Probability::saturating(0.95));
        assert_eq!(found.len(), 1, "{found:?}");
        let estimate = found[0].estimate;
        assert!(found[0].class == "crack" && (estimate.checked, estimate.errors) == (40, 10));
        assert!((estimate.rate - 0.25).abs() < 1e-12 && estimate.low > 0.05);
    }
}
