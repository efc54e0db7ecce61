//! The network that a training begins with: its layers, and what its heads say before anything is learnt.

use crate::domain::Task;
use crate::infer::{InputSpec, Model};
use crate::nn::{
    Graph, ITEM_OUTPUT, Op, PIXEL_OUTPUT, Weights, defect_network, event_network, speech_network,
};

/// Logits at the start: defects are rare, and without this the first epoch only learns that.
const PIXEL_PRIOR: f32 = -4.0;
const ITEM_PRIOR: f32 = -2.0;
/// Logit of an item's layer that was not trained: below every cell's.
pub(super) const SILENT: f32 = -30.0;

/// The layers of the model that is begun with, so that all of them fit, with as many outputs as there are
/// classes to show; a new network where there is none, or where it looks at other channels.
pub(super) fn graph_for(task: Task, spec: &InputSpec, shown: usize, init: Option<&Model>) -> Graph {
    let begun = init.map(|init| &init.manifest().graph).filter(|graph| graph.input_channels == spec.planes());
    let network = match task {
        Task::Transcribe => speech_network,
        Task::Defect | Task::Classify if spec.sound.is_some() => event_network,
        Task::Defect | Task::Classify => defect_network,
    };
    let Some(begun) = begun else { return network(spec.planes(), shown) };
    let mut graph = begun.clone();
    for node in &mut graph.nodes {
        if let (true, Op::Conv { out, .. } | Op::Linear { out, .. }) =
            (graph.outputs.values().any(|head| *head == node.name), &mut node.op)
        {
            // Where words are written down, nothing may be said, too.
            *out = shown + usize::from(task == Task::Transcribe);
        }
    }
    graph
}

/// Biases of the two heads before training.
pub(super) fn priors(graph: &Graph, defects: usize) -> Weights {
    [(PIXEL_OUTPUT, PIXEL_PRIOR), (ITEM_OUTPUT, ITEM_PRIOR)]
        .into_iter()
        .filter_map(|(role, bias)| {
            Some((format!("{}.bias", graph.outputs.get(role)?), (vec![defects], vec![bias; defects])))
        })
        .collect()
}

/// The item's layer with nothing to say.
pub(super) fn silence_item(graph: &Graph, weights: &mut Weights) {
    let Some(node) = graph.outputs.get(ITEM_OUTPUT) else { return };
    for (parameter, value) in [("weight", 0.0), ("bias", SILENT)] {
        if let Some((_, values)) = weights.get_mut(&format!("{node}.{parameter}")) {
            values.fill(value);
        }
    }
}
