//! Training on the models page: the form, the curves of a training that runs, and those that were broken off.

use super::layout::{field_ui, is_entered};
use super::page::Page;
use super::plots::{Curve, plot_ui};
use super::texts::tr;
use super::theme::SPACE;
use super::widgets::{Mark, button_ui, card_ui, duration, note, progress_ui, secondary, told_ui};
use crate::domain::Filter;
use crate::engine::{self, EngineError, Line, Progress, Task, TaskControl, TrainJob};
use eframe::egui::{self, DragValue, Ui, vec2};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the time that has passed is painted anew.
const REPAINT: Duration = Duration::from_secs(1);
const MINUTES: f64 = 20.0;
/// So that all shipped packages are seen at once: what lies below the edge of a list is not looked for.
const INITS_HEIGHT: f32 = 360.0;

/// What a training has told so far.
#[derive(Clone, Default)]
struct Curves {
    /// A point for each epoch, over both runs of a training.
    loss: Vec<[f64; 2]>,
    validation: Vec<[f64; 2]>,
    epoch: usize,
    /// Epochs of the first run, where a second one has begun to count again.
    before: usize,
    /// As the training itself reckons, without the time that reading the labels took.
    seconds_left: Option<f64>,
}

impl Curves {
    fn take(&mut self, progress: &Progress) {
        self.seconds_left = progress.seconds_left;
        if progress.epoch < self.epoch - self.before {
            self.before = self.epoch;
        }
        let epoch = self.before + progress.epoch;
        if epoch > self.epoch {
            self.epoch = epoch;
            self.loss.push([epoch as f64, progress.loss]);
            self.validation.extend(progress.validation.map(|score| [epoch as f64 - 1.0, score]));
        } else if let Some(last) = self.loss.last_mut() {
            last[1] = progress.loss;
        }
    }

    /// "epoch 3 of 30 · validation score 0.784".
    fn words(&self, progress: &Progress) -> String {
        let run = if self.before > 0 { tr("second run, from all units: ") } else { "" };
        let of = progress.epochs.map_or_else(String::new, |all| format!(" {} {all}", tr("of")));
        let score = progress.validation;
        let score =
            score.map_or_else(String::new, |score| format!(" · {} {score:.3}", tr("validation score")));
        format!("{run}{} {}{of}{score}", tr("epoch"), progress.epoch)
    }
}

struct Running {
    task: Task<String>,
    curves: Arc<Mutex<Curves>>,
    since: Instant,
}

struct Done {
    name: String,
    curves: Curves,
}

/// What a person may choose of a training; everything else has sensible settings.
#[derive(Clone)]
struct Form {
    name: String,
    init: Option<String>,
    minutes: f64,
    is_timed: bool,
}

impl Default for Form {
    fn default() -> Self {
        Self { name: String::new(), init: None, minutes: MINUTES, is_timed: false }
    }
}

enum Work {
    Train(Form),
    Resume(String),
}

#[derive(Default)]
pub(super) struct TrainingCard {
    form: Form,
    running: Option<Running>,
    done: Option<Done>,
    is_open: bool,
    /// The form has just been opened.
    takes_focus: bool,
    /// The broken-off training that is about to be given up.
    discarding: Option<String>,
}

/// What a training, or giving one up, has changed.
pub(super) enum Changed {
    Nothing,
    /// The packages on the disk, and the candidate that has come.
    Packages(Option<String>),
}

impl TrainingCard {
    pub fn open(&mut self) {
        (self.is_open, self.takes_focus) = (true, true);
    }

    pub fn is_open(&self) -> bool {
        self.is_open || self.running.is_some()
    }

    pub fn follow(&mut self, page: &mut Page<'_>) -> Changed {
        let Some(done) = self.running.as_mut().and_then(|running| running.task.result()) else {
            return Changed::Nothing;
        };
        let curves = self.running.take().map(|running| running.curves.lock().clone()).unwrap_or_default();
        match done {
            Ok(name) => {
                (self.is_open, self.done) = (true, Some(Done { name: name.clone(), curves }));
                Changed::Packages(Some(name))
            }
            Err(error) => {
                if error.is_cancelled() {
                    page.toasts.note(tr("The training was cancelled; there is no new model"));
                } else {
                    page.toasts.trouble(error.to_string());
                }
                Changed::Packages(None)
            }
        }
    }

    /// `inits` are the packages that a training may begin with, `interrupted` those that were broken off.
    pub fn ui(
        &mut self,
        ui: &mut Ui,
        page: &mut Page<'_>,
        inits: &[String],
        interrupted: &[String],
    ) -> Changed {
        let mut changed = Changed::Nothing;
        if let Some(running) = &self.running {
            card_ui(ui, tr("Training"), |ui| running_ui(ui, page, running));
            ui.add_space(SPACE[1]);
            return changed;
        }
        for name in interrupted {
            card_ui(ui, tr("A training was interrupted"), |ui| {
                changed = self.interrupted_ui(ui, page, name);
            });
            ui.add_space(SPACE[1]);
        }
        if self.is_open {
            card_ui(ui, tr("Training"), |ui| {
                if let Some(done) = &self.done {
                    let words = tr("is a candidate now: look at its card, then make it live or not");
                    told_ui(ui, Mark::Pass, format!("{} {words}", done.name));
                    curves_ui(ui, page, &done.curves);
                }
                self.form_ui(ui, page, inits);
            });
            ui.add_space(SPACE[1]);
        }
        changed
    }

    fn interrupted_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, name: &str) -> Changed {
        ui.label(secondary(
            format!("{name}: {}", tr("what it had learnt until its last epoch is kept")),
            page.tokens,
        ));
        let is_discarding = self.discarding.as_deref() == Some(name);
        let (mut goes_on, mut is_given_up) = (false, false);
        ui.horizontal(|ui| {
            if is_discarding {
                is_given_up = button_ui(ui, tr("Discard it for good"), false).clicked();
                if button_ui(ui, tr("Keep it"), false).clicked() {
                    self.discarding = None;
                }
            } else {
                goes_on = button_ui(ui, tr("Go on with it"), true).clicked();
                if button_ui(ui, tr("Discard…"), false).clicked() {
                    self.discarding = Some(name.to_owned());
                }
            }
        });
        if goes_on {
            self.start(ui.ctx(), page, Work::Resume(name.to_owned()));
        }
        if !is_given_up {
            return Changed::Nothing;
        }
        self.discarding = None;
        if let Err(error) = engine::discard_training(&page.session.folder, name) {
            page.toasts.trouble(error.to_string());
        }
        Changed::Packages(None)
    }

    fn form_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, inits: &[String]) {
        let t = page.tokens;
        let form = &mut self.form;
        let mut is_asked = false;
        egui::Grid::new("training").num_columns(2).spacing(vec2(SPACE[3], SPACE[1])).show(ui, |ui| {
            ui.label(secondary(tr("Name"), t));
            let name = tr("Name of the candidate");
            let field = field_ui(ui, name, tr("chosen by itself"), &mut form.name, 280.0);
            if std::mem::take(&mut self.takes_focus) {
                field.request_focus();
            }
            is_asked = is_entered(ui, &field);
            ui.end_row();
            ui.label(secondary(tr("Starts from"), t));
            egui::ComboBox::from_id_salt("init")
                .selected_text(form.init.as_deref().unwrap_or(tr("nothing")))
                .height(INITS_HEIGHT)
                .show_ui(ui, |ui| {
                    ui.selectable_value(&mut form.init, None, tr("nothing"));
                    for name in inits {
                        ui.selectable_value(&mut form.init, Some(name.clone()), name);
                    }
                });
            ui.end_row();
            ui.checkbox(&mut form.is_timed, tr("Learns at most"));
            ui.add_enabled(
                form.is_timed,
                DragValue::new(&mut form.minutes).range(0.1..=1440.0).suffix(tr(" minutes")),
            );
            ui.end_row();
        });
        let words = tr(
            "On all labels of this line but those of units that are locked away; the live model does not change, and a station beside it goes first",
        );
        ui.label(note(words, t));
        ui.horizontal(|ui| {
            is_asked |= button_ui(ui, tr("Train"), true).clicked();
            if button_ui(ui, tr("Close"), false).clicked() {
                (self.is_open, self.done) = (false, None);
            }
        });
        if is_asked {
            self.start(ui.ctx(), page, Work::Train(self.form.clone()));
        }
    }

    fn start(&mut self, ctx: &egui::Context, page: &mut Page<'_>, work: Work) {
        let (folder, wake) = (page.session.folder.clone(), ctx.clone());
        let curves = Arc::new(Mutex::new(Curves::default()));
        let told = Arc::clone(&curves);
        let job = move |control: &TaskControl| {
            control.progress(None, tr("Reading the labels and their pictures…"));
            let mut line = Line::open(&folder, super::feed::ACTOR)?;
            work_on(&mut line, work, control, &mut |progress| {
                if let Some([so_far, all]) = progress.loaded {
                    control.count(so_far, all, tr("labels and their pictures are read"));
                    return;
                }
                let mut curves = told.lock();
                curves.take(progress);
                control.progress(Some(progress.done), curves.words(progress));
            })
        };
        match Task::start(tr("Training"), move || wake.request_repaint(), job) {
            Ok(task) => {
                (self.running, self.done) = (Some(Running { task, curves, since: Instant::now() }), None);
            }
            Err(error) => page.toasts.trouble(error.to_string()),
        }
    }
}

/// The name of the candidate that came of it.
fn work_on(
    line: &mut Line,
    work: Work,
    control: &TaskControl,
    progress: &mut (dyn FnMut(&Progress) + Send),
) -> Result<String, EngineError> {
    let report = match work {
        Work::Resume(name) => engine::resume(line, &name, control.cancel(), progress)?,
        Work::Train(form) => {
            let filter = Filter::default();
            let mut settings = engine::suited_settings(line, &filter, None, form.init.as_deref())?;
            settings.minutes = form.is_timed.then_some(form.minutes);
            settings.command = "trained in the window".into();
            let name = Some(form.name.trim().to_owned()).filter(|name| !name.is_empty());
            let job = TrainJob { filter, init: form.init, settings, name, ..TrainJob::default() };
            engine::train(line, job, super::feed::ACTOR, control.cancel(), progress)?
        }
    };
    Ok(report.model.model_ref().name.clone())
}

fn running_ui(ui: &mut Ui, page: &Page<'_>, running: &Running) {
    ui.ctx().request_repaint_after(REPAINT);
    let progress = running.task.progress();
    let curves = running.curves.lock().clone();
    let so_far = duration(running.since.elapsed().as_secs_f64());
    let what = format!("{} · {so_far} {}", progress.what, tr("so far"));
    progress_ui(ui, progress.share, &what, curves.seconds_left);
    curves_ui(ui, page, &curves);
    ui.label(note(
        tr("From the end of the first epoch on, cancelling keeps what it has learnt"),
        page.tokens,
    ));
    ui.horizontal(|ui| {
        let is_on = !running.task.is_cancelled();
        if ui.add_enabled_ui(is_on, |ui| button_ui(ui, tr("Cancel"), false)).inner.clicked() {
            running.task.cancel();
        }
    });
}

fn curves_ui(ui: &mut Ui, page: &Page<'_>, curves: &Curves) {
    let t = page.tokens;
    ui.columns(2, |columns| {
        if let [left, right] = columns {
            let loss = Curve { name: tr("loss"), points: curves.loss.clone(), color: t.text[0] };
            plot_ui(left, "loss", "", vec![loss], None, t);
            let points = curves.validation.clone();
            let validation = Curve { name: tr("validation score"), points, color: t.accent };
            plot_ui(right, "validation", "", vec![validation], None, t);
        }
    });
    ui.label(note(tr("Over epochs"), t));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_that_counts_again_goes_on_in_the_same_curves() {
        let told = |epoch, loss, validation| Progress {
            epoch,
            epochs: None,
            done: 0.1,
            loaded: None,
            loss,
            validation,
            kept: None,
            seconds: 1.0,
            seconds_left: Some(2.0),
        };
        let mut curves = Curves::default();
        for progress in
            [told(1, 4.0, None), told(1, 3.0, None), told(2, 2.0, Some(0.5)), told(3, 1.5, Some(0.6))]
        {
            curves.take(&progress);
        }
        let second = told(1, 2.5, None);
        curves.take(&second);
        curves.take(&told(2, 1.0, None));
        assert_eq!(curves.loss, [[1.0, 3.0], [2.0, 2.0], [3.0, 1.5], [4.0, 2.5], [5.0, 1.0]]);
        assert_eq!(curves.validation, [[1.0, 0.5], [2.0, 0.6]]);
        assert_eq!(curves.words(&second), "second run, from all units: epoch 1");
        assert_eq!(
            curves.words(&told(2, 1.0, Some(0.5))),
            "second run, from all units: epoch 2 · validation score 0.500"
        );
    }
}
