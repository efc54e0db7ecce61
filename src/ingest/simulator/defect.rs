//! Scratches, cracks, chips and stains: each is painted on the phone and leaves its true mask.
//! All go from faint, just above the noise, to obvious.

use super::canvas::{Bounds, Canvas, Color, Layer, Point, coverage, mix, mix_color, smooth, whole};
use super::scene::{Pose, Scene};
use crate::domain::{Region, Shape};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::f32::consts::{PI, TAU};

/// Classes of the simulated line besides good.
pub const DEFECT_CLASSES: [&str; 4] = ["scratch", "crack", "chip", "stain"];

/// How often each is the main defect of a defective unit.
const CLASS_SHARES: [f32; 4] = [0.40, 0.20, 0.18, 0.22];
/// Share of defective units with a second defect of another class.
const SECOND_CLASS_SHARE: f64 = 0.12;
/// A smaller mask is not a defect that anybody could point at; the drawing is repeated.
const AREA_PX_MIN: usize = 24;
const ATTEMPTS_MAX: usize = 20;
/// Lines are labelled at least this wide, as a person would draw over them.
const LINE_MASK_PX: f32 = 3.0;

/// Paints the defects of one unit: its main class and all regions (at least one).
pub(super) fn paint_defects(
    canvas: &mut Canvas,
    scene: &Scene,
    rng: &mut ChaCha8Rng,
) -> (&'static str, Vec<Region>) {
    let main = draw_class(rng);
    let mut regions = Vec::new();
    let count = match main {
        "scratch" => rng.random_range(1..=3),
        "stain" => rng.random_range(1..=2),
        _ => 1,
    };
    for _ in 0..count {
        regions.extend(paint_one(canvas, scene, main, rng));
    }
    if regions.is_empty() {
        regions.extend(paint_one(canvas, scene, main, rng));
    }
    if rng.random_bool(SECOND_CLASS_SHARE) {
        let second = draw_class(rng);
        regions.extend(paint_one(canvas, scene, second, rng));
    }
    (main, regions)
}

fn draw_class(rng: &mut ChaCha8Rng) -> &'static str {
    let mut left = rng.random::<f32>();
    for (class, share) in DEFECT_CLASSES.into_iter().zip(CLASS_SHARES) {
        if left < share {
            return class;
        }
        left -= share;
    }
    DEFECT_CLASSES[0]
}

/// `None` only when every attempt fell off the phone.
fn paint_one(canvas: &mut Canvas, scene: &Scene, class: &str, rng: &mut ChaCha8Rng) -> Option<Region> {
    let (width, height) = (u32::try_from(canvas.width).ok()?, u32::try_from(canvas.height).ok()?);
    for _ in 0..ATTEMPTS_MAX {
        let drawn = match class {
            "crack" => crack(canvas, &scene.pose, rng),
            "chip" => chip(canvas, scene, rng),
            "stain" => stain(canvas, &scene.pose, rng),
            _ => scratch(canvas, &scene.pose, rng),
        };
        if drawn.layer.area() >= AREA_PX_MIN {
            for (layer, color) in drawn.paint() {
                canvas.blend_layer(layer, color);
            }
            let shape = Shape::Mask(drawn.layer.to_mask(width, height));
            return Some(Region { class: class.to_owned(), shape, score: None });
        }
    }
    None
}

/// The layer that carries the mask, and what else is painted with it.
struct Drawn {
    layer: Layer,
    color: Color,
    more: Option<(Layer, Color)>,
}

impl Drawn {
    fn paint(&self) -> impl Iterator<Item = (&Layer, Color)> {
        std::iter::once((&self.layer, self.color))
            .chain(self.more.as_ref().map(|(layer, color)| (layer, *color)))
    }
}

/// Low values are as common as high ones on a scale of ratios.
fn log_range(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    (rng.random_range(low.ln()..high.ln())).exp()
}

fn on_face(rng: &mut ChaCha8Rng, pose: &Pose, reach: f32) -> Point {
    pose.image([
        rng.random_range(-reach..reach) * pose.half[0],
        rng.random_range(-reach..reach) * pose.half[1],
    ])
}

const LIGHT_LINE: Color = [0.86, 0.88, 0.90];
const DARK_LINE: Color = [0.10, 0.10, 0.11];

/// Scratches on dark glass shine, on a bright surface they are darker than it.
fn line_color(brightness: f32) -> Color {
    if brightness < 0.42 { LIGHT_LINE } else { DARK_LINE }
}

fn scratch(canvas: &Canvas, pose: &Pose, rng: &mut ChaCha8Rng) -> Drawn {
    const STEP_PX: f32 = 7.0;
    let mut at = on_face(rng, pose, 0.9);
    let color = line_color(canvas.brightness(at));
    let steps = whole(log_range(rng, 45.0, 620.0) / STEP_PX);
    let mut heading: f32 = rng.random_range(0.0..TAU);
    let mut bend = rng.random_range(-0.02..0.02);
    let width = log_range(rng, 0.9, 3.2);
    let strength = log_range(rng, 0.14, 0.85);
    let mut path = vec![at];
    for _ in 0..steps {
        heading += bend + rng.random_range(-0.035..0.035);
        bend += rng.random_range(-0.004..0.004);
        at = [at[0] + STEP_PX * heading.cos(), at[1] + STEP_PX * heading.sin()];
        path.push(at);
    }
    let mut layer = Layer::new(Bounds::of(path.iter().copied(), 6.0), canvas);
    let mut pressure = rng.random_range(0.7..1.0);
    let mut before: f32 = 0.35;
    for (i, ends) in path.windows(2).enumerate() {
        // Both ends run out; between them the pressure wanders.
        let run_out = smooth(0.0, 0.18, 1.0 - (2.0 * (i + 1) as f32 / path.len() as f32 - 1.0).abs());
        pressure = (pressure + rng.random_range(-0.14_f32..0.14)).clamp(0.45, 1.0);
        let now = pressure * (0.35 + 0.65 * run_out);
        let widths = [width * before.max(0.5), width * now.max(0.5)];
        layer.stroke([ends[0], ends[1]], widths, [strength * before, strength * now], LINE_MASK_PX);
        before = now;
    }
    layer.clip(|p| coverage(pose.outside(p) + 1.0));
    Drawn { layer, color, more: None }
}

/// One branch of a crack that is still to be drawn.
struct Branch {
    at: Point,
    heading: f32,
    length_px: f32,
    width: f32,
    depth: u32,
}

/// No crack branches more often than this.
const BRANCHES_MAX: usize = 28;

/// Straight pieces with kinks and branches, from an impact near the edge.
fn crack(canvas: &Canvas, pose: &Pose, rng: &mut ChaCha8Rng) -> Drawn {
    let edge = rng.random_range(0.0..TAU);
    let reach = rng.random_range(0.72..0.98);
    // A point of a squared circle: near the edge, seldom in the middle.
    let (sin, cos) = edge.sin_cos();
    let stretch = reach / sin.abs().max(cos.abs());
    let local = [cos * stretch * pose.half[0], sin * stretch * pose.half[1]];
    let impact = pose.image(local);
    let inward = pose.turn([-local[0], -local[1]]);
    let inward = inward[1].atan2(inward[0]);
    let size = log_range(rng, 110.0, 620.0);
    let strength = log_range(rng, 0.25, 0.95);
    let width = rng.random_range(1.0..2.4);
    let mut open: Vec<Branch> = Vec::new();
    for _ in 0..rng.random_range(2..=5) {
        let heading = inward + rng.random_range(-1.25..1.25);
        open.push(Branch {
            at: impact,
            heading,
            length_px: size * rng.random_range(0.4..1.0),
            width,
            depth: 0,
        });
    }
    let mut strokes: Vec<([Point; 2], f32)> = Vec::new();
    let mut drawn = 0;
    while let Some(branch) = open.pop() {
        drawn += 1;
        grow(&branch, &mut strokes, &mut open, drawn < BRANCHES_MAX, rng);
    }
    shatter(impact, size, width, &mut strokes, rng);

    let bounds = Bounds::of(strokes.iter().flat_map(|(ends, _)| *ends), 6.0);
    let mut layer = Layer::new(bounds, canvas);
    let mut shine = Layer::new(bounds, canvas);
    for (ends, width) in strokes {
        let alpha = strength * rng.random_range(0.6..1.0);
        layer.stroke(ends, [width, width], [alpha, alpha], LINE_MASK_PX + 1.0);
        if rng.random_bool(0.3) {
            // Here and there a splinter stands up and throws the light back.
            let shifted = ends.map(|[x, y]| [x + 1.3, y - 1.3]);
            shine.stroke(shifted, [width * 0.8, 0.6], [strength * 0.9, 0.1], 0.0);
        }
    }
    layer.clip(|p| coverage(pose.outside(p) + 1.0));
    shine.clip(|p| coverage(pose.outside(p) + 1.0));
    let color = line_color(canvas.brightness(impact));
    let glint = if color == LIGHT_LINE { [1.0; 3] } else { [0.97, 0.98, 1.0] };
    Drawn { layer, color, more: Some((shine, glint)) }
}

fn grow(
    branch: &Branch,
    strokes: &mut Vec<([Point; 2], f32)>,
    open: &mut Vec<Branch>,
    may_fork: bool,
    rng: &mut ChaCha8Rng,
) {
    let &Branch { mut at, mut heading, length_px, mut width, depth } = branch;
    let mut left = length_px;
    while left > 0.0 {
        let piece = rng.random_range(22.0..78.0_f32).min(left);
        heading += rng.random_range(-0.34..0.34);
        let next = [at[0] + piece * heading.cos(), at[1] + piece * heading.sin()];
        strokes.push(([at, next], width));
        at = next;
        left -= piece;
        width = (width * 0.93).max(0.8);
        if may_fork && depth < 3 && left > 40.0 && rng.random_bool(0.32) {
            let side = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
            let heading = heading + side * rng.random_range(0.4..1.1);
            let length_px = left * rng.random_range(0.3..0.8);
            open.push(Branch { at, heading, length_px, width: width * 0.85, depth: depth + 1 });
        }
    }
}

/// Short cracks around the point of impact.
fn shatter(at: Point, size: f32, width: f32, strokes: &mut Vec<([Point; 2], f32)>, rng: &mut ChaCha8Rng) {
    let reach = (size * 0.09).clamp(8.0, 34.0);
    for _ in 0..rng.random_range(3..9) {
        let heading: f32 = rng.random_range(0.0..TAU);
        let length = reach * rng.random_range(0.5..1.3);
        let end = [at[0] + length * heading.cos(), at[1] + length * heading.sin()];
        strokes.push(([at, end], width * 0.9));
    }
}

/// A piece broken out of the rim: belt shows where it is gone, bright facets where it broke.
fn chip(canvas: &mut Canvas, scene: &Scene, rng: &mut ChaCha8Rng) -> Drawn {
    const SPOKES: usize = 11;
    let pose = &scene.pose;
    let corner = rng.random_bool(0.45);
    let side = |rng: &mut ChaCha8Rng| if rng.random_bool(0.5) { 1.0_f32 } else { -1.0 };
    let (su, sv) = (side(rng), side(rng));
    let local = if corner {
        let inset = pose.corner_px * (1.0 - std::f32::consts::FRAC_1_SQRT_2);
        [su * (pose.half[0] - inset), sv * (pose.half[1] - inset)]
    } else if rng.random_bool(0.65) {
        [su * pose.half[0], rng.random_range(-0.85..0.85) * pose.half[1]]
    } else {
        [rng.random_range(-0.75..0.75) * pose.half[0], sv * pose.half[1]]
    };
    let middle = pose.image(local);
    let radius = log_range(rng, 9.0, 52.0);
    let spokes: [f32; SPOKES] = std::array::from_fn(|_| radius * rng.random_range(0.55..1.0));
    let tones: [f32; SPOKES] = std::array::from_fn(|_| rng.random_range(0.18..0.95));
    let depth = radius * rng.random_range(0.15..0.55);
    let strength = rng.random_range(0.55..1.0);
    // Distance to the ragged outline, and the tone of the facet.
    let outline = |[x, y]: Point| {
        let (dx, dy) = (x - middle[0], y - middle[1]);
        let turn = (dy.atan2(dx) + PI) / TAU * SPOKES as f32;
        let at = whole(turn) % SPOKES;
        let reach = mix(spokes[at], spokes[(at + 1) % SPOKES], turn.fract());
        (dx.hypot(dy) - reach, tones[at], dx.hypot(dy) / reach)
    };
    let bounds = Bounds::around(middle, radius + 2.0);
    let surface = mix_color(scene.body, [0.45; 3], 0.35);
    canvas.paint(bounds, |p| {
        let (distance, tone, share) = outline(p);
        let outside = pose.outside(p);
        let cover = coverage(distance) * coverage(outside);
        if cover <= 0.0 {
            return None;
        }
        if outside > -depth {
            return Some((scene.belt.map(|v| v * 0.72), cover));
        }
        let facet = surface.map(|v| mix(v * 0.4, tone, 0.65) * (1.12 - 0.3 * share));
        Some((facet, cover * strength))
    });
    let mut layer = Layer::new(bounds, canvas);
    layer.paint(bounds, |p| (0.0, outline(p).0 <= 0.0 && pose.outside(p) <= 0.0));
    Drawn { layer, color: surface, more: None }
}

/// A soft blotch: haze, brownish liquid, or a film of oil with a bright rim.
fn stain(canvas: &Canvas, pose: &Pose, rng: &mut ChaCha8Rng) -> Drawn {
    let middle = on_face(rng, pose, 0.85);
    let radius = log_range(rng, 15.0, 85.0);
    let strength = log_range(rng, 0.10, 0.55);
    let bright = canvas.brightness(middle) > 0.42;
    let color = match (rng.random_range(0..3), bright) {
        (0, false) => [0.62, 0.62, 0.58],
        (1, false) => [0.55, 0.42, 0.26],
        (_, false) => [0.50, 0.56, 0.60],
        (0, true) => [0.42, 0.34, 0.22],
        (_, true) => [0.30, 0.28, 0.26],
    };
    let blobs: Vec<(Point, f32)> = (0..rng.random_range(3..8))
        .map(|_| {
            let off = radius * rng.random_range(0.0..0.75);
            let angle: f32 = rng.random_range(0.0..TAU);
            let at = [middle[0] + off * angle.cos(), middle[1] + off * angle.sin()];
            (at, radius * rng.random_range(0.3..0.6))
        })
        .collect();
    let has_rim = rng.random_bool(0.45);
    let (ripple, phase) = (rng.random_range(0.05..0.14), rng.random_range(0.0..TAU));
    let bounds = Bounds::around(middle, radius * 2.2);
    let mut layer = Layer::new(bounds, canvas);
    let mut rim = Layer::new(bounds, canvas);
    let density = |[x, y]: Point| {
        let sum: f32 = blobs
            .iter()
            .map(|&(at, r)| {
                let d = ((x - at[0]).powi(2) + (y - at[1]).powi(2)) / (r * r);
                if d < 9.0 { (-0.7 * d).exp() } else { 0.0 }
            })
            .sum();
        sum * (1.0 + 0.16 * (x * ripple + phase).sin() * (y * ripple * 1.3).cos())
    };
    layer.paint(bounds, |p| {
        let d = density(p);
        (strength * smooth(0.25, 0.62, d) * (0.8 + 0.2 * smooth(0.62, 1.6, d)), d >= 0.42)
    });
    if has_rim {
        rim.paint(bounds, |p| {
            let edge = 1.0 - (density(p) - 0.5).abs() * 5.0;
            let facing = 0.35 + 0.65 * ((p[0] - middle[0] - p[1] + middle[1]) / radius).clamp(0.0, 1.0);
            (strength * 0.9 * edge.max(0.0) * facing, false)
        });
    }
    layer.clip(|p| coverage(pose.outside(p) + 2.0));
    rim.clip(|p| coverage(pose.outside(p) + 2.0));
    Drawn { layer, color, more: has_rim.then_some((rim, [0.85, 0.87, 0.88])) }
}
