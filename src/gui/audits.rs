//! The final audit of a model: what it has to keep is entered first, then the audit set is looked at once, the
//! outcome stands, and a person signs.

use super::datasets::Known;
use super::page::Page;
use super::texts::tr;
use super::theme::{SECONDARY, SPACE, TITLE, Tokens};
use super::time;
use super::widgets::{Mark, button_ui, card_ui, note, progress_ui, secondary, told_ui};
use crate::domain::{AuditOutcome, Criterion, CriterionResult, Independence, Probability};
use crate::engine::{self, AuditRequest, EngineError, Line, Task, find_model};
use crate::store::Noted;
use eframe::egui::{self, Grid, RichText, Role, Ui, WidgetInfo, vec2};

/// A unit counts as diverted from here on.
const DIVERT_FROM: f64 = 0.5;
/// Intervals are the same each time.
const SEED: u64 = 1;
/// What a first look suggests.
const CRITERIA: &str = "miss<=0.05@0.9, overkill<=0.1, auroc>=0.9";

pub(super) struct AuditsCard {
    criteria: String,
    signed_by: String,
    running: Option<Task<()>>,
}

impl Default for AuditsCard {
    fn default() -> Self {
        Self { criteria: CRITERIA.to_owned(), signed_by: String::new(), running: None }
    }
}

impl AuditsCard {
    /// True when an audit has come to its end, so that what is known is to be read again.
    pub fn ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, name: &str, known: Option<&Known>) -> bool {
        let mut is_done = false;
        if let Some(done) = self.running.as_mut().and_then(Task::result) {
            (self.running, is_done) = (None, true);
            if let Err(error) = done {
                page.toasts.trouble(error.to_string());
            }
        }
        let Some(known) = known else { return is_done };
        card_ui(ui, tr("Final audit"), |ui| self.form_ui(ui, page, name, known));
        let t = page.tokens;
        for noted in known.audits.iter().rev().filter(|noted| noted.what.model.name == name) {
            ui.add_space(SPACE[1]);
            let title = format!("{} · {}", time::day(noted.at), noted.actor);
            card_ui(ui, &title, |ui| outcome_ui(ui, noted, known, t));
        }
        is_done
    }

    fn form_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, name: &str, known: &Known) {
        let t = page.tokens;
        if let Some(task) = &self.running {
            let progress = task.progress();
            progress_ui(ui, progress.share, &progress.what, task.seconds_left());
            if button_ui(ui, tr("Cancel"), false).clicked() {
                task.cancel();
            }
            return;
        }
        let Some(set) = &known.audit_set else {
            ui.label(secondary(
                tr("It takes units that no training sees: lock some away under Data sets"),
                t,
            ));
            return;
        };
        let words = tr(
            "What it has to keep is written down before the first picture is read; nobody can change the outcome. Each look costs the set some of its worth",
        );
        ui.label(note(words, t));
        text_ui(ui, tr("It has to keep"), &mut self.criteria, 460.0, t);
        text_ui(ui, tr("Signed by"), &mut self.signed_by, 240.0, t);
        let criteria = criteria(&self.criteria);
        if let Err(why) = &criteria {
            told_ui(ui, Mark::Ask, why);
        }
        let is_ready = criteria.is_ok() && !self.signed_by.trim().is_empty();
        let label = format!("{} {} {}", tr("Audit it on"), set.units, tr("units"));
        if ui.add_enabled_ui(is_ready, |ui| button_ui(ui, &label, true)).inner.clicked()
            && let Ok(criteria) = criteria
        {
            match self.start(ui.ctx(), page, name, criteria) {
                Ok(task) => self.running = Some(task),
                Err(error) => page.toasts.trouble(error.to_string()),
            }
        }
    }

    fn start(
        &self,
        ctx: &egui::Context,
        page: &Page<'_>,
        name: &str,
        criteria: Vec<Criterion>,
    ) -> Result<Task<()>, EngineError> {
        let (folder, name, wake) = (page.session.folder.clone(), name.to_owned(), ctx.clone());
        let signer = self.signed_by.trim().to_owned();
        let request = AuditRequest {
            criteria,
            divert_from: Probability::saturating(DIVERT_FROM),
            signed_by: Some(signer.clone()),
            seed: SEED,
        };
        Task::start(
            tr("Final audit"),
            move || wake.request_repaint(),
            move |control| {
                let mut line = Line::open(&folder, super::feed::ACTOR)?;
                let model = find_model(Some(&folder), &name)?;
                let mut told = |done: usize, all: usize| control.count(done, all, tr("items"));
                engine::final_audit(&mut line, &model, &request, &signer, control.cancel(), &mut told)
                    .map(drop)
            },
        )
    }
}

fn criteria(text: &str) -> Result<Vec<Criterion>, String> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::parse).collect()
}

fn text_ui(ui: &mut Ui, name: &'static str, text: &mut String, width: f32, t: Tokens) {
    ui.horizontal(|ui| {
        ui.add_sized(vec2(110.0, 20.0), egui::Label::new(secondary(name, t)).halign(egui::Align::LEFT));
        let field = egui::TextEdit::singleline(text).desired_width(width).margin(vec2(8.0, 9.0));
        ui.add(field).widget_info(|| WidgetInfo::labeled(Role::TextInput, true, name));
    });
}

fn outcome_ui(ui: &mut Ui, noted: &Noted<AuditOutcome>, known: &Known, t: Tokens) {
    let outcome = &noted.what;
    let (mark, word) = if outcome.passed { (Mark::Pass, tr("Passed")) } else { (Mark::Divert, tr("Failed")) };
    ui.horizontal(|ui| {
        mark.show_ui(ui);
        ui.label(RichText::new(word).size(TITLE).color(mark.color(t)));
        let signers = known.signatures.iter().filter(|signed| signed.what.0 == noted.event);
        let names: Vec<&str> = signers.map(|signed| signed.what.1.as_str()).collect();
        let signed = if names.is_empty() { tr("not signed").to_owned() } else { names.join(", ") };
        ui.label(secondary(format!("{} {signed}", tr("signed:")), t));
    });
    Grid::new(noted.event.to_string()).num_columns(4).spacing(vec2(SPACE[3], SPACE[0])).show(ui, |ui| {
        for result in &outcome.results {
            criterion_ui(ui, result, t);
        }
    });
    let independence = match outcome.independence {
        Independence::Known => tr("it has not learnt from them"),
        Independence::Unknown => tr("whether it has learnt from them nobody knows"),
    };
    let words = format!(
        "{} {} {} {} · {} {} · {} {} {} {} · {independence}",
        outcome.items,
        tr("items of"),
        outcome.units,
        tr("units"),
        outcome.unmeasured,
        tr("could not be measured"),
        tr("audit number"),
        outcome.times,
        tr("of this model on them, look number"),
        outcome.uses,
    );
    ui.label(note(words, t));
}

fn criterion_ui(ui: &mut Ui, result: &CriterionResult, t: Tokens) {
    if result.passed { Mark::Pass } else { Mark::Divert }.show_ui(ui);
    ui.label(RichText::new(&result.criterion).size(SECONDARY));
    let value = result.value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    ui.label(secondary(value, t));
    let bound = result.bound.map_or_else(String::new, |bound| format!("{} {bound:.3}", tr("bound")));
    ui.label(note(bound, t));
    ui.end_row();
}
