//! Second Look: an inspection station in which a model decides what it is sure of and a person
//! decides the rest. See `docs/ARCHITECTURE.md` for the rooms and the flow between them.

pub mod cli;
pub mod decide;
pub mod domain;
pub mod engine;
#[cfg(feature = "gui")]
pub mod gui;
pub mod infer;
pub mod ingest;
pub mod labels;
pub mod learn;
pub mod media;
pub mod nn;
pub mod review;
pub mod store;
