//! What training gives a new line, by the number of its labels.

use super::cross::folds_of;
use super::evaluate::evaluate;
use super::progress::Progress;
use super::train::train;
use super::{LearnError, TrainSettings};
use crate::domain::LabelledItem;
use crate::infer::{Metric, Model};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

/// Parts that units are dealt into where the data have no folds; the last is measured on.
const FOLDS: usize = 5;

/// One training of a learning curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Items that trained and calibrated, and how many of them are defective.
    pub labels: usize,
    pub defective: usize,
    /// The package that gave the first weights.
    pub init: Option<String>,
    pub seconds: f64,
    /// On units that no training of the curve has seen.
    pub metrics: BTreeMap<String, Metric>,
    /// Why there is no model, where so few labels cannot give one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Trains on growing numbers of labels in each of these ways (settings, and what gives the first weights), and
/// measures on the last fold; the first way's seed deals units into folds. Units come in the order of a seeded
/// hash, as a person would meet them: larger sets hold the smaller ones.
pub fn learning_curve(
    items: &[LabelledItem],
    ways: &[(&TrainSettings, Option<&Model>)],
    sizes: &[usize],
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(usize, &Progress),
) -> Result<Vec<CurvePoint>, LearnError> {
    let Some(seed) = ways.first().map(|(settings, _)| settings.seed) else { return Ok(Vec::new()) };
    let fold_of = folds_of(items, seed, FOLDS);
    let last = fold_of.iter().max().copied().unwrap_or(0);
    let part = |held: bool| items.iter().zip(&fold_of).filter(move |(_, f)| (**f == last) == held);
    let held: Vec<LabelledItem> = part(true).map(|(item, _)| item.clone()).collect();
    let mut pool: Vec<&LabelledItem> = part(false).map(|(item, _)| item).collect();
    pool.sort_by_cached_key(|item| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(item.group.as_bytes());
        *hasher.finalize().as_bytes()
    });
    let mut points = Vec::new();
    for &size in sizes {
        let some: Vec<LabelledItem> = pool.iter().take(size).map(|item| (*item).clone()).collect();
        for &(settings, init) in ways {
            let settings = TrainSettings { evidence_share: 0.0, ..settings.clone() };
            let mut point = CurvePoint {
                labels: some.len(),
                defective: some.iter().filter(|item| !item.label.is_good()).count(),
                init: init.map(|model| model.manifest().name.clone()),
                seconds: 0.0,
                metrics: BTreeMap::new(),
                refused: None,
            };
            match train(&some, &settings, init, cancel, &mut |p| progress(size, p)) {
                Ok(report) if report.stopped => return Err(LearnError::Cancelled),
                Ok(report) => {
                    point.seconds = report.seconds;
                    let measured = evaluate(&report.model, &held, seed, cancel, &mut |_, _| {})?;
                    point.metrics = measured.report.metrics();
                }
                Err(LearnError::TooLittle(reason)) => point.refused = Some(reason),
                Err(error) => return Err(error),
            }
            points.push(point);
        }
    }
    Ok(points)
}
