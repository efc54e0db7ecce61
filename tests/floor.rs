//! A shop floor for tests: a line in a temporary folder, an inbox in which real files arrive, and
//! a model that was trained within a second.
//!
//! The model need not be good. Where a test needs an outcome it adopts the policy that gives it,
//! the most permissive one included: then whatever should not pass has only the station to stop it.

use crate::lines;
use image::{GrayImage, Luma};
use secondlook::domain::{
    AfterIngest, BoxPx, Event, Label, LabelledItem, Level, MediaKind, Plan, Policy, Probability, Region,
    Shape, Stated, Thresholds,
};
use secondlook::engine::{Command, Line, LineRequest, Station, StationEvent, StationOptions, Summary};
use secondlook::infer::{InputSpec, Levels, Model, View};
use secondlook::learn::{self, TrainSettings};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Far longer than anything here takes, also on a busy machine; reached only by a fault.
const PATIENCE: Duration = Duration::from_mins(5);
const LOOK: Duration = Duration::from_millis(10);

/// A grey picture with the seed in its corner, so that no two give the same bytes; with a dark
/// bar or not.
pub fn picture(seed: u32, crack: bool) -> GrayImage {
    GrayImage::from_fn(48, 40, |x, y| {
        if let (0, Some(&byte)) = (y, seed.to_le_bytes().get(x as usize)) {
            return Luma([byte]);
        }
        let noise = (x.wrapping_mul(73) ^ y.wrapping_mul(151) ^ seed.wrapping_mul(2_654_435_761)) >> 3;
        let base = if crack && (10..30).contains(&x) && (15..22).contains(&y) { 40 } else { 170 };
        Luma([u8::try_from(base + noise % 32).unwrap()])
    })
}

pub fn encoded(image: &image::DynamicImage, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub fn png(seed: u32) -> Vec<u8> {
    encoded(&picture(seed, seed % 2 == 1).into(), image::ImageFormat::Png)
}

/// Trained once for all tests of this binary.
pub fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let items: Vec<LabelledItem> = (0..16)
            .map(|seed| {
                let crack = seed % 2 == 1;
                let name = format!("{seed}.png");
                let path = folder.path().join(&name);
                fs::write(&path, png(seed)).unwrap();
                let mut label = Label::confirmed(if crack { "crack" } else { "good" });
                if crack {
                    let bar = Shape::Box(BoxPx::new(10.0, 15.0, 30.0, 22.0));
                    label.regions.push(Region::new("crack", bar));
                }
                let group = format!("unit {seed}");
                let (votes, extra) = (vec![], BTreeMap::new());
                LabelledItem {
                    path,
                    name,
                    kind: MediaKind::Image,
                    reference: None,
                    group,
                    label,
                    votes,
                    extra,
                }
            })
            .collect();
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
        let settings = TrainSettings {
            name: "tiny".into(),
            epochs: Some(1),
            batch: 4,
            input: Some(input),
            ..TrainSettings::default()
        };
        learn::train(&items, &settings, None, &AtomicBool::new(false), &mut |_| {}).unwrap().model
    })
}

/// One item with the decision in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    pub unit: String,
    pub outcome: String,
    pub decided_by: String,
    pub code: String,
    pub reason: String,
}

/// What a run came to, and what it said meanwhile.
#[derive(Debug)]
pub struct Ran {
    pub summary: Summary,
    pub said: Vec<String>,
}

pub struct Floor {
    pub path: PathBuf,
    /// Where other things of the test go.
    beside: PathBuf,
    _folder: TempDir,
}

impl Floor {
    /// A line without a model, at level assist.
    pub fn new(change: impl FnOnce(&mut Plan)) -> Self {
        let folder = TempDir::new().unwrap();
        let place = folder.path().to_path_buf();
        Self::make(&place, folder, None, change)
    }

    /// A line on which [`model`] decides; the policy lets everything pass that it looks at.
    pub fn permissive(change: impl FnOnce(&mut Plan)) -> Self {
        let floor = Self::with_model(change);
        floor.adopt(Level::Partial, Some(1.0), None);
        floor
    }

    /// The same in a folder of the test's own.
    pub fn permissive_at(folder: &Path, change: impl FnOnce(&mut Plan)) -> Self {
        let floor = Self::make_with_model(folder, TempDir::new().unwrap(), change);
        floor.adopt(Level::Partial, Some(1.0), None);
        floor
    }

    /// A line with [`model`] live, at level assist.
    pub fn with_model(change: impl FnOnce(&mut Plan)) -> Self {
        let folder = TempDir::new().unwrap();
        let place = folder.path().to_path_buf();
        Self::make_with_model(&place, folder, change)
    }

    fn make_with_model(place: &Path, folder: TempDir, change: impl FnOnce(&mut Plan)) -> Self {
        let package = folder.path().join("tiny");
        model().save(&package).unwrap();
        Self::make(place, folder, Some(package.display().to_string()), change)
    }

    fn make(place: &Path, folder: TempDir, model: Option<String>, change: impl FnOnce(&mut Plan)) -> Self {
        let path = place.join("line");
        let mut plan = lines::plan(1);
        plan.source.settle_secs = 0.02;
        plan.source.rescan_secs = 0.1;
        change(&mut plan);
        Line::create(&path, LineRequest { plan, level: Level::Assist, model }, "test").unwrap();
        fs::create_dir_all(path.join("inbox")).unwrap();
        Self { path, beside: folder.path().to_owned(), _folder: folder }
    }

    pub fn line(&self) -> Line {
        Line::open(&self.path, "test").unwrap()
    }

    pub fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path.join("secondlook.db")).unwrap()
    }

    pub fn beside(&self, name: &str) -> PathBuf {
        self.beside.join(name)
    }

    pub fn inbox(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join("inbox").join(name)
    }

    /// The live model's folder in the line.
    pub fn package(&self) -> PathBuf {
        self.path.join("models/tiny")
    }

    pub fn put(&self, name: impl AsRef<Path>, bytes: &[u8]) {
        let path = self.inbox(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Puts a policy in force, past the evidence that a person would need for it.
    pub fn adopt(&self, level: Level, pass_below: Option<f64>, divert_above: Option<f64>) {
        let Line { plan, mut store } = self.line();
        let limit = |stated: &Stated<'_>| {
            let Stated { kind, class, limit } = *stated;
            json!({ "kind": kind, "class": class, "limit": limit.limit, "confidence": limit.confidence })
        };
        let limits: Vec<_> = plan.promise.stated().iter().map(limit).collect();
        let evidence = json!({ "limits": limits }).to_string();
        let from = Some(store.view().settings().unwrap().level);
        let at = |p: Option<f64>| p.map(Probability::saturating);
        let thresholds =
            Thresholds { pass_below: at(pass_below), divert_above: at(divert_above), accept_below: None };
        let policy = Policy { level, thresholds, version: 7 };
        store
            .transact::<_, secondlook::store::StoreError>("test", |tx| {
                tx.append(&Event::LevelChanged { from, to: level, reason: "test".into(), evidence: None })?;
                tx.append(&Event::PolicyAdopted { policy, evidence, audits: None, reason: String::new() })
            })
            .unwrap();
    }

    /// Runs the station until the inbox is empty.
    pub fn run_once(&self) -> Ran {
        self.run_with(StationOptions { once: true, ..StationOptions::default() })
    }

    /// Runs the station until it ends by itself.
    pub fn run_with(&self, options: StationOptions) -> Ran {
        let running = Running { station: Station::start(&self.path, options).unwrap(), said: vec![] };
        running.finish()
    }

    /// Runs the station until it is told to stop.
    pub fn run(&self) -> Running {
        let station = Station::start(&self.path, StationOptions::default()).unwrap();
        Running { station, said: vec![] }
    }

    /// By name.
    pub fn rows(&self) -> Vec<Row> {
        let raw = self.raw();
        let mut statement = raw
            .prepare(
                "SELECT i.name, i.unit, d.decision, d.decided_by, d.code, d.reason
                 FROM items i JOIN decisions d ON d.item_id = i.item_id ORDER BY i.name",
            )
            .unwrap();
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Row {
                name: row.get(0)?,
                unit: row.get(1)?,
                outcome: row.get(2)?,
                decided_by: row.get(3)?,
                code: row.get(4)?,
                reason: row.get(5)?,
            })
        };
        statement.query_map([], row).unwrap().map(Result::unwrap).collect()
    }

    #[track_caller]
    pub fn row(&self, name: &str) -> Row {
        let rows = self.rows();
        let found = rows.iter().find(|row| row.name == name);
        found.unwrap_or_else(|| panic!("{name} is not among {rows:?}")).clone()
    }

    pub fn count(&self, sql: &str) -> i64 {
        self.raw().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Every inspection: unit, decision, reason.
    pub fn inspections(&self) -> Vec<(String, Option<String>, Option<String>)> {
        let raw = self.raw();
        let sql = "SELECT unit, decision, reason FROM inspections ORDER BY unit, opened_at";
        let mut statement = raw.prepare(sql).unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        statement.query_map([], row).unwrap().map(Result::unwrap).collect()
    }

    /// Whatever happened: the log is whole, and the state is what the log says.
    #[track_caller]
    pub fn check(&self) {
        let mut store = self.line().store;
        let report = store.verify(None).unwrap();
        assert!(report.ok, "{report:?}");
        assert_eq!(store.rebuild().unwrap().changed, 0);
    }

    #[track_caller]
    pub fn nothing_passed(&self) {
        let passed = self.count("SELECT count(*) FROM decisions WHERE decision = 'pass'")
            + self.count("SELECT count(*) FROM inspections WHERE decision = 'pass'");
        assert_eq!(passed, 0, "{:?}", self.rows());
    }
}

/// A station at work.
pub struct Running {
    pub station: Station,
    pub said: Vec<String>,
}

impl Running {
    fn listen(&mut self) {
        for event in self.station.events().try_iter() {
            match event {
                StationEvent::Alarm(what) => self.said.push(format!("alarm: {what}")),
                StationEvent::Trouble(what) => self.said.push(format!("trouble: {what}")),
                StationEvent::Recovered(what) => self.said.push(format!("recovered: {what}")),
                StationEvent::Decided { .. } => {}
            }
        }
    }

    /// Waits for something that has to happen.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut happened: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        loop {
            self.listen();
            if happened(self) {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain until {what}; the station said {:?}",
                self.said
            );
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until the station has said this.
    #[track_caller]
    pub fn until_said(&mut self, part: &str) {
        self.until(part, |running| running.said.iter().any(|said| said.contains(part)));
    }

    /// Waits until so many items are decided, in this run.
    #[track_caller]
    pub fn until_decided(&mut self, count: u64) {
        self.until(&format!("{count} are decided"), |running| running.station.summary().arrived >= count);
    }

    pub fn stop(self) -> Ran {
        self.station.command(Command::Stop);
        self.finish()
    }

    fn finish(mut self) -> Ran {
        self.until("the station ends", |running| running.station.is_finished());
        self.listen();
        Ran { summary: self.station.join().unwrap(), said: self.said }
    }
}

/// Files stay where they are after they were taken in.
pub fn leave(plan: &mut Plan) {
    plan.source.after = AfterIngest::Leave;
}

/// Waits for something that has to happen.
#[track_caller]
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(LOOK);
    }
}

/// The built program.
pub struct Program(std::process::Child);

/// What a call of the program came to.
#[derive(Debug)]
pub struct Called {
    /// `None` when a signal ended it.
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    fn command(arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_secondlook"));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// With `--json`, to its end.
    pub fn run(arguments: &[&str]) -> Called {
        Self::start(arguments).wait()
    }

    /// As a person calls it.
    pub fn plain(arguments: &[&str]) -> Called {
        Self(Self::command(arguments).spawn().unwrap()).wait()
    }

    /// With `--json`; it goes on beside the test.
    pub fn start(arguments: &[&str]) -> Self {
        Self(Self::command(arguments).arg("--json").spawn().unwrap())
    }

    /// As Ctrl-C does.
    #[track_caller]
    pub fn interrupt(self) -> Called {
        let pid = self.0.id().to_string();
        let sent = std::process::Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()));
        self.wait()
    }

    /// As `kill -9` does; what it had printed until then.
    pub fn kill(mut self) -> Called {
        let _ = self.0.kill();
        self.wait()
    }

    pub fn wait(self) -> Called {
        let output = self.0.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Called { status: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

impl Called {
    /// The one document on standard output.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The document of a call that went well.
    #[track_caller]
    pub fn done(&self) -> serde_json::Value {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.json()
    }

    /// The one line on standard error, also the document's `error`.
    #[track_caller]
    pub fn complaint(&self) -> String {
        let mut lines = self.stderr.lines();
        let line = lines.next().and_then(|line| line.strip_prefix("secondlook: "));
        let line = line.unwrap_or_else(|| panic!("no complaint: {self:?}")).to_owned();
        assert_eq!(lines.next(), None, "one line: {self:?}");
        assert!(!line.contains("panicked") && line.len() < 400, "{line}");
        assert_eq!(self.json()["error"], line.as_str());
        line
    }
}
