//! [`Raster`] → JPEG and PNG bytes.

use super::{MediaError, Raster};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};

/// `quality` from 1 to 100. Grey stays grey. Fails for sides above 65,535 pixels.
pub fn encode_jpeg(raster: &Raster, quality: u8) -> Result<Vec<u8>, MediaError> {
    let mut bytes = Vec::new();
    let quality = quality.clamp(1, 100);
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .write_image(&raster.pixels, raster.width, raster.height, color_of(raster)?)
        .map_err(|error| failed(&error))?;
    Ok(bytes)
}

/// An 8-bit grey PNG, for masks. `pixels` has one byte a pixel, row by row.
pub fn encode_png_grey(width: u32, height: u32, pixels: &[u8]) -> Result<Vec<u8>, MediaError> {
    let wanted = u64::from(width) * u64::from(height);
    if pixels.len() as u64 != wanted {
        return Err(MediaError::Encode(format!("{} pixels do not make {width} × {height}", pixels.len())));
    }
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(pixels, width, height, ExtendedColorType::L8)
        .map_err(|error| failed(&error))?;
    Ok(bytes)
}

fn color_of(raster: &Raster) -> Result<ExtendedColorType, MediaError> {
    let wanted = u64::from(raster.width) * u64::from(raster.height) * u64::from(raster.channels);
    match raster.channels {
        _ if raster.pixels.len() as u64 != wanted => {
            Err(MediaError::Encode("its pixels do not fit its size".into()))
        }
        1 => Ok(ExtendedColorType::L8),
        3 => Ok(ExtendedColorType::Rgb8),
        other => Err(MediaError::Encode(format!("{other} channels"))),
    }
}

fn failed(error: &ImageError) -> MediaError {
    MediaError::Encode(error.to_string())
}
