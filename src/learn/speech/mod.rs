//! Learning to write down what is said: strings of words from takes of single ones, in changing
//! surroundings.
//!
//! A take is any labelled recording, of one word or of several. Takes of one speaker (their group) are
//! joined, so that a network hears strings which nobody has recorded.

mod example;
mod join;
mod settings;
mod sound;
mod strings;

pub(super) use example::{Heard, Spoken, examples, held_out};
pub use settings::SpeechSettings;
pub(super) use settings::choose_speech;
pub use strings::{JoinRange, join_takes};

use crate::domain::{LabelledItem, TranscriptRule};
use crate::media::{Resampler, Sound};
use std::collections::BTreeMap;

/// Joined at this rate: twice what the networks for speech look at.
pub(super) const RATE_HZ: u32 = 8000;

/// A recording to join with others.
pub(super) struct Take {
    pub speaker: String,
    /// At [`RATE_HZ`], one channel.
    pub samples: Vec<f32>,
    /// What is said, as places in the vocabulary.
    pub words: Vec<usize>,
}

impl Take {
    /// Words that are not in the vocabulary are an error.
    pub fn new(
        item: &LabelledItem,
        sound: &Sound,
        vocabulary: &[String],
        rule: &TranscriptRule,
    ) -> Result<Self, String> {
        let truth = rule.truth(&item.label);
        let known = |word: &str| {
            let at = vocabulary.iter().position(|known| known == word);
            at.ok_or_else(|| format!("\"{word}\" is no word of this model"))
        };
        let words = truth.split_whitespace().map(known).collect::<Result<_, _>>()?;
        Ok(Self { speaker: item.group.clone(), samples: at_rate(sound, RATE_HZ), words })
    }
}

/// The mean of the channels at another rate, around zero: where a recording with an offset begins and ends
/// between others, it would click.
fn at_rate(sound: &Sound, rate_hz: u32) -> Vec<f32> {
    let mut mono = sound.mono();
    let offset = mono.iter().sum::<f32>() / mono.len().max(1) as f32;
    for v in &mut mono {
        *v -= offset;
    }
    if sound.rate_hz == rate_hz {
        return mono;
    }
    let mut resampler = Resampler::new(sound.rate_hz, rate_hz, 1);
    let mut out = Vec::new();
    resampler.push(&mono, &mut out);
    // What the last samples still determine.
    resampler.push(&vec![0.0; sound.rate_hz as usize / 50], &mut out);
    out
}

/// Takes by speaker, as a training draws them.
pub(super) struct Speakers<'a> {
    takes: Vec<&'a Take>,
    of: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Speakers<'a> {
    pub fn new(takes: Vec<&'a Take>) -> Self {
        let mut of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, take) in takes.iter().enumerate() {
            of.entry(&take.speaker).or_default().push(at);
        }
        Self { takes, of }
    }

    /// All takes of the speaker of one.
    fn beside(&self, at: usize) -> &[usize] {
        self.of.get(self.takes[at].speaker.as_str()).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests;
