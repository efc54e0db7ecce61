//! A long recording → clips in a folder, which a station takes in like any others.

use super::EngineError;
use crate::domain::CutBy;
use crate::ingest::appear;
use crate::ingest::cut::{Envelope, windows};
use crate::ingest::listen::voices;
use crate::media::{MediaError, SAMPLES_MAX, Sound, SoundFile, WavFormat, encode_wav};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Clips of one name that may wait side by side.
const NAMES_MAX: u32 = 1000;

/// A clip, and where it lies in the recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Clip {
    pub file: PathBuf,
    /// First frame, and the one after the last.
    pub frames: [u64; 2],
    pub secs: [f64; 2],
}

/// Writes the clips of a recording into a folder, which is made: `NAME_FIRST-END.wav`, by frames of the
/// original and with exactly its samples. Each appears whole or not at all, so that the folder may be the
/// inbox of a running station. The recording is not changed.
pub fn cut_recording(
    recording: &Path,
    folder: &Path,
    by: CutBy,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Clip>, EngineError> {
    let unreadable = |error: MediaError| EngineError::Failed(format!("{error}: {}", recording.display()));
    let source = File::open(recording).map_err(EngineError::io("cannot read", recording))?;
    let mut file = SoundFile::new(source).map_err(unreadable)?;
    let is_over = || cancel.load(Ordering::Relaxed);
    let places = places(&mut file, by, &|| !is_over()).map_err(unreadable)?;
    let places = places.ok_or_else(|| EngineError::Failed("stopped before anything was cut".to_owned()))?;
    fs::create_dir_all(folder).map_err(EngineError::io("cannot make the folder", folder))?;
    let name = recording.file_stem().unwrap_or_default().to_string_lossy();
    let digits = file.frames().to_string().len();
    let mut clips = Vec::with_capacity(places.len());
    for (done, place) in places.iter().enumerate() {
        if is_over() {
            return Err(EngineError::Failed(format!("stopped after {done} of {} clips", places.len())));
        }
        let Range { start, end } = *place;
        let sound = stretch(&mut file, place).map_err(unreadable)?;
        let bytes = encode_wav(&sound, WavFormat::Float32);
        let path = free_path(folder, &format!("{name}_{start:0digits$}-{end:0digits$}"), &bytes)?;
        appear(&path, |hidden| write_synced(hidden, &bytes))
            .map_err(EngineError::io("cannot write the clip", &path))?;
        let secs = [start, end].map(|frame| frame as f64 / f64::from(sound.rate_hz));
        clips.push(Clip { file: path, frames: [start, end], secs });
        progress(done + 1, places.len());
    }
    Ok(clips)
}

/// `None` where it was stopped on the way.
fn places(
    file: &mut SoundFile,
    by: CutBy,
    keep_going: &dyn Fn() -> bool,
) -> Result<Option<Vec<Range<u64>>>, MediaError> {
    let rate_hz = file.rate_hz();
    let longest_secs = (SAMPLES_MAX / u64::from(file.channels())) as f64 / f64::from(rate_hz);
    Ok(match by.at_most(longest_secs) {
        CutBy::Window { secs } => Some(windows(file.frames(), rate_hz, secs)),
        CutBy::Energy(cut) => Envelope::of(file, keep_going)?.map(|envelope| envelope.cuts(&cut)),
        CutBy::Voice(cut) => voices(file, &cut, keep_going)?,
    })
}

fn stretch(file: &mut SoundFile, place: &Range<u64>) -> Result<Sound, MediaError> {
    let mut samples = Vec::new();
    let count = usize::try_from(place.end - place.start).unwrap_or(usize::MAX);
    file.read(place.start, count, &mut samples)?;
    Ok(Sound { rate_hz: file.rate_hz(), channels: file.channels(), samples })
}

/// On the disk: the recording may be moved away after this.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Where a clip goes: recorders use their names again, and a clip that waits there is another one unless it
/// has the same bytes.
pub(super) fn free_path(folder: &Path, stem: &str, bytes: &[u8]) -> Result<PathBuf, EngineError> {
    let named = |number: u32| match number {
        1 => folder.join(format!("{stem}.wav")),
        number => folder.join(format!("{stem}-{number}.wav")),
    };
    let is_free = |path: &PathBuf| fs::read(path).map_or(true, |there| there == bytes);
    let free = (1..=NAMES_MAX).map(named).find(is_free);
    free.ok_or_else(|| {
        EngineError::Failed(format!("{NAMES_MAX} clips are called {stem}: {}", folder.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EnergyCut;
    use crate::media::decode_sound;

    /// A second of noise, with a knock at each of these seconds.
    fn recording(knocks: &[f64]) -> Sound {
        let rate = 8000.0;
        let mut seed = 7_u32;
        let samples = (0..24_000).map(|i| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = ((seed >> 8) as f32 / (1 << 23) as f32 - 1.0) * 1e-3;
            let is_loud = knocks.iter().any(|at| (0.0..0.1).contains(&(f64::from(i) / rate - at)));
            if is_loud { noise * 500.0 } else { noise }
        });
        Sound { rate_hz: 8000, channels: 1, samples: samples.collect() }
    }

    #[test]
    fn clips_are_exactly_the_stretches_that_their_names_say() {
        let dir = tempfile::tempdir().unwrap();
        let sound = recording(&[0.8, 2.0]);
        let path = dir.path().join("night shift.wav");
        fs::write(&path, encode_wav(&sound, WavFormat::Float32)).unwrap();
        let cut = |by, out: &str| {
            cut_recording(&path, &dir.path().join(out), by, &AtomicBool::new(false), &mut |_, _| {}).unwrap()
        };
        let knocks = cut(CutBy::Energy(EnergyCut::default()), "knocks");
        assert_eq!(knocks.len(), 2);
        for (clip, at) in knocks.iter().zip([0.8, 2.0]) {
            assert!(clip.secs[0] > at - 0.15 && clip.secs[0] < at - 0.05, "{clip:?}");
            assert!(clip.secs[1] > at + 0.1 && clip.secs[1] < at + 0.4, "{clip:?}");
        }
        let windows = cut(CutBy::Window { secs: 1.0 }, "windows");
        assert_eq!(
            windows.iter().map(|clip| clip.frames).collect::<Vec<_>>(),
            [[0, 8000], [8000, 16_000], [16_000, 24_000]]
        );
        for clip in knocks.iter().chain(&windows) {
            let [start, end] = clip.frames.map(|frame| usize::try_from(frame).unwrap());
            let read = decode_sound(&fs::read(&clip.file).unwrap()).unwrap();
            assert_eq!(read.samples, sound.samples[start..end]);
            assert!(clip.file.to_string_lossy().contains(&format!("night shift_{start:05}-{end:05}.wav")));
        }
        assert_eq!(fs::read_dir(dir.path().join("windows")).unwrap().count(), 3, "nothing hidden is left");
        let text = dir.path().join("text.wav");
        fs::write(&text, "no sound").unwrap();
        let by = CutBy::Window { secs: 1.0 };
        let refused = cut_recording(&text, dir.path(), by, &AtomicBool::new(false), &mut |_, _| {});
        assert!(refused.unwrap_err().to_string().contains("text.wav"));
    }
}
