//! What evidence says of one rate, and the ways to bound it.

use super::betting::{Answers, capital_below};
use super::bisect::smallest_within;
use super::bounds::{holds, rate_bound};
use super::gamma::upper_weighted;
use crate::domain::Probability;
use serde::Serialize;

/// How a rate is bounded from above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Clopper–Pearson: exact for answers of one weight that are looked at once.
    Exact,
    /// By betting: for any weights, however often one looks.
    Betting,
    /// The gamma interval for weighted counts: for any weights, looked at once.
    Gamma,
}

impl Method {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Betting => "betting",
            Self::Gamma => "gamma",
        }
    }
}

/// Verified units that count for a rate, by their weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    pub answers: Vec<Answers>,
}

impl Tally {
    pub fn add(&mut self, weight: f64, stake: f64, is_error: bool) {
        #[expect(clippy::float_cmp, reason = "weights that were recorded alike are the same bits")]
        let known = self.answers.iter_mut().find(|known| known.weight == weight && known.stake == stake);
        let errors = if is_error { 1.0 } else { 0.0 };
        match known {
            Some(answers) => {
                answers.n += 1.0;
                answers.errors += errors;
            }
            None => self.answers.push(Answers { weight, stake, n: 1.0, errors }),
        }
    }

    #[must_use]
    pub fn n(&self) -> f64 {
        self.answers.iter().map(|a| a.n).sum()
    }

    #[must_use]
    pub fn errors(&self) -> f64 {
        self.answers.iter().map(|a| a.errors).sum()
    }

    /// How many units of the line these stand for.
    #[must_use]
    pub fn stands_for(&self) -> f64 {
        self.answers.iter().map(|a| a.weight * a.n).sum()
    }

    /// Weighted share of errors; `None` where nothing was seen.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let all = self.stands_for();
        let errors: f64 = self.answers.iter().map(|a| a.weight * a.errors).sum();
        (all > 0.0).then(|| errors / all)
    }

    /// As if `times` as many had been seen, errors at the same rate.
    #[must_use]
    pub fn scaled(&self, times: f64) -> Self {
        let scale = |a: &Answers| Answers { n: times * a.n, errors: times * a.errors, ..*a };
        Self { answers: self.answers.iter().map(scale).collect() }
    }

    /// As if no error had been seen: whether so few can show anything at all.
    #[must_use]
    pub fn without_errors(&self) -> Self {
        let clean = |a: &Answers| Answers { errors: 0.0, ..*a };
        Self { answers: self.answers.iter().map(clean).collect() }
    }

    /// Whether the rate is shown to be at most `limit`.
    #[must_use]
    pub fn holds(&self, method: Method, limit: Probability, confidence: Probability) -> bool {
        match method {
            Method::Exact => holds(self.errors(), self.n(), limit, confidence),
            Method::Betting => capital_below(&self.answers, limit.get()) * (1.0 - confidence.get()) >= 1.0,
            Method::Gamma => self.gamma(confidence) <= limit.get(),
        }
    }

    /// The smallest rate that the answers exclude everything above of; 1 where nothing was seen.
    #[must_use]
    pub fn upper_bound(&self, method: Method, confidence: Probability) -> Probability {
        match method {
            Method::Exact => rate_bound(self.errors(), self.n(), confidence),
            Method::Gamma => Probability::saturating(self.gamma(confidence)),
            Method::Betting => {
                let holds = |limit| self.holds(method, Probability::saturating(limit), confidence);
                Probability::saturating(smallest_within(0.0, 1.0, BOUND_HALVINGS, holds))
            }
        }
    }

    fn gamma(&self, confidence: Probability) -> f64 {
        let all = self.stands_for();
        if all > 0.0 { upper_weighted(&self.answers, 1.0 - confidence.get()) / all } else { 1.0 }
    }

    /// How many times as many answers at the same rate would show `limit`; `None` where none would.
    #[must_use]
    pub fn times_needed(&self, method: Method, limit: Probability, confidence: Probability) -> Option<f64> {
        if self.rate()? >= limit.get() {
            return None;
        }
        let shows = |times: f64| self.scaled(times).holds(method, limit, confidence);
        let mut high = 1.0;
        while !shows(high) {
            high *= 2.0;
            if high > TIMES_MAX {
                return None;
            }
        }
        Some(smallest_within(high / 2.0, high, TIMES_HALVINGS, shows))
    }
}

/// A bound to nine digits.
const BOUND_HALVINGS: u32 = 30;
/// More than anybody collects: none suffices.
const TIMES_MAX: f64 = 1e6;
/// A forecast needs no more than four digits.
const TIMES_HALVINGS: u32 = 13;
