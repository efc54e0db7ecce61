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
    let riff = (at(0, b"RIFF") || at(0, b"RF64") || at(0, b"RIFX")) && at(8, b"WAVE");
    let aiff = at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC"));
    let mp4 = at(4, b"ftyp") && (at(8, b"M4A") || at(8, b"M4B") || at(8, b"mp4") || at(8, b"isom"));
    // MPEG audio without a tag: eleven set bits, then a layer and a bit rate that exist.
    let mpeg = matches!(bytes, [0xFF, second, third, ..]
        if second & 0xE0 == 0xE0 && second & 0x06 != 0 && third & 0xF0 != 0xF0 && third & 0x0C != 0x0C
            && *second != 0xFF);
    riff || aiff || mp4 || mpeg || at(0, b"OggS") || at(0, b"fLaC") || at(0, b"ID3")
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

/// What a file that is no picture is, for the person who reads the reason.
pub(super) fn describe(bytes: &[u8]) -> &'static str {
    match () {
        () if is_audio(bytes) => "a sound",
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
        for sound in
            [&wav[..], b"OggS\0\x02", b"fLaC\0", b"ID3\x04", b"\xFF\xFB\x90\x64", b"\0\0\0\x20ftypM4A "]
        {
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
