//! The plan: the scope of a line as a person wrote it down in `line.toml`.
//!
//! Every key has a default that is safe on a real line; unknown keys are refused with a
//! suggestion (see `plan_text`).

use super::{
    AuditRule, LabelledItem, MicrophoneRule, Probability, Promise, QueueRule, RecordingRule, ReleaseRule,
    RetrainRule, TranscriptRule, WatchRule,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Find defects: classes with routes, regions on the item.
    Defect,
    /// Name the whole item.
    Classify,
    /// Write down what is said.
    Transcribe,
}

/// What a class means for the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    Pass,
    Divert,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    pub name: String,
    pub route: Route,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterIngest {
    /// Moved into `done/` beside it, after the commit.
    Done,
    /// Left where it is.
    Leave,
}

/// A watched folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FolderSource {
    /// Relative paths are relative to the line's folder.
    pub path: String,
    pub after: AfterIngest,
    /// How unit, position and product are read from a file's path below the folder, without
    /// its ending: `{unit}`, `{unit}_{position}`, `{product}/{unit}-{position}`.
    pub pattern: String,
    /// The golden image of an arriving item, relative to the line's folder; may use
    /// `{product}` and `{position}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// A file counts as complete when size and time stood still for this long.
    pub settle_secs: f64,
    /// Network shares give no events: look again this often.
    pub rescan_secs: f64,
}

impl Default for FolderSource {
    fn default() -> Self {
        Self {
            path: "inbox".into(),
            after: AfterIngest::Done,
            pattern: "{unit}".into(),
            reference: None,
            settle_secs: 0.5,
            rescan_secs: 2.0,
        }
    }
}

/// How many items one inspection has, and how long they may take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InspectionRule {
    pub items: u32,
    /// From the first item; afterwards the inspection is incomplete and goes to a person.
    pub timeout_secs: f64,
}

impl Default for InspectionRule {
    fn default() -> Self {
        Self { items: 1, timeout_secs: 30.0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewMode {
    Hidden,
    /// Decide first, then the suggestion is revealed, to keep or change the answer.
    DecideFirst,
    Shown,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReviewRule {
    pub mode: ReviewMode,
    /// How long an item stays reserved for the person who has it on the screen.
    pub lease_secs: f64,
    /// Whether sounds are brought to one loudness when they are played; the sound itself never changes.
    pub even_loudness: bool,
    /// Whether silence at both ends of a sound is left out when it is played.
    pub skip_silence: bool,
}

impl Default for ReviewRule {
    fn default() -> Self {
        Self { mode: ReviewMode::DecideFirst, lease_secs: 120.0, even_loudness: true, skip_silence: false }
    }
}

/// Media older than `days` whose decision in force is `decision` (any when absent) are erased;
/// the log keeps their hash and the rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionRule {
    pub name: String,
    pub days: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<super::Outcome>,
    /// Labelled items are what the next model learns from; they stay unless the plan says so.
    #[serde(default)]
    pub labelled_too: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Arrival to durable decision.
    pub latency_ms_p99: f64,
    pub items_per_s: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { latency_ms_p99: 250.0, items_per_s: 10.0 }
    }
}

/// What people achieve without the program; measured before anything is trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Baseline {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miss: Option<Probability>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overkill: Option<Probability>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What a simulated line makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SimulatorKind {
    /// Pictures of phones.
    #[default]
    Phone,
    /// Sounds of electric motors.
    Motor,
}

impl SimulatorKind {
    /// As in the plan.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Motor => "motor",
        }
    }
}

/// From where a rendered picture is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SimulatedPosition {
    Front,
    Back,
    /// The phone stands on its long side.
    Edge,
}

impl SimulatedPosition {
    /// As in the plan and in file names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Back => "back",
            Self::Edge => "edge",
        }
    }
}

/// What changes on the rendered line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftKind {
    /// The lamps age, or somebody turns them up: `level` is the light, as in the settings.
    Light,
    /// One lamp of the rig dies: at level 1 nothing is left of it.
    LampFailure,
    /// Blobs and a veil at fixed places of the picture; 1 is a lens that nobody cleaned for weeks.
    DirtyLens,
    /// Phones of a colour that was never seen before: `level` is their share of the units.
    NewColour,
    /// Burns on phones, squealing of motors: a kind of defect that was never seen before. `level`
    /// is its share of the defective units.
    NewDefect,
    /// Somebody has knocked against the camera: `level` is how far phones lie beside their place, as a
    /// share of the picture's width.
    CameraMoved,
    /// The hall gets louder: `level` is a factor on all that is not the motor.
    Background,
    /// Somebody turns the microphone down, or it ages: `level` is a factor on all that it hears.
    MicrophoneGain,
    /// The microphone is covered: at 1 only what is low gets through.
    Muffled,
}

impl DriftKind {
    /// As in the plan.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::LampFailure => "lamp-failure",
            Self::DirtyLens => "dirty-lens",
            Self::NewColour => "new-colour",
            Self::NewDefect => "new-defect",
            Self::CameraMoved => "camera-moved",
            Self::Background => "background",
            Self::MicrophoneGain => "microphone-gain",
            Self::Muffled => "muffled",
        }
    }

    /// Whether a simulated line of this kind can change so.
    #[must_use]
    pub fn is_of(self, kind: SimulatorKind) -> bool {
        match self {
            Self::Light | Self::LampFailure | Self::DirtyLens | Self::NewColour | Self::CameraMoved => {
                kind == SimulatorKind::Phone
            }
            Self::Background | Self::MicrophoneGain | Self::Muffled => kind == SimulatorKind::Motor,
            Self::NewDefect => true,
        }
    }

    /// Whether the level is a factor above 0, 1 where nothing changes; else it is a share.
    #[must_use]
    pub fn is_factor(self) -> bool {
        matches!(self, Self::Light | Self::Background | Self::MicrophoneGain)
    }
}

/// One change of the rendered line at a time known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    pub kind: DriftKind,
    /// Index of the first unit that is touched.
    pub at_unit: u64,
    /// The change is complete after this many units; 0 is at once.
    #[serde(default)]
    pub over_units: u64,
    /// What the change arrives at; its meaning is the kind's.
    pub level: f64,
}

impl Drift {
    /// How much of the change is there at this unit, 0 to 1.
    #[must_use]
    pub fn progress(&self, unit: u64) -> f64 {
        match unit.checked_sub(self.at_unit) {
            None => 0.0,
            Some(since) if since >= self.over_units => 1.0,
            Some(since) => (since + 1) as f64 / (self.over_units + 1) as f64,
        }
    }
}

/// The simulated line that stands in for a camera or a microphone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimulatorSettings {
    #[serde(skip_serializing_if = "is_default")]
    pub kind: SimulatorKind,
    pub units_per_minute: f64,
    /// Share of units with a defect.
    pub defect_share: f64,
    /// Of phones; 1 is the light that the shipped model knows.
    pub light: f64,
    pub seed: u64,
    /// Of phones: the pictures of one unit; empty: one picture of a side drawn at random, and no position.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<SimulatedPosition>,
    /// What changes while the line runs; of two entries of one kind the later goes on from
    /// where the earlier arrived.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for SimulatorSettings {
    fn default() -> Self {
        Self {
            kind: SimulatorKind::Phone,
            units_per_minute: 120.0,
            defect_share: 0.1,
            light: 1.0,
            seed: 1,
            positions: Vec::new(),
            drift: Vec::new(),
        }
    }
}

impl SimulatorSettings {
    /// The same for a simulator of this kind; of another kind's settings only what both have.
    #[must_use]
    pub fn of_kind(&self, kind: SimulatorKind) -> Self {
        if kind == self.kind {
            return self.clone();
        }
        Self {
            kind,
            units_per_minute: self.units_per_minute,
            defect_share: self.defect_share,
            seed: self.seed,
            ..Self::default()
        }
    }

    /// What a kind of drift has arrived at by this unit; without any the light, a factor of 1, or
    /// a share of 0.
    #[must_use]
    pub fn drift_at(&self, kind: DriftKind, unit: u64) -> f64 {
        let rest = match kind {
            DriftKind::Light => self.light,
            kind if kind.is_factor() => 1.0,
            _ => 0.0,
        };
        let changes = self.drift.iter().filter(|drift| drift.kind == kind);
        changes.fold(rest, |level, drift| level + (drift.level - level) * drift.progress(unit))
    }
}

/// How many threads the station uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Threads {
    /// For the network; decoders that have nothing to do lend it theirs.
    pub network: usize,
    /// Reading, decoding and preparing.
    pub decode: usize,
}

impl Default for Threads {
    fn default() -> Self {
        // Decoding a photograph takes several times as long as the network.
        Self { network: 1, decode: 2 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub name: String,
    pub task: Task,
    #[serde(default, rename = "class")]
    pub classes: Vec<Class>,
    #[serde(default)]
    pub promise: Promise,
    /// Of lines that write down what is said.
    #[serde(default, skip_serializing_if = "is_default")]
    pub transcript: TranscriptRule,
    #[serde(default)]
    pub source: FolderSource,
    /// Absent: none is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recordings: Option<RecordingRule>,
    /// Absent: nothing is listened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub microphone: Option<MicrophoneRule>,
    #[serde(default)]
    pub inspection: InspectionRule,
    #[serde(default)]
    pub review: ReviewRule,
    #[serde(default)]
    pub budget: Budget,
    #[serde(default)]
    pub audit: AuditRule,
    #[serde(default)]
    pub queue: QueueRule,
    #[serde(default)]
    pub watch: WatchRule,
    #[serde(default)]
    pub retrain: RetrainRule,
    #[serde(default)]
    pub release: ReleaseRule,
    #[serde(default)]
    pub baseline: Baseline,
    #[serde(default)]
    pub threads: Threads,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulator: Option<SimulatorSettings>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retention: Vec<RetentionRule>,
}

impl Plan {
    #[must_use]
    pub fn new(name: impl Into<String>, task: Task, classes: Vec<Class>) -> Self {
        Self {
            name: name.into(),
            task,
            classes,
            promise: Promise::default(),
            transcript: TranscriptRule::default(),
            source: FolderSource::default(),
            recordings: None,
            microphone: None,
            inspection: InspectionRule::default(),
            review: ReviewRule::default(),
            budget: Budget::default(),
            audit: AuditRule::default(),
            queue: QueueRule::default(),
            watch: WatchRule::default(),
            retrain: RetrainRule::default(),
            release: ReleaseRule::default(),
            baseline: Baseline::default(),
            threads: Threads::default(),
            simulator: None,
            retention: Vec::new(),
        }
    }

    /// `None` for a class that the plan does not name.
    #[must_use]
    pub fn route(&self, class: &str) -> Option<Route> {
        self.classes.iter().find(|c| c.name == class).map(|c| c.route)
    }

    #[must_use]
    pub fn is_defective(&self, item: &LabelledItem) -> bool {
        item.label.classes().iter().any(|class| self.route(class) != Some(Route::Pass))
    }
}
