//! Which defects a picture has. Each is painted on a patch of the phone and leaves its true
//! mask; one that hardly changes the picture is drawn again, so that every mask shows something.
//!
//! Most are plain to see at full size, some are hairlines, a few are just above the noise.

use super::canvas::{Canvas, Color, Point};
use super::line_defect::{crack, scratch};
use super::scene::{Pose, Scene};
use super::spot_defect::{burn, chip, stain};
use crate::domain::{Region, Shape};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Classes of the simulated line besides good.
pub const DEFECT_CLASSES: [&str; 4] = ["scratch", "crack", "chip", "stain"];
/// The class that only a drift brings.
pub const NEW_DEFECT_CLASS: &str = "burn";

/// How often each is the main defect of a defective picture: of glass, and of what cannot crack.
const CLASS_SHARES: [f32; 4] = [0.40, 0.20, 0.18, 0.22];
const TOUGH_CLASS_SHARES: [f32; 4] = [0.48, 0.0, 0.26, 0.26];
/// Share of defective pictures with a second defect of another kind.
const SECOND_CLASS_SHARE: f64 = 0.12;
/// A smaller mask is not a defect that anybody could point at; the drawing is repeated.
const AREA_PX_MIN: usize = 24;
/// The least change over a mask, the sum of three channels: twice the noise of dark glass.
const CONTRAST_MIN: f32 = 0.09;
const ATTEMPTS_MAX: usize = 30;

/// Paints the defects of one picture: its main class and all regions (at least one).
pub(super) fn paint_defects(
    canvas: &mut Canvas,
    scene: &Scene<'_>,
    new_share: f64,
    rng: &mut ChaCha8Rng,
) -> (&'static str, Vec<Region>) {
    let shares = if scene.is_glass() { CLASS_SHARES } else { TOUGH_CLASS_SHARES };
    let drawn = draw_class(shares, rng);
    let main = if rng.random::<f64>() < new_share { NEW_DEFECT_CLASS } else { drawn };
    let mut regions = Vec::new();
    let count = match main {
        "scratch" | "stain" => rng.random_range(1..=3),
        _ => 1,
    };
    for _ in 0..count {
        regions.extend(paint_one(canvas, scene, main, rng));
    }
    if rng.random_bool(SECOND_CLASS_SHARE) {
        let second = draw_class(shares, rng);
        regions.extend(paint_one(canvas, scene, second, rng));
    }
    (main, regions)
}

fn draw_class(shares: [f32; 4], rng: &mut ChaCha8Rng) -> &'static str {
    let mut left = rng.random::<f32>();
    for (class, share) in DEFECT_CLASSES.into_iter().zip(shares) {
        if left < share {
            return class;
        }
        left -= share;
    }
    DEFECT_CLASSES[0]
}

/// `None` only when every attempt fell off the phone or could not be seen.
fn paint_one(canvas: &mut Canvas, scene: &Scene<'_>, class: &str, rng: &mut ChaCha8Rng) -> Option<Region> {
    let (width, height) = (u32::try_from(canvas.width).ok()?, u32::try_from(canvas.height).ok()?);
    for _ in 0..ATTEMPTS_MAX {
        let patch = match class {
            "crack" => crack(canvas, &scene.pose, rng),
            "chip" => chip(canvas, scene, rng),
            "stain" => stain(canvas, scene, rng),
            NEW_DEFECT_CLASS => burn(canvas, &scene.pose, rng),
            _ => scratch(canvas, &scene.pose, rng),
        };
        if patch.area() >= AREA_PX_MIN && patch.contrast(canvas) >= CONTRAST_MIN {
            patch.put(canvas);
            let shape = Shape::Mask(patch.to_mask(width, height));
            return Some(Region { class: class.to_owned(), shape, score: None });
        }
    }
    None
}

/// Opacity of a defect: seven in ten are plain, one in twenty is just above the noise.
pub(super) fn draw_strength(rng: &mut ChaCha8Rng) -> f32 {
    match rng.random_range(0..100) {
        0..=4 => rng.random_range(0.12..0.25),
        5..=24 => rng.random_range(0.25..0.5),
        _ => rng.random_range(0.55..1.0),
    }
}

pub(super) fn on_face(rng: &mut ChaCha8Rng, pose: &Pose, reach: f32) -> Point {
    pose.image([
        rng.random_range(-reach..reach) * pose.half[0],
        rng.random_range(-reach..reach) * pose.half[1],
    ])
}

const LIGHT_LINE: Color = [0.92, 0.93, 0.96];
const DARK_LINE: Color = [0.10, 0.10, 0.11];

/// Broken glass and scratches shine on dark ground, on a bright surface they are darker than it.
/// Where the one turns into the other depends on the lamps: it is drawn for each defect.
pub(super) fn line_color(rng: &mut ChaCha8Rng) -> impl Fn(Color) -> Color + use<> {
    let turn = rng.random_range(0.25..0.70);
    move |under| if under.iter().sum::<f32>() < 3.0 * turn { LIGHT_LINE } else { DARK_LINE }
}
