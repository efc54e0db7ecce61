//! One motor of the product family: its shaft, its housing, its bearing, and how it sounds when
//! nothing is wrong.
//!
//! What turns with the shaft is one wave per revolution, in whole orders of it: residual unbalance
//! and misalignment at the lowest orders, tooth mesh with its sidebands, rotor slots. The mains
//! pull at twice their frequency, whatever the speed. All of it and the rumble of the bearings
//! shake the housing, whose resonances colour it; the flow of air does not go through the
//! housing, grows with the speed and is the larger part above 1 kHz. After M. P. Norton and
//! D. G. Karczub, "Fundamentals of Noise and Vibration Analysis for Engineers", and P. Vijayraghavan
//! and R. Krishnan, "Noise in electric machines: a review".

use super::run::Run;
use super::signal::{Filter, RATE, Wave, add, band_noise, from_db, resonate, rms, scale, set_rms, white};
use crate::ingest::simulator::curve::log_range;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// The resonances of the family's housing, and how much those of one unit lie beside them.
const HOUSING_HZ: [f32; 5] = [310.0, 720.0, 1350.0, 2500.0, 4300.0];
const HOUSING_SPREAD: f32 = 0.07;
/// Fields pull at twice the frequency of the mains.
const PULL_HZ: f32 = 100.0;

pub(super) struct Motor {
    pub shaft_hz: f32,
    pub bearing: Bearing,
    /// A wave over one revolution.
    unbalance: Wave,
    mesh: Option<Wave>,
    slots: Wave,
    /// A wave over one period of the pull.
    hum: Wave,
    housing: Vec<(Filter, f32)>,
    rumble_hz: [f32; 2],
    flow_hz: [f32; 2],
    flow_peak_hz: f32,
    levels: Levels,
}

/// Factors, where 1 is the loudness of a typical motor.
struct Levels {
    unbalance: f32,
    mesh: f32,
    slots: f32,
    hum: f32,
    rumble: f32,
    flow: f32,
    /// How much the pull of the mains modulates the slots.
    beat: f32,
}

/// Impacts per revolution, and what they make ring.
pub(super) struct Bearing {
    pub outer_order: f32,
    pub inner_order: f32,
    pub ring_hz: [f32; 2],
    pub ring_secs: f32,
}

impl Bearing {
    /// From the kinematics of a bearing with a standing outer ring and a contact angle of 0.
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let balls = rng.random_range(7..=10) as f32;
        let ratio = rng.random_range(0.2..0.3);
        let ring = log_range(rng, 2200.0, 4600.0);
        Self {
            outer_order: balls / 2.0 * (1.0 - ratio),
            inner_order: balls / 2.0 * (1.0 + ratio),
            ring_hz: [ring, ring * rng.random_range(1.25..1.6)],
            ring_secs: log_range(rng, 0.0008, 0.003),
        }
    }
}

impl Motor {
    pub(super) fn draw(rng: &mut ChaCha8Rng) -> Self {
        let shaft_hz = log_range(rng, 15.0, 50.0);
        let orders: Vec<(usize, f32)> =
            (1..=14).map(|k| (k, from_db(rng.random_range(-7.0..4.0)) / k as f32)).collect();
        let slots = rng.random_range(22..=40);
        let has_gear = rng.random_bool(0.4);
        let flow_low = log_range(rng, 90.0, 220.0);
        Self {
            shaft_hz,
            bearing: Bearing::draw(rng),
            unbalance: Wave::of_partials(rng, &orders),
            mesh: has_gear.then(|| mesh(rng)),
            slots: Wave::of_partials(rng, &[(slots, 1.0), (2 * slots, 0.3)]),
            hum: Wave::of_partials(rng, &[(1, 1.0), (2, 0.45), (3, 0.25), (4, 0.1), (6, 0.08)]),
            housing: housing(rng),
            rumble_hz: [log_range(rng, 350.0, 800.0), log_range(rng, 1000.0, 2600.0)],
            flow_hz: [flow_low, log_range(rng, 900.0, 1900.0)],
            flow_peak_hz: log_range(rng, 250.0, 900.0),
            levels: Levels::draw(rng),
        }
    }

    /// The motor without any fault, before room and microphone.
    pub(super) fn render(&self, run: &Run, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let levels = &self.levels;
        let mut shaking = self.rumble(run, rng);
        for (i, value) in shaking.iter_mut().enumerate() {
            let (turns, speed, load) = (run.turns[i], run.speed[i], run.load[i]);
            let pull = i as f32 * PULL_HZ / RATE;
            let hum = self.hum.at(pull);
            let mesh = self.mesh.as_ref().map_or(0.0, |mesh| mesh.at(turns) * (0.35 + 0.65 * load));
            *value += levels.unbalance * speed * speed * self.unbalance.at(turns)
                + levels.mesh * mesh
                + levels.slots * (0.3 + 0.7 * load) * (1.0 + levels.beat * hum) * self.slots.at(turns)
                + levels.hum * (0.6 + 0.4 * load) * hum;
        }
        let mut sound = resonate(&shaking, &self.housing);
        scale(&mut shaking, 0.5);
        add(&mut sound, &shaking);
        add(&mut sound, &self.flow(run, rng));
        sound
    }

    /// Rolling and magnetic noise of the structure; it grows with the load.
    fn rumble(&self, run: &Run, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut noise = white(rng);
        for hz in self.rumble_hz {
            Filter::low_pass(hz, 0.5).run(&mut noise);
        }
        set_rms(&mut noise, self.levels.rumble);
        noise
            .iter_mut()
            .zip(&run.load)
            .zip(&run.speed)
            .for_each(|((value, load), speed)| *value *= speed * (0.5 + 0.7 * load));
        noise
    }

    fn flow(&self, run: &Run, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut noise = band_noise(rng, self.flow_hz);
        let hump = Filter::band(self.flow_peak_hz, 1.2).of(&noise);
        add(&mut noise, &hump);
        set_rms(&mut noise, self.levels.flow);
        noise.iter_mut().zip(&run.speed).for_each(|(value, speed)| *value *= speed.powf(2.5));
        noise
    }
}

/// Tooth mesh: its order and the second, each with sidebands of one revolution.
fn mesh(rng: &mut ChaCha8Rng) -> Wave {
    let teeth = rng.random_range(13..=31);
    let side = rng.random_range(0.1..0.35);
    let second = rng.random_range(0.15..0.5);
    let around =
        |order: usize, level: f32| [(order - 1, level * side), (order, level), (order + 1, level * side)];
    let partials: Vec<(usize, f32)> =
        around(teeth, 1.0).into_iter().chain(around(2 * teeth, second)).collect();
    Wave::of_partials(rng, &partials)
}

fn housing(rng: &mut ChaCha8Rng) -> Vec<(Filter, f32)> {
    let mode = |hz: f32| {
        let hz = hz * (1.0 + rng.random_range(-HOUSING_SPREAD..HOUSING_SPREAD));
        (Filter::band(hz, rng.random_range(5.0..14.0)), from_db(rng.random_range(-1.0..7.0)))
    };
    HOUSING_HZ.map(mode).to_vec()
}

impl Levels {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut level = |low_db: f32, high_db: f32| from_db(rng.random_range(low_db..high_db));
        Self {
            unbalance: level(-14.0, -5.0),
            mesh: level(-22.0, -8.0),
            slots: level(-28.0, -10.0),
            hum: level(-20.0, -6.0),
            rumble: level(-11.0, -4.0),
            flow: level(-13.0, -3.0),
            beat: level(-14.0, -3.0),
        }
    }
}

/// How loud a sound is within a band: what a fault there is compared with.
pub(super) fn rms_within(sound: &[f32], [low_hz, high_hz]: [f32; 2]) -> f32 {
    let mut part = Filter::high_pass(low_hz, 0.7).of(sound);
    Filter::low_pass(high_hz, 0.7).run(&mut part);
    rms(&part)
}
