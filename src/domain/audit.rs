//! Spot checks of what is decided without a person, and alarms.

use super::{ModelRef, Probability};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How sure the model was of an automatic decision: how far its score lay from the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Band {
    /// Far from the threshold.
    Safe,
    /// Not far from it: checked more often.
    Near,
}

/// Whether a person looks at an item without being told what the model says of it; drawn with the
/// decision, from nothing but what is recorded with it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// With which it is drawn; never 0.
    pub probability: Probability,
    /// The smallest with which any decision by the same thresholds is drawn.
    pub least: Probability,
    pub drawn: bool,
    pub band: Band,
}

/// With which probabilities decisions are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRates {
    pub pass_safe: Probability,
    pub pass_near: Probability,
    pub divert_near: Probability,
    pub divert_safe: Probability,
    /// Of what a person is asked anyway: asked blind, so that nobody can tell checks from questions.
    pub asked: Probability,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlarmKind {
    /// Spot checks contradict the promise.
    Promise,
    /// Pictures or scores have moved away from what the model knows.
    Inputs,
    /// The model fails or is too slow.
    Model,
    /// Nothing was checked for too long.
    Stale,
    /// A candidate was taken off its share of the line. It decides nothing any more, so that the level
    /// stays.
    Canary,
}

impl AlarmKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promise => "promise",
            Self::Inputs => "inputs",
            Self::Model => "model",
            Self::Stale => "stale",
            Self::Canary => "canary",
        }
    }
}

impl fmt::Display for AlarmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Stands until a person clears it or another model is released.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    pub kind: AlarmKind,
    /// For the person who has to act.
    pub text: String,
    /// What was measured, and where the alarm begins.
    pub value: f64,
    pub limit: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelRef>,
}
