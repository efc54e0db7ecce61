//! Units → training, validation and evidence, by seeded hash, each class in every part.

use crate::domain::LabelledItem;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Weights are fitted on these.
    Train,
    /// Early stopping, calibration and thresholds of regions.
    Validation,
    /// Seen by nothing but the final measurement.
    Evidence,
}

impl Part {
    /// When all but the evidence is learnt from.
    pub(super) fn refitted(self) -> Self {
        if self == Self::Validation { Self::Train } else { self }
    }
}

/// Groups by their rarest class, within a class ordered by a hash of seed and group.
fn strata<'a>(items: &[&'a LabelledItem], seed: u64) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items {
        for class in item.label.classes() {
            *counts.entry(class).or_default() += 1;
        }
    }
    let mut rarest: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for item in items {
        for class in item.label.classes() {
            let key = (counts[class], class);
            let entry = rarest.entry(&item.group).or_insert(key);
            *entry = (*entry).min(key);
        }
    }
    let mut strata: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (&group, &(_, class)) in &rarest {
        strata.entry(class).or_default().push(group);
    }
    for groups in strata.values_mut() {
        groups.sort_by_cached_key(|group| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&seed.to_le_bytes()).update(group.as_bytes());
            *hasher.finalize().as_bytes()
        });
    }
    strata
}

/// A number below `folds` for each item; all items of a group have the same, and the groups of
/// each class are spread evenly.
pub(super) fn deal(items: &[LabelledItem], seed: u64, folds: usize) -> Vec<usize> {
    let all: Vec<&LabelledItem> = items.iter().collect();
    let strata = strata(&all, seed);
    // One count through all classes, so that folds are alike in size.
    let fold_of: BTreeMap<&str, usize> =
        strata.values().flatten().enumerate().map(|(i, group)| (*group, i % folds.max(1))).collect();
    items.iter().map(|item| fold_of[item.group.as_str()]).collect()
}

/// The part of each item. All items of a group are in one part.
#[must_use]
pub fn split(items: &[&LabelledItem], seed: u64, validation: f64, evidence: f64) -> Vec<Part> {
    let strata = strata(items, seed);
    let mut parts: BTreeMap<&str, Part> = BTreeMap::new();
    for groups in strata.values() {
        let n = groups.len();
        // With two or more groups of a class each measuring part gets one before training gets
        // its second; a single group trains.
        let share = |part: f64, left: usize| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of groups")]
            let wanted = (n as f64 * part).round() as usize;
            if part > 0.0 { wanted.max(1).min(left.saturating_sub(1)) } else { 0 }
        };
        let validation = share(validation, n);
        let evidence = share(evidence, n - validation);
        for (i, group) in groups.iter().enumerate() {
            let part = match i {
                i if i < validation => Part::Validation,
                i if i < validation + evidence => Part::Evidence,
                _ => Part::Train,
            };
            parts.insert(group, part);
        }
    }
    items.iter().map(|item| parts[item.group.as_str()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Label, MediaKind};

    #[test]
    fn groups_stay_whole_and_every_class_is_measured() {
        let items: Vec<LabelledItem> = (0..400)
            .map(|i| LabelledItem {
                path: String::new().into(),
                name: format!("{i}"),
                kind: MediaKind::Image,
                reference: None,
                group: format!("g{}", i / 4),
                label: Label::confirmed(
                    ["good", "good", "good", "crack", "rare"][if i / 4 < 6 { 4 } else { i / 4 % 4 }],
                ),
                votes: Vec::new(),
                extra: BTreeMap::new(),
            })
            .collect();
        let items: Vec<&LabelledItem> = items.iter().collect();
        let parts = split(&items, 3, 0.15, 0.15);
        assert_eq!(parts, split(&items, 3, 0.15, 0.15));
        assert_ne!(parts, split(&items, 4, 0.15, 0.15));
        for (a, b) in items.iter().zip(&parts).zip(items.iter().zip(&parts).skip(1)) {
            assert!(a.0.group != b.0.group || a.1 == b.1);
        }
        for class in ["good", "crack", "rare"] {
            for part in [Part::Train, Part::Validation, Part::Evidence] {
                let found =
                    items.iter().zip(&parts).any(|(i, p)| *p == part && i.label.main_class() == class);
                assert!(found, "{class} {part:?}");
            }
        }
        let train = parts.iter().filter(|p| **p == Part::Train).count();
        assert!((270..=290).contains(&train), "{train}");
    }
}
