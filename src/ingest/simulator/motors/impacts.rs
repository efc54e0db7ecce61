//! Faults made of knocks: a damaged bearing and something loose.
//!
//! The bearing follows P. D. McFadden and J. D. Smith (1984) and R. B. Randall and J. Antoni,
//! "Rolling element bearing diagnostics: a tutorial" (2011): each ball that rolls over the damage
//! is a knock, whose intervals wander by a per cent or two because balls slip; damage on the inner
//! ring passes through the load zone once per revolution; each knock makes a structure ring.

use super::motor::Motor;
use super::run::Run;
use super::signal::{COUNT, Filter, Stretches, from_db, knock, normal, resonate, sample_at};
use crate::ingest::simulator::curve::{log_range, smooth};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::f32::consts::TAU;

/// Damage that sounds only under load begins about here.
const LOADED: [f32; 2] = [0.35, 0.6];

pub(super) fn bearing(motor: &Motor, run: &Run, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let is_inner = rng.random_bool(0.45);
    let order = if is_inner { motor.bearing.inner_order } else { motor.bearing.outer_order };
    let order = order * (1.0 - rng.random_range(0.0..0.02));
    let jitter = rng.random_range(0.005..0.02);
    let only_loaded = run.changes_load() && rng.random_bool(0.6);
    let depth = rng.random_range(0.6..1.0);
    let mut knocks = vec![0.0; COUNT];
    let mut next = order * run.turns[0] + rng.random_range(0.0..1.0);
    for i in 0..COUNT {
        if order * run.turns[i] < next {
            continue;
        }
        next += 1.0 + jitter * normal(rng);
        let zone = 1.0 - depth * (0.5 - 0.5 * (TAU * run.turns[i]).cos());
        let loaded =
            if only_loaded { smooth(LOADED[0], LOADED[1], run.load[i]) } else { 0.7 + 0.3 * run.load[i] };
        let strength = run.speed[i] * loaded * (1.0 + 0.18 * normal(rng)) * if is_inner { zone } else { 1.0 };
        knock(&mut knocks, i as f32 + rng.random_range(0.0..1.0), strength);
    }
    let [first, second] = motor.bearing.ring_hz.map(|hz| Filter::ringing(hz, motor.bearing.ring_secs));
    resonate(&knocks, &[(first, 1.0), (second, rng.random_range(0.2..0.9))])
}

/// Clusters of knocks of any strength at any time, in one or several stretches.
pub(super) fn rattle(run: &Run, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let stretches = Stretches::draw(rng, 3, 0.2..0.8);
    let (pause, gap) = (log_range(rng, 0.03, 0.09), log_range(rng, 0.005, 0.016));
    let mut knocks = vec![0.0; COUNT];
    let mut time = -0.2;
    while time < 2.0 {
        let level = stretches.level(time);
        for _ in 0..rng.random_range(2..=6) {
            let strength = from_db(5.0 * normal(rng)) * if rng.random() { 1.0 } else { -1.0 };
            let sample = sample_at(time);
            let speed = run.speed.get(sample).copied().unwrap_or(1.0);
            knock(&mut knocks, sample as f32, level * speed * strength);
            time += waiting(rng, gap);
        }
        time += waiting(rng, pause);
    }
    let mode = |hz: f32| {
        let hz = hz * rng.random_range(0.85..1.15);
        (Filter::ringing(hz, log_range(rng, 0.001, 0.0035)), rng.random_range(0.5..1.0))
    };
    let modes = [950.0, 1500.0, 2300.0, 3500.0].map(mode);
    resonate(&knocks, &modes)
}

/// A waiting time without memory.
fn waiting(rng: &mut ChaCha8Rng, mean_secs: f32) -> f32 {
    -mean_secs * (1.0 - rng.random::<f32>()).ln()
}
