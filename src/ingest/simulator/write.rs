//! Writes rendered units as files: single ones the way a camera or recorder delivers them, and
//! whole data sets with their truth in `items.jsonl`.

use super::{RenderedUnit, Simulator};
use crate::domain::SimulatorSettings;
use crate::ingest::appear;
use crate::media::MediaError;
use rayon::prelude::*;
use serde_json::Value;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum SimulatorError {
    #[error("cannot encode a rendered item: {0}")]
    Encode(#[from] MediaError),
    #[error("cannot write the simulator's file: {source}: {}", path.display())]
    Write { source: io::Error, path: PathBuf },
}

/// A rendered item as it goes to the disk.
pub(super) struct RenderedFile {
    pub name: String,
    pub bytes: Vec<u8>,
    /// Its line of `items.jsonl`.
    pub truth: Value,
}

/// Writes the unit's files (`P000123.jpg`, `P000123_front.jpg`, `M000123.wav`) into a folder that
/// exists: under a hidden name first, so that a watcher never sees half a file. Returns the
/// files' paths.
pub fn write_unit(dir: &Path, unit: &RenderedUnit) -> Result<Vec<PathBuf>, SimulatorError> {
    unit.files()?.iter().map(|file| write_file(dir, file)).collect()
}

fn write_file(dir: &Path, file: &RenderedFile) -> Result<PathBuf, SimulatorError> {
    let path = dir.join(&file.name);
    appear(&path, |hidden| fs::write(hidden, &file.bytes))
        .map_err(|source| SimulatorError::Write { source, path: path.clone() })?;
    Ok(path)
}

/// Units rendered beside each other; their files stand in order all the same.
const CHUNK: u64 = 32;

/// Writes the first `count` units and their truth: the files and `items.jsonl` with media, kind,
/// label or regions, and group; of pictures the position, of faulty motors the severity. The
/// folder is made when absent.
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
        let rows: Vec<Result<Vec<Value>, SimulatorError>> =
            chunk.into_par_iter().map(|index| write_labelled(dir, &simulator.render(index))).collect();
        for row in rows.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
            writeln!(out, "{row}").map_err(failed(&list))?;
        }
    }
    out.flush().map_err(failed(&list))
}

/// Writes the unit's files and returns their truth.
fn write_labelled(dir: &Path, unit: &RenderedUnit) -> Result<Vec<Value>, SimulatorError> {
    let label = |file: RenderedFile| write_file(dir, &file).map(|_| file.truth);
    unit.files()?.into_iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Region, SimulatedPosition, SimulatorKind};
    use crate::ingest::simulator::{motors, phones};
    use crate::media::{decode_image, decode_sound};

    #[track_caller]
    fn lines_of(dir: &Path) -> Vec<Value> {
        let hidden = fs::read_dir(dir)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
        assert_eq!(hidden.count(), 0);
        let text = fs::read_to_string(dir.join("items.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    fn check_label(item: &Value, expected: &[Region]) {
        if expected.is_empty() {
            assert_eq!(item["label"], "good");
        } else {
            let regions: Vec<Region> = serde_json::from_value(item["regions"].clone()).unwrap();
            assert_eq!(regions, expected);
        }
    }

    #[test]
    fn a_data_set_reads_back_with_its_truth_and_leaves_no_hidden_file() {
        let dir = tempfile::tempdir().unwrap();
        let positions = vec![SimulatedPosition::Front, SimulatedPosition::Edge];
        let settings =
            SimulatorSettings { defect_share: 0.5, seed: 3, positions, ..SimulatorSettings::default() };
        write_dataset(dir.path(), &settings, 4).unwrap();
        let simulator = phones::Simulator::new(settings);
        let mut lines = lines_of(dir.path()).into_iter();
        for index in 0..4 {
            let unit = simulator.render(index);
            for (picture, position) in unit.pictures.iter().zip(["front", "edge"]) {
                let item = lines.next().unwrap();
                assert_eq!(item["group"], unit.unit.as_str());
                assert_eq!(item["position"], position);
                assert_eq!(item["media"], format!("{}_{position}.jpg", unit.unit));
                check_label(&item, &picture.regions);
                let bytes = fs::read(dir.path().join(item["media"].as_str().unwrap())).unwrap();
                let decoded = decode_image(&bytes).unwrap();
                assert_eq!((decoded.width, decoded.height, decoded.channels), (1080, 1920, 3));
            }
        }
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn a_data_set_of_sounds_reads_back_with_its_truth_and_severity() {
        let dir = tempfile::tempdir().unwrap();
        let kind = SimulatorKind::Motor;
        let settings = SimulatorSettings { kind, defect_share: 0.5, seed: 3, ..SimulatorSettings::default() };
        write_dataset(dir.path(), &settings, 12).unwrap();
        let simulator = motors::Simulator::new(settings);
        let lines = lines_of(dir.path());
        assert_eq!(lines.len(), 12);
        for (index, item) in lines.iter().enumerate() {
            let unit = simulator.render(index as u64);
            assert_eq!((&item["group"], &item["kind"]), (&unit.unit.as_str().into(), &"audio".into()));
            check_label(item, &unit.regions);
            assert_eq!(item.get("severity").is_some(), !unit.regions.is_empty());
            let bytes = fs::read(dir.path().join(item["media"].as_str().unwrap())).unwrap();
            let decoded = decode_sound(&bytes).unwrap();
            assert_eq!((decoded.rate_hz, decoded.channels), (motors::RATE_HZ, 1));
            let pairs = decoded.samples.iter().zip(&unit.sound.samples);
            assert!(pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 1e-4);
        }
    }
}
