//! Finding a model package by name: in the line, among the shipped ones, or a folder.

use super::EngineError;
use crate::domain::{Plan, TranscriptRule};
use crate::infer::{self, InferError, MANIFEST_FILE, Manifest, Model};
use crate::store::Store;
use std::fs;
use std::path::Path;

/// What a replay of predictions calls the model that made them: it knows its scores, and has no package.
pub(super) const SCORES: &str = "scores";

/// `name` is a package of the line, a shipped one, or a folder with a package, in this order. One that writes
/// down what is said does it as the line's plan has it.
pub fn find_model(line: Option<&Path>, name: &str) -> Result<Model, EngineError> {
    let model = package(line, name)?;
    match line {
        Some(folder) if model.rule().is_some() => Ok(model.with_rule(&rule_of(folder)?)),
        _ => Ok(model),
    }
}

fn rule_of(folder: &Path) -> Result<TranscriptRule, EngineError> {
    let path = Store::plan_path(folder);
    let text = fs::read_to_string(&path).map_err(EngineError::io("cannot read the plan", &path))?;
    let plan = Plan::from_toml(&text).map_err(|error| EngineError::Plan { error, path })?;
    Ok(plan.transcript)
}

fn package(line: Option<&Path>, name: &str) -> Result<Model, EngineError> {
    let failed = |error: InferError| EngineError::Model { name: name.to_owned(), error };
    let is_plain_name = !name.contains(['/', '\\']) && name != "." && name != "..";
    if let Some(folder) = line.filter(|_| is_plain_name).map(|line| line.join("models").join(name))
        && folder.is_dir()
    {
        return Model::load(&folder).map_err(failed);
    }
    if infer::shipped_names().contains(&name) {
        return infer::shipped(name).map_err(failed);
    }
    let folder = Path::new(name);
    if folder.is_dir() {
        return Model::load(folder).map_err(failed);
    }
    let known = model_names(line);
    let close = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(candidate, name), candidate))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match close {
        Some((_, candidate)) => format!("; did you mean \"{candidate}\"?"),
        None if name == SCORES => {
            ": a replay of predictions knows it by its scores alone, and it has no package; what they support \
             is in what the replay printed"
                .to_owned()
        }
        None if known.is_empty() => String::new(),
        None => format!(". Hint: there are {}, or name a package's folder", known.join(", ")),
    };
    Err(EngineError::NoSuchModel { name: name.to_owned(), hint })
}

/// What the line's own packages say of themselves, without their weights; one that cannot be read says
/// nothing.
pub(super) fn own_manifests(line: &Path) -> Vec<Manifest> {
    let read = |name: String| {
        let text = fs::read(line.join("models").join(name).join(MANIFEST_FILE)).ok()?;
        serde_json::from_slice(&text).ok()
    };
    model_names(Some(line)).into_iter().filter_map(read).collect()
}

/// Names of the line's packages and the shipped ones, sorted.
#[must_use]
pub fn model_names(line: Option<&Path>) -> Vec<String> {
    let mut names: Vec<String> = infer::shipped_names().into_iter().map(str::to_owned).collect();
    if let Some(entries) = line.and_then(|line| fs::read_dir(line.join("models")).ok()) {
        names.extend(
            entries
                .filter_map(Result::ok)
                .filter(|entry| entry.path().is_dir())
                .filter_map(|entry| entry.file_name().into_string().ok())
                .filter(|name| !name.starts_with('.')),
        );
    }
    names.sort();
    names.dedup();
    names
}
