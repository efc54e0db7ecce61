//! Threads that work on a list which the front end replaces as the person moves on, most needed first:
//! nothing old is worked on, and nothing grows.

use super::EngineError;
use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Results that wait to be taken; a full channel holds the threads up.
const EVENTS: usize = 32;

/// What came of a wish.
#[derive(Clone, Debug)]
pub struct Granted<W, R> {
    pub want: W,
    pub result: Result<R, String>,
}

struct List<W> {
    /// In order of need.
    wants: Vec<W>,
    busy: Vec<W>,
    is_over: bool,
}

struct Shared<W> {
    list: Mutex<List<W>>,
    changed: Condvar,
}

/// The front end's end; dropping it ends the threads after what they are at.
pub(super) struct Wishes<W, R> {
    shared: Arc<Shared<W>>,
    granted: Receiver<Granted<W, R>>,
    threads: Vec<JoinHandle<()>>,
}

impl<W: Clone + PartialEq + Send + 'static, R: Send + 'static> Wishes<W, R> {
    /// One thread for each of `workers`; `wake` is called after each result.
    pub(super) fn start<F>(
        name: &'static str,
        workers: Vec<F>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, EngineError>
    where
        F: FnMut(&W) -> Result<R, String> + Send + 'static,
    {
        let list = List { wants: Vec::new(), busy: Vec::new(), is_over: false };
        let shared = Arc::new(Shared { list: Mutex::new(list), changed: Condvar::new() });
        let (sender, granted) = bounded(EVENTS);
        let wake = Arc::new(wake);
        let mut threads = Vec::new();
        for (i, mut worker) in workers.into_iter().enumerate() {
            let (shared, sender, wake) = (Arc::clone(&shared), sender.clone(), Arc::clone(&wake));
            let thread = std::thread::Builder::new()
                .name(format!("{name}-{}", i + 1))
                .spawn(move || work(&shared, &sender, &*wake, &mut worker))
                .map_err(|error| EngineError::Failed(format!("cannot start a thread for {name}: {error}")))?;
            threads.push(thread);
        }
        Ok(Self { shared, granted, threads })
    }

    /// Replaces the list, most needed first. What was granted before is not kept here.
    pub(super) fn want(&self, wants: Vec<W>) {
        let mut list = self.shared.list.lock();
        if list.wants != wants {
            list.wants = wants;
            self.shared.changed.notify_all();
        }
    }

    pub(super) fn granted(&self) -> &Receiver<Granted<W, R>> {
        &self.granted
    }
}

impl<W, R> Drop for Wishes<W, R> {
    fn drop(&mut self) {
        self.shared.list.lock().is_over = true;
        self.shared.changed.notify_all();
        while self.threads.iter().any(|thread| !thread.is_finished()) {
            // A thread may be waiting to hand a result over.
            let _ = self.granted.recv_timeout(Duration::from_millis(5));
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work<W: Clone + PartialEq, R>(
    shared: &Shared<W>,
    sender: &Sender<Granted<W, R>>,
    wake: &(impl Fn() + Send + Sync),
    worker: &mut impl FnMut(&W) -> Result<R, String>,
) {
    loop {
        let want = {
            let mut list = shared.list.lock();
            loop {
                if list.is_over {
                    return;
                }
                let next = list.wants.iter().position(|want| !list.busy.contains(want));
                if let Some(at) = next {
                    let want = list.wants.remove(at);
                    list.busy.push(want.clone());
                    break want;
                }
                shared.changed.wait(&mut list);
            }
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| worker(&want)))
            .unwrap_or_else(|_| Err("the decoder broke on it".into()));
        let is_sent = sender.send(Granted { want: want.clone(), result }).is_ok();
        shared.list.lock().busy.retain(|other| *other != want);
        wake();
        if !is_sent {
            return;
        }
    }
}
