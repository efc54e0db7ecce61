//! Where sound bytes come from, and what they claim to be.

use super::super::sniff::{adts_or_mpeg, describe};
use crate::media::MediaError;
use std::io::{ErrorKind, Read, Result, Seek, SeekFrom};
use symphonia::core::io::MediaSource;

/// An open file, or bytes in memory.
pub trait SoundSource: Read + Seek + Send + Sync {}

impl<T: Read + Seek + Send + Sync> SoundSource for T {}

/// Enough for every signature.
const HEAD_BYTES: usize = 512;
/// Tags in front of the sound; pictures of record sleeves make them large, more is no tag.
const TAG_BYTES_MAX: u64 = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Wave,
    Flac,
    Ogg,
    Mp3,
    Adts,
    Mp4,
    Aiff,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Wave => "WAV",
            Self::Flac => "FLAC",
            Self::Ogg => "Ogg",
            Self::Mp3 => "MP3",
            Self::Adts => "AAC",
            Self::Mp4 => "M4A",
            Self::Aiff => "AIFF",
        }
    }
}

/// A source that knows its length, as the decoders want it.
pub(super) struct Input<'s> {
    inner: Box<dyn SoundSource + 's>,
    pub(super) len: u64,
}

impl<'s> Input<'s> {
    pub(super) fn new(mut inner: Box<dyn SoundSource + 's>) -> std::result::Result<Self, MediaError> {
        let len = inner.seek(SeekFrom::End(0)).map_err(|error| unreadable(&error))?;
        if len == 0 {
            return Err(MediaError::Empty);
        }
        Ok(Self { inner, len })
    }

    /// As many of the wanted bytes at a position as there are.
    pub(super) fn at(&mut self, position: u64, wanted: usize) -> std::result::Result<Vec<u8>, MediaError> {
        let mut bytes = Vec::new();
        self.inner.seek(SeekFrom::Start(position)).map_err(|error| unreadable(&error))?;
        self.inner
            .by_ref()
            .take(wanted as u64)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(&error))?;
        Ok(bytes)
    }

    /// Fills `bytes` from a position; fewer are a cut-off file.
    pub(super) fn fill(
        &mut self,
        position: u64,
        bytes: &mut [u8],
        name: &'static str,
    ) -> std::result::Result<(), MediaError> {
        self.inner.seek(SeekFrom::Start(position)).map_err(|error| unreadable(&error))?;
        self.inner.read_exact(bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => MediaError::CutOff(name),
            _ => unreadable(&error),
        })
    }

    /// The format, and where it begins behind tags that players put in front.
    pub(super) fn kind(&mut self) -> std::result::Result<(Kind, u64), MediaError> {
        let mut start = 0;
        loop {
            let head = self.at(start, HEAD_BYTES)?;
            if let Some(tag) = id3_bytes(&head) {
                start += tag;
                if start > TAG_BYTES_MAX || start >= self.len {
                    return Err(MediaError::CutOff("MP3"));
                }
            } else {
                let kind = kind_of(&head).ok_or_else(|| MediaError::NotASound(describe(&head)))?;
                return Ok((kind, start));
            }
        }
    }
}

/// Bytes of an `ID3v2` tag that begins here.
fn id3_bytes(head: &[u8]) -> Option<u64> {
    let [b'I', b'D', b'3', _, _, flags, size @ ..] = head else { return None };
    let size = size.get(..4)?.iter().fold(0, |size, &byte| size << 7 | u64::from(byte & 0x7F));
    let footer = if flags & 0x10 == 0 { 0 } else { 10 };
    Some(10 + size + footer)
}

fn kind_of(head: &[u8]) -> Option<Kind> {
    let at = |from: usize, text: &[u8]| head.get(from..from + text.len()) == Some(text);
    match () {
        () if (at(0, b"RIFF") || at(0, b"RF64") || at(0, b"BW64") || at(0, b"RIFX")) && at(8, b"WAVE") => {
            Some(Kind::Wave)
        }
        () if at(0, b"fLaC") => Some(Kind::Flac),
        () if at(0, b"OggS") => Some(Kind::Ogg),
        () if at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) => Some(Kind::Aiff),
        () if at(4, b"ftyp") => Some(Kind::Mp4),
        () => adts_or_mpeg(head).map(|is_adts| if is_adts { Kind::Adts } else { Kind::Mp3 }),
    }
}

pub(super) fn unreadable(error: &std::io::Error) -> MediaError {
    MediaError::Unreadable(error.to_string())
}

impl Read for Input<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        self.inner.read(bytes)
    }
}

impl Seek for Input<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.inner.seek(to)
    }
}

impl MediaSource for Input<'_> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len)
    }
}
