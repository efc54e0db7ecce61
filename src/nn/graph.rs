//! The layer graph: plain serde data, its checks and shapes.
//!
//! Everything about a network that is not a number lives here; training, inference and exports
//! read it and add nothing. Knows no tensors.

use super::kernels::Limits;
use super::{FEATURE_OUTPUT, NnError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name under which nodes refer to the network's input.
pub const INPUT: &str = "input";

/// More nodes than any network here needs; a manifest is hostile input until it is checked.
const NODES_MAX: usize = 512;
/// Bounds the memory that a manifest can ask for.
const CHANNELS_MAX: usize = 4096;
/// Longest side of a kernel: long enough for the first layer over the samples of a sound.
const KERNEL_MAX: usize = 127;
/// Largest step between two outputs.
const STRIDE_MAX: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    None,
    Relu,
    /// At most 6 besides, as networks for small machines have it.
    Relu6,
}

impl Act {
    #[must_use]
    pub const fn limits(self) -> Limits {
        match self {
            Self::None => Limits::NONE,
            Self::Relu => Limits { floor: 0.0, ceiling: f32::INFINITY },
            Self::Relu6 => Limits { floor: 0.0, ceiling: 6.0 },
        }
    }
}

/// What a node computes. Tensors are `[channels, height, width]` per sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// Odd kernel, zero padding `kernel / 2`, then batch norm or bias, then `act`. With `groups`,
    /// output channel `o` sees the input channels of its own group alone; as many groups as
    /// channels make a depthwise convolution.
    Conv {
        out: usize,
        kernel: Extent,
        stride: Extent,
        #[serde(default = "one", skip_serializing_if = "is_one")]
        groups: usize,
        bn: bool,
        act: Act,
    },
    /// Elementwise sum of all inputs, then `act`.
    Add { act: Act },
    /// Each pixel becomes 2 × 2.
    Upsample2,
    /// Along channels.
    Concat,
    /// Mean, then maximum of each channel: `[2 · channels, 1, 1]`.
    GlobalPool,
    /// On `[n, 1, 1]`; with bias.
    Linear { out: usize, act: Act },
}

/// Rows and columns. In a manifest one number where both are equal, else `[y, x]`: a kernel of
/// `[1, 9]` looks along a line, as over the samples of a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrTwo", into = "OneOrTwo")]
pub struct Extent {
    pub y: usize,
    pub x: usize,
}

impl Extent {
    #[must_use]
    pub const fn square(side: usize) -> Self {
        Self { y: side, x: side }
    }

    #[must_use]
    pub const fn area(self) -> usize {
        self.y * self.x
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrTwo {
    One(usize),
    Two([usize; 2]),
}

impl From<OneOrTwo> for Extent {
    fn from(value: OneOrTwo) -> Self {
        match value {
            OneOrTwo::One(side) => Self::square(side),
            OneOrTwo::Two([y, x]) => Self { y, x },
        }
    }
}

impl From<Extent> for OneOrTwo {
    fn from(value: Extent) -> Self {
        if value.y == value.x { Self::One(value.y) } else { Self::Two([value.y, value.x]) }
    }
}

const fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_one(groups: &usize) -> bool {
    *groups == 1
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    pub name: String,
    pub op: Op,
    /// Earlier nodes, or `input`.
    pub inputs: Vec<String>,
}

/// A network. Nodes come in an order in which each one's inputs are already known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    pub input_channels: usize,
    pub nodes: Vec<Node>,
    /// Role → node.
    pub outputs: BTreeMap<String, String>,
}

/// Channels, height, width of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape3 {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl std::fmt::Display for Shape3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} × {} × {}", self.channels, self.height, self.width)
    }
}

/// A tensor that the graph needs, in the graph's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightSpec {
    pub name: String,
    pub shape: Vec<usize>,
    /// Running statistics of batch norm are stored with the weights but not optimised.
    pub trainable: bool,
}

impl Graph {
    /// Channels of each node (and of `input`), after checking names, order, arity and limits.
    pub fn channels(&self) -> Result<BTreeMap<&str, usize>, NnError> {
        if self.nodes.len() > NODES_MAX {
            return Err(bad(format!("{} nodes, at most {NODES_MAX}", self.nodes.len())));
        }
        if self.input_channels == 0 || self.input_channels > CHANNELS_MAX {
            return Err(bad(format!("{} input channels", self.input_channels)));
        }
        let mut known = BTreeMap::from([(INPUT, self.input_channels)]);
        for node in &self.nodes {
            let name = node.name.as_str();
            let mut inputs = Vec::with_capacity(node.inputs.len());
            for input in &node.inputs {
                inputs.push(
                    *known.get(input.as_str()).ok_or_else(|| {
                        bad(format!("\"{name}\" reads \"{input}\", which is no earlier node"))
                    })?,
                );
            }
            let out = node.op.channels(&inputs).map_err(|why| bad(format!("\"{name}\" {why}")))?;
            if out == 0 || out > CHANNELS_MAX {
                return Err(bad(format!("\"{name}\" has {out} channels, allowed are 1 to {CHANNELS_MAX}")));
            }
            if known.insert(name, out).is_some() {
                return Err(bad(format!("two nodes are called \"{name}\"")));
            }
        }
        if self.outputs.is_empty() {
            return Err(bad("no outputs".to_owned()));
        }
        for (role, node) in &self.outputs {
            if node == INPUT || !known.contains_key(node.as_str()) {
                return Err(bad(format!("output \"{role}\" names no node (\"{node}\")")));
            }
        }
        Ok(known)
    }

    /// Shape of each node for an input of this size.
    pub fn shapes(&self, height: usize, width: usize) -> Result<BTreeMap<&str, Shape3>, NnError> {
        self.channels()?;
        let input = Shape3 { channels: self.input_channels, height, width };
        let mut known = BTreeMap::from([(INPUT, input)]);
        for node in &self.nodes {
            let inputs: Vec<Shape3> = node.inputs.iter().map(|i| known[i.as_str()]).collect();
            let shape = node.op.shape(&inputs).map_err(|why| bad(format!("\"{}\" {why}", node.name)))?;
            known.insert(&node.name, shape);
        }
        Ok(known)
    }

    /// The same with its pooled features as a further output, where it pools once. They are computed
    /// anyway; packages and exports need not name them.
    #[must_use]
    pub(super) fn with_features(&self) -> Self {
        let mut pools = self.nodes.iter().filter(|node| node.op == Op::GlobalPool);
        let mut outputs = self.outputs.clone();
        if let (Some(pool), None) = (pools.next(), pools.next()) {
            outputs.entry(FEATURE_OUTPUT.to_owned()).or_insert_with(|| pool.name.clone());
        }
        Self { outputs, ..self.clone() }
    }

    /// Every tensor that the graph needs, in order.
    pub fn weights(&self) -> Result<Vec<WeightSpec>, NnError> {
        let channels = self.channels()?;
        let mut specs = Vec::new();
        for node in &self.nodes {
            let mut add = |suffix: &str, shape: Vec<usize>, trainable| {
                specs.push(WeightSpec { name: format!("{}.{suffix}", node.name), shape, trainable });
            };
            let input = node.inputs.first().map_or(0, |i| channels[i.as_str()]);
            match node.op {
                Op::Conv { out, kernel, groups, bn, .. } => {
                    add("weight", vec![out, input / groups, kernel.y, kernel.x], true);
                    if bn {
                        add("scale", vec![out], true);
                        add("shift", vec![out], true);
                        add("mean", vec![out], false);
                        add("var", vec![out], false);
                    } else {
                        add("bias", vec![out], true);
                    }
                }
                Op::Linear { out, .. } => {
                    add("weight", vec![out, input], true);
                    add("bias", vec![out], true);
                }
                Op::Add { .. } | Op::Upsample2 | Op::Concat | Op::GlobalPool => {}
            }
        }
        Ok(specs)
    }

    /// Multiply-accumulates of one forward pass.
    pub fn macs(&self, height: usize, width: usize) -> Result<u64, NnError> {
        let shapes = self.shapes(height, width)?;
        let mut sum = 0_u64;
        for node in &self.nodes {
            let input = node.inputs.first().map_or(0, |i| shapes[i.as_str()].channels);
            let out = shapes[node.name.as_str()];
            sum += match node.op {
                Op::Conv { kernel, groups, .. } => {
                    (out.channels * out.height * out.width * (input / groups) * kernel.area()) as u64
                }
                Op::Linear { out, .. } => (out * input) as u64,
                _ => 0,
            };
        }
        Ok(sum)
    }
}

impl Op {
    fn channels(&self, inputs: &[usize]) -> Result<usize, String> {
        let one = || match inputs {
            [channels] => Ok(*channels),
            _ => Err(format!("takes one input, not {}", inputs.len())),
        };
        match *self {
            Self::Conv { out, kernel, stride, groups, .. } => {
                let input = one()?;
                for (kernel, stride) in [(kernel.y, stride.y), (kernel.x, stride.x)] {
                    if kernel % 2 == 0 || kernel > KERNEL_MAX || !(1..=STRIDE_MAX).contains(&stride) {
                        return Err(format!(
                            "has kernel {kernel}, stride {stride}: odd up to {KERNEL_MAX}, 1 to {STRIDE_MAX}"
                        ));
                    }
                }
                if groups == 0 || input % groups != 0 || out % groups != 0 {
                    return Err(format!(
                        "divides {input} input and {out} output channels into {groups} groups"
                    ));
                }
                Ok(out)
            }
            Self::Linear { out, .. } => one().map(|_| out),
            Self::Upsample2 => one(),
            Self::GlobalPool => one().map(|c| 2 * c),
            Self::Add { .. } => match inputs {
                [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|c| c == first) => Ok(*first),
                _ => Err(format!("adds unequal channels {inputs:?}")),
            },
            Self::Concat if inputs.len() >= 2 => Ok(inputs.iter().sum()),
            Self::Concat => Err("joins fewer than two inputs".to_owned()),
        }
    }

    fn shape(&self, inputs: &[Shape3]) -> Result<Shape3, String> {
        let channels = self.channels(&inputs.iter().map(|s| s.channels).collect::<Vec<_>>())?;
        let first = *inputs.first().ok_or("has no input")?;
        let equal = |s: &&Shape3| (s.height, s.width) != (first.height, first.width);
        let (height, width) = match *self {
            Self::Conv { stride, .. } => {
                if first.height == 0 || first.width == 0 {
                    return Err("has an empty input".to_owned());
                }
                (first.height.div_ceil(stride.y), first.width.div_ceil(stride.x))
            }
            Self::Upsample2 => (2 * first.height, 2 * first.width),
            Self::Linear { .. } if (first.height, first.width) != (1, 1) => {
                return Err(format!("needs a pooled input, not {first}"));
            }
            Self::GlobalPool | Self::Linear { .. } => (1, 1),
            Self::Add { .. } | Self::Concat => match inputs.iter().find(equal) {
                Some(other) => return Err(format!("combines {first} with {other}")),
                None => (first.height, first.width),
            },
        };
        Ok(Shape3 { channels, height, width })
    }
}

fn bad(why: String) -> NnError {
    NnError::Graph(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::defect_network;

    #[test]
    fn contradictions_are_named_with_their_layer() {
        let graph = defect_network(1, 3);
        let says = |change: &dyn Fn(&mut Graph)| {
            let mut graph = graph.clone();
            change(&mut graph);
            graph.shapes(64, 64).unwrap_err().to_string()
        };
        assert!(says(&|g| g.nodes[1].inputs = vec!["nowhere".into()]).contains("reads \"nowhere\""));
        assert!(says(&|g| g.nodes[1].name = g.nodes[0].name.clone()).contains("two nodes are called"));
        assert!(says(&|g| g.outputs.clear()).contains("no outputs"));
        assert!(says(&|g| g.input_channels = 0).contains("0 input channels"));
        let text = says(&|g| {
            let add = g.nodes.iter_mut().find(|n| matches!(n.op, Op::Add { .. })).unwrap();
            add.inputs[1] = "input".into();
        });
        assert!(text.contains("unequal channels"), "{text}");
        assert!(graph.shapes(60, 64).is_err(), "60 is not a multiple of the deepest stride");
    }

    #[test]
    fn kernels_are_one_number_or_two_and_groups_are_checked() {
        let op: Op = serde_json::from_str(
            r#"{"conv": {"out": 4, "kernel": [1, 9], "stride": 1, "groups": 2, "bn": false, "act": "none"}}"#,
        )
        .unwrap();
        let Op::Conv { kernel, stride, groups, .. } = op else { panic!("{op:?}") };
        assert_eq!((kernel, stride, groups), (Extent { y: 1, x: 9 }, Extent::square(1), 2));
        assert_eq!(serde_json::to_value(kernel).unwrap(), serde_json::json!([1, 9]));
        assert_eq!(serde_json::to_value(stride).unwrap(), serde_json::json!(1));
        assert!(op.channels(&[6]).is_ok());
        assert!(op.channels(&[5]).unwrap_err().contains("5 input and 4 output channels into 2 groups"));
    }

    #[test]
    fn graphs_read_back_and_stay_small() {
        let graph = defect_network(1, 5);
        let text = serde_json::to_string(&graph).unwrap();
        assert_eq!(serde_json::from_str::<Graph>(&text).unwrap(), graph);
        let parameters: usize =
            graph.weights().unwrap().iter().map(|w| w.shape.iter().product::<usize>()).sum();
        assert!(parameters < 1_000_000, "{parameters}");
        let macs = graph.macs(256, 256).unwrap();
        assert!((50_000_000..200_000_000).contains(&macs), "{macs}");
    }
}
