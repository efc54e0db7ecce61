//! The promise page: what the model may decide alone and on what evidence, what escapes, what more labels
//! would buy, and what another promise would mean. Nothing on it changes anything until it is applied,
//! with a reason.

mod cards;
mod curve;

use super::feed::ACTOR;
use super::page::Page;
use super::texts::tr;
use super::theme::{BODY, SECONDARY, SPACE};
use super::verbs::Verb;
use super::widgets::{Mark, button_ui, card_ui, note, scroll_ui, secondary, told_ui};
use crate::domain::{AlarmKind, Level, Limit, Probability, Promise};
use crate::engine::{self, EngineError, Line, PromiseReport, Support, Task};
use eframe::egui::{self, Context, DragValue, RichText, Role, Ui, WidgetInfo, vec2};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The report is made anew when the line has changed, but no more often than this.
const REFRESH: Duration = Duration::from_secs(2);
/// What-if limits, in percent.
const LIMIT_PERCENT: std::ops::RangeInclusive<f64> = 0.1..=30.0;

/// What of the line the report depends on.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    verdicts: i64,
    automatic: i64,
    level: Option<Level>,
    model: Option<String>,
    alarms: usize,
}

#[derive(Default)]
pub struct PromisePage {
    report: Option<Result<Box<PromiseReport>, String>>,
    reading: Option<Task<Box<PromiseReport>>>,
    seen: Option<Seen>,
    read_at: Option<Instant>,
    /// Another promise that is looked at, and what the evidence says of it.
    what_if: Option<(Promise, Support)>,
    /// Why that promise, or its thresholds, are to be in force.
    reason: String,
    /// What was done about each alarm.
    remedies: BTreeMap<AlarmKind, String>,
    doing: Option<Task<Done>>,
    plan_changed: bool,
}

/// What an action has come to.
struct Done {
    told: String,
    plan_changed: bool,
}

impl PromisePage {
    /// Whether the plan was changed from here since it was asked last.
    pub fn take_plan_change(&mut self) -> bool {
        std::mem::take(&mut self.plan_changed)
    }

    pub fn ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        self.follow(ui.ctx(), page);
        let t = page.tokens;
        let ground = egui::Frame::new().fill(t.background[0]).inner_margin(SPACE[3]);
        egui::CentralPanel::default().frame(ground).show(ui, |ui| {
            scroll_ui(ui, "promise", |ui| match self.report.take() {
                None => {
                    ui.label(secondary(tr("Reading the evidence…"), t));
                }
                Some(Err(why)) => {
                    card_ui(ui, tr("Promise"), |ui| told_ui(ui, Mark::Ask, &why));
                    self.report = Some(Err(why));
                }
                Some(Ok(report)) => {
                    self.report_ui(ui, page, &report);
                    self.report = Some(Ok(report));
                }
            });
        });
    }

    fn report_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, report: &PromiseReport) {
        self.alarms_ui(ui, page, report);
        cards::figures_ui(ui, page, report);
        ui.add_space(SPACE[1]);
        let gap = ui.spacing().item_spacing.x;
        let side = (ui.available_width() * 0.32).max(300.0);
        let main = ui.available_width() - side - gap;
        let two = |ui: &mut Ui, add: &mut dyn FnMut(&mut Ui, usize)| {
            ui.horizontal_top(|ui| {
                for (i, width) in [main, side].into_iter().enumerate() {
                    ui.allocate_ui_with_layout(
                        vec2(width, 0.0),
                        egui::Layout::top_down(egui::Align::LEFT),
                        |ui| {
                            ui.set_width(width);
                            add(ui, i);
                        },
                    );
                }
            });
            ui.add_space(SPACE[1]);
        };
        let promise = page.session.plan.promise.clone();
        two(ui, &mut |ui, column| {
            if column == 0 {
                card_ui(ui, tr("What passing more would risk"), |ui| {
                    curve::risk_ui(ui, report, &promise, self.what_if.as_ref().map(|(_, s)| s), page.tokens);
                });
                return;
            }
            card_ui(ui, tr("What the next labels buy"), |ui| cards::outlook_ui(ui, report, page.tokens));
            ui.add_space(SPACE[1]);
            self.what_if_ui(ui, page, report);
        });
        two(ui, &mut |ui, column| {
            if column == 0 {
                card_ui(ui, tr("Escapes among what passed unseen, as checks came in"), |ui| {
                    curve::series_ui(ui, report, &promise, page.tokens);
                });
                ui.add_space(SPACE[1]);
                card_ui(ui, tr("Limits"), |ui| cards::limits_ui(ui, report, page.tokens));
                ui.add_space(SPACE[1]);
                card_ui(ui, tr("Evidence"), |ui| cards::evidence_ui(ui, report, page.tokens));
                return;
            }
            for level in [Level::Partial, Level::Full] {
                level_ui(ui, page, report, level);
                ui.add_space(SPACE[1]);
            }
            card_ui(ui, tr("Random checks"), |ui| cards::checks_ui(ui, report, page.tokens));
        });
    }

    /// Alarms stand until a person has seen to them.
    fn alarms_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, report: &PromiseReport) {
        for (since, alarm) in &report.alarms {
            card_ui(ui, tr("Alarm"), |ui| {
                told_ui(ui, Mark::Divert, format!("{} · {}", super::time::day(*since), alarm.text));
                ui.horizontal(|ui| {
                    let remedy = self.remedies.entry(alarm.kind).or_default();
                    reason_ui(ui, tr("What was done about it?"), remedy);
                    let reason = remedy.clone();
                    let name = format!("{} {}", tr("Clear the alarm:"), alarm.kind);
                    if self.button_ui(ui, &name, false, &reason) {
                        let kind = alarm.kind;
                        self.act(ui.ctx(), page, move |line, actor| clear(line, kind, actor, &reason));
                    }
                });
            });
            ui.add_space(SPACE[1]);
        }
    }

    /// Another promise, looked at without changing anything.
    fn what_if_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, report: &PromiseReport) {
        let t = page.tokens;
        let in_force = page.session.plan.promise.clone();
        let mut promise = self.what_if.as_ref().map_or(&in_force, |(promise, _)| promise).clone();
        card_ui(ui, tr("What if"), |ui| {
            egui::Grid::new("what-if").num_columns(3).show(ui, |ui| {
                for (name, limit) in [
                    (tr("outgoing defects"), &mut promise.outgoing),
                    (tr("misses"), &mut promise.miss),
                    (tr("overkill"), &mut promise.overkill),
                    (tr("errors"), &mut promise.error),
                ] {
                    let Some(limit) = limit else { continue };
                    limit_ui(ui, name, limit);
                    ui.end_row();
                }
                for (class, limits) in &mut promise.class {
                    for (name, limit) in
                        [(tr("misses of"), &mut limits.miss), (tr("errors as"), &mut limits.error)]
                    {
                        let Some(limit) = limit else { continue };
                        limit_ui(ui, &format!("{name} {class}"), limit);
                        ui.end_row();
                    }
                }
            });
            if promise != in_force && self.what_if.as_ref().is_none_or(|(seen, _)| *seen != promise) {
                let support = report.what_if(&promise);
                self.what_if = Some((promise.clone(), support));
            }
            if promise == in_force {
                self.what_if = None;
            }
            let support = self.what_if.as_ref().map_or(&report.support, |(_, support)| support);
            cards::support_ui(ui, support, t);
            let is_other = self.what_if.is_some();
            let differs = report.policy.as_ref().is_some_and(|p| p.thresholds != report.support.thresholds);
            if !report.is_live || !(is_other || differs) {
                ui.label(note(tr("In force as it is"), t));
                return;
            }
            reason_ui(ui, tr("Why?"), &mut self.reason);
            ui.horizontal(|ui| {
                let name = if is_other { tr("Apply this promise") } else { tr("Apply these thresholds") };
                let reason = self.reason.clone();
                if self.button_ui(ui, name, true, &reason) {
                    let change = is_other.then_some(promise);
                    self.act(ui.ctx(), page, move |line, actor| apply(line, change, actor, &reason));
                }
                if is_other && button_ui(ui, tr("Discard"), false).clicked() {
                    self.what_if = None;
                }
            });
        });
    }

    /// Nothing is done without a reason, and one thing at a time.
    fn button_ui(&self, ui: &mut Ui, name: &str, is_loud: bool, reason: &str) -> bool {
        let can_act = self.doing.is_none() && !reason.trim().is_empty();
        ui.add_enabled_ui(can_act, |ui| button_ui(ui, name, is_loud)).inner.clicked()
    }

    fn act(
        &mut self,
        ctx: &Context,
        page: &mut Page<'_>,
        work: impl FnOnce(&mut Line, &str) -> Result<Done, EngineError> + Send + 'static,
    ) {
        let (folder, wake) = (page.session.folder.clone(), ctx.clone());
        let actor =
            page.session.board.as_ref().map_or_else(|| ACTOR.to_owned(), |board| board.reviewer.clone());
        let task = Task::start(
            tr("Promise"),
            move || wake.request_repaint(),
            move |_| work(&mut Line::open(&folder, &actor)?, &actor),
        );
        match task {
            Ok(task) => self.doing = Some(task),
            Err(error) => page.toasts.trouble(error.to_string()),
        }
    }

    /// Takes in what has come, and reads again where the line has changed.
    fn follow(&mut self, ctx: &Context, page: &mut Page<'_>) {
        if let Some(done) = self.doing.as_mut().and_then(Task::result) {
            self.doing = None;
            match done {
                Ok(Done { told, plan_changed }) => {
                    page.toasts.note(told);
                    self.reason.clear();
                    self.remedies.clear();
                    self.what_if = None;
                    self.plan_changed = plan_changed;
                    self.seen = None;
                    self.read_at = None;
                }
                Err(error) => page.toasts.trouble(error.to_string()),
            }
        }
        if let Some(read) = self.reading.as_mut().and_then(Task::result) {
            self.reading = None;
            self.report = Some(read.map_err(|error| error.to_string()));
        }
        let station = &page.session.station;
        let now = Seen {
            verdicts: station.tallies.verdicts,
            automatic: station.tallies.automatic,
            level: station.level,
            model: station.model.clone(),
            alarms: station.alarms.len(),
        };
        let is_due = self.read_at.is_none_or(|at| at.elapsed() >= REFRESH);
        if self.reading.is_some() || self.seen.as_ref() == Some(&now) {
            return;
        }
        if !is_due {
            ctx.request_repaint_after(REFRESH);
            return;
        }
        self.seen = Some(now);
        self.read_at = Some(Instant::now());
        match read(page.session.folder.clone(), ctx) {
            Ok(task) => self.reading = Some(task),
            Err(error) => page.toasts.trouble(error.to_string()),
        }
    }
}

fn read(folder: PathBuf, ctx: &Context) -> Result<Task<Box<PromiseReport>>, EngineError> {
    let wake = ctx.clone();
    Task::start(
        tr("Promise"),
        move || wake.request_repaint(),
        move |_| Ok(Box::new(engine::promise_report(&Line::open(&folder, ACTOR)?, None)?)),
    )
}

/// What a level takes, and the button that asks for it.
fn level_ui(ui: &mut Ui, page: &mut Page<'_>, report: &PromiseReport, level: Level) {
    let t = page.tokens;
    let Some(list) = report.checklists.get(&level) else { return };
    let name = super::shell::capital(level.as_str());
    card_ui(ui, &format!("{}: {name}", tr("Level")), |ui| {
        for line in list {
            told_ui(ui, if line.is_met { Mark::Pass } else { Mark::Ask }, &line.what);
        }
        let is_ready = list.iter().all(|line| line.is_met);
        if report.level == level {
            ui.label(RichText::new(tr("In force")).size(BODY).strong());
        } else if is_ready && report.level < level {
            if button_ui(ui, &format!("{} {name}…", tr("Raise to")), true).clicked() {
                page.verbs.push(Verb::Level(level));
            }
        } else if report.level < level {
            ui.label(note(tr("It can be raised when all of this is there"), t));
        }
    });
}

fn reason_ui(ui: &mut Ui, hint: &str, reason: &mut String) {
    let field = egui::TextEdit::singleline(reason)
        .hint_text(hint)
        .desired_width(ui.available_width().min(260.0))
        .margin(vec2(8.0, 8.0));
    ui.add(field).widget_info(|| WidgetInfo::labeled(Role::TextInput, true, hint));
}

fn limit_ui(ui: &mut Ui, name: &str, limit: &mut Limit) {
    ui.label(RichText::new(format!("{name} ≤")).size(SECONDARY));
    let mut percent = limit.limit.get() * 100.0;
    let field = DragValue::new(&mut percent).range(LIMIT_PERCENT).speed(0.05).suffix(" %").max_decimals(2);
    let response = ui.add(field);
    response
        .widget_info(|| WidgetInfo::labeled(Role::SpinButton, true, format!("{}: {name}", tr("What if"))));
    if response.changed() {
        limit.limit = Probability::saturating(percent / 100.0);
    }
    ui.label(RichText::new(format!("{} {:.0} %", tr("at"), limit.confidence.get() * 100.0)).size(SECONDARY));
}

fn clear(line: &mut Line, kind: AlarmKind, actor: &str, reason: &str) -> Result<Done, EngineError> {
    line.clear_alarm(kind, actor, reason)?;
    Ok(Done {
        told: tr("The alarm is cleared; the level stays until you raise it").to_owned(),
        plan_changed: false,
    })
}

fn apply(line: &mut Line, change: Option<Promise>, actor: &str, reason: &str) -> Result<Done, EngineError> {
    let plan_changed = change.is_some();
    if let Some(promise) = change {
        let plan = crate::domain::Plan { promise, ..line.plan.clone() };
        line.set_plan(plan, actor)?;
    }
    line.adopt(actor, reason)?;
    Ok(Done { told: tr("The thresholds are in force").to_owned(), plan_changed })
}
