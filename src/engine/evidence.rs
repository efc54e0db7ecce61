//! What a package's own units say of a line, and whether a model fits its plan at all.
//!
//! A package measures what its model was trained for, a plan says what a line decides. Where these are two
//! questions, the package says nothing, and the line collects its own evidence.

use super::EngineError;
use crate::decide::{Evidence, EvidenceUnit, Support, support};
use crate::domain::{
    Label, Plan, Probability, Route, SimulatorKind, SimulatorSettings, Task, TranscriptRule,
};
use crate::infer::{EvidenceGroup, Manifest, Model};

pub(super) fn package_support(plan: &Plan, model: &Model) -> Support {
    support(&plan.promise, &package_evidence(plan, model.manifest()))
}

/// Units of the package, where they were measured as this line decides. They are a sample of the line only
/// where both are the same simulator.
pub(super) fn package_evidence(plan: &Plan, manifest: &Manifest) -> Evidence {
    if !answers_the_plan(plan, manifest) {
        return nothing_known(plan);
    }
    let simulator = plan.simulator.as_ref();
    let population =
        simulator.is_some_and(|settings| manifest.data.population == Some(population_name(settings)));
    let unit = |group: &EvidenceGroup| {
        let classes = if plan.task == Task::Defect { &group.classes } else { &group.names };
        EvidenceUnit::known(group.defective, Probability::saturating(group.score))
            .with_classes(plan.class_set(classes.iter().flatten().map(String::as_str)))
    };
    Evidence { units: manifest.evidence.iter().map(unit).collect(), classes: class_names(plan), population }
}

/// Whether an item is good, whether it may pass, and whether its name is right are three questions. Packages
/// answer the first or, where they say names, the last. What is read of a sound, and with what doubt, follows
/// from the rule of the line: under another one the package was asked something else.
fn answers_the_plan(plan: &Plan, manifest: &Manifest) -> bool {
    manifest.task == plan.task
        && match plan.task {
            Task::Defect => passes_good_alone(plan),
            Task::Classify => manifest.evidence.iter().all(|group| group.names.is_some()),
            Task::Transcribe => {
                manifest.evidence.iter().all(|group| is_read_as_here(plan, group))
                    && rule_of(manifest).is_some_and(|rule| rule == plan.transcript)
            }
        }
}

/// The rule that a package's readings were measured under.
fn rule_of(manifest: &Manifest) -> Option<TranscriptRule> {
    let rule = manifest.training.settings.get("transcript")?;
    serde_json::from_value(rule.clone()).ok()
}

/// Whether the line could read all that was read in a group: takes of single words, which are measured as what
/// they are, say nothing of how often a serial number is wrong.
fn is_read_as_here(plan: &Plan, group: &EvidenceGroup) -> bool {
    let can_be_read = |text: &String| text.is_empty() || plan.transcript.allows(text);
    group.names.as_ref().is_some_and(|names| names.iter().all(can_be_read))
}

fn passes_good_alone(plan: &Plan) -> bool {
    let mut passing = plan.classes.iter().filter(|class| class.route == Route::Pass);
    passing.next().is_some_and(|class| class.name == Label::GOOD) && passing.next().is_none()
}

pub(super) fn nothing_known(plan: &Plan) -> Evidence {
    Evidence { classes: class_names(plan), ..Evidence::default() }
}

fn class_names(plan: &Plan) -> Vec<String> {
    plan.classes.iter().map(|class| class.name.clone()).collect()
}

/// Refuses a model that does something else than the plan asks for.
pub(super) fn check_task(plan: &Plan, model: &Model) -> Result<(), EngineError> {
    let task = model.manifest().task;
    if task == plan.task {
        return Ok(());
    }
    let does = |task: Task| match task {
        Task::Defect => "finds defects",
        Task::Classify => "names items",
        Task::Transcribe => "writes down what is said",
    };
    Err(EngineError::Failed(format!(
        "model {} {}, and this line {}",
        model.model_ref().name,
        does(task),
        does(plan.task)
    )))
}

/// Names the population that a simulator's settings draw from.
pub(super) fn population_name(settings: &SimulatorSettings) -> String {
    let base = match settings.kind {
        SimulatorKind::Phone => {
            format!("simulator, defect share {}, light {}", settings.defect_share, settings.light)
        }
        SimulatorKind::Motor => format!("motor simulator, defect share {}", settings.defect_share),
    };
    let positions = settings.positions.iter().map(|position| position.as_str().to_owned());
    let drift = settings.drift.iter().map(|drift| {
        let (kind, level) = (drift.kind.as_str(), drift.level);
        format!("{kind} to {level} at {} over {}", drift.at_unit, drift.over_units)
    });
    std::iter::once(base).chain(positions).chain(drift).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::shipped;

    const GOOD: &str = "[[class]]\nname = \"good\"\nroute = \"pass\"\n";
    const STAIN: &str = "[[class]]\nname = \"stain\"\nroute = \"divert\"\n";

    fn plan(task: &str, classes: &str) -> Plan {
        Plan::from_toml(&format!("name = \"x\"\ntask = \"{task}\"\n{classes}")).unwrap()
    }

    #[test]
    fn a_package_says_nothing_of_a_question_that_it_was_not_asked() {
        let model = shipped("phone-line").unwrap();
        let mut manifest = model.manifest().clone();
        let units = |plan: &Plan, manifest: &Manifest| package_evidence(plan, manifest).units.len();
        let defects = plan("defect", &format!("{GOOD}{STAIN}"));
        assert_eq!(units(&defects, &manifest), manifest.evidence.len());
        // A unit whose defect may pass counts as caught in the package.
        let lenient = plan("defect", &format!("{GOOD}{}", STAIN.replace("divert", "pass")));
        assert_eq!(units(&lenient, &manifest), 0);
        let naming = plan("classify", &format!("{GOOD}{STAIN}"));
        assert_eq!(units(&naming, &manifest), 0);
        let refused = check_task(&naming, &model).unwrap_err().to_string();
        assert!(refused.contains("finds defects, and this line names items"), "{refused}");
        assert!(check_task(&defects, &model).is_ok());
        // A model that names items: nothing where the package is from before it said names.
        manifest.task = Task::Classify;
        assert_eq!((units(&naming, &manifest), units(&defects, &manifest)), (0, 0));
        for group in &mut manifest.evidence {
            group.names = Some(vec!["stain".into()]);
        }
        let evidence = package_evidence(&naming, &manifest);
        assert_eq!(evidence.units.len(), manifest.evidence.len());
        assert!(evidence.units.iter().all(|unit| unit.classes == naming.class_set(["stain"])));
    }

    #[test]
    fn speakers_are_the_units_of_a_transcribing_package_where_it_was_asked_as_the_line_asks() {
        let mut manifest = shipped("phone-line").unwrap().manifest().clone();
        let serials = plan("transcribe", "[transcript]\nwords = [\"one\", \"two\"]\nwords_min = 2\n");
        manifest.task = Task::Transcribe;
        let speaker = |group: &str, defective, score, names: &[&str]| EvidenceGroup {
            group: group.into(),
            defective,
            score,
            classes: None,
            names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        };
        manifest.evidence = vec![
            speaker("ann", false, 0.1, &["one two", "two two"]),
            speaker("bob", true, 0.02, &["", "one one"]),
        ];
        let scores = |plan: &Plan, manifest: &Manifest| {
            let units = package_evidence(plan, manifest).units;
            units.iter().map(|unit| (unit.defective, unit.score.get())).collect::<Vec<_>>()
        };
        assert_eq!(scores(&serials, &manifest), [], "nobody knows by which rule it was measured");
        manifest.training.settings = serde_json::json!({ "transcript": serials.transcript });
        assert_eq!(scores(&serials, &manifest), [(false, 0.1), (true, 0.02)]);
        assert_eq!(scores(&plan("transcribe", ""), &manifest), [], "another rule is another question");
        manifest.evidence.push(speaker("cem", false, 0.1, &["one", "two"]));
        assert_eq!(scores(&serials, &manifest), [], "single words are no serial numbers");
    }
}
