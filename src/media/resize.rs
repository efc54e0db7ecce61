//! Smaller pictures for lists and overviews.

use super::{MediaError, Raster};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

/// The picture with its longer side at `max_side_px` (at least 1), proportions kept; one that is
/// small enough stays as it is. Areas are averaged, so that a thin line fades instead of vanishing.
pub fn thumbnail(raster: &Raster, max_side_px: u32) -> Result<Raster, MediaError> {
    let longer = raster.width.max(raster.height);
    if longer <= max_side_px {
        return Ok(raster.clone());
    }
    let failed = |error: &dyn std::fmt::Display| MediaError::Resize(error.to_string());
    let kind = match raster.channels {
        1 => PixelType::U8,
        3 => PixelType::U8x3,
        other => return Err(MediaError::Resize(format!("{other} channels"))),
    };
    let shrink = |side: u32| {
        let scaled = (u64::from(side) * u64::from(max_side_px) + u64::from(longer) / 2) / u64::from(longer);
        u32::try_from(scaled).unwrap_or(side).max(1)
    };
    let (width, height) = (shrink(raster.width), shrink(raster.height));
    let from = ImageRef::new(raster.width, raster.height, &raster.pixels, kind).map_err(|e| failed(&e))?;
    let mut to = Image::new(width, height, kind);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box));
    Resizer::new().resize(&from, &mut to, &options).map_err(|e| failed(&e))?;
    Ok(Raster { width, height, channels: raster.channels, pixels: to.into_vec() })
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
        assert!(small.pixels.chunks(3).all(|p| p[0].abs_diff(100) <= 1 && p[1] == 100 && p[2] == 50));
        assert_eq!(thumbnail(&raster, 400).unwrap(), raster);
        let line = Raster { width: 3000, height: 1, channels: 1, pixels: vec![9; 3000] };
        assert_eq!(
            thumbnail(&line, 100).unwrap(),
            Raster { width: 100, height: 1, channels: 1, pixels: vec![9; 100] }
        );
    }
}
