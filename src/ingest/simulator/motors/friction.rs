//! Faults made of friction: the rotor rubs at something once per revolution, or squeals.
//!
//! A rub is noise of a band while the high spot passes (A. Muszynska, "Rotordynamics"); a squeal is
//! stick-slip, an almost pure tone with overtones that comes and goes.

use super::run::Run;
use super::signal::{RATE, Stretches, Wave, band_noise, normal, secs, wander};
use crate::ingest::simulator::curve::{log_range, smooth, whole};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::f32::consts::TAU;

pub(super) fn rub(run: &Run, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let is_steady = rng.random_bool(0.15);
    let stretches = Stretches::draw(rng, 3, 0.25..1.0);
    let place = rng.random_range(0.0..1.0);
    // Where the cosine of the angle is above this the surfaces touch: a sixth to a third of a turn.
    let touch = rng.random_range(0.3..0.85);
    let per_turn: Vec<f32> = (0..128).map(|_| (1.0 + 0.3 * normal(rng)).max(0.1)).collect();
    let band_hz = [log_range(rng, 1500.0, 2300.0), log_range(rng, 3300.0, 5000.0)];
    let mut noise = band_noise(rng, band_hz);
    for (i, value) in noise.iter_mut().enumerate() {
        let turns = run.turns[i] - place;
        let contact = smooth(touch, 1.0, (TAU * turns).cos());
        let strength = per_turn[whole(turns.max(0.0)) % per_turn.len()];
        let level = if is_steady { 1.0 } else { stretches.level(secs(i)) };
        *value *= contact * strength * level * run.speed[i];
    }
    noise
}

pub(super) fn squeal(run: &Run, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let stretches = Stretches::draw(rng, 2, 0.3..1.2);
    let second = rng.random_range(0.1..0.4);
    let tone = Wave::of_partials(rng, &[(1, 1.0), (2, second)]);
    let hz = log_range(rng, 2300.0, 3700.0);
    let depth = rng.random_range(0.1..0.6);
    let (sway, flutter) = (wander(rng, 0.12), wander(rng, 0.03));
    let mut periods = 0.0;
    let value_at = |i: usize| {
        periods += hz / RATE * (1.0 + 0.02 * sway(i)) * run.speed[i].powf(0.3);
        periods -= f32::floor(periods);
        let level = stretches.level(secs(i)) * (1.0 + 0.3 * flutter(i)).max(0.0);
        level * tone.at(periods) * (1.0 - depth * (0.5 - 0.5 * (TAU * run.turns[i]).cos()))
    };
    (0..run.turns.len()).map(value_at).collect()
}
