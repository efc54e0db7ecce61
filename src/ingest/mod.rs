//! Sources that deliver arrivals: the simulated lines, the watched folder, and how a
//! file's path names its unit.
//!
//! Must not know models, decisions or the store.

pub mod folder;
pub mod pattern;
pub mod simulator;
