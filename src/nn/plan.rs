//! The inference form of a layer graph: batch norm folded into the convolutions, one sample at a
//! time, no autograd.

use super::conv::{self, Geometry};
use super::graph::{Act, Graph, INPUT, Op, Shape3};
use super::norm::EPSILON;
use super::upsample::doubled;
use super::{NnError, Weights};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many differences an error names before it only counts them.
const DIFFERENCES_SHOWN: usize = 5;

/// One output of a forward pass: `channels × height × width`, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanOutput {
    pub shape: Shape3,
    pub values: Vec<f32>,
}

enum Step {
    Conv { weight: Tensor, bias: Vec<f32>, kernel: usize, stride: usize, act: Act },
    Add { act: Act },
    Upsample2,
    Concat,
    GlobalPool,
    Linear { weight: Vec<f32>, bias: Vec<f32>, act: Act },
}

/// A network ready to run; shared between threads.
pub struct Plan {
    graph: Graph,
    steps: Vec<Step>,
    /// For each node, its inputs as positions (0 is the network's input, `i + 1` node `i`).
    inputs: Vec<Vec<usize>>,
    /// For each position, the last node that reads it; outputs are never freed.
    last_use: Vec<usize>,
}

impl Plan {
    /// Checks names and shapes of all tensors against the graph, then folds batch norm.
    pub fn new(graph: &Graph, weights: &Weights) -> Result<Self, NnError> {
        check(graph, weights)?;
        let mut at: BTreeMap<&str, usize> = BTreeMap::from([(INPUT, 0)]);
        let (mut steps, mut inputs) = (Vec::new(), Vec::new());
        let mut last_use = vec![0; graph.nodes.len() + 1];
        for (i, node) in graph.nodes.iter().enumerate() {
            let read: Vec<usize> = node.inputs.iter().map(|name| at[name.as_str()]).collect();
            for &position in &read {
                last_use[position] = i;
            }
            at.insert(&node.name, i + 1);
            inputs.push(read);
            steps.push(step(&node.name, &node.op, weights)?);
        }
        for node in graph.outputs.values() {
            last_use[at[node.as_str()]] = usize::MAX;
        }
        Ok(Self { graph: graph.clone(), steps, inputs, last_use })
    }

    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Runs one sample of `input_channels × height × width`; gives each output by role.
    pub fn run(
        &self,
        input: &[f32],
        height: usize,
        width: usize,
    ) -> Result<BTreeMap<String, PlanOutput>, NnError> {
        let shape = Shape3 { channels: self.graph.input_channels, height, width };
        if input.len() != shape.channels * height * width {
            return Err(NnError::Input {
                got: format!("{} values", input.len()),
                expected: shape.to_string(),
            });
        }
        let mut values: Vec<Option<PlanOutput>> = vec![Some(PlanOutput { shape, values: input.to_vec() })];
        for (i, step) in self.steps.iter().enumerate() {
            let name = &self.graph.nodes[i].name;
            let missing = || NnError::Graph(format!("\"{name}\" reads a value that is gone"));
            let read = self.inputs[i]
                .iter()
                .map(|&at| values[at].as_ref().ok_or_else(missing))
                .collect::<Result<Vec<_>, _>>()?;
            let out = run_step(step, &read).map_err(|error| match error {
                NnError::Graph(why) => NnError::Graph(format!("\"{name}\" {why}")),
                other => other,
            })?;
            values.push(Some(out));
            for &at in &self.inputs[i] {
                if self.last_use[at] <= i {
                    values[at] = None;
                }
            }
        }
        let mut outputs = BTreeMap::new();
        for (role, node) in &self.graph.outputs {
            let position = self.graph.nodes.iter().position(|n| n.name == *node).map_or(0, |i| i + 1);
            if let Some(value) = &values[position] {
                outputs.insert(role.clone(), value.clone());
            }
        }
        Ok(outputs)
    }
}

fn step(name: &str, op: &Op, weights: &Weights) -> Result<Step, NnError> {
    let get = |suffix: &str| {
        let full = format!("{name}.{suffix}");
        weights.get(&full).ok_or_else(|| NnError::Weights(format!("no tensor \"{full}\"")))
    };
    Ok(match *op {
        Op::Conv { out, kernel, stride, bn, act } => {
            let (shape, values) = get("weight")?;
            let patch = shape.iter().skip(1).product::<usize>();
            let mut values = values.clone();
            let bias = if bn {
                let (scale, shift) = (&get("scale")?.1, &get("shift")?.1);
                let (mean, var) = (&get("mean")?.1, &get("var")?.1);
                let mut bias = Vec::with_capacity(out);
                for (channel, row) in values.chunks_exact_mut(patch).enumerate() {
                    let factor = scale[channel] / (var[channel] + EPSILON).sqrt();
                    for w in row {
                        *w *= factor;
                    }
                    bias.push(shift[channel] - mean[channel] * factor);
                }
                bias
            } else {
                get("bias")?.1.clone()
            };
            Step::Conv {
                weight: Tensor::from_vec(values, (out, patch), &Device::Cpu)?,
                bias,
                kernel,
                stride,
                act,
            }
        }
        Op::Linear { act, .. } => {
            Step::Linear { weight: get("weight")?.1.clone(), bias: get("bias")?.1.clone(), act }
        }
        Op::Add { act } => Step::Add { act },
        Op::Upsample2 => Step::Upsample2,
        Op::Concat => Step::Concat,
        Op::GlobalPool => Step::GlobalPool,
    })
}

fn run_step(step: &Step, read: &[&PlanOutput]) -> Result<PlanOutput, NnError> {
    let x = *read.first().ok_or_else(|| NnError::Graph("has no input".to_owned()))?;
    let s = x.shape;
    let plane = s.height * s.width;
    Ok(match step {
        Step::Conv { weight, bias, kernel, stride, act } => {
            let g = Geometry {
                input: s.channels,
                height: s.height,
                width: s.width,
                out: bias.len(),
                kernel: *kernel,
                stride: *stride,
            };
            let shape = Shape3 { channels: g.out, height: g.out_height(), width: g.out_width() };
            let mut values = vec![0.0; shape.channels * shape.height * shape.width];
            conv::forward(g, &x.values, weight, &mut values)?;
            for (line, bias) in values.chunks_exact_mut(shape.height * shape.width).zip(bias) {
                finish(line, *bias, *act);
            }
            PlanOutput { shape, values }
        }
        Step::Add { act } => {
            let mut values = x.values.clone();
            for other in &read[1..] {
                if other.shape != s {
                    return Err(NnError::Graph(format!("combines {s} with {}", other.shape)));
                }
                values.iter_mut().zip(&other.values).for_each(|(a, b)| *a += b);
            }
            finish(&mut values, 0.0, *act);
            PlanOutput { shape: s, values }
        }
        Step::Upsample2 => {
            let shape = Shape3 { height: 2 * s.height, width: 2 * s.width, ..s };
            PlanOutput { shape, values: doubled(&x.values, s.width) }
        }
        Step::Concat => {
            let channels = read.iter().map(|r| r.shape.channels).sum();
            let values = read.iter().flat_map(|r| r.values.iter().copied()).collect();
            PlanOutput { shape: Shape3 { channels, ..s }, values }
        }
        Step::GlobalPool => {
            let means = x.values.chunks_exact(plane).map(|p| p.iter().sum::<f32>() / plane as f32);
            let most =
                x.values.chunks_exact(plane).map(|p| p.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let shape = Shape3 { channels: 2 * s.channels, height: 1, width: 1 };
            PlanOutput { shape, values: means.chain(most).collect() }
        }
        Step::Linear { weight, bias, act } => {
            let dot = |row: &[f32]| row.iter().zip(&x.values).map(|(w, v)| w * v).sum::<f32>();
            let mut values: Vec<f32> =
                weight.chunks_exact(s.channels).zip(bias).map(|(row, b)| dot(row) + b).collect();
            finish(&mut values, 0.0, *act);
            PlanOutput { shape: Shape3 { channels: bias.len(), height: 1, width: 1 }, values }
        }
    })
}

fn finish(values: &mut [f32], bias: f32, act: Act) {
    let floor = if act == Act::Relu { 0.0 } else { f32::NEG_INFINITY };
    for v in values {
        *v = (*v + bias).max(floor);
    }
}

/// Missing, superfluous and misshapen tensors, in words.
fn check(graph: &Graph, weights: &Weights) -> Result<(), NnError> {
    let specs = graph.weights()?;
    let mut differences = Vec::new();
    for spec in &specs {
        match weights.get(&spec.name) {
            None => differences.push(format!("\"{}\" {:?} is missing", spec.name, spec.shape)),
            Some((shape, _)) if *shape != spec.shape => {
                differences.push(format!("\"{}\" is {shape:?}, expected {:?}", spec.name, spec.shape));
            }
            Some((_, values)) if values.iter().any(|v| !v.is_finite()) => {
                differences.push(format!("\"{}\" holds values that are not finite", spec.name));
            }
            Some(_) => {}
        }
    }
    for name in weights.keys().filter(|name| specs.iter().all(|s| s.name != **name)) {
        differences.push(format!("\"{name}\" belongs to no layer"));
    }
    if differences.is_empty() {
        return Ok(());
    }
    let mut text = differences.iter().take(DIFFERENCES_SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if differences.len() > DIFFERENCES_SHOWN {
        let _ = write!(text, "; and {} more", differences.len() - DIFFERENCES_SHOWN);
    }
    Err(NnError::Weights(text))
}
