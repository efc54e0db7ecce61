//! What a training for speech can be told, and its picture of what is said.

use crate::infer::{InputSpec, Levels, View};
use crate::learn::data::Listening;
use crate::learn::input::{USED_BAND, choose_hearing};
use crate::learn::settings::TrainSettings;
use crate::media::MelSpec;
use serde::{Deserialize, Serialize};

/// Random changes of what is said, each drawn anew for every example; shares are 0 to 1, and what changes
/// a voice is the largest change as a natural logarithm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechSettings {
    /// Most takes that are joined, and the longest pause between two.
    pub words_max: usize,
    pub pause_secs: f32,
    /// Of a whole string: pace and voice together, pace alone, formants alone. Of a take beside the others
    /// of its string: pace and voice together.
    pub speed: f32,
    pub pace: f32,
    pub formants: f32,
    pub unsteady: f32,
    /// How much louder or lower a take of a string is, and how low the whole may be.
    pub uneven_db: f32,
    pub quiet_db: f32,
    /// How often there is noise that matters, and how loud it may be beside what is said.
    pub noise: f32,
    pub snr_db_min: f32,
    /// How often a room, a telephone, or other voices are heard.
    pub room: f32,
    pub telephone: f32,
    pub voices: f32,
    /// How often nothing is said, and how often something that is no word.
    pub silence: f32,
    pub foreign: f32,
    /// Longest stretch and widest band that are hidden.
    pub hidden_columns: usize,
    pub hidden_bands: usize,
    /// Strings of takes that do not train, for calibration.
    pub held_out: usize,
}

impl Default for SpeechSettings {
    fn default() -> Self {
        Self {
            words_max: 10,
            pause_secs: 0.4,
            speed: 0.22,
            pace: 0.4,
            formants: 0.2,
            unsteady: 0.05,
            uneven_db: 5.0,
            quiet_db: 30.0,
            noise: 0.9,
            snr_db_min: 0.0,
            room: 0.4,
            telephone: 0.25,
            voices: 0.2,
            silence: 0.03,
            foreign: 0.03,
            hidden_columns: 14,
            hidden_bands: 16,
            held_out: 160,
        }
    }
}

/// What is said lies below this, at every rate.
const SPEECH_LOW_HZ: f64 = 60.0;
const SPEECH_HIGH_HZ: f64 = 3800.0;
/// A shorter window than for other sounds: the pitch of a voice says nothing of its words.
const SPEECH_BANDS: u32 = 64;
const SPEECH_WINDOW_SECS: f64 = 0.02;
/// Beneath the loudest: more than a room leaves of a voice, less than a machine's silence.
const SPEECH_RANGE_DB: f64 = 75.0;
/// One window, and how much of it two share: a word on the border of one is whole in another.
const SPEECH_COLUMNS: u32 = 512;
const SPEECH_OVERLAP: u32 = 96;

/// The picture of what is said: the band that every telephone has, so that recordings at all rates look alike.
pub(in crate::learn) fn choose_speech(listening: &Listening, settings: &TrainSettings) -> InputSpec {
    let heard = choose_hearing(listening, settings);
    let high_hz = SPEECH_HIGH_HZ.min(USED_BAND * f64::from(listening.rate_hz) / 2.0);
    let sound = heard.sound.map(|sound| MelSpec {
        bands: SPEECH_BANDS,
        low_hz: SPEECH_LOW_HZ,
        high_hz,
        window_secs: SPEECH_WINDOW_SECS,
        range_db: Some(SPEECH_RANGE_DB),
        ..sound
    });
    InputSpec {
        width_px: SPEECH_COLUMNS,
        height_px: SPEECH_BANDS,
        levels: Levels::PerBand,
        view: View::Tiles { overlap_px: SPEECH_OVERLAP },
        local_px: 0,
        sound,
        ..heard
    }
}
