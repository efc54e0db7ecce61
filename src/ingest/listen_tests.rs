//! Tests of listening: a spoken number and a word at known times, with and without noise.

use super::*;
use crate::domain::EnergyCut;
use crate::media::{Sound, WavFormat, decode_sound, encode_wav};
use std::io::Cursor;

/// "Three one four", and "seven", by espeak-ng, in frames of the recording.
const SPOKEN: [Range<u64>; 2] = [8000..16022, 25622..29751];
/// The ear is as fine as this; words fade away.
const WITHIN_SECS: f64 = 0.15;

fn spoken() -> Sound {
    let path = "tests/fixtures/sound/spoken.flac";
    decode_sound(&std::fs::read(path).unwrap()).unwrap()
}

/// Noise of this level, from a fixed seed.
fn noisy(sound: &mut Sound, level: f32) {
    let mut seed = 7_u32;
    for v in &mut sound.samples {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *v += level * ((seed >> 8) as f32 / (1 << 23) as f32 - 1.0);
    }
}

/// No rolls, so that edges can be compared.
fn bare() -> VoiceCut {
    VoiceCut { pre_roll_secs: 0.0, post_roll_secs: 0.0, ..VoiceCut::default() }
}

fn heard(cut: CutBy, sound: &Sound, piece: usize) -> Vec<Range<u64>> {
    let mut listener = Listener::new(&cut, sound.rate_hz, sound.channels);
    let mut clips = Vec::new();
    for piece in sound.samples.chunks(piece * sound.channels as usize) {
        listener.push(piece, &mut clips);
    }
    clips.extend(listener.finish());
    clips
}

#[track_caller]
fn check(clips: &[Range<u64>], rate_hz: u32) {
    assert_eq!(clips.len(), SPOKEN.len(), "{clips:?}");
    for (clip, truth) in clips.iter().zip(SPOKEN) {
        let secs = |a: u64, b: u64| (a as f64 - b as f64) / f64::from(rate_hz);
        let [begin, end] = [secs(clip.start, truth.start), secs(clip.end, truth.end)];
        assert!(begin.abs().max(end.abs()) < WITHIN_SECS, "begins {begin:+.3} s, ends {end:+.3} s");
    }
}

#[test]
fn voices_are_found_in_silence_and_in_noise_whatever_the_pieces() {
    for noise in [0.0, 0.003, 0.02] {
        let mut sound = spoken();
        noisy(&mut sound, noise);
        let clips = heard(CutBy::Voice(bare()), &sound, 480);
        check(&clips, sound.rate_hz);
        assert_eq!(heard(CutBy::Voice(bare()), &sound, 77), clips);
        let bytes = encode_wav(&sound, WavFormat::Float32);
        let mut file = SoundFile::new(Cursor::new(bytes)).unwrap();
        assert_eq!(
            voices(&mut file, &bare(), &|| true).unwrap().unwrap(),
            clips,
            "a file is heard otherwise"
        );
        assert!(voices(&mut file, &bare(), &|| false).unwrap().is_none());
    }
}

#[test]
fn a_fan_is_no_voice_and_what_comes_on_is_louder_than_it() {
    let mut sound = Sound { rate_hz: 8000, channels: 1, samples: vec![0.0; 40_000] };
    noisy(&mut sound, 0.03);
    assert!(heard(CutBy::Voice(bare()), &sound, 160).is_empty());
    for v in &mut sound.samples[16_000..24_000] {
        *v *= 20.0;
    }
    let cut = EnergyCut { pre_roll_secs: 0.0, post_roll_secs: 0.0, ..EnergyCut::default() };
    let clips = heard(CutBy::Energy(cut), &sound, 160);
    assert_eq!(clips.len(), 1);
    assert!(clips[0].start.abs_diff(16_000) < 200 && clips[0].end.abs_diff(24_000) < 200, "{clips:?}");
}

#[test]
fn windows_and_several_channels_lose_nothing() {
    let mono = spoken();
    let samples = mono.samples.iter().flat_map(|v| [*v, *v]).collect();
    let stereo = Sound { channels: 2, samples, ..mono };
    check(&heard(CutBy::Voice(bare()), &stereo, 480), stereo.rate_hz);
    let windows = heard(CutBy::Window { secs: 1.0 }, &stereo, 333);
    let frames = stereo.samples.len() as u64 / 2;
    assert_eq!((windows[0].clone(), windows.last().unwrap().end), (0..8000, frames));
    assert!(windows.windows(2).all(|pair| pair[0].end == pair[1].start));
}
