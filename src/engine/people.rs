//! The live model beside the people who answered what it has seen: what a station learns where people decide
//! everything.

use super::compare::{called, wrong_call};
use super::{EngineError, Line};
use crate::decide::exact_interval;
use crate::domain::{
    ItemId, Label, LabelStatus, ModelRef, Prediction, Probability, Task, Thresholds, Timestamp,
};
use crate::store::CheckedItem;
use crate::watch::is_bad;
use serde::Serialize;

/// Items that a report lists.
const LISTED: usize = 200;
/// Each side of a 95 % interval.
const ONE_SIDE: f64 = 0.975;

/// Some of so many units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Share {
    pub errors: u64,
    pub n: u64,
    /// Clopper–Pearson, 95 %.
    pub low: f64,
    pub high: f64,
}

impl Share {
    fn of(errors: u64, n: u64) -> Self {
        let [low, high] = exact_interval(errors, n, Probability::saturating(ONE_SIDE));
        Self { errors, n, low, high }
    }
}

/// An item that people call differently than the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contradiction {
    pub item: ItemId,
    pub unit: String,
    /// What the model says, good or defective where there are defects to find, and how sure it is of that.
    pub model: String,
    pub probability: Probability,
    pub people: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BesidePeople {
    pub model: ModelRef,
    pub since: Timestamp,
    /// Answered units that the model calls differently; of each unit the first picture that people were asked
    /// for anyway, not those that only a random check brought.
    pub calls: Share,
    /// Where there are defects to find: defective ones that it calls good, good ones that it calls defective.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<Share>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overkill: Option<Share>,
    /// The newest first, also of later pictures and random checks.
    pub listed: Vec<Contradiction>,
}

/// `None` where no model is live.
pub fn beside_people(line: &Line) -> Result<Option<BesidePeople>, EngineError> {
    let view = line.store.view();
    let settings = view.settings()?;
    let Some((model, since)) = settings.model.zip(settings.live_since) else { return Ok(None) };
    let plan = &line.plan;
    let checks = view.checks(&model.hash, since)?;
    let answered: Vec<(&CheckedItem, &Label)> = checks
        .iter()
        .filter_map(|check| Some((check, check.label.as_ref()?)))
        .filter(|(_, label)| label.status == LabelStatus::Confirmed)
        .collect();
    let is_wrong = |check: &CheckedItem, label: &Label| {
        wrong_call(plan, Thresholds::default(), &check.prediction, label)
    };
    let counted: Vec<(bool, bool)> = answered
        .iter()
        .filter(|(check, _)| check.is_first_of_unit && check.probability == Probability::ONE)
        .map(|(check, label)| (is_bad(plan, label), is_wrong(check, label)))
        .collect();
    let share = |kind: &dyn Fn(bool) -> bool| {
        let of_kind = || counted.iter().filter(|(is_bad, _)| kind(*is_bad));
        Share::of(of_kind().filter(|(_, is_wrong)| *is_wrong).count() as u64, of_kind().count() as u64)
    };
    let finds = plan.task == Task::Defect;
    let truth = |label: &Label| match plan.task {
        Task::Transcribe => plan.transcript.truth(label),
        Task::Defect | Task::Classify => label.main_class().to_owned(),
    };
    let says = |prediction: &Prediction| {
        let (name, probability) = if finds {
            called(prediction.divert_probability(plan))
        } else {
            (prediction.label(), prediction.confidence())
        };
        (name.to_owned(), probability)
    };
    let mut listed: Vec<Contradiction> = answered
        .iter()
        .rev()
        .filter(|(check, label)| is_wrong(check, label))
        .map(|(check, label)| {
            let (model, probability) = says(&check.prediction);
            let (item, unit, people) = (check.item, check.unit.clone(), truth(label));
            Contradiction { item, unit, model, probability, people }
        })
        .collect();
    listed.truncate(LISTED);
    Ok(Some(BesidePeople {
        model,
        since,
        calls: share(&|_| true),
        missed: finds.then(|| share(&|is_bad| is_bad)),
        overkill: finds.then(|| share(&|is_bad| !is_bad)),
        listed,
    }))
}
