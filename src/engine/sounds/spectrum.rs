//! The spectrogram of any stretch of a sound, column by column at exact positions. Levels differ in how
//! far columns lie apart, never in what a column holds, so that zooming changes no colour.

use crate::media::{CEILING_DB, FLOOR_DB, MelColumns, MelSpec, Raster, SoundFile};

pub const TILE_COLUMNS: usize = 256;
pub const TILE_ROWS: usize = 320;
/// Tells 25 Hz apart, and clicks 40 ms.
const WINDOW_SECS: f64 = 0.04;
/// Columns closer than this share of a window show nothing new.
const HOP_SHARE: f64 = 1.0 / 24.0;
/// Windows in one column that is longer than a window: what is heard anywhere in it stands out, as far
/// as they reach.
const WINDOWS_MAX: u64 = 6;
/// Frames that are read in one piece; farther apart, each window is read for itself.
const READ_FRAMES_MAX: u64 = 1 << 20;

/// What rows and pixels of a spectrogram mean: mel from 0 to half the rate, and decibels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectrumAxis {
    spec: MelSpec,
}

impl SpectrumAxis {
    /// Density of power that a pixel of 0 and of 255 stands for, in dB/Hz below a full-scale square wave.
    pub const DB: [f32; 2] = [FLOOR_DB, CEILING_DB];

    #[must_use]
    pub fn new(rate_hz: u32, rows: usize) -> Self {
        let bands = u32::try_from(rows).unwrap_or(u32::MAX);
        let rate = f64::from(rate_hz);
        let window_secs = WINDOW_SECS;
        Self {
            spec: MelSpec {
                bands,
                low_hz: 0.0,
                high_hz: rate / 2.0,
                hop_secs: window_secs,
                window_secs,
                range_db: None,
            },
        }
    }

    #[must_use]
    pub fn high_hz(&self) -> f64 {
        self.spec.high_hz
    }

    /// The frequency at a share of the height from the top, and back.
    #[must_use]
    pub fn hz_of(&self, share: f64) -> f64 {
        self.spec.hz_of(share * f64::from(self.spec.bands))
    }

    #[must_use]
    pub fn share_of(&self, hz: f64) -> f64 {
        self.spec.row_of(hz) / f64::from(self.spec.bands)
    }

    /// The finest level that shows anything new.
    #[must_use]
    pub fn level_min(rate_hz: u32) -> u8 {
        let hop = (f64::from(rate_hz) * WINDOW_SECS * HOP_SHARE).max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small logarithm")]
        let level = hop.log2().floor() as u8;
        level
    }
}

/// What turns stretches of one sound into columns.
pub(super) struct Spectrum {
    columns: MelColumns,
    rows: usize,
    channels: usize,
    frames: u64,
    samples: Vec<f32>,
}

impl Spectrum {
    pub(super) fn new(file: &SoundFile, rows: usize) -> Self {
        let axis = SpectrumAxis::new(file.rate_hz(), rows);
        Self {
            columns: MelColumns::new(file.rate_hz(), file.channels(), &axis.spec),
            rows,
            channels: file.channels() as usize,
            frames: file.frames(),
            samples: Vec::new(),
        }
    }

    /// Column `c` stands for the frames from `(index × columns + c) × 2^level` on; what lies beyond the
    /// end is 0.
    pub(super) fn tile(&mut self, file: &mut SoundFile, level: u8, index: u64) -> Result<Vec<u8>, String> {
        let hop = 1_u64.checked_shl(level.into()).ok_or("no such level")?;
        let first = index.checked_mul(TILE_COLUMNS as u64 * hop).ok_or("no such tile")?;
        let begins: Vec<u64> = (0..=TILE_COLUMNS as u64).map(|c| first.saturating_add(c * hop)).collect();
        self.picture(file, &begins)
    }

    /// A column for each stretch between two neighbouring frames of `begins`.
    pub(super) fn picture(&mut self, file: &mut SoundFile, begins: &[u64]) -> Result<Vec<u8>, String> {
        let width = begins.len().saturating_sub(1);
        let mut pixels = vec![0; width * self.rows];
        let (Some(&first), Some(&last)) = (begins.first(), begins.last()) else { return Ok(pixels) };
        let is_read = last - first <= READ_FRAMES_MAX;
        let mut from = 0;
        if is_read {
            from = self.read(file, first, last)?;
        }
        let (mut column, mut loudest) = (vec![0; self.rows], vec![0_u8; self.rows]);
        for (x, pair) in begins.windows(2).enumerate() {
            let (begin, hop) = (pair[0], pair[1] - pair[0]);
            if begin >= self.frames {
                break;
            }
            loudest.fill(0);
            let windows = hop.div_ceil(self.columns.window() as u64).clamp(1, WINDOWS_MAX);
            for window in 0..windows {
                let middle = begin + (2 * window + 1) * hop / (2 * windows);
                if !is_read {
                    from = self.read(file, middle, middle + 1)?;
                }
                let within = isize::try_from(middle.saturating_sub(from)).unwrap_or(isize::MAX);
                self.columns.column(&self.samples, within, &mut column);
                loudest.iter_mut().zip(&column).for_each(|(loudest, now)| *loudest = (*loudest).max(*now));
            }
            for (row, &pixel) in loudest.iter().enumerate() {
                pixels[row * width + x] = pixel;
            }
        }
        Ok(pixels)
    }

    /// Reads a stretch with all that windows on it need; returns its first frame. Only the sound's own
    /// ends are left to be mirrored.
    fn read(&mut self, file: &mut SoundFile, begin: u64, end: u64) -> Result<u64, String> {
        let margin = self.columns.window() as u64;
        let from = begin.saturating_sub(margin).min(self.frames.saturating_sub(margin));
        let count = usize::try_from(end.saturating_add(margin) - from).unwrap_or(usize::MAX);
        file.read(from, count, &mut self.samples).map_err(|error| error.to_string())?;
        debug_assert!(self.samples.len().is_multiple_of(self.channels));
        Ok(from)
    }
}

/// The whole of a sound, small.
pub(in crate::engine) fn small_spectrum(
    file: &mut SoundFile,
    width: u32,
    height: u32,
) -> Result<Raster, String> {
    let mut spectrum = Spectrum::new(file, height as usize);
    let frames = u128::from(file.frames());
    let place = |x: u32| u64::try_from(frames * u128::from(x) / u128::from(width)).unwrap_or(u64::MAX);
    let begins: Vec<u64> = (0..=width).map(place).collect();
    let pixels = spectrum.picture(file, &begins)?;
    Ok(Raster { width, height, channels: 1, pixels })
}
