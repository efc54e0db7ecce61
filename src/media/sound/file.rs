//! A sound of any length, read at any position.

use super::check_shape;
use super::packets::Packets;
use super::source::{Input, Kind, SoundSource};
use super::wave::Wave;
use crate::media::MediaError;
use crate::media::decode::guarded;

/// A sound that stays where it is: hours need no memory. Reads give the same samples, bit for bit,
/// as [`super::decode_sound`] in whatever order they come.
pub struct SoundFile {
    stream: Stream<'static>,
}

impl SoundFile {
    /// Reads the header, and for MP3 and plain AAC the places of all frames.
    pub fn new(source: impl SoundSource + 'static) -> Result<Self, MediaError> {
        Ok(Self { stream: Stream::new(Box::new(source), false)? })
    }

    pub fn rate_hz(&self) -> u32 {
        self.stream.rate_hz()
    }

    pub fn channels(&self) -> u32 {
        self.stream.channels()
    }

    /// Exact, and what encoders put before and behind the sound is not counted.
    pub fn frames(&self) -> u64 {
        self.stream.frames()
    }

    pub fn secs(&self) -> f64 {
        self.frames() as f64 / f64::from(self.rate_hz())
    }

    /// Replaces `out` by the samples, interleaved, of `count` frames from `frame` on: fewer at the end.
    pub fn read(&mut self, frame: u64, count: usize, out: &mut Vec<f32>) -> Result<(), MediaError> {
        out.clear();
        let left = self.frames().saturating_sub(frame);
        let count = count.min(usize::try_from(left).unwrap_or(usize::MAX));
        self.stream.read(frame, count, out)
    }
}

/// What both ways of reading share.
pub(super) struct Stream<'s> {
    name: &'static str,
    inner: Inner<'s>,
}

enum Inner<'s> {
    Wave(Wave<'s>),
    Packets(Box<Packets<'s>>),
}

impl<'s> Stream<'s> {
    /// `from_start_to_end`: whether all of it will be read in order, so that a checksum can be.
    pub(super) fn new(
        source: Box<dyn SoundSource + 's>,
        from_start_to_end: bool,
    ) -> Result<Self, MediaError> {
        let mut input = Input::new(source)?;
        let (kind, start) = input.kind()?;
        let name = kind.name();
        let inner = guarded(name, || {
            Ok(match kind {
                Kind::Wave => Inner::Wave(Wave::open(input, start)?),
                _ => Inner::Packets(Box::new(Packets::open(input, kind, start, from_start_to_end)?)),
            })
        })?;
        let stream = Self { name, inner };
        check_shape(stream.rate_hz(), stream.channels(), stream.frames())?;
        Ok(stream)
    }

    pub(super) fn rate_hz(&self) -> u32 {
        match &self.inner {
            Inner::Wave(wave) => wave.rate_hz(),
            Inner::Packets(packets) => packets.rate_hz(),
        }
    }

    pub(super) fn channels(&self) -> u32 {
        match &self.inner {
            Inner::Wave(wave) => wave.channels(),
            Inner::Packets(packets) => packets.channels(),
        }
    }

    pub(super) fn frames(&self) -> u64 {
        match &self.inner {
            Inner::Wave(wave) => wave.frames(),
            Inner::Packets(packets) => packets.frames(),
        }
    }

    /// Appends `count` frames from `frame` on, all of which exist.
    pub(super) fn read(&mut self, frame: u64, count: usize, out: &mut Vec<f32>) -> Result<(), MediaError> {
        guarded(self.name, || match &mut self.inner {
            Inner::Wave(wave) => wave.read(frame, count, out),
            Inner::Packets(packets) => packets.read(frame, count, out),
        })
    }

    /// After everything was read in order: whether it is what was written.
    pub(super) fn finish(&mut self) -> Result<(), MediaError> {
        guarded(self.name, || match &mut self.inner {
            Inner::Wave(_) => Ok(()),
            Inner::Packets(packets) => packets.finish(),
        })
    }
}
