//! Writes rendered units as files: single JPEGs the way a camera delivers them, and whole data
//! sets with their truth in `items.jsonl`.

use super::{RenderedUnit, Simulator};
use crate::domain::{MediaKind, SimulatorSettings};
use crate::media::{MediaError, encode_jpeg};
use serde_json::json;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Fine enough that a faint scratch survives, and what line cameras are set to.
const JPEG_QUALITY: u8 = 90;

#[derive(Debug, Error)]
pub enum SimulatorError {
    #[error("cannot encode a rendered picture: {0}")]
    Encode(#[from] MediaError),
    #[error("cannot write the simulator's file: {source}: {}", path.display())]
    Write { source: io::Error, path: PathBuf },
}

/// Writes `UNIT.jpg` into a folder that exists: under a hidden name first, so that a watcher
/// never sees half a picture. Returns the file's path.
pub fn write_unit(dir: &Path, unit: &RenderedUnit) -> Result<PathBuf, SimulatorError> {
    let bytes = encode_jpeg(&unit.raster, JPEG_QUALITY)?;
    let name = format!("{}.jpg", unit.unit);
    let (hidden, path) = (dir.join(format!(".{name}")), dir.join(name));
    fs::write(&hidden, bytes)
        .and_then(|()| fs::rename(&hidden, &path))
        .map_err(|source| SimulatorError::Write { source, path: path.clone() })?;
    Ok(path)
}

/// Writes the first `count` units and their truth: `UNIT.jpg` files and `items.jsonl` with
/// media, kind, label or regions, and group. The folder is made when absent.
pub fn write_dataset(dir: &Path, settings: &SimulatorSettings, count: u64) -> Result<(), SimulatorError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SimulatorError::Write { source, path }
    };
    fs::create_dir_all(dir).map_err(failed(dir))?;
    let simulator = Simulator::new(*settings);
    let list = dir.join("items.jsonl");
    let mut out = io::BufWriter::new(fs::File::create(&list).map_err(failed(&list))?);
    for index in 0..count {
        let unit = simulator.render(index);
        write_unit(dir, &unit)?;
        let mut line = json!({
            "media": format!("{}.jpg", unit.unit),
            "kind": MediaKind::Image.as_str(),
            "group": unit.unit,
        });
        if unit.regions.is_empty() {
            line["label"] = json!(unit.class);
        } else {
            line["regions"] = json!(unit.regions);
        }
        writeln!(out, "{line}").map_err(failed(&list))?;
    }
    out.flush().map_err(failed(&list))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Region;
    use crate::media::decode_image;

    #[test]
    fn a_data_set_reads_back_with_its_truth_and_leaves_no_hidden_file() {
        let dir = tempfile::tempdir().unwrap();
        let settings = SimulatorSettings { defect_share: 0.5, seed: 3, ..SimulatorSettings::default() };
        write_dataset(dir.path(), &settings, 6).unwrap();
        let simulator = Simulator::new(settings);
        let text = fs::read_to_string(dir.path().join("items.jsonl")).unwrap();
        for (index, line) in text.lines().enumerate() {
            let unit = simulator.render(index as u64);
            let item: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(item["group"], unit.unit.as_str());
            if unit.regions.is_empty() {
                assert_eq!(item["label"], "good");
            } else {
                let regions: Vec<Region> = serde_json::from_value(item["regions"].clone()).unwrap();
                assert_eq!(regions, unit.regions);
            }
            let bytes = fs::read(dir.path().join(item["media"].as_str().unwrap())).unwrap();
            let decoded = decode_image(&bytes).unwrap();
            assert_eq!((decoded.width, decoded.height, decoded.channels), (1080, 1920, 3));
        }
        assert_eq!(text.lines().count(), 6);
        let hidden = fs::read_dir(dir.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
        assert_eq!(hidden.count(), 0);
    }
}
