//! From learnt weights to a package: measured on the evidence groups, with everything that made it.

use super::data::Loaded;
use super::evaluate::evaluate;
use super::split::Part;
use super::train::SetUp;
use super::{LearnError, PredictionRow, TrainSettings};
use crate::domain::{DataNorms, InputStats, Label, LabelledItem, Probability};
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
    pub loaded: &'a Loaded,
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
                &pack(&manifest)?,
                &evidence,
                self.settings.seed,
                &AtomicBool::new(false),
                &mut |_, _| {},
            )?;
            manifest.metrics = measured.report.metrics();
            manifest.evidence = evidence_groups(&measured.predictions, &evidence);
            log_odds.extend(measured.predictions.iter().map(|row| single_log_odds(suspicion(row))));
        }
        let learnt_from = self.loaded.samples.iter().zip(parts).filter(|(_, part)| **part != Part::Evidence);
        let seen: Vec<InputStats> = learnt_from.map(|(sample, _)| sample.stats).collect();
        manifest.norms = DataNorms::of(self.settings.line.clone(), &seen, log_odds);
        pack(&manifest)
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

/// P(defect); of what is said the doubt of the best reading.
fn suspicion(row: &PredictionRow) -> f64 {
    match &row.transcript {
        Some(text) => 1.0 - row.probabilities.get(text).map_or(0.0, |p| p.get()),
        None => defect_probability(row),
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
        let score = suspicion(row);
        let entry = groups.entry(&row.group).or_insert((None, 0.0, BTreeSet::new()));
        // What is said has no defects; what promises are about is a wrong reading.
        if if row.transcript.is_some() { !row.is_right } else { row.defective } {
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
        })
        .collect()
}
