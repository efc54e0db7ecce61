//! Frames → what may have been said, with probabilities: prefix beam search (Hannun et al., 2014) under the
//! rule of a line.
//!
//! The rule is what the line expects, not what people do: somebody may say something else, or nothing. A
//! reading against the rule is never proposed, but what speaks for it speaks against all that are.

use crate::domain::TranscriptRule;
use crate::nn::{LogFrames, log_sum};
use std::collections::BTreeMap;

/// Prefixes that are followed; more change no reading of ten words.
const BEAM: usize = 24;
/// Labels that are tried at one frame, and the least ln probability of one: a vocabulary of hundreds costs
/// little more than one of ten.
const LABELS_MAX: usize = 16;
const LABEL_LEAST: f64 = -12.0;
/// How much less likely beforehand a reading against the rule is than one that follows it.
const AGAINST_RULE: f64 = 0.05;

/// What a line lets its model say.
#[derive(Clone, Debug)]
pub(crate) struct Grammar {
    pub rule: TranscriptRule,
    /// Each word of the model in the line's convention.
    pub written: Vec<String>,
}

impl Grammar {
    pub fn new(words: &[String], rule: TranscriptRule) -> Self {
        let written = words.iter().map(|word| rule.normalise(word)).collect();
        Self { rule, written }
    }

    /// Labels as a text in the line's convention.
    pub fn text(&self, labels: &[usize]) -> String {
        let words: Vec<&str> = labels
            .iter()
            .map(|&label| self.written[label].as_str())
            .filter(|word| !word.is_empty())
            .collect();
        words.join(" ")
    }

    fn may_begin(&self, labels: &[usize]) -> bool {
        let text = self.text(labels);
        let said: Vec<&str> =
            text.split(' ').filter(|word| !word.is_empty() && !word.starts_with('[')).collect();
        self.rule.may_begin(&said)
    }
}

/// One way to read a sound.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub text: String,
    /// Before calibration.
    pub probability: f64,
    /// Its likeliest labels.
    pub labels: Vec<usize>,
}

/// What the rule allows, the likeliest first. The rest of 1 is everything else.
pub(crate) fn readings(frames: &LogFrames, grammar: &Grammar) -> Vec<Reading> {
    let mut tree = Tree::new(Some(grammar));
    let mut found = by_text(&tree.search(frames), grammar);
    if tree.is_pruned {
        for (text, reading) in by_text(&Tree::new(None).search(frames), grammar) {
            let place = found.entry(text).or_insert_with(|| reading.clone());
            place.probability = place.probability.max(reading.probability);
        }
    }
    let said: f64 = found.values().map(|reading| reading.probability).sum();
    let mut all = (1.0 - said).max(0.0);
    let mut allowed = Vec::new();
    for reading in found.into_values() {
        if grammar.rule.allows(&reading.text) {
            all += reading.probability;
            allowed.push(reading);
        } else {
            // Silence is not said against a rule: it comes as often as it comes.
            all += reading.probability * if reading.text.is_empty() { 1.0 } else { AGAINST_RULE };
        }
    }
    for reading in &mut allowed {
        reading.probability /= all.max(f64::MIN_POSITIVE);
    }
    allowed.sort_by(|a, b| b.probability.total_cmp(&a.probability).then_with(|| a.text.cmp(&b.text)));
    allowed
}

/// Label sequences that are written alike are one reading.
fn by_text(sequences: &[(Vec<usize>, f64)], grammar: &Grammar) -> BTreeMap<String, Reading> {
    let mut found: BTreeMap<String, Reading> = BTreeMap::new();
    // The likeliest come first, and give the labels.
    for (labels, score) in sequences {
        let text = grammar.text(labels);
        let fresh = || Reading { text: text.clone(), probability: 0.0, labels: labels.clone() };
        found.entry(text.clone()).or_insert_with(fresh).probability += score.exp();
    }
    found
}

/// ln of the probability that a prefix was said and a blank came last, and that its last label did.
#[derive(Clone, Copy)]
struct Ends {
    blank: f64,
    label: f64,
}

impl Ends {
    const NEVER: Self = Self { blank: f64::NEG_INFINITY, label: f64::NEG_INFINITY };

    fn sum(self) -> f64 {
        log_sum([self.blank, self.label].into_iter())
    }
}

fn add(place: &mut f64, score: f64) {
    *place = log_sum([*place, score].into_iter());
}

/// A prefix, as its last label behind another prefix.
struct Node {
    parent: usize,
    label: usize,
    children: BTreeMap<usize, Option<usize>>,
}

/// All prefixes that were ever tried; the first is the empty one.
struct Tree<'a> {
    nodes: Vec<Node>,
    grammar: Option<&'a Grammar>,
    is_pruned: bool,
}

impl<'a> Tree<'a> {
    fn new(grammar: Option<&'a Grammar>) -> Self {
        let root = Node { parent: 0, label: usize::MAX, children: BTreeMap::new() };
        Self { nodes: vec![root], grammar, is_pruned: false }
    }

    fn labels(&self, mut at: usize) -> Vec<usize> {
        let mut labels = Vec::new();
        while at != 0 {
            labels.push(self.nodes[at].label);
            at = self.nodes[at].parent;
        }
        labels.reverse();
        labels
    }

    /// The prefix with one more label; `None` where nothing on the line begins so.
    fn child(&mut self, at: usize, label: usize) -> Option<usize> {
        if let Some(known) = self.nodes[at].children.get(&label) {
            return *known;
        }
        let mut labels = self.labels(at);
        labels.push(label);
        let may = self.grammar.is_none_or(|grammar| grammar.may_begin(&labels));
        self.is_pruned |= !may;
        let fresh = may.then_some(self.nodes.len());
        if may {
            self.nodes.push(Node { parent: at, label, children: BTreeMap::new() });
        }
        self.nodes[at].children.insert(label, fresh);
        fresh
    }

    /// Label sequences with ln of their probability, the likeliest first.
    fn search(&mut self, frames: &LogFrames) -> Vec<(Vec<usize>, f64)> {
        let mut beam = vec![(0, Ends { blank: 0.0, label: f64::NEG_INFINITY })];
        for frame in frames {
            let Some((&blank, labels)) = frame.split_last() else { continue };
            let tried = likely(labels);
            let mut next: BTreeMap<usize, Ends> = BTreeMap::new();
            for &(at, ends) in &beam {
                let last = self.nodes[at].label;
                let stays = next.entry(at).or_insert(Ends::NEVER);
                add(&mut stays.blank, ends.sum() + blank);
                if let Some(again) = labels.get(last) {
                    add(&mut stays.label, ends.label + again);
                }
                for &label in &tried {
                    // The same label twice takes a blank between.
                    let before = if label == last { ends.blank } else { ends.sum() };
                    if before > f64::NEG_INFINITY
                        && let Some(child) = self.child(at, label)
                    {
                        add(&mut next.entry(child).or_insert(Ends::NEVER).label, before + labels[label]);
                    }
                }
            }
            beam = next.into_iter().collect();
            beam.sort_by(|a, b| b.1.sum().total_cmp(&a.1.sum()).then(a.0.cmp(&b.0)));
            beam.truncate(BEAM);
        }
        beam.into_iter().map(|(at, ends)| (self.labels(at), ends.sum())).collect()
    }
}

fn likely(labels: &[f64]) -> Vec<usize> {
    let mut tried: Vec<usize> = (0..labels.len()).filter(|&label| labels[label] > LABEL_LEAST).collect();
    tried.sort_by(|&a, &b| labels[b].total_cmp(&labels[a]));
    tried.truncate(LABELS_MAX);
    tried
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CheckDigit;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn grammar(rule: TranscriptRule) -> Grammar {
        Grammar::new(&["one", "two"].map(str::to_owned), rule)
    }

    fn any() -> TranscriptRule {
        TranscriptRule { words_min: 0, ..TranscriptRule::default() }
    }

    /// Frames from probabilities of "one", "two" and none.
    fn frames(rows: &[[f64; 3]]) -> LogFrames {
        rows.iter().map(|row| row.iter().map(|p| p.ln()).collect()).collect()
    }

    #[test]
    fn the_search_adds_up_what_all_paths_say() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let rows: Vec<[f64; 3]> = (0..5)
            .map(|_| {
                let row: [f64; 3] = std::array::from_fn(|_| rng.random_range(0.05..1.0));
                row.map(|v| v / row.iter().sum::<f64>())
            })
            .collect();
        let mut sums: BTreeMap<String, f64> = BTreeMap::new();
        for code in 0..3_usize.pow(5) {
            let path: Vec<usize> = (0..5).map(|t| code / 3_usize.pow(t) % 3).collect();
            let p: f64 = path.iter().zip(&rows).map(|(&c, row)| row[c]).product();
            let mut said = path;
            said.dedup();
            said.retain(|&c| c < 2);
            *sums.entry(grammar(any()).text(&said)).or_default() += p;
        }
        let found = readings(&frames(&rows), &grammar(any()));
        assert!(found.len() > 8);
        for reading in &found[..8] {
            assert!((reading.probability - sums[&reading.text]).abs() < 1e-6, "{reading:?}");
        }
        assert!(found.is_sorted_by(|a, b| a.probability >= b.probability));
    }

    /// Three words, the second in doubt.
    fn in_doubt() -> LogFrames {
        let (sure, none) = ([0.98, 0.01, 0.01], [0.005, 0.005, 0.99]);
        frames(&[sure, none, [0.6, 0.39, 0.01], none, sure, none])
    }

    #[test]
    fn only_what_the_line_knows_is_proposed_and_the_rest_is_doubt() {
        let best = |rule| readings(&in_doubt(), &grammar(rule)).into_iter().next();
        assert_eq!(best(any()).unwrap().text, "one one one");
        // Luhn over 1, 2 and a check digit: 1 + 2 · 2 + … only "one two …" can be right among these.
        let phrases = TranscriptRule { phrases: vec!["one two one".into(), "two".into()], ..any() };
        let found = best(phrases).unwrap();
        assert_eq!(found.text, "one two one");
        assert!((0.8..0.97).contains(&found.probability), "{found:?}: what was against the rule is doubt");
        assert_eq!(
            best(TranscriptRule { phrases: vec!["two two two two".into()], ..any() }).map(|r| r.text),
            None
        );
        let checked = TranscriptRule { check: Some(CheckDigit::Luhn), ..any() };
        assert!(readings(&in_doubt(), &grammar(checked.clone())).iter().all(|r| checked.allows(&r.text)));
        let figures = TranscriptRule { numbers: crate::domain::Numbers::Figures, ..any() };
        assert_eq!(best(figures).unwrap().text, "1 1 1");
    }

    #[test]
    fn silence_stays_doubt_where_something_has_to_be_said() {
        let none = frames(&[[0.002, 0.002, 0.996]; 40]);
        assert_eq!(readings(&none, &grammar(any()))[0].text, "");
        let found = readings(&none, &grammar(TranscriptRule::default()));
        assert!(found[0].probability < 0.2, "{found:?}");
        assert!(readings(&LogFrames::new(), &grammar(TranscriptRule::default())).is_empty());
    }
}
