//! The trainable form of a layer graph: parameters in the graph's order, seeded, and the whole
//! graph as one operation that candle can differentiate.

use super::graph::Graph;
use super::kernels::Isa;
use super::norm::Statistics;
use super::slices::{operand, with_values};
use super::tape::{Layers, Tape};
use super::{NnError, Weights, blocked};
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result as CandleResult, Shape, Tensor, Var};
use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Share of a new batch in the running statistics. With batches of 16 and short trainings a
/// tenth forgets the first, useless statistics in a fraction of an epoch.
const MOMENTUM: f32 = 0.1;

/// Parameters, running statistics and the forward pass for training.
pub struct TrainNet {
    layers: Arc<Layers>,
    /// All trainable tensors one after the other, in the graph's order.
    parameters: Var,
    running: BTreeMap<String, Statistics>,
}

impl TrainNet {
    /// Fresh weights from a seed: He's scaled normal distribution for layers that a rectifier
    /// follows, zero biases.
    pub fn new(graph: &Graph, seed: u64) -> Result<Self, NnError> {
        Self::with(Isa::best(), graph, seed)
    }

    /// The same for an instruction set of [`Isa::available`].
    pub(super) fn with(isa: Isa, graph: &Graph, seed: u64) -> Result<Self, NnError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut parameters = Vec::new();
        let mut running = BTreeMap::new();
        for spec in graph.weights()? {
            let count = spec.shape.iter().product::<usize>();
            let (layer, suffix) = spec.name.rsplit_once('.').unwrap_or(("", ""));
            match suffix {
                "weight" => {
                    let fan_in = spec.shape.iter().skip(1).product::<usize>().max(1);
                    let std = (2.0 / fan_in as f64).sqrt();
                    parameters.extend((0..count).map(|_| normal(&mut rng, std)));
                }
                "scale" => parameters.resize(parameters.len() + count, 1.0),
                "mean" => {
                    let fresh = Statistics { mean: vec![0.0; count], var: vec![1.0; count] };
                    running.insert(layer.to_owned(), fresh);
                }
                "var" => {}
                _ => parameters.resize(parameters.len() + count, 0.0),
            }
        }
        let parameters = Var::from_vec(parameters, parameter_count(&graph.weights()?), &Device::Cpu)?;
        Ok(Self { layers: Arc::new(Layers::new(isa, graph)?), parameters, running })
    }

    /// Takes over every tensor of `weights` whose name and shape fit; gives their number.
    pub fn adopt(&mut self, weights: &Weights) -> Result<usize, NnError> {
        let mut taken = 0;
        let mut parameters = self.parameters.to_vec1::<f32>()?;
        for spec in self.graph().weights()? {
            let Some((_, values)) = weights.get(&spec.name).filter(|(shape, _)| *shape == spec.shape) else {
                continue;
            };
            taken += 1;
            match (self.layers.ranges.get(&spec.name), spec.name.rsplit_once('.')) {
                (Some(range), _) => parameters[range.clone()].copy_from_slice(values),
                (None, Some((layer, suffix))) => {
                    if let Some(s) = self.running.get_mut(layer) {
                        if suffix == "mean" { s.mean.clone_from(values) } else { s.var.clone_from(values) }
                    }
                }
                (None, None) => {}
            }
        }
        self.parameters.set(&Tensor::from_vec(parameters, self.parameters.shape(), &Device::Cpu)?)?;
        Ok(taken)
    }

    #[must_use]
    pub fn graph(&self) -> &Graph {
        self.layers.graph()
    }

    /// All trainable parameters, one after the other in the graph's order.
    #[must_use]
    pub fn parameters(&self) -> &Var {
        &self.parameters
    }

    /// All tensors, running statistics included.
    pub fn weights(&self) -> Result<Weights, NnError> {
        let parameters = self.parameters.to_vec1::<f32>()?;
        let mut weights = Weights::new();
        for spec in self.graph().weights()? {
            let values = match (self.layers.ranges.get(&spec.name), spec.name.rsplit_once('.')) {
                (Some(range), _) => parameters[range.clone()].to_vec(),
                (None, Some((layer, suffix))) => match self.running.get(layer) {
                    Some(s) if suffix == "mean" => s.mean.clone(),
                    Some(s) => s.var.clone(),
                    None => continue,
                },
                (None, None) => continue,
            };
            weights.insert(spec.name, (spec.shape, values));
        }
        Ok(weights)
    }

    /// One training step's forward pass on `[n, channels, h, w]`: batch statistics are used and
    /// folded into the running ones. Gives each output by role, `[n, channels, h, w]`.
    pub fn forward(&mut self, input: &Tensor) -> Result<BTreeMap<String, Tensor>, NnError> {
        let tape = Arc::new(Mutex::new(None));
        let op = NetworkOp {
            layers: Arc::clone(&self.layers),
            tape: Arc::clone(&tape),
            input_tracked: input.track_op(),
        };
        let flat = input.contiguous()?.apply_op2(&self.parameters, op)?;
        let guard = tape.lock();
        let Some(tape) = guard.as_ref() else {
            return Err(NnError::Graph("the forward pass left no tape".to_owned()));
        };
        for (layer, batch) in &tape.statistics {
            self.follow(layer, batch);
        }
        let mut start = 0;
        let mut outputs = BTreeMap::new();
        for (role, (_, b)) in self.graph().outputs.keys().zip(self.layers.outputs(tape)) {
            let len = b.n * b.channels * b.size.area();
            let output = flat.narrow(0, start, len)?.reshape((b.n, b.channels, b.size.y, b.size.x))?;
            outputs.insert(role.clone(), output);
            start += len;
        }
        Ok(outputs)
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

/// Number of trainable parameters.
fn parameter_count(specs: &[super::WeightSpec]) -> usize {
    specs.iter().filter(|s| s.trainable).map(|s| s.shape.iter().product::<usize>()).sum()
}

/// A layer graph as one operation on an input `[n, channels, h, w]` and its parameters. The
/// result is all outputs one after the other, each row by row.
struct NetworkOp {
    layers: Arc<Layers>,
    /// What the backward pass needs, once forward has run.
    tape: Arc<Mutex<Option<Tape>>>,
    input_tracked: bool,
}

fn candle_error(error: NnError) -> candle_core::Error {
    match error {
        NnError::Tensor(error) => error,
        other => candle_core::Error::Msg(other.to_string()),
    }
}

impl CustomOp2 for NetworkOp {
    fn name(&self) -> &'static str {
        "layer graph"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        parameters: &CpuStorage,
        pl: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        let dims = <[usize; 4]>::try_from(xl.dims())
            .map_err(|_| candle_core::Error::Msg(format!("an input of shape {:?}", xl.dims())))?;
        let (x, parameters) = (operand(x, xl, self.name())?, operand(parameters, pl, self.name())?);
        let tape = self.layers.forward(x, dims, parameters, self.input_tracked).map_err(candle_error)?;
        let mut values = Vec::new();
        for (at, size) in self.layers.outputs(&tape) {
            values.extend(blocked::unblock(tape.value(at).map_err(candle_error)?, size));
        }
        *self.tape.lock() = Some(tape);
        let count = values.len();
        Ok((CpuStorage::F32(values), Shape::from(count)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        parameters: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
        let guard = self.tape.lock();
        let Some(tape) = guard.as_ref() else {
            return Err(candle_core::Error::Msg("backward before forward".to_owned()));
        };
        let (dx, by_parameter) = with_values(x, |x| {
            with_values(parameters, |parameters| {
                with_values(grad, |grad| {
                    self.layers.backward(tape, x, parameters, grad).map_err(candle_error)
                })
            })
        })?;
        let dx = dx.map(|dx| Tensor::from_vec(dx, x.shape(), &Device::Cpu)).transpose()?;
        Ok((dx, Some(Tensor::from_vec(by_parameter, parameters.shape(), &Device::Cpu)?)))
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
    use crate::nn::{Act, Op, Plan, defect_network};

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

    /// The gradient of the whole network, tensor by tensor, against central differences along it.
    /// Rectifiers and single precision leave a few per cent.
    #[test]
    fn gradients_of_the_whole_network_agree_with_differences() {
        let graph = defect_network(1, 2);
        check_gradients(&mut TrainNet::new(&graph, 3).unwrap());
        let mut limited = graph;
        for node in &mut limited.nodes {
            if let Op::Conv { act, .. } | Op::Add { act } = &mut node.op
                && *act == Act::Relu
            {
                *act = Act::Relu6;
            }
        }
        let mut net = TrainNet::new(&limited, 3).unwrap();
        // So large that the limit is met.
        let mut scales = net.weights().unwrap();
        scales.retain(|name, _| name.rsplit_once('.').is_some_and(|(_, part)| part == "scale"));
        for (_, values) in scales.values_mut() {
            values.fill(3.0);
        }
        net.adopt(&scales).unwrap();
        check_gradients(&mut net);
    }

    fn check_gradients(net: &mut TrainNet) {
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
        let grads = loss(net).backward().unwrap();
        let grads = grads.get(net.parameters()).unwrap().to_vec1::<f32>().unwrap();
        let before = net.parameters().to_vec1::<f32>().unwrap();
        for (name, range) in net.layers.ranges.clone() {
            let grad = &grads[range.clone()];
            let norm = grad.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            let mut at = |sign: f64| {
                let mut moved = before.clone();
                for (p, g) in moved[range.clone()].iter_mut().zip(grad) {
                    *p += crate::nn::norm::single(sign * 1e-2 / norm * f64::from(*g));
                }
                net.parameters.set(&Tensor::from_vec(moved, before.len(), &Device::Cpu).unwrap()).unwrap();
                f64::from(loss(net).to_scalar::<f32>().unwrap())
            };
            let slope = (at(1.0) - at(-1.0)) / (2.0 * 1e-2 / norm);
            let ratio = slope / (norm * norm);
            assert!((ratio - 1.0).abs() < 0.1, "{name}: {ratio}");
        }
    }
}
