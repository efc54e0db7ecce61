//! The settings page: the plan, the person, the looks, the keys, the data.

mod cutting;
mod limits;
pub mod microphone;
pub mod plan_form;
mod said;

use super::chord::Chord;
use super::config::{Config, TEXT_MAX, TEXT_MIN, TEXT_STEP, ThemeChoice};
use super::page::Page;
use super::texts::tr;
use super::theme::{BODY, SPACE};
use super::verbs::{Group, Keymap, TABLE, Verb};
use super::widgets::{Face, button_ui, cap_ui, card_ui, note, row_ui, secondary, warning_ui};
use crate::engine::{Line, Task};
use eframe::egui::{self, Key, Modifiers, RichText, ScrollArea, Ui, vec2};
use microphone::Devices;
use plan_form::{PlanForm, save_row_ui};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Plan,
    Person,
    Keys,
    Data,
}

/// What the application has to take over.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four things that can change, each for itself")]
pub struct Changes {
    pub keymap: bool,
    pub looks: bool,
    pub reviewer: bool,
    pub plan: bool,
}

impl Changes {
    pub fn any(self) -> bool {
        self.keymap || self.looks || self.reviewer
    }
}

#[derive(Default)]
pub struct SettingsPage {
    part: Part,
    form: Option<PlanForm>,
    devices: Devices,
    saving: Option<Task<()>>,
    recording: Option<Verb>,
    trouble: Option<String>,
    reviewer: Option<String>,
    changes: Changes,
}

impl SettingsPage {
    /// Whether the next key is to become that of a verb.
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    pub fn ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, config: &mut Config) {
        let t = page.tokens;
        if let Some(done) = self.saving.as_mut().and_then(Task::result) {
            self.saving = None;
            match done {
                Ok(()) => {
                    self.changes.plan = true;
                    page.toasts.note(tr("The plan is saved"));
                }
                Err(error) => page.toasts.trouble(error.to_string()),
            }
        }
        let ground = egui::Frame::new().fill(t.background[0]).inner_margin(SPACE[3]);
        egui::CentralPanel::default().frame(ground).show(ui, |ui| {
            ui.horizontal(|ui| {
                for (part, name) in [
                    (Part::Plan, tr("Plan")),
                    (Part::Person, tr("Person and looks")),
                    (Part::Keys, tr("Keys")),
                    (Part::Data, tr("Data")),
                ] {
                    let face = Face { is_selected: self.part == part, is_small: true, ..Face::default() };
                    if row_ui(ui, 150.0, "", name, face).clicked() {
                        self.part = part;
                    }
                }
            });
            ui.add_space(SPACE[1]);
            match self.part {
                Part::Plan => self.plan_ui(ui, page),
                Part::Person => self.person_ui(ui, page, config),
                Part::Keys => self.keys_ui(ui, page, config),
                Part::Data => data_ui(ui, page),
            }
        });
    }

    fn plan_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let before = PlanForm::new(&page.session.plan);
        let form = self.form.get_or_insert_with(|| before.clone());
        let plan = form.plan();
        let is_changed = *form != before && self.saving.is_none();
        let (saves, discards) = save_row_ui(ui, is_changed, plan.as_ref().err().map(String::as_str));
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(820.0);
            form.ui(ui, false, &mut self.devices);
        });
        if discards {
            self.form = None;
        }
        if let (true, Ok(plan)) = (saves, plan) {
            let (folder, wake) = (page.session.folder.clone(), ui.ctx().clone());
            let actor = page
                .session
                .board
                .as_ref()
                .map_or_else(|| super::feed::ACTOR.to_owned(), |b| b.reviewer.clone());
            let task = Task::start(
                tr("Saving"),
                move || wake.request_repaint(),
                move |_| Line::open(&folder, &actor)?.set_plan(plan, &actor),
            );
            match task {
                Ok(task) => self.saving = Some(task),
                Err(error) => page.toasts.trouble(error.to_string()),
            }
        }
    }

    fn person_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, config: &mut Config) {
        let t = page.tokens;
        ui.set_max_width(620.0);
        card_ui(ui, tr("Who answers here"), |ui| {
            let name = self.reviewer.get_or_insert_with(|| config.reviewer.clone());
            ui.horizontal(|ui| {
                let field = egui::TextEdit::singleline(name).desired_width(280.0).margin(vec2(8.0, 8.0));
                let response = ui.add(field);
                response
                    .widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, tr("Reviewer")));
                let is_new = name.trim() != config.reviewer && !name.trim().is_empty();
                if ui.add_enabled_ui(is_new, |ui| button_ui(ui, tr("Sit down"), false)).inner.clicked() {
                    name.trim().clone_into(&mut config.reviewer);
                    self.changes.reviewer = true;
                }
            });
            ui.label(note(tr("The name stands in the log beside each answer; a short one that the plant knows is enough"), t));
        });
        ui.add_space(SPACE[1]);
        card_ui(ui, tr("Looks"), |ui| {
            ui.horizontal(|ui| {
                for (theme, name) in [(ThemeChoice::Dark, tr("Dark")), (ThemeChoice::Light, tr("Light"))] {
                    let face = Face { is_selected: config.theme == theme, is_small: true, ..Face::default() };
                    if row_ui(ui, 120.0, "", name, face).clicked() {
                        config.theme = theme;
                        self.changes.looks = true;
                    }
                }
            });
            ui.horizontal(|ui| {
                ui.label(secondary(tr("Text size"), t));
                if button_ui(ui, "−", false).on_hover_text(Verb::TextSmaller.about().hint()).clicked() {
                    config.text_percent = config.text_percent.saturating_sub(TEXT_STEP).max(TEXT_MIN);
                    self.changes.looks = true;
                }
                ui.label(RichText::new(format!("{} %", config.text_percent)).size(BODY));
                if button_ui(ui, "+", false).on_hover_text(Verb::TextLarger.about().hint()).clicked() {
                    config.text_percent = (config.text_percent + TEXT_STEP).min(TEXT_MAX);
                    self.changes.looks = true;
                }
            });
            ui.label(note(
                tr("Texts in another language: texts.json beside the settings, see docs/FORMATS.md"),
                t,
            ));
        });
    }

    fn keys_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, config: &mut Config) {
        let t = page.tokens;
        self.record(ui.ctx(), page.keymap, config);
        ui.label(note(
            tr("Choose a row, then press the new key. Esc leaves it as it is, Backspace takes the key away."),
            t,
        ));
        if let Some(trouble) = &self.trouble {
            warning_ui(ui, trouble);
        }
        if !config.keys.is_empty() && button_ui(ui, tr("All keys as they came"), false).clicked() {
            config.keys.clear();
            self.changes.keymap = true;
        }
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(620.0);
            for group in Group::ALL {
                ui.add_space(SPACE[1]);
                ui.label(secondary(group.title(), t).strong());
                for about in TABLE.iter().filter(|about| about.group == group) {
                    ui.horizontal(|ui| {
                        let is_recording = self.recording == Some(about.verb);
                        let cap = page.keymap.chord(about.verb).map_or_else(|| "–".to_owned(), Chord::cap);
                        let figure = if is_recording { tr("press a key…") } else { "" };
                        let face = Face {
                            about: about.hint(),
                            figure,
                            is_selected: is_recording,
                            is_small: true,
                            ..Face::default()
                        };
                        if row_ui(ui, 480.0, "", about.label(), face).clicked() {
                            self.recording = Some(about.verb);
                            self.trouble = None;
                        }
                        cap_ui(ui, &cap);
                    });
                }
            }
        });
    }

    /// The next key becomes that of the chosen verb.
    fn record(&mut self, ctx: &egui::Context, keymap: &Keymap, config: &mut Config) {
        let Some(verb) = self.recording else { return };
        let pressed = ctx.input_mut(|input| {
            let found = input.events.iter().find_map(|event| match event {
                egui::Event::Key { key, pressed: true, modifiers, .. } => Some((*key, *modifiers)),
                _ => None,
            });
            if found.is_some() {
                input.events.clear();
            }
            found
        });
        let Some((key, modifiers)) = pressed else { return };
        self.recording = None;
        let chord = match key {
            Key::Escape => return,
            Key::Backspace => None,
            key => {
                let modifiers = Modifiers {
                    command: modifiers.command,
                    alt: modifiers.alt,
                    shift: modifiers.shift,
                    ..Modifiers::NONE
                };
                Some(Chord { modifiers, key })
            }
        };
        let mut keymap = keymap.clone();
        match keymap.set(verb, chord) {
            Ok(()) => {
                config.keys = keymap.to_settings();
                self.changes.keymap = true;
                self.trouble = None;
            }
            Err(why) => self.trouble = Some(why),
        }
    }
}

fn data_ui(ui: &mut Ui, page: &mut Page<'_>) {
    let t = page.tokens;
    ui.set_max_width(720.0);
    card_ui(ui, tr("Data folder"), |ui| {
        ui.label(RichText::new(page.session.folder.display().to_string()).size(BODY));
        ui.label(note(
            tr("The plan, the log, the pictures and the models of this line; one folder that can be copied"),
            t,
        ));
    });
    ui.add_space(SPACE[1]);
    card_ui(ui, tr("Backup"), |ui| {
        ui.label(note(tr("A verified copy beside the data folder, while the line runs"), t));
        if button_ui(ui, tr("Back up now"), true).clicked() {
            page.verbs.push(Verb::Backup);
        }
    });
}
