//! Media files by the hash of their content: `media/ab/abcdef…`.
//!
//! A blob is written under a temporary name, synced, renamed and its folder synced, before any
//! event speaks of it. So an event without its blob means damage or expiry, never a crash.

use super::StoreError;
use crate::domain::{MediaHash, Timestamp};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// An arrival is in the log long before this time has passed since its blob was written.
const ARRIVAL_SECS_MAX: f64 = 600.0;

/// How half-written blobs end.
const TEMPORARY: &str = ".tmp";
/// Writing the largest blob to the slowest share takes less.
const IN_THE_MAKING: Duration = Duration::from_hours(1);

#[derive(Clone, Debug)]
pub struct Blobs {
    root: PathBuf,
}

/// What the bytes of a blob say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobState {
    Present,
    Missing,
    Damaged,
}

impl Blobs {
    /// The blobs of the line in folder `line`; they need no database.
    #[must_use]
    pub fn of_line(line: &Path) -> Self {
        Self { root: line.join("media") }
    }

    #[must_use]
    pub fn path(&self, media: &MediaHash) -> PathBuf {
        let hex = media.as_str();
        self.root.join(hex.get(..2).unwrap_or("00")).join(hex)
    }

    /// Durable when it returns. Writing the same bytes again costs one look.
    pub fn put(&self, bytes: &[u8]) -> Result<MediaHash, StoreError> {
        let media = MediaHash::of(bytes);
        let path = self.path(&media);
        if fs::metadata(&path).is_ok_and(|found| found.len() == bytes.len() as u64) {
            // Wanted again from now on; where that cannot be noted, the bytes are written again.
            let noted = File::options().append(true).open(&path);
            if noted.and_then(|file| file.set_modified(SystemTime::now())).is_ok() {
                return Ok(media);
            }
        }
        let folder = path.parent().unwrap_or(&self.root);
        if !folder.is_dir() {
            fs::create_dir_all(folder).map_err(StoreError::io("cannot create", folder))?;
            sync_folder(&self.root)?;
        }
        let temporary = folder.join(format!(".{}{TEMPORARY}", uuid::Uuid::now_v7()));
        let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, &path));
        if let Err(error) = written {
            // Best effort: the error that matters is the one above.
            let _ = fs::remove_file(&temporary);
            return Err(StoreError::io("cannot write", &path)(error));
        }
        sync_folder(folder)?;
        Ok(media)
    }

    /// Removes what a killed program left half-written. A file that may still be in the making
    /// stays; one that cannot be removed costs only its space.
    pub fn sweep(&self) {
        let folders = fs::read_dir(&self.root).into_iter().flatten().filter_map(Result::ok);
        let files =
            folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten().filter_map(Result::ok);
        for file in files.filter(|file| file.file_name().to_string_lossy().ends_with(TEMPORARY)) {
            let age = file.metadata().and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
            if age.is_some_and(|age| age > IN_THE_MAKING) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    pub fn read(&self, media: &MediaHash) -> Result<Vec<u8>, StoreError> {
        let path = self.path(media);
        fs::read(&path).map_err(StoreError::io("cannot read", &path))
    }

    #[must_use]
    pub fn state(&self, media: &MediaHash) -> BlobState {
        match fs::read(self.path(media)) {
            Ok(bytes) if MediaHash::of(&bytes) == *media => BlobState::Present,
            Ok(_) => BlobState::Damaged,
            Err(_) => BlobState::Missing,
        }
    }

    /// After the event that says so is committed; a blob that is already gone is fine. One that
    /// was put in lately stays for now: the event of its arrival may be on the way.
    pub(super) fn erase(&self, media: &MediaHash, now: Timestamp) -> Result<(), StoreError> {
        let path = self.path(media);
        let put_at = fs::metadata(&path).and_then(|found| found.modified()).ok();
        let put_at = put_at.and_then(|at| jiff::Timestamp::try_from(at).ok());
        let put_at = put_at.map(|at| Timestamp::from_micros(at.as_microsecond()));
        if put_at.is_some_and(|at| now.secs_since(at) < ARRIVAL_SECS_MAX) {
            return Ok(());
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("cannot erase", &path)(error))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(StoreError::io("cannot sync", folder))
}
