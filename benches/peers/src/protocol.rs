//! How the driver talks with an engine: one request a line on standard input, one JSON answer a
//! line on standard output. `protocol.py` is the same for the engines in Python.
//!
//! `time WORKLOAD WARM_UP RUNS` → `{"ms": [...]}`; `check WORKLOAD FILE` runs once and writes the
//! outputs, one after the other, as little-endian `f32`. What goes wrong is an answer too, so
//! that one engine that cannot do one workload ends nothing else.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{BufRead, Write};
use std::time::Instant;

/// One run: what it took, and what came out. The job itself says what belongs to the time.
pub struct Run {
    pub ms: f64,
    pub outputs: Vec<f32>,
}

/// A loaded workload.
pub type Job = Box<dyn FnMut() -> Result<Run>>;

/// Answers until standard input ends; a workload is loaded when it is first asked for.
pub fn serve(package: &str, load: impl Fn(&str) -> Result<Job>) -> Result<()> {
    let mut jobs = BTreeMap::new();
    let mut out = std::io::stdout();
    writeln!(out, "{}", json!({ "ready": version(package) }))?;
    for line in std::io::stdin().lock().lines() {
        let answer = answer(&line?, &mut jobs, &load);
        let answer = answer.unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn answer(
    request: &str,
    jobs: &mut BTreeMap<String, Job>,
    load: impl Fn(&str) -> Result<Job>,
) -> Result<Value> {
    let words: Vec<&str> = request.split_whitespace().collect();
    let name = words.get(1).context("a request names a workload")?;
    let job = match jobs.entry((*name).to_owned()) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => entry.insert(load(name)?),
    };
    match words[..] {
        ["time", _, warm_up, runs] => {
            for _ in 0..warm_up.parse()? {
                job()?;
            }
            let ms = (0..runs.parse()?).map(|_| Ok(job()?.ms)).collect::<Result<Vec<f64>>>()?;
            Ok(json!({ "ms": ms }))
        }
        ["check", _, file] => {
            std::fs::write(file, bytes(&job()?.outputs))?;
            Ok(json!({}))
        }
        _ => bail!("no such request: {request}"),
    }
}

/// Little-endian, as `numpy.fromfile` reads it.
pub fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Milliseconds of `work`, and what it gave.
pub fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let start = Instant::now();
    let done = work()?;
    Ok((start.elapsed().as_secs_f64() * 1e3, done))
}

/// Name and version of a package of this build.
fn version(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let entry = format!("name = \"{package}\"\nversion = \"");
    let version = lock.split_once(&entry).and_then(|(_, rest)| rest.split('"').next());
    format!("{package} {}", version.unwrap_or("of unknown version"))
}
