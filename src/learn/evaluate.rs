//! A model against labelled items: every figure with its interval and its number.

use super::LearnError;
use super::by_size::{DefectMetrics, Overlap, Placed, by_size};
use super::data;
use super::measure::{Measured, answer, good, measure_all};
use super::metrics::{
    ReliabilityBin, auroc, average_precision, bootstrap, calibration_error, detection_f, detection_precision,
    reliability,
};
use super::people::{People, people};
use super::suspects::suspects;
use crate::domain::{
    BoxPx, Edits, InputStats, LabelledItem, ModelRef, Probability, Region, Shape, Task, word_edits,
};
use crate::infer::{Metric, Model, Output};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

/// From this score on a detection counts in the F-score.
const DETECTION_SCORE_MIN: f64 = 0.5;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassMetrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<Metric>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recall: Option<Metric>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f1: Option<Metric>,
    /// Items that have the class.
    pub n: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LatencyMs {
    pub p50: f64,
    pub p99: f64,
}

/// The figures of `evaluate`; a figure is absent where the data hold no such truth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Whether the model finds defects, names items or writes down what is said.
    pub task: Task,
    pub n: usize,
    pub groups: usize,
    pub per_class: BTreeMap<String, ClassMetrics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balanced_accuracy: Option<Metric>,
    /// Share of right names; only of models that name items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Metric>,
    /// What people said of the same items, where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<People>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auroc: Option<Metric>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_precision: Option<Metric>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ece: Option<Metric>,
    /// The same without the package's calibration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ece_uncalibrated: Option<Metric>,
    /// 1 − P(good) against the share of defective items.
    pub reliability: Vec<ReliabilityBin>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reliability_uncalibrated: Vec<ReliabilityBin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defect_iou: Option<Metric>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_iou33: Option<Metric>,
    /// F-score of detections with a score of at least one half, at the same overlap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f_iou33: Option<Metric>,
    /// By kind and size, where defects have a place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_size: Vec<DefectMetrics>,
    /// Wrong, missing and superfluous words for each word that was said; only of what is said, as are the
    /// next two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word_error_rate: Option<Metric>,
    /// Share of items whose whole reading is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub string_accuracy: Option<Metric>,
    /// How often readings are wrong when only the surest are taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub risk_coverage: Vec<RiskPoint>,
    /// Labels to look at again, by confident learning.
    pub suspects: Vec<Suspect>,
    /// Preparation and network of one item.
    pub latency_ms: LatencyMs,
    pub model: ModelRef,
    pub data_hash: String,
    /// Items that could not be used, and why.
    pub skipped: Vec<(String, String)>,
}

impl Report {
    /// The figures that have a name and a value, for a manifest.
    #[must_use]
    pub fn metrics(&self) -> BTreeMap<String, Metric> {
        [
            ("balanced_accuracy", self.balanced_accuracy),
            ("accuracy", self.accuracy),
            ("auroc", self.auroc),
            ("average_precision", self.average_precision),
            ("ece", self.ece),
            ("ece_uncalibrated", self.ece_uncalibrated),
            ("defect_iou", self.defect_iou),
            ("map_iou33", self.map_iou33),
            ("f_iou33", self.f_iou33),
            ("word_error_rate", self.word_error_rate),
            ("string_accuracy", self.string_accuracy),
        ]
        .into_iter()
        .filter_map(|(name, metric)| Some((name.to_owned(), metric?)))
        .collect()
    }
}

/// The surest readings of a set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RiskPoint {
    /// Share of the items that are taken, and the largest doubt among them.
    pub coverage: f64,
    pub doubt: f64,
    /// Share of these whose reading is wrong.
    pub wrong: Metric,
}

/// Shares of a set that a risk is given for.
const COVERAGES: [f64; 7] = [0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0];

/// An item whose label is probably wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suspect {
    /// Position among the evaluated items.
    #[serde(skip)]
    pub item: usize,
    pub media: String,
    pub label: String,
    /// What the model finds instead.
    pub probable: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictedRegion {
    pub class: String,
    pub score: Option<Probability>,
    /// Absent for a defect of the whole item, and in sounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub box_px: Option<BoxPx>,
    /// In sounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_secs: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band_hz: Option<[f64; 2]>,
}

impl PredictedRegion {
    fn of(region: &Region) -> Self {
        let (span_secs, band_hz) = match &region.shape {
            Shape::Span { span_secs, band_hz } => (Some(*span_secs), *band_hz),
            _ => (None, None),
        };
        let box_px = region.shape.bounds();
        Self { class: region.class.clone(), score: region.score, box_px, span_secs, band_hz }
    }

    /// The same with its box as its shape; `None` where it has no place.
    #[must_use]
    pub fn region(&self) -> Option<Region> {
        let shape = match (self.box_px, self.span_secs) {
            (Some(box_px), _) => Shape::Box(box_px),
            (None, Some(span_secs)) => Shape::Span { span_secs, band_hz: self.band_hz },
            (None, None) => return None,
        };
        Some(Region { class: self.class.clone(), shape, score: self.score })
    }
}

/// One line of `--predictions`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictionRow {
    /// Position among the evaluated items.
    #[serde(skip)]
    pub item: usize,
    pub media: String,
    pub group: String,
    pub probabilities: BTreeMap<String, Probability>,
    /// The most probable class.
    pub label: String,
    /// The item's own label, and whether that is a defect.
    pub truth: String,
    pub defective: bool,
    /// Whether `label` is one of the item's classes.
    pub is_right: bool,
    pub regions: Vec<PredictedRegion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// What the item measures.
    pub inputs: InputStats,
    /// Of a sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secs: Option<f64>,
    /// As the station follows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<f32>,
    /// Pixels that the defects of its label cover, where they have a place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defect_px: Option<u64>,
    /// Filled by whoever knows the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
}

pub struct Evaluation {
    pub report: Report,
    pub predictions: Vec<PredictionRow>,
}

/// Measures a model. Items run in parallel over rayon's pool; `latency_ms` is therefore that of a
/// busy machine. `progress(done, total)` is called now and then.
pub fn evaluate(
    model: &Model,
    items: &[LabelledItem],
    seed: u64,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Evaluation, LearnError> {
    let mut measured = Vec::with_capacity(items.len());
    let skipped = measure_all(model, items, &mut measured, cancel, progress)?;
    Ok(summary(items, &measured, skipped, seed, model.model_ref().clone()))
}

/// Figures and rows of what was measured, by one model or by several.
pub(super) fn summary(
    items: &[LabelledItem],
    measured: &[Measured],
    skipped: Vec<(String, String)>,
    seed: u64,
    model: ModelRef,
) -> Evaluation {
    let report = report(items, measured, skipped, seed, model);
    let predictions = measured.iter().map(|m| row(m, &items[m.item])).collect();
    Evaluation { report, predictions }
}

fn row(measured: &Measured, item: &LabelledItem) -> PredictionRow {
    let output = &measured.output;
    let label = answered(output);
    let own = measured.said.as_deref();
    PredictionRow {
        item: measured.item,
        media: item.name.clone(),
        group: item.group.clone(),
        probabilities: output.probabilities.clone(),
        label: label.to_owned(),
        truth: own.unwrap_or(item.label.main_class()).to_owned(),
        defective: own.is_none() && !item.label.is_good(),
        is_right: own.map_or_else(|| item.label.classes().contains(label), |own| own == label),
        regions: output.regions.iter().map(PredictedRegion::of).collect(),
        transcript: output.transcript.clone(),
        inputs: measured.inputs,
        secs: measured.secs,
        features: output.features.clone(),
        defect_px: measured.overlap.map(|overlap| overlap.truth),
        decision: None,
    }
}

/// The best reading, or the most probable class.
fn answered(output: &Output) -> &str {
    output.transcript.as_deref().unwrap_or_else(|| answer(&output.probabilities))
}

/// Truth and answer of the measured items, by position in `measured`.
pub(super) struct Table<'a> {
    pub groups: BTreeMap<&'a str, Vec<usize>>,
    pub truth: Vec<std::collections::BTreeSet<&'a str>>,
    answers: Vec<&'a str>,
    /// 1 − P(good), defective; or the probability of the name, right.
    scores: Vec<(f64, bool)>,
    uncalibrated: Vec<(f64, bool)>,
    task: Task,
}

impl<'a> Table<'a> {
    fn new(items: &'a [LabelledItem], measured: &'a [Measured]) -> Self {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, m) in measured.iter().enumerate() {
            groups.entry(&items[m.item].group).or_default().push(at);
        }
        let truth: Vec<std::collections::BTreeSet<&str>> = measured
            .iter()
            .map(|m| m.said.as_deref().map_or_else(|| items[m.item].label.classes(), |said| [said].into()))
            .collect();
        let answers: Vec<&str> = measured.iter().map(|m| answered(&m.output)).collect();
        let came_true = |at: usize, m: &Measured| {
            if m.task == Task::Defect {
                !items[m.item].label.is_good()
            } else {
                truth[at].contains(answers[at])
            }
        };
        let pairs = |which: usize| -> Vec<(f64, bool)> {
            measured.iter().enumerate().map(|(at, m)| (m.scores[which], came_true(at, m))).collect()
        };
        let (scores, uncalibrated) = (pairs(0), pairs(1));
        Self {
            groups,
            truth,
            answers,
            scores,
            uncalibrated,
            task: measured.first().map_or(Task::Defect, |m| m.task),
        }
    }

    fn over(
        &self,
        scores: &[(f64, bool)],
        seed: u64,
        measure: fn(&[(f64, bool)]) -> Option<f64>,
    ) -> Option<Metric> {
        bootstrap(&self.groups, seed, scores.len(), |at| {
            measure(&at.iter().map(|&i| scores[i]).collect::<Vec<_>>())
        })
    }

    /// Of the score for a defect; absent where items are named.
    fn of_defects(&self, seed: u64, measure: fn(&[(f64, bool)]) -> Option<f64>) -> Option<Metric> {
        if self.task == Task::Defect { self.over(&self.scores, seed, measure) } else { None }
    }

    pub fn is_said(&self) -> bool {
        self.task == Task::Transcribe
    }

    /// Share of items that get one of their names.
    pub fn accuracy(&self, at: &[usize]) -> Option<f64> {
        let hits = at.iter().filter(|&&i| self.truth[i].contains(self.answers[i])).count();
        (!at.is_empty()).then(|| hits as f64 / at.len() as f64)
    }

    /// Wrong words for each that was said; of what is said alone.
    fn word_errors(&self, at: &[usize]) -> Option<f64> {
        let mut edits = Edits::default();
        for &i in at {
            edits += word_edits(self.truth[i].first().copied().unwrap_or_default(), self.answers[i]);
        }
        (edits.of > 0).then(|| edits.rate())
    }

    /// How often the surest readings are wrong.
    fn risks(&self, seed: u64) -> Vec<RiskPoint> {
        let mut doubts: Vec<f64> = self.scores.iter().map(|(p, _)| 1.0 - p).collect();
        doubts.sort_by(f64::total_cmp);
        let point = |coverage: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            let taken = (coverage * doubts.len() as f64).round() as usize;
            let doubt = *doubts.get(taken.checked_sub(1)?)?;
            let sure = |i: &usize| 1.0 - self.scores[*i].0 <= doubt;
            let n = (0..self.scores.len()).filter(sure).count();
            let wrong = bootstrap(&self.groups, seed, n, |at| {
                let sure: Vec<usize> = at.iter().copied().filter(sure).collect();
                self.accuracy(&sure).map(|right| 1.0 - right)
            })?;
            Some(RiskPoint { coverage: n as f64 / doubts.len() as f64, doubt, wrong })
        };
        let mut points: Vec<RiskPoint> = COVERAGES.into_iter().filter_map(point).collect();
        // Of a few items several shares are the same ones.
        points.dedup_by_key(|point| point.wrong.n);
        points
    }

    /// Recall of a class; an item with several classes counts as found under any of them.
    fn recall(&self, at: &[usize], class: &str) -> Option<f64> {
        let (mut n, mut hits) = (0_usize, 0_usize);
        for &i in at.iter().filter(|&&i| self.truth[i].contains(class)) {
            n += 1;
            hits += usize::from(self.truth[i].contains(self.answers[i]));
        }
        (n > 0).then(|| hits as f64 / n as f64)
    }

    fn precision(&self, at: &[usize], class: &str) -> Option<f64> {
        let said: Vec<usize> = at.iter().copied().filter(|&i| self.answers[i] == class).collect();
        let hits = said.iter().filter(|&&i| self.truth[i].contains(class)).count();
        (!said.is_empty()).then(|| hits as f64 / said.len() as f64)
    }

    fn class_metrics(&self, class: &str, seed: u64) -> ClassMetrics {
        let n = self.truth.iter().filter(|t| t.contains(class)).count();
        let said = self.answers.iter().filter(|a| **a == class).count();
        ClassMetrics {
            precision: bootstrap(&self.groups, seed, said, |at| self.precision(at, class)),
            recall: bootstrap(&self.groups, seed, n, |at| self.recall(at, class)),
            f1: bootstrap(&self.groups, seed, n, |at| {
                let recall = self.recall(at, class)?;
                let precision = self.precision(at, class).unwrap_or(0.0);
                let sum = precision + recall;
                Some(if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 })
            }),
            n,
        }
    }
}

fn report(
    items: &[LabelledItem],
    measured: &[Measured],
    skipped: Vec<(String, String)>,
    seed: u64,
    model: ModelRef,
) -> Report {
    let table = Table::new(items, measured);
    let usable: Vec<&LabelledItem> = measured.iter().map(|m| &items[m.item]).collect();
    let task = table.task;
    let is_said = table.is_said();
    // What is said is no class.
    let classes = if is_said { Vec::new() } else { data::classes(&usable, task) };
    let accuracy = bootstrap(&table.groups, seed, measured.len(), |at| table.accuracy(at));
    let words = table.truth.iter().flatten().map(|said| said.split_whitespace().count()).sum();
    let word_errors = || bootstrap(&table.groups, seed, words, |at| table.word_errors(at));
    let present: Vec<&String> =
        classes.iter().filter(|c| table.truth.iter().any(|t| t.contains(c.as_str()))).collect();
    let balanced = |at: &[usize]| {
        let recalls: Vec<f64> = present.iter().filter_map(|c| table.recall(at, c)).collect();
        (!recalls.is_empty()).then(|| recalls.iter().sum::<f64>() / recalls.len() as f64)
    };
    let mut hasher = blake3::Hasher::new();
    for m in measured {
        data::hash_item(&mut hasher, &items[m.item], &m.hash);
    }
    Report {
        task,
        n: measured.len(),
        groups: table.groups.len(),
        per_class: present.iter().map(|c| ((*c).clone(), table.class_metrics(c, seed))).collect(),
        balanced_accuracy: bootstrap(&table.groups, seed, measured.len(), balanced),
        accuracy: accuracy.filter(|_| task == Task::Classify),
        people: people(measured, &table, seed),
        auroc: table.of_defects(seed, auroc),
        average_precision: table.of_defects(seed, average_precision),
        ece: table.over(&table.scores, seed, calibration_error),
        ece_uncalibrated: table.over(&table.uncalibrated, seed, calibration_error),
        reliability: reliability(&table.scores),
        reliability_uncalibrated: reliability(&table.uncalibrated),
        defect_iou: pooled_iou(&table, measured, seed),
        map_iou33: mean_precision(&table, measured, seed),
        f_iou33: detection_score(&table, measured, seed),
        // Found is what is called defective, and that is not asked where items are named.
        by_size: if task == Task::Defect { by_size(&placed(items, measured), seed) } else { Vec::new() },
        word_error_rate: if is_said { word_errors() } else { None },
        string_accuracy: accuracy.filter(|_| is_said),
        risk_coverage: if is_said { table.risks(seed) } else { Vec::new() },
        suspects: if is_said { Vec::new() } else { suspect_labels(items, measured) },
        latency_ms: latency(measured),
        model,
        data_hash: hasher.finalize().to_hex().to_string(),
        skipped,
    }
}

/// Over the classes that the model knows; items of others are left out.
fn suspect_labels(items: &[LabelledItem], measured: &[Measured]) -> Vec<Suspect> {
    let Some(first) = measured.first() else { return Vec::new() };
    let classes: Vec<&str> = first.output.probabilities.keys().map(String::as_str).collect();
    let known: Vec<(&Measured, usize)> = measured
        .iter()
        .filter(|m| m.output.probabilities.keys().eq(classes.iter()))
        .filter_map(|m| {
            let label = items[m.item].label.main_class();
            Some((m, classes.iter().position(|class| *class == label)?))
        })
        .collect();
    let probabilities: Vec<Vec<f64>> =
        known.iter().map(|(m, _)| m.output.probabilities.values().map(|p| p.get()).collect()).collect();
    let labels: Vec<usize> = known.iter().map(|(_, label)| *label).collect();
    suspects(&probabilities, &labels)
        .iter()
        .zip(&known)
        .filter(|(flag, _)| **flag)
        .map(|(_, (m, label))| Suspect {
            item: m.item,
            media: items[m.item].name.clone(),
            label: classes[*label].to_owned(),
            probable: answer(&m.output.probabilities).to_owned(),
        })
        .collect()
}

fn pooled_iou(table: &Table<'_>, measured: &[Measured], seed: u64) -> Option<Metric> {
    let any_truth = measured.iter().any(|m| m.overlap.is_some_and(|overlap| overlap.truth > 0));
    if !any_truth {
        return None;
    }
    let n = measured.iter().filter(|m| m.overlap.is_some()).count();
    bootstrap(&table.groups, seed, n, |at| Overlap::pooled(at.iter().filter_map(|&i| measured[i].overlap)))
}

fn placed<'a>(items: &'a [LabelledItem], measured: &[Measured]) -> Vec<Placed<'a>> {
    let of = |m: &Measured| {
        let item = &items[m.item];
        let class = (!item.label.is_good()).then(|| item.label.main_class());
        Some(Placed { group: &item.group, class, score: 1.0 - good(&m.output), overlap: m.overlap? })
    };
    measured.iter().filter_map(of).collect()
}

fn mean_precision(table: &Table<'_>, measured: &[Measured], seed: u64) -> Option<Metric> {
    let mut classes: Vec<&String> = measured
        .iter()
        .filter_map(|m| m.detections.as_ref())
        .flat_map(|d| d.iter().filter(|(_, d)| d.truths > 0).map(|(class, _)| class))
        .collect();
    classes.sort();
    classes.dedup();
    bootstrap(&table.groups, seed, true_regions(measured), |at| {
        let values: Vec<f64> = classes
            .iter()
            .filter_map(|class| {
                detection_precision(at.iter().filter_map(|&i| measured[i].detections.as_ref()?.get(*class)))
            })
            .collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    })
}

fn detection_score(table: &Table<'_>, measured: &[Measured], seed: u64) -> Option<Metric> {
    bootstrap(&table.groups, seed, true_regions(measured), |at| {
        let all = at.iter().filter_map(|&i| measured[i].detections.as_ref()).flat_map(BTreeMap::values);
        detection_f(all, DETECTION_SCORE_MIN)
    })
}

fn true_regions(measured: &[Measured]) -> usize {
    measured.iter().filter_map(|m| m.detections.as_ref()).flat_map(BTreeMap::values).map(|d| d.truths).sum()
}

fn latency(measured: &[Measured]) -> LatencyMs {
    let mut times: Vec<f64> = measured.iter().map(|m| m.seconds * 1e3).collect();
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
    LatencyMs { p50: at(50).copied().unwrap_or(0.0), p99: at(99).copied().unwrap_or(0.0) }
}

/// As if these rows had been measured; the figures are empty but for the counts.
#[cfg(test)]
pub(super) fn from_rows(predictions: Vec<PredictionRow>) -> Evaluation {
    let groups: std::collections::BTreeSet<&str> = predictions.iter().map(|row| row.group.as_str()).collect();
    let groups = groups.len();
    let model = ModelRef { name: "test".into(), hash: String::new() };
    let mut report = report(&[], &[], Vec::new(), 1, model);
    (report.n, report.groups) = (predictions.len(), groups);
    Evaluation { report, predictions }
}
