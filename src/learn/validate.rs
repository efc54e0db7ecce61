//! How good a network is on the validation groups: what early stopping and the region threshold
//! are chosen by.

use super::data::Sample;
use super::metrics::average_precision;
use crate::domain::Task;
use crate::infer::{Naming, RawScores};
use crate::nn::PIXEL_STRIDE;
use rayon::prelude::*;

/// Average precision of "defective" (where items are named the mean probability of the right name), and
/// the pixels' overlap at its best threshold where there are masks, in equal parts; 0 to 1.
pub(super) fn validation_score(task: Task, scores: &[RawScores], samples: &[&Sample]) -> f64 {
    if task != Task::Defect {
        return named_right(scores, samples);
    }
    let pairs: Vec<(f64, bool)> =
        scores.iter().zip(samples).map(|(raw, s)| (f64::from(raw.score()), s.is_defective())).collect();
    let ranking = average_precision(&pairs).unwrap_or(0.0);
    match pixel_threshold(scores, samples).1 {
        Some(overlap) => 0.5 * (ranking + overlap),
        None => ranking,
    }
}

/// Mean probability of the right name; a share of right names would jump with so few.
fn named_right(scores: &[RawScores], samples: &[&Sample]) -> f64 {
    let right = scores.iter().zip(samples).map(|(raw, sample)| {
        let names = raw.names(Naming::Item);
        let most = names.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = names.iter().map(|name| (name - most).exp()).collect();
        let named: f64 = weights.iter().zip(&sample.positive).filter(|(_, is)| **is).map(|(w, _)| w).sum();
        named / weights.iter().sum::<f64>()
    });
    right.sum::<f64>() / samples.len().max(1) as f64
}

/// The logit threshold with the best overlap of predicted and true defect cells, and that overlap
/// (`None`, and 0, without masks).
pub(super) fn pixel_threshold(scores: &[RawScores], samples: &[&Sample]) -> (f32, Option<f64>) {
    let levels: Vec<f32> = (-12..=12_i16).map(|i| f32::from(i) * 0.25).collect();
    let sums = scores
        .par_iter()
        .zip(samples)
        .filter(|(_, s)| !s.unplaced.iter().any(|u| *u))
        .map(|(raw, s)| {
            let truth = cells(s, raw.width, raw.height);
            let plane = raw.width * raw.height;
            let most: Vec<f32> = (0..plane)
                .map(|at| (0..raw.item.len()).map(|c| raw.map(c)[at]).fold(f32::NEG_INFINITY, f32::max))
                .collect();
            levels
                .iter()
                .map(|level| {
                    let mut sums = (0_u64, 0_u64);
                    for (t, z) in truth.iter().zip(&most) {
                        sums.0 += u64::from(*t && z >= level);
                        sums.1 += u64::from(*t || z >= level);
                    }
                    sums
                })
                .collect::<Vec<_>>()
        })
        .reduce(
            || vec![(0, 0); levels.len()],
            |a, b| a.iter().zip(&b).map(|(a, b)| (a.0 + b.0, a.1 + b.1)).collect(),
        );
    if samples.iter().all(|s| s.masks.is_empty()) {
        return (0.0, None);
    }
    let overlap = |s: &(u64, u64)| if s.1 == 0 { 0.0 } else { s.0 as f64 / s.1 as f64 };
    let best = levels.iter().zip(&sums).max_by(|a, b| overlap(a.1).total_cmp(&overlap(b.1)));
    best.map_or((0.0, None), |(level, s)| (*level, Some(overlap(s))))
}

/// Cells at least half covered by a defect of any class.
fn cells(sample: &Sample, width: usize, height: usize) -> Vec<bool> {
    let stride = PIXEL_STRIDE as usize;
    let (_, columns, rows) = sample.input.canvas();
    let mut truth = vec![false; width * height];
    for (_, mask) in &sample.masks {
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
