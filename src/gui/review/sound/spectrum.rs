//! The spectrogram on the screen: tiles of the level that fits the zoom, coloured under the look in
//! force; until they are there, those of other levels stay.

use super::super::super::album::Shown;
use super::super::super::levels::LevelLook;
use super::super::super::recordings::Recordings;
use super::axis::Ruled;
use crate::domain::MediaHash;
use crate::engine::{SoundHead, SpectrumAxis, TILE_COLUMNS, TILE_ROWS};
use eframe::egui::{self, Color32, Painter, Rect, TextureHandle, TextureOptions, pos2};
use std::collections::HashMap;

/// Textures kept: a wide screen of tiles, and what is around it, 320 KiB each.
const TEXTURES_MAX: usize = 64;
/// Tiles coloured in one frame: about 3 ms.
const PER_FRAME: usize = 6;

/// The textures of one sound. Those of another look stay until theirs are made.
#[derive(Default)]
pub struct Spectrogram {
    of: Option<MediaHash>,
    textures: HashMap<(u8, u64), Colored>,
    frame: u64,
}

/// A tile under the look that it was coloured for.
struct Colored {
    texture: TextureHandle,
    look: LevelLook,
    used: u64,
}

/// The level whose columns are no wider than a pixel, as far as levels go.
pub fn level(rate_hz: u32, secs_per_pixel: f64) -> u8 {
    let hop = (secs_per_pixel * f64::from(rate_hz)).max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small logarithm")]
    let level = hop.log2().floor() as u8;
    level.max(SpectrumAxis::level_min(rate_hz))
}

/// From when to when a tile goes.
pub fn tile_secs(rate_hz: u32, level: u8, index: u64) -> [f64; 2] {
    let secs = TILE_COLUMNS as f64 * 2_f64.powi(level.into()) / f64::from(rate_hz);
    [index as f64 * secs, (index + 1) as f64 * secs]
}

impl Spectrogram {
    /// Whether all of it is there.
    pub fn paint(
        &mut self,
        painter: &Painter,
        recordings: &mut Recordings,
        (media, head): (&MediaHash, &SoundHead),
        look: LevelLook,
        ruled: Ruled,
        area: Rect,
    ) -> bool {
        if self.of.as_ref() != Some(media) {
            self.of = Some(media.clone());
            self.textures.clear();
        }
        self.frame += 1;
        let painter = painter.with_clip_rect(area.intersect(painter.clip_rect()));
        let secs_per_pixel = ruled.secs_per_point / f64::from(painter.ctx().pixels_per_point());
        let level = level(head.rate_hz, secs_per_pixel);
        let length = tile_secs(head.rate_hz, level, 0)[1];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tiles on a screen")]
        let tiles =
            (ruled.start / length).floor() as u64..(ruled.end().min(head.secs()) / length).ceil() as u64;
        let is_whole = self.make(painter.ctx(), recordings, media, level, look, tiles.clone());
        let mut drawn: Vec<(u8, u64)> = self.textures.keys().copied().collect();
        // The finest last; where all of the right ones are there, they alone.
        drawn.retain(|&(of, index)| if is_whole { of == level && tiles.contains(&index) } else { true });
        drawn.sort_unstable_by_key(|&(of, index)| (of == level, u8::MAX - of, index));
        for key in drawn {
            let [from, to] = tile_secs(head.rate_hz, key.0, key.1).map(|secs| ruled.x_at(secs));
            let place = Rect::from_min_max(pos2(from, area.top()), pos2(to, area.bottom()));
            if let Some(tile) = self.textures.get_mut(&key).filter(|_| place.intersects(area)) {
                tile.used = self.frame;
                let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
                painter.image(tile.texture.id(), place, whole, Color32::WHITE);
            }
        }
        if self.textures.len() > TEXTURES_MAX {
            let frame = self.frame;
            self.textures.retain(|_, tile| tile.used == frame);
        }
        is_whole
    }

    fn make(
        &mut self,
        ctx: &egui::Context,
        recordings: &mut Recordings,
        media: &MediaHash,
        level: u8,
        look: LevelLook,
        tiles: std::ops::Range<u64>,
    ) -> bool {
        let (mut is_whole, mut made) = (true, 0);
        for index in tiles {
            let before = self.textures.get(&(level, index)).map(|tile| tile.look);
            if before == Some(look) {
                continue;
            }
            let pixels = match recordings.tile(media, level, index) {
                Shown::Ready(pixels) if made < PER_FRAME => pixels,
                // What cannot be read stays dark; the station has told why.
                Shown::Failed(_) => continue,
                _ => {
                    // Under another look it is there all the same.
                    is_whole &= before.is_some();
                    continue;
                }
            };
            made += 1;
            let image = look.image(&pixels, [TILE_COLUMNS, TILE_ROWS]);
            let texture = ctx.load_texture("spectrum", image, TextureOptions::LINEAR);
            self.textures.insert((level, index), Colored { texture, look, used: self.frame });
        }
        if made == PER_FRAME {
            ctx.request_repaint();
        }
        is_whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_follow_each_other_without_a_gap_and_a_column_is_never_wider_than_a_pixel() {
        for rate in [8_000, 44_100, 192_000] {
            for secs_per_pixel in [1e-5, 3e-3, 0.1, 7.0] {
                let level = level(rate, secs_per_pixel);
                let [from, to] = tile_secs(rate, level, 7);
                assert_eq!(tile_secs(rate, level, 8)[0], to);
                let column = (to - from) / TILE_COLUMNS as f64;
                let finest = tile_secs(rate, SpectrumAxis::level_min(rate), 0)[1] / TILE_COLUMNS as f64;
                assert!(column <= secs_per_pixel || (column - finest).abs() < 1e-12);
            }
        }
    }
}
