//! The verbs of releases: which model stands where, into shadow, onto a share of the line, live, and back.

use super::Report;
use super::args::Canary;
use super::verbs::{ACTOR, to_json};
use crate::domain::{ModelRef, Release};
use crate::engine::{self, EngineError, Line, Proof, find_model};
use serde_json::{Value, json};
use std::path::Path;

/// Every package that can be used here, with its state, and those of which only the log knows.
pub fn models(folder: &Path) -> Result<Report, EngineError> {
    let line = Line::open(folder, ACTOR)?;
    let releases = line.releases()?;
    let mut rows: Vec<Value> = engine::model_names(Some(folder))
        .into_iter()
        .map(|name| match find_model(Some(folder), &name) {
            Ok(model) => row(&releases, model.model_ref()),
            Err(error) => json!({ "model": name, "state": "broken", "reason": error.to_string() }),
        })
        .collect();
    let is_listed = |rows: &[Value], hash: &str| rows.iter().any(|row| row["hash"] == hash);
    for release in &releases {
        if !is_listed(&rows, &release.model.hash) {
            rows.push(row(&releases, &release.model));
        }
    }
    Ok(Report::ok(Value::Array(rows)))
}

fn row(releases: &[Release], model: &ModelRef) -> Value {
    match releases.iter().find(|release| release.model == *model) {
        Some(release) => json!({
            "model": model.name,
            "state": release.state,
            "hash": model.hash,
            "since": release.since,
            "reason": release.reason,
            "share": release.canary.as_ref().map(|canary| canary.share),
        }),
        // A package that nobody has brought onto the line yet.
        None => json!({ "model": model.name, "state": "candidate", "hash": model.hash }),
    }
}

pub fn promote(folder: &Path, model: &str, reason: Option<&str>) -> Result<Report, EngineError> {
    let mut line = Line::open(folder, ACTOR)?;
    let model = find_model(Some(folder), model)?;
    if let Some(failed) = line.failed_audit(&model)?.filter(|_| reason.is_none()) {
        let why = format!("it lacks {failed}. Hint: say with --reason why it is to be live all the same");
        return Err(EngineError::Refused { why, support: Box::new(None) });
    }
    line.promote(&model, ACTOR, reason.unwrap_or("promoted from the command line"))?;
    live(&line)
}

pub fn rollback(folder: &Path, reason: &str) -> Result<Report, EngineError> {
    let mut line = Line::open(folder, ACTOR)?;
    line.rollback(ACTOR, reason)?;
    live(&line)
}

fn live(line: &Line) -> Result<Report, EngineError> {
    let settings = line.store.view().settings()?;
    Ok(Report::ok(json!({
        "model": settings.model,
        "level": settings.level,
        "policy": settings.policy,
    })))
}

pub fn shadow(folder: &Path, model: &str, reason: &str) -> Result<Report, EngineError> {
    let mut line = Line::open(folder, ACTOR)?;
    let model = line.shadow(model, ACTOR, reason)?;
    Ok(Report::ok(row(&line.releases()?, &model)))
}

pub fn retire(folder: &Path, model: &str, reason: &str) -> Result<Report, EngineError> {
    let mut line = Line::open(folder, ACTOR)?;
    let model = line.retire(model, ACTOR, reason)?;
    Ok(Report::ok(row(&line.releases()?, &model)))
}

pub fn canary(args: &Canary) -> Result<Report, EngineError> {
    let mut line = Line::open(&args.line, ACTOR)?;
    let proof = if args.force { Proof::Waived } else { Proof::Required };
    let reason = args.reason.as_deref().unwrap_or("from the command line");
    let release = line.canary(&args.model, args.share, proof, ACTOR, reason)?;
    Ok(Report::ok(to_json(&release)?))
}

pub fn compare(folder: &Path, model: &str) -> Result<Report, EngineError> {
    let line = Line::open(folder, ACTOR)?;
    let model = find_model(Some(folder), model)?;
    if line.store.view().settings()?.model.as_ref() == Some(model.model_ref()) {
        return Ok(Report::ok(to_json(&engine::beside_people(&line)?)?));
    }
    let mut json = to_json(&engine::compare(&line, &model)?)?;
    json["checklist"] = to_json(&line.canary_checklist(&model)?)?;
    Ok(Report::ok(json))
}
