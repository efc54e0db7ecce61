//! What sits on the bare face of a phone: ear piece, cameras, buttons, logos, print and ports.
//! It is drawn from the phone's make alone, and so is the same in each picture of it.

use super::canvas::{Canvas, Color, Point, mix_color};
use super::pen::{HOLE, Pen};
use super::phone::{Back, Edge, Finish, Front, Home, Island, Logo, Notch};
use super::scene::Scene;
use crate::domain::SimulatedPosition;

pub(super) fn paint_fittings(canvas: &mut Canvas, scene: &Scene<'_>) {
    let mut pen = Pen { canvas, pose: &scene.pose, light_from: scene.light_from };
    match scene.position {
        SimulatedPosition::Front => paint_front(&mut pen, &scene.phone.front, scene.belt.color),
        SimulatedPosition::Back => paint_back(&mut pen, &scene.phone.back),
        SimulatedPosition::Edge => paint_edge(&mut pen, &scene.phone.edge),
    }
}

fn is_bright(color: Color) -> bool {
    color.iter().sum::<f32>() > 1.4
}

fn paint_front(pen: &mut Pen<'_>, front: &Front, belt: Color) {
    let half = pen.pose.half;
    let forehead = half[1] - front.screen.half[1] + front.screen.middle_v;
    let chin = half[1] - front.screen.half[1] - front.screen.middle_v;
    let metal = if is_bright(front.bezel) { [0.5; 3] } else { [0.28, 0.28, 0.29] };
    if forehead > 60.0 {
        let v = -half[1] + forehead * 0.5;
        let slit = front.slit_half_px;
        pen.plate([0.0, v], [slit, 5.5], 5.5, HOLE, 0.95);
        pen.outline([0.0, v], [slit, 5.5], 5.5, 1.6, metal, 0.6);
        pen.lens([front.hand * (slit + 52.0), v], 13.0, metal.map(|value| value * 0.8));
        for i in 0..front.sensors {
            let u = -front.hand * (slit + 38.0 + 32.0 * i as f32);
            pen.plate([u, v], [7.0 + 4.0 * i as f32, 6.5], 6.5, [0.07, 0.06, 0.075], 0.92);
            pen.outline([u, v], [7.0 + 4.0 * i as f32, 6.5], 6.5, 1.4, metal, 0.5);
        }
    } else {
        pen.plate([0.0, 7.0 - half[1]], [front.slit_half_px, 2.6], 2.6, HOLE, 0.85);
        pen.outline([0.0, 7.0 - half[1]], [front.slit_half_px, 2.6], 2.6, 1.2, [0.2; 3], 0.5);
    }
    paint_notch(pen, front, forehead - half[1]);
    let middle = [0.0, half[1] - chin * 0.5];
    let radius = (chin * 0.30).min(46.0);
    let pill = [radius * 1.5, radius * 0.72];
    match front.home {
        Home::None => {}
        Home::Ring => pen.ring(middle, radius * 0.8, 2.5, metal, 0.7),
        Home::Button => {
            pen.raised(middle, pill, pill[1], front.bezel.map(|value| (value * 0.92).min(0.95)), 2.0);
            pen.outline(middle, pill, pill[1], 2.0, metal, 0.8);
        }
        Home::CutOut => {
            pen.plate(middle, pill, pill[1], belt.map(|value| value * 0.62), 1.0);
            pen.plate([middle[0], middle[1] - 4.0], [pill[0] - 5.0, pill[1] - 6.0], pill[1] - 6.0, belt, 0.5);
            pen.outline(middle, pill, pill[1], 2.0, metal, 0.7);
        }
    }
    if front.has_keys && chin > 60.0 {
        let ink = if is_bright(front.bezel) { [0.62; 3] } else { [0.28; 3] };
        pen.outline([-half[0] * 0.52, middle[1]], [13.0, 10.0], 2.0, 2.2, ink, 0.55);
        for shift in [-8.0, 0.0, 8.0] {
            pen.plate([half[0] * 0.52, middle[1] + shift], [13.0, 1.2], 1.0, ink, 0.55);
        }
    }
}

/// `top` is where the display begins.
fn paint_notch(pen: &mut Pen<'_>, front: &Front, top: f32) {
    let black = front.glass.map(|value| value * 0.6);
    let rim = [0.22, 0.22, 0.23];
    match front.notch {
        Notch::None => {}
        Notch::Drop => {
            pen.disc([0.0, top + 16.0], 27.0, black, 0.9);
            pen.lens([0.0, top + 18.0], 12.0, rim);
        }
        Notch::Wide => {
            pen.plate([0.0, top + 12.0], [170.0, 26.0], 18.0, black, 0.9);
            pen.lens([104.0, top + 14.0], 12.0, rim);
            pen.disc([-100.0, top + 14.0], 8.0, [0.09, 0.07, 0.09], 0.9);
            pen.disc([-66.0, top + 14.0], 4.0, [0.07, 0.06, 0.10], 0.9);
        }
        Notch::Hole { u, double } => {
            pen.lens([u, top + 38.0], 15.0, rim);
            if double {
                pen.lens([u - u.signum() * 46.0, top + 38.0], 15.0, rim);
            }
        }
    }
}

fn paint_back(pen: &mut Pen<'_>, back: &Back) {
    let half = pen.pose.half;
    let ink = mix_color(back.body, if is_bright(back.body) { [0.05; 3] } else { [1.0; 3] }, 0.26);
    if back.has_seams && back.finish != Finish::Gloss {
        for v in [74.0 - half[1], half[1] - 74.0] {
            let seam = mix_color(back.body, [0.5; 3], 0.4);
            pen.plate([0.0, v], [half[0], 5.0], 1.0, seam, 0.7);
            pen.plate([0.0, v + 5.5], [half[0], 0.8], 0.5, back.body.map(|value| value * 0.4), 0.5);
        }
    }
    paint_cameras(pen, back);
    paint_logo(pen, back.logo, [0.0, back.logo_v], ink);
    let mut v = half[1] * 0.72;
    for line in 0..back.print_lines {
        paint_print(pen, v, half[0] * (0.62 - 0.09 * line as f32), line, ink);
        v += 13.0;
    }
}

/// A line of print too small to be read: strokes of uneven lengths.
fn paint_print(pen: &mut Pen<'_>, v: f32, half_width: f32, seed: usize, ink: Color) {
    let mut u = -half_width;
    let mut step = seed * 5 + 3;
    while u < half_width {
        step = (step * 37 + 11) % 101;
        let length = 2.0 + (step % 5) as f32;
        if !step.is_multiple_of(7) {
            pen.plate([u + length / 2.0, v], [length / 2.0, 2.6], 0.8, ink, 0.45 + 0.04 * (step % 6) as f32);
        }
        u += length + 2.6;
    }
}

fn paint_cameras(pen: &mut Pen<'_>, back: &Back) {
    let half = pen.pose.half;
    let island = mix_color(back.body, [0.05, 0.05, 0.06], 0.4);
    let ring = mix_color(back.body, [0.55, 0.55, 0.57], 0.7);
    let radius = half[0] * 0.125;
    let lenses = back.lenses;
    let place = |u: f32, v: f32| [back.hand * (half[0] - u), v - half[1]];
    match back.island {
        Island::Pill => {
            let reach = [radius * 1.5, radius * (0.65 + 1.2 * lenses as f32)];
            let middle = place(reach[0] + 42.0, reach[1] + 48.0);
            pen.raised(middle, reach, reach[0], island, 4.0);
            for i in 0..lenses {
                let v = middle[1] - reach[1] + radius * (1.7 + 2.35 * i as f32);
                pen.lens([middle[0], v], radius, ring);
            }
            pen.flash([middle[0] - back.hand * reach[0] * 1.6, middle[1]], 12.0);
        }
        Island::Square => {
            let reach = [half[0] * 0.40; 2];
            let middle = place(reach[0] + 36.0, reach[1] + 40.0);
            pen.raised(middle, reach, reach[0] * 0.3, island, 5.0);
            let corners = [[-1.0, -1.0], [1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]];
            for (i, [a, b]) in corners.into_iter().enumerate() {
                let at = [middle[0] + a * reach[0] * 0.46, middle[1] + b * reach[1] * 0.46];
                if i < lenses.max(2) {
                    pen.lens(at, radius * 1.15, ring);
                } else {
                    pen.flash(at, 14.0);
                    break;
                }
            }
        }
        Island::Disc => {
            let reach = half[0] * 0.46;
            let middle = [0.0, reach + 60.0 - half[1]];
            pen.raised(middle, [reach; 2], reach, island, 6.0);
            pen.ring(middle, reach * 0.93, 2.0, ring, 0.5);
            for i in 0..lenses {
                let (sin, cos) = (std::f32::consts::TAU * i as f32 / lenses as f32 - 0.8).sin_cos();
                pen.lens([middle[0] + cos * reach * 0.5, middle[1] + sin * reach * 0.5], radius, ring);
            }
            pen.flash(middle, 11.0);
        }
        Island::Bar => {
            let reach = [half[0] * 0.97, radius * 1.5];
            let middle = [0.0, 150.0 - half[1]];
            pen.raised(middle, reach, 14.0, island, 5.0);
            for i in 0..lenses {
                pen.lens([half[0] * (0.40 * i as f32 - 0.62), middle[1]], radius, ring);
            }
            pen.flash([half[0] * 0.80, middle[1]], 12.0);
        }
        Island::Bare => {
            for i in 0..lenses {
                pen.lens(place(radius + 48.0, radius + 52.0 + radius * 2.6 * i as f32), radius * 1.1, ring);
            }
            pen.flash(place(radius * 3.6 + 40.0, radius + 52.0), 11.0);
        }
    }
}

fn paint_logo(pen: &mut Pen<'_>, logo: Logo, [u, v]: Point, ink: Color) {
    match logo {
        Logo::Ring => {
            pen.ring([u, v], 42.0, 8.0, ink, 0.9);
            pen.disc([u + 20.0, v - 20.0], 9.0, ink, 0.9);
        }
        Logo::Bars => {
            for (i, length) in [44.0, 30.0, 18.0].into_iter().enumerate() {
                pen.plate([u - 44.0 + length, v + 20.0 * i as f32], [length, 5.0], 2.0, ink, 0.9);
            }
        }
        Logo::Dots => {
            for i in 0..9_u8 {
                let at = [u + 22.0 * (f32::from(i % 3) - 1.0), v + 22.0 * (f32::from(i / 3) - 1.0)];
                pen.disc(at, 3.0 + f32::from(i % 3) * 2.0, ink, 0.9);
            }
        }
        Logo::Word(letters) => {
            for (i, letter) in letters.into_iter().enumerate() {
                paint_letter(pen, letter, [u + 38.0 * (i as f32 - 2.5), v], ink);
            }
        }
    }
}

/// Strokes that look like a letter of no alphabet.
fn paint_letter(pen: &mut Pen<'_>, letter: u8, [u, v]: Point, ink: Color) {
    let stem = |pen: &mut Pen<'_>, du: f32| pen.plate([u + du, v], [2.6, 19.0], 1.5, ink, 0.9);
    let bar = |pen: &mut Pen<'_>, dv: f32| pen.plate([u, v + dv], [12.0, 2.6], 1.5, ink, 0.9);
    match letter % 6 {
        0 => pen.ring([u, v], 14.0, 5.0, ink, 0.9),
        1 => {
            stem(pen, -10.0);
            bar(pen, 16.0);
        }
        2 => {
            stem(pen, -10.0);
            stem(pen, 10.0);
            bar(pen, 0.0);
        }
        3 => {
            stem(pen, 0.0);
            bar(pen, -16.0);
        }
        4 => {
            stem(pen, -10.0);
            for dv in [-16.0, 0.0, 16.0] {
                bar(pen, dv);
            }
        }
        _ => stem(pen, 0.0),
    }
}

fn paint_edge(pen: &mut Pen<'_>, edge: &Edge) {
    let half = pen.pose.half;
    let dark = edge.frame.map(|value| value * 0.35);
    if edge.has_seams {
        for v in [-half[1] * 0.86, half[1] * 0.86] {
            pen.plate(
                [-4.0, v],
                [edge.half_px * 0.82, 6.0],
                1.0,
                mix_color(edge.frame, [0.45; 3], 0.5),
                0.55,
            );
        }
    }
    for &[v, length] in &edge.buttons {
        let reach = [edge.half_px * 0.30, length];
        pen.plate([-3.0, v], [reach[0] + 3.0, reach[1] + 3.0], reach[0], dark, 0.85);
        pen.raised([-3.0, v], reach, reach[0], edge.frame.map(|value| (value * 1.25).min(0.9)), 4.0);
        pen.plate([-9.0, v], [2.2, length - 14.0], 2.0, [1.0; 3], 0.20 + 0.35 * edge.shine);
    }
    if let Some(v) = edge.tray_v {
        let reach = [edge.half_px * 0.34, half[1] * 0.085];
        pen.outline([-3.0, v], reach, reach[0], 2.0, dark, 0.9);
        pen.disc([-3.0, v + reach[1] - 14.0], 4.0, HOLE, 0.95);
    }
    if let Some(v) = edge.port_v {
        let reach = [edge.half_px * 0.24, 44.0];
        pen.plate([-3.0, v], reach, reach[0], HOLE, 0.97);
        pen.outline([-3.0, v], reach, reach[0], 2.5, edge.frame.map(|value| (value * 1.5).min(0.95)), 0.8);
        pen.plate([-3.0, v], [3.0, 30.0], 2.0, [0.16, 0.15, 0.13], 0.9);
    }
    if let Some((v, count)) = edge.holes {
        for i in 0..count {
            pen.disc([-3.0, v + 20.0 * i as f32], 6.0, HOLE, 0.95);
            pen.ring([-3.0, v + 20.0 * i as f32], 6.5, 1.2, edge.frame.map(|value| value * 1.3), 0.5);
        }
    }
    pen.disc([-3.0, -half[1] * 0.74], 4.5, HOLE, 0.95);
}
