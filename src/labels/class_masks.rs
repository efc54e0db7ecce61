//! Index masks: per picture a grey PNG in `class_masks/` whose values are class numbers, with
//! `classes.json`; 0 is background.
//!
//! Only what has pixels: items with a defect that is no mask or polygon are left out. Where
//! regions overlap the later one wins, and an item in which that would hide a class is left out.

use super::LabelsError;
use super::entry::{Entry, Sayable, Tally, defect_classes, defects};
use super::export::{make_dir, write_file, write_png};
use crate::domain::Shape;
use crate::domain::fill;
use serde::{Deserialize, Serialize};
use std::path::Path;

pub(super) const MASKS_DIR: &str = "class_masks";
pub(super) const CLASSES_FILE: &str = "classes.json";
/// Values of an 8-bit picture besides 0.
const CLASSES_MAX: usize = 255;
const MISSING: &str = "defect without pixels";

/// An entry of `classes.json`.
#[derive(Serialize, Deserialize)]
pub(super) struct ClassIndex {
    pub index: usize,
    pub name: String,
}

pub(super) fn write(dir: &Path, entries: &[Entry]) -> Result<Tally, LabelsError> {
    let classes = defect_classes(entries.iter().map(|entry| entry.item));
    if classes.len() > CLASSES_MAX {
        return Err(LabelsError::TooManyClasses { classes: classes.len(), most: CLASSES_MAX });
    }
    make_dir(&dir.join(MASKS_DIR))?;
    let mut tally = Tally::default();
    for entry in entries {
        let has_pixels =
            |region: &crate::domain::Region, _| matches!(region.shape, Shape::Mask(_) | Shape::Polygon(_));
        let said = match entry.sayable(MISSING, has_pixels) {
            Ok(said) => said,
            Err(reason) => {
                tally.leave_out(reason);
                continue;
            }
        };
        let (pixels, overlapping) = draw(&said, &classes);
        let is_shown = |class: &str| {
            let index = classes.iter().position(|other| *other == class);
            index.is_some_and(|i| pixels.iter().any(|&p| usize::from(p) == i + 1))
        };
        if !defects(&entry.item.label).all(is_shown) {
            tally.leave_out(MISSING);
            continue;
        }
        tally.written += 1;
        tally.simplify("region of good left out", entry.good_regions());
        tally.simplify("overlapping regions, the later one on top", usize::from(overlapping));
        write_png(&dir.join(format!("{MASKS_DIR}/{}.png", entry.stem)), said.header.size, &pixels)?;
    }
    let list = std::iter::once("background").chain(classes.iter().copied()).enumerate();
    let list: Vec<ClassIndex> =
        list.map(|(index, name)| ClassIndex { index, name: name.to_owned() }).collect();
    write_file(&dir.join(CLASSES_FILE), &serde_json::to_vec_pretty(&list)?)?;
    Ok(tally)
}

/// Class numbers row by row, and whether regions of different classes overlap.
fn draw(said: &Sayable, classes: &[&str]) -> (Vec<u8>, bool) {
    let [width, height] = said.header.size;
    let mut pixels = vec![0_u8; width as usize * height as usize];
    let mut is_overlapping = false;
    for region in &said.regions {
        let index = classes.iter().position(|class| *class == region.class).map_or(0, |i| i + 1);
        let value = u8::try_from(index).unwrap_or_default();
        let inside = match &region.shape {
            Shape::Mask(mask) => mask.to_pixels(),
            Shape::Polygon(points) => {
                let mut inside = vec![0; pixels.len()];
                fill(points, said.header.size, 1, &mut inside);
                inside
            }
            _ => continue,
        };
        for (pixel, _) in pixels.iter_mut().zip(inside).filter(|(_, inside)| *inside != 0) {
            is_overlapping |= *pixel != 0 && *pixel != value;
            *pixel = value;
        }
    }
    (pixels, is_overlapping)
}
