//! Media files by the hash of their content: `media/ab/abcdef…`.
//!
//! A blob is written under a temporary name, synced, renamed and its folder synced, before any
//! event speaks of it. So an event without its blob means damage or expiry, never a crash.

use super::StoreError;
use crate::domain::MediaHash;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

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
            return Ok(media);
        }
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(StoreError::io("cannot create", folder))?;
        let temporary = folder.join(format!(".{}.tmp", uuid::Uuid::now_v7()));
        let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, &path));
        if let Err(error) = written {
            // Best effort: the error that matters is the one above.
            let _ = fs::remove_file(&temporary);
            return Err(StoreError::io("cannot write", &path)(error));
        }
        sync_folder(folder)?;
        Ok(media)
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

    /// After the event that says so is committed; a blob that is already gone is fine.
    pub(super) fn erase(&self, media: &MediaHash) -> Result<(), StoreError> {
        let path = self.path(media);
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
