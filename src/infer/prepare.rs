//! Decoded pixels → what the network sees: channels, size, tiles. Training uses the same code.

use super::InferError;
use super::local::{LOCAL_MIDDLE, LOCAL_SPREAD, local_contrast};
use super::manifest::{InputSpec, Levels, View};
use crate::media::{Decoded, Raster, mel_picture, resize};
use crate::nn::PIXEL_STRIDE;
use std::borrow::Cow;

/// More tiles would keep a station busy for half a minute on one item: a line-scan image of
/// 2 k × 27 k px gives about 1,200.
const TILES_MAX: usize = 4096;

/// Standard deviation after levelling: three of them fit into the range on either side.
pub(super) const SPREAD_LEVELS: f64 = 42.0;
/// An image flatter than this is not stretched further: that would only show the sensor's noise.
pub(super) const SPREAD_MIN_LEVELS: f64 = 4.0;
/// How many columns the mean of all rows counts for in the mean of each.
pub(super) const PRIOR_COLUMNS: f64 = 100.0;

/// The channel of differences: levels of no difference, and of one that becomes 1 for the network
/// (two levels of difference are one of the channel).
pub(super) const DIFFERENCE_MIDDLE: f32 = 127.5;
pub(super) const DIFFERENCE_SPREAD: f32 = 42.0;

/// What a network sees where there is no picture.
pub(crate) const MID_GREY: u8 = 128;

/// One item, ready for the network: 8-bit planes, image channels first, then the reference's.
#[derive(Clone, Debug)]
pub struct Input {
    /// `planes × height × width`.
    pub(super) pixels: Vec<u8>,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Left and top of each window of the network's size.
    pub(super) tiles: Vec<(usize, usize)>,
    pub(super) source_width: u32,
    pub(super) source_height: u32,
    /// Source pixels for each canvas pixel.
    pub(super) scale: [f32; 2],
    /// Canvas pixels that show the item; the rest repeats its border.
    pub(super) used: [usize; 2],
}

/// Grey from colour by the usual luma weights, colour from grey by repetition.
fn with_channels(image: Raster, channels: u32) -> Raster {
    let pixels = match (image.channels, channels) {
        (3, 1) => image
            .pixels
            .chunks_exact(3)
            .map(|p| {
                let luma =
                    (299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2]) + 500) / 1000;
                u8::try_from(luma).unwrap_or(u8::MAX)
            })
            .collect(),
        (1, 3) => image.pixels.iter().flat_map(|&v| [v, v, v]).collect(),
        _ => return image,
    };
    Raster { channels, pixels, ..image }
}

/// Moves the mean to the middle of the range and the spread to [`SPREAD_LEVELS`]. Of a sound without its
/// silence: bands that a recording does not have, and what was filled up with zeros, say nothing of the rest.
fn level(pixels: &mut [u8], is_sound: bool) {
    let mut counts = [0_u64; 256];
    for &v in pixels.iter() {
        counts[usize::from(v)] += 1;
    }
    if is_sound {
        counts[0] = 0;
    }
    let n = (counts.iter().sum::<u64>() as f64).max(1.0);
    let moment = |f: &dyn Fn(f64) -> f64| -> f64 {
        counts.iter().enumerate().map(|(v, &count)| f(v as f64) * count as f64).sum::<f64>() / n
    };
    let mean = moment(&|v| v);
    let spread = moment(&|v| (v - mean).powi(2)).sqrt().max(SPREAD_MIN_LEVELS);
    let mut table = [0_u8; 256];
    for (v, entry) in table.iter_mut().enumerate() {
        let value = 127.5 + (v as f64 - mean) * SPREAD_LEVELS / spread;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
        let byte = value.round().clamp(0.0, 255.0) as u8;
        *entry = byte;
    }
    for v in pixels {
        *v = table[usize::from(*v)];
    }
}

/// Moves the mean of each row to the middle of the range, and the spread around these to [`SPREAD_LEVELS`];
/// without silence, as above. Of a short picture a row's mean says what is heard as much as by whom: it
/// counts beside [`PRIOR_COLUMNS`] columns of the mean of all rows.
fn level_bands(raster: &mut Raster) {
    let width = raster.width as usize * raster.channels as usize;
    let heard = |v: &&u8| **v > 0;
    let count = |row: &[u8]| row.iter().filter(heard).count() as f64;
    let sum = |row: &[u8]| row.iter().map(|v| f64::from(*v)).sum::<f64>();
    let n = count(&raster.pixels).max(1.0);
    let mean_of_all = sum(&raster.pixels) / n;
    let mean = |row: &[u8]| (sum(row) + PRIOR_COLUMNS * mean_of_all) / (count(row) + PRIOR_COLUMNS);
    let means: Vec<f64> = raster.pixels.chunks_exact(width).map(mean).collect();
    let squares = |(row, mean): (&[u8], &f64)| -> f64 {
        row.iter().filter(heard).map(|v| (f64::from(*v) - mean).powi(2)).sum()
    };
    let rows = raster.pixels.chunks_exact(width).zip(&means);
    let spread = (rows.map(squares).sum::<f64>() / n).sqrt().max(SPREAD_MIN_LEVELS);
    for (row, mean) in raster.pixels.chunks_exact_mut(width).zip(means) {
        for v in row {
            let value = 127.5 + (f64::from(*v) - mean) * SPREAD_LEVELS / spread;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
            let byte = value.round().clamp(0.0, 255.0) as u8;
            *v = byte;
        }
    }
}

/// What a network sees of an item: the picture itself, or the one that a sound becomes.
pub fn seen<'a>(spec: &InputSpec, item: &'a Decoded) -> Result<Cow<'a, Raster>, InferError> {
    match (item, &spec.sound) {
        (Decoded::Image(image), None) => Ok(Cow::Borrowed(image)),
        (Decoded::Sound(sound), Some(mel)) => {
            // Before there is room for its picture.
            let limit = (TILES_MAX * spec.width_px as usize) as f64 * mel.hop_secs;
            if sound.secs() > limit {
                return Err(InferError::TooLong { secs: sound.secs(), limit });
            }
            Ok(Cow::Owned(mel_picture(sound, mel)))
        }
        (Decoded::Image(_), Some(_)) => Err(InferError::IsPicture),
        (Decoded::Sound(_), None) => Err(InferError::IsSound),
    }
}

/// Pixels → input. The reference is resized to the image where the two differ in size.
pub fn prepare(spec: &InputSpec, image: &Raster, reference: Option<&Raster>) -> Result<Input, InferError> {
    if image.width == 0 || image.height == 0 {
        return Err(InferError::Empty);
    }
    let mut rasters = Vec::with_capacity(2);
    let (width, height) = match spec.view {
        View::Single => (spec.width_px, spec.height_px),
        View::Fit => fitted(spec, image),
        View::Tiles { .. } => (image.width, image.height),
    };
    let sources = if spec.reference {
        vec![image, reference.ok_or(InferError::ReferenceMissing)?]
    } else {
        vec![image]
    };
    for source in sources {
        let mut raster = with_channels(resize(source, width, height)?, spec.channels);
        match spec.levels {
            Levels::Absolute => {}
            Levels::PerItem => level(&mut raster.pixels, spec.sound.is_some()),
            Levels::PerBand => level_bands(&mut raster),
        }
        rasters.push(raster);
    }
    let used = [width as usize, height as usize];
    let (canvas, tiles) = match spec.view {
        View::Single | View::Fit => ([spec.width_px as usize, spec.height_px as usize], vec![(0, 0)]),
        View::Tiles { overlap_px } => tile_layout(spec, overlap_px as usize, used, image)?,
    };
    let mut pixels = Vec::with_capacity(spec.planes() * canvas[0] * canvas[1]);
    for raster in &rasters {
        for channel in 0..spec.channels as usize {
            append_plane(&mut pixels, raster, channel, canvas, spec);
        }
    }
    append_computed(&mut pixels, spec, canvas[0]);
    Ok(Input {
        pixels,
        width: canvas[0],
        height: canvas[1],
        tiles,
        source_width: image.width,
        source_height: image.height,
        scale: [image.width as f32 / width as f32, image.height as f32 / height as f32],
        used,
    })
}

/// What is computed from photographs, behind them.
fn append_computed(pixels: &mut Vec<u8>, spec: &InputSpec, width: usize) {
    if spec.planes() > spec.photograph_planes() {
        let planes: Vec<f32> = pixels.iter().map(|v| f32::from(*v)).collect();
        pixels.extend(computed_planes(spec, &planes, width).into_iter().map(byte));
    }
}

/// Local contrast and difference of photographs whose planes (0 to 255) lie one after the other;
/// of a colour image those of the mean of its channels.
pub(crate) fn computed_planes(spec: &InputSpec, planes: &[f32], width: usize) -> Vec<f32> {
    let channels = spec.channels as usize;
    let area = planes.len() / spec.photograph_planes();
    let grey = |photograph: &[f32]| -> Vec<f32> {
        let mean = |at| photograph.iter().skip(at).step_by(area).sum::<f32>() / spec.channels as f32;
        if channels == 1 { photograph.to_vec() } else { (0..area).map(mean).collect() }
    };
    let greys: Vec<Vec<f32>> = planes.chunks_exact(area * channels).map(grey).collect();
    let mut computed = Vec::with_capacity(greys.len() * area);
    if spec.local_px > 0 {
        for grey in &greys {
            computed.extend(local_contrast(grey, width, spec.local_px as usize));
        }
    }
    if let (true, [image, reference]) = (spec.difference, &*greys) {
        computed.extend(image.iter().zip(reference).map(|(v, r)| DIFFERENCE_MIDDLE + (v - r) / 2.0));
    }
    computed
}

fn byte(value: f32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
    let byte = value.round().clamp(0.0, 255.0) as u8;
    byte
}

/// Width and height.
type Size = [usize; 2];
/// Left and top.
type Corner = (usize, usize);

/// Canvas size and tile corners; the canvas is padded so that every tile starts on a cell of the
/// network's output.
fn tile_layout(
    spec: &InputSpec,
    overlap: usize,
    used: [usize; 2],
    image: &Raster,
) -> Result<(Size, Vec<Corner>), InferError> {
    let side = [spec.width_px as usize, spec.height_px as usize];
    let stride = PIXEL_STRIDE as usize;
    let mut canvas = [0; 2];
    let mut starts: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
    for axis in 0..2 {
        canvas[axis] = used[axis].next_multiple_of(stride).max(side[axis]);
        let last = canvas[axis] - side[axis];
        // Along bands there is one window, and nothing to overlap.
        let step = (side[axis].saturating_sub(overlap) / stride * stride).max(stride);
        starts[axis] = (0..last).step_by(step).chain([last]).collect();
    }
    if starts[0].len() * starts[1].len() > TILES_MAX {
        return Err(InferError::TooLarge { width: image.width, height: image.height, limit: TILES_MAX });
    }
    let tiles = starts[1].iter().flat_map(|&y| starts[0].iter().map(move |&x| (x, y))).collect();
    Ok((canvas, tiles))
}

/// The largest size with the image's proportions that the input has room for.
fn fitted(spec: &InputSpec, image: &Raster) -> (u32, u32) {
    let [w, h] = [image.width, image.height].map(u64::from);
    let [room_x, room_y] = [spec.width_px, spec.height_px].map(u64::from);
    let scaled = |side: u64, room: u64, other: u64| {
        let side = (2 * side * room + other) / (2 * other);
        u32::try_from(side.max(1)).unwrap_or(u32::MAX)
    };
    if w * room_y >= h * room_x {
        (spec.width_px, scaled(h, room_x, w).min(spec.height_px))
    } else {
        (scaled(w, room_y, h).min(spec.width_px), spec.height_px)
    }
}

/// One channel, filled up to the canvas: tiles of a picture by repeating the last column and row, else with
/// grey.
fn append_plane(pixels: &mut Vec<u8>, raster: &Raster, channel: usize, canvas: [usize; 2], spec: &InputSpec) {
    let (width, height, step) = (raster.width as usize, raster.height as usize, raster.channels as usize);
    let grey = (spec.view == View::Fit || spec.sound.is_some()).then_some(MID_GREY);
    for y in 0..canvas[1] {
        if let Some(grey) = grey.filter(|_| y >= height) {
            pixels.extend(std::iter::repeat_n(grey, canvas[0]));
            continue;
        }
        let row = &raster.pixels[y.min(height - 1) * width * step..][..width * step];
        pixels.extend(row.iter().skip(channel).step_by(step));
        let last = row[(width - 1) * step + channel];
        pixels.extend(std::iter::repeat_n(grey.unwrap_or(last), canvas[0] - width));
    }
}

impl Input {
    /// The rows of one tile: plane, row, pixels.
    pub(super) fn tile<'a>(
        &'a self,
        spec: &InputSpec,
        (left, top): Corner,
    ) -> impl Iterator<Item = (usize, usize, &'a [u8])> {
        let (width, height) = (spec.width_px as usize, spec.height_px as usize);
        (0..spec.planes()).flat_map(move |plane| {
            (0..height).map(move |y| {
                let start = (plane * self.height + top + y) * self.width + left;
                (plane, y, &self.pixels[start..start + width])
            })
        })
    }

    /// Cells of the network's output that show the item: width, height.
    pub(super) fn cells(&self) -> [usize; 2] {
        self.used.map(|side| side.div_ceil(PIXEL_STRIDE as usize))
    }

    /// The item as seen in a mirror that swaps left and right, top and bottom, or both. Whole cells change
    /// places, so that maps can be turned back.
    pub(super) fn mirrored(&self, spec: &InputSpec, [swaps_x, swaps_y]: [bool; 2]) -> Self {
        let [columns, rows] = self.cells().map(|cells| cells * PIXEL_STRIDE as usize);
        let mut pixels = self.pixels[..spec.photograph_planes() * self.width * self.height].to_vec();
        for plane in pixels.chunks_exact_mut(self.width * self.height) {
            if swaps_x {
                plane.chunks_exact_mut(self.width).for_each(|row| row[..columns].reverse());
            }
            if swaps_y {
                swap_rows(&mut plane[..rows * self.width], self.width);
            }
        }
        append_computed(&mut pixels, spec, self.width);
        Self { pixels, tiles: self.tiles.clone(), ..*self }
    }

    /// The 8-bit planes and the canvas size: width, height.
    #[must_use]
    pub fn canvas(&self) -> (&[u8], usize, usize) {
        (&self.pixels, self.width, self.height)
    }

    /// Canvas pixels that the picture covers: width, height. Beyond them nothing is known.
    #[must_use]
    pub(crate) const fn picture(&self) -> [usize; 2] {
        self.used
    }

    /// Windows that the network looks at.
    #[must_use]
    pub fn tile_count(&self) -> usize {
        self.tiles.len()
    }
}

/// The last row becomes the first.
pub(super) fn swap_rows<T>(plane: &mut [T], width: usize) {
    let rows = plane.len() / width.max(1);
    for y in 0..rows / 2 {
        let (above, below) = plane.split_at_mut((rows - 1 - y) * width);
        above[y * width..(y + 1) * width].swap_with_slice(&mut below[..width]);
    }
}

/// 8-bit value → network input, for one plane.
pub(crate) fn normalisation(spec: &InputSpec, plane: usize) -> [f32; 256] {
    let channel = plane % spec.channels as usize;
    let (mean, std) = if plane < spec.photograph_planes() {
        (spec.mean[channel], spec.std[channel])
    } else if spec.difference && plane + 1 == spec.planes() {
        (DIFFERENCE_MIDDLE / 255.0, DIFFERENCE_SPREAD / 255.0)
    } else {
        (LOCAL_MIDDLE / 255.0, LOCAL_SPREAD / 255.0)
    };
    let mut table = [0.0; 256];
    for (value, entry) in table.iter_mut().enumerate() {
        *entry = (value as f32 / 255.0 - mean) / std;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(view: View, reference: bool) -> InputSpec {
        InputSpec {
            width_px: 64,
            height_px: 32,
            channels: 1,
            levels: Levels::Absolute,
            mean: vec![0.5],
            std: vec![0.25],
            view,
            reference,
            local_px: 0,
            sound: None,
            difference: reference,
            mirrored: false,
        }
    }

    #[test]
    fn a_fitted_image_keeps_its_proportions_and_the_rest_is_grey() {
        let spec = spec(View::Fit, false);
        for (width, height, used) in
            [(100, 20, [64, 13]), (10, 40, [8, 32]), (64, 32, [64, 32]), (9000, 1, [64, 1])]
        {
            let image = Raster { width, height, channels: 1, pixels: vec![200; (width * height) as usize] };
            let input = prepare(&spec, &image, None).unwrap();
            assert_eq!((input.picture(), input.tile_count()), (used, 1));
            let (pixels, columns, rows) = input.canvas();
            assert_eq!((columns, rows), (64, 32));
            for (at, v) in pixels.iter().enumerate() {
                let is_picture = at % columns < used[0] && at / columns < used[1];
                assert_eq!(*v, if is_picture { 200 } else { MID_GREY });
            }
            let source = [0, 1].map(|axis| input.scale[axis] * used[axis] as f32);
            assert!((source[0] - width as f32).abs() < 1e-2 && (source[1] - height as f32).abs() < 1e-2);
        }
    }

    #[test]
    fn tiles_cover_every_pixel_and_start_on_cells() {
        let spec = spec(View::Tiles { overlap_px: 8 }, false);
        for (width, height) in [(1, 1), (64, 32), (65, 33), (150, 301), (4000, 40)] {
            let image = Raster { width, height, channels: 1, pixels: vec![7; (width * height) as usize] };
            let input = prepare(&spec, &image, None).unwrap();
            let mut seen = vec![false; input.width * input.height];
            for &(x, y) in &input.tiles {
                assert_eq!((x % 4, y % 4), (0, 0));
                for row in y..y + 32 {
                    seen[row * input.width + x..row * input.width + x + 64].fill(true);
                }
            }
            assert!(seen.iter().all(|s| *s), "{width} × {height}");
        }
    }

    /// What the network sees of the first tile.
    fn values(spec: &InputSpec, input: &Input) -> Vec<f32> {
        input
            .tile(spec, (0, 0))
            .flat_map(|(plane, _, row)| {
                let table = normalisation(spec, plane);
                row.iter().map(move |&v| table[usize::from(v)])
            })
            .collect()
    }

    #[test]
    fn references_are_asked_for_and_follow_the_image() {
        let spec = spec(View::Single, true);
        let image = Raster { width: 3, height: 5, channels: 3, pixels: vec![255; 45] };
        let golden = Raster { width: 6, height: 5, channels: 1, pixels: vec![0; 30] };
        assert!(matches!(prepare(&spec, &image, None), Err(InferError::ReferenceMissing)));
        let input = prepare(&spec, &image, Some(&golden)).unwrap();
        let values = values(&spec, &input);
        assert_eq!(values.len(), 3 * 64 * 32);
        assert!((values[0] - 2.0).abs() < 1e-6 && (values[64 * 32] + 2.0).abs() < 1e-6);
        let greatest = 127.5 / DIFFERENCE_SPREAD;
        assert!((values[2 * 64 * 32] - greatest).abs() < 1e-3);
    }

    #[test]
    fn levelled_images_do_not_depend_on_exposure() {
        let mut spec = spec(View::Single, false);
        spec.levels = Levels::PerItem;
        let image = |gain: u8, offset: u8| Raster {
            width: 64,
            height: 32,
            channels: 1,
            pixels: (0..64 * 32_u16).map(|i| offset + gain * u8::try_from(i % 40).unwrap()).collect(),
        };
        let values = |r: Raster| values(&spec, &prepare(&spec, &r, None).unwrap());
        let (dark, light) = (values(image(2, 10)), values(image(4, 60)));
        let worst = dark.iter().zip(&light).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 0.05, "{worst}");
    }

    #[test]
    fn levelled_bands_do_not_depend_on_the_microphone_where_there_is_enough_of_them() {
        // Four bands that swing alike, and a microphone that hears the upper two louder.
        let image = |width: u32, louder: [u8; 2]| Raster {
            width,
            height: 4,
            channels: 1,
            pixels: [louder[0], louder[0], louder[1], louder[1]]
                .iter()
                .flat_map(|offset| (0..width).map(move |x| offset + if x % 2 == 0 { 20 } else { 0 }))
                .collect(),
        };
        let means = |width: u32| -> Vec<f64> {
            let mut picture = image(width, [140, 60]);
            level_bands(&mut picture);
            let mean = |row: &[u8]| row.iter().map(|v| f64::from(*v)).sum::<f64>() / f64::from(width);
            picture.pixels.chunks_exact(width as usize).map(mean).collect()
        };
        let apart = |means: &[f64]| means[0] - means[3];
        let (short, long) = (means(10), means(10_000));
        assert!(apart(&long).abs() < 4.0, "{long:?}");
        assert!(apart(&short) > 30.0, "{short:?}");
    }
}
