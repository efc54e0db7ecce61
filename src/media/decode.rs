//! Image bytes → [`Raster`].

use super::Raster;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum MediaError {
    #[error("{0}")]
    Undecodable(String),
    #[error("the picture cannot be encoded: {0}")]
    Encode(String),
}

pub fn decode_image(bytes: &[u8]) -> Result<Raster, MediaError> {
    let image = image::load_from_memory(bytes).map_err(|error| MediaError::Undecodable(error.to_string()))?;
    let (width, height) = (image.width(), image.height());
    Ok(if image.color().has_color() {
        Raster { width, height, channels: 3, pixels: image.into_rgb8().into_raw() }
    } else {
        Raster { width, height, channels: 1, pixels: image.into_luma8().into_raw() }
    })
}
