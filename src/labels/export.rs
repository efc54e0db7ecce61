//! Writes labels out: media, `items.jsonl`, the format's own files, splits, file hashes and the
//! count sheet, built in a temporary folder beside the target and renamed when complete.
//!
//! Knows nothing of the store: items and provenance are handed in.

use super::dataset::{self, ITEMS_FILE};
use super::entry::{Entry, Tally};
use super::names::{Split, Stems};
use super::picture;
use super::record::{KNOWN_KEYS, Record};
use super::sheet::{CountSheet, Format, Provenance, count};
use super::{LabelsError, audacity, class_masks, coco, csv, cuts, manifest, raven, voc, yolo};
use crate::domain::{LabelStatus, LabelledItem, MediaKind, Shape};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The count sheet's file.
pub const COUNTS_FILE: &str = "counts.json";
/// BLAKE3 of every other file, as `b3sum --check` reads it.
pub(super) const HASHES_FILE: &str = "files.b3";
pub(super) const MEDIA_DIR: &str = "media";
const REFERENCE_DIR: &str = "reference";
/// Per item all its masks together, for tools that know one binary mask.
const DEFECT_MASKS_DIR: &str = "defect_masks";
pub(super) const SPLITS_DIR: &str = "splits";

/// Enough of a file to know what it is.
const HEAD_BYTES: u64 = 64;
/// Longest extension that is taken over from a name when the content is nothing known.
const EXTENSION_CHARS_MAX: usize = 5;

/// Writes `items` to the folder `out`, which must be empty or absent, and returns the counts
/// that stand in its `counts.json`.
///
/// Items whose media file is gone (expired) are left out everywhere and counted in `lost`.
///
/// # Errors
/// When `out` is in use, a file cannot be read or written, or a label cannot be carried. Nothing
/// is left behind then.
pub fn export(
    items: &[LabelledItem],
    format: Format,
    out: &Path,
    provenance: &Provenance,
) -> Result<CountSheet, LabelsError> {
    if out.exists() && !is_empty_dir(out) {
        return Err(LabelsError::OutInUse { path: out.to_owned() });
    }
    let staging = Staging::beside(out)?;
    let (present, gone): (Vec<_>, Vec<_>) = items.iter().partition(|item| item.path.is_file());
    let present: Vec<&LabelledItem> = present;
    let mut sheet = CountSheet::of(format, provenance.clone(), &present);
    count(&mut sheet.lost, "media is gone", gone.len() as u64);
    let entries = place(&present, &staging.dir, &mut sheet)?;
    write_items(&entries, &staging.dir)?;
    write_splits(&entries, &staging.dir)?;
    let tally = match format {
        Format::Jsonl => Tally { written: entries.len() as u64, ..Tally::default() },
        Format::Coco => coco::write(&staging.dir, &entries, provenance)?,
        Format::Yolo => yolo::write(&staging.dir, &entries, yolo::Style::Boxes)?,
        Format::YoloSeg => yolo::write(&staging.dir, &entries, yolo::Style::Outlines)?,
        Format::Voc => voc::write(&staging.dir, &entries)?,
        Format::Masks => class_masks::write(&staging.dir, &entries)?,
        Format::Csv => csv::write(&staging.dir, &entries)?,
        Format::Audacity => audacity::write(&staging.dir, &entries)?,
        Format::Raven => raven::write(&staging.dir, &entries)?,
        Format::Cuts => cuts::write(&staging.dir, &entries)?,
        Format::Manifest => manifest::write(&staging.dir, &entries)?,
    };
    (sheet.written, sheet.left_out, sheet.simplified) = (tally.written, tally.left_out, tally.simplified);
    let owned: Vec<LabelledItem> = present.into_iter().cloned().collect();
    sheet.labels_digest = dataset::dataset_hash(&owned)?;
    let hashes = hash_files(&staging.dir)?;
    sheet.digest = sheet.digest_with(&hashes)?;
    write_file(&staging.dir.join(HASHES_FILE), hashes.as_bytes())?;
    write_file(&staging.dir.join(COUNTS_FILE), &sheet_bytes(&sheet)?)?;
    staging.finish(out)?;
    Ok(sheet)
}

/// The bytes of `counts.json`.
pub(super) fn sheet_bytes(sheet: &CountSheet) -> Result<Vec<u8>, LabelsError> {
    let mut bytes = serde_json::to_vec_pretty(sheet)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Copies media and references under safe names.
fn place<'a>(
    items: &[&'a LabelledItem],
    dir: &Path,
    sheet: &mut CountSheet,
) -> Result<Vec<Entry<'a>>, LabelsError> {
    make_dir(&dir.join(MEDIA_DIR))?;
    let mut stems = Stems::default();
    let named: Vec<(&LabelledItem, String)> =
        items.iter().map(|item| (*item, stems.take(&item.name))).collect();
    let mut entries = named
        .into_par_iter()
        .map(|(item, stem)| {
            let file = format!("{stem}.{}", extension_for(&item.path, &item.name)?);
            copy(&item.path, &dir.join(MEDIA_DIR).join(&file))?;
            let header = (item.kind == MediaKind::Image).then(|| picture::header(&item.path).ok()).flatten();
            let split = Split::of_group(&item.group);
            Ok(Entry { item, stem, file, reference: None, split, header })
        })
        .collect::<Result<Vec<_>, LabelsError>>()?;
    place_references(&mut entries, dir, sheet)?;
    Ok(entries)
}

/// A golden image that several items share is copied once, under the first one's name.
fn place_references(entries: &mut [Entry], dir: &Path, sheet: &mut CountSheet) -> Result<(), LabelsError> {
    let mut placed: BTreeMap<&Path, String> = BTreeMap::new();
    for entry in entries {
        let Some(source) = entry.item.reference.as_deref() else { continue };
        if !source.is_file() {
            count(&mut sheet.lost, "reference is gone", 1);
            continue;
        }
        if !placed.contains_key(source) {
            make_dir(&dir.join(REFERENCE_DIR))?;
            let file = format!("{}.{}", entry.stem, extension_for(source, &source.to_string_lossy())?);
            copy(source, &dir.join(REFERENCE_DIR).join(&file))?;
            placed.insert(source, file);
        }
        entry.reference = placed.get(source).cloned();
    }
    Ok(())
}

fn write_items(entries: &[Entry], dir: &Path) -> Result<(), LabelsError> {
    let path = dir.join(ITEMS_FILE);
    let lines = entries
        .par_iter()
        .map(|entry| {
            let mut line = serde_json::to_vec(&record_of(entry, dir)?)?;
            line.push(b'\n');
            Ok(line)
        })
        .collect::<Result<Vec<_>, LabelsError>>()?;
    write_file(&path, &lines.concat())
}

fn record_of(entry: &Entry, dir: &Path) -> Result<Record, LabelsError> {
    let item = entry.item;
    if let Some(key) = item.extra.keys().find(|key| KNOWN_KEYS.contains(&key.as_str())) {
        return Err(LabelsError::ReservedKey { key: key.clone(), item: item.name.clone() });
    }
    let label = &item.label;
    let media = format!("{MEDIA_DIR}/{}", entry.file);
    // Good without a class is said by an empty list; without it the line would say nothing.
    let is_bare_good =
        label.class.is_none() && label.transcript.is_none() && label.status == LabelStatus::Confirmed;
    Ok(Record {
        original_name: (item.name != media).then(|| item.name.clone()),
        media,
        kind: Some(item.kind),
        label: label.class.clone(),
        status: Some(label.status),
        regions: (!label.regions.is_empty() || is_bare_good).then(|| label.regions.clone()),
        transcript: label.transcript.clone(),
        reference: entry.reference.as_ref().map(|file| format!("{REFERENCE_DIR}/{file}")),
        mask: write_defect_mask(entry, dir)?,
        group: Some(item.group.clone()),
        votes: item.votes.clone(),
        extra: item.extra.clone(),
    })
}

/// All masks of an item as one picture, 255 inside; `None` where it has none.
fn write_defect_mask(entry: &Entry, dir: &Path) -> Result<Option<String>, LabelsError> {
    let Some(header) = entry.header else { return Ok(None) };
    let [width, height] = header.size;
    let mut all: Option<Vec<u8>> = None;
    for region in &entry.item.label.regions {
        let Shape::Mask(mask) = &region.shape else { continue };
        if mask.size != [height, width] {
            continue;
        }
        let pixels = mask.to_pixels();
        let all = all.get_or_insert_with(|| vec![0; pixels.len()]);
        for (to, from) in all.iter_mut().zip(pixels) {
            *to |= from * u8::MAX;
        }
    }
    let Some(pixels) = all else { return Ok(None) };
    make_dir(&dir.join(DEFECT_MASKS_DIR))?;
    let name = format!("{DEFECT_MASKS_DIR}/{}.png", entry.stem);
    write_png(&dir.join(&name), header.size, &pixels)?;
    Ok(Some(name))
}

/// One text file per split with a media path a line, for tools that want to know.
fn write_splits(entries: &[Entry], dir: &Path) -> Result<(), LabelsError> {
    make_dir(&dir.join(SPLITS_DIR))?;
    for split in Split::ALL {
        let lines: String = entries
            .iter()
            .filter(|entry| entry.split == split)
            .flat_map(|entry| [MEDIA_DIR, "/", &entry.file, "\n"])
            .collect();
        write_file(&dir.join(SPLITS_DIR).join(format!("{}.txt", split.as_str())), lines.as_bytes())?;
    }
    Ok(())
}

/// What the bytes say, else what the name says, else `bin`. The names of label tracks are not
/// given to media that lie beside them.
fn extension_for(path: &Path, name: &str) -> Result<String, LabelsError> {
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head))
        .map_err(LabelsError::io("read the media file", path))?;
    if let Some(extension) = picture::extension_of(&head) {
        return Ok(extension.to_owned());
    }
    let of_name = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    Ok(of_name
        .filter(|e| {
            (1..=EXTENSION_CHARS_MAX).contains(&e.len())
                && e.bytes().all(|b| b.is_ascii_alphanumeric())
                && e != "txt"
        })
        .unwrap_or_else(|| "bin".to_owned()))
}

/// `HASH  PATH` a line, sorted by path, of every file below `dir` but the sheet and this list.
pub(super) fn hash_files(dir: &Path) -> Result<String, LabelsError> {
    let mut files = files_below(dir)?;
    files.retain(|name| name != COUNTS_FILE && name != HASHES_FILE);
    let lines = files
        .par_iter()
        .map(|name| Ok(format!("{}  {name}\n", dataset::file_hash(&dir.join(name))?.to_hex())))
        .collect::<Result<Vec<_>, LabelsError>>()?;
    Ok(lines.concat())
}

/// Relative paths with `/`, sorted. Links are listed as files, never followed.
pub(super) fn files_below(dir: &Path) -> Result<Vec<String>, LabelsError> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(below) = open.pop() {
        let folder = dir.join(&below);
        let entries = fs::read_dir(&folder).map_err(LabelsError::io("list the folder", &folder))?;
        for entry in entries {
            let entry = entry.map_err(LabelsError::io("list the folder", &folder))?;
            let kind = entry.file_type().map_err(LabelsError::io("list the folder", &folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            if kind.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) fn make_dir(path: &Path) -> Result<(), LabelsError> {
    fs::create_dir_all(path).map_err(LabelsError::io("make the folder", path))
}

pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), LabelsError> {
    File::create(path)
        .map(BufWriter::new)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.flush()))
        .map_err(LabelsError::io("write the file", path))
}

pub(super) fn write_png(path: &Path, size: [u32; 2], pixels: &[u8]) -> Result<(), LabelsError> {
    picture::write_grey(path, size, pixels)
        .map_err(|error| LabelsError::io("write the mask", path)(std::io::Error::other(error)))
}

fn copy(from: &Path, to: &Path) -> Result<(), LabelsError> {
    fs::copy(from, to).map(|_| ()).map_err(LabelsError::io("copy the file", from))
}

/// The same bytes under a second name, without taking their space twice where that is possible.
pub(super) fn link_or_copy(from: &Path, to: &Path) -> Result<(), LabelsError> {
    fs::hard_link(from, to)
        .or_else(|_| fs::copy(from, to).map(|_| ()))
        .map_err(LabelsError::io("copy the file", from))
}

fn is_empty_dir(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// The folder that an export grows in; removed unless finished.
struct Staging {
    dir: PathBuf,
}

impl Staging {
    fn beside(out: &Path) -> Result<Self, LabelsError> {
        let Some(name) = out.file_name() else {
            return Err(LabelsError::OutInUse { path: out.to_owned() });
        };
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.part", std::process::id()));
        let dir = out.with_file_name(hidden);
        // Left behind by a killed process of the same number.
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(LabelsError::io("clear the folder", &dir))?;
        }
        make_dir(&dir)?;
        Ok(Self { dir })
    }

    fn finish(self, out: &Path) -> Result<(), LabelsError> {
        if out.exists() {
            fs::remove_dir(out).map_err(|_| LabelsError::OutInUse { path: out.to_owned() })?;
        }
        fs::rename(&self.dir, out).map_err(LabelsError::io("put the export in place", out))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After a finished export there is nothing here any more; after a failed one the failure
        // is what gets reported.
        let _ = fs::remove_dir_all(&self.dir);
    }
}
