//! Where a fault can be heard: from its own rendered sound against all the rest.
//!
//! Both go through the same short-time spectrum. The band is where the fault has more energy than
//! the rest while it sounds; a stretch begins and ends where that is so in the band, and counts
//! only when the fault stands clearly above the rest somewhere in it (the two thresholds of
//! J. Canny's hysteresis).

use super::signal::{CLIP_SAMPLES, RATE};
use crate::domain::{Region, Shape};
use crate::ingest::simulator::curve::whole;
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};
use std::f32::consts::TAU;
use std::ops::Range;
use std::sync::Arc;

/// Fault over rest, as a ratio of energies: 0 dB where a stretch or band goes on, 3 dB without
/// which it does not begin.
const GOES_ON: f32 = 1.0;
const BEGINS: f32 = 2.0;
/// What is 20 dB below the fault's loudest frame or band is not where a person would point.
const FAINT: f32 = 0.01;
/// Shorter pauses do not end a stretch: a slow shaft turns once in this time.
const PAUSE_SECS: f32 = 0.2;
const STRETCH_SECS_MIN: f32 = 0.04;

/// How finely a fault is looked at: low hums need long windows, knocks need short ones.
pub(super) struct Grid {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    hop: usize,
    /// The spectrum's bins that make up each band.
    bands: Vec<Range<usize>>,
}

/// Energy by frame and band.
pub(super) struct Energies {
    bands: usize,
    values: Vec<f32>,
}

impl Energies {
    fn frame(&self, frame: usize) -> &[f32] {
        &self.values[frame * self.bands..][..self.bands]
    }

    fn frames(&self) -> usize {
        self.values.len() / self.bands
    }

    /// Of each band over some frames.
    fn by_band(&self, frames: &[usize]) -> Vec<f32> {
        (0..self.bands).map(|band| frames.iter().map(|&frame| self.frame(frame)[band]).sum()).collect()
    }

    /// Of each frame within some bands.
    fn by_frame(&self, bands: &Range<usize>) -> Vec<f32> {
        (0..self.frames()).map(|frame| self.frame(frame)[bands.clone()].iter().sum()).collect()
    }

    pub(super) fn add(&mut self, other: &Self, factor: f32) {
        self.values.iter_mut().zip(&other.values).for_each(|(sum, value)| *sum += factor * value);
    }
}

impl Grid {
    /// For the faults of the shaft: windows of a quarter of a second, up to 300 Hz.
    pub(super) fn low() -> Self {
        let bands = (2..77).map(|bin| bin..bin + 1).collect();
        Self::new(4096, 800, bands)
    }

    /// For all others: windows of 32 ms, sixths of an octave from 250 Hz on.
    pub(super) fn high() -> Self {
        let edge = |k: i32| whole(8.0 * 2.0_f32.powf(k as f32 / 6.0));
        let bands = (0..30).map(|k| edge(k)..edge(k + 1)).collect();
        Self::new(512, 160, bands)
    }

    fn new(size: usize, hop: usize, bands: Vec<Range<usize>>) -> Self {
        let window = (0..size).map(|i| 0.5 - 0.5 * (TAU * i as f32 / size as f32).cos()).collect();
        Self { fft: RealFftPlanner::new().plan_fft_forward(size), window, hop, bands }
    }

    /// Frame k is about the clip's sample `hop * k`; beyond its ends there is silence.
    pub(super) fn energies(&self, clip: &[f32]) -> Energies {
        let size = self.window.len();
        let mut padded = vec![0.0; size / 2];
        padded.extend_from_slice(clip);
        padded.resize(clip.len() + size, 0.0);
        let (mut input, mut spectrum) = (vec![0.0; size], self.fft.make_output_vec());
        let mut scratch = self.fft.make_scratch_vec();
        let mut values = Vec::with_capacity((clip.len() / self.hop + 1) * self.bands.len());
        for start in (0..=clip.len()).step_by(self.hop) {
            for ((value, sample), weight) in input.iter_mut().zip(&padded[start..]).zip(&self.window) {
                *value = sample * weight;
            }
            // The lengths are those of the plan, so that this cannot fail.
            let is_done = self.fft.process_with_scratch(&mut input, &mut spectrum, &mut scratch).is_ok();
            debug_assert!(is_done);
            let energy =
                |band: &Range<usize>| spectrum[band.clone()].iter().map(Complex::norm_sqr).sum::<f32>();
            values.extend(self.bands.iter().map(energy));
        }
        Energies { bands: self.bands.len(), values }
    }

    /// The regions of a fault whose energies are `factor` times these; none where it cannot be
    /// heard.
    pub(super) fn regions(&self, class: &str, fault: &Energies, factor: f32, rest: &Energies) -> Vec<Region> {
        let ratio = |fault: f32, rest: f32| factor * fault / rest.max(f32::MIN_POSITIVE);
        let all = fault.by_frame(&(0..fault.bands));
        let loudest = all.iter().copied().fold(0.0, f32::max);
        let sounding: Vec<usize> = (0..all.len()).filter(|&frame| all[frame] > FAINT * loudest).collect();
        let Some(band) = self.band(&sounding, fault, rest, &ratio) else { return Vec::new() };
        let (heard, masking) = (fault.by_frame(&band), self.steadied(&rest.by_frame(&band)));
        let ratios: Vec<f32> =
            heard.iter().zip(&masking).map(|(&heard, &masking)| ratio(heard, masking)).collect();
        let pause = self.frames_in(PAUSE_SECS);
        let mut regions = Vec::new();
        for stretch in stretches(&ratios, pause) {
            let frames: Vec<usize> = stretch.clone().filter(|&frame| ratios[frame] >= GOES_ON).collect();
            let Some(band) = self.band(&frames, fault, rest, &ratio) else { continue };
            let span_secs = self.span_secs(&stretch);
            if span_secs[1] - span_secs[0] >= f64::from(STRETCH_SECS_MIN) {
                let shape = Shape::Span { span_secs, band_hz: Some(self.band_hz(&band)) };
                regions.push(Region::new(class, shape));
            }
        }
        regions
    }

    /// From the lowest to the highest band in which the fault has more energy than the rest.
    fn band(
        &self,
        frames: &[usize],
        fault: &Energies,
        rest: &Energies,
        ratio: &impl Fn(f32, f32) -> f32,
    ) -> Option<Range<usize>> {
        let (fault, rest) = (fault.by_band(frames), rest.by_band(frames));
        let density = |band: usize| fault[band] / self.bands[band].len() as f32;
        let densest = (0..fault.len()).map(density).fold(0.0, f32::max);
        let stands_out =
            |&band: &usize| ratio(fault[band], rest[band]) >= GOES_ON && density(band) > FAINT * densest;
        let first = (0..fault.len()).find(stands_out)?;
        let last = (0..fault.len()).rfind(stands_out)?;
        Some(first..last + 1)
    }

    /// Noise goes up and down from frame to frame: what masks is its mean nearby.
    fn steadied(&self, energies: &[f32]) -> Vec<f32> {
        let reach = self.frames_in(0.05);
        let mean = |i: usize| {
            let near = &energies[i.saturating_sub(reach)..(i + reach + 1).min(energies.len())];
            near.iter().sum::<f32>() / near.len() as f32
        };
        (0..energies.len()).map(mean).collect()
    }

    fn frames_in(&self, secs: f32) -> usize {
        whole(secs * RATE / self.hop as f32)
    }

    /// Each frame stands for one hop around its middle; those at the clip's ends, whose windows
    /// are half empty, for what is beside them.
    fn span_secs(&self, frames: &Range<usize>) -> [f64; 2] {
        let edge = |frame: usize| match frame * self.hop {
            at if at <= self.hop => 0.0,
            at if at >= CLIP_SAMPLES => CLIP_SAMPLES as f64,
            at => at as f64 - self.hop as f64 / 2.0,
        };
        [edge(frames.start), edge(frames.end)].map(|at| at / f64::from(RATE))
    }

    fn band_hz(&self, bands: &Range<usize>) -> [f64; 2] {
        let bin_hz = f64::from(RATE) / self.window.len() as f64;
        let (low, high) = (self.bands[bands.start].start, self.bands[bands.end - 1].end);
        [low as f64 - 0.5, high as f64 - 0.5].map(|bin| bin * bin_hz)
    }
}

/// Runs of frames that go on, bridging short pauses, in which one stands out.
fn stretches(ratios: &[f32], pause: usize) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for frame in (0..ratios.len()).filter(|&frame| ratios[frame] >= GOES_ON) {
        match found.last_mut() {
            Some(last) if frame - last.end <= pause => last.end = frame + 1,
            _ => found.push(frame..frame + 1),
        }
    }
    found.retain(|stretch| ratios[stretch.clone()].iter().any(|&ratio| ratio >= BEGINS));
    found
}
