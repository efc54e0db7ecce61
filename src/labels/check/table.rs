//! Reads `labels.csv` back and compares every field with `items.jsonl`.

use super::read_back::text;
use super::{Exported, Findings, Line};
use crate::domain::{Region, Shape};
use crate::labels::csv::{COLUMNS, CSV_FILE};
use std::collections::BTreeMap;
use std::path::Path;

/// A row by the names of its columns.
type Row = BTreeMap<&'static str, String>;

/// The items found; `None` when the file is no such table.
pub(super) fn check(out: &Path, exported: &Exported, findings: &mut Findings) -> Option<usize> {
    let table = parse(&text(out, CSV_FILE, findings)?);
    let mut rows = table.into_iter();
    if rows.next().is_none_or(|header| header != COLUMNS) {
        findings.add(format!("the columns are not those of the format: {CSV_FILE}"));
        return None;
    }
    let mut by_media: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for fields in rows {
        if fields.len() != COLUMNS.len() {
            findings.add(format!(
                "a row has {} fields instead of {}: {CSV_FILE}",
                fields.len(),
                COLUMNS.len()
            ));
            continue;
        }
        let row: Row = COLUMNS.into_iter().zip(fields).collect();
        by_media.entry(row["media"].clone()).or_default().push(row);
    }
    let written = by_media.len();
    for line in &exported.items {
        let Some(rows) = by_media.remove(&line.media) else {
            findings.add(format!("no row in {CSV_FILE}: {}", line.media));
            continue;
        };
        let regions = &line.item.label.regions;
        let is_right = rows.len() == regions.len().max(1)
            && rows.iter().all(|row| is_item(row, line))
            && match &regions[..] {
                [] => rows.iter().all(|row| COLUMNS[8..].iter().all(|column| row[column].is_empty())),
                regions => rows.iter().zip(regions).enumerate().all(|(i, (row, r))| is_region(row, i, r)),
            };
        if !is_right {
            findings.add(format!("the rows in {CSV_FILE} differ: {}", line.media));
        }
        findings.compared("rows", rows.len());
    }
    for media in by_media.keys() {
        findings.add(format!("in {CSV_FILE} and not in items.jsonl: {media}"));
    }
    Some(written)
}

fn is_item(row: &Row, line: &Line) -> bool {
    let item = &line.item;
    row["name"] == item.name
        && row["kind"] == item.kind.as_str()
        && row["status"] == item.label.status.as_str()
        && row["label"] == item.label.class.as_deref().unwrap_or_default()
        && row["group"] == item.group
        && row["split"] == line.split().as_str()
        && row["transcript"] == item.label.transcript.as_deref().unwrap_or_default()
}

fn is_region(row: &Row, index: usize, region: &Region) -> bool {
    let numbers = |columns: &[&str]| -> Option<Vec<f64>> {
        columns.iter().filter(|c| !row[*c].is_empty()).map(|column| row[*column].parse().ok()).collect()
    };
    let edges: Option<Vec<f32>> = ["x1", "y1", "x2", "y2"]
        .iter()
        .filter(|column| !row[*column].is_empty())
        .map(|column| row[column].parse().ok())
        .collect();
    let bounds = region.shape.bounds().map(<[f32; 4]>::from).map_or_else(Vec::new, Vec::from);
    let points: Option<Vec<f32>> = row["polygon"].split_whitespace().map(|v| v.parse().ok()).collect();
    let (shape, outline, times): (_, Vec<f32>, Vec<f64>) = match &region.shape {
        Shape::Whole => ("whole", vec![], vec![]),
        Shape::Box(_) => ("box", vec![], vec![]),
        Shape::Polygon(points) => ("polygon", points.concat(), vec![]),
        Shape::Mask(_) => ("mask", vec![], vec![]),
        Shape::Span { span_secs, band_hz } => {
            ("span", vec![], span_secs.iter().chain(band_hz.iter().flatten()).copied().collect())
        }
    };
    row["region"] == (index + 1).to_string()
        && row["class"] == region.class
        && row["shape"] == shape
        && edges == Some(bounds)
        && points == Some(outline)
        && numbers(&["start_secs", "end_secs", "low_hz", "high_hz"]) == Some(times)
        && numbers(&["score"]) == Some(region.score.iter().map(|score| score.get()).collect())
}

/// RFC 4180: fields in quotes may hold commas, line ends and doubled quotes.
fn parse(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let (mut row, mut field) = (Vec::new(), String::new());
    let mut is_quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut field)),
            '\r' if !is_quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            c => field.push(c),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}
