//! Convolution, forward and backward, as matrix products over unrolled patches.
//!
//! candle's own backward pass is several times slower than this on the CPU, and training time is
//! what a person waits for. One sample's patches are unrolled a band of rows at a time, so that a
//! band stays in the second-level cache; samples run in parallel; gradients of the weights are
//! summed in sample order, so that they do not depend on the threads.

use super::slices::{operand, with_values};
use candle_core::{CpuStorage, CustomOp2, Device, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// Unrolled values kept at a time: 512 KiB, about half of a second-level cache.
const BAND_VALUES: usize = 128 * 1024;

/// Sizes of one convolution over one sample.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub input: usize,
    pub height: usize,
    pub width: usize,
    pub out: usize,
    pub kernel: usize,
    pub stride: usize,
}

impl Geometry {
    pub fn out_height(&self) -> usize {
        self.height.div_ceil(self.stride)
    }

    pub fn out_width(&self) -> usize {
        self.width.div_ceil(self.stride)
    }

    fn patch(&self) -> usize {
        self.input * self.kernel * self.kernel
    }

    fn band_rows(&self) -> usize {
        (BAND_VALUES / (self.patch() * self.out_width()).max(1)).clamp(1, self.out_height())
    }

    /// A 1 × 1 convolution needs no unrolling: the image is its own patch matrix.
    fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1
    }

    /// Output columns whose input column `x · stride + kx − pad` lies inside the image.
    fn columns_inside(&self, kx: usize) -> (usize, usize) {
        let pad = self.kernel / 2;
        let first = pad.saturating_sub(kx).div_ceil(self.stride);
        let last = (self.width + pad).saturating_sub(kx).div_ceil(self.stride).min(self.out_width());
        (first.min(last), last)
    }

    /// Input row of an output row under kernel row `ky`, if inside the image.
    fn row_inside(&self, y: usize, ky: usize) -> Option<usize> {
        (y * self.stride + ky).checked_sub(self.kernel / 2).filter(|&row| row < self.height)
    }

    /// `cols[patch, rows · out_width]` for output rows `rows` of one sample.
    fn unroll(&self, image: &[f32], rows: std::ops::Range<usize>, cols: &mut Vec<f32>) {
        let (out_width, pad) = (self.out_width(), self.kernel / 2);
        let band = rows.len() * out_width;
        cols.clear();
        cols.resize(self.patch() * band, 0.0);
        for (line, target) in cols.chunks_exact_mut(band).enumerate() {
            let (channel, tap) = (line / (self.kernel * self.kernel), line % (self.kernel * self.kernel));
            let (ky, kx) = (tap / self.kernel, tap % self.kernel);
            let (first, last) = self.columns_inside(kx);
            for (i, y) in rows.clone().enumerate() {
                let Some(row) = self.row_inside(y, ky).filter(|_| first < last) else { continue };
                let start = (channel * self.height + row) * self.width;
                let from = start + first * self.stride + kx - pad;
                let target = &mut target[i * out_width + first..i * out_width + last];
                if self.stride == 1 {
                    target.copy_from_slice(&image[from..from + last - first]);
                } else {
                    let source = image[from..start + self.width].iter().step_by(self.stride);
                    for (t, s) in target.iter_mut().zip(source) {
                        *t = *s;
                    }
                }
            }
        }
    }

    /// The transpose of [`Self::unroll`]: adds patch gradients back onto the image's.
    fn roll_back(&self, cols: &[f32], rows: std::ops::Range<usize>, image: &mut [f32]) {
        let (out_width, pad) = (self.out_width(), self.kernel / 2);
        let band = rows.len() * out_width;
        for (line, source) in cols.chunks_exact(band).enumerate() {
            let (channel, tap) = (line / (self.kernel * self.kernel), line % (self.kernel * self.kernel));
            let (ky, kx) = (tap / self.kernel, tap % self.kernel);
            let (first, last) = self.columns_inside(kx);
            for (i, y) in rows.clone().enumerate() {
                let Some(row) = self.row_inside(y, ky).filter(|_| first < last) else { continue };
                let start = (channel * self.height + row) * self.width;
                let from = start + first * self.stride + kx - pad;
                let source = &source[i * out_width + first..i * out_width + last];
                let target = &mut image[from..start + self.width];
                // The plain loop is the one that the compiler turns into vector instructions.
                if self.stride == 1 {
                    for (t, s) in target.iter_mut().zip(source) {
                        *t += *s;
                    }
                } else {
                    for (t, s) in target.iter_mut().step_by(self.stride).zip(source) {
                        *t += *s;
                    }
                }
            }
        }
    }

    fn bands(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let (step, end) = (self.band_rows(), self.out_height());
        (0..end).step_by(step).map(move |from| from..(from + step).min(end))
    }
}

/// One sample forward: `image` is `[input, height, width]`, `weight` `[out, patch]`; gives
/// `[out, out_height, out_width]`.
pub fn forward(g: Geometry, image: &[f32], weight: &Tensor, out: &mut [f32]) -> Result<()> {
    let (plane, width) = (g.out_height() * g.out_width(), g.out_width());
    if g.is_pointwise() {
        let cols = Tensor::from_slice(image, (g.input, plane), &Device::Cpu)?;
        return with_values(&weight.matmul(&cols)?, |product| {
            out.copy_from_slice(product);
            Ok(())
        });
    }
    let bands: Vec<_> = g.bands().collect();
    let products: Vec<Tensor> = bands
        .par_iter()
        .map(|rows| {
            let mut cols = Vec::new();
            g.unroll(image, rows.clone(), &mut cols);
            let cols = Tensor::from_vec(cols, (g.patch(), rows.len() * width), &Device::Cpu)?;
            weight.matmul(&cols)
        })
        .collect::<Result<_>>()?;
    for (rows, product) in bands.iter().zip(&products) {
        with_values(product, |product| {
            for (channel, line) in product.chunks_exact(rows.len() * width).enumerate() {
                let at = channel * plane + rows.start * width;
                out[at..at + line.len()].copy_from_slice(line);
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// One sample backward: gradients of the image and of the weight.
fn backward(g: Geometry, image: &[f32], weight: &Tensor, grad: &[f32]) -> Result<(Vec<f32>, Tensor)> {
    let (plane, width) = (g.out_height() * g.out_width(), g.out_width());
    let transposed = weight.t()?;
    if g.is_pointwise() {
        let grad = Tensor::from_slice(grad, (g.out, plane), &Device::Cpu)?;
        let cols = Tensor::from_slice(image, (g.input, plane), &Device::Cpu)?;
        let image_grad = transposed.matmul(&grad)?.flatten_all()?.to_vec1()?;
        return Ok((image_grad, grad.matmul(&cols.t()?)?));
    }
    let mut image_grad = vec![0.0; image.len()];
    let mut weight_grad = Tensor::zeros((g.out, g.patch()), candle_core::DType::F32, &Device::Cpu)?;
    for rows in g.bands() {
        let band = rows.len() * width;
        let mut cols = Vec::new();
        g.unroll(image, rows.clone(), &mut cols);
        let cols = Tensor::from_vec(cols, (g.patch(), band), &Device::Cpu)?;
        let mut lines = Vec::with_capacity(g.out * band);
        for channel in 0..g.out {
            let at = channel * plane + rows.start * width;
            lines.extend_from_slice(&grad[at..at + band]);
        }
        let grad = Tensor::from_vec(lines, (g.out, band), &Device::Cpu)?;
        weight_grad = (weight_grad + grad.matmul(&cols.t()?)?)?;
        with_values(&transposed.matmul(&grad)?, |cols| {
            g.roll_back(cols, rows.clone(), &mut image_grad);
            Ok(())
        })?;
    }
    Ok((image_grad, weight_grad))
}

/// The differentiable convolution of a batch: `[n, input, h, w]` with `[out, input, k, k]`.
pub struct ConvOp {
    pub stride: usize,
}

impl ConvOp {
    fn geometry(&self, x: &[usize], w: &[usize]) -> Result<(usize, Geometry)> {
        match (x, w) {
            (&[n, input, height, width], &[out, _, kernel, _]) => {
                Ok((n, Geometry { input, height, width, out, kernel, stride: self.stride }))
            }
            _ => Err(Error::Msg(format!("convolution of {x:?} with {w:?}"))),
        }
    }
}

impl CustomOp2 for ConvOp {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, g) = self.geometry(xl.dims(), wl.dims())?;
        let image = operand(x, xl, "conv")?;
        let weight = Tensor::from_slice(operand(w, wl, "conv")?, (g.out, g.patch()), &Device::Cpu)?;
        let (size, plane) = (g.input * g.height * g.width, g.out * g.out_height() * g.out_width());
        let mut out = vec![0.0_f32; n * plane];
        out.par_chunks_mut(plane)
            .zip(image.par_chunks(size))
            .try_for_each(|(out, image)| forward(g, image, &weight, out))?;
        Ok((CpuStorage::F32(out), Shape::from((n, g.out, g.out_height(), g.out_width()))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (n, g) = self.geometry(x.dims(), w.dims())?;
        let weight = w.detach().reshape((g.out, g.patch()))?;
        let (size, plane) = (g.input * g.height * g.width, g.out * g.out_height() * g.out_width());
        let per_sample: Vec<(Vec<f32>, Tensor)> = with_values(x, |x| {
            with_values(grad, |grad| {
                x.par_chunks(size)
                    .zip(grad.par_chunks(plane))
                    .map(|(image, grad)| backward(g, image, &weight, grad))
                    .collect()
            })
        })?;
        let mut image_grads = Vec::with_capacity(n * size);
        let mut weight_grad = Tensor::zeros((g.out, g.patch()), candle_core::DType::F32, &Device::Cpu)?;
        for (image_grad, sample) in per_sample {
            image_grads.extend_from_slice(&image_grad);
            weight_grad = (weight_grad + sample)?;
        }
        let image_grads = Tensor::from_vec(image_grads, x.shape(), &Device::Cpu)?;
        Ok((Some(image_grads), Some(weight_grad.reshape(w.shape())?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;
    use rand::Rng;
    use rand::SeedableRng;

    fn random(shape: &[usize], seed: u64) -> Tensor {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn close(a: &Tensor, b: &Tensor) {
        assert_eq!(a.dims(), b.dims());
        let d = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(d < 1e-3, "differs by {d}");
    }

    /// Forward and both gradients against the tensor library's own convolution.
    #[test]
    fn convolution_and_its_gradients_agree_with_candle() {
        for (kernel, stride, height, width) in
            [(3, 1, 9, 7), (3, 2, 12, 10), (1, 1, 5, 6), (5, 2, 8, 14), (3, 2, 40, 300)]
        {
            let x = Var::from_tensor(&random(&[2, 3, height, width], 1)).unwrap();
            let w = Var::from_tensor(&random(&[4, 3, kernel, kernel], 2)).unwrap();
            let ours = x.apply_op2(&w, ConvOp { stride }).unwrap();
            let theirs = x.conv2d(&w, kernel / 2, stride, 1, 1).unwrap();
            close(&ours, &theirs);
            let pull = random(ours.dims(), 3);
            let g1 = (ours * &pull).unwrap().sum_all().unwrap().backward().unwrap();
            let g2 = (theirs * &pull).unwrap().sum_all().unwrap().backward().unwrap();
            close(g1.get(&x).unwrap(), g2.get(&x).unwrap());
            close(g1.get(&w).unwrap(), g2.get(&w).unwrap());
        }
    }
}
