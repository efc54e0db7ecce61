//! The waveform of a sound of any length: smallest, largest and mean power of ever longer
//! stretches, filled in while somebody already looks at it.

use super::SoundFile;
use crate::media::MediaError;
use parking_lot::{Mutex, RwLock};
use std::collections::VecDeque;
use std::ops::Range;

/// The finest stretch; a screen shows a few thousand columns, below them samples are read.
const BIN_FRAMES: u64 = 256;
/// Each level is so many times coarser than the one below.
const FACTOR: usize = 4;
/// Bins of the finest level, channels together, at 16 bytes with all coarser ones: 3 hours of stereo at
/// 44.1 kHz have 3.7 million. What is longer begins at a coarser level.
const BINS_MAX: u64 = 4_000_000;
/// Read at a time, in bins: what falls on one bin of the fifth level.
const CHUNK_BINS: u16 = 256;
/// Chunks spread over the whole that come first, so that its shape is seen at once.
const OVERVIEW_CHUNKS: u64 = 96;
/// Chunks in a row that one thread takes: compressed sound is dear to jump into.
const RUN_CHUNKS: u64 = 64;
/// Samples that are measured side by side.
const LANES: usize = 16;

/// What one channel does in a stretch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    pub min: f32,
    pub max: f32,
    pub mean_square: f32,
}

impl Peak {
    const UNKNOWN: Self = Self { min: f32::INFINITY, max: f32::NEG_INFINITY, mean_square: 0.0 };

    fn known(self) -> Option<Self> {
        (self.min <= self.max).then_some(self)
    }

    /// Of stretches of the same length, of which some may be unknown.
    fn of(parts: impl Iterator<Item = Self>) -> Self {
        let (mut all, mut count) = (Self::UNKNOWN, 0.0_f32);
        for part in parts.filter_map(Self::known) {
            all.min = all.min.min(part.min);
            all.max = all.max.max(part.max);
            all.mean_square += part.mean_square;
            count += 1.0;
        }
        all.mean_square /= count.max(1.0);
        all
    }
}

/// A pyramid of [`Peak`]s. Any number of threads fill it, each with a file of its own, while others look.
pub struct Peaks {
    frames: u64,
    channels: usize,
    bin_frames: u64,
    /// The finest first; within a level bin by bin, within a bin channel by channel.
    levels: RwLock<Vec<Vec<Peak>>>,
    /// Ranges of chunks that nobody has taken.
    jobs: Mutex<VecDeque<Range<u64>>>,
    /// Chunks that are known.
    known: Mutex<Vec<bool>>,
}

impl Peaks {
    #[must_use]
    pub fn new(file: &SoundFile) -> Self {
        let (frames, channels) = (file.frames(), file.channels() as usize);
        let mut bin_frames = BIN_FRAMES;
        while frames.div_ceil(bin_frames) * channels as u64 > BINS_MAX {
            bin_frames *= FACTOR as u64;
        }
        let chunks = frames.div_ceil(bin_frames * u64::from(CHUNK_BINS));
        let overview = chunks.min(OVERVIEW_CHUNKS);
        let spread = (0..overview).map(|at| at * chunks / overview.max(1)).map(|chunk| chunk..chunk + 1);
        let runs =
            (0..chunks.div_ceil(RUN_CHUNKS)).map(|run| run * RUN_CHUNKS..chunks.min((run + 1) * RUN_CHUNKS));
        let is_short = chunks <= OVERVIEW_CHUNKS;
        let jobs = spread.filter(|_| !is_short).chain(runs).collect();
        let known = usize::try_from(chunks).map_or_else(|_| Vec::new(), |chunks| vec![false; chunks]);
        let levels = RwLock::new(empty_levels(frames.div_ceil(bin_frames), channels));
        Self { frames, channels, bin_frames, levels, jobs: Mutex::new(jobs), known: Mutex::new(known) }
    }

    /// Takes part in filling, until nothing is left to take or `keep_going` says no.
    pub fn fill(&self, file: &mut SoundFile, keep_going: &dyn Fn() -> bool) -> Result<(), MediaError> {
        let chunk_frames = self.bin_frames * u64::from(CHUNK_BINS);
        let count = usize::try_from(chunk_frames).unwrap_or(usize::MAX);
        let mut samples = Vec::new();
        loop {
            let Some(chunks) = self.jobs.lock().pop_front() else { return Ok(()) };
            for chunk in chunks.clone() {
                if !keep_going() {
                    self.jobs.lock().push_front(chunk..chunks.end);
                    return Ok(());
                }
                file.read(chunk * chunk_frames, count, &mut samples)?;
                self.put(chunk, &samples);
            }
        }
    }

    /// The share that is known.
    pub fn share(&self) -> f64 {
        let known = self.known.lock();
        known.iter().filter(|known| **known).count() as f64 / known.len().max(1) as f64
    }

    /// One channel in `columns` stretches of equal length; `None` where nothing is known yet.
    #[must_use]
    pub fn view(&self, channel: u32, frames: Range<u64>, columns: usize) -> Vec<Option<Peak>> {
        let channel = (channel as usize).min(self.channels.saturating_sub(1));
        let length = frames.end.saturating_sub(frames.start).max(1) as f64 / columns.max(1) as f64;
        let levels = self.levels.read();
        // The coarsest level that is no coarser than a column.
        let (mut level, mut bin_frames) = (0, self.bin_frames as f64);
        while level + 1 < levels.len() && bin_frames * FACTOR as f64 <= length {
            (level, bin_frames) = (level + 1, bin_frames * FACTOR as f64);
        }
        let bins = levels.get(level).map_or(&[][..], Vec::as_slice);
        let count = bins.len() / self.channels.max(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the bins there are"
        )]
        let index = |frame: f64| ((frame / bin_frames).max(0.0) as usize).min(count);
        (0..columns)
            .map(|column| {
                let begin = frames.start as f64 + length * column as f64;
                if begin >= self.frames as f64 {
                    return None;
                }
                let first = index(begin);
                let end = index((begin + length).ceil() - 1.0).saturating_add(1).clamp(first, count);
                Peak::of((first..end).map(|bin| bins[bin * self.channels + channel])).known()
            })
            .collect()
    }

    fn put(&self, chunk: u64, samples: &[f32]) {
        let bin_samples = usize::try_from(self.bin_frames).unwrap_or(usize::MAX) * self.channels;
        let mut bins = Vec::with_capacity(samples.len().div_ceil(bin_samples) * self.channels);
        for bin in samples.chunks(bin_samples) {
            measure(bin, self.channels, &mut bins);
        }
        let Ok(chunk) = usize::try_from(chunk) else { return };
        let mut first = chunk * usize::from(CHUNK_BINS);
        let mut levels = self.levels.write();
        let mut count = bins.len() / self.channels;
        for (at, peak) in bins.into_iter().enumerate() {
            levels[0][first * self.channels + at] = peak;
        }
        for level in 1..levels.len() {
            let (below, above) = levels.split_at_mut(level);
            let (below, above) = (&below[level - 1], &mut above[0]);
            let end = (first + count).div_ceil(FACTOR);
            first /= FACTOR;
            count = end - first;
            for bin in first..end {
                for channel in 0..self.channels {
                    let parts = (bin * FACTOR..(bin + 1) * FACTOR)
                        .filter_map(|part| below.get(part * self.channels + channel).copied());
                    above[bin * self.channels + channel] = Peak::of(parts);
                }
            }
        }
        drop(levels);
        self.known.lock()[chunk] = true;
    }
}

fn empty_levels(bins: u64, channels: usize) -> Vec<Vec<Peak>> {
    let mut bins = usize::try_from(bins).unwrap_or(0);
    let mut levels = vec![vec![Peak::UNKNOWN; bins * channels]];
    while bins > 1 {
        bins = bins.div_ceil(FACTOR);
        levels.push(vec![Peak::UNKNOWN; bins * channels]);
    }
    levels
}

/// Appends one [`Peak`] for each channel of interleaved samples.
fn measure(samples: &[f32], channels: usize, out: &mut Vec<Peak>) {
    let frames = (samples.len() / channels).max(1) as f32;
    let (mut min, mut max, mut squares) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES], [0.0; LANES]);
    let mut take = |lane: usize, sample: f32| {
        // Not `f32::min`, whose care for NaN keeps it out of vector registers; there is none here.
        min[lane] = if sample < min[lane] { sample } else { min[lane] };
        max[lane] = if sample > max[lane] { sample } else { max[lane] };
        squares[lane] += sample * sample;
    };
    if LANES.is_multiple_of(channels) {
        let (rows, rest) = samples.as_chunks::<LANES>();
        for row in rows {
            for (lane, &sample) in row.iter().enumerate() {
                take(lane, sample);
            }
        }
        for (lane, &sample) in rest.iter().enumerate() {
            take(lane, sample);
        }
        for channel in 0..channels {
            let lanes = (channel..LANES).step_by(channels);
            out.push(Peak {
                min: lanes.clone().map(|lane| min[lane]).fold(f32::INFINITY, f32::min),
                max: lanes.clone().map(|lane| max[lane]).fold(f32::NEG_INFINITY, f32::max),
                mean_square: lanes.map(|lane| squares[lane]).sum::<f32>() / frames,
            });
        }
        return;
    }
    for channel in 0..channels {
        let mut peak = Peak::UNKNOWN;
        for &sample in samples.iter().skip(channel).step_by(channels) {
            peak.min = peak.min.min(sample);
            peak.max = peak.max.max(sample);
            peak.mean_square += sample * sample;
        }
        peak.mean_square /= frames;
        out.push(peak);
    }
}

#[cfg(test)]
#[path = "peaks_tests.rs"]
mod tests;
