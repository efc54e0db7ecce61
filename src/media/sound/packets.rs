//! Compressed sound: packets in, samples at exact positions out.
//!
//! Three things make positions exact. What an encoder put before and behind the sound is cut off.
//! After a jump decoding begins early enough for the overlap of packets to be right again. And a
//! decoder that carries more than that along (the noise of AAC) begins anew at fixed places, so
//! that samples depend on their position alone.

use super::check_finite;
use super::flac::Flac;
use super::frames::Frames;
use super::source::{Input, Kind};
use super::{mp4, ogg};
use crate::media::MediaError;
use crate::media::decode::one_line;
use std::io::{ErrorKind, Seek, SeekFrom};
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_MP3};
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, SeekMode, SeekTo, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::packet::Packet;
use symphonia::core::units::Timestamp;
use symphonia::default::formats::{AiffReader, IsoMp4Reader, OggReader};
use symphonia::default::get_codecs;

/// What lies less than this ahead is decoded up to, not jumped to.
const AHEAD_FRAMES: i64 = 16_384;
/// AAC packets have this many frames.
const AAC_FRAMES: i64 = 1_024;
/// Where AAC begins anew: a jump decodes at most as much for nothing, some 25 ms of work.
const AAC_RESTART_FRAMES: i64 = 256 * AAC_FRAMES;
/// An MP3 frame uses up to 511 bytes of the frames before it, of which the smallest hold ten.
const MP3_EARLY_FRAMES: i64 = 52 * 1_152;

pub(super) struct Packets<'s> {
    name: &'static str,
    source: Source<'s>,
    codec: AudioCodecParameters,
    options: AudioDecoderOptions,
    decoder: Box<dyn AudioDecoder>,
    shape: Shape,
    block: Block,
    /// Where decoding last began anew.
    restarted: i64,
    scratch: Vec<f32>,
}

enum Source<'s> {
    Container { reader: Box<dyn FormatReader + 's>, track: u32 },
    Frames(Frames<'s>),
    Flac(Flac<'s>),
}

/// On the clock of the packets, which counts frames.
#[derive(Clone, Copy, Debug)]
struct Shape {
    rate_hz: u32,
    channels: u32,
    /// Where the sound begins, and where it ends.
    begin: i64,
    end: i64,
    /// The first packet's time: nothing can be sought before it.
    first: i64,
    jump: Jump,
}

/// Where decoding has to begin so that a position comes out right.
#[derive(Clone, Copy, Debug)]
enum Jump {
    /// This many frames before it.
    Early(i64),
    /// At the last multiple before it, and one packet earlier for the overlap.
    Restart { every: i64, overlap: i64 },
    /// In Ogg, where only the end of a page is dated: never directly into the last page.
    Pages { last_begin: i64 },
}

impl Jump {
    fn target(self, at: i64) -> i64 {
        match self {
            Self::Early(frames) => at - frames,
            Self::Restart { every, overlap } => at.div_euclid(every) * every - overlap,
            Self::Pages { last_begin } => at.min(last_begin) - ogg::EARLY_FRAMES,
        }
    }
}

/// What was decoded last.
#[derive(Default)]
struct Block {
    samples: Vec<f32>,
    begin: i64,
    end: i64,
    /// Whether the next packet must follow without a gap.
    is_joined: bool,
}

impl<'s> Packets<'s> {
    pub(super) fn open(
        input: Input<'s>,
        kind: Kind,
        start: u64,
        from_start_to_end: bool,
    ) -> Result<Self, MediaError> {
        match kind {
            Kind::Mp3 | Kind::Adts => Self::of_frames(input, kind, start),
            Kind::Flac => Self::of_flac(input, start, from_start_to_end),
            _ => Self::of_container(input, kind, start),
        }
    }

    fn of_frames(input: Input<'s>, kind: Kind, start: u64) -> Result<Self, MediaError> {
        let frames = Frames::open(input, kind == Kind::Adts, start)?;
        let packet = i64::from(frames.packet_frames());
        let end = packet.saturating_mul(i64::try_from(frames.packets()).unwrap_or(i64::MAX));
        let mut codec = AudioCodecParameters::new();
        codec.with_sample_rate(frames.rate_hz()).with_channels(frames.channels());
        let jump = if kind == Kind::Adts {
            codec.for_codec(CODEC_ID_AAC);
            Jump::Restart { every: AAC_RESTART_FRAMES, overlap: AAC_FRAMES }
        } else {
            codec.for_codec(CODEC_ID_MP3);
            Jump::Early(MP3_EARLY_FRAMES)
        };
        let (delay, padding) = frames.padding();
        let shape = Shape {
            rate_hz: frames.rate_hz(),
            channels: channels_of(&codec),
            begin: i64::from(delay),
            end: (end - i64::from(padding)).max(i64::from(delay)),
            first: 0,
            jump,
        };
        let options = AudioDecoderOptions::default().gapless(false);
        Self::new(kind.name(), Source::Frames(frames), codec, options, shape)
    }

    fn of_flac(input: Input<'s>, start: u64, from_start_to_end: bool) -> Result<Self, MediaError> {
        let flac = Flac::open(input, start)?;
        let codec = flac.codec().clone();
        let shape = Shape {
            rate_hz: codec.sample_rate.unwrap_or(0),
            channels: channels_of(&codec),
            begin: 0,
            end: i64::try_from(flac.total()).unwrap_or(i64::MAX),
            first: 0,
            jump: Jump::Early(0),
        };
        let options = AudioDecoderOptions::default().gapless(false).verify(from_start_to_end);
        Self::new(Kind::Flac.name(), Source::Flac(flac), codec, options, shape)
    }

    fn of_container(mut input: Input<'s>, kind: Kind, start: u64) -> Result<Self, MediaError> {
        let name = kind.name();
        let mut jump = Jump::Early(0);
        let mut edit = None;
        match kind {
            Kind::Ogg => jump = Jump::Pages { last_begin: ogg::check(&mut input, start)? },
            Kind::Mp4 => edit = mp4::edit(&mut input, start)?,
            _ => {}
        }
        // The MP4 reader steps back over the size in front of the name, which it expects to be read.
        let skip = if kind == Kind::Mp4 { 4 } else { 0 };
        input.seek(SeekFrom::Start(start + skip)).map_err(|error| super::source::unreadable(&error))?;
        let reader = container(input, kind).map_err(|error| failed(&error, name))?;
        let track = reader.default_track(TrackType::Audio).cloned();
        let track = track.ok_or_else(|| unsupported(name, "a coding that is not known"))?;
        let Some(CodecParameters::Audio(codec)) = track.codec_params.clone() else {
            return Err(unsupported(name, "a coding that is not known"));
        };
        if codec.codec == CODEC_ID_AAC {
            jump = Jump::Restart { every: AAC_RESTART_FRAMES, overlap: AAC_FRAMES };
        }
        let rate_hz = codec.sample_rate.unwrap_or(0);
        check_clock(&track, rate_hz, name)?;
        let first = track.start_ts.get();
        let mut begin = first.max(0);
        let mut end = match track.num_frames.filter(|&frames| frames > 0) {
            Some(frames) => i64::try_from(frames).unwrap_or(i64::MAX),
            None => return Err(unsupported(name, "an unknown length")),
        };
        if let Some(edit) = edit {
            begin = edit.begin;
            end = edit.end(rate_hz, end);
        }
        let shape = Shape { rate_hz, channels: channels_of(&codec), begin, end: end.max(begin), first, jump };
        // Ogg marks at its packets what is to be left out.
        let options = AudioDecoderOptions::default().gapless(kind == Kind::Ogg);
        Self::new(name, Source::Container { reader, track: track.id }, codec, options, shape)
    }

    fn new(
        name: &'static str,
        source: Source<'s>,
        codec: AudioCodecParameters,
        options: AudioDecoderOptions,
        shape: Shape,
    ) -> Result<Self, MediaError> {
        let decoder = make_decoder(&codec, options, name)?;
        let block = Block { begin: shape.first, end: shape.first, is_joined: true, ..Block::default() };
        let restarted = shape.first;
        Ok(Self { name, source, codec, options, decoder, shape, block, restarted, scratch: Vec::new() })
    }

    pub(super) const fn rate_hz(&self) -> u32 {
        self.shape.rate_hz
    }

    pub(super) const fn channels(&self) -> u32 {
        self.shape.channels
    }

    pub(super) fn frames(&self) -> u64 {
        u64::try_from(self.shape.end - self.shape.begin).unwrap_or(0)
    }

    /// Appends `count` frames from `frame` on, all of which exist.
    pub(super) fn read(&mut self, frame: u64, count: usize, out: &mut Vec<f32>) -> Result<(), MediaError> {
        let first = out.len();
        let mut at = self.shape.begin.saturating_add(i64::try_from(frame).unwrap_or(i64::MAX));
        let end = at.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
        if at < self.block.begin || at - self.block.end > AHEAD_FRAMES {
            self.jump(at)?;
        }
        while at < end {
            if at < self.block.begin {
                return Err(self.damaged(format!("nothing is written for frame {frame}")));
            }
            if at < self.block.end {
                let until = end.min(self.block.end);
                out.extend_from_slice(self.stretch(at, until));
                at = until;
            } else {
                self.decode()?;
            }
        }
        check_finite(&out[first..], self.shape.channels, frame)
    }

    fn stretch(&self, from: i64, until: i64) -> &[f32] {
        let index =
            |at: i64| usize::try_from(at - self.block.begin).unwrap_or(0) * self.shape.channels as usize;
        self.block.samples.get(index(from)..index(until)).unwrap_or_default()
    }

    /// After everything was read in order: whether it is what was written.
    pub(super) fn finish(&mut self) -> Result<(), MediaError> {
        match self.decoder.finalize().verify_ok {
            Some(false) => Err(self.damaged("its checksum does not fit its samples".into())),
            _ => Ok(()),
        }
    }

    fn damaged(&self, why: String) -> MediaError {
        MediaError::Damaged { format: self.name, why }
    }

    fn jump(&mut self, at: i64) -> Result<(), MediaError> {
        let target = self.shape.jump.target(at).max(self.shape.first);
        let actual = match &mut self.source {
            Source::Frames(frames) => frames.seek(target),
            Source::Flac(flac) => {
                i64::try_from(flac.seek(u64::try_from(target).unwrap_or(0))?).unwrap_or(i64::MAX)
            }
            Source::Container { reader, track } => {
                let to = SeekTo::Timestamp { ts: Timestamp::new(target), track_id: *track };
                reader
                    .seek(SeekMode::Accurate, to)
                    .map_err(|error| failed(&error, self.name))?
                    .actual_ts
                    .get()
            }
        };
        match self.shape.jump {
            Jump::Restart { every, .. } => {
                self.decoder = make_decoder(&self.codec, self.options, self.name)?;
                self.restarted = at.div_euclid(every) * every;
            }
            _ => self.decoder.reset(),
        }
        self.block = Block { begin: actual, end: actual, ..Block::default() };
        Ok(())
    }

    /// Replaces the block by the next one.
    fn decode(&mut self) -> Result<(), MediaError> {
        if let Jump::Restart { every, .. } = self.shape.jump
            && self.block.end % every == 0
            && self.block.end != self.restarted
        {
            self.jump(self.block.end)?;
        }
        let packet = self.next_packet()?.ok_or(MediaError::CutOff(self.name))?;
        let begin = packet.pts.get().saturating_add(i64::try_from(packet.trim_start.get()).unwrap_or(0));
        let decoded = self.decoder.decode(&packet).map_err(|error| failed(&error, self.name))?;
        let frames = decoded.frames();
        if frames > 0
            && (decoded.num_planes() != self.shape.channels as usize
                || decoded.spec().rate() != self.shape.rate_hz)
        {
            let why = "its rate or channels change on the way".into();
            return Err(MediaError::Unsupported { format: self.name, why });
        }
        decoded.copy_to_vec_interleaved(&mut self.scratch);
        if self.block.is_joined && frames > 0 && begin != self.block.end {
            return Err(self
                .damaged(format!("a stretch is missing after frame {}", self.block.end - self.shape.begin)));
        }
        std::mem::swap(&mut self.block.samples, &mut self.scratch);
        self.block.begin = begin;
        self.block.end = begin.saturating_add(i64::try_from(frames).unwrap_or(0));
        self.block.is_joined |= frames > 0;
        Ok(())
    }

    fn next_packet(&mut self) -> Result<Option<Packet>, MediaError> {
        match &mut self.source {
            Source::Frames(frames) => frames.next(),
            Source::Flac(flac) => flac.next(),
            Source::Container { reader, track } => next_of(reader, *track, self.name),
        }
    }
}

fn next_of<'s>(
    reader: &mut Box<dyn FormatReader + 's>,
    track: u32,
    name: &'static str,
) -> Result<Option<Packet>, MediaError> {
    loop {
        match reader.next_packet().map_err(|error| failed(&error, name))? {
            Some(packet) if packet.track_id != track => {}
            other => return Ok(other),
        }
    }
}

fn container<'s>(input: Input<'s>, kind: Kind) -> Result<Box<dyn FormatReader + 's>, Error> {
    let stream = MediaSourceStream::new(Box::new(input), MediaSourceStreamOptions::default());
    let options = FormatOptions::default();
    Ok(match kind {
        Kind::Ogg => Box::new(OggReader::try_new(stream, options)?),
        Kind::Mp4 => Box::new(IsoMp4Reader::try_new(stream, options)?),
        _ => Box::new(AiffReader::try_new(stream, options)?),
    })
}

fn make_decoder(
    codec: &AudioCodecParameters,
    options: AudioDecoderOptions,
    name: &'static str,
) -> Result<Box<dyn AudioDecoder>, MediaError> {
    match get_codecs().make_audio_decoder(codec, &options) {
        Err(Error::Unsupported(_)) if is_unknown(codec.codec) => {
            Err(unsupported(name, "a coding that is not known"))
        }
        made => made.map_err(|error| failed(&error, name)),
    }
}

fn channels_of(codec: &AudioCodecParameters) -> u32 {
    codec.channels.as_ref().map_or(0, |channels| u32::try_from(channels.count()).unwrap_or(u32::MAX))
}

fn is_unknown(codec: AudioCodecId) -> bool {
    get_codecs().get_audio_decoder(codec).is_none()
}

/// Positions are counted in frames; a clock of another rate could only be near them.
fn check_clock(track: &Track, rate_hz: u32, name: &'static str) -> Result<(), MediaError> {
    let is_frames = track.time_base.is_some_and(|base| base.numer.get() == 1 && base.denom.get() == rate_hz);
    if is_frames { Ok(()) } else { Err(unsupported(name, "a clock that does not count samples")) }
}

fn unsupported(format: &'static str, why: &str) -> MediaError {
    MediaError::Unsupported { format, why: why.into() }
}

fn failed(error: &Error, format: &'static str) -> MediaError {
    match error {
        Error::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => MediaError::CutOff(format),
        Error::IoError(io) => super::source::unreadable(io),
        Error::Unsupported(why) | Error::LimitError(why) => {
            MediaError::Unsupported { format, why: one_line(why) }
        }
        Error::DecodeError(why) => MediaError::Damaged { format, why: one_line(why) },
        error => MediaError::Damaged { format, why: one_line(&error.to_string()) },
    }
}
