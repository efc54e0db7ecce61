//! The drawing board of the simulator: a picture in floating point, soft shapes on it, and
//! smooth fields over it.
//!
//! Values are display brightness, 0 black to 1 white, before light and noise; what is
//! over-exposed is above 1. Knows nothing of phones.

use crate::ingest::simulator::curve::{mix, whole};
use std::ops::Range;

/// A place in image pixels; pixel (0, 0) has its centre at (0.5, 0.5).
pub(super) type Point = [f32; 2];
pub(super) type Color = [f32; 3];

/// Above this power of two a float has no fraction left, so that adding it rounds to a whole
/// number in the lowest bits: without a cast, which would keep the loop from being vectorised.
const ROUNDING: f32 = 8_388_608.0;

/// Brightness 0..1 to 0..255, saturating.
#[inline]
pub(super) fn byte(value: f32) -> u8 {
    let [lowest, ..] = ((value * 255.0).clamp(0.0, 255.0) + ROUNDING).to_bits().to_le_bytes();
    lowest
}

pub(super) fn mix_color(from: Color, to: Color, share: f32) -> Color {
    [mix(from[0], to[0], share), mix(from[1], to[1], share), mix(from[2], to[2], share)]
}

/// How much of a pixel lies inside an edge at this signed distance (negative inside).
#[inline]
pub(super) fn coverage(distance_px: f32) -> f32 {
    (0.5 - distance_px).clamp(0.0, 1.0)
}

/// Signed distance to a rounded rectangle around the origin, negative inside.
#[inline]
pub(super) fn rounded_box(u: f32, v: f32, half: Point, radius: f32) -> f32 {
    let qu = u.abs() - half[0] + radius;
    let qv = v.abs() - half[1] + radius;
    let (cu, cv) = (qu.max(0.0), qv.max(0.0));
    (cu * cu + cv * cv).sqrt() + qu.max(qv).min(0.0) - radius
}

/// Left, top, right, bottom in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds(pub [f32; 4]);

impl Bounds {
    pub(super) fn around(center: Point, reach: f32) -> Self {
        Self([center[0] - reach, center[1] - reach, center[0] + reach, center[1] + reach])
    }

    /// The bounds of all points, `margin` wider on each side.
    pub(super) fn of(points: impl Iterator<Item = Point>, margin: f32) -> Self {
        let start = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        let b = points.fold(start, |b, [x, y]| [b[0].min(x), b[1].min(y), b[2].max(x), b[3].max(y)]);
        Self([b[0] - margin, b[1] - margin, b[2] + margin, b[3] + margin])
    }

    pub(super) fn columns(self, width: usize) -> Range<usize> {
        clip(self.0[0], self.0[2], width)
    }

    pub(super) fn rows(self, height: usize) -> Range<usize> {
        clip(self.0[1], self.0[3], height)
    }
}

fn clip(low: f32, high: f32, length: usize) -> Range<usize> {
    let end = whole(high.ceil()).min(length);
    whole(low.floor()).min(end)..end
}

pub(super) fn center_of(x: usize, y: usize) -> Point {
    [x as f32 + 0.5, y as f32 + 0.5]
}

/// One plane each for red, green and blue, row by row.
pub(super) struct Canvas {
    pub width: usize,
    pub height: usize,
    pub planes: [Vec<f32>; 3],
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, planes: std::array::from_fn(|_| vec![0.0; width * height]) }
    }

    #[inline]
    fn blend(&mut self, x: usize, y: usize, color: Color, alpha: f32) {
        let at = y * self.width + x;
        for (plane, value) in self.planes.iter_mut().zip(color) {
            plane[at] += (value - plane[at]) * alpha;
        }
    }

    /// Asks `shade` for colour and opacity at each pixel within the bounds.
    pub(super) fn paint(&mut self, bounds: Bounds, mut shade: impl FnMut(Point) -> Option<(Color, f32)>) {
        for y in bounds.rows(self.height) {
            for x in bounds.columns(self.width) {
                if let Some((color, alpha)) = shade(center_of(x, y)) {
                    self.blend(x, y, color, alpha);
                }
            }
        }
    }

    #[inline]
    pub(super) fn pixel(&self, x: usize, y: usize) -> Color {
        let at = y * self.width + x;
        std::array::from_fn(|channel| self.planes[channel][at])
    }

    /// Mean of the three channels; outside of the picture that of the nearest pixel.
    pub(super) fn brightness(&self, [x, y]: Point) -> f32 {
        let pixel = self.pixel(whole(x).min(self.width - 1), whole(y).min(self.height - 1));
        pixel.iter().sum::<f32>() / 3.0
    }
}

/// A smooth field, known at every eighth pixel and interpolated between: light and reflections
/// cost next to nothing per pixel.
pub(super) struct Field {
    columns: usize,
    values: Vec<f32>,
    line: Vec<f32>,
}

pub(super) const CELL_PX: usize = 8;

impl Field {
    pub(super) fn new(width: usize, height: usize, mut value_at: impl FnMut(Point) -> f32) -> Self {
        let (columns, rows) = (width.div_ceil(CELL_PX) + 1, height.div_ceil(CELL_PX) + 1);
        let mut values = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            for column in 0..columns {
                values.push(value_at([(column * CELL_PX) as f32, (row * CELL_PX) as f32]));
            }
        }
        Self { columns, values, line: vec![0.0; columns] }
    }

    /// One field for each channel.
    pub(super) fn of_colors(
        width: usize,
        height: usize,
        mut color_at: impl FnMut(Point) -> Color,
    ) -> [Self; 3] {
        let mut colors = Vec::new();
        let first = Self::new(width, height, |point| {
            colors.push(color_at(point));
            0.0
        });
        std::array::from_fn(|channel| Self {
            columns: first.columns,
            values: colors.iter().map(|color: &Color| color[channel]).collect(),
            line: first.line.clone(),
        })
    }

    /// Averages each known value with its neighbours, so that no cell shows.
    pub(super) fn soften(&mut self) {
        let columns = self.columns;
        for step in [1, columns] {
            let before = self.values.clone();
            for (at, value) in self.values.iter_mut().enumerate().skip(step) {
                let is_last = step == 1 && (at + 1) % columns == 0;
                let is_first = step == 1 && at % columns == 0;
                if let (false, false, Some(after)) = (is_first, is_last, before.get(at + step)) {
                    *value = (before[at - step] + 2.0 * before[at] + after) / 4.0;
                }
            }
        }
    }

    /// The values of one pixel row.
    pub(super) fn fill_row(&mut self, y: usize, out: &mut [f32]) {
        let share = (y % CELL_PX) as f32 / CELL_PX as f32;
        let above = &self.values[y / CELL_PX * self.columns..][..self.columns];
        let below = &self.values[(y / CELL_PX + 1) * self.columns..][..self.columns];
        for ((value, &a), &b) in self.line.iter_mut().zip(above).zip(below) {
            *value = mix(a, b, share);
        }
        let (cells, rest) = out.as_chunks_mut::<CELL_PX>();
        let mut ends = self.line.windows(2);
        for (cell, ends) in cells.iter_mut().zip(ends.by_ref()) {
            fill_cell(cell, ends);
        }
        if let Some(ends) = ends.next() {
            fill_cell(rest, ends);
        }
    }
}

/// A straight line between two known values.
#[inline]
fn fill_cell(cell: &mut [f32], ends: &[f32]) {
    let slope = (ends[1] - ends[0]) / CELL_PX as f32;
    for (k, value) in cell.iter_mut().enumerate() {
        *value = ends[0] + slope * k as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_rounds_and_saturates() {
        for (value, expected) in [(-0.3, 0), (0.0, 0), (0.5, 128), (1.0, 255), (7.0, 255), (0.998, 254)] {
            assert_eq!(byte(value), expected, "{value}");
        }
    }

    #[test]
    fn a_field_hits_its_corners_and_is_straight_between() {
        let mut field = Field::new(20, 20, |[x, y]| x + 100.0 * y);
        let mut row = [0.0; 20];
        field.fill_row(11, &mut row);
        for (x, value) in row.iter().enumerate() {
            assert!((value - (x as f32 + 1100.0)).abs() < 1e-3, "{x}: {value}");
        }
    }
}
