//! What is said, under the lanes: each word of the suggested reading at its time. What is uncertain has a
//! question mark and a double line beside its colour.

use super::super::super::page::Page;
use super::super::super::texts::tr;
use super::super::super::theme::{BODY, DARK, RADIUS_SMALL, SPACE, Tokens};
use super::super::super::widgets::probability;
use super::super::ReviewPage;
use super::super::words::Word;
use super::spans::Stretch;
use super::{Placed, lanes};
use crate::domain::Shape;
use crate::engine::Card;
use eframe::egui::{
    Align2, FontId, Painter, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

impl ReviewPage {
    /// The words that may be seen now; one that is pressed is taken under the hand.
    pub(super) fn words_ui(&mut self, ui: &Ui, page: &mut Page<'_>, card: &Card, placed: &Placed) {
        let words = self.words(card);
        let chosen = self.writing.at;
        let mut pressed = None;
        for (i, word) in words.iter().enumerate() {
            let Some(place) = place(placed, word.span_secs) else { continue };
            let response = ui.interact(place, ui.scope_id().with(("word", i)), Sense::click());
            let spoken = spoken(word, i + 1, words.len());
            let is_chosen = chosen == Some(i);
            response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_chosen, &spoken));
            paint(ui.painter(), place, word, is_chosen || response.has_focus(), page.tokens);
            if response.on_hover_text(&spoken).clicked() {
                pressed = Some(i);
            }
        }
        if let Some(span_secs) = self.word_span(card) {
            let shape = Shape::Span { span_secs, band_hz: None };
            lanes::outline_span(ui.painter(), placed, &shape, [DARK.accent, page.tokens.accent], false);
        }
        if let Some(at) = pressed {
            self.take_word(at, &words, card, page);
        }
    }
}

/// The part of a word's place that is on the screen.
fn place(placed: &Placed, span_secs: Stretch) -> Option<Rect> {
    let [left, right] = span_secs.map(|secs| placed.ruled.x_at(secs));
    let lane = placed.words.shrink2(vec2(0.0, SPACE[0]));
    let seen =
        Rect::from_x_y_ranges(left + 1.0..=right.max(left + 2.0) - 1.0, lane.y_range()).intersect(lane);
    (seen.width() > 0.0).then_some(seen)
}

fn spoken(word: &Word, number: usize, of: usize) -> String {
    let uncertain = if word.is_uncertain { format!(", {}", tr("uncertain")) } else { String::new() };
    let differs = if word.differs { format!(", {}", tr("not what was written")) } else { String::new() };
    let doubt = format!("{} {}", tr("doubt"), probability(word.doubt));
    format!("{} {number} {} {of}: {}{uncertain}{differs}, {doubt}", tr("Word"), tr("of"), word.text)
}

fn paint(painter: &Painter, place: Rect, word: &Word, is_chosen: bool, t: Tokens) {
    let painter = painter.with_clip_rect(place.expand(1.0).intersect(painter.clip_rect()));
    let ink = if word.is_uncertain { t.review } else { t.text[1] };
    painter.rect_filled(place, RADIUS_SMALL, t.background[if is_chosen { 3 } else { 1 }]);
    let sign = match (word.differs, word.is_uncertain) {
        (true, _) => " ≠",
        (false, true) => " ?",
        (false, false) => "",
    };
    let text = format!("{}{sign}", word.text);
    let at = pos2(place.center().x, place.top() + 13.0);
    painter.text(at, Align2::CENTER_CENTER, text, FontId::proportional(BODY), ink);
    let lines: &[f32] = if word.is_open() { &[7.0, 3.0] } else { &[5.0] };
    for up in lines {
        let y = place.bottom() - up;
        painter.hline(
            place.x_range().shrink(4.0),
            y,
            Stroke::new(if word.is_open() { 2.0 } else { 1.0 }, ink),
        );
    }
    if is_chosen {
        painter.rect_stroke(place, RADIUS_SMALL, Stroke::new(1.5, t.accent), StrokeKind::Inside);
    }
}
