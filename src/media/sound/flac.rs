//! The frames of a FLAC file: found by their numbers and checksums, so that none is skipped and any
//! of hours is found by halving.

use super::source::Input;
use crate::media::MediaError;
use symphonia::core::audio::{Channels, Position};
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

const NAME: &str = "FLAC";
/// Of a frame with eight channels of 32 bits and the longest block.
const FRAME_BYTES_MAX: usize = 3 << 20;
const WINDOW_BYTES: usize = 1 << 17;
/// What a header takes at most.
const HEAD_BYTES: usize = 16;
/// Below this halving stops and frames are followed one by one.
const NEAR_BYTES: u64 = 1 << 17;
/// Headers inside of which a checksum does not fit, before a search gives up: in compressed sound such bytes
/// turn up once in megabytes, in bytes that somebody made everywhere.
const FALSE_HEADS_MAX: usize = 64;
/// A tag that players put behind the sound.
const TAG_BYTES: u64 = 128;

/// What the header of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    /// The first sample of each channel, and how many.
    begin: u64,
    frames: u64,
}

struct StreamInfo {
    block: u64,
    total: u64,
    codec: AudioCodecParameters,
}

pub(super) struct Flac<'s> {
    input: Input<'s>,
    info: StreamInfo,
    /// Where the frames begin and end.
    begin_at: u64,
    end_at: u64,
    total: u64,
    /// Where the next frame lies, and its first sample.
    at: u64,
    next: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl<'s> Flac<'s> {
    pub(super) fn open(mut input: Input<'s>, start: u64) -> Result<Self, MediaError> {
        let (info, begin_at) = walk(&mut input, start)?;
        let mut end_at = input.len;
        if end_at >= begin_at + TAG_BYTES && input.at(end_at - TAG_BYTES, 3)? == b"TAG" {
            end_at -= TAG_BYTES;
        }
        let total = info.total;
        let mut flac = Self {
            input,
            info,
            begin_at,
            end_at,
            total,
            at: begin_at,
            next: 0,
            window: Vec::new(),
            window_at: 0,
        };
        if total == 0 {
            flac.total = flac.last_frame()?;
        }
        Ok(flac)
    }

    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    pub(super) const fn codec(&self) -> &AudioCodecParameters {
        &self.info.codec
    }

    pub(super) fn next(&mut self) -> Result<Option<Packet>, MediaError> {
        if self.next >= self.total {
            return Ok(None);
        }
        let (at, next) = (self.at, self.next);
        let head = self.head(at)?.filter(|head| head.begin == next);
        let head =
            head.ok_or_else(|| if at >= self.end_at { MediaError::CutOff(NAME) } else { damaged(next) })?;
        let count = self.frame_bytes(at, head)?.ok_or_else(|| damaged(next))?;
        let bytes = self.bytes(at, count)?.to_vec();
        (self.at, self.next) = (at + count as u64, next + head.frames);
        let time = Timestamp::new(i64::try_from(head.begin).unwrap_or(i64::MAX));
        Ok(Some(Packet::new(0, time, Duration::new(head.frames), bytes)))
    }

    /// Goes to the frame with a sample; returns its first sample.
    pub(super) fn seek(&mut self, sample: u64) -> Result<u64, MediaError> {
        let (mut low, mut high) = ((self.begin_at, 0), self.end_at);
        while high - low.0 > NEAR_BYTES {
            let middle = u64::midpoint(low.0, high);
            match self.first_frame(middle, high)? {
                Some((at, head)) if head.begin <= sample => low = (at, head.begin),
                _ => high = middle,
            }
        }
        (self.at, self.next) = low;
        loop {
            let here = (self.at, self.next);
            let is_behind = self.next()?.is_some() && self.next <= sample;
            if !is_behind {
                (self.at, self.next) = here;
                return Ok(here.1);
            }
        }
    }

    /// The first whole frame that begins in a range.
    fn first_frame(&mut self, from: u64, to: u64) -> Result<Option<(u64, Head)>, MediaError> {
        let (mut at, mut tried) = (from, 0);
        while at < to {
            if let Some(head) = self.head(at)? {
                if self.frame_bytes(at, head)?.is_some() {
                    return Ok(Some((at, head)));
                }
                tried += 1;
                if tried > FALSE_HEADS_MAX {
                    return Err(damaged(head.begin));
                }
            }
            at = self.next_sync(at + 1)?;
        }
        Ok(None)
    }

    /// How many samples there are, by the last frame whose checksum is right at the very end: for
    /// files written to a pipe, which do not say it.
    fn last_frame(&mut self) -> Result<u64, MediaError> {
        let mut at = self.end_at.saturating_sub(FRAME_BYTES_MAX as u64).max(self.begin_at);
        let mut heads = Vec::new();
        while at < self.end_at {
            heads.extend(self.head(at)?.map(|head| (at, head)));
            at = self.next_sync(at + 1)?;
        }
        for (at, head) in heads.into_iter().rev().take(FALSE_HEADS_MAX) {
            let count = usize::try_from(self.end_at - at).unwrap_or(usize::MAX);
            if crc16(0, self.bytes(at, count)?) == 0 {
                return Ok(head.begin + head.frames);
            }
        }
        Err(MediaError::CutOff(NAME))
    }

    /// The bytes of the frame that begins here: up to the header of the next, or the end of the file.
    /// `None` where no checksum fits.
    fn frame_bytes(&mut self, at: u64, head: Head) -> Result<Option<usize>, MediaError> {
        let mut end = self.next_sync(at + 1)?;
        // Of the bytes up to `summed`.
        let (mut crc, mut summed) = (0, at);
        while end - at <= FRAME_BYTES_MAX as u64 {
            let is_end = end >= self.end_at;
            let is_next =
                is_end || self.head(end)?.is_some_and(|next| next.begin == head.begin + head.frames);
            if is_next {
                let more = usize::try_from(end - summed).unwrap_or(usize::MAX);
                (crc, summed) = (crc16(crc, self.bytes(summed, more)?), end);
                if crc == 0 {
                    return Ok(usize::try_from(end - at).ok());
                }
            }
            if is_end {
                let is_last = head.begin + head.frames >= self.total;
                return if is_last || self.total == 0 { Err(MediaError::CutOff(NAME)) } else { Ok(None) };
            }
            end = self.next_sync(end + 1)?;
        }
        Ok(None)
    }

    fn head(&mut self, at: u64) -> Result<Option<Head>, MediaError> {
        let block = self.info.block;
        Ok(parse(self.bytes(at, HEAD_BYTES)?, block))
    }

    /// The next place where a header may begin; the end of the frames if there is none.
    fn next_sync(&mut self, mut at: u64) -> Result<u64, MediaError> {
        while at < self.end_at {
            let bytes = self.bytes(at, 2)?;
            let found = bytes.len() == 2 && bytes[0] == 0xFF && bytes[1] & 0xFE == 0xF8;
            if found {
                return Ok(at);
            }
            let from = usize::try_from(at - self.window_at).unwrap_or(usize::MAX);
            let ahead = self.window.get(from + 1..).unwrap_or_default();
            at += 1 + ahead.iter().position(|&byte| byte == 0xFF).unwrap_or(ahead.len()) as u64;
        }
        Ok(self.end_at)
    }

    /// The bytes at a position, fewer at the end of the frames.
    fn bytes(&mut self, at: u64, count: usize) -> Result<&[u8], MediaError> {
        let end = (at + count as u64).min(self.end_at);
        if at < self.window_at || end > self.window_at + self.window.len() as u64 {
            self.window = self.input.at(at, WINDOW_BYTES.max(count + WINDOW_BYTES / 2))?;
            self.window_at = at;
        }
        let from = usize::try_from(at - self.window_at).unwrap_or(usize::MAX).min(self.window.len());
        let count = usize::try_from(end.saturating_sub(at)).unwrap_or(0);
        Ok(&self.window[from..self.window.len().min(from + count)])
    }
}

fn damaged(sample: u64) -> MediaError {
    MediaError::Damaged {
        format: NAME,
        why: format!("what follows frame {sample} does not fit its checksum"),
    }
}

/// The blocks in front of the frames: what the first says, and where they end.
fn walk(input: &mut Input, start: u64) -> Result<(StreamInfo, u64), MediaError> {
    let (mut at, mut info) = (start + 4, None);
    loop {
        let head = input.at(at, 4)?;
        let &[kind, a, b, c] = head.as_slice() else { return Err(MediaError::CutOff(NAME)) };
        let size = u32::from_be_bytes([0, a, b, c]);
        if kind.trailing_zeros() >= 7 {
            let mut body = [0; 34];
            input.fill(at + 4, &mut body, NAME)?;
            info = Some(stream_info(&body));
        }
        at += 4 + u64::from(size);
        if at > input.len {
            return Err(MediaError::CutOff(NAME));
        }
        if kind & 0x80 != 0 {
            break;
        }
    }
    let info =
        info.ok_or_else(|| MediaError::Damaged { format: NAME, why: "it does not say its rate".into() })?;
    Ok((info, at))
}

fn stream_info(body: &[u8; 34]) -> StreamInfo {
    let packed = body[10..18].iter().fold(0_u64, |all, &byte| all << 8 | u64::from(byte));
    let (rate_hz, count, bits) = (packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1);
    let channels = u32::try_from(count).ok().and_then(Position::from_count).map(Channels::Positioned);
    let mut codec = AudioCodecParameters::new();
    codec
        .for_codec(CODEC_ID_FLAC)
        .with_extra_data(body.to_vec().into())
        .with_sample_rate(u32::try_from(rate_hz).unwrap_or(0))
        .with_bits_per_sample(u32::try_from(bits).unwrap_or(0));
    if let Some(channels) = channels {
        codec.with_channels(channels);
    }
    let block = u64::from(u16::from_be_bytes([body[0], body[1]]));
    StreamInfo { block, total: packed & ((1 << 36) - 1), codec }
}

/// A frame's header, when its checksum is right. `block` is the length of all blocks where they are numbered.
fn parse(bytes: &[u8], block: u64) -> Option<Head> {
    let &[0xFF, second, third, ..] = bytes else { return None };
    if second & 0xFE != 0xF8 {
        return None;
    }
    let (number, digits) = number(bytes.get(4..)?)?;
    let mut at = 4 + digits;
    let code = third >> 4;
    let extra = |count: usize| {
        Some(bytes.get(at..at + count)?.iter().fold(0, |all, &byte| all << 8 | u64::from(byte)))
    };
    let frames = match code {
        1 => 192,
        2..=5 => 576 << (code - 2),
        6 => extra(1)? + 1,
        7 => extra(2)? + 1,
        8..=15 => 256 << (code - 8),
        _ => return None,
    };
    at += match code {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    at += match third & 15 {
        12 => 1,
        13 | 14 => 2,
        15 => return None,
        _ => 0,
    };
    if crc8(bytes.get(..=at)?) != 0 {
        return None;
    }
    // Blocks of one length are numbered, others say their first sample.
    let begin = if second & 1 == 0 { number * block } else { number };
    Some(Head { begin, frames })
}

/// A number in the manner of UTF-8, and how many bytes it takes.
fn number(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let count = match first.leading_ones() as usize {
        0 => return Some((u64::from(first), 1)),
        count @ 2..=7 => count,
        _ => return None,
    };
    let lead = if count == 7 { 0 } else { u64::from(first & (0x7F >> count)) };
    let rest = bytes.get(1..count)?;
    let is_right = rest.iter().all(|byte| byte & 0xC0 == 0x80);
    is_right.then(|| (rest.iter().fold(lead, |all, byte| all << 6 | u64::from(byte & 0x3F)), count))
}

/// Over data and checksum together it is 0 where they fit.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 })
    })
}

/// Likewise; by a table, since every byte of the file goes through it.
fn crc16(before: u16, bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            #[expect(clippy::cast_possible_truncation, reason = "at most 255")]
            let mut crc = (at as u16) << 8;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 };
                bit += 1;
            }
            table[at] = crc;
            at += 1;
        }
        table
    };
    bytes.iter().fold(before, |crc: u16, byte| crc << 8 ^ TABLE[usize::from((crc >> 8) ^ u16::from(*byte))])
}
