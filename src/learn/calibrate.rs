//! Raw scores → honest probabilities: Platt's monotone map and a temperature among the classes,
//! both by likelihood on groups that training did not see.

use crate::domain::Task;
use crate::infer::{Calibration, Naming};

/// What new packages may name an item by: where most of it shows a class, or where one shows most. Small
/// defects beside large ones want the second, marks of several kinds the first, see `models/README.md`.
pub(super) const fn namings(task: Task) -> &'static [Naming] {
    match task {
        Task::Defect => &[Naming::Mass, Naming::Peak],
        Task::Classify | Task::Transcribe => &[Naming::Item],
    }
}

/// Newton steps; the problem is convex in two unknowns and settles in about ten.
const STEPS: usize = 50;
/// A slope below this would turn the order of items round or make every item alike.
const SLOPE_MIN: f64 = 0.05;
/// Pulls towards a slope of 1, an intercept of 0 and a temperature of 1, in units' worth of
/// evidence: a dozen units must not flatten or sharpen everything, hundreds overrule it.
const SLOPE_RIDGE: f64 = 2.0;
const INTERCEPT_RIDGE: f64 = 0.05;
const TEMPERATURE_RIDGE: f64 = 1.0;

/// What calibration looks at of one item.
#[derive(Clone, Debug)]
pub(super) struct Scored {
    /// The item's raw score.
    pub score: f64,
    /// What speaks for each defect class, by each of the [`namings`].
    pub names: Vec<Vec<f64>>,
    pub positive: Vec<bool>,
    /// A unit counts once, however many items it has: 1 over their number.
    pub weight: f64,
}

impl Scored {
    fn is_defective(&self) -> bool {
        self.positive.contains(&true)
    }
}

/// Fits `σ(slope · z + intercept)` to raw scores. Targets are Platt's (1999): (n + 1) / (n + 2)
/// instead of 1, so that small samples stay modest.
fn fit_scale(items: &[Scored]) -> (f64, f64) {
    let sum = |defective: bool| -> f64 {
        items.iter().filter(|i| i.is_defective() == defective).map(|i| i.weight).sum()
    };
    let (positives, negatives) = (sum(true), sum(false));
    let target = |defective: bool| {
        if defective { (positives + 1.0) / (positives + 2.0) } else { 1.0 / (negatives + 2.0) }
    };
    let triples: Vec<(f64, f64, f64)> =
        items.iter().map(|i| (i.score, target(i.is_defective()), i.weight)).collect();
    let loss = |a: f64, b: f64| {
        let sum: f64 = triples
            .iter()
            .map(|&(z, t, weight)| {
                let v = a * z + b;
                weight * (v.max(0.0) - v * t + (-v.abs()).exp().ln_1p())
            })
            .sum();
        sum + SLOPE_RIDGE * (a - 1.0).powi(2) + INTERCEPT_RIDGE * b * b
    };
    let (mut a, mut b) = (1.0, 0.0);
    for _ in 0..STEPS {
        let (mut ga, mut gb) = (2.0 * SLOPE_RIDGE * (a - 1.0), 2.0 * INTERCEPT_RIDGE * b);
        let (mut haa, mut hab, mut hbb) = (2.0 * SLOPE_RIDGE, 0.0, 2.0 * INTERCEPT_RIDGE);
        for &(z, t, weight) in &triples {
            let p = 1.0 / (1.0 + (-(a * z + b)).exp());
            let (d, w) = (weight * (p - t), weight * p * (1.0 - p));
            ga += d * z;
            gb += d;
            haa += w * z * z;
            hab += w * z;
            hbb += w;
        }
        let det = haa * hbb - hab * hab;
        if det.abs() < 1e-12 {
            break;
        }
        let (da, db) = ((hbb * ga - hab * gb) / det, (haa * gb - hab * ga) / det);
        let mut step = 1.0;
        while step > 1e-4 && loss(a - step * da, b - step * db) > loss(a, b) {
            step *= 0.5;
        }
        a -= step * da;
        b -= step * db;
        if da.abs() + db.abs() < 1e-9 {
            break;
        }
    }
    (a.max(SLOPE_MIN), b)
}

/// The temperature under which one of the [`namings`] makes the true classes of the defective items likeliest,
/// and how unlikely they are then.
fn fit_temperature(items: &[Scored], naming: usize) -> (f64, f64) {
    let loss = |t: f64| -> f64 {
        let unlikeliness = items.iter().filter(|item| item.is_defective()).map(|item| {
            let names = &item.names[naming];
            let most = names.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = names.iter().map(|name| ((name - most) / t).exp()).collect();
            let right: f64 = weights.iter().zip(&item.positive).filter(|(_, t)| **t).map(|(w, _)| w).sum();
            -item.weight * (right / weights.iter().sum::<f64>()).max(1e-12).ln()
        });
        unlikeliness.sum::<f64>() + TEMPERATURE_RIDGE * t.ln().powi(2)
    };
    // A coarse grid on a logarithmic scale says all that a few hundred units know.
    let tried = (-20..=20).map(|i| 1.12_f64.powi(i)).map(|t| (t, loss(t)));
    tried.min_by(|x, y| x.1.total_cmp(&y.1)).unwrap_or((1.0, f64::INFINITY))
}

/// Both fits together, the second by the naming that serves best. Where items are only named, there is no
/// score to fit.
pub(super) fn calibration(task: Task, items: &[Scored]) -> Calibration {
    let (slope, intercept) = if task == Task::Defect { fit_scale(items) } else { (1.0, 0.0) };
    let fits = namings(task).iter().enumerate().map(|(at, naming)| (*naming, fit_temperature(items, at)));
    let best = fits.min_by(|x, y| x.1.1.total_cmp(&y.1.1));
    let (naming, (class_temperature, _)) = best.unwrap_or((Naming::Item, (1.0, 0.0)));
    Calibration { slope, intercept, class_temperature, naming }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    #[test]
    fn the_map_that_made_the_data_is_found_again() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let items: Vec<Scored> = (0..20_000)
            .map(|_| {
                let z = rng.random_range(-4.0..4.0);
                scored(z, rng.random::<f64>() < 1.0 / (1.0 + (-(1.7 * z - 0.8_f64)).exp()))
            })
            .collect();
        let (a, b) = fit_scale(&items);
        assert!((a - 1.7).abs() < 0.1 && (b + 0.8).abs() < 0.08, "{a} {b}");
        // Each item ten times, a tenth each: the same units.
        let some = &items[..40];
        let again: Vec<Scored> =
            (0..10).flat_map(|_| some.iter().map(|item| Scored { weight: 0.1, ..item.clone() })).collect();
        let (once, ten_times) = (fit_scale(some), fit_scale(&again));
        assert!((once.0 - ten_times.0).abs() < 1e-6 && (once.1 - ten_times.1).abs() < 1e-6);
    }

    fn scored(z: f64, defective: bool) -> Scored {
        Scored { score: z, names: vec![vec![z]; 2], positive: vec![defective], weight: 1.0 }
    }

    #[test]
    fn separated_and_hopeless_scores_stay_finite_and_increasing() {
        for pairs in [vec![(-3.0, false), (4.0, true)], vec![(2.0, false), (-2.0, true)], vec![(1.0, false)]]
        {
            let items: Vec<Scored> = pairs.into_iter().map(|(z, defective)| scored(z, defective)).collect();
            let (a, b) = fit_scale(&items);
            assert!(a > 0.0 && a.is_finite() && b.is_finite(), "{a} {b}");
        }
    }

    #[test]
    fn the_temperature_follows_many_units_and_hardly_a_few() {
        // Always sure, right in two of three.
        let unsure = |count: usize| -> Vec<Scored> {
            (0..count)
                .map(|i| Scored {
                    score: 6.0,
                    names: vec![vec![6.0, 0.0]],
                    positive: vec![i % 3 > 0, i % 3 == 0],
                    weight: 1.0,
                })
                .collect()
        };
        let (few, many) = (fit_temperature(&unsure(3), 0).0, fit_temperature(&unsure(300), 0).0);
        assert!(few < 4.0 && many > 6.0, "{few} {many}");
    }

    #[test]
    fn items_are_named_by_what_names_them_right() {
        // By mass the large class gets all items, by peak each its own; and the other way round.
        let small = |large: bool| vec![if large { 1.0 } else { 5.0 }, if large { 4.0 } else { 1.0 }];
        for (right, wrong) in [(Naming::Peak, Naming::Mass), (Naming::Mass, Naming::Peak)] {
            let items: Vec<Scored> = [false, true, false, true]
                .map(|large| {
                    let by = |naming: &Naming| if *naming == wrong { vec![1.0, 4.0] } else { small(large) };
                    let names = namings(Task::Defect).iter().map(by).collect();
                    Scored { score: 3.0, names, positive: vec![!large, large], weight: 1.0 }
                })
                .to_vec();
            assert_eq!(calibration(Task::Defect, &items).naming, right);
        }
        // Nothing to choose by: the usual way.
        assert_eq!(calibration(Task::Defect, &[scored(1.0, false)]).naming, Naming::Mass);
    }
}
