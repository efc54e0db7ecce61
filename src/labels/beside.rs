//! Labels of each sound as a file of their own beside it: what all formats of that kind share.

use super::LabelsError;
use super::entry::{Audible, Entry, Tally};
use super::export::{MEDIA_DIR, write_file};
use super::marks::is_field_text;
use std::path::Path;

/// Writes `text` of each sound that the format can say completely beside it, under its name with `ending`.
pub(super) fn write_beside(
    dir: &Path,
    entries: &[Entry],
    ending: &str,
    text: impl Fn(&Audible, &mut Tally) -> String,
) -> Result<Tally, LabelsError> {
    let mut tally = Tally::default();
    for entry in entries {
        let said = match entry.audible_or_said(is_field_text).and_then(inside) {
            Ok(said) => said,
            Err(reason) => {
                tally.leave_out(reason);
                continue;
            }
        };
        tally.written += 1;
        tally.simplify("region from end to end as the whole sound", entry.spans_that_are_whole(said.clip));
        let path = dir.join(MEDIA_DIR).join(format!("{}{ending}", entry.stem));
        write_file(&path, text(&said, &mut tally).as_bytes())?;
    }
    Ok(tally)
}

/// What lies beyond the sound would be refused when it is read again.
fn inside(said: Audible) -> Result<Audible, &'static str> {
    let is_inside = said.marks.iter().all(|mark| said.clip.check(mark).is_ok());
    if is_inside { Ok(said) } else { Err("region beyond the sound") }
}
