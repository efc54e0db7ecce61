//! The pure heart of the station: what to do with a prediction, and how far a promise is
//! supported by evidence.
//!
//! Every function here gives the same bits for the same arguments. Files, clocks, randomness and
//! the store are unknown here: whatever they would bring is an argument.

mod audit;
mod betting;
mod bisect;
mod bounds;
mod gamma;
mod levels;
mod policy;
mod promise;
mod release;
mod tally;

pub use crate::domain::LimitKind;
pub use audit::{
    AnswerPairs, AuditBudget, Estimate, Expected, allocate, audit_of, audit_rates, estimate, judge_errors,
    misjudge_at_worst,
};
pub use betting::{Answers, capital_above, capital_below};
pub use bisect::smallest;
pub use bounds::{
    BoundError, binomial_cdf, binomial_tail, exact_interval, labels_needed, lower_bound, mcnemar,
    upper_bound, zero_error_sample,
};
pub use levels::{Circumstances, Requirement, highest_justified, requirements};
pub use policy::{Seen, decide_inspection, decide_item};
pub use promise::{
    CurvePoint, Evidence, EvidenceUnit, LimitSupport, Origin, Outlook, SourceCount, Support, UnitKind,
    candidates, outlook, risk_curve, support, support_by,
};
pub use release::{Comparison, Pair, capital_worse, comparison, falls_on};
pub use tally::{Method, Tally};
