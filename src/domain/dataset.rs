//! Versions of a line's labels: frozen lists with their content hash, what changed between two, and
//! the rule that locks units away for audits.
//!
//! Plain data; where lists are kept is the store's business.

use super::{ItemId, Label, LabelStatus, MediaHash, ModelRef};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The name and the content hash of a frozen list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataVersion {
    pub name: String,
    pub hash: String,
}

/// One labelled item of a frozen list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetRow {
    pub item: ItemId,
    pub media: MediaHash,
    /// Items of one unit are never split between training and test.
    pub unit: String,
    pub label: Label,
}

/// How much of a class is in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    pub items: usize,
    pub units: usize,
}

/// What a list was frozen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrozenFor {
    /// A person asked for it.
    Person,
    /// A training that was not given a list.
    Training,
    /// The audit set as a final audit found it.
    Audit,
}

/// A list as the log remembers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frozen {
    pub name: String,
    /// BLAKE3 of the list's lines, which are kept among the blobs under it.
    pub hash: MediaHash,
    pub items: usize,
    pub units: usize,
    pub classes: BTreeMap<String, ClassCount>,
    /// The `--where` terms that chose its items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<String>,
    pub made_for: FrozenFor,
    /// Items of the audit set that were left out.
    #[serde(default)]
    pub audit_items_left_out: usize,
}

impl Frozen {
    #[must_use]
    pub fn version(&self) -> DataVersion {
        DataVersion { name: self.name.clone(), hash: self.hash.to_string() }
    }
}

/// The lines of a list: one JSON object an item, sorted by item, so that the same items with the same
/// labels have the same bytes, whenever and wherever they are frozen.
pub fn list_text(rows: &[DatasetRow]) -> serde_json::Result<String> {
    let mut rows: Vec<&DatasetRow> = rows.iter().collect();
    rows.sort_by_key(|row| row.item);
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    Ok(text)
}

/// Reads what [`list_text`] wrote.
pub fn parse_list(text: &str) -> serde_json::Result<Vec<DatasetRow>> {
    text.lines().map(serde_json::from_str).collect()
}

/// Items and units of each class; an item with several classes counts in each.
#[must_use]
pub fn class_counts(rows: &[DatasetRow]) -> BTreeMap<String, ClassCount> {
    let mut units: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut counts: BTreeMap<String, ClassCount> = BTreeMap::new();
    for row in rows {
        for class in classes(&row.label) {
            counts.entry(class.to_owned()).or_default().items += 1;
            units.entry(class).or_default().insert(&row.unit);
        }
    }
    for (class, count) in &mut counts {
        count.units = units.get(class.as_str()).map_or(0, BTreeSet::len);
    }
    counts
}

/// A label without an answer counts under its status: it is no good item.
fn classes(label: &Label) -> BTreeSet<&str> {
    match label.status {
        LabelStatus::Confirmed => label.classes(),
        other => std::iter::once(other.as_str()).collect(),
    }
}

fn main_class(label: &Label) -> &str {
    match label.status {
        LabelStatus::Confirmed => label.main_class(),
        other => other.as_str(),
    }
}

/// An item that two lists label differently. The classes are the same where only regions or other
/// details changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Relabelled {
    pub item: ItemId,
    pub unit: String,
    pub from: String,
    pub to: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiffItem {
    pub item: ItemId,
    pub unit: String,
    pub class: String,
}

/// What a class gained and lost; a relabelled item leaves one class and joins another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClassChange {
    pub added: usize,
    pub removed: usize,
    pub relabelled_from: usize,
    pub relabelled_to: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DatasetDiff {
    pub added: Vec<DiffItem>,
    pub removed: Vec<DiffItem>,
    pub relabelled: Vec<Relabelled>,
    /// Items that both lists label alike.
    pub same: usize,
    pub by_class: BTreeMap<String, ClassChange>,
}

/// From list `a` to list `b`.
#[must_use]
pub fn diff(a: &[DatasetRow], b: &[DatasetRow]) -> DatasetDiff {
    let before: BTreeMap<ItemId, &DatasetRow> = a.iter().map(|row| (row.item, row)).collect();
    let after: BTreeMap<ItemId, &DatasetRow> = b.iter().map(|row| (row.item, row)).collect();
    let one = |row: &DatasetRow| DiffItem {
        item: row.item,
        unit: row.unit.clone(),
        class: main_class(&row.label).to_owned(),
    };
    let mut found = DatasetDiff::default();
    for (id, row) in &after {
        match before.get(id) {
            None => found.added.push(one(row)),
            Some(old) if old.label == row.label => found.same += 1,
            Some(old) => found.relabelled.push(Relabelled {
                item: *id,
                unit: row.unit.clone(),
                from: main_class(&old.label).to_owned(),
                to: main_class(&row.label).to_owned(),
            }),
        }
    }
    found.removed =
        before.values().filter(|row| !after.contains_key(&row.item)).map(|row| one(row)).collect();
    let by_class = &mut found.by_class;
    for item in &found.added {
        by_class.entry(item.class.clone()).or_default().added += 1;
    }
    for item in &found.removed {
        by_class.entry(item.class.clone()).or_default().removed += 1;
    }
    for item in &found.relabelled {
        by_class.entry(item.from.clone()).or_default().relabelled_from += 1;
        by_class.entry(item.to.clone()).or_default().relabelled_to += 1;
    }
    found
}

/// Which units are locked away: those whose keyed hash falls below a share. It names no unit, so that
/// units which come later are drawn by the same rule, and none ever changes sides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditLock {
    /// Of all units, above 0 and at most one half.
    pub share: f64,
    pub seed: u64,
}

impl AuditLock {
    /// Whether the unit is locked away. `key` is the line's own, so that nobody outside of its files
    /// can choose names that are never audited.
    #[must_use]
    pub fn holds(&self, key: &[u8; 32], unit: &str) -> bool {
        let hash = blake3::keyed_hash(key, unit.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        (u64::from_le_bytes(first) as f64 / 2.0_f64.powi(64)) < self.share
    }
}

/// One look at units of the audit set: each costs some of its worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditUse {
    pub model: ModelRef,
    pub purpose: String,
    /// Of the audit set's items as they were, where they were frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DataVersion>,
    pub items: usize,
    pub units: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(unit: &str, class: &str) -> DatasetRow {
        DatasetRow {
            item: ItemId::generate(),
            media: MediaHash::of(unit.as_bytes()),
            unit: unit.into(),
            label: Label::confirmed(class),
        }
    }

    #[test]
    fn a_list_is_the_same_in_any_order_and_reads_back() {
        let rows = vec![row("a", "good"), row("b", "crack"), row("b", "good")];
        let turned: Vec<DatasetRow> = rows.iter().rev().cloned().collect();
        let text = list_text(&rows).unwrap();
        assert_eq!(text, list_text(&turned).unwrap());
        assert_eq!(parse_list(&text).unwrap(), rows);
        let mut other = rows.clone();
        other[0].label = Label::confirmed("crack");
        assert_ne!(text, list_text(&other).unwrap());
        let crack = class_counts(&rows)["crack"];
        assert_eq!((crack.items, crack.units), (1, 1));
    }

    #[test]
    fn a_diff_names_what_came_went_and_changed() {
        let a = vec![row("a", "good"), row("b", "crack"), row("c", "good")];
        let mut b = vec![a[0].clone(), a[1].clone(), row("d", "crack")];
        b[0].label = Label { status: LabelStatus::CannotTell, ..Label::confirmed("good") };
        let found = diff(&a, &b);
        assert_eq!(found.added.iter().map(|i| i.unit.as_str()).collect::<Vec<_>>(), ["d"]);
        assert_eq!(found.removed.iter().map(|i| i.unit.as_str()).collect::<Vec<_>>(), ["c"]);
        assert_eq!(
            (found.relabelled[0].from.as_str(), found.relabelled[0].to.as_str()),
            ("good", "cannot tell")
        );
        assert_eq!(found.same, 1);
        assert_eq!(found.by_class["crack"], ClassChange { added: 1, ..ClassChange::default() });
        assert_eq!(
            found.by_class["good"],
            ClassChange { removed: 1, relabelled_from: 1, ..ClassChange::default() }
        );
    }

    #[test]
    fn the_audit_draw_keeps_its_share_and_a_larger_share_holds_the_smaller() {
        let key = blake3::derive_key("test", b"line");
        let units: Vec<String> = (0..20_000).map(|i| format!("unit {i}")).collect();
        let drawn = |share: f64| -> Vec<bool> {
            units.iter().map(|unit| AuditLock { share, seed: 1 }.holds(&key, unit)).collect()
        };
        let (small, large) = (drawn(0.15), drawn(0.3));
        let n = small.iter().filter(|d| **d).count();
        // Six standard deviations of a binomial draw.
        assert!((2700..=3300).contains(&n), "{n}");
        assert!(small.iter().zip(&large).all(|(s, l)| !s || *l));
    }
}
