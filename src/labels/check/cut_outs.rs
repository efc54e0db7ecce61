//! Reads cut-outs back: their list against `items.jsonl`, and every sample against the original.

use super::time_axis::expected;
use super::{Exported, Findings, Line};
use crate::domain::{Filter, Label, LabelledItem, MediaKind, Region, Shape};
use crate::labels::cuts::{CUT_KEY, CUTS_DIR};
use crate::labels::dataset::{self, ITEMS_FILE};
use crate::labels::export::files_below;
use crate::media::SAMPLES_MAX;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Where a cut says that it is from.
#[derive(Debug, Deserialize, PartialEq)]
struct Origin {
    name: String,
    media: String,
    frames: [u64; 2],
    rate_hz: u32,
}

/// What a cut should be.
struct Cut {
    class: String,
    band_hz: Option<[f64; 2]>,
    frames: [u64; 2],
    wave: Wave,
}

/// A WAV file of floats; samples by their bits.
#[derive(PartialEq)]
struct Wave {
    rate_hz: u32,
    channels: u32,
    samples: Vec<u32>,
}

pub(super) fn check(out: &Path, exported: &Exported, findings: &mut Findings) -> Option<usize> {
    let dir = out.join(CUTS_DIR);
    let data =
        dataset::read(&dir, &Filter::default()).map_err(|error| findings.add(error.to_string())).ok()?;
    for skipped in &data.skipped {
        findings.add(format!("{CUTS_DIR}/{ITEMS_FILE} line {}: {}", skipped.line, skipped.reason));
    }
    let mut by_media: BTreeMap<String, Vec<(LabelledItem, Origin)>> = BTreeMap::new();
    let mut listed = BTreeSet::from([ITEMS_FILE.to_owned()]);
    for item in data.items {
        listed.insert(item.name.clone());
        let origin = item.extra.get(CUT_KEY).and_then(|value| Origin::deserialize(value).ok());
        match origin {
            Some(origin) => by_media.entry(origin.media.clone()).or_default().push((item, origin)),
            None => findings.add(format!("does not say where it is from: {CUTS_DIR}/{}", item.name)),
        }
    }
    let files = files_below(&dir).map_err(|error| findings.add(error.to_string())).ok()?;
    for file in files.into_iter().filter(|file| !listed.contains(file)) {
        findings.add(format!("not in the list of cuts: {CUTS_DIR}/{file}"));
    }
    let written = by_media.len();
    for line in &exported.items {
        match (cuts_of(line), by_media.remove(&line.media)) {
            (Some(expected), Some(found)) => compare(line, &expected, &found, findings),
            (None, None) => {}
            (Some(_), None) => findings.add(format!("has no cuts: {}", line.media)),
            (None, Some(_)) => findings.add(format!("cannot be cut, but is: {}", line.media)),
        }
    }
    for media in by_media.keys() {
        findings.add(format!("cut from what is not in {ITEMS_FILE}: {media}"));
    }
    Some(written)
}

/// The cuts that an item should have; `None` where not all of them can be made.
fn cuts_of(line: &Line) -> Option<Vec<Cut>> {
    let (mut sound, mut marks) = expected(line)?;
    if marks.is_empty() {
        marks.push((Label::GOOD.to_owned(), [0.0, sound.secs()], None));
    }
    let (rate_hz, channels, last) = (sound.rate_hz(), sound.channels(), sound.frames() as f64);
    let places: Vec<[f64; 2]> =
        marks.iter().map(|(_, span, _)| span.map(|s| (s * f64::from(rate_hz)).round().min(last))).collect();
    let frames: f64 = places.iter().map(|[start, end]| end - start).sum();
    let is_empty = places.iter().any(|[start, end]| end <= start);
    if is_empty || frames * f64::from(channels) > SAMPLES_MAX as f64 {
        return None;
    }
    let cuts = marks.into_iter().zip(places).map(|((class, _, band_hz), place)| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, and in the sound"
        )]
        let frames = place.map(|frame| frame as u64);
        let mut samples = Vec::new();
        sound.read(frames[0], usize::try_from(frames[1] - frames[0]).ok()?, &mut samples).ok()?;
        let samples = samples.into_iter().map(f32::to_bits).collect();
        Some(Cut { class, band_hz, frames, wave: Wave { rate_hz, channels, samples } })
    });
    cuts.collect()
}

fn compare(line: &Line, expected: &[Cut], found: &[(LabelledItem, Origin)], findings: &mut Findings) {
    if expected.len() != found.len() {
        findings.add(format!("{} cuts, expected {}: {}", found.len(), expected.len(), line.media));
    }
    for (expected, (item, origin)) in expected.iter().zip(found) {
        if !is_listed(line, expected, item, origin) {
            findings.add(format!("class, place, group or a further key differs: {CUTS_DIR}/{}", item.name));
        }
        match fs::read(&item.path).ok().and_then(|bytes| floats(&bytes)) {
            Some(found) if found == expected.wave => findings.compared("samples", found.samples.len()),
            Some(_) => findings.add(format!("not the original's samples: {CUTS_DIR}/{}", item.name)),
            None => findings.add(format!("not a WAV file of floats: {CUTS_DIR}/{}", item.name)),
        }
        findings.compared("cuts", 1);
    }
}

fn is_listed(line: &Line, cut: &Cut, item: &LabelledItem, origin: &Origin) -> bool {
    let original = &line.item;
    let further = |item: &LabelledItem| {
        let mut extra = item.extra.clone();
        extra.remove(CUT_KEY);
        extra
    };
    let frames = cut.frames[1] - cut.frames[0];
    let secs = frames as f64 / f64::from(cut.wave.rate_hz);
    let region = cut.band_hz.map(|band| {
        Region::new(cut.class.clone(), Shape::Span { span_secs: [0.0, secs], band_hz: Some(band) })
    });
    let label = Label { regions: region.into_iter().collect(), ..Label::confirmed(cut.class.clone()) };
    item.kind == MediaKind::Audio
        && item.label == label
        && item.group == original.group
        && further(item) == further(original)
        && origin.name == original.name
        && origin.frames == cut.frames
        && origin.rate_hz == cut.wave.rate_hz
}

/// Reads the chunks of a WAV file; `None` where it is not one of 32-bit floats.
fn floats(bytes: &[u8]) -> Option<Wave> {
    let mut rest = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
    let (mut format, mut data): (&[u8], Option<&[u8]>) = (&[], None);
    while let [a, b, c, d, s0, s1, s2, s3, tail @ ..] = rest {
        let size = u32::from_le_bytes([*s0, *s1, *s2, *s3]) as usize;
        let content = tail.get(..size)?;
        match &[*a, *b, *c, *d] {
            b"fmt " => format = content,
            b"data" => data = Some(content),
            _ => {}
        }
        rest = tail.get(size + size % 2..).unwrap_or_default();
    }
    let &[3, 0, c0, c1, r0, r1, r2, r3, _, _, _, _, _, _, 32, 0, ..] = format else { return None };
    let (samples, cut_off) = data?.as_chunks();
    cut_off.is_empty().then(|| Wave {
        rate_hz: u32::from_le_bytes([r0, r1, r2, r3]),
        channels: u16::from_le_bytes([c0, c1]).into(),
        samples: samples.iter().map(|sample| u32::from_le_bytes(*sample)).collect(),
    })
}
