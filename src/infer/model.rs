//! A loaded package: checked, hashed and ready to predict.

use super::package::{MANIFEST_FILE, WEIGHTS_FILE, weights_from_bytes};
use super::readings::Grammar;
use super::{
    Heat, InferError, Input, Manifest, Output, frame_scores, predict, prepare, raw_scores, seen, transcribe,
};
use crate::domain::{ModelRef, Task, TranscriptRule};
use crate::media::{Decoded, Raster};
use crate::nn::Plan;
use std::path::Path;

/// An immutable model; share it between threads behind an `Arc`.
pub struct Model {
    manifest: Manifest,
    plan: Plan,
    /// Of a model that writes down what is said.
    grammar: Option<Grammar>,
    named: ModelRef,
    manifest_bytes: Vec<u8>,
    weights_bytes: Vec<u8>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("model_ref", &self.named).finish_non_exhaustive()
    }
}

/// Of a package on no line: whatever its words can say, also nothing.
fn anything() -> TranscriptRule {
    TranscriptRule { words_min: 0, ..TranscriptRule::default() }
}

/// The manifest holds the weights' hash, but the two are hashed together so that a reference does not rest
/// on that field.
fn package_hash(manifest: &[u8], weights: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(manifest).update(weights);
    hasher.finalize().to_hex().to_string()
}

impl Model {
    /// Reads `manifest.json` and `weights.safetensors` of a folder; nothing else is opened.
    pub fn load(dir: &Path) -> Result<Self, InferError> {
        let read = |file: &'static str| {
            let path = dir.join(file);
            std::fs::read(&path).map_err(|error| InferError::Read {
                what: file,
                error,
                path: path.display().to_string(),
            })
        };
        Self::from_bytes(&read(MANIFEST_FILE)?, &read(WEIGHTS_FILE)?)
    }

    /// What a folder's package says of itself, where it is the named one; its network is not made ready.
    pub fn manifest_of(dir: &Path, named: &ModelRef) -> Option<Manifest> {
        let read = |file: &str| std::fs::read(dir.join(file)).ok();
        let (manifest, weights) = (read(MANIFEST_FILE)?, read(WEIGHTS_FILE)?);
        let is_named = package_hash(&manifest, &weights) == named.hash;
        is_named.then(|| Manifest::parse(&manifest).ok()).flatten()
    }

    /// Checks the manifest, the hash of the weights, and their names and shapes.
    pub fn from_bytes(manifest: &[u8], weights: &[u8]) -> Result<Self, InferError> {
        let parsed = Manifest::parse(manifest)?;
        let found = blake3::hash(weights).to_hex().to_string();
        if found != parsed.weights_blake3 {
            return Err(InferError::WeightsHash { found, expected: parsed.weights_blake3 });
        }
        let (height, width) = (parsed.input.height_px as usize, parsed.input.width_px as usize);
        let plan = Plan::new(&parsed.graph, &weights_from_bytes(weights)?, height, width)?;
        let model_ref = ModelRef { name: parsed.name.clone(), hash: package_hash(manifest, weights) };
        let grammar = (parsed.task == Task::Transcribe).then(|| Grammar::new(&parsed.classes, anything()));
        Ok(Self {
            manifest: parsed,
            plan,
            grammar,
            named: model_ref,
            manifest_bytes: manifest.to_vec(),
            weights_bytes: weights.to_vec(),
        })
    }

    /// The same for a line on which transcripts follow this rule; nothing changes for other tasks.
    #[must_use]
    pub fn with_rule(self, rule: &TranscriptRule) -> Self {
        let grammar = self.grammar.as_ref().map(|_| Grammar::new(&self.manifest.classes, rule.clone()));
        Self { grammar, ..self }
    }

    /// How what is said is written; only of models that write it down.
    #[must_use]
    pub fn rule(&self) -> Option<&TranscriptRule> {
        self.grammar.as_ref().map(|grammar| &grammar.rule)
    }

    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Name, and BLAKE3 over the bytes of manifest and weights.
    #[must_use]
    pub fn model_ref(&self) -> &ModelRef {
        &self.named
    }

    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The package's two files as they were read: `manifest.json`, `weights.safetensors`.
    #[must_use]
    pub fn package(&self) -> (&[u8], &[u8]) {
        (&self.manifest_bytes, &self.weights_bytes)
    }

    /// Writes the package into a folder, which is made if needed. Each file is written under
    /// another name first, so that a half-written package is never met under the right one.
    pub fn save(&self, dir: &Path) -> Result<(), InferError> {
        let failed = |what: &'static str, path: &Path| {
            let path = path.display().to_string();
            move |error| InferError::Read { what, error, path }
        };
        std::fs::create_dir_all(dir).map_err(failed("the package's folder", dir))?;
        for (file, bytes) in [(WEIGHTS_FILE, &self.weights_bytes), (MANIFEST_FILE, &self.manifest_bytes)] {
            let (path, partial) = (dir.join(file), dir.join(format!("{file}.partial")));
            std::fs::write(&partial, bytes).map_err(failed(file, &partial))?;
            std::fs::rename(&partial, &path).map_err(failed(file, &path))?;
        }
        Ok(())
    }

    /// Whether a package was written there to its end: the manifest comes last.
    #[must_use]
    pub fn is_whole(dir: &Path) -> bool {
        dir.join(MANIFEST_FILE).exists()
    }

    /// Item → network input; `reference` is the aligned golden image where the model uses one.
    pub fn prepare(&self, item: &Decoded, reference: Option<&Raster>) -> Result<Input, InferError> {
        let spec = &self.manifest.input;
        prepare(spec, seen(spec, item)?.as_ref(), reference)
    }

    /// Network (on up to so many threads), calibration and regions.
    pub fn predict(&self, input: &Input, threads: usize) -> Result<Output, InferError> {
        if let Some(grammar) = &self.grammar {
            let frames = frame_scores(&self.plan, &self.manifest.input, input, threads)?;
            return Ok(transcribe::output(&self.manifest, grammar, &frames, input));
        }
        let raw = raw_scores(&self.plan, &self.manifest.input, input, threads)?;
        Ok(predict::output(&self.manifest, &raw, input))
    }

    /// The same with the map that a person sees: a station has no use for it. What is said has none.
    pub fn predict_with_heat(&self, input: &Input, threads: usize) -> Result<(Output, Heat), InferError> {
        if self.grammar.is_some() {
            return Ok((self.predict(input, threads)?, Heat::none()));
        }
        let raw = raw_scores(&self.plan, &self.manifest.input, input, threads)?;
        Ok((predict::output(&self.manifest, &raw, input), predict::heat(&self.manifest, &raw, input)))
    }
}
