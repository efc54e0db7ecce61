//! How a convolution between planes and blocks is divided into bands of rows, each small enough to
//! stay in a core's cache in both forms.

use super::conv::{Channels, Form, Operands, Pass, Weights, passes};
use super::kernels::{BandPass, Bands, Enter, Isa, Layout, Leave, TASK_MACS};
use super::stencil::Stencil;

/// Floats of a band in both forms: they stay in a second-level cache beside the weights.
const BAND_FLOATS: usize = 1 << 16;

/// So many bands where there is work for as many tasks, so that threads end at about the same time.
const BANDS_MIN: usize = 8;

/// Which operands are planes that a convolution turns over for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    pub enter: bool,
    pub leave: bool,
}

/// The convolution of `on`, whose layouts of planes are only needed for operands that stay as they
/// are. The stencil has one phase, and there is no skip.
pub fn bands(
    isa: Isa,
    stencil: &Stencil,
    weights: &Weights<'_>,
    bias: &[f32],
    on: &Operands,
    ends: Ends,
) -> Bands {
    let tasks = weights.values.len() * stencil.output.area() / TASK_MACS;
    let cut = Cut::new(isa, stencil, weights.channels, on.form, ends, tasks);
    let scratch = Operands {
        form: if ends.enter { Form::Blocked } else { on.form },
        x: if ends.enter { cut.first_pixel() } else { on.x },
        y: if ends.leave { cut.y } else { on.y },
        ..*on
    };
    let made = passes(isa, stencil, weights, bias, &scratch).into_iter().map(|(pass, mut call)| {
        // A call finds its own blocks at the beginning of the scratch.
        let back = |layout: &mut Layout, block: usize| layout.start -= block * layout.block;
        if ends.enter {
            back(&mut call.x, pass.in_block);
        }
        if ends.leave {
            back(&mut call.y, pass.out_block);
        }
        BandPass { call, in_block: pass.in_block, in_blocks: pass.blocks, out_block: pass.out_block }
    });
    let enter = Enter {
        channels: weights.channels.input,
        stride: stencil.in_step.y,
        reach: cut.reach,
        top: cut.top,
        left: cut.left,
        layout: cut.x,
    };
    let leave = Leave { channels: weights.channels.output, layout: cut.y };
    Bands::new(
        isa,
        made.collect(),
        (ends.enter.then_some(enter), ends.leave.then_some(leave)),
        (stencil.output.y, cut.count),
    )
}

/// Bands of a convolution, and where they lie in the scratch: first the input, if it enters, then
/// the output, if it leaves.
struct Cut {
    /// How many.
    count: usize,
    /// Rows of the input that an output row looks at.
    reach: usize,
    /// Zeros before pixel 0, 0.
    top: usize,
    left: usize,
    x: Layout,
    y: Layout,
}

impl Cut {
    fn new(isa: Isa, stencil: &Stencil, channels: Channels, form: Form, ends: Ends, tasks: usize) -> Self {
        let lanes = isa.lanes();
        let form = if ends.enter { Form::Blocked } else { form };
        let passes = if channels.is_depthwise() && form == Form::Blocked {
            vec![(1, 1)]
        } else {
            Pass::of(isa, form, channels).iter().map(|pass| (pass.blocks, pass.k)).collect()
        };
        let most = |ends: bool, count: usize| if ends { count } else { 0 };
        let in_blocks = most(ends.enter, passes.iter().map(|p| p.0).max().unwrap_or(1));
        let out_blocks = most(ends.leave, passes.iter().map(|p| p.1).max().unwrap_or(1));
        let taps = || stencil.phases.iter().flat_map(|phase| &phase.taps);
        let first = taps().map(|tap| tap.dy).min().unwrap_or(0);
        let reach = taps().map(|tap| (tap.dy - first).unsigned_abs() + 1).max().unwrap_or(1);

        let x_row = (stencil.halo.left + stencil.input.x + stencil.halo.right) * lanes;
        let y_row = stencil.output.x * lanes;
        let row = in_blocks * stencil.in_step.y * x_row + out_blocks * y_row;
        let height = stencil.output.y;
        let cached = height.div_ceil((BAND_FLOATS / row.max(1)).clamp(1, height));
        // Two threads have the same number of them.
        let count = cached.max(tasks.min(BANDS_MIN)).next_multiple_of(2).min(height);
        let rows = height.div_ceil(count);
        let x_block = ((rows - 1) * stencil.in_step.y + reach) * x_row;
        Self {
            count,
            reach,
            top: first.min(0).unsigned_abs(),
            left: stencil.halo.left,
            x: Layout { start: 0, row: x_row, px: lanes, block: x_block },
            y: Layout { start: in_blocks * x_block, row: y_row, px: lanes, block: rows * y_row },
        }
    }

    /// Of the input in the scratch.
    fn first_pixel(&self) -> Layout {
        Layout { start: self.top * self.x.row + self.left * self.x.px, ..self.x }
    }
}
