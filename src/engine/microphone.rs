//! A microphone at the line. The device's callback only copies into blocks that go round; a thread cuts
//! clips out of what comes and lets them appear in the watched folder, where they are arrivals like any
//! other. A model that is slow holds nothing up: clips wait in the folder.
//!
//! No device, and one that was unplugged, are normal states: it is said, and looked for again.

#[cfg(feature = "audio")]
mod device;
mod recorder;
mod thread;

pub(super) use thread::run_microphone;

/// What is heard now, for front ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hearing {
    /// The device that is listened to.
    pub device: Option<String>,
    /// Why nothing is heard.
    pub trouble: Option<String>,
    /// Highest sample of the last moment; full scale is 1.
    pub peak: f32,
    /// Whether a clip is open.
    pub is_open: bool,
    /// How sure it is that somebody speaks, or decibels above the noise.
    pub score: Option<f32>,
    /// Clips that are in the folder, and clips that could not be written yet.
    pub clips: u64,
    pub unwritten: usize,
    /// Since the station began: heard, and missing since nobody fetched it in time.
    pub heard_secs: f64,
    pub lost_secs: f64,
}

/// A microphone of this machine.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Microphone {
    /// For the plan.
    pub device: String,
    /// For people.
    pub name: String,
    pub is_default: bool,
}

/// What could be listened to; asks the devices, which may take seconds.
#[cfg(feature = "audio")]
pub fn microphones() -> Result<Vec<Microphone>, super::EngineError> {
    device::microphones().map_err(super::EngineError::Failed)
}

#[cfg(not(feature = "audio"))]
pub fn microphones() -> Result<Vec<Microphone>, super::EngineError> {
    Err(super::EngineError::Failed(NO_AUDIO.to_owned()))
}

#[cfg(not(feature = "audio"))]
const NO_AUDIO: &str = "This build has no sound (feature audio)";

/// What a device delivers, in the order in which it was heard.
struct Caught {
    /// Frames that are missing before these.
    lost: u64,
    /// Interleaved.
    samples: Vec<f32>,
}

/// Stands in where the build has no sound.
#[cfg(not(feature = "audio"))]
mod device {
    use super::{Caught, NO_AUDIO};

    pub struct Capture {
        pub name: String,
        pub rate_hz: u32,
        pub channels: u32,
    }

    impl Capture {
        pub fn open(_device: Option<&str>) -> Result<Self, String> {
            Err(NO_AUDIO.to_owned())
        }

        pub fn next(&self) -> Option<Caught> {
            None
        }

        pub fn give_back(&self, _caught: Caught) {}

        pub fn overruns(&self) -> u64 {
            0
        }

        pub fn gone(&self) -> Option<String> {
            None
        }
    }
}
