//! The network over all windows of a sound: what each moment says, as logarithms of probabilities.

use super::manifest::InputSpec;
use super::regions::fill_tile;
use super::{InferError, Input, normalisation};
use crate::nn::{FRAME_OUTPUT, FRAME_STRIDE, LogFrames, Plan, PlanInput, PlanOutputs, log_softmax};

/// Runs a network that writes down what is said over every window of an item, on up to so many threads.
/// Where two windows overlap each gives its half, so that no frame stands at the end of what was seen.
pub fn frame_scores(
    plan: &Plan,
    spec: &InputSpec,
    input: &Input,
    threads: usize,
) -> Result<LogFrames, InferError> {
    let stride = FRAME_STRIDE as usize;
    let tables: Vec<[f32; 256]> = (0..spec.planes()).map(|plane| normalisation(spec, plane)).collect();
    let mut frames: LogFrames = Vec::new();
    for &(left, top) in &input.tiles {
        let fill = |values: &mut PlanInput<'_>| fill_tile(values, &tables, spec, input, (left, top));
        let read = |outputs: &PlanOutputs<'_>| {
            let output = outputs.get(FRAME_OUTPUT)?;
            Some(log_softmax(output.values, output.shape.channels))
        };
        let missing = || InferError::Manifest("the graph lacks its output of frames".to_owned());
        let seen = plan.run(threads, fill, read).ok_or_else(missing)?;
        let first = left / stride;
        let keep = usize::midpoint(first, frames.len()).max(first).min(frames.len());
        frames.truncate(keep);
        frames.extend(seen.into_iter().skip(keep - first));
    }
    frames.truncate(input.used[0].div_ceil(stride));
    Ok(frames)
}
