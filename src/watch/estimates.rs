//! How much escapes and how much is diverted for nothing, estimated from random checks.

use super::Verified;
use super::checks::{ClassEstimate, by_class};
use crate::decide::{AnswerPairs, Estimate, Tally, estimate, judge_errors};
use crate::domain::{ModelRef, Outcome, Plan, Probability, Timestamp};
use crate::store::{Automatic, StoreError, View};
use serde::Serialize;

/// Of the estimates' intervals.
const CONFIDENCE: f64 = 0.95;
/// With half of that for how often people err.
const HALVED: f64 = 1.0 - (1.0 - CONFIDENCE) / 2.0;

/// What random checks say of everything that was decided without a person.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Estimates {
    /// Inspections that a model decided alone.
    pub passed: u64,
    pub diverted: u64,
    /// Defective among the passed.
    pub escapes: Option<Estimate>,
    /// Good among the diverted.
    pub false_diverts: Option<Estimate>,
    /// The upper end for escapes where the people who check err as often as their answers to the same items
    /// leave possible, at the same confidence altogether.
    pub escapes_high_corrected: Option<f64>,
    /// How often one look errs, from items that two people answered; as seen, and at most.
    pub reviewer_error: Option<f64>,
    pub reviewer_error_high: Option<f64>,
    /// Items that two people answered, and how many of them they disagreed about.
    pub answer_pairs: u64,
    pub disagreements: u64,
    /// For the plan's limits on single classes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_class: Vec<ClassEstimate>,
}

/// Estimates for a model's decisions since `since`.
pub fn estimates(
    view: &View<'_>,
    plan: &Plan,
    model: &ModelRef,
    since: Timestamp,
    verified: &[Verified],
) -> Result<Estimates, StoreError> {
    let Automatic { passed, diverted } = view.automatic(&model.hash, since)?;
    let (pairs, disagreements) = view.answer_pairs(plan)?;
    let answers = AnswerPairs { pairs, disagreements };
    let confidence = Probability::saturating(CONFIDENCE);
    // The upper end has half of δ, which is halved again between the checks and those who made them.
    let quarter = Probability::saturating(1.0 - (1.0 - CONFIDENCE) / 4.0);
    let high =
        checked(verified, Outcome::Pass, passed, Probability::saturating(HALVED)).map(|found| found.high);
    Ok(Estimates {
        passed,
        diverted,
        escapes: checked(verified, Outcome::Pass, passed, confidence),
        false_diverts: checked(verified, Outcome::Divert, diverted, confidence),
        escapes_high_corrected: high
            .zip(answers.error_at_most(quarter))
            .map(|(high, error)| judge_errors(high, error)),
        reviewer_error: answers.error(),
        reviewer_error_high: answers.error_at_most(confidence),
        answer_pairs: pairs,
        disagreements,
        by_class: by_class(plan, verified, confidence),
    })
}

fn checked(
    verified: &[Verified],
    outcome: Outcome,
    decided: u64,
    confidence: Probability,
) -> Option<Estimate> {
    let mut tally = Tally::default();
    // Pictures of one unit resemble each other: each unit counts once.
    for one in verified.iter().filter(|one| one.outcome == outcome && one.is_first_of_unit) {
        tally.add(
            one.evidence.weight,
            one.evidence.stake,
            one.evidence.defective == (outcome == Outcome::Pass),
        );
    }
    // Checks that nobody has answered yet say nothing, and what they stand for is not known either.
    let known = (decided as f64).min(tally.stands_for()).max(tally.n());
    estimate(&tally.answers, known, confidence)
}

/// The estimate of escapes at one time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SeriesPoint {
    pub at: Timestamp,
    pub estimate: Estimate,
}

/// How the estimate of escapes came about, check by check, at most `points` of them.
#[must_use]
pub fn series(verified: &[Verified], points: usize) -> Vec<SeriesPoint> {
    let passed: Vec<&Verified> =
        verified.iter().filter(|one| one.outcome == Outcome::Pass && one.is_first_of_unit).collect();
    let step = passed.len().div_ceil(points.max(1)).max(1);
    let mut tally = Tally::default();
    let mut found = Vec::new();
    for (i, one) in passed.iter().enumerate() {
        tally.add(one.evidence.weight, one.evidence.stake, one.evidence.defective);
        if (i + 1) % step == 0 || i + 1 == passed.len() {
            let known = tally.stands_for();
            found.extend(
                estimate(&tally.answers, known, Probability::saturating(CONFIDENCE))
                    .map(|estimate| SeriesPoint { at: one.decided_at, estimate }),
            );
        }
    }
    found
}
