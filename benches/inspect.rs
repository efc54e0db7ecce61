//! What one inspection costs: decoding (beside the plain `image` crate), preparing, the network
//! on 1 and 2 threads, and the whole way from arrival to durable decision, for rendered phones
//! (2 megapixels, one view) and, where `../shared/data` is there, for magnet tiles.
//!
//! Decoders and thread counts take turns item by item, so that a change of the machine's speed
//! meets all of them alike; ratios are of medians.

use secondlook::domain::{Level, Plan, Task};
use secondlook::engine::{Command, Line, LineRequest, Station, StationOptions, Summary, find_model};
use secondlook::infer::Model;
use secondlook::ingest::simulator::{Simulator, write_unit};
use secondlook::media::decode;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PHONES: u64 = 60;
const TILES: usize = 200;
/// Between two paced files: the station is not full, and not idle.
const PACE: Duration = Duration::from_millis(60);
/// Not the seed of any training.
const SEED: u64 = 4_711;

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let folder = tempfile::tempdir_in(target()).unwrap();
    bench("phone, 2 MP", "phone-line", &phones(folder.path()));
    match tiles() {
        Some(files) => bench("magnet tile", "magnetic-tile", &files),
        None => println!("SKIPPED: magnet tiles, there is no ../shared/data/magnetic-tile"),
    }
}

fn target() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-lines");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn phones(folder: &Path) -> Vec<PathBuf> {
    let settings = secondlook::domain::SimulatorSettings { seed: SEED, ..Default::default() };
    let simulator = Simulator::new(settings);
    (0..PHONES).flat_map(|index| write_unit(folder, &simulator.render(index)).unwrap()).collect()
}

fn tiles() -> Option<Vec<PathBuf>> {
    let data = std::env::var_os("SECONDLOOK_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let mut files: Vec<PathBuf> =
        fs::read_dir(data.join("magnetic-tile/images")).ok()?.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let step = (files.len() / TILES).max(1);
    Some(files.into_iter().step_by(step).take(TILES).collect())
}

fn bench(what: &str, model: &str, files: &[PathBuf]) {
    println!("\n{what}: {} files, model {model}", files.len());
    let parts = stages(&find_model(None, model).unwrap(), files);
    for (name, ms) in &parts {
        println!("  {name:<34} p50 {:7.2} ms   p99 {:7.2} ms", at(ms, 50), at(ms, 99));
    }
    let median = |name: &str| parts.iter().find(|(n, _)| *n == name).map_or(0.0, |(_, ms)| at(ms, 50));
    let floor = median(DECODE) + median(PREPARE) + median(NETWORK_1);
    println!("  {:<34} {:.2}", "decode ÷ image crate", median(DECODE) / median(PEER));
    for (name, run) in [("paced", paced(model, files)), ("backlog", backlog(model, files))] {
        let latency = run.latency_ms;
        println!(
            "  {:<34} p50 {:7.2} ms   p99 {:7.2} ms   {:.1} items/s",
            format!("arrival → durable decision, {name}"),
            latency.p50,
            latency.p99,
            run.items_per_s
        );
        // Paced, the latency is the item's own; in a backlog it is mostly waiting, and the rate counts.
        let ratio = if name == "paced" { latency.p50 } else { 1e3 / run.items_per_s } / floor;
        println!("  {:<34} {ratio:.2}", "÷ (decode + prepare + network)");
    }
    println!("  {:<34} {} MiB", "resident memory, most", peak_resident_mib());
}

const DECODE: &str = "decode";
const PEER: &str = "decode with the image crate";
const PREPARE: &str = "prepare (resize, levels)";
const NETWORK_1: &str = "network and regions, 1 thread";
const NETWORK_2: &str = "network and regions, 2 threads";

/// Milliseconds of each stage for each file.
fn stages(model: &Model, files: &[PathBuf]) -> Vec<(&'static str, Vec<f64>)> {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (one, two) = (pool(1), pool(2));
    let mut parts: Vec<(&str, Vec<f64>)> =
        [DECODE, PEER, PREPARE, NETWORK_1, NETWORK_2].map(|name| (name, vec![])).into();
    for (round, path) in files.iter().chain(files).enumerate() {
        let bytes = fs::read(path).unwrap();
        let (decode_ms, raster) = timed(|| decode(&bytes).unwrap());
        let (peer_ms, _) = timed(|| image::load_from_memory(&bytes).unwrap());
        let (prepare_ms, input) = timed(|| model.prepare(&raster, None).unwrap());
        let (one_ms, _) = timed(|| one.install(|| model.predict(&input, 1).unwrap()));
        let (two_ms, _) = timed(|| two.install(|| model.predict(&input, 2).unwrap()));
        // The first round warms up.
        if round >= files.len() {
            for (part, ms) in parts.iter_mut().zip([decode_ms, peer_ms, prepare_ms, one_ms, two_ms]) {
                part.1.push(ms);
            }
        }
    }
    parts
}

/// A fresh line that sends everything to people: what is measured does not depend on the model's
/// opinion.
fn line(model: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir_in(target()).unwrap();
    let line = folder.path().join("line");
    let mut plan = Plan::new("Bench", Task::Defect, vec![]);
    // The files are whole: waiting for them is not what is measured.
    plan.source.settle_secs = 0.01;
    let request = LineRequest { plan, level: Level::Assist, model: Some(model.to_owned()) };
    drop(Line::create(&line, request, "bench").unwrap());
    fs::create_dir_all(line.join("inbox")).unwrap();
    (folder, line)
}

fn put(line: &Path, file: &Path) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let hidden = line.join("inbox").join(format!(".{name}"));
    fs::copy(file, &hidden).unwrap();
    fs::rename(hidden, line.join("inbox").join(name)).unwrap();
}

/// The real station on a folder full of files.
fn backlog(model: &str, files: &[PathBuf]) -> Summary {
    let (_folder, line) = line(model);
    for file in files {
        put(&line, file);
    }
    Station::start(&line, StationOptions { once: true, ..StationOptions::default() }).unwrap().join().unwrap()
}

/// The real station with a file every [`PACE`], as from a camera.
fn paced(model: &str, files: &[PathBuf]) -> Summary {
    let (_folder, line) = line(model);
    let station = Station::start(&line, StationOptions::default()).unwrap();
    for file in files {
        put(&line, file);
        std::thread::sleep(PACE);
    }
    while station.summary().arrived < files.len() as u64 {
        std::thread::sleep(PACE);
    }
    station.command(Command::Stop);
    station.join().unwrap()
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed().as_secs_f64() * 1e3, done)
}

fn at(ms: &[f64], percent: usize) -> f64 {
    let mut sorted = ms.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

fn peak_resident_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
}
