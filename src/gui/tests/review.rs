//! Reviewing: what a key does, and what is on the disk then.

use super::*;

#[test]
fn one_key_answers_durably_and_brings_the_next_and_undo_walks_back() {
    let mut bench = Bench::new(ReviewMode::Hidden, 5);
    assert_eq!(bench.unit(), "U001");
    for (key, next) in [(Key::Num1, "U002"), (Key::G, "U003"), (Key::Num0, "U004"), (Key::B, "U005")] {
        bench.answer(key);
        assert_eq!(bench.unit(), next);
    }
    let label = |bench: &Bench, unit: &str| {
        let store = bench.store();
        store.view().label(bench.item_of(unit)).unwrap().unwrap()
    };
    assert_eq!(label(&bench, "U001"), Label::confirmed("crack"));
    assert_eq!(label(&bench, "U002"), Label::confirmed("good"));
    assert_eq!(label(&bench, "U003").status, LabelStatus::CannotTell);
    assert_eq!(label(&bench, "U004").status, LabelStatus::BadInput);
    let item = bench.item_of("U001");
    let verdict = &bench.verdicts(item)[0];
    assert_eq!((verdict.mode, verdict.reviewer.as_str()), (VerdictMode::Hidden, REVIEWER));
    assert!(verdict.regions_shown.is_empty() && verdict.seconds >= 0.0);
    for unit in ["U004", "U003", "U002", "U001"] {
        bench.answer(Key::Z);
        assert_eq!(bench.unit(), unit);
    }
    assert!(bench.store().view().labels().unwrap().is_empty());
}

#[test]
fn a_skipped_item_comes_again_and_undo_brings_it_back_at_once() {
    let mut bench = Bench::new(ReviewMode::Hidden, 3);
    bench.answer(Key::S);
    assert_eq!(bench.unit(), "U002");
    bench.answer(Key::Z);
    assert_eq!(bench.unit(), "U001");
    bench.answer(Key::S);
    bench.answer(Key::G);
    bench.answer(Key::G);
    assert_eq!(bench.unit(), "U001");
}

#[test]
fn a_contradicted_first_answer_is_held_against_the_suggestion_and_nothing_is_seen_before() {
    let mut bench = Bench::new(ReviewMode::DecideFirst, 3);
    bench.wait("picture", |app| app.review.is_ready());
    for given_away in [".72", "0.72", "72 %", "between"] {
        assert!(!bench.shows(given_away), "{given_away} is on the screen before the answer");
    }
    // The model says crack, and so does the person: final at once.
    bench.answer(Key::Num1);
    let agreed = bench.verdicts(bench.item_of("U001"));
    assert_eq!((agreed[0].mode, agreed[0].class_before.clone()), (VerdictMode::Hidden, None));
    // The person says good: shown, and kept.
    bench.press(Key::G);
    assert_eq!(bench.unit(), "U002");
    assert!(bench.shows("crack .72"));
    bench.answer(Key::Enter);
    let kept = bench.verdicts(bench.item_of("U002"));
    assert_eq!(kept[0].mode, VerdictMode::RevealedAfter);
    assert_eq!((kept[0].class.as_deref(), kept[0].class_before.as_deref()), (Some("good"), Some("good")));
    assert_eq!(kept[0].regions_shown.len(), 1);
    // And changed.
    bench.press(Key::Num2);
    bench.answer(Key::Num1);
    let changed = bench.verdicts(bench.item_of("U003"));
    assert_eq!(
        (changed[0].class.as_deref(), changed[0].class_before.as_deref()),
        (Some("crack"), Some("stain"))
    );
}

#[test]
fn the_plan_can_show_the_suggestion_or_hide_it_for_good() {
    let mut shown = Bench::new(ReviewMode::Shown, 1);
    shown.wait("picture", |app| app.review.is_ready());
    assert!(shown.shows("72 %"));
    shown.answer(Key::G);
    assert_eq!(shown.verdicts(shown.item_of("U001"))[0].mode, VerdictMode::Shown);
    let mut hidden = Bench::new(ReviewMode::Hidden, 1);
    hidden.press(Key::M);
    hidden.press(Key::I);
    assert!(!hidden.shows("72 %") && !hidden.shows(".72"));
}

#[test]
fn regions_are_drawn_by_keys_alone_and_become_the_label() {
    let mut bench = Bench::new(ReviewMode::Hidden, 2);
    bench.press(Key::E);
    bench.press(Key::Q);
    bench.press(Key::Q);
    assert!(bench.shows("1 region ·"));
    bench.harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
    bench.harness.step();
    bench.press(Key::Num2);
    bench.press(Key::Enter);
    // Good with a stain drawn on it is a contradiction.
    bench.press(Key::G);
    assert_eq!(bench.unit(), "U001");
    assert!(bench.shows("delete them"));
    bench.answer(Key::Num2);
    let label = bench.store().view().label(bench.item_of("U001")).unwrap().unwrap();
    assert_eq!((label.main_class(), label.regions.len()), ("stain", 1));
    let bounds = label.regions[0].shape.bounds().unwrap();
    assert!(bounds.x1 > 0.0 && bounds.x2 < 96.0 && bounds.area() > 4.0, "{bounds:?}");
    // Undo brings the item back with its regions in the editor.
    bench.answer(Key::Z);
    bench.press(Key::E);
    assert_eq!(bench.unit(), "U001");
    assert!(bench.shows("1 region ·"));
    bench.press(Key::Escape);
    bench.answer(Key::Num2);
    let again = bench.store().view().label(bench.item_of("U001")).unwrap().unwrap();
    assert_eq!(again, label);
}

#[test]
fn what_was_drawn_waits_for_its_item_wherever_one_goes_and_undo_takes_it_back_first() {
    let mut bench = Bench::new(ReviewMode::Hidden, 3);
    let board = bench.harness.state().session().and_then(|s| s.board.clone()).unwrap();
    let first = board.current.as_ref().unwrap().item.id;
    for key in [Key::E, Key::Q, Key::Q, Key::Escape] {
        bench.press(key);
    }
    bench.answer(Key::S);
    bench.harness.run_steps(2);
    bench.harness.get_by_label("unit U003").click();
    bench.wait("another item", |app| unit_of(app) == "U003");
    bench.harness.state().session().unwrap().ask(Ask::Show(first)).unwrap();
    bench.wait("the first item", |app| unit_of(app) == "U001");
    bench.press(Key::E);
    assert!(bench.shows("1 region ·"));
    bench.press(Key::Escape);
    // The stroke goes first, then the skip.
    bench.press(Key::Z);
    bench.press(Key::E);
    assert!(bench.shows("0 regions ·") && bench.unit() == "U001");
}

fn unit_of(app: &App) -> String {
    let board = app.session().and_then(|session| session.board.as_ref());
    board.and_then(|board| board.current.as_ref()).map(|card| card.item.unit.clone()).unwrap_or_default()
}

#[test]
fn enter_confirms_regions_that_nobody_changed_and_once_more_answers_with_their_class() {
    let mut bench = Bench::new(ReviewMode::Shown, 2);
    bench.press(Key::E);
    bench.press(Key::Enter);
    bench.answer(Key::Enter);
    let confirmed = &bench.verdicts(bench.item_of("U001"))[0];
    assert_eq!((confirmed.class.as_deref(), confirmed.regions.len()), (Some("crack"), 1));
    assert_eq!(confirmed.regions, confirmed.regions_shown);
    // Escape leaves the suggestion what it was.
    bench.press(Key::E);
    bench.press(Key::Escape);
    bench.answer(Key::Num1);
    assert_eq!(bench.verdicts(bench.item_of("U002"))[0].regions, []);
}

#[test]
fn a_repeated_answer_keeps_its_places_and_regions_of_the_whole_item_stay() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("line");
    let request = LineRequest { plan: plan(ReviewMode::Hidden), level: Level::Assist, model: None };
    let mut line = Line::create(&folder, request, "test").unwrap();
    let item = arrive(&mut line.store, 1, &picture(1), Outcome::Review, InspectionId::generate());
    let regions = vec![
        Region::new("stain", Shape::Whole),
        Region::new("crack", Shape::Box(BoxPx::new(10.0, 10.0, 30.0, 20.0))),
    ];
    line.answer(&Verdict { regions: regions.clone(), ..Verdict::of_class(item, REVIEWER, "crack") }).unwrap();
    drop(line);
    let mut bench = Bench::open(dir, folder);
    let show = |bench: &mut Bench| {
        bench.harness.state().session().unwrap().ask(Ask::Show(item)).unwrap();
        bench.wait("item", |app| unit_of(app) == "U001" && app.review.is_ready());
    };
    show(&mut bench);
    bench.answer(Key::Num1);
    assert_eq!(bench.verdicts(item).last().unwrap().regions, regions);
    show(&mut bench);
    bench.press(Key::E);
    assert!(bench.shows("2 regions ·"));
    bench.harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
    bench.harness.step();
    bench.press(Key::Escape);
    bench.answer(Key::Num1);
    let moved = bench.verdicts(item).last().unwrap().regions.clone();
    assert!(moved[0] == regions[0] && moved[1] != regions[1] && moved.len() == 2, "{moved:?}");
}

#[test]
fn a_class_beyond_the_keys_is_that_of_the_region_while_one_edits() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("line");
    let mut plan = plan(ReviewMode::Hidden);
    plan.classes.extend((3..=11).map(|n| Class { name: format!("kind {n}"), route: Route::Divert }));
    let request = LineRequest { plan, level: Level::Assist, model: None };
    let mut line = Line::create(&folder, request, "test").unwrap();
    let item = arrive(&mut line.store, 1, &picture(1), Outcome::Review, InspectionId::generate());
    drop(line);
    let mut bench = Bench::open(dir, folder);
    // All of its rows are in sight.
    bench.harness.set_size(vec2(1440.0, 1300.0));
    for key in [Key::E, Key::Q, Key::Q] {
        bench.press(key);
    }
    bench.harness.get_by_label_contains("kind 11").click();
    bench.harness.run_steps(3);
    assert!(bench.shows("new ones are kind 11") && bench.verdicts(item).is_empty());
    bench.press(Key::Enter);
    bench.answer(Key::Enter);
    let verdict = &bench.verdicts(item)[0];
    assert_eq!((verdict.class.as_deref(), verdict.regions[0].class.as_str()), (Some("kind 11"), "kind 11"));
}

#[test]
fn held_keys_are_one_step_back() {
    let mut bench = Bench::new(ReviewMode::Hidden, 1);
    for key in [Key::E, Key::Q, Key::Q] {
        bench.press(key);
    }
    for _ in 0..5 {
        bench.harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
        bench.harness.step();
    }
    bench.press(Key::Z);
    assert!(bench.shows("1 region ·"));
    bench.press(Key::Z);
    assert!(bench.shows("0 regions ·"));
}

#[test]
fn what_the_model_saw_is_drawn_beside_what_a_person_has_drawn() {
    let mut bench = Bench::new(ReviewMode::DecideFirst, 1);
    for key in [Key::E, Key::Q, Key::Q, Key::Num2, Key::Enter] {
        bench.press(key);
    }
    let picture = bench.harness.get_by_label_contains("Picture of unit").rect();
    let seen = |bench: &mut Bench| {
        let painted = bench.painted([1440, 900]);
        let rows = picture.top() as usize + 60..picture.bottom() as usize - 60;
        let columns = picture.left() as usize..picture.right() as usize;
        rows.flat_map(|y| painted.pixels[y * 1440 + columns.start..y * 1440 + columns.end].to_vec())
            .collect::<Vec<_>>()
    };
    let before = seen(&mut bench);
    bench.press(Key::Num2);
    assert!(bench.shows("crack .72"));
    let after = seen(&mut bench);
    assert!(before != after, "the verdict would say that the model's regions were shown");
    bench.answer(Key::Enter);
    let verdict = &bench.verdicts(bench.item_of("U001"))[0];
    assert_eq!((verdict.regions.len(), verdict.regions_shown.len()), (1, 1));
}

#[test]
fn a_mask_is_painted_with_the_pointer_and_undone() {
    let mut bench = Bench::new(ReviewMode::Hidden, 1);
    bench.press(Key::E);
    bench.press(Key::W);
    let place = bench.harness.get_by_label_contains("Picture of unit").rect();
    let middle = place.center();
    bench.harness.hover_at(middle);
    bench.harness.step();
    bench.harness.drag_at(middle);
    bench.harness.step();
    for step in 1..6 {
        bench.harness.hover_at(middle + vec2(step as f32 * 10.0, 0.0));
        bench.harness.step();
    }
    bench.harness.drop_at(middle + vec2(60.0, 0.0));
    bench.harness.step();
    bench.harness.step();
    assert!(bench.shows("1 region ·"));
    bench.press(Key::Z);
    assert!(bench.shows("0 regions"));
    bench.harness.key_press_modifiers(Modifiers::SHIFT, Key::Z);
    bench.harness.step();
    bench.harness.step();
    assert!(bench.shows("1 region ·"));
    bench.press(Key::Enter);
    bench.answer(Key::Num1);
    let label = bench.store().view().label(bench.item_of("U001")).unwrap().unwrap();
    assert!(
        matches!(&label.regions[0].shape, Shape::Mask(mask) if mask.area() > 10 && mask.size == [64, 96])
    );
}

#[test]
fn an_overturned_decision_takes_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("line");
    let request = LineRequest { plan: plan(ReviewMode::Hidden), level: Level::Assist, model: None };
    let mut line = Line::create(&folder, request, "test").unwrap();
    let inspection = InspectionId::generate();
    arrive(&mut line.store, 1, &picture(1), Outcome::Review, inspection);
    arrive(&mut line.store, 1, &picture(2), Outcome::Pass, inspection);
    drop(line);
    let mut bench = Bench::open(dir, folder);
    // To the second picture of the unit, which the model has passed.
    bench.press(Key::PageDown);
    bench.wait("second picture", |app| {
        app.session()
            .and_then(|s| s.board.clone())
            .and_then(|b| b.current.clone())
            .is_some_and(|card| !card.is_waiting)
    });
    bench.press(Key::Num1);
    assert!(bench.shows("overturns"));
    assert!(bench.store().view().labels().unwrap().is_empty());
    bench.harness.event(egui::Event::Text("seen under the lens".into()));
    bench.harness.step();
    let before = bench.turn();
    bench.harness.key_press(Key::Enter);
    bench.wait("answer", |app| turn(app) > before);
    let store = bench.store();
    let ids = store.view().labelled_ids(&LabelFilter::default(), &TranscriptRule::default()).unwrap();
    assert_eq!(bench.verdicts(ids[0])[0].comment.as_deref(), Some("seen under the lens"));
}

#[test]
fn the_same_item_lies_there_after_the_window_was_closed_in_the_middle() {
    let mut bench = Bench::new(ReviewMode::Hidden, 4);
    bench.answer(Key::G);
    bench.answer(Key::S);
    assert_eq!(bench.unit(), "U003");
    let Bench { harness, folder, _dir: dir } = bench;
    drop(harness);
    let mut again = Bench::open(dir, folder);
    assert_eq!(again.unit(), "U003");
    again.answer(Key::Z);
    assert_eq!(again.unit(), "U001", "undo works after a restart");
}

#[test]
fn what_cannot_be_decoded_says_why_and_can_be_answered() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("line");
    let request = LineRequest { plan: plan(ReviewMode::Hidden), level: Level::Assist, model: None };
    let mut line = Line::create(&folder, request, "test").unwrap();
    let half = &picture(1)[..60];
    arrive(&mut line.store, 1, half, Outcome::Review, InspectionId::generate());
    let dot = png(1, 1, vec![200]);
    arrive(&mut line.store, 2, &dot, Outcome::Review, InspectionId::generate());
    drop(line);
    let mut bench = Bench::open(dir, folder);
    bench.answer(Key::B);
    assert_eq!(bench.unit(), "U002");
    bench.answer(Key::G);
    assert!(bench.shows("Nothing waits"));
}

#[test]
fn each_way_of_looking_says_on_the_screen_what_it_does() {
    let mut bench = Bench::new(ReviewMode::Shown, 1);
    bench.wait("picture", |app| app.review.is_ready());
    let command = Modifiers::COMMAND;
    for (modifiers, key, says) in [
        (command, Key::ArrowUp, "Light +1"),
        (command, Key::ArrowDown, "Fit"),
        (command, Key::ArrowRight, "Contrast +1"),
        (command, Key::ArrowLeft, "Fit"),
        (command, Key::PageUp, "Shadows +1"),
        (command, Key::PageDown, "Fit"),
        (Modifiers::NONE, Key::C, "Red"),
        (Modifiers::NONE, Key::V, "Red · Edges"),
        (Modifiers::NONE, Key::X, "Fit"),
        (Modifiers::NONE, Key::Space, "100 %"),
        (Modifiers::NONE, Key::Plus, "125 %"),
        (Modifiers::NONE, Key::Minus, "100 %"),
        (Modifiers::NONE, Key::Space, "Fit"),
        (Modifiers::NONE, Key::ArrowRight, "%"),
        (Modifiers::NONE, Key::F, "Fit"),
    ] {
        bench.harness.key_press_modifiers(modifiers, key);
        bench.harness.run_steps(2);
        assert!(bench.shows(says), "{key:?} does not say {says}");
    }
    for (key, says) in [(Key::I, "History"), (Key::T, "Comment with the next answer")] {
        bench.harness.key_press(key);
        bench.harness.run_steps(2);
        assert!(bench.shows(says), "{key:?} does not say {says}");
    }
    bench.harness.event(egui::Event::Text("scratched glass".into()));
    bench.harness.step();
    bench.harness.key_press(Key::Enter);
    bench.harness.run_steps(3);
    bench.answer(Key::G);
    let verdict = &bench.verdicts(bench.item_of("U001"))[0];
    assert_eq!(verdict.comment.as_deref(), Some("scratched glass"));
    assert_eq!(verdict.class.as_deref(), Some("good"));
}

#[test]
fn a_filter_shows_only_what_it_wants_and_says_so() {
    let mut bench = Bench::new(ReviewMode::Hidden, 4);
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::F);
    bench.harness.run_steps(2);
    bench.harness.get_by_role_and_label(egui::Role::TextInput, "Unit or name").focus();
    bench.harness.step();
    bench.harness.event(egui::Event::Text("u003".into()));
    bench.wait("filtered item", |app| {
        let board = app.session().and_then(|s| s.board.as_ref());
        board.is_some_and(|b| b.waiting == 1 && b.current.as_ref().is_some_and(|c| c.item.unit == "U003"))
    });
    bench.harness.run_steps(2);
    assert!(bench.shows("filtered"));
    bench.harness.get_by_label("Show all").click();
    bench.wait("everything", |app| {
        app.session().and_then(|s| s.board.as_ref()).is_some_and(|board| board.waiting == 4)
    });
}

#[test]
fn what_was_revealed_stays_revealed_after_undo_escape_and_skip() {
    let mut bench = Bench::new(ReviewMode::DecideFirst, 2);
    bench.press(Key::G);
    assert!(bench.shows("crack .72"));
    bench.press(Key::Escape);
    assert!(bench.shows("crack .72"));
    bench.answer(Key::S);
    assert_eq!(bench.unit(), "U002");
    assert!(!bench.shows("crack .72"));
    bench.answer(Key::Z);
    bench.wait("picture", |app| app.review.is_ready());
    assert!(bench.shows("crack .72"));
    bench.answer(Key::Num1);
    let verdict = &bench.verdicts(bench.item_of("U001"))[0];
    assert_eq!((verdict.mode, verdict.class_before.as_deref()), (VerdictMode::RevealedAfter, Some("good")));
    // The answer is taken back, the look is not.
    bench.answer(Key::Z);
    bench.wait("picture", |app| app.review.is_ready());
    assert!(bench.shows("crack .72"));
}

#[test]
fn loupe_heat_wheel_and_golden_picture_do_what_they_say() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("line");
    let request = LineRequest { plan: plan(ReviewMode::Shown), level: Level::Assist, model: None };
    let mut line = Line::create(&folder, request, "test").unwrap();
    let golden = line.store.blobs().put(&picture(9)).unwrap();
    arrive_beside(&mut line.store, 1, &picture(1), Outcome::Review, InspectionId::generate(), Some(golden));
    drop(line);
    let mut bench = Bench::open(dir, folder);
    bench.wait("picture", |app| app.review.is_ready());
    let plain = bench.painted([1440, 900]);
    let place = bench.harness.get_by_label_contains("Picture of unit").rect();
    // Over an edge of the bright bar: on an even ground a loupe shows nothing.
    bench.harness.hover_at(place.left_center() + vec2(place.width() * 0.17, 0.0));
    bench.press(Key::L);
    let loupe = bench.painted([1440, 900]);
    assert!(differing(&plain, &loupe) > 3_000, "no loupe is seen");
    bench.press(Key::L);
    for says in ["Beside", "In turn", "Difference"] {
        bench.press(Key::R);
        bench.wait("golden picture", |_| true);
        bench.harness.run_steps(2);
        assert!(bench.shows(says), "{says}");
    }
    bench.press(Key::R);
    bench.harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Line,
        delta: vec2(0.0, 3.0),
        modifiers: Modifiers::NONE,
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
    });
    bench.harness.run_steps(12);
    assert!(!bench.shows("Fit ·") && bench.shows("%"), "the wheel does not zoom");
    bench.press(Key::F);
    // The package that predicted is not there: the heat map says so instead of showing nothing.
    bench.press(Key::M);
    let start = Instant::now();
    while !bench.shows("tester") {
        assert!(start.elapsed() < PATIENCE, "no word of the missing package");
        bench.harness.step();
    }
}

/// Pixels that two pictures of the window do not share.
fn differing(a: &egui::ColorImage, b: &egui::ColorImage) -> usize {
    a.pixels.iter().zip(&b.pixels).filter(|(a, b)| a != b).count()
}

#[test]
fn regions_are_resized_stepped_through_merged_split_and_deleted_by_keys() {
    let mut bench = Bench::new(ReviewMode::Hidden, 1);
    bench.press(Key::E);
    bench.press(Key::Q);
    bench.press(Key::Q);
    let shifted = |bench: &mut Bench, key: Key, times: usize| {
        for _ in 0..times {
            bench.harness.key_press_modifiers(Modifiers::SHIFT, key);
            bench.harness.step();
        }
    };
    shifted(&mut bench, Key::Minus, 2);
    shifted(&mut bench, Key::ArrowLeft, 3);
    shifted(&mut bench, Key::ArrowUp, 2);
    bench.press(Key::Q);
    shifted(&mut bench, Key::Plus, 1);
    shifted(&mut bench, Key::ArrowDown, 1);
    assert!(bench.shows("2 regions"));
    bench.press(Key::J);
    assert!(bench.shows("1 region ·"));
    bench.press(Key::Z);
    assert!(bench.shows("2 regions"));
    bench.press(Key::N);
    bench.press(Key::Delete);
    assert!(bench.shows("1 region ·"));
    shifted(&mut bench, Key::N, 1);
    bench.press(Key::Delete);
    assert!(bench.shows("0 regions"));
}

#[test]
fn nobody_filters_by_a_suggestion_that_the_plan_hides() {
    for (mode, is_hidden) in [(ReviewMode::Shown, false), (ReviewMode::Hidden, true)] {
        let mut bench = Bench::new(mode, 2);
        bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::F);
        bench.harness.run_steps(3);
        assert_eq!(bench.shows("By suggestion only where the plan shows it"), is_hidden, "{mode:?}");
    }
    // A filter that was in force goes when the level hides what it chooses by.
    let mut bench = Bench::new(ReviewMode::Shown, 2);
    let filter = QueueFilter { suggestion: Some("stain".into()), ..QueueFilter::default() };
    bench.harness.state().session().unwrap().ask(Ask::Filter(filter)).unwrap();
    let waiting = |app: &App| app.session().and_then(|s| s.board.as_ref()).map(|board| board.waiting);
    bench.wait("filter", |app| waiting(app) == Some(0));
    bench.change_level("Shadow");
    bench.wait("everything again", |app| waiting(app) == Some(2));
}

#[test]
fn the_other_pictures_of_a_unit_are_seen_beside_and_opened_by_a_press() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("line");
    let request = LineRequest { plan: plan(ReviewMode::Hidden), level: Level::Assist, model: None };
    let mut line = Line::create(&folder, request, "test").unwrap();
    let inspection = InspectionId::generate();
    arrive(&mut line.store, 1, &picture(1), Outcome::Review, inspection);
    let other = arrive(&mut line.store, 1, &picture(2), Outcome::Pass, inspection);
    drop(line);
    let mut bench = Bench::open(dir, folder);
    bench.wait("picture", |app| app.review.is_ready());
    bench.harness.run_steps(3);
    // What the model decided of it is not told before the answer.
    assert!(!bench.shows("picture 2 pass"));
    bench.harness.get_by_label("picture 2").click();
    bench.wait("other picture", |app| {
        let board = app.session().and_then(|s| s.board.as_ref());
        board.and_then(|b| b.current.as_ref()).is_some_and(|card| card.item.id == other)
    });
}
