//! The plan's rules for keeping a promise: checks, watching, a full queue, retraining.

use serde::{Deserialize, Serialize};

/// Random checks of what is decided without a person.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditRule {
    /// Mean share of automatic decisions that a person checks.
    pub share: f64,
    /// No kind of decision is checked less often than this part of `share`.
    pub floor: f64,
    /// Share of what a person is asked anyway that is asked blind.
    pub blind: f64,
}

impl Default for AuditRule {
    fn default() -> Self {
        Self { share: 0.05, floor: 0.7, blind: 0.2 }
    }
}

/// What happens to questions when more wait than people can answer. Never a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenFull {
    /// Take nothing in until there is room.
    Hold,
    /// Divert what would be asked.
    Divert,
    /// Go on asking, and say it loudly.
    Call,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueRule {
    /// Waiting items with which the queue is full.
    pub most: u32,
    pub when_full: WhenFull,
}

impl Default for QueueRule {
    fn default() -> Self {
        Self { most: 2000, when_full: WhenFull::Call }
    }
}

/// How closely the line is watched.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchRule {
    /// Mean number of items between two false alarms of the input checks.
    pub items_between_false_alarms: f64,
    /// Chance that a promise that is kept is ever called broken.
    pub false_alarm: f64,
    /// Days without a checked decision after which the evidence is stale.
    pub stale_days: f64,
    /// Normal deviations beyond which an item goes to a person whatever its score.
    pub outlier: f64,
}

impl Default for WatchRule {
    fn default() -> Self {
        Self { items_between_false_alarms: 50_000.0, false_alarm: 0.05, stale_days: 30.0, outlier: 6.0 }
    }
}

/// When a replay trains again on what people have answered meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrainRule {
    /// Labels with which it is due first, and again whenever they have doubled; 0 for never.
    pub labels: u32,
    /// Time for one training; chosen from the data when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
}
