//! A part of the picture that a defect is painted on: it knows which of its pixels belong to the
//! defect and how much they change, and becomes part of the picture only when that is enough.

use super::canvas::{Bounds, Canvas, Color, Point, center_of, coverage, mix_color};
use crate::domain::MaskRle;
use crate::ingest::simulator::curve::mix;

/// From here on the sensor may be saturated, depending on the exposure.
const WHITE: f32 = 0.92;

pub(super) struct Patch {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    pixels: Vec<Color>,
    inside: Vec<bool>,
    /// Opacity of strokes that are not inked yet.
    ink: Vec<f32>,
}

impl Patch {
    /// A copy of the picture within the bounds.
    pub(super) fn new(bounds: Bounds, canvas: &Canvas) -> Self {
        let (columns, rows) = (bounds.columns(canvas.width), bounds.rows(canvas.height));
        let area = columns.len() * rows.len();
        let (left, top, width, height) = (columns.start, rows.start, columns.len(), rows.len());
        let pixels = rows.flat_map(|y| columns.clone().map(move |x| canvas.pixel(x, y))).collect();
        Self { left, top, width, height, pixels, inside: vec![false; area], ink: vec![0.0; area] }
    }

    /// Visits each pixel within the bounds: its index and its place.
    fn each(&self, bounds: Bounds) -> impl Iterator<Item = (usize, Point)> + use<> {
        let (left, top, width) = (self.left, self.top, self.width);
        let columns = bounds.columns(left + width);
        let columns = columns.start.max(left)..columns.end.max(left);
        let rows = bounds.rows(top + self.height);
        let rows = rows.start.max(top)..rows.end.max(top);
        rows.flat_map(move |y| columns.clone().map(move |x| ((y - top) * width + x - left, center_of(x, y))))
    }

    /// Asks `shade` for colour and opacity at each pixel within the bounds, given what is there.
    pub(super) fn paint(
        &mut self,
        bounds: Bounds,
        mut shade: impl FnMut(Point, Color) -> Option<(Color, f32)>,
    ) {
        for (at, point) in self.each(bounds) {
            if let Some((color, alpha)) = shade(point, self.pixels[at]) {
                self.pixels[at] = mix_color(self.pixels[at], color, alpha);
            }
        }
    }

    /// Adds pixels to the defect.
    pub(super) fn mark(&mut self, bounds: Bounds, mut is_inside: impl FnMut(Point) -> bool) {
        for (at, point) in self.each(bounds) {
            self.inside[at] |= is_inside(point);
        }
    }

    /// A straight stroke whose width and opacity run from one end to the other, to be inked;
    /// where strokes cross, the stronger one stays. Its pixels belong to the defect, at least
    /// `mask_px` wide (0: none do).
    pub(super) fn stroke(&mut self, ends: [Point; 2], widths: [f32; 2], alphas: [f32; 2], mask_px: f32) {
        let [a, b] = ends;
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length_squared = (dx * dx + dy * dy).max(1e-6);
        let reach = widths[0].max(widths[1]).max(mask_px) / 2.0 + 1.0;
        for (at, [x, y]) in self.each(Bounds::of(ends.into_iter(), reach)) {
            let t = (((x - a[0]) * dx + (y - a[1]) * dy) / length_squared).clamp(0.0, 1.0);
            let distance = (x - a[0] - t * dx).hypot(y - a[1] - t * dy);
            let width = mix(widths[0], widths[1], t);
            // A stroke thinner than a pixel keeps its pixel and loses opacity instead.
            let alpha =
                coverage(distance - width.max(1.0) / 2.0) * mix(alphas[0], alphas[1], t) * width.min(1.0);
            self.ink[at] = self.ink[at].max(alpha);
            self.inside[at] |= mask_px > 0.0 && distance <= width.max(mask_px) / 2.0;
        }
    }

    /// Blends the strokes so far, in the colour that they have on what is there.
    pub(super) fn ink(&mut self, color_on: impl Fn(Color) -> Color) {
        for (pixel, alpha) in self.pixels.iter_mut().zip(&mut self.ink) {
            // A thin line must show on what is over-exposed, too.
            let dulled = mix_color(*pixel, pixel.map(|value| value.min(1.0)), (4.0 * *alpha).min(1.0));
            *pixel = mix_color(dulled, color_on(*pixel), *alpha);
            *alpha = 0.0;
        }
    }

    /// Takes the picture back where `keep` gives 0, and fades what was painted elsewhere.
    pub(super) fn clip(&mut self, canvas: &Canvas, mut keep: impl FnMut(Point) -> f32) {
        for row in 0..self.height {
            for column in 0..self.width {
                let (x, y) = (self.left + column, self.top + row);
                let at = row * self.width + column;
                let share = keep(center_of(x, y));
                if share < 1.0 {
                    self.pixels[at] = mix_color(canvas.pixel(x, y), self.pixels[at], share);
                    self.inside[at] &= share >= 0.5;
                }
            }
        }
    }

    pub(super) fn area(&self) -> usize {
        self.inside.iter().filter(|&&inside| inside).count()
    }

    /// How much the pixels of the defect differ from the picture: the mean over them of the
    /// three channels' sum. What both over-expose is no difference.
    pub(super) fn contrast(&self, canvas: &Canvas) -> f32 {
        let mut sum = 0.0;
        for (at, color) in self.pixels.iter().enumerate().filter(|&(at, _)| self.inside[at]) {
            let under = canvas.pixel(self.left + at % self.width, self.top + at / self.width);
            sum += color
                .iter()
                .zip(under)
                .map(|(now, before)| (now.min(WHITE) - before.min(WHITE)).abs())
                .sum::<f32>();
        }
        sum / self.area().max(1) as f32
    }

    pub(super) fn put(&self, canvas: &mut Canvas) {
        for (at, color) in self.pixels.iter().enumerate() {
            let place = (self.top + at / self.width) * canvas.width + self.left + at % self.width;
            for (plane, value) in canvas.planes.iter_mut().zip(color) {
                plane[place] = *value;
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_s_mask_says_the_same_as_the_pixels_that_were_marked() {
        let canvas = Canvas::new(40, 30);
        let mut patch = Patch::new(Bounds([5.2, 3.1, 24.0, 44.0]), &canvas);
        let inside = |[x, y]: Point| (x - 14.0).hypot(y - 20.0) < 9.0 && (x + y) % 3.0 > 1.0;
        patch.mark(Bounds([0.0, 0.0, 40.0, 30.0]), inside);
        let expected = MaskRle::from_fn(40, 30, |x, y| {
            (5..24).contains(&x) && y >= 3 && inside([x as f32 + 0.5, y as f32 + 0.5])
        });
        let mask = patch.to_mask(40, 30);
        assert_eq!(mask.to_pixels(), expected.to_pixels());
        assert_eq!(mask, expected);
        assert_eq!(mask.area(), patch.area() as u64);
    }

    #[test]
    fn contrast_is_that_of_the_marked_pixels_and_clipping_takes_it_back() {
        let mut canvas = Canvas::new(20, 20);
        let all = Bounds([0.0, 0.0, 20.0, 20.0]);
        let mut patch = Patch::new(all, &canvas);
        patch.stroke([[2.0, 10.0], [18.0, 10.0]], [4.0, 4.0], [0.5, 0.5], 4.0);
        patch.ink(|_| [1.0; 3]);
        assert!((1.2..=1.5).contains(&patch.contrast(&canvas)), "{}", patch.contrast(&canvas));
        patch.clip(&canvas, |[x, _]| if x < 10.0 { 1.0 } else { 0.0 });
        patch.put(&mut canvas);
        assert!(canvas.brightness([5.0, 10.0]) > 0.4);
        assert_eq!(canvas.brightness([15.0, 10.0]), 0.0);
        assert_eq!(patch.contrast(&canvas), 0.0);
    }
}
