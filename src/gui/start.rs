//! Opening lines: the welcome, a line's folder, and the wizard that plans a new one. What touches files
//! happens on threads.

use super::dialog::pick_folder;
use super::icon::Icon;
use super::session::{Opening, Session};
use super::settings::microphone::Devices;
use super::settings::plan_form::PlanForm;
use super::texts::tr;
use super::theme::{BODY, FIGURE, SPACE, TITLE, tokens};
use super::widgets::{Face, button_ui, modal_ui, note, row_ui, secondary, warning_ui};
use crate::domain::{Level, Plan, Task as Work};
use crate::engine::{EngineError, Line, LineRequest, StationOptions, Task, demo_line, window_options};
use crate::store;
use crossbeam_channel::Receiver;
use eframe::egui::{self, Key, Modifiers, RichText, ScrollArea, Ui, vec2};
use std::path::{Path, PathBuf};

/// The demo line's folder among the others.
pub const DEMO: &str = "demo-line";
/// Who makes lines from this window.
const ACTOR: &str = super::feed::ACTOR;

/// What to open.
pub enum Start {
    /// The demo line, kept in this folder.
    Demo(PathBuf),
    Line {
        folder: PathBuf,
        options: Option<StationOptions>,
    },
    New {
        folder: PathBuf,
        plan: Box<Plan>,
    },
}

/// Opens, or makes and opens, on a thread.
pub fn open(what: Start, reviewer: &str, ctx: &egui::Context) -> Result<Opening, String> {
    let reviewer = reviewer.to_owned();
    match what {
        Start::Demo(folder) => {
            let to_make = folder.clone();
            Opening::start(folder, reviewer, ctx.clone(), move || {
                demo_line(Some(&to_make), None, ACTOR)?;
                Ok(window_options(&Line::open(&to_make, ACTOR)?))
            })
        }
        Start::Line { folder, options } => {
            let to_open = folder.clone();
            Opening::start(folder, reviewer, ctx.clone(), move || match options {
                Some(options) => Ok(options),
                None => Ok(window_options(&Line::open(&to_open, ACTOR)?)),
            })
        }
        Start::New { folder, plan } => {
            let to_make = folder.clone();
            Opening::start(folder, reviewer, ctx.clone(), move || {
                let request = LineRequest { plan: *plan, level: Level::Assist, model: None };
                Ok(window_options(&Line::create(&to_make, request, ACTOR)?))
            })
        }
    }
}

/// The same line again, after the station that runs has ended.
pub fn reopen(
    session: Session,
    folder: PathBuf,
    options: StationOptions,
    reviewer: &str,
    ctx: &egui::Context,
) -> Result<Opening, String> {
    Opening::start(folder, reviewer.to_owned(), ctx.clone(), move || {
        drop(session);
        Ok(options)
    })
}

/// A verified copy of the line beside it, named by the time.
pub fn back_up(folder: &Path, ctx: &egui::Context) -> Result<Task<String>, EngineError> {
    let (folder, wake) = (folder.to_owned(), ctx.clone());
    Task::start(
        tr("Backup"),
        move || wake.request_repaint(),
        move |control| {
            let stamp = super::time::stamp(crate::domain::Timestamp::now());
            let name =
                folder.file_name().map_or_else(|| "line".into(), |name| name.to_string_lossy().into_owned());
            let out = folder.with_file_name(format!("{name}-backup-{stamp}"));
            let report = store::backup(&folder, &out, &mut |done, total| {
                control.count(done, total, tr("pictures copied"));
                !control.cancel().load(std::sync::atomic::Ordering::Relaxed)
            })?;
            if !report.ok {
                return Err(EngineError::Failed(format!(
                    "{}: {}",
                    tr("The copy is not whole"),
                    report.faults.join("; ")
                )));
            }
            Ok(format!("{} {} {}: {}", tr("Backed up"), report.events, tr("events"), out.display()))
        },
    )
}

#[derive(Default)]
enum Shown {
    #[default]
    Nothing,
    Welcome,
    Open,
    New(Box<PlanForm>),
}

/// The welcome and its two ways on, over whatever page there is.
#[derive(Default)]
pub struct StartPage {
    shown: Shown,
    path: String,
    /// The path has not been typed in yet.
    is_new: bool,
    dialog: Option<Receiver<Option<PathBuf>>>,
    devices: Devices,
}

impl StartPage {
    pub fn is_shown(&self) -> bool {
        !matches!(self.shown, Shown::Nothing)
    }

    pub fn show_welcome(&mut self) {
        self.shown = Shown::Welcome;
    }

    pub fn show_open(&mut self) {
        self.shown = Shown::Open;
        self.is_new = true;
    }

    /// `data` is where lines are kept that nobody gave another place.
    pub fn show_new(&mut self, data: &Path) {
        let plan = Plan::new("New line", Work::Defect, Vec::new());
        self.shown = Shown::New(Box::new(PlanForm::new(&plan)));
        self.path = data.join("new-line").display().to_string();
    }

    pub fn close(&mut self) {
        if !matches!(self.shown, Shown::Welcome) {
            self.shown = Shown::Nothing;
        }
    }

    /// What is to be opened, once it was chosen.
    pub fn ui(
        &mut self,
        ctx: &egui::Context,
        data: &Path,
        opening: Option<&Path>,
        has_line: bool,
    ) -> Option<Start> {
        if let Some(path) = self.dialog.as_ref().and_then(|dialog| dialog.try_recv().ok()) {
            self.dialog = None;
            if let Some(path) = path {
                self.path = path.display().to_string();
            }
        }
        let escape =
            self.is_shown() && ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape));
        if escape && has_line {
            self.shown = Shown::Nothing;
            return None;
        }
        match std::mem::take(&mut self.shown) {
            Shown::Nothing => None,
            Shown::Welcome => self.welcome_ui(ctx, data, opening, has_line),
            Shown::Open => self.open_ui(ctx, has_line),
            Shown::New(form) => self.new_ui(ctx, form, has_line),
        }
    }

    fn welcome_ui(
        &mut self,
        ctx: &egui::Context,
        data: &Path,
        opening: Option<&Path>,
        has_line: bool,
    ) -> Option<Start> {
        let enter = ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
        let mut next = if enter && has_line { Shown::Nothing } else { Shown::Welcome };
        let mut start = None;
        modal_ui(ctx, "welcome", 520.0, |ui| {
            let t = tokens(ui);
            ui.label(RichText::new("Second Look").size(FIGURE).strong());
            ui.label(RichText::new(tr("A model decides what it is sure of, a person the rest.")).size(BODY));
            ui.add_space(SPACE[2]);
            let width = ui.available_width() - 2.0;
            let ready = if has_line { tr("it runs already") } else { tr("it is being made") };
            let face = |icon, about| Face { icon: Some(icon), about, ..Face::default() };
            if row_ui(
                ui,
                width,
                "Enter",
                tr("Look around in the demo line"),
                Face { is_selected: true, ..face(Icon::Play, ready) },
            )
            .clicked()
            {
                next = Shown::Nothing;
                if !has_line && opening.is_none() {
                    start = Some(Start::Demo(data.join(DEMO)));
                }
            }
            if row_ui(ui, width, "", tr("Open a line"), face(Icon::Folder, tr("a folder on this machine")))
                .clicked()
            {
                next = Shown::Open;
                self.is_new = true;
            }
            if row_ui(
                ui,
                width,
                "",
                tr("Plan a new line"),
                face(Icon::Plus, tr("what is inspected, and what is promised")),
            )
            .clicked()
            {
                self.show_new(data);
                next = std::mem::take(&mut self.shown);
            }
            ui.add_space(SPACE[1]);
            ui.label(note(tr("Everything stays on this machine."), t));
        });
        self.shown = next;
        start
    }

    fn open_ui(&mut self, ctx: &egui::Context, has_line: bool) -> Option<Start> {
        let mut next = Shown::Open;
        let mut start = None;
        modal_ui(ctx, "open", 600.0, |ui| {
            ui.label(RichText::new(tr("Open a line")).size(TITLE).strong());
            self.path_ui(ui, tr("The line's folder"));
            let enter = ui.input(|input| input.key_pressed(Key::Enter));
            ui.horizontal(|ui| {
                if button_ui(ui, tr("Open"), true).clicked() || (enter && !self.path.is_empty()) {
                    let folder = PathBuf::from(self.path.trim());
                    start = Some(Start::Line { folder, options: None });
                    next = Shown::Nothing;
                }
                if button_ui(ui, tr("Cancel"), false).clicked() {
                    next = if has_line { Shown::Nothing } else { Shown::Welcome };
                }
            });
        });
        self.shown = next;
        start
    }

    fn new_ui(&mut self, ctx: &egui::Context, mut form: Box<PlanForm>, has_line: bool) -> Option<Start> {
        let mut start = None;
        let mut is_left = false;
        let room = ctx.content_rect();
        modal_ui(ctx, "new", (room.width() - 120.0).min(820.0), |ui| {
            let t = tokens(ui);
            ui.label(RichText::new(tr("A new line")).size(FIGURE));
            ui.label(secondary(tr("What is inspected, what it may cost, and what is promised. All of it can be changed later."), t));
            ScrollArea::vertical().max_height(room.height() - 260.0).show(ui, |ui| {
                self.path_ui(ui, tr("Where the line is kept"));
                form.ui(ui, true, &mut self.devices);
            });
            let plan = form.plan();
            match &plan {
                Err(why) => warning_ui(ui, why),
                Ok(_) => ui.label(note(tr("The plan is written to line.toml in that folder"), t)),
            };
            ui.horizontal(|ui| {
                let make = ui.add_enabled_ui(plan.is_ok() && !self.path.trim().is_empty(), |ui| {
                    button_ui(ui, tr("Make the line"), true)
                });
                if make.inner.clicked()
                    && let Ok(plan) = plan
                {
                    let folder = PathBuf::from(self.path.trim());
                    start = Some(Start::New { folder, plan: Box::new(plan) });
                    is_left = true;
                }
                is_left |= button_ui(ui, tr("Cancel"), false).clicked();
            });
        });
        self.shown = match (is_left, has_line || start.is_some()) {
            (false, _) => Shown::New(form),
            (true, true) => Shown::Nothing,
            (true, false) => Shown::Welcome,
        };
        start
    }

    /// A path can always be typed; the system's dialog only helps, where there is one.
    fn path_ui(&mut self, ui: &mut Ui, title: &'static str) {
        let t = tokens(ui);
        ui.label(secondary(title, t));
        ui.horizontal(|ui| {
            let field = egui::TextEdit::singleline(&mut self.path)
                .desired_width(ui.available_width() - 140.0)
                .margin(vec2(10.0, 9.0));
            let response = ui.add(field);
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, title));
            if std::mem::take(&mut self.is_new) {
                response.request_focus();
            }
            let is_waiting = self.dialog.is_some();
            if ui.add_enabled_ui(!is_waiting, |ui| button_ui(ui, tr("Browse…"), false)).inner.clicked() {
                self.dialog = pick_folder(ui.ctx());
            }
        });
    }
}

/// Before there is a line.
pub fn ground_ui(ui: &mut Ui, is_opening: bool) {
    let t = tokens(ui);
    egui::CentralPanel::default().frame(egui::Frame::new().fill(t.background[0])).show(ui, |ui| {
        ui.vertical_centered(|ui| {
            ui.add_space(ui.available_height() * 0.45);
            let text = if is_opening { tr("Opening the line…") } else { tr("No line is open") };
            ui.label(secondary(text, t));
        });
    });
}
