//! One run: items arrive, the station decides, a simulated person answers, looks at the evidence, and
//! trains again as the plan says.

use super::super::guard::Guard;
use super::super::jobs::settings_for;
use super::super::record::{Inspected, Recorded, record};
use super::super::{EngineError, Line, steward};
use super::score::{Scored, score};
use super::{AlarmAt, LevelChange, Moment, ReplayOptions, ReplayRun, Reviewer, errs};
use crate::domain::{
    Alarm, AlarmKind, DecidedBy, Label, LabelledItem, Level, Outcome, Plan, Route, Task, TranscriptRule,
    Verdict,
};
use crate::infer::Model;
use crate::learn;
use crate::watch::{is_bad, is_misnamed};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const ACTOR: &str = "replay";
const STATION: &str = "station";
/// The person comes by after so many items and answers everything that waits.
const ANSWER_EVERY: usize = 10;
/// And looks at the evidence after so many.
const LOOK_EVERY: usize = 50;
/// More waits for a person at no time.
const WAITING_MAX: usize = 100_000;
/// Moments of one run.
const MOMENTS: usize = 60;
/// Least answers before anything can be trained.
const LABELS_MIN: usize = 20;
/// Of the usual learning rate, where a training begins with a package: what that knows of many labels is
/// not to be trained away on a few.
const RATE_SHARE: f64 = 0.1;

pub(super) struct Player<'a> {
    line: Line,
    plan: Arc<Plan>,
    options: &'a ReplayOptions,
    guard: Guard,
    random: ChaCha8Rng,
    keeps_pictures: bool,
    /// Gives every training its first weights.
    init: Option<&'a Model>,
    /// Replaces the cached scores after a training.
    trained: Option<Model>,
    /// What people have said so far, by place in the stream.
    answered: BTreeMap<usize, Label>,
    /// Place in the stream of each item that has arrived.
    places: BTreeMap<crate::domain::ItemId, usize>,
    labels_trained: usize,
    run: ReplayRun,
    moment: Moment,
}

impl<'a> Player<'a> {
    pub fn new(
        line: Line,
        options: &'a ReplayOptions,
        seed: u64,
        keeps_pictures: bool,
        init: Option<&'a Model>,
    ) -> Self {
        let plan = Arc::new(line.plan.clone());
        Self {
            guard: Guard::new(Arc::clone(&plan)),
            line,
            plan,
            options,
            // Another stream of numbers than the order's.
            random: ChaCha8Rng::seed_from_u64(seed ^ 0x5eed_0fa0_0b5e_12e5),
            keeps_pictures,
            init,
            trained: None,
            answered: BTreeMap::new(),
            places: BTreeMap::new(),
            labels_trained: 0,
            run: ReplayRun {
                seed,
                supported: false,
                missing: None,
                inspections: 0,
                passed: 0,
                diverted: 0,
                review: 0,
                escapes: 0,
                overkill: 0,
                errors: 0,
                error_rate: None,
                outgoing_rate: None,
                miss_rate: None,
                audits: 0,
                labels_used: 0,
                automation_rate: 0.0,
                trainings: 0,
                alarms: Vec::new(),
                level_changes: Vec::new(),
                over_time: Vec::new(),
            },
            moment: Moment {
                at: 0,
                level: Level::Assist,
                passed: 0,
                diverted: 0,
                escapes: 0,
                overkill: 0,
                errors: 0,
                labels_used: 0,
                automation_rate: 0.0,
            },
        }
    }

    pub fn play(
        mut self,
        stream: &[(&LabelledItem, &Scored)],
        cancel: &AtomicBool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<ReplayRun, EngineError> {
        let step = stream.len().div_ceil(MOMENTS).max(1);
        let mut defective = 0;
        for (at, &(item, scored)) in stream.iter().enumerate() {
            if cancel.load(Ordering::Relaxed) {
                break;
            }
            self.arrive(at, item, scored)?;
            defective += usize::from(is_bad(&self.plan, &item.label));
            if (at + 1) % ANSWER_EVERY == 0 || at + 1 == stream.len() {
                self.answer_all(at, stream)?;
            }
            if (at + 1) % LOOK_EVERY == 0 {
                self.look(at, stream, cancel)?;
            }
            if (at + 1) % step == 0 || at + 1 == stream.len() {
                self.note_moment(at + 1)?;
                progress(at + 1, stream.len());
            }
        }
        let run = &mut self.run;
        let rate = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
        run.outgoing_rate = rate(run.escapes, run.passed);
        run.miss_rate = rate(run.escapes, defective);
        run.error_rate =
            rate(run.errors, run.passed + run.diverted).filter(|_| self.plan.task != Task::Defect);
        run.automation_rate = rate(run.passed + run.diverted, run.inspections).unwrap_or_default();
        let support = self.line.support()?;
        run.supported = support.as_ref().is_some_and(|support| support.supported);
        run.missing = support.and_then(|support| support.missing());
        Ok(self.run)
    }

    fn arrive(&mut self, at: usize, item: &LabelledItem, scored: &Scored) -> Result<(), EngineError> {
        // After a training the cached scores are another model's.
        let scored = match &self.trained {
            Some(model) => score(item, Some(model)),
            None => scored.clone(),
        };
        if self.keeps_pictures {
            let bytes = std::fs::read(&item.path).map_err(EngineError::io("cannot read", &item.path))?;
            self.line.store.blobs().put(&bytes)?;
        }
        let seen = Inspected {
            source: "replay".into(),
            // Names repeat where two sets follow each other.
            name: format!("{at}-{}", item.name),
            unit: item.group.clone(),
            position: None,
            kind: item.kind,
            media: scored.media,
            bytes: scored.bytes,
            modified_at: None,
            reference: None,
            asked: scored.prediction.as_ref().ok().map(|prediction| prediction.model.clone()),
            prediction: scored.prediction,
        };
        let (plan, norms) = (Arc::clone(&self.plan), self.guard.norms());
        let recorded = self.line.store.transact(STATION, |tx| record(tx, &plan, &seen, norms.as_deref()))?;
        if let Recorded::Decided { item: id, .. } = recorded {
            self.places.insert(id, at);
            let is_misnamed = seen.prediction.as_ref().is_ok_and(|said| {
                self.plan.task != Task::Defect && is_misnamed(&self.plan, &item.label, said)
            });
            self.count(id, is_bad(&self.plan, &item.label), is_misnamed)?;
        }
        self.guard.learn(&self.line.store)?;
        if let Some(alarm) = self.guard.saw(&seen.unit, seen.asked.as_ref(), &seen.prediction) {
            self.alarmed(at, &alarm)?;
        }
        Ok(())
    }

    /// As it was decided when it arrived, whatever people say of it later.
    fn count(&mut self, id: crate::domain::ItemId, bad: bool, is_misnamed: bool) -> Result<(), EngineError> {
        let view = self.line.store.view();
        let Some((outcome, by, _)) = view.decision(id)? else { return Ok(()) };
        let run = &mut self.run;
        run.inspections += 1;
        run.errors += usize::from(is_misnamed && by == DecidedBy::Model && outcome != Outcome::Review);
        match (outcome, by) {
            (Outcome::Pass, DecidedBy::Model) => {
                run.passed += 1;
                run.escapes += usize::from(bad);
                run.audits += usize::from(view.is_blind(id)?);
            }
            (Outcome::Divert, DecidedBy::Model) => {
                run.diverted += 1;
                run.overkill += usize::from(!bad);
                run.audits += usize::from(view.is_blind(id)?);
            }
            _ => run.review += 1,
        }
        Ok(())
    }

    fn alarmed(&mut self, at: usize, alarm: &Alarm) -> Result<(), EngineError> {
        let from = self.line.store.view().settings()?.level;
        if steward::raise(&mut self.line.store, alarm)? {
            self.note_alarm(at, alarm, from)?;
        }
        Ok(())
    }

    fn note_alarm(&mut self, at: usize, alarm: &Alarm, from: Level) -> Result<(), EngineError> {
        self.run.alarms.push(AlarmAt { at: at + 1, kind: alarm.kind, text: alarm.text.clone() });
        let to = self.line.store.view().settings()?.level;
        if to != from {
            self.note_level(at, from, to, STATION, &alarm.text);
        }
        Ok(())
    }

    fn note_level(&mut self, at: usize, from: Level, to: Level, by: &str, reason: &str) {
        self.run.level_changes.push(LevelChange {
            at: at + 1,
            from,
            to,
            by: by.to_owned(),
            reason: reason.to_owned(),
        });
    }

    /// Everything that waits, second looks included.
    fn answer_all(&mut self, at: usize, stream: &[(&LabelledItem, &Scored)]) -> Result<(), EngineError> {
        loop {
            let waiting = self.line.store.view().queue(None, WAITING_MAX)?;
            if waiting.is_empty() {
                return Ok(());
            }
            for row in waiting {
                let Some(&place) = self.places.get(&row.item.id) else { continue };
                let looks = self.line.store.view().verdicts(row.item.id)?.len();
                let truth = &stream[place].0.label;
                let said = self.look_at(truth);
                // Each look is somebody else's.
                let reviewer = format!("person {}", looks + 1);
                let verdict = match &said.transcript {
                    Some(text) => Verdict::of_transcript(row.item.id, reviewer, text),
                    None => Verdict {
                        regions: said.regions.clone(),
                        ..Verdict::of_class(row.item.id, reviewer, said.main_class())
                    },
                };
                let from = self.line.store.view().settings()?.level;
                let before = self.line.store.view().alarms()?.len();
                self.line.answer(&verdict)?;
                self.run.labels_used += 1;
                self.answered.insert(place, said);
                let alarms = self.line.store.view().alarms()?;
                if let (true, Some((_, alarm))) = (alarms.len() > before, alarms.last()) {
                    self.note_alarm(at, &alarm.clone(), from)?;
                }
            }
        }
    }

    /// What the person says, right or wrong.
    fn look_at(&mut self, truth: &Label) -> Label {
        let is_wrong = errs(&mut self.random, self.options.reviewer);
        if self.plan.task == Task::Transcribe {
            return heard(&self.plan.transcript, truth, is_wrong);
        }
        let truth = &Label { transcript: None, ..truth.clone() };
        let is_known = truth.classes().iter().all(|class| self.plan.route(class).is_some());
        if !is_wrong && is_known {
            return truth.clone();
        }
        // A kind of defect that the plan does not know is answered with one that it knows.
        let wanted = if is_bad(&self.plan, truth) == is_wrong { Route::Pass } else { Route::Divert };
        let other = self.plan.classes.iter().find(|class| class.route == wanted);
        other.map_or_else(|| truth.clone(), |class| Label::confirmed(&class.name))
    }

    /// The person looks at the evidence: trains where it is due, takes over what is supported, raises the
    /// level. Alarms about inputs stay: nobody repairs the light here.
    fn look(
        &mut self,
        at: usize,
        stream: &[(&LabelledItem, &Scored)],
        cancel: &AtomicBool,
    ) -> Result<(), EngineError> {
        if self.is_training_due() {
            self.train(at, stream, cancel)?;
        }
        let settings = self.line.store.view().settings()?;
        if settings.model.is_none() {
            return Ok(());
        }
        let alarms = self.line.store.view().alarms()?;
        if alarms.iter().any(|(_, alarm)| alarm.kind != AlarmKind::Promise) {
            return Ok(());
        }
        if !alarms.is_empty() {
            self.line.clear_alarm(AlarmKind::Promise, ACTOR, "the thresholds are computed anew")?;
        }
        let from = settings.level;
        self.line.adopt(ACTOR, "evidence looked at")?;
        let now = self.line.store.view().settings()?.level;
        if now < from {
            self.note_level(at, from, now, ACTOR, "the evidence does not support the level any more");
        }
        for level in [Level::Partial, Level::Full] {
            let now = self.line.store.view().settings()?.level;
            if level > self.options.level || level <= now {
                continue;
            }
            if self.line.checklist(level)?.iter().all(|line| line.is_met) {
                self.line.set_level(level, ACTOR, "the evidence is there")?;
                self.note_level(at, now, level, ACTOR, "the evidence is there");
            }
        }
        Ok(())
    }

    fn is_training_due(&self) -> bool {
        let due = self.plan.retrain.labels as usize;
        let labels = self.answered.len();
        due > 0 && labels >= LABELS_MIN.max(due) && labels >= 2 * self.labels_trained
    }

    /// On everything that was answered; the model goes live at once, as a person would who trusts the
    /// check lists.
    fn train(
        &mut self,
        at: usize,
        stream: &[(&LabelledItem, &Scored)],
        cancel: &AtomicBool,
    ) -> Result<(), EngineError> {
        let items: Vec<LabelledItem> = self
            .answered
            .iter()
            .map(|(&place, said)| LabelledItem { label: said.clone(), ..stream[place].0.clone() })
            .collect();
        self.labels_trained = self.answered.len();
        let mut settings = settings_for(&self.plan, &items);
        if self.init.is_some() {
            settings.rate *= RATE_SHARE;
        }
        settings.seed = self.run.seed;
        settings.minutes = self.plan.retrain.minutes;
        settings.name = format!("replay-{}", self.run.trainings + 1);
        let report = match learn::train(&items, &settings, self.init, cancel, &mut |_| {}) {
            Ok(report) => report,
            // Too few of one kind yet: later.
            Err(learn::LearnError::TooLittle(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let model = report.model.with_rule(&self.plan.transcript);
        let from = self.line.store.view().settings()?.level;
        self.line.promote(&model, ACTOR, "trained on the answers so far")?;
        let to = self.line.store.view().settings()?.level;
        if to != from {
            self.note_level(at, from, to, ACTOR, "another model: its evidence begins anew");
        }
        self.run.trainings += 1;
        self.trained = Some(model);
        Ok(())
    }

    fn note_moment(&mut self, at: usize) -> Result<(), EngineError> {
        let level = self.line.store.view().settings()?.level;
        let (run, before) = (&self.run, self.moment);
        let automatic = run.passed + run.diverted - before.passed - before.diverted;
        self.moment = Moment {
            at,
            level,
            passed: run.passed,
            diverted: run.diverted,
            escapes: run.escapes,
            overkill: run.overkill,
            errors: run.errors,
            labels_used: run.labels_used,
            automation_rate: automatic as f64 / (at - before.at).max(1) as f64,
        };
        self.run.over_time.push(self.moment);
        Ok(())
    }
}

/// What the person writes down; who errs hears the last word twice.
fn heard(rule: &TranscriptRule, truth: &Label, is_wrong: bool) -> Label {
    let text = rule.truth(truth);
    if !is_wrong {
        return Label::said(text);
    }
    let again = text.split_whitespace().last().unwrap_or(&rule.digits[0]);
    Label::said(format!("{text} {again}"))
}

impl Reviewer {
    /// For reports.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Oracle => "a person who is always right".into(),
            Self::Noisy(rate) => format!("a person who errs in {:.1} % of looks", rate * 100.0),
        }
    }
}
