//! Tests of decoding sound: positions and values against other decoders, and every bad input that
//! a recorder, a disk or a person can deliver.

use super::*;
use std::io::Cursor;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/sound/", $name))
    };
}

/// Sweeps of half a second, written by the formats' own encoders.
const FILES: [(&str, &[u8]); 9] = [
    ("chirp.flac", fixture!("chirp.flac")),
    ("pipe.flac", fixture!("pipe.flac")),
    ("chirp.ogg", fixture!("chirp.ogg")),
    ("stereo.ogg", fixture!("stereo.ogg")),
    ("chirp.mp3", fixture!("chirp.mp3")),
    ("stereo-vbr.mp3", fixture!("stereo-vbr.mp3")),
    ("chirp.aiff", fixture!("chirp.aiff")),
    ("chirp.m4a", fixture!("chirp.m4a")),
    ("chirp.aac", fixture!("chirp.aac")),
];
const OPUS: &[u8] = fixture!("opus.ogg");

fn file(name: &str) -> &'static [u8] {
    FILES.iter().find(|(found, _)| *found == name).unwrap().1
}

fn text_of(bytes: &[u8]) -> String {
    let text = decode_sound(bytes).expect_err("must be refused").to_string();
    assert!(!text.contains('\n') && text.len() < 240, "{text}");
    text
}

/// A WAV file with a tag, bits, and channels as they are said, and whatever bytes of samples.
fn wav(tag: u16, bits: u16, channels: u16, rate_hz: u32, samples: &[u8]) -> Vec<u8> {
    let frame_bytes = channels * bits.div_ceil(8);
    let mut format = Vec::new();
    format.extend(tag.to_le_bytes());
    format.extend(channels.to_le_bytes());
    format.extend(rate_hz.to_le_bytes());
    format.extend((rate_hz.saturating_mul(u32::from(frame_bytes))).to_le_bytes());
    format.extend(frame_bytes.to_le_bytes());
    format.extend(bits.to_le_bytes());
    riff(*b"RIFF", &[(b"fmt ", &format), (b"data", samples)])
}

fn riff(name: [u8; 4], chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WAVE".to_vec();
    for (name, chunk) in chunks {
        body.extend(*name);
        body.extend(u32::try_from(chunk.len()).unwrap().to_le_bytes());
        body.extend(*chunk);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    let size = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&name[..], &size, &body].concat()
}

fn sweep(frames: usize, channels: u32) -> Sound {
    let sample = |at: usize| {
        let (frame, channel) = (at / channels as usize, at % channels as usize);
        (frame as f32 * frame as f32 * 1e-5 * (channel + 1) as f32).sin() * 0.7
    };
    Sound { rate_hz: 44_100, channels, samples: (0..frames * channels as usize).map(sample).collect() }
}

/// What libsndfile 1.2 (AAC: `FFmpeg` 5.1) decodes at a few frames, first channel, and how many there are.
#[test]
fn samples_and_positions_are_those_of_other_decoders() {
    let check = |name: &str, rate_hz: u32, frames: usize, points: &[(usize, f32)]| {
        let sound = decode_sound(file(name)).unwrap();
        assert_eq!((sound.rate_hz, sound.frames()), (rate_hz, frames), "{name}");
        for &(frame, expected) in points {
            let found = sound.samples[frame * sound.channels as usize];
            assert!((found - expected).abs() < 2e-5, "{name} at {frame}: {found}, not {expected}");
        }
    };
    let flac =
        [(0, 0.003_204), (711, 0.346_222), (2_844, -0.536_316), (5_688, 0.068_451), (6_399, -0.345_428)];
    check("chirp.flac", 16_000, 6_400, &flac);
    check("pipe.flac", 16_000, 6_400, &flac);
    check("chirp.aiff", 16_000, 2_400, &[(0, 0.003_204), (1_066, 0.163_177), (2_399, -0.372_406)]);
    let ogg = [(0, 0.020_26), (1_501, 0.352_758), (7_509, 0.154_174), (13_516, 0.474_375)];
    check("chirp.ogg", 22_050, 13_517, &ogg);
    let stereo = [(0, 0.005_094), (1_960, -0.268_056), (9_800, -0.435_602), (17_639, -0.539_816)];
    check("stereo.ogg", 44_100, 17_640, &stereo);
    let mp3 = [(0, 0.001_588), (1_501, 0.318_328), (7_509, 0.132_929), (13_516, 0.448_354)];
    check("chirp.mp3", 22_050, 13_517, &mp3);
    let vbr = [(0, -0.000_129), (1_960, -0.252_427), (9_800, -0.512_795), (17_639, -0.484_497)];
    check("stereo-vbr.mp3", 44_100, 17_640, &vbr);
    let m4a = [(0, 0.004_64), (1_592, -0.163_823), (6_371, -0.647_826), (12_743, -0.555_872)];
    check("chirp.m4a", 22_050, 13_517, &m4a);
    let adts = [(1_706, -0.079_632), (5_120, -0.466_27), (8_533, 0.141_706), (13_653, -0.558_956)];
    check("chirp.aac", 22_050, 15_360, &adts);
}

#[test]
fn any_stretch_of_a_file_is_the_same_as_of_the_whole() {
    let long = encode_wav(&sweep(30_000, 3), WavFormat::Pcm24);
    for (name, bytes) in FILES.into_iter().chain([("long.wav", long.as_slice())]) {
        let whole = decode_sound(bytes).unwrap();
        let mut stream = SoundFile::new(Cursor::new(bytes.to_vec())).unwrap();
        let (frames, channels) = (whole.frames(), whole.channels as usize);
        assert_eq!((stream.frames(), stream.channels()), (frames as u64, whole.channels), "{name}");
        let mut found = Vec::new();
        for step in 0..60 {
            let at = step * 7_919 % frames;
            let count = if step % 4 == 0 { 4_000 } else { 37 };
            stream.read(at as u64, count, &mut found).unwrap();
            let end = frames.min(at + count);
            assert_eq!(found, whole.samples[at * channels..end * channels], "{name} at {at}");
        }
        stream.read(frames as u64 + 5, 10, &mut found).unwrap();
        assert!(found.is_empty());
    }
}

#[test]
fn aac_is_the_same_by_position_beyond_where_it_begins_anew() {
    // Ten times the same stream: longer than a restart, with the noise that its encoder asks for.
    let bytes = file("chirp.aac").repeat(20);
    let whole = decode_sound(&bytes).unwrap();
    assert_eq!(whole.frames(), 20 * 15_360);
    let mut stream = SoundFile::new(Cursor::new(bytes)).unwrap();
    let mut found = Vec::new();
    for at in [300_000, 262_100, 262_144, 5, 261_000, 290_000] {
        stream.read(at as u64, 3_000, &mut found).unwrap();
        assert_eq!(found, whole.samples[at..at + 3_000], "at {at}");
    }
}

#[test]
fn every_way_of_writing_a_wav_is_read_exactly() {
    let values = |bytes: Vec<u8>| decode_sound(&bytes).unwrap().samples;
    assert_eq!(values(wav(1, 8, 1, 8_000, &[0, 128, 192, 255])), [-1.0, 0.0, 0.5, 127.0 / 128.0]);
    let sixteen: Vec<u8> = [i16::MIN, 0, 16_384, i16::MAX].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(values(wav(1, 16, 1, 8_000, &sixteen)), [-1.0, 0.0, 0.5, 32_767.0 / 32_768.0]);
    assert_eq!(
        values(wav(1, 24, 1, 8_000, &[0, 0, 0x80, 1, 0, 0, 0, 0, 0x40])),
        [-1.0, 2.0_f32.powi(-23), 0.5]
    );
    let long: Vec<u8> = [i32::MIN, 1 << 30, 0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(values(wav(1, 32, 1, 8_000, &long)), [-1.0, 0.5, 0.0]);
    let single: Vec<u8> = [1.5_f32, -0.1].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(values(wav(3, 32, 1, 8_000, &single)), [1.5, -0.1]);
    let double: Vec<u8> = [0.25_f64, -1.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(values(wav(3, 64, 1, 8_000, &double)), [0.25, -1.0]);
    // Of G.711, the ends and the middle of the scale.
    let law = |levels: [f32; 4]| levels.map(|level| level / 32_768.0);
    assert_eq!(values(wav(6, 8, 1, 8_000, &[0xD5, 0x55, 0xAA, 0x2A])), law([8.0, -8.0, 32_256.0, -32_256.0]));
    assert_eq!(values(wav(7, 8, 1, 8_000, &[0xFF, 0x7F, 0x80, 0x00])), law([0.0, 0.0, 32_124.0, -32_124.0]));
}

#[test]
fn rf64_extensible_and_chunks_in_between_are_read() {
    let mut format = wav(0xFFFE, 16, 2, 48_000, &[])[20..36].to_vec();
    format.extend([22, 0, 16, 0, 3, 0, 0, 0]);
    format.extend([1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
    let samples = [0, 0x40, 0, 0xC0];
    let sound =
        decode_sound(&riff(*b"RIFF", &[(b"LIST", b"odd"), (b"fmt ", &format), (b"data", &samples)])).unwrap();
    assert_eq!((sound.channels, sound.samples), (2, vec![0.5, -0.5]));
    let sizes: Vec<u8> = [100_u64, 4, 1, 0].iter().flat_map(|size| size.to_le_bytes()).take(28).collect();
    for name in [b"RF64", b"BW64"] {
        let mut long = riff(*name, &[(b"ds64", &sizes), (b"fmt ", &format), (b"data", &samples)]);
        let at = long.len() - 8;
        long[at..at + 4].fill(0xFF);
        assert_eq!(decode_sound(&long).unwrap().samples, [0.5, -0.5]);
    }
}

#[test]
fn what_is_written_is_read_again() {
    for channels in [1, 2, 5] {
        let sound = sweep(777, channels);
        assert_eq!(decode_sound(&encode_wav(&sound, WavFormat::Float32)).unwrap(), sound);
        for (format, step) in [(WavFormat::Pcm16, 32_768.0), (WavFormat::Pcm24, 8_388_608.0)] {
            let back = decode_sound(&encode_wav(&sound, format)).unwrap();
            let errors = back.samples.iter().zip(&sound.samples).map(|(a, b)| (a - b).abs() * step);
            assert!(errors.fold(0.0, f32::max) <= 0.51, "{format:?}");
        }
    }
    // Other programs want to be told what is not PCM: the length of an extension, and the frames.
    let bytes = encode_wav(&sweep(777, 2), WavFormat::Float32);
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((number(4) as usize, number(16), &bytes[36..42]), (bytes.len() - 8, 18, &b"\0\0fact"[..]));
    assert_eq!((number(42), number(46), &bytes[50..54], number(54)), (4, 777, &b"data"[..], 777 * 2 * 4));
    let loud = Sound { rate_hz: 8_000, channels: 1, samples: vec![3.0, -3.0] };
    let clipped = decode_sound(&encode_wav(&loud, WavFormat::Pcm16)).unwrap();
    assert_eq!(clipped.samples, [32_767.0 / 32_768.0, -1.0]);
}

#[test]
fn every_cut_is_an_error_in_every_format() {
    let long = encode_wav(&sweep(5_000, 2), WavFormat::Pcm16);
    for (name, bytes) in FILES.into_iter().chain([("long.wav", long.as_slice())]) {
        for percent in [1, 5, 20, 50, 80, 95, 99] {
            let mut cut = bytes.len() * percent / 100;
            // Plain AAC has no end: cut between two frames it is a shorter sound.
            if name == "chirp.aac" && decode_sound(&bytes[..cut]).is_ok() {
                cut += 3;
            }
            let text = text_of(&bytes[..cut]);
            let is_named =
                text.contains("cut off") || text.contains("unknown data") || text.contains("damaged");
            assert!(is_named, "{name} at {percent} %: {text}");
        }
        // MP4 keeps its tables, which say nothing of the sound, at the end.
        assert!(text_of(&bytes[..bytes.len() - 1]).ends_with("cut off before its end"), "{name}");
        let half = SoundFile::new(Cursor::new(bytes[..bytes.len() / 2].to_vec()));
        let read = half.and_then(|mut stream| stream.read(0, usize::MAX, &mut Vec::new()));
        assert!(read.is_err(), "{name}");
    }
}

#[test]
fn changed_bytes_are_an_error_or_a_sound_and_never_a_panic() {
    for (name, bytes) in FILES {
        let mut refused = 0;
        for step in 0..60 {
            let mut changed = bytes.to_vec();
            let at = 4 + step * 137 % (bytes.len() - 4);
            changed[at] ^= 0x5A;
            match decode_sound(&changed) {
                Ok(sound) => assert!(sound.samples.iter().all(|sample| sample.is_finite()), "{name}"),
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().len() < 240, "{name}: {error}");
                }
            }
        }
        // Every bit of FLAC's sound is under a checksum.
        assert!(name != "chirp.flac" || refused > 50, "{name}: {refused}");
    }
}

#[test]
fn what_is_no_sound_is_named() {
    assert_eq!(text_of(b""), "the file is empty");
    assert_eq!(text_of(b"notes, saved as motor.wav\n"), "not a sound but a text file");
    assert_eq!(text_of(b"\x89PNG\r\n\x1a\nrest of it"), "not a sound but a picture");
    assert_eq!(text_of(&[0; 100]), "not a sound but zeros only");
    assert!(text_of(OPUS).starts_with("the Ogg uses what is not supported"));
    // A wrong header: the words of a WAV, the numbers of nothing.
    assert_eq!(text_of(b"RIFF\x24\0\0\0WAVEfmt "), "the WAV is cut off before its end");
    assert_eq!(text_of(&wav(1, 16, 0, 8_000, &[])), "0 channels are outside of what is supported: 1 to 64");
    assert!(text_of(&wav(1, 16, 65, 8_000, &[0; 130])).starts_with("65 channels"));
    assert!(text_of(&wav(1, 16, 1, 500, &[0; 4])).starts_with("500 samples a second"));
    assert!(text_of(&wav(1, 16, 1, 4_000_000_000, &[0; 4])).starts_with("4000000000 samples a second"));
    assert!(text_of(&wav(85, 16, 1, 8_000, &[0; 4])).ends_with("compression number 85"));
    assert!(text_of(&wav(1, 40, 1, 8_000, &[0; 10])).ends_with("40 bits in 5 bytes a sample"));
    assert_eq!(text_of(&wav(1, 16, 1, 8_000, &[])), "the sound has no samples");
}

#[test]
fn four_gigabytes_by_the_header_on_a_kilobyte_are_cut_off() {
    let mut bytes = wav(1, 16, 2, 44_100, &[0; 1_000]);
    bytes[4..8].fill(0xFF);
    bytes[40..44].copy_from_slice(&0xFFFF_FFF0_u32.to_le_bytes());
    assert_eq!(text_of(&bytes), "the WAV is cut off before its end");
    bytes[40..44].fill(0xFF);
    assert_eq!(text_of(&bytes), "the WAV is cut off before its end");
    let mut flac = file("chirp.flac").to_vec();
    flac[21..26].fill(0xFF);
    assert!(decode_sound(&flac).is_err());
}

#[test]
fn what_is_no_number_is_refused_with_its_place() {
    for wrong in [f32::NAN, f32::INFINITY, -1e30] {
        let mut sound = sweep(100_000, 2);
        sound.samples[150_001] = wrong;
        let bytes = encode_wav(&sound, WavFormat::Float32);
        assert_eq!(text_of(&bytes), "the sample at frame 75000 is no number that a sound can have");
        let mut stream = SoundFile::new(Cursor::new(bytes)).unwrap();
        let mut samples = Vec::new();
        assert!(stream.read(0, 75_000, &mut samples).is_ok());
        assert_eq!(stream.read(74_990, 20, &mut samples), Err(MediaError::NotFinite { frame: 75_000 }));
    }
}

#[test]
fn odd_sounds_are_sounds() {
    let decoded = |sound: &Sound| decode_sound(&encode_wav(sound, WavFormat::Float32)).unwrap() == *sound;
    assert!(decoded(&Sound { rate_hz: 8_000, channels: 1, samples: vec![0.25; 4_000] }), "constant");
    assert!(decoded(&Sound { rate_hz: 8_000, channels: 1, samples: vec![0.0; 4_000] }), "silence");
    assert!(decoded(&Sound { rate_hz: 8_000, channels: 1, samples: vec![4.0; 4_000] }), "clipped");
    assert!(decoded(&Sound { rate_hz: 8_000, channels: 1, samples: vec![0.5] }), "one sample");
    assert!(decoded(&Sound { rate_hz: 192_000, ..sweep(500, 2) }), "192 kHz");
    assert!(decoded(&sweep(100, 32)), "32 channels");
}

#[test]
fn tags_before_and_behind_are_no_sound() {
    let mut tag = b"ID3\x04\0\0\0\0\x01\x00".to_vec();
    tag.resize(tag.len() + 128, 7);
    for name in ["chirp.mp3", "chirp.flac", "chirp.aac"] {
        let plain = decode_sound(file(name)).unwrap();
        let mut end = b"TAG".to_vec();
        end.resize(128, 0);
        let tagged = [&tag, file(name), &end].concat();
        assert_eq!(decode_sound(&tagged).unwrap(), plain, "{name}");
    }
}

#[test]
fn mono_is_the_mean_and_lengths_are_told() {
    let sound = Sound { rate_hz: 4, channels: 3, samples: vec![0.3, 0.6, 0.9, 1.0, 1.0, -2.0] };
    assert_eq!((sound.frames(), sound.secs()), (2, 0.5));
    let mono = sound.mono();
    assert!((mono[0] - 0.6).abs() < 1e-6 && mono[1].abs() < 1e-6);
}
