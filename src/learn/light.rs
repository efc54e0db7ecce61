//! Another light and another lens: shading, contrast, gamma, focus and noise of a photograph.

use super::settings::Augmentation;
use crate::infer::InputSpec;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// How often a photograph is out of focus, or sharpened by its camera.
const FOCUS_SHARE: f64 = 0.4;
/// Passes of the smallest blur at the strongest defocus: a standard deviation of 1.2 px.
const BLUR_PASSES_MAX: usize = 3;

/// Changes the planes of an input (0 to 255) as another exposure of the same scene would: alike for
/// all channels of a photograph, independently for item and reference.
pub(super) fn relight(rng: &mut ChaCha8Rng, values: &mut [f32], spec: &InputSpec, s: &Augmentation) {
    let (width, channels) = (spec.width_px as usize, spec.channels as usize);
    for photograph in values.chunks_exact_mut(spec.area() * channels) {
        let mut within = |limit: f32| if limit > 0.0 { rng.random_range(-limit..=limit) } else { 0.0 };
        let (gain, offset) = ((1.5 * within(s.light)).exp(), 255.0 * 0.5 * within(s.light));
        let curve = gamma_curve(within(s.gamma).exp());
        let shading = [within(s.shading), within(s.shading), within(s.shading), within(s.shading)];
        let noise = 255.0 * within(s.noise).abs();
        let focus = within(s.blur);
        let is_focused = !rng.random_bool(FOCUS_SHARE);
        for plane in photograph.chunks_exact_mut(spec.area()) {
            if !is_focused {
                refocus(plane, width, focus);
            }
            for (y, row) in plane.chunks_exact_mut(width).enumerate() {
                let v = 2.0 * (y * width) as f32 / spec.area() as f32 - 1.0;
                for (x, value) in row.iter_mut().enumerate() {
                    let u = 2.0 * x as f32 / width as f32 - 1.0;
                    let [a, b, c, d] = shading;
                    let shade = 1.0 + a * u + b * v + c * (u * u - 0.33) + d * (v * v - 0.33);
                    let grain = noise * triangular(rng.random());
                    *value = 127.5 + gain * (lookup(&curve, *value * shade) - 127.5) + offset + grain;
                }
            }
        }
    }
}

fn gamma_curve(gamma: f32) -> [f32; 257] {
    std::array::from_fn(|i| 255.0 * (i.min(255) as f32 / 255.0).powf(gamma))
}

fn lookup(curve: &[f32; 257], value: f32) -> f32 {
    let value = value.clamp(0.0, 255.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the table")]
    let at = value as usize;
    curve[at] + (curve[at + 1] - curve[at]) * (value - at as f32)
}

/// Blurs by a positive `focus`, sharpens by a negative one; 1 is the strongest.
fn refocus(plane: &mut [f32], width: usize, focus: f32) {
    let mut soft = plane.to_vec();
    for _ in 0..BLUR_PASSES_MAX {
        smooth(&mut soft, width);
    }
    plane.iter_mut().zip(&soft).for_each(|(v, soft)| *v += focus * (soft - *v));
}

/// A quarter, a half, a quarter, along both axes; borders repeat.
fn smooth(plane: &mut [f32], width: usize) {
    for row in plane.chunks_exact_mut(width) {
        let mut left = row[0];
        for x in 0..width {
            let (here, right) = (row[x], row[(x + 1).min(width - 1)]);
            row[x] = 0.25 * left + 0.5 * here + 0.25 * right;
            left = here;
        }
    }
    let mut above = plane[..width].to_vec();
    let rows = plane.len() / width;
    for y in 0..rows {
        for x in 0..width {
            let (here, below) = (plane[y * width + x], plane[(y + 1).min(rows - 1) * width + x]);
            plane[y * width + x] = 0.25 * above[x] + 0.5 * here + 0.25 * below;
            above[x] = here;
        }
    }
}

/// The two halves of a random word, subtracted: between −1 and 1, mostly near 0.
fn triangular(bits: u32) -> f32 {
    ((bits & 0xffff) as f32 - (bits >> 16) as f32) / 65536.0
}
