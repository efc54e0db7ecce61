//! The window as a scripted reviewer works in it, in a real window with software GL: from a key to the
//! next item on the screen, answers a minute, frames while panning, a thousand regions, memory.
//!
//! `xvfb-run -s "-screen 0 1600x1000x24 +extension GLX" cargo bench --profile dev --bench window`; needs
//! a display, and says so where there is none. `-- PART` runs one of `key`, `beside`, `pan`, `regions`,
//! `memory`. Times of a key end when the frame with the next item has been handed to the screen.

#[cfg(not(feature = "gui"))]
fn main() {
    eprintln!("SKIPPED: this build has no window (feature gui)");
}

#[cfg(feature = "gui")]
fn main() {
    window::main();
}

#[cfg(feature = "gui")]
mod window {
    use eframe::egui::{self, Key, Modifiers};
    use parking_lot::Mutex;
    use secondlook::domain::{
        Arrival, BoxPx, Class, DecidedBy, Decision, Event, InspectionId, ItemId, Level, MediaHash, MediaKind,
        ModelRef, Outcome, Plan, Prediction, Probability, Reason, Region, ReviewMode, Route, Shape,
        SimulatorSettings, Task, Timing,
    };
    use secondlook::engine::{Line, LineRequest, StationOptions};
    use secondlook::gui::{App, Places};
    use secondlook::media::{Raster, encode_jpeg, encode_png_grey};
    use secondlook::store::StoreError;
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    /// Different pictures; each stands for many items.
    const PICTURES: u32 = 40;
    const KEYS: usize = 300;
    const PAN_FRAMES: usize = 300;
    const REGIONS: usize = 2000;
    const MEMORY_ANSWERS: usize = 10_000;
    /// Before measuring: caches fill, the window settles.
    const WARM_UP: usize = 20;

    pub fn main() {
        if std::env::var_os("DISPLAY").is_none_or(|display| display.is_empty()) {
            eprintln!("SKIPPED: no display; run under xvfb-run");
            return;
        }
        if std::env::args().any(|arg| arg == "--test") {
            return;
        }
        let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
        let parts: Vec<Part> = [Part::Key, Part::Beside, Part::Pan, Part::Regions, Part::Memory]
            .into_iter()
            .filter(|part| wanted.is_empty() || wanted.iter().any(|name| name == part.name()))
            .collect();
        // Only one event loop for each process: each part is a process of its own.
        if let [part] = parts[..] {
            run(part);
            return;
        }
        let program = std::env::current_exe().unwrap();
        for part in parts {
            let status = std::process::Command::new(&program).arg(part.name()).status().unwrap();
            assert!(status.success(), "{} failed", part.name());
        }
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Part {
        /// Answers on a line whose station is idle.
        Key,
        /// The same beside a station that decides two phones a second.
        Beside,
        Pan,
        Regions,
        Memory,
    }

    impl Part {
        fn name(self) -> &'static str {
            match self {
                Self::Key => "key",
                Self::Beside => "beside",
                Self::Pan => "pan",
                Self::Regions => "regions",
                Self::Memory => "memory",
            }
        }
    }

    /// A photograph of 2 megapixels as a camera writes it.
    fn photograph(number: u32, width: u32, height: u32) -> Vec<u8> {
        let mut noise = number.wrapping_mul(2_654_435_761) | 1;
        let pixels = (0..width * height)
            .flat_map(|at| {
                noise ^= noise << 13;
                noise ^= noise >> 17;
                noise ^= noise << 5;
                let (x, y) = (at % width, at / width);
                let base =
                    90 + 40 * u32::from((x / 97 + y / 61 + number).is_multiple_of(3)) + (x * 60 / width);
                let level = u8::try_from(base + noise % 12).unwrap();
                [level, level.saturating_sub(8), level.saturating_add(6)]
            })
            .collect();
        encode_jpeg(&Raster { width, height, channels: 3, pixels }, 90).unwrap()
    }

    fn plan(simulates: bool) -> Plan {
        let class = |name: &str, route| Class { name: name.into(), route };
        let classes = ["chip", "crack", "scratch", "stain"].map(|name| class(name, Route::Divert));
        let classes = std::iter::once(class("good", Route::Pass)).chain(classes).collect();
        let mut plan = Plan::new("Bench", Task::Defect, classes);
        plan.review.mode = ReviewMode::Shown;
        plan.simulator = simulates.then(SimulatorSettings::default);
        plan
    }

    fn prediction(regions: usize) -> Prediction {
        let p = Probability::saturating;
        let regions = (0..regions).map(|i| {
            let (x, y) = ((i * 37 % 1040) as f32, (i * 53 % 1880) as f32);
            let points = (0..24)
                .map(|k| {
                    let angle = k as f32 / 24.0 * std::f32::consts::TAU;
                    [x + 16.0 + 14.0 * angle.cos(), y + 16.0 + 12.0 * angle.sin()]
                })
                .collect();
            let shape = if i % 2 == 0 {
                Shape::Polygon(points)
            } else {
                Shape::Box(BoxPx::new(x, y, x + 30.0, y + 24.0))
            };
            let mut region = Region::new("crack", shape);
            region.score = Some(p(0.5));
            region
        });
        Prediction {
            model: ModelRef { name: "bench".into(), hash: "0".repeat(64) },
            probabilities: BTreeMap::from([("good".to_owned(), p(0.5)), ("crack".to_owned(), p(0.5))]),
            regions: regions.collect(),
            transcript: None,
            timing: Timing::default(),
            inputs: None,
            features: Vec::new(),
        }
    }

    /// A line with so many items in the queue.
    fn line(folder: &Path, part: Part, items: usize) {
        let simulates = part == Part::Beside;
        let model = simulates.then(|| "phone-line".to_owned());
        let request = LineRequest { plan: plan(simulates), level: Level::Assist, model };
        let mut line = Line::create(folder, request, "bench").unwrap();
        let media: Vec<MediaHash> = match part {
            Part::Pan => {
                let pixels: Vec<u8> = (0..6000_u32 * 6000)
                    .map(|at| u8::try_from((at % 6000 / 7 + at / 6000 / 5 + at % 251) % 256).unwrap())
                    .collect();
                vec![line.store.blobs().put(&encode_png_grey(6000, 6000, &pixels).unwrap()).unwrap()]
            }
            _ => (0..PICTURES).map(|i| line.store.blobs().put(&photograph(i, 1080, 1920)).unwrap()).collect(),
        };
        let prediction = prediction(if part == Part::Regions { REGIONS } else { 2 });
        let p = Probability::saturating(0.5);
        line.store
            .transact::<_, StoreError>("bench", |tx| {
                for number in 0..items {
                    let (item, inspection) = (ItemId::generate(), InspectionId::generate());
                    tx.append(&Event::ItemArrived(Arrival {
                        item,
                        inspection: Some(inspection),
                        unit: format!("U{number:05}"),
                        position: None,
                        kind: MediaKind::Image,
                        media: media[number % media.len()].clone(),
                        bytes: 1,
                        reference: None,
                        name: format!("U{number:05}.jpg"),
                        source: "folder:inbox".into(),
                        modified_at: None,
                        label: None,
                        votes: Vec::new(),
                        extra: BTreeMap::new(),
                    }))?;
                    tx.append(&Event::ItemPredicted { item, prediction: prediction.clone() })?;
                    let reason = Reason::Between { p, thresholds: secondlook::domain::Thresholds::default() };
                    let decision = Decision {
                        outcome: Outcome::Review,
                        decided_by: DecidedBy::Model,
                        reason,
                        policy: None,
                        model: None,
                        audit: None,
                    };
                    tx.append(&Event::ItemDecided { item, inspection, decision })?;
                }
                Ok(())
            })
            .unwrap();
    }

    /// What is measured, kept outside of the window that goes.
    #[derive(Default)]
    struct Figures {
        /// From a key to the next item on the screen.
        answers: Vec<f64>,
        /// Our own work of one frame.
        frames: Vec<f64>,
        began: Option<Instant>,
        secs: f64,
        /// Resident MiB after so many answers.
        resident: Vec<(usize, f64)>,
    }

    struct Scripted {
        app: App,
        part: Part,
        figures: Arc<Mutex<Figures>>,
        sent: Option<(Instant, u64)>,
        /// The next item was drawn in the frame that has just been handed over.
        is_drawn: bool,
        done: usize,
        wanted: usize,
    }

    fn run(part: Part) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("line");
        let wanted = match part {
            Part::Key | Part::Beside => KEYS,
            Part::Memory => MEMORY_ANSWERS,
            Part::Pan => PAN_FRAMES,
            Part::Regions => 100,
        };
        let items = if matches!(part, Part::Pan) { 2 } else { wanted + WARM_UP + 10 };
        line(&folder, part, items);
        let figures = Arc::new(Mutex::new(Figures::default()));
        let (kept, places) =
            (Arc::clone(&figures), Places { config: dir.path().join("c"), data: dir.path().join("d") });
        let options =
            StationOptions { simulate: (part == Part::Beside).then_some(None), ..StationOptions::default() };
        let native = eframe::NativeOptions {
            renderer: eframe::Renderer::Glow,
            viewport: egui::ViewportBuilder::default().with_inner_size([1440.0, 900.0]),
            ..eframe::NativeOptions::default()
        };
        let first: (PathBuf, StationOptions) = (folder, options);
        eframe::run_native(
            "bench",
            native,
            Box::new(move |creation| {
                Ok(Box::new(Scripted {
                    app: App::new(&creation.egui_ctx, places, Some(first)),
                    part,
                    figures: kept,
                    sent: None,
                    is_drawn: false,
                    done: 0,
                    wanted,
                }))
            }),
        )
        .unwrap();
        report(part, &figures.lock());
    }

    impl Scripted {
        fn turn(&self) -> u64 {
            self.app.session().and_then(|s| s.board.as_ref()).map_or(0, |board| board.turn)
        }

        fn press(raw: &mut egui::RawInput, key: Key) {
            for pressed in [true, false] {
                raw.events.push(egui::Event::Key {
                    key,
                    physical_key: None,
                    pressed,
                    repeat: false,
                    modifiers: Modifiers::NONE,
                });
            }
        }

        fn answer(&mut self, ctx: &egui::Context, raw: &mut egui::RawInput) {
            if std::mem::take(&mut self.is_drawn)
                && let Some((at, _)) = self.sent.take()
            {
                let mut figures = self.figures.lock();
                self.done += 1;
                if self.done > WARM_UP {
                    figures.began.get_or_insert(at);
                    figures.answers.push(at.elapsed().as_secs_f64() * 1e3);
                    figures.secs = figures.began.map_or(0.0, |began| began.elapsed().as_secs_f64());
                }
                if self.done.is_multiple_of(1000) {
                    figures.resident.push((self.done, resident_mib()));
                }
                if self.done >= self.wanted + WARM_UP {
                    ctx.send_viewport_cmd(egui::ViewportCommand::Close);
                }
            }
            if self.sent.is_none() && self.app.review.is_ready() {
                self.sent = Some((Instant::now(), self.turn()));
                Self::press(raw, Key::G);
            }
        }

        fn pan(&mut self, ctx: &egui::Context, raw: &mut egui::RawInput) {
            if !self.app.review.is_ready() {
                return;
            }
            match self.done {
                0 => Self::press(raw, Key::Space),
                n => Self::press(
                    raw,
                    [Key::ArrowRight, Key::ArrowDown, Key::ArrowLeft, Key::ArrowUp][n / 30 % 4],
                ),
            }
            self.done += 1;
            if self.done > self.wanted {
                ctx.send_viewport_cmd(egui::ViewportCommand::Close);
            }
            ctx.request_repaint();
        }
    }

    impl eframe::App for Scripted {
        fn raw_input_hook(&mut self, ctx: &egui::Context, raw: &mut egui::RawInput) {
            if self.part == Part::Pan {
                self.pan(ctx, raw);
            } else {
                self.answer(ctx, raw);
            }
        }

        fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
            self.app.logic(ctx);
        }

        fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
            let start = Instant::now();
            self.app.ui(ui);
            let took = start.elapsed().as_secs_f64() * 1e3;
            let is_measured = match self.part {
                Part::Pan => self.done > 10,
                _ => self.app.review.is_ready(),
            };
            if is_measured {
                self.figures.lock().frames.push(took);
            }
            if let Some((_, turn)) = self.sent
                && self.turn() > turn
                && self.app.review.is_ready()
            {
                self.is_drawn = true;
                // The next frame begins when this one is on the screen.
                ui.ctx().request_repaint();
            }
            if self.part != Part::Pan && self.sent.is_none() {
                ui.ctx().request_repaint_after(Duration::from_millis(1));
            }
        }
    }

    /// The value below which so many of a thousand sorted times lie.
    fn percentile(times: &[f64], of_thousand: usize) -> f64 {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = sorted.len().saturating_sub(1) * of_thousand / 1000;
        sorted.get(at).copied().unwrap_or(f64::NAN)
    }

    fn row(name: &str, times: &[f64]) {
        let [p50, p95, p99] = [500, 950, 990].map(|of_thousand| percentile(times, of_thousand));
        println!("{name:<58} p50 {p50:>6.1}  p95 {p95:>6.1}  p99 {p99:>6.1} ms, n = {}", times.len());
    }

    fn report(part: Part, figures: &Figures) {
        match part {
            Part::Key | Part::Beside => {
                let beside = if part == Part::Beside { ", a station beside it" } else { "" };
                row(&format!("key to next item on the screen{beside}"), &figures.answers);
                row("  our own work of a frame", &figures.frames);
                let a_minute = figures.answers.len() as f64 / figures.secs * 60.0;
                println!("{:<58} {a_minute:.0}", "  answers a minute without thinking");
            }
            Part::Pan => row("our own work of a frame, panning 36 megapixels at 1 : 1", &figures.frames),
            Part::Regions => {
                row(&format!("our own work of a frame with {REGIONS} regions"), &figures.frames);
                row("  key to next item", &figures.answers);
            }
            Part::Memory => {
                for (answers, mib) in &figures.resident {
                    println!("{:<58} {mib:.0} MiB after {answers} answers", "resident memory");
                }
                row("  key to next item", &figures.answers);
            }
        }
    }

    fn resident_mib() -> f64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(f64::NAN)
            / 1024.0
    }
}
