//! Long recordings that a line takes in, microphones that it listens to, and how both are cut into items.

use serde::{Deserialize, Serialize};

/// Around what is louder than the noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnergyCut {
    /// A sound begins so far above the noise floor, and ends when it falls below the second.
    pub begin_db: f64,
    pub end_db: f64,
    /// Shorter pauses do not end it.
    pub pause_secs: f64,
    /// What is shorter is left out; what is longer is cut into equal parts.
    pub secs_min: f64,
    pub secs_max: f64,
    /// Added before and behind, at most to the middle between two sounds.
    pub pre_roll_secs: f64,
    pub post_roll_secs: f64,
}

impl Default for EnergyCut {
    fn default() -> Self {
        Self {
            begin_db: 12.0,
            end_db: 6.0,
            pause_secs: 0.2,
            secs_min: 0.05,
            secs_max: 10.0,
            pre_roll_secs: 0.1,
            post_roll_secs: 0.2,
        }
    }
}

/// Around voices.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VoiceCut {
    /// How sure it must be that somebody speaks, from 0 to 1: to begin, and to go on.
    pub begin: f64,
    pub end: f64,
    /// Shorter pauses do not end it.
    pub pause_secs: f64,
    /// What is shorter is left out; what is longer is cut where it is quietest.
    pub secs_min: f64,
    pub secs_max: f64,
    /// Added before and behind, at most to the clip before; behind no more than the pause.
    pub pre_roll_secs: f64,
    pub post_roll_secs: f64,
}

impl Default for VoiceCut {
    fn default() -> Self {
        Self {
            begin: 0.5,
            end: 0.4,
            pause_secs: 0.6,
            secs_min: 0.1,
            secs_max: 15.0,
            pre_roll_secs: 0.25,
            post_roll_secs: 0.25,
        }
    }
}

/// Where to cut.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum CutBy {
    /// Into windows of one length.
    Window {
        secs: f64,
    },
    Energy(EnergyCut),
    Voice(VoiceCut),
}

/// Recordings of this folder become clips in the watched one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordingRule {
    /// Relative paths are relative to the line's folder. A recording moves into `done/` beside it once its
    /// clips are written.
    pub path: String,
    pub cut: CutBy,
}

impl Default for RecordingRule {
    fn default() -> Self {
        Self { path: "recordings".into(), cut: CutBy::Energy(EnergyCut::default()) }
    }
}

/// A microphone that the line listens to: what is cut out of it appears in the watched folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MicrophoneRule {
    /// As `secondlook microphones` names it; the machine's own choice when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Clips are named by it and by the moment at which they begin.
    pub name: String,
    pub cut: CutBy,
}

impl Default for MicrophoneRule {
    fn default() -> Self {
        Self { device: None, name: "microphone".into(), cut: CutBy::Voice(VoiceCut::default()) }
    }
}

impl MicrophoneRule {
    /// What nobody can listen by.
    pub fn check(&self) -> Result<(), String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(is_plain) {
            return Err(format!("name \"{}\": letters, digits and - make the names of files", self.name));
        }
        self.cut.check()
    }
}

impl CutBy {
    /// Without clips that are longer than this.
    #[must_use]
    pub fn at_most(self, longest_secs: f64) -> Self {
        match self {
            Self::Window { secs } => Self::Window { secs: secs.min(longest_secs) },
            Self::Energy(cut) => Self::Energy(EnergyCut { secs_max: cut.secs_max.min(longest_secs), ..cut }),
            Self::Voice(cut) => Self::Voice(VoiceCut { secs_max: cut.secs_max.min(longest_secs), ..cut }),
        }
    }

    /// What cannot be cut by.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Window { secs } if secs.is_finite() && *secs > 0.0 => Ok(()),
            Self::Window { secs } => Err(format!("a window of {secs} s: longer than none")),
            Self::Energy(cut) => {
                let levels = [cut.begin_db, cut.end_db];
                let is_level = levels.iter().all(|db| db.is_finite() && *db > 0.0);
                if !is_level || cut.end_db > cut.begin_db {
                    return Err("begin_db above end_db above 0".into());
                }
                let rolls = [cut.pre_roll_secs, cut.post_roll_secs];
                check_times(cut.pause_secs, [cut.secs_min, cut.secs_max], rolls)
            }
            Self::Voice(cut) => {
                let is_sure = |p: f64| p > 0.0 && p < 1.0;
                if !is_sure(cut.begin) || !is_sure(cut.end) || cut.end > cut.begin {
                    return Err("1 above begin above end above 0".into());
                }
                if cut.post_roll_secs > cut.pause_secs {
                    return Err("post_roll_secs at most pause_secs: longer is not known yet".into());
                }
                let rolls = [cut.pre_roll_secs, cut.post_roll_secs];
                check_times(cut.pause_secs, [cut.secs_min, cut.secs_max], rolls)
            }
        }
    }
}

fn check_times(pause: f64, [least, most]: [f64; 2], [pre, post]: [f64; 2]) -> Result<(), String> {
    let is_time = [pause, least, most, pre, post].iter().all(|secs| secs.is_finite() && *secs >= 0.0);
    if is_time && most > least { Ok(()) } else { Err("times from 0 s, secs_max above secs_min".into()) }
}
