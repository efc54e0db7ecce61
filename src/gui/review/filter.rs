//! Which waiting items a person wants to see. Every rule in force stands on the screen.

use super::super::page::Page;
use super::super::texts::tr;
use super::super::widgets::{button_ui, note, secondary};
use super::ReviewPage;
use crate::domain::{Level, ReviewMode, Timestamp};
use crate::engine::Ask;
use crate::store::QueueFilter;
use eframe::egui::{self, Ui};

/// Reasons as people know them, with their names in the log.
const REASONS: [(&str, &str); 13] = [
    ("blind", "Asked blind"),
    ("unlike", "Unlike what the model knows"),
    ("doubtful", "Doubtful name"),
    ("between", "Between the thresholds"),
    ("level_asks", "The level asks people"),
    ("no_model", "No model"),
    ("model_fault", "Model fault"),
    ("not_for_model", "Not for the model"),
    ("undecodable", "Damaged file"),
    ("same_bytes", "Same file twice"),
    ("no_reference", "No reference"),
    ("incomplete", "Incomplete unit"),
    ("disputed", "People disagree"),
];

/// The form as it stands; the filter is what was asked for last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FilterForm {
    suggestion: Option<String>,
    reason: Option<&'static str>,
    model: String,
    text: String,
    confidence: [f64; 2],
    is_confidence_asked: bool,
    hours: Option<f64>,
}

impl FilterForm {
    fn filter(&self) -> QueueFilter {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        QueueFilter {
            suggestion: self.suggestion.clone(),
            reason: self.reason.map(str::to_owned),
            model: text(&self.model),
            text: self.text.trim().to_owned(),
            confidence: self.is_confidence_asked.then_some(self.confidence),
            since: self.hours.map(|hours| Timestamp::now().plus_secs(-3600.0 * hours)),
        }
    }
}

impl ReviewPage {
    pub(super) fn filter_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let t = page.tokens;
        let sees_model = sees_model(page);
        let before = self.filter.clone();
        let form = &mut self.filter;
        ui.label(secondary(tr("Filter"), t).strong());
        egui::Grid::new("filter").num_columns(2).show(ui, |ui| {
            ui.label(secondary(tr("Unit or name"), t));
            named(&ui.text_edit_singleline(&mut form.text), tr("Unit or name"));
            ui.end_row();
            ui.label(secondary(tr("Suggested"), t));
            ui.add_enabled_ui(sees_model, |ui| {
                egui::ComboBox::from_id_salt("suggestion")
                    .selected_text(form.suggestion.as_deref().unwrap_or(tr("any")))
                    .show_ui(ui, |ui| {
                        ui.selectable_value(&mut form.suggestion, None, tr("any"));
                        for class in &page.session.plan.classes {
                            ui.selectable_value(&mut form.suggestion, Some(class.name.clone()), &class.name);
                        }
                    });
            });
            ui.end_row();
            ui.label(secondary(tr("Reason"), t));
            let name = REASONS
                .iter()
                .find(|(code, _)| form.reason == Some(*code))
                .map_or(tr("any"), |(_, name)| tr(name));
            egui::ComboBox::from_id_salt("reason").selected_text(name).show_ui(ui, |ui| {
                ui.selectable_value(&mut form.reason, None, tr("any"));
                for (code, name) in REASONS {
                    ui.selectable_value(&mut form.reason, Some(code), tr(name));
                }
            });
            ui.end_row();
            ui.label(secondary(tr("Model"), t));
            named(&ui.text_edit_singleline(&mut form.model), tr("Model"));
            ui.end_row();
            ui.label(secondary(tr("Arrived"), t));
            let name = |hours: Option<f64>| {
                hours.map_or(tr("at any time").to_owned(), |hours| format!("{} {hours} h", tr("in the last")))
            };
            egui::ComboBox::from_id_salt("hours").selected_text(name(form.hours)).show_ui(ui, |ui| {
                for hours in [None, Some(1.0), Some(8.0), Some(24.0), Some(168.0)] {
                    ui.selectable_value(&mut form.hours, hours, name(hours));
                }
            });
            ui.end_row();
            ui.add_enabled(sees_model, egui::Checkbox::new(&mut form.is_confidence_asked, tr("Confidence")));
            ui.horizontal(|ui| {
                if form.is_confidence_asked && form.confidence[1] == 0.0 {
                    form.confidence[1] = 1.0;
                }
                let [low, high] = &mut form.confidence;
                ui.add_enabled(
                    form.is_confidence_asked,
                    egui::DragValue::new(low).range(0.0..=1.0).speed(0.01),
                );
                ui.label(note(tr("to"), t));
                ui.add_enabled(
                    form.is_confidence_asked,
                    egui::DragValue::new(high).range(0.0..=1.0).speed(0.01),
                );
            });
            ui.end_row();
        });
        if !sees_model {
            (form.suggestion, form.is_confidence_asked) = (None, false);
            ui.label(note(tr("By suggestion only where the plan shows it"), t));
        }
        if form.filter() != QueueFilter::default() && button_ui(ui, tr("Show all"), false).clicked() {
            *form = FilterForm::default();
        }
        if *form != before {
            let filter = form.filter();
            page.ask(Ask::Filter(filter));
        }
    }
}

/// Whoever could choose by the suggestion would know it before the answer.
fn sees_model(page: &Page<'_>) -> bool {
    page.session.plan.review.mode == ReviewMode::Shown && page.session.level() > Level::Shadow
}

/// Lets go of a filter in force that chooses by what may not be seen any more.
pub(super) fn forget_hidden(page: &mut Page<'_>) {
    let Some(filter) = page.session.board.as_ref().map(|board| board.filter.clone()) else { return };
    let chooses = filter.suggestion.is_some() || filter.confidence.is_some();
    if chooses && !sees_model(page) {
        page.ask(Ask::Filter(QueueFilter { suggestion: None, confidence: None, ..filter }));
    }
}

fn named(response: &egui::Response, name: &str) {
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, name));
}
