//! `AdamW` over a network's parameters, and its learning-rate schedule.

use super::NnError;
use super::norm::single;
use super::slices::with_values;
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};

/// Linear warm-up, then a half cosine down to a hundredth of the peak.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    pub peak: f64,
    /// Share of the whole training that warms up.
    pub warm_up: f64,
}

impl Schedule {
    /// Learning rate after a share `done` (0 to 1) of the training.
    #[must_use]
    pub fn rate(&self, done: f64) -> f64 {
        let done = done.clamp(0.0, 1.0);
        if done < self.warm_up {
            return self.peak * (done / self.warm_up).max(0.01);
        }
        let x = (done - self.warm_up) / (1.0 - self.warm_up).max(f64::EPSILON);
        self.peak * (0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * x).cos()))
    }
}

/// Decoupled weight decay and adaptive moments (Loshchilov & Hutter, *Decoupled weight decay
/// regularization*, 2019); same parameters give the same bits. One loop over all parameters: as
/// tensor operations it took a tenth of a training step.
pub struct Optimiser {
    parameters: Var,
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
    schedule: Schedule,
    weight_decay: f64,
}

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f32 = 1e-8;

impl Optimiser {
    #[must_use]
    pub fn new(parameters: &Var, schedule: Schedule, weight_decay: f64) -> Self {
        let zeros = vec![0.0; parameters.elem_count()];
        let (parameters, second) = (parameters.clone(), zeros.clone());
        Self { parameters, first: zeros, second, steps: 0, schedule, weight_decay }
    }

    /// Its moments, and how many steps it has made: with the parameters all that it needs to go on.
    #[must_use]
    pub fn state(&self) -> ([&[f32]; 2], i32) {
        ([&self.first, &self.second], self.steps)
    }

    /// Goes on from a state that [`Optimiser::state`] gave.
    pub fn restore(&mut self, [first, second]: [Vec<f32>; 2], steps: i32) -> Result<(), NnError> {
        let count = self.parameters.elem_count();
        if first.len() != count || second.len() != count {
            return Err(NnError::Graph(format!("moments of {} parameters, not {count}", first.len())));
        }
        (self.first, self.second, self.steps) = (first, second, steps);
        Ok(())
    }

    /// One step, with the learning rate for a share `done` of the training.
    pub fn step(&mut self, grads: &GradStore, done: f64) -> Result<(), NnError> {
        let Some(grad) = grads.get(&self.parameters) else { return Ok(()) };
        let rate = self.schedule.rate(done);
        self.steps += 1;
        let (beta_1, beta_2) = (single(BETA_1), single(BETA_2));
        // The moments start at zero; dividing by these takes that bias out again.
        let step = single(rate / (1.0 - BETA_1.powi(self.steps)));
        let scale = single(1.0 / (1.0 - BETA_2.powi(self.steps)));
        let keep = single(1.0 - rate * self.weight_decay);
        let mut values = self.parameters.to_vec1::<f32>()?;
        with_values(grad, |grad| {
            let moments = self.first.iter_mut().zip(&mut self.second);
            for ((value, g), (first, second)) in values.iter_mut().zip(grad).zip(moments) {
                *first = beta_1 * *first + (1.0 - beta_1) * g;
                *second = beta_2 * *second + (1.0 - beta_2) * g * g;
                *value = *value * keep - step * *first / ((*second * scale).sqrt() + EPSILON);
            }
            Ok(())
        })?;
        Ok(self.parameters.set(&Tensor::from_vec(values, self.parameters.shape(), &Device::Cpu)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps on one parameter, by hand: the first moves by the rate, whatever the gradient.
    #[test]
    fn steps_have_the_textbook_size() {
        let x = Var::new(&[1.0_f32], &Device::Cpu).unwrap();
        let mut optimiser = Optimiser::new(&x, Schedule { peak: 0.1, warm_up: 0.0 }, 0.5);
        let mut step = || {
            let grads = (x.as_tensor() * 3.0).unwrap().sum_all().unwrap().backward().unwrap();
            optimiser.step(&grads, 0.0).unwrap();
            x.to_vec1::<f32>().unwrap()[0]
        };
        assert!((step() - (1.0 * 0.95 - 0.1)).abs() < 1e-6);
        assert!((step() - (0.85 * 0.95 - 0.1)).abs() < 1e-5);
    }
}
