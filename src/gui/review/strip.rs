//! What comes next, and how many wait.

use super::super::album::{paint_sound_mark, paint_thumb, paint_words};
use super::super::page::Page;
use super::super::texts::tr;
use super::super::theme::{FIGURE, NOTE, SPACE};
use super::super::verbs::Verb;
use super::super::widgets::{duration, note};
use crate::domain::{Item, MediaKind, Timestamp};
use crate::engine::{Ask, COUNT_MAX, Sight};
use eframe::egui::{self, Align, Layout, Rect, RichText, Role, Sense, Ui, WidgetInfo, vec2};

pub const HEIGHT: f32 = 132.0;
const THUMB: [f32; 2] = [112.0, 84.0];

pub(super) fn strip_ui(ui: &mut Ui, page: &mut Page<'_>) {
    let Some(board) = page.session.board.clone() else { return };
    ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
        ui.allocate_ui_with_layout(vec2(150.0, 110.0), Layout::top_down(Align::Max), |ui| {
            let t = page.tokens;
            let more = if board.waiting == COUNT_MAX { "+" } else { "" };
            let figure = RichText::new(format!("{}{more}", board.waiting)).size(FIGURE).color(t.text[0]);
            ui.label(figure);
            let oldest = board.oldest.map_or(String::new(), |at| {
                format!(" · {} {}", tr("oldest"), duration(Timestamp::now().secs_since(at)))
            });
            ui.label(note(format!("{}{oldest}", tr("waiting")), t));
            let name = if board.filter.is_empty() { tr("all reasons") } else { tr("filtered") };
            let link = egui::Button::new(note(format!("{name}…"), t)).frame(false);
            if ui.add(link).on_hover_text(Verb::Filter.about().hint()).clicked() {
                page.verbs.push(Verb::Filter);
            }
        });
        ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
            ui.spacing_mut().item_spacing.x = SPACE[1];
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a handful of thumbnails"
            )]
            let room = (ui.available_width() / (THUMB[0] + SPACE[1])).floor().max(0.0) as usize;
            let mut left = room;
            if let Some(card) = &board.current {
                // Nothing under a thumbnail may tell more than the item itself does.
                let about =
                    if card.sight == Sight::Shown { short(&card.reason) } else { card.item.unit.clone() };
                thumb_ui(ui, page, &card.item, &about, true);
                left = left.saturating_sub(1);
            }
            let is_shown = board.current.as_ref().is_some_and(|card| card.sight == Sight::Shown);
            for row in board.upcoming.iter().take(left) {
                let about = if is_shown { short(&row.reason) } else { row.item.unit.clone() };
                if thumb_ui(ui, page, &row.item, &about, false) {
                    page.ask(Ask::Show(row.item.id));
                }
            }
        });
    });
}

/// The reason's first words.
fn short(reason: &str) -> String {
    reason.replace("defect probability ", "").split(',').next().unwrap_or_default().chars().take(24).collect()
}

fn thumb_ui(ui: &mut Ui, page: &mut Page<'_>, item: &Item, about: &str, is_current: bool) -> bool {
    let t = page.tokens;
    let (rect, response) = ui.allocate_exact_size(vec2(THUMB[0], HEIGHT - 24.0), Sense::click());
    let kind = if item.kind == MediaKind::Audio { tr(", sound") } else { "" };
    let current = if is_current { tr(", on the screen") } else { "" };
    let name = format!("{} {}{kind}{current}", tr("unit"), item.unit);
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_current, &name));
    let place = Rect::from_min_size(rect.min, THUMB.into());
    let painter = ui.painter();
    let shown = page.session.album.thumb(&item.media);
    paint_thumb(painter, place, &shown, is_current || response.has_focus(), t);
    if item.kind == MediaKind::Audio {
        paint_sound_mark(painter, place, t);
    }
    let painter = painter.with_clip_rect(rect);
    paint_words(&painter, place.left_bottom() + vec2(0.0, 6.0), about, [NOTE, THUMB[0]], t.text[1]);
    response.on_hover_text(&item.name).clicked()
}
