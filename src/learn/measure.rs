//! What a model says of one labelled item, beside the truth: what the figures are made from.

use super::LearnError;
use super::by_size::Overlap;
use super::data::{decoded, drawn, unusable};
use super::metrics::Detections;
use crate::domain::{BoxPx, InputStats, Label, LabelledItem, Prediction, Probability, Region, Task};
use crate::infer::{InputSpec, Manifest, Model, Output, seen};
use crate::media::{Decoded, Raster};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A detection is right from this overlap on (the measure of the circuit-board literature).
const IOU_RIGHT: f32 = 0.33;
/// Items between two reports of progress.
const CHUNK: usize = 16;

/// What is kept of one item.
pub(super) struct Measured {
    /// Position among the items.
    pub item: usize,
    pub output: Output,
    /// What the model says is in doubt: of one that finds defects 1 − P(good), of one that names items or
    /// writes down what is said that name's or reading's probability. The second is as it would be without the package's calibration.
    pub scores: [f64; 2],
    pub task: Task,
    /// What was said in the line's convention, where that is the task.
    pub said: Option<String>,
    /// What several people answered, in the same convention.
    pub votes: Vec<String>,
    pub overlap: Option<Overlap>,
    /// By class; only where the truth has places.
    pub detections: Option<BTreeMap<String, Detections>>,
    pub seconds: f64,
    pub inputs: InputStats,
    pub secs: Option<f64>,
    pub hash: blake3::Hash,
}

/// Adds what the model says of the items to `measured`; gives those that could not be used, and
/// why.
pub(super) fn measure_all(
    model: &Model,
    items: &[LabelledItem],
    measured: &mut Vec<Measured>,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<(String, String)>, LearnError> {
    let mut skipped = Vec::new();
    for (chunk, part) in items.chunks(CHUNK).enumerate() {
        if cancel.load(Ordering::Relaxed) {
            return Err(LearnError::Cancelled);
        }
        let results: Vec<Result<Measured, String>> =
            part.par_iter().enumerate().map(|(i, item)| measure(model, chunk * CHUNK + i, item)).collect();
        for (item, result) in part.iter().zip(results) {
            match result {
                Ok(one) => measured.push(one),
                Err(reason) => skipped.push((item.name.clone(), reason)),
            }
        }
        progress((chunk * CHUNK + part.len()).min(items.len()), items.len());
    }
    Ok(skipped)
}

fn measure(model: &Model, index: usize, item: &LabelledItem) -> Result<Measured, String> {
    if let Some(reason) = unusable(item) {
        return Err(reason);
    }
    let (decoded, reference, hash) = decoded(item)?;
    let start = Instant::now();
    let input = model.prepare(&decoded, reference.as_ref()).map_err(|error| error.to_string())?;
    let output = model.predict(&input, 1).map_err(|error| error.to_string())?;
    let seconds = start.elapsed().as_secs_f64();
    let manifest = model.manifest();
    let said = model.rule().map(|rule| rule.truth(&item.label));
    let voted = |text: &str| model.rule().map_or_else(|| text.to_owned(), |rule| rule.normalise(text));
    let image = seen(&manifest.input, &decoded).map_err(|error| error.to_string())?;
    let [truths, found] =
        [&item.label.regions, &output.regions].map(|regions| on_picture(&manifest.input, regions));
    let placed = item.label.is_good() || truths.iter().any(|r| r.shape.bounds().is_some());
    let placed = placed && said.is_none();
    Ok(Measured {
        item: index,
        overlap: placed.then(|| overlap(&truths, if output.is_weak { &[] } else { &found }, &image)),
        detections: placed.then(|| detections(&truths, &found)),
        scores: match manifest.task {
            Task::Transcribe => read(&output, manifest.calibration.class_temperature),
            Task::Classify => named(&output, manifest.calibration.class_temperature),
            Task::Defect => suspected(manifest, &output),
        },
        task: manifest.task,
        said,
        votes: item.votes.iter().map(|vote| voted(&vote.label)).collect(),
        output,
        seconds,
        inputs: decoded.stats(),
        secs: match &decoded {
            Decoded::Image(_) => None,
            Decoded::Sound(sound) => Some(sound.secs()),
        },
        hash,
    })
}

/// 1 − P(good), and what it would be without calibration.
fn suspected(manifest: &Manifest, output: &Output) -> [f64; 2] {
    let calibrated = 1.0 - good(output);
    let raw = manifest.calibration.score(calibrated);
    [calibrated, 1.0 / (1.0 + (-raw).exp())]
}

/// The probability of the most probable name, and what it would be without the temperature.
fn named(output: &Output, temperature: f64) -> [f64; 2] {
    let raw = output.probabilities.values().map(|p| p.get().powf(temperature));
    let (most, sum) = raw.fold((0.0_f64, 0.0), |(most, sum), p| (most.max(p), sum + p));
    let calibrated = output.probabilities.values().map(|p| p.get()).fold(0.0, f64::max);
    [calibrated, most / sum]
}

/// The probability of the best reading, and among the readings alone without the temperature.
fn read(output: &Output, temperature: f64) -> [f64; 2] {
    let named = || output.probabilities.iter().filter(|(text, _)| *text != Prediction::OTHER);
    let best = named().map(|(_, p)| p.get()).fold(0.0, f64::max);
    let sum: f64 = named().map(|(_, p)| p.get().powf(temperature)).sum();
    [best, if sum > 0.0 { best.powf(temperature) / sum } else { 0.0 }]
}

/// Places in pixels of the picture that the network sees.
fn on_picture(spec: &InputSpec, regions: &[Region]) -> Vec<Region> {
    regions.iter().map(|region| Region { shape: drawn(spec, &region.shape), ..region.clone() }).collect()
}

/// Defect pixels at source resolution. Regions of
/// the whole item have no pixels of their own, and weak suspicions below the manifest's threshold
/// are not given here: they do not count as found pixels.
fn overlap(truths: &[Region], regions: &[Region], image: &Raster) -> Overlap {
    let (width, height) = (image.width as usize, image.height as usize);
    let mut truth = vec![0_u8; width * height];
    let mut found = vec![0_u8; width * height];
    for region in truths {
        region.shape.draw(width, height, &mut truth);
    }
    for region in regions {
        region.shape.draw(width, height, &mut found);
    }
    let mut sums = Overlap::default();
    for (t, f) in truth.iter().map(|t| *t != 0).zip(found.iter().map(|f| *f != 0)) {
        sums.both += u64::from(t && f);
        sums.either += u64::from(t || f);
        sums.truth += u64::from(t);
    }
    sums
}

/// Greedy matching by falling score: each true region is found at most once.
fn detections(truths: &[Region], regions: &[Region]) -> BTreeMap<String, Detections> {
    let mut by_class: BTreeMap<String, Detections> = BTreeMap::new();
    let truths: Vec<(&str, BoxPx)> =
        truths.iter().filter_map(|r| Some((r.class.as_str(), r.shape.bounds()?))).collect();
    for (class, _) in &truths {
        by_class.entry((*class).to_owned()).or_default().truths += 1;
    }
    let mut taken = vec![false; truths.len()];
    for region in regions {
        let (Some(found), Some(score)) = (region.shape.bounds(), region.score) else { continue };
        let best = truths
            .iter()
            .enumerate()
            .filter(|(i, (class, _))| *class == region.class && !taken[*i])
            .map(|(i, (_, truth))| (i, found.iou(*truth)))
            .filter(|(_, iou)| *iou > IOU_RIGHT)
            .max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((i, _)) = best {
            taken[i] = true;
        }
        by_class.entry(region.class.clone()).or_default().predicted.push((score.get(), best.is_some()));
    }
    by_class
}

/// P(good).
pub(super) fn good(output: &Output) -> f64 {
    output.probabilities.get(Label::GOOD).map_or(0.0, |p| p.get())
}

/// The most probable class.
pub(super) fn answer(probabilities: &BTreeMap<String, Probability>) -> &str {
    let best = probabilities.iter().max_by(|a, b| a.1.get().total_cmp(&b.1.get()).then(b.0.cmp(a.0)));
    best.map_or("", |(class, _)| class)
}
