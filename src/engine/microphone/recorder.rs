//! What a device delivers → clips as files, whole or not at all.

use super::super::cutting::{free_path, write_synced};
use crate::domain::{MicrophoneRule, Timestamp};
use crate::engine::EngineError;
use crate::ingest::appear;
use crate::ingest::listen::Listener;
use crate::media::{Sound, WavFormat, encode_wav};
use std::collections::VecDeque;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Longer clips are parted: what is open lies in memory, 46 MB of stereo at 48 kHz.
const CLIP_SECS_MAX: f64 = 120.0;
/// Clips that a full disk keeps waiting; older ones are lost then, and it is said.
const UNWRITTEN_MAX: usize = 64;

/// A clip that is not on the disk yet.
struct Unwritten {
    name: String,
    bytes: Vec<u8>,
}

pub(super) struct Recorder {
    name: String,
    folder: PathBuf,
    rate_hz: u32,
    channels: usize,
    listener: Listener,
    /// Interleaved samples from frame `first` on.
    held: VecDeque<f32>,
    first: u64,
    cuts: Vec<Range<u64>>,
    unwritten: VecDeque<Unwritten>,
    pub clips: u64,
    /// Clips that nobody will ever hear.
    pub dropped: u64,
}

impl Recorder {
    pub fn new(rule: &MicrophoneRule, folder: &Path, rate_hz: u32, channels: u32) -> Self {
        let cut = rule.cut.at_most(CLIP_SECS_MAX);
        Self {
            name: rule.name.clone(),
            folder: folder.to_owned(),
            rate_hz,
            channels: channels.max(1) as usize,
            listener: Listener::new(&cut, rate_hz, channels),
            held: VecDeque::new(),
            first: 0,
            cuts: Vec::new(),
            unwritten: VecDeque::new(),
            clips: 0,
            dropped: 0,
        }
    }

    pub fn listener(&self) -> &Listener {
        &self.listener
    }

    pub fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    pub fn heard_secs(&self) -> f64 {
        self.listener.heard() as f64 / f64::from(self.rate_hz)
    }

    /// Interleaved samples, the last of which was heard `now`.
    pub fn take(&mut self, samples: &[f32], now: Timestamp) {
        self.held.extend(samples);
        let mut cuts = std::mem::take(&mut self.cuts);
        self.listener.push(samples, &mut cuts);
        for cut in cuts.drain(..) {
            self.keep(cut, now);
        }
        self.cuts = cuts;
        let needed = self.listener.needs_from().max(self.first);
        let past = usize::try_from(needed - self.first).unwrap_or(usize::MAX).saturating_mul(self.channels);
        self.held.drain(..past.min(self.held.len()));
        self.first = needed;
    }

    /// Nothing follows, or something is missing: a clip has no holes.
    pub fn finish(&mut self, now: Timestamp) {
        if let Some(cut) = self.listener.finish() {
            self.keep(cut, now);
        }
    }

    fn keep(&mut self, cut: Range<u64>, now: Timestamp) {
        let place = |frame: u64| usize::try_from(frame - self.first).unwrap_or(usize::MAX) * self.channels;
        let samples: Vec<f32> = self.held.range(place(cut.start)..place(cut.end)).copied().collect();
        let ago = (self.listener.heard() - cut.start) as f64 / f64::from(self.rate_hz);
        let name = format!("{}-{}", self.name, stamp(now.plus_secs(-ago)));
        let channels = u32::try_from(self.channels).unwrap_or(1);
        let sound = Sound { rate_hz: self.rate_hz, channels, samples };
        if self.unwritten.len() == UNWRITTEN_MAX {
            self.unwritten.pop_front();
            self.dropped += 1;
        }
        self.unwritten.push_back(Unwritten { name, bytes: encode_wav(&sound, WavFormat::Float32) });
    }

    /// Writes what waits; what cannot be written goes on waiting.
    pub fn write(&mut self) -> Result<(), EngineError> {
        while let Some(Unwritten { name, bytes }) = self.unwritten.front() {
            fs::create_dir_all(&self.folder)
                .map_err(EngineError::io("cannot make the folder", &self.folder))?;
            let path = free_path(&self.folder, name, bytes)?;
            appear(&path, |hidden| write_synced(hidden, bytes))
                .map_err(EngineError::io("cannot write the clip", &path))?;
            self.unwritten.pop_front();
            self.clips += 1;
        }
        Ok(())
    }
}

/// When a clip begins, to the millisecond, in UTC: names that sort by time on every disk.
fn stamp(at: Timestamp) -> String {
    let digits: String = at.to_string().chars().filter(char::is_ascii_digit).take(17).collect();
    match (digits.get(..8), digits.get(8..14), digits.get(14..)) {
        (Some(day), Some(time), Some(millis)) => format!("{day}-{time}-{millis}"),
        _ => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CutBy, EnergyCut};
    use crate::media::decode_sound;

    /// Three seconds of noise in two channels, knocks in it that last a tenth of a second.
    fn heard(knocks: &[f64]) -> Vec<f32> {
        let mut seed = 7_u32;
        let frames = (0..24_000).flat_map(|i| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = ((seed >> 8) as f32 / (1 << 23) as f32 - 1.0) * 1e-3;
            let is_loud = knocks.iter().any(|at| (0.0..0.1).contains(&(f64::from(i) / 8000.0 - at)));
            let v = if is_loud { noise * 500.0 } else { noise };
            [v, -v / 2.0]
        });
        frames.collect()
    }

    fn rule() -> MicrophoneRule {
        MicrophoneRule {
            name: "desk-2".into(),
            cut: CutBy::Energy(EnergyCut::default()),
            ..MicrophoneRule::default()
        }
    }

    #[test]
    fn clips_have_the_samples_that_were_heard_and_the_time_at_which_they_begin() {
        let dir = tempfile::tempdir().unwrap();
        let samples = heard(&[1.0, 2.0]);
        let mut recorder = Recorder::new(&rule(), dir.path(), 8000, 2);
        let start = Timestamp::from_micros(1_800_000_000_000_000);
        let mut frames = 0.0;
        for piece in samples.chunks(2 * 333) {
            frames += piece.len() as f64 / 2.0;
            recorder.take(piece, start.plus_secs(frames / 8000.0));
            assert!(recorder.held.len() < 2 * 8000, "what nobody needs is kept");
        }
        recorder.write().unwrap();
        assert_eq!((recorder.clips, recorder.unwritten()), (2, 0));
        let mut names: Vec<String> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        // 2027-01-15 08:00:00 UTC; a tenth of a second lies before each knock.
        for (name, second) in names.iter().zip(["080000", "080001"]) {
            assert!(name.starts_with(&format!("desk-2-20270115-{second}-")), "{name}");
            let millis: usize = name[name.len() - 7..name.len() - 4].parse().unwrap();
            let begins = (second[5..].parse::<usize>().unwrap() * 1000 + millis) as f64 / 1000.0;
            let clip = decode_sound(&fs::read(dir.path().join(name)).unwrap()).unwrap();
            let at = (0..samples.len() / 2)
                .find(|at| samples[2 * at..].starts_with(&clip.samples))
                .expect("not what was heard");
            assert!((at as f64 / 8000.0 - begins).abs() < 2e-3, "{name} begins at frame {at}");
            assert!((0.35..0.5).contains(&clip.secs()), "{}", clip.secs());
        }
    }

    #[test]
    fn what_is_open_when_nothing_follows_is_kept_and_a_full_disk_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("inbox");
        fs::write(&folder, "a file where the folder should be").unwrap();
        let mut recorder = Recorder::new(&rule(), &folder, 8000, 2);
        recorder.take(&heard(&[2.85]), Timestamp::from_micros(0));
        recorder.finish(Timestamp::from_micros(0));
        assert!(recorder.write().unwrap_err().to_string().contains("inbox"));
        assert_eq!((recorder.clips, recorder.unwritten()), (0, 1));
        fs::remove_file(&folder).unwrap();
        recorder.write().unwrap();
        assert_eq!((recorder.clips, recorder.unwritten()), (1, 0));
        for _ in 0..=UNWRITTEN_MAX {
            recorder.keep(24_000 - 10..24_000, Timestamp::from_micros(0));
        }
        assert_eq!((recorder.unwritten(), recorder.dropped), (UNWRITTEN_MAX, 1));
    }
}
