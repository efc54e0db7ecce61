//! How recordings and what a microphone hears are cut, as a part of the plan's form.

use super::super::texts::tr;
use super::plan_form::{number, row, text};
use crate::domain::{CutBy, EnergyCut, RecordingRule, VoiceCut};
use eframe::egui::{self, Ui};

/// Windows as long as the clips that the sound models here listen to.
const WINDOW_SECS: f64 = 2.0;

pub(super) fn recordings_ui(ui: &mut Ui, rule: &mut Option<RecordingRule>) {
    let now = rule.as_ref().map(|rule| rule.cut);
    choice_ui(ui, tr("Long recordings"), tr("are not cut"), now, |choice| {
        let path = rule.take().unwrap_or_default().path;
        *rule = choice.map(|cut| RecordingRule { path, cut });
    });
    let Some(rule) = rule else { return };
    row(ui, tr("They arrive in"), |ui| text(ui, &mut rule.path, tr("They arrive in")));
    cut_ui(ui, &mut rule.cut);
}

fn name(cut: Option<CutBy>, none: &'static str) -> &'static str {
    match cut {
        None => none,
        Some(CutBy::Energy(_)) => tr("around what is louder than the noise"),
        Some(CutBy::Voice(_)) => tr("around voices"),
        Some(CutBy::Window { .. }) => tr("into windows of one length"),
    }
}

/// Whether to cut and by what; `choose` hears of another choice than `now`.
pub(super) fn choice_ui(
    ui: &mut Ui,
    label: &'static str,
    none: &'static str,
    now: Option<CutBy>,
    choose: impl FnOnce(Option<CutBy>),
) {
    let energy = CutBy::Energy(EnergyCut::default());
    let voice = CutBy::Voice(VoiceCut::default());
    let window = CutBy::Window { secs: WINDOW_SECS };
    let mut chosen = None;
    row(ui, label, |ui| {
        egui::ComboBox::from_id_salt(label).width(260.0).selected_text(name(now, none)).show_ui(ui, |ui| {
            for choice in [None, Some(voice), Some(energy), Some(window)] {
                let is_chosen = name(choice, none) == name(now, none);
                if ui.selectable_label(is_chosen, name(choice, none)).clicked() && !is_chosen {
                    chosen = Some(choice);
                }
            }
        });
    });
    if let Some(choice) = chosen {
        choose(choice);
    }
}

pub(super) fn cut_ui(ui: &mut Ui, cut: &mut CutBy) {
    match cut {
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
            let lengths = [&mut cut.secs_min, &mut cut.secs_max];
            times_ui(ui, &mut cut.pause_secs, lengths, [&mut cut.pre_roll_secs, &mut cut.post_roll_secs]);
        }
        CutBy::Voice(cut) => {
            for (name, value) in
                [(tr("Begins when so sure"), &mut cut.begin), (tr("Goes on when so sure"), &mut cut.end)]
            {
                row(ui, name, |ui| number(ui, value, 0.01..=0.99, "", name));
            }
            let lengths = [&mut cut.secs_min, &mut cut.secs_max];
            times_ui(ui, &mut cut.pause_secs, lengths, [&mut cut.pre_roll_secs, &mut cut.post_roll_secs]);
        }
    }
}

fn times_ui(ui: &mut Ui, pause: &mut f64, [least, most]: [&mut f64; 2], [pre, post]: [&mut f64; 2]) {
    for (name, value) in [
        (tr("Pauses do not end it up to"), pause),
        (tr("Left out when shorter than"), least),
        (tr("Parted when longer than"), most),
        (tr("Added before"), pre),
        (tr("Added behind"), post),
    ] {
        row(ui, name, |ui| number(ui, value, 0.0..=600.0, " s", name));
    }
}
