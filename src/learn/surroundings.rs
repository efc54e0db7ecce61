//! Other surroundings of a sound: another microphone, what else is heard beneath it, and what drowns a
//! part of it.

use super::settings::Augmentation;
use crate::infer::{InputSpec, MID_GREY};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// How far beneath, in levels of the input: between equally loud and hardly heard.
const BENEATH: std::ops::RangeInclusive<f32> = 0.0..=60.0;
/// Powers add up: of two equal levels the sum lies a few levels higher. This is the width of the step from
/// one to the other, for pictures whose spread of some 12 dB became 42 levels.
const SOFTNESS: f32 = 15.0;
/// So much louder in levels (some 6 dB), and it is three quarters of what is heard.
const SHARE_LEVELS: f32 = 20.0;
/// Points between which a microphone's response is straight.
const BENDS: usize = 5;
/// How often there is nothing above some band, and the most that is lost there, in levels.
const DULL_SHARE: f64 = 0.25;
const DULL_LEVELS: f32 = 120.0;
/// Stretches and bands that are hidden, each.
const HIDDEN: usize = 2;

/// Lays another sound (planes of 0 to 255) beneath; gives the share of the upper one in what is heard.
pub(super) fn lay_beneath(rng: &mut ChaCha8Rng, values: &mut [f32], other: &[f32]) -> f32 {
    let lower = rng.random_range(BENEATH);
    for (own, other) in values.iter_mut().zip(other) {
        let (most, least) = (own.max(other - lower), own.min(other - lower));
        *own = most + SOFTNESS * ((least - most) / SOFTNESS).exp().ln_1p();
    }
    1.0 / (1.0 + (-lower / SHARE_LEVELS).exp())
}

/// Hears it through another microphone: a response that bends over the bands, and now and then nothing
/// above some band.
pub(super) fn colour(rng: &mut ChaCha8Rng, values: &mut [f32], spec: &InputSpec, s: &Augmentation) {
    let (width, height) = (spec.width_px as usize, spec.height_px as usize);
    let most = 255.0 * s.colour;
    let bends: [f32; BENDS] = std::array::from_fn(|_| rng.random_range(-most..=most));
    let is_dull = rng.random_bool(DULL_SHARE);
    // Rows count from the highest band.
    let (edge, loss) = (rng.random_range(0..=height / 2), rng.random_range(0.0..=DULL_LEVELS));
    for plane in values.chunks_exact_mut(spec.area()) {
        for (y, row) in plane.chunks_exact_mut(width).enumerate() {
            let along = y as f32 / height as f32 * (BENDS - 1) as f32;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "below the last bend"
            )]
            let at = (along as usize).min(BENDS - 2);
            let bent = bends[at] + (bends[at + 1] - bends[at]) * (along - at as f32);
            let lost = if is_dull && y < edge { loss } else { 0.0 };
            for v in row {
                *v += bent - lost;
            }
        }
    }
}

/// Hides stretches of time and bands (Park et al., 2019).
pub(super) fn hide(rng: &mut ChaCha8Rng, values: &mut [f32], spec: &InputSpec, s: &Augmentation) {
    let (width, height) = (spec.width_px as usize, spec.height_px as usize);
    for _ in 0..HIDDEN {
        let columns = stretch(rng, width, s.mask);
        let rows = stretch(rng, height, s.mask);
        for plane in values.chunks_exact_mut(spec.area()) {
            for (y, row) in plane.chunks_exact_mut(width).enumerate() {
                let hidden = if rows.contains(&y) { 0..width } else { columns.clone() };
                row[hidden].fill(f32::from(MID_GREY));
            }
        }
    }
}

/// Somewhere along a side, at most `share` of it long.
fn stretch(rng: &mut ChaCha8Rng, side: usize, share: f32) -> std::ops::Range<usize> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a side")]
    let most = (share.clamp(0.0, 1.0) * side as f32) as usize;
    let length = rng.random_range(0..=most);
    let from = rng.random_range(0..=side - length);
    from..from + length
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn what_lies_beneath_never_takes_anything_away() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let own: Vec<f32> = (0..200_u8).map(f32::from).collect();
        let other: Vec<f32> = own.iter().rev().copied().collect();
        let mut mixed = own.clone();
        let share = lay_beneath(&mut rng, &mut mixed, &other);
        assert!((0.5..1.0).contains(&share));
        assert!(mixed.iter().zip(&own).all(|(mixed, own)| mixed >= own && *mixed <= own + 200.0));
        assert!(mixed[199] - own[199] < 0.1, "what is far below is not heard");
    }
}
