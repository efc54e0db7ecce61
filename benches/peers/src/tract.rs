//! The peer in pure Rust: tract runs our ONNX files.

use super::protocol::{Job, Run, timed};
use super::workload;
use anyhow::{Context, Result};
use std::path::Path;
use tract_onnx::prelude::{
    DatumExt, Framework, InferenceModelExt, IntoRunnable, TValue, Tensor, TypedModel, multithread, onnx, tvec,
};

/// As many as everyone else; tract's own default is one.
pub fn use_threads() {
    let threads = std::env::var("RAYON_NUM_THREADS").ok().and_then(|count| count.parse().ok()).unwrap_or(1);
    if threads > 1 {
        multithread::set_default_executor(multithread::Executor::multithread(threads));
    }
}

pub fn load(folder: &Path, name: &str) -> Result<Job> {
    let workload = workload::find(name)?;
    let (n, c, h, w) = workload.shape();
    let file = std::fs::read(folder.join(format!("{name}.onnx"))).context("no ONNX file")?;
    let model: TypedModel = onnx()
        .model_for_read(&mut file.as_slice())?
        .with_input_fact(0, f32::fact([n, c, h, w]).into())?
        .into_optimized()?;
    let model = model.into_runnable()?;
    let input: TValue = Tensor::from_shape(&[n, c, h, w], &workload.input)?.into();
    Ok(Box::new(move || {
        let (ms, found) = timed(|| model.run(tvec!(input.clone())))?;
        let mut outputs = Vec::new();
        for output in found {
            outputs.extend(output.to_plain_array_view::<f32>()?.iter().copied());
        }
        Ok(Run { ms, outputs })
    }))
}
