//! What a training shows its network, as a picture: augmentation has to be looked at, too.

use super::augment::{Recipe, example};
use super::data::{self, Sample, Wanted};
use super::draw::{Donors, beds, draw_epoch, draw_weights};
use super::input::window;
use super::set_up::{SetUp, set_up};
use super::{LearnError, TrainSettings};
use crate::domain::{LabelledItem, Task};
use crate::infer::{InputSpec, normalisation, shown};
use crate::media::Raster;
use crate::nn::PIXEL_STRIDE;
use std::sync::atomic::AtomicBool;

const COLUMNS: u32 = 6;
const ROWS: u32 = 5;
/// Items that are loaded for the sheet.
const ITEMS_MAX: usize = 240;

/// The first examples of an epoch, each beside itself with the true cells in red.
pub fn example_sheet(items: &[LabelledItem], settings: &TrainSettings) -> Result<Raster, LearnError> {
    let goldens = data::goldens(items, settings.task);
    let SetUp { usable, classes, task, spec, .. } = set_up(items, &goldens, settings, None)?;
    if task == Task::Transcribe {
        return Err(LearnError::NoSheet);
    }
    let shown = shown(task, &classes);
    let step = usable.len().div_ceil(ITEMS_MAX).max(1);
    let some: Vec<&LabelledItem> = usable.iter().copied().step_by(step).collect();
    let stands_out = task == Task::Classify && settings.stands_out;
    let wanted = Wanted { stands_out, ..Wanted::classes(shown) };
    let loaded = data::load(&some, &spec, wanted, &AtomicBool::new(false), &mut |_, _| ())?;
    let train: Vec<&Sample<'_>> = loaded.samples.iter().collect();
    let spec = window(&spec, settings.window_px);
    let recipe = Recipe {
        spec: &spec,
        settings: &settings.augmentation,
        donors: &Donors::new(&train),
        beds: &beds(task, &train),
    };
    let order = draw_epoch(&draw_weights(&train, settings.defective_share), train.len(), settings.seed, 1);
    let (width, height) = (spec.width_px as usize, spec.height_px as usize);
    let (columns, rows) = (COLUMNS as usize, ROWS as usize);
    let mut sheet = Raster {
        width: spec.width_px * 2 * COLUMNS,
        height: spec.height_px * ROWS,
        channels: 3,
        pixels: vec![0; spec.area() * 2 * columns * rows * 3],
    };
    for (i, &at) in order.iter().take(columns * rows).enumerate() {
        let drawn = example(train[at], &recipe, [settings.seed, 1, i as u64])?;
        let corner = [i % columns * 2 * width, i / columns * height];
        for y in 0..height {
            for x in 0..width {
                let pixel = pixel(&spec, &drawn.values, y * width + x);
                let marked = mark(pixel, &drawn.target, cell(&spec, x, y), shown.len());
                for (left, colour) in [(0, pixel), (width, marked)] {
                    let place = (corner[1] + y) * 2 * columns * width + corner[0] + left + x;
                    sheet.pixels[place * 3..place * 3 + 3].copy_from_slice(&colour);
                }
            }
        }
    }
    Ok(sheet)
}

/// Back from the network's scale to RGB.
fn pixel(spec: &InputSpec, values: &[f32], at: usize) -> [u8; 3] {
    [0, 1, 2].map(|channel: usize| {
        let plane = channel.min(spec.channels as usize - 1);
        let table = normalisation(spec, plane);
        let level = (values[plane * spec.area() + at] - table[0]) / (table[255] - table[0]) * 255.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
        let byte = level.round().clamp(0.0, 255.0) as u8;
        byte
    })
}

fn cell(spec: &InputSpec, x: usize, y: usize) -> usize {
    let stride = PIXEL_STRIDE as usize;
    y / stride * (spec.width_px as usize / stride) + x / stride
}

/// Redder by the coverage of the cell.
fn mark([red, green, blue]: [u8; 3], target: &[f32], cell: usize, classes: usize) -> [u8; 3] {
    let plane = target.len() / classes.max(1);
    let covered = target.chunks_exact(plane).map(|map| map[cell]).fold(0.0, f32::max);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a byte")]
    let towards = |v: u8, goal: f32| (f32::from(v) + 0.6 * covered * (goal - f32::from(v))) as u8;
    [towards(red, 255.0), towards(green, 0.0), towards(blue, 0.0)]
}
