//! Sounds in the same queue: what is shown and what is not before the answer, regions in time and
//! frequency, and that the same keys answer both media.

use super::*;
use crate::media::{Sound, WavFormat, encode_wav};

const RATE: u32 = 16_000;

/// A second of quiet noise with a tone from 0.4 to 0.7 s.
pub(super) fn wav(number: u8) -> Vec<u8> {
    let mut seed = u32::from(number) + 1;
    let samples = (0..RATE)
        .map(|i| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (f64::from(seed >> 8) / f64::from(1 << 24) - 0.5) * 0.02;
            let is_on = (6_400..11_200).contains(&i);
            let turn = std::f64::consts::TAU * 1_200.0 * f64::from(i) / f64::from(RATE);
            (noise + if is_on { 0.3 * turn.sin() } else { 0.0 }) as f32
        })
        .collect();
    encode_wav(&Sound { rate_hz: RATE, channels: 1, samples }, WavFormat::Pcm16)
}

pub(super) fn heard(number: u8, media: MediaHash) -> Arrival {
    let arrival = arrival(number, media, None);
    Arrival { kind: MediaKind::Audio, name: format!("U{number:03}.wav"), ..arrival }
}

/// One sound that a station would have asked about, with a stretch that the model suspects.
fn arrive_sound(store: &mut Store, number: u8, bytes: &[u8]) -> ItemId {
    let arrival = heard(number, store.blobs().put(bytes).unwrap());
    let (item, inspection) = (arrival.item, InspectionId::generate());
    let p = Probability::saturating(0.72);
    let mut region =
        Region::new("crack", Shape::Span { span_secs: [0.4, 0.7], band_hz: Some([900.0, 1_500.0]) });
    region.score = Some(p);
    let prediction = Prediction { regions: vec![region], ..prediction(0.72) };
    store
        .transact::<_, crate::store::StoreError>("station", |tx| {
            tx.append(&Event::ItemArrived(Arrival { inspection: Some(inspection), ..arrival }))?;
            tx.append(&Event::ItemPredicted { item, prediction })?;
            let decision = Decision {
                outcome: Outcome::Review,
                decided_by: DecidedBy::Model,
                reason: Reason::Between { p, thresholds: Thresholds::default() },
                policy: None,
                model: None,
                audit: None,
            };
            tx.append(&Event::ItemDecided { item, inspection, decision })?;
            Ok(())
        })
        .unwrap();
    item
}

/// Odd numbers are pictures, even ones sounds.
fn mixed(mode: ReviewMode, items: std::ops::RangeInclusive<u8>) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("line");
    let request = LineRequest { plan: plan(mode), level: Level::Assist, model: None };
    let mut line = Line::create(&folder, request, "test").unwrap();
    for number in items {
        if number % 2 == 0 {
            arrive_sound(&mut line.store, number, &wav(number));
        } else {
            let media = picture(number);
            arrive(&mut line.store, number, &media, Outcome::Review, InspectionId::generate());
        }
    }
    drop(line);
    Bench::open(dir, folder)
}

/// The waveform and the spectrogram as they are painted.
fn lanes(bench: &mut Bench) -> Vec<egui::Color32> {
    let place = bench.harness.get_by_label_contains("Sound of unit").rect().shrink(64.0);
    let painted = bench.painted([1440, 900]);
    let rows = place.top() as usize..place.bottom() as usize;
    let columns = place.left() as usize..place.right() as usize;
    rows.flat_map(|y| painted.pixels[y * 1440 + columns.start..y * 1440 + columns.end].to_vec()).collect()
}

fn label_of(bench: &Bench, unit: &str) -> Label {
    bench.store().view().label(bench.item_of(unit)).unwrap().unwrap()
}

#[test]
fn a_mixed_queue_is_worked_by_the_same_keys() {
    let mut bench = mixed(ReviewMode::Hidden, 1..=6);
    bench.wait("picture", |app| app.review.is_ready());
    assert!(bench.shows("Picture of unit U001") && bench.shows("unit U002, sound"));
    bench.answer(Key::Num1);
    bench.wait("sound", |app| app.review.is_ready());
    bench.harness.run_steps(2);
    assert!(bench.shows("Sound of unit U002") && !bench.shows("Picture of unit"));
    for key in [Key::G, Key::Num2, Key::Num0, Key::B] {
        bench.answer(key);
    }
    assert_eq!(bench.unit(), "U006");
    let classes: Vec<String> =
        ["U001", "U002", "U003"].map(|u| label_of(&bench, u).main_class().to_owned()).into();
    assert_eq!(classes, ["crack", "good", "stain"]);
    assert_eq!(label_of(&bench, "U004").status, LabelStatus::CannotTell);
    assert_eq!(label_of(&bench, "U005").status, LabelStatus::BadInput);
    bench.answer(Key::Z);
    bench.answer(Key::Z);
    assert_eq!(bench.unit(), "U004");
    bench.press(Key::F3);
    bench.harness.run_steps(3);
}

#[test]
fn what_the_model_heard_is_hidden_until_the_first_answer() {
    let mut bench = mixed(ReviewMode::DecideFirst, 2..=2);
    bench.wait("sound", |app| app.review.is_ready());
    let before = lanes(&mut bench);
    assert!(!bench.shows("72 %"));
    bench.press(Key::U);
    bench.press(Key::F);
    assert!(before == lanes(&mut bench), "a key tells where the model heard something");
    bench.press(Key::G);
    assert!(bench.shows("crack .72"));
    assert!(before != lanes(&mut bench), "what the model heard is not shown after the answer");
    bench.answer(Key::Enter);
    let verdict = &bench.verdicts(bench.item_of("U002"))[0];
    assert_eq!(verdict.mode, VerdictMode::RevealedAfter);
    assert!(matches!(verdict.regions_shown[0].shape, Shape::Span { .. }));
}

#[test]
fn stretches_are_drawn_split_and_merged_by_keys_alone() {
    let mut bench = mixed(ReviewMode::Hidden, 2..=2);
    bench.press(Key::E);
    bench.press(Key::Q);
    assert!(bench.shows("0 regions ·"), "the first press chooses the tool, as for pictures");
    bench.press(Key::Q);
    assert!(bench.shows("1 region ·"));
    for _ in 0..60 {
        bench.harness.key_press_modifiers(Modifiers::ALT, Key::ArrowRight);
        bench.harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
        bench.harness.step();
    }
    // The cursor went with its beginning; now into it.
    for _ in 0..5 {
        bench.harness.key_press_modifiers(Modifiers::ALT, Key::ArrowRight);
        bench.harness.step();
    }
    bench.press(Key::K);
    assert!(bench.shows("2 regions"));
    bench.press(Key::J);
    assert!(bench.shows("1 region ·"));
    bench.press(Key::Z);
    assert!(bench.shows("2 regions"));
    bench.press(Key::N);
    bench.press(Key::Delete);
    bench.press(Key::Num2);
    bench.press(Key::Enter);
    bench.answer(Key::Num2);
    let label = label_of(&bench, "U002");
    assert_eq!((label.main_class(), label.regions.len()), ("stain", 1));
    let Shape::Span { span_secs: [from, to], band_hz: None } = label.regions[0].shape else { panic!() };
    assert!(from >= 0.0 && to <= 1.0 && to - from > 0.01, "{from} {to}");
}

#[test]
fn a_box_on_the_spectrogram_is_a_stretch_with_its_band() {
    let mut bench = mixed(ReviewMode::Hidden, 2..=2);
    bench.press(Key::E);
    let place = bench.harness.get_by_label_contains("Sound of unit").rect();
    let (from, to) = (place.center() + vec2(-100.0, 60.0), place.center() + vec2(80.0, 160.0));
    bench.harness.hover_at(from);
    bench.harness.step();
    bench.harness.drag_at(from);
    bench.harness.step();
    bench.harness.hover_at(to);
    bench.harness.step();
    bench.harness.drop_at(to);
    bench.harness.run_steps(2);
    assert!(bench.shows("1 region ·"));
    bench.press(Key::Enter);
    bench.answer(Key::Num1);
    let shape = label_of(&bench, "U002").regions[0].shape.clone();
    let Shape::Span { span_secs: [from, to], band_hz: Some([low, high]) } = shape else {
        panic!("{shape:?}")
    };
    assert!(from > 0.2 && to < 0.8 && to - from > 0.1, "{from} {to}");
    assert!(low > 20.0 && high < 8_000.0 && high > 1.5 * low, "{low} {high}");
}

#[test]
fn gain_range_zoom_speed_and_loop_say_on_the_screen_what_they_do() {
    let mut bench = mixed(ReviewMode::Shown, 2..=2);
    bench.wait("sound", |app| app.review.is_ready());
    let command = Modifiers::COMMAND;
    for (modifiers, key, says) in [
        (command, Key::ArrowUp, "Gain +3 dB"),
        (command, Key::ArrowDown, "Gain +0 dB"),
        (command, Key::ArrowRight, "range 70 dB"),
        (Modifiers::NONE, Key::X, "range 75 dB"),
        (Modifiers::NONE, Key::Plus, "of 1.00 s"),
        (Modifiers::NONE, Key::F, "Fit 1.00 s"),
        (Modifiers::NONE, Key::U, "of 1.00 s"),
        (Modifiers::NONE, Key::Period, "1.25 ×"),
        (Modifiers::NONE, Key::Comma, "1 ×"),
        (Modifiers::NONE, Key::O, "Loop (O)"),
    ] {
        bench.harness.key_press_modifiers(modifiers, key);
        bench.harness.run_steps(3);
        assert!(bench.shows(says), "{key:?} does not say {says}");
    }
}

#[test]
fn a_broken_sound_says_so_and_is_answered_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("line");
    let request = LineRequest { plan: plan(ReviewMode::Hidden), level: Level::Assist, model: None };
    let mut line = Line::create(&folder, request, "test").unwrap();
    arrive_sound(&mut line.store, 2, &wav(2)[..1000]);
    arrive_sound(&mut line.store, 4, &wav(4));
    drop(line);
    let mut bench = Bench::open(dir, folder);
    // Without a device, and of nothing, there is nothing to be heard; the window goes on.
    bench.press(Key::Space);
    bench.answer(Key::B);
    bench.press(Key::Space);
    bench.answer(Key::G);
    assert_eq!(label_of(&bench, "U002").status, LabelStatus::BadInput);
    assert_eq!(label_of(&bench, "U004"), Label::confirmed("good"));
}

#[test]
fn nothing_of_one_sound_is_left_on_the_next_and_nothing_plays_on_another_page() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("line");
    let request = LineRequest { plan: plan(ReviewMode::Hidden), level: Level::Assist, model: None };
    let mut line = Line::create(&folder, request, "test").unwrap();
    arrive_sound(&mut line.store, 2, &wav(2));
    arrive_sound(&mut line.store, 4, &wav(4)[..1000]);
    drop(line);
    let mut bench = Bench::open(dir, folder);
    bench.press(Key::Space);
    assert!(bench.harness.state().review.has_played());
    bench.press(Key::F3);
    bench.harness.run_steps(2);
    assert!(!bench.harness.state().review.has_played(), "it plays on where nobody sees it");
    bench.press(Key::F1);
    bench.answer(Key::G);
    bench.wait("broken sound", |app| app.review.is_ready());
    assert!(!bench.shows("Fit 1.00 s"), "the length of the sound before");
    bench.press(Key::E);
    assert!(!bench.shows("regions ·"), "a sound that is not there is edited");
}

#[test]
fn a_stretch_is_marked_in_and_out_at_the_cursor() {
    let mut bench = mixed(ReviewMode::Hidden, 2..=2);
    bench.press(Key::E);
    for key in [Key::I, Key::O] {
        for _ in 0..10 {
            bench.harness.key_press_modifiers(Modifiers::ALT, Key::ArrowRight);
            bench.harness.step();
        }
        bench.harness.key_press_modifiers(Modifiers::SHIFT, key);
        bench.harness.step();
    }
    bench.press(Key::Enter);
    bench.answer(Key::Enter);
    let label = label_of(&bench, "U002");
    let Shape::Span { span_secs: [from, to], .. } = label.regions[0].shape else { panic!() };
    assert!(from > 0.05 && (to / from - 2.0).abs() < 1e-6, "{from} {to}");
}

#[test]
fn the_bar_below_fits_small_windows_and_large_text_and_nothing_in_it_jumps() {
    let mut bench = mixed(ReviewMode::Shown, 2..=2);
    bench.harness.set_size(vec2(1024.0, 720.0));
    bench.press(Key::E);
    bench.harness.run_steps(3);
    let sound = bench.harness.get_by_label_contains("Sound of unit").rect();
    let names = ["Play or pause (", "Loop (", "Speed 1 ×", "Level −", "Select (", "Delete region ("];
    let rects = |bench: &Bench| {
        names.map(|name| {
            let found = bench.harness.query_all_by_label_contains(name).next();
            found.map_or(egui::Rect::NOTHING, |node| node.rect())
        })
    };
    let before = rects(&bench);
    for (name, rect) in names.iter().zip(before) {
        if *name != "Level −" {
            assert!(sound.contains_rect(rect), "{name} at {rect:?} is cut off: {sound:?}");
        }
    }
    // The device's trouble appears; everything else stays where it was.
    bench.press(Key::Space);
    let start = Instant::now();
    while bench.harness.state().session().is_some_and(|s| s.player.now().trouble.is_none()) {
        if start.elapsed() > Duration::from_secs(2) {
            break; // Here sounds are heard.
        }
        bench.harness.step();
    }
    bench.harness.run_steps(3);
    assert_eq!(before, rects(&bench));
}

#[test]
fn who_does_not_see_hears_where_cursor_view_and_region_are() {
    let mut bench = mixed(ReviewMode::Shown, 2..=2);
    bench.wait("sound", |app| app.review.is_ready());
    bench.harness.run_steps(2);
    let value = |bench: &Bench| {
        let node = bench.harness.get_by_label_contains("Sound of unit");
        node.accesskit_node().value().unwrap_or_default()
    };
    assert!(value(&bench).starts_with("cursor 0.000 s, view 0.000 s to 1.000 s"), "{}", value(&bench));
    bench.harness.get_by_role_and_label(egui::Role::Button, "Speed 1 ×");
    bench.harness.get_by_role_and_label(egui::Role::Button, "Fit 1.00 s").focus();
    bench.press(Key::E);
    assert!(value(&bench).contains("region 0.400 s to 0.700 s"), "{}", value(&bench));
}

#[test]
fn the_sound_review_looks_as_it_did() {
    let mut bench = mixed(ReviewMode::Shown, 2..=4);
    bench.wait("sound", |app| app.review.is_ready());
    bench.wait("heading", |app| app.session().is_some_and(|s| s.station.level.is_some()));
    pages::looks_like(&mut bench, "sound-dark");
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::T);
    bench.press(Key::E);
    pages::looks_like(&mut bench, "sound-light");
}
