//! What is done with a package alone, without a line: out to other runtimes, and its speed.

use super::latency::percentiles;
use super::{EngineError, LatencyMs};
use crate::infer::{InferError, Model};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Runs before the clock counts: caches are warm and threads awake.
const WARM_UP_RUNS: usize = 5;
const SEED: u64 = 1;

#[derive(Clone, Debug, Serialize)]
pub struct OnnxReport {
    pub model: String,
    /// BLAKE3 of the package.
    pub hash: String,
    pub onnx: PathBuf,
    /// The description beside it.
    pub preprocessing: PathBuf,
    pub bytes: usize,
    /// Batch, channels, height, width.
    pub input_shape: [usize; 4],
    /// Shapes by name.
    pub outputs: BTreeMap<String, [usize; 4]>,
}

/// Writes the package as `out` and its description beside it, with the ending `json`; both or
/// neither. Files of these names are replaced.
pub fn export_onnx(model: &Model, out: &Path) -> Result<OnnxReport, EngineError> {
    let description_path = out.with_extension("json");
    if description_path == out {
        return Err(EngineError::Usage(format!(
            "the ONNX file's name needs another ending: the description takes .json: {}",
            out.display()
        )));
    }
    let failed = |error: InferError| EngineError::Model { name: model.model_ref().name.clone(), error };
    let description = model.onnx_description().map_err(failed)?;
    let onnx = model.to_onnx().map_err(failed)?;
    let text = serde_json::to_string_pretty(&description)
        .map_err(|error| EngineError::Failed(format!("cannot be written as JSON: {error}")))?;
    write_both([(out, &onnx), (&description_path, text.as_bytes())])?;
    Ok(OnnxReport {
        model: description.package.name,
        hash: description.package.hash,
        onnx: out.to_owned(),
        preprocessing: description_path,
        bytes: onnx.len(),
        input_shape: description.input.shape,
        outputs: description.outputs.into_iter().map(|(name, tensor)| (name, tensor.shape)).collect(),
    })
}

/// Writes all under other names first, so that nothing half is met under the right ones.
fn write_both(files: [(&Path, &[u8]); 2]) -> Result<(), EngineError> {
    let partial = |path: &Path| {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        PathBuf::from(name)
    };
    let write = || {
        for (path, bytes) in files {
            if path.is_dir() {
                let is_folder = std::io::ErrorKind::IsADirectory.into();
                return Err(EngineError::io("cannot write", path)(is_folder));
            }
            fs::write(partial(path), bytes).map_err(EngineError::io("cannot write", path))?;
        }
        for (path, _) in files {
            fs::rename(partial(path), path).map_err(EngineError::io("cannot write", path))?;
        }
        Ok(())
    };
    let written = write();
    if written.is_err() {
        for (path, _) in files {
            // Most often it was never made; the error that is reported says why.
            let _ = fs::remove_file(partial(path));
        }
    }
    written
}

#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    pub model: String,
    pub ms: LatencyMs,
    pub runs: usize,
    pub threads: usize,
    /// Batch, channels, height, width.
    pub input_shape: [usize; 4],
    /// Multiply-accumulates of one run.
    pub macs: u64,
    /// How often an item, or each tile of it, takes such a run: once, and once more for each mirror image.
    pub runs_per_view: usize,
    /// At the median, two operations for each multiply-accumulate.
    pub gflop_per_s: f64,
}

/// How many threads every network of this process has (0: one for each core, or what
/// `RAYON_NUM_THREADS` says); before anything else runs on them.
pub fn start_threads(threads: usize) -> Result<(), EngineError> {
    crate::nn::start_threads(threads).map_err(|error| EngineError::Failed(error.to_string()))
}

/// What networks run on here, in words.
#[must_use]
pub fn network_hardware() -> String {
    let threads = rayon::current_num_threads();
    let plural = if threads == 1 { "" } else { "s" };
    format!("{}, {threads} thread{plural}", crate::nn::instruction_set())
}

/// The network alone, again and again on one fixed input, batch 1, after a warm-up.
pub fn bench_network(model: &Model, runs: usize) -> Result<BenchReport, EngineError> {
    let failed = |error: InferError| EngineError::Model { name: model.model_ref().name.clone(), error };
    let (input, graph) = (&model.manifest().input, &model.manifest().graph);
    let (planes, height, width) = (input.planes(), input.height_px as usize, input.width_px as usize);
    let macs = graph.macs(height, width).map_err(|error| failed(error.into()))?;
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    // Normalised pixels are about this far from zero.
    let values: Vec<f32> = (0..planes * height * width).map(|_| random.random_range(-2.0..2.0)).collect();
    let threads = rayon::current_num_threads();
    let run = || model.plan().run_values(threads, &values, |_| ()).map_err(|error| failed(error.into()));
    for _ in 0..WARM_UP_RUNS {
        run()?;
    }
    let mut times_ms = Vec::with_capacity(runs);
    for _ in 0..runs {
        let started = Instant::now();
        run()?;
        times_ms.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let ms = percentiles(&times_ms);
    Ok(BenchReport {
        model: model.model_ref().name.clone(),
        ms,
        runs,
        threads,
        input_shape: [1, planes, height, width],
        macs,
        runs_per_view: input.mirrors().len(),
        gflop_per_s: 2.0 * macs as f64 / (ms.p50.max(f64::MIN_POSITIVE) * 1e6),
    })
}
