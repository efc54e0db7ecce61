//! Measures of a picture for input checks: cheap, and stable under what is on it.

use super::Raster;
use crate::domain::ImageStats;

/// Points looked at along each axis at most: a tenth of a millisecond, and the mean of ten thousand.
const POINTS_MAX: usize = 128;

/// Measures a picture; zeros for one without inner pixels.
#[must_use]
pub fn image_stats(raster: &Raster) -> ImageStats {
    let (width, height) = (raster.width as usize, raster.height as usize);
    let channels = raster.channels as usize;
    if width < 3 || height < 3 || channels == 0 {
        return ImageStats::default();
    }
    let pixel = |x: usize, y: usize| -> [f32; 3] {
        let at = (y * width + x) * channels;
        let level = |channel: usize| f32::from(raster.pixels[at + channel.min(channels - 1)]);
        [level(0), level(1), level(2)]
    };
    let luma = |[r, g, b]: [f32; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
    let [step_x, step_y] = [width, height].map(|side| side.div_ceil(POINTS_MAX).max(1));
    let (mut sum, mut squares, mut red_green, mut blue_yellow) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    let mut seconds: Vec<f32> = Vec::with_capacity(POINTS_MAX * POINTS_MAX);
    for y in (1..height - 1).step_by(step_y) {
        for x in (1..width - 1).step_by(step_x) {
            let here @ [r, g, b] = pixel(x, y);
            let level = luma(here);
            sum += f64::from(level);
            squares += f64::from(level) * f64::from(level);
            red_green += f64::from(r - g);
            blue_yellow += f64::from(b - f32::midpoint(r, g));
            let around =
                luma(pixel(x - 1, y)) + luma(pixel(x + 1, y)) + luma(pixel(x, y - 1)) + luma(pixel(x, y + 1));
            seconds.push((4.0 * level - around).abs());
        }
    }
    let n = seconds.len().max(1) as f64;
    let mean = sum / n;
    let sharpness = seconds.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let middle = seconds.len() / 2;
    let (_, noise, _) = seconds.select_nth_unstable_by(middle, f32::total_cmp);
    #[expect(clippy::cast_possible_truncation, reason = "measures need no more than single precision")]
    let single = |v: f64| v as f32;
    ImageStats {
        brightness: single(mean),
        contrast: single((squares / n - mean * mean).max(0.0).sqrt()),
        sharpness: single(sharpness),
        noise: *noise,
        red_green: single(red_green / n),
        blue_yellow: single(blue_yellow / n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raster(level: impl Fn(u32, u32) -> [u8; 3]) -> Raster {
        let pixels = (0..64 * 48).flat_map(|at| level(at % 64, at / 64)).collect();
        Raster { width: 64, height: 48, channels: 3, pixels }
    }

    #[test]
    fn light_blur_noise_and_colour_each_move_their_own_measure() {
        let bars = |x: u32, level: u8| if (x / 8).is_multiple_of(2) { level } else { level / 4 };
        let plain = image_stats(&raster(|x, _| [bars(x, 120); 3]));
        let dark = image_stats(&raster(|x, _| [bars(x, 60); 3]));
        assert!(dark.brightness < 0.6 * plain.brightness && dark.contrast < 0.6 * plain.contrast);
        let grainy =
            image_stats(&raster(|x, y| [bars(x, 120) + u8::try_from((x * 7 + y * 13) % 9).unwrap(); 3]));
        assert!(plain.noise < 1.0 && grainy.noise > 4.0, "{} {}", plain.noise, grainy.noise);
        let red = image_stats(&raster(|x, _| [bars(x, 120) + 40, bars(x, 120), bars(x, 120)]));
        assert!((red.red_green - 40.0).abs() < 0.5 && plain.red_green.abs() < 0.1);
        let flat = image_stats(&raster(|_, _| [90; 3]));
        assert!(flat.sharpness < 0.1 && plain.sharpness > 5.0);
        let dot = Raster { width: 1, height: 1, channels: 1, pixels: vec![9] };
        assert_eq!(image_stats(&dot), ImageStats::default());
    }
}
