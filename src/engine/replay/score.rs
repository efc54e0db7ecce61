//! What a model says of the items of a data set: once, for as many plays as one likes; computed here, or
//! read from what `evaluate` or `cross-validate` has written.

use super::super::EngineError;
use crate::domain::{
    InputStats, Label, LabelledItem, MediaHash, MediaKind, ModelRef, Prediction, Probability, Reason, Timing,
};
use crate::infer::Model;
use crate::learn::PredictedRegion;
use crate::media::{Raster, decode, decode_image};
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Items between two reports of progress.
const CHUNK: usize = 32;

/// One item as the station would have it after its network.
#[derive(Clone, Debug)]
pub(super) struct Scored {
    pub media: MediaHash,
    pub bytes: u64,
    pub prediction: Result<Prediction, Reason>,
}

pub(super) fn score_all(
    items: &[LabelledItem],
    model: Option<&Model>,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Scored>, EngineError> {
    let mut scored = Vec::with_capacity(items.len());
    for chunk in items.chunks(CHUNK) {
        if cancel.load(Ordering::Relaxed) {
            return Err(EngineError::Failed("cancelled".into()));
        }
        scored.par_extend(chunk.par_iter().map(|item| score(item, model)));
        progress(scored.len(), items.len());
    }
    Ok(scored)
}

/// Whatever goes wrong is a reason to ask, as on a line.
pub(super) fn score(item: &LabelledItem, model: Option<&Model>) -> Scored {
    let bytes = match std::fs::read(&item.path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let why = error.to_string();
            let media = MediaHash::of(item.name.as_bytes());
            return Scored { media, bytes: 0, prediction: Err(Reason::Undecodable { why }) };
        }
    };
    Scored {
        media: MediaHash::of(&bytes),
        bytes: bytes.len() as u64,
        prediction: predict(item, &bytes, model),
    }
}

fn predict(item: &LabelledItem, bytes: &[u8], model: Option<&Model>) -> Result<Prediction, Reason> {
    let start = Instant::now();
    let undecodable = |why: String| Reason::Undecodable { why };
    let decoded = decode(bytes).map_err(|error| undecodable(error.to_string()))?;
    let reference = item.reference.as_deref().map(read).transpose().map_err(undecodable)?;
    let decode_ms = millis(start);
    let model = model.ok_or_else(|| Reason::NoModel { why: "none is released on this line".into() })?;
    let fault = crate::infer::InferError::into_reason;
    let start = Instant::now();
    let input = model.prepare(&decoded, reference.as_ref()).map_err(fault)?;
    let prepare_ms = millis(start);
    let start = Instant::now();
    let output = model.predict(&input, 1).map_err(fault)?;
    Ok(Prediction {
        model: model.model_ref().clone(),
        probabilities: output.probabilities,
        regions: output.regions,
        transcript: output.transcript,
        timing: Timing { decode_ms, prepare_ms, network_ms: millis(start) },
        inputs: Some(decoded.stats()),
        features: output.features,
    })
}

fn read(path: &Path) -> Result<Raster, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    decode_image(&bytes).map_err(|error| error.to_string())
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// A row of `--predictions`.
#[derive(Deserialize)]
struct Row {
    media: String,
    group: String,
    probabilities: BTreeMap<String, Probability>,
    truth: String,
    #[serde(default)]
    regions: Vec<PredictedRegion>,
    /// Of what is said.
    #[serde(default)]
    transcript: Option<String>,
    #[serde(default)]
    inputs: Option<InputStats>,
    #[serde(default)]
    features: Vec<f32>,
}

/// Items and scores from a file of predictions; there are no pictures.
pub(super) fn read_scores(
    path: &Path,
    model: &ModelRef,
) -> Result<(Vec<LabelledItem>, Vec<Scored>), EngineError> {
    let text = std::fs::read_to_string(path).map_err(EngineError::io("cannot read", path))?;
    let (mut items, mut scored) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let row: Row = serde_json::from_str(line).map_err(|error| {
            EngineError::Failed(format!("line {}: {error}: {}", number + 1, path.display()))
        })?;
        // The file's name keeps two sets apart that number their pictures alike.
        let media = MediaHash::of(format!("{}/{}", path.display(), row.media).as_bytes());
        items.push(LabelledItem {
            path: row.media.clone().into(),
            name: row.media,
            kind: row.inputs.map_or(MediaKind::Image, |inputs| inputs.kind()),
            reference: None,
            group: format!("{}/{}", path.display(), row.group),
            label: match row.transcript {
                Some(_) => Label::said(&row.truth),
                None => Label::confirmed(&row.truth),
            },
            votes: Vec::new(),
            extra: BTreeMap::new(),
        });
        let prediction = Prediction {
            model: model.clone(),
            probabilities: row.probabilities,
            regions: row.regions.iter().filter_map(PredictedRegion::region).collect(),
            transcript: row.transcript,
            timing: Timing::default(),
            inputs: row.inputs,
            features: row.features,
        };
        scored.push(Scored { media, bytes: 0, prediction: Ok(prediction) });
    }
    Ok((items, scored))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_bring_what_is_watched_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.jsonl");
        let row = serde_json::json!({
            "media": "a.wav", "group": "anna", "truth": "one two", "transcript": "one two",
            "probabilities": { "one two": 0.9 }, "features": [0.5],
            "regions": [
                { "class": "one", "score": 0.1, "span_secs": [0.2, 0.5] },
                { "class": "two", "score": 0.1, "span_secs": [0.8, 1.2] },
            ],
        });
        std::fs::write(&path, format!("{row}\n\n")).unwrap();
        let model = ModelRef { name: "scores".into(), hash: String::new() };
        let (items, scored) = read_scores(&path, &model).unwrap();
        assert_eq!((items.len(), scored.len()), (1, 1));
        let prediction = scored[0].prediction.as_ref().unwrap();
        assert_eq!((prediction.label(), prediction.features.as_slice()), ("one two", [0.5].as_slice()));
        assert_eq!(prediction.speaking_rate(), Some(2.0));
        std::fs::write(&path, "{}\n").unwrap();
        assert!(read_scores(&path, &model).is_err_and(|error| error.to_string().contains("line 1")));
    }
}
