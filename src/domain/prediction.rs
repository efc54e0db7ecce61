//! What one model version says of one item.

use super::{InputStats, Plan, Probability, Region, Route, Shape};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One version of a model: its name and the BLAKE3 of its package (manifest and weights).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRef {
    pub name: String,
    pub hash: String,
}

/// Milliseconds spent in each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    pub decode_ms: f64,
    pub prepare_ms: f64,
    pub network_ms: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    pub model: ModelRef,
    /// Calibrated, adding up to 1: one entry for each class of the model. On lines that write down what is
    /// said one for each of the likeliest readings, and [`Prediction::OTHER`] for all the rest.
    pub probabilities: BTreeMap<String, Probability>,
    /// With scores on the same scale as the defect probability.
    pub regions: Vec<Region>,
    /// The best reading, in the line's convention; empty where nothing was said, or nothing that the line
    /// allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    pub timing: Timing,
    /// What the picture measures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<InputStats>,
    /// A summary of the network's deepest features; empty where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<f32>,
}

impl Prediction {
    /// What is said is none of the readings that are named. No word is written so: it is punctuation alone.
    pub const OTHER: &'static str = "…";

    /// The most probable class (the first in the alphabet among equals), or the best reading.
    #[must_use]
    pub fn label(&self) -> &str {
        if let Some(reading) = &self.transcript {
            return reading;
        }
        let mut best: Option<(&str, Probability)> = None;
        for (class, &p) in &self.probabilities {
            if best.is_none_or(|(_, top)| p > top) {
                best = Some((class, p));
            }
        }
        best.map_or("", |(class, _)| class)
    }

    /// Probability of that class or reading; of a reading that is not named 0.
    #[must_use]
    pub fn confidence(&self) -> Probability {
        self.probabilities.get(self.label()).copied().unwrap_or(Probability::ZERO)
    }

    /// Words a second, from the first to the end of the last; `None` where no word has a place.
    #[must_use]
    pub fn speaking_rate(&self) -> Option<f64> {
        self.transcript.as_ref()?;
        let spans: Vec<[f64; 2]> = self
            .regions
            .iter()
            .filter_map(|region| match region.shape {
                Shape::Span { span_secs, .. } => Some(span_secs),
                _ => None,
            })
            .collect();
        let first = spans.iter().map(|span| span[0]).fold(f64::INFINITY, f64::min);
        let last = spans.iter().map(|span| span[1]).fold(f64::NEG_INFINITY, f64::max);
        (last > first).then(|| spans.len() as f64 / (last - first))
    }

    /// Probability that it is wrong.
    #[must_use]
    pub fn doubt(&self) -> Probability {
        Probability::saturating(1.0 - self.confidence().get())
    }

    /// Probability of a class that the plan diverts. A class that the plan does not know
    /// counts as diverted: what nobody decided about never passes.
    #[must_use]
    pub fn divert_probability(&self, plan: &Plan) -> Probability {
        let pass: f64 = self
            .probabilities
            .iter()
            .filter(|(class, _)| plan.route(class) == Some(Route::Pass))
            .map(|(_, p)| p.get())
            .sum();
        Probability::saturating(1.0 - pass)
    }
}
