//! One long job on a thread of its own: progress, the time left, and a cancel that works.

use super::EngineError;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

/// Where a job stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskProgress {
    /// 0 to 1; `None` while that is not known.
    pub share: Option<f64>,
    /// What is being done, in words.
    pub what: String,
}

/// What a job works with.
pub struct TaskControl {
    cancel: Arc<AtomicBool>,
    progress: Arc<Mutex<TaskProgress>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl TaskControl {
    /// Set when the person does not want it any more.
    #[must_use]
    pub fn cancel(&self) -> &AtomicBool {
        &self.cancel
    }

    pub fn progress(&self, share: Option<f64>, what: impl Into<String>) {
        *self.progress.lock() = TaskProgress { share, what: what.into() };
        (self.wake)();
    }

    /// For jobs that count.
    pub fn count(&self, done: usize, total: usize, what: &str) {
        self.progress(Some(done as f64 / total.max(1) as f64), format!("{done} of {total} {what}"));
    }
}

/// A running or finished job. Dropping it cancels it and waits.
pub struct Task<T> {
    pub title: String,
    cancel: Arc<AtomicBool>,
    progress: Arc<Mutex<TaskProgress>>,
    started: Instant,
    thread: Option<JoinHandle<Result<T, EngineError>>>,
}

impl<T: Send + 'static> Task<T> {
    pub fn start(
        title: &str,
        wake: impl Fn() + Send + Sync + 'static,
        work: impl FnOnce(&TaskControl) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<Self, EngineError> {
        let cancel = Arc::new(AtomicBool::new(false));
        let progress = Arc::new(Mutex::new(TaskProgress::default()));
        let control = TaskControl {
            cancel: Arc::clone(&cancel),
            progress: Arc::clone(&progress),
            wake: Box::new(wake),
        };
        let thread = std::thread::Builder::new()
            .name("task".into())
            .spawn(move || {
                let done = work(&control);
                (control.wake)();
                done
            })
            .map_err(|error| EngineError::Failed(format!("cannot start a thread: {error}")))?;
        Ok(Self { title: title.to_owned(), cancel, progress, started: Instant::now(), thread: Some(thread) })
    }

    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn progress(&self) -> TaskProgress {
        self.progress.lock().clone()
    }

    /// At the speed so far; `None` before anything is done.
    #[must_use]
    pub fn seconds_left(&self) -> Option<f64> {
        let share = self.progress.lock().share.filter(|share| *share > 0.0)?;
        Some(self.started.elapsed().as_secs_f64() / share * (1.0 - share))
    }

    /// What came of it, once; `None` while it runs.
    pub fn result(&mut self) -> Option<Result<T, EngineError>> {
        if !self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            return None;
        }
        let thread = self.thread.take()?;
        Some(thread.join().unwrap_or_else(|_| Err(EngineError::Failed(format!("{} broke", self.title)))))
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its result is not wanted any more.
            let _ = thread.join();
        }
    }
}

/// Makes this thread the last to get the processor. On Linux each thread has its own priority; elsewhere
/// long work has to pause by itself while others are busy.
pub(super) fn lower_priority() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(19);
}
