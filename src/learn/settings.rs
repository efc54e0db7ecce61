//! What a training can be told, and sensible choices from the data where it is told nothing.

use super::data::medium;
use super::input::{SIDE_PX, TRANSFER_SIDE_PX};
use super::speech::SpeechSettings;
use crate::domain::{DataVersion, LabelledItem, MediaKind, Task, TranscriptRule};
use crate::infer::{InputSpec, Manifest};
use serde::{Deserialize, Serialize};

/// Random changes of a training image; each is drawn anew for every epoch and item.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    pub flip_x: bool,
    pub flip_y: bool,
    /// Turns by a right angle, where the input is square.
    pub quarter_turn: bool,
    /// Largest turn in degrees.
    pub rotate_deg: f32,
    /// Largest change of size, and of the ratio of the sides, as natural logarithms.
    pub scale: f32,
    pub stretch: f32,
    /// Largest shift, as a share of the input's side.
    pub shift: f32,
    /// Largest change of brightness and contrast, as a share of the full range.
    pub light: f32,
    /// Largest change of gamma, as a natural logarithm.
    pub gamma: f32,
    /// Largest slope and bend of the light across the picture.
    pub shading: f32,
    /// How often an item is neither turned, scaled, stretched nor shifted, but stands as in use, 0 to 1: else
    /// its borders would hardly ever lie where they do then.
    #[serde(default)]
    pub still: f32,
    /// Strongest defocus or sharpening, 0 to 1.
    pub blur: f32,
    /// Largest amplitude of the noise, as a share of the full range.
    pub noise: f32,
    /// How often the defect of another item is laid over a good one, 0 to 1.
    pub paste: f32,
    /// Of sounds: the largest shift in time of those that are heard whole, as a share of the sound, which goes
    /// on at its other end; how often another sound lies beneath, and how often steady noise, 0 to 1; the
    /// longest stretch and the widest band that are hidden, as shares; how differently another microphone
    /// hears, as a share of the full range.
    pub delay: f32,
    pub beneath: f32,
    #[serde(default)]
    pub hiss: f32,
    pub mask: f32,
    pub colour: f32,
    /// How many times as far as an item such a defect is turned, scaled, stretched and shifted.
    pub paste_pose: f32,
}

impl Augmentation {
    /// With a pose that changes so many times as far.
    pub(super) fn posed(self, times: f32) -> Self {
        Self {
            rotate_deg: times * self.rotate_deg,
            scale: times * self.scale,
            stretch: times * self.stretch,
            shift: times * self.shift,
            ..self
        }
    }
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            flip_x: true,
            flip_y: true,
            quarter_turn: true,
            rotate_deg: 8.0,
            scale: 0.2,
            stretch: 0.1,
            shift: 0.06,
            still: 0.0,
            light: 0.1,
            gamma: 0.3,
            shading: 0.2,
            blur: 0.8,
            noise: 0.03,
            paste: 0.5,
            delay: 0.0,
            beneath: 0.0,
            hiss: 0.0,
            mask: 0.0,
            colour: 0.0,
            paste_pose: 1.0,
        }
    }
}

/// The parts of the loss beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossParts {
    /// Weight of the cells' own truth.
    pub cells: f32,
    /// How much less a cell counts that is nearly right: its cross-entropy is multiplied by the
    /// error to this power (focal loss, Lin et al., 2017). Most cells are good and easy.
    pub focus: f32,
    /// The cells of an item and class are summed and divided by the defect's area and this many
    /// cells: small defects count nearly as much as large ones.
    pub area: f32,
    /// Weight of the overlap of predicted and true cells.
    pub overlap: f32,
    /// Weight of the item's truth for its highest cell.
    pub item: f32,
    /// Weight of the item's truth for its own logit; 0 keeps that silent.
    pub head: f32,
    /// Weight of a defect's name among the classes.
    pub naming: f32,
}

impl Default for LossParts {
    fn default() -> Self {
        Self { cells: 1.0, focus: 2.0, area: 16.0, overlap: 1.0, item: 0.5, head: 0.5, naming: 0.5 }
    }
}

/// Which of a training's weights are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of the epoch with the best validation score; training may stop early.
    Best,
    /// The last: with few validation groups their score says little of single epochs.
    #[default]
    Last,
}

/// How a new network is to look at items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ViewChoice {
    Single,
    Fit,
    Tiles,
}

impl std::str::FromStr for ViewChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "single" => Ok(Self::Single),
            "fit" => Ok(Self::Fit),
            "tiles" => Ok(Self::Tiles),
            _ => Err(format!("\"{text}\" is not single, fit or tiles")),
        }
    }
}

/// Settings of one training. With `epochs` the weights are reproducible; with `minutes` alone they
/// depend on the machine's speed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// Name of the package.
    pub name: String,
    pub seed: u64,
    pub epochs: Option<usize>,
    pub minutes: Option<f64>,
    pub batch: usize,
    /// Highest learning rate of the schedule.
    pub rate: f64,
    pub weight_decay: f64,
    /// Share of groups for early stopping and calibration.
    pub validation_share: f64,
    /// Share of groups that nothing but the final measurement sees.
    pub evidence_share: f64,
    pub augmentation: Augmentation,
    pub loss: LossParts,
    /// Least share of defective items among those drawn.
    pub defective_share: f64,
    /// About how many last steps the kept weights are the mean of; 0 for none.
    pub average_steps: usize,
    pub keep: Keep,
    /// Train again on the validation groups too; by itself where a class has few units.
    pub refit: Option<bool>,
    /// To find defects or to name items; by itself to name them where none is called good.
    pub task: Option<Task>,
    /// The first weights come from a model of other goods: its classes, and how it looks at items, are not
    /// taken over.
    #[serde(default)]
    pub transfer: bool,
    /// At which share of the rate such weights are changed: faster they forget what they have seen.
    #[serde(default = "whole")]
    pub transfer_rate: f64,
    /// Of sounds that have names only: each is where it stands out of its recording, if it does.
    pub stands_out: bool,
    /// Of what is said; absent for other tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speech: Option<SpeechSettings>,
    /// How transcripts are written; the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<TranscriptRule>,
    /// Chosen from the data when absent.
    pub input: Option<InputSpec>,
    /// One resized view of the whole item, or tiles; chosen from the data when absent.
    pub view: Option<ViewChoice>,
    /// Side of a square input of the same area as the one that is used; more shows finer defects
    /// and costs time.
    pub side_px: u32,
    /// Reach of the channel of local contrast, in pixels of the input; 0 for none, by itself none
    /// where there is a reference.
    pub local_px: Option<u32>,
    /// Training looks at square windows of about this side, cut out of views that are larger: near
    /// a defect a step then learns more. 0 for whole views.
    pub window_px: u32,
    /// A channel of the difference, where there is a reference.
    pub difference: bool,
    /// In use the scores are means over a picture and its mirror images, where training mirrors it too; by
    /// itself where a class has few units and the first weights are those of a model of other goods.
    #[serde(default)]
    pub mirrored: Option<bool>,
    /// Recorded in the manifest: the command line, what the data are, their licence.
    pub command: String,
    pub description: String,
    pub licence: String,
    /// The population that the items are a sample of, where that is known.
    pub population: Option<String>,
    /// The line whose own pictures the items are, where all of them are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// The lists of labels behind the package. Known to whoever gathered the items, and not for a person
    /// to set.
    #[serde(skip)]
    pub data: DataTrail,
}

/// Which frozen lists a package has learnt from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataTrail {
    pub version: Option<DataVersion>,
    /// Of the packages that gave the first weights.
    pub earlier: Vec<DataVersion>,
    pub earlier_unknown: bool,
}

impl DataTrail {
    /// Of a training on `version` that begins with the weights of `init`.
    #[must_use]
    pub fn of(version: Option<DataVersion>, init: Option<&Manifest>) -> Self {
        let Some(data) = init.map(|init| &init.data) else {
            return Self { version, ..Self::default() };
        };
        let mut earlier = data.earlier.clone();
        earlier.extend(data.version.clone());
        Self { version, earlier, earlier_unknown: data.earlier_unknown || data.version.is_none() }
    }
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            name: "candidate".to_owned(),
            seed: 1,
            epochs: None,
            minutes: None,
            batch: 8,
            rate: 7e-3,
            weight_decay: 0.02,
            validation_share: 0.15,
            evidence_share: 0.15,
            augmentation: Augmentation::default(),
            loss: LossParts::default(),
            defective_share: 0.5,
            average_steps: 300,
            keep: Keep::default(),
            refit: None,
            task: None,
            transfer: false,
            transfer_rate: 0.2,
            stands_out: true,
            speech: None,
            transcript: None,
            input: None,
            view: None,
            side_px: SIDE_PX,
            local_px: None,
            window_px: SIDE_PX,
            difference: true,
            mirrored: None,
            command: String::new(),
            description: String::new(),
            licence: String::new(),
            population: None,
            line: None,
            data: DataTrail::default(),
        }
    }
}

fn have_references(items: &[LabelledItem]) -> bool {
    !items.is_empty() && items.iter().all(|item| item.reference.is_some())
}

/// Of packages from before there was a share.
const fn whole() -> f64 {
    1.0
}

/// How often items without a reference stand as in use, where training begins with a model of other goods.
const STILL: f32 = 0.5;

impl TrainSettings {
    /// Where every item has a reference that it should look like, the two tell what is a defect: the
    /// network learns places rather than items, and sees little that the line would not show it.
    /// Chosen on circuit boards, see `models/README.md`.
    #[must_use]
    pub fn with_reference() -> Self {
        Self {
            batch: 4,
            rate: 1e-2,
            augmentation: Augmentation {
                rotate_deg: 3.0,
                scale: 0.1,
                stretch: 0.05,
                shading: 0.0,
                gamma: 0.1,
                blur: 0.5,
                paste: 0.0,
                ..Augmentation::default()
            },
            loss: LossParts { focus: 0.5, item: 0.1, head: 0.0, ..LossParts::default() },
            ..Self::default()
        }
    }

    /// Where the first weights are those of a model of other goods. Of pictures it then sees finer ones than a
    /// network from nothing would make use of, and has no logit of the item's own, which learns a few items by
    /// heart. Chosen on magnetic tiles, see `models/README.md`.
    #[must_use]
    pub fn with_transfer(self, items: &[LabelledItem]) -> Self {
        let still = if have_references(items) { 0.0 } else { STILL };
        match medium(items) {
            MediaKind::Audio => Self { transfer: true, ..self },
            MediaKind::Image => Self {
                transfer: true,
                side_px: TRANSFER_SIDE_PX,
                window_px: TRANSFER_SIDE_PX,
                loss: LossParts { head: 0.0, ..self.loss },
                augmentation: Augmentation { still, ..self.augmentation },
                ..self
            },
        }
    }

    /// For sounds: neither turned nor mirrored, but moved in time, with other sounds beneath and parts hidden.
    /// Chosen on everyday sounds, see `models/README.md`.
    #[must_use]
    pub fn for_sounds() -> Self {
        Self {
            batch: 16,
            augmentation: Augmentation {
                flip_x: false,
                flip_y: false,
                quarter_turn: false,
                rotate_deg: 0.0,
                scale: 0.08,
                stretch: 0.08,
                shift: 0.04,
                light: 0.1,
                gamma: 0.1,
                shading: 0.0,
                blur: 0.3,
                noise: 0.04,
                delay: 0.5,
                beneath: 0.5,
                hiss: 0.5,
                mask: 0.15,
                colour: 0.12,
                ..Augmentation::default()
            },
            loss: LossParts { cells: 0.5, item: 0.25, naming: 1.0, ..LossParts::default() },
            ..Self::default()
        }
    }

    /// For what is said, in the convention of a line. Chosen on spoken digits, see `models/README.md`.
    #[must_use]
    pub fn for_speech(rule: &TranscriptRule) -> Self {
        Self {
            task: Some(Task::Transcribe),
            speech: Some(SpeechSettings::default()),
            transcript: Some(rule.clone()),
            batch: 16,
            rate: 4e-3,
            augmentation: Augmentation { colour: 0.08, ..Self::for_sounds().augmentation },
            ..Self::for_sounds()
        }
    }

    /// What can be said in the convention of these settings.
    pub(super) fn convention(&self) -> TranscriptRule {
        self.transcript.clone().unwrap_or_default().convention()
    }

    /// What suits these items, before anybody changes it.
    #[must_use]
    pub fn suited(items: &[LabelledItem]) -> Self {
        match () {
            () if medium(items) == MediaKind::Audio => Self::for_sounds(),
            () if have_references(items) => Self::with_reference(),
            () => Self::default(),
        }
    }

    /// Sets one value by its dotted name, as in `augmentation.paste=0.3`; the value is JSON, or
    /// else a text.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let (name, text) =
            assignment.split_once('=').ok_or_else(|| format!("\"{assignment}\" is no NAME=VALUE"))?;
        let mut all = serde_json::to_value(&*self).map_err(|error| error.to_string())?;
        let pointer = format!("/{}", name.replace('.', "/"));
        let place = all.pointer_mut(&pointer).ok_or_else(|| format!("there is no setting \"{name}\""))?;
        *place = serde_json::from_str(text).unwrap_or_else(|_| text.into());
        *self = serde_json::from_value(all).map_err(|error| format!("{name}: {error}"))?;
        Ok(())
    }
}

/// Examples that a training shows when neither epochs nor minutes are given: strong augmentation
/// wants time, and a handful of items more epochs than a thousand.
const EXAMPLES_DEFAULT: usize = 45_000;
const EPOCHS_MIN: usize = 40;
const EPOCHS_MAX: usize = 500;

/// Examples of what is said are strings of several items, drawn anew each time.
const SPOKEN_DEFAULT: usize = 40_000;
const SPOKEN_EPOCHS_MIN: usize = 4;

/// What has learnt to see before is done sooner, and each example takes longer.
const TRANSFER_EXAMPLES: usize = 4_000;
const TRANSFER_EPOCHS: [usize; 2] = [12, 80];

/// Epochs for a training of so many items, of a network that sees before it begins or of one that does not.
pub(super) fn epochs_by_itself(task: Task, sees: bool, items: usize) -> usize {
    let (examples, [least, most]) = match task {
        Task::Transcribe => (SPOKEN_DEFAULT, [SPOKEN_EPOCHS_MIN, EPOCHS_MAX]),
        Task::Defect | Task::Classify if sees => (TRANSFER_EXAMPLES, TRANSFER_EPOCHS),
        Task::Defect | Task::Classify => (EXAMPLES_DEFAULT, [EPOCHS_MIN, EPOCHS_MAX]),
    };
    examples.div_ceil(items.max(1)).clamp(least, most)
}
