//! Image bytes → [`Raster`], under strict limits and whatever the bytes are.
//!
//! The format is read from the content, never from a name. Pictures come out upright (EXIF),
//! in 8 bits, grey or RGB; transparency is laid over mid-grey. What is cut off, animated, too
//! large or broken is refused with one readable line: half a picture is never returned, since
//! a defect may lie on the other half.

use super::sniff::{describe, picture_format};
use super::sound::{CHANNELS_MAX, RATE_HZ_MAX, RATE_HZ_MIN, SAMPLES_MAX};
use super::{Raster, jpeg};
use image::codecs::bmp::BmpDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, Limits};
use std::io::{Cursor, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use thiserror::Error;

/// More is no photograph of a part but a mistake, and would hold up the line while it is read.
pub const FILE_BYTES_MAX: usize = 512 << 20;
/// What JPEG can say; also keeps every position in 16 bits.
pub const SIDE_PX_MAX: u32 = 65_535;
/// Line-scan pictures of 2 k × 27 k have 53 million; 100 million in RGB are 300 MB.
pub const PIXELS_MAX: u64 = 100_000_000;
/// For a decoder's own buffers: 100 million pixels of four 16-bit channels, and some room.
const DECODE_BYTES_MAX: u64 = 1 << 30;
/// What transparent pixels are laid over: neither defect nor background is favoured.
const UNDER_ALPHA: u8 = 128;
/// Error texts of decoders are cut to one line of this length.
const WHY_CHARS_MAX: usize = 160;

/// Why bytes did not become a picture or a sound, or the other way round. One line each.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MediaError {
    #[error("the file is empty")]
    Empty,
    #[error("{bytes} bytes are more than the limit of {FILE_BYTES_MAX}")]
    TooManyBytes { bytes: usize },
    #[error("not a picture but {0}")]
    NotAPicture(&'static str),
    #[error("not a sound but {0}")]
    NotASound(&'static str),
    #[error("{0} pictures are not supported: use JPEG, PNG, BMP, TIFF or WebP")]
    UnsupportedFormat(&'static str),
    #[error("animated pictures are not accepted ({0})")]
    Animated(&'static str),
    #[error("the picture has no pixels ({width} × {height})")]
    NoPixels { width: u32, height: u32 },
    #[error(
        "{width} × {height} pixels are too large: at most {SIDE_PX_MAX} a side and {} million together",
        PIXELS_MAX / 1_000_000
    )]
    TooLarge { width: u32, height: u32 },
    #[error("the {0} is cut off before its end")]
    CutOff(&'static str),
    #[error("the {format} is damaged: {why}")]
    Damaged { format: &'static str, why: String },
    #[error("the {format} uses what is not supported: {why}")]
    Unsupported { format: &'static str, why: String },
    #[error("the {0} is damaged in a way that stopped its decoder")]
    DecoderStopped(&'static str),
    #[error("the sound has no samples")]
    NoSamples,
    #[error("{rate_hz} samples a second are outside of what is supported: {RATE_HZ_MIN} to {RATE_HZ_MAX}")]
    Rate { rate_hz: u32 },
    #[error("{channels} channels are outside of what is supported: 1 to {CHANNELS_MAX}")]
    Channels { channels: u32 },
    #[error(
        "{samples} samples are too many for one clip: at most {} million, channels together",
        SAMPLES_MAX / 1_000_000
    )]
    TooLong { samples: u64 },
    #[error("the sample at frame {frame} is no number that a sound can have")]
    NotFinite { frame: u64 },
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    #[error("the picture cannot be encoded: {0}")]
    Encode(String),
    #[error("the picture cannot be resized: {0}")]
    Resize(String),
}

/// Decodes one picture of any supported format. Of a TIFF with several pages the first.
pub fn decode_image(bytes: &[u8]) -> Result<Raster, MediaError> {
    if bytes.is_empty() {
        return Err(MediaError::Empty);
    }
    if bytes.len() > FILE_BYTES_MAX {
        return Err(MediaError::TooManyBytes { bytes: bytes.len() });
    }
    let format = picture_format(bytes).ok_or_else(|| MediaError::NotAPicture(describe(bytes)))?;
    let name = format_name(format);
    let image = guarded(name, || decode_format(bytes, format, name))?;
    Ok(to_raster(image))
}

/// Decoders are other people's code on hostile input: a panic ends here, as an error.
pub(super) fn guarded<T>(
    name: &'static str,
    decode: impl FnOnce() -> Result<T, MediaError>,
) -> Result<T, MediaError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or(Err(MediaError::DecoderStopped(name)))
}

fn format_name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::WebP => "WebP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Avif => "AVIF",
        ImageFormat::Ico => "icon",
        ImageFormat::OpenExr => "OpenEXR",
        ImageFormat::Pnm => "PNM",
        ImageFormat::Qoi => "QOI",
        _ => "such",
    }
}

fn decode_format(bytes: &[u8], format: ImageFormat, name: &'static str) -> Result<DynamicImage, MediaError> {
    let input = Cursor::new(bytes);
    let failed = |error| from_image(&error, name);
    match format {
        ImageFormat::Jpeg => jpeg::decode(bytes),
        ImageFormat::Png => {
            // Before the decoder sees them: it makes room by the header's word.
            if let Some((width, height)) = png_size(bytes) {
                check_size(width, height)?;
            }
            let decoder = PngDecoder::with_limits(input, limits()).map_err(failed)?;
            if decoder.is_apng().map_err(failed)? {
                return Err(MediaError::Animated("APNG"));
            }
            finish(decoder, name)
        }
        ImageFormat::Bmp => finish(BmpDecoder::new(input).map_err(failed)?, name),
        ImageFormat::Tiff => finish(TiffDecoder::new(input).map_err(failed)?, name),
        ImageFormat::WebP => {
            if !webp_is_whole(bytes) {
                return Err(MediaError::CutOff(name));
            }
            let decoder = WebPDecoder::new(input).map_err(failed)?;
            if decoder.has_animation() {
                return Err(MediaError::Animated("WebP"));
            }
            finish(decoder, name)
        }
        ImageFormat::Gif => Err(MediaError::Animated("GIF")),
        _ => Err(MediaError::UnsupportedFormat(name)),
    }
}

/// Refuses what has no pixels or too many.
pub(super) fn check_size(width: u32, height: u32) -> Result<(), MediaError> {
    if width == 0 || height == 0 {
        return Err(MediaError::NoPixels { width, height });
    }
    if width > SIDE_PX_MAX || height > SIDE_PX_MAX || u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(MediaError::TooLarge { width, height });
    }
    Ok(())
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_PX_MAX);
    limits.max_image_height = Some(SIDE_PX_MAX);
    limits.max_alloc = Some(DECODE_BYTES_MAX);
    limits
}

fn finish(mut decoder: impl ImageDecoder, name: &'static str) -> Result<DynamicImage, MediaError> {
    let failed = |error| from_image(&error, name);
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    decoder.set_limits(limits()).map_err(failed)?;
    let orientation = decoder.orientation().map_err(failed)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Width and height as a PNG's first chunk says them.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    (bytes.get(12..16)? == b"IHDR").then_some((number(16)?, number(20)?))
}

/// Whether all the bytes are there that a RIFF file's header announces.
fn webp_is_whole(bytes: &[u8]) -> bool {
    let size = bytes.get(4..8).and_then(|size| size.try_into().ok()).map(u32::from_le_bytes);
    size.is_some_and(|size| bytes.len() as u64 >= u64::from(size) + 8)
}

fn from_image(error: &ImageError, format: &'static str) -> MediaError {
    match error {
        ImageError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => MediaError::CutOff(format),
        ImageError::Unsupported(error) => {
            MediaError::Unsupported { format, why: one_line(&error.to_string()) }
        }
        ImageError::Limits(error) => MediaError::Unsupported { format, why: one_line(&error.to_string()) },
        error => {
            let why = one_line(&error.to_string());
            let lower = why.to_lowercase();
            if lower.contains("unexpected end")
                || lower.contains("unexpectedeof")
                || lower.contains("failed to fill")
            {
                MediaError::CutOff(format)
            } else {
                MediaError::Damaged { format, why }
            }
        }
    }
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(WHY_CHARS_MAX).collect()
}

fn to_raster(image: DynamicImage) -> Raster {
    let (width, height) = (image.width(), image.height());
    let (has_color, has_alpha) = (image.color().has_color(), image.color().has_alpha());
    let (channels, pixels) = match (has_color, has_alpha) {
        (true, false) => (3, image.into_rgb8().into_raw()),
        (false, false) => (1, image.into_luma8().into_raw()),
        (true, true) => (3, lay_over_grey::<4>(&image.into_rgba8().into_raw())),
        (false, true) => (1, lay_over_grey::<2>(&image.into_luma_alpha8().into_raw())),
    };
    Raster { width, height, channels, pixels }
}

/// `N` channels a pixel, of which the last is the opacity.
fn lay_over_grey<const N: usize>(pixels: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len() / N * (N - 1));
    for pixel in pixels.chunks_exact(N) {
        let alpha = u32::from(pixel[N - 1]);
        for &value in &pixel[..N - 1] {
            let mixed = (u32::from(value) * alpha + u32::from(UNDER_ALPHA) * (255 - alpha) + 127) / 255;
            out.push(u8::try_from(mixed).unwrap_or(u8::MAX));
        }
    }
    out
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
