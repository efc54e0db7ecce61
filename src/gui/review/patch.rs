//! A mask under work: the pixels of a part of the picture that grows as it is painted.

use crate::domain::{BoxPx, MaskRle, Shape};

/// Pixels around a patch when it grows, so that it does not grow with each move.
const MARGIN: usize = 64;

/// One byte a pixel, 0 or 255, from `left`, `top` on, inside a picture of `size`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    size: [usize; 2],
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Patch {
    pub fn empty(size: [u32; 2]) -> Self {
        Self { size: size.map(|v| v as usize), left: 0, top: 0, width: 0, height: 0, pixels: Vec::new() }
    }

    /// Shapes without a place give an empty patch.
    pub fn of(shape: &Shape, size: [u32; 2]) -> Self {
        let mut patch = Self::empty(size);
        if let Some(bounds) = shape.bounds() {
            patch.reach(bounds, 0);
            patch.add(shape);
        }
        patch
    }

    /// Adds what a shape covers, as far as it lies within the patch.
    fn add(&mut self, shape: &Shape) {
        let (dx, dy) = (self.left as f32, self.top as f32);
        match shape {
            Shape::Mask(rle) => {
                let columns = rle.size[1] as usize;
                let whole = rle.to_pixels();
                for y in 0..self.height {
                    for x in 0..self.width {
                        if whole.get((self.top + y) * columns + self.left + x).is_some_and(|p| *p != 0) {
                            self.pixels[y * self.width + x] = 255;
                        }
                    }
                }
            }
            Shape::Polygon(points) => {
                let moved = points.iter().map(|[x, y]| [x - dx, y - dy]).collect();
                Shape::Polygon(moved).draw(self.width, self.height, &mut self.pixels);
            }
            Shape::Box(b) => {
                Shape::Box(BoxPx::new(b.x1 - dx, b.y1 - dy, b.x2 - dx, b.y2 - dy)).draw(
                    self.width,
                    self.height,
                    &mut self.pixels,
                );
            }
            Shape::Whole | Shape::Span { .. } => {}
        }
    }

    /// Grows to hold a box, as far as the picture goes.
    fn reach(&mut self, bounds: BoxPx, margin: usize) {
        let [low_x, low_y] = [bounds.x1, bounds.y1].map(|v| pixel(v.floor()).saturating_sub(margin));
        let high_x = (pixel(bounds.x2.ceil()) + margin).min(self.size[0]);
        let high_y = (pixel(bounds.y2.ceil()) + margin).min(self.size[1]);
        let is_empty = self.width == 0 || self.height == 0;
        let left = if is_empty { low_x } else { low_x.min(self.left) };
        let top = if is_empty { low_y } else { low_y.min(self.top) };
        let right = if is_empty { high_x } else { high_x.max(self.left + self.width) };
        let bottom = if is_empty { high_y } else { high_y.max(self.top + self.height) };
        let (width, height) = (right.saturating_sub(left), bottom.saturating_sub(top));
        if (left, top, width, height) == (self.left, self.top, self.width, self.height) {
            return;
        }
        let mut pixels = vec![0; width * height];
        for y in 0..self.height {
            let to = (self.top + y - top) * width + self.left - left;
            pixels[to..to + self.width].copy_from_slice(&self.pixels[y * self.width..][..self.width]);
        }
        (self.left, self.top, self.width, self.height, self.pixels) = (left, top, width, height, pixels);
    }

    /// Paints or erases all pixels within `radius` of the way from `a` to `b`.
    pub fn stroke(&mut self, a: [f32; 2], b: [f32; 2], radius: f32, is_painting: bool) {
        let bounds = BoxPx::new(
            a[0].min(b[0]) - radius,
            a[1].min(b[1]) - radius,
            a[0].max(b[0]) + radius,
            a[1].max(b[1]) + radius,
        );
        if is_painting {
            self.reach(bounds, MARGIN);
        }
        let rows = pixel(bounds.y1).max(self.top)..(pixel(bounds.y2) + 1).min(self.top + self.height);
        let columns = pixel(bounds.x1).max(self.left)..(pixel(bounds.x2) + 1).min(self.left + self.width);
        let value = if is_painting { 255 } else { 0 };
        for y in rows {
            for x in columns.clone() {
                if distance([x as f32 + 0.5, y as f32 + 0.5], a, b) <= radius {
                    self.pixels[(y - self.top) * self.width + x - self.left] = value;
                }
            }
        }
    }

    pub fn is_blank(&self) -> bool {
        self.pixels.iter().all(|p| *p == 0)
    }

    /// The union with another patch of the same picture.
    pub fn join(&mut self, other: &Self) {
        if other.width == 0 || other.height == 0 {
            return;
        }
        let bounds = BoxPx::new(
            other.left as f32,
            other.top as f32,
            (other.left + other.width) as f32,
            (other.top + other.height) as f32,
        );
        self.reach(bounds, 0);
        for y in 0..other.height {
            for x in 0..other.width {
                if other.pixels[y * other.width + x] != 0 {
                    self.pixels[(other.top + y - self.top) * self.width + other.left + x - self.left] = 255;
                }
            }
        }
    }

    /// The two sides of a line through `a` and `b`.
    pub fn cut(&self, a: [f32; 2], b: [f32; 2]) -> [Self; 2] {
        let mut sides = [self.clone(), self.clone()];
        for y in 0..self.height {
            for x in 0..self.width {
                let (px, py) = ((self.left + x) as f32 + 0.5, (self.top + y) as f32 + 0.5);
                let side = (b[0] - a[0]) * (py - a[1]) - (b[1] - a[1]) * (px - a[0]);
                sides[usize::from(side >= 0.0)].pixels[y * self.width + x] = 0;
            }
        }
        sides
    }

    /// Wider by `by` pixels on all sides, or narrower where negative.
    pub fn grown(&self, by: i32) -> Self {
        let reach = usize::try_from(by.max(0)).unwrap_or_default();
        let mut grown = self.clone();
        grown.reach(
            BoxPx::new(
                self.left as f32,
                self.top as f32,
                (self.left + self.width) as f32,
                (self.top + self.height) as f32,
            ),
            reach,
        );
        for _ in 0..by.unsigned_abs() {
            let before = grown.clone();
            let at = |x: isize, y: isize| -> bool {
                let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return false };
                x < before.width && y < before.height && before.pixels[y * before.width + x] != 0
            };
            for y in 0..grown.height {
                for x in 0..grown.width {
                    let (cx, cy) = (x.cast_signed(), y.cast_signed());
                    let near = [(cx - 1, cy), (cx + 1, cy), (cx, cy - 1), (cx, cy + 1)];
                    let is_in = if by > 0 {
                        at(cx, cy) || near.iter().any(|&(x, y)| at(x, y))
                    } else {
                        at(cx, cy) && near.iter().all(|&(x, y)| at(x, y))
                    };
                    grown.pixels[y * grown.width + x] = if is_in { 255 } else { 0 };
                }
            }
        }
        grown
    }

    /// As a mask of the whole picture; only this part of it is looked at.
    pub fn to_mask(&self) -> MaskRle {
        let [width, height] = self.size;
        let mut counts: Vec<u32> = Vec::new();
        let (mut value, mut run) = (false, 0_usize);
        let mut push = |is_in: bool, length: usize| {
            if length == 0 {
                return;
            }
            if is_in == value {
                run += length;
            } else {
                counts.push(u32::try_from(run).unwrap_or(u32::MAX));
                (value, run) = (is_in, length);
            }
        };
        push(false, self.left * height);
        for x in 0..self.width {
            push(false, self.top);
            for y in 0..self.height {
                push(self.pixels[y * self.width + x] != 0, 1);
            }
            push(false, height - self.top - self.height);
        }
        push(false, (width - self.left - self.width) * height);
        counts.push(u32::try_from(run).unwrap_or(u32::MAX));
        let side = |v: usize| u32::try_from(v).unwrap_or(u32::MAX);
        MaskRle { size: [side(height), side(width)], counts }
    }
}

fn pixel(v: f32) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative; saturates")]
    let pixel = v.max(0.0) as usize;
    pixel
}

/// From a point to a stretch.
pub fn distance(p: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length } else { 0.0 };
    let along = along.clamp(0.0, 1.0);
    (p[0] - a[0] - along * dx).hypot(p[1] - a[1] - along * dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn painting_erasing_and_cutting_change_the_pixels_they_should() {
        let size = [200, 100];
        let mut patch = Patch::empty(size);
        patch.stroke([50.0, 50.0], [90.0, 50.0], 5.0, true);
        let painted = patch.to_mask();
        assert_eq!(painted.size, [100, 200]);
        assert_eq!(painted.counts.iter().map(|&c| u64::from(c)).sum::<u64>(), 20_000);
        assert!(painted.area().abs_diff(40 * 10 + 78) < 20, "{}", painted.area());
        let again = Patch::of(&Shape::Mask(painted.clone()), size);
        assert_eq!(again.to_mask(), painted);
        let [a, b] = again.cut([70.0, 0.0], [70.0, 100.0]);
        assert_eq!(a.to_mask().area() + b.to_mask().area(), painted.area());
        let mut both = a;
        both.join(&b);
        assert_eq!(both.to_mask(), painted);
        patch.stroke([0.0, 50.0], [200.0, 50.0], 50.0, false);
        assert!(patch.is_blank());
        let grown = again.grown(3);
        assert!(grown.to_mask().area() > painted.area());
        assert!(grown.grown(-3).to_mask().area() >= painted.area());
    }

    #[test]
    fn a_stroke_over_the_edge_stays_inside_the_picture() {
        let mut patch = Patch::empty([20, 10]);
        patch.stroke([-5.0, -5.0], [25.0, 15.0], 4.0, true);
        let mask = patch.to_mask();
        assert_eq!(mask.counts.iter().sum::<u32>(), 200);
        assert!(mask.area() > 50);
    }
}
