//! Where a model sees it, as colour on the fixed scale of the decision, and the legend of that scale.

use super::super::texts::tr;
use super::super::theme::{NOTE, RADIUS_CONTROL, SPACE, Tokens};
use super::super::widgets::probability;
use crate::domain::{Probability, Thresholds};
use crate::engine::Heat;
use eframe::egui::{Align2, Color32, ColorImage, FontId, Rect, Stroke, StrokeKind, Ui, pos2, vec2};

/// Heat is never thicker than this over the evidence.
const HEAT_ALPHA: f32 = 0.55;
/// Heat begins at this probability.
const HEAT_MIN: f64 = 0.02;

/// On the fixed scale: nothing far below the lower threshold, yellow between, orange above the upper
/// one, whatever else this picture holds.
fn heat_color(p: f64, thresholds: Thresholds, t: Tokens) -> Color32 {
    let low = thresholds.pass_below.map_or(0.1, Probability::get);
    let high = thresholds.divert_above.map_or(0.9, Probability::get);
    if p < HEAT_MIN {
        return Color32::TRANSPARENT;
    }
    #[expect(clippy::cast_possible_truncation, reason = "shares of a colour")]
    let (along, alpha) = (
        ((p - low) / (high - low).max(1e-6)).clamp(0.0, 1.0) as f32,
        (f64::from(HEAT_ALPHA) * (p / high.max(1e-6)).min(1.0)) as f32,
    );
    let mix = |a: u8, b: u8| f32::from(a) + along * (f32::from(b) - f32::from(a));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two colours")]
    let [r, g, b, a] = [
        mix(t.review.r(), t.divert.r()),
        mix(t.review.g(), t.divert.g()),
        mix(t.review.b(), t.divert.b()),
        255.0 * alpha,
    ]
    .map(|v| v as u8);
    Color32::from_rgba_unmultiplied(r, g, b, a)
}

pub fn heat_image(heat: &Heat, thresholds: Thresholds, t: Tokens) -> ColorImage {
    let plane = heat.width * heat.height;
    let pixels = (0..plane)
        .map(|at| {
            let p = heat.values.iter().skip(at).step_by(plane.max(1)).copied().fold(0.0, f32::max);
            heat_color(f64::from(p), thresholds, t)
        })
        .collect();
    ColorImage::new([heat.width, heat.height], pixels)
}

/// The scale of the heat with both thresholds on it.
pub fn legend(ui: &Ui, area: Rect, thresholds: Thresholds, t: Tokens) {
    let size = vec2(260.0, 74.0);
    let rect = Rect::from_min_size(area.right_bottom() - size - vec2(SPACE[2], SPACE[2]), size);
    let painter = ui.painter();
    painter.rect(rect, RADIUS_CONTROL, t.background[1], Stroke::new(1.0, t.line), StrokeKind::Inside);
    let font = FontId::proportional(NOTE);
    painter.text(
        rect.min + vec2(12.0, 10.0),
        Align2::LEFT_TOP,
        tr("Defect probability, fixed scale"),
        font.clone(),
        t.text[1],
    );
    let bar = Rect::from_min_size(rect.min + vec2(12.0, 32.0), vec2(size.x - 24.0, 8.0));
    painter.rect_filled(bar, 2.0, Color32::from_gray(40));
    let steps = 64;
    for i in 0..steps {
        let p = (f64::from(i) + 0.5) / f64::from(steps);
        let step = bar.width() / steps as f32;
        let cell = Rect::from_min_size(bar.min + vec2(step * i as f32, 0.0), vec2(step + 0.5, bar.height()));
        painter.rect_filled(cell, 0.0, heat_color(p, thresholds, t));
    }
    let y = bar.bottom() + 6.0;
    painter.text(pos2(bar.left(), y), Align2::LEFT_TOP, "0", font.clone(), t.text[2]);
    painter.text(pos2(bar.right(), y), Align2::RIGHT_TOP, "1", font.clone(), t.text[2]);
    for (p, name, color, anchor) in [
        (thresholds.pass_below, tr("pass"), t.pass, Align2::LEFT_TOP),
        (thresholds.divert_above, tr("divert"), t.divert, Align2::RIGHT_TOP),
    ] {
        let Some(p) = p else { continue };
        #[expect(clippy::cast_possible_truncation, reason = "a place on the screen")]
        let x = bar.left() + bar.width() * p.get() as f32;
        painter.vline(x, bar.y_range().expand(3.0), Stroke::new(2.0, color));
        let x = x.clamp(bar.left() + 14.0, bar.right() - 14.0);
        painter.text(pos2(x, y), anchor, format!("{name} {}", probability(p.get())), font.clone(), color);
    }
}
