//! Losses that training needs as one operation.

use super::slices::{operand, with_values};
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor};

/// Σ weight · cross-entropy(σ(logit), target) / `divisor`, as a scalar.
struct WeightedBce {
    target: Vec<f32>,
    weight: Vec<f32>,
    divisor: f32,
}

impl CustomOp1 for WeightedBce {
    fn name(&self) -> &'static str {
        "weighted cross-entropy"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = operand(x, layout, self.name())?;
        let sum: f64 = x
            .iter()
            .zip(&self.target)
            .zip(&self.weight)
            .map(|((&x, &t), &w)| f64::from(w * (x.max(0.0) - x * t + (-x.abs()).exp().ln_1p())))
            .sum();
        #[expect(clippy::cast_possible_truncation, reason = "tensors are single precision")]
        let mean = (sum / f64::from(self.divisor)) as f32;
        Ok((CpuStorage::F32(vec![mean]), Shape::from(())))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let factor = grad.to_scalar::<f32>()? / self.divisor;
        let values = with_values(x, |x| {
            Ok(x.iter()
                .zip(&self.target)
                .zip(&self.weight)
                .map(|((&x, &t), &w)| factor * w * (1.0 / (1.0 + (-x).exp()) - t))
                .collect::<Vec<f32>>())
        })?;
        Ok(Some(Tensor::from_vec(values, x.shape(), &Device::Cpu)?))
    }
}

/// Weighted binary cross-entropy of logits with soft targets, summed and divided by `divisor`.
/// `target` and `weight` are in the logits' row-major order.
pub fn weighted_bce(logits: &Tensor, target: Vec<f32>, weight: Vec<f32>, divisor: f32) -> Result<Tensor> {
    if target.len() != logits.elem_count() || weight.len() != target.len() {
        return Err(candle_core::Error::Msg(format!(
            "{} targets and {} weights for {} logits",
            target.len(),
            weight.len(),
            logits.elem_count()
        )));
    }
    logits.contiguous()?.apply_op1(WeightedBce { target, weight, divisor })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    #[test]
    fn loss_and_gradient_have_the_textbook_values() {
        let x = Var::new(&[0.0_f32, 2.0, -40.0], &Device::Cpu).unwrap();
        let loss = weighted_bce(&x, vec![1.0, 0.0, 1.0], vec![1.0, 3.0, 0.5], 2.0).unwrap();
        let expected = (0.5_f64.ln().abs() + 3.0 * 2.126_928 + 0.5 * 40.0) / 2.0;
        assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - expected).abs() < 1e-4);
        let gradient = loss.backward().unwrap().get(&x).unwrap().to_vec1::<f32>().unwrap();
        for (g, e) in gradient.iter().zip([-0.25, 3.0 * 0.880_797 / 2.0, -0.25]) {
            assert!((g - e).abs() < 1e-5, "{g} {e}");
        }
    }
}
