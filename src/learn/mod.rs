//! Labelled items → candidate package: splits by unit, augmentation, training, calibration, and
//! evaluation.
//!
//! Knows nothing of the engine or the window, and never touches the live model: what it makes is
//! a candidate that a person releases.

mod analyse;
mod augment;
mod average;
mod by_size;
mod calibrate;
mod checkpoint;
mod criteria;
mod cross;
mod curve;
mod data;
mod draw;
mod evaluate;
mod examples;
mod input;
mod light;
mod loss;
mod measure;
mod metrics;
mod network;
mod pack;
mod paste;
mod people;
mod progress;
mod set_up;
mod settings;
mod speech;
mod split;
mod spoken;
mod stand_out;
mod surroundings;
mod suspects;
mod train;
mod transfer;
mod validate;
mod versus;
mod word_errors;

pub use analyse::{Advice, Analysis, Confusion, ErrorRate, Facts, Slice, SliceKind, WorstItem, analyse};
pub use by_size::DefectMetrics;
pub use checkpoint::Keeper;
pub use criteria::{judge, out_of_reach};
pub use cross::{CrossValidation, cross_validate};
pub use curve::{CurvePoint, learning_curve};
pub use evaluate::{
    ClassMetrics, Evaluation, LatencyMs, PredictedRegion, PredictionRow, Report, RiskPoint, Suspect, evaluate,
};
pub use examples::example_sheet;
pub use metrics::ReliabilityBin;
pub use people::{Apart, People, apart};
pub use progress::Progress;
pub use settings::{Augmentation, DataTrail, Keep, LossParts, TrainSettings, ViewChoice};
pub use speech::{JoinRange, SpeechSettings, join_takes};
pub use split::{Part, split};
pub use train::{TrainReport, train, train_kept};

pub use versus::{Changed, Comparison, Paired};
pub use word_errors::NO_WORD;

use crate::infer::InferError;
use crate::nn::NnError;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum LearnError {
    #[error("there is nothing to learn from: {0}")]
    TooLittle(String),
    #[error("the initial model does not fit: {0}")]
    Initial(String),
    #[error("{0}")]
    Checkpoint(String),
    #[error("{0}")]
    Settings(String),
    #[error("an item that is learnt from cannot be read any more: {reason}: {path}")]
    Gone { reason: String, path: String },
    #[error("no epoch was finished, so there is no model")]
    Stopped,
    #[error("examples of what is said are no pictures to look at")]
    NoSheet,
    #[error("stopped")]
    Cancelled,
    #[error("training diverged in epoch {epoch}: the loss is not a number; lower the learning rate")]
    Diverged { epoch: usize },
    #[error("{0}")]
    Network(#[from] NnError),
    #[error("{0}")]
    Infer(#[from] InferError),
    #[error("manifest: {0}")]
    Manifest(#[from] serde_json::Error),
}

impl From<candle_core::Error> for LearnError {
    fn from(error: candle_core::Error) -> Self {
        Self::Network(NnError::Tensor(error))
    }
}

#[cfg(test)]
mod sound_tests;
