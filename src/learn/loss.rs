//! What a training minimises: the truth of cells and of items together.

use super::LearnError;
use super::augment::Example;
use crate::nn::weighted_bce;
use candle_core::{Device, Tensor};

/// Parts of the loss beside the item's own. Cells with and without a defect are averaged apart:
/// defects cover so little that a common average would hardly see them.
const DEFECT_CELLS_PART: f32 = 1.0;
const GOOD_CELLS_PART: f32 = 4.0;
const OVERLAP_PART: f64 = 1.0;
const ITEM_PART: f64 = 0.5;
const HEAD_PART: f64 = 0.5;

/// Per-pixel cross-entropy and overlap, plus cross-entropy of the item's score exactly as it is
/// used: the highest pixel or the whole item's logit, whichever is higher.
pub(super) fn loss(pixels: &Tensor, item: &Tensor, examples: &[Example]) -> Result<Tensor, LearnError> {
    let (n, classes, rows, columns) = pixels.dims4()?;
    let gather = |pick: fn(&Example) -> &Vec<f32>| -> Vec<f32> {
        examples.iter().flat_map(|e| pick(e).iter().copied()).collect()
    };
    let (target, valid) = (gather(|e| &e.target), gather(|e| &e.weight));
    let covered: f32 = valid.iter().zip(&target).map(|(v, t)| v * t).sum();
    let free: f32 = valid.iter().zip(&target).map(|(v, t)| v * (1.0 - t)).sum();
    let (defect, good) = (DEFECT_CELLS_PART / covered.max(1.0), GOOD_CELLS_PART / free.max(1.0));
    let weight: Vec<f32> =
        valid.iter().zip(&target).map(|(v, t)| v * (t * defect + (1.0 - t) * good)).collect();
    let per_pixel = weighted_bce(pixels, target.clone(), weight, 1.0)?;

    let (y, v) = (gather(|e| &e.item_target), gather(|e| &e.item_weight));
    let count: f32 = v.iter().sum::<f32>().max(1.0) / classes as f32;
    let most = pixels.reshape((n, classes, rows * columns))?.max(2)?;
    let whole = item.reshape((n, classes))?;
    let own = weighted_bce(&most.maximum(&whole)?, y.clone(), v.clone(), count)?;
    let head = weighted_bce(&whole, y, v, count)?;
    let overlap = overlap_loss(pixels, target, &valid)?;
    let items = ((own * ITEM_PART)? + (head * HEAD_PART)?)?;
    Ok(((per_pixel + items)? + (overlap * OVERLAP_PART)?)?)
}

/// 1 − Dice coefficient, averaged over the pairs of item and class that have defect pixels.
fn overlap_loss(pixels: &Tensor, target: Vec<f32>, valid: &[f32]) -> Result<Tensor, LearnError> {
    let (n, classes, rows, columns) = pixels.dims4()?;
    let plane = rows * columns;
    let has: Vec<f32> = target
        .chunks_exact(plane)
        .zip(valid.chunks_exact(plane))
        .map(|(t, v)| if v[0] > 0.0 && t.iter().sum::<f32>() > 0.0 { 1.0 } else { 0.0 })
        .collect();
    let count = has.iter().sum::<f32>().max(1.0);
    let target = Tensor::from_vec(target, (n * classes, plane), &Device::Cpu)?;
    let has = Tensor::from_vec(has, n * classes, &Device::Cpu)?;
    let logits = pixels.reshape((n * classes, plane))?;
    // σ through tanh: candle can differentiate it, and it does not overflow.
    let p = (((logits * 0.5)?.tanh()? + 1.0)? * 0.5)?;
    let both = (&p * &target)?.sum(1)?;
    let either = (p.sum(1)? + target.sum(1)?)?;
    let dice = (((both * 2.0)? + 1.0)? / (either + 1.0)?)?;
    Ok(((1.0 - dice)? * has)?.sum_all()?.affine(1.0 / f64::from(count), 0.0)?)
}
