//! The real station on a folder full of rendered phones, as `benches/inspect.rs` runs it.

use super::protocol::{Job, Run, timed};
use anyhow::{Context, Result};
use secondlook::domain::{Level, Plan, SimulatorSettings, Task};
use secondlook::engine::{Line, LineRequest, Station, StationOptions, Summary, find_model};
use secondlook::ingest::simulator::{Simulator, write_unit};
use secondlook::media::decode_image;
use std::fs;
use std::path::{Path, PathBuf};

const MODEL: &str = "phone-line";
/// Not the seed of any training.
const SEED: u64 = 4_711;

/// Renders so many phones of two megapixels into a folder, unless they are there.
pub fn phones(folder: &Path, count: u64) -> Result<()> {
    fs::create_dir_all(folder)?;
    if fs::read_dir(folder)?.count() as u64 == count {
        return Ok(());
    }
    fs::remove_dir_all(folder)?;
    fs::create_dir_all(folder)?;
    let simulator = Simulator::new(SimulatorSettings { seed: SEED, ..SimulatorSettings::default() });
    (0..count).try_for_each(|index| write_unit(folder, &simulator.render(index)).map(drop))?;
    Ok(())
}

/// `folder` has the phones in `phones` and takes the lines. Outputs are the probabilities of a
/// defect, phone by phone.
pub fn load(folder: &Path, _name: &str) -> Result<Job> {
    let folder = folder.to_owned();
    let mut files = fs::read_dir(folder.join("phones"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>>>()?;
    files.sort();
    let outputs = probabilities(&files)?;
    Ok(Box::new(move || {
        let (lines, line) = line(&folder)?;
        fs::create_dir_all(line.join("inbox"))?;
        for file in &files {
            let copy = line.join("inbox").join(file.file_name().context("a file without a name")?);
            fs::copy(file, &copy)?;
            // The copies are not what is measured: the station's own writes must not wait for them.
            fs::File::open(&copy)?.sync_all()?;
        }
        let (ms, summary) = timed(|| backlog(&line))?;
        anyhow::ensure!(summary.review == files.len() as u64, "not every phone was decided: {summary:?}");
        drop(lines);
        Ok(Run { ms, outputs: outputs.clone() })
    }))
}

/// A fresh line that sends everything to people: what is measured does not depend on the model's
/// opinion.
fn line(folder: &Path) -> Result<(tempfile::TempDir, PathBuf)> {
    let lines = tempfile::tempdir_in(folder)?;
    let line = lines.path().join("line");
    let mut plan = Plan::new("Bench", Task::Defect, vec![]);
    // The files are whole: waiting for them is not what is measured.
    plan.source.settle_secs = 0.01;
    let request = LineRequest { plan, level: Level::Assist, model: Some(MODEL.to_owned()) };
    drop(Line::create(&line, request, "bench")?);
    Ok((lines, line))
}

fn backlog(line: &Path) -> Result<Summary> {
    let options = StationOptions { once: true, ..StationOptions::default() };
    Ok(Station::start(line, options)?.join()?)
}

fn probabilities(files: &[PathBuf]) -> Result<Vec<f32>> {
    let model = find_model(None, MODEL)?;
    let good = model.manifest().classes.first().context("a model without classes")?;
    let mut found = Vec::new();
    for file in files {
        let input = model.prepare(&decode_image(&fs::read(file)?)?, None)?;
        let output = model.predict(&input, 1)?;
        #[expect(clippy::cast_possible_truncation, reason = "compared to three digits")]
        found.push(1.0 - output.probabilities[good].get() as f32);
    }
    Ok(found)
}
