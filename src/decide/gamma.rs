//! Intervals for sums of rare events with different weights.
//!
//! Source: Fay & Feuer, *Confidence intervals for directly standardized rates: a method based on the
//! gamma distribution*, Statistics in Medicine 1997. With one weight it is the exact (Garwood)
//! interval of a Poisson count; no set of weights is known where it covers too little. Normal
//! approximations fail exactly where escapes are: near zero.

use super::betting::Answers;
use super::bisect::smallest;
use statrs::function::gamma::checked_gamma_lr;

const DOUBLINGS_MAX: u32 = 64;

/// Upper end of the weighted sum of errors, exceeded with probability `delta`. Infinite where nothing
/// was looked at.
#[must_use]
pub fn upper_weighted(answers: &[Answers], delta: f64) -> f64 {
    let heaviest = answers.iter().filter(|a| a.n > 0.0).map(|a| a.weight).fold(0.0, f64::max);
    if heaviest <= 0.0 {
        return f64::INFINITY;
    }
    // One more error of the heaviest kind could have been there.
    let sum = weighted(answers, 1) + heaviest;
    let variance = weighted(answers, 2) + heaviest * heaviest;
    variance / sum * gamma_quantile(1.0 - delta, sum * sum / variance)
}

/// Lower end, undercut with probability `delta`.
#[must_use]
pub fn lower_weighted(answers: &[Answers], delta: f64) -> f64 {
    let (sum, variance) = (weighted(answers, 1), weighted(answers, 2));
    if sum <= 0.0 {
        return 0.0;
    }
    variance / sum * gamma_quantile(delta, sum * sum / variance)
}

fn weighted(answers: &[Answers], power: i32) -> f64 {
    answers.iter().map(|a| a.weight.powi(power) * a.errors).sum()
}

/// The x at which the regularised lower incomplete gamma function of `shape` reaches `p`.
fn gamma_quantile(p: f64, shape: f64) -> f64 {
    let reached = |x: f64| checked_gamma_lr(shape, x).unwrap_or(1.0);
    let mut high = shape.max(1.0);
    for _ in 0..DOUBLINGS_MAX {
        if reached(high) >= p {
            break;
        }
        high *= 2.0;
    }
    smallest(0.0, high, |x| reached(x) >= p)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(parts: &[(f64, f64)]) -> Vec<Answers> {
        parts.iter().map(|&(weight, errors)| Answers { weight, stake: 1.0, n: 100.0, errors }).collect()
    }

    #[test]
    fn with_one_weight_it_is_the_exact_interval_of_a_poisson_count() {
        // scipy 1.17.1: chi2.ppf(0.975, 2 (k + 1)) / 2 and chi2.ppf(0.025, 2 k) / 2.
        for (k, low, high) in [
            (0.0, 0.0, 3.688_879_454_113_935_4),
            (1.0, 0.025_317_807_984_289_876, 5.571_643_390_938_898),
            (5.0, 1.623_486_390_118_420_7, 11.668_332_079_322_67),
            (40.0, 28.576_586_441_788_965, 54.468_646_963_984_064),
        ] {
            let seen = answers(&[(2.0, k)]);
            assert!((upper_weighted(&seen, 0.025) - 2.0 * high).abs() < 1e-9, "{k}");
            assert!((lower_weighted(&seen, 0.025) - 2.0 * low).abs() < 1e-9, "{k}");
        }
    }

    #[test]
    fn a_heavy_kind_of_which_nothing_was_seen_still_counts() {
        let light = upper_weighted(&answers(&[(1.0, 3.0)]), 0.025);
        let both = upper_weighted(&answers(&[(1.0, 3.0), (10.0, 0.0)]), 0.025);
        assert!(both > light + 10.0, "{both} against {light}");
        assert!(upper_weighted(&[], 0.05).is_infinite());
    }
}
