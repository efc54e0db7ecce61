//! What else there is to hear in the hall: harmless all of it, and some of it like a fault.
//!
//! A bearing that runs dry hisses in the band of a damaged one, without its knocks; an air gun
//! covers the band of a rub; a dropped tool and a relay sound like something loose, but once and in step.

use super::motor::Motor;
use super::run::Run;
use super::signal::{
    COUNT, Filter, RATE, Stretches, Wave, add, band_noise, from_db, knock, normal, resonate, sample_at,
    scale, secs, set_rms, wander, white,
};
use crate::ingest::simulator::curve::{log_range, smooth};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

type Source = fn(&mut ChaCha8Rng) -> Vec<f32>;

/// All of it, before room and microphone, where 1 is the loudness of a typical motor. `loudness`
/// is a factor on what is not of the motor itself.
pub(super) fn render(motor: &Motor, run: &Run, loudness: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut sound = hall(rng);
    let sources: [(f64, Source); 6] =
        [(0.35, other_machine), (0.3, fan), (0.14, air), (0.12, tool), (0.14, voices), (0.15, ticks)];
    for (share, source) in sources {
        if rng.random_bool(share) {
            add(&mut sound, &source(rng));
        }
    }
    scale(&mut sound, loudness);
    if rng.random_bool(0.1) {
        add(&mut sound, &dry_bearing(motor, run, rng));
    }
    sound
}

/// The din of a hall: more low than high, and never quite the same.
fn hall(rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut noise = white(rng);
    let high = Filter::low_pass(log_range(rng, 2500.0, 6000.0), 0.6).of(&noise);
    Filter::low_pass(log_range(rng, 120.0, 350.0), 0.5).run(&mut noise);
    set_rms(&mut noise, 1.0);
    add(&mut noise, &scaled(high, from_db(rng.random_range(-22.0..-12.0))));
    let sway = wander(rng, 0.4);
    noise.iter_mut().enumerate().for_each(|(i, value)| *value *= 1.0 + 0.2 * sway(i));
    scaled_to(noise, rng.random_range(-26.0..-9.0))
}

/// Another motor somewhere, at its own speed.
fn other_machine(rng: &mut ChaCha8Rng) -> Vec<f32> {
    let hz = log_range(rng, 12.0, 55.0);
    let mesh = rng.random_range(9..40);
    let partials = [(1, 0.5), (2, 0.3), (3, 0.2), (mesh, 0.5), (mesh + 1, 0.2), (2 * mesh, 0.2)];
    let wave = Wave::of_partials(rng, &partials);
    let mut sound: Vec<f32> = (0..COUNT).map(|i| wave.at(i as f32 * hz / RATE)).collect();
    let mut noise = band_noise(rng, [150.0, 1200.0]);
    set_rms(&mut noise, from_db(rng.random_range(-10.0..2.0)));
    add(&mut sound, &noise);
    scaled_to(sound, rng.random_range(-24.0..-9.0))
}

fn fan(rng: &mut ChaCha8Rng) -> Vec<f32> {
    let blades = log_range(rng, 60.0, 260.0);
    let (low, high) = (log_range(rng, 150.0, 350.0), log_range(rng, 1200.0, 3500.0));
    let mut sound = band_noise(rng, [low, high]);
    let wave = Wave::of_partials(rng, &[(1, 0.7), (2, 0.3), (3, 0.15)]);
    set_rms(&mut sound, 1.0);
    sound.iter_mut().enumerate().for_each(|(i, value)| *value += wave.at(i as f32 * blades / RATE));
    scaled_to(sound, rng.random_range(-22.0..-10.0))
}

/// Bursts of an air gun.
fn air(rng: &mut ChaCha8Rng) -> Vec<f32> {
    let stretches = Stretches::draw(rng, 2, 0.1..0.7);
    let low_hz = log_range(rng, 1200.0, 3000.0);
    let mut noise = band_noise(rng, [low_hz, 7500.0]);
    set_rms(&mut noise, from_db(rng.random_range(-24.0..-8.0)));
    noise.iter_mut().enumerate().for_each(|(i, value)| *value *= stretches.level(secs(i)));
    noise
}

/// Something of metal falls, and bounces a few times, each sooner and weaker.
fn tool(rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut knocks = vec![0.0; COUNT];
    let (mut time, mut pause, mut strength) = (rng.random_range(0.0..1.9), rng.random_range(0.06..0.2), 1.0);
    let keeps = rng.random_range(0.4..0.7);
    for _ in 0..rng.random_range(1..=5) {
        knock(&mut knocks, sample_at(time) as f32, strength);
        time += pause;
        pause *= keeps;
        strength *= keeps;
    }
    let mode = |hz: f32| {
        (
            Filter::ringing(hz * log_range(rng, 0.8, 1.25), log_range(rng, 0.005, 0.04)),
            rng.random_range(0.3..1.0),
        )
    };
    let modes = [1100.0, 2300.0, 3700.0, 5600.0].map(mode);
    scaled_to_peak(resonate(&knocks, &modes), from_db(rng.random_range(-14.0..6.0)))
}

/// A relay or a feeder beside the bench: regular knocks, slower than any motor turns.
fn ticks(rng: &mut ChaCha8Rng) -> Vec<f32> {
    let (pause, strength) = (log_range(rng, 0.09, 0.7), from_db(rng.random_range(-16.0..2.0)));
    let uneven = rng.random_range(0.0..0.2);
    let mut knocks = vec![0.0; COUNT];
    let mut time = rng.random_range(-0.2..0.3);
    while time < 2.0 {
        knock(&mut knocks, sample_at(time) as f32, 1.0 + 0.3 * normal(rng));
        time += pause * (1.0 + uneven * normal(rng)).max(0.2);
    }
    let mode = |hz: f32| (Filter::ringing(hz * log_range(rng, 0.7, 1.4), log_range(rng, 0.002, 0.008)), 1.0);
    let modes = [900.0, 1900.0, 3100.0].map(mode);
    scaled_to_peak(resonate(&knocks, &modes), strength)
}

/// Somebody speaks not far away: syllables of a pulsed source with three formants.
fn voices(rng: &mut ChaCha8Rng) -> Vec<f32> {
    let pitch = log_range(rng, 90.0, 230.0);
    let partials: Vec<(usize, f32)> = (1..24).map(|k| (k, 1.0 / k as f32)).collect();
    let glottis = Wave::of_partials(rng, &partials);
    let (melody, syllables) = (wander(rng, 0.25), wander(rng, 0.11));
    let mut periods = 0.0;
    let value_at = |i: usize| {
        periods += pitch / RATE * (1.0 + 0.08 * melody(i));
        periods -= f32::floor(periods);
        smooth(-0.2, 1.0, syllables(i)) * glottis.at(periods)
    };
    let source: Vec<f32> = (0..COUNT).map(value_at).collect();
    let vowels = [formants(&source, rng), formants(&source, rng)];
    let turn = wander(rng, 0.17);
    let sound = (0..COUNT).map(|i| {
        let share = smooth(-0.6, 0.6, turn(i));
        vowels[0][i] * (1.0 - share) + vowels[1][i] * share
    });
    scaled_to(sound.collect(), rng.random_range(-24.0..-9.0))
}

fn formants(source: &[f32], rng: &mut ChaCha8Rng) -> Vec<f32> {
    let formant = |hz: f32, level: f32| (Filter::band(hz, 7.0), level);
    let modes = [
        formant(log_range(rng, 300.0, 800.0), 1.0),
        formant(log_range(rng, 900.0, 2200.0), 0.6),
        formant(log_range(rng, 2300.0, 3000.0), 0.3),
    ];
    resonate(source, &modes)
}

/// Too little grease: noise where a damaged bearing rings, with random cracks but no rhythm.
fn dry_bearing(motor: &Motor, run: &Run, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let cracks = log_range(rng, 0.02, 0.3);
    let mut source: Vec<f32> = white(rng);
    for value in &mut source {
        if rng.random::<f32>() < cracks / 16.0 {
            *value += 6.0 * normal(rng);
        }
    }
    let modes = motor.bearing.ring_hz.map(|hz| (Filter::ringing(hz, 0.7 * motor.bearing.ring_secs), 1.0));
    let mut sound = resonate(&source, &modes);
    set_rms(&mut sound, from_db(rng.random_range(-26.0..-14.0)));
    sound.iter_mut().zip(&run.speed).for_each(|(value, speed)| *value *= speed);
    sound
}

fn scaled(mut samples: Vec<f32>, factor: f32) -> Vec<f32> {
    scale(&mut samples, factor);
    samples
}

fn scaled_to_peak(samples: Vec<f32>, level: f32) -> Vec<f32> {
    let peak = samples.iter().fold(f32::MIN_POSITIVE, |peak, value| peak.max(value.abs()));
    scaled(samples, level / peak)
}

fn scaled_to(mut samples: Vec<f32>, level_db: f32) -> Vec<f32> {
    set_rms(&mut samples, from_db(level_db));
    samples
}
