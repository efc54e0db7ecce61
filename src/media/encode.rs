//! [`Raster`] → JPEG and PNG bytes.

use super::{MediaError, Raster};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use jpeg_encoder::{ColorType, SamplingFactor};

/// `quality` from 1 to 100, colour at half resolution as cameras write it. Grey stays grey.
/// Fails for sides above 65,535 pixels, which the format cannot say.
pub fn encode_jpeg(raster: &Raster, quality: u8) -> Result<Vec<u8>, MediaError> {
    let color = color_of(raster)?;
    let side = |length: u32| {
        u16::try_from(length)
            .map_err(|_| MediaError::Encode(format!("{length} pixels a side are too many for a JPEG")))
    };
    let (width, height) = (side(raster.width)?, side(raster.height)?);
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, quality.clamp(1, 100));
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder
        .encode(&raster.pixels, width, height, color)
        .map_err(|error| MediaError::Encode(error.to_string()))?;
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
        .map_err(|error| MediaError::Encode(error.to_string()))?;
    Ok(bytes)
}

fn color_of(raster: &Raster) -> Result<ColorType, MediaError> {
    let wanted = u64::from(raster.width) * u64::from(raster.height) * u64::from(raster.channels);
    match raster.channels {
        _ if raster.pixels.len() as u64 != wanted => {
            Err(MediaError::Encode("its pixels do not fit its size".into()))
        }
        1 => Ok(ColorType::Luma),
        3 => Ok(ColorType::Rgb),
        other => Err(MediaError::Encode(format!("{other} channels"))),
    }
}
