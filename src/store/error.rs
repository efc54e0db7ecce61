//! What can go wrong with a line on disk, in words for the person who sees it.

use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("this folder is not a line (there is no secondlook.db): {}", .0.display())]
    NotALine(PathBuf),
    #[error("this folder already holds a line: {}", .0.display())]
    AlreadyALine(PathBuf),
    #[error("the line was written by a newer version of Second Look. Hint: update this one: {}", .0.display())]
    Newer(PathBuf),
    #[error("another station already runs on this line. Hint: close it, or use review and the command line beside it: {}", .0.display())]
    StationRuns(PathBuf),
    #[error("the disk is full. Hint: free space; nothing is lost, the station goes on by itself")]
    DiskFull,
    #[error("the database is damaged. Hint: restore a backup, or run `secondlook verify`: {0}")]
    Damaged(String),
    #[error("the database stayed locked by another program for too long")]
    Locked,
    #[error("{0}")]
    Refused(String),
    #[error("event {seq} ({kind}) cannot be read: {why}")]
    BadEvent { seq: i64, kind: String, why: String },
    #[error("{what}: {source}: {}", path.display())]
    Io { what: &'static str, source: std::io::Error, path: PathBuf },
    #[error("database: {0}")]
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase};
        match error.sqlite_error_code() {
            Some(DiskFull) => Self::DiskFull,
            Some(DatabaseBusy | DatabaseLocked) => Self::Locked,
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Sql(error),
        }
    }
}

impl StoreError {
    pub(super) fn io(what: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| {
            if source.kind() == std::io::ErrorKind::StorageFull {
                Self::DiskFull
            } else {
                Self::Io { what, source, path: path.to_owned() }
            }
        }
    }
}
