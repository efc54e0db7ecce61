//! How a line writes down what is said, which words and check digits it knows, and how far apart two
//! transcripts are.
//!
//! People write the same sentence in many ways. Everything that compares transcripts compares them
//! after [`TranscriptRule::normalise`], so that nobody is wrong for a capital letter.

use super::{Label, LabelStatus, Region, Shape};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Longest transcript, in words: a clip is a sentence or a serial number, not a speech.
const WORDS_MAX: usize = 4096;
/// Symbols of serial numbers, in the order of their value.
const SYMBOLS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// How numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Numbers {
    /// Digit by digit in words.
    #[default]
    Words,
    /// Digit by digit in figures.
    Figures,
    AsWritten,
}

/// What the last symbol of a serial number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckDigit {
    /// Digits, Luhn's sum modulo 10 (ISO/IEC 7812-1, annex B).
    Luhn,
    /// Digits and letters, the same sum modulo 36.
    #[serde(rename = "luhn-36")]
    Luhn36,
    /// Digits with weights 2, 3, … from the right, modulo 11; the last is 0 to 9, or X for 10, as in ISBN-10.
    #[serde(rename = "mod-11")]
    Mod11,
}

/// The line's convention for transcripts, and what can be said on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TranscriptRule {
    /// All that can be said; empty: whatever the model knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// Where not empty, an item says exactly one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phrases: Vec<String>,
    /// Words of one item.
    pub words_min: usize,
    pub words_max: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckDigit>,
    /// Whether capital letters mean something.
    pub capitals: bool,
    /// Whether punctuation does.
    pub punctuation: bool,
    pub numbers: Numbers,
    /// The names of 0 to 9.
    pub digits: [String; 10],
    /// Left out.
    pub fillers: Vec<String>,
    /// What is heard but not said, written in brackets: `[cough]`.
    pub noises: Vec<String>,
    /// Other ways to say a word: `oh = "zero"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub same: BTreeMap<String, String>,
}

fn strings<const N: usize>(words: [&str; N]) -> [String; N] {
    words.map(str::to_owned)
}

impl Default for TranscriptRule {
    fn default() -> Self {
        Self {
            words: Vec::new(),
            phrases: Vec::new(),
            words_min: 1,
            words_max: 64,
            check: None,
            capitals: false,
            punctuation: false,
            numbers: Numbers::Words,
            digits: strings(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]),
            fillers: strings(["uh", "um", "er", "ah", "hm", "mm"]).to_vec(),
            noises: strings(["noise", "cough", "unclear"]).to_vec(),
            same: BTreeMap::new(),
        }
    }
}

/// What is against the convention in a transcript, or changed by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Is left out.
    Filler(String),
    /// Is written in another way: as said, as the convention has it.
    Written(String, String),
    /// Cannot be said on this line.
    UnknownWord(String),
    UnknownNoise(String),
    TooFew {
        words: usize,
        least: usize,
    },
    TooMany {
        words: usize,
        most: usize,
    },
    /// None of the line's phrases.
    NoPhrase,
    WrongCheckDigit,
}

impl Finding {
    /// Whether the transcript cannot be right as it stands; else it is only written differently.
    #[must_use]
    pub const fn is_wrong(&self) -> bool {
        !matches!(self, Self::Filler(_) | Self::Written(..))
    }
}

impl TranscriptRule {
    /// The transcript in the convention: one space between words, fillers left out, numbers, case and
    /// punctuation as the line has them.
    #[must_use]
    pub fn normalise(&self, text: &str) -> String {
        let mut words: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            words.extend(self.written(word));
        }
        words.join(" ")
    }

    /// What a label says was said. A class is a transcript of one word, so that single words may be
    /// labelled by their names; words with their places are one in the order of time.
    #[must_use]
    pub fn truth(&self, label: &Label) -> String {
        let class = label.class.as_deref().filter(|class| *class != Label::GOOD);
        let text = label.transcript.as_deref().or(class);
        text.map_or_else(|| self.normalise(&placed_words(label)), |text| self.normalise(text))
    }

    /// The words of it, each once; none before people agree.
    #[must_use]
    pub fn words_of(&self, label: &Label) -> BTreeSet<String> {
        let truth = match label.status {
            LabelStatus::Confirmed => self.truth(label),
            LabelStatus::CannotTell | LabelStatus::BadInput | LabelStatus::Disputed => String::new(),
        };
        truth.split_whitespace().map(str::to_owned).collect()
    }

    /// The same convention where anything can be said.
    #[must_use]
    pub fn convention(&self) -> Self {
        Self {
            words: Vec::new(),
            phrases: Vec::new(),
            words_min: 0,
            words_max: WORDS_MAX,
            check: None,
            ..self.clone()
        }
    }

    /// One written word in the convention: none where it is left out, several where it is a number.
    fn written(&self, word: &str) -> Vec<String> {
        if is_noise(word) {
            return vec![word.to_lowercase()];
        }
        let cased = if self.capitals { word.to_owned() } else { word.to_lowercase() };
        let bare = if self.punctuation { cased } else { without_punctuation(&cased) };
        let bare = self.same.get(&bare).cloned().unwrap_or(bare);
        if bare.is_empty() || self.fillers.contains(&bare) {
            return Vec::new();
        }
        let is_figures = bare.bytes().all(|byte| byte.is_ascii_digit());
        match self.numbers {
            Numbers::Words if is_figures => {
                bare.bytes().map(|byte| self.digits[usize::from(byte - b'0')].clone()).collect()
            }
            Numbers::Figures if is_figures => bare.chars().map(String::from).collect(),
            Numbers::Figures => match self.digits.iter().position(|name| *name == bare) {
                Some(digit) => vec![digit.to_string()],
                None => vec![bare],
            },
            Numbers::Words | Numbers::AsWritten => vec![bare],
        }
    }

    /// Whether a word, or a noise in brackets, may stand in a transcript; in the convention.
    #[must_use]
    pub fn knows(&self, word: &str) -> bool {
        if is_noise(word) {
            return self.noises.iter().any(|known| word == format!("[{known}]"));
        }
        self.words.is_empty() || self.words.iter().any(|known| known == word)
    }

    /// Whether this can be said on the line; of a text in the convention.
    #[must_use]
    pub fn allows(&self, text: &str) -> bool {
        self.wrong(text).is_empty()
    }

    /// Whether what can be said begins with these words.
    #[must_use]
    pub fn may_begin(&self, words: &[&str]) -> bool {
        let begins = |phrase: &String| {
            let normal = self.normalise(phrase);
            let mut rest = normal.split(' ');
            words.iter().all(|word| rest.next() == Some(word))
        };
        words.len() <= self.words_max
            && words.iter().all(|word| self.knows(word))
            && (self.phrases.is_empty() || self.phrases.iter().any(begins))
    }

    /// What a person should see while writing: what the convention changes, and what cannot be right.
    #[must_use]
    pub fn findings(&self, text: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        for word in text.split_whitespace() {
            let written = self.written(word);
            if written.is_empty() {
                found.push(Finding::Filler(word.to_owned()));
            } else if written != [word] {
                found.push(Finding::Written(word.to_owned(), written.join(" ")));
            }
        }
        found.extend(self.wrong(&self.normalise(text)));
        found
    }

    /// What cannot be right in a text in the convention.
    fn wrong(&self, text: &str) -> Vec<Finding> {
        let (noises, said): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(|word| is_noise(word));
        let mut found: Vec<Finding> = noises
            .into_iter()
            .filter(|noise| !self.knows(noise))
            .map(|noise| Finding::UnknownNoise(noise.to_owned()))
            .collect();
        let unknown = said.iter().filter(|word| !self.knows(word));
        found.extend(unknown.map(|word| Finding::UnknownWord((*word).to_owned())));
        let words = said.len();
        if words < self.words_min {
            found.push(Finding::TooFew { words, least: self.words_min });
        }
        if words > self.words_max {
            found.push(Finding::TooMany { words, most: self.words_max });
        }
        let said = said.join(" ");
        if !self.phrases.is_empty() && !self.phrases.iter().any(|phrase| self.normalise(phrase) == said) {
            found.push(Finding::NoPhrase);
        }
        if self.check.is_some_and(|check| self.serial(&said).is_none_or(|serial| !check.holds(&serial))) {
            found.push(Finding::WrongCheckDigit);
        }
        found
    }

    /// The values of the symbols that are said: digits by name or figure, letters by themselves. `None` where
    /// another word is among them.
    fn serial(&self, text: &str) -> Option<Vec<u32>> {
        let value = |word: &str| {
            let named = self.digits.iter().position(|name| name == word);
            let mut letters = word.chars();
            let symbol = || match (letters.next(), letters.next()) {
                (Some(letter), None) => SYMBOLS.find(letter.to_ascii_uppercase()),
                _ => None,
            };
            named.or_else(symbol).and_then(|value| u32::try_from(value).ok())
        };
        text.split_whitespace().map(value).collect()
    }

    /// What a plan must not say.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.words_min > self.words_max || self.words_max > WORDS_MAX {
            return Err(format!(
                "transcript.words_min {} and words_max {}: in order, and at most {WORDS_MAX}",
                self.words_min, self.words_max
            ));
        }
        if self.digits.iter().any(|name| name.trim().is_empty()) {
            return Err("transcript.digits: each of 0 to 9 needs a name".to_owned());
        }
        for word in self.words.iter().chain(&self.fillers) {
            if word.trim().is_empty() || word.contains(char::is_whitespace) {
                return Err(format!("transcript: \"{word}\" is not one word"));
            }
        }
        // A word that its own convention writes differently could never be said.
        for word in &self.words {
            let normal = self.normalise(word);
            if normal != *word {
                return Err(format!(
                    "transcript.words: \"{word}\" is written \"{normal}\" by this convention"
                ));
            }
        }
        Ok(())
    }
}

impl CheckDigit {
    /// Whether the last symbol agrees with those before it.
    #[must_use]
    pub fn holds(self, symbols: &[u32]) -> bool {
        let Some((&last, before)) = symbols.split_last().filter(|(_, before)| !before.is_empty()) else {
            return false;
        };
        let digits = |most: u32| before.iter().all(|&symbol| symbol <= most);
        match self {
            Self::Luhn => digits(9) && last <= 9 && luhn(before, 10) == last,
            Self::Luhn36 => digits(35) && last <= 35 && luhn(before, 36) == last,
            Self::Mod11 => {
                let sum: u32 = (2..).zip(before.iter().rev()).map(|(weight, &digit)| weight * digit).sum();
                let wanted = (11 - sum % 11) % 11;
                let shown = if wanted == 10 {
                    SYMBOLS.find('X').and_then(|x| u32::try_from(x).ok()).unwrap_or(wanted)
                } else {
                    wanted
                };
                digits(9) && last == shown
            }
        }
    }
}

/// Luhn's check symbol: every second one from the right is doubled, and its digits in this base added.
fn luhn(before: &[u32], base: u32) -> u32 {
    let doubled = |(i, &symbol): (usize, &u32)| {
        let value = if i % 2 == 0 { symbol * 2 } else { symbol };
        value / base + value % base
    };
    let sum: u32 = before.iter().rev().enumerate().map(doubled).sum();
    (base - sum % base) % base
}

fn is_noise(word: &str) -> bool {
    word.len() > 2 && word.starts_with('[') && word.ends_with(']')
}

/// The classes of stretches of time, in their order.
fn placed_words(label: &Label) -> String {
    let start = |region: &Region| match region.shape {
        Shape::Span { span_secs: [start, _], .. } if region.class != Label::GOOD => Some(start),
        _ => None,
    };
    let mut words: Vec<(f64, &str)> =
        label.regions.iter().filter_map(|region| Some((start(region)?, region.class.as_str()))).collect();
    words.sort_by(|a, b| a.0.total_cmp(&b.0));
    words.into_iter().map(|(_, word)| word).collect::<Vec<_>>().join(" ")
}

/// Marks go; apostrophes and hyphens stay inside a word.
fn without_punctuation(word: &str) -> String {
    let joins = |c: char| matches!(c, '\'' | '’' | '-');
    let kept: String = word.chars().filter(|&c| c.is_alphanumeric() || joins(c)).collect();
    kept.trim_matches(joins).to_owned()
}

/// What it takes to make one sequence of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    pub substituted: usize,
    pub inserted: usize,
    pub deleted: usize,
    /// Length of the true sequence.
    pub of: usize,
}

impl Edits {
    #[must_use]
    pub const fn errors(&self) -> usize {
        self.substituted + self.inserted + self.deleted
    }

    /// Errors for each true word or character; with none of these the errors themselves.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.errors() as f64 / self.of.max(1) as f64
    }
}

impl std::ops::AddAssign for Edits {
    fn add_assign(&mut self, other: Self) {
        self.substituted += other.substituted;
        self.inserted += other.inserted;
        self.deleted += other.deleted;
        self.of += other.of;
    }
}

/// One step of an alignment: places in the true and in the other sequence.
pub type Aligned = (Option<usize>, Option<usize>);

/// The shortest way from `truth` to `other` (Levenshtein); among equally short ones substitutions come
/// before deletions, and those before insertions.
#[must_use]
pub fn align<T: PartialEq>(truth: &[T], other: &[T]) -> Vec<Aligned> {
    let width = other.len() + 1;
    let mut cost = vec![0_usize; (truth.len() + 1) * width];
    for i in 0..=truth.len() {
        for j in 0..width {
            cost[i * width + j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let swap = cost[(i - 1) * width + j - 1] + usize::from(truth[i - 1] != other[j - 1]);
                    swap.min(cost[(i - 1) * width + j] + 1).min(cost[i * width + j - 1] + 1)
                }
            };
        }
    }
    let (mut i, mut j) = (truth.len(), other.len());
    let mut path = Vec::with_capacity(i.max(j));
    while i > 0 || j > 0 {
        let here = cost[i * width + j];
        let swaps = i > 0
            && j > 0
            && here == cost[(i - 1) * width + j - 1] + usize::from(truth[i - 1] != other[j - 1]);
        if swaps {
            (i, j) = (i - 1, j - 1);
            path.push((Some(i), Some(j)));
        } else if i > 0 && here == cost[(i - 1) * width + j] + 1 {
            i -= 1;
            path.push((Some(i), None));
        } else {
            j -= 1;
            path.push((None, Some(j)));
        }
    }
    path.reverse();
    path
}

fn edits<T: PartialEq>(truth: &[T], other: &[T]) -> Edits {
    let mut found = Edits { of: truth.len(), ..Edits::default() };
    for step in align(truth, other) {
        match step {
            (Some(i), Some(j)) => found.substituted += usize::from(truth[i] != other[j]),
            (Some(_), None) => found.deleted += 1,
            (None, _) => found.inserted += 1,
        }
    }
    found
}

/// Errors in words, of two texts in one convention.
#[must_use]
pub fn word_edits(truth: &str, other: &str) -> Edits {
    edits(&words(truth), &words(other))
}

/// Errors in characters, spaces between words among them.
#[must_use]
pub fn character_edits(truth: &str, other: &str) -> Edits {
    let characters = |text: &str| words(text).join(" ").chars().collect::<Vec<char>>();
    edits(&characters(truth), &characters(other))
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digits_only() -> TranscriptRule {
        let rule = TranscriptRule::default();
        TranscriptRule { words: rule.digits.to_vec(), check: Some(CheckDigit::Luhn), ..rule }
    }

    #[test]
    fn one_convention_for_all_ways_of_writing() {
        let rule = TranscriptRule {
            same: BTreeMap::from([("oh".into(), "zero".into())]),
            ..TranscriptRule::default()
        };
        for text in ["Four two, uh, oh.", "four  TWO zero", "42 0", " um four-  2 0 "] {
            assert_eq!(rule.normalise(text), "four two zero", "{text}");
        }
        assert_eq!(rule.normalise("Don't [Cough] re-work!"), "don't [cough] re-work");
        let figures = TranscriptRule { numbers: Numbers::Figures, ..rule };
        assert_eq!(figures.normalise("four two A 17"), "4 2 a 1 7");
    }

    #[test]
    fn what_cannot_be_right_is_named() {
        let rule = digits_only();
        // The published example of Luhn's sum: 7992739871 and its check digit 3.
        assert_eq!(rule.findings("seven nine nine two seven three nine eight seven one three"), []);
        assert_eq!(
            rule.findings("seven nine nine two seven three nine eight seven one four"),
            [Finding::WrongCheckDigit]
        );
        assert_eq!(
            rule.findings("uh 18 hello [bark]"),
            [
                Finding::Filler("uh".into()),
                Finding::Written("18".into(), "one eight".into()),
                Finding::UnknownNoise("[bark]".into()),
                Finding::UnknownWord("hello".into()),
                Finding::WrongCheckDigit,
            ]
        );
        let phrases = TranscriptRule { phrases: vec!["Stop the line".into()], ..TranscriptRule::default() };
        assert!(phrases.allows("stop the line") && !phrases.allows("stop the"));
        assert!(phrases.may_begin(&["stop", "the"]) && !phrases.may_begin(&["the"]));
    }

    #[test]
    fn check_digits_agree_with_published_numbers() {
        let symbols =
            |text: &str| -> Vec<u32> { text.chars().map(|c| SYMBOLS.find(c).unwrap() as u32).collect() };
        for (check, text) in [
            (CheckDigit::Luhn, "79927398713"),
            (CheckDigit::Luhn, "4539319503436467"),
            (CheckDigit::Mod11, "0306406152"),
            (CheckDigit::Mod11, "080442957X"),
        ] {
            let mut symbols = symbols(text);
            assert!(check.holds(&symbols), "{text}");
            // Any single wrong digit shows.
            symbols[3] = (symbols[3] + 1) % 10;
            assert!(!check.holds(&symbols), "{text}");
        }
        assert!(!CheckDigit::Luhn.holds(&[0]) && !CheckDigit::Luhn.holds(&[]));
    }

    #[test]
    fn errors_are_counted_as_the_field_counts_them() {
        let found = word_edits("one two three four", "one too three four five");
        assert_eq!((found.substituted, found.inserted, found.deleted, found.of), (1, 1, 0, 4));
        assert_eq!(found.rate(), 0.5);
        assert_eq!(word_edits("", "one").rate(), 1.0);
        assert_eq!(character_edits("one two", "one  to").errors(), 1);
        assert_eq!(align(&["a", "b"], &["b"]), [(Some(0), None), (Some(1), Some(0))]);
    }

    proptest! {
        #[test]
        fn edits_are_a_distance(a in "[ab ]{0,8}", b in "[ab ]{0,8}", c in "[ab ]{0,8}") {
            let far = |x: &str, y: &str| word_edits(x, y).errors();
            prop_assert_eq!(far(&a, &a), 0);
            prop_assert_eq!(far(&a, &b), far(&b, &a));
            prop_assert!(far(&a, &c) <= far(&a, &b) + far(&b, &c));
        }

        #[test]
        fn the_convention_is_its_own_convention(text in "\\PC{0,40}") {
            for numbers in [Numbers::Words, Numbers::Figures, Numbers::AsWritten] {
                let rule = TranscriptRule { numbers, ..TranscriptRule::default() };
                let once = rule.normalise(&text);
                prop_assert_eq!(rule.normalise(&once), once);
            }
        }
    }
}
