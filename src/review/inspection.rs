//! The decision of an inspection, from those of its items.

use crate::decide::decide_inspection;
use crate::domain::{DecidedBy, Decision, Event, InspectionId, ItemId, Outcome, Plan, Reason};
use crate::store::{StoreError, Tx};

/// Brings the inspection's decision in line with its items; only a change becomes an event.
/// `timed_out` says that no further items are waited for (an inspection that was decided
/// incomplete once stays so).
///
/// A unit of which not every side was seen is not known to be good: what the model had passed
/// of it goes to a person, and it never passes.
pub fn redecide(tx: &Tx<'_>, plan: &Plan, id: InspectionId, timed_out: bool) -> Result<(), StoreError> {
    let Some(mut state) = tx.inspection(id)? else {
        return Ok(());
    };
    let want = plan.inspection.items;
    let have = u32::try_from(state.items.len()).unwrap_or(u32::MAX);
    let timed_out = timed_out || state.decision.is_some();
    if have < want && !timed_out {
        return Ok(());
    }
    let settings = tx.settings()?;
    let diverts = state.items.iter().any(|(_, outcome, _)| *outcome == Outcome::Divert);
    if have < want && !diverts {
        for (item, outcome, by) in &mut state.items {
            if *outcome == Outcome::Pass && *by != DecidedBy::Person {
                (*outcome, *by) = (Outcome::Review, DecidedBy::Station);
                let reason = Reason::Incomplete { have, want };
                let policy = settings.policy.clone();
                let decision =
                    Decision { outcome: *outcome, decided_by: *by, reason, policy, model: None, audit: None };
                tx.append(&Event::ItemDecided { item: *item, inspection: id, decision })?;
            }
        }
    }
    let outcomes: Vec<Outcome> = state.items.iter().map(|(_, outcome, _)| *outcome).collect();
    let (mut outcome, mut reason) = decide_inspection(&outcomes, want, timed_out);
    let mut decided_by = decider(outcome, &state.items);
    if outcome == Outcome::Review && !outcomes.contains(&Outcome::Review) {
        // People have answered every picture there is, and a side of the unit was never seen.
        (outcome, decided_by, reason) =
            (Outcome::Divert, DecidedBy::Person, Reason::Incomplete { have, want });
    }
    if state.decision == Some((outcome, decided_by)) && state.reason == Some(reason.to_string()) {
        return Ok(());
    }
    let decision =
        Decision { outcome, decided_by, reason, policy: settings.policy, model: settings.model, audit: None };
    tx.append(&Event::InspectionDecided {
        inspection: id,
        unit: state.unit,
        items: have.max(want),
        decision,
    })?;
    Ok(())
}

/// A person decided if any item that the outcome rests on was decided by one.
fn decider(outcome: Outcome, items: &[(ItemId, Outcome, DecidedBy)]) -> DecidedBy {
    let mut rests_on =
        items.iter().filter(|(_, o, _)| *o == outcome || outcome == Outcome::Pass).map(|(_, _, by)| *by);
    match rests_on.next() {
        None => DecidedBy::Station,
        Some(first) => rests_on.fold(first, |a, b| match (a, b) {
            (DecidedBy::Person, _) | (_, DecidedBy::Person) => DecidedBy::Person,
            (DecidedBy::Station, _) | (_, DecidedBy::Station) => DecidedBy::Station,
            _ => DecidedBy::Model,
        }),
    }
}
