//! Other sizes of a picture: for networks, lists and overviews.
//!
//! The one place that calls the resizing library, and only for the two kinds of pixels that
//! there are: each further use costs megabytes of code and minutes of compiling.

use super::{MediaError, Raster};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

/// The picture in another size, with an anti-aliased linear filter: when shrunk, every source
/// pixel counts, so that a thin line fades instead of vanishing. Sizes are at least 1.
pub fn resize(raster: &Raster, width: u32, height: u32) -> Result<Raster, MediaError> {
    let (width, height) = (width.max(1), height.max(1));
    if (raster.width, raster.height) == (width, height) {
        return Ok(raster.clone());
    }
    let pixels = match raster.channels {
        1 => resize_typed::<U8>(raster, width, height)?,
        3 => resize_typed::<U8x3>(raster, width, height)?,
        other => return Err(MediaError::Resize(format!("{other} channels"))),
    };
    Ok(Raster { width, height, channels: raster.channels, pixels })
}

fn resize_typed<P: PixelTrait>(raster: &Raster, width: u32, height: u32) -> Result<Vec<u8>, MediaError> {
    let failed = |error: &dyn std::fmt::Display| MediaError::Resize(error.to_string());
    let mut pixels = vec![0; width as usize * height as usize * raster.channels as usize];
    let from = TypedImageRef::<P>::from_buffer(raster.width, raster.height, &raster.pixels)
        .map_err(|error| failed(&error))?;
    let mut to = TypedImage::<P>::from_buffer(width, height, &mut pixels).map_err(|error| failed(&error))?;
    let options =
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).use_alpha(false);
    Resizer::new().resize_typed(&from, &mut to, &options).map_err(|error| failed(&error))?;
    drop(to);
    Ok(pixels)
}

/// The picture with its longer side at `max_side_px` (at least 1), proportions kept; one that is
/// small enough stays as it is.
pub fn thumbnail(raster: &Raster, max_side_px: u32) -> Result<Raster, MediaError> {
    let longer = raster.width.max(raster.height);
    if longer <= max_side_px {
        return Ok(raster.clone());
    }
    let shrink = |side: u32| {
        let scaled = (u64::from(side) * u64::from(max_side_px) + u64::from(longer) / 2) / u64::from(longer);
        u32::try_from(scaled).unwrap_or(side)
    };
    resize(raster, shrink(raster.width), shrink(raster.height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_and_brightness_stay_and_nothing_grows() {
        let pixels =
            (0..400 * 100).flat_map(|i| if i % 2 == 0 { [0, 100, 50] } else { [200, 100, 50] }).collect();
        let raster = Raster { width: 400, height: 100, channels: 3, pixels };
        let small = thumbnail(&raster, 40).unwrap();
        assert_eq!((small.width, small.height, small.channels), (40, 10, 3));
        assert!(small.pixels.chunks(3).all(|p| p[0].abs_diff(100) <= 8 && p[1] == 100 && p[2] == 50));
        assert_eq!(thumbnail(&raster, 400).unwrap(), raster);
        let line = Raster { width: 3000, height: 1, channels: 1, pixels: vec![9; 3000] };
        assert_eq!(
            thumbnail(&line, 100).unwrap(),
            Raster { width: 100, height: 1, channels: 1, pixels: vec![9; 100] }
        );
    }
}
