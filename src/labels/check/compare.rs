//! Compares what a format says with what `items.jsonl` says, item by item.
//!
//! What a format *should* say is worked out here a second time, from the rule and not from the
//! writers: a confirmed picture whose defects all have a place that the format can name is in
//! it, with exactly these; everything else is absent.

use super::read_back::{self, Found, Geometry, Objects};
use super::{Exported, Findings, Line};
use crate::domain::{BoxPx, Label, LabelStatus, MediaKind, Region, Shape, fill};
use crate::labels::voc;
use std::collections::BTreeSet;
use std::path::Path;

/// How far a coordinate may be off after its way through a format, in pixels.
const TOLERANCE_PX: f64 = 0.01;

/// The least overlap of an outline with the mask that it was made from.
const IOU_MIN: f64 = 0.9;

/// What a format should say of a region on a picture of this width and height; `None` when it
/// has no words for it.
type Words = fn(&Region, [u32; 2]) -> Option<Geometry>;

pub(super) fn coco(out: &Path, exported: &Exported, findings: &mut Findings) -> Option<usize> {
    let found = read_back::coco(out, exported, findings)?;
    let words: Words = |region, _| match &region.shape {
        Shape::Box(b) => Some(Geometry::Box(corners(*b))),
        Shape::Polygon(points) => Some(Geometry::Polygon(points.clone())),
        Shape::Mask(mask) => Some(Geometry::Mask(mask.clone())),
        _ => None,
    };
    Some(geometries(exported, found, words, findings))
}

pub(super) fn voc(out: &Path, exported: &Exported, findings: &mut Findings) -> Option<usize> {
    let found = read_back::voc(out, exported, findings)?;
    let words: Words = |region, _| {
        let bounds = region.shape.bounds().filter(|_| voc::is_xml_text(&region.class))?;
        Some(Geometry::Box(corners(bounds)))
    };
    Some(geometries(exported, found, words, findings))
}

pub(super) fn yolo_boxes(out: &Path, exported: &Exported, findings: &mut Findings) -> Option<usize> {
    let found = read_back::yolo(out, exported, read_back::yolo_box, findings)?;
    let words: Words = |region, [width, height]| {
        let [x1, y1, x2, y2] = corners(region.shape.bounds()?);
        let (w, h) = (f64::from(width), f64::from(height));
        let cut = [x1.clamp(0.0, w), y1.clamp(0.0, h), x2.clamp(0.0, w), y2.clamp(0.0, h)];
        (cut[2] > cut[0] && cut[3] > cut[1]).then_some(Geometry::Box(cut))
    };
    Some(geometries(exported, found, words, findings))
}

pub(super) fn yolo_outlines(out: &Path, exported: &Exported, findings: &mut Findings) -> Option<usize> {
    let found = read_back::yolo(out, exported, read_back::yolo_outline, findings)?;
    let words: Words = |region, size| match &region.shape {
        Shape::Mask(mask) => Some(Geometry::Mask(mask.clone())),
        Shape::Polygon(points) => {
            let bounds = region.shape.bounds()?;
            let [w, h] = size.map(|v| v as f32);
            let is_on_picture = bounds.x1 < w && bounds.y1 < h && bounds.x2 > 0.0 && bounds.y2 > 0.0;
            let points = points.iter().map(|[x, y]| [x.clamp(0.0, w), y.clamp(0.0, h)]).collect();
            is_on_picture.then_some(Geometry::Polygon(points))
        }
        _ => None,
    };
    let written = found.len();
    each(exported, found, words, findings, |line, size, expected, found, findings| {
        let classes: BTreeSet<&String> = expected.iter().chain(found).map(|(class, _)| class).collect();
        for class in classes {
            let (a, b) = (layer(expected, class, size), layer(found, class, size));
            let overlap = a.iter().zip(&b).filter(|(a, b)| **a != 0 && **b != 0).count();
            let either = a.iter().zip(&b).filter(|(a, b)| **a != 0 || **b != 0).count();
            if (overlap as f64) < IOU_MIN * either as f64 {
                findings
                    .add(format!("outlines of {class:?} cover {overlap} of {either} pixels: {}", line.media));
            }
            findings.compared("classes of an item with their outlines", 1);
            findings.compared("of these exact to the pixel", usize::from(overlap == either));
        }
    });
    Some(written)
}

pub(super) fn class_masks(out: &Path, exported: &Exported, findings: &mut Findings) -> Option<usize> {
    let (classes, mut found) = read_back::class_masks(out, findings)?;
    let written = found.len();
    for line in &exported.items {
        let file = found.remove(line.stem());
        match (line.size.zip(index_mask(line, &classes)), file) {
            (Some((size, expected)), Some(file)) => match read_back::index_mask(&file, size) {
                Ok(found) if found == expected => findings.compared("index masks", 1),
                Ok(_) => findings.add(format!("the index mask differs: {}", line.media)),
                Err(why) => findings.add(format!("{why}: {}", file.display())),
            },
            (None, None) => {}
            (Some(_), None) => findings.add(format!("no index mask: {}", line.media)),
            (None, Some(_)) => findings.add(format!("has an index mask, and no pixel truth: {}", line.media)),
        }
    }
    for stem in found.keys() {
        findings.add(format!("an index mask of no item: {stem}"));
    }
    Some(written)
}

/// Class numbers row by row; `None` where the format cannot say the item.
fn index_mask(line: &Line, classes: &[String]) -> Option<Vec<u8>> {
    let size = line.size?;
    let expected = expected(line, size, |region, _| match &region.shape {
        Shape::Mask(mask) => Some(Geometry::Mask(mask.clone())),
        Shape::Polygon(points) => Some(Geometry::Polygon(points.clone())),
        _ => None,
    })?;
    let mut pixels = vec![0_u8; size[0] as usize * size[1] as usize];
    for object in &expected {
        let index = classes.iter().position(|class| *class == object.0)?;
        let value = u8::try_from(index).ok()?;
        let inside = layer(std::slice::from_ref(object), &object.0, size);
        pixels
            .iter_mut()
            .zip(inside)
            .filter(|(_, inside)| *inside != 0)
            .for_each(|(pixel, _)| *pixel = value);
    }
    let shown: BTreeSet<u8> = pixels.iter().copied().collect();
    let named = defects(&line.item.label);
    let is_shown = |class: &&str| {
        let index = classes.iter().position(|other| other == class).and_then(|i| u8::try_from(i).ok());
        index.is_some_and(|index| shown.contains(&index))
    };
    named.iter().all(is_shown).then_some(pixels)
}

/// All pixels of one class.
fn layer(objects: &Objects, class: &str, size: [u32; 2]) -> Vec<u8> {
    let mut pixels = vec![0_u8; size[0] as usize * size[1] as usize];
    for (_, geometry) in objects.iter().filter(|(other, _)| other == class) {
        match geometry {
            Geometry::Mask(mask) => {
                pixels.iter_mut().zip(mask.to_pixels()).for_each(|(pixel, inside)| *pixel |= inside);
            }
            Geometry::Polygon(points) => fill(points, size, 1, &mut pixels),
            Geometry::Box(_) => {}
        }
    }
    pixels
}

/// For formats that name each region by itself: same regions, same order, same places.
fn geometries(exported: &Exported, found: Found, words: Words, findings: &mut Findings) -> usize {
    let written = found.len();
    each(exported, found, words, findings, |line, _, expected, found, findings| {
        if expected.len() != found.len() {
            findings.add(format!("{} regions, expected {}: {}", found.len(), expected.len(), line.media));
            return;
        }
        for (i, (expected, found)) in expected.iter().zip(found).enumerate() {
            if expected.0 != found.0 || !is_same_place(&expected.1, &found.1) {
                findings.add(format!("region {} is {found:?}, expected {expected:?}: {}", i + 1, line.media));
            }
        }
        findings.compared("regions", found.len());
    });
    written
}

/// Pairs what is expected of each item with what was found, and names what has no partner.
fn each(
    exported: &Exported,
    mut found: Found,
    words: Words,
    findings: &mut Findings,
    compare: impl Fn(&Line, [u32; 2], &Objects, &Objects, &mut Findings),
) {
    for line in &exported.items {
        let expected = line.size.and_then(|size| Some((size, expected(line, size, words)?)));
        match (expected, found.remove(&line.media)) {
            (Some((size, expected)), Some(found)) => {
                compare(line, size, &expected, &found, findings);
                findings.compared("items", 1);
            }
            (None, None) => {}
            (Some(_), None) => findings.add(format!("missing in the format: {}", line.media)),
            (None, Some(_)) => {
                findings.add(format!("the format cannot say this item, but has it: {}", line.media));
            }
        }
    }
    for media in found.keys() {
        findings.add(format!("in the format and not in items.jsonl: {media}"));
    }
}

/// All defects of an item in the format's words; `None` when one of them has none, and for what
/// is not a settled picture.
fn expected(line: &Line, size: [u32; 2], words: Words) -> Option<Vec<(String, Geometry)>> {
    let item = &line.item;
    let label = &item.label;
    let says_nothing = label.class.is_none() && label.regions.is_empty() && label.transcript.is_some();
    if label.status != LabelStatus::Confirmed || item.kind != MediaKind::Image || says_nothing {
        return None;
    }
    let mut objects = Vec::new();
    for region in label.regions.iter().filter(|region| region.class != Label::GOOD) {
        let [width, height] = size;
        if matches!(&region.shape, Shape::Mask(mask) if mask.size != [height, width] || mask.area() == 0) {
            return None;
        }
        let bounds = region.shape.bounds()?;
        if bounds.x1 >= bounds.x2 || bounds.y1 >= bounds.y2 {
            return None;
        }
        objects.push((region.class.clone(), words(region, size)?));
    }
    let is_complete = defects(label).iter().all(|class| objects.iter().any(|(other, _)| other == class));
    is_complete.then_some(objects)
}

fn defects(label: &Label) -> BTreeSet<&str> {
    let of_regions = label.regions.iter().map(|region| region.class.as_str());
    of_regions.chain(label.class.as_deref()).filter(|class| *class != Label::GOOD).collect()
}

fn is_same_place(a: &Geometry, b: &Geometry) -> bool {
    let is_near = |a: f64, b: f64| (a - b).abs() <= TOLERANCE_PX;
    match (a, b) {
        (Geometry::Box(a), Geometry::Box(b)) => a.iter().zip(b).all(|(a, b)| is_near(*a, *b)),
        (Geometry::Polygon(a), Geometry::Polygon(b)) => {
            let pairs = a.iter().flatten().zip(b.iter().flatten());
            a.len() == b.len() && pairs.into_iter().all(|(a, b)| is_near(f64::from(*a), f64::from(*b)))
        }
        (Geometry::Mask(a), Geometry::Mask(b)) => a == b,
        _ => false,
    }
}

fn corners(b: BoxPx) -> [f64; 4] {
    [b.x1, b.y1, b.x2, b.y2].map(f64::from)
}
