//! How far a training is.

/// Where a training stands; sent after every batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// While data are loaded: items so far, and all.
    pub loaded: Option<[usize; 2]>,
    /// From 1; 0 while data are loaded. Where the number of epochs is open, the second run of a training
    /// counts from 1 again.
    pub epoch: usize,
    pub epochs: Option<usize>,
    /// Share of the whole training that is done.
    pub done: f64,
    /// Mean of the running epoch.
    pub loss: f64,
    /// Of the last finished epoch, and of the weights that would be kept (0 to 1).
    pub validation: Option<f64>,
    pub kept: Option<f64>,
    pub seconds: f64,
    pub seconds_left: Option<f64>,
}

impl Progress {
    /// Of a training that is still reading.
    pub(super) fn loading(so_far: usize, all: usize, seconds: f64) -> Self {
        Self {
            loaded: Some([so_far, all]),
            epoch: 0,
            epochs: None,
            done: 0.0,
            loss: 0.0,
            validation: None,
            kept: None,
            seconds,
            seconds_left: None,
        }
    }

    /// As a part of a training that runs once, or twice.
    pub(super) fn part(mut self, part: usize, is_half: bool) -> Self {
        if is_half {
            self.seconds_left = self.seconds_left.map(|left| {
                let whole = self.seconds + left;
                if part == 0 { left + whole } else { left }
            });
            self.done = f64::midpoint(self.done, part as f64);
            if part > 0 {
                // It learns from the validation units too: nothing is left to score it by.
                (self.validation, self.kept) = (None, None);
            }
            self.epoch += part * self.epochs.unwrap_or_default();
            self.epochs = self.epochs.map(|epochs| 2 * epochs);
        }
        self
    }
}
