//! How far the network's own features of an item are from those that it had where all was well: one
//! number for each item, which is followed like any measure of its picture.
//!
//! The measures of a picture say nothing of what is on it. A part that lies turned or beside its place has
//! the light, sharpness and colours of any other; the network sees it, and answers as if it knew it.

use crate::domain::Norm;

/// Units for each value of the features, without which their spread is mostly chance.
const UNITS_PER_VALUE: usize = 5;
/// Of the mean variance, added to each: a channel that is dead on this line divides nothing by zero.
const RIDGE: f64 = 1e-3;

/// What is normal for the features of one network on one line.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureNorm {
    mean: Vec<f64>,
    /// Lower triangle of the covariance's Cholesky factor, row by row.
    factor: Vec<Vec<f64>>,
    distance: Norm,
}

impl FeatureNorm {
    /// From the features of units where all was well; `None` where there are too few, or where some have
    /// none: what an earlier version of this program has recorded.
    #[must_use]
    pub fn of(rows: &[&[f32]]) -> Option<Self> {
        let values = rows.first()?.len();
        let is_sound = |row: &&[f32]| row.len() == values && row.iter().all(|value| value.is_finite());
        if values == 0 || rows.len() < UNITS_PER_VALUE * values || !rows.iter().all(is_sound) {
            return None;
        }
        let n = rows.len() as f64;
        let mean: Vec<f64> =
            (0..values).map(|i| rows.iter().map(|row| f64::from(row[i])).sum::<f64>() / n).collect();
        let factor = cholesky(covariance(rows, &mean))?;
        let seen = rows.iter().map(|row| single(without_itself(square(&mean, &factor, row), n)));
        let distance = Norm::of(seen.collect())?;
        Some(Self { mean, factor, distance })
    }

    /// How many normal deviations an item's distance is from the usual one; `None` for features of another
    /// network.
    #[must_use]
    pub fn deviation(&self, features: &[f32]) -> Option<f64> {
        let is_of_network = features.len() == self.mean.len();
        is_of_network.then(|| self.distance.deviation(square(&self.mean, &self.factor, features).sqrt()))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "norms are kept in single precision")]
const fn single(value: f64) -> f32 {
    value as f32
}

fn covariance(rows: &[&[f32]], mean: &[f64]) -> Vec<Vec<f64>> {
    let values = mean.len();
    let mut sums = vec![vec![0.0; values]; values];
    for row in rows {
        for (i, sums) in sums.iter_mut().enumerate() {
            for (j, sum) in sums.iter_mut().enumerate() {
                *sum += (f64::from(row[i]) - mean[i]) * (f64::from(row[j]) - mean[j]);
            }
        }
    }
    let n = (rows.len() - 1).max(1) as f64;
    sums.iter_mut().flatten().for_each(|sum| *sum /= n);
    let trace: f64 = (0..values).map(|i| sums[i][i]).sum();
    // Features that never vary at all are still no division by zero.
    let ridge = (RIDGE * trace / values as f64).max(1e-12);
    (0..values).for_each(|i| sums[i][i] += ridge);
    sums
}

/// `None` for what is no covariance.
fn cholesky(mut matrix: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    for i in 0..matrix.len() {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum();
            let rest = matrix[i][j] - known;
            matrix[i][j] = if i == j { rest.sqrt() } else { rest / matrix[j][j] };
        }
        if matrix[i][i].is_nan() || matrix[i][i] <= 0.0 {
            return None;
        }
    }
    Some(matrix)
}

/// Square of the Mahalanobis distance.
fn square(mean: &[f64], factor: &[Vec<f64>], features: &[f32]) -> f64 {
    let mut solved: Vec<f64> = Vec::with_capacity(mean.len());
    for (i, row) in factor.iter().enumerate() {
        let known: f64 = row.iter().zip(&solved).map(|(a, b)| a * b).sum();
        solved.push((f64::from(features[i]) - mean[i] - known) / row[i]);
    }
    solved.iter().map(|value| value * value).sum()
}

/// The distance of one of `n` units from what the others say is normal, from the square of its distance
/// from what all say: its own part in mean and covariance would make it look nearer than the next unit
/// is. By the formula of Sherman and Morrison, exact but for the ridge.
fn without_itself(square: f64, n: f64) -> f64 {
    let left = (1.0 - n * square / ((n - 1.0) * (n - 1.0))).max(f64::EPSILON);
    (n * n * (n - 2.0) * square / ((n - 1.0).powi(3) * left)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Two values that always agree, one that is dead, and one for itself.
    fn row(random: &mut ChaCha8Rng) -> Vec<f32> {
        let mut normal = || (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0;
        let (a, b) = (normal(), normal());
        vec![3.0 + a, 1.0 + 2.0 * a + 0.1 * normal(), 0.0, b]
    }

    #[test]
    fn what_breaks_a_habit_is_far_although_each_value_is_usual() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let rows: Vec<Vec<f32>> = (0..400).map(|_| row(&mut random)).collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let norm = FeatureNorm::of(&rows).unwrap();
        let usual: Vec<f64> = (0..2000).map(|_| norm.deviation(&row(&mut random)).unwrap()).collect();
        // New units are as far as those that made the norm.
        let mean = usual.iter().sum::<f64>() / usual.len() as f64;
        assert!(mean.abs() < 0.15, "{mean}");
        assert!(norm.deviation(&[4.0, 3.0, 0.0, 0.0]).unwrap() < 2.0);
        assert!(norm.deviation(&[4.0, -1.0, 0.0, 0.0]).unwrap() > 6.0);
        assert!(norm.deviation(&[4.0, 3.0]).is_none());
    }

    #[test]
    fn leaving_a_unit_out_is_what_the_formula_says() {
        let mut random = ChaCha8Rng::seed_from_u64(9);
        let kept: Vec<Vec<f32>> = (0..60).map(|_| row(&mut random)).map(|row| vec![row[0], row[3]]).collect();
        let rows: Vec<&[f32]> = kept.iter().map(Vec::as_slice).collect();
        let of = |rows: &[&[f32]]| {
            let n = rows.len() as f64;
            let mean: Vec<f64> =
                (0..2).map(|i| rows.iter().map(|row| f64::from(row[i])).sum::<f64>() / n).collect();
            let factor = cholesky(covariance(rows, &mean)).unwrap();
            move |row: &[f32]| square(&mean, &factor, row)
        };
        let (all, others) = (of(&rows), of(&rows[1..]));
        let (by_formula, truly) = (without_itself(all(rows[0]), 60.0), others(rows[0]).sqrt());
        assert!((by_formula - truly).abs() < 0.01 * truly, "{by_formula} {truly}");
    }

    #[test]
    fn too_few_mixed_or_dead_features_make_no_nonsense() {
        let few = vec![&[1.0_f32, 2.0][..]; 9];
        assert!(FeatureNorm::of(&few).is_none());
        let mut mixed = vec![&[1.0_f32, 2.0][..]; 50];
        // All alike: nothing is farther than the rest.
        assert!(FeatureNorm::of(&mixed).unwrap().deviation(&[1.0, 2.0]).unwrap().abs() < 1.0);
        mixed.push(&[]);
        assert!(FeatureNorm::of(&mixed).is_none());
        assert!(FeatureNorm::of(&vec![&[][..]; 50]).is_none());
    }
}
