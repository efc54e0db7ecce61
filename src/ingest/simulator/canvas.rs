//! The drawing board of the simulator: a picture in floating point, soft shapes on it, and
//! layers that remember which pixels a defect covers.
//!
//! Values are display brightness, 0 black to 1 white, before light and noise. Knows nothing of
//! phones.

use crate::domain::MaskRle;
use std::ops::Range;

/// A place in image pixels; pixel (0, 0) has its centre at (0.5, 0.5).
pub(super) type Point = [f32; 2];
pub(super) type Color = [f32; 3];

/// Whole pixels from a position; negative and broken numbers become 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to int saturates")]
pub(super) fn whole(value: f32) -> usize {
    value as usize
}

/// Above this power of two a float has no fraction left, so that adding it rounds to a whole
/// number in the lowest bits: without a cast, which would keep the loop from being vectorised.
const ROUNDING: f32 = 8_388_608.0;

/// Brightness 0..1 to 0..255, saturating.
#[inline]
pub(super) fn byte(value: f32) -> u8 {
    let [lowest, ..] = ((value * 255.0).clamp(0.0, 255.0) + ROUNDING).to_bits().to_le_bytes();
    lowest
}

#[inline]
pub(super) fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

pub(super) fn mix_color(from: Color, to: Color, share: f32) -> Color {
    [mix(from[0], to[0], share), mix(from[1], to[1], share), mix(from[2], to[2], share)]
}

/// 0 at `low`, 1 at `high`, smooth between.
#[inline]
pub(super) fn smooth(low: f32, high: f32, value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
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

    fn columns(self, width: usize) -> Range<usize> {
        clip(self.0[0], self.0[2], width)
    }

    fn rows(self, height: usize) -> Range<usize> {
        clip(self.0[1], self.0[3], height)
    }
}

fn clip(low: f32, high: f32, length: usize) -> Range<usize> {
    let end = whole(high.ceil()).min(length);
    whole(low.floor()).min(end)..end
}

fn center_of(x: usize, y: usize) -> Point {
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

    pub(super) fn disc(&mut self, center: Point, radius: f32, color: Color, alpha: f32) {
        self.paint(Bounds::around(center, radius + 1.0), |[x, y]| {
            let cover = coverage((x - center[0]).hypot(y - center[1]) - radius);
            (cover > 0.0).then_some((color, cover * alpha))
        });
    }

    /// Mean of the three channels; outside of the picture that of the nearest pixel.
    pub(super) fn brightness(&self, [x, y]: Point) -> f32 {
        let x = whole(x).min(self.width - 1);
        let y = whole(y).min(self.height - 1);
        self.planes.iter().map(|plane| plane[y * self.width + x]).sum::<f32>() / 3.0
    }

    /// Blends a layer's opacity in one colour.
    pub(super) fn blend_layer(&mut self, layer: &Layer, color: Color) {
        for row in 0..layer.height {
            for column in 0..layer.width {
                let alpha = layer.alpha[row * layer.width + column];
                if alpha > 0.0 {
                    self.blend(layer.left + column, layer.top + row, color, alpha);
                }
            }
        }
    }
}

/// A part of the picture with an opacity per pixel, and whether the pixel belongs to the defect.
pub(super) struct Layer {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    alpha: Vec<f32>,
    inside: Vec<bool>,
}

impl Layer {
    pub(super) fn new(bounds: Bounds, canvas: &Canvas) -> Self {
        let (columns, rows) = (bounds.columns(canvas.width), bounds.rows(canvas.height));
        let area = columns.len() * rows.len();
        Self {
            left: columns.start,
            top: rows.start,
            width: columns.len(),
            height: rows.len(),
            alpha: vec![0.0; area],
            inside: vec![false; area],
        }
    }

    /// Asks `shade` for (opacity, belongs to the defect) at each pixel within the bounds; where
    /// strokes cross, the stronger one stays.
    pub(super) fn paint(&mut self, bounds: Bounds, mut shade: impl FnMut(Point) -> (f32, bool)) {
        for y in bounds.rows(self.top + self.height) {
            for x in bounds.columns(self.left + self.width) {
                if x < self.left || y < self.top {
                    continue;
                }
                let (alpha, inside) = shade(center_of(x, y));
                let at = (y - self.top) * self.width + x - self.left;
                self.alpha[at] = self.alpha[at].max(alpha);
                self.inside[at] |= inside;
            }
        }
    }

    /// A straight stroke whose width and opacity run from one end to the other. The defect's
    /// mask is at least `mask_px` wide.
    pub(super) fn stroke(&mut self, ends: [Point; 2], widths: [f32; 2], alphas: [f32; 2], mask_px: f32) {
        let [a, b] = ends;
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length_squared = (dx * dx + dy * dy).max(1e-6);
        let reach = widths[0].max(widths[1]).max(mask_px) / 2.0 + 1.0;
        self.paint(Bounds::of(ends.into_iter(), reach), |[x, y]| {
            let t = (((x - a[0]) * dx + (y - a[1]) * dy) / length_squared).clamp(0.0, 1.0);
            let distance = (x - a[0] - t * dx).hypot(y - a[1] - t * dy);
            let width = mix(widths[0], widths[1], t);
            // A stroke thinner than a pixel keeps its pixel and loses opacity instead.
            let alpha =
                coverage(distance - width.max(1.0) / 2.0) * mix(alphas[0], alphas[1], t) * width.min(1.0);
            (alpha, distance <= width.max(mask_px) / 2.0)
        });
    }

    /// Takes out what `keep` gives 0 for, and fades the rest.
    pub(super) fn clip(&mut self, mut keep: impl FnMut(Point) -> f32) {
        for row in 0..self.height {
            for column in 0..self.width {
                let at = row * self.width + column;
                if self.alpha[at] > 0.0 || self.inside[at] {
                    let share = keep(center_of(self.left + column, self.top + row));
                    self.alpha[at] *= share;
                    self.inside[at] &= share >= 0.5;
                }
            }
        }
    }

    pub(super) fn area(&self) -> usize {
        self.inside.iter().filter(|&&inside| inside).count()
    }

    /// The mask in the coordinates of the whole picture.
    pub(super) fn to_mask(&self, width: u32, height: u32) -> MaskRle {
        let mut runs = Runs { counts: Vec::new(), value: false, run: 0 };
        let column_px = height as usize;
        runs.push(false, self.left * column_px);
        for column in 0..self.width {
            runs.push(false, self.top);
            for row in 0..self.height {
                runs.push(self.inside[row * self.width + column], 1);
            }
            runs.push(false, column_px - self.top - self.height);
        }
        runs.push(false, (width as usize - self.left - self.width) * column_px);
        runs.counts.push(runs.run);
        MaskRle { size: [height, width], counts: runs.counts }
    }
}

struct Runs {
    counts: Vec<u32>,
    value: bool,
    run: u32,
}

impl Runs {
    fn push(&mut self, value: bool, count: usize) {
        // A picture has fewer pixels than fit into 32 bits.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if count > 0 && value != self.value {
            self.counts.push(self.run);
            self.value = value;
            self.run = 0;
        }
        self.run += count;
    }
}

/// A smooth field, known at every eighth pixel and interpolated between: light and reflections
/// cost next to nothing per pixel.
pub(super) struct Field {
    columns: usize,
    values: Vec<f32>,
    line: Vec<f32>,
}

const CELL_PX: usize = 8;

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

    /// The values of one pixel row.
    pub(super) fn fill_row(&mut self, y: usize, out: &mut [f32]) {
        let share = (y % CELL_PX) as f32 / CELL_PX as f32;
        let above = &self.values[y / CELL_PX * self.columns..][..self.columns];
        let below = &self.values[(y / CELL_PX + 1) * self.columns..][..self.columns];
        for ((value, &a), &b) in self.line.iter_mut().zip(above).zip(below) {
            *value = mix(a, b, share);
        }
        for (cell, ends) in out.chunks_mut(CELL_PX).zip(self.line.windows(2)) {
            let slope = (ends[1] - ends[0]) / CELL_PX as f32;
            for (k, value) in cell.iter_mut().enumerate() {
                *value = ends[0] + slope * k as f32;
            }
        }
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
    fn a_layer_s_mask_says_the_same_as_the_pixels_it_was_painted_on() {
        let canvas = Canvas::new(40, 30);
        let mut layer = Layer::new(Bounds([5.2, 3.1, 24.0, 44.0]), &canvas);
        let inside = |[x, y]: Point| (x - 14.0).hypot(y - 20.0) < 9.0 && (x + y) % 3.0 > 1.0;
        layer.paint(Bounds([0.0, 0.0, 40.0, 30.0]), |p| (0.5, inside(p)));
        let expected = MaskRle::from_fn(40, 30, |x, y| {
            (5..24).contains(&x) && y >= 3 && inside([x as f32 + 0.5, y as f32 + 0.5])
        });
        let mask = layer.to_mask(40, 30);
        assert_eq!(mask.to_pixels(), expected.to_pixels());
        assert_eq!(mask, expected);
        assert_eq!(mask.area(), layer.area() as u64);
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
