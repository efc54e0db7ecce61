//! The final audit of a model: what it has to keep is entered first, then the audit set is looked at once, the
//! outcome stands, and whoever has seen it may sign it.

use super::datasets::Known;
use super::layout::field_ui;
use super::models::FIGURES;
use super::page::Page;
use super::texts::tr;
use super::theme::{SECONDARY, SPACE, TITLE, Tokens};
use super::time;
use super::widgets::{Mark, button_ui, card_ui, note, percent, progress_ui, secondary, told_ui};
use crate::domain::{
    AuditOutcome, Criterion, CriterionResult, EventId, Independence, Measure, Probability, Side,
};
use crate::engine::{self, AuditRequest, AuditSetReport, EngineError, Line, Task, TaskControl, find_model};
use crate::store::Noted;
use eframe::egui::{self, RichText, Ui};

/// A unit counts as diverted from here on.
const DIVERT_FROM: f64 = 0.5;
/// Intervals are the same each time.
const SEED: u64 = 1;
const CRITERIA_WIDTH: f32 = 460.0;

#[derive(Default)]
pub(super) struct AuditsCard {
    /// As typed; what the plan suggests until somebody does.
    criteria: Option<String>,
    running: Option<Task<()>>,
}

/// What is done on a thread of its own.
enum Work {
    Audit { model: String, criteria: Vec<Criterion> },
    Sign(EventId),
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
        let mut work = None;
        card_ui(ui, tr("Final audit"), |ui| work = self.form_ui(ui, page, name, known));
        let reviewer = page.reviewer();
        for noted in known.audits.iter().rev().filter(|noted| noted.what.model.name == name) {
            ui.add_space(SPACE[1]);
            let title = format!("{} · {}", time::day(noted.at), noted.actor);
            let is_signed = card_ui(ui, &title, |ui| outcome_ui(ui, noted, known, &reviewer, page.tokens));
            if is_signed && self.running.is_none() {
                work = Some(Work::Sign(noted.event));
            }
        }
        if let Some(work) = work {
            match start(ui.ctx(), page, work) {
                Ok(task) => self.running = Some(task),
                Err(error) => page.toasts.trouble(error.to_string()),
            }
        }
        is_done
    }

    fn form_ui(&mut self, ui: &mut Ui, page: &Page<'_>, name: &str, known: &Known) -> Option<Work> {
        let t = page.tokens;
        if let Some(task) = &self.running {
            let progress = task.progress();
            progress_ui(ui, progress.share, &progress.what, task.seconds_left());
            ui.horizontal(|ui| {
                if button_ui(ui, tr("Cancel"), false).clicked() {
                    task.cancel();
                }
            });
            return None;
        }
        let Some(set) = &known.audit_set else {
            ui.label(secondary(
                tr("It takes units that no training sees: lock some away under Data sets"),
                t,
            ));
            return None;
        };
        let words = tr(
            "What it has to keep is written down before the first picture is read; nobody can change the outcome. Each look costs the set some of its worth",
        );
        ui.label(note(words, t));
        let text = self.criteria.get_or_insert_with(|| suggestion(page));
        field_ui(ui, tr("It has to keep"), tr("It has to keep"), text, CRITERIA_WIDTH);
        let words = tr(
            "miss, overkill and recall:CLASS are shares of units, by an exact bound at the confidence behind @; figures like auroc have none",
        );
        ui.label(note(words, t));
        let criteria: Result<Vec<Criterion>, String> =
            text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::parse).collect();
        let is_ready = match &criteria {
            Ok(criteria) => criteria_ui(ui, criteria, set, t),
            Err(why) => {
                told_ui(ui, Mark::Ask, why);
                false
            }
        };
        let label = format!("{} {} {}", tr("Audit it on"), set.units, tr("units"));
        let is_pressed =
            ui.horizontal(|ui| ui.add_enabled_ui(is_ready, |ui| button_ui(ui, &label, true)).inner.clicked());
        let criteria = criteria.ok().filter(|_| is_pressed.inner)?;
        Some(Work::Audit { model: name.to_owned(), criteria })
    }
}

fn suggestion(page: &Page<'_>) -> String {
    let criteria = Criterion::suggested(&page.session.plan);
    criteria.iter().map(Criterion::to_string).collect::<Vec<_>>().join(", ")
}

/// Says what is demanded in words; true where a model could keep all of it on this set.
fn criteria_ui(ui: &mut Ui, criteria: &[Criterion], set: &AuditSetReport, t: Tokens) -> bool {
    let mut can_pass = !criteria.is_empty();
    for criterion in criteria {
        if let Some(why) = engine::out_of_reach(criterion, set) {
            told_ui(ui, Mark::Ask, why);
            can_pass = false;
        } else {
            ui.label(secondary(criterion_words(criterion), t));
        }
    }
    can_pass
}

fn start(ctx: &egui::Context, page: &Page<'_>, work: Work) -> Result<Task<()>, EngineError> {
    let (folder, reviewer, wake) = (page.session.folder.clone(), page.reviewer(), ctx.clone());
    let job = move |control: &TaskControl| {
        let mut line = Line::open(&folder, super::feed::ACTOR)?;
        let (model, criteria) = match work {
            Work::Sign(audit) => return engine::sign_audit(&mut line, audit, &reviewer),
            Work::Audit { model, criteria } => (find_model(Some(&folder), &model)?, criteria),
        };
        let divert_from = Probability::saturating(DIVERT_FROM);
        let request = AuditRequest { criteria, divert_from, signed_by: None, seed: SEED };
        let mut told = |done: usize, all: usize| control.count(done, all, tr("items"));
        engine::final_audit(&mut line, &model, &request, &reviewer, control.cancel(), &mut told).map(drop)
    };
    Task::start(tr("Final audit"), move || wake.request_repaint(), job)
}

/// "Of defective units at most 5 % pass, at 95 % confidence".
fn criterion_words(criterion: &Criterion) -> String {
    let limit = criterion.limit.percent();
    let confidence = criterion.confidence.map_or_else(String::new, |confidence| {
        format!(", {} {} {}", tr("at"), confidence.percent(), tr("confidence"))
    });
    match &criterion.measure {
        Measure::Miss => format!("{} {limit} {}{confidence}", tr("Of defective units at most"), tr("pass")),
        Measure::Overkill => {
            format!("{} {limit} {}{confidence}", tr("Of good units at most"), tr("are diverted"))
        }
        Measure::Recall(class) => format!(
            "{} {class} {} {limit} {}{confidence}",
            tr("Of units with"),
            tr("at least"),
            tr("are named rightly")
        ),
        Measure::Figure(name) => {
            let words =
                FIGURES.iter().find(|(key, _)| key == name).map_or(name.as_str(), |(_, words)| tr(words));
            let side = if criterion.side == Side::AtLeast { tr("at least") } else { tr("at most") };
            format!("{words} {side} {}", criterion.limit.get())
        }
    }
}

/// True when whoever sits at the window signs it.
fn outcome_ui(ui: &mut Ui, noted: &Noted<AuditOutcome>, known: &Known, reviewer: &str, t: Tokens) -> bool {
    let outcome = &noted.what;
    let (mark, word) = if outcome.passed { (Mark::Pass, tr("Passed")) } else { (Mark::Divert, tr("Failed")) };
    let signers = known.signatures.iter().filter(|signed| signed.what.0 == noted.event);
    let names: Vec<&str> = signers.map(|signed| signed.what.1.as_str()).collect();
    ui.horizontal(|ui| {
        mark.show_ui(ui);
        ui.label(RichText::new(word).size(TITLE).color(mark.color(t)));
        let signed = if names.is_empty() { tr("nobody yet").to_owned() } else { names.join(", ") };
        ui.label(secondary(format!("{} {signed}", tr("signed:")), t));
    });
    for result in &outcome.results {
        result_ui(ui, result, t);
    }
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
    if reviewer.is_empty() || names.contains(&reviewer) {
        return false;
    }
    ui.horizontal(|ui| button_ui(ui, &format!("{} {reviewer}", tr("Sign as")), false).clicked()).inner
}

fn result_ui(ui: &mut Ui, result: &CriterionResult, t: Tokens) {
    let words = result.criterion.parse().map_or_else(|_| result.criterion.clone(), |c| criterion_words(&c));
    ui.horizontal_wrapped(|ui| {
        if result.passed { Mark::Pass } else { Mark::Divert }.show_ui(ui);
        ui.label(RichText::new(words).size(SECONDARY));
        ui.label(note(found_words(result), t));
    });
}

/// "13 of 19, 68 % [43 %, 87 %] · bound 84 %", "0.826 [0.701, 0.914] · n = 57", or why there is nothing.
fn found_words(result: &CriterionResult) -> String {
    let Some(value) = result.value else { return result.reason.clone().unwrap_or_default() };
    let is_rate = result.errors.is_some();
    let shown = |value: f64| if is_rate { percent(value) } else { format!("{value:.3}") };
    let interval = result.interval;
    let interval =
        interval.map_or_else(String::new, |[low, high]| format!(" [{}, {}]", shown(low), shown(high)));
    let bound = result.bound.map_or_else(String::new, |bound| format!(" · {} {}", tr("bound"), shown(bound)));
    match result.errors {
        Some(errors) => {
            let errors = format!("{errors} {} {} {}", tr("wrong of"), result.n, tr("units"));
            format!("{errors}, {}{interval}{bound}", shown(value))
        }
        None => format!("{}{interval} · n = {}", shown(value), result.n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_criterion_reads_as_a_sentence() {
        for (text, words) in [
            ("miss<=0.05@0.95", "Of defective units at most 5 % pass, at 95 % confidence"),
            ("overkill<=0.005", "Of good units at most 0.5 % are diverted"),
            ("recall:crack>=0.8", "Of units with crack at least 80 % are named rightly"),
            ("auroc>=0.9", "AUROC, defective against good at least 0.9"),
        ] {
            assert_eq!(criterion_words(&text.parse().unwrap()), words);
        }
    }
}
