//! Real clips laid into noise at times that are known: does a model that was only told names say when and in
//! which band?

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use realfft::RealFftPlanner;
use secondlook::domain::{EnergyCut, Shape};
use secondlook::infer::Model;
use secondlook::ingest::cut::Envelope;
use secondlook::media::{Decoded, Sound, SoundFile, decode_sound};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

/// Length of a mix, and of the events that are short enough to have a place in it.
const SECS: f64 = 5.0;
const EVENT_SECS: [f64; 2] = [0.1, 2.0];
/// Mixes for each event and loudness.
const TIMES: usize = 4;
/// Events above the noise.
const SNR_DB: [f32; 3] = [20.0, 10.0, 0.0];
/// Of an event's power, this share lies inside of its band.
const BAND_SHARE: f64 = 0.9;
/// A region finds an event when both share at least so much of their union of time.
const FOUND: f64 = 1.0 / 3.0;

struct Event {
    class: String,
    sound: Sound,
    band_hz: [f64; 2],
}

/// Events are the single loud stretches of the clips of one fold.
fn events(dataset: &Path, fold: &str) -> Vec<Event> {
    let list = fs::read_to_string(dataset.join("items.jsonl")).expect("a data set with items.jsonl");
    let mut found = Vec::new();
    for line in list.lines() {
        let item: serde_json::Value = serde_json::from_str(line).unwrap();
        let its_fold = item["fold"].to_string();
        if its_fold != fold {
            continue;
        }
        let path = dataset.join(item["media"].as_str().unwrap());
        let mut file = SoundFile::new(File::open(&path).unwrap()).unwrap();
        let cut = EnergyCut { pre_roll_secs: 0.0, post_roll_secs: 0.0, ..EnergyCut::default() };
        let cuts = Envelope::of(&mut file, &|| true).unwrap().unwrap().cuts(&cut);
        let rate = f64::from(file.rate_hz());
        let is_short = |secs: f64| (EVENT_SECS[0]..EVENT_SECS[1]).contains(&secs);
        let longest = cuts.into_iter().max_by_key(|cut| cut.end - cut.start);
        let Some(cut) = longest.filter(|cut| is_short((cut.end - cut.start) as f64 / rate)) else { continue };
        let whole = decode_sound(&fs::read(&path).unwrap()).unwrap();
        let mono = whole.mono();
        let range = usize::try_from(cut.start).unwrap()..usize::try_from(cut.end).unwrap().min(mono.len());
        let sound = Sound { rate_hz: whole.rate_hz, channels: 1, samples: mono[range].to_vec() };
        let band_hz = band_of(&sound);
        found.push(Event { class: item["label"].as_str().unwrap().to_owned(), sound, band_hz });
    }
    found
}

/// The narrowest-tailed band that holds most of the power.
fn band_of(sound: &Sound) -> [f64; 2] {
    let mut samples = sound.samples.clone();
    let count = samples.len();
    let plan = RealFftPlanner::new().plan_fft_forward(count);
    let mut bins = plan.make_output_vec();
    plan.process(&mut samples, &mut bins).unwrap();
    let power: Vec<f64> = bins.iter().map(|bin| f64::from(bin.norm_sqr())).collect();
    let total: f64 = power.iter().sum();
    let place = |share: f64| {
        let mut below = 0.0;
        let at = power.iter().position(|p| {
            below += p;
            below >= total * share
        });
        at.unwrap_or(power.len()) as f64 * f64::from(sound.rate_hz) / count as f64
    };
    [place((1.0 - BAND_SHARE) / 2.0), place(1.0 - (1.0 - BAND_SHARE) / 2.0)]
}

/// What lies under everything.
pub enum Noise {
    White,
    /// Falls by 3 dB an octave.
    Pink,
    /// A clip, again and again.
    Clip(Vec<f32>),
}

impl Noise {
    pub fn draw(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut octaves = [0.0_f32; 12];
        (0..count)
            .map(|at| match self {
                Self::White => rng.random_range(-1.0..1.0),
                Self::Clip(clip) => clip[at % clip.len()],
                Self::Pink => {
                    // Each octave's value is drawn anew half as often as that of the one above it (Voss,
                    // McCartney).
                    let which = (at.trailing_zeros() as usize).min(octaves.len() - 1);
                    octaves[which] = rng.random_range(-1.0..1.0);
                    octaves.iter().sum::<f32>() + rng.random_range(-1.0..1.0)
                }
            })
            .collect()
    }
}

pub fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|v| v * v).sum::<f32>() / samples.len() as f32
}

/// One event in noise that falls by 3 dB an octave, and where it begins.
fn mix(event: &Event, snr_db: f32, rng: &mut ChaCha8Rng) -> (Sound, f64) {
    let rate = event.sound.rate_hz;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "five seconds")]
    let count = (SECS * f64::from(rate)) as usize;
    let mut noise = Noise::Pink.draw(count, rng);
    let gain = (power(&event.sound.samples) / power(&noise) / 10.0_f32.powf(snr_db / 10.0)).sqrt();
    for v in &mut noise {
        *v *= gain;
    }
    let first = rng.random_range(0..count - event.sound.samples.len());
    for (to, from) in noise[first..].iter_mut().zip(&event.sound.samples) {
        *to += from;
    }
    let sound = Sound { rate_hz: rate, channels: 1, samples: noise };
    (sound, first as f64 / f64::from(rate))
}

fn overlap(a: [f64; 2], b: [f64; 2]) -> f64 {
    let both = (a[1].min(b[1]) - a[0].max(b[0])).max(0.0);
    both / (a[1] - a[0] + b[1] - b[0] - both)
}

#[derive(Default)]
struct Tally {
    mixes: usize,
    named: usize,
    found: usize,
    time: f64,
    band: f64,
}

/// `MODEL DATASET FOLD`: the model must not have learnt from this fold.
pub fn run(model: &Path, dataset: &Path, fold: &str) {
    let model = Model::load(model).expect("a package");
    let events = events(dataset, fold);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut tallies: BTreeMap<(usize, String), Tally> = BTreeMap::new();
    for event in &events {
        for (loudness, &snr_db) in SNR_DB.iter().enumerate() {
            for _ in 0..TIMES {
                let (sound, begin) = mix(event, snr_db, &mut rng);
                let truth = [begin, begin + event.sound.secs()];
                let input = model.prepare(&Decoded::Sound(sound), None).unwrap();
                let output = model.predict(&input, 1).unwrap();
                let is_named = output.probabilities[&event.class]
                    == *output.probabilities.values().max_by(|a, b| a.get().total_cmp(&b.get())).unwrap();
                let places = output.regions.iter().filter_map(|region| match region.shape {
                    Shape::Span { span_secs, band_hz } if region.class == event.class => {
                        Some((overlap(span_secs, truth), band_hz.map_or(0.0, |b| overlap(b, event.band_hz))))
                    }
                    _ => None,
                });
                let (time, band) = places.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default();
                for name in [&event.class, "all"] {
                    let tally = tallies.entry((loudness, name.to_owned())).or_default();
                    tally.mixes += 1;
                    tally.named += usize::from(is_named);
                    tally.found += usize::from(time >= FOUND);
                    tally.time += time;
                    tally.band += band;
                }
            }
        }
    }
    println!("{} events of fold {fold}, {TIMES} mixes of {SECS} s each", events.len());
    println!("| SNR, dB | class | mixes | named | found | IoU of time | IoU of the band |");
    println!("|---|---|---|---|---|---|---|");
    for ((loudness, class), tally) in &tallies {
        let share = |value: f64| value / tally.mixes as f64;
        println!(
            "| {:.0} | {class} | {} | {:.2} | {:.2} | {:.2} | {:.2} |",
            SNR_DB[*loudness],
            tally.mixes,
            share(tally.named as f64),
            share(tally.found as f64),
            share(tally.time),
            share(tally.band)
        );
    }
}
