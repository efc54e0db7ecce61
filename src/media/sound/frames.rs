//! MP3 and plain AAC (ADTS): frames one after the other, without a container.
//!
//! All are walked over once, so that their number and places are known: a demultiplexer that
//! looks for the next frame behind damage would lose time without a word.

use super::source::Input;
use crate::media::MediaError;
use crate::media::sniff::{FrameHead, adts_head, mpeg_head};
use symphonia::core::audio::{Channels, layouts};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

/// Every so many frames the place is kept; the others are found from there.
const STEP: u64 = 16;
/// Read at a time while walking.
const WINDOW_BYTES: usize = 1 << 18;
/// Zeros behind the last frame, as some recorders leave them.
const ZEROS_BYTES_MAX: u64 = 1 << 20;
/// What a decoder adds before the first sample, beside the encoder's own delay.
const DECODER_DELAY: u32 = 529;

pub(super) struct Frames<'s> {
    name: &'static str,
    input: Input<'s>,
    is_adts: bool,
    /// Where frames 0, 16, 32 … lie.
    places: Vec<u64>,
    packets: u64,
    head: FrameHead,
    /// Frames of sound to be cut off before and behind.
    padding: (u32, u32),
    next: u64,
    next_at: u64,
}

impl<'s> Frames<'s> {
    pub(super) fn open(input: Input<'s>, is_adts: bool, start: u64) -> Result<Self, MediaError> {
        let name = if is_adts { "AAC" } else { "MP3" };
        let mut walk = Walk { input, window: Vec::new(), window_at: 0, name, is_adts };
        let head = walk.head(start)?.ok_or(MediaError::CutOff(name))?;
        if start + head.bytes as u64 > walk.input.len {
            return Err(MediaError::CutOff(name));
        }
        if head.channels == 0 {
            let why = "channels that are described elsewhere".into();
            return Err(MediaError::Unsupported { format: name, why });
        }
        let info = if is_adts { None } else { Info::parse(walk.bytes(start, head.bytes)?, head) };
        let first = if info.is_some() { start + head.bytes as u64 } else { start };
        let (places, packets) = walk.places(first, head)?;
        let info = info.unwrap_or_default();
        if info.packets.is_some_and(|announced| packets < announced) {
            return Err(MediaError::CutOff(name));
        }
        if packets == 0 {
            return Err(MediaError::NoSamples);
        }
        let padding = (info.delay, info.padding);
        let input = walk.input;
        Ok(Self { name, input, is_adts, places, packets, head, padding, next: 0, next_at: first })
    }

    pub(super) const fn packets(&self) -> u64 {
        self.packets
    }

    pub(super) const fn packet_frames(&self) -> u32 {
        self.head.frames
    }

    pub(super) const fn rate_hz(&self) -> u32 {
        self.head.rate_hz
    }

    pub(super) const fn padding(&self) -> (u32, u32) {
        self.padding
    }

    pub(super) fn channels(&self) -> Channels {
        match self.head.channels {
            1 => layouts::CHANNEL_LAYOUT_MONO,
            2 => layouts::CHANNEL_LAYOUT_STEREO,
            count => Channels::Discrete(u16::try_from(count).unwrap_or(u16::MAX)),
        }
    }

    /// Goes to the packet at or before a time; returns its time.
    pub(super) fn seek(&mut self, time: i64) -> i64 {
        let frames = i64::from(self.head.frames.max(1));
        let packet = u64::try_from(time.max(0) / frames).unwrap_or(0) / STEP * STEP;
        let place = usize::try_from(packet / STEP).unwrap_or(usize::MAX).min(self.places.len() - 1);
        self.next = place as u64 * STEP;
        self.next_at = self.places[place];
        i64::try_from(self.next).unwrap_or(0) * frames
    }

    pub(super) fn next(&mut self) -> Result<Option<Packet>, MediaError> {
        if self.next >= self.packets {
            return Ok(None);
        }
        let head = parse(&self.input.at(self.next_at, 16)?, self.is_adts);
        let head = head.ok_or(MediaError::CutOff(self.name))?;
        let mut bytes = vec![0; head.bytes];
        self.input.fill(self.next_at, &mut bytes, self.name)?;
        if self.is_adts {
            bytes.drain(..head.head_bytes);
        }
        let frames = u64::from(head.frames);
        let time = Timestamp::new(i64::try_from(self.next * frames).unwrap_or(i64::MAX));
        self.next += 1;
        self.next_at += head.bytes as u64;
        Ok(Some(Packet::new(0, time, Duration::new(frames), bytes)))
    }
}

/// Reads ahead while headers are followed.
struct Walk<'s> {
    input: Input<'s>,
    window: Vec<u8>,
    window_at: u64,
    name: &'static str,
    is_adts: bool,
}

impl Walk<'_> {
    /// The bytes at a position, fewer at the end of the file.
    fn bytes(&mut self, at: u64, count: usize) -> Result<&[u8], MediaError> {
        let end = at + count as u64;
        if at < self.window_at || end > self.window_at + self.window.len() as u64 {
            self.window = self.input.at(at, WINDOW_BYTES.max(count))?;
            self.window_at = at;
        }
        let from = usize::try_from(at - self.window_at).unwrap_or(usize::MAX).min(self.window.len());
        Ok(&self.window[from..self.window.len().min(from.saturating_add(count))])
    }

    fn head(&mut self, at: u64) -> Result<Option<FrameHead>, MediaError> {
        let is_adts = self.is_adts;
        Ok(parse(self.bytes(at, 16)?, is_adts))
    }

    /// Places and number of all frames, which must be like the first and follow without a gap.
    fn places(&mut self, first: u64, like: FrameHead) -> Result<(Vec<u64>, u64), MediaError> {
        let (mut places, mut packets, mut at) = (Vec::new(), 0, first);
        while at < self.input.len {
            let Some(head) = self.head(at)? else {
                if self.is_trailer(at)? {
                    break;
                }
                let why = format!("byte {at} does not begin a frame");
                return Err(MediaError::Damaged { format: self.name, why });
            };
            if at + head.bytes as u64 > self.input.len {
                return Err(MediaError::CutOff(self.name));
            }
            if (head.rate_hz, head.channels, head.frames) != (like.rate_hz, like.channels, like.frames) {
                let why = "its rate or channels change on the way".into();
                return Err(MediaError::Unsupported { format: self.name, why });
            }
            if packets % STEP == 0 {
                places.push(at);
            }
            packets += 1;
            at += head.bytes as u64;
        }
        Ok((places, packets))
    }

    /// Whether tags or zeros follow to the end, or a last header that is cut: that one is an error.
    fn is_trailer(&mut self, at: u64) -> Result<bool, MediaError> {
        let left = self.input.len - at;
        let name = self.name;
        let head = self.bytes(at, 16)?;
        if [&b"TAG"[..], b"APETAGEX", b"LYRICSBEGIN", b"ID3"].iter().any(|tag| head.starts_with(tag)) {
            return Ok(true);
        }
        if left <= ZEROS_BYTES_MAX {
            let rest = self.bytes(at, usize::try_from(left).unwrap_or(0))?;
            if rest.iter().all(|&byte| byte == 0) {
                return Ok(true);
            }
            if rest.len() < 9 && rest[0] == 0xFF {
                return Err(MediaError::CutOff(name));
            }
        }
        Ok(false)
    }
}

fn parse(bytes: &[u8], is_adts: bool) -> Option<FrameHead> {
    if is_adts { adts_head(bytes) } else { mpeg_head(bytes) }
}

/// The first frame of most MP3 files holds no sound but says how much there is.
#[derive(Clone, Copy, Debug, Default)]
struct Info {
    packets: Option<u64>,
    delay: u32,
    padding: u32,
}

impl Info {
    fn parse(frame: &[u8], head: FrameHead) -> Option<Self> {
        let u32_at = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
        if frame.get(36..40)? == b"VBRI" {
            return Some(Self { packets: u32_at(50).map(u64::from), ..Self::default() });
        }
        let is_long = head.frames == 1_152;
        let side_bytes = match (is_long, head.channels) {
            (true, 1) | (false, 2) => 17,
            (true, _) => 32,
            (false, _) => 9,
        };
        let tag = 4 + side_bytes;
        if !matches!(frame.get(tag..tag + 4)?, b"Xing" | b"Info") {
            return None;
        }
        let flags = u32_at(tag + 4)?;
        let packets = (flags & 1 != 0).then(|| u32_at(tag + 8)).flatten().map(u64::from);
        let fields = [(1, 4), (2, 4), (4, 100), (8, 4)];
        let encoder = tag
            + 8
            + fields.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, bytes)| bytes).sum::<usize>();
        let mut info = Self { packets, ..Self::default() };
        let is_dated =
            frame.get(encoder..encoder + 4).is_some_and(|name| matches!(name, b"LAME" | b"Lavf" | b"Lavc"));
        if is_dated && let Some(&[a, b, c]) = frame.get(encoder + 21..encoder + 24) {
            let both = u32::from_be_bytes([0, a, b, c]);
            info.delay = (both >> 12) + DECODER_DELAY;
            info.padding = (both & 0xFFF).saturating_sub(DECODER_DELAY);
        }
        Some(info)
    }
}
