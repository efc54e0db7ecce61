//! Long recordings that a line takes in, and how they are cut into items.

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

/// Where to cut.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum CutBy {
    /// Into windows of one length.
    Window {
        secs: f64,
    },
    Energy(EnergyCut),
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

impl CutBy {
    /// What cannot be cut by.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Window { secs } if secs.is_finite() && *secs > 0.0 => Ok(()),
            Self::Window { secs } => Err(format!("a window of {secs} s: longer than none")),
            Self::Energy(cut) => {
                let secs =
                    [cut.pause_secs, cut.secs_min, cut.pre_roll_secs, cut.post_roll_secs, cut.secs_max];
                let levels = [cut.begin_db, cut.end_db];
                let is_sound = secs.iter().all(|secs| secs.is_finite() && *secs >= 0.0)
                    && levels.iter().all(|db| db.is_finite() && *db > 0.0);
                if !is_sound || cut.end_db > cut.begin_db || cut.secs_max <= cut.secs_min {
                    return Err(
                        "times from 0 s, secs_max above secs_min, begin_db above end_db above 0".into()
                    );
                }
                Ok(())
            }
        }
    }
}
