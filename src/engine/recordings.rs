//! Recordings that arrive at a station: each is cut into clips of the watched folder.

use super::cutting::cut_recording;
use super::source::{TICK, report, trouble_of};
use super::station::{Shared, StationEvent};
use crate::domain::{FolderSource, RecordingRule};
use crate::ingest::appear;
use crate::ingest::folder::{FolderWatcher, FoundFile};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Cuts what is in the folder and what comes, until the station stops, or until nothing is left where it
/// runs once.
pub(super) fn run_recordings(shared: &Shared, rule: &RecordingRule) {
    let folder = shared.folder.join(&rule.path);
    // Where it cannot be made, the watcher says that it is missing.
    let _ = fs::create_dir_all(&folder);
    let source = FolderSource { path: rule.path.clone(), ..shared.plan.source.clone() };
    let mut watcher = FolderWatcher::new(&folder, &source);
    let mut trouble = None;
    while !shared.is_stopping() {
        if shared.paused.load(Ordering::Relaxed) {
            std::thread::sleep(TICK);
            continue;
        }
        let poll = watcher.poll(Instant::now());
        report(shared, &mut trouble, trouble_of(&poll.status));
        let is_idle = poll.is_idle();
        for file in poll.ready {
            if shared.is_stopping() {
                break;
            }
            take(shared, rule, &mut watcher, &file);
        }
        if shared.options.once && is_idle {
            break;
        }
        watcher.wait(TICK);
    }
    shared.feeders.fetch_sub(1, Ordering::AcqRel);
}

fn take(shared: &Shared, rule: &RecordingRule, watcher: &mut FolderWatcher, file: &FoundFile) {
    let cut = cut_recording(&file.path, &shared.source_folder, rule.cut, &shared.stop, &mut |_, _| {});
    // Half a recording is cut again at the next start: clips that are known are not decided twice.
    if shared.is_stopping() {
        return;
    }
    match cut {
        Ok(clips) if clips.is_empty() => {
            let name = &file.name;
            shared.tell(StationEvent::Trouble(format!("nothing is heard in the recording {name}")));
        }
        Ok(_) => {}
        Err(error) => {
            shared.tell(StationEvent::Trouble(format!("a recording goes to a person as it is: {error}")));
            if let Err(error) = hand_on(&file.path, &shared.source_folder) {
                shared.tell(StationEvent::Trouble(format!("{error}: {}", file.path.display())));
                return;
            }
        }
    }
    if let Err(error) = watcher.move_to_done(&file.path) {
        shared.tell(StationEvent::Trouble(error.to_string()));
    }
}

/// What cannot be cut becomes an item, so that it ends at a person with its reason. Another file of its name
/// that still waits is never replaced: then the recording stays where it is until the next start.
fn hand_on(recording: &Path, folder: &Path) -> io::Result<()> {
    let path = folder.join(recording.file_name().unwrap_or_default());
    if path.exists() {
        return Err(io::Error::new(
            ErrorKind::AlreadyExists,
            "a file of its name waits in the watched folder",
        ));
    }
    appear(&path, |hidden| fs::copy(recording, hidden).map(|_| ()))
}
