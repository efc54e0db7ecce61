//! An evaluation as a page to look at: figures, reliability, the worst mistakes and the labels that
//! are probably wrong, each with its picture. The page holds pictures of the data set and belongs
//! beside it, not into a repository.

use super::EngineError;
use crate::domain::{BoxPx, Label, LabelledItem};
use crate::infer::Metric;
use crate::learn::{Evaluation, PredictionRow, ReliabilityBin, Report};
use crate::media::{Raster, decode_image, encode_jpeg, thumbnail};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Pictures of one kind of mistake: as many as a person looks through in a minute.
const SHOWN_MAX: usize = 24;
const THUMBNAIL_PX: u32 = 320;
const THUMBNAIL_QUALITY: u8 = 85;
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
            card(&mut page, row, &mut pictures)?;
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
        (
            "Labels to look at again",
            "Suspect by confident learning; not proof of an error.",
            sorted(&|row| suspects.contains(&row.item), |row| -good(row)),
        ),
    ]
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
    let _ = write!(
        page,
        "<h2>Reliability</h2><p>Probability of a defect as said (across) and seen (up); grey without \
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

fn card(page: &mut String, row: &PredictionRow, pictures: &mut Pictures<'_>) -> Result<(), EngineError> {
    let item = &pictures.items[row.item];
    let (file, width, height) = pictures.of(row.item)?;
    let _ = write!(
        page,
        "<div class=\"card\"><svg viewBox=\"0 0 {width} {height}\"><image href=\"{file}\" width=\"{width}\" \
         height=\"{height}\"/>"
    );
    let truths = item.label.regions.iter().filter_map(|region| region.shape.bounds());
    let found = row.regions.iter().filter_map(|region| region.box_px);
    for (b, class) in truths.map(|b| (b, "truth")).chain(found.map(|b| (b, "found"))) {
        let BoxPx { x1, y1, x2, y2 } = b;
        let _ = write!(
            page,
            "<rect class=\"{class}\" x=\"{x1}\" y=\"{y1}\" width=\"{}\" height=\"{}\"/>",
            x2 - x1,
            y2 - y1
        );
    }
    let _ = write!(
        page,
        "</svg><b>{}</b>label {}, model {} ({:.2} defective)</div>",
        escaped(&row.media),
        escaped(&row.truth),
        escaped(&row.label),
        1.0 - good(row),
    );
    Ok(())
}

/// Thumbnails, written once each.
struct Pictures<'a> {
    folder: &'a Path,
    items: &'a [LabelledItem],
    written: BTreeMap<usize, (String, u32, u32)>,
}

impl Pictures<'_> {
    /// File name, and the picture's own width and height.
    fn of(&mut self, item: usize) -> Result<(String, u32, u32), EngineError> {
        if let Some(known) = self.written.get(&item) {
            return Ok(known.clone());
        }
        let path = &self.items[item].path;
        let bytes = fs::read(path).map_err(EngineError::io("cannot read", path))?;
        let failed =
            |error: crate::media::MediaError| EngineError::Failed(format!("{error}: {}", path.display()));
        let raster: Raster = decode_image(&bytes).map_err(failed)?;
        let small = thumbnail(&raster, THUMBNAIL_PX).map_err(failed)?;
        let name = format!("{item}.jpg");
        let target = self.folder.join(&name);
        fs::write(&target, encode_jpeg(&small, THUMBNAIL_QUALITY).map_err(failed)?)
            .map_err(EngineError::io("cannot write", &target))?;
        let known = (name, raster.width, raster.height);
        self.written.insert(item, known.clone());
        Ok(known)
    }
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
