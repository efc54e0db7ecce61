//! Labelled files → samples, decoded and resized once for all epochs as far as there is memory, and again
//! whenever their turn comes where there is not.

use super::LearnError;
use super::speech::Take;
use super::stand_out::stand_out;
use crate::domain::{InputStats, Label, LabelStatus, LabelledItem, MediaKind, Shape, Task, TranscriptRule};
use crate::infer::{Input, InputSpec, View, prepare, seen};
use crate::media::{Decoded, Raster, Sound, decode, resize};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many items are looked at to choose the input; enough for medians.
const LOOKED_AT: usize = 64;
/// One good item for so many defective ones, where references have to stand for them: most of a
/// defective picture is good as well.
const GOLDEN_STEP: usize = 8;
/// Canvases that stay in memory through a training: thousands of resized items, or some hundred whole
/// photographs; on a machine of 8 GB there is room for a station beside it.
const KEPT_BYTES_MAX: usize = 2 << 30;

/// What a data set of pictures looks like, as far as the choice of the input needs it.
pub(super) struct Look {
    /// Medians in pixels.
    pub width: f32,
    pub height: f32,
    /// Widths and heights of those that were looked at.
    pub sizes: Vec<[f32; 2]>,
    /// The widest tenth of the items by the narrowest, as ratios of width to height.
    pub aspects: f32,
    /// Lower quartile of the shorter sides of defects, in source pixels.
    pub defect_side: Option<f32>,
    pub grey: bool,
    pub reference: bool,
    pub has_rare_class: bool,
}

/// What a data set of sounds is like.
pub(super) struct Listening {
    /// That nine of ten do not exceed.
    pub secs: f64,
    /// The same of those with a class that nobody has placed in them; they are heard whole or not at all.
    pub whole_secs: Option<f64>,
    /// Median.
    pub rate_hz: u32,
}

/// What the network is to say of an item.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Classes that it has outputs for.
    pub classes: &'a [String],
    /// Where the task is to write down what is said.
    pub rule: Option<&'a TranscriptRule>,
    /// A sound that is heard whole and has one name, which nobody has placed, is where it stands out.
    pub stands_out: bool,
}

impl<'a> Wanted<'a> {
    /// Of marked classes, and nothing that nobody has marked.
    pub fn classes(classes: &'a [String]) -> Self {
        Self { classes, rule: None, stands_out: false }
    }
}

/// Where an item's canvas comes from.
#[derive(Clone, Copy)]
struct Source<'a> {
    item: &'a LabelledItem,
    spec: &'a InputSpec,
    wanted: Wanted<'a>,
}

/// What the network can see of an item, and where its classes are.
#[derive(Clone)]
pub(super) struct Canvas {
    pub input: Input,
    /// Class → coverage of each canvas pixel (0 to 255), for classes with a place.
    pub masks: Vec<(usize, Vec<u8>)>,
    /// Beyond the picture its border is repeated, as in use; else there is nothing to see.
    pub repeats_border: bool,
}

impl Canvas {
    fn bytes(&self) -> usize {
        self.input.canvas().0.len() + self.masks.iter().map(|(_, mask)| mask.len()).sum::<usize>()
    }
}

/// One item, to be augmented or measured.
pub(super) struct Sample<'a> {
    /// Position in the caller's list.
    pub item: usize,
    source: Source<'a>,
    kept: Option<Canvas>,
    /// Of the item's bytes.
    hash: blake3::Hash,
    /// Width and height of the canvas.
    size: [usize; 2],
    /// For each class that the network has an output for: the item has it.
    pub positive: Vec<bool>,
    /// For each of these: the item has it, but nobody said where.
    pub unplaced: Vec<bool>,
    /// Of the item as it came.
    pub stats: InputStats,
    /// Where the task is to write down what is said.
    pub take: Option<Take>,
}

impl Sample<'_> {
    /// The thing that it is a picture or a sound of; there may be several.
    pub fn unit(&self) -> &str {
        &self.source.item.group
    }

    pub fn is_defective(&self) -> bool {
        self.positive.contains(&true)
    }

    /// Whether somebody said where one of its classes is.
    pub fn is_placed(&self) -> bool {
        self.positive.iter().zip(&self.unplaced).any(|(positive, unplaced)| *positive && !unplaced)
    }

    /// Whether the network never sees as much of it at once as it takes to learn its classes: nobody said
    /// where they are, and it does not fit into the input.
    pub fn is_beyond(&self) -> bool {
        let Source { spec, .. } = self.source;
        let is_larger = self.size[0] > spec.width_px as usize || self.size[1] > spec.height_px as usize;
        is_larger && self.is_defective() && !self.is_placed()
    }

    /// Decoded again where there was no room to keep it: the same bytes give the same canvas.
    pub fn canvas(&self) -> Result<Cow<'_, Canvas>, LearnError> {
        if let Some(kept) = &self.kept {
            return Ok(Cow::Borrowed(kept));
        }
        let gone = |reason| LearnError::Gone { reason, path: self.source.item.path.display().to_string() };
        let (canvas, _, hash, _) = canvas(self.source).map_err(gone)?;
        if hash == self.hash { Ok(Cow::Owned(canvas)) } else { Err(gone("it has changed".to_owned())) }
    }
}

/// Why an item cannot be used, or `None`.
pub(super) fn unusable(item: &LabelledItem) -> Option<String> {
    (item.label.status != LabelStatus::Confirmed).then(|| format!("its label is \"{}\"", item.label.status))
}

fn read(path: &Path) -> Result<(Decoded, blake3::Hash), String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{error}: {}", path.display()))?;
    let decoded = decode(&bytes).map_err(|error| error.to_string())?;
    Ok((decoded, blake3::hash(&bytes)))
}

fn read_image(path: &Path) -> Result<Raster, String> {
    match read(path)?.0 {
        Decoded::Image(image) => Ok(image),
        Decoded::Sound(_) => Err("a sound where a picture should be".to_owned()),
    }
}

fn read_sound(path: &Path) -> Result<Sound, String> {
    match read(path)?.0 {
        Decoded::Sound(sound) => Ok(sound),
        Decoded::Image(_) => Err("a picture where a sound should be".to_owned()),
    }
}

/// The item, decoded, its reference, and the hash of its bytes.
pub(super) fn decoded(item: &LabelledItem) -> Result<(Decoded, Option<Raster>, blake3::Hash), String> {
    let (decoded, hash) = read(&item.path)?;
    Ok((decoded, item.reference.as_deref().map(read_image).transpose()?, hash))
}

/// What most of the usable items are: a model looks at pictures or listens to sounds.
pub(super) fn medium<'a>(items: impl IntoIterator<Item = &'a LabelledItem>) -> MediaKind {
    let usable = items.into_iter().filter(|item| unusable(item).is_none());
    let (sounds, all) = usable.fold((0_usize, 0_usize), |(sounds, all), item| {
        (sounds + usize::from(item.kind == MediaKind::Audio), all + 1)
    });
    if 2 * sounds > all { MediaKind::Audio } else { MediaKind::Image }
}

/// In alphabetical order, but `good` first where there are defects to find.
pub(super) fn classes(items: &[&LabelledItem], task: Task) -> Vec<String> {
    let mut names: BTreeSet<&str> = items.iter().flat_map(|item| item.label.classes()).collect();
    let first = (task == Task::Defect).then(|| {
        names.remove(Label::GOOD);
        Label::GOOD
    });
    first.into_iter().chain(names).map(str::to_owned).collect()
}

/// All words that are said.
pub(super) fn words(items: &[&LabelledItem], rule: &TranscriptRule) -> Vec<String> {
    let said = items.iter().map(|item| rule.truth(&item.label));
    let words = said.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    words.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Where every item has a defect and a golden reference, some references stand for the good items
/// that are missing: compared with themselves. A model that names items (`task`) has no use for them.
pub(super) fn goldens(items: &[LabelledItem], task: Option<Task>) -> Vec<LabelledItem> {
    if task.is_some_and(|task| task != Task::Defect) || items.iter().any(|item| item.label.is_good()) {
        return Vec::new();
    }
    let golden = |item: &LabelledItem| {
        Some(LabelledItem {
            path: item.reference.clone()?,
            name: format!("{} (reference)", item.name),
            label: Label::confirmed(Label::GOOD),
            votes: Vec::new(),
            ..item.clone()
        })
    };
    items.iter().step_by(GOLDEN_STEP).filter_map(golden).collect()
}

/// Sizes, colours and defects of a handful of items (every n-th).
pub(super) fn look(items: &[&LabelledItem]) -> Result<Look, LearnError> {
    let step = items.len().div_ceil(LOOKED_AT).max(1);
    // Only what is asked of them: whole photographs would fill the memory.
    let seen: Vec<(f32, f32, u32)> = items
        .par_iter()
        .step_by(step)
        .filter_map(|item| read_image(&item.path).ok())
        .map(|image| (image.width as f32, image.height as f32, image.channels))
        .collect();
    if seen.is_empty() {
        return Err(LearnError::TooLittle("no image could be decoded".to_owned()));
    }
    let sides = items.iter().flat_map(|item| item.label.regions.iter()).filter_map(|r| r.shape.bounds());
    let defect_side = quantile(sides.map(|b| (b.x2 - b.x1).min(b.y2 - b.y1)).collect(), 0.25);
    let aspects = |share| quantile(seen.iter().map(|(width, height, _)| width / height).collect(), share);
    let grey = seen.iter().all(|(.., channels)| *channels == 1);
    Ok(Look {
        width: quantile(seen.iter().map(|(width, ..)| *width).collect(), 0.5).unwrap_or(1.0),
        height: quantile(seen.iter().map(|(_, height, _)| *height).collect(), 0.5).unwrap_or(1.0),
        aspects: aspects(0.9).unwrap_or(1.0) / aspects(0.1).unwrap_or(1.0),
        sizes: seen.iter().map(|(width, height, _)| [*width, *height]).collect(),
        defect_side,
        grey,
        reference: items.iter().all(|item| item.reference.is_some()),
        has_rare_class: has_rare_class(items),
    })
}

/// Of a class with fewer units than this each counts.
const RARE_UNITS: usize = 12;

/// Whether a class has few units: too few to let some of them only validate, or to make scores steady.
pub(super) fn has_rare_class(items: &[&LabelledItem]) -> bool {
    let mut units: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for item in items {
        for class in item.label.classes() {
            units.entry(class).or_default().insert(&item.group);
        }
    }
    units.values().any(|units| units.len() < RARE_UNITS)
}

/// Lengths and rates of a handful of sounds (every n-th); `classes` are those to be learnt.
pub(super) fn listen(items: &[&LabelledItem], classes: &[String]) -> Result<Listening, LearnError> {
    let step = items.len().div_ceil(LOOKED_AT).max(1);
    // Only what is asked of them: whole recordings would fill the memory.
    let heard: Vec<(u32, f32, bool)> = items
        .par_iter()
        .step_by(step)
        .filter_map(|item| Some((item, read_sound(&item.path).ok()?)))
        .map(|(item, sound)| {
            #[expect(clippy::cast_possible_truncation, reason = "seconds")]
            let secs = sound.secs() as f32;
            (sound.rate_hz, secs, is_unplaced(item, classes))
        })
        .collect();
    let mut rates: Vec<u32> = heard.iter().map(|(rate_hz, ..)| *rate_hz).collect();
    rates.sort_unstable();
    let rate_hz = rates.get(rates.len() / 2).copied();
    let secs = quantile(heard.iter().map(|(_, secs, _)| *secs).collect(), 0.9);
    let whole = heard.iter().filter(|(.., unplaced)| *unplaced).map(|(_, secs, _)| *secs).collect();
    let (Some(rate_hz), Some(secs)) = (rate_hz, secs) else {
        return Err(LearnError::TooLittle("no sound could be decoded".to_owned()));
    };
    Ok(Listening { secs: f64::from(secs), whole_secs: quantile(whole, 0.9).map(f64::from), rate_hz })
}

/// Whether the item has one of these classes and nobody said where.
fn is_unplaced(item: &LabelledItem, classes: &[String]) -> bool {
    let has_place = |class: &str| {
        item.label.regions.iter().any(|region| region.class == class && region.shape != Shape::Whole)
    };
    let of_item = item.label.classes();
    classes.iter().any(|class| of_item.contains(class.as_str()) && !has_place(class))
}

/// The value that so large a share of the values does not exceed.
fn quantile(mut values: Vec<f32>, share: f32) -> Option<f32> {
    values.sort_by(f32::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let at = (values.len() as f32 * share) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied()
}

/// What came of loading: samples in the items' order, what was skipped and why, and the hash of
/// the data (names, labels, bytes).
pub(super) struct Loaded<'a> {
    pub samples: Vec<Sample<'a>>,
    pub skipped: Vec<(String, String)>,
    pub hash: String,
}

pub(super) fn load<'a>(
    items: &[&'a LabelledItem],
    spec: &'a InputSpec,
    wanted: Wanted<'a>,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Loaded<'a>, LearnError> {
    load_within(KEPT_BYTES_MAX, items, spec, wanted, cancel, progress)
}

/// Enough to keep every core busy.
const READ_BETWEEN_REPORTS: usize = 32;

/// Keeps no more than so many bytes of canvases. Which ones is left to chance and changes nothing.
/// `progress` is told how many items of all were read.
pub(super) fn load_within<'a>(
    bytes_max: usize,
    items: &[&'a LabelledItem],
    spec: &'a InputSpec,
    wanted: Wanted<'a>,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Loaded<'a>, LearnError> {
    let kept_bytes = AtomicUsize::new(0);
    let has_room = |bytes: usize| kept_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= bytes_max;
    let mut results: Vec<Result<Sample<'a>, String>> = Vec::with_capacity(items.len());
    for part in items.chunks(READ_BETWEEN_REPORTS) {
        let first = results.len();
        results.par_extend(part.par_iter().enumerate().map(|(index, &item)| {
            if cancel.load(Ordering::Relaxed) {
                return Err("stopped".to_owned());
            }
            let mut sample = sample(first + index, Source { item, spec, wanted })?;
            sample.kept = sample.kept.filter(|canvas| has_room(canvas.bytes()));
            Ok(sample)
        }));
        if cancel.load(Ordering::Relaxed) {
            return Err(LearnError::Cancelled);
        }
        progress(results.len(), items.len());
    }
    let mut loaded = Loaded { samples: Vec::new(), skipped: Vec::new(), hash: String::new() };
    let mut hasher = blake3::Hasher::new();
    for (item, result) in items.iter().zip(results) {
        match result {
            Ok(sample) => {
                hash_item(&mut hasher, item, &sample.hash);
                loaded.samples.push(sample);
            }
            Err(reason) => loaded.skipped.push((item.name.clone(), reason)),
        }
    }
    loaded.hash = hasher.finalize().to_hex().to_string();
    Ok(loaded)
}

/// Folds one item into a data hash.
pub(super) fn hash_item(hasher: &mut blake3::Hasher, item: &LabelledItem, bytes: &blake3::Hash) {
    let label = serde_json::to_string(&item.label).unwrap_or_default();
    for part in [item.name.as_bytes(), item.group.as_bytes(), label.as_bytes(), bytes.as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
}

fn sample(index: usize, source: Source<'_>) -> Result<Sample<'_>, String> {
    let (canvas, stats, hash, take) = canvas(source)?;
    let labels = source.item.label.classes();
    let positive: Vec<bool> = source.wanted.classes.iter().map(|c| labels.contains(c.as_str())).collect();
    let mut unplaced = positive.clone();
    for (class, _) in &canvas.masks {
        unplaced[*class] = false;
    }
    let (_, width, height) = canvas.input.canvas();
    let size = [width, height];
    Ok(Sample { item: index, source, kept: Some(canvas), hash, size, positive, unplaced, stats, take })
}

/// With what the item measures, the hash of its bytes, and the take where it is one.
type Decoding = (Canvas, InputStats, blake3::Hash, Option<Take>);

fn canvas(source: Source<'_>) -> Result<Decoding, String> {
    let Source { item, spec, wanted: Wanted { classes, rule, stands_out } } = source;
    let (decoded, hash) = read(&item.path)?;
    let take = match (rule, &decoded) {
        (Some(rule), Decoded::Sound(sound)) => Some(Take::new(item, sound, classes, rule)?),
        _ => None,
    };
    // Words have no place that anybody has drawn.
    let classes = if rule.is_some() { &[] } else { classes };
    let image = seen(spec, &decoded).map_err(|error| error.to_string())?;
    let reference = match (&item.reference, spec.reference) {
        (Some(path), true) => Some(read_image(path)?),
        _ => None,
    };
    let input = prepare(spec, &image, reference.as_ref()).map_err(|error| error.to_string())?;
    let fitted = |mask: &Raster| fit(mask, &input).map_err(|error| error.to_string());
    let mut masks = Vec::new();
    for (class, name) in classes.iter().enumerate() {
        let (width, height) = (image.width as usize, image.height as usize);
        let mut mask = vec![0_u8; width * height];
        let mut placed = false;
        for region in item.label.regions.iter().filter(|r| r.class == *name) {
            placed |= drawn(spec, &region.shape).draw(width, height, &mut mask);
        }
        if placed {
            let mask = Raster { width: image.width, height: image.height, channels: 1, pixels: mask };
            masks.push((class, fitted(&mask)?));
        }
    }
    let is_heard_whole = spec.sound.is_some() && input.canvas().1 <= spec.width_px as usize;
    if stands_out && masks.is_empty() && is_heard_whole {
        let named = item.label.classes();
        let of_item: Vec<usize> =
            (0..classes.len()).filter(|class| named.contains(classes[*class].as_str())).collect();
        if let ([class], Some(mask)) = (of_item.as_slice(), stand_out(&image)) {
            masks.push((*class, fitted(&mask)?));
        }
    }
    let is_tiled_picture = matches!(spec.view, View::Tiles { .. }) && spec.sound.is_none();
    let repeats_border = is_tiled_picture || input.tile_count() > 1;
    Ok((Canvas { input, masks, repeats_border }, decoded.stats(), hash, take))
}

/// A place on the picture that the network sees.
pub(super) fn drawn(spec: &InputSpec, shape: &Shape) -> Shape {
    spec.sound.as_ref().map_or_else(|| shape.clone(), |sound| sound.drawn(shape))
}

/// A source mask on the input's canvas.
fn fit(mask: &Raster, input: &Input) -> Result<Vec<u8>, crate::infer::InferError> {
    let (_, width, height) = input.canvas();
    let [columns, rows] = input.picture();
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let picture = resize(mask, side(columns), side(rows))?;
    let mut canvas = vec![0; width * height];
    for (row, source) in canvas.chunks_exact_mut(width).zip(picture.pixels.chunks_exact(columns)) {
        row[..columns].copy_from_slice(source);
    }
    Ok(canvas)
}
