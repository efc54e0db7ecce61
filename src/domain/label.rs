//! The settled truth of an item, and labelled items as data sets carry them.

use super::{MediaKind, Region};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LabelStatus {
    #[serde(rename = "confirmed")]
    Confirmed,
    #[serde(rename = "cannot tell")]
    CannotTell,
    #[serde(rename = "bad input")]
    BadInput,
    #[serde(rename = "disputed")]
    Disputed,
}

impl LabelStatus {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::CannotTell => "cannot tell",
            Self::BadInput => "bad input",
            Self::Disputed => "disputed",
        }
    }
}

impl fmt::Display for LabelStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `class` is the answer for the whole item; `regions` may carry several classes of their own.
/// A confirmed label without class and regions means good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Label {
    pub status: LabelStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
}

impl Label {
    /// The class without a defect.
    pub const GOOD: &'static str = "good";

    #[must_use]
    pub fn confirmed(class: impl Into<String>) -> Self {
        Self {
            status: LabelStatus::Confirmed,
            class: Some(class.into()),
            regions: Vec::new(),
            transcript: None,
        }
    }

    /// What is said, and nothing else.
    #[must_use]
    pub fn said(text: impl Into<String>) -> Self {
        Self {
            status: LabelStatus::Confirmed,
            class: None,
            regions: Vec::new(),
            transcript: Some(text.into()),
        }
    }

    /// Every class that the item has: those of its regions, and its own. Good only if nothing else.
    #[must_use]
    pub fn classes(&self) -> BTreeSet<&str> {
        let mut classes: BTreeSet<&str> = self.regions.iter().map(|r| r.class.as_str()).collect();
        classes.extend(self.class.as_deref());
        if classes.len() > 1 {
            classes.remove(Self::GOOD);
        }
        if classes.is_empty() {
            classes.insert(Self::GOOD);
        }
        classes
    }

    /// One class that stands for the item: its own, else the first of its regions, else good.
    #[must_use]
    pub fn main_class(&self) -> &str {
        match (&self.class, self.regions.first()) {
            (Some(class), _) => class,
            (None, Some(region)) => &region.class,
            (None, None) => Self::GOOD,
        }
    }

    #[must_use]
    pub fn is_good(&self) -> bool {
        self.classes().contains(Self::GOOD)
    }
}

/// One person's answer to one item, where a data set brings several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    pub rater: String,
    pub label: String,
}

/// A media file with its settled label: what training, evaluation and exports work on.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledItem {
    /// Where the bytes are.
    pub path: PathBuf,
    /// The name it is known by in its data set (`media` in `items.jsonl`).
    pub name: String,
    pub kind: MediaKind,
    pub reference: Option<PathBuf>,
    /// The unit or speaker; items of one group are never split between training and test.
    pub group: String,
    pub label: Label,
    pub votes: Vec<Vote>,
    /// Unknown keys, and `fold`, as they came; exported again.
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// `--where KEY=VALUE …`: the same key twice means or, different keys mean and.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(BTreeMap<String, BTreeSet<String>>);

impl Filter {
    /// Reads `KEY=VALUE` terms; the error names the term that is not one.
    pub fn parse<S: AsRef<str>>(terms: &[S]) -> Result<Self, String> {
        let mut filter = Self::default();
        for term in terms {
            let term = term.as_ref();
            let (key, value) = term
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| format!("\"{term}\" is not KEY=VALUE"))?;
            filter.0.entry(key.to_owned()).or_default().insert(value.to_owned());
        }
        Ok(filter)
    }

    /// As they were given, sorted.
    #[must_use]
    pub fn terms(&self) -> Vec<String> {
        let terms = self.0.iter().flat_map(|(key, values)| values.iter().map(move |v| format!("{key}={v}")));
        terms.collect()
    }

    #[must_use]
    pub fn matches(&self, item: &LabelledItem) -> bool {
        self.0.iter().all(|(key, wanted)| match key.as_str() {
            "label" => item.label.classes().iter().any(|class| wanted.contains(*class)),
            "group" => wanted.contains(&item.group),
            "kind" => wanted.contains(item.kind.as_str()),
            "status" => wanted.contains(item.label.status.as_str()),
            "media" => wanted.contains(&item.name),
            other => item.extra.get(other).is_some_and(|value| match value {
                serde_json::Value::String(text) => wanted.contains(text),
                value => wanted.contains(&value.to_string()),
            }),
        })
    }
}
