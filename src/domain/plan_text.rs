//! Reading and writing `line.toml`: errors name line and column, and say what was probably meant.

use super::{Plan, SimulatorKind, SimulatorSettings};
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
        self.check_promise()?;
        self.transcript.check().map_err(PlanError::Meaning)?;
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
        if let Some(recordings) = &self.recordings {
            if recordings.path == self.source.path {
                return refuse("recordings.path: clips cannot go where recordings come from".into());
            }
            recordings.cut.check().map_err(|why| PlanError::Meaning(format!("recordings.cut: {why}")))?;
        }
        if let Some(microphone) = &self.microphone {
            microphone.check().map_err(|why| PlanError::Meaning(format!("microphone: {why}")))?;
        }
        self.check_guard()?;
        self.check_release()?;
        if let Some(simulator) = &self.simulator {
            check_simulator(simulator)?;
        }
        Ok(())
    }
}

impl Plan {
    fn check_guard(&self) -> Result<(), PlanError> {
        let refuse = |message: String| Err(PlanError::Meaning(message));
        let (audit, watch) = (self.audit, self.watch);
        for (name, value) in [("audit.share", audit.share), ("audit.floor", audit.floor)] {
            if !(value > 0.0 && value <= 1.0) {
                return refuse(format!("{name} must lie above 0 and be at most 1, not {value}"));
            }
        }
        for (name, value) in [("audit.blind", audit.blind), ("watch.false_alarm", watch.false_alarm)] {
            if !(value > 0.0 && value < 1.0) {
                return refuse(format!("{name} must lie strictly between 0 and 1, not {value}"));
            }
        }
        for (name, value, least) in [
            ("watch.items_between_false_alarms", watch.items_between_false_alarms, 100.0),
            ("watch.stale_days", watch.stale_days, 0.01),
            ("watch.outlier", watch.outlier, 3.0),
        ] {
            if !(value.is_finite() && value >= least) {
                return refuse(format!("{name} must be at least {least}, not {value}"));
            }
        }
        if self.retrain.minutes.is_some_and(|minutes| !(minutes.is_finite() && minutes > 0.0)) {
            return refuse("retrain.minutes must be above 0".into());
        }
        if self.queue.most == 0 {
            return refuse("queue.most must be at least 1".into());
        }
        Ok(())
    }

    fn check_release(&self) -> Result<(), PlanError> {
        let refuse = |message: String| Err(PlanError::Meaning(message));
        let rule = &self.release;
        for (name, value) in [
            ("release.shadow_share", rule.shadow_share),
            ("release.agreements", rule.agreements),
            ("release.audit", rule.audit),
        ] {
            if !(value > 0.0 && value <= 1.0) {
                return refuse(format!("{name} must lie above 0 and be at most 1, not {value}"));
            }
        }
        if !(rule.false_abort > 0.0 && rule.false_abort < 1.0) {
            let value = rule.false_abort;
            return refuse(format!("release.false_abort must lie strictly between 0 and 1, not {value}"));
        }
        let is_share = |step: &f64| *step > 0.0 && *step < 1.0;
        let grows = rule.steps.windows(2).all(|pair| pair[0] < pair[1]);
        if rule.steps.is_empty() || !rule.steps.iter().all(is_share) || !grows {
            return refuse("release.steps must be shares between 0 and 1, each larger than the last".into());
        }
        if rule.step_inspections == 0 {
            return refuse("release.step_inspections must be at least 1".into());
        }
        Ok(())
    }
}

/// What may be asked of the simulator.
pub fn check_simulator(simulator: &SimulatorSettings) -> Result<(), PlanError> {
    let refuse = |message: String| Err(PlanError::Meaning(format!("simulator: {message}")));
    let is_share = |value: f64| (0.0..=1.0).contains(&value);
    let is_positive = |value: f64| value.is_finite() && value > 0.0;
    if !(is_share(simulator.defect_share)
        && is_positive(simulator.units_per_minute)
        && is_positive(simulator.light))
    {
        return refuse("defect_share must lie in 0 to 1, units_per_minute and light above 0".into());
    }
    for (i, position) in simulator.positions.iter().enumerate() {
        if simulator.positions[..i].contains(position) {
            return refuse(format!("position \"{}\" is named twice", position.as_str()));
        }
    }
    if simulator.kind == SimulatorKind::Motor && !(simulator.positions.is_empty() && simulator.light == 1.0) {
        return refuse("motors have neither positions nor light".into());
    }
    for drift in &simulator.drift {
        let (kind, level) = (drift.kind.as_str(), drift.level);
        if !drift.kind.is_of(simulator.kind) {
            let of = simulator.kind.as_str();
            return refuse(format!("drift \"{kind}\" is not of the simulator of kind \"{of}\""));
        }
        if drift.kind.is_factor() && !is_positive(level) {
            return refuse(format!("the level of drift \"{kind}\" must be above 0, not {level}"));
        }
        if !drift.kind.is_factor() && !is_share(level) {
            return refuse(format!("the level of drift \"{kind}\" must lie in 0 to 1, not {level}"));
        }
    }
    Ok(())
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
    closest(written, known).map(str::to_owned)
}

/// The known word that was probably meant.
pub(super) fn closest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|word| (strsim::jaro_winkler(written, word), *word))
        .filter(|(similarity, _)| *similarity >= SUGGEST_SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::DriftKind;

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
    fn drift_is_a_script_of_ramps_and_steps() {
        let plan = Plan::from_toml(&format!(
            "{PLAN}\n[simulator]\nlight = 1.2\n\
             [[simulator.drift]]\nkind = \"light\"\nat_unit = 10\nover_units = 9\nlevel = 0.2\n\
             [[simulator.drift]]\nkind = \"light\"\nat_unit = 30\nlevel = 1.0\n\
             [[simulator.drift]]\nkind = \"new-colour\"\nat_unit = 5\nlevel = 0.3\n"
        ))
        .unwrap();
        assert_eq!(Plan::from_toml(&plan.to_toml().unwrap()).unwrap(), plan);
        let simulator = plan.simulator.unwrap();
        for (kind, unit, expected) in [
            (DriftKind::Light, 9, 1.2),
            (DriftKind::Light, 10, 1.1),
            (DriftKind::Light, 14, 0.7),
            (DriftKind::Light, 19, 0.2),
            (DriftKind::Light, 29, 0.2),
            (DriftKind::Light, 30, 1.0),
            (DriftKind::NewColour, 4, 0.0),
            (DriftKind::NewColour, 5, 0.3),
            (DriftKind::DirtyLens, 99, 0.0),
        ] {
            let level = simulator.drift_at(kind, unit);
            assert!((level - expected).abs() < 1e-9, "{kind:?} at {unit}: {level}");
        }
    }

    #[test]
    fn impossible_values_are_refused() {
        for (text, expected) in [
            ("[promise]\nmiss = { limit = 0.0, confidence = 0.95 }\n", "strictly between"),
            ("[promise]\nmiss = { limit = 1.5, confidence = 0.95 }\n", "not a probability"),
            ("[inspection]\nitems = 0\n", "at least 1"),
            ("[source]\npattern = \"x\"\n", "{unit}"),
            ("[[class]]\nname = \"good\"\nroute = \"pass\"\n", "twice"),
            ("[simulator]\nlight = -1.0\n", "light above 0"),
            ("[simulator]\npositions = [\"edge\", \"edge\"]\n", "\"edge\" is named twice"),
            ("[simulator]\npositions = [\"bottom\"]\n", "unknown variant `bottom`"),
            (
                "[[simulator.drift]]\nkind = \"new-color\"\nat_unit = 9\nlevel = 0.2\n",
                "did you mean `new-colour`?",
            ),
            ("[[simulator.drift]]\nkind = \"light\"\nat_unit = -9\nlevel = 0.2\n", "line 9"),
            ("[[simulator.drift]]\nkind = \"light\"\nat_unit = 9\nover_units = -1\nlevel = 0.2\n", "-1"),
            (
                "[[simulator.drift]]\nkind = \"light\"\nat_unit = 9\nlevel = -0.2\n",
                "\"light\" must be above 0, not -0.2",
            ),
            (
                "[[simulator.drift]]\nkind = \"new-defect\"\nat_unit = 9\nlevel = 1.2\n",
                "\"new-defect\" must lie in 0 to 1, not 1.2",
            ),
            ("[simulator]\nkind = \"motor\"\nlight = 0.5\n", "neither positions nor light"),
            (
                "[simulator]\nkind = \"motor\"\n[[simulator.drift]]\nkind = \"dirty-lens\"\nat_unit = 9\nlevel = 0.2\n",
                "\"dirty-lens\" is not of the simulator of kind \"motor\"",
            ),
            (
                "[[simulator.drift]]\nkind = \"muffled\"\nat_unit = 9\nlevel = 0.2\n",
                "\"muffled\" is not of the simulator of kind \"phone\"",
            ),
        ] {
            let error = Plan::from_toml(&format!("{PLAN}{text}")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
