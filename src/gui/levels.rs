//! Levels of sound as colours. The scale is fixed; gain and range move what is seen of it, after the
//! fact, so that nothing is computed anew and no sound is stretched to look louder than another.

use super::texts::tr;
use crate::engine::SpectrumAxis;
use eframe::egui::{Color32, ColorImage};

/// The brightest colour stands for this density of power (dB/Hz) at a gain of 0, the darkest for so much
/// less: a loud tone and a quiet room.
const TOP_DB: f32 = -40.0;
const RANGE_DB: f32 = 75.0;
const GAIN_STEP_DB: f32 = 3.0;
const RANGE_STEP_DB: f32 = 5.0;
const STEPS: i8 = 10;

/// From silence to loud: blue over grey to yellow, each step lighter than the one before, so that it
/// reads without colour too, and for all three kinds of colour blindness (tested).
const COLORS: [[u8; 3]; 8] = [
    [4, 6, 14],
    [12, 28, 66],
    [28, 52, 104],
    [72, 82, 116],
    [116, 116, 120],
    [164, 152, 104],
    [216, 192, 84],
    [255, 244, 176],
];

/// Steps from the plain picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelLook {
    pub gain: i8,
    /// More is a smaller range: more contrast.
    pub contrast: i8,
}

impl LevelLook {
    pub fn step(value: &mut i8, by: i8) {
        *value = (*value + by).clamp(-STEPS, STEPS);
    }

    pub fn gain_db(self) -> f32 {
        GAIN_STEP_DB * f32::from(self.gain)
    }

    pub fn range_db(self) -> f32 {
        RANGE_DB - RANGE_STEP_DB * f32::from(self.contrast)
    }

    pub fn text(self) -> String {
        format!("{} {:+.0} dB · {} {:.0} dB", tr("Gain"), self.gain_db(), tr("range"), self.range_db())
    }

    fn table(self) -> [Color32; 256] {
        let [floor, ceiling] = SpectrumAxis::DB;
        std::array::from_fn(|pixel| {
            let db = floor + (ceiling - floor) * pixel as f32 / 255.0;
            color((db + self.gain_db() - (TOP_DB - self.range_db())) / self.range_db())
        })
    }

    /// Pixels of a spectrogram under this look.
    pub fn image(self, pixels: &[u8], size: [usize; 2]) -> ColorImage {
        let table = self.table();
        ColorImage::new(size, pixels.iter().map(|&pixel| table[usize::from(pixel)]).collect())
    }
}

fn color(share: f32) -> Color32 {
    let along = share.clamp(0.0, 1.0) * (COLORS.len() - 1) as f32;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of the table")]
    let at = (along as usize).min(COLORS.len() - 2);
    let part = along - at as f32;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
    let mix = |c: usize| {
        let (a, b) = (f32::from(COLORS[at][c]), f32::from(COLORS[at + 1][c]));
        (a + (b - a) * part).round() as u8
    };
    Color32::from_rgb(mix(0), mix(1), mix(2))
}

#[cfg(test)]
mod tests {
    use super::super::theme::{luminance, seen_with};
    use super::*;

    #[test]
    fn louder_is_lighter_for_every_eye() {
        let colors: Vec<Color32> = (0..=32).map(|i| color(i as f32 / 32.0)).collect();
        for kind in super::super::theme::COLOR_BLIND {
            let seen: Vec<f64> = colors
                .iter()
                .map(|color| {
                    let [r, g, b] = seen_with(kind, *color).map(|v| v.powf(2.2));
                    0.2126 * r + 0.7152 * g + 0.0722 * b
                })
                .collect();
            assert!(seen.windows(2).all(|pair| pair[1] > pair[0]), "{seen:?}");
        }
        assert!(colors.windows(2).all(|pair| luminance(pair[1]) > luminance(pair[0])));
    }

    #[test]
    fn gain_and_range_move_what_is_seen_and_nothing_else() {
        let plain = LevelLook::default();
        let louder = LevelLook { gain: 4, ..plain };
        let harder = LevelLook { contrast: 4, ..plain };
        let light = |look: LevelLook, pixel: usize| luminance(look.table()[pixel]);
        assert!(light(louder, 120) > light(plain, 120));
        assert!(light(harder, 90) < light(plain, 90));
        assert_eq!(plain.table()[0], color(0.0));
        assert_eq!(plain.table()[255], color(1.0));
        assert_eq!(louder.text(), "Gain +12 dB · range 75 dB");
    }
}
