//! The make of one phone: measures, colours and fittings of its front, back and edge. Drawn once
//! for a unit, so that all its pictures show the same phone. Lengths are pixels in phone
//! coordinates, which have their origin in the middle of each face and `v` along the phone.

use super::canvas::{Color, Point, mix_color};
use rand::Rng;

pub(super) struct Phone {
    /// Half width and half length.
    pub half: Point,
    pub corner_px: f32,
    pub front: Front,
    pub back: Back,
    pub edge: Edge,
}

pub(super) struct Screen {
    pub middle_v: f32,
    pub half: Point,
    pub corner_px: f32,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Notch {
    None,
    Drop,
    Wide,
    /// A hole in the display, off the middle by this much; possibly one for two cameras.
    Hole {
        u: f32,
        double: bool,
    },
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Home {
    None,
    /// Printed or touch-sensitive.
    Ring,
    Button,
    /// The button is taken out and the belt shows through.
    CutOut,
}

pub(super) struct Front {
    pub bezel: Color,
    pub glass: Color,
    pub screen: Screen,
    pub notch: Notch,
    pub home: Home,
    pub has_keys: bool,
    pub slit_half_px: f32,
    /// Where camera and sensors sit beside the ear piece: 1 right, -1 left.
    pub hand: f32,
    pub sensors: usize,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Finish {
    Gloss,
    Matte,
    Brushed,
    Leather,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Island {
    Pill,
    Square,
    Disc,
    Bar,
    /// Lenses that stand alone on the back.
    Bare,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Logo {
    Ring,
    Bars,
    /// Letter-like strokes, each chosen by a byte.
    Word([u8; 6]),
    Dots,
}

pub(super) struct Back {
    pub body: Color,
    /// The colour that the body runs into at its lower end.
    pub fade: Color,
    pub finish: Finish,
    pub island: Island,
    pub lenses: usize,
    /// 1: the cameras sit on the right.
    pub hand: f32,
    pub logo: Logo,
    pub logo_v: f32,
    pub has_seams: bool,
    pub print_lines: usize,
}

pub(super) struct Edge {
    pub frame: Color,
    pub half_px: f32,
    /// Metal shines in a narrow band, plastic in a wide dull one.
    pub shine: f32,
    pub band_u: f32,
    pub is_brushed: bool,
    /// Middle and half length.
    pub buttons: Vec<[f32; 2]>,
    pub tray_v: Option<f32>,
    pub has_seams: bool,
    pub port_v: Option<f32>,
    /// Where a row of speaker holes begins, and how many they are.
    pub holes: Option<(f32, usize)>,
}

/// Body colours: graphite, black, silver, white, blue, green, gold, red, lilac, mint, navy.
const BODIES: [Color; 11] = [
    [0.20, 0.21, 0.23],
    [0.07, 0.07, 0.08],
    [0.62, 0.63, 0.65],
    [0.86, 0.86, 0.85],
    [0.15, 0.26, 0.45],
    [0.20, 0.33, 0.28],
    [0.74, 0.64, 0.50],
    [0.56, 0.12, 0.15],
    [0.58, 0.53, 0.67],
    [0.60, 0.74, 0.66],
    [0.08, 0.11, 0.22],
];
/// What the line has never seen before a drift brings it.
const NEW_BODY: Color = [0.93, 0.42, 0.10];
/// Frames around a display. White ones are over-exposed where the light suits dark glass.
const BEZELS: [Color; 7] = [
    [0.058, 0.059, 0.055],
    [0.048, 0.048, 0.049],
    [0.070, 0.070, 0.073],
    [1.50, 1.50, 1.44],
    [1.32, 1.32, 1.30],
    [1.10, 1.00, 0.84],
    [0.30, 0.31, 0.33],
];

impl Phone {
    /// `is_new` gives it the colour that only a drift brings.
    pub(super) fn draw(rng: &mut impl Rng, height: f32, is_new: bool) -> Self {
        let half_length = height * rng.random_range(0.41..0.465);
        let half = [half_length / rng.random_range(1.98..2.20), half_length];
        let corner_px = half[0] * rng.random_range(0.10..0.30);
        let mut front = Front::draw(rng, half, corner_px);
        let mut back = Back::draw(rng, half);
        let mut edge = Edge::draw(rng, half, back.body);
        if is_new {
            (back.body, back.fade) = (NEW_BODY, mix_color(NEW_BODY, back.fade, 0.12));
            edge.frame = mix_color(NEW_BODY, [0.6; 3], 0.15);
            front.bezel = NEW_BODY;
        }
        Self { half, corner_px, front, back, edge }
    }
}

/// Dark colours vary less, or they would turn into strong hues.
pub(super) fn vary_color(rng: &mut impl Rng, color: Color, by: f32) -> Color {
    color.map(|value| value + rng.random_range(-by..by) * value.clamp(0.15, 1.0))
}

fn side(rng: &mut impl Rng) -> f32 {
    if rng.random_bool(0.5) { 1.0 } else { -1.0 }
}

impl Front {
    fn draw(rng: &mut impl Rng, half: Point, corner_px: f32) -> Self {
        let reaches_edge = rng.random_bool(0.5);
        let bezel = if reaches_edge { rng.random_range(0..3) } else { rng.random_range(1..BEZELS.len()) };
        let ends = if reaches_edge { rng.random_range(16.0..34.0) } else { rng.random_range(105.0..175.0) };
        let sides = if reaches_edge { rng.random_range(9.0..18.0) } else { rng.random_range(14.0..34.0) };
        let grey = rng.random_range(0.045..0.088);
        let warmth = rng.random_range(0.85..1.1);
        let off_middle = half[0] * rng.random_range(0.5..0.75) * side(rng);
        let notch = match rng.random_range(0..4) {
            _ if !reaches_edge => Notch::None,
            0 => Notch::Drop,
            1 => Notch::Wide,
            2 => Notch::Hole { u: 0.0, double: false },
            _ => Notch::Hole { u: off_middle, double: rng.random_bool(0.4) },
        };
        let home = match rng.random_range(0..6) {
            _ if reaches_edge => Home::None,
            0 | 1 => Home::CutOut,
            2 => Home::Button,
            3 => Home::Ring,
            _ => Home::None,
        };
        Self {
            bezel: vary_color(rng, BEZELS[bezel], 0.012),
            glass: vary_color(rng, [grey, grey, grey * warmth], 0.012),
            screen: Screen {
                middle_v: if reaches_edge { 0.0 } else { rng.random_range(-12.0..12.0) },
                half: [half[0] - sides, half[1] - ends],
                corner_px: if reaches_edge { (corner_px - sides).max(4.0) } else { 2.0 },
            },
            notch,
            home,
            has_keys: home != Home::Ring && rng.random_bool(0.4),
            slit_half_px: rng.random_range(34.0..58.0),
            hand: side(rng),
            sensors: rng.random_range(1..=2),
        }
    }
}

impl Back {
    fn draw(rng: &mut impl Rng, half: Point) -> Self {
        let [own, other] = std::array::from_fn(|_| BODIES[rng.random_range(0..BODIES.len())]);
        let body = vary_color(rng, own, 0.03);
        let fades = rng.random_bool(0.3);
        Self {
            body,
            fade: mix_color(body, other, if fades { 0.7 } else { 0.06 }),
            finish: match rng.random_range(0..10) {
                0..=3 => Finish::Gloss,
                4..=6 => Finish::Matte,
                7 | 8 => Finish::Brushed,
                _ => Finish::Leather,
            },
            island: match rng.random_range(0..10) {
                0..=2 => Island::Pill,
                3..=5 => Island::Square,
                6 => Island::Disc,
                7 => Island::Bar,
                _ => Island::Bare,
            },
            lenses: rng.random_range(1..=4),
            hand: if rng.random_bool(0.3) { 1.0 } else { -1.0 },
            logo: match rng.random_range(0..4) {
                0 => Logo::Ring,
                1 => Logo::Bars,
                2 => Logo::Dots,
                _ => Logo::Word(rng.random()),
            },
            logo_v: half[1] * rng.random_range(-0.15..0.05),
            has_seams: rng.random_bool(0.4),
            print_lines: rng.random_range(0..=4),
        }
    }
}

impl Edge {
    fn draw(rng: &mut impl Rng, half: Point, body: Color) -> Self {
        let grey = rng.random_range(0.25..0.6);
        let top = rng.random_range(-0.62..-0.40) * half[1];
        let gap = half[1] * rng.random_range(0.16..0.22);
        let mut buttons = vec![[top, half[1] * rng.random_range(0.045..0.07)]];
        let rocker = half[1] * rng.random_range(0.075..0.12);
        if rng.random_bool(0.5) {
            buttons.push([top + gap, rocker]);
        } else {
            buttons.push([top + gap, rocker * 0.55]);
            buttons.push([top + gap + rocker * 1.35, rocker * 0.55]);
        }
        Self {
            frame: mix_color(body, [grey, grey, grey * 1.02], 0.45),
            half_px: rng.random_range(56.0..84.0),
            shine: rng.random_range(0.25..1.0),
            band_u: rng.random_range(-0.45..0.45),
            is_brushed: rng.random_bool(0.5),
            buttons,
            tray_v: rng.random_bool(0.6).then(|| rng.random_range(0.2..0.45) * half[1]),
            has_seams: rng.random_bool(0.6),
            port_v: rng.random_bool(0.35).then(|| rng.random_range(0.55..0.62) * half[1]),
            holes: rng
                .random_bool(0.5)
                .then(|| (rng.random_range(0.70..0.76) * half[1], rng.random_range(3..9))),
        }
    }
}
