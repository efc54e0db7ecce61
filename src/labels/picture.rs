//! What can be known of a media file without decoding it, and masks kept as pictures.
//!
//! Sizes are those of the *upright* picture: regions are in upright pixels, so a photograph with
//! an EXIF rotation has its width and height swapped here. Knows nothing of labels.

use crate::domain::MaskRle;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageReader};
use std::path::Path;

/// Masks above this are refused before they are decoded. Line-scan pictures of 2 k × 27 k have
/// 53 million pixels; a hostile header of 60,000 × 60,000 has 3,600 million.
const MASK_PIXELS_MAX: u64 = 256 << 20;

/// A mask's pixels above this are inside.
pub(super) const MASK_LEVEL: u8 = 127;

/// What a picture's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Width and height in pixels of the upright picture.
    pub size: [u32; 2],
    /// 1 (grey) or 3 (colour).
    pub channels: u32,
}

/// Width and height in pixels of the upright picture, from its header.
///
/// # Errors
/// One line that says why the file cannot be a picture, without its path.
pub(super) fn upright_size(path: &Path) -> Result<[u32; 2], String> {
    header(path).map(|header| header.size)
}

/// Size and channels, from the file's header.
///
/// # Errors
/// One line that says why the file cannot be a picture, without its path.
pub(super) fn header(path: &Path) -> Result<Header, String> {
    let reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|error| format!("cannot read the picture: {error}"))?;
    let mut decoder = reader.into_decoder().map_err(|error| format!("cannot read the picture: {error}"))?;
    let (width, height) = decoder.dimensions();
    // Damaged EXIF data does not make a picture unreadable: it then counts as upright.
    let turned = matches!(
        decoder.orientation(),
        Ok(Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH)
    );
    if width == 0 || height == 0 {
        return Err(format!("the picture is {width} × {height}"));
    }
    Ok(Header {
        size: if turned { [height, width] } else { [width, height] },
        channels: if decoder.color_type().has_color() { 3 } else { 1 },
    })
}

/// Reads a mask picture: inside where the grey value is above [`MASK_LEVEL`].
///
/// # Errors
/// One line that says why, without the path: not a picture, or not of the `expected` width and
/// height.
pub(super) fn read_mask(path: &Path, expected: [u32; 2]) -> Result<MaskRle, String> {
    let size = upright_size(path).map_err(|why| format!("mask: {why}"))?;
    if size != expected {
        let ([w, h], [ew, eh]) = (size, expected);
        return Err(format!("the mask is {w} × {h}, the picture {ew} × {eh}"));
    }
    let [width, height] = size;
    if u64::from(width) * u64::from(height) > MASK_PIXELS_MAX {
        return Err(format!("the mask of {width} × {height} is too large"));
    }
    let pixels = read_grey(path)?;
    let width_px = width as usize;
    Ok(MaskRle::from_fn(width, height, |x, y| pixels[y as usize * width_px + x as usize] > MASK_LEVEL))
}

/// Grey values row by row; for index masks the stored values. The caller has checked the size;
/// `image`'s own limit (512 MiB) holds besides.
pub(super) fn read_grey(path: &Path) -> Result<Vec<u8>, String> {
    let reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|error| format!("cannot read the mask: {error}"))?;
    let picture = reader.decode().map_err(|error| format!("cannot read the mask: {error}"))?;
    Ok(picture.into_luma8().into_raw())
}

/// Writes 8-bit grey values as PNG.
pub(super) fn write_grey(path: &Path, [width, height]: [u32; 2], pixels: &[u8]) -> image::ImageResult<()> {
    image::save_buffer_with_format(
        path,
        pixels,
        width,
        height,
        image::ExtendedColorType::L8,
        image::ImageFormat::Png,
    )
}

/// The usual file name extension for what the bytes are; `None` when they are nothing known.
pub(super) fn extension_of(head: &[u8]) -> Option<&'static str> {
    if let Ok(format) = image::guess_format(head) {
        return format.extensions_str().first().copied();
    }
    match head {
        [b'R', b'I' | b'F', b'F', b'F' | b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some("wav"),
        [b'f', b'L', b'a', b'C', ..] => Some("flac"),
        [b'O', b'g', b'g', b'S', ..] => Some("ogg"),
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C', ..] => Some("aiff"),
        [b'I', b'D', b'3', ..] | [0xff, 0xfb | 0xf3 | 0xf2, ..] => Some("mp3"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'M', b'4', b'A', ..] => Some("m4a"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of a grey PNG that claims 60,000 × 60,000 pixels.
    const HUGE_PNG: &[u8] =
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\0\0\0\0\xa5\xb9\x2a\x9e\
        \0\0\0\x01IDAT\x78\x76\xe6\x84\xe6";

    #[test]
    fn hostile_headers_are_read_and_never_decoded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge.png");
        std::fs::write(&path, HUGE_PNG).unwrap();
        assert_eq!(upright_size(&path), Ok([60_000, 60_000]));
        assert!(read_mask(&path, [60_000, 60_000]).unwrap_err().contains("too large"));
        std::fs::write(&path, "a text").unwrap();
        assert!(upright_size(&path).is_err());
    }
}
