//! The question before the line decides in another way: the same from the top bar, the promise page and the
//! commands. It takes a reason, so that no single key or click changes anything.

use super::layout::{field_ui, is_entered};
use super::page::Page;
use super::shell::capital;
use super::texts::tr;
use super::theme::{BODY, SPACE, TITLE};
use super::widgets::{button_ui, modal_ui, note};
use crate::domain::Level;
use crate::engine::{Ask, ReleaseStep};
use eframe::egui::{self, RichText};

const WIDTH: f32 = 480.0;

/// What a person wants to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Level(Level),
    /// To the model that was live before.
    Rollback,
}

#[derive(Default)]
pub struct Question {
    change: Option<Change>,
    reason: String,
    is_new: bool,
}

impl Question {
    pub fn ask(&mut self, change: Change) {
        *self = Self { change: Some(change), reason: String::new(), is_new: true };
    }

    pub fn is_shown(&self) -> bool {
        self.change.is_some()
    }

    pub fn close(&mut self) {
        *self = Self::default();
    }

    pub fn ui(&mut self, ctx: &egui::Context, page: &mut Page<'_>) {
        let Some(change) = self.change else { return };
        let mut is_left = false;
        let shown = modal_ui(ctx, "question", WIDTH, |ui| {
            let t = page.tokens;
            ui.label(RichText::new(title(change, page.session.level())).size(TITLE).strong());
            ui.label(RichText::new(meaning(change)).size(BODY));
            if matches!(change, Change::Level(level) if level > page.session.level() && level.is_automatic())
            {
                ui.label(note(tr("It takes all that the promise page lists for it"), t));
            }
            ui.add_space(SPACE[1]);
            let field = field_ui(ui, tr("Reason"), tr("Why now?"), &mut self.reason, f32::INFINITY);
            let is_said = !self.reason.trim().is_empty();
            let is_entered = is_entered(ui, &field);
            if std::mem::take(&mut self.is_new) || (is_entered && !is_said) {
                field.request_focus();
            }
            ui.add_space(SPACE[1]);
            ui.horizontal(|ui| {
                let name = action(change);
                let confirms = ui.add_enabled_ui(is_said, |ui| button_ui(ui, &name, true)).inner.clicked();
                is_left = button_ui(ui, tr("Cancel"), false).clicked();
                if is_said && (confirms || is_entered) {
                    self.carry_out(change, page);
                    is_left = true;
                }
            });
        });
        if is_left || shown.should_close() {
            self.close();
        }
    }

    fn carry_out(&self, change: Change, page: &mut Page<'_>) {
        let reason = self.reason.trim().to_owned();
        page.ask(match change {
            Change::Level(level) => Ask::Level { level, reason },
            Change::Rollback => {
                let model = page.session.station.model.clone().unwrap_or_default();
                Ask::Release { model, step: ReleaseStep::Rollback, reason }
            }
        });
    }
}

fn title(change: Change, now: Level) -> String {
    match change {
        Change::Level(level) => {
            let [from, to] = [now, level].map(|level| capital(level.as_str()));
            format!("{}: {from} {} {to}", tr("Level"), tr("to"))
        }
        Change::Rollback => tr("Roll back").to_owned(),
    }
}

fn action(change: Change) -> String {
    match change {
        Change::Level(level) => format!("{} {}", tr("Change to"), capital(level.as_str())),
        Change::Rollback => tr("Roll back").to_owned(),
    }
}

fn meaning(change: Change) -> &'static str {
    match change {
        Change::Level(level) => super::verbs::Verb::Level(level).about().hint(),
        Change::Rollback => super::verbs::Verb::Rollback.about().hint(),
    }
}
