//! Training a candidate, and going on with a training that was killed.

use super::dataset::{shipped_data, training_items, version_of};
use super::evidence::population_name;
use super::jobs::begun;
use super::task::lower_priority;
use super::{EngineError, Line, TrainJob, find_model};
use crate::domain::{DataVersion, Filter, LabelledItem, ModelRef};
use crate::infer::Model;
use crate::learn::{self, DataTrail, Keeper, Progress, TrainReport, TrainSettings};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Who notes a new candidate.
const TRAINER: &str = "training";

/// How the files of what a training has done so far end.
const CHECKPOINT: &str = ".checkpoint";

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
    let (init, mut settings) = begun(line, &job)?;
    let models = line.store.folder().join("models");
    let name = job.name.unwrap_or_else(|| free_name(&models, &line.plan.name));
    check_free(&models, &name)?;
    settings.name.clone_from(&name);
    let version = version_of(line, &gathered, actor)?;
    settings.population = population_of(line, &version)?;
    settings.line = own_line(line, &version, settings.population.is_some())?;
    let call = Call {
        settings: settings.clone(),
        dataset: version.name.clone(),
        init: init.as_ref().map(|init| init.model_ref().clone()),
    };
    let about = serde_json::to_value(call)
        .map_err(|error| EngineError::Failed(format!("the settings cannot be written: {error}")))?;
    settings.data = trail(Some(version), init.as_ref());
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
    settings.data = trail(version, init.as_ref());
    finish(line, &gathered.items(), &settings, init.as_ref(), &mut keeper, cancel, progress)
}

/// The lists behind a training. A shipped package has none on any line: its data go by its name.
fn trail(version: Option<DataVersion>, init: Option<&Model>) -> DataTrail {
    let manifest = init.map(Model::manifest);
    match manifest.and_then(shipped_data) {
        Some(data) => DataTrail { version, earlier: vec![data], earlier_unknown: false },
        None => DataTrail::of(version, manifest),
    }
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

/// Names of trainings that were broken off on this line, sorted; one that another program runs now is
/// among them.
#[must_use]
pub fn interrupted_trainings(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.join("models")) else { return Vec::new() };
    let names = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter_map(|name| Some(name.strip_prefix('.')?.strip_suffix(CHECKPOINT)?.to_owned())).collect();
    names.sort();
    names
}

/// Gives up what a training that was broken off has learnt.
pub fn discard_training(folder: &Path, name: &str) -> Result<(), EngineError> {
    let path = checkpoint(&folder.join("models"), name);
    fs::remove_file(&path).map_err(EngineError::io("cannot remove the checkpoint", &path))
}

/// Beside the candidate's place; names that begin with a dot are no models.
fn checkpoint(models: &Path, name: &str) -> PathBuf {
    models.join(format!(".{name}{CHECKPOINT}"))
}

fn check_free(models: &Path, name: &str) -> Result<(), EngineError> {
    if models.join(name).exists() {
        return Err(EngineError::Usage(format!("this line already has a model \"{name}\"")));
    }
    Ok(())
}

/// The population that the line's labels are a sample of: known only where all of them were
/// rendered with one setting, and nobody has chosen among them.
fn population_of(line: &Line, version: &DataVersion) -> Result<Option<String>, EngineError> {
    let Some(settings) = &line.plan.simulator else {
        return Ok(None);
    };
    let name = population_name(settings);
    let labels = line.store.view().labels()?;
    let is_sample = is_whole(line, version)? && labels.iter().all(|row| is_of(&row.item.source, &name));
    Ok(is_sample.then_some(name))
}

/// Whether an item was rendered from this population: the name of a data set is that and the seed.
fn is_of(source: &str, population: &str) -> bool {
    let rest = source.strip_prefix("import:").and_then(|name| name.strip_prefix(population));
    let seed = rest.and_then(|rest| rest.strip_prefix(", seed "));
    seed.is_some_and(|seed| seed.parse::<u64>().is_ok())
}

/// Whether a version was frozen without a choice among the labels.
fn is_whole(line: &Line, version: &DataVersion) -> Result<bool, EngineError> {
    let noted = line.store.view().dataset(&version.name)?;
    Ok(noted.is_some_and(|noted| noted.what.filter.is_empty()))
}

/// The line itself, where its labels are of pictures that it took (or were rendered as its simulator does),
/// and nobody has chosen among them: then they show what its pictures look like.
fn own_line(line: &Line, version: &DataVersion, is_rendered: bool) -> Result<Option<String>, EngineError> {
    let view = line.store.view();
    let is_taken = || -> Result<bool, EngineError> {
        Ok(view.labels()?.iter().all(|row| !row.item.source.starts_with("import:")))
    };
    let is_own = is_whole(line, version)? && (is_rendered || is_taken()?);
    Ok(is_own.then(|| line.store.station().to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_rendered_with_the_very_same_settings_is_of_the_population() {
        let population = "motor simulator, defect share 0.5";
        for (source, expected) in [
            ("import:motor simulator, defect share 0.5, seed 7", true),
            ("import:motor simulator, defect share 0.55, seed 7", false),
            ("import:motor simulator, defect share 0.5, background to 2 at 0 over 0, seed 7", false),
            ("import:motor simulator, defect share 0.5, seed 7, copied", false),
            ("inbox", false),
        ] {
            assert_eq!(is_of(source, population), expected, "{source}");
        }
    }
}
