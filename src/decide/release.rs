//! Two models on the same items: which of them decides, and which of them is better.
//!
//! Only items on which they differ can tell them apart, and on each of these exactly one of them is
//! right: under "the candidate is no worse" it is wrong in at most half of them. That is a fair coin, and
//! has an exact test (`McNemar`) and a bet that is valid at every look.

use super::audit::{Estimate, estimate};
use super::betting::Answers;
use super::bounds::{exact_interval, mcnemar};
use crate::domain::Probability;
use serde::Serialize;

/// Of intervals.
const CONFIDENCE: f64 = 0.95;
/// Stakes on "the candidate is wrong", as shares of the capital, and how the capital is divided among them.
const STAKES: [(f64, f64); 3] = [(0.25, 0.3), (0.5, 0.4), (0.8, 0.3)];
/// More verdicts than this nobody waits for.
const VERDICTS_MAX: u64 = 100_000;
/// A difference is settled when it has this p-value.
const SETTLED: f64 = 0.05;
/// 2⁶⁴, the number of values that a draw can have.
const DRAWS: f64 = 18_446_744_073_709_551_616.0;

/// Whether a share of something falls on `subject`: always the same answer for the same key, purpose and
/// subject, and one that nobody outside can tell beforehand.
#[must_use]
pub fn falls_on(key: &[u8; 32], purpose: &str, subject: &str, share: Probability) -> bool {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&(purpose.len() as u64).to_le_bytes()).update(purpose.as_bytes());
    let hash = hasher.update(subject.as_bytes()).finalize();
    let bytes = hash.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
    (u64::from_le_bytes(bytes) as f64) / DRAWS < share.get()
}

/// One item with a known truth: whether each model was wrong about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub live_wrong: bool,
    pub candidate_wrong: bool,
    /// Of its truth being known.
    pub probability: Probability,
}

/// What pairs say of two models.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Pairs, and on how many of them just one model is wrong.
    pub n: u64,
    pub only_live_wrong: u64,
    pub only_candidate_wrong: u64,
    /// Errors of each among all that both saw (Horvitz–Thompson); `None` without pairs.
    pub live: Option<Estimate>,
    pub candidate: Option<Estimate>,
    /// The candidate's error rate minus the live model's among the pairs, with its 95 % interval.
    pub difference: f64,
    pub low: f64,
    pub high: f64,
    /// Exact, two-sided (`McNemar`, 1947).
    pub p_value: f64,
    /// Further pairs after which the p-value would be 0.05, were they like those seen so far; 0 where it
    /// is, `None` where no number suffices.
    pub verdicts_needed: Option<u64>,
    /// Of a bet that the candidate is worse: 1/α or more shows it at any look.
    pub capital: f64,
}

/// Compares by `pairs` what both said of `seen` items.
#[must_use]
pub fn comparison(pairs: &[Pair], seen: f64) -> Comparison {
    let count = |live: bool, candidate: bool| {
        pairs.iter().filter(|p| (p.live_wrong, p.candidate_wrong) == (live, candidate)).count() as u64
    };
    let (b, c, n) = (count(true, false), count(false, true), pairs.len() as u64);
    let p_value = if b + c == 0 { 1.0 } else { mcnemar(b, c) };
    let [low, high] = interval(b, c, n);
    let errors = |is_wrong: fn(&Pair) -> bool| {
        let answers: Vec<Answers> = pairs
            .iter()
            .map(|pair| Answers {
                weight: 1.0 / pair.probability.get().max(f64::MIN_POSITIVE),
                stake: 1.0,
                n: 1.0,
                errors: f64::from(u8::from(is_wrong(pair))),
            })
            .collect();
        // What the known ones stand for: some of those seen wait for an answer.
        let known = answers.iter().map(|a| a.weight).sum::<f64>().min(seen.max(n as f64));
        estimate(&answers, known, Probability::saturating(CONFIDENCE))
    };
    Comparison {
        n,
        only_live_wrong: b,
        only_candidate_wrong: c,
        live: errors(|pair| pair.live_wrong),
        candidate: errors(|pair| pair.candidate_wrong),
        difference: if n == 0 { 0.0 } else { (c as f64 - b as f64) / n as f64 },
        low,
        high,
        p_value,
        verdicts_needed: verdicts_needed(b, c, n, p_value),
        capital: capital_worse(b, c),
    }
}

/// Of the difference of two paired error rates: on how many pairs they differ, and in how many of these the
/// candidate is wrong, each with its exact interval at 1 − α/2; so both hold together at 1 − α.
fn interval(b: u64, c: u64, n: u64) -> [f64; 2] {
    let ends = |count: u64, of: u64| exact_interval(count, of, end());
    let [least, most] = ends(b + c, n.max(1));
    if b + c == 0 {
        return [-most, most];
    }
    let [low, high] = ends(c, b + c).map(|share| 2.0 * share - 1.0);
    [low * if low < 0.0 { most } else { least }, high * if high > 0.0 { most } else { least }]
}

/// The confidence of each of the four ends.
fn end() -> Probability {
    Probability::saturating(1.0 - (1.0 - CONFIDENCE) / 4.0)
}

fn verdicts_needed(b: u64, c: u64, n: u64, p_value: f64) -> Option<u64> {
    if p_value <= SETTLED {
        return Some(0);
    }
    if b == c {
        return None;
    }
    let settles = |pairs: u64| {
        let times = pairs as f64 / n as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
        let scaled = |count: u64| (count as f64 * times).round() as u64;
        mcnemar(scaled(b), scaled(c)) <= SETTLED
    };
    let mut high = n.max(1);
    while !settles(high) {
        if high >= VERDICTS_MAX {
            return None;
        }
        high *= 2;
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if settles(middle) { high = middle } else { low = middle }
    }
    Some(high - n)
}

/// The capital of a bet that the candidate is wrong in more than half of the pairs in which the two differ,
/// from 1 at the start (Ville's inequality: it reaches 1/α with a chance of at most α while it is not).
#[must_use]
pub fn capital_worse(only_live_wrong: u64, only_candidate_wrong: u64) -> f64 {
    let (right, wrong) = (only_live_wrong as f64, only_candidate_wrong as f64);
    STAKES.iter().map(|(stake, part)| part * (wrong * stake.ln_1p() + right * (-stake).ln_1p()).exp()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn pairs(counts: [usize; 4]) -> Vec<Pair> {
        let kinds = [(false, false), (true, false), (false, true), (true, true)];
        kinds
            .into_iter()
            .zip(counts)
            .flat_map(|((live_wrong, candidate_wrong), n)| {
                vec![Pair { live_wrong, candidate_wrong, probability: Probability::ONE }; n]
            })
            .collect()
    }

    #[test]
    fn only_items_on_which_they_differ_tell_two_models_apart() {
        let found = comparison(&pairs([90, 2, 8, 5]), 105.0);
        assert_eq!((found.n, found.only_live_wrong, found.only_candidate_wrong), (105, 2, 8));
        assert!((found.p_value - 0.109_375).abs() < 1e-9, "{}", found.p_value);
        assert!((found.difference - 6.0 / 105.0).abs() < 1e-12);
        assert!(found.low < 0.0 && found.high > found.difference);
        // At 125 pairs these are 2 and 10, which have a p-value of 0.039.
        assert_eq!(found.verdicts_needed, Some(20));
        assert_eq!(comparison(&pairs([90, 4, 16, 5]), 115.0).verdicts_needed, Some(0));
        assert_eq!(comparison(&pairs([90, 4, 4, 5]), 103.0).verdicts_needed, None);
        // Nothing seen says nothing.
        let nothing = comparison(&[], 0.0);
        assert!((nothing.low, nothing.high, nothing.p_value) == (-1.0, 1.0, 1.0) || nothing.high > 0.9);
    }

    #[test]
    fn items_that_were_asked_seldom_stand_for_many() {
        // 10 agreements asked with a probability of a tenth, one of them wrong for both; 4 differences, all asked.
        let rare =
            Pair { live_wrong: false, candidate_wrong: false, probability: Probability::saturating(0.1) };
        let mut all = vec![rare; 9];
        all.push(Pair { live_wrong: true, candidate_wrong: true, ..rare });
        all.extend(pairs([0, 0, 4, 0]));
        let found = comparison(&all, 104.0);
        assert!((found.live.unwrap().rate - 10.0 / 104.0).abs() < 1e-9);
        assert!((found.candidate.unwrap().rate - 14.0 / 104.0).abs() < 1e-9);
    }

    #[test]
    fn an_equal_candidate_is_hardly_ever_called_worse_however_often_one_looks() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let called = (0..4000)
            .filter(|_| {
                let (mut b, mut c) = (0, 0);
                (0..400).any(|_| {
                    if random.random::<bool>() {
                        b += 1;
                    } else {
                        c += 1;
                    }
                    capital_worse(b, c) >= 20.0
                })
            })
            .count();
        assert!(called < 240, "{called} of 4000, promised 200");
        assert!(capital_worse(1, 9) >= 20.0, "{}", capital_worse(1, 9));
    }

    #[test]
    fn a_share_of_units_is_sticky_and_of_the_size_that_was_asked() {
        let key = [7; 32];
        let share = Probability::saturating(0.2);
        let on = |unit: u32, share| falls_on(&key, "canary m", &unit.to_string(), share);
        let hits = (0..10_000).filter(|unit| on(*unit, share)).count();
        assert!((1850..2150).contains(&hits), "{hits}");
        // A larger share keeps those that it had.
        let larger = Probability::saturating(0.5);
        assert!((0..10_000).all(|unit| !on(unit, share) || on(unit, larger)));
        assert!(!(0..1000).any(|unit| on(unit, Probability::ZERO)));
    }
}
