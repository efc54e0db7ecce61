//! How a motor runs during one clip: speed and load along it.

use super::signal::{COUNT, RATE, secs, wander};
use crate::ingest::simulator::curve::{mix, smooth};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub(super) struct Run {
    /// 1 at the motor's own speed.
    pub speed: Vec<f32>,
    /// 0 idle, 1 full.
    pub load: Vec<f32>,
    /// Revolutions of the shaft.
    pub turns: Vec<f32>,
}

/// A change from one value to another during the clip.
struct Ramp {
    from: f32,
    to: f32,
    start_secs: f32,
    end_secs: f32,
}

impl Ramp {
    fn draw(rng: &mut ChaCha8Rng, from: f32, to: f32, lengths: std::ops::Range<f32>) -> Self {
        let length = rng.random_range(lengths);
        let start_secs = rng.random_range(0.15..1.85 - length);
        Self { from, to, start_secs, end_secs: start_secs + length }
    }

    fn steady(value: f32) -> Self {
        Self { from: value, to: value, start_secs: 0.0, end_secs: 1.0 }
    }

    fn at(&self, secs: f32) -> f32 {
        mix(self.from, self.to, smooth(self.start_secs, self.end_secs, secs))
    }
}

/// Under load an asynchronous motor falls behind by so much.
const SLIP: f32 = 0.035;

impl Run {
    pub(super) fn draw(rng: &mut ChaCha8Rng, shaft_hz: f32) -> Self {
        let (mut speed, mut load) = (Ramp::steady(1.0), Ramp::steady(rng.random_range(0.15..1.0)));
        let [light, heavy] = [rng.random_range(0.1..0.35), rng.random_range(0.65..1.0)];
        match rng.random_range(0..100) {
            0..=54 => {}
            55..=71 => load = Ramp::draw(rng, light, heavy, 0.05..0.6),
            72..=81 => load = Ramp::draw(rng, heavy, light, 0.05..0.5),
            82..=92 => {
                let low = rng.random_range(0.55..0.85);
                speed = Ramp::draw(rng, low, 1.0, 0.4..1.5);
            }
            _ => {
                let low = rng.random_range(0.6..0.85);
                speed = Ramp::draw(rng, 1.0, low, 0.4..1.5);
            }
        }
        let (sway, breath) = (rng.random_range(0.001..0.008), rng.random_range(0.01..0.06));
        let (sway_at, breath_at) = (wander(rng, 0.35), wander(rng, 0.25));
        let load: Vec<f32> =
            (0..COUNT).map(|i| (load.at(secs(i)) + breath * breath_at(i)).clamp(0.0, 1.1)).collect();
        let speed: Vec<f32> = (0..COUNT)
            .map(|i| speed.at(secs(i)) * (1.0 - SLIP * load[i]) * (1.0 + sway * sway_at(i)))
            .collect();
        let turns = integrate(&speed, shaft_hz, rng.random_range(0.0..1.0));
        Self { speed, load, turns }
    }

    /// Whether there is a stretch under load and one without.
    pub(super) fn changes_load(&self) -> bool {
        let (low, high) =
            self.load.iter().fold((f32::MAX, f32::MIN), |(low, high), &load| (low.min(load), high.max(load)));
        high - low > 0.3
    }
}

fn integrate(speed: &[f32], shaft_hz: f32, start: f64) -> Vec<f32> {
    let mut sum = start;
    let step = |&speed: &f32| {
        sum += f64::from(speed * shaft_hz / RATE);
        #[expect(clippy::cast_possible_truncation, reason = "at most a hundred revolutions")]
        let turns = sum as f32;
        turns
    };
    speed.iter().map(step).collect()
}
