//! Reads a speech manifest back, and compares it with `items.jsonl`: every settled sound with a transcript
//! is there once, with its words, its speaker and its own length.

use super::read_back::text;
use super::{Exported, Findings, Line};
use crate::domain::{LabelStatus, MediaKind};
use crate::labels::manifest::MANIFEST_FILE;
use crate::media::SoundFile;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// The items found; `None` when there is no manifest.
pub(super) fn check(out: &Path, exported: &Exported, findings: &mut Findings) -> Option<usize> {
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for (number, row) in (1..).zip(text(out, MANIFEST_FILE, findings)?.lines()) {
        let value: Value = serde_json::from_str(row).unwrap_or_default();
        let Some(media) = value["audio_filepath"].as_str().map(str::to_owned) else {
            findings.add(format!("line {number} names no sound: {MANIFEST_FILE}"));
            continue;
        };
        if found.insert(media.clone(), value).is_some() {
            findings.add(format!("is there twice in {MANIFEST_FILE}: {media}"));
        }
    }
    let written = found.len();
    for line in &exported.items {
        match (expected(line), found.remove(&line.media)) {
            (Some(expected), Some(found)) if expected == found => findings.compared("transcripts", 1),
            (Some(expected), Some(found)) => {
                findings.add(format!("is {found}, expected {expected}: {}", line.media));
            }
            (None, None) => {}
            (Some(_), None) => findings.add(format!("missing in the format: {}", line.media)),
            (None, Some(_)) => {
                findings.add(format!("the format cannot say this item, but has it: {}", line.media));
            }
        }
    }
    for media in found.keys() {
        findings.add(format!("in {MANIFEST_FILE} and not in items.jsonl: {media}"));
    }
    Some(written)
}

/// What a line of the manifest should be.
fn expected(line: &Line) -> Option<Value> {
    let item = &line.item;
    if item.kind != MediaKind::Audio || item.label.status != LabelStatus::Confirmed {
        return None;
    }
    let text = item.label.transcript.as_ref()?;
    let sound = SoundFile::new(File::open(&item.path).ok()?).ok()?;
    let duration = sound.frames() as f64 / f64::from(sound.rate_hz());
    Some(serde_json::json!({
        "audio_filepath": line.media, "duration": duration, "text": text, "speaker": item.group,
    }))
}
