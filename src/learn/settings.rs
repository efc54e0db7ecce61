//! What a training can be told, and sensible choices from the data where it is told nothing.

use super::data::{Listening, Look, medium};
use super::speech::SpeechSettings;
use crate::domain::{DataVersion, LabelledItem, MediaKind, Task, TranscriptRule};
use crate::infer::{InputSpec, Levels, Manifest, View};
use crate::media::MelSpec;
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
            command: String::new(),
            description: String::new(),
            licence: String::new(),
            population: None,
            line: None,
            data: DataTrail::default(),
        }
    }
}

/// Of packages from before there was a share.
const fn whole() -> f64 {
    1.0
}

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

    /// Where the first weights are those of a model of other goods: finer pictures than a network from nothing
    /// would make use of, and no logit of the item's own, which learns a few items by heart. Chosen on magnetic
    /// tiles, see `models/README.md`.
    #[must_use]
    pub fn with_transfer(self) -> Self {
        Self {
            transfer: true,
            side_px: TRANSFER_SIDE_PX,
            window_px: TRANSFER_SIDE_PX,
            loss: LossParts { head: 0.0, ..self.loss },
            ..self
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
            () if !items.is_empty() && items.iter().all(|item| item.reference.is_some()) => {
                Self::with_reference()
            }
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

impl TrainSettings {
    /// Epochs for a training of so many items.
    pub(super) fn epochs_by_itself(&self, task: Task, items: usize) -> usize {
        let (examples, [least, most]) = match task {
            Task::Transcribe => (SPOKEN_DEFAULT, [SPOKEN_EPOCHS_MIN, EPOCHS_MAX]),
            _ if self.transfer => (TRANSFER_EXAMPLES, TRANSFER_EPOCHS),
            _ => (EXAMPLES_DEFAULT, [EPOCHS_MIN, EPOCHS_MAX]),
        };
        examples.div_ceil(items.max(1)).clamp(least, most)
    }
}

/// Side of a square input; about 165 M multiply-accumulates.
pub(super) const SIDE_PX: u32 = 256;
/// The same for a network that sees from the start: it finds what is finer.
const TRANSFER_SIDE_PX: u32 = 352;
/// Views up to this many times the area of a window are shown whole.
const WINDOW_SHARE_MAX: f32 = 1.7;
/// Several times the width of a fine defect, and a fraction of an item.
const LOCAL_PX: u32 = 12;
/// A defect thinner than this in the network's input gives its output (stride 4) less than one
/// cell and a half, and is lost.
const DEFECT_SIDE_MIN_PX: f32 = 6.0;
/// Tiles overlap by an eighth, so that a small defect is whole in one of them.
const OVERLAP_PX: u32 = 32;
/// Inputs stay between 1 : 3 and 3 : 1; shapes that are tried on either side of the square.
const ASPECT_MAX: f32 = 3.0;
const ASPECT_STEPS: i16 = 8;
/// By how much whole blocks of 32 px may exceed the area that was asked for.
const AREA_ROUNDED: f32 = 1.02;

/// Items whose ratios of width to height differ by more than this are not pressed into one shape.
const ASPECTS_ALIKE: f32 = 1.15;

/// What one training example shows: the whole view, or a window of a view that is much larger. A
/// window does not show the whole item, so the item's own logit stays silent then.
pub(super) fn window(spec: &InputSpec, window_px: u32) -> InputSpec {
    let is_larger = spec.area() as f32 > WINDOW_SHARE_MAX * (window_px as f32).powi(2);
    if window_px == 0 || !is_larger || matches!(spec.view, View::Tiles { .. }) {
        return spec.clone();
    }
    let side = window_px.next_multiple_of(32).min(spec.width_px).min(spec.height_px);
    InputSpec { width_px: side, height_px: side, view: View::Tiles { overlap_px: 0 }, ..spec.clone() }
}

/// Chooses channels, size, view and reference from what the data look like.
pub(super) fn choose_input(look: &Look, settings: &TrainSettings) -> InputSpec {
    let aspect = (look.width / look.height).clamp(1.0 / ASPECT_MAX, ASPECT_MAX);
    // The area stays that of the square, so that the time per item does.
    let side = |ratio: f32| {
        let px = settings.side_px as f32 * ratio.sqrt();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most twice the side")]
        let blocks = (px / 32.0).round() as u32;
        blocks.max(1) * 32
    };
    let shape = |aspect: f32| [side(aspect), side(1.0 / aspect)];
    let [width_px, height_px] = shape(aspect);
    let shrink = (look.width / width_px as f32).max(look.height / height_px as f32);
    let lost = look.defect_side.is_some_and(|d| d / shrink < DEFECT_SIDE_MIN_PX);
    let by_itself = match look {
        _ if lost && shrink > 1.0 => ViewChoice::Tiles,
        look if look.aspects > ASPECTS_ALIKE => ViewChoice::Fit,
        _ => ViewChoice::Single,
    };
    let (view, [width_px, height_px]) = match settings.view.unwrap_or(by_itself) {
        ViewChoice::Single => (View::Single, [width_px, height_px]),
        ViewChoice::Fit => {
            let ratio = |step: i16| ASPECT_MAX.powf(f32::from(step) / f32::from(ASPECT_STEPS));
            let area_max = AREA_ROUNDED * (settings.side_px as f32).powi(2);
            let others = (-ASPECT_STEPS..=ASPECT_STEPS).map(|step| shape(ratio(step)));
            let as_large = others.filter(|[width, height]| (width * height) as f32 <= area_max);
            (View::Fit, least_shrunk(&look.sizes, std::iter::once([width_px, height_px]).chain(as_large)))
        }
        ViewChoice::Tiles => {
            (View::Tiles { overlap_px: OVERLAP_PX }, [settings.side_px.next_multiple_of(32); 2])
        }
    };
    let channels: u32 = if look.grey { 1 } else { 3 };
    InputSpec {
        width_px,
        height_px,
        channels,
        levels: Levels::PerItem,
        mean: vec![0.5; channels as usize],
        std: vec![0.165; channels as usize],
        view,
        reference: look.reference,
        local_px: settings.local_px.unwrap_or(if look.reference { 0 } else { LOCAL_PX }),
        sound: None,
        difference: look.reference && settings.difference,
    }
}

/// The shape of an input that items are shrunk least for; the first where several do as well. Some stand and some
/// lie: for the median's shape those of the other kind would be shrunk to a third.
fn least_shrunk(sizes: &[[f32; 2]], shapes: impl Iterator<Item = [u32; 2]>) -> [u32; 2] {
    let loss = |[width, height]: [u32; 2]| -> f32 {
        let shrink = |[w, h]: &[f32; 2]| (w / width as f32).max(h / height as f32).max(1.0);
        sizes.iter().map(|size| shrink(size).ln()).sum()
    };
    shapes.min_by(|a, b| loss(*a).total_cmp(&loss(*b))).unwrap_or([SIDE_PX; 2])
}

/// Sounds are looked at in as many bands, over at most so many columns; longer ones in windows of these.
const BANDS: u32 = 64;
const COLUMNS_MAX: u32 = 512;
/// Of sounds with a class that nobody has placed in them: those teach it only where they are heard whole. The
/// widest input that a package may have.
const WHOLE_COLUMNS_MAX: u32 = 2048;
/// Seconds from one column to the next: finer than this, recordings of a few seconds gain nothing.
const HOP_SECS: f64 = 0.01;
const WINDOW_SECS: f64 = 0.032;
/// What is coarser than this is no longer heard: a knock would be a fraction of a column.
const HOP_MAX_SECS: f64 = 0.05;
/// Lowest and highest frequency that is looked at, as far as the recordings have it.
const LOW_HZ: f64 = 40.0;
const HIGH_HZ: f64 = 16_000.0;
/// Below half the rate recordings fade out.
pub(super) const USED_BAND: f64 = 0.96;

/// Chooses the picture of sounds from what the recordings are like.
pub(super) fn choose_hearing(listening: &Listening, settings: &TrainSettings) -> InputSpec {
    let whole_secs = listening.whole_secs.unwrap_or(0.0);
    let hop_secs = (whole_secs / f64::from(WHOLE_COLUMNS_MAX)).clamp(HOP_SECS, HOP_MAX_SECS);
    let sound = MelSpec {
        bands: BANDS,
        low_hz: LOW_HZ,
        high_hz: HIGH_HZ.min(USED_BAND * f64::from(listening.rate_hz) / 2.0).round(),
        hop_secs,
        // Half of each window lies in the next, so that nothing falls between two.
        window_secs: WINDOW_SECS.max(2.0 * hop_secs),
        range_db: None,
    };
    let width = |secs, most| sound.columns(secs).next_multiple_of(32).min(most);
    let width_px = width(listening.secs, COLUMNS_MAX).max(width(whole_secs, WHOLE_COLUMNS_MAX));
    InputSpec {
        width_px,
        height_px: sound.bands,
        channels: 1,
        levels: Levels::PerItem,
        mean: vec![0.5],
        std: vec![0.165],
        // What lies on the border of one is whole in another.
        view: View::Tiles { overlap_px: (width_px / 2).min(sound.bands - 1) },
        reference: false,
        local_px: settings.local_px.unwrap_or(0),
        sound: Some(sound),
        difference: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standing_and_lying_items_are_shrunk_alike() {
        let look = |sizes: Vec<[f32; 2]>| Look {
            width: 230.0,
            height: 330.0,
            sizes,
            aspects: 3.0,
            defect_side: None,
            grey: true,
            reference: false,
        };
        let side = |sizes| {
            let spec = choose_input(&look(sizes), &TrainSettings::default());
            assert_eq!(spec.view, View::Fit);
            [spec.width_px, spec.height_px]
        };
        // All standing: the median's shape. Half of them lying: neither suffers alone.
        assert_eq!(side(vec![[230.0, 330.0]; 4]), [224, 288]);
        let mixed = side([[230.0, 330.0], [600.0, 240.0]].repeat(4));
        let shrink = |[w, h]: [f32; 2]| (w / mixed[0] as f32).max(h / mixed[1] as f32);
        assert!(shrink([600.0, 240.0]) < 2.2 && shrink([230.0, 330.0]) < 1.6, "{mixed:?}");
    }
}
