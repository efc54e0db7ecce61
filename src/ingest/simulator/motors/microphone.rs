//! From the hall to the samples: distance, the room's reverberation, and the microphone.
//!
//! Everything but its own noise is linear, so that parts rendered apart add up to the whole. The
//! room is that of M. R. Schroeder, "Natural sounding artificial reverberation" (1962), with the
//! losses of high tones of J. A. Moorer, "About this reverberation business" (1979), and short:
//! a booth or a bay of a hall.

use super::drift::Drifted;
use super::signal::{COUNT, Filter, LEAD, RATE, add, from_db, scale, white};
use crate::ingest::simulator::curve::{log_range, mix, whole};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A typical motor's part of full scale.
const MOTOR_DB: f32 = -27.0;
/// The microphone's own noise below full scale.
const NOISE_DB: f32 = -72.0;
/// What a covered microphone still hears, and how much of it.
const MUFFLED_HZ: f32 = 450.0;
const MUFFLED_DB: f32 = -10.0;
const OPEN_HZ: f32 = 7600.0;

const COMB_SECS: [f32; 4] = [0.0297, 0.0371, 0.0411, 0.0437];
const SPREAD_SECS: [f32; 2] = [0.005, 0.0017];

pub(super) struct Microphone {
    gain: f32,
    filters: [Filter; 3],
    wet: f32,
    size: f32,
    reverberation_secs: f32,
    noise: f32,
}

impl Microphone {
    pub(super) fn draw(rng: &mut ChaCha8Rng, drifted: &Drifted) -> Self {
        let distance = rng.random_range(0.0..1.0);
        let gain_db = MOTOR_DB + rng.random_range(-5.0..5.0) + MUFFLED_DB * drifted.muffled;
        let open_hz = mix(OPEN_HZ.ln(), MUFFLED_HZ.ln(), drifted.muffled).exp();
        Self {
            gain: from_db(gain_db) * drifted.microphone_gain,
            filters: [
                Filter::high_pass(log_range(rng, 8.0, 18.0), 0.7),
                Filter::low_pass(log_range(rng, 5200.0, 7800.0) - 1800.0 * distance, 0.55),
                Filter::low_pass(open_hz, 0.6),
            ],
            wet: from_db(mix(-20.0, -8.0, distance)),
            size: rng.random_range(0.35..1.0),
            reverberation_secs: log_range(rng, 0.12, 0.45),
            noise: from_db(NOISE_DB),
        }
    }

    /// What the microphone hears of one part, without the lead.
    pub(super) fn hear(&self, sound: &[f32]) -> Vec<f32> {
        let mut heard = self.room(sound);
        add(&mut heard, sound);
        scale(&mut heard, self.gain);
        self.filters.iter().for_each(|filter| filter.run(&mut heard));
        heard.split_off(LEAD)
    }

    pub(super) fn add_noise(&self, heard: &mut [f32], rng: &mut ChaCha8Rng) {
        let mut noise = white(rng);
        scale(&mut noise, self.noise);
        add(heard, &noise);
    }

    fn room(&self, sound: &[f32]) -> Vec<f32> {
        let mut wet = vec![0.0; COUNT];
        for secs in COMB_SECS.map(|secs| secs * self.size) {
            // After the reverberation time a sound is 60 dB weaker.
            comb(sound, &mut wet, secs, from_db(-60.0 * secs / self.reverberation_secs));
        }
        for secs in SPREAD_SECS {
            spread(&mut wet, secs * self.size);
        }
        scale(&mut wet, self.wet);
        wet
    }
}

/// Adds the echoes of a sound, each later, weaker and duller.
fn comb(sound: &[f32], onto: &mut [f32], delay_secs: f32, keeps: f32) {
    let mut line = vec![0.0; whole(delay_secs * RATE).max(1)];
    let (mut at, mut dull) = (0, 0.0);
    for (value, sum) in sound.iter().zip(onto) {
        let echo: f32 = line[at];
        dull = mix(echo, dull, 0.25);
        line[at] = value + keeps * dull;
        *sum += echo;
        at = (at + 1) % line.len();
    }
}

/// Spreads echoes in time without changing their colour.
fn spread(sound: &mut [f32], delay_secs: f32) {
    const KEEPS: f32 = 0.7;
    let mut line = vec![0.0; whole(delay_secs * RATE).max(1)];
    let mut at = 0;
    for value in sound {
        let past: f32 = line[at];
        let now = *value + KEEPS * past;
        *value = past - KEEPS * now;
        line[at] = now;
        at = (at + 1) % line.len();
    }
}
