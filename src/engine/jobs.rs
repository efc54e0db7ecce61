//! The long jobs beside a station: import, training, evaluation, export and its check.

use super::data::{Dataset, absolute};
use super::dataset::{self, Wanted, training_items};
use super::line::policy_in_force;
use super::{EngineError, Line, find_model};
use crate::decide::{Seen, decide_item};
use crate::domain::{
    Arrival, Event, Filter, ItemId, LabelledItem, MediaHash, Plan, Policy, Prediction, Task, Timing,
};
use crate::infer::Model;
use crate::labels::{self, CheckReport, CountSheet, Format, Provenance, Skipped};
use crate::learn::{self, CrossValidation, CurvePoint, Evaluation, PredictionRow, Progress, TrainSettings};
use crate::media::encode_jpeg;
use crate::store::{Blobs, Store};
use rayon::prelude::*;
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Items under one commit; a cancelled import keeps what is committed.
const IMPORT_CHUNK: usize = 64;
const SHEET_QUALITY: u8 = 90;

#[derive(Clone, Debug, Default, Serialize)]
pub struct ImportReport {
    pub items: u64,
    pub labels: u64,
    /// Imported before; nothing was written for them.
    pub known: u64,
    pub skipped: Vec<Skipped>,
}

/// Takes a data set into the line. Importing the same again adds nothing.
pub fn import(
    line: &mut Line,
    dataset: Dataset,
    actor: &str,
    cancel: &AtomicBool,
    mut progress: impl FnMut(usize, usize),
) -> Result<ImportReport, EngineError> {
    let source = format!("import:{}", dataset.name);
    let mut report = ImportReport { skipped: dataset.skipped, ..ImportReport::default() };
    let total = dataset.items.len();
    let mut done = 0;
    for chunk in dataset.items.chunks(IMPORT_CHUNK) {
        if cancel.load(Ordering::Relaxed) {
            break;
        }
        let blobs = line.store.blobs().clone();
        let stored: Vec<Result<Stored, Skipped>> =
            chunk.par_iter().map(|item| store_media(&blobs, item)).collect();
        let (labels, known) = line.store.transact::<_, EngineError>(actor, |tx| {
            let (mut labels, mut known) = (0, 0);
            for (item, stored) in chunk.iter().zip(&stored) {
                let Ok(stored) = stored else { continue };
                if tx.knows_file(&source, &item.name, &stored.media)? {
                    known += 1;
                    continue;
                }
                let id = ItemId::generate();
                tx.append(&Event::ItemArrived(arrival(id, item, stored, &source)))?;
                tx.append(&Event::LabelSettled { item: id, label: item.label.clone() })?;
                labels += 1;
            }
            Ok((labels, known))
        })?;
        report.items += labels;
        report.labels += labels;
        report.known += known;
        report.skipped.extend(stored.into_iter().filter_map(Result::err));
        done += chunk.len();
        progress(done, total);
    }
    Ok(report)
}

struct Stored {
    media: MediaHash,
    bytes: u64,
    reference: Option<MediaHash>,
}

fn store_media(blobs: &Blobs, item: &LabelledItem) -> Result<Stored, Skipped> {
    let put = |path: &Path| -> Result<(MediaHash, u64), EngineError> {
        let bytes = fs::read(path).map_err(EngineError::io("cannot read", path))?;
        Ok((blobs.put(&bytes)?, bytes.len() as u64))
    };
    let stored = || -> Result<Stored, EngineError> {
        let (media, bytes) = put(&item.path)?;
        let reference =
            item.reference.as_deref().map(|path| put(path).map(|(media, _)| media)).transpose()?;
        Ok(Stored { media, bytes, reference })
    };
    stored().map_err(|error| Skipped { line: 0, media: Some(item.name.clone()), reason: error.to_string() })
}

fn arrival(id: ItemId, item: &LabelledItem, stored: &Stored, source: &str) -> Arrival {
    Arrival {
        item: id,
        inspection: None,
        unit: item.group.clone(),
        position: None,
        kind: item.kind,
        media: stored.media.clone(),
        bytes: stored.bytes,
        reference: stored.reference.clone(),
        name: item.name.clone(),
        source: source.to_owned(),
        modified_at: None,
        label: Some(item.label.clone()),
        votes: item.votes.clone(),
        extra: item.extra.clone(),
    }
}

/// What to train.
#[derive(Clone, Debug, Default)]
pub struct TrainJob {
    pub filter: Filter,
    /// A frozen version instead of the labels that the filter chooses.
    pub dataset: Option<String>,
    /// Start from this package instead of from nothing.
    pub init: Option<String>,
    pub settings: TrainSettings,
    /// Name of the candidate; a free one when absent.
    pub name: Option<String>,
}

/// The settings that suit the line's labels and the package that is begun with, before anybody changes one.
pub fn suited_settings(
    line: &Line,
    filter: &Filter,
    dataset: Option<&str>,
    init: Option<&str>,
) -> Result<TrainSettings, EngineError> {
    let init = init.map(|name| find_model(Some(line.store.folder()), name)).transpose()?;
    let items = training_items(line, filter, dataset)?.items();
    let settings = settings_for(&line.plan, &items);
    let is_transfer = init.is_some_and(|init| is_of_other_goods(&line.plan, &init));
    Ok(if is_transfer { settings.with_transfer(&items) } else { settings })
}

/// What suits these items on a line of this plan.
pub(super) fn settings_for(plan: &Plan, items: &[LabelledItem]) -> TrainSettings {
    match plan.task {
        Task::Transcribe => TrainSettings::for_speech(&plan.transcript),
        Task::Defect | Task::Classify => {
            TrainSettings { task: Some(plan.task), ..TrainSettings::suited(items) }
        }
    }
}

/// Whether a model names what the line does not know.
fn is_of_other_goods(plan: &Plan, model: &Model) -> bool {
    plan.task != Task::Transcribe && model.manifest().classes.iter().any(|class| plan.route(class).is_none())
}

/// The package that a job's trainings begin with, and how they are to learn: of a model of other goods only
/// weights are taken.
pub(super) fn begun(line: &Line, job: &TrainJob) -> Result<(Option<Model>, TrainSettings), EngineError> {
    let init = job.init.as_deref().map(|name| find_model(Some(line.store.folder()), name)).transpose()?;
    let transfer =
        job.settings.transfer || init.as_ref().is_some_and(|init| is_of_other_goods(&line.plan, init));
    Ok((init, TrainSettings { transfer, ..job.settings.clone() }))
}

/// What the job's training gives on the line's own units, each measured by a training that has not
/// seen it; and the items. No model is kept.
pub fn cross_validate(
    line: &Line,
    job: &TrainJob,
    folds: usize,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(usize, &Progress),
) -> Result<(CrossValidation, Vec<LabelledItem>), EngineError> {
    let items = training_items(line, &job.filter, job.dataset.as_deref())?.items();
    let (init, settings) = begun(line, job)?;
    let cross = learn::cross_validate(&items, &settings, init.as_ref(), folds, cancel, progress)?;
    Ok((cross, items))
}

/// What each of these jobs would give on the line's other units with so many of the labels that the first of
/// them chooses. No model is kept.
pub fn learning_curve(
    line: &Line,
    jobs: &[TrainJob],
    sizes: &[usize],
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(usize, &Progress),
) -> Result<Vec<CurvePoint>, EngineError> {
    let Some(TrainJob { filter, dataset, .. }) = jobs.first() else { return Ok(Vec::new()) };
    let items = training_items(line, filter, dataset.as_deref())?.items();
    let begun: Vec<_> = jobs.iter().map(|job| begun(line, job)).collect::<Result<_, _>>()?;
    let ways: Vec<_> = begun.iter().map(|(init, settings)| (settings, init.as_ref())).collect();
    Ok(learn::learning_curve(&items, &ways, sizes, cancel, progress)?)
}

/// Writes what the job's training would show its network as a JPEG.
pub fn show_examples(line: &Line, job: &TrainJob, out: &Path) -> Result<(), EngineError> {
    let items = training_items(line, &job.filter, job.dataset.as_deref())?.items();
    let sheet = learn::example_sheet(&items, &job.settings)?;
    let bytes = encode_jpeg(&sheet, SHEET_QUALITY).map_err(|error| EngineError::Failed(error.to_string()))?;
    fs::write(out, bytes).map_err(EngineError::io("cannot write", out))
}

/// Measures a model on labelled data that is not imported; the line's policy says what would
/// have been decided. Where pictures of the audit set are among them, that is noted first.
pub fn evaluate(
    line: &mut Line,
    model: &Model,
    dataset: &Dataset,
    seed: u64,
    actor: &str,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Evaluation, EngineError> {
    dataset::note_use(line, model.model_ref(), "evaluate", dataset.sources(), actor)?;
    let mut evaluation = learn::evaluate(model, &dataset.items, seed, cancel, progress)?;
    let policy = policy_in_force(&line.store.view().settings()?, None, Some(&model.model_ref().hash));
    for row in &mut evaluation.predictions {
        row.decision = Some(decision_on(&line.plan, &policy, model, row));
    }
    Ok(evaluation)
}

/// What the line's policy would have decided on this prediction.
fn decision_on(plan: &Plan, policy: &Policy, model: &Model, row: &PredictionRow) -> String {
    let prediction = Prediction {
        model: model.model_ref().clone(),
        probabilities: row.probabilities.clone(),
        regions: Vec::new(),
        transcript: row.transcript.clone(),
        timing: Timing::default(),
        inputs: None,
        features: Vec::new(),
    };
    decide_item(plan, policy, Seen::Predicted(&prediction)).outcome.to_string()
}

/// Writes the line's labels to the new folder `out`, and notes in the log that they left.
pub fn export(
    line: &mut Line,
    format: Format,
    out: &Path,
    filter: &Filter,
    actor: &str,
) -> Result<CountSheet, EngineError> {
    // Exports are the labels, all of them: what others learn from them is beyond this program.
    let all = dataset::listed(line, Wanted::Labels(filter))?;
    let items: Vec<LabelledItem> = all.into_iter().map(|listed| listed.labelled).collect();
    let provenance = Provenance {
        line: line.plan.name.clone(),
        folder: absolute(line.store.folder()).display().to_string(),
        head: Some(line.store.head()?.to_string()),
        exported_at: line.store.now().to_string(),
    };
    let sheet = labels::export(&items, format, out, &provenance)?;
    line.store.transact::<_, EngineError>(actor, |tx| {
        Ok(tx.append(&Event::Exported {
            format: format.to_string(),
            items: sheet.items,
            digest: sheet.digest.clone(),
        })?)
    })?;
    Ok(sheet)
}

/// Reads an export back and compares it with itself, and with the log of the line that it came
/// from (named in its count sheet, or given).
pub fn recheck_export(out: &Path, line: Option<&Path>) -> Result<CheckReport, EngineError> {
    let mut report = labels::check_export(out, None)?;
    let folder = line.map_or_else(|| Path::new(&report.line_folder).to_owned(), Path::to_owned);
    let missing = match Store::open(&folder) {
        Ok(store) if store.view().has_exported(&report.digest)? => None,
        Ok(_) => Some(format!("the log of the line knows no such export: {}", folder.display())),
        Err(error) => Some(format!("cannot compare with the log of the line; name it with --line: {error}")),
    };
    report.differences.extend(missing);
    report.ok = report.differences.is_empty();
    Ok(report)
}
