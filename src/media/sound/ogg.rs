//! What the pages of an Ogg file say about its end.

use super::source::Input;
use crate::media::MediaError;

const NAME: &str = "Ogg";
/// The longest block of Vorbis: no page's time is further off than this.
pub(super) const EARLY_FRAMES: i64 = 16_384;
/// A page is at most this long; the last two dated ones lie within a few.
const PAGE_BYTES_MAX: u64 = 65_307;
const TAIL_BYTES: u64 = 8 * PAGE_BYTES_MAX;
/// A page on which no packet ends is not dated.
const NO_DATE: u64 = u64::MAX;

struct Page {
    serial: u32,
    date: u64,
    is_last: bool,
    bytes: usize,
}

/// Refuses what has no end, or several sounds one after the other. Returns where the last page's
/// sound begins.
pub(super) fn check(input: &mut Input, start: u64) -> Result<i64, MediaError> {
    let first = parse(&input.at(start, 300)?).ok_or(MediaError::CutOff(NAME))?;
    let from = input.len.saturating_sub(TAIL_BYTES).max(start);
    let tail = input.at(from, usize::try_from(TAIL_BYTES).unwrap_or(usize::MAX))?;
    let pages = pages(&tail);
    let last = pages.last().ok_or(MediaError::CutOff(NAME))?;
    if last.serial != first.serial {
        let why = "several sounds in one file".into();
        return Err(MediaError::Unsupported { format: NAME, why });
    }
    if !last.is_last {
        return Err(MediaError::CutOff(NAME));
    }
    let before = pages.iter().rev().skip(1).find(|page| page.date != NO_DATE);
    Ok(before.map_or(0, |page| i64::try_from(page.date).unwrap_or(0)))
}

/// The whole pages that follow each other up to the end.
fn pages(tail: &[u8]) -> Vec<Page> {
    let starts = tail.windows(4).enumerate().filter(|(_, name)| *name == b"OggS").map(|(at, _)| at);
    for start in starts {
        let (mut at, mut found) = (start, Vec::new());
        while let Some(page) = tail.get(at..).and_then(parse) {
            at += page.bytes;
            found.push(page);
        }
        if at == tail.len() {
            return found;
        }
    }
    Vec::new()
}

fn parse(bytes: &[u8]) -> Option<Page> {
    if !bytes.starts_with(b"OggS") {
        return None;
    }
    let date = u64::from_le_bytes(bytes.get(6..14)?.try_into().ok()?);
    let serial = u32::from_le_bytes(bytes.get(14..18)?.try_into().ok()?);
    let lengths = usize::from(*bytes.get(26)?);
    let body: usize = bytes.get(27..27 + lengths)?.iter().map(|&length| usize::from(length)).sum();
    Some(Page { serial, date, is_last: bytes[5] & 4 != 0, bytes: 27 + lengths + body })
}
