//! Where the eye is over a picture: zoom and place, and the way between pixels of the picture and
//! points of the screen.

use eframe::egui::{Pos2, Rect, Vec2, pos2, vec2};

/// Points of the screen for one pixel of the picture, at most.
const SCALE_MAX: f32 = 64.0;
/// Of the fitting size and of 1 : 1, at least.
const SHRINK_MAX: f32 = 0.5;
/// One step of a key or of the wheel.
pub const ZOOM_STEP: f32 = 1.25;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Pixel of the picture in the middle of the screen's part.
    center: Vec2,
    /// Points of the screen for one pixel; `None` follows the fitting size.
    scale: Option<f32>,
}

impl Default for Camera {
    fn default() -> Self {
        Self { center: Vec2::ZERO, scale: None }
    }
}

impl Camera {
    pub fn is_fit(self) -> bool {
        self.scale.is_none()
    }

    fn fit_scale(area: Rect, size: Vec2) -> f32 {
        (area.width() / size.x.max(1.0)).min(area.height() / size.y.max(1.0)).clamp(1e-4, SCALE_MAX)
    }

    pub fn scale(self, area: Rect, size: Vec2) -> f32 {
        self.scale.unwrap_or_else(|| Self::fit_scale(area, size))
    }

    /// Where the whole picture lies on the screen.
    pub fn target(self, area: Rect, size: Vec2) -> Rect {
        let scale = self.scale(area, size);
        let center = if self.is_fit() { size / 2.0 } else { self.center };
        Rect::from_min_size(area.center() - center * scale, size * scale)
    }

    pub fn image_from_screen(self, area: Rect, size: Vec2, at: Pos2) -> Vec2 {
        (at - self.target(area, size).min) / self.scale(area, size)
    }

    pub fn screen_from_image(self, area: Rect, size: Vec2, at: Vec2) -> Pos2 {
        self.target(area, size).min + at * self.scale(area, size)
    }

    /// So many times as large; what lies under `at` stays there.
    pub fn zoom(&mut self, area: Rect, size: Vec2, factor: f32, at: Pos2) {
        let under = self.image_from_screen(area, size, at);
        let fit = Self::fit_scale(area, size);
        let scale = (self.scale(area, size) * factor).clamp((fit * SHRINK_MAX).min(SHRINK_MAX), SCALE_MAX);
        self.place(area, size, scale, under, at);
    }

    /// One pixel of the picture for one of the screen's, around `at`; fitted again when it is so already.
    pub fn one_to_one(&mut self, area: Rect, size: Vec2, per_point: f32, at: Pos2) {
        let scale = 1.0 / per_point;
        if self.scale.is_some_and(|now| (now / scale - 1.0).abs() < 1e-3) {
            *self = Self::default();
            return;
        }
        let under = self.image_from_screen(area, size, at);
        self.place(area, size, scale, under, at);
    }

    /// Moves the picture by points of the screen.
    pub fn pan(&mut self, area: Rect, size: Vec2, by: Vec2) {
        let scale = self.scale(area, size);
        let center = if self.is_fit() { size / 2.0 } else { self.center };
        self.scale = Some(scale);
        self.center = kept_inside(center - by / scale, size);
    }

    fn place(&mut self, area: Rect, size: Vec2, scale: f32, under: Vec2, at: Pos2) {
        self.scale = Some(scale);
        self.center = kept_inside(under - (at - area.center()) / scale, size);
    }
}

/// The picture never leaves the screen altogether.
fn kept_inside(center: Vec2, size: Vec2) -> Vec2 {
    vec2(center.x.clamp(0.0, size.x), center.y.clamp(0.0, size.y))
}

/// A point on the picture, never beyond its edge.
pub fn clamped(at: Vec2, size: Vec2) -> [f32; 2] {
    let at = pos2(at.x.clamp(0.0, size.x), at.y.clamp(0.0, size.y));
    [at.x, at.y]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_under_the_pointer_stays_there() {
        let area = Rect::from_min_size(pos2(100.0, 50.0), vec2(800.0, 600.0));
        let size = vec2(6000.0, 4000.0);
        let mut camera = Camera::default();
        assert_eq!(camera.target(area, size).center(), area.center());
        let at = pos2(300.0, 200.0);
        let under = camera.image_from_screen(area, size, at);
        for factor in [ZOOM_STEP, 2.0, 5.0, 0.5] {
            camera.zoom(area, size, factor, at);
            let now = camera.image_from_screen(area, size, at);
            assert!((now - under).length() < 0.1, "{under:?} {now:?}");
        }
        camera.one_to_one(area, size, 2.0, at);
        assert_eq!(camera.scale(area, size), 0.5);
        let back = camera.screen_from_image(area, size, under);
        assert!((back - at).length() < 0.1);
        camera.one_to_one(area, size, 2.0, at);
        assert!(camera.is_fit());
        camera.pan(area, size, vec2(1e9, -1e9));
        assert!(camera.target(area, size).intersects(area));
    }
}
