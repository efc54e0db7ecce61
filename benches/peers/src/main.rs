//! The Rust side of `make bench-peers`: Second Look itself, candle and tract, each as a process
//! that the driver asks for timings, and the files that the peers in Python need.
//!
//! Stands beside the project, never in its build. `drive.py` says what is measured and how.

mod export;
mod ours;
mod protocol;
mod station;
mod stock;
mod tract;
mod workload;

use anyhow::{Result, bail};
use std::path::Path;

const USAGE: &str = "prepare FOLDER | phones FOLDER COUNT | serve ours|candle|tract|station FOLDER";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["prepare", folder] => export::prepare(Path::new(folder)),
        ["phones", folder, count] => station::phones(Path::new(folder), count.parse()?),
        ["serve", "ours", _] => protocol::serve("secondlook", ours::load),
        ["serve", "candle", _] => protocol::serve("candle-core", stock::load),
        ["serve", "tract", folder] => {
            tract::use_threads();
            protocol::serve("tract-onnx", |name| tract::load(Path::new(folder), name))
        }
        ["serve", "station", folder] => {
            protocol::serve("secondlook", |name| station::load(Path::new(folder), name))
        }
        _ => bail!("usage: {USAGE}"),
    }
}
