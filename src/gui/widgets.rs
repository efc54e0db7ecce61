//! The window's few building blocks, each with its accessibility label.

use super::icon::Icon;
use super::texts::tr;
use super::theme::{
    BODY, CONTROL_HEIGHT, FIGURE, NOTE, RADIUS_CARD, RADIUS_CONTROL, RADIUS_SMALL, SECONDARY, SPACE, Tokens,
    tokens,
};
use super::verbs::{Keymap, Verb};
use crate::domain::{Outcome, Route};
use eframe::egui::{
    self, Align, Align2, Color32, CornerRadius, FontId, Key, Layout, Modifiers, Rect, Response, RichText,
    Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

/// Shape and colour both say the route: round passes, square diverts, a diamond asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Pass,
    Divert,
    Ask,
    /// Neither.
    None,
}

impl From<Outcome> for Mark {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::Pass,
            Outcome::Divert => Self::Divert,
            Outcome::Review => Self::Ask,
        }
    }
}

impl From<Route> for Mark {
    fn from(route: Route) -> Self {
        match route {
            Route::Pass => Self::Pass,
            Route::Divert => Self::Divert,
        }
    }
}

impl Mark {
    pub fn color(self, t: Tokens) -> Color32 {
        match self {
            Self::Pass => t.pass,
            Self::Divert => t.divert,
            Self::Ask => t.review,
            Self::None => t.text[2],
        }
    }

    pub fn paint(self, painter: &egui::Painter, center: egui::Pos2, t: Tokens) {
        let (r, color) = (5.0, self.color(t));
        match self {
            Self::Pass => {
                painter.circle_filled(center, r, color);
            }
            Self::Divert => {
                painter.rect_filled(Rect::from_center_size(center, vec2(2.0 * r, 2.0 * r)), 2.0, color);
            }
            Self::Ask => {
                let points = [(0.0, -r), (r, 0.0), (0.0, r), (-r, 0.0)].map(|(x, y)| center + vec2(x, y));
                painter.add(egui::Shape::convex_polygon(points.to_vec(), color, Stroke::NONE));
            }
            Self::None => {}
        }
    }

    /// In a line of text.
    pub fn show_ui(self, ui: &mut Ui) {
        let (rect, _) = ui.allocate_exact_size(vec2(14.0, 18.0), Sense::hover());
        self.paint(ui.painter(), rect.center(), tokens(ui));
    }
}

pub fn note(text: impl Into<String>, t: Tokens) -> RichText {
    RichText::new(text).size(NOTE).color(t.text[2])
}

pub fn secondary(text: impl Into<String>, t: Tokens) -> RichText {
    RichText::new(text).size(SECONDARY).color(t.text[1])
}

/// Something to look at, marked by shape as well as colour.
pub fn warning_ui(ui: &mut Ui, text: impl Into<String>) -> Response {
    told_ui(ui, Mark::Ask, text)
}

/// A line with a mark in front.
pub fn told_ui(ui: &mut Ui, mark: Mark, text: impl Into<String>) -> Response {
    let t = tokens(ui);
    ui.horizontal(|ui| {
        mark.show_ui(ui);
        ui.add(egui::Label::new(RichText::new(text).size(SECONDARY).color(mark.color(t))).wrap())
    })
    .inner
}

/// A box over everything else, with room around what it asks.
pub fn modal_ui<R>(
    ctx: &egui::Context,
    name: &str,
    width: f32,
    add: impl FnOnce(&mut Ui) -> R,
) -> egui::ModalResponse<R> {
    let frame = egui::Frame::popup(&ctx.global_style()).inner_margin(SPACE[4]);
    egui::Modal::new(egui::Id::unique(name)).frame(frame).show(ctx, |ui| {
        ui.set_width(width);
        add(ui)
    })
}

/// A frame with the title of what it holds.
pub fn card_ui<R>(ui: &mut Ui, title: &str, add: impl FnOnce(&mut Ui) -> R) -> R {
    let t = tokens(ui);
    egui::Frame::new()
        .fill(t.background[1])
        .stroke(Stroke::new(1.0, t.line))
        .corner_radius(RADIUS_CARD)
        .inner_margin(SPACE[3])
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            // Columns stretch what they hold; text is not to be stretched.
            ui.with_layout(Layout::top_down(Align::LEFT), |ui| {
                if !title.is_empty() {
                    ui.label(secondary(title, t).strong());
                    ui.add_space(SPACE[0]);
                }
                add(ui)
            })
            .inner
        })
        .inner
}

/// A figure with its sample size behind it.
pub fn figure_ui(ui: &mut Ui, title: &str, figure: &str, about: &str, color: Color32) {
    let t = tokens(ui);
    card_ui(ui, title, |ui| {
        ui.label(RichText::new(figure).size(FIGURE).color(color));
        ui.label(note(about, t));
    });
}

/// A key cap at a place; its width.
fn cap_at(ui: &Ui, left_center: egui::Pos2, text: &str, t: Tokens) -> f32 {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), FontId::proportional(NOTE), t.text[1]);
    let size = vec2((galley.size().x + 10.0).max(22.0), 22.0);
    let rect = Rect::from_min_size(pos2(left_center.x, left_center.y - size.y / 2.0), size);
    ui.painter().rect(rect, RADIUS_SMALL, t.background[3], Stroke::new(1.0, t.line), StrokeKind::Inside);
    ui.painter().galley(rect.center() - galley.size() / 2.0, galley, t.text[1]);
    size.x
}

/// A key cap in a line of text.
pub fn cap_ui(ui: &mut Ui, text: &str) {
    let t = tokens(ui);
    let galley = ui.painter().layout_no_wrap(text.to_owned(), FontId::proportional(NOTE), t.text[1]);
    let (rect, _) = ui.allocate_exact_size(vec2((galley.size().x + 10.0).max(22.0), 22.0), Sense::hover());
    cap_at(ui, rect.left_center(), text, t);
}

/// How a button shows itself.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "looks that go together in any way")]
pub struct Face<'a> {
    pub mark: Option<Mark>,
    pub icon: Option<Icon>,
    /// Quieter, behind the label.
    pub about: &'a str,
    /// At the right end.
    pub figure: &'a str,
    pub is_selected: bool,
    pub is_disabled: bool,
    /// Less high, where there are many.
    pub is_dense: bool,
    /// Low, for tools.
    pub is_small: bool,
}

/// A large row that answers to a key as well: cap, mark, label, and what is known of it.
pub fn row_ui(ui: &mut Ui, width: f32, cap: &str, label: &str, face: Face<'_>) -> Response {
    let t = tokens(ui);
    let height = match () {
        () if face.is_small => 34.0,
        () if face.is_dense => CONTROL_HEIGHT - 4.0,
        () => CONTROL_HEIGHT,
    };
    let sense = if face.is_disabled { Sense::hover() } else { Sense::click() };
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), sense);
    let words = [label, face.about, face.figure];
    let spoken = words.iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join(", ");
    response.widget_info(|| WidgetInfo::selected(Role::Button, !face.is_disabled, face.is_selected, &spoken));
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let fill = match () {
        () if face.is_selected => t.background[3],
        () if response.is_pointer_button_down_on() => t.background[3],
        () if response.hovered() && !face.is_disabled => t.background[3],
        () => t.background[2],
    };
    let edge = if face.is_selected { Stroke::new(1.5, t.accent) } else { Stroke::new(1.0, t.line) };
    ui.painter().rect(rect, RADIUS_CONTROL, fill, edge, StrokeKind::Inside);
    focus_ring(ui, &response, rect);
    let middle = rect.center().y;
    let mut x = rect.left() + SPACE[2];
    if !cap.is_empty() {
        x += cap_at(ui, pos2(x, middle), cap, t) + SPACE[1] + 2.0;
    }
    if let Some(mark) = face.mark.filter(|mark| *mark != Mark::None) {
        mark.paint(ui.painter(), pos2(x + 6.0, middle), t);
        x += 12.0 + SPACE[1];
    }
    let ink = if face.is_disabled { t.text[2] } else { t.text[0] };
    if let Some(icon) = face.icon {
        icon.paint(ui.painter(), Rect::from_center_size(pos2(x + 9.0, middle), vec2(18.0, 18.0)), ink);
        x += 18.0 + SPACE[1];
    }
    let room = rect.right() - SPACE[2];
    let painter = ui.painter().with_clip_rect(rect.shrink2(vec2(SPACE[1], 0.0)));
    let mut end = room;
    if !face.figure.is_empty() {
        let place = painter.text(
            pos2(room, middle),
            Align2::RIGHT_CENTER,
            face.figure,
            FontId::proportional(SECONDARY),
            t.text[2],
        );
        end = place.left() - SPACE[1];
    }
    let painter = painter.with_clip_rect(Rect::from_min_max(rect.min, pos2(end, rect.bottom())));
    let size = if face.is_small { SECONDARY } else { BODY };
    let text = painter.text(pos2(x, middle), Align2::LEFT_CENTER, label, FontId::proportional(size), ink);
    if !face.about.is_empty() {
        let at = pos2(text.right() + SPACE[1], middle + 1.0);
        painter.text(at, Align2::LEFT_CENTER, face.about, FontId::proportional(SECONDARY), t.text[2]);
    }
    response
}

/// A row for a verb, with its key and tooltip; true when it was pressed.
pub fn verb_ui(ui: &mut Ui, width: f32, keymap: &Keymap, verb: Verb, face: Face<'_>) -> bool {
    let about = verb.about();
    let cap = keymap.chord(verb).map(super::chord::Chord::cap).unwrap_or_default();
    let label = about.label();
    row_ui(ui, width, &cap, label, face).on_hover_text(about.hint()).clicked()
}

/// A small button with an icon alone, named for those who do not see it.
pub fn icon_ui(ui: &mut Ui, icon: Icon, name: &str, is_selected: bool) -> Response {
    let t = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(40.0, 40.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_selected, name));
    let is_lit = is_selected || response.hovered();
    let fill = if is_lit { t.background[3] } else { t.background[2] };
    let edge = if is_selected { t.accent } else { t.line };
    ui.painter().rect(rect, RADIUS_CONTROL, fill, Stroke::new(1.0, edge), StrokeKind::Inside);
    focus_ring(ui, &response, rect);
    icon.paint(ui.painter(), rect.shrink(10.0), if is_selected { t.text[0] } else { t.text[1] });
    response.on_hover_text(name)
}

/// A quiet box with a few words, over a picture or in the top bar.
pub fn chip_ui(ui: &mut Ui, text: impl Into<egui::WidgetText>) -> Response {
    let t = tokens(ui);
    let frame = egui::Frame::new()
        .fill(t.background[2])
        .stroke(Stroke::new(1.0, t.line))
        .corner_radius(RADIUS_CONTROL)
        .inner_margin(egui::Margin::symmetric(10, 6));
    frame.show(ui, |ui| ui.add(egui::Label::new(text).truncate())).response
}

/// A chip that can be pressed.
pub fn chip_button_ui(ui: &mut Ui, text: impl Into<egui::WidgetText>) -> Response {
    let t = tokens(ui);
    ui.scope(|ui| {
        ui.spacing_mut().button_padding = vec2(10.0, 6.0);
        let button = egui::Button::new(text).fill(t.background[2]).stroke(Stroke::new(1.0, t.line));
        ui.add(button.corner_radius(RADIUS_CONTROL))
    })
    .inner
}

/// How far a job is, in words and as a bar.
pub fn progress_ui(ui: &mut Ui, share: Option<f64>, what: &str, seconds_left: Option<f64>) {
    let t = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 8.0), Sense::hover());
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::ProgressIndicator, true, what);
        info.value = share;
        info
    });
    ui.painter().rect_filled(rect, 4.0, t.background[3]);
    if let Some(share) = share {
        #[expect(clippy::cast_possible_truncation, reason = "a width on the screen")]
        let width = rect.width() * share.clamp(0.0, 1.0) as f32;
        let done = Rect::from_min_size(rect.min, vec2(width, rect.height()));
        ui.painter().rect_filled(done, 4.0, t.accent);
    }
    ui.horizontal(|ui| {
        ui.label(secondary(what, t));
        if let Some(left) = seconds_left {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.label(note(format!("{} {}", duration(left), tr("left")), t))
            });
        }
    });
}

/// "8 s", "4 min", "2 h 10 min".
pub fn duration(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and nobody waits that long")]
    let seconds = seconds.max(0.0).round() as i64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// "0.61" without its zero, as probabilities are written on the screen.
pub fn probability(p: f64) -> String {
    if p >= 0.995 { "1.0".into() } else { format!("{p:.2}").trim_start_matches('0').to_owned() }
}

pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A line between two things.
pub fn rule_ui(ui: &mut Ui) {
    let t = tokens(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 9.0), Sense::hover());
    ui.painter().hline(rect.x_range(), rect.center().y, Stroke::new(1.0, t.line));
}

/// A button of full height; `is_loud` for the one that a page is about.
pub fn button_ui(ui: &mut Ui, label: &str, is_loud: bool) -> Response {
    let t = tokens(ui);
    let text = RichText::new(label).size(BODY).color(if is_loud { t.background[1] } else { t.text[0] });
    let button =
        egui::Button::new(text).min_size(vec2(96.0, 40.0)).corner_radius(CornerRadius::from(RADIUS_CONTROL));
    let response = ui.add(if is_loud { button.fill(t.accent) } else { button });
    focus_ring(ui, &response, response.rect);
    response
}

/// Shows where the keyboard is, around `rect`: outside of edges and fills, which say other things, and in the
/// colour of text, which stands out from all of them.
pub fn focus_ring(ui: &Ui, response: &Response, rect: Rect) {
    if response.has_focus() {
        let stroke = Stroke::new(2.0, tokens(ui).text[0]);
        ui.painter().rect_stroke(rect.expand(1.0), RADIUS_CONTROL, stroke, StrokeKind::Outside);
    }
}

/// What a page holds, with a place of its own in it: pages of one layout would share it otherwise. The keys
/// of a long page scroll it, except where a text is written.
pub fn scroll_ui<R>(ui: &mut Ui, page: &str, add: impl FnOnce(&mut Ui) -> R) -> R {
    let height = ui.available_height();
    ScrollArea::vertical()
        .id_salt(page)
        .auto_shrink(false)
        .animated(false)
        .show(ui, |ui| {
            let added = add(ui);
            if !ui.ctx().text_edit_focused() {
                ui.scroll_with_delta(vec2(0.0, scrolled_by_keys(ui, height)));
            }
            added
        })
        .inner
}

/// How far the content moves down, in points.
fn scrolled_by_keys(ui: &Ui, height: f32) -> f32 {
    let page = 0.9 * height;
    let steps = [(Key::PageDown, -page), (Key::PageUp, page), (Key::End, f32::MIN), (Key::Home, f32::MAX)];
    ui.input_mut(|input| {
        steps.iter().find(|(key, _)| input.consume_key(Modifiers::NONE, *key)).map_or(0.0, |(_, by)| *by)
    })
}
