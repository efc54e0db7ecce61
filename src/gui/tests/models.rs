//! The models page: a candidate's way by hand, and what is known of a model.

use super::*;
use crate::domain::{AuditLock, ReleaseState};
use crate::engine::{self, Proof, TrainJob};

const LIVE: &str = "phone-line";

/// The shipped package once more, under another name.
fn save_twin(line: &Line) {
    let (manifest, weights) = engine::find_model(None, LIVE)
        .map(|m| {
            let (manifest, weights) = m.package();
            (manifest.to_vec(), weights.to_vec())
        })
        .unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    manifest["name"] = "twin".into();
    let package = line.store.folder().join("models/twin");
    std::fs::create_dir_all(&package).unwrap();
    std::fs::write(package.join("manifest.json"), manifest.to_string()).unwrap();
    std::fs::write(package.join("weights.safetensors"), weights).unwrap();
}

/// A line with answered items, a live model, and another package.
fn answered_line(dir: &Path, items: u8) -> Line {
    let mut plan = Plan { classes: Vec::new(), ..plan(ReviewMode::Shown) };
    // The test says what models in shadow see.
    plan.release.shadow_share = f64::MIN_POSITIVE;
    let request = LineRequest { plan, level: Level::Assist, model: Some(LIVE.into()) };
    let mut line = Line::create(&dir.join("line"), request, "test").unwrap();
    save_twin(&line);
    for number in 1..=items {
        let media = picture(number);
        let item = arrive(&mut line.store, number, &media, Outcome::Review, InspectionId::generate());
        let class = if number % 3 == 0 { "crack" } else { "good" };
        line.answer(&Verdict::of_class(item, "ben", class)).unwrap();
    }
    line
}

/// An item that one model has decided and the other looked at, each with its view, and a person's answer.
fn seen_by_both(line: &mut Line, number: u8, is_own: bool, views: [f64; 2], class: &str) {
    let item = looked_at_by_both(line, number, is_own, views);
    line.answer(&Verdict::of_class(item, "ben", class)).unwrap();
}

fn looked_at_by_both(line: &mut Line, number: u8, is_own: bool, [live, twin]: [f64; 2]) -> ItemId {
    let of = |name: &str, crack: f64| {
        let model = engine::find_model(Some(line.store.folder()), name).unwrap().model_ref().clone();
        Prediction { model, ..prediction(crack) }
    };
    let (live, twin) = (of(LIVE, live), of("twin", twin));
    let (decided, other) = if is_own { (twin, live) } else { (live, twin) };
    let media = line.store.blobs().put(&picture(number)).unwrap();
    let (item, inspection) = (ItemId::generate(), InspectionId::generate());
    let arrival = Arrival { item, inspection: Some(inspection), ..arrival(number, media, None) };
    line.store
        .transact::<_, crate::store::StoreError>("station", |tx| {
            tx.append(&Event::ItemArrived(arrival))?;
            tx.append(&Event::ItemPredicted { item, prediction: decided.clone() })?;
            let decision = Decision {
                outcome: Outcome::Review,
                decided_by: DecidedBy::Model,
                reason: Reason::LevelAsks { level: Level::Assist },
                policy: None,
                model: Some(decided.model),
                audit: None,
            };
            tx.append(&Event::ItemDecided { item, inspection, decision })?;
            tx.append(&Event::ShadowPredicted { item, prediction: other })
        })
        .unwrap();
    item
}

impl Bench {
    fn state(&self, name: &str) -> Option<ReleaseState> {
        let releases = self.store().view().releases().unwrap();
        releases.into_iter().find(|release| release.model.name == name).map(|release| release.state)
    }

    fn type_into(&mut self, field: &str, text: &str) {
        self.harness.get_by_role_and_label(egui::Role::TextInput, field).focus();
        self.harness.step();
        self.harness.event(egui::Event::Text(text.into()));
        self.harness.run_steps(2);
    }

    /// Presses a step of the release, says why, and confirms.
    #[track_caller]
    fn take(&mut self, step: &str) {
        self.see(&format!("{step}…"));
        self.harness.get_by_label(&format!("{step}…")).click();
        self.harness.run_steps(2);
        self.type_into("Reason of the release", "the test wants it");
        self.harness.get_by_label(step).click();
        self.harness.run_steps(2);
    }

    #[track_caller]
    fn becomes(&mut self, name: &str, state: ReleaseState) {
        let start = Instant::now();
        while self.state(name) != Some(state) {
            assert!(start.elapsed() < PATIENCE, "{name} is {:?}, not {state}", self.state(name));
            self.harness.step();
        }
    }
}

#[test]
fn a_candidate_goes_its_way_by_hand_and_its_share_of_the_line_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let line = answered_line(dir.path(), 3);
    let folder = line.store.folder().to_owned();
    let mut bench = Bench::open(dir, folder);
    bench.harness.key_press(Key::F4);
    bench.see("twin, candidate");
    bench.harness.get_by_label_contains("twin, candidate").click();
    bench.harness.run_steps(2);
    // By its name, from another page.
    bench.see("Into shadow…");
    bench.press(Key::F2);
    bench.command("Into shadow");
    bench.see("It predicts beside the live model and decides nothing");
    bench.type_into("Reason of the release", "the test wants it");
    bench.harness.get_by_label("Into shadow").click();
    bench.becomes("twin", ReleaseState::Shadow);
    // Nothing is compared yet: the first share is refused, and the page says what is missing.
    bench.take("A share of the line");
    bench.see("50 compared items");
    assert_eq!(bench.state("twin"), Some(ReleaseState::Shadow));
    let mut line = line;
    line.canary("twin", Some(0.2), Proof::Waived, "ann", "forced").unwrap();
    for number in 1..=40_u8 {
        let (is_own, is_bad) = (number % 4 == 0, number % 3 == 0);
        let live = if is_bad { 0.9 } else { 0.05 };
        let twin = if number % 5 == 0 { 1.0 - live } else { live };
        seen_by_both(&mut line, 100 + number, is_own, [live, twin], if is_bad { "crack" } else { "good" });
    }
    for said in ["Its share of the line", "The next step takes", "It is taken back by itself when"] {
        bench.see(said);
    }
    bench.see("50 compared items that it decided itself in this step, has 10");
    bench.see("8 only its own, 0 only the live model's");
    bench.see("at this level of the line no model decides");
    bench.take("Make it live");
    bench.becomes("twin", ReleaseState::Live);
    bench.take("Roll back");
    bench.becomes(LIVE, ReleaseState::Live);
    assert_eq!(bench.state("twin"), Some(ReleaseState::Retired));
    bench.see("What has become of it");
    bench.see("phone-line took its place: the test wants it");
}

#[test]
fn a_model_is_taken_apart_and_audited_by_criteria_that_were_there_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut line = answered_line(dir.path(), 24);
    engine::lock_audit(&mut line, AuditLock { share: 0.5, seed: 1 }, "ann").unwrap();
    let folder = line.store.folder().to_owned();
    let mut bench = Bench::open(dir, folder);
    bench.harness.key_press(Key::F4);
    bench.see("twin, candidate");
    bench.harness.get_by_label_contains("phone-line, ").click();
    bench.harness.run_steps(2);
    bench.harness.get_by_label_contains("Data sets").click();
    bench.see("looks at them so far");
    bench.type_into("Name of the version", "before summer");
    bench.harness.get_by_label("Freeze the labels of today").click();
    bench.see("before summer first");
    bench.command("Measure the model");
    bench.see("What it says of what");
    assert!(bench.shows("defective items, called good"), "a share of defective ones, not of all");
    // A worst item is opened by a press.
    let is_item = |label: Option<String>| label.is_some_and(|label| label.starts_with("U0"));
    {
        let mut buttons = bench.harness.query_all_by_role(egui::Role::Button);
        buttons.find(|node| is_item(node.accesskit_node().label())).unwrap().click_accesskit();
    }
    bench.see("People: ");
    bench.see("The model: ");
    bench.harness.get_by_label("Open it in review").click_accesskit();
    bench.wait("its picture", |app| app.place() == Place::Review);
    bench.press(Key::F4);
    bench.command("Models: final audit");
    // The plan's usual demand cannot be shown on so few units, and no look is spent on finding that out.
    bench.see("miss<=0.05@0.95 cannot be shown on");
    bench.harness.get_by_label_contains("Audit it on").click();
    bench.harness.run_steps(3);
    assert!(bench.store().view().audit_uses().unwrap().is_empty());
    let field = bench.harness.get_by_role_and_label(egui::Role::TextInput, "It has to keep");
    field.focus();
    bench.harness.step();
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    bench.harness.event(egui::Event::Text("miss<=0.5, overkill<=0.9, auroc>=1".into()));
    bench.harness.run_steps(2);
    bench.see("Of defective units at most 50 % pass");
    bench.harness.get_by_label_contains("Audit it on").click();
    // What has come out is seen before anybody puts a name under it.
    bench.see("signed: nobody yet");
    assert!(bench.store().view().audit_signatures().unwrap().is_empty());
    bench.see(&format!("Sign as {REVIEWER}"));
    bench.harness.get_by_label(&format!("Sign as {REVIEWER}")).click();
    bench.see(&format!("signed: {REVIEWER}"));
    let store = bench.store();
    let view = store.view();
    let (audits, criteria) = (view.final_audits().unwrap(), view.audit_criteria().unwrap());
    assert_eq!((audits.len(), criteria.len()), (1, 1));
    assert!(criteria[0].at < audits[0].at, "criteria come first");
    assert_eq!(audits[0].what.results.len(), 3);
    assert_eq!(view.audit_signatures().unwrap()[0].what, (audits[0].event, REVIEWER.to_owned()));
    assert!(bench.shows(if audits[0].what.passed { "Passed" } else { "Failed" }));
    assert!(bench.shows("wrong of"), "rates say what they rest on");
}

#[test]
fn a_failed_final_audit_stands_at_the_release_and_asks_why() {
    let dir = tempfile::tempdir().unwrap();
    let mut line = answered_line(dir.path(), 24);
    engine::lock_audit(&mut line, AuditLock { share: 0.5, seed: 1 }, "ann").unwrap();
    let twin = engine::find_model(Some(line.store.folder()), "twin").unwrap();
    let request = engine::AuditRequest {
        criteria: vec!["recall:scratch>=0.9".parse().unwrap()],
        divert_from: Probability::saturating(0.5),
        signed_by: None,
        seed: 1,
    };
    let stop = std::sync::atomic::AtomicBool::new(false);
    let audit = engine::final_audit(&mut line, &twin, &request, "ann", &stop, &mut |_, _| {}).unwrap();
    assert!(!audit.outcome.passed);
    let list = line.canary_checklist(&twin).unwrap();
    assert!(list.iter().any(|line| !line.is_met && line.what.contains("final audit")), "{list:?}");
    let folder = line.store.folder().to_owned();
    let mut bench = Bench::open(dir, folder);
    bench.harness.key_press(Key::F4);
    bench.see("twin, candidate");
    bench.harness.get_by_label_contains("twin, candidate").click();
    bench.see("a final audit that it passes: failed on");
    bench.harness.get_by_label("Make it live…").click();
    bench.see("It did not pass its final audit");
    // Said once, and sent with the enter key.
    bench.harness.run_steps(2);
    bench.harness.event(egui::Event::Text("nothing else is left".into()));
    bench.harness.run_steps(2);
    bench.harness.key_press(Key::Enter);
    bench.harness.run_steps(2);
    bench.becomes("twin", ReleaseState::Live);
    let settings = bench.store().view().settings().unwrap();
    assert_eq!(settings.level, Level::Assist, "people decide at first");
}

#[test]
fn a_training_that_was_interrupted_is_offered_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut line = answered_line(dir.path(), 12);
    let folder = line.store.folder().to_owned();
    // Killed behind its first epoch: the checkpoint stays.
    let job = |name: &str| {
        let mut settings =
            engine::suited_settings(&line, &crate::domain::Filter::default(), None, None).unwrap();
        settings.epochs = Some(3);
        TrainJob { name: Some(name.into()), settings, ..TrainJob::default() }
    };
    let jobs = ["lost", "unwanted"].map(job);
    for job in jobs {
        let name = job.name.clone().unwrap();
        let kept = folder.join(format!("models/.{name}.checkpoint"));
        let copy = folder.join(format!("{name}.copy"));
        let stop = std::sync::atomic::AtomicBool::new(false);
        engine::train(&mut line, job, "test", &stop, &mut |progress| {
            if progress.epoch == 2 && !copy.exists() {
                std::fs::copy(&kept, &copy).unwrap();
            }
        })
        .unwrap();
        std::fs::remove_dir_all(folder.join("models").join(&name)).unwrap();
        std::fs::rename(&copy, &kept).unwrap();
    }
    drop(line);
    let mut bench = Bench::open(dir, folder);
    bench.harness.key_press(Key::F4);
    bench.see("lost: what it had learnt until its last epoch is kept");
    bench.harness.get_all_by_label("Discard…").last().unwrap().click();
    bench.see("Discard it for good");
    bench.harness.get_by_label("Discard it for good").click();
    bench.harness.run_steps(2);
    assert!(!bench.folder.join("models/.unwanted.checkpoint").exists());
    let start = Instant::now();
    while bench.harness.query_all_by_label("Go on with it").count() != 1 {
        assert!(start.elapsed() < PATIENCE, "the discarded one is still offered");
        bench.harness.step();
    }
    bench.harness.get_by_label("Go on with it").click_accesskit();
    bench.see("lost is a candidate now");
    assert!(bench.folder.join("models/lost/manifest.json").exists());
    assert!(!bench.shows("Go on with it"));
}

#[test]
fn what_cannot_be_taken_back_is_asked_twice_with_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let folder = answered_line(dir.path(), 4).store.folder().to_owned();
    let mut bench = Bench::open(dir, folder);
    bench.harness.key_press(Key::F4);
    bench.see("twin, candidate");
    bench.harness.get_by_label_contains("Data sets").click();
    bench.see("Lock them away…");
    bench.harness.get_by_label("Lock them away…").click();
    bench.see("20 % of 4 units");
    assert!(bench.store().audit_set().unwrap().is_none());
    bench.harness.get_by_label("Lock them away").click();
    bench.see("looks at them so far");
}

#[test]
fn what_two_models_call_differently_is_a_pair_without_names_until_it_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let mut line = answered_line(dir.path(), 3);
    line.canary("twin", Some(0.2), Proof::Waived, "ann", "forced").unwrap();
    let item = looked_at_by_both(&mut line, 101, false, [0.1, 0.9]);
    let folder = line.store.folder().to_owned();
    let mut bench = Bench::open(dir, folder);
    bench.harness.key_press(Key::F4);
    bench.see("twin, canary");
    bench.harness.get_by_label_contains("twin, canary").click();
    bench.see("not answered yet");
    bench.harness.get_by_label("U101").click_accesskit();
    for said in ["One of the two", "The other", "defective 90 %", "Answer it"] {
        bench.see(said);
    }
    assert!(!bench.shows("Candidate: twin"));
    // It lies on the desk of whoever sits at the window.
    line.answer(&Verdict::of_class(item, "anna", "crack")).unwrap();
    for said in ["the candidate is right", "Candidate: twin", "Live: phone-line", "Open it"] {
        bench.see(said);
    }
    assert!(!bench.shows("One of the two"));
}

#[test]
fn a_rollback_is_one_command_and_a_reason_away() {
    let dir = tempfile::tempdir().unwrap();
    let mut line = answered_line(dir.path(), 1);
    let folder = line.store.folder().to_owned();
    let twin = engine::find_model(Some(&folder), "twin").unwrap();
    line.promote(&twin, "ann", "the test begins").unwrap();
    let mut bench = Bench::open(dir, folder);
    bench.command("Roll back");
    bench.see("The model that was live before");
    bench.harness.key_press(Key::Enter);
    bench.harness.run_steps(2);
    assert_eq!(bench.state("twin"), Some(ReleaseState::Live), "nothing without a reason");
    bench.harness.event(egui::Event::Text("it misses cracks".into()));
    bench.harness.run_steps(2);
    bench.harness.key_press(Key::Enter);
    bench.harness.run_steps(2);
    bench.becomes(LIVE, ReleaseState::Live);
    let releases = bench.store().view().releases().unwrap();
    let live = releases.iter().find(|release| release.model.name == LIVE).unwrap();
    assert_eq!(live.reason, "it misses cracks");
}
