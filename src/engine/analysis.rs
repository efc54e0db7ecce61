//! Where a model errs on this line: measured items with what the store knows of them.

use super::data::Dataset;
use super::dataset::{Behind, Listed, Wanted, is_shipped, listed, lists_behind, note_use, training_items};
use super::sheet::{escaped, write_sheet_with};
use super::{EngineError, Line};
use crate::domain::{DataVersion, DatasetRow, Filter, ItemId, LabelledItem, MediaHash, class_counts};
use crate::infer::Model;
use crate::learn::{self, Analysis, Comparison, Evaluation, Facts};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Slices that a page shows.
const SHOWN_MAX: usize = 60;

/// What to look at.
pub enum AnalyseOver<'a> {
    /// The line's labels of today, without the audit set.
    Labels(Filter),
    /// A frozen version; where that holds units of the audit set, the look is noted.
    Version(String),
    /// Labelled data that is not imported.
    Data(&'a Dataset),
}

pub struct AnalyseJob<'a> {
    pub model: &'a Model,
    pub against: Option<&'a Model>,
    pub over: AnalyseOver<'a>,
    /// Only units that the model has not learnt from; refused where that is not known.
    pub unseen_only: bool,
    pub seed: u64,
}

/// What came of it, with the evaluation behind it.
pub struct AnalysisReport {
    pub analysis: Analysis,
    pub evaluation: Evaluation,
    pub items: Vec<LabelledItem>,
    /// Of the items, where they are the line's own.
    pub ids: Vec<ItemId>,
    pub training: TrainingOverlap,
    /// What was looked at.
    pub over: String,
}

impl AnalysisReport {
    /// The picture of an item of the line: blobs are named by their content.
    #[must_use]
    pub fn media(&self, item: usize) -> Option<MediaHash> {
        let name = self.items.get(item)?.path.file_name()?.to_str()?;
        Some(MediaHash::from_hex(name))
    }
}

/// How far a model is measured on its own schoolbooks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainingOverlap {
    pub version: Option<DataVersion>,
    /// Whether every list behind the model is known.
    pub is_known: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    pub units: usize,
    pub learnt_units: usize,
}

/// Measures a model, and perhaps another beside it, and takes the errors apart.
pub fn analyse(
    line: &mut Line,
    job: AnalyseJob<'_>,
    actor: &str,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<AnalysisReport, EngineError> {
    let Gathered { mut items, mut ids, mut facts, over } = gather(line, job.over)?;
    let learnt = Learnt::of(line, job.model)?;
    for (item, fact) in items.iter().zip(&mut facts) {
        fact.is_learnt = learnt.about(&item.group);
    }
    if job.unseen_only {
        if let Some(unknown) = &learnt.unknown {
            let why = format!("nobody knows which units this model has learnt from: {unknown}");
            return Err(EngineError::Refused { why, support: Box::new(None) });
        }
        let keep: Vec<bool> = facts.iter().map(|fact| fact.is_learnt == Some(false)).collect();
        let mut kept = keep.iter();
        items.retain(|_| kept.next().copied().unwrap_or_default());
        let mut kept = keep.iter();
        facts.retain(|_| kept.next().copied().unwrap_or_default());
        let mut kept = keep.iter();
        ids.retain(|_| kept.next().copied().unwrap_or_default());
    }
    if items.is_empty() {
        return Err(EngineError::Usage("there is no labelled item to look at".into()));
    }
    let total = items.len() * (1 + usize::from(job.against.is_some()));
    for model in std::iter::once(job.model).chain(job.against) {
        note_use(line, model.model_ref(), "analyse", &items, actor)?;
    }
    let evaluation =
        learn::evaluate(job.model, &items, job.seed, cancel, &mut |done, _| progress(done, total))?;
    let other = job
        .against
        .map(|model| {
            let first = items.len();
            learn::evaluate(model, &items, job.seed, cancel, &mut |done, _| progress(first + done, total))
        })
        .transpose()?;
    let versus = job.against.zip(other.as_ref());
    let analysis = learn::analyse(
        &evaluation.predictions,
        &facts,
        learnt.is_known().then_some(&learnt.units_of_class),
        versus.map(|(model, other)| (model.model_ref().name.as_str(), other.predictions.as_slice())),
        job.seed,
    );
    let units: BTreeSet<&str> = items.iter().map(|item| item.group.as_str()).collect();
    let training = TrainingOverlap {
        version: job.model.manifest().data.version.clone(),
        is_known: learnt.is_known(),
        unknown: learnt.unknown,
        units: units.len(),
        learnt_units: units.iter().filter(|unit| learnt.units.contains(**unit)).count(),
    };
    Ok(AnalysisReport { analysis, evaluation, items, ids, training, over })
}

/// What is looked at; `ids` is empty where the items are no line's.
struct Gathered {
    items: Vec<LabelledItem>,
    ids: Vec<ItemId>,
    facts: Vec<Facts>,
    over: String,
}

fn gather(line: &Line, over: AnalyseOver<'_>) -> Result<Gathered, EngineError> {
    match over {
        AnalyseOver::Labels(filter) => {
            let gathered = training_items(line, &filter, None)?;
            with_facts(line, gathered.listed, "the labels of today".to_owned())
        }
        AnalyseOver::Version(name) => {
            let all = listed(line, Wanted::Version(&name))?;
            with_facts(line, all, format!("data set {name}"))
        }
        AnalyseOver::Data(dataset) => {
            let fact = |item: &LabelledItem| Facts {
                source: Some(dataset.name.clone()),
                disagreed: voted(item),
                ..Facts::default()
            };
            let facts = dataset.items.iter().map(fact).collect();
            Ok(Gathered { items: dataset.items.clone(), ids: Vec::new(), facts, over: dataset.name.clone() })
        }
    }
}

fn with_facts(line: &Line, all: Vec<Listed>, over: String) -> Result<Gathered, EngineError> {
    let agreement: BTreeMap<ItemId, bool> = line.store.view().agreement()?;
    let fact = |listed: &Listed| Facts {
        source: Some(listed.source.clone()),
        arrived_at: listed.arrived_at,
        disagreed: agreement.get(&listed.row.item).copied().or_else(|| voted(&listed.labelled)),
        is_learnt: None,
    };
    let facts = all.iter().map(fact).collect();
    let ids = all.iter().map(|listed| listed.row.item).collect();
    Ok(Gathered { items: all.into_iter().map(|listed| listed.labelled).collect(), ids, facts, over })
}

/// Whether the raters that a data set brings disagree.
fn voted(item: &LabelledItem) -> Option<bool> {
    let said: BTreeSet<&str> = item.votes.iter().map(|vote| vote.label.as_str()).collect();
    (item.votes.len() > 1).then_some(said.len() > 1)
}

/// What a model has learnt from, as far as its lists are known.
struct Learnt {
    /// Why there may be more.
    unknown: Option<String>,
    units: BTreeSet<String>,
    units_of_class: BTreeMap<String, usize>,
}

impl Learnt {
    fn of(line: &Line, model: &Model) -> Result<Self, EngineError> {
        let Behind { rows, unknown } = lists_behind(line, model.manifest())?;
        // Evidence groups were measured only. Those of a package before this one may have been learnt from
        // since, or by it: its manifest is not at hand, so that all of its list counts.
        let own: BTreeSet<&str> =
            model.manifest().evidence.iter().map(|group| group.group.as_str()).collect();
        let is_first = model.manifest().data.earlier.iter().all(is_shipped);
        let is_learnt = |row: &&DatasetRow| !(is_first && own.contains(row.unit.as_str()));
        let rows: Vec<DatasetRow> = rows.iter().filter(is_learnt).cloned().collect();
        Ok(Self {
            unknown,
            units: rows.iter().map(|row| row.unit.clone()).collect(),
            units_of_class: class_counts(&rows).into_iter().map(|(class, n)| (class, n.units)).collect(),
        })
    }

    fn is_known(&self) -> bool {
        self.unknown.is_none()
    }

    fn about(&self, unit: &str) -> Option<bool> {
        match (self.units.contains(unit), self.is_known()) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }
}

/// Figures, slices, and the worst items with their pictures as a page.
pub fn write_analysis(folder: &Path, title: &str, report: &AnalysisReport) -> Result<PathBuf, EngineError> {
    let mut more = String::new();
    confusion_table(&mut more, &report.analysis);
    slice_table(&mut more, &report.analysis);
    more.push_str("<h2>What would help most</h2><ol>");
    for advice in &report.analysis.would_help_most {
        let _ = write!(more, "<li>{}", escaped(&advice.advice));
    }
    more.push_str("</ol>");
    if let Some(against) = &report.analysis.against {
        comparison_table(&mut more, against);
    }
    write_sheet_with(folder, title, &report.evaluation, &report.items, &more)
}

fn confusion_table(page: &mut String, analysis: &Analysis) {
    page.push_str("<h2>Confusion</h2><p>True class down, the model's across.</p><table><tr><th>");
    for class in &analysis.confusion.classes {
        let _ = write!(page, "<th>{}", escaped(class));
    }
    for (class, counts) in analysis.confusion.classes.iter().zip(&analysis.confusion.counts) {
        let _ = write!(page, "<tr><td>{}", escaped(class));
        for count in counts {
            let _ = write!(page, "<td class=\"n\">{count}");
        }
    }
    page.push_str("</table>");
}

fn slice_table(page: &mut String, analysis: &Analysis) {
    let _ = write!(
        page,
        "<h2>Slices ({})</h2><p>Share that is named wrongly, with 95 % intervals; those that are surely worse \
         than the rest first.</p><table><tr><th>by<th><th>items<th>units<th>wrong<th>share<th>interval<th>rest",
        analysis.slices.len(),
    );
    for slice in analysis.slices.iter().take(SHOWN_MAX) {
        let e = &slice.errors;
        let _ = write!(
            page,
            "<tr><td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{:.3}\
             <td class=\"n\">{:.3} to {:.3}<td class=\"n\">{:.3}",
            slice.kind.name(),
            escaped(&slice.name),
            e.n,
            e.units,
            e.errors,
            e.rate,
            e.low,
            e.high,
            slice.rest_rate,
        );
    }
    page.push_str("</table>");
}

fn comparison_table(page: &mut String, against: &Comparison) {
    let _ = write!(
        page,
        "<h2>Against {}</h2><table><tr><th><th>won<th>lost<th>both right<th>both wrong<th>p (McNemar, exact)",
        escaped(&against.model)
    );
    for (name, pairs) in [("items", against.items), ("units", against.units)] {
        let _ = write!(
            page,
            "<tr><td>{name}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{:.4}",
            pairs.won, pairs.lost, pairs.both_right, pairs.both_wrong, pairs.p
        );
    }
    page.push_str("</table>");
    for (name, list) in [("Won", &against.won), ("Lost", &against.lost)] {
        let _ = write!(page, "<h3>{name}</h3><table><tr><th>item<th>label<th>this model<th>the other");
        for one in list {
            let _ = write!(
                page,
                "<tr><td>{}<td>{}<td>{}<td>{}",
                escaped(&one.media),
                escaped(&one.truth),
                escaped(&one.said),
                escaped(&one.other_said)
            );
        }
        page.push_str("</table>");
    }
}
