//! A person's answer to one item, with how it was asked.

use super::{ItemId, ModelRef, Policy, Region};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictStatus {
    Answered,
    CannotTell,
    BadInput,
}

/// What the person had seen of the model when the answer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictMode {
    Hidden,
    RevealedAfter,
    Shown,
}

impl VerdictMode {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::RevealedAfter => "revealed_after",
            Self::Shown => "shown",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub item: ItemId,
    pub reviewer: String,
    pub status: VerdictStatus,
    /// Set for `answered`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    pub mode: VerdictMode,
    /// The answer before the model's suggestion was revealed, where that came first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// The model's regions that were on the screen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions_shown: Vec<Region>,
    /// Why, where the person said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// From showing the item to the answer.
    pub seconds: f64,
}

impl Verdict {
    /// A class and nothing else, given without seeing anything of the model.
    #[must_use]
    pub fn of_class(item: ItemId, reviewer: impl Into<String>, class: impl Into<String>) -> Self {
        Self {
            item,
            reviewer: reviewer.into(),
            status: VerdictStatus::Answered,
            class: Some(class.into()),
            regions: Vec::new(),
            transcript: None,
            mode: VerdictMode::Hidden,
            class_before: None,
            model: None,
            policy: None,
            regions_shown: Vec::new(),
            comment: None,
            seconds: 0.0,
        }
    }

    /// The same of what is said.
    #[must_use]
    pub fn of_transcript(item: ItemId, reviewer: impl Into<String>, said: impl Into<String>) -> Self {
        Self { class: None, transcript: Some(said.into()), ..Self::of_class(item, reviewer, "") }
    }
}
