//! The two stages between source and writer: bytes → pixels → the network's input, and input →
//! prediction. Panics are caught here; whatever goes wrong becomes a reason to ask a person.

use super::fleet::{Fleet, Loaded};
use super::record::Inspected;
use super::station::{Finished, Prepared, Shared, StationEvent, Taken};
use crate::domain::{InputStats, Level, MediaHash, MediaKind, Prediction, Reason, Timing};
use crate::infer::{InferError, Input, Model};
use crate::ingest::pattern::{Captures, reference_path};
use crate::media::{FILE_BYTES_MAX, Raster, decode, decode_image, sniff};
use crate::store::{Blobs, ShadowItem, StoreError};
use crossbeam_channel::{Receiver, Sender};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Builder;
use std::time::{Duration, Instant};

/// Between two attempts to write a blob to a full disk.
const DISK_RETRY: Duration = Duration::from_secs(1);

pub(super) fn run_decode(shared: &Shared, from_source: &Receiver<Taken>, to_network: &Sender<Prepared>) {
    for taken in from_source {
        let prepared = match prepare(shared, taken, &shared.fleet()) {
            Ok(prepared) => prepared,
            Err(why) => {
                shared.in_flight.fetch_sub(1, Ordering::AcqRel);
                shared.tell(StationEvent::Trouble(why));
                continue;
            }
        };
        if to_network.send(prepared).is_err() {
            return;
        }
    }
}

pub(super) fn run_network(shared: &Shared, from_decode: &Receiver<Prepared>, to_writer: &Sender<Finished>) {
    for mut prepared in from_decode {
        if let (Ok(model), Some(input)) = (&prepared.loaded.model, prepared.input.take()) {
            let threads = network_threads(shared);
            prepared.item.prediction = predict(model, &input, threads, prepared.timing, prepared.stats);
            if let Err(reason) = &prepared.item.prediction {
                shared.tell(StationEvent::Trouble(format!("{}: {reason}", prepared.item.name)));
            }
        }
        if to_writer.send(Finished { taken: prepared.taken, item: prepared.item }).is_err() {
            return;
        }
    }
}

/// The plan's threads, and those of the decoders that have nothing to do: an item that comes alone
/// is decided sooner, and a backlog is not held up. The prediction does not depend on it.
fn network_threads(shared: &Shared) -> usize {
    let others = shared.in_flight.load(Ordering::Relaxed).saturating_sub(1);
    shared.plan.threads.network + shared.plan.threads.decode.saturating_sub(others)
}

/// `Err` only when there is nothing to record: the file is gone, or the station stops.
fn prepare(shared: &Shared, taken: Taken, fleet: &Fleet) -> Result<Prepared, String> {
    let (bytes, unreadable) = match read_file(&taken) {
        Ok(bytes) => (bytes, None),
        Err(ReadFailure::Gone) => return Err(format!("{} vanished before it was read", taken.file.name)),
        Err(ReadFailure::Unreadable(why)) => (Vec::new(), Some(why)),
    };
    let blobs = Blobs::of_line(&shared.folder);
    let named = shared.pattern.read(&taken.file.name);
    let loaded = Arc::clone(fleet.for_unit(&named.unit));
    // The disk works while the processor decodes; both are done before the item goes on.
    let (media, seen) = std::thread::scope(|scope| {
        let put = || put_blob(shared, &blobs, &bytes);
        let putting = Builder::new().name("blob".to_owned()).spawn_scoped(scope, put);
        let seen = match unreadable {
            Some(why) => Ok(Seen::unusable(Reason::Undecodable { why })),
            None => look(shared, &blobs, &bytes, &named, &loaded),
        };
        let media = match putting {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // No thread to be had: one after the other.
            Err(_) => put(),
        };
        (media, seen)
    });
    let Seen { input, reference, timing, stats } = seen?;
    let (input, reason) = match input {
        Ok(input) => (Some(input), Reason::LevelAsks { level: loaded.level }),
        Err(reason) => (None, reason),
    };
    let item = Inspected {
        source: shared.source.clone(),
        name: taken.file.name.clone(),
        unit: named.unit.clone(),
        position: named.position.clone(),
        kind: sniff(&bytes).unwrap_or(MediaKind::Image),
        media: media?,
        bytes: bytes.len() as u64,
        modified_at: Some(taken.file.modified),
        reference,
        asked: loaded.wanted.clone(),
        // Overwritten where there is an input.
        prediction: Err(reason),
    };
    Ok(Prepared { taken, loaded, item, input, timing, stats })
}

/// What decoding came to.
struct Seen {
    /// For the network, or why a person has to look.
    input: Result<Input, Reason>,
    reference: Option<MediaHash>,
    timing: Timing,
    stats: Option<InputStats>,
}

impl Seen {
    fn unusable(reason: Reason) -> Self {
        Self { input: Err(reason), reference: None, timing: Timing::default(), stats: None }
    }
}

/// Decodes the item and makes the network's input. The error means that the station is stopping.
fn look(
    shared: &Shared,
    blobs: &Blobs,
    bytes: &[u8],
    named: &Captures,
    loaded: &Loaded,
) -> Result<Seen, String> {
    let mut timing = Timing::default();
    let start = Instant::now();
    let item = match decode(bytes) {
        Ok(item) => item,
        Err(error) => return Ok(Seen::unusable(Reason::Undecodable { why: error.to_string() })),
    };
    let (mut reference, mut golden) = (None, None);
    if let Some(pattern) = &shared.plan.source.reference {
        match read_reference(&shared.folder, pattern, named) {
            Ok((bytes, image)) => {
                reference = Some(put_blob(shared, blobs, &bytes)?);
                golden = Some(image);
            }
            Err(why) => return Ok(Seen::unusable(Reason::NoReference { why })),
        }
    }
    timing.decode_ms = millis(start);
    let input = match &loaded.model {
        _ if loaded.level == Level::Manual => Err(Reason::LevelAsks { level: Level::Manual }),
        Err(reason) => Err(reason.clone()),
        Ok(model) => {
            let start = Instant::now();
            let input = guarded(|| model.prepare(&item, golden.as_ref()).map_err(InferError::into_reason));
            timing.prepare_ms = millis(start);
            input
        }
    };
    let measured = guarded(|| Ok(item.stats()));
    let input = if let Err(reason) = &measured { Err(reason.clone()) } else { input };
    Ok(Seen { input, reference, timing, stats: measured.ok() })
}

fn predict(
    model: &Model,
    input: &Input,
    threads: usize,
    mut timing: Timing,
    inputs: Option<InputStats>,
) -> Result<Prediction, Reason> {
    let start = Instant::now();
    let output = guarded(|| model.predict(input, threads).map_err(InferError::into_reason))?;
    timing.network_ms = millis(start);
    Ok(Prediction {
        model: model.model_ref().clone(),
        probabilities: output.probabilities,
        regions: output.regions,
        transcript: output.transcript,
        timing,
        inputs,
        features: output.features,
    })
}

/// What a model says of an item that is recorded already.
pub(super) fn predict_alone(shared: &Shared, model: &Model, item: &ShadowItem) -> Result<Prediction, String> {
    let blobs = Blobs::of_line(&shared.folder);
    let read = |media: &MediaHash| blobs.read(media).map_err(|error| error.to_string());
    let mut timing = Timing::default();
    let start = Instant::now();
    let decoded = decode(&read(&item.media)?).map_err(|error| error.to_string())?;
    let golden = item.reference.as_ref().map(|media| {
        let bytes = read(media)?;
        decode_image(&bytes).map_err(|error| error.to_string())
    });
    let golden = golden.transpose()?;
    timing.decode_ms = millis(start);
    let start = Instant::now();
    let input = guarded(|| model.prepare(&decoded, golden.as_ref()).map_err(InferError::into_reason))
        .map_err(|reason| reason.to_string())?;
    timing.prepare_ms = millis(start);
    let inputs = item.prediction.as_ref().and_then(|prediction| prediction.inputs);
    predict(model, &input, 1, timing, inputs).map_err(|reason| reason.to_string())
}

/// A panic in somebody's decoder or network is one item's problem, not the line's.
fn guarded<T>(work: impl FnOnce() -> Result<T, Reason>) -> Result<T, Reason> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(Reason::ModelFault { why: format!("a fault inside the model: {text}") })
    })
}

enum ReadFailure {
    Gone,
    Unreadable(String),
}

fn read_file(taken: &Taken) -> Result<Vec<u8>, ReadFailure> {
    let path = &taken.file.path;
    if taken.file.bytes > FILE_BYTES_MAX as u64 {
        return Err(ReadFailure::Unreadable(format!(
            "{} bytes are more than {FILE_BYTES_MAX} that an item may have",
            taken.file.bytes
        )));
    }
    fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ReadFailure::Gone,
        _ => ReadFailure::Unreadable(error.to_string()),
    })
}

fn read_reference(folder: &Path, pattern: &str, named: &Captures) -> Result<(Vec<u8>, Raster), String> {
    let path = folder.join(reference_path(pattern, named).map_err(|error| error.to_string())?);
    let bytes = fs::read(&path).map_err(|error| format!("{error}: {}", path.display()))?;
    let image = decode_image(&bytes).map_err(|error| format!("{error}: {}", path.display()))?;
    Ok((bytes, image))
}

/// Waits for space on a full disk rather than losing an item.
fn put_blob(shared: &Shared, blobs: &Blobs, bytes: &[u8]) -> Result<MediaHash, String> {
    let mut said = false;
    loop {
        match blobs.put(bytes) {
            Ok(media) => {
                if said {
                    shared.tell(StationEvent::Recovered("media can be written again".into()));
                }
                return Ok(media);
            }
            Err(error) if shared.is_stopping() => return Err(format!("not taken in: {error}")),
            Err(error) => {
                if !said {
                    let error = match error {
                        StoreError::DiskFull => "the disk is full: items wait in their folder".to_owned(),
                        other => other.to_string(),
                    };
                    shared.tell(StationEvent::Trouble(error));
                    said = true;
                }
                std::thread::sleep(DISK_RETRY);
            }
        }
    }
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
