//! Measures of a sound for input checks, its loudness, and where its silence ends.

use super::Sound;
use crate::domain::SoundStats;
use ebur128::{EbuR128, Mode};
use realfft::{RealFftPlanner, RealToComplex};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Levels are taken over so long a time: a click is one of them, a word many.
const SHORT_SECS: f64 = 0.01;
/// What digital silence measures: below every converter's noise.
const DB_MIN: f64 = -120.0;
/// Below is silence: what 16 bits still resolve, and less than any microphone's own noise.
pub const SILENCE_DB: f32 = -60.0;
/// The share of short levels that lie below the noise floor.
const FLOOR_SHARE: f64 = 0.1;
/// The highest sample of 16 bits. So many in a row are no coincidence.
const FULL_SCALE: f32 = 32_767.0 / 32_768.0;
const CLIPPED_RUN: u32 = 3;
/// Samples in a spectrum, and spectra at most: a quarter of a millisecond, wherever the sound is long.
const SPECTRUM: usize = 2_048;
const SPECTRA_MAX: usize = 24;
/// The share of (tilted) energy that lies below the bandwidth.
const BANDWIDTH_SHARE: f64 = 0.99;

/// Measures a sound; of silence all levels are the lowest there is.
#[must_use]
pub fn sound_stats(sound: &Sound) -> SoundStats {
    let mono = sound.mono();
    let (squares, peak) = sound.samples.iter().fold((0.0_f64, 0.0_f32), |(squares, peak), &sample| {
        (squares + f64::from(sample) * f64::from(sample), peak.max(sample.abs()))
    });
    let count = sound.samples.len().max(1) as f64;
    let dc = mono.iter().map(|&sample| f64::from(sample)).sum::<f64>() / mono.len().max(1) as f64;
    let mut levels = short_levels(sound);
    let silent = levels.iter().filter(|level| **level < SILENCE_DB).count();
    let silence = silent as f64 / levels.len().max(1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let at = (levels.len().saturating_sub(1) as f64 * FLOOR_SHARE).round() as usize;
    let floor =
        if levels.is_empty() { single(DB_MIN) } else { *levels.select_nth_unstable_by(at, f32::total_cmp).1 };
    SoundStats {
        level_db: single(db(squares / count)),
        peak_db: single(db(f64::from(peak) * f64::from(peak))),
        noise_floor_db: floor,
        bandwidth_hz: single(bandwidth_hz(&mono, sound.rate_hz)),
        clipping: single(100.0 * clipped(sound) as f64 / count),
        silence: single(100.0 * silence),
        dc: single(100.0 * dc),
    }
}

/// Integrated loudness in LUFS (ITU-R BS.1770-4, with both gates); `None` where nothing passes them.
pub fn loudness_lufs(sound: &Sound) -> Option<f64> {
    let mut meter = EbuR128::new(sound.channels, sound.rate_hz, Mode::I).ok()?;
    meter.add_frames_f32(&sound.samples).ok()?;
    meter.loudness_global().ok().filter(|loudness| loudness.is_finite())
}

/// The frames from the first to the last moment above a level; none where all is below.
#[must_use]
pub fn trim(sound: &Sound, floor_db: f32) -> Range<usize> {
    let levels = short_levels(sound);
    let is_loud = |level: &f32| *level >= floor_db;
    let (Some(first), Some(last)) = (levels.iter().position(is_loud), levels.iter().rposition(is_loud))
    else {
        return 0..0;
    };
    let short = short_frames(sound.rate_hz);
    // What is left over at the end belongs to the last level.
    let end = if last + 1 == levels.len() { sound.frames() } else { (last + 1) * short };
    first * short..end
}

#[expect(clippy::cast_possible_truncation, reason = "measures need no more than single precision")]
fn single(value: f64) -> f32 {
    value as f32
}

fn db(power: f64) -> f64 {
    (10.0 * power.log10()).max(DB_MIN)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are at most some hundred thousand"
)]
fn short_frames(rate_hz: u32) -> usize {
    ((f64::from(rate_hz) * SHORT_SECS).round() as usize).max(1)
}

/// The level of each short stretch, channels together, in decibels of full scale.
fn short_levels(sound: &Sound) -> Vec<f32> {
    let count = short_frames(sound.rate_hz) * sound.channels.max(1) as usize;
    let level = |stretch: &[f32]| {
        let squares: f32 = stretch.iter().map(|sample| sample * sample).sum();
        single(db(f64::from(squares) / stretch.len().max(1) as f64))
    };
    let (whole, rest) = sound.samples.split_at(sound.samples.len() / count * count);
    let mut levels: Vec<f32> = whole.chunks_exact(count).map(level).collect();
    if levels.is_empty() && !rest.is_empty() {
        levels.push(level(rest));
    }
    levels
}

/// Samples at full scale that have as many as [`CLIPPED_RUN`] of their own in a row.
fn clipped(sound: &Sound) -> u64 {
    let channels = sound.channels.max(1) as usize;
    let mut clipped = 0;
    for channel in 0..channels {
        let mut run = 0;
        for &sample in sound.samples.iter().skip(channel).step_by(channels) {
            run = if sample.abs() >= FULL_SCALE { run + 1 } else { 0 };
            clipped += match run {
                CLIPPED_RUN => u64::from(CLIPPED_RUN),
                0..CLIPPED_RUN => 0,
                _ => 1,
            };
        }
    }
    clipped
}

fn spectrum_plan() -> &'static Arc<dyn RealToComplex<f32>> {
    static PLAN: OnceLock<Arc<dyn RealToComplex<f32>>> = OnceLock::new();
    PLAN.get_or_init(|| RealFftPlanner::new().plan_fft_forward(SPECTRUM))
}

/// Below which nearly all energy lies, after a tilt of 6 dB an octave: without it the hum of a machine
/// would outweigh all treble, whose loss (a covered microphone, another codec) is to be seen.
fn bandwidth_hz(mono: &[f32], rate_hz: u32) -> f64 {
    let power = mean_spectrum(mono);
    let tilted: Vec<f64> = power.iter().enumerate().map(|(bin, power)| power * (bin * bin) as f64).collect();
    let wanted = tilted.iter().sum::<f64>() * BANDWIDTH_SHARE;
    if wanted <= 0.0 {
        return 0.0;
    }
    let mut below = 0.0;
    let bin = tilted.iter().position(|energy| {
        below += energy;
        below >= wanted
    });
    bin.unwrap_or(SPECTRUM / 2) as f64 * f64::from(rate_hz) / SPECTRUM as f64
}

fn mean_spectrum(mono: &[f32]) -> Vec<f64> {
    let plan = spectrum_plan();
    let (mut input, mut output, mut scratch) =
        (plan.make_input_vec(), plan.make_output_vec(), plan.make_scratch_vec());
    let mut power = vec![0.0; output.len()];
    let places = (mono.len() / SPECTRUM).clamp(1, SPECTRA_MAX);
    let room = mono.len().saturating_sub(SPECTRUM);
    for place in 0..places {
        let begin = room * place / (places - 1).max(1);
        let stretch = &mono[begin..mono.len().min(begin + SPECTRUM)];
        input.fill(0.0);
        for (at, (slot, sample)) in input.iter_mut().zip(stretch).enumerate() {
            let turn = std::f32::consts::TAU * (at as f32 + 0.5) / stretch.len() as f32;
            *slot = sample * (0.5 - 0.5 * turn.cos());
        }
        if plan.process_with_scratch(&mut input, &mut output, &mut scratch).is_ok() {
            for (sum, bin) in power.iter_mut().zip(&output) {
                *sum += f64::from(bin.norm_sqr());
            }
        }
    }
    power
}

#[cfg(test)]
#[path = "measure_tests.rs"]
mod tests;
