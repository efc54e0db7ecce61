//! Promise: whatever happens to a station, an item is decided once, by the policy in force or by
//! a person with the reason why; nothing falls to `pass`.

use crate::floor::{Floor, leave, model, png};
use secondlook::domain::{Level, ModelRef};
use secondlook::engine::{EngineError, Line, Station, StationOptions};
use secondlook::infer::{Model, weights_from_bytes, weights_to_bytes};
use secondlook::store::StoreError;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

fn put_some(floor: &Floor, units: &[&str]) {
    for (seed, unit) in (0..).zip(units) {
        floor.put(format!("{unit}.png"), &png(seed));
    }
}

#[test]
fn without_a_model_every_item_goes_to_a_person_with_the_reason() {
    let floor = Floor::new(|_| {});
    floor.adopt(Level::Full, Some(1.0), None);
    put_some(&floor, &["a", "b", "c"]);
    let ran = floor.run_once();
    assert_eq!((ran.summary.arrived, ran.summary.review), (3, 3));
    for row in floor.rows() {
        assert_eq!((row.outcome.as_str(), row.decided_by.as_str()), ("review", "station"));
        assert_eq!(row.reason, "no model: none is released on this line");
    }
    assert!(floor.inbox("done/a.png").is_file() && !floor.inbox("a.png").exists());
    floor.check();
}

#[test]
fn a_broken_package_leaves_everything_to_people_and_says_so() {
    let spoil: [(&str, Spoil, &str); 6] = [
        (
            "the folder is missing",
            |package| fs::remove_dir_all(package).unwrap(),
            "there is no model \"tiny\"",
        ),
        (
            "the weights are cut off",
            |package| {
                let file = package.join("weights.safetensors");
                let bytes = fs::read(&file).unwrap();
                fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
            },
            "damaged or was exchanged",
        ),
        (
            "the weights are missing",
            |package| fs::remove_file(package.join("weights.safetensors")).unwrap(),
            "cannot read weights.safetensors",
        ),
        (
            "another package under the same name",
            |package| {
                let file = package.join("manifest.json");
                let mut text = fs::read_to_string(&file).unwrap();
                text.push('\n');
                fs::write(&file, text).unwrap();
            },
            "is not the one that was released (another hash)",
        ),
        ("shapes that the graph does not have", with_wrong_shapes, "do not fit the layer graph"),
        (
            "no manifest",
            |package| fs::write(package.join("manifest.json"), "{").unwrap(),
            "manifest.json is not valid",
        ),
    ];
    for (what, spoil, expected) in spoil {
        let floor = Floor::permissive(|_| {});
        spoil(&floor.package());
        put_some(&floor, &["a", "b"]);
        let ran = floor.run_once();
        assert_eq!((ran.summary.arrived, ran.summary.review), (2, 2), "{what}");
        for row in floor.rows() {
            assert_eq!((row.code.as_str(), row.decided_by.as_str()), ("no_model", "station"), "{what}");
            assert!(row.reason.contains(expected), "{what}: {}", row.reason);
            assert!(!row.reason.contains('\n'), "{what}: {}", row.reason);
        }
        let said = ran.said.iter().any(|said| said.contains("every item goes to a person"));
        assert!(said, "{what}: {:?}", ran.said);
        floor.nothing_passed();
        floor.check();
    }
}

type Spoil = fn(&Path);

/// A package that is sound but for one tensor, which has another shape than the graph's.
fn with_wrong_shapes(package: &Path) {
    let model = Model::load(package).unwrap();
    let (manifest, weights) = model.package();
    let mut tensors = weights_from_bytes(weights).unwrap();
    let (shape, _) =
        tensors.values_mut().find(|(shape, _)| shape.len() == 4 && shape[0] != shape[1]).unwrap();
    shape.swap(0, 1);
    let spoilt = weights_to_bytes(&tensors).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    manifest["weights_blake3"] = blake3::hash(&spoilt).to_hex().to_string().into();
    fs::write(package.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(package.join("weights.safetensors"), spoilt).unwrap();
}

#[test]
fn the_same_file_is_known_again_however_often_the_station_starts() {
    let floor = Floor::permissive(|_| {});
    for run in 0..3 {
        put_some(&floor, &["a", "b", "c"]);
        let ran = floor.run_once();
        let expected = if run == 0 { (3, 0) } else { (0, 3) };
        assert_eq!((ran.summary.arrived, ran.summary.known), expected, "run {run}");
        assert_eq!(fs::read_dir(floor.path.join("inbox")).unwrap().count(), 1, "all moved into done/");
    }
    let floor = Floor::permissive(leave);
    put_some(&floor, &["a", "b", "c"]);
    for run in 0..3 {
        let ran = floor.run_once();
        let expected = if run == 0 { (3, 0) } else { (0, 3) };
        assert_eq!((ran.summary.arrived, ran.summary.known), expected, "run {run}, left in place");
        assert!(floor.inbox("a.png").is_file());
        // Another file time alone is no other file.
        File::options()
            .append(true)
            .open(floor.inbox("a.png"))
            .unwrap()
            .set_modified(std::time::SystemTime::now() + Duration::from_secs(run))
            .unwrap();
    }
    assert_eq!(floor.rows().len(), 3);
    floor.put("a.png", &png(99));
    assert_eq!(floor.run_once().summary.arrived, 1, "another picture under an old name is another item");
    floor.check();
}

#[test]
fn a_folder_is_the_same_source_however_it_is_spelled() {
    let floor = Floor::permissive(leave);
    put_some(&floor, &["a", "b"]);
    assert_eq!(floor.run_once().summary.arrived, 2);
    let spelled = floor.path.join("out/../inbox");
    let ran =
        floor.run_with(StationOptions { once: true, folder: Some(spelled), ..StationOptions::default() });
    assert_eq!((ran.summary.arrived, ran.summary.known), (0, 2));
    assert_eq!(floor.count("SELECT count(*) FROM items WHERE source = 'folder:inbox'"), 2);
}

#[test]
fn the_same_bytes_under_another_unit_go_to_a_person() {
    let floor = Floor::permissive(|_| {});
    floor.put("first.png", &png(1));
    floor.run_once();
    assert_eq!(floor.row("first.png").outcome, "pass");
    floor.put("second.png", &png(1));
    floor.run_once();
    let row = floor.row("second.png");
    assert_eq!((row.outcome.as_str(), row.decided_by.as_str()), ("review", "station"));
    assert_eq!(row.reason, "same picture as unit first (first.png)");
    floor.check();
}

#[test]
fn an_inspection_passes_when_all_its_pictures_have() {
    let floor = Floor::permissive(|plan| {
        plan.inspection.items = 2;
        plan.inspection.timeout_secs = 600.0;
        plan.source.pattern = "{unit}_{position}".into();
    });
    floor.put("a_front.png", &png(0));
    floor.put("b_front.png", &png(1));
    floor.put("a_back.png", &png(2));
    floor.run_once();
    let inspections = floor.inspections();
    assert_eq!(inspections[0], ("a".into(), Some("pass".into()), Some("all items pass".into())));
    assert_eq!(inspections[1], ("b".into(), None, None), "it still waits");
    assert_eq!(inspections.len(), 2);
    // One more front side: another passage of the unit.
    floor.put("b_front.png", &png(3));
    floor.put("b_back.png", b"not a picture");
    floor.run_once();
    let waiting = floor.inspections().into_iter().filter(|i| i.1.is_none()).count();
    assert_eq!(waiting, 1, "{:?}", floor.inspections());
    let reviewed: Vec<_> =
        floor.inspections().into_iter().filter(|i| i.1.as_deref() == Some("review")).collect();
    assert_eq!(reviewed, [("b".into(), Some("review".into()), Some("an item waits for a person".into()))]);
    floor.check();
}

#[test]
fn an_inspection_that_stays_incomplete_goes_to_a_person() {
    let floor = Floor::permissive(|plan| {
        plan.inspection.items = 2;
        plan.inspection.timeout_secs = 0.3;
        plan.source.pattern = "{unit}_{position}".into();
    });
    floor.put("a_front.png", &png(0));
    let mut running = floor.run();
    let sql = "SELECT count(*) FROM inspections WHERE decision = 'review'";
    running.until("the inspection is given up", |_| floor.count(sql) == 1);
    let row = floor.row("a_front.png");
    assert_eq!((row.outcome.as_str(), row.reason.as_str()), ("review", "1 of 2 pictures in time"));
    // Its other side comes too late, and is a passage of its own.
    floor.put("a_back.png", &png(1));
    running.until("the late one is given up", |_| floor.count(sql) == 2);
    running.stop();
    floor.nothing_passed();
    assert_eq!(floor.count("SELECT count(*) FROM queue"), 2);
    floor.check();
}

#[test]
fn a_missing_reference_is_a_reason_to_ask() {
    let floor = Floor::permissive(|plan| {
        plan.source.pattern = "{product}/{unit}".into();
        plan.source.reference = Some("golden/{product}.png".into());
    });
    fs::create_dir(floor.path.join("golden")).unwrap();
    fs::write(floor.path.join("golden/p1.png"), png(50)).unwrap();
    fs::write(floor.path.join("golden/p3.png"), b"no picture").unwrap();
    for (seed, name) in (0..).zip(["p1/a.png", "p2/b.png", "p3/c.png", "d.png"]) {
        floor.put(name, &png(seed));
    }
    floor.run_once();
    assert_eq!(floor.row("p1/a.png").outcome, "pass", "this model needs none, and it is there");
    for name in ["p2/b.png", "p3/c.png", "d.png"] {
        let row = floor.row(name);
        assert_eq!((row.outcome.as_str(), row.code.as_str()), ("review", "no_reference"), "{row:?}");
    }
    floor.check();
}

#[test]
fn only_at_an_automatic_level_the_model_decides() {
    for (level, expected, code) in [
        (Level::Manual, "review", "level_asks"),
        (Level::Shadow, "review", "level_asks"),
        (Level::Assist, "review", "level_asks"),
        (Level::Partial, "pass", "below_pass"),
        (Level::Full, "pass", "below_pass"),
    ] {
        let floor = Floor::permissive(|_| {});
        floor.adopt(level, Some(1.0), None);
        put_some(&floor, &["a"]);
        floor.run_once();
        let row = floor.row("a.png");
        assert_eq!((row.outcome.as_str(), row.code.as_str()), (expected, code), "{level}");
        let predictions = floor.count("SELECT count(*) FROM predictions");
        assert_eq!(predictions, i64::from(level != Level::Manual), "{level}: no model runs at manual");
    }
}

#[test]
fn the_policy_in_force_decides_and_is_recorded() {
    let floor = Floor::with_model(|_| {});
    let at = |name: &str, level, pass_below, divert_above| {
        floor.adopt(level, pass_below, divert_above);
        floor.put(name, &png(u32::try_from(floor.rows().len()).unwrap()));
        floor.run_once();
        let row = floor.row(name);
        (row.outcome, row.code)
    };
    let is = |outcome: &str, code: &str| (outcome.to_owned(), code.to_owned());
    assert_eq!(at("1.png", Level::Partial, Some(1.0), None), is("pass", "below_pass"));
    assert_eq!(at("2.png", Level::Partial, None, Some(0.0)), is("divert", "above_divert"));
    assert_eq!(at("3.png", Level::Partial, Some(0.0), Some(1.0)), is("review", "between"));
    assert_eq!(at("4.png", Level::Partial, None, None), is("review", "between"));
    assert_eq!(at("5.png", Level::Full, Some(0.0), Some(1.0)), is("divert", "not_safely_good"));
    let without = "SELECT count(*) FROM decisions WHERE policy IS NULL OR model IS NULL OR reason = ''";
    assert_eq!(floor.count(without), 0);
    floor.check();
}

#[test]
fn a_running_station_follows_another_level_and_another_model() {
    let floor = Floor::permissive(|_| {});
    let mut running = floor.run();
    put_some(&floor, &["a"]);
    running.until_decided(1);
    assert_eq!(floor.row("a.png").outcome, "pass");
    floor.adopt(Level::Assist, Some(1.0), None);
    floor.put("b.png", &png(10));
    running.until_decided(2);
    assert_eq!(floor.row("b.png").outcome, "review");
    // Thresholds are evidence about one model: with a released package that is not there,
    // nothing is decided by it, whatever the level.
    floor.adopt(Level::Full, Some(1.0), None);
    let gone = ModelRef { name: "gone".into(), hash: model().model_ref().hash.clone() };
    let mut store = floor.line().store;
    store
        .transact::<_, StoreError>("test", |tx| {
            let reason = "test".to_owned();
            tx.append(&secondlook::domain::Event::ModelPromoted { model: gone, reason, evidence: None })
        })
        .unwrap();
    running.until_said("every item goes to a person");
    floor.put("c.png", &png(11));
    running.until_decided(3);
    assert_eq!(floor.row("c.png").code, "no_model");
    running.stop();
    floor.check();
}

#[test]
fn a_second_station_is_refused_and_the_first_goes_on() {
    let floor = Floor::permissive(|_| {});
    let mut running = floor.run();
    let error = Station::start(&floor.path, StationOptions::default()).map(drop).unwrap_err();
    assert!(matches!(error, EngineError::Store(StoreError::StationRuns(_))), "{error}");
    assert_eq!(error.exit_status(), 1);
    put_some(&floor, &["a"]);
    running.until_decided(1);
    running.stop();
    floor.run_once();
    floor.check();
}

#[test]
fn a_folder_that_vanishes_is_watched_again_when_it_is_back() {
    let floor = Floor::permissive(|_| {});
    let mut running = floor.run();
    put_some(&floor, &["a"]);
    running.until_decided(1);
    running.until("a.png is moved", |_| floor.inbox("done/a.png").exists());
    fs::remove_dir_all(floor.path.join("inbox")).unwrap();
    running.until_said("trouble: the watched folder is missing");
    fs::create_dir(floor.path.join("inbox")).unwrap();
    running.until_said("recovered: the watched folder is missing");
    floor.put("b.png", &png(7));
    running.until_decided(2);
    running.stop();
    assert_eq!(floor.rows().len(), 2);
    floor.check();
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_or_read_is_said_and_decides_nothing_twice() {
    let floor = Floor::permissive(|_| {});
    let inbox = floor.path.join("inbox");
    let Some(guard) = Locked::prepare(&inbox) else { return };
    let mut running = floor.run();
    put_some(&floor, &["a"]);
    running.until_decided(1);
    running.until("a.png is moved", |_| floor.inbox("done/a.png").exists());
    floor.put("b.png", &png(20));
    guard.read_only(&inbox);
    running.until_decided(2);
    running.until_said("cannot be moved to the done folder");
    guard.writable(&inbox);
    let ran = running.stop();
    assert!(ran.said.iter().all(|said| !said.contains('\n')), "{:?}", ran.said);
    let names: Vec<String> = floor.rows().into_iter().map(|row| row.name).collect();
    assert_eq!(names, ["a.png", "b.png"]);
    let ran = floor.run_once();
    assert_eq!(ran.summary.arrived, 0, "known again, whether it was moved meanwhile or not");
    assert!(floor.inbox("done/b.png").exists());
    drop(guard);
    floor.check();
}

/// Takes the right to write from a folder: by its mode, or, for the root user whom modes do not
/// stop, by mounting it read-only.
#[cfg(unix)]
struct Locked {
    mounted: Option<std::path::PathBuf>,
}

#[cfg(unix)]
impl Locked {
    fn prepare(folder: &Path) -> Option<Self> {
        use std::os::unix::fs::PermissionsExt;
        let probe = folder.join("probe");
        fs::create_dir(&probe).unwrap();
        fs::set_permissions(&probe, fs::Permissions::from_mode(0o555)).unwrap();
        let modes_count = fs::write(probe.join("file"), b"").is_err();
        fs::remove_dir_all(&probe).unwrap();
        if modes_count {
            return Some(Self { mounted: None });
        }
        if !mount(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"], folder) {
            eprintln!("SKIPPED: modes do not stop this user, and it may not mount");
            return None;
        }
        Some(Self { mounted: Some(folder.to_owned()) })
    }

    fn read_only(&self, folder: &Path) {
        self.turn(folder, "remount,ro", 0o555);
    }

    fn writable(&self, folder: &Path) {
        self.turn(folder, "remount,rw", 0o755);
    }

    fn turn(&self, folder: &Path, option: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        if self.mounted.is_some() {
            assert!(mount(&["-o", option], folder));
        } else {
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

#[cfg(unix)]
impl Drop for Locked {
    fn drop(&mut self) {
        if let Some(folder) = &self.mounted {
            let _ = std::process::Command::new("umount").arg("-l").arg(folder).status();
        }
    }
}

#[cfg(unix)]
fn mount(options: &[&str], folder: &Path) -> bool {
    let done = std::process::Command::new("mount").args(options).arg(folder).output();
    done.is_ok_and(|output| output.status.success())
}

#[test]
fn a_file_that_grows_is_taken_once_and_whole() {
    let floor = Floor::permissive(|plan| plan.source.settle_secs = 0.6);
    let bytes = png(3);
    let mut running = floor.run();
    let mut file = File::create(floor.inbox("slow.png")).unwrap();
    // Longer than it settles, with pauses that are shorter.
    for part in bytes.chunks(bytes.len() / 12 + 1) {
        file.write_all(part).unwrap();
        file.sync_all().unwrap();
        thread::sleep(Duration::from_millis(100));
    }
    drop(file);
    running.until_decided(1);
    running.stop();
    let row = floor.row("slow.png");
    assert_eq!((row.outcome.as_str(), row.code.as_str()), ("pass", "below_pass"), "{}", row.reason);
    assert_eq!(floor.rows().len(), 1);
    floor.check();
}

#[test]
fn stopping_leaves_what_was_not_taken_in_its_folder() {
    let floor = Floor::permissive(|_| {});
    for seed in 0..60 {
        floor.put(format!("{seed}.png"), &png(seed));
    }
    let mut running = floor.run();
    running.until_decided(3);
    let ran = running.stop();
    let left = fs::read_dir(floor.path.join("inbox")).unwrap().count() - 1;
    let moved = fs::read_dir(floor.inbox("done")).unwrap().count();
    assert_eq!((floor.rows().len(), left), (moved, 60 - moved), "{:?}", ran.said);
    assert_eq!(floor.run_once().summary.arrived, u64::try_from(left).unwrap());
    assert_eq!(floor.rows().len(), 60);
    floor.check();
}

#[test]
fn a_typo_in_the_plan_is_named_with_its_place() {
    let floor = Floor::new(|_| {});
    let path = floor.path.join("line.toml");
    let text = fs::read_to_string(&path).unwrap().replace("settle_secs", "setle_secs");
    let line = text.lines().position(|line| line.starts_with("setle_secs")).unwrap() + 1;
    fs::write(&path, text).unwrap();
    let error = Line::open(&floor.path, "test").map(drop).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("line {line}, column 1")), "{text}");
    assert!(text.contains("did you mean `settle_secs`?"), "{text}");
    assert!(text.ends_with("line.toml"), "the path comes last: {text}");
}
