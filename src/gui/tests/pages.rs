//! Everything around reviewing: pages, verbs, keys, names, looks.

use super::*;
use std::fmt::Write;

#[test]
fn stop_and_levels_are_always_there_and_are_written_down() {
    let mut bench = Bench::new(ReviewMode::Hidden, 1);
    for (place, key) in [
        (Place::Line, Key::F2),
        (Place::Labels, Key::F3),
        (Place::Models, Key::F4),
        (Place::Settings, Key::F5),
    ] {
        bench.press(key);
        assert_eq!(bench.harness.state().place(), place);
        bench.harness.get_by_label("STOP");
    }
    bench.change_level("Shadow");
    bench.wait("level", |app| app.session().is_some_and(|s| s.station.level == Some(Level::Shadow)));
    // Where people decide without the model STOP changes nothing.
    bench.harness.key_press(Key::F12);
    bench.wait("stopped", |app| app.toasts.newest().is_some_and(|text| text.contains("Stopped")));
    bench.change_level("Assist");
    bench.wait("level", |app| app.session().is_some_and(|s| s.station.level == Some(Level::Assist)));
    assert_eq!(bench.store().view().settings().unwrap().level, Level::Assist);
    // Partial without a promise is refused, and says why.
    bench.change_level("Partial");
    bench.wait("refusal", |app| app.toasts.newest().is_some_and(|text| text.contains("partial")));
    assert_eq!(bench.store().view().settings().unwrap().level, Level::Assist);
    // A refusal stays until Escape closes it.
    let close = "Close this message (Esc)";
    bench.see(close);
    bench.harness.key_press(Key::Escape);
    bench.harness.run_steps(2);
    assert!(!bench.shows(close));
}

#[test]
fn a_level_never_changes_by_one_stray_key() {
    let mut bench = Bench::new(ReviewMode::Hidden, 1);
    bench.press(Key::F2);
    for level in ["Manual", "Shadow", "Partial", "Full"] {
        bench.harness.get_by_label(&format!("Level {level}")).focus();
        bench.harness.run_steps(2);
        for key in [Key::Enter, Key::Space, Key::Enter] {
            bench.harness.key_press(key);
            bench.harness.run_steps(2);
        }
        bench.see(&format!("Level: Assist to {level}"));
        bench.harness.key_press(Key::Escape);
        bench.harness.run_steps(2);
        assert!(!bench.shows("Level: Assist"), "Escape leaves the question");
    }
    assert_eq!(bench.store().view().settings().unwrap().level, Level::Assist);
}

#[test]
fn a_station_that_another_program_held_is_taken_over_when_that_ends() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("line");
    let request = LineRequest { plan: plan(ReviewMode::Hidden), level: Level::Assist, model: None };
    drop(Line::create(&folder, request, "test").unwrap());
    let other = Station::start(&folder, StationOptions::default()).unwrap();
    let mut bench = Bench::open(dir, folder);
    bench.wait("word", |app| app.session().is_some_and(|s| s.station.no_station.is_some()));
    bench.see("Not here");
    drop(other);
    bench.wait("station", |app| app.session().is_some_and(|s| s.station.no_station.is_none()));
}

#[test]
fn each_page_keeps_its_own_place_and_long_ones_are_read_by_keys() {
    let dir = tempfile::tempdir().unwrap();
    let folder = checked_line(dir.path());
    let mut bench = Bench::open(dir, folder);
    let top = |bench: &Bench| bench.harness.get_by_label("What passing more would risk").rect().top();
    bench.press(Key::F6);
    bench.see("Random checks");
    bench.harness.run_steps(2);
    let first = top(&bench);
    bench.press(Key::End);
    bench.harness.run_steps(2);
    let last = top(&bench);
    assert!(last < first - 100.0, "End goes to the end: {first} to {last}");
    bench.press(Key::F2);
    bench.harness.run_steps(2);
    bench.press(Key::F6);
    bench.harness.run_steps(2);
    assert!((top(&bench) - last).abs() < 1.0, "the line page has moved the promise page");
    bench.press(Key::Home);
    bench.harness.run_steps(2);
    assert!((top(&bench) - first).abs() < 1.0);
}

#[test]
fn every_answer_is_seen_in_a_small_window() {
    let mut bench = Bench::new(ReviewMode::DecideFirst, 1);
    // As 1280 × 720 is with texts at 125 %.
    bench.harness.set_size(vec2(1024.0, 576.0));
    bench.harness.run_steps(4);
    let strip = bench.harness.get_by_label("all reasons…").rect().top();
    let last = bench.harness.get_by_label("stain, divert").rect();
    assert!(last.bottom() < strip - 40.0, "{last:?} lies under the strip at {strip}");
}

#[test]
fn labels_are_found_chosen_and_corrected_together() {
    let mut bench = Bench::new(ReviewMode::Hidden, 3);
    for _ in 0..3 {
        bench.answer(Key::G);
    }
    bench.harness.key_press(Key::F3);
    let start = Instant::now();
    while !bench.shows("unit U003: good") {
        assert!(start.elapsed() < PATIENCE);
        bench.harness.step();
    }
    for unit in ["U001", "U003"] {
        bench.harness.get_by_label_contains(&format!("unit {unit}")).click();
        bench.harness.run_steps(3);
    }
    assert!(bench.shows("2 chosen"));
    bench.harness.get_by_value("They are all…").click();
    bench.harness.step();
    bench.harness.step();
    bench.harness.get_all_by_label("stain").last().unwrap().click();
    bench.wait("correction", |app| {
        app.toasts.newest().is_some_and(|text| text.contains("2 labels are now stain"))
    });
    let filter = LabelFilter { class: Some("stain".into()), ..LabelFilter::default() };
    assert_eq!(bench.store().view().labelled_ids(&filter, &TranscriptRule::default()).unwrap().len(), 2);
}

#[test]
fn a_key_can_be_changed_and_a_taken_one_is_refused() {
    let mut bench = Bench::new(ReviewMode::Hidden, 2);
    bench.press(Key::F5);
    bench.harness.get_by_label("Keys").click();
    bench.harness.step();
    bench.harness.step();
    bench.harness.get_by_label_contains("Skip, ").click();
    bench.harness.step();
    bench.harness.key_press(Key::G);
    bench.harness.step();
    bench.harness.step();
    assert!(bench.shows("G is the key of \"Good\""));
    bench.harness.get_by_label_contains("Skip, ").click();
    bench.harness.step();
    bench.harness.key_press(Key::Y);
    bench.harness.step();
    bench.harness.step();
    bench.press(Key::F1);
    bench.answer(Key::Y);
    assert_eq!(bench.unit(), "U002");
}

#[test]
fn every_verb_is_in_the_palette_and_none_breaks_the_window() {
    let mut bench = Bench::new(ReviewMode::DecideFirst, 3);
    for about in TABLE {
        let leaves = matches!(about.verb, Verb::DemoLine | Verb::Backup | Verb::Train | Verb::Palette);
        if leaves {
            continue;
        }
        for place in [Key::F1, Key::F3] {
            bench.harness.key_press(place);
            bench.harness.step();
            bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
            bench.harness.step();
            bench.harness.step();
            bench.harness.event(egui::Event::Text(about.label().to_owned()));
            bench.harness.step();
            assert!(bench.shows(about.label()), "{:?}", about.verb);
            bench.harness.key_press(Key::Enter);
            bench.harness.run_steps(3);
            // Whatever it opened is left again.
            for _ in 0..3 {
                bench.harness.key_press(Key::Escape);
                bench.harness.step();
            }
            bench.harness.get_by_label("STOP");
        }
    }
}

#[test]
fn everything_that_can_be_pressed_has_a_name() {
    let mut bench = Bench::new(ReviewMode::Shown, 2);
    for key in [Key::F1, Key::F2, Key::F3, Key::F4, Key::F5, Key::F6] {
        bench.press(key);
        bench.harness.run_steps(4);
        let root = bench.harness.root();
        let mut nodes = vec![root];
        let mut pressable = 0;
        while let Some(node) = nodes.pop() {
            let access = node.accesskit_node();
            if access.role() == egui::Role::Button || access.role() == egui::Role::Tab {
                pressable += 1;
                let name = access.label().or_else(|| access.value()).unwrap_or_default();
                assert!(!name.trim().is_empty(), "a button without a name on page {key:?}");
            }
            nodes.extend(node.children());
        }
        assert!(pressable > 6, "{pressable} on {key:?}");
    }
}

#[test]
fn a_first_start_welcomes_with_the_demo_line_running() {
    let dir = tempfile::tempdir().unwrap();
    let mut harness = harness(dir.path(), None);
    harness.step();
    harness.step();
    for choice in ["Look around in the demo line", "Open a line", "Plan a new line"] {
        assert!(harness.query_all_by_label_contains(choice).next().is_some(), "{choice}");
    }
    let start = Instant::now();
    while harness.state().session().is_none_or(|session| session.station.tallies.arrived == 0) {
        assert!(start.elapsed() < PATIENCE);
        harness.step();
    }
    harness.get_by_label_contains("Plan a new line").click();
    harness.run_steps(3);
    assert!(harness.query_all_by_label_contains("Make the line").next().is_some());
}

/// Where times stand, which are others each time.
const CHANGING: [[usize; 4]; 2] = [[180, 64, 300, 104], [1200, 730, 1440, 850]];

/// Compares what the window looks like with the picture of this name; `SECONDLOOK_SNAPSHOTS=write` takes
/// it anew. Half as large as the window, and light by a few levels where rounding differs.
#[track_caller]
pub fn looks_like(bench: &mut Bench, name: &str) {
    let [width, height] = [1440, 900];
    let mut painted = bench.painted([width, height]);
    for [left, top, right, bottom] in CHANGING {
        for y in top..bottom {
            painted.pixels[y * width + left..y * width + right].fill(egui::Color32::BLACK);
        }
    }
    let (w, h) = (u32::try_from(width / 2).unwrap(), u32::try_from(height / 2).unwrap());
    let mean = |x: u32, y: u32| {
        let at = 2 * y as usize * width + 2 * x as usize;
        let four = [at, at + 1, at + width, at + width + 1].map(|at| painted.pixels[at].to_array());
        image::Rgb(std::array::from_fn(|i| {
            u8::try_from(four.iter().map(|p| u16::from(p[i])).sum::<u16>() / 4).unwrap()
        }))
    };
    let picture = image::RgbImage::from_fn(w, h, mean);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(format!("{name}.png"));
    if std::env::var("SECONDLOOK_SNAPSHOTS").is_ok_and(|what| what == "write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(&path).unwrap();
        return;
    }
    let kept = image::open(&path).unwrap().into_rgb8();
    assert_eq!(kept.dimensions(), (w, h));
    let levels = kept.as_raw().len();
    let far = kept.as_raw().iter().zip(picture.as_raw()).filter(|(a, b)| a.abs_diff(**b) > 24).count();
    assert!(far < levels / 2000, "{name}: {far} of {levels} levels differ");
}

#[test]
fn the_pages_look_as_they_did() {
    let mut bench = Bench::new(ReviewMode::Shown, 3);
    bench.wait("picture", |app| app.review.is_ready());
    bench.wait("heading", |app| app.session().is_some_and(|s| s.station.level.is_some()));
    looks_like(&mut bench, "review-dark");
    bench.press(Key::E);
    looks_like(&mut bench, "edit-dark");
    bench.press(Key::Escape);
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::T);
    bench.press(Key::F5);
    looks_like(&mut bench, "settings-light");
    bench.harness.key_press(Key::Questionmark);
    looks_like(&mut bench, "keys-light");
}

#[test]
fn the_programs_own_verbs_do_what_they_say() {
    let mut bench = Bench::new(ReviewMode::Hidden, 1);
    let command = |bench: &mut Bench, key: Key| {
        bench.harness.key_press_modifiers(Modifiers::COMMAND, key);
        bench.harness.run_steps(3);
    };
    command(&mut bench, Key::T);
    assert_eq!(bench.harness.ctx.theme(), egui::Theme::Light);
    command(&mut bench, Key::Plus);
    assert!((bench.harness.ctx.zoom_factor() - 1.1).abs() < 1e-6);
    command(&mut bench, Key::Num0);
    assert!((bench.harness.ctx.zoom_factor() - 1.0).abs() < 1e-6);
    command(&mut bench, Key::P);
    bench.wait("pause", |app| app.session().is_some_and(|s| s.station.is_paused));
    for (modifiers, key, says) in [
        (Modifiers::NONE, Key::Questionmark, "Keys are changed under Settings"),
        (Modifiers::COMMAND, Key::O, "The line's folder"),
        (Modifiers::COMMAND, Key::N, "Make the line"),
        (Modifiers::COMMAND, Key::I, "Folder with items.jsonl"),
        (Modifiers::COMMAND, Key::E, "New folder for the export"),
    ] {
        bench.harness.key_press_modifiers(modifiers, key);
        bench.harness.run_steps(3);
        assert!(bench.shows(says), "{says}");
        bench.harness.key_press(Key::Escape);
        bench.harness.run_steps(3);
        assert!(!bench.shows(says), "{says} stays");
    }
    command(&mut bench, Key::B);
    bench.wait("backup", |app| app.toasts.newest().is_some_and(|text| text.starts_with("Backed up")));
    let beside = bench.folder.parent().unwrap();
    let copies = std::fs::read_dir(beside).unwrap().filter_map(Result::ok);
    assert!(copies.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("line-backup-")));
}

#[test]
fn labels_come_in_after_a_preview_and_go_out_with_a_check() {
    let mut bench = Bench::new(ReviewMode::Hidden, 1);
    let set = bench.folder.parent().unwrap().join("set");
    std::fs::create_dir_all(&set).unwrap();
    let mut rows = String::new();
    for (number, label) in [(1, "good"), (2, "crack"), (3, "crack")] {
        std::fs::write(set.join(format!("{number}.png")), picture(40 + number)).unwrap();
        writeln!(rows, "{{\"media\": \"{number}.png\", \"kind\": \"image\", \"group\": \"g{number}\", \"label\": \"{label}\"}}").unwrap();
    }
    std::fs::write(set.join("items.jsonl"), rows).unwrap();
    let seen = |bench: &mut Bench, text: &str| {
        let start = Instant::now();
        while !bench.shows(text) {
            assert!(start.elapsed() < PATIENCE, "no {text}");
            bench.harness.step();
        }
    };
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::I);
    bench.harness.run_steps(3);
    bench.harness.event(egui::Event::Text(set.display().to_string()));
    seen(&mut bench, "3 labelled items");
    assert!(bench.shows("crack 2"));
    bench.harness.key_press(Key::Enter);
    seen(&mut bench, "3 items taken in");
    bench.harness.key_press(Key::Escape);
    bench.harness.run_steps(3);
    assert_eq!(bench.store().view().labels().unwrap().len(), 3);
    let out = set.with_file_name("out");
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::E);
    bench.harness.run_steps(3);
    bench.harness.event(egui::Event::Text(out.display().to_string()));
    bench.harness.run_steps(2);
    bench.harness.key_press(Key::Enter);
    seen(&mut bench, "Done, and checked");
    assert!(out.join("items.jsonl").is_file());
}

impl Bench {
    /// Asks for a level in the top bar, and says why.
    pub(super) fn change_level(&mut self, level: &str) {
        self.harness.get_by_label(&format!("Level {level}")).click();
        self.harness.run_steps(2);
        self.harness.event(egui::Event::Text("the test wants it".into()));
        self.harness.run_steps(2);
        self.harness.get_by_label(&format!("Change to {level}")).click();
        self.harness.run_steps(2);
    }

    /// Finds a command by its name, as a person without a key for it would.
    pub(super) fn command(&mut self, name: &str) {
        self.harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
        self.harness.run_steps(2);
        self.harness.event(egui::Event::Text(name.to_owned()));
        self.harness.step();
        self.harness.key_press(Key::Enter);
        self.harness.run_steps(3);
    }

    #[track_caller]
    pub(super) fn see(&mut self, text: &str) {
        let start = Instant::now();
        while !self.shows(text) {
            assert!(start.elapsed() < PATIENCE, "no {text}; {:?}", self.harness.state().toasts.newest());
            self.harness.step();
        }
    }
}

#[test]
fn a_model_is_trained_from_the_window_with_progress_and_an_end() {
    let mut bench = Bench::new(ReviewMode::Hidden, 12);
    for number in 0..12 {
        bench.answer(if number % 2 == 0 { Key::G } else { Key::Num1 });
    }
    bench.command("Train a model");
    bench.see("On all labels of this line");
    bench.harness.get_all_by_label("Train").last().unwrap().click();
    bench.see("Over epochs");
    bench.see("epoch 2");
    bench.harness.get_by_label("Cancel").click();
    bench.see("is a candidate now");
    assert!(bench.folder.join("models").read_dir().unwrap().count() > 0);
    assert_eq!(bench.store().view().settings().unwrap().model, None, "nothing is released by itself");
}

#[test]
fn the_demo_line_is_one_command_away() {
    let mut bench = Bench::new(ReviewMode::Hidden, 1);
    bench.command("Demo line");
    bench.wait("demo line", |app| {
        app.session().is_some_and(|session| session.folder.ends_with("demo-line") && session.board.is_some())
    });
}

/// A line whose model has decided some alone, all of them drawn for a check.
fn checked_line(dir: &Path) -> PathBuf {
    let folder = dir.join("line");
    let mut plan = plan(ReviewMode::Shown);
    let p = Probability::saturating;
    plan.promise.outgoing = Some(Limit { limit: p(0.02), confidence: p(0.95) });
    let request = LineRequest { plan, level: Level::Assist, model: Some("phone-line".into()) };
    // Classes of the shipped package, so that it may be live here.
    let request = LineRequest { plan: Plan { classes: Vec::new(), ..request.plan }, ..request };
    let mut line = Line::create(&folder, request, "test").unwrap();
    let live = line.store.view().settings().unwrap().model.unwrap();
    for number in 1..=3 {
        let (item, inspection) = (ItemId::generate(), InspectionId::generate());
        let media = line.store.blobs().put(&picture(number)).unwrap();
        let sure = Prediction { model: live.clone(), ..prediction(0.01) };
        let audit = Audit { probability: p(0.5), least: p(0.5), drawn: true, band: Band::Safe };
        line.store
            .transact::<_, crate::store::StoreError>("station", |tx| {
                let arrival = Arrival { item, inspection: Some(inspection), ..arrival(number, media, None) };
                tx.append(&Event::ItemArrived(arrival))?;
                tx.append(&Event::ItemPredicted { item, prediction: sure })?;
                let reason = Reason::BelowPass { p: p(0.01), pass_below: p(0.1) };
                let decision = Decision {
                    outcome: Outcome::Pass,
                    decided_by: DecidedBy::Model,
                    reason,
                    policy: None,
                    model: Some(live.clone()),
                    audit: Some(audit),
                };
                tx.append(&Event::ItemDecided { item, inspection, decision })?;
                crate::review::redecide(tx, &line.plan, inspection, false)
            })
            .unwrap();
    }
    folder
}

#[test]
fn a_check_looks_like_any_question_until_it_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let folder = checked_line(dir.path());
    let mut bench = Bench::open(dir, folder);
    bench.wait("picture", |app| app.review.is_ready());
    bench.press(Key::I);
    bench.press(Key::M);
    for given_away in ["pass below", "0.010", ".01", "phone-line:", "by model", "below 0.1"] {
        assert!(!bench.shows(given_away), "{given_away} gives the check away");
    }
    bench.answer(Key::G);
    let store = bench.store();
    let checks = store.view().tallies().unwrap();
    assert_eq!(
        (checks.automatic, checks.verdicts),
        (3, 1),
        "the agreeing answer leaves the decision the model's"
    );
}

#[test]
fn the_promise_page_says_what_is_known_and_changes_nothing_until_it_is_applied() {
    let dir = tempfile::tempdir().unwrap();
    let folder = checked_line(dir.path());
    let mut bench = Bench::open(dir, folder);
    bench.press(Key::F6);
    bench.see("What passing more would risk");
    bench.see("Level: Partial");
    bench.see("evidence that supports the promise:");
    bench.see("Random checks");
    bench.see("outgoing defects ≤ 2.0 %");
    let policy = |bench: &Bench| bench.store().view().settings().unwrap().policy;
    let before = policy(&bench);
    bench.harness.get_by_label_contains("What if: outgoing").focus();
    bench.harness.run_steps(2);
    for _ in 0..10 {
        bench.harness.key_press(Key::ArrowUp);
        bench.harness.run_steps(2);
    }
    bench.see("Apply this promise");
    assert_eq!(policy(&bench), before);
    // Without a reason nothing is applied.
    bench.harness.get_by_role_and_label(egui::Role::TextInput, "Why?").focus();
    bench.harness.step();
    bench.harness.event(egui::Event::Text("the customer allows more".into()));
    bench.harness.run_steps(2);
    bench.harness.get_by_label("Apply this promise").click();
    bench.wait("policy", |app| app.toasts.newest().is_some_and(|text| text.contains("in force")));
    assert!(policy(&bench) != before);
    let plan = std::fs::read_to_string(Store::plan_path(&bench.folder)).unwrap();
    let limit = Plan::from_toml(&plan).unwrap().promise.outgoing.unwrap().limit;
    assert!(limit.get() > 0.02, "{limit}");
}
