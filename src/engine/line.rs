//! A line as a front end opens it: its plan and its memory, with the settings that a person may
//! change: level and live model.

use super::evidence::{check_task, nothing_known, package_evidence, package_support};
use super::{EngineError, StationOptions, find_model, steward};
use crate::decide::{Evidence, Requirement, Support, audit_rates, requirements, support};
use crate::domain::{
    AlarmKind, Canary, Class, Event, Label, Level, ModelRef, Plan, Policy, Route, Task, Thresholds, Verdict,
};
use crate::infer::Model;
use crate::review::{self, Recorded};
use crate::store::Store;
use crate::watch;
use std::fs;
use std::path::{Path, PathBuf};

pub struct Line {
    pub plan: Plan,
    pub store: Store,
}

/// What a new line is asked to be.
#[derive(Clone, Debug)]
pub struct LineRequest {
    pub plan: Plan,
    pub level: Level,
    /// A package to release at once.
    pub model: Option<String>,
}

impl Line {
    /// Opens a line. A plan that was edited since the log last saw it is noted there.
    pub fn open(folder: &Path, actor: &str) -> Result<Self, EngineError> {
        let mut store = Store::open(folder)?;
        let path = Store::plan_path(folder);
        let text = fs::read_to_string(&path).map_err(EngineError::io("cannot read the plan", &path))?;
        let plan = Plan::from_toml(&text).map_err(|error| EngineError::Plan { error, path })?;
        let hash = blake3::hash(text.as_bytes()).to_hex().to_string();
        if store.view().settings()?.plan.as_ref() != Some(&hash) {
            store
                .transact::<_, EngineError>(actor, |tx| Ok(tx.append(&Event::PlanChanged { plan: hash })?))?;
        }
        Ok(Self { plan, store })
    }

    /// Makes a new line. Nothing is made when the request is refused.
    pub fn create(folder: &Path, request: LineRequest, actor: &str) -> Result<Self, EngineError> {
        let mut plan = request.plan;
        let model = request.model.as_deref().map(|name| find_model(None, name)).transpose()?;
        if let Some(model) = &model
            && plan.classes.is_empty()
        {
            plan.classes = classes_of(model);
        }
        if plan.classes.is_empty() && plan.task != Task::Transcribe {
            return Err(EngineError::Usage("a line needs classes, or a model that brings them".into()));
        }
        plan.check().map_err(|error| EngineError::Plan { error, path: Store::plan_path(folder) })?;
        if let Some(model) = &model {
            check_task(&plan, model)?;
        }
        if request.level.is_automatic() {
            let support = model.as_ref().map(|model| package_support(&plan, model));
            let now = steward::circumstances(&plan, model.is_some(), support.as_ref(), &[]);
            require(&requirements(request.level, &now), support, request.level)?;
        }
        let mut line = Self { store: Store::create(folder, &plan, actor)?, plan };
        line.store.transact::<_, EngineError>(actor, |tx| {
            let reason = "new line".to_owned();
            Ok(tx.append(&Event::LevelChanged { from: None, to: Level::Assist, reason, evidence: None })?)
        })?;
        if let Some(model) = &model {
            line.promote(model, actor, "new line")?;
        }
        if request.level != Level::Assist {
            line.set_level(request.level, actor, "new line")?;
        }
        Ok(line)
    }

    /// What the evidence supports for the live model; `None` without one.
    pub fn support(&self) -> Result<Option<Support>, EngineError> {
        let Some(live) = self.store.view().settings()?.model else {
            return Ok(None);
        };
        Ok(Some(support(&self.plan.promise, &self.live_evidence(&live)?)))
    }

    /// A package that cannot be read any more brings no evidence of its own; what was verified here stays.
    fn live_evidence(&self, live: &ModelRef) -> Result<Evidence, EngineError> {
        match find_model(Some(self.store.folder()), &live.name) {
            Ok(model) => self.evidence_of(&model),
            Err(_) => self.with_verified(nothing_known(&self.plan), live),
        }
    }

    /// The package's own evidence, and what people have verified of the model's work on this line, in shadow
    /// too. An earlier trial counts no more: the line may have changed meanwhile.
    pub fn evidence_of(&self, model: &Model) -> Result<Evidence, EngineError> {
        self.with_verified(package_evidence(&self.plan, model.manifest()), model.model_ref())
    }

    fn with_verified(&self, mut evidence: Evidence, model: &ModelRef) -> Result<Evidence, EngineError> {
        let view = self.store.view();
        if let Some(since) = view.trial_since(&model.hash)? {
            let verified = watch::verified_in_all(&view, &self.plan, model, since)?;
            evidence.units.extend(watch::evidence(&verified));
        }
        Ok(evidence)
    }

    /// Makes `model` the live one. Its evidence sets the thresholds; where that supports no
    /// promise, the level falls back to assist by itself.
    pub fn promote(&mut self, model: &Model, actor: &str, reason: &str) -> Result<(), EngineError> {
        self.check_fits(model)?;
        self.keep(model)?;
        let unproven = self.unproven(model)?;
        let is_live = self.store.view().settings()?.model.as_ref() == Some(model.model_ref());
        // What was verified in the trial that ends here. Of one that is made live once more only what travels
        // in the package, since that begins anew.
        let evidence =
            if is_live { package_evidence(&self.plan, model.manifest()) } else { self.evidence_of(model)? };
        let event = Event::ModelPromoted {
            model: model.model_ref().clone(),
            reason: reason.to_owned(),
            evidence: Some(serde_json::json!({ "unproven": unproven })),
        };
        self.adopt_by(&evidence, actor, reason, Some((event, unproven)), &model.model_ref().name)
    }

    /// A copy of the package in the line, so that it stays what it was.
    pub(super) fn keep(&self, model: &Model) -> Result<(), EngineError> {
        let name = &model.model_ref().name;
        let folder = self.store.folder().join("models").join(name);
        // The copy of a program that was killed meanwhile is made whole.
        if Model::is_whole(&folder) {
            return Ok(());
        }
        model.save(&folder).map_err(|error| EngineError::Model { name: name.clone(), error })
    }

    /// Takes thresholds over that the live model's evidence supports now, wider or narrower than those in
    /// force. Where it no longer supports the level, that falls.
    pub fn adopt(&mut self, actor: &str, reason: &str) -> Result<Policy, EngineError> {
        let live = self.store.view().settings()?.model;
        let Some(live) = live else {
            return Err(EngineError::Usage("this line has no live model".into()));
        };
        if reason.trim().is_empty() {
            return Err(EngineError::Usage("adopting thresholds needs a reason".into()));
        }
        let evidence = self.live_evidence(&live)?;
        self.adopt_by(&evidence, actor, reason, None, &live.name)?;
        self.store
            .view()
            .settings()?
            .policy
            .ok_or_else(|| EngineError::Failed("the policy was not written".into()))
    }

    /// One transaction: perhaps another model, its thresholds, how often decisions are checked, and a
    /// level that they support.
    fn adopt_by(
        &mut self,
        evidence: &Evidence,
        actor: &str,
        reason: &str,
        before: Option<(Event, Option<String>)>,
        model: &str,
    ) -> Result<(), EngineError> {
        let found = support(&self.plan.promise, evidence);
        let audits = audit_rates(&self.plan.audit, evidence, found.thresholds);
        let written = serde_json::to_string(&found)
            .map_err(|error| EngineError::Failed(format!("evidence cannot be written: {error}")))?;
        self.store.transact::<_, EngineError>(actor, |tx| {
            let settings = tx.settings()?;
            let mut level = settings.level;
            if before.is_none() && settings.model.as_ref().map(|live| live.name.as_str()) != Some(model) {
                return Err(EngineError::Failed("another model has been released meanwhile".into()));
            }
            let mut why = Vec::new();
            if let Some((event, unproven)) = before {
                tx.append(&event)?;
                why.extend(unproven.map(|missing| format!("{model} has not shown itself here: {missing}")));
            }
            if !may_run_at(level, &found) {
                why.push(format!("{model}'s evidence does not support the promise"));
            }
            if level.is_automatic() && !why.is_empty() {
                let reason = why.join("; ");
                let evidence = serde_json::to_value(&found.limits).ok();
                tx.append(&Event::LevelChanged { from: Some(level), to: Level::Assist, reason, evidence })?;
                level = Level::Assist;
            }
            let version = settings.policy.map_or(1, |policy| policy.version + 1);
            let policy = Policy { level, thresholds: found.thresholds, version };
            tx.append(&Event::PolicyAdopted {
                policy,
                evidence: written,
                audits: Some(audits),
                reason: reason.to_owned(),
            })?;
            Ok(())
        })
    }

    /// What `level` takes, line by line.
    pub fn checklist(&self, level: Level) -> Result<Vec<Requirement>, EngineError> {
        let support = if level.is_automatic() { self.support()? } else { None };
        self.checklist_by(level, support.as_ref())
    }

    fn checklist_by(&self, level: Level, support: Option<&Support>) -> Result<Vec<Requirement>, EngineError> {
        let view = self.store.view();
        let has_model = view.settings()?.model.is_some();
        let now = steward::circumstances(&self.plan, has_model, support, &view.alarms()?);
        Ok(requirements(level, &now))
    }

    /// A person has seen to an alarm.
    pub fn clear_alarm(&mut self, alarm: AlarmKind, actor: &str, reason: &str) -> Result<(), EngineError> {
        if reason.trim().is_empty() {
            return Err(EngineError::Usage("clearing an alarm needs a reason".into()));
        }
        self.store.transact::<_, EngineError>(actor, |tx| {
            if tx.alarms()?.iter().any(|(_, standing)| standing.kind == alarm) {
                tx.append(&Event::AlarmCleared { alarm, reason: reason.to_owned() })?;
            }
            Ok(())
        })
    }

    /// Records one verdict, durably, with what follows from it.
    pub fn answer(&mut self, verdict: &Verdict) -> Result<Recorded, EngineError> {
        // Only what was asked blind can be a check, and only checks can break a promise.
        let may_be_check = self.store.view().is_blind(verdict.item)?;
        let recorded = review::answer(&mut self.store, &self.plan, verdict)?;
        if may_be_check {
            // The answer is on the disk whatever comes of this; the station looks again within a second.
            let _ = steward::tend(&mut self.store, &self.plan);
        }
        Ok(recorded)
    }

    /// Takes the reviewer's newest standing answer back.
    pub fn undo(&mut self, reviewer: &str) -> Result<Recorded, EngineError> {
        Ok(review::undo(&mut self.store, &self.plan, reviewer)?)
    }

    /// Writes another plan over `line.toml` and notes it. A station that runs keeps the old one until it
    /// starts again; then the level falls where the evidence does not justify it under a new promise.
    pub fn set_plan(&mut self, plan: Plan, actor: &str) -> Result<(), EngineError> {
        let path = Store::plan_path(self.store.folder());
        let failed = |error| EngineError::Plan { error, path: path.clone() };
        plan.check().map_err(failed)?;
        let text = plan.to_toml().map_err(failed)?;
        crate::ingest::pattern::Pattern::parse(&plan.source.pattern)
            .map_err(|error| EngineError::Usage(format!("source.pattern: {error}")))?;
        let partial = path.with_extension("toml.partial");
        fs::write(&partial, &text).map_err(EngineError::io("cannot write the plan", &partial))?;
        fs::rename(&partial, &path).map_err(EngineError::io("cannot write the plan", &path))?;
        let hash = blake3::hash(text.as_bytes()).to_hex().to_string();
        self.store
            .transact::<_, EngineError>(actor, |tx| Ok(tx.append(&Event::PlanChanged { plan: hash })?))?;
        self.plan = plan;
        Ok(())
    }

    /// Changes the automation level. Upwards it takes all that stands on the level's check list.
    pub fn set_level(&mut self, to: Level, actor: &str, reason: &str) -> Result<(), EngineError> {
        let mut evidence = None;
        let is_rise = to > self.store.view().settings()?.level;
        if to.is_automatic() {
            let support = self.support()?;
            let list = self.checklist_by(to, support.as_ref())?;
            if is_rise {
                require(&list, support, to)?;
                // The thresholds that the evidence supports now, and not those of an earlier day.
                self.adopt(actor, reason)?;
            }
            evidence = serde_json::to_value(&list).ok();
        }
        self.store.transact::<_, EngineError>(actor, |tx| {
            let from = tx.settings()?.level;
            if is_rise && to.is_automatic() && !tx.alarms()?.is_empty() {
                return Err(EngineError::Failed("an alarm has come meanwhile; the level stays".into()));
            }
            if from != to {
                let reason = reason.to_owned();
                tx.append(&Event::LevelChanged { from: Some(from), to, reason, evidence })?;
            }
            Ok(())
        })
    }

    /// A model does what the plan asks for. It may know fewer classes (a new kind of defect has no examples
    /// yet), but none that the plan has not given a route.
    pub(super) fn check_fits(&self, model: &Model) -> Result<(), EngineError> {
        check_task(&self.plan, model)?;
        let unknown: Vec<&str> = model
            .manifest()
            .classes
            .iter()
            .map(String::as_str)
            .filter(|class| self.plan.route(class).is_none())
            .collect();
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(EngineError::Failed(format!(
                "model {} names classes without a route in the plan: {}",
                model.model_ref().name,
                unknown.join(", ")
            )))
        }
    }
}

/// The policy in force for predictions of `model`: thresholds are evidence about one model and void for
/// any other. `canary` holds those of the model where it decides a share of the line.
pub(super) fn policy_in_force(
    settings: &crate::store::Settings,
    canary: Option<&Canary>,
    model: Option<&str>,
) -> Policy {
    let live = settings.model.as_ref().map(|live| live.hash.as_str());
    let valid = live.is_some() && live == model;
    let thresholds = match (canary, &settings.policy) {
        (Some(canary), _) => canary.policy.thresholds,
        (None, Some(policy)) if valid => policy.thresholds,
        _ => Thresholds::default(),
    };
    policy_of(settings, thresholds)
}

/// These thresholds at the line's level.
pub(super) fn policy_of(settings: &crate::store::Settings, thresholds: Thresholds) -> Policy {
    let version = settings.policy.as_ref().map_or(0, |policy| policy.version);
    Policy { level: settings.level, thresholds, version }
}

fn may_run_at(level: Level, support: &Support) -> bool {
    match level {
        Level::Manual | Level::Shadow | Level::Assist => true,
        Level::Partial => support.supported,
        Level::Full => support.supported_full,
    }
}

/// Refuses where something on the list is missing; the reason names all of it.
fn require(list: &[Requirement], support: Option<Support>, level: Level) -> Result<(), EngineError> {
    let missing: Vec<&str> = list.iter().filter(|line| !line.is_met).map(|line| line.what.as_str()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!("level {level} needs {}", missing.join("; "));
    Err(EngineError::Refused { why, support: Box::new(support) })
}

fn classes_of(model: &Model) -> Vec<Class> {
    model
        .manifest()
        .classes
        .iter()
        .map(|name| Class {
            name: name.clone(),
            route: if name == Label::GOOD { Route::Pass } else { Route::Divert },
        })
        .collect()
}

/// The plan of the line that opens when there is no other.
const DEMO_PLAN: &str = include_str!("../../assets/phone-line.toml");
/// Its shipped model.
const DEMO_MODEL: &str = "phone-line";

impl LineRequest {
    /// The simulated phone line, as far automated as the shipped model's evidence supports.
    pub fn demo() -> Result<Self, EngineError> {
        let plan = Plan::from_toml(DEMO_PLAN)
            .map_err(|error| EngineError::Plan { error, path: "assets/phone-line.toml".into() })?;
        let supported = package_support(&plan, &find_model(None, DEMO_MODEL)?).supported;
        let level = if supported { Level::Partial } else { Level::Assist };
        Ok(Self { plan, level, model: Some(DEMO_MODEL.into()) })
    }
}

/// How the window runs a line's station: with its simulator, where it has one.
#[must_use]
pub fn window_options(line: &Line) -> StationOptions {
    let simulate = line.plan.simulator.is_some().then_some(None);
    StationOptions { simulate, ..StationOptions::default() }
}

/// Opens the demo line, in the user's data folder unless another is named, or makes it.
pub fn demo_line(folder: Option<&Path>, seed: Option<u64>, actor: &str) -> Result<PathBuf, EngineError> {
    let folder = folder.map_or_else(demo_folder, Path::to_owned);
    if !Store::exists(&folder) {
        let mut request = LineRequest::demo()?;
        if let (Some(seed), Some(simulator)) = (seed, &mut request.plan.simulator) {
            simulator.seed = seed;
        }
        Line::create(&folder, request, actor)?;
    }
    Ok(folder)
}

/// As the platform names it.
fn demo_folder() -> PathBuf {
    data_folder().join("demo-line")
}

/// Where lines are kept that nobody gave another place.
#[must_use]
pub fn data_folder() -> PathBuf {
    let home = |part: &str| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(part));
    std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| home(".local/share"))
        .unwrap_or_else(std::env::temp_dir)
        .join("secondlook")
}
