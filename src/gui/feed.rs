//! What the line does now, fetched on a thread of its own: it owns the station and a connection to the
//! store, and sends a fresh picture of the line a few times a second.

use crate::domain::{Alarm, Level, Outcome, Timestamp};
use crate::engine::{
    Command, EngineError, Hearing, LatencyMs, Line, Station, StationEvent, StationOptions, Summary,
};
use crate::store::{StoreError, Tallies};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use eframe::egui;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Fresh counts this often; between them nothing is painted.
const REFRESH: Duration = Duration::from_millis(200);
/// A station that another program holds is asked for again this often; it may end at any time.
const RETRY: Duration = Duration::from_secs(2);
/// Decisions shown in the list.
const RECENT: usize = 24;
/// Clicks waiting for the thread; a person is slower.
const ASKS: usize = 16;

/// What a person can ask of the station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StationAsk {
    /// Everything to people, at once, as this person asks.
    Stop(String),
    Pause,
    Resume,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Recent {
    pub name: String,
    pub outcome: Outcome,
    pub latency_ms: f64,
}

/// The state of the line at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    pub line: String,
    pub folder: String,
    pub level: Option<Level>,
    pub model: Option<String>,
    pub tallies: Tallies,
    pub latency_ms: LatencyMs,
    pub items_per_s: f64,
    /// Of this run of the station.
    pub summary: Summary,
    /// Why no station runs in this window.
    pub no_station: Option<String>,
    pub is_paused: bool,
    /// Alarms that stand, and since when.
    pub alarms: Vec<(Timestamp, Alarm)>,
    pub trouble: Option<String>,
    /// Of the microphone, where the plan has one.
    pub hearing: Option<Hearing>,
    /// Newest first.
    pub recent: VecDeque<Recent>,
}

/// The window's end: snapshots come, asks go. Dropping it stops the station and waits for it.
pub struct Feed {
    pub snapshots: Receiver<Snapshot>,
    asks: Option<Sender<StationAsk>>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    pub fn start(
        line: Line,
        folder: &Path,
        options: StationOptions,
        ctx: egui::Context,
    ) -> Result<Self, EngineError> {
        let (to_window, snapshots) = bounded(1);
        let (asks, from_window) = bounded(ASKS);
        let folder = folder.to_owned();
        let thread = std::thread::Builder::new()
            .name("window-data".into())
            .spawn(move || serve(line, Post::take(folder, options), &from_window, &to_window, &ctx))
            .map_err(|error| {
                EngineError::Failed(format!("cannot start the window's data thread: {error}"))
            })?;
        Ok(Self { snapshots, asks: Some(asks), thread: Some(thread) })
    }

    /// Nothing waits here: a full channel means that the same was just asked.
    pub fn ask(&self, ask: StationAsk) {
        if let Some(asks) = &self.asks {
            let _ = asks.try_send(ask);
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            // It ends when the asks' channel closes; a panic was reported there.
            let _ = thread.join();
        }
    }
}

/// The station of this window, or why there is none.
struct Post {
    folder: PathBuf,
    options: StationOptions,
    station: Result<Station, String>,
    /// When another program was found to hold it.
    held_at: Option<Instant>,
}

impl Post {
    fn take(folder: PathBuf, options: StationOptions) -> Self {
        let (station, held_at) = match Station::start(&folder, options.clone()) {
            Ok(station) => (Ok(station), None),
            Err(EngineError::Store(StoreError::StationRuns(_))) => {
                let why = "the station of this line runs in another program; here are its counts";
                (Err(why.to_owned()), Some(Instant::now()))
            }
            Err(error) => (Err(error.to_string()), None),
        };
        Self { folder, options, station, held_at }
    }

    /// Takes the station over once nobody holds it any more.
    fn retake(self) -> Self {
        match self.held_at {
            Some(at) if at.elapsed() >= RETRY => Self::take(self.folder, self.options),
            _ => self,
        }
    }
}

/// Who writes events from this window when no person is named.
pub const ACTOR: &str = "window";

fn serve(
    mut line: Line,
    mut post: Post,
    asks: &Receiver<StationAsk>,
    to_window: &Sender<Snapshot>,
    ctx: &egui::Context,
) {
    let mut shown = Snapshot {
        line: line.plan.name.clone(),
        folder: line.store.folder().display().to_string(),
        ..Snapshot::default()
    };
    loop {
        let mut next = shown.clone();
        match asks.recv_timeout(REFRESH) {
            Ok(ask) => {
                if let Err(error) = carry_out(ask, &mut line, post.station.as_ref().ok()) {
                    next.trouble = Some(error.to_string());
                }
            }
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => {}
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => return,
        }
        post = post.retake();
        match &post.station {
            Ok(station) => {
                next.no_station = None;
                follow(station, &mut next);
            }
            Err(why) => next.no_station = Some(why.clone()),
        }
        if let Err(error) = read(&line, &mut next) {
            next.trouble = Some(error.to_string());
        }
        if next != shown {
            shown = next;
            // The window takes the newest; one that it has not looked at yet comes with the next.
            if let Err(TrySendError::Disconnected(_)) = to_window.try_send(shown.clone()) {
                return;
            }
            ctx.request_repaint();
        }
    }
}

fn carry_out(ask: StationAsk, line: &mut Line, station: Option<&Station>) -> Result<(), EngineError> {
    match (ask, station) {
        (StationAsk::Stop(person), _) => {
            // Where people decide without the model, they go on so.
            let level = line.store.view().settings()?.level.min(Level::Assist);
            line.set_level(level, &person, "STOP was pressed")?;
        }
        (StationAsk::Pause, Some(station)) => station.command(Command::Pause),
        (StationAsk::Resume, Some(station)) => station.command(Command::Resume),
        (StationAsk::Pause | StationAsk::Resume, None) => {}
    }
    Ok(())
}

fn follow(station: &Station, next: &mut Snapshot) {
    for event in station.events().try_iter() {
        match event {
            StationEvent::Decided { name, outcome, latency_ms } => {
                next.recent.push_front(Recent { name, outcome, latency_ms });
                next.recent.truncate(RECENT);
            }
            // It stands in the log, from where it is read.
            StationEvent::Alarm(_) => {}
            StationEvent::Trouble(what) => next.trouble = Some(what),
            StationEvent::Recovered(_) => next.trouble = None,
        }
    }
    let summary = station.summary();
    next.summary = Summary { items_per_s: 0.0, ..summary };
    next.latency_ms = summary.latency_ms;
    next.items_per_s = (summary.items_per_s * 10.0).round() / 10.0;
    next.is_paused = station.is_paused();
    next.hearing = station.hearing();
}

fn read(line: &Line, next: &mut Snapshot) -> Result<(), EngineError> {
    let view = line.store.view();
    next.tallies = view.tallies()?;
    let settings = view.settings()?;
    next.alarms = view.alarms()?;
    next.level = Some(settings.level);
    next.model = settings.model.map(|model| model.name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::LineRequest;

    #[test]
    fn stop_never_raises_the_level() {
        let dir = tempfile::tempdir().unwrap();
        let plan = LineRequest::demo().unwrap().plan;
        let request = LineRequest { plan, level: Level::Manual, model: None };
        let mut line = Line::create(&dir.path().join("line"), request, "ann").unwrap();
        for level in [Level::Manual, Level::Shadow, Level::Assist] {
            line.set_level(level, "ann", "a test").unwrap();
            carry_out(StationAsk::Stop("ann".into()), &mut line, None).unwrap();
            assert_eq!(line.store.view().settings().unwrap().level, level);
        }
    }
}
