//! Criteria of a final audit against what was measured.

use super::evaluate::Evaluation;
use super::pack::evidence_groups;
use crate::decide::{BoundError, exact_interval, lower_bound, upper_bound, zero_error_sample};
use crate::domain::{Criterion, CriterionResult, Measure, Probability, Side, Task};
use std::collections::BTreeMap;

/// Each side of a 95 % interval.
const ONE_SIDE: f64 = 0.975;

/// How the model did on one criterion. `divert_from` is the P(defect) from which a unit counts as
/// diverted: a defective unit by the lowest of its defective items, a good one by the highest.
#[must_use]
pub fn judge(criterion: &Criterion, evaluation: &Evaluation, divert_from: Probability) -> CriterionResult {
    let failed = |n: usize, reason: &str| CriterionResult {
        criterion: criterion.to_string(),
        passed: false,
        value: None,
        bound: None,
        n,
        errors: None,
        interval: None,
        missed_by: None,
        reason: Some(format!("cannot be measured: {reason}")),
    };
    let instead = match evaluation.report.task {
        Task::Defect => None,
        Task::Classify => Some("the model names items; did you mean accuracy or recall:CLASS?"),
        Task::Transcribe => {
            Some("the model writes down what is said; did you mean string_accuracy or word_error_rate?")
        }
    };
    let (errors, n, nothing) = match &criterion.measure {
        Measure::Figure(name) => {
            let metrics = evaluation.report.metrics();
            let Some(metric) = metrics.get(name) else {
                return failed(evaluation.report.n, "the data hold no such truth");
            };
            let interval = Some([metric.low, metric.high]);
            return CriterionResult { interval, ..compared(criterion, Some(metric.value), None, metric.n) };
        }
        // Without a score for a defect every item would count as diverted, and every model would keep it.
        Measure::Miss | Measure::Overkill if let Some(instead) = instead => {
            return failed(evaluation.report.n, instead);
        }
        Measure::Miss => {
            let (errors, n) = units_over(evaluation, true, divert_from);
            (errors, n, "no unit is defective")
        }
        Measure::Overkill => {
            let (errors, n) = units_over(evaluation, false, divert_from);
            (errors, n, "no unit is good")
        }
        Measure::Recall(class) => {
            let (errors, n) = unnamed_units(evaluation, class);
            (errors, n, "no unit has this class")
        }
    };
    if n == 0 {
        return failed(0, nothing);
    }
    let is_error_rate = !matches!(criterion.measure, Measure::Recall(_));
    let counted = if is_error_rate { errors } else { n - errors };
    let bound = criterion.confidence.map(|confidence| {
        let (counted, n) = (counted as u64, n as u64);
        let bound = if criterion.side == Side::AtMost { upper_bound } else { lower_bound };
        bound(counted, n, confidence)
    });
    let bound = match bound.transpose() {
        Ok(bound) => bound.map(Probability::get),
        Err(
            error @ (BoundError::Numeric | BoundError::Confidence | BoundError::MoreErrorsThanUnits { .. }),
        ) => {
            return failed(n, &error.to_string());
        }
    };
    CriterionResult {
        errors: Some(errors),
        interval: Some(exact_interval(counted as u64, n as u64, Probability::saturating(ONE_SIDE))),
        ..compared(criterion, Some(counted as f64 / n as f64), bound, n)
    }
}

/// Why no outcome can keep a criterion on so few units, in words; `None` where one can, or where no exact
/// bound is asked for.
#[must_use]
pub fn out_of_reach(criterion: &Criterion, units: usize) -> Option<String> {
    let (confidence, limit) = (criterion.confidence?, criterion.limit);
    let is_error = criterion.side == Side::AtMost;
    let bound = if is_error {
        upper_bound(0, units as u64, confidence)
    } else {
        lower_bound(units as u64, units as u64, confidence)
    };
    let bound = bound.ok()?;
    let is_kept = if is_error { bound <= limit } else { bound >= limit };
    if is_kept {
        return None;
    }
    let errors_max = if is_error { limit } else { Probability::saturating(1.0 - limit.get()) };
    let wanted = zero_error_sample(errors_max, confidence);
    let wanted = wanted.map_or_else(String::new, |n| format!(": it takes {n}"));
    Some(format!("{criterion} cannot be shown on {units} such units, even without an error{wanted}"))
}

/// The bound, or else the value, against the limit; what is no number fails.
fn compared(criterion: &Criterion, value: Option<f64>, bound: Option<f64>, n: usize) -> CriterionResult {
    let tested = bound.or(value).unwrap_or(f64::NAN);
    let limit = criterion.limit.get();
    let by = if criterion.side == Side::AtLeast { limit - tested } else { tested - limit };
    CriterionResult {
        criterion: criterion.to_string(),
        passed: by <= 0.0,
        value,
        bound,
        n,
        errors: None,
        interval: None,
        missed_by: (by > 0.0).then_some(by),
        reason: by.is_nan().then(|| "cannot be measured: it is no number".to_owned()),
    }
}

/// Wrongly passed among defective units, or wrongly diverted among good ones.
fn units_over(evaluation: &Evaluation, defective: bool, divert_from: Probability) -> (usize, usize) {
    // Classes do not matter here, so that no item is needed.
    let groups = evidence_groups(&evaluation.predictions, &[]);
    let scores: Vec<f64> =
        groups.iter().filter(|group| group.defective == defective).map(|group| group.score).collect();
    let wrong = scores.iter().filter(|score| (**score >= divert_from.get()) != defective).count();
    (wrong, scores.len())
}

/// Units with an item of this class that was named otherwise, among those that have it.
fn unnamed_units(evaluation: &Evaluation, class: &str) -> (usize, usize) {
    let mut units: BTreeMap<&str, bool> = BTreeMap::new();
    for row in evaluation.predictions.iter().filter(|row| row.truth == class) {
        *units.entry(&row.group).or_insert(true) &= row.is_right;
    }
    (units.values().filter(|right| !**right).count(), units.len())
}

#[cfg(test)]
mod tests {
    use super::super::analyse::tests::{evaluation, row};
    use super::*;

    fn judged(text: &str, evaluation: &Evaluation) -> CriterionResult {
        judge(&text.parse().unwrap(), evaluation, Probability::saturating(0.5))
    }

    #[test]
    fn rates_count_units_and_are_held_to_the_exact_bound() {
        // 59 defective units, one of two pictures of each; the last unit has one picture that is missed.
        let mut rows: Vec<_> = (0..59).map(|i| row(i, &format!("d{i}"), "crack", "crack", 0.9)).collect();
        let found = evaluation(rows.clone());
        let result = judged("miss<=0.05@0.95", &found);
        assert!(result.passed && result.n == 59 && result.errors == Some(0), "{result:?}");
        // 1 − 0.05^(1/59), the rule of three's exact form.
        assert!((result.bound.unwrap() - 0.049_507).abs() < 1e-5, "{result:?}");
        assert!(judged("recall:crack>=0.95@0.95", &found).passed);
        rows.push(row(59, "d58", "crack", "good", 0.2));
        let missed = evaluation(rows);
        let result = judged("miss<=0.05@0.95", &missed);
        assert_eq!((result.passed, result.errors, result.n), (false, Some(1), 59));
        let [low, high] = result.interval.unwrap();
        assert!(low > 0.0 && low < 1.0 / 59.0 && high > 1.0 / 59.0 && high < 0.1, "{result:?}");
        assert!((result.missed_by.unwrap() - (result.bound.unwrap() - 0.05)).abs() < 1e-12);
        // Without a confidence the rate itself is held against the limit.
        assert!(judged("miss<=0.05", &missed).passed);
        assert!(!judged("recall:crack>=0.99", &missed).passed);
    }

    #[test]
    fn what_no_outcome_can_show_is_known_before() {
        let of = |text: &str, units| out_of_reach(&text.parse().unwrap(), units);
        assert_eq!(of("miss<=0.05@0.95", 59), None);
        assert_eq!(
            of("miss<=0.05@0.95", 19).unwrap(),
            "miss<=0.05@0.95 cannot be shown on 19 such units, even without an error: it takes 59"
        );
        assert_eq!(of("recall:crack>=0.95@0.95", 59), None);
        assert!(of("recall:crack>=0.95@0.95", 58).unwrap().ends_with("it takes 59"));
        assert_eq!(of("miss<=0.05", 1), None, "the rate itself can be 0");
    }

    #[test]
    fn what_cannot_be_measured_fails() {
        let only_good = evaluation(vec![row(0, "a", "good", "good", 0.1)]);
        for text in ["auroc>=0", "miss<=1", "recall:crack>=0", "miss<=0.99@0.5"] {
            let result = judged(text, &only_good);
            assert!(!result.passed, "{text}");
            assert!(result.reason.unwrap().contains("cannot be measured"), "{text}");
        }
        let mut naming =
            evaluation(vec![row(0, "a", "crack", "crack", 0.9), row(1, "b", "good", "good", 0.1)]);
        for (task, hint) in [(Task::Classify, "accuracy"), (Task::Transcribe, "word_error_rate")] {
            naming.report.task = task;
            for text in ["miss<=0.5", "overkill<=0.5"] {
                let result = judged(text, &naming);
                assert!(!result.passed && result.reason.unwrap().contains(hint), "{text}");
            }
            let result = judged("accuracy>=0", &naming);
            assert!(!result.passed && result.reason.is_some());
        }
        assert!(judged("overkill<=0", &only_good).passed);
        assert!(!judged("overkill<=0.05@0.95", &only_good).passed);
    }
}
