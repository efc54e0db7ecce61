//! Label tracks as Audacity writes and reads them: `start <tab> end <tab> text` a line, in
//! seconds, and a further line `\ <tab> low <tab> high`, in Hz, where the band is known.
//!
//! The track of a sound lies beside it and has its name with the ending `.txt`. A good sound has
//! an empty one; what is not confirmed has none, since that would be read as good.

use super::LabelsError;
use super::beside::write_beside;
use super::entry::{Entry, Tally};
use super::marks::{BadLine, Clip, Mark, band, decimal, mark, number, numbered_lines};
use std::fmt::Write as _;
use std::path::Path;

pub(super) const TRACK_ENDING: &str = ".txt";

pub(super) fn write(dir: &Path, entries: &[Entry]) -> Result<Tally, LabelsError> {
    write_beside(dir, entries, TRACK_ENDING, |said, _| track(&said.marks))
}

fn track(marks: &[Mark]) -> String {
    let mut text = String::new();
    for Mark { class, span_secs, band_hz } in marks {
        let [start, end] = span_secs.map(decimal);
        let _ = writeln!(text, "{start}\t{end}\t{class}");
        if let Some([low, high]) = band_hz.map(|band| band.map(decimal)) {
            let _ = writeln!(text, "\\\t{low}\t{high}");
        }
    }
    text
}

/// Reads a track. `clip` says how far a band without an upper edge reaches.
pub(super) fn parse(bytes: &[u8], clip: Clip) -> Result<Vec<Mark>, BadLine> {
    let mut marks: Vec<Mark> = Vec::new();
    // Only the first line that goes on with a label is known: further ones belong to formats to come.
    let mut may_have_band = false;
    for (line, text) in numbered_lines(bytes)? {
        let bad = |reason| BadLine { line, reason };
        let Some(rest) = text.strip_prefix('\\') else {
            let found = label_line(text).map_err(bad)?;
            clip.check(&found).map_err(bad)?;
            marks.push(found);
            may_have_band = true;
            continue;
        };
        let Some(last) = marks.last_mut() else {
            return Err(bad("is a band before the first label".to_owned()));
        };
        if std::mem::take(&mut may_have_band) {
            last.band_hz = band_line(rest, clip).map_err(bad)?;
            clip.check(last).map_err(bad)?;
        }
    }
    Ok(marks)
}

fn label_line(text: &str) -> Result<Mark, String> {
    match text.split('\t').collect::<Vec<_>>()[..] {
        [start, end, class] => mark(start, end, class),
        // Labels of a point were once written without an end.
        [at, class] if number(class).is_err() => mark(at, at, class),
        [_, _] => Err("has no text, which is the class".to_owned()),
        _ => Err("is not start, end and text with tabs between them".to_owned()),
    }
}

/// Negative edges are those that nobody has drawn.
fn band_line(rest: &str, clip: Clip) -> Result<Option<[f64; 2]>, String> {
    let ["", low, high] = rest.split('\t').collect::<Vec<_>>()[..] else {
        return Err("is not a band: \\, low and high with tabs between them".to_owned());
    };
    let (low, high) = (number(low)?, number(high)?);
    match (low < 0.0, high < 0.0) {
        (true, true) => Ok(None),
        (true, false) => band(0.0, high).map(Some),
        (false, true) => band(low, clip.half_rate_hz()).map(Some),
        (false, false) => band(low, high).map(Some),
    }
}
