//! The station: source → decode → network → writer, one named thread each (several for decode),
//! joined by channels that hold one item. Full channels slow the source down and nothing grows.
//!
//! Stopping closes the channels from the front; what was taken is finished, what was not taken
//! stays in its folder.

use super::decode::run_decode;
use super::fleet::{Fleet, Hangar, Loaded};
use super::latency::{Latencies, LatencyMs};
use super::microphone::{Hearing, run_microphone};
use super::record::{Inspected, Recorded};
use super::recordings::run_recordings;
use super::shadow::run_shadow;
use super::source::{Simulated, run_simulator, run_source, source_folder, source_name};
use super::writer::{Written, run_writer};
use super::{EngineError, Line, release};
use crate::domain::{Plan, Reason};
use crate::infer::Input;
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
use std::time::{Duration, Instant};

/// One item between two stages: the next is fetched while this one is worked on.
const STAGE_CAPACITY: usize = 1;
/// Events wait here for a front end; when it does not look, the oldest news is what it misses
/// least, since every count is in the store.
const EVENTS_CAPACITY: usize = 1024;
/// How soon another model takes over: a fraction of the time between two items of a busy line.
const MODELS_TICK: Duration = Duration::from_millis(10);
/// How often it is looked whether a canary is worse than the live model.
const CANARY_EVERY: Duration = Duration::from_secs(1);

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
    /// Threads that still bring files into the watched folder.
    pub feeders: AtomicUsize,
    /// Set when the last item is in the log.
    pub writer_done: AtomicBool,
    fleet: Mutex<Arc<Fleet>>,
    pub summary: Mutex<Summary>,
    pub latencies: Mutex<Latencies>,
    /// Of the microphone, where the plan has one.
    pub hearing: Mutex<Option<Hearing>>,
    events: Sender<StationEvent>,
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
    pub stats: Option<crate::domain::InputStats>,
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

    pub fn fleet(&self) -> Arc<Fleet> {
        Arc::clone(&self.fleet.lock())
    }

    /// A line that has no model yet is no trouble; one whose model cannot be used is.
    fn tell_of_missing_model(&self) {
        let fleet = self.fleet();
        if let Err(Reason::NoModel { why }) = &fleet.live.model
            && fleet.live.wanted.is_some()
        {
            self.tell(StationEvent::Trouble(format!("every item goes to a person: {why}")));
        }
        if let Some((_, canary)) = &fleet.canary
            && let Err(reason) = &canary.model
        {
            self.tell(StationEvent::Trouble(format!("the live model decides the canary's share: {reason}")));
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

/// Follows the line's settings: level, and which models decide or predict beside. They are loaded here, beside
/// the stages, and swapped in when they are warm.
fn run_models(shared: &Shared, mut line: Line, mut hangar: Hangar) {
    let (mut seen, mut tended, mut known) = (None, None, None);
    let mut looked = Instant::now();
    while !shared.is_stopping() && !shared.writer_done.load(Ordering::Acquire) {
        let version = line.store.view().data_version().ok();
        if version != tended && looked.elapsed() >= CANARY_EVERY {
            (tended, looked) = (version, Instant::now());
            match release::tend(&mut line, &mut known) {
                Ok(None) => {}
                Ok(Some(alarm)) => shared.tell(StationEvent::Alarm(alarm.text)),
                Err(error) => shared.tell(StationEvent::Trouble(error.to_string())),
            }
        }
        if version != seen {
            seen = version;
            match hangar.fleet(&line.store.view(), Some(&shared.fleet())) {
                Ok(None) => {}
                Ok(Some(fleet)) => {
                    *shared.fleet.lock() = Arc::new(fleet);
                    shared.tell_of_missing_model();
                }
                Err(error) => shared.tell(StationEvent::Trouble(error.to_string())),
            }
        }
        std::thread::sleep(MODELS_TICK);
    }
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
        let mut line = Line::open(folder, ACTOR)?;
        let pattern = Pattern::parse(&line.plan.source.pattern)
            .map_err(|error| EngineError::Failed(format!("plan, source.pattern: {error}")))?;
        let lock = line.store.lock_station()?;
        let lowered = line.hold_to_plan()?;
        let Line { plan, store } = line;
        store.blobs().sweep();
        let mut hangar = Hangar::new(folder.to_owned(), store.audit_key());
        let fleet = hangar.fleet(&store.view(), None)?;
        let fleet = fleet.ok_or_else(|| EngineError::Failed("no models were looked for".into()))?;
        let (events, event_receiver) = bounded(EVENTS_CAPACITY);
        let source_folder = source_folder(folder, &plan, &options);
        // Made before it is named; where that fails, the watcher says that it is missing.
        let made = std::fs::create_dir_all(&source_folder);
        let shared = Arc::new(Shared {
            fleet: Mutex::new(Arc::new(fleet)),
            writer_done: AtomicBool::new(false),
            plan,
            pattern,
            folder: folder.to_owned(),
            source: source_name(folder, &source_folder),
            source_folder,
            feeders: AtomicUsize::new(0),
            options,
            stop: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            summary: Mutex::new(Summary::default()),
            latencies: Mutex::new(Latencies::default()),
            hearing: Mutex::new(None),
            events,
        });
        if let Some(reason) = lowered {
            shared.tell(StationEvent::Alarm(reason));
        }
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
        station.spawn_stages(store, hangar)?;
        Ok(station)
    }

    fn spawn_stages(&mut self, store: Store, hangar: Hangar) -> Result<(), EngineError> {
        let (to_decode, from_source) = bounded::<Taken>(STAGE_CAPACITY);
        let (to_network, from_decode) = bounded::<Prepared>(STAGE_CAPACITY);
        let (to_writer, from_network) = bounded::<Finished>(STAGE_CAPACITY);
        let (to_source, from_writer) = bounded::<Written>(EVENTS_CAPACITY);
        let reading = Store::open(&self.shared.folder)?;
        // Counted before the source looks for the first time.
        let simulator = Simulated::of(&self.shared)?;
        let recordings = self.shared.plan.recordings.clone();
        let feeders = usize::from(simulator.is_some()) + usize::from(recordings.is_some());
        self.shared.feeders.store(feeders, Ordering::Release);
        self.spawn("source", move |shared| run_source(shared, &reading, &to_decode, &from_writer))?;
        for i in 0..self.shared.plan.threads.decode {
            let (input, output) = (from_source.clone(), to_network.clone());
            self.spawn(&format!("decode-{}", i + 1), move |shared| run_decode(shared, &input, &output))?;
        }
        drop((from_source, to_network));
        self.spawn("network", move |shared| super::decode::run_network(shared, &from_decode, &to_writer))?;
        self.spawn("writer", move |shared| {
            run_writer(shared, store, &from_network, &to_source);
            shared.writer_done.store(true, Ordering::Release);
        })?;
        let line = Line { plan: self.shared.plan.clone(), store: Store::open(&self.shared.folder)? };
        self.spawn("models", move |shared| run_models(shared, line, hangar))?;
        let beside = Store::open(&self.shared.folder)?;
        self.spawn("shadow", move |shared| run_shadow(shared, beside))?;
        if let Some(simulator) = simulator {
            self.spawn("simulator", move |shared| run_simulator(shared, &simulator))?;
        }
        if let Some(rule) = recordings {
            self.spawn("recordings", move |shared| run_recordings(shared, &rule))?;
        }
        // A run that ends with its folder waits for nobody to speak.
        if let Some(rule) = self.shared.plan.microphone.clone().filter(|_| !self.shared.options.once) {
            self.spawn("microphone", move |shared| run_microphone(shared, &rule))?;
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

    /// What the microphone hears now, where the plan has one.
    #[must_use]
    pub fn hearing(&self) -> Option<Hearing> {
        self.shared.hearing.lock().clone()
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
