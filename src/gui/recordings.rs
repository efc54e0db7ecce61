//! Sounds that are there: heads, samples and tiles that the engine has computed, kept within limits. Asks
//! for what is missing; never reads a file.

use super::album::Shown;
use crate::domain::MediaHash;
use crate::engine::{Heard, Listened, SoundHead, SoundWant, Sounds};
use eframe::egui;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sounds known: what is looked at, what comes and what was just left. An hour's waveform takes 20 MB.
const HEADS_MAX: usize = 6;
/// Blocks of samples kept: a wide screen of the finest waveform that is made from them, 256 KiB each in
/// stereo.
const BLOCKS_MAX: usize = 48;
/// Tiles kept: a screen of 4K, and around it, 80 KiB each.
const TILES_MAX: usize = 160;
/// Taking things in may take this long of one frame.
const DRAIN: Duration = Duration::from_millis(3);

/// Things of which the longest unused go.
struct Shelf<K, T> {
    kept: HashMap<K, (T, u64)>,
    uses: u64,
    max: usize,
}

impl<K: Clone + Eq + Hash, T: Clone> Shelf<K, T> {
    fn new(max: usize) -> Self {
        Self { kept: HashMap::new(), uses: 0, max }
    }

    fn get(&mut self, key: &K) -> Option<T> {
        self.uses += 1;
        let (thing, used) = self.kept.get_mut(key)?;
        *used = self.uses;
        Some(thing.clone())
    }

    fn put(&mut self, key: K, thing: T) {
        self.uses += 1;
        self.kept.insert(key, (thing, self.uses));
        while self.kept.len() > self.max {
            let oldest = self.kept.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            self.kept.remove(&oldest);
        }
    }
}

pub struct Recordings {
    sounds: Sounds,
    heads: Shelf<MediaHash, Shown<Arc<SoundHead>>>,
    blocks: Shelf<(MediaHash, u64), Option<Arc<Vec<f32>>>>,
    tiles: Shelf<(MediaHash, u8, u64), Shown<Arc<Vec<u8>>>>,
    /// Of this frame, most needed first.
    wants: Vec<SoundWant>,
}

impl Recordings {
    pub fn new(sounds: Sounds) -> Self {
        Self {
            sounds,
            heads: Shelf::new(HEADS_MAX),
            blocks: Shelf::new(BLOCKS_MAX),
            tiles: Shelf::new(TILES_MAX),
            wants: Vec::new(),
        }
    }

    /// Takes in what came since.
    pub fn drain(&mut self, ctx: &egui::Context) {
        let start = Instant::now();
        while start.elapsed() < DRAIN {
            let Ok(Listened { want, result }) = self.sounds.heard().try_recv() else { break };
            match (want, result) {
                (SoundWant::Head(media), Ok(Heard::Head(head))) => self.heads.put(media, Shown::Ready(head)),
                (SoundWant::Head(media), Err(why)) => self.heads.put(media, Shown::Failed(why)),
                (SoundWant::Block { media, block }, result) => {
                    let samples = if let Ok(Heard::Block(samples)) = result { Some(samples) } else { None };
                    self.blocks.put((media, block), samples);
                }
                (SoundWant::Tile { media, level, index }, result) => {
                    let shown = match result {
                        Ok(Heard::Tile(tile)) => Shown::Ready(tile),
                        Ok(_) => Shown::Loading,
                        Err(why) => Shown::Failed(why),
                    };
                    self.tiles.put((media, level, index), shown);
                }
                (SoundWant::Head(_), Ok(_)) => {}
            }
            ctx.request_repaint();
        }
    }

    /// Tells the engine what this frame has missed.
    pub fn ask(&mut self) {
        self.sounds.want(std::mem::take(&mut self.wants));
    }

    pub fn head(&mut self, media: &MediaHash) -> Shown<Arc<SoundHead>> {
        self.heads.get(media).unwrap_or_else(|| {
            let want = SoundWant::Head(media.clone());
            if !self.wants.contains(&want) {
                self.wants.push(want);
            }
            Shown::Loading
        })
    }

    /// `None` while it is on its way, or where it cannot be read.
    pub fn block(&mut self, media: &MediaHash, block: u64) -> Option<Arc<Vec<f32>>> {
        self.blocks.get(&(media.clone(), block)).unwrap_or_else(|| {
            let want = SoundWant::Block { media: media.clone(), block };
            if !self.wants.contains(&want) {
                self.wants.push(want);
            }
            None
        })
    }

    pub fn tile(&mut self, media: &MediaHash, level: u8, index: u64) -> Shown<Arc<Vec<u8>>> {
        self.tiles.get(&(media.clone(), level, index)).unwrap_or_else(|| {
            self.wants.push(SoundWant::Tile { media: media.clone(), level, index });
            Shown::Loading
        })
    }
}
