//! What an editor does to one shape: reach its corners, move it, widen it, cut it. Pure.

use super::patch::{Patch, distance};
use crate::domain::{BoxPx, Shape};

/// A box or polygon smaller than this was a slip of the hand.
pub const SIDE_MIN_PX: f32 = 1.0;
/// A cut through a box within so many degrees of its sides makes two boxes.
const STRAIGHT_DEG: f32 = 12.0;

/// Points by which a shape can be reshaped.
pub fn corners(shape: &Shape) -> Vec<[f32; 2]> {
    match shape {
        Shape::Box(b) => vec![[b.x1, b.y1], [b.x2, b.y1], [b.x2, b.y2], [b.x1, b.y2]],
        Shape::Polygon(points) => points.clone(),
        Shape::Mask(_) | Shape::Whole | Shape::Span { .. } => Vec::new(),
    }
}

pub fn with_corner(shape: &Shape, corner: usize, to: [f32; 2]) -> Shape {
    match shape {
        Shape::Box(b) => {
            let mut b = *b;
            let [x, y] = to;
            match corner {
                0 => (b.x1, b.y1) = (x, y),
                1 => (b.x2, b.y1) = (x, y),
                2 => (b.x2, b.y2) = (x, y),
                _ => (b.x1, b.y2) = (x, y),
            }
            Shape::Box(b)
        }
        Shape::Polygon(points) => {
            let mut points = points.clone();
            if let Some(point) = points.get_mut(corner) {
                *point = to;
            }
            Shape::Polygon(points)
        }
        other => other.clone(),
    }
}

/// A box whose corners were drawn across each other, and at least a pixel large.
pub fn put_in_order(shape: &Shape) -> Shape {
    match shape {
        Shape::Box(b) => {
            let (x1, y1) = (b.x1.min(b.x2), b.y1.min(b.y2));
            Shape::Box(BoxPx::new(
                x1,
                y1,
                b.x1.max(b.x2).max(x1 + SIDE_MIN_PX),
                b.y1.max(b.y2).max(y1 + SIDE_MIN_PX),
            ))
        }
        other => other.clone(),
    }
}

pub fn shifted(shape: &Shape, dx: f32, dy: f32, size: [u32; 2]) -> Shape {
    let [w, h] = size.map(|v| v as f32);
    let Some(b) = shape.bounds() else { return shape.clone() };
    // As far as the picture goes.
    let dx = dx.clamp((-b.x1).min(0.0), (w - b.x2).max(0.0));
    let dy = dy.clamp((-b.y1).min(0.0), (h - b.y2).max(0.0));
    match shape {
        Shape::Box(b) => Shape::Box(BoxPx::new(b.x1 + dx, b.y1 + dy, b.x2 + dx, b.y2 + dy)),
        Shape::Polygon(points) => Shape::Polygon(points.iter().map(|[x, y]| [x + dx, y + dy]).collect()),
        Shape::Mask(rle) => {
            #[expect(clippy::cast_possible_truncation, reason = "whole pixels inside the picture")]
            let (sx, sy) = (dx.round() as i64, dy.round() as i64);
            let pixels = rle.to_pixels();
            let [rows, columns] = rle.size;
            let inside = |x: u32, y: u32| {
                let (fx, fy) = (i64::from(x) - sx, i64::from(y) - sy);
                (0..i64::from(columns)).contains(&fx)
                    && (0..i64::from(rows)).contains(&fy)
                    && usize::try_from(fy * i64::from(columns) + fx).is_ok_and(|at| pixels[at] != 0)
            };
            Shape::Mask(crate::domain::MaskRle::from_fn(columns, rows, inside))
        }
        other => other.clone(),
    }
}

/// `None` where nothing would be left, or the shape has no place.
pub fn grown(shape: &Shape, by: i32, size: [u32; 2]) -> Option<Shape> {
    let [w, h] = size.map(|v| v as f32);
    let step = by as f32;
    match shape {
        Shape::Box(b) => {
            let b = BoxPx::new(
                (b.x1 - step).max(0.0),
                (b.y1 - step).max(0.0),
                (b.x2 + step).min(w),
                (b.y2 + step).min(h),
            );
            (b.x2 - b.x1 >= SIDE_MIN_PX && b.y2 - b.y1 >= SIDE_MIN_PX).then_some(Shape::Box(b))
        }
        Shape::Polygon(points) => {
            let b = shape.bounds()?;
            let middle = b.center();
            let side = (b.x2 - b.x1).max(b.y2 - b.y1).max(SIDE_MIN_PX);
            let factor = (side + 2.0 * step) / side;
            let moved = |p: &[f32; 2]| {
                [
                    (middle[0] + factor * (p[0] - middle[0])).clamp(0.0, w),
                    (middle[1] + factor * (p[1] - middle[1])).clamp(0.0, h),
                ]
            };
            (factor > 0.0).then(|| Shape::Polygon(points.iter().map(moved).collect()))
        }
        Shape::Mask(_) => {
            let patch = Patch::of(shape, size).grown(by);
            (!patch.is_blank()).then(|| Shape::Mask(patch.to_mask()))
        }
        Shape::Whole | Shape::Span { .. } => None,
    }
}

/// Whether a point lies on a shape or near its edge.
pub fn is_over(shape: &Shape, at: [f32; 2], reach: f32) -> bool {
    let points = match shape {
        Shape::Mask(_) => return true, // its box is near enough
        shape => corners(shape),
    };
    let edges = || points.iter().zip(points.iter().cycle().skip(1));
    let is_inside = edges()
        .filter(|(a, b)| (a[1] <= at[1]) != (b[1] <= at[1]))
        .filter(|(a, b)| at[0] < a[0] + (at[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0]))
        .count()
        % 2
        == 1;
    is_inside || edges().any(|(a, b)| distance(at, *a, *b) <= reach)
}

/// Whether a line runs along the sides of a box: `Some(true)` when up and down.
pub fn straight(a: [f32; 2], b: [f32; 2]) -> Option<bool> {
    let degrees = (b[1] - a[1]).abs().atan2((b[0] - a[0]).abs()).to_degrees();
    match degrees {
        d if d <= STRAIGHT_DEG => Some(false),
        d if d >= 90.0 - STRAIGHT_DEG => Some(true),
        _ => None,
    }
}

pub fn cut_box(b: BoxPx, from: [f32; 2], to: [f32; 2]) -> Option<[Shape; 2]> {
    let is_upright = straight(from, to)?;
    let (x, y) = (f32::midpoint(from[0], to[0]), f32::midpoint(from[1], to[1]));
    let parts = if is_upright {
        [BoxPx::new(b.x1, b.y1, x, b.y2), BoxPx::new(x, b.y1, b.x2, b.y2)]
    } else {
        [BoxPx::new(b.x1, b.y1, b.x2, y), BoxPx::new(b.x1, y, b.x2, b.y2)]
    };
    let is_whole = |b: &BoxPx| b.x2 - b.x1 >= SIDE_MIN_PX && b.y2 - b.y1 >= SIDE_MIN_PX;
    parts.iter().all(is_whole).then(|| parts.map(Shape::Box))
}
