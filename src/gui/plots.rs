//! Curves to be read, not to be played with.

use super::texts::tr;
use super::theme::Tokens;
use super::widgets::note;
use eframe::egui::{self, Color32, Ui, vec2};
use egui_plot::{HLine, Line, LineStyle, Plot, PlotPoints};

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
    let named = curves.iter().map(|curve| {
        let last = curve.points.last().map_or_else(String::new, |p| format!(" {:.*}", decimals(p[1]), p[1]));
        (curve.color, LineStyle::Solid, format!("{}{last}", tr(curve.name)))
    });
    legend_ui(ui, named, t);
    let highest = curves.iter().flat_map(|c| &c.points).map(|p| p[1]).fold(0.0, f64::max);
    ui.visuals_mut().override_text_color = Some(t.text[2]);
    still(id, PLOT_HEIGHT, t)
        .x_axis_formatter(move |mark, _| {
            // Between whole minutes or epochs there is nothing to name.
            let is_whole = (mark.value - mark.value.round()).abs() < 1e-6;
            if is_whole { format!("{:.0}{unit}", mark.value) } else { String::new() }
        })
        .include_y(0.0)
        .include_y(highest * 1.1)
        .show(ui, |plot| {
            if let Some((name, y)) = limit.filter(|(_, y)| *y < 3.0 * highest) {
                plot.hline(HLine::new(name.to_owned(), y).color(t.review));
            }
            for curve in curves {
                plot.line(line(curve.name, curve.points, curve.color, 1.5));
            }
        });
}

/// A score between 0 and 1 differs in its third digit.
fn decimals(value: f64) -> usize {
    if value.abs() < 1.5 { 3 } else { 1 }
}

/// A line through points as they are. The plot would else draw close points as one band, and join that to far
/// points by a wedge.
pub fn line(name: &'static str, points: Vec<[f64; 2]>, color: Color32, width: f32) -> Line<'static> {
    Line::new(name, PlotPoints::from(points)).color(color).width(width).allow_band(false)
}

/// What each line of a plot stands for.
pub fn legend_ui(ui: &mut Ui, lines: impl IntoIterator<Item = (Color32, LineStyle, String)>, t: Tokens) {
    ui.horizontal_wrapped(|ui| {
        for (color, style, words) in lines {
            let (rect, _) = ui.allocate_exact_size(vec2(14.0, 16.0), egui::Sense::hover());
            let (ends, stroke) = ([rect.left_center(), rect.right_center()], egui::Stroke::new(2.0, color));
            match style {
                LineStyle::Solid => {
                    ui.painter().line_segment(ends, stroke);
                }
                _ => ui.painter().extend(egui::Shape::dashed_line(&ends, stroke, 5.0, 3.0)),
            }
            ui.label(note(words, t));
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

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::epaint::Primitive;

    #[test]
    fn a_step_after_close_points_is_a_line_and_no_wedge() {
        let close = (0..50).map(|i| [10.0 + 0.001 * f64::from(i), 100.0]);
        let points: Vec<[f64; 2]> = close.chain([[10.06, 0.0], [90.0, 0.0]]).collect();
        let ctx = egui::Context::default();
        let output = ctx.run_ui(egui::RawInput::default(), |ui| {
            let plot = still("step", PLOT_HEIGHT, super::super::theme::DARK);
            plot.show(ui, |plot| plot.line(line("step", points.clone(), Color32::RED, 3.0)));
        });
        let mut painted = 0.0;
        for primitive in ctx.tessellate(output.shapes, 1.0) {
            let Primitive::Mesh(mesh) = &primitive.primitive else { continue };
            for corners in mesh.indices.as_chunks::<3>().0 {
                let corners = corners.map(|at| mesh.vertices[at as usize]);
                if corners.iter().all(|corner| corner.color == Color32::RED) {
                    let [a, b, c] = corners.map(|corner| corner.pos);
                    painted += ((b - a).x * (c - a).y - (b - a).y * (c - a).x).abs() / 2.0;
                }
            }
        }
        let length = ctx.content_rect().width() + PLOT_HEIGHT;
        assert!(0.0 < painted && painted < 3.0 * length, "{painted} of a line {length} long");
    }
}
