//! A package for other runtimes: the network as ONNX, and a description of everything around it
//! (pixels → input, outputs → probabilities and regions), complete enough to predict without this
//! program. Knows where neither goes.

use super::local::{LOCAL_MIDDLE, LOCAL_SPREAD, LOCAL_SPREAD_MIN};
use super::manifest::{Calibration, Levels, RegionSettings, View};
use super::package::weights_from_bytes;
use super::predict::{SAME_PLACE, WEAK_MARGIN, WEAK_SHARE_MAX};
use super::prepare::{
    DIFFERENCE_MIDDLE, DIFFERENCE_SPREAD, MID_GREY, PRIOR_COLUMNS, SPREAD_LEVELS, SPREAD_MIN_LEVELS,
};
use super::{InferError, Model};
use crate::domain::{ModelRef, Task};
use crate::nn::{INPUT, ITEM_OUTPUT, OPSET, PIXEL_OUTPUT, PIXEL_STRIDE, Shape3, to_onnx};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Version of the description; raised when a reader of the older one could misread it.
const DESCRIPTION_VERSION: u32 = 1;

/// How to use the ONNX file; its fields stand in the order of their use.
#[derive(Debug, Serialize)]
pub struct OnnxDescription {
    pub description_version: u32,
    pub package: ModelRef,
    pub opset: i64,
    /// The first is `good`; the outputs have a channel for each of the others, in this order.
    pub classes: Vec<String>,
    pub input: Tensor,
    /// From a picture to the input, in this order.
    pub preprocessing: Vec<Step>,
    /// By the name in the file.
    pub outputs: BTreeMap<String, Tensor>,
    /// From the outputs to what the program says of an item, in this order.
    pub postprocessing: Vec<Step>,
    pub calibration: Calibration,
    pub regions: RegionSettings,
}

#[derive(Debug, Serialize)]
pub struct Tensor {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Batch, channels, height, width.
    pub shape: [usize; 4],
    /// What each channel is.
    pub channels: Vec<String>,
    /// Canvas pixels for each cell, along either axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride_px: Option<u32>,
    pub meaning: &'static str,
}

/// Words for people and numbers for programs.
#[derive(Debug, Serialize)]
pub struct Step {
    #[serde(rename = "step")]
    pub name: &'static str,
    pub how: &'static str,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub with: Value,
}

fn step(name: &'static str, how: &'static str, with: Value) -> Step {
    Step { name, how, with }
}

impl Model {
    /// The network as the bytes of an ONNX file, which names this package.
    pub fn to_onnx(&self) -> Result<Vec<u8>, InferError> {
        let manifest = self.manifest();
        let (_, weights) = self.package();
        let named = self.model_ref();
        Ok(to_onnx(
            &manifest.graph,
            &weights_from_bytes(weights)?,
            manifest.input.height_px as usize,
            manifest.input.width_px as usize,
            &named.name,
            &[("package", &named.name), ("package_blake3", &named.hash)],
        )?)
    }

    /// What somebody needs beside the ONNX file. Only of models that find defects in pictures: of others the
    /// steps below are not what the program does.
    pub fn onnx_description(&self) -> Result<OnnxDescription, InferError> {
        let manifest = self.manifest();
        let is_sound = manifest.input.sound.is_some();
        if is_sound || manifest.task != Task::Defect {
            let why = if is_sound { "listens to sounds" } else { "names items" };
            return Err(InferError::NotForOthers(format!(
                "it {why}; only models that find defects in pictures can be described for other runtimes"
            )));
        }
        let input = &manifest.input;
        let shapes = manifest.graph.shapes(input.height_px as usize, input.width_px as usize)?;
        let tensor = |name: &str, shape: Shape3, channels: Vec<String>| Tensor {
            name: name.to_owned(),
            kind: "float32",
            shape: [1, shape.channels, shape.height, shape.width],
            channels,
            stride_px: (name == PIXEL_OUTPUT).then_some(PIXEL_STRIDE),
            meaning: meaning(name),
        };
        let output = |(role, layer): (&String, &String)| {
            let shape = shapes[layer.as_str()];
            (role.clone(), tensor(role, shape, manifest.shown().to_vec()))
        };
        Ok(OnnxDescription {
            description_version: DESCRIPTION_VERSION,
            package: self.model_ref().clone(),
            opset: OPSET,
            classes: manifest.classes.clone(),
            input: tensor(INPUT, shapes[INPUT], self.planes()),
            preprocessing: self.preprocessing(),
            outputs: manifest.graph.outputs.iter().map(output).collect(),
            postprocessing: self.postprocessing(),
            calibration: manifest.calibration,
            regions: manifest.regions,
        })
    }

    /// Names of the input's channels.
    fn planes(&self) -> Vec<String> {
        let input = &self.manifest().input;
        let colours: &[&str] = if input.channels == 1 { &["grey"] } else { &["red", "green", "blue"] };
        let of = |source: &'static str| colours.iter().map(move |colour| format!("{colour} of the {source}"));
        let photographs = &["image", "reference"][..input.photographs()];
        let local = photographs.iter().filter(|_| input.local_px > 0);
        let local = local.map(|source| format!("local contrast of the {source}"));
        let difference = input.difference.then(|| "difference of image and reference".to_owned());
        photographs.iter().flat_map(|source| of(source)).chain(local).chain(difference).collect()
    }

    fn preprocessing(&self) -> Vec<Step> {
        let input = &self.manifest().input;
        let mut steps = vec![step(
            "decode",
            "8 bits a channel (16 are scaled down), grey or RGB; upright (EXIF orientation applied); transparency laid over grey 128",
            Value::Null,
        )];
        if input.reference {
            steps.push(step(
                "reference",
                "a golden image aligned with the image goes through the same steps, with levels of its own; resized to the image where their sizes differ",
                Value::Null,
            ));
        }
        if input.view == View::Single {
            steps.push(step(
                "resize",
                "the whole image to this size, proportions not kept; a triangle filter that widens as the image shrinks, so that every source pixel counts (Pillow: BILINEAR), rounded to 8 bits; libraries differ by one level",
                json!({ "width_px": input.width_px, "height_px": input.height_px }),
            ));
        }
        if input.view == View::Fit {
            steps.push(step(
                "fit",
                "the whole image to the largest size that the input has room for, proportions kept: width_px × max(1, ⌊h · width_px / w + 1/2⌋) where w · height_px ≥ h · width_px, else max(1, ⌊w · height_px / h + 1/2⌋) × height_px; the filter of `resize`: a triangle that widens as the image shrinks (Pillow: BILINEAR), rounded to 8 bits. After `levels` it stands at the input's top left, all else of every channel is `grey`",
                json!({ "width_px": input.width_px, "height_px": input.height_px, "grey": MID_GREY }),
            ));
        }
        steps.push(if input.channels == 1 {
            step(
                "channels",
                "grey = ⌊(299 R + 587 G + 114 B + 500) / 1000⌋ where the image is RGB",
                Value::Null,
            )
        } else {
            step("channels", "RGB; a grey image three times", Value::Null)
        });
        steps.push(match input.levels {
            Levels::Absolute => step("levels", "as the camera gave them", json!({ "rule": input.levels })),
            Levels::PerItem => step(
                "levels",
                "over all channels and pixels of the image together, with their mean m and standard deviation s (divided by n): v ← round(middle + (v − m) · spread / max(s, spread_min)), halves away from zero, clamped to 0…255",
                json!({
                    "rule": input.levels, "middle": 127.5, "spread": SPREAD_LEVELS,
                    "spread_min": SPREAD_MIN_LEVELS,
                }),
            ),
            Levels::PerBand => step(
                "levels",
                "each row r with m_r = (sum of its values + prior · m) / (count of its values above 0 + prior), m being the mean of all values above 0 of the image, and with the standard deviation s of these around their rows' m_r: v ← round(middle + (v − m_r) · spread / max(s, spread_min)), halves away from zero, clamped to 0…255",
                json!({
                    "rule": input.levels, "middle": 127.5, "spread": SPREAD_LEVELS,
                    "spread_min": SPREAD_MIN_LEVELS, "prior": PRIOR_COLUMNS,
                }),
            ),
        });
        if let View::Tiles { overlap_px } = input.view {
            steps.push(step(
                "tiles",
                "at native resolution: a canvas of the image's size, rounded up to a multiple of stride_px and at least one tile, its right and bottom filled with the image's last column and row; along each axis tiles start at 0, step, 2 · step, … before canvas − tile, and at canvas − tile, where step = max(stride_px, ⌊(tile − overlap_px) / stride_px⌋ · stride_px); the network sees one tile at a time",
                json!({
                    "tile_width_px": input.width_px, "tile_height_px": input.height_px,
                    "overlap_px": overlap_px, "stride_px": PIXEL_STRIDE,
                }),
            ));
        }
        if input.mirrored {
            steps.push(step(
                "mirror",
                "the network sees four canvases: this one, and with its left and right swapped, its top and bottom, and both; what is swapped are the columns and rows of the picture's cells, ⌈picture / stride_px⌉ · stride_px pixels",
                json!({ "stride_px": PIXEL_STRIDE }),
            ));
        }
        if input.local_px > 0 {
            steps.push(step(
                "local contrast",
                "one more channel for the image (and one for the reference, after all others), over the canvas: v ← round(middle + spread · (g − m) / (s + spread_min)) clamped to 0…255, where g is the mean of the photograph's channels and m and s are mean and standard deviation (divided by n) of g over the square of ± radius_px pixels, as far as it lies inside the canvas; normalised by middle and spread: (v − middle) / spread",
                json!({
                    "radius_px": input.local_px, "middle": LOCAL_MIDDLE, "spread": LOCAL_SPREAD,
                    "spread_min": LOCAL_SPREAD_MIN,
                }),
            ));
        }
        if input.difference {
            steps.push(step(
                "difference",
                "a last channel: v ← round(middle + (g − r) / 2) clamped to 0…255, where g and r are the means of the channels of image and reference; normalised by middle and spread: (v − middle) / spread",
                json!({ "middle": DIFFERENCE_MIDDLE, "spread": DIFFERENCE_SPREAD }),
            ));
        }
        steps.push(step(
            "normalise",
            "(v / 255 − mean) / std, for each channel of the image (and again of the reference)",
            json!({ "mean": as_written(&input.mean), "std": as_written(&input.std) }),
        ));
        steps
    }

    fn postprocessing(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.manifest().input.view == View::Fit {
            steps.push(step(
                "cut",
                "cells of `pixels` from ⌈picture / stride_px⌉ on show no part of the image and are cut off",
                json!({ "stride_px": PIXEL_STRIDE }),
            ));
        }
        if matches!(self.manifest().input.view, View::Tiles { .. }) {
            steps.push(step(
                "join tiles",
                "a tile that starts at (x, y) fills the cells from (x / stride_px, y / stride_px); where tiles overlap the highest logit counts, and of `item` the highest of all tiles; cells beyond ⌈image / stride_px⌉ are cut off",
                json!({ "stride_px": PIXEL_STRIDE }),
            ));
        }
        if self.manifest().input.mirrored {
            steps.push(step(
                "mean over mirrors",
                "`pixels` of the mirrored canvases swapped back cell by cell, then the mean of the four, for each cell and class, and of the four of `item`",
                Value::Null,
            ));
        }
        steps.push(step(
            "class score",
            "z[c] = max(highest value of channel c of `pixels`, channel c of `item`)",
            Value::Null,
        ));
        steps.push(step(
            "probabilities",
            "P(defect) = σ(slope · max z + intercept) with σ(t) = 1 / (1 + e^−t); P(good) = 1 − P(defect); P(c) = P(defect) · softmax(n / class_temperature)[c], with the numbers under `calibration`; naming by peak: n = z; by mass: n[c] = ln(max(0.000001, Σ σ(v))) over the values v of channel c of `pixels`",
            json!({ "naming": self.manifest().calibration.naming }),
        ));
        steps.push(step(
            "regions",
            "none where P(defect) < score_min. For each class the cells whose logit reaches pixel_logit, connected over 8 neighbours, and where there is a split_logit parted by the watershed of their logits into peaks that rise at least so far above the valley to a higher one (cells from the highest down: one without a neighbour that came before begins a part, others join the part of their highest neighbour; a part whose peak is less than split_logit above the cell where it meets one with a higher peak becomes part of that); a region's score is σ(slope · its highest logit + intercept). Kept: at least cells_min cells and score_min, or the highest of the item. Where no region carries the item's score max z: the cells within weak_margin of that peak, if they are at most weak_share_max of the map, else the whole item. From the highest down, one that shares more than same_place of the smaller one's cells with a kept one of another class is left out; at most count_max. The numbers are under `regions`. Cell (x, y) shows the canvas pixels from (x, y) · stride_px",
            json!({
                "weak_margin": WEAK_MARGIN, "weak_share_max": WEAK_SHARE_MAX, "same_place": SAME_PLACE,
                "stride_px": PIXEL_STRIDE,
            }),
        ));
        steps
    }
}

/// In double precision with the digits of the manifest: 0.165, not 0.16500000655651093.
fn as_written(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| v.to_string().parse().unwrap_or(f64::from(*v))).collect()
}

fn meaning(name: &str) -> &'static str {
    match name {
        INPUT => "the normalised image, row by row; always one at a time",
        PIXEL_OUTPUT => "uncalibrated logit of each defect class in each cell",
        ITEM_OUTPUT => "uncalibrated logit of each defect class for the item as a whole",
        _ => "not used by the program",
    }
}
