//! The verbs that are done when they return.

use super::args::{
    Answer, BenchInfer, CrossValidate, Evaluate, Export, Import, LearningCurve, New, Train, Training,
};
use super::{Report, args, output};
use crate::domain::{
    Class, Filter, ItemId, Level, Limit, Plan, Probability, Promise, Region, Route, Shape, Task,
    TranscriptRule, Verdict, VerdictMode, VerdictStatus,
};
use crate::engine::{
    self, DatasetSource, EngineError, Line, LineRequest, ReplayOptions, ReplaySet, TrainJob, find_model,
};
use crate::store::{self, Head, Store};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Who writes events from the command line where no reviewer is named.
pub(super) const ACTOR: &str = "command line";

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<Value, EngineError> {
    serde_json::to_value(value)
        .map_err(|error| EngineError::Failed(format!("cannot be written as JSON: {error}")))
}

pub(super) fn usage(message: impl Into<String>) -> EngineError {
    EngineError::Usage(message.into())
}

/// Set by Ctrl-C and SIGTERM.
pub(super) fn cancel_flag() -> Result<Arc<AtomicBool>, EngineError> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    ctrlc::set_handler(move || set.store(true, Ordering::Relaxed))
        .map_err(|error| EngineError::Failed(format!("cannot listen for Ctrl-C: {error}")))?;
    Ok(flag)
}

pub fn new(args: &New) -> Result<Report, EngineError> {
    let mut plan = if let Some(path) = &args.plan {
        read_plan(path)?
    } else {
        let task = parse_task(args.task.as_deref())?;
        let plan = Plan::new(line_name(&args.line), task, parse_classes(&args.classes)?);
        Plan { transcript: parse_said(args, task)?, ..plan }
    };
    if !args.promise.is_empty() {
        plan.promise = parse_promise(&args.promise)?;
    }
    let request = LineRequest { plan, level: args.level, model: args.model.clone() };
    let line = Line::create(&args.line, request, ACTOR)?;
    let settings = line.store.view().settings()?;
    Ok(Report::ok(json!({
        "line": args.line.display().to_string(),
        "level": settings.level,
        "model": settings.model.map(|model| model.name),
        "classes": line.plan.classes.iter().map(|class| &class.name).collect::<Vec<_>>(),
    })))
}

fn read_plan(path: &Path) -> Result<Plan, EngineError> {
    let text = std::fs::read_to_string(path).map_err(|source| EngineError::Io {
        what: "cannot read the plan",
        source,
        path: path.to_owned(),
    })?;
    Plan::from_toml(&text).map_err(|error| EngineError::Plan { error, path: path.to_owned() })
}

fn line_name(folder: &Path) -> String {
    folder.file_name().map_or_else(|| "line".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn parse_task(text: Option<&str>) -> Result<Task, EngineError> {
    match text {
        Some("defect") => Ok(Task::Defect),
        Some("classify") => Ok(Task::Classify),
        Some("transcribe") => Ok(Task::Transcribe),
        other => {
            Err(usage(format!("--task is defect, classify or transcribe, not \"{}\"", other.unwrap_or(""))))
        }
    }
}

/// What can be said, and how long and with which check digit serial numbers are.
fn parse_said(args: &New, task: Task) -> Result<TranscriptRule, EngineError> {
    let mut rule = TranscriptRule::default();
    let is_asked = !args.words.is_empty() || args.length.is_some() || args.check.is_some();
    if is_asked && task != Task::Transcribe {
        return Err(usage("--words, --length and --check are of lines of task transcribe"));
    }
    rule.words = if args.words == ["digits"] { rule.digits.to_vec() } else { args.words.clone() };
    if let Some(text) = &args.length {
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        let bad = |_| usage(format!("\"{text}\" is not a number of words like 10 or 4..10"));
        rule.words_min = least.parse().map_err(bad)?;
        rule.words_max = most.parse().map_err(bad)?;
    }
    if let Some(text) = &args.check {
        let check = serde_json::from_value(json!(text));
        rule.check = Some(check.map_err(|_| usage(format!("\"{text}\" is not luhn, luhn-36 or mod-11")))?);
    }
    Ok(rule)
}

/// `name:route`; without a route `good` passes and everything else is diverted.
fn parse_classes(texts: &[String]) -> Result<Vec<Class>, EngineError> {
    texts
        .iter()
        .map(|text| {
            let (name, route) = match text.rsplit_once(':') {
                Some((name, "pass")) => (name, Route::Pass),
                Some((name, "divert")) => (name, Route::Divert),
                Some((_, route)) => return Err(usage(format!("\"{route}\" is not a route: pass or divert"))),
                None if text == crate::domain::Label::GOOD => (text.as_str(), Route::Pass),
                None => (text.as_str(), Route::Divert),
            };
            Ok(Class { name: name.to_owned(), route })
        })
        .collect()
}

/// `miss=0.02@0.95`, and `miss:crack=0.005@0.95` for one class.
fn parse_promise(texts: &[String]) -> Result<Promise, EngineError> {
    let mut promise = Promise::default();
    for text in texts {
        let bad =
            || usage(format!("\"{text}\" is not a promise like miss=0.02@0.95 or miss:crack=0.005@0.95"));
        // Names of classes may hold anything, numbers no sign of equality.
        let (what, numbers) = text.rsplit_once('=').ok_or_else(bad)?;
        let (limit, confidence) = numbers.split_once('@').unwrap_or((numbers, "0.95"));
        let number = |text: &str| text.parse().ok().and_then(Probability::new).ok_or_else(bad);
        let limit = Some(Limit { limit: number(limit)?, confidence: number(confidence)? });
        match what.split_once(':') {
            Some(("miss", class)) => promise.class.entry(class.to_owned()).or_default().miss = limit,
            Some(("error", class)) => promise.class.entry(class.to_owned()).or_default().error = limit,
            Some((kind, _)) => {
                return Err(usage(format!("\"{kind}\" cannot be promised of one class; miss and error can")));
            }
            None => match what {
                "outgoing" => promise.outgoing = limit,
                "miss" => promise.miss = limit,
                "overkill" => promise.overkill = limit,
                "error" => promise.error = limit,
                _ => return Err(usage(format!("\"{what}\" is not outgoing, miss, overkill or error"))),
            },
        }
    }
    Ok(promise)
}

pub(super) fn parse_filter(terms: &[String]) -> Result<Filter, EngineError> {
    Filter::parse(terms).map_err(usage)
}

pub fn import(args: &Import) -> Result<Report, EngineError> {
    let mut line = Line::open(&args.line, ACTOR)?;
    let mut simulator = line.plan.simulator.clone().unwrap_or_default();
    simulator.seed = args.seed.unwrap_or(simulator.seed);
    let cancel = cancel_flag()?;
    let dataset = args.dataset.open(&parse_filter(&args.filter)?, &simulator)?;
    let bar = output::bar("importing", dataset.items.len() as u64);
    let report = engine::import(&mut line, dataset, ACTOR, &cancel, |done, _| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    Ok(Report::ok(to_json(&report)?))
}

pub fn train(args: &Train) -> Result<Report, EngineError> {
    let mut line = Line::open(&args.line, ACTOR)?;
    let cancel = cancel_flag()?;
    let mut shown = output::Training::new();
    let mut show = |progress: &engine::Progress| shown.show("", progress);
    let report = if let Some(name) = &args.resume {
        engine::resume(&mut line, name, &cancel, &mut show)?
    } else {
        let mut job = train_job(&line, &args.how, args.init.as_deref())?;
        job.name.clone_from(&args.name);
        job.settings.description.clone_from(&args.description);
        job.settings.licence.clone_from(&args.licence);
        engine::train(&mut line, job, ACTOR, &cancel, &mut show)?
    };
    Ok(Report::ok(json!({
        "model": report.model.model_ref().name,
        "dataset": to_json(&report.model.manifest().data.version)?,
        "metrics": to_json(&report.metrics)?,
        "seconds": report.seconds,
        "epochs": report.epochs,
        "best_epoch": report.best_epoch,
        "stopped": report.stopped,
        "skipped": report.skipped,
    })))
}

fn train_job(line: &Line, how: &Training, init: Option<&str>) -> Result<TrainJob, EngineError> {
    let filter = parse_filter(&how.filter)?;
    let settings = engine::suited_settings(line, &filter, how.dataset.as_deref(), init)?;
    let (dataset, init) = (how.dataset.clone(), init.map(str::to_owned));
    let mut job = TrainJob { filter, dataset, init, settings, ..TrainJob::default() };
    let settings = &mut job.settings;
    settings.seed = how.seed;
    settings.epochs = how.epochs;
    settings.minutes = how.minutes;
    settings.command = command_line();
    settings.view = how.view;
    settings.side_px = how.side.unwrap_or(settings.side_px);
    settings.batch = how.batch.unwrap_or(settings.batch).max(1);
    settings.rate = how.rate.unwrap_or(settings.rate);
    for assignment in &how.set {
        settings.set(assignment).map_err(|why| EngineError::Usage(format!("--set: {why}")))?;
    }
    Ok(job)
}

pub fn examples(folder: &Path, out: &Path, how: &Training) -> Result<Report, EngineError> {
    let line = Line::open(folder, ACTOR)?;
    engine::show_examples(&line, &train_job(&line, how, None)?, out)?;
    Ok(Report::ok(json!({ "written": out })))
}

pub fn cross_validate(args: &CrossValidate) -> Result<Report, EngineError> {
    let line = Line::open(&args.line, ACTOR)?;
    let job = train_job(&line, &args.how, args.init.as_deref())?;
    let cancel = cancel_flag()?;
    let mut shown = output::Training::new();
    let (cross, items) = engine::cross_validate(&line, &job, args.folds, &cancel, &mut |fold, progress| {
        shown.show(&format!("fold {fold}: "), progress);
    })?;
    if let Some(path) = &args.predictions {
        write_lines(path, &cross.evaluation.predictions)?;
    }
    if let Some(folder) = &args.sheet {
        let title = format!("{}: {} trainings", line.plan.name, cross.folds);
        output::warn_of(engine::write_sheet(folder, &title, &cross.evaluation, &items));
    }
    let mut json = to_json(&cross.evaluation.report)?;
    json["folds"] = cross.folds.into();
    json["seconds_per_training"] = cross.seconds_per_training.into();
    Ok(Report::ok(json))
}

pub fn learning_curve(args: &LearningCurve) -> Result<Report, EngineError> {
    let line = Line::open(&args.line, ACTOR)?;
    let ways = std::iter::once(None).chain(args.init.as_deref().map(Some));
    let jobs: Vec<TrainJob> = ways.map(|init| train_job(&line, &args.how, init)).collect::<Result<_, _>>()?;
    let cancel = cancel_flag()?;
    let mut shown = output::Training::new();
    let points = engine::learning_curve(&line, &jobs, &args.sizes, &cancel, &mut |labels, progress| {
        shown.show(&format!("{labels} labels: "), progress);
    })?;
    Ok(Report::ok(json!({ "points": to_json(&points)? })))
}

/// As typed, for the package's record of how it was made; only the program's own path is cut.
fn command_line() -> String {
    let mut words = std::env::args();
    words.next();
    std::iter::once("secondlook".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

pub fn evaluate(args: &Evaluate) -> Result<Report, EngineError> {
    let mut line = Line::open(&args.line, ACTOR)?;
    let model = find_model(Some(&args.line), &args.model)?;
    let mut simulator = line.plan.simulator.clone().unwrap_or_default();
    simulator.seed = args.seed;
    let cancel = cancel_flag()?;
    let mut dataset = args.data.open(&parse_filter(&args.filter)?, &simulator)?;
    if let Some(range) = args.join {
        dataset = dataset.joined(range, args.snr, &line.plan.transcript, args.seed)?;
    }
    let bar = output::bar("evaluating", dataset.items.len() as u64);
    let evaluation =
        engine::evaluate(&mut line, &model, &dataset, args.seed, ACTOR, &cancel, &mut |done, _| {
            bar.set_position(done as u64);
        })?;
    bar.finish_and_clear();
    if let Some(path) = &args.predictions {
        write_lines(path, &evaluation.predictions)?;
    }
    if let Some(folder) = &args.sheet {
        let title = format!("{} on {}", args.model, dataset.name);
        output::warn_of(engine::write_sheet(folder, &title, &evaluation, &dataset.items));
    }
    let mut json = to_json(&evaluation.report)?;
    json["skipped_lines"] = to_json(&dataset.skipped)?;
    Ok(Report::ok(json))
}

fn write_lines<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), EngineError> {
    let failed =
        |source: std::io::Error| EngineError::Io { what: "cannot write", source, path: path.to_owned() };
    let mut file = BufWriter::new(std::fs::File::create(path).map_err(failed)?);
    for row in rows {
        writeln!(file, "{}", to_json(row)?).map_err(failed)?;
    }
    file.flush().map_err(failed)
}

pub fn queue(folder: &Path, limit: usize) -> Result<Report, EngineError> {
    let store = Store::open(folder)?;
    let rows: Vec<Value> = store
        .view()
        .queue(None, limit)?
        .into_iter()
        .map(|row| {
            json!({
                "item": row.item.id,
                "unit": row.item.unit,
                "name": row.item.name,
                "media": row.item.media,
                "reason": row.reason,
                "prediction": row.prediction,
            })
        })
        .collect();
    Ok(Report::ok(Value::Array(rows)))
}

pub fn answer(args: &Answer) -> Result<Report, EngineError> {
    let mut line = Line::open(&args.line, ACTOR)?;
    let item: ItemId =
        args.item.parse().map_err(|_| usage(format!("\"{}\" is not an item's id", args.item)))?;
    let (status, class) = match args.class.as_deref() {
        Some("cannot tell" | "cannot_tell") => (VerdictStatus::CannotTell, None),
        Some("bad input" | "bad_input") => (VerdictStatus::BadInput, None),
        class => (VerdictStatus::Answered, class.map(str::to_owned)),
    };
    let of_class = args.class.as_deref().unwrap_or_default();
    let regions =
        args.region.iter().map(|text| parse_region(text, of_class)).collect::<Result<Vec<_>, _>>()?;
    let settings = line.store.view().settings()?;
    let verdict = Verdict {
        item,
        reviewer: args.reviewer.clone(),
        status,
        class,
        regions,
        transcript: args.transcript.clone(),
        // The command line shows nothing of the model beside the question.
        mode: VerdictMode::Hidden,
        class_before: None,
        model: settings.model,
        policy: settings.policy,
        regions_shown: Vec::new(),
        comment: None,
        seconds: args.seconds,
    };
    let recorded = line.answer(&verdict)?;
    Ok(Report::ok(json!({ "item": recorded.item, "event": recorded.event })))
}

fn parse_region(text: &str, class: &str) -> Result<Region, EngineError> {
    let (class, numbers) = text.rsplit_once(':').unwrap_or((class, text));
    let bad = || usage(format!("\"{text}\" is not a region like 10,20,30,40 or scratch:10,20,30,40"));
    let numbers: Vec<f32> =
        numbers.split(',').map(|n| n.trim().parse()).collect::<Result<_, _>>().map_err(|_| bad())?;
    let &[x1, y1, x2, y2] = numbers.as_slice() else { return Err(bad()) };
    if !(x2 > x1 && y2 > y1 && numbers.iter().all(|n| n.is_finite())) {
        return Err(bad());
    }
    Ok(Region::new(class, Shape::Box(crate::domain::BoxPx::new(x1, y1, x2, y2))))
}

pub fn undo(folder: &Path, reviewer: &str) -> Result<Report, EngineError> {
    let mut line = Line::open(folder, ACTOR)?;
    let recorded = line.undo(reviewer)?;
    Ok(Report::ok(json!({ "item": recorded.item, "event": recorded.event })))
}

pub fn promise(folder: &Path, model: Option<&str>) -> Result<Report, EngineError> {
    let line = Line::open(folder, ACTOR)?;
    let report = engine::promise_report(&line, model)?;
    let support = &report.support;
    let decisive = support.decisive();
    let mut json = to_json(&report)?;
    let summary = json!({
        "supported": support.supported,
        "thresholds": support.thresholds,
        "n": decisive.map(|limit| limit.n),
        "errors": decisive.map(|limit| limit.errors),
        "bound": decisive.map(|limit| limit.bound),
        "confidence": decisive.map(|limit| limit.confidence),
        "labels_needed": support.labels_needed(),
        "automation_rate": support.automation_rate,
        "limits": support.limits,
        "method": support.method,
        "sources": support.sources,
        "missing": support.missing(),
    });
    if let (Value::Object(all), Value::Object(first)) = (&mut json, summary) {
        all.remove("support");
        all.extend(first);
    }
    Ok(Report::ok(json))
}

pub fn adopt(folder: &Path, reason: &str) -> Result<Report, EngineError> {
    let mut line = Line::open(folder, ACTOR)?;
    let policy = line.adopt(ACTOR, reason)?;
    let level = line.store.view().settings()?.level;
    Ok(Report::ok(json!({ "policy": policy, "level": level })))
}

pub fn alarms(folder: &Path, clear: Option<&str>, reason: Option<&str>) -> Result<Report, EngineError> {
    let mut line = Line::open(folder, ACTOR)?;
    if let Some(name) = clear {
        let kind = serde_json::from_value(Value::String(name.to_owned()))
            .map_err(|_| usage(format!("\"{name}\" is not promise, inputs, model or stale")))?;
        line.clear_alarm(kind, ACTOR, reason.unwrap_or_default())?;
    }
    let standing = line.store.view().alarms()?;
    let rows = standing.iter().map(|(since, alarm)| json!({ "since": since.to_string(), "alarm": alarm }));
    Ok(Report::ok(Value::Array(rows.collect())))
}

pub fn replay(args: &args::Replay) -> Result<Report, EngineError> {
    let mut line = Line::open(&args.line, ACTOR)?;
    if !args.promise.is_empty() {
        line.plan.promise = parse_promise(&args.promise)?;
        line.plan.check().map_err(|error| usage(error.to_string()))?;
    }
    let simulator = line.plan.simulator.clone().unwrap_or_default();
    let filter = parse_filter(&args.filter)?;
    let cancel = cancel_flag()?;
    let open = |source: &DatasetSource| match source {
        DatasetSource::Folder(path) if path.is_file() => Ok(ReplaySet::Scores(path.clone())),
        source => source.open(&filter, &simulator).map(ReplaySet::Pictures),
    };
    let dataset = open(&args.dataset)?;
    let then = args.then.as_ref().map(open).transpose()?;
    let options = ReplayOptions {
        model: args.model.clone(),
        from_nothing: args.from_nothing,
        init: args.init.clone(),
        reviewer: args.reviewer,
        seed: args.seed,
        runs: args.runs,
        prevalence: args.prevalence,
        level: args.level,
        keep: args.keep.clone(),
    };
    let bar = output::bar("replaying", 1);
    let replay =
        engine::replay(&line, &dataset, then.as_ref(), &options, &cancel, &mut |what, done, all| {
            bar.set_message(what.to_owned());
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        })?;
    bar.finish_and_clear();
    if let Some(folder) = &args.page {
        engine::write_page(folder, &replay, args.reviewer)?;
    }
    // The first run's figures stand at the top; all runs beside them.
    let mut json = replay.runs.first().map(to_json).transpose()?.unwrap_or_default();
    json["dataset"] = replay.dataset.clone().into();
    json["change_at"] = to_json(&replay.change_at)?;
    if replay.runs.len() > 1 {
        json["runs"] = to_json(&replay.runs)?;
    }
    Ok(Report::ok(json))
}

pub fn level(folder: &Path, level: Level, reason: &str) -> Result<Report, EngineError> {
    let mut line = Line::open(folder, ACTOR)?;
    line.set_level(level, ACTOR, reason)?;
    Ok(Report::ok(json!({ "level": level, "requirements": line.checklist(level)? })))
}

pub fn export(args: &Export) -> Result<Report, EngineError> {
    let mut line = Line::open(&args.line, ACTOR)?;
    let sheet = engine::export(&mut line, args.format, &args.out, &parse_filter(&args.filter)?, ACTOR)?;
    Ok(Report::ok(to_json(&sheet)?))
}

pub fn check_export(out: &Path, line: Option<&Path>) -> Result<Report, EngineError> {
    let report = engine::recheck_export(out, line)?;
    Ok(Report::checked(report.ok, to_json(&report)?))
}

pub fn export_onnx(model: &str, out: &Path) -> Result<Report, EngineError> {
    Ok(Report::ok(to_json(&engine::export_onnx(&find_model(None, model)?, out)?)?))
}

pub fn bench_infer(args: &BenchInfer) -> Result<Report, EngineError> {
    Ok(Report::ok(to_json(&engine::bench_network(&find_model(None, &args.model)?, args.runs)?)?))
}

pub fn verify(folder: &Path, anchor: Option<Head>) -> Result<Report, EngineError> {
    let report = Store::open(folder)?.verify(anchor)?;
    Ok(Report::checked(report.ok, to_json(&report)?))
}

pub fn rebuild(folder: &Path) -> Result<Report, EngineError> {
    Ok(Report::ok(to_json(&Store::open(folder)?.rebuild()?)?))
}

pub fn backup(folder: &Path, out: &Path) -> Result<Report, EngineError> {
    let report = store::backup(folder, out, &mut |_, _| true)?;
    Ok(Report::checked(report.ok, to_json(&report)?))
}

pub fn restore(from: &Path, folder: &Path) -> Result<Report, EngineError> {
    let report = store::restore(from, folder, &mut |_, _| true)?;
    Ok(Report::checked(report.ok, to_json(&report)?))
}
