//! A person's desk: the thread that owns the reviewer's connection to the line. It reserves the next
//! item, records answers durably, takes them back, and says after each what lies on the desk now.
//!
//! Front ends send [`Ask`]s and get whole [`Board`]s back: they keep no state of the queue that could
//! differ from the store's. A board that follows an answer is sent after that answer is on the disk.

use super::{Card, EngineError, Line, ReleaseStep};
use crate::domain::{ItemId, Label, Level, Task, Timestamp, Verdict};
use crate::store::{AnswerPace, LabelFilter, LabelPlace, Labelled, QueueFilter, StoreError, Waiting};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Items shown beyond the one on the desk: what a filmstrip holds.
const UPCOMING: usize = 12;
/// Waiting items of a filter are counted up to here; a person needs no more digits.
pub const COUNT_MAX: usize = 10_000;
/// Asks that wait; a person is slower.
const ASKS: usize = 64;
const EVENTS: usize = 64;
/// How often the desk looks whether somebody else has changed something.
const LOOK: Duration = Duration::from_millis(250);
/// A reservation is renewed when this share of it is over.
const RENEW_SHARE: f64 = 0.5;
/// Skips and answers that undo walks back within one session before it asks the log.
const ACTIONS_MAX: usize = 10_000;
/// Labels whose regions are drawn as a cloud of points.
const PLACES_MAX: usize = 20_000;
/// Relabelled items between two pieces of news of it.
const PROGRESS_EVERY: usize = 8;
const DAY_SECS: f64 = 86_400.0;

/// What a person asks of the desk.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Only these items from now on.
    Filter(QueueFilter),
    /// Somebody else sits down.
    Reviewer(String),
    /// This item, whether it waits or not.
    Show(ItemId),
    /// Back to the queue.
    Next,
    Answer(Box<Verdict>),
    /// The last answer or skip.
    Undo,
    /// The item on the desk, later.
    Skip,
    /// One class for many labelled items; each becomes a verdict of its own.
    Relabel {
        items: Vec<ItemId>,
        class: String,
    },
    Level {
        level: Level,
        reason: String,
    },
    /// Moves a model on, or back.
    Release {
        model: String,
        step: ReleaseStep,
        reason: String,
    },
    /// Ids of labels, newest first.
    Labels(LabelFilter),
    /// Rows of the list of labels.
    LabelRows(Vec<ItemId>),
}

/// What lies on the desk.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    pub reviewer: String,
    pub filter: QueueFilter,
    pub current: Option<Arc<Card>>,
    /// What comes next, in order.
    pub upcoming: Vec<Waiting>,
    /// Waiting items that the filter wants, counted up to [`COUNT_MAX`].
    pub waiting: usize,
    pub oldest: Option<Timestamp>,
    /// Since a day ago.
    pub pace: AnswerPace,
    /// From taking the last answer to its being on the disk.
    pub saved_ms: Option<f64>,
    /// Number of answers, skips and undos before this board: a front end knows its own by it.
    pub turn: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum DeskEvent {
    Board(Box<Board>),
    Labels(Box<LabelList>),
    LabelRows(Vec<Labelled>),
    /// How far a relabelling of many items is.
    Progress {
        done: usize,
        total: usize,
    },
    /// Something was done that a person asked for.
    Done(String),
    /// It was not done, and why.
    Failed(String),
}

/// The labels that a filter wants, and what all of them are.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelList {
    pub filter: LabelFilter,
    /// Newest first.
    pub ids: Vec<ItemId>,
    /// Class and status; the class is empty where the label has none.
    pub counts: Vec<((String, String), i64)>,
    /// In how many of them a word is said, most first; only of a line that writes that down.
    pub words: Vec<(String, i64)>,
    /// Of the newest labels.
    pub places: Vec<LabelPlace>,
}

/// The front end's end. Dropping it waits for the thread; the reservation stays
/// until it passes, so that a window that opens soon again finds the same item.
pub struct Desk {
    asks: Option<Sender<Ask>>,
    events: Receiver<DeskEvent>,
    thread: Option<JoinHandle<()>>,
    cancel: Arc<AtomicBool>,
}

impl Desk {
    /// Opens the line for one reviewer. `wake` is called after each event.
    pub fn start(
        folder: &Path,
        reviewer: &str,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self, EngineError> {
        let line = Line::open(folder, reviewer)?;
        let (asks, from_front) = bounded(ASKS);
        let (to_front, events) = bounded(EVENTS);
        let cancel = Arc::new(AtomicBool::new(false));
        let mut sitting = Sitting {
            line,
            reviewer: reviewer.to_owned(),
            filter: QueueFilter::default(),
            current: None,
            looked_at: None,
            put_off: Vec::new(),
            actions: Vec::new(),
            leased_at: Instant::now(),
            saved_ms: None,
            turn: 0,
            told: None,
            to_front,
            wake: Box::new(wake),
            cancel: Arc::clone(&cancel),
        };
        let thread = std::thread::Builder::new()
            .name("desk".into())
            .spawn(move || sitting.serve(&from_front))
            .map_err(|error| EngineError::Failed(format!("cannot start the desk's thread: {error}")))?;
        Ok(Self { asks: Some(asks), events, thread: Some(thread), cancel })
    }

    /// Hands an ask over without waiting; `false` when more is waiting than a person can have asked.
    #[must_use]
    pub fn ask(&self, ask: Ask) -> bool {
        self.asks.as_ref().is_some_and(|asks| asks.try_send(ask).is_ok())
    }

    #[must_use]
    pub fn events(&self) -> &Receiver<DeskEvent> {
        &self.events
    }

    /// Ends a relabelling of many items after the one that it is at.
    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.cancel();
        self.asks = None;
        // The thread may be waiting to hand an event over.
        let thread = self.thread.take();
        while thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            let _ = self.events.recv_timeout(Duration::from_millis(5));
        }
        if let Some(thread) = thread {
            // A panic was reported on its own thread; here only the end of it matters.
            let _ = thread.join();
        }
    }
}

/// What undo takes back.
enum Action {
    Answered,
    Skipped(ItemId),
}

struct Sitting {
    line: Line,
    reviewer: String,
    filter: QueueFilter,
    current: Option<Arc<Card>>,
    /// An item that was asked for by name, instead of the queue's first.
    looked_at: Option<ItemId>,
    /// Skipped; they come again when nothing else is left.
    put_off: Vec<ItemId>,
    actions: Vec<Action>,
    leased_at: Instant,
    saved_ms: Option<f64>,
    turn: u64,
    /// The board that the front end has.
    told: Option<Board>,
    to_front: Sender<DeskEvent>,
    wake: Box<dyn Fn() + Send>,
    cancel: Arc<AtomicBool>,
}

impl Sitting {
    fn serve(&mut self, asks: &Receiver<Ask>) {
        if let Err(error) = self.resume() {
            self.tell(DeskEvent::Failed(error.to_string()));
        }
        let mut seen = None;
        loop {
            match asks.recv_timeout(LOOK) {
                Ok(ask) => {
                    if let Err(error) = self.carry_out(ask) {
                        self.tell(DeskEvent::Failed(error.to_string()));
                        self.refresh();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    let version = self.line.store.view().data_version().ok();
                    if version != seen || self.lease_is_due() {
                        seen = version;
                        self.refresh();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // The reservation stays: whoever opens the line again soon finds the same item.
    }

    fn tell(&self, event: DeskEvent) {
        // A front end that is gone needs no news.
        let _ = self.to_front.send(event);
        (self.wake)();
    }

    /// Puts back on the desk what lay there when the program ended.
    fn resume(&mut self) -> Result<(), EngineError> {
        let now = self.line.store.now();
        let held = self.line.store.view().leased_by(&self.reviewer, now)?;
        for item in held {
            if self.line.store.view().is_waiting(item)? {
                self.looked_at = Some(item);
                break;
            }
        }
        self.lay_out()
    }

    fn carry_out(&mut self, ask: Ask) -> Result<(), EngineError> {
        match ask {
            Ask::Filter(filter) => {
                self.give_back()?;
                self.filter = filter;
                self.looked_at = None;
                self.lay_out()
            }
            Ask::Reviewer(name) => {
                self.give_back()?;
                self.reviewer = name;
                self.actions.clear();
                self.put_off.clear();
                self.looked_at = None;
                self.lay_out()
            }
            Ask::Show(item) => {
                self.give_back()?;
                self.looked_at = Some(item);
                self.lay_out()
            }
            Ask::Next => {
                self.give_back()?;
                self.looked_at = None;
                self.lay_out()
            }
            Ask::Answer(verdict) => self.answer(&verdict),
            Ask::Undo => self.undo(),
            Ask::Skip => self.skip(),
            Ask::Relabel { items, class } => self.relabel(&items, &class),
            Ask::Level { level, reason } => {
                self.line.set_level(level, &self.reviewer, &reason)?;
                self.tell(DeskEvent::Done(format!("Level {level}")));
                self.lay_out()
            }
            Ask::Release { model, step, reason } => {
                let done = self.line.take(step, &model, &self.reviewer, &reason)?;
                self.tell(DeskEvent::Done(done));
                self.lay_out()
            }
            Ask::Labels(filter) => {
                let view = self.line.store.view();
                let plan = &self.line.plan;
                let ids = view.labelled_ids(&filter, &plan.transcript)?;
                let counts = view.label_counts()?.into_iter().collect();
                let mut words: Vec<(String, i64)> = match plan.task {
                    Task::Transcribe => view.word_counts(&plan.transcript)?.into_iter().collect(),
                    Task::Defect | Task::Classify => Vec::new(),
                };
                words.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
                let places = view.label_places(PLACES_MAX)?;
                self.tell(DeskEvent::Labels(Box::new(LabelList { filter, ids, counts, words, places })));
                Ok(())
            }
            Ask::LabelRows(ids) => {
                let view = self.line.store.view();
                let rows: Result<Vec<Option<Labelled>>, StoreError> =
                    ids.into_iter().map(|id| view.labelled(id)).collect();
                self.tell(DeskEvent::LabelRows(rows?.into_iter().flatten().collect()));
                Ok(())
            }
        }
    }

    fn answer(&mut self, verdict: &Verdict) -> Result<(), EngineError> {
        let start = Instant::now();
        self.line.answer(verdict)?;
        self.saved_ms = Some(start.elapsed().as_secs_f64() * 1e3);
        self.did(Action::Answered);
        self.put_off.retain(|item| *item != verdict.item);
        self.looked_at = None;
        self.lay_out()
    }

    fn skip(&mut self) -> Result<(), EngineError> {
        let Some(card) = self.current.clone() else { return Ok(()) };
        self.give_back()?;
        if card.is_waiting {
            self.put_off.push(card.item.id);
            self.did(Action::Skipped(card.item.id));
        }
        self.looked_at = None;
        self.lay_out()
    }

    fn undo(&mut self) -> Result<(), EngineError> {
        let back = match self.actions.pop() {
            Some(Action::Skipped(item)) => {
                self.put_off.retain(|other| *other != item);
                item
            }
            Some(Action::Answered) | None => self.line.undo(&self.reviewer)?.item,
        };
        self.turn += 1;
        self.give_back()?;
        self.looked_at = Some(back);
        self.lay_out()
    }

    fn relabel(&mut self, items: &[ItemId], class: &str) -> Result<(), EngineError> {
        self.cancel.store(false, Ordering::Relaxed);
        let (mut done, total) = (0, items.len());
        for &item in items {
            if done % PROGRESS_EVERY == 0 {
                self.tell(DeskEvent::Progress { done, total });
            }
            if self.cancel.load(Ordering::Relaxed) {
                break;
            }
            self.line.answer(&Verdict {
                regions: self.kept_regions(item, class)?,
                comment: Some("corrected in a list".into()),
                ..Verdict::of_class(item, &self.reviewer, class)
            })?;
            self.did(Action::Answered);
            done += 1;
        }
        let of = if done == total { String::new() } else { format!(" of {total}") };
        self.tell(DeskEvent::Done(format!("{done}{of} labels are now {class}")));
        self.lay_out()
    }

    /// The places of the defect stay when only its name changes; a good item has none.
    fn kept_regions(&self, item: ItemId, class: &str) -> Result<Vec<crate::domain::Region>, EngineError> {
        let label = self.line.store.view().label(item)?;
        let regions = label.map_or_else(Vec::new, |label| label.regions);
        if class == Label::GOOD {
            return Ok(Vec::new());
        }
        Ok(regions
            .into_iter()
            .map(|region| crate::domain::Region { class: class.to_owned(), ..region })
            .collect())
    }

    fn did(&mut self, action: Action) {
        self.turn += 1;
        if self.actions.len() == ACTIONS_MAX {
            self.actions.remove(0);
        }
        self.actions.push(action);
    }

    fn give_back(&mut self) -> Result<(), EngineError> {
        if let Some(card) = self.current.take() {
            self.line.store.release_lease(card.item.id, &self.reviewer)?;
        }
        Ok(())
    }

    fn lease_is_due(&self) -> bool {
        self.current.is_some()
            && self.leased_at.elapsed().as_secs_f64() > RENEW_SHARE * self.line.plan.review.lease_secs
    }

    /// Lays out again what lies on the desk; trouble is told, and the old board stays.
    fn refresh(&mut self) {
        if let (Some(card), None) = (&self.current, self.looked_at) {
            // What a person is looking at stays, whatever comes in front of it.
            self.looked_at = Some(card.item.id);
        }
        // Renewing a reservation is a change that other desks see: only when it is due.
        let laid =
            if self.current.is_none() || self.lease_is_due() { self.lay_out() } else { self.look_again() };
        if let Err(error) = laid {
            self.tell(DeskEvent::Failed(error.to_string()));
        }
    }

    /// Reserves what lies on the desk, and says what that is.
    fn lay_out(&mut self) -> Result<(), EngineError> {
        let secs = self.line.plan.review.lease_secs;
        let first = match self.looked_at {
            Some(item) => match self.line.store.lease(item, &self.reviewer, secs)? {
                Ok(()) => Some(item),
                Err(holder) => {
                    self.tell(DeskEvent::Failed(format!("{holder} has this item on the screen")));
                    self.looked_at = None;
                    self.first_waiting(secs)?
                }
            },
            None => self.first_waiting(secs)?,
        };
        self.leased_at = Instant::now();
        self.place(first)
    }

    fn look_again(&mut self) -> Result<(), EngineError> {
        self.place(self.current.as_ref().map(|card| card.item.id))
    }

    fn place(&mut self, item: Option<ItemId>) -> Result<(), EngineError> {
        self.current = item
            .map(|item| Card::read(&self.line, item, &self.reviewer))
            .transpose()?
            .flatten()
            .map(Arc::new);
        let board = self.board()?;
        if self.told.as_ref() != Some(&board) {
            self.told = Some(board.clone());
            self.tell(DeskEvent::Board(Box::new(board)));
        }
        Ok(())
    }

    fn first_waiting(&mut self, secs: f64) -> Result<Option<ItemId>, EngineError> {
        let found = self.line.store.lease_first(&self.filter, &self.put_off, &self.reviewer, secs)?;
        if found.is_none() && !self.put_off.is_empty() {
            // Only skipped ones are left: they come again.
            self.put_off.clear();
            return Ok(self
                .line
                .store
                .lease_first(&self.filter, &[], &self.reviewer, secs)?
                .map(|row| row.item.id));
        }
        Ok(found.map(|row| row.item.id))
    }

    fn board(&self) -> Result<Board, EngineError> {
        let view = self.line.store.view();
        let current = self.current.as_ref().map(|card| card.item.id);
        let page = UPCOMING + 1 + self.put_off.len().min(64);
        let mut upcoming = view.waiting(&self.filter, page)?;
        // A page that is not full was a count already.
        let waiting =
            if upcoming.len() < page { upcoming.len() } else { view.queue_count(&self.filter, COUNT_MAX)? };
        upcoming.retain(|row| Some(row.item.id) != current && !self.put_off.contains(&row.item.id));
        upcoming.truncate(UPCOMING);
        Ok(Board {
            reviewer: self.reviewer.clone(),
            filter: self.filter.clone(),
            current: self.current.clone(),
            upcoming,
            waiting,
            oldest: view.oldest_waiting()?,
            pace: view.answer_pace(&self.reviewer, self.line.store.now().plus_secs(-DAY_SECS))?,
            saved_ms: self.saved_ms,
            turn: self.turn,
        })
    }
}
