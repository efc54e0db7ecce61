//! One convolution of a training batch with what follows it (batch norm or bias, and the
//! rectifier): forward, and backward in one go, so that the gradient before the norm is used
//! while it is in the cache and is never written to memory.
//!
//! Samples run in parallel. Gradients of the weights are summed over fixed parts of the batch,
//! and the parts in their order, so that no bit depends on the number of threads.

use super::NnError;
use super::conv::{Channels, Direction, Form, Operands, Pass, Weights, calls};
use super::graph::Extent;
use super::kernels::{Call, GRADIENT_INPUTS, Gradient, GradientLoop, Isa, Layout, Limits};
use super::norm::{self, Norm, PlaneMoments};
use super::recycle::{Recycled, Shelf};
use super::stencil::{Halo, Stencil};
use rayon::prelude::*;

/// Parts that a batch is cut into for the threads, and whose weight gradients are summed apart:
/// enough for eight cores.
const PARTS: usize = 8;
/// Output pixels between two additions to the sums in memory: rows of all operands that belong
/// together stay in the first cache.
const BAND_PIXELS: usize = 256;

/// A convolution for one size of input.
#[derive(Clone)]
pub struct ConvLayer {
    pub isa: Isa,
    pub shelf: Shelf,
    pub channels: Channels,
    pub kernel: Extent,
    pub stride: Extent,
    /// Of the input.
    pub form: Form,
    pub input: Extent,
    pub output: Extent,
    pub limits: Limits,
}

/// What the backward pass works on.
pub struct Backward<'a> {
    /// Input and output of the layer, and the gradient of the output.
    pub x: &'a [f32],
    pub out: &'a [f32],
    pub grad: &'a [f32],
    /// `[output, input / groups, kernel.y, kernel.x]`.
    pub weights: &'a [f32],
    /// The norm with what it was applied to, where there is one.
    pub norm: Option<(&'a Norm, &'a [f32])>,
}

/// Gradients of what the layer is made of.
pub struct Gradients {
    pub weights: Vec<f32>,
    /// Of the norm's scale and shift; without a norm of the bias alone.
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

fn too_short() -> NnError {
    NnError::Graph("operands of a convolution do not fit each other".to_owned())
}

impl ConvLayer {
    fn weights<'a>(&self, values: &'a [f32], direction: Direction) -> Weights<'a> {
        let channels = match direction {
            Direction::Forward => self.channels,
            Direction::Transposed => self.channels.swapped(),
        };
        Weights { values, positions: self.kernel.area(), direction, channels }
    }

    /// Floats of one sample of the input.
    pub fn input_len(&self) -> usize {
        self.form.floats(self.isa, self.channels.input, self.input, Halo::default())
    }

    /// Floats of one sample of the output.
    pub fn output_len(&self) -> usize {
        Form::Blocked.floats(self.isa, self.channels.output, self.output, Halo::default())
    }

    fn output_plane(&self) -> usize {
        self.output.area() * self.isa.lanes()
    }

    /// Convolution of every sample into `y`, with the rectifier where no norm follows; the
    /// moments of each block of each sample where one does.
    pub fn forward(
        &self,
        x: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
        y: &mut [f32],
    ) -> Result<Vec<PlaneMoments>, NnError> {
        let stencil = Stencil::convolution(self.input, self.kernel, self.stride);
        let zeros = vec![0.0; self.channels.output];
        let on = Operands {
            form: self.form,
            x: self.form.layout(self.isa, stencil.input, stencil.halo),
            y: Form::Blocked.layout(self.isa, stencil.output, Halo::default()),
            skip: None,
            limits: if bias.is_some() { self.limits } else { Limits::NONE },
        };
        let weights = self.weights(weights, Direction::Forward);
        let calls = calls(self.isa, &stencil, &weights, bias.unwrap_or(&zeros), &on);
        let padding = Padding::new(self.isa, self.form, self.channels.input, &stencil);
        let (x_len, y_len) = (self.input_len(), self.output_len());
        let part = part_len(y.len() / y_len);
        let moments: Result<Vec<Vec<PlaneMoments>>, NnError> = y
            .par_chunks_mut(part * y_len)
            .zip(x.par_chunks(part * x_len))
            .map(|(y, x)| {
                let mut scratch = padding.scratch(&self.shelf);
                let mut moments = Vec::new();
                for (y, x) in y.chunks_exact_mut(y_len).zip(x.chunks_exact(x_len)) {
                    run(&calls, padding.pad(x, &mut scratch), y)?;
                    if bias.is_none() {
                        let planes = y.chunks_exact(self.output_plane());
                        moments.extend(planes.map(|p| norm::plane_moments(p, self.isa, self.output.x)));
                    }
                }
                Ok(moments)
            })
            .collect();
        Ok(moments?.into_iter().flatten().collect())
    }

    /// Gradients of the parameters, and into `dx` that of the input where it is wanted.
    pub fn backward(&self, b: &Backward<'_>, dx: Option<&mut [f32]>) -> Result<Gradients, NnError> {
        let (x_len, y_len) = (self.input_len(), self.output_len());
        let n = b.grad.len() / y_len;
        let stencil = Stencil::convolution(self.input, self.kernel, self.stride);
        let transposed = Stencil::transposed(self.input, self.kernel, self.stride);
        let dy_halo = if dx.is_some() { transposed.halo } else { Halo::default() };
        let sums = b.norm.map(|(norm, y)| norm.sums(y, b.grad, self.output));
        let share = Share {
            layer: self,
            b,
            sums: sums.as_ref(),
            weight_sums: WeightSums::new(self, &stencil, dy_halo),
            x_padding: Padding::new(self.isa, self.form, self.channels.input, &stencil),
            dx_calls: if dx.is_some() { self.dx_calls(b.weights, &transposed) } else { Vec::new() },
        };
        let part = part_len(n);
        let mut dx: Vec<Option<&mut [f32]>> = match dx {
            Some(dx) => dx.chunks_mut(part * x_len).map(Some).collect(),
            None => (0..n.div_ceil(part)).map(|_| None).collect(),
        };
        let parts: Vec<Work> = dx
            .par_iter_mut()
            .enumerate()
            .map(|(i, dx)| {
                let mut work = share.scratch();
                for sample in i * part..((i + 1) * part).min(n) {
                    let at = (sample - i * part) * x_len;
                    let dx = dx.as_mut().map(|dx| &mut dx[at..at + x_len]);
                    share.sample(sample, dx, &mut work)?;
                }
                Ok(work)
            })
            .collect::<Result<_, NnError>>()?;
        let mut weights = vec![0.0; share.weight_sums.len];
        let mut bias = vec![0.0; self.channels.output.next_multiple_of(self.isa.lanes())];
        for part in &parts {
            weights.iter_mut().zip(part.weights.iter()).for_each(|(t, p)| *t += *p);
            bias.iter_mut().zip(&part.bias).for_each(|(t, p)| *t += *p);
        }
        let weights = share.weight_sums.unpack(&weights);
        Ok(if let Some(sums) = sums {
            Gradients { weights, scale: sums.scale, shift: sums.shift }
        } else {
            let bias = bias.into_iter().take(self.channels.output).map(norm::single).collect();
            Gradients { weights, scale: Vec::new(), shift: bias }
        })
    }

    fn dx_calls(&self, weights: &[f32], transposed: &Stencil) -> Vec<Call> {
        let on = Operands {
            form: Form::Blocked,
            x: Form::Blocked.layout(self.isa, transposed.input, transposed.halo),
            y: Form::Blocked.layout(self.isa, transposed.output, Halo::default()),
            skip: None,
            limits: Limits::NONE,
        };
        let bias = vec![0.0; self.channels.input];
        calls(self.isa, transposed, &self.weights(weights, Direction::Transposed), &bias, &on)
    }

    /// Whether channels are looked at one by one; a planar input never is.
    fn is_depthwise(&self) -> bool {
        self.channels.is_depthwise() && self.form == Form::Blocked
    }
}

/// Samples of one part.
fn part_len(n: usize) -> usize {
    n.div_ceil(PARTS).max(1)
}

fn run(calls: &[Call], x: &[f32], y: &mut [f32]) -> Result<(), NnError> {
    if calls.iter().all(|call| call.run(x, y)) { Ok(()) } else { Err(too_short()) }
}

/// What the parts of a backward pass share.
struct Share<'a> {
    layer: &'a ConvLayer,
    b: &'a Backward<'a>,
    sums: Option<&'a norm::Sums>,
    weight_sums: WeightSums<'a>,
    x_padding: Padding,
    dx_calls: Vec<Call>,
}

/// What a part of the batch works in, and its sums.
struct Work {
    x: Recycled,
    /// Gradient of the convolution's own output, with zeros around.
    dy: Recycled,
    weights: Recycled,
    bias: Vec<f64>,
}

impl Share<'_> {
    fn scratch(&self) -> Work {
        let (layer, halo) = (self.layer, self.weight_sums.dy_halo);
        let dy_len = Form::Blocked.floats(layer.isa, layer.channels.output, layer.output, halo);
        Work {
            x: self.x_padding.scratch(&layer.shelf),
            dy: layer.shelf.zeros(dy_len),
            weights: layer.shelf.zeros(self.weight_sums.len),
            bias: vec![0.0; layer.channels.output.next_multiple_of(layer.isa.lanes())],
        }
    }

    fn sample(&self, sample: usize, dx: Option<&mut [f32]>, work: &mut Work) -> Result<(), NnError> {
        let (x_len, y_len) = (self.layer.input_len(), self.layer.output_len());
        self.output_gradient(sample * y_len, work);
        if let Some(dx) = dx {
            run(&self.dx_calls, &work.dy, dx)?;
        }
        let x = &self.b.x[sample * x_len..(sample + 1) * x_len];
        self.weight_sums.add(self.x_padding.pad(x, &mut work.x), &work.dy, &mut work.weights)
    }

    /// The gradient of the convolution's own output, row by row into `work.dy`.
    fn output_gradient(&self, at: usize, work: &mut Work) {
        let layer = self.layer;
        let (lanes, plane) = (layer.isa.lanes(), layer.output_plane());
        let row = layer.output.x * lanes;
        let to = self.weight_sums.dy;
        for block in 0..layer.output_len() / plane {
            for y in 0..layer.output.y {
                let from = at + block * plane + y * row;
                let grad = &self.b.grad[from..from + row];
                let dy = &mut work.dy[to.start + block * to.block + y * to.row..][..row];
                if let (Some(sums), Some((norm, y))) = (self.sums, self.b.norm) {
                    norm.gradient(sums, block, &y[from..from + row], grad, dy);
                    continue;
                }
                if layer.limits == Limits::NONE {
                    dy.copy_from_slice(grad);
                } else {
                    let out = &self.b.out[from..from + row];
                    for ((dy, g), o) in dy.iter_mut().zip(grad).zip(out) {
                        *dy = if layer.limits.let_through(*o) { *g } else { 0.0 };
                    }
                }
                for pixel in dy.chunks_exact(lanes) {
                    let sums = work.bias[block * lanes..].iter_mut();
                    sums.zip(pixel).for_each(|(sum, v)| *sum += f64::from(*v));
                }
            }
        }
    }
}

/// Zeros around samples.
struct Padding {
    planes: usize,
    lanes: usize,
    size: Extent,
    halo: Halo,
    floats: usize,
}

impl Padding {
    fn new(isa: Isa, form: Form, channels: usize, stencil: &Stencil) -> Self {
        Self {
            planes: form.blocks(isa, channels),
            lanes: form.lanes(isa),
            size: stencil.input,
            halo: stencil.halo,
            floats: form.floats(isa, channels, stencil.input, stencil.halo),
        }
    }

    fn scratch(&self, shelf: &Shelf) -> Recycled {
        shelf.zeros(if self.halo == Halo::default() { 0 } else { self.floats })
    }

    /// The sample with zeros around it, which `scratch` keeps from call to call; the sample
    /// itself where it needs none.
    fn pad<'a>(&self, sample: &'a [f32], scratch: &'a mut [f32]) -> &'a [f32] {
        if scratch.is_empty() {
            return sample;
        }
        let width = self.size.x * self.lanes;
        let row = width + (self.halo.left + self.halo.right) * self.lanes;
        let block = row * (self.size.y + self.halo.top + self.halo.bottom);
        for (plane, sample) in sample.chunks_exact(self.size.y * width).take(self.planes).enumerate() {
            let start = plane * block + self.halo.top * row + self.halo.left * self.lanes;
            for (y, line) in sample.chunks_exact(width).enumerate() {
                scratch[start + y * row..start + y * row + width].copy_from_slice(line);
            }
        }
        scratch
    }
}

/// How the weights' gradient is summed over the pixels of a sample.
struct WeightSums<'a> {
    layer: &'a ConvLayer,
    stencil: &'a Stencil,
    passes: Vec<PassSums>,
    x: Layout,
    dy: Layout,
    dy_halo: Halo,
    len: usize,
}

struct PassSums {
    pass: Pass,
    run: GradientLoop,
    /// From the input pixel under an output pixel to each input, in the packed order.
    inputs: Vec<isize>,
    from: usize,
}

impl<'a> WeightSums<'a> {
    fn new(layer: &'a ConvLayer, stencil: &'a Stencil, dy_halo: Halo) -> Self {
        let (isa, form) = (layer.isa, layer.form);
        let x = form.layout(isa, stencil.input, stencil.halo);
        let dy = Form::Blocked.layout(isa, stencil.output, dy_halo);
        let taps = stencil.phases.iter().flat_map(|phase| &phase.taps);
        let taps: Vec<isize> = taps.map(|t| t.dy * x.row.cast_signed() + t.dx * x.px.cast_signed()).collect();
        let mut sums = Self { layer, stencil, passes: Vec::new(), x, dy, dy_halo, len: 0 };
        if layer.is_depthwise() {
            for block in 0..layer.channels.output.div_ceil(isa.lanes()) {
                let pass = Pass { out_block: block, k: 1, in_block: block, blocks: 1, last: isa.lanes() };
                let start = (block * x.block).cast_signed();
                sums.push(pass, false, taps.iter().map(|tap| start + tap).collect());
            }
        } else {
            for pass in Pass::of(isa, form, layer.channels) {
                let mut inputs = Vec::new();
                for block in 0..pass.blocks {
                    let count = if block + 1 == pass.blocks { pass.last } else { form.lanes(isa) };
                    let start = ((pass.in_block + block) * x.block).cast_signed();
                    for tap in &taps {
                        inputs.extend((0..count).map(|i| start + tap + i.cast_signed()));
                    }
                }
                sums.push(pass, true, inputs);
            }
        }
        sums
    }

    fn push(&mut self, pass: Pass, spread: bool, inputs: Vec<isize>) {
        let run = GradientLoop::choose(self.layer.isa, pass.k, spread);
        let from = self.len;
        self.len += inputs.len() * pass.k * self.layer.isa.lanes();
        self.passes.push(PassSums { pass, run, inputs, from });
    }

    fn add(&self, x: &[f32], dy: &[f32], total: &mut [f32]) -> Result<(), NnError> {
        let size = self.stencil.output;
        let band = (BAND_PIXELS / size.x).max(1);
        for first in (0..size.y).step_by(band) {
            for p in &self.passes {
                let line = p.pass.k * self.layer.isa.lanes();
                for (i, inputs) in p.inputs.chunks(GRADIENT_INPUTS).enumerate() {
                    let g = Gradient {
                        x: Layout {
                            row: self.stencil.in_step.y * self.x.row,
                            px: self.stencil.in_step.x * self.x.px,
                            ..self.x
                        },
                        inputs,
                        dy: Layout { start: self.dy.start + p.pass.out_block * self.dy.block, ..self.dy },
                        k: p.pass.k,
                        rows: (first, (first + band).min(size.y)),
                        width: size.x,
                        spread: !self.layer.is_depthwise(),
                    };
                    let at = p.from + i * GRADIENT_INPUTS * line;
                    if !p.run.run(&g, x, dy, &mut total[at..at + inputs.len() * line]) {
                        return Err(too_short());
                    }
                }
            }
        }
        Ok(())
    }

    /// Sums in packed order → `[output, input / groups, kernel.y, kernel.x]`.
    fn unpack(&self, sums: &[f32]) -> Vec<f32> {
        let (layer, taps) = (self.layer, self.layer.kernel.area());
        let c = layer.channels;
        let per_in = c.input / c.groups;
        let mut weights = vec![0.0; c.output * per_in * taps];
        for p in &self.passes {
            let sums = &sums[p.from..];
            if layer.is_depthwise() {
                let lanes = layer.isa.lanes();
                let first = p.pass.out_block * lanes;
                for channel in first..(first + lanes).min(c.output) {
                    for tap in 0..taps {
                        weights[channel * taps + tap] = sums[tap * lanes + channel - first];
                    }
                }
            } else {
                // A convolution's taps are its kernel's positions, in order.
                p.pass.for_weights(layer.isa, layer.form, c, taps, |at, w| {
                    weights[(w.output * per_in + w.input_in_group) * taps + w.tap] = sums[at];
                });
            }
        }
        weights
    }
}
