//! Promise: the log is the truth. Whatever is done to it shows, with the event and what was
//! done; what is projected from it can always be made again.

use crate::lines::{Line, PROJECTIONS, REVIEWERS, Step, by_model, histories, plan, steps};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use rusqlite::{Connection, params};
use secondlook::domain::{Event, InspectionId, ItemId, Level, Outcome, RetentionRule};
use secondlook::store::{FaultKind, Head, Store, StoreError, VerifyReport};
use std::fs;
use std::path::Path;
use std::thread;

/// BLAKE3 of each migration that has landed. A line anywhere may already have run it: a change
/// goes into a new migration, and its hash is added here.
const MIGRATIONS: [(&str, &str); 8] = [
    ("01-log", "d44ec36bf1da99db114bd99bbb4d52af1aae32861e2ed93e91af2e0cb09ad2e0"),
    ("02-projections", "c7fe909a9e25cabb3d00971e7c74ef91f239af2ef363ce9d0c39b4e362d8f37e"),
    ("03-views", "b146dcb93ec34d7954e4e6ca51d2770cc5d69c503fbfe469b7c0193a9909dd85"),
    ("04-before-answers", "73c7c7fb271d356d8de50f7841903b3670b55442f1818e59dc9fff2d417de3bf"),
    ("05-review", "97c7abc5db1a74c43be6d159a43b0ea83acd90b20fd1733ef18c0bfbc7cf13e7"),
    ("06-promise", "98de2ca031490b6a530c58bc8de6eddd6edd5df51c340a2d6877513df65ed322"),
    ("07-release", "870a10aedb8e21efd15018d3ac5349578f24a8e06730e758f736b2a234ac2684"),
    ("08-transcripts", "e45e3a175598925f1f4e5991d369f7af21365c194d9bebfb9612e79777e0cb74"),
];

/// The same history each time, long enough that every kind of event is in it.
fn history() -> Vec<Step> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let mut taken = vec![Step::Arrive(0.5), Step::Arrive(0.1), Step::Answer { who: 0, what: 2, which: 1 }];
    while taken.len() < 60 {
        taken.extend(steps(60).new_tree(&mut runner).unwrap().current());
    }
    taken.truncate(60);
    taken
}

fn line_with_history() -> Line {
    let mut line = Line::new(2);
    line.take_all(&history());
    line
}

/// Copies of one line, each spoilt in its own way.
struct Spoilt {
    original: Line,
    events: i64,
    copies: u32,
}

impl Spoilt {
    fn new() -> Self {
        let original = line_with_history();
        let events = original.store.head().unwrap().count;
        assert!(events > 60, "only {events} events");
        original.raw().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        Self { original, events, copies: 0 }
    }

    fn after(&mut self, anchor: Option<Head>, spoil: impl FnOnce(&Connection)) -> VerifyReport {
        self.copies += 1;
        let folder = self.original.beside(&format!("copy {}", self.copies));
        copy_folder(self.original.path(), &folder);
        {
            let raw = Connection::open(folder.join("secondlook.db")).unwrap();
            raw.execute_batch(
                "DROP TRIGGER events_are_never_changed; DROP TRIGGER events_are_never_deleted;",
            )
            .unwrap();
            spoil(&raw);
        }
        let report = Store::open(&folder).unwrap().verify(anchor).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        report
    }

    #[track_caller]
    fn check(&mut self, what: &str, seq: i64, kind: FaultKind, spoil: impl FnOnce(&Connection)) {
        let report = self.after(None, spoil);
        let fault = report.first_bad.unwrap_or_else(|| panic!("{what}: nothing was found"));
        assert_eq!((fault.seq, fault.kind), (seq, kind), "{what}: {}", fault.message);
        assert!(!report.ok);
    }

    /// Some places of the log, with both ends.
    fn places(&self) -> Vec<i64> {
        vec![1, 2, self.events / 3, self.events / 2, self.events - 1, self.events]
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Moves rows through numbers that no row has, since numbers are unique.
fn renumber(raw: &Connection, from: i64, by: i64) {
    raw.execute("UPDATE events SET seq = -seq - 1000000 WHERE seq >= ?1", [from]).unwrap();
    raw.execute("UPDATE events SET seq = -(seq + 1000000) + ?1 WHERE seq <= -1000000", [by]).unwrap();
}

fn swap(raw: &Connection, a: i64, b: i64) {
    for (from, to) in [(a, -1), (b, a), (-1, b)] {
        raw.execute("UPDATE events SET seq = ?2 WHERE seq = ?1", [from, to]).unwrap();
    }
}

/// The hash of a row as the log makes it, from its documentation: every column but the hash,
/// each behind its length.
fn make_hash(raw: &Connection, seq: i64) -> [u8; 32] {
    raw.query_row(
        "SELECT id, at, actor, station, kind, version, payload, prev FROM events WHERE seq = ?1",
        [seq],
        |row| {
            let text = |i| row.get::<_, String>(i).map(String::into_bytes);
            let columns = [
                seq.to_le_bytes().to_vec(),
                text(0)?,
                row.get::<_, i64>(1)?.to_le_bytes().to_vec(),
                text(2)?,
                text(3)?,
                text(4)?,
                row.get::<_, u32>(5)?.to_le_bytes().to_vec(),
                text(6)?,
                row.get::<_, Vec<u8>>(7)?,
            ];
            let mut hasher = blake3::Hasher::new();
            for bytes in columns {
                hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
            }
            Ok(*hasher.finalize().as_bytes())
        },
    )
    .unwrap()
}

/// What somebody does who knows how the log is made: all hashes from `from` on, made again.
fn make_chain(raw: &Connection, from: i64, to: i64) {
    for seq in from..=to {
        if seq > 1 {
            raw.execute(
                "UPDATE events SET prev = (SELECT hash FROM events WHERE seq = ?1 - 1) WHERE seq = ?1",
                [seq],
            )
            .unwrap();
        }
        raw.execute("UPDATE events SET hash = ?2 WHERE seq = ?1", params![seq, make_hash(raw, seq)]).unwrap();
    }
}

#[test]
fn a_changed_row_is_named_whichever_column_it_was() {
    let mut spoilt = Spoilt::new();
    let changes = [
        "id = 'ffffffff-ffff-7fff-bfff-ffffffffffff'",
        "at = at + 1",
        "actor = 'somebody else'",
        "actor = CAST(x'ff' AS TEXT)",
        "station = id",
        "kind = kind || ' '",
        "version = 2",
        "version = -1",
        "payload = payload || ' '",
        "prev = x'00'",
        "prev = zeroblob(31)",
        "hash = x'00'",
        "hash = randomblob(32)",
    ];
    for seq in spoilt.places() {
        for change in changes {
            spoilt.check(change, seq, FaultKind::Changed, |raw| {
                raw.execute(&format!("UPDATE events SET {change} WHERE seq = ?1"), [seq]).unwrap();
            });
        }
        spoilt.check("another number", seq, FaultKind::Reordered, |raw| {
            raw.execute("UPDATE events SET seq = seq + 5000 WHERE seq = ?1", [seq]).unwrap();
        });
        spoilt.check("a number before all", seq, FaultKind::Reordered, |raw| {
            raw.execute("UPDATE events SET seq = -7 WHERE seq = ?1", [seq]).unwrap();
        });
    }
    // With its own hash made again only the events behind it can tell.
    for seq in spoilt.places().into_iter().filter(|&seq| seq < spoilt.events).collect::<Vec<_>>() {
        spoilt.check("changed, with its hash made again", seq, FaultKind::Changed, |raw| {
            raw.execute("UPDATE events SET actor = 'somebody else' WHERE seq = ?1", [seq]).unwrap();
            make_chain(raw, seq, seq);
        });
    }
}

#[test]
fn removed_inserted_and_swapped_rows_are_told_apart() {
    let mut spoilt = Spoilt::new();
    let last = spoilt.events;
    for seq in spoilt.places().into_iter().filter(|&seq| seq < last - 1).collect::<Vec<_>>() {
        for count in [1, 2] {
            let remove = move |raw: &Connection| {
                raw.execute("DELETE FROM events WHERE seq >= ?1 AND seq < ?1 + ?2", [seq, count]).unwrap();
            };
            if seq + count > last {
                continue;
            }
            spoilt.check("removed", seq, FaultKind::Missing, remove);
            spoilt.check("removed, the rest renumbered", seq, FaultKind::Missing, |raw| {
                remove(raw);
                renumber(raw, seq, -count);
            });
        }
        let insert = |raw: &Connection, well_hashed: bool| {
            renumber(raw, seq, 1);
            raw.execute(
                "INSERT INTO events SELECT ?1, 'ffffffff-ffff-7fff-bfff-ffffffffffff', at, actor, station, kind,
                 version, payload, prev, hash FROM events WHERE seq = ?1 + 1",
                [seq],
            )
            .unwrap();
            if well_hashed {
                make_chain(raw, seq, seq);
            }
        };
        spoilt.check("inserted", seq, FaultKind::Inserted, |raw| insert(raw, false));
        spoilt.check("inserted, well hashed", seq, FaultKind::Inserted, |raw| insert(raw, true));
        for other in [seq + 1, seq + 2, last] {
            if other != seq {
                spoilt.check("swapped", seq, FaultKind::Reordered, |raw| swap(raw, seq, other));
            }
        }
    }
}

#[test]
fn a_cut_tail_and_a_rewritten_log_show_against_an_anchor_alone() {
    let mut spoilt = Spoilt::new();
    let anchor = spoilt.original.store.head().unwrap();
    let last = spoilt.events;
    let found = |report: &VerifyReport| report.first_bad.as_ref().map(|fault| (fault.seq, fault.kind));

    let whole = spoilt.after(Some(anchor), |_| {});
    assert!(whole.ok, "{:?} {:?}", whole.first_bad, whole.faults);
    assert_eq!(whole.head, anchor);
    assert_eq!(
        anchor.to_string().parse::<Head>(),
        Ok(anchor),
        "an anchor reads back from where it was noted"
    );

    let cut = |raw: &Connection| {
        raw.execute("DELETE FROM events WHERE seq > ?1", [last - 3]).unwrap();
    };
    assert_eq!(found(&spoilt.after(None, cut)), None, "no chain shows this by itself");
    assert_eq!(found(&spoilt.after(Some(anchor), cut)), Some((last - 2, FaultKind::CutOff)));

    let rewrite = |raw: &Connection| {
        raw.execute("UPDATE events SET actor = 'somebody else' WHERE seq = 2", []).unwrap();
        make_chain(raw, 2, last);
    };
    assert_eq!(found(&spoilt.after(None, rewrite)), None);
    assert_eq!(found(&spoilt.after(Some(anchor), rewrite)), Some((last, FaultKind::Rewritten)));

    // The log may have grown since the anchor was noted.
    spoilt.original.arrive(0.5);
    let line = &mut spoilt.original;
    assert!(line.store.verify(Some(anchor)).unwrap().ok);
}

#[test]
fn damaged_missing_and_expired_media_are_told_apart() {
    let mut line = Line::new(1);
    let items = [0.1, 0.2, 0.3, 0.9].map(|p| line.arrive(p));
    let media = items.map(|item| line.store.view().item(item).unwrap().unwrap().media);
    line.hands.move_secs(10.0 * 86_400.0);
    let rule = RetentionRule {
        name: "diverted".into(),
        days: 9.0,
        decision: Some(Outcome::Divert),
        labelled_too: false,
    };
    assert_eq!(line.store.apply_retention(&[rule], "station").unwrap(), 1);
    assert!(line.store.verify(None).unwrap().ok, "expired is no fault");

    fs::write(line.store.blobs().path(&media[0]), "other bytes").unwrap();
    fs::remove_file(line.store.blobs().path(&media[1])).unwrap();
    let report = line.store.verify(None).unwrap();
    assert_eq!(report.blobs.damaged, [media[0].clone()]);
    assert_eq!(report.blobs.missing, [media[1].clone()]);
    assert_eq!((report.blobs.expired, report.blobs.present), (1, 1));
    assert_eq!((report.ok, report.first_bad), (false, None));
}

#[test]
fn bytes_that_come_again_while_they_expire_are_kept() {
    let mut line = Line::new(1);
    let item = line.arrive(0.9);
    let media = line.store.view().item(item).unwrap().unwrap().media;
    let bytes = line.store.blobs().read(&media).unwrap();
    let rule = RetentionRule { name: "all".into(), days: 1.0, decision: None, labelled_too: false };
    let expire =
        |line: &mut Line| line.store.apply_retention(std::slice::from_ref(&rule), "station").unwrap();
    let exists = |line: &Line| line.store.blobs().path(&media).exists();

    let path = line.store.blobs().path(&media);
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(72);
    fs::File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    line.hands.move_secs(86_401.0);
    // The rule's event is in the log and the file still there, as after a crash in between; then
    // the same picture comes again: its bytes are written before its event.
    line.transact(|tx| tx.append(&Event::BlobExpired { media: media.clone(), rule: "all".into() }).map(drop));
    line.hands.move_secs(-86_401.0);
    line.store.blobs().put(&bytes).unwrap();
    assert_eq!(expire(&mut line), 0);
    assert!(exists(&line), "an arrival is on the way");

    line.hands.move_secs(86_401.0);
    assert_eq!(expire(&mut line), 0, "expired already");
    assert!(!exists(&line), "it never came");
    assert!(line.store.verify(None).unwrap().ok);
}

#[test]
fn a_projection_changed_by_hand_is_found_and_put_right() {
    let spoils = [
        "UPDATE decisions SET decision = 'pass'",
        "DELETE FROM queue",
        "UPDATE labels SET class = 'good'",
        "UPDATE inspections SET decided_by = 'person'",
        "INSERT INTO settings VALUES ('level', '\"full\"') ON CONFLICT DO UPDATE SET value = '\"full\"'",
        "UPDATE tallies SET n = n + 1 WHERE what = 'arrived'",
        "DELETE FROM items WHERE inspection_id IS NOT NULL",
        "UPDATE verdicts SET undone = 1 - undone",
    ];
    let mut line = line_with_history();
    line.arrive(0.5);
    let open = line.arrive(0.5);
    line.answer(open, "ann", "crack").unwrap();
    let truth = line.projections();
    for spoil in spoils {
        let changed = line.raw().execute(spoil, []).unwrap();
        assert!(changed > 0, "{spoil}");
        let report = line.store.verify(None).unwrap();
        assert!(report.first_bad.is_none(), "the log is whole");
        assert!(report.faults.iter().any(|fault| fault.contains("rebuild")), "{spoil}: {:?}", report.faults);
        assert_ne!(line.projections(), truth, "verify changes nothing");
        assert!(line.store.rebuild().unwrap().changed > 0);
        assert_eq!(line.projections(), truth, "{spoil}");
        assert!(line.store.verify(None).unwrap().ok);
    }
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn rebuilding_gives_the_live_state_after_any_history(history in steps(60), items in 1..=2_u32) {
        let mut line = Line::new(items);
        line.take_all(&history);
        let live = line.projections();
        prop_assert_eq!(live.len(), PROJECTIONS.len());
        let report = line.store.verify(None).unwrap();
        prop_assert!(report.ok, "{:?} {:?}", report.first_bad, report.faults);
        prop_assert_eq!(line.store.rebuild().unwrap().changed, 0);
        prop_assert_eq!(line.projections(), live);
        line.reopen();
        let at: Vec<i64> = line.raw().prepare("SELECT at FROM events ORDER BY seq").unwrap()
            .query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        prop_assert!(at.is_sorted(), "time stepped back with the clock");
    }
}

#[test]
fn several_writers_keep_one_chain() {
    const EACH: i64 = 40;
    let line = Line::new(1);
    thread::scope(|scope| {
        for who in REVIEWERS {
            let path = line.path();
            thread::Builder::new()
                .name(who.into())
                .spawn_scoped(scope, move || {
                    let mut store = Store::open(path).unwrap();
                    for _ in 0..EACH {
                        let (item, inspection) = (ItemId::generate(), InspectionId::generate());
                        let decided =
                            Event::ItemDecided { item, inspection, decision: by_model(Outcome::Divert) };
                        store.transact::<_, StoreError>(who, |tx| tx.append(&decided)).unwrap();
                    }
                })
                .unwrap();
        }
    });
    let mut store = Store::open(line.path()).unwrap();
    let report = store.verify(None).unwrap();
    assert!(report.first_bad.is_none(), "{:?}", report.first_bad);
    assert_eq!(report.events, 1 + EACH * 3);
}

#[test]
fn verify_holds_nobody_up_and_waits_for_nobody() {
    let mut line = line_with_history();
    // Somebody is in the middle of a long transaction: a verification that wrote would wait for
    // it, and one that reads sees the state before.
    let other = line.raw();
    other.execute_batch("BEGIN IMMEDIATE; DELETE FROM queue; DELETE FROM settings").unwrap();
    let report = line.store.verify(None).unwrap();
    assert!(report.ok, "{:?}", report.faults);
    other.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn the_clock_may_step_back_and_the_log_does_not() {
    let mut line = Line::new(1);
    let first = line.arrive(0.5);
    line.hands.move_secs(-3600.0);
    let second = line.arrive(0.5);
    let arrived = |item| line.store.view().item(item).unwrap().unwrap().arrived_at;
    assert!(arrived(second) >= arrived(first));
    let order: Vec<_> =
        line.store.view().queue(None, 9).unwrap().into_iter().map(|row| row.item.id).collect();
    assert_eq!(order, [first, second]);
}

#[test]
fn what_cannot_be_opened_says_why() {
    let line = Line::new(1);
    let folder = line.path().to_owned();
    let opened = |folder: &Path| Store::open(folder).err().unwrap().to_string();

    line.raw().pragma_update(None, "user_version", 99).unwrap();
    let error = opened(&folder);
    assert!(error.starts_with("the line was written by a newer version of Second Look. Hint: "), "{error}");

    let other = line.beside("other");
    fs::create_dir(&other).unwrap();
    assert!(opened(&other).starts_with("this folder is not a line"));
    for content in ["", "this is a text, and no database, however long it may be: ".repeat(200).as_str()] {
        fs::write(other.join("secondlook.db"), content).unwrap();
        let error = opened(&other);
        assert!(error.starts_with("the database is damaged. Hint: "), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
    let error = Store::create(&folder, &plan(1), "test").err().unwrap().to_string();
    assert!(error.starts_with("this folder already holds a line"), "{error}");
}

#[test]
fn a_piece_that_fails_leaves_no_trace_and_the_others_stay() {
    let mut line = Line::new(1);
    let before = line.store.head().unwrap().count;
    let level = |to| Event::LevelChanged { from: None, to, reason: "test".into(), evidence: None };
    let results = line
        .store
        .transact_group(
            "station",
            vec![
                Box::new(move |tx| tx.append(&level(Level::Assist)).map(drop)),
                Box::new(move |tx| {
                    tx.append(&level(Level::Full))?;
                    Err(StoreError::Refused("no".into()))
                }),
                Box::new(|tx| tx.settings().map(|settings| assert_eq!(settings.level, Level::Assist))),
            ],
        )
        .unwrap();
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(line.store.head().unwrap().count, before + 1);
    assert!(line.store.verify(None).unwrap().ok);
}

#[test]
fn migrations_are_never_edited_once_landed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut found: Vec<(String, String)> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let text = fs::read(entry.path().join("up.sql")).unwrap();
            (entry.file_name().to_string_lossy().into_owned(), blake3::hash(&text).to_hex().to_string())
        })
        .collect();
    found.sort();
    let landed: Vec<(String, String)> =
        MIGRATIONS.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect();
    assert_eq!(found, landed, "write a new migration instead, and add its hash to the end of this list");
}
