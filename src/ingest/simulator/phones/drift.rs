//! What the plan's script of changes has arrived at for one unit.

use crate::domain::{DriftKind, SimulatorSettings};

pub(super) struct Drifted {
    /// 1 is the light of the shipped model.
    pub light: f32,
    /// Share of the one lamp's light that is gone.
    pub lamp_failure: f32,
    pub dirty_lens: f32,
    /// Share of phones in a colour never seen before.
    pub new_color_share: f64,
    /// Share of defective units with a kind of defect never seen before.
    pub new_defect_share: f64,
    /// How far the phone lies beside its place, as a share of the picture's width.
    pub beside: f32,
}

impl Drifted {
    pub(super) fn at(settings: &SimulatorSettings, unit: u64) -> Self {
        let level = |kind| settings.drift_at(kind, unit);
        #[expect(clippy::cast_possible_truncation, reason = "factors near 1")]
        let factor = |kind| level(kind) as f32;
        Self {
            light: factor(DriftKind::Light),
            lamp_failure: factor(DriftKind::LampFailure),
            dirty_lens: factor(DriftKind::DirtyLens),
            new_color_share: level(DriftKind::NewColour),
            new_defect_share: level(DriftKind::NewDefect),
            beside: factor(DriftKind::CameraMoved),
        }
    }
}
