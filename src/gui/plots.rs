//! Curves to be read, not to be played with.

use super::texts::tr;
use super::theme::Tokens;
use super::widgets::note;
use eframe::egui::{self, Color32, Ui, vec2};
use egui_plot::{HLine, Line, Plot, PlotPoints};

const PLOT_HEIGHT: f32 = 150.0;

pub struct Curve {
    pub name: &'static str,
    pub points: Vec<[f64; 2]>,
    pub color: Color32,
}

/// Curves over time or epochs, with at most one limit. Nothing moves by the pointer: it is to be read.
pub fn plot_ui(
    ui: &mut Ui,
    id: &str,
    unit: &'static str,
    curves: Vec<Curve>,
    limit: Option<(&str, f64)>,
    t: Tokens,
) {
    if curves.iter().all(|curve| curve.points.len() < 2) {
        ui.allocate_ui(vec2(ui.available_width(), PLOT_HEIGHT), |ui| {
            ui.label(note(tr("Nothing to draw yet"), t));
        });
        return;
    }
    ui.horizontal_wrapped(|ui| {
        for curve in &curves {
            let (rect, _) = ui.allocate_exact_size(vec2(14.0, 16.0), egui::Sense::hover());
            ui.painter().hline(rect.x_range(), rect.center().y, egui::Stroke::new(2.0, curve.color));
            let last = curve.points.last().map_or_else(String::new, |p| format!(" {:.1}", p[1]));
            ui.label(note(format!("{}{last}", tr(curve.name)), t));
        }
    });
    let highest = curves.iter().flat_map(|c| &c.points).map(|p| p[1]).fold(0.0, f64::max);
    ui.visuals_mut().override_text_color = Some(t.text[2]);
    still(id, PLOT_HEIGHT, t)
        .x_axis_formatter(move |mark, _| format!("{:.0}{unit}", mark.value))
        .include_y(0.0)
        .include_y(highest * 1.1)
        .show(ui, |plot| {
            if let Some((name, y)) = limit.filter(|(_, y)| *y < 3.0 * highest) {
                plot.hline(HLine::new(name.to_owned(), y).color(t.review));
            }
            for curve in curves {
                plot.line(
                    Line::new(curve.name, PlotPoints::from(curve.points)).color(curve.color).width(1.5),
                );
            }
        });
}

/// Axes that nothing moves.
pub fn still(id: &str, height: f32, t: Tokens) -> Plot<'static> {
    Plot::new(id)
        .height(height)
        .grid_color(t.line)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .show_background(false)
        .show_crosshair(false)
}
