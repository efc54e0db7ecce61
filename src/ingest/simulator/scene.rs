//! What stands under the simulated camera: a phone's make and pose, the belt below it, light
//! and reflections. Drawn from the unit's own random numbers, before anything is painted.

use super::canvas::{Color, Point, rounded_box, smooth};
use rand::Rng;
use std::f32::consts::TAU;

/// Where the phone lies: phone coordinates have their origin in its middle, `v` points along it.
pub(super) struct Pose {
    center: Point,
    cos: f32,
    sin: f32,
    /// Half width and half length in pixels.
    pub half: Point,
    pub corner_px: f32,
}

impl Pose {
    /// Phone coordinates of an image point.
    #[inline]
    pub(super) fn local(&self, [x, y]: Point) -> Point {
        let (dx, dy) = (x - self.center[0], y - self.center[1]);
        [dx * self.cos + dy * self.sin, dy * self.cos - dx * self.sin]
    }

    /// Image point of phone coordinates.
    pub(super) fn image(&self, [u, v]: Point) -> Point {
        [self.center[0] + u * self.cos - v * self.sin, self.center[1] + u * self.sin + v * self.cos]
    }

    /// A direction in phone coordinates, in the image.
    pub(super) fn turn(&self, [u, v]: Point) -> Point {
        [u * self.cos - v * self.sin, u * self.sin + v * self.cos]
    }

    /// How far an image point lies outside of the phone; negative inside.
    #[inline]
    pub(super) fn outside(&self, point: Point) -> f32 {
        let [u, v] = self.local(point);
        rounded_box(u, v, self.half, self.corner_px)
    }
}

/// The display in phone coordinates.
pub(super) struct Screen {
    pub middle_v: f32,
    pub half: Point,
    pub corner_px: f32,
    pub color: Color,
}

pub(super) enum Side {
    Front { screen: Screen, home_button: bool },
    Back { lenses: usize, mirrored: bool },
}

/// What the glass reflects.
struct Reflection {
    /// Brightness that runs across the phone.
    slope: Point,
    /// A lamp or window: middle, direction, half width, brightness.
    band_at: f32,
    band_normal: Point,
    band_half_px: f32,
    band: f32,
    /// The camera above sees itself as a dark blurred square.
    camera_at: Point,
    camera_half_px: f32,
    camera: f32,
    base: f32,
}

pub(super) struct Scene {
    pub pose: Pose,
    pub side: Side,
    pub body: Color,
    pub belt: Color,
    pub belt_grain: f32,
    /// Ribs across the belt: distance in pixels and depth; depth 0 is plain foam.
    pub ribs: (f32, f32),
    pub bevel_px: f32,
    pub bevel: f32,
    /// Direction that the light comes from, in the image.
    pub light_from: Point,
    /// Overall brightness of this exposure, 1 on average.
    pub exposure: f32,
    pub tint: Color,
    light_slope: Point,
    vignette: f32,
    reflection: Reflection,
    size: Point,
}

/// Body colours: graphite, black, silver, white, blue, green, gold, red, lilac.
const BODIES: [Color; 9] = [
    [0.20, 0.21, 0.23],
    [0.07, 0.07, 0.08],
    [0.66, 0.67, 0.69],
    [0.88, 0.88, 0.87],
    [0.15, 0.26, 0.45],
    [0.23, 0.36, 0.31],
    [0.78, 0.68, 0.53],
    [0.60, 0.13, 0.16],
    [0.62, 0.56, 0.70],
];
/// Frames around a display.
const BEZELS: [Color; 5] =
    [[0.035, 0.035, 0.04], [0.05, 0.05, 0.055], [0.90, 0.90, 0.90], [0.85, 0.82, 0.76], [0.30, 0.31, 0.33]];

impl Scene {
    pub(super) fn draw(rng: &mut impl Rng, width: usize, height: usize) -> Self {
        let frame = [width as f32, height as f32];
        let half_length = frame[1] * rng.random_range(0.40..0.455);
        let half = [half_length / rng.random_range(1.98..2.20), half_length];
        let turn = rng.random_range(-0.045..0.045_f32) + if rng.random_bool(0.1) { 0.03 } else { 0.0 };
        let pose = Pose {
            center: [
                frame[0] * (0.5 + rng.random_range(-0.035..0.035)),
                frame[1] * (0.5 + rng.random_range(-0.022..0.022)),
            ],
            cos: turn.cos(),
            sin: turn.sin(),
            half,
            corner_px: half[0] * rng.random_range(0.10..0.30),
        };
        let front = rng.random_bool(0.6);
        let vary = |rng: &mut _, color: Color| vary_color(rng, color, 0.03);
        let (side, body) = if front {
            let choice = rng.random_range(0..BEZELS.len());
            (draw_front(rng, &pose), vary(rng, BEZELS[choice]))
        } else {
            let choice = rng.random_range(0..BODIES.len());
            let side = Side::Back { lenses: rng.random_range(1..=3), mirrored: rng.random_bool(0.3) };
            (side, vary(rng, BODIES[choice]))
        };
        let belt_grey = rng.random_range(0.15..0.30);
        let from = rng.random_range(0.0..TAU);
        let ribs = if rng.random_bool(0.35) {
            (rng.random_range(38.0..95.0), rng.random_range(0.01..0.035))
        } else {
            (64.0, 0.0)
        };
        Self {
            side,
            body,
            belt: vary_color(rng, [belt_grey, belt_grey, belt_grey * 1.04], 0.04),
            belt_grain: rng.random_range(0.018..0.045),
            ribs,
            bevel_px: rng.random_range(5.0..11.0),
            bevel: rng.random_range(0.12..0.5),
            light_from: [from.cos(), from.sin()],
            exposure: rng.random_range(0.94..1.06),
            tint: vary_color(rng, [1.0; 3], 0.025),
            light_slope: [rng.random_range(-0.09..0.09), rng.random_range(-0.09..0.09)],
            vignette: rng.random_range(0.08..0.24),
            reflection: Reflection::draw(rng, half),
            pose,
            size: frame,
        }
    }

    /// Light that falls on an image point; 1 in the middle.
    pub(super) fn light_at(&self, [x, y]: Point) -> f32 {
        let (nx, ny) = (x / self.size[0] * 2.0 - 1.0, y / self.size[1] * 2.0 - 1.0);
        let slope = 1.0 + self.light_slope[0] * nx + self.light_slope[1] * ny;
        slope * (1.0 - self.vignette * (nx * nx + ny * ny) / 2.0)
    }

    /// Brightness that the glass adds at an image point.
    pub(super) fn reflection_at(&self, point: Point) -> f32 {
        self.reflection.at(self.pose.local(point), self.pose.half)
    }
}

fn draw_front(rng: &mut impl Rng, pose: &Pose) -> Side {
    let edge_to_edge = rng.random_bool(0.5);
    let ends = if edge_to_edge { rng.random_range(18.0..34.0) } else { rng.random_range(95.0..165.0) };
    let sides = if edge_to_edge { rng.random_range(10.0..20.0) } else { rng.random_range(14.0..40.0) };
    let lift = if edge_to_edge { 0.0 } else { rng.random_range(-12.0..12.0) };
    let grey = rng.random_range(0.018..0.055);
    let screen = Screen {
        middle_v: lift,
        half: [pose.half[0] - sides, pose.half[1] - ends],
        corner_px: if edge_to_edge { (pose.corner_px - sides).max(4.0) } else { 2.0 },
        color: vary_color(rng, [grey, grey, grey * 1.15], 0.03),
    };
    Side::Front { screen, home_button: !edge_to_edge && rng.random_bool(0.6) }
}

fn vary_color(rng: &mut impl Rng, color: Color, by: f32) -> Color {
    // Dark colours vary less, or they would turn into strong hues.
    color.map(|value| value + rng.random_range(-by..by) * value.clamp(0.15, 1.0))
}

impl Reflection {
    fn draw(rng: &mut impl Rng, half: Point) -> Self {
        let angle = rng.random_range(-0.9..0.9_f32);
        let has_band = rng.random_bool(0.55);
        Self {
            slope: [rng.random_range(-0.03..0.03), rng.random_range(-0.03..0.03)],
            band_at: rng.random_range(-0.8..0.8) * half[1],
            band_normal: [angle.sin(), angle.cos()],
            band_half_px: rng.random_range(40.0..260.0),
            band: if has_band { rng.random_range(0.015..0.11) } else { 0.0 },
            camera_at: [rng.random_range(-0.25..0.25) * half[0], rng.random_range(-0.2..0.2) * half[1]],
            camera_half_px: rng.random_range(70.0..160.0),
            camera: rng.random_range(0.004..0.028),
            base: rng.random_range(0.0..0.03),
        }
    }

    fn at(&self, [u, v]: Point, half: Point) -> f32 {
        let slope = self.slope[0] * u / half[0] + self.slope[1] * v / half[1];
        let across = u * self.band_normal[0] + v * self.band_normal[1] - self.band_at;
        let band = self.band * (1.0 - smooth(self.band_half_px, self.band_half_px + 55.0, across.abs()));
        let reach = [self.camera_half_px; 2];
        let away = rounded_box(u - self.camera_at[0], v - self.camera_at[1], reach, 30.0);
        let camera = self.camera * (1.0 - smooth(-14.0, 26.0, away));
        self.base + slope + band - camera
    }
}
