//! Raw network scores of an item, and the connected regions in them.

use super::manifest::{InputSpec, Naming};
use super::{InferError, Input, normalisation};
use crate::nn::{FEATURE_OUTPUT, ITEM_OUTPUT, PIXEL_OUTPUT, PIXEL_STRIDE, Plan, PlanInput, PlanOutputs};

/// Logits before calibration, stitched over all tiles (the highest counts where they overlap).
#[derive(Clone, Debug, PartialEq)]
pub struct RawScores {
    /// Cells of the map: one for each [`PIXEL_STRIDE`] canvas pixels, padding cut off.
    pub width: usize,
    pub height: usize,
    /// `classes × height × width`.
    pub pixels: Vec<f32>,
    /// One for each class.
    pub item: Vec<f32>,
    /// The deepest features in [`FEATURES`] values, their mean over all tiles; empty where the network pools
    /// none.
    pub features: Vec<f32>,
}

impl RawScores {
    /// The map of one class.
    #[must_use]
    pub fn map(&self, class: usize) -> &[f32] {
        let plane = self.width * self.height;
        &self.pixels[class * plane..(class + 1) * plane]
    }

    /// Highest pixel logit of a class and where it is.
    #[must_use]
    pub fn peak(&self, class: usize) -> (usize, f32) {
        let mut best = (0, f32::NEG_INFINITY);
        for (at, &v) in self.map(class).iter().enumerate() {
            if v > best.1 {
                best = (at, v);
            }
        }
        best
    }

    /// The item's raw score for a class: its highest pixel, or the whole item's logit.
    #[must_use]
    pub fn class_score(&self, class: usize) -> f32 {
        highest(self.map(class)).max(self.item[class])
    }

    /// What speaks for each class.
    #[must_use]
    pub fn names(&self, naming: Naming) -> Vec<f64> {
        let name = |class: usize| match naming {
            Naming::Peak => f64::from(self.class_score(class)),
            Naming::Mass => f64::from(mass(self.map(class)).max(MASS_MIN).ln()),
            Naming::Item => f64::from(self.item[class]),
        };
        (0..self.item.len()).map(name).collect()
    }

    /// The highest raw score of any class.
    #[must_use]
    pub fn score(&self) -> f32 {
        (0..self.item.len()).map(|c| self.class_score(c)).fold(f32::NEG_INFINITY, f32::max)
    }

    /// Takes in the outputs of the tile with its corner at this canvas pixel.
    fn join(&mut self, outputs: &PlanOutputs<'_>, (left, top): (usize, usize)) -> Result<(), InferError> {
        let (Some(pixels), Some(item)) = (outputs.get(PIXEL_OUTPUT), outputs.get(ITEM_OUTPUT)) else {
            return Err(InferError::Manifest("the graph lacks an output".to_owned()));
        };
        let (width, height, classes) = (self.width, self.height, item.values.len());
        self.item.resize(classes, f32::NEG_INFINITY);
        self.pixels.resize(classes * width * height, f32::NEG_INFINITY);
        for (most, v) in self.item.iter_mut().zip(item.values) {
            *most = most.max(*v);
        }
        if let Some(pooled) = outputs.get(FEATURE_OUTPUT) {
            // Means come before maxima, which single defects move.
            let means = &pooled.values[..pooled.values.len() / 2];
            self.features.resize(FEATURES, 0.0);
            means.iter().enumerate().for_each(|(channel, mean)| self.features[channel % FEATURES] += mean);
        }
        let stride = PIXEL_STRIDE as usize;
        let (left, top, shape) = (left / stride, top / stride, pixels.shape);
        let columns = shape.width.min(width.saturating_sub(left));
        for class in 0..classes {
            for y in 0..shape.height.min(height.saturating_sub(top)) {
                let source = &pixels.values[(class * shape.height + y) * shape.width..][..columns];
                let target = &mut self.pixels[(class * height + top + y) * width + left..][..columns];
                for (t, s) in target.iter_mut().zip(source) {
                    *t = t.max(*s);
                }
            }
        }
        Ok(())
    }
}

/// Values that sum the channels of the deepest features up, every sixteenth channel in one: few enough that
/// two hundred units show how they vary together, and that a log can hold them for every item.
const FEATURES: usize = 16;

/// Less than this of a cell says nothing of a class.
const MASS_MIN: f32 = 1e-6;

/// Cells that show a class, each counted by its uncalibrated probability.
fn mass(logits: &[f32]) -> f32 {
    logits.iter().map(|z| 1.0 / (1.0 + (-z).exp())).sum()
}

/// The highest value; the lanes beside each other are what the compiler turns into vectors.
fn highest(values: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (whole, rest) = values.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in whole {
        for (most, v) in lanes.iter_mut().zip(chunk) {
            *most = most.max(*v);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// One tile as the network sees it; `tables` has the value of each level, by plane.
pub(super) fn fill_tile(
    values: &mut PlanInput<'_>,
    tables: &[[f32; 256]],
    spec: &InputSpec,
    input: &Input,
    corner: (usize, usize),
) {
    for (plane, y, row) in input.tile(spec, corner) {
        let table = &tables[plane];
        values.row(plane, y).iter_mut().zip(row).for_each(|(to, &v)| *to = table[usize::from(v)]);
    }
}

/// Runs the network over every tile of an item, on up to so many threads.
pub fn raw_scores(
    plan: &Plan,
    spec: &InputSpec,
    input: &Input,
    threads: usize,
) -> Result<RawScores, InferError> {
    let stride = PIXEL_STRIDE as usize;
    let (width, height) = (input.used[0].div_ceil(stride), input.used[1].div_ceil(stride));
    let mut raw = RawScores { width, height, pixels: Vec::new(), item: Vec::new(), features: Vec::new() };
    let tables: Vec<[f32; 256]> = (0..spec.planes()).map(|plane| normalisation(spec, plane)).collect();
    for &corner in &input.tiles {
        let fill = |values: &mut PlanInput<'_>| fill_tile(values, &tables, spec, input, corner);
        plan.run(threads, fill, |outputs| raw.join(outputs, corner))?;
    }
    raw.features.iter_mut().for_each(|sum| *sum /= input.tiles.len() as f32);
    Ok(raw)
}

/// A connected set of cells of one class.
#[derive(Clone, Debug)]
pub(super) struct Component {
    pub cells: Vec<usize>,
    pub peak: f32,
}

/// Connected cells (8 neighbours) whose logit reaches `level`, in scan order.
pub(super) fn components(map: &[f32], width: usize, level: f32) -> Vec<Component> {
    let mut seen: Vec<bool> = map.iter().map(|v| *v < level || v.is_nan()).collect();
    let mut found = Vec::new();
    for start in 0..map.len() {
        if !seen[start] {
            found.push(flood(map, width, start, &mut seen));
        }
    }
    found
}

/// The connected cells around one cell that reach `level`.
pub(super) fn component_at(map: &[f32], width: usize, start: usize, level: f32) -> Component {
    let mut seen: Vec<bool> = map.iter().map(|v| *v < level || v.is_nan()).collect();
    flood(map, width, start, &mut seen)
}

fn flood(map: &[f32], width: usize, start: usize, seen: &mut [bool]) -> Component {
    let height = map.len() / width.max(1);
    let mut component = Component { cells: Vec::new(), peak: map[start] };
    let mut open = vec![start];
    seen[start] = true;
    while let Some(at) = open.pop() {
        component.cells.push(at);
        component.peak = component.peak.max(map[at]);
        let (x, y) = (at % width, at / width);
        for ny in y.saturating_sub(1)..(y + 2).min(height) {
            for nx in x.saturating_sub(1)..(x + 2).min(width) {
                let next = ny * width + nx;
                if !seen[next] {
                    seen[next] = true;
                    open.push(next);
                }
            }
        }
    }
    component.cells.sort_unstable();
    component
}
