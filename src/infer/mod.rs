//! A model package → predictions: check, preprocess, forward, calibrate, regions.
//!
//! Knows nothing of the store, of policies or of who asks. A model is immutable and shared
//! between threads: [`Model::prepare`] runs where pictures are decoded, [`Model::predict`] where
//! the network runs (its threads are rayon's global pool, see [`crate::nn`]).

mod frames;
mod local;
mod manifest;
mod model;
mod onnx;
mod outline;
mod package;
mod predict;
mod prepare;
mod readings;
mod regions;
mod shipped;
mod transcribe;

pub use frames::frame_scores;
pub(crate) use manifest::shown;
pub use manifest::{
    Calibration, DataNote, EvidenceGroup, FORMAT_VERSION, InputSpec, Levels, Manifest, Metric, Naming,
    RegionSettings, TrainingNote, View,
};
pub use model::Model;
pub use onnx::OnnxDescription;
pub use package::{MANIFEST_FILE, WEIGHTS_FILE, weights_from_bytes, weights_to_bytes};
pub use predict::{Heat, Output};
pub use prepare::{Input, prepare, seen};
pub(crate) use prepare::{MID_GREY, computed_planes, normalisation};
pub(crate) use readings::Grammar;
pub use regions::{RawScores, raw_scores};
pub use shipped::{shipped, shipped_manifest, shipped_names};
pub(crate) use transcribe::{Said, said};

use crate::domain::Reason;
use crate::media::MediaError;
use crate::nn::NnError;
use thiserror::Error;

/// Why a package or an item cannot be used. Paths come last.
#[derive(Debug, Error)]
pub enum InferError {
    #[error("cannot read {what}: {error}: {path}")]
    Read { what: &'static str, error: std::io::Error, path: String },
    #[error("manifest.json is not valid: {0}")]
    Manifest(String),
    #[error(
        "package format version {found} is newer than this program knows ({FORMAT_VERSION}); update the program"
    )]
    Version { found: u64 },
    #[error(
        "weights.safetensors is damaged or was exchanged: BLAKE3 is {found}, the manifest says {expected}"
    )]
    WeightsHash { found: String, expected: String },
    #[error("weights.safetensors is not valid: {0}")]
    Weights(String),
    #[error("this model compares with a reference image, and the item has none")]
    ReferenceMissing,
    #[error("the image is {width} × {height} px; the model takes at most {limit} tiles")]
    TooLarge { width: u32, height: u32, limit: usize },
    #[error("the model listens to sounds, and this is a picture")]
    IsPicture,
    #[error("the model looks at pictures, and this is a sound")]
    IsSound,
    #[error("the sound lasts {secs:.1} s; the model takes at most {limit:.1} s")]
    TooLong { secs: f64, limit: f64 },
    #[error("{0}")]
    NotForOthers(String),
    #[error("the image has no pixels")]
    Empty,
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error("no shipped model is called \"{name}\" (there are: {known})")]
    UnknownShipped { name: String, known: String },
    #[error("{0}")]
    Network(#[from] NnError),
}

impl InferError {
    /// Why an item goes to a person: what the model was never meant for is no fault of the model.
    #[must_use]
    pub fn into_reason(self) -> Reason {
        let why = self.to_string();
        match self {
            Self::IsPicture | Self::IsSound | Self::TooLarge { .. } | Self::TooLong { .. } => {
                Reason::NotForModel { why }
            }
            Self::ReferenceMissing => Reason::NoReference { why },
            _ => Reason::ModelFault { why },
        }
    }
}
