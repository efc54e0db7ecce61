//! The models page: packages with their cards, and what is done with the one that is looked at.

use super::audits::AuditsCard;
use super::datasets::DataCard;
use super::errors_card::ErrorsCard;
use super::layout::halves_ui;
use super::page::Page;
use super::releases::{ReleasesCard, state_name};
use super::texts::tr;
use super::theme::{SECONDARY, SPACE, TITLE};
use super::training::{Changed, TrainingCard};
use super::verbs::Verb;
use super::widgets::{
    Face, button_ui, card_ui, note, percent, row_ui, rule_ui, scroll_ui, secondary, warning_ui,
};
use crate::domain::{self, ModelRef, ReleaseState};
use crate::engine::{self, Manifest, Proof, ReleaseStep, Task};
use eframe::egui::{self, RichText, ScrollArea, Ui, vec2};
use std::path::Path;

/// What is known of one package.
struct Package {
    name: String,
    /// Or why it cannot be used.
    manifest: Result<Box<Manifest>, String>,
    hash: String,
    is_shipped: bool,
}

impl Package {
    /// Whether it does the same with the same medium.
    fn is_like(&self, other: &Manifest) -> bool {
        self.manifest
            .as_ref()
            .is_ok_and(|own| own.task == other.task && own.input.medium() == other.input.medium())
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
    /// What is read now began before the last change.
    is_outdated: bool,
    /// By name; the live one until somebody chooses.
    chosen: Option<String>,
    training: TrainingCard,
    /// Trainings that were broken off.
    interrupted: Vec<String>,
    releases: ReleasesCard,
}

impl ModelsPage {
    pub fn perform(&mut self, verb: Verb) {
        let step = match verb {
            Verb::Train => return self.training.open(),
            Verb::ModelRelease => return self.part = Part::Release,
            Verb::ModelAudit => return self.part = Part::Audit,
            Verb::ModelData => return self.part = Part::Data,
            Verb::ModelErrors => return self.part = Part::Errors,
            Verb::Measure => {
                self.part = Part::Errors;
                return self.errors.ask();
            }
            Verb::IntoShadow => ReleaseStep::Shadow,
            Verb::ShareOfLine => ReleaseStep::Canary(Proof::Required),
            Verb::MakeLive => ReleaseStep::Promote,
            Verb::Retire => ReleaseStep::Retire,
            _ => return,
        };
        self.part = Part::Release;
        self.releases.ask(step);
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
            scroll_ui(ui, "model", |ui| {
                if !self.training.is_open() && self.releases.advice_ui(ui) {
                    self.training.open();
                }
                let inits = self.inits(page);
                let changed = self.training.ui(ui, page, &inits, &self.interrupted);
                self.take_in(changed, page);
                self.card_ui(ui, page);
            });
        });
    }

    fn follow(&mut self, ctx: &egui::Context, page: &mut Page<'_>) {
        if let Some(done) = self.reading.as_mut().and_then(Task::result) {
            self.reading = None;
            match done {
                Ok(packages) => {
                    let is_outdated = std::mem::take(&mut self.is_outdated);
                    self.packages = Some(packages).filter(|_| !is_outdated);
                }
                Err(error) => page.toasts.trouble(error.to_string()),
            }
        }
        let changed = self.training.follow(page);
        self.take_in(changed, page);
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
            self.interrupted = engine::interrupted_trainings(&page.session.folder);
        }
        let chosen = self.chosen(page);
        let chosen =
            chosen.map(|package| ModelRef { name: package.name.clone(), hash: package.hash.clone() });
        if let Some(package) = chosen {
            self.releases.follow(ctx, page, &package);
        }
    }

    /// What is on the disk has changed.
    fn take_in(&mut self, changed: Changed, page: &Page<'_>) {
        if let Changed::Packages(candidate) = changed {
            (self.packages, self.is_outdated) = (None, self.reading.is_some());
            self.interrupted = engine::interrupted_trainings(&page.session.folder);
            // A training has frozen what it learnt from.
            self.data.forget();
            self.chosen = candidate.or(self.chosen.take());
        }
    }

    /// What a training on this line may begin with: what does the same as its live model, or at least its task.
    fn inits(&self, page: &Page<'_>) -> Vec<String> {
        let packages = self.packages.as_deref().unwrap_or_default();
        let live = packages.iter().find(|package| page.session.station.model.as_ref() == Some(&package.name));
        let live = live.and_then(|package| package.manifest.as_ref().ok());
        let task = page.session.plan.task;
        let fits = |package: &&Package| match (live, &package.manifest) {
            (Some(live), _) => package.is_like(live),
            (None, Ok(manifest)) => manifest.task == task,
            (None, Err(_)) => false,
        };
        packages.iter().filter(fits).map(|package| package.name.clone()).collect()
    }

    /// The package that is looked at.
    fn chosen(&self, page: &Page<'_>) -> Option<&Package> {
        let packages = self.packages.as_deref()?;
        let named = |name: &str| packages.iter().find(|package| package.name == name);
        let live = || page.session.station.model.as_deref().and_then(named);
        self.chosen.as_deref().and_then(named).or_else(live).or(packages.first())
    }

    fn list_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let t = page.tokens;
        ui.label(secondary(tr("Packages"), t).strong());
        let live = page.session.station.model.clone();
        let width = ui.available_width();
        let chosen = self.chosen(page).map(|package| package.name.clone());
        let list = ScrollArea::vertical().id_salt("packages").auto_shrink(false);
        list.max_height(ui.available_height() - 64.0).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = SPACE[0];
            for package in self.packages.iter().flatten() {
                let release = self.releases.releases().iter().find(|r| r.model.hash == package.hash);
                let state = match (live.as_deref() == Some(&package.name), release, package.is_shipped) {
                    (true, ..) => tr("live"),
                    (false, Some(release), _) => state_name(release.state),
                    (false, None, true) => tr("shipped"),
                    (false, None, false) => tr("candidate"),
                };
                let face = Face {
                    figure: state,
                    is_selected: chosen.as_ref() == Some(&package.name),
                    ..Face::default()
                };
                if row_ui(ui, width, "", &package.name, face).clicked() {
                    self.chosen = Some(package.name.clone());
                }
            }
            if self.packages.is_none() {
                ui.label(secondary(tr("Reading the packages…"), t));
            }
        });
        if button_ui(ui, tr("Train a model…"), true).clicked() {
            self.training.open();
        }
    }

    fn card_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let t = page.tokens;
        let name = self.chosen(page).map(|package| package.name.clone());
        let packages = self.packages.take();
        let chosen = packages.iter().flatten().find(|package| Some(&package.name) == name.as_ref());
        if let Some(package) = chosen {
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
        ui.horizontal_wrapped(|ui| {
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
            manifest_ui(ui, page, package, manifest);
            return;
        }
        self.data.follow(ui.ctx(), page);
        match self.part {
            Part::Release => {}
            Part::Errors => {
                let alike = all.iter().filter(|other| other.name != package.name && other.is_like(manifest));
                let others: Vec<&str> = alike.map(|other| other.name.as_str()).collect();
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
        let rest = if package.is_shipped { tr("shipped") } else { state_name(ReleaseState::Candidate) };
        self.releases.steps_ui(ui, page, &package.name, rest, unknown.is_empty());
        ui.add_space(SPACE[1]);
        self.releases.standing_ui(ui, page);
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

fn manifest_ui(ui: &mut Ui, page: &Page<'_>, package: &Package, manifest: &Manifest) {
    let t = page.tokens;
    let made = |ui: &mut Ui| {
        card_ui(ui, tr("What it was made from"), |ui| {
            let data = &manifest.data;
            let description =
                if data.description.is_empty() { tr("no description") } else { &data.description };
            ui.label(RichText::new(description).size(SECONDARY));
            ui.label(note(format!("{} {} · {} {}", data.items, tr("items"), data.groups, tr("units")), t));
            if !data.licence.is_empty() {
                ui.label(note(format!("{}: {}", tr("licence"), data.licence), t));
            }
            for line in lineage(package, manifest) {
                ui.label(note(line, t));
            }
            rule_ui(ui);
            ui.label(
                RichText::new(format!("{}: {}", tr("Classes"), manifest.classes.join(", "))).size(SECONDARY),
            );
            ui.label(note(input_text(manifest), t));
            rule_ui(ui);
            let training = &manifest.training;
            let limit = training.settings["minutes"].as_f64();
            let limit = limit.map_or_else(String::new, |limit| format!(" · {} {limit} min", tr("at most")));
            let epochs = format!("{} {}{limit}", training.epochs, tr("epochs"));
            ui.label(note(format!("{epochs} · {} {}", tr("seed"), training.seed), t));
            ui.label(RichText::new(&training.command).size(12.0).monospace().color(t.text[1]));
        });
    };
    halves_ui(ui, made, |ui| {
        card_ui(ui, tr("What it is worth, on units that it has never seen"), |ui| {
            metrics_ui(ui, page, package, manifest);
        });
    });
}

/// Which labels it has learnt from, and with whose weights it began.
fn lineage(package: &Package, manifest: &Manifest) -> Vec<String> {
    let data = &manifest.data;
    if package.is_shipped {
        return Vec::new();
    }
    let version = data.version.as_ref().map(|version| format!("{}: {}", tr("data set"), version.name));
    let earlier: Vec<&str> = data.earlier.iter().map(|version| version.name.as_str()).collect();
    let before = match (data.earlier_unknown, earlier.is_empty()) {
        (true, _) => tr("began with a model whose data are not listed").to_owned(),
        (false, true) => tr("began with nothing").to_owned(),
        (false, false) => format!("{}: {}", tr("began with what was learnt from"), earlier.join(", ")),
    };
    version.into_iter().chain([before]).collect()
}

/// Figures of a card in their order, with their names.
pub(super) const FIGURES: [(&str, &str); 9] = [
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

fn metrics_ui(ui: &mut Ui, page: &Page<'_>, package: &Package, manifest: &Manifest) {
    let t = page.tokens;
    if manifest.metrics.is_empty() {
        ui.label(
            RichText::new(tr("No unit was kept apart when it was trained: its worth is not known here"))
                .size(SECONDARY)
                .color(t.review),
        );
    }
    egui::Grid::new("metrics").num_columns(3).spacing(vec2(SPACE[3], SPACE[0])).show(ui, |ui| {
        for (key, name) in FIGURES {
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
    let is_live = page.session.station.model.as_ref() == Some(&package.name);
    if let Some(rate) = page.session.station.tallies.automation_rate().filter(|_| is_live) {
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
