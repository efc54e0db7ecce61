//! A watched folder: gives out each file once, when it is whole.
//!
//! Notify's events make it quick, a rescan makes it sure (network shares give no events). A file
//! is whole when its size and time stood still for a while under our own eyes; a time stamp
//! alone proves nothing, since copies keep old ones. A file that was renamed in is whole at
//! once: it was written elsewhere or under another name.
//!
//! Driven by its caller's thread and clock; must not know what the files are.

use crate::domain::{FolderSource, Timestamp};
use crossbeam_channel::{Receiver, Sender, bounded};
use notify::event::{ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// Finished files go here, below the watched folder; never looked into.
pub const DONE_FOLDER: &str = "done";
/// Events waiting for a poll; when more come, the next poll rescans instead.
const EVENTS_MAX: usize = 4096;
/// Given out by one poll; the others wait for the next, so that a full inbox stays on disk
/// and not in memory.
const READY_PER_POLL_MAX: usize = 1024;
/// Links are not followed, so there are no loops; deeper is a mistake.
const DEPTH_MAX: usize = 32;
/// A rescan that takes long comes less often: at most this share of the time goes into it.
const RESCAN_SHARE_MAX: u32 = 10;
/// Numbers tried for a free name in the done folder.
const FREE_NAMES_MAX: u32 = 100_000;
/// Programs write under these endings and rename when they are finished.
const TEMPORARY_ENDINGS: [&str; 5] = ["tmp", "part", "partial", "crdownload", "filepart"];

#[derive(Debug, Error)]
pub enum FolderError {
    #[error("the file is not below the watched folder: {}", path.display())]
    Outside { path: PathBuf },
    #[error("the file is gone: {}", path.display())]
    Gone { path: PathBuf },
    #[error("every name for it is taken in the done folder: {}", path.display())]
    NoFreeName { path: PathBuf },
    #[error("the file cannot be moved to the done folder: {source}: {}", path.display())]
    Move { source: io::Error, path: PathBuf },
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// For opening; may be anything that the system allows.
    pub path: PathBuf,
    /// For people and patterns: relative to the folder, parts separated by `/`, what is not
    /// UTF-8 replaced.
    pub name: String,
    pub bytes: u64,
    pub modified: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderStatus {
    /// Events and rescans.
    Watching,
    /// Rescans only: events cannot be had here.
    WithoutEvents { why: String },
    /// The folder is not there; it is looked for at every rescan.
    Missing,
    /// The folder, or one below it, cannot be read; tried again at every rescan.
    Unreadable { why: String },
}

impl fmt::Display for FolderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Watching => f.write_str("watching"),
            Self::WithoutEvents { why } => write!(f, "looking regularly, without events: {why}"),
            Self::Missing => f.write_str("the watched folder is missing"),
            Self::Unreadable { why } => write!(f, "the watched folder cannot be read: {why}"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct PollResult {
    /// Oldest first, then by name.
    pub ready: Vec<FoundFile>,
    /// Files that are seen but not yet given out.
    pub pending: usize,
    pub status: FolderStatus,
}

impl PollResult {
    /// Nothing came and nothing is on its way: where `--once` ends.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.pending == 0
    }
}

/// By this a file is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Settling {
    stamp: Stamp,
    /// Since when it has this stamp.
    since: Instant,
    was_renamed_in: bool,
}

pub struct FolderWatcher {
    root: PathBuf,
    settle: Duration,
    rescan: Duration,
    watcher: Option<RecommendedWatcher>,
    /// Which folder the watcher sits on: one that was deleted and made again is another.
    watched: Option<Identity>,
    status: FolderStatus,
    sender: Sender<notify::Event>,
    events: Receiver<notify::Event>,
    has_lost_events: Arc<AtomicBool>,
    /// Paths from events, each with whether it was renamed in.
    touched: BTreeMap<PathBuf, bool>,
    settling: HashMap<PathBuf, Settling>,
    given: HashMap<PathBuf, Stamp>,
    next_rescan: Option<Instant>,
}

impl FolderWatcher {
    /// `root` is the folder itself; `source` says how long files settle and how often to look.
    /// The folder need not exist yet.
    #[must_use]
    pub fn new(root: &Path, source: &FolderSource) -> Self {
        let (sender, events) = bounded(EVENTS_MAX);
        let secs = |secs: f64| Duration::try_from_secs_f64(secs).unwrap_or(Duration::from_secs(1));
        Self {
            root: std::path::absolute(root).unwrap_or_else(|_| root.to_owned()),
            settle: secs(source.settle_secs),
            rescan: secs(source.rescan_secs),
            watcher: None,
            watched: None,
            status: FolderStatus::Missing,
            sender,
            events,
            has_lost_events: Arc::new(AtomicBool::new(false)),
            touched: BTreeMap::new(),
            settling: HashMap::new(),
            given: HashMap::new(),
            next_rescan: None,
        }
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Waits until something happened in the folder or a file may have settled, at most `timeout`.
    pub fn wait(&mut self, timeout: Duration) {
        if !self.touched.is_empty() {
            return;
        }
        let now = Instant::now();
        let due = |settling: &Settling| (settling.since + self.settle).saturating_duration_since(now);
        let until = self.settling.values().map(due).min().map_or(timeout, |due| due.min(timeout));
        if let Ok(event) = self.events.recv_timeout(until) {
            self.note(&event);
        }
    }

    /// Looks at what changed (at everything when a rescan is due) and gives out the whole files.
    pub fn poll(&mut self, now: Instant) -> PollResult {
        while let Ok(event) = self.events.try_recv() {
            self.note(&event);
        }
        let has_lost_events = self.has_lost_events.swap(false, Ordering::Relaxed);
        if has_lost_events || self.next_rescan.is_none_or(|at| now >= at) {
            self.rescan(now);
        } else {
            for (path, was_renamed_in) in std::mem::take(&mut self.touched) {
                self.look_at(path, was_renamed_in, now);
            }
            // A folder that came in as a whole asked for it.
            if self.next_rescan.is_none() {
                self.rescan(now);
            }
        }
        let ready = self.take_ready(now);
        PollResult { ready, pending: self.settling.len(), status: self.status.clone() }
    }

    /// Moves a finished file below `done/`, sub-folders kept; a name that is taken there gets a
    /// number. Returns the new path.
    pub fn move_to_done(&mut self, path: &Path) -> Result<PathBuf, FolderError> {
        let outside = || FolderError::Outside { path: path.to_owned() };
        let relative = path.strip_prefix(&self.root).map_err(|_| outside())?;
        if relative.components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(outside());
        }
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => FolderError::Gone { path: path.to_owned() },
            _ => FolderError::Move { source, path: path.to_owned() },
        };
        fs::symlink_metadata(path).map_err(failed)?;
        let wanted = self.root.join(DONE_FOLDER).join(relative);
        let parent = wanted.parent().ok_or_else(outside)?;
        fs::create_dir_all(parent).map_err(|source| FolderError::Move { source, path: path.to_owned() })?;
        // One station works on a line at a time, so the name stays free until the rename.
        let target = (0..FREE_NAMES_MAX)
            .map(|number| numbered(&wanted, number))
            .find(|candidate| fs::symlink_metadata(candidate).is_err())
            .ok_or_else(|| FolderError::NoFreeName { path: path.to_owned() })?;
        fs::rename(path, &target).map_err(failed)?;
        self.given.remove(path);
        self.settling.remove(path);
        Ok(target)
    }

    fn note(&mut self, event: &notify::Event) {
        if event.need_rescan() {
            self.next_rescan = None;
            return;
        }
        let renamed_in =
            matches!(event.kind, EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)));
        for (i, path) in event.paths.iter().enumerate() {
            let is_target = renamed_in && i + 1 == event.paths.len();
            *self.touched.entry(path.clone()).or_default() |= is_target;
        }
    }

    /// One path from an event.
    fn look_at(&mut self, path: PathBuf, was_renamed_in: bool, now: Instant) {
        let Ok(relative) = path.strip_prefix(&self.root) else { return };
        if relative.as_os_str().is_empty() {
            // The folder itself changed: deleted, made again, or its rights.
            self.next_rescan = None;
            return;
        }
        if is_ignored(relative) {
            return;
        }
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => self.next_rescan = None,
            Ok(_) => {
                if let Some(stamp) = stamp_of(&path) {
                    self.observe(path, stamp, was_renamed_in, now);
                }
            }
            Err(_) => {
                self.settling.remove(&path);
            }
        }
    }

    fn observe(&mut self, path: PathBuf, stamp: Stamp, was_renamed_in: bool, now: Instant) {
        if self.given.get(&path) == Some(&stamp) {
            return;
        }
        match self.settling.get_mut(&path) {
            Some(settling) if settling.stamp == stamp => settling.was_renamed_in |= was_renamed_in,
            _ => {
                self.settling.insert(path, Settling { stamp, since: now, was_renamed_in });
            }
        }
    }

    fn rescan(&mut self, now: Instant) {
        let started = Instant::now();
        let renamed = std::mem::take(&mut self.touched);
        // Watching comes first, or a file that comes in between would wait for the next rescan.
        let watching = self.watch();
        let mut found = Vec::new();
        let outcome = scan(&self.root, Path::new(""), 0, &mut found);
        self.status = match outcome {
            Ok(()) => {
                let before = std::mem::take(&mut self.given);
                self.given =
                    found.iter().filter_map(|(path, _)| before.get_key_value(path)).map(copied).collect();
                let there: HashSet<&Path> = found.iter().map(|(path, _)| path.as_path()).collect();
                self.settling.retain(|path, _| there.contains(path.as_path()));
                watching
            }
            // What cannot be seen now is not forgotten: it would be given out again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.watcher = None;
                self.watched = None;
                FolderStatus::Missing
            }
            Err(error) => FolderStatus::Unreadable { why: error.to_string() },
        };
        for (path, stamp) in found {
            let was_renamed_in = renamed.get(&path).copied().unwrap_or(false);
            self.observe(path, stamp, was_renamed_in, now);
        }
        self.next_rescan = Some(now + self.rescan.max(started.elapsed() * RESCAN_SHARE_MAX));
    }

    /// Puts the watcher on the folder, again if it is another one than before.
    fn watch(&mut self) -> FolderStatus {
        let identity = Identity::of(&self.root);
        if self.watcher.is_some() && self.watched == identity {
            return FolderStatus::Watching;
        }
        let (sender, has_lost_events) = (self.sender.clone(), Arc::clone(&self.has_lost_events));
        let handler = move |event: notify::Result<notify::Event>| {
            let is_lost = match event {
                // Reading a file, as we do ourselves, is no news.
                Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
                Ok(event) => sender.try_send(event).is_err(),
                Err(_) => true,
            };
            if is_lost {
                has_lost_events.store(true, Ordering::Relaxed);
            }
        };
        let config = notify::Config::default().with_follow_symlinks(false);
        let made = RecommendedWatcher::new(handler, config).and_then(|mut watcher| {
            watcher.watch(&self.root, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        match made {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                self.watched = identity;
                FolderStatus::Watching
            }
            Err(error) => {
                self.watcher = None;
                self.watched = None;
                FolderStatus::WithoutEvents { why: error.to_string() }
            }
        }
    }

    fn take_ready(&mut self, now: Instant) -> Vec<FoundFile> {
        let is_due = |settling: &Settling| {
            settling.was_renamed_in || now.saturating_duration_since(settling.since) >= self.settle
        };
        let mut due: Vec<(PathBuf, Stamp)> = self
            .settling
            .iter()
            .filter(|(_, settling)| is_due(settling))
            .map(|(path, settling)| (path.clone(), settling.stamp))
            .collect();
        due.sort_by(|a, b| (a.1.modified, &a.0).cmp(&(b.1.modified, &b.0)));
        let mut ready = Vec::new();
        for (path, stamp) in due {
            if ready.len() == READY_PER_POLL_MAX {
                break;
            }
            match stamp_of(&path) {
                Some(current) if current == stamp => {
                    self.settling.remove(&path);
                    self.given.insert(path.clone(), stamp);
                    ready.push(found_file(&self.root, path, stamp));
                }
                Some(current) => {
                    let settling = Settling { stamp: current, since: now, was_renamed_in: false };
                    self.settling.insert(path, settling);
                }
                None => {
                    self.settling.remove(&path);
                }
            }
        }
        ready
    }
}

fn copied((path, stamp): (&PathBuf, &Stamp)) -> (PathBuf, Stamp) {
    (path.clone(), *stamp)
}

/// Device and file number, where the system has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).ok().map(|found| Self(found.dev(), found.ino()))
    }

    #[cfg(not(unix))]
    fn of(_path: &Path) -> Option<Self> {
        None
    }
}

/// `None` unless it is, or a link leads to, a regular file that is there.
fn stamp_of(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(Stamp { modified: found.modified().unwrap_or(UNIX_EPOCH), bytes: found.len() })
}

fn found_file(root: &Path, path: PathBuf, stamp: Stamp) -> FoundFile {
    let relative = path.strip_prefix(root).unwrap_or(&path);
    let parts: Vec<_> = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    let name = parts.join("/");
    let micros = match stamp.modified.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    };
    FoundFile { path, name, bytes: stamp.bytes, modified: Timestamp::from_micros(micros) }
}

/// Hidden and temporary names, and everything in the done folder.
fn is_ignored(relative: &Path) -> bool {
    let mut parts = relative.components().map(Component::as_os_str);
    let is_done = parts.clone().next().is_some_and(|first| first == DONE_FOLDER);
    let is_hidden = parts.any(|part| part.as_encoded_bytes().starts_with(b"."));
    let is_temporary = relative.extension().is_some_and(|ending| {
        TEMPORARY_ENDINGS.iter().any(|temporary| ending.eq_ignore_ascii_case(temporary))
    });
    is_done || is_hidden || is_temporary || relative.as_os_str().as_encoded_bytes().ends_with(b"~")
}

/// All files below `root/relative` with their stamps. Linked folders are not entered. The error
/// is that of the first folder that could not be read; the others are still scanned.
fn scan(root: &Path, relative: &Path, depth: usize, found: &mut Vec<(PathBuf, Stamp)>) -> io::Result<()> {
    let mut outcome = Ok(());
    for entry in fs::read_dir(root.join(relative))? {
        let entry = entry?;
        let below = relative.join(entry.file_name());
        if is_ignored(&below) {
            continue;
        }
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if depth < DEPTH_MAX {
                match scan(root, &below, depth + 1, found) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        outcome = outcome.and(Err(error));
                    }
                    // Deleted between listing and reading: nothing is missing.
                    _ => {}
                }
            }
        } else if let Some(stamp) = stamp_of(&entry.path()) {
            found.push((entry.path(), stamp));
        }
    }
    outcome
}

/// `a.jpg`, `a-1.jpg`, `a-2.jpg`, …
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
