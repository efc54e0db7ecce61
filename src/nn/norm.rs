//! Batch normalisation with an optional rectifier after it, on blocked activations
//! `[n][blocks][height][width][lanes]`: moments, the forward map and its gradient, one block of one
//! sample at a time.

use super::graph::Extent;
use super::kernels::Isa;
use rayon::prelude::*;

/// Keeps the division finite where a channel is constant.
pub const EPSILON: f32 = 1e-5;

/// Mean and variance (biased) of each channel of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    pub mean: Vec<f32>,
    pub var: Vec<f32>,
}

/// Mean and sum of squared deviations of each lane of one block of one sample.
pub type PlaneMoments = Vec<[f64; 2]>;

/// Calls a function that is generic over the number of lanes.
macro_rules! with_lanes {
    ($lanes:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $lanes {
            4 => $function::<4>($($argument),*),
            8 => $function::<8>($($argument),*),
            _ => $function::<16>($($argument),*),
        }
    };
}

#[expect(clippy::cast_possible_truncation, reason = "activations and parameters are single precision")]
pub const fn single(value: f64) -> f32 {
    value as f32
}

/// Rows are read twice while they are in the cache, and joined by the update of Chan, Golub and
/// LeVeque (1979).
pub fn plane_moments(plane: &[f32], lanes: usize, width: usize) -> PlaneMoments {
    with_lanes!(lanes, lane_moments(plane, width))
}

fn lane_moments<const L: usize>(plane: &[f32], width: usize) -> PlaneMoments {
    let mut moments = vec![[0.0, 0.0]; L];
    for (i, row) in plane.chunks_exact(width * L).enumerate() {
        let sums = row_sums::<L>(row, |_, v| v);
        let means = sums.map(|s| single(f64::from(s) / width as f64));
        let squares = row_sums::<L>(row, |lane, v| (v - means[lane]) * (v - means[lane]));
        for lane in 0..L {
            let row = [f64::from(means[lane]), f64::from(squares[lane])];
            join(&mut moments[lane], (i * width) as f64, row, width as f64);
        }
    }
    moments
}

/// Sums over the pixels of one row for each lane.
fn row_sums<const L: usize>(row: &[f32], f: impl Fn(usize, f32) -> f32) -> [f32; L] {
    let mut sums = [0.0; L];
    for pixel in row.as_chunks::<L>().0 {
        for lane in 0..L {
            sums[lane] += f(lane, pixel[lane]);
        }
    }
    sums
}

/// Adds the moments of `n` further values to those of `count`.
fn join(moments: &mut [f64; 2], count: f64, other: [f64; 2], n: f64) {
    let delta = other[0] - moments[0];
    let all = count + n;
    moments[0] += delta * n / all;
    moments[1] += other[1] + delta * delta * count * n / all;
}

impl Statistics {
    /// Of so many channels, out of the moments of each block of each sample.
    pub fn of(planes: &[PlaneMoments], isa: Isa, channels: usize, size: Extent) -> Self {
        let (lanes, area) = (isa.lanes(), size.area() as f64);
        let blocks = channels.div_ceil(lanes);
        let n = planes.len() / blocks;
        let mut statistics = Self { mean: Vec::new(), var: Vec::new() };
        for channel in 0..channels {
            let mut moments = [0.0, 0.0];
            for sample in 0..n {
                let plane = &planes[sample * blocks + channel / lanes];
                join(&mut moments, sample as f64 * area, plane[channel % lanes], area);
            }
            statistics.mean.push(single(moments[0]));
            statistics.var.push(single(moments[1] / (n as f64 * area)));
        }
        statistics
    }
}

/// `(y − mean) / √(var + ε) · scale + shift`, rectified if asked; the gradient treats mean and
/// variance as functions of `y`. Lanes without a channel stay zero.
pub struct Norm {
    /// Of the channels.
    inverse_std: Vec<f32>,
    /// Of all lanes: the mean, and the map as `y · factor + offset`.
    mean: Vec<f32>,
    factor: Vec<f32>,
    offset: Vec<f32>,
}

impl Norm {
    pub fn new(statistics: &Statistics, scale: &[f32], shift: &[f32], isa: Isa) -> Self {
        let inverse_std: Vec<f32> = statistics.var.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();
        let mut factor: Vec<f32> = inverse_std.iter().zip(scale).map(|(i, s)| i * s).collect();
        let centred = statistics.mean.iter().zip(&factor);
        let mut offset: Vec<f32> = shift.iter().zip(centred).map(|(s, (m, f))| s - m * f).collect();
        let mut mean = statistics.mean.clone();
        for values in [&mut mean, &mut factor, &mut offset] {
            values.resize(values.len().next_multiple_of(isa.lanes()), 0.0);
        }
        Self { inverse_std, mean, factor, offset }
    }

    /// All samples of `y` into `out`; `plane` floats are one block of one sample.
    pub fn forward(&self, y: &[f32], out: &mut [f32], isa: Isa, plane: usize, relu: bool) {
        let blocks = self.mean.len() / isa.lanes();
        out.par_chunks_mut(plane).zip(y.par_chunks(plane)).enumerate().for_each(|(i, (out, y))| {
            with_lanes!(isa.lanes(), normalise(self, i % blocks, y, out, floor(relu)));
        });
    }

    /// What the gradient needs of the whole batch, and the gradients of scale and shift.
    pub fn sums(&self, y: &[f32], grad: &[f32], lanes: usize, size: Extent, relu: bool) -> Sums {
        let plane = size.area() * lanes;
        let blocks = self.mean.len() / lanes;
        let planes: Vec<PlaneMoments> = y
            .par_chunks(plane)
            .zip(grad.par_chunks(plane))
            .enumerate()
            .map(|(i, (y, grad))| {
                with_lanes!(lanes, plane_sums(self, i % blocks, size.x, y, grad, floor(relu)))
            })
            .collect();
        let mut sums = vec![[0.0, 0.0]; self.mean.len()];
        for (i, part) in planes.iter().enumerate() {
            let first = i % blocks * lanes;
            for (sum, part) in sums[first..first + lanes].iter_mut().zip(part) {
                sum[0] += part[0];
                sum[1] += part[1];
            }
        }
        let count = (planes.len() / blocks * size.area()) as f64;
        let channels = || sums.iter().zip(&self.inverse_std).map(|(s, inverse)| (s, f64::from(*inverse)));
        let mut plain: Vec<f32> = channels().map(|(s, _)| single(s[0] / count)).collect();
        let mut slope: Vec<f32> = channels().map(|(s, i)| single(s[1] / count * i * i)).collect();
        plain.resize(sums.len(), 0.0);
        slope.resize(sums.len(), 0.0);
        Sums {
            scale: channels().map(|(s, inverse)| single(s[1] * inverse)).collect(),
            shift: channels().map(|(s, _)| single(s[0])).collect(),
            plain,
            slope,
        }
    }

    /// The gradient of a row of block `block` of `y`.
    #[expect(clippy::too_many_arguments, reason = "three rows, and which they are")]
    pub fn gradient(
        &self,
        sums: &Sums,
        block: usize,
        lanes: usize,
        y: &[f32],
        grad: &[f32],
        dy: &mut [f32],
        relu: bool,
    ) {
        with_lanes!(lanes, row_gradient(self, sums, block, y, grad, dy, floor(relu)));
    }
}

/// Means over the batch that the gradient of [`Norm`] subtracts.
pub struct Sums {
    /// Gradients of the norm's parameters.
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
    /// Of all lanes: mean of the gradient, and its mean product with `y − mean` over the variance.
    plain: Vec<f32>,
    slope: Vec<f32>,
}

const fn floor(relu: bool) -> f32 {
    if relu { 0.0 } else { f32::NEG_INFINITY }
}

/// The lanes of block `block` out of values for all.
fn lanes_of<const L: usize>(values: &[f32], block: usize) -> [f32; L] {
    let mut lanes = [0.0; L];
    lanes.copy_from_slice(&values[block * L..(block + 1) * L]);
    lanes
}

fn normalise<const L: usize>(norm: &Norm, block: usize, y: &[f32], out: &mut [f32], floor: f32) {
    let (factor, offset) = (lanes_of::<L>(&norm.factor, block), lanes_of::<L>(&norm.offset, block));
    for (out, y) in out.as_chunks_mut::<L>().0.iter_mut().zip(y.as_chunks::<L>().0) {
        for lane in 0..L {
            out[lane] = (y[lane] * factor[lane] + offset[lane]).max(floor);
        }
    }
}

/// The gradient where the rectifier let `y` through. That is computed again by the operations of
/// forward, which reads less than the output would.
#[inline]
fn masked(y: f32, factor: f32, offset: f32, floor: f32, grad: f32) -> f32 {
    if y * factor + offset > floor { grad } else { 0.0 }
}

/// Σ grad and Σ grad · (y − mean) of the lanes of one block of one sample.
fn plane_sums<const L: usize>(
    norm: &Norm,
    block: usize,
    width: usize,
    y: &[f32],
    grad: &[f32],
    floor: f32,
) -> PlaneMoments {
    let (factor, offset) = (lanes_of::<L>(&norm.factor, block), lanes_of::<L>(&norm.offset, block));
    let mean = lanes_of::<L>(&norm.mean, block);
    let mut totals = vec![[0.0, 0.0]; L];
    for (y, grad) in y.chunks_exact(width * L).zip(grad.chunks_exact(width * L)) {
        let (mut plain, mut slope) = ([0.0_f32; L], [0.0_f32; L]);
        for (y, grad) in y.as_chunks::<L>().0.iter().zip(grad.as_chunks::<L>().0) {
            for lane in 0..L {
                let g = masked(y[lane], factor[lane], offset[lane], floor, grad[lane]);
                plain[lane] += g;
                slope[lane] += g * (y[lane] - mean[lane]);
            }
        }
        for lane in 0..L {
            totals[lane][0] += f64::from(plain[lane]);
            totals[lane][1] += f64::from(slope[lane]);
        }
    }
    totals
}

/// `factor · (grad − plain − (y − mean) · slope)`.
fn row_gradient<const L: usize>(
    norm: &Norm,
    sums: &Sums,
    block: usize,
    y: &[f32],
    grad: &[f32],
    dy: &mut [f32],
    floor: f32,
) {
    let (factor, offset) = (lanes_of::<L>(&norm.factor, block), lanes_of::<L>(&norm.offset, block));
    let mean = lanes_of::<L>(&norm.mean, block);
    let (plain, slope) = (lanes_of::<L>(&sums.plain, block), lanes_of::<L>(&sums.slope, block));
    let pixels = y.as_chunks::<L>().0.iter().zip(grad.as_chunks::<L>().0);
    for (dy, (y, grad)) in dy.as_chunks_mut::<L>().0.iter_mut().zip(pixels) {
        for lane in 0..L {
            let g = masked(y[lane], factor[lane], offset[lane], floor, grad[lane]);
            dy[lane] = factor[lane] * (g - plain[lane] - (y[lane] - mean[lane]) * slope[lane]);
        }
    }
}
