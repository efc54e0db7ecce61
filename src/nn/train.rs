//! The trainable form of a layer graph: parameters in the graph's order, seeded, and a forward
//! pass that candle can differentiate.

use super::conv::ConvOp;
use super::graph::{Act, Graph, INPUT, Op};
use super::norm::{self, NormOp, Statistics};
use super::upsample::Upsample2;
use super::{NnError, Weights};
use candle_core::{D, Device, Tensor, Var};
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Share of a new batch in the running statistics. With batches of 16 and short trainings a
/// tenth forgets the first, useless statistics in a fraction of an epoch.
const MOMENTUM: f32 = 0.1;

/// Parameters, running statistics and the forward pass for training.
pub struct TrainNet {
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
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut net =
            Self { graph: graph.clone(), vars: Vec::new(), index: BTreeMap::new(), running: BTreeMap::new() };
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
    /// folded into the running ones. Gives each output by role.
    pub fn forward(&mut self, input: &Tensor) -> Result<BTreeMap<String, Tensor>, NnError> {
        let mut values: BTreeMap<&str, Tensor> = BTreeMap::from([(INPUT, input.clone())]);
        let graph = self.graph.clone();
        for node in &graph.nodes {
            let inputs: Vec<&Tensor> = node.inputs.iter().map(|i| &values[i.as_str()]).collect();
            let out = self.node(&node.name, &node.op, &inputs)?;
            values.insert(&node.name, out);
        }
        Ok(graph.outputs.iter().map(|(role, node)| (role.clone(), values[node.as_str()].clone())).collect())
    }

    fn node(&mut self, name: &str, op: &Op, inputs: &[&Tensor]) -> Result<Tensor, NnError> {
        let x = *inputs.first().ok_or_else(|| NnError::Graph(format!("\"{name}\" has no input")))?;
        Ok(match *op {
            Op::Conv { stride, bn, act, .. } => {
                let y = x.contiguous()?.apply_op2(self.var(name, "weight")?, ConvOp { stride })?;
                if bn {
                    let batch = norm::statistics(&y)?;
                    let op = NormOp::new(&batch, act == Act::Relu);
                    let out = y.apply_op3(self.var(name, "scale")?, self.var(name, "shift")?, op)?;
                    self.follow(name, &batch);
                    out
                } else {
                    let bias = self.var(name, "bias")?;
                    activate(y.broadcast_add(&bias.reshape((1, bias.elem_count(), 1, 1))?)?, act)?
                }
            }
            Op::Add { act } => {
                let mut sum = x.clone();
                for other in &inputs[1..] {
                    sum = (sum + *other)?;
                }
                activate(sum, act)?
            }
            Op::Upsample2 => x.contiguous()?.apply_op1(Upsample2)?,
            Op::Concat => Tensor::cat(inputs, 1)?,
            Op::GlobalPool => {
                let (n, c, h, w) = x.dims4()?;
                let flat = x.reshape((n, c, h * w))?;
                let pooled = Tensor::cat(&[flat.mean(D::Minus1)?, flat.max(D::Minus1)?], 1)?;
                pooled.reshape((n, 2 * c, 1, 1))?
            }
            Op::Linear { act, .. } => {
                let (n, c, _, _) = x.dims4()?;
                let y = x.reshape((n, c))?.matmul(&self.var(name, "weight")?.t()?)?;
                let y = y.broadcast_add(self.var(name, "bias")?)?;
                let out = y.dim(1)?;
                activate(y.reshape((n, out, 1, 1))?, act)?
            }
        })
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

fn activate(x: Tensor, act: Act) -> Result<Tensor, candle_core::Error> {
    match act {
        Act::None => Ok(x),
        Act::Relu => x.relu(),
    }
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
        let plan = Plan::new(&graph, &net.weights().unwrap()).unwrap();
        for sample in 0..2 {
            let values = x.get(sample).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let out = plan.run(&values, 64, 64).unwrap();
            for (role, output) in &out {
                let expected =
                    trained[role].get(sample).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let worst =
                    output.values.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
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
