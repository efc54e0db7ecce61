//! Labelled files → samples in memory, decoded and resized once for all epochs.

use super::LearnError;
use crate::domain::{ImageStats, Label, LabelStatus, LabelledItem, MediaKind};
use crate::infer::{Input, InputSpec, prepare};
use crate::media::{Raster, decode_image, image_stats, resize};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many items are looked at to choose the input; enough for medians.
const LOOKED_AT: usize = 64;
/// One good item for so many defective ones, where references have to stand for them: most of a
/// defective picture is good as well.
const GOLDEN_STEP: usize = 8;

/// What a data set looks like, as far as the choice of the input needs it.
pub(super) struct Look {
    /// Medians in pixels.
    pub width: f32,
    pub height: f32,
    /// The widest tenth of the items by the narrowest, as ratios of width to height.
    pub aspects: f32,
    /// Lower quartile of the shorter sides of defects, in source pixels.
    pub defect_side: Option<f32>,
    pub grey: bool,
    pub reference: bool,
}

/// One item, ready to be augmented or measured.
pub(super) struct Sample {
    /// Position in the caller's list.
    pub item: usize,
    pub input: Input,
    /// Defect class → coverage of each canvas pixel (0 to 255), for classes with a place.
    pub masks: Vec<(usize, Vec<u8>)>,
    /// For each defect class: the item has it.
    pub positive: Vec<bool>,
    /// For each defect class: the item has it, but nobody said where.
    pub unplaced: Vec<bool>,
    /// Of the picture as it came.
    pub stats: ImageStats,
}

impl Sample {
    pub fn is_defective(&self) -> bool {
        self.positive.iter().any(|p| *p)
    }
}

/// Why an item cannot be used, or `None`.
pub(super) fn unusable(item: &LabelledItem) -> Option<String> {
    if item.kind != MediaKind::Image {
        return Some(format!("{} is no image", item.kind.as_str()));
    }
    (item.label.status != LabelStatus::Confirmed).then(|| format!("its label is \"{}\"", item.label.status))
}

fn read(path: &std::path::Path) -> Result<(Raster, blake3::Hash), String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{error}: {}", path.display()))?;
    let raster = decode_image(&bytes).map_err(|error| error.to_string())?;
    Ok((raster, blake3::hash(&bytes)))
}

/// The item's pixels, and those of its reference.
pub(super) fn rasters(item: &LabelledItem) -> Result<(Raster, Option<Raster>), String> {
    let image = read(&item.path)?.0;
    let reference = item.reference.as_deref().map(|path| read(path).map(|r| r.0)).transpose()?;
    Ok((image, reference))
}

/// `good`, then every defect class in alphabetical order.
pub(super) fn classes(items: &[&LabelledItem]) -> Vec<String> {
    let mut names: BTreeSet<&str> = items.iter().flat_map(|item| item.label.classes()).collect();
    names.remove(Label::GOOD);
    std::iter::once(Label::GOOD).chain(names).map(str::to_owned).collect()
}

/// Where every item has a defect and a golden reference, some references stand for the good items
/// that are missing: compared with themselves.
pub(super) fn goldens(items: &[LabelledItem]) -> Vec<LabelledItem> {
    if items.iter().any(|item| item.label.is_good()) {
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
    let seen: Vec<(&LabelledItem, Raster)> =
        items.par_iter().step_by(step).filter_map(|item| Some((*item, read(&item.path).ok()?.0))).collect();
    if seen.is_empty() {
        return Err(LearnError::TooLittle("no image could be decoded".to_owned()));
    }
    let median = |mut values: Vec<f32>, share: f32| {
        values.sort_by(f32::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let at = (values.len() as f32 * share) as usize;
        values.get(at.min(values.len().saturating_sub(1))).copied()
    };
    let sides = items.iter().flat_map(|item| item.label.regions.iter()).filter_map(|r| r.shape.bounds());
    let defect_side = median(sides.map(|b| (b.x2 - b.x1).min(b.y2 - b.y1)).collect(), 0.25);
    let aspects = |share| median(seen.iter().map(|(_, r)| r.width as f32 / r.height as f32).collect(), share);
    let grey = seen.iter().all(|(_, r)| r.channels == 1);
    Ok(Look {
        width: median(seen.iter().map(|(_, r)| r.width as f32).collect(), 0.5).unwrap_or(1.0),
        height: median(seen.iter().map(|(_, r)| r.height as f32).collect(), 0.5).unwrap_or(1.0),
        aspects: aspects(0.9).unwrap_or(1.0) / aspects(0.1).unwrap_or(1.0),
        defect_side,
        grey,
        reference: items.iter().all(|item| item.reference.is_some()),
    })
}

/// What came of loading: samples in the items' order, what was skipped and why, and the hash of
/// the data (names, labels, bytes).
pub(super) struct Loaded {
    pub samples: Vec<Sample>,
    pub skipped: Vec<(String, String)>,
    pub hash: String,
}

pub(super) fn load(
    items: &[&LabelledItem],
    spec: &InputSpec,
    defects: &[String],
    cancel: &AtomicBool,
) -> Result<Loaded, LearnError> {
    let results: Vec<Result<(Sample, blake3::Hash), String>> = items
        .par_iter()
        .enumerate()
        .map(|(index, item)| {
            if cancel.load(Ordering::Relaxed) {
                return Err("stopped".to_owned());
            }
            sample(index, item, spec, defects)
        })
        .collect();
    if cancel.load(Ordering::Relaxed) {
        return Err(LearnError::Cancelled);
    }
    let mut loaded = Loaded { samples: Vec::new(), skipped: Vec::new(), hash: String::new() };
    let mut hasher = blake3::Hasher::new();
    for (item, result) in items.iter().zip(results) {
        match result {
            Ok((sample, hash)) => {
                hash_item(&mut hasher, item, &hash);
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

fn sample(
    index: usize,
    item: &LabelledItem,
    spec: &InputSpec,
    defects: &[String],
) -> Result<(Sample, blake3::Hash), String> {
    let (image, hash) = read(&item.path)?;
    let reference = match (&item.reference, spec.reference) {
        (Some(path), true) => Some(read(path)?.0),
        _ => None,
    };
    let input = prepare(spec, &image, reference.as_ref()).map_err(|error| error.to_string())?;
    let labels = item.label.classes();
    let positive: Vec<bool> = defects.iter().map(|d| labels.contains(d.as_str())).collect();
    let mut unplaced = positive.clone();
    let mut masks = Vec::new();
    for (class, name) in defects.iter().enumerate() {
        let (width, height) = (image.width as usize, image.height as usize);
        let mut mask = vec![0_u8; width * height];
        let mut placed = false;
        for region in item.label.regions.iter().filter(|r| r.class == *name) {
            placed |= region.shape.draw(width, height, &mut mask);
        }
        if placed {
            unplaced[class] = false;
            let mask = Raster { width: image.width, height: image.height, channels: 1, pixels: mask };
            masks.push((class, fit(&mask, &input).map_err(|error| error.to_string())?));
        }
    }
    Ok((Sample { item: index, input, masks, positive, unplaced, stats: image_stats(&image) }, hash))
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
