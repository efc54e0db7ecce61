//! The window through its accessibility tree: what a person presses, and what is on the disk then.

mod models;
mod pages;
mod raster;
mod review;
mod sound;
mod transcript;

use super::app::{App, Places};
use super::shell::Place;
use super::verbs::{TABLE, Verb};
use crate::domain::{
    Arrival, Audit, Band, BoxPx, Class, DecidedBy, Decision, Event, InspectionId, ItemId, Label, LabelStatus,
    Level, Limit, MediaHash, MediaKind, ModelRef, Outcome, Plan, Prediction, Probability, Reason, Region,
    ReviewMode, Route, Shape, Task, Thresholds, Timing, TranscriptRule, Verdict, VerdictMode,
};
use crate::engine::{Ask, Line, LineRequest, Station, StationOptions};
use crate::store::{LabelFilter, QueueFilter, Store};
use eframe::egui::{self, Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const REVIEWER: &str = "anna";
/// Reached only by a fault: trainings have the lowest priority, and get a processor only when the tests
/// beside them are over.
const PATIENCE: Duration = Duration::from_mins(5);

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

/// Grey pixels as a PNG.
fn png(width: u32, height: u32, pixels: Vec<u8>) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_raw(width, height, pixels)
        .unwrap()
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

/// A picture with a bright bar at a place of its own.
fn picture(number: u8) -> Vec<u8> {
    let pixels: Vec<u8> = (0..96 * 64)
        .map(|at| if at % 96 / 8 == usize::from(number % 12) { 220 } else { 40 + number })
        .collect();
    png(96, 64, pixels)
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
        inputs: None,
        features: Vec::new(),
    }
}

/// One item that a station would have taken in; `outcome` as the model would have decided.
fn arrive(store: &mut Store, number: u8, media: &[u8], outcome: Outcome, inspection: InspectionId) -> ItemId {
    arrive_beside(store, number, media, outcome, inspection, None)
}

/// The same with a golden picture.
fn arrive_beside(
    store: &mut Store,
    number: u8,
    media: &[u8],
    outcome: Outcome,
    inspection: InspectionId,
    reference: Option<MediaHash>,
) -> ItemId {
    let media_hash = store.blobs().put(media).unwrap();
    let item = ItemId::generate();
    let p = Probability::saturating(0.72);
    let (by, reason) = match outcome {
        Outcome::Review => (DecidedBy::Model, Reason::Between { p, thresholds: Thresholds::default() }),
        Outcome::Pass => (DecidedBy::Model, Reason::BelowPass { p, pass_below: p }),
        Outcome::Divert => (DecidedBy::Model, Reason::AboveDivert { p, divert_above: p }),
    };
    let arrival = Arrival { item, inspection: Some(inspection), ..arrival(number, media_hash, reference) };
    store
        .transact::<_, crate::store::StoreError>("station", |tx| {
            tx.append(&Event::ItemArrived(arrival))?;
            tx.append(&Event::ItemPredicted { item, prediction: prediction(0.72) })?;
            let decision =
                Decision { outcome, decided_by: by, reason, policy: None, model: None, audit: None };
            tx.append(&Event::ItemDecided { item, inspection, decision })?;
            Ok(())
        })
        .unwrap();
    item
}

fn arrival(number: u8, media: MediaHash, reference: Option<MediaHash>) -> Arrival {
    Arrival {
        item: ItemId::generate(),
        inspection: None,
        unit: format!("U{number:03}"),
        position: None,
        kind: MediaKind::Image,
        bytes: 0,
        media,
        reference,
        name: format!("U{number:03}.png"),
        source: "folder:inbox".into(),
        modified_at: None,
        label: None,
        votes: Vec::new(),
        extra: BTreeMap::new(),
    }
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
        store.view().labelled_ids(&filter, &TranscriptRule::default()).unwrap()[0]
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
