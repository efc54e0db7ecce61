//! Convolution as an operation that candle can differentiate, on blocked tensors
//! `[n, blocks, height, width, lanes]` (see [`super::kernels`]).
//!
//! Samples run in parallel. Gradients of the weights are summed over fixed parts of the batch,
//! and the parts in their order, so that no bit depends on the number of threads.

use super::conv::{Channels, Direction, Form, Operands, Pass, Weights, calls};
use super::graph::Extent;
use super::kernels::{Call, GRADIENT_INPUTS, Gradient, GradientLoop, Isa, Layout};
use super::slices::{operand, with_values};
use super::stencil::{Halo, Stencil};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Device, Error, Result, Shape, Tensor};
use candle_core::Layout as TensorLayout;
use rayon::prelude::*;

/// Parts of a batch whose weight gradients are summed apart: enough for eight cores.
const PARTS: usize = 8;
/// Output pixels between two additions to the sums in memory: rows of all operands that belong
/// together stay in the first cache.
const BAND_PIXELS: usize = 256;

/// A convolution of a batch with weights `[output, input / groups, kernel.y, kernel.x]` and, as
/// third operand where there is one, a bias `[output]`.
#[derive(Clone, Copy)]
pub struct ConvOp {
    pub isa: Isa,
    /// Of the input; a planar one is `[n, channels, height, width]` and gets no gradient.
    pub form: Form,
    pub channels: Channels,
    pub kernel: Extent,
    pub stride: Extent,
}

/// Sizes of one application.
struct Sizes {
    n: usize,
    input: Extent,
    output: Extent,
    /// Floats of a sample.
    input_len: usize,
    output_len: usize,
}

fn wrong<T>(what: &str) -> Result<T> {
    Err(Error::Msg(format!("convolution: {what}")))
}

/// A sample with zeros around it, copied row by row; `padded` keeps its zeros from call to call.
fn pad(sample: &[f32], planes: usize, size: Extent, lanes: usize, halo: Halo, padded: &mut [f32]) {
    let width = size.x * lanes;
    let row = width + (halo.left + halo.right) * lanes;
    let block = row * (size.y + halo.top + halo.bottom);
    for (plane, sample) in sample.chunks_exact(size.y * width).take(planes).enumerate() {
        let start = plane * block + halo.top * row + halo.left * lanes;
        for (y, line) in sample.chunks_exact(width).enumerate() {
            padded[start + y * row..start + y * row + width].copy_from_slice(line);
        }
    }
}

impl ConvOp {
    fn sizes(&self, x: &[usize]) -> Result<Sizes> {
        let lanes = self.isa.lanes();
        let (n, input) = match (self.form, x) {
            (Form::Planar, &[n, c, y, x]) if c == self.channels.input => (n, Extent { y, x }),
            (Form::Blocked, &[n, b, y, x, l]) if b == self.channels.input.div_ceil(lanes) && l == lanes => {
                (n, Extent { y, x })
            }
            _ => return wrong(&format!("an input of shape {x:?}")),
        };
        let output = Extent { y: input.y.div_ceil(self.stride.y), x: input.x.div_ceil(self.stride.x) };
        let none = Halo::default();
        Ok(Sizes {
            n,
            input,
            output,
            input_len: self.form.floats(self.isa, self.channels.input, input, none),
            output_len: Form::Blocked.floats(self.isa, self.channels.output, output, none),
        })
    }

    fn weights<'a>(&self, values: &'a [f32], direction: Direction) -> Weights<'a> {
        let channels = match direction {
            Direction::Forward => self.channels,
            Direction::Transposed => self.channels.swapped(),
        };
        Weights { values, positions: self.kernel.area(), direction, channels }
    }

    fn forward(&self, x: &[f32], dims: &[usize], w: &[f32], bias: &[f32]) -> Result<(CpuStorage, Shape)> {
        let s = self.sizes(dims)?;
        let stencil = Stencil::convolution(s.input, self.kernel, self.stride);
        let mut y = vec![0.0; s.n * s.output_len];
        let from = (x, s.input_len, self.form, self.channels.input);
        self.apply(&stencil, from, &self.weights(w, Direction::Forward), bias, &mut y, s.output_len)?;
        let blocks = self.channels.output.div_ceil(self.isa.lanes());
        let shape = Shape::from(vec![s.n, blocks, s.output.y, s.output.x, self.isa.lanes()]);
        Ok((CpuStorage::F32(y), shape))
    }

    /// Every sample of `from` (values, floats of one, form, channels) through a stencil.
    fn apply(
        &self,
        stencil: &Stencil,
        from: (&[f32], usize, Form, usize),
        weights: &Weights<'_>,
        bias: &[f32],
        y: &mut [f32],
        y_len: usize,
    ) -> Result<()> {
        let (x, x_len, form, channels) = from;
        let on = Operands {
            form,
            x: form.layout(self.isa, stencil.input, stencil.halo),
            y: Form::Blocked.layout(self.isa, stencil.output, Halo::default()),
            skip: None,
            relu: false,
        };
        let calls = calls(self.isa, stencil, weights, bias, &on);
        let padding = Padding::new(self.isa, form, channels, stencil);
        y.par_chunks_mut(y_len).zip(x.par_chunks(x_len)).try_for_each_init(
            || padding.scratch(),
            |scratch, (y, x)| {
                let x = padding.pad(x, scratch);
                if calls.iter().all(|call: &Call| call.run(x, y)) { Ok(()) } else { wrong("operands too short") }
            },
        )
    }

    fn input_gradient(&self, s: &Sizes, w: &[f32], grad: &[f32]) -> Result<Vec<f32>> {
        let stencil = Stencil::transposed(s.input, self.kernel, self.stride);
        let mut dx = vec![0.0; s.n * s.input_len];
        let from = (grad, s.output_len, Form::Blocked, self.channels.output);
        let bias = vec![0.0; self.channels.input];
        self.apply(&stencil, from, &self.weights(w, Direction::Transposed), &bias, &mut dx, s.input_len)?;
        Ok(dx)
    }

    fn weight_gradient(&self, s: &Sizes, x: &[f32], grad: &[f32]) -> Result<Vec<f32>> {
        let stencil = Stencil::convolution(s.input, self.kernel, self.stride);
        let padding = Padding::new(self.isa, self.form, self.channels.input, &stencil);
        let sums = WeightSums::new(self, &stencil);
        let part = s.n.div_ceil(PARTS).max(1);
        let parts: Vec<Vec<f32>> = x
            .par_chunks(part * s.input_len)
            .zip(grad.par_chunks(part * s.output_len))
            .map(|(x, grad)| {
                let (mut total, mut scratch) = (vec![0.0; sums.len], padding.scratch());
                for (x, grad) in x.chunks_exact(s.input_len).zip(grad.chunks_exact(s.output_len)) {
                    sums.add(padding.pad(x, &mut scratch), grad, &mut total)?;
                }
                Ok(total)
            })
            .collect::<Result<_>>()?;
        let mut total = vec![0.0; sums.len];
        for part in &parts {
            total.iter_mut().zip(part).for_each(|(t, p)| *t += *p);
        }
        Ok(sums.unpack(&total))
    }

    fn gradients(&self, x: &Tensor, w: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let s = self.sizes(x.dims())?;
        let dx = if x.track_op() {
            if self.form == Form::Planar {
                return wrong("a planar input gets no gradient");
            }
            let dx = with_values(w, |w| with_values(grad, |grad| self.input_gradient(&s, w, grad)))?;
            Some(Tensor::from_vec(dx, x.shape(), &Device::Cpu)?)
        } else {
            None
        };
        let dw = with_values(x, |x| with_values(grad, |grad| self.weight_gradient(&s, x, grad)))?;
        Ok((dx, Some(Tensor::from_vec(dw, w.shape(), &Device::Cpu)?)))
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

    fn scratch(&self) -> Vec<f32> {
        if self.halo == Halo::default() { Vec::new() } else { vec![0.0; self.floats] }
    }

    /// The sample itself where it needs no zeros.
    fn pad<'a>(&self, sample: &'a [f32], scratch: &'a mut [f32]) -> &'a [f32] {
        if scratch.is_empty() {
            return sample;
        }
        pad(sample, self.planes, self.size, self.lanes, self.halo, scratch);
        scratch
    }
}

/// How the weights' gradient is summed over the pixels of a sample.
struct WeightSums<'a> {
    op: &'a ConvOp,
    stencil: &'a Stencil,
    passes: Vec<PassSums>,
    x: Layout,
    dy: Layout,
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
    fn new(op: &'a ConvOp, stencil: &'a Stencil) -> Self {
        let (isa, form) = (op.isa, op.form);
        let x = form.layout(isa, stencil.input, stencil.halo);
        let dy = Form::Blocked.layout(isa, stencil.output, Halo::default());
        let taps = || stencil.phases[0].taps.iter().map(|t| t.dy * x.row.cast_signed() + t.dx * x.px.cast_signed());
        let mut len = 0;
        let mut passes = Vec::new();
        let mut add = |pass: Pass, spread: bool, inputs: Vec<isize>| {
            let run = GradientLoop::choose(isa, pass.k, spread);
            let from = len;
            len += inputs.len() * pass.k * isa.lanes();
            passes.push(PassSums { pass, run, inputs, from });
        };
        if op.is_depthwise() {
            for block in 0..op.channels.output.div_ceil(isa.lanes()) {
                let pass = Pass { out_block: block, k: 1, in_block: block, blocks: 1, last: isa.lanes() };
                let start = (block * x.block).cast_signed();
                add(pass, false, taps().map(|tap| start + tap).collect());
            }
        } else {
            for pass in Pass::of(isa, form, op.channels) {
                let mut inputs = Vec::new();
                for block in 0..pass.blocks {
                    let count = if block + 1 == pass.blocks { pass.last } else { form.lanes(isa) };
                    let start = ((pass.in_block + block) * x.block).cast_signed();
                    for tap in taps() {
                        inputs.extend((0..count).map(|i| start + tap + i.cast_signed()));
                    }
                }
                add(pass, true, inputs);
            }
        }
        Self { op, stencil, passes, x, dy, len }
    }

    fn add(&self, x: &[f32], dy: &[f32], total: &mut [f32]) -> Result<()> {
        let lanes = self.op.isa.lanes();
        let size = self.stencil.output;
        let band = (BAND_PIXELS / size.x).max(1);
        for first in (0..size.y).step_by(band) {
            for p in &self.passes {
                let line = p.pass.k * lanes;
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
                        spread: !self.op.is_depthwise(),
                    };
                    let at = p.from + i * GRADIENT_INPUTS * line;
                    if !p.run.run(&g, x, dy, &mut total[at..at + inputs.len() * line]) {
                        return wrong("operands too short for the weights' gradient");
                    }
                }
            }
        }
        Ok(())
    }

    /// Sums in packed order → `[output, input / groups, kernel.y, kernel.x]`.
    fn unpack(&self, sums: &[f32]) -> Vec<f32> {
        let (op, taps) = (self.op, self.op.kernel.area());
        let per_in = op.channels.input / op.channels.groups;
        let mut weights = vec![0.0; op.channels.output * per_in * taps];
        for p in &self.passes {
            let sums = &sums[p.from..];
            if op.is_depthwise() {
                let lanes = op.isa.lanes();
                for tap in 0..taps {
                    for lane in 0..lanes {
                        let channel = p.pass.out_block * lanes + lane;
                        if channel < op.channels.output {
                            weights[channel * taps + tap] = sums[tap * lanes + lane];
                        }
                    }
                }
            } else {
                // A convolution's taps are its kernel's positions, in order.
                p.pass.for_weights(op.isa, op.form, op.channels, taps, |at, out, input, tap| {
                    weights[(out * per_in + input % per_in) * taps + tap] = sums[at];
                });
            }
        }
        weights
    }
}

impl ConvOp {
    /// Whether channels are looked at one by one; a planar input never is.
    fn is_depthwise(&self) -> bool {
        self.channels.is_depthwise() && self.form == Form::Blocked
    }
}

impl CustomOp2 for ConvOp {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &TensorLayout,
        w: &CpuStorage,
        wl: &TensorLayout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, w) = (operand(x, xl, "convolution")?, operand(w, wl, "convolution")?);
        self.forward(x, xl.dims(), w, &vec![0.0; self.channels.output])
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        self.gradients(x, w, grad)
    }
}

impl CustomOp3 for ConvOp {
    fn name(&self) -> &'static str {
        "convolution with bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &TensorLayout,
        w: &CpuStorage,
        wl: &TensorLayout,
        bias: &CpuStorage,
        bl: &TensorLayout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, w) = (operand(x, xl, "convolution")?, operand(w, wl, "convolution")?);
        self.forward(x, xl.dims(), w, operand(bias, bl, "convolution")?)
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dw) = self.gradients(x, w, grad)?;
        let lanes = self.isa.lanes();
        let s = self.sizes(x.dims())?;
        let mut sums = vec![0.0_f64; self.channels.output.next_multiple_of(lanes)];
        with_values(grad, |grad| {
            for sample in grad.chunks_exact(s.output_len) {
                let planes = sample.chunks_exact(s.output.area() * lanes).zip(sums.chunks_exact_mut(lanes));
                for (plane, sums) in planes {
                    for pixel in plane.chunks_exact(lanes) {
                        sums.iter_mut().zip(pixel).for_each(|(s, v)| *s += f64::from(*v));
                    }
                }
            }
            Ok(())
        })?;
        #[expect(clippy::cast_possible_truncation, reason = "gradients are single precision")]
        let db: Vec<f32> = sums[..self.channels.output].iter().map(|&v| v as f32).collect();
        Ok((dx, dw, Some(Tensor::from_vec(db, bias.shape(), &Device::Cpu)?)))
    }
}
