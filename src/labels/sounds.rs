//! Reads a folder of sounds with label tracks or selection tables beside them into labelled items.
//!
//! Every sound stands for itself: one whose labels cannot be read, or that has none, is reported
//! and left out. Folders below are not looked into.

use super::LabelsError;
use super::audacity::{self, TRACK_ENDING};
use super::dataset::{Dataset, Root, Skipped, kind_of};
use super::marks::{BadLine, Clip, label_of, open};
use super::raven;
use crate::domain::{Filter, Label, LabelledItem, MediaKind};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// How names of Raven's tables end; between it and the sound's name there may be `.Table.N`.
const SELECTIONS_ENDING: &str = ".selections.txt";

/// Names of files that share a stem.
#[derive(Default)]
struct Family {
    sounds: Vec<String>,
    labels: Vec<String>,
}

/// `None` where no sound has labels beside it.
pub(super) fn read(dir: &Path, filter: &Filter) -> Result<Option<Dataset>, LabelsError> {
    if !dir.is_dir() {
        return Ok(None);
    }
    let families = families(dir)?;
    if !families.values().any(|family| !family.sounds.is_empty() && !family.labels.is_empty()) {
        return Ok(None);
    }
    let root = Root::open(dir)?;
    let read: Vec<Vec<Result<LabelledItem, Skipped>>> =
        families.par_iter().map(|(_, family)| family.read(dir, &root)).collect();
    let mut dataset = Dataset::default();
    for outcome in read.into_iter().flatten() {
        match outcome {
            Ok(item) if filter.matches(&item) => dataset.items.push(item),
            Ok(_) => {}
            Err(skipped) => dataset.skipped.push(skipped),
        }
    }
    Ok(Some(dataset))
}

fn families(dir: &Path) -> Result<BTreeMap<String, Family>, LabelsError> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(LabelsError::io("list the folder", dir))? {
        let entry = entry.map_err(LabelsError::io("list the folder", dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(stem) = labelled_stem(&name) {
            families.entry(stem.to_owned()).or_default().labels.push(name);
        } else if kind_of(Path::new(&name)) == MediaKind::Audio {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).to_owned();
            families.entry(stem).or_default().sounds.push(name);
        }
    }
    for family in families.values_mut() {
        family.sounds.sort_unstable();
        family.labels.sort_unstable();
    }
    Ok(families)
}

/// The stem of the sound that a file of labels is for.
fn labelled_stem(name: &str) -> Option<&str> {
    let Some(stem) = name.strip_suffix(SELECTIONS_ENDING) else { return name.strip_suffix(TRACK_ENDING) };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    Some(stem.rsplit_once(".Table.").filter(|(_, rest)| is_number(rest)).map_or(stem, |(stem, _)| stem))
}

impl Family {
    fn read(&self, dir: &Path, root: &Root) -> Vec<Result<LabelledItem, Skipped>> {
        let skip = |media: &str, reason: String| Skipped { line: 0, media: Some(media.to_owned()), reason };
        match (&self.sounds[..], &self.labels[..]) {
            ([], labels) => {
                labels.iter().map(|file| Err(skip(file, "no sound of this name beside it".into()))).collect()
            }
            ([sound], [file]) => vec![read_sound(dir, root, sound, file)],
            (sounds, labels) => {
                let reason = match labels {
                    [] => "no label track or selection table beside it".to_owned(),
                    [file] => format!("{file} is beside several sounds of this name"),
                    files => format!("several files of labels: {}", files.join(", ")),
                };
                sounds.iter().map(|sound| Err(skip(sound, reason.clone()))).collect()
            }
        }
    }
}

fn read_sound(dir: &Path, root: &Root, sound: &str, file: &str) -> Result<LabelledItem, Skipped> {
    let skip = |line, reason| Skipped { line, media: Some(sound.to_owned()), reason };
    let path = dir.join(sound);
    root.must_be_file(&path).map_err(|why| skip(0, why))?;
    let label = read_label(&path, root, &dir.join(file)).map_err(|BadLine { line, reason }| match line {
        0 => skip(0, reason),
        line => skip(line, format!("{file} line {line}: {reason}")),
    })?;
    Ok(LabelledItem {
        path,
        name: sound.to_owned(),
        kind: MediaKind::Audio,
        reference: None,
        group: sound.to_owned(),
        label,
        votes: Vec::new(),
        extra: BTreeMap::new(),
    })
}

/// Line 0 is that of no line. What a mark means depends on how long the sound is, so that a sound
/// which cannot be read has no label here.
fn read_label(sound: &Path, root: &Root, file: &Path) -> Result<Label, BadLine> {
    let no_line = |reason: String| BadLine { line: 0, reason };
    let clip = Clip::of(&open(sound).map_err(no_line)?);
    root.must_be_file(file).map_err(|why| no_line(format!("labels: {why}")))?;
    let bytes = fs::read(file).map_err(|error| no_line(format!("labels: {error}")))?;
    let is_table = file.to_string_lossy().ends_with(SELECTIONS_ENDING);
    let marks = if is_table { raven::parse(&bytes, clip)? } else { audacity::parse(&bytes, clip)? };
    Ok(label_of(marks, clip))
}
