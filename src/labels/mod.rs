//! Labels in and out: data set folders with an `items.jsonl`, exports to the formats that other
//! tools read, and the proof that an export reads back to what was put in.
//!
//! Works on [`LabelledItem`](crate::domain::LabelledItem)s and folders only. Knows nothing of the
//! engine, of models or of the window; the store's labels are handed in by the caller.

pub mod dataset;
mod picture;
mod record;

pub use dataset::{Dataset, Skipped, dataset_hash, read};

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why labels could not be read or written at all. Single bad lines are not errors: they are
/// reported in [`Dataset::skipped`] and the rest goes in.
#[derive(Debug, Error)]
pub enum LabelsError {
    #[error("cannot {action}: {source}: {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("no items.jsonl in this folder: {}", path.display())]
    NotADataSet { path: PathBuf },
    #[error("a label cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl LabelsError {
    /// For `map_err`: what was being done, to which file.
    fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
