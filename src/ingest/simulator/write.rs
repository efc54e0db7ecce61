//! Writes rendered units as files: single JPEGs the way a camera delivers them, and whole data
//! sets with their truth in `items.jsonl`.

use super::{RenderedPicture, RenderedUnit, Simulator};
use crate::domain::{Label, MediaKind, SimulatorSettings};
use crate::media::{MediaError, encode_jpeg};
use rayon::prelude::*;
use serde_json::json;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum SimulatorError {
    #[error("cannot encode a rendered picture: {0}")]
    Encode(#[from] MediaError),
    #[error("cannot write the simulator's file: {source}: {}", path.display())]
    Write { source: io::Error, path: PathBuf },
}

/// Writes the unit's pictures (`P000123.jpg`, or `P000123_front.jpg` and so on) into a folder
/// that exists: under a hidden name first, so that a watcher never sees half a picture. Returns
/// the files' paths.
pub fn write_unit(dir: &Path, unit: &RenderedUnit) -> Result<Vec<PathBuf>, SimulatorError> {
    unit.pictures.iter().map(|picture| write_picture(dir, picture)).collect()
}

fn write_picture(dir: &Path, picture: &RenderedPicture) -> Result<PathBuf, SimulatorError> {
    let bytes = encode_jpeg(&picture.raster, picture.jpeg_quality)?;
    let name = format!("{}.jpg", picture.name);
    let (hidden, path) = (dir.join(format!(".{name}")), dir.join(name));
    fs::write(&hidden, bytes)
        .and_then(|()| fs::rename(&hidden, &path))
        .map_err(|source| SimulatorError::Write { source, path: path.clone() })?;
    Ok(path)
}

/// Units rendered beside each other; their files stand in order all the same.
const CHUNK: u64 = 32;

/// Writes the first `count` units and their truth: the pictures' files and `items.jsonl` with
/// media, kind, label or regions, group and position. The folder is made when absent.
pub fn write_dataset(dir: &Path, settings: &SimulatorSettings, count: u64) -> Result<(), SimulatorError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SimulatorError::Write { source, path }
    };
    fs::create_dir_all(dir).map_err(failed(dir))?;
    let simulator = Simulator::new(settings.clone());
    let list = dir.join("items.jsonl");
    let mut out = io::BufWriter::new(fs::File::create(&list).map_err(failed(&list))?);
    let mut next = 0;
    while next < count {
        let chunk = next..(next + CHUNK).min(count);
        next = chunk.end;
        let rows: Vec<Result<Vec<serde_json::Value>, SimulatorError>> = chunk
            .into_par_iter()
            .map(|index| {
                let unit = simulator.render(index);
                write_unit(dir, &unit)?;
                Ok(unit.pictures.iter().map(|picture| truth(&unit, picture)).collect())
            })
            .collect();
        for row in rows.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
            writeln!(out, "{row}").map_err(failed(&list))?;
        }
    }
    out.flush().map_err(failed(&list))
}

/// A line of `items.jsonl`.
fn truth(unit: &RenderedUnit, picture: &RenderedPicture) -> serde_json::Value {
    let mut line = json!({
        "media": format!("{}.jpg", picture.name),
        "kind": MediaKind::Image.as_str(),
        "group": unit.unit,
        "position": picture.position.as_str(),
    });
    if picture.regions.is_empty() {
        line["label"] = json!(Label::GOOD);
    } else {
        line["regions"] = json!(picture.regions);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Region, SimulatedPosition};
    use crate::media::decode_image;

    #[test]
    fn a_data_set_reads_back_with_its_truth_and_leaves_no_hidden_file() {
        let dir = tempfile::tempdir().unwrap();
        let positions = vec![SimulatedPosition::Front, SimulatedPosition::Edge];
        let settings =
            SimulatorSettings { defect_share: 0.5, seed: 3, positions, ..SimulatorSettings::default() };
        write_dataset(dir.path(), &settings, 4).unwrap();
        let simulator = Simulator::new(settings);
        let text = fs::read_to_string(dir.path().join("items.jsonl")).unwrap();
        let mut lines = text.lines();
        for index in 0..4 {
            let unit = simulator.render(index);
            for (picture, position) in unit.pictures.iter().zip(["front", "edge"]) {
                let item: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
                assert_eq!(item["group"], unit.unit.as_str());
                assert_eq!(item["position"], position);
                assert_eq!(item["media"], format!("{}_{position}.jpg", unit.unit));
                if picture.regions.is_empty() {
                    assert_eq!(item["label"], "good");
                } else {
                    let regions: Vec<Region> = serde_json::from_value(item["regions"].clone()).unwrap();
                    assert_eq!(regions, picture.regions);
                }
                let bytes = fs::read(dir.path().join(item["media"].as_str().unwrap())).unwrap();
                let decoded = decode_image(&bytes).unwrap();
                assert_eq!((decoded.width, decoded.height, decoded.channels), (1080, 1920, 3));
            }
        }
        assert_eq!(lines.next(), None);
        let hidden = fs::read_dir(dir.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
        assert_eq!(hidden.count(), 0);
    }
}
