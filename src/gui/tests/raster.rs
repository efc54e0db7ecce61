//! What the window looks like, painted by plain loops: picture tests need no graphics card and give the
//! same pixels everywhere.

use eframe::egui::epaint::{ImageData, Primitive, Vertex};
use eframe::egui::{self, Color32, ColorImage, Pos2, Rect, TextureId};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Textures as the window has sent them so far.
#[derive(Default)]
pub struct Painter {
    textures: HashMap<TextureId, ColorImage>,
}

impl Painter {
    /// Takes in what a frame has changed of its textures.
    pub fn follow(&mut self, delta: &egui::TexturesDelta) {
        for (id, change) in
            delta.set.iter().flat_map(|(id, changes)| changes.iter().map(move |change| (id, change)))
        {
            let ImageData::Color(image) = &change.image;
            match change.pos {
                None => {
                    self.textures.insert(*id, (**image).clone());
                }
                Some([left, top]) => {
                    let texture = self.textures.get_mut(id).unwrap();
                    let [width, height] = image.size;
                    for y in 0..height {
                        let to = (top + y) * texture.size[0] + left;
                        texture.pixels[to..to + width].copy_from_slice(&image.pixels[y * width..][..width]);
                    }
                }
            }
        }
    }

    /// One pixel for each point.
    pub fn paint(
        &self,
        ctx: &egui::Context,
        shapes: Vec<egui::epaint::ClippedShape>,
        size: [usize; 2],
    ) -> ColorImage {
        let mut canvas = ColorImage::filled(size, Color32::BLACK);
        for primitive in ctx.tessellate(shapes, 1.0) {
            let Primitive::Mesh(mesh) = &primitive.primitive else { continue };
            let Some(texture) = self.textures.get(&mesh.texture_id) else { continue };
            for corners in mesh.indices.as_chunks::<3>().0 {
                let corners = corners.map(|at| mesh.vertices[at as usize]);
                triangle(&mut canvas, texture, corners, primitive.clip_rect);
            }
        }
        canvas
    }
}

/// The painter as the harness feeds it.
pub struct Shared(pub Arc<Mutex<Painter>>);

impl egui_kittest::TestRenderer for Shared {
    fn handle_delta(&mut self, delta: &mut egui::TexturesDelta) {
        self.0.lock().follow(delta);
        delta.clear();
    }
}

fn area(a: Pos2, b: Pos2, p: Pos2) -> f32 {
    (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x)
}

fn triangle(canvas: &mut ColorImage, texture: &ColorImage, corners: [Vertex; 3], clip: Rect) {
    let [mut a, mut b, c] = corners;
    let mut whole = area(a.pos, b.pos, c.pos);
    if whole == 0.0 {
        return;
    }
    if whole < 0.0 {
        std::mem::swap(&mut a, &mut b);
        whole = -whole;
    }
    let points = [a.pos, b.pos, c.pos];
    let bounds = Rect::from_points(&points).intersect(clip);
    let edge = |v: f32, most: usize| v.clamp(0.0, most as f32) as usize;
    let columns = edge(bounds.left().floor(), canvas.size[0])..edge(bounds.right().ceil(), canvas.size[0]);
    for y in edge(bounds.top().floor(), canvas.size[1])..edge(bounds.bottom().ceil(), canvas.size[1]) {
        for x in columns.clone() {
            let p = Pos2::new(x as f32 + 0.5, y as f32 + 0.5);
            if !clip.contains(p) {
                continue;
            }
            // A pixel on a shared edge belongs to one of the two triangles only.
            let inside = |a: Pos2, b: Pos2| {
                let w = area(a, b, p);
                let is_first = (b.y == a.y && b.x > a.x) || b.y < a.y;
                (w > 0.0 || (w == 0.0 && is_first)).then_some(w / whole)
            };
            let (Some(wa), Some(wb), Some(wc)) =
                (inside(b.pos, c.pos), inside(c.pos, a.pos), inside(a.pos, b.pos))
            else {
                continue;
            };
            let u = wa * a.uv.x + wb * b.uv.x + wc * c.uv.x;
            let v = wa * a.uv.y + wb * b.uv.y + wc * c.uv.y;
            let texel = sample(texture, u, v);
            let [ca, cb, cc] = [a.color, b.color, c.color].map(|color| color.to_array().map(f32::from));
            let pixel = &mut canvas.pixels[y * canvas.size[0] + x];
            let below = pixel.to_array().map(f32::from);
            let above: [f32; 4] =
                std::array::from_fn(|i| (wa * ca[i] + wb * cb[i] + wc * cc[i]) * texel[i] / 255.0);
            let mixed: [u8; 4] = std::array::from_fn(|i| {
                (above[i] + below[i] * (1.0 - above[3] / 255.0)).round().clamp(0.0, 255.0) as u8
            });
            *pixel = Color32::from_rgba_premultiplied(mixed[0], mixed[1], mixed[2], mixed[3]);
        }
    }
}

/// Between the four texels around a place.
fn sample(texture: &ColorImage, u: f32, v: f32) -> [f32; 4] {
    let [width, height] = texture.size;
    let (x, y) = (u * width as f32 - 0.5, v * height as f32 - 0.5);
    let at = |x: f32, y: f32| {
        let column = x.clamp(0.0, (width - 1) as f32) as usize;
        let row = y.clamp(0.0, (height - 1) as f32) as usize;
        texture.pixels[row * width + column].to_array().map(f32::from)
    };
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    let [a, b, c, d] = [at(x0, y0), at(x0 + 1.0, y0), at(x0, y0 + 1.0), at(x0 + 1.0, y0 + 1.0)];
    std::array::from_fn(|i| {
        let (top, low) = (a[i] + (b[i] - a[i]) * fx, c[i] + (d[i] - c[i]) * fx);
        top + (low - top) * fy
    })
}
