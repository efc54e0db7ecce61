//! The back of the station: the only thread of it that writes. It commits what has come up in
//! one transaction, then gives decisions out, then lets the source move the files.

use super::guard::Guard;
use super::record::{Inspected, Recorded, close_overdue, record};
use super::station::{ACTOR, Finished, Shared, StationEvent};
use super::{release, steward};
use crate::domain::{Alarm, Plan};
use crate::store::{Store, StoreError, Tx};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Items under one commit at most: the disk sync is paid once, and no item waits long for others.
const GROUP_MAX: usize = 16;
/// How often overdue inspections are looked for.
const TICK: Duration = Duration::from_millis(200);
/// How often it looks whether anything was checked at all.
const STALE_EVERY: Duration = Duration::from_mins(10);
/// How often the station looks whether its promise still holds.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const RETENTION_EVERY: Duration = Duration::from_hours(1);
/// Between two attempts to commit to a disk that is full or a database that is locked.
const RETRY: Duration = Duration::from_secs(1);

/// Tells the source what became of a file.
pub(super) struct Written {
    pub path: PathBuf,
    /// False for a file that could not be recorded: it stays where it is.
    pub is_recorded: bool,
}

pub(super) fn run_writer(
    shared: &Shared,
    store: Store,
    from_network: &Receiver<Finished>,
    to_source: &Sender<Written>,
) {
    let plan = Arc::new(shared.plan.clone());
    let guard = Guard::new(Arc::clone(&plan));
    let now = Instant::now();
    let mut writer = Writer {
        shared,
        store,
        plan,
        guard,
        retention_due: now,
        look_due: now,
        stale_due: now,
        seen: None,
        is_troubled: false,
    };
    writer.give_out();
    loop {
        match from_network.recv_timeout(TICK) {
            Ok(first) => {
                let mut group = vec![first];
                group.extend(from_network.try_iter().take(GROUP_MAX - 1));
                writer.commit(group, to_source);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        writer.tend();
    }
    writer.give_out();
}

struct Writer<'a> {
    shared: &'a Shared,
    store: Store,
    plan: Arc<Plan>,
    guard: Guard,
    retention_due: Instant,
    look_due: Instant,
    stale_due: Instant,
    /// Version of the store's content that was looked at last.
    seen: Option<i64>,
    is_troubled: bool,
}

type Work = Box<dyn FnOnce(&Tx<'_>) -> Result<Recorded, StoreError> + Send>;

impl Writer<'_> {
    /// Commits a group, again and again while the disk is full; nothing is given out before.
    fn commit(&mut self, group: Vec<Finished>, to_source: &Sender<Written>) {
        if let Err(error) = self.guard.learn(&self.store) {
            self.shared.tell(StationEvent::Trouble(error.to_string()));
        }
        let mut waiting: Vec<(Arc<Inspected>, Finished)> =
            group.into_iter().map(|finished| (Arc::new(finished.item.clone()), finished)).collect();
        while !waiting.is_empty() {
            let works: Vec<Work> = waiting.iter().map(|(item, _)| self.work(Arc::clone(item))).collect();
            let results = match self.store.transact_group(ACTOR, works) {
                Ok(results) => results,
                Err(error) => {
                    if !self.wait_for_disk(&error) {
                        break;
                    }
                    continue;
                }
            };
            let mut again = Vec::new();
            let mut done = Vec::new();
            for (entry, result) in waiting.into_iter().zip(results) {
                match result {
                    Err(error) if is_passing(&error) => again.push((error, entry)),
                    result => done.push((entry.1, result)),
                }
            }
            // Given out before the files move: a moved file is one whose decision is known.
            self.give_out();
            for (finished, result) in done {
                self.finish(finished, result, to_source);
            }
            if let Some((error, _)) = again.first()
                && !self.wait_for_disk(error)
            {
                waiting = again.into_iter().map(|(_, entry)| entry).collect();
                break;
            }
            waiting = again.into_iter().map(|(_, entry)| entry).collect();
        }
        // Only when stopping with a full disk: these stay in their folder for the next start.
        for _ in &waiting {
            self.shared.in_flight.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn work(&self, item: Arc<Inspected>) -> Work {
        let plan = Arc::clone(&self.plan);
        let norms = self.guard.norms();
        Box::new(move |tx| record(tx, &plan, &item, norms.as_deref()))
    }

    fn finish(
        &mut self,
        finished: Finished,
        result: Result<Recorded, StoreError>,
        to_source: &Sender<Written>,
    ) {
        let path = finished.taken.file.path;
        let is_recorded = result.is_ok();
        if matches!(result, Ok(Recorded::Decided { .. }))
            && let Some(alarm) = {
                let Inspected { unit, asked, prediction, .. } = &finished.item;
                self.guard.saw(unit, asked.as_ref(), prediction)
            }
        {
            self.raise(&alarm);
        }
        match result {
            Ok(recorded) => {
                let latency_ms = finished.taken.taken_at.elapsed().as_secs_f64() * 1e3;
                self.shared.count(recorded);
                if let Recorded::Decided { outcome, .. } = recorded {
                    self.shared.latencies.lock().add(latency_ms);
                    self.shared.tell(StationEvent::Decided { name: finished.item.name, outcome, latency_ms });
                }
            }
            Err(error) => self.shared.tell(StationEvent::Trouble(format!(
                "{} could not be recorded and stays in its folder: {error}",
                finished.item.name
            ))),
        }
        // The source drains this while anything is in flight.
        let _ = to_source.send(Written { path, is_recorded });
        self.shared.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// At once: what is decided next is decided at the lower level.
    fn raise(&mut self, alarm: &Alarm) {
        match release::raise(&mut self.store, alarm) {
            Ok(true) => self.shared.tell(StationEvent::Alarm(alarm.text.clone())),
            Ok(false) => {}
            Err(error) => self.shared.tell(StationEvent::Trouble(error.to_string())),
        }
    }

    /// What people have answered meanwhile may contradict the promise.
    fn look(&mut self) {
        self.look_due = Instant::now() + LOOK_EVERY;
        let version = self.store.view().data_version().ok();
        // Where nobody answers nothing changes, and just that makes evidence stale.
        if version == self.seen && Instant::now() < self.stale_due {
            return;
        }
        self.stale_due = Instant::now() + STALE_EVERY;
        self.seen = version;
        match steward::tend(&mut self.store, &self.plan) {
            Ok(None) => {}
            Ok(Some(alarm)) => self.shared.tell(StationEvent::Alarm(alarm.text)),
            Err(error) => self.shared.tell(StationEvent::Trouble(error.to_string())),
        }
    }

    /// Decisions that could not be given out, overdue inspections, media whose time is over.
    fn tend(&mut self) {
        // Without this they would wait for the next item, and on a quiet line for hours.
        if self.is_troubled {
            self.give_out();
        }
        if self.plan.inspection.items > 1 {
            let plan = Arc::clone(&self.plan);
            match self.store.transact(ACTOR, |tx| close_overdue(tx, &plan)) {
                Ok(0) => {}
                Ok(_) => self.give_out(),
                Err(error) => self.trouble(&error),
            }
        }
        if Instant::now() >= self.look_due {
            self.look();
        }
        if !self.plan.retention.is_empty() && Instant::now() >= self.retention_due {
            self.retention_due = Instant::now() + RETENTION_EVERY;
            let plan = Arc::clone(&self.plan);
            if let Err(error) = self.store.apply_retention(&plan.retention, ACTOR) {
                self.trouble(&error);
            }
        }
    }

    fn give_out(&mut self) {
        match self.store.flush_outbox() {
            Ok(_) => self.recovered(),
            Err(error) => self.trouble(&error),
        }
    }

    /// False when the station is stopping.
    fn wait_for_disk(&mut self, error: &StoreError) -> bool {
        self.trouble(error);
        if self.shared.is_stopping() {
            return false;
        }
        std::thread::sleep(RETRY);
        true
    }

    fn trouble(&mut self, error: &StoreError) {
        if !self.is_troubled {
            self.shared.tell(StationEvent::Trouble(error.to_string()));
        }
        self.is_troubled = true;
    }

    fn recovered(&mut self) {
        if self.is_troubled {
            self.shared.tell(StationEvent::Recovered("decisions are written again".into()));
        }
        self.is_troubled = false;
    }
}

/// Errors that time or a person heals; everything else is about the one item.
fn is_passing(error: &StoreError) -> bool {
    matches!(error, StoreError::DiskFull | StoreError::Locked | StoreError::Io { .. })
}
