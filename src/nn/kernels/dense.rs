//! Convolution with every input channel: a tile of pixels times a few blocks of output channels
//! stays in registers while all taps and input channels pass by.
//!
//! Per input channel and tap a tile reads its weights (vectors) and one number for each pixel
//! (spread over a vector), and multiplies each with each. The method is that of direct
//! convolution in blocked layouts (Georganas et al., *Anatomy of high-performance deep learning
//! convolutions on SIMD architectures*, 2018).

use super::simd::{self, Simd, within};
use super::{Isa, Layout, Limits, best_tile, for_tiles};

/// A second operand that is added before the activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    pub layout: Layout,
    /// It has half the height and width, and each of its pixels counts for 2 × 2.
    pub halved: bool,
}

/// One pass over rows of an output: `y = act(bias + Σ weights · x + skip)`.
#[derive(Clone, Copy, Debug)]
pub struct Dense<'a> {
    pub x: Layout,
    /// From the input pixel under an output pixel to each tap.
    pub taps: &'a [isize],
    /// Input channels in each block, number of blocks, channels in the last one.
    pub inner: usize,
    pub blocks: usize,
    pub last: usize,
    /// `[blocks][taps][inner][k · lanes]`, the last block shorter.
    pub weights: &'a [f32],
    /// `k · lanes`.
    pub bias: &'a [f32],
    pub y: Layout,
    pub skip: Option<Skip>,
    /// Output rows of this pass, counted from `y.start`; `x` and `skip` count along.
    pub rows: (usize, usize),
    pub width: usize,
    pub limits: Limits,
}

type Run = unsafe fn(&Dense<'_>, *const f32, *mut f32, *const f32);

/// A compiled loop for one number of output blocks, one width and one step between pixels.
#[derive(Clone, Copy)]
pub struct DenseLoop {
    run: Run,
    /// Output blocks of one pass.
    k: usize,
    width: usize,
    x_px: usize,
    lanes: usize,
}

impl DenseLoop {
    /// How many output blocks passes should take to cover `blocks`: as many as the registers
    /// hold beside enough pixels, and no pass much smaller than the others.
    #[must_use]
    pub fn passes(isa: Isa, blocks: usize) -> Vec<usize> {
        let count = blocks.div_ceil(k_max(isa)).max(1);
        (0..count).map(|i| (blocks + count - 1 - i) / count).collect()
    }

    /// `k` is one of [`Self::passes`]; `x_px` is the step of the input from one output pixel to
    /// the next, in floats.
    #[must_use]
    pub fn choose(isa: Isa, k: usize, width: usize, x_px: usize) -> Self {
        let lanes = isa.lanes();
        let step = Step::of(x_px, lanes);
        let run = match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::choose(k, width, step),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::choose(k, width, step),
            #[cfg(target_arch = "x86_64")]
            Isa::Sse2 => sse2::choose(k, width, step),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => neon::choose(k, width, step),
            Isa::Portable => portable::choose(k, width, step),
        };
        Self { run, k: k.clamp(1, k_max(isa)), width, x_px, lanes }
    }

    /// Whether everything that `dense` reads and writes lies inside operands of these lengths,
    /// and whether this loop is the one for it.
    #[must_use]
    pub fn fits(&self, dense: &Dense<'_>, x: usize, y: usize, skip: usize) -> bool {
        let rows = dense.rows.1;
        let first = dense.taps.iter().copied().min().unwrap_or(0);
        let last = dense.taps.iter().copied().max().unwrap_or(0);
        let walk = dense.x.last(dense.blocks, rows, dense.width) + dense.inner.max(dense.last);
        let x_fits = dense.x.start.checked_add_signed(first).is_some()
            && walk.checked_add_signed(last).is_some_and(|end| end <= x);
        let channels = (dense.blocks - 1) * dense.inner + dense.last;
        let skip_fits = dense.skip.is_none_or(|s| {
            let (rows, width) =
                if s.halved { (rows.div_ceil(2), dense.width.div_ceil(2)) } else { (rows, dense.width) };
            s.layout.last(self.k, rows, width) + self.lanes <= skip
        });
        x_fits
            && skip_fits
            && dense.y.last(self.k, rows, dense.width) + self.lanes <= y
            && dense.weights.len() == channels * dense.taps.len() * self.k * self.lanes
            && dense.bias.len() == self.k * self.lanes
            && (dense.width, dense.x.px) == (self.width, self.x_px)
    }

    /// # Safety
    ///
    /// [`Self::fits`] holds for the operands behind the pointers; `x` and `skip` are initialised,
    /// and nobody else writes them or touches the rows of `y` meanwhile; the processor has the
    /// instruction set.
    pub unsafe fn run(&self, dense: &Dense<'_>, x: *const f32, y: *mut f32, skip: *const f32) {
        unsafe { (self.run)(dense, x, y, skip) }
    }
}

/// From one pixel of the input to the next. What is known when the loop is compiled needs no
/// registers there: neighbours and every second pixel, of blocks and of planes.
#[derive(Clone, Copy)]
enum Step {
    Block,
    TwoBlocks,
    One,
    Two,
    Any,
}

impl Step {
    const fn of(x_px: usize, lanes: usize) -> Self {
        match x_px {
            px if px == lanes => Self::Block,
            px if px == 2 * lanes => Self::TwoBlocks,
            1 => Self::One,
            2 => Self::Two,
            _ => Self::Any,
        }
    }
}

/// Most output blocks of one pass: with 16 registers a third block leaves too few pixels.
const fn k_max(isa: Isa) -> usize {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::K_MAX,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::K_MAX,
        #[cfg(target_arch = "x86_64")]
        Isa::Sse2 => sse2::K_MAX,
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => neon::K_MAX,
        Isa::Portable => portable::K_MAX,
    }
}

#[inline(always)]
unsafe fn pass<S: Simd, const R: usize, const K: usize, const STEP: usize>(
    d: &Dense<'_>,
    x: *const f32,
    y: *mut f32,
    skip: *const f32,
) {
    let step = if STEP == 0 { d.x.px } else { STEP };
    for row in d.rows.0..d.rows.1 {
        unsafe {
            let x = x.add(d.x.start + row * d.x.row);
            for_tiles(d.width, R, |at| {
                let acc = products::<S, R, K>(d, x.add(at * step), step);
                finish::<S, R, K>(d, acc, row, at, y, skip);
            });
        }
    }
}

/// Bias and products of one tile.
#[inline(always)]
unsafe fn products<S: Simd, const R: usize, const K: usize>(
    d: &Dense<'_>,
    x: *const f32,
    step: usize,
) -> [[S::V; K]; R] {
    unsafe {
        let mut acc = [[S::splat(0.0); K]; R];
        for k in 0..K {
            let bias = S::load(d.bias.as_ptr().add(k * S::LANES));
            for line in &mut acc {
                line[k] = bias;
            }
        }
        let mut weights = d.weights.as_ptr();
        for block in 0..d.blocks {
            let inner = if block + 1 == d.blocks { d.last } else { d.inner };
            let from = x.add(block * d.x.block);
            for &tap in d.taps {
                let mut p = from.offset(tap);
                for _ in 0..inner {
                    let mut w = [S::splat(0.0); K];
                    for (k, w) in w.iter_mut().enumerate() {
                        *w = S::load(weights.add(k * S::LANES));
                    }
                    for (r, line) in acc.iter_mut().enumerate() {
                        let v = S::splat(*p.add(r * step));
                        for k in 0..K {
                            line[k] = S::mul_add(v, w[k], line[k]);
                        }
                    }
                    p = p.add(1);
                    weights = weights.add(K * S::LANES);
                }
            }
        }
        acc
    }
}

/// Adds the skip, applies the activation and writes the tile.
#[inline(always)]
unsafe fn finish<S: Simd, const R: usize, const K: usize>(
    d: &Dense<'_>,
    mut acc: [[S::V; K]; R],
    row: usize,
    at: usize,
    y: *mut f32,
    skip: *const f32,
) {
    unsafe {
        if let Some(s) = d.skip {
            let half = usize::from(s.halved);
            let from = skip.add(s.layout.start + (row >> half) * s.layout.row);
            for (r, line) in acc.iter_mut().enumerate() {
                let from = from.add(((at + r) >> half) * s.layout.px);
                for k in 0..K {
                    line[k] = S::add(line[k], S::load(from.add(k * s.layout.block)));
                }
            }
        }
        let limits = d.limits.splat::<S>();
        let to = y.add(d.y.start + row * d.y.row + at * d.y.px);
        for (r, line) in acc.iter().enumerate() {
            for k in 0..K {
                S::store(to.add(r * d.y.px + k * d.y.block), within::<S>(limits, line[k]));
            }
        }
    }
}

/// One module for an instruction set: the tiles (pixels × output blocks) that its registers hold.
macro_rules! instruction_set {
    ($name:ident, $simd:ty, $(#[$feature:meta])?, $k_max:literal, [$($k:literal: [$($r:literal),*]),*]) => {
        mod $name {
            use super::{Dense, Run, Simd, Step, best_tile, pass, simd};

            pub const K_MAX: usize = $k_max;

            $(#[$feature])?
            unsafe fn run<const R: usize, const K: usize, const STEP: usize>(
                d: &Dense<'_>, x: *const f32, y: *mut f32, skip: *const f32,
            ) {
                unsafe { pass::<$simd, R, K, STEP>(d, x, y, skip) }
            }

            fn tile<const R: usize, const K: usize>(step: Step) -> Run {
                match step {
                    Step::Block => run::<R, K, { <$simd>::LANES }>,
                    Step::TwoBlocks => run::<R, K, { 2 * <$simd>::LANES }>,
                    Step::One => run::<R, K, 1>,
                    Step::Two => run::<R, K, 2>,
                    Step::Any => run::<R, K, 0>,
                }
            }

            pub fn choose(k: usize, width: usize, step: Step) -> Run {
                match k {
                    $($k => match best_tile(&[$($r),*], width) {
                        $($r => tile::<$r, $k>(step),)*
                        _ => tile::<1, $k>(step),
                    },)*
                    _ => tile::<1, K_MAX>(step),
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
instruction_set!(avx512, simd::Avx512, #[target_feature(enable = "avx512f")],
    3, [1: [16, 14, 8, 7, 4, 2, 1], 2: [14, 8, 7, 4, 2, 1], 3: [9, 8, 7, 4, 2, 1]]);
#[cfg(target_arch = "x86_64")]
instruction_set!(avx2, simd::Avx2, #[target_feature(enable = "avx2,fma")],
    2, [1: [8, 7, 4, 2, 1], 2: [6, 5, 4, 2, 1]]);
#[cfg(target_arch = "x86_64")]
instruction_set!(sse2, simd::Sse2, , 2, [1: [8, 7, 4, 2, 1], 2: [4, 2, 1]]);
#[cfg(target_arch = "aarch64")]
instruction_set!(neon, simd::Neon, , 3, [1: [16, 14, 8, 7, 4, 2, 1], 2: [14, 8, 7, 4, 2, 1], 3: [9, 8, 7, 4, 2, 1]]);
instruction_set!(portable, simd::Portable, , 1, [1: [2, 1]]);
