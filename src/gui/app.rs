//! The application: which line is open, which page is shown, and where each verb goes.

use super::config::{Config, Keeper, TEXT_MAX, TEXT_MIN, TEXT_STEP, ThemeChoice};
use super::feed::StationAsk;
use super::labels::LabelsPage;
use super::line_page;
use super::models::ModelsPage;
use super::page::Page;
use super::promise::PromisePage;
use super::question::{Change, Question};
use super::review::ReviewPage;
use super::session::{News, Opening, Session};
use super::settings::SettingsPage;
use super::shell::{self, Left, Palette, Place};
use super::start::{self, Start, StartPage};
use super::texts::tr;
use super::theme;
use super::toasts::Toasts;
use super::verbs::{Keymap, Scope, Verb};
use crate::engine::{StationOptions, Task};
use crossbeam_channel::{Receiver, bounded};
use eframe::egui::{self, ThemePreference, Ui};
use std::path::PathBuf;

/// Verbs that open something of another page.
const LABEL_VERBS: [Verb; 2] = [Verb::Import, Verb::Export];

/// Where the window keeps things.
#[derive(Clone, Debug)]
pub struct Places {
    /// Settings and texts.
    pub config: PathBuf,
    /// Lines that nobody gave another place.
    pub data: PathBuf,
}

pub struct App {
    places: Places,
    config: Config,
    keymap: Keymap,
    keeper: Option<Keeper>,
    told: Receiver<String>,
    session: Option<Session>,
    opening: Option<Opening>,
    start: StartPage,
    place: Place,
    pub review: ReviewPage,
    labels: LabelsPage,
    models: ModelsPage,
    promise: PromisePage,
    settings: SettingsPage,
    question: Question,
    /// Alarms that were told already.
    alarmed: Vec<String>,
    backup: Option<Task<String>>,
    pub toasts: Toasts,
    palette: Option<Palette>,
    shows_keys: bool,
    /// Verbs pressed with the pointer in the last frame.
    clicked: Vec<Verb>,
    answers: Vec<String>,
}

impl App {
    /// `first` is a line to open at once; else the last one, else the demo line with a welcome.
    pub fn new(ctx: &egui::Context, places: Places, first: Option<(PathBuf, StationOptions)>) -> Self {
        theme::install(ctx);
        ctx.options_mut(|options| options.zoom_with_keyboard = false);
        let mut toasts = Toasts::default();
        if let Err(why) = super::texts::load(&places.config.join("texts.json")) {
            toasts.trouble(why);
        }
        let path = places.config.join("window.json");
        let (config, troubles) = Config::load(&path);
        let (keymap, more) = config.keymap();
        troubles.into_iter().chain(more).for_each(|trouble| toasts.trouble(trouble));
        let (sender, told) = bounded(16);
        let keeper = Keeper::start(path, move |trouble| {
            // Sixteen unread troubles say enough.
            let _ = sender.try_send(trouble);
        });
        let keeper = keeper.map_err(|why| toasts.trouble(why)).ok();
        let mut app = Self {
            places,
            config,
            keymap,
            keeper,
            told,
            session: None,
            opening: None,
            start: StartPage::default(),
            place: Place::default(),
            review: ReviewPage::default(),
            labels: LabelsPage::default(),
            models: ModelsPage::default(),
            promise: PromisePage::default(),
            settings: SettingsPage::default(),
            question: Question::default(),
            alarmed: Vec::new(),
            backup: None,
            toasts,
            palette: None,
            shows_keys: false,
            clicked: Vec::new(),
            answers: Vec::new(),
        };
        app.apply_looks(ctx);
        app.open_first(ctx, first);
        app
    }

    fn open_first(&mut self, ctx: &egui::Context, first: Option<(PathBuf, StationOptions)>) {
        let last = self.config.last_line.clone().filter(|folder| folder.is_dir());
        match (first, last) {
            (Some((folder, options)), _) => self.open(ctx, Start::Line { folder, options: Some(options) }),
            (None, Some(folder)) => self.open(ctx, Start::Line { folder, options: None }),
            (None, None) => {
                self.start.show_welcome();
                self.open(ctx, self.demo());
            }
        }
    }

    fn demo(&self) -> Start {
        Start::Demo(self.places.data.join(start::DEMO))
    }

    fn apply_looks(&self, ctx: &egui::Context) {
        ctx.set_theme(match self.config.theme {
            ThemeChoice::Dark => ThemePreference::Dark,
            ThemeChoice::Light => ThemePreference::Light,
        });
        ctx.set_zoom_factor(f32::from(self.config.text_percent) / 100.0);
    }

    fn keep(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.keep(&self.config);
        }
    }

    fn open(&mut self, ctx: &egui::Context, what: Start) {
        match start::open(what, &self.config.reviewer, ctx) {
            Ok(opening) => self.opening = Some(opening),
            Err(why) => self.toasts.trouble(why),
        }
    }

    /// The open line, for those who test or measure the window.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    pub fn place(&self) -> Place {
        self.place
    }

    /// Takes in what happened, without drawing.
    pub fn logic(&mut self, ctx: &egui::Context) {
        self.told.try_iter().for_each(|trouble| self.toasts.trouble(trouble));
        if let Some(done) = self.opening.as_ref().and_then(Opening::result) {
            self.opened(ctx, done);
        }
        if let Some(session) = &mut self.session {
            for news in session.drain(ctx) {
                match news {
                    News::Board { .. } => {}
                    News::Labels(event) => self.labels.take(*event),
                    News::Done(what) => {
                        self.labels.refresh();
                        self.toasts.note(what);
                    }
                    News::Failed(why) => {
                        self.review.refused();
                        self.toasts.trouble(why);
                    }
                }
            }
        }
        self.tell_alarms();
        if let Some(done) = self.backup.as_mut().and_then(Task::result) {
            self.backup = None;
            match done {
                Ok(what) => self.toasts.note(what),
                Err(error) => self.toasts.trouble(error.to_string()),
            }
        }
    }

    /// What the station has found out by itself is said once, loudly, and stands on the pages meanwhile.
    fn tell_alarms(&mut self) {
        let Some(session) = &self.session else { return };
        let standing: Vec<String> =
            session.station.alarms.iter().map(|(_, alarm)| alarm.text.clone()).collect();
        for text in standing.iter().filter(|text| !self.alarmed.contains(text)) {
            let level = session.level();
            self.toasts.trouble(format!("{}: {text}. {} {level}", tr("Alarm"), tr("The level is")));
        }
        self.alarmed = standing;
    }

    fn opened(&mut self, ctx: &egui::Context, done: Result<Session, String>) {
        self.opening = None;
        match done {
            Ok(session) => {
                self.config.last_line = Some(session.folder.clone());
                self.keep();
                self.review = self.review.anew();
                self.labels = LabelsPage::default();
                self.models = ModelsPage::default();
                self.promise = PromisePage::default();
                self.settings = SettingsPage::default();
                self.question.close();
                self.start.close();
                if let Some(before) = self.session.replace(session) {
                    before.close();
                }
            }
            Err(why) => {
                self.toasts.trouble(why);
                if self.session.is_none() {
                    self.start.show_welcome();
                }
            }
        }
        ctx.request_repaint();
    }

    /// Draws the window and carries out what was pressed.
    pub fn ui(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        let had_list = egui::Popup::is_any_open(&ctx);
        let mut verbs = std::mem::take(&mut self.clicked);
        let is_open = self.palette.is_some() || self.start.is_shown() || self.settings.is_recording();
        if !is_open {
            let scopes =
                if self.place == Place::Review { self.review.scopes() } else { &[Scope::Everywhere] };
            let is_covered = self.shows_keys || self.question.is_shown();
            let scopes = if is_covered { &[Scope::Everywhere] } else { scopes };
            if !is_covered {
                self.toasts.close_by_key(&ctx);
            }
            verbs.extend(self.keymap.pressed(&ctx, scopes));
        }
        for verb in verbs {
            self.perform(verb, &ctx);
        }
        for class in std::mem::take(&mut self.answers) {
            self.with_page(&ctx, |app, page| app.review.answer_class(class, page));
        }
        self.frame_ui(ui, &ctx);
        // The key that chooses from a list closes it, as a click does.
        if had_list && ctx.input(|input| input.key_pressed(egui::Key::Enter)) {
            egui::Popup::close_all(&ctx);
        }
        self.with_page(&ctx, |app, page| app.question.ui(&ctx, page));
        if let Some(done) = self.palette.as_mut().and_then(|palette| palette.ui(&ctx, &self.keymap)) {
            self.palette = None;
            if let Left::Chosen(verb) = done {
                self.clicked.push(verb);
                ctx.request_repaint();
            }
        }
        if self.shows_keys && shell::keys_ui(&ctx, &self.keymap) {
            self.shows_keys = false;
        }
        if let Some(what) = self.start.ui(
            &ctx,
            &self.places.data,
            self.opening.as_ref().map(|o| o.folder.as_path()),
            self.session.is_some(),
        ) {
            self.open(&ctx, what);
        }
        super::jobs::ui(&ctx, self.backup.as_ref(), self.session.as_ref());
        self.toasts.ui(&ctx);
        if !self.clicked.is_empty() || !self.answers.is_empty() {
            ctx.request_repaint();
        }
    }

    fn frame_ui(&mut self, ui: &mut Ui, ctx: &egui::Context) {
        if self.session.is_none() {
            start::ground_ui(ui, self.opening.is_some());
            return;
        }
        let place = self.place;
        self.with_page(ctx, |app, page| {
            shell::top_bar_ui(ui, page);
            shell::status_ui(ui, page, place);
            shell::rail_ui(ui, page, place);
            if place != Place::Review {
                app.review.hush(page);
            }
            match place {
                Place::Review => app.review.ui(ui, page),
                Place::Line => line_page::ui(ui, page),
                Place::Labels => app.labels.ui(ui, page),
                Place::Promise => app.promise.ui(ui, page),
                Place::Models => app.models.ui(ui, page),
                Place::Settings => app.settings.ui(ui, page, app.config),
            }
        });
        self.take_settings(ctx);
        if let Some(session) = &mut self.session {
            session.album.ask();
            session.recordings.ask();
        }
    }

    /// What the settings page has changed.
    fn take_settings(&mut self, ctx: &egui::Context) {
        let changes = self.settings.take_changes();
        if changes.keymap {
            self.keymap = self.config.keymap().0;
        }
        if changes.looks {
            self.apply_looks(ctx);
        }
        if changes.reviewer
            && let Some(session) = &self.session
            && let Err(why) = session.ask(crate::engine::Ask::Reviewer(self.config.reviewer.clone()))
        {
            self.toasts.trouble(why);
        }
        if changes.any() {
            self.keep();
        }
        if (changes.plan || self.promise.take_plan_change())
            && let Some(session) = &self.session
        {
            // A station reads its plan once: it starts again with the new one.
            let (folder, options) = (session.folder.clone(), session.options.clone());
            self.reopen(ctx, folder, options);
        }
    }

    /// The same line again; the station that runs ends first.
    fn reopen(&mut self, ctx: &egui::Context, folder: PathBuf, options: StationOptions) {
        if let Some(session) = self.session.take() {
            session.player.stop();
            let place = self.place;
            match start::reopen(session, folder, options, &self.config.reviewer, ctx) {
                Ok(opening) => self.opening = Some(opening),
                Err(why) => self.toasts.trouble(why),
            }
            self.place = place;
        }
    }

    /// Runs something with the parts of the application that a page sees.
    fn with_page(&mut self, ctx: &egui::Context, work: impl FnOnce(&mut Parts<'_>, &mut Page<'_>)) {
        let Some(session) = &mut self.session else { return };
        let hides_marks = self.place == Place::Review && self.keymap.is_held(ctx, Verb::HideMarks);
        let mut page = Page {
            session,
            keymap: &self.keymap,
            toasts: &mut self.toasts,
            verbs: &mut self.clicked,
            answers: &mut self.answers,
            tokens: theme::tokens_of(ctx),
            per_point: ctx.pixels_per_point(),
            hides_marks,
        };
        let mut parts = Parts {
            review: &mut self.review,
            labels: &mut self.labels,
            models: &mut self.models,
            promise: &mut self.promise,
            settings: &mut self.settings,
            question: &mut self.question,
            config: &mut self.config,
        };
        work(&mut parts, &mut page);
    }

    fn perform(&mut self, verb: Verb, ctx: &egui::Context) {
        match verb {
            Verb::PageReview => self.turn_to(Place::Review),
            Verb::PageLine => self.turn_to(Place::Line),
            Verb::PageLabels => self.turn_to(Place::Labels),
            Verb::PageModels => self.turn_to(Place::Models),
            Verb::PagePromise => self.turn_to(Place::Promise),
            Verb::PageSettings => self.turn_to(Place::Settings),
            Verb::Stop => self.stop(),
            Verb::Level(level) => self.ask_for(Change::Level(level)),
            Verb::Rollback => self.ask_for(Change::Rollback),
            Verb::Pause => self.pause(),
            Verb::Palette => self.palette = Some(Palette::default()),
            Verb::Keys => self.shows_keys = !self.shows_keys,
            Verb::Theme => {
                self.config.theme = match self.config.theme {
                    ThemeChoice::Dark => ThemeChoice::Light,
                    ThemeChoice::Light => ThemeChoice::Dark,
                };
                self.apply_looks(ctx);
                self.keep();
            }
            Verb::TextLarger => self.set_text(ctx, self.config.text_percent + TEXT_STEP),
            Verb::TextSmaller => self.set_text(ctx, self.config.text_percent.saturating_sub(TEXT_STEP)),
            Verb::TextNormal => self.set_text(ctx, 100),
            Verb::OpenLine => self.start.show_open(),
            Verb::NewLine => self.start.show_new(&self.places.data),
            Verb::DemoLine => self.open(ctx, self.demo()),
            Verb::Backup => self.back_up(ctx),
            Verb::Train
            | Verb::ModelRelease
            | Verb::ModelErrors
            | Verb::ModelAudit
            | Verb::ModelData
            | Verb::Measure
            | Verb::IntoShadow
            | Verb::ShareOfLine
            | Verb::MakeLive
            | Verb::Retire => {
                self.turn_to(Place::Models);
                self.models.perform(verb);
            }
            verb if LABEL_VERBS.contains(&verb) => {
                self.turn_to(Place::Labels);
                self.labels.perform(verb);
            }
            verb => self.with_page(ctx, |app, page| {
                app.review.follow(page);
                app.review.perform(verb, page);
            }),
        }
    }

    fn turn_to(&mut self, place: Place) {
        if place != self.place {
            self.place = place;
            self.toasts.turn_page();
        }
    }

    fn ask_for(&mut self, change: Change) {
        let Some(session) = &self.session else { return };
        if session.station.level.map(Change::Level) == Some(change) {
            self.toasts.note(tr("The level in force"));
        } else {
            self.question.ask(change);
        }
    }

    fn stop(&mut self) {
        self.question.close();
        if let Some(session) = &self.session {
            session.ask_station(StationAsk::Stop(self.config.reviewer.clone()));
            self.toasts.note(tr("Stopped: every item goes to a person from now on"));
        }
    }

    fn pause(&mut self) {
        if let Some(session) = &self.session {
            if session.station.no_station.is_some() {
                self.toasts.note(tr("The station of this line runs in another program"));
            } else {
                let ask = if session.station.is_paused { StationAsk::Resume } else { StationAsk::Pause };
                session.ask_station(ask);
            }
        }
    }

    fn set_text(&mut self, ctx: &egui::Context, percent: u16) {
        self.config.text_percent = percent.clamp(TEXT_MIN, TEXT_MAX);
        self.apply_looks(ctx);
        self.keep();
    }

    fn back_up(&mut self, ctx: &egui::Context) {
        let Some(session) = self.session.as_ref().filter(|_| self.backup.is_none()) else { return };
        match start::back_up(&session.folder, ctx) {
            Ok(task) => self.backup = Some(task),
            Err(error) => self.toasts.trouble(error.to_string()),
        }
    }
}

/// The pages, for code that works with one of them and a [`Page`].
struct Parts<'a> {
    review: &'a mut ReviewPage,
    labels: &'a mut LabelsPage,
    models: &'a mut ModelsPage,
    promise: &'a mut PromisePage,
    settings: &'a mut SettingsPage,
    question: &'a mut Question,
    config: &'a mut Config,
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        App::logic(self, ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        App::ui(self, ui);
    }
}
