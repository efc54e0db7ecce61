//! Promise: what is given out is every committed decision, once and in order, whatever happens
//! in between; and a copy of a line is whole.

use crate::lines::{Line, by_model};
use secondlook::domain::{Event, InspectionId, ItemId, Outcome};
use secondlook::store::{OutboxLine, Store, StoreError, backup, restore};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

fn outbox(folder: &Path) -> PathBuf {
    folder.join("out/decisions.jsonl")
}

fn given_out(folder: &Path) -> Vec<OutboxLine> {
    let text = fs::read_to_string(outbox(folder)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// The decisions of the log that a reader of the outbox has to see.
fn committed(line: &Line) -> Vec<i64> {
    let raw = line.raw();
    let mut statement = raw
        .prepare(
            "SELECT seq FROM events WHERE kind = 'ItemDecided'
             OR (kind = 'InspectionDecided' AND json_extract(payload, '$.items') > 1) ORDER BY seq",
        )
        .unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[track_caller]
fn check(line: &Line) {
    let seqs: Vec<i64> = given_out(line.path()).iter().map(|line| line.seq).collect();
    assert_eq!(seqs, committed(line));
}

fn append_to_outbox(line: &Line, bytes: &[u8]) {
    File::options().append(true).open(outbox(line.path())).unwrap().write_all(bytes).unwrap();
}

#[test]
fn each_decision_is_given_out_once_and_in_order() {
    let mut line = Line::new(2);
    for n in 0..6 {
        let first = line.arrive(f64::from(n) / 5.0);
        let item = line.store.view().item(first).unwrap().unwrap();
        line.arrive_in(item.inspection.unwrap(), item.unit, 0.1);
        line.store.flush_outbox().unwrap();
        check(&line);
    }
    assert_eq!(line.store.flush_outbox().unwrap(), 0, "nothing is given out twice");
    let item = line.items[4];
    line.answer(item, "ann", "crack").unwrap();
    line.undo("ann").unwrap();
    check(&line);
    let lines = given_out(line.path());
    let about: Vec<_> =
        lines.iter().filter(|line| line.item == Some(item)).map(|line| &line.decision).collect();
    assert_eq!(about, ["review", "divert", "review"]);
    let whole = lines.iter().find(|line| line.item.is_none()).unwrap();
    assert_eq!(
        (whole.unit.as_str(), &whole.media),
        ("unit 0", &None),
        "an inspection of two has a line of its own"
    );
}

#[test]
fn a_crash_between_commit_and_outbox_loses_and_repeats_nothing() {
    let mut line = Line::new(1);
    for _ in 0..3 {
        line.arrive(0.1);
        line.arrive(0.9);
        // Committed, not given out; and given out, but the cursor was not noted.
        line.reopen();
        line.store.flush_outbox().unwrap();
        check(&line);
        line.raw().execute("UPDATE outbox SET seq = 0", []).unwrap();
        line.reopen();
        assert_eq!(line.store.flush_outbox().unwrap(), 0);
    }
    check(&line);
}

#[test]
fn a_torn_line_is_written_again() {
    let mut line = Line::new(1);
    line.arrive(0.1);
    line.store.flush_outbox().unwrap();
    let one = fs::read(outbox(line.path())).unwrap();
    let half = &one[..one.len() / 2];
    let zeros = vec![0_u8; 300_000];
    let tails: [&[u8]; 5] =
        [half, b"\n", b"{}\n{\"seq\":", &zeros, &[zeros.as_slice(), b"\n", half].concat()];
    for tail in tails {
        append_to_outbox(&line, tail);
        // The cursor may be ahead of what is left, or behind it: the file counts.
        line.raw().execute("UPDATE outbox SET seq = 0", []).unwrap();
        line.arrive(0.9);
        line.store.flush_outbox().unwrap();
        check(&line);
    }
    // Cut anywhere inside its last line, the cursor not yet noted.
    line.arrive(0.1);
    let before = fs::read(outbox(line.path())).unwrap().len() as u64;
    line.store.flush_outbox().unwrap();
    let whole = fs::read(outbox(line.path())).unwrap();
    for length in before..whole.len() as u64 {
        File::options().write(true).open(outbox(line.path())).unwrap().set_len(length).unwrap();
        line.raw().execute("UPDATE outbox SET seq = 0", []).unwrap();
        assert_eq!(line.store.flush_outbox().unwrap(), 1);
        assert_eq!(fs::read(outbox(line.path())).unwrap(), whole);
    }
}

#[test]
fn a_file_that_was_rotated_away_is_begun_anew_and_nothing_repeated() {
    let mut line = Line::new(1);
    line.arrive(0.1);
    line.arrive(0.9);
    line.store.flush_outbox().unwrap();
    let rotated = line.beside("decisions.1.jsonl");
    fs::rename(outbox(line.path()), &rotated).unwrap();
    assert_eq!(line.store.flush_outbox().unwrap(), 0);
    line.arrive(0.5);
    line.reopen();
    assert_eq!(line.store.flush_outbox().unwrap(), 1);
    let old = fs::read_to_string(rotated).unwrap();
    let all = format!("{old}{}", fs::read_to_string(outbox(line.path())).unwrap());
    fs::write(outbox(line.path()), all).unwrap();
    check(&line);
}

#[test]
fn two_writers_at_once_keep_the_order() {
    let mut line = Line::new(1);
    thread::scope(|scope| {
        for who in ["one", "two"] {
            let path = line.path();
            let write = move || {
                let mut store = Store::open(path).unwrap();
                for _ in 0..40 {
                    decide(&mut store, who);
                    store.flush_outbox().unwrap();
                }
            };
            thread::Builder::new().name(who.into()).spawn_scoped(scope, write).unwrap();
        }
    });
    check(&line);
    assert_eq!(given_out(line.path()).len(), 80);
    assert_eq!(line.store.flush_outbox().unwrap(), 0);
}

fn decide(store: &mut Store, who: &str) {
    let (item, inspection) = (ItemId::generate(), InspectionId::generate());
    let event = Event::ItemDecided { item, inspection, decision: by_model(Outcome::Divert) };
    store.transact::<_, StoreError>(who, |tx| tx.append(&event)).unwrap();
}

/// Larger than what a copy reads at a time, so that writers come in between.
const EVENTS_OF_A_LARGE_LINE: i64 = 20_000;

#[test]
fn a_backup_beside_a_writer_ends_and_is_whole() {
    let mut line = Line::new(1);
    line.arrive(0.1);
    line.transact(|tx| {
        for _ in 0..EVENTS_OF_A_LARGE_LINE {
            let (item, inspection) = (ItemId::generate(), InspectionId::generate());
            tx.append(&Event::ItemDecided { item, inspection, decision: by_model(Outcome::Divert) })?;
        }
        Ok(())
    });
    let target = line.beside("backup");
    let (stop, path) = (AtomicBool::new(false), line.path());
    let report = thread::scope(|scope| {
        let writer = || {
            let mut store = Store::open(path).unwrap();
            while !stop.load(Ordering::SeqCst) {
                decide(&mut store, "writer");
            }
        };
        thread::Builder::new().name("writer".into()).spawn_scoped(scope, writer).unwrap();
        let report = backup(path, &target, &mut |_, _| true);
        stop.store(true, Ordering::SeqCst);
        report.unwrap()
    });
    assert!(report.ok, "{:?}", report.faults);
    assert!(report.events > EVENTS_OF_A_LARGE_LINE);
    assert_eq!(report.blobs, 1);
}

#[test]
fn a_restored_line_gives_out_what_its_outbox_lacks_once() {
    // The file at the moment of the backup: whole, behind the log, torn, and rotated away.
    for case in ["whole", "behind", "torn", "rotated"] {
        let mut line = Line::new(1);
        line.arrive(0.1);
        line.store.flush_outbox().unwrap();
        line.arrive(0.9);
        match case {
            "whole" => drop(line.store.flush_outbox().unwrap()),
            "torn" => append_to_outbox(&line, b"{\"seq\":"),
            "rotated" => fs::remove_file(outbox(line.path())).unwrap(),
            _ => {}
        }
        let (copy, back) = (line.beside("backup"), line.beside("restored"));
        assert!(backup(line.path(), &copy, &mut |_, _| true).unwrap().ok);
        line.arrive(0.5);
        assert!(restore(&copy, &back, &mut |_, _| true).unwrap().ok);
        let mut restored = Store::open(&back).unwrap();
        let written = restored.flush_outbox().unwrap();
        assert_eq!(written, u64::from(case != "whole"), "{case}");
        assert_eq!(restored.flush_outbox().unwrap(), 0, "{case}");
        let seqs: Vec<i64> = given_out(&back).iter().map(|line| line.seq).collect();
        let both = &committed(&line)[..2];
        assert_eq!(seqs, if case == "rotated" { &both[1..] } else { both }, "{case}");
    }
}

#[test]
fn a_copy_goes_into_an_empty_folder_only() {
    let mut line = Line::new(1);
    let item = line.arrive(0.1);
    let target = line.beside("backup");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("notes.txt"), "mine").unwrap();
    let error = backup(line.path(), &target, &mut |_, _| true).unwrap_err().to_string();
    assert!(error.starts_with("the target folder is not empty"), "{error}");
    assert_eq!(fs::read_to_string(target.join("notes.txt")).unwrap(), "mine");
    fs::remove_file(target.join("notes.txt")).unwrap();
    assert!(backup(line.path(), &target, &mut |_, _| true).unwrap().ok);

    // A copy that somebody ends leaves nothing behind.
    let third = line.beside("third");
    let error = backup(line.path(), &third, &mut |_, _| false).unwrap_err().to_string();
    assert!(error.contains("cancelled") && !third.exists(), "{error}");
    assert!(!line.beside(".third.partial").exists());

    // A damaged original makes a copy that says so, and not a copy that looks whole.
    let media = line.store.view().item(item).unwrap().unwrap().media;
    fs::write(line.store.blobs().path(&media), "other bytes").unwrap();
    let report = backup(line.path(), &line.beside("second"), &mut |_, _| true).unwrap();
    assert!(!report.ok && report.faults.len() == 1, "{:?}", report.faults);
}
