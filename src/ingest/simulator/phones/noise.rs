//! Noise that is drawn once and cut out at random places, since a picture needs six million
//! values; and clouds of any width.

use super::canvas::Point;
use crate::ingest::simulator::curve::{mix, smooth};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub(super) struct Noise {
    white: Vec<f32>,
    grain: Vec<f32>,
    grain_width: usize,
    cells: Vec<f32>,
}

/// Prime, so that offsets do not repeat with the rows.
pub(super) const WHITE_COUNT: usize = 131_071;
pub(super) const GRAIN_HEIGHT: usize = 512;
/// Free columns beside the picture, for a random place to cut out.
pub(super) const GRAIN_SPARE: usize = 512;
/// The cells repeat after this many pixels.
const CELLS_PX: usize = 256;
const CELL_PX: usize = 8;

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
        Self { white, grain, grain_width, cells: draw_cells(rng) }
    }

    /// Independent from pixel to pixel, variance 1.
    pub(super) fn white(&self, offset: usize, width: usize) -> &[f32] {
        &self.white[offset % WHITE_COUNT..][..width]
    }

    /// Grains some three pixels wide, variance 1.
    pub(super) fn grain(&self, y: usize, offset: usize, width: usize) -> &[f32] {
        &self.grain[y % GRAIN_HEIGHT * self.grain_width + offset % GRAIN_SPARE..][..width]
    }

    /// Cells as of leather: 0 in the seams between them, 1 in their middle.
    pub(super) fn cell(&self, x: usize, y: usize) -> f32 {
        self.cells[y % CELLS_PX * CELLS_PX + x % CELLS_PX]
    }
}

/// Clouds from 0 to 1 without any period, some `1 / scale` pixels wide, in two octaves.
pub(super) fn cloud([x, y]: Point, scale: f32, seed: u32) -> f32 {
    0.67 * value_noise(x * scale, y * scale, seed)
        + 0.33 * value_noise(x * scale * 2.3, y * scale * 2.3, !seed)
}

/// Random values at whole coordinates, smooth between.
fn value_noise(x: f32, y: f32, seed: u32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let corner = |dx: f32, dy: f32| hashed((left + dx).to_bits(), (top + dy).to_bits(), seed);
    let (across, down) = (smooth(0.0, 1.0, x - left), smooth(0.0, 1.0, y - top));
    let above = mix(corner(0.0, 0.0), corner(1.0, 0.0), across);
    mix(above, mix(corner(0.0, 1.0), corner(1.0, 1.0), across), down)
}

fn hashed(a: u32, b: u32, seed: u32) -> f32 {
    let mut bits = a.wrapping_mul(0x9E37_79B1) ^ b.rotate_left(13).wrapping_mul(0x85EB_CA77) ^ seed;
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x2C1B_3C6D);
    bits = (bits ^ (bits >> 12)).wrapping_mul(0x297A_2D39);
    (bits >> 16) as f32 / 65_535.0
}

/// Distance from each pixel to the border between the two nearest of scattered points.
fn draw_cells(rng: &mut ChaCha8Rng) -> Vec<f32> {
    const SIDE: usize = CELLS_PX / CELL_PX;
    let points: Vec<[f32; 2]> =
        (0..SIDE * SIDE).map(|_| [rng.random_range(0.1..0.9), rng.random_range(0.1..0.9)]).collect();
    let mut cells = Vec::with_capacity(CELLS_PX * CELLS_PX);
    for y in 0..CELLS_PX {
        for x in 0..CELLS_PX {
            let (column, row) = (x / CELL_PX, y / CELL_PX);
            let (fx, fy) = ((x % CELL_PX) as f32 / CELL_PX as f32, (y % CELL_PX) as f32 / CELL_PX as f32);
            let (mut nearest, mut second) = (9.0_f32, 9.0_f32);
            for (dy, shift_y) in [(SIDE - 1, -1.0), (0, 0.0), (1, 1.0)] {
                for (dx, shift_x) in [(SIDE - 1, -1.0), (0, 0.0), (1, 1.0)] {
                    let [px, py] = points[(row + dy) % SIDE * SIDE + (column + dx) % SIDE];
                    let distance = (px + shift_x - fx).hypot(py + shift_y - fy);
                    second = second.min(distance.max(nearest));
                    nearest = nearest.min(distance);
                }
            }
            cells.push(((second - nearest) * 2.2).min(1.0));
        }
    }
    cells
}
