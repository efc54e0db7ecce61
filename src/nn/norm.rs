//! Batch normalisation with an optional rectifier after it, on blocked activations
//! `[n][blocks][height][width][lanes]`: moments, the forward map and its gradient, one block of one
//! sample at a time.

use super::graph::Extent;
use super::kernels::{Isa, Limits, NormLanes, NormLoops, NormSums};
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

#[expect(clippy::cast_possible_truncation, reason = "activations and parameters are single precision")]
pub const fn single(value: f64) -> f32 {
    value as f32
}

/// Rows are read twice while they are in the cache, and joined by the update of Chan, Golub and
/// `LeVeque` (1979).
pub fn plane_moments(plane: &[f32], isa: Isa, width: usize) -> PlaneMoments {
    let (lanes, loops) = (isa.lanes(), NormLoops::of(isa));
    let mut moments = vec![[0.0, 0.0]; lanes];
    let (mut mean, mut squares) = (vec![0.0; lanes], vec![0.0; lanes]);
    for (i, row) in plane.chunks_exact(width * lanes).enumerate() {
        loops.moments(row, &mut mean, &mut squares);
        for (moments, (mean, squares)) in moments.iter_mut().zip(mean.iter().zip(&squares)) {
            let row = [f64::from(*mean), f64::from(*squares)];
            join(moments, (i * width) as f64, row, width as f64);
        }
    }
    moments
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

/// `(y − mean) / √(var + ε) · scale + shift`, within limits; the gradient treats mean and
/// variance as functions of `y`. Lanes without a channel stay zero.
pub struct Norm {
    isa: Isa,
    limits: Limits,
    /// Of the channels.
    inverse_std: Vec<f32>,
    /// Of all lanes: the mean, and the map as `y · factor + offset`.
    mean: Vec<f32>,
    factor: Vec<f32>,
    offset: Vec<f32>,
}

impl Norm {
    pub fn new(isa: Isa, statistics: &Statistics, scale: &[f32], shift: &[f32], limits: Limits) -> Self {
        let inverse_std: Vec<f32> = statistics.var.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();
        let mut factor: Vec<f32> = inverse_std.iter().zip(scale).map(|(i, s)| i * s).collect();
        let centred = statistics.mean.iter().zip(&factor);
        let mut offset: Vec<f32> = shift.iter().zip(centred).map(|(s, (m, f))| s - m * f).collect();
        let mut mean = statistics.mean.clone();
        for values in [&mut mean, &mut factor, &mut offset] {
            values.resize(values.len().next_multiple_of(isa.lanes()), 0.0);
        }
        Self { isa, limits, inverse_std, mean, factor, offset }
    }

    fn blocks(&self) -> usize {
        self.mean.len() / self.isa.lanes()
    }

    fn lanes(&self, block: usize) -> NormLanes<'_> {
        let lanes = block * self.isa.lanes()..(block + 1) * self.isa.lanes();
        NormLanes {
            factor: &self.factor[lanes.clone()],
            offset: &self.offset[lanes.clone()],
            limits: self.limits,
            mean: &self.mean[lanes],
        }
    }

    /// All samples of `y` into `out`; `plane` floats are one block of one sample.
    pub fn forward(&self, y: &[f32], out: &mut [f32], plane: usize) {
        let loops = NormLoops::of(self.isa);
        out.par_chunks_mut(plane).zip(y.par_chunks(plane)).enumerate().for_each(|(i, (out, y))| {
            loops.forward(&self.lanes(i % self.blocks()), y, out);
        });
    }

    /// What the gradient needs of the whole batch, and the gradients of scale and shift.
    pub fn sums(&self, y: &[f32], grad: &[f32], size: Extent) -> Sums {
        let lanes = self.isa.lanes();
        let plane = size.area() * lanes;
        let planes: Vec<PlaneMoments> = y
            .par_chunks(plane)
            .zip(grad.par_chunks(plane))
            .enumerate()
            .map(|(i, (y, grad))| self.plane_sums(i % self.blocks(), size.x * lanes, y, grad))
            .collect();
        let mut sums = vec![[0.0, 0.0]; self.mean.len()];
        for (i, part) in planes.iter().enumerate() {
            let first = i % self.blocks() * lanes;
            for (sum, part) in sums[first..first + lanes].iter_mut().zip(part) {
                sum[0] += part[0];
                sum[1] += part[1];
            }
        }
        let count = (planes.len() / self.blocks() * size.area()) as f64;
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

    /// Σ grad and Σ grad · (y − mean) of the lanes of one block of one sample, rows in single
    /// precision and their sum in double.
    fn plane_sums(&self, block: usize, row: usize, y: &[f32], grad: &[f32]) -> PlaneMoments {
        let (lanes, loops) = (self.isa.lanes(), NormLoops::of(self.isa));
        let mut totals = vec![[0.0, 0.0]; lanes];
        let (mut plain, mut slope) = (vec![0.0; lanes], vec![0.0; lanes]);
        for (y, grad) in y.chunks_exact(row).zip(grad.chunks_exact(row)) {
            loops.sums(&self.lanes(block), y, grad, &mut plain, &mut slope);
            for (total, (plain, slope)) in totals.iter_mut().zip(plain.iter().zip(&slope)) {
                total[0] += f64::from(*plain);
                total[1] += f64::from(*slope);
            }
        }
        totals
    }

    /// The gradient of a row of block `block` of `y`.
    pub fn gradient(&self, sums: &Sums, block: usize, y: &[f32], grad: &[f32], dy: &mut [f32]) {
        let lanes = block * self.isa.lanes()..(block + 1) * self.isa.lanes();
        let means = NormSums { plain: &sums.plain[lanes.clone()], slope: &sums.slope[lanes] };
        NormLoops::of(self.isa).gradient(&self.lanes(block), means, y, grad, dy);
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
