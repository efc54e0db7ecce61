//! The decision of an inspection, from those of its items.

use crate::decide::decide_inspection;
use crate::domain::{DecidedBy, Decision, Event, InspectionId, Outcome, Plan, Reason};
use crate::store::{StoreError, Tx};

/// Brings the inspection's decision in line with its items; only a change becomes an event.
/// `timed_out` says that no further items are waited for (an inspection that was decided
/// incomplete once stays so).
pub fn redecide(tx: &Tx<'_>, plan: &Plan, id: InspectionId, timed_out: bool) -> Result<(), StoreError> {
    let Some(state) = tx.inspection(id)? else {
        return Ok(());
    };
    let want = plan.inspection.items;
    let have = u32::try_from(state.items.len()).unwrap_or(u32::MAX);
    let timed_out = timed_out || state.decision.is_some();
    let outcomes: Vec<Outcome> = state.items.iter().map(|(_, outcome, _)| *outcome).collect();
    let (mut outcome, mut reason) = decide_inspection(&outcomes, want, timed_out);
    if have < want && !timed_out {
        return Ok(());
    }
    if outcome == Outcome::Review && !outcomes.contains(&Outcome::Review) {
        // People have answered every picture there is, and a side of the unit was never seen.
        outcome = Outcome::Divert;
        reason = Reason::Incomplete { have, want };
    }
    let decided_by = decider(outcome, &state.items.iter().map(|(_, o, by)| (*o, *by)).collect::<Vec<_>>());
    if state.decision == Some((outcome, decided_by)) {
        return Ok(());
    }
    let settings = tx.settings()?;
    let decision = Decision { outcome, decided_by, reason, policy: settings.policy, model: settings.model };
    tx.append(&Event::InspectionDecided {
        inspection: id,
        unit: state.unit,
        items: have.max(want),
        decision,
    })?;
    Ok(())
}

/// A person decided if any item that the outcome rests on was decided by one.
fn decider(outcome: Outcome, items: &[(Outcome, DecidedBy)]) -> DecidedBy {
    let mut rests_on = items.iter().filter(|(o, _)| *o == outcome || outcome == Outcome::Pass).map(|(_, by)| *by);
    match rests_on.next() {
        None => DecidedBy::Station,
        Some(first) => rests_on.fold(first, |a, b| match (a, b) {
            (DecidedBy::Person, _) | (_, DecidedBy::Person) => DecidedBy::Person,
            (DecidedBy::Station, _) | (_, DecidedBy::Station) => DecidedBy::Station,
            _ => DecidedBy::Model,
        }),
    }
}
