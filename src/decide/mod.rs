//! The pure heart of the station: what to do with a prediction, and how far a promise is
//! supported by evidence.
//!
//! Every function here gives the same bits for the same arguments. Files, clocks, randomness and
//! the store are unknown here: whatever they would bring is an argument.

mod bounds;
mod policy;
mod promise;

pub use bounds::{BoundError, labels_needed, lower_bound, upper_bound, zero_error_sample};
pub use policy::{Seen, decide_inspection, decide_item};
pub use promise::{Evidence, EvidenceUnit, LimitKind, LimitSupport, Support, UnitKind, support};
