//! Examples of what is said: joined takes, changed at random, as the network's input and its labels.
//!
//! What is drawn depends only on seed, epoch and position, never on threads.

use super::join::{Joined, add_noise, join};
use super::sound::{in_room, noise, played, rms, through_band};
use super::{RATE_HZ, Speakers, SpeechSettings};
use crate::infer::{Grammar, InferError, Input, InputSpec, normalisation, prepare};
use crate::learn::settings::Augmentation;
use crate::learn::surroundings::colour;
use crate::media::{MelSpec, Sound, mel_picture};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Lengths of examples, in columns: with some a batch shows short sounds, with some long ones.
const WIDTHS: [u32; 4] = [192, 320, 448, 640];
/// Recordings of several words are seen whole up to this.
const WIDTH_MAX: u32 = 2048;
/// How much longer than a take its example may have to be: played slower, with silence before it.
const ROOMIER: f64 = 1.5;
/// Longest silence where nothing is said.
const NOTHING_SECS: f64 = 6.0;
/// Takes that begin before the last one has ended, and by how much.
const RUN_ON: f64 = 0.15;
const RUN_ON_SECS: f64 = 0.06;
/// Recordings with no noise of their own.
const GATED: f64 = 0.15;
/// Longest silence at either end.
const ENDS_SECS: f64 = 0.5;
/// Stretches and bands that are hidden, each (Park et al., 2019).
const HIDDEN: usize = 2;
/// What is held out is heard without noise and at these ratios, in turn.
const HELD_SNR_DB: [Option<f32>; 4] = [None, Some(20.0), Some(10.0), Some(5.0)];

/// A batch for the network: `[n, 1, rows, width]`, and what is said in each.
pub(in crate::learn) struct Spoken {
    pub values: Vec<f32>,
    pub width: u32,
    pub labels: Vec<Vec<usize>>,
}

/// Values of one example, and what is said in it.
type Drawn = (Vec<f32>, Vec<usize>);

/// The examples of one batch, each begun with one of the takes `order`.
pub(in crate::learn) fn examples(
    speakers: &Speakers<'_>,
    order: &[usize],
    spec: &InputSpec,
    settings: (&SpeechSettings, &Augmentation),
    key: [u64; 3],
) -> Result<Spoken, InferError> {
    let [seed, epoch, batch] = key;
    let mut rng = seeded([seed, epoch, batch, u64::MAX]);
    let width = WIDTHS.choose(&mut rng).copied().unwrap_or(WIDTHS[0]);
    let longest = order.iter().map(|&at| speakers.takes[at].samples.len()).max().unwrap_or(0);
    let longest_secs = ROOMIER * longest as f64 / f64::from(RATE_HZ) + ENDS_SECS;
    let needed = spec.sound.as_ref().map_or(0, |sound| sound.columns(longest_secs)).next_multiple_of(32);
    let width = width.max(needed.min(WIDTH_MAX));
    let spec = InputSpec { width_px: width, ..spec.clone() };
    let drawn: Result<Vec<Drawn>, InferError> = order
        .par_iter()
        .enumerate()
        .map(|(i, &first)| {
            let mut rng = seeded([seed, epoch, batch, i as u64]);
            example(speakers, first, &spec, settings, &mut rng)
        })
        .collect();
    let (values, labels): (Vec<Vec<f32>>, _) = drawn?.into_iter().unzip();
    Ok(Spoken { values: values.concat(), width, labels })
}

fn seeded(key: [u64; 4]) -> ChaCha8Rng {
    let mut seed = [0_u8; 32];
    for (bytes, part) in seed.as_chunks_mut::<8>().0.iter_mut().zip(key) {
        *bytes = part.to_le_bytes();
    }
    ChaCha8Rng::from_seed(seed)
}

fn within(rng: &mut ChaCha8Rng, limit: f32) -> f32 {
    if limit > 0.0 { rng.random_range(-limit..=limit) } else { 0.0 }
}

fn chance(rng: &mut ChaCha8Rng, share: f32) -> bool {
    rng.random_bool(f64::from(share).clamp(0.0, 1.0))
}

fn example(
    speakers: &Speakers<'_>,
    first: usize,
    spec: &InputSpec,
    (s, a): (&SpeechSettings, &Augmentation),
    rng: &mut ChaCha8Rng,
) -> Result<Drawn, InferError> {
    let Some(hearing) = &spec.sound else { return Err(InferError::IsSound) };
    // Another pace is other columns, and other formants are other bands: neither needs new samples.
    let hop_secs = hearing.hop_secs * f64::from(within(rng, s.pace).exp());
    let hearing =
        MelSpec { hop_secs, high_hz: hearing.high_hz * f64::from(within(rng, s.formants).exp()), ..*hearing };
    let room_secs = f64::from(spec.width_px) * hop_secs;
    let (mut joined, labels) = string(speakers, first, room_secs, s, rng);
    surround(speakers, &mut joined, s, rng);
    let gain = 10.0_f32.powf(-rng.random_range(0.0..=s.quiet_db.max(0.0)) / 20.0);
    for v in &mut joined.samples {
        *v *= gain;
    }
    let sound = Sound { rate_hz: RATE_HZ, channels: 1, samples: joined.samples };
    let input = prepare(spec, &mel_picture(&sound, &hearing), None)?;
    Ok((values(&input, spec, s, a, rng), labels))
}

/// Takes of the speaker of the first, as many as there is room for, and what they say.
fn string(
    speakers: &Speakers<'_>,
    first: usize,
    room_secs: f64,
    s: &SpeechSettings,
    rng: &mut ChaCha8Rng,
) -> (Joined, Vec<usize>) {
    if chance(rng, s.silence) {
        // Somebody may be there, and say nothing.
        let samples =
            vec![0.0; super::join::samples_of(rng.random_range(0.3..=1.0) * room_secs.min(NOTHING_SECS))];
        return (Joined { samples, level: 0.05 }, Vec::new());
    }
    let is_foreign = chance(rng, s.foreign);
    let pitch = within(rng, s.speed).exp();
    let (mut takes, mut labels, mut pauses) =
        (Vec::new(), Vec::new(), vec![rng.random_range(0.0..ENDS_SECS)]);
    let mut secs = pauses[0];
    let wanted = rng.random_range(1..=s.words_max.max(1));
    let mut at = first;
    while takes.len() < wanted {
        let take = speakers.takes[at];
        let mut samples = played(&take.samples, pitch * within(rng, s.unsteady).exp());
        let loud = 10.0_f32.powf(within(rng, s.uneven_db) / 20.0);
        for v in &mut samples {
            *v *= loud;
        }
        if is_foreign {
            samples.reverse();
        }
        secs += samples.len() as f64 / f64::from(RATE_HZ);
        // The first is heard even if it is cut off nowhere: a window has room for a word.
        if secs > room_secs && !takes.is_empty() {
            pauses.pop();
            break;
        }
        takes.push(samples);
        if !is_foreign {
            labels.extend(&take.words);
        }
        let pause = pause(s, rng);
        secs += pause;
        pauses.push(pause);
        at = speakers.beside(at).choose(rng).copied().unwrap_or(at);
    }
    pauses.truncate(takes.len());
    pauses.push(rng.random_range(0.0..ENDS_SECS));
    let mut joined = join(&takes, &pauses);
    joined.samples.truncate(super::join::samples_of(room_secs));
    (joined, labels)
}

fn pause(s: &SpeechSettings, rng: &mut ChaCha8Rng) -> f64 {
    if rng.random_bool(RUN_ON) {
        -rng.random_range(0.0..RUN_ON_SECS)
    } else {
        rng.random_range(0.0..=f64::from(s.pause_secs.max(0.0)))
    }
}

/// Rooms, telephones, noise, and other voices.
fn surround(speakers: &Speakers<'_>, joined: &mut Joined, s: &SpeechSettings, rng: &mut ChaCha8Rng) {
    if chance(rng, s.room) {
        let (secs, share) = (rng.random_range(0.08..0.5), rng.random_range(0.1..0.4));
        in_room(rng, &mut joined.samples, RATE_HZ, secs, share);
    }
    if chance(rng, s.voices) {
        let other = babble(speakers, joined.samples.len(), rng);
        add_noise(joined, &other, rng.random_range(s.snr_db_min.max(8.0)..40.0));
    }
    // Where a gate or a machine made the pauses, they are digital silence.
    if !rng.random_bool(GATED) {
        let snr_db = if chance(rng, s.noise) {
            rng.random_range(s.snr_db_min..=35.0)
        } else {
            rng.random_range(35.0..=60.0)
        };
        let noise = noise(rng, joined.samples.len());
        add_noise(joined, &noise, snr_db);
    }
    if chance(rng, s.telephone) {
        let (low, high) = (rng.random_range(100.0..400.0), rng.random_range(2200.0..3700.0));
        through_band(&mut joined.samples, RATE_HZ, low, high);
    }
}

/// Other voices of level 1: takes of anybody, backwards, so that they say nothing.
fn babble(speakers: &Speakers<'_>, length: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut samples = vec![0.0; length];
    for _ in 0..rng.random_range(1..=3) {
        let mut at = 0;
        while at < length {
            let Some(take) = speakers.takes.choose(rng) else { break };
            let voice = take.samples.iter().rev();
            samples[at..].iter_mut().zip(voice).for_each(|(v, other)| *v += other);
            at += take.samples.len().max(1) + rng.random_range(0..RATE_HZ as usize / 4);
        }
    }
    let level = rms(&samples).max(1e-6);
    for v in &mut samples {
        *v /= level;
    }
    samples
}

/// Through another microphone, with parts hidden, on the network's scale.
fn values(
    input: &Input,
    spec: &InputSpec,
    s: &SpeechSettings,
    a: &Augmentation,
    rng: &mut ChaCha8Rng,
) -> Vec<f32> {
    let (bytes, canvas, rows) = input.canvas();
    let width = spec.width_px as usize;
    let mut values: Vec<f32> = (0..rows)
        .flat_map(|y| bytes[y * canvas..][..width.min(canvas)].iter().map(|&v| f32::from(v)))
        .collect();
    if a.colour > 0.0 {
        colour(rng, &mut values, spec, a);
    }
    for _ in 0..HIDDEN {
        let columns = stretch(rng, width, s.hidden_columns);
        let bands = stretch(rng, rows, s.hidden_bands);
        for (y, row) in values.chunks_exact_mut(width).enumerate() {
            let hidden = if bands.contains(&y) { 0..width } else { columns.clone() };
            row[hidden].fill(127.5);
        }
    }
    let table = normalisation(spec, 0);
    let (zero, unit) = (table[0], (table[255] - table[0]) / 255.0);
    for v in &mut values {
        *v = zero + unit * v.clamp(0.0, 255.0);
    }
    values
}

/// Somewhere along a side, at most `most` long.
fn stretch(rng: &mut ChaCha8Rng, side: usize, most: usize) -> std::ops::Range<usize> {
    let length = rng.random_range(0..=most.min(side));
    let from = rng.random_range(0..=side - length);
    from..from + length
}

/// A string that no weights are fitted on.
pub(in crate::learn) struct Heard {
    pub input: Input,
    pub text: String,
}

/// Strings of takes that do not train, a take in each at the least: without noise and with, unchanged else.
pub(in crate::learn) fn held_out(
    speakers: &Speakers<'_>,
    spec: &InputSpec,
    grammar: &Grammar,
    s: &SpeechSettings,
    seed: u64,
) -> Result<Vec<Heard>, InferError> {
    let Some(hearing) = &spec.sound else { return Err(InferError::IsSound) };
    let count = if speakers.takes.is_empty() { 0 } else { s.held_out };
    let plain = SpeechSettings { speed: 0.0, unsteady: 0.0, ..s.clone() };
    (0..count)
        .into_par_iter()
        .map(|i| {
            let mut rng = seeded([seed, u64::MAX, 0, i as u64]);
            let first = i * speakers.takes.len() / count;
            // As many single words as strings: both are asked.
            let words_max = if (i / HELD_SNR_DB.len()).is_multiple_of(2) { 1 } else { s.words_max };
            let s = SpeechSettings { words_max, ..plain.clone() };
            let (mut joined, labels) = string(speakers, first, 60.0, &s, &mut rng);
            let noise = noise(&mut rng, joined.samples.len());
            add_noise(&mut joined, &noise, HELD_SNR_DB[i % HELD_SNR_DB.len()].unwrap_or(50.0));
            let sound = Sound { rate_hz: RATE_HZ, channels: 1, samples: joined.samples };
            let input = prepare(spec, &mel_picture(&sound, hearing), None)?;
            Ok(Heard { input, text: grammar.text(&labels) })
        })
        .collect()
}
