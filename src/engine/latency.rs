//! Latency percentiles of the recent past.

use serde::Serialize;

/// Enough for a p99 with 1,000 values behind it, and small for a station that runs for months.
const KEPT: usize = 100_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LatencyMs {
    pub p50: f64,
    pub p99: f64,
    /// How many items the percentiles come from.
    pub n: usize,
}

/// The latest [`KEPT`] values.
#[derive(Default)]
pub(super) struct Latencies {
    values_ms: Vec<f64>,
    next: usize,
}

impl Latencies {
    pub fn add(&mut self, ms: f64) {
        if self.values_ms.len() < KEPT {
            self.values_ms.push(ms);
        } else {
            self.values_ms[self.next] = ms;
        }
        self.next = (self.next + 1) % KEPT;
    }

    pub fn percentiles(&self) -> LatencyMs {
        percentiles(&self.values_ms)
    }
}

/// Nearest-rank percentiles; zeroes for no values.
pub(super) fn percentiles(values_ms: &[f64]) -> LatencyMs {
    let mut sorted = values_ms.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = |percent: usize| {
        let at = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(at).copied().unwrap_or(0.0)
    };
    LatencyMs { p50: rank(50), p99: rank(99), n: sorted.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank_over_the_recent_values() {
        assert_eq!(percentiles(&[]), LatencyMs::default());
        assert_eq!(percentiles(&[5.0]), LatencyMs { p50: 5.0, p99: 5.0, n: 1 });
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentiles(&values), LatencyMs { p50: 100.0, p99: 198.0, n: 200 });
        let mut latencies = Latencies::default();
        for _ in 0..KEPT {
            latencies.add(1.0);
        }
        for _ in 0..KEPT {
            latencies.add(2.0);
        }
        assert_eq!(latencies.percentiles(), LatencyMs { p50: 2.0, p99: 2.0, n: KEPT });
    }
}
