//! The trainable form of a layer graph: parameters in the graph's order, seeded, and a forward
//! pass that candle can differentiate.

use super::blocked::{Block, Double, Pool, RectifiedSum, Unblock};
use super::conv::{Channels, Form};
use super::conv_op::ConvOp;
use super::graph::{Act, Extent, Graph, INPUT, Op};
use super::kernels::Isa;
use super::norm::{self, NormOp, Statistics};
use super::{NnError, Weights};
use candle_core::{Device, Tensor, Var};
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Share of a new batch in the running statistics. With batches of 16 and short trainings a
/// tenth forgets the first, useless statistics in a fraction of an epoch.
const MOMENTUM: f32 = 0.1;

/// Parameters, running statistics and the forward pass for training.
pub struct TrainNet {
    isa: Isa,
    graph: Graph,
    /// Trainable tensors, in the graph's order.
    vars: Vec<(String, Var)>,
    index: BTreeMap<String, usize>,
    running: BTreeMap<String, Statistics>,
}

impl TrainNet {
    /// Fresh weights from a seed: He's scaled normal distribution for layers that a rectifier
    /// follows, zero biases, and small weights in the heads.
    pub fn new(graph: &Graph, seed: u64) -> Result<Self, NnError> {
        Self::with(Isa::best(), graph, seed)
    }

    /// The same for an instruction set of [`Isa::available`].
    pub(super) fn with(isa: Isa, graph: &Graph, seed: u64) -> Result<Self, NnError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut net = Self {
            isa,
            graph: graph.clone(),
            vars: Vec::new(),
            index: BTreeMap::new(),
            running: BTreeMap::new(),
        };
        for spec in graph.weights()? {
            let count = spec.shape.iter().product::<usize>();
            let (_, suffix) = spec.name.rsplit_once('.').unwrap_or(("", ""));
            let values = match suffix {
                "weight" => {
                    let fan_in = spec.shape.iter().skip(1).product::<usize>().max(1);
                    let std = (2.0 / fan_in as f64).sqrt();
                    (0..count).map(|_| normal(&mut rng, std)).collect()
                }
                "scale" | "var" => vec![1.0; count],
                _ => vec![0.0; count],
            };
            net.put(&spec.name, spec.trainable, &spec.shape, values)?;
        }
        Ok(net)
    }

    fn put(&mut self, name: &str, trainable: bool, shape: &[usize], values: Vec<f32>) -> Result<(), NnError> {
        if trainable {
            let var = Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)?;
            self.index.insert(name.to_owned(), self.vars.len());
            self.vars.push((name.to_owned(), var));
        } else if let Some((layer, suffix)) = name.rsplit_once('.') {
            let entry = self
                .running
                .entry(layer.to_owned())
                .or_insert_with(|| Statistics { mean: Vec::new(), var: Vec::new() });
            if suffix == "mean" { entry.mean = values } else { entry.var = values }
        }
        Ok(())
    }

    /// Takes over every tensor of `weights` whose name and shape fit; gives their number.
    pub fn adopt(&mut self, weights: &Weights) -> Result<usize, NnError> {
        let mut taken = 0;
        for spec in self.graph.weights()? {
            let Some((shape, values)) = weights.get(&spec.name).filter(|(shape, _)| *shape == spec.shape)
            else {
                continue;
            };
            taken += 1;
            match (self.index.get(&spec.name), spec.name.rsplit_once('.')) {
                (Some(&i), _) => {
                    self.vars[i].1.set(&Tensor::from_slice(values, shape.as_slice(), &Device::Cpu)?)?;
                }
                (None, Some((layer, suffix))) => {
                    if let Some(s) = self.running.get_mut(layer) {
                        if suffix == "mean" { s.mean.clone_from(values) } else { s.var.clone_from(values) }
                    }
                }
                (None, None) => {}
            }
        }
        Ok(taken)
    }

    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Trainable parameters in the graph's order.
    #[must_use]
    pub fn vars(&self) -> Vec<Var> {
        self.vars.iter().map(|(_, var)| var.clone()).collect()
    }

    /// All tensors, running statistics included.
    pub fn weights(&self) -> Result<Weights, NnError> {
        let mut weights = Weights::new();
        for (name, var) in &self.vars {
            weights.insert(name.clone(), (var.dims().to_vec(), var.flatten_all()?.to_vec1()?));
        }
        for (layer, s) in &self.running {
            weights.insert(format!("{layer}.mean"), (vec![s.mean.len()], s.mean.clone()));
            weights.insert(format!("{layer}.var"), (vec![s.var.len()], s.var.clone()));
        }
        Ok(weights)
    }

    fn var(&self, layer: &str, suffix: &str) -> Result<&Tensor, NnError> {
        let name = format!("{layer}.{suffix}");
        match self.index.get(&name) {
            Some(&i) => Ok(self.vars[i].1.as_tensor()),
            None => Err(NnError::Weights(format!("no tensor \"{name}\""))),
        }
    }

    /// One training step's forward pass on `[n, channels, h, w]`: batch statistics are used and
    /// folded into the running ones. Gives each output by role, `[n, channels, h, w]`.
    pub fn forward(&mut self, input: &Tensor) -> Result<BTreeMap<String, Tensor>, NnError> {
        let graph = self.graph.clone();
        let channels = graph.channels()?;
        let mut values: BTreeMap<&str, Activation> = BTreeMap::new();
        let input = input.contiguous()?;
        values.insert(INPUT, Activation { planar: Some(input), blocked: None, channels: graph.input_channels });
        for node in &graph.nodes {
            // The input is blocked once, when the first layer asks for it.
            let planar_serves = matches!(node.op, Op::Conv { groups: 1, .. });
            for name in &node.inputs {
                if let Some(value) = values.get_mut(name.as_str()) {
                    value.prepare(self.isa, planar_serves)?;
                }
            }
            let inputs: Vec<&Activation> = node.inputs.iter().map(|i| &values[i.as_str()]).collect();
            let blocked = self.node(&node.name, &node.op, &inputs)?;
            let channels = channels[node.name.as_str()];
            values.insert(&node.name, Activation { planar: None, blocked: Some(blocked), channels });
        }
        let mut outputs = BTreeMap::new();
        for (role, node) in &graph.outputs {
            let value = &values[node.as_str()];
            outputs.insert(role.clone(), value.blocked()?.apply_op1(Unblock { channels: value.channels })?);
        }
        Ok(outputs)
    }

    /// The blocked value of a node.
    fn node(&mut self, name: &str, op: &Op, inputs: &[&Activation]) -> Result<Tensor, NnError> {
        let x = *inputs.first().ok_or_else(|| NnError::Graph(format!("\"{name}\" has no input")))?;
        Ok(match *op {
            Op::Conv { out, kernel, stride, groups, bn, act } => {
                let channels = Channels { input: x.channels, output: out, groups };
                let (form, value) = x.for_conv(groups)?;
                let op = ConvOp { isa: self.isa, form, channels, kernel, stride };
                self.conv(name, value, op, bn, act)?
            }
            Op::Linear { out, act } => {
                let channels = Channels { input: x.channels, output: out, groups: 1 };
                let side = Extent::square(1);
                let op = ConvOp { isa: self.isa, form: Form::Blocked, channels, kernel: side, stride: side };
                self.conv(name, x.blocked()?, op, false, act)?
            }
            Op::Add { act } => {
                let mut sum = x.blocked()?.clone();
                for (i, other) in inputs.iter().enumerate().skip(1) {
                    let other = other.blocked()?;
                    let is_last = i + 1 == inputs.len();
                    sum = if is_last && act == Act::Relu {
                        sum.apply_op2(other, RectifiedSum)?
                    } else {
                        (sum + other)?
                    };
                }
                sum
            }
            Op::Upsample2 => x.blocked()?.apply_op1(Double)?,
            Op::Concat => concat(self.isa, inputs)?,
            Op::GlobalPool => {
                let pooled = x.blocked()?.apply_op1(Pool { channels: x.channels })?;
                let (n, channels) = pooled.dims2()?;
                pooled.reshape((n, channels, 1, 1))?.apply_op1(Block { isa: self.isa })?
            }
        })
    }

    fn conv(&mut self, name: &str, x: &Tensor, op: ConvOp, bn: bool, act: Act) -> Result<Tensor, NnError> {
        let relu = act == Act::Relu;
        let weight = self.var(name, "weight")?;
        if bn {
            let y = x.apply_op2(weight, op)?;
            let batch = norm::statistics(&y, op.channels.output)?;
            let norm = NormOp::new(&batch, relu);
            let out = y.apply_op3(self.var(name, "scale")?, self.var(name, "shift")?, norm)?;
            self.follow(name, &batch);
            return Ok(out);
        }
        let y = x.apply_op3(weight, self.var(name, "bias")?, op)?;
        Ok(if relu { y.relu()? } else { y })
    }

    fn follow(&mut self, layer: &str, batch: &Statistics) {
        if let Some(running) = self.running.get_mut(layer) {
            for (old, new) in [(&mut running.mean, &batch.mean), (&mut running.var, &batch.var)] {
                for (old, new) in old.iter_mut().zip(new) {
                    *old += MOMENTUM * (new - *old);
                }
            }
        }
    }
}

/// A value on its way through the network.
struct Activation {
    /// Only the network's input.
    planar: Option<Tensor>,
    blocked: Option<Tensor>,
    channels: usize,
}

impl Activation {
    /// Blocks the input unless its planar form serves (then it needs no gradient).
    fn prepare(&mut self, isa: Isa, planar_serves: bool) -> Result<(), NnError> {
        if let (Some(planar), None) = (&self.planar, &self.blocked)
            && (!planar_serves || planar.track_op())
        {
            self.blocked = Some(planar.apply_op1(Block { isa })?);
        }
        Ok(())
    }

    fn blocked(&self) -> Result<&Tensor, NnError> {
        self.blocked.as_ref().ok_or_else(|| NnError::Graph("an input that was not blocked".to_owned()))
    }

    fn for_conv(&self, groups: usize) -> Result<(Form, &Tensor), NnError> {
        match &self.planar {
            Some(planar) if groups == 1 && !planar.track_op() => Ok((Form::Planar, planar)),
            _ => Ok((Form::Blocked, self.blocked()?)),
        }
    }
}

/// Along channels: blocks one after the other where they are full, else through the planar form.
fn concat(isa: Isa, inputs: &[&Activation]) -> Result<Tensor, NnError> {
    let full = inputs.iter().rev().skip(1).all(|x| x.channels % isa.lanes() == 0);
    let tensors: Result<Vec<Tensor>, NnError> = inputs
        .iter()
        .map(|x| {
            let blocked = x.blocked()?;
            Ok(if full { blocked.clone() } else { blocked.apply_op1(Unblock { channels: x.channels })? })
        })
        .collect();
    let joined = Tensor::cat(&tensors?, 1)?;
    Ok(if full { joined } else { joined.apply_op1(Block { isa })? })
}

/// A normal variate by Box and Muller's transform.
fn normal(rng: &mut ChaCha8Rng, std: f64) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "weights are single precision")]
    let value = (std * radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32;
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Plan, defect_network};

    #[test]
    fn seeds_decide_the_weights_and_the_plan_agrees_with_training_at_running_statistics() {
        let graph = defect_network(1, 2);
        let mut net = TrainNet::new(&graph, 7).unwrap();
        assert_eq!(net.weights().unwrap(), TrainNet::new(&graph, 7).unwrap().weights().unwrap());
        assert_ne!(net.weights().unwrap(), TrainNet::new(&graph, 8).unwrap().weights().unwrap());
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let values: Vec<f32> = (0..2 * 64 * 64).map(|_| normal(&mut rng, 1.0)).collect();
        let x = Tensor::from_vec(values, (2, 1, 64, 64), &Device::Cpu).unwrap();
        // The same batch again and again: running statistics become the batch's.
        for _ in 0..200 {
            net.forward(&x).unwrap();
        }
        let trained = net.forward(&x).unwrap();
        let plan = Plan::new(&graph, &net.weights().unwrap(), 64, 64).unwrap();
        for sample in 0..2 {
            let values = x.get(sample).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            for role in graph.outputs.keys() {
                let output =
                    plan.run_values(1, &values, |out| out.get(role).unwrap().values.to_vec()).unwrap();
                let expected =
                    trained[role].get(sample).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert_eq!(output.len(), expected.len());
                let worst = output.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst < 1e-2, "{role} differs by {worst}");
            }
        }
    }

    /// The gradient of the whole network, layer by layer, against central differences along it.
    /// Rectifiers and single precision leave a few per cent.
    #[test]
    fn gradients_of_the_whole_network_agree_with_differences() {
        let mut net = TrainNet::new(&crate::nn::defect_network(1, 2), 3).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let mut random = |shape: &[usize]| {
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| normal(&mut rng, 1.0)).collect();
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
        };
        let (input, pull) = (random(&[4, 1, 64, 64]), random(&[4, 2, 16, 16]));
        let loss = |net: &mut TrainNet| {
            let out = net.forward(&input).unwrap();
            let pixels = (&out[crate::nn::PIXEL_OUTPUT] * &pull).unwrap().sum_all().unwrap();
            (pixels + out[crate::nn::ITEM_OUTPUT].sqr().unwrap().sum_all().unwrap()).unwrap()
        };
        let grads = loss(&mut net).backward().unwrap();
        for (name, var) in net.vars.clone() {
            let grad = grads.get(&var).unwrap();
            let norm = f64::from(grad.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap()).sqrt();
            let before = var.as_tensor().copy().unwrap();
            let step = 1e-2 / norm;
            let mut at = |sign: f64| {
                var.set(&(&before + (grad * (sign * step)).unwrap()).unwrap()).unwrap();
                f64::from(loss(&mut net).to_scalar::<f32>().unwrap())
            };
            let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
            var.set(&before).unwrap();
            let ratio = slope / (norm * norm);
            assert!((ratio - 1.0).abs() < 0.1, "{name}: {ratio}");
        }
    }
}
