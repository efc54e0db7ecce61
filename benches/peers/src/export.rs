//! Writes what the peers in Python read: for each workload its graph, weights, input and ONNX
//! file, and the list of all with their work.

use super::protocol::bytes;
use super::workload::{self, BATCH, LEARNING_RATE, MATMUL_SIDE, TRAIN, WEIGHT_DECAY};
use anyhow::Result;
use secondlook::infer::weights_to_bytes;
use secondlook::nn::{Graph, Weights, to_onnx};
use serde_json::json;
use std::fs;
use std::path::Path;

/// `NAME.json`, `NAME.safetensors`, `NAME.input`, `NAME.onnx` for each workload, and
/// `workloads.json`. An ONNX file that cannot be made is said and left out: its readers skip it.
pub fn prepare(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut list = Vec::new();
    for name in workload::names() {
        let w = workload::find(name)?;
        fs::write(folder.join(format!("{name}.json")), serde_json::to_vec(&w.graph)?)?;
        fs::write(folder.join(format!("{name}.safetensors")), weights_to_bytes(&w.weights)?)?;
        fs::write(folder.join(format!("{name}.input")), bytes(&w.input))?;
        if name != TRAIN {
            let path = folder.join(format!("{name}.onnx"));
            match export(&w.graph, &w.weights, w.height, w.width) {
                Ok(file) => fs::write(path, file)?,
                Err(error) => {
                    eprintln!("bench-peers: no ONNX file of {name}: {error:#}");
                    // One of an earlier build would be another network.
                    let _ = fs::remove_file(path);
                }
            }
        }
        list.push(json!({ "name": w.name, "macs": w.graph.macs(w.height, w.width)?, "shape": w.shape() }));
    }
    let settings = json!({
        "batch": BATCH,
        "learning_rate": LEARNING_RATE,
        "weight_decay": WEIGHT_DECAY,
        "matmul_side": MATMUL_SIDE,
        "workloads": list,
    });
    fs::write(folder.join("workloads.json"), serde_json::to_vec_pretty(&settings)?)?;
    Ok(())
}

/// The one place that knows how an ONNX file is made.
fn export(graph: &Graph, weights: &Weights, height: usize, width: usize) -> Result<Vec<u8>> {
    Ok(to_onnx(graph, weights, height, width, "peers", &[])?)
}
