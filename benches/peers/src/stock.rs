//! The peer that Second Look's training is built on: candle's own layers, without our operations.

use super::ours::loss;
use super::protocol::{Job, Run, timed};
use super::workload::{self, LEARNING_RATE, MATMUL, MATMUL_SIDE, TRAIN, WEIGHT_DECAY, Workload, random};
use anyhow::{Context, Result, bail};
use candle_core::{D, Device, Tensor, Var};
use candle_nn::{
    AdamW, BatchNorm, Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, Linear, Module, Optimizer, ParamsAdamW,
};
use secondlook::nn::{Act, Extent, Graph, Op, Weights};
use std::collections::BTreeMap;

/// The batch norm's, as in `secondlook::nn`.
const EPSILON: f32 = 1e-5;

pub fn load(name: &str) -> Result<Job> {
    if name == MATMUL {
        return matmul();
    }
    let workload = workload::find(name)?;
    let input = Tensor::from_slice(&workload.input, workload.shape(), &Device::Cpu)?;
    if name == TRAIN {
        return train(&workload, input);
    }
    let net = Net::new(&without_norms(&workload.graph), &folded(&workload.graph, &workload.weights)?, false)?;
    Ok(Box::new(move || {
        let (ms, outputs) = timed(|| net.forward(&input))?;
        let mut values = Vec::new();
        for output in outputs.values() {
            values.extend(output.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(Run { ms, outputs: values })
    }))
}

fn matmul() -> Result<Job> {
    let side = (MATMUL_SIDE, MATMUL_SIDE);
    let a = Tensor::from_vec(random(MATMUL_SIDE * MATMUL_SIDE, 1.0), side, &Device::Cpu)?;
    let b = a.t()?.contiguous()?;
    Ok(Box::new(move || {
        let (ms, _) = timed(|| Ok(a.matmul(&b)?))?;
        Ok(Run { ms, outputs: Vec::new() })
    }))
}

fn train(workload: &Workload, input: Tensor) -> Result<Job> {
    let net = Net::new(&workload.graph, &workload.weights, true)?;
    let settings = ParamsAdamW { lr: LEARNING_RATE, weight_decay: WEIGHT_DECAY, ..ParamsAdamW::default() };
    let mut optimiser = AdamW::new(net.vars.clone(), settings)?;
    Ok(Box::new(move || {
        let (ms, loss) = timed(|| {
            let loss = loss(&net.forward(&input)?)?;
            optimiser.step(&loss.backward()?)?;
            Ok(loss.to_scalar::<f32>()?)
        })?;
        Ok(Run { ms, outputs: vec![loss] })
    }))
}

enum Layer {
    Conv {
        conv: Conv2d,
        norm: Option<BatchNorm>,
        act: Act,
    },
    /// candle's two-dimensional convolution knows square kernels only.
    Line {
        conv: Conv1d,
        act: Act,
    },
    Linear {
        linear: Linear,
        act: Act,
    },
    Add {
        act: Act,
    },
    Upsample2,
    Concat,
    GlobalPool,
}

struct Net {
    graph: Graph,
    layers: Vec<Layer>,
    /// In the graph's order; empty where nothing is trained.
    vars: Vec<Var>,
}

impl Net {
    fn new(graph: &Graph, weights: &Weights, is_trained: bool) -> Result<Self> {
        let mut vars = Vec::new();
        let mut get = |node: &str, suffix: &str| -> Result<Tensor> {
            let name = format!("{node}.{suffix}");
            let (shape, values) = weights.get(&name).with_context(|| format!("no tensor \"{name}\""))?;
            let tensor = Tensor::from_slice(values, shape.as_slice(), &Device::Cpu)?;
            if !is_trained || matches!(suffix, "mean" | "var") {
                return Ok(tensor);
            }
            let var = Var::from_tensor(&tensor)?;
            vars.push(var.clone());
            Ok(var.into_inner())
        };
        let mut layers = Vec::new();
        for node in &graph.nodes {
            let mut get = |suffix: &str| get(&node.name, suffix);
            layers.push(match node.op {
                Op::Conv { kernel, stride, groups, bn: false, act, .. } if kernel.y != kernel.x => {
                    let conv = line(&get("weight")?, get("bias")?, kernel, stride, groups)?;
                    Layer::Line { conv, act }
                }
                Op::Conv { out, kernel, stride, groups, bn, act } => {
                    if kernel.y != kernel.x || stride.y != stride.x {
                        bail!("candle has no convolution that differs in rows and columns");
                    }
                    let (padding, stride) = (kernel.y / 2, stride.y);
                    let config = Conv2dConfig { padding, stride, groups, ..Conv2dConfig::default() };
                    let weight = get("weight")?;
                    let bias = if bn { None } else { Some(get("bias")?) };
                    let norm = if bn {
                        let (scale, shift) = (get("scale")?, get("shift")?);
                        Some(BatchNorm::new(out, get("mean")?, get("var")?, scale, shift, EPSILON.into())?)
                    } else {
                        None
                    };
                    Layer::Conv { conv: Conv2d::new(weight, bias, config), norm, act }
                }
                Op::Linear { act, .. } => {
                    Layer::Linear { linear: Linear::new(get("weight")?, Some(get("bias")?)), act }
                }
                Op::Add { act } => Layer::Add { act },
                Op::Upsample2 => Layer::Upsample2,
                Op::Concat => Layer::Concat,
                Op::GlobalPool => Layer::GlobalPool,
            });
        }
        Ok(Self { graph: graph.clone(), layers, vars })
    }

    fn forward(&self, input: &Tensor) -> Result<BTreeMap<String, Tensor>> {
        let mut values: BTreeMap<&str, Tensor> = BTreeMap::from([("input", input.clone())]);
        for (node, layer) in self.graph.nodes.iter().zip(&self.layers) {
            let inputs: Vec<&Tensor> = node.inputs.iter().map(|name| &values[name.as_str()]).collect();
            let output = layer.forward(&inputs).with_context(|| format!("\"{}\"", node.name))?;
            values.insert(&node.name, output);
        }
        Ok(self
            .graph
            .outputs
            .iter()
            .map(|(role, node)| (role.clone(), values[node.as_str()].clone()))
            .collect())
    }
}

impl Layer {
    fn forward(&self, inputs: &[&Tensor]) -> candle_core::Result<Tensor> {
        let x = inputs[0];
        match self {
            Self::Conv { conv, norm, act } => {
                let y = conv.forward(x)?;
                let y = if let Some(norm) = norm { norm.forward_train(&y)? } else { y };
                activate(y, *act)
            }
            Self::Line { conv, act } => activate(conv.forward(&x.squeeze(2)?)?.unsqueeze(2)?, *act),
            Self::Linear { linear, act } => {
                let y = activate(linear.forward(&x.flatten_from(1)?)?, *act)?;
                y.unsqueeze(2)?.unsqueeze(3)
            }
            Self::Add { act } => {
                let sum = inputs[1..].iter().try_fold(x.clone(), |sum, other| sum + *other)?;
                activate(sum, *act)
            }
            Self::Upsample2 => {
                let (_, _, height, width) = x.dims4()?;
                x.upsample_nearest2d(2 * height, 2 * width)
            }
            Self::Concat => Tensor::cat(inputs, 1),
            Self::GlobalPool => {
                let flat = x.flatten_from(2)?;
                let pooled = Tensor::cat(&[flat.mean(D::Minus1)?, flat.max(D::Minus1)?], 1)?;
                pooled.unsqueeze(2)?.unsqueeze(3)
            }
        }
    }
}

fn activate(x: Tensor, act: Act) -> candle_core::Result<Tensor> {
    match act {
        Act::None => Ok(x),
        Act::Relu => x.relu(),
        Act::Relu6 => x.clamp(0.0_f32, 6.0_f32),
    }
}

fn line(weight: &Tensor, bias: Tensor, kernel: Extent, stride: Extent, groups: usize) -> Result<Conv1d> {
    if kernel.y != 1 || stride.y != 1 {
        bail!("candle has no convolution that differs in rows and columns");
    }
    let (padding, stride) = (kernel.x / 2, stride.x);
    let config = Conv1dConfig { padding, stride, groups, ..Conv1dConfig::default() };
    Ok(Conv1d::new(weight.squeeze(2)?, Some(bias), config))
}

/// The weights with every batch norm inside its convolution, which then has a bias.
fn folded(graph: &Graph, weights: &Weights) -> Result<Weights> {
    let mut folded = weights.clone();
    for node in &graph.nodes {
        let Op::Conv { bn: true, .. } = node.op else { continue };
        let mut take = |suffix: &str| {
            folded.remove(&format!("{}.{suffix}", node.name)).context("a batch norm lacks a tensor")
        };
        let (scale, shift, mean, var) = (take("scale")?.1, take("shift")?.1, take("mean")?.1, take("var")?.1);
        let (shape, mut values) = take("weight")?;
        let patch = values.len() / scale.len();
        let mut bias = Vec::with_capacity(scale.len());
        for (channel, row) in values.chunks_exact_mut(patch).enumerate() {
            let factor = scale[channel] / (var[channel] + EPSILON).sqrt();
            for value in row {
                *value *= factor;
            }
            bias.push(shift[channel] - mean[channel] * factor);
        }
        folded.insert(format!("{}.weight", node.name), (shape, values));
        folded.insert(format!("{}.bias", node.name), (vec![bias.len()], bias));
    }
    Ok(folded)
}

/// The graph that [`folded`] weights belong to.
fn without_norms(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    for node in &mut graph.nodes {
        if let Op::Conv { bn, .. } = &mut node.op {
            *bn = false;
        }
    }
    graph
}
