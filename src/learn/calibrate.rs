//! Raw scores → honest probabilities: Platt's monotone map and a temperature among the classes,
//! both by likelihood on groups that training did not see.

use crate::infer::Calibration;

/// Newton steps; the problem is convex in two unknowns and settles in about ten.
const STEPS: usize = 50;
/// A slope below this would turn the order of items round or make every item alike.
const SLOPE_MIN: f64 = 0.05;
/// Pulls the slope gently towards 1, so that perfectly separated items leave it finite.
const RIDGE: f64 = 0.05;

/// Fits `σ(slope · z + intercept)` to (raw score, defective) pairs. Targets are Platt's (1999):
/// (n + 1) / (n + 2) instead of 1, so that small samples stay modest.
pub(super) fn fit_scale(pairs: &[(f64, bool)]) -> (f64, f64) {
    let positives = pairs.iter().filter(|p| p.1).count() as f64;
    let negatives = pairs.len() as f64 - positives;
    let target = |defective: bool| {
        if defective { (positives + 1.0) / (positives + 2.0) } else { 1.0 / (negatives + 2.0) }
    };
    let loss = |a: f64, b: f64| {
        let sum: f64 = pairs
            .iter()
            .map(|&(z, y)| {
                let v = a * z + b;
                v.max(0.0) - v * target(y) + (-v.abs()).exp().ln_1p()
            })
            .sum();
        sum + RIDGE * ((a - 1.0).powi(2) + b * b)
    };
    let (mut a, mut b) = (1.0, 0.0);
    for _ in 0..STEPS {
        let (mut ga, mut gb) = (2.0 * RIDGE * (a - 1.0), 2.0 * RIDGE * b);
        let (mut haa, mut hab, mut hbb) = (2.0 * RIDGE, 0.0, 2.0 * RIDGE);
        for &(z, y) in pairs {
            let p = 1.0 / (1.0 + (-(a * z + b)).exp());
            let (d, w) = (p - target(y), p * (1.0 - p));
            ga += d * z;
            gb += d;
            haa += w * z * z;
            hab += w * z;
            hbb += w;
        }
        let det = haa * hbb - hab * hab;
        if det.abs() < 1e-12 {
            break;
        }
        let (da, db) = ((hbb * ga - hab * gb) / det, (haa * gb - hab * ga) / det);
        let mut step = 1.0;
        while step > 1e-4 && loss(a - step * da, b - step * db) > loss(a, b) {
            step *= 0.5;
        }
        a -= step * da;
        b -= step * db;
        if da.abs() + db.abs() < 1e-9 {
            break;
        }
    }
    (a.max(SLOPE_MIN), b)
}

/// The temperature under which the true classes of defective items are likeliest: (class scores,
/// true classes) pairs.
pub(super) fn fit_temperature(items: &[(Vec<f64>, Vec<bool>)]) -> f64 {
    let loss = |t: f64| -> f64 {
        items
            .iter()
            .map(|(scores, truth)| {
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| ((s - most) / t).exp()).collect();
                let right: f64 = weights.iter().zip(truth).filter(|(_, t)| **t).map(|(w, _)| w).sum();
                -(right / weights.iter().sum::<f64>()).max(1e-12).ln()
            })
            .sum()
    };
    // Few items: a coarse grid on a logarithmic scale says all that they know.
    (-6..=9).map(|i| 1.4_f64.powi(i)).min_by(|x, y| loss(*x).total_cmp(&loss(*y))).unwrap_or(1.0)
}

/// Both fits together.
pub(super) fn calibration(items: &[(Vec<f64>, Vec<bool>)]) -> Calibration {
    let most = |scores: &[f64]| scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let pairs: Vec<(f64, bool)> = items.iter().map(|(s, t)| (most(s), t.iter().any(|t| *t))).collect();
    let (slope, intercept) = fit_scale(&pairs);
    let defective: Vec<(Vec<f64>, Vec<bool>)> =
        items.iter().filter(|(_, t)| t.iter().any(|t| *t)).cloned().collect();
    Calibration { slope, intercept, class_temperature: fit_temperature(&defective) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    #[test]
    fn the_map_that_made_the_data_is_found_again() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let pairs: Vec<(f64, bool)> = (0..20_000)
            .map(|_| {
                let z = rng.random_range(-4.0..4.0);
                (z, rng.random::<f64>() < 1.0 / (1.0 + (-(1.7 * z - 0.8_f64)).exp()))
            })
            .collect();
        let (a, b) = fit_scale(&pairs);
        assert!((a - 1.7).abs() < 0.1 && (b + 0.8).abs() < 0.08, "{a} {b}");
    }

    #[test]
    fn separated_and_hopeless_scores_stay_finite_and_increasing() {
        for pairs in [vec![(-3.0, false), (4.0, true)], vec![(2.0, false), (-2.0, true)], vec![(1.0, false)]]
        {
            let (a, b) = fit_scale(&pairs);
            assert!(a > 0.0 && a.is_finite() && b.is_finite(), "{a} {b}");
        }
    }
}
