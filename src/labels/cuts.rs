//! Cut-outs: every region of a sound, and every class of a whole one, as a WAV file of exactly
//! those samples, in a folder for each class, with an `items.jsonl` of their own.
//!
//! Samples are floats, as every stage of the station hears them: nothing is rounded. A cut is in
//! the group, and so in the split, of the sound that it is from.

use super::LabelsError;
use super::dataset::ITEMS_FILE;
use super::entry::{Audible, Entry, Tally};
use super::export::{MEDIA_DIR, make_dir, write_file};
use super::marks::{Clip, Mark, open};
use super::names::Stems;
use super::record::Record;
use crate::domain::{Label, LabelStatus, MediaKind, Region, Shape};
use crate::media::{MediaError, SAMPLES_MAX, Sound, WavFormat, encode_wav};
use serde_json::json;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

pub(super) const CUTS_DIR: &str = "cuts";
/// The key that says where a cut is from.
pub(super) const CUT_KEY: &str = "cut";

/// A mark and its samples.
struct Cut {
    mark: Mark,
    frames: Range<u64>,
    sound: Sound,
    /// The mark goes on where the sound has ended.
    is_short: bool,
}

pub(super) fn write(dir: &Path, entries: &[Entry]) -> Result<Tally, LabelsError> {
    let dir = dir.join(CUTS_DIR);
    make_dir(&dir)?;
    let mut tally = Tally::default();
    let mut lines = Vec::new();
    let mut folders = Folders::default();
    for entry in entries {
        let cuts = match cuts_of(entry) {
            Ok(cuts) => cuts,
            Err(reason) => {
                tally.leave_out(reason);
                continue;
            }
        };
        tally.written += 1;
        let short = cuts.iter().filter(|cut| cut.is_short).count();
        tally.simplify("region that goes on behind the end as far as the sound goes", short);
        for (number, cut) in (1..).zip(cuts) {
            let folder = folders.of(&cut.mark.class);
            make_dir(&dir.join(folder))?;
            let media = format!("{folder}/{}.{number}.wav", entry.stem);
            write_file(&dir.join(&media), &encode_wav(&cut.sound, WavFormat::Float32))?;
            serde_json::to_writer(&mut lines, &record(entry, cut, media))?;
            lines.push(b'\n');
        }
    }
    write_file(&dir.join(ITEMS_FILE), &lines)?;
    Ok(tally)
}

/// All cuts of an item, or the reason why not all of them can be made.
fn cuts_of(entry: &Entry) -> Result<Vec<Cut>, &'static str> {
    let Audible { clip, mut marks } = entry.audible(|_| true)?;
    if marks.is_empty() {
        marks.push(clip.whole(Label::GOOD));
    }
    let places: Vec<Range<u64>> = marks.iter().map(|mark| frames_of(mark.span_secs, clip)).collect();
    if places.iter().any(Range::is_empty) {
        return Err("region without samples");
    }
    let frames: u64 = places.iter().map(|place| place.end - place.start).sum();
    if frames.saturating_mul(u64::from(clip.channels)) > SAMPLES_MAX {
        return Err("cuts longer than one clip may be");
    }
    let sounds = read(&entry.item.path, clip, &places).map_err(|_| "unreadable sound")?;
    let cuts = marks.into_iter().zip(places).zip(sounds);
    let cut = |((mark, frames), sound): ((Mark, Range<u64>), Sound)| {
        let is_short = clip.is_cut_short(mark.span_secs);
        Cut { mark, frames, sound, is_short }
    };
    Ok(cuts.map(cut).collect())
}

/// From the nearest sample to the nearest sample, as far as the sound goes.
fn frames_of(span_secs: [f64; 2], clip: Clip) -> Range<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative; saturates")]
    let [start, end] = span_secs.map(|secs| (secs * f64::from(clip.rate_hz)).round() as u64);
    start.min(clip.frames)..end.min(clip.frames)
}

fn read(path: &Path, clip: Clip, places: &[Range<u64>]) -> Result<Vec<Sound>, MediaError> {
    let mut file = open(path).map_err(MediaError::Unreadable)?;
    let sounds = places.iter().map(|place| {
        let mut samples = Vec::new();
        let count = usize::try_from(place.end - place.start).unwrap_or(usize::MAX);
        file.read(place.start, count, &mut samples)?;
        Ok(Sound { rate_hz: clip.rate_hz, channels: clip.channels, samples })
    });
    sounds.collect()
}

/// What the original says of the whole goes with it: its group and further keys.
fn record(entry: &Entry, cut: Cut, media: String) -> Record {
    let item = entry.item;
    let whole_secs = [0.0, cut.sound.secs()];
    let banded = cut.mark.band_hz.map(|band| {
        let shape = Shape::Span { span_secs: whole_secs, band_hz: Some(band) };
        vec![Region::new(cut.mark.class.clone(), shape)]
    });
    let mut extra = item.extra.clone();
    let from = json!({
        "name": item.name,
        "media": format!("{MEDIA_DIR}/{}", entry.file),
        "frames": [cut.frames.start, cut.frames.end],
        "rate_hz": cut.sound.rate_hz,
    });
    extra.insert(CUT_KEY.to_owned(), from);
    Record {
        media,
        original_name: None,
        kind: Some(MediaKind::Audio),
        label: Some(cut.mark.class),
        status: Some(LabelStatus::Confirmed),
        regions: banded,
        transcript: None,
        reference: None,
        mask: None,
        group: Some(item.group.clone()),
        votes: Vec::new(),
        extra,
    }
}

/// A folder name for each class that file systems accept.
#[derive(Default)]
struct Folders {
    stems: Stems,
    by_class: BTreeMap<String, String>,
}

impl Folders {
    fn of(&mut self, class: &str) -> &str {
        // Of a path only the end would stay; the dot keeps what looks like an ending of the name.
        let stems = &mut self.stems;
        let name = || format!("{}.", class.replace(['/', '\\'], "_"));
        self.by_class.entry(class.to_owned()).or_insert_with(|| stems.take(&name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_with_a_slash_keep_all_of_their_name_and_stay_apart() {
        let mut folders = Folders::default();
        let names: Vec<String> = ["bearing/hum", "fan/hum", "fan\\hum", "hum"]
            .iter()
            .map(|class| folders.of(class).to_owned())
            .collect();
        assert_eq!(names, ["bearing_hum", "fan_hum", "fan_hum-2", "hum"]);
    }
}
