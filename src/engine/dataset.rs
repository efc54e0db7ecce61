//! Versions of the line's labels, and the audit set that no training sees.
//!
//! [`training_items`] is the one place where the items of a training are gathered: whatever trains,
//! validates or calibrates on the line's labels gets them there.

use super::{EngineError, Line, find_model};
use crate::domain::{
    AuditLock, AuditUse, ClassCount, DataVersion, DatasetDiff, DatasetRow, Event, Filter, Frozen, FrozenFor,
    LabelStatus, LabelledItem, MediaHash, ModelRef, Timestamp, class_counts, diff,
};
use crate::infer::{self, Manifest};
use crate::store::{AuditSet, LabelRow};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// More would leave too little to learn from.
const AUDIT_SHARE_MAX: f64 = 0.5;
/// Names are typed, and stand in tables.
const NAME_CHARS_MAX: usize = 80;

/// An item with its label, and what the store knows of it.
pub(super) struct Listed {
    pub row: DatasetRow,
    pub labelled: LabelledItem,
    pub source: String,
    /// When it came through a source; the moment of an import says nothing of its items.
    pub arrived_at: Option<Timestamp>,
}

/// Labels as they are now, or as they were frozen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'a> {
    Labels(&'a Filter),
    Version(&'a str),
}

/// Everything that is wanted, the audit set too.
pub(super) fn listed(line: &Line, wanted: Wanted<'_>) -> Result<Vec<Listed>, EngineError> {
    let view = line.store.view();
    match wanted {
        Wanted::Labels(filter) => {
            let mut transcripts = view.transcripts()?;
            let all = view.labels()?.into_iter().map(|mut row| {
                row.votes.extend(transcripts.remove(&row.item.id).unwrap_or_default());
                of_row(line, row)
            });
            Ok(all.filter(|listed| filter.matches(&listed.labelled)).collect())
        }
        Wanted::Version(name) => {
            let rows = line.store.list(&version_named(line, name)?.hash)?;
            let mut found = Vec::with_capacity(rows.len());
            for row in &rows {
                let item = view.listed(row)?.ok_or_else(|| {
                    EngineError::Failed(format!("item {} of data set {name} is not on this line", row.item))
                })?;
                found.push(of_row(line, item));
            }
            Ok(found)
        }
    }
}

fn of_row(line: &Line, row: LabelRow) -> Listed {
    let blobs = line.store.blobs();
    let LabelRow { item, label, votes, extra } = row;
    Listed {
        row: DatasetRow {
            item: item.id,
            media: item.media.clone(),
            unit: item.unit.clone(),
            label: label.clone(),
        },
        labelled: LabelledItem {
            path: blobs.path(&item.media),
            name: item.name,
            kind: item.kind,
            reference: item.reference.as_ref().map(|media| blobs.path(media)),
            group: item.unit,
            label,
            votes,
            extra,
        },
        source: item.source,
        arrived_at: item.inspection.map(|_| item.arrived_at),
    }
}

fn version_named(line: &Line, name: &str) -> Result<Frozen, EngineError> {
    let found = line.store.view().dataset(name)?;
    found
        .map(|noted| noted.what)
        .ok_or_else(|| EngineError::Usage(format!("there is no data set \"{name}\"")))
}

/// Units that are locked away, and the pictures of them that are known: the same picture under the
/// name of another unit is none to learn from either.
pub(super) struct Locked {
    set: AuditSet,
    media: BTreeSet<MediaHash>,
}

impl Locked {
    /// `None` where nothing is locked.
    pub fn of(line: &Line) -> Result<Option<Self>, EngineError> {
        let Some(set) = line.store.audit_set()? else { return Ok(None) };
        let labels = line.store.view().labels()?;
        let held = labels.into_iter().filter(|row| set.holds(&row.item.unit));
        let media = held.map(|row| row.item.media).collect();
        Ok(Some(Self { set, media }))
    }

    pub fn holds(&self, row: &DatasetRow) -> bool {
        self.set.holds(&row.unit) || self.media.contains(&row.media)
    }
}

/// What a training may learn from.
pub(super) struct TrainingItems {
    pub listed: Vec<Listed>,
    /// Items of the audit set among what was asked for.
    pub left_out: usize,
    filter: Vec<String>,
    /// Where a version was asked for.
    version: Option<DataVersion>,
}

impl TrainingItems {
    pub fn items(&self) -> Vec<LabelledItem> {
        self.listed.iter().map(|listed| listed.labelled.clone()).collect()
    }
}

/// Gathers the items of a training, of whatever kind, without those of the audit set. A version that
/// holds some of them is refused: what was left would not be that version.
pub(super) fn training_items(
    line: &Line,
    filter: &Filter,
    dataset: Option<&str>,
) -> Result<TrainingItems, EngineError> {
    let mut all = listed(line, dataset.map_or(Wanted::Labels(filter), Wanted::Version))?;
    // One order for labels of today and for their list: the same items train the same weights.
    all.sort_by_key(|listed| listed.row.item);
    let asked = all.len();
    if let Some(locked) = Locked::of(line)? {
        all.retain(|listed| !locked.holds(&listed.row));
    }
    let left_out = asked - all.len();
    let version = dataset.map(|name| version_named(line, name)).transpose()?.map(|frozen| frozen.version());
    if let (Some(version), 1..) = (&version, left_out) {
        let why = format!(
            "data set {} holds {left_out} items of the audit set, which no training may see. Hint: freeze \
             the labels again, without them",
            version.name
        );
        return Err(EngineError::Refused { why, support: Box::new(None) });
    }
    Ok(TrainingItems { listed: all, left_out, filter: filter.terms(), version })
}

/// The version of what a training gathered: the one that was asked for, one with the same content, or
/// a new one under a name that is free.
pub(super) fn version_of(
    line: &mut Line,
    gathered: &TrainingItems,
    actor: &str,
) -> Result<DataVersion, EngineError> {
    if let Some(version) = &gathered.version {
        return Ok(version.clone());
    }
    let rows: Vec<DatasetRow> = gathered.listed.iter().map(|listed| listed.row.clone()).collect();
    let mut about = About::new(FrozenFor::Training, gathered.filter.clone());
    about.left_out = gathered.left_out;
    Ok(freeze_rows(line, &rows, about, actor)?.version())
}

/// What is written beside a list.
struct About {
    name: Option<String>,
    made_for: FrozenFor,
    filter: Vec<String>,
    left_out: usize,
}

impl About {
    fn new(made_for: FrozenFor, filter: Vec<String>) -> Self {
        Self { name: None, made_for, filter, left_out: 0 }
    }
}

/// Without a name a list that is frozen already is found again instead.
fn freeze_rows(
    line: &mut Line,
    rows: &[DatasetRow],
    about: About,
    actor: &str,
) -> Result<Frozen, EngineError> {
    let hash = line.store.keep_list(rows)?;
    let units: BTreeSet<&str> = rows.iter().map(|row| row.unit.as_str()).collect();
    let mut frozen = Frozen {
        name: about.name.clone().unwrap_or_default(),
        hash,
        items: rows.len(),
        units: units.len(),
        classes: class_counts(rows),
        filter: about.filter,
        made_for: about.made_for,
        audit_items_left_out: about.left_out,
    };
    line.store.transact::<_, EngineError>(actor, |tx| {
        if about.name.is_none() {
            if let Some(known) = tx.dataset_with(frozen.hash.as_str())? {
                return Ok(known.what);
            }
            let prefix = if about.made_for == FrozenFor::Audit { "audit" } else { "labels" };
            let taken: BTreeSet<String> = tx.datasets()?.into_iter().map(|noted| noted.what.name).collect();
            let names = (1..=taken.len() + 1).map(|number| format!("{prefix}-{number}"));
            frozen.name = names.into_iter().find(|name| !taken.contains(name)).unwrap_or_default();
        }
        tx.freeze(&frozen)?;
        Ok(frozen)
    })
}

/// Freezes the labels that the filter chooses, without the audit set, under a name that is free.
pub fn freeze(line: &mut Line, name: &str, filter: &Filter, actor: &str) -> Result<Frozen, EngineError> {
    let is_name = !name.trim().is_empty() && name.chars().count() <= NAME_CHARS_MAX;
    if !is_name || name.chars().any(char::is_control) {
        return Err(EngineError::Usage(format!(
            "a data set needs a name of at most {NAME_CHARS_MAX} characters"
        )));
    }
    let gathered = training_items(line, filter, None)?;
    if gathered.listed.is_empty() {
        return Err(EngineError::Usage("no labelled item is chosen, so there is nothing to freeze".into()));
    }
    let rows: Vec<DatasetRow> = gathered.listed.into_iter().map(|listed| listed.row).collect();
    let mut about = About::new(FrozenFor::Person, filter.terms());
    (about.name, about.left_out) = (Some(name.to_owned()), gathered.left_out);
    freeze_rows(line, &rows, about, actor)
}

/// The audit set as it is now, under a version of its own; for final audits.
pub(super) fn freeze_audit_set(
    line: &mut Line,
    actor: &str,
) -> Result<(DataVersion, Vec<LabelledItem>), EngineError> {
    let Some(set) = line.store.audit_set()? else {
        let why = "this line has no audit set. Hint: secondlook dataset LINE lock-audit".to_owned();
        return Err(EngineError::Refused { why, support: Box::new(None) });
    };
    let mut all = listed(line, Wanted::Labels(&Filter::default()))?;
    all.retain(|listed| set.holds(&listed.row.unit));
    if all.is_empty() {
        let why = "no unit of the audit set has a label yet".to_owned();
        return Err(EngineError::Refused { why, support: Box::new(None) });
    }
    let rows: Vec<DatasetRow> = all.iter().map(|listed| listed.row.clone()).collect();
    let frozen = freeze_rows(line, &rows, About::new(FrozenFor::Audit, Vec::new()), actor)?;
    Ok((frozen.version(), all.into_iter().map(|listed| listed.labelled).collect()))
}

/// From one version to another.
pub fn compare_datasets(line: &Line, a: &str, b: &str) -> Result<DatasetDiff, EngineError> {
    let list = |name: &str| Ok::<_, EngineError>(line.store.list(&version_named(line, name)?.hash)?);
    Ok(diff(&list(a)?, &list(b)?))
}

/// The audit set as far as it has labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditSetReport {
    pub share: f64,
    pub seed: u64,
    pub locked_at: Timestamp,
    pub items: usize,
    pub units: usize,
    /// Of all units with labels.
    pub of_units: usize,
    pub classes: BTreeMap<String, ClassCount>,
    /// Of the units, as far as somebody knows what they are.
    pub defective_units: usize,
    pub good_units: usize,
    /// Looks at it so far.
    pub uses: usize,
    /// Models whose own training had units of it, from before it was locked: they cannot be audited.
    pub seen_by: Vec<String>,
}

/// Locks a share of all units away, those to come too.
pub fn lock_audit(
    line: &mut Line,
    lock: AuditLock,
    actor: &str,
) -> Result<Option<AuditSetReport>, EngineError> {
    if !(lock.share > 0.0 && lock.share <= AUDIT_SHARE_MAX) {
        return Err(EngineError::Usage(format!("--share lies above 0, and at most at {AUDIT_SHARE_MAX}")));
    }
    line.store.transact::<_, EngineError>(actor, |tx| Ok(tx.lock_audit(lock)?))?;
    audit_set_report(line)
}

/// Units with labels.
pub fn labelled_units(line: &Line) -> Result<usize, EngineError> {
    let all = listed(line, Wanted::Labels(&Filter::default()))?;
    let units: BTreeSet<&str> = all.iter().map(|listed| listed.row.unit.as_str()).collect();
    Ok(units.len())
}

/// `None` where nothing is locked.
pub fn audit_set_report(line: &Line) -> Result<Option<AuditSetReport>, EngineError> {
    let Some(locked) = Locked::of(line)? else { return Ok(None) };
    let all = listed(line, Wanted::Labels(&Filter::default()))?;
    let units: BTreeSet<&str> = all.iter().map(|listed| listed.row.unit.as_str()).collect();
    let rows: Vec<DatasetRow> =
        all.iter().filter(|l| locked.set.holds(&l.row.unit)).map(|listed| listed.row.clone()).collect();
    let held: BTreeSet<&str> = rows.iter().map(|row| row.unit.as_str()).collect();
    let known = || rows.iter().filter(|row| row.label.status == LabelStatus::Confirmed);
    let bad: BTreeSet<&str> =
        known().filter(|row| !row.label.is_good()).map(|row| row.unit.as_str()).collect();
    let all_known: BTreeSet<&str> = known().map(|row| row.unit.as_str()).collect();
    let folder = line.store.folder();
    let mut seen_by = Vec::new();
    for name in super::model_names(Some(folder)) {
        // A package that cannot be read cannot be audited either.
        let Ok(model) = find_model(Some(folder), &name) else { continue };
        if seen_units(line, model.manifest(), &locked)?.1 > 0 {
            seen_by.push(name);
        }
    }
    Ok(Some(AuditSetReport {
        share: locked.set.rule.share,
        seed: locked.set.rule.seed,
        locked_at: locked.set.locked_at,
        items: rows.len(),
        units: held.len(),
        of_units: units.len(),
        classes: class_counts(&rows),
        defective_units: bad.len(),
        good_units: all_known.len() - bad.len(),
        uses: line.store.view().audit_uses()?.len(),
        seen_by,
    }))
}

/// What a package has learnt from, as far as this line knows.
pub(super) struct Behind {
    /// Of every list that this line knows.
    pub rows: Vec<DatasetRow>,
    /// Why there may be more, in words.
    pub unknown: Option<String>,
}

/// The data of a shipped package, under its name: what its retrainings began with.
pub(super) fn shipped_data(manifest: &Manifest) -> Option<DataVersion> {
    let shipped = infer::shipped_manifest(&manifest.name)?;
    let is_it = shipped.weights_blake3 == manifest.weights_blake3;
    is_it.then_some(DataVersion { name: shipped.name, hash: shipped.data.hash })
}

fn shipped_with(version: &DataVersion) -> Option<Manifest> {
    infer::shipped_manifest(&version.name).filter(|shipped| shipped.data.hash == version.hash)
}

/// Whether these are the data of a shipped package.
pub(super) fn is_shipped(version: &DataVersion) -> bool {
    shipped_with(version).is_some()
}

/// The rows of every list behind a package, and whether they are all.
pub(super) fn lists_behind(line: &Line, manifest: &Manifest) -> Result<Behind, EngineError> {
    let data = &manifest.data;
    let own = shipped_data(manifest).or_else(|| data.version.clone());
    let mut behind = Behind { rows: Vec::new(), unknown: None };
    if own.is_none() {
        behind.unknown = Some("it was made without a data set version".to_owned());
    } else if data.earlier_unknown {
        behind.unknown = Some("the data of the model that it began with are not listed".to_owned());
    }
    for version in own.iter().chain(&data.earlier) {
        match line.store.view().dataset_with(&version.hash)? {
            Some(known) => behind.rows.extend(line.store.list(&known.what.hash)?),
            None => behind.unknown = behind.unknown.or(why_unknown(line, version)?),
        }
    }
    Ok(behind)
}

/// Why data without a list on this line may hold units of it. Those of shipped packages are rendered, or
/// published: then they can have come in by an import alone.
fn why_unknown(line: &Line, version: &DataVersion) -> Result<Option<String>, EngineError> {
    let name = &version.name;
    let Some(shipped) = shipped_with(version) else {
        return Ok(Some(format!("data set {name} is not on this line")));
    };
    let is_import = |row: &LabelRow| row.item.source.starts_with("import:");
    if shipped.data.population.is_some() || !line.store.view().labels()?.iter().any(is_import) {
        return Ok(None);
    }
    Ok(Some(format!("{name} learnt from published data, and some items of this line were imported")))
}

/// What is behind a package, and how many units of the audit set are in it.
pub(super) fn seen_units(
    line: &Line,
    manifest: &Manifest,
    locked: &Locked,
) -> Result<(Behind, usize), EngineError> {
    let behind = lists_behind(line, manifest)?;
    let seen: BTreeSet<&str> =
        behind.rows.iter().filter(|row| locked.holds(row)).map(|row| row.unit.as_str()).collect();
    let seen = seen.len();
    Ok((behind, seen))
}

/// Notes that a model is about to be measured on items of the audit set; does nothing where none of the
/// items belong to it. Pictures are known by their bytes, wherever they lie.
pub(super) fn note_use(
    line: &mut Line,
    model: &ModelRef,
    purpose: &str,
    items: &[LabelledItem],
    actor: &str,
) -> Result<(), EngineError> {
    let Some(locked) = Locked::of(line)? else { return Ok(()) };
    let mut units = BTreeSet::new();
    let mut count = 0;
    for item in items {
        // What cannot be read is not measured.
        let Ok(bytes) = fs::read(&item.path) else { continue };
        if locked.media.contains(&MediaHash::of(&bytes)) {
            count += 1;
            units.insert(item.group.as_str());
        }
    }
    if count == 0 {
        return Ok(());
    }
    let used = AuditUse {
        model: model.clone(),
        purpose: purpose.to_owned(),
        dataset: None,
        items: count,
        units: units.len(),
    };
    line.store.transact::<_, EngineError>(actor, |tx| Ok(tx.append(&Event::AuditSetUsed(used))?))?;
    Ok(())
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
