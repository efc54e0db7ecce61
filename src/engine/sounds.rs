//! Sounds for the eye: length and waveform, samples where one looks closely, and tiles of the
//! spectrogram, each computed when it is asked for. Hours stay on the disk: only what is on the screen
//! is read, and once a thread of its own goes through the whole for the waveform.

mod spectrum;

pub(super) use spectrum::small_spectrum;
pub use spectrum::{SpectrumAxis, TILE_COLUMNS, TILE_ROWS};

use super::EngineError;
use super::wishes::{Granted, Wishes};
use crate::domain::MediaHash;
use crate::media::{Peaks, SoundFile};
use crate::store::Blobs;
use crossbeam_channel::{Receiver, Sender, bounded};
use spectrum::Spectrum;
use std::cell::Cell;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// One draws what is looked at while the other reads what comes.
const THREADS: usize = 2;
/// Frames of one block of samples.
pub const BLOCK_FRAMES: u64 = 1 << 15;
/// The waveform of so many frames is complete before it is shown at all: 45 s at 44.1 kHz.
const SHORT_FRAMES: u64 = 2_000_000;
/// They share each long sound between them.
const WAVEFORM_THREADS: usize = 2;
/// Waveforms that wait to be gone through, one for each thread that shares it.
const WAVEFORMS: usize = 8 * WAVEFORM_THREADS;
/// How often the window is told that a waveform has grown.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// One thing to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SoundWant {
    Head(MediaHash),
    /// Samples from frame `block` × [`BLOCK_FRAMES`] on.
    Block {
        media: MediaHash,
        block: u64,
    },
    /// [`TILE_COLUMNS`] columns of 2^`level` frames each.
    Tile {
        media: MediaHash,
        level: u8,
        index: u64,
    },
}

/// A sound as far as it is known at once.
pub struct SoundHead {
    pub rate_hz: u32,
    pub channels: u32,
    pub frames: u64,
    /// Smallest and largest of any stretch; of a long sound it fills while one looks.
    pub peaks: Arc<Peaks>,
}

impl SoundHead {
    #[must_use]
    pub fn secs(&self) -> f64 {
        self.frames as f64 / f64::from(self.rate_hz.max(1))
    }
}

/// What came of a want.
#[derive(Clone)]
pub enum Heard {
    Head(Arc<SoundHead>),
    /// Interleaved.
    Block(Arc<Vec<f32>>),
    /// Row by row from the highest band down, on the fixed scale of [`SpectrumAxis`].
    Tile(Arc<Vec<u8>>),
}

pub type Listened = Granted<SoundWant, Heard>;

/// The front end's end; dropping it ends the threads after what they are at.
pub struct Sounds {
    wishes: Wishes<SoundWant, Heard>,
    is_over: Arc<AtomicBool>,
}

impl Sounds {
    /// `wake` is called after each result.
    pub fn start(
        folder: &Path,
        wake: impl Fn() + Clone + Send + Sync + 'static,
    ) -> Result<Self, EngineError> {
        let blobs = Blobs::of_line(folder);
        let is_over = Arc::new(AtomicBool::new(false));
        let (sender, waiting) = bounded(WAVEFORMS);
        let worker = |_| {
            let mut reader = Reader { blobs: blobs.clone(), open: None, waveforms: sender.clone() };
            move |want: &SoundWant| reader.fetch(want)
        };
        let workers = (0..THREADS).map(worker).collect();
        for at in 1..=WAVEFORM_THREADS {
            let (waiting, over, wake) = (waiting.clone(), Arc::clone(&is_over), wake.clone());
            std::thread::Builder::new()
                .name(format!("waveforms-{at}"))
                .spawn(move || fill(&waiting, &over, &wake))
                .map_err(|error| {
                    EngineError::Failed(format!("cannot start a thread for waveforms: {error}"))
                })?;
        }
        let wishes = Wishes::start("sounds", workers, wake)?;
        Ok(Self { wishes, is_over })
    }

    /// Replaces the list, most needed first. What was heard before is not kept here.
    pub fn want(&self, wants: Vec<SoundWant>) {
        self.wishes.want(wants);
    }

    #[must_use]
    pub fn heard(&self) -> &Receiver<Listened> {
        self.wishes.granted()
    }
}

impl Drop for Sounds {
    fn drop(&mut self) {
        // The waveforms' thread ends once it sees that, or when the last reader is gone.
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// The samples of a blob, where they lie.
pub(super) fn open_sound(path: &Path) -> Result<SoundFile, String> {
    let file = File::open(path).map_err(|error| format!("cannot open it: {error}"))?;
    SoundFile::new(file).map_err(|error| error.to_string())
}

/// A waveform to go through, as long as somebody keeps its head.
struct Waveform {
    file: SoundFile,
    peaks: Arc<Peaks>,
    head: Weak<SoundHead>,
}

/// What one thread keeps between wants: the sound that it read last.
struct Reader {
    blobs: Blobs,
    open: Option<Open>,
    waveforms: Sender<Waveform>,
}

struct Open {
    media: MediaHash,
    file: SoundFile,
    spectrum: Spectrum,
}

impl Reader {
    fn fetch(&mut self, want: &SoundWant) -> Result<Heard, String> {
        match want {
            SoundWant::Head(media) => self.head(media).map(Heard::Head),
            SoundWant::Block { media, block } => {
                let mut samples = Vec::new();
                let count = usize::try_from(BLOCK_FRAMES).unwrap_or(usize::MAX);
                let open = self.open(media)?;
                let first = block.saturating_mul(BLOCK_FRAMES);
                open.file.read(first, count, &mut samples).map_err(|error| error.to_string())?;
                Ok(Heard::Block(Arc::new(samples)))
            }
            SoundWant::Tile { media, level, index } => {
                let open = self.open(media)?;
                open.spectrum.tile(&mut open.file, *level, *index).map(|tile| Heard::Tile(Arc::new(tile)))
            }
        }
    }

    fn open(&mut self, media: &MediaHash) -> Result<&mut Open, String> {
        let kept = self.open.take().filter(|open| open.media == *media);
        let open = if let Some(open) = kept {
            open
        } else {
            let file = open_sound(&self.blobs.path(media))?;
            let spectrum = Spectrum::new(&file, TILE_ROWS);
            Open { media: media.clone(), file, spectrum }
        };
        Ok(self.open.insert(open))
    }

    fn head(&mut self, media: &MediaHash) -> Result<Arc<SoundHead>, String> {
        let path = self.blobs.path(media);
        let waveforms = self.waveforms.clone();
        let open = self.open(media)?;
        let peaks = Arc::new(Peaks::new(&open.file));
        let head = Arc::new(SoundHead {
            rate_hz: open.file.rate_hz(),
            channels: open.file.channels(),
            frames: open.file.frames(),
            peaks: Arc::clone(&peaks),
        });
        if head.frames <= SHORT_FRAMES {
            peaks.fill(&mut open.file, &|| true).map_err(|error| error.to_string())?;
        } else {
            for _ in 0..WAVEFORM_THREADS {
                // With too many before it a waveform stays unknown; the spectrogram is there all the same.
                let file = open_sound(&path)?;
                let _ = waveforms.try_send(Waveform {
                    file,
                    peaks: Arc::clone(&peaks),
                    head: Arc::downgrade(&head),
                });
            }
        }
        Ok(head)
    }
}

/// Goes through long sounds, one after the other, as long as somebody keeps them.
fn fill(waiting: &Receiver<Waveform>, is_over: &AtomicBool, wake: &(impl Fn() + Send + Sync)) {
    for Waveform { mut file, peaks, head } in waiting {
        let told = Cell::new(Instant::now());
        let keep_going = || {
            if told.get().elapsed() >= TELL_EVERY {
                told.set(Instant::now());
                wake();
            }
            !is_over.load(Ordering::Relaxed) && head.strong_count() > 0
        };
        // A damaged end leaves its part unknown, and the station has told it already.
        let _ = peaks.fill(&mut file, &keep_going);
        wake();
    }
}

#[cfg(test)]
mod tests;
