//! Data sets as the verbs name them: a folder with `items.jsonl`, or `simulator:N`.

use super::EngineError;
use super::line::population_name;
use crate::domain::{Filter, LabelledItem, SimulatorSettings};
use crate::ingest::simulator::write_dataset;
use crate::labels::{self, Skipped};
use std::path::{Path, PathBuf};
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatasetSource {
    Folder(PathBuf),
    /// This many rendered units.
    Simulator(u64),
}

/// A data set, opened. Rendered ones live in a temporary folder that goes with it.
pub struct Dataset {
    pub items: Vec<LabelledItem>,
    pub skipped: Vec<Skipped>,
    /// Where it comes from, for the log: two data sets with one name are the same.
    pub name: String,
    _rendered: Option<tempfile::TempDir>,
}

impl FromStr for DatasetSource {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("simulator:") {
            Some(count) => match count.parse() {
                Ok(count) if count > 0 => Ok(Self::Simulator(count)),
                _ => Err(format!("\"{count}\" is not a number of units")),
            },
            None => Ok(Self::Folder(PathBuf::from(text))),
        }
    }
}

impl DatasetSource {
    /// Opens the data set. `simulator` is what `simulator:N` renders.
    pub fn open(&self, filter: &Filter, simulator: &SimulatorSettings) -> Result<Dataset, EngineError> {
        match self {
            Self::Folder(folder) => {
                let read = labels::read(folder, filter)?;
                let full = folder.canonicalize().unwrap_or_else(|_| folder.clone());
                let name = full
                    .file_name()
                    .map_or_else(|| full.display().to_string(), |n| n.to_string_lossy().into());
                Ok(Dataset { items: read.items, skipped: read.skipped, name, _rendered: None })
            }
            Self::Simulator(count) => {
                let rendered = tempfile::Builder::new()
                    .prefix("secondlook-")
                    .tempdir()
                    .map_err(EngineError::io("cannot create", &std::env::temp_dir()))?;
                write_dataset(rendered.path(), simulator, *count)?;
                let read = labels::read(rendered.path(), filter)?;
                let name = format!("{}, seed {}", population_name(simulator), simulator.seed);
                Ok(Dataset { items: read.items, skipped: read.skipped, name, _rendered: Some(rendered) })
            }
        }
    }
}

/// The labels of a line as items with files.
pub(super) fn labelled_items(line: &super::Line, filter: &Filter) -> Result<Vec<LabelledItem>, EngineError> {
    let blobs = line.store.blobs();
    let items = line.store.view().labels()?.into_iter().map(|row| LabelledItem {
        path: blobs.path(&row.item.media),
        name: row.item.name,
        kind: row.item.kind,
        reference: row.item.reference.as_ref().map(|media| blobs.path(media)),
        group: row.item.unit,
        label: row.label,
        votes: row.votes,
        extra: row.extra,
    });
    Ok(items.filter(|item| filter.matches(item)).collect())
}

/// Makes a path absolute without needing it to exist.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
