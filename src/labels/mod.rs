//! Labels in and out: data set folders with an `items.jsonl`, with a speech manifest, or of sounds with
//! label tracks beside them; exports to the formats that other tools read, and the proof that an export reads back to
//! what was put in.
//!
//! Works on [`LabelledItem`](crate::domain::LabelledItem)s and folders only. Knows nothing of the
//! engine, of models or of the window; the store's labels are handed in by the caller.

mod audacity;
mod beside;
mod check;
mod class_masks;
mod coco;
mod csv;
mod cuts;
pub mod dataset;
mod entry;
mod export;
mod manifest;
mod marks;
mod names;
mod picture;
mod raven;
mod record;
mod sheet;
mod sounds;
mod voc;
mod yolo;

pub use check::{CheckReport, check_export};
pub use dataset::{Dataset, Skipped, dataset_hash, read};
pub use export::export;
pub use names::Split;
pub use sheet::{CountSheet, Format, Provenance};

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why labels could not be read or written at all. Single bad lines are not errors: they are
/// reported in [`Dataset::skipped`] and the rest goes in.
#[derive(Debug, Error)]
pub enum LabelsError {
    #[error("cannot {action}: {source}: {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("no items.jsonl or manifest.jsonl in this folder, and no sounds with labels beside them: {}", path.display())]
    NotADataSet { path: PathBuf },
    #[error("not an export, {why}: {}", path.display())]
    NotAnExport { why: String, path: PathBuf },
    #[error("the target is not an empty folder; name a new one: {}", path.display())]
    OutInUse { path: PathBuf },
    #[error("{classes} classes, and an index mask can tell {most}")]
    TooManyClasses { classes: usize, most: usize },
    #[error("\"{key}\" has a meaning in items.jsonl and cannot be a further key: {item}")]
    ReservedKey { key: String, item: String },
    #[error("a label cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl LabelsError {
    /// For `map_err`: what was being done, to which file.
    fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

#[cfg(test)]
mod sound_tests;
#[cfg(test)]
mod tests;
