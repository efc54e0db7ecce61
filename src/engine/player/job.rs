//! One request on its way to the device: read, bring to speed, rate and channels, cut into blocks, and
//! keep account of which frame of the device is which of the sound.

use super::PlayRequest;
use super::ring::{BLOCK_FRAMES, Block, Filler};
use crate::media::{Resampler, SILENCE_DB, Sound, SoundFile, Stretch, loudness_lufs, trim};
use parking_lot::Mutex;
use std::collections::VecDeque;

/// Frames read at a time at the sound's own speed.
const READ_FRAMES: u64 = 1024;
/// How loud everything is brought to for listening: 3 dB above what broadcasters agreed on, for a shop
/// floor.
const LISTEN_LUFS: f64 = -20.0;
/// Nothing is made louder than this, where only noise is left to be heard.
const GAIN_MAX: f64 = 15.8;
/// Of a longer stretch only its beginning is measured, and its silence stays, so that playing begins at once.
const MEASURED_SECS: f64 = 20.0;
/// Of many channels less: 64 MB.
const MEASURED_SAMPLES: u64 = 16_000_000;
/// Stretches of the account that are kept: seconds more than the ring and the device hold.
const KEPT: usize = 512;

/// Frames of the device from `begin` on stand for those of the sound from `source` on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretched {
    pub begin: f64,
    pub length: f64,
    pub source: f64,
    /// Frames of the sound for one of the device.
    pub step: f64,
    pub peak: [f32; 2],
}

/// What was handed over, newest last.
pub type Account = Mutex<VecDeque<Stretched>>;

pub struct Job {
    of: u64,
    request: PlayRequest,
    file: SoundFile,
    stretch: Option<Stretch>,
    /// The next frame to read at the sound's own speed.
    at: u64,
    is_over: bool,
    gain: f32,
    device_channels: usize,
    ratio: f64,
    resampler: Option<Resampler>,
    /// Frames of the device before the first of the sound.
    lead: f64,
    /// Frames at the sound's rate that went into the resampler.
    pushed: u64,
    piece: Vec<f32>,
    mapped: Vec<f32>,
    ready: VecDeque<f32>,
    /// Frames of the device that were handed over.
    pub given: u64,
}

impl Job {
    pub fn new(
        of: u64,
        request: PlayRequest,
        mut file: SoundFile,
        rate_hz: u32,
        channels: usize,
    ) -> Result<Self, String> {
        let own = file.rate_hz();
        let end = request.span[1].min(file.frames());
        let span = [request.span[0].min(end), end];
        let request = PlayRequest { from: request.from.min(end), span, ..request };
        let (mut gain, mut request) = (1.0, request);
        if request.is_evened || request.skips_silence {
            let measured = measured(&mut file, span)?;
            if request.is_evened {
                gain = listening_gain(&measured);
            }
            if request.skips_silence && measured.frames() as u64 == span[1] - span[0] {
                request.span = audible(&measured, span);
            }
        }
        // From behind its audible part it begins anew: else nothing would be heard.
        let [begin, end] = request.span;
        request.from = if request.from >= end { begin } else { request.from.max(begin) };
        let resampled =
            (own != rate_hz).then(|| Resampler::new(own, rate_hz, u32::try_from(channels).unwrap_or(1)));
        let mut job = Self {
            of,
            file,
            stretch: None,
            at: request.from,
            is_over: request.span[0] == request.span[1],
            gain,
            device_channels: channels,
            ratio: f64::from(rate_hz) / f64::from(own),
            resampler: resampled,
            lead: 0.0,
            pushed: 0,
            piece: Vec::new(),
            mapped: Vec::new(),
            ready: VecDeque::new(),
            given: 0,
            request,
        };
        job.go_to(job.request.from);
        Ok(job)
    }

    /// Silence first, for a device that has only just begun: sound servers swallow what comes at once.
    pub fn lead_in(&mut self, frames: u32) {
        self.ready.extend(std::iter::repeat_n(0.0, frames as usize * self.device_channels));
        self.lead = f64::from(frames);
    }

    pub fn gain_db(&self) -> f32 {
        20.0 * self.gain.log10()
    }

    pub fn is_read(&self) -> bool {
        self.is_over && self.ready.is_empty()
    }

    fn go_to(&mut self, frame: u64) {
        self.at = frame;
        let speed = self.request.speed;
        let is_stretched = (speed - 1.0).abs() > 1e-6;
        self.stretch =
            is_stretched.then(|| Stretch::new(self.file.rate_hz(), self.file.channels(), speed, frame));
    }

    /// Fills every block that is free.
    pub fn fill(&mut self, filler: &Filler, account: &Account) -> Result<(), String> {
        while !self.is_read() {
            let wanted = BLOCK_FRAMES * self.device_channels;
            while self.ready.len() < wanted && !self.is_over {
                self.advance(account)?;
            }
            let Some(mut block) = filler.take() else { return Ok(()) };
            let count = self.ready.len().min(wanted);
            for (to, from) in block.samples.iter_mut().zip(self.ready.drain(..count)) {
                *to = from;
            }
            let frames = count / self.device_channels;
            self.given += frames as u64;
            filler.put(Block { of: self.of, frames, ..block });
        }
        Ok(())
    }

    /// Makes the next piece ready.
    fn advance(&mut self, account: &Account) -> Result<(), String> {
        let end = self.request.span[1];
        let source = self.read()?;
        let (channels, speed) = (self.file.channels() as usize, self.request.speed);
        let mut frames = self.piece.len() / channels;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "frames that are left")]
        let left = ((end as f64 - source) / speed).ceil().max(0.0) as usize;
        if left <= frames {
            frames = left;
            if self.request.is_looped {
                self.go_to(self.request.span[0]);
            } else {
                self.is_over = true;
            }
        }
        let peak = self.map(frames, channels);
        let begin = self.lead + self.pushed as f64 * self.ratio;
        let step = speed / self.ratio;
        let mut account = account.lock();
        account.push_back(Stretched { begin, length: frames as f64 * self.ratio, source, step, peak });
        while account.len() > KEPT {
            account.pop_front();
        }
        drop(account);
        self.pushed += frames as u64;
        if let Some(resampler) = &mut self.resampler {
            let mut out = Vec::new();
            resampler.push(&self.mapped, &mut out);
            self.ready.extend(out);
        } else {
            self.ready.extend(&self.mapped);
        }
        Ok(())
    }

    /// Reads the next piece; which frame its first one stands for.
    fn read(&mut self) -> Result<f64, String> {
        let Self { stretch, file, piece, at, request, .. } = self;
        if let Some(stretch) = stretch {
            let channels = file.channels() as usize;
            return stretch.next(
                |from, count, out| {
                    file.read(from, count, out).map_err(|error| error.to_string())?;
                    // Beyond the end is silence.
                    out.resize(count * channels, 0.0);
                    Ok(())
                },
                piece,
            );
        }
        let source = *at;
        let count = READ_FRAMES.min(request.span[1].saturating_sub(source));
        file.read(source, usize::try_from(count).unwrap_or(0), piece).map_err(|error| error.to_string())?;
        *at += count;
        Ok(source as f64)
    }

    /// To the device's channels, as loud as wanted; the highest sample of each side.
    fn map(&mut self, frames: usize, channels: usize) -> [f32; 2] {
        let mut peak = [0.0_f32; 2];
        self.mapped.clear();
        for frame in self.piece.chunks_exact(channels).take(frames) {
            for to in 0..self.device_channels {
                let sample = match (channels, self.device_channels) {
                    (1, _) => frame[0],
                    (2, n) if n >= 2 => frame.get(to).copied().unwrap_or(0.0),
                    _ => frame.iter().sum::<f32>() / channels as f32,
                };
                let sample = (sample * self.gain).clamp(-1.0, 1.0);
                peak[to.min(1)] = peak[to.min(1)].max(sample.abs());
                self.mapped.push(sample);
            }
        }
        if self.device_channels == 1 {
            peak[1] = peak[0];
        }
        peak
    }
}

/// What of a stretch is looked at before it is played.
fn measured(file: &mut SoundFile, [from, to]: [u64; 2]) -> Result<Sound, String> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "twenty seconds")]
    let most = ((MEASURED_SECS * f64::from(file.rate_hz())) as u64)
        .min(MEASURED_SAMPLES / u64::from(file.channels()));
    let mut samples = Vec::new();
    let count = usize::try_from((to - from).min(most)).unwrap_or(0);
    file.read(from, count, &mut samples).map_err(|error| error.to_string())?;
    Ok(Sound { rate_hz: file.rate_hz(), channels: file.channels(), samples })
}

/// The stretch without the silence at its ends; all of it where nothing is heard.
fn audible(sound: &Sound, [from, to]: [u64; 2]) -> [u64; 2] {
    let heard = trim(sound, SILENCE_DB);
    if heard.is_empty() { [from, to] } else { [from + heard.start as u64, from + heard.end as u64] }
}

/// What brings a sound to the loudness of all, as far as its highest sample allows.
fn listening_gain(sound: &Sound) -> f32 {
    let peak = sound.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let Some(lufs) = loudness_lufs(sound) else { return 1.0 };
    let wanted = 10_f64.powf((LISTEN_LUFS - lufs) / 20.0).min(GAIN_MAX);
    #[expect(clippy::cast_possible_truncation, reason = "a gain")]
    let wanted = wanted as f32;
    wanted.min(1.0 / peak.max(1e-6))
}

#[cfg(test)]
mod tests {
    use super::super::ring::{Clock, ring};
    use super::*;
    use crate::domain::MediaHash;
    use crate::media::{WavFormat, encode_wav};
    use std::io::Cursor;
    use std::sync::Arc;
    use std::time::Duration;

    const RATE: u32 = 16_000;

    /// Frame `n` is n / 65536, so that each tells its place.
    fn counted(frames: u32) -> SoundFile {
        let samples = (0..frames).map(|n| n as f32 / 65_536.0).collect();
        let sound = Sound { rate_hz: RATE, channels: 1, samples };
        SoundFile::new(Cursor::new(encode_wav(&sound, WavFormat::Float32))).unwrap()
    }

    fn request(from: u64, span: [u64; 2], is_looped: bool, speed: f64) -> PlayRequest {
        let media = MediaHash::of(b"counted");
        PlayRequest { media, from, span, is_looped, speed, is_evened: false, skips_silence: false }
    }

    /// What a device at `rate_hz` gets of so many frames, left channel, and the account.
    fn heard(request: PlayRequest, rate_hz: u32, frames: usize) -> (Vec<f32>, Vec<Stretched>) {
        let clock = Arc::new(Clock::new());
        let (filler, mut feeder) = ring(&clock, 2, rate_hz);
        let account = Account::default();
        let mut job = Job::new(clock.want(), request, counted(40_000), rate_hz, 2).unwrap();
        let mut all = Vec::new();
        while all.len() < frames {
            job.fill(&filler, &account).unwrap();
            let mut out = vec![0.0; 2 * 480];
            feeder.fill(&mut out, Duration::ZERO);
            assert!(out.chunks_exact(2).all(|frame| frame[0] == frame[1]));
            all.extend(out.chunks_exact(2).map(|frame| frame[0]));
        }
        all.truncate(frames);
        (all, account.into_inner().into())
    }

    fn place(account: &[Stretched], frame: f64) -> f64 {
        let part = account.iter().rev().find(|part| part.begin <= frame).unwrap();
        part.source + (frame - part.begin) * part.step
    }

    #[test]
    fn exactly_the_wanted_stretch_is_played_and_then_nothing() {
        let (all, _) = heard(request(1_000, [500, 3_000], false, 1.0), RATE, 4_800);
        assert!(all[..2_000].iter().enumerate().all(|(i, v)| *v == (1_000 + i) as f32 / 65_536.0));
        assert!(all[2_000..].iter().all(|v| *v == 0.0));
    }

    #[test]
    fn a_lead_in_is_silent_and_counted() {
        let clock = Arc::new(Clock::new());
        let (filler, mut feeder) = ring(&clock, 2, RATE);
        let account = Account::default();
        let request = request(1_000, [1_000, 3_000], false, 1.0);
        let mut job = Job::new(clock.want(), request, counted(40_000), RATE, 2).unwrap();
        job.lead_in(700);
        job.fill(&filler, &account).unwrap();
        let mut out = vec![0.0; 2 * 2_000];
        feeder.fill(&mut out, Duration::ZERO);
        assert!(out[..1_400].iter().all(|v| *v == 0.0));
        assert_eq!(out[1_400], 1_000.0 / 65_536.0);
        let account: Vec<Stretched> = account.into_inner().into();
        assert_eq!((account[0].begin, place(&account, 705.0)), (700.0, 1_005.0));
    }

    #[test]
    fn a_loop_begins_anew_with_its_first_frame() {
        let (all, account) = heard(request(2_990, [500, 3_000], true, 1.0), RATE, 6_000);
        let expected = |i: usize| if i < 10 { 2_990 + i } else { 500 + (i - 10) % 2_500 };
        assert!(all.iter().enumerate().all(|(i, v)| *v == expected(i) as f32 / 65_536.0));
        assert_eq!(place(&account, 15.0), 505.0);
    }

    #[test]
    fn the_account_says_which_frame_is_heard_at_every_rate_and_speed() {
        for (rate_hz, speed) in [(48_000, 1.0), (44_100, 1.0), (RATE, 0.5), (RATE, 2.0), (48_000, 1.5)] {
            let (all, account) = heard(request(4_000, [4_000, 20_000], false, speed), rate_hz, 9_600);
            // At another speed a piece goes at its own inside of it, and was looked for around its place.
            let reach = match speed {
                1.0 => 0.6,
                speed => (0.012 + 0.02 * (1.0 - speed).abs()) * f64::from(RATE),
            };
            for frame in (480..9_000).step_by(97) {
                let source = place(&account, frame as f64);
                if source + reach >= 20_000.0 {
                    break;
                }
                let found = f64::from(all[frame]) * 65_536.0;
                assert!((found - source).abs() <= reach, "{rate_hz} Hz × {speed}: {found}, {source} is told");
            }
        }
    }

    #[test]
    fn quiet_sounds_are_made_louder_for_listening_and_none_is_clipped() {
        let tone = |level: f32| {
            let samples = (0..32_000).map(|i| level * (i as f32 * 0.4).sin()).collect();
            Sound { rate_hz: RATE, channels: 1, samples }
        };
        let quiet = listening_gain(&tone(0.01));
        let loud = listening_gain(&tone(0.9));
        assert!(quiet > 5.0 && f64::from(quiet) <= GAIN_MAX, "{quiet}");
        assert!(loud < 1.0, "{loud}");
        let mut click = vec![0.001; 32_000];
        click[100] = 1.0;
        assert!(listening_gain(&Sound { rate_hz: RATE, channels: 1, samples: click }) <= 1.0);
    }

    #[test]
    fn silence_at_both_ends_is_left_out_where_that_is_asked_for() {
        let samples = (0..48_000).map(|i| if (16_000..32_000).contains(&i) { 0.5 } else { 0.0 });
        let sound = Sound { rate_hz: RATE, channels: 1, samples: samples.collect() };
        for (from, begins) in [(0, 16_000), (20_000, 20_000), (32_000, 16_000), (47_000, 16_000)] {
            let file = SoundFile::new(Cursor::new(encode_wav(&sound, WavFormat::Float32))).unwrap();
            let request = PlayRequest { skips_silence: true, ..request(from, [0, 48_000], false, 1.0) };
            let job = Job::new(Arc::new(Clock::new()).want(), request, file, RATE, 2).unwrap();
            assert_eq!((job.request.from, job.request.span), (begins, [16_000, 32_000]));
        }
        let silent = Sound { rate_hz: RATE, channels: 1, samples: vec![0.0; 100] };
        assert_eq!(audible(&silent, [20, 120]), [20, 120]);
    }
}
