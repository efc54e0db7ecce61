//! JPEG → pixels, whole or not at all.
//!
//! The decoder behind the `image` crate fills what is missing with grey and says nothing. Here
//! it runs in its strict mode, and the file is walked first: no end marker, no picture.

use super::MediaError;
use super::decode::{check_size, one_line};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

const NAME: &str = "JPEG";

/// Upright; grey for one component, RGB for all else (CMYK and YCCK are converted).
pub(super) fn decode(bytes: &[u8]) -> Result<DynamicImage, MediaError> {
    let (width, height) = walk(bytes)?;
    check_size(width, height)?;
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(width as usize)
        .set_max_height(height as usize);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| failed(&error))?;
    let is_grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let wanted = if is_grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(wanted));
    let pixels = decoder.decode().map_err(|error| failed(&error))?;
    let image = if is_grey {
        GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    };
    let mut image = image.ok_or(MediaError::CutOff(NAME))?;
    let turned = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    image.apply_orientation(turned.unwrap_or(Orientation::NoTransforms));
    Ok(image)
}

fn failed(error: &DecodeErrors) -> MediaError {
    match error {
        DecodeErrors::ExhaustedData => MediaError::CutOff(NAME),
        DecodeErrors::Unsupported(scheme) => {
            MediaError::Unsupported { format: NAME, why: one_line(&format!("{scheme:?}")) }
        }
        error => MediaError::Damaged { format: NAME, why: one_line(&error.to_string()) },
    }
}

/// Follows the markers from the start to the end marker; returns width and height.
fn walk(bytes: &[u8]) -> Result<(u32, u32), MediaError> {
    const CUT_OFF: MediaError = MediaError::CutOff(NAME);
    let number = |at: usize| {
        let pair = bytes.get(at..at + 2)?;
        Some(usize::from(u16::from_be_bytes([pair[0], pair[1]])))
    };
    let (mut at, mut size, mut has_scan) = (2, None, false);
    loop {
        // Any number of fill bytes may stand in front of a marker; a scan's data, too.
        at = next_marker(bytes, at).ok_or(CUT_OFF)?;
        let marker = bytes[at + 1];
        at += 2;
        match marker {
            0xD9 if has_scan => break,
            0xD9 => return Err(MediaError::Damaged { format: NAME, why: "it has no picture data".into() }),
            0xD8 | 0x01 => continue,
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                let (height, width) = (number(at + 3).ok_or(CUT_OFF)?, number(at + 5).ok_or(CUT_OFF)?);
                size = u32::try_from(width).ok().zip(u32::try_from(height).ok());
            }
            0xDA => has_scan = true,
            _ => {}
        }
        at += number(at).ok_or(CUT_OFF)?;
        if at > bytes.len() {
            return Err(CUT_OFF);
        }
    }
    size.ok_or_else(|| MediaError::Damaged { format: NAME, why: "it does not say its size".into() })
}

/// Where the next marker stands that is neither a stuffed 0xFF nor a restart within a scan.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xFF)?;
        match bytes.get(at + 1)? {
            0x00 | 0xD0..=0xD7 => at += 2,
            0xFF => at += 1,
            _ => return Some(at),
        }
    }
}
