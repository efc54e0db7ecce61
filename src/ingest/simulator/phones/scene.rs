//! What one picture is taken of and how: the pose of the phone, the belt below it, the lamps,
//! what the surface mirrors, and the camera's exposure. Drawn from the picture's own random
//! numbers, before anything is painted.

use super::canvas::{Color, Point, center_of, rounded_box};
use super::drift::Drifted;
use super::phone::{Finish, Phone, vary_color};
use crate::domain::SimulatedPosition;
use crate::ingest::simulator::curve::smooth;
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

    /// [`Self::outside`] for each pixel of one row.
    pub(super) fn fill_outside(&self, y: usize, out: &mut [f32]) {
        for (x, value) in out.iter_mut().enumerate() {
            *value = self.outside(center_of(x, y));
        }
    }
}

/// A lamp's line of light on the rounded rim.
pub(super) struct Glint {
    /// Where the lamp is, in the image.
    pub from: Point,
    /// How narrowly a rim must face the lamp.
    pub focus: i32,
    /// The stretch of the rim that mirrors it, measured from the middle of each side.
    pub span: [f32; 2],
    pub depth_px: f32,
    pub width_px: f32,
    pub strength: f32,
}

/// What the phone lies on.
pub(super) struct Belt {
    pub color: Color,
    pub grain: f32,
    /// Distance in pixels and depth of ribs across; depth 0 is none.
    pub ribs: [f32; 2],
    /// The same of a weave.
    pub weave: [f32; 2],
    /// Depth of the wear that belts show, and where it lies.
    pub wear: f32,
    wear_at: [f32; 4],
    pub shadow: f32,
    pub shadow_px: f32,
}

/// A soft shape that the surface mirrors.
struct Gleam {
    at: Point,
    turn: Point,
    half: Point,
    soft_px: f32,
    color: Color,
}

struct Reflection {
    base: Color,
    /// Brightness that runs across the phone.
    slope: Point,
    gleams: Vec<Gleam>,
    /// The camera above sees itself as a dark blurred square on a stalk.
    rig_at: Point,
    rig_half_px: f32,
    rig: f32,
    rig_soft_px: f32,
    /// How much a glossy or a dull surface shows of all this.
    gloss: f32,
}

pub(super) struct Scene<'a> {
    pub phone: &'a Phone,
    pub position: SimulatedPosition,
    pub pose: Pose,
    pub belt: &'a Belt,
    pub glints: [Glint; 3],
    /// Direction that most light comes from, in the image.
    pub light_from: Point,
    /// Overall brightness of this exposure, the line's light included.
    pub exposure: f32,
    pub tint: Color,
    light_slope: Point,
    vignette: f32,
    lamp_failure: f32,
    reflection: Reflection,
    size: Point,
}

impl<'a> Scene<'a> {
    pub(super) fn draw(
        rng: &mut impl Rng,
        (phone, belt): (&'a Phone, &'a Belt),
        position: SimulatedPosition,
        drifted: &Drifted,
        size: Point,
    ) -> Self {
        let turn = rng.random_range(-0.04..0.04_f32) + if rng.random_bool(0.1) { 0.03 } else { 0.0 };
        let (half, corner_px) = match position {
            SimulatedPosition::Edge => {
                ([phone.edge.half_px, phone.half[1]], phone.edge.half_px * rng.random_range(0.35..0.5))
            }
            SimulatedPosition::Front | SimulatedPosition::Back => (phone.half, phone.corner_px),
        };
        let pose = Pose {
            center: [
                size[0] * (0.5 + drifted.beside + rng.random_range(-0.03..0.03)),
                size[1] * (0.5 + rng.random_range(-0.018..0.018)),
            ],
            cos: turn.cos(),
            sin: turn.sin(),
            half,
            corner_px,
        };
        let from: f32 = rng.random_range(0.0..TAU);
        let glints = std::array::from_fn(|i| Glint::draw(rng, from + i as f32 * TAU / 3.0, half));
        let gloss = match (position, phone.back.finish) {
            (SimulatedPosition::Front, _) => 1.0,
            (SimulatedPosition::Back, Finish::Gloss) => 1.9,
            (SimulatedPosition::Back, Finish::Matte | Finish::Brushed) => 0.55,
            (SimulatedPosition::Back, Finish::Leather) => 0.3,
            (SimulatedPosition::Edge, _) => 0.4,
        };
        Self {
            belt,
            glints,
            light_from: [from.cos(), from.sin()],
            exposure: drifted.light * rng.random_range(0.92..1.08),
            tint: [rng.random_range(0.975..1.025), 1.0, rng.random_range(0.965..1.035)],
            light_slope: [rng.random_range(-0.10..0.10), rng.random_range(-0.10..0.10)],
            vignette: rng.random_range(0.08..0.30),
            lamp_failure: drifted.lamp_failure,
            reflection: Reflection::draw(rng, half, gloss, position),
            phone,
            position,
            pose,
            size,
        }
    }

    /// Whether what is seen is glass, which cracks.
    pub(super) fn is_glass(&self) -> bool {
        match self.position {
            SimulatedPosition::Front => true,
            SimulatedPosition::Back => matches!(self.phone.back.finish, Finish::Gloss | Finish::Matte),
            SimulatedPosition::Edge => false,
        }
    }

    /// Light that falls on an image point; 1 in the middle.
    pub(super) fn light_at(&self, [x, y]: Point) -> f32 {
        let (nx, ny) = (x / self.size[0] * 2.0 - 1.0, y / self.size[1] * 2.0 - 1.0);
        let slope = 1.0 + self.light_slope[0] * nx + self.light_slope[1] * ny;
        // The lamp on the right is the one that dies: it leaves less the nearer to it.
        let left = 1.0 - self.lamp_failure * (0.14 + 0.56 * smooth(-1.1, 1.1, nx));
        slope * (1.0 - self.vignette * (nx * nx + ny * ny) / 2.0) * left
    }

    /// Light that the surface adds at an image point.
    pub(super) fn reflection_at(&self, point: Point) -> Color {
        self.reflection.at(self.pose.local(point), self.pose.half)
    }
}

impl Glint {
    fn draw(rng: &mut impl Rng, angle: f32, half: Point) -> Self {
        let angle = angle + rng.random_range(-0.5..0.5);
        let middle = rng.random_range(-0.7..0.7) * half[1];
        let reach = rng.random_range(0.25..1.0) * half[1];
        let is_strong = rng.random_bool(0.75);
        Self {
            from: [angle.cos(), angle.sin()],
            focus: rng.random_range(2..6),
            span: [middle - reach, middle + reach],
            depth_px: rng.random_range(2.0..4.5),
            width_px: rng.random_range(1.2..2.4),
            strength: if is_strong { rng.random_range(0.7..1.9) } else { rng.random_range(0.05..0.3) },
        }
    }
}

impl Belt {
    pub(super) fn draw(rng: &mut impl Rng, size: Point) -> Self {
        let grey = rng.random_range(0.20..0.43_f32);
        let color = match rng.random_range(0..10) {
            0..=6 => [grey, grey, grey * 1.04],
            7 if rng.random_bool(0.5) => [grey * 0.60, grey * 0.75, grey * 0.66],
            7 => [grey * 0.60, grey * 0.68, grey * 0.82],
            8 => [grey * 0.42, grey * 0.42, grey * 0.43],
            _ => [grey * 1.25, grey * 1.2, grey * 1.05],
        };
        let (ribs, weave) = match rng.random_range(0..10) {
            0 | 1 => ([rng.random_range(38.0..95.0), rng.random_range(0.012..0.045)], [9.0, 0.0]),
            2 | 3 => ([64.0, 0.0], [rng.random_range(6.0..11.0), rng.random_range(0.010..0.022)]),
            _ => ([64.0, 0.0], [9.0, 0.0]),
        };
        Self {
            color: vary_color(rng, color, 0.02),
            // A dark belt's texture is as dark as the belt.
            grain: rng.random_range(0.014..0.034) * (0.3 + 2.2 * color[1]).min(1.2),
            ribs,
            weave,
            wear: rng.random_range(0.0..0.07),
            wear_at: [
                rng.random_range(0.6..2.4) / size[0],
                rng.random_range(0.0..TAU),
                rng.random_range(0.6..2.4) / size[1],
                rng.random_range(0.0..TAU),
            ],
            shadow: rng.random_range(0.04..0.42),
            shadow_px: rng.random_range(10.0..48.0),
        }
    }

    /// Relative brightness of the worn belt.
    pub(super) fn wear_at(&self, [x, y]: Point) -> f32 {
        let [fx, px, fy, py] = self.wear_at;
        let across = (x * fx * TAU + px).sin() + 0.5 * (x * fx * 7.3 + py).sin();
        let along = (y * fy * TAU + py + across).sin() + 0.6 * (y * fy * 11.0 + px + across).sin();
        1.0 + self.wear * (across * 0.5 + along * 0.5)
    }
}

impl Gleam {
    fn draw(rng: &mut impl Rng, half: Point) -> Self {
        let angle: f32 = rng.random_range(-1.3..1.3);
        let strength: f32 = 0.006 + 0.045 * rng.random::<f32>().powi(2);
        let is_long = rng.random_bool(0.5);
        let cool = rng.random_range(0.85..1.2);
        Self {
            at: [rng.random_range(-1.1..1.1) * half[0], rng.random_range(-1.0..1.0) * half[1]],
            turn: [angle.cos(), angle.sin()],
            half: [
                rng.random_range(8.0..110.0),
                if is_long { rng.random_range(300.0..900.0) } else { rng.random_range(30.0..200.0) },
            ],
            soft_px: if is_long { rng.random_range(20.0..110.0) } else { rng.random_range(50.0..170.0) },
            color: [strength, strength, strength * cool],
        }
    }

    /// A thin line of red light, as of a scanner beside the line.
    fn red_streak(rng: &mut impl Rng, half: Point) -> Self {
        let mut streak = Self::draw(rng, half);
        streak.at[0] *= 0.5;
        streak.half = [rng.random_range(2.0..10.0), rng.random_range(250.0..700.0)];
        streak.soft_px = rng.random_range(16.0..36.0);
        streak.color = [rng.random_range(0.03..0.12), 0.0, 0.004];
        streak
    }

    fn at(&self, [u, v]: Point) -> f32 {
        let (du, dv) = (u - self.at[0], v - self.at[1]);
        let along = [du * self.turn[0] + dv * self.turn[1], dv * self.turn[0] - du * self.turn[1]];
        let away = rounded_box(along[0], along[1], self.half, self.half[0].min(self.half[1]) * 0.5);
        1.0 - smooth(-self.soft_px * 0.3, self.soft_px, away)
    }
}

impl Reflection {
    fn draw(rng: &mut impl Rng, half: Point, gloss: f32, position: SimulatedPosition) -> Self {
        // Only a front is flat and dark enough to mirror the rig plainly.
        let rig_max = if position == SimulatedPosition::Front { 0.032 } else { 0.012 };
        let mut gleams: Vec<Gleam> = (0..rng.random_range(0..=4)).map(|_| Gleam::draw(rng, half)).collect();
        if rng.random_bool(0.15) {
            gleams.push(Gleam::red_streak(rng, half));
        }
        let base = rng.random_range(0.0..0.026);
        Self {
            base: vary_color(rng, [base; 3], 0.02).map(|value| value.max(0.0)),
            slope: [rng.random_range(-0.02..0.02), rng.random_range(-0.02..0.02)],
            gleams,
            rig_at: [rng.random_range(-0.25..0.25) * half[0], rng.random_range(-0.3..0.2) * half[1]],
            rig_half_px: rng.random_range(75.0..150.0),
            rig: rng.random_range(0.004..rig_max),
            rig_soft_px: rng.random_range(8.0..30.0),
            gloss,
        }
    }

    fn at(&self, point: Point, half: Point) -> Color {
        let [u, v] = point;
        let slope = self.slope[0] * u / half[0] + self.slope[1] * v / half[1];
        let (du, dv) = (u - self.rig_at[0], v - self.rig_at[1]);
        let square = rounded_box(du, dv, [self.rig_half_px; 2], 16.0);
        let stalk_half = [self.rig_half_px * 0.3, half[1]];
        let stalk = rounded_box(du, dv + half[1], stalk_half, 4.0);
        let blurred = |distance| 1.0 - smooth(-self.rig_soft_px, self.rig_soft_px, distance);
        let rig = blurred(square).max(0.7 * blurred(stalk));
        let mut sum = self.base.map(|base| base + slope - self.rig * rig);
        for gleam in &self.gleams {
            // The rig stands in front of what is mirrored.
            let share = gleam.at(point) * (1.0 - 0.8 * rig);
            sum = std::array::from_fn(|channel| sum[channel] + gleam.color[channel] * share);
        }
        sum.map(|value| value * self.gloss)
    }
}
