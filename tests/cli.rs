//! Promise: the program itself, as a person or another program calls it: its exit status, one
//! readable line for each mistake, and with `--json` exactly one document.

use crate::floor::{Floor, Program, png};
use secondlook::domain::{CheckDigit, Level, Plan};
use serde_json::Value;
use std::fs;

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

/// A line with some pictures that wait for a person.
fn waiting(count: u32) -> Floor {
    let floor = Floor::with_model(|_| {});
    for seed in 0..count {
        floor.put(format!("{seed}.png"), &png(seed));
    }
    floor.run_once();
    floor
}

#[test]
fn a_line_of_serial_numbers_takes_one_command() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("serials");
    let serials = ["--words", "digits", "--length", "10", "--check", "luhn"];
    Program::run(&[&["new", text(&folder), "--task", "transcribe"], &serials[..]].concat()).done();
    let plan = Plan::from_toml(&fs::read_to_string(folder.join("line.toml")).unwrap()).unwrap();
    let rule = plan.transcript;
    assert_eq!((rule.words.len(), rule.words_min, rule.words_max), (10, 10, 10));
    assert_eq!(rule.check, Some(CheckDigit::Luhn));
}

#[test]
fn wrong_usage_is_status_2_and_says_what_would_be_right() {
    let floor = waiting(1);
    let line = text(&floor.path);
    let queue = Program::run(&["queue", line]).done();
    let item = queue[0]["item"].as_str().unwrap();
    for (arguments, expected) in [
        (
            &["answer", line, item, "--class", "krack", "--reviewer", "ann"][..],
            "\"krack\" is not a class of this line: good, dust, crack, stain",
        ),
        (
            &["answer", line, item, "--class", "crack", "--region", "1,2,3", "--reviewer", "ann"],
            "\"1,2,3\" is not a region like",
        ),
        (
            &["answer", line, item, "--class", "crack", "--region", "9,9,1,1", "--reviewer", "ann"],
            "is not a region like",
        ),
        (
            &["answer", line, item, "--class", "crack", "--region", "krack:1,1,9,9", "--reviewer", "ann"],
            "\"krack\" is not a class",
        ),
        (&["answer", line, "17", "--class", "crack", "--reviewer", "ann"], "\"17\" is not an item's id"),
        (&["run", line, "--once", "--source", "camera:1"], "--source is folder:DIR"),
        (&["import", line, "nowhere", "--where", "fold"], "\"fold\" is not KEY=VALUE"),
        (&["new", "never-made", "--task", "defekt"], "--task is defect, classify or transcribe"),
        (&["new", "never-made", "--task", "defect", "--classes", "good:pas"], "\"pas\" is not a route"),
        (
            &["new", "never-made", "--task", "defect", "--classes", "good,crack", "--promise", "miss=often"],
            "is not a promise like",
        ),
        (
            &[
                "new",
                "never-made",
                "--task",
                "defect",
                "--classes",
                "good,crack",
                "--promise",
                "outgoing:crack=0.01@0.95",
            ],
            "\"outgoing\" cannot be promised of one class",
        ),
        (
            &["replay", line, "nowhere", "--reviewer", "oracle", "--promise", "miss:krack=0.01,miss=0.1"],
            "did you mean \"crack\"?",
        ),
        (&["new", "never-made", "--task", "defect"], "a line needs classes"),
        (
            &["new", "never-made", "--task", "defect", "--classes", "good,crack", "--words", "one"],
            "are of lines of task transcribe",
        ),
        (&["new", "never-made", "--task", "transcribe", "--check", "iban"], "\"iban\" is not luhn"),
        (
            &["new", "never-made", "--task", "transcribe", "--length", "4-10"],
            "\"4-10\" is not a number of words",
        ),
    ] {
        let ran = Program::run(arguments);
        assert_eq!(ran.status, Some(2), "{arguments:?}: {}", ran.stderr);
        assert!(ran.complaint().contains(expected), "{arguments:?}: {}", ran.stderr);
    }
    // These never get as far as the verbs.
    for arguments in [
        &["anser", line][..],
        &["answer", line],
        &["run", line, "--speed", "9"],
        &["verify", line, "--anchor", "7"],
    ] {
        let ran = Program::run(arguments);
        assert_eq!(ran.status, Some(2), "{arguments:?}");
        assert!(ran.stderr.starts_with("error: "), "{arguments:?}: {}", ran.stderr);
        assert!(ran.json()["error"].as_str().is_some_and(|error| !error.is_empty()), "{arguments:?}");
    }
    assert!(!std::path::Path::new("never-made").exists());
    assert_eq!(floor.count("SELECT count(*) FROM verdicts"), 0);
}

#[test]
fn what_fails_is_status_1_with_one_line_that_ends_in_the_path() {
    let floor = waiting(1);
    let line = text(&floor.path);
    let beside = floor.beside("no-line");
    let nobody = "01900000-0000-7000-8000-000000000000";
    for (arguments, expected) in [
        (&["run", text(&beside), "--once"][..], "this folder is not a line"),
        (&["verify", text(&beside)], "this folder is not a line"),
        (&["run", line, "--once", "--source", "folder:never-made"], "there is no such folder: never-made"),
        (&["answer", line, nobody, "--class", "good", "--reviewer", "ann"], "there is no item 01900000"),
        (&["undo", line, "--reviewer", "nobody"], "nobody has no answer that could be taken back"),
        (&["promote", line, "tinny"], "there is no model \"tinny\"; did you mean \"tiny\"?"),
        (&["evaluate", line, "--model", "tiny", "--data", "nowhere"], "nowhere"),
        (&["check-export", text(&beside)], "no-line"),
        (&["restore", text(&beside), text(&floor.beside("back"))], "no-line"),
        (&["new", line, "--task", "defect", "--classes", "good,crack"], "already holds a line"),
        (&["new", text(&beside), "--plan", "nowhere.toml"], "cannot read the plan"),
    ] {
        let ran = Program::run(arguments);
        assert_eq!(ran.status, Some(1), "{arguments:?}: {}", ran.stderr);
        assert!(ran.complaint().contains(expected), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn an_unsupported_level_is_refused_with_what_is_missing() {
    let floor = Floor::with_model(|_| {});
    let made = floor.beside("made");
    let package = floor.package();
    let arguments = ["new", text(&made), "--task", "defect", "--model", text(&package), "--level", "partial"];
    let ran = Program::run(&[&arguments[..], &["--promise", "miss=0.01@0.95"]].concat());
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    assert!(ran.complaint().contains("refused: "), "{}", ran.stderr);
    let json = ran.json();
    assert_eq!(json["support"]["supported"], false);
    assert!(json["support"]["limits"][0]["labels_needed"].is_u64(), "{json:#}");
    assert!(json["support"]["limits"][0].get("class").is_none(), "{json:#}");
    let by_class = [&arguments[..], &["--promise", "miss:crack=0.005@0.95"]].concat();
    let ran = Program::run(&by_class);
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    assert!(ran.complaint().contains("more defective units of class crack needed"), "{}", ran.stderr);
    assert_eq!(ran.json()["support"]["limits"][0]["class"], "crack");
    assert!(!made.exists(), "nothing is made when it is refused");
    for (arguments, expected) in [
        (&arguments[..], "needs a promise"),
        (
            &["new", text(&made), "--task", "defect", "--classes", "good,crack", "--level", "full"],
            "needs a live model",
        ),
        (&["level", text(&floor.path), "partial"], "needs a promise"),
    ] {
        let ran = Program::run(arguments);
        assert_eq!(ran.status, Some(3), "{arguments:?}: {}", ran.stderr);
        assert!(ran.complaint().contains(expected), "{arguments:?}: {}", ran.stderr);
    }
    assert!(!made.exists());
}

#[test]
fn a_plan_with_a_typo_and_a_newer_database_are_named() {
    let floor = waiting(1);
    let line = text(&floor.path);
    let path = floor.path.join("line.toml");
    let plan = fs::read_to_string(&path).unwrap();
    for (before, after, expected) in [
        ("settle_secs", "setle_secs", "did you mean `settle_secs`?"),
        ("task = \"defect\"", "task = \"defct\"", "did you mean `defect`?"),
        ("name = \"Tiles\"", "name = \"Tiles", "line 1, column"),
        ("timeout_secs = 30.0", "timeout_secs = -1.0", "inspection.timeout_secs must be above 0"),
    ] {
        assert!(plan.contains(before), "{plan}");
        fs::write(&path, plan.replace(before, after)).unwrap();
        let ran = Program::run(&["run", line, "--once"]);
        assert_eq!(ran.status, Some(1), "{}", ran.stderr);
        let complaint = ran.complaint();
        assert!(complaint.contains(expected) && complaint.ends_with("line.toml"), "{complaint}");
        if expected.starts_with("did") {
            assert!(complaint.contains("line ") && complaint.contains("column "), "{complaint}");
        }
    }
    fs::write(&path, plan).unwrap();
    floor.raw().pragma_update(None, "user_version", 99).unwrap();
    for verb in ["run", "queue", "verify", "rebuild"] {
        let ran = Program::run(&[verb, line]);
        assert_eq!(ran.status, Some(1), "{verb}: {}", ran.stderr);
        assert!(ran.complaint().contains("written by a newer version"), "{verb}: {}", ran.stderr);
    }
}

#[test]
fn a_damaged_database_or_file_is_an_answer_and_no_stack_trace() {
    let floor = waiting(2);
    let line = text(&floor.path);
    let blob = floor.line().store.view().queue(None, 1).unwrap()[0].item.media.clone();
    let blob = floor.line().store.blobs().path(&blob);
    let mut permissions = fs::metadata(&blob).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a file of this test alone")]
    permissions.set_readonly(false);
    fs::set_permissions(&blob, permissions).unwrap();
    fs::write(&blob, b"another picture").unwrap();
    let ran = Program::run(&["verify", line]);
    assert_eq!(ran.status, Some(1));
    let report = ran.json();
    assert_eq!(
        (report["ok"].as_bool(), report["blobs"]["damaged"].as_array().map(Vec::len)),
        (Some(false), Some(1))
    );
    fs::write(floor.path.join("secondlook.db"), b"this was a database once, and it is not any more").unwrap();
    let _ = fs::remove_file(floor.path.join("secondlook.db-wal"));
    let ran = Program::run(&["verify", line]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.complaint().contains("the database is damaged"), "{}", ran.stderr);
}

#[test]
fn a_small_line_makes_its_whole_way() {
    let floor = Floor::with_model(|_| {});
    let line = text(&floor.path);
    for seed in 0..6 {
        floor.put(format!("{seed}.png"), &png(seed));
    }
    let summary = Program::run(&["run", line, "--once", "--headless"]).done();
    assert_eq!((summary["arrived"].as_u64(), summary["review"].as_u64()), (Some(6), Some(6)));
    for key in ["passed", "diverted", "quarantined", "items_per_s"] {
        assert!(summary[key].is_number(), "{key}: {summary:#}");
    }
    assert_eq!(summary["latency_ms"]["n"], 6);

    let queue = Program::run(&["queue", line]).done();
    let items: Vec<&str> =
        queue.as_array().unwrap().iter().map(|row| row["item"].as_str().unwrap()).collect();
    assert_eq!(items.len(), 6);
    assert!(queue[0]["prediction"]["probabilities"]["crack"].is_number(), "{queue:#}");
    assert_eq!(queue[0]["reason"], "level assist: people decide");

    let head = Program::run(&["verify", line]).done()["head"].as_str().unwrap().to_owned();
    let answer = |item: &str, class: &str, region: &[&str]| {
        let arguments = ["answer", line, item, "--class", class, "--reviewer", "ann"];
        Program::run(&[&arguments[..], region].concat()).done()
    };
    let answered = answer(items[0], "crack", &["--region", "10,15,30,22", "--region", "dust:1,1,4,4"]);
    assert_eq!(answered["item"], items[0]);
    assert!(answered["event"].is_string());
    for (item, class) in items[1..].iter().zip(["good", "good", "cannot tell", "bad input"]) {
        answer(item, class, &[]);
    }
    let undone = Program::run(&["undo", line, "--reviewer", "ann"]).done();
    assert_eq!(undone["item"], items[4], "the last answer is taken back");
    assert_eq!(Program::run(&["queue", line]).done().as_array().unwrap().len(), 2);
    let outcomes: Vec<String> = items.iter().map(|item| decision(&floor, item)).collect();
    assert_eq!(outcomes, ["divert", "pass", "pass", "divert", "review", "review"]);

    for format in ["jsonl", "coco", "yolo", "yolo-seg", "voc", "masks", "csv", "audacity", "raven", "cuts"] {
        let out = floor.beside(&format!("out-{format}"));
        let sheet = Program::run(&["export", line, "--format", format, text(&out)]).done();
        assert_eq!(sheet["items"], 4, "{format}: {sheet:#}");
        let report = Program::run(&["check-export", text(&out)]).done();
        assert_eq!(report["ok"], true, "{format}: {report:#}");
        let again = Program::run(&["export", line, "--format", format, text(&out)]);
        assert_eq!(again.status, Some(1), "an export is never written over another: {}", again.stderr);
    }
    let spoilt = floor.beside("out-csv").join("items.jsonl");
    let text_before = fs::read_to_string(&spoilt).unwrap();
    fs::write(&spoilt, text_before.replacen("good", "dust", 1)).unwrap();
    let ran = Program::run(&["check-export", text(&floor.beside("out-csv"))]);
    assert_eq!((ran.status, ran.json()["ok"].as_bool()), (Some(1), Some(false)));

    assert_eq!(Program::run(&["verify", line, "--anchor", &head]).done()["ok"], true);
    let wrong = format!("{}:{}", head.split(':').next().unwrap(), "0".repeat(64));
    let ran = Program::run(&["verify", line, "--anchor", &wrong]);
    assert_eq!((ran.status, ran.json()["ok"].as_bool()), (Some(1), Some(false)));
    assert_eq!(Program::run(&["rebuild", line]).done()["changed"], 0);

    let (kept, back) = (floor.beside("kept"), floor.beside("back"));
    assert_eq!(Program::run(&["backup", line, text(&kept)]).done()["ok"], true);
    assert_eq!(Program::run(&["restore", text(&kept), text(&back)]).done()["ok"], true);
    let queue_of = |line: &str| Program::run(&["queue", line]).done();
    assert_eq!(queue_of(text(&back)), queue_of(line));
    let again = Program::run(&["backup", line, text(&kept)]);
    assert_eq!(again.status, Some(1), "a backup is never written over another: {}", again.stderr);
    floor.check();
}

fn decision(floor: &Floor, item: &str) -> String {
    let sql = "SELECT decision FROM v_decisions WHERE item_id = ?1";
    floor.raw().query_row(sql, [item], |row| row.get(0)).unwrap()
}

#[cfg(unix)]
#[test]
fn people_answer_from_another_process_while_the_station_runs() {
    let floor = Floor::with_model(|_| {});
    let line = text(&floor.path);
    let running = Program::start(&["run", line]);
    let mut answered = 0;
    for seed in 0..8 {
        floor.put(format!("{seed}.png"), &png(seed));
        let sql = "SELECT count(*) FROM queue";
        crate::floor::until("the item waits", || floor.count(sql) > 0);
        let queue = Program::run(&["queue", line, "--limit", "1"]).done();
        let item = queue[0]["item"].as_str().unwrap();
        Program::run(&["answer", line, item, "--class", "good", "--reviewer", "ben"]).done();
        assert_eq!(decision(&floor, item), "pass");
        answered += 1;
    }
    let second = Program::run(&["run", line, "--once"]);
    assert_eq!(second.status, Some(1));
    assert!(second.complaint().contains("another station already runs"), "{}", second.stderr);
    let summary = running.interrupt().done();
    assert_eq!(summary["arrived"], 8);
    assert_eq!(answered, 8);
    assert_eq!(floor.count("SELECT count(*) FROM v_decisions WHERE decided_by = 'person'"), 8);
    let given = fs::read_to_string(floor.path.join("out/decisions.jsonl")).unwrap();
    assert_eq!(given.lines().count(), 16, "asked and answered, each once");
    floor.check();
}

#[cfg(unix)]
#[test]
fn interrupting_ends_the_station_cleanly() {
    let floor = Floor::permissive(|_| {});
    for seed in 0..40 {
        floor.put(format!("{seed}.png"), &png(seed));
    }
    let running = Program::start(&["run", text(&floor.path)]);
    crate::floor::until("the station decides", || floor.count("SELECT count(*) FROM decisions") > 0);
    let summary = running.interrupt().done();
    let decided = summary["arrived"].as_i64().unwrap();
    assert_eq!(decided, floor.count("SELECT count(*) FROM decisions"), "what was taken is finished");
    assert_eq!(floor.run_once().summary.arrived, u64::try_from(40 - decided).unwrap());
    floor.check();
}

#[test]
fn a_missing_model_is_a_warning_and_the_line_goes_on() {
    let floor = Floor::permissive(|_| {});
    fs::remove_dir_all(floor.package()).unwrap();
    floor.put("a.png", &png(1));
    let ran = Program::run(&["run", text(&floor.path), "--once"]);
    assert!(ran.stderr.contains("every item goes to a person"), "{}", ran.stderr);
    assert_eq!(ran.done()["review"], 1);
    let listed = Program::run(&["models", text(&floor.path)]).done();
    assert!(listed.as_array().is_some_and(|rows| rows.iter().all(|row| row["model"] != Value::Null)));
}

#[test]
fn for_people_the_same_is_text_and_help_is_no_error() {
    let floor = waiting(1);
    let ran = Program::plain(&["queue", text(&floor.path)]);
    assert_eq!(ran.status, Some(0));
    assert!(ran.stdout.contains("reason: level assist: people decide"), "{}", ran.stdout);
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let ran = Program::plain(arguments);
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
    // The level is a promise to people too: an automatic one is never the default.
    let made = floor.beside("made");
    let new =
        Program::run(&["new", text(&made), "--task", "defect", "--classes", "good:pass,crack:divert"]).done();
    assert_eq!(new["level"], Level::Assist.as_str());
}
