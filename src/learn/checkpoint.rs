//! What a training leaves beside its candidate after every epoch, so that one that was killed goes on
//! and comes to the same weights as if nothing had happened.
//!
//! Draws and augmentation depend on seed, epoch and place alone: the epoch is the whole state of
//! randomness.

use super::LearnError;
use super::pack::Judged;
use crate::infer::{weights_from_bytes, weights_to_bytes};
use crate::nn::Weights;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Raised when the state means something else.
const FORMAT: u32 = 1;
/// Longer headers are not ours.
const HEADER_BYTES_MAX: usize = 1 << 24;

/// One run between two epochs.
pub(super) struct RunState {
    pub numbers: Numbers,
    pub net: Weights,
    pub mean: Weights,
    pub best: Weights,
    /// First and second moments of the optimiser.
    pub moments: [Vec<f32>; 2],
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Numbers {
    pub epoch: usize,
    pub best_epoch: usize,
    /// Where it has been validated.
    pub best: Option<f64>,
    pub last: Option<f64>,
    pub optimiser_steps: i32,
    pub mean_steps: f32,
    pub spent_secs: f64,
}

/// What the first run came to, where a second one follows.
#[derive(Clone)]
pub(super) struct FirstRun {
    pub judged: Judged,
    pub epochs: usize,
    pub best_epoch: usize,
    pub weights: Weights,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    /// Of the loaded items, and of the settings: with others it would be another training.
    training: String,
    numbers: Numbers,
    first: Option<FirstHeader>,
    /// What the caller needs to call again.
    about: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct FirstHeader {
    judged: Judged,
    epochs: usize,
    best_epoch: usize,
}

/// Keeps the state of a training in a file, or nowhere.
#[derive(Default)]
pub struct Keeper {
    path: Option<PathBuf>,
    about: serde_json::Value,
    /// What was found, until it is used.
    saved: Option<(Header, Weights)>,
    first: Option<FirstRun>,
    /// Names the training that is under way.
    training: String,
}

fn failed(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> LearnError {
    let place = format!("{what}: {}", path.display());
    move |error| LearnError::Checkpoint(format!("{error}: {place}"))
}

impl Keeper {
    /// A training that begins, and is kept in `path` with what the caller needs to go on with it.
    #[must_use]
    pub fn new(path: PathBuf, about: serde_json::Value) -> Self {
        Self { path: Some(path), about, ..Self::default() }
    }

    /// A training that goes on where `path` says.
    pub fn open(path: PathBuf) -> Result<Self, LearnError> {
        let bytes = fs::read(&path).map_err(failed("cannot read the checkpoint", &path))?;
        let damaged = || LearnError::Checkpoint(format!("the checkpoint is damaged: {}", path.display()));
        let (body, hash) = bytes.split_at_checked(bytes.len().saturating_sub(32)).ok_or_else(damaged)?;
        if blake3::hash(body).as_bytes() != hash {
            return Err(damaged());
        }
        let (length, rest) = body.split_first_chunk::<8>().ok_or_else(damaged)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (header, weights) = rest.split_at_checked(length.min(HEADER_BYTES_MAX)).ok_or_else(damaged)?;
        let header: Header = serde_json::from_slice(header).map_err(|_| damaged())?;
        if header.format != FORMAT {
            return Err(LearnError::Checkpoint(format!(
                "the checkpoint was written by another version of this program: {}",
                path.display()
            )));
        }
        let about = header.about.clone();
        let weights = weights_from_bytes(weights)?;
        Ok(Self { path: Some(path), about, saved: Some((header, weights)), ..Self::default() })
    }

    /// What the caller left here.
    #[must_use]
    pub fn about(&self) -> &serde_json::Value {
        &self.about
    }

    /// The training is finished, and its model is on the disk.
    pub fn remove(&self) -> Result<(), LearnError> {
        match &self.path {
            Some(path) if path.exists() => {
                fs::remove_file(path).map_err(failed("cannot remove the checkpoint", path))
            }
            _ => Ok(()),
        }
    }

    /// Names the training by its data and settings; one that goes on must be the same.
    pub(super) fn begin(&mut self, data: &str, settings: &impl Serialize) -> Result<(), LearnError> {
        let settings = serde_json::to_vec(settings)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(data.as_bytes()).update(&settings);
        self.training = hasher.finalize().to_hex().to_string();
        match &self.saved {
            Some((header, _)) if header.training != self.training => Err(LearnError::Checkpoint(
                "the items or their pictures are not those that this training began with".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// What the first run came to, where the second had begun.
    pub(super) fn first_run(&mut self) -> Option<FirstRun> {
        let (header, weights) = self.saved.as_ref()?;
        let first = header.first.as_ref()?;
        let (epochs, best_epoch) = (first.epochs, first.best_epoch);
        let found =
            FirstRun { judged: first.judged.clone(), epochs, best_epoch, weights: under(weights, "first.") };
        self.first = Some(found.clone());
        Some(found)
    }

    /// From now on the second run is kept, with this beside it.
    pub(super) fn second_begins(&mut self, first: FirstRun) {
        if self.path.is_some() {
            self.first = Some(first);
        }
        // A state of the first run is none of the second.
        if self.saved.as_ref().is_some_and(|(header, _)| header.first.is_none()) {
            self.saved = None;
        }
    }

    /// The state of the run that begins now, once.
    pub(super) fn take(&mut self) -> Option<RunState> {
        let (header, weights) = self.saved.take()?;
        let moment = |name: &str| weights.get(name).map(|(_, values)| values.clone()).unwrap_or_default();
        Some(RunState {
            numbers: header.numbers,
            net: under(&weights, "net."),
            mean: under(&weights, "mean."),
            best: under(&weights, "best."),
            moments: [moment("moments.first"), moment("moments.second")],
        })
    }

    /// Writes the state, all of it or none: the file before stays until this one is on the disk.
    pub(super) fn keep(
        &self,
        state: impl FnOnce() -> Result<RunState, LearnError>,
    ) -> Result<(), LearnError> {
        let Some(path) = &self.path else { return Ok(()) };
        let state = state()?;
        let mut all = Weights::new();
        let first = self.first.as_ref();
        let sets = [("net.", Some(&state.net)), ("mean.", Some(&state.mean)), ("best.", Some(&state.best))];
        for (prefix, weights) in sets.into_iter().chain([("first.", first.map(|first| &first.weights))]) {
            for (name, tensor) in weights.into_iter().flatten() {
                all.insert(format!("{prefix}{name}"), tensor.clone());
            }
        }
        for (name, values) in ["moments.first", "moments.second"].into_iter().zip(state.moments) {
            all.insert(name.to_owned(), (vec![values.len()], values));
        }
        let header = serde_json::to_vec(&Header {
            format: FORMAT,
            training: self.training.clone(),
            numbers: state.numbers,
            first: first.map(|first| FirstHeader {
                judged: first.judged.clone(),
                epochs: first.epochs,
                best_epoch: first.best_epoch,
            }),
            about: self.about.clone(),
        })?;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(weights_to_bytes(&all)?);
        bytes.extend(*blake3::hash(&bytes).as_bytes());
        let partial = path.with_extension("partial");
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&partial)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&partial, path)
        };
        write().map_err(failed("cannot write the checkpoint", path))
    }
}

/// The tensors whose names begin with this, without it.
fn under(weights: &Weights, prefix: &str) -> Weights {
    let inside = weights.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)));
    inside.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect()
}
