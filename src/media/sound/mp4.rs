//! Which part of an MP4's track is its sound: encoders put silence before and behind it, and the
//! edit list (or iTunes' comment) says how much.

use super::source::Input;
use crate::media::MediaError;

const NAME: &str = "M4A";
/// The tables of a track of a day are some tens of megabytes.
const MOOV_BYTES_MAX: u64 = 256 << 20;
const BOXES_MAX: usize = 10_000;

/// The part of the track that is to be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) begin: i64,
    length: Length,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Frames(i64),
    /// On the movie's clock, which is coarser.
    Ticks {
        count: i64,
        per_sec: u32,
    },
}

impl Edit {
    /// Where the sound ends on a track that ends at `track_end`.
    pub(super) fn end(self, rate_hz: u32, track_end: i64) -> i64 {
        let end = match self.length {
            Length::Frames(frames) => self.begin.saturating_add(frames),
            Length::Ticks { count: 0, .. } => track_end,
            Length::Ticks { count, per_sec } => {
                // Rounded to a tick: where the track ends within that tick, its own end is meant.
                let frames = |ticks: i64| {
                    let frames = i128::from(ticks) * i128::from(rate_hz) / i128::from(per_sec.max(1));
                    self.begin.saturating_add(i64::try_from(frames).unwrap_or(i64::MAX))
                };
                let is_meant = (frames(count - 1)..=frames(count + 1)).contains(&track_end);
                if is_meant { track_end } else { frames(count) }
            }
        };
        end.min(track_end)
    }
}

/// Refuses a file whose boxes go beyond its end. The edit of its first sound track.
pub(super) fn edit(input: &mut Input, start: u64) -> Result<Option<Edit>, MediaError> {
    let (mut at, mut movie) = (start, None);
    for _ in 0..BOXES_MAX {
        if at >= input.len {
            break;
        }
        let head = input.at(at, 16)?;
        let (name, head_bytes, size) = head_of(&head, input.len - at).ok_or(MediaError::CutOff(NAME))?;
        if size < head_bytes || size > input.len - at {
            return Err(MediaError::CutOff(NAME));
        }
        if &name == b"moov" {
            if size > MOOV_BYTES_MAX {
                let why = format!("{size} bytes of tables");
                return Err(MediaError::Unsupported { format: NAME, why });
            }
            movie = Some(input.at(at + head_bytes, usize::try_from(size - head_bytes).unwrap_or(0))?);
        }
        at += size;
    }
    let movie = movie.ok_or(MediaError::CutOff(NAME))?;
    if inner(&movie, &[b"mvex"]).is_some() {
        return Err(MediaError::Unsupported {
            format: NAME,
            why: "a sound in fragments, as it is streamed".into(),
        });
    }
    Ok(edit_of(&movie))
}

/// Name, bytes of the head and bytes together, of a box with `left` bytes to the end of what holds it.
fn head_of(bytes: &[u8], left: u64) -> Option<([u8; 4], u64, u64)> {
    let size = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    let name = bytes.get(4..8)?.try_into().ok()?;
    match size {
        0 => Some((name, 8, left)),
        1 => Some((name, 16, u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?))),
        size => Some((name, 8, u64::from(size))),
    }
}

/// The boxes in a body: name and body of each, up to the first that is broken.
fn boxes(body: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let (name, head, size) = head_of(rest, rest.len() as u64)?;
        let (head, size) = (usize::try_from(head).ok()?, usize::try_from(size).ok()?);
        let inside = rest.get(head..size)?;
        rest = &rest[size..];
        Some((name, inside))
    })
}

fn inner<'b>(body: &'b [u8], path: &[&[u8; 4]]) -> Option<&'b [u8]> {
    path.iter()
        .try_fold(body, |body, name| boxes(body).find(|(found, _)| found == *name).map(|(_, inside)| inside))
}

fn edit_of(movie: &[u8]) -> Option<Edit> {
    let header = inner(movie, &[b"mvhd"])?;
    let clock = if header.first()? == &1 { 20 } else { 12 };
    let per_sec = u32_at(header, clock)?;
    let is_sound = |track: &[u8]| {
        inner(track, &[b"mdia", b"hdlr"]).and_then(|kind| kind.get(8..12)).is_some_and(|kind| kind == b"soun")
    };
    let track = boxes(movie).find(|(name, track)| name == b"trak" && is_sound(track))?.1;
    let listed = inner(track, &[b"edts", b"elst"]).and_then(|list| listed(list, per_sec));
    listed.or_else(|| itunes(movie))
}

/// The first entry that is no pause; further ones would cut the sound up, which no encoder does.
fn listed(list: &[u8], per_sec: u32) -> Option<Edit> {
    let is_long = list.first()? == &1;
    let entry_bytes = if is_long { 20 } else { 12 };
    list.get(8..)?.chunks_exact(entry_bytes).find_map(|entry| {
        let (count, begin) = if is_long {
            (
                i64::from_be_bytes(entry[..8].try_into().ok()?),
                i64::from_be_bytes(entry[8..16].try_into().ok()?),
            )
        } else {
            let begin = i32::from_be_bytes(entry[4..8].try_into().ok()?);
            (i64::from(u32_at(entry, 0)?), i64::from(begin))
        };
        (begin >= 0).then_some(Edit { begin, length: Length::Ticks { count, per_sec } })
    })
}

/// `iTunSMPB`: numbers in hexadecimal, of which the second to fourth are delay, padding and length.
fn itunes(movie: &[u8]) -> Option<Edit> {
    let list = inner(movie, &[b"udta", b"meta"])?.get(4..)?;
    let mut comments = boxes(inner(list, &[b"ilst"])?);
    let value = comments.find_map(|(name, comment)| {
        let is_it =
            &name == b"----" && inner(comment, &[b"name"]).is_some_and(|name| name.ends_with(b"iTunSMPB"));
        if is_it { inner(comment, &[b"data"]) } else { None }
    })?;
    let text = std::str::from_utf8(value.get(8..)?).ok()?;
    let numbers: Vec<i64> =
        text.split_whitespace().take(4).map_while(|word| i64::from_str_radix(word, 16).ok()).collect();
    match numbers[..] {
        [_, begin, _, frames] if frames > 0 => Some(Edit { begin, length: Length::Frames(frames) }),
        _ => None,
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
