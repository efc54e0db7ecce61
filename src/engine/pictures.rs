//! Pictures for the eye: decoded, in falling sizes, and ahead of need. A few threads work on a list
//! that the front end replaces as the person moves on, so that nothing old is decoded and nothing
//! grows.

use super::{EngineError, find_model};
use crate::domain::{MediaHash, ModelRef};
use crate::infer::{Heat, Model};
use crate::media::{Raster, decode, decode_image, resize, thumbnail};
use crate::store::Blobs;
use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::{Condvar, Mutex};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Longer side of the smallest level, which is always drawn whole.
const TOP_SIDE_PX: u32 = 1024;
const THUMB_SIDE_PX: u32 = 192;
/// One decodes what is looked at while the other decodes what comes.
const THREADS: usize = 2;
const EVENTS: usize = 32;

/// One thing to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    Full(MediaHash),
    Thumb(MediaHash),
    /// |item − reference|, as grey.
    Difference {
        item: MediaHash,
        reference: MediaHash,
    },
    /// Where the model that made a prediction sees it.
    Heat {
        item: MediaHash,
        reference: Option<MediaHash>,
        model: ModelRef,
    },
}

/// A picture and its halvings, the last at most [`TOP_SIDE_PX`] long.
#[derive(Debug, PartialEq, Eq)]
pub struct Pyramid {
    pub levels: Vec<Raster>,
}

impl Pyramid {
    fn new(raster: Raster) -> Result<Self, String> {
        let mut levels = vec![raster];
        while let Some(last) = levels.last()
            && last.width.max(last.height) > TOP_SIDE_PX
        {
            let half = resize(last, last.width.div_ceil(2), last.height.div_ceil(2));
            levels.push(half.map_err(|error| error.to_string())?);
        }
        Ok(Self { levels })
    }

    #[must_use]
    pub fn size(&self) -> [u32; 2] {
        self.levels.first().map_or([0, 0], |raster| [raster.width, raster.height])
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.levels.iter().map(|raster| raster.pixels.len()).sum()
    }
}

/// What came of a want.
#[derive(Clone, Debug)]
pub enum Seen {
    Picture(Arc<Pyramid>),
    Thumb(Arc<Raster>),
    Heat(Arc<Heat>),
}

#[derive(Clone, Debug)]
pub struct Fetched {
    pub want: Want,
    pub result: Result<Seen, String>,
}

struct List {
    /// In order of need.
    wants: Vec<Want>,
    busy: Vec<Want>,
    is_over: bool,
}

struct Shared {
    blobs: Blobs,
    folder: PathBuf,
    list: Mutex<List>,
    changed: Condvar,
    /// The model that last made a heat map.
    model: Mutex<Option<Arc<Model>>>,
}

/// The front end's end; dropping it ends the threads after what they are at.
pub struct Pictures {
    shared: Arc<Shared>,
    fetched: Receiver<Fetched>,
    threads: Vec<JoinHandle<()>>,
}

impl Pictures {
    /// `wake` is called after each picture.
    pub fn start(folder: &Path, wake: impl Fn() + Send + Sync + 'static) -> Result<Self, EngineError> {
        let shared = Arc::new(Shared {
            blobs: Blobs::of_line(folder),
            folder: folder.to_owned(),
            list: Mutex::new(List { wants: Vec::new(), busy: Vec::new(), is_over: false }),
            changed: Condvar::new(),
            model: Mutex::new(None),
        });
        let (sender, fetched) = bounded(EVENTS);
        let wake = Arc::new(wake);
        let mut threads = Vec::new();
        for i in 0..THREADS {
            let (shared, sender, wake) = (Arc::clone(&shared), sender.clone(), Arc::clone(&wake));
            let thread = std::thread::Builder::new()
                .name(format!("pictures-{}", i + 1))
                .spawn(move || work(&shared, &sender, &*wake))
                .map_err(|error| EngineError::Failed(format!("cannot start a picture thread: {error}")))?;
            threads.push(thread);
        }
        Ok(Self { shared, fetched, threads })
    }

    /// Replaces the list, most needed first. What was fetched before is not kept here.
    pub fn want(&self, wants: Vec<Want>) {
        let mut list = self.shared.list.lock();
        if list.wants != wants {
            list.wants = wants;
            self.shared.changed.notify_all();
        }
    }

    #[must_use]
    pub fn fetched(&self) -> &Receiver<Fetched> {
        &self.fetched
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        self.shared.list.lock().is_over = true;
        self.shared.changed.notify_all();
        while self.threads.iter().any(|thread| !thread.is_finished()) {
            // A thread may be waiting to hand a picture over.
            let _ = self.fetched.recv_timeout(std::time::Duration::from_millis(5));
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared, sender: &Sender<Fetched>, wake: &(impl Fn() + Send + Sync)) {
    loop {
        let want = {
            let mut list = shared.list.lock();
            loop {
                if list.is_over {
                    return;
                }
                let next = list.wants.iter().position(|want| !list.busy.contains(want));
                if let Some(at) = next {
                    let want = list.wants.remove(at);
                    list.busy.push(want.clone());
                    break want;
                }
                shared.changed.wait(&mut list);
            }
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fetch(shared, &want)))
            .unwrap_or_else(|_| Err("the decoder broke on this picture".into()));
        let is_sent = sender.send(Fetched { want: want.clone(), result }).is_ok();
        shared.list.lock().busy.retain(|other| *other != want);
        wake();
        if !is_sent {
            return;
        }
    }
}

fn fetch(shared: &Shared, want: &Want) -> Result<Seen, String> {
    match want {
        Want::Full(media) => Ok(Seen::Picture(Arc::new(Pyramid::new(raster(shared, media)?)?))),
        Want::Thumb(media) => {
            let small =
                thumbnail(&raster(shared, media)?, THUMB_SIDE_PX).map_err(|error| error.to_string())?;
            Ok(Seen::Thumb(Arc::new(small)))
        }
        Want::Difference { item, reference } => {
            let difference = difference(&raster(shared, item)?, &raster(shared, reference)?)?;
            Ok(Seen::Picture(Arc::new(Pyramid::new(difference)?)))
        }
        Want::Heat { item, reference, model } => {
            let model = model_of(shared, model)?;
            let bytes = shared.blobs.read(item).map_err(|error| error.to_string())?;
            let item = decode(&bytes).map_err(|error| error.to_string())?;
            let reference = reference.as_ref().map(|media| raster(shared, media)).transpose()?;
            let input = model.prepare(&item, reference.as_ref()).map_err(|error| error.to_string())?;
            let (_, heat) = model.predict_with_heat(&input, 1).map_err(|error| error.to_string())?;
            Ok(Seen::Heat(Arc::new(heat)))
        }
    }
}

fn raster(shared: &Shared, media: &MediaHash) -> Result<Raster, String> {
    let bytes = shared.blobs.read(media).map_err(|error| error.to_string())?;
    decode_image(&bytes).map_err(|error| error.to_string())
}

/// The very package that made the prediction, not another one of the same name.
fn model_of(shared: &Shared, named: &ModelRef) -> Result<Arc<Model>, String> {
    let mut kept = shared.model.lock();
    if let Some(model) = kept.as_ref().filter(|model| model.model_ref() == named) {
        return Ok(Arc::clone(model));
    }
    let model = find_model(Some(&shared.folder), &named.name).map_err(|error| error.to_string())?;
    if model.model_ref() != named {
        return Err(format!("the package {} has changed since this prediction", named.name));
    }
    Ok(Arc::clone(kept.insert(Arc::new(model))))
}

/// Largest difference over the channels; the reference takes the item's size.
fn difference(item: &Raster, reference: &Raster) -> Result<Raster, String> {
    let reference = resize(reference, item.width, item.height).map_err(|error| error.to_string())?;
    let (n, m) = (item.channels as usize, reference.channels as usize);
    let pixels = item
        .pixels
        .chunks_exact(n)
        .zip(reference.pixels.chunks_exact(m))
        .map(|(a, b)| (0..n.max(m)).map(|c| a[c.min(n - 1)].abs_diff(b[c.min(m - 1)])).max().unwrap_or(0))
        .collect();
    Ok(Raster { width: item.width, height: item.height, channels: 1, pixels })
}
