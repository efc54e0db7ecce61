//! Speech manifests: one JSON object a line with `audio_filepath`, `duration` in seconds and `text`, as
//! `NeMo` and other toolkits read and write them; `speaker` is the group.
//!
//! A line that takes only a part of a recording (`offset`) is refused with its number: a part would be an
//! item without a file of its own.

use super::LabelsError;
use super::dataset::{Dataset, ReadLine, Root, Skipped, plain, read_list};
use super::entry::{Entry, Tally};
use super::export::{MEDIA_DIR, write_file};
use super::record::{KNOWN_KEYS, Record};
use crate::domain::{Filter, MediaKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

pub(super) const MANIFEST_FILE: &str = "manifest.jsonl";
/// How names of manifests end, as toolkits call them: `train_manifest.json`.
const ENDINGS: [&str; 2] = ["manifest.jsonl", "manifest.json"];

/// One line.
#[derive(Serialize, Deserialize)]
struct Utterance {
    /// Relative to the folder.
    audio_filepath: String,
    #[serde(default)]
    duration: Option<f64>,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    speaker: Option<Speaker>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<f64>,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

/// Some corpora number their speakers.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Speaker {
    Name(String),
    Number(u64),
}

pub(super) fn write(dir: &Path, entries: &[Entry]) -> Result<Tally, LabelsError> {
    let mut tally = Tally::default();
    let mut lines = Vec::new();
    for entry in entries {
        let (text, secs) = match entry.spoken() {
            Ok(spoken) => spoken,
            Err(reason) => {
                tally.leave_out(reason);
                continue;
            }
        };
        let line = Utterance {
            audio_filepath: format!("{MEDIA_DIR}/{}", entry.file),
            duration: Some(secs),
            text: text.to_owned(),
            speaker: Some(Speaker::Name(entry.item.group.clone())),
            offset: None,
            extra: BTreeMap::new(),
        };
        serde_json::to_writer(&mut lines, &line)?;
        lines.push(b'\n');
        tally.written += 1;
    }
    write_file(&dir.join(MANIFEST_FILE), &lines)?;
    Ok(tally)
}

/// `None` where the folder has no manifest. Several are read in the order of their names.
pub(super) fn read(dir: &Path, filter: &Filter) -> Result<Option<Dataset>, LabelsError> {
    let files = manifests(dir)?;
    if files.is_empty() {
        return Ok(None);
    }
    let mut all = Dataset::default();
    let mut known = BTreeSet::new();
    for file in files {
        let found = read_list(dir, &file, |root, line| read_line(root, line, filter))?;
        all.skipped.extend(
            found
                .skipped
                .into_iter()
                .map(|skipped| Skipped { reason: format!("{file}: {}", skipped.reason), ..skipped }),
        );
        for item in found.items {
            if known.insert(item.path.clone()) {
                all.items.push(item);
            } else {
                let reason = format!("{file}: another manifest has the same sound");
                all.skipped.push(Skipped { line: 0, media: Some(item.name), reason });
            }
        }
    }
    Ok(Some(all))
}

fn manifests(dir: &Path) -> Result<Vec<String>, LabelsError> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(LabelsError::io("list the folder", dir))? {
        let entry = entry.map_err(LabelsError::io("list the folder", dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if ENDINGS.iter().any(|ending| name.ends_with(ending)) && entry.path().is_file() {
            files.push(name);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn read_line(root: &Root, bytes: &[u8], filter: &Filter) -> ReadLine {
    let said: Utterance = serde_json::from_slice(bytes).map_err(|error| (None, plain(&error)))?;
    let media = said.audio_filepath.clone();
    said.record().and_then(|record| root.item_of(record, filter)).map_err(|reason| (Some(media), reason))
}

impl Utterance {
    fn record(self) -> Result<Record, String> {
        if self.offset.is_some_and(|secs| secs != 0.0) {
            return Err("is a part of a recording: cut that into clips first".to_owned());
        }
        if let Some(key) = self.extra.keys().find(|key| KNOWN_KEYS.contains(&key.as_str())) {
            return Err(format!("\"{key}\" means something else in items.jsonl"));
        }
        let group = self.speaker.map(|speaker| match speaker {
            Speaker::Name(name) => name,
            Speaker::Number(number) => number.to_string(),
        });
        Ok(Record {
            media: self.audio_filepath,
            original_name: None,
            kind: Some(MediaKind::Audio),
            label: None,
            status: None,
            regions: None,
            transcript: Some(self.text),
            reference: None,
            mask: None,
            group,
            votes: Vec::new(),
            extra: self.extra,
        })
    }
}
