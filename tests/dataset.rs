//! Promises: a frozen list of labels stays what it was, and says so; what is locked away for audits is
//! never learnt from, every look at it is written down, and criteria come before results.

use crate::floor::{Floor, Program, encoded, picture};
use crate::lines::{self, verdict};
use image::ImageFormat;
use secondlook::domain::{
    AuditLock, DatasetRow, Event, Filter, ItemId, Label, LabelStatus, MediaHash, SimulatorSettings,
};
use secondlook::engine::{
    self, AnalyseJob, AnalyseOver, AuditRequest, DatasetSource, EngineError, Line, TrainJob,
};
use secondlook::infer::{InputSpec, Levels, Model, View};
use secondlook::learn::TrainSettings;
use secondlook::store::{self, Store, StoreError};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// With so many units of each kind and this share, an audit set without one of a kind comes once in
/// millions of lines.
const UNITS: u32 = 60;
const SHARE: f64 = 0.4;

/// Two pictures of each unit, every second unit with a crack.
fn write_set(folder: &Path, units: std::ops::Range<u32>) {
    fs::create_dir_all(folder).unwrap();
    let mut lines = String::new();
    for unit in units {
        let is_crack = unit % 2 == 1;
        for take in 0..2 {
            let media = format!("{unit}-{take}.png");
            picture(2 * unit + take, is_crack).save(folder.join(&media)).unwrap();
            let label = if is_crack {
                "\"label\":\"crack\",\"regions\":[{\"class\":\"crack\",\"box_px\":[10,15,30,22]}]"
            } else {
                "\"label\":\"good\""
            };
            writeln!(lines, "{{\"media\":\"{media}\",{label},\"group\":\"unit {unit}\"}}").unwrap();
        }
    }
    fs::write(folder.join("items.jsonl"), lines).unwrap();
}

fn import(floor: &Floor, units: std::ops::Range<u32>) -> Line {
    let folder = floor.beside(&format!("set {}", units.start));
    write_set(&folder, units);
    let mut line = floor.line();
    let set = DatasetSource::Folder(folder).open(&Filter::default(), &SimulatorSettings::default()).unwrap();
    engine::import(&mut line, set, "test", &AtomicBool::new(false), |_, _| {}).unwrap();
    line
}

fn floor() -> (Floor, Line) {
    let floor = Floor::new(|_| {});
    let line = import(&floor, 0..UNITS);
    (floor, line)
}

fn job(name: &str) -> TrainJob {
    let input = InputSpec {
        width_px: 32,
        height_px: 32,
        channels: 1,
        levels: Levels::Absolute,
        mean: vec![0.7],
        std: vec![0.2],
        view: View::Single,
        reference: false,
        local_px: 0,
        sound: None,
        difference: false,
        mirrored: false,
    };
    let settings = TrainSettings { epochs: Some(1), input: Some(input), ..TrainSettings::default() };
    TrainJob { name: Some(name.into()), settings, ..TrainJob::default() }
}

fn train(line: &mut Line, job: TrainJob) -> Result<Model, EngineError> {
    let report = engine::train(line, job, "test", &AtomicBool::new(false), &mut |_| {})?;
    // Labels without an answer are left out; pictures that were asked for are there.
    assert!(report.skipped.iter().all(|(_, why)| why.contains("cannot tell")), "{:?}", report.skipped);
    Ok(report.model)
}

fn list_of(line: &Line, name: &str) -> Vec<DatasetRow> {
    line.store.list(&line.store.view().dataset(name).unwrap().unwrap().what.hash).unwrap()
}

fn lock(line: &mut Line) {
    engine::lock_audit(line, AuditLock { share: SHARE, seed: 1 }, "test").unwrap().unwrap();
}

fn audit_request(criteria: &[&str]) -> AuditRequest {
    AuditRequest {
        criteria: criteria.iter().map(|text| text.parse().unwrap()).collect(),
        divert_from: secondlook::domain::Probability::saturating(0.5),
        signed_by: None,
        seed: 1,
    }
}

fn relabel(line: &mut Line, item: ItemId, label: Label) {
    line.store
        .transact::<_, StoreError>("test", |tx| tx.append(&Event::LabelSettled { item, label }))
        .unwrap();
}

#[test]
fn norms_name_the_line_only_where_all_pictures_are_its_own_and_none_was_chosen() {
    let floor = Floor::new(|_| {});
    for number in 0..24_u32 {
        let bytes = encoded(&picture(number, number % 2 == 1).into(), ImageFormat::Png);
        floor.put(format!("inbox/{number:02}.png"), &bytes);
    }
    floor.run_once();
    let mut line = floor.line();
    for row in line.store.view().queue(None, 99).unwrap() {
        let number: u32 = row.item.unit.parse().unwrap();
        let answer = if number % 2 == 1 { "crack" } else { "good" };
        line.answer(&verdict(row.item.id, "ann", answer)).unwrap();
    }
    let named = |line: &mut Line, name: &str, filter: &[&str]| {
        let filter = Filter::parse(filter).unwrap();
        let model = train(line, TrainJob { filter, ..job(name) }).unwrap();
        model.manifest().norms.clone().unwrap().line
    };
    assert_eq!(named(&mut line, "own", &[]), Some(line.store.station().to_string()));
    // Of the labels somebody has chosen some.
    let without_two: Vec<String> = (0..22).map(|number| format!("group={number:02}")).collect();
    let terms: Vec<&str> = without_two.iter().map(String::as_str).collect();
    assert_eq!(named(&mut line, "part", &terms), None);
    // Pictures of another camera.
    let mut line = import(&floor, 500..504);
    assert_eq!(named(&mut line, "mixed", &[]), None);
}

#[test]
fn a_version_stays_what_it_was_and_says_what_changed_since() {
    let (floor, mut line) = floor();
    let filter = Filter::default();
    let first = engine::freeze(&mut line, "first", &filter, "test").unwrap();
    assert_eq!((first.items, first.units, first.classes["crack"].units), (120, 60, 30));
    let again = engine::freeze(&mut line, "again", &filter, "test").unwrap();
    assert_eq!(first.hash, again.hash, "the same labels have the same hash");
    assert!(engine::freeze(&mut line, "first", &filter, "test").is_err(), "a name stands for one list");

    let rows = list_of(&line, "first");
    let good: Vec<&DatasetRow> = rows.iter().filter(|row| row.label.is_good()).collect();
    relabel(&mut line, good[0].item, Label::confirmed("crack"));
    let doubt = Label { status: LabelStatus::CannotTell, class: None, ..Label::confirmed("good") };
    relabel(&mut line, good[1].item, doubt);
    import(&floor, UNITS..UNITS + 1);
    let second = engine::freeze(&mut line, "second", &filter, "test").unwrap();
    assert_ne!(first.hash, second.hash);
    assert_eq!(list_of(&line, "first"), rows);
    let found = engine::compare_datasets(&line, "first", "second").unwrap();
    assert_eq!((found.added.len(), found.removed.len(), found.same), (2, 0, 118));
    let changes: BTreeSet<(&str, &str)> =
        found.relabelled.iter().map(|row| (row.from.as_str(), row.to.as_str())).collect();
    assert_eq!(changes, BTreeSet::from([("good", "crack"), ("good", "cannot tell")]));
    assert_eq!(found.by_class["good"].relabelled_from, 2);

    // A training on the old version learns the old labels; what it learnt from travels with it.
    let model = train(&mut line, TrainJob { dataset: Some("first".into()), ..job("old") }).unwrap();
    assert_eq!(model.manifest().data.version, Some(first.version()));
    // Its own model is gone on with; one of other goods gives weights, and needs no setting.
    let suited = |init| engine::suited_settings(&line, &Filter::default(), None, init).unwrap();
    assert_eq!([None, Some("old")].map(|init| suited(init).transfer), [false; 2]);
    let from_others = suited(Some("photographs"));
    assert!(from_others.transfer && from_others.loss.head == 0.0);
    // Without a version it freezes its own, or finds the same labels again.
    let model = train(&mut line, job("new")).unwrap();
    assert_eq!(model.manifest().data.version, Some(second.version()));
    let part = TrainJob { filter: Filter::parse(&["status=confirmed"]).unwrap(), ..job("part") };
    let own = train(&mut line, part).unwrap().manifest().data.version.clone().unwrap();
    assert_eq!((own.name.as_str(), list_of(&line, &own.name).len()), ("labels-1", 121));

    floor.check();
    let copy = floor.beside("copy");
    assert!(store::backup(&floor.path, &copy, &mut |_, _| true).unwrap().ok);
    let back = floor.beside("back");
    assert!(store::restore(&copy, &back, &mut |_, _| true).unwrap().ok);
    let restored = Line::open(&back, "test").unwrap();
    assert_eq!(list_of(&restored, "first"), rows);
    // A list that somebody has touched is found, and not learnt from.
    let path = restored.store.blobs().path(&first.hash);
    fs::write(&path, fs::read_to_string(&path).unwrap().replacen("crack", "good", 1)).unwrap();
    assert!(!Store::open(&back).unwrap().verify(None).unwrap().ok);
    assert!(restored.store.list(&first.hash).is_err());
}

#[test]
fn no_way_of_training_sees_the_audit_set() {
    let (floor, mut line) = floor();
    let before = engine::freeze(&mut line, "before", &Filter::default(), "test").unwrap();
    let early = train(&mut line, job("early")).unwrap();
    lock(&mut line);
    assert!(engine::lock_audit(&mut line, AuditLock { share: 0.1, seed: 2 }, "test").is_err());
    // Units that come later are drawn by the same rule, and a picture of a locked unit under another
    // unit's name stays away, too.
    let mut line = import(&floor, UNITS..UNITS + 20);
    let set = line.store.audit_set().unwrap().unwrap();
    let held: Vec<u32> = (0..UNITS + 20).filter(|unit| set.holds(&format!("unit {unit}"))).collect();
    let is_held = |unit: &str| set.holds(unit);
    assert!(held.iter().any(|unit| *unit < UNITS) && held.len() < 60, "{held:?}");
    let twin = floor.beside("twin");
    fs::create_dir_all(&twin).unwrap();
    picture(2 * held[0], held[0] % 2 == 1).save(twin.join("twin.png")).unwrap();
    let other = (0..1000).map(|i| format!("twin {i}")).find(|unit| !set.holds(unit)).unwrap();
    let text = format!("{{\"media\":\"twin.png\",\"label\":\"good\",\"group\":\"{other}\"}}\n");
    fs::write(twin.join("items.jsonl"), text).unwrap();
    let twins = DatasetSource::Folder(twin).open(&Filter::default(), &SimulatorSettings::default()).unwrap();
    engine::import(&mut line, twins, "test", &AtomicBool::new(false), |_, _| {}).unwrap();

    // Their pictures are taken away: whoever looked at one would have to say that it is missing.
    let sheet = floor.beside("sheet.jpg");
    engine::show_examples(&line, &job("x"), &sheet).unwrap();
    let shown = fs::read(&sheet).unwrap();
    for unit in &held {
        for take in 0..2 {
            let name = if *unit < UNITS { "set 0".to_owned() } else { format!("set {UNITS}") };
            let bytes = fs::read(floor.beside(&name).join(format!("{unit}-{take}.png"))).unwrap();
            fs::remove_file(line.store.blobs().path(&MediaHash::of(&bytes))).unwrap();
        }
    }
    engine::show_examples(&line, &job("x"), &sheet).unwrap();
    assert_eq!(fs::read(&sheet).unwrap(), shown);

    let free = (UNITS as usize + 20 - held.len()) * 2;
    let stop = AtomicBool::new(false);
    let model = train(&mut line, job("late")).unwrap();
    let data = &model.manifest().data;
    assert_eq!(data.items, free);
    assert!(list_of(&line, &data.version.as_ref().unwrap().name).iter().all(|row| !is_held(&row.unit)));
    assert!(model.manifest().evidence.iter().all(|group| !is_held(&group.group)));
    let (cross, _) = engine::cross_validate(&line, &job("x"), 2, &stop, &mut |_, _| {}).unwrap();
    assert_eq!((cross.evaluation.report.n, cross.evaluation.report.skipped.len()), (free, 0));
    assert!(cross.evaluation.predictions.iter().all(|row| !is_held(&row.group) && row.group != other));
    let points = engine::learning_curve(&line, &[job("x")], &[10_000], &stop, &mut |_, _| {}).unwrap();
    assert_eq!(points[0].labels + points[0].metrics["auroc"].n, free);
    assert_eq!(engine::freeze(&mut line, "after", &Filter::default(), "test").unwrap().items, free);
    // A list from before holds some of them: nothing is trained on it, in part or whole.
    let old = || Some("before".to_owned());
    let refused = |result: Result<(), EngineError>| {
        let error = result.unwrap_err();
        assert!(error.exit_status() == 3 && error.to_string().contains("audit set"), "{error}");
    };
    refused(train(&mut line, TrainJob { dataset: old(), ..job("no") }).map(drop));
    let job_old = TrainJob { dataset: old(), ..job("no") };
    refused(engine::cross_validate(&line, &job_old, 2, &stop, &mut |_, _| {}).map(drop));
    refused(
        engine::learning_curve(&line, std::slice::from_ref(&job_old), &[20], &stop, &mut |_, _| {}).map(drop),
    );
    refused(engine::show_examples(&line, &job_old, &sheet));
    refused(engine::suited_settings(&line, &Filter::default(), Some("before"), None).map(drop));
    assert!(line.store.view().audit_uses().unwrap().is_empty());

    // Models that learnt from them before are known, and so is what began from their weights.
    assert_eq!(early.manifest().data.version, Some(before.version()));
    let child = train(&mut line, TrainJob { init: Some("early".into()), ..job("child") }).unwrap();
    assert_eq!(child.manifest().data.earlier, [before.version()]);
    for model in [&early, &child] {
        refused(
            engine::final_audit(
                &mut line,
                model,
                &audit_request(&["auroc>=0"]),
                "test",
                &stop,
                &mut |_, _| {},
            )
            .map(drop),
        );
    }
    assert_eq!(engine::audit_set_report(&line).unwrap().unwrap().seen_by, ["child", "early"]);
    assert!(line.store.view().audit_criteria().unwrap().is_empty(), "refused before anything is written");
    // Pictures that are missing are not errors that the model does not make.
    let report =
        engine::final_audit(&mut line, &model, &audit_request(&["miss<=1"]), "test", &stop, &mut |_, _| {})
            .unwrap();
    assert!(!report.outcome.passed && report.outcome.unmeasured == held.len() * 2, "{:?}", report.outcome);
}

#[test]
fn sounds_that_cannot_be_read_fail_an_audit_too() {
    let floor = Floor::new(|_| {});
    let mut line = floor.line();
    let motors: DatasetSource = "motor:24".parse().unwrap();
    let set = motors.open(&Filter::default(), &SimulatorSettings::default()).unwrap();
    let stop = AtomicBool::new(false);
    engine::import(&mut line, set, "test", &stop, |_, _| {}).unwrap();
    lock(&mut line);
    let model = engine::find_model(None, "motor-sound").unwrap();
    let audit = |line: &mut Line| {
        let request = audit_request(&["ece<=1"]);
        engine::final_audit(line, &model, &request, "test", &stop, &mut |_, _| {}).unwrap().outcome
    };
    let whole = audit(&mut line);
    assert!(whole.passed && whole.items > 1 && whole.unmeasured == 0, "{whole:?}");
    let rows = list_of(&line, &whole.dataset.name);
    fs::remove_file(line.store.blobs().path(&rows[0].media)).unwrap();
    let spoilt = audit(&mut line);
    assert!(!spoilt.passed && spoilt.unmeasured == 1, "{spoilt:?}");
}

#[test]
fn criteria_come_before_the_look_and_every_look_counts() {
    let (floor, mut line) = floor();
    lock(&mut line);
    let model = train(&mut line, job("one")).unwrap();
    let stop = AtomicBool::new(true);
    // Broken off: criteria and use stay.
    let request = audit_request(&["auroc>=0.99"]);
    assert!(engine::final_audit(&mut line, &model, &request, "test", &stop, &mut |_, _| {}).is_err());
    assert_eq!(line.store.view().audit_uses().unwrap().len(), 1);
    assert!(line.store.view().final_audits().unwrap().is_empty());
    drop(line);

    let place = floor.path.to_str().unwrap();
    let passes = ["final-audit", place, "--model", "one", "--require", "miss<=1", "--require", "auroc>=0"];
    let passed = Program::run(&[&passes[..], &["--signed", "Ann"]].concat()).done();
    assert_eq!((&passed["passed"], &passed["times"], &passed["uses"]), (&true.into(), &2.into(), &2.into()));
    assert_eq!(passed["independence"], "known");
    assert_eq!(passed["failed"].as_array().unwrap().len(), 0);
    let fails = ["--require", "recall:dust>=0.1", "--require", "miss<=0.001@0.999"];
    let failed = Program::run(&[&passes[..], &fails].concat());
    assert_eq!(failed.status, Some(3), "{failed:?}");
    let failed = failed.json();
    assert_eq!((&failed["passed"], &failed["times"]), (&false.into(), &3.into()));
    let list = failed["failed"].as_array().unwrap();
    assert_eq!(list.len(), 2);
    assert!(list[0]["reason"].as_str().unwrap().contains("no unit has this class"), "{list:?}");
    assert!(list[1]["missed_by"].as_f64().unwrap() > 0.0, "{list:?}");
    let misuse = Program::run(&["final-audit", place, "--model", "one", "--require", "auroc<=0.9"]);
    assert_eq!(misuse.status, Some(2));

    // In the log: criteria, use, result, and the signature of the one that was signed.
    let raw = floor.raw();
    let mut statement = raw
        .prepare("SELECT kind FROM events WHERE kind GLOB 'Audit*' OR kind = 'FinalAudit' ORDER BY seq")
        .unwrap();
    let kinds: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let one = ["AuditCriteriaSet", "AuditSetUsed"];
    let expected =
        [&["AuditSetLocked"][..], &one, &one, &["FinalAudit", "AuditSigned"], &one, &["FinalAudit"]];
    assert_eq!(kinds, expected.concat());

    // Looking at the frozen audit set in any other way is a use, too; so is a folder with its pictures.
    let analysed = Program::run(&["analyse", place, "--model", "one", "--dataset", "audit-1"]).done();
    assert_eq!(analysed["training"]["learnt_units"], 0);
    let set = floor.beside("set 0");
    Program::run(&["evaluate", place, "--model", "one", "--data", set.to_str().unwrap()]).done();
    Program::run(&["analyse", place, "--model", "one"]).done();
    let seen = Program::run(&["dataset", place, "audit-uses"]).done();
    let purposes: Vec<&str> =
        seen["uses"].as_array().unwrap().iter().map(|used| used["purpose"].as_str().unwrap()).collect();
    assert_eq!(purposes, ["final audit", "final audit", "final audit", "analyse", "evaluate"]);
    assert_eq!(seen["final_audits"][0]["signed_by"][0], "Ann");
    assert_eq!(seen["broken_off"].as_array().unwrap().len(), 1);
    floor.check();
}

#[test]
fn an_analysis_knows_what_the_store_knows() {
    let (floor, mut line) = floor();
    let filter =
        Filter::parse(&(0..30).map(|unit| format!("group=unit {unit}")).collect::<Vec<_>>()).unwrap();
    let model = train(&mut line, TrainJob { filter, ..job("half") }).unwrap();
    let rows = list_of(&line, &model.manifest().data.version.as_ref().unwrap().name);
    // Two people, two answers.
    for (reviewer, class) in [("ann", "crack"), ("bob", "good")] {
        let verdict = lines::verdict(rows[0].item, reviewer, class);
        line.answer(&verdict).unwrap();
    }
    let stop = AtomicBool::new(false);
    let run = |line: &mut Line, unseen_only| {
        let over = AnalyseOver::Labels(Filter::default());
        let job = AnalyseJob { model: &model, against: Some(&model), over, unseen_only, seed: 1 };
        engine::analyse(line, job, "test", &stop, &mut |_, _| {}).unwrap()
    };
    let found = run(&mut line, false);
    let evidence = model.manifest().evidence.len();
    assert_eq!((found.training.units, found.training.learnt_units), (60, 30 - evidence));
    let against = found.analysis.against.as_ref().unwrap();
    assert_eq!((against.items.won, against.items.lost, against.items.p), (0, 0, 1.0));
    // The disputed item is no truth to measure by any more.
    assert_eq!((found.analysis.all.n, found.evaluation.report.skipped.len()), (119, 1));
    let fresh = run(&mut line, true);
    assert_eq!(fresh.training.units, 30 + evidence);
    assert_eq!(fresh.training.learnt_units, 0);
    let page = engine::write_analysis(&floor.beside("page"), "half", &found).unwrap();
    let page = fs::read_to_string(page).unwrap();
    for part in ["Confusion", "Slices", "What would help most", "Against half"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_training_that_was_killed_goes_on_to_the_same_weights() {
    let (floor, line) = floor();
    drop(line);
    let place = floor.path.to_str().unwrap();
    let input = format!("input={}", serde_json::to_string(&job("x").settings.input).unwrap());
    let how = ["--epochs", "40", "--set", input.as_str()];
    let start = |name: &str| Program::start(&[&["train", place, "--name", name], &how[..]].concat());
    assert_eq!(start("whole").wait().status, Some(0));
    let running = start("killed");
    let checkpoint = floor.path.join("models/.killed.checkpoint");
    crate::floor::until("there is a checkpoint", || checkpoint.exists());
    running.kill();
    assert!(!floor.path.join("models/killed").exists() && checkpoint.exists(), "killed on its way");
    assert!(engine::model_names(Some(&floor.path)).iter().all(|name| !name.contains("killed")));
    Program::run(&["train", place, "--resume", "killed"]).done();
    let weights =
        |name: &str| fs::read(floor.path.join("models").join(name).join("weights.safetensors")).unwrap();
    assert_eq!(weights("killed"), weights("whole"));
    assert!(!checkpoint.exists());
    let nothing = Program::run(&["train", place, "--resume", "killed"]);
    assert_eq!(nothing.status, Some(2));
    assert!(nothing.complaint().contains("no training of \"killed\" was broken off"), "{nothing:?}");
}
