//! One error for the front ends, with the exit status that it means.

use crate::decide::Support;
use crate::domain::PlanError;
use crate::infer::InferError;
use crate::ingest::simulator::SimulatorError;
use crate::labels::LabelsError;
use crate::learn::LearnError;
use crate::release::ReleaseError;
use crate::review::ReviewError;
use crate::store::StoreError;
use std::path::{Path, PathBuf};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum EngineError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Review(#[from] ReviewError),
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error(transparent)]
    Labels(#[from] LabelsError),
    #[error(transparent)]
    Learn(#[from] LearnError),
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    #[error("plan, {error}: {}", path.display())]
    Plan { error: PlanError, path: PathBuf },
    #[error("model {name}: {error}")]
    Model { name: String, error: InferError },
    #[error("there is no model \"{name}\"{hint}")]
    NoSuchModel { name: String, hint: String },
    #[error("{what}: {source}: {}", path.display())]
    Io { what: &'static str, source: std::io::Error, path: PathBuf },
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    /// The data cannot support what was asked; `support` says what is missing.
    #[error("refused: {why}")]
    Refused { why: String, support: Box<Option<Support>> },
}

impl EngineError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, source, path: path.to_owned() }
    }

    /// Whether it only says that a person did not want it any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Learn(LearnError::Cancelled | LearnError::Stopped))
    }

    /// 1 failed, 2 wrong usage, 3 refused.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_)
            | Self::Release(ReleaseError::NotAllowed { .. })
            | Self::Review(ReviewError::UnknownClass { .. } | ReviewError::NoClass) => 2,
            Self::Refused { .. } => 3,
            _ => 1,
        }
    }
}
