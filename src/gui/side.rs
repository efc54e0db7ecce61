//! One of two pictures that are looked at beside each other, with the regions that somebody sees in it.

use super::album::{Shown, paint_sound_mark, paint_thumb};
use super::page::Page;
use super::review::camera::Camera;
use super::review::canvas;
use super::review::look::Look;
use super::review::marks::{Marks, Pen};
use super::review::tiles::Tiles;
use super::texts::tr;
use super::theme::RADIUS_SMALL;
use crate::domain::{MediaHash, MediaKind, Region, Thresholds};
use eframe::egui::{Color32, Sense, Ui, vec2};

const HEIGHT: f32 = 340.0;

#[derive(Default)]
pub(super) struct Side {
    tiles: Tiles,
    marks: Marks,
}

#[derive(Clone, Copy)]
pub(super) struct Drawn<'a> {
    pub media: &'a MediaHash,
    pub kind: MediaKind,
    pub regions: &'a [Region],
    /// Drawn by people.
    pub is_label: bool,
}

impl Side {
    pub fn ui(&mut self, ui: &mut Ui, page: &mut Page<'_>, drawn: Drawn<'_>) {
        let t = page.tokens;
        let (area, _) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::hover());
        if drawn.kind == MediaKind::Audio {
            paint_thumb(ui.painter(), area, &page.session.album.thumb(drawn.media), false, t);
            paint_sound_mark(ui.painter(), area, t);
            return;
        }
        ui.painter().rect_filled(area, RADIUS_SMALL, Color32::BLACK);
        match page.session.album.full(drawn.media) {
            Shown::Ready(pyramid) => {
                let [width, height] = pyramid.size();
                let size = vec2(width as f32, height as f32);
                let camera = Camera::default();
                let target = camera.target(area, size);
                let of = (drawn.media, false);
                if self.tiles.paint(ui.painter(), of, &pyramid, Look::default(), target, area) {
                    ui.ctx().request_repaint();
                }
                self.marks.set(drawn.regions);
                let pen = Pen {
                    camera,
                    area,
                    size,
                    thresholds: Thresholds::default(),
                    chosen: None,
                    is_label: drawn.is_label,
                    is_dashed: false,
                };
                self.marks.paint(ui.painter(), pen, t);
            }
            Shown::Loading => {}
            Shown::Failed(why) => canvas::message(ui, area, tr("This picture cannot be shown"), &why, t),
        }
    }
}
