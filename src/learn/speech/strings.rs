//! Strings for measuring: takes of single words joined to files, so that a model is measured on strings
//! which nobody has recorded.

use super::join::{add_noise, join};
use super::sound::noise;
use super::{RATE_HZ, at_rate};
use crate::domain::{LabelledItem, MediaKind, TranscriptRule};
use crate::learn::LearnError;
use crate::learn::data::{decoded, unusable};
use crate::media::{Decoded, Sound, WavFormat, encode_wav};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

/// Longest pause between two takes, in seconds.
const PAUSE_SECS: f64 = 0.4;
/// Longest string: beyond it nobody reads a number aloud in one go.
const TAKES_MAX: usize = 100;

/// Takes in one string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinRange {
    pub least: usize,
    pub most: usize,
}

impl FromStr for JoinRange {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("\"{text}\" is not MIN..MAX, like 4..10, with 1 to {TAKES_MAX} takes");
        let (least, most) = text.split_once("..").ok_or_else(bad)?;
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| bad());
        let range = Self { least: number(least)?, most: number(most.trim_start_matches('='))? };
        let is_range = (1..=range.most).contains(&range.least) && range.most <= TAKES_MAX;
        if is_range { Ok(range) } else { Err(bad()) }
    }
}

/// The strings, and what could not be read, with its reason.
pub type Joined = (Vec<LabelledItem>, Vec<(String, String)>);

/// Joins the takes of each group, in an order drawn by the seed and each take once, to strings in `folder`:
/// with pauses of up to 0.4 s, and with white, pink or brown noise so many dB beneath what is said. Takes that
/// are left over are no string. Gives the strings, and what could not be read.
pub fn join_takes(
    items: &[LabelledItem],
    range: JoinRange,
    snr_db: Option<f64>,
    rule: &TranscriptRule,
    seed: u64,
    folder: &Path,
) -> Result<Joined, LearnError> {
    let mut groups: BTreeMap<&str, Vec<&LabelledItem>> = BTreeMap::new();
    let mut skipped = Vec::new();
    for item in items {
        match unusable(item) {
            Some(why) => skipped.push((item.name.clone(), why)),
            None => groups.entry(&item.group).or_default().push(item),
        }
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut strings: Vec<(Vec<&LabelledItem>, u64)> = Vec::new();
    for takes in groups.values_mut() {
        takes.shuffle(&mut rng);
        let mut rest = takes.as_slice();
        loop {
            let length = rng.random_range(range.least..=range.most).min(rest.len());
            if length < range.least {
                break;
            }
            let (string, after) = rest.split_at(length);
            strings.push((string.to_vec(), rng.random()));
            rest = after;
        }
    }
    let written: Vec<Result<LabelledItem, (String, String)>> = strings
        .par_iter()
        .enumerate()
        .map(|(number, (takes, seed))| {
            let name = format!("{number:05}.wav");
            string(takes, snr_db, rule, *seed, &name, folder).map_err(|why| (name, why))
        })
        .collect();
    let mut joined = Vec::with_capacity(written.len());
    for one in written {
        match one {
            Ok(item) => joined.push(item),
            Err(failed) => skipped.push(failed),
        }
    }
    if joined.is_empty() {
        return Err(LearnError::TooLittle(format!("no group has {} takes to join", range.least)));
    }
    Ok((joined, skipped))
}

fn string(
    takes: &[&LabelledItem],
    snr_db: Option<f64>,
    rule: &TranscriptRule,
    seed: u64,
    name: &str,
    folder: &Path,
) -> Result<LabelledItem, String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sounds = Vec::with_capacity(takes.len());
    for take in takes {
        match decoded(take)?.0 {
            Decoded::Sound(sound) => sounds.push(at_rate(&sound, RATE_HZ)),
            Decoded::Image(_) => return Err("a picture where a sound should be".to_owned()),
        }
    }
    let pauses: Vec<f64> = (0..=takes.len()).map(|_| rng.random_range(0.0..PAUSE_SECS)).collect();
    let mut joined = join(&sounds, &pauses);
    if let Some(snr_db) = snr_db {
        let noise = noise(&mut rng, joined.samples.len());
        #[expect(clippy::cast_possible_truncation, reason = "a level")]
        add_noise(&mut joined, &noise, snr_db as f32);
    }
    // Loud takes with noise must not be cut off at full scale.
    let most = joined.samples.iter().fold(1.0_f32, |most, v| most.max(v.abs()));
    for v in &mut joined.samples {
        *v /= most;
    }
    let sound = Sound { rate_hz: RATE_HZ, channels: 1, samples: joined.samples };
    let path = folder.join(name);
    std::fs::write(&path, encode_wav(&sound, WavFormat::Pcm16)).map_err(|error| error.to_string())?;
    let said: Vec<String> = takes.iter().map(|take| rule.truth(&take.label)).collect();
    let mut label = takes.first().map(|take| take.label.clone()).ok_or("no take")?;
    (label.class, label.transcript, label.regions) =
        (None, Some(rule.normalise(&said.join(" "))), Vec::new());
    Ok(LabelledItem {
        path,
        name: name.to_owned(),
        kind: MediaKind::Audio,
        reference: None,
        group: takes.first().map_or_else(String::new, |take| take.group.clone()),
        label,
        votes: Vec::new(),
        extra: BTreeMap::new(),
    })
}
