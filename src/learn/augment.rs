//! One sample, changed at random, as the network's input and targets: another pose, the defects of
//! another item, another light.
//!
//! What is drawn depends only on seed, epoch and position, never on threads.

use super::LearnError;
use super::data::{Canvas, Sample};
use super::draw::Donors;
use super::light::relight;
use super::paste::paste;
use super::settings::Augmentation;
use super::surroundings::{colour, hide, hiss, lay_beneath};
use crate::infer::{InputSpec, MID_GREY, View, computed_planes, normalisation};
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
    /// Of a sound that is heard whole.
    delay: Option<Delay>,
}

/// A sound begins later, and what was cut off at its end stands before it. Beyond its own length there is
/// nothing, as in use.
struct Delay {
    length: f32,
    by: f32,
}

impl Delay {
    fn apply(&self, x: f32) -> f32 {
        if (0.0..self.length).contains(&x) { (x + self.by).rem_euclid(self.length) } else { x }
    }
}

impl Warp {
    fn apply(&self, x: f32, y: f32) -> [f32; 2] {
        let (x, y) = (x - self.from[0], y - self.from[1]);
        let [a, b, c, d] = self.matrix;
        let x_to = self.to[0] + a * x + b * y;
        [self.delay.as_ref().map_or(x_to, |delay| delay.apply(x_to)), self.to[1] + c * x + d * y]
    }
}

/// What an example is made from, and how.
pub(super) struct Recipe<'a> {
    pub spec: &'a InputSpec,
    pub settings: &'a Augmentation,
    /// Items whose defects may be laid over good ones.
    pub donors: &'a Donors<'a>,
    /// Sounds that may be heard beneath others without changing what those are.
    pub beds: &'a [&'a Sample<'a>],
}

pub(super) fn example(
    sample: &Sample<'_>,
    recipe: &Recipe<'_>,
    key: [u64; 3],
) -> Result<Example, LearnError> {
    let Recipe { spec, settings, donors, beds } = *recipe;
    let mut seed = [0_u8; 32];
    for (bytes, part) in seed.as_chunks_mut::<8>().0.iter_mut().zip(key) {
        *bytes = part.to_le_bytes();
    }
    let mut rng = ChaCha8Rng::from_seed(seed);
    let canvas = sample.canvas()?;
    let is_still = settings.still > 0.0 && rng.random_bool(f64::from(settings.still).clamp(0.0, 1.0));
    let pose = if is_still { settings.posed(0.0) } else { *settings };
    let warp = draw_warp(&mut rng, &canvas, spec, &pose, is_still);
    let mut values = levels(&canvas, spec, &warp);
    let mut truth = targets(sample, &canvas, spec, &warp);
    let is_pasted = !sample.is_defective() && rng.random_bool(f64::from(settings.paste).clamp(0.0, 1.0));
    if let (true, Some(donor)) = (is_pasted, donors.draw(&mut rng)) {
        let canvas = donor.canvas()?;
        let warp = draw_warp(&mut rng, &canvas, spec, &settings.posed(settings.paste_pose), false);
        paste(&mut rng, &mut values, &levels(&canvas, spec, &warp), &coverage(&canvas, spec, &warp), spec);
        truth = targets(donor, &canvas, spec, &warp);
    }
    let mut is_laid = false;
    if !beds.is_empty() && rng.random_bool(f64::from(settings.beneath).clamp(0.0, 1.0)) {
        let bed = beds[rng.random_range(0..beds.len())];
        let lower = bed.canvas()?;
        let warp_of_lower = draw_warp(&mut rng, &lower, spec, settings, false);
        let share = lay_beneath(&mut rng, &mut values, &levels(&lower, spec, &warp_of_lower));
        if bed.is_defective() {
            share_name(&mut truth, bed, share);
        }
        is_laid = true;
    }
    if settings.hiss > 0.0 && rng.random_bool(f64::from(settings.hiss).clamp(0.0, 1.0)) {
        hiss(&mut rng, &mut values, spec);
        is_laid = true;
    }
    // What lies beneath ends with the upper one.
    if is_laid && !is_pasted {
        hide_beyond(&mut values, &canvas, spec, &warp);
    }
    relight(&mut rng, &mut values, spec, settings);
    if settings.colour > 0.0 {
        colour(&mut rng, &mut values, spec, settings);
    }
    if settings.mask > 0.0 {
        hide(&mut rng, &mut values, spec, settings);
    }
    if spec.planes() > spec.photograph_planes() {
        values.extend(computed_planes(spec, &values, spec.width_px as usize));
    }
    for (plane, values) in values.chunks_exact_mut(spec.area()).enumerate() {
        let table = normalisation(spec, plane);
        let (zero, unit) = (table[0], (table[255] - table[0]) / 255.0);
        for v in values {
            *v = zero + unit * v.clamp(0.0, 255.0);
        }
    }
    let (target, weight, item_target, item_weight) = truth;
    Ok(Example { values, target, weight, item_target, item_weight })
}

fn draw_warp(
    rng: &mut ChaCha8Rng,
    shown: &Canvas,
    spec: &InputSpec,
    s: &Augmentation,
    is_still: bool,
) -> Warp {
    let (_, width, height) = shown.input.canvas();
    let (w, h) = (spec.width_px as f32, spec.height_px as f32);
    let mut within = |limit: f32| if limit > 0.0 { rng.random_range(-limit..=limit) } else { 0.0 };
    let mut angle = within(s.rotate_deg).to_radians();
    let zoom = within(s.scale).exp();
    let stretch = within(s.stretch).exp();
    let delayed = within(s.delay);
    let shift = [within(s.shift) * w, within(s.shift) * h];
    let flip = [s.flip_x && rng.random::<bool>(), s.flip_y && rng.random::<bool>()]
        .map(|f| if f { -1.0 } else { 1.0 });
    if s.quarter_turn && spec.width_px == spec.height_px && rng.random::<bool>() {
        angle += std::f32::consts::FRAC_PI_2;
    }
    let centre = match spec.view {
        View::Single => [w / 2.0, h / 2.0],
        View::Fit => {
            // At the top left as in use, or anywhere in the input that has room for it.
            let [used_x, used_y] = shown.input.picture().map(|side| side as f32);
            let mut place = |room: f32, flip: f32| match (room > 0.0, is_still) {
                (true, false) => rng.random_range(0.0..=room),
                (true, true) if flip < 0.0 => room,
                _ => 0.0,
            };
            [w / 2.0 - place(w - used_x, flip[0]), h / 2.0 - place(h - used_y, flip[1])]
        }
        View::Tiles { .. } => tile_centre(rng, shown, [width as f32, height as f32], [w, h]),
    };
    let (sin, cos) = angle.sin_cos();
    let length = shown.input.picture()[0] as f32;
    Warp {
        matrix: [
            cos * zoom * stretch * flip[0],
            -sin * zoom / stretch * flip[1],
            sin * zoom * stretch * flip[0],
            cos * zoom / stretch * flip[1],
        ],
        from: [w / 2.0, h / 2.0],
        to: [centre[0] + shift[0], centre[1] + shift[1]],
        // Of a longer one a window is shown, and that was aimed already.
        delay: (delayed != 0.0 && width <= spec.width_px as usize)
            .then_some(Delay { length, by: delayed * length }),
    }
}

/// Anywhere on the canvas, or near a random pixel of a defect.
fn tile_centre(rng: &mut ChaCha8Rng, shown: &Canvas, canvas: [f32; 2], side: [f32; 2]) -> [f32; 2] {
    let mut centre = [0, 1].map(|axis| {
        let (low, high) = (side[axis] / 2.0, canvas[axis] - side[axis] / 2.0);
        if high > low { rng.random_range(low..high) } else { canvas[axis] / 2.0 }
    });
    if let Some((_, mask)) = shown.masks.first().filter(|_| rng.random_bool(ON_DEFECT)) {
        let covered: Vec<usize> = (0..mask.len()).filter(|&at| mask[at] > 127).collect();
        if !covered.is_empty() {
            let at = covered[rng.random_range(0..covered.len())];
            let (_, width, _) = shown.input.canvas();
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

/// The photographs' planes under a warp, on the scale 0 to 255.
fn levels(shown: &Canvas, spec: &InputSpec, warp: &Warp) -> Vec<f32> {
    let (bytes, width, height) = shown.input.canvas();
    let columns = spec.width_px as usize;
    let planes: Vec<&[u8]> = bytes.chunks_exact(width * height).take(spec.photograph_planes()).collect();
    let mut values = vec![0.0; planes.len() * spec.area()];
    let bounds = bounds(shown);
    for at in 0..spec.area() {
        let point @ [x, y] = warp.apply((at % columns) as f32 + 0.5, (at / columns) as f32 + 0.5);
        if !is_inside(point, bounds) {
            (0..planes.len()).for_each(|plane| values[plane * spec.area() + at] = f32::from(MID_GREY));
            continue;
        }
        let ((x1, x2, fx), (y1, y2, fy)) = (neighbours(x, bounds[0]), neighbours(y, bounds[1]));
        let corners = [y1 * width + x1, y1 * width + x2, y2 * width + x1, y2 * width + x2];
        for (plane, source) in planes.iter().enumerate() {
            let [a, b, c, d] = corners.map(|corner| f32::from(source[corner]));
            let (top, low) = (a + (b - a) * fx, c + (d - c) * fx);
            values[plane * spec.area() + at] = top + (low - top) * fy;
        }
    }
    values
}

/// Grey where there is nothing of the item.
fn hide_beyond(values: &mut [f32], shown: &Canvas, spec: &InputSpec, warp: &Warp) {
    let columns = spec.width_px as usize;
    for at in 0..spec.area() {
        let point = warp.apply((at % columns) as f32 + 0.5, (at / columns) as f32 + 0.5);
        if !is_inside(point, bounds(shown)) {
            values.iter_mut().skip(at).step_by(spec.area()).for_each(|v| *v = f32::from(MID_GREY));
        }
    }
}

/// Canvas pixels with something to see.
fn bounds(shown: &Canvas) -> [usize; 2] {
    let (_, width, height) = shown.input.canvas();
    if shown.repeats_border { [width, height] } else { shown.input.picture() }
}

fn is_inside([x, y]: [f32; 2], bounds: [usize; 2]) -> bool {
    x >= 0.0 && y >= 0.0 && x < bounds[0] as f32 && y < bounds[1] as f32
}

/// Which pixels of the input show a defect of any class, 0 to 1.
fn coverage(shown: &Canvas, spec: &InputSpec, warp: &Warp) -> Vec<f32> {
    let (_, width, height) = shown.input.canvas();
    let columns = spec.width_px as usize;
    let covered = |x: usize, y: usize| {
        let most = shown.masks.iter().map(|(_, mask)| mask[y * width + x]).max();
        f32::from(most.unwrap_or(0)) / 255.0
    };
    (0..spec.area())
        .map(|at| {
            let point @ [x, y] = warp.apply((at % columns) as f32 + 0.5, (at / columns) as f32 + 0.5);
            if !is_inside(point, bounds(shown)) {
                return 0.0;
            }
            covered(neighbours(x + 0.5, width).0, neighbours(y + 0.5, height).0)
        })
        .collect()
}

/// Two sounds that have names are heard together (between-class learning, Tokozume et al., 2018); nobody
/// says where the lower one's is.
fn share_name((_, weight, item_target, item_weight): &mut Targets, bed: &Sample<'_>, share: f32) {
    let plane = weight.len() / item_target.len().max(1);
    for (class, target) in item_target.iter_mut().enumerate() {
        *target *= share;
        if bed.positive[class] {
            *target += 1.0 - share;
            item_weight[class] = 1.0;
            weight[class * plane..(class + 1) * plane].fill(0.0);
        }
    }
}

type Targets = (Vec<f32>, Vec<f32>, Vec<f32>, Vec<f32>);

fn targets(sample: &Sample<'_>, shown: &Canvas, spec: &InputSpec, warp: &Warp) -> Targets {
    let stride = PIXEL_STRIDE as usize;
    let (columns, rows) = (spec.width_px as usize / stride, spec.height_px as usize / stride);
    let (plane, classes) = (columns * rows, sample.positive.len());
    let mut target = vec![0.0; classes * plane];
    let mut weight = vec![1.0; classes * plane];
    let mut item_target = vec![0.0; classes];
    let mut item_weight = vec![1.0; classes];
    let (_, width, height) = shown.input.canvas();
    let bounds = bounds(shown);
    let points = if shown.masks.is_empty() { 0 } else { POINTS * POINTS };
    let step = stride as f32 / POINTS as f32;
    for at in 0..plane {
        for point in 0..points {
            let px = (at % columns * stride) as f32 + ((point % POINTS) as f32 + 0.5) * step;
            let py = (at / columns * stride) as f32 + ((point / POINTS) as f32 + 0.5) * step;
            let point @ [sx, sy] = warp.apply(px, py);
            if is_inside(point, bounds) {
                let ((x, ..), (y, ..)) = (neighbours(sx + 0.5, width), neighbours(sy + 0.5, height));
                for (class, mask) in &shown.masks {
                    target[class * plane + at] += f32::from(mask[y * width + x]);
                }
            }
        }
    }
    for (class, map) in target.chunks_exact_mut(plane).enumerate() {
        for v in map.iter_mut() {
            *v = (COVERAGE_GAIN * *v / (255 * POINTS * POINTS) as f32).min(1.0);
        }
        item_target[class] = if map.iter().sum::<f32>() >= CELLS_VISIBLE { 1.0 } else { 0.0 };
    }
    for class in 0..classes {
        if sample.unplaced[class] {
            weight[class * plane..(class + 1) * plane].fill(0.0);
            // A view of the whole item shows it; a smaller one may or may not.
            let seen = width <= spec.width_px as usize && height <= spec.height_px as usize;
            item_target[class] = if seen { 1.0 } else { 0.0 };
            item_weight[class] = if seen { 1.0 } else { 0.0 };
        } else if sample.positive[class] && item_target[class] < 0.5 {
            item_weight[class] = 0.0;
        }
    }
    (target, weight, item_target, item_weight)
}
