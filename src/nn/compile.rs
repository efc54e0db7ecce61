//! From a layer graph to the steps of a program: batch norm folded into the convolutions, sums and
//! doublings folded into the steps beside them, weights in the order that the loops read them, and
//! one piece of memory in which activations take each other's place.

use super::bands::{Ends, bands};
use super::conv::{Channels, Direction, Form, Operands, Weights as Kernel, calls};
use super::fold::{Folded, folded};
use super::graph::{Act, Extent, Graph, INPUT, Op, Shape3};
use super::kernels::{Isa, LINE, Limits, Place, Program, Skip, Step, TurnLoops, Work};
use super::stencil::{Halo, Stencil};
use super::{NnError, Weights};
use std::collections::BTreeMap;

/// What a plan runs.
pub struct Compiled {
    pub program: Program,
    /// Where the input is filled in, and its shape.
    pub input: Place,
    pub input_shape: Shape3,
    /// By role: shape, and where the values are, row by row.
    pub outputs: BTreeMap<String, (Shape3, Place)>,
}

/// The weights have been checked against the graph.
pub fn compile(
    isa: Isa,
    graph: &Graph,
    weights: &Weights,
    height: usize,
    width: usize,
) -> Result<Compiled, NnError> {
    let mut draft = Draft::new(isa, graph, height, width)?;
    draft.emit()?;
    let len = draft.lay_out();
    let program = Program::new(draft.steps(weights)?, len).map_err(NnError::Graph)?;
    let place = |value: usize| draft.values[value].place(isa);
    let outputs = draft.outputs.iter().map(|(role, shape, value)| (role.clone(), (*shape, place(*value))));
    Ok(Compiled {
        program,
        input: place(PLANAR_INPUT),
        input_shape: draft.shapes[0],
        outputs: outputs.collect(),
    })
}

/// The network's input as it is filled; activations are blocked.
const PLANAR_INPUT: usize = 0;

/// An activation.
struct Value {
    form: Form,
    channels: usize,
    size: Extent,
    halo: Halo,
    /// First and last operation that it is needed for.
    first: usize,
    last: usize,
    offset: usize,
}

impl Value {
    fn floats(&self, isa: Isa) -> usize {
        self.form.floats(isa, self.channels, self.size, self.halo)
    }

    fn place(&self, isa: Isa) -> Place {
        let mut layout = self.form.layout(isa, self.size, self.halo);
        layout.start += self.offset;
        Place {
            layout,
            lanes: self.form.lanes(isa),
            blocks: self.form.blocks(isa, self.channels),
            height: self.size.y,
            width: self.size.x,
            from: self.offset,
            to: self.offset + self.floats(isa),
        }
    }
}

/// What is computed, in order.
enum Operation {
    Conv {
        /// Its node, and whether it looks at the doubled input.
        node: usize,
        doubled: bool,
        skip: Option<(usize, bool)>,
        limits: Limits,
        ends: Ends,
    },
    Sum {
        limits: Limits,
    },
    Move {
        first: usize,
        repeat: usize,
    },
    Pool,
}

struct Draft<'a> {
    isa: Isa,
    graph: &'a Graph,
    /// Of the input and each node.
    shapes: Vec<Shape3>,
    /// Inputs of each node as positions: 0 is the network's input, `i + 1` node `i`.
    inputs: Vec<Vec<usize>>,
    /// How many nodes and outputs read each position.
    readers: Vec<usize>,
    values: Vec<Value>,
    /// The value of each position, once it is computed.
    computed: Vec<Option<usize>>,
    /// Operation, what it reads, what it writes.
    operations: Vec<(Operation, Vec<usize>, usize)>,
    outputs: Vec<(String, Shape3, usize)>,
}

impl<'a> Draft<'a> {
    fn new(isa: Isa, graph: &'a Graph, height: usize, width: usize) -> Result<Self, NnError> {
        let by_name = graph.shapes(height, width)?;
        let mut at: BTreeMap<&str, usize> = BTreeMap::from([(INPUT, 0)]);
        let mut draft = Self {
            isa,
            graph,
            shapes: vec![by_name[INPUT]],
            inputs: Vec::new(),
            readers: vec![0; graph.nodes.len() + 1],
            values: Vec::new(),
            computed: vec![None; graph.nodes.len() + 1],
            operations: Vec::new(),
            outputs: Vec::new(),
        };
        for (i, node) in graph.nodes.iter().enumerate() {
            let read: Vec<usize> = node.inputs.iter().map(|name| at[name.as_str()]).collect();
            for &position in &read {
                draft.readers[position] += 1;
            }
            draft.inputs.push(read);
            draft.shapes.push(by_name[node.name.as_str()]);
            at.insert(&node.name, i + 1);
        }
        for node in graph.outputs.values() {
            draft.readers[at[node.as_str()]] += 1;
        }
        draft.value(Form::Planar, draft.shapes[0]);
        Ok(draft)
    }

    fn value(&mut self, form: Form, shape: Shape3) -> usize {
        let now = self.operations.len();
        self.values.push(Value {
            form,
            channels: shape.channels,
            size: Extent { y: shape.height, x: shape.width },
            halo: Halo::default(),
            first: now,
            last: now,
            offset: 0,
        });
        self.values.len() - 1
    }

    fn push(&mut self, operation: Operation, reads: Vec<usize>, to: usize) {
        let now = self.operations.len();
        for &value in reads.iter().chain([&to]) {
            self.values[value].last = now;
        }
        self.operations.push((operation, reads, to));
    }

    /// The node at a position.
    fn op(&self, position: usize) -> Option<&'a Op> {
        position.checked_sub(1).map(|i| &self.graph.nodes[i].op)
    }

    /// Whether a position may be folded into its one reader.
    fn is_inner(&self, position: usize) -> bool {
        self.readers[position] == 1
    }

    /// The value at a position, blocked.
    fn read(&mut self, position: usize) -> usize {
        if let Some(value) = self.computed[position] {
            return value;
        }
        // Only the input is read without having been computed.
        let shape = self.shapes[position];
        let value = self.value(Form::Blocked, shape);
        self.push(Operation::Move { first: 0, repeat: 1 }, vec![PLANAR_INPUT], value);
        self.computed[position] = Some(value);
        value
    }

    /// Operations for all nodes, those left out that are folded into others.
    fn emit(&mut self) -> Result<(), NnError> {
        let folded: Vec<usize> = (1..self.shapes.len()).filter_map(|at| self.folded_conv(at)).collect();
        for position in 1..self.shapes.len() {
            let is_doubling = matches!(self.op(position), Some(Op::Upsample2)) && self.is_inner(position);
            if folded.contains(&position) || (is_doubling && self.is_folded_doubling(position)) {
                continue;
            }
            let value = self.node(position)?;
            self.computed[position] = Some(value);
        }
        for (role, node) in &self.graph.outputs {
            let position = self.graph.nodes.iter().position(|n| n.name == *node).map_or(0, |i| i + 1);
            let mut to = self.read(position);
            if self.values[to].form == Form::Blocked {
                let from = std::mem::replace(&mut to, self.value(Form::Planar, self.shapes[position]));
                self.push(Operation::Move { first: 0, repeat: 1 }, vec![from], to);
            }
            self.outputs.push((role.clone(), self.shapes[position], to));
        }
        // Filled before the first operation, read after the last.
        let end = self.operations.len();
        self.values[PLANAR_INPUT].last = end;
        for (.., value) in &self.outputs {
            self.values[*value].last = end;
        }
        Ok(())
    }

    /// The convolution that a sum of two is folded into: the later one that has no activation.
    fn folded_conv(&self, position: usize) -> Option<usize> {
        if !matches!(self.op(position), Some(Op::Add { .. })) {
            return None;
        }
        let [a, b] = self.inputs[position - 1][..] else { return None };
        let may = |at: &usize| {
            let depthwise = self.channels(*at).is_none_or(Channels::is_depthwise);
            let plain = matches!(self.op(*at), Some(Op::Conv { act: Act::None, .. }));
            plain && !depthwise && self.is_inner(*at)
        };
        [a.max(b), a.min(b)].into_iter().find(may).filter(|_| a != b)
    }

    /// Whether the one reader of a doubling looks at the map before it instead.
    fn is_folded_doubling(&self, position: usize) -> bool {
        let reader = (1..self.shapes.len()).find(|&at| self.inputs[at - 1].contains(&position));
        reader.is_some_and(|at| match self.op(at) {
            Some(Op::Conv { stride, .. }) => *stride == Extent::square(1),
            _ => self.folded_conv(at).is_some_and(|conv| conv != position),
        })
    }

    fn channels(&self, position: usize) -> Option<Channels> {
        let input = *self.inputs[position.checked_sub(1)?].first()?;
        let input = self.shapes[input].channels;
        match *self.op(position)? {
            Op::Conv { out, groups, .. } => Some(Channels { input, output: out, groups }),
            Op::Linear { out, .. } => Some(Channels { input, output: out, groups: 1 }),
            _ => None,
        }
    }

    fn node(&mut self, position: usize) -> Result<usize, NnError> {
        let shape = self.shapes[position];
        let name = &self.graph.nodes[position - 1].name;
        let op = self.op(position).ok_or_else(|| NnError::Graph(format!("\"{name}\" is no node")))?;
        let inputs = self.inputs[position - 1].clone();
        match *op {
            Op::Conv { act, .. } | Op::Linear { act, .. } => {
                Ok(self.conv(position, position, None, act.limits()))
            }
            Op::Add { act } => {
                let limits = act.limits();
                if let Some(conv) = self.folded_conv(position) {
                    let other = inputs.iter().copied().find(|&at| at != conv).unwrap_or(conv);
                    return Ok(self.conv(position, conv, Some(other), limits));
                }
                let reads: Vec<usize> = inputs.iter().map(|&at| self.read(at)).collect();
                let to = self.value(Form::Blocked, shape);
                self.push(Operation::Sum { limits }, reads, to);
                Ok(to)
            }
            Op::Upsample2 => {
                let from = self.read(inputs[0]);
                let to = self.value(Form::Blocked, shape);
                self.push(Operation::Move { first: 0, repeat: 2 }, vec![from], to);
                Ok(to)
            }
            Op::Concat => {
                let reads: Vec<usize> = inputs.iter().map(|&at| self.read(at)).collect();
                let to = self.value(Form::Blocked, shape);
                let mut first = 0;
                for from in reads {
                    self.push(Operation::Move { first, repeat: 1 }, vec![from], to);
                    first += self.values[from].channels;
                }
                Ok(to)
            }
            Op::GlobalPool => {
                let from = self.read(inputs[0]);
                let to = self.value(Form::Blocked, shape);
                self.push(Operation::Pool, vec![from], to);
                Ok(to)
            }
        }
    }

    /// The convolution at `conv`, plus what is at `other`, as the value of `position`.
    fn conv(&mut self, position: usize, conv: usize, other: Option<usize>, limits: Limits) -> usize {
        let mut input = self.inputs[conv - 1][0];
        let doubled = self.computed[input].is_none() && input != 0;
        if doubled {
            input = self.inputs[input - 1][0];
        }
        let planar =
            input == 0 && self.channels(conv).is_some_and(|c| Form::of_input(self.isa, c) == Form::Planar);
        let ends = self.ends(position, input, planar, doubled || other.is_some());
        let from = if planar || ends.enter { PLANAR_INPUT } else { self.read(input) };
        let mut reads = vec![from];
        let skip = other.map(|at| {
            let halved = self.computed[at].is_none() && at != 0;
            let value = self.read(if halved { self.inputs[at - 1][0] } else { at });
            reads.push(value);
            (value, halved)
        });
        let halo = self.stencil(conv, doubled, from).halo;
        // Bands bring their own zeros.
        if !ends.enter {
            self.values[from].halo = self.values[from].halo.max(halo);
        }
        let to = if ends.leave { Form::Planar } else { Form::Blocked };
        let to = self.value(to, self.shapes[position]);
        self.push(Operation::Conv { node: conv - 1, doubled, skip, limits, ends }, reads, to);
        to
    }

    /// Where a convolution meets planes that it turns over for itself: an input, an output that
    /// nothing else reads.
    fn ends(&self, position: usize, input: usize, planar: bool, folded: bool) -> Ends {
        if folded {
            return Ends::default();
        }
        let is_output = self.graph.outputs.values().any(|name| *name == self.graph.nodes[position - 1].name);
        Ends { enter: input == 0 && !planar && self.is_inner(0), leave: is_output && self.is_inner(position) }
    }

    fn stencil(&self, conv: usize, doubled: bool, from: usize) -> Stencil {
        let size = self.values[from].size;
        match self.op(conv) {
            Some(Op::Conv { kernel, .. }) if doubled => Stencil::doubled(size, *kernel),
            Some(Op::Conv { kernel, stride, .. }) => Stencil::convolution(size, *kernel, *stride),
            _ => Stencil::convolution(size, Extent::square(1), Extent::square(1)),
        }
    }

    /// Gives each value the first gap that no value needed at the same time lies in; the length
    /// of the whole.
    fn lay_out(&mut self) -> usize {
        let mut len = 0;
        for i in 0..self.values.len() {
            let (value, earlier) = (&self.values[i], &self.values[..i]);
            let together = |v: &&Value| v.first <= value.last && value.first <= v.last;
            // The input is filled before everything.
            let always = |v: &&Value| together(v) || v.form == Form::Planar || value.form == Form::Planar;
            let size = value.floats(self.isa).next_multiple_of(LINE);
            let mut taken: Vec<(usize, usize)> = earlier
                .iter()
                .filter(always)
                .map(|v| (v.offset, v.offset + v.floats(self.isa).next_multiple_of(LINE)))
                .collect();
            taken.sort_unstable();
            let mut offset = 0;
            for (from, to) in taken {
                if offset + size <= from {
                    break;
                }
                offset = offset.max(to);
            }
            self.values[i].offset = offset;
            len = len.max(offset + size);
        }
        len
    }

    fn steps(&self, weights: &Weights) -> Result<Vec<Step>, NnError> {
        let mut written = vec![false; self.values.len()];
        let mut steps = Vec::with_capacity(self.operations.len());
        for (operation, reads, to) in &self.operations {
            let value = &self.values[*to];
            let places: Vec<Place> = reads.iter().map(|&v| self.values[v].place(self.isa)).collect();
            let work = match operation {
                Operation::Conv { node, doubled, skip, limits, ends } => {
                    self.calls(weights, *node, *doubled, *skip, *limits, *ends, reads[0], *to)?
                }
                Operation::Sum { limits } => Work::Sum { from: places.clone(), limits: *limits },
                Operation::Move { first, repeat } => Work::Move {
                    from: places[0],
                    channels: self.values[reads[0]].channels,
                    first: *first,
                    repeat: *repeat,
                    turn: TurnLoops::choose(self.isa),
                },
                Operation::Pool => Work::Pool { from: places[0], channels: self.values[reads[0]].channels },
            };
            let clear = value.halo != Halo::default() && !std::mem::replace(&mut written[*to], true);
            steps.push(Step { work, reads: places, to: value.place(self.isa), clear });
        }
        Ok(steps)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one operation")]
    fn calls(
        &self,
        weights: &Weights,
        node: usize,
        doubled: bool,
        skip: Option<(usize, bool)>,
        limits: Limits,
        ends: Ends,
        from: usize,
        to: usize,
    ) -> Result<Work, NnError> {
        let name = &self.graph.nodes[node].name;
        let layer = folded(name, &self.graph.nodes[node].op, weights)?.zip(self.channels(node + 1));
        let Some((Folded { weight, bias }, channels)) = layer else {
            return Err(NnError::Graph(format!("\"{name}\" is no convolution")));
        };
        let kernel = Kernel {
            positions: weight.len() / (channels.output * (channels.input / channels.groups)),
            values: &weight,
            direction: Direction::Forward,
            channels,
        };
        let layout = |value: usize| self.values[value].place(self.isa).layout;
        let on = Operands {
            form: self.values[from].form,
            x: layout(from),
            y: layout(to),
            skip: skip.map(|(value, halved)| Skip { layout: layout(value), halved }),
            limits,
        };
        let stencil = self.stencil(node + 1, doubled, from);
        if ends == Ends::default() {
            return Ok(Work::Calls(calls(self.isa, &stencil, &kernel, &bias, &on)));
        }
        Ok(Work::Bands(bands(self.isa, &stencil, &kernel, &bias, &on, ends)))
    }
}
