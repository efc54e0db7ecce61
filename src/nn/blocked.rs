//! The remaining operations of training on blocked tensors `[n, blocks, height, width, lanes]`:
//! into and out of that form, sums, doubling and pooling, each with its gradient.

use super::kernels::Isa;
use super::norm::Blocked;
use super::slices::{operand, with_values};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Device, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// `[n, channels, height, width]` → `[n, blocks, height, width, lanes]`, filled up with zeros.
pub struct Block {
    pub isa: Isa,
}

/// The way back.
pub struct Unblock {
    pub channels: usize,
}

/// Sizes of a planar tensor.
fn planar(dims: &[usize]) -> Result<[usize; 4]> {
    <[usize; 4]>::try_from(dims).map_err(|_| Error::Msg(format!("not a planar tensor: {dims:?}")))
}

fn blocked_values(x: &[f32], [n, channels, h, w]: [usize; 4], lanes: usize) -> Vec<f32> {
    let (area, blocks) = (h * w, channels.div_ceil(lanes));
    let mut out = vec![0.0; n * blocks * area * lanes];
    out.par_chunks_mut(area * lanes).enumerate().for_each(|(i, plane)| {
        let (sample, block) = (i / blocks, i % blocks);
        for lane in 0..lanes.min(channels - block * lanes) {
            let channel = sample * channels + block * lanes + lane;
            let source = &x[channel * area..(channel + 1) * area];
            plane[lane..].iter_mut().step_by(lanes).zip(source).for_each(|(to, from)| *to = *from);
        }
    });
    out
}

fn planar_values(x: &[f32], b: Blocked, channels: usize) -> Vec<f32> {
    let area = b.height * b.width;
    let mut out = vec![0.0; b.n * channels * area];
    out.par_chunks_mut(area).enumerate().for_each(|(i, plane)| {
        let (sample, channel) = (i / channels, i % channels);
        let start = (sample * b.blocks + channel / b.lanes) * b.plane() + channel % b.lanes;
        plane.iter_mut().zip(x[start..].iter().step_by(b.lanes)).for_each(|(to, from)| *to = *from);
    });
    out
}

impl CustomOp1 for Block {
    fn name(&self) -> &'static str {
        "block"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let dims = planar(layout.dims())?;
        let lanes = self.isa.lanes();
        let out = blocked_values(operand(x, layout, "block")?, dims, lanes);
        let [n, channels, h, w] = dims;
        Ok((CpuStorage::F32(out), Shape::from(vec![n, channels.div_ceil(lanes), h, w, lanes])))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (b, channels) = (Blocked::of(grad.dims())?, x.dim(1)?);
        let values = with_values(grad, |grad| Ok(planar_values(grad, b, channels)))?;
        Ok(Some(Tensor::from_vec(values, x.shape(), &Device::Cpu)?))
    }
}

impl CustomOp1 for Unblock {
    fn name(&self) -> &'static str {
        "unblock"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let b = Blocked::of(layout.dims())?;
        let out = planar_values(operand(x, layout, "unblock")?, b, self.channels);
        Ok((CpuStorage::F32(out), Shape::from((b.n, self.channels, b.height, b.width))))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (dims, b) = (planar(grad.dims())?, Blocked::of(x.dims())?);
        let values = with_values(grad, |grad| Ok(blocked_values(grad, dims, b.lanes)))?;
        Ok(Some(Tensor::from_vec(values, x.shape(), &Device::Cpu)?))
    }
}

/// Each pixel as 2 × 2. (candle's own operation drops gradients where its input has a second
/// consumer, and is slow as broadcasting.)
pub struct Double;

impl CustomOp1 for Double {
    fn name(&self) -> &'static str {
        "doubling"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let b = Blocked::of(layout.dims())?;
        let x = operand(x, layout, "doubling")?;
        let (row, lanes) = (b.width * b.lanes, b.lanes);
        let mut out = vec![0.0; 4 * x.len()];
        out.par_chunks_mut(4 * row).zip(x.par_chunks(row)).for_each(|(out, x)| {
            let (upper, lower) = out.split_at_mut(2 * row);
            for (pair, pixel) in upper.chunks_exact_mut(2 * lanes).zip(x.chunks_exact(lanes)) {
                pair[..lanes].copy_from_slice(pixel);
                pair[lanes..].copy_from_slice(pixel);
            }
            lower.copy_from_slice(upper);
        });
        let shape = Shape::from(vec![b.n, b.blocks, 2 * b.height, 2 * b.width, b.lanes]);
        Ok((CpuStorage::F32(out), shape))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let b = Blocked::of(x.dims())?;
        let (row, lanes) = (b.width * b.lanes, b.lanes);
        let mut out = vec![0.0_f32; x.elem_count()];
        with_values(grad, |grad| {
            out.par_chunks_mut(row).zip(grad.par_chunks(4 * row)).for_each(|(out, grad)| {
                let (upper, lower) = grad.split_at(2 * row);
                let pairs = upper.chunks_exact(2 * lanes).zip(lower.chunks_exact(2 * lanes));
                for (out, (u, l)) in out.chunks_exact_mut(lanes).zip(pairs) {
                    for lane in 0..lanes {
                        out[lane] = u[lane] + u[lane + lanes] + l[lane] + l[lane + lanes];
                    }
                }
            });
            Ok(())
        })?;
        Ok(Some(Tensor::from_vec(out, x.shape(), &Device::Cpu)?))
    }
}

/// `max(a + b, 0)`.
pub struct RectifiedSum;

impl CustomOp2 for RectifiedSum {
    fn name(&self) -> &'static str {
        "rectified sum"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        al: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        if al.dims() != bl.dims() {
            return Err(Error::Msg(format!("sum of {:?} and {:?}", al.dims(), bl.dims())));
        }
        let (a, b) = (operand(a, al, "rectified sum")?, operand(b, bl, "rectified sum")?);
        let part = part_len(a.len());
        let mut out = vec![0.0; a.len()];
        out.par_chunks_mut(part).zip(a.par_chunks(part)).zip(b.par_chunks(part)).for_each(|((out, a), b)| {
            for (out, (a, b)) in out.iter_mut().zip(a.iter().zip(b)) {
                *out = (a + b).max(0.0);
            }
        });
        Ok((CpuStorage::F32(out), al.shape().clone()))
    }

    fn bwd(
        &self,
        _a: &Tensor,
        _b: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let part = part_len(res.elem_count());
        let mut out = vec![0.0_f32; res.elem_count()];
        with_values(res, |res| {
            with_values(grad, |grad| {
                let chunks = res.par_chunks(part).zip(grad.par_chunks(part));
                out.par_chunks_mut(part).zip(chunks).for_each(|(out, (res, grad))| {
                    for (out, (res, grad)) in out.iter_mut().zip(res.iter().zip(grad)) {
                        *out = if *res > 0.0 { *grad } else { 0.0 };
                    }
                });
                Ok(())
            })
        })?;
        let grad = Tensor::from_vec(out, res.shape(), &Device::Cpu)?;
        Ok((Some(grad.clone()), Some(grad)))
    }
}

/// Elementwise work is cut into pieces that are worth a thread.
fn part_len(len: usize) -> usize {
    len.div_ceil(4 * rayon::current_num_threads()).max(1 << 12)
}

/// Mean, then maximum of each channel: `[n, 2 · channels]`.
pub struct Pool {
    pub channels: usize,
}

impl Pool {
    /// Values of one channel of one sample.
    fn plane<'a>(x: &'a [f32], b: Blocked, sample: usize, channel: usize) -> impl Iterator<Item = &'a f32> {
        let start = (sample * b.blocks + channel / b.lanes) * b.plane();
        x[start..start + b.plane()][channel % b.lanes..].iter().step_by(b.lanes)
    }
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let b = Blocked::of(layout.dims())?;
        let x = operand(x, layout, "pool")?;
        let area = (b.height * b.width) as f32;
        let mut out = Vec::with_capacity(2 * b.n * self.channels);
        for sample in 0..b.n {
            out.extend((0..self.channels).map(|c| Self::plane(x, b, sample, c).sum::<f32>() / area));
            let most = |c| Self::plane(x, b, sample, c).copied().fold(f32::NEG_INFINITY, f32::max);
            out.extend((0..self.channels).map(most));
        }
        Ok((CpuStorage::F32(out), Shape::from((b.n, 2 * self.channels))))
    }

    fn bwd(&self, x: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let b = Blocked::of(x.dims())?;
        let area = (b.height * b.width) as f32;
        let (res, grad) = (res.to_vec2::<f32>()?, grad.to_vec2::<f32>()?);
        let mut out = vec![0.0_f32; x.elem_count()];
        with_values(x, |x| {
            for sample in 0..b.n {
                for channel in 0..self.channels {
                    let start = (sample * b.blocks + channel / b.lanes) * b.plane() + channel % b.lanes;
                    let (mean, most) = (grad[sample][channel] / area, grad[sample][self.channels + channel]);
                    let highest = res[sample][self.channels + channel];
                    // The first of equal maxima takes the gradient.
                    let first = Self::plane(x, b, sample, channel).position(|v| *v == highest);
                    for (i, out) in out[start..].iter_mut().step_by(b.lanes).take(b.height * b.width).enumerate() {
                        *out = mean + if Some(i) == first { most } else { 0.0 };
                    }
                }
            }
            Ok(())
        })?;
        Ok(Some(Tensor::from_vec(out, x.shape(), &Device::Cpu)?))
    }
}
