//! The front of the station: complete files of the watched folder, handed on one by one, and the
//! simulator that fills the folder.

use super::EngineError;
use super::station::{Shared, StationEvent, StationOptions, Taken};
use super::writer::Written;
use crate::domain::{AfterIngest, Plan, SimulatorSettings, WhenFull};
use crate::ingest::folder::{FolderStatus, FolderWatcher, FoundFile};
use crate::ingest::simulator::{Simulator, write_unit};
use crate::store::Store;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long the source sleeps when nothing happens; also the longest that a stop takes here.
pub(super) const TICK: Duration = Duration::from_millis(20);
/// The simulator waits while this many of its units lie in the folder: a camera does not run
/// ahead of its line.
const SIMULATED_AHEAD: usize = 3;

/// The watched folder of a station.
pub(super) fn source_folder(line: &Path, plan: &Plan, options: &StationOptions) -> PathBuf {
    match &options.folder {
        Some(folder) => folder.clone(),
        None => line.join(&plan.source.path),
    }
}

/// Names the source in the log: relative to the line where it lies in it, else in full. The same
/// folder has one name however it is spelled, or its files would not be known again.
pub(super) fn source_name(line: &Path, folder: &Path) -> String {
    let full = |path: &Path| {
        path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
    };
    let (line, folder) = (full(line), full(folder));
    format!("folder:{}", folder.strip_prefix(&line).unwrap_or(&folder).display())
}

pub(super) fn run_source(
    shared: &Shared,
    store: &Store,
    to_decode: &Sender<Taken>,
    from_writer: &Receiver<Written>,
) {
    let mut watcher = FolderWatcher::new(&shared.source_folder, &shared.plan.source);
    let (mut trouble, mut crowd) = (None, None);
    while !shared.is_stopping() {
        for written in from_writer.try_iter() {
            finish(shared, &mut watcher, &written);
        }
        if shared.paused.load(Ordering::Relaxed) {
            std::thread::sleep(TICK);
            continue;
        }
        let crowded = crowded(shared, store);
        let is_held = crowded.is_some() && shared.plan.queue.when_full == WhenFull::Hold;
        report(shared, &mut crowd, crowded);
        if is_held {
            std::thread::sleep(TICK);
            continue;
        }
        // Read before the folder: what a feeder writes in between is still seen.
        let no_more_comes = shared.feeders.load(Ordering::Acquire) == 0;
        let poll = watcher.poll(Instant::now());
        report(shared, &mut trouble, trouble_of(&poll.status));
        let found_any = !poll.ready.is_empty();
        for file in poll.ready {
            if shared.is_stopping() || !take(shared, store, &mut watcher, file, to_decode) {
                break;
            }
            for written in from_writer.try_iter() {
                finish(shared, &mut watcher, &written);
            }
        }
        let is_idle = shared.in_flight.load(Ordering::Acquire) == 0;
        if shared.options.once && no_more_comes && !found_any && poll.pending == 0 && is_idle {
            break;
        }
        watcher.wait(TICK);
    }
    // Nothing is taken any more; wait until the writer has finished the rest, or is no more.
    while shared.in_flight.load(Ordering::Acquire) > 0 {
        match from_writer.recv_timeout(TICK) {
            Ok(written) => finish(shared, &mut watcher, &written),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    for written in from_writer.try_iter() {
        finish(shared, &mut watcher, &written);
    }
}

/// Doing without events is no trouble: the rescan finds everything.
pub(super) fn trouble_of(status: &FolderStatus) -> Option<String> {
    match status {
        FolderStatus::Watching | FolderStatus::WithoutEvents { .. } => None,
        FolderStatus::Missing | FolderStatus::Unreadable { .. } => Some(status.to_string()),
    }
}

/// That more questions wait than the plan allows, and what it says to do.
fn crowded(shared: &Shared, store: &Store) -> Option<String> {
    let rule = shared.plan.queue;
    let waiting = store.view().tallies().ok()?.waiting;
    let what = match rule.when_full {
        WhenFull::Hold => "the line is held until there is room",
        WhenFull::Divert => "what would be asked is diverted",
        WhenFull::Call => "call people",
    };
    (waiting >= i64::from(rule.most)).then(|| format!("the queue is full ({} questions): {what}", rule.most))
}

/// Says what changed, once.
pub(super) fn report(shared: &Shared, before: &mut Option<String>, now: Option<String>) {
    if *before == now {
        return;
    }
    match (&*before, &now) {
        (_, Some(trouble)) => shared.tell(StationEvent::Trouble(trouble.clone())),
        (Some(over), None) => shared.tell(StationEvent::Recovered(over.clone())),
        (None, None) => {}
    }
    *before = now;
}

/// Hands one file on, unless it is known unchanged. False when nobody takes it any more: a stage
/// behind has broken, and the station ends and says so instead of standing still.
fn take(
    shared: &Shared,
    store: &Store,
    watcher: &mut FolderWatcher,
    file: FoundFile,
    to_decode: &Sender<Taken>,
) -> bool {
    let known = store.view().knows_unchanged_file(&shared.source, &file.name, file.bytes, file.modified);
    // When in doubt the file goes in: the writer looks again at its content.
    if known.unwrap_or(false) {
        finish(shared, watcher, &Written { path: file.path, is_recorded: true });
        shared.count(super::record::Recorded::Known);
        return true;
    }
    shared.in_flight.fetch_add(1, Ordering::AcqRel);
    if to_decode.send(Taken { file, taken_at: Instant::now() }).is_err() {
        shared.in_flight.fetch_sub(1, Ordering::AcqRel);
        shared.stop.store(true, Ordering::Relaxed);
        return false;
    }
    true
}

/// Moves a file out of the way after its commit, as the plan says.
fn finish(shared: &Shared, watcher: &mut FolderWatcher, written: &Written) {
    if shared.plan.source.after == AfterIngest::Leave || !written.is_recorded {
        return;
    }
    if let Err(error) = watcher.move_to_done(&written.path) {
        shared.tell(StationEvent::Trouble(error.to_string()));
    }
}

/// What the simulator thread works from.
pub(super) struct Simulated {
    settings: SimulatorSettings,
    first: u64,
    count: Option<u64>,
    folder: PathBuf,
}

impl Simulated {
    /// `None` where no simulator was asked for. Units go on counting where earlier runs ended.
    pub fn of(shared: &Shared) -> Result<Option<Self>, EngineError> {
        let Some(items) = shared.options.simulate else {
            return Ok(None);
        };
        let settings = shared.plan.simulator.clone().unwrap_or_default();
        let store = Store::open(&shared.folder)?;
        let pictures = u64::try_from(store.view().tallies()?.arrived).unwrap_or(0);
        let of_a_unit = settings.positions.len().max(1) as u64;
        let first = pictures.div_ceil(of_a_unit);
        let count = items.map(|items| items.div_ceil(of_a_unit));
        Ok(Some(Self { settings, first, count, folder: shared.source_folder.clone() }))
    }
}

/// Writes units at the plan's rate; without a window and for a given number, as fast as the
/// station takes them.
pub(super) fn run_simulator(shared: &Shared, simulated: &Simulated) {
    let simulator = Simulator::new(simulated.settings.clone());
    let pause = if shared.options.once {
        Duration::ZERO
    } else {
        Duration::from_secs_f64(60.0 / simulated.settings.units_per_minute)
    };
    let files_max = SIMULATED_AHEAD * simulated.settings.positions.len().max(1);
    let end = simulated.count.map_or(u64::MAX, |count| simulated.first + count);
    for index in simulated.first..end {
        let due = Instant::now() + pause;
        let unit = simulator.render(index);
        while !shared.is_stopping()
            && (Instant::now() < due
                || shared.paused.load(Ordering::Relaxed)
                || files_in(&simulated.folder) >= files_max)
        {
            std::thread::sleep(TICK.min(Duration::from_millis(2)));
        }
        if shared.is_stopping() {
            break;
        }
        if let Err(error) = write_unit(&simulated.folder, &unit) {
            shared.tell(StationEvent::Trouble(error.to_string()));
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    shared.feeders.fetch_sub(1, Ordering::AcqRel);
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| {
        entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|t| t.is_file())).count()
    })
}
