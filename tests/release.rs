//! Promise: one model decides at any time and for any unit; a candidate proves itself beside it before it
//! decides anything, is taken back by itself where it is worse, and going back takes one step.

use crate::floor::{Floor, encoded, model, picture};
use crate::lines::verdict;
use image::ImageFormat;
use proptest::prelude::*;
use secondlook::domain::{AlarmKind, Event, Filter, Level, Limit, ModelRef, Plan, Probability, ReleaseState};
use secondlook::engine::{
    EngineError, Proof, beside_people, compare, find_model, freeze, promise_report, training_advice,
};
use secondlook::infer::Model;
use secondlook::learn::SliceKind;
use secondlook::store::StoreError;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The floor's model under another name, with all its scores moved: far down it calls everything good, far
/// up everything cracked.
pub fn variant(folder: &Path, name: &str, intercept: f64) -> String {
    let (manifest, weights) = model().package();
    let mut manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    manifest["name"] = name.into();
    manifest["calibration"]["intercept"] = intercept.into();
    let package = folder.join(name);
    fs::create_dir_all(&package).unwrap();
    fs::write(package.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(package.join("weights.safetensors"), weights).unwrap();
    package.display().to_string()
}

/// A model that calls everything good is live and may pass everything.
fn floor_with_lenient(change: impl FnOnce(&mut Plan)) -> Floor {
    let floor = Floor::with_model(change);
    let lenient = variant(&floor.beside(""), "lenient", -30.0);
    let package = find_model(None, &lenient).unwrap();
    floor.line().promote(&package, "ann", "the first").unwrap();
    floor.adopt(Level::Partial, Some(1.0), None);
    floor
}

fn strict(floor: &Floor) -> String {
    variant(&floor.beside(""), "strict", 30.0)
}

fn put_good(floor: &Floor, seeds: std::ops::Range<u32>) {
    for seed in seeds {
        floor.put(format!("{seed}.png"), &encoded(&picture(seed, false).into(), ImageFormat::Png));
    }
}

/// Answers everything that waits; how many.
fn answer_all(floor: &Floor, class: &str) -> usize {
    let mut line = floor.line();
    let waiting = line.store.view().queue(None, 999).unwrap();
    for row in &waiting {
        line.answer(&verdict(row.item.id, "ann", class)).unwrap();
    }
    waiting.len()
}

fn state(floor: &Floor, name: &str) -> Option<ReleaseState> {
    floor.line().releases().unwrap().into_iter().find(|r| r.model.name == name).map(|r| r.state)
}

/// The model that each item was decided by, and the one that predicted it.
fn deciders(floor: &Floor) -> BTreeMap<String, (Option<String>, String, String)> {
    let raw = floor.raw();
    let sql = "SELECT i.unit, d.model, json_extract(p.payload, '$.model.name'), d.decision
               FROM items i JOIN decisions d ON d.item_id = i.item_id
               JOIN predictions p ON p.item_id = i.item_id";
    let mut statement = raw.prepare(sql).unwrap();
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_model_in_shadow_decides_nothing_and_people_say_who_is_right() {
    let floor = floor_with_lenient(|plan| plan.audit.share = 0.001);
    floor.line().shadow(&strict(&floor), "ann", "a try").unwrap();
    put_good(&floor, 0..8);
    let ran = floor.run_once();
    assert_eq!((ran.summary.passed, ran.summary.review), (8, 0), "{:?}", ran.said);
    assert!(deciders(&floor).values().all(|(by, ..)| by.as_deref() == Some("lenient")));
    let line = floor.line();
    let strict = find_model(Some(&floor.path), "strict").unwrap();
    let report = compare(&line, &strict).unwrap();
    assert_eq!((report.seen, report.dropped, report.disagreements, report.calls.n), (8, 0, 8, 0));
    // All that they call differently is asked, and nobody can see why.
    assert_eq!(floor.count("SELECT count(*) FROM queue WHERE code = 'blind'"), 8);
    assert_eq!(answer_all(&floor, "good"), 8);
    let report = compare(&line, &strict).unwrap();
    let calls = report.calls;
    assert_eq!((calls.n, calls.only_live_wrong, calls.only_candidate_wrong), (8, 0, 8));
    assert!(report.is_worse());
    // By class, by time; one folder is no slice.
    let mut parts: BTreeMap<SliceKind, u64> = BTreeMap::new();
    for slice in &report.slices {
        *parts.entry(slice.kind).or_default() += slice.calls.n;
    }
    assert!(parts.contains_key(&SliceKind::Class) && parts.contains_key(&SliceKind::Time), "{parts:?}");
    assert!(parts.values().all(|n| *n == 8), "{parts:?}");
    // An answer that agrees leaves the station's decisions as they were.
    assert_eq!(floor.count("SELECT count(*) FROM decisions WHERE decided_by = 'model'"), 8);
    // Undone, the question waits again.
    floor.line().undo("ann").unwrap();
    assert_eq!(line.store.view().queue(None, 99).unwrap().len(), 1);
    let refused = floor.line().canary("strict", None, Proof::Required, "ann", "next").unwrap_err();
    assert!(matches!(&refused, EngineError::Refused { why, .. } if why.contains("50 compared")), "{refused}");
    assert_eq!((refused.exit_status(), state(&floor, "strict")), (3, Some(ReleaseState::Shadow)));
    floor.check();
}

#[test]
fn what_both_get_wrong_counts_by_the_draw_that_asked_although_the_answer_sends_the_unit_back() {
    let floor = floor_with_lenient(|plan| (plan.release.agreements, plan.audit.share) = (0.25, 0.001));
    floor.line().shadow(&variant(&floor.beside(""), "alike", -29.0), "ann", "a try").unwrap();
    put_good(&floor, 0..60);
    floor.run_once();
    let asked = answer_all(&floor, "crack") as f64;
    assert!((2.0..40.0).contains(&asked), "{asked} of 60 at a quarter");
    let alike = find_model(Some(&floor.path), "alike").unwrap();
    let calls = compare(&floor.line(), &alike).unwrap().calls;
    assert_eq!((calls.only_live_wrong, calls.only_candidate_wrong), (0, 0));
    let both = calls.live.unwrap();
    assert!((both.decided - (4.0 * asked).min(60.0)).abs() < 1e-9, "{both:?}");
}

#[test]
fn a_canary_has_its_share_of_the_units_and_is_taken_back_where_it_is_worse() {
    let floor = floor_with_lenient(|_| {});
    let name = strict(&floor);
    let release = floor.line().canary(&name, Some(0.5), Proof::Waived, "ann", "forced").unwrap();
    assert_eq!(release.state, ReleaseState::Canary);
    put_good(&floor, 0..60);
    floor.run_once();
    let first = deciders(&floor);
    let by_strict = first.values().filter(|(_, predicted, _)| predicted == "strict").count();
    assert!((15..45).contains(&by_strict), "{by_strict} of 60");
    // Each looks at what the other one decides.
    let strict = find_model(Some(&floor.path), "strict").unwrap();
    let report = compare(&floor.line(), &strict).unwrap();
    assert_eq!((report.seen, report.disagreements, report.own), (60, 60, 0));
    // Its evidence supports no threshold: it passes nothing by itself.
    assert!(first.values().all(|(_, predicted, outcome)| predicted == "lenient" || outcome == "review"));
    // The same units come again, with other pictures: each meets the model that it met before.
    for (again, unit) in (100..).zip(0..60_u32) {
        let bytes = encoded(&picture(again, false).into(), ImageFormat::Png);
        floor.put(format!("second/{unit}.png"), &bytes);
    }
    floor.run_once();
    for (unit, (_, predicted, _)) in deciders(&floor) {
        let before = unit.strip_prefix("second/").unwrap_or(&unit);
        assert_eq!(predicted, first[before].1, "{unit}");
    }
    // People say that all of it was good: the candidate was wrong each time, the live one never.
    assert_eq!(answer_all(&floor, "good"), 120);
    let report = compare(&floor.line(), &strict).unwrap();
    assert_eq!((report.calls.n, report.calls.only_candidate_wrong, report.own), (60, 60, by_strict as u64));
    let mut running = floor.run();
    running.until_said("was taken off its share of the line");
    running.stop();
    assert_eq!(state(&floor, "strict"), Some(ReleaseState::Retired));
    let line = floor.line();
    let alarms = line.store.view().alarms().unwrap();
    assert!(alarms.iter().any(|(_, alarm)| alarm.kind == AlarmKind::Canary), "{alarms:?}");
    // The others went on as before.
    assert_eq!(line.store.view().settings().unwrap().level, Level::Partial);
    put_good(&floor, 200..210);
    assert_eq!(floor.run_once().summary.passed, 10);
    // An alarm stands until a person has seen to it, whatever model decides.
    floor.line().promote(&strict, "ann", "a hunch").unwrap();
    floor.line().rollback("ann", "back").unwrap();
    assert_eq!(floor.line().store.view().alarms().unwrap(), alarms);
    floor.check();
}

/// Units that a model's thresholds rest on, and where it may pass by them.
fn evidence(floor: &Floor, name: &str) -> (u64, Option<Probability>) {
    let support = promise_report(&floor.line(), Some(name)).unwrap().support;
    (support.sources.iter().map(|source| source.n).sum(), support.thresholds.pass_below)
}

#[test]
fn what_people_verify_while_a_candidate_is_in_shadow_is_evidence_for_its_thresholds() {
    let floor = Floor::with_model(|plan| {
        let p = Probability::saturating;
        plan.promise.outgoing = Some(Limit { limit: p(0.1), confidence: p(0.9) });
        plan.release.agreements = 0.5;
    });
    let before = evidence(&floor, "tiny").0;
    let name = variant(&floor.beside(""), "lenient", -30.0);
    floor.line().shadow(&name, "ann", "a try").unwrap();
    // People decide everything, and know nothing of it. A unit that comes again tells nothing new.
    put_good(&floor, 0..40);
    floor.run_once();
    floor.put("again/7.png", &encoded(&picture(777, false).into(), ImageFormat::Png));
    floor.run_once();
    assert_eq!(evidence(&floor, "lenient"), (before, None));
    answer_all(&floor, "good");
    let (units, pass_below) = evidence(&floor, "lenient");
    assert!((before + 40..=before + 41).contains(&units) && pass_below.is_some(), "{units}, {pass_below:?}");
    // It comes to a share of the line with thresholds, and to live.
    let release = floor.line().canary("lenient", Some(0.5), Proof::Waived, "ann", "next").unwrap();
    assert_eq!(release.canary.unwrap().policy.thresholds.pass_below, pass_below);
    let package = find_model(Some(&floor.path), "lenient").unwrap();
    floor.line().promote(&package, "ann", "a hunch").unwrap();
    let policy = floor.line().store.view().settings().unwrap().policy.unwrap();
    assert_eq!(policy.thresholds.pass_below, pass_below);
    assert_eq!(evidence(&floor, "lenient").0, units);
    // The model that takes its place knows nothing of this. One that comes back has all that people have
    // verified: nobody gets rid of it by going there and back. A new trial is a new start.
    floor.line().rollback("ann", "back").unwrap();
    floor.line().rollback("ann", "and again").unwrap();
    assert_eq!(evidence(&floor, "lenient"), (units, pass_below));
    floor.line().rollback("ann", "back").unwrap();
    floor.line().shadow("lenient", "ann", "once more").unwrap();
    assert_eq!(evidence(&floor, "lenient"), (before, None));
    floor.check();
}

#[test]
fn where_people_decide_everything_the_model_is_held_against_them() {
    let floor = floor_with_lenient(|_| {});
    floor.line().set_level(Level::Shadow, "ann", "people decide").unwrap();
    put_good(&floor, 0..10);
    floor.run_once();
    assert_eq!(beside_people(&floor.line()).unwrap().unwrap().calls.n, 0, "nobody has said anything yet");
    assert_eq!(answer_all(&floor, "good"), 10);
    put_good(&floor, 10..12);
    floor.run_once();
    assert_eq!(answer_all(&floor, "crack"), 2);
    let found = beside_people(&floor.line()).unwrap().unwrap();
    let [missed, overkill] = [found.missed, found.overkill].map(Option::unwrap);
    assert_eq!((found.calls.errors, found.calls.n), (2, 12));
    assert_eq!((missed.errors, missed.n, overkill.errors, overkill.n), (2, 2, 0, 10));
    assert!(missed.low > 0.15 && missed.high == 1.0 && overkill.low == 0.0 && overkill.high < 0.31);
    let said: Vec<&str> = found.listed.iter().map(|one| one.people.as_str()).collect();
    assert_eq!(said, ["crack", "crack"]);
    floor.check();
}

#[test]
fn models_change_and_change_back_under_a_running_station_and_no_item_sees_two() {
    let floor = floor_with_lenient(|_| {});
    let name = strict(&floor);
    let package = find_model(None, &name).unwrap();
    let mut running = floor.run();
    let mut put = 0;
    for round in 0..4 {
        put_good(&floor, put..put + 15);
        put += 15;
        running.until_decided(u64::from(put) - 10);
        let mut line = floor.line();
        if round % 2 == 0 {
            line.promote(&package, "ann", "better").unwrap();
        } else {
            assert_eq!(line.rollback("ann", "worse").unwrap().name, "lenient");
            // Going back takes no trial; the thresholds do have to be supported anew.
            floor.adopt(Level::Partial, Some(1.0), None);
        }
    }
    running.until_decided(u64::from(put));
    running.stop();
    let decided = deciders(&floor);
    assert_eq!(decided.len(), put as usize);
    for (unit, (by, predicted, outcome)) in &decided {
        assert!(by.as_ref().is_none_or(|by| by == predicted), "{unit}: {by:?}, {predicted}");
        assert!(outcome != "pass" || predicted == "lenient", "{unit} was passed by {predicted}");
    }
    assert!(decided.values().any(|(_, predicted, _)| predicted == "strict"));
    assert_eq!(state(&floor, "lenient"), Some(ReleaseState::Live));
    floor.check();
}

#[test]
fn an_unproven_model_that_is_promoted_leaves_everything_to_people() {
    let floor = floor_with_lenient(|_| {});
    let package = find_model(None, &strict(&floor)).unwrap();
    floor.line().promote(&package, "ann", "a hunch").unwrap();
    assert_eq!(floor.line().store.view().settings().unwrap().level, Level::Assist);
    let why = floor.count(
        "SELECT count(*) FROM events WHERE kind = 'LevelChanged' AND payload LIKE '%has not decided 50 %'",
    );
    assert_eq!(why, 1);
}

#[test]
fn labels_that_no_training_has_seen_suggest_a_training_and_nothing_more() {
    let floor = Floor::with_model(|_| {});
    put_good(&floor, 0..60);
    floor.run_once();
    assert_eq!(training_advice(&floor.line()).unwrap(), None);
    assert_eq!(answer_all(&floor, "good"), 60);
    let advice = training_advice(&floor.line()).unwrap().unwrap();
    assert_eq!(advice, "no training has seen 60 of 60 labels");
    // Moves of models teach nothing; a package that has learnt from these labels ends it.
    let next = find_model(None, &variant(&floor.beside(""), "next", 0.0)).unwrap();
    floor.line().register(&next, "ann", "brought in").unwrap();
    assert_eq!(training_advice(&floor.line()).unwrap().unwrap(), advice);
    let frozen = freeze(&mut floor.line(), "sunday", &Filter::default(), "ann").unwrap();
    let learnt = Path::new(&variant(&floor.path.join("models"), "learnt", 0.0)).join("manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&learnt).unwrap()).unwrap();
    manifest["data"]["version"] = serde_json::to_value(frozen.version()).unwrap();
    fs::write(&learnt, manifest.to_string()).unwrap();
    assert_eq!(training_advice(&floor.line()).unwrap(), None);
    assert_eq!(state(&floor, "tiny"), Some(ReleaseState::Live));
}

/// Moves as people and programs may try them, in any order.
#[derive(Clone, Debug)]
enum Move {
    Shadow(usize),
    Canary(usize, f64),
    Promote(usize),
    Retire(usize),
    Rollback,
    /// Past all rules: what a faulty program may write.
    Write(usize, ReleaseState),
}

fn moves() -> impl Strategy<Value = Move> {
    let states = prop::sample::select(vec![
        ReleaseState::Candidate,
        ReleaseState::Shadow,
        ReleaseState::Canary,
        ReleaseState::Live,
        ReleaseState::Retired,
    ]);
    prop_oneof![
        (0..3_usize).prop_map(Move::Shadow),
        (0..3_usize, 0.1..0.9).prop_map(|(model, share)| Move::Canary(model, share)),
        (0..3_usize).prop_map(Move::Promote),
        (0..3_usize).prop_map(Move::Retire),
        Just(Move::Rollback),
        (0..3_usize, states).prop_map(|(model, state)| Move::Write(model, state)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn no_sequence_of_moves_leaves_no_live_model_or_two(moves in prop::collection::vec(moves(), 1..14)) {
        let floor = floor_with_lenient(|_| {});
        let folder = floor.beside("");
        let packages: Vec<Model> = [("lenient", -30.0), ("a", 1.0), ("b", 2.0)]
            .into_iter()
            .map(|(name, intercept)| find_model(None, &variant(&folder, name, intercept)).unwrap())
            .collect();
        let path = |model: usize| folder.join(&packages[model].model_ref().name).display().to_string();
        let mut line = floor.line();
        for step in moves {
            // Whether it is allowed is not the point here.
            let _ = match step {
                Move::Shadow(model) => line.shadow(&path(model), "ann", "x").map(drop),
                Move::Canary(model, share) => {
                    line.canary(&path(model), Some(share), Proof::Waived, "ann", "x").map(drop)
                }
                Move::Promote(model) => line.promote(&packages[model], "ann", "x"),
                Move::Retire(model) => line.retire(&packages[model].model_ref().name, "ann", "x").map(drop),
                Move::Rollback => line.rollback("ann", "x").map(drop),
                Move::Write(model, to) => line.store.transact::<_, StoreError>("x", |tx| {
                    let model: ModelRef = packages[model].model_ref().clone();
                    let reason = "x".to_owned();
                    tx.append(&Event::ModelMoved { model, from: None, to, reason, canary: None, evidence: None })
                }).map(drop).map_err(EngineError::from),
            };
            let releases = line.releases().unwrap();
            let live: Vec<_> = releases.iter().filter(|r| r.state == ReleaseState::Live).collect();
            prop_assert_eq!(live.len(), 1);
            prop_assert_eq!(Some(live[0].model.clone()), line.store.view().settings().unwrap().model);
            prop_assert!(releases.iter().filter(|r| r.canary.is_some()).count() <= 1);
            for release in &releases {
                let history = line.store.view().release_history(&release.model.hash).unwrap();
                prop_assert_eq!(history.last().map(|step| step.to), Some(release.state));
            }
        }
        prop_assert_eq!(line.store.rebuild().unwrap().changed, 0);
    }
}
