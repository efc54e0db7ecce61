//! What the labels are: how many of each class, how large their regions are and where they lie.

use super::super::page::Page;
use super::super::plots::still;
use super::super::texts::tr;
use super::super::theme::{BODY, SECONDARY, SPACE};
use super::super::widgets::{card_ui, note, percent};
use super::{WORDS_SHOWN, quiet};
use crate::domain::{LabelStatus, Route, Task};
use crate::engine::LabelList;
use eframe::egui::{self, Color32, Rect, RichText, Sense, Ui, pos2, vec2};
use egui_plot::{Bar, BarChart, PlotPoints, Points};
use std::collections::BTreeMap;

/// Points drawn of the cloud; each further one would hide another.
const POINTS_MAX: usize = 4000;
const HEIGHT: f32 = 260.0;

pub fn ui(ui: &mut Ui, page: &Page<'_>, list: Option<&LabelList>) {
    let Some(list) = list else { return };
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let title = match page.session.plan.task {
            Task::Transcribe => tr("Labels in which a word is said"),
            Task::Defect | Task::Classify => tr("Class balance"),
        };
        card_ui(ui, title, |ui| balance_ui(ui, page, list));
        ui.add_space(SPACE[1]);
        ui.columns(2, |columns| {
            card_ui(&mut columns[0], tr("Side of regions, px"), |ui| sizes_ui(ui, page, list));
            card_ui(&mut columns[1], tr("Where regions lie, px"), |ui| places_ui(ui, page, list));
        });
        quiet(ui, tr("Sizes and places are those of the newest 20,000 labels"), page);
    });
}

fn balance_ui(ui: &mut Ui, page: &Page<'_>, list: &LabelList) {
    let t = page.tokens;
    let is_written = page.session.plan.task == Task::Transcribe;
    let mut of: BTreeMap<&str, i64> = BTreeMap::new();
    for ((class, status), n) in &list.counts {
        if is_written && status == LabelStatus::Confirmed.as_str() {
            continue;
        }
        *of.entry(if class.is_empty() { status } else { class }).or_default() += n;
    }
    let words = list.words.iter().take(WORDS_SHOWN).map(|(word, n)| (word.as_str(), *n));
    let bars: Vec<(&str, i64)> = words.chain(of).collect();
    let all: i64 = list.counts.iter().map(|(_, n)| n).sum();
    let most = bars.iter().map(|(_, n)| *n).max().unwrap_or(1).max(1);
    for (name, n) in bars {
        ui.horizontal(|ui| {
            ui.allocate_ui_with_layout(
                vec2(150.0, 22.0),
                egui::Layout::left_to_right(egui::Align::Center),
                |ui| {
                    ui.set_min_width(150.0);
                    ui.label(RichText::new(name).size(BODY));
                },
            );
            let room = (ui.available_width() - 150.0).max(60.0);
            let (rect, _) = ui.allocate_exact_size(vec2(room, 18.0), Sense::hover());
            let bar = Rect::from_min_size(rect.min, vec2(room * n as f32 / most as f32, 18.0));
            let color = match page.session.plan.route(name) {
                Some(Route::Pass) => t.pass,
                Some(Route::Divert) => t.divert,
                None => t.text[2],
            };
            ui.painter().rect_filled(bar, 3.0, color);
            ui.label(RichText::new(n.to_string()).size(SECONDARY));
            ui.label(note(percent(n as f64 / all.max(1) as f64), t));
        });
    }
}

/// One colour for each class, told apart by shape of the cloud and the legend's order as well.
fn color_of(at: usize) -> Color32 {
    const COLORS: [Color32; 6] = [
        Color32::from_rgb(0x56, 0xb4, 0xe9),
        Color32::from_rgb(0xe6, 0x9f, 0x00),
        Color32::from_rgb(0x00, 0x9e, 0x73),
        Color32::from_rgb(0xcc, 0x79, 0xa7),
        Color32::from_rgb(0xd5, 0x5e, 0x00),
        Color32::from_rgb(0x8e, 0xa2, 0xff),
    ];
    COLORS[at % COLORS.len()]
}

fn sizes_ui(ui: &mut Ui, page: &Page<'_>, list: &LabelList) {
    let t = page.tokens;
    if list.places.is_empty() {
        quiet(ui, tr("No label has a region"), page);
        return;
    }
    // Doublings: defects differ by orders of magnitude.
    let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
    for place in &list.places {
        #[expect(clippy::cast_possible_truncation, reason = "a logarithm")]
        let bin = place.side.max(1.0).log2().floor() as i32;
        *counts.entry(bin).or_default() += 1;
    }
    let bars = counts.iter().map(|(bin, n)| Bar::new(f64::from(*bin) + 0.5, *n as f64).width(0.9)).collect();
    ui.visuals_mut().override_text_color = Some(t.text[2]);
    still("sizes", HEIGHT, t)
        .x_axis_formatter(|mark, _| format!("{:.0}", mark.value.exp2()))
        .show(ui, |plot| plot.bar_chart(BarChart::new("regions", bars).color(t.accent)));
    let mut sides: Vec<f32> = list.places.iter().map(|place| place.side).collect();
    sides.sort_by(f32::total_cmp);
    let at = |share: f32| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = (share * (sides.len() - 1) as f32) as usize;
        sides[index]
    };
    let words = format!(
        "{} {:.0}, {} {:.0} {} {:.0} px · n = {}",
        tr("median"),
        at(0.5),
        tr("tenths"),
        at(0.1),
        tr("to"),
        at(0.9),
        sides.len()
    );
    quiet(ui, &words, page);
}

fn places_ui(ui: &mut Ui, page: &Page<'_>, list: &LabelList) {
    if list.places.is_empty() {
        quiet(ui, tr("No label has a region"), page);
        return;
    }
    let step = list.places.len().div_ceil(POINTS_MAX);
    let mut by_class: BTreeMap<&str, Vec<[f64; 2]>> = BTreeMap::new();
    for place in list.places.iter().step_by(step) {
        let [x, y] = place.center.map(f64::from);
        by_class.entry(&place.class).or_default().push([x, -y]);
    }
    ui.horizontal_wrapped(|ui| {
        for (i, (class, points)) in by_class.iter().enumerate() {
            let (rect, _) = ui.allocate_exact_size(vec2(10.0, 14.0), Sense::hover());
            ui.painter().circle_filled(pos2(rect.center().x, rect.center().y), 4.0, color_of(i));
            ui.label(note(format!("{class} {}", points.len() * step), page.tokens));
        }
    });
    let t = page.tokens;
    ui.visuals_mut().override_text_color = Some(t.text[2]);
    still("places", HEIGHT, t)
        .data_aspect(1.0)
        .y_axis_formatter(|mark, _| format!("{:.0}", -mark.value))
        .show(ui, |plot| {
            for (i, (class, points)) in by_class.into_iter().enumerate() {
                plot.points(Points::new(class, PlotPoints::from(points)).color(color_of(i)).radius(2.0));
            }
        });
}
