//! Spoken numbers in silence, hiss and the noise of real places: are they cut out whole, each for itself, and
//! is nothing else?

use super::mixes::{Noise, power};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secondlook::domain::{CutBy, VoiceCut};
use secondlook::ingest::listen::Listener;
use secondlook::media::{Resampler, Sound, decode_sound};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

const RATE_HZ: u32 = 16_000;
/// Of a stream: numbers, words of each, seconds between words and between numbers.
const NUMBERS: usize = 4;
const WORDS: std::ops::RangeInclusive<usize> = 3..=7;
const PAUSE_SECS: Range<f64> = 0.0..0.4;
const SILENCE_SECS: Range<f64> = 1.0..3.0;
/// Speech above the noise; nearly none first.
const SNR_DB: [f32; 4] = [50.0, 20.0, 10.0, 5.0];
/// Noises that somebody can work in; what barks, cries or crows is as a voice to any network.
const PLACES: [&str; 6] = ["rain", "sea waves", "helicopter", "chainsaw", "crackling fire", "clock tick"];
/// A take begins and ends where it is within this of its loudest moment.
const EDGE_DB: f32 = 30.0;
const EDGE_SECS: f64 = 0.01;
/// What is cut out this far from a number is not cut out for it.
const AROUND_SECS: f64 = 0.35;

fn samples(secs: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length")]
    let samples = (secs * f64::from(RATE_HZ)) as usize;
    samples
}

fn at_rate(sound: &Sound) -> Vec<f32> {
    let mut out = Vec::new();
    Resampler::new(sound.rate_hz, RATE_HZ, 1).push(&sound.mono(), &mut out);
    out
}

/// Labelled sounds of a data set, by group or by label.
fn read(dataset: &Path, key: &str, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<Vec<f32>>> {
    let list = fs::read_to_string(dataset.join("items.jsonl")).expect("a data set with items.jsonl");
    let mut found: BTreeMap<String, Vec<Vec<f32>>> = BTreeMap::new();
    for line in list.lines() {
        let item: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = item[key].as_str().unwrap_or_default();
        if wanted(name) {
            let bytes = fs::read(dataset.join(item["media"].as_str().unwrap())).unwrap();
            found.entry(name.to_owned()).or_default().push(at_rate(&decode_sound(&bytes).unwrap()));
        }
    }
    found
}

/// Without what is silent around it.
fn trimmed(take: &[f32]) -> &[f32] {
    let hop = samples(EDGE_SECS);
    let powers: Vec<f32> = take.chunks(hop).map(power).collect();
    let loudest = powers.iter().fold(0.0_f32, |a, b| a.max(*b));
    let is_loud = |p: &f32| *p > loudest * 10.0_f32.powf(-EDGE_DB / 10.0);
    let first = powers.iter().position(is_loud).unwrap_or(0);
    let last = powers.iter().rposition(is_loud).unwrap_or(0);
    &take[first * hop..((last + 1) * hop).min(take.len())]
}

struct Stream {
    samples: Vec<f32>,
    words: Vec<Range<usize>>,
    numbers: Vec<Range<usize>>,
}

fn stream(takes: &[Vec<f32>], rng: &mut ChaCha8Rng) -> Stream {
    let mut out = Stream { samples: Vec::new(), words: Vec::new(), numbers: Vec::new() };
    let silence = |out: &mut Vec<f32>, secs: f64| out.resize(out.len() + samples(secs), 0.0);
    silence(&mut out.samples, rng.random_range(SILENCE_SECS));
    for _ in 0..NUMBERS {
        let first = out.samples.len();
        let mut last = first;
        for _ in 0..rng.random_range(WORDS) {
            let take = trimmed(takes.choose(rng).unwrap());
            let from = out.samples.len();
            out.samples.extend_from_slice(take);
            last = out.samples.len();
            out.words.push(from..last);
            silence(&mut out.samples, rng.random_range(PAUSE_SECS));
        }
        out.numbers.push(first..last);
        silence(&mut out.samples, rng.random_range(SILENCE_SECS));
    }
    out
}

#[derive(Default)]
struct Tally {
    words: usize,
    whole: usize,
    numbers: usize,
    single: usize,
    silence: usize,
    false_samples: usize,
    begins: Vec<f64>,
    ends: Vec<f64>,
}

impl Tally {
    fn count(&mut self, stream: &Stream, cuts: &[Range<usize>], cut: &VoiceCut) {
        let [pre, post] = [cut.pre_roll_secs, cut.post_roll_secs].map(samples);
        self.words += stream.words.len();
        self.whole += stream
            .words
            .iter()
            .filter(|word| cuts.iter().any(|cut| cut.start <= word.start + pre && cut.end + post >= word.end))
            .count();
        self.numbers += stream.numbers.len();
        for number in &stream.numbers {
            let over: Vec<_> =
                cuts.iter().filter(|cut| cut.start < number.end && cut.end > number.start).collect();
            if let [cut] = over[..] {
                self.single += 1;
                let secs = |a: usize, b: usize| (a as f64 - b as f64) / f64::from(RATE_HZ);
                self.begins.push(secs(cut.start, number.start));
                self.ends.push(secs(cut.end, number.end));
            }
        }
        let around = samples(AROUND_SECS);
        let is_number =
            |at: usize| stream.numbers.iter().any(|n| n.start <= at + around && at < n.end + around);
        let step = samples(EDGE_SECS);
        let moments = |range: Range<usize>| range.step_by(step).filter(|at| !is_number(*at)).count() * step;
        self.silence += moments(0..stream.samples.len());
        self.false_samples += cuts.iter().map(|cut| moments(cut.clone())).sum::<usize>();
    }

    fn row(&mut self) -> String {
        let middle = |values: &mut Vec<f64>| {
            values.sort_by(f64::total_cmp);
            let at = |share: usize| values.get(values.len() * share / 100).copied().unwrap_or(f64::NAN);
            format!("{:+.2} ({:+.2} to {:+.2})", at(50), at(5), at(95))
        };
        let (begins, ends) = (middle(&mut self.begins), middle(&mut self.ends));
        format!(
            "{:.3} | {:.3} | {:.3} | {begins} | {ends}",
            1.0 - self.whole as f64 / self.words as f64,
            self.single as f64 / self.numbers as f64,
            self.false_samples as f64 / self.silence as f64
        )
    }
}

/// `SPEECH NOISE`: a data set of spoken words by `group`, and one of noises by `label`.
pub fn run(speech: &Path, noise: &Path) {
    let speakers = read(speech, "group", |name| !name.is_empty());
    let mut noises: Vec<(String, Noise)> =
        vec![("hiss".to_owned(), Noise::White), ("hum and rumble".to_owned(), Noise::Pink)];
    for (name, clips) in read(noise, "label", |name| PLACES.contains(&name)) {
        noises.extend(clips.into_iter().take(4).map(|clip| (name.clone(), Noise::Clip(clip))));
    }
    let bare = VoiceCut { pre_roll_secs: 0.0, post_roll_secs: 0.0, ..VoiceCut::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut tallies: BTreeMap<(usize, String), Tally> = BTreeMap::new();
    let (mut heard_secs, mut took_secs) = (0.0, 0.0);
    for takes in speakers.values() {
        for (name, noise) in &noises {
            for (at, snr_db) in SNR_DB.iter().enumerate() {
                let mut stream = stream(takes, &mut rng);
                let said: Vec<f32> =
                    stream.words.iter().flat_map(|word| stream.samples[word.clone()].to_vec()).collect();
                let added = noise.draw(stream.samples.len(), &mut rng);
                let gain = (power(&said) / power(&added) / 10.0_f32.powf(snr_db / 10.0)).sqrt();
                let quiet = 10.0_f32.powf(-rng.random_range(0.0..1.0));
                for (v, noise) in stream.samples.iter_mut().zip(added) {
                    *v = (*v + gain * noise) * quiet;
                }
                let started = Instant::now();
                let mut listener = Listener::new(&CutBy::Voice(bare), RATE_HZ, 1);
                let mut clips = Vec::new();
                for piece in stream.samples.chunks(512) {
                    listener.push(piece, &mut clips);
                }
                clips.extend(listener.finish());
                took_secs += started.elapsed().as_secs_f64();
                heard_secs += stream.samples.len() as f64 / f64::from(RATE_HZ);
                let place = |frame: u64| usize::try_from(frame).unwrap();
                let cuts: Vec<_> = clips.iter().map(|clip| place(clip.start)..place(clip.end)).collect();
                for name in [name.as_str(), "all"] {
                    let tally = tallies.entry((at, name.to_owned())).or_default();
                    tally.count(&stream, &cuts, &VoiceCut::default());
                }
            }
        }
    }
    println!("{:.0} min of streams, {:.1} ms for a second", heard_secs / 60.0, 1e3 * took_secs / heard_secs);
    println!(
        "| SNR, dB | noise | words missed | numbers in one clip | of the rest, cut out | begins, s | ends, s |"
    );
    println!("|---|---|---|---|---|---|---|");
    for ((at, name), tally) in &mut tallies {
        println!("| {:.0} | {name} | {} |", SNR_DB[*at], tally.row());
    }
}
