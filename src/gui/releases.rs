//! What becomes of a package on this line: its state, the steps that a person may take, what each takes, and
//! the comparison with the live model.

use super::canary::canary_ui;
use super::differences::Differences;
use super::errors_card::slice_word;
use super::layout::{field_ui, figures_ui, is_entered};
use super::page::Page;
use super::people_card::people_ui;
use super::texts::tr;
use super::theme::{BODY, SECONDARY, SPACE, Tokens};
use super::time;
use super::widgets::{Mark, button_ui, card_ui, note, percent, secondary, told_ui};
use crate::domain::{ModelRef, Release, ReleaseMove, ReleaseState, Timestamp};
use crate::engine::{
    self, Ask, BesidePeople, CompareReport, Comparison, EngineError, Line, Proof, ReleaseStep, Requirement,
    Task,
};
use eframe::egui::{self, Grid, RichText, Ui, vec2};
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
    /// What the newest final audit of the chosen package says.
    audit: Option<Requirement>,
    /// Why it may be time to train.
    advice: Option<String>,
    /// Of the chosen package, oldest first.
    history: Vec<ReleaseMove>,
}

#[derive(Default)]
pub(super) struct ReleasesCard {
    standing: Option<Standing>,
    /// For which package, and since when.
    of: Option<(String, Instant)>,
    reading: Option<Task<Standing>>,
    /// The step that waits for its reason.
    step: Option<ReleaseStep>,
    /// Asked for by its name, whether it is open to the package or not.
    asked: Option<ReleaseStep>,
    /// Stays until the step is taken: a refusal is no reason to write it again.
    reason: String,
    differences: Differences,
    /// The field for it has just come.
    takes_focus: bool,
}

impl ReleasesCard {
    /// Where each package stands, as far as it was read.
    pub fn releases(&self) -> &[Release] {
        self.standing.as_ref().map_or(&[], |standing| standing.releases.as_slice())
    }

    pub fn ask(&mut self, step: ReleaseStep) {
        self.asked = Some(step);
    }

    /// Says when it may be time to train; a person decides. True where that is asked for.
    pub fn advice_ui(&self, ui: &mut Ui) -> bool {
        let advice = self.standing.as_ref().and_then(|standing| standing.advice.as_ref());
        let Some(advice) = advice else { return false };
        let is_asked = ui
            .horizontal_wrapped(|ui| {
                told_ui(ui, Mark::Ask, format!("{}: {advice}", tr("It may be time to train")));
                button_ui(ui, tr("Train…"), false).clicked()
            })
            .inner;
        ui.add_space(SPACE[1]);
        is_asked
    }

    fn since(&self, name: &str) -> Option<Timestamp> {
        self.standing.as_ref().and_then(|standing| standing.since(name))
    }

    pub fn follow(&mut self, ctx: &egui::Context, page: &mut Page<'_>, package: &ModelRef) {
        let chosen = package.name.as_str();
        if let Some(done) = self.reading.as_mut().and_then(Task::result) {
            self.reading = None;
            match done {
                Ok(standing) => {
                    if self.since(chosen) != standing.since(chosen) {
                        self.reason.clear();
                    }
                    self.standing = Some(standing);
                }
                Err(error) => page.toasts.trouble(error.to_string()),
            }
        }
        // Others change what is shown: nobody moves the mouse for that.
        ctx.request_repaint_after(REFRESH);
        let is_due = self.of.as_ref().is_none_or(|(of, at)| of != chosen || at.elapsed() >= REFRESH);
        if !is_due || self.reading.is_some() {
            return;
        }
        if self.of.as_ref().is_some_and(|(of, _)| of != chosen) {
            (self.step, self.standing) = (None, self.standing.take().map(Standing::without_comparison));
            self.reason.clear();
        }
        self.of = Some((chosen.to_owned(), Instant::now()));
        let (folder, package, wake) = (page.session.folder.clone(), package.clone(), ctx.clone());
        let read = move |_: &engine::TaskControl| read(&folder, &package);
        match Task::start(tr("Reading the releases"), move || wake.request_repaint(), read) {
            Ok(task) => self.reading = Some(task),
            Err(error) => page.toasts.trouble(error.to_string()),
        }
    }

    /// The state of a package, `rest` where the line does not know it, and the steps that are open to it.
    /// `is_usable` where the plan knows its classes.
    pub fn steps_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, name: &str, rest: &str, is_usable: bool) {
        let t = page.tokens;
        let release = self.standing.as_ref().and_then(|standing| standing.release(name)).cloned();
        let state = release.as_ref().map_or(ReleaseState::Candidate, |release| release.state);
        if let Some(release) = &release {
            let share = release.canary.as_ref().map(|canary| percent(canary.share.get()));
            let share = share.map_or_else(String::new, |share| format!(" · {share} {}", tr("of the units")));
            let since = time::day(release.since);
            ui.label(secondary(format!("{}{share} · {since} · {}", state_name(state), release.reason), t));
        } else {
            ui.label(secondary(rest, t));
        }
        self.audit_ui(ui, t);
        ui.add_space(SPACE[0]);
        let steps = self.open_steps(state, is_usable, page.session.station.model.is_some());
        // Where it stands has to be known first.
        let is_known = self.standing.is_some() && self.of.as_ref().is_some_and(|(of, _)| of == name);
        if let Some(asked) = self.asked.take_if(|_| is_known) {
            if steps.contains(&asked) {
                (self.step, self.takes_focus) = (Some(asked), true);
            } else {
                let what = tr(step_name(asked)).trim_end_matches('…');
                page.toasts.note(format!(
                    "{what}: {} ({name}, {})",
                    tr("not a step of this model"),
                    state_name(state)
                ));
            }
        }
        if let Some(step) = self.step.filter(|step| steps.contains(step)) {
            self.reason_ui(ui, page, name, step);
            return;
        }
        ui.horizontal_wrapped(|ui| {
            for step in steps {
                let is_loud = step == ReleaseStep::Rollback;
                if button_ui(ui, tr(step_name(step)), is_loud).clicked() {
                    (self.step, self.takes_focus) = (Some(step), true);
                }
            }
        });
    }

    fn audit_ui(&self, ui: &mut Ui, t: Tokens) {
        match self.standing.as_ref().map(|standing| &standing.audit) {
            Some(Some(audit)) => {
                told_ui(ui, if audit.is_met { Mark::Pass } else { Mark::Ask }, &audit.what);
            }
            Some(None) => {
                ui.label(note(tr("no final audit yet"), t));
            }
            None => {}
        }
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
        let audit = self.standing.as_ref().and_then(|standing| standing.audit.as_ref());
        let has_failed = step == ReleaseStep::Promote && audit.is_some_and(|audit| !audit.is_met);
        let hint = if has_failed { tr("Why in spite of its final audit?") } else { tr("Why?") };
        ui.horizontal_wrapped(|ui| {
            let field = field_ui(ui, tr("Reason of the release"), hint, &mut self.reason, 320.0);
            if std::mem::take(&mut self.takes_focus) {
                field.request_focus();
            }
            let is_said = !self.reason.trim().is_empty();
            let label = tr(step_name(step)).trim_end_matches('…');
            let is_pressed = ui.add_enabled_ui(is_said, |ui| button_ui(ui, label, true)).inner.clicked();
            if is_pressed || (is_said && is_entered(ui, &field)) {
                let reason = self.reason.trim().to_owned();
                page.ask(Ask::Release { model: name.to_owned(), step, reason });
                (self.step, self.of) = (None, None);
            }
            if button_ui(ui, tr("Cancel"), false).clicked() {
                self.step = None;
            }
        });
        ui.label(note(tr(step_means(step)), t));
        if has_failed {
            let words = tr("It did not pass its final audit: all of its decisions go to people at first");
            told_ui(ui, Mark::Ask, words);
        }
    }

    /// What has become of the package, what the step to a larger share takes, and how it compares with the
    /// live one.
    pub fn standing_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        self.comparison_ui(ui, page);
        if let Some(standing) = &self.standing {
            history_ui(ui, &standing.history, page.tokens);
        }
    }

    fn comparison_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
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
            comparison_figures_ui(ui, report);
            ui.add_space(SPACE[1]);
            if canary.is_none() {
                checklist_ui(ui, &standing.checklist);
            }
            kinds_ui(ui, report, t);
            differences.ui(ui, page, report);
        });
        ui.add_space(SPACE[1]);
    }
}

/// Each step that it has taken: when, to where, by whom and why; the newest first.
fn history_ui(ui: &mut Ui, history: &[ReleaseMove], t: Tokens) {
    if history.is_empty() {
        return;
    }
    card_ui(ui, tr("What has become of it"), |ui| {
        Grid::new("history").num_columns(4).min_row_height(0.0).spacing(vec2(SPACE[3], SPACE[0])).show(
            ui,
            |ui| {
                for step in history.iter().rev() {
                    ui.label(note(time::day(step.at), t));
                    ui.label(RichText::new(state_name(step.to)).size(SECONDARY));
                    ui.label(secondary(&step.actor, t));
                    ui.label(secondary(&step.reason, t));
                    ui.end_row();
                }
            },
        );
    });
    ui.add_space(SPACE[1]);
}

/// What a step takes, met or not.
pub(super) fn checklist_ui(ui: &mut Ui, checklist: &[Requirement]) {
    for line in checklist {
        told_ui(ui, if line.is_met { Mark::Pass } else { Mark::Ask }, &line.what);
    }
}

impl Standing {
    fn release(&self, name: &str) -> Option<&Release> {
        self.releases.iter().find(|release| release.model.name == name)
    }

    fn since(&self, name: &str) -> Option<Timestamp> {
        self.release(name).map(|release| release.since)
    }

    fn without_comparison(self) -> Self {
        Self { compared: None, checklist: Vec::new(), audit: None, people: None, history: Vec::new(), ..self }
    }
}

fn read(folder: &Path, package: &ModelRef) -> Result<Standing, EngineError> {
    let line = Line::open(folder, super::feed::ACTOR)?;
    let releases = line.releases()?;
    let release = releases.iter().find(|release| release.model.name == package.name);
    let is_tried = release.is_some_and(|r| matches!(r.state, ReleaseState::Shadow | ReleaseState::Canary));
    let (mut compared, mut checklist) = (None, Vec::new());
    if is_tried {
        let model = engine::find_model(Some(folder), &package.name)?;
        compared = Some(Box::new(engine::compare(&line, &model)?));
        checklist = line.canary_checklist(&model)?;
    }
    let is_live = release.is_some_and(|release| release.state == ReleaseState::Live);
    let people = if is_live { engine::beside_people(&line)?.map(Box::new) } else { None };
    let audit = engine::audit_line(&line, &package.hash)?;
    let advice = engine::training_advice(&line)?;
    let history = line.store.view().release_history(&package.hash)?;
    Ok(Standing { releases, compared, checklist, people, audit, advice, history })
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

fn comparison_figures_ui(ui: &mut Ui, report: &CompareReport) {
    let (seen, known) = (report.seen, report.calls.n);
    let share = report.disagreements as f64 / seen.max(1) as f64;
    let ms = |ms: f64| format!("{ms:.1} ms");
    let left_out = format!("{} {} · {known} {}", report.dropped, tr("left out"), tr("with a known truth"));
    let differ = format!("{} {} {seen}", report.disagreements, tr("of"));
    let [rate, live_rate] = [report.automation_candidate, report.automation_live].map(percent);
    let [time, live_time] = [report.latency_candidate_ms.p50, report.latency_live_ms.p50].map(ms);
    let [live_rate, live_time] = [live_rate, live_time].map(|of_live| format!("{} {of_live}", tr("live")));
    figures_ui(
        ui,
        &[
            [tr("Seen by both"), &seen.to_string(), &left_out],
            [tr("Call differently"), &percent(share), &differ],
            [tr("Would decide alone"), &rate, &live_rate],
            [tr("Prepare and network, median"), &time, &live_time],
        ],
    );
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
    Grid::new("kinds of errors").num_columns(4).min_row_height(0.0).spacing(vec2(SPACE[3], SPACE[0])).show(
        ui,
        |ui| {
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
        },
    );
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
