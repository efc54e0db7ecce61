//! Batch norm folded into the convolution before it, for every form of a network that only
//! predicts.

use super::graph::Op;
use super::norm::EPSILON;
use super::{NnError, Weights};

/// What is left of a convolution or linear layer.
pub(super) struct Folded {
    /// In the shape of the layer's own.
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// `None` for layers without weights. The weights have been checked against the graph.
pub(super) fn folded(name: &str, op: &Op, weights: &Weights) -> Result<Option<Folded>, NnError> {
    let get = |suffix: &str| {
        let full = format!("{name}.{suffix}");
        let found = weights.get(&full).map(|(_, values)| values);
        found.ok_or_else(|| NnError::Weights(format!("no tensor \"{full}\"")))
    };
    match *op {
        Op::Conv { out, bn: true, .. } => {
            let mut weight = get("weight")?.clone();
            let (scale, shift, mean, var) = (get("scale")?, get("shift")?, get("mean")?, get("var")?);
            let mut bias = Vec::with_capacity(out);
            let patch = weight.len() / out.max(1);
            for (channel, row) in weight.chunks_exact_mut(patch.max(1)).enumerate() {
                let factor = scale[channel] / (var[channel] + EPSILON).sqrt();
                for w in row {
                    *w *= factor;
                }
                bias.push(shift[channel] - mean[channel] * factor);
            }
            Ok(Some(Folded { weight, bias }))
        }
        Op::Conv { .. } | Op::Linear { .. } => {
            Ok(Some(Folded { weight: get("weight")?.clone(), bias: get("bias")?.clone() }))
        }
        Op::Add { .. } | Op::Upsample2 | Op::Concat | Op::GlobalPool => Ok(None),
    }
}
