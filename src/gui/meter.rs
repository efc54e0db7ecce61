//! How loud it is: of what is played, and of what a microphone hears.

use super::texts::tr;
use super::theme::{NOTE, Tokens};
use eframe::egui::{self, Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

/// The meter begins here.
const METER_DB: f32 = -60.0;
/// From here on a sound is clipped, or nearly.
const CLIPPED_DB: f32 = -0.5;

/// The highest samples of two channels, or of all as one, in decibels of full scale.
pub fn meter_ui(ui: &mut Ui, width: f32, peaks: &[f32], t: Tokens) {
    let (rect, response) = ui.allocate_exact_size(vec2(width, 40.0), Sense::hover());
    let db = |peak: f32| 20.0 * peak.max(1e-6).log10();
    let loudest = peaks.iter().fold(METER_DB, |loudest, peak| loudest.max(db(*peak)));
    let spoken = format!("{} {loudest:.0} dB", tr("Level"));
    response.widget_info(|| WidgetInfo::labeled(Role::Meter, true, &spoken));
    let share = |db: f32| ((db - METER_DB) / -METER_DB).clamp(0.0, 1.0);
    let height = 14.0 / peaks.len().max(1) as f32;
    for (channel, peak) in peaks.iter().enumerate() {
        let top = rect.top() + 8.0 + (height + 1.0) * channel as f32;
        let bar = Rect::from_min_size(pos2(rect.left(), top), vec2(rect.width(), height - 1.0));
        ui.painter().rect_filled(bar, 1.0, t.background[3]);
        let color = if db(*peak) > CLIPPED_DB { t.stop } else { t.text[1] };
        ui.painter().rect_filled(bar.with_max_x(bar.left() + bar.width() * share(db(*peak))), 1.0, color);
    }
    for mark in [-60, -40, -20, 0_i16] {
        let x = rect.left() + rect.width() * share(f32::from(mark));
        let y = rect.top() + 24.0;
        ui.painter().vline(x, y..=y + 3.0, Stroke::new(1.0, t.text[2]));
        let anchor = match mark {
            -60 => egui::Align2::LEFT_TOP,
            0 => egui::Align2::RIGHT_TOP,
            _ => egui::Align2::CENTER_TOP,
        };
        let text = if mark == 0 { "0 dB".to_owned() } else { mark.to_string() };
        ui.painter().text(pos2(x, y + 3.0), anchor, text, egui::FontId::proportional(NOTE - 2.0), t.text[2]);
    }
}
