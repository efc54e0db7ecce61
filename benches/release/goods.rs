//! What the loop is played with.

use secondlook::domain::{Filter, Label, LabelledItem, SimulatorSettings};
use secondlook::engine::{Dataset, DatasetSource};
use secondlook::learn::TrainSettings;
use secondlook::media::{Raster, decode_image, encode_jpeg};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

pub const PHONES: [&str; 5] = ["good", "crack", "scratch", "stain", "chip"];
const MOTORS: [&str; 5] = ["good", "bearing", "imbalance", "rattle", "rub"];
pub const TILES: [&str; 6] = ["good", "crack", "blowhole", "break", "fray", "uneven"];

/// Of pictures.
const SIDE_PX: u32 = 288;

/// Labelled items by the part that they play; no unit has two parts, but for tiles that come back mirrored.
pub struct Goods {
    pub classes: Vec<&'static str>,
    /// What the first model is trained on.
    pub weak: Vec<LabelledItem>,
    /// What arrives and is answered before the second is.
    pub gathered: Vec<LabelledItem>,
    /// What arrives then, the first of these with the second model in shadow.
    pub stream: Vec<LabelledItem>,
    pub shadowed: usize,
    pub held_out: Dataset,
    /// How the first model is trained; what the second begins with, its epochs and highest rate.
    pub how: TrainSettings,
    pub init: Option<&'static str>,
    pub next: (usize, f64),
    /// What was rendered goes with its set.
    #[expect(dead_code, reason = "kept, and never read")]
    files: Vec<Dataset>,
}

/// Of another seed: another set.
fn rendered(kind: &str, count: usize, seed: u64) -> Dataset {
    let settings = SimulatorSettings { seed, defect_share: 0.3, ..SimulatorSettings::default() };
    let source: DatasetSource = format!("{kind}:{count}").parse().unwrap();
    source.open(&Filter::default(), &settings).unwrap()
}

/// A model that is soon trained: of few epochs and small pictures.
fn brief(settings: TrainSettings) -> TrainSettings {
    TrainSettings { epochs: Some(16), rate: 3e-3, evidence_share: 0.0, refit: Some(false), ..settings }
}

impl Goods {
    /// Rendered phones; the second model begins with the shipped package, as that of a new phone line would.
    pub fn phones() -> Self {
        let how = brief(TrainSettings { side_px: SIDE_PX, ..TrainSettings::default() });
        let goods = Self::rendered("simulator", &PHONES, 300, how);
        Self { init: Some("phone-line"), next: (6, 1e-3), ..goods }
    }

    /// Rendered motors; both models begin with nothing.
    pub fn motors() -> Self {
        Self::rendered("motor", &MOTORS, 600, brief(TrainSettings::for_sounds()))
    }

    fn rendered(kind: &str, classes: &[&'static str], held_out: usize, how: TrainSettings) -> Self {
        let [first, arriving] = [rendered(kind, 60, 101), rendered(kind, 1960, 102)];
        let (gathered, stream) = arriving.items.split_at(540);
        Self {
            classes: classes.to_vec(),
            weak: first.items.clone(),
            gathered: gathered.to_vec(),
            stream: stream.to_vec(),
            shadowed: 120,
            held_out: rendered(kind, held_out, 103),
            how,
            init: None,
            next: (60, 7e-3),
            files: vec![first, arriving],
        }
    }

    /// Photographs of magnetic tiles, tile after tile; fold 4 is held out. Both models begin with nothing: the
    /// shipped one has learnt from these very tiles. There are few, so that the stream comes a second
    /// time as in a mirror.
    pub fn tiles(data: &Path, folder: &Path) -> Self {
        let open = |folds: &[u8]| {
            let terms: Vec<String> = folds.iter().map(|fold| format!("fold={fold}")).collect();
            let filter = Filter::parse(&terms).unwrap();
            DatasetSource::Folder(data.to_owned()).open(&filter, &SimulatorSettings::default()).unwrap()
        };
        let mut tiles: BTreeMap<[u8; 32], Vec<LabelledItem>> = BTreeMap::new();
        for item in open(&[0, 1, 2, 3]).items {
            tiles.entry(*blake3::hash(item.group.as_bytes()).as_bytes()).or_default().push(item);
        }
        let mut tiles = tiles.into_values();
        let mut take = |count: usize| -> Vec<LabelledItem> {
            let mut taken = Vec::new();
            while taken.len() < count
                && let Some(of_one) = tiles.next()
            {
                taken.extend(of_one);
            }
            taken
        };
        let (weak, gathered, mut stream) = (take(80), take(380), take(usize::MAX));
        let mirrored: Vec<LabelledItem> = stream.iter().map(|item| mirror(item, folder)).collect();
        stream.extend(mirrored);
        Self {
            classes: TILES.to_vec(),
            weak,
            gathered,
            stream,
            shadowed: 100,
            held_out: open(&[4]),
            how: brief(TrainSettings { side_px: SIDE_PX, ..TrainSettings::default() }),
            init: None,
            next: (80, 3e-3),
            files: Vec::new(),
        }
    }
}

fn mirror(item: &LabelledItem, folder: &Path) -> LabelledItem {
    let Raster { width, height, channels, mut pixels } =
        decode_image(&fs::read(&item.path).unwrap()).unwrap();
    for row in pixels.chunks_exact_mut((width * channels) as usize) {
        row.reverse();
    }
    let path = folder.join(format!("mirrored-{}", item.path.file_name().unwrap().to_string_lossy()));
    fs::write(&path, encode_jpeg(&Raster { width, height, channels, pixels }, 95).unwrap()).unwrap();
    // Its regions are those of the other one; nothing learns from it.
    LabelledItem { path, label: Label { regions: Vec::new(), ..item.label.clone() }, ..item.clone() }
}
