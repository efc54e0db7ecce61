//! Regions over the picture: thin outlines with their class and score beside them, never a fill over
//! the evidence. Colour and dash say where the score lies between the thresholds.

use super::super::theme::{NOTE, RADIUS_SMALL, Tokens};
use super::super::widgets::probability;
use super::camera::Camera;
use crate::domain::{Region, Shape, Thresholds, outlines};
use eframe::egui::{
    self, Align2, Color32, FontId, Painter, Pos2, Rect, Stroke, StrokeKind, Vec2, pos2, vec2,
};

/// Labels are left out beyond this many regions on the screen, where they would only hide each other.
pub const LABELS_MAX: usize = 60;
pub const LINE: f32 = 2.0;

/// Regions with their outlines, which are found once and drawn in every frame.
#[derive(Default)]
pub struct Marks {
    of: Vec<Region>,
    rings: Vec<Vec<Vec<[f32; 2]>>>,
}

/// How regions are to be drawn.
#[derive(Clone, Copy)]
pub struct Pen {
    pub camera: Camera,
    pub area: Rect,
    pub size: Vec2,
    pub thresholds: Thresholds,
    pub chosen: Option<usize>,
    /// Drawn by people: no score says how sure it is.
    pub is_label: bool,
    /// The model's, beside what a person has drawn.
    pub is_dashed: bool,
}

/// Those of the model's regions that a person did not take over as they are.
pub fn other_regions(model: &[Region], own: &[Region]) -> Vec<Region> {
    model.iter().filter(|region| !own.contains(region)).cloned().collect()
}

impl Marks {
    pub fn set(&mut self, regions: &[Region]) {
        if self.of != regions {
            self.of = regions.to_vec();
            self.rings = regions.iter().map(|region| rings(&region.shape)).collect();
        }
    }

    pub fn paint(&self, painter: &Painter, pen: Pen, t: Tokens) {
        let Pen { camera, area, size, .. } = pen;
        let painter = painter.with_clip_rect(area.intersect(painter.clip_rect()));
        let place = |p: &[f32; 2]| camera.screen_from_image(area, size, vec2(p[0], p[1]));
        let mut labels: Vec<Rect> = Vec::new();
        let mut whole = 0;
        let mut shapes = Vec::new();
        for (at, (region, rings)) in self.of.iter().zip(&self.rings).enumerate() {
            let is_chosen = pen.chosen == Some(at);
            let (color, is_dashed) = ink(region, pen.thresholds, pen.is_label, t);
            let is_dashed = is_dashed || pen.is_dashed;
            let color = if is_chosen { t.accent } else { color };
            if rings.is_empty() {
                let text = label(region);
                label_at(
                    &painter,
                    area.left_top() + vec2(12.0, 56.0 + 26.0 * whole as f32),
                    Align2::LEFT_TOP,
                    &text,
                    color,
                    t,
                );
                whole += 1;
                continue;
            }
            let bounds =
                region.shape.bounds().map(|b| Rect::from_min_max(place(&[b.x1, b.y1]), place(&[b.x2, b.y2])));
            let Some(bounds) = bounds.filter(|bounds| bounds.expand(4.0).intersects(area)) else { continue };
            for ring in rings {
                let points: Vec<Pos2> = ring.iter().map(place).collect();
                outline(&mut shapes, points, if is_chosen { LINE + 0.5 } else { LINE }, color, is_dashed);
            }
            if labels.len() < LABELS_MAX {
                let text = label(region);
                let rect = free_place(&painter, bounds, &text, &labels, area);
                label_at(&painter, rect.left_top(), Align2::LEFT_TOP, &text, color, t);
                labels.push(rect);
            }
        }
        painter.extend(shapes);
    }
}

/// One shape on its own: what is being drawn.
pub fn paint_shape(painter: &Painter, shape: &Shape, pen: Pen, color: Color32) {
    let mut shapes = Vec::new();
    for ring in rings(shape) {
        let points =
            ring.iter().map(|p| pen.camera.screen_from_image(pen.area, pen.size, vec2(p[0], p[1]))).collect();
        outline(&mut shapes, points, LINE, color, false);
    }
    painter.with_clip_rect(pen.area).extend(shapes);
}

pub fn outline(
    shapes: &mut Vec<egui::Shape>,
    mut points: Vec<Pos2>,
    width: f32,
    color: Color32,
    is_dashed: bool,
) {
    // A dark line under the coloured one is seen on any ground.
    shapes.push(egui::Shape::closed_line(
        points.clone(),
        Stroke::new(width + 1.5, Color32::from_black_alpha(120)),
    ));
    if is_dashed {
        points.extend(points.first().copied());
        shapes.extend(egui::Shape::dashed_line(&points, Stroke::new(width, color), 6.0, 4.0));
    } else {
        shapes.push(egui::Shape::closed_line(points, Stroke::new(width, color)));
    }
}

fn rings(shape: &Shape) -> Vec<Vec<[f32; 2]>> {
    match shape {
        Shape::Box(b) => vec![vec![[b.x1, b.y1], [b.x2, b.y1], [b.x2, b.y2], [b.x1, b.y2]]],
        Shape::Polygon(points) => vec![points.clone()],
        Shape::Mask(rle) => outlines(rle).into_iter().map(|outline| outline.points).collect(),
        Shape::Whole | Shape::Span { .. } => Vec::new(),
    }
}

/// Orange and whole where the score alone would divert, yellow and dashed where it would not.
pub fn ink(region: &Region, thresholds: Thresholds, is_label: bool, t: Tokens) -> (Color32, bool) {
    let Some(score) = region.score.filter(|_| !is_label) else { return (t.divert, false) };
    let divert_above = thresholds.divert_above.map_or(0.5, crate::domain::Probability::get);
    if score.get() >= divert_above { (t.divert, false) } else { (t.review, true) }
}

pub fn label(region: &Region) -> String {
    match region.score {
        Some(score) => format!("{} {}", region.class, probability(score.get())),
        None => region.class.clone(),
    }
}

/// Above the region, else below or beside, where no other label stands and the screen goes on.
pub fn free_place(painter: &Painter, bounds: Rect, text: &str, taken: &[Rect], area: Rect) -> Rect {
    let galley = painter.layout_no_wrap(text.to_owned(), FontId::proportional(NOTE), Color32::WHITE);
    let size = galley.size() + vec2(12.0, 6.0);
    let places = [
        pos2(bounds.left(), bounds.top() - size.y - 4.0),
        pos2(bounds.left(), bounds.bottom() + 4.0),
        pos2(bounds.right() + 4.0, bounds.top()),
        pos2(bounds.left() - size.x - 4.0, bounds.top()),
    ];
    let free = places
        .iter()
        .map(|&at| Rect::from_min_size(at, size))
        .find(|rect| area.contains_rect(*rect) && !taken.iter().any(|other| other.intersects(*rect)));
    free.unwrap_or_else(|| Rect::from_min_size(places[0].clamp(area.min, area.max - size), size))
}

pub fn label_at(painter: &Painter, at: Pos2, anchor: Align2, text: &str, color: Color32, t: Tokens) {
    let galley = painter.layout_no_wrap(text.to_owned(), FontId::proportional(NOTE), t.text[0]);
    let rect = anchor.anchor_size(at, galley.size() + vec2(12.0, 6.0));
    painter.rect(rect, RADIUS_SMALL, t.background[0], Stroke::new(1.0, color), StrokeKind::Inside);
    painter.galley(rect.min + vec2(6.0, 3.0), galley, t.text[0]);
}
