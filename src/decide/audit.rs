//! Which automatic decisions a person checks, and what the checks say of all of them.

use super::betting::Answers;
use super::bisect::smallest;
use super::bounds::upper_bound;
use super::gamma::{lower_weighted, upper_weighted};
use super::promise::Evidence;
use crate::domain::{Audit, AuditRates, AuditRule, Band, Outcome, Probability, Thresholds};
use serde::Serialize;

/// A score is near its threshold when its odds are within this factor of the threshold's.
const NEAR_ODDS: f64 = 8.0;
/// 2⁶⁴, the number of values that a draw can have.
const DRAWS: f64 = 18_446_744_073_709_551_616.0;

/// Draws the check of one decision. `subject` is the inspection's id, so that the items of one inspection
/// are drawn together; `key` is the line's, so that nobody outside can tell beforehand.
///
/// The draw depends on the arguments alone: nothing that is learnt after the decision can change it.
#[must_use]
pub fn audit_of(
    rates: &AuditRates,
    key: &[u8; 32],
    subject: &str,
    outcome: Outcome,
    p: Probability,
    thresholds: Thresholds,
) -> Audit {
    let band = band(outcome, p, thresholds);
    let probability = match (outcome, band) {
        (Outcome::Pass, Band::Safe) => rates.pass_safe,
        (Outcome::Pass, Band::Near) => rates.pass_near,
        (Outcome::Divert, Band::Near) => rates.divert_near,
        (Outcome::Divert, Band::Safe) => rates.divert_safe,
        (Outcome::Review, _) => rates.asked,
    };
    let hash = blake3::keyed_hash(key, subject.as_bytes());
    let bytes = hash.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
    let drawn = (u64::from_le_bytes(bytes) as f64) / DRAWS < probability.get();
    Audit { probability, least: least(rates, thresholds), drawn, band }
}

/// Of the decisions that these thresholds make at all.
fn least(rates: &AuditRates, thresholds: Thresholds) -> Probability {
    let passes = thresholds.pass_below.is_some() || thresholds.accept_below.is_some();
    let diverts = thresholds.divert_above.is_some() || thresholds.accept_below.is_some();
    let of_passes = [rates.pass_safe, rates.pass_near].into_iter().filter(|_| passes);
    let of_diverts = [rates.divert_near, rates.divert_safe].into_iter().filter(|_| diverts);
    of_passes.chain(of_diverts).fold(Probability::ONE, |least, p| if p < least { p } else { least })
}

/// How far from the threshold that decided.
#[must_use]
pub fn band(outcome: Outcome, p: Probability, thresholds: Thresholds) -> Band {
    let odds = |p: Probability| p.get() / (1.0 - p.get()).max(f64::MIN_POSITIVE);
    let is_near = match outcome {
        Outcome::Pass => {
            thresholds.pass_below.or(thresholds.accept_below).is_none_or(|t| odds(p) * NEAR_ODDS >= odds(t))
        }
        Outcome::Divert => thresholds.divert_above.is_none_or(|t| odds(p) <= NEAR_ODDS * odds(t)),
        Outcome::Review => true,
    };
    if is_near { Band::Near } else { Band::Safe }
}

/// What may be spent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AuditBudget {
    /// Mean share that is checked.
    pub share: f64,
    /// Least share of any kind, as a part of `share`.
    pub floor: f64,
}

/// One kind of decision: its share of all, and how often it is expected to be wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    pub share: f64,
    pub errors: f64,
}

/// The probabilities that give the estimate of all errors its least variance within the budget: in
/// proportion to the root of the expected rate (Neyman's allocation for rare events), never under the
/// floor, never above 1.
#[must_use]
pub fn allocate(budget: AuditBudget, kinds: &[Expected]) -> Vec<f64> {
    let share = budget.share.clamp(0.0, 1.0);
    let least = share * budget.floor.clamp(0.0, 1.0);
    let all: f64 = kinds.iter().map(|kind| kind.share).sum();
    if all <= 0.0 {
        return vec![share; kinds.len()];
    }
    let spent = |scale: f64| -> f64 {
        kinds
            .iter()
            .map(|kind| kind.share / all * (scale * kind.errors.max(0.0).sqrt()).clamp(least, 1.0))
            .sum()
    };
    // What is spent grows with the scale: find the one that spends the budget.
    let mut high = 1.0;
    while spent(high) < share && high < SCALE_MAX {
        high *= 2.0;
    }
    let scale = smallest(0.0, high, |scale| spent(scale) >= share);
    kinds.iter().map(|kind| (scale * kind.errors.max(0.0).sqrt()).clamp(least, 1.0)).collect()
}

const SCALE_MAX: f64 = 1e9;
/// What the calibrated scores alone say counts as so many units beside the evidence.
const PRIOR_UNITS: f64 = 4.0;

/// The rates for decisions by these thresholds, from what scores and evidence say of each kind.
#[must_use]
pub fn audit_rates(rule: &AuditRule, evidence: &Evidence, thresholds: Thresholds) -> AuditRates {
    let decided = |outcome: Outcome, wanted: Band| {
        let threshold = match outcome {
            Outcome::Pass => thresholds.pass_below.or(thresholds.accept_below),
            _ => thresholds.divert_above,
        };
        let is_of = |p: Probability| {
            let is_decided = threshold.is_some_and(|t| if outcome == Outcome::Pass { p < t } else { p > t });
            is_decided && band(outcome, p, thresholds) == wanted
        };
        let (mut n, mut errors) = (PRIOR_UNITS, PRIOR_UNITS * middle_error(outcome, wanted, threshold));
        for unit in evidence.units.iter().filter(|unit| is_of(unit.score)) {
            n += unit.weight;
            errors += if unit.defective == (outcome == Outcome::Pass) { unit.weight } else { 0.0 };
        }
        Expected { share: n, errors: errors / n }
    };
    let budget = AuditBudget { share: rule.share, floor: rule.floor };
    let of = |outcome| {
        let (safe, near) = (decided(outcome, Band::Safe), decided(outcome, Band::Near));
        // Few units may say otherwise by chance; errors lie near the threshold.
        let near = Expected { errors: near.errors.max(safe.errors), ..near };
        let rates = allocate(budget, &[safe, near]);
        [Probability::saturating(rates[0]), Probability::saturating(rates[1])]
    };
    let ([pass_safe, pass_near], [divert_safe, divert_near]) = (of(Outcome::Pass), of(Outcome::Divert));
    AuditRates { pass_safe, pass_near, divert_near, divert_safe, asked: Probability::saturating(rule.blind) }
}

/// How often a calibrated score in the middle of a band is wrong.
fn middle_error(outcome: Outcome, band: Band, threshold: Option<Probability>) -> f64 {
    let Some(t) = threshold.map(Probability::get) else { return 0.5 };
    // Of passing, that it is defective; of diverting, that it is good.
    let wrong = if outcome == Outcome::Pass { t } else { 1.0 - t };
    let odds = wrong / (1.0 - wrong).max(f64::MIN_POSITIVE);
    let middle = match band {
        Band::Near => odds / NEAR_ODDS.sqrt(),
        Band::Safe => odds / NEAR_ODDS.powf(1.5),
    };
    middle / (1.0 + middle)
}

/// What spot checks say of all decisions of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Share of wrong ones, its interval at the given confidence.
    pub rate: f64,
    pub low: f64,
    pub high: f64,
    /// Checked decisions, and how many of them were wrong.
    pub checked: u64,
    pub errors: u64,
    /// Decisions that the checks speak for.
    pub decided: f64,
}

/// Estimates the share of errors among `decided` decisions from those that were drawn, each with its
/// weight 1/π (Horvitz & Thompson, 1952), with the interval of Fay & Feuer (1997). `None` where nothing
/// was checked.
#[must_use]
pub fn estimate(answers: &[Answers], decided: f64, confidence: Probability) -> Option<Estimate> {
    let checked: f64 = answers.iter().map(|a| a.n).sum();
    if checked <= 0.0 || decided <= 0.0 {
        return None;
    }
    let errors: f64 = answers.iter().map(|a| a.errors).sum();
    let wrong: f64 = answers.iter().map(|a| a.weight * a.errors).sum();
    let half = (1.0 - confidence.get()) / 2.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
    let count = |n: f64| n.round() as u64;
    Some(Estimate {
        rate: (wrong / decided).min(1.0),
        low: (lower_weighted(answers, half) / decided).min(1.0),
        high: (upper_weighted(answers, half) / decided).min(1.0),
        checked: count(checked),
        errors: count(errors),
        decided,
    })
}

/// Items at which two people looked independently. What they say of how often one look errs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AnswerPairs {
    pub pairs: u64,
    pub disagreements: u64,
}

impl AnswerPairs {
    /// As seen; `None` without pairs.
    #[must_use]
    pub fn error(self) -> Option<f64> {
        (self.pairs > 0).then(|| error_of(self.disagreements as f64 / self.pairs as f64))
    }

    /// At most, at this confidence: by the exact bound of how often two looks disagree.
    #[must_use]
    pub fn error_at_most(self, confidence: Probability) -> Option<f64> {
        let share = upper_bound(self.disagreements, self.pairs, confidence).ok();
        share.filter(|_| self.pairs > 0).map(|share| error_of(share.get()))
    }
}

/// Two looks that err with a rate e each disagree with 2 e (1 − e).
fn error_of(disagreeing: f64) -> f64 {
    (1.0 - (1.0 - 2.0 * disagreeing).max(0.0).sqrt()) / 2.0
}

/// A bound on errors as people see them → a bound on true ones, whatever the rate e of their own errors is
/// up to this. An error counts after two looks, so that both have to see it; a false alarm takes two as well
/// (Rogan & Gladen, 1978).
///
/// The worst e is not always the largest: people who err often imagine errors too. What is seen is r true
/// errors as r (1 − e)² + (1 − r) e², and most are hidden where e is about r itself.
#[must_use]
pub fn judge_errors(bound: f64, error_at_most: f64) -> f64 {
    let hiding = if bound < 0.25 { (1.0 - (1.0 - 4.0 * bound).sqrt()) / 2.0 } else { 0.5 };
    let error = error_at_most.min(hiding);
    let (seen, imagined) = ((1.0 - error).powi(2), error.powi(2));
    if seen <= imagined { 1.0 } else { ((bound - imagined) / (seen - imagined)).clamp(0.0, 1.0).max(bound) }
}

/// A bound on what becomes of all units of a kind (all defective ones, say) as people with this rate of
/// error see them → a bound on all that there are: those that people took for another kind may every one
/// have gone the wrong way. A defect that is hard to see is hard for model and people alike, so that
/// nothing better can be said of them.
#[must_use]
pub fn misjudge_at_worst(bound: f64, reviewer_error: f64) -> f64 {
    (1.0 - reviewer_error) * bound + reviewer_error
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn p(value: f64) -> Probability {
        Probability::new(value).unwrap()
    }

    fn rates() -> AuditRates {
        AuditRates {
            pass_safe: p(0.02),
            pass_near: p(0.2),
            divert_near: p(0.1),
            divert_safe: p(0.03),
            asked: p(0.25),
        }
    }

    const THRESHOLDS: [f64; 2] = [0.1, 0.9];

    fn thresholds() -> Thresholds {
        let [low, high] = THRESHOLDS.map(p);
        Thresholds { pass_below: Some(low), divert_above: Some(high), accept_below: None }
    }

    #[test]
    fn draws_come_as_often_as_they_should_and_are_kept_by_the_subject() {
        let key = [7; 32];
        let draw = |i: u32, score: f64| {
            let outcome = if score < 0.1 { Outcome::Pass } else { Outcome::Divert };
            audit_of(&rates(), &key, &format!("inspection-{i}"), outcome, p(score), thresholds())
        };
        for (score, expected) in [(0.001, 0.02), (0.05, 0.2), (0.95, 0.1), (0.9999, 0.03)] {
            let drawn = (0..40_000).filter(|i| draw(*i, score).drawn).count() as f64 / 40_000.0;
            assert!((drawn - expected).abs() < 0.006, "{score}: {drawn}");
            assert_eq!(draw(3, score), draw(3, score));
        }
        // Whoever is drawn with a small probability is drawn with a larger one too.
        assert!((0..5000).all(|i| !draw(i, 0.001).drawn || draw(i, 0.05).drawn));
    }

    #[test]
    fn the_budget_goes_where_errors_are_expected_and_nothing_is_left_unwatched() {
        let budget = AuditBudget { share: 0.05, floor: 0.4 };
        let kinds = [Expected { share: 0.9, errors: 0.0005 }, Expected { share: 0.1, errors: 0.05 }];
        let rates = allocate(budget, &kinds);
        assert!((0.9 * rates[0] + 0.1 * rates[1] - 0.05).abs() < 1e-6, "{rates:?}");
        assert!(rates[0] >= 0.02 && rates[1] > 4.0 * rates[0], "{rates:?}");
        // Variance against uniform checks of the same number.
        let variance = |rates: [f64; 2]| -> f64 {
            kinds.iter().zip(rates).map(|(kind, rate)| kind.share * kind.errors / rate).sum()
        };
        assert!(variance([rates[0], rates[1]]) < 0.6 * variance([0.05, 0.05]));
        assert_eq!(allocate(budget, &[Expected { share: 0.0, errors: 0.0 }]), vec![0.05]);
    }

    #[test]
    fn without_evidence_the_scores_alone_say_where_to_look_more() {
        let rule = AuditRule::default();
        let rates = audit_rates(&rule, &Evidence::default(), thresholds());
        assert!(rates.pass_near > rates.pass_safe && rates.divert_near > rates.divert_safe, "{rates:?}");
        assert!(rates.pass_safe.get() >= rule.share * rule.floor - 1e-12);
    }

    #[test]
    fn two_looks_tell_how_often_one_errs_and_a_bound_takes_that_in() {
        let seen = AnswerPairs { pairs: 1000, disagreements: 95 };
        let e = seen.error().unwrap();
        assert!((e - 0.05).abs() < 1e-9, "{e}");
        // 95 of 1,000 exclude more than 11.17 % of disagreements at 95 % (Clopper–Pearson).
        let most = seen.error_at_most(p(0.95)).unwrap();
        assert!((2.0 * most * (1.0 - most) - 0.111_65).abs() < 1e-5, "{most}");
        assert!(judge_errors(0.05, 0.05) > 0.052 && judge_errors(0.05, 0.05) < 0.054);
        assert!((judge_errors(0.01, 0.0) - 0.01).abs() < 1e-12);
        // Whoever errs far more often than there are errors imagines more than they overlook.
        assert!((judge_errors(0.01, 0.2) - judge_errors(0.01, 0.3)).abs() < 1e-12);
        assert!((0..200).all(|i| judge_errors(0.01, 0.2) >= judge_errors(0.01, 0.001 * f64::from(i))));
        assert!((judge_errors(0.3, 0.5) - 1.0).abs() < 1e-12);
        let none = AnswerPairs::default();
        assert!(none.error().is_none() && none.error_at_most(p(0.95)).is_none());
        // Of 98 defects that people saw 2 % were passed; the 2 that they did not see may have been too.
        assert!((misjudge_at_worst(0.02, 0.02) - 0.0396).abs() < 1e-12);
    }

    proptest! {
        /// The same facts give the same draw, and only the facts that are arguments.
        #[test]
        fn a_draw_is_a_function_of_what_is_recorded(score in 0.0..0.1_f64, name in "[a-z0-9]{1,20}") {
            let once = audit_of(&rates(), &[1; 32], &name, Outcome::Pass, p(score), thresholds());
            let again = audit_of(&rates(), &[1; 32], &name, Outcome::Pass, p(score), thresholds());
            prop_assert_eq!(once, again);
            prop_assert!(once.probability > Probability::ZERO);
        }
    }
}
