//! The running mean of a network's weights over its last steps (Polyak & Juditsky, 1992): single
//! steps jump about a minimum, their mean lies nearer to it.

use super::LearnError;
use crate::nn::{TrainNet, Weights};

/// Early weights are forgotten faster than late ones, so that short trainings are not held back by
/// their beginning.
const FORGET_STEPS: f32 = 9.0;

pub(super) struct Average {
    weights: Weights,
    steps: f32,
    window: f32,
}

impl Average {
    /// `window`: about how many steps the mean reaches back; 0 keeps the last weights.
    pub fn new(net: &TrainNet, window: usize) -> Result<Self, LearnError> {
        Ok(Self { weights: net.weights()?, steps: 0.0, window: window as f32 })
    }

    /// Takes in the weights after a step.
    pub fn follow(&mut self, net: &TrainNet) -> Result<(), LearnError> {
        self.steps += 1.0;
        let reach = self.window.min(self.steps / FORGET_STEPS).max(1.0);
        let now = net.weights()?;
        for ((_, mean), (_, now)) in self.weights.values_mut().zip(now.values()) {
            mean.iter_mut().zip(now).for_each(|(mean, now)| *mean += (now - *mean) / reach);
        }
        Ok(())
    }

    pub fn steps(&self) -> f32 {
        self.steps
    }

    /// Goes on from a mean over so many steps.
    pub fn restore(&mut self, weights: Weights, steps: f32) {
        (self.weights, self.steps) = (weights, steps);
    }

    pub fn weights(&self) -> &Weights {
        &self.weights
    }
}
