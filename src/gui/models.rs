//! The models page: packages with their cards, and training with its curves.

use super::audits::AuditsCard;
use super::datasets::DataCard;
use super::errors_card::ErrorsCard;
use super::page::Page;
use super::plots::{Curve, plot_ui};
use super::releases::{ReleasesCard, state_name};
use super::texts::tr;
use super::theme::{SECONDARY, SPACE, TITLE};
use super::widgets::{
    Face, Mark, button_ui, card_ui, note, percent, progress_ui, row_ui, rule_ui, secondary, told_ui,
    warning_ui,
};
use crate::domain::{self, Filter};
use crate::engine::{self, EngineError, Line, Manifest, Task, TrainJob};
use eframe::egui::{self, DragValue, RichText, Role, ScrollArea, Ui, WidgetInfo, vec2};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is known of one package.
struct Package {
    name: String,
    /// Or why it cannot be used.
    manifest: Result<Box<Manifest>, String>,
    hash: String,
    is_shipped: bool,
}

/// What a training has told so far.
#[derive(Clone, Default)]
struct Curves {
    /// Share done and mean loss, a point for each epoch.
    loss: Vec<[f64; 2]>,
    validation: Vec<[f64; 2]>,
    epoch: usize,
}

struct Training {
    task: Task<String>,
    curves: Arc<Mutex<Curves>>,
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
        Self { name: String::new(), init: None, minutes: 20.0, is_timed: false }
    }
}

/// What is looked at of a package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Release,
    Errors,
    Audit,
    Data,
}

const PART_WIDTH: f32 = 150.0;

#[derive(Default)]
pub struct ModelsPage {
    part: Part,
    errors: ErrorsCard,
    audits: AuditsCard,
    data: DataCard,
    packages: Option<Vec<Package>>,
    reading: Option<Task<Vec<Package>>>,
    chosen: usize,
    training: Option<Training>,
    done: Option<String>,
    form: Form,
    shows_training: bool,
    releases: ReleasesCard,
}

impl ModelsPage {
    pub fn show_training(&mut self) {
        self.shows_training = true;
    }

    pub fn ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        self.follow(ui.ctx(), page);
        let t = page.tokens;
        let side = egui::Frame::new().fill(t.background[1]).inner_margin(SPACE[3]);
        egui::Panel::left("packages")
            .exact_size(296.0)
            .resizable(false)
            .frame(side)
            .show(ui, |ui| self.list_ui(ui, page));
        let ground = egui::Frame::new().fill(t.background[0]).inner_margin(SPACE[3]);
        egui::CentralPanel::default().frame(ground).show(ui, |ui| {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                if self.training.is_none() {
                    self.releases.advice_ui(ui);
                }
                if self.shows_training || self.training.is_some() {
                    self.training_ui(ui, page);
                    ui.add_space(SPACE[1]);
                }
                self.card_ui(ui, page);
            });
        });
    }

    fn follow(&mut self, ctx: &egui::Context, page: &mut Page<'_>) {
        if let Some(done) = self.reading.as_mut().and_then(Task::result) {
            self.reading = None;
            match done {
                Ok(packages) => {
                    let live = page.session.station.model.as_deref();
                    let live = packages.iter().position(|package| Some(package.name.as_str()) == live);
                    self.chosen = live.unwrap_or(self.chosen).min(packages.len().saturating_sub(1));
                    self.packages = Some(packages);
                }
                Err(error) => page.toasts.trouble(error.to_string()),
            }
        }
        if let Some(done) = self.training.as_mut().and_then(|training| training.task.result()) {
            self.training = None;
            self.packages = None;
            // It has frozen what it learnt from.
            self.data.forget();
            match done {
                Ok(name) => self.done = Some(name),
                Err(error) => page.toasts.trouble(error.to_string()),
            }
        }
        if self.packages.is_none() && self.reading.is_none() {
            let (folder, wake) = (page.session.folder.clone(), ctx.clone());
            match Task::start(
                tr("Reading packages"),
                move || wake.request_repaint(),
                move |_| Ok(packages(&folder)),
            ) {
                Ok(task) => self.reading = Some(task),
                Err(error) => page.toasts.trouble(error.to_string()),
            }
        }
    }

    fn list_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let t = page.tokens;
        ui.label(secondary(tr("Packages"), t).strong());
        let live = page.session.station.model.clone();
        let width = ui.available_width();
        ScrollArea::vertical().auto_shrink(false).max_height(ui.available_height() - 64.0).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = SPACE[0];
            for (i, package) in self.packages.iter().flatten().enumerate() {
                let release = self.releases.releases().iter().find(|r| r.model.hash == package.hash);
                let state = match (live.as_deref() == Some(&package.name), release, package.is_shipped) {
                    (true, ..) => tr("live"),
                    (false, Some(release), _) => state_name(release.state),
                    (false, None, true) => tr("shipped"),
                    (false, None, false) => tr("candidate"),
                };
                let face = Face { figure: state, is_selected: i == self.chosen, ..Face::default() };
                if row_ui(ui, width, "", &package.name, face).clicked() {
                    self.chosen = i;
                }
            }
            if self.packages.is_none() {
                ui.label(secondary(tr("Reading the packages…"), t));
            }
        });
        if button_ui(ui, tr("Train a model…"), true).clicked() {
            self.shows_training = true;
        }
    }

    fn card_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let t = page.tokens;
        let packages = self.packages.take();
        if let Some(package) = packages.as_ref().and_then(|all| all.get(self.chosen)) {
            ui.label(RichText::new(&package.name).size(24.0));
            ui.label(note(format!("BLAKE3 {}", package.hash.get(..16).unwrap_or_default()), t));
            match &package.manifest {
                Ok(manifest) => {
                    self.parts_ui(ui);
                    self.part_ui(ui, page, packages.as_deref().unwrap_or_default(), package, manifest);
                }
                Err(why) => {
                    warning_ui(ui, format!("{}: {why}", tr("This package cannot be used")));
                }
            }
        }
        self.packages = packages;
    }

    fn parts_ui(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            for (part, name) in [
                (Part::Release, tr("Release")),
                (Part::Errors, tr("Where it errs")),
                (Part::Audit, tr("Final audit")),
                (Part::Data, tr("Data sets")),
            ] {
                let face = Face { is_selected: self.part == part, is_small: true, ..Face::default() };
                if row_ui(ui, PART_WIDTH, "", name, face).clicked() {
                    self.part = part;
                }
            }
        });
        ui.add_space(SPACE[1]);
    }

    fn part_ui(
        &mut self,
        ui: &mut Ui,
        page: &mut Page<'_>,
        all: &[Package],
        package: &Package,
        manifest: &Manifest,
    ) {
        if self.part == Part::Release {
            self.release_ui(ui, page, package, manifest);
            manifest_ui(ui, page, manifest);
            return;
        }
        self.data.follow(ui.ctx(), page);
        match self.part {
            Part::Release => {}
            Part::Errors => {
                let usable = all.iter().filter(|other| other.manifest.is_ok());
                let others: Vec<&str> = usable.map(|other| other.name.as_str()).collect();
                self.errors.ui(ui, page, &package.name, &others, &self.data.versions());
            }
            Part::Audit => {
                if self.audits.ui(ui, page, &package.name, self.data.known()) {
                    self.data.forget();
                }
            }
            Part::Data => self.data.ui(ui, page),
        }
    }

    /// What a person may do with it, and how it compares with the live one.
    fn release_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, package: &Package, manifest: &Manifest) {
        let t = page.tokens;
        let unknown: Vec<&str> = manifest
            .classes
            .iter()
            .map(String::as_str)
            .filter(|class| page.session.plan.route(class).is_none())
            .collect();
        if !unknown.is_empty() {
            let words =
                format!("{}: {}", tr("Not for this line: the plan has no route for"), unknown.join(", "));
            ui.label(secondary(words, t));
        }
        self.releases.follow(ui.ctx(), page, &package.name);
        self.releases.steps_ui(ui, page, &package.name, unknown.is_empty());
        ui.add_space(SPACE[1]);
        self.releases.comparison_ui(ui, page);
    }

    fn training_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let t = page.tokens;
        let mut is_closed = false;
        card_ui(ui, tr("Training"), |ui| {
            if let Some(training) = &self.training {
                let progress = training.task.progress();
                progress_ui(ui, progress.share, &progress.what, training.task.seconds_left());
                let curves = training.curves.lock().clone();
                ui.columns(2, |columns| {
                    let loss = Curve { name: tr("loss"), points: curves.loss, color: t.text[0] };
                    plot_ui(&mut columns[0], "loss", "", vec![loss], None, t);
                    let validation =
                        Curve { name: tr("validation score"), points: curves.validation, color: t.accent };
                    plot_ui(&mut columns[1], "validation", "", vec![validation], None, t);
                });
                ui.label(note(tr("Over epochs. Cancelling keeps the best so far."), t));
                if ui
                    .add_enabled_ui(!training.task.is_cancelled(), |ui| button_ui(ui, tr("Cancel"), false))
                    .inner
                    .clicked()
                {
                    training.task.cancel();
                }
                return;
            }
            if let Some(name) = &self.done {
                told_ui(
                    ui,
                    Mark::Pass,
                    format!(
                        "{name} {}",
                        tr("is a candidate now: look at its card, then make it live or not")
                    ),
                );
            }
            is_closed = self.form_ui(ui, page);
        });
        if is_closed {
            self.shows_training = false;
            self.done = None;
        }
    }

    fn form_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) -> bool {
        let t = page.tokens;
        let form = &mut self.form;
        egui::Grid::new("training").num_columns(2).spacing(vec2(SPACE[3], SPACE[1])).show(ui, |ui| {
            ui.label(secondary(tr("Name"), t));
            let field = egui::TextEdit::singleline(&mut form.name)
                .hint_text(tr("chosen by itself"))
                .desired_width(280.0);
            ui.add(field)
                .widget_info(|| WidgetInfo::labeled(Role::TextInput, true, tr("Name of the candidate")));
            ui.end_row();
            ui.label(secondary(tr("Starts from"), t));
            egui::ComboBox::from_id_salt("init")
                .selected_text(form.init.as_deref().unwrap_or(tr("nothing")))
                .show_ui(ui, |ui| {
                    ui.selectable_value(&mut form.init, None, tr("nothing"));
                    for package in self.packages.iter().flatten().filter(|package| package.manifest.is_ok()) {
                        ui.selectable_value(&mut form.init, Some(package.name.clone()), &package.name);
                    }
                });
            ui.end_row();
            ui.checkbox(&mut form.is_timed, tr("At most"));
            ui.add_enabled(
                form.is_timed,
                DragValue::new(&mut form.minutes).range(0.1..=1440.0).suffix(tr(" minutes")),
            );
            ui.end_row();
        });
        ui.label(note(tr("On all labels of this line; the live model does not change, and a station beside it goes first"), t));
        let mut is_closed = false;
        ui.horizontal(|ui| {
            if button_ui(ui, tr("Train"), true).clicked() {
                match train(ui.ctx(), page, &self.form) {
                    Ok(training) => {
                        self.training = Some(training);
                        self.done = None;
                    }
                    Err(error) => page.toasts.trouble(error.to_string()),
                }
            }
            is_closed = button_ui(ui, tr("Close"), false).clicked();
        });
        is_closed
    }
}

fn packages(folder: &Path) -> Vec<Package> {
    engine::model_names(Some(folder))
        .into_iter()
        .map(|name| {
            let is_shipped = !folder.join("models").join(&name).is_dir();
            match engine::find_model(Some(folder), &name) {
                Ok(model) => Package {
                    manifest: Ok(Box::new(model.manifest().clone())),
                    hash: model.model_ref().hash.clone(),
                    name,
                    is_shipped,
                },
                Err(error) => {
                    Package { name, manifest: Err(error.to_string()), hash: String::new(), is_shipped }
                }
            }
        })
        .collect()
}

fn train(ctx: &egui::Context, page: &Page<'_>, form: &Form) -> Result<Training, EngineError> {
    let (folder, form, wake): (PathBuf, Form, _) = (page.session.folder.clone(), form.clone(), ctx.clone());
    let curves = Arc::new(Mutex::new(Curves::default()));
    let told = Arc::clone(&curves);
    let task = Task::start(
        tr("Training"),
        move || wake.request_repaint(),
        move |control| {
            control.progress(None, tr("Loading the labels…"));
            let mut line = Line::open(&folder, super::feed::ACTOR)?;
            let filter = Filter::default();
            let mut settings = engine::suited_settings(&line, &filter, None)?;
            settings.minutes = form.is_timed.then_some(form.minutes);
            settings.command = "trained in the window".into();
            let name = Some(form.name.trim().to_owned()).filter(|name| !name.is_empty());
            let job = TrainJob { filter, init: form.init, settings, name, ..TrainJob::default() };
            let report =
                engine::train(&mut line, job, super::feed::ACTOR, control.cancel(), &mut |progress| {
                    let mut curves = told.lock();
                    if progress.epoch > curves.epoch {
                        curves.epoch = progress.epoch;
                        curves.loss.push([progress.epoch as f64, progress.loss]);
                        curves
                            .validation
                            .extend(progress.validation.map(|score| [progress.epoch as f64 - 1.0, score]));
                    } else if let Some(last) = curves.loss.last_mut() {
                        last[1] = progress.loss;
                    }
                    drop(curves);
                    let of = progress.epochs.map_or_else(String::new, |all| format!(" {} {all}", tr("of")));
                    let best = progress.best.map_or_else(String::new, |best| {
                        format!(" · {} {best:.3}", tr("best validation score"))
                    });
                    control.progress(
                        Some(progress.done),
                        format!("{} {}{of}{best}", tr("epoch"), progress.epoch),
                    );
                })?;
            Ok(report.model.model_ref().name.clone())
        },
    )?;
    Ok(Training { task, curves })
}

fn manifest_ui(ui: &mut Ui, page: &Page<'_>, manifest: &Manifest) {
    let t = page.tokens;
    ui.columns(2, |columns| {
        card_ui(&mut columns[0], tr("What it was made from"), |ui| {
            let data = &manifest.data;
            let description =
                if data.description.is_empty() { tr("no description") } else { &data.description };
            ui.label(RichText::new(description).size(SECONDARY));
            ui.label(note(format!("{} {} · {} {}", data.items, tr("items"), data.groups, tr("units")), t));
            if !data.licence.is_empty() {
                ui.label(note(format!("{}: {}", tr("licence"), data.licence), t));
            }
            rule_ui(ui);
            ui.label(
                RichText::new(format!("{}: {}", tr("Classes"), manifest.classes.join(", "))).size(SECONDARY),
            );
            ui.label(note(input_text(manifest), t));
            rule_ui(ui);
            let training = &manifest.training;
            ui.label(note(
                format!("{} {} · {} {}", training.epochs, tr("epochs"), tr("seed"), training.seed),
                t,
            ));
            ui.label(RichText::new(&training.command).size(12.0).monospace().color(t.text[1]));
        });
        card_ui(&mut columns[1], tr("What it is worth, on units that it has never seen"), |ui| {
            metrics_ui(ui, page, manifest);
        });
    });
}

/// Figures of a card in their order, with their names.
const NAMES: [(&str, &str); 9] = [
    ("auroc", "AUROC, defective against good"),
    ("accuracy", "Share of right names"),
    ("balanced_accuracy", "Balanced accuracy"),
    ("average_precision", "Average precision"),
    ("defect_iou", "IoU of defect pixels"),
    ("map_iou33", "Mean average precision at IoU 0.33"),
    ("f_iou33", "F-score at IoU 0.33"),
    ("ece", "Calibration error"),
    ("ece_uncalibrated", "Calibration error before calibration"),
];

fn metrics_ui(ui: &mut Ui, page: &Page<'_>, manifest: &Manifest) {
    let t = page.tokens;
    if manifest.metrics.is_empty() {
        ui.label(
            RichText::new(tr("No unit was kept apart when it was trained: its worth is not known here"))
                .size(SECONDARY)
                .color(t.review),
        );
    }
    egui::Grid::new("metrics").num_columns(3).spacing(vec2(SPACE[3], SPACE[0])).show(ui, |ui| {
        for (key, name) in NAMES {
            let Some(metric) = manifest.metrics.get(key) else { continue };
            ui.label(secondary(tr(name), t));
            ui.label(RichText::new(format!("{:.3}", metric.value)).size(TITLE));
            ui.label(note(format!("[{:.3}, {:.3}] · n = {}", metric.low, metric.high, metric.n), t));
            ui.end_row();
        }
    });
    rule_ui(ui);
    let (bad, all) =
        (manifest.evidence.iter().filter(|group| group.defective).count(), manifest.evidence.len());
    let kind =
        if manifest.task == domain::Task::Defect { tr("of them defective") } else { tr("of them misnamed") };
    let words = if all == 0 {
        tr("It brings no evidence: it supports no promise until the line has collected its own").to_owned()
    } else {
        format!("{} {all} {}, {bad} {kind}", tr("Evidence for promises:"), tr("units"))
    };
    ui.label(note(words, t));
    if let Some(rate) = page.session.station.tallies.automation_rate() {
        ui.label(note(
            format!(
                "{} {} (n = {})",
                tr("On this line so far, decided without a person:"),
                percent(rate),
                page.session.station.tallies.inspections
            ),
            t,
        ));
    }
    ui.label(note(tr("Limits: only for parts and surroundings like those it was trained on. Intervals are at 95 %, by unit."), t));
}

/// What the network sees of an item.
fn input_text(manifest: &Manifest) -> String {
    let input = &manifest.input;
    match &input.sound {
        Some(sound) => format!(
            "{} {}, {:.0} Hz {} {:.1} kHz, {:.2} s",
            sound.bands,
            tr("bands"),
            sound.low_hz,
            tr("to"),
            sound.high_hz / 1e3,
            f64::from(input.width_px) * sound.hop_secs
        ),
        None => format!("{} × {} px, {} {}", input.width_px, input.height_px, input.planes(), tr("channels")),
    }
}
