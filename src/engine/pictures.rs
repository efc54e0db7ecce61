//! Pictures for the eye: decoded, in falling sizes, and ahead of need. A few threads work on a list
//! that the front end replaces as the person moves on, so that nothing old is decoded and nothing
//! grows.

use super::sounds::{open_sound, small_spectrum};
use super::wishes::{Granted, Wishes};
use super::{EngineError, find_model};
use crate::domain::{MediaHash, MediaKind, ModelRef};
use crate::infer::{Heat, Model};
use crate::media::{Raster, decode, decode_image, resize, sniff, thumbnail};
use crate::store::Blobs;
use crossbeam_channel::Receiver;
use parking_lot::Mutex;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longer side of the smallest level, which is always drawn whole.
const TOP_SIDE_PX: u32 = 1024;
const THUMB_SIDE_PX: u32 = 192;
/// One decodes what is looked at while the other decodes what comes.
const THREADS: usize = 2;
/// Enough to tell a sound from a picture.
const HEAD_BYTES: usize = 512;

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
    /// Of a sound: power over time and mel, grey.
    SoundThumb(Arc<Raster>),
    Heat(Arc<Heat>),
}

pub type Fetched = Granted<Want, Seen>;

struct Shared {
    blobs: Blobs,
    folder: PathBuf,
    /// The model that last made a heat map.
    model: Mutex<Option<Arc<Model>>>,
}

/// The front end's end; dropping it ends the threads after what they are at.
pub struct Pictures(Wishes<Want, Seen>);

impl Pictures {
    /// `wake` is called after each picture.
    pub fn start(folder: &Path, wake: impl Fn() + Send + Sync + 'static) -> Result<Self, EngineError> {
        let shared = Arc::new(Shared {
            blobs: Blobs::of_line(folder),
            folder: folder.to_owned(),
            model: Mutex::new(None),
        });
        let worker = |_| {
            let shared = Arc::clone(&shared);
            move |want: &Want| fetch(&shared, want)
        };
        Ok(Self(Wishes::start("pictures", (0..THREADS).map(worker).collect(), wake)?))
    }

    /// Replaces the list, most needed first. What was fetched before is not kept here.
    pub fn want(&self, wants: Vec<Want>) {
        self.0.want(wants);
    }

    #[must_use]
    pub fn fetched(&self) -> &Receiver<Fetched> {
        self.0.granted()
    }
}

fn fetch(shared: &Shared, want: &Want) -> Result<Seen, String> {
    match want {
        Want::Full(media) => Ok(Seen::Picture(Arc::new(Pyramid::new(raster(shared, media)?)?))),
        Want::Thumb(media) => thumb(shared, media),
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

fn thumb(shared: &Shared, media: &MediaHash) -> Result<Seen, String> {
    let path = shared.blobs.path(media);
    let mut head = [0; HEAD_BYTES];
    let count =
        File::open(&path).and_then(|mut file| file.read(&mut head)).map_err(|error| error.to_string())?;
    if sniff(&head[..count]) == Some(MediaKind::Audio) {
        let small = small_spectrum(&mut open_sound(&path)?, THUMB_SIDE_PX, THUMB_SIDE_PX * 3 / 4)?;
        return Ok(Seen::SoundThumb(Arc::new(small)));
    }
    let small = thumbnail(&raster(shared, media)?, THUMB_SIDE_PX).map_err(|error| error.to_string())?;
    Ok(Seen::Thumb(Arc::new(small)))
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
