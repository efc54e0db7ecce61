//! One line of `items.jsonl`, as it stands in the file.
//!
//! The same struct reads and writes, so that what is written reads back. Knows nothing of
//! folders: paths are plain text here.

use crate::domain::{LabelStatus, MediaKind, Region, Vote};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Keys with a meaning of their own. Everything else is kept as it came.
pub(super) const KNOWN_KEYS: [&str; 11] = [
    "media",
    "original_name",
    "kind",
    "label",
    "status",
    "regions",
    "transcript",
    "reference",
    "mask",
    "group",
    "votes",
];

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// Path of the media file, relative to the folder.
    pub media: String,
    /// The name that the item is known by, where an export had to rename its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediaKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<LabelStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<Region>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<Vote>,
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}
