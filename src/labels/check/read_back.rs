//! Readers of the exported formats, written against the formats and not against the writers.
//!
//! Whatever does not read as the format demands becomes a finding; a file that cannot be read at
//! all ends that format's comparison.

use super::{Exported, Findings, Line};
use crate::domain::{MaskRle, Shape};
use crate::labels::class_masks::{CLASSES_FILE, ClassIndex, MASKS_DIR};
use crate::labels::{Split, coco as coco_names, picture, voc as voc_names, yolo as yolo_names};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Geometry {
    /// Left, top, right, bottom in pixels, right and lower exclusive.
    Box([f64; 4]),
    Polygon(Vec<[f32; 2]>),
    Mask(MaskRle),
}

/// Classes with their places, in the order of the file.
pub(super) type Objects = [(String, Geometry)];
/// By media path in the export.
pub(super) type Found = BTreeMap<String, Vec<(String, Geometry)>>;

#[derive(Deserialize, PartialEq)]
struct Coco {
    images: Vec<CocoImage>,
    annotations: Vec<CocoAnnotation>,
    categories: Vec<CocoCategory>,
}

#[derive(Clone, Deserialize, PartialEq)]
struct CocoImage {
    id: u64,
    file_name: String,
    width: u32,
    height: u32,
    split: Split,
    group: String,
}

#[derive(Clone, Deserialize, PartialEq)]
struct CocoAnnotation {
    id: u64,
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
    segmentation: CocoSegmentation,
}

#[derive(Clone, Deserialize, PartialEq)]
#[serde(untagged)]
enum CocoSegmentation {
    Polygons(Vec<Vec<f32>>),
    Runs(MaskRle),
}

#[derive(Clone, Deserialize, PartialEq)]
struct CocoCategory {
    id: u64,
    name: String,
}

pub(super) fn coco(out: &Path, exported: &Exported, findings: &mut Findings) -> Option<Found> {
    let all: Coco = json(out, coco_names::ALL_FILE, findings)?;
    for split in Split::ALL {
        let name = coco_names::split_file(split);
        let part: Coco = json(out, &name, findings)?;
        let images: BTreeMap<u64, &CocoImage> =
            all.images.iter().filter(|image| image.split == split).map(|image| (image.id, image)).collect();
        let is_same = part.images.iter().eq(all.images.iter().filter(|image| image.split == split))
            && part
                .annotations
                .iter()
                .eq(all.annotations.iter().filter(|a| images.contains_key(&a.image_id)))
            && part.categories == all.categories;
        if !is_same {
            findings.add(format!(
                "{name} differs from the {} part of {}",
                split.as_str(),
                coco_names::ALL_FILE
            ));
        }
    }
    let lines: BTreeMap<&str, &Line> =
        exported.items.iter().map(|line| (line.media.as_str(), line)).collect();
    let mut media_of = BTreeMap::new();
    let mut found = Found::new();
    for image in all.images {
        let line = lines.get(image.file_name.as_str());
        let is_right = line.is_some_and(|line| {
            line.size == Some([image.width, image.height])
                && line.split() == image.split
                && line.item.group == image.group
        });
        if !is_right {
            findings.add(format!("size, split or group of the image is wrong: {}", image.file_name));
        }
        let is_new = media_of.insert(image.id, image.file_name.clone()).is_none();
        if !is_new || found.insert(image.file_name.clone(), Vec::new()).is_some() {
            findings.add(format!("the image is there twice: {}", image.file_name));
        }
    }
    let names: BTreeMap<u64, String> = all.categories.into_iter().map(|c| (c.id, c.name)).collect();
    let mut annotations = all.annotations;
    annotations.sort_by_key(|annotation| annotation.id);
    for annotation in annotations {
        let id = annotation.id;
        let place = coco_place(&annotation);
        let class = names.get(&annotation.category_id).cloned();
        let objects = media_of.get(&annotation.image_id).and_then(|media| found.get_mut(media));
        match (place, class, objects) {
            (Some(place), Some(class), Some(objects)) => objects.push((class, place)),
            _ => findings.add(format!("annotation {id} does not hold together: {}", coco_names::ALL_FILE)),
        }
    }
    Some(found)
}

/// The place of an annotation; `None` when box, area and segmentation contradict each other.
fn coco_place(annotation: &CocoAnnotation) -> Option<Geometry> {
    let [x, y, w, h] = annotation.bbox;
    let corners = [x, y, x + w, y + h];
    let (geometry, area, bounds) = match &annotation.segmentation {
        CocoSegmentation::Runs(mask) => {
            let bounds = mask.bounds()?;
            (Geometry::Mask(mask.clone()), mask.area() as f64, Some(bounds))
        }
        CocoSegmentation::Polygons(rings) => match &rings[..] {
            [] => (Geometry::Box(corners), w * h, None),
            [ring] if ring.len() >= 6 && ring.len() % 2 == 0 => {
                let points: Vec<[f32; 2]> = ring.chunks_exact(2).map(|p| [p[0], p[1]]).collect();
                let bounds = Shape::Polygon(points.clone()).bounds();
                (Geometry::Polygon(points.clone()), area_of(&points), bounds)
            }
            _ => return None,
        },
    };
    let is_near = |a: f64, b: f64| (a - b).abs() <= 0.01 + b.abs() * 1e-9;
    let is_bounded = bounds
        .is_none_or(|b| [b.x1, b.y1, b.x2, b.y2].iter().zip(corners).all(|(a, b)| is_near(f64::from(*a), b)));
    (is_bounded && is_near(annotation.area, area) && annotation.iscrowd == 0).then_some(geometry)
}

/// By trapezoids, in square pixels.
fn area_of(points: &[[f32; 2]]) -> f64 {
    let mut sum = 0.0;
    let mut last = points.last().copied().unwrap_or_default().map(f64::from);
    for point in points {
        let point = point.map(f64::from);
        sum += (point[0] - last[0]) * f64::midpoint(point[1], last[1]);
        last = point;
    }
    sum.abs()
}

/// Reads a label line's numbers after the class.
pub(super) type YoloLine = fn(&[f64], [f64; 2]) -> Option<Geometry>;

pub(super) fn yolo_box(numbers: &[f64], [width, height]: [f64; 2]) -> Option<Geometry> {
    let [cx, cy, w, h] = *numbers else { return None };
    let (left, top) = ((cx - w / 2.0) * width, (cy - h / 2.0) * height);
    Some(Geometry::Box([left, top, left + w * width, top + h * height]))
}

pub(super) fn yolo_outline(numbers: &[f64], [width, height]: [f64; 2]) -> Option<Geometry> {
    if numbers.len() < 6 || !numbers.len().is_multiple_of(2) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "takes away the rounding of the division: corners are f32"
    )]
    let points = numbers.chunks_exact(2).map(|p| [(p[0] * width) as f32, (p[1] * height) as f32]);
    Some(Geometry::Polygon(points.collect()))
}

pub(super) fn yolo(
    out: &Path,
    exported: &Exported,
    parse: YoloLine,
    findings: &mut Findings,
) -> Option<Found> {
    let classes = yolo_classes(out, findings)?;
    let mut found = Found::new();
    for split in Split::ALL {
        let lines: BTreeMap<&str, &Line> = exported
            .items
            .iter()
            .filter(|line| line.split() == split)
            .map(|line| (line.stem(), line))
            .collect();
        let (images, labels) = (format!("images/{}", split.short()), format!("labels/{}", split.short()));
        let mut texts = names_in(out, &labels, findings)?;
        for file in names_in(out, &images, findings)? {
            let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem);
            let Some(line) = lines.get(stem).filter(|line| line.file() == file) else {
                findings.add(format!("a picture of no item in this split: {images}/{file}"));
                continue;
            };
            check_copy(exported, line, &format!("{images}/{file}"), findings);
            let text_file = format!("{stem}.txt");
            if !texts.contains(&text_file) {
                findings.add(format!("a picture without labels, which counts as good: {images}/{file}"));
                continue;
            }
            texts.retain(|name| *name != text_file);
            let text = text(out, &format!("{labels}/{text_file}"), findings)?;
            let size = line.size.unwrap_or_default().map(f64::from);
            let objects: Option<Vec<_>> =
                text.lines().map(|row| yolo_object(row, size, &classes, parse)).collect();
            match objects {
                Some(objects) => {
                    found.insert(line.media.clone(), objects);
                }
                None => findings.add(format!("not a label file: {labels}/{text_file}")),
            }
        }
        for name in texts {
            findings.add(format!("labels of no picture: {labels}/{name}"));
        }
    }
    Some(found)
}

fn yolo_object(row: &str, size: [f64; 2], classes: &[String], parse: YoloLine) -> Option<(String, Geometry)> {
    let mut fields = row.split_ascii_whitespace();
    let class = classes.get(fields.next()?.parse::<usize>().ok()?)?;
    let numbers: Vec<f64> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
    let is_inside = numbers.iter().all(|v| (0.0..=1.0).contains(v));
    Some((class.clone(), parse(&numbers, size).filter(|_| is_inside)?))
}

fn yolo_classes(out: &Path, findings: &mut Findings) -> Option<Vec<String>> {
    let text = text(out, yolo_names::DATA_FILE, findings)?;
    let rows = text.lines().filter(|row| row.starts_with("  "));
    let classes: Option<Vec<String>> = rows
        .enumerate()
        .map(|(i, row)| {
            let (index, name) = row.trim_start().split_once(": ")?;
            (index.parse() == Ok(i)).then(|| serde_json::from_str(name).ok())?
        })
        .collect();
    let declared = text.lines().find_map(|row| row.strip_prefix("nc: ")?.parse::<usize>().ok());
    let folders = Split::ALL.map(|split| format!("{0}: images/{0}", split.short()));
    let has_folders = folders.iter().all(|folder| text.lines().any(|row| row == folder));
    match classes {
        Some(classes) if Some(classes.len()) == declared && has_folders => Some(classes),
        _ => {
            findings.add(format!("classes or folders do not read: {}", yolo_names::DATA_FILE));
            None
        }
    }
}

#[derive(Deserialize)]
struct VocAnnotation {
    filename: String,
    size: VocSize,
    #[serde(default)]
    object: Vec<VocObject>,
}

#[derive(Deserialize, PartialEq)]
struct VocSize {
    width: u32,
    height: u32,
    depth: u32,
}

#[derive(Deserialize)]
struct VocObject {
    name: String,
    bndbox: VocBox,
}

#[derive(Deserialize)]
struct VocBox {
    xmin: f64,
    ymin: f64,
    xmax: f64,
    ymax: f64,
}

pub(super) fn voc(out: &Path, exported: &Exported, findings: &mut Findings) -> Option<Found> {
    let lines: BTreeMap<&str, &Line> = exported.items.iter().map(|line| (line.stem(), line)).collect();
    let mut found = Found::new();
    let mut listed = Vec::new();
    for split in Split::ALL {
        let name = format!("{}/{}.txt", voc_names::SETS_DIR, split.short());
        for stem in text(out, &name, findings)?.lines() {
            if lines.get(stem).is_none_or(|line| line.split() != split) {
                findings.add(format!("{name} lists what is not in this split: {stem}"));
            }
            listed.push(format!("{stem}.xml"));
        }
    }
    listed.sort_unstable();
    let mut annotations = names_in(out, voc_names::ANNOTATIONS_DIR, findings)?;
    annotations.sort_unstable();
    if annotations != listed {
        findings.add(format!(
            "{} and {} list different items",
            voc_names::ANNOTATIONS_DIR,
            voc_names::SETS_DIR
        ));
    }
    if names_in(out, voc_names::PICTURES_DIR, findings)?.len() != annotations.len() {
        findings.add(format!("pictures without annotation, or the reverse: {}", voc_names::PICTURES_DIR));
    }
    for file in annotations {
        let name = format!("{}/{file}", voc_names::ANNOTATIONS_DIR);
        let xml = text(out, &name, findings)?;
        let annotation: VocAnnotation = match quick_xml::de::from_str(&xml) {
            Ok(annotation) => annotation,
            Err(error) => {
                findings.add(format!("{error}: {name}"));
                continue;
            }
        };
        let stem = file.strip_suffix(".xml").unwrap_or(&file);
        let Some(line) = lines.get(stem).filter(|line| line.file() == annotation.filename) else {
            findings.add(format!("an annotation of no item: {name}"));
            continue;
        };
        let header = picture::header(&line.item.path).ok();
        let size = header.map(|h| VocSize { width: h.size[0], height: h.size[1], depth: h.channels });
        if size != Some(annotation.size) {
            findings.add(format!("the size is wrong: {name}"));
        }
        check_copy(exported, line, &format!("{}/{}", voc_names::PICTURES_DIR, line.file()), findings);
        let objects = annotation.object.into_iter().map(|object| {
            let b = object.bndbox;
            (object.name, Geometry::Box([b.xmin - 1.0, b.ymin - 1.0, b.xmax, b.ymax]))
        });
        found.insert(line.media.clone(), objects.collect());
    }
    Some(found)
}

/// Class names by number, and the index masks by the stem of their item.
pub(super) fn class_masks(
    out: &Path,
    findings: &mut Findings,
) -> Option<(Vec<String>, BTreeMap<String, PathBuf>)> {
    let classes: Vec<ClassIndex> = json(out, CLASSES_FILE, findings)?;
    if classes.iter().enumerate().any(|(i, class)| class.index != i) {
        findings.add(format!("class numbers have gaps: {CLASSES_FILE}"));
    }
    let files = names_in(out, MASKS_DIR, findings)?.into_iter();
    let by_stem = files
        .map(|file| (file.strip_suffix(".png").unwrap_or(&file).to_owned(), out.join(MASKS_DIR).join(&file)));
    // The background is no class: an item named like it must not be found there.
    let names =
        classes.into_iter().enumerate().map(|(i, class)| if i == 0 { String::new() } else { class.name });
    Some((names.collect(), by_stem.collect()))
}

pub(super) fn index_mask(path: &Path, size: [u32; 2]) -> Result<Vec<u8>, String> {
    if picture::upright_size(path)? != size {
        return Err("the index mask is not of the picture's size".to_owned());
    }
    picture::read_grey(path)
}

/// The format's own copy of a picture has the same bytes as the one in `media/`.
fn check_copy(exported: &Exported, line: &Line, copy: &str, findings: &mut Findings) {
    let (a, b) = (exported.hashes.get(copy), exported.hashes.get(&line.media));
    if a.is_none() || a != b {
        findings.add(format!("not the item's picture: {copy}"));
    }
}

pub(super) fn text(out: &Path, name: &str, findings: &mut Findings) -> Option<String> {
    fs::read_to_string(out.join(name)).map_err(|error| findings.add(format!("{error}: {name}"))).ok()
}

fn json<T: DeserializeOwned>(out: &Path, name: &str, findings: &mut Findings) -> Option<T> {
    let text = text(out, name, findings)?;
    serde_json::from_str(&text).map_err(|error| findings.add(format!("{error}: {name}"))).ok()
}

pub(super) fn names_in(out: &Path, folder: &str, findings: &mut Findings) -> Option<Vec<String>> {
    let list = || -> std::io::Result<Vec<String>> {
        fs::read_dir(out.join(folder))?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    list().map_err(|error| findings.add(format!("{error}: {folder}"))).ok()
}
