//! What is drawn around and over the two lanes: ruler, frequencies, regions as thin outlines with their
//! label beside, cursor and readout.

use super::super::super::texts::tr;
use super::super::super::theme::{DARK, NOTE, RADIUS_SMALL, Tokens};
use super::super::marks::{LABELS_MAX, LINE, free_place, ink, label, label_at, outline};
use super::Placed;
use super::axis::{moment, spoken};
use super::wave::LANES_MAX;
use crate::domain::{Region, Shape, Thresholds};
use eframe::egui::{Align2, Color32, FontId, Painter, Pos2, Rect, Stroke, StrokeKind, Ui, pos2, vec2};

/// Points between two numbers beside the spectrogram.
const HZ_POINTS: f32 = 24.0;
const HZ_TICKS: [f64; 14] = [0.0, 100.0, 250.0, 500.0, 1e3, 2e3, 3e3, 4e3, 6e3, 8e3, 12e3, 16e3, 20e3, 24e3];

/// How regions are to be drawn.
#[derive(Clone, Copy)]
pub struct Mark {
    pub thresholds: Thresholds,
    /// Drawn by people: no score says how sure it is.
    pub is_label: bool,
    /// The model's, beside what a person has drawn.
    pub is_dashed: bool,
    pub chosen: Option<usize>,
}

/// Numbers of time and frequency, and the frames of the lanes.
pub fn axes(ui: &Ui, placed: &Placed, channels: u32, t: Tokens) {
    let painter = ui.painter();
    let font = FontId::proportional(NOTE);
    let step = placed.ruled.step();
    for at in placed.ruled.ticks() {
        let x = placed.ruled.x_at(at);
        painter.vline(x, placed.ruler.top()..=placed.ruler.top() + 5.0, Stroke::new(1.0, t.text[2]));
        painter.vline(x, placed.ruler.bottom() - 5.0..=placed.ruler.bottom(), Stroke::new(1.0, t.text[2]));
        let text = if placed.ruled.end() < 60.0 { spoken(at, step) } else { moment(at, step) };
        let anchor = match x {
            x if x < placed.ruler.left() + 20.0 => Align2::LEFT_CENTER,
            x if x > placed.ruler.right() - 24.0 => Align2::RIGHT_CENTER,
            _ => Align2::CENTER_CENTER,
        };
        painter.text(pos2(x, placed.ruler.center().y), anchor, text, font.clone(), t.text[1]);
    }
    let mut last = f32::INFINITY;
    for hz in hz_ticks(placed.bands.high_hz()) {
        let y = placed.y_at(hz);
        let at = y.clamp(placed.spectrum.top() + 7.0, placed.spectrum.bottom() - 7.0);
        if last - at < HZ_POINTS {
            continue;
        }
        last = at;
        let left = placed.spectrum.left();
        painter.hline(left - 5.0..=left, y, Stroke::new(1.0, t.text[2]));
        painter.text(pos2(left - 8.0, at), Align2::RIGHT_CENTER, hz_text(hz), font.clone(), t.text[1]);
    }
    if channels > LANES_MAX {
        let text = format!("{LANES_MAX} {} {channels}", tr("of"));
        painter.text(placed.wave.left_top() - vec2(8.0, 0.0), Align2::RIGHT_TOP, text, font, t.text[2]);
    }
    for lane in [placed.wave, placed.spectrum] {
        painter.rect_stroke(lane, 0.0, Stroke::new(1.0, t.line), StrokeKind::Outside);
    }
}

/// Round frequencies, for ultrasound too.
fn hz_ticks(high_hz: f64) -> Vec<f64> {
    let more = (1..).map(|n| f64::from(n) * 40e3).take_while(|hz| *hz <= high_hz);
    HZ_TICKS.into_iter().filter(|hz| *hz <= high_hz).chain(more).collect()
}

/// "850 Hz", "1.2 kHz".
pub fn hz_text(hz: f64) -> String {
    match hz {
        hz if hz < 999.5 => format!("{hz:.0} Hz"),
        hz if hz < 9_950.0 => format!("{} kHz", format!("{:.1}", hz / 1e3).trim_end_matches(".0")),
        hz => format!("{:.0} kHz", hz / 1e3),
    }
}

/// Regions with their class and score beside them, on the fixed scale of the decision.
pub fn regions(ui: &Ui, placed: &Placed, regions: &[Region], mark: Mark, theme: Tokens) {
    let painter = ui.painter();
    let mut labels: Vec<Rect> = Vec::new();
    let mut beneath = placed.spectrum.top() + 12.0;
    for (at, region) in regions.iter().enumerate() {
        let is_chosen = mark.chosen == Some(at);
        // The ground of the spectrogram is dark in both themes, that of the waveform is the theme's.
        let [(over, is_dashed), (above, _)] =
            [DARK, theme].map(|t| ink(region, mark.thresholds, mark.is_label, t));
        let is_dashed = is_dashed || mark.is_dashed;
        let colors = if is_chosen { [DARK.accent, theme.accent] } else { [over, above] };
        let text = label(region);
        let Some(place) = span_rect(placed, &region.shape) else {
            let at = pos2(placed.spectrum.left() + 12.0, beneath);
            if at.y < placed.spectrum.bottom() {
                label_at(painter, at, Align2::LEFT_TOP, &text, colors[0], DARK);
            }
            beneath += 26.0;
            continue;
        };
        if !place.expand(4.0).intersects(placed.spectrum) {
            continue;
        }
        outline_span(painter, placed, &region.shape, colors, is_dashed && !is_chosen);
        if is_chosen {
            handles(painter, placed, place);
        }
        if labels.len() < LABELS_MAX {
            let seen = place.intersect(placed.spectrum);
            let rect = free_place(painter, seen, &text, &labels, placed.spectrum);
            label_at(painter, rect.left_top(), Align2::LEFT_TOP, &text, colors[0], DARK);
            labels.push(rect);
        }
    }
}

/// Where a stretch lies on the spectrogram.
fn span_rect(placed: &Placed, shape: &Shape) -> Option<Rect> {
    let Shape::Span { span_secs, band_hz } = shape else { return None };
    let [left, right] = span_secs.map(|secs| placed.ruled.x_at(secs));
    let inside = placed.spectrum.shrink(1.0);
    let [bottom, top] =
        band_hz.map_or([inside.bottom(), inside.top()], |band| band.map(|hz| placed.y_at(hz)));
    Some(Rect::from_min_max(pos2(left, top), pos2(right.max(left + 1.0), bottom.max(top + 1.0))))
}

/// A box on the spectrogram, a stretch on the waveform; `colors` of the one and the other.
pub fn outline_span(
    painter: &Painter,
    placed: &Placed,
    shape: &Shape,
    colors: [Color32; 2],
    is_dashed: bool,
) {
    let Some(place) = span_rect(placed, shape) else { return };
    let corners = |rect: Rect| -> Vec<Pos2> {
        vec![rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom()]
    };
    let mut shapes = Vec::new();
    outline(&mut shapes, corners(place), LINE, colors[0], is_dashed);
    painter.with_clip_rect(placed.spectrum.intersect(painter.clip_rect())).extend(shapes);
    let above = Rect::from_x_y_ranges(place.x_range(), placed.wave.shrink(1.0).y_range());
    let painter = painter.with_clip_rect(placed.wave.intersect(painter.clip_rect()));
    for x in [above.left(), above.right()] {
        painter.vline(x, above.y_range(), Stroke::new(1.5, colors[1]));
    }
    painter.hline(above.x_range(), above.top() + 1.0, Stroke::new(3.0, colors[1]));
}

fn handles(painter: &Painter, placed: &Placed, place: Rect) {
    let painter = painter.with_clip_rect(placed.spectrum.intersect(painter.clip_rect()));
    for at in [place.left_center(), place.right_center(), place.center_top(), place.center_bottom()] {
        let handle = Rect::from_center_size(at, vec2(9.0, 9.0));
        painter.rect(handle, 1.0, DARK.background[0], Stroke::new(1.5, DARK.accent), StrokeKind::Inside);
    }
}

/// The cursor through both lanes with its time, and what lies under the pointer.
pub fn cursor(ui: &Ui, placed: &Placed, at: f64, hover: Option<Pos2>, t: Tokens) {
    let painter = ui.painter();
    let step = placed.ruled.step() / 100.0;
    if let Some(pointer) = hover.filter(|pointer| placed.lanes().contains(*pointer)) {
        let time = spoken(placed.ruled.secs_at(pointer.x).max(0.0), step);
        let text = if placed.spectrum.contains(pointer) {
            format!("{time} · {}", hz_text(placed.hz_at(pointer.y)))
        } else {
            time
        };
        let at = placed.spectrum.right_top() + vec2(-8.0, 8.0);
        label_at(painter, at, Align2::RIGHT_TOP, &text, DARK.line, DARK);
        painter.vline(pointer.x, placed.ruler.y_range(), Stroke::new(1.0, t.text[2]));
    }
    let x = placed.ruled.x_at(at);
    if x < placed.wave.left() - 0.5 || x > placed.wave.right() + 0.5 {
        return;
    }
    painter.vline(x, placed.wave.y_range(), Stroke::new(1.5, t.accent));
    painter.vline(x, placed.spectrum.y_range(), Stroke::new(3.0, Color32::from_black_alpha(140)));
    painter.vline(x, placed.spectrum.y_range(), Stroke::new(1.5, DARK.text[0]));
    let text = moment(at, step);
    let galley = painter.layout_no_wrap(text, FontId::proportional(NOTE), t.background[1]);
    let size = galley.size() + vec2(10.0, 4.0);
    let left = (x - size.x / 2.0).clamp(placed.ruler.left(), placed.ruler.right() - size.x);
    let place = Rect::from_min_size(pos2(left, placed.ruler.center().y - size.y / 2.0), size);
    painter.rect_filled(place, RADIUS_SMALL, t.accent);
    painter.galley(place.min + vec2(5.0, 2.0), galley, t.background[1]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_are_written_as_people_say_them() {
        let texts: Vec<String> = [0.0, 250.0, 1000.0, 1234.0, 9_999.0, 44_100.0].map(hz_text).into();
        assert_eq!(texts, ["0 Hz", "250 Hz", "1 kHz", "1.2 kHz", "10 kHz", "44 kHz"]);
        assert_eq!(hz_ticks(500.0), [0.0, 100.0, 250.0, 500.0]);
        assert_eq!(hz_ticks(96_000.0).last(), Some(&80_000.0));
    }
}
