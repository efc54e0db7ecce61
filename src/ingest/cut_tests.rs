//! Tests of cutting: synthetic recordings whose sounds are known to the sample.

use super::*;
use crate::media::{Sound, WavFormat, encode_wav};
use std::io::Cursor;

const RATE_HZ: u32 = 16_000;

/// Noise from a fixed seed, in −1..1.
fn noise(at: usize) -> f32 {
    let mixed = (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// Tones of a frequency at times in seconds, over noise whose level may depend on the time.
#[expect(clippy::cast_possible_truncation, reason = "short recordings of few samples")]
fn recording(
    secs: f64,
    sounds: &[Range<f64>],
    hz: f64,
    level: f32,
    noise_at: impl Fn(f64) -> f32,
) -> Vec<f32> {
    let frames = frames_of(secs, RATE_HZ) as usize;
    (0..frames)
        .map(|at| {
            let time = at as f64 / f64::from(RATE_HZ);
            let is_on = sounds.iter().any(|sound| sound.contains(&time));
            let tone = (std::f64::consts::TAU * hz * time).sin() as f32 * level;
            noise(at) * noise_at(time) + if is_on { tone } else { 0.0 }
        })
        .collect()
}

fn envelope(samples: Vec<f32>) -> Envelope {
    let bytes = encode_wav(&Sound { rate_hz: RATE_HZ, channels: 1, samples }, WavFormat::Pcm16);
    let mut file = SoundFile::new(Cursor::new(bytes)).unwrap();
    Envelope::of(&mut file, &|| true).unwrap().unwrap()
}

/// No rolls, so that edges can be compared.
fn bare() -> EnergyCut {
    EnergyCut { pre_roll_secs: 0.0, post_roll_secs: 0.0, ..EnergyCut::default() }
}

#[track_caller]
fn check(cuts: &[Range<u64>], expected: &[Range<f64>], within_secs: f64) {
    let secs = |frame: u64| frame as f64 / f64::from(RATE_HZ);
    let found: Vec<Range<f64>> = cuts.iter().map(|cut| secs(cut.start)..secs(cut.end)).collect();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        let error = (found.start - expected.start).abs().max((found.end - expected.end).abs());
        assert!(error <= within_secs, "{found:?} for {expected:?}");
    }
}

#[test]
fn sounds_are_found_within_a_few_milliseconds() {
    let sounds = [0.7371..1.2503, 2.0009..2.1013, 4.4444..6.0];
    for hz in [80.0, 440.0, 3_000.0] {
        let envelope = envelope(recording(8.0, &sounds, hz, 0.3, |_| 0.01));
        check(&envelope.cuts(&bare()), &sounds, 0.006);
    }
}

#[test]
fn the_threshold_follows_the_noise() {
    // From the second minute on the machine is ten times as loud; what stands out from it is still found.
    let sounds = [10.5..11.0, 30.25..30.75, 80.5..81.0, 100.0..100.5];
    let envelope =
        envelope(recording(120.0, &sounds, 700.0, 0.6, |time| if time < 60.0 { 0.005 } else { 0.05 }));
    let cuts: Vec<_> = envelope.cuts(&bare());
    let near =
        |time: f64| cuts.iter().any(|cut| (cut.start as f64 / f64::from(RATE_HZ) - time).abs() < 0.006);
    assert!(sounds.iter().all(|sound| near(sound.start)), "{cuts:?}");
    assert!(cuts.len() <= sounds.len() + 1, "the step itself is at most one sound: {cuts:?}");
}

#[test]
fn pauses_lengths_and_rolls_are_kept() {
    let sounds = [1.0..1.3, 1.4..1.7, 3.0..3.02, 4.0..9.0];
    let envelope = envelope(recording(10.0, &sounds, 440.0, 0.3, |_| 0.01));
    // A short pause joins, a blip is left out, what is long is cut into equal parts.
    let cut = EnergyCut { secs_max: 2.0, ..bare() };
    let third = 5.0 / 3.0;
    let parts = [1.0..1.7, 4.0..4.0 + third, 4.0 + third..9.0 - third, 9.0 - third..9.0];
    check(&envelope.cuts(&cut), &parts, 0.006);
    let cut = EnergyCut { pause_secs: 0.05, ..bare() };
    check(&envelope.cuts(&cut), &[1.0..1.3, 1.4..1.7, 4.0..9.0], 0.006);
    // Rolls end in the middle between two sounds, and at the ends of the recording.
    let cut = EnergyCut { pause_secs: 0.05, pre_roll_secs: 2.0, post_roll_secs: 2.0, secs_max: 60.0, ..cut };
    check(&envelope.cuts(&cut), &[0.0..1.35, 1.35..2.85, 2.85..10.0], 0.006);
}

#[test]
fn silence_noise_and_a_steady_tone_hold_no_sound() {
    assert!(envelope(vec![0.0; 50_000]).cuts(&bare()).is_empty());
    assert!(envelope(recording(5.0, &[], 1.0, 0.0, |_| 0.1)).cuts(&bare()).is_empty());
    assert!(envelope(recording(5.0, &[0.0..5.0], 440.0, 0.5, |_| 0.001)).cuts(&bare()).is_empty());
    let one = envelope(vec![0.5]);
    assert!(one.cuts(&bare()).is_empty());
}

#[test]
fn windows_leave_nothing_out() {
    assert_eq!(windows(10_000, 1_000, 4.0), [0..4_000, 4_000..8_000, 6_000..10_000]);
    assert_eq!(windows(8_000, 1_000, 4.0), [0..4_000, 4_000..8_000]);
    assert_eq!(windows(3_000, 1_000, 4.0).first(), Some(&(0..3_000)));
    assert_eq!(windows(3_000, 1_000, 4.0).len(), 1);
    assert!(windows(0, 1_000, 4.0).is_empty());
}

#[test]
fn a_walk_can_be_stopped() {
    let sound = Sound { rate_hz: RATE_HZ, channels: 1, samples: vec![0.1; 32_000] };
    let mut file = SoundFile::new(Cursor::new(encode_wav(&sound, WavFormat::Float32))).unwrap();
    assert_eq!(Envelope::of(&mut file, &|| false).unwrap(), None);
}
