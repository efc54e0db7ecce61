//! A plan that promises something else than the thresholds in force were adopted for. The level falls to
//! what the evidence justifies under the new plan; people adopt thresholds and raise it again.

use super::{EngineError, Line, find_model, station::ACTOR, steward};
use crate::decide::{Support, highest_justified, support};
use crate::domain::{Event, LimitKind, Probability, Promise, Thresholds};
use serde::Deserialize;

/// Limits are written by people: a smaller difference is rounding.
const SAME: f64 = 1e-9;

/// What the evidence of a policy says that was promised then.
#[derive(Deserialize)]
struct Adopted {
    limits: Vec<AdoptedLimit>,
}

#[derive(Deserialize)]
struct AdoptedLimit {
    kind: LimitKind,
    #[serde(default)]
    class: Option<String>,
    limit: Probability,
    confidence: Probability,
}

impl Adopted {
    fn is(&self, promise: &Promise) -> bool {
        let stated = promise.stated();
        let is_near = |a: Probability, b: Probability| (a.get() - b.get()).abs() < SAME;
        stated.len() == self.limits.len()
            && stated.iter().zip(&self.limits).all(|(now, then)| {
                (now.kind, now.class) == (then.kind, then.class.as_deref())
                    && is_near(now.limit.limit, then.limit)
                    && is_near(now.limit.confidence, then.confidence)
            })
    }
}

impl Line {
    /// Lowers the level where the plan's promise has changed since the thresholds in force were adopted and
    /// the evidence does not justify them any more; the reason, where it did. Nothing is looked at as long as
    /// the promise is the same: thresholds were adopted by a person, and stand until an alarm.
    pub(super) fn hold_to_plan(&mut self) -> Result<Option<String>, EngineError> {
        let view = self.store.view();
        let settings = view.settings()?;
        // What cannot be read was adopted for something else.
        let adopted = view.policy_evidence()?.and_then(|text| serde_json::from_str::<Adopted>(&text).ok());
        if !settings.level.is_automatic() || adopted.is_some_and(|adopted| adopted.is(&self.plan.promise)) {
            return Ok(None);
        }
        let support = self.support()?;
        let thresholds = settings.policy.map_or_else(Thresholds::default, |policy| policy.thresholds);
        let is_within = support.as_ref().is_some_and(|support| is_within(thresholds, support))
            && self.is_canary_within()?;
        let has_model = settings.model.is_some();
        let mut now = steward::circumstances(&self.plan, has_model, support.as_ref(), &view.alarms()?);
        if !is_within {
            (now.is_supported, now.is_supported_full) = (false, false);
            now.missing.get_or_insert_with(|| "the thresholds in force are too wide for it".into());
        }
        let (from, to) = (settings.level, highest_justified(settings.level, &now));
        if to == from {
            return Ok(None);
        }
        let missing = now.missing.map_or_else(String::new, |missing| format!(": {missing}"));
        let reason =
            format!("the plan promises something else than the thresholds were adopted for{missing}");
        let evidence = serde_json::to_value(support.map(|support| support.limits)).ok();
        let event = Event::LevelChanged { from: Some(from), to, reason: reason.clone(), evidence };
        self.store.transact::<_, EngineError>(ACTOR, |tx| Ok(tx.append(&event)?))?;
        Ok(Some(reason))
    }

    /// A model that decides a share of the units does so by thresholds of its own.
    fn is_canary_within(&self) -> Result<bool, EngineError> {
        let Some(release) = self.store.view().canary()? else { return Ok(true) };
        let Some(canary) = release.canary else { return Ok(true) };
        // A package that is gone or was exchanged supports nothing.
        let model = find_model(Some(self.store.folder()), &release.model.name).ok();
        let Some(model) = model.filter(|model| *model.model_ref() == release.model) else { return Ok(false) };
        let support = support(&self.plan.promise, &self.evidence_of(&model)?);
        Ok(is_within(canary.policy.thresholds, &support))
    }
}

/// Whether thresholds decide no more alone than the evidence supports.
fn is_within(thresholds: Thresholds, support: &Support) -> bool {
    let most = support.thresholds;
    thresholds.pass_below <= most.pass_below
        && thresholds.accept_below <= most.accept_below
        && thresholds.divert_above.is_none_or(|at| most.divert_above.is_some_and(|least| at >= least))
}
