//! A layer graph on a training batch: forward, keeping what the gradients need, and backward.
//!
//! Works on plain slices over recycled buffers; [`super::train`] joins it to candle. A general
//! autograd adds each gradient to fresh zeros, which costs more memory traffic here than the
//! convolutions take time.

use super::NnError;
use super::blocked::{self, Blocked};
use super::conv::{Channels, Form};
use super::conv_layer::{Backward, ConvLayer, Gradients};
use super::graph::{Act, Extent, Graph, INPUT, Op};
use super::kernels::Isa;
use super::norm::{Norm, Statistics};
use super::recycle::{Recycled, Shelf};
use std::collections::BTreeMap;
use std::ops::Range;

/// A graph whose parameters are one slice.
pub struct Layers {
    pub isa: Isa,
    graph: Graph,
    /// Inputs of each node as positions: 0 is the network's input, `i + 1` node `i`.
    inputs: Vec<Vec<usize>>,
    /// Where each trainable tensor lies among the parameters.
    pub ranges: BTreeMap<String, Range<usize>>,
    shelf: Shelf,
}

/// What a forward pass leaves to the backward pass.
pub struct Tape {
    /// Of the input and each node.
    sizes: Vec<Blocked>,
    values: Vec<Option<Recycled>>,
    /// Of convolutions: the layer, and the norm with what it was applied to.
    convs: Vec<Option<ConvLayer>>,
    norms: Vec<Option<(Norm, Recycled)>>,
    /// Whether the gradient of the input is wanted.
    input_tracked: bool,
    /// Batch statistics by layer.
    pub statistics: Vec<(String, Statistics)>,
}

impl Layers {
    pub fn new(isa: Isa, graph: &Graph) -> Result<Self, NnError> {
        let mut at: BTreeMap<&str, usize> = BTreeMap::from([(INPUT, 0)]);
        let mut inputs = Vec::with_capacity(graph.nodes.len());
        let (mut ranges, mut end) = (BTreeMap::new(), 0);
        for spec in graph.weights()?.into_iter().filter(|spec| spec.trainable) {
            let start = end;
            end += spec.shape.iter().product::<usize>();
            ranges.insert(spec.name, start..end);
        }
        for (i, node) in graph.nodes.iter().enumerate() {
            inputs.push(node.inputs.iter().map(|name| at[name.as_str()]).collect());
            at.insert(&node.name, i + 1);
        }
        Ok(Self { isa, graph: graph.clone(), inputs, ranges, shelf: Shelf::default() })
    }

    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    fn parameters<'a>(&self, node: usize, suffix: &str, all: &'a [f32]) -> Result<&'a [f32], NnError> {
        let name = format!("{}.{suffix}", self.graph.nodes[node].name);
        match self.ranges.get(&name) {
            Some(range) => Ok(&all[range.clone()]),
            None => Err(NnError::Weights(format!("no tensor \"{name}\""))),
        }
    }

    /// Outputs in the order of their roles: position and sizes.
    pub fn outputs(&self, tape: &Tape) -> Vec<(usize, Blocked)> {
        let position =
            |name: &String| self.graph.nodes.iter().position(|n| n.name == *name).map_or(0, |i| i + 1);
        self.graph.outputs.values().map(position).map(|at| (at, tape.sizes[at])).collect()
    }

    /// `x` is `[n][channels][height][width]`.
    pub fn forward(
        &self,
        x: &[f32],
        [n, channels, height, width]: [usize; 4],
        parameters: &[f32],
        input_tracked: bool,
    ) -> Result<Tape, NnError> {
        if channels != self.graph.input_channels {
            let got = format!("{channels} channels");
            return Err(NnError::Input { got, expected: self.graph.input_channels.to_string() });
        }
        let shapes = self.graph.shapes(height, width)?;
        let names = std::iter::once(INPUT).chain(self.graph.nodes.iter().map(|n| n.name.as_str()));
        let sizes: Vec<Blocked> = names
            .map(|name| {
                let s = shapes[name];
                let size = Extent { y: s.height, x: s.width };
                Blocked { n, channels: s.channels, size, lanes: self.isa.lanes() }
            })
            .collect();
        let count = self.graph.nodes.len();
        let mut tape = Tape {
            values: (0..=count).map(|_| None).collect(),
            convs: vec![None; count],
            norms: (0..count).map(|_| None).collect(),
            sizes,
            input_tracked,
            statistics: Vec::new(),
        };
        for node in 0..count {
            if self.inputs[node].contains(&0) && tape.values[0].is_none() && !self.takes_planar(node, &tape) {
                tape.values[0] = Some(blocked::block(x, tape.sizes[0], &self.shelf));
            }
            let out = self.node(node, x, parameters, &mut tape)?;
            tape.values[node + 1] = Some(out);
        }
        Ok(tape)
    }

    /// Whether a node reads the network's input as it comes.
    fn takes_planar(&self, node: usize, tape: &Tape) -> bool {
        let Op::Conv { out, groups, .. } = self.graph.nodes[node].op else { return false };
        let channels = Channels { input: self.graph.input_channels, output: out, groups };
        let serves = Form::of_input(self.isa, channels) == Form::Planar;
        serves && self.inputs[node] == [0] && !tape.input_tracked
    }

    fn node(&self, node: usize, x: &[f32], parameters: &[f32], tape: &mut Tape) -> Result<Recycled, NnError> {
        let inputs = &self.inputs[node];
        let (from, to) = (tape.sizes[inputs[0]], tape.sizes[node + 1]);
        if let Some(layer) = self.conv_layer(node, tape) {
            let out = self.conv(node, &layer, x, parameters, tape)?;
            tape.convs[node] = Some(layer);
            return Ok(out);
        }
        let mut out = self.shelf.unspecified(to.floats());
        match self.graph.nodes[node].op {
            Op::Add { act } => {
                let values = inputs.iter().map(|&at| tape.value(at)).collect::<Result<Vec<_>, _>>()?;
                blocked::sum(&values, act.limits(), &mut out);
            }
            Op::Upsample2 => blocked::double(tape.value(inputs[0])?, from, &mut out),
            Op::Concat => {
                out.fill(0.0);
                let mut first = 0;
                for &at in inputs {
                    blocked::copy_channels(tape.value(at)?, tape.sizes[at], &mut out, to, (0, first));
                    first += tape.sizes[at].channels;
                }
            }
            Op::GlobalPool => blocked::pool(tape.value(inputs[0])?, from, &mut out, to),
            Op::Conv { .. } | Op::Linear { .. } => {}
        }
        Ok(out)
    }

    /// The layer of a convolution (a linear one is a convolution of one pixel).
    fn conv_layer(&self, node: usize, tape: &Tape) -> Option<ConvLayer> {
        let (out, kernel, stride, groups, act) = match self.graph.nodes[node].op {
            Op::Conv { out, kernel, stride, groups, act, .. } => (out, kernel, stride, groups, act),
            Op::Linear { out, act } => (out, Extent::square(1), Extent::square(1), 1, act),
            _ => return None,
        };
        let from = tape.sizes[self.inputs[node][0]];
        Some(ConvLayer {
            isa: self.isa,
            shelf: self.shelf.clone(),
            channels: Channels { input: from.channels, output: out, groups },
            kernel,
            stride,
            form: if self.takes_planar(node, tape) { Form::Planar } else { Form::Blocked },
            input: from.size,
            output: tape.sizes[node + 1].size,
            limits: act.limits(),
        })
    }

    fn conv(
        &self,
        node: usize,
        layer: &ConvLayer,
        x: &[f32],
        parameters: &[f32],
        tape: &mut Tape,
    ) -> Result<Recycled, NnError> {
        let get = |suffix| self.parameters(node, suffix, parameters);
        let to = tape.sizes[node + 1];
        let input = if layer.form == Form::Planar { x } else { tape.value(self.inputs[node][0])? };
        let mut y = self.shelf.unspecified(to.floats());
        if !matches!(self.graph.nodes[node].op, Op::Conv { bn: true, .. }) {
            layer.forward(input, get("weight")?, Some(get("bias")?), &mut y)?;
            return Ok(y);
        }
        let moments = layer.forward(input, get("weight")?, None, &mut y)?;
        let statistics = Statistics::of(&moments, self.isa, to.channels, to.size);
        let norm = Norm::new(self.isa, &statistics, get("scale")?, get("shift")?, layer.limits);
        let mut out = self.shelf.unspecified(to.floats());
        norm.forward(&y, &mut out, to.plane());
        tape.statistics.push((self.graph.nodes[node].name.clone(), statistics));
        tape.norms[node] = Some((norm, y));
        Ok(out)
    }

    /// Gradients of the input (where it is tracked) and of the parameters, from those of the
    /// outputs, each `[n][channels][height][width]` in the order of [`Self::outputs`].
    pub fn backward(
        &self,
        tape: &Tape,
        x: &[f32],
        parameters: &[f32],
        outputs: &[f32],
    ) -> Result<(Option<Vec<f32>>, Vec<f32>), NnError> {
        let mut grads = Grads((0..tape.values.len()).map(|_| None).collect());
        let mut start = 0;
        for (at, size) in self.outputs(tape) {
            let end = start + size.n * size.channels * size.size.area();
            grads.give(at, blocked::block(&outputs[start..end], size, &self.shelf));
            start = end;
        }
        let mut by_parameter = vec![0.0; parameters.len()];
        for node in (0..self.graph.nodes.len()).rev() {
            let Some(grad) = grads.0[node + 1].take() else { continue };
            if let Some(layer) = &tape.convs[node] {
                let found = self.conv_gradient(node, layer, (x, parameters), tape, &grad, &mut grads)?;
                for (suffix, values) in [
                    ("weight", &found.weights),
                    ("scale", &found.scale),
                    ("shift", &found.shift),
                    ("bias", &found.shift),
                ] {
                    if let Some(range) = self.ranges.get(&format!("{}.{suffix}", self.graph.nodes[node].name))
                    {
                        by_parameter[range.clone()].copy_from_slice(values);
                    }
                }
            } else {
                self.plain_gradient(node, tape, grad, &mut grads)?;
            }
        }
        let input = grads.0[0].take().filter(|_| tape.input_tracked);
        Ok((input.map(|grad| blocked::unblock(&grad, tape.sizes[0])), by_parameter))
    }

    fn conv_gradient(
        &self,
        node: usize,
        layer: &ConvLayer,
        (x, parameters): (&[f32], &[f32]),
        tape: &Tape,
        grad: &[f32],
        grads: &mut Grads,
    ) -> Result<Gradients, NnError> {
        let from = self.inputs[node][0];
        let backward = Backward {
            x: if layer.form == Form::Planar { x } else { tape.value(from)? },
            out: tape.value(node + 1)?,
            grad,
            weights: self.parameters(node, "weight", parameters)?,
            norm: tape.norms[node].as_ref().map(|(norm, y)| (norm, &y[..])),
        };
        if from == 0 && !tape.input_tracked {
            return layer.backward(&backward, None);
        }
        let mut dx = self.shelf.unspecified(tape.sizes[from].floats());
        let found = layer.backward(&backward, Some(&mut dx))?;
        grads.give(from, dx);
        Ok(found)
    }

    fn plain_gradient(
        &self,
        node: usize,
        tape: &Tape,
        mut grad: Recycled,
        grads: &mut Grads,
    ) -> Result<(), NnError> {
        let inputs = &self.inputs[node];
        let (from, to) = (tape.sizes[inputs[0]], tape.sizes[node + 1]);
        match self.graph.nodes[node].op {
            Op::Add { act } => {
                if act != Act::None {
                    blocked::mask(&mut grad, tape.value(node + 1)?, act.limits());
                }
                for &at in &inputs[1..] {
                    grads.give_copy(at, &grad, &self.shelf);
                }
                grads.give(inputs[0], grad);
            }
            Op::Upsample2 => {
                let mut dx = self.shelf.unspecified(from.floats());
                blocked::double_gradient(&grad, from, &mut dx);
                grads.give(inputs[0], dx);
            }
            Op::Concat => {
                let mut first = 0;
                for &at in inputs {
                    let size = tape.sizes[at];
                    let mut dx = self.shelf.unspecified(size.floats());
                    dx.fill(0.0);
                    blocked::copy_channels(&grad, to, &mut dx, size, (first, 0));
                    first += size.channels;
                    grads.give(at, dx);
                }
            }
            Op::GlobalPool => {
                let mut dx = self.shelf.unspecified(from.floats());
                let (x, out) = (tape.value(inputs[0])?, tape.value(node + 1)?);
                blocked::pool_gradient(x, from, out, &grad, to, &mut dx);
                grads.give(inputs[0], dx);
            }
            Op::Conv { .. } | Op::Linear { .. } => {}
        }
        Ok(())
    }
}

impl Tape {
    /// The blocked value at a position.
    pub fn value(&self, position: usize) -> Result<&[f32], NnError> {
        match &self.values[position] {
            Some(value) => Ok(value),
            None => Err(NnError::Graph(format!("the value at {position} was not computed"))),
        }
    }
}

/// Gradients so far, by position.
struct Grads(Vec<Option<Recycled>>);

impl Grads {
    fn give(&mut self, position: usize, grad: Recycled) {
        match &mut self.0[position] {
            Some(sum) => blocked::add(sum, &grad),
            none => *none = Some(grad),
        }
    }

    fn give_copy(&mut self, position: usize, grad: &[f32], shelf: &Shelf) {
        match &mut self.0[position] {
            Some(sum) => blocked::add(sum, grad),
            none => *none = Some(shelf.copy_of(grad)),
        }
    }
}
