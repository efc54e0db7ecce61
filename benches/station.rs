//! What the memory of a line costs: durable events a second, and opening a line with a million
//! items. `cargo bench` prints one table for each; `cargo bench -- NAME` runs some of them.
//!
//! The line of a million is made once, under the target folder, and used again.

use secondlook::domain::{
    Arrival, Class, DecidedBy, Decision, Event, InspectionId, ItemId, Level, MediaHash, MediaKind, ModelRef,
    Outcome, Plan, Policy, Prediction, Probability, Reason, Route, Task, Thresholds, Timing,
};
use secondlook::store::{QueueFilter, Store, StoreError, Tx, Work};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Items of the large line, and how many of them wait for a person.
const ITEMS: u64 = 1_000_000;
const ITEMS_PER_COMMIT: u64 = 50_000;
const PAGE: usize = 100;
/// Raised when what is in the large line changes, so that an old one is not measured.
const LARGE_LINE: &str = "million-4";

fn main() {
    divan::main();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    if is_wanted("million") && !std::env::args().any(|arg| arg == "--test") {
        million();
    }
}

fn plan() -> Plan {
    let class = |name: &str, route| Class { name: name.into(), route };
    Plan::new("Bench", Task::Defect, vec![class("good", Route::Pass), class("crack", Route::Divert)])
}

fn policy() -> Policy {
    let at = |p| Some(Probability::saturating(p));
    let thresholds = Thresholds { pass_below: at(0.05), divert_above: at(0.95), accept_below: None };
    Policy { level: Level::Partial, thresholds, version: 1 }
}

fn model() -> ModelRef {
    ModelRef { name: "bench".into(), hash: MediaHash::of(b"bench").to_string() }
}

/// The four events of one item of a station, as they are in real lines.
fn append_item(tx: &Tx<'_>, n: u64, outcome: Outcome) -> Result<(), StoreError> {
    let (item, inspection, unit) = (ItemId::generate(), InspectionId::generate(), format!("unit-{n:07}"));
    let p = match outcome {
        Outcome::Pass => 0.01,
        Outcome::Review => 0.5,
        Outcome::Divert => 0.99,
    };
    let p = Probability::saturating(p);
    let thresholds = policy().thresholds;
    let decision = Decision {
        outcome,
        decided_by: DecidedBy::Model,
        reason: Reason::Between { p, thresholds },
        policy: Some(policy()),
        model: Some(model()),
        audit: None,
    };
    let good = Probability::saturating(1.0 - p.get());
    let prediction = Prediction {
        model: model(),
        probabilities: BTreeMap::from([("crack".to_owned(), p), ("good".to_owned(), good)]),
        regions: vec![],
        transcript: None,
        timing: Timing { decode_ms: 9.0, prepare_ms: 2.0, network_ms: 12.0 },
        inputs: None,
        features: Vec::new(),
    };
    tx.append(&Event::ItemArrived(Arrival {
        item,
        inspection: Some(inspection),
        unit: unit.clone(),
        position: None,
        kind: MediaKind::Image,
        media: MediaHash::of(&n.to_le_bytes()),
        bytes: 400_000,
        reference: None,
        name: format!("{unit}.jpg"),
        source: "folder:inbox".into(),
        modified_at: Some(tx.now()),
        label: None,
        votes: vec![],
        extra: BTreeMap::new(),
    }))?;
    tx.append(&Event::ItemPredicted { item, prediction })?;
    tx.append(&Event::ItemDecided { item, inspection, decision: decision.clone() })?;
    tx.append(&Event::InspectionDecided { inspection, unit, items: 1, decision })?;
    Ok(())
}

fn small_line() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir_in(target()).unwrap();
    let store = Store::create(&folder.path().join("line"), &plan(), "bench").unwrap();
    (folder, store)
}

/// On the disk that is built on, for a temporary folder may lie in memory.
fn target() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-lines");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The floor: what the disk takes for one short write that is to stay.
#[divan::bench(sample_size = 1, sample_count = 200, max_time = 5)]
fn disk_sync_alone(bencher: divan::Bencher<'_, '_>) {
    use std::io::Write;
    let folder = tempfile::tempdir_in(target()).unwrap();
    let mut file = fs::File::create(folder.path().join("floor")).unwrap();
    bencher.counter(divan::counter::ItemsCount::new(1_usize)).bench_local(|| {
        file.write_all(&[0; 4096]).unwrap();
        file.sync_data().unwrap();
    });
}

/// One event, one commit, one sync of the disk.
#[divan::bench(sample_size = 1, sample_count = 200, max_time = 5)]
fn events_one_by_one(bencher: divan::Bencher<'_, '_>) {
    let (_folder, mut store) = small_line();
    let event = Event::LevelChanged { from: None, to: Level::Assist, reason: "bench".into(), evidence: None };
    bencher
        .counter(divan::counter::ItemsCount::new(1_usize))
        .bench_local(|| store.transact::<_, StoreError>("bench", |tx| tx.append(&event)).unwrap());
}

/// Whole items (four events each), so many under one commit.
#[divan::bench(args = [1, 16], sample_size = 1, sample_count = 200, max_time = 5)]
fn events_of_items_per_commit(bencher: divan::Bencher<'_, '_>, items: usize) {
    let (_folder, mut store) = small_line();
    let mut n = 0;
    bencher.counter(divan::counter::ItemsCount::new(items * 4)).bench_local(|| {
        let mut works: Vec<Work<()>> = vec![];
        for _ in 0..items {
            n += 1;
            let number = n;
            works.push(Box::new(move |tx| append_item(tx, number, Outcome::Pass)));
        }
        for result in store.transact_group("bench", works).unwrap() {
            result.unwrap();
        }
    });
}

fn large_line() -> PathBuf {
    let folder = target().join(LARGE_LINE);
    if folder.join("secondlook.db").is_file() {
        return folder;
    }
    let making = target().join(format!("{LARGE_LINE}.making"));
    let _ = fs::remove_dir_all(&making);
    let began = Instant::now();
    let mut store = Store::create(&making, &plan(), "bench").unwrap();
    for from in (0..ITEMS).step_by(usize::try_from(ITEMS_PER_COMMIT).unwrap()) {
        store
            .transact::<_, StoreError>("bench", |tx| {
                (from..from + ITEMS_PER_COMMIT).try_for_each(|n| append_item(tx, n, Outcome::Review))
            })
            .unwrap();
        eprint!(
            "\rmaking the line of a million: {} items, {:.0} s",
            from + ITEMS_PER_COMMIT,
            began.elapsed().as_secs_f64()
        );
    }
    eprintln!();
    drop(store);
    fs::rename(&making, &folder).unwrap();
    folder
}

/// Resident memory of this process now, and the most that it ever was, in MiB.
fn resident_mib() -> (f64, f64) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim_start_matches(':').trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or(f64::NAN)
    };
    (kib("VmRSS") / 1024.0, kib("VmHWM") / 1024.0)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What a window counts up to.
const COUNTED_MAX: usize = 10_000;

/// Filters that find many, few and one.
fn filters() -> [(&'static str, QueueFilter); 4] {
    let of = |suggestion: &str, text: &str| QueueFilter {
        suggestion: Some(suggestion.to_owned()).filter(|class| !class.is_empty()),
        text: text.to_owned(),
        ..QueueFilter::default()
    };
    [
        ("filter by a class that all have, ms", of("crack", "")),
        ("filter by a class that none has, ms", of("good", "")),
        ("filter by a part of the unit, ms", of("", "unit-00")),
        ("filter by one unit, ms", of("", "unit-0999999")),
    ]
}

/// Opening a line of a million items that all wait for a person, as a reviewer's window does.
fn million() {
    let folder = large_line();
    let size = fs::metadata(folder.join("secondlook.db")).map_or(0, |file| file.len());
    println!(
        "\nline of {ITEMS} items, all in the queue; database {:.2} GiB",
        size as f64 / f64::from(1 << 30)
    );
    println!("{:<36} {:>10} {:>10}", "", "first", "best of 5");
    let mut rows: Vec<(&str, Vec<f64>)> = vec![];
    let mut record = |name: &'static str, time: Duration| match rows.iter_mut().find(|(n, _)| *n == name) {
        Some((_, times)) => times.push(ms(time)),
        None => rows.push((name, vec![ms(time)])),
    };
    let before = resident_mib();
    let mut after = before;
    for _ in 0..5 {
        let began = Instant::now();
        let mut store = Store::open(&folder).unwrap();
        record("open, ms", began.elapsed());
        let first = store.view().queue(None, PAGE).unwrap();
        assert_eq!(first.len(), PAGE);
        record("open and first page of 100, ms", began.elapsed());
        let began = Instant::now();
        store.view().queue(Some(&first[PAGE - 1].after), PAGE).unwrap();
        record("next page, ms", began.elapsed());
        let began = Instant::now();
        store.view().tallies().unwrap();
        store.view().settings().unwrap();
        record("counts and settings, ms", began.elapsed());
        // Far down the queue, and as one comes there: page by page.
        let began = Instant::now();
        let mut place = first[PAGE - 1].after.clone();
        for _ in 0..100 {
            place = store.view().queue(Some(&place), PAGE).unwrap()[PAGE - 1].after.clone();
        }
        record("100 further pages, ms", began.elapsed());
        for (name, filter) in filters() {
            let began = Instant::now();
            let found = store.view().filtered_queue(&filter, None, PAGE).unwrap().len();
            if found == PAGE {
                assert!(store.view().queue_count(&filter, COUNTED_MAX).unwrap() >= PAGE);
            }
            record(name, began.elapsed());
        }
        let began = Instant::now();
        let leased = store.lease_next("bench", 60.0).unwrap().unwrap();
        record("reserve the next item, ms", began.elapsed());
        store.release_lease(leased.item.id, "bench").unwrap();
        after = resident_mib();
    }
    for (name, times) in rows {
        let best = times.iter().copied().fold(f64::INFINITY, f64::min);
        println!("{name:<36} {:>10.2} {best:>10.2}", times[0]);
    }
    println!("{:<36} {:>10.1} {:>10.1}", "resident before, after, MiB", before.0, after.0);
    println!("{:<36} {:>10.1}", "resident at most, MiB", after.1);
}
