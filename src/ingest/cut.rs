//! Where to cut a long recording: into windows of one length, or around what rises above its noise.
//!
//! Cuts are ranges in frames of the original, which is never changed. A recording is walked over
//! once and leaves one number for every two milliseconds, so that hours need no memory.

use crate::domain::EnergyCut;
use crate::media::{MediaError, SoundFile};
use std::ops::Range;

/// The grid on which sounds begin and end.
const HOP_SECS: f64 = 0.002;
/// A level is the power over so many hops, so that the swing of a low tone is no pause.
const SMOOTH_HOPS: usize = 9;
/// The noise floor is what this share of levels stays below, over so long a time around each moment:
/// longer than what is cut out, shorter than a shift.
const FLOOR_SHARE: f64 = 0.1;
const FLOOR_SECS: f64 = 30.0;
/// Digital silence has no noise; nothing below rises above it.
const FLOOR_DB_MIN: f64 = -80.0;
/// Read at a time; of many channels at high rates less: 16 MB.
const BLOCK_HOPS: usize = 4_096;
const BLOCK_SAMPLES: usize = 4_000_000;

/// The power of a recording on the grid, channels together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Envelope {
    rate_hz: u32,
    frames: u64,
    hop_frames: u64,
    powers: Vec<f32>,
}

impl Envelope {
    /// Walks over a recording; `None` when `keep_going` says no.
    pub fn of(file: &mut SoundFile, keep_going: &dyn Fn() -> bool) -> Result<Option<Self>, MediaError> {
        let (rate_hz, frames) = (file.rate_hz(), file.frames());
        let hop_frames = frames_of(HOP_SECS, rate_hz).max(1);
        let hop_samples = usize::try_from(hop_frames).unwrap_or(1) * file.channels() as usize;
        let block_hops = (BLOCK_SAMPLES / hop_samples).clamp(1, BLOCK_HOPS);
        let block_frames = usize::try_from(hop_frames).unwrap_or(1) * block_hops;
        let (mut powers, mut samples, mut at) = (Vec::new(), Vec::new(), 0);
        while at < frames {
            if !keep_going() {
                return Ok(None);
            }
            file.read(at, block_frames, &mut samples)?;
            let power =
                |hop: &[f32]| hop.iter().map(|sample| sample * sample).sum::<f32>() / hop.len() as f32;
            powers.extend(samples.chunks(hop_samples).map(power));
            at += block_frames as u64;
        }
        Ok(Some(Self { rate_hz, frames, hop_frames, powers }))
    }

    /// What rises above the noise around it, in order.
    #[must_use]
    pub fn cuts(&self, cut: &EnergyCut) -> Vec<Range<u64>> {
        let sounds = self.sounds(cut);
        let [pre, post, max] =
            [cut.pre_roll_secs, cut.post_roll_secs, cut.secs_max].map(|secs| frames_of(secs, self.rate_hz));
        let mut cuts = Vec::new();
        for (at, sound) in sounds.iter().enumerate() {
            let before = at.checked_sub(1).map_or(0, |before| u64::midpoint(sounds[before].end, sound.start));
            let behind = sounds.get(at + 1).map_or(self.frames, |next| u64::midpoint(sound.end, next.start));
            let begin = sound.start.saturating_sub(pre).max(before);
            let end = (sound.end + post).min(behind);
            let parts = (end - begin).div_ceil(max.max(1)).max(1);
            let edge = |part: u64| begin + (end - begin) * part / parts;
            cuts.extend((0..parts).map(|part| edge(part)..edge(part + 1)));
        }
        cuts
    }

    /// Without what is added around them.
    fn sounds(&self, cut: &EnergyCut) -> Vec<Range<u64>> {
        let smooth = smoothed(&self.powers);
        let floors = floors(&smooth);
        let begin_factor = factor(cut.begin_db);
        let end_factor = factor(cut.end_db.min(cut.begin_db));
        let pause = hops_of(cut.pause_secs);
        let mut hops: Vec<Range<usize>> = Vec::new();
        let mut open: Option<Range<usize>> = None;
        for (at, (power, floor)) in smooth.iter().zip(&floors).enumerate() {
            match &mut open {
                Some(sound) if *power >= floor * end_factor => sound.end = at + 1,
                Some(sound) if at - sound.end >= pause => hops.extend(open.take()),
                None if *power >= floor * begin_factor => open = Some(at..at + 1),
                _ => {}
            }
        }
        hops.extend(open);
        let min = frames_of(cut.secs_min, self.rate_hz);
        hops.into_iter()
            .map(|sound| self.sharpened(&sound, &floors, begin_factor, end_factor))
            .map(|sound| {
                let end = (sound.end as u64 * self.hop_frames).min(self.frames);
                sound.start as u64 * self.hop_frames..end
            })
            .filter(|sound| sound.end - sound.start >= min)
            .collect()
    }

    /// Smoothing spreads a sound by half its width: its edges are where the plain power is as high.
    fn sharpened(&self, sound: &Range<usize>, floors: &[f32], begin: f32, end: f32) -> Range<usize> {
        let is_loud = |hop: &usize, factor: f32| self.powers[*hop] >= floors[*hop] * factor;
        let reach = SMOOTH_HOPS.min(sound.len());
        let first = (sound.start..sound.start + reach).find(|hop| is_loud(hop, begin)).unwrap_or(sound.start);
        let last =
            (sound.end - reach..sound.end).rev().find(|hop| is_loud(hop, end)).unwrap_or(sound.end - 1);
        first..(last + 1).max(first + 1)
    }
}

/// Windows of one length, one after the other. The last is moved back to be whole: nothing is left
/// out, and a recording shorter than a window is one.
#[must_use]
pub fn windows(frames: u64, rate_hz: u32, window_secs: f64) -> Vec<Range<u64>> {
    let window = frames_of(window_secs, rate_hz).max(1);
    (0..frames.div_ceil(window))
        .map(|at| {
            let end = ((at + 1) * window).min(frames);
            end.saturating_sub(window)..end
        })
        .collect()
}

/// The power of the noise around each hop.
fn floors(smooth: &[f32]) -> Vec<f32> {
    let block = hops_of(FLOOR_SECS / 3.0);
    let lowest = factor(FLOOR_DB_MIN);
    let blocks: Vec<&[f32]> = smooth.chunks(block).collect();
    let floor_of = |at: usize| {
        let around = &blocks[at.saturating_sub(1)..blocks.len().min(at + 2)];
        // One of a few suffices: neighbours are smoothed over each other.
        let mut powers: Vec<f32> =
            around.iter().flat_map(|block| block.iter().step_by(SMOOTH_HOPS / 2)).copied().collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = (powers.len().saturating_sub(1) as f64 * FLOOR_SHARE) as usize;
        powers.select_nth_unstable_by(index, f32::total_cmp).1.max(lowest)
    };
    let floors: Vec<f32> = (0..blocks.len()).map(floor_of).collect();
    (0..smooth.len()).map(|hop| floors[hop / block]).collect()
}

fn smoothed(powers: &[f32]) -> Vec<f32> {
    let half = SMOOTH_HOPS / 2;
    (0..powers.len())
        .map(|at| {
            let around = &powers[at.saturating_sub(half)..powers.len().min(at + half + 1)];
            around.iter().sum::<f32>() / around.len() as f32
        })
        .collect()
}

#[expect(clippy::cast_possible_truncation, reason = "powers are kept in single precision")]
pub(super) fn factor(db: f64) -> f32 {
    10.0_f64.powf(db / 10.0) as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "negative and endless times saturate"
)]
pub(super) fn frames_of(secs: f64, rate_hz: u32) -> u64 {
    (secs * f64::from(rate_hz)).round() as u64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "negative and endless times saturate"
)]
fn hops_of(secs: f64) -> usize {
    ((secs / HOP_SECS).round() as usize).max(1)
}

#[cfg(test)]
#[path = "cut_tests.rs"]
mod tests;
