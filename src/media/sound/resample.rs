//! Another rate, for devices that do not play a sound's own: a windowed sinc at exact positions. For
//! listening, and for joining recordings of several rates to strings; what a station shows and decides is
//! never resampled.

use std::f64::consts::PI;

/// Zeros of the sinc on either side.
const ZEROS: usize = 16;
/// Positions between two samples that have a filter of their own; more would differ by less than 16 bits
/// resolve.
const PHASES_MAX: u64 = 1024;

/// Output frame `n` stands exactly at input frame `n` × from ÷ to.
pub struct Resampler {
    from: u64,
    to: u64,
    channels: usize,
    /// Input frames on either side of an output frame.
    half: usize,
    phases: u64,
    taps: Vec<f32>,
    /// Input from frame `first` on.
    held: Vec<f32>,
    first: i64,
    next: u64,
}

impl Resampler {
    #[must_use]
    pub fn new(from_hz: u32, to_hz: u32, channels: u32) -> Self {
        let (from, to) = (u64::from(from_hz.max(1)), u64::from(to_hz.max(1)));
        let divisor = gcd(from, to);
        let (from, to) = (from / divisor, to / divisor);
        // Towards a lower rate, what lies above its half is taken away.
        let cutoff = (to as f64 / from as f64).min(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred")]
        let half = (ZEROS as f64 / cutoff).ceil() as usize;
        let phases = to.min(PHASES_MAX);
        let taps = (0..phases)
            .flat_map(|phase| {
                let offset = phase as f64 / phases as f64;
                (0..2 * half).map(move |i| tap(i as f64 - (half as f64 - 1.0) - offset, half as f64, cutoff))
            })
            .collect();
        let channels = channels.max(1) as usize;
        let first = 1 - i64::try_from(half).unwrap_or(0);
        let held = vec![0.0; (half - 1) * channels];
        Self { from, to, channels, half, phases, taps, held, first, next: 0 }
    }

    /// Takes interleaved input, and appends all output that it determines.
    pub fn push(&mut self, input: &[f32], out: &mut Vec<f32>) {
        self.held.extend_from_slice(input);
        let width = 2 * self.half;
        loop {
            let exact = self.next * self.from;
            let (at, rest) = (exact / self.to, exact % self.to);
            let phase = usize::try_from(rest * self.phases / self.to).unwrap_or(0);
            let begin = i64::try_from(at).unwrap_or(i64::MAX) - (i64::try_from(self.half).unwrap_or(0) - 1);
            let begin = usize::try_from(begin - self.first).unwrap_or(0) * self.channels;
            let Some(under) = self.held.get(begin..begin + width * self.channels) else { break };
            let taps = &self.taps[phase * width..][..width];
            for channel in 0..self.channels {
                let samples = under.iter().skip(channel).step_by(self.channels);
                out.push(taps.iter().zip(samples).map(|(tap, sample)| tap * sample).sum());
            }
            self.next += 1;
        }
        self.forget();
    }

    /// What lies before all further output.
    fn forget(&mut self) {
        let at = i64::try_from(self.next * self.from / self.to).unwrap_or(i64::MAX);
        let needed = at - (i64::try_from(self.half).unwrap_or(0) - 1);
        let past = usize::try_from(needed - self.first).unwrap_or(0).min(self.held.len() / self.channels);
        self.held.drain(..past * self.channels);
        self.first += i64::try_from(past).unwrap_or(0);
    }
}

/// A sinc under a Hann window, `x` input frames from its middle.
fn tap(x: f64, half: f64, cutoff: f64) -> f32 {
    let sinc = if x == 0.0 { 1.0 } else { (PI * x * cutoff).sin() / (PI * x * cutoff) };
    let window = if x.abs() < half { 0.5 + 0.5 * (PI * x / half).cos() } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, reason = "a weight")]
    let tap = (cutoff * sinc * window) as f32;
    tap
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_stays_itself_at_exact_positions_however_it_comes_in() {
        for (from, to) in [(44_100, 48_000), (16_000, 48_000), (192_000, 48_000), (8_000, 44_100)] {
            let tone =
                |i: usize, rate: u32, f: f64| (std::f64::consts::TAU * f * i as f64 / f64::from(rate)).sin();
            let input: Vec<f32> = (0..from as usize)
                .flat_map(|i| [tone(i, from, 440.0) as f32, tone(i, from, 1000.0) as f32])
                .collect();
            let mut resampler = Resampler::new(from, to, 2);
            let mut out = Vec::new();
            for piece in input.chunks(2 * 777) {
                resampler.push(piece, &mut out);
            }
            let frames = out.len() / 2;
            assert!(frames > to as usize - 800 && frames <= to as usize, "{from} → {to}: {frames}");
            for i in 800..frames {
                for (channel, f) in [(0, 440.0), (1, 1000.0)] {
                    let off = (f64::from(out[2 * i + channel]) - tone(i, to, f)).abs();
                    assert!(off < 3e-3, "{from} → {to}, frame {i}: {off}");
                }
            }
        }
    }
}
