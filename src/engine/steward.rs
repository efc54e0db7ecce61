//! Keeps a line at no higher level than its evidence justifies: looks at what was verified, raises
//! alarms, and lowers the level. Raising it is for people.

use super::EngineError;
pub(super) use super::station::ACTOR as STATION;
use crate::decide::{Circumstances, Support, highest_justified};
use crate::domain::{Alarm, AlarmKind, Event, ModelRef, Outcome, Plan, Timestamp};
use crate::store::{Automatic, Settings, Store, StoreError, Tx, View};
use crate::watch::{Verified, broken_promise, verified};

const DAY_SECS: f64 = 86_400.0;

/// Looks at what people have verified since the policy is in force. The alarm that it raised, where
/// one is new.
pub(super) fn tend(store: &mut Store, plan: &Plan) -> Result<Option<Alarm>, EngineError> {
    let settings = store.view().settings()?;
    let (true, Some(model), Some(since)) =
        (settings.level.is_automatic(), settings.model.as_ref(), settings.policy_since)
    else {
        return Ok(None);
    };
    let seen = verified(&store.view(), plan, model, since)?;
    let alarm = match broken_promise(plan, &seen) {
        Some(alarm) => Some(alarm),
        None => stale(&store.view(), plan, model, &seen, since, store.now())?,
    };
    let Some(alarm) = alarm else { return Ok(None) };
    let alarm = Alarm { model: Some(model.clone()), ..alarm };
    Ok(raise(store, &alarm)?.then_some(alarm))
}

/// Decisions are made alone, and none of them has been checked for too long.
fn stale(
    view: &View<'_>,
    plan: &Plan,
    model: &ModelRef,
    seen: &[Verified],
    since: Timestamp,
    now: Timestamp,
) -> Result<Option<Alarm>, StoreError> {
    let checked = seen.iter().filter(|one| one.outcome != Outcome::Review);
    let newest = checked.map(|one| one.decided_at).fold(since, Timestamp::max);
    let days = now.secs_since(newest) / DAY_SECS;
    if days <= plan.watch.stale_days {
        return Ok(None);
    }
    let Automatic { passed, diverted } = view.automatic(&model.hash, newest.plus_secs(1e-6))?;
    Ok((passed + diverted > 0).then(|| Alarm {
        kind: AlarmKind::Stale,
        text: format!("no decision was checked for {days:.0} days"),
        value: days,
        limit: plan.watch.stale_days,
        model: None,
    }))
}

/// Writes an alarm down and lowers the level to what is still justified, at once. `false` where it
/// stands already.
pub(super) fn raise(store: &mut Store, alarm: &Alarm) -> Result<bool, EngineError> {
    store.transact::<_, EngineError>(STATION, |tx| Ok(raise_in(tx, alarm)?))
}

/// As [`raise`], inside a transaction.
pub(super) fn raise_in(tx: &Tx<'_>, alarm: &Alarm) -> Result<bool, StoreError> {
    let is_new = tx.alarms()?.iter().all(|(_, standing)| standing.kind != alarm.kind);
    if is_new {
        tx.append(&Event::AlarmRaised { alarm: alarm.clone() })?;
    }
    let from = tx.settings()?.level;
    let now = Circumstances { alarms: vec![alarm.text.clone()], ..Circumstances::default() };
    let to = highest_justified(from, &now);
    if to < from {
        let evidence = serde_json::to_value(alarm).ok();
        let reason = alarm.text.clone();
        tx.append(&Event::LevelChanged { from: Some(from), to, reason, evidence })?;
    }
    Ok(is_new)
}

/// What the levels of a line rest on now.
pub(super) fn circumstances(
    plan: &Plan,
    has_model: bool,
    support: Option<&Support>,
    alarms: &[(Timestamp, Alarm)],
) -> Circumstances {
    Circumstances {
        has_model,
        has_promise: !plan.promise.is_empty(),
        is_supported: support.is_some_and(|support| support.supported),
        is_supported_full: support.is_some_and(|support| support.supported_full),
        is_audited: plan.audit.share > 0.0,
        alarms: alarms
            .iter()
            .filter(|(_, alarm)| alarm.kind != AlarmKind::Canary)
            .map(|(_, alarm)| alarm.text.clone())
            .collect(),
        missing: support.and_then(Support::missing),
    }
}

/// Since when a model's decisions on this line count: since it is live, or ever where it is not.
pub(super) fn live_since(settings: &Settings, model: &ModelRef) -> Timestamp {
    let is_live = settings.model.as_ref() == Some(model);
    settings.live_since.filter(|_| is_live).unwrap_or(Timestamp::from_micros(0))
}
