//! Reads label tracks and selection tables back, and compares them with `items.jsonl`.
//!
//! What they *should* say is worked out here a second time, from the rule and not from the
//! writers: a confirmed sound has all its classes, each at its place or from end to end.

use super::read_back::{names_in, text};
use super::{Exported, Findings, Line};
use crate::domain::{Label, LabelStatus, MediaKind, Shape};
use crate::labels::export::MEDIA_DIR;
use crate::media::SoundFile;
use std::fs::File;
use std::path::Path;

/// A class with its start and end in seconds, and its band in Hz.
pub(super) type Mark = (String, [f64; 2], Option<[f64; 2]>);

pub(super) fn tracks(out: &Path, exported: &Exported, findings: &mut Findings) -> Option<usize> {
    compare(out, exported, ".txt", findings, |_, marks| marks, track)
}

pub(super) fn tables(out: &Path, exported: &Exported, findings: &mut Findings) -> Option<usize> {
    let banded = |sound: &SoundFile, mut marks: Vec<Mark>| {
        let all_hz = [0.0, f64::from(sound.rate_hz()) / 2.0];
        for (_, _, band) in &mut marks {
            band.get_or_insert(all_hz);
        }
        marks
    };
    compare(out, exported, ".Table.1.selections.txt", findings, banded, table)
}

fn compare(
    out: &Path,
    exported: &Exported,
    ending: &str,
    findings: &mut Findings,
    words: impl Fn(&SoundFile, Vec<Mark>) -> Vec<Mark>,
    parse: impl Fn(&str) -> Option<Vec<Mark>>,
) -> Option<usize> {
    let mut files = names_in(out, MEDIA_DIR, findings)?;
    files.retain(|file| file.ends_with(ending));
    let written = files.len();
    for line in &exported.items {
        let file = format!("{}{ending}", line.stem());
        let is_there =
            files.iter().position(|other| *other == file).map(|at| files.swap_remove(at)).is_some();
        let expected = said(line)
            .or_else(|| expected(line))
            .filter(|(sound, marks)| marks.iter().all(|mark| is_plain(&mark.0) && is_inside(sound, mark)));
        match (expected, is_there) {
            (Some((sound, marks)), true) => {
                let expected = words(&sound, marks);
                let found = text(out, &format!("{MEDIA_DIR}/{file}"), findings)?;
                match parse(&found) {
                    Some(found) => compare_marks(line, &expected, &found, findings),
                    None => findings.add(format!("does not read as labels: {MEDIA_DIR}/{file}")),
                }
            }
            (None, false) => {}
            (Some(_), false) => findings.add(format!("missing in the format: {}", line.media)),
            (None, true) => {
                findings.add(format!("the format cannot say this item, but has it: {}", line.media));
            }
        }
    }
    for file in files {
        findings.add(format!("labels of no sound: {MEDIA_DIR}/{file}"));
    }
    Some(written)
}

fn compare_marks(line: &Line, expected: &[Mark], found: &[Mark], findings: &mut Findings) {
    if expected.len() != found.len() {
        findings.add(format!("{} labels, expected {}: {}", found.len(), expected.len(), line.media));
    }
    for (i, (expected, found)) in expected.iter().zip(found).enumerate() {
        if expected != found {
            findings.add(format!("label {} is {found:?}, expected {expected:?}: {}", i + 1, line.media));
        }
    }
    findings.compared("labels in time", found.len());
    findings.compared("items", 1);
}

/// A transcript alone is one label of everything; `None` where it is not the only thing known, or would not
/// read as one.
fn said(line: &Line) -> Option<(SoundFile, Vec<Mark>)> {
    let label = &line.item.label;
    let is_alone = label.class.is_none() && label.regions.is_empty();
    let is_sound = line.item.kind == MediaKind::Audio && label.status == LabelStatus::Confirmed;
    let text = label.transcript.as_ref().filter(|text| !text.is_empty() && *text != "good")?;
    let sound = SoundFile::new(File::open(&line.item.path).ok()?).ok()?;
    let whole = (text.clone(), [0.0, sound.secs()], None);
    (is_alone && is_sound).then_some((sound, vec![whole]))
}

/// All labels of a settled sound that can be read; `None` for anything else.
pub(super) fn expected(line: &Line) -> Option<(SoundFile, Vec<Mark>)> {
    let label = &line.item.label;
    let says_nothing = label.class.is_none() && label.regions.is_empty() && label.transcript.is_some();
    if label.status != LabelStatus::Confirmed || line.item.kind != MediaKind::Audio || says_nothing {
        return None;
    }
    let sound = SoundFile::new(File::open(&line.item.path).ok()?).ok()?;
    let whole_secs = [0.0, sound.secs()];
    let mut marks = Vec::new();
    if let Some(class) = &label.class
        && class != Label::GOOD
        && label.regions.iter().all(|region| region.class != *class)
    {
        marks.push((class.clone(), whole_secs, None));
    }
    for region in &label.regions {
        let (span, band) = match region.shape {
            Shape::Whole => (whole_secs, None),
            Shape::Span { span_secs, band_hz } => (span_secs, band_hz),
            _ => return None,
        };
        marks.push((region.class.clone(), span, band));
    }
    Some((sound, marks))
}

/// Whether a mark lies where there is a sound, give or take what programs round.
fn is_inside(sound: &SoundFile, (_, [_, end], band): &Mark) -> bool {
    let high = band.map_or(0.0, |[_, high]| high);
    *end <= sound.secs() + 0.0005 && high <= f64::from(sound.rate_hz()) / 2.0 + 1.0
}

/// Whether a class can be a field of a line.
fn is_plain(class: &str) -> bool {
    let parts_fields = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}';
    !class.starts_with(char::is_whitespace)
        && !class.ends_with(char::is_whitespace)
        && !class.contains(parts_fields)
}

fn track(text: &str) -> Option<Vec<Mark>> {
    let mut marks = Vec::new();
    let mut rows = text.lines().peekable();
    while let Some(row) = rows.next() {
        let [start, end, class] = row.split('\t').collect::<Vec<_>>()[..] else { return None };
        let band = match rows.next_if(|row| row.starts_with('\\')) {
            None => None,
            Some(row) => {
                let ["\\", low, high] = row.split('\t').collect::<Vec<_>>()[..] else { return None };
                Some(numbers([low, high])?)
            }
        };
        marks.push((class.to_owned(), numbers([start, end])?, band));
    }
    Some(marks)
}

fn table(text: &str) -> Option<Vec<Mark>> {
    let mut rows = text.lines();
    let columns: Vec<&str> = rows.next()?.split('\t').collect();
    let expected = ["Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)", "Annotation"];
    if columns.get(..3)? != ["Selection", "View", "Channel"] || columns.get(3..)? != expected {
        return None;
    }
    let marks = rows.enumerate().map(|(i, row)| {
        let fields: Vec<&str> = row.split('\t').collect();
        let [number, "Spectrogram 1", "1", start, end, low, high, class] = fields[..] else { return None };
        let is_next = number == (i + 1).to_string();
        is_next.then_some((class.to_owned(), numbers([start, end])?, Some(numbers([low, high])?)))
    });
    marks.collect()
}

fn numbers([a, b]: [&str; 2]) -> Option<[f64; 2]> {
    Some([a.parse().ok()?, b.parse().ok()?])
}
