//! Which faults a motor has, and how strong they are.
//!
//! The severity of a fault, from 0 for hardly audible to 1 for obvious, is how far it stands
//! above the motor's own sound in the fault's band. One that cannot be heard in its clip, because
//! the hall is loud, is made more severe until it can be; where even 1 does not suffice, the clip
//! is a good one as far as anybody could tell.

use super::friction;
use super::impacts;
use super::motor::{Motor, rms_within};
use super::run::Run;
use super::signal::{Wave, from_db, rms, scale};
use crate::ingest::simulator::curve::mix;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Classes of the simulated line besides good.
pub const FAULT_CLASSES: [&str; 4] = ["bearing", "rub", "rattle", "imbalance"];
/// The class that only a drift brings.
pub const NEW_FAULT_CLASS: &str = "squeal";

const CLASS_SHARES: [f32; 4] = [0.34, 0.22, 0.22, 0.22];
/// Share of faulty motors with a second fault of another kind.
const SECOND_FAULT_SHARE: f64 = 0.08;

/// One fault's own sound, as strong as the motor's in its band.
pub(super) struct Fault {
    pub class: &'static str,
    pub severity: f32,
    pub sound: Vec<f32>,
    range_db: [f32; 2],
}

impl Fault {
    /// Whether it is about the shaft's own frequency, and needs long windows to be seen.
    pub(super) fn is_low(&self) -> bool {
        self.class == "imbalance"
    }

    /// The factor on the sound for this severity.
    pub(super) fn factor(&self) -> f32 {
        from_db(mix(self.range_db[0], self.range_db[1], self.severity))
    }

    fn render(class: &'static str, motor: &Motor, run: &Run, healthy: &[f32], rng: &mut ChaCha8Rng) -> Self {
        let severity = rng.random_range(0.0..1.0);
        let (mut sound, band_hz, range_db) = match class {
            "bearing" => (impacts::bearing(motor, run, rng), [1800.0, 7000.0], [-5.0, 16.0]),
            "rattle" => (impacts::rattle(run, rng), [800.0, 4000.0], [-7.0, 14.0]),
            "rub" => (friction::rub(run, rng), [1500.0, 5000.0], [-6.0, 13.0]),
            "imbalance" => (imbalance(run, rng), [12.0, 130.0], [1.0, 19.0]),
            _ => (friction::squeal(run, rng), [2000.0, 6000.0], [-5.0, 16.0]),
        };
        let loudest = loudest_rms(&sound);
        if loudest > 0.0 {
            scale(&mut sound, rms_within(healthy, band_hz) / loudest);
        }
        Self { class, severity, sound, range_db }
    }
}

/// The faults of one motor, the main one first.
pub(super) fn render_faults(
    motor: &Motor,
    run: &Run,
    healthy: &[f32],
    new_share: f64,
    rng: &mut ChaCha8Rng,
) -> Vec<Fault> {
    let drawn = draw_class(rng);
    let main = if rng.random::<f64>() < new_share { NEW_FAULT_CLASS } else { drawn };
    let second = draw_class(rng);
    let has_second = rng.random_bool(SECOND_FAULT_SHARE) && second != main;
    let classes = std::iter::once(main).chain(has_second.then_some(second));
    classes.map(|class| Fault::render(class, motor, run, healthy, rng)).collect()
}

fn draw_class(rng: &mut ChaCha8Rng) -> &'static str {
    let mut left = rng.random::<f32>();
    for (class, share) in FAULT_CLASSES.into_iter().zip(CLASS_SHARES) {
        if left < share {
            return class;
        }
        left -= share;
    }
    FAULT_CLASSES[0]
}

/// Of the loudest tenth of a second and those that come near: a fault of one short stretch must
/// not become louder there than one that is always heard.
fn loudest_rms(sound: &[f32]) -> f32 {
    const PART: usize = 1600;
    let mut parts: Vec<f32> = sound.chunks(PART).map(rms).collect();
    parts.sort_by(|a, b| b.total_cmp(a));
    let kept: Vec<f32> = parts.iter().copied().take_while(|&part| part > 0.3 * parts[0]).collect();
    rms(&kept)
}

/// A rotor out of balance pulls once per revolution, with the square of the speed; a little of it
/// comes twice and three times, since nothing is quite linear.
fn imbalance(run: &Run, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let second = rng.random_range(0.15..0.45);
    let third = rng.random_range(0.03..0.15);
    let pull = Wave::of_partials(rng, &[(1, 1.0), (2, second), (3, third)]);
    run.turns.iter().zip(&run.speed).map(|(&turns, speed)| speed * speed * pull.at(turns)).collect()
}
