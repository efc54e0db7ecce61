//! YOLO: `images/` and `labels/` per split with `data.yaml`; boxes, or outlines (`yolo-seg`).
//!
//! A good picture has an empty text file. What YOLO cannot say has neither picture nor text
//! file, since a picture without one is read as good.

use super::LabelsError;
use super::entry::{Entry, Sayable, Tally, clamped, defect_classes};
use super::export::{MEDIA_DIR, link_or_copy, make_dir, write_file};
use super::names::Split;
use super::picture::Header;
use crate::domain::{Outline, outlines};
use crate::domain::{Region, Shape};
use std::fmt::Write as _;
use std::path::Path;

pub(super) const DATA_FILE: &str = "data.yaml";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Boxes,
    Outlines,
}

pub(super) fn write(dir: &Path, entries: &[Entry], style: Style) -> Result<Tally, LabelsError> {
    let classes = defect_classes(entries.iter().map(|entry| entry.item));
    for split in Split::ALL {
        make_dir(&dir.join("images").join(split.short()))?;
        make_dir(&dir.join("labels").join(split.short()))?;
    }
    let mut tally = Tally::default();
    let (missing, can_say): (_, fn(&Region, Header) -> bool) = match style {
        Style::Boxes => ("defect without region", is_on_picture),
        Style::Outlines => ("defect without outline", |region, header| {
            is_on_picture(region, header) && matches!(region.shape, Shape::Polygon(_) | Shape::Mask(_))
        }),
    };
    for entry in entries {
        let said = match entry.sayable(missing, can_say) {
            Ok(said) => said,
            Err(reason) => {
                tally.leave_out(reason);
                continue;
            }
        };
        tally.written += 1;
        tally.simplify("region of good left out", entry.good_regions());
        let text = lines(&said, &classes, style, &mut tally);
        let split = entry.split.short();
        write_file(&dir.join(format!("labels/{split}/{}.txt", entry.stem)), text.as_bytes())?;
        let picture = dir.join(format!("images/{split}/{}", entry.file));
        link_or_copy(&dir.join(MEDIA_DIR).join(&entry.file), &picture)?;
    }
    write_file(&dir.join(DATA_FILE), data_yaml(&classes)?.as_bytes())?;
    Ok(tally)
}

/// Text in JSON quotes is text in YAML's double quotes.
fn data_yaml(classes: &[&str]) -> Result<String, LabelsError> {
    let mut text = "train: images/train\nval: images/val\ntest: images/test\n".to_owned();
    if classes.is_empty() {
        text.push_str("nc: 0\nnames: {}\n");
        return Ok(text);
    }
    let _ = writeln!(text, "nc: {}\nnames:", classes.len());
    for (i, class) in classes.iter().enumerate() {
        let _ = writeln!(text, "  {i}: {}", serde_json::to_string(class)?);
    }
    Ok(text)
}

fn is_on_picture(region: &Region, header: Header) -> bool {
    region.shape.bounds().is_some_and(|bounds| clamped(bounds, header.size).is_some())
}

fn lines(said: &Sayable, classes: &[&str], style: Style, tally: &mut Tally) -> String {
    let [width, height] = said.header.size.map(f64::from);
    let mut text = String::new();
    for region in &said.regions {
        let class = classes.iter().position(|class| *class == region.class).unwrap_or_default();
        match style {
            Style::Boxes => {
                let Some(bounds) = region.shape.bounds() else { continue };
                let Some(cut) = clamped(bounds, said.header.size) else { continue };
                tally.simplify("box cut at the picture's edge", usize::from(cut != bounds));
                tally.simplify(
                    "outline or mask as its box",
                    usize::from(!matches!(region.shape, Shape::Box(_))),
                );
                let [x1, y1, x2, y2] = [cut.x1, cut.y1, cut.x2, cut.y2].map(f64::from);
                let (cx, cy) = (f64::midpoint(x1, x2) / width, f64::midpoint(y1, y2) / height);
                let _ = writeln!(text, "{class} {cx} {cy} {} {}", (x2 - x1) / width, (y2 - y1) / height);
            }
            Style::Outlines => {
                for ring in rings(region, tally) {
                    let _ = write!(text, "{class}");
                    for [x, y] in ring.points {
                        let (x, y) = (f64::from(x).clamp(0.0, width), f64::from(y).clamp(0.0, height));
                        let _ = write!(text, " {} {}", x / width, y / height);
                    }
                    text.push('\n');
                }
            }
        }
    }
    text
}

fn rings(region: &Region, tally: &mut Tally) -> Vec<Outline> {
    match &region.shape {
        Shape::Polygon(points) => vec![Outline { points: points.clone(), holes: 0 }],
        Shape::Mask(mask) => {
            let rings = outlines(mask);
            tally.simplify("mask of several parts as several objects", usize::from(rings.len() > 1));
            let holes: usize = rings.iter().map(|ring| ring.holes).sum();
            tally.simplify("hole joined to its outline by a cut", holes);
            rings
        }
        _ => Vec::new(),
    }
}
