//! Defects that are lines: scratches and cracks.

use super::canvas::{Bounds, Canvas, Point, coverage};
use super::defect::{draw_strength, line_color, on_face};
use super::patch::Patch;
use super::scene::Pose;
use crate::ingest::simulator::curve::{log_range, smooth, whole};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::f32::consts::TAU;

/// Lines are labelled at least this wide, as a person would draw over them.
const LINE_MASK_PX: f32 = 5.0;
const STEP_PX: f32 = 5.0;
/// Room around a path for its strokes and their companions.
const MARGIN_PX: f32 = 14.0;

/// One stroke of something sharp: where it went, and how wide and strong it is.
struct Stroke {
    path: Vec<Point>,
    width: f32,
    strength: f32,
    /// How much the pressure changes from step to step.
    unrest: f32,
}

pub(super) fn scratch(canvas: &Canvas, pose: &Pose, rng: &mut ChaCha8Rng) -> Patch {
    let start = on_face(rng, pose, 0.92);
    let strength = draw_strength(rng);
    let strokes = match rng.random_range(0..10) {
        0 | 1 => bundle(start, strength, rng),
        2 => vec![hairline(start, strength, rng)],
        _ => fibrous(start, strength, rng),
    };
    let points = strokes.iter().flat_map(|stroke| stroke.path.iter().copied());
    let mut patch = Patch::new(Bounds::of(points, MARGIN_PX), canvas);
    for stroke in &strokes {
        lay(&mut patch, stroke, rng);
    }
    patch.ink(line_color(rng));
    patch.clip(canvas, |point| coverage(pose.outside(point) + 1.0));
    patch
}

/// A path that bends slowly and trembles.
fn walk(start: Point, heading: f32, length_px: f32, tremble: f32, rng: &mut ChaCha8Rng) -> Vec<Point> {
    let (mut at, mut heading) = (start, heading);
    let mut bend = rng.random_range(-0.016..0.016);
    let mut path = vec![at];
    for _ in 0..whole(length_px / STEP_PX).max(2) {
        heading += bend;
        bend += rng.random_range(-0.003..0.003);
        let now = heading + rng.random_range(-tremble..tremble);
        at = [at[0] + STEP_PX * now.cos(), at[1] + STEP_PX * now.sin()];
        path.push(at);
    }
    path
}

/// Long and less than a pixel wide.
fn hairline(start: Point, strength: f32, rng: &mut ChaCha8Rng) -> Stroke {
    let heading = rng.random_range(0.0..TAU);
    let length_px = log_range(rng, 120.0, 800.0);
    let width = rng.random_range(0.7..1.3);
    Stroke { path: walk(start, heading, length_px, 0.05, rng), width, strength, unrest: 0.08 }
}

/// A plain scratch: one line with splinters that run beside it.
fn fibrous(start: Point, strength: f32, rng: &mut ChaCha8Rng) -> Vec<Stroke> {
    let heading = rng.random_range(0.0..TAU);
    let length_px = log_range(rng, 40.0, 560.0);
    let width = log_range(rng, 1.1, 4.2);
    let tremble = if rng.random_bool(0.25) { 0.5 } else { 0.14 };
    let path = walk(start, heading, length_px, tremble, rng);
    let mut strokes = Vec::new();
    for _ in 0..rng.random_range(2..=7) {
        let from = rng.random_range(0..path.len());
        let to = (from + rng.random_range(3..30)).min(path.len());
        let shift: Point = std::array::from_fn(|_| rng.random_range(-1.3..1.3) * width);
        let beside = path[from..to].iter().map(|at| [at[0] + shift[0], at[1] + shift[1]]).collect();
        strokes.push(Stroke { path: beside, width: width * 0.45, strength: strength * 0.8, unrest: 0.3 });
    }
    strokes.push(Stroke { path, width, strength, unrest: 0.22 });
    strokes.retain(|stroke| stroke.path.len() > 1);
    strokes
}

/// Many fine scratches in about one direction, as from wiping with grit.
fn bundle(start: Point, strength: f32, rng: &mut ChaCha8Rng) -> Vec<Stroke> {
    let heading = rng.random_range(0.0..TAU);
    let spread = rng.random_range(8.0..45.0);
    let length_px = log_range(rng, 60.0, 280.0);
    let count = rng.random_range(4..13);
    let one = |_| {
        let at = std::array::from_fn(|axis| start[axis] + rng.random_range(-spread..spread));
        let heading = heading + rng.random_range(-0.12..0.12);
        let path = walk(at, heading, length_px * rng.random_range(0.3..1.0), 0.05, rng);
        let width = rng.random_range(0.7..1.5);
        Stroke { path, width, strength: strength * rng.random_range(0.5..1.0), unrest: 0.12 }
    };
    (0..count).map(one).collect()
}

/// Both ends of a stroke run out; between them the pressure wanders.
fn lay(patch: &mut Patch, stroke: &Stroke, rng: &mut ChaCha8Rng) {
    let &Stroke { ref path, width, strength, unrest } = stroke;
    let mut pressure: f32 = rng.random_range(0.7..1.0);
    let mut before: f32 = 0.4;
    for (i, ends) in path.windows(2).enumerate() {
        let run_out = smooth(0.0, 0.22, 1.0 - (2.0 * (i + 1) as f32 / path.len() as f32 - 1.0).abs());
        pressure = (pressure + rng.random_range(-unrest..unrest)).clamp(0.5, 1.0);
        let now = pressure * (0.4 + 0.6 * run_out);
        let widths = [width * before.max(0.45), width * now.max(0.45)];
        patch.stroke([ends[0], ends[1]], widths, [strength * before, strength * now], LINE_MASK_PX);
        before = now;
    }
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
pub(super) fn crack(canvas: &Canvas, pose: &Pose, rng: &mut ChaCha8Rng) -> Patch {
    let edge: f32 = rng.random_range(0.0..TAU);
    let reach = rng.random_range(0.70..0.98);
    // A point of a squared circle: near the edge, seldom in the middle.
    let (sin, cos) = edge.sin_cos();
    let stretch = reach / sin.abs().max(cos.abs());
    let local = [cos * stretch * pose.half[0], sin * stretch * pose.half[1]];
    let impact = pose.image(local);
    let inward = pose.turn([-local[0], -local[1]]);
    let inward = inward[1].atan2(inward[0]);
    let size = log_range(rng, 110.0, 1100.0);
    let strength = draw_strength(rng);
    let width = rng.random_range(1.0..2.8);
    let mut open: Vec<Branch> = Vec::new();
    for _ in 0..rng.random_range(1..=5) {
        let heading = inward + rng.random_range(-1.25..1.25);
        let length_px = size * rng.random_range(0.4..1.0);
        open.push(Branch { at: impact, heading, length_px, width, depth: 0 });
    }
    let mut strokes: Vec<([Point; 2], f32)> = Vec::new();
    let mut drawn = 0;
    while let Some(branch) = open.pop() {
        drawn += 1;
        grow(&branch, &mut strokes, &mut open, drawn < BRANCHES_MAX, rng);
    }
    let crush_px = (size * 0.05).clamp(5.0, 26.0);
    shatter(impact, crush_px, width, &mut strokes, rng);

    let bounds = Bounds::of(strokes.iter().flat_map(|(ends, _)| *ends), MARGIN_PX);
    let mut patch = Patch::new(bounds, canvas);
    // Crushed glass is dull and white.
    let crush = Bounds::around(impact, crush_px);
    let haze = strength * rng.random_range(0.0..0.4);
    patch.paint(crush, |[x, y], _| {
        let share = 1.0 - smooth(0.2, 1.0, (x - impact[0]).hypot(y - impact[1]) / crush_px);
        (share > 0.0).then_some(([0.6; 3], share * haze))
    });
    patch.mark(crush, |[x, y]| haze > 0.1 && (x - impact[0]).hypot(y - impact[1]) < crush_px * 0.7);
    for &(ends, width) in &strokes {
        let alphas = [strength * rng.random_range(0.45..1.0), strength * rng.random_range(0.45..1.0)];
        patch.stroke(ends, [width, width * rng.random_range(0.6..1.0)], alphas, LINE_MASK_PX);
    }
    patch.ink(line_color(rng));
    for &(ends, width) in &strokes {
        if rng.random_bool(0.35) {
            // Here and there a splinter stands up and throws the light back.
            let shifted = ends.map(|[x, y]| [x + 1.2, y - 1.2]);
            patch.stroke(shifted, [width * 0.9, 0.6], [strength, 0.2 * strength], 0.0);
        }
    }
    patch.ink(|_| [1.0, 1.02, 1.08]);
    patch.clip(canvas, |point| coverage(pose.outside(point) + 1.0));
    patch
}

fn grow(
    branch: &Branch,
    strokes: &mut Vec<([Point; 2], f32)>,
    open: &mut Vec<Branch>,
    may_fork: bool,
    rng: &mut ChaCha8Rng,
) {
    let &Branch { mut at, mut heading, length_px, mut width, depth } = branch;
    // A crack runs straight for long stretches and bows a little on its way.
    let bow = rng.random_range(-0.05..0.05);
    let mut left = length_px;
    while left > 0.0 {
        let piece = rng.random_range(14.0..52.0_f32).min(left);
        let kink = if rng.random_bool(0.2) { 0.4 } else { 0.08 };
        heading += bow + rng.random_range(-kink..kink);
        let next = [at[0] + piece * heading.cos(), at[1] + piece * heading.sin()];
        strokes.push(([at, next], width));
        at = next;
        left -= piece;
        width = (width * 0.95).max(0.8);
        if may_fork && depth < 3 && left > 40.0 && rng.random_bool(0.22) {
            let side = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
            let heading = heading + side * rng.random_range(0.35..1.1);
            let length_px = left * rng.random_range(0.3..0.8);
            open.push(Branch { at, heading, length_px, width: width * 0.85, depth: depth + 1 });
        }
    }
}

/// Short cracks around the point of impact, and a broken ring that joins them.
fn shatter(at: Point, reach: f32, width: f32, strokes: &mut Vec<([Point; 2], f32)>, rng: &mut ChaCha8Rng) {
    let count = rng.random_range(4..10);
    let tips: Vec<Point> = (0..count)
        .map(|i| {
            let heading = TAU * i as f32 / count as f32 + rng.random_range(-0.3..0.3);
            let length = reach * rng.random_range(0.6..1.6);
            [at[0] + length * heading.cos(), at[1] + length * heading.sin()]
        })
        .collect();
    for (i, &tip) in tips.iter().enumerate() {
        strokes.push(([at, tip], width * 0.9));
        if rng.random_bool(0.4) {
            let inner = |[x, y]: Point| [at[0] + (x - at[0]) * 0.7, at[1] + (y - at[1]) * 0.7];
            strokes.push(([inner(tip), inner(tips[(i + 1) % tips.len()])], width * 0.7));
        }
    }
}
