//! What verified decisions say of a line: evidence for its promise, estimates of what escapes, and
//! alarms.
//!
//! Reads the store; decides by the functions of `decide`; may lower the level through the engine, never
//! raise it.

mod checks;
mod estimates;
mod features;
mod inputs;
mod verified;

pub use checks::{ClassEstimate, broken_promise};
pub use estimates::{Estimates, SeriesPoint, estimates, series};
pub use inputs::{InputWatch, Norms, deviations};
pub use verified::{Verified, evidence, is_bad, is_misnamed, verified, verified_in_all};
