//! Counting the evidence under each candidate threshold, and testing candidates in their order.

use super::super::bounds::{labels_needed, zero_error_sample};
use super::super::tally::{Method, Tally};
use super::{Evidence, EvidenceUnit, HALF, LimitKind, LimitSupport, Origin, UnitKind, candidate};
use crate::domain::{Limit, Probability, Thresholds};

/// Indices of candidates that passed their tests, in the order of testing.
#[derive(Clone, Copy)]
pub(super) struct Accepted {
    pub first: u8,
    pub last: u8,
}

/// The scores of the evidence, sorted, so that every count is one walk over a part of it.
pub(super) struct Study {
    /// By score.
    defective: Vec<EvidenceUnit>,
    good: Vec<EvidenceUnit>,
    population: bool,
    method: Method,
    /// As if so many times as many had been seen.
    times: f64,
}

impl Study {
    pub fn new(evidence: &Evidence, method: Method, times: f64) -> Self {
        let sorted = |defective: bool| {
            let mut units: Vec<EvidenceUnit> =
                evidence.units.iter().filter(|unit| unit.defective == defective).copied().collect();
            units.sort_by(|a, b| a.score.get().total_cmp(&b.score.get()));
            units
        };
        Self { defective: sorted(true), good: sorted(false), population: evidence.population, method, times }
    }

    /// Rates among what is decided need the line's own share of defects.
    pub fn testable(&self, kind: LimitKind) -> bool {
        match kind {
            LimitKind::Miss | LimitKind::Overkill => true,
            LimitKind::Outgoing | LimitKind::Error => {
                self.population
                    || self.good.iter().chain(&self.defective).any(|unit| unit.origin != Origin::Package)
            }
        }
    }

    fn is_sampled(&self, unit: &EvidenceUnit) -> bool {
        self.population || unit.origin != Origin::Package
    }

    /// Units that count and errors among them, were candidate `index` in force.
    pub fn tally(&self, kind: LimitKind, index: u8) -> Tally {
        self.tally_at(kind, candidate(index))
    }

    pub fn tally_at(&self, kind: LimitKind, t: Probability) -> Tally {
        let mut tally = Tally::default();
        match kind {
            LimitKind::Miss => {
                self.defective.iter().for_each(|unit| tally.add(unit.weight, unit.stake, unit.score < t));
            }
            LimitKind::Overkill => {
                self.good.iter().for_each(|unit| tally.add(unit.weight, unit.stake, unit.score > t));
            }
            LimitKind::Outgoing | LimitKind::Error => {
                for (units, is_error) in [(&self.good, false), (&self.defective, true)] {
                    let sampled = below(units, t).iter().filter(|unit| self.is_sampled(unit));
                    sampled.for_each(|unit| tally.add(unit.weight, unit.stake, is_error));
                }
            }
        }
        #[expect(clippy::float_cmp, reason = "exactly what was seen")]
        let as_seen = self.times == 1.0;
        if as_seen { tally } else { tally.scaled(self.times) }
    }

    pub fn sequence(&self, kind: LimitKind, limit: Probability, confidence: Probability) -> Option<Accepted> {
        zero_error_sample(limit, confidence)?;
        let mut found: Option<Accepted> = None;
        for index in order(kind) {
            let tally = self.tally(kind, index);
            // Looks at how many there are only, never at errors: with fewer, no test can succeed.
            let is_too_early = kind.is_among_decided()
                && found.is_none()
                && !tally.without_errors().holds(self.method, limit, confidence);
            if is_too_early {
                continue;
            }
            if !tally.holds(self.method, limit, confidence) {
                break;
            }
            found = Some(Accepted { first: found.map_or(index, |found| found.first), last: index });
        }
        found
    }

    /// The limit as not supported, with the numbers of the candidate that came nearest.
    pub fn nearest(&self, kind: LimitKind, limit: Limit, tested: Probability) -> LimitSupport {
        let labels_of = match kind {
            LimitKind::Miss => UnitKind::DefectiveUnits,
            LimitKind::Overkill => UnitKind::GoodUnits,
            LimitKind::Outgoing | LimitKind::Error => UnitKind::Inspections,
        };
        let mut detail = LimitSupport {
            kind,
            limit: limit.limit,
            confidence: limit.confidence,
            tested_confidence: tested,
            threshold: None,
            n: 0,
            errors: 0,
            rate: None,
            bound: Probability::ONE,
            supported: false,
            labels_needed: None,
            labels_of,
            why: Some(
                "the evidence is not a sample of the line (its share of defects is not the line's), so it \
                 cannot prove a rate among what is decided; spot checks on the line can"
                    .into(),
            ),
        };
        if !self.testable(kind) {
            return detail;
        }
        let Some((index, needed)) = self.best_candidate(kind, limit.limit, tested) else { return detail };
        self.count(&mut detail, index);
        detail.labels_needed = needed;
        detail.why = Some(missing(&detail));
        detail
    }

    /// The candidate that needs the fewest further units, the strictest among equals.
    fn best_candidate(
        &self,
        kind: LimitKind,
        limit: Probability,
        tested: Probability,
    ) -> Option<(u8, Option<u64>)> {
        if !kind.is_among_decided() {
            let index = order(kind).next()?;
            return Some((index, self.needed(&self.tally(kind, index), limit, tested)));
        }
        let all = self.times * (self.defective.len() + self.good.len()) as f64;
        let per_candidate = order(kind).map(|index| {
            let tally = self.tally(kind, index);
            // Only a part of all inspections lies below the threshold and counts.
            let share = if all > 0.0 { tally.n() / all } else { 1.0 };
            let passed = if share > 0.0 { self.needed(&tally, limit, tested) } else { None };
            (index, passed.map(|passed| inspections(passed, share)))
        });
        per_candidate.min_by_key(|(_, needed)| needed.unwrap_or(u64::MAX))
    }

    /// Further units for one tally at the rate seen so far.
    fn needed(&self, tally: &Tally, limit: Probability, tested: Probability) -> Option<u64> {
        let (n, errors) = (whole(tally.n()), whole(tally.errors()));
        if self.method == Method::Exact || n == 0 {
            return labels_needed(errors, n, limit, tested);
        }
        if tally.holds(self.method, limit, tested) {
            return Some(0);
        }
        let times = tally.times_needed(self.method, limit, tested)?;
        Some(whole((tally.n() * (times - 1.0)).ceil()).max(1))
    }

    fn count(&self, detail: &mut LimitSupport, index: u8) {
        let tally = self.tally(detail.kind, index);
        detail.threshold = Some(candidate(index));
        (detail.n, detail.errors) = (whole(tally.n()), whole(tally.errors()));
        detail.rate = tally.rate();
        detail.bound = tally.upper_bound(self.method, detail.tested_confidence);
    }

    pub fn settle(&self, detail: &mut LimitSupport, index: u8) {
        self.count(detail, index);
        detail.supported = true;
        detail.labels_needed = Some(0);
        detail.why = None;
    }

    /// Share that these thresholds decide, by weight: of the line's own units as soon as there are some.
    pub fn automation_rate(&self, thresholds: Thresholds) -> Option<f64> {
        let has_own = self.good.iter().chain(&self.defective).any(|unit| unit.origin != Origin::Package);
        let weight = |units: &[EvidenceUnit]| {
            let of_line = units.iter().filter(|unit| !has_own || unit.origin != Origin::Package);
            of_line.map(|unit| unit.weight).sum::<f64>()
        };
        let all = weight(&self.defective) + weight(&self.good);
        let decided: f64 = [&self.defective, &self.good]
            .into_iter()
            .map(|units| {
                let under = [thresholds.pass_below, thresholds.accept_below];
                let passed: f64 = under.into_iter().flatten().map(|t| weight(below(units, t))).sum();
                passed + thresholds.divert_above.map_or(0.0, |t| weight(above(units, t)))
            })
            .sum();
        (all > 0.0).then(|| decided / all)
    }
}

/// From strict to loose. Everything is shut at the beginning: nothing passes, nothing is diverted.
pub(super) fn order(kind: LimitKind) -> Box<dyn Iterator<Item = u8>> {
    match kind {
        LimitKind::Overkill => Box::new((0..=2 * HALF).rev()),
        _ => Box::new(0..=HALF),
    }
}

fn below(sorted: &[EvidenceUnit], t: Probability) -> &[EvidenceUnit] {
    &sorted[..sorted.partition_point(|unit| unit.score < t)]
}

fn above(sorted: &[EvidenceUnit], t: Probability) -> &[EvidenceUnit] {
    &sorted[sorted.partition_point(|unit| unit.score <= t)..]
}

pub(super) fn whole(count: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; saturates")]
    let whole = count.round() as u64;
    whole
}

/// How many inspections bring `passed` passed ones, when `share` of them passes.
fn inspections(passed: u64, share: f64) -> u64 {
    whole((passed as f64 / share).ceil())
}

fn missing(detail: &LimitSupport) -> String {
    let LimitSupport { kind, limit, tested_confidence, n, errors, bound, labels_of, .. } = detail;
    let seen =
        format!("{kind}: {errors} errors in {n} give at most {bound} at confidence {tested_confidence}");
    match detail.labels_needed {
        Some(more) => format!("{seen}, not {limit}; {more} more {labels_of} needed at the rate seen so far"),
        None if *n == 0 => {
            format!("{kind}: nothing was scored low enough to pass, so nothing is known of what would")
        }
        None => format!("{seen}; the rate seen so far is not under {limit}, so no number of labels suffices"),
    }
}
