//! What a final audit demands of a model, set down before the model is measured.

use super::{DataVersion, EventId, Limit, ModelRef, Plan, Probability, Task};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Measures by name that `evaluate` gives.
const MEASURES: [&str; 9] = [
    "accuracy",
    "auroc",
    "average_precision",
    "balanced_accuracy",
    "ece",
    "ece_uncalibrated",
    "defect_iou",
    "map_iou33",
    "f_iou33",
];

/// Demanded where a plan states no limit.
const USUAL_MISS: f64 = 0.05;
const USUAL_CONFIDENCE: f64 = 0.95;
const USUAL_FIGURE: f64 = 0.9;

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// A figure of the report.
    Figure(String),
    /// Defective units that would pass, of all defective ones.
    Miss,
    /// Good units that would be diverted, of all good ones.
    Overkill,
    /// Units of this class whose items of it were all named rightly.
    Recall(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    AtLeast,
    AtMost,
}

/// `auroc>=0.95`, `miss<=0.05@0.95`, `recall:crack>=0.8`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    pub measure: Measure,
    pub side: Side,
    pub limit: Probability,
    /// With one the exact bound of the rate must keep the limit, without one the value itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Probability>,
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.measure {
            Measure::Figure(name) => f.write_str(name)?,
            Measure::Miss => f.write_str("miss")?,
            Measure::Overkill => f.write_str("overkill")?,
            Measure::Recall(class) => write!(f, "recall:{class}")?,
        }
        let side = if self.side == Side::AtLeast { ">=" } else { "<=" };
        write!(f, "{side}{}", self.limit.get())?;
        self.confidence.map_or(Ok(()), |confidence| write!(f, "@{}", confidence.get()))
    }
}

impl Criterion {
    /// What a plan promises, as far as it can be demanded of a model alone, and a usual demand beside it.
    #[must_use]
    pub fn suggested(plan: &Plan) -> Vec<Self> {
        let p = Probability::saturating;
        let rate = |measure, limit: Limit| Self {
            measure,
            side: Side::AtMost,
            limit: limit.limit,
            confidence: Some(limit.confidence),
        };
        let figure = |name: &str, limit| Self {
            measure: Measure::Figure(name.to_owned()),
            side: Side::AtLeast,
            limit: p(limit),
            confidence: None,
        };
        if plan.task != Task::Defect {
            return vec![figure("accuracy", USUAL_FIGURE)];
        }
        let miss =
            plan.promise.miss.unwrap_or(Limit { limit: p(USUAL_MISS), confidence: p(USUAL_CONFIDENCE) });
        let overkill = plan.promise.overkill.map(|limit| rate(Measure::Overkill, limit));
        let miss = rate(Measure::Miss, miss);
        [Some(miss), overkill, Some(figure("auroc", USUAL_FIGURE))].into_iter().flatten().collect()
    }
}

impl FromStr for Criterion {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("\"{text}\" is no criterion like auroc>=0.95 or miss<=0.05@0.95");
        let (name, side, rest) = match (text.split_once(">="), text.split_once("<=")) {
            (Some((name, rest)), None) => (name, Side::AtLeast, rest),
            (None, Some((name, rest))) => (name, Side::AtMost, rest),
            _ => return Err(bad()),
        };
        let measure = match name.trim() {
            "miss" => Measure::Miss,
            "overkill" => Measure::Overkill,
            name if MEASURES.contains(&name) => Measure::Figure(name.to_owned()),
            name => {
                let class = name.strip_prefix("recall:").filter(|class| !class.is_empty());
                let class = class.ok_or_else(|| {
                    format!("\"{name}\" is not miss, overkill, recall:CLASS, auroc, accuracy or another figure of a model's card")
                })?;
                Measure::Recall(class.to_owned())
            }
        };
        // A lower limit on errors, or an upper one on what is good, is a slip of the keyboard: it would
        // pass the worst model.
        let wants_less =
            matches!(&measure, Measure::Miss | Measure::Overkill) || name.trim().starts_with("ece");
        if wants_less != (side == Side::AtMost) {
            let right = if wants_less { "<=" } else { ">=" };
            return Err(format!("\"{text}\": {} takes {right}", name.trim()));
        }
        let number = |text: &str| text.trim().parse().ok().and_then(Probability::new).ok_or_else(bad);
        let (limit, confidence) = match rest.split_once('@') {
            Some((limit, confidence)) => (limit, Some(number(confidence)?)),
            None => (rest, None),
        };
        if confidence.is_some_and(|c| c <= Probability::ZERO || c >= Probability::ONE) {
            return Err(format!("\"{text}\": a confidence lies strictly between 0 and 1"));
        }
        if confidence.is_some() && matches!(measure, Measure::Figure(_)) {
            return Err(format!(
                "\"{text}\": only rates (miss, overkill, recall:CLASS) have an exact bound at a confidence"
            ));
        }
        Ok(Self { measure, side, limit: number(limit)?, confidence })
    }
}

/// How a model did on one criterion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CriterionResult {
    pub criterion: String,
    pub passed: bool,
    /// Absent where it could not be measured; then it failed.
    pub value: Option<f64>,
    /// What was held against the limit, where there is a confidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// What the value rests on, and errors among them where it is a rate.
    pub n: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<usize>,
    /// At 95 %, of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// How far the value or the bound is on the wrong side of the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_by: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What was set down before a final audit measured anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditCriteria {
    pub model: ModelRef,
    pub dataset: DataVersion,
    pub criteria: Vec<Criterion>,
    /// P(defect) from which a unit counts as diverted.
    pub divert_from: Probability,
}

/// Whether the model's own training is known to have had no unit of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Independence {
    /// Its data versions say so.
    Known,
    /// It, or the model that it began from, was trained on data that this line has no list of.
    Unknown,
}

/// What a final audit came to. People do not change it; they sign it or do not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditOutcome {
    /// The event with the criteria.
    pub criteria: EventId,
    pub model: ModelRef,
    pub dataset: DataVersion,
    pub passed: bool,
    pub results: Vec<CriterionResult>,
    pub items: usize,
    pub units: usize,
    /// Labelled items of the model's medium that could not be measured; with any the audit fails.
    pub unmeasured: usize,
    /// This was the model's how-manieth final audit on these items, and how many uses of the audit set by any model there
    /// had been in all.
    pub times: usize,
    pub uses: usize,
    pub independence: Independence,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_suggested_is_what_the_plan_promises() {
        let mut plan = Plan::new("line", Task::Defect, Vec::new());
        let words =
            |plan: &Plan| Criterion::suggested(plan).iter().map(Criterion::to_string).collect::<Vec<_>>();
        assert_eq!(words(&plan), ["miss<=0.05@0.95", "auroc>=0.9"]);
        let p = Probability::saturating;
        plan.promise.miss = Some(Limit { limit: p(0.02), confidence: p(0.9) });
        plan.promise.overkill = Some(Limit { limit: p(0.1), confidence: p(0.95) });
        assert_eq!(words(&plan), ["miss<=0.02@0.9", "overkill<=0.1@0.95", "auroc>=0.9"]);
        plan.task = Task::Classify;
        assert_eq!(words(&plan), ["accuracy>=0.9"]);
    }

    #[test]
    fn criteria_read_as_they_are_written() {
        for text in
            ["auroc>=0.95", "miss<=0.05@0.95", "recall:crack>=0.8", "recall:crack>=0.8@0.9", "ece<=0.1"]
        {
            assert_eq!(text.parse::<Criterion>().unwrap().to_string(), text);
        }
        for (text, why) in [
            ("auroc>0.9", "no criterion"),
            ("auroc<=0.9", "takes >="),
            ("miss>=0.9", "takes <="),
            ("beauty>=0.9", "is not miss"),
            ("auroc>=0.9@0.95", "only rates"),
            ("miss<=0.05@1", "strictly between"),
            ("miss<=5", "no criterion"),
            ("recall:>=0.5", "is not miss"),
        ] {
            let error = text.parse::<Criterion>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
