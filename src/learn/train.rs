//! The training loop, from labelled items to a candidate package.

use super::LearnError;
use super::augment::{Example, example};
use super::calibrate::calibration;
use super::data::{self, Loaded, Sample, unusable};
use super::evaluate::evaluate;
use super::metrics::average_precision;
use super::settings::{EPOCHS_DEFAULT, TrainSettings, choose_input};
use super::split::{Part, split};
use crate::domain::{Label, LabelledItem, Task};
use crate::infer::{
    Calibration, DataNote, EvidenceGroup, FORMAT_VERSION, InputSpec, Manifest, Metric, Model, RawScores,
    RegionSettings, TrainingNote, raw_scores, weights_from_bytes, weights_to_bytes,
};
use crate::nn::{
    Graph, ITEM_OUTPUT, Optimiser, PIXEL_OUTPUT, PIXEL_STRIDE, Plan, Schedule, TrainNet, Weights,
    defect_network, weighted_bce,
};
use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Share of the training that warms the learning rate up.
const WARM_UP: f64 = 0.08;
/// Epochs without a better validation score before training stops early.
const PATIENCE: usize = 20;
/// How much more a defect's pixel weighs than a good one.
const PIXEL_POSITIVE: f32 = 2.0;
/// Parts of the loss beside the item's own.
const PIXEL_PART: f64 = 4.0;
const OVERLAP_PART: f64 = 1.0;
const HEAD_PART: f64 = 0.5;
/// Logits at the start: defects are rare, and without this the first epoch only learns that.
const PIXEL_PRIOR: f32 = -4.0;
const ITEM_PRIOR: f32 = -2.0;
/// Half of the drawn items are defective, as far as there are any.
const DEFECTIVE_SHARE: f64 = 0.5;
/// Regions: least calibrated score, least cells, largest number.
const REGION_SCORE_MIN: f64 = 0.02;
const REGION_CELLS_MIN: usize = 2;
const REGION_COUNT_MAX: usize = 32;

/// Where a training stands; sent after every batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// From 1; 0 while data are loaded.
    pub epoch: usize,
    pub epochs: Option<usize>,
    /// Share of the whole training that is done.
    pub done: f64,
    /// Mean of the running epoch.
    pub loss: f64,
    /// Of the last finished epoch, and the best so far (0 to 1).
    pub validation: Option<f64>,
    pub best: Option<f64>,
    pub seconds: f64,
    pub seconds_left: Option<f64>,
}

/// What a training made.
pub struct TrainReport {
    /// The candidate; [`Model::save`] writes it.
    pub model: Model,
    /// On the evidence groups.
    pub metrics: BTreeMap<String, Metric>,
    pub seconds: f64,
    pub epochs: usize,
    pub best_epoch: usize,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    pub skipped: Vec<(String, String)>,
}

/// Trains a candidate. `init` gives first weights where layers agree in name and shape. Setting
/// `cancel` ends the training with the best weights so far (an error if there are none yet).
///
/// With `epochs` and no `minutes`, the package's bytes are the same for the same items, settings
/// and number of threads.
pub fn train(
    items: &[LabelledItem],
    settings: &TrainSettings,
    init: Option<&Model>,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(&Progress),
) -> Result<TrainReport, LearnError> {
    let start = Instant::now();
    let mut skipped = Vec::new();
    let mut usable = Vec::with_capacity(items.len());
    for item in items {
        match unusable(item) {
            Some(reason) => skipped.push((item.name.clone(), reason)),
            None => usable.push(item),
        }
    }
    let mut classes = data::classes(&usable);
    if let Some(init) = init {
        // Classes of the initial model keep their places, so that its heads still fit.
        let mut merged = init.manifest().classes.clone();
        merged.extend(classes.into_iter().filter(|c| !init.manifest().classes.contains(c)));
        classes = merged;
    }
    if classes.len() < 2 || !usable.iter().any(|i| i.label.is_good()) {
        return Err(LearnError::TooLittle(
            "it takes good items and at least one class of defects".to_owned(),
        ));
    }
    let spec = match (&settings.input, init) {
        (Some(spec), _) => spec.clone(),
        (None, Some(init)) => init.manifest().input.clone(),
        (None, None) => choose_input(&data::look(&usable)?),
    };
    let loaded = data::load(&usable, &spec, &classes[1..], cancel)?;
    skipped.extend(loaded.skipped.iter().cloned());
    let kept: Vec<&LabelledItem> = loaded.samples.iter().map(|s| usable[s.item]).collect();
    let parts = split(&kept, settings.seed, settings.validation_share, settings.evidence_share);
    let mut run = Run::new(settings, &spec, &classes, &loaded, &parts, init, start)?;
    let stopped = run.epochs(cancel, progress)?;
    let (best_epoch, epochs) = (run.best_epoch, run.epoch);
    let model = run.finish(&kept, &parts, &loaded)?;
    Ok(TrainReport {
        metrics: model.manifest().metrics.clone(),
        model,
        seconds: start.elapsed().as_secs_f64(),
        epochs,
        best_epoch,
        stopped,
        skipped,
    })
}

/// One training under way.
struct Run<'a> {
    settings: &'a TrainSettings,
    spec: &'a InputSpec,
    classes: &'a [String],
    train: Vec<&'a Sample>,
    validation: Vec<&'a Sample>,
    draw: Vec<f64>,
    graph: Graph,
    net: TrainNet,
    optimiser: Optimiser,
    start: Instant,
    started_epochs: Instant,
    epoch: usize,
    best: Option<(f64, Weights)>,
    best_epoch: usize,
    last: Option<f64>,
}

impl<'a> Run<'a> {
    fn new(
        settings: &'a TrainSettings,
        spec: &'a InputSpec,
        classes: &'a [String],
        loaded: &'a Loaded,
        parts: &[Part],
        init: Option<&Model>,
        start: Instant,
    ) -> Result<Self, LearnError> {
        let of = |part: Part| -> Vec<&Sample> {
            loaded.samples.iter().zip(parts).filter(|(_, p)| **p == part).map(|(s, _)| s).collect()
        };
        let (train, validation) = (of(Part::Train), of(Part::Validation));
        if train.is_empty() || validation.is_empty() {
            return Err(LearnError::TooLittle(format!(
                "{} items train and {} validate; more groups are needed",
                train.len(),
                validation.len()
            )));
        }
        let graph = defect_network(spec.planes(), classes.len() - 1);
        let mut net = TrainNet::new(&graph, settings.seed)?;
        net.adopt(&priors(&graph, classes.len() - 1))?;
        if let Some(init) = init {
            let weights = weights_from_bytes(init.package().1)?;
            if net.adopt(&weights)? == 0 {
                return Err(LearnError::Initial("no layer agrees in name and shape".to_owned()));
            }
        }
        let schedule = Schedule { peak: settings.rate, warm_up: WARM_UP };
        let optimiser = Optimiser::new(net.vars(), schedule, settings.weight_decay)?;
        let draw = draw_weights(&train);
        Ok(Self {
            settings,
            spec,
            classes,
            train,
            validation,
            draw,
            graph,
            net,
            optimiser,
            start,
            started_epochs: Instant::now(),
            epoch: 0,
            best: None,
            best_epoch: 0,
            last: None,
        })
    }

    fn epochs_wanted(&self) -> Option<usize> {
        match (self.settings.epochs, self.settings.minutes) {
            (None, None) => Some(EPOCHS_DEFAULT),
            (epochs, _) => epochs,
        }
    }

    /// Share done, by epochs or by minutes, whichever is further.
    fn done(&self, within_epoch: f64) -> f64 {
        let by_epochs = self
            .epochs_wanted()
            .map_or(0.0, |all| ((self.epoch.saturating_sub(1)) as f64 + within_epoch) / all.max(1) as f64);
        let minutes = self.start.elapsed().as_secs_f64() / 60.0;
        let by_minutes = self.settings.minutes.map_or(0.0, |all| minutes / all.max(1e-6));
        by_epochs.max(by_minutes).min(1.0)
    }

    /// Runs all epochs; `true` when it was stopped from outside.
    fn epochs(
        &mut self,
        cancel: &AtomicBool,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<bool, LearnError> {
        self.started_epochs = Instant::now();
        loop {
            self.epoch += 1;
            if !self.one_epoch(cancel, progress)? {
                return if self.best.is_some() { Ok(true) } else { Err(LearnError::Stopped) };
            }
            let weights = self.net.weights()?;
            let plan = Plan::new(&self.graph, &weights)?;
            let score = validation_score(&self.scores(&plan, &self.validation)?, &self.validation);
            self.last = Some(score);
            if self.best.as_ref().is_none_or(|(best, _)| score > *best) {
                self.best = Some((score, weights));
                self.best_epoch = self.epoch;
            }
            progress(&self.progress(1.0, 0.0));
            let out_of_patience = self.epoch >= self.best_epoch + PATIENCE;
            if self.done(1.0) >= 1.0 || out_of_patience {
                return Ok(false);
            }
        }
    }

    /// `false` when it was stopped, or when the minutes are over in the middle of an epoch and
    /// there are weights to keep.
    fn one_epoch(
        &mut self,
        cancel: &AtomicBool,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<bool, LearnError> {
        let order = draw_epoch(&self.draw, self.train.len(), self.settings.seed, self.epoch);
        let (mut sum, mut batches) = (0.0, 0_usize);
        let total = order.len().div_ceil(self.settings.batch.max(1));
        for batch in order.chunks(self.settings.batch.max(1)) {
            if cancel.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let within = batches as f64 / total as f64;
            sum += self.step(batch, batches, self.done(within))?;
            batches += 1;
            progress(&self.progress(batches as f64 / total as f64, sum / batches as f64));
        }
        Ok(true)
    }

    fn step(&mut self, batch: &[usize], number: usize, done: f64) -> Result<f64, LearnError> {
        let (seed, epoch) = (self.settings.seed, self.epoch as u64);
        let (train, spec, augmentation) = (&self.train, self.spec, &self.settings.augmentation);
        let first = (number * self.settings.batch) as u64;
        let examples: Vec<Example> = batch
            .par_iter()
            .enumerate()
            .map(|(i, &at)| example(train[at], spec, augmentation, [seed, epoch, first + i as u64]))
            .collect();
        let shape = (batch.len(), spec.planes(), spec.height_px as usize, spec.width_px as usize);
        let values: Vec<f32> = examples.iter().flat_map(|e| e.values.iter().copied()).collect();
        let input = Tensor::from_vec(values, shape, &Device::Cpu)?;
        let outputs = self.net.forward(&input)?;
        let (Some(pixels), Some(item)) = (outputs.get(PIXEL_OUTPUT), outputs.get(ITEM_OUTPUT)) else {
            return Err(LearnError::Initial("the graph lacks an output".to_owned()));
        };
        let loss = loss(pixels, item, &examples)?;
        let value = f64::from(loss.to_scalar::<f32>()?);
        if !value.is_finite() {
            return Err(LearnError::Diverged { epoch: self.epoch });
        }
        self.optimiser.step(&loss.backward()?, done)?;
        Ok(value)
    }

    fn progress(&self, within: f64, loss: f64) -> Progress {
        let done = self.done(within);
        let spent = self.started_epochs.elapsed().as_secs_f64();
        let by_share = (done > 0.0).then(|| spent / done * (1.0 - done));
        Progress {
            epoch: self.epoch,
            epochs: self.epochs_wanted(),
            done,
            loss,
            validation: self.last,
            best: self.best.as_ref().map(|b| b.0),
            seconds: self.start.elapsed().as_secs_f64(),
            seconds_left: by_share,
        }
    }

    fn scores(&self, plan: &Plan, samples: &[&Sample]) -> Result<Vec<RawScores>, LearnError> {
        let scores: Result<Vec<RawScores>, _> =
            samples.par_iter().map(|s| raw_scores(plan, self.spec, &s.input)).collect();
        Ok(scores?)
    }

    /// Calibrates the best weights on the validation groups, measures them on the evidence groups
    /// and packs them.
    fn finish(self, kept: &[&LabelledItem], parts: &[Part], loaded: &Loaded) -> Result<Model, LearnError> {
        let Some((_, weights)) = &self.best else { return Err(LearnError::Stopped) };
        let plan = Plan::new(&self.graph, weights)?;
        let scores = self.scores(&plan, &self.validation)?;
        let pairs: Vec<(Vec<f64>, Vec<bool>)> = scores
            .iter()
            .zip(&self.validation)
            .map(|(raw, s)| {
                let classes = (0..raw.item.len()).map(|c| f64::from(raw.class_score(c))).collect();
                (classes, s.positive.clone())
            })
            .collect();
        let bytes = weights_to_bytes(weights)?;
        let mut manifest = self.manifest(calibration(&pairs), pixel_threshold(&scores, &self.validation).0);
        manifest.data.hash.clone_from(&loaded.hash);
        manifest.data.items = kept.len();
        manifest.data.groups =
            kept.iter().map(|i| i.group.as_str()).collect::<std::collections::BTreeSet<_>>().len();
        manifest.weights_blake3 = blake3::hash(&bytes).to_hex().to_string();
        let pack = |manifest: &Manifest| -> Result<Model, LearnError> {
            Ok(Model::from_bytes(&serde_json::to_vec_pretty(manifest)?, &bytes)?)
        };
        let evidence: Vec<LabelledItem> = kept
            .iter()
            .zip(parts)
            .filter(|(_, p)| **p == Part::Evidence)
            .map(|(i, _)| (*i).clone())
            .collect();
        if !evidence.is_empty() {
            let measured = evaluate(
                &pack(&manifest)?,
                &evidence,
                self.settings.seed,
                &AtomicBool::new(false),
                &mut |_, _| {},
            )?;
            manifest.metrics = measured.report.metrics();
            manifest.evidence = evidence_groups(&evidence, &measured.predictions);
        }
        pack(&manifest)
    }

    fn manifest(&self, calibration: Calibration, pixel_logit: f32) -> Manifest {
        let s = self.settings;
        Manifest {
            format_version: FORMAT_VERSION,
            name: s.name.clone(),
            task: Task::Defect,
            classes: self.classes.to_vec(),
            input: self.spec.clone(),
            graph: self.graph.clone(),
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
                ..DataNote::default()
            },
            metrics: BTreeMap::new(),
            evidence: Vec::new(),
            training: TrainingNote {
                command: s.command.clone(),
                seed: s.seed,
                threads: rayon::current_num_threads(),
                epochs: self.epoch,
                best_epoch: self.best_epoch,
                settings: serde_json::to_value(s).unwrap_or_default(),
            },
            weights_blake3: String::new(),
        }
    }
}

/// Biases of the two heads before training.
fn priors(graph: &Graph, defects: usize) -> Weights {
    [(PIXEL_OUTPUT, PIXEL_PRIOR), (ITEM_OUTPUT, ITEM_PRIOR)]
        .into_iter()
        .filter_map(|(role, bias)| {
            Some((format!("{}.bias", graph.outputs.get(role)?), (vec![defects], vec![bias; defects])))
        })
        .collect()
}

/// How likely each training item is drawn: half of the draws are defective, and among the
/// defective a class with few items gets more than its share (by the square root of its count).
fn draw_weights(train: &[&Sample]) -> Vec<f64> {
    let classes = train.first().map_or(0, |s| s.positive.len());
    let counts: Vec<f64> =
        (0..classes).map(|c| train.iter().filter(|s| s.positive[c]).count() as f64).collect();
    let raw: Vec<f64> = train
        .iter()
        .map(|s| {
            let rarest = s
                .positive
                .iter()
                .zip(&counts)
                .filter(|(p, _)| **p)
                .map(|(_, n)| *n)
                .fold(f64::INFINITY, f64::min);
            if rarest.is_finite() { 1.0 / rarest.sqrt() } else { 1.0 }
        })
        .collect();
    let sum = |defective: bool| -> f64 {
        train.iter().zip(&raw).filter(|(s, _)| s.is_defective() == defective).map(|(_, w)| w).sum()
    };
    let (good, defective) = (sum(false), sum(true));
    train
        .iter()
        .zip(&raw)
        .map(|(s, w)| {
            if s.is_defective() {
                w / defective * DEFECTIVE_SHARE
            } else {
                w / good * (1.0 - DEFECTIVE_SHARE)
            }
        })
        .collect()
}

/// As many draws as there are items, spread evenly over the weights (systematic sampling), in
/// random order.
fn draw_epoch(weights: &[f64], n: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (epoch as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let total: f64 = weights.iter().sum();
    let step = total / n as f64;
    let mut next = rng.random::<f64>() * step;
    let mut reached = 0.0;
    let mut order = Vec::with_capacity(n);
    for (at, weight) in weights.iter().enumerate() {
        reached += weight;
        while next < reached && order.len() < n {
            order.push(at);
            next += step;
        }
    }
    order.shuffle(&mut rng);
    order
}

/// Per-pixel cross-entropy and overlap, plus cross-entropy of the item's score exactly as it is
/// used: the highest pixel or the whole item's logit, whichever is higher.
fn loss(pixels: &Tensor, item: &Tensor, examples: &[Example]) -> Result<Tensor, LearnError> {
    let (n, classes, rows, columns) = pixels.dims4()?;
    let gather = |pick: fn(&Example) -> &Vec<f32>| -> Vec<f32> {
        examples.iter().flat_map(|e| pick(e).iter().copied()).collect()
    };
    let (target, valid) = (gather(|e| &e.target), gather(|e| &e.weight));
    let weight: Vec<f32> = valid.iter().zip(&target).map(|(v, t)| v * (1.0 + PIXEL_POSITIVE * t)).collect();
    let per_pixel = weighted_bce(pixels, target.clone(), weight, (n * rows * columns) as f32)?;

    let (y, v) = (gather(|e| &e.item_target), gather(|e| &e.item_weight));
    let count: f32 = v.iter().sum::<f32>().max(1.0) / classes as f32;
    let most = pixels.reshape((n, classes, rows * columns))?.max(2)?;
    let whole = item.reshape((n, classes))?;
    let own = weighted_bce(&most.maximum(&whole)?, y.clone(), v.clone(), count)?;
    let heads = (weighted_bce(&most, y.clone(), v.clone(), count)? + weighted_bce(&whole, y, v, count)?)?;

    let overlap = overlap_loss(pixels, target, &valid)?;
    Ok((((per_pixel * PIXEL_PART)? + own)? + ((heads * HEAD_PART)? + (overlap * OVERLAP_PART)?)?)?)
}

/// 1 − Dice coefficient, averaged over the pairs of item and class that have defect pixels.
fn overlap_loss(pixels: &Tensor, target: Vec<f32>, valid: &[f32]) -> Result<Tensor, LearnError> {
    let (n, classes, rows, columns) = pixels.dims4()?;
    let plane = rows * columns;
    let has: Vec<f32> = target
        .chunks_exact(plane)
        .zip(valid.chunks_exact(plane))
        .map(|(t, v)| if v[0] > 0.0 && t.iter().sum::<f32>() > 0.0 { 1.0 } else { 0.0 })
        .collect();
    let count = has.iter().sum::<f32>().max(1.0);
    let target = Tensor::from_vec(target, (n * classes, plane), &Device::Cpu)?;
    let has = Tensor::from_vec(has, n * classes, &Device::Cpu)?;
    let logits = pixels.reshape((n * classes, plane))?;
    // σ through tanh: candle can differentiate it, and it does not overflow.
    let p = (((logits * 0.5)?.tanh()? + 1.0)? * 0.5)?;
    let both = (&p * &target)?.sum(1)?;
    let either = (p.sum(1)? + target.sum(1)?)?;
    let dice = (((both * 2.0)? + 1.0)? / (either + 1.0)?)?;
    Ok(((1.0 - dice)? * has)?.sum_all()?.affine(1.0 / f64::from(count), 0.0)?)
}

/// Average precision of "defective", and the pixels' overlap at its best threshold where there are
/// masks, in equal parts; 0 to 1.
fn validation_score(scores: &[RawScores], samples: &[&Sample]) -> f64 {
    let pairs: Vec<(f64, bool)> =
        scores.iter().zip(samples).map(|(raw, s)| (f64::from(raw.score()), s.is_defective())).collect();
    let ranking = average_precision(&pairs).unwrap_or(0.0);
    match pixel_threshold(scores, samples).1 {
        Some(overlap) => 0.5 * (ranking + overlap),
        None => ranking,
    }
}

/// The logit threshold with the best overlap of predicted and true defect cells, and that overlap
/// (`None`, and 0, without masks).
fn pixel_threshold(scores: &[RawScores], samples: &[&Sample]) -> (f32, Option<f64>) {
    let levels: Vec<f32> = (-12..=12_i16).map(|i| f32::from(i) * 0.25).collect();
    let sums = scores
        .par_iter()
        .zip(samples)
        .filter(|(_, s)| !s.unplaced.iter().any(|u| *u))
        .map(|(raw, s)| {
            let truth = cells(s, raw.width, raw.height);
            let plane = raw.width * raw.height;
            let most: Vec<f32> = (0..plane)
                .map(|at| (0..raw.item.len()).map(|c| raw.map(c)[at]).fold(f32::NEG_INFINITY, f32::max))
                .collect();
            levels
                .iter()
                .map(|level| {
                    let mut sums = (0_u64, 0_u64);
                    for (t, z) in truth.iter().zip(&most) {
                        sums.0 += u64::from(*t && z >= level);
                        sums.1 += u64::from(*t || z >= level);
                    }
                    sums
                })
                .collect::<Vec<_>>()
        })
        .reduce(
            || vec![(0, 0); levels.len()],
            |a, b| a.iter().zip(&b).map(|(a, b)| (a.0 + b.0, a.1 + b.1)).collect(),
        );
    if samples.iter().all(|s| s.masks.is_empty()) {
        return (0.0, None);
    }
    let overlap = |s: &(u64, u64)| if s.1 == 0 { 0.0 } else { s.0 as f64 / s.1 as f64 };
    let best = levels.iter().zip(&sums).max_by(|a, b| overlap(a.1).total_cmp(&overlap(b.1)));
    best.map_or((0.0, None), |(level, s)| (*level, Some(overlap(s))))
}

/// Cells at least half covered by a defect of any class.
fn cells(sample: &Sample, width: usize, height: usize) -> Vec<bool> {
    let stride = PIXEL_STRIDE as usize;
    let (_, columns, rows) = sample.input.canvas();
    let mut truth = vec![false; width * height];
    for (_, mask) in &sample.masks {
        for (at, cell) in truth.iter_mut().enumerate() {
            let (x, y) = (at % width * stride, at / width * stride);
            let mut sum = 0_usize;
            for row in y..(y + stride).min(rows) {
                sum += mask[row * columns + x..row * columns + (x + stride).min(columns)]
                    .iter()
                    .map(|&m| usize::from(m))
                    .sum::<usize>();
            }
            *cell |= sum * 2 >= 255 * stride * stride;
        }
    }
    truth
}

/// One score for each group: the smallest defect probability of a defective group's defective
/// items, the largest of a good group's items.
fn evidence_groups(items: &[LabelledItem], predictions: &[super::PredictionRow]) -> Vec<EvidenceGroup> {
    let good: BTreeMap<&str, bool> = items.iter().map(|i| (i.name.as_str(), i.label.is_good())).collect();
    let mut groups: BTreeMap<&str, (Option<f64>, f64)> = BTreeMap::new();
    for row in predictions {
        let score = 1.0 - row.probabilities.get(Label::GOOD).map_or(0.0, |p| p.get());
        let entry = groups.entry(&row.group).or_insert((None, 0.0));
        if good.get(row.media.as_str()).copied().unwrap_or(false) {
            entry.1 = entry.1.max(score);
        } else {
            entry.0 = Some(entry.0.map_or(score, |s| s.min(score)));
        }
    }
    groups
        .into_iter()
        .map(|(group, (defective, good))| EvidenceGroup {
            group: group.to_owned(),
            defective: defective.is_some(),
            score: defective.unwrap_or(good),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BoxPx, LabelStatus, MediaKind, Region, Shape};
    use crate::infer::{InferError, Levels, View, prepare};
    use crate::media::Raster;
    use std::path::Path;

    /// Grey noise; some pictures carry a bright spot, marked by a box.
    fn spots(dir: &Path) -> Vec<LabelledItem> {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        (0..24)
            .map(|i| {
                let mut picture =
                    image::GrayImage::from_fn(64, 64, |_, _| image::Luma([rng.random_range(80..120)]));
                let mut regions = Vec::new();
                if i % 3 == 0 {
                    let (x, y) = (rng.random_range(4..44), rng.random_range(4..44));
                    for (dx, dy) in (0..144).map(|k| (k % 12, k / 12)) {
                        picture.put_pixel(x + dx, y + dy, image::Luma([240]));
                    }
                    let corner = BoxPx::new(x as f32, y as f32, (x + 12) as f32, (y + 12) as f32);
                    regions.push(Region::new("spot", Shape::Box(corner)));
                }
                let name = format!("{i}.png");
                picture.save(dir.join(&name)).unwrap();
                LabelledItem {
                    path: dir.join(&name),
                    name,
                    kind: MediaKind::Image,
                    reference: None,
                    group: format!("g{i}"),
                    label: Label { status: LabelStatus::Confirmed, class: None, regions, transcript: None },
                    votes: Vec::new(),
                    extra: BTreeMap::new(),
                }
            })
            .collect()
    }

    fn small() -> TrainSettings {
        let input = InputSpec {
            width_px: 64,
            height_px: 64,
            channels: 1,
            levels: Levels::PerItem,
            mean: vec![0.5],
            std: vec![0.165],
            view: View::Single,
            reference: false,
        };
        TrainSettings {
            epochs: Some(3),
            batch: 4,
            validation_share: 0.25,
            evidence_share: 0.25,
            input: Some(input),
            ..TrainSettings::default()
        }
    }

    #[test]
    fn two_trainings_give_the_same_package_and_scores_share_one_scale() {
        let dir = tempfile::tempdir().unwrap();
        let items = spots(dir.path());
        let go = || train(&items, &small(), None, &AtomicBool::new(false), &mut |_| {}).unwrap();
        let (a, b) = (go(), go());
        assert_eq!(a.model.package(), b.model.package());
        let manifest = a.model.manifest();
        assert_eq!(manifest.classes, ["good", "spot"]);
        assert_eq!((manifest.data.items, manifest.data.groups), (24, 24));
        assert!(
            manifest.evidence.iter().any(|e| e.defective) && manifest.evidence.iter().any(|e| !e.defective)
        );
        assert!(a.metrics.contains_key("auroc") && a.metrics.contains_key("defect_iou"));
        for item in &items {
            let (image, _) = data::rasters(item).unwrap();
            let out = a.model.predict(&a.model.prepare(&image, None).unwrap()).unwrap();
            let sum: f64 = out.probabilities.values().map(|p| p.get()).sum();
            assert!((sum - 1.0).abs() < 1e-9);
            let defect = 1.0 - out.probabilities["good"].get();
            match out.regions.first().and_then(|r| r.score) {
                Some(score) => assert!((score.get() - defect).abs() < 1e-9, "{score} {defect}"),
                None => assert!(defect < manifest.regions.score_min),
            }
        }
        loads_back_and_refuses_damage(&a.model, dir.path());
        goes_on_from_a_model_and_stops_when_told(&items, &a.model);
    }

    fn loads_back_and_refuses_damage(model: &Model, dir: &Path) {
        let folder = dir.join("package");
        model.save(&folder).unwrap();
        assert_eq!(Model::load(&folder).unwrap().model_ref(), model.model_ref());
        let (manifest, weights) = model.package();
        let says = |m: &[u8], w: &[u8]| Model::from_bytes(m, w).unwrap_err().to_string();
        assert!(says(manifest, &weights[..weights.len() - 1]).contains("damaged"));
        let text = String::from_utf8(manifest.to_vec()).unwrap();
        assert!(says(text.replace("\"classes\"", "\"clases\"").as_bytes(), weights).contains("clases"));
        assert!(
            says(text.replace("\"format_version\": 1", "\"format_version\": 9").as_bytes(), weights)
                .contains("newer")
        );
        // A narrower network in the manifest than in the weights.
        let narrow = text.replace("\"out\": 48", "\"out\": 40");
        let difference = says(narrow.as_bytes(), weights);
        assert!(difference.contains("expected [40, 24, 3, 3]"), "{difference}");
        std::fs::remove_file(folder.join("weights.safetensors")).unwrap();
        assert!(matches!(Model::load(&folder), Err(InferError::Read { what: "weights.safetensors", .. })));
    }

    fn goes_on_from_a_model_and_stops_when_told(items: &[LabelledItem], model: &Model) {
        let cancel = AtomicBool::new(false);
        let mut seen = Vec::new();
        let settings = TrainSettings { epochs: Some(50), input: None, ..small() };
        let report = train(items, &settings, Some(model), &cancel, &mut |p| {
            seen.push(p.done);
            if p.epoch == 2 {
                cancel.store(true, Ordering::Relaxed);
            }
        })
        .unwrap();
        assert!(report.stopped && report.best_epoch == 1, "{}", report.best_epoch);
        assert!(seen.windows(2).all(|w| w[0] <= w[1]));
        let never = AtomicBool::new(true);
        assert!(matches!(train(items, &small(), None, &never, &mut |_| {}), Err(LearnError::Cancelled)));
    }

    #[test]
    fn tiles_are_stitched_and_found_where_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = small();
        if let Some(input) = settings.input.as_mut() {
            input.view = View::Tiles { overlap_px: 16 };
        }
        let report =
            train(&spots(dir.path()), &settings, None, &AtomicBool::new(false), &mut |_| {}).unwrap();
        let image = Raster { width: 150, height: 90, channels: 1, pixels: vec![100; 150 * 90] };
        let input = prepare(&report.model.manifest().input, &image, None).unwrap();
        assert_eq!(input.tile_count(), 6);
        let out = report.model.predict(&input).unwrap();
        assert_eq!((out.heat.width, out.heat.height), (38, 23));
        assert!(out.heat.values.iter().all(|v| (0.0..=1.0).contains(v)));
    }
}
