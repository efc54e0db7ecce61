//! Convolutions made ready for the loops: weights in the order that a loop reads them, and calls
//! that say where everything lies. Training and the inference plan use the same ones.

use super::graph::Extent;
use super::kernels::{Aligned, Call, DenseLoop, DepthwiseLoop, Isa, Kind, Layout, Limits, Skip};
use super::stencil::{Halo, Stencil, Tap};

/// How an operand's channels are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `[channels][height][width]`: a network's input, which has few channels.
    Planar,
    /// `[blocks][height][width][lanes]`.
    Blocked,
}

impl Form {
    /// In which form a convolution should read the network's input: as it comes where a block
    /// would be mostly empty.
    pub const fn of_input(isa: Isa, channels: Channels) -> Self {
        if channels.input <= isa.lanes() / 2 && !channels.is_depthwise() {
            Self::Planar
        } else {
            Self::Blocked
        }
    }

    /// Channels in one block.
    pub const fn lanes(self, isa: Isa) -> usize {
        match self {
            Self::Planar => 1,
            Self::Blocked => isa.lanes(),
        }
    }

    pub const fn blocks(self, isa: Isa, channels: usize) -> usize {
        channels.div_ceil(self.lanes(isa))
    }

    /// Floats of an operand with so many zeros around.
    pub const fn floats(self, isa: Isa, channels: usize, size: Extent, halo: Halo) -> usize {
        let area = (size.y + halo.top + halo.bottom) * (size.x + halo.left + halo.right);
        self.blocks(isa, channels) * self.lanes(isa) * area
    }

    /// Where the pixels of such an operand lie.
    pub const fn layout(self, isa: Isa, size: Extent, halo: Halo) -> Layout {
        let px = self.lanes(isa);
        let row = (size.x + halo.left + halo.right) * px;
        Layout {
            start: halo.top * row + halo.left * px,
            row,
            px,
            block: (size.y + halo.top + halo.bottom) * row,
        }
    }
}

/// Channels of a convolution, and which of them see each other.
#[derive(Clone, Copy, Debug)]
pub struct Channels {
    pub input: usize,
    pub output: usize,
    pub groups: usize,
}

impl Channels {
    /// The same for the gradient of the input.
    pub const fn swapped(self) -> Self {
        Self { input: self.output, output: self.input, groups: self.groups }
    }

    pub const fn is_depthwise(self) -> bool {
        self.groups > 1 && self.groups == self.input && self.groups == self.output
    }
}

/// Which way round weights `[output][input / groups][positions]` are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    /// From outputs to inputs.
    Transposed,
}

/// Some blocks of output channels and the input channels that they see.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// First block of output channels, and how many.
    pub out_block: usize,
    pub k: usize,
    /// First block of input channels, how many, and how many channels the last one has.
    pub in_block: usize,
    pub blocks: usize,
    pub last: usize,
}

impl Pass {
    /// The passes that cover a convolution.
    pub fn of(isa: Isa, form: Form, channels: Channels) -> Vec<Self> {
        let (lanes, inner) = (isa.lanes(), form.lanes(isa));
        let (per_in, per_out) = (channels.input / channels.groups, channels.output / channels.groups);
        let mut out_block = 0;
        let mut passes = Vec::new();
        for k in DenseLoop::passes(isa, channels.output.div_ceil(lanes)) {
            let end = ((out_block + k) * lanes).min(channels.output);
            let first = (out_block * lanes) / per_out * per_in;
            let last = ((end - 1) / per_out + 1) * per_in;
            let in_block = first / inner;
            let blocks = last.div_ceil(inner) - in_block;
            passes.push(Self {
                out_block,
                k,
                in_block,
                blocks,
                last: last - (in_block + blocks - 1) * inner,
            });
            out_block += k;
        }
        passes
    }

    /// Calls `each` for every weight of the pass with its place in the packed order
    /// `[blocks][taps][inner][k · lanes]` and what it is.
    pub fn for_weights(
        &self,
        isa: Isa,
        form: Form,
        channels: Channels,
        taps: usize,
        mut each: impl FnMut(usize, Weight),
    ) {
        let (lanes, inner) = (isa.lanes(), form.lanes(isa));
        let (per_in, per_out) = (channels.input / channels.groups, channels.output / channels.groups);
        let (line, first_out) = (self.k * lanes, self.out_block * lanes);
        let outs = first_out..(first_out + line).min(channels.output);
        for block in 0..self.blocks {
            let count = if block + 1 == self.blocks { self.last } else { inner };
            for i in 0..count {
                let input = (self.in_block + block) * inner + i;
                let group = input / per_in;
                let mine = outs.start.max(group * per_out)..outs.end.min((group + 1) * per_out);
                for tap in 0..taps {
                    let at = (block * taps * inner + tap * count + i) * line;
                    for out in mine.clone() {
                        let weight = Weight {
                            output: out,
                            output_in_group: out - group * per_out,
                            input,
                            input_in_group: input - group * per_in,
                            tap,
                        };
                        each(at + out - first_out, weight);
                    }
                }
            }
        }
    }

    /// Numbers in the packed order.
    pub const fn packed_len(&self, isa: Isa, form: Form, taps: usize) -> usize {
        ((self.blocks - 1) * form.lanes(isa) + self.last) * taps * self.k * isa.lanes()
    }

    fn pack(&self, isa: Isa, form: Form, taps: &[Tap], weights: &Weights<'_>) -> Vec<f32> {
        let mut packed = vec![0.0; self.packed_len(isa, form, taps.len())];
        self.for_weights(isa, form, weights.channels, taps.len(), |at, weight| {
            packed[at] = weights.at(weight, &taps[weight.tap].positions);
        });
        packed
    }
}

/// One weight of a convolution: its channels, and which tap it is.
#[derive(Clone, Copy)]
pub struct Weight {
    pub output: usize,
    pub output_in_group: usize,
    pub input: usize,
    pub input_in_group: usize,
    pub tap: usize,
}

/// Weights `[output][input / groups][positions]` of the forward convolution, and how to read them.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    pub values: &'a [f32],
    pub positions: usize,
    pub direction: Direction,
    /// As seen in `direction`.
    pub channels: Channels,
}

impl Weights<'_> {
    fn at(&self, w: Weight, positions: &[usize]) -> f32 {
        let c = self.channels;
        let row = match self.direction {
            Direction::Forward => w.output * (c.input / c.groups) + w.input_in_group,
            Direction::Transposed => w.input * (c.output / c.groups) + w.output_in_group,
        };
        let kernel = &self.values[row * self.positions..(row + 1) * self.positions];
        match positions {
            [position] => kernel[*position],
            several => several.iter().map(|&p| kernel[p]).sum(),
        }
    }
}

/// What a convolution works on.
#[derive(Clone, Copy)]
pub struct Operands {
    pub form: Form,
    /// Pixel 0, 0 of the input, with the stencil's halo of zeros around it.
    pub x: Layout,
    pub y: Layout,
    /// With `y`'s pixels, or half as many both ways.
    pub skip: Option<Skip>,
    pub limits: Limits,
}

/// All calls of a convolution. `bias` has one number for each output channel.
pub fn calls(isa: Isa, stencil: &Stencil, weights: &Weights<'_>, bias: &[f32], on: &Operands) -> Vec<Call> {
    passes(isa, stencil, weights, bias, on).into_iter().map(|(_, call)| call).collect()
}

/// The same, each with the blocks that it is about.
pub fn passes(
    isa: Isa,
    stencil: &Stencil,
    weights: &Weights<'_>,
    bias: &[f32],
    on: &Operands,
) -> Vec<(Pass, Call)> {
    let lanes = isa.lanes();
    let mut padded = bias.to_vec();
    padded.resize(bias.len().next_multiple_of(lanes), 0.0);
    let offset =
        |layout: Layout, block: usize| Layout { start: layout.start + block * layout.block, ..layout };
    let mut found = Vec::new();
    let mut add = |kind: Kind, pass: Pass, phase: usize, packed: Vec<f32>| {
        let (phase, step) = (&stencil.phases[phase], stencil.out_step);
        let place = |layout: Layout| Layout {
            start: layout.start + phase.first.y * layout.row + phase.first.x * layout.px,
            row: step.y * layout.row,
            px: step.x * layout.px,
            ..layout
        };
        let x = offset(on.x, pass.in_block);
        let tap = |t: &Tap| t.dy * x.row.cast_signed() + t.dx * x.px.cast_signed();
        let call = Call {
            kind,
            taps: phase.taps.iter().map(tap).collect(),
            weights: Aligned::of(&packed),
            bias: Aligned::of(&padded[pass.out_block * lanes..(pass.out_block + pass.k) * lanes]),
            x: Layout { row: stencil.in_step.y * x.row, px: stencil.in_step.x * x.px, ..x },
            y: place(offset(on.y, pass.out_block)),
            skip: on.skip.map(|s| {
                let layout = offset(s.layout, pass.out_block);
                match (s.halved, step.y) {
                    // Each phase has the half map's own pixels.
                    (true, 2) => Skip { layout, halved: false },
                    (true, _) => Skip { layout, halved: true },
                    (false, _) => Skip { layout: place(layout), halved: false },
                }
            }),
            rows: phase.count.y,
            width: phase.count.x,
            limits: on.limits,
        };
        found.push((pass, call));
    };
    let blocked = on.form == Form::Blocked && on.skip.is_none();
    for (p, phase) in stencil.phases.iter().enumerate().filter(|(_, p)| p.count.area() > 0) {
        if weights.channels.is_depthwise() && blocked {
            let run = DepthwiseLoop::choose(isa, phase.count.x);
            for block in 0..weights.channels.output.div_ceil(lanes) {
                let pass = Pass { out_block: block, k: 1, in_block: block, blocks: 1, last: lanes };
                let mut packed = vec![0.0; phase.taps.len() * lanes];
                for (tap, line) in phase.taps.iter().zip(packed.chunks_exact_mut(lanes)) {
                    for (lane, w) in line.iter_mut().enumerate() {
                        let channel = block * lanes + lane;
                        if channel < weights.channels.output {
                            let own = Weight {
                                output: channel,
                                output_in_group: 0,
                                input: channel,
                                input_in_group: 0,
                                tap: 0,
                            };
                            *w = weights.at(own, &tap.positions);
                        }
                    }
                }
                add(Kind::Depthwise { run }, pass, p, packed);
            }
        } else {
            for pass in Pass::of(isa, on.form, weights.channels) {
                let run = DenseLoop::choose(isa, pass.k, phase.count.x, stencil.in_step.x * on.x.px);
                let kind =
                    Kind::Dense { run, inner: on.form.lanes(isa), blocks: pass.blocks, last: pass.last };
                add(kind, pass, p, pass.pack(isa, on.form, &phase.taps, weights));
            }
        }
    }
    found
}
