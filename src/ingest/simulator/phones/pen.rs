//! Draws plates, rings and lines on the phone, in phone coordinates.

use super::canvas::{Bounds, Canvas, Color, Point, coverage, mix_color, rounded_box};
use super::scene::Pose;
use crate::ingest::simulator::curve::smooth;

pub(super) struct Pen<'a> {
    pub canvas: &'a mut Canvas,
    pub pose: &'a Pose,
    /// Direction of the light, in the image.
    pub light_from: Point,
}

/// Camera lenses and holes are black, but they mirror something.
pub(super) const HOLE: Color = [0.035, 0.036, 0.04];

impl Pen<'_> {
    /// Asks for colour and opacity at each phone coordinate within a box; nothing sticks out of
    /// the phone.
    pub(super) fn paint(
        &mut self,
        middle: Point,
        half: Point,
        mut shade: impl FnMut(Point) -> Option<(Color, f32)>,
    ) {
        let pose = self.pose;
        let corners = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0_f32]];
        let corners = corners.map(|[a, b]| pose.image([middle[0] + a * half[0], middle[1] + b * half[1]]));
        self.canvas.paint(Bounds::of(corners.into_iter(), 2.0), |point| {
            let [u, v] = pose.local(point);
            let cover = coverage(rounded_box(u, v, pose.half, pose.corner_px));
            shade([u, v]).map(|(color, alpha)| (color, alpha * cover))
        });
    }

    /// A rounded rectangle.
    pub(super) fn plate(&mut self, middle: Point, half: Point, radius: f32, color: Color, alpha: f32) {
        self.paint(middle, half, |[u, v]| {
            let cover = coverage(rounded_box(u - middle[0], v - middle[1], half, radius));
            (cover > 0.0).then_some((color, cover * alpha))
        });
    }

    /// The outline of a rounded rectangle.
    pub(super) fn outline(
        &mut self,
        middle: Point,
        half: Point,
        radius: f32,
        width: f32,
        color: Color,
        alpha: f32,
    ) {
        self.paint(middle, [half[0] + width, half[1] + width], |[u, v]| {
            let distance = rounded_box(u - middle[0], v - middle[1], half, radius);
            let cover = coverage(distance.abs() - width / 2.0);
            (cover > 0.0).then_some((color, cover * alpha))
        });
    }

    pub(super) fn disc(&mut self, middle: Point, radius: f32, color: Color, alpha: f32) {
        self.plate(middle, [radius; 2], radius, color, alpha);
    }

    pub(super) fn ring(&mut self, middle: Point, radius: f32, width: f32, color: Color, alpha: f32) {
        self.outline(middle, [radius; 2], radius, width, color, alpha);
    }

    /// A lamp behind a lens of its own.
    pub(super) fn flash(&mut self, middle: Point, radius: f32) {
        self.disc(middle, radius, [0.80, 0.76, 0.62], 0.95);
        self.ring(middle, radius, 1.5, [0.25; 3], 0.7);
        self.ring(middle, radius * 0.6, 1.5, [0.62, 0.56, 0.36], 0.8);
        self.disc(
            [middle[0] - radius * 0.2, middle[1] + radius * 0.1],
            radius * 0.35,
            [1.1, 1.08, 0.95],
            0.9,
        );
    }

    /// A raised rounded plate: a bright edge to the light, a dark one away from it, and a
    /// shadow beside it.
    pub(super) fn raised(&mut self, middle: Point, half: Point, radius: f32, color: Color, height_px: f32) {
        let from = self.light_from;
        let pose = self.pose;
        let shadow = [middle[0] - from[0] * height_px * 0.6, middle[1] - from[1] * height_px * 0.6];
        let reach = [half[0] + 3.0 * height_px, half[1] + 3.0 * height_px];
        self.paint(shadow, reach, |[u, v]| {
            let distance = rounded_box(u - shadow[0], v - shadow[1], half, radius);
            let alpha = 0.4 * (1.0 - smooth(0.0, height_px * 2.0, distance));
            (alpha > 0.0).then_some((color.map(|value| value * 0.3), alpha))
        });
        self.paint(middle, half, |[u, v]| {
            let (du, dv) = (u - middle[0], v - middle[1]);
            let distance = rounded_box(du, dv, half, radius);
            let cover = coverage(distance);
            if cover <= 0.0 {
                return None;
            }
            let cu = (du.abs() - half[0] + radius).max(0.0) * du.signum();
            let cv = (dv.abs() - half[1] + radius).max(0.0) * dv.signum();
            let normal = pose.turn([cu, cv]);
            let facing = (normal[0] * from[0] + normal[1] * from[1]) / cu.hypot(cv).max(1.0);
            let rim = 1.0 - smooth(0.0, height_px.max(1.5), -distance);
            let lit = if facing > 0.0 { [1.0; 3] } else { [0.0; 3] };
            Some((mix_color(color, lit, rim * facing.abs() * 0.65), cover))
        });
    }

    /// A camera lens: ring of metal, black glass, rings within, coating and glints.
    pub(super) fn lens(&mut self, middle: Point, radius: f32, ring: Color) {
        let from = self.light_from;
        self.disc(middle, radius + 2.0, ring.map(|value| value * 0.35), 0.8);
        self.paint(middle, [radius; 2], |[u, v]| {
            let (du, dv) = ((u - middle[0]) / radius, (v - middle[1]) / radius);
            let (r, facing) = (du.hypot(dv), du * from[0] + dv * from[1]);
            let cover = coverage((r - 1.0) * radius);
            if cover <= 0.0 {
                return None;
            }
            let color = if r > 0.86 {
                ring.map(|value| value * (0.75 + 0.55 * facing))
            } else if r > 0.62 {
                HOLE.map(|value| value + 0.03 * (r * 55.0).sin().abs())
            } else if r > 0.30 {
                let coat = (-((r - 0.45) / 0.10).powi(2)).exp() * (0.5 - facing).max(0.0);
                [0.03 + 0.10 * coat, 0.03 + 0.04 * coat, 0.04 + 0.18 * coat]
            } else {
                let gleam = (0.3 + facing).max(0.0) * 0.2;
                [0.02 + 0.1 * gleam, 0.022 + 0.3 * gleam, 0.03 + 0.4 * gleam]
            };
            Some((color, cover))
        });
        let glint = |share: f32| [middle[0] + from[0] * radius * share, middle[1] + from[1] * radius * share];
        self.disc(glint(0.42), (radius * 0.10).max(1.1), [1.0, 1.02, 1.1], 0.85);
        self.disc(glint(-0.30), (radius * 0.06).max(0.8), [0.7, 0.75, 0.9], 0.6);
    }
}
