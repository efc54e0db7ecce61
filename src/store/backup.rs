//! A verified copy of a line while everything runs, and back.

use super::{Store, StoreError, blobs, migrate};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// All pages in one step. Writers go on beside it (the log is ahead of the file, and a step reads
/// one state of it); in several steps the copy would begin anew after each of their commits, and
/// beside a busy station never end.
const ALL_PAGES: i32 = -1;
/// How often, and how long in between, a copy that finds the database busy asks again.
const BUSY_RETRIES: u32 = 200;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopyReport {
    pub events: i64,
    pub blobs: u64,
    pub ok: bool,
    /// What `verify` found wrong with the copy.
    pub faults: Vec<String>,
}

/// Is told how many media of how many are copied; `false` ends the copy.
pub type CopyProgress<'a> = &'a mut dyn FnMut(usize, usize) -> bool;

/// Copies the line in `from` to the new folder `to`, with the online backup of the database
/// first, then the blobs that it names (blobs are never changed, so later ones do no harm), and
/// verifies the copy.
pub fn backup(from: &Path, to: &Path, progress: CopyProgress<'_>) -> Result<CopyReport, StoreError> {
    copy(from, to, progress)
}

/// The way back; the same copy, since a backup is a line.
pub fn restore(from: &Path, to: &Path, progress: CopyProgress<'_>) -> Result<CopyReport, StoreError> {
    copy(from, to, progress)
}

fn copy(from: &Path, to: &Path, progress: CopyProgress<'_>) -> Result<CopyReport, StoreError> {
    let source = Store::open(from)?;
    if to.exists() && fs::read_dir(to).map_err(StoreError::io("cannot read", to))?.next().is_some() {
        return Err(StoreError::Refused(format!("the target folder is not empty: {}", to.display())));
    }
    let name = to.file_name().ok_or_else(|| StoreError::Refused("the target has no name".into()))?;
    let partial = to.with_file_name(format!(".{}.partial", name.to_string_lossy()));
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(StoreError::io("cannot remove", &partial))?;
    }
    fs::create_dir_all(&partial).map_err(StoreError::io("cannot create", &partial))?;
    // The outbox and its cursor before the database: what the copied file lacks is given out
    // again from the copied log, and nothing in it is ahead of that log.
    let cursor = source.outbox_cursor()?;
    for part in ["line.toml", "models", "out"] {
        copy_tree(&from.join(part), &partial.join(part))?;
    }
    copy_database(&source, &partial)?;
    if !copy_blobs(&source, &partial, progress)? {
        fs::remove_dir_all(&partial).map_err(StoreError::io("cannot remove", &partial))?;
        return Err(StoreError::Refused("cancelled; nothing was kept of the copy".into()));
    }

    let report = {
        let mut copy = Store::open(&partial)?;
        copy.reset_outbox_cursor(cursor)?;
        let verified = copy.verify(None)?;
        let mut faults = verified.faults;
        faults.extend(verified.first_bad.map(|fault| fault.message));
        CopyReport { events: verified.events, blobs: verified.blobs.present, ok: verified.ok, faults }
    };
    // Only a whole copy gets its name.
    if to.exists() {
        fs::remove_dir(to).map_err(StoreError::io("cannot replace", to))?;
    }
    fs::rename(&partial, to).map_err(StoreError::io("cannot rename", to))?;
    if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        blobs::sync_folder(parent)?;
    }
    Ok(report)
}

fn copy_database(source: &Store, target: &Path) -> Result<(), StoreError> {
    let path = target.join(super::DATABASE);
    let mut conn = Connection::open(&path)?;
    let copied = {
        let backup = Backup::new(&source.conn, &mut conn)?;
        let mut retries = 0;
        loop {
            match backup.step(ALL_PAGES)? {
                StepResult::Done => break true,
                _ if retries == BUSY_RETRIES => break false,
                _ => {
                    retries += 1;
                    std::thread::sleep(BUSY_PAUSE);
                }
            }
        }
    };
    if !copied {
        return Err(StoreError::Locked);
    }
    migrate(&mut conn, &path)
}

/// Blobs named by the copied database, each once; one that is missing shows in the verification.
/// `false` when it was ended from outside.
fn copy_blobs(source: &Store, target: &Path, progress: CopyProgress<'_>) -> Result<bool, StoreError> {
    let copied = Store::open(target)?;
    let named = copied.named_blobs()?;
    let total = named.len();
    for (done, hex) in named.into_iter().enumerate() {
        if !progress(done, total) {
            return Ok(false);
        }
        let media = crate::domain::MediaHash::from_hex(&hex);
        if let Ok(bytes) = source.blobs().read(&media) {
            // A damaged blob lands under another name and is then reported as missing.
            copied.blobs().put(&bytes)?;
        }
    }
    Ok(true)
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), StoreError> {
    if from.is_dir() {
        fs::create_dir_all(to).map_err(StoreError::io("cannot create", to))?;
        for entry in fs::read_dir(from).map_err(StoreError::io("cannot read", from))? {
            let entry = entry.map_err(StoreError::io("cannot read", from))?;
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        }
        Ok(())
    } else if from.is_file() {
        let bytes = fs::read(from).map_err(StoreError::io("cannot read", from))?;
        blobs::write_synced(to, &bytes).map_err(StoreError::io("cannot write", to))
    } else {
        Ok(())
    }
}
