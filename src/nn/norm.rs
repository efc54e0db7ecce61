//! Batch normalisation with an optional rectifier after it, as one operation on blocked tensors
//! `[n, blocks, height, width, lanes]`.
//!
//! Written as loops because the tensor library would walk over every activation eight times.

use super::slices::{operand, with_values};
use candle_core::{CpuStorage, CustomOp3, Device, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// Keeps the division finite where a channel is constant.
pub const EPSILON: f32 = 1e-5;

/// Mean and variance (biased) of each channel of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    pub mean: Vec<f32>,
    pub var: Vec<f32>,
}

/// Sizes of a blocked tensor.
#[derive(Clone, Copy)]
pub struct Blocked {
    pub n: usize,
    pub blocks: usize,
    pub height: usize,
    pub width: usize,
    pub lanes: usize,
}

impl Blocked {
    pub fn of(dims: &[usize]) -> Result<Self> {
        match *dims {
            [n, blocks, height, width, lanes] => Ok(Self { n, blocks, height, width, lanes }),
            _ => Err(Error::Msg(format!("not a blocked tensor: {dims:?}"))),
        }
    }

    /// Floats of one block of one sample.
    pub const fn plane(&self) -> usize {
        self.height * self.width * self.lanes
    }

    const fn row(&self) -> usize {
        self.width * self.lanes
    }
}

/// Calls a function that is generic over the number of lanes.
macro_rules! with_lanes {
    ($lanes:expr, $function:ident($($argument:expr),*)) => {
        match $lanes {
            4 => $function::<4>($($argument),*),
            8 => $function::<8>($($argument),*),
            _ => $function::<16>($($argument),*),
        }
    };
}

#[expect(clippy::cast_possible_truncation, reason = "statistics are stored in single precision")]
const fn single(value: f64) -> f32 {
    value as f32
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

/// Mean and sum of squared deviations of the lanes of one plane. Each row is read twice while it
/// is in the cache; rows are joined by the update of Chan, Golub and LeVeque (1979).
fn plane_moments<const L: usize>(plane: &[f32], row: usize) -> Vec<[f64; 2]> {
    let mut moments = vec![[0.0, 0.0]; L];
    let mut count = 0.0;
    let width = (row / L) as f64;
    for line in plane.chunks_exact(row) {
        let sums = row_sums::<L>(line, |_, v| v);
        let means = sums.map(|s| single(f64::from(s) / width));
        let squares = row_sums::<L>(line, |lane, v| (v - means[lane]) * (v - means[lane]));
        for lane in 0..L {
            let other = [f64::from(means[lane]), f64::from(squares[lane])];
            join(&mut moments[lane], count, other, width);
        }
        count += width;
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

/// Statistics of the first `channels` channels.
pub fn statistics(x: &Tensor, channels: usize) -> Result<Statistics> {
    let b = Blocked::of(x.dims())?;
    with_values(x, |x| {
        let planes: Vec<Vec<[f64; 2]>> = x
            .par_chunks(b.plane())
            .map(|plane| with_lanes!(b.lanes, plane_moments(plane, b.row())))
            .collect();
        let area = (b.height * b.width) as f64;
        let mut statistics = Statistics { mean: Vec::new(), var: Vec::new() };
        for channel in 0..channels {
            let (block, lane) = (channel / b.lanes, channel % b.lanes);
            let mut moments = [0.0, 0.0];
            for sample in 0..b.n {
                join(&mut moments, sample as f64 * area, planes[sample * b.blocks + block][lane], area);
            }
            statistics.mean.push(single(moments[0]));
            statistics.var.push(single(moments[1] / (b.n as f64 * area)));
        }
        Ok(statistics)
    })
}

/// `(x − mean) / √(var + ε) · scale + shift`, rectified if asked; the gradient treats mean and
/// variance as functions of `x`. Lanes without a channel stay zero.
pub struct NormOp {
    mean: Vec<f32>,
    inverse_std: Vec<f32>,
    relu: bool,
}

impl NormOp {
    pub fn new(statistics: &Statistics, relu: bool) -> Self {
        let inverse_std = statistics.var.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();
        Self { mean: statistics.mean.clone(), inverse_std, relu }
    }

    /// `x · factor + offset` for each channel, filled up with zeros to whole blocks.
    fn affine(&self, scale: &[f32], shift: &[f32], len: usize) -> (Vec<f32>, Vec<f32>) {
        let (mut factor, mut offset) = (vec![0.0; len], vec![0.0; len]);
        for c in 0..self.mean.len() {
            factor[c] = self.inverse_std[c] * scale[c];
            offset[c] = shift[c] - self.mean[c] * factor[c];
        }
        (factor, offset)
    }

    const fn floor(&self) -> f32 {
        if self.relu { 0.0 } else { f32::NEG_INFINITY }
    }
}

/// Lanes `block` of values for all channels.
fn lanes_of<const L: usize>(values: &[f32], block: usize) -> [f32; L] {
    let mut lanes = [0.0; L];
    lanes.copy_from_slice(&values[block * L..(block + 1) * L]);
    lanes
}

fn normalise<const L: usize>(x: &[f32], out: &mut [f32], factor: [f32; L], offset: [f32; L], floor: f32) {
    for (out, x) in out.as_chunks_mut::<L>().0.iter_mut().zip(x.as_chunks::<L>().0) {
        for lane in 0..L {
            out[lane] = (x[lane] * factor[lane] + offset[lane]).max(floor);
        }
    }
}

/// What the gradient of a plane needs for each lane. The rectifier's mask is computed again from
/// `x`, by the same operations as forward: that is one tensor less to read.
struct Lanes<const L: usize> {
    factor: [f32; L],
    offset: [f32; L],
    mean: [f32; L],
    floor: f32,
}

impl<const L: usize> Lanes<L> {
    fn masked(&self, lane: usize, x: f32, grad: f32) -> f32 {
        if x * self.factor[lane] + self.offset[lane] > self.floor { grad } else { 0.0 }
    }
}

/// Σ grad and Σ grad · (x − mean) of the lanes of one plane.
fn plane_sums<const L: usize>(x: &[f32], grad: &[f32], row: usize, l: &Lanes<L>) -> Vec<[f64; 2]> {
    let mut totals = vec![[0.0, 0.0]; L];
    for (x, grad) in x.chunks_exact(row).zip(grad.chunks_exact(row)) {
        let (mut plain, mut slope) = ([0.0_f32; L], [0.0_f32; L]);
        for (x, grad) in x.as_chunks::<L>().0.iter().zip(grad.as_chunks::<L>().0) {
            for lane in 0..L {
                let g = l.masked(lane, x[lane], grad[lane]);
                plain[lane] += g;
                slope[lane] += g * (x[lane] - l.mean[lane]);
            }
        }
        for lane in 0..L {
            totals[lane][0] += f64::from(plain[lane]);
            totals[lane][1] += f64::from(slope[lane]);
        }
    }
    totals
}

/// `factor · (grad − a − (x − mean) · b)`.
fn plane_gradient<const L: usize>(
    x: &[f32],
    grad: &[f32],
    dx: &mut [f32],
    l: &Lanes<L>,
    a: [f32; L],
    b: [f32; L],
) {
    let pixels = x.as_chunks::<L>().0.iter().zip(grad.as_chunks::<L>().0);
    for (dx, (x, grad)) in dx.as_chunks_mut::<L>().0.iter_mut().zip(pixels) {
        for lane in 0..L {
            let g = l.masked(lane, x[lane], grad[lane]);
            dx[lane] = l.factor[lane] * (g - a[lane] - (x[lane] - l.mean[lane]) * b[lane]);
        }
    }
}

/// Gradient of the input, and for each channel Σ grad and Σ grad · (x − mean).
fn gradient<const L: usize>(
    op: &NormOp,
    b: Blocked,
    x: &[f32],
    grad: &[f32],
    affine: &(Vec<f32>, Vec<f32>),
) -> (Vec<f32>, Vec<[f64; 2]>) {
    let mut mean = op.mean.clone();
    mean.resize(b.blocks * L, 0.0);
    let lanes = |block: usize| Lanes::<L> {
        factor: lanes_of(&affine.0, block),
        offset: lanes_of(&affine.1, block),
        mean: lanes_of(&mean, block),
        floor: op.floor(),
    };
    let planes: Vec<Vec<[f64; 2]>> = x
        .par_chunks(b.plane())
        .zip(grad.par_chunks(b.plane()))
        .enumerate()
        .map(|(i, (x, grad))| plane_sums(x, grad, b.row(), &lanes(i % b.blocks)))
        .collect();
    let mut sums = vec![[0.0, 0.0]; b.blocks * L];
    for (i, plane) in planes.iter().enumerate() {
        let first = i % b.blocks * L;
        for (sum, part) in sums[first..first + L].iter_mut().zip(plane) {
            sum[0] += part[0];
            sum[1] += part[1];
        }
    }
    let count = (b.n * b.height * b.width) as f64;
    let (mut plain, mut slope) = (vec![0.0; sums.len()], vec![0.0; sums.len()]);
    for c in 0..op.mean.len() {
        let inverse = f64::from(op.inverse_std[c]);
        plain[c] = single(sums[c][0] / count);
        slope[c] = single(sums[c][1] / count * inverse * inverse);
    }
    let mut dx = vec![0.0_f32; x.len()];
    dx.par_chunks_mut(b.plane()).zip(x.par_chunks(b.plane())).zip(grad.par_chunks(b.plane())).enumerate().for_each(
        |(i, ((dx, x), grad))| {
            let block = i % b.blocks;
            plane_gradient(x, grad, dx, &lanes(block), lanes_of(&plain, block), lanes_of(&slope, block));
        },
    );
    (dx, sums)
}

impl CustomOp3 for NormOp {
    fn name(&self) -> &'static str {
        "batch norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        scale: &CpuStorage,
        sl: &Layout,
        shift: &CpuStorage,
        tl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let b = Blocked::of(xl.dims())?;
        let x = operand(x, xl, "batch norm")?;
        let (scale, shift) = (operand(scale, sl, "batch norm")?, operand(shift, tl, "batch norm")?);
        let (factor, offset) = self.affine(scale, shift, b.blocks * b.lanes);
        let mut out = vec![0.0_f32; x.len()];
        out.par_chunks_mut(b.plane()).zip(x.par_chunks(b.plane())).enumerate().for_each(|(i, (out, x))| {
            let block = i % b.blocks;
            with_lanes!(
                b.lanes,
                normalise(x, out, lanes_of(&factor, block), lanes_of(&offset, block), self.floor())
            );
        });
        Ok((CpuStorage::F32(out), xl.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let b = Blocked::of(x.dims())?;
        let affine =
            self.affine(&scale.to_vec1::<f32>()?, &shift.to_vec1::<f32>()?, b.blocks * b.lanes);
        let (dx, sums) = with_values(x, |x| {
            with_values(grad, |grad| Ok(with_lanes!(b.lanes, gradient(self, b, x, grad, &affine))))
        })?;
        let vector = |values: Vec<f32>| Tensor::from_vec(values, self.mean.len(), &Device::Cpu);
        let channels = || sums.iter().zip(&self.inverse_std);
        let scale_grad = vector(channels().map(|(s, inverse)| single(s[1] * f64::from(*inverse))).collect())?;
        let shift_grad = vector(channels().map(|(s, _)| single(s[0])).collect())?;
        Ok((Some(Tensor::from_vec(dx, x.shape(), &Device::Cpu)?), Some(scale_grad), Some(shift_grad)))
    }
}
