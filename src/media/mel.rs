//! A sound as a picture: the power in each mel band over time, in decibels.
//!
//! The transform runs at the recording's own rate and the bands are in Hz, so that nothing is resampled
//! and every column has an exact place in time. Power is averaged over the channels after the
//! transform: what is out of phase between two microphones does not cancel.

use super::{Raster, Sound};
use crate::domain::{BoxPx, Shape};
use realfft::RealFftPlanner;
use realfft::num_complex::Complex32;
use serde::{Deserialize, Serialize};

/// What a pixel of 0 and of 255 stands for: the density of power against a full-scale square wave, in
/// dB/Hz. The noise of 16 bits lies at −141; anything below counts as silence.
pub const FLOOR_DB: f32 = -145.0;
pub const CEILING_DB: f32 = -20.0;
/// Longest transform: 192 kHz at a window of 300 ms.
const TRANSFORM_MAX: usize = 1 << 16;

/// The axes of such a picture. Columns follow each other in time, the highest band is the top row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MelSpec {
    /// Rows.
    pub bands: u32,
    /// From the lower edge of the lowest band to the upper edge of the highest.
    pub low_hz: f64,
    pub high_hz: f64,
    /// Seconds from one column to the next, and under one window.
    pub hop_secs: f64,
    pub window_secs: f64,
    /// What lies more than so many dB beneath the loudest is seen as lying there: the silence of a machine as
    /// that of a room. Without it silence is what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_db: Option<f64>,
}

/// Mel of a frequency (O'Shaughnessy, 1987).
fn mel(hz: f64) -> f64 {
    2595.0 * (hz / 700.0).ln_1p() / std::f64::consts::LN_10
}

fn hz(mel: f64) -> f64 {
    700.0 * (mel * std::f64::consts::LN_10 / 2595.0).exp_m1()
}

impl MelSpec {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        let is_ordered = self.low_hz >= 0.0 && self.high_hz > self.low_hz && self.high_hz <= 400_000.0;
        let in_time = (1e-4..=1.0).contains(&self.hop_secs) && (1e-4..=0.3).contains(&self.window_secs);
        match () {
            () if !(8..=512).contains(&self.bands) => Err(format!("{} bands: 8 to 512", self.bands)),
            () if !is_ordered => Err(format!("{} to {} Hz is no band", self.low_hz, self.high_hz)),
            () if !self.range_db.is_none_or(|range| (20.0..=125.0).contains(&range)) => {
                Err("range_db is 20 to 125".to_owned())
            }
            () if !in_time => Err("hop_secs is 0.0001 to 1, window_secs at most 0.3".to_owned()),
            () => Ok(()),
        }
    }

    /// Columns of a sound of so many seconds; at least one.
    #[must_use]
    pub fn columns(&self, secs: f64) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and saturating"
        )]
        let columns = (secs / self.hop_secs).ceil() as u32;
        columns.max(1)
    }

    /// The frequency at a row's upper edge, and the row of a frequency.
    #[must_use]
    pub fn hz_of(&self, row: f64) -> f64 {
        let (low, high) = (mel(self.low_hz), mel(self.high_hz));
        hz(high - (high - low) * (row / f64::from(self.bands)).clamp(0.0, 1.0))
    }

    #[must_use]
    pub fn row_of(&self, frequency: f64) -> f64 {
        let (low, high) = (mel(self.low_hz), mel(self.high_hz));
        ((high - mel(frequency)) / (high - low)).clamp(0.0, 1.0) * f64::from(self.bands)
    }

    /// A place on the picture in time and frequency; what has no place stays as it is.
    #[must_use]
    pub fn heard(&self, shape: &Shape) -> Shape {
        let Some(BoxPx { x1, y1, x2, y2 }) = shape.bounds() else { return shape.clone() };
        Shape::Span {
            span_secs: [x1, x2].map(|x| f64::from(x.max(0.0)) * self.hop_secs),
            band_hz: Some([y2, y1].map(|y| self.hz_of(f64::from(y)))),
        }
    }

    /// A place in time and frequency on the picture: at least a column wide and a row high. Without a
    /// band it is as high as the picture.
    #[must_use]
    pub fn drawn(&self, shape: &Shape) -> Shape {
        let Shape::Span { span_secs: [from, to], band_hz } = shape else { return shape.clone() };
        let [low, high] = band_hz.unwrap_or([self.low_hz, self.high_hz]);
        let [x1, x2] = at_least_one(from / self.hop_secs, to / self.hop_secs);
        let [y1, y2] = at_least_one(self.row_of(high), self.row_of(low));
        Shape::Box(BoxPx { x1: single(x1), y1: single(y1), x2: single(x2), y2: single(y2) })
    }
}

fn at_least_one(from: f64, to: f64) -> [f64; 2] {
    let more = ((1.0 - (to - from)) / 2.0).max(0.0);
    [(from - more).max(0.0), to + more]
}

#[expect(clippy::cast_possible_truncation, reason = "a place on a picture")]
const fn single(v: f64) -> f32 {
    v as f32
}

/// The picture of a sound: grey, a column for each hop, a row for each band.
#[must_use]
pub fn mel_picture(sound: &Sound, spec: &MelSpec) -> Raster {
    let (width, bands) = (spec.columns(sound.secs()) as usize, spec.bands as usize);
    let mut columns = MelColumns::new(sound.rate_hz, sound.channels, spec);
    let mut pixels = vec![0; width * bands];
    let mut column = vec![0; bands];
    for x in 0..width {
        #[expect(clippy::cast_possible_truncation, reason = "a position in a sound")]
        let middle = ((x as f64 + 0.5) * spec.hop_secs * f64::from(sound.rate_hz)).round() as isize;
        columns.column(&sound.samples, middle, &mut column);
        for (row, &pixel) in column.iter().enumerate() {
            pixels[row * width + x] = pixel;
        }
    }
    if let Some(range_db) = spec.range_db {
        raise(&mut pixels, range_db);
    }
    Raster { width: spec.columns(sound.secs()), height: spec.bands, channels: 1, pixels }
}

/// To so many dB beneath the loudest at the least.
fn raise(pixels: &mut [u8], range_db: f64) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a part of 255"
    )]
    let range = (255.0 * range_db / f64::from(CEILING_DB - FLOOR_DB)).round() as u8;
    let least = pixels.iter().max().copied().unwrap_or(0).saturating_sub(range);
    for pixel in pixels {
        *pixel = (*pixel).max(least);
    }
}

/// Columns of such a picture one by one, wherever they stand: of hours only what is looked at.
pub struct MelColumns {
    transform: Transform,
    filters: Vec<Filter>,
    density: Vec<f32>,
}

impl MelColumns {
    #[must_use]
    pub fn new(rate_hz: u32, channels: u32, spec: &MelSpec) -> Self {
        let transform = Transform::new(rate_hz, channels, spec);
        let filters = filters(spec, rate_hz, transform.size());
        let density = vec![0.0; transform.size() / 2 + 1];
        Self { transform, filters, density }
    }

    /// Frames under one window.
    #[must_use]
    pub fn window(&self) -> usize {
        self.transform.window.len()
    }

    /// The column around frame `middle` of interleaved samples, the highest band first. Beyond their
    /// ends samples are mirrored.
    pub fn column(&mut self, samples: &[f32], middle: isize, pixels: &mut [u8]) {
        self.transform.density(samples, middle, &mut self.density);
        for (pixel, filter) in pixels.iter_mut().zip(&self.filters) {
            let bins = &self.density[filter.first..];
            *pixel = pixel_of(filter.weights.iter().zip(bins).map(|(w, p)| w * p).sum());
        }
    }
}

/// Of a density of power.
fn pixel_of(density: f32) -> u8 {
    let share = (10.0 * density.max(1e-20).log10() - FLOOR_DB) / (CEILING_DB - FLOOR_DB);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
    let byte = (255.0 * share).round().clamp(0.0, 255.0) as u8;
    byte
}

/// A triangle over the bins of a transform; its weights add up to 1, so that it is a mean density.
struct Filter {
    first: usize,
    weights: Vec<f32>,
}

/// From the top row down. A band above half the rate has no bins: nothing is known of it, and it is silent.
fn filters(spec: &MelSpec, rate_hz: u32, size: usize) -> Vec<Filter> {
    let bin_hz = f64::from(rate_hz) / size as f64;
    let edge = |row: f64| spec.hz_of(row);
    (0..spec.bands)
        .map(|row| {
            let row = f64::from(row);
            // Half a band of overlap on either side; never narrower than the bins.
            let centre = edge(row + 0.5);
            let reach =
                ((edge(row - 0.5).max(edge(row)) - edge(row + 1.5).min(edge(row + 1.0))) / 2.0).max(bin_hz);
            let bins = |v: f64| (v / bin_hz).max(0.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "bins of a transform"
            )]
            let (first, last) = (bins(centre - reach).ceil() as usize, bins(centre + reach).floor() as usize);
            let (first, last) = (first.min(size / 2), last.min(size / 2));
            let is_heard = centre + reach <= f64::from(rate_hz) / 2.0 + bin_hz;
            let weight = |bin: usize| single(1.0 - ((bin as f64 * bin_hz - centre) / reach).abs()).max(0.0);
            let mut weights: Vec<f32> =
                if is_heard { (first..=last).map(weight).collect() } else { Vec::new() };
            let sum: f32 = weights.iter().sum();
            for weight in &mut weights {
                *weight /= sum.max(f32::MIN_POSITIVE);
            }
            Filter { first, weights }
        })
        .collect()
}

/// Short-time transforms of a sound, with what they need between calls.
struct Transform {
    fft: std::sync::Arc<dyn realfft::RealToComplex<f32>>,
    /// Hann.
    window: Vec<f32>,
    /// Power of a bin → density.
    scale: f32,
    channels: usize,
    input: Vec<f32>,
    output: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl Transform {
    fn new(rate_hz: u32, channels: u32, spec: &MelSpec) -> Self {
        let rate = f64::from(rate_hz);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and small")]
        let length = ((spec.window_secs * rate).round() as usize).clamp(4, TRANSFORM_MAX);
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(length.next_power_of_two());
        let turn = std::f64::consts::TAU / length as f64;
        let window: Vec<f32> =
            (0..length).map(|i| single(0.5 - 0.5 * ((i as f64 + 0.5) * turn).cos())).collect();
        let energy: f32 = window.iter().map(|w| w * w).sum();
        Self {
            input: fft.make_input_vec(),
            output: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            scale: 2.0 / (energy * rate_hz as f32 * channels as f32),
            channels: channels.max(1) as usize,
            window,
            fft,
        }
    }

    fn size(&self) -> usize {
        self.input.len()
    }

    /// The density of power around a moment, for each bin; beyond its ends a sound is mirrored, so that
    /// it neither fades in nor clicks.
    fn density(&mut self, samples: &[f32], middle: isize, density: &mut [f32]) {
        let (frames, channels) = (samples.len() / self.channels, self.channels);
        let first = middle - (self.window.len() / 2).cast_signed();
        density.fill(0.0);
        if frames == 0 {
            return;
        }
        for channel in 0..channels {
            self.input.fill(0.0);
            for (i, (value, weight)) in self.input.iter_mut().zip(&self.window).enumerate() {
                *value = weight * samples[mirrored(first + i.cast_signed(), frames) * channels + channel];
            }
            // It refuses slices of another length only.
            let done = self.fft.process_with_scratch(&mut self.input, &mut self.output, &mut self.scratch);
            if done.is_ok() {
                density
                    .iter_mut()
                    .zip(&self.output)
                    .for_each(|(sum, bin)| *sum += self.scale * bin.norm_sqr());
            }
        }
    }
}

fn mirrored(at: isize, frames: usize) -> usize {
    let period = (2 * frames).cast_signed();
    let at = at.rem_euclid(period).unsigned_abs();
    at.min(2 * frames - 1 - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: MelSpec = MelSpec {
        bands: 64,
        low_hz: 50.0,
        high_hz: 7600.0,
        hop_secs: 0.01,
        window_secs: 0.032,
        range_db: None,
    };

    fn tone(rate_hz: u32, frequency: f64, channels: u32) -> Sound {
        let sample = |i: u32| {
            single(0.5 * (std::f64::consts::TAU * frequency * f64::from(i) / f64::from(rate_hz)).sin())
        };
        let samples = (0..rate_hz).flat_map(|i| vec![sample(i); channels as usize]).collect();
        Sound { rate_hz, channels, samples }
    }

    fn loudest_row(picture: &Raster, column: u32) -> u32 {
        (0..picture.height).max_by_key(|row| picture.pixels[(row * picture.width + column) as usize]).unwrap()
    }

    #[test]
    fn a_tone_stands_in_its_band_at_every_rate() {
        for (rate, channels) in [(16_000, 1), (44_100, 2), (192_000, 1)] {
            for frequency in [120.0, 440.0, 1000.0, 5000.0] {
                let picture = mel_picture(&tone(rate, frequency, channels), &SPEC);
                assert_eq!((picture.width, picture.height), (100, 64));
                let row = loudest_row(&picture, 50);
                let expected = SPEC.row_of(frequency);
                assert!(
                    (f64::from(row) + 0.5 - expected).abs() <= 1.0,
                    "{rate} Hz, {frequency}: {row} {expected}"
                );
                // The same level, whatever the rate: 0.25²·2 spread over the window's bandwidth.
                let level = picture.pixels[(row * 100 + 50) as usize];
                assert!((195..=250).contains(&level), "{rate} {frequency} {level}");
            }
        }
    }

    #[test]
    fn channels_out_of_phase_do_not_cancel_and_unknown_bands_are_silent() {
        let mut sound = tone(16_000, 1000.0, 2);
        sound.samples.iter_mut().skip(1).step_by(2).for_each(|v| *v = -*v);
        assert_eq!(mel_picture(&sound, &SPEC), mel_picture(&tone(16_000, 1000.0, 2), &SPEC));
        let narrow = mel_picture(&tone(8000, 1000.0, 1), &SPEC);
        let row = |frequency: f64| SPEC.row_of(frequency) as usize;
        assert!((0..row(4200.0)).all(|y| narrow.pixels[y * 100..][..100].iter().all(|v| *v == 0)));
    }

    #[test]
    fn with_a_range_silence_is_no_quieter_than_a_room() {
        let spec = MelSpec { range_db: Some(75.0), ..SPEC };
        let mut sound = tone(16_000, 1000.0, 1);
        sound.samples.resize(32_000, 0.0);
        let lowest = |sound: &Sound, spec| mel_picture(sound, spec).pixels.into_iter().min().unwrap();
        let range =
            f32::from(mel_picture(&sound, &spec).pixels.iter().max().unwrap() - lowest(&sound, &spec));
        assert!((range * (CEILING_DB - FLOOR_DB) / 255.0 - 75.0).abs() < 1.0);
        assert_eq!(lowest(&sound, &SPEC), 0);
        // What is louder stays as it is.
        let pairs = [&SPEC, &spec].map(|spec| mel_picture(&sound, spec).pixels);
        let floor = lowest(&sound, &spec);
        assert!(pairs[0].iter().zip(&pairs[1]).all(|(plain, raised)| (*plain).max(floor) == *raised));
        assert!(MelSpec { range_db: Some(5.0), ..SPEC }.check().is_err());
    }

    #[test]
    fn short_empty_and_broken_sounds_give_a_picture() {
        for samples in [vec![], vec![0.3], vec![f32::MAX; 3], vec![0.0; 800]] {
            let picture = mel_picture(&Sound { rate_hz: 8000, channels: 1, samples }, &SPEC);
            assert!(picture.width >= 1 && picture.height == 64);
        }
    }

    #[test]
    fn places_go_to_the_picture_and_back() {
        let span = Shape::Span { span_secs: [0.25, 0.5], band_hz: Some([300.0, 2000.0]) };
        let Shape::Span { span_secs, band_hz: Some(band) } = SPEC.heard(&SPEC.drawn(&span)) else { panic!() };
        assert!((span_secs[0] - 0.25).abs() < 1e-6 && (span_secs[1] - 0.5).abs() < 1e-6);
        assert!((band[0] / 300.0 - 1.0).abs() < 1e-4 && (band[1] / 2000.0 - 1.0).abs() < 1e-4);
        let whole = SPEC.drawn(&Shape::Span { span_secs: [0.1, 0.1], band_hz: None }).bounds().unwrap();
        assert!((whole.x2 - whole.x1 - 1.0).abs() < 1e-4 && (whole.y1, whole.y2) == (0.0, 64.0));
        assert_eq!(SPEC.drawn(&Shape::Whole), Shape::Whole);
    }
}
