//! Tiles stand where they say, whatever the level, and hours are never read whole.

use super::*;
use crate::media::{Sound, WavFormat, encode_wav};
use std::io::Cursor;
use std::time::{Duration, Instant};

const RATE: u32 = 16_000;

fn file(samples: Vec<f32>) -> SoundFile {
    let sound = Sound { rate_hz: RATE, channels: 1, samples };
    SoundFile::new(Cursor::new(encode_wav(&sound, WavFormat::Float32))).unwrap()
}

/// Silence with a click at each of these frames.
fn clicks(frames: usize, at: &[usize]) -> Vec<f32> {
    let mut samples = vec![0.0; frames];
    for &at in at {
        samples[at] = 0.9;
    }
    samples
}

fn energy(tile: &[u8], column: usize) -> u32 {
    (0..TILE_ROWS).map(|row| u32::from(tile[row * TILE_COLUMNS + column])).sum()
}

#[test]
fn a_click_is_in_the_middle_of_its_window_on_every_tile_and_level() {
    let at = [700, 12_345, 31_999, 40_001, 63_000];
    let mut file = file(clicks(64_000, &at));
    let mut spectrum = Spectrum::new(&file, TILE_ROWS);
    for level in SpectrumAxis::level_min(RATE)..=9 {
        let hop = 1_usize << level;
        let span = hop * TILE_COLUMNS;
        let tiles: Vec<Vec<u8>> = (0..64_000_usize.div_ceil(span))
            .map(|i| spectrum.tile(&mut file, level, i as u64).unwrap())
            .collect();
        let loud = |column: usize| energy(&tiles[column / TILE_COLUMNS], column % TILE_COLUMNS);
        for &at in &at {
            // A window weighs a click as much from the left as from the right, and is flat in between:
            // the middle of all that hear it is where it stands.
            let near = (0..64_000 / hop).filter(|c| (c * hop + hop / 2).abs_diff(at) < 320);
            let weighed: Vec<(f64, f64)> =
                near.map(|c| (f64::from(loud(c)), c as f64 * hop as f64 + hop as f64 / 2.0)).collect();
            let sum: f64 = weighed.iter().map(|(weight, _)| weight).sum();
            assert!(sum > 0.0, "level {level}, {at}");
            let middle = weighed.iter().map(|(weight, place)| weight * place).sum::<f64>() / sum;
            let off = (middle - at as f64).abs();
            assert!(off <= hop as f64 / 2.0 + 1.0, "level {level}: a click at {at} stands {off} frames away");
        }
    }
}

#[test]
fn a_column_does_not_depend_on_what_is_read_beside_it() {
    let noise: Vec<f32> = (0..40_000_u32)
        .map(|i| f32::from(u16::try_from(i.wrapping_mul(2_654_435_761) >> 16).unwrap()) / 65_536.0 - 0.5)
        .collect();
    let mut file = file(noise);
    let mut spectrum = Spectrum::new(&file, TILE_ROWS);
    let begins: Vec<u64> = (0..=100).map(|c| c * 300).collect();
    let all = spectrum.picture(&mut file, &begins).unwrap();
    for c in [0_usize, 1, 50, 99] {
        let one = spectrum.picture(&mut file, &begins[c..=c + 1]).unwrap();
        let column: Vec<u8> = (0..TILE_ROWS).map(|row| all[row * 100 + c]).collect();
        assert_eq!(one, column, "column {c}");
    }
    let beyond = spectrum.tile(&mut file, 8, 9).unwrap();
    assert!(beyond.iter().all(|pixel| *pixel == 0));
}

#[test]
fn a_service_gives_head_samples_and_tiles_of_what_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let sound = Sound { rate_hz: RATE, channels: 1, samples: clicks(48_000, &[24_000]) };
    let media = Blobs::of_line(dir.path()).put(&encode_wav(&sound, WavFormat::Pcm16)).unwrap();
    let sounds = Sounds::start(dir.path(), || {}).unwrap();
    let missing = MediaHash::of(b"nothing");
    sounds.want(vec![
        SoundWant::Head(media.clone()),
        SoundWant::Block { media: media.clone(), block: 1 },
        SoundWant::Tile { media, level: 6, index: 0 },
        SoundWant::Head(missing),
    ]);
    let start = Instant::now();
    let mut seen = [false; 4];
    while seen != [true; 4] {
        assert!(start.elapsed() < Duration::from_mins(10));
        let Ok(Listened { want, result }) = sounds.heard().recv_timeout(Duration::from_secs(1)) else {
            continue;
        };
        match (want, result) {
            (SoundWant::Head(_), Ok(Heard::Head(head))) => {
                assert_eq!((head.rate_hz, head.channels, head.frames), (RATE, 1, 48_000));
                let peaks = head.peaks.view(0, 0..48_000, 3);
                assert!(peaks.iter().map(|peak| peak.unwrap().max > 0.5).eq([false, true, false]));
                seen[0] = true;
            }
            (SoundWant::Block { .. }, Ok(Heard::Block(samples))) => {
                assert_eq!(samples.len(), 48_000 - 32_768);
                seen[1] = true;
            }
            (SoundWant::Tile { .. }, Ok(Heard::Tile(tile))) => {
                assert_eq!(tile.len(), TILE_COLUMNS * TILE_ROWS);
                seen[2] = true;
            }
            (SoundWant::Head(_), Err(_)) => seen[3] = true,
            (want, _) => panic!("{want:?}"),
        }
    }
}

#[test]
fn a_small_picture_shows_the_whole() {
    let mut file = file(clicks(50_000, &[100, 49_900]));
    let small = small_spectrum(&mut file, 192, 144).unwrap();
    assert_eq!((small.width, small.height, small.pixels.len()), (192, 144, 192 * 144));
    let column = |x: usize| (0..144).map(|y| u32::from(small.pixels[y * 192 + x])).sum::<u32>();
    assert!(column(0) > column(96) && column(191) > column(96));
}
