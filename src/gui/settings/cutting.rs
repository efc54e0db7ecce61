//! How recordings are cut, as a part of the plan's form.

use super::super::texts::tr;
use super::plan_form::{number, row, text};
use crate::domain::{CutBy, EnergyCut, RecordingRule};
use eframe::egui::{self, Ui};

/// Windows as long as the clips that the sound models here listen to.
const WINDOW_SECS: f64 = 2.0;

pub(super) fn recordings_ui(ui: &mut Ui, rule: &mut Option<RecordingRule>) {
    let window = CutBy::Window { secs: WINDOW_SECS };
    let energy = CutBy::Energy(EnergyCut::default());
    let name = |cut: Option<CutBy>| match cut {
        None => tr("are not cut"),
        Some(CutBy::Energy(_)) => tr("around what is louder than the noise"),
        Some(CutBy::Window { .. }) => tr("into windows of one length"),
    };
    let now = rule.as_ref().map(|rule| rule.cut);
    row(ui, tr("Long recordings"), |ui| {
        egui::ComboBox::from_id_salt("cut").width(260.0).selected_text(name(now)).show_ui(ui, |ui| {
            for choice in [None, Some(energy), Some(window)] {
                let is_chosen = name(choice) == name(now);
                if ui.selectable_label(is_chosen, name(choice)).clicked() && !is_chosen {
                    let path = rule.take().unwrap_or_default().path;
                    *rule = choice.map(|cut| RecordingRule { path, cut });
                }
            }
        });
    });
    let Some(rule) = rule else { return };
    row(ui, tr("They arrive in"), |ui| text(ui, &mut rule.path, tr("They arrive in")));
    match &mut rule.cut {
        CutBy::Window { secs } => {
            row(ui, tr("Window"), |ui| number(ui, secs, 0.01..=3600.0, " s", tr("Window")));
        }
        CutBy::Energy(cut) => {
            for (name, value) in [
                (tr("Begins above the noise by"), &mut cut.begin_db),
                (tr("Ends above the noise by"), &mut cut.end_db),
            ] {
                row(ui, name, |ui| number(ui, value, 0.5..=60.0, " dB", name));
            }
            for (name, value) in [
                (tr("Pauses do not end it up to"), &mut cut.pause_secs),
                (tr("Left out when shorter than"), &mut cut.secs_min),
                (tr("Cut into equal parts when longer than"), &mut cut.secs_max),
                (tr("Added before"), &mut cut.pre_roll_secs),
                (tr("Added behind"), &mut cut.post_roll_secs),
            ] {
                row(ui, name, |ui| number(ui, value, 0.0..=600.0, " s", name));
            }
        }
    }
}
