//! Training a candidate, and going on with a training that was killed.

use super::dataset::{training_items, version_of};
use super::line::population_name;
use super::task::lower_priority;
use super::{EngineError, Line, TrainJob, find_model};
use crate::domain::{DataVersion, Filter, LabelledItem, ModelRef};
use crate::infer::Model;
use crate::learn::{self, DataTrail, Keeper, Progress, TrainReport, TrainSettings};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Who notes a new candidate.
const TRAINER: &str = "training";

/// What a training needs to be called again in the same way.
#[derive(Serialize, Deserialize)]
struct Call {
    settings: TrainSettings,
    dataset: String,
    init: Option<ModelRef>,
}

/// Trains a candidate on the line's labels, which it freezes unless it was given a version, and keeps
/// it under the line's `models/`. The live model does not change. What it has done so far lies beside
/// the candidate's place until that is there.
pub fn train(
    line: &mut Line,
    job: TrainJob,
    actor: &str,
    cancel: &AtomicBool,
    progress: &mut (dyn FnMut(&Progress) + Send),
) -> Result<TrainReport, EngineError> {
    let gathered = training_items(line, &job.filter, job.dataset.as_deref())?;
    let init = job.init.as_deref().map(|name| find_model(Some(line.store.folder()), name)).transpose()?;
    let models = line.store.folder().join("models");
    let name = job.name.unwrap_or_else(|| free_name(&models, &line.plan.name));
    check_free(&models, &name)?;
    let mut settings = job.settings;
    settings.name.clone_from(&name);
    settings.population = population_of(line)?;
    let version = version_of(line, &gathered, actor)?;
    settings.line = own_line(line, &version, settings.population.is_some())?;
    let call = Call {
        settings: settings.clone(),
        dataset: version.name.clone(),
        init: init.as_ref().map(|init| init.model_ref().clone()),
    };
    let about = serde_json::to_value(call)
        .map_err(|error| EngineError::Failed(format!("the settings cannot be written: {error}")))?;
    settings.data = DataTrail::of(Some(version), init.as_ref().map(Model::manifest));
    let mut keeper = Keeper::new(checkpoint(&models, &name), about);
    finish(line, &gathered.items(), &settings, init.as_ref(), &mut keeper, cancel, progress)
}

/// Goes on with the training of this name where it was killed, with its own settings and the labels that
/// it had frozen. It comes to the same package as if nothing had happened.
pub fn resume(
    line: &mut Line,
    name: &str,
    cancel: &AtomicBool,
    progress: &mut (dyn FnMut(&Progress) + Send),
) -> Result<TrainReport, EngineError> {
    let models = line.store.folder().join("models");
    let path = checkpoint(&models, name);
    if !path.is_file() {
        return Err(EngineError::Usage(format!("no training of \"{name}\" was broken off on this line")));
    }
    check_free(&models, name)?;
    let mut keeper = Keeper::open(path)?;
    let call: Call = serde_json::from_value(keeper.about().clone())
        .map_err(|error| EngineError::Failed(format!("the checkpoint of {name} cannot be read: {error}")))?;
    let init = call
        .init
        .map(|wanted| {
            let found = find_model(Some(line.store.folder()), &wanted.name)?;
            if *found.model_ref() == wanted {
                Ok(found)
            } else {
                Err(EngineError::Failed(format!("model {} is not what it was any more", wanted.name)))
            }
        })
        .transpose()?;
    // The same gate as for every training: units that were locked away meanwhile end it here.
    let gathered = training_items(line, &Filter::default(), Some(&call.dataset))?;
    let version = line.store.view().dataset(&call.dataset)?.map(|noted| noted.what.version());
    let mut settings = call.settings;
    settings.data = DataTrail::of(version, init.as_ref().map(Model::manifest));
    finish(line, &gathered.items(), &settings, init.as_ref(), &mut keeper, cancel, progress)
}

fn finish(
    line: &mut Line,
    items: &[LabelledItem],
    settings: &TrainSettings,
    init: Option<&Model>,
    keeper: &mut Keeper,
    cancel: &AtomicBool,
    progress: &mut (dyn FnMut(&Progress) + Send),
) -> Result<TrainReport, EngineError> {
    // On threads of its own, so that it can be the last to get the processor; beside a station of this line
    // on one less, since a core that two share is slower for both, whoever goes first.
    let is_beside_station = line.store.lock_station().is_err();
    let cores = rayon::current_num_threads();
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(if is_beside_station { cores.saturating_sub(1).max(1) } else { cores })
        .thread_name(|number| format!("training-{number}"))
        .start_handler(|_| lower_priority())
        .build()
        .map_err(|error| EngineError::Failed(format!("cannot start the threads of a training: {error}")))?;
    let report = threads.install(|| learn::train_kept(items, settings, init, keeper, cancel, progress))?;
    let name = settings.name.clone();
    let folder = line.store.folder().join("models").join(&name);
    report.model.save(&folder).map_err(|error| EngineError::Model { name, error })?;
    keeper.remove()?;
    line.register(&report.model, TRAINER, "trained on this line")?;
    Ok(report)
}

/// Beside the candidate's place; names that begin with a dot are no models.
fn checkpoint(models: &Path, name: &str) -> PathBuf {
    models.join(format!(".{name}.checkpoint"))
}

fn check_free(models: &Path, name: &str) -> Result<(), EngineError> {
    if models.join(name).exists() {
        return Err(EngineError::Usage(format!("this line already has a model \"{name}\"")));
    }
    Ok(())
}

/// The population that the line's labels are a sample of: known only where all of them were
/// rendered with one setting.
fn population_of(line: &Line) -> Result<Option<String>, EngineError> {
    let Some(settings) = &line.plan.simulator else {
        return Ok(None);
    };
    let name = population_name(settings);
    let prefix = format!("import:{name}");
    let all = line.store.view().labels()?.iter().all(|row| row.item.source.starts_with(&prefix));
    Ok(all.then_some(name))
}

/// The line itself, where its labels are of pictures that it took (or were rendered as its simulator does),
/// and nobody has chosen among them: then they show what its pictures look like.
fn own_line(line: &Line, version: &DataVersion, is_rendered: bool) -> Result<Option<String>, EngineError> {
    let view = line.store.view();
    let is_whole = view.dataset(&version.name)?.is_some_and(|noted| noted.what.filter.is_empty());
    let is_taken = || -> Result<bool, EngineError> {
        Ok(view.labels()?.iter().all(|row| !row.item.source.starts_with("import:")))
    };
    Ok((is_whole && (is_rendered || is_taken()?)).then(|| line.store.station().to_string()))
}

/// `magnet-tiles-1`, `magnet-tiles-2`, …
fn free_name(models: &Path, line: &str) -> String {
    let slug: String =
        line.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let slug = slug.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    let slug = if slug.is_empty() { "model".to_owned() } else { slug };
    let mut number = 1;
    while models.join(format!("{slug}-{number}")).exists() {
        number += 1;
    }
    format!("{slug}-{number}")
}
