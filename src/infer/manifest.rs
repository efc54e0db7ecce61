//! What a package says of itself: `manifest.json`.
//!
//! Plain data with its checks; reads no files.

use super::InferError;
use crate::domain::{DataNorms, DataVersion, Label, MediaKind, Task};
use crate::media::MelSpec;
use crate::nn::{FRAME_OUTPUT, FRAME_STRIDE, Graph, ITEM_OUTPUT, PIXEL_OUTPUT, PIXEL_STRIDE};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the manifest's format; raised when an older program could misread it.
pub const FORMAT_VERSION: u32 = 1;

/// Network inputs are at most this large on a side: beyond it tiles are the better way, and a
/// manifest must not be able to ask for all the memory there is.
const SIDE_MAX_PX: u32 = 2048;
/// The network halves its input five times.
const SIDE_MULTIPLE_PX: u32 = 32;

/// How a network looks at an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum View {
    /// The whole image, resized to the input (its aspect ratio is not kept).
    Single,
    /// The whole image, as large as the input allows with its proportions kept, at the input's top
    /// left; the rest is mid-grey.
    Fit,
    /// Windows of the input's size at native resolution, overlapping by so many pixels.
    Tiles { overlap_px: u32 },
}

/// What brightness means to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Levels {
    /// As the camera gave it.
    Absolute,
    /// Relative to the mean and spread of the same image, so that exposure does not matter.
    PerItem,
    /// Each row relative to its own mean: of a sound, so that voice, microphone and room matter less.
    PerBand,
}

/// From pixels to numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    pub width_px: u32,
    pub height_px: u32,
    /// Channels taken from an image: 1 (grey) or 3 (RGB).
    pub channels: u32,
    pub levels: Levels,
    /// For each image channel, on the scale 0 to 1, after `levels`.
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
    pub view: View,
    /// The aligned golden image follows as further channels.
    pub reference: bool,
    /// Where not 0, a channel of local contrast over ± so many pixels follows for the image, and
    /// one for the reference.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub local_px: u32,
    /// Where the items are sounds: how they become the picture that the network sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<MelSpec>,
    /// A channel of the image minus its reference follows last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub difference: bool,
    /// The scores are the means over the picture and its three mirror images: four times the work, and
    /// fewer chance peaks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mirrored: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_zero(value: &u32) -> bool {
    *value == 0
}

impl InputSpec {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        for (name, side) in [("width_px", self.width_px), ("height_px", self.height_px)] {
            if side == 0 || side > SIDE_MAX_PX || side % SIDE_MULTIPLE_PX != 0 {
                return Err(format!(
                    "input.{name} is {side}: a multiple of {SIDE_MULTIPLE_PX} up to {SIDE_MAX_PX}"
                ));
            }
        }
        if !matches!(self.channels, 1 | 3) {
            return Err(format!("input.channels is {}: 1 or 3", self.channels));
        }
        let count = self.channels as usize;
        let scales = self.std.iter().all(|s| s.is_finite() && *s > 0.0);
        if self.mean.len() != count || self.std.len() != count || !scales {
            return Err(format!("input.mean and input.std need {count} values, and std positive ones"));
        }
        if let View::Tiles { overlap_px } = self.view
            && overlap_px >= shortest_way(self)
        {
            return Err(format!("input.view: an overlap of {overlap_px} px leaves tiles no way forward"));
        }
        if let Some(sound) = &self.sound {
            sound.check().map_err(|why| format!("input.sound: {why}"))?;
            let is_picture =
                self.channels == 1 && !self.reference && !self.mirrored && self.height_px == sound.bands;
            if !is_picture || !matches!(self.view, View::Tiles { .. }) {
                return Err(
                    "input.sound: one channel, tiles as high as there are bands, no reference, no mirrors"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }

    /// What the items are.
    #[must_use]
    pub const fn medium(&self) -> MediaKind {
        if self.sound.is_some() { MediaKind::Audio } else { MediaKind::Image }
    }

    /// How the picture is seen, one after the other: whether left and right are swapped, and top and bottom.
    #[must_use]
    pub const fn mirrors(&self) -> &'static [[bool; 2]] {
        const ALL: [[bool; 2]; 4] = [[false, false], [true, false], [false, true], [true, true]];
        if self.mirrored { &ALL } else { ALL.split_at(1).0 }
    }

    /// Channels that the network sees.
    #[must_use]
    pub fn planes(&self) -> usize {
        self.photographs() * (self.channels as usize + usize::from(self.local_px > 0))
            + usize::from(self.difference)
    }

    /// The image, and its reference.
    #[must_use]
    pub const fn photographs(&self) -> usize {
        if self.reference { 2 } else { 1 }
    }

    /// Channels of all photographs; those computed from them follow.
    #[must_use]
    pub const fn photograph_planes(&self) -> usize {
        self.photographs() * self.channels as usize
    }

    /// Pixels of the network's input.
    #[must_use]
    pub fn area(&self) -> usize {
        self.width_px as usize * self.height_px as usize
    }
}

/// The one scale of scores: `p = σ(slope · z + intercept)`, for a region's highest pixel logit
/// and for the item alike. Of a model that writes down what is said the temperature flattens readings, and
/// the intercept is ln of what lies beside all of them beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Positive.
    pub slope: f64,
    pub intercept: f64,
    /// Divides what speaks for each class before the softmax that shares p among the defect classes.
    pub class_temperature: f64,
    /// What that is.
    #[serde(default)]
    pub naming: Naming,
}

/// What speaks for a class once there is a defect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Naming {
    /// Its raw score. Packages that do not say have this.
    #[default]
    Peak,
    /// The logarithm of how many cells show it, each by its probability: one hot spot of another kind
    /// within a large defect does not name it.
    Mass,
    /// The whole item's own logit: for models that name items.
    Item,
}

impl Calibration {
    /// Probability of a defect for a raw score.
    #[must_use]
    pub fn probability(&self, z: f64) -> f64 {
        1.0 / (1.0 + (-(self.slope * z + self.intercept)).exp())
    }

    /// The raw score that has this probability; ends of the scale are pulled in by 1e-9.
    #[must_use]
    pub fn score(&self, probability: f64) -> f64 {
        let p = probability.clamp(1e-9, 1.0 - 1e-9);
        ((p / (1.0 - p)).ln() - self.intercept) / self.slope
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionSettings {
    /// A pixel belongs to a region where its logit reaches this; chosen for the best overlap
    /// with the true masks.
    pub pixel_logit: f32,
    /// A region with two peaks is two where both rise so far above the valley between them; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_logit: Option<f32>,
    /// Regions below this calibrated score are not reported.
    pub score_min: f64,
    /// Smaller regions (in cells of the network's output) are noise unless they are the item's
    /// highest.
    pub cells_min: usize,
    pub count_max: usize,
}

/// The data set that a model was trained on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataNote {
    pub description: String,
    /// BLAKE3 over names, labels and files.
    pub hash: String,
    pub items: usize,
    pub groups: usize,
    pub licence: String,
    /// Names the population that all items are a sample of, where that is known; only then do
    /// the evidence groups say something of the outgoing rate on a line of that population.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population: Option<String>,
    /// The frozen list of labels that these items are, on the line that trained the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<DataVersion>,
    /// The lists behind the package that gave the first weights, and behind those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<DataVersion>,
    /// The first weights came from a package whose data nobody has listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub earlier_unknown: bool,
}

/// A measured value with its 95 % interval and the number of items behind it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    pub n: usize,
}

/// One group that neither training nor calibration touched: for a defective group the smallest
/// defect probability among its defective items, for a good one the largest among its items.
///
/// Of models that name items (`names` is there): `defective` is whether a name was wrong, and `score` how
/// doubtful names are (1 − the probability of the name): the smallest of the wrong ones, else the largest of
/// all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceGroup {
    pub group: String,
    pub defective: bool,
    pub score: f64,
    /// Every class of defect that its items have; `None` in packages that do not say: they support no limit
    /// for a single class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Every name that a model which names items gave its items; of one that writes down what is said, all
    /// that it read. Older packages of such models do not say, and support no promise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingNote {
    /// The command line that made the package.
    pub command: String,
    pub seed: u64,
    /// Threads of the network (for the time it took), and the instruction set: weights are the same
    /// bits for the same seed, settings and set.
    pub threads: usize,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instruction_set: String,
    /// Epochs that ran, and the one whose weights these are (counted from 1).
    pub epochs: usize,
    pub best_epoch: usize,
    pub settings: serde_json::Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format_version: u32,
    pub name: String,
    pub task: Task,
    /// Of a model that finds defects the first is `good`; of one that writes down what is said they are its
    /// words.
    pub classes: Vec<String>,
    pub input: InputSpec,
    pub graph: Graph,
    pub calibration: Calibration,
    pub regions: RegionSettings,
    pub data: DataNote,
    /// What is normal for these data; absent in packages that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norms: Option<DataNorms>,
    /// On the evidence groups.
    pub metrics: BTreeMap<String, Metric>,
    pub evidence: Vec<EvidenceGroup>,
    pub training: TrainingNote,
    /// BLAKE3 of `weights.safetensors`.
    pub weights_blake3: String,
}

/// The classes that a network has outputs for.
pub(crate) fn shown(task: Task, classes: &[String]) -> &[String] {
    match task {
        Task::Defect => classes.get(1..).unwrap_or_default(),
        Task::Classify | Task::Transcribe => classes,
    }
}

/// The shortest side along which windows follow each other: of a sound it is time alone.
fn shortest_way(input: &InputSpec) -> u32 {
    if input.sound.is_some() { input.width_px } else { input.width_px.min(input.height_px) }
}

impl Manifest {
    /// Parses and checks; the error names the line or the field.
    pub fn parse(bytes: &[u8]) -> Result<Self, InferError> {
        let invalid = |error: serde_json::Error| InferError::Manifest(error.to_string());
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(invalid)?;
        // A newer format may have other fields: say that, instead of naming an unknown field.
        if let Some(found) = value.get("format_version").and_then(serde_json::Value::as_u64)
            && found > u64::from(FORMAT_VERSION)
        {
            return Err(InferError::Version { found });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(invalid)?;
        manifest.check().map_err(InferError::Manifest)?;
        Ok(manifest)
    }

    /// The classes that the network has outputs for, in their order: all of a model that names items, the
    /// defects of one that finds them.
    #[must_use]
    pub fn shown(&self) -> &[String] {
        shown(self.task, &self.classes)
    }

    fn check(&self) -> Result<(), String> {
        let begins_good = self.classes.first().map(String::as_str) == Some(Label::GOOD);
        match self.task {
            Task::Defect if !begins_good || self.classes.len() < 2 => {
                return Err(format!(
                    "classes must be \"good\" and at least one defect, not {:?}",
                    self.classes
                ));
            }
            Task::Classify if self.classes.len() < 2 => {
                return Err(format!("a model that names items needs two classes, not {:?}", self.classes));
            }
            Task::Transcribe if self.classes.is_empty() || self.input.sound.is_none() => {
                return Err("a model that writes down what is said needs words, and sounds".to_owned());
            }
            Task::Defect | Task::Classify | Task::Transcribe => {}
        }
        if self.classes.iter().collect::<BTreeSet<_>>().len() != self.classes.len() {
            return Err(format!("classes repeat: {:?}", self.classes));
        }
        self.input.check()?;
        let c = self.calibration;
        if !(c.slope > 0.0 && c.slope.is_finite() && c.intercept.is_finite() && c.class_temperature > 0.0) {
            return Err("calibration needs a positive slope and temperature".to_owned());
        }
        self.check_graph()
    }

    fn check_graph(&self) -> Result<(), String> {
        if self.graph.input_channels != self.input.planes() {
            return Err(format!(
                "the graph takes {} channels, the input gives {}",
                self.graph.input_channels,
                self.input.planes()
            ));
        }
        let (height, width) = (self.input.height_px as usize, self.input.width_px as usize);
        let shapes = self.graph.shapes(height, width).map_err(|error| error.to_string())?;
        let stride = PIXEL_STRIDE as usize;
        let classes = self.shown().len();
        let maps = [(PIXEL_OUTPUT, classes, height / stride, width / stride), (ITEM_OUTPUT, classes, 1, 1)];
        // One more than words: nothing is said.
        let frames = [(FRAME_OUTPUT, classes + 1, 1, width / FRAME_STRIDE as usize)];
        let wanted = if self.task == Task::Transcribe { &frames[..] } else { &maps };
        for &(role, classes, rows, columns) in wanted {
            let node =
                self.graph.outputs.get(role).ok_or_else(|| format!("the graph has no output \"{role}\""))?;
            let shape = shapes[node.as_str()];
            if (shape.channels, shape.height, shape.width) != (classes, rows, columns) {
                return Err(format!("output \"{role}\" is {shape}, expected {classes} × {rows} × {columns}"));
            }
        }
        Ok(())
    }
}
