//! The labels page: what is known of the items, as a grid that only fetches what is on the screen; bulk
//! correction; class balance; import and export.

mod charts;
mod transfer;

use super::album::{paint_sound_mark, paint_thumb, paint_words};
use super::page::Page;
use super::review::label_text;
use super::texts::tr;
use super::theme::{NOTE, RADIUS_SMALL, SECONDARY, SPACE};
use super::time;
use super::verbs::Verb;
use super::widgets::{Face, button_ui, note, row_ui, secondary};
use crate::domain::{ItemId, LabelStatus, MediaKind, Task};
use crate::engine::{Ask, DeskEvent, LabelList};
use crate::store::{LabelFilter, Labelled};
use eframe::egui::{
    self, Align2, FontId, Modifiers, Rect, RichText, Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2,
};
use std::collections::{BTreeSet, HashMap};
use transfer::Transfer;

/// One cell of the grid.
const CELL: [f32; 2] = [148.0, 156.0];
/// Rows of the list kept; what scrolls away is fetched again.
const ROWS_MAX: usize = 4000;
/// Rows asked for at once.
const ROWS_PER_ASK: usize = 64;
/// Words in the list beside the grid; others are found by writing them.
const WORDS_SHOWN: usize = 64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum View {
    #[default]
    Grid,
    Charts,
}

#[derive(Default)]
pub struct LabelsPage {
    filter: LabelFilter,
    /// What was asked for last.
    asked: Option<LabelFilter>,
    list: Option<LabelList>,
    rows: HashMap<ItemId, Labelled>,
    wanted: BTreeSet<ItemId>,
    is_fetching: bool,
    chosen: BTreeSet<ItemId>,
    /// Where a range of a choice begins.
    anchor: Option<usize>,
    view: View,
    transfer: Option<Transfer>,
}

impl LabelsPage {
    /// Something about labels may have changed.
    pub fn refresh(&mut self) {
        self.asked = None;
        self.rows.clear();
    }

    pub fn take(&mut self, event: DeskEvent) {
        match event {
            DeskEvent::Labels(list) => {
                self.chosen.retain(|id| list.ids.contains(id));
                self.list = Some(*list);
            }
            DeskEvent::LabelRows(rows) => {
                self.is_fetching = false;
                if self.rows.len() > ROWS_MAX {
                    self.rows.clear();
                }
                self.rows.extend(rows.into_iter().map(|row| (row.item.id, row)));
            }
            _ => {}
        }
    }

    pub fn perform(&mut self, verb: Verb) {
        match verb {
            Verb::Import => self.transfer = Some(Transfer::import()),
            Verb::Export => self.transfer = Some(Transfer::export()),
            _ => {}
        }
    }

    pub fn ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let t = page.tokens;
        if self.asked.as_ref() != Some(&self.filter) {
            self.asked = Some(self.filter.clone());
            page.ask(Ask::Labels(self.filter.clone()));
        }
        let side = egui::Frame::new().fill(t.background[1]).inner_margin(SPACE[3]);
        egui::Panel::left("label-filters")
            .exact_size(264.0)
            .resizable(false)
            .frame(side)
            .show(ui, |ui| self.side_ui(ui, page));
        let ground = egui::Frame::new().fill(t.background[0]).inner_margin(SPACE[2]);
        egui::CentralPanel::default().frame(ground).show(ui, |ui| {
            self.head_ui(ui, page);
            match self.view {
                View::Grid => self.grid_ui(ui, page),
                View::Charts => charts::ui(ui, page, self.list.as_ref()),
            }
        });
        if self.transfer.as_mut().is_some_and(|transfer| transfer.ui(ui.ctx(), page, self.list.as_ref())) {
            self.transfer = None;
            self.refresh();
        }
        if !self.is_fetching && !self.wanted.is_empty() {
            self.is_fetching = true;
            let ids = std::mem::take(&mut self.wanted).into_iter().take(ROWS_PER_ASK).collect();
            page.ask(Ask::LabelRows(ids));
        }
        self.wanted.clear();
    }

    fn side_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let t = page.tokens;
        ui.label(secondary(tr("Show"), t).strong());
        let is_written = page.session.plan.task == Task::Transcribe;
        let about = if is_written { tr("Unit, name or words") } else { tr("Unit or name") };
        let field = egui::TextEdit::singleline(&mut self.filter.text)
            .hint_text(about)
            .desired_width(f32::INFINITY)
            .margin(vec2(8.0, 8.0));
        ui.add(field).widget_info(|| WidgetInfo::labeled(Role::TextInput, true, about));
        ui.add_space(SPACE[0]);
        let counts = self.list.as_ref().map(|list| list.counts.clone()).unwrap_or_default();
        let of_class =
            |class: &str| -> i64 { counts.iter().filter(|((c, _), _)| c == class).map(|(_, n)| n).sum() };
        let of_status = |status: LabelStatus| -> i64 {
            counts.iter().filter(|((_, s), _)| s == status.as_str()).map(|(_, n)| n).sum()
        };
        let all: i64 = counts.iter().map(|(_, n)| n).sum();
        let width = ui.available_width();
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = SPACE[0];
            let choose = |ui: &mut Ui, name: &str, figure: i64, is_on: bool| {
                let figure = figure.to_string();
                let face = Face { figure: &figure, is_selected: is_on, is_small: true, ..Face::default() };
                row_ui(ui, width, "", name, face).clicked()
            };
            let what = [&self.filter.class, &self.filter.word];
            let is_all = what.iter().all(|name| name.is_none()) && self.filter.status.is_none();
            if choose(ui, tr("All labels"), all, is_all) {
                (self.filter.class, self.filter.word, self.filter.status) = (None, None, None);
            }
            let words = self.list.iter().flat_map(|list| &list.words);
            for (word, n) in words.take(WORDS_SHOWN) {
                let is_on = self.filter.word.as_ref() == Some(word);
                if choose(ui, word, *n, is_on) {
                    self.filter.word = (!is_on).then(|| word.clone());
                    self.filter.status = None;
                }
            }
            for class in page.session.plan.classes.iter().map(|class| class.name.clone()) {
                let is_on = self.filter.class.as_ref() == Some(&class);
                if choose(ui, &class, of_class(&class), is_on) {
                    self.filter.class = (!is_on).then_some(class);
                    self.filter.status = None;
                }
            }
            ui.add_space(SPACE[1]);
            for status in [LabelStatus::CannotTell, LabelStatus::BadInput, LabelStatus::Disputed] {
                let is_on = self.filter.status == Some(status);
                if choose(ui, status.as_str(), of_status(status), is_on) {
                    self.filter.status = (!is_on).then_some(status);
                    (self.filter.class, self.filter.word) = (None, None);
                }
            }
            ui.add_space(SPACE[1]);
            for (name, wanted) in [(tr("Answered here"), Some(true)), (tr("Imported"), Some(false))] {
                let is_on = self.filter.is_answered == wanted;
                let face = Face { is_selected: is_on, is_small: true, ..Face::default() };
                if row_ui(ui, width, "", name, face).clicked() {
                    self.filter.is_answered = if is_on { None } else { wanted };
                }
            }
        });
    }

    fn head_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let t = page.tokens;
        ui.horizontal_wrapped(|ui| {
            for (view, name) in [(View::Grid, tr("Items")), (View::Charts, tr("Balance"))] {
                let face = Face { is_selected: self.view == view, is_small: true, ..Face::default() };
                if row_ui(ui, 110.0, "", name, face).clicked() {
                    self.view = view;
                }
            }
            let shown = self.list.as_ref().map_or(0, |list| list.ids.len());
            ui.label(secondary(format!("{shown} {}", tr("labels")), t));
            if !self.chosen.is_empty() {
                ui.label(
                    RichText::new(format!("{} {}", self.chosen.len(), tr("chosen"))).size(SECONDARY).strong(),
                );
                self.correct_ui(ui, page);
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                for verb in [Verb::Export, Verb::Import] {
                    if button_ui(ui, verb.about().label(), false)
                        .on_hover_text(format!("{} ({})", verb.about().hint(), page.cap(verb)))
                        .clicked()
                    {
                        self.perform(verb);
                    }
                }
            });
        });
        ui.add_space(SPACE[0]);
    }

    /// One class for all that are chosen.
    fn correct_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let mut class = None;
        let classes = &page.session.plan.classes;
        if !classes.is_empty() {
            egui::ComboBox::from_id_salt("correct").selected_text(tr("They are all…")).show_ui(ui, |ui| {
                for known in classes {
                    if ui.selectable_label(false, &known.name).clicked() {
                        class = Some(known.name.clone());
                    }
                }
            });
        }
        if let Some(class) = class {
            page.ask(Ask::Relabel { items: self.chosen.iter().copied().collect(), class });
            self.chosen.clear();
        }
        if ui.button(tr("Choose none")).clicked() {
            self.chosen.clear();
        }
    }

    /// Only the rows on the screen are drawn, and only they are fetched.
    fn grid_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let t = page.tokens;
        let Some(list) = self.list.take() else {
            ui.label(secondary(tr("Reading the labels…"), t));
            return;
        };
        if list.ids.is_empty() {
            let all_is_shown = self.filter == LabelFilter::default();
            let text = if all_is_shown {
                tr("No labels yet: import some, or answer what waits")
            } else {
                tr("No label fits")
            };
            ui.label(secondary(text, t));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a handful of columns")]
        let columns = ((ui.available_width() / (CELL[0] + SPACE[1])).floor() as usize).max(1);
        let rows = list.ids.len().div_ceil(columns);
        ScrollArea::vertical().auto_shrink(false).show_rows(ui, CELL[1], rows, |ui, range| {
            for row in range {
                ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing.x = SPACE[1];
                    for at in row * columns..((row + 1) * columns).min(list.ids.len()) {
                        self.cell_ui(ui, page, &list, at);
                    }
                });
            }
        });
        self.list = Some(list);
    }

    fn cell_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, list: &LabelList, at: usize) {
        let t = page.tokens;
        let id = list.ids[at];
        let is_chosen = self.chosen.contains(&id);
        let (rect, response) = ui.allocate_exact_size(CELL.into(), Sense::click());
        let Some(row) = self.rows.get(&id) else {
            self.wanted.insert(id);
            ui.painter().rect_filled(rect.shrink(2.0), RADIUS_SMALL, t.background[1]);
            return;
        };
        let text = label_text(&row.label);
        let spoken = format!("{} {}: {text}", tr("unit"), row.item.unit);
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_chosen, &spoken));
        let place = Rect::from_min_size(rect.min, vec2(CELL[0], 108.0));
        let painter = ui.painter();
        let shown = page.session.album.thumb(&row.item.media);
        paint_thumb(painter, place, &shown, is_chosen || response.has_focus(), t);
        if row.item.kind == MediaKind::Audio {
            paint_sound_mark(painter, place, t);
        }
        let painter = painter.with_clip_rect(rect);
        let regions = row.label.regions.len();
        let about = if regions > 0 { format!("{text} · {regions}") } else { text.clone() };
        paint_words(&painter, place.left_bottom() + vec2(0.0, 5.0), &about, [SECONDARY, CELL[0]], t.text[0]);
        painter.text(
            pos2(rect.left(), place.bottom() + 24.0),
            Align2::LEFT_TOP,
            &row.item.unit,
            FontId::proportional(NOTE),
            t.text[2],
        );
        let hover = format!(
            "{}\n{text}\n{} {}\n{}",
            row.item.name,
            tr("settled"),
            time::day(row.settled_at),
            tr("Click chooses, Shift a range, double click opens it")
        );
        if response.double_clicked() {
            page.ask(Ask::Show(id));
            page.verbs.push(Verb::PageReview);
        } else if response.clicked() {
            self.choose(ui.input(|input| input.modifiers), list, at);
        }
        response.on_hover_text(hover);
    }

    fn choose(&mut self, modifiers: Modifiers, list: &LabelList, at: usize) {
        let id = list.ids[at];
        if let Some(anchor) = self.anchor.filter(|_| modifiers.shift) {
            let range = anchor.min(at)..=anchor.max(at);
            self.chosen.extend(list.ids.get(range).unwrap_or_default());
        } else {
            if !self.chosen.remove(&id) {
                self.chosen.insert(id);
            }
            self.anchor = Some(at);
        }
    }
}

/// Shown where nothing else is.
fn quiet(ui: &mut Ui, text: &str, page: &Page<'_>) {
    ui.label(note(text, page.tokens));
}
