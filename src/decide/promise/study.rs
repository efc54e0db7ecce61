//! Counting the evidence under each candidate threshold, and testing candidates in their order.

use super::super::bounds::{labels_needed, zero_error_sample};
use super::super::tally::{Method, Tally};
use super::{Evidence, EvidenceUnit, HALF, LimitSupport, Origin, UnitKind, candidate};
use crate::domain::{ClassSet, Limit, LimitKind, Probability, Thresholds};

/// Indices of candidates that passed their tests, in the order of testing.
#[derive(Clone, Copy)]
pub(super) struct Accepted {
    pub first: u8,
    pub last: u8,
}

/// What a limit counts.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub kind: LimitKind,
    /// Whose units; `None` for all.
    class: Option<ClassSet>,
}

impl Target {
    fn counts(self, unit: &EvidenceUnit) -> bool {
        self.class.is_none_or(|class| unit.classes.meets(class))
    }
}

/// The scores of the evidence, sorted, so that every count is one walk over a part of it.
pub(super) struct Study<'a> {
    classes: &'a [String],
    /// By score.
    defective: Vec<EvidenceUnit>,
    good: Vec<EvidenceUnit>,
    population: bool,
    method: Method,
    /// As if so many times as many had been seen.
    times: f64,
}

impl<'a> Study<'a> {
    pub fn new(evidence: &'a Evidence, method: Method, times: f64) -> Self {
        let sorted = |defective: bool| {
            let mut units: Vec<EvidenceUnit> =
                evidence.units.iter().filter(|unit| unit.defective == defective).copied().collect();
            units.sort_by(|a, b| a.score.get().total_cmp(&b.score.get()));
            units
        };
        let (defective, good) = (sorted(true), sorted(false));
        Self { classes: &evidence.classes, defective, good, population: evidence.population, method, times }
    }

    /// A class that the evidence does not know has no units.
    pub fn target(&self, kind: LimitKind, class: Option<&str>) -> Target {
        let known = self.classes.iter().map(String::as_str);
        Target { kind, class: class.map(|name| ClassSet::of_names(&known, [name])) }
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
    pub fn tally(&self, target: Target, index: u8) -> Tally {
        let t = candidate(index);
        let mut tally = Tally::default();
        match target.kind {
            LimitKind::Miss => {
                let counted = self.defective.iter().filter(|unit| target.counts(unit));
                counted.for_each(|unit| tally.add(unit.weight, unit.stake, unit.score < t));
            }
            LimitKind::Overkill => {
                let counted = self.good.iter().filter(|unit| target.counts(unit));
                counted.for_each(|unit| tally.add(unit.weight, unit.stake, unit.score > t));
            }
            LimitKind::Outgoing | LimitKind::Error => {
                for (units, is_error) in [(&self.good, false), (&self.defective, true)] {
                    let counted = below(units, t).iter().filter(|unit| target.counts(unit));
                    let sampled = counted.filter(|unit| self.is_sampled(unit));
                    sampled.for_each(|unit| tally.add(unit.weight, unit.stake, is_error));
                }
            }
        }
        #[expect(clippy::float_cmp, reason = "exactly what was seen")]
        let as_seen = self.times == 1.0;
        if as_seen { tally } else { tally.scaled(self.times) }
    }

    /// Candidates that are accepted where `sharing` limits share δ. Among what is decided the first candidate
    /// that is tested moves with δ, and a later start could step over a candidate that fails an earlier one; so
    /// only what would be accepted for fewer limits too is, and a further limit never widens a threshold.
    pub fn shared(&self, target: Target, limit: Limit, sharing: u8) -> Option<Accepted> {
        let by = |sharing| self.sequence(target, limit.limit, shared_confidence(limit.confidence, sharing));
        if !target.kind.is_among_decided() {
            return by(sharing);
        }
        let all: Option<Vec<Accepted>> = (1..=sharing).map(by).collect();
        // These sequences rise.
        let common = all?
            .into_iter()
            .reduce(|a, b| Accepted { first: a.first.max(b.first), last: a.last.min(b.last) })?;
        (common.first <= common.last).then_some(common)
    }

    fn sequence(&self, target: Target, limit: Probability, confidence: Probability) -> Option<Accepted> {
        zero_error_sample(limit, confidence)?;
        let mut found: Option<Accepted> = None;
        for index in order(target.kind) {
            let tally = self.tally(target, index);
            // Looks at how many there are only, never at errors: with fewer, no test can succeed.
            let is_too_early = target.kind.is_among_decided()
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
    pub fn nearest(
        &self,
        target: Target,
        class: Option<&str>,
        limit: Limit,
        tested: Probability,
    ) -> LimitSupport {
        let labels_of = match target.kind {
            LimitKind::Miss => UnitKind::DefectiveUnits,
            LimitKind::Overkill => UnitKind::GoodUnits,
            LimitKind::Outgoing | LimitKind::Error => UnitKind::Inspections,
        };
        let mut detail = LimitSupport {
            kind: target.kind,
            class: class.map(str::to_owned),
            limit: limit.limit,
            confidence: limit.confidence,
            tested_confidence: tested,
            threshold: None,
            n: 0,
            errors: 0,
            rate: None,
            bound: Probability::ONE,
            bound_at_half: Probability::ONE,
            bound_corrected: None,
            supported: false,
            labels_needed: None,
            labels_of,
            why: Some(self.not_a_sample(target.kind)),
        };
        if !self.testable(target.kind) {
            return detail;
        }
        let Some((index, needed)) = self.best_candidate(target, limit.limit, tested) else { return detail };
        self.count(&mut detail, target, index);
        detail.labels_needed = needed;
        let silent = if class.is_some() { self.without_class() } else { 0 };
        detail.why = Some(missing(&detail) + &does_not_say(silent));
        detail
    }

    /// Why nothing can be said of what is decided.
    fn not_a_sample(&self, kind: LimitKind) -> String {
        if self.defective.is_empty() && self.good.is_empty() {
            return "nothing that the model has said is known to be right or wrong yet; answers and spot \
                    checks on the line show it"
                .to_owned();
        }
        let other = if kind == LimitKind::Error { "mix of items" } else { "share of defects" };
        format!(
            "the evidence is not a sample of the line (its {other} is not the line's), so it cannot prove a \
             rate among what is decided; spot checks on the line can"
        )
    }

    /// Defective units whose class nobody has said; they cannot count for any.
    fn without_class(&self) -> usize {
        self.defective.iter().filter(|unit| unit.origin == Origin::Package && unit.classes.is_empty()).count()
    }

    /// The candidate that needs the fewest further units, the strictest among equals.
    fn best_candidate(
        &self,
        target: Target,
        limit: Probability,
        tested: Probability,
    ) -> Option<(u8, Option<u64>)> {
        if !target.kind.is_among_decided() {
            let index = order(target.kind).next()?;
            return Some((index, self.needed(&self.tally(target, index), limit, tested)));
        }
        let per_candidate =
            order(target.kind).map(|index| (index, self.inspections_needed(target, index, limit, tested)));
        per_candidate.min_by_key(|(_, needed)| needed.unwrap_or(u64::MAX))
    }

    fn inspections_needed(
        &self,
        target: Target,
        index: u8,
        limit: Probability,
        tested: Probability,
    ) -> Option<u64> {
        let all = self.times * (self.defective.len() + self.good.len()) as f64;
        let tally = self.tally(target, index);
        // Only a part of all inspections lies below the threshold and counts.
        let share = if all > 0.0 { tally.n() / all } else { 1.0 };
        let passed = if share > 0.0 { self.needed(&tally, limit, tested) } else { None };
        passed.map(|passed| inspections(passed, share))
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

    fn count(&self, detail: &mut LimitSupport, target: Target, index: u8) {
        let tally = self.tally(target, index);
        detail.threshold = Some(candidate(index));
        (detail.n, detail.errors) = (whole(tally.n()), whole(tally.errors()));
        detail.rate = tally.rate();
        detail.bound = tally.upper_bound(self.method, detail.tested_confidence);
        let half = shared_confidence(detail.tested_confidence, 2);
        detail.bound_at_half = tally.upper_bound(self.method, half);
    }

    /// A limit that holds somewhere, but not where the limits on its threshold end together.
    pub fn wait(&self, detail: &mut LimitSupport, end: Option<u8>) {
        let name = detail.name();
        let Some(end) = end else {
            detail.labels_needed = Some(0);
            detail.why = Some(format!("{name}: holds, but another limit on the same threshold does not"));
            return;
        };
        let target = self.target(detail.kind, detail.class.as_deref());
        self.count(detail, target, end);
        detail.labels_needed = self.inspections_needed(target, end, detail.limit, detail.tested_confidence);
        let why = "too few units lie below the threshold that the other limits allow";
        detail.why = Some(format!("{name}: {why}"));
    }

    pub fn settle(&self, detail: &mut LimitSupport, index: u8) {
        self.count(detail, self.target(detail.kind, detail.class.as_deref()), index);
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

/// What each of so many limits is tested at.
pub(super) fn shared_confidence(confidence: Probability, sharing: u8) -> Probability {
    Probability::saturating(1.0 - (1.0 - confidence.get()) / f64::from(sharing.max(1)))
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
    let LimitSupport { limit, tested_confidence, n, errors, bound, labels_of, .. } = detail;
    let name = detail.name();
    let [bound, tested, limit] = [bound, tested_confidence, limit].map(|p| p.percent());
    let seen = format!("{name}: {errors} errors in {n} give at most {bound} at {tested} confidence");
    // Inspections are needed of everything that comes: nobody can order those of one name.
    let of_class = match &detail.class {
        Some(class) if *labels_of == UnitKind::DefectiveUnits => format!(" of class {class}"),
        _ => String::new(),
    };
    match detail.labels_needed {
        Some(more) => {
            format!("{seen}, not {limit}; {more} more {labels_of}{of_class} needed at the rate seen so far")
        }
        None if *n == 0 => {
            format!("{name}: nothing was scored low enough to pass, so nothing is known of what would")
        }
        None => format!("{seen}; the rate seen so far is not under {limit}, so no number of labels suffices"),
    }
}

fn does_not_say(silent: usize) -> String {
    if silent == 0 {
        return String::new();
    }
    format!(" (the model's package does not say of which classes its {silent} defective units are)")
}
