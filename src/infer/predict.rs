//! Raw scores → probabilities, scored regions and the heat map, all on one calibrated scale.

use super::manifest::{Calibration, Manifest};
use super::outline::outline;
use super::regions::{Component, component_at, components};
use super::{Input, RawScores};
use crate::domain::{BoxPx, Label, Probability, Region, Shape, Task};
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

impl Heat {
    /// A map of nothing.
    pub(super) fn none() -> Self {
        Self { width: 0, height: 0, cell_px: [1.0; 2], classes: Vec::new(), values: Vec::new() }
    }
}

/// What a model says of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// One entry for each class, or for each reading and the rest; they add up to 1.
    pub probabilities: BTreeMap<String, Probability>,
    /// Highest score first. Where there is any region, the highest score is exactly 1 − P(good), or the
    /// probability of the item's name; there is none only where that is below the manifest's `score_min`, or
    /// where the name is `good`: that is in no place.
    pub regions: Vec<Region>,
    /// Whether the regions are no more than a suspicion: no cell reaches the manifest's pixel threshold.
    pub is_weak: bool,
    /// The best reading, of a model that writes down what is said.
    pub transcript: Option<String>,
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
    let (asked, _) = in_question(manifest, raw);
    let highest = asked.map(|class| raw.peak(class).1).fold(f32::NEG_INFINITY, f32::max);
    Output {
        is_weak: highest < manifest.regions.pixel_logit,
        probabilities: probabilities(manifest, raw),
        regions: regions(manifest, raw, cell_px(input), source),
        transcript: None,
        features: raw.features.clone(),
    }
}

pub(super) fn heat(manifest: &Manifest, raw: &RawScores, input: &Input) -> Heat {
    Heat {
        width: raw.width,
        height: raw.height,
        cell_px: cell_px(input),
        classes: manifest.shown().to_vec(),
        values: (0..manifest.shown().len())
            .flat_map(|class| {
                let scale = Scale::of(manifest, raw, class);
                raw.map(class).iter().map(move |&z| single(scale.score(z).get()))
            })
            .collect(),
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

/// P(defect) shared among the classes by a softmax of what speaks for each; of a model that names items
/// the softmax itself.
pub(super) fn probabilities(manifest: &Manifest, raw: &RawScores) -> BTreeMap<String, Probability> {
    let Calibration { class_temperature, naming, .. } = manifest.calibration;
    let names_items = manifest.task == Task::Classify;
    let shared = if names_items { 1.0 } else { manifest.calibration.probability(f64::from(raw.score())) };
    let scores: Vec<f64> = raw.names(naming).into_iter().map(|name| name / class_temperature).collect();
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let mut out = BTreeMap::new();
    for (name, weight) in manifest.shown().iter().zip(&weights) {
        out.insert(name.clone(), Probability::saturating(shared * weight / sum));
    }
    if let (false, Some(good)) = (names_items, manifest.classes.first()) {
        out.insert(good.clone(), Probability::saturating(1.0 - shared));
    }
    out
}

/// From a cell's logit to the decision's scale.
#[derive(Clone, Copy)]
enum Scale {
    /// The calibration that the item's score has, too.
    Defect(Calibration),
    /// The highest cell has the probability of the item's name, the others their share of it.
    Name { probability: f64, highest: f64 },
}

impl Scale {
    /// Of a class.
    fn of(manifest: &Manifest, raw: &RawScores, class: usize) -> Self {
        if manifest.task != Task::Classify {
            return Self::Defect(manifest.calibration);
        }
        let probability = probabilities(manifest, raw).get(&manifest.shown()[class]).map_or(0.0, |p| p.get());
        Self::Name { probability, highest: sigmoid(f64::from(raw.peak(class).1)) }
    }

    fn score(self, z: f32) -> Probability {
        Probability::saturating(match self {
            Self::Defect(calibration) => calibration.probability(f64::from(z)),
            Self::Name { probability, highest } => {
                probability * (sigmoid(f64::from(z)) / highest.max(f64::MIN_POSITIVE)).min(1.0)
            }
        })
    }
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// The classes whose places count, and the raw score that the item's first region has: of a model that
/// finds defects all, and the item's; of one that names items the name's.
fn in_question(manifest: &Manifest, raw: &RawScores) -> (std::ops::Range<usize>, f32) {
    if manifest.task != Task::Classify {
        return (0..manifest.shown().len(), raw.score());
    }
    let names = raw.names(manifest.calibration.naming);
    let named = names.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(class, _)| class);
    (named..named + 1, raw.peak(named).1)
}

fn regions(manifest: &Manifest, raw: &RawScores, cell_px: [f32; 2], source: [f32; 2]) -> Vec<Region> {
    let settings = &manifest.regions;
    let (asked, top) = in_question(manifest, raw);
    if manifest.shown().get(asked.start).is_some_and(|class| class == Label::GOOD) {
        return Vec::new();
    }
    let scale = Scale::of(manifest, raw, asked.start);
    let score = |z: f32| scale.score(z);
    if score(top).get() < settings.score_min {
        return Vec::new();
    }
    let classes = manifest.shown();
    let mut candidates = Vec::new();
    for class in asked.clone() {
        let components = components(raw.map(class), raw.width, settings.pixel_logit, settings.split_logit);
        for Component { cells, peak } in components {
            if (cells.len() >= settings.cells_min && score(peak).get() >= settings.score_min) || peak >= top {
                candidates.push(Candidate { class, peak, level: settings.pixel_logit, cells });
            }
        }
    }
    let mut found = Vec::new();
    if candidates.iter().all(|c| c.peak < top) {
        // Nothing over the pixel threshold carries the item's score: show the weaker peak that
        // does, or say that it is the whole item.
        let class = asked.clone().find(|&c| raw.class_score(c) >= top).unwrap_or(asked.start);
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
        shape: match &manifest.input.sound {
            Some(sound) => sound.heard(&cell_box(raw, &c.cells, cell_px, source)),
            None => shape(raw, c, cell_px, source),
        },
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
    cell_box(raw, &candidate.cells, cell_px, source)
}

/// The box around cells, in source pixels.
fn cell_box(raw: &RawScores, cells: &[usize], cell_px: [f32; 2], source: [f32; 2]) -> Shape {
    let columns = || cells.iter().map(|at| (at % raw.width) as f32);
    let rows = || cells.iter().map(|at| (at / raw.width) as f32);
    let least = |v: f32, axis: usize| ((v) * cell_px[axis]).clamp(0.0, source[axis]);
    Shape::Box(BoxPx::new(
        least(columns().fold(f32::INFINITY, f32::min), 0),
        least(rows().fold(f32::INFINITY, f32::min), 1),
        least(columns().fold(0.0, f32::max) + 1.0, 0),
        least(rows().fold(0.0, f32::max) + 1.0, 1),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::shipped;
    use super::*;

    #[test]
    fn a_name_has_its_place_and_good_has_none() {
        let mut manifest = shipped("motor-sound").unwrap().manifest().clone();
        manifest.task = Task::Classify;
        manifest.calibration.naming = super::super::Naming::Item;
        let classes = manifest.classes.len();
        let input = Input {
            pixels: Vec::new(),
            width: 32,
            height: 64,
            tiles: Vec::new(),
            source_width: 32,
            source_height: 64,
            scale: [1.0; 2],
            used: [32, 64],
        };
        // A hot corner in every map; the item's own logit gives the name.
        let said = |named: usize, above: f32| {
            let peak = manifest.regions.pixel_logit + above;
            let map = (0..8 * 16).map(|at| if at % 8 < 2 && at < 16 { peak } else { peak - 9.0 });
            let raw = RawScores {
                width: 8,
                height: 16,
                pixels: (0..classes).flat_map(|_| map.clone()).collect(),
                item: (0..classes).map(|class| if class == named { 5.0 } else { 0.0 }).collect(),
                features: Vec::new(),
            };
            output(&manifest, &raw, &input)
        };
        assert!(said(0, 1.0).regions.is_empty(), "good is in no place");
        for (above, is_weak) in [(1.0, false), (-1.0, true)] {
            let output = said(1, above);
            assert_eq!((output.regions.len(), output.is_weak), (1, is_weak));
            assert_eq!(output.regions[0].class, manifest.classes[1]);
            assert_eq!(output.regions[0].score, output.probabilities.get(&manifest.classes[1]).copied());
        }
    }
}
