//! From learnt weights to a package: measured on the evidence groups, with everything that made it.

use super::data::Loaded;
use super::evaluate::evaluate;
use super::set_up::SetUp;
use super::split::Part;
use super::{LearnError, PredictionRow, TrainSettings};
use crate::domain::{DataNorms, InputStats, Label, LabelledItem, Probability, Task};
use crate::infer::{
    Calibration, DataNote, EvidenceGroup, FORMAT_VERSION, Manifest, Model, RegionSettings, TrainingNote,
    weights_to_bytes,
};
use crate::nn::{Graph, Weights, instruction_set};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

/// Regions: least calibrated score, least cells, largest number.
const REGION_SCORE_MIN: f64 = 0.02;
const REGION_CELLS_MIN: usize = 2;
/// Beside a reference defects are small and many, and two that touch are two: chosen on circuit boards that taught
/// the network, see `models/README.md`. Elsewhere a crack with two dark ends stays one.
const SPLIT_LOGIT: f32 = 4.0;
const REGION_COUNT_MAX: usize = 32;

/// What groups that a run has not seen say of it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Judged {
    pub calibration: Calibration,
    pub pixel_logit: f32,
    /// Log-odds of the calibrated scores of these groups' items.
    #[serde(default)]
    pub log_odds: Vec<f32>,
}

/// A package in the making.
pub(super) struct Candidate<'a> {
    pub settings: &'a TrainSettings,
    pub set_up: &'a SetUp<'a>,
    pub loaded: &'a Loaded<'a>,
    pub judged: Judged,
}

impl Candidate<'_> {
    /// Measures the weights on the evidence groups and packs them.
    pub fn pack(
        &self,
        graph: Graph,
        weights: &Weights,
        epochs: [usize; 2],
        kept: &[&LabelledItem],
        parts: &[Part],
    ) -> Result<Model, LearnError> {
        let bytes = weights_to_bytes(weights)?;
        let mut manifest = self.manifest(graph, epochs);
        manifest.data.hash.clone_from(&self.loaded.hash);
        manifest.data.items = kept.len();
        manifest.data.groups = kept.iter().map(|i| i.group.as_str()).collect::<BTreeSet<_>>().len();
        manifest.weights_blake3 = blake3::hash(&bytes).to_hex().to_string();
        let pack = |manifest: &Manifest| -> Result<Model, LearnError> {
            Ok(Model::from_bytes(&serde_json::to_vec_pretty(manifest)?, &bytes)?)
        };
        let evidence: Vec<LabelledItem> = kept
            .iter()
            .zip(parts)
            .filter(|(_, part)| **part == Part::Evidence)
            .map(|(item, _)| (*item).clone())
            .collect();
        let mut log_odds = self.judged.log_odds.clone();
        if !evidence.is_empty() {
            let measured = evaluate(
                &self.as_decided(pack(&manifest)?, &evidence),
                &evidence,
                self.settings.seed,
                &AtomicBool::new(false),
                &mut |_, _| {},
            )?;
            manifest.metrics = measured.report.metrics();
            manifest.evidence = match manifest.task {
                Task::Defect => evidence_groups(&measured.predictions, &evidence),
                Task::Classify | Task::Transcribe => named_groups(&measured.predictions),
            };
            log_odds.extend(measured.predictions.iter().map(|row| single_log_odds(defect_probability(row))));
        }
        // A model that names items has no score for a defect that could drift.
        if manifest.task != Task::Defect {
            log_odds.clear();
        }
        let learnt_from = self.loaded.samples.iter().zip(parts).filter(|(_, part)| **part != Part::Evidence);
        let seen: Vec<InputStats> = learnt_from.map(|(sample, _)| sample.stats).collect();
        manifest.norms = DataNorms::of(self.settings.line.clone(), &seen, log_odds);
        pack(&manifest)
    }

    /// As the line of these settings would read with it: its rule decides what is proposed, and with what
    /// doubt. Where the items are of another kind than the line's, as takes of single words are beside serial
    /// numbers, they are measured as what they are.
    fn as_decided(&self, model: Model, items: &[LabelledItem]) -> Model {
        let Some(rule) = &self.settings.transcript else { return model };
        let is_heard = |item: &&LabelledItem| rule.allows(&rule.truth(&item.label));
        if 2 * items.iter().filter(is_heard).count() > items.len() { model.with_rule(rule) } else { model }
    }

    fn manifest(&self, graph: Graph, [epochs, best_epoch]: [usize; 2]) -> Manifest {
        let s = self.settings;
        let Judged { calibration, pixel_logit, .. } = self.judged;
        Manifest {
            format_version: FORMAT_VERSION,
            name: s.name.clone(),
            task: self.set_up.task,
            classes: self.set_up.classes.clone(),
            input: self.set_up.spec.clone(),
            graph,
            calibration,
            regions: RegionSettings {
                pixel_logit,
                split_logit: self.set_up.spec.reference.then_some(SPLIT_LOGIT),
                score_min: REGION_SCORE_MIN,
                cells_min: REGION_CELLS_MIN,
                count_max: REGION_COUNT_MAX,
            },
            data: DataNote {
                description: s.description.clone(),
                licence: s.licence.clone(),
                population: s.population.clone(),
                version: s.data.version.clone(),
                earlier: s.data.earlier.clone(),
                earlier_unknown: s.data.earlier_unknown,
                ..DataNote::default()
            },
            norms: None,
            metrics: BTreeMap::new(),
            evidence: Vec::new(),
            training: TrainingNote {
                command: s.command.clone(),
                seed: s.seed,
                threads: rayon::current_num_threads(),
                instruction_set: instruction_set().to_owned(),
                epochs,
                best_epoch,
                settings: serde_json::to_value(s).unwrap_or_default(),
            },
            weights_blake3: String::new(),
        }
    }
}

fn defect_probability(row: &PredictionRow) -> f64 {
    1.0 - row.probabilities.get(Label::GOOD).map_or(0.0, |p| p.get())
}

/// In single precision, as norms are.
pub(super) fn single_log_odds(probability: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "within ±14")]
    let odds = Probability::saturating(probability).log_odds() as f32;
    odds
}

/// One score for each group: the smallest defect probability of a defective group's defective
/// items, the largest of a good group's items; and every class of defect that one of them has.
pub(super) fn evidence_groups(predictions: &[PredictionRow], items: &[LabelledItem]) -> Vec<EvidenceGroup> {
    let mut groups: BTreeMap<&str, (Option<f64>, f64, BTreeSet<&str>)> = BTreeMap::new();
    for row in predictions {
        let score = defect_probability(row);
        let entry = groups.entry(&row.group).or_insert((None, 0.0, BTreeSet::new()));
        if row.defective {
            entry.0 = Some(entry.0.map_or(score, |s| s.min(score)));
            entry.2.extend(items.get(row.item).map(|item| item.label.classes()).unwrap_or_default());
        } else {
            entry.1 = entry.1.max(score);
        }
    }
    groups
        .into_iter()
        .map(|(group, (defective, good, classes))| EvidenceGroup {
            group: group.to_owned(),
            defective: defective.is_some(),
            score: defective.unwrap_or(good),
            classes: Some(classes.into_iter().map(str::to_owned).collect()),
            names: None,
        })
        .collect()
}

/// The same of a model that names items or writes down what is said, as the station decides by it: whether an
/// item of the group was given a wrong name, and with how little doubt.
fn named_groups(predictions: &[PredictionRow]) -> Vec<EvidenceGroup> {
    let mut groups: BTreeMap<&str, (Option<f64>, f64, BTreeSet<&str>)> = BTreeMap::new();
    for row in predictions {
        let doubt = 1.0 - row.probabilities.get(&row.label).map_or(0.0, |p| p.get());
        let (wrong, right, names) = groups.entry(&row.group).or_default();
        names.insert(&row.label);
        if row.label == row.truth {
            *right = right.max(doubt);
        } else {
            *wrong = Some(wrong.map_or(doubt, |least| least.min(doubt)));
        }
    }
    groups
        .into_iter()
        .map(|(group, (wrong, right, names))| EvidenceGroup {
            group: group.to_owned(),
            defective: wrong.is_some(),
            score: wrong.unwrap_or(right),
            classes: None,
            names: Some(names.into_iter().map(str::to_owned).collect()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::analyse::tests::row;
    use super::*;

    #[test]
    fn a_named_group_is_wrong_where_one_of_its_names_is_and_says_with_how_little_doubt() {
        // The last figure is P(good): none of these models' business.
        let named = |at, group, truth: &str, said: &str, sure: f64| {
            let mut row = row(at, group, truth, said, 0.5);
            row.probabilities = BTreeMap::from([(said.to_owned(), Probability::saturating(sure))]);
            row
        };
        let rows = [
            named(0, "a", "crow", "crow", 0.9),
            named(1, "a", "crow", "jay", 0.7),
            named(2, "a", "crow", "owl", 0.8),
            named(3, "b", "owl", "owl", 0.6),
            named(4, "b", "owl", "owl", 0.9),
        ];
        let [a, b] = &named_groups(&rows)[..] else { panic!() };
        assert!(a.defective && (a.score - 0.2).abs() < 1e-9, "{a:?}");
        assert_eq!(a.names.as_deref().unwrap(), ["crow", "jay", "owl"]);
        assert!(!b.defective && (b.score - 0.4).abs() < 1e-9, "{b:?}");
    }
}
