//! Cross-validation by unit: what a training gives on units that it has never seen.

use super::evaluate::{Evaluation, summary};
use super::measure::measure_all;
use super::progress::Progress;
use super::split::deal;
use super::train::train;
use super::{LearnError, TrainSettings};
use crate::domain::{LabelledItem, ModelRef};
use crate::infer::Model;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// The key of a data set's own folds.
const FOLD: &str = "fold";

/// What the trainings of all folds came to.
pub struct CrossValidation {
    /// Of each item by the training that has not seen its unit.
    pub evaluation: Evaluation,
    pub folds: usize,
    /// Of training alone, mean over the folds.
    pub seconds_per_training: f64,
}

/// Trains once for each fold on the items of all others, from nothing or from `init`, and measures that model on the fold. The
/// data set's own folds are used where every item has one, else groups are dealt into `folds`
/// parts by seeded hash, class by class.
pub fn cross_validate(
    items: &[LabelledItem],
    settings: &TrainSettings,
    init: Option<&Model>,
    folds: usize,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(usize, &Progress),
) -> Result<CrossValidation, LearnError> {
    let fold_of = folds_of(items, settings.seed, folds);
    let folds: BTreeSet<usize> = fold_of.iter().copied().collect();
    if folds.len() < 2 {
        return Err(LearnError::TooLittle("cross-validation takes at least two folds".to_owned()));
    }
    let settings = TrainSettings { evidence_share: 0.0, ..settings.clone() };
    let (mut measured, mut skipped, mut seconds) = (Vec::new(), Vec::new(), 0.0);
    let mut hasher = blake3::Hasher::new();
    for &fold in &folds {
        let (held, rest): (Vec<usize>, Vec<usize>) = (0..items.len()).partition(|&at| fold_of[at] == fold);
        let pick = |at: &[usize]| -> Vec<LabelledItem> { at.iter().map(|&at| items[at].clone()).collect() };
        let start = Instant::now();
        let report = train(&pick(&rest), &settings, init, cancel, &mut |p| progress(fold, p))?;
        if report.stopped {
            return Err(LearnError::Cancelled);
        }
        seconds += start.elapsed().as_secs_f64();
        hasher.update(report.model.model_ref().hash.as_bytes());
        let first = measured.len();
        skipped.extend(measure_all(&report.model, &pick(&held), &mut measured, cancel, &mut |_, _| {})?);
        for one in &mut measured[first..] {
            one.item = held[one.item];
        }
    }
    let model =
        ModelRef { name: format!("{} trainings", folds.len()), hash: hasher.finalize().to_hex().to_string() };
    Ok(CrossValidation {
        evaluation: summary(items, &measured, skipped, settings.seed, model),
        folds: folds.len(),
        seconds_per_training: seconds / folds.len() as f64,
    })
}

/// The fold of each item: the data's own, or dealt.
pub(super) fn folds_of(items: &[LabelledItem], seed: u64, folds: usize) -> Vec<usize> {
    own_folds(items).unwrap_or_else(|| deal(items, seed, folds))
}

/// The folds that came with the data, numbered; `None` where an item has none.
fn own_folds(items: &[LabelledItem]) -> Option<Vec<usize>> {
    let names: Option<Vec<String>> =
        items.iter().map(|item| item.extra.get(FOLD).map(ToString::to_string)).collect();
    let names = names?;
    let numbers: BTreeMap<&str, usize> = names
        .iter()
        .map(String::as_str)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .enumerate()
        .map(|(i, name)| (name, i))
        .collect();
    Some(names.iter().map(|name| numbers[name.as_str()]).collect())
}
