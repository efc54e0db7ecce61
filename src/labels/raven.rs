//! Selection tables as Raven writes and reads them: columns with names, tabs between them, a row
//! for each selection.
//!
//! The table of a sound lies beside it as `NAME.Table.1.selections.txt`. Every selection has a
//! band, so that none is written as all frequencies, 0 to half the rate, and read as none. A good
//! sound has a table without rows.

use super::LabelsError;
use super::beside::write_beside;
use super::entry::{Entry, Tally};
use super::marks::{BadLine, Clip, Mark, band, decimal, mark, number, numbered_lines};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

pub(super) const TABLE_ENDING: &str = ".Table.1.selections.txt";
const SELECTION: &str = "Selection";
const BEGIN: &str = "Begin Time (s)";
const END: &str = "End Time (s)";
const LOW: &str = "Low Freq (Hz)";
const HIGH: &str = "High Freq (Hz)";
const CLASS: &str = "Annotation";

/// Raven shows frequencies with one decimal or none.
const ROUNDING_HZ: f64 = 1.0;

pub(super) fn write(dir: &Path, entries: &[Entry]) -> Result<Tally, LabelsError> {
    write_beside(dir, entries, TABLE_ENDING, |said, tally| {
        let full = said.marks.iter().filter(|mark| mark.band_hz.is_some_and(|b| is_full(b, said.clip)));
        tally.simplify("band of all frequencies as none", full.count());
        table(&said.marks, said.clip)
    })
}

fn table(marks: &[Mark], clip: Clip) -> String {
    let mut text = format!("{SELECTION}\tView\tChannel\t{BEGIN}\t{END}\t{LOW}\t{HIGH}\t{CLASS}\n");
    for (number, Mark { class, span_secs, band_hz }) in (1..).zip(marks) {
        let [start, end] = span_secs.map(decimal);
        let [low, high] = band_hz.unwrap_or([0.0, clip.half_rate_hz()]).map(decimal);
        let _ = writeln!(text, "{number}\tSpectrogram 1\t1\t{start}\t{end}\t{low}\t{high}\t{class}");
    }
    text
}

fn is_full([low, high]: [f64; 2], clip: Clip) -> bool {
    low <= ROUNDING_HZ && high >= clip.half_rate_hz() - ROUNDING_HZ
}

/// Where the columns are that are read; further ones are measurements.
struct Columns {
    count: usize,
    selection: Option<usize>,
    begin: usize,
    end: usize,
    class: usize,
    band: Option<[usize; 2]>,
}

impl Columns {
    fn of(header: &str) -> Result<Self, String> {
        let names: Vec<&str> = header.split('\t').map(str::trim).collect();
        let place = |name: &str| names.iter().position(|other| *other == name);
        let needed = |name: &str| place(name).ok_or_else(|| format!("has no column \"{name}\""));
        Ok(Self {
            count: names.len(),
            selection: place(SELECTION),
            begin: needed(BEGIN)?,
            end: needed(END)?,
            class: needed(CLASS)?,
            band: place(LOW).zip(place(HIGH)).map(<[usize; 2]>::from),
        })
    }
}

/// Reads a table. Raven lists a selection once for each view of the sound that is open: rows with
/// one number are one selection.
pub(super) fn parse(bytes: &[u8], clip: Clip) -> Result<Vec<Mark>, BadLine> {
    let mut lines = numbered_lines(bytes)?.into_iter();
    let bad = |line| move |reason| BadLine { line, reason };
    let (line, header) = lines.next().unwrap_or((1, ""));
    let columns = Columns::of(header).map_err(bad(line))?;
    let mut marks: Vec<Mark> = Vec::new();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for (line, text) in lines {
        let fields: Vec<&str> = text.split('\t').collect();
        if fields.len() != columns.count {
            let reason = format!("has {} fields, and the table {} columns", fields.len(), columns.count);
            return Err(bad(line)(reason));
        }
        let found = row(&fields, &columns, clip).map_err(bad(line))?;
        let Some(number) = columns.selection.map(|column| fields[column]) else {
            marks.push(found);
            continue;
        };
        let first = *numbers.entry(number).or_insert(marks.len());
        match marks.get_mut(first) {
            None => marks.push(found),
            Some(mark) if mark.class == found.class && mark.span_secs == found.span_secs => {
                mark.band_hz = mark.band_hz.or(found.band_hz);
            }
            Some(_) => return Err(bad(line)(format!("selection {number} is there with other values"))),
        }
    }
    Ok(marks)
}

fn row(fields: &[&str], columns: &Columns, clip: Clip) -> Result<Mark, String> {
    let mut mark = mark(fields[columns.begin], fields[columns.end], fields[columns.class])?;
    let edges = columns.band.map(|band| band.map(|column| fields[column].trim()));
    mark.band_hz = match edges {
        None | Some(["", ""]) => None,
        Some([low, high]) => Some(band(number(low)?, number(high)?)?),
    };
    clip.check(&mark)?;
    mark.band_hz = mark.band_hz.filter(|band| !is_full(*band, clip));
    Ok(mark)
}
