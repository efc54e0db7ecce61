//! Lens and sensor: develops the finished canvas into 8-bit pixels, with the light, blur,
//! fringes, what lies on the lens, and noise.

use super::canvas::{Bounds, CELL_PX, Canvas, Field, Point, byte};
use super::noise::{Noise, WHITE_COUNT};
use super::scene::Scene;
use crate::ingest::simulator::curve::smooth;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Reading noise and shot noise at full brightness, as shares of white.
const READ_NOISE: f32 = 0.0035;
const SHOT_NOISE: f32 = 0.013;
/// How bright the veil of a dirty lens is.
const VEIL: f32 = 0.42;
/// Above this the sensor's cells spill over.
const SPILL: f32 = 0.95;
/// Red, green and blue of the halo beside what is over-exposed.
const HALO: [f32; 3] = [0.10, 0.06, 0.36];

/// How one picture is taken, besides its scene.
pub(super) struct Optics {
    kernels: [[f32; 3]; 3],
    noise: f32,
    pub jpeg_quality: u8,
}

impl Optics {
    /// Mostly sharp, with the halo of a camera that sharpens; sometimes soft.
    pub(super) fn draw(rng: &mut impl Rng) -> Self {
        let (sigma, sharpen) = match rng.random_range(0..100) {
            0..=3 => (rng.random_range(1.2..1.7), 0.0),
            4..=17 => (rng.random_range(0.8..1.2), rng.random_range(0.0..0.2)),
            _ => (rng.random_range(0.45..0.8), rng.random_range(0.0..0.35)),
        };
        // Blue focuses elsewhere, red a little.
        let fringe = rng.random_range(1.0..1.5);
        Self {
            kernels: [kernel(sigma * 1.1, sharpen), kernel(sigma, sharpen), kernel(sigma * fringe, sharpen)],
            noise: rng.random_range(0.7..1.5),
            jpeg_quality: rng.random_range(80..=95),
        }
    }
}

/// Half of a symmetric kernel of five: a Gaussian, minus a share of the mean around it.
fn kernel(sigma: f32, sharpen: f32) -> [f32; 3] {
    let [one, two] = [1.0_f32, 2.0].map(|at| (-at * at / (2.0 * sigma * sigma)).exp());
    let sum = 1.0 + 2.0 * (one + two);
    [1.0, one, two].map(|weight| (1.0 + sharpen) * weight / sum - sharpen * 0.2)
}

/// Smudges on the lens: places and radii as shares of the picture, and strengths.
pub(super) struct LensDirt(Vec<(Point, f32, f32)>);

impl LensDirt {
    pub(super) fn draw(rng: &mut impl Rng) -> Self {
        let blob = |_| {
            let at = [rng.random_range(0.05..0.95), rng.random_range(0.05..0.95)];
            (at, rng.random_range(0.08..0.30), rng.random_range(0.25..0.9))
        };
        Self((0..9).map(blob).collect())
    }

    /// How much of the veil lies over each pixel.
    fn field(&self, level: f32, canvas: &Canvas) -> Field {
        let [width, height] = [canvas.width as f32, canvas.height as f32];
        Field::new(canvas.width, canvas.height, |[x, y]| {
            let blobs = self.0.iter().map(|&([bx, by], radius, strength)| {
                let away = (x - bx * width).hypot(y - by * height) / width;
                strength * (1.0 - smooth(0.0, radius, away))
            });
            (level * (0.10 + 0.5 * blobs.sum::<f32>())).min(0.75)
        })
    }
}

/// The light that spills beside over-exposed parts.
fn spill_field(canvas: &Canvas, gain: f32) -> Field {
    const STEP: usize = 2;
    let [_, green, _] = &canvas.planes;
    let mut field = Field::new(canvas.width, canvas.height, |point| {
        let reach = CELL_PX as f32 / 2.0;
        let area = Bounds::around(point, reach);
        let (mut sum, mut count) = (0.0, 0.0);
        for y in area.rows(canvas.height).step_by(STEP) {
            for x in area.columns(canvas.width).step_by(STEP) {
                sum += (green[y * canvas.width + x] * gain - SPILL).clamp(0.0, 0.25);
                count += 1.0;
            }
        }
        4.0 * sum / f32::max(count, 1.0)
    });
    field.soften();
    field
}

/// The canvas as 8-bit RGB.
pub(super) fn develop(
    canvas: &Canvas,
    scene: &Scene<'_>,
    optics: &Optics,
    lens: Option<(&LensDirt, f32)>,
    noise: &Noise,
    rng: &mut ChaCha8Rng,
) -> Vec<u8> {
    let (width, height) = (canvas.width, canvas.height);
    let mut light = Field::new(width, height, |point| scene.light_at(point));
    let mut spill = spill_field(canvas, scene.exposure);
    let mut veil = lens.map(|(dirt, level)| dirt.field(level, canvas));
    let (mut lit, mut spilled, mut veiled) = (vec![0.0; width], vec![0.0; width], vec![0.0; width]);
    let mut column = vec![0.0; width + 4];
    let mut planes: [Vec<u8>; 3] = std::array::from_fn(|_| vec![0; width]);
    let mut pixels = vec![0; width * height * 3];
    for (y, out) in pixels.chunks_exact_mut(width * 3).enumerate() {
        light.fill_row(y, &mut lit);
        spill.fill_row(y, &mut spilled);
        if let Some(veil) = &mut veil {
            veil.fill_row(y, &mut veiled);
        }
        for (channel, plane) in canvas.planes.iter().enumerate() {
            let kernel = optics.kernels[channel];
            blur_down(plane, width, y, kernel, &mut column);
            let gain = scene.exposure * scene.tint[channel];
            let veil_light = VEIL * gain;
            let white = noise.white(rng.random_range(0..WHITE_COUNT), width);
            let (read, shot) = (READ_NOISE * optics.noise, SHOT_NOISE * optics.noise);
            // Slices of one known length: the loop needs no bounds checks and is vectorised.
            let (column, lit, spilled, veiled) =
                (&column[..width + 4], &lit[..width], &spilled[..width], &veiled[..width]);
            for (x, out) in planes[channel][..width].iter_mut().enumerate() {
                let [far, near, mid] =
                    [column[x] + column[x + 4], column[x + 1] + column[x + 3], column[x + 2]];
                let value = kernel[0] * mid + kernel[1] * near + kernel[2] * far;
                let value = (value * gain + HALO[channel] * spilled[x]) * lit[x];
                let value = (value + (veil_light - value) * veiled[x]).max(0.0);
                *out = byte(value + (read + shot * value.min(1.0).sqrt()) * white[x]);
            }
        }
        let [red, green, blue] = &planes;
        for (((pixel, &r), &g), &b) in out.chunks_exact_mut(3).zip(red).zip(green).zip(blue) {
            pixel.copy_from_slice(&[r, g, b]);
        }
    }
    pixels
}

/// Blurs one row with its neighbours above and below, and leaves two pixels of margin at each end.
fn blur_down(plane: &[f32], width: usize, y: usize, kernel: [f32; 3], out: &mut [f32]) {
    let last = plane.len() / width - 1;
    let row = |shift: usize, is_up: bool| {
        let y = if is_up { y.saturating_sub(shift) } else { (y + shift).min(last) };
        &plane[y * width..][..width]
    };
    let (middle, up, down) = (row(0, true), row(1, true), row(1, false));
    let (far_up, far_down) = (row(2, true), row(2, false));
    for (x, value) in out[2..width + 2].iter_mut().enumerate() {
        *value =
            kernel[0] * middle[x] + kernel[1] * (up[x] + down[x]) + kernel[2] * (far_up[x] + far_down[x]);
    }
    let (first, end) = (out[2], out[width + 1]);
    out[..2].fill(first);
    out[width + 2..].fill(end);
}
