//! Tests of measures: each moves with what it is named after.

use super::*;

const RATE_HZ: u32 = 48_000;

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "short tones of few samples")]
fn tone(hz: f64, level: f32, secs: f64) -> Vec<f32> {
    let frames = (secs * f64::from(RATE_HZ)) as usize;
    (0..frames)
        .map(|at| (std::f64::consts::TAU * hz * at as f64 / f64::from(RATE_HZ)).sin() as f32 * level)
        .collect()
}

fn mono(samples: Vec<f32>) -> Sound {
    Sound { rate_hz: RATE_HZ, channels: 1, samples }
}

#[track_caller]
fn near(found: f32, expected: f32, within: f32) {
    assert!((found - expected).abs() <= within, "{found}, not {expected}");
}

#[test]
fn levels_offset_and_bandwidth_of_a_tone() {
    let stats = sound_stats(&mono(tone(1_000.0, 0.5, 1.0)));
    near(stats.level_db, -9.03, 0.02);
    near(stats.peak_db, -6.02, 0.02);
    near(stats.noise_floor_db, -9.03, 0.1);
    near(stats.bandwidth_hz, 1_000.0, 50.0);
    near(stats.dc, 0.0, 0.01);
    assert_eq!((stats.clipping, stats.silence), (0.0, 0.0));
    let shifted = mono(tone(1_000.0, 0.5, 1.0).iter().map(|sample| sample + 0.1).collect());
    near(sound_stats(&shifted).dc, 10.0, 0.01);
}

#[test]
fn treble_is_seen_beside_a_loud_hum() {
    let hum = tone(100.0, 0.5, 1.0);
    let bright = hum.iter().zip(tone(12_000.0, 0.02, 1.0)).map(|(a, b)| a + b).collect();
    assert!(sound_stats(&mono(bright)).bandwidth_hz > 11_000.0);
    assert!(sound_stats(&mono(hum)).bandwidth_hz < 300.0);
}

#[test]
fn clipping_needs_a_run_and_silence_its_share_of_time() {
    let mut samples = tone(200.0, 3.0, 0.5);
    for sample in &mut samples {
        *sample = sample.clamp(-1.0, 1.0);
    }
    let clipped = sound_stats(&mono(samples.clone())).clipping;
    near(clipped, 78.0, 2.0);
    samples.extend(vec![0.0; 24_000]);
    let half = sound_stats(&mono(samples));
    near(half.clipping, clipped / 2.0, 0.5);
    near(half.silence, 50.0, 1.1);
    near(half.noise_floor_db, -120.0, 0.0);
    // A normalised tone touches full scale, and is not clipped.
    near(sound_stats(&mono(tone(997.0, 1.0, 1.0))).clipping, 0.0, 0.0);
}

#[test]
fn silence_one_sample_and_nothing_are_measured() {
    for samples in [vec![0.0; 48_000], vec![0.0], vec![]] {
        let stats = sound_stats(&mono(samples));
        assert_eq!((stats.level_db, stats.peak_db, stats.noise_floor_db), (-120.0, -120.0, -120.0));
        assert_eq!(stats.bandwidth_hz, 0.0);
    }
    assert!(sound_stats(&mono(vec![0.5])).values().iter().all(|value| value.is_finite()));
}

#[test]
fn loudness_is_that_of_the_standard() {
    // ITU-R BS.1770: a tone of 997 Hz at full scale in one channel has -3.01 LUFS, in two both are added.
    let loudness = loudness_lufs(&mono(tone(997.0, 1.0, 5.0))).unwrap();
    assert!((loudness + 3.01).abs() < 0.05, "{loudness}");
    let pairs = tone(997.0, 0.1, 5.0).iter().flat_map(|&sample| [sample, sample]).collect();
    let stereo = Sound { rate_hz: RATE_HZ, channels: 2, samples: pairs };
    let loudness = loudness_lufs(&stereo).unwrap();
    assert!((loudness + 20.0).abs() < 0.05, "{loudness}");
    // A pause does not count: it stays below the gates.
    let mut long = tone(997.0, 1.0, 5.0);
    long.extend(vec![0.0; 5 * 48_000]);
    assert!((loudness_lufs(&mono(long)).unwrap() + 3.01).abs() < 0.2);
    assert_eq!(loudness_lufs(&mono(vec![0.0; 48_000])), None);
}

#[test]
fn trimming_keeps_what_is_above_the_floor() {
    let mut samples = vec![0.0; 24_000];
    samples.extend(tone(500.0, 0.3, 0.5));
    samples.extend(vec![0.000_1; 12_000]);
    let sound = mono(samples.clone());
    assert_eq!(trim(&sound, -60.0), 24_000..48_000);
    assert_eq!(trim(&mono(vec![0.0; 1_000]), -60.0), 0..0);
    let whole = mono(tone(500.0, 0.3, 0.123_4));
    assert_eq!(trim(&whole, -60.0), 0..whole.frames());
}
