//! What the sounds are made of: noise, waves in a table, filters, envelopes and levels.
//!
//! Signals are plain samples at [`RATE_HZ`]; a whole one has [`COUNT`] of them. Filters are the
//! second-order sections of R. Bristow-Johnson's audio EQ cookbook.

use crate::ingest::simulator::curve::{mix, smooth, whole};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::f32::consts::{PI, TAU};

/// What a microphone of a line records: all that the faults do lies below 8 kHz.
pub const RATE_HZ: u32 = 16_000;
pub(super) const RATE: f32 = RATE_HZ as f32;
/// Two seconds.
pub const CLIP_SAMPLES: usize = 32_000;
/// Rendered before the clip and cut off: by then filters and room have settled.
pub(super) const LEAD: usize = 4_000;
pub(super) const COUNT: usize = LEAD + CLIP_SAMPLES;

/// A factor on samples.
pub(super) fn from_db(level_db: f32) -> f32 {
    10.0_f32.powf(level_db / 20.0)
}

/// Seconds of the clip at a sample; negative in the lead.
pub(super) fn secs(sample: usize) -> f32 {
    (sample as f32 - LEAD as f32) / RATE
}

/// The sample at seconds of the clip.
pub(super) fn sample_at(secs: f32) -> usize {
    whole(secs * RATE + LEAD as f32)
}

/// The sum of four uniform numbers is normal enough; variance 1.
pub(super) fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let bytes = rng.random::<u64>().to_le_bytes();
    let (pairs, _) = bytes.as_chunks::<2>();
    let sum: f32 = pairs.iter().map(|&pair| f32::from(u16::from_le_bytes(pair))).sum();
    (sum / 65_536.0 - 2.0) * 3.0_f32.sqrt()
}

/// White noise of variance 1.
pub(super) fn white(rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..COUNT).map(|_| normal(rng)).collect()
}

/// A slow random course of variance 1 or less, with a new value every `every_secs`.
pub(super) fn wander(rng: &mut ChaCha8Rng, every_secs: f32) -> impl Fn(usize) -> f32 + use<> {
    let every = every_secs * RATE;
    let knots: Vec<f32> = (0..=whole(COUNT as f32 / every) + 1).map(|_| normal(rng)).collect();
    move |sample| {
        let at = sample as f32 / every;
        let knot = whole(at).min(knots.len() - 2);
        mix(knots[knot], knots[knot + 1], smooth(0.0, 1.0, at - knot as f32))
    }
}

/// Stretches with soft ends, in seconds of the clip.
pub(super) struct Stretches(Vec<[f32; 3]>);

impl Stretches {
    /// Up to `most` of them, each within the range of lengths.
    pub(super) fn draw(rng: &mut ChaCha8Rng, most: usize, lengths: std::ops::Range<f32>) -> Self {
        let count = rng.random_range(1..=most);
        let room = CLIP_SAMPLES as f32 / RATE / count as f32;
        let stretch = |i: usize| {
            let length = rng.random_range(lengths.clone()).min(0.8 * room);
            let start = i as f32 * room + rng.random_range(0.0..room - length);
            [start, start + length, rng.random_range(0.01..0.06)]
        };
        Self((0..count).map(stretch).collect())
    }

    /// 0 outside, 1 inside.
    pub(super) fn level(&self, secs: f32) -> f32 {
        let inside = |[start, end, soft]: &[f32; 3]| {
            smooth(start - soft, start + soft, secs) * smooth(end + soft, end - soft, secs)
        };
        self.0.iter().map(inside).fold(0.0, f32::max)
    }
}

/// One period of a periodic sound, to be read at any speed.
pub(super) struct Wave(Vec<f32>);

impl Wave {
    const POINTS: usize = 4096;

    /// From its partials: number of cycles in the period and amplitude; phases are drawn.
    pub(super) fn of_partials(rng: &mut ChaCha8Rng, partials: &[(usize, f32)]) -> Self {
        let mut points = vec![0.0; Self::POINTS];
        for &(cycles, amplitude) in partials {
            let phase = rng.random_range(0.0..TAU);
            let step = TAU * cycles as f32 / Self::POINTS as f32;
            for (i, point) in points.iter_mut().enumerate() {
                *point += amplitude * (step * i as f32 + phase).sin();
            }
        }
        Self(points)
    }

    /// At a number of periods; only the fraction counts.
    #[inline]
    pub(super) fn at(&self, periods: f32) -> f32 {
        let place = (periods - periods.floor()) * Self::POINTS as f32;
        let i = whole(place);
        let [a, b] = [i, i + 1].map(|i| self.0[i % Self::POINTS]);
        mix(a, b, place - i as f32)
    }
}

/// Root of the mean square.
pub(super) fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|value| value * value).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

/// Scales to this root of the mean square; silence stays.
pub(super) fn set_rms(samples: &mut [f32], level: f32) {
    let now = rms(samples);
    if now > 0.0 {
        scale(samples, level / now);
    }
}

pub(super) fn scale(samples: &mut [f32], factor: f32) {
    for value in samples {
        *value *= factor;
    }
}

pub(super) fn add(onto: &mut [f32], samples: &[f32]) {
    onto.iter_mut().zip(samples).for_each(|(sum, value)| *sum += value);
}

/// A filter of second order, in transposed direct form II.
#[derive(Clone, Copy)]
pub(super) struct Filter {
    b: [f32; 3],
    a: [f32; 2],
}

impl Filter {
    /// Passes what is near `hz` with a factor of 1 at it.
    pub(super) fn band(hz: f32, q: f32) -> Self {
        Self::section(hz, q, |_, alpha| [alpha, 0.0, -alpha])
    }

    pub(super) fn low_pass(hz: f32, q: f32) -> Self {
        Self::section(hz, q, |cos, _| [(1.0 - cos) / 2.0, 1.0 - cos, (1.0 - cos) / 2.0])
    }

    pub(super) fn high_pass(hz: f32, q: f32) -> Self {
        Self::section(hz, q, |cos, _| [f32::midpoint(1.0, cos), -(1.0 + cos), f32::midpoint(1.0, cos)])
    }

    /// A resonance that has decayed to 1/e after `ring_secs`.
    pub(super) fn ringing(hz: f32, ring_secs: f32) -> Self {
        Self::band(hz, (PI * hz * ring_secs).max(0.7))
    }

    fn section(hz: f32, q: f32, numerator: impl Fn(f32, f32) -> [f32; 3]) -> Self {
        let angle = TAU * hz.min(0.49 * RATE) / RATE;
        let (sin, cos) = angle.sin_cos();
        let alpha = sin / (2.0 * q);
        let b = numerator(cos, alpha).map(|value| value / (1.0 + alpha));
        Self { b, a: [-2.0 * cos / (1.0 + alpha), (1.0 - alpha) / (1.0 + alpha)] }
    }

    pub(super) fn run(self, samples: &mut [f32]) {
        let ([b0, b1, b2], [a1, a2]) = (self.b, self.a);
        let (mut s1, mut s2) = (0.0, 0.0);
        for value in samples {
            let (x, y) = (*value, b0 * *value + s1);
            s1 = b1 * x - a1 * y + s2;
            s2 = b2 * x - a2 * y;
            *value = y;
        }
    }

    pub(super) fn of(self, samples: &[f32]) -> Vec<f32> {
        let mut filtered = samples.to_vec();
        self.run(&mut filtered);
        filtered
    }
}

/// Noise between two frequencies, with slopes of 12 dB an octave.
pub(super) fn band_noise(rng: &mut ChaCha8Rng, [low_hz, high_hz]: [f32; 2]) -> Vec<f32> {
    let mut noise = white(rng);
    Filter::high_pass(low_hz, 0.7).run(&mut noise);
    Filter::low_pass(high_hz, 0.7).run(&mut noise);
    noise
}

/// The sum of several resonances, each with its factor.
pub(super) fn resonate(samples: &[f32], modes: &[(Filter, f32)]) -> Vec<f32> {
    let mut sum = vec![0.0; samples.len()];
    for &(filter, factor) in modes {
        let mut part = filter.of(samples);
        scale(&mut part, factor);
        add(&mut sum, &part);
    }
    sum
}

/// A knock at a fractional place, shared between its two samples.
pub(super) fn knock(samples: &mut [f32], place: f32, strength: f32) {
    let i = whole(place);
    let share = place - i as f32;
    for (i, part) in [(i, 1.0 - share), (i + 1, share)] {
        if let Some(value) = samples.get_mut(i) {
            *value += strength * part;
        }
    }
}
