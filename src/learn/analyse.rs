//! Where a model errs: by class or word, unit, source, time, light, size and agreement, against another model,
//! and which data would help most.
//!
//! Works on rows that were measured; reads no files and no store.

use super::by_size::SIDES_PX;
use super::evaluate::PredictionRow;
use super::metrics::bootstrap;
use super::versus::{Comparison, compare};
use super::word_errors::word_confusion;
use crate::decide::{lower_bound, upper_bound};
use crate::domain::{Label, Probability, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Parts of the time from the first item to the last, with as many items each.
const TIMES: usize = 4;
const TERCILES: usize = 3;
/// Units with errors that are listed: more is no list to read.
const UNITS_MAX: usize = 20;
/// Worst items that are listed.
const WORST_MAX: usize = 24;
/// Pieces of advice.
const ADVICE_MAX: usize = 5;
/// With fewer units than this resampling them says too little, and the interval is that of so many
/// independent ones.
const RESAMPLED_UNITS_MIN: usize = 20;
/// Each side of a 95 % interval.
const ONE_SIDE: f64 = 0.975;

/// What is known of an item beside what was measured, in the order of the evaluated items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub source: Option<String>,
    pub arrived_at: Option<Timestamp>,
    /// Whether people gave different answers, where several answered.
    pub disagreed: Option<bool>,
    /// Whether the model has learnt from the unit, where that is known.
    pub is_learnt: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SliceKind {
    Class,
    Unit,
    Source,
    Time,
    Brightness,
    Sharpness,
    /// Of sounds.
    Level,
    NoiseFloor,
    Duration,
    /// Words a second.
    SpeakingRate,
    Size,
    Agreement,
    /// Units that the model has learnt from, and others.
    Training,
}

impl SliceKind {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Unit => "unit",
            Self::Source => "source",
            Self::Time => "time",
            Self::Brightness => "brightness",
            Self::Sharpness => "sharpness",
            Self::Level => "level",
            Self::NoiseFloor => "noise floor",
            Self::Duration => "duration",
            Self::SpeakingRate => "speaking rate",
            Self::Size => "size",
            Self::Agreement => "agreement",
            Self::Training => "training",
        }
    }
}

/// A share of items that are named wrongly, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ErrorRate {
    pub n: usize,
    pub units: usize,
    pub errors: usize,
    pub rate: f64,
    pub low: f64,
    pub high: f64,
    /// Defective items called good, and good ones called defective.
    pub missed: usize,
    pub false_alarms: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slice {
    pub kind: SliceKind,
    pub name: String,
    #[serde(flatten)]
    pub errors: ErrorRate,
    /// Of all other items for which the same is known.
    pub rest_rate: f64,
    pub worse_by: f64,
    /// By how much at least: the lower end of the interval over the rest. Slices are sorted by it.
    pub worse_by_at_least: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confusion {
    pub classes: Vec<String>,
    /// A row for each true class, a column for what the model said. An item with several classes stands
    /// under its main one, and on the diagonal where the model named any of them. Of what is said the
    /// classes are words, and the last one stands for none.
    pub counts: Vec<Vec<usize>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorstItem {
    /// Position among the evaluated items.
    #[serde(skip)]
    pub item: usize,
    pub media: String,
    pub group: String,
    pub truth: String,
    pub said: String,
    /// P(its own class).
    pub probability: f64,
}

/// What to collect, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    pub kind: SliceKind,
    pub what: String,
    /// Units of the kind that the model could learn from.
    pub units: usize,
    pub errors: usize,
    pub n: usize,
    pub advice: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Analysis {
    pub all: ErrorRate,
    pub confusion: Confusion,
    pub slices: Vec<Slice>,
    pub worst: Vec<WorstItem>,
    pub would_help_most: Vec<Advice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Comparison>,
}

/// Takes `rows` apart. `facts` are by the rows' `item`; `learnt_units` counts the units of each class
/// that the model has learnt from, where that is known; `other` is another model's rows on the same
/// items.
#[must_use]
pub fn analyse(
    rows: &[PredictionRow],
    facts: &[Facts],
    learnt_units: Option<&BTreeMap<String, usize>>,
    other: Option<(&str, &[PredictionRow])>,
    seed: u64,
) -> Analysis {
    let table = Table { rows, facts, seed };
    let everything: Vec<usize> = (0..rows.len()).collect();
    let slices = table.slices();
    Analysis {
        all: table.errors(&everything, false),
        confusion: confusion(rows),
        would_help_most: advice(&slices, learnt_units),
        slices,
        worst: worst(rows),
        against: other.map(|(model, others)| compare(rows, model, others)),
    }
}

struct Table<'a> {
    rows: &'a [PredictionRow],
    facts: &'a [Facts],
    seed: u64,
}

/// Positions in the rows, by the name of the slice, in an order worth keeping.
type Parts = Vec<(String, Vec<usize>)>;

impl Table<'_> {
    fn fact(&self, at: usize) -> Option<&Facts> {
        self.facts.get(self.rows[at].item)
    }

    fn slices(&self) -> Vec<Slice> {
        let by_time = |at: usize| self.fact(at)?.arrived_at.map(|time| time.as_micros() as f64);
        let time = |value: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "made from whole microseconds")]
            Timestamp::from_micros(value as i64).to_string().chars().take(19).collect::<String>()
        };
        let plain = |value: f64| format!("{value:.1}");
        let measured = |of: &dyn Fn(&PredictionRow) -> Option<f64>| {
            self.parts(TERCILES, &|at| of(&self.rows[at]), &plain)
        };
        let kinds = [
            // What is said is hardly ever said twice.
            (SliceKind::Class, self.named(|row, _| row.transcript.is_none().then(|| row.truth.clone()))),
            (SliceKind::Unit, self.units()),
            (SliceKind::Source, self.named(|_, fact| fact?.source.clone())),
            (SliceKind::Time, self.parts(TIMES, &by_time, &time)),
            (SliceKind::Brightness, measured(&|row| Some(row.inputs.image()?.brightness.into()))),
            (SliceKind::Sharpness, measured(&|row| Some(row.inputs.image()?.sharpness.into()))),
            (SliceKind::Level, measured(&|row| Some(row.inputs.sound()?.level_db.into()))),
            (SliceKind::NoiseFloor, measured(&|row| Some(row.inputs.sound()?.noise_floor_db.into()))),
            (SliceKind::Duration, measured(&|row| row.secs)),
            (SliceKind::SpeakingRate, measured(&speaking_rate)),
            (SliceKind::Size, self.named(|row, _| size_name(row))),
            (SliceKind::Agreement, self.named(|_, fact| Some(agreement(fact?.disagreed).to_owned()))),
            (
                SliceKind::Training,
                self.named(|_, fact| Some(if fact?.is_learnt? { "learnt from" } else { "new" }.to_owned())),
            ),
        ];
        let mut slices: Vec<Slice> =
            kinds.into_iter().flat_map(|(kind, parts)| self.of_kind(kind, &parts)).collect();
        slices.sort_by(|a, b| {
            b.worse_by_at_least
                .total_cmp(&a.worse_by_at_least)
                .then(b.worse_by.total_cmp(&a.worse_by))
                .then_with(|| (a.kind, &a.name).cmp(&(b.kind, &b.name)))
        });
        slices
    }

    /// A slice is held against the rest of its kind; where there is no rest it says nothing.
    fn of_kind(&self, kind: SliceKind, parts: &Parts) -> Vec<Slice> {
        let known: Vec<usize> = match kind {
            SliceKind::Unit => (0..self.rows.len()).collect(),
            _ => parts.iter().flat_map(|(_, at)| at.iter().copied()).collect(),
        };
        let wrong = |at: &[usize]| at.iter().filter(|&&at| !self.rows[at].is_right).count();
        let all_wrong = wrong(&known);
        let slices = parts.iter().filter(|(_, at)| at.len() < known.len()).map(|(name, at)| {
            let errors = self.errors(at, kind == SliceKind::Unit);
            let rest_rate = (all_wrong - errors.errors) as f64 / (known.len() - at.len()) as f64;
            Slice {
                kind,
                name: name.clone(),
                rest_rate,
                worse_by: errors.rate - rest_rate,
                worse_by_at_least: errors.low - rest_rate,
                errors,
            }
        });
        slices.collect()
    }

    /// By a name that an item may have.
    fn named(&self, name: impl Fn(&PredictionRow, Option<&Facts>) -> Option<String>) -> Parts {
        let mut parts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, row) in self.rows.iter().enumerate() {
            if let Some(name) = name(row, self.fact(at)) {
                parts.entry(name).or_default().push(at);
            }
        }
        parts.into_iter().collect()
    }

    /// Units with errors, those with most first.
    fn units(&self) -> Parts {
        let wrong = |at: &[usize]| at.iter().filter(|&&at| !self.rows[at].is_right).count();
        let mut parts = self.named(|row, _| Some(row.group.clone()));
        parts.retain(|(_, at)| wrong(at) > 0);
        parts.sort_by_key(|(_, at)| std::cmp::Reverse(wrong(at)));
        parts.truncate(UNITS_MAX);
        parts
    }

    /// Parts with equal numbers of items by a value, equal values together.
    fn parts(
        &self,
        count: usize,
        value: &dyn Fn(usize) -> Option<f64>,
        text: &dyn Fn(f64) -> String,
    ) -> Parts {
        let mut known: Vec<(f64, usize)> =
            (0..self.rows.len()).filter_map(|at| Some((value(at)?, at))).collect();
        known.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut parts: Vec<Vec<(f64, usize)>> = vec![Vec::new(); count];
        let mut before = None;
        for (place, &(value, at)) in known.iter().enumerate() {
            let part = match before {
                Some((same, part)) if same == value => part,
                _ => place * count / known.len(),
            };
            before = Some((value, part));
            parts[part].push((value, at));
        }
        parts
            .into_iter()
            .enumerate()
            .filter_map(|(number, part)| {
                let (first, last) = (part.first()?.0, part.last()?.0);
                let name = format!("{} of {count}: {} to {}", number + 1, text(first), text(last));
                Some((name, part.into_iter().map(|(_, at)| at).collect()))
            })
            .collect()
    }

    /// Of the items at these positions; as independent ones where they are one unit's.
    fn errors(&self, at: &[usize], is_unit: bool) -> ErrorRate {
        let wrong = |at: &[usize]| at.iter().filter(|&&at| !self.rows[at].is_right).count();
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for &at in at {
            groups.entry(&self.rows[at].group).or_default().push(at);
        }
        let (n, errors) = (at.len(), wrong(at));
        let rate = if n == 0 { 0.0 } else { errors as f64 / n as f64 };
        let independent = if is_unit { n } else { groups.len() };
        let is_certain = errors == 0 || errors == n;
        let resampled = if independent < RESAMPLED_UNITS_MIN || independent == n || is_certain {
            None
        } else {
            bootstrap(&groups, self.seed, n, |at| Some(wrong(at) as f64 / at.len() as f64))
        };
        let (low, high) = resampled.map_or_else(|| exact(rate, independent), |m| (m.low, m.high));
        let count =
            |keep: &dyn Fn(&PredictionRow) -> bool| at.iter().filter(|&&at| keep(&self.rows[at])).count();
        ErrorRate {
            n,
            units: groups.len(),
            errors,
            rate,
            low,
            high,
            missed: count(&|row| row.defective && row.label == Label::GOOD),
            false_alarms: count(&|row| {
                row.transcript.is_none() && !row.defective && row.label != Label::GOOD
            }),
        }
    }
}

/// The exact interval of a rate among so many independent ones; parts of an error widen it.
fn exact(rate: f64, n: usize) -> (f64, f64) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of at most n")]
    let count = |value: f64| (value as u64).min(n as u64);
    // A whole number that rounding has moved is still that number.
    let errors = rate * n as f64;
    let whole = (errors - errors.round()).abs() < 1e-9;
    let [floor, ceil] = if whole { [errors.round(); 2] } else { [errors.floor(), errors.ceil()] };
    let side = Probability::saturating(ONE_SIDE);
    let low = lower_bound(count(floor), n as u64, side).map_or(0.0, Probability::get);
    let high = upper_bound(count(ceil), n as u64, side).map_or(1.0, Probability::get);
    (low, high)
}

fn agreement(disagreed: Option<bool>) -> &'static str {
    match disagreed {
        Some(true) => "people disagree",
        Some(false) => "people agree",
        None => "one look",
    }
}

/// Words a second, of what is said.
fn speaking_rate(row: &PredictionRow) -> Option<f64> {
    row.transcript.as_ref()?;
    let secs = row.secs.filter(|secs| *secs > 0.0)?;
    Some(row.truth.split_whitespace().count() as f64 / secs)
}

/// The band of a defect's side, as in the table by size.
fn size_name(row: &PredictionRow) -> Option<String> {
    let side = (row.defect_px.filter(|px| *px > 0)? as f64).sqrt();
    let place = SIDES_PX.iter().filter(|limit| side >= **limit).count();
    let from = place.checked_sub(1).map_or(0.0, |before| SIDES_PX[before]);
    Some(match SIDES_PX.get(place) {
        Some(below) => format!("{from} to {below} px"),
        None => format!("from {from} px"),
    })
}

fn confusion(rows: &[PredictionRow]) -> Confusion {
    if rows.iter().any(|row| row.transcript.is_some()) {
        return word_confusion(rows);
    }
    let said = |row: &PredictionRow| if row.is_right { row.truth.clone() } else { row.label.clone() };
    let names: BTreeSet<String> = rows.iter().flat_map(|row| [row.truth.clone(), said(row)]).collect();
    let (good, mut classes): (Vec<String>, Vec<String>) =
        names.into_iter().partition(|name| name == Label::GOOD);
    classes.splice(0..0, good);
    let place: BTreeMap<&str, usize> =
        classes.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let mut counts = vec![vec![0; classes.len()]; classes.len()];
    for row in rows {
        counts[place[row.truth.as_str()]][place[said(row).as_str()]] += 1;
    }
    Confusion { classes, counts }
}

fn worst(rows: &[PredictionRow]) -> Vec<WorstItem> {
    let own = |row: &PredictionRow| row.probabilities.get(&row.truth).map_or(0.0, |p| p.get());
    let mut wrong: Vec<&PredictionRow> = rows.iter().filter(|row| !row.is_right).collect();
    wrong.sort_by(|a, b| own(a).total_cmp(&own(b)).then(a.item.cmp(&b.item)));
    let worst = wrong.into_iter().take(WORST_MAX).map(|row| WorstItem {
        item: row.item,
        media: row.media.clone(),
        group: row.group.clone(),
        truth: row.truth.clone(),
        said: row.label.clone(),
        probability: own(row),
    });
    worst.collect()
}

/// Kinds of data by their errors over the units that there are to learn from: a model gains most from
/// one more unit where it has few and errs often. Kinds other than classes count only where they are
/// surely worse than the rest.
fn advice(slices: &[Slice], learnt_units: Option<&BTreeMap<String, usize>>) -> Vec<Advice> {
    let mut ranked: Vec<(f64, Advice)> = Vec::new();
    for slice in slices.iter().filter(|slice| slice.errors.errors > 0) {
        let ErrorRate { n, units, errors, rate, .. } = slice.errors;
        let (gain, units, advice) = match slice.kind {
            SliceKind::Class => {
                let units = learnt_units.map_or(units, |known| known.get(&slice.name).copied().unwrap_or(0));
                let text = format!(
                    "{}: {units} units, recall {:.2}: more units of this class",
                    slice.name,
                    1.0 - rate
                );
                (rate, units, text)
            }
            SliceKind::Source
            | SliceKind::Brightness
            | SliceKind::Sharpness
            | SliceKind::Level
            | SliceKind::NoiseFloor
            | SliceKind::Duration
            | SliceKind::SpeakingRate
            | SliceKind::Size
                if slice.worse_by_at_least > 0.0 =>
            {
                let text = format!(
                    "{} {}: {units} units, {:.0} % wrong against {:.0} % elsewhere: more units like these",
                    slice.kind.name(),
                    slice.name,
                    100.0 * rate,
                    100.0 * slice.rest_rate
                );
                (slice.worse_by, units, text)
            }
            _ => continue,
        };
        let kind = slice.kind;
        let advice = Advice { kind, what: slice.name.clone(), units, errors, n, advice };
        ranked.push((gain / units.max(1) as f64, advice));
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.what.cmp(&b.1.what)));
    let mut best: Vec<Advice> = ranked.into_iter().take(ADVICE_MAX).map(|(_, advice)| advice).collect();
    if let Some(first) = best.first_mut() {
        first.advice.push_str(" first");
    }
    best
}

#[cfg(test)]
#[path = "analyse_tests.rs"]
pub(super) mod tests;
