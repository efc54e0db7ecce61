//! `labels.csv`: one row per region, or one for an item without regions; every item and status.
//!
//! Quoted where needed (RFC 4180). Pixels of masks, votes and further keys are only in
//! `items.jsonl`.

use super::LabelsError;
use super::entry::{Entry, Tally};
use super::export::{MEDIA_DIR, write_file};
use crate::domain::{Region, Shape};
use std::path::Path;

pub(super) const CSV_FILE: &str = "labels.csv";

/// `shape` is one of `whole`, `box`, `polygon`, `mask`, `span`, or empty where the item has no
/// regions. Boxes in pixels, right and lower exclusive; `polygon` is `x y x y …`.
pub(super) const COLUMNS: [&str; 21] = [
    "media",
    "name",
    "kind",
    "status",
    "label",
    "group",
    "split",
    "transcript",
    "region",
    "class",
    "shape",
    "x1",
    "y1",
    "x2",
    "y2",
    "polygon",
    "start_secs",
    "end_secs",
    "low_hz",
    "high_hz",
    "score",
];

pub(super) fn write(dir: &Path, entries: &[Entry]) -> Result<Tally, LabelsError> {
    let mut tally = Tally { written: entries.len() as u64, ..Tally::default() };
    let mut text = row(&COLUMNS);
    for entry in entries {
        let item = entry.item;
        let media = format!("{MEDIA_DIR}/{}", entry.file);
        let head = [
            media.as_str(),
            &item.name,
            item.kind.as_str(),
            item.label.status.as_str(),
            item.label.class.as_deref().unwrap_or_default(),
            &item.group,
            entry.split.as_str(),
            item.label.transcript.as_deref().unwrap_or_default(),
        ];
        let masks = item.label.regions.iter().filter(|region| matches!(region.shape, Shape::Mask(_)));
        tally.simplify("mask as its box", masks.count());
        tally.simplify("item whose votes are only in items.jsonl", usize::from(!item.votes.is_empty()));
        if item.label.regions.is_empty() {
            text.push_str(&line(&head, &[const { String::new() }; 13]));
        }
        for (i, region) in item.label.regions.iter().enumerate() {
            text.push_str(&line(&head, &region_fields(i, region)));
        }
    }
    write_file(&dir.join(CSV_FILE), text.as_bytes())?;
    Ok(tally)
}

fn region_fields(index: usize, region: &Region) -> [String; 13] {
    let mut fields: [String; 13] = Default::default();
    let [number, class, shape, x1, y1, x2, y2, polygon, start, end, low, high, score] = &mut fields;
    *number = (index + 1).to_string();
    class.clone_from(&region.class);
    *score = region.score.map(|score| score.get().to_string()).unwrap_or_default();
    let word = match &region.shape {
        Shape::Whole => "whole",
        Shape::Box(_) => "box",
        Shape::Polygon(_) => "polygon",
        Shape::Mask(_) => "mask",
        Shape::Span { .. } => "span",
    };
    word.clone_into(shape);
    if let Some(bounds) = region.shape.bounds() {
        [*x1, *y1, *x2, *y2] = [bounds.x1, bounds.y1, bounds.x2, bounds.y2].map(|v| v.to_string());
    }
    match &region.shape {
        Shape::Polygon(points) => {
            let numbers: Vec<String> = points.iter().flatten().map(f32::to_string).collect();
            *polygon = numbers.join(" ");
        }
        Shape::Span { span_secs, band_hz } => {
            [*start, *end] = span_secs.map(|v| v.to_string());
            if let Some(band) = band_hz {
                [*low, *high] = band.map(|v| v.to_string());
            }
        }
        _ => {}
    }
    fields
}

fn line(head: &[&str], rest: &[String]) -> String {
    let fields: Vec<&str> = head.iter().copied().chain(rest.iter().map(String::as_str)).collect();
    row(&fields)
}

fn row(fields: &[&str]) -> String {
    let quoted: Vec<String> = fields.iter().map(|field| quote(field)).collect();
    format!("{}\r\n", quoted.join(","))
}

fn quote(field: &str) -> String {
    let is_plain = !field.contains([',', '"', '\n', '\r']) && field.trim() == field;
    if is_plain { field.to_owned() } else { format!("\"{}\"", field.replace('"', "\"\"")) }
}
