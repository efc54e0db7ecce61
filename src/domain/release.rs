//! What becomes of a model on a line: from candidate over shadow and canary to live, and back.

use super::{AuditRates, ModelRef, Policy, Probability, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseState {
    /// Known on the line; predicts nothing.
    Candidate,
    /// Predicts beside the live model, and never decides.
    Shadow,
    /// Decides a share of the units.
    Canary,
    /// Decides. Exactly one, once a line has had any.
    Live,
    /// Was live, or was given up.
    Retired,
}

impl ReleaseState {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Shadow => "shadow",
            Self::Canary => "canary",
            Self::Live => "live",
            Self::Retired => "retired",
        }
    }

    /// Whether a model may be moved there by a [`Event::ModelMoved`](super::Event::ModelMoved). To and
    /// from live it goes by promotions alone: the one that comes sends the other away.
    #[must_use]
    pub const fn may_become(self, to: Self) -> bool {
        !matches!((self, to), (Self::Live, _) | (_, Self::Live | Self::Candidate))
    }
}

impl fmt::Display for ReleaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The share of the line that a candidate decides, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// Of units, by a keyed hash: a unit that comes again meets the same model.
    pub share: Probability,
    /// From the candidate's own evidence; its level counts for nothing, that is the line's.
    pub policy: Policy,
    /// How often its decisions are checked.
    pub audits: AuditRates,
}

/// Where a model stands on a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Release {
    pub model: ModelRef,
    pub state: ReleaseState,
    /// In this state.
    pub since: Timestamp,
    /// Why it is.
    pub reason: String,
    /// When it last became live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
}

/// A step that a model has taken on a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReleaseMove {
    pub at: Timestamp,
    pub to: ReleaseState,
    /// Who, or what of the program.
    pub actor: String,
    pub reason: String,
}

/// How candidates are tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseRule {
    /// Share of items that models in shadow look at.
    pub shadow_share: f64,
    /// Share of the items on which a candidate and the live model agree that a person is asked about,
    /// so that what both get wrong is seen as well. All on which they disagree are asked.
    pub agreements: f64,
    /// Shares of the line, one after the other.
    pub steps: Vec<f64>,
    /// Compared inspections with a known truth that each step takes.
    pub step_inspections: u32,
    /// Mean share of a canary's automatic decisions that a person checks.
    pub audit: f64,
    /// Chance that a candidate that is no worse is ever taken back for its errors.
    pub false_abort: f64,
}

impl Default for ReleaseRule {
    fn default() -> Self {
        Self {
            shadow_share: 1.0,
            agreements: 0.05,
            steps: vec![0.05, 0.2, 0.5],
            step_inspections: 50,
            audit: 0.2,
            false_abort: 0.01,
        }
    }
}
