//! The window through its accessibility tree: what a person presses, and what is on the disk then.

mod raster;

use super::app::{App, Places};
use super::shell::Place;
use super::verbs::{TABLE, Verb};
use crate::domain::{
    Arrival, BoxPx, Class, DecidedBy, Decision, Event, InspectionId, ItemId, Label, LabelStatus, Level,
    MediaKind, ModelRef, Outcome, Plan, Prediction, Probability, Reason, Region, ReviewMode, Route, Shape,
    Task, Thresholds, Timing, Verdict, VerdictMode,
};
use crate::engine::{Line, LineRequest, StationOptions};
use crate::media::{Raster, decode_image, encode_png_grey, resize};
use crate::store::{LabelFilter, Store};
use eframe::egui::{self, Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const REVIEWER: &str = "anna";
/// Nothing in these tests takes a tenth of it on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A line with waiting items, and the window on it.
struct Bench {
    harness: Harness<'static, Held>,
    folder: PathBuf,
    _dir: tempfile::TempDir,
}

fn plan(mode: ReviewMode) -> Plan {
    let class = |name: &str, route| Class { name: name.into(), route };
    let classes =
        vec![class("good", Route::Pass), class("crack", Route::Divert), class("stain", Route::Divert)];
    let mut plan = Plan::new("Test line", Task::Defect, classes);
    plan.review.mode = mode;
    plan
}

/// A picture with a bright bar at a place of its own.
fn picture(number: u8) -> Vec<u8> {
    let pixels: Vec<u8> = (0..96 * 64)
        .map(|at| if at % 96 / 8 == usize::from(number % 12) { 220 } else { 40 + number })
        .collect();
    encode_png_grey(96, 64, &pixels).unwrap()
}

fn prediction(crack: f64) -> Prediction {
    let p = Probability::saturating;
    let mut region = Region::new("crack", Shape::Box(BoxPx::new(10.0, 10.0, 30.0, 20.0)));
    region.score = Some(p(crack));
    Prediction {
        model: ModelRef { name: "tester".into(), hash: "0".repeat(64) },
        probabilities: BTreeMap::from([
            ("good".to_owned(), p(1.0 - crack)),
            ("crack".to_owned(), p(crack)),
            ("stain".to_owned(), p(0.0)),
        ]),
        regions: vec![region],
        transcript: None,
        timing: Timing::default(),
    }
}

/// One item that a station would have taken in; `outcome` as the model would have decided.
fn arrive(store: &mut Store, number: u8, media: &[u8], outcome: Outcome, inspection: InspectionId) -> ItemId {
    let media_hash = store.blobs().put(media).unwrap();
    let item = ItemId::generate();
    let p = Probability::saturating(0.72);
    let (by, reason) = match outcome {
        Outcome::Review => (DecidedBy::Model, Reason::Between { p, thresholds: Thresholds::default() }),
        Outcome::Pass => (DecidedBy::Model, Reason::BelowPass { p, pass_below: p }),
        Outcome::Divert => (DecidedBy::Model, Reason::AboveDivert { p, divert_above: p }),
    };
    let arrival = Arrival {
        item,
        inspection: Some(inspection),
        unit: format!("U{number:03}"),
        position: None,
        kind: MediaKind::Image,
        media: media_hash,
        bytes: media.len() as u64,
        reference: None,
        name: format!("U{number:03}.png"),
        source: "folder:inbox".into(),
        modified_at: None,
        label: None,
        votes: Vec::new(),
        extra: BTreeMap::new(),
    };
    store
        .transact::<_, crate::store::StoreError>("station", |tx| {
            tx.append(&Event::ItemArrived(arrival))?;
            tx.append(&Event::ItemPredicted { item, prediction: prediction(0.72) })?;
            let decision = Decision { outcome, decided_by: by, reason, policy: None, model: None };
            tx.append(&Event::ItemDecided { item, inspection, decision })?;
            Ok(())
        })
        .unwrap();
    item
}

impl Bench {
    fn new(mode: ReviewMode, items: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("line");
        let request = LineRequest { plan: plan(mode), level: Level::Assist, model: None };
        let mut line = Line::create(&folder, request, "test").unwrap();
        for number in 1..=items {
            arrive(&mut line.store, number, &picture(number), Outcome::Review, InspectionId::generate());
        }
        drop(line);
        Self::open(dir, folder)
    }

    fn open(dir: tempfile::TempDir, folder: PathBuf) -> Self {
        let config = dir.path().join("config");
        std::fs::create_dir_all(&config).unwrap();
        let settings = serde_json::json!({ "reviewer": REVIEWER });
        std::fs::write(config.join("window.json"), settings.to_string()).unwrap();
        let harness = harness(dir.path(), Some(folder.clone()));
        let mut bench = Self { harness, folder, _dir: dir };
        bench.wait("a board", |app| app.session().is_some_and(|s| s.board.is_some()));
        bench
    }

    /// Steps until something is so.
    #[track_caller]
    fn wait(&mut self, what: &str, is_so: impl Fn(&App) -> bool) {
        let start = Instant::now();
        while !is_so(self.harness.state()) {
            assert!(
                start.elapsed() < PATIENCE,
                "no {what}; the last news: {:?}",
                self.harness.state().toasts.newest()
            );
            self.harness.step();
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Presses a key once the item on the screen can be answered.
    #[track_caller]
    fn press(&mut self, key: Key) {
        self.wait("picture", |app| app.review.is_ready() || app.place() != Place::Review);
        self.harness.key_press(key);
        self.harness.step();
        self.harness.step();
    }

    /// Presses an answering key and waits for the next board.
    #[track_caller]
    fn answer(&mut self, key: Key) {
        let before = self.turn();
        self.press(key);
        self.wait("answer", |app| turn(app) > before);
    }

    /// The window as it is drawn now; a few frames first, so that nothing is on its way.
    fn painted(&mut self, size: [usize; 2]) -> egui::ColorImage {
        self.harness.run_steps(6);
        let ctx = self.harness.ctx.clone();
        self.harness.state().1.lock().paint(&ctx, self.harness.output().shapes.clone(), size)
    }

    fn turn(&self) -> u64 {
        turn(self.harness.state())
    }

    fn unit(&self) -> String {
        let board = self.harness.state().session().and_then(|s| s.board.clone());
        board.and_then(|b| b.current.clone()).map(|card| card.item.unit.clone()).unwrap_or_default()
    }

    fn store(&self) -> Store {
        Store::open(&self.folder).unwrap()
    }

    fn verdicts(&self, item: ItemId) -> Vec<Verdict> {
        self.store().view().verdicts(item).unwrap().into_iter().map(|v| v.verdict).collect()
    }

    fn item_of(&self, unit: &str) -> ItemId {
        let store = self.store();
        let filter = LabelFilter { text: unit.to_owned(), ..LabelFilter::default() };
        store.view().labelled_ids(&filter).unwrap()[0]
    }

    fn shows(&self, text: &str) -> bool {
        self.harness.query_all_by_label_contains(text).next().is_some()
    }
}

fn turn(app: &App) -> u64 {
    app.session().and_then(|s| s.board.as_ref()).map_or(0, |board| board.turn)
}

/// The application, made with the context of the first frame.
struct Held(Option<App>, Arc<Mutex<raster::Painter>>);

impl std::ops::Deref for Held {
    type Target = App;
    fn deref(&self) -> &App {
        self.0.as_ref().unwrap()
    }
}

fn harness(dir: &Path, folder: Option<PathBuf>) -> Harness<'static, Held> {
    let places = Places { config: dir.join("config"), data: dir.join("data") };
    let first = folder.map(|folder| (folder, StationOptions::default()));
    let painter = Arc::<Mutex<raster::Painter>>::default();
    let renderer = raster::Shared(Arc::clone(&painter));
    let builder = Harness::builder().with_size(vec2(1440.0, 900.0)).with_step_dt(1.0 / 30.0);
    builder.renderer(renderer).build_ui_state(
        move |ui, held: &mut Held| {
            let app = held.0.get_or_insert_with(|| App::new(ui.ctx(), places.clone(), first.clone()));
            app.logic(ui.ctx());
            app.ui(ui);
        },
        Held(None, painter),
    )
}

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
    assert!(bench.shows("1 regions"));
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
    bench.press(Key::Q);
    assert_eq!(bench.unit(), "U001");
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
    assert!(bench.shows("1 regions"));
    bench.press(Key::Z);
    assert!(bench.shows("0 regions"));
    bench.harness.key_press_modifiers(Modifiers::SHIFT, Key::Z);
    bench.harness.step();
    bench.harness.step();
    assert!(bench.shows("1 regions"));
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
    let ids = store.view().labelled_ids(&LabelFilter::default()).unwrap();
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
    bench.harness.get_by_label("Level Shadow").click();
    bench.wait("level", |app| app.session().is_some_and(|s| s.station.level == Some(Level::Shadow)));
    bench.harness.key_press(Key::F12);
    bench.wait("level", |app| app.session().is_some_and(|s| s.station.level == Some(Level::Assist)));
    assert_eq!(bench.store().view().settings().unwrap().level, Level::Assist);
    // Partial without a promise is refused, and says why.
    bench.harness.get_by_label("Level Partial").click();
    bench.wait("refusal", |app| app.toasts.newest().is_some_and(|text| text.contains("partial")));
    assert_eq!(bench.store().view().settings().unwrap().level, Level::Assist);
}

#[test]
fn what_cannot_be_decoded_says_why_and_can_be_answered() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("line");
    let request = LineRequest { plan: plan(ReviewMode::Hidden), level: Level::Assist, model: None };
    let mut line = Line::create(&folder, request, "test").unwrap();
    let half = &picture(1)[..60];
    arrive(&mut line.store, 1, half, Outcome::Review, InspectionId::generate());
    let dot = encode_png_grey(1, 1, &[200]).unwrap();
    arrive(&mut line.store, 2, &dot, Outcome::Review, InspectionId::generate());
    drop(line);
    let mut bench = Bench::open(dir, folder);
    bench.answer(Key::B);
    assert_eq!(bench.unit(), "U002");
    bench.answer(Key::G);
    assert!(bench.shows("Nothing waits"));
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
    assert_eq!(bench.store().view().labelled_ids(&filter).unwrap().len(), 2);
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
    for key in [Key::F1, Key::F2, Key::F3, Key::F4, Key::F5] {
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
fn looks_like(bench: &mut Bench, name: &str) {
    let [width, height] = [1440, 900];
    let mut painted = bench.painted([width, height]);
    for [left, top, right, bottom] in CHANGING {
        for y in top..bottom {
            painted.pixels[y * width + left..y * width + right].fill(egui::Color32::BLACK);
        }
    }
    let pixels = painted.pixels.iter().flat_map(|p| [p.r(), p.g(), p.b()]).collect();
    let (w, h) = (u32::try_from(width).unwrap(), u32::try_from(height).unwrap());
    let raster = resize(&Raster { width: w, height: h, channels: 3, pixels }, w / 2, h / 2).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(format!("{name}.png"));
    if std::env::var("SECONDLOOK_SNAPSHOTS").is_ok_and(|what| what == "write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let image = image::RgbImage::from_raw(w / 2, h / 2, raster.pixels).unwrap();
        image.save(&path).unwrap();
        return;
    }
    let kept = decode_image(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((kept.width, kept.height, kept.channels), (raster.width, raster.height, 3));
    let far = kept.pixels.iter().zip(&raster.pixels).filter(|(a, b)| a.abs_diff(**b) > 24).count();
    assert!(far < kept.pixels.len() / 2000, "{name}: {far} of {} levels differ", kept.pixels.len());
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
