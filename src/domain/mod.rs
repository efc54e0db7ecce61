//! Plain data that every room speaks: ids, units, regions, items, predictions,
//! decisions, verdicts, labels, the plan and the events of the log.
//!
//! Knows nothing of files, databases, models, threads or the window.

mod audit;
mod criterion;
mod dataset;
mod decision;
mod draw;
mod event;
mod guard;
mod id;
mod inputs;
mod item;
mod label;
mod outline;
mod plan;
mod plan_text;
mod prediction;
mod promise;
mod recordings;
mod region;
mod release;
mod transcript;
mod units;
mod verdict;

pub use audit::{Alarm, AlarmKind, Audit, AuditRates, Band};
pub use criterion::{AuditCriteria, AuditOutcome, Criterion, CriterionResult, Independence, Measure, Side};
pub use dataset::{
    AuditLock, AuditUse, ClassChange, ClassCount, DataVersion, DatasetDiff, DatasetRow, DiffItem, Frozen,
    FrozenFor, Relabelled, class_counts, diff, list_text, parse_list,
};
pub use decision::{DecidedBy, Decision, Level, Outcome, Policy, Reason, Thresholds};
pub use event::{Arrival, Event, PAYLOAD_VERSION};
pub use guard::{AuditRule, QueueRule, RetrainRule, WatchRule, WhenFull};
pub use id::{EventId, InspectionId, ItemId, MediaHash, StationId};
pub use inputs::{DataNorms, ImageStats, InputStats, Norm, SoundStats};
pub use item::{Item, MediaKind};
pub use label::{Filter, Label, LabelStatus, LabelledItem, Vote};
pub use outline::{Outline, fill, outlines};
pub use plan::{
    AfterIngest, Baseline, Budget, Class, Drift, DriftKind, FolderSource, InspectionRule, Plan,
    RetentionRule, ReviewMode, ReviewRule, Route, SimulatedPosition, SimulatorKind, SimulatorSettings, Task,
    Threads,
};
pub use plan_text::{PlanError, check_simulator};
pub use prediction::{ModelRef, Prediction, Timing};
pub use promise::{ClassPromise, ClassSet, Limit, LimitKind, Promise, Stated, limit_name};
pub use recordings::{CutBy, EnergyCut, MicrophoneRule, RecordingRule, VoiceCut};
pub use region::{BoxPx, MaskRle, Region, RegionError, Shape};
pub use release::{Canary, Release, ReleaseMove, ReleaseRule, ReleaseState};
pub use transcript::{
    Aligned, CheckDigit, Edits, Finding, Numbers, TranscriptRule, align, character_edits, word_edits,
};
pub use units::{Probability, Timestamp};
pub use verdict::{Verdict, VerdictMode, VerdictStatus};
