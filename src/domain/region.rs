//! Where on an item: box, polygon or mask in pixels; time and frequency span for sound.
//!
//! The JSON form is that of `items.jsonl`: `class`, `box_px`, `polygon_px`, `rle`,
//! `span_secs`, `band_hz`, `score`. A polygon or mask always carries its box as well, so that
//! a reader who knows only boxes still gets one; on reading the more exact shape wins.

use super::Probability;
use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Debug, Error, PartialEq)]
pub enum RegionError {
    #[error("a region needs one of box_px, polygon_px, rle, span_secs or \"whole\": true")]
    NoShape,
    #[error("box_px {0:?} is empty or not finite (x2, y2 are exclusive)")]
    BadBox([f32; 4]),
    #[error("a polygon needs at least 3 finite points, this one has {0}")]
    BadPolygon(usize),
    #[error("rle counts add up to {sum}, size {height} × {width} needs {}", u64::from(*height) * u64::from(*width))]
    BadRle { sum: u64, height: u32, width: u32 },
    #[error("span_secs {0:?} must be ordered and not negative")]
    BadSpan([f64; 2]),
    #[error("band_hz {0:?} must be ordered and not negative")]
    BadBand([f64; 2]),
}

/// Left, top, right, bottom in image pixels; right and bottom are exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 4]", into = "[f32; 4]")]
pub struct BoxPx {
    pub x1: f32,
    pub y1: f32,
    pub x2: f32,
    pub y2: f32,
}

impl BoxPx {
    #[must_use]
    pub const fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        Self { x1, y1, x2, y2 }
    }

    #[must_use]
    pub fn area(self) -> f32 {
        (self.x2 - self.x1).max(0.0) * (self.y2 - self.y1).max(0.0)
    }

    #[must_use]
    pub fn center(self) -> [f32; 2] {
        [f32::midpoint(self.x1, self.x2), f32::midpoint(self.y1, self.y2)]
    }

    /// Intersection over union with another box.
    #[must_use]
    pub fn iou(self, other: Self) -> f32 {
        let w = self.x2.min(other.x2) - self.x1.max(other.x1);
        let h = self.y2.min(other.y2) - self.y1.max(other.y1);
        if w <= 0.0 || h <= 0.0 {
            return 0.0;
        }
        w * h / (self.area() + other.area() - w * h)
    }

    fn is_valid(self) -> bool {
        [self.x1, self.y1, self.x2, self.y2].iter().all(|v| v.is_finite())
            && self.x2 > self.x1
            && self.y2 > self.y1
    }
}

impl From<[f32; 4]> for BoxPx {
    fn from([x1, y1, x2, y2]: [f32; 4]) -> Self {
        Self { x1, y1, x2, y2 }
    }
}

impl From<BoxPx> for [f32; 4] {
    fn from(b: BoxPx) -> Self {
        [b.x1, b.y1, b.x2, b.y2]
    }
}

/// A binary mask, run-length encoded in COCO's order: column by column, runs of 0 and 1 in
/// turn, beginning with 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskRle {
    /// Height, width in pixels.
    pub size: [u32; 2],
    pub counts: Vec<u32>,
}

impl MaskRle {
    /// `inside(x, y)` for each pixel.
    pub fn from_fn(width: u32, height: u32, mut inside: impl FnMut(u32, u32) -> bool) -> Self {
        let mut counts = Vec::new();
        let (mut value, mut run) = (false, 0_u32);
        for x in 0..width {
            for y in 0..height {
                if inside(x, y) == value {
                    run += 1;
                } else {
                    counts.push(run);
                    value = !value;
                    run = 1;
                }
            }
        }
        counts.push(run);
        Self { size: [height, width], counts }
    }

    /// One byte a pixel, row by row, 0 or 1.
    #[must_use]
    pub fn to_pixels(&self) -> Vec<u8> {
        let [height, width] = self.size.map(|v| v as usize);
        let mut pixels = vec![0_u8; width * height];
        self.for_each_run(|column, rows| {
            for y in rows {
                pixels[y * width + column] = 1;
            }
        });
        pixels
    }

    /// Pixels inside.
    #[must_use]
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|&c| u64::from(c)).sum()
    }

    /// The smallest box around the pixels inside; `None` for an empty mask.
    #[must_use]
    pub fn bounds(&self) -> Option<BoxPx> {
        let mut found: Option<[usize; 4]> = None;
        self.for_each_run(|x, rows| {
            let b = found.get_or_insert([x, rows.start, x + 1, rows.end]);
            *b = [b[0].min(x), b[1].min(rows.start), b[2].max(x + 1), b[3].max(rows.end)];
        });
        found.map(|[x1, y1, x2, y2]| BoxPx::new(x1 as f32, y1 as f32, x2 as f32, y2 as f32))
    }

    /// Each vertical stretch of pixels inside, as its column and its rows.
    fn for_each_run(&self, mut visit: impl FnMut(usize, std::ops::Range<usize>)) {
        let height = self.size[0] as usize;
        let mut at = 0_usize;
        for (i, &count) in self.counts.iter().enumerate() {
            let end = at + count as usize;
            while i % 2 == 1 && at < end {
                let (column, row) = (at / height, at % height);
                let stop = (row + end - at).min(height);
                visit(column, row..stop);
                at += stop - row;
            }
            at = end;
        }
    }

    fn check(&self) -> Result<(), RegionError> {
        let [height, width] = self.size;
        let sum = self.counts.iter().map(|&c| u64::from(c)).sum();
        if sum == u64::from(height) * u64::from(width) {
            Ok(())
        } else {
            Err(RegionError::BadRle { sum, height, width })
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A defect of the whole item.
    Whole,
    Box(BoxPx),
    /// Corners in image pixels, closed by itself.
    Polygon(Vec<[f32; 2]>),
    Mask(MaskRle),
    /// Seconds from the start of the clip, and the band in Hz where it is known.
    Span {
        span_secs: [f64; 2],
        band_hz: Option<[f64; 2]>,
    },
}

impl Shape {
    /// The box around the shape; `None` for sounds, whole items and empty masks.
    #[must_use]
    pub fn bounds(&self) -> Option<BoxPx> {
        match self {
            Self::Box(b) => Some(*b),
            Self::Polygon(points) => {
                let fold = |pick: usize, f: fn(f32, f32) -> f32, start: f32| {
                    points.iter().map(|p| p[pick]).fold(start, f)
                };
                Some(BoxPx::new(
                    fold(0, f32::min, f32::INFINITY),
                    fold(1, f32::min, f32::INFINITY),
                    fold(0, f32::max, f32::NEG_INFINITY),
                    fold(1, f32::max, f32::NEG_INFINITY),
                ))
            }
            Self::Mask(rle) => rle.bounds(),
            Self::Whole | Self::Span { .. } => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RegionJson", into = "RegionJson")]
pub struct Region {
    pub class: String,
    pub shape: Shape,
    /// On the calibrated scale of the decision; absent for regions drawn by people.
    pub score: Option<Probability>,
}

impl Region {
    #[must_use]
    pub fn new(class: impl Into<String>, shape: Shape) -> Self {
        Self { class: class.into(), shape, score: None }
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionJson {
    class: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score: Option<Probability>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    whole: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    box_px: Option<BoxPx>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    polygon_px: Option<Vec<[f32; 2]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rle: Option<MaskRle>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    span_secs: Option<[f64; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    band_hz: Option<[f64; 2]>,
}

impl From<Region> for RegionJson {
    fn from(region: Region) -> Self {
        let box_px = region.shape.bounds();
        let mut json = Self { class: region.class, score: region.score, box_px, ..Self::default() };
        match region.shape {
            Shape::Whole => json.whole = true,
            Shape::Box(_) => {}
            Shape::Polygon(points) => json.polygon_px = Some(points),
            Shape::Mask(rle) => json.rle = Some(rle),
            Shape::Span { span_secs, band_hz } => {
                json.span_secs = Some(span_secs);
                json.band_hz = band_hz;
            }
        }
        json
    }
}

impl TryFrom<RegionJson> for Region {
    type Error = RegionError;

    fn try_from(json: RegionJson) -> Result<Self, RegionError> {
        let ordered = |[a, b]: [f64; 2]| a.is_finite() && b.is_finite() && a >= 0.0 && b >= a;
        let shape = if let Some(rle) = json.rle {
            rle.check()?;
            Shape::Mask(rle)
        } else if let Some(points) = json.polygon_px {
            if points.len() < 3 || points.iter().flatten().any(|v| !v.is_finite()) {
                return Err(RegionError::BadPolygon(points.len()));
            }
            Shape::Polygon(points)
        } else if let Some(b) = json.box_px {
            if !b.is_valid() {
                return Err(RegionError::BadBox(b.into()));
            }
            Shape::Box(b)
        } else if let Some(span_secs) = json.span_secs {
            if !ordered(span_secs) {
                return Err(RegionError::BadSpan(span_secs));
            }
            if let Some(band) = json.band_hz.filter(|&band| !ordered(band)) {
                return Err(RegionError::BadBand(band));
            }
            Shape::Span { span_secs, band_hz: json.band_hz }
        } else if json.whole {
            Shape::Whole
        } else {
            return Err(RegionError::NoShape);
        };
        Ok(Self { class: json.class, shape, score: json.score })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_runs_read_back_with_area_and_bounds() {
        let inside =
            |x: u32, y: u32| (2..5).contains(&x) && (1..7).contains(&y) && !(x + y).is_multiple_of(3);
        let rle = MaskRle::from_fn(9, 8, inside);
        let pixels = rle.to_pixels();
        for y in 0..8 {
            for x in 0..9 {
                assert_eq!(pixels[(y * 9 + x) as usize] == 1, inside(x, y), "({x}, {y})");
            }
        }
        assert_eq!(rle.area(), pixels.iter().map(|&p| u64::from(p)).sum::<u64>());
        assert_eq!(rle.bounds(), Some(BoxPx::new(2.0, 1.0, 5.0, 7.0)));
        assert_eq!(MaskRle::from_fn(4, 4, |_, _| false).bounds(), None);
        assert_eq!(MaskRle::from_fn(4, 4, |_, _| true).area(), 16);
    }

    #[test]
    fn nonsense_regions_are_refused_with_their_reason() {
        let refused = |text: &str| serde_json::from_str::<Region>(text).unwrap_err().to_string();
        assert!(refused(r#"{"class":"a"}"#).contains("needs one of"));
        assert!(refused(r#"{"class":"a","box_px":[5,5,5,9]}"#).contains("empty"));
        assert!(refused(r#"{"class":"a","polygon_px":[[0,0],[1,1]]}"#).contains("3 finite points"));
        assert!(refused(r#"{"class":"a","rle":{"size":[2,2],"counts":[3]}}"#).contains("add up to 3"));
        assert!(refused(r#"{"class":"a","span_secs":[2,1]}"#).contains("ordered"));
    }
}
