//! Pascal VOC: `JPEGImages/`, `Annotations/` and `ImageSets/Main/`.
//!
//! Pixels count from 1 and the right and lower ones are inclusive, as in the original; boxes
//! that do not lie on whole pixels keep their decimals. Good pictures have an annotation without
//! objects.

use super::LabelsError;
use super::entry::{Entry, Sayable, Tally};
use super::export::{MEDIA_DIR, link_or_copy, make_dir, write_file};
use super::names::Split;
use crate::domain::{Region, Shape};
use serde::Serialize;
use std::path::Path;

pub(super) const PICTURES_DIR: &str = "JPEGImages";
pub(super) const ANNOTATIONS_DIR: &str = "Annotations";
pub(super) const SETS_DIR: &str = "ImageSets/Main";

#[derive(Serialize)]
#[serde(rename = "annotation")]
struct Annotation<'a> {
    folder: &'static str,
    filename: &'a str,
    size: Size,
    segmented: u8,
    #[serde(rename = "object")]
    objects: Vec<Object<'a>>,
}

#[derive(Serialize)]
struct Size {
    width: u32,
    height: u32,
    depth: u32,
}

#[derive(Serialize)]
struct Object<'a> {
    name: &'a str,
    pose: &'static str,
    truncated: u8,
    difficult: u8,
    bndbox: Bounds,
}

#[derive(Serialize)]
struct Bounds {
    xmin: f64,
    ymin: f64,
    xmax: f64,
    ymax: f64,
}

pub(super) fn write(dir: &Path, entries: &[Entry]) -> Result<Tally, LabelsError> {
    for name in [PICTURES_DIR, ANNOTATIONS_DIR, SETS_DIR] {
        make_dir(&dir.join(name))?;
    }
    let mut tally = Tally::default();
    let mut sets: [Vec<&str>; 3] = Default::default();
    for entry in entries {
        let said = match entry.sayable("defect without region", |_, _| true) {
            Ok(said) if !said.regions.iter().all(|region| is_xml_text(&region.class)) => {
                Err("class name that XML cannot carry")
            }
            other => other,
        };
        let said = match said {
            Ok(said) => said,
            Err(reason) => {
                tally.leave_out(reason);
                continue;
            }
        };
        tally.written += 1;
        tally.simplify("region of good left out", entry.good_regions());
        let as_box = said.regions.iter().filter(|region| !matches!(region.shape, Shape::Box(_))).count();
        tally.simplify("outline or mask as its box", as_box);
        let path = dir.join(format!("{ANNOTATIONS_DIR}/{}.xml", entry.stem));
        write_file(&path, xml(&entry.file, &said, &path)?.as_bytes())?;
        let picture = dir.join(PICTURES_DIR).join(&entry.file);
        link_or_copy(&dir.join(MEDIA_DIR).join(&entry.file), &picture)?;
        for (split, set) in Split::ALL.iter().zip(&mut sets) {
            if entry.split == *split {
                set.push(&entry.stem);
            }
        }
    }
    for (split, set) in Split::ALL.iter().zip(&sets) {
        let text: String = set.iter().flat_map(|stem| [*stem, "\n"]).collect();
        write_file(&dir.join(SETS_DIR).join(format!("{}.txt", split.short())), text.as_bytes())?;
    }
    Ok(tally)
}

fn xml(file: &str, said: &Sayable, path: &Path) -> Result<String, LabelsError> {
    let [width, height] = said.header.size;
    let annotation = Annotation {
        folder: PICTURES_DIR,
        filename: file,
        size: Size { width, height, depth: said.header.channels },
        segmented: 0,
        objects: said.regions.iter().filter_map(|region| object(region)).collect(),
    };
    let mut text = String::new();
    let mut serializer = quick_xml::se::Serializer::new(&mut text);
    serializer.indent(' ', 2);
    annotation
        .serialize(serializer)
        .map_err(|error| LabelsError::io("write the annotation", path)(std::io::Error::other(error)))?;
    text.push('\n');
    Ok(text)
}

fn object(region: &Region) -> Option<Object<'_>> {
    let bounds = region.shape.bounds()?;
    let [x1, y1, x2, y2] = [bounds.x1, bounds.y1, bounds.x2, bounds.y2].map(f64::from);
    Some(Object {
        name: &region.class,
        pose: "Unspecified",
        truncated: 0,
        difficult: 0,
        bndbox: Bounds { xmin: x1 + 1.0, ymin: y1 + 1.0, xmax: x2, ymax: y2 },
    })
}

/// Control characters do not exist in XML, and its readers drop spaces around a text.
pub(super) fn is_xml_text(text: &str) -> bool {
    text.trim() == text && !text.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
}
