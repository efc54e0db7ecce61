//! How good a network is on the validation groups: what early stopping and the region threshold
//! are chosen by.

use super::calibrate::namings;
use super::data::{Canvas, Sample};
use super::metrics::average_precision;
use crate::domain::Task;
use crate::infer::RawScores;
use crate::nn::PIXEL_STRIDE;

/// What is kept of one item: the maps of all would be as large as the items.
pub(super) struct Checked {
    pub score: f64,
    /// What speaks for each class, by each of the [`namings`].
    pub names: Vec<Vec<f64>>,
    /// Cells that are both true and found at each of [`levels`], and cells that are either; none where the
    /// place of a class is not known.
    overlaps: Option<Vec<[u64; 2]>>,
}

impl Checked {
    pub fn new(task: Task, raw: &RawScores, sample: &Sample<'_>, canvas: &Canvas) -> Self {
        let is_known = !sample.unplaced.contains(&true);
        Self {
            score: f64::from(raw.score()),
            names: namings(task).iter().map(|naming| raw.names(*naming)).collect(),
            overlaps: is_known.then(|| overlaps(raw, canvas)),
        }
    }
}

/// Average precision of "defective" (where items are named the mean probability of the right name), and
/// the pixels' overlap at its best threshold where there are masks, in equal parts; 0 to 1.
pub(super) fn validation_score(task: Task, scores: &[Checked], samples: &[&Sample<'_>]) -> f64 {
    if task != Task::Defect {
        return named_right(scores, samples);
    }
    let pairs: Vec<(f64, bool)> =
        scores.iter().zip(samples).map(|(one, s)| (one.score, s.is_defective())).collect();
    let ranking = average_precision(&pairs).unwrap_or(0.0);
    match pixel_threshold(scores, samples).1 {
        Some(overlap) => 0.5 * (ranking + overlap),
        None => ranking,
    }
}

/// Mean probability of the right name; a share of right names would jump with so few.
fn named_right(scores: &[Checked], samples: &[&Sample<'_>]) -> f64 {
    let right = scores.iter().zip(samples).map(|(Checked { names, .. }, sample)| {
        let names = &names[0];
        let most = names.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = names.iter().map(|name| (name - most).exp()).collect();
        let named: f64 = weights.iter().zip(&sample.positive).filter(|(_, is)| **is).map(|(w, _)| w).sum();
        named / weights.iter().sum::<f64>()
    });
    right.sum::<f64>() / samples.len().max(1) as f64
}

/// The logits that are tried as the threshold of a region's cells.
fn levels() -> Vec<f32> {
    (-12..=12_i16).map(|i| f32::from(i) * 0.25).collect()
}

/// The logit threshold with the best overlap of predicted and true defect cells, and that overlap
/// (`None`, and 0, without masks).
pub(super) fn pixel_threshold(scores: &[Checked], samples: &[&Sample<'_>]) -> (f32, Option<f64>) {
    if !samples.iter().any(|sample| sample.is_placed()) {
        return (0.0, None);
    }
    let levels = levels();
    let mut sums = vec![[0_u64; 2]; levels.len()];
    for of_item in scores.iter().filter_map(|one| one.overlaps.as_ref()) {
        for ([both, either], more) in sums.iter_mut().zip(of_item) {
            *both += more[0];
            *either += more[1];
        }
    }
    let overlap = |[both, either]: &[u64; 2]| if *either == 0 { 0.0 } else { *both as f64 / *either as f64 };
    let best = levels.iter().zip(&sums).max_by(|a, b| overlap(a.1).total_cmp(&overlap(b.1)));
    best.map_or((0.0, None), |(level, sums)| (*level, Some(overlap(sums))))
}

fn overlaps(raw: &RawScores, canvas: &Canvas) -> Vec<[u64; 2]> {
    let truth = cells(canvas, raw.width, raw.height);
    let plane = raw.width * raw.height;
    let most: Vec<f32> = (0..plane)
        .map(|at| (0..raw.item.len()).map(|c| raw.map(c)[at]).fold(f32::NEG_INFINITY, f32::max))
        .collect();
    let at_level = |level: f32| {
        truth.iter().zip(&most).fold([0, 0], |[both, either], (t, z)| {
            [both + u64::from(*t && *z >= level), either + u64::from(*t || *z >= level)]
        })
    };
    levels().into_iter().map(at_level).collect()
}

/// Cells at least half covered by a defect of any class.
fn cells(canvas: &Canvas, width: usize, height: usize) -> Vec<bool> {
    let stride = PIXEL_STRIDE as usize;
    let (_, columns, rows) = canvas.input.canvas();
    let mut truth = vec![false; width * height];
    for (_, mask) in &canvas.masks {
        for (at, cell) in truth.iter_mut().enumerate() {
            let (x, y) = (at % width * stride, at / width * stride);
            let mut sum = 0_usize;
            for row in y..(y + stride).min(rows) {
                sum += mask[row * columns + x..row * columns + (x + stride).min(columns)]
                    .iter()
                    .map(|&m| usize::from(m))
                    .sum::<usize>();
            }
            *cell |= sum * 2 >= 255 * stride * stride;
        }
    }
    truth
}
