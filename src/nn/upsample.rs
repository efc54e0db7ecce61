//! Nearest-neighbour doubling: candle's own operation drops gradients where its input has a
//! second consumer, and is slow as broadcasting.

use super::slices::{operand, with_values};
use candle_core::{CpuStorage, CustomOp1, Device, Error, Layout, Result, Shape, Tensor};

/// Each value of rows of `width` as 2 × 2 values; planes follow each other.
pub fn doubled(values: &[f32], width: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(4 * values.len());
    for row in values.chunks_exact(width) {
        let start = out.len();
        out.extend(row.iter().flat_map(|&v| [v, v]));
        out.extend_from_within(start..);
    }
    out
}

/// The differentiable form, on `[n, channels, h, w]`.
pub struct Upsample2;

impl CustomOp1 for Upsample2 {
    fn name(&self) -> &'static str {
        "doubling"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let &[n, c, h, w] = layout.dims() else {
            return Err(Error::Msg(format!("doubling of a tensor of shape {:?}", layout.dims())));
        };
        Ok((CpuStorage::F32(doubled(operand(x, layout, self.name())?, w)), Shape::from((n, c, 2 * h, 2 * w))))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let width = x.dim(3)?;
        let values = with_values(grad, |grad| {
            let mut out = Vec::with_capacity(grad.len() / 4);
            for rows in grad.chunks_exact(4 * width) {
                let (upper, lower) = rows.split_at(2 * width);
                let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
                out.extend(pairs.map(|(u, l)| u[0] + u[1] + l[0] + l[1]));
            }
            Ok(out)
        })?;
        Ok(Some(Tensor::from_vec(values, x.shape(), &Device::Cpu)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    #[test]
    fn doubled_maps_pass_gradients_to_every_consumer() {
        let x = Var::from_tensor(
            &Tensor::arange(0_f32, 12.0, &Device::Cpu).unwrap().reshape((1, 2, 2, 3)).unwrap(),
        );
        let x = x.unwrap();
        let up = x.apply_op1(Upsample2).unwrap();
        assert_eq!(
            up.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            x.upsample_nearest2d(4, 6).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        );
        let y = (up.sum_all().unwrap() + x.sum_all().unwrap()).unwrap();
        let grad = y.backward().unwrap().get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(grad, vec![5.0; 12]);
    }
}
