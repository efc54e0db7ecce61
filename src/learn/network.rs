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
/// classes to show; a new network where there is none, where it is for another task, or where it looks at
/// other channels, unless its first weights are made to fit (`transfer`).
pub(super) fn graph_for(
    task: Task,
    spec: &InputSpec,
    shown: usize,
    init: Option<&Model>,
    transfer: bool,
) -> Graph {
    let network = match task {
        Task::Transcribe => speech_network,
        Task::Defect | Task::Classify if spec.sound.is_some() => event_network,
        Task::Defect | Task::Classify => defect_network,
    };
    let new = network(spec.planes(), shown);
    let fits = |graph: &&Graph| {
        let channels = transfer || graph.input_channels == new.input_channels;
        channels && graph.outputs.keys().eq(new.outputs.keys())
    };
    let Some(begun) = init.map(|init| &init.manifest().graph).filter(fits) else { return new };
    let mut graph = Graph { input_channels: new.input_channels, ..begun.clone() };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::shipped;

    #[test]
    fn a_model_of_other_goods_gives_its_layers_for_other_channels_and_classes() {
        let init = shipped("photographs").unwrap();
        let own = &init.manifest().graph;
        let spec = InputSpec {
            channels: 1,
            mean: vec![0.5],
            std: vec![0.165],
            local_px: 12,
            ..init.manifest().input.clone()
        };
        let graph = graph_for(Task::Defect, &spec, 5, Some(&init), true);
        let names = |graph: &Graph| graph.nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
        assert_eq!((graph.input_channels, names(&graph)), (2, names(own)));
        let channels = graph.channels().unwrap();
        assert!([PIXEL_OUTPUT, ITEM_OUTPUT].iter().all(|role| channels[graph.outputs[*role].as_str()] == 5));
        // What is not made to fit begins anew.
        assert_eq!(graph_for(Task::Defect, &spec, 5, Some(&init), false), defect_network(2, 5));
    }
}
