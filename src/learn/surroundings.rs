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
/// Of steady noise, in levels (some 3.5 to a decibel): how far it lies beneath what is loud, namely so many
/// spreads above the mean; how much its colour bends, and how uneven its cells are.
const HISS_BELOW: std::ops::RangeInclusive<f32> = 0.0..=140.0;
const LOUD_SPREADS: f32 = 2.0;
const HISS_BENDS: f32 = 30.0;
const HISS_GRAIN: f32 = 15.0;
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
        *own = both(*own, other - lower);
    }
    1.0 / (1.0 + (-lower / SHARE_LEVELS).exp())
}

/// The level of two sounds together.
fn both(a: f32, b: f32) -> f32 {
    let (most, least) = (a.max(b), a.min(b));
    most + SOFTNESS * ((least - most) / SOFTNESS).exp().ln_1p()
}

/// Lays steady noise beneath, as of a fan or a road: its colour bends over the bands, and what was loudest
/// stands out of it by more or less. Mean and spread are as before, as a recording with such noise has them.
pub(super) fn hiss(rng: &mut ChaCha8Rng, values: &mut [f32], spec: &InputSpec) {
    let (width, height) = (spec.width_px as usize, spec.height_px as usize);
    for plane in values.chunks_exact_mut(spec.area()) {
        let before = moments(plane);
        let loud = before[0] + LOUD_SPREADS * before[1];
        let at = loud - rng.random_range(HISS_BELOW);
        let bends: [f32; BENDS] = std::array::from_fn(|_| rng.random_range(-HISS_BENDS..=HISS_BENDS));
        for (y, row) in plane.chunks_exact_mut(width).enumerate() {
            let level = at + bent(&bends, y, height);
            for v in row {
                *v = both(*v, level + rng.random_range(-HISS_GRAIN..=HISS_GRAIN));
            }
        }
        let after = moments(plane);
        let gain = before[1] / after[1].max(1.0);
        for v in plane {
            *v = before[0] + (*v - after[0]) * gain;
        }
    }
}

/// Mean and spread.
fn moments(values: &[f32]) -> [f32; 2] {
    let n = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / n;
    [mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt()]
}

/// A curve over the bands, straight between its points.
fn bent(bends: &[f32; BENDS], y: usize, height: usize) -> f32 {
    let along = y as f32 / height as f32 * (BENDS - 1) as f32;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the last bend")]
    let at = (along as usize).min(BENDS - 2);
    bends[at] + (bends[at + 1] - bends[at]) * (along - at as f32)
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
            let change = bent(&bends, y, height) - if is_dull && y < edge { loss } else { 0.0 };
            for v in row {
                *v += change;
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
    use crate::learn::data::Listening;
    use crate::learn::input::choose_hearing;
    use crate::learn::settings::TrainSettings;
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

    #[test]
    fn noise_fills_the_quiet_and_keeps_mean_and_spread() {
        let heard = Listening { secs: 0.6, whole_secs: None, rate_hz: 16_000 };
        let spec = choose_hearing(&heard, &TrainSettings::for_sounds());
        let width = spec.width_px as usize;
        // A knock in an even quiet.
        let is_knock = |at: usize| (20..24).contains(&(at % width));
        let quiet: Vec<f32> = (0..spec.area()).map(|at| if is_knock(at) { 220.0 } else { 100.0 }).collect();
        let of = |values: &[f32], wanted: bool| {
            let chosen: Vec<f32> = values
                .iter()
                .enumerate()
                .filter(|(at, _)| is_knock(*at) == wanted)
                .map(|(_, v)| *v)
                .collect();
            moments(&chosen)
        };
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut grainy = 0;
        for _ in 0..20 {
            let mut values = quiet.clone();
            hiss(&mut rng, &mut values, &spec);
            for (now, then) in moments(&values).iter().zip(moments(&quiet)) {
                assert!((now - then).abs() < 0.5, "{now} {then}");
            }
            assert!(of(&values, true)[0] > of(&values, false)[0], "the knock is still the louder part");
            grainy += usize::from(of(&values, false)[1] > 1.0);
        }
        assert!((5..20).contains(&grainy), "now and then it is not heard");
    }
}
