//! A picture of any size on the screen: its smallest level whole, and over it tiles of the level that
//! fits the zoom, made a few a frame. No texture is larger than a graphics card takes.

use super::look::Look;
use crate::domain::MediaHash;
use crate::engine::Pyramid;
use eframe::egui::{self, Color32, Painter, Rect, TextureFilter, TextureHandle, TextureOptions, pos2};
use std::collections::HashMap;
use std::sync::Arc;

/// Small enough that making one costs a fraction of a frame.
const TILE_PX: usize = 512;
/// Tiles made in one frame; the coarser level stands in for the rest.
const TILES_PER_FRAME: usize = 4;
/// Tiles kept of one picture: a screen of 4K at 1 : 1, and around it.
const TILES_MAX: usize = 96;

const SAMPLING: TextureOptions = TextureOptions {
    // Enlarged pixels stay pixels: nothing is shown that the camera has not seen.
    magnification: TextureFilter::Nearest,
    minification: TextureFilter::Linear,
    wrap_mode: egui::TextureWrapMode::ClampToEdge,
    mipmap_mode: None,
};

#[derive(PartialEq, Eq, Hash, Clone, Copy)]
struct Place {
    level: usize,
    column: usize,
    row: usize,
}

/// The textures of one picture under one look.
#[derive(Default)]
pub struct Tiles {
    of: Option<(MediaHash, Look, bool)>,
    textures: HashMap<Place, (TextureHandle, u64)>,
    frame: u64,
}

impl Tiles {
    /// Paints a picture so that its whole fills `target`, as far as `visible` shows it. Returns
    /// whether more is to be made: then the next frame should come soon.
    pub fn paint(
        &mut self,
        painter: &Painter,
        (media, is_difference): (&MediaHash, bool),
        pyramid: &Arc<Pyramid>,
        look: Look,
        target: Rect,
        visible: Rect,
    ) -> bool {
        let of = (media.clone(), look, is_difference);
        if self.of.as_ref() != Some(&of) {
            self.of = Some(of);
            self.textures.clear();
        }
        self.frame += 1;
        let painter = painter.with_clip_rect(visible.intersect(painter.clip_rect()));
        let top = pyramid.levels.len() - 1;
        let per_point = painter.ctx().pixels_per_point();
        let scale = target.width() * per_point / pyramid.size()[0].max(1) as f32;
        // The first level that has at least a pixel for each of the screen's.
        let level =
            (0..=top).rev().find(|&level| scale * f32::powi(2.0, level_power(level)) <= 1.01).unwrap_or(0);
        let mut budget = TILES_PER_FRAME;
        let mut is_whole =
            self.paint_level(&painter, pyramid, look, target, visible, top, &mut usize::MAX.clone());
        if level != top {
            is_whole &= self.paint_level(&painter, pyramid, look, target, visible, level, &mut budget);
        }
        if self.textures.len() > TILES_MAX {
            let frame = self.frame;
            self.textures.retain(|place, (_, used)| *used == frame || place.level == top);
        }
        !is_whole
    }

    #[expect(clippy::too_many_arguments, reason = "one picture, where it lies, and what may be spent")]
    fn paint_level(
        &mut self,
        painter: &Painter,
        pyramid: &Arc<Pyramid>,
        look: Look,
        target: Rect,
        visible: Rect,
        level: usize,
        budget: &mut usize,
    ) -> bool {
        let raster = &pyramid.levels[level];
        let (width, height) = (raster.width as usize, raster.height as usize);
        let scale = [target.width() / width as f32, target.height() / height as f32];
        let mut is_whole = true;
        for row in 0..height.div_ceil(TILE_PX) {
            for column in 0..width.div_ceil(TILE_PX) {
                let (left, above) = (column * TILE_PX, row * TILE_PX);
                let (w, h) = (TILE_PX.min(width - left), TILE_PX.min(height - above));
                let corner = |x: usize, y: usize| {
                    pos2(target.left() + x as f32 * scale[0], target.top() + y as f32 * scale[1])
                };
                let place = Rect::from_min_max(corner(left, above), corner(left + w, above + h));
                if !place.intersects(visible) {
                    continue;
                }
                let key = Place { level, column, row };
                if !self.textures.contains_key(&key) {
                    if *budget == 0 {
                        is_whole = false;
                        continue;
                    }
                    *budget = budget.saturating_sub(1);
                    let image = look.image(raster, left, above, w, h);
                    let texture = painter.ctx().load_texture("tile", image, SAMPLING);
                    self.textures.insert(key, (texture, self.frame));
                }
                if let Some((texture, used)) = self.textures.get_mut(&key) {
                    *used = self.frame;
                    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
                    painter.image(texture.id(), place, whole, Color32::WHITE);
                }
            }
        }
        is_whole
    }
}

fn level_power(level: usize) -> i32 {
    i32::try_from(level).unwrap_or(i32::MAX)
}
