//! How a picture is looked at: light, contrast, gamma, channel, edges. Only the eye's view changes;
//! nothing of it reaches a model or a label.

use super::super::texts::tr;
use crate::engine::Raster;
use eframe::egui::{Color32, ColorImage};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Channel {
    #[default]
    All,
    Red,
    Green,
    Blue,
}

impl Channel {
    pub fn next(self) -> Self {
        match self {
            Self::All => Self::Red,
            Self::Red => Self::Green,
            Self::Green => Self::Blue,
            Self::Blue => Self::All,
        }
    }

    pub fn name(self) -> &'static str {
        tr(match self {
            Self::All => "All channels",
            Self::Red => "Red",
            Self::Green => "Green",
            Self::Blue => "Blue",
        })
    }

    fn index(self) -> Option<usize> {
        match self {
            Self::All => None,
            Self::Red => Some(0),
            Self::Green => Some(1),
            Self::Blue => Some(2),
        }
    }
}

/// Steps from the plain picture, −10 to 10 each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub brightness: i8,
    pub contrast: i8,
    pub gamma: i8,
    pub channel: Channel,
    pub edges: bool,
}

pub const STEPS: i8 = 10;

impl Look {
    pub fn is_plain(self) -> bool {
        self == Self::default()
    }

    /// In words, for the chip over the picture.
    pub fn text(self) -> String {
        let mut parts = Vec::new();
        for (name, steps) in
            [(tr("Light"), self.brightness), (tr("Contrast"), self.contrast), (tr("Shadows"), self.gamma)]
        {
            if steps != 0 {
                parts.push(format!("{name} {steps:+}"));
            }
        }
        if self.channel != Channel::All {
            parts.push(self.channel.name().to_owned());
        }
        if self.edges {
            parts.push(tr("Edges").to_owned());
        }
        parts.join(" · ")
    }

    fn table(self) -> [u8; 256] {
        let gain = (f32::from(self.contrast) * 0.15).exp();
        let offset = f32::from(self.brightness) * 0.06;
        let gamma = (-f32::from(self.gamma) * 0.1).exp();
        std::array::from_fn(|level| {
            let v = (level as f32 / 255.0).powf(gamma);
            let v = (v - 0.5) * gain + 0.5 + offset;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0…255")]
            let v = (v.clamp(0.0, 1.0) * 255.0).round() as u8;
            v
        })
    }

    /// A part of a raster under this look. The part lies inside the raster.
    pub fn image(self, raster: &Raster, left: usize, top: usize, width: usize, height: usize) -> ColorImage {
        let table = self.table();
        let (n, stride) = (raster.channels as usize, raster.width as usize * raster.channels as usize);
        let mut pixels = Vec::with_capacity(width * height);
        if self.edges {
            let grey = |x: usize, y: usize| -> i32 {
                let (x, y) = (x.min(raster.width as usize - 1), y.min(raster.height as usize - 1));
                let p = &raster.pixels[y * stride + x * n..][..n];
                match (self.channel.index(), n) {
                    (Some(channel), 3) => i32::from(p[channel]),
                    (_, 3) => (i32::from(p[0]) * 299 + i32::from(p[1]) * 587 + i32::from(p[2]) * 114) / 1000,
                    _ => i32::from(p[0]),
                }
            };
            for y in top..top + height {
                for x in left..left + width {
                    let (x0, y0) = (x.saturating_sub(1), y.saturating_sub(1));
                    let across = grey(x + 1, y0) + 2 * grey(x + 1, y) + grey(x + 1, y + 1)
                        - grey(x0, y0)
                        - 2 * grey(x0, y)
                        - grey(x0, y + 1);
                    let down = grey(x0, y + 1) + 2 * grey(x, y + 1) + grey(x + 1, y + 1)
                        - grey(x0, y0)
                        - 2 * grey(x, y0)
                        - grey(x + 1, y0);
                    let steep = usize::try_from((across.abs() + down.abs()).min(255)).unwrap_or(255);
                    pixels.push(Color32::from_gray(table[steep]));
                }
            }
            return ColorImage::new([width, height], pixels);
        }
        for y in top..top + height {
            let row = &raster.pixels[y * stride + left * n..][..width * n];
            let plain = |v: u8| table[usize::from(v)];
            if n == 3 {
                pixels.extend(row.as_chunks::<3>().0.iter().map(|&[r, g, b]| match self.channel.index() {
                    None => Color32::from_rgb(plain(r), plain(g), plain(b)),
                    Some(channel) => Color32::from_gray(plain([r, g, b][channel])),
                }));
            } else {
                pixels.extend(row.iter().map(|&v| Color32::from_gray(plain(v))));
            }
        }
        ColorImage::new([width, height], pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_look_changes_nothing_and_each_step_does_what_it_says() {
        assert!(Look::default().table().iter().enumerate().all(|(i, v)| i == usize::from(*v)));
        let brighter = Look { brightness: 3, ..Look::default() }.table();
        assert!(brighter[100] > 100);
        let harder = Look { contrast: 3, ..Look::default() }.table();
        assert!(harder[60] < 60 && harder[200] > 200);
        let lifted = Look { gamma: 3, ..Look::default() }.table();
        assert!(lifted[40] > 40 && lifted[0] == 0 && lifted[255] == 255);
        let raster = Raster { width: 3, height: 1, channels: 3, pixels: vec![1, 2, 3, 4, 5, 6, 7, 8, 9] };
        let green = Look { channel: Channel::Green, ..Look::default() }.image(&raster, 1, 0, 2, 1);
        assert_eq!(green.pixels, [Color32::from_gray(5), Color32::from_gray(8)]);
        let flat = Raster { width: 1, height: 1, channels: 1, pixels: vec![90] };
        let edges = Look { edges: true, ..Look::default() }.image(&flat, 0, 0, 1, 1);
        assert_eq!(edges.pixels, [Color32::from_gray(0)]);
    }
}
