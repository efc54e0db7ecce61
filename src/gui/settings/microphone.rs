//! Whether and how the line listens to a microphone, as a part of the plan's form.

use super::super::texts::tr;
use super::super::theme::tokens;
use super::super::widgets::{note, warning_ui};
use super::cutting::{choice_ui, cut_ui};
use super::plan_form::{row, text};
use crate::domain::MicrophoneRule;
use crate::engine::{Microphone, Task, microphones};
use eframe::egui::{self, Ui};

/// The microphones of this machine. Devices take their time to answer, so that they are asked on a thread of
/// their own, once somebody wants to choose.
#[derive(Default)]
pub struct Devices {
    looking: Option<Task<Vec<Microphone>>>,
    found: Vec<Microphone>,
    trouble: Option<String>,
}

impl Devices {
    fn look(&mut self, ctx: &egui::Context) {
        if self.looking.is_some() {
            return;
        }
        let wake = ctx.clone();
        match Task::start("Microphones", move || wake.request_repaint(), |_| microphones()) {
            Ok(task) => self.looking = Some(task),
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }

    fn poll(&mut self) {
        let Some(done) = self.looking.as_mut().and_then(Task::result) else { return };
        self.looking = None;
        match done {
            Ok(found) => (self.found, self.trouble) = (found, None),
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }

    fn name<'a>(&'a self, device: Option<&'a String>) -> &'a str {
        let Some(device) = device else { return tr("the machine's own choice") };
        self.found.iter().find(|found| found.device == *device).map_or(device, |found| &found.name)
    }
}

pub(super) fn microphone_ui(ui: &mut Ui, rule: &mut Option<MicrophoneRule>, devices: &mut Devices) {
    let now = rule.as_ref().map(|rule| rule.cut);
    choice_ui(ui, tr("What it hears is cut"), tr("there is no microphone"), now, |choice| {
        let before = rule.take().unwrap_or_default();
        *rule = choice.map(|cut| MicrophoneRule { cut, ..before });
    });
    let Some(rule) = rule else { return };
    devices.poll();
    row(ui, tr("Device"), |ui| {
        let shown = devices.name(rule.device.as_ref()).to_owned();
        let list = egui::ComboBox::from_id_salt("device").width(260.0).selected_text(shown);
        let opened = list.show_ui(ui, |ui| {
            ui.selectable_value(&mut rule.device, None, tr("the machine's own choice"));
            for Microphone { device, name, .. } in &devices.found {
                ui.selectable_value(&mut rule.device, Some(device.clone()), name).on_hover_text(device);
            }
            if devices.looking.is_some() {
                ui.label(note(tr("looking for devices"), tokens(ui)));
            }
        });
        if opened.inner.is_some() && opened.response.clicked() {
            devices.look(ui.ctx());
        }
    });
    if let Some(why) = &devices.trouble {
        warning_ui(ui, why);
    }
    row(ui, tr("Names of clips begin with"), |ui| {
        text(ui, &mut rule.name, tr("Names of clips begin with"));
    });
    cut_ui(ui, &mut rule.cut);
}
