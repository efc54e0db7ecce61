//! Paints the belt and the bare face of the phone on it, with what it mirrors and its rim of
//! light; the fittings come later.

use super::canvas::{Canvas, Color, Field, center_of, coverage, mix_color, rounded_box};
use super::noise::{GRAIN_HEIGHT, GRAIN_SPARE, Noise};
use super::phone::{Back, Edge, Finish, Front};
use super::scene::{Glint, Scene};
use crate::domain::SimulatedPosition;
use crate::ingest::simulator::curve::{mix, smooth, whole};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::f32::consts::TAU;

/// How far inside of the outline the rim's light reaches.
const RIM_PX: f32 = 15.0;
/// Nothing mirrors so little that it turns fully black.
const BLACK: f32 = 0.012;

pub(super) fn paint_ground(canvas: &mut Canvas, scene: &Scene<'_>, noise: &Noise, rng: &mut ChaCha8Rng) {
    let (width, belt) = (canvas.width, scene.belt);
    let mut mirrored = Field::of_colors(width, canvas.height, |point| scene.reflection_at(point));
    mirrored.iter_mut().for_each(Field::soften);
    let mut wear = Field::new(width, canvas.height, |point| belt.wear_at(point));
    let (offset_x, offset_y) = (rng.random_range(0..GRAIN_SPARE), rng.random_range(0..GRAIN_HEIGHT));
    let face = Face { scene, brush: noise.grain(offset_y, offset_x, width), noise };
    let weave: Vec<f32> = (0..width).map(|x| (TAU * x as f32 / belt.weave[0]).sin()).collect();
    let [mut reflection, mut outside, mut worn, mut texture] = std::array::from_fn(|_| vec![0.0; width]);
    let mut colors: [Vec<f32>; 3] = std::array::from_fn(|_| vec![0.0; width]);
    for y in 0..canvas.height {
        scene.pose.fill_outside(y, &mut outside);
        wear.fill_row(y, &mut worn);
        let grain = noise.grain(y + offset_y, offset_x, width);
        let coarse = noise.grain(y / 2 + offset_x, offset_y, width / 2 + 1);
        let rib = belt.ribs[1] * groove(y as f32 / belt.ribs[0]);
        let thread = belt.weave[1] * (TAU * y as f32 / belt.weave[0]).sin();
        for (x, (texture, worn)) in texture.iter_mut().zip(&mut worn).enumerate() {
            let near = (1.0 - outside[x].max(0.0) / belt.shadow_px).max(0.0);
            let light = 1.0 - belt.shadow * near * near;
            *worn *= light;
            *texture =
                light * (rib + thread * weave[x] + belt.grain * (0.7 * grain[x] + 0.5 * coarse[x / 2]));
        }
        face.fill_row(y, &outside, grain, &mut colors);
        for (channel, plane) in canvas.planes.iter_mut().enumerate() {
            mirrored[channel].fill_row(y, &mut reflection);
            let (base, color) = (belt.color[channel], &colors[channel][..width]);
            // Slices of one known length: the loop needs no bounds checks and is vectorised.
            let [worn, texture, outside, reflection] =
                [&worn, &texture, &outside, &reflection].map(|row| &row[..width]);
            for (x, value) in plane[y * width..][..width].iter_mut().enumerate() {
                let ground = base * worn[x] + texture[x];
                let phone = (color[x] + reflection[x]).max(BLACK);
                *value = mix(ground, phone, coverage(outside[x]));
            }
        }
        if scene.position != SimulatedPosition::Edge {
            paint_rim_row(canvas, scene, y, &outside);
        }
    }
}

/// One rib of a belt from 0 to 1: a dark groove with a lit edge behind it.
fn groove(at: f32) -> f32 {
    let line = |middle: f32, half: f32| (-((at.fract() - middle) / half).powi(2)).exp();
    0.5 * (TAU * at).cos() - 1.6 * line(0.5, 0.06) + 0.9 * line(0.63, 0.05)
}

/// The colour of the bare phone.
struct Face<'a> {
    scene: &'a Scene<'a>,
    /// Stripes of brushed metal.
    brush: &'a [f32],
    noise: &'a Noise,
}

impl Face<'_> {
    /// The colours of one pixel row, where it shows the phone.
    fn fill_row(&self, y: usize, outside: &[f32], grain: &[f32], colors: &mut [Vec<f32>; 3]) {
        let is_phone = |&distance: &f32| distance < 1.0;
        let Some(start) = outside.iter().position(is_phone) else { return };
        let end = outside.iter().rposition(is_phone).unwrap_or(start);
        for x in start..=end {
            let [u, v] = self.scene.pose.local(center_of(x, y));
            let color = self.color(u, v, grain[x]);
            for (row, value) in colors.iter_mut().zip(color) {
                row[x] = value;
            }
        }
    }

    /// `grain` is the noise of this pixel.
    #[inline]
    fn color(&self, u: f32, v: f32, grain: f32) -> Color {
        let phone = self.scene.phone;
        match self.scene.position {
            SimulatedPosition::Front => front_color(&phone.front, u, v),
            SimulatedPosition::Back => self.back_color(&phone.back, u, v, grain),
            SimulatedPosition::Edge => self.edge_color(&phone.edge, u, v, grain),
        }
    }

    fn stripe(&self, at: f32) -> f32 {
        self.brush[whole(at + self.brush.len() as f32 / 2.0).min(self.brush.len() - 1)]
    }

    fn back_color(&self, back: &Back, u: f32, v: f32, grain: f32) -> Color {
        let half = self.scene.pose.half[1];
        let body = mix_color(back.body, back.fade, smooth(-half, half, v));
        let texture = match back.finish {
            Finish::Gloss => 0.0,
            Finish::Matte => 0.010 * grain,
            Finish::Brushed => {
                0.008 * self.stripe(u) + 0.006 * self.stripe(u * 2.7 + v * 0.02) + 0.005 * grain
            }
            Finish::Leather => {
                0.16 * (self.noise.cell(whole(u + 2000.0), whole(v + 2000.0)) - 0.6) + 0.05 * grain
            }
        };
        body.map(|value| value + texture * (0.25 + value).min(1.0))
    }

    /// A strip that is round across: glass above, metal or plastic below it.
    fn edge_color(&self, edge: &Edge, u: f32, v: f32, grain: f32) -> Color {
        let t = u / edge.half_px;
        let round = 1.0 - 0.62 * t * t;
        let band = (t - edge.band_u) * (2.0 + 7.0 * edge.shine);
        let wave = 1.0 + 0.12 * (v * 0.0031 + edge.band_u * 9.0).sin();
        let light = round + (0.25 + 0.75 * edge.shine) * (-band * band).exp() * wave;
        let second = (t + edge.band_u * 0.6 - 0.25) * 9.0;
        let light = light + 0.25 * edge.shine * (-second * second).exp();
        let texture =
            if edge.is_brushed { 0.02 * self.stripe(u * 3.0) + 0.006 * grain } else { 0.012 * grain };
        if t > 0.80 {
            // The front glass, seen from its side.
            let line = 1.0 - smooth(0.02, 0.05, (t - 0.83).abs());
            return [0.05 + 0.3 * line; 3];
        }
        edge.frame.map(|value| (value * light + texture * (0.3 + value)).max(0.0))
    }
}

fn front_color(front: &Front, u: f32, v: f32) -> Color {
    let screen = &front.screen;
    let distance = rounded_box(u, v - screen.middle_v, screen.half, screen.corner_px);
    // A glued edge: a hair of black between bezel and display.
    let seam = 1.0 - 0.35 * (1.0 - (distance.abs() - 1.0).clamp(0.0, 2.0) / 2.0);
    mix_color(front.bezel, front.glass, coverage(distance))
        .map(|value| if distance < 2.0 { value * seam } else { value })
}

/// The rounded rim mirrors the lamps in thin bright lines, and a grey band of surroundings.
fn paint_rim_row(canvas: &mut Canvas, scene: &Scene<'_>, y: usize, outside: &[f32]) {
    let pose = &scene.pose;
    for (x, &distance) in outside.iter().enumerate() {
        if !(-RIM_PX..0.5).contains(&distance) {
            continue;
        }
        let [u, v] = pose.local(center_of(x, y));
        let cu = (u.abs() - pose.half[0] + pose.corner_px).max(0.0) * u.signum();
        let cv = (v.abs() - pose.half[1] + pose.corner_px).max(0.0) * v.signum();
        let length = cu.hypot(cv).max(1e-3);
        let [nu, nv] = [cu / length, cv / length];
        let normal = pose.turn([nu, nv]);
        let along = v * nu - u * nv;
        let depth = -distance;
        let mut light = 0.0;
        for glint in &scene.glints {
            light += glint.at(normal, along, depth);
        }
        let facing = normal[0] * scene.light_from[0] + normal[1] * scene.light_from[1];
        let band = 0.03 * smooth(3.0, 7.0, depth) * (1.0 - smooth(8.0, RIM_PX, depth)) * (0.5 + facing);
        let edge = -0.05 * (1.0 - smooth(0.0, 2.5, depth)) * (1.0 - facing);
        let gain = (light + band + edge) * coverage(distance);
        for (plane, share) in canvas.planes.iter_mut().zip([0.96, 0.98, 1.05]) {
            let value = &mut plane[y * canvas.width + x];
            *value = (*value + gain * share).max(BLACK);
        }
    }
}

impl Glint {
    fn at(&self, [nx, ny]: [f32; 2], along: f32, depth: f32) -> f32 {
        let line = 1.0 - ((depth - self.depth_px) / self.width_px).powi(2);
        let facing = nx * self.from[0] + ny * self.from[1];
        if line <= 0.0 || facing <= 0.0 {
            return 0.0;
        }
        let [start, end] = self.span;
        let run_out = 90.0;
        let stretch = smooth(start, start + run_out, along) * (1.0 - smooth(end - run_out, end, along));
        // Corners turn through every direction and catch the lamp in any case.
        let corner = (nx * ny).abs() * 2.0;
        self.strength * line * facing.powi(self.focus) * stretch.max(corner.min(1.0))
    }
}
