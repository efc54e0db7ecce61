//! Everything that is ever remembered: one append-only row each.
//!
//! Payloads carry no personal content beyond the reviewer's chosen name, so that media can be
//! erased without touching the log.

use super::{
    Alarm, AlarmKind, AuditCriteria, AuditLock, AuditOutcome, AuditRates, AuditUse, Canary, Decision,
    EventId, Frozen, InspectionId, ItemId, Label, Level, MediaHash, MediaKind, ModelRef, Policy, Prediction,
    Probability, ReleaseState, Timestamp, Verdict, Vote,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the payloads below; raised when one changes its meaning, with an upgrade at the
/// place where events are read.
pub const PAYLOAD_VERSION: u32 = 1;

/// A media file that came in, from a source or an import.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    pub item: ItemId,
    /// Absent for imports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspection: Option<InspectionId>,
    pub unit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    pub kind: MediaKind,
    pub media: MediaHash,
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<MediaHash>,
    pub name: String,
    pub source: String,
    /// The file's own time, with which the same file is known again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
    /// The label that an import brought; people's verdicts take its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<Vote>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "payload")]
pub enum Event {
    LineCreated {
        name: String,
        plan: String,
    },
    /// `plan` is the BLAKE3 of the plan's text.
    PlanChanged {
        plan: String,
    },
    LevelChanged {
        from: Option<Level>,
        to: Level,
        reason: String,
        /// What it rests on: the check list of the level, or the alarm.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<serde_json::Value>,
    },
    /// Live from now on; the one before is retired by it.
    ModelPromoted {
        model: ModelRef,
        reason: String,
        /// What it has proven in shadow and as a canary.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<serde_json::Value>,
    },
    /// To any state but live; `from` is absent for a model that the line did not know.
    ModelMoved {
        model: ModelRef,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<ReleaseState>,
        to: ReleaseState,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        canary: Option<Canary>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<serde_json::Value>,
    },
    /// What a model says that does not decide the item.
    ShadowPredicted {
        item: ItemId,
        prediction: Prediction,
    },
    /// Items that a model in shadow should have looked at and did not: the station had no time.
    ShadowDropped {
        model: ModelRef,
        items: u64,
    },
    /// A person is asked about an item that is decided, because two models see it alike or not.
    ComparisonAsked {
        item: ItemId,
        /// That does not decide.
        model: ModelRef,
        agree: bool,
        /// Of being asked.
        probability: Probability,
    },
    PolicyAdopted {
        policy: Policy,
        evidence: String,
        /// How often its decisions are checked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audits: Option<AuditRates>,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    AlarmRaised {
        alarm: Alarm,
    },
    /// A person has seen to it.
    AlarmCleared {
        alarm: AlarmKind,
        reason: String,
    },
    ItemArrived(Arrival),
    ItemPredicted {
        item: ItemId,
        prediction: Prediction,
    },
    ItemDecided {
        item: ItemId,
        inspection: InspectionId,
        decision: Decision,
    },
    InspectionDecided {
        inspection: InspectionId,
        unit: String,
        items: u32,
        decision: Decision,
    },
    VerdictGiven(Verdict),
    /// `verdict` is the id of the `VerdictGiven` event that is taken back.
    VerdictUndone {
        verdict: EventId,
        item: ItemId,
        reviewer: String,
    },
    LabelSettled {
        item: ItemId,
        label: Label,
    },
    LabelWithdrawn {
        item: ItemId,
    },
    /// Its list is among the blobs, under its hash.
    DatasetFrozen(Frozen),
    /// From now on no training sees the units that this rule draws.
    AuditSetLocked(AuditLock),
    /// Written before the look, so that a look that was broken off counts.
    AuditSetUsed(AuditUse),
    /// Written before the model is measured.
    AuditCriteriaSet(AuditCriteria),
    FinalAudit(AuditOutcome),
    /// A person has read the outcome of a final audit (the id of its event) and stands for it.
    AuditSigned {
        audit: EventId,
        signed_by: String,
    },
    BlobExpired {
        media: MediaHash,
        rule: String,
    },
    Exported {
        format: String,
        items: u64,
        digest: String,
    },
}
