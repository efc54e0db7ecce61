//! Sound bytes → samples at exact positions, under strict limits and whatever the bytes are.
//!
//! The format is read from the content, never from a name. One decoder serves clips, hours-long
//! files, ear and eye: [`decode_sound`] and [`SoundFile`] give the same samples. What is cut off,
//! damaged or not a number is refused with one readable line: half a clip is never returned,
//! since the fault may lie in the other half.

mod file;
mod flac;
mod frames;
mod measure;
mod mp4;
mod ogg;
mod packets;
mod peaks;
mod resample;
mod source;
mod stretch;
mod wave;
mod wave_write;

pub use file::SoundFile;
pub use measure::{SILENCE_DB, loudness_lufs, sound_stats, trim};
pub use peaks::{Peak, Peaks};
pub use resample::Resampler;
pub use source::SoundSource;
pub use stretch::Stretch;
pub use wave_write::{WavFormat, encode_wav};

use super::MediaError;
use super::decode::FILE_BYTES_MAX;
use file::Stream;
use std::io::Cursor;

/// Vibration is recorded from 1 kHz on, ultrasound up to 768 kHz; what lies outside is a broken header.
pub const RATE_HZ_MIN: u32 = 1_000;
pub const RATE_HZ_MAX: u32 = 768_000;
/// Microphone arrays have up to 64; also bounds a frame's bytes.
pub const CHANNELS_MAX: u32 = 64;
/// Of one clip, channels together: 12 minutes of stereo at 44.1 kHz, 256 MB. Longer recordings are
/// cut when they arrive.
pub const SAMPLES_MAX: u64 = 64_000_000;

/// Full scale is 1; files that count in whole numbers of 32 bits reach 2³¹.
const SAMPLE_MAX: f32 = 1e10;

/// Decoded samples, as every later stage hears them.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    pub rate_hz: u32,
    pub channels: u32,
    /// Interleaved; full scale is ±1. Float files may go beyond, up to 10¹⁰.
    pub samples: Vec<f32>,
}

impl Sound {
    /// Moments that were sampled: one sample of each channel.
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels.max(1) as usize
    }

    pub fn secs(&self) -> f64 {
        self.frames() as f64 / f64::from(self.rate_hz.max(1))
    }

    /// The mean of the channels.
    pub fn mono(&self) -> Vec<f32> {
        match self.channels {
            0 | 1 => self.samples.clone(),
            2 => self.samples.chunks_exact(2).map(|pair| f32::midpoint(pair[0], pair[1])).collect(),
            n => {
                let share = 1.0 / n as f32;
                self.samples.chunks_exact(n as usize).map(|frame| frame.iter().sum::<f32>() * share).collect()
            }
        }
    }
}

/// Decodes one clip of any supported format: WAV, FLAC, Ogg Vorbis, MP3, AAC (M4A, ADTS) or AIFF.
pub fn decode_sound(bytes: &[u8]) -> Result<Sound, MediaError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(MediaError::TooManyBytes { bytes: bytes.len() });
    }
    let mut stream = Stream::new(Box::new(Cursor::new(bytes)), true)?;
    let (rate_hz, channels, frames) = (stream.rate_hz(), stream.channels(), stream.frames());
    let samples = frames.saturating_mul(u64::from(channels));
    let count = usize::try_from(frames).ok().filter(|_| samples <= SAMPLES_MAX);
    let count = count.ok_or(MediaError::TooLong { samples })?;
    // No room by the header's word: a megabyte at first, more as samples come.
    let mut samples = Vec::with_capacity((1 << 18).min(count * channels as usize));
    stream.read(0, count, &mut samples)?;
    stream.finish()?;
    Ok(Sound { rate_hz, channels, samples })
}

/// Refuses rates, channels and lengths that no later stage is made for.
fn check_shape(rate_hz: u32, channels: u32, frames: u64) -> Result<(), MediaError> {
    if !(RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) {
        return Err(MediaError::Rate { rate_hz });
    }
    if !(1..=CHANNELS_MAX).contains(&channels) {
        return Err(MediaError::Channels { channels });
    }
    if frames == 0 {
        return Err(MediaError::NoSamples);
    }
    Ok(())
}

/// Refuses what is no number, or could become none when it is squared and added up; the first frame of
/// `samples` is frame `first` of the sound.
fn check_finite(samples: &[f32], channels: u32, first: u64) -> Result<(), MediaError> {
    // Without a branch for each sample.
    if samples.iter().fold(true, |all, sample| all & is_sound(*sample)) {
        return Ok(());
    }
    match samples.iter().position(|sample| !is_sound(*sample)) {
        Some(at) => Err(MediaError::NotFinite { frame: first + at as u64 / u64::from(channels.max(1)) }),
        None => Ok(()),
    }
}

/// NaN is not below anything.
fn is_sound(sample: f32) -> bool {
    sample.abs() <= SAMPLE_MAX
}

#[cfg(test)]
#[path = "sound/tests.rs"]
mod tests;
