//! WAV files: RIFF, and RF64 or BW64 where four gigabytes do not suffice.
//!
//! The samples lie as they are at computable places, so that any stretch of hours is one read.

use super::check_finite;
use super::source::Input;
use crate::media::MediaError;

const NAME: &str = "WAV";
/// Converted at a time: stays in the second-level cache.
const BLOCK_BYTES: usize = 1 << 18;
/// A size that says "see `ds64`", or was never filled in.
const SIZE_UNKNOWN: u32 = u32::MAX;
/// Chunks in front of the samples; real files have a handful.
const CHUNKS_MAX: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
    ALaw,
    MuLaw,
}

impl Coding {
    const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::ALaw | Self::MuLaw => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

struct Format {
    coding: Coding,
    channels: u32,
    rate_hz: u32,
}

pub(super) struct Wave<'s> {
    input: Input<'s>,
    format: Format,
    samples_at: u64,
    frames: u64,
    block: Vec<u8>,
}

impl<'s> Wave<'s> {
    pub(super) fn open(mut input: Input<'s>, start: u64) -> Result<Self, MediaError> {
        let (format, samples_at, bytes) = walk(&mut input, start)?;
        let frame_bytes = (format.coding.bytes() * format.channels as usize) as u64;
        let is_there = samples_at.checked_add(bytes).is_some_and(|end| end <= input.len);
        if !is_there || bytes % frame_bytes != 0 {
            return Err(MediaError::CutOff(NAME));
        }
        Ok(Self { input, format, samples_at, frames: bytes / frame_bytes, block: Vec::new() })
    }

    pub(super) const fn rate_hz(&self) -> u32 {
        self.format.rate_hz
    }

    pub(super) const fn channels(&self) -> u32 {
        self.format.channels
    }

    pub(super) const fn frames(&self) -> u64 {
        self.frames
    }

    /// Appends `count` frames from `frame` on, all of which exist.
    pub(super) fn read(&mut self, frame: u64, count: usize, out: &mut Vec<f32>) -> Result<(), MediaError> {
        let frame_bytes = self.format.coding.bytes() * self.format.channels as usize;
        let frames_max = (BLOCK_BYTES / frame_bytes).max(1);
        let mut done = 0;
        while done < count {
            let (first, frames) = (frame + done as u64, frames_max.min(count - done));
            self.block.resize(frames * frame_bytes, 0);
            self.input.fill(self.samples_at + first * frame_bytes as u64, &mut self.block, NAME)?;
            let begin = out.len();
            convert(self.format.coding, &self.block, out);
            if matches!(self.format.coding, Coding::F32 | Coding::F64) {
                check_finite(&out[begin..], self.format.channels, first)?;
            }
            done += frames;
        }
        Ok(())
    }
}

/// The format, and where the samples lie: their first byte, and how many bytes.
fn walk(input: &mut Input, start: u64) -> Result<(Format, u64, u64), MediaError> {
    let damaged = |why: &str| MediaError::Damaged { format: NAME, why: why.into() };
    let riff = input.at(start, 12)?;
    if riff.starts_with(b"RIFX") {
        return Err(MediaError::Unsupported { format: NAME, why: "numbers with the high byte first".into() });
    }
    let (mut at, mut format, mut samples, mut long) = (start + 12, None, None, None);
    for _ in 0..CHUNKS_MAX {
        let head = input.at(at, 8)?;
        let (Some(name), Some(size)) = (head.get(..4), u32_at(&head, 4)) else { break };
        let body = at + 8;
        let mut bytes = u64::from(size);
        match name {
            b"fmt " => format = Some(parse_format(&input.at(body, 40.min(size as usize))?)?),
            b"ds64" => long = u64_at(&input.at(body, 24)?, 8),
            b"data" => {
                if size == SIZE_UNKNOWN {
                    bytes = long.unwrap_or(bytes);
                }
                samples = Some((body, bytes));
            }
            _ => {}
        }
        if let (Some(_), Some((samples_at, bytes))) = (&format, samples) {
            return format.map(|format| (format, samples_at, bytes)).ok_or(MediaError::CutOff(NAME));
        }
        // Chunks begin at even places.
        at = body
            .checked_add(bytes)
            .and_then(|end| end.checked_add(bytes % 2))
            .ok_or(MediaError::CutOff(NAME))?;
        if at > input.len {
            return Err(MediaError::CutOff(NAME));
        }
    }
    match (format, samples) {
        (None, Some(_)) => Err(damaged("it does not say how its samples are written")),
        // The end came before the samples.
        _ => Err(MediaError::CutOff(NAME)),
    }
}

fn parse_format(chunk: &[u8]) -> Result<Format, MediaError> {
    let damaged = |why: String| MediaError::Damaged { format: NAME, why };
    let unsupported = |why: String| MediaError::Unsupported { format: NAME, why };
    let (Some(mut tag), Some(channels), Some(rate_hz), Some(frame_bytes), Some(bits)) =
        (u16_at(chunk, 0), u16_at(chunk, 2), u32_at(chunk, 4), u16_at(chunk, 12), u16_at(chunk, 14))
    else {
        return Err(damaged("its format chunk is too short".into()));
    };
    if tag == 0xFFFE {
        // The extensible form: the tag is the beginning of a longer identifier.
        tag = u16_at(chunk, 24).ok_or_else(|| damaged("its format chunk is too short".into()))?;
    }
    if channels == 0 {
        return Err(MediaError::Channels { channels: 0 });
    }
    if frame_bytes % channels != 0 {
        return Err(damaged(format!("{channels} channels do not fit into {frame_bytes} bytes")));
    }
    // Samples of odd widths are filled up to whole bytes below: the container counts.
    let coding = match (tag, frame_bytes / channels) {
        (1, 1) => Coding::U8,
        (1, 2) => Coding::I16,
        (1, 3) => Coding::I24,
        (1, 4) => Coding::I32,
        (3, 4) => Coding::F32,
        (3, 8) => Coding::F64,
        (6, 1) => Coding::ALaw,
        (7, 1) => Coding::MuLaw,
        (1 | 3 | 6 | 7, bytes) => {
            return Err(unsupported(format!("{bits} bits in {bytes} bytes a sample")));
        }
        (tag, _) => return Err(unsupported(format!("compression number {tag}"))),
    };
    Ok(Format { coding, channels: u32::from(channels), rate_hz })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Appends whole samples.
fn convert(coding: Coding, bytes: &[u8], out: &mut Vec<f32>) {
    fn each<const N: usize>(bytes: &[u8], out: &mut Vec<f32>, sample: impl Fn([u8; N]) -> f32) {
        out.extend(bytes.as_chunks::<N>().0.iter().map(|&bytes| sample(bytes)));
    }
    #[expect(clippy::cast_possible_truncation, reason = "samples are kept in single precision")]
    match coding {
        Coding::U8 => each(bytes, out, |[byte]: [u8; 1]| (f32::from(byte) - 128.0) / 128.0),
        Coding::I16 => each(bytes, out, |pair| f32::from(i16::from_le_bytes(pair)) / 32_768.0),
        Coding::I24 => {
            each(bytes, out, |[a, b, c]: [u8; 3]| i32::from_le_bytes([0, a, b, c]) as f32 / 2_147_483_648.0);
        }
        Coding::I32 => each(bytes, out, |four| i32::from_le_bytes(four) as f32 / 2_147_483_648.0),
        Coding::F32 => each(bytes, out, f32::from_le_bytes),
        Coding::F64 => each(bytes, out, |eight| f64::from_le_bytes(eight) as f32),
        Coding::ALaw => each(bytes, out, |[byte]: [u8; 1]| a_law(byte)),
        Coding::MuLaw => each(bytes, out, |[byte]: [u8; 1]| mu_law(byte)),
    }
}

/// ITU-T G.711, even bits inverted: 13 bits, here on the scale of 16.
fn a_law(byte: u8) -> f32 {
    let code = byte ^ 0x55;
    let (exponent, mantissa) = (u32::from(code >> 4 & 7), u32::from(code & 15));
    let level = if exponent == 0 { mantissa * 16 + 8 } else { (mantissa * 16 + 264) << (exponent - 1) };
    let level = level as f32 / 32_768.0;
    if code & 0x80 == 0 { -level } else { level }
}

/// ITU-T G.711, all bits inverted: 14 bits, here on the scale of 16.
fn mu_law(byte: u8) -> f32 {
    let code = !byte;
    let (exponent, mantissa) = (u32::from(code >> 4 & 7), u32::from(code & 15));
    let level = (((mantissa * 8 + 132) << exponent) - 132) as f32 / 32_768.0;
    if code & 0x80 == 0 { level } else { -level }
}
