//! From corrections to a better model, through the real station: a weak live model, people's answers, a
//! training, shadow, a share of the line, live; then a candidate that has learnt nonsense. And what changing
//! models costs a busy station.
//!
//! `cargo bench --profile dev --bench release` prints tables; `-- loop`, `-- switch` or `-- look` runs a part,
//! `-- loop --plot FILE.svg` draws the way of the two candidates as well. The loop is played with rendered
//! phones, `-- loop --with motors` with rendered sounds, `-- loop --with FOLDER` with the photographs of
//! magnetic-tile.

mod goods;
mod look;
mod plot;

use goods::Goods;
use look::looking;
use plot::Trace;
use secondlook::domain::{
    Class, LabelledItem, Level, Limit, Plan, Probability, Release, ReleaseState, Route, Verdict,
};
use secondlook::engine::{
    self, CompareReport, Line, LineRequest, Proof, ReleaseStep, Station, StationOptions, TrainJob, find_model,
};
use secondlook::infer::{Metric, Model};
use secondlook::learn::{self, TrainSettings};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// A busy station, in items a second.
const RATE: f64 = 20.0;
const SWITCHES: usize = 40;
const SECONDS_BESIDE: f64 = 12.0;

fn main() {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut value_of = |name: &str| {
        wanted.iter().position(|arg| arg == name).map(|at| {
            wanted.remove(at);
            wanted.remove(at)
        })
    };
    let (plot, with) = (value_of("--plot"), value_of("--with"));
    wanted.retain(|arg| !arg.starts_with('-'));
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let folder = tempfile::tempdir_in(target()).unwrap();
    if is_wanted("loop") {
        let goods = match with.as_deref() {
            None => Goods::phones(),
            Some("motors") => Goods::motors(),
            Some(tiles) => Goods::tiles(Path::new(tiles), folder.path()),
        };
        let trace = the_loop(folder.path(), &goods);
        if let Some(file) = plot {
            fs::write(file, trace.svg()).unwrap();
        }
    }
    if is_wanted("switch") {
        switching(folder.path());
    }
    if is_wanted("look") {
        looking(folder.path());
    }
}

fn target() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-lines");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn plan() -> Plan {
    let mut plan = LineRequest::demo().unwrap().plan;
    let p = Probability::saturating;
    plan.simulator = None;
    plan.promise.outgoing = Some(Limit { limit: p(0.05), confidence: p(0.9) });
    // A machine that trains and renders beside it is no measure of a model's speed.
    plan.budget.latency_ms_p99 = 5000.0;
    (plan.source.settle_secs, plan.source.rescan_secs) = (0.02, 0.1);
    plan.source.pattern = "{unit}".into();
    plan.release.steps = vec![0.2, 0.5];
    plan.release.step_inspections = 30;
    plan
}

/// The first passes, the others are diverted.
fn routes(classes: &[&str]) -> Vec<Class> {
    let route = |at: usize| if at == 0 { Route::Pass } else { Route::Divert };
    let of_one = |(at, name): (usize, &&str)| Class { name: (*name).to_owned(), route: route(at) };
    classes.iter().enumerate().map(of_one).collect()
}

fn trained(items: &[LabelledItem], how: &TrainSettings, name: &str) -> Model {
    let start = Instant::now();
    let how = TrainSettings { name: name.into(), ..how.clone() };
    let report = learn::train(items, &how, None, &AtomicBool::new(false), &mut |_| {}).unwrap();
    println!("trained `{name}` on {} items in {:.0} s", items.len(), start.elapsed().as_secs_f64());
    report.model
}

/// The line with its station, and people who are always right.
struct Shop {
    folder: PathBuf,
    line: Line,
    truth: BTreeMap<String, LabelledItem>,
    put: usize,
}

impl Shop {
    fn new(folder: &Path, first: &Model, classes: &[&str]) -> Self {
        let path = folder.join("line");
        let request = LineRequest {
            plan: Plan { classes: routes(classes), ..plan() },
            level: Level::Assist,
            model: None,
        };
        let mut line = Line::create(&path, request, "bench").unwrap();
        line.promote(first, "ann", "the first").unwrap();
        fs::create_dir_all(path.join("inbox")).unwrap();
        Self { folder: path, line, truth: BTreeMap::new(), put: 0 }
    }

    /// Lets items arrive one after the other, as long as it is wanted; answers what waits every few items.
    fn run(&mut self, items: &[LabelledItem], mut goes_on: impl FnMut(&Line) -> bool) -> usize {
        let station = Station::start(&self.folder, StationOptions::default()).unwrap();
        let mut arrived = 0_usize;
        for item in items {
            let kind = item.path.extension().unwrap_or_default().to_string_lossy();
            let name = format!("item-{:05}.{kind}", self.put);
            self.put += 1;
            fs::copy(&item.path, self.folder.join("inbox").join(&name)).unwrap();
            self.truth.insert(name, item.clone());
            arrived += 1;
            wait("decided", || station.summary().arrived >= arrived as u64);
            if arrived.is_multiple_of(5) || arrived == items.len() {
                self.wait_for_shadow();
                self.answer();
                if !goes_on(&self.line) {
                    break;
                }
            }
        }
        self.answer();
        arrived
    }

    /// Items arrive faster here than on a line, and a busy machine would show what it had no time for.
    fn wait_for_shadow(&self) {
        let is_tried = |r: &Release| matches!(r.state, ReleaseState::Shadow | ReleaseState::Canary);
        if !self.line.releases().unwrap().iter().any(is_tried) {
            return;
        }
        let raw = rusqlite::Connection::open(self.folder.join("secondlook.db")).unwrap();
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM decisions d WHERE NOT EXISTS
                       (SELECT 1 FROM shadow_predictions s WHERE s.item_id = d.item_id)
                   AND d.item_id IN (SELECT item_id FROM items ORDER BY item_id DESC LIMIT 5))";
        // A canary may be taken back while this waits.
        wait("looked at by both", || {
            !self.line.releases().unwrap().iter().any(is_tried)
                || raw.query_row(sql, [], |row| row.get(0)).unwrap()
        });
    }

    fn answer(&mut self) {
        loop {
            let waiting = self.line.store.view().queue(None, 1000).unwrap();
            if waiting.is_empty() {
                return;
            }
            for row in waiting {
                let looks = self.line.store.view().verdicts(row.item.id).unwrap().len();
                let truth = &self.truth[&row.item.name].label;
                let reviewer = format!("person {}", looks + 1);
                let verdict = Verdict {
                    regions: truth.regions.clone(),
                    ..Verdict::of_class(row.item.id, reviewer, truth.main_class())
                };
                self.line.answer(&verdict).unwrap();
            }
        }
    }

    /// A person sees to them: a machine that measures is busy, and the charts look at rendered light.
    fn clear_alarms(&mut self) {
        for (_, alarm) in self.line.store.view().alarms().unwrap() {
            println!("alarm seen to: {}", alarm.text);
            self.line.clear_alarm(alarm.kind, "ann", "looked at").unwrap();
        }
    }

    fn state(&self, name: &str) -> Option<ReleaseState> {
        self.line.releases().unwrap().into_iter().find(|r| r.model.name == name).map(|r| r.state)
    }

    /// Passed without a person, and defective among them.
    fn passed(&self) -> (usize, usize) {
        let raw = rusqlite::Connection::open(self.folder.join("secondlook.db")).unwrap();
        let sql = "SELECT i.name FROM decisions d JOIN items i ON i.item_id = d.item_id
                   WHERE d.decision = 'pass' AND d.decided_by = 'model'";
        let mut statement = raw.prepare(sql).unwrap();
        let names: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let bad = names.iter().filter(|name| !self.truth[*name].label.is_good()).count();
        (names.len(), bad)
    }
}

fn wait(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_mins(1), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn show(stage: &str, items: usize, report: &CompareReport) {
    let calls = report.calls;
    println!(
        "| {stage} | {items} | {} | {} | {} | {:+.1} % [{:+.1}, {:+.1}] | {:.2e} | {:.2e} |",
        calls.n,
        calls.only_live_wrong,
        calls.only_candidate_wrong,
        100.0 * calls.difference,
        100.0 * calls.low,
        100.0 * calls.high,
        calls.p_value,
        calls.capital,
    );
}

fn the_loop(folder: &Path, goods: &Goods) -> Trace {
    let mut trace = Trace::default();
    let weak = trained(&goods.weak, &goods.how, "weak");
    let mut shop = Shop::new(folder, &weak, &goods.classes);
    shop.run(&goods.gathered, |_| true);
    let (epochs, rate) = goods.next;
    let how = TrainSettings { epochs: Some(epochs), rate, name: "next".into(), ..goods.how.clone() };
    let job = TrainJob {
        settings: how,
        name: Some("next".into()),
        init: goods.init.map(str::to_owned),
        ..TrainJob::default()
    };
    let start = Instant::now();
    let report = engine::train(&mut shop.line, job, "ann", &AtomicBool::new(false), &mut |_| {}).unwrap();
    println!("trained `next` on {} answers in {:.0} s", goods.gathered.len(), start.elapsed().as_secs_f64());
    for model in [&weak, &report.model] {
        let cancel = AtomicBool::new(false);
        let found =
            engine::evaluate(&mut shop.line, model, &goods.held_out, 1, "ann", &cancel, &mut |_, _| {})
                .unwrap();
        let metric = |found: Option<Metric>| {
            found.map_or_else(String::new, |m| format!("{:.3} [{:.3}, {:.3}]", m.value, m.low, m.high))
        };
        println!(
            "{} new ones, {}: AUROC {}, balanced accuracy {}, IoU {}",
            goods.held_out.items.len(),
            model.model_ref().name,
            metric(found.report.auroc),
            metric(found.report.balanced_accuracy),
            metric(found.report.defect_iou),
        );
    }
    println!(
        "\n| stage | items | compared | only live wrong | only candidate wrong | difference in wrong calls | p | capital against it |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    shop.line.take(ReleaseStep::Shadow, "next", "ann", "trained on the answers").unwrap();
    let (shadowed, mut rest) = goods.stream.split_at(goods.shadowed);
    trace.run(&mut shop, shadowed, ["shadow", "next"], |_| true);
    for share in plan().release.steps {
        shop.clear_alarms();
        match shop.line.take(ReleaseStep::Canary(Proof::Required), "next", "ann", "the comparison") {
            Ok(said) => println!("{said}"),
            Err(error) => println!("refused: {error}"),
        }
        let wanted = u64::from(plan().release.step_inspections);
        let stage = format!("{:.0} %", 100.0 * share);
        let n = trace
            .run(&mut shop, &rest[..rest.len().min(400)], [&stage, "next"], |report| report.own < wanted);
        rest = &rest[n..];
    }
    shop.clear_alarms();
    println!("{}", shop.line.take(ReleaseStep::Promote, "next", "ann", "proven").unwrap());
    println!("level {}", shop.line.store.view().settings().unwrap().level);

    // The same labels, dealt to the wrong items.
    let mut nonsense: Vec<LabelledItem> = goods.gathered.clone();
    let labels: Vec<_> = nonsense.iter().map(|item| item.label.clone()).collect();
    let count = nonsense.len();
    for (i, item) in nonsense.iter_mut().enumerate() {
        item.label = labels[(i * 7 + 3) % count].clone();
    }
    let bad = trained(&nonsense, &goods.how, "nonsense");
    bad.save(&shop.folder.join("models/nonsense")).unwrap();
    shop.line.take(ReleaseStep::Shadow, "nonsense", "ann", "to see").unwrap();
    let in_shadow = &rest[..rest.len().min(400)];
    let n = trace.run(&mut shop, in_shadow, ["nonsense in shadow", "nonsense"], |report| !report.is_worse());
    rest = &rest[n..];
    let refused = shop.line.take(ReleaseStep::Canary(Proof::Required), "nonsense", "ann", "try");
    println!("{}", refused.err().map_or_else(|| "not refused".into(), |error| error.to_string()));
    if !rest.is_empty() {
        forced(&mut shop, &mut trace, rest);
    }
    trace
}

/// What somebody lets through who waives what was shown.
fn forced(shop: &mut Shop, trace: &mut Trace, rest: &[LabelledItem]) {
    let before = shop.passed();
    shop.line.canary("nonsense", Some(0.2), Proof::Waived, "ann", "forced").unwrap();
    let n = trace.run(shop, rest, ["nonsense, forced onto 20 %", "nonsense"], |_| true);
    let after = shop.passed();
    println!(
        "forced onto 20 % of the line: {} after {n} items ({} of them passed unseen meanwhile, {} defective)",
        shop.state("nonsense").map_or("gone", ReleaseState::as_str),
        after.0 - before.0,
        after.1 - before.1,
    );
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let at = ((sorted.len() as f64 - 1.0) * share).round() as usize;
    sorted[at]
}

fn switching(folder: &Path) {
    let folder = &folder.join("switch");
    let twin = find_model(None, &twin(folder).display().to_string()).unwrap();
    let path = folder.join("line");
    // Those of tiles and of phones: the ones arrive, the others are trained on beside.
    let both: Vec<&str> = goods::PHONES.iter().chain(goods::TILES.iter().skip(1)).copied().collect();
    let plan = Plan { classes: routes(&both), ..plan() };
    let request = LineRequest { plan, level: Level::Assist, model: Some("magnetic-tile".into()) };
    let mut line = Line::create(&path, request, "bench").unwrap();
    line.promote(&twin, "ann", "once, so that both were live").unwrap();
    fs::create_dir_all(path.join("inbox")).unwrap();
    let station = Station::start(&path, StationOptions::default()).unwrap();
    let pictures = Pictures::start(&path, RATE);
    let mut names = ["magnetic-tile", "twin"].into_iter().cycle();
    let mut times: Vec<f64> = Vec::new();
    for _ in 0..SWITCHES {
        std::thread::sleep(Duration::from_millis(300));
        let name = names.next().unwrap();
        let start = Instant::now();
        line.rollback("ann", "back").unwrap();
        wait("the other model decides", || {
            let view = line.store.view();
            let newest = view.newest_item_before(None).unwrap();
            newest.is_some_and(|item| {
                view.prediction(item).unwrap().is_some_and(|prediction| prediction.model.name == name)
            })
        });
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let sent = pictures.stop();
    wait("all are decided", || station.summary().arrived >= sent);
    drop(station);
    let raw = rusqlite::Connection::open(path.join("secondlook.db")).unwrap();
    let count = |sql: &str| -> i64 { raw.query_row(sql, [], |row| row.get(0)).unwrap() };
    println!(
        "\nrollback under {RATE} items/s, {SWITCHES} times: key press to the first item decided by the other model p50 {:.0}, p90 {:.0}, p99 {:.0} ms; {sent} items sent, {} recorded, {} decided twice, {} by another model than predicted them",
        percentile(&times, 0.5),
        percentile(&times, 0.9),
        percentile(&times, 0.99),
        count("SELECT count(*) FROM items"),
        count("SELECT count(*) FROM (SELECT 1 FROM items GROUP BY name HAVING count(*) > 1)"),
        count(
            "SELECT count(*) FROM decisions d JOIN predictions p ON p.item_id = d.item_id WHERE d.model != json_extract(p.payload, '$.model.name')"
        ),
    );
    beside(&path);
}

/// The shipped tile model under another name and hash.
fn twin(folder: &Path) -> PathBuf {
    let model = find_model(None, "magnetic-tile").unwrap();
    let (manifest, weights) = model.package();
    let mut manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    manifest["name"] = "twin".into();
    let package = folder.join("twin");
    fs::create_dir_all(&package).unwrap();
    fs::write(package.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(package.join("weights.safetensors"), weights).unwrap();
    package
}

/// The station's latency alone, beside a model in shadow, and beside a training as well; in turn.
fn beside(path: &Path) {
    let mut line = Line::open(path, "bench").unwrap();
    let mut ms: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..2 {
        for case in ["alone", "with a shadow", "with a shadow and a training"] {
            let live = line.store.view().settings().unwrap().model.unwrap().name;
            let shadow = if live == "twin" { "magnetic-tile" } else { "twin" };
            if case != "alone" {
                line.shadow(shadow, "ann", "bench").unwrap();
            }
            let station = Station::start(path, StationOptions::default()).unwrap();
            let mut training = (case == "with a shadow and a training").then(|| start_training(path));
            let pictures = Pictures::start(path, RATE);
            let start = Instant::now();
            while start.elapsed().as_secs_f64() < SECONDS_BESIDE {
                for event in station.events().try_iter() {
                    if let engine::StationEvent::Decided { latency_ms, .. } = event {
                        ms.entry(case).or_default().push(latency_ms);
                    }
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            pictures.stop();
            drop(station);
            if let Some(training) = &mut training {
                let _ = training.kill();
                let _ = training.wait();
            }
            if case != "alone" {
                line.retire(shadow, "ann", "bench").unwrap();
            }
        }
    }
    println!("\n| station at {RATE} items/s | items | p50, ms | p99, ms |\n|---|---|---|---|");
    for (case, ms) in &mut ms {
        ms.sort_by(f64::total_cmp);
        println!("| {case} | {} | {:.1} | {:.1} |", ms.len(), percentile(ms, 0.5), percentile(ms, 0.99));
    }
}

/// As a person starts it beside the station, on labels of the same line.
fn start_training(path: &Path) -> Child {
    let line = path.display().to_string();
    let program = env!("CARGO_BIN_EXE_secondlook");
    let import = Command::new(program).args(["import", &line, "simulator:60"]).stdout(Stdio::null()).status();
    assert!(import.is_ok_and(|status| status.success()));
    Command::new(program)
        .args(["train", &line, "--minutes", "5"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Tiles that arrive at a rate.
struct Pictures {
    stop: std::sync::Arc<AtomicBool>,
    thread: std::thread::JoinHandle<u64>,
}

impl Pictures {
    fn start(path: &Path, rate: f64) -> Self {
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let (stops, inbox) = (std::sync::Arc::clone(&stop), path.join("inbox"));
        let thread = std::thread::Builder::new().name("camera".into()).spawn(move || {
            let mut sent = 0_u64;
            let start = Instant::now();
            while !stops.load(std::sync::atomic::Ordering::Relaxed) {
                let stamp = u64::try_from(start.elapsed().as_nanos()).unwrap();
                let image = image::GrayImage::from_fn(300, 380, |x, y| {
                    let noise =
                        ((u64::from(x) * 73) ^ (u64::from(y) * 151) ^ stamp.wrapping_mul(0x9e37_79b9)) >> 3;
                    image::Luma([120 + (noise % 32) as u8])
                });
                let name = format!("tile-{}-{stamp:016}.png", std::process::id());
                let partial = inbox.join(format!(".{name}.partial"));
                image.save_with_format(&partial, image::ImageFormat::Png).unwrap();
                fs::rename(&partial, inbox.join(&name)).unwrap();
                sent += 1;
                let due = Duration::from_secs_f64(sent as f64 / rate);
                std::thread::sleep(due.saturating_sub(start.elapsed()));
            }
            sent
        });
        Self { stop, thread: thread.unwrap() }
    }

    fn stop(self) -> u64 {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
