//! Raw scores → probabilities, scored regions and the heat map, all on one calibrated scale.

use super::manifest::{Calibration, Manifest};
use super::outline::outline;
use super::regions::{Component, component_at, components};
use super::{Input, RawScores};
use crate::domain::{BoxPx, Probability, Region, Shape};
use crate::nn::PIXEL_STRIDE;
use std::collections::BTreeMap;

/// A suspicion whose peak stays under the pixel threshold still gets a place: the cells within
/// this logit of the peak.
pub(super) const WEAK_MARGIN: f32 = 1.0;
/// A weak suspicion spread over more of the item than this has no place: it is the whole item.
pub(super) const WEAK_SHARE_MAX: f32 = 0.25;
/// Of two regions of different classes that share more than this part of the smaller one, the
/// weaker is left out: it is the same defect under a second name.
pub(super) const SAME_PLACE: f32 = 0.5;

/// Calibrated scores at network resolution. Cell (x, y) covers the source pixels
/// `[x · cell_px[0], (x + 1) · cell_px[0]) × [y · cell_px[1], (y + 1) · cell_px[1])`.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    pub width: usize,
    pub height: usize,
    pub cell_px: [f32; 2],
    /// Defect classes in the model's order.
    pub classes: Vec<String>,
    /// `classes × height × width`, on the scale of the region scores (0 to 1).
    pub values: Vec<f32>,
}

/// What a model says of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// One entry for each class; they add up to 1.
    pub probabilities: BTreeMap<String, Probability>,
    /// Highest score first. Where there is any region, the highest score is exactly 1 − P(good);
    /// there is none only where 1 − P(good) is below the manifest's `score_min`.
    pub regions: Vec<Region>,
    /// What the network's deepest features are like.
    pub features: Vec<f32>,
}

struct Candidate {
    class: usize,
    peak: f32,
    level: f32,
    cells: Vec<usize>,
}

pub(super) fn output(manifest: &Manifest, raw: &RawScores, input: &Input) -> Output {
    let source = [input.source_width as f32, input.source_height as f32];
    Output {
        probabilities: probabilities(manifest, raw),
        regions: regions(manifest, raw, cell_px(input), source),
        features: raw.features.clone(),
    }
}

pub(super) fn heat(manifest: &Manifest, raw: &RawScores, input: &Input) -> Heat {
    Heat {
        width: raw.width,
        height: raw.height,
        cell_px: cell_px(input),
        classes: manifest.defects().to_vec(),
        values: raw.pixels.iter().map(|&z| single(manifest.calibration.probability(f64::from(z)))).collect(),
    }
}

fn cell_px(input: &Input) -> [f32; 2] {
    input.scale.map(|scale| scale * PIXEL_STRIDE as f32)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a map for the screen needs no more than single precision"
)]
const fn single(value: f64) -> f32 {
    value as f32
}

/// P(defect) shared among the classes by a softmax of what speaks for each.
pub(super) fn probabilities(manifest: &Manifest, raw: &RawScores) -> BTreeMap<String, Probability> {
    let Calibration { class_temperature, naming, .. } = manifest.calibration;
    let defect = manifest.calibration.probability(f64::from(raw.score()));
    let scores: Vec<f64> = raw.names(naming).into_iter().map(|name| name / class_temperature).collect();
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let mut out = BTreeMap::new();
    for (name, weight) in manifest.defects().iter().zip(&weights) {
        out.insert(name.clone(), Probability::saturating(defect * weight / sum));
    }
    if let Some(good) = manifest.classes.first() {
        out.insert(good.clone(), Probability::saturating(1.0 - defect));
    }
    out
}

fn regions(manifest: &Manifest, raw: &RawScores, cell_px: [f32; 2], source: [f32; 2]) -> Vec<Region> {
    let settings = &manifest.regions;
    let score = |z: f32| Probability::saturating(manifest.calibration.probability(f64::from(z)));
    let top = raw.score();
    if score(top).get() < settings.score_min {
        return Vec::new();
    }
    let classes = manifest.defects();
    let mut candidates = Vec::new();
    for class in 0..classes.len() {
        for Component { cells, peak } in components(raw.map(class), raw.width, settings.pixel_logit) {
            if (cells.len() >= settings.cells_min && score(peak).get() >= settings.score_min) || peak >= top {
                candidates.push(Candidate { class, peak, level: settings.pixel_logit, cells });
            }
        }
    }
    let mut found = Vec::new();
    if candidates.iter().all(|c| c.peak < top) {
        // Nothing over the pixel threshold carries the item's score: show the weaker peak that
        // does, or say that it is the whole item.
        let class = (0..classes.len()).find(|&c| raw.class_score(c) >= top).unwrap_or(0);
        let (at, peak) = raw.peak(class);
        if peak >= top {
            let level = peak - WEAK_MARGIN;
            let cells = component_at(raw.map(class), raw.width, at, level).cells;
            if cells.len() as f32 <= WEAK_SHARE_MAX * (raw.width * raw.height) as f32 {
                candidates.push(Candidate { class, peak, level, cells });
            }
        }
        if candidates.iter().all(|c| c.peak < top) {
            found.push(Region {
                class: classes[class].clone(),
                shape: Shape::Whole,
                score: Some(score(top)),
            });
        }
    }
    candidates.sort_by(|a, b| b.peak.total_cmp(&a.peak).then(a.class.cmp(&b.class)));
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        if kept.len() + found.len() >= settings.count_max {
            break;
        }
        if !kept.iter().any(|k| k.class != candidate.class && same_place(&k.cells, &candidate.cells)) {
            kept.push(candidate);
        }
    }
    found.extend(kept.iter().map(|c| Region {
        class: classes[c.class].clone(),
        shape: shape(raw, c, cell_px, source),
        score: Some(score(c.peak)),
    }));
    found
}

/// Cells come in ascending order.
fn same_place(a: &[usize], b: &[usize]) -> bool {
    let mut rest = a.iter().peekable();
    let shared = b.iter().filter(|cell| {
        while rest.next_if(|other| other < cell).is_some() {}
        rest.next_if_eq(cell).is_some()
    });
    shared.count() as f32 > SAME_PLACE * a.len().min(b.len()) as f32
}

/// The outline in source pixels; the box of the cells where an outline would be degenerate.
fn shape(raw: &RawScores, candidate: &Candidate, cell_px: [f32; 2], source: [f32; 2]) -> Shape {
    let place = |p: [f32; 2]| [0, 1].map(|axis| ((p[axis] + 0.5) * cell_px[axis]).clamp(0.0, source[axis]));
    if let Some(points) = outline(raw.map(candidate.class), raw.width, &candidate.cells, candidate.level) {
        let points: Vec<[f32; 2]> = points.into_iter().map(place).collect();
        let polygon = Shape::Polygon(points);
        if polygon.bounds().is_some_and(|b| b.area() > 0.0) {
            return polygon;
        }
    }
    let columns = || candidate.cells.iter().map(|at| (at % raw.width) as f32);
    let rows = || candidate.cells.iter().map(|at| (at / raw.width) as f32);
    let least = |v: f32, axis: usize| ((v) * cell_px[axis]).clamp(0.0, source[axis]);
    Shape::Box(BoxPx::new(
        least(columns().fold(f32::INFINITY, f32::min), 0),
        least(rows().fold(f32::INFINITY, f32::min), 1),
        least(columns().fold(0.0, f32::max) + 1.0, 0),
        least(rows().fold(0.0, f32::max) + 1.0, 1),
    ))
}
