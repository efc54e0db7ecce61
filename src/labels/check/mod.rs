//! Proves that an export reads back: file hashes, count sheet, the format's own files against
//! `items.jsonl`, and `items.jsonl` with its media against the labels it was made from.
//!
//! The formats are read here by code of their own, never by the writers'. Knows nothing of the
//! store: the caller hands in the truth.

mod compare;
mod cut_outs;
mod read_back;
mod speech;
mod table;
mod time_axis;

use super::dataset::{self, ITEMS_FILE};
use super::export::{COUNTS_FILE, HASHES_FILE, MEDIA_DIR, SPLITS_DIR, files_below, hash_files, sheet_bytes};
use super::names::Split;
use super::sheet::{CountSheet, Format};
use super::{LabelsError, picture};
use crate::domain::{Filter, LabelledItem, MediaKind, Shape};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Differences that are named one by one; the rest is only counted, so that a report stays
/// readable when everything is wrong.
const DIFFERENCES_NAMED_MAX: usize = 50;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    pub ok: bool,
    pub format: Format,
    /// The first differences, one line each.
    pub differences: Vec<String>,
    /// Items in `items.jsonl`.
    pub items: u64,
    /// Things that were compared, by what they are.
    pub compared: BTreeMap<String, u64>,
    /// The digest in the export's count sheet, to compare with the one noted when exporting.
    pub digest: String,
    /// Where the line lay that it came from.
    pub line_folder: String,
}

/// Reads the export in `out` back and compares it with itself and, where given, with `truth`:
/// the items that were exported.
///
/// # Errors
/// When `out` is not an export at all or cannot be read. Differences are no error here: they are
/// in the report.
pub fn check_export(out: &Path, truth: Option<&[LabelledItem]>) -> Result<CheckReport, LabelsError> {
    let refuse = |why: String| LabelsError::NotAnExport { why, path: out.to_owned() };
    let counts =
        fs::read(out.join(COUNTS_FILE)).map_err(|error| refuse(format!("{COUNTS_FILE}: {error}")))?;
    let sheet: CountSheet =
        serde_json::from_slice(&counts).map_err(|error| refuse(format!("{COUNTS_FILE}: {error}")))?;
    let mut findings = Findings::default();
    check_files(out, &sheet, &counts, &mut findings)?;
    let exported = Exported::read(out, &mut findings)?;
    check_sheet(&sheet, &exported, &mut findings);
    check_splits(out, &exported, &mut findings);
    check_defect_masks(out, &exported, &mut findings);
    let written = match sheet.format {
        Format::Jsonl => Some(exported.items.len()),
        Format::Coco => compare::coco(out, &exported, &mut findings),
        Format::Yolo => compare::yolo_boxes(out, &exported, &mut findings),
        Format::YoloSeg => compare::yolo_outlines(out, &exported, &mut findings),
        Format::Voc => compare::voc(out, &exported, &mut findings),
        Format::Masks => compare::class_masks(out, &exported, &mut findings),
        Format::Csv => table::check(out, &exported, &mut findings),
        Format::Audacity => time_axis::tracks(out, &exported, &mut findings),
        Format::Raven => time_axis::tables(out, &exported, &mut findings),
        Format::Cuts => cut_outs::check(out, &exported, &mut findings),
        Format::Manifest => speech::check(out, &exported, &mut findings),
    };
    if let Some(written) = written {
        findings.equal("written in counts.json", &sheet.written, &(written as u64));
    }
    if let Some(truth) = truth {
        check_truth(&exported, truth, &sheet, &mut findings)?;
    }
    Ok(CheckReport {
        ok: findings.total == 0,
        format: sheet.format,
        items: exported.items.len() as u64,
        digest: sheet.digest,
        line_folder: sheet.provenance.folder,
        compared: findings.compared.clone(),
        differences: findings.into_lines(),
    })
}

/// Differences so far, and how much was compared.
#[derive(Default)]
struct Findings {
    lines: Vec<String>,
    total: usize,
    compared: BTreeMap<String, u64>,
}

impl Findings {
    fn add(&mut self, line: impl Into<String>) {
        self.total += 1;
        if self.lines.len() < DIFFERENCES_NAMED_MAX {
            self.lines.push(line.into());
        }
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: &T, expected: &T) {
        if found != expected {
            self.add(format!("{what}: {found:?}, expected {expected:?}"));
        }
    }

    fn compared(&mut self, what: &str, by: usize) {
        *self.compared.entry(what.to_owned()).or_default() += by as u64;
    }

    fn into_lines(mut self) -> Vec<String> {
        if self.total > self.lines.len() {
            self.lines.push(format!("… and {} more", self.total - self.lines.len()));
        }
        self.lines
    }
}

/// One line of the export's `items.jsonl`, read back.
struct Line {
    item: LabelledItem,
    /// As the line says it: `media/NAME`.
    media: String,
    mask: Option<String>,
    /// Upright width and height; `None` for sounds and what cannot be read.
    size: Option<[u32; 2]>,
}

impl Line {
    /// The file name without folder and extension.
    fn stem(&self) -> &str {
        let file = self.file();
        file.rsplit_once('.').map_or(file, |(stem, _)| stem)
    }

    fn file(&self) -> &str {
        self.media.rsplit('/').next().unwrap_or(&self.media)
    }

    fn split(&self) -> Split {
        Split::of_group(&self.item.group)
    }
}

struct Exported {
    items: Vec<Line>,
    /// BLAKE3 of each file, by relative path.
    hashes: BTreeMap<String, String>,
}

impl Exported {
    fn read(out: &Path, findings: &mut Findings) -> Result<Self, LabelsError> {
        let data = dataset::read(out, &Filter::default())?;
        for skipped in &data.skipped {
            findings.add(format!("{ITEMS_FILE} line {}: {}", skipped.line, skipped.reason));
        }
        let masks = masks_by_media(out)?;
        let items = data
            .items
            .into_par_iter()
            .map(|item| {
                let file = item.path.file_name().unwrap_or_default().to_string_lossy();
                let media = format!("{MEDIA_DIR}/{file}");
                let size =
                    (item.kind == MediaKind::Image).then(|| picture::upright_size(&item.path).ok()).flatten();
                Line { mask: masks.get(&media).cloned(), media, size, item }
            })
            .collect();
        let hashes = parse_hashes(&hash_files(out)?);
        Ok(Self { items, hashes })
    }
}

/// The `mask` of each line, which the reader of data sets leaves aside where it has the regions.
fn masks_by_media(out: &Path) -> Result<BTreeMap<String, String>, LabelsError> {
    let path = out.join(ITEMS_FILE);
    let text = fs::read_to_string(&path).map_err(LabelsError::io("read the items", &path))?;
    let masks = text.lines().filter_map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let key = |key| value.get(key)?.as_str().map(str::to_owned);
        Some((key("media")?, key("mask")?))
    });
    Ok(masks.collect())
}

fn parse_hashes(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    lines.map(|(hash, name)| (name.to_owned(), hash.to_owned())).collect()
}

/// Every file is there, unchanged, and nothing else is.
fn check_files(
    out: &Path,
    sheet: &CountSheet,
    counts: &[u8],
    findings: &mut Findings,
) -> Result<(), LabelsError> {
    if sheet_bytes(sheet)? != counts {
        findings.add(format!("{COUNTS_FILE} is not as it was written"));
    }
    let Ok(noted) = fs::read_to_string(out.join(HASHES_FILE)) else {
        findings.add(format!("{HASHES_FILE} cannot be read"));
        return Ok(());
    };
    findings.equal("digest", &sheet.digest, &sheet.digest_with(&noted)?);
    for name in files_below(out)? {
        if out.join(&name).is_symlink() {
            findings.add(format!("a link instead of a file: {name}"));
        }
    }
    let (noted, found) = (parse_hashes(&noted), parse_hashes(&hash_files(out)?));
    for (name, hash) in &noted {
        match found.get(name) {
            None => findings.add(format!("missing: {name}")),
            Some(other) if other != hash => findings.add(format!("changed: {name}")),
            Some(_) => {}
        }
    }
    for name in found.keys().filter(|name| !noted.contains_key(*name)) {
        findings.add(format!("added: {name}"));
    }
    findings.compared("files", found.len());
    Ok(())
}

/// The counts follow from the items.
fn check_sheet(sheet: &CountSheet, exported: &Exported, findings: &mut Findings) {
    let items: Vec<&LabelledItem> = exported.items.iter().map(|line| &line.item).collect();
    let counted = CountSheet::of(sheet.format, sheet.provenance.clone(), &items);
    findings.equal("items in counts.json", &sheet.items, &counted.items);
    findings.equal("classes in counts.json", &sheet.classes, &counted.classes);
    findings.equal("statuses in counts.json", &sheet.statuses, &counted.statuses);
    findings.equal("kinds in counts.json", &sheet.kinds, &counted.kinds);
    findings.equal("splits in counts.json", &sheet.splits, &counted.splits);
    findings.equal("groups in counts.json", &sheet.groups, &counted.groups);
    findings.equal("regions in counts.json", &sheet.regions, &counted.regions);
    let accounted = sheet.written + sheet.left_out.values().sum::<u64>();
    findings.equal("written and left out in counts.json", &accounted, &counted.items);
    let owned: Vec<LabelledItem> = items.into_iter().cloned().collect();
    match dataset::dataset_hash(&owned) {
        Ok(hash) => findings.equal("digest of the labels", &hash, &sheet.labels_digest),
        Err(error) => findings.add(error.to_string()),
    }
}

fn check_splits(out: &Path, exported: &Exported, findings: &mut Findings) {
    for split in Split::ALL {
        let name = format!("{SPLITS_DIR}/{}.txt", split.as_str());
        let found = fs::read_to_string(out.join(&name)).unwrap_or_default();
        let lines = exported.items.iter().filter(|line| line.split() == split);
        let expected: Vec<&str> = lines.map(|line| line.media.as_str()).collect();
        if found.lines().ne(expected.iter().copied()) {
            findings.add(format!("{name} does not list the items of this split"));
        }
    }
}

/// The binary mask of an item is all its mask regions together.
fn check_defect_masks(out: &Path, exported: &Exported, findings: &mut Findings) {
    for line in &exported.items {
        let masks = line.item.label.regions.iter().filter_map(|region| match &region.shape {
            Shape::Mask(mask) => Some(mask),
            _ => None,
        });
        let masks: Vec<_> = masks.collect();
        let Some(size) = line.size.filter(|_| !masks.is_empty()) else {
            if line.mask.is_some() {
                findings.add(format!("a mask for an item without mask regions: {}", line.media));
            }
            continue;
        };
        let Some(file) = &line.mask else {
            findings.add(format!("no mask picture: {}", line.media));
            continue;
        };
        match picture::read_mask(&out.join(file), size) {
            Ok(found) => {
                let layers: Vec<Vec<u8>> = masks.iter().map(|mask| mask.to_pixels()).collect();
                let found = found.to_pixels();
                if (0..found.len()).any(|i| (found[i] != 0) != layers.iter().any(|layer| layer[i] != 0)) {
                    findings.add(format!("the mask picture differs from the regions: {file}"));
                }
                findings.compared("mask pictures", 1);
            }
            Err(why) => findings.add(format!("{why}: {file}")),
        }
    }
}

/// `items.jsonl` and the media are what was handed in, item by item and byte by byte.
fn check_truth(
    exported: &Exported,
    truth: &[LabelledItem],
    sheet: &CountSheet,
    findings: &mut Findings,
) -> Result<(), LabelsError> {
    let present: Vec<&LabelledItem> = truth.iter().filter(|item| item.path.is_file()).collect();
    let gone = truth.len() - present.len();
    let lost = sheet.lost.get("media is gone").copied().unwrap_or_default();
    if gone as u64 != lost {
        findings.add(format!("media of {gone} items are gone, the export says {lost}"));
    }
    let mut open: BTreeMap<&str, Vec<(&LabelledItem, [u8; 32])>> = BTreeMap::new();
    for item in present {
        open.entry(&item.name).or_default().push((item, dataset::item_hash(item)?));
    }
    for line in &exported.items {
        let item = &line.item;
        let candidates = open.entry(&item.name).or_default();
        let hash = dataset::item_hash(item)?;
        if let Some(index) = candidates.iter().position(|(_, other)| *other == hash) {
            candidates.swap_remove(index);
            findings.compared("items with the labels they were made from", 1);
        } else if let Some((expected, _)) = candidates.pop() {
            findings.add(format!(
                "{} of {:?} differs from the truth: {}",
                what_differs(item, expected),
                item.name,
                line.media
            ));
        } else {
            findings.add(format!("not in the truth: {:?} ({})", item.name, line.media));
        }
    }
    for (name, items) in open {
        for _ in items {
            findings.add(format!("not in the export: {name:?}"));
        }
    }
    Ok(())
}

fn what_differs(a: &LabelledItem, b: &LabelledItem) -> &'static str {
    if a.label.status != b.label.status {
        "status"
    } else if a.label.class != b.label.class {
        "class"
    } else if a.label.regions != b.label.regions {
        "a region"
    } else if a.label.transcript != b.label.transcript {
        "transcript"
    } else if a.group != b.group {
        "group"
    } else if a.kind != b.kind {
        "kind"
    } else if a.votes != b.votes {
        "votes"
    } else if a.extra != b.extra {
        "a further key"
    } else if a.reference.is_some() != b.reference.is_some() {
        "reference"
    } else {
        "the content of a file"
    }
}
