//! The remaining operations of training, on blocked activations
//! `[n][blocks][height][width][lanes]`: into and out of that form, doubling, pooling, and the
//! gradient of each.

use super::graph::Extent;
use super::kernels::Limits;
use super::recycle::{Recycled, Shelf};
use rayon::prelude::*;

/// Sizes of a blocked activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    pub n: usize,
    pub channels: usize,
    pub size: Extent,
    pub lanes: usize,
}

impl Blocked {
    pub const fn blocks(&self) -> usize {
        self.channels.div_ceil(self.lanes)
    }

    /// Floats of one block of one sample.
    pub const fn plane(&self) -> usize {
        self.size.area() * self.lanes
    }

    pub const fn floats(&self) -> usize {
        self.n * self.blocks() * self.plane()
    }

    /// The first value of a channel of a sample; its others follow in steps of `lanes`.
    const fn channel(&self, sample: usize, channel: usize) -> usize {
        (sample * self.blocks() + channel / self.lanes) * self.plane() + channel % self.lanes
    }
}

/// `[n][channels][height][width]` → blocked, filled up with zeros.
pub fn block(x: &[f32], b: Blocked, shelf: &Shelf) -> Recycled {
    let (area, blocks) = (b.size.area(), b.blocks());
    let mut out = shelf.unspecified(b.floats());
    out.par_chunks_mut(b.plane()).enumerate().for_each(|(i, plane)| {
        let (sample, block) = (i / blocks, i % blocks);
        plane.fill(0.0);
        for lane in 0..b.lanes.min(b.channels - block * b.lanes) {
            let channel = sample * b.channels + block * b.lanes + lane;
            let source = &x[channel * area..(channel + 1) * area];
            plane[lane..].iter_mut().step_by(b.lanes).zip(source).for_each(|(to, from)| *to = *from);
        }
    });
    out
}

/// Blocked → `[n][channels][height][width]`.
pub fn unblock(x: &[f32], b: Blocked) -> Vec<f32> {
    let mut out = vec![0.0; b.n * b.channels * b.size.area()];
    out.par_chunks_mut(b.size.area()).enumerate().for_each(|(i, plane)| {
        let source = x[b.channel(i / b.channels, i % b.channels)..].iter().step_by(b.lanes);
        plane.iter_mut().zip(source).for_each(|(to, from)| *to = *from);
    });
    out
}

/// Each pixel as 2 × 2; `b` are the sizes of `x`.
pub fn double(x: &[f32], b: Blocked, out: &mut [f32]) {
    let (row, lanes) = (b.size.x * b.lanes, b.lanes);
    out.par_chunks_mut(4 * row).zip(x.par_chunks(row)).for_each(|(out, x)| {
        let (upper, lower) = out.split_at_mut(2 * row);
        for (pair, pixel) in upper.chunks_exact_mut(2 * lanes).zip(x.chunks_exact(lanes)) {
            pair[..lanes].copy_from_slice(pixel);
            pair[lanes..].copy_from_slice(pixel);
        }
        lower.copy_from_slice(upper);
    });
}

/// The gradient of [`double`]: sums of 2 × 2; `b` are the sizes of `dx`.
pub fn double_gradient(grad: &[f32], b: Blocked, dx: &mut [f32]) {
    let (row, lanes) = (b.size.x * b.lanes, b.lanes);
    dx.par_chunks_mut(row).zip(grad.par_chunks(4 * row)).for_each(|(dx, grad)| {
        let (upper, lower) = grad.split_at(2 * row);
        let pairs = upper.chunks_exact(2 * lanes).zip(lower.chunks_exact(2 * lanes));
        for (dx, (u, l)) in dx.chunks_exact_mut(lanes).zip(pairs) {
            for lane in 0..lanes {
                dx[lane] = u[lane] + u[lane + lanes] + l[lane] + l[lane + lanes];
            }
        }
    });
}

/// Channels of `from`, beginning with the first of the pair, to those of `to`, beginning with the
/// second, as many as the smaller one has.
pub fn copy_channels(
    from: &[f32],
    f: Blocked,
    to: &mut [f32],
    t: Blocked,
    (first_from, first_to): (usize, usize),
) {
    for sample in 0..f.n {
        for i in 0..f.channels.min(t.channels) {
            let source = from[f.channel(sample, first_from + i)..].iter().step_by(f.lanes);
            let target = to[t.channel(sample, first_to + i)..].iter_mut().step_by(t.lanes);
            target.zip(source).take(f.size.area()).for_each(|(to, from)| *to = *from);
        }
    }
}

/// Mean, then maximum of each channel; `b` are the sizes of `x`, `to` those of `out`.
pub fn pool(x: &[f32], b: Blocked, out: &mut [f32], to: Blocked) {
    let area = b.size.area();
    out.fill(0.0);
    for sample in 0..b.n {
        for channel in 0..b.channels {
            let values = || x[b.channel(sample, channel)..].iter().step_by(b.lanes).take(area);
            out[to.channel(sample, channel)] = values().sum::<f32>() / area as f32;
            out[to.channel(sample, b.channels + channel)] =
                values().copied().fold(f32::NEG_INFINITY, f32::max);
        }
    }
}

/// The gradient of [`pool`]; the first of equal maxima takes that of the maximum.
pub fn pool_gradient(x: &[f32], b: Blocked, out: &[f32], grad: &[f32], to: Blocked, dx: &mut [f32]) {
    let area = b.size.area();
    dx.fill(0.0);
    for sample in 0..b.n {
        for channel in 0..b.channels {
            let start = b.channel(sample, channel);
            let mean = grad[to.channel(sample, channel)] / area as f32;
            let at = to.channel(sample, b.channels + channel);
            let first = x[start..].iter().step_by(b.lanes).take(area).position(|v| *v == out[at]);
            for (i, dx) in dx[start..].iter_mut().step_by(b.lanes).take(area).enumerate() {
                *dx = mean + if Some(i) == first { grad[at] } else { 0.0 };
            }
        }
    }
}

/// Floats of elementwise work that are worth a thread: some microseconds of memory traffic.
const PIECE: usize = 1 << 15;

/// Sum of equally long activations, within limits.
pub fn sum(inputs: &[&[f32]], limits: Limits, out: &mut [f32]) {
    out.par_chunks_mut(PIECE).enumerate().for_each(|(i, out)| {
        let piece = i * PIECE..i * PIECE + out.len();
        for (k, input) in inputs.iter().enumerate() {
            let input = &input[piece.clone()];
            if k == 0 {
                out.copy_from_slice(input);
            } else {
                out.iter_mut().zip(input).for_each(|(o, v)| *o += *v);
            }
        }
        if limits != Limits::NONE {
            for o in out {
                *o = limits.of(*o);
            }
        }
    });
}

/// `to += from`.
pub fn add(to: &mut [f32], from: &[f32]) {
    to.par_chunks_mut(PIECE).zip(from.par_chunks(PIECE)).for_each(|(to, from)| {
        to.iter_mut().zip(from).for_each(|(to, from)| *to += *from);
    });
}

/// Zero where the limits stopped the output.
pub fn mask(grad: &mut [f32], out: &[f32], limits: Limits) {
    grad.par_chunks_mut(PIECE).zip(out.par_chunks(PIECE)).for_each(|(grad, out)| {
        grad.iter_mut().zip(out).for_each(|(g, o)| *g = if limits.let_through(*o) { *g } else { 0.0 });
    });
}
