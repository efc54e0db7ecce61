//! Exact (Clopper–Pearson) bounds on a rate from `errors` seen in `n` units, and how many units
//! it takes to get a bound under a limit.
//!
//! Knows nothing of what is counted.

use super::bisect::smallest;
use crate::domain::Probability;
use statrs::function::beta::checked_beta_reg;
use thiserror::Error;

/// More labels than any line will ever collect for one promise; an answer beyond it is "none
/// suffices".
const LABELS_MAX: u64 = 100_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BoundError {
    #[error("{errors} errors among {n} units: there cannot be more errors than units")]
    MoreErrorsThanUnits { errors: u64, n: u64 },
    #[error("a confidence must lie strictly between 0 and 1")]
    Confidence,
    #[error("the beta distribution could not be evaluated")]
    Numeric,
}

/// The largest rate under which at most `errors` in `n` still happen with probability
/// 1 − `confidence`: `BetaInv(confidence; errors + 1, n − errors)`, one-sided. 1 where nothing
/// was seen (`n` = 0).
///
/// Source: Clopper & Pearson, *The use of confidence or fiducial limits*, Biometrika 1934.
pub fn upper_bound(errors: u64, n: u64, confidence: Probability) -> Result<Probability, BoundError> {
    let delta = check(errors, n, confidence)?;
    if errors == n {
        return Ok(Probability::ONE);
    }
    if errors == 0 {
        // 1 − δ^(1/n), written so that small bounds keep their digits.
        return Ok(Probability::saturating(-(delta.ln() / n as f64).exp_m1()));
    }
    beta_quantile(confidence.get(), errors as f64 + 1.0, (n - errors) as f64)
}

/// The smallest rate under which at least `errors` in `n` still happen with probability
/// 1 − `confidence`: `BetaInv(1 − confidence; errors, n − errors + 1)`, one-sided. 0 where no
/// error was seen.
pub fn lower_bound(errors: u64, n: u64, confidence: Probability) -> Result<Probability, BoundError> {
    let delta = check(errors, n, confidence)?;
    if errors == 0 {
        return Ok(Probability::ZERO);
    }
    if errors == n {
        return Ok(Probability::saturating((delta.ln() / n as f64).exp()));
    }
    beta_quantile(delta, errors as f64, (n - errors) as f64 + 1.0)
}

/// Both bounds, each at `side`: with 0.975 they hold together at 95 % (Clopper–Pearson). From 0 to 1 where
/// nothing was seen.
#[must_use]
pub fn exact_interval(errors: u64, n: u64, side: Probability) -> [f64; 2] {
    [
        lower_bound(errors, n, side).map_or(0.0, Probability::get),
        upper_bound(errors, n, side).map_or(1.0, Probability::get),
    ]
}

/// How many units without a single error bring the upper bound down to `limit`:
/// ⌈ln(1 − confidence) / ln(1 − limit)⌉. `None` where no number does (limit 0).
#[must_use]
pub fn zero_error_sample(limit: Probability, confidence: Probability) -> Option<u64> {
    labels_total(0.0, limit, confidence)
}

/// Further units needed for an upper bound of at most `limit`, if errors go on at the rate seen
/// so far; 0 where the bound holds already, `None` where no number suffices at that rate.
#[must_use]
pub fn labels_needed(errors: u64, n: u64, limit: Probability, confidence: Probability) -> Option<u64> {
    if bound_holds(errors, n, limit, confidence) {
        return Some(0);
    }
    let rate = if n == 0 { 0.0 } else { errors as f64 / n as f64 };
    // A whole number of errors can hold the bound back a little longer than the smooth rate says.
    labels_total(rate, limit, confidence).map(|total| total.saturating_sub(n).max(1))
}

/// Whether the upper bound is at most `limit`; one evaluation instead of a search.
fn bound_holds(errors: u64, n: u64, limit: Probability, confidence: Probability) -> bool {
    holds(errors as f64, n as f64, limit, confidence)
}

/// [`upper_bound`] for counts that may be fractional; 1 for nonsense.
pub(super) fn rate_bound(errors: f64, n: f64, confidence: Probability) -> Probability {
    if n <= errors || n.is_nan() || check(0, 0, confidence).is_err() {
        return Probability::ONE;
    }
    if errors <= 0.0 {
        return Probability::saturating(-((-confidence.get()).ln_1p() / n).exp_m1());
    }
    beta_quantile(confidence.get(), errors + 1.0, n - errors).unwrap_or(Probability::ONE)
}

/// Probability of at most `k` successes in `n` trials of probability `p`.
#[must_use]
pub fn binomial_cdf(k: u64, n: u64, p: Probability) -> f64 {
    if k >= n {
        return 1.0;
    }
    // 1 − I_p(k + 1, n − k), from the other side so that small tails keep their digits.
    checked_beta_reg((n - k) as f64, k as f64 + 1.0, 1.0 - p.get()).unwrap_or(f64::NAN)
}

/// Probability of at least `k` successes in `n` trials of probability `p`.
#[must_use]
pub fn binomial_tail(k: u64, n: u64, p: Probability) -> f64 {
    match k {
        0 => 1.0,
        k if k > n => 0.0,
        k => checked_beta_reg(k as f64, (n - k) as f64 + 1.0, p.get()).unwrap_or(f64::NAN),
    }
}

/// The two-sided exact test for pairs (`McNemar`, 1947): how likely so uneven a split of the pairs in
/// which exactly one of two is wrong would be, were both equally good.
#[must_use]
pub fn mcnemar(only_first_wrong: u64, only_second_wrong: u64) -> f64 {
    let fewer = only_first_wrong.min(only_second_wrong);
    let half = Probability::saturating(0.5);
    (2.0 * binomial_cdf(fewer, only_first_wrong + only_second_wrong, half)).min(1.0)
}

/// The smallest n whose bound at `rate`·n errors (not rounded, so that it falls steadily with n)
/// is at most `limit`.
fn labels_total(rate: f64, limit: Probability, confidence: Probability) -> Option<u64> {
    if rate >= limit.get() || check(0, 0, confidence).is_err() {
        return None;
    }
    let holds_at = |n: u64| holds(rate * n as f64, n as f64, limit, confidence);
    let mut high = 1_u64;
    while !holds_at(high) {
        if high >= LABELS_MAX {
            return None;
        }
        high *= 2;
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds_at(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// Whether the upper bound is at most `limit`, by the distribution function rather than by its
/// inverse; `errors` may be fractional.
pub(super) fn holds(errors: f64, n: f64, limit: Probability, confidence: Probability) -> bool {
    if limit >= Probability::ONE {
        return true;
    }
    if n <= errors || limit <= Probability::ZERO {
        return false;
    }
    if errors <= 0.0 {
        return n * (-limit.get()).ln_1p() <= (-confidence.get()).ln_1p();
    }
    checked_beta_reg(errors + 1.0, n - errors, limit.get()).is_ok_and(|p| p >= confidence.get())
}

/// δ = 1 − confidence.
fn check(errors: u64, n: u64, confidence: Probability) -> Result<f64, BoundError> {
    if errors > n {
        return Err(BoundError::MoreErrorsThanUnits { errors, n });
    }
    if confidence <= Probability::ZERO || confidence >= Probability::ONE {
        return Err(BoundError::Confidence);
    }
    Ok(1.0 - confidence.get())
}

/// The x at which the regularised incomplete beta function of `a` and `b` reaches `p`.
fn beta_quantile(p: f64, a: f64, b: f64) -> Result<Probability, BoundError> {
    let mut is_sound = true;
    let found = smallest(0.0, 1.0, |x| match checked_beta_reg(a, b, x) {
        Ok(reached) if !reached.is_nan() => reached >= p,
        _ => {
            is_sound = false;
            true
        }
    });
    if is_sound { Ok(Probability::saturating(found)) } else { Err(BoundError::Numeric) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(value: f64) -> Probability {
        Probability::new(value).unwrap()
    }

    /// errors, n, confidence, upper, lower: scipy 1.17.1, `beta.ppf`.
    const REFERENCE: &[(u64, u64, f64, f64, f64)] = &[
        (0, 1, 0.95, 0.95, 0.0),
        (0, 149, 0.95, 0.019_904_816_220_685_077, 0.0),
        (1, 150, 0.95, 0.031_233_816_920_942_87, 0.000_341_896_835_868_565_3),
        (3, 10, 0.95, 0.606_624_216_105_412_3, 0.087_264_433_914_150_35),
        (2, 299, 0.95, 0.020_905_416_104_254_625, 0.001_189_784_335_767_653_6),
        (5, 5, 0.95, 1.0, 0.549_280_271_653_058_9),
        (0, 459, 0.99, 0.009_982_887_366_129_08, 0.0),
        (7, 1000, 0.99, 0.015_928_063_020_583_78, 0.002_334_501_080_342_468),
        (40, 1000, 0.95, 0.051_753_401_352_160_444, 0.030_330_486_489_522_41),
        (1, 3, 0.9, 0.804_199_894_340_908_3, 0.034_510_615_394_370_24),
        (998, 1000, 0.95, 0.999_644_523_866_522_4, 0.993_717_715_453_276_6),
        (12, 4603, 0.999, 0.005_861_805_354_963_836, 0.000_878_883_220_582_043_3),
        (150, 100_000, 0.95, 0.001_717_459_523_728_044, 0.001_304_511_727_210_403_9),
        (9, 10, 0.975, 0.997_471_421_455_538_2, 0.554_983_882_971_804_6),
        (2000, 1_000_000, 0.95, 0.002_075_064_588_527_468, 0.001_927_082_192_824_885_3),
        (50_000, 1_000_000, 0.95, 0.050_359_951_362_176_09, 0.049_641_975_356_742_37),
    ];

    #[test]
    fn bounds_agree_with_scipy() {
        for &(k, n, c, upper, lower) in REFERENCE {
            let got = (upper_bound(k, n, p(c)).unwrap().get(), lower_bound(k, n, p(c)).unwrap().get());
            assert!((got.0 - upper).abs() < 1e-9, "upper {k}/{n} at {c}: {} against {upper}", got.0);
            assert!((got.1 - lower).abs() < 1e-9, "lower {k}/{n} at {c}: {} against {lower}", got.1);
        }
    }

    #[test]
    fn tails_and_the_paired_test_agree_with_scipy() {
        // k, n, p, at most k, at least k: scipy 1.17.1, `binom.cdf` and `binom.sf(k − 1)`.
        for (k, n, q, low, high) in [
            (0, 10, 0.1, 0.348_678_440_099_999_93, 1.0),
            (3, 20, 0.05, 0.984_098_473_980_236_4, 0.075_483_673_788_496_26),
            (12, 400, 0.02, 0.938_141_495_837_151_2, 0.109_733_076_224_237_03),
            (40, 1000, 0.05, 0.080_636_573_256_691, 0.940_185_120_948_096_8),
            (998, 1000, 0.99, 0.999_520_755_546_421_1, 0.002_679_431_993_791_514_3),
            (5, 100_000, 1e-5, 0.999_405_876_493_997_9, 0.003_659_616_905_055_133_4),
        ] {
            assert!((binomial_cdf(k, n, p(q)) - low).abs() < 1e-9, "{k} {n} {q}");
            assert!((binomial_tail(k, n, p(q)) - high).abs() < 1e-9, "{k} {n} {q}");
        }
        // scipy 1.17.1, `binomtest(b, b + c, 0.5)`.
        for (b, c, expected) in [
            (0, 0, 1.0),
            (1, 0, 1.0),
            (5, 0, 0.0625),
            (3, 9, 0.145_996_093_75),
            (10, 10, 1.0),
            (20, 45, 0.002_626_376_810_684_037_4),
            (100, 160, 0.000_238_941_903_068_139_53),
            (7, 1, 0.070_312_5),
        ] {
            assert!((mcnemar(b, c) - expected).abs() < 1e-9, "{b} {c}: {}", mcnemar(b, c));
        }
    }

    #[test]
    fn the_published_numbers_of_units_without_error_come_out() {
        for (confidence, limits) in [
            (0.95, [(0.02, 149), (0.01, 299), (0.005, 598), (0.002, 1497), (0.001, 2995)]),
            (0.99, [(0.02, 228), (0.01, 459), (0.005, 919), (0.002, 2301), (0.001, 4603)]),
        ] {
            for (limit, n) in limits {
                assert_eq!(zero_error_sample(p(limit), p(confidence)), Some(n), "{limit} at {confidence}");
                assert!(upper_bound(0, n, p(confidence)).unwrap() <= p(limit));
                assert!(upper_bound(0, n - 1, p(confidence)).unwrap() > p(limit));
            }
        }
    }

    #[test]
    fn labels_needed_follow_the_rate_seen_so_far() {
        let (limit, confidence) = (p(0.02), p(0.95));
        assert_eq!(labels_needed(0, 0, limit, confidence), Some(149));
        assert_eq!(labels_needed(0, 100, limit, confidence), Some(49));
        assert_eq!(labels_needed(0, 149, limit, confidence), Some(0));
        assert_eq!(labels_needed(3, 100, limit, confidence), None, "3 % seen never proves 2 %");
        let more = labels_needed(1, 100, limit, confidence).unwrap();
        let n = 100 + more;
        let bound = upper_bound(n / 100, n, confidence).unwrap();
        assert!(bound.get() < 0.0201 && more < 1_000, "{more} more gives {bound}");
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(upper_bound(2, 1, p(0.95)), Err(BoundError::MoreErrorsThanUnits { errors: 2, n: 1 }));
        assert_eq!(upper_bound(0, 1, Probability::ONE), Err(BoundError::Confidence));
        assert_eq!(upper_bound(0, 0, p(0.95)), Ok(Probability::ONE), "nothing seen bounds nothing");
        assert_eq!(zero_error_sample(Probability::ZERO, p(0.95)), None);
    }
}
