//! Reading and writing `line.toml`: errors name line and column, and say what was probably meant.

use super::{Limit, Plan, Probability};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum PlanError {
    #[error("line {line}, column {column}: {message}")]
    Syntax { line: usize, column: usize, message: String },
    #[error("{0}")]
    Meaning(String),
}

/// A word is suggested when it is this similar (Jaro–Winkler) to the one that was written.
const SUGGEST_SIMILARITY_MIN: f64 = 0.75;

impl Plan {
    pub fn from_toml(text: &str) -> Result<Self, PlanError> {
        let plan: Self = toml::from_str(text).map_err(|error| syntax_error(text, &error))?;
        plan.check()?;
        Ok(plan)
    }

    pub fn to_toml(&self) -> Result<String, PlanError> {
        toml::to_string_pretty(self).map_err(|error| PlanError::Meaning(error.to_string()))
    }

    /// What the syntax cannot say.
    pub fn check(&self) -> Result<(), PlanError> {
        let refuse = |message: String| Err(PlanError::Meaning(message));
        for (i, class) in self.classes.iter().enumerate() {
            if class.name.trim().is_empty() {
                return refuse("a class has no name".into());
            }
            if self.classes[..i].iter().any(|earlier| earlier.name == class.name) {
                return refuse(format!("class \"{}\" is named twice", class.name));
            }
        }
        let promise = self.promise;
        for (name, limit) in [
            ("outgoing", promise.outgoing),
            ("miss", promise.miss),
            ("overkill", promise.overkill),
            ("error", promise.error),
        ] {
            if let Some(limit) = limit {
                check_limit(name, limit)?;
            }
        }
        let positive = [
            ("source.settle_secs", self.source.settle_secs),
            ("source.rescan_secs", self.source.rescan_secs),
            ("inspection.timeout_secs", self.inspection.timeout_secs),
            ("review.lease_secs", self.review.lease_secs),
            ("budget.latency_ms_p99", self.budget.latency_ms_p99),
            ("budget.items_per_s", self.budget.items_per_s),
        ];
        for (name, value) in positive {
            if !(value.is_finite() && value > 0.0) {
                return refuse(format!("{name} must be above 0, not {value}"));
            }
        }
        if self.inspection.items == 0 {
            return refuse("inspection.items must be at least 1".into());
        }
        if self.threads.network == 0 || self.threads.decode == 0 {
            return refuse("threads must be at least 1".into());
        }
        if !self.source.pattern.contains("{unit}") {
            return refuse(format!("source.pattern \"{}\" does not contain {{unit}}", self.source.pattern));
        }
        if let Some(rule) = self.retention.iter().find(|rule| !(rule.days.is_finite() && rule.days >= 0.0)) {
            return refuse(format!("retention \"{}\": days must be 0 or more", rule.name));
        }
        if let Some(simulator) = &self.simulator
            && !((0.0..=1.0).contains(&simulator.defect_share)
                && simulator.units_per_minute > 0.0
                && simulator.light > 0.0)
        {
            return refuse(
                "simulator: defect_share must lie in 0 to 1, units_per_minute and light above 0".into(),
            );
        }
        Ok(())
    }
}

fn check_limit(name: &str, limit: Limit) -> Result<(), PlanError> {
    let inside = |p: Probability| p > Probability::ZERO && p < Probability::ONE;
    if inside(limit.limit) && inside(limit.confidence) {
        Ok(())
    } else {
        Err(PlanError::Meaning(format!(
            "promise.{name}: limit and confidence must lie strictly between 0 and 1"
        )))
    }
}

fn syntax_error(text: &str, error: &toml::de::Error) -> PlanError {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let mut message = error.message().trim().to_owned();
    if let Some(word) = suggestion(&message) {
        message = format!("{message}; did you mean `{word}`?");
    }
    PlanError::Syntax { line, column, message }
}

/// The messages have the form "unknown field `x`, expected one of `a`, `b`".
fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (written, known) = quoted.split_first()?;
    known
        .iter()
        .map(|word| (strsim::jaro_winkler(written, word), word))
        .filter(|(similarity, _)| *similarity >= SUGGEST_SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str =
        "name = \"Tiles\"\ntask = \"defect\"\n\n[[class]]\nname = \"good\"\nroute = \"pass\"\n";

    #[test]
    fn a_plan_reads_back_as_it_was_written() {
        let plan = Plan::from_toml(&format!(
            "{PLAN}\n[promise]\nmiss = {{ limit = 0.01, confidence = 0.95 }}\n[[retention]]\nname = \"passed\"\ndays = 30\ndecision = \"pass\"\n"
        ))
        .unwrap();
        assert_eq!(Plan::from_toml(&plan.to_toml().unwrap()).unwrap(), plan);
    }

    #[test]
    fn a_typo_is_named_with_its_place_and_the_word_that_was_meant() {
        let error = Plan::from_toml(&format!("{PLAN}[source]\nsettle_sec = 2.0\n")).unwrap_err().to_string();
        assert!(error.starts_with("line 8, column 1:"), "{error}");
        assert!(error.contains("did you mean `settle_secs`?"), "{error}");
        let error = Plan::from_toml("name = \"x\"\ntask = \"defects\"\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("did you mean `defect`?"), "{error}");
    }

    #[test]
    fn impossible_values_are_refused() {
        for (text, expected) in [
            ("[promise]\nmiss = { limit = 0.0, confidence = 0.95 }\n", "strictly between"),
            ("[promise]\nmiss = { limit = 1.5, confidence = 0.95 }\n", "not a probability"),
            ("[inspection]\nitems = 0\n", "at least 1"),
            ("[source]\npattern = \"x\"\n", "{unit}"),
            ("[[class]]\nname = \"good\"\nroute = \"pass\"\n", "twice"),
        ] {
            let error = Plan::from_toml(&format!("{PLAN}{text}")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
