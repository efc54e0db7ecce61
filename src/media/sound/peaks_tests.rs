//! Tests of the waveform pyramid.

use super::*;
use crate::media::{Sound, WavFormat, encode_wav};
use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};

fn file(sound: &Sound) -> SoundFile {
    SoundFile::new(Cursor::new(encode_wav(sound, WavFormat::Float32))).unwrap()
}

fn busy(frames: usize, channels: u32) -> Sound {
    let sample = |at: usize| ((at as f32 * 0.37).sin() + (at as f32 * 0.000_3).cos()) * 0.4;
    Sound { rate_hz: 48_000, channels, samples: (0..frames * channels as usize).map(sample).collect() }
}

fn filled(sound: &Sound) -> Peaks {
    let mut file = file(sound);
    let peaks = Peaks::new(&file);
    peaks.fill(&mut file, &|| true).unwrap();
    peaks
}

#[test]
fn peaks_are_those_of_the_samples() {
    for channels in [1, 2, 3, 5, 16] {
        let sound = busy(100_003, channels);
        let peaks = filled(&sound);
        assert_eq!(peaks.share(), 1.0);
        for channel in 0..channels {
            // Columns of 1,024 frames fall on bins of the second level.
            let view = peaks.view(channel, 0..102_400, 100);
            for (column, peak) in view.iter().enumerate() {
                let own = sound.samples.iter().skip(channel as usize).step_by(channels as usize);
                let own: Vec<f32> = own.skip(column * 1_024).take(1_024).copied().collect();
                if own.is_empty() {
                    assert!(peak.is_none());
                    continue;
                }
                let peak = peak.unwrap();
                assert_eq!(peak.min, own.iter().copied().fold(f32::INFINITY, f32::min));
                assert_eq!(peak.max, own.iter().copied().fold(f32::NEG_INFINITY, f32::max));
                let square = own.iter().map(|v| v * v).sum::<f32>() / own.len() as f32;
                assert!(own.len() < 1_024 || (peak.mean_square - square).abs() < 1e-4 * square);
            }
        }
    }
}

#[test]
fn a_click_is_seen_at_every_zoom() {
    let mut sound = busy(3_000_000, 1);
    sound.samples[1_234_567] = 9.0;
    let peaks = filled(&sound);
    for frames in [0..3_000_000, 1_000_000..2_000_000, 1_234_000..1_235_000] {
        for columns in [1, 7, 100, 1_000] {
            let view = peaks.view(0, frames.clone(), columns);
            let highest = view.iter().flatten().map(|peak| peak.max).fold(0.0, f32::max);
            assert_eq!(highest, 9.0, "{frames:?} in {columns}");
        }
    }
}

#[test]
fn the_whole_shape_is_there_long_before_the_end() {
    let sound = busy(20_000_000, 1);
    let mut file = file(&sound);
    let peaks = Peaks::new(&file);
    assert!(peaks.view(0, 0..20_000_000, 50).iter().all(Option::is_none));
    let calls = AtomicUsize::new(0);
    let overview = usize::try_from(OVERVIEW_CHUNKS).unwrap();
    peaks.fill(&mut file, &|| calls.fetch_add(1, Ordering::Relaxed) < overview).unwrap();
    assert!(peaks.share() < 0.4, "{}", peaks.share());
    assert!(peaks.view(0, 0..20_000_000, 50).iter().all(Option::is_some));
    peaks.fill(&mut file, &|| true).unwrap();
    assert_eq!(peaks.share(), 1.0);
}

#[test]
fn two_threads_fill_it_together() {
    let sound = busy(9_000_000, 2);
    let peaks = Peaks::new(&file(&sound));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let worker = std::thread::Builder::new().name("peaks".into());
            worker.spawn_scoped(scope, || peaks.fill(&mut file(&sound), &|| true).unwrap()).unwrap();
        }
    });
    assert_eq!(peaks.share(), 1.0);
    assert_eq!(peaks.view(1, 0..9_000_000, 300), filled(&sound).view(1, 0..9_000_000, 300));
}

#[test]
fn one_sample_is_a_waveform() {
    let peaks = filled(&Sound { rate_hz: 8_000, channels: 1, samples: vec![0.5] });
    let view = peaks.view(0, 0..1, 1);
    assert_eq!(view, [Some(Peak { min: 0.5, max: 0.5, mean_square: 0.25 })]);
}
