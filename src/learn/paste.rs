//! Real defects on other good items: with few defective units a network learns the units instead
//! of the defects, unless each defect is seen on many of them.

use crate::infer::InputSpec;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// The seam around a defect, in pixels of the input: wide enough to hide a step, narrow enough to
/// leave the good item its own surface.
const SEAM_PX: usize = 4;
/// A pasted defect keeps at least this much of its contrast.
const STRENGTH_MIN: f32 = 0.6;

/// Lays the covered pixels of `donor` over `values` (both planes of the input, 0 to 255), softly
/// at the seam and with the brightness of the place where they come to lie.
pub(super) fn paste(
    rng: &mut ChaCha8Rng,
    values: &mut [f32],
    donor: &[f32],
    coverage: &[f32],
    spec: &InputSpec,
) {
    let strength = rng.random_range(STRENGTH_MIN..=1.0);
    let share = seam(coverage, spec.width_px as usize);
    for (own, other) in values.chunks_exact_mut(spec.area()).zip(donor.chunks_exact(spec.area())) {
        let offset = if spec.reference { 0.0 } else { offset_at_seam(own, other, coverage, &share) };
        for ((own, other), share) in own.iter_mut().zip(other).zip(&share) {
            let laid = share * strength * (other + offset - *own);
            // A sound does not silence what is there.
            *own += if spec.sound.is_some() { laid.max(0.0) } else { laid };
        }
    }
}

/// How much brighter the place is than the donor around the defect.
fn offset_at_seam(own: &[f32], other: &[f32], coverage: &[f32], share: &[f32]) -> f32 {
    let (mut sum, mut count) = (0.0, 0.0_f32);
    for at in (0..share.len()).filter(|&at| share[at] > 0.0 && coverage[at] < 0.5) {
        sum += own[at] - other[at];
        count += 1.0;
    }
    sum / count.max(1.0)
}

/// 1 on the defect, falling to 0 over [`SEAM_PX`]: a widening by steps, first along rows, then
/// along columns.
fn seam(coverage: &[f32], width: usize) -> Vec<f32> {
    let mut share: Vec<f32> = coverage.iter().map(|c| if *c > 0.0 { 1.0 } else { 0.0 }).collect();
    let fall = 1.0 / (SEAM_PX + 1) as f32;
    let spread = |share: &mut [f32], step: usize, is_first: &dyn Fn(usize) -> bool| {
        for at in step..share.len() {
            if !is_first(at) {
                share[at] = share[at].max(share[at - step] - fall);
            }
        }
        for at in (step..share.len()).rev() {
            if !is_first(at) {
                share[at - step] = share[at - step].max(share[at] - fall);
            }
        }
    };
    spread(&mut share, 1, &|at| at % width == 0);
    spread(&mut share, width, &|_| false);
    share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::{Levels, View};
    use rand::SeedableRng;

    #[test]
    fn a_defect_takes_the_brightness_of_its_new_place_and_leaves_the_rest_alone() {
        let spec = InputSpec {
            width_px: 32,
            height_px: 32,
            channels: 1,
            levels: Levels::Absolute,
            mean: vec![0.5],
            std: vec![0.2],
            view: View::Single,
            reference: false,
            local_px: 0,
            sound: None,
            difference: false,
            mirrored: false,
        };
        let is_defect = |at: usize| (12..20).contains(&(at % 32)) && (12..20).contains(&(at / 32));
        let coverage: Vec<f32> = (0..1024).map(|at| f32::from(u8::from(is_defect(at)))).collect();
        // A mark 60 levels darker than its surface, from a dark item to a bright one.
        let donor: Vec<f32> = (0..1024).map(|at| if is_defect(at) { 20.0 } else { 80.0 }).collect();
        let mut values = vec![200.0; 1024];
        paste(&mut ChaCha8Rng::seed_from_u64(1), &mut values, &donor, &coverage, &spec);
        let inside = values[16 * 32 + 16];
        assert!((140.0..=164.1).contains(&inside), "{inside}");
        assert!(values.iter().enumerate().all(|(at, v)| is_defect(at) || (*v - 200.0).abs() < 1e-3));
    }
}
