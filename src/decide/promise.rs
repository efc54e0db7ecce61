//! How far a promise is supported by evidence, and the thresholds that keep it.
//!
//! A threshold picked because its *observed* error looks good breaks its promise about half of
//! the time. Here the thresholds come from fixed-sequence testing (Angelopoulos et al., *Learn
//! then Test*, 2021): the candidates and their order are fixed before anything is looked at,
//! from strict to loose; each is tested with the exact bound at the full confidence; the first
//! failure ends it. The chance that any accepted candidate breaks its limit is then at most δ.
//! Limits promised together share δ: of m limits, each is tested at 1 − (1 − confidence) / m.
//!
//! Pure: the evidence is an argument. Where it comes from, and whether the model had seen it in
//! training (then it is none), is the caller's to know.

use super::bounds::{bound_holds, labels_needed, upper_bound, zero_error_sample};
use crate::domain::{Limit, Probability, Promise, Thresholds};
use serde::Serialize;
use std::fmt;

/// Candidate thresholds have the log-odds −12, −11⅞, … 12: fixed, evenly spaced where calibrated
/// scores live, and fine enough that little automation is lost between two of them.
const LOG_ODDS_MAX: f64 = 12.0;
const STEPS_PER_LOG_ODD: u8 = 8;
/// Candidates on each side of one half.
const HALF: u8 = 12 * STEPS_PER_LOG_ODD;

/// What is known of one inspection (or of one group of inspections that are not independent).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvidenceUnit {
    pub defective: bool,
    /// For a defective unit the lowest divert probability of its defective items (it escapes
    /// when any of its defects is passed), for a good one the highest of its items.
    pub score: Probability,
}

impl EvidenceUnit {
    /// From the items of one unit: whether each is defective, and its divert probability.
    /// `None` without items.
    pub fn of_items(items: impl IntoIterator<Item = (bool, Probability)>) -> Option<Self> {
        items.into_iter().fold(None, |unit: Option<Self>, (defective, score)| {
            let replaces = unit.is_none_or(|unit| match (unit.defective, defective) {
                (false, true) => true,
                (true, false) => false,
                (true, true) => score < unit.score,
                (false, false) => score > unit.score,
            });
            if replaces { Some(Self { defective, score }) } else { unit }
        })
    }
}

/// Units that the model has not learnt from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    pub units: Vec<EvidenceUnit>,
    /// Whether defects are as frequent here as on the line. Imported sets usually are not a
    /// sample of it; then they say nothing of the outgoing rate.
    pub population: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitKind {
    /// Defective among passed.
    Outgoing,
    /// Passed among defective.
    Miss,
    /// Diverted among good.
    Overkill,
    /// Wrong among accepted unseen.
    Error,
}

impl LimitKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outgoing => "outgoing",
            Self::Miss => "miss",
            Self::Overkill => "overkill",
            Self::Error => "error",
        }
    }

    const fn is_on_escapes(self) -> bool {
        matches!(self, Self::Outgoing | Self::Miss)
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What `labels_needed` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitKind {
    DefectiveUnits,
    GoodUnits,
    Inspections,
}

impl fmt::Display for UnitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DefectiveUnits => "defective units",
            Self::GoodUnits => "good units",
            Self::Inspections => "inspections",
        })
    }
}

/// One limit of the promise, and what the evidence says of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimitSupport {
    pub kind: LimitKind,
    pub limit: Probability,
    /// As promised.
    pub confidence: Probability,
    /// After sharing δ with the other limits; what `bound` is computed at.
    pub tested_confidence: Probability,
    /// The threshold that the numbers below belong to: the one in force where the limit is
    /// supported, else the one that came nearest.
    pub threshold: Option<Probability>,
    /// Units that count for this limit: defective ones, good ones, or passed ones.
    pub n: u64,
    pub errors: u64,
    /// Exact upper bound of the error rate.
    pub bound: Probability,
    pub supported: bool,
    /// Further verified units at the error rate seen so far; 0 where supported, `None` where no
    /// number suffices.
    pub labels_needed: Option<u64>,
    pub labels_of: UnitKind,
    /// One readable line, where it is not supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Support {
    /// Each only where its own limits are supported.
    pub thresholds: Thresholds,
    /// Whether every limit of the promise holds, so that the model may decide at level partial.
    pub supported: bool,
    /// Whether it holds also at level full, where everything that is not passed is diverted.
    pub supported_full: bool,
    pub limits: Vec<LimitSupport>,
    /// Share of the evidence's units that the thresholds decide without a person; the line's
    /// own share where the evidence is a sample of the line. `None` without evidence.
    pub automation_rate: Option<f64>,
}

impl Support {
    /// The limit that decides: the first that is not supported, else the first.
    #[must_use]
    pub fn decisive(&self) -> Option<&LimitSupport> {
        self.limits.iter().find(|limit| !limit.supported).or_else(|| self.limits.first())
    }

    /// Further verified units for the whole promise; `None` where no number suffices.
    #[must_use]
    pub fn labels_needed(&self) -> Option<u64> {
        let (mut defective, mut good, mut inspections) = (0_u64, 0_u64, 0_u64);
        for limit in &self.limits {
            let needed = limit.labels_needed?;
            let sum = match limit.labels_of {
                UnitKind::DefectiveUnits => &mut defective,
                UnitKind::GoodUnits => &mut good,
                UnitKind::Inspections => &mut inspections,
            };
            *sum = (*sum).max(needed);
        }
        (!self.limits.is_empty()).then_some((defective + good).max(inspections))
    }
}

/// The thresholds that keep `promise` by the evidence, and what is missing where it does not
/// suffice.
///
/// An item is never passed above one half nor diverted below it: what the evidence does not
/// contain is left to people rather than to the looser side. Miss and overkill are
/// class-conditional and hold for any share of defects. The outgoing rate needs evidence from
/// the line's own population; its candidates begin where enough units lie below them for a
/// bound without errors, which is exact when the defect rate does not fall as the score rises.
#[must_use]
pub fn support(promise: &Promise, evidence: &Evidence) -> Support {
    let stated = stated_limits(promise);
    let sharing = stated.len() as f64;
    let study = Study::new(evidence);
    let mut limits: Vec<LimitSupport> = Vec::new();
    let mut accepted: Vec<Option<Accepted>> = Vec::new();
    for (kind, limit) in stated {
        let tested = Probability::saturating(1.0 - (1.0 - limit.confidence.get()) / sharing);
        let found = study.testable(kind).then(|| study.sequence(kind, limit.limit, tested)).flatten();
        accepted.push(found);
        limits.push(study.nearest(kind, limit, tested));
    }
    let escapes_end = escapes_end(&limits, &accepted);
    let mut lowest_divert = None;
    for (detail, found) in limits.iter_mut().zip(&accepted) {
        let Some(found) = found else { continue };
        let at = match detail.kind {
            LimitKind::Overkill => {
                lowest_divert = Some(found.last);
                Some(found.last.max(HALF))
            }
            _ => escapes_end.map(|end| end.min(found.last)).filter(|&end| end >= found.first),
        };
        match at {
            Some(at) => study.settle(detail, at),
            None => detail.why = Some(too_few_passed(detail)),
        }
    }
    let holds = |wanted: fn(LimitKind) -> bool| {
        let mut among = limits.iter().filter(|limit| wanted(limit.kind)).peekable();
        among.peek().is_some() && among.all(|limit| limit.supported)
    };
    let thresholds = Thresholds {
        pass_below: escapes_end.filter(|_| holds(LimitKind::is_on_escapes)).map(candidate),
        divert_above: lowest_divert
            .filter(|_| holds(|kind| kind == LimitKind::Overkill))
            .map(|at| candidate(at.max(HALF))),
    };
    let supported = holds(|_| true);
    // At level full a good unit is diverted as soon as it is not passed. The overkill sequence
    // has proven every candidate down to its last one, so it may stand below `pass_below`.
    let full_overkill = promise.overkill.is_none()
        || matches!((lowest_divert, thresholds.pass_below), (Some(at), Some(pass)) if candidate(at) < pass);
    Support {
        thresholds,
        supported,
        supported_full: supported && full_overkill && thresholds.pass_below.is_some(),
        limits,
        automation_rate: study.automation_rate(thresholds),
    }
}

/// In a fixed order; the order decides nothing but the order of the answer.
fn stated_limits(promise: &Promise) -> Vec<(LimitKind, Limit)> {
    [
        (LimitKind::Outgoing, promise.outgoing),
        (LimitKind::Miss, promise.miss),
        (LimitKind::Overkill, promise.overkill),
        (LimitKind::Error, promise.error),
    ]
    .into_iter()
    .filter_map(|(kind, limit)| limit.map(|limit| (kind, limit)))
    .collect()
}

/// Where the limits on escapes end together: the strictest of them; `None` where one has no
/// accepted candidate.
fn escapes_end(limits: &[LimitSupport], accepted: &[Option<Accepted>]) -> Option<u8> {
    let ends: Option<Vec<u8>> = limits
        .iter()
        .zip(accepted)
        .filter(|(limit, _)| limit.kind.is_on_escapes())
        .map(|(_, found)| found.as_ref().map(|found| found.last))
        .collect();
    ends?.into_iter().min()
}

/// Indices of candidates that passed their tests, in the order of testing.
#[derive(Clone, Copy)]
struct Accepted {
    first: u8,
    last: u8,
}

/// Candidate threshold number `index`, from 0 (strictest for passing) to 2 · HALF.
fn candidate(index: u8) -> Probability {
    let log_odds = f64::from(index) / f64::from(STEPS_PER_LOG_ODD) - LOG_ODDS_MAX;
    Probability::saturating(1.0 / (1.0 + (-log_odds).exp()))
}

/// The scores of the evidence, sorted, so that every count is one search.
struct Study {
    defective: Vec<Probability>,
    good: Vec<Probability>,
    population: bool,
}

impl Study {
    fn new(evidence: &Evidence) -> Self {
        let sorted = |defective: bool| {
            let mut scores: Vec<Probability> = evidence
                .units
                .iter()
                .filter(|unit| unit.defective == defective)
                .map(|unit| unit.score)
                .collect();
            scores.sort_by(|a, b| a.get().total_cmp(&b.get()));
            scores
        };
        Self { defective: sorted(true), good: sorted(false), population: evidence.population }
    }

    fn testable(&self, kind: LimitKind) -> bool {
        match kind {
            LimitKind::Miss | LimitKind::Overkill => true,
            LimitKind::Outgoing => self.population,
            LimitKind::Error => false,
        }
    }

    /// Units that count and errors among them, were candidate `index` in force.
    fn tally(&self, kind: LimitKind, index: u8) -> (u64, u64) {
        let t = candidate(index);
        let missed = below(&self.defective, t);
        match kind {
            LimitKind::Miss => (self.defective.len() as u64, missed),
            LimitKind::Outgoing => (missed + below(&self.good, t), missed),
            LimitKind::Overkill => (self.good.len() as u64, above(&self.good, t)),
            LimitKind::Error => (0, 0),
        }
    }

    fn sequence(&self, kind: LimitKind, limit: Probability, confidence: Probability) -> Option<Accepted> {
        // Looks at the number of units only, never at errors: with fewer, no test can succeed.
        let enough = zero_error_sample(limit, confidence)?;
        let mut found: Option<Accepted> = None;
        for index in order(kind) {
            let (n, errors) = self.tally(kind, index);
            if kind == LimitKind::Outgoing && n < enough {
                continue;
            }
            if !bound_holds(errors, n, limit, confidence) {
                break;
            }
            found = Some(Accepted { first: found.map_or(index, |found| found.first), last: index });
        }
        found
    }

    /// The limit as not supported, with the numbers of the candidate that came nearest.
    fn nearest(&self, kind: LimitKind, limit: Limit, tested: Probability) -> LimitSupport {
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
            bound: Probability::ONE,
            supported: false,
            labels_needed: None,
            labels_of,
            why: Some(match kind {
                LimitKind::Outgoing => {
                    "the evidence is not a sample of the line (its share of defects is not the \
                     line's), so it cannot prove a rate among passed units; spot checks on the line can"
                        .into()
                }
                _ => "the evidence says good or defective, not whether the class or transcript was right"
                    .into(),
            }),
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
        if kind != LimitKind::Outgoing {
            let index = order(kind).next()?;
            let (n, errors) = self.tally(kind, index);
            return Some((index, labels_needed(errors, n, limit, tested)));
        }
        let all = self.defective.len() + self.good.len();
        let per_candidate = order(kind).map(|index| {
            let (n, errors) = self.tally(kind, index);
            // Only a part of all inspections lies below the threshold and counts.
            let share = if all == 0 { 1.0 } else { n as f64 / all as f64 };
            let passed = if share > 0.0 { labels_needed(errors, n, limit, tested) } else { None };
            (index, passed.map(|passed| inspections(passed, share)))
        });
        per_candidate.min_by_key(|(_, needed)| needed.unwrap_or(u64::MAX))
    }

    fn count(&self, detail: &mut LimitSupport, index: u8) {
        let (n, errors) = self.tally(detail.kind, index);
        detail.threshold = Some(candidate(index));
        (detail.n, detail.errors) = (n, errors);
        detail.bound = upper_bound(errors, n, detail.tested_confidence).unwrap_or(Probability::ONE);
    }

    fn settle(&self, detail: &mut LimitSupport, index: u8) {
        self.count(detail, index);
        detail.supported = true;
        detail.labels_needed = Some(0);
        detail.why = None;
    }

    fn automation_rate(&self, thresholds: Thresholds) -> Option<f64> {
        let all = self.defective.len() + self.good.len();
        let both = |count: fn(&[Probability], Probability) -> u64, t: Option<Probability>| {
            t.map_or(0, |t| count(&self.defective, t) + count(&self.good, t))
        };
        let decided = both(below, thresholds.pass_below) + both(above, thresholds.divert_above);
        (all > 0).then(|| decided as f64 / all as f64)
    }
}

/// From strict to loose. Passing ends at one half; the overkill sequence runs on, because level
/// full needs to know how far down diverting is proven.
fn order(kind: LimitKind) -> Box<dyn Iterator<Item = u8>> {
    match kind {
        LimitKind::Overkill => Box::new((0..=2 * HALF).rev()),
        _ => Box::new(0..=HALF),
    }
}

fn below(sorted: &[Probability], t: Probability) -> u64 {
    sorted.partition_point(|&score| score < t) as u64
}

fn above(sorted: &[Probability], t: Probability) -> u64 {
    (sorted.len() - sorted.partition_point(|&score| score <= t)) as u64
}

/// How many inspections bring `passed` passed ones, when `share` of them passes.
fn inspections(passed: u64, share: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive count over a share in (0, 1]; float to int saturates"
    )]
    let all = (passed as f64 / share).ceil() as u64;
    all
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

fn too_few_passed(detail: &LimitSupport) -> String {
    format!("{}: too few units lie below the threshold that the other limits allow", detail.kind)
}

#[cfg(test)]
mod tests;
