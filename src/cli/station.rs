//! The verbs that run a station: `demo`, `run`, and the window.

use super::args::{Demo, Run};
use super::verbs::{ACTOR, cancel_flag};
use super::{Report, Window, output};
use crate::engine::{self, Command, EngineError, Line, Station, StationEvent, StationOptions};
use crate::store::Store;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What the headless demo runs without `--items`: enough for percentiles, over in seconds.
const DEMO_ITEMS: u64 = 100;
/// How often a waiting front end looks whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// `demo`: the simulated phone line, in the window where there is one.
pub fn demo(args: &Demo, window: Option<Window>) -> Result<Option<Report>, EngineError> {
    let folder = engine::demo_line(args.line.as_deref(), args.seed, ACTOR)?;
    if !args.headless {
        let options = StationOptions { simulate: Some(args.items), ..StationOptions::default() };
        match show(window, Some((folder.clone(), options))) {
            Ok(()) => return Ok(None),
            Err(why) => eprintln!("{why}; going on without a window"),
        }
    }
    headless_demo(&folder, args.items.unwrap_or(DEMO_ITEMS)).map(Some)
}

/// Without a verb: the named line in the window, else the one that was open last, else the demo line.
pub fn open_window(line: Option<&Path>, window: Option<Window>) -> Result<(), EngineError> {
    if let Some(folder) = line {
        // Opened once here, so that a folder that is no line is told before a window opens.
        let options = engine::window_options(&Line::open(folder, ACTOR)?);
        return show(window, Some((folder.to_owned(), options))).map_err(EngineError::Failed);
    }
    if let Err(why) = show(window, None) {
        eprintln!("{why}; running the demo line headless");
        let report = headless_demo(&engine::demo_line(None, None, ACTOR)?, DEMO_ITEMS)?;
        output::print(&report.json, false);
    }
    Ok(())
}

fn show(window: Option<Window>, first: Option<(PathBuf, StationOptions)>) -> Result<(), String> {
    let window = window.ok_or("this build has no window (feature gui)")?;
    window(first)
}

fn headless_demo(folder: &Path, items: u64) -> Result<Report, EngineError> {
    let options = StationOptions { once: true, simulate: Some(Some(items)), ..StationOptions::default() };
    let summary = watch(folder, options)?;
    let tallies = Store::open(folder)?.view().tallies()?;
    Ok(Report::ok(json!({
        "items": summary.arrived,
        "passed": summary.passed,
        "diverted": summary.diverted,
        "review": summary.review,
        "automation_rate": tallies.automation_rate(),
        "latency_ms": summary.latency_ms,
        "items_per_s": summary.items_per_s,
        "line": folder.display().to_string(),
    })))
}

pub fn run(args: &Run) -> Result<Report, EngineError> {
    let folder = match args.source.as_deref().map(|source| source.split_once(':')) {
        None => None,
        // A folder that is named by hand and not there is a slip; the plan's own is made.
        Some(Some(("folder", dir))) if !dir.is_empty() && !Path::new(dir).is_dir() => {
            return Err(EngineError::Failed(format!("there is no such folder: {dir}")));
        }
        Some(Some(("folder", dir))) if !dir.is_empty() => Some(PathBuf::from(dir)),
        Some(_) => return Err(EngineError::Usage("--source is folder:DIR".into())),
    };
    let options = StationOptions { folder, once: args.once, simulate: None };
    let summary = watch(&args.line, options)?;
    let json = serde_json::to_value(summary)
        .map_err(|error| EngineError::Failed(format!("cannot be written as JSON: {error}")))?;
    Ok(Report::ok(json))
}

/// Runs a station until it is done or Ctrl-C, with its troubles on standard error.
fn watch(folder: &Path, options: StationOptions) -> Result<crate::engine::Summary, EngineError> {
    let cancel = cancel_flag()?;
    let total = options.simulate.flatten();
    let station = Station::start(folder, options)?;
    let bar = output::bar("deciding", total.unwrap_or(0));
    while !station.is_finished() {
        if cancel.load(Ordering::Relaxed) {
            station.command(Command::Stop);
        }
        match station.events().recv_timeout(LOOK) {
            Ok(StationEvent::Decided { .. }) => bar.inc(1),
            Ok(StationEvent::Alarm(what)) => bar.suspend(|| eprintln!("ALARM: {what}")),
            Ok(StationEvent::Trouble(what)) => bar.suspend(|| eprintln!("warning: {what}")),
            Ok(StationEvent::Recovered(what)) => bar.suspend(|| eprintln!("recovered: {what}")),
            Err(_) => {}
        }
    }
    for event in station.events().try_iter() {
        if let StationEvent::Trouble(what) = event {
            bar.suspend(|| eprintln!("warning: {what}"));
        }
    }
    bar.finish_and_clear();
    station.join()
}
