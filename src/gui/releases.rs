//! What becomes of a package on this line: its state, the steps that a person may take, what each takes, and
//! the comparison with the live model.

use super::canary::canary_ui;
use super::differences::Differences;
use super::errors_card::slice_word;
use super::page::Page;
use super::people_card::people_ui;
use super::texts::tr;
use super::theme::{BODY, SECONDARY, SPACE, Tokens};
use super::time;
use super::widgets::{Mark, button_ui, card_ui, figure_ui, note, percent, secondary, told_ui};
use crate::domain::{Release, ReleaseState};
use crate::engine::{
    self, Ask, BesidePeople, CompareReport, Comparison, EngineError, Line, Proof, ReleaseStep, Requirement,
    Task,
};
use eframe::egui::{self, Grid, RichText, Role, Ui, WidgetInfo, vec2};
use std::path::Path;
use std::time::{Duration, Instant};

/// A comparison is made anew this often while it is looked at.
const REFRESH: Duration = Duration::from_secs(3);

/// What is known of one package on this line.
pub(super) struct Standing {
    pub releases: Vec<Release>,
    /// Of the chosen package, where there is a live one to compare with.
    compared: Option<Box<CompareReport>>,
    checklist: Vec<Requirement>,
    /// Of the live one, where that is chosen.
    people: Option<Box<BesidePeople>>,
    /// Why it may be time to train.
    advice: Option<String>,
}

#[derive(Default)]
pub(super) struct ReleasesCard {
    standing: Option<Standing>,
    /// For which package, and since when.
    of: Option<(String, Instant)>,
    reading: Option<Task<Standing>>,
    /// The step that waits for its reason.
    step: Option<ReleaseStep>,
    reason: String,
    differences: Differences,
}

impl ReleasesCard {
    /// Where each package stands, as far as it was read.
    pub fn releases(&self) -> &[Release] {
        self.standing.as_ref().map_or(&[], |standing| standing.releases.as_slice())
    }

    /// Says when it may be time to train; a person decides.
    pub fn advice_ui(&self, ui: &mut Ui) {
        let advice = self.standing.as_ref().and_then(|standing| standing.advice.as_ref());
        if let Some(advice) = advice {
            told_ui(ui, Mark::Ask, format!("{}: {advice}", tr("It may be time to train")));
        }
    }

    fn state_of(&self, name: &str) -> Option<&Release> {
        self.releases().iter().find(|release| release.model.name == name)
    }

    pub fn follow(&mut self, ctx: &egui::Context, page: &mut Page<'_>, chosen: &str) {
        if let Some(done) = self.reading.as_mut().and_then(Task::result) {
            self.reading = None;
            match done {
                Ok(standing) => self.standing = Some(standing),
                Err(error) => page.toasts.trouble(error.to_string()),
            }
        }
        let is_due = self.of.as_ref().is_none_or(|(of, at)| of != chosen || at.elapsed() >= REFRESH);
        if !is_due || self.reading.is_some() {
            return;
        }
        if self.of.as_ref().is_some_and(|(of, _)| of != chosen) {
            (self.step, self.standing) = (None, self.standing.take().map(Standing::without_comparison));
        }
        self.of = Some((chosen.to_owned(), Instant::now()));
        let (folder, name, wake) = (page.session.folder.clone(), chosen.to_owned(), ctx.clone());
        let read = move |_: &engine::TaskControl| read(&folder, &name);
        match Task::start(tr("Reading the releases"), move || wake.request_repaint(), read) {
            Ok(task) => self.reading = Some(task),
            Err(error) => page.toasts.trouble(error.to_string()),
        }
    }

    /// The state of a package and the steps that are open to it. `is_usable` where the plan knows its classes.
    pub fn steps_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, name: &str, is_usable: bool) {
        let t = page.tokens;
        let release = self.state_of(name).cloned();
        let state = release.as_ref().map_or(ReleaseState::Candidate, |release| release.state);
        if let Some(release) = &release {
            let share = release.canary.as_ref().map(|canary| percent(canary.share.get()));
            let share = share.map_or_else(String::new, |share| format!(" · {share} {}", tr("of the units")));
            let since = time::day(release.since);
            ui.label(secondary(format!("{}{share} · {since} · {}", state_name(state), release.reason), t));
        } else {
            ui.label(secondary(state_name(state), t));
        }
        ui.add_space(SPACE[0]);
        let steps = self.open_steps(state, is_usable, page.session.station.model.is_some());
        if let Some(step) = self.step.filter(|step| steps.contains(step)) {
            self.reason_ui(ui, page, name, step);
            return;
        }
        ui.horizontal_wrapped(|ui| {
            for step in steps {
                let is_loud = step == ReleaseStep::Rollback;
                if button_ui(ui, tr(step_name(step)), is_loud).clicked() {
                    self.step = Some(step);
                }
            }
        });
    }

    fn open_steps(&self, state: ReleaseState, is_usable: bool, has_live: bool) -> Vec<ReleaseStep> {
        let was_live =
            |release: &Release| release.state == ReleaseState::Retired && release.live_at.is_some();
        match state {
            ReleaseState::Live if self.releases().iter().any(was_live) => vec![ReleaseStep::Rollback],
            ReleaseState::Live => Vec::new(),
            _ if !is_usable => Vec::new(),
            _ if !has_live => vec![ReleaseStep::Promote],
            ReleaseState::Candidate | ReleaseState::Retired => {
                vec![ReleaseStep::Shadow, ReleaseStep::Canary(Proof::Required), ReleaseStep::Promote]
            }
            ReleaseState::Shadow => {
                vec![ReleaseStep::Canary(Proof::Required), ReleaseStep::Promote, ReleaseStep::Retire]
            }
            ReleaseState::Canary => vec![
                ReleaseStep::Canary(Proof::Required),
                ReleaseStep::Promote,
                ReleaseStep::Shadow,
                ReleaseStep::Retire,
            ],
        }
    }

    fn reason_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, name: &str, step: ReleaseStep) {
        let t = page.tokens;
        ui.horizontal(|ui| {
            let field = egui::TextEdit::singleline(&mut self.reason)
                .hint_text(tr("Why?"))
                .desired_width(320.0)
                .margin(vec2(8.0, 9.0));
            ui.add(field)
                .widget_info(|| WidgetInfo::labeled(Role::TextInput, true, tr("Reason of the release")));
            let is_said = !self.reason.trim().is_empty();
            let label = tr(step_name(step)).trim_end_matches('…');
            if ui.add_enabled_ui(is_said, |ui| button_ui(ui, label, true)).inner.clicked() {
                let reason = std::mem::take(&mut self.reason).trim().to_owned();
                page.ask(Ask::Release { model: name.to_owned(), step, reason });
                (self.step, self.of) = (None, None);
            }
            if button_ui(ui, tr("Cancel"), false).clicked() {
                self.step = None;
            }
        });
        ui.label(note(tr(step_means(step)), t));
    }

    /// What the step to a larger share takes, and how the package compares with the live one.
    pub fn comparison_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let t = page.tokens;
        let Self { standing: Some(standing), differences, .. } = self else { return };
        if let Some(people) = &standing.people {
            people_ui(ui, page, people);
        }
        let Some(report) = &standing.compared else { return };
        let canary = standing.releases.iter().find(|r| r.canary.is_some() && r.model == report.candidate);
        if let Some(canary) = canary {
            canary_ui(ui, page, canary, report, &standing.checklist);
            ui.add_space(SPACE[1]);
        }
        card_ui(ui, tr("Beside the live model"), |ui| {
            figures_ui(ui, report, t);
            ui.add_space(SPACE[1]);
            ui.columns(2, |columns| {
                kinds_ui(&mut columns[0], report, t);
                for line in standing.checklist.iter().filter(|_| canary.is_none()) {
                    let mark = if line.is_met { Mark::Pass } else { Mark::Ask };
                    told_ui(&mut columns[1], mark, &line.what);
                }
            });
            differences.ui(ui, page, report);
        });
        ui.add_space(SPACE[1]);
    }
}

impl Standing {
    fn without_comparison(self) -> Self {
        Self { compared: None, checklist: Vec::new(), people: None, ..self }
    }
}

fn read(folder: &Path, name: &str) -> Result<Standing, EngineError> {
    let line = Line::open(folder, super::feed::ACTOR)?;
    let releases = line.releases()?;
    let release = releases.iter().find(|release| release.model.name == name);
    let is_tried = release.is_some_and(|r| matches!(r.state, ReleaseState::Shadow | ReleaseState::Canary));
    let (mut compared, mut checklist) = (None, Vec::new());
    if is_tried {
        let model = engine::find_model(Some(folder), name)?;
        compared = Some(Box::new(engine::compare(&line, &model)?));
        checklist = line.canary_checklist(&model)?;
    }
    let is_live = release.is_some_and(|release| release.state == ReleaseState::Live);
    let people = if is_live { engine::beside_people(&line)?.map(Box::new) } else { None };
    let advice = engine::training_advice(&line)?;
    Ok(Standing { releases, compared, checklist, people, advice })
}

pub(super) fn state_name(state: ReleaseState) -> &'static str {
    match state {
        ReleaseState::Candidate => tr("candidate"),
        ReleaseState::Shadow => tr("in shadow"),
        ReleaseState::Canary => tr("canary"),
        ReleaseState::Live => tr("live"),
        ReleaseState::Retired => tr("retired"),
    }
}

const fn step_name(step: ReleaseStep) -> &'static str {
    match step {
        ReleaseStep::Shadow => "Into shadow…",
        ReleaseStep::Canary(_) => "A share of the line…",
        ReleaseStep::Promote => "Make it live…",
        ReleaseStep::Retire => "Retire…",
        ReleaseStep::Rollback => "Roll back…",
    }
}

const fn step_means(step: ReleaseStep) -> &'static str {
    match step {
        ReleaseStep::Shadow => "It predicts beside the live model and decides nothing",
        ReleaseStep::Canary(_) => {
            "The plan's next share of the units, decided by thresholds that its own evidence supports; it is taken back by itself where it is worse"
        }
        ReleaseStep::Promote => {
            "Thresholds are computed anew from its own evidence; what that does not support goes to people. A model that has not shown itself in shadow and on a share of the line leaves everything to people"
        }
        ReleaseStep::Retire => "It predicts no more; its package stays",
        ReleaseStep::Rollback => "The model that was live before decides from the next item on",
    }
}

fn figures_ui(ui: &mut Ui, report: &CompareReport, t: Tokens) {
    ui.columns(4, |columns| {
        let about = format!(
            "{} {} · {} {}",
            report.dropped,
            tr("left out"),
            report.calls.n,
            tr("with a known truth")
        );
        figure_ui(&mut columns[0], tr("Seen by both"), &report.seen.to_string(), &about, t.text[0]);
        let share = report.disagreements as f64 / report.seen.max(1) as f64;
        let about = format!("{} {} {}", report.disagreements, tr("of"), report.seen);
        figure_ui(&mut columns[1], tr("Call differently"), &percent(share), &about, t.text[0]);
        let about = format!("{} {}", tr("live"), percent(report.automation_live));
        let rate = percent(report.automation_candidate);
        figure_ui(&mut columns[2], tr("Would decide alone"), &rate, &about, t.text[0]);
        let about = format!("{} {:.1} ms", tr("live"), report.latency_live_ms.p50);
        let ms = format!("{:.1} ms", report.latency_candidate_ms.p50);
        figure_ui(&mut columns[3], tr("Prepare and network, median"), &ms, &about, t.text[0]);
    });
}

/// Each kind of error: of both, the difference with its interval, and what would settle it.
fn kinds_ui(ui: &mut Ui, report: &CompareReport, t: Tokens) {
    let kinds = [
        (tr("wrong calls").to_owned(), &report.calls),
        (tr("escapes").to_owned(), &report.escapes),
        (tr("false diverts").to_owned(), &report.overkill),
    ];
    let slices = report
        .slices
        .iter()
        .map(|slice| (format!("{}: {}", slice_word(slice.kind), slice.name), &slice.calls));
    Grid::new("kinds of errors").num_columns(4).spacing(vec2(SPACE[3], SPACE[0])).show(ui, |ui| {
        for head in [tr("error"), tr("only live"), tr("only candidate"), tr("difference, 95 %")] {
            ui.label(note(head, t));
        }
        ui.end_row();
        for (name, comparison) in kinds.into_iter().chain(slices) {
            ui.label(RichText::new(name).size(SECONDARY));
            ui.label(RichText::new(comparison.only_live_wrong.to_string()).size(BODY));
            ui.label(RichText::new(comparison.only_candidate_wrong.to_string()).size(BODY));
            ui.label(secondary(difference(comparison), t));
            ui.end_row();
        }
    });
    let settled = match report.calls.verdicts_needed {
        Some(0) => format!("p = {:.4} · {}", report.calls.p_value, tr("settled")),
        Some(more) => {
            format!("p = {:.3} · ≈ {more} {}", report.calls.p_value, tr("more verdicts would settle it"))
        }
        None => format!(
            "p = {:.3} · {}",
            report.calls.p_value,
            tr("no difference so far that verdicts could settle")
        ),
    };
    ui.label(note(settled, t));
}

fn difference(comparison: &Comparison) -> String {
    if comparison.n == 0 {
        return "–".to_owned();
    }
    let at = |share: f64| share * 100.0;
    format!(
        "{:+.1} % [{:+.1}, {:+.1}], n {}",
        at(comparison.difference),
        at(comparison.low),
        at(comparison.high),
        comparison.n
    )
}
