//! What is heard, as it comes → clips: around voices, around what is louder than the noise, or windows.
//!
//! A recording and a microphone go through the same; of a recording the noise is known better
//! (`cut::Envelope`), since its future is there.

use super::cut::{factor, frames_of};
use super::gate::{Gate, GateRule};
use crate::domain::{CutBy, VoiceCut};
use crate::media::{MediaError, Resampler, SoundFile};
use std::collections::VecDeque;
use std::ops::Range;

/// What the network for voices wants, and how much at a time.
const VOICE_HZ: u32 = 16_000;
const VOICE_HOP: usize = 256;
/// Moments are so long, as the network's are.
const HOP_SECS: f64 = 0.016;
/// Digital silence has no noise; nothing below rises above it.
const FLOOR_DB_MIN: f64 = -80.0;
/// The network gives silence the first score and a clear voice the second. Noise that goes on is between
/// them, and counts as silence up to the third.
const SILENCE: f32 = 0.15;
const VOICE: f32 = 0.85;
const NOISE_MAX: f32 = 0.6;
/// A voice is this far above the noise, in decibels; half the score is what the network says, half this.
const VOICE_DB: f32 = 20.0;
/// Before the noise is known, a clear voice begins a clip, and a hiss does not.
const LOUD_AT_FIRST: f32 = 0.3;
/// By so much may loudness raise what the network says: a loud noise is no voice.
const RAISED_MAX: f32 = 0.2;
/// Frames of a recording that are read at a time.
const BLOCK_FRAMES: usize = 16_384;

/// Clips of what comes, in frames of it.
pub struct Listener {
    channels: usize,
    heard: u64,
    mono: Vec<f32>,
    way: Way,
}

enum Way {
    Windows { length: u64, begun: u64 },
    Gate { gate: Box<Gate>, ear: Ear, score: f32 },
}

/// What gives each moment its score.
enum Ear {
    Voice(Box<Voice>),
    Loudness(Loudness),
}

impl Listener {
    #[must_use]
    pub fn new(cut: &CutBy, rate_hz: u32, channels: u32) -> Self {
        let way = match cut {
            CutBy::Window { secs } => Way::Windows { length: frames_of(*secs, rate_hz).max(1), begun: 0 },
            CutBy::Voice(cut) => {
                let gate = Box::new(Gate::new(GateRule::voice(cut, rate_hz)));
                Way::Gate { gate, ear: Ear::Voice(Box::new(Voice::new(rate_hz))), score: 0.0 }
            }
            CutBy::Energy(cut) => {
                let gate = Box::new(Gate::new(GateRule::energy(cut, rate_hz)));
                Way::Gate { gate, ear: Ear::Loudness(Loudness::new(rate_hz)), score: 0.0 }
            }
        };
        Self { channels: channels.max(1) as usize, heard: 0, mono: Vec::new(), way }
    }

    /// Takes interleaved samples, and appends the clips that have ended with them.
    pub fn push(&mut self, samples: &[f32], clips: &mut Vec<Range<u64>>) {
        let share = 1.0 / self.channels as f32;
        self.mono.clear();
        self.mono.extend(samples.chunks_exact(self.channels).map(|frame| frame.iter().sum::<f32>() * share));
        self.heard += self.mono.len() as u64;
        match &mut self.way {
            Way::Windows { length, begun } => {
                while self.heard - *begun >= *length {
                    clips.push(*begun..*begun + *length);
                    *begun += *length;
                }
            }
            Way::Gate { gate, ear, score } => ear.push(&self.mono, &mut |hop, now| {
                *score = now;
                clips.extend(gate.push(hop, now));
            }),
        }
    }

    /// Nothing comes any more, or something is missing: what is open ends here.
    pub fn finish(&mut self) -> Option<Range<u64>> {
        match &mut self.way {
            Way::Windows { begun, .. } => {
                let rest = *begun..self.heard;
                *begun = self.heard;
                (!rest.is_empty()).then_some(rest)
            }
            Way::Gate { gate, .. } => gate.finish(self.heard),
        }
    }

    /// Frames heard so far.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.heard
    }

    /// Nothing before this frame is asked for again.
    #[must_use]
    pub fn needs_from(&self) -> u64 {
        match &self.way {
            Way::Windows { begun, .. } => *begun,
            Way::Gate { gate, .. } => gate.needs_from(),
        }
    }

    /// Whether a clip is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match &self.way {
            Way::Windows { begun, .. } => self.heard > *begun,
            Way::Gate { gate, .. } => gate.is_open(),
        }
    }

    /// How sure it is that somebody speaks, or how far above the noise it is in decibels.
    #[must_use]
    pub fn score(&self) -> Option<f32> {
        match &self.way {
            Way::Windows { .. } => None,
            Way::Gate { score, .. } => Some(*score),
        }
    }
}

impl Ear {
    fn push(&mut self, mono: &[f32], tell: &mut dyn FnMut(Range<u64>, f32)) {
        match self {
            Self::Voice(voice) => voice.push(mono, tell),
            Self::Loudness(loudness) => loudness.push(mono, tell),
        }
    }
}

/// What a share of the moments of some time stays below, looked at now and then.
struct Floor {
    latest: VecDeque<f32>,
    kept: usize,
    share: f64,
    every: usize,
    until_look: usize,
    /// Unknown at first.
    value: Option<f32>,
}

impl Floor {
    fn new(secs: f64, share: f64, every_secs: f64) -> Self {
        let every = hops(every_secs);
        Self { latest: VecDeque::new(), kept: hops(secs), share, every, until_look: every, value: None }
    }

    fn push(&mut self, value: f32) {
        if self.latest.len() == self.kept {
            self.latest.pop_front();
        }
        self.latest.push_back(value);
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = self.every;
            let mut sorted: Vec<f32> = self.latest.iter().copied().collect();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
            let at = ((sorted.len() - 1) as f64 * self.share) as usize;
            self.value = Some(*sorted.select_nth_unstable_by(at, f32::total_cmp).1);
        }
    }
}

/// How sure it is that somebody speaks. The network (`earshot`) alone takes steady machines for voices, and
/// is late where a voice begins softly; what it says is therefore seen beside what it has said of the last
/// seconds, and beside how far the moment rises above the noise. `docs/PERFORMANCE.md` has the figures.
struct Voice {
    detector: Box<earshot::Detector>,
    resampler: Resampler,
    rate_hz: u32,
    /// At [`VOICE_HZ`], not looked at yet.
    waiting: Vec<f32>,
    hops: u64,
    said: Floor,
    level: Level,
}

impl Voice {
    fn new(rate_hz: u32) -> Self {
        Self {
            detector: earshot::Detector::default_boxed(),
            resampler: Resampler::new(rate_hz, VOICE_HZ, 1),
            rate_hz,
            waiting: Vec::new(),
            hops: 0,
            said: Floor::new(8.0, 0.2, 0.128),
            level: Level::default(),
        }
    }

    fn push(&mut self, mono: &[f32], tell: &mut dyn FnMut(Range<u64>, f32)) {
        self.resampler.push(mono, &mut self.waiting);
        let whole = self.waiting.len() / VOICE_HOP * VOICE_HOP;
        for hop in self.waiting[..whole].chunks_exact_mut(VOICE_HOP) {
            // Resampling may overshoot, and the network takes nothing beyond full scale.
            for v in hop.iter_mut() {
                *v = v.clamp(-1.0, 1.0);
            }
            let said = self.detector.predict_f32(hop);
            self.said.push(said);
            let silence = self.said.value.unwrap_or(SILENCE).clamp(SILENCE, NOISE_MAX);
            let sure = SILENCE + (VOICE - SILENCE) * (said - silence) / (VOICE - silence);
            let above = self.level.above_noise(hop);
            let loud = above.map_or(LOUD_AT_FIRST, |db| (db / VOICE_DB).clamp(0.0, 1.0));
            let edge = |hop: u64| hop * VOICE_HOP as u64 * u64::from(self.rate_hz) / u64::from(VOICE_HZ);
            tell(edge(self.hops)..edge(self.hops + 1), f32::midpoint(sure, loud).min(sure + RAISED_MAX));
            self.hops += 1;
        }
        self.waiting.drain(..whole);
    }
}

/// How far moments rise above the noise before them.
struct Level(Floor);

impl Default for Level {
    fn default() -> Self {
        Self(Floor::new(30.0, 0.1, 0.5))
    }
}

impl Level {
    /// In decibels; the first moments only tell how loud the noise is.
    fn above_noise(&mut self, hop: &[f32]) -> Option<f32> {
        let power = hop.iter().map(|v| v * v).sum::<f32>() / hop.len() as f32;
        self.0.push(power);
        let floor = self.0.value?.max(factor(FLOOR_DB_MIN));
        Some(10.0 * (power / floor).max(1e-9).log10())
    }
}

/// Moments, and how far they rise above the noise.
struct Loudness {
    hop: usize,
    waiting: Vec<f32>,
    hops: u64,
    level: Level,
}

impl Loudness {
    fn new(rate_hz: u32) -> Self {
        let hop = usize::try_from(frames_of(HOP_SECS, rate_hz)).unwrap_or(1).max(1);
        Self { hop, waiting: Vec::new(), hops: 0, level: Level::default() }
    }

    fn push(&mut self, mono: &[f32], tell: &mut dyn FnMut(Range<u64>, f32)) {
        self.waiting.extend_from_slice(mono);
        let whole = self.waiting.len() / self.hop * self.hop;
        for hop in self.waiting[..whole].chunks_exact(self.hop) {
            let from = self.hops * self.hop as u64;
            let above = self.level.above_noise(hop).unwrap_or(0.0);
            tell(from..from + self.hop as u64, above);
            self.hops += 1;
        }
        self.waiting.drain(..whole);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of moments")]
fn hops(secs: f64) -> usize {
    (secs / HOP_SECS).round().max(1.0) as usize
}

/// Where somebody speaks in a recording, in order; `None` when `keep_going` says no.
pub fn voices(
    file: &mut SoundFile,
    cut: &VoiceCut,
    keep_going: &dyn Fn() -> bool,
) -> Result<Option<Vec<Range<u64>>>, MediaError> {
    let mut listener = Listener::new(&CutBy::Voice(*cut), file.rate_hz(), file.channels());
    let (mut clips, mut samples, mut at) = (Vec::new(), Vec::new(), 0);
    while at < file.frames() {
        if !keep_going() {
            return Ok(None);
        }
        file.read(at, BLOCK_FRAMES, &mut samples)?;
        listener.push(&samples, &mut clips);
        at += BLOCK_FRAMES as u64;
    }
    clips.extend(listener.finish());
    Ok(Some(clips))
}

#[cfg(test)]
#[path = "listen_tests.rs"]
mod tests;
