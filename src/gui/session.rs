//! One open line as the window sees it: its plan, its station's feed, the reviewer's desk, and the
//! pictures. Opened and closed on threads of their own, since both take files.

use super::album::Album;
use super::feed::{ACTOR, Feed, Snapshot, StationAsk};
use super::recordings::Recordings;
use crate::domain::{Level, Plan};
use crate::engine::{
    Ask, Board, Desk, DeskEvent, EngineError, Line, Pictures, Player, Sounds, StationOptions,
};
use crossbeam_channel::{Receiver, bounded};
use eframe::egui;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Seconds of history that the plots of the line show.
const SERIES_SECS: usize = 1800;
/// Events of the desk may take this long of one frame.
const DRAIN: Duration = Duration::from_millis(4);

/// The line at one second.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub at_secs: f64,
    pub arrived: u64,
    pub automation: Option<f64>,
    pub waiting: i64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// What reached the window from the desk, for the pages that asked.
pub enum News {
    Board { is_new_item: bool },
    Labels(Box<DeskEvent>),
    Done(String),
    Failed(String),
}

pub struct Session {
    pub folder: PathBuf,
    pub plan: Plan,
    pub options: StationOptions,
    feed: Feed,
    desk: Desk,
    pub album: Album,
    pub recordings: Recordings,
    pub player: Player,
    pub station: Snapshot,
    pub series: VecDeque<Sample>,
    pub board: Option<Board>,
    /// A correction of many labels on its way.
    pub relabelling: Option<Relabelling>,
    started: Instant,
}

/// How far a correction of many labels is.
#[derive(Clone, Copy, Debug)]
pub struct Relabelling {
    pub done: usize,
    pub total: usize,
    since: Instant,
}

impl Relabelling {
    pub fn share(self) -> f64 {
        self.done as f64 / self.total.max(1) as f64
    }

    /// At the speed so far; `None` before anything is done.
    pub fn seconds_left(self) -> Option<f64> {
        let share = self.share();
        (share > 0.0).then(|| self.since.elapsed().as_secs_f64() / share * (1.0 - share))
    }
}

impl Session {
    fn open(
        folder: &Path,
        options: StationOptions,
        reviewer: &str,
        ctx: &egui::Context,
    ) -> Result<Self, EngineError> {
        let line = Line::open(folder, ACTOR)?;
        let plan = line.plan.clone();
        let wake = |ctx: &egui::Context| {
            let ctx = ctx.clone();
            move || ctx.request_repaint()
        };
        Ok(Self {
            folder: folder.to_owned(),
            plan,
            feed: Feed::start(line, folder, options.clone(), ctx.clone())?,
            desk: Desk::start(folder, reviewer, wake(ctx))?,
            album: Album::new(Pictures::start(folder, wake(ctx))?),
            recordings: Recordings::new(Sounds::start(folder, wake(ctx))?),
            player: Player::start(folder, wake(ctx))?,
            options,
            station: Snapshot::default(),
            series: VecDeque::new(),
            board: None,
            relabelling: None,
            started: Instant::now(),
        })
    }

    /// Takes in what happened since the last frame.
    pub fn drain(&mut self, ctx: &egui::Context) -> Vec<News> {
        if let Some(newest) = self.feed.snapshots.try_iter().last() {
            self.station = newest;
            self.sample();
        }
        self.album.drain(ctx);
        self.recordings.drain(ctx);
        let start = Instant::now();
        let mut news = Vec::new();
        while start.elapsed() < DRAIN {
            let Ok(event) = self.desk.events().try_recv() else { break };
            news.push(match event {
                DeskEvent::Board(board) => {
                    let id = |board: &Board| board.current.as_ref().map(|card| card.item.id);
                    let is_new_item =
                        self.board.as_ref().map(|old| (id(old), old.turn)) != Some((id(&board), board.turn));
                    self.board = Some(*board);
                    News::Board { is_new_item }
                }
                DeskEvent::Progress { done, total } => {
                    let since = self.relabelling.map_or_else(Instant::now, |before| before.since);
                    self.relabelling = Some(Relabelling { done, total, since });
                    continue;
                }
                DeskEvent::Done(what) => {
                    self.relabelling = None;
                    News::Done(what)
                }
                DeskEvent::Failed(why) => {
                    self.relabelling = None;
                    News::Failed(why)
                }
                labels => News::Labels(Box::new(labels)),
            });
        }
        news
    }

    fn sample(&mut self) {
        let at_secs = self.started.elapsed().as_secs_f64();
        if self.series.back().is_some_and(|last| at_secs - last.at_secs < 1.0) {
            return;
        }
        if self.series.len() == SERIES_SECS {
            self.series.pop_front();
        }
        self.series.push_back(Sample {
            at_secs,
            arrived: self.station.summary.arrived,
            automation: self.station.tallies.automation_rate(),
            waiting: self.station.tallies.waiting,
            p50_ms: self.station.latency_ms.p50,
            p99_ms: self.station.latency_ms.p99,
        });
    }

    /// Hands an ask to the desk; an error in words when it cannot take more.
    pub fn ask(&self, ask: Ask) -> Result<(), String> {
        if self.desk.ask(ask) { Ok(()) } else { Err("the desk is busy; try again".into()) }
    }

    pub fn ask_station(&self, ask: StationAsk) {
        self.feed.ask(ask);
    }

    /// Ends a correction of many labels where it is.
    pub fn cancel(&self) {
        self.desk.cancel();
    }

    pub fn level(&self) -> Level {
        self.station.level.unwrap_or(Level::Assist)
    }

    /// Closes the line without holding up the window: the station finishes what it has taken.
    pub fn close(self) {
        self.player.stop();
        let closing = std::thread::Builder::new().name("closing".into()).spawn(move || drop(self));
        // Without a thread the session was dropped here, which took a moment.
        drop(closing);
    }
}

/// A line that is being opened.
pub struct Opening {
    pub folder: PathBuf,
    opened: Receiver<Result<Session, String>>,
}

impl Opening {
    /// `make` may create the line first; it says which folder it is.
    pub fn start(
        folder: PathBuf,
        reviewer: String,
        ctx: egui::Context,
        make: impl FnOnce() -> Result<StationOptions, EngineError> + Send + 'static,
    ) -> Result<Self, String> {
        let (sender, opened) = bounded(1);
        let to_open = folder.clone();
        std::thread::Builder::new()
            .name("opening".into())
            .spawn(move || {
                let session = make()
                    .and_then(|options| Session::open(&to_open, options, &reviewer, &ctx))
                    .map_err(|error| error.to_string());
                // The window may have been closed meanwhile.
                let _ = sender.send(session);
                ctx.request_repaint();
            })
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Self { folder, opened })
    }

    pub fn result(&self) -> Option<Result<Session, String>> {
        self.opened.try_recv().ok()
    }
}
