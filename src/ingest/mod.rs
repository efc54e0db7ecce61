//! Sources that deliver arrivals: the simulated lines, the watched folder, how a file's path
//! names its unit, and where a long recording is cut.
//!
//! Must not know models, decisions or the store.

pub mod cut;
pub mod folder;
pub mod pattern;
pub mod simulator;
