//! What people say of the same items: against the labels, and against each other.

use super::evaluate::Table;
use super::measure::Measured;
use super::metrics::bootstrap;
use crate::domain::{Edits, character_edits, word_edits};
use crate::infer::Metric;
use serde::Serialize;
use std::collections::BTreeMap;

/// People's answers against the labels, on the items that have any.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct People {
    /// Share of single answers that are right, and of the commonest answers to an item (a tie counts by the
    /// share of right ones among them).
    pub single: Metric,
    pub majority: Metric,
    /// The model, on the same items.
    pub model: Metric,
    /// Wrong, missing and superfluous words of single answers for each that was said; only of what is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word_error_rate: Option<Metric>,
}

/// Single people, their majority and the model on the items that people have answered.
pub(super) fn people(measured: &[Measured], table: &Table<'_>, seed: u64) -> Option<People> {
    let votes = |i: usize| measured[i].votes.as_slice();
    let is_right = |i: usize, vote: &str| table.truth[i].contains(vote);
    let right: Vec<f64> = (0..measured.len())
        .map(|i| votes(i).iter().filter(|vote| is_right(i, vote)).count() as f64)
        .collect();
    let majority = |i: usize| {
        let commonest = commonest(votes(i));
        let right = commonest.iter().filter(|vote| is_right(i, vote)).count();
        right as f64 / commonest.len().max(1) as f64
    };
    let asked =
        |at: &[usize]| -> Vec<usize> { at.iter().copied().filter(|&i| !votes(i).is_empty()).collect() };
    let mean = |at: &[usize]| {
        (!at.is_empty()).then(|| at.iter().map(|&i| majority(i)).sum::<f64>() / at.len() as f64)
    };
    let wrong_words = |at: &[usize]| {
        let mut edits = Edits::default();
        for &i in at {
            let said = table.truth[i].first().copied().unwrap_or_default();
            for vote in votes(i) {
                edits += word_edits(said, vote);
            }
        }
        (edits.of > 0).then(|| edits.rate())
    };
    let answers = measured.iter().map(|one| one.votes.len()).sum();
    let n = asked(&(0..measured.len()).collect::<Vec<_>>()).len();
    Some(People {
        single: bootstrap(&table.groups, seed, answers, |at| {
            let votes: usize = at.iter().map(|&i| votes(i).len()).sum();
            (votes > 0).then(|| at.iter().map(|&i| right[i]).sum::<f64>() / votes as f64)
        })?,
        majority: bootstrap(&table.groups, seed, n, |at| mean(&asked(at)))?,
        model: bootstrap(&table.groups, seed, n, |at| table.accuracy(&asked(at)))?,
        word_error_rate: if table.is_said() {
            bootstrap(&table.groups, seed, answers, wrong_words)
        } else {
            None
        },
    })
}

/// The answers that most people gave.
fn commonest(votes: &[String]) -> Vec<&str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for vote in votes {
        *counts.entry(vote).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or(0);
    counts.iter().filter(|(_, n)| **n == most).map(|(vote, _)| *vote).collect()
}

/// How far transcripts lie apart that two people wrote of the same sounds. Nobody's is the truth: what
/// differs is counted for each word, or character, of their mean length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Apart {
    /// Sounds, and the units that they are of.
    pub sounds: usize,
    pub units: usize,
    /// Sounds whose transcripts differ at all.
    pub differ: usize,
    /// With intervals from resampled units.
    pub words: Metric,
    pub characters: Metric,
}

/// Of units with two transcripts each, both in one convention; absent without a word.
#[must_use]
pub fn apart(pairs: &[(String, [String; 2])], seed: u64) -> Option<Apart> {
    let mut units: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, (unit, _)) in pairs.iter().enumerate() {
        units.entry(unit).or_default().push(at);
    }
    let rate = |of: fn(&str, &str) -> Edits| {
        bootstrap(&units, seed, pairs.len(), |at| {
            let (mut errors, mut length) = (0, 0);
            for (_, [a, b]) in at.iter().map(|&i| &pairs[i]) {
                errors += of(a, b).errors();
                length += of(a, b).of + of(b, a).of;
            }
            (length > 0).then(|| 2.0 * errors as f64 / length as f64)
        })
    };
    Some(Apart {
        sounds: pairs.len(),
        units: units.len(),
        differ: pairs.iter().filter(|(_, [a, b])| a != b).count(),
        words: rate(word_edits)?,
        characters: rate(character_edits)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_apart_by_what_they_wrote_and_units_make_the_interval() {
        let pair = |unit: &str, a: &str, b: &str| (unit.to_owned(), [a.to_owned(), b.to_owned()]);
        assert_eq!(apart(&[], 1), None);
        assert_eq!(apart(&[pair("u", "", "")], 1), None, "of nothing there is no rate");
        let pairs = [
            pair("ann", "one two", "one two"),
            pair("ann", "one two", "one too"),
            pair("bob", "one two", "one two"),
            pair("cem", "one", "one two"),
        ];
        let found = apart(&pairs, 1).unwrap();
        assert_eq!((found.sounds, found.units, found.differ), (4, 3, 2));
        assert!((found.words.value - 2.0 / 7.5).abs() < 1e-9, "{found:?}");
        assert!((found.characters.value - 5.0 / 26.0).abs() < 1e-9, "{found:?}");
        assert!(found.words.low < found.words.value && found.words.value < found.words.high);
        let turned: Vec<_> = pairs.into_iter().map(|(unit, [a, b])| (unit, [b, a])).collect();
        assert_eq!(apart(&turned, 1).unwrap().words.value, found.words.value, "who is first is no matter");
    }
}
