//! Defects that are spots: chips, stains of several kinds, and burns.

use super::canvas::{Bounds, Canvas, Color, Point, coverage, mix_color};
use super::defect::{draw_strength, on_face};
use super::noise::cloud;
use super::patch::Patch;
use super::scene::{Pose, Scene};
use crate::ingest::simulator::curve::{log_range, mix, smooth, whole};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::f32::consts::{FRAC_1_SQRT_2, PI, TAU};

/// A place on the outline of the phone, in phone coordinates: at a corner or a side.
fn on_rim(rng: &mut ChaCha8Rng, pose: &Pose) -> Point {
    let side = |rng: &mut ChaCha8Rng| if rng.random_bool(0.5) { 1.0_f32 } else { -1.0 };
    let (su, sv) = (side(rng), side(rng));
    if rng.random_bool(0.45) {
        let inset = pose.corner_px * (1.0 - FRAC_1_SQRT_2);
        [su * (pose.half[0] - inset), sv * (pose.half[1] - inset)]
    } else if rng.random_bool(0.65) {
        [su * pose.half[0], rng.random_range(-0.85..0.85) * pose.half[1]]
    } else {
        [rng.random_range(-0.75..0.75) * pose.half[0], sv * pose.half[1]]
    }
}

/// A piece broken out of the rim: belt shows where it is gone, bright facets where it broke.
pub(super) fn chip(canvas: &Canvas, scene: &Scene<'_>, rng: &mut ChaCha8Rng) -> Patch {
    const SPOKES: usize = 13;
    let pose = &scene.pose;
    let middle = pose.image(on_rim(rng, pose));
    let radius = log_range(rng, 8.0, 50.0);
    let spokes: [f32; SPOKES] = std::array::from_fn(|_| radius * rng.random_range(0.55..1.0));
    let tones: [f32; SPOKES] = std::array::from_fn(|_| rng.random_range(0.10..1.05));
    let depth = radius * rng.random_range(0.10..0.55);
    let strength = rng.random_range(0.6..1.0);
    let ripple = rng.random_range(1.5..4.0) / radius.sqrt();
    // Distance to the ragged outline, tone of the facet, and share of the way out.
    let outline = |[x, y]: Point| {
        let (dx, dy) = (x - middle[0], y - middle[1]);
        let turn = (dy.atan2(dx) + PI) / TAU * SPOKES as f32;
        let at = whole(turn) % SPOKES;
        let reach = mix(spokes[at], spokes[(at + 1) % SPOKES], turn.fract());
        (dx.hypot(dy) - reach, tones[at], dx.hypot(dy) / reach)
    };
    let bounds = Bounds::around(middle, radius + 2.0);
    let belt = scene.belt.color.map(|value| value * 0.62);
    let mut patch = Patch::new(bounds, canvas);
    patch.paint(bounds, |point, under| {
        let (distance, tone, share) = outline(point);
        let outside = pose.outside(point);
        let cover = coverage(distance) * coverage(outside);
        if cover <= 0.0 {
            return None;
        }
        // Broken glass is rippled like a shell around the blow, and bright at its lip.
        let shell = 0.5 + 0.5 * (share * radius * ripple).sin();
        let lip = smooth(-3.0, -0.5, distance) * 0.5;
        let facet =
            mix_color(under, [0.62, 0.64, 0.66], 0.35).map(|v| mix(v * 0.5, tone, 0.4 + 0.3 * shell) + lip);
        let gone = smooth(-depth - 0.7, -depth + 0.7, outside);
        Some((mix_color(facet, belt, gone), cover * mix(strength, 1.0, gone)))
    });
    patch.mark(bounds, |point| outline(point).0 <= 0.0 && pose.outside(point) <= 0.0);
    patch
}

pub(super) fn stain(canvas: &Canvas, scene: &Scene<'_>, rng: &mut ChaCha8Rng) -> Patch {
    match rng.random_range(0..10) {
        0..=2 => oil(canvas, scene, rng),
        3..=4 => white_dot(canvas, &scene.pose, rng),
        5..=6 => brown_liquid(canvas, &scene.pose, rng),
        _ => haze(canvas, &scene.pose, rng),
    }
}

/// A soft outline: drops that have run together.
struct Blotch {
    drops: Vec<(Point, f32)>,
    /// How far clouds shift the outline, how fine they are, and which they are.
    roughness: f32,
    fineness: f32,
    seed: u32,
}

/// The density of a blotch where it ends.
const OUTLINE: f32 = 0.42;

impl Blotch {
    fn draw(rng: &mut ChaCha8Rng, middle: Point, radius: f32, roughness: f32) -> Self {
        // The drops lie along a bent line, so that some blotches are round and some are long.
        let (heading, bend) = (rng.random_range(0.0..TAU), rng.random_range(-2.2..2.2_f32));
        let length = radius * rng.random_range(0.0..1.5);
        let count = rng.random_range(4..9);
        let drops = (0..count)
            .map(|i| {
                let share = i as f32 / (count - 1) as f32 - 0.5;
                let turn = heading + bend * share;
                let off = radius * rng.random_range(-0.25..0.25);
                let along = 2.0 * length * share;
                let at = [
                    middle[0] + along * turn.cos() - off * turn.sin(),
                    middle[1] + along * turn.sin() + off * turn.cos(),
                ];
                (at, radius * rng.random_range(0.35..0.65))
            })
            .collect();
        let fineness = rng.random_range(1.0..2.6) / radius;
        Self { drops, roughness, fineness, seed: rng.random() }
    }

    fn bounds(&self) -> Bounds {
        let reach = self.drops.iter().map(|&(_, radius)| radius).fold(0.0, f32::max) * 2.4;
        Bounds::of(self.drops.iter().map(|&(at, _)| at), reach)
    }

    fn density(&self, [x, y]: Point) -> f32 {
        let one = |&(at, r): &(Point, f32)| {
            let d = ((x - at[0]).powi(2) + (y - at[1]).powi(2)) / (r * r);
            if d < 9.0 { (-0.7 * d).exp() } else { 0.0 }
        };
        let sum: f32 = self.drops.iter().map(one).sum();
        if sum < OUTLINE * 0.3 {
            return sum;
        }
        sum * (1.0 + self.roughness * (2.0 * cloud([x, y], self.fineness, self.seed) - 1.0))
    }

    /// Distance inward of the outline in pixels, and the direction outward.
    fn depth(&self, [x, y]: Point) -> (f32, Point) {
        let here = self.density([x, y]);
        let slope = [self.density([x + 1.0, y]) - here, self.density([x, y + 1.0]) - here];
        let steepness = slope[0].hypot(slope[1]).max(1e-4);
        ((here - OUTLINE) / steepness, [-slope[0] / steepness, -slope[1] / steepness])
    }
}

/// Stains keep off the rim, and are no wider than what they lie on.
fn place(rng: &mut ChaCha8Rng, pose: &Pose, low: f32, high: f32) -> (Point, f32) {
    let radius = log_range(rng, low, high).min(pose.half[0] * 0.8);
    (on_face(rng, pose, 0.85), radius)
}

fn finish(mut patch: Patch, canvas: &Canvas, pose: &Pose, blotch: &Blotch) -> Patch {
    patch.mark(blotch.bounds(), |point| blotch.density(point) >= OUTLINE);
    patch.clip(canvas, |point| coverage(pose.outside(point) + 2.0));
    patch
}

/// What lamps look like in glass and oil.
const BLUISH: Color = [0.97, 0.98, 1.06];

/// A drop that stands on the glass: a body that lets the ground through, a dark foot, and the
/// lamps as bright lines along its rim.
fn oil(canvas: &Canvas, scene: &Scene<'_>, rng: &mut ChaCha8Rng) -> Patch {
    let pose = &scene.pose;
    let (middle, radius) = place(rng, pose, 24.0, 200.0);
    let blotch = Blotch::draw(rng, middle, radius, 0.12);
    let strength = draw_strength(rng).max(0.3);
    let body = rng.random_range(-0.02..0.05);
    let tilt = rng.random_range(-0.6..0.6_f32);
    let turned = |by: f32| {
        let (sin, cos) = (tilt + by).sin_cos();
        let [x, y] = scene.light_from;
        [x * cos - y * sin, x * sin + y * cos]
    };
    let lamps = [(turned(0.0), 1.3), (turned(2.9), rng.random_range(0.2..0.9)), (turned(1.4), 0.35)];
    let rim_px = (radius * 0.09).clamp(1.8, 4.2);
    let tint = rng.random_range(0.0..0.02);
    let mut patch = Patch::new(blotch.bounds(), canvas);
    patch.paint(blotch.bounds(), |point, under| {
        let density = blotch.density(point);
        if density < OUTLINE * 0.6 {
            return None;
        }
        let (depth, outward) = blotch.depth(point);
        let cover = coverage(-depth);
        let foot = (1.0 - (depth / (rim_px * 0.9)).abs()).max(0.0);
        let line = (1.0 - ((depth - rim_px * 1.6) / rim_px).powi(2)).max(0.0);
        let inner = (-((depth - rim_px * 3.5) / (rim_px * 1.5)).powi(2)).exp();
        // The outline mirrors a lamp in pieces, where the drop stands steep enough.
        let steep = smooth(0.30, 0.55, cloud(point, 2.2 / radius, !blotch.seed));
        let mut light = 0.03 * line;
        for (from, lamp) in lamps {
            let facing = (outward[0] * from[0] + outward[1] * from[1]).max(0.0);
            light += lamp * (2.0 * line * facing.powi(6) * steep + 0.10 * inner * facing.powi(3));
        }
        let dark: Color = under.map(|value| value * (1.0 - 0.55 * foot * strength));
        let color = [body + tint, body + tint, body - tint].map(|lift| lift * cover * strength);
        let lit = std::array::from_fn(|channel| {
            dark[channel] + color[channel] + light * cover * strength * BLUISH[channel]
        });
        Some((lit, 1.0))
    });
    finish(patch, canvas, pose, &blotch)
}

/// A dried drop of paint or paste: small, and whiter than white on dark glass.
fn white_dot(canvas: &Canvas, pose: &Pose, rng: &mut ChaCha8Rng) -> Patch {
    let (middle, radius) = place(rng, pose, 6.0, 20.0);
    let blotch = Blotch::draw(rng, middle, radius, 0.3);
    let is_bright = canvas.brightness(middle) > 0.6;
    let color = if is_bright { [0.52, 0.50, 0.47] } else { [1.35, 1.38, 1.5] };
    let strength = draw_strength(rng).max(0.25);
    let mut patch = Patch::new(blotch.bounds(), canvas);
    patch.paint(blotch.bounds(), |point, _| {
        let density = blotch.density(point);
        let body = smooth(OUTLINE * 0.75, OUTLINE * 1.4, density);
        (body > 0.0)
            .then(|| (color.map(|v: f32| v * mix(0.75, 1.0, smooth(0.4, 1.0, density))), body * strength))
    });
    finish(patch, canvas, pose, &blotch)
}

/// Coffee or flux: a thin brown film with a dark dried edge.
fn brown_liquid(canvas: &Canvas, pose: &Pose, rng: &mut ChaCha8Rng) -> Patch {
    let (middle, radius) = place(rng, pose, 18.0, 130.0);
    let blotch = Blotch::draw(rng, middle, radius, 0.45);
    let is_bright = canvas.brightness(middle) > 0.4;
    let color = if is_bright { [0.38, 0.24, 0.10] } else { [0.46, 0.32, 0.17] };
    let strength = draw_strength(rng);
    let mut patch = Patch::new(blotch.bounds(), canvas);
    patch.paint(blotch.bounds(), |point, _| {
        let density = blotch.density(point);
        if density < OUTLINE * 0.8 {
            return None;
        }
        let (depth, _) = blotch.depth(point);
        let edge = (1.0 - ((depth - 2.5) / 3.5).powi(2)).max(0.0);
        let pool = cloud(point, blotch.fineness * 1.7, !blotch.seed);
        let film = smooth(OUTLINE * 0.85, OUTLINE * 1.15, density) * (0.25 + 0.45 * pool);
        Some((color, (film + 0.4 * edge).min(0.95) * strength))
    });
    finish(patch, canvas, pose, &blotch)
}

/// Breath, grease or residue of glue: a dull whitish film without a firm edge.
fn haze(canvas: &Canvas, pose: &Pose, rng: &mut ChaCha8Rng) -> Patch {
    let (middle, radius) = place(rng, pose, 18.0, 110.0);
    let blotch = Blotch::draw(rng, middle, radius, 0.6);
    let is_bright = canvas.brightness(middle) > 0.42;
    let color = if is_bright { [0.34, 0.33, 0.31] } else { [0.62, 0.64, 0.66] };
    let strength = draw_strength(rng) * 0.7;
    let fineness = rng.random_range(0.03..0.25);
    let mottling = rng.random_range(0.1..0.6);
    let mut patch = Patch::new(blotch.bounds(), canvas);
    patch.paint(blotch.bounds(), |point, _| {
        let body = smooth(OUTLINE * 0.55, OUTLINE * 1.7, blotch.density(point));
        let mottle = 1.0 - mottling * cloud(point, fineness, !blotch.seed);
        (body > 0.0).then_some((color, body * strength * mottle))
    });
    finish(patch, canvas, pose, &blotch)
}

/// Scorched by a hot tool: charred in the middle, blistered, with a brown fringe.
pub(super) fn burn(canvas: &Canvas, pose: &Pose, rng: &mut ChaCha8Rng) -> Patch {
    let (middle, radius) = place(rng, pose, 16.0, 70.0);
    let blotch = Blotch::draw(rng, middle, radius, 0.4);
    let strength = rng.random_range(0.7..1.0);
    let fineness = rng.random_range(0.08..0.2);
    let mut patch = Patch::new(blotch.bounds(), canvas);
    patch.paint(blotch.bounds(), |point, under| {
        let density = blotch.density(point);
        let fringe = smooth(OUTLINE * 0.6, OUTLINE * 1.2, density);
        if fringe <= 0.0 {
            return None;
        }
        let blister = 2.0 * cloud(point, fineness, !blotch.seed) - 1.0;
        let charred = smooth(OUTLINE * 1.3, OUTLINE * 2.4, density);
        let brown = mix_color(under, [0.36, 0.20, 0.09], 0.8);
        let char = 0.05 + 0.22 * blister.max(0.0).powi(3) + 0.05 * blister;
        let color = mix_color(brown, [char * 1.1, char, char * 0.9], charred);
        Some((color.map(|value| value * (1.0 + 0.25 * blister)), fringe * strength))
    });
    finish(patch, canvas, pose, &blotch)
}
