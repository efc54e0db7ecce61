//! What happened to an item or an inspection, who decided it, and why.

use super::{Audit, ModelRef, Probability};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Pass,
    Divert,
    Review,
}

impl Outcome {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Divert => "divert",
            Self::Review => "review",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecidedBy {
    Model,
    Person,
    /// The station itself: it could not ask a model (damaged file, no model) and asks a person.
    Station,
}

impl DecidedBy {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Person => "person",
            Self::Station => "station",
        }
    }
}

/// The five degrees of automation, from people alone to the model alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// People decide; no model runs.
    Manual,
    /// The model predicts in the background; people decide without seeing it.
    Shadow,
    /// People decide everything, with the model's suggestion.
    Assist,
    /// The model decides what it is sure of; people decide the rest.
    Partial,
    /// The model decides everything that it can look at; between the thresholds it diverts.
    Full,
}

impl Level {
    pub const ALL: [Self; 5] = [Self::Manual, Self::Shadow, Self::Assist, Self::Partial, Self::Full];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Shadow => "shadow",
            Self::Assist => "assist",
            Self::Partial => "partial",
            Self::Full => "full",
        }
    }

    /// Whether the model may decide at this level.
    #[must_use]
    pub fn is_automatic(self) -> bool {
        self >= Self::Partial
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| format!("\"{text}\" is not a level: manual, shadow, assist, partial or full"))
    }
}

/// Where the model may decide by itself. `None` means never: there was no evidence for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Below this divert probability an item passes.
    pub pass_below: Option<Probability>,
    /// Above this divert probability an item is diverted.
    pub divert_above: Option<Probability>,
    /// On lines that name items: below this doubt (1 − the confidence) a name counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_below: Option<Probability>,
}

/// The rule in force when a decision was made; recorded with every decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    pub level: Level,
    pub thresholds: Thresholds,
    /// Counts the policies of the line, from 1.
    pub version: u32,
}

/// Why an item was decided the way it was. The text is for the person who is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason {
    BelowPass {
        p: Probability,
        pass_below: Probability,
    },
    AboveDivert {
        p: Probability,
        divert_above: Probability,
    },
    Between {
        p: Probability,
        thresholds: Thresholds,
    },
    /// The item's name is sure enough to count.
    Named {
        class: String,
        doubt: Probability,
        accept_below: Probability,
    },
    /// It is not.
    Doubtful {
        class: String,
        doubt: Probability,
        accept_below: Option<Probability>,
    },
    /// Unlike anything that the model was trained on, whatever it says.
    Unlike {
        what: String,
        deviations: f64,
    },
    /// A check contradicts the station: another look decides.
    SecondLook,
    /// More questions wait than the plan allows, and it says to divert.
    QueueFull {
        waiting: u64,
    },
    /// Level full leaves nothing to people: what is not safely good is diverted.
    NotSafelyGood {
        p: Probability,
    },
    /// The level leaves every decision to people.
    LevelAsks {
        level: Level,
    },
    NoModel {
        why: String,
    },
    ModelFault {
        why: String,
    },
    /// A picture for a model that listens, a sound that is longer than it takes: no fault of the model.
    NotForModel {
        why: String,
    },
    Undecodable {
        why: String,
    },
    /// The same bytes came before under another unit or name: a frozen camera, or a copy.
    SameBytes {
        unit: String,
        name: String,
    },
    /// The golden image that the plan names is not there.
    NoReference {
        why: String,
    },
    Incomplete {
        have: u32,
        want: u32,
    },
    Answered {
        class: String,
    },
    CannotTell,
    BadInput,
    /// People gave different answers.
    Disputed,
    AnswerTakenBack,
    AllItemsPass,
    AnItemDiverts,
    AnItemAsks,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BelowPass { p, pass_below } => write!(f, "defect probability {p} below {pass_below}"),
            Self::AboveDivert { p, divert_above } => write!(f, "defect probability {p} above {divert_above}"),
            Self::Between { p, thresholds } => match (thresholds.pass_below, thresholds.divert_above) {
                (Some(low), Some(high)) => write!(f, "defect probability {p} between {low} and {high}"),
                (Some(low), None) => write!(f, "defect probability {p}, not below {low}"),
                (None, Some(high)) => write!(f, "defect probability {p}, not above {high}"),
                (None, None) => write!(f, "defect probability {p}, no promise supported"),
            },
            Self::Named { class, doubt, accept_below } => {
                write!(f, "{class}, doubt {doubt} below {accept_below}")
            }
            Self::Doubtful { class, doubt, accept_below: Some(at) } => {
                write!(f, "{class}, doubt {doubt}, not below {at}")
            }
            Self::Doubtful { class, doubt, accept_below: None } => {
                write!(f, "{class}, doubt {doubt}, no promise supported")
            }
            Self::Unlike { what, deviations } => {
                write!(f, "{what} is {deviations:.1} deviations from what the model knows")
            }
            Self::SecondLook => f.write_str("a check contradicts the station: a second look decides"),
            Self::QueueFull { waiting } => write!(f, "{waiting} questions wait already"),
            Self::NotSafelyGood { p } => write!(f, "defect probability {p}, not safely good"),
            Self::LevelAsks { level } => write!(f, "level {level}: people decide"),
            Self::NoModel { why } => write!(f, "no model: {why}"),
            Self::ModelFault { why } => write!(f, "model fault: {why}"),
            Self::NotForModel { why } => write!(f, "not for the model: {why}"),
            Self::Undecodable { why } => write!(f, "cannot be decoded: {why}"),
            Self::SameBytes { unit, name } => write!(f, "same picture as unit {unit} ({name})"),
            Self::NoReference { why } => write!(f, "no reference: {why}"),
            Self::Incomplete { have, want } => write!(f, "{have} of {want} pictures in time"),
            Self::Answered { class } => write!(f, "answered {class}"),
            Self::CannotTell => f.write_str("a person could not tell"),
            Self::BadInput => f.write_str("bad input"),
            Self::Disputed => f.write_str("people disagree"),
            Self::AnswerTakenBack => f.write_str("the answer was taken back"),
            Self::AllItemsPass => f.write_str("all items pass"),
            Self::AnItemDiverts => f.write_str("an item diverts"),
            Self::AnItemAsks => f.write_str("an item waits for a person"),
        }
    }
}

impl Reason {
    /// Whether the picture itself never became usable.
    #[must_use]
    pub fn is_quarantine(&self) -> bool {
        matches!(self, Self::Undecodable { .. })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub outcome: Outcome,
    pub decided_by: DecidedBy,
    pub reason: Reason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelRef>,
    /// The check that was drawn with it, where a model decided or asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
}

impl Decision {
    /// Whether a person looks at the item without being told what the model says.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.audit.is_some_and(|audit| audit.drawn)
    }
}
