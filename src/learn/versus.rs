//! Two models on the same items: what one wins and loses against the other.

use super::evaluate::PredictionRow;
use crate::decide::mcnemar;
use serde::Serialize;
use std::collections::BTreeMap;

/// Items of each kind that are listed; the counts are of all.
const LISTED_MAX: usize = 100;

/// Pairs of answers, and how likely so uneven a split of won and lost would be between equals
/// (`McNemar`'s exact test, two-sided).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Paired {
    pub both_right: u64,
    pub both_wrong: u64,
    /// Right here and wrong with the other.
    pub won: u64,
    pub lost: u64,
    pub p: f64,
}

impl Paired {
    fn of(pairs: impl Iterator<Item = (bool, bool)>) -> Self {
        let mut found = Self::default();
        for pair in pairs {
            *match pair {
                (true, true) => &mut found.both_right,
                (false, false) => &mut found.both_wrong,
                (true, false) => &mut found.won,
                (false, true) => &mut found.lost,
            } += 1;
        }
        found.p = mcnemar(found.lost, found.won);
        found
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Position among the evaluated items.
    #[serde(skip)]
    pub item: usize,
    pub media: String,
    pub group: String,
    pub truth: String,
    pub said: String,
    pub other_said: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub model: String,
    pub items: Paired,
    /// A unit is right where all its items are; units are independent, items need not be.
    pub units: Paired,
    pub won: Vec<Changed>,
    pub lost: Vec<Changed>,
    /// Items that only one of the two could measure.
    pub unpaired: usize,
}

/// `rows` against those of `model` on the same items.
pub(super) fn compare(rows: &[PredictionRow], model: &str, others: &[PredictionRow]) -> Comparison {
    let by_item: BTreeMap<usize, &PredictionRow> = others.iter().map(|row| (row.item, row)).collect();
    let pairs: Vec<(&PredictionRow, &PredictionRow)> =
        rows.iter().filter_map(|row| Some((row, *by_item.get(&row.item)?))).collect();
    let mut units: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    for (row, other) in &pairs {
        let unit = units.entry(&row.group).or_insert((true, true));
        *unit = (unit.0 && row.is_right, unit.1 && other.is_right);
    }
    let changed = |is_won: bool| {
        let kept = pairs.iter().filter(|(row, other)| row.is_right == is_won && other.is_right != is_won);
        let listed = kept.take(LISTED_MAX).map(|(row, other)| Changed {
            item: row.item,
            media: row.media.clone(),
            group: row.group.clone(),
            truth: row.truth.clone(),
            said: row.label.clone(),
            other_said: other.label.clone(),
        });
        listed.collect()
    };
    Comparison {
        model: model.to_owned(),
        items: Paired::of(pairs.iter().map(|(row, other)| (row.is_right, other.is_right))),
        units: Paired::of(units.into_values()),
        won: changed(true),
        lost: changed(false),
        unpaired: rows.len() + others.len() - 2 * pairs.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::analyse::tests::row;
    use super::*;

    #[test]
    fn items_and_units_are_paired_and_tested_exactly() {
        // Ten units of two pictures. This model is right everywhere but in unit 9; the other misses one
        // picture in each of six units, and cannot measure one item.
        let rows: Vec<PredictionRow> = (0..20)
            .map(|i| row(i, &format!("u{}", i / 2), "crack", if i / 2 == 9 { "good" } else { "crack" }, 0.5))
            .collect();
        let others: Vec<PredictionRow> = (0..19)
            .map(|i| {
                let wrong = i % 2 == 0 && i < 12;
                row(i, &format!("u{}", i / 2), "crack", if wrong { "good" } else { "crack" }, 0.5)
            })
            .collect();
        let found = compare(&rows, "other", &others);
        assert_eq!((found.items.won, found.items.lost, found.items.both_right), (6, 1, 12));
        // 2 · (1 + 7) / 2^7.
        assert!((found.items.p - 0.125).abs() < 1e-12);
        assert_eq!((found.units.won, found.units.lost, found.units.both_right), (6, 1, 3));
        assert_eq!((found.won.len(), found.lost.len(), found.unpaired), (6, 1, 1));
        assert_eq!(found.lost[0].media, "18.png");
    }
}
