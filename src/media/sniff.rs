//! What a file is, by its content: names lie.

use crate::domain::MediaKind;
use image::ImageFormat;

/// Enough for every signature and for a fair guess at text.
const HEAD_BYTES: usize = 512;

/// Picture or sound by its first bytes (a few hundred suffice); `None` for anything else.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<MediaKind> {
    if is_audio(bytes) {
        return Some(MediaKind::Audio);
    }
    picture_format(bytes).map(|_| MediaKind::Image)
}

/// The picture format by signature.
pub(super) fn picture_format(bytes: &[u8]) -> Option<ImageFormat> {
    let format = image::guess_format(bytes).ok()?;
    // Signatures of two letters ("BM", "P1") begin plain text, too.
    let is_weak = matches!(format, ImageFormat::Bmp | ImageFormat::Pnm);
    (!is_weak || !is_text(bytes)).then_some(format)
}

fn is_audio(bytes: &[u8]) -> bool {
    let at = |from: usize, text: &[u8]| bytes.get(from..from + text.len()) == Some(text);
    let riff = (at(0, b"RIFF") || at(0, b"RF64") || at(0, b"BW64") || at(0, b"RIFX")) && at(8, b"WAVE");
    let aiff = at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC"));
    let mp4 = at(4, b"ftyp") && (at(8, b"M4A") || at(8, b"M4B") || at(8, b"mp4") || at(8, b"iso"));
    let tagged = at(0, b"OggS") || at(0, b"fLaC") || at(0, b"ID3");
    riff || aiff || mp4 || tagged || adts_or_mpeg(bytes).is_some()
}

/// Sound without a tag: whether it is AAC (ADTS) or else MP3.
pub(super) fn adts_or_mpeg(bytes: &[u8]) -> Option<bool> {
    if adts_head(bytes).is_some() {
        return Some(true);
    }
    mpeg_head(bytes).map(|_| false)
}

/// What the header of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// Of the frame, header included.
    pub(super) bytes: usize,
    pub(super) head_bytes: usize,
    /// Samples of each channel.
    pub(super) frames: u32,
    pub(super) rate_hz: u32,
    /// 0: described elsewhere.
    pub(super) channels: u32,
}

/// The header of an ADTS frame: twelve set bits, layer 0, then a rate and a length that exist.
pub(super) fn adts_head(bytes: &[u8]) -> Option<FrameHead> {
    const RATES_HZ: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
    ];
    let &[0xFF, second, third, fourth, fifth, sixth, seventh, ..] = bytes else { return None };
    if second & 0xF6 != 0xF0 {
        return None;
    }
    let rate_hz = *RATES_HZ.get(usize::from(third >> 2 & 15))?;
    let channels = match u32::from(third & 1) << 2 | u32::from(fourth >> 6) {
        7 => 8,
        count => count,
    };
    let bytes = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
    let head_bytes = if second & 1 == 1 { 7 } else { 9 };
    // Several packets in a frame are allowed and hardly ever written; the decoder does not know them.
    let is_single = seventh.trailing_zeros() >= 2;
    (bytes > head_bytes && is_single).then_some(FrameHead {
        bytes,
        head_bytes,
        frames: 1_024,
        rate_hz,
        channels,
    })
}

/// The header of an MP3 frame: eleven set bits, layer III, then a bit rate and a rate that exist.
pub(super) fn mpeg_head(bytes: &[u8]) -> Option<FrameHead> {
    const KBITS: [[usize; 14]; 2] = [
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    const RATES_HZ: [u32; 3] = [44_100, 48_000, 32_000];
    let &[0xFF, second, third, fourth, ..] = bytes else { return None };
    if second & 0xE6 != 0xE2 {
        return None;
    }
    // Version 1, 2 with half the rate, or 2.5 with a quarter.
    let shift = match second >> 3 & 3 {
        3 => 0,
        2 => 1,
        0 => 2,
        _ => return None,
    };
    let kbits = KBITS[shift.min(1)].get(usize::from(third >> 4).checked_sub(1)?)?;
    let rate_hz = RATES_HZ.get(usize::from(third >> 2 & 3))? >> shift;
    let frames = if shift == 0 { 1_152 } else { 576 };
    let padding = usize::from(third >> 1 & 1);
    let bytes = frames as usize / 8 * kbits * 1_000 / rate_hz as usize + padding;
    let channels = if fourth >> 6 == 3 { 1 } else { 2 };
    Some(FrameHead { bytes, head_bytes: 4, frames, rate_hz, channels })
}

/// Whether the beginning reads as text.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A letter of several bytes may be cut in two at the end of the head.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty() && !valid.chars().any(|c| c.is_control() && !c.is_whitespace())
}

/// What a file that is not what was wanted is, for the person who reads the reason.
pub(super) fn describe(bytes: &[u8]) -> &'static str {
    match () {
        () if is_audio(bytes) => "a sound",
        () if picture_format(bytes).is_some() => "a picture",
        () if bytes.starts_with(b"%PDF") => "a PDF",
        () if bytes.starts_with(b"PK\x03\x04") => "a ZIP archive",
        () if is_text(bytes) => "a text file",
        () if bytes.iter().all(|&byte| byte == 0) => "zeros only",
        () => "unknown data",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_content() {
        let wav = b"RIFF\x24\0\0\0WAVEfmt ";
        for sound in [
            &wav[..],
            b"OggS\0\x02",
            b"fLaC\0",
            b"ID3\x04",
            b"\xFF\xFB\x90\x64",
            b"\xFF\xF1\x50\x80\x02\x1F\xFC",
            b"\0\0\0\x20ftypM4A ",
        ] {
            assert_eq!(sniff(sound), Some(MediaKind::Audio), "{sound:?}");
        }
        let webp = b"RIFF\x24\0\0\0WEBPVP8 ";
        for picture in
            [&webp[..], b"\xFF\xD8\xFF\xE0", b"\x89PNG\r\n\x1a\n", b"BM\x9a\0", b"II*\0", b"GIF89a"]
        {
            assert_eq!(sniff(picture), Some(MediaKind::Image), "{picture:?}");
        }
        for other in
            [&b""[..], b"hello", "日本語のテキスト".as_bytes(), b"\0\0\0\0", b"BM is the start of a text\n"]
        {
            assert_eq!(sniff(other), None, "{other:?}");
        }
    }

    #[test]
    fn text_is_text_in_every_script_and_cut_anywhere() {
        let long = "ä日".repeat(HEAD_BYTES);
        assert!((0..4).all(|cut| is_text(&long.as_bytes()[..long.len() - cut])));
        assert!(!is_text(b"\x00\x01binary") && !is_text(b"\xFF\xD8\xFF") && !is_text(b""));
    }
}
