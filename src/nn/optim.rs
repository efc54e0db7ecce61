//! `AdamW` over a network's parameters, and its learning-rate schedule.

use super::NnError;
use candle_core::Var;
use candle_core::backprop::GradStore;
use candle_nn::{AdamW, Optimizer, ParamsAdamW};

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

/// `AdamW`; same parameters give the same bits.
pub struct Optimiser {
    inner: AdamW,
    schedule: Schedule,
}

impl Optimiser {
    pub fn new(parameters: &Var, schedule: Schedule, weight_decay: f64) -> Result<Self, NnError> {
        let settings = ParamsAdamW { lr: schedule.rate(0.0), weight_decay, ..ParamsAdamW::default() };
        Ok(Self { inner: AdamW::new(vec![parameters.clone()], settings)?, schedule })
    }

    /// One step, with the learning rate for a share `done` of the training.
    pub fn step(&mut self, grads: &GradStore, done: f64) -> Result<(), NnError> {
        self.inner.set_learning_rate(self.schedule.rate(done));
        Ok(self.inner.step(grads)?)
    }
}
