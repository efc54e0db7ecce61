//! The layer graph as an ONNX file: static shapes, batch 1, single precision, batch norm folded,
//! so that any other runtime runs the very network that the inference plan runs.
//!
//! Knows nothing of files or of what the numbers mean; the caller adds name and origin.

use super::fold::{Folded, folded};
use super::graph::{Act, Extent, Graph, INPUT, Node, Op, Shape3};
use super::onnx_proto as proto;
use super::plan::check;
use super::{NnError, Weights};
use prost::Message;
use std::collections::BTreeSet;

/// The operators that are used have not changed since, and every runtime of today knows it.
pub const OPSET: i64 = 17;
/// The file version that came with [`OPSET`].
const IR_VERSION: i64 = 8;
/// Height and width doubled.
const DOUBLED: [f32; 4] = [1.0, 1.0, 2.0, 2.0];

/// The bytes of an ONNX file for inputs of `1 × input_channels × height × width`.
///
/// The input is called `input`, each output by its role, each node by its layer; a layer that
/// takes several nodes has their names after a dot. `metadata` goes into the file as it is.
pub fn to_onnx(
    graph: &Graph,
    weights: &Weights,
    height: usize,
    width: usize,
    name: &str,
    metadata: &[(&str, &str)],
) -> Result<Vec<u8>, NnError> {
    Ok(onnx_model(graph, weights, height, width, name, metadata)?.encode_to_vec())
}

pub(super) fn onnx_model(
    graph: &Graph,
    weights: &Weights,
    height: usize,
    width: usize,
    name: &str,
    metadata: &[(&str, &str)],
) -> Result<proto::Model, NnError> {
    let entry = |&(key, value): &(&str, &str)| proto::StringEntry { key: key.into(), value: value.into() };
    Ok(proto::Model {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(onnx_graph(graph, weights, height, width, name)?),
        opset_import: vec![proto::OperatorSet { version: OPSET }],
        metadata_props: metadata.iter().map(entry).collect(),
    })
}

fn onnx_graph(
    graph: &Graph,
    weights: &Weights,
    height: usize,
    width: usize,
    name: &str,
) -> Result<proto::Graph, NnError> {
    check(graph, weights)?;
    let shapes = graph.shapes(height, width)?;
    let mut export = Export { graph, onnx: proto::Graph { name: name.into(), ..proto::Graph::default() } };
    export.onnx.input.push(value_info(INPUT, shapes[INPUT]));
    for layer in &graph.nodes {
        export.layer(layer, shapes[layer.inputs[0].as_str()].channels, weights)?;
        let value = export.value(&layer.name);
        if !graph.outputs.contains_key(value) {
            export.onnx.value_info.push(value_info(value, shapes[layer.name.as_str()]));
        }
    }
    for (role, layer) in &graph.outputs {
        // A layer with two roles has the name of one; the other takes a copy.
        let value = export.value(layer).to_owned();
        if value != *role {
            export.node(role, "Identity", &[&value], role, vec![]);
        }
        export.onnx.output.push(value_info(role, shapes[layer.as_str()]));
    }
    check_names(&export.onnx)?;
    Ok(export.onnx)
}

struct Export<'a> {
    graph: &'a Graph,
    onnx: proto::Graph,
}

impl<'a> Export<'a> {
    /// The name of what a layer gives: its role where it is an output.
    fn value<'n>(&self, layer: &'n str) -> &'n str
    where
        'a: 'n,
    {
        let role = self.graph.outputs.iter().find(|(_, output)| *output == layer);
        role.map_or(layer, |(role, _)| role)
    }

    fn layer(&mut self, layer: &Node, channels: usize, weights: &Weights) -> Result<(), NnError> {
        let name = layer.name.as_str();
        let out = self.value(name);
        let read: Vec<&str> = layer.inputs.iter().map(|input| self.value(input)).collect();
        let folded = folded(name, &layer.op, weights)?;
        match layer.op {
            Op::Conv { out: _, kernel, stride, groups, bn: _, act } => {
                let dims = |out: usize| vec![out, channels / groups, kernel.y, kernel.x];
                let inputs = self.with_weights(name, &read, folded, dims);
                self.activated(name, "Conv", &inputs, out, act, conv(kernel, stride, groups));
            }
            // On one pixel a linear layer is a 1 × 1 convolution, and keeps four dimensions.
            Op::Linear { act, .. } => {
                let inputs = self.with_weights(name, &read, folded, |out| vec![out, channels, 1, 1]);
                let one = Extent::square(1);
                self.activated(name, "Conv", &inputs, out, act, conv(one, one, 1));
            }
            // Runtimes fuse a sum of two into the convolution before it, and know that as `Add`.
            Op::Add { act } => {
                let kind = if read.len() == 2 { "Add" } else { "Sum" };
                let inputs: Vec<String> = read.iter().map(|&value| value.to_owned()).collect();
                self.activated(name, kind, &inputs, out, act, vec![]);
            }
            Op::Upsample2 => {
                let scales = format!("{name}.scales");
                self.tensor(&scales, &[DOUBLED.len()], &DOUBLED);
                let attributes = vec![
                    word("mode", "nearest"),
                    word("coordinate_transformation_mode", "asymmetric"),
                    word("nearest_mode", "floor"),
                ];
                // The second input, a region of interest, is left out.
                self.node(name, "Resize", &[read[0], "", &scales], out, attributes);
            }
            Op::Concat => self.node(name, "Concat", &read, out, vec![int("axis", 1)]),
            Op::GlobalPool => {
                let (mean, most) = (format!("{name}.mean"), format!("{name}.max"));
                self.node(&mean, "GlobalAveragePool", &read, &mean, vec![]);
                self.node(&most, "GlobalMaxPool", &read, &most, vec![]);
                self.node(name, "Concat", &[&mean, &most], out, vec![int("axis", 1)]);
            }
        }
        Ok(())
    }

    /// Keeps the layer's weights and gives all inputs of its node; `dims` by output channels.
    fn with_weights(
        &mut self,
        name: &str,
        read: &[&str],
        folded: Option<Folded>,
        dims: impl Fn(usize) -> Vec<usize>,
    ) -> Vec<String> {
        let mut inputs: Vec<String> = read.iter().map(|&value| value.to_owned()).collect();
        if let Some(Folded { weight, bias }) = folded {
            for (suffix, dims, values) in
                [("weight", dims(bias.len()), &weight), ("bias", vec![bias.len()], &bias)]
            {
                let full = format!("{name}.{suffix}");
                self.tensor(&full, &dims, values);
                inputs.push(full);
            }
        }
        inputs
    }

    /// A node, and its rectifier where it has one.
    fn activated(
        &mut self,
        name: &str,
        kind: &str,
        inputs: &[String],
        out: &str,
        act: Act,
        attributes: Vec<proto::Attribute>,
    ) {
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        match act {
            Act::None => self.node(name, kind, &inputs, out, attributes),
            Act::Relu => {
                let before = format!("{name}.linear");
                self.node(name, kind, &inputs, &before, attributes);
                self.node(&format!("{name}.relu"), "Relu", &[&before], out, vec![]);
            }
            Act::Relu6 => {
                let before = format!("{name}.linear");
                self.node(name, kind, &inputs, &before, attributes);
                let (floor, ceiling) = (format!("{name}.floor"), format!("{name}.ceiling"));
                let limits = act.limits();
                self.tensor(&floor, &[], &[limits.floor]);
                self.tensor(&ceiling, &[], &[limits.ceiling]);
                self.node(&format!("{name}.clip"), "Clip", &[&before, &floor, &ceiling], out, vec![]);
            }
        }
    }

    fn node(&mut self, name: &str, kind: &str, inputs: &[&str], out: &str, attribute: Vec<proto::Attribute>) {
        self.onnx.node.push(proto::Node {
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: vec![out.into()],
            name: name.into(),
            op_type: kind.into(),
            attribute,
        });
    }

    fn tensor(&mut self, name: &str, dims: &[usize], values: &[f32]) {
        self.onnx.initializer.push(proto::Tensor {
            dims: dims.iter().copied().map(long).collect(),
            data_type: proto::FLOAT,
            name: name.into(),
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        });
    }
}

/// With an odd kernel and `kernel / 2` zeroes on each side, ONNX's size
/// `⌊(size + 2 · ⌊kernel / 2⌋ − kernel) / stride⌋ + 1` is our `⌈size / stride⌉`.
fn conv(kernel: Extent, stride: Extent, groups: usize) -> Vec<proto::Attribute> {
    let (y, x) = (kernel.y / 2, kernel.x / 2);
    vec![
        ints("kernel_shape", &[kernel.y, kernel.x]),
        ints("strides", &[stride.y, stride.x]),
        ints("pads", &[y, x, y, x]),
        int("group", groups),
    ]
}

fn int(name: &str, value: usize) -> proto::Attribute {
    proto::Attribute {
        name: name.into(),
        kind: proto::INT,
        i: Some(long(value)),
        ..proto::Attribute::default()
    }
}

fn ints(name: &str, values: &[usize]) -> proto::Attribute {
    let ints = values.iter().copied().map(long).collect();
    proto::Attribute { name: name.into(), kind: proto::INTS, ints, ..proto::Attribute::default() }
}

fn word(name: &str, value: &str) -> proto::Attribute {
    let s = Some(value.as_bytes().to_vec());
    proto::Attribute { name: name.into(), kind: proto::STRING, s, ..proto::Attribute::default() }
}

fn value_info(name: &str, shape: Shape3) -> proto::ValueInfo {
    let dim = [1, shape.channels, shape.height, shape.width]
        .map(|size| proto::Dimension { dim_value: Some(long(size)) })
        .to_vec();
    let tensor = proto::TensorType { elem_type: proto::FLOAT, shape: Some(proto::TensorShape { dim }) };
    proto::ValueInfo { name: name.into(), r#type: Some(proto::Type { tensor_type: Some(tensor) }) }
}

/// Sizes are bounded by the graph's limits, far below where this would saturate.
fn long(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Layers and roles share one space of names in ONNX, together with the weights: a layer called
/// as another one's role or weight makes a file that no runtime loads.
fn check_names(onnx: &proto::Graph) -> Result<(), NnError> {
    let given = onnx.node.iter().flat_map(|node| &node.output);
    let names = onnx.initializer.iter().map(|tensor| &tensor.name).chain(given);
    let mut seen = BTreeSet::from([INPUT]);
    for name in names {
        if !seen.insert(name) {
            return Err(NnError::Graph(format!("as ONNX, two values would be called \"{name}\"")));
        }
    }
    Ok(())
}
