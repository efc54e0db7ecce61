//! Shapes → pixels.

use super::{Shape, fill};

impl Shape {
    /// Sets the pixels of `mask` (`width × height`, row by row) that the shape covers to 255. Shapes
    /// without a place (whole item, sound) cover nothing and give `false`.
    pub fn draw(&self, width: usize, height: usize, mask: &mut [u8]) -> bool {
        let size = [width, height].map(|side| u32::try_from(side).unwrap_or(u32::MAX));
        match self {
            Self::Mask(rle) => {
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
            Self::Polygon(points) => {
                fill(points, size, 255, mask);
                true
            }
            Self::Box(b) => {
                fill(&[[b.x1, b.y1], [b.x2, b.y1], [b.x2, b.y2], [b.x1, b.y2]], size, 255, mask);
                true
            }
            Self::Whole | Self::Span { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BoxPx, MaskRle};

    #[test]
    fn shapes_cover_the_pixels_they_mean() {
        let area = |shape: Shape| {
            let mut mask = vec![0; 20 * 10];
            let placed = shape.draw(20, 10, &mut mask);
            (placed, mask.iter().filter(|m| **m == 255).count())
        };
        assert_eq!(area(Shape::Box(BoxPx::new(2.0, 3.0, 7.0, 5.0))), (true, 10));
        assert_eq!(area(Shape::Box(BoxPx::new(-5.0, -5.0, 70.0, 50.0))), (true, 200));
        assert_eq!(area(Shape::Polygon(vec![[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])), (true, 55 - 10));
        assert_eq!(area(Shape::Mask(MaskRle::from_fn(20, 10, |x, y| x == y))), (true, 10));
        assert_eq!(area(Shape::Whole), (false, 0));
    }
}
