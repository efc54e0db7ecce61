//! Tests of the ONNX export against values that onnxruntime once gave for the very same bytes.

use super::graph::{Act, Extent, Graph, Node, Op, Shape3};
use super::onnx::{onnx_model, to_onnx};
use super::{NnError, Plan, PlanOutputs, Weights};
use prost::Message;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;

/// Odd, so that strides meet both odd and even sizes on the way down.
const HEIGHT: usize = 15;
const WIDTH: usize = 23;
/// Largest difference, relative to the largest value of the output.
const TOLERANCE: f32 = 1e-4;

/// What `scripts/check_onnx.py reference` printed.
#[derive(Deserialize)]
struct Reference {
    onnx_blake3: String,
    outputs: BTreeMap<String, Values>,
}

#[derive(Deserialize)]
struct Values {
    shape: [usize; 4],
    values: Vec<f32>,
}

/// The same numbers for ever, from −1 to 1; no generator's next version may change them.
fn noise(mut state: u32, count: usize) -> Vec<f32> {
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn input(graph: &Graph) -> Vec<f32> {
    noise(7, graph.input_channels * HEIGHT * WIDTH)
}

fn weights(graph: &Graph) -> Weights {
    let specs = graph.weights().unwrap();
    let tensor = |(seed, spec): (u32, super::WeightSpec)| {
        let count: usize = spec.shape.iter().product();
        let inputs: usize = spec.shape.iter().skip(1).product();
        let tame = |v: f32| match spec.name.rsplit('.').next() {
            Some("var" | "scale") => 1.0 + v / 2.0,
            // Keeps the values of all layers near 1.
            Some("weight") => v * (3.0 / inputs as f32).sqrt(),
            _ => v,
        };
        (spec.name.clone(), (spec.shape, noise(seed, count).into_iter().map(tame).collect()))
    };
    (100..).zip(specs).map(tensor).collect()
}

fn graph(input_channels: usize, layers: &[(&str, Op, &[&str])]) -> Graph {
    let node = |(name, op, inputs): &(&str, Op, &[&str])| Node {
        name: (*name).to_owned(),
        op: op.clone(),
        inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
    };
    let outputs = [("pixels", "pixel_head"), ("item", "item_head")];
    Graph {
        input_channels,
        nodes: layers.iter().map(node).collect(),
        outputs: outputs.map(|(role, layer)| (role.to_owned(), layer.to_owned())).into(),
    }
}

fn conv(out: usize, kernel: [usize; 2], stride: [usize; 2], groups: usize, bn: bool, act: Act) -> Op {
    let extent = |[y, x]: [usize; 2]| Extent { y, x };
    Op::Conv { out, kernel: extent(kernel), stride: extent(stride), groups, bn, act }
}

/// Every operation, with square kernels and all channels together.
fn plain() -> Graph {
    let square = |out, kernel, stride, bn, act| conv(out, [kernel; 2], [stride; 2], 1, bn, act);
    graph(
        3,
        &[
            ("stem", square(6, 3, 2, true, Act::Relu), &["input"]),
            ("side", square(6, 5, 1, true, Act::None), &["stem"]),
            ("two", Op::Add { act: Act::Relu }, &["stem", "side"]),
            ("three", Op::Add { act: Act::None }, &["stem", "side", "two"]),
            ("half", square(5, 3, 2, false, Act::Relu), &["three"]),
            ("doubled", Op::Upsample2, &["half"]),
            ("joined", Op::Concat, &["doubled", "three"]),
            ("pixel_head", square(2, 1, 1, false, Act::None), &["joined"]),
            ("far", square(7, 7, 3, true, Act::None), &["half"]),
            ("pool", Op::GlobalPool, &["far"]),
            ("hidden", Op::Linear { out: 9, act: Act::Relu }, &["pool"]),
            ("item_head", Op::Linear { out: 2, act: Act::None }, &["hidden"]),
        ],
    )
}

/// Groups, depthwise convolutions, kernels and strides along one axis.
fn grouped() -> Graph {
    graph(
        4,
        &[
            ("stem", conv(8, [3, 3], [2, 2], 2, true, Act::Relu), &["input"]),
            ("depthwise", conv(8, [5, 5], [1, 1], 8, true, Act::Relu), &["stem"]),
            ("row", conv(6, [1, 9], [1, 1], 1, true, Act::Relu), &["depthwise"]),
            ("column", conv(9, [7, 1], [3, 1], 3, false, Act::None), &["row"]),
            ("wider", conv(16, [3, 3], [1, 2], 8, true, Act::Relu6), &["depthwise"]),
            ("pixel_head", conv(3, [1, 1], [1, 1], 1, false, Act::None), &["wider"]),
            ("pool", Op::GlobalPool, &["column"]),
            ("item_head", Op::Linear { out: 3, act: Act::None }, &["pool"]),
        ],
    )
}

/// The one place that asks the inference plan.
fn planned(graph: &Graph, weights: &Weights) -> BTreeMap<String, (Shape3, Vec<f32>)> {
    let plan = Plan::new(graph, weights, HEIGHT, WIDTH).unwrap();
    let read = |outputs: &PlanOutputs<'_>| {
        let owned = |role: &String| outputs.get(role).map(|out| (out.shape, out.values.to_vec())).unwrap();
        graph.outputs.keys().map(|role| (role.clone(), owned(role))).collect()
    };
    plan.run_values(1, &input(graph), read).unwrap()
}

/// The plan gives what onnxruntime gave, and the export is still the one that it ran.
#[track_caller]
fn check(name: &str, graph: &Graph, reference: &str) {
    let weights = weights(graph);
    let mut model = onnx_model(graph, &weights, HEIGHT, WIDTH, name, &[]).unwrap();
    // A release of the program changes nothing in the network.
    model.producer_version.clear();
    let bytes = model.encode_to_vec();
    let reference: Reference = serde_json::from_str(reference).unwrap();
    if blake3::hash(&bytes).to_hex().as_str() != reference.onnx_blake3 {
        let folder = std::env::temp_dir().join("secondlook-onnx");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.onnx")), bytes).unwrap();
        fs::write(folder.join(format!("{name}.input.json")), format!("{:?}", input(graph))).unwrap();
        let path = folder.join(name);
        let path = path.display();
        panic!(
            "the export is not the one that onnxruntime ran; look at the difference, then:\n\
             scripts/check_onnx.py reference {path}.onnx {path}.input.json > tests/fixtures/onnx/{name}.json"
        );
    }
    let outputs = planned(graph, &weights);
    assert_eq!(outputs.len(), reference.outputs.len());
    for (role, expected) in &reference.outputs {
        let (Shape3 { channels, height, width }, values) = &outputs[role];
        assert_eq!(expected.shape, [1, *channels, *height, *width], "{role}");
        let largest = |values: &mut dyn Iterator<Item = f32>| values.map(f32::abs).fold(0.0, f32::max);
        let difference = largest(&mut values.iter().zip(&expected.values).map(|(a, b)| a - b));
        let scale = largest(&mut expected.values.iter().copied());
        assert!(scale > 0.1, "{role} says nothing: {scale}");
        assert!(difference <= TOLERANCE * scale, "{role}: {difference} at a scale of {scale}");
    }
}

#[test]
fn every_operation_runs_as_in_onnxruntime() {
    check("plain", &plain(), include_str!("../../tests/fixtures/onnx/plain.json"));
}

#[test]
fn groups_and_kernels_along_one_axis_run_as_in_onnxruntime() {
    check("grouped", &grouped(), include_str!("../../tests/fixtures/onnx/grouped.json"));
}

#[test]
fn values_of_one_name_and_weights_that_do_not_fit_are_refused() {
    let graph = plain();
    let weights = weights(&graph);
    let refused =
        |graph: &Graph, weights: &Weights| to_onnx(graph, weights, HEIGHT, WIDTH, "", &[]).unwrap_err();
    let mut clashing = graph.clone();
    clashing.outputs.insert("pool".into(), "far".into());
    assert!(refused(&clashing, &weights).to_string().contains("two values would be called \"pool\""));
    let mut short = weights.clone();
    short.remove("stem.scale");
    assert!(matches!(refused(&graph, &short), NnError::Weights(why) if why.contains("\"stem.scale\"")));
    assert!(
        to_onnx(&graph, &weights, HEIGHT + 2, WIDTH, "", &[]).is_err(),
        "17 rows do not come back from 5"
    );
}

#[test]
fn a_layer_with_two_roles_is_two_outputs() {
    let mut graph = plain();
    graph.outputs.insert("again".into(), "pixel_head".into());
    let model = onnx_model(&graph, &weights(&graph), HEIGHT, WIDTH, "", &[]).unwrap();
    let onnx = model.graph.unwrap();
    let names: Vec<&str> = onnx.output.iter().map(|value| value.name.as_str()).collect();
    assert_eq!(names, ["again", "item", "pixels"]);
    assert!(names.iter().all(|&name| onnx.node.iter().any(|node| node.output == [name])));
}
