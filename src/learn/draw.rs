//! Which items an epoch shows, and how often: seeded, and balanced between classes.

use super::data::Sample;
use crate::domain::Task;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// How likely each training item is drawn: at least a share of the draws is defective, as far as
/// there are both kinds. Among the defective a class with few items gets more than its share, and within a
/// class a unit with few, by the square root of their counts: one unit that was photographed often would
/// else be most of what is known of its class.
pub(super) fn draw_weights<'a>(train: &[&'a Sample<'a>], defective_share: f64) -> Vec<f64> {
    let raw = weights_by_unit(&kinds(train));
    let sum = |defective: bool| -> f64 {
        train.iter().zip(&raw).filter(|(s, _)| s.is_defective() == defective).map(|(_, w)| w).sum()
    };
    let (good, defective) = (sum(false), sum(true));
    let own_share = train.iter().filter(|s| s.is_defective()).count() as f64 / train.len().max(1) as f64;
    let defective_share = defective_share.max(own_share);
    train
        .iter()
        .zip(&raw)
        .map(|(s, w)| {
            if s.is_defective() {
                w / defective * defective_share
            } else {
                w / good * (1.0 - defective_share)
            }
        })
        .collect()
}

/// The rarest class of an item (none where it is good), and its unit.
type Kind<'a> = (Option<usize>, &'a str);

fn kinds<'a>(items: &[&'a Sample<'a>]) -> Vec<Kind<'a>> {
    let classes = items.first().map_or(0, |s| s.positive.len());
    let counts: Vec<usize> = (0..classes).map(|c| items.iter().filter(|s| s.positive[c]).count()).collect();
    let rarest = |s: &Sample<'_>| (0..classes).filter(|&c| s.positive[c]).min_by_key(|&c| counts[c]);
    items.iter().map(|s| (rarest(s), s.unit())).collect()
}

/// All items of a class have together the square root of their number, and in it those of a unit in
/// proportion to the square root of theirs.
fn weights_by_unit(kinds: &[Kind<'_>]) -> Vec<f64> {
    let mut of_unit: BTreeMap<Kind<'_>, f64> = BTreeMap::new();
    for kind in kinds {
        *of_unit.entry(*kind).or_default() += 1.0;
    }
    let mut of_class: BTreeMap<Option<usize>, [f64; 2]> = BTreeMap::new();
    for ((class, _), n) in &of_unit {
        let [items, roots] = of_class.entry(*class).or_default();
        *items += n;
        *roots += n.sqrt();
    }
    let weight = |kind: &Kind<'_>| {
        let [items, roots] = of_class[&kind.0];
        items.sqrt() / roots / of_unit[kind].sqrt()
    };
    kinds.iter().map(weight).collect()
}

/// Items whose defects may be laid over good ones: those of which all are placed.
pub(super) struct Donors<'a> {
    items: Vec<&'a Sample<'a>>,
    /// How likely each is; `None` where there are none.
    chances: Option<WeightedIndex<f64>>,
}

impl<'a> Donors<'a> {
    pub fn new(train: &[&'a Sample<'a>]) -> Self {
        let may = |s: &&&'a Sample<'a>| s.is_defective() && !s.unplaced.contains(&true);
        let items: Vec<&'a Sample<'a>> = train.iter().filter(may).copied().collect();
        let chances = WeightedIndex::new(weights_by_unit(&kinds(&items))).ok();
        Self { items, chances }
    }

    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Option<&'a Sample<'a>> {
        self.chances.as_ref().map(|chances| self.items[chances.sample(rng)])
    }
}

/// Sounds that leave another what it is when they are heard beneath it: good ones, or any where the loudest
/// gives the name.
pub(super) fn beds<'a>(task: Task, train: &[&'a Sample<'a>]) -> Vec<&'a Sample<'a>> {
    train.iter().copied().filter(|s| task != Task::Defect || !s.is_defective()).collect()
}

/// As many draws as there are items, spread evenly over the weights (systematic sampling), in
/// random order.
pub(super) fn draw_epoch(weights: &[f64], n: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (epoch as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let total: f64 = weights.iter().sum();
    let step = total / n as f64;
    let mut next = rng.random::<f64>() * step;
    let mut reached = 0.0;
    let mut order = Vec::with_capacity(n);
    for (at, weight) in weights.iter().enumerate() {
        reached += weight;
        while next < reached && order.len() < n {
            order.push(at);
            next += step;
        }
    }
    order.shuffle(&mut rng);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit_of_many_pictures_is_not_most_of_its_class() {
        // Nine cracks of one unit and one of another, and forty holes of eight units.
        let mut kinds = vec![(Some(0), "a"); 9];
        kinds.push((Some(0), "b"));
        kinds.extend((0..40).map(|at| (Some(1), ["c", "d", "e", "f", "g", "h", "i", "j"][at % 8])));
        let weights = weights_by_unit(&kinds);
        let unit = |name: &str| -> f64 {
            kinds.iter().zip(&weights).filter(|(kind, _)| kind.1 == name).map(|(_, weight)| weight).sum()
        };
        assert!((unit("a") / unit("b") - 3.0).abs() < 1e-9, "{} {}", unit("a"), unit("b"));
        let (cracks, holes): (f64, f64) = (weights[..10].iter().sum(), weights[10..].iter().sum());
        assert!((holes / cracks - 2.0).abs() < 1e-9, "{cracks} {holes}");
    }
}
