//! The regions of a picture under work: tools, and what they do to a shape. Pure; the canvas hands it
//! points in pixels of the picture.

use super::patch::Patch;
use super::regions::{Change, Regions};
use super::shapes::{
    SIDE_MIN_PX, corners, cut_box, grown, is_over, put_in_order, shifted, straight, with_corner,
};
use crate::domain::{BoxPx, Region, Shape};

pub const BRUSH_PX: f32 = 6.0;
const BRUSH_MIN_PX: f32 = 1.0;
const BRUSH_MAX_PX: f32 = 400.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    Select,
    Box,
    Polygon,
    Brush,
    Eraser,
    Cut,
}

/// What a held pointer does.
#[derive(Clone, Debug, PartialEq)]
enum Held {
    /// A new box, or a line that cuts.
    From([f32; 2], [f32; 2]),
    /// A corner of the chosen region.
    Corner(usize),
    /// The chosen region, from the last point.
    Whole([f32; 2]),
    Stroke {
        patch: Patch,
        last: [f32; 2],
        is_painting: bool,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Editor {
    pub regions: Regions,
    pub tool: Tool,
    /// Radius of brush and eraser in pixels of the picture.
    pub brush_px: f32,
    /// Corners of a polygon that is not closed yet.
    pub corners: Vec<[f32; 2]>,
    held: Option<Held>,
    size: [u32; 2],
}

impl Editor {
    /// `size` is the picture's width and height; `class` that of new regions.
    pub fn new(regions: Vec<Region>, size: [u32; 2], class: &str) -> Self {
        Self {
            regions: Regions::new(regions, class, |shape| shape.bounds().is_some()),
            tool: Tool::Select,
            brush_px: BRUSH_PX,
            corners: Vec::new(),
            held: None,
            size,
        }
    }

    /// `false` when there is nothing to take back.
    pub fn undo(&mut self) -> bool {
        self.held = None;
        self.corners.pop().is_some() || self.regions.undo()
    }

    pub fn set_tool(&mut self, tool: Tool) {
        self.tool = tool;
        self.corners.clear();
        self.held = None;
    }

    pub fn scale_brush(&mut self, factor: f32) {
        self.brush_px = (self.brush_px * factor).clamp(BRUSH_MIN_PX, BRUSH_MAX_PX);
    }

    /// Moves the chosen region by pixels.
    pub fn shift(&mut self, dx: f32, dy: f32) {
        let size = self.size;
        self.reshape(Change::Move, |shape| shifted(shape, dx, dy, size));
    }

    /// Widens the chosen region by pixels on all sides, or narrows it where negative.
    pub fn grow(&mut self, by: i32) {
        let Some(shape) = self.regions.chosen_shape() else { return };
        if let Some(shape) = grown(shape, by, self.size) {
            self.regions.reshape(Change::Grow, shape);
        }
    }

    /// The chosen region takes in the nearest one of its class.
    pub fn merge(&mut self) {
        let size = self.size;
        let gap = |a: &Shape, b: &Shape| {
            let [[ax, ay], [bx, by]] = [a.bounds()?, b.bounds()?].map(BoxPx::center);
            Some(f64::from((ax - bx).hypot(ay - by)))
        };
        self.regions.merge(gap, |a, b| Some(joined(a, b, size)));
    }

    fn reshape(&mut self, change: Change, how: impl FnOnce(&Shape) -> Shape) {
        let Some(shape) = self.regions.chosen_shape().map(how) else { return };
        self.regions.reshape(change, shape);
    }

    /// A box in the middle of what is seen, for those who draw without a pointer.
    pub fn add_box(&mut self, [x, y]: [f32; 2], side: f32) {
        let [w, h] = self.size.map(|v| v as f32);
        let half = side / 2.0;
        let b = BoxPx::new((x - half).max(0.0), (y - half).max(0.0), (x + half).min(w), (y + half).min(h));
        self.regions.push(Shape::Box(b));
    }

    /// Closes a polygon of at least three corners.
    pub fn close_polygon(&mut self) -> bool {
        let corners = std::mem::take(&mut self.corners);
        if corners.len() < 3 {
            return false;
        }
        self.regions.push(Shape::Polygon(corners));
        true
    }

    /// The pointer went down. `reach` is how far off a corner is still meant, in pixels.
    pub fn press(&mut self, at: [f32; 2], reach: f32) {
        match self.tool {
            Tool::Select => self.press_select(at, reach),
            Tool::Box | Tool::Cut => self.held = Some(Held::From(at, at)),
            Tool::Polygon => {
                let closes = self.corners.len() >= 3
                    && self.corners.first().is_some_and(|c| (c[0] - at[0]).hypot(c[1] - at[1]) <= reach);
                if closes {
                    self.close_polygon();
                } else {
                    self.corners.push(at);
                }
            }
            Tool::Brush | Tool::Eraser => {
                let is_painting = self.tool == Tool::Brush;
                let patch = match self.painted(at, is_painting) {
                    Some(shape) => Patch::of(shape, self.size),
                    None if is_painting => {
                        self.regions.leave();
                        Patch::empty(self.size)
                    }
                    None => return,
                };
                self.held = Some(Held::Stroke { patch, last: at, is_painting });
                self.drag(at);
            }
        }
    }

    /// The brush adds to the chosen region where it touches it and its class is the brush's, and begins a
    /// new one elsewhere; the eraser takes from the chosen one alone.
    fn painted(&self, at: [f32; 2], is_painting: bool) -> Option<&Shape> {
        let region = &self.regions.list()[self.regions.chosen()?];
        let b = region.shape.bounds()?;
        let r = 2.0 * self.brush_px;
        let is_near = at[0] >= b.x1 - r && at[0] <= b.x2 + r && at[1] >= b.y1 - r && at[1] <= b.y2 + r;
        let is_meant = !is_painting || (is_near && region.class == self.regions.class);
        is_meant.then_some(&region.shape)
    }

    fn press_select(&mut self, at: [f32; 2], reach: f32) {
        if let Some(shape) = self.regions.chosen_shape() {
            let near = corners(shape)
                .into_iter()
                .enumerate()
                .map(|(i, c)| (i, (c[0] - at[0]).hypot(c[1] - at[1])))
                .filter(|(_, d)| *d <= reach)
                .min_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((corner, _)) = near {
                self.held = Some(Held::Corner(corner));
                return;
            }
        }
        self.regions.choose(self.under(at, reach));
        self.held = self.regions.chosen().map(|_| Held::Whole(at));
    }

    /// The smallest region under a point, or near its edge.
    pub fn under(&self, at: [f32; 2], reach: f32) -> Option<usize> {
        self.regions
            .list()
            .iter()
            .enumerate()
            .filter_map(|(i, region)| Some((i, region, region.shape.bounds()?)))
            .filter(|(_, region, b)| {
                let is_around = at[0] >= b.x1 - reach
                    && at[0] <= b.x2 + reach
                    && at[1] >= b.y1 - reach
                    && at[1] <= b.y2 + reach;
                is_around && is_over(&region.shape, at, reach)
            })
            .min_by(|a, b| a.2.area().total_cmp(&b.2.area()))
            .map(|(i, ..)| i)
    }

    /// The held pointer moved.
    pub fn drag(&mut self, to: [f32; 2]) {
        let size = self.size;
        match &mut self.held {
            Some(Held::From(_, end)) => *end = to,
            Some(Held::Stroke { patch, last, is_painting }) => {
                patch.stroke(*last, to, self.brush_px, *is_painting);
                *last = to;
            }
            Some(Held::Corner(corner)) => {
                let corner = *corner;
                self.reshape(Change::Drag, |shape| with_corner(shape, corner, to));
            }
            Some(Held::Whole(last)) => {
                let (dx, dy) = (to[0] - last[0], to[1] - last[1]);
                *last = to;
                self.reshape(Change::Drag, |shape| shifted(shape, dx, dy, size));
            }
            None => {}
        }
    }

    /// The pointer went up.
    pub fn release(&mut self) {
        match self.held.take() {
            Some(Held::From(a, b)) if self.tool == Tool::Box => {
                let b = BoxPx::new(a[0].min(b[0]), a[1].min(b[1]), a[0].max(b[0]), a[1].max(b[1]));
                if b.x2 - b.x1 >= SIDE_MIN_PX && b.y2 - b.y1 >= SIDE_MIN_PX {
                    self.regions.push(Shape::Box(b));
                }
            }
            Some(Held::From(a, b)) => self.cut(a, b),
            Some(Held::Stroke { patch, .. }) => self.keep_stroke(&patch),
            Some(Held::Corner(_)) => {
                self.reshape(Change::Drag, put_in_order);
                self.regions.end_drag();
            }
            Some(Held::Whole(_)) => self.regions.end_drag(),
            None => {}
        }
    }

    fn keep_stroke(&mut self, patch: &Patch) {
        match self.regions.chosen() {
            Some(_) if patch.is_blank() => self.regions.delete(),
            Some(_) => self.regions.replace(Shape::Mask(patch.to_mask())),
            None if !patch.is_blank() => self.regions.push(Shape::Mask(patch.to_mask())),
            None => {}
        }
    }

    /// Makes two regions of the one that a line goes through.
    fn cut(&mut self, a: [f32; 2], b: [f32; 2]) {
        let middle = [f32::midpoint(a[0], b[0]), f32::midpoint(a[1], b[1])];
        let at = self.under(middle, 0.0).or(self.regions.chosen());
        let Some(at) = at.filter(|_| a != b) else { return };
        let parts = match &self.regions.list()[at].shape {
            Shape::Box(whole) if straight(a, b).is_some() => cut_box(*whole, a, b),
            shape => {
                let sides = Patch::of(shape, self.size).cut(a, b);
                if sides.iter().any(Patch::is_blank) {
                    return;
                }
                Some(sides.map(|side| Shape::Mask(side.to_mask())))
            }
        };
        if let Some(parts) = parts {
            self.regions.split(at, parts);
        }
    }

    /// What the held pointer has drawn so far, as a shape or a line.
    pub fn preview(&self) -> Option<Preview> {
        match self.held.as_ref()? {
            Held::From(a, b) if self.tool == Tool::Box => Some(Preview::Shape(Shape::Box(BoxPx::new(
                a[0].min(b[0]),
                a[1].min(b[1]),
                a[0].max(b[0]),
                a[1].max(b[1]),
            )))),
            Held::From(a, b) => Some(Preview::Line(*a, *b)),
            Held::Stroke { patch, .. } => Some(Preview::Stroke(Shape::Mask(patch.to_mask()))),
            Held::Corner(_) | Held::Whole(_) => None,
        }
    }
}

/// One box around two boxes; else one mask of both.
fn joined(a: &Shape, b: &Shape, size: [u32; 2]) -> Shape {
    if let (Shape::Box(a), Shape::Box(b)) = (a, b) {
        return Shape::Box(BoxPx::new(a.x1.min(b.x1), a.y1.min(b.y1), a.x2.max(b.x2), a.y2.max(b.y2)));
    }
    let mut patch = Patch::of(a, size);
    patch.join(&Patch::of(b, size));
    Shape::Mask(patch.to_mask())
}

/// What is drawn while the pointer is held.
pub enum Preview {
    Shape(Shape),
    Line([f32; 2], [f32; 2]),
    /// Stands for the chosen region, if there is one.
    Stroke(Shape),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn editor() -> Editor {
        let mut editor = Editor::new(Vec::new(), [200, 100], "crack");
        editor.set_tool(Tool::Box);
        editor.press([10.0, 10.0], 3.0);
        editor.drag([50.0, 40.0]);
        editor.release();
        editor
    }

    #[test]
    fn every_tool_changes_regions_and_undo_takes_each_step_back() {
        let mut editor = editor();
        assert_eq!(
            editor.regions.list(),
            [Region::new("crack", Shape::Box(BoxPx::new(10.0, 10.0, 50.0, 40.0)))]
        );
        let mut stages = vec![editor.regions.list().to_vec()];
        let mut step = |editor: &mut Editor| {
            assert_ne!(stages.last().map(Vec::as_slice), Some(editor.regions.list()));
            stages.push(editor.regions.list().to_vec());
        };
        editor.set_tool(Tool::Select);
        editor.press([50.0, 40.0], 3.0);
        editor.drag([70.0, 60.0]);
        editor.release();
        step(&mut editor);
        editor.press([30.0, 30.0], 3.0);
        editor.drag([40.0, 30.0]);
        editor.release();
        step(&mut editor);
        assert_eq!(editor.regions.list()[0].shape, Shape::Box(BoxPx::new(20.0, 10.0, 80.0, 60.0)));
        editor.set_tool(Tool::Cut);
        editor.press([50.0, 0.0], 3.0);
        editor.drag([51.0, 90.0]);
        editor.release();
        step(&mut editor);
        assert_eq!(editor.regions.list().len(), 2);
        editor.merge();
        step(&mut editor);
        assert_eq!(editor.regions.list()[0].shape, Shape::Box(BoxPx::new(20.0, 10.0, 80.0, 60.0)));
        editor.set_tool(Tool::Eraser);
        editor.press([20.0, 10.0], 3.0);
        editor.drag([80.0, 10.0]);
        editor.release();
        step(&mut editor);
        assert!(matches!(editor.regions.list()[0].shape, Shape::Mask(_)));
        editor.regions.set_class("scratch");
        step(&mut editor);
        editor.grow(2);
        step(&mut editor);
        editor.shift(5.0, -2.0);
        step(&mut editor);
        editor.set_tool(Tool::Polygon);
        for corner in [[100.0, 10.0], [140.0, 10.0], [120.0, 50.0], [101.0, 11.0]] {
            editor.press(corner, 3.0);
            editor.release();
        }
        step(&mut editor);
        assert!(matches!(&editor.regions.list()[1].shape, Shape::Polygon(points) if points.len() == 3));
        editor.set_tool(Tool::Brush);
        editor.press([160.0, 80.0], 3.0);
        editor.drag([180.0, 80.0]);
        editor.release();
        step(&mut editor);
        editor.regions.delete();
        step(&mut editor);
        for before in stages.iter().rev().skip(1) {
            assert!(editor.undo());
            assert_eq!(editor.regions.list(), *before);
        }
        for after in &stages[1..] {
            assert!(editor.regions.redo());
            assert_eq!(editor.regions.list(), *after);
        }
    }

    #[test]
    fn a_click_chooses_without_a_change_and_slips_make_nothing() {
        let mut editor = editor();
        editor.set_tool(Tool::Select);
        editor.press([150.0, 90.0], 3.0);
        editor.release();
        assert_eq!(editor.regions.chosen(), None);
        editor.press([30.0, 20.0], 3.0);
        editor.release();
        assert_eq!(editor.regions.chosen(), Some(0));
        assert!(editor.undo() && editor.regions.list().is_empty() && !editor.undo());
        editor.set_tool(Tool::Box);
        editor.press([5.0, 5.0], 3.0);
        editor.release();
        assert!(editor.regions.list().is_empty());
        assert!(!editor.close_polygon());
    }
}
