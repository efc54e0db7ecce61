//! The picture, as large as there is room: itself, what lies over it, and the hand on it.

use super::super::album::Shown;
use super::super::icon::Icon;
use super::super::page::Page;
use super::super::texts::tr;
use super::super::theme::{BODY, DARK, RADIUS_CONTROL, SECONDARY, SPACE, TITLE, Tokens};
use super::super::verbs::Verb;
use super::super::widgets::{chip_button_ui, chip_ui};
use super::answer::is_revealed;
use super::camera::{self, Camera, ZOOM_STEP};
use super::drafts::{Draft, Drawn};
use super::edit::{self, Preview, Tool};
use super::edit_bar::{edit_chip_ui, tool_ui};
use super::heat::{heat_image, legend};
use super::marks::{Pen, other_regions, paint_shape};
use super::shapes;
use super::{ReferenceView, ReviewPage, heat_want};
use crate::domain::{MediaHash, MediaKind};
use crate::engine::{Card, Pyramid};
use eframe::egui::{
    self, Align2, Color32, CursorIcon, FontId, Pos2, Rect, RichText, Role, Sense, Stroke, StrokeKind,
    TextureOptions, Ui, UiBuilder, Vec2, WidgetInfo, pos2, vec2,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Points of the screen within which a corner is still meant.
const REACH: f32 = 9.0;
/// What a clock's chip takes.
const CLOCK_ROOM: f32 = 90.0;
const LOUPE_RADIUS: f32 = 110.0;
const LOUPE_ZOOM: f32 = 4.0;
/// How long each picture is shown in turn: slow enough not to flicker.
const IN_TURN: Duration = Duration::from_millis(600);

impl ReviewPage {
    pub(super) fn canvas_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>) {
        let whole = ui.max_rect();
        let Some(card) = page.card() else {
            self.area = None;
            empty_ui(ui, page);
            return;
        };
        if card.item.kind == MediaKind::Audio {
            self.sound_ui(ui, page, &card);
            return;
        }
        let has_reference = card.item.reference.is_some();
        let view = if has_reference { self.reference } else { ReferenceView::Off };
        let (area, beside) = if view == ReferenceView::Beside {
            let (left, right) = whole.split_left_right_at_fraction(0.5);
            (left.shrink(1.0), Some(right.shrink(1.0)))
        } else {
            (whole, None)
        };
        let response = ui.allocate_rect(whole, Sense::click_and_drag());
        let name = format!("{} {}", tr("Picture of unit"), card.item.unit);
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
        let is_ready = self.picture_ui(ui, page, &card, area, view);
        if let (Some(beside), Some(reference)) = (beside, &card.item.reference) {
            self.reference_ui(ui, page, reference, beside);
        }
        if is_ready {
            if self.shown_at.is_none() {
                self.shown_at = Some(Instant::now());
            }
            self.hand(ui, &response, page, area);
            if !page.hides_marks {
                self.over_ui(ui, page, &card, area);
            }
            if self.shows_loupe {
                self.loupe_ui(ui, area);
            }
        }
        self.chips_ui(ui, page, &card, whole, view);
        if self.is_editing {
            self.tools_ui(ui, page, whole);
        }
    }

    /// The item's own picture, or why there is none. True when the right one is on the screen.
    fn picture_ui(
        &mut self,
        ui: &Ui,
        page: &mut Page<'_>,
        card: &Card,
        area: Rect,
        view: ReferenceView,
    ) -> bool {
        let shown = match (view, &card.item.reference) {
            (ReferenceView::Difference, Some(reference)) => {
                page.session.album.difference(&card.item.media, reference)
            }
            (ReferenceView::InTurn, Some(reference)) if is_references_turn(ui) => {
                page.session.album.full(reference)
            }
            _ => page.session.album.full(&card.item.media),
        };
        match shown {
            Shown::Ready(pyramid) => {
                // Pictures in turn lie in the same place, each stretched to it, and keep their tiles apart.
                let is_other = matches!(view, ReferenceView::InTurn) && is_references_turn(ui);
                let size = Self::size_of(page, card, &pyramid);
                self.area = Some((area, size));
                let target = self.camera.target(area, size);
                let of = if is_other {
                    card.item.reference.as_ref().unwrap_or(&card.item.media)
                } else {
                    &card.item.media
                };
                let key = (of, view == ReferenceView::Difference);
                let tiles = &mut self.tiles[usize::from(is_other)];
                if tiles.paint(ui.painter(), key, &pyramid, self.look, target, area) {
                    ui.ctx().request_repaint();
                }
                ui.painter().rect_stroke(
                    target.intersect(area),
                    0.0,
                    Stroke::new(1.0, page.tokens.line),
                    StrokeKind::Outside,
                );
                if !is_other && view != ReferenceView::Difference {
                    self.painted = Some((card.item.media.clone(), pyramid));
                }
                true
            }
            Shown::Loading => {
                // The old picture stays until the new one is there.
                if let (Some((media, pyramid)), Some((_, size))) = (self.painted.clone(), self.area) {
                    let target = Camera::default().target(area, size);
                    self.tiles[0].paint(ui.painter(), (&media, false), &pyramid, self.look, target, area);
                }
                false
            }
            Shown::Failed(why) => {
                let why = card
                    .expired
                    .as_ref()
                    .map_or(why, |rule| format!("{} \"{rule}\"", tr("Erased by the retention rule")));
                self.area = None;
                message(ui, area, tr("This picture cannot be shown"), &why, page.tokens);
                if self.shown_at.is_none() {
                    self.shown_at = Some(Instant::now());
                }
                false
            }
        }
    }

    /// The item's own size stands for everything that lies over it.
    fn size_of(page: &mut Page<'_>, card: &Card, pyramid: &Arc<Pyramid>) -> Vec2 {
        let own = match page.session.album.full(&card.item.media) {
            Shown::Ready(own) => own.size(),
            _ => pyramid.size(),
        };
        vec2(own[0] as f32, own[1] as f32)
    }

    fn reference_ui(&mut self, ui: &Ui, page: &mut Page<'_>, reference: &MediaHash, area: Rect) {
        let t = page.tokens;
        match page.session.album.full(reference) {
            Shown::Ready(pyramid) => {
                let size = self.area.map_or(vec2(1.0, 1.0), |(_, size)| size);
                let target = self.camera.target(area, size);
                if self.tiles[1].paint(ui.painter(), (reference, false), &pyramid, self.look, target, area) {
                    ui.ctx().request_repaint();
                }
                let at = area.left_top() + vec2(12.0, 56.0);
                ui.painter().text(
                    at,
                    Align2::LEFT_TOP,
                    tr("Golden reference"),
                    FontId::proportional(SECONDARY),
                    t.text[1],
                );
            }
            Shown::Loading => {}
            Shown::Failed(why) => message(ui, area, tr("The reference cannot be shown"), &why, t),
        }
    }

    /// Wheel, drag and tools.
    fn hand(&mut self, ui: &Ui, response: &egui::Response, page: &mut Page<'_>, area: Rect) {
        let Some((_, size)) = self.area else { return };
        let hover = response.hover_pos();
        if let Some(at) = hover {
            let (wheel, pinch) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
            if wheel != 0.0 || pinch != 1.0 {
                let factor = pinch * ZOOM_STEP.powf(wheel / 50.0);
                self.camera.zoom(area, size, factor, at);
            }
        }
        let is_drawing = self.is_editing && !ui.input(|input| input.key_down(egui::Key::Space));
        let by_middle = response.dragged_by(egui::PointerButton::Middle)
            || response.dragged_by(egui::PointerButton::Secondary);
        if by_middle || (!is_drawing && response.dragged()) {
            self.camera.pan(area, size, response.drag_delta());
            ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
            return;
        }
        if !is_drawing {
            if response.double_clicked()
                && let Some(at) = hover
            {
                self.camera.one_to_one(area, size, page.per_point, at);
            }
            return;
        }
        let camera = self.camera;
        let reach = REACH / camera.scale(area, size);
        let point = |at: Pos2| camera::clamped(camera.image_from_screen(area, size, at), size);
        let Some(Draft { drawn: Drawn::Picture(editor), .. }) = &mut self.draft else { return };
        if editor.tool != Tool::Select {
            ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
        }
        let (pressed, released, at) = ui.input(|input| {
            (input.pointer.primary_pressed(), input.pointer.primary_released(), input.pointer.interact_pos())
        });
        if let Some(at) = at {
            if pressed && response.hovered() {
                editor.press(point(at), reach);
            } else if response.is_pointer_button_down_on() {
                editor.drag(point(at));
            }
        }
        if released {
            editor.release();
        }
    }

    /// Heat, regions, tools' shapes.
    fn over_ui(&mut self, ui: &Ui, page: &mut Page<'_>, card: &Card, area: Rect) {
        let Some((_, size)) = self.area else { return };
        // The ground under a picture is dark in both themes.
        let t = DARK;
        let is_revealed = is_revealed(card, self.first.as_ref());
        let pen = Pen {
            camera: self.camera,
            area,
            size,
            thresholds: card.thresholds,
            chosen: None,
            is_label: false,
            is_dashed: false,
        };
        if self.shows_heat && is_revealed {
            self.heat_ui(ui, page, card, area, size);
        }
        if let Some(Draft { drawn: Drawn::Picture(editor), .. }) = &self.draft {
            let own = editor.regions.list();
            if let Some(prediction) = card.prediction.as_ref().filter(|_| is_revealed) {
                // What a verdict says was seen is seen, beside what was drawn.
                self.model_marks.set(&other_regions(&prediction.regions, own));
                self.model_marks.paint(ui.painter(), Pen { is_dashed: true, ..pen }, t);
            }
            let preview = editor.preview();
            let chosen = editor.regions.chosen().filter(|_| self.is_editing);
            let pen = Pen { chosen, is_label: true, ..pen };
            if !matches!(preview, Some(Preview::Stroke(_))) || chosen.is_none() {
                self.marks.set(own);
            } else {
                let rest: Vec<_> = own
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| Some(*i) != chosen)
                    .map(|(_, r)| r.clone())
                    .collect();
                self.marks.set(&rest);
            }
            self.marks.paint(ui.painter(), pen, t);
            if self.is_editing {
                editor_ui(ui, editor, preview, pen, t);
            }
            return;
        }
        let regions = match (&card.prediction, &card.label) {
            // What people settled stands before what a model says.
            (_, Some(label)) if !card.is_waiting && !label.regions.is_empty() => {
                self.marks.set(&label.regions);
                Some(Pen { is_label: true, ..pen })
            }
            (Some(prediction), _) if is_revealed => {
                self.marks.set(&prediction.regions);
                Some(pen)
            }
            _ => None,
        };
        if let Some(pen) = regions {
            self.marks.paint(ui.painter(), pen, t);
        }
    }

    fn heat_ui(&mut self, ui: &Ui, page: &mut Page<'_>, card: &Card, area: Rect, size: Vec2) {
        let Some(want) = heat_want(card) else { return };
        let t = DARK;
        match page.session.album.heat(want) {
            Shown::Ready(heat) => {
                let key = &card.item.media;
                if self.heat.as_ref().is_none_or(|(media, _)| media != key) {
                    let image = heat_image(&heat, card.thresholds, t);
                    let texture = ui.ctx().load_texture("heat", image, TextureOptions::LINEAR);
                    self.heat = Some((key.clone(), texture));
                }
                if let Some((_, texture)) = &self.heat {
                    let far = vec2(heat.width as f32 * heat.cell_px[0], heat.height as f32 * heat.cell_px[1]);
                    let from = self.camera.screen_from_image(area, size, Vec2::ZERO);
                    let to = self.camera.screen_from_image(area, size, far);
                    let picture = self.camera.target(area, size).intersect(area);
                    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
                    let painter = ui.painter().with_clip_rect(picture);
                    painter.image(texture.id(), Rect::from_min_max(from, to), whole, Color32::WHITE);
                }
                legend(ui, area, card.thresholds, t);
            }
            Shown::Loading => {}
            Shown::Failed(why) => page.toasts.trouble(format!("{}: {why}", tr("No heat map"))),
        }
    }

    fn loupe_ui(&mut self, ui: &Ui, area: Rect) {
        let (Some(at), Some((_, size)), Some((media, pyramid))) =
            (self.pointer.filter(|at| area.contains(*at)), self.area, self.painted.clone())
        else {
            return;
        };
        let under = self.camera.image_from_screen(area, size, at);
        let scale = self.camera.scale(area, size) * LOUPE_ZOOM;
        let lens = Rect::from_center_size(at, Vec2::splat(2.0 * LOUPE_RADIUS));
        let target = Rect::from_min_size(at - under * scale, size * scale);
        ui.painter().rect_filled(lens, RADIUS_CONTROL, Color32::BLACK);
        self.tiles[1].paint(ui.painter(), (&media, false), &pyramid, self.look, target, lens);
        ui.painter().rect_stroke(lens, 2.0, Stroke::new(2.0, Color32::from_gray(180)), StrokeKind::Outside);
        ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
    }

    fn chips_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, card: &Card, area: Rect, view: ReferenceView) {
        let t = page.tokens;
        let line = Rect::from_min_size(
            area.min + vec2(SPACE[2], SPACE[2]),
            vec2(area.width() - 2.0 * SPACE[2], 34.0),
        );
        let layout = egui::Layout::right_to_left(egui::Align::Center);
        ui.scope_builder(UiBuilder::new().max_rect(line).layout(layout), |ui| {
            let text = |text: String| RichText::new(text).size(SECONDARY).color(t.text[1]);
            if card.item.reference.is_some() {
                let name = format!("{}: {}  {}", tr("Reference"), view.name(), page.cap(Verb::Reference));
                if chip_button_ui(ui, text(name)).clicked() {
                    page.verbs.push(Verb::Reference);
                }
            }
            if !self.look.is_plain() {
                chip_ui(ui, text(self.look.text()));
            }
            if let Some((area, size)) = self.area {
                let scale = self.camera.scale(area, size) * page.per_point;
                let zoom = if self.camera.is_fit() {
                    format!("{} {:.0} %", tr("Fit"), scale * 100.0)
                } else {
                    format!("{:.0} %", scale * 100.0)
                };
                chip_ui(ui, text(zoom));
            }
            self.item_chips_ui(ui, page, card);
        });
        self.overview_ui(ui, page, card, area);
    }

    /// Which item it is, from the left in the room that other chips leave.
    pub(super) fn item_chips_ui(&self, ui: &mut Ui, page: &Page<'_>, card: &Card) {
        let t = page.tokens;
        let text = |text: String| RichText::new(text).size(SECONDARY).color(t.text[1]);
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
            chip_ui(ui, text(format!("{} {}", tr("unit"), card.item.unit)));
            if card.inspection.len() > 1 {
                let at = card.inspection.iter().position(|other| other.item.id == card.item.id);
                let at = at.unwrap_or(0) + 1;
                chip_ui(ui, text(format!("{at} {} {}", tr("of"), card.inspection.len())));
            }
            if self.shown_at.is_none() {
                chip_ui(ui, text(tr("Loading…").to_owned()));
            }
            if ui.available_width() > CLOCK_ROOM {
                chip_ui(ui, text(super::super::time::clock(card.item.arrived_at)));
            }
        });
    }

    /// Where one is, once the picture is larger than its place.
    fn overview_ui(&self, ui: &Ui, page: &mut Page<'_>, card: &Card, area: Rect) {
        let Some((of, size)) = self.area else { return };
        let target = self.camera.target(of, size);
        if of.contains_rect(target.shrink(1.0)) || self.is_editing {
            return;
        }
        let Shown::Ready(texture) = page.session.album.thumb(&card.item.media) else { return };
        let side = 120.0;
        let scale = side / size.x.max(size.y);
        let rect = Rect::from_min_size(
            area.left_bottom() + vec2(SPACE[2], -SPACE[2] - size.y * scale),
            size * scale,
        );
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        ui.painter().image(texture.id(), rect, whole, Color32::WHITE);
        ui.painter().rect_stroke(rect, 0.0, Stroke::new(1.0, page.tokens.line), StrokeKind::Outside);
        let seen = |at: Pos2| rect.min + self.camera.image_from_screen(of, size, at) * scale;
        let window = Rect::from_min_max(seen(of.min), seen(of.max)).intersect(rect);
        ui.painter().rect_stroke(window, 0.0, Stroke::new(1.5, page.tokens.accent), StrokeKind::Inside);
    }

    fn tools_ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, area: Rect) {
        let Some(Draft { drawn: Drawn::Picture(editor), .. }) = &self.draft else { return };
        let tools = [
            (Verb::ToolSelect, Icon::Pointer, Some(Tool::Select)),
            (Verb::ToolBox, Icon::Box, Some(Tool::Box)),
            (Verb::ToolPolygon, Icon::Polygon, Some(Tool::Polygon)),
            (Verb::ToolBrush, Icon::Brush, Some(Tool::Brush)),
            (Verb::ToolEraser, Icon::Eraser, Some(Tool::Eraser)),
            (Verb::ToolCut, Icon::Cut, Some(Tool::Cut)),
            (Verb::Merge, Icon::Merge, None),
            (Verb::DeleteRegion, Icon::Delete, None),
        ];
        // Two columns where the picture is too low for one.
        let side = vec2(2.0 * 44.0 + SPACE[0], area.height() - 80.0);
        let column = Rect::from_min_size(area.min + vec2(SPACE[2], 60.0), side);
        let layout = egui::Layout::top_down(egui::Align::Min).with_main_wrap(true);
        ui.scope_builder(UiBuilder::new().max_rect(column).layout(layout), |ui| {
            ui.spacing_mut().item_spacing = vec2(SPACE[0], SPACE[0]);
            for (verb, icon, tool) in tools {
                tool_ui(ui, page, verb, icon, tool == Some(editor.tool));
            }
        });
        let brush = if matches!(editor.tool, Tool::Brush | Tool::Eraser) {
            format!(" · {} {:.0} px", tr("radius"), editor.brush_px)
        } else {
            String::new()
        };
        edit_chip_ui(ui, page, area, &editor.regions, &brush);
    }
}

/// Whether the reference is the one to be seen now.
fn is_references_turn(ui: &Ui) -> bool {
    let now = ui.input(|input| input.time);
    ui.ctx().request_repaint_after(IN_TURN / 4);
    (now / IN_TURN.as_secs_f64()) % 2.0 >= 1.0
}

fn editor_ui(ui: &Ui, editor: &edit::Editor, preview: Option<Preview>, pen: Pen, t: Tokens) {
    let place = |p: &[f32; 2]| pen.camera.screen_from_image(pen.area, pen.size, vec2(p[0], p[1]));
    let painter = ui.painter().with_clip_rect(pen.area);
    if let Some(shape) = editor.regions.chosen_shape()
        && editor.tool == Tool::Select
    {
        for corner in shapes::corners(shape) {
            let handle = Rect::from_center_size(place(&corner), vec2(9.0, 9.0));
            painter.rect(handle, 1.0, t.background[0], Stroke::new(1.5, t.accent), StrokeKind::Inside);
        }
    }
    match preview {
        Some(Preview::Shape(shape) | Preview::Stroke(shape)) => paint_shape(&painter, &shape, pen, t.accent),
        Some(Preview::Line(a, b)) => {
            painter.line_segment([place(&a), place(&b)], Stroke::new(2.0, t.accent));
        }
        None => {}
    }
    if !editor.corners.is_empty() {
        let mut points: Vec<Pos2> = editor.corners.iter().map(place).collect();
        points.extend(ui.input(|input| input.pointer.hover_pos()));
        painter.add(egui::Shape::line(points, Stroke::new(2.0, t.accent)));
        painter.circle_stroke(place(&editor.corners[0]), 5.0, Stroke::new(1.5, t.accent));
    }
    if matches!(editor.tool, Tool::Brush | Tool::Eraser)
        && let Some(at) = ui.input(|input| input.pointer.hover_pos()).filter(|at| pen.area.contains(*at))
    {
        let radius = editor.brush_px * pen.camera.scale(pen.area, pen.size);
        painter.circle_stroke(at, radius, Stroke::new(1.0, t.text[0]));
        painter.circle_stroke(at, radius + 1.0, Stroke::new(1.0, Color32::BLACK));
    }
}

pub(in crate::gui) fn message(ui: &Ui, area: Rect, title: &str, why: &str, t: Tokens) {
    let painter = ui.painter();
    let middle = area.center();
    painter.text(
        middle - vec2(0.0, 14.0),
        Align2::CENTER_BOTTOM,
        title,
        FontId::proportional(TITLE),
        Color32::from_gray(235),
    );
    let galley = painter.layout(
        why.to_owned(),
        FontId::proportional(BODY),
        Color32::from_gray(180),
        area.width() * 0.7,
    );
    let at = middle - vec2(galley.size().x / 2.0, 0.0);
    painter.galley(at, galley, t.text[1]);
}

fn empty_ui(ui: &mut Ui, page: &mut Page<'_>) {
    let t = page.tokens;
    let is_filtered = page.session.board.as_ref().is_some_and(|board| !board.filter.is_empty());
    ui.vertical_centered(|ui| {
        ui.add_space(ui.available_height() * 0.4);
        let (title, about) = match (&page.session.board, is_filtered) {
            (None, _) => (tr("Opening the queue…"), ""),
            (_, true) => (tr("Nothing that waits fits the filter"), tr("Other items may wait")),
            (_, false) => (tr("Nothing waits for a person"), tr("New items appear here by themselves")),
        };
        ui.label(RichText::new(title).size(TITLE).color(Color32::from_gray(235)));
        ui.label(RichText::new(about).size(BODY).color(Color32::from_gray(160)));
        if is_filtered && ui.button(tr("Show all")).clicked() {
            page.ask(crate::engine::Ask::Filter(crate::store::QueueFilter::default()));
        }
        let _ = t;
    });
}
