//! Faster or slower without a change of pitch: waveform-similarity overlap-add (Verhelst and Roelands,
//! "An overlap-add technique based on waveform similarity (WSOLA) for high quality time-scale
//! modification of speech", ICASSP 1993).
//!
//! Pieces of the sound under a Hann window are laid over each other at a fixed distance. Where each is
//! taken from moves on by the speed, give or take a few milliseconds: it is the place that continues
//! the piece before most alike, so that waves join in phase.

/// Half a piece, and how far the best place is looked for: a period of 50 Hz, and half of it either way.
const HOP_SECS: f64 = 0.02;
const REACH_SECS: f64 = 0.01;
/// Each so many-th sample is compared: enough to find a phase, and a third of the work.
const STRIDE: usize = 3;

/// A sound at another speed, piece by piece.
pub struct Stretch {
    channels: usize,
    speed: f64,
    hop: usize,
    reach: u64,
    /// Rising half of the window; with the falling one it adds up to 1.
    rise: Vec<f32>,
    /// Where the next piece would be taken from without looking.
    nominal: f64,
    /// Where the one before was taken from.
    before: Option<u64>,
    /// Its falling half.
    tail: Vec<f32>,
    piece: Vec<f32>,
    wanted: Vec<f32>,
    around: Vec<f32>,
}

impl Stretch {
    /// Begins at frame `from`. `speed` is 2 where the sound shall last half as long.
    #[must_use]
    pub fn new(rate_hz: u32, channels: u32, speed: f64, from: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand")]
        let frames = |secs: f64| ((f64::from(rate_hz) * secs) as usize).max(8);
        let hop = frames(HOP_SECS);
        let turn = std::f32::consts::PI / hop as f32;
        Self {
            channels: channels.max(1) as usize,
            speed,
            hop,
            reach: frames(REACH_SECS) as u64,
            rise: (0..hop).map(|i| 0.5 - 0.5 * ((i as f32 + 0.5) * turn).cos()).collect(),
            nominal: from as f64,
            before: None,
            tail: Vec::new(),
            piece: Vec::new(),
            wanted: Vec::new(),
            around: Vec::new(),
        }
    }

    /// Frames that each call gives.
    #[must_use]
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// Replaces `out` by the next frames, and returns which frame of the sound the first stands for.
    /// `read` fills in interleaved frames from a position on, silence where there are none.
    pub fn next<E>(
        &mut self,
        mut read: impl FnMut(u64, usize, &mut Vec<f32>) -> Result<(), E>,
        out: &mut Vec<f32>,
    ) -> Result<f64, E> {
        let at = self.nominal;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
        let nominal = at.round() as u64;
        let from = match self.before {
            Some(before) => self.most_alike(before, nominal, &mut read)?,
            None => nominal,
        };
        read(from, 2 * self.hop, &mut self.piece)?;
        let half = self.hop * self.channels;
        out.clear();
        let is_first = self.before.is_none();
        for (i, &sample) in self.piece[..half].iter().enumerate() {
            let rise = self.rise[i / self.channels];
            // Nothing lies under the first piece: it stands alone.
            out.push(if is_first { sample } else { sample * rise + self.tail[i] });
        }
        self.tail.clear();
        let falling = self.piece[half..].iter().enumerate();
        self.tail.extend(falling.map(|(i, &sample)| sample * (1.0 - self.rise[i / self.channels])));
        self.before = Some(from);
        self.nominal += self.hop as f64 * self.speed;
        Ok(at)
    }

    /// The place near `nominal` that looks most like what follows the piece before.
    fn most_alike<E>(
        &mut self,
        before: u64,
        nominal: u64,
        read: &mut impl FnMut(u64, usize, &mut Vec<f32>) -> Result<(), E>,
    ) -> Result<u64, E> {
        read(before + self.hop as u64, self.hop, &mut self.wanted)?;
        let first = nominal.saturating_sub(self.reach);
        let places = usize::try_from(nominal + self.reach - first).unwrap_or(0) + 1;
        read(first, self.hop + places, &mut self.around)?;
        let n = self.channels;
        let mono = |samples: &[f32]| -> Vec<f32> {
            samples.chunks_exact(n).map(|frame| frame.iter().sum::<f32>()).collect()
        };
        let (wanted, around) = (mono(&self.wanted), mono(&self.around));
        let wanted: Vec<f32> = wanted.into_iter().step_by(STRIDE).collect();
        let likeness = |place: usize| -> f32 {
            let (mut both, mut energy) = (0.0, 1e-9);
            for (a, b) in wanted.iter().zip(around[place..].iter().step_by(STRIDE)) {
                both += a * b;
                energy += b * b;
            }
            both / f32::sqrt(energy)
        };
        let best = (0..places).map(|place| (place, likeness(place))).max_by(|a, b| a.1.total_cmp(&b.1));
        Ok(first + best.map_or(0, |(place, _)| place as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    const RATE: u32 = 16_000;

    fn tone(frequency: f64, frames: usize) -> Vec<f32> {
        (0..frames)
            .map(|i| (std::f64::consts::TAU * frequency * i as f64 / f64::from(RATE)).sin() as f32)
            .collect()
    }

    /// The whole at another speed, and where each hop came from.
    fn stretched(samples: &[f32], channels: usize, speed: f64) -> (Vec<f32>, Vec<f64>) {
        let mut stretch = Stretch::new(RATE, channels as u32, speed, 0);
        let (mut all, mut out, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let frames = samples.len() / channels;
        while places.last().is_none_or(|at| at + stretch.hop() as f64 * speed < frames as f64) {
            let read = |from: u64, count: usize, out: &mut Vec<f32>| -> Result<(), Infallible> {
                out.clear();
                let from = from as usize * channels;
                out.extend((from..from + count * channels).map(|i| samples.get(i).copied().unwrap_or(0.0)));
                Ok(())
            };
            let Ok(at) = stretch.next(read, &mut out);
            places.push(at);
            all.extend_from_slice(&out);
        }
        (all, places)
    }

    fn crossings_per_sec(samples: &[f32]) -> f64 {
        let rising = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        rising as f64 * f64::from(RATE) / samples.len() as f64
    }

    #[test]
    fn pitch_and_loudness_stay_and_the_length_follows_the_speed() {
        for frequency in [97.0, 440.0, 1730.0] {
            let samples = tone(frequency, 48_000);
            for speed in [0.5, 0.75, 1.25, 1.5, 2.0] {
                let (all, _) = stretched(&samples, 1, speed);
                let expected = 48_000.0 / speed;
                assert!(
                    (all.len() as f64 - expected).abs() <= 2.0 * 320.0,
                    "{speed}: {} {expected}",
                    all.len()
                );
                let middle = &all[all.len() / 10..all.len() * 8 / 10];
                let found = crossings_per_sec(middle);
                assert!((found / frequency - 1.0).abs() < 0.01, "{frequency} at {speed} becomes {found}");
                let power = middle.iter().map(|v| v * v).sum::<f32>() / middle.len() as f32;
                assert!((0.42..0.58).contains(&power), "{frequency} at {speed}: {power}");
            }
        }
    }

    #[test]
    fn at_its_own_speed_nothing_changes_and_channels_stay_apart() {
        let left = tone(300.0, 16_000);
        let samples: Vec<f32> = left.iter().flat_map(|&v| [v, -0.5 * v]).collect();
        let (all, places) = stretched(&samples, 2, 1.0);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] == 320.0));
        assert!(all[..30_000].iter().zip(&samples).all(|(a, b)| (a - b).abs() < 1e-4));
        let (slow, places) = stretched(&samples, 2, 0.5);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] == 160.0));
        assert!(slow.chunks_exact(2).all(|frame| (frame[1] + 0.5 * frame[0]).abs() < 1e-4));
    }
}
