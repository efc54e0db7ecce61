//! Bets against a statement about an error rate: whoever starts with 1 and ends with 1/δ has shown the
//! statement wrong at confidence 1 − δ, whenever they look and however the observations were chosen,
//! as long as each had its weight (1 over the probability of being looked at) before its answer.
//!
//! How much is staked on an answer may depend on everything before it, so also on how seldom the rules of
//! its time looked at all: the least likely kind of answer takes the whole stake, likelier ones their
//! part. Answers from a time when everything was looked at keep their full say.
//!
//! Source: Waudby-Smith & Ramdas, *Estimating means of bounded random variables by betting*, JRSS B
//! 2024 (arXiv 2020). Stakes are a fixed mixture instead of adapted ones: the result does not depend
//! on the order of the observations, and at a rate of zero the largest stake finds what the exact
//! bound finds.

/// Answers of one weight: how many, and how many of them were errors. Counts may be fractional, for
/// asking what more of the same would show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answers {
    pub weight: f64,
    /// The weight as a part of the largest that the rules of its time could give, above 0 and up to 1.
    pub stake: f64,
    pub n: f64,
    pub errors: f64,
}

impl Answers {
    fn right(self) -> f64 {
        (self.n - self.errors).max(0.0)
    }
}

/// Stakes, as shares of the largest that can be afforded, and how the starting capital is divided among
/// them. All of it on no further error keeps the price of errors-to-come small; the others live on
/// after one.
const BELOW: [(f64, f64); 6] =
    [(1.0, 0.4), (0.95, 0.15), (0.85, 0.15), (0.7, 0.12), (0.5, 0.1), (0.25, 0.08)];

/// The capital of a bet that the error rate is *below* `limit`: it grows with right answers. 1 at the
/// start.
#[must_use]
pub fn capital_below(answers: &[Answers], limit: f64) -> f64 {
    if limit <= 0.0 || limit >= 1.0 {
        return if limit >= 1.0 { f64::INFINITY } else { 1.0 };
    }
    mixture(&BELOW, |share| {
        let bet = share / (1.0 - limit);
        answers
            .iter()
            .map(|a| {
                growth(a.right(), bet * a.stake * limit) + growth(a.errors, -bet * a.stake * (1.0 - limit))
            })
            .sum()
    })
}

/// True rates, in multiples of the limit, that the alarm is tuned to, with the shares of the capital.
const ABOVE: [(f64, f64); 5] = [(5.0, 0.5), (2.0, 0.15), (3.0, 0.15), (10.0, 0.1), (25.0, 0.1)];
/// The most of the capital that one right answer may take.
const LOSS_MAX: f64 = 0.5;

/// The capital of a bet that the error rate is *above* `limit`: it grows with errors.
#[must_use]
pub fn capital_above(answers: &[Answers], limit: f64) -> f64 {
    if limit <= 0.0 || limit >= 1.0 {
        return 1.0;
    }
    mixture(&ABOVE, |times| {
        // The stake that grows fastest where the rate is `times` the limit.
        let best = (times - 1.0) / (1.0 - limit);
        let bet = best.min(LOSS_MAX / limit);
        answers
            .iter()
            .map(|a| {
                growth(a.right(), -bet * a.stake * limit) + growth(a.errors, bet * a.stake * (1.0 - limit))
            })
            .sum()
    })
}

/// What `times` bets with this gain do to the logarithm of the capital.
fn growth(times: f64, gain: f64) -> f64 {
    if times > 0.0 { times * gain.max(-1.0).ln_1p() } else { 0.0 }
}

/// The capital of all stakes together, from the logarithm of each.
fn mixture(stakes: &[(f64, f64)], log_capital: impl Fn(f64) -> f64) -> f64 {
    let logs: Vec<f64> = stakes.iter().map(|&(stake, part)| part.ln() + log_capital(stake)).collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return 0.0;
    }
    most.exp() * logs.iter().map(|log| (log - most).exp()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn alike(n: f64, errors: f64) -> [Answers; 1] {
        [Answers { weight: 1.0, stake: 1.0, n, errors }]
    }

    #[test]
    fn right_answers_alone_show_a_limit_at_little_more_than_the_exact_number() {
        // Exact: 299 for 1 % at 95 %. The price of being able to look at any time: under a third.
        let needed = (1..1000).find(|n| capital_below(&alike(f64::from(*n), 0.0), 0.01) >= 20.0).unwrap();
        assert!((299..400).contains(&needed), "{needed}");
        // What was found while everything was looked at is not lost when only a few are any more.
        let before = alike(390.0, 0.0)[0];
        let rare = Answers { weight: 20.0, stake: 1.0, n: 1.0, errors: 0.0 };
        assert!(capital_below(&[before, rare], 0.01) > capital_below(&[before], 0.01));
    }

    #[test]
    fn neither_bet_wins_against_the_limit_itself_more_often_than_stated() {
        // At a true rate exactly at the limit, looking after every answer.
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let (mut below, mut above) = (0, 0);
        let runs = 2000;
        for _ in 0..runs {
            let (mut errors, mut won) = (0.0, [false; 2]);
            for n in 1..=1500_u32 {
                errors += f64::from(u8::from(random.random::<f64>() < 0.05));
                let seen = alike(f64::from(n), errors);
                won[0] |= capital_below(&seen, 0.05) >= 20.0;
                won[1] |= capital_above(&seen, 0.05) >= 20.0;
            }
            below += u32::from(won[0]);
            above += u32::from(won[1]);
        }
        // Three standard errors above 5 %.
        assert!(below <= 130 && above <= 130, "{below} and {above} of {runs}");
    }

    #[test]
    fn five_times_the_limit_is_noticed_soon() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut delays: Vec<u32> = (0..2001)
            .map(|_| {
                let mut errors = 0.0;
                (1..100_000)
                    .find(|n| {
                        errors += f64::from(u8::from(random.random::<f64>() < 0.05));
                        capital_above(&alike(f64::from(*n), errors), 0.01) >= 20.0
                    })
                    .unwrap()
            })
            .collect();
        delays.sort_unstable();
        // About 76 is possible for stakes that know the rate.
        assert!((60..110).contains(&delays[1000]), "{}", delays[1000]);
    }

    proptest! {
        #[test]
        fn a_larger_limit_is_never_harder_to_show(
            n in 1.0..500.0_f64, share in 0.0..1.0_f64, limit in 0.001..0.4_f64, stake in 0.02..1.0_f64,
        ) {
            let errors = (n * share * 0.2).floor();
            let few = Answers { weight: 9.0, stake, n, errors };
            let seen = [few, Answers { weight: 1.0, stake: 1.0, n: 30.0, errors: 0.0 }];
            let shown = |limit: f64| capital_below(&seen, limit) >= 20.0;
            prop_assert!(!shown(limit) || shown(limit * 1.5));
        }
    }
}
