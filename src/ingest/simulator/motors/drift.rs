//! What the plan's script of changes has arrived at for one motor.

use crate::domain::{DriftKind, SimulatorSettings};

pub(super) struct Drifted {
    /// A factor on all that is not the motor.
    pub background: f32,
    /// A factor on all that is heard.
    pub microphone_gain: f32,
    /// 1 is a covered microphone.
    pub muffled: f32,
    /// Share of faulty motors with a kind of fault never heard before.
    pub new_fault_share: f64,
}

impl Drifted {
    pub(super) fn at(settings: &SimulatorSettings, unit: u64) -> Self {
        let level = |kind| settings.drift_at(kind, unit);
        #[expect(clippy::cast_possible_truncation, reason = "factors near 1")]
        let factor = |kind| level(kind) as f32;
        Self {
            background: factor(DriftKind::Background),
            microphone_gain: factor(DriftKind::MicrophoneGain),
            muffled: factor(DriftKind::Muffled),
            new_fault_share: level(DriftKind::NewDefect),
        }
    }
}
