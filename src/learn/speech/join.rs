//! Takes one after the other, with pauses between.

use super::RATE_HZ;
use super::sound::rms;

/// Joined takes: samples, and how loud the takes themselves are.
pub(super) struct Joined {
    pub samples: Vec<f32>,
    /// Root of the mean square of the takes, pauses not counted.
    pub level: f32,
}

/// So many samples.
pub(super) fn samples_of(secs: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length")]
    let samples = (secs.max(0.0) * f64::from(RATE_HZ)).round() as usize;
    samples
}

/// Puts takes behind each other: `pauses` has the seconds before each and behind the last. A negative pause
/// lets the take begin before the last one has ended.
pub(super) fn join(takes: &[Vec<f32>], pauses: &[f64]) -> Joined {
    let mut samples: Vec<f32> = Vec::new();
    for (take, pause) in takes.iter().zip(pauses) {
        let overlap = samples_of(-pause).min(samples.len());
        let from = samples.len() + samples_of(*pause) - overlap;
        samples.resize(samples.len().max(from + take.len()), 0.0);
        samples[from..].iter_mut().zip(take).for_each(|(to, v)| *to += v);
    }
    if let Some(pause) = pauses.get(takes.len()) {
        samples.resize(samples.len() + samples_of(*pause), 0.0);
    }
    let levels: f32 = takes.iter().map(|take| rms(take).powi(2) * take.len() as f32).sum();
    let said: usize = takes.iter().map(Vec::len).sum();
    Joined { samples, level: (levels / said.max(1) as f32).sqrt() }
}

/// Adds noise of level 1 so many dB beneath what is said.
pub(super) fn add_noise(joined: &mut Joined, noise: &[f32], snr_db: f32) {
    let level = joined.level * 10.0_f32.powf(-snr_db / 20.0);
    joined.samples.iter_mut().zip(noise).for_each(|(v, noise)| *v += level * noise);
}
