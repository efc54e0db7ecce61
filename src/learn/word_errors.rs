//! Which words of what is said are missed, inserted or taken for others, over all transcripts.

use super::analyse::Confusion;
use super::evaluate::PredictionRow;
use crate::domain::{Prediction, align};
use std::collections::BTreeMap;

/// Stands where one side has no word: down for inserted words, across for missed ones.
pub const NO_WORD: &str = "–";
/// Words that stand for themselves: more is no table to read. Those with most errors; all others are one.
const WORDS_MAX: usize = 40;

/// Words of the truth down, what was read across.
pub(super) fn word_confusion(rows: &[PredictionRow]) -> Confusion {
    let pairs = pairs(rows);
    let shown = shown(&pairs);
    let named =
        |word: &str| if shown.contains_key(word) { word.to_owned() } else { Prediction::OTHER.to_owned() };
    let mut counts: BTreeMap<[String; 2], usize> = BTreeMap::new();
    for ([truth, said], n) in &pairs {
        *counts.entry([named(truth), named(said)]).or_default() += n;
    }
    let mut classes: Vec<String> = counts.keys().flatten().filter(|word| *word != NO_WORD).cloned().collect();
    classes.sort();
    classes.dedup();
    if counts.keys().flatten().any(|word| word == NO_WORD) {
        classes.push(NO_WORD.to_owned());
    }
    let count = |truth: &String, said: &String| {
        counts.get(&[truth.clone(), said.clone()]).copied().unwrap_or_default()
    };
    let row = |truth: &String| classes.iter().map(|said| count(truth, said)).collect();
    Confusion { counts: classes.iter().map(row).collect(), classes }
}

type Pairs<'a> = BTreeMap<[&'a str; 2], usize>;

/// How often a true word was read as another, by the shortest way from one transcript to the other.
fn pairs(rows: &[PredictionRow]) -> Pairs<'_> {
    let mut pairs = Pairs::new();
    for row in rows {
        let [truth, said]: [Vec<&str>; 2] =
            [&row.truth, &row.label].map(|text| text.split_whitespace().collect());
        for (i, j) in align(&truth, &said) {
            let pair = [i.map_or(NO_WORD, |i| truth[i]), j.map_or(NO_WORD, |j| said[j])];
            *pairs.entry(pair).or_default() += 1;
        }
    }
    pairs
}

/// The words that stand for themselves, with their errors.
fn shown<'a>(pairs: &Pairs<'a>) -> BTreeMap<&'a str, usize> {
    let mut errors: BTreeMap<&str, usize> = BTreeMap::new();
    for (pair, n) in pairs {
        let wrong = if pair[0] == pair[1] { 0 } else { *n };
        for word in pair {
            *errors.entry(word).or_default() += wrong;
        }
    }
    errors.insert(NO_WORD, usize::MAX);
    let mut ranked: Vec<(&str, usize)> = errors.into_iter().collect();
    ranked.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    ranked.into_iter().take(WORDS_MAX + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::super::analyse::tests::row;
    use super::*;

    fn read(truth: &str, said: &str) -> PredictionRow {
        let row = row(0, "ann", truth, said, 0.5);
        PredictionRow { transcript: Some(said.to_owned()), ..row }
    }

    #[test]
    fn words_are_told_apart_that_are_missed_inserted_or_taken_for_others() {
        let rows = [
            read("one two three", "one two three"),
            read("one two three", "one three"),
            read("one five", "one nine"),
            read("two", "two two"),
        ];
        let found = word_confusion(&rows);
        assert_eq!(found.classes, ["five", "nine", "one", "three", "two", NO_WORD]);
        let at = |truth: &str, said: &str| {
            let place = |word: &str| found.classes.iter().position(|class| class == word).unwrap();
            found.counts[place(truth)][place(said)]
        };
        assert_eq!((at("one", "one"), at("five", "nine"), at("nine", "five")), (3, 1, 0));
        assert_eq!((at("two", NO_WORD), at(NO_WORD, "two"), at("two", "two")), (1, 1, 2));
    }

    #[test]
    fn a_large_vocabulary_keeps_the_words_with_most_errors() {
        let mut rows: Vec<PredictionRow> =
            (0..60).map(|i| read(&format!("w{i}"), &format!("w{i}"))).collect();
        rows.push(read("zulu", "yank"));
        let found = word_confusion(&rows);
        assert_eq!(found.classes.len(), WORDS_MAX + 1, "{:?}", found.classes);
        assert!(
            ["zulu", "yank", Prediction::OTHER].iter().all(|word| found.classes.iter().any(|c| c == word))
        );
        assert_eq!(found.counts.iter().flatten().sum::<usize>(), 61);
    }
}
