//! Labels on the time axis of a sound: what label tracks, selection tables and cut-outs say of an
//! item, and the label that follows from them.
//!
//! A class of the whole item is a mark from end to end, since that is what people see and what
//! other programs can train on. Knows nothing of the formats themselves.

use crate::domain::{Label, LabelStatus, Region, Shape};
use crate::media::SoundFile;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

/// Other programs round times, to the millisecond at the coarsest.
const ROUNDING_SECS: f64 = 0.0005;
/// And frequencies to a whole number.
const ROUNDING_HZ: f64 = 1.0;

/// Bytes of one file of labels; 100,000 labels stay below a tenth of it.
const LABEL_FILE_BYTES_MAX: usize = 64 << 20;

/// What a sound's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clip {
    pub rate_hz: u32,
    pub channels: u32,
    pub frames: u64,
}

impl Clip {
    pub fn of(sound: &SoundFile) -> Self {
        Self { rate_hz: sound.rate_hz(), channels: sound.channels(), frames: sound.frames() }
    }

    pub fn secs(self) -> f64 {
        self.frames as f64 / f64::from(self.rate_hz)
    }

    /// The highest frequency that the sound can hold.
    pub fn half_rate_hz(self) -> f64 {
        f64::from(self.rate_hz) / 2.0
    }

    /// Whether a mark stands for the whole item.
    pub fn is_whole(self, mark: &Mark) -> bool {
        let [start, end] = mark.span_secs;
        mark.band_hz.is_none() && start <= ROUNDING_SECS && end >= self.secs() - ROUNDING_SECS
    }

    /// Why a mark is none of this sound.
    pub fn check(self, mark: &Mark) -> Result<(), String> {
        let (end, high) = (mark.span_secs[1], mark.band_hz.map_or(0.0, |band| band[1]));
        if self.is_cut_short(mark.span_secs) {
            return Err(format!("ends at {end} s, and the sound at {} s", self.secs()));
        }
        if high > self.half_rate_hz() + ROUNDING_HZ {
            return Err(format!("reaches {high} Hz, and the sound {} Hz", self.half_rate_hz()));
        }
        Ok(())
    }

    /// Whether a stretch goes on behind the end.
    pub fn is_cut_short(self, span_secs: [f64; 2]) -> bool {
        span_secs[1] > self.secs() + ROUNDING_SECS
    }

    /// From the first sample to the last.
    pub fn whole(self, class: &str) -> Mark {
        Mark { class: class.to_owned(), span_secs: [0.0, self.secs()], band_hz: None }
    }
}

/// # Errors
/// One line that says why the file is no sound, without its path.
pub(super) fn open(path: &Path) -> Result<SoundFile, String> {
    let file = File::open(path).map_err(|error| format!("cannot read the sound: {error}"))?;
    SoundFile::new(file).map_err(|error| format!("cannot read the sound: {error}"))
}

/// A class with its place in time, and in frequency where that is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    pub class: String,
    pub span_secs: [f64; 2],
    pub band_hz: Option<[f64; 2]>,
}

/// The marks that say a label, in its order, none for a good item; `None` where a region is in
/// pixels. The item's own class comes first, and only where no region has it.
pub(super) fn marks_of(label: &Label, clip: Clip) -> Option<Vec<Mark>> {
    let located: BTreeSet<&str> = label.regions.iter().map(|region| region.class.as_str()).collect();
    let own = label.class.as_deref().filter(|class| *class != Label::GOOD && !located.contains(class));
    let own = own.map(|class| Some(clip.whole(class)));
    let regions = label.regions.iter().map(|region| match &region.shape {
        Shape::Whole => Some(clip.whole(&region.class)),
        Shape::Span { span_secs, band_hz } => {
            Some(Mark { class: region.class.clone(), span_secs: *span_secs, band_hz: *band_hz })
        }
        Shape::Box(_) | Shape::Polygon(_) | Shape::Mask(_) => None,
    });
    own.into_iter().chain(regions).collect()
}

/// The label that marks say. One mark alone over everything is the answer for the item.
pub(super) fn label_of(marks: Vec<Mark>, clip: Clip) -> Label {
    match &marks[..] {
        [] => return Label::confirmed(Label::GOOD),
        [mark] if clip.is_whole(mark) => return Label::confirmed(mark.class.clone()),
        _ => {}
    }
    let regions = marks.into_iter().map(|mark| {
        let is_whole = clip.is_whole(&mark);
        let Mark { class, span_secs, band_hz } = mark;
        Region::new(class, if is_whole { Shape::Whole } else { Shape::Span { span_secs, band_hz } })
    });
    Label { status: LabelStatus::Confirmed, class: None, regions: regions.collect(), transcript: None }
}

/// Whether a class can stand in a field of a line: tabs and line ends part fields, and readers
/// drop spaces around them.
pub(super) fn is_field_text(class: &str) -> bool {
    class.trim() == class && !class.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// A line that is not as its format demands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// Counts from 1.
    pub line: u64,
    pub reason: String,
}

/// The lines of a text file with their numbers; blank ones are left out.
pub(super) fn numbered_lines(bytes: &[u8]) -> Result<Vec<(u64, &str)>, BadLine> {
    if bytes.len() > LABEL_FILE_BYTES_MAX {
        return Err(BadLine { line: 1, reason: format!("more than {} MiB", LABEL_FILE_BYTES_MAX >> 20) });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines = Vec::new();
    for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| BadLine { line, reason: "is not UTF-8 text".to_owned() })?;
        if !text.trim().is_empty() {
            lines.push((line, text.trim_end_matches('\r')));
        }
    }
    Ok(lines)
}

/// A mark from the texts of its fields.
pub(super) fn mark(start: &str, end: &str, class: &str) -> Result<Mark, String> {
    let span_secs = [seconds(start)?, seconds(end)?];
    if span_secs[1] < span_secs[0] {
        return Err(format!("ends at {} s, before it starts at {} s", span_secs[1], span_secs[0]));
    }
    match class.trim() {
        "" => Err("has no text, which is the class".to_owned()),
        class => Ok(Mark { class: class.to_owned(), span_secs, band_hz: None }),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let secs = number(text)?;
    if secs < 0.0 { Err(format!("{secs} s is before the sound begins")) } else { Ok(secs) }
}

pub(super) fn number(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("{text:?} is not a number"))
}

/// In full and always with a decimal point: readers that guess types take "0" for an integer.
pub(super) fn decimal(number: f64) -> String {
    let text = number.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

pub(super) fn band(low: f64, high: f64) -> Result<[f64; 2], String> {
    if low >= 0.0 && low <= high {
        Ok([low, high])
    } else {
        Err(format!("the band {low} to {high} Hz is not ordered"))
    }
}
