//! The regions of an answer under work: tools, the chosen one, and undo. Pure; the canvas hands it
//! points in pixels of the picture.

use super::patch::Patch;
use super::shapes::{
    SIDE_MIN_PX, corners, cut_box, grown, is_over, put_in_order, shifted, straight, with_corner,
};
use crate::domain::{BoxPx, Region, Shape};

/// Steps that undo takes back; regions are small, people do not draw more on one item.
const UNDO_MAX: usize = 500;
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
    pub regions: Vec<Region>,
    pub chosen: Option<usize>,
    pub tool: Tool,
    /// Radius of brush and eraser in pixels of the picture.
    pub brush_px: f32,
    /// Class of the next region.
    pub class: String,
    /// Corners of a polygon that is not closed yet.
    pub corners: Vec<[f32; 2]>,
    held: Option<Held>,
    size: [u32; 2],
    undo: Vec<Vec<Region>>,
    redo: Vec<Vec<Region>>,
}

impl Editor {
    /// `size` is the picture's width and height; `class` that of new regions.
    pub fn new(regions: Vec<Region>, size: [u32; 2], class: &str) -> Self {
        Self {
            chosen: (!regions.is_empty()).then_some(0),
            regions,
            tool: Tool::Select,
            brush_px: BRUSH_PX,
            class: class.to_owned(),
            corners: Vec::new(),
            held: None,
            size,
            undo: Vec::new(),
            redo: Vec::new(),
        }
    }

    fn remember(&mut self) {
        if self.undo.len() == UNDO_MAX {
            self.undo.remove(0);
        }
        self.undo.push(self.regions.clone());
        self.redo.clear();
    }

    /// `false` when there is nothing to take back.
    pub fn undo(&mut self) -> bool {
        self.held = None;
        if self.corners.pop().is_some() {
            return true;
        }
        let Some(before) = self.undo.pop() else { return false };
        self.redo.push(std::mem::replace(&mut self.regions, before));
        self.chosen = self.chosen.filter(|&at| at < self.regions.len());
        true
    }

    pub fn redo(&mut self) -> bool {
        let Some(after) = self.redo.pop() else { return false };
        self.undo.push(std::mem::replace(&mut self.regions, after));
        self.chosen = self.chosen.filter(|&at| at < self.regions.len());
        true
    }

    pub fn is_changed(&self) -> bool {
        !self.undo.is_empty()
    }

    pub fn set_tool(&mut self, tool: Tool) {
        self.tool = tool;
        self.corners.clear();
        self.held = None;
    }

    pub fn scale_brush(&mut self, factor: f32) {
        self.brush_px = (self.brush_px * factor).clamp(BRUSH_MIN_PX, BRUSH_MAX_PX);
    }

    /// Chooses the next region, or the one before.
    pub fn step(&mut self, forward: bool) {
        let n = self.regions.len();
        if n > 0 {
            let by = if forward { 1 } else { n - 1 };
            self.chosen = Some(self.chosen.map_or(if forward { 0 } else { n - 1 }, |at| (at + by) % n));
        }
    }

    fn push(&mut self, shape: Shape) {
        self.remember();
        self.regions.push(Region::new(&self.class, shape));
        self.chosen = Some(self.regions.len() - 1);
    }

    /// The chosen region gets a class; without one, the next region does.
    pub fn set_class(&mut self, class: &str) {
        class.clone_into(&mut self.class);
        if let Some(at) = self.chosen
            && self.regions[at].class != class
        {
            self.remember();
            class.clone_into(&mut self.regions[at].class);
            self.regions[at].score = None;
        }
    }

    pub fn delete(&mut self) {
        if let Some(at) = self.chosen {
            self.remember();
            self.regions.remove(at);
            self.chosen = (!self.regions.is_empty()).then(|| at.min(self.regions.len() - 1));
        }
    }

    /// Moves the chosen region by pixels.
    pub fn shift(&mut self, dx: f32, dy: f32) {
        if let Some(at) = self.chosen {
            self.remember();
            let size = self.size;
            self.change(at, |shape| shifted(shape, dx, dy, size));
        }
    }

    /// Widens the chosen region by pixels on all sides, or narrows it where negative.
    pub fn grow(&mut self, by: i32) {
        let Some(at) = self.chosen else { return };
        let size = self.size;
        let grown = grown(&self.regions[at].shape, by, size);
        if let Some(shape) = grown {
            self.remember();
            self.change(at, |_| shape);
        }
    }

    /// The chosen region takes in the nearest one of its class.
    pub fn merge(&mut self) {
        let Some(at) = self.chosen else { return };
        let Some(own) = self.regions[at].shape.bounds() else { return };
        let nearest = (0..self.regions.len())
            .filter(|&other| other != at && self.regions[other].class == self.regions[at].class)
            .filter_map(|other| {
                let [[ax, ay], [bx, by]] = [own, self.regions[other].shape.bounds()?].map(BoxPx::center);
                Some((other, (ax - bx).hypot(ay - by)))
            })
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let Some((other, _)) = nearest else { return };
        let shape = match (&self.regions[at].shape, &self.regions[other].shape) {
            (Shape::Box(a), Shape::Box(b)) => {
                Shape::Box(BoxPx::new(a.x1.min(b.x1), a.y1.min(b.y1), a.x2.max(b.x2), a.y2.max(b.y2)))
            }
            (a, b) => {
                let mut patch = Patch::of(a, self.size);
                patch.join(&Patch::of(b, self.size));
                Shape::Mask(patch.to_mask())
            }
        };
        self.remember();
        self.change(at, |_| shape);
        self.regions.remove(other);
        self.chosen = Some(if other < at { at - 1 } else { at });
    }

    fn change(&mut self, at: usize, how: impl FnOnce(&Shape) -> Shape) {
        let shape = how(&self.regions[at].shape);
        self.regions[at].shape = shape;
        // Whoever moved it has not measured a probability.
        self.regions[at].score = None;
    }

    /// A box in the middle of what is seen, for those who draw without a pointer.
    pub fn add_box(&mut self, [x, y]: [f32; 2], side: f32) {
        let [w, h] = self.size.map(|v| v as f32);
        let half = side / 2.0;
        let b = BoxPx::new((x - half).max(0.0), (y - half).max(0.0), (x + half).min(w), (y + half).min(h));
        self.push(Shape::Box(b));
    }

    /// Closes a polygon of at least three corners.
    pub fn close_polygon(&mut self) -> bool {
        let corners = std::mem::take(&mut self.corners);
        if corners.len() < 3 {
            return false;
        }
        self.push(Shape::Polygon(corners));
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
                let patch = match self.chosen.filter(|&chosen| self.takes_paint(chosen, at, is_painting)) {
                    Some(chosen) => Patch::of(&self.regions[chosen].shape, self.size),
                    None if is_painting => {
                        self.chosen = None;
                        Patch::empty(self.size)
                    }
                    None => return,
                };
                self.held = Some(Held::Stroke { patch, last: at, is_painting });
                self.drag(at);
            }
        }
    }

    /// The brush adds to the chosen region where it touches it or its class is the brush's, and begins a
    /// new one elsewhere.
    fn takes_paint(&self, chosen: usize, at: [f32; 2], is_painting: bool) -> bool {
        let region = &self.regions[chosen];
        let is_near = region.shape.bounds().is_some_and(|b| {
            let r = 2.0 * self.brush_px;
            at[0] >= b.x1 - r && at[0] <= b.x2 + r && at[1] >= b.y1 - r && at[1] <= b.y2 + r
        });
        if is_painting { is_near && region.class == self.class } else { region.shape.bounds().is_some() }
    }

    fn press_select(&mut self, at: [f32; 2], reach: f32) {
        if let Some(chosen) = self.chosen {
            let near = corners(&self.regions[chosen].shape)
                .into_iter()
                .enumerate()
                .map(|(i, c)| (i, (c[0] - at[0]).hypot(c[1] - at[1])))
                .filter(|(_, d)| *d <= reach)
                .min_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((corner, _)) = near {
                self.remember();
                self.held = Some(Held::Corner(corner));
                return;
            }
        }
        self.chosen = self.under(at, reach);
        if let Some(chosen) = self.chosen {
            self.regions[chosen].class.clone_into(&mut self.class);
            self.remember();
            self.held = Some(Held::Whole(at));
        }
    }

    /// The smallest region under a point, or near its edge.
    pub fn under(&self, at: [f32; 2], reach: f32) -> Option<usize> {
        self.regions
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
                if let Some(chosen) = self.chosen {
                    self.change(chosen, |shape| with_corner(shape, corner, to));
                }
            }
            Some(Held::Whole(last)) => {
                let (dx, dy) = (to[0] - last[0], to[1] - last[1]);
                *last = to;
                if let Some(chosen) = self.chosen {
                    self.change(chosen, |shape| shifted(shape, dx, dy, size));
                }
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
                    self.push(Shape::Box(b));
                }
            }
            Some(Held::From(a, b)) => self.cut(a, b),
            Some(Held::Stroke { patch, .. }) => self.keep_stroke(&patch),
            Some(Held::Corner(_)) => {
                if let Some(chosen) = self.chosen {
                    self.change(chosen, put_in_order);
                }
            }
            Some(Held::Whole(_)) if self.undo.last() == Some(&self.regions) => {
                // It was only chosen.
                self.undo.pop();
            }
            Some(Held::Whole(_)) | None => {}
        }
    }

    fn keep_stroke(&mut self, patch: &Patch) {
        match self.chosen {
            Some(chosen) if patch.is_blank() => {
                self.chosen = Some(chosen);
                self.delete();
            }
            Some(chosen) => {
                let mask = Shape::Mask(patch.to_mask());
                self.remember();
                self.change(chosen, |_| mask);
            }
            None if !patch.is_blank() => self.push(Shape::Mask(patch.to_mask())),
            None => {}
        }
    }

    /// Makes two regions of the one that a line goes through.
    fn cut(&mut self, a: [f32; 2], b: [f32; 2]) {
        let middle = [f32::midpoint(a[0], b[0]), f32::midpoint(a[1], b[1])];
        let at = self.under(middle, 0.0).or(self.chosen);
        let Some(at) = at.filter(|_| a != b) else { return };
        let parts = match &self.regions[at].shape {
            Shape::Box(whole) if straight(a, b).is_some() => cut_box(*whole, a, b),
            shape => {
                let sides = Patch::of(shape, self.size).cut(a, b);
                if sides.iter().any(Patch::is_blank) {
                    return;
                }
                Some(sides.map(|side| Shape::Mask(side.to_mask())))
            }
        };
        let Some([first, second]) = parts else { return };
        self.remember();
        let class = self.regions[at].class.clone();
        self.change(at, |_| first);
        self.regions.insert(at + 1, Region::new(class, second));
        self.chosen = Some(at);
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
        assert_eq!(editor.regions, [Region::new("crack", Shape::Box(BoxPx::new(10.0, 10.0, 50.0, 40.0)))]);
        let mut stages = vec![editor.regions.clone()];
        let mut step = |editor: &mut Editor| {
            assert_ne!(stages.last(), Some(&editor.regions));
            stages.push(editor.regions.clone());
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
        assert_eq!(editor.regions[0].shape, Shape::Box(BoxPx::new(20.0, 10.0, 80.0, 60.0)));
        editor.set_tool(Tool::Cut);
        editor.press([50.0, 0.0], 3.0);
        editor.drag([51.0, 90.0]);
        editor.release();
        step(&mut editor);
        assert_eq!(editor.regions.len(), 2);
        editor.merge();
        step(&mut editor);
        assert_eq!(editor.regions[0].shape, Shape::Box(BoxPx::new(20.0, 10.0, 80.0, 60.0)));
        editor.set_tool(Tool::Eraser);
        editor.press([20.0, 10.0], 3.0);
        editor.drag([80.0, 10.0]);
        editor.release();
        step(&mut editor);
        assert!(matches!(editor.regions[0].shape, Shape::Mask(_)));
        editor.set_class("scratch");
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
        assert!(matches!(&editor.regions[1].shape, Shape::Polygon(points) if points.len() == 3));
        editor.set_tool(Tool::Brush);
        editor.press([160.0, 80.0], 3.0);
        editor.drag([180.0, 80.0]);
        editor.release();
        step(&mut editor);
        editor.delete();
        step(&mut editor);
        for before in stages.iter().rev().skip(1) {
            assert!(editor.undo());
            assert_eq!(editor.regions, *before);
        }
        for after in &stages[1..] {
            assert!(editor.redo());
            assert_eq!(editor.regions, *after);
        }
    }

    #[test]
    fn a_click_chooses_without_a_change_and_slips_make_nothing() {
        let mut editor = editor();
        editor.set_tool(Tool::Select);
        editor.press([150.0, 90.0], 3.0);
        editor.release();
        assert_eq!(editor.chosen, None);
        editor.press([30.0, 20.0], 3.0);
        editor.release();
        assert_eq!(editor.chosen, Some(0));
        assert!(editor.undo() && editor.regions.is_empty() && !editor.undo());
        editor.set_tool(Tool::Box);
        editor.press([5.0, 5.0], 3.0);
        editor.release();
        assert!(editor.regions.is_empty());
        assert!(!editor.close_polygon());
    }
}
