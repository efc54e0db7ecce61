//! Raw network scores of an item, and the connected regions in them.

use super::manifest::{InputSpec, Naming};
use super::prepare::swap_rows;
use super::{InferError, Input, normalisation};
use crate::nn::{FEATURE_OUTPUT, ITEM_OUTPUT, PIXEL_OUTPUT, PIXEL_STRIDE, Plan, PlanInput, PlanOutputs};
use std::collections::BTreeMap;

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

    /// As it would be without the mirror.
    fn turn_back(&mut self, [swaps_x, swaps_y]: [bool; 2]) {
        for map in self.pixels.chunks_exact_mut((self.width * self.height).max(1)) {
            if swaps_x {
                map.chunks_exact_mut(self.width).for_each(<[f32]>::reverse);
            }
            if swaps_y {
                swap_rows(map, self.width);
            }
        }
    }

    /// Adds the scores of another view of the same cells.
    fn add(&mut self, other: &Self) {
        let sums = self.values_mut().into_iter().zip([&other.pixels, &other.item, &other.features]);
        sums.for_each(|(own, other)| own.iter_mut().zip(other).for_each(|(sum, v)| *sum += v));
    }

    fn scale(&mut self, by: f32) {
        self.values_mut().into_iter().flatten().for_each(|v| *v *= by);
    }

    fn values_mut(&mut self) -> [&mut Vec<f32>; 3] {
        [&mut self.pixels, &mut self.item, &mut self.features]
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

/// Runs the network over every tile of an item, and of its mirror images where the model asks for them, on up
/// to so many threads.
pub fn raw_scores(
    plan: &Plan,
    spec: &InputSpec,
    input: &Input,
    threads: usize,
) -> Result<RawScores, InferError> {
    let mut raw = scores_as_seen(plan, spec, input, threads)?;
    let mirrors = spec.mirrors();
    for &mirror in &mirrors[1..] {
        let mut other = scores_as_seen(plan, spec, &input.mirrored(spec, mirror), threads)?;
        other.turn_back(mirror);
        raw.add(&other);
    }
    if mirrors.len() > 1 {
        raw.scale(1.0 / mirrors.len() as f32);
    }
    Ok(raw)
}

fn scores_as_seen(
    plan: &Plan,
    spec: &InputSpec,
    input: &Input,
    threads: usize,
) -> Result<RawScores, InferError> {
    let [width, height] = input.cells();
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

/// Connected cells (8 neighbours) whose logit reaches `level`, in scan order. With `split` a set whose peaks
/// are parted by a valley that lies at least so deep below both is cut along it: defects that touch.
pub(super) fn components(map: &[f32], width: usize, level: f32, split: Option<f32>) -> Vec<Component> {
    let mut seen: Vec<bool> = map.iter().map(|v| *v < level || v.is_nan()).collect();
    let mut found = Vec::new();
    for start in 0..map.len() {
        if !seen[start] {
            let component = flood(map, width, start, &mut seen);
            match split {
                Some(depth) => found.extend(parted(map, width, component, depth)),
                None => found.push(component),
            }
        }
    }
    found
}

/// Peaks of a component that have grown together or not, the highest first.
struct Basins(Vec<Basin>);

#[derive(Clone, Copy)]
struct Basin {
    peak: f32,
    /// The higher one that it has become part of; itself while it stands alone.
    part_of: usize,
}

impl Basins {
    fn root(&self, mut basin: usize) -> usize {
        while self.0[basin].part_of != basin {
            basin = self.0[basin].part_of;
        }
        basin
    }
}

/// The watershed of a component's logits by flooding from its peaks (Vincent and Soille, 1991), in which a
/// peak less than `depth` above the valley to a higher one counts as part of that (its dynamics, Grimaud, 1992).
fn parted(map: &[f32], width: usize, component: Component, depth: f32) -> Vec<Component> {
    let mut highest_first = component.cells;
    highest_first.sort_by(|a, b| map[*b].total_cmp(&map[*a]).then(a.cmp(b)));
    let mut basins = Basins(Vec::new());
    let mut basin_of: BTreeMap<usize, usize> = BTreeMap::new();
    for at in highest_first {
        let around: Vec<(f32, usize)> = neighbours(map.len(), width, at)
            .filter_map(|next| Some((map[next], basins.root(*basin_of.get(&next)?))))
            .collect();
        // Up the steepest way; of two as steep to the higher peak.
        let steepest = around.iter().max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let Some(&(_, basin)) = steepest else {
            basin_of.insert(at, basins.0.len());
            basins.0.push(Basin { peak: map[at], part_of: basins.0.len() });
            continue;
        };
        basin_of.insert(at, basin);
        let highest = around.iter().map(|(_, basin)| *basin).min().unwrap_or(basin);
        for (_, basin) in around {
            if basins.0[basin].peak - map[at] < depth {
                basins.0[basin].part_of = highest;
            }
        }
    }
    let mut parts: BTreeMap<usize, Component> = BTreeMap::new();
    for (at, basin) in basin_of {
        let root = basins.root(basin);
        let fresh = || Component { cells: Vec::new(), peak: basins.0[root].peak };
        parts.entry(root).or_insert_with(fresh).cells.push(at);
    }
    parts.into_values().collect()
}

/// A cell and those around it.
fn neighbours(cells: usize, width: usize, at: usize) -> impl Iterator<Item = usize> {
    let (x, y, height) = (at % width, at / width, cells / width.max(1));
    let rows = y.saturating_sub(1)..(y + 2).min(height);
    rows.flat_map(move |y| (x.saturating_sub(1)..(x + 2).min(width)).map(move |x| y * width + x))
}

/// The connected cells around one cell that reach `level`.
pub(super) fn component_at(map: &[f32], width: usize, start: usize, level: f32) -> Component {
    let mut seen: Vec<bool> = map.iter().map(|v| *v < level || v.is_nan()).collect();
    flood(map, width, start, &mut seen)
}

fn flood(map: &[f32], width: usize, start: usize, seen: &mut [bool]) -> Component {
    let mut component = Component { cells: Vec::new(), peak: map[start] };
    let mut open = vec![start];
    seen[start] = true;
    while let Some(at) = open.pop() {
        component.cells.push(at);
        component.peak = component.peak.max(map[at]);
        for next in neighbours(map.len(), width, at) {
            if !seen[next] {
                seen[next] = true;
                open.push(next);
            }
        }
    }
    component.cells.sort_unstable();
    component
}

#[cfg(test)]
mod tests {
    use super::super::{prepare, shipped};
    use super::*;
    use crate::media::Raster;
    use rand::{Rng, SeedableRng};

    #[test]
    fn a_mirror_image_has_the_mirrored_scores() {
        let model = shipped("magnetic-tile").unwrap();
        let spec = InputSpec { mirrored: true, ..model.manifest().input.clone() };
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        // Its sides are whole cells of the input; no two of its corners look alike.
        let (width, height) = (spec.width_px, spec.height_px / 2);
        let mut pixels: Vec<u8> = (0..width * height).map(|at| (at % width / 4) as u8).collect();
        pixels.iter_mut().for_each(|v| *v += rng.random_range(0..60));
        let image = Raster { width, height, channels: 1, pixels };
        let scores = |image: &Raster| {
            raw_scores(model.plan(), &spec, &prepare(&spec, image, None).unwrap(), 1).unwrap()
        };
        let plain = scores(&image);
        let single = InputSpec { mirrored: false, ..spec.clone() };
        let alone = raw_scores(model.plan(), &single, &prepare(&single, &image, None).unwrap(), 1).unwrap();
        assert!(plain.pixels.iter().zip(&alone.pixels).any(|(mean, one)| (mean - one).abs() > 0.1));
        for &mirror in spec.mirrors() {
            let mut mirrored = image.clone();
            if mirror[0] {
                mirrored.pixels.chunks_exact_mut(width as usize).for_each(<[u8]>::reverse);
            }
            if mirror[1] {
                swap_rows(&mut mirrored.pixels, width as usize);
            }
            let mut back = scores(&mirrored);
            back.turn_back(mirror);
            let values = [(&plain.pixels, &back.pixels), (&plain.item, &back.item)];
            assert!(values.iter().all(|(a, b)| a.iter().zip(*b).all(|(a, b)| (a - b).abs() < 1e-3)));
        }
    }

    #[test]
    fn defects_that_touch_are_told_apart_by_the_valley_between_them() {
        // Two hills in a row of cells, 4 and 3 high, with a valley at 1, and a third on a shoulder.
        let map = [-1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 3.0, 2.5, 2.75, -1.0];
        let cells = |split| components(&map, 10, 0.0, split).into_iter().map(|c| (c.cells, c.peak));
        let all: Vec<_> = cells(None).collect();
        assert_eq!(all, [((1..9).collect(), 4.0)]);
        let two: Vec<_> = cells(Some(2.0)).collect();
        assert_eq!(two, [((1..5).collect(), 4.0), ((5..9).collect(), 3.0)]);
        assert_eq!(cells(Some(0.25)).count(), 3);
        assert_eq!(cells(Some(2.5)).collect::<Vec<_>>(), all);
    }

    #[test]
    fn every_cell_stays_in_one_part() {
        let map: Vec<f32> =
            (0..400_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as f32 / 64.0).collect();
        for split in [0.0, 0.5, 1.5] {
            let mut cells: Vec<usize> =
                components(&map, 20, 1.0, Some(split)).into_iter().flat_map(|c| c.cells).collect();
            cells.sort_unstable();
            assert_eq!(cells, (0..400).filter(|at| map[*at] >= 1.0).collect::<Vec<_>>());
        }
    }
}
