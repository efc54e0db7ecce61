//! Paints a scene without defects: belt, phone, its fittings, and what is harmless on it
//! (dust, fingerprints); and develops the finished canvas into 8-bit pixels with light and
//! sensor noise.

use super::canvas::{
    Bounds, Canvas, Color, Field, Point, byte, coverage, mix, mix_color, rounded_box, smooth,
};
use super::scene::{Pose, Scene, Screen, Side};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::f32::consts::{PI, TAU};

/// Noise that is drawn once and cut out at random places: a picture needs six million values.
pub(super) struct Noise {
    white: Vec<f32>,
    grain: Vec<f32>,
    grain_width: usize,
}

/// Prime, so that offsets do not repeat with the rows.
const WHITE_COUNT: usize = 131_071;
const GRAIN_HEIGHT: usize = 512;
/// Free columns beside the picture, for a random place to cut out.
const GRAIN_SPARE: usize = 512;
/// Reading noise and shot noise at full brightness, as shares of white.
const READ_NOISE: f32 = 0.004;
const SHOT_NOISE: f32 = 0.013;

impl Noise {
    pub(super) fn new(width: usize, rng: &mut ChaCha8Rng) -> Self {
        // The sum of four uniform numbers is normal enough for a sensor; variance 4/12.
        let mut normal = || (0..4).map(|_| rng.random::<f32>()).sum::<f32>() * 1.732 - 3.464;
        let white: Vec<f32> = (0..WHITE_COUNT + width).map(|_| normal()).collect();
        let grain_width = width + GRAIN_SPARE;
        let raw: Vec<f32> = (0..grain_width * GRAIN_HEIGHT).map(|_| normal()).collect();
        let at = |x: usize, y: usize| raw[y % GRAIN_HEIGHT * grain_width + x % grain_width];
        let mut grain = Vec::with_capacity(raw.len());
        for y in 0..GRAIN_HEIGHT {
            for x in 0..grain_width {
                let near = at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1);
                let far =
                    at(x + 2, y + 2) + at(x, y + 2) + at(x + 2, y) + at(x + 2, y + 1) + at(x + 1, y + 2);
                grain.push((near + far) / 3.0);
            }
        }
        Self { white, grain, grain_width }
    }

    fn white(&self, offset: usize, width: usize) -> &[f32] {
        &self.white[offset % WHITE_COUNT..][..width]
    }

    fn grain(&self, y: usize, offset: usize, width: usize) -> &[f32] {
        &self.grain[y % GRAIN_HEIGHT * self.grain_width + offset % GRAIN_SPARE..][..width]
    }
}

/// How wide the phone's contact shadow on the belt is.
const SHADOW_PX: f32 = 46.0;

/// Belt, phone and display; then the fittings.
pub(super) fn paint_scene(canvas: &mut Canvas, scene: &Scene, noise: &Noise, rng: &mut ChaCha8Rng) {
    paint_ground(canvas, scene, noise, rng);
    match &scene.side {
        Side::Front { screen, home_button } => paint_front(canvas, scene, screen, *home_button),
        Side::Back { lenses, mirrored } => paint_back(canvas, scene, *lenses, *mirrored),
    }
}

fn paint_ground(canvas: &mut Canvas, scene: &Scene, noise: &Noise, rng: &mut ChaCha8Rng) {
    let (width, pose) = (canvas.width, &scene.pose);
    let mut reflections = Field::new(width, canvas.height, |p| scene.reflection_at(p));
    let (offset_x, offset_y) = (rng.random_range(0..GRAIN_SPARE), rng.random_range(0..GRAIN_HEIGHT));
    let (mut reflection, mut outside, mut display) = (vec![0.0; width], vec![0.0; width], vec![1e3; width]);
    let body_grain = rng.random_range(0.0..0.006);
    for y in 0..canvas.height {
        reflections.fill_row(y, &mut reflection);
        let at = |x: usize| pose.local([x as f32 + 0.5, y as f32 + 0.5]);
        for (x, value) in outside.iter_mut().enumerate() {
            let [u, v] = at(x);
            *value = rounded_box(u, v, pose.half, pose.corner_px);
        }
        let mut screen_color = [0.0; 3];
        if let Side::Front { screen, .. } = &scene.side {
            screen_color = screen.color;
            for (x, value) in display.iter_mut().enumerate() {
                let [u, v] = at(x);
                *value = rounded_box(u, v - screen.middle_v, screen.half, screen.corner_px);
            }
        }
        let rib = scene.ribs.1 * (TAU * y as f32 / scene.ribs.0).sin();
        let grain = noise.grain(y + offset_y, offset_x, width);
        for (channel, plane) in canvas.planes.iter_mut().enumerate() {
            let (belt, body) = (scene.belt[channel] + rib, scene.body[channel]);
            let row = &mut plane[y * width..][..width];
            for (x, value) in row.iter_mut().enumerate() {
                let ground = belt + scene.belt_grain * grain[x];
                let shade = 1.0 - 0.45 * (1.0 - outside[x].max(0.0) / SHADOW_PX).max(0.0);
                let lit = reflection[x] + body_grain * grain[x];
                let face = mix(body, screen_color[channel], coverage(display[x])) + lit;
                *value = mix(ground * shade, face.max(0.004), coverage(outside[x]));
            }
        }
        paint_bevel_row(canvas, scene, y, &outside);
    }
}

/// The rounded rim catches the light on the side that faces it.
fn paint_bevel_row(canvas: &mut Canvas, scene: &Scene, y: usize, outside: &[f32]) {
    let pose = &scene.pose;
    for (x, &distance) in outside.iter().enumerate() {
        if distance > 0.5 || distance < -scene.bevel_px {
            continue;
        }
        let [u, v] = pose.local([x as f32 + 0.5, y as f32 + 0.5]);
        let cu = (u.abs() - pose.half[0] + pose.corner_px).max(0.0) * u.signum();
        let cv = (v.abs() - pose.half[1] + pose.corner_px).max(0.0) * v.signum();
        let normal = pose.turn([cu, cv]);
        let facing =
            (normal[0] * scene.light_from[0] + normal[1] * scene.light_from[1]) / cu.hypot(cv).max(1.0);
        let depth = -distance / scene.bevel_px;
        let rim = (1.0 - (depth - 0.35).abs() * 1.9).max(0.0);
        let gain =
            scene.bevel * rim * (0.18 + 0.82 * facing.max(0.0).powi(2)) - 0.12 * rim * (-facing).max(0.0);
        for plane in &mut canvas.planes {
            let value = &mut plane[y * canvas.width + x];
            *value = (*value + gain * coverage(distance)).max(0.0);
        }
    }
}

/// A rounded rectangle in phone coordinates.
fn plate(
    canvas: &mut Canvas,
    pose: &Pose,
    middle: Point,
    half: Point,
    radius: f32,
    color: Color,
    alpha: f32,
) {
    let bounds = Bounds::around(pose.image(middle), half[0].hypot(half[1]) + 2.0);
    canvas.paint(bounds, |p| {
        let [u, v] = pose.local(p);
        let cover = coverage(rounded_box(u - middle[0], v - middle[1], half, radius));
        (cover > 0.0).then_some((color, cover * alpha))
    });
}

fn ring(canvas: &mut Canvas, center: Point, radius: f32, width: f32, color: Color, alpha: f32) {
    canvas.paint(Bounds::around(center, radius + width + 1.0), |[x, y]| {
        let distance = (x - center[0]).hypot(y - center[1]) - radius;
        let cover = coverage(distance.abs() - width / 2.0);
        (cover > 0.0).then_some((color, cover * alpha))
    });
}

const HOLE: Color = [0.015, 0.015, 0.02];

fn lens(canvas: &mut Canvas, center: Point, radius: f32, light_from: Point) {
    canvas.disc(center, radius, [0.09, 0.09, 0.10], 1.0);
    ring(canvas, center, radius * 0.95, 2.5, [0.42, 0.42, 0.44], 0.8);
    canvas.disc(center, radius * 0.62, HOLE, 1.0);
    canvas.disc(center, radius * 0.36, [0.05, 0.06, 0.12], 1.0);
    let glint = [center[0] + light_from[0] * radius * 0.28, center[1] + light_from[1] * radius * 0.28];
    canvas.disc(glint, (radius * 0.10).max(1.2), [0.85, 0.88, 0.95], 0.8);
}

fn paint_front(canvas: &mut Canvas, scene: &Scene, screen: &Screen, home_button: bool) {
    let pose = &scene.pose;
    let top = -pose.half[1];
    let chin = pose.half[1] - screen.half[1];
    let bright_bezel = scene.body[0] > 0.5;
    if chin > 60.0 {
        let v = top + chin * 0.5;
        plate(canvas, pose, [0.0, v], [46.0, 5.0], 5.0, HOLE, 0.95);
        lens(canvas, pose.image([-98.0, v]), 13.0, scene.light_from);
        canvas.disc(pose.image([92.0, v]), 6.0, [0.10, 0.08, 0.10], 0.8);
    } else {
        plate(canvas, pose, [0.0, top + 9.0], [52.0, 3.0], 3.0, HOLE, 0.8);
        let at = pose.image([0.0, top + chin + 28.0]);
        lens(canvas, at, 15.0, scene.light_from);
    }
    if home_button {
        let middle = [0.0, pose.half[1] - chin * 0.5];
        let (line, alpha) = if bright_bezel { ([0.55, 0.55, 0.56], 0.7) } else { ([0.22, 0.22, 0.24], 0.8) };
        let radius = (chin * 0.3).min(44.0);
        ring(canvas, pose.image(middle), radius, 2.5, line, alpha);
    }
}

fn paint_back(canvas: &mut Canvas, scene: &Scene, lenses: usize, mirrored: bool) {
    let pose = &scene.pose;
    let hand = if mirrored { 1.0 } else { -1.0 };
    let half = [pose.half[0] * 0.24, pose.half[0] * (0.20 + 0.13 * lenses as f32)];
    let middle = [hand * (pose.half[0] - half[0] - 34.0), -pose.half[1] + half[1] + 40.0];
    let island = mix_color(scene.body, [0.05, 0.05, 0.06], 0.35);
    plate(canvas, pose, middle, [half[0] + 4.0, half[1] + 4.0], 46.0, mix_color(island, [1.0; 3], 0.35), 0.6);
    plate(canvas, pose, middle, half, 42.0, island, 1.0);
    let radius = half[0] * 0.52;
    for i in 0..lenses {
        let v = middle[1] - half[1] + half[0] + i as f32 * radius * 2.25;
        lens(canvas, pose.image([middle[0], v]), radius, scene.light_from);
    }
    let flash = [middle[0] - hand * half[0] * 0.72, middle[1] + half[1] - 26.0];
    canvas.disc(pose.image(flash), 11.0, [0.93, 0.90, 0.78], 0.9);
    let mark = mix_color(scene.body, if scene.body[1] > 0.5 { [0.0; 3] } else { [1.0; 3] }, 0.22);
    ring(canvas, pose.image([0.0, -pose.half[1] * 0.12]), 44.0, 9.0, mark, 0.9);
    plate(canvas, pose, [0.0, pose.half[1] * 0.72], [96.0, 5.0], 2.0, mark, 0.5);
    for side in [-1.0, 1.0] {
        plate(canvas, pose, [0.0, side * (pose.half[1] - 16.0)], [pose.half[0], 2.0], 0.5, mark, 0.25);
    }
}

/// Dust specks and fingerprints: seen on every phone, and no defect.
pub(super) fn paint_harmless(canvas: &mut Canvas, scene: &Scene, rng: &mut ChaCha8Rng) {
    let pose = &scene.pose;
    for _ in 0..rng.random_range(15..130) {
        let spread = [rng.random_range(-1.0..1.0) * pose.half[0], rng.random_range(-1.0..1.0) * pose.half[1]];
        let grey = rng.random_range(0.45..0.8);
        let strength: f32 = rng.random_range(0.15..0.75);
        canvas.disc(pose.image(spread), rng.random_range(0.5..1.7), [grey; 3], strength * strength);
    }
    for _ in 0..rng.random_range(0..=2) {
        let at = [rng.random_range(-0.75..0.75) * pose.half[0], rng.random_range(-0.8..0.8) * pose.half[1]];
        let center = pose.image(at);
        let (turn, strength) = (rng.random_range(0.0..PI), rng.random_range(0.012..0.045));
        let (swirl, pitch) = (rng.random_range(-40.0..40.0), rng.random_range(5.5..8.0));
        let (sin, cos) = f32::sin_cos(turn);
        canvas.paint(Bounds::around(center, 92.0), |[x, y]| {
            let (dx, dy) = (x - center[0], y - center[1]);
            let (a, b) = (dx * cos + dy * sin, dy * cos - dx * sin);
            let inside = 1.0 - smooth(0.6, 1.0, (a / 58.0).hypot(b / 86.0));
            if inside <= 0.0 || pose.outside([x, y]) > -2.0 {
                return None;
            }
            let ridge = 0.5 + 0.5 * ((a.hypot(b - swirl) + 7.0 * (b * 0.03).sin()) * TAU / pitch).sin();
            Some(([0.8, 0.8, 0.82], strength * inside * (0.35 + 0.65 * ridge)))
        });
    }
}

/// Light and sensor: the canvas as 8-bit RGB.
pub(super) fn develop(
    canvas: &Canvas,
    scene: &Scene,
    light: f32,
    noise: &Noise,
    rng: &mut ChaCha8Rng,
) -> Vec<u8> {
    let width = canvas.width;
    let mut field = Field::new(width, canvas.height, |p| scene.light_at(p));
    let mut lit = vec![0.0; width];
    let mut planes: [Vec<u8>; 3] = std::array::from_fn(|_| vec![0; width]);
    let mut pixels = vec![0; width * canvas.height * 3];
    for (y, out) in pixels.chunks_exact_mut(width * 3).enumerate() {
        field.fill_row(y, &mut lit);
        for (channel, plane) in canvas.planes.iter().enumerate() {
            let gain = light * scene.exposure * scene.tint[channel];
            let row = &plane[y * width..][..width];
            let white = noise.white(rng.random_range(0..WHITE_COUNT), width);
            for (((out, &value), &lit), &noise) in planes[channel].iter_mut().zip(row).zip(&lit).zip(white) {
                let value = (value * lit * gain).max(0.0);
                *out = byte(value + (READ_NOISE + SHOT_NOISE * value.sqrt()) * noise);
            }
        }
        let [red, green, blue] = &planes;
        for (((pixel, &r), &g), &b) in out.chunks_exact_mut(3).zip(red).zip(green).zip(blue) {
            pixel.copy_from_slice(&[r, g, b]);
        }
    }
    pixels
}
