//! Whether verified decisions contradict the promise: a bet against it that is valid at every look.

use super::Verified;
use crate::decide::{LimitKind, Tally, capital_above};
use crate::domain::{Alarm, AlarmKind, Limit, Outcome, Plan, Promise};

/// The alarm that a promise is broken, from what was verified since the policy is in force. Limits
/// promised together share the chance of a false alarm.
#[must_use]
pub fn broken_promise(plan: &Plan, verified: &[Verified]) -> Option<Alarm> {
    let limits = stated(&plan.promise);
    let capital_needed = limits.len() as f64 / plan.watch.false_alarm;
    limits.into_iter().find_map(|(kind, limit)| {
        let tally = outcomes(kind, verified);
        let capital = capital_above(&tally.answers, limit.limit.get());
        (capital >= capital_needed).then(|| Alarm {
            kind: AlarmKind::Promise,
            text: format!(
                "{} of {} verified inspections break the limit on {kind} ({})",
                tally.errors(),
                tally.n(),
                limit.limit
            ),
            value: tally.rate().unwrap_or_default(),
            limit: limit.limit.get(),
            model: None,
        })
    })
}

fn stated(promise: &Promise) -> Vec<(LimitKind, Limit)> {
    let all = [
        (LimitKind::Outgoing, promise.outgoing),
        (LimitKind::Miss, promise.miss),
        (LimitKind::Overkill, promise.overkill),
        (LimitKind::Error, promise.error),
    ];
    all.into_iter().filter_map(|(kind, limit)| Some((kind, limit?))).collect()
}

/// What became of the inspections that count for a limit.
fn outcomes(kind: LimitKind, verified: &[Verified]) -> Tally {
    let mut tally = Tally::default();
    for one in verified.iter().filter(|one| one.is_first_of_unit) {
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
