//! Drawing: the top bar with STOP, the counts, the last decisions.

use super::data::{Ask, Feed, Recent, Snapshot};
use super::theme::{
    self, BODY, CONTROL_HEIGHT, FIGURE, NOTE, RADIUS_CARD, RADIUS_CONTROL, SECONDARY, SPACE, TITLE, Tokens,
    tokens,
};
use crate::domain::{Level, Outcome};
use crate::engine::LatencyMs;
use eframe::egui::{self, Align, Color32, Layout, RichText, Sense, Stroke, vec2};

pub struct App {
    feed: Feed,
    shown: Snapshot,
}

impl App {
    pub fn new(ctx: &egui::Context, feed: Feed) -> Self {
        theme::install(ctx);
        Self { feed, shown: Snapshot::default() }
    }
}

impl eframe::App for App {
    fn logic(&mut self, _ctx: &egui::Context, _frame: &mut eframe::Frame) {
        if let Some(newest) = self.feed.snapshots.try_iter().last() {
            self.shown = newest;
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        if let Some(ask) = window_ui(ui, &self.shown) {
            self.feed.ask(ask);
        }
    }
}

/// The whole window; returns what the person asked for.
pub fn window_ui(ui: &mut egui::Ui, shown: &Snapshot) -> Option<Ask> {
    let t = tokens(ui);
    let bar = egui::Frame::new().fill(t.background[1]).inner_margin(SPACE[2]);
    let asked = egui::Panel::top("top").frame(bar).show(ui, |ui| top_bar_ui(ui, shown, t)).inner;
    let ground = egui::Frame::new().fill(t.background[0]).inner_margin(SPACE[4]);
    egui::CentralPanel::default().frame(ground).show(ui, |ui| {
        for notice in [&shown.no_station, &shown.trouble].into_iter().flatten() {
            ui.label(RichText::new(format!("◆ {notice}")).color(t.review).size(SECONDARY));
        }
        counts_ui(ui, shown, t);
        ui.add_space(SPACE[3]);
        recent_ui(ui, shown, t);
    });
    asked
}

fn top_bar_ui(ui: &mut egui::Ui, shown: &Snapshot, t: Tokens) -> Option<Ask> {
    let mut asked = None;
    ui.horizontal(|ui| {
        ui.vertical(|ui| {
            ui.label(RichText::new(&shown.line).size(TITLE).strong());
            ui.label(RichText::new(&shown.folder).size(NOTE).color(t.text[2]));
        });
        ui.add_space(SPACE[3]);
        levels_ui(ui, shown.level, t);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let stop = egui::Button::new(RichText::new("STOP").size(TITLE).strong().color(t.on_stop))
                .fill(t.stop)
                .min_size(vec2(112.0, CONTROL_HEIGHT));
            if ui.add(stop).on_hover_text("Every item goes to a person, from now on").clicked() {
                asked = Some(Ask::Stop);
            }
            if shown.no_station.is_none() {
                let (label, ask) =
                    if shown.is_paused { ("Resume", Ask::Resume) } else { ("Pause", Ask::Pause) };
                if ui.add(egui::Button::new(label).min_size(vec2(88.0, CONTROL_HEIGHT))).clicked() {
                    asked = Some(ask);
                }
            }
        });
    });
    asked
}

fn levels_ui(ui: &mut egui::Ui, level: Option<Level>, t: Tokens) {
    for each in Level::ALL {
        let name = each.as_str();
        let is_in_force = level == Some(each);
        let (fill, color) =
            if is_in_force { (t.background[3], t.text[0]) } else { (Color32::TRANSPARENT, t.text[2]) };
        egui::Frame::new()
            .fill(fill)
            .corner_radius(RADIUS_CONTROL)
            .inner_margin(vec2(SPACE[2], SPACE[1]))
            .show(ui, |ui| {
                let text = RichText::new(name).size(SECONDARY).color(color);
                let label = ui.label(if is_in_force { text.strong() } else { text });
                label.on_hover_text(if is_in_force { "The level in force" } else { "Not in force" });
            });
    }
}

fn counts_ui(ui: &mut egui::Ui, shown: &Snapshot, t: Tokens) {
    let tallies = shown.tallies;
    let automation = tallies.automation_rate().map_or("–".into(), |rate| format!("{:.1} %", rate * 100.0));
    let latency = if shown.latency_ms.n == 0 {
        ("–".to_owned(), "no item yet".to_owned())
    } else {
        let LatencyMs { p50, p99, n } = shown.latency_ms;
        (format!("{p50:.0} ms"), format!("p99 {p99:.0} ms, n = {n}"))
    };
    ui.columns(6, |columns| {
        let items = |n: i64| format!("of {n} items");
        card_ui(&mut columns[0], "Passed", &tallies.passed.to_string(), &items(tallies.arrived), t.pass);
        card_ui(
            &mut columns[1],
            "Diverted",
            &tallies.diverted.to_string(),
            &items(tallies.arrived),
            t.divert,
        );
        card_ui(&mut columns[2], "Waiting", &tallies.waiting.to_string(), "for a person", t.review);
        let n = format!("n = {} inspections", tallies.inspections);
        card_ui(&mut columns[3], "Decided without a person", &automation, &n, t.text[0]);
        card_ui(&mut columns[4], "Arrival to decision, p50", &latency.0, &latency.1, t.text[0]);
        let model = shown.model.as_deref().unwrap_or("no model");
        card_ui(&mut columns[5], "Items a second", &format!("{:.1}", shown.items_per_s), model, t.text[0]);
    });
}

fn card_ui(ui: &mut egui::Ui, title: &str, figure: &str, note: &str, color: Color32) {
    let t = tokens(ui);
    egui::Frame::new()
        .fill(t.background[1])
        .stroke(Stroke::new(1.0, t.line))
        .corner_radius(RADIUS_CARD)
        .inner_margin(SPACE[3])
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.label(RichText::new(title).size(SECONDARY).color(t.text[1]));
            ui.label(RichText::new(figure).size(FIGURE).color(color));
            ui.label(RichText::new(note).size(NOTE).color(t.text[2]));
        });
}

fn recent_ui(ui: &mut egui::Ui, shown: &Snapshot, t: Tokens) {
    ui.label(RichText::new("Last decisions").size(SECONDARY).color(t.text[1]));
    if shown.recent.is_empty() {
        let text = if shown.no_station.is_some() { "not known in this window" } else { "none yet" };
        ui.label(RichText::new(text).size(BODY).color(t.text[2]));
    }
    egui::Grid::new("recent").num_columns(3).spacing(vec2(SPACE[4], SPACE[1])).show(ui, |ui| {
        for Recent { name, outcome, latency_ms } in &shown.recent {
            outcome_ui(ui, *outcome, t);
            ui.label(RichText::new(name).size(BODY));
            ui.label(RichText::new(format!("{latency_ms:.0} ms")).size(SECONDARY).color(t.text[2]));
            ui.end_row();
        }
    });
}

/// Shape and colour both say the route: round passes, square diverts, a diamond asks.
fn outcome_ui(ui: &mut egui::Ui, outcome: Outcome, t: Tokens) {
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(14.0, 14.0), Sense::hover());
        let (center, r) = (rect.center(), 5.0);
        let color = match outcome {
            Outcome::Pass => {
                ui.painter().circle_filled(center, r, t.pass);
                t.pass
            }
            Outcome::Divert => {
                ui.painter().rect_filled(
                    egui::Rect::from_center_size(center, vec2(2.0 * r, 2.0 * r)),
                    1.0,
                    t.divert,
                );
                t.divert
            }
            Outcome::Review => {
                let points = [(0.0, -r), (r, 0.0), (0.0, r), (-r, 0.0)].map(|(x, y)| center + vec2(x, y));
                ui.painter().add(egui::Shape::convex_polygon(points.to_vec(), t.review, Stroke::NONE));
                t.review
            }
        };
        ui.label(RichText::new(outcome.as_str()).size(BODY).color(color));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable;
    use std::cell::Cell;
    use std::rc::Rc;

    #[test]
    fn counts_are_shown_with_their_sample_sizes_and_stop_is_there() {
        let asked = Rc::new(Cell::new(None));
        let seen = Rc::clone(&asked);
        let shown = Snapshot {
            line: "Tiles".into(),
            level: Some(Level::Partial),
            tallies: crate::store::Tallies {
                arrived: 10,
                passed: 6,
                diverted: 1,
                waiting: 3,
                inspections: 10,
                automatic: 7,
                ..crate::store::Tallies::default()
            },
            ..Snapshot::default()
        };
        let mut harness = Harness::builder().with_size(vec2(1280.0, 800.0)).build_ui(move |ui| {
            if let Some(ask) = window_ui(ui, &shown) {
                seen.set(Some(ask));
            }
        });
        harness.get_by_label("70.0 %");
        harness.get_by_label("n = 10 inspections");
        harness.get_by_label("partial");
        harness.get_by_label("STOP").click();
        harness.run();
        assert_eq!(asked.get(), Some(Ask::Stop));
    }
}
