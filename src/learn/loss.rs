//! What a training minimises: the truth of cells and of items together, and the names of defects.

use super::LearnError;
use super::augment::Example;
use super::settings::LossParts;
use crate::nn::{LossAndGradients, loss_with_gradients};
use candle_core::Tensor;
use rayon::prelude::*;

/// Cross-entropy of the cells and overlap with the true ones, plus cross-entropies of the item's two
/// scores: its highest cell and its own logit. Each learns as if it were alone, though the higher one
/// counts in use: else a defect that the one has found would teach the other nothing. Beside these,
/// where classes are judged each for itself, the classes of a defect compete for its name. Without
/// `judges_items` the item's own logit is left as it is. `pixels` is `[n, classes, rows, columns]`,
/// `item` `[n, classes, 1, 1]`.
pub(super) fn loss(
    pixels: &Tensor,
    item: &Tensor,
    examples: &[Example],
    parts: &LossParts,
    judges_items: bool,
) -> Result<Tensor, LearnError> {
    let truth = Truth::new(examples, *parts, judges_items);
    Ok(loss_with_gradients(pixels, item, move |pixels, item| truth.loss(pixels, item))?)
}

/// The truth of a batch. Planes are pairs of item and class.
struct Truth {
    parts: LossParts,
    judges_items: bool,
    classes: usize,
    planes: Vec<Plane>,
    /// Weight of a plane's cells, of the overlap in a plane with a defect, of an item.
    cells: f32,
    overlap: f32,
    item: f32,
    naming: f32,
}

struct Plane {
    /// Share of each cell that the defect covers, and whether that is known.
    target: Vec<f32>,
    is_known: bool,
    /// Covered cells; 0 where nothing is known.
    area: f32,
    /// Whether the item has the class (of two sounds that are heard together the share that it is of them),
    /// and whether that counts.
    item: f32,
    item_weight: f32,
}

impl Truth {
    fn new(examples: &[Example], parts: LossParts, judges_items: bool) -> Self {
        let classes = examples.first().map_or(1, |e| e.item_target.len()).max(1);
        let planes: Vec<Plane> = examples
            .iter()
            .flat_map(|e| {
                let cells = e.target.len() / classes;
                e.target.chunks_exact(cells).enumerate().map(move |(class, target)| {
                    let is_known = e.weight[class * cells] > 0.0;
                    Plane {
                        target: target.to_vec(),
                        is_known,
                        area: if is_known { target.iter().sum() } else { 0.0 },
                        item: e.item_target[class],
                        item_weight: e.item_weight[class],
                    }
                })
            })
            .collect();
        let defects = planes.iter().filter(|p| p.area > 0.0).count() as f32;
        let items: f32 = planes.iter().map(|p| p.item_weight).sum();
        let named = planes.chunks_exact(classes).filter(|of_item| names(of_item).is_some()).count() as f32;
        Self {
            parts,
            judges_items,
            cells: parts.cells / examples.len().max(1) as f32,
            overlap: parts.overlap / defects.max(1.0),
            item: classes as f32 / items.max(1.0),
            naming: parts.naming / named.max(1.0),
            classes,
            planes,
        }
    }

    fn loss(&self, pixels: &[f32], item: &[f32]) -> LossAndGradients {
        let cells = pixels.len() / self.planes.len().max(1);
        let mut first = vec![0.0; pixels.len()];
        let mut second = vec![0.0; item.len()];
        // Summed in order afterwards, so that threads change nothing.
        let losses: Vec<f64> = first
            .par_chunks_mut(cells)
            .zip(second.par_iter_mut())
            .zip(pixels.par_chunks(cells).zip(item))
            .zip(&self.planes)
            .map(|(((gradient, of_item), (z, item)), plane)| {
                self.cells(plane, z, gradient) + self.item(plane, z, *item, gradient, of_item)
            })
            .collect();
        let named: Vec<f64> = first
            .par_chunks_mut(cells * self.classes)
            .zip(second.par_chunks_mut(self.classes))
            .zip(pixels.par_chunks(cells * self.classes).zip(item.par_chunks(self.classes)))
            .zip(self.planes.par_chunks(self.classes))
            .map(|(((gradient, of_item), (z, item)), planes)| self.name(planes, z, item, gradient, of_item))
            .collect();
        #[expect(clippy::cast_possible_truncation, reason = "tensors are single precision")]
        let loss = (losses.iter().sum::<f64>() + named.iter().sum::<f64>()) as f32;
        LossAndGradients { loss, first, second }
    }

    /// Focal loss of a plane's cells and 1 − its Dice coefficient.
    fn cells(&self, plane: &Plane, z: &[f32], gradient: &mut [f32]) -> f64 {
        if !plane.is_known {
            return 0.0;
        }
        let weight = self.cells / (plane.area + self.parts.area);
        let (mut sum, mut both, mut either) = (0.0_f64, 0.0_f32, 0.0_f32);
        for ((z, t), gradient) in z.iter().zip(&plane.target).zip(&mut *gradient) {
            let (loss, slope, p) = focal(*z, *t, self.parts.focus);
            sum += f64::from(weight * loss);
            *gradient = weight * slope;
            both += p * t;
            either += p + t;
        }
        if plane.area == 0.0 {
            return sum;
        }
        let (above, below) = (2.0 * both + 1.0, either + 1.0);
        for ((z, t), gradient) in z.iter().zip(&plane.target).zip(gradient) {
            let p = sigmoid(*z);
            *gradient -= self.overlap * (2.0 * t * below - above) / (below * below) * p * (1.0 - p);
        }
        sum + f64::from(self.overlap * (1.0 - above / below))
    }

    fn item(&self, plane: &Plane, z: &[f32], item: f32, gradient: &mut [f32], of_item: &mut f32) -> f64 {
        let weight = self.item * plane.item_weight;
        let mut loss = 0.0;
        if self.judges_items {
            let (head, slope, _) = cross_entropy(item, plane.item);
            loss += self.parts.head * head;
            *of_item = weight * self.parts.head * slope;
        }
        let at = highest(z);
        let (of_cell, slope, _) = cross_entropy(z[at], plane.item);
        loss += self.parts.item * of_cell;
        gradient[at] += weight * self.parts.item * slope;
        f64::from(weight * loss)
    }

    /// Softmax cross-entropies of the one class that an item has (or the shares of several) against the
    /// others: over each cell's logits, weighted by how much of it the defect covers; over the classes' masses, by which
    /// items are named in use; and over the item's own logits.
    fn name(
        &self,
        planes: &[Plane],
        z: &[f32],
        item: &[f32],
        gradient: &mut [f32],
        of_item: &mut [f32],
    ) -> f64 {
        let Some(shares) = names(planes).filter(|_| self.parts.naming > 0.0) else { return 0.0 };
        let cells = z.len() / planes.len();
        let mut loss = 0.0;
        let mut slopes = vec![0.0; planes.len()];
        let mut logits = vec![0.0; planes.len()];
        // Of two sounds of one class that are heard together nobody has said where the lower one's is.
        let placed = |plane: &&Plane| plane.item == 1.0 && plane.is_known && plane.area > 0.0;
        if let Some(plane) = planes.iter().find(placed) {
            for (at, covered) in plane.target.iter().enumerate().filter(|(_, t)| **t > 0.0) {
                logits.iter_mut().enumerate().for_each(|(class, logit)| *logit = z[class * cells + at]);
                loss += compete(&logits, &shares, self.naming * covered / plane.area, &mut slopes);
                slopes.iter().enumerate().for_each(|(class, slope)| gradient[class * cells + at] += slope);
            }
        }
        let masses: Vec<f32> = z.chunks_exact(cells).map(|z| z.iter().map(|z| sigmoid(*z)).sum()).collect();
        let logs: Vec<f32> = masses.iter().map(|mass| mass.max(f32::MIN_POSITIVE).ln()).collect();
        loss += compete(&logs, &shares, self.naming, &mut slopes);
        for (class, slope) in slopes.iter().enumerate() {
            for (z, gradient) in z[class * cells..].iter().zip(&mut gradient[class * cells..]).take(cells) {
                let p = sigmoid(*z);
                *gradient += slope * p * (1.0 - p) / masses[class].max(f32::MIN_POSITIVE);
            }
        }
        if self.judges_items {
            loss += compete(item, &shares, self.naming, &mut slopes);
            of_item.iter_mut().zip(&slopes).for_each(|(gradient, slope)| *gradient += slope);
        }
        loss
    }
}

/// Where the highest logit stands.
fn highest(z: &[f32]) -> usize {
    z.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(at, _)| at)
}

/// What each class has of an item: all of it for the only one, shares where sounds lie over each other.
/// `None` where an item has several of its own, where that is not known of all classes, or where there is
/// nothing to choose from.
fn names(planes: &[Plane]) -> Option<Vec<f32>> {
    let shares: Vec<f32> = planes.iter().map(|plane| plane.item).collect();
    let adds_up = (shares.iter().sum::<f32>() - 1.0).abs() < 1e-3;
    (planes.len() > 1 && adds_up && planes.iter().all(|p| p.item_weight > 0.0)).then_some(shares)
}

/// Weighted cross-entropy of the softmax against `shares`, and its slopes.
fn compete(z: &[f32], shares: &[f32], weight: f32, slopes: &mut [f32]) -> f64 {
    let most = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = z.iter().map(|z| (z - most).exp()).sum();
    let mut right = 0.0;
    for ((slope, z), share) in slopes.iter_mut().zip(z).zip(shares) {
        *slope = weight * ((z - most).exp() / sum - share);
        right += share * z;
    }
    f64::from(weight * (sum.ln() + most - right))
}

fn sigmoid(z: f32) -> f32 {
    1.0 / (1.0 + (-z).exp())
}

/// Of σ(z) against `t`, its slope, and σ(z).
fn cross_entropy(z: f32, t: f32) -> (f32, f32, f32) {
    let p = sigmoid(z);
    (z.max(0.0) - z * t + (-z.abs()).exp().ln_1p(), p - t, p)
}

/// Cross-entropy of σ(z) against `t`, times |σ(z) − t| to a power; its slope, and σ(z).
fn focal(z: f32, t: f32, focus: f32) -> (f32, f32, f32) {
    let (loss, slope, p) = cross_entropy(z, t);
    let error = slope.abs().max(f32::MIN_POSITIVE);
    let factor = error.powf(focus);
    (factor * loss, factor * slope + focus * factor / error * slope.signum() * p * (1.0 - p) * loss, p)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth() -> (Truth, Vec<f32>, Vec<f32>) {
        let example = |seed: usize, unplaced: bool| Example {
            values: Vec::new(),
            target: (0..24).map(|i| if (i * 7 + seed).is_multiple_of(5) { 0.8 } else { 0.0 }).collect(),
            weight: (0..24).map(|i| if unplaced && i < 12 { 0.0 } else { 1.0 }).collect(),
            item_target: vec![1.0, 0.0],
            item_weight: vec![1.0, if unplaced { 0.0 } else { 1.0 }],
        };
        let parts =
            LossParts { cells: 2.0, focus: 1.5, area: 2.0, overlap: 0.7, item: 0.5, head: 0.3, naming: 0.4 };
        let pixels = (0..48).map(|i| ((i * 37 % 23) as f32 - 11.0) / 4.0).collect();
        (Truth::new(&[example(1, false), example(3, true)], parts, true), pixels, vec![0.4, -1.0, 2.0, 0.1])
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let (truth, pixels, item) = truth();
        let exact = truth.loss(&pixels, &item);
        let step = 1e-2;
        let slope = |at: usize, of_item: bool| {
            let moved = |by: f32| {
                let (mut pixels, mut item) = (pixels.clone(), item.clone());
                if of_item {
                    item[at] += by;
                } else {
                    pixels[at] += by;
                }
                truth.loss(&pixels, &item).loss
            };
            (moved(step) - moved(-step)) / (2.0 * step)
        };
        for at in 0..pixels.len() {
            assert!((slope(at, false) - exact.first[at]).abs() < 2e-3, "cell {at}: {}", exact.first[at]);
        }
        for at in 0..item.len() {
            assert!((slope(at, true) - exact.second[at]).abs() < 2e-3, "item {at}: {}", exact.second[at]);
        }
        // An item whose class is known and its place is not, though something is drawn there.
        let mut unplaced = Example {
            values: Vec::new(),
            target: vec![0.8; 24],
            weight: (0..24).map(|i| if i < 12 { 0.0 } else { 1.0 }).collect(),
            item_target: vec![1.0, 0.0],
            item_weight: vec![1.0, 1.0],
        };
        unplaced.target[12..].fill(0.0);
        let alone = Truth::new(&[unplaced], truth.parts, true).loss(&pixels[..24], &item[..2]);
        assert!(alone.loss.is_finite() && alone.first.iter().all(|slope| slope.is_finite()));
        // Of cells whose truth nobody knows, only the highest learns: from the item's truth.
        assert_eq!(exact.first[24..36].iter().filter(|g| **g != 0.0).count(), 1);
        let part = Truth { judges_items: false, ..truth };
        assert!(part.loss(&pixels, &item).second.iter().all(|g| *g == 0.0));
    }
}
