//! Losses that bring their own gradient: one pass over the outputs instead of a chain of tensor
//! operations.

use super::slices::operand;
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use parking_lot::Mutex;

/// A loss and its gradient with respect to two tensors, each in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct LossAndGradients {
    pub loss: f32,
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

struct LossOp<F> {
    compute: F,
    gradients: Mutex<Option<(Vec<f32>, Vec<f32>)>>,
}

impl<F: Fn(&[f32], &[f32]) -> LossAndGradients + Send + Sync> CustomOp2 for LossOp<F> {
    fn name(&self) -> &'static str {
        "loss with its gradient"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        al: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let result = (self.compute)(operand(a, al, self.name())?, operand(b, bl, self.name())?);
        *self.gradients.lock() = Some((result.first, result.second));
        Ok((CpuStorage::F32(vec![result.loss]), Shape::from(())))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some((first, second)) = self.gradients.lock().take() else {
            return Err(candle_core::Error::Msg("backward without forward, or twice".to_owned()));
        };
        let factor = f64::from(grad.to_scalar::<f32>()?);
        let tensor = |values: Vec<f32>, like: &Tensor| {
            Tensor::from_vec(values, like.shape(), &Device::Cpu)?.affine(factor, 0.0)
        };
        Ok((Some(tensor(first, a)?), Some(tensor(second, b)?)))
    }
}

/// `compute(a, b)` as a scalar that candle can differentiate once; the gradients must have as many
/// values as the tensors.
pub fn loss_with_gradients(
    a: &Tensor,
    b: &Tensor,
    compute: impl Fn(&[f32], &[f32]) -> LossAndGradients + Send + Sync + 'static,
) -> Result<Tensor> {
    a.contiguous()?.apply_op2(&b.contiguous()?, LossOp { compute, gradients: Mutex::new(None) })
}
