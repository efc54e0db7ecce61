//! Second Look: an inspection station in which a model decides what it is sure of and a person
//! decides the rest. See `docs/ARCHITECTURE.md` for the rooms and the flow between them.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "tests make small numbers themselves"
    ),
    allow(clippy::format_collect, clippy::naive_bytecount, reason = "clear beats fast in tests")
)]

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
pub mod release;
pub mod review;
pub mod store;
pub mod watch;
