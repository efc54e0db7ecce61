//! Measures of a classifier's scores, and their intervals from resampled groups.

use crate::infer::Metric;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::collections::BTreeMap;

/// Resamples: the ends of a 95 % interval then move by less than a tenth of its length.
const RESAMPLES: usize = 400;
/// Equal-mass bins of the calibration error.
const BINS: usize = 10;

/// Area under the ROC curve of (score, positive); ties count half. `None` without both kinds.
pub(super) fn auroc(pairs: &[(f64, bool)]) -> Option<f64> {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = sorted.iter().filter(|p| p.1).count();
    let negatives = sorted.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let (mut below, mut sum) = (0.0, 0.0);
    for tied in sorted.chunk_by(|a, b| a.0 == b.0) {
        let up = tied.iter().filter(|p| p.1).count() as f64;
        let down = tied.len() as f64 - up;
        sum += up * (below + down / 2.0);
        below += down;
    }
    Some(sum / (positives as f64 * negatives as f64))
}

/// Σ (recall step) · precision over falling thresholds; ties are one step.
pub(super) fn average_precision(pairs: &[(f64, bool)]) -> Option<f64> {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let positives = sorted.iter().filter(|p| p.1).count();
    if positives == 0 || positives == sorted.len() {
        return None;
    }
    let (mut right, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for tied in sorted.chunk_by(|a, b| a.0 == b.0) {
        let up = tied.iter().filter(|p| p.1).count() as f64;
        right += up;
        seen += tied.len() as f64;
        sum += up * right / seen;
    }
    Some(sum / positives as f64)
}

/// One bin of a reliability plot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Mean probability that was said.
    pub said: f64,
    /// Share that came true.
    pub seen: f64,
    pub n: usize,
}

/// (probability, outcome) in bins of equal numbers, from low to high.
pub(super) fn reliability(pairs: &[(f64, bool)]) -> Vec<ReliabilityBin> {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n = sorted.len();
    let bins = (0..BINS).map(|bin| &sorted[bin * n / BINS..(bin + 1) * n / BINS]);
    bins.filter(|bin| !bin.is_empty())
        .map(|bin| ReliabilityBin {
            said: bin.iter().map(|p| p.0).sum::<f64>() / bin.len() as f64,
            seen: bin.iter().filter(|p| p.1).count() as f64 / bin.len() as f64,
            n: bin.len(),
        })
        .collect()
}

/// Expected calibration error of (probability, outcome) over bins of equal numbers.
pub(super) fn calibration_error(pairs: &[(f64, bool)]) -> Option<f64> {
    let gap: f64 = reliability(pairs).iter().map(|bin| (bin.said - bin.seen).abs() * bin.n as f64).sum();
    (!pairs.is_empty()).then(|| gap / pairs.len() as f64)
}

/// Detection truth and predictions of one item and class: predicted (score, right), and how many
/// true regions there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Detections {
    pub predicted: Vec<(f64, bool)>,
    pub truths: usize,
}

/// Area under the precision–recall curve of detections, precision made monotone.
pub(super) fn detection_precision<'a>(items: impl Iterator<Item = &'a Detections>) -> Option<f64> {
    let (mut all, mut truths) = (Vec::new(), 0);
    for item in items {
        all.extend_from_slice(&item.predicted);
        truths += item.truths;
    }
    if truths == 0 {
        return None;
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut curve = Vec::with_capacity(all.len());
    let mut right = 0;
    for (i, (_, hit)) in all.iter().enumerate() {
        right += usize::from(*hit);
        curve.push((right as f64 / truths as f64, right as f64 / (i + 1) as f64));
    }
    let (mut area, mut best, mut recall) = (0.0, 0.0_f64, curve.last().map_or(0.0, |c| c.0));
    for (i, (_, precision)) in curve.iter().enumerate().rev() {
        best = best.max(*precision);
        let before = if i == 0 { 0.0 } else { curve[i - 1].0 };
        area += (recall - before) * best;
        recall = before;
    }
    Some(area)
}

/// Harmonic mean of the detections' precision and recall, counting those with at least this score.
pub(super) fn detection_f<'a>(items: impl Iterator<Item = &'a Detections>, score_min: f64) -> Option<f64> {
    let (mut right, mut said, mut truths) = (0_usize, 0, 0);
    for item in items {
        let kept = item.predicted.iter().filter(|(score, _)| *score >= score_min);
        said += kept.clone().count();
        right += kept.filter(|(_, hit)| *hit).count();
        truths += item.truths;
    }
    (truths > 0).then(|| 2.0 * right as f64 / (said + truths) as f64)
}

/// A value over all items with a 95 % interval from resampled groups (percentiles). `measure`
/// gets item positions, and a share or a rate from 0; resamples without a value are left out. `n` counts
/// what the value rests on. One group says nothing of others: its interval is all that a share can be.
pub(super) fn bootstrap(
    groups: &BTreeMap<&str, Vec<usize>>,
    seed: u64,
    n: usize,
    mut measure: impl FnMut(&[usize]) -> Option<f64>,
) -> Option<Metric> {
    let everything: Vec<usize> = groups.values().flatten().copied().collect();
    let value = measure(&everything)?;
    if groups.len() == 1 {
        return Some(Metric { value, low: 0.0, high: value.max(1.0), n });
    }
    let lists: Vec<&Vec<usize>> = groups.values().collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut values = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let mut drawn = Vec::with_capacity(everything.len());
        for _ in 0..lists.len() {
            drawn.extend_from_slice(lists[rng.random_range(0..lists.len())]);
        }
        values.extend(measure(&drawn));
    }
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = (share * values.len() as f64) as usize;
        values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(value)
    };
    Some(Metric { value, low: at(0.025).min(value), high: at(0.975).max(value), n })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of scikit-learn 1.9.1 (`roc_auc_score`, `average_precision_score`) on the same pairs.
    #[test]
    fn ranking_measures_agree_with_scikit_learn() {
        let scores = [0.1, 0.4, 0.35, 0.8, 0.4, 0.9, 0.05, 0.6, 0.6, 0.2];
        let labels = [0, 0, 1, 1, 1, 1, 0, 0, 1, 0];
        let pairs: Vec<(f64, bool)> = scores.iter().zip(labels).map(|(s, l)| (*s, l == 1)).collect();
        assert!((auroc(&pairs).unwrap() - 0.84).abs() < 1e-12, "{:?}", auroc(&pairs));
        assert!(
            (average_precision(&pairs).unwrap() - 0.826_190_476_190_476_1).abs() < 1e-12,
            "{:?}",
            average_precision(&pairs)
        );
        assert_eq!(auroc(&pairs[..2]), None);
    }

    #[test]
    fn calibration_error_is_the_gap_between_said_and_seen() {
        let honest: Vec<(f64, bool)> = (0..100).map(|i| (0.3, i % 10 < 3)).collect();
        assert!(calibration_error(&honest).unwrap() < 1e-9);
        let proud: Vec<(f64, bool)> = (0..100).map(|i| (0.9, i % 2 == 0)).collect();
        assert!((calibration_error(&proud).unwrap() - 0.4).abs() < 1e-9);
    }

    #[test]
    fn calibration_error_agrees_with_numpy() {
        // numpy 2.4.6: ten bins of equal numbers of the stably sorted probabilities.
        let pairs: Vec<(f64, bool)> = (0..500_u32)
            .map(|i| ((f64::from(i * 37 % 101) + 0.5) / 101.0, (i * i + 3 * i) % 7 < 3))
            .collect();
        assert!((calibration_error(&pairs).unwrap() - 0.296_198_019_801_980_2).abs() < 1e-9);
    }

    #[test]
    fn detections_that_miss_half_score_half() {
        let item = Detections { predicted: vec![(0.9, true), (0.2, false)], truths: 2 };
        assert!((detection_precision([item].iter()).unwrap() - 0.5).abs() < 1e-12);
        assert!(detection_precision([Detections::default()].iter()).is_none());
        let item = Detections { predicted: vec![(0.9, true), (0.2, false)], truths: 2 };
        assert!((detection_f([item.clone()].iter(), 0.5).unwrap() - 2.0 / 3.0).abs() < 1e-12);
        assert!((detection_f([item].iter(), 0.0).unwrap() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn intervals_hold_the_value_and_repeat_with_the_seed() {
        let groups: BTreeMap<&str, Vec<usize>> =
            [("a", vec![0, 1]), ("b", vec![2]), ("c", vec![3, 4, 5])].into_iter().collect();
        let run = || {
            bootstrap(&groups, 9, 6, |at| Some(at.iter().sum::<usize>() as f64 / at.len() as f64)).unwrap()
        };
        assert_eq!(run(), run());
        assert!(run().low < run().value && run().value < run().high);
        let one: BTreeMap<&str, Vec<usize>> = [("a", vec![0, 1])].into_iter().collect();
        let alone = bootstrap(&one, 9, 2, |_| Some(0.5)).unwrap();
        assert_eq!((alone.low, alone.high), (0.0, 1.0));
    }
}
