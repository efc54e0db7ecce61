//! What the station notices by itself while it runs: pictures and scores that drift away from what the
//! model knows, and a model that fails or is too slow.

use super::EngineError;
use crate::domain::{Alarm, AlarmKind, ModelRef, Plan, Prediction, Reason};
use crate::infer::Model;
use crate::store::Store;
use crate::watch::{InputWatch, Norms};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Units of a model on the line that make out what is normal.
const BASELINE: usize = 200;
/// A package's norms say something from so many pictures on.
const DATA_MIN: usize = 100;
/// How often it is looked whether there are enough of them.
const LOOK_EVERY: u64 = 50;
/// Of the last so many items …
const RECENT: usize = 50;
/// … so many failed or late ones are no accident.
const FAULTS: usize = 5;

pub(super) struct Guard {
    plan: Arc<Plan>,
    watch: Option<InputWatch>,
    norms: Option<Arc<Norms>>,
    /// Whether the norms are of the line's own first units, and stay.
    is_settled: bool,
    /// The live one, as far as it was looked at.
    model: Option<ModelRef>,
    /// The newest faults of each model that was asked, by its hash.
    faults: BTreeMap<String, VecDeque<bool>>,
    seen: u64,
    /// Of the newest item.
    unit: String,
    /// Number of items at which it is looked again whether what is normal can be made out.
    look_at: u64,
}

impl Guard {
    pub fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            watch: None,
            norms: None,
            is_settled: false,
            model: None,
            faults: BTreeMap::new(),
            seen: 0,
            unit: String::new(),
            look_at: 0,
        }
    }

    /// What pictures look like where all is well, once that is known.
    pub fn norms(&self) -> Option<Arc<Norms>> {
        self.norms.clone()
    }

    /// Takes one finished item in; the alarm that it sets off. Pictures of one unit resemble each other:
    /// of those that follow each other only the first goes into the charts.
    pub fn saw(
        &mut self,
        unit: &str,
        asked: Option<&ModelRef>,
        result: &Result<Prediction, Reason>,
    ) -> Option<Alarm> {
        self.seen += 1;
        let is_same_unit = self.unit == unit;
        unit.clone_into(&mut self.unit);
        if let Some(alarm) = self.judge_model(asked, result) {
            return Some(alarm);
        }
        let prediction = result.as_ref().ok()?;
        let watch =
            self.watch.as_mut().filter(|watch| !is_same_unit && *watch.model() == prediction.model)?;
        watch.push(&self.plan, prediction)
    }

    /// A line that has no model yet has none that could fail.
    fn judge_model(
        &mut self,
        asked: Option<&ModelRef>,
        result: &Result<Prediction, Reason>,
    ) -> Option<Alarm> {
        let model = asked?;
        let budget_ms = self.plan.budget.latency_ms_p99;
        let is_fault = match result {
            Ok(prediction) => prediction.timing.network_ms + prediction.timing.prepare_ms > budget_ms,
            Err(Reason::ModelFault { .. } | Reason::NoModel { .. }) => true,
            Err(_) => false,
        };
        let faults = self.faults.entry(model.hash.clone()).or_default();
        if faults.len() == RECENT {
            faults.pop_front();
        }
        faults.push_back(is_fault);
        let count = faults.iter().filter(|fault| **fault).count();
        if count < FAULTS {
            return None;
        }
        faults.clear();
        Some(Alarm {
            kind: AlarmKind::Model,
            text: format!("{} failed or took more than {budget_ms:.0} ms {count} times", model.name),
            value: count as f64,
            limit: FAULTS as f64,
            model: Some(model.clone()),
        })
    }

    /// Makes out what is normal for the live model, where that is not known yet: from its package, where
    /// that was made of this line's pictures, then from the first items that it saw on this line.
    pub fn learn(&mut self, store: &Store) -> Result<(), EngineError> {
        let settings = store.view().settings()?;
        if self.model != settings.model {
            // Faults of another model say nothing of this one, nor what is normal for it.
            self.model.clone_from(&settings.model);
            self.faults.clear();
            (self.watch, self.norms, self.is_settled) = (None, None, false);
            self.look_at = self.seen;
            if let Some(model) = &settings.model
                && let Some(norms) = of_package(store, model)
            {
                self.know(norms, model.clone());
            }
        }
        let (Some(model), Some(since)) = (settings.model, settings.live_since) else { return Ok(()) };
        if self.is_settled || self.seen < self.look_at {
            return Ok(());
        }
        self.look_at = self.seen + LOOK_EVERY;
        // What an alarm was about must not become what is normal before a person has seen to it.
        if store.view().alarms()?.iter().any(|(_, alarm)| alarm.kind == AlarmKind::Inputs) {
            return Ok(());
        }
        let first = store.view().first_predictions(&model.hash, since, BASELINE)?;
        if first.len() == BASELINE
            && let Some(norms) = Norms::of(&self.plan, &first)
        {
            self.know(norms, model);
            self.is_settled = true;
        }
        Ok(())
    }

    fn know(&mut self, norms: Norms, model: ModelRef) {
        self.norms = Some(Arc::new(norms.clone()));
        self.watch = Some(InputWatch::new(&self.plan, norms, model));
    }
}

/// What is normal by the package, until the line's own first units have shown it: a lamp that failed
/// between training and release is seen at once, where those units would make it the norm.
///
/// Only where the package's pictures are the line's own: another camera has other light, noise and
/// colours, and its norms would send every item to people.
fn of_package(store: &Store, model: &ModelRef) -> Option<Norms> {
    let manifest = Model::manifest_of(&store.folder().join("models").join(&model.name), model)?;
    let norms = manifest.norms.as_ref().filter(|norms| norms.items >= DATA_MIN)?;
    let is_own = norms.line.as_ref() == Some(&store.station().to_string());
    is_own.then(|| Norms::of_data(norms)).flatten()
}
