//! How well defects are found by kind and size.

use super::metrics::{auroc, bootstrap};
use crate::infer::Metric;
use serde::Serialize;
use std::collections::BTreeMap;

/// Sides in pixels of the picture that part the sizes: a defect's side is the root of the area
/// that all defects of its item cover.
pub(super) const SIDES_PX: [f64; 4] = [16.0, 32.0, 64.0, 128.0];

/// The defective items of one kind and size, each against all good items.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DefectMetrics {
    pub class: String,
    /// From, and below; absent for the largest.
    pub side_from_px: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side_below_px: Option<f64>,
    pub n: usize,
    /// Called more likely defective than good.
    pub found: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auroc: Option<Metric>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defect_iou: Option<Metric>,
}

/// What is known of one item whose defects have a place (a good one has none).
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    pub group: &'a str,
    /// `None` for a good item.
    pub class: Option<&'a str>,
    /// 1 − P(good).
    pub score: f64,
    pub overlap: Overlap,
}

/// Pixels of predicted and true defects.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Overlap {
    pub both: u64,
    pub either: u64,
    pub truth: u64,
}

impl Overlap {
    /// Intersection over union of all items together.
    pub fn pooled(all: impl Iterator<Item = Self>) -> Option<f64> {
        let (both, either) = all.fold((0, 0), |s, o| (s.0 + o.both, s.1 + o.either));
        (either > 0).then(|| both as f64 / either as f64)
    }
}

pub(super) fn by_size(items: &[Placed<'_>], seed: u64) -> Vec<DefectMetrics> {
    let mut strata: BTreeMap<(&str, usize), Vec<usize>> = BTreeMap::new();
    let mut good = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let Some(class) = item.class else {
            good.push(at);
            continue;
        };
        let side = (item.overlap.truth as f64).sqrt();
        let size = SIDES_PX.iter().filter(|limit| side >= **limit).count();
        strata.entry((class, size)).or_default().push(at);
    }
    strata
        .into_iter()
        .map(|((class, size), members)| {
            let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for &at in good.iter().chain(&members) {
                groups.entry(items[at].group).or_default().push(at);
            }
            let n = members.len();
            DefectMetrics {
                class: class.to_owned(),
                side_from_px: if size == 0 { 0.0 } else { SIDES_PX[size - 1] },
                side_below_px: SIDES_PX.get(size).copied(),
                n,
                found: members.iter().filter(|&&at| items[at].score >= 0.5).count(),
                auroc: bootstrap(&groups, seed, n, |at| {
                    auroc(&at.iter().map(|&i| (items[i].score, items[i].class.is_some())).collect::<Vec<_>>())
                }),
                defect_iou: bootstrap(&groups, seed, n, |at| {
                    let defective = at.iter().filter(|&&i| items[i].class.is_some());
                    Overlap::pooled(defective.map(|&i| items[i].overlap))
                }),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_sizes_stand_apart_and_each_is_held_against_all_good_items() {
        let item = |group, class, score, truth, both| Placed {
            group,
            class,
            score,
            overlap: Overlap { both, either: truth, truth },
        };
        let items = [
            item("a", None, 0.3, 0, 0),
            item("b", None, 0.1, 0, 0),
            item("c", Some("crack"), 0.9, 100, 50),
            item("d", Some("crack"), 0.2, 255, 0),
            item("e", Some("crack"), 0.8, 256, 256),
            item("f", Some("chip"), 0.0, 1_000_000, 0),
        ];
        let table = by_size(&items, 1);
        let seen: Vec<(&str, f64, Option<f64>, usize, usize)> =
            table.iter().map(|m| (&*m.class, m.side_from_px, m.side_below_px, m.n, m.found)).collect();
        assert_eq!(
            seen,
            [
                ("chip", 128.0, None, 1, 0),
                ("crack", 0.0, Some(16.0), 2, 1),
                ("crack", 16.0, Some(32.0), 1, 1)
            ]
        );
        let auroc: Vec<f64> = table.iter().map(|m| m.auroc.unwrap().value).collect();
        assert_eq!(auroc, [0.0, 0.75, 1.0]);
        let overlap = table[1].defect_iou.unwrap().value;
        assert!((overlap - 50.0 / 355.0).abs() < 1e-12);
    }
}
