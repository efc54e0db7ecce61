//! One item on its way into an export, and what a format can say of it.
//!
//! The rule that all formats share: an item is written only where the format can say *all* of
//! its defects. Everything else is left out and counted, so that no reader of the format takes a
//! defective or undecided item for a good one.

use super::marks::{Clip, Mark, marks_of, open};
use super::names::Split;
use super::picture::Header;
use super::sheet::{count, is_text_only};
use crate::domain::{BoxPx, Label, LabelStatus, LabelledItem, MediaKind, Region, Shape};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Entry<'a> {
    pub item: &'a LabelledItem,
    /// File name without its extension; unique in the export.
    pub stem: String,
    /// File name in `media/`.
    pub file: String,
    /// File name in `reference/`.
    pub reference: Option<String>,
    pub split: Split,
    /// `None` for sounds and for what cannot be read as a picture.
    pub header: Option<Header>,
}

/// Why most formats leave a transcript out.
const TEXT_ONLY: &str = "transcript without a class";

/// What the writers of a format hand back for the count sheet.
#[derive(Default)]
pub(super) struct Tally {
    pub written: u64,
    pub left_out: BTreeMap<String, u64>,
    pub simplified: BTreeMap<String, u64>,
}

impl Tally {
    pub fn leave_out(&mut self, reason: &str) {
        count(&mut self.left_out, reason, 1);
    }

    pub fn simplify(&mut self, what: &str, by: usize) {
        count(&mut self.simplified, what, by as u64);
    }
}

/// A sound that a format can say completely.
pub(super) struct Audible {
    pub clip: Clip,
    /// None for a good item.
    pub marks: Vec<Mark>,
}

/// A picture that a format can say completely.
pub(super) struct Sayable<'a> {
    pub header: Header,
    /// The defects, in the order of the label.
    pub regions: Vec<&'a Region>,
}

impl Entry<'_> {
    /// The item as pictures with located defects, or the reason why it is not one. `can_say`
    /// tells whether the format has words for a region; `missing` is the reason when not.
    pub fn sayable(
        &self,
        missing: &'static str,
        can_say: impl Fn(&Region, Header) -> bool,
    ) -> Result<Sayable<'_>, &'static str> {
        self.must_be_settled(MediaKind::Image)?;
        let label = &self.item.label;
        if is_text_only(label) {
            return Err(TEXT_ONLY);
        }
        let Some(header) = self.header else { return Err("unreadable picture") };
        let regions: Vec<&Region> = label.regions.iter().filter(|r| r.class != Label::GOOD).collect();
        let located: BTreeSet<&str> = regions.iter().map(|region| region.class.as_str()).collect();
        let is_complete = regions.iter().all(|region| fits(region, header) && can_say(region, header))
            && defects(label).all(|class| located.contains(class));
        if is_complete { Ok(Sayable { header, regions }) } else { Err(missing) }
    }

    /// The item as a sound with marks on its time axis, or the reason why it is not one. `can_say`
    /// tells whether the format can carry a class.
    pub fn audible(&self, can_say: impl Fn(&str) -> bool) -> Result<Audible, &'static str> {
        self.must_be_settled(MediaKind::Audio)?;
        if is_text_only(&self.item.label) {
            return Err(TEXT_ONLY);
        }
        let clip = self.clip()?;
        let marks = marks_of(&self.item.label, clip).ok_or("region in pixels")?;
        if marks.iter().all(|mark| can_say(&mark.class)) {
            Ok(Audible { clip, marks })
        } else {
            Err("class name that a line of text cannot carry")
        }
    }

    /// The same where a label may be any text: what is only said is one mark from end to end, and read as such.
    pub fn audible_or_said(&self, can_say: impl Fn(&str) -> bool) -> Result<Audible, &'static str> {
        let Some(text) = self.item.label.transcript.as_ref().filter(|_| is_text_only(&self.item.label))
        else {
            return self.audible(can_say);
        };
        self.must_be_settled(MediaKind::Audio)?;
        let clip = self.clip()?;
        if text.is_empty() || text == Label::GOOD || !can_say(text) {
            return Err("transcript that a line of text cannot carry");
        }
        Ok(Audible { clip, marks: vec![clip.whole(text)] })
    }

    /// What is said in a settled sound, and for how many seconds that lasts.
    pub fn spoken(&self) -> Result<(&str, f64), &'static str> {
        self.must_be_settled(MediaKind::Audio)?;
        let text = self.item.label.transcript.as_deref().ok_or("without a transcript")?;
        Ok((text, self.clip()?.secs()))
    }

    fn clip(&self) -> Result<Clip, &'static str> {
        Ok(Clip::of(&open(&self.item.path).map_err(|_| "unreadable sound")?))
    }

    /// Regions with a span that a reader of the time axis takes for a label of the whole sound.
    pub fn spans_that_are_whole(&self, clip: Clip) -> usize {
        let spans = self.item.label.regions.iter().filter(|region| match region.shape {
            Shape::Span { span_secs, band_hz } => {
                clip.is_whole(&Mark { class: String::new(), span_secs, band_hz })
            }
            _ => false,
        });
        spans.count()
    }

    /// The reason why no format but `items.jsonl` and CSV can have the item.
    fn must_be_settled(&self, kind: MediaKind) -> Result<(), &'static str> {
        let label = &self.item.label;
        if label.status != LabelStatus::Confirmed {
            return Err(label.status.as_str());
        }
        if self.item.kind != kind {
            return Err(match self.item.kind {
                MediaKind::Image => "picture",
                MediaKind::Audio => "sound",
            });
        }
        Ok(())
    }

    /// Regions that mark good places: no format of pictures but `items.jsonl` and CSV has a word for them.
    pub fn good_regions(&self) -> usize {
        self.item.label.regions.iter().filter(|region| region.class == Label::GOOD).count()
    }
}

/// The classes of an item other than good.
pub(super) fn defects(label: &Label) -> impl Iterator<Item = &str> {
    label.classes().into_iter().filter(|class| *class != Label::GOOD)
}

/// Every defect class in the data set, sorted; the order is the numbering of all formats.
pub(super) fn defect_classes<'a>(items: impl Iterator<Item = &'a LabelledItem>) -> Vec<&'a str> {
    let confirmed = items.filter(|item| item.label.status == LabelStatus::Confirmed);
    let classes: BTreeSet<&str> = confirmed.flat_map(|item| defects(&item.label)).collect();
    classes.into_iter().collect()
}

/// Whether a region has a place on this picture: a box that is not empty, a mask of its size.
fn fits(region: &Region, header: Header) -> bool {
    let is_sized = match &region.shape {
        Shape::Mask(mask) => mask.size == [header.size[1], header.size[0]],
        _ => true,
    };
    is_sized && region.shape.bounds().is_some_and(|b| b.x2 > b.x1 && b.y2 > b.y1)
}

/// The part of a box that is on the picture; `None` when nothing is.
pub(super) fn clamped(b: BoxPx, [width, height]: [u32; 2]) -> Option<BoxPx> {
    let (w, h) = (width as f32, height as f32);
    let cut = BoxPx::new(b.x1.clamp(0.0, w), b.y1.clamp(0.0, h), b.x2.clamp(0.0, w), b.y2.clamp(0.0, h));
    (cut.x2 > cut.x1 && cut.y2 > cut.y1).then_some(cut)
}
