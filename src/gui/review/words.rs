//! The words of a suggested reading: which of them are uncertain, which one comes next, and where each
//! stands in what a person has written. Pure.

use crate::domain::{Aligned, Probability, Region, Shape, Thresholds, align};
use std::ops::Range;

/// From this doubt on a word is uncertain while nothing is accepted unseen.
const DOUBT: f64 = 0.1;

#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub text: String,
    pub span_secs: [f64; 2],
    pub doubt: f64,
    pub is_uncertain: bool,
    /// A person has something else in its place.
    pub differs: bool,
}

impl Word {
    /// Whether a person is to hear it by itself.
    pub fn is_open(&self) -> bool {
        self.is_uncertain || self.differs
    }
}

/// From which doubt on a word is uncertain: what the decision does not accept. Such a word alone would bring
/// its sentence to a person.
pub fn doubtful_from(thresholds: Thresholds) -> f64 {
    thresholds.accept_below.map_or(DOUBT, Probability::get)
}

/// The words that were heard in these regions, held against what a person has written.
pub fn words(regions: &[Region], thresholds: Thresholds, own: Option<&str>) -> Vec<Word> {
    let from = doubtful_from(thresholds);
    let word = |region: &Region| {
        let Shape::Span { span_secs, .. } = region.shape else { return None };
        let doubt = region.score.map_or(0.0, Probability::get);
        Some(Word {
            text: region.class.clone(),
            span_secs,
            doubt,
            is_uncertain: doubt >= from,
            differs: false,
        })
    };
    let mut words: Vec<Word> = regions.iter().filter_map(word).collect();
    if let Some(own) = own {
        let written: Vec<&str> = own.split_whitespace().collect();
        for (own, heard) in steps(&written, &words) {
            if let Some(heard) = heard {
                words[heard].differs = own.is_none_or(|own| written[own] != words[heard].text);
            }
        }
    }
    words
}

/// The shortest way from what is written to what was heard.
fn steps(written: &[&str], words: &[Word]) -> Vec<Aligned> {
    let heard: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    align(written, &heard)
}

/// Two transcripts word by word: in either one a word that the other has not, or has otherwise.
pub fn beside<'a>(own: &'a str, other: &'a str) -> Vec<[Option<&'a str>; 2]> {
    let [own, other] = [own, other].map(|text| text.split_whitespace().collect::<Vec<_>>());
    let steps = align(&own, &other).into_iter();
    steps.map(|(i, j)| [i.map(|i| own[i]), j.map(|j| other[j])]).collect()
}

/// The open word behind `at`; none behind the last.
pub fn next(words: &[Word], at: usize) -> Option<usize> {
    (at + 1..words.len()).find(|&i| words[i].is_open())
}

/// The same round the sentence, either way; where no word is open, each is.
pub fn step(words: &[Word], at: Option<usize>, forward: bool) -> Option<usize> {
    let is_all = !words.iter().any(Word::is_open);
    let open: Vec<usize> = (0..words.len()).filter(|&i| is_all || words[i].is_open()).collect();
    let found = match (at, forward) {
        (Some(at), true) => open.iter().find(|i| **i > at),
        (Some(at), false) => open.iter().rfind(|i| **i < at),
        (None, _) => None,
    };
    let round = if forward { open.first() } else { open.last() };
    found.or(round).copied()
}

/// Where a word stands in what is written, in characters; where it was left out, behind the one before.
pub fn place_in(written: &str, words: &[Word], at: usize) -> Range<usize> {
    let places = places(written);
    let lower = written.to_lowercase();
    let own: Vec<&str> = lower.split_whitespace().collect();
    let mut end = 0;
    for (own, heard) in steps(&own, words) {
        let place = own.and_then(|own| places.get(own)).cloned();
        if heard == Some(at) {
            return place.unwrap_or(end..end);
        }
        end = place.map_or(end, |place| place.end);
    }
    end..end
}

/// The words of a text as ranges of its characters.
fn places(text: &str) -> Vec<Range<usize>> {
    let mut places: Vec<Range<usize>> = Vec::new();
    let mut is_inside = false;
    for (i, letter) in text.chars().enumerate() {
        match (letter.is_whitespace(), places.last_mut().filter(|_| is_inside)) {
            (true, _) => is_inside = false,
            (false, Some(place)) => place.end = i + 1,
            (false, None) => {
                places.push(i..i + 1);
                is_inside = true;
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(said: &[(&str, f64)]) -> Vec<Region> {
        let region = |(i, (text, doubt)): (usize, &(&str, f64))| {
            let shape = Shape::Span { span_secs: [i as f64, i as f64 + 1.0], band_hz: None };
            Region { score: Some(Probability::saturating(*doubt)), ..Region::new(*text, shape) }
        };
        said.iter().enumerate().map(region).collect()
    }

    const SAID: [(&str, f64); 4] = [("one", 0.2), ("nine", 0.01), ("five", 0.1), ("two", 0.0)];

    #[test]
    fn what_the_decision_does_not_accept_is_uncertain() {
        let uncertain = |accept_below: Option<f64>| {
            let accept_below = accept_below.map(Probability::saturating);
            let thresholds = Thresholds { accept_below, ..Thresholds::default() };
            words(&heard(&SAID), thresholds, None).iter().map(|word| word.is_uncertain).collect::<Vec<_>>()
        };
        assert_eq!(uncertain(None), [true, false, true, false]);
        assert_eq!(uncertain(Some(0.15)), [true, false, false, false]);
        assert_eq!(uncertain(Some(0.005)), [true, true, true, false]);
    }

    #[test]
    fn one_key_goes_round_the_open_words_and_round_all_where_none_is() {
        let plain = Thresholds::default();
        let some = words(&heard(&SAID), plain, None);
        assert_eq!([None, Some(0), Some(1), Some(2)].map(|at| step(&some, at, true).unwrap()), [0, 2, 2, 0]);
        assert_eq!([None, Some(2), Some(0)].map(|at| step(&some, at, false).unwrap()), [2, 0, 2]);
        assert_eq!((next(&some, 0), next(&some, 2)), (Some(2), None));
        let sure = words(&heard(&[("one", 0.0), ("two", 0.01)]), plain, None);
        assert_eq!((step(&sure, Some(0), true), step(&sure, None, false)), (Some(1), Some(1)));
        assert_eq!(step(&[], None, true), None);
    }

    #[test]
    fn a_word_is_found_in_what_was_written_around_it() {
        let words = words(&heard(&SAID), Thresholds::default(), None);
        let place = |written: &str, at: usize| {
            let place = place_in(written, &words, at);
            (place.clone(), written.chars().skip(place.start).take(place.len()).collect::<String>())
        };
        assert_eq!(place("one nine five two", 2), (9..13, "five".into()));
        // Other words before it, of other lengths, and more than one space; é is one character.
        assert_eq!(place("é  Nine  four two", 2), (9..13, "four".into()));
        assert_eq!(place("one nine two", 2), (8..8, String::new()));
        assert_eq!(place("", 1), (0..0, String::new()));
        assert_eq!(place("one", 3).0, 3..3);
    }

    #[test]
    fn a_first_answer_is_held_against_the_reading_word_by_word() {
        let words = words(&heard(&SAID), Thresholds::default(), Some("one nine nine five"));
        assert_eq!(words.iter().map(|word| word.differs).collect::<Vec<_>>(), [false, false, true, true]);
        assert_eq!(
            beside("one four five", "one nine five two"),
            [[Some("one"); 2], [Some("four"), Some("nine")], [Some("five"); 2], [None, Some("two")]]
        );
    }
}
