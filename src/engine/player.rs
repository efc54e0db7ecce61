//! Sounds for the ear. A thread reads, stretches and resamples ahead of the device; the device's callback
//! only copies; and where the sound is now follows from what the callback has really written and when
//! that is heard, never from a clock on the wall.
//!
//! No device is a normal state: everything else works, and [`Playing::trouble`] says so.

#[cfg(feature = "audio")]
mod device;
#[cfg(feature = "audio")]
mod job;
#[cfg(feature = "audio")]
mod ring;
#[cfg(feature = "audio")]
mod thread;

#[cfg(feature = "audio")]
pub use thread::Player;

use super::EngineError;
use crate::domain::MediaHash;
use std::path::Path;

/// What is to be heard.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayRequest {
    pub media: MediaHash,
    /// Frames of the sound: where it begins, and the stretch that it ends at, or begins anew with.
    pub from: u64,
    pub span: [u64; 2],
    pub is_looped: bool,
    /// 2 lasts half as long; the pitch stays.
    pub speed: f64,
    /// Whether quiet and loud sounds are brought to one loudness, for listening only.
    pub is_evened: bool,
    /// Whether silence at both ends of the stretch is left out.
    pub skips_silence: bool,
}

/// What is heard now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Playing {
    pub media: Option<MediaHash>,
    pub is_playing: bool,
    /// It was heard to its end, and nobody stopped it.
    pub is_over: bool,
    /// Of the sound, as it leaves the loudspeaker.
    pub frame: Option<f64>,
    /// Highest sample of the left and right channel around now, full scale is 1.
    pub peak: [f32; 2],
    /// By which the sound is made louder for listening.
    pub gain_db: f32,
    pub trouble: Option<String>,
}

/// Stands in where the build has no sound.
#[cfg(not(feature = "audio"))]
pub struct Player;

#[cfg(not(feature = "audio"))]
impl Player {
    pub fn start(_folder: &Path, _wake: impl Fn() + Send + Sync + 'static) -> Result<Self, EngineError> {
        Ok(Self)
    }

    pub fn play(&self, _request: PlayRequest) {}

    pub fn stop(&self) {}

    #[must_use]
    pub fn now(&self) -> Playing {
        let trouble = Some("This build has no sound (feature audio)".to_owned());
        Playing { trouble, ..Playing::default() }
    }
}
