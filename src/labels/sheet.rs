//! The count sheet beside every export: what is in it, what the format could not say, and where
//! it comes from. Plain data; knows nothing of files.

use super::names::Split;
use crate::domain::{Label, LabelStatus, LabelledItem};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// What an export is written as. `items.jsonl` is always beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    Jsonl,
    Coco,
    Yolo,
    YoloSeg,
    Voc,
    Masks,
    Csv,
    Audacity,
    Raven,
    Cuts,
    Manifest,
}

impl Format {
    pub const ALL: [Self; 11] = [
        Self::Jsonl,
        Self::Coco,
        Self::Yolo,
        Self::YoloSeg,
        Self::Voc,
        Self::Masks,
        Self::Csv,
        Self::Audacity,
        Self::Raven,
        Self::Cuts,
        Self::Manifest,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Coco => "coco",
            Self::Yolo => "yolo",
            Self::YoloSeg => "yolo-seg",
            Self::Voc => "voc",
            Self::Masks => "masks",
            Self::Csv => "csv",
            Self::Audacity => "audacity",
            Self::Raven => "raven",
            Self::Cuts => "cuts",
            Self::Manifest => "manifest",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            format!("\"{text}\" is not a format, which are {names}")
        })
    }
}

/// Where an export comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Name of the line.
    pub line: String,
    /// Where the line lay, for the check that compares the export with its log.
    pub folder: String,
    /// Head of the event log when the labels were read, as `COUNT:HASH`.
    pub head: Option<String>,
    /// RFC 3339.
    pub exported_at: String,
}

/// How many of what. Maps are by class, status, kind, split or reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountSheet {
    pub format: Format,
    pub provenance: Provenance,
    /// Items in `items.jsonl`.
    pub items: u64,
    /// Items that the format's own files hold; the others are counted in `left_out`.
    pub written: u64,
    /// Confirmed items per class; an item with several classes counts in each.
    pub classes: BTreeMap<String, u64>,
    pub statuses: BTreeMap<String, u64>,
    pub kinds: BTreeMap<String, u64>,
    pub splits: BTreeMap<String, u64>,
    pub groups: u64,
    /// Regions per class, of all items.
    pub regions: BTreeMap<String, u64>,
    /// Items that the format could not say, by reason. They are in `items.jsonl`.
    pub left_out: BTreeMap<String, u64>,
    /// What the format says with less detail than the label has, by what happened.
    pub simplified: BTreeMap<String, u64>,
    /// What could not be exported at all, not even to `items.jsonl`.
    pub lost: BTreeMap<String, u64>,
    /// [`dataset_hash`](super::dataset_hash) of the items.
    pub labels_digest: String,
    /// BLAKE3 over this sheet (with this field empty) and the hashes of all files.
    pub digest: String,
}

impl CountSheet {
    /// Counts everything that follows from the items alone.
    pub(super) fn of(format: Format, provenance: Provenance, items: &[&LabelledItem]) -> Self {
        let mut sheet = Self {
            format,
            provenance,
            items: items.len() as u64,
            written: 0,
            classes: BTreeMap::new(),
            statuses: BTreeMap::new(),
            kinds: BTreeMap::new(),
            splits: BTreeMap::new(),
            groups: items.iter().map(|item| &item.group).collect::<BTreeSet<_>>().len() as u64,
            regions: BTreeMap::new(),
            left_out: BTreeMap::new(),
            simplified: BTreeMap::new(),
            lost: BTreeMap::new(),
            labels_digest: String::new(),
            digest: String::new(),
        };
        for item in items {
            count(&mut sheet.statuses, item.label.status.as_str(), 1);
            count(&mut sheet.kinds, item.kind.as_str(), 1);
            count(&mut sheet.splits, Split::of_group(&item.group).as_str(), 1);
            for region in &item.label.regions {
                count(&mut sheet.regions, &region.class, 1);
            }
            if item.label.status == LabelStatus::Confirmed && !is_text_only(&item.label) {
                for class in item.label.classes() {
                    count(&mut sheet.classes, class, 1);
                }
            }
        }
        sheet
    }

    /// The digest that belongs into the sheet, given the list of file hashes.
    pub(super) fn digest_with(&self, file_hashes: &str) -> Result<String, serde_json::Error> {
        let blank = Self { digest: String::new(), ..self.clone() };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&serde_json::to_vec(&blank)?).update(file_hashes.as_bytes());
        Ok(hasher.finalize().to_hex().to_string())
    }
}

/// A transcript without a class says nothing about defects.
pub(super) fn is_text_only(label: &Label) -> bool {
    label.class.is_none() && label.regions.is_empty() && label.transcript.is_some()
}

pub(super) fn count(map: &mut BTreeMap<String, u64>, key: &str, by: u64) {
    if by > 0 {
        *map.entry(key.to_owned()).or_default() += by;
    }
}
