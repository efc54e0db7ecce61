//! An evaluation as a page to look at: figures, reliability, the worst mistakes and the labels that
//! are probably wrong, each with its picture. The page holds pictures of the data set and belongs
//! beside it, not into a repository.

use super::EngineError;
use crate::domain::{BoxPx, Label, LabelledItem, Shape, Task};
use crate::infer::Metric;
use crate::learn::{Evaluation, PredictedRegion, PredictionRow, ReliabilityBin, Report};
use crate::media::{Decoded, MelSpec, Raster, Sound, decode, encode_jpeg, mel_picture, thumbnail};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Pictures of one kind of mistake: as many as a person looks through in a minute.
const SHOWN_MAX: usize = 24;
const THUMBNAIL_PX: u32 = 320;
const THUMBNAIL_QUALITY: u8 = 85;
/// A sound is shown over so many columns at most, and these bands.
const COLUMNS_MAX: f64 = 1024.0;
const BANDS: u32 = 64;
const LOW_HZ: f64 = 40.0;
/// Seconds from one column to the next, of sounds that are short enough.
const HOP_SECS: f64 = 0.01;
/// Side of the reliability plot.
const PLOT_PX: f64 = 260.0;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:32px;max-width:1280px;color:#1d222a}\
h2{margin:36px 0 4px}p{margin:4px 0 12px;color:#55606e}table{border-collapse:collapse}\
td,th{padding:3px 14px 3px 0;text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums}\
.cards{display:flex;flex-wrap:wrap;gap:14px}.card{width:260px;font-size:13px}\
.card svg{width:100%;height:200px;background:#0f1216;border-radius:4px;display:block}\
.card b{display:block;overflow-wrap:anywhere}.truth{stroke:#4fb3e8}.found{stroke:#f0703a;stroke-dasharray:6 4}\
rect.truth,rect.found{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}";

/// Writes `index.html` and its pictures into a folder, which is made; files of these names are
/// replaced. Items are those that were evaluated.
pub fn write_sheet(
    folder: &Path,
    title: &str,
    evaluation: &Evaluation,
    items: &[LabelledItem],
) -> Result<PathBuf, EngineError> {
    write_sheet_with(folder, title, evaluation, items, "")
}

/// With further HTML between the figures and the pictures.
pub(super) fn write_sheet_with(
    folder: &Path,
    title: &str,
    evaluation: &Evaluation,
    items: &[LabelledItem],
    more: &str,
) -> Result<PathBuf, EngineError> {
    fs::create_dir_all(folder).map_err(EngineError::io("cannot make", folder))?;
    let report = &evaluation.report;
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title><style>{STYLE}</style>\
         <h1>{0}</h1><p>{1} items of {2} units. Blue: the label. Orange: the model.</p>",
        escaped(title),
        report.n,
        report.groups,
    );
    figures(&mut page, report);
    sizes(&mut page, report);
    reliability_plot(&mut page, report);
    page.push_str(more);
    let mut pictures = Pictures { folder, items, written: BTreeMap::new() };
    for (name, why, rows) in kinds(evaluation) {
        let _ = write!(page, "<h2>{name} ({})</h2><p>{why}</p><div class=\"cards\">", rows.len());
        for row in rows.iter().take(SHOWN_MAX) {
            card(&mut page, row, report.task, &mut pictures);
        }
        page.push_str("</div>");
    }
    page.push_str("</html>");
    let path = folder.join("index.html");
    fs::write(&path, page).map_err(EngineError::io("cannot write", &path))?;
    Ok(path)
}

/// The kinds of mistakes, the worst of each first.
fn kinds(evaluation: &Evaluation) -> Vec<(&'static str, &'static str, Vec<&PredictionRow>)> {
    let sorted = |keep: &dyn Fn(&PredictionRow) -> bool, by: fn(&PredictionRow) -> f64| {
        let mut rows: Vec<&PredictionRow> = evaluation.predictions.iter().filter(|row| keep(row)).collect();
        rows.sort_by(|a, b| by(b).total_cmp(&by(a)));
        rows
    };
    let suspects: BTreeSet<usize> = evaluation.report.suspects.iter().map(|suspect| suspect.item).collect();
    let suspect = |by| {
        let why = "Suspect by confident learning; not proof of an error.";
        ("Labels to look at again", why, sorted(&|row| suspects.contains(&row.item), by))
    };
    let wrong = || sorted(&|row| !row.is_right, said);
    match evaluation.report.task {
        Task::Classify => {
            let why = "Items under a wrong name, the surest first.";
            return vec![("Wrong names", why, wrong()), suspect(said)];
        }
        Task::Transcribe => {
            return vec![(
                "Wrong readings",
                "Items of which something else was said, the surest first.",
                wrong(),
            )];
        }
        Task::Defect => {}
    }
    vec![
        (
            "Missed",
            "Defective items that the model calls good, the surest first.",
            sorted(&|row| row.defective && row.label == Label::GOOD, good),
        ),
        (
            "False alarms",
            "Good items that the model calls defective, the surest first.",
            sorted(&|row| !row.defective && row.label != Label::GOOD, |row| -good(row)),
        ),
        (
            "Another defect",
            "Defects under a wrong name.",
            sorted(&|row| row.defective && row.label != Label::GOOD && !row.is_right, |row| -good(row)),
        ),
        suspect(|row| -good(row)),
    ]
}

/// The probability of what was said.
fn said(row: &PredictionRow) -> f64 {
    row.probabilities.get(&row.label).map_or(0.0, |p| p.get())
}

fn good(row: &PredictionRow) -> f64 {
    row.probabilities.get(Label::GOOD).map_or(0.0, |p| p.get())
}

fn short(metric: Option<Metric>) -> String {
    metric.map_or_else(|| "–".to_owned(), |m| format!("{:.3}", m.value))
}

fn figures(page: &mut String, report: &Report) {
    page.push_str("<h2>Figures</h2><p>With 95 % intervals from resampled units.</p><table>");
    for (name, Metric { value, low, high, n }) in report.metrics() {
        let _ = write!(
            page,
            "<tr><td>{}<td class=\"n\">{value:.3}<td class=\"n\">{low:.3} to {high:.3}<td class=\"n\">n = {n}",
            name.replace('_', " "),
        );
    }
    page.push_str("</table><table><tr><th>class<th>items<th>recall<th>precision");
    for (class, m) in &report.per_class {
        let _ = write!(
            page,
            "<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}",
            escaped(class),
            m.n,
            short(m.recall),
            short(m.precision)
        );
    }
    page.push_str("</table>");
}

/// Defects by kind and size.
fn sizes(page: &mut String, report: &Report) {
    if report.by_size.is_empty() {
        return;
    }
    page.push_str(
        "<h2>By kind and size</h2><p>Side: the root of the area that an item's defects cover.</p>\
         <table><tr><th>class<th>side, px<th>items<th>found<th>AUROC<th>IoU",
    );
    for row in &report.by_size {
        let below = row.side_below_px.map_or_else(|| "∞".to_owned(), |px| px.to_string());
        let _ = write!(
            page,
            "<tr><td>{}<td class=\"n\">{} to {below}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}",
            escaped(&row.class),
            row.side_from_px,
            row.n,
            row.found,
            short(row.auroc),
            short(row.defect_iou),
        );
    }
    page.push_str("</table>");
}

/// What was said against what came true, before (grey) and after calibration (blue).
fn reliability_plot(page: &mut String, report: &Report) {
    let of = match report.task {
        Task::Defect => "a defect",
        Task::Classify => "the name",
        Task::Transcribe => "the reading",
    };
    let _ = write!(
        page,
        "<h2>Reliability</h2><p>Probability of {of} as said (across) and seen (up); grey without \
         calibration.</p><svg width=\"{PLOT_PX}\" height=\"{PLOT_PX}\" style=\"border:1px solid #b4bfcc\">\
         <line x1=\"0\" y1=\"{PLOT_PX}\" x2=\"{PLOT_PX}\" y2=\"0\" stroke=\"#b4bfcc\"/>"
    );
    for (bins, colour) in [(&report.reliability_uncalibrated, "#8592a3"), (&report.reliability, "#1f7fbf")] {
        let at = |bin: &ReliabilityBin| (bin.said * PLOT_PX, (1.0 - bin.seen) * PLOT_PX);
        let points: Vec<String> = bins.iter().map(at).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(page, "<polyline fill=\"none\" stroke=\"{colour}\" points=\"{}\"/>", points.join(" "));
        for (x, y) in bins.iter().map(at) {
            let _ = write!(page, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
    }
    page.push_str("</svg>");
}

fn card(page: &mut String, row: &PredictionRow, task: Task, pictures: &mut Pictures<'_>) {
    let item = &pictures.items[row.item];
    page.push_str("<div class=\"card\">");
    match pictures.of(row.item) {
        Ok(picture) => drawing(page, row, item, &picture),
        // One file that cannot be read any more must not cost the page.
        Err(why) => drop(write!(page, "<p>{}</p>", escaped(&why))),
    }
    let probability = match task {
        Task::Defect => format!("{:.2} defective", 1.0 - good(row)),
        Task::Classify | Task::Transcribe => format!("{:.2}", said(row)),
    };
    let _ = write!(
        page,
        "<b>{}</b>label {}, model {} ({probability})</div>",
        escaped(&row.media),
        escaped(&row.truth),
        escaped(&row.label),
    );
}

/// The picture with the places of label and model.
fn drawing(page: &mut String, row: &PredictionRow, item: &LabelledItem, picture: &Picture) {
    let Picture { file, width, height, sound } = picture;
    // Sounds are wide and low: they are stretched to the card.
    let ratio = if sound.is_some() { " preserveAspectRatio=\"none\"" } else { "" };
    let _ = write!(
        page,
        "<svg viewBox=\"0 0 {width} {height}\"{ratio}><image href=\"{file}\" width=\"{width}\" \
         height=\"{height}\"{ratio}/>"
    );
    let bounds = |shape: &Shape| match sound {
        Some(spec) => spec.drawn(shape).bounds(),
        None => shape.bounds(),
    };
    let of_model = |region: &PredictedRegion| match region.span_secs {
        Some(span_secs) => bounds(&Shape::Span { span_secs, band_hz: region.band_hz }),
        None => region.box_px,
    };
    let truths = item.label.regions.iter().filter_map(|region| bounds(&region.shape));
    let found = row.regions.iter().filter_map(of_model);
    for (b, class) in truths.map(|b| (b, "truth")).chain(found.map(|b| (b, "found"))) {
        let BoxPx { x1, y1, x2, y2 } = b;
        let _ = write!(
            page,
            "<rect class=\"{class}\" x=\"{x1}\" y=\"{y1}\" width=\"{}\" height=\"{}\"/>",
            x2 - x1,
            y2 - y1
        );
    }
    page.push_str("</svg>");
}

/// A thumbnail, and the size of what it shows.
#[derive(Clone)]
struct Picture {
    file: String,
    width: u32,
    height: u32,
    /// How a sound became it.
    sound: Option<MelSpec>,
}

/// Thumbnails, written once each.
struct Pictures<'a> {
    folder: &'a Path,
    items: &'a [LabelledItem],
    written: BTreeMap<usize, Result<Picture, String>>,
}

impl Pictures<'_> {
    /// Or why there is none.
    fn of(&mut self, item: usize) -> Result<Picture, String> {
        if let Some(known) = self.written.get(&item) {
            return known.clone();
        }
        let picture = self.write(item);
        self.written.insert(item, picture.clone());
        picture
    }

    fn write(&self, item: usize) -> Result<Picture, String> {
        let path = &self.items[item].path;
        let bytes = fs::read(path).map_err(|error| format!("{error}: {}", path.display()))?;
        let failed = |error: crate::media::MediaError| format!("{error}: {}", path.display());
        let (raster, sound): (Raster, _) = match decode(&bytes).map_err(failed)? {
            Decoded::Image(image) => (image, None),
            Decoded::Sound(sound) => {
                let spec = shown_as(&sound);
                (mel_picture(&sound, &spec), Some(spec))
            }
        };
        let small =
            thumbnail(&raster, if sound.is_some() { raster.width } else { THUMBNAIL_PX }).map_err(failed)?;
        let file = format!("{item}.jpg");
        let target = self.folder.join(&file);
        let encoded = encode_jpeg(&small, THUMBNAIL_QUALITY).map_err(failed)?;
        fs::write(&target, encoded).map_err(|error| format!("{error}: {}", target.display()))?;
        Ok(Picture { file, width: raster.width, height: raster.height, sound })
    }
}

/// All of a sound on a card, whatever a model makes of it: trainings of one page may hear differently.
fn shown_as(sound: &Sound) -> MelSpec {
    let hop_secs = (sound.secs() / COLUMNS_MAX).max(HOP_SECS);
    MelSpec {
        bands: BANDS,
        low_hz: LOW_HZ,
        high_hz: f64::from(sound.rate_hz) / 2.0,
        hop_secs,
        window_secs: (2.0 * hop_secs).clamp(0.032, 0.3),
        range_db: None,
    }
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Filter, SimulatorKind, SimulatorSettings};
    use crate::engine::DatasetSource;
    use crate::infer::shipped;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn sounds_are_drawn_with_their_places_and_a_lost_file_costs_one_card() {
        let simulator = SimulatorSettings {
            kind: SimulatorKind::Motor,
            defect_share: 1.0,
            ..SimulatorSettings::default()
        };
        let motors =
            "motor:3".parse::<DatasetSource>().unwrap().open(&Filter::default(), &simulator).unwrap();
        let (model, never) = (shipped("motor-sound").unwrap(), AtomicBool::new(false));
        let mut found = crate::learn::evaluate(&model, &motors.items, 1, &never, &mut |_, _| {}).unwrap();
        for row in &mut found.predictions {
            row.label = "good".into();
        }
        fs::remove_file(&motors.items[2].path).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let page = |found: &Evaluation| {
            fs::read_to_string(write_sheet(folder.path(), "motors", found, &motors.items).unwrap()).unwrap()
        };
        let text = page(&found);
        assert!(text.contains("<h2>Missed (3)</h2>") && text.contains("href=\"0.jpg\""), "{text}");
        assert!(text.contains("class=\"truth\"") && text.contains("class=\"found\""));
        assert_eq!(text.matches("<svg viewBox").count(), 2);
        found.report.task = Task::Classify;
        found.predictions.iter_mut().for_each(|row| row.is_right = false);
        let text = page(&found);
        assert!(text.contains("<h2>Wrong names (3)</h2>") && !text.contains("<h2>Missed"), "{text}");
        found.report.task = Task::Transcribe;
        assert!(page(&found).contains("<h2>Wrong readings (3)</h2>"));
    }
}
