//! What happens to a sound between a mouth and a file, on samples: pace, rooms, telephones, noise.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::f32::consts::TAU;

/// Echoes of a room: enough to smear, few enough to be cheap.
const ECHOES: usize = 40;

/// Root of the mean square.
pub(super) fn rms(samples: &[f32]) -> f32 {
    let sum: f64 = samples.iter().map(|v| f64::from(*v).powi(2)).sum();
    #[expect(clippy::cast_possible_truncation, reason = "a level")]
    let level = (sum / samples.len().max(1) as f64).sqrt() as f32;
    level
}

/// Played so many times as fast, voice and all; straight lines between samples.
pub(super) fn played(samples: &[f32], speed: f32) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positions in a sound")]
    let sample = |i: usize| {
        let place = i as f32 * speed;
        let (at, share) = (place as usize, place.fract());
        let next = samples[(at + 1).min(samples.len() - 1)];
        samples[at.min(samples.len() - 1)] * (1.0 - share) + next * share
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positions in a sound")]
    let length = (samples.len() as f32 / speed) as usize;
    if samples.is_empty() { Vec::new() } else { (0..length).map(sample).collect() }
}

/// Noise of level 1 whose power falls with frequency by nothing (white), by it (pink), or by its square
/// (brown).
pub(super) fn noise(rng: &mut ChaCha8Rng, length: usize) -> Vec<f32> {
    let colour = rng.random_range(0..3);
    let (mut slow, mut low) = ([0.0_f32; 3], 0.0_f32);
    let mut samples: Vec<f32> = (0..length)
        .map(|_| {
            let white: f32 = rng.random_range(-1.0..1.0);
            match colour {
                0 => white,
                // Three poles an octave and a half apart fall by 3 dB an octave (Kellet).
                1 => {
                    slow[0] = 0.99765 * slow[0] + white * 0.099_046;
                    slow[1] = 0.963 * slow[1] + white * 0.296_516_4;
                    slow[2] = 0.57 * slow[2] + white * 1.052_691_3;
                    slow.iter().sum::<f32>() + white * 0.1848
                }
                _ => {
                    low = 0.98 * low + white;
                    low
                }
            }
        })
        .collect();
    let level = rms(&samples).max(f32::MIN_POSITIVE);
    for v in &mut samples {
        *v /= level;
    }
    samples
}

/// Echoes that die away within about `secs`.
pub(super) fn in_room(rng: &mut ChaCha8Rng, samples: &mut [f32], rate_hz: u32, secs: f32, share: f32) {
    let dry = samples.to_vec();
    for _ in 0..ECHOES {
        let late = rng.random_range(0.004..secs);
        // By 60 dB at its end.
        let loud = share * 10.0_f32.powf(-3.0 * late / secs) * if rng.random() { 1.0 } else { -1.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positions in a sound")]
        let behind = (late * rate_hz as f32) as usize;
        for (to, from) in samples.iter_mut().skip(behind).zip(&dry) {
            *to += loud * from;
        }
    }
}

/// Nothing much below `low_hz` and above `high_hz`, as through a telephone: second-order filters.
pub(super) fn through_band(samples: &mut [f32], rate_hz: u32, low_hz: f32, high_hz: f32) {
    for (corner, is_high_pass) in [(low_hz, true), (high_hz, false)] {
        let turn = TAU * corner / rate_hz as f32;
        let (sin, cos) = turn.sin_cos();
        let alpha = sin * std::f32::consts::FRAC_1_SQRT_2;
        let side = if is_high_pass { f32::midpoint(1.0, cos) } else { (1.0 - cos) / 2.0 };
        let middle = if is_high_pass { -2.0 * side } else { 2.0 * side };
        let scale = 1.0 / (1.0 + alpha);
        let (mut x, mut y) = ([0.0_f32; 2], [0.0_f32; 2]);
        for v in samples.iter_mut() {
            let out = scale * (side * (*v + x[1]) + middle * x[0] + 2.0 * cos * y[0] - (1.0 - alpha) * y[1]);
            (x, y) = ([*v, x[0]], [out, y[0]]);
            *v = out;
        }
    }
}
