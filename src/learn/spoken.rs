//! How good a network is that writes down what is said, on strings that its training did not hear; and what
//! its probabilities are worth.

use super::speech::{Heard, Speakers, Take, held_out};
use super::{LearnError, TrainSettings};
use crate::domain::{Edits, word_edits};
use crate::infer::{Calibration, Grammar, InputSpec, Naming, Said, frame_scores, said};
use crate::nn::Plan;
use rayon::prelude::*;

/// Pulls the temperature towards 1, in strings' worth of evidence.
const TEMPERATURE_RIDGE: f64 = 1.0;
/// ln of what lies beside all readings: from hardly anything to as much as the best one.
const REST_LEAST: f64 = -10.0;

/// What a training of speech has beside its samples.
pub(super) struct Speech<'a> {
    pub speakers: Speakers<'a>,
    held: Vec<Heard>,
    grammar: Grammar,
}

impl<'a> Speech<'a> {
    pub fn new(
        [train, validation]: [Vec<&'a Take>; 2],
        words: &[String],
        spec: &InputSpec,
        settings: &TrainSettings,
    ) -> Result<Self, LearnError> {
        let grammar = Grammar::new(words, settings.convention());
        let speech = settings.speech.clone().unwrap_or_default();
        let held = held_out(&Speakers::new(validation), spec, &grammar, &speech, settings.seed)?;
        Ok(Self { speakers: Speakers::new(train), held, grammar })
    }

    fn said(&self, plan: &Plan, spec: &InputSpec) -> Result<Vec<(Said, &str)>, LearnError> {
        self.held
            .par_iter()
            .map(|heard| Ok((said(&frame_scores(plan, spec, &heard.input, 1)?, &self.grammar), &*heard.text)))
            .collect()
    }

    /// 1 − the word error rate.
    pub fn score(&self, plan: &Plan, spec: &InputSpec) -> Result<f64, LearnError> {
        let mut edits = Edits::default();
        for (said, truth) in self.said(plan, spec)? {
            edits += word_edits(truth, said.readings.first().map_or("", |best| &best.text));
        }
        Ok(1.0 - edits.rate())
    }

    pub fn calibration(&self, plan: &Plan, spec: &InputSpec) -> Result<Calibration, LearnError> {
        let (class_temperature, intercept) = fit(&self.said(plan, spec)?);
        Ok(Calibration { slope: 1.0, intercept, class_temperature, naming: Naming::Item })
    }
}

/// Temperature and intercept under which the true readings are likeliest; one that is not among those told
/// apart is the rest.
fn fit(items: &[(Said, &str)]) -> (f64, f64) {
    let loss = |temperature: f64, intercept: f64| -> f64 {
        let unlikeliness = items.iter().map(|(said, truth)| {
            let (shares, rest) = said.probabilities(temperature, intercept);
            let at = said.readings.iter().position(|reading| reading.text == *truth);
            -at.map_or(rest, |at| shares[at]).max(1e-12).ln()
        });
        unlikeliness.sum::<f64>() + TEMPERATURE_RIDGE * temperature.ln().powi(2)
    };
    let temperatures = (-10..=20).map(|i| 1.12_f64.powi(i));
    let pairs = temperatures.flat_map(|t| (0..=40).map(move |i| (t, REST_LEAST + 0.25 * f64::from(i))));
    let best = pairs.map(|(t, b)| (loss(t, b), t, b)).min_by(|x, y| x.0.total_cmp(&y.0));
    best.map_or((1.0, REST_LEAST), |(_, t, b)| (t, b))
}
