//! Promise: `kill -9` at any moment, of the station, of the people answering beside it and of a change of
//! models, loses nothing that was acknowledged or given out, and decides and gives out nothing twice.
//!
//! `SECONDLOOK_KILLS` sets how many processes are killed; 200 is the demonstration.

use crate::floor::{Floor, Program, png, until};
use crate::release::variant;
use secondlook::domain::ReleaseState;
use secondlook::engine::find_model;
use secondlook::store::OutboxLine;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const KILLS_DEFAULT: usize = 12;
/// A line comes back within this, so that a restart is not worth a person's worry.
const RESTART_MAX: Duration = Duration::from_secs(2);
/// Long enough for a process to start, take some files, and be in the middle of anything.
const LIFE_MS: std::ops::Range<u64> = 10..400;

/// Files that drop into the inbox all the time, as a camera writes them.
struct Camera {
    stop: Arc<AtomicBool>,
    dropped: Arc<AtomicU32>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Camera {
    fn start(inbox: PathBuf) -> Self {
        let (stop, dropped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (stopping, count) = (Arc::clone(&stop), Arc::clone(&dropped));
        let work = move || {
            while !stopping.load(Ordering::Relaxed) {
                drop_one(&inbox, count.load(Ordering::Relaxed));
                count.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(8));
            }
        };
        let thread = thread::Builder::new().name("camera".into()).spawn(work).unwrap();
        Self { stop, dropped, thread: Some(thread) }
    }

    fn stop(mut self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.dropped.load(Ordering::Relaxed)
    }
}

fn name_of(number: u32) -> String {
    format!("unit {number}.png")
}

/// Some cameras write in place, some rename; both are done here.
fn drop_one(inbox: &Path, number: u32) {
    let path = inbox.join(name_of(number));
    if number.is_multiple_of(2) {
        fs::write(path, png(number)).unwrap();
    } else {
        let writing = inbox.join(format!("{number}.part"));
        fs::write(&writing, png(number)).unwrap();
        fs::rename(writing, path).unwrap();
    }
}

/// An item that waits for a person, any of them.
fn waiting(floor: &Floor, random: &mut ChaCha8Rng) -> Option<String> {
    let raw = floor.raw();
    raw.busy_timeout(Duration::from_secs(10)).unwrap();
    let count: i64 = raw.query_row("SELECT count(*) FROM queue", [], |row| row.get(0)).unwrap();
    let at = random.random_range(0..count.max(1));
    raw.query_row("SELECT item_id FROM queue LIMIT 1 OFFSET ?1", [at], |row| row.get(0)).ok()
}

/// The event of an answer, where the process lived long enough to acknowledge it.
fn acknowledged(stdout: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(stdout).ok()?;
    json["event"].as_str().map(str::to_owned)
}

/// From the start of the program until its first decision.
fn restart(floor: &Floor, number: u32) -> Duration {
    let decided = "SELECT count(*) FROM events WHERE kind = 'ItemDecided'";
    let before = floor.count(decided);
    drop_one(&floor.path.join("inbox"), number);
    let start = Instant::now();
    let running = Program::start(&["run", floor.path.to_str().unwrap()]);
    until("the first decision after the start", || floor.count(decided) > before);
    let took = start.elapsed();
    running.kill();
    took
}

#[test]
fn kill_9_loses_nothing_and_does_nothing_twice() {
    let kills: usize =
        std::env::var("SECONDLOOK_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS_DEFAULT);
    let floor = Floor::with_model(|_| {});
    // The station decides about each that a person is to be asked.
    floor.adopt(secondlook::domain::Level::Partial, Some(0.0), None);
    let line = floor.path.to_str().unwrap().to_owned();
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let camera = Camera::start(floor.path.join("inbox"));
    let started = Instant::now();
    let (mut killed, mut killed_answers, mut answers) = (0, 0, BTreeSet::new());
    while killed < kills {
        let station = Program::start(&["run", &line]);
        let end = Instant::now() + Duration::from_millis(random.random_range(LIFE_MS));
        // People answer meanwhile; for most stations one of them is killed too.
        let mut may_kill = random.random_bool(0.9);
        while Instant::now() < end {
            let Some(item) = waiting(&floor, &mut random) else {
                thread::sleep(Duration::from_millis(5));
                continue;
            };
            let class = ["good", "crack"][random.random_range(0..2)];
            let person = Program::start(&["answer", &line, &item, "--class", class, "--reviewer", "ann"]);
            let called = if may_kill && killed + 1 < kills && random.random_bool(0.4) {
                may_kill = false;
                thread::sleep(Duration::from_millis(random.random_range(0..40)));
                killed += 1;
                killed_answers += 1;
                person.kill()
            } else {
                let called = person.wait();
                // Whatever happened to the others, this one is served.
                called.done();
                called
            };
            answers.extend(acknowledged(&called.stdout));
        }
        station.kill();
        killed += 1;
    }
    let took = started.elapsed();
    let mut dropped = camera.stop();
    let behind = fs::read_dir(floor.path.join("inbox")).unwrap().count() - 1;
    let slowest = (0..3).map(|_| (restart(&floor, dropped), dropped += 1).0).max().unwrap();
    let last = Program::run(&["run", &line, "--once"]).done();
    check(&floor, dropped, &answers);
    println!(
        "{killed} kills ({killed_answers} of them of people answering) in {:.1} s: {dropped} files, {} answers \
         acknowledged, {behind} files left in the inbox at the end, {} taken in by the last run; slowest of three \
         restarts with a full inbox {:.2} s to its first decision",
        took.as_secs_f64(),
        answers.len(),
        last["arrived"],
        slowest.as_secs_f64()
    );
    assert!(slowest < RESTART_MAX, "{slowest:?}");
}

/// Kills in the middle of a change of models, each at another moment.
const CHANGES_KILLED: u32 = 14;
/// Longer than the program takes to change models, so that some changes come to their end.
const CHANGE_MS: std::ops::Range<u64> = 0..300;

/// Whatever was killed: one model is live, the station's settings name it, with thresholds of its own.
#[track_caller]
fn one_is_live(floor: &Floor) -> String {
    let line = floor.line();
    let settings = line.store.view().settings().unwrap();
    let releases = line.releases().unwrap();
    let live: Vec<_> = releases.iter().filter(|release| release.state == ReleaseState::Live).collect();
    assert_eq!(live.len(), 1, "{releases:?}");
    assert_eq!(Some(&live[0].model), settings.model.as_ref());
    assert!(settings.policy.is_some(), "a change of models is one transaction with its thresholds");
    assert_eq!(find_model(Some(&floor.path), &live[0].model.name).unwrap().model_ref(), &live[0].model);
    live[0].model.name.clone()
}

#[test]
fn kill_9_while_models_change_leaves_one_live_and_a_station_that_goes_on() {
    let floor = Floor::with_model(|_| {});
    let line = floor.path.to_str().unwrap().to_owned();
    let other = variant(&floor.beside(""), "other", 1.0);
    // What a kill leaves of a package that was being copied into the line.
    let half = floor.path.join("models/other");
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("weights.safetensors.partial"), b"half").unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let camera = Camera::start(floor.path.join("inbox"));
    let (mut station, mut names) = (Program::start(&["run", &line]), BTreeSet::new());
    for round in 0..CHANGES_KILLED {
        let is_known = names.contains("other");
        let change = if is_known && round % 2 == 1 {
            Program::start(&["rollback", &line])
        } else {
            Program::start(&["promote", &line, &other])
        };
        thread::sleep(Duration::from_millis(random.random_range(CHANGE_MS)));
        if round % 3 == 2 {
            station.kill();
            station = Program::start(&["run", &line]);
        }
        change.kill();
        names.insert(one_is_live(&floor));
    }
    // One that nobody kills.
    Program::run(&["promote", &line, &other]).done();
    assert_eq!(one_is_live(&floor), "other");
    station.kill();
    let dropped = camera.stop();
    Program::run(&["run", &line, "--once"]).done();
    let mixed = "SELECT count(*) FROM decisions d JOIN predictions p ON p.item_id = d.item_id
                 WHERE d.model != json_extract(p.payload, '$.model.name')";
    assert_eq!(floor.count(mixed), 0);
    check(&floor, dropped, &BTreeSet::new());
}

#[track_caller]
fn check(floor: &Floor, dropped: u32, answers: &BTreeSet<String>) {
    // Every file is one item, and the station decided it once.
    let mut items: BTreeMap<String, i64> = BTreeMap::new();
    for row in floor.rows() {
        *items.entry(row.name).or_default() += 1;
    }
    let expected: BTreeMap<String, i64> = (0..dropped).map(|number| (name_of(number), 1)).collect();
    assert_eq!(items, expected);
    let by_station = "SELECT count(*) FROM events WHERE kind = 'ItemDecided' AND actor = 'station'";
    assert_eq!(floor.count(by_station), i64::from(dropped));
    let one_each = "SELECT count(DISTINCT json_extract(payload, '$.item')) FROM events
                    WHERE kind = 'ItemDecided' AND actor = 'station'";
    assert_eq!(floor.count(one_each), i64::from(dropped));
    assert_eq!(floor.count("SELECT count(*) FROM v_decisions"), i64::from(dropped));
    // Every file is where a finished one belongs, once.
    let moved: BTreeSet<String> = fs::read_dir(floor.inbox("done"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(moved, expected.into_keys().collect());

    // Every answer that was acknowledged is in the log.
    let raw = floor.raw();
    let mut statement = raw.prepare("SELECT id FROM events WHERE kind = 'VerdictGiven'").unwrap();
    let given: BTreeSet<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(answers.is_subset(&given), "lost: {:?}", answers.difference(&given));

    // Every committed decision went out once, in order, on a whole line.
    let mut statement = raw
        .prepare("SELECT seq, lower(hex(hash)) FROM events WHERE kind = 'ItemDecided' ORDER BY seq")
        .unwrap();
    let committed: Vec<(i64, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    let text = fs::read_to_string(floor.path.join("out/decisions.jsonl")).unwrap();
    assert!(text.ends_with('\n'));
    let out: Vec<(i64, String)> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<OutboxLine>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        })
        .map(|line| (line.seq, line.hash))
        .collect();
    assert_eq!(out, committed);
    floor.check();
}
