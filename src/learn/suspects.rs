//! Labels that are probably wrong, by confident learning (Northcutt, Jiang & Chuang, *Confident
//! learning: estimating uncertainty in dataset labels*, 2021): out-of-sample probabilities say how
//! often each class is labelled as each other one, and the items with the widest margins make up
//! that number ("prune by noise rate").

/// As close to a class's threshold as this counts as reached.
const TOLERANCE: f64 = 1e-6;

/// For each item whether its label is suspect. `probabilities` has one entry for each class and
/// must come from a training that has not seen the item's unit; `labels` are positions in them.
pub fn suspects(probabilities: &[Vec<f64>], labels: &[usize]) -> Vec<bool> {
    let classes = probabilities.first().map_or(0, Vec::len);
    let mut flagged = vec![false; labels.len()];
    if classes == 0 {
        return flagged;
    }
    let counts = pruned(&calibrated(&confident_joint(probabilities, labels, classes), labels));
    for given in 0..classes {
        let items: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == given).collect();
        if items.len() < 2 {
            // The last item of a class is kept.
            continue;
        }
        for real in (0..classes).filter(|&real| real != given) {
            let margin = |i: usize| probabilities[i][real] - probabilities[i][given];
            let mut order = items.clone();
            order.sort_by(|&a, &b| margin(b).total_cmp(&margin(a)));
            order.iter().take(counts[real][given]).for_each(|&i| flagged[i] = true);
        }
    }
    for ((flag, p), &label) in flagged.iter_mut().zip(probabilities).zip(labels) {
        // Where the model agrees with the label there is nothing to suspect.
        *flag &=
            p.iter().enumerate().any(|(class, p_class)| class != label && *p_class > p[label] + TOLERANCE);
    }
    flagged
}

/// Counts by label and confidently predicted class: the most probable of those whose probability
/// reaches the mean that items labelled so have.
fn confident_joint(probabilities: &[Vec<f64>], labels: &[usize], classes: usize) -> Vec<Vec<f64>> {
    let thresholds: Vec<f64> = (0..classes)
        .map(|class| {
            let own: Vec<f64> = probabilities
                .iter()
                .zip(labels)
                .filter(|(_, l)| **l == class)
                .map(|(p, _)| p[class])
                .collect();
            if own.is_empty() { f64::INFINITY } else { own.iter().sum::<f64>() / own.len() as f64 }
        })
        .collect();
    let mut joint = vec![vec![0.0_f64; classes]; classes];
    for (p, &label) in probabilities.iter().zip(labels) {
        let confident = (0..classes).filter(|&class| p[class] >= thresholds[class] - TOLERANCE);
        let guess = confident.max_by(|&a, &b| p[a].total_cmp(&p[b]).then(b.cmp(&a)));
        if let Some(guess) = guess {
            joint[label][guess] += 1.0;
        }
    }
    for (class, row) in joint.iter_mut().enumerate() {
        row[class] = row[class].max(1.0);
    }
    joint
}

/// Rows scaled to the numbers of labels, in whole items.
fn calibrated(joint: &[Vec<f64>], labels: &[usize]) -> Vec<Vec<f64>> {
    let scaled: Vec<Vec<f64>> = joint
        .iter()
        .enumerate()
        .map(|(class, row)| {
            let wanted = labels.iter().filter(|l| **l == class).count() as f64;
            let sum: f64 = row.iter().sum();
            row.iter().map(|v| v / sum * wanted).collect()
        })
        .collect();
    scaled.iter().map(|row| whole(row)).collect()
}

/// By real class, then label: how many items to suspect. At least one item is left in each class.
fn pruned(joint: &[Vec<f64>]) -> Vec<Vec<usize>> {
    let classes = joint.len();
    let mut counts = vec![vec![0.0; classes]; classes];
    for given in 0..classes {
        let raised = (1.0 - joint[given][given]).max(0.0);
        let others = (joint[given].iter().filter(|v| **v != 0.0).count() as f64 - 1.0).max(1.0);
        for real in 0..classes {
            let lowered = (joint[given][real] - raised / others).max(0.0);
            counts[real][given] = if real == given { joint[given][given].max(1.0) } else { lowered };
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and not negative")]
    let as_counts = |row: &Vec<f64>| whole(row).iter().map(|v| v.max(0.0) as usize).collect();
    counts.iter().map(as_counts).collect()
}

/// Rounds a row so that its rounded sum stays: what rounding moved farthest is moved back.
fn whole(row: &[f64]) -> Vec<f64> {
    let mut rounded: Vec<f64> = row.iter().map(|v| v.round_ties_even()).collect();
    let missing = row.iter().sum::<f64>().round_ties_even() - rounded.iter().sum::<f64>();
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| (row[b] - rounded[b]).total_cmp(&(row[a] - rounded[a])));
    if missing < 0.0 {
        order.reverse();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most one for each entry")]
    let moved = missing.abs() as usize;
    order.iter().take(moved).for_each(|&at| rounded[at] += missing.signum());
    rounded
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    /// Every seventeenth item is labelled as something else; `find_label_issues` of cleanlab 2.9.0
    /// (`filter_by="prune_by_noise_rate"`) flags the same ones on the same numbers.
    #[test]
    fn the_same_items_are_suspect_as_for_cleanlab() {
        let (probabilities, labels) = mixed();
        let flagged: Vec<usize> = suspects(&probabilities, &labels)
            .iter()
            .enumerate()
            .filter(|(_, flag)| **flag)
            .map(|(i, _)| i)
            .collect();
        assert_eq!(flagged, CLEANLAB);
    }

    const CLEANLAB: [usize; 10] = [0, 17, 51, 68, 85, 102, 123, 133, 153, 170];

    /// Integers from a seeded generator, so that any program can make the same numbers.
    fn mixed() -> (Vec<Vec<f64>>, Vec<usize>) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let (mut probabilities, mut labels) = (Vec::new(), Vec::new());
        for i in 0..200 {
            let real = if i % 10 < 6 { 0 } else { 1 + i % 3 };
            let mut p: Vec<f64> = (0..4).map(|_| f64::from(rng.random_range(1..40_u32))).collect();
            p[real] += f64::from(rng.random_range(0..120_u32));
            let sum: f64 = p.iter().sum();
            probabilities.push(p.iter().map(|v| v / sum).collect());
            labels.push(if i % 17 == 0 { (real + 1) % 4 } else { real });
        }
        (probabilities, labels)
    }

    #[test]
    fn nothing_is_suspect_where_model_and_labels_agree_or_there_is_nothing() {
        let sure = |class: usize| (0..3).map(|c| if c == class { 0.98 } else { 0.01 }).collect::<Vec<f64>>();
        let labels: Vec<usize> = (0..60).map(|i| i % 3).collect();
        let probabilities: Vec<Vec<f64>> = labels.iter().map(|l| sure(*l)).collect();
        assert!(suspects(&probabilities, &labels).iter().all(|flag| !flag));
        assert!(suspects(&[], &[]).is_empty());
        // One of them labelled as another class.
        let mut wrong = labels.clone();
        wrong[10] = 2;
        let flagged = suspects(&probabilities, &wrong);
        assert!(flagged.iter().enumerate().all(|(i, flag)| *flag == (i == 10)));
    }
}
