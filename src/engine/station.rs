//! The station: source → decode → network → writer, one named thread each (several for decode),
//! joined by channels that hold one item. Full channels slow the source down and nothing grows.
//!
//! Stopping closes the channels from the front; what was taken is finished, what was not taken
//! stays in its folder.

use super::decode::run_decode;
use super::latency::{Latencies, LatencyMs};
use super::record::{Inspected, Recorded};
use super::source::{Simulated, run_simulator, run_source, source_folder, source_name};
use super::writer::{Written, run_writer};
use super::{EngineError, Line, find_model};
use crate::domain::{Level, ModelRef, Plan, Reason};
use crate::infer::{Input, Model};
use crate::ingest::folder::FoundFile;
use crate::ingest::pattern::Pattern;
use crate::store::{StationLock, Store};
use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

/// One item between two stages: the next is fetched while this one is worked on.
const STAGE_CAPACITY: usize = 1;
/// Events wait here for a front end; when it does not look, the oldest news is what it misses
/// least, since every count is in the store.
const EVENTS_CAPACITY: usize = 1024;

/// Every write of the station's is by this actor.
pub(super) const ACTOR: &str = "station";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Pause,
    Resume,
    /// Finish what was taken, then end.
    Stop,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StationEvent {
    Decided {
        name: String,
        outcome: crate::domain::Outcome,
        latency_ms: f64,
    },
    /// Something is wrong with the line; where it was automatic, it is less so now.
    Alarm(String),
    /// Something a person should know; the station goes on.
    Trouble(String),
    /// An earlier trouble is over.
    Recovered(String),
}

#[derive(Clone, Debug, Default)]
pub struct StationOptions {
    /// Instead of the plan's folder.
    pub folder: Option<PathBuf>,
    /// End when the folder is empty.
    pub once: bool,
    /// Run the plan's simulator beside the station, for whole units with at least this many items
    /// together (for ever when `None`).
    pub simulate: Option<Option<u64>>,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    pub arrived: u64,
    pub passed: u64,
    pub diverted: u64,
    pub review: u64,
    pub quarantined: u64,
    /// Files that were known already.
    pub known: u64,
    pub latency_ms: LatencyMs,
    pub items_per_s: f64,
}

/// What the stages share.
pub(super) struct Shared {
    pub plan: Plan,
    /// The plan's file name pattern, read.
    pub pattern: Pattern,
    pub folder: PathBuf,
    /// Where files arrive, and its name in the log.
    pub source_folder: PathBuf,
    pub source: String,
    pub options: StationOptions,
    pub stop: AtomicBool,
    pub paused: AtomicBool,
    /// Taken from the source and not finished yet.
    pub in_flight: AtomicUsize,
    /// Set when the simulator has written its last unit.
    pub simulator_done: AtomicBool,
    pub model: Mutex<Arc<Loaded>>,
    pub summary: Mutex<Summary>,
    pub latencies: Mutex<Latencies>,
    events: Sender<StationEvent>,
}

/// The live model as loaded, or why there is none.
pub(super) struct Loaded {
    pub level: Level,
    /// What the line's settings name.
    pub wanted: Option<ModelRef>,
    pub model: Result<Model, Reason>,
}

/// A file that the source has taken.
pub(super) struct Taken {
    pub file: FoundFile,
    pub taken_at: Instant,
}

/// Decoded and prepared, on its way to the network.
pub(super) struct Prepared {
    pub taken: Taken,
    pub loaded: Arc<Loaded>,
    /// `prediction` is still open where `input` is there.
    pub item: Inspected,
    pub input: Option<Input>,
    pub timing: crate::domain::Timing,
    /// What the picture measures.
    pub stats: Option<crate::domain::ImageStats>,
}

/// With its prediction, on its way to the log.
pub(super) struct Finished {
    pub taken: Taken,
    pub item: Inspected,
}

impl Shared {
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Tells the front end; a full channel drops the news, never the work.
    pub fn tell(&self, event: StationEvent) {
        let _ = self.events.try_send(event);
    }

    pub fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.model.lock())
    }

    /// Follows the line's settings: level, and the live model when another one was released. A
    /// package that cannot be loaded leaves every item to people, with the reason.
    pub fn refresh_model(&self, store: &Store) -> Result<(), EngineError> {
        let settings = store.view().settings()?;
        let now = self.loaded();
        if now.level == settings.level && now.wanted == settings.model {
            return Ok(());
        }
        let loaded = Arc::new(load(&self.folder, settings.level, settings.model));
        *self.model.lock() = loaded;
        self.tell_of_missing_model();
        Ok(())
    }

    /// A line that has no model yet is no trouble; one whose model cannot be used is.
    fn tell_of_missing_model(&self) {
        let loaded = self.loaded();
        if let Err(Reason::NoModel { why }) = &loaded.model
            && loaded.wanted.is_some()
        {
            self.tell(StationEvent::Trouble(format!("every item goes to a person: {why}")));
        }
    }

    /// Adds one committed item to the summary.
    pub fn count(&self, recorded: Recorded) {
        use crate::domain::Outcome;
        let mut summary = self.summary.lock();
        match recorded {
            Recorded::Known => summary.known += 1,
            Recorded::Decided { outcome, is_quarantined, .. } => {
                summary.arrived += 1;
                match outcome {
                    Outcome::Pass => summary.passed += 1,
                    Outcome::Divert => summary.diverted += 1,
                    Outcome::Review => summary.review += 1,
                }
                summary.quarantined += u64::from(is_quarantined);
            }
        }
    }
}

fn load(folder: &Path, level: Level, wanted: Option<ModelRef>) -> Loaded {
    let no_model = |why: String| Err(Reason::NoModel { why });
    let model = match &wanted {
        None => no_model("none is released on this line".into()),
        Some(model_ref) => match find_model(Some(folder), &model_ref.name) {
            Err(error) => no_model(error.to_string()),
            Ok(model) if model.model_ref() != model_ref => no_model(format!(
                "package {} is not the one that was released (another hash)",
                model_ref.name
            )),
            Ok(model) => Ok(model),
        },
    };
    Loaded { level, wanted, model }
}

/// A running station.
pub struct Station {
    shared: Arc<Shared>,
    events: Receiver<StationEvent>,
    threads: Vec<JoinHandle<()>>,
    started: Instant,
    _lock: StationLock,
}

impl Station {
    pub fn start(folder: &Path, options: StationOptions) -> Result<Self, EngineError> {
        let Line { plan, store } = Line::open(folder, ACTOR)?;
        let pattern = Pattern::parse(&plan.source.pattern)
            .map_err(|error| EngineError::Failed(format!("plan, source.pattern: {error}")))?;
        let lock = store.lock_station()?;
        store.blobs().sweep();
        let settings = store.view().settings()?;
        let (events, event_receiver) = bounded(EVENTS_CAPACITY);
        let source_folder = source_folder(folder, &plan, &options);
        // Made before it is named; where that fails, the watcher says that it is missing.
        let made = std::fs::create_dir_all(&source_folder);
        let shared = Arc::new(Shared {
            model: Mutex::new(Arc::new(load(folder, settings.level, settings.model))),
            plan,
            pattern,
            folder: folder.to_owned(),
            source: source_name(folder, &source_folder),
            source_folder,
            simulator_done: AtomicBool::new(options.simulate.is_none()),
            options,
            stop: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            summary: Mutex::new(Summary::default()),
            latencies: Mutex::new(Latencies::default()),
            events,
        });
        shared.tell_of_missing_model();
        if let Err(error) = made {
            let path = shared.source_folder.display();
            shared.tell(StationEvent::Trouble(format!("cannot make the watched folder: {error}: {path}")));
        }
        let mut station = Self {
            shared,
            events: event_receiver,
            threads: Vec::new(),
            started: Instant::now(),
            _lock: lock,
        };
        station.spawn_stages(store)?;
        Ok(station)
    }

    fn spawn_stages(&mut self, store: Store) -> Result<(), EngineError> {
        let (to_decode, from_source) = bounded::<Taken>(STAGE_CAPACITY);
        let (to_network, from_decode) = bounded::<Prepared>(STAGE_CAPACITY);
        let (to_writer, from_network) = bounded::<Finished>(STAGE_CAPACITY);
        let (to_source, from_writer) = bounded::<Written>(EVENTS_CAPACITY);
        let reading = Store::open(&self.shared.folder)?;
        self.spawn("source", move |shared| run_source(shared, &reading, &to_decode, &from_writer))?;
        for i in 0..self.shared.plan.threads.decode {
            let (input, output) = (from_source.clone(), to_network.clone());
            self.spawn(&format!("decode-{}", i + 1), move |shared| run_decode(shared, &input, &output))?;
        }
        drop((from_source, to_network));
        self.spawn("network", move |shared| super::decode::run_network(shared, &from_decode, &to_writer))?;
        self.spawn("writer", move |shared| run_writer(shared, store, &from_network, &to_source))?;
        if let Some(simulator) = Simulated::of(&self.shared)? {
            self.spawn("simulator", move |shared| run_simulator(shared, &simulator))?;
        }
        Ok(())
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce(&Shared) + Send + 'static) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        let thread = Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&shared))
            .map_err(|error| EngineError::Failed(format!("cannot start the {name} thread: {error}")))?;
        self.threads.push(thread);
        Ok(())
    }

    pub fn command(&self, command: Command) {
        match command {
            Command::Pause => self.shared.paused.store(true, Ordering::Relaxed),
            Command::Resume => self.shared.paused.store(false, Ordering::Relaxed),
            Command::Stop => self.shared.stop.store(true, Ordering::Relaxed),
        }
    }

    #[must_use]
    pub fn events(&self) -> &Receiver<StationEvent> {
        &self.events
    }

    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.shared.paused.load(Ordering::Relaxed)
    }

    /// Whether every stage has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = *self.shared.summary.lock();
        summary.latency_ms = self.shared.latencies.lock().percentiles();
        let secs = self.started.elapsed().as_secs_f64();
        summary.items_per_s = if secs > 0.0 { summary.arrived as f64 / secs } else { 0.0 };
        summary
    }

    /// Waits for every stage to end. A stage that panicked outside of its guards is an error.
    pub fn join(mut self) -> Result<Summary, EngineError> {
        let mut dead = Vec::new();
        for thread in std::mem::take(&mut self.threads) {
            let name = thread.thread().name().unwrap_or("?").to_owned();
            if thread.join().is_err() {
                dead.push(name);
            }
        }
        if dead.is_empty() {
            Ok(self.summary())
        } else {
            Err(EngineError::Failed(format!("a stage of the station broke: {}", dead.join(", "))))
        }
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.command(Command::Stop);
        for thread in std::mem::take(&mut self.threads) {
            // A panic was reported on its own thread; here only the end of it matters.
            let _ = thread.join();
        }
    }
}
