//! Which items an epoch shows, and how often: seeded, and balanced between classes.

use super::data::Sample;
use crate::domain::Task;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How likely each training item is drawn: at least a share of the draws is defective, as far as
/// there are both kinds, and among the defective a class with few items gets more than its share (by the
/// square root of its count).
pub(super) fn draw_weights(train: &[&Sample<'_>], defective_share: f64) -> Vec<f64> {
    let classes = train.first().map_or(0, |s| s.positive.len());
    let counts: Vec<f64> =
        (0..classes).map(|c| train.iter().filter(|s| s.positive[c]).count() as f64).collect();
    let raw: Vec<f64> = train
        .iter()
        .map(|s| {
            let rarest = s
                .positive
                .iter()
                .zip(&counts)
                .filter(|(p, _)| **p)
                .map(|(_, n)| *n)
                .fold(f64::INFINITY, f64::min);
            if rarest.is_finite() { 1.0 / rarest.sqrt() } else { 1.0 }
        })
        .collect();
    let sum = |defective: bool| -> f64 {
        train.iter().zip(&raw).filter(|(s, _)| s.is_defective() == defective).map(|(_, w)| w).sum()
    };
    let (good, defective) = (sum(false), sum(true));
    let own_share = train.iter().filter(|s| s.is_defective()).count() as f64 / train.len().max(1) as f64;
    let defective_share = defective_share.max(own_share);
    train
        .iter()
        .zip(&raw)
        .map(|(s, w)| {
            if s.is_defective() {
                w / defective * defective_share
            } else {
                w / good * (1.0 - defective_share)
            }
        })
        .collect()
}

/// Items whose defects may be laid over good ones: those of which all are placed.
pub(super) fn donors<'a>(train: &[&'a Sample<'a>]) -> Vec<&'a Sample<'a>> {
    train.iter().copied().filter(|s| s.is_defective() && !s.unplaced.contains(&true)).collect()
}

/// Sounds that leave another what it is when they are heard beneath it: good ones, or any where the loudest
/// gives the name.
pub(super) fn beds<'a>(task: Task, train: &[&'a Sample<'a>]) -> Vec<&'a Sample<'a>> {
    train.iter().copied().filter(|s| task != Task::Defect || !s.is_defective()).collect()
}

/// As many draws as there are items, spread evenly over the weights (systematic sampling), in
/// random order.
pub(super) fn draw_epoch(weights: &[f64], n: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (epoch as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let total: f64 = weights.iter().sum();
    let step = total / n as f64;
    let mut next = rng.random::<f64>() * step;
    let mut reached = 0.0;
    let mut order = Vec::with_capacity(n);
    for (at, weight) in weights.iter().enumerate() {
        reached += weight;
        while next < reached && order.len() < n {
            order.push(at);
            next += step;
        }
    }
    order.shuffle(&mut rng);
    order
}
