//! How far a promise is supported by evidence, and the thresholds that keep it.
//!
//! A threshold picked because its *observed* error looks good breaks its promise about half of
//! the time. Here the thresholds come from fixed-sequence testing (Angelopoulos et al., *Learn
//! then Test*, 2021): the candidates and their order are fixed before anything is looked at,
//! from strict to loose; each is tested with the exact bound at the full confidence; the first
//! failure ends it. The chance that any accepted candidate breaks its limit is then at most δ.
//! Limits promised together share δ: of m limits, each is tested at 1 − (1 − confidence) / m.
//!
//! A limit for one class is one more limit, tested on the units of that class alone. It sets no
//! threshold of its own: there is one for passing and one for accepting names, and it satisfies every
//! limit on it, so that the strictest limit decides for all classes. That costs automation where one
//! class is hard, and it keeps the policy a comparison of one number, which a person can follow and
//! which random checks can test; thresholds by class would each need checks of their own.
//!
//! Pure: the evidence is an argument. Where it comes from, and whether the model had seen it in
//! training (then it is none), is the caller's to know.

mod study;

use super::audit::{AnswerPairs, judge_errors, misjudge_at_worst};
use super::gamma::lower_weighted;
use super::tally::Method;
use crate::domain::{ClassSet, LimitKind, Probability, Promise, Stated, Thresholds, limit_name};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use study::{Accepted, Study, order, shared_confidence};

/// Candidate thresholds have the log-odds −12, −11⅞, … 12: fixed, evenly spaced where calibrated
/// scores live, and fine enough that little automation is lost between two of them.
const LOG_ODDS_MAX: f64 = 12.0;
const STEPS_PER_LOG_ODD: u8 = 8;
/// Candidates on each side of one half.
const HALF: u8 = 12 * STEPS_PER_LOG_ODD;

/// Where a verified unit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Kept apart when the model was trained; it travels in the package.
    Package,
    /// Came to a person anyway.
    Reviewed,
    /// Decided without a person, and drawn for a check.
    Audit,
}

/// What is known of one inspection (or of one group of inspections that are not independent).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvidenceUnit {
    /// On lines that name items: whether the name was wrong.
    pub defective: bool,
    /// For a defective unit the lowest divert probability of its defective items (it escapes
    /// when any of its defects is passed), for a good one the highest of its items. On lines that
    /// name items, how doubtful the name is.
    ///
    /// A limit on one class uses the same score: of a unit with several defects it may belong to another
    /// one, and then counts the unit as passed no later than its own would.
    pub score: Probability,
    /// Every class that one of its items has; on lines that name items every name that one was given. A unit
    /// counts for the limit of each. Empty where nobody said, as in packages that do not name classes.
    pub classes: ClassSet,
    /// 1 over the probability of having been looked at, and that as a part of the largest that the rules of
    /// its time could give.
    pub weight: f64,
    pub stake: f64,
    pub origin: Origin,
}

impl EvidenceUnit {
    /// A unit of a package.
    #[must_use]
    pub const fn known(defective: bool, score: Probability) -> Self {
        Self { defective, score, classes: ClassSet::EMPTY, weight: 1.0, stake: 1.0, origin: Origin::Package }
    }

    /// The same with its classes.
    #[must_use]
    pub const fn with_classes(self, classes: ClassSet) -> Self {
        Self { classes, ..self }
    }

    /// From the items of one unit: whether each is defective, its divert probability, and its classes.
    /// `None` without items.
    pub fn of_items(items: impl IntoIterator<Item = (bool, Probability, ClassSet)>) -> Option<Self> {
        items.into_iter().fold(None, |unit: Option<Self>, (defective, score, classes)| {
            let replaces = unit.is_none_or(|unit| match (unit.defective, defective) {
                (false, true) => true,
                (true, false) => false,
                (true, true) => score < unit.score,
                (false, false) => score > unit.score,
            });
            let all = unit.map_or(classes, |unit| unit.classes.union(classes));
            let dangerous = if replaces { Some(Self::known(defective, score)) } else { unit };
            dangerous.map(|unit| unit.with_classes(all))
        })
    }
}

/// Units that the model has not learnt from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    pub units: Vec<EvidenceUnit>,
    /// The plan's classes: what the places of the units' class sets stand for.
    pub classes: Vec<String>,
    /// Whether defects are as frequent among the package's units as on the line. Imported sets usually
    /// are not a sample of it; then they say nothing of the outgoing rate. The line's own units are.
    pub population: bool,
}

/// How much evidence of one origin there is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SourceCount {
    pub origin: Origin,
    pub n: u64,
    pub defective: u64,
    /// Smallest and largest weight.
    pub weights: [f64; 2],
}

impl Evidence {
    /// By origin.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceCount> {
        let mut sources: BTreeMap<Origin, SourceCount> = BTreeMap::new();
        for unit in &self.units {
            let weights = [unit.weight; 2];
            let source = sources.entry(unit.origin).or_insert(SourceCount {
                origin: unit.origin,
                n: 0,
                defective: 0,
                weights,
            });
            source.n += 1;
            source.defective += u64::from(unit.defective);
            source.weights = [source.weights[0].min(unit.weight), source.weights[1].max(unit.weight)];
        }
        sources.into_values().collect()
    }

    /// The exact bound where it may be used: everything has one weight and was kept apart beforehand, so
    /// that it is looked at once. What grows while people look at it is bounded by betting.
    #[must_use]
    pub fn method(&self) -> Method {
        let is_package = self.units.iter().all(|unit| unit.origin == Origin::Package);
        if is_package { Method::Exact } else { Method::Betting }
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
    /// Whose units it is about; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    pub limit: Probability,
    /// As promised.
    pub confidence: Probability,
    /// After sharing δ with the other limits; what `bound` is computed at.
    pub tested_confidence: Probability,
    /// The threshold that the numbers below belong to: the one in force where the limit is
    /// supported, else the one that came nearest.
    pub threshold: Option<Probability>,
    /// Verified units that count for this limit: defective ones, good ones, or passed ones.
    pub n: u64,
    pub errors: u64,
    /// Share of errors seen, each unit by its weight; `None` where nothing counts.
    pub rate: Option<f64>,
    /// Upper bound of the error rate; it decides.
    pub bound: Probability,
    /// The same at the confidence that is left where half of δ goes to how often people err.
    #[serde(skip)]
    pub bound_at_half: Probability,
    /// What holds where the people whose answers it rests on err as often as their answers to the same items
    /// leave possible, at the same confidence altogether; absent where nothing was answered twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_corrected: Option<Probability>,
    pub supported: bool,
    /// Further verified units at the error rate seen so far; 0 where supported or where it only waits
    /// for another limit, `None` where no number suffices.
    pub labels_needed: Option<u64>,
    pub labels_of: UnitKind,
    /// One readable line, where it is not supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl LimitSupport {
    /// What it limits, in words.
    #[must_use]
    pub fn name(&self) -> String {
        limit_name(self.kind, self.class.as_deref())
    }
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
    pub method: Method,
    pub sources: Vec<SourceCount>,
    /// Share of the evidence's units, by weight, that the thresholds decide without a person; the line's
    /// own share where the evidence is a sample of the line. `None` without evidence.
    pub automation_rate: Option<f64>,
}

impl Support {
    /// With bounds that take in how often one look errs: a limit's δ is halved between that and the bound.
    /// Only where people of this line have answered: how carefully the data of a package were labelled is not
    /// known.
    #[must_use]
    pub fn corrected(mut self, answers: Option<AnswerPairs>) -> Self {
        let is_of_line = self.sources.iter().any(|source| source.origin != Origin::Package);
        for limit in &mut self.limits {
            let seen = answers.filter(|_| is_of_line && limit.n > 0);
            let error =
                seen.and_then(|pairs| pairs.error_at_most(shared_confidence(limit.tested_confidence, 2)));
            let bound = limit.bound_at_half.get();
            limit.bound_corrected = error.map(|error| {
                Probability::saturating(if limit.kind.is_among_decided() {
                    judge_errors(bound, error)
                } else {
                    misjudge_at_worst(bound, error)
                })
            });
        }
        self
    }

    /// The limit that decides: the first that is not supported, before that one which lacks evidence of its
    /// own and does not only wait for another; else the first.
    #[must_use]
    pub fn decisive(&self) -> Option<&LimitSupport> {
        let open = || self.limits.iter().filter(|limit| !limit.supported);
        let lacks = open().find(|limit| limit.labels_needed != Some(0));
        lacks.or_else(|| open().next()).or_else(|| self.limits.first())
    }

    /// What is missing to the promise, in words.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        self.decisive().and_then(|limit| limit.why.clone())
    }

    /// Further verified units for the whole promise; `None` where no number suffices.
    #[must_use]
    pub fn labels_needed(&self) -> Option<u64> {
        let (mut defective, mut of_classes, mut good, mut inspections) = (0_u64, 0_u64, 0_u64, 0_u64);
        for limit in &self.limits {
            let needed = limit.labels_needed?;
            match (limit.labels_of, &limit.class) {
                // Units of one class are mostly not those of another.
                (UnitKind::DefectiveUnits, Some(_)) => of_classes = of_classes.saturating_add(needed),
                (UnitKind::DefectiveUnits, None) => defective = defective.max(needed),
                (UnitKind::GoodUnits, _) => good = good.max(needed),
                (UnitKind::Inspections, _) => inspections = inspections.max(needed),
            }
        }
        let labelled = defective.max(of_classes).saturating_add(good);
        (!self.limits.is_empty()).then_some(labelled.max(inspections))
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
    support_by(evidence.method(), 1.0, promise, evidence)
}

/// As [`support`], by a given method, and as if `times` as many units had been seen.
#[must_use]
pub fn support_by(method: Method, times: f64, promise: &Promise, evidence: &Evidence) -> Support {
    let stated = promise.stated();
    let sharing = u8::try_from(stated.len()).unwrap_or(u8::MAX);
    let study = Study::new(evidence, method, times);
    let mut limits: Vec<LimitSupport> = Vec::new();
    let mut accepted: Vec<Option<Accepted>> = Vec::new();
    for Stated { kind, class, limit } in stated {
        let target = study.target(kind, class);
        let tested = shared_confidence(limit.confidence, sharing);
        accepted.push(study.testable(kind).then(|| study.shared(target, limit, sharing)).flatten());
        limits.push(study.nearest(target, class, limit, tested));
    }
    let escapes_end = common_end(&limits, &accepted, LimitKind::is_on_escapes);
    let names_end = common_end(&limits, &accepted, |kind| kind == LimitKind::Error);
    let mut lowest_divert = None;
    for (detail, found) in limits.iter_mut().zip(&accepted) {
        let Some(found) = found else { continue };
        let at = if detail.kind == LimitKind::Overkill {
            lowest_divert = Some(found.last);
            Some(found.last.max(HALF))
        } else {
            let end = if detail.kind == LimitKind::Error { names_end } else { escapes_end };
            end.map(|end| end.min(found.last)).filter(|&end| end >= found.first)
        };
        match at {
            Some(at) => study.settle(detail, at),
            None if detail.kind == LimitKind::Error => study.wait(detail, names_end),
            None => study.wait(detail, escapes_end),
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
        accept_below: names_end.filter(|_| holds(|kind| kind == LimitKind::Error)).map(candidate),
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
        method,
        sources: evidence.sources(),
        automation_rate: study.automation_rate(thresholds),
    }
}

/// Where the limits on one threshold end together: the strictest of them; `None` where one has no
/// accepted candidate.
fn common_end(
    limits: &[LimitSupport],
    accepted: &[Option<Accepted>],
    wanted: fn(LimitKind) -> bool,
) -> Option<u8> {
    let ends: Option<Vec<u8>> = limits
        .iter()
        .zip(accepted)
        .filter(|(limit, _)| wanted(limit.kind))
        .map(|(_, found)| found.as_ref().map(|found| found.last))
        .collect();
    ends?.into_iter().min()
}

/// Candidate threshold number `index`, from 0 (strictest for passing) to 2 · HALF.
fn candidate(index: u8) -> Probability {
    let log_odds = f64::from(index) / f64::from(STEPS_PER_LOG_ODD) - LOG_ODDS_MAX;
    Probability::saturating(1.0 / (1.0 + (-log_odds).exp()))
}

/// All candidate thresholds, from the strictest for passing on; the middle one is one half.
#[must_use]
pub fn candidates() -> Vec<Probability> {
    (0..=2 * HALF).map(candidate).collect()
}

/// One threshold with what passing below it would mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CurvePoint {
    pub threshold: Probability,
    /// Share of units below, by weight.
    pub coverage: f64,
    /// Errors among them (for a limit on misses: among the defective), with a two-sided interval at
    /// each point for itself.
    pub risk: f64,
    pub low: f64,
    pub high: f64,
    pub n: u64,
    pub errors: u64,
}

/// Risk over coverage for every candidate at which something changes; of the first limit on escapes, else of
/// the first on errors, else of misses. Points are for looking at: choosing one by its own interval would
/// break the promise. So errors are shown of all evidence, be it a sample of the line or not.
#[must_use]
pub fn risk_curve(promise: &Promise, evidence: &Evidence, confidence: Probability) -> Vec<CurvePoint> {
    let method = evidence.method();
    let stated = promise.stated();
    let of = |wanted: fn(LimitKind) -> bool| stated.iter().find(|one| wanted(one.kind));
    let shown = of(LimitKind::is_on_escapes).or_else(|| of(|kind| kind == LimitKind::Error));
    let (kind, class) = shown.map_or((LimitKind::Miss, None), |one| (one.kind, one.class));
    let names_items = kind == LimitKind::Error;
    let shown = Evidence { population: evidence.population || names_items, ..evidence.clone() };
    let study = Study::new(&shown, method, 1.0);
    let target = study.target(kind, class);
    let half = (1.0 - confidence.get()) / 2.0;
    let mut points: Vec<CurvePoint> = Vec::new();
    for index in order(target.kind) {
        let tally = study.tally(target, index);
        let at = Some(candidate(index));
        let thresholds = if names_items {
            Thresholds { accept_below: at, ..Thresholds::default() }
        } else {
            Thresholds { pass_below: at, ..Thresholds::default() }
        };
        let (Some(risk), Some(coverage)) = (tally.rate(), study.automation_rate(thresholds)) else {
            continue;
        };
        #[expect(clippy::float_cmp, reason = "the same units give the same sums")]
        let is_same = points.last().is_some_and(|last| last.coverage == coverage && last.risk == risk);
        if is_same {
            continue;
        }
        let all = tally.stands_for();
        points.push(CurvePoint {
            threshold: candidate(index),
            coverage,
            risk,
            low: lower_weighted(&tally.answers, half) / all,
            high: tally.upper_bound(method, Probability::saturating(1.0 - half)).get(),
            n: study::whole(tally.n()),
            errors: study::whole(tally.errors()),
        });
    }
    points
}

/// What so many times the evidence, errors at the same rate, would support.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outlook {
    /// Verified units altogether.
    pub units: u64,
    pub supported: bool,
    pub automation_rate: Option<f64>,
}

/// What more of the same would buy.
#[must_use]
pub fn outlook(promise: &Promise, evidence: &Evidence, times: &[f64]) -> Vec<Outlook> {
    let seen = evidence.units.len() as f64;
    let at = |&times: &f64| {
        let support = support_by(evidence.method(), times, promise, evidence);
        Outlook {
            units: study::whole(seen * times),
            supported: support.supported,
            automation_rate: support.automation_rate,
        }
    };
    times.iter().map(at).collect()
}

#[cfg(test)]
mod class_tests;
#[cfg(test)]
mod tests;
