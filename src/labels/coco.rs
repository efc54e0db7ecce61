//! COCO instances: `coco.json` with everything, `annotations/instances_*.json` per split.
//!
//! Good pictures are images without annotations. Masks are uncompressed run lengths with
//! `iscrowd` 0, which pycocotools turns into the same pixels; outlines are polygons; boxes have
//! an empty segmentation, because nobody has said which pixels. `file_name` is relative to the
//! export's folder.

use super::LabelsError;
use super::entry::{Entry, Sayable, Tally, defect_classes};
use super::export::{MEDIA_DIR, make_dir, write_file};
use super::names::Split;
use super::sheet::Provenance;
use crate::domain::{MaskRle, Region, Shape};
use serde::Serialize;
use std::path::Path;

pub(super) const ALL_FILE: &str = "coco.json";
pub(super) const SPLIT_DIR: &str = "annotations";
const MISSING: &str = "defect without region";

#[derive(Serialize)]
struct Coco<'a> {
    info: Info,
    licenses: [(); 0],
    images: Vec<&'a Image<'a>>,
    annotations: Vec<&'a Annotation<'a>>,
    categories: Vec<Category<'a>>,
}

#[derive(Serialize)]
struct Info {
    description: String,
    date_created: String,
}

#[derive(Serialize)]
struct Image<'a> {
    id: usize,
    file_name: String,
    width: u32,
    height: u32,
    split: Split,
    group: &'a str,
}

#[derive(Serialize)]
struct Annotation<'a> {
    id: usize,
    image_id: usize,
    category_id: usize,
    /// Left, top, width, height.
    bbox: [f64; 4],
    area: f64,
    segmentation: Segmentation<'a>,
    iscrowd: u8,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Segmentation<'a> {
    Runs(&'a MaskRle),
    Polygons(Vec<Vec<f32>>),
}

#[derive(Clone, Serialize)]
struct Category<'a> {
    id: usize,
    name: &'a str,
    supercategory: &'static str,
}

pub(super) fn write(dir: &Path, entries: &[Entry], provenance: &Provenance) -> Result<Tally, LabelsError> {
    let classes = defect_classes(entries.iter().map(|entry| entry.item));
    let mut tally = Tally::default();
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for entry in entries {
        let Sayable { header, regions } = match entry.sayable(MISSING, |_, _| true) {
            Ok(said) => said,
            Err(reason) => {
                tally.leave_out(reason);
                continue;
            }
        };
        tally.written += 1;
        tally.simplify("region of good left out", entry.good_regions());
        let [width, height] = header.size;
        let image = Image {
            id: images.len() + 1,
            file_name: format!("{MEDIA_DIR}/{}", entry.file),
            width,
            height,
            split: entry.split,
            group: &entry.item.group,
        };
        for region in regions {
            let id = annotations.len() + 1;
            annotations.push((entry.split, annotation(id, image.id, region, &classes)));
        }
        images.push(image);
    }
    let categories = classes.iter().enumerate();
    let categories: Vec<Category> =
        categories.map(|(i, name)| Category { id: i + 1, name, supercategory: "defect" }).collect();
    let save = |path: &Path, keep: &dyn Fn(Split) -> bool| {
        let coco = Coco {
            info: Info {
                description: format!("Labels of line {}", provenance.line),
                date_created: provenance.exported_at.clone(),
            },
            licenses: [],
            images: images.iter().filter(|image| keep(image.split)).collect(),
            annotations: annotations.iter().filter(|(split, _)| keep(*split)).map(|(_, a)| a).collect(),
            categories: categories.clone(),
        };
        write_file(path, &serde_json::to_vec(&coco)?)
    };
    save(&dir.join(ALL_FILE), &|_| true)?;
    make_dir(&dir.join(SPLIT_DIR))?;
    for split in Split::ALL {
        save(&dir.join(split_file(split)), &|other| other == split)?;
    }
    Ok(tally)
}

pub(super) fn split_file(split: Split) -> String {
    format!("{SPLIT_DIR}/instances_{}.json", split.as_str())
}

fn annotation<'a>(id: usize, image_id: usize, region: &'a Region, classes: &[&str]) -> Annotation<'a> {
    let [x1, y1, x2, y2] =
        region.shape.bounds().map_or([0.0; 4], |b| [b.x1, b.y1, b.x2, b.y2].map(f64::from));
    let bbox = [x1, y1, x2 - x1, y2 - y1];
    let (segmentation, area) = match &region.shape {
        Shape::Mask(mask) => (Segmentation::Runs(mask), mask.area() as f64),
        Shape::Polygon(points) => (Segmentation::Polygons(vec![points.concat()]), polygon_area(points)),
        _ => (Segmentation::Polygons(Vec::new()), bbox[2] * bbox[3]),
    };
    let category_id = classes.iter().position(|class| *class == region.class).map_or(0, |i| i + 1);
    Annotation { id, image_id, category_id, bbox, area, segmentation, iscrowd: 0 }
}

/// The shoelace formula, in square pixels.
fn polygon_area(points: &[[f32; 2]]) -> f64 {
    let next = points.iter().cycle().skip(1);
    let twice: f64 = points
        .iter()
        .zip(next)
        .map(|(a, b)| f64::from(a[0]) * f64::from(b[1]) - f64::from(b[0]) * f64::from(a[1]))
        .sum();
    twice.abs() / 2.0
}
