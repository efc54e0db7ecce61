//! Pictures that are there: what the engine has decoded, kept within limits, with the textures of small
//! ones. Asks for what is missing; never decodes.

use super::icon::Icon;
use super::levels::LevelLook;
use super::theme::{RADIUS_SMALL, Tokens};
use crate::domain::MediaHash;
use crate::engine::{Fetched, Heat, Pictures, Pyramid, Raster, Seen, Want};
use eframe::egui::text::{LayoutJob, TextWrapping};
use eframe::egui::{
    self, Color32, ColorImage, FontId, Painter, Pos2, Rect, Stroke, StrokeKind, TextureHandle,
    TextureOptions, pos2, vec2,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Decoded pictures kept: what is looked at, what comes and what was just left.
const PICTURES_MAX: usize = 12;
/// Of 36 megapixels in colour there is room for four.
const PICTURES_BYTES_MAX: usize = 600 << 20;
/// Thumbnails kept as textures: 150 KiB each.
const THUMBS_MAX: usize = 500;
const HEATS_MAX: usize = 8;
/// Handing pictures over may take this long of one frame.
const DRAIN: Duration = Duration::from_millis(4);

/// One picture on its way.
#[derive(Clone)]
pub enum Shown<T> {
    Loading,
    Ready(T),
    /// Why it cannot be shown.
    Failed(String),
}

struct Kept<T> {
    shown: Shown<T>,
    /// Counts the uses; the smallest goes first.
    used: u64,
}

pub struct Album {
    pictures: Pictures,
    full: HashMap<MediaHash, Kept<Arc<Pyramid>>>,
    differences: HashMap<(MediaHash, MediaHash), Kept<Arc<Pyramid>>>,
    thumbs: HashMap<MediaHash, Kept<TextureHandle>>,
    heats: HashMap<MediaHash, Kept<Arc<Heat>>>,
    /// Of this frame, most needed first.
    wants: Vec<Want>,
    uses: u64,
}

impl Album {
    pub fn new(pictures: Pictures) -> Self {
        Self {
            pictures,
            full: HashMap::new(),
            differences: HashMap::new(),
            thumbs: HashMap::new(),
            heats: HashMap::new(),
            wants: Vec::new(),
            uses: 0,
        }
    }

    /// Takes in what has been decoded since.
    pub fn drain(&mut self, ctx: &egui::Context) {
        let start = Instant::now();
        while start.elapsed() < DRAIN {
            let Ok(Fetched { want, result }) = self.pictures.fetched().try_recv() else { break };
            self.uses += 1;
            let used = self.uses;
            match (want, result) {
                (Want::Full(media), result) => {
                    self.full.insert(media, Kept { shown: picture(result), used });
                }
                (Want::Difference { item, reference }, result) => {
                    self.differences.insert((item, reference), Kept { shown: picture(result), used });
                }
                (Want::Thumb(media), result) => {
                    let shown = match result {
                        Ok(Seen::Thumb(raster)) => {
                            let name = format!("thumb {}", media.as_str());
                            Shown::Ready(ctx.load_texture(name, color_image(&raster), TextureOptions::LINEAR))
                        }
                        Ok(Seen::SoundThumb(raster)) => {
                            let name = format!("thumb {}", media.as_str());
                            let size = [raster.width as usize, raster.height as usize];
                            let image = LevelLook::default().image(&raster.pixels, size);
                            Shown::Ready(ctx.load_texture(name, image, TextureOptions::LINEAR))
                        }
                        Ok(_) => Shown::Loading,
                        Err(why) => Shown::Failed(why),
                    };
                    self.thumbs.insert(media, Kept { shown, used });
                }
                (Want::Heat { item, .. }, result) => {
                    let shown = match result {
                        Ok(Seen::Heat(heat)) => Shown::Ready(heat),
                        Ok(_) => Shown::Loading,
                        Err(why) => Shown::Failed(why),
                    };
                    self.heats.insert(item, Kept { shown, used });
                }
            }
            ctx.request_repaint();
        }
        self.forget();
    }

    /// Lets the oldest go where there are too many.
    fn forget(&mut self) {
        fn thin<K: Clone + Eq + std::hash::Hash, T>(
            kept: &mut HashMap<K, Kept<T>>,
            is_too_much: impl Fn(&HashMap<K, Kept<T>>) -> bool,
        ) {
            while is_too_much(kept) {
                let oldest = kept.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone());
                let Some(oldest) = oldest else { break };
                kept.remove(&oldest);
            }
        }
        let is_too_much = |kept: &HashMap<MediaHash, Kept<Arc<Pyramid>>>| {
            let bytes: usize = kept.values().map(Kept::bytes).sum();
            kept.len() > PICTURES_MAX || (kept.len() > 1 && bytes > PICTURES_BYTES_MAX)
        };
        thin(&mut self.full, is_too_much);
        thin(&mut self.differences, |kept| kept.len() > 2);
        thin(&mut self.thumbs, |kept| kept.len() > THUMBS_MAX);
        thin(&mut self.heats, |kept| kept.len() > HEATS_MAX);
    }

    /// Tells the decoders what this frame has missed.
    pub fn ask(&mut self) {
        self.pictures.want(std::mem::take(&mut self.wants));
    }

    pub fn full(&mut self, media: &MediaHash) -> Shown<Arc<Pyramid>> {
        self.uses += 1;
        if let Some(kept) = self.full.get_mut(media) {
            kept.used = self.uses;
            return kept.shown.clone();
        }
        self.want(Want::Full(media.clone()));
        Shown::Loading
    }

    pub fn difference(&mut self, item: &MediaHash, reference: &MediaHash) -> Shown<Arc<Pyramid>> {
        self.uses += 1;
        if let Some(kept) = self.differences.get_mut(&(item.clone(), reference.clone())) {
            kept.used = self.uses;
            return kept.shown.clone();
        }
        self.want(Want::Difference { item: item.clone(), reference: reference.clone() });
        Shown::Loading
    }

    pub fn thumb(&mut self, media: &MediaHash) -> Shown<TextureHandle> {
        self.uses += 1;
        if let Some(kept) = self.thumbs.get_mut(media) {
            kept.used = self.uses;
            return kept.shown.clone();
        }
        self.want(Want::Thumb(media.clone()));
        Shown::Loading
    }

    /// Where the model that made the prediction sees it.
    pub fn heat(&mut self, want: Want) -> Shown<Arc<Heat>> {
        self.uses += 1;
        let Want::Heat { item, .. } = &want else { return Shown::Loading };
        if let Some(kept) = self.heats.get_mut(item) {
            kept.used = self.uses;
            return kept.shown.clone();
        }
        self.want(want);
        Shown::Loading
    }

    fn want(&mut self, want: Want) {
        if !self.wants.contains(&want) {
            self.wants.push(want);
        }
    }
}

impl Kept<Arc<Pyramid>> {
    fn bytes(&self) -> usize {
        match &self.shown {
            Shown::Ready(pyramid) => pyramid.bytes(),
            _ => 0,
        }
    }
}

fn picture(result: Result<Seen, String>) -> Shown<Arc<Pyramid>> {
    match result {
        Ok(Seen::Picture(pyramid)) => Shown::Ready(pyramid),
        Ok(_) => Shown::Loading,
        Err(why) => Shown::Failed(why),
    }
}

/// A whole raster as the graphics card wants it.
fn color_image(raster: &Raster) -> ColorImage {
    let pixels = raster
        .pixels
        .chunks_exact(raster.channels as usize)
        .map(|p| if let [r, g, b] = *p { Color32::from_rgb(r, g, b) } else { Color32::from_gray(p[0]) })
        .collect();
    ColorImage::new([raster.width as usize, raster.height as usize], pixels)
}

/// In a corner of a thumbnail: this one is heard.
pub fn paint_sound_mark(painter: &Painter, place: Rect, t: Tokens) {
    let mark = Rect::from_min_size(place.right_bottom() - vec2(23.0, 23.0), vec2(19.0, 19.0));
    painter.rect_filled(mark, RADIUS_SMALL, t.background[1]);
    Icon::Sound.paint(painter, mark.shrink(2.5), t.text[0]);
}

/// Words beneath a thumbnail, of this size, cut off where they are wider.
pub fn paint_words(painter: &Painter, at: Pos2, words: &str, [size, width]: [f32; 2], ink: Color32) {
    let mut line = LayoutJob::simple_singleline(words.to_owned(), FontId::proportional(size), ink);
    line.wrap = TextWrapping::truncate_at_width(width);
    painter.galley(at, painter.layout_job(line), ink);
}

/// A thumbnail as large as its place allows, framed; a cross where it cannot be shown.
pub fn paint_thumb(painter: &Painter, place: Rect, shown: &Shown<TextureHandle>, is_chosen: bool, t: Tokens) {
    painter.rect_filled(place, RADIUS_SMALL, Color32::BLACK);
    match shown {
        Shown::Ready(texture) => {
            let size = texture.size_vec2();
            let scale = (place.width() / size.x).min(place.height() / size.y);
            let target = Rect::from_center_size(place.center(), size * scale);
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            painter.image(texture.id(), target, whole, Color32::WHITE);
        }
        Shown::Loading => {}
        Shown::Failed(_) => {
            let cross = Rect::from_center_size(place.center(), vec2(28.0, 28.0));
            Icon::Close.paint(painter, cross, t.text[2]);
        }
    }
    let edge = if is_chosen { Stroke::new(2.0, t.accent) } else { Stroke::new(1.0, t.line) };
    painter.rect_stroke(place, RADIUS_SMALL, edge, StrokeKind::Inside);
}
