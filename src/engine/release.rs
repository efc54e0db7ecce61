//! Candidates on a line: into shadow, onto a share of the line, to live, and back. People move them
//! forward, where their evidence is there; the station takes a bad canary back by itself.

use super::both::Pairs;
use super::compare::{capital_needed, compare, shown_worse};
use super::final_audit::audit_line;
use super::line::policy_of;
use super::model::own_manifests;
use super::{EngineError, Line, find_model, steward};
use crate::decide::{Requirement, audit_rates, support};
use crate::domain::{
    Alarm, AlarmKind, AuditRule, Canary, MediaHash, ModelRef, Probability, Release, ReleaseState, Timestamp,
};
use crate::infer::Model;
use crate::media::{Decoded, Raster, Sound};
use crate::release;
use crate::store::Store;
use std::time::Instant;

/// Runs that show how fast a model is; the fastest counts, since others disturb the rest.
const WARM_UP_RUNS: usize = 3;

/// Lets a model look at a grey picture, so that its first real item does not wait; gives the milliseconds
/// that it takes, or why it cannot.
pub(super) fn warm_up(model: &Model) -> Result<f64, String> {
    let input = &model.manifest().input;
    let pixels = vec![128; input.area() * input.channels as usize];
    let raster = Raster { width: input.width_px, height: input.height_px, channels: input.channels, pixels };
    let golden = input.reference.then(|| raster.clone());
    let item = match &input.sound {
        Some(sound) => Decoded::Sound(silence(f64::from(input.width_px) * sound.hop_secs)),
        None => Decoded::Image(raster),
    };
    let mut fastest_ms = f64::INFINITY;
    for _ in 0..WARM_UP_RUNS {
        let start = Instant::now();
        let input = model.prepare(&item, golden.as_ref()).map_err(|error| error.to_string())?;
        model.predict(&input, 1).map_err(|error| error.to_string())?;
        fastest_ms = fastest_ms.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(fastest_ms)
}

/// So many seconds of nothing, at a usual rate.
fn silence(secs: f64) -> Sound {
    const RATE_HZ: u32 = 16_000;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds")]
    let frames = (secs * f64::from(RATE_HZ)).round() as usize;
    Sound { rate_hz: RATE_HZ, channels: 1, samples: vec![0.0; frames] }
}

/// What a step of a candidate takes, and whether it may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// All of its check list.
    #[default]
    Required,
    /// A person takes it upon themselves; what is missing stands in the log.
    Waived,
}

/// Labels that no training has seen that are worth another one, and as a share of all.
const WORTH_LABELS: usize = 50;
const WORTH_SHARE: f64 = 0.2;

/// Why it may be time to train, in words; `None` while nothing speaks for it. It is never done by itself.
pub fn training_advice(line: &Line) -> Result<Option<String>, EngineError> {
    let view = line.store.view();
    let alarms = view.alarms()?;
    let moved = alarms.iter().find(|(_, alarm)| matches!(alarm.kind, AlarmKind::Inputs | AlarmKind::Promise));
    let (new, all) = view.labels_since(learnt_until(line)?)?;
    let is_worth = new >= WORTH_LABELS && new as f64 >= WORTH_SHARE * all as f64;
    Ok(match moved {
        Some((_, alarm)) if new > 0 => {
            Some(format!("{}; no training has seen {new} of {all} labels", alarm.text))
        }
        _ if is_worth => Some(format!("no training has seen {new} of {all} labels")),
        _ => None,
    })
}

/// When the labels were frozen that the line's newest package has learnt from.
fn learnt_until(line: &Line) -> Result<Timestamp, EngineError> {
    let packages = own_manifests(line.store.folder());
    let is_learnt = |hash: &MediaHash| {
        let mut versions = packages.iter().filter_map(|manifest| manifest.data.version.as_ref());
        versions.any(|version| version.hash == hash.as_str())
    };
    let frozen = line.store.view().datasets()?;
    let last = frozen.into_iter().rfind(|noted| is_learnt(&noted.what.hash));
    Ok(last.map_or(Timestamp::from_micros(0), |noted| noted.at))
}

/// What a person does with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseStep {
    Shadow,
    /// The plan's next share of the units.
    Canary(Proof),
    Promote,
    Retire,
    /// Away from the live model to the one before it.
    Rollback,
}

impl Line {
    /// Takes one step with a model; what has been done, in words.
    pub fn take(
        &mut self,
        step: ReleaseStep,
        name: &str,
        actor: &str,
        reason: &str,
    ) -> Result<String, EngineError> {
        Ok(match step {
            ReleaseStep::Shadow => {
                self.shadow(name, actor, reason)?;
                format!("{name} predicts in shadow")
            }
            ReleaseStep::Canary(proof) => {
                let release = self.canary(name, None, proof, actor, reason)?;
                let share = release.canary.map_or(0.0, |canary| canary.share.get());
                format!("{name} decides {:.0} % of the units", share * 100.0)
            }
            ReleaseStep::Promote => {
                let model = find_model(Some(self.store.folder()), name)?;
                self.promote(&model, actor, reason)?;
                format!("{name} is live")
            }
            ReleaseStep::Retire => {
                self.retire(name, actor, reason)?;
                format!("{name} is retired")
            }
            ReleaseStep::Rollback => format!("{} is live again", self.rollback(actor, reason)?.name),
        })
    }

    /// All models that this line knows, the newest change first.
    pub fn releases(&self) -> Result<Vec<Release>, EngineError> {
        Ok(self.store.view().releases()?)
    }

    /// Notes a model as a candidate, where the line does not know it yet.
    pub fn register(&mut self, model: &Model, actor: &str, reason: &str) -> Result<(), EngineError> {
        let model = model.model_ref();
        self.store.transact(actor, |tx| release::register(tx, model, reason).map_err(EngineError::from))
    }

    /// Lets a model predict beside the live one, without deciding anything.
    pub fn shadow(&mut self, name: &str, actor: &str, reason: &str) -> Result<ModelRef, EngineError> {
        let model = self.tried(name)?;
        self.keep(&model)?;
        let model = model.model_ref().clone();
        self.move_to(&model, ReleaseState::Shadow, actor, reason)?;
        Ok(model)
    }

    /// Takes a candidate out of shadow or off its share of the line.
    pub fn retire(&mut self, name: &str, actor: &str, reason: &str) -> Result<ModelRef, EngineError> {
        let model = self.known(name)?;
        self.move_to(&model, ReleaseState::Retired, actor, reason)?;
        Ok(model)
    }

    /// Lets a candidate decide a share of the units: the plan's next one, or `share`. It decides by
    /// thresholds that its own evidence supports; the rest goes to people, as always.
    pub fn canary(
        &mut self,
        name: &str,
        share: Option<f64>,
        proof: Proof,
        actor: &str,
        reason: &str,
    ) -> Result<Release, EngineError> {
        let model = self.tried(name)?;
        let reference = model.model_ref().clone();
        let now = self.store.view().release(&reference.hash)?;
        let before =
            now.as_ref().and_then(|release| release.canary.as_ref()).map(|canary| canary.share.get());
        let share = share.unwrap_or_else(|| release::next_share(&self.plan, before));
        if !(share > 0.0 && share < 1.0) {
            return Err(EngineError::Usage(format!("a share lies between 0 and 1, not {share}")));
        }
        let list = self.canary_checklist(&model)?;
        let missing: Vec<&str> = list.iter().filter(|r| !r.is_met).map(|r| r.what.as_str()).collect();
        if proof == Proof::Required && !missing.is_empty() {
            let why = format!("a share of the line needs {}", missing.join("; "));
            return Err(EngineError::Refused { why, support: Box::new(None) });
        }
        self.keep(&model)?;
        let canary = self.canary_rules(&model, Probability::saturating(share))?;
        let evidence = serde_json::to_value(&list).ok();
        self.store.transact(actor, |tx| {
            release::give_share(tx, &reference, canary, evidence, reason).map_err(EngineError::from)
        })?;
        let release = self.store.view().release(&model.model_ref().hash)?;
        release.ok_or_else(|| EngineError::Failed("the canary was not written".into()))
    }

    /// Makes the model live again that was so before.
    pub fn rollback(&mut self, actor: &str, reason: &str) -> Result<ModelRef, EngineError> {
        let Some(before) = self.store.view().live_before()? else {
            let why = "no model was live before this one".into();
            return Err(EngineError::Refused { why, support: Box::new(None) });
        };
        let model = find_model(Some(self.store.folder()), &before.model.name)?;
        if *model.model_ref() != before.model {
            let name = &before.model.name;
            return Err(EngineError::Failed(format!("package {name} is not the one that was live")));
        }
        self.promote(&model, actor, reason)?;
        Ok(before.model)
    }

    /// What a share of the line takes, or a larger one, and what becoming live takes.
    pub fn canary_checklist(&self, model: &Model) -> Result<Vec<Requirement>, EngineError> {
        let view = self.store.view();
        let settings = view.settings()?;
        let line = |what: String, is_met: bool| Requirement { what, is_met };
        let mut list = vec![line("a live model to compare with".into(), settings.model.is_some())];
        let alarms = view.alarms()?;
        let standing: Vec<&str> = alarms.iter().map(|(_, alarm)| alarm.text.as_str()).collect();
        list.push(line(
            if standing.is_empty() {
                "no alarm".into()
            } else {
                format!("no alarm: {}", standing.join("; "))
            },
            standing.is_empty(),
        ));
        list.extend(audit_line(self, &model.model_ref().hash)?);
        if settings.model.is_none() {
            return Ok(list);
        }
        let report = compare(self, model)?;
        let wanted = self.plan.release.step_inspections;
        // What it says in shadow of the rest of the line tells soon enough that it is bad; that it is good
        // enough for more takes decisions of its own.
        let (n, whose) = match report.state {
            Some(ReleaseState::Canary) => (report.own, "compared items that it decided itself"),
            _ => (report.calls.n, "compared items with a known truth"),
        };
        list.push(line(format!("{wanted} {whose} in this step, has {n}"), n >= u64::from(wanted)));
        let known = if report.calls.n == 0 { ": nothing is compared yet" } else { "" };
        list.push(line(
            format!("errors that are not shown to be more than the live model's{known}"),
            known.is_empty() && !report.is_worse(),
        ));
        Ok(list)
    }

    /// The final audit that a model failed last, in words: whoever makes it live in spite of that says why.
    pub fn failed_audit(&self, model: &Model) -> Result<Option<String>, EngineError> {
        Ok(audit_line(self, &model.model_ref().hash)?.filter(|line| !line.is_met).map(|line| line.what))
    }

    /// Whether a model has shown on this line that it may take over: it has the last of the plan's shares,
    /// and that step's check list is met. What is missing, in words.
    pub fn unproven(&self, model: &Model) -> Result<Option<String>, EngineError> {
        let view = self.store.view();
        let settings = view.settings()?;
        let reference = model.model_ref();
        if settings.model.as_ref() == Some(reference) {
            return Ok(None);
        }
        let release = view.release(&reference.hash)?;
        // It was live here; going back to it must not take a trial.
        if release.as_ref().is_some_and(|release| release.live_at.is_some()) {
            return Ok(None);
        }
        if let Some(failed) = self.failed_audit(model)? {
            return Ok(Some(format!("it lacks {failed}")));
        }
        if settings.model.is_none() {
            return Ok(None);
        }
        let share = release.and_then(|r| r.canary).map_or(0.0, |canary| canary.share.get());
        let last = self.plan.release.steps.last().copied().unwrap_or_default();
        if share < last {
            return Ok(Some(format!("it has not decided {:.0} % of the line yet", last * 100.0)));
        }
        let list = self.canary_checklist(model)?;
        let missing: Vec<&str> = list.iter().filter(|r| !r.is_met).map(|r| r.what.as_str()).collect();
        Ok((!missing.is_empty()).then(|| format!("it lacks {}", missing.join("; "))))
    }

    /// A package that loads, fits the plan, answers, and is quick enough.
    fn tried(&self, name: &str) -> Result<Model, EngineError> {
        let model = find_model(Some(self.store.folder()), name)?;
        self.check_fits(&model)?;
        let refused = |why: String| EngineError::Refused { why, support: Box::new(None) };
        let ms = warm_up(&model).map_err(|why| refused(format!("{name} does not work here: {why}")))?;
        let budget_ms = self.plan.budget.latency_ms_p99;
        if ms > budget_ms {
            return Err(refused(format!("{name} takes {ms:.0} ms, the plan allows {budget_ms:.0} ms")));
        }
        Ok(model)
    }

    fn move_to(
        &mut self,
        model: &ModelRef,
        to: ReleaseState,
        actor: &str,
        reason: &str,
    ) -> Result<(), EngineError> {
        self.store.transact(actor, |tx| release::move_to(tx, model, to, reason).map_err(EngineError::from))
    }

    fn known(&self, name: &str) -> Result<ModelRef, EngineError> {
        let releases = self.store.view().releases()?;
        let found = releases.into_iter().find(|release| release.model.name == name);
        found.map(|release| release.model).ok_or_else(|| EngineError::NoSuchModel {
            name: name.to_owned(),
            hint: ". Hint: only models in shadow, with a share or retired can be given up".into(),
        })
    }

    fn canary_rules(&self, model: &Model, share: Probability) -> Result<Canary, EngineError> {
        let evidence = self.evidence_of(model)?;
        let found = support(&self.plan.promise, &evidence);
        let rule = AuditRule { share: self.plan.release.audit, ..self.plan.audit };
        let audits = audit_rates(&rule, &evidence, found.thresholds);
        let settings = self.store.view().settings()?;
        Ok(Canary { share, policy: policy_of(&settings, found.thresholds), audits })
    }
}

/// Takes a canary back whose errors show that it is worse than the live model; the alarm that says so.
/// `known` is what the last look knew.
pub(super) fn tend(line: &mut Line, known: &mut Option<Pairs>) -> Result<Option<Alarm>, EngineError> {
    let live = line.store.view().settings()?.model;
    let Some((canary, live)) = line.store.view().canary()?.zip(live) else {
        *known = None;
        return Ok(None);
    };
    let mut pairs = known
        .take()
        .filter(|known| known.is_of(&live, &canary.model, canary.since))
        .unwrap_or_else(|| Pairs::new(live, canary.model.clone(), canary.since));
    pairs.catch_up(&line.store)?;
    let Some((what, worse)) = shown_worse(line, &canary, &pairs)? else {
        *known = Some(pairs);
        return Ok(None);
    };
    let text = format!(
        "{} was taken off its share of the line: of {} {what} that only one of the two models made, {} were its own",
        canary.model.name,
        worse.only_live_wrong + worse.only_candidate_wrong,
        worse.only_candidate_wrong,
    );
    let alarm = Alarm {
        kind: AlarmKind::Canary,
        text,
        value: worse.capital,
        limit: capital_needed(&line.plan),
        model: Some(canary.model.clone()),
    };
    Ok(abort(&mut line.store, &canary.model, &alarm)?.then_some(alarm))
}

/// An alarm of a canary takes that back; any other lowers the level. `false` where it stands already.
pub(super) fn raise(store: &mut Store, alarm: &Alarm) -> Result<bool, EngineError> {
    let canary = store.view().canary()?;
    match canary.filter(|canary| alarm.model.as_ref() == Some(&canary.model)) {
        Some(canary) => abort(store, &canary.model, &Alarm { kind: AlarmKind::Canary, ..alarm.clone() }),
        None => steward::raise(store, alarm),
    }
}

/// `false` where it has no share of the line any more.
fn abort(store: &mut Store, model: &ModelRef, alarm: &Alarm) -> Result<bool, EngineError> {
    store.transact::<_, EngineError>(steward::STATION, |tx| Ok(release::take_back(tx, model, alarm)?))
}
