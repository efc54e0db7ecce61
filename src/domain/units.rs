//! Numbers that carry their meaning in their type.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A probability in [0, 1]; never NaN.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Probability(f64);

impl Probability {
    pub const ZERO: Self = Self(0.0);
    pub const ONE: Self = Self(1.0);

    /// `None` outside [0, 1] and for NaN.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// Rounding errors are pulled back into [0, 1]; NaN becomes 1, the cautious end of the
    /// defect scale, so that a broken number can never let something pass.
    #[must_use]
    pub fn saturating(value: f64) -> Self {
        if value.is_nan() { Self::ONE } else { Self(value.clamp(0.0, 1.0)) }
    }

    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// "97.5 %": two decimals, without zeros that say nothing.
    #[must_use]
    pub fn percent(self) -> String {
        let digits = format!("{:.2}", 100.0 * self.0);
        format!("{} %", digits.trim_end_matches('0').trim_end_matches('.'))
    }

    /// Within ±13.8, so that certainty stays a number.
    #[must_use]
    pub fn log_odds(self) -> f64 {
        let p = self.0.clamp(1e-6, 1.0 - 1e-6);
        (p / (1.0 - p)).ln()
    }
}

impl TryFrom<f64> for Probability {
    type Error = String;
    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value).ok_or_else(|| format!("{value} is not a probability between 0 and 1"))
    }
}

impl From<Probability> for f64 {
    fn from(p: Probability) -> Self {
        p.0
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

/// Microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Seconds from `earlier` to `self`; negative when the clock stepped back.
    #[must_use]
    pub fn secs_since(self, earlier: Self) -> f64 {
        (self.0 - earlier.0) as f64 / 1e6
    }

    #[must_use]
    pub fn plus_secs(self, secs: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "float to int saturates, and no plan spans 292,000 years"
        )]
        Self(self.0.saturating_add((secs * 1e6) as i64))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with microseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at:.6}"),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}
