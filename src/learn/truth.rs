//! Labels → masks: regions of any shape as pixels.

use crate::domain::{Region, Shape};

/// Sets the pixels of `mask` (`width × height`, row by row) that a region covers to 255. Regions
/// without a place (whole item, sound) cover nothing and give `false`.
pub(super) fn draw(region: &Region, width: usize, height: usize, mask: &mut [u8]) -> bool {
    match &region.shape {
        Shape::Mask(rle) => {
            let [rows, columns] = rle.size.map(|v| v as usize);
            let pixels = rle.to_pixels();
            for y in 0..height.min(rows) {
                for x in 0..width.min(columns) {
                    if pixels[y * columns + x] != 0 {
                        mask[y * width + x] = 255;
                    }
                }
            }
            true
        }
        Shape::Polygon(points) => {
            polygon(points, width, height, mask);
            true
        }
        Shape::Box(b) => {
            polygon(&[[b.x1, b.y1], [b.x2, b.y1], [b.x2, b.y2], [b.x1, b.y2]], width, height, mask);
            true
        }
        Shape::Whole | Shape::Span { .. } => false,
    }
}

/// Even-odd filling of the pixels whose centre lies inside.
fn polygon(points: &[[f32; 2]], width: usize, height: usize, mask: &mut [u8]) {
    let mut crossings = Vec::new();
    for y in 0..height {
        let centre = y as f32 + 0.5;
        crossings.clear();
        for (a, b) in points.iter().zip(points.iter().cycle().skip(1)) {
            if (a[1] <= centre) != (b[1] <= centre) {
                crossings.push(a[0] + (centre - a[1]) / (b[1] - a[1]) * (b[0] - a[0]));
            }
        }
        crossings.sort_by(f32::total_cmp);
        for (from, to) in
            crossings.as_chunks::<2>().0.iter().map(|&[a, b]| (column(a, width), column(b, width)))
        {
            mask[y * width + from..y * width + to.max(from)].fill(255);
        }
    }
}

/// The first pixel whose centre is at or right of `x`.
fn column(x: f32, width: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the image")]
    let column = (x - 0.5).ceil().clamp(0.0, width as f32) as usize;
    column
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BoxPx, MaskRle};

    #[test]
    fn shapes_cover_the_pixels_they_mean() {
        let area = |shape: Shape| {
            let mut mask = vec![0; 20 * 10];
            let placed = draw(&Region::new("a", shape), 20, 10, &mut mask);
            (placed, mask.iter().filter(|m| **m == 255).count())
        };
        assert_eq!(area(Shape::Box(BoxPx::new(2.0, 3.0, 7.0, 5.0))), (true, 10));
        assert_eq!(area(Shape::Box(BoxPx::new(-5.0, -5.0, 70.0, 50.0))), (true, 200));
        assert_eq!(area(Shape::Polygon(vec![[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])), (true, 55 - 10));
        assert_eq!(area(Shape::Mask(MaskRle::from_fn(20, 10, |x, y| x == y))), (true, 10));
        assert_eq!(area(Shape::Whole), (false, 0));
    }
}
