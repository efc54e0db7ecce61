//! Batch normalisation with an optional rectifier after it, as one operation.
//!
//! Written as loops because the tensor library would walk over every activation eight times.

use super::slices::{operand, with_values};
use candle_core::{CpuStorage, CustomOp3, Device, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// Keeps the division finite where a channel is constant.
pub const EPSILON: f32 = 1e-5;
/// Partial sums kept side by side, so that the compiler can use vector registers.
const LANES: usize = 16;

/// Mean and variance (biased) of each channel of a batch.
pub struct Statistics {
    pub mean: Vec<f32>,
    pub var: Vec<f32>,
}

/// Σ f(a, b) over two equally long slices, in a fixed order.
fn sum2(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let mut lanes = [0.0_f32; LANES];
    let (mut ca, mut cb) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in (&mut ca).zip(&mut cb) {
        for i in 0..LANES {
            lanes[i] += f(a[i], b[i]);
        }
    }
    let rest: f32 = ca.remainder().iter().zip(cb.remainder()).map(|(&a, &b)| f(a, b)).sum();
    lanes.iter().map(|&v| f64::from(v)).sum::<f64>() + f64::from(rest)
}

#[expect(clippy::cast_possible_truncation, reason = "statistics are stored in single precision")]
const fn single(value: f64) -> f32 {
    value as f32
}

fn sizes(dims: &[usize]) -> Result<(usize, usize, usize)> {
    match *dims {
        [n, c, h, w] => Ok((n, c, h * w)),
        _ => Err(Error::Msg(format!("batch norm of a tensor of shape {dims:?}"))),
    }
}

/// Statistics of `[n, channels, h, w]`.
pub fn statistics(x: &Tensor) -> Result<Statistics> {
    let (n, channels, plane) = sizes(x.dims())?;
    let count = (n * plane) as f64;
    with_values(x, |x| {
        let pairs: Vec<(f32, f32)> = (0..channels)
            .into_par_iter()
            .map(|c| {
                let planes =
                    || (0..n).map(|i| &x[(i * channels + c) * plane..(i * channels + c + 1) * plane]);
                let mean = single(planes().map(|p| sum2(p, p, |v, _| v)).sum::<f64>() / count);
                let square = |v: f32, _: f32| (v - mean) * (v - mean);
                (mean, single(planes().map(|p| sum2(p, p, square)).sum::<f64>() / count))
            })
            .collect();
        let (mean, var) = pairs.into_iter().unzip();
        Ok(Statistics { mean, var })
    })
}

/// `(x − mean) / √(var + ε) · scale + shift`, rectified if asked; the gradient treats mean and
/// variance as functions of `x`.
pub struct NormOp {
    pub mean: Vec<f32>,
    pub inverse_std: Vec<f32>,
    pub relu: bool,
}

impl NormOp {
    pub fn new(statistics: &Statistics, relu: bool) -> Self {
        let inverse_std = statistics.var.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();
        Self { mean: statistics.mean.clone(), inverse_std, relu }
    }
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
        let (_, channels, plane) = sizes(xl.dims())?;
        let x = operand(x, xl, "batch norm")?;
        let (scale, shift) = (operand(scale, sl, "batch norm")?, operand(shift, tl, "batch norm")?);
        let mut out = vec![0.0_f32; x.len()];
        let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        out.par_chunks_mut(plane).zip(x.par_chunks(plane)).enumerate().for_each(|(i, (out, x))| {
            let c = i % channels;
            let factor = self.inverse_std[c] * scale[c];
            let offset = shift[c] - self.mean[c] * factor;
            for (o, v) in out.iter_mut().zip(x) {
                *o = (v * factor + offset).max(floor);
            }
        });
        Ok((CpuStorage::F32(out), xl.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        scale: &Tensor,
        _shift: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (n, channels, plane) = sizes(x.dims())?;
        let scales = scale.to_vec1::<f32>()?;
        let masked = |g: f32, y: f32| if self.relu && y <= 0.0 { 0.0 } else { g };
        let (dx, sums) = with_values(x, |x| {
            with_values(grad, |grad| {
                with_values(res, |res| {
                    let mut masked_grad = vec![0.0_f32; x.len()];
                    masked_grad.par_chunks_mut(plane).enumerate().for_each(|(i, out)| {
                        let at = i * plane..(i + 1) * plane;
                        for ((o, g), y) in out.iter_mut().zip(&grad[at.clone()]).zip(&res[at]) {
                            *o = masked(*g, *y);
                        }
                    });
                    let sums: Vec<(f64, f64)> = (0..channels)
                        .into_par_iter()
                        .map(|c| {
                            let (mean, inverse) = (self.mean[c], self.inverse_std[c]);
                            let (mut shift, mut scale) = (0.0, 0.0);
                            for i in 0..n {
                                let at = (i * channels + c) * plane..(i * channels + c + 1) * plane;
                                let g = &masked_grad[at.clone()];
                                shift += sum2(g, g, |g, _| g);
                                scale += sum2(g, &x[at], |g, x| g * (x - mean) * inverse);
                            }
                            (shift, scale)
                        })
                        .collect();
                    let count = (n * plane) as f64;
                    masked_grad.par_chunks_mut(plane).zip(x.par_chunks(plane)).enumerate().for_each(
                        |(i, (g, x))| {
                            let c = i % channels;
                            let (mean, inverse) = (self.mean[c], self.inverse_std[c]);
                            let (shift, slope) = (single(sums[c].0 / count), single(sums[c].1 / count));
                            let factor = scales[c] * inverse;
                            for (g, x) in g.iter_mut().zip(x) {
                                *g = factor * (*g - shift - (x - mean) * inverse * slope);
                            }
                        },
                    );
                    Ok((masked_grad, sums))
                })
            })
        })?;
        let vector = |values: Vec<f32>| Tensor::from_vec(values, channels, &Device::Cpu);
        let scale_grad = vector(sums.iter().map(|s| single(s.1)).collect())?;
        let shift_grad = vector(sums.iter().map(|s| single(s.0)).collect())?;
        Ok((Some(Tensor::from_vec(dx, x.shape(), &Device::Cpu)?), Some(scale_grad), Some(shift_grad)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;
    use rand::{Rng, SeedableRng};

    /// Against the same formula written with differentiable tensor operations.
    #[test]
    fn values_and_gradients_agree_with_the_formula() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
        let mut random = |shape: &[usize]| {
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..2.0)).collect();
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
        };
        let (x, s, t) = (random(&[3, 2, 5, 4]), random(&[2]), random(&[2]));
        let pull = random(&[3, 2, 5, 4]);
        let (x, s, t) =
            (Var::from_tensor(&x).unwrap(), Var::from_tensor(&s).unwrap(), Var::from_tensor(&t).unwrap());
        let op = NormOp::new(&statistics(&x).unwrap(), true);
        let ours = x.apply_op3(&s, &t, op).unwrap();
        let flat = x.transpose(0, 1).unwrap().flatten_from(1).unwrap();
        let mean = flat.mean_keepdim(1).unwrap();
        let centred = flat.broadcast_sub(&mean).unwrap();
        let std =
            (centred.sqr().unwrap().mean_keepdim(1).unwrap() + f64::from(EPSILON)).unwrap().sqrt().unwrap();
        let scaled = centred.broadcast_div(&std).unwrap();
        let scaled = scaled.broadcast_mul(&s.reshape((2, 1)).unwrap()).unwrap();
        let theirs = scaled.broadcast_add(&t.reshape((2, 1)).unwrap()).unwrap().relu().unwrap();
        let theirs = theirs.reshape((2, 3, 5, 4)).unwrap().transpose(0, 1).unwrap();
        let g1 = (&ours * &pull).unwrap().sum_all().unwrap().backward().unwrap();
        let g2 = (&theirs * &pull).unwrap().sum_all().unwrap().backward().unwrap();
        let close = |a: &Tensor, b: &Tensor| {
            let d = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(d < 1e-4, "differs by {d}");
        };
        close(&ours, &theirs);
        for var in [&x, &s, &t] {
            close(g1.get(var).unwrap(), g2.get(var).unwrap());
        }
    }
}
