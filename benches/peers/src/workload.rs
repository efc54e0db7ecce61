//! What is measured: the shipped networks, single layers, one training step. Weights and inputs
//! are drawn from seeds, so that every engine and every machine computes the same numbers.

use anyhow::{Context, Result};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secondlook::engine::find_model;
use secondlook::infer::weights_from_bytes;
use secondlook::nn::{Act, Extent, Graph, NnError, Node, Op, TrainNet, Weights, defect_network};
use std::collections::BTreeMap;

/// A training step; every other workload is a forward pass of one sample.
pub const TRAIN: &str = "train";
/// Samples of a training step.
pub const BATCH: usize = 16;
/// The plain product of two square matrices: what the machine can do at best.
pub const MATMUL: &str = "matmul";
pub const MATMUL_SIDE: usize = 1024;

/// Of `AdamW`, in every engine.
pub const LEARNING_RATE: f64 = 1e-3;
pub const WEIGHT_DECAY: f64 = 0.01;

const SEED: u64 = 20_261;
/// Role of a single layer's output.
const OUTPUT: &str = "output";

/// The shipped networks.
const MODELS: [&str; 2] = ["magnetic-tile", "phone-line"];

/// A single convolution, with bias and rectifier.
struct Layer {
    name: &'static str,
    input: usize,
    out: usize,
    height: usize,
    width: usize,
    kernel: Extent,
    stride: usize,
    groups: usize,
}

const LAYERS: [Layer; 6] = [
    Layer { name: "dense-3x3-32-64-at-112", ..LAYER },
    Layer { name: "dense-3x3-stride-2-32-64-at-112", stride: 2, ..LAYER },
    Layer { name: "pointwise-64-128-at-56", height: 56, width: 56, ..POINTWISE },
    Layer { name: "pointwise-64-128-at-112", ..POINTWISE },
    Layer { name: "depthwise-3x3-64-at-112", input: 64, groups: 64, ..LAYER },
    Layer { name: "line-9-32-64-of-4000", height: 1, width: 4000, kernel: Extent { y: 1, x: 9 }, ..LAYER },
];
const LAYER: Layer = Layer {
    name: "",
    input: 32,
    out: 64,
    height: 112,
    width: 112,
    kernel: Extent::square(3),
    stride: 1,
    groups: 1,
};
const POINTWISE: Layer = Layer { input: 64, out: 128, kernel: Extent::square(1), ..LAYER };

/// Layers as they stand inside of a network: with few channels at both ends, so that entering and
/// leaving an engine's own layout costs little. Kernel, groups, and channels between 64 and 64.
const INNER: [(&str, usize, usize, &[usize]); 3] = [
    ("inner-dense-3x3-64-four-at-56", 3, 1, &[64, 64, 64, 64]),
    ("inner-pointwise-64-128-twice-at-56", 1, 1, &[128, 64, 128, 64]),
    ("inner-depthwise-3x3-64-four-at-56", 3, 64, &[64, 64, 64, 64]),
];
const INNER_SIDE: usize = 56;
/// Channels at both ends.
const FEW: usize = 2;

/// A network with its weights and an input.
pub struct Workload {
    pub name: String,
    pub graph: Graph,
    pub weights: Weights,
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    /// `batch × channels × height × width`.
    pub input: Vec<f32>,
}

impl Workload {
    fn new(name: &str, graph: Graph, weights: Weights, batch: usize, height: usize, width: usize) -> Self {
        let input = random(batch * graph.input_channels * height * width, 1.0);
        Self { name: name.to_owned(), graph, weights, batch, height, width, input }
    }

    pub fn shape(&self) -> (usize, usize, usize, usize) {
        (self.batch, self.graph.input_channels, self.height, self.width)
    }
}

/// All of them, in the order of the tables.
pub fn names() -> impl Iterator<Item = &'static str> {
    let layers = LAYERS.iter().map(|layer| layer.name).chain(INNER.iter().map(|inner| inner.0));
    MODELS.into_iter().chain(layers).chain([TRAIN])
}

pub fn find(name: &str) -> Result<Workload> {
    if name == TRAIN {
        let graph = defect_network(1, 5);
        let weights = TrainNet::new(&graph, SEED)?.weights()?;
        return Ok(Workload::new(name, graph, weights, BATCH, 288, 224));
    }
    if let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) {
        return Ok(single(layer)?);
    }
    if let Some(&(name, kernel, groups, channels)) = INNER.iter().find(|inner| inner.0 == name) {
        return Ok(inner(name, Extent::square(kernel), groups, channels)?);
    }
    MODELS.iter().find(|model| **model == name).with_context(|| format!("no workload \"{name}\""))?;
    let model = find_model(None, name)?;
    let (manifest, (_, weights)) = (model.manifest(), model.package());
    let (height, width) = (manifest.input.height_px as usize, manifest.input.width_px as usize);
    Ok(Workload::new(name, manifest.graph.clone(), weights_from_bytes(weights)?, 1, height, width))
}

fn single(layer: &Layer) -> Result<Workload, NnError> {
    let &Layer { name, input, out, height, width, kernel, stride, groups } = layer;
    // A line has one row, and a stride of one in it.
    let op = conv(out, kernel, stride, groups);
    row_of_layers(name, input, vec![op], height, width)
}

fn inner(name: &str, kernel: Extent, groups: usize, channels: &[usize]) -> Result<Workload, NnError> {
    let mut ops = vec![conv(64, Extent::square(1), 1, 1)];
    ops.extend(channels.iter().map(|&out| conv(out, kernel, 1, groups)));
    // Without a rectifier: outputs that are all zero would agree with anything.
    let (kernel, stride) = (Extent::square(1), Extent::square(1));
    ops.push(Op::Conv { out: FEW, kernel, stride, groups: 1, bn: false, act: Act::None });
    row_of_layers(name, FEW, ops, INNER_SIDE, INNER_SIDE)
}

/// With bias and rectifier.
fn conv(out: usize, kernel: Extent, stride: usize, groups: usize) -> Op {
    Op::Conv { out, kernel, stride: Extent::square(stride), groups, bn: false, act: Act::Relu }
}

/// One layer after the other, with weights that keep the values near 1.
fn row_of_layers(
    name: &str,
    input: usize,
    ops: Vec<Op>,
    height: usize,
    width: usize,
) -> Result<Workload, NnError> {
    let mut nodes: Vec<Node> = Vec::new();
    for op in ops {
        let from = nodes.last().map_or("input", |node| node.name.as_str()).to_owned();
        nodes.push(Node { name: format!("conv{}", nodes.len()), op, inputs: vec![from] });
    }
    let last = nodes.last().map_or_else(String::new, |node| node.name.clone());
    let graph = Graph { input_channels: input, nodes, outputs: BTreeMap::from([(OUTPUT.to_owned(), last)]) };
    let mut weights = Weights::new();
    for spec in graph.weights()? {
        let fan_in = spec.shape.iter().skip(1).product::<usize>().max(1);
        let values = random(spec.shape.iter().product(), (6.0 / fan_in as f32).sqrt());
        weights.insert(spec.name, (spec.shape, values));
    }
    Ok(Workload::new(name, graph, weights, 1, height, width))
}

/// The same numbers for the same count, evenly spread over ± `most`.
pub fn random(count: usize, most: f32) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED + count as u64);
    (0..count).map(|_| rng.random_range(-most..most)).collect()
}
