//! Readings → what is said of an item: calibrated probabilities of whole readings, and where each word of
//! the best one was heard, with its doubt.

use super::manifest::{Calibration, Manifest};
use super::readings::{Grammar, Reading, readings};
use super::{Input, Output};
use crate::domain::{Prediction, Probability, Region, Shape, align};
use crate::nn::{FRAME_STRIDE, LogFrames, align_labels};
use std::collections::BTreeMap;

/// Readings that are told apart; the rest is one.
pub(crate) const READINGS_MAX: usize = 8;
/// A word is heard at most so long before and behind the moment at which the network names it.
const REACH_SECS: [f64; 2] = [0.35, 0.25];

/// The likeliest readings and the rest, before calibration.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub readings: Vec<Reading>,
    pub rest: f64,
}

/// What may have been said, by the rule of a line.
pub(crate) fn said(frames: &LogFrames, grammar: &Grammar) -> Said {
    let mut readings = readings(frames, grammar);
    readings.truncate(READINGS_MAX);
    let rest = (1.0 - readings.iter().map(|reading| reading.probability).sum::<f64>()).max(0.0);
    Said { readings, rest }
}

impl Said {
    /// Calibrated: of each reading, then of the rest. A temperature flattens all, and the intercept is ln of
    /// what the rest has beforehand, beside readings that are as sure as can be.
    pub fn probabilities(&self, temperature: f64, intercept: f64) -> (Vec<f64>, f64) {
        let flat = |p: f64| p.max(0.0).powf(1.0 / temperature);
        let weights: Vec<f64> = self.readings.iter().map(|reading| flat(reading.probability)).collect();
        let rest = if self.readings.is_empty() { 1.0 } else { intercept.exp() + flat(self.rest) };
        let sum = weights.iter().sum::<f64>() + rest;
        (weights.iter().map(|weight| weight / sum).collect(), rest / sum)
    }
}

pub(super) fn output(manifest: &Manifest, grammar: &Grammar, frames: &LogFrames, input: &Input) -> Output {
    let Calibration { class_temperature, intercept, .. } = manifest.calibration;
    let said = said(frames, grammar);
    let (shares, rest) = said.probabilities(class_temperature, intercept);
    let named = said.readings.iter().zip(&shares);
    let mut probabilities: BTreeMap<String, Probability> =
        named.map(|(reading, &p)| (reading.text.clone(), Probability::saturating(p))).collect();
    probabilities.insert(Prediction::OTHER.to_owned(), Probability::saturating(rest));
    let hop_secs = manifest.input.sound.as_ref().map_or(0.0, |sound| sound.hop_secs);
    let regions = said.readings.first().map(|best| {
        let doubts = doubts(best, &said.readings, &shares, grammar);
        words(best, &doubts, frames, grammar, hop_secs, input.used[0] as f64 * hop_secs)
    });
    Output {
        probabilities,
        regions: regions.unwrap_or_default(),
        transcript: Some(said.readings.first().map_or_else(String::new, |best| best.text.clone())),
        features: Vec::new(),
        is_weak: false,
    }
}

/// Of each label of the best reading: the share of the readings that do not have it there.
fn doubts(best: &Reading, all: &[Reading], shares: &[f64], grammar: &Grammar) -> Vec<f64> {
    let written = |reading: &Reading| -> Vec<String> {
        reading.labels.iter().map(|&label| grammar.written[label].clone()).collect()
    };
    let truth = written(best);
    let mut agree = vec![0.0; truth.len()];
    for (reading, share) in all.iter().zip(shares) {
        let other = written(reading);
        for step in align(&truth, &other) {
            if let (Some(i), Some(j)) = step
                && truth[i] == other[j]
            {
                agree[i] += share;
            }
        }
    }
    let sum: f64 = shares.iter().sum();
    agree.into_iter().map(|share| (1.0 - share / sum.max(f64::MIN_POSITIVE)).max(0.0)).collect()
}

/// The words of a reading in time. A network of this kind names a word at one moment; its span reaches
/// half way to its neighbours, and not further than words are long.
fn words(
    best: &Reading,
    doubts: &[f64],
    frames: &LogFrames,
    grammar: &Grammar,
    hop_secs: f64,
    end_secs: f64,
) -> Vec<Region> {
    let frame_secs = hop_secs * f64::from(FRAME_STRIDE);
    let Some(places) = align_labels(frames, &best.labels) else { return Vec::new() };
    let moments: Vec<f64> = places.iter().map(|[from, to]| (from + to) as f64 / 2.0 * frame_secs).collect();
    let span = |i: usize| {
        let before = i.checked_sub(1).map_or(0.0, |b| f64::midpoint(moments[b], moments[i]));
        let after = moments.get(i + 1).map_or(end_secs, |next| f64::midpoint(moments[i], *next));
        let from = (moments[i] - REACH_SECS[0]).max(before);
        [from, (moments[i] + REACH_SECS[1]).min(after).min(end_secs).max(from)]
    };
    let region = |(i, &label): (usize, &usize)| {
        // What no path through the word's own moment says, it is not.
        let seen = places[i][0]..places[i][1];
        let sure = frames[seen].iter().map(|frame| frame[label].exp()).fold(0.0, f64::max);
        Region {
            class: grammar.written[label].clone(),
            shape: Shape::Span { span_secs: span(i), band_hz: None },
            score: Some(Probability::saturating(doubts[i].max(1.0 - sure))),
        }
    };
    let spoken = best.labels.iter().enumerate().filter(|(_, label)| !grammar.written[**label].is_empty());
    spoken.map(region).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_keeps_the_order_and_leaves_room_for_the_rest() {
        let reading = |text: &str, probability| Reading { text: text.into(), probability, labels: vec![] };
        let said = Said { readings: vec![reading("one", 0.9), reading("two", 0.06)], rest: 0.04 };
        let (plain, rest) = said.probabilities(1.0, -40.0);
        assert!(
            (plain[0] - 0.9).abs() < 1e-9 && (plain[1] - 0.06).abs() < 1e-9 && (rest - 0.04).abs() < 1e-9
        );
        let (flat, rest) = said.probabilities(2.0, -2.0);
        assert!(flat[0] > flat[1] && flat[0] < 0.65 && rest > 0.2);
        assert!((flat.iter().sum::<f64>() + rest - 1.0).abs() < 1e-12);
        let (none, rest) = Said { readings: vec![], rest: 1.0 }.probabilities(1.0, -40.0);
        assert_eq!((none.len(), rest), (0, 1.0));
    }
}
