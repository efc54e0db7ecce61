//! What lies on every phone and is no defect: dust, lint, fingerprints, and streaks of wiping.

use super::canvas::{Bounds, Canvas, Point, coverage};
use super::scene::{Pose, Scene};
use crate::ingest::simulator::curve::{mix, smooth, whole};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::f32::consts::{PI, TAU};

pub(super) fn paint_dirt(canvas: &mut Canvas, scene: &Scene<'_>, rng: &mut ChaCha8Rng) {
    let pose = &scene.pose;
    let small = pose.half[0] / 400.0;
    let specks = 10.0 + 170.0 * rng.random::<f32>().powi(2);
    paint_dust(canvas, pose, specks * small, rng);
    let fibres = 9.0 * rng.random::<f32>().powi(2) * small.max(0.3);
    for _ in 0..whole(fibres) {
        paint_fibre(canvas, pose, rng);
    }
    for _ in 0..rng.random_range(0..=2) {
        paint_fingerprint(canvas, pose, rng);
    }
    for _ in 0..rng.random_range(0..=2) {
        paint_smear(canvas, pose, rng);
    }
}

fn paint_dust(canvas: &mut Canvas, pose: &Pose, count: f32, rng: &mut ChaCha8Rng) {
    // Half of it lies together, as it settles.
    let heap = [rng.random_range(-0.8..0.8), rng.random_range(-0.8..0.8)];
    let mut left = count;
    while left > 0.0 {
        left -= 1.0;
        let near = rng.random_bool(0.5);
        let place: Point = std::array::from_fn(|axis| {
            let anywhere = rng.random_range(-1.0..1.0_f32);
            (if near { heap[axis] + anywhere.powi(3) * 0.5 } else { anywhere }).clamp(-0.99, 0.99)
        });
        let middle = pose.image([place[0] * pose.half[0], place[1] * pose.half[1]]);
        let (radius, stretch) = (rng.random_range(0.4..1.3_f32), rng.random_range(1.0..2.4_f32));
        let (sin, cos) = rng.random_range(0.0..PI).sin_cos();
        let grey = rng.random_range(0.4..0.75);
        let strength: f32 = rng.random_range(0.1..0.75);
        canvas.paint(Bounds::around(middle, radius * stretch + 1.0), |[x, y]| {
            let (dx, dy) = (x - middle[0], y - middle[1]);
            let distance = ((dx * cos + dy * sin) / stretch).hypot(dy * cos - dx * sin) - radius;
            let cover = coverage(distance);
            (cover > 0.0).then_some(([grey; 3], cover * strength * strength))
        });
    }
}

/// A short curled thread.
fn paint_fibre(canvas: &mut Canvas, pose: &Pose, rng: &mut ChaCha8Rng) {
    const STEP_PX: f32 = 2.0;
    let mut at = pose
        .image([rng.random_range(-0.95..0.95) * pose.half[0], rng.random_range(-0.95..0.95) * pose.half[1]]);
    let (mut heading, bend) = (rng.random_range(0.0..TAU), rng.random_range(-0.28..0.28_f32));
    let (grey, strength) = (rng.random_range(0.4..0.75), rng.random_range(0.12..0.5));
    for _ in 0..rng.random_range(5..18) {
        heading += bend + rng.random_range(-0.25..0.25);
        let next = [at[0] + STEP_PX * heading.cos(), at[1] + STEP_PX * heading.sin()];
        if pose.outside(next) > -3.0 {
            break;
        }
        let middle = [f32::midpoint(at[0], next[0]), f32::midpoint(at[1], next[1])];
        canvas.paint(Bounds::around(middle, 2.0), |[x, y]| {
            let distance = (x - middle[0]).hypot(y - middle[1]);
            let cover = 1.0 - smooth(0.2, 1.5, distance);
            (cover > 0.0).then_some(([grey; 3], cover * strength))
        });
        at = next;
    }
}

fn paint_fingerprint(canvas: &mut Canvas, pose: &Pose, rng: &mut ChaCha8Rng) {
    let at = [rng.random_range(-0.75..0.75) * pose.half[0], rng.random_range(-0.8..0.8) * pose.half[1]];
    let center = pose.image(at);
    let (turn, strength) = (rng.random_range(0.0..PI), rng.random_range(0.006..0.04));
    let (swirl, pitch) = (rng.random_range(-40.0..40.0), rng.random_range(5.5..8.0));
    let (sin, cos) = f32::sin_cos(turn);
    let worn: Point = [rng.random_range(0.02..0.06), rng.random_range(0.0..TAU)];
    canvas.paint(Bounds::around(center, 92.0), |point| {
        let (dx, dy) = (point[0] - center[0], point[1] - center[1]);
        let (a, b) = (dx * cos + dy * sin, dy * cos - dx * sin);
        let inside = 1.0 - smooth(0.5, 1.0, (a / 58.0).hypot(b / 86.0));
        if inside <= 0.0 || pose.outside(point) > -2.0 {
            return None;
        }
        let ridge = 0.5 + 0.5 * ((a.hypot(b - swirl) + 7.0 * (b * 0.03).sin()) * TAU / pitch).sin();
        let patchy = 0.6 + 0.4 * (a * worn[0] + worn[1]).sin() * (b * worn[0] * 1.4).cos();
        Some(([0.75, 0.75, 0.78], strength * inside * patchy * (0.3 + 0.7 * ridge)))
    });
}

/// Where a cloth went over the glass: a bow of faint parallel streaks.
fn paint_smear(canvas: &mut Canvas, pose: &Pose, rng: &mut ChaCha8Rng) {
    let reach = rng.random_range(90.0..320.0_f32);
    let width = rng.random_range(20.0..90.0_f32);
    let place = [rng.random_range(-0.7..0.7) * pose.half[0], rng.random_range(-0.8..0.8) * pose.half[1]];
    let center = pose.image(place);
    let (turn, bow) = (rng.random_range(0.0..PI), rng.random_range(-0.0012..0.0012_f32));
    let (sin, cos) = turn.sin_cos();
    let (pitch, phase) = (rng.random_range(5.0..17.0), rng.random_range(0.0..TAU));
    let strength = rng.random_range(0.006..0.035);
    canvas.paint(Bounds::around(center, reach), |point| {
        let (dx, dy) = (point[0] - center[0], point[1] - center[1]);
        let a = dx * cos + dy * sin;
        let b = dy * cos - dx * sin + bow * a * a;
        let along = 1.0 - smooth(0.4, 1.0, a.abs() / reach);
        let across = 1.0 - smooth(0.3, 1.0, b.abs() / width);
        let alpha = along * across;
        if alpha <= 0.0 || pose.outside(point) > -2.0 {
            return None;
        }
        let streak = mix(0.35, 1.0, 0.5 + 0.5 * (b * TAU / pitch + phase + 1.3 * (b * 0.31).sin()).sin());
        Some(([0.62, 0.63, 0.66], alpha * streak * strength))
    });
}
