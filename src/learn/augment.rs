//! One sample, changed at random, as the network's input and targets.
//!
//! What is drawn depends only on seed, epoch and position, never on threads.

use super::data::Sample;
use super::settings::Augmentation;
use crate::infer::{InputSpec, View, normalisation};
use crate::nn::PIXEL_STRIDE;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Points per axis at which a mask is looked up for each cell.
const POINTS: usize = 4;
/// Thin defects never fill a cell: two thirds of one count as all of it.
const COVERAGE_GAIN: f32 = 1.5;
/// Fewer covered cells than this, and the defect has left the picture.
const CELLS_VISIBLE: f32 = 0.25;
/// How often a tile is placed on a defect where the item has one.
const ON_DEFECT: f64 = 0.7;

/// One training example; maps are `classes × rows × columns` at the network's output stride.
pub(super) struct Example {
    pub values: Vec<f32>,
    pub target: Vec<f32>,
    pub weight: Vec<f32>,
    /// For each class: is it in the picture, and does that count.
    pub item_target: Vec<f32>,
    pub item_weight: Vec<f32>,
}

/// Input pixel → canvas pixel.
struct Warp {
    matrix: [f32; 4],
    from: [f32; 2],
    to: [f32; 2],
}

impl Warp {
    fn apply(&self, x: f32, y: f32) -> [f32; 2] {
        let (x, y) = (x - self.from[0], y - self.from[1]);
        let [a, b, c, d] = self.matrix;
        [self.to[0] + a * x + b * y, self.to[1] + c * x + d * y]
    }
}

pub(super) fn example(sample: &Sample, spec: &InputSpec, settings: &Augmentation, key: [u64; 3]) -> Example {
    let mut seed = [0_u8; 32];
    for (bytes, part) in seed.as_chunks_mut::<8>().0.iter_mut().zip(key) {
        *bytes = part.to_le_bytes();
    }
    let mut rng = ChaCha8Rng::from_seed(seed);
    let warp = draw_warp(&mut rng, sample, spec, settings);
    let values = pixels(&mut rng, sample, spec, settings, &warp);
    let (target, weight, item_target, item_weight) = targets(sample, spec, &warp);
    Example { values, target, weight, item_target, item_weight }
}

fn draw_warp(rng: &mut ChaCha8Rng, sample: &Sample, spec: &InputSpec, s: &Augmentation) -> Warp {
    let (_, width, height) = sample.input.canvas();
    let (w, h) = (spec.width_px as f32, spec.height_px as f32);
    let mut within = |limit: f32| if limit > 0.0 { rng.random_range(-limit..=limit) } else { 0.0 };
    let angle = within(s.rotate_deg).to_radians();
    let zoom = within(s.scale).exp();
    let shift = [within(s.shift) * w, within(s.shift) * h];
    let flip = [s.flip_x && rng.random::<bool>(), s.flip_y && rng.random::<bool>()]
        .map(|f| if f { -1.0 } else { 1.0 });
    let centre = match spec.view {
        View::Single => [w / 2.0, h / 2.0],
        View::Tiles { .. } => tile_centre(rng, sample, [width as f32, height as f32], [w, h]),
    };
    let (sin, cos) = angle.sin_cos();
    Warp {
        matrix: [cos * zoom * flip[0], -sin * zoom * flip[1], sin * zoom * flip[0], cos * zoom * flip[1]],
        from: [w / 2.0, h / 2.0],
        to: [centre[0] + shift[0], centre[1] + shift[1]],
    }
}

/// Anywhere on the canvas, or near a random pixel of a defect.
fn tile_centre(rng: &mut ChaCha8Rng, sample: &Sample, canvas: [f32; 2], side: [f32; 2]) -> [f32; 2] {
    let mut centre = [0, 1].map(|axis| {
        let (low, high) = (side[axis] / 2.0, canvas[axis] - side[axis] / 2.0);
        if high > low { rng.random_range(low..high) } else { canvas[axis] / 2.0 }
    });
    if let Some((_, mask)) = sample.masks.first().filter(|_| rng.random_bool(ON_DEFECT)) {
        let covered: Vec<usize> = (0..mask.len()).filter(|&at| mask[at] > 127).collect();
        if !covered.is_empty() {
            let at = covered[rng.random_range(0..covered.len())];
            let (_, width, _) = sample.input.canvas();
            let place = [(at % width) as f32, (at / width) as f32];
            for axis in 0..2 {
                let jitter = rng.random_range(-0.35..0.35) * side[axis];
                let (low, high) = (side[axis] / 2.0, (canvas[axis] - side[axis] / 2.0).max(side[axis] / 2.0));
                centre[axis] = (place[axis] + jitter).clamp(low, high);
            }
        }
    }
    centre
}

/// A coordinate as two neighbouring indices, kept inside, and the share of the second.
fn neighbours(v: f32, size: usize) -> (usize, usize, f32) {
    let v = (v - 0.5).clamp(0.0, (size - 1) as f32);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the canvas")]
    let low = v as usize;
    (low, (low + 1).min(size - 1), v - low as f32)
}

fn pixels(
    rng: &mut ChaCha8Rng,
    sample: &Sample,
    spec: &InputSpec,
    s: &Augmentation,
    warp: &Warp,
) -> Vec<f32> {
    let (bytes, width, height) = sample.input.canvas();
    let (columns, rows) = (spec.width_px as usize, spec.height_px as usize);
    let plane = width * height;
    let mut values = vec![0.0; spec.planes() * rows * columns];
    // The same light for all channels of one photograph, another for the reference's.
    let photographs = spec.planes() / spec.channels as usize;
    for photograph in 0..photographs {
        let mut within = |limit: f32| if limit > 0.0 { rng.random_range(-limit..=limit) } else { 0.0 };
        let (gain, offset) = ((1.5 * within(s.light)).exp(), 255.0 * 0.5 * within(s.light));
        let gamma = (1.5 * within(s.light)).exp();
        let noise = 255.0 * within(s.noise).abs();
        let curve: Vec<f32> = (0..=255_u16).map(|v| 255.0 * (f32::from(v) / 255.0).powf(gamma)).collect();
        for channel in 0..spec.channels as usize {
            let index = photograph * spec.channels as usize + channel;
            let source = &bytes[index * plane..(index + 1) * plane];
            let table = normalisation(spec, index);
            let (zero, unit) = (table[0], (table[255] - table[0]) / 255.0);
            let out = &mut values[index * rows * columns..(index + 1) * rows * columns];
            for (y, line) in out.chunks_exact_mut(columns).enumerate() {
                for (x, value) in line.iter_mut().enumerate() {
                    let [sx, sy] = warp.apply(x as f32 + 0.5, y as f32 + 0.5);
                    let ((x1, x2, fx), (y1, y2, fy)) = (neighbours(sx, width), neighbours(sy, height));
                    let at = |x: usize, y: usize| curve[usize::from(source[y * width + x])];
                    let top = at(x1, y1) * (1.0 - fx) + at(x2, y1) * fx;
                    let low = at(x1, y2) * (1.0 - fx) + at(x2, y2) * fx;
                    let grain = noise * triangular(rng.random());
                    let light = 127.5 + gain * (top * (1.0 - fy) + low * fy - 127.5) + offset + grain;
                    *value = zero + unit * light.clamp(0.0, 255.0);
                }
            }
        }
    }
    values
}

/// The two halves of a random word, subtracted: between −1 and 1, mostly near 0.
fn triangular(bits: u32) -> f32 {
    ((bits & 0xffff) as f32 - (bits >> 16) as f32) / 65536.0
}

type Targets = (Vec<f32>, Vec<f32>, Vec<f32>, Vec<f32>);

fn targets(sample: &Sample, spec: &InputSpec, warp: &Warp) -> Targets {
    let stride = PIXEL_STRIDE as usize;
    let (columns, rows) = (spec.width_px as usize / stride, spec.height_px as usize / stride);
    let (plane, classes) = (columns * rows, sample.positive.len());
    let mut target = vec![0.0; classes * plane];
    let mut weight = vec![1.0; classes * plane];
    let mut item_target = vec![0.0; classes];
    let mut item_weight = vec![1.0; classes];
    let (_, width, height) = sample.input.canvas();
    for (class, mask) in &sample.masks {
        let map = &mut target[class * plane..(class + 1) * plane];
        for (at, cell) in map.iter_mut().enumerate() {
            let mut sum = 0_u32;
            for point in 0..POINTS * POINTS {
                let step = stride as f32 / POINTS as f32;
                let px = (at % columns * stride) as f32 + ((point % POINTS) as f32 + 0.5) * step;
                let py = (at / columns * stride) as f32 + ((point / POINTS) as f32 + 0.5) * step;
                let [sx, sy] = warp.apply(px, py);
                let inside = sx >= 0.0 && sy >= 0.0 && sx < width as f32 && sy < height as f32;
                if inside {
                    let ((x, ..), (y, ..)) = (neighbours(sx + 0.5, width), neighbours(sy + 0.5, height));
                    sum += u32::from(mask[y * width + x]);
                }
            }
            *cell = (COVERAGE_GAIN * sum as f32 / (255 * POINTS * POINTS) as f32).min(1.0);
        }
        item_target[*class] = if map.iter().sum::<f32>() >= CELLS_VISIBLE { 1.0 } else { 0.0 };
    }
    for class in 0..classes {
        if sample.unplaced[class] {
            weight[class * plane..(class + 1) * plane].fill(0.0);
            // A single view shows the whole item; a tile may or may not show the defect.
            let seen = spec.view == View::Single;
            item_target[class] = if seen { 1.0 } else { 0.0 };
            item_weight[class] = if seen { 1.0 } else { 0.0 };
        } else if sample.positive[class] && item_target[class] < 0.5 {
            item_weight[class] = 0.0;
        }
    }
    (target, weight, item_target, item_weight)
}
