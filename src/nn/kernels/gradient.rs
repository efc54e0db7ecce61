//! Gradients of weights: sums over pixels of products of an input with an output's gradient.

use super::simd::{self, Simd};
use super::{Isa, Layout};

/// Inputs (channel and tap) that one pass takes.
pub const INPUTS: usize = 8;
/// Most blocks of output channels that one pass takes.
pub const K_MAX: usize = 3;

/// One pass: `sums[i][k] += Σ x[inputs[i] + pixel] · dy[k][pixel]` over the pixels of some rows.
#[derive(Clone, Copy, Debug)]
pub struct Gradient<'a> {
    pub x: Layout,
    /// From the input pixel under an output pixel to each input; at most [`INPUTS`].
    pub inputs: &'a [isize],
    pub dy: Layout,
    /// Blocks of output channels: 1 to [`K_MAX`].
    pub k: usize,
    pub rows: (usize, usize),
    pub width: usize,
    /// Each input is one number for each pixel, multiplied with all channels; otherwise it is a
    /// whole block, multiplied channel by channel (then `k` is 1).
    pub spread: bool,
}

type Run = unsafe fn(&Gradient<'_>, *const f32, *const f32, *mut f32);

/// A compiled loop.
#[derive(Clone, Copy)]
pub struct GradientLoop {
    run: Run,
    k: usize,
    spread: bool,
    lanes: usize,
}

impl GradientLoop {
    #[must_use]
    pub fn choose(isa: Isa, k: usize, spread: bool) -> Self {
        let k = k.clamp(1, K_MAX);
        let run = match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::choose(k, spread),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::choose(k, spread),
            #[cfg(target_arch = "x86_64")]
            Isa::Sse2 => sse2::choose(k, spread),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => neon::choose(k, spread),
            Isa::Portable => portable::choose(k, spread),
        };
        Self { run, k, spread, lanes: isa.lanes() }
    }

    /// Adds to `sums`, `[inputs][k · lanes]`; `false`, and nothing done, where an operand is
    /// shorter than what would be read, or where this is not the loop for it.
    #[must_use]
    pub fn run(&self, g: &Gradient<'_>, x: &[f32], dy: &[f32], sums: &mut [f32]) -> bool {
        let first = g.inputs.iter().copied().min().unwrap_or(0);
        let last = g.inputs.iter().copied().max().unwrap_or(0);
        let read = if self.spread { 1 } else { self.lanes };
        let walk = g.x.last(1, g.rows.1, g.width) + read;
        let fits = (1..=INPUTS).contains(&g.inputs.len())
            && g.x.start.checked_add_signed(first).is_some()
            && walk.checked_add_signed(last).is_some_and(|end| end <= x.len())
            && g.dy.last(self.k, g.rows.1, g.width) + self.lanes <= dy.len()
            && sums.len() == g.inputs.len() * self.k * self.lanes
            && (g.k, g.spread) == (self.k, self.spread)
            && (g.spread || g.k == 1);
        if fits {
            // Safety: the extents were just checked, slices are initialised and not shared, and
            // a loop is chosen out of the processor's sets.
            unsafe { (self.run)(g, x.as_ptr(), dy.as_ptr(), sums.as_mut_ptr()) }
        }
        fits
    }
}

/// `R` inputs from `first` on, for all rows.
#[inline(always)]
unsafe fn inputs<S: Simd, const R: usize, const K: usize, const SPREAD: bool>(
    g: &Gradient<'_>,
    first: usize,
    x: *const f32,
    dy: *const f32,
    sums: *mut f32,
) {
    unsafe {
        let mut acc = [[S::splat(0.0); K]; R];
        for row in g.rows.0..g.rows.1 {
            let x = x.add(g.x.start + row * g.x.row);
            let dy = dy.add(g.dy.start + row * g.dy.row);
            let mut from = [x; R];
            for (r, from) in from.iter_mut().enumerate() {
                *from = x.offset(g.inputs[first + r]);
            }
            for at in 0..g.width {
                let mut d = [S::splat(0.0); K];
                for (k, d) in d.iter_mut().enumerate() {
                    *d = S::load(dy.add(at * g.dy.px + k * g.dy.block));
                }
                for (r, line) in acc.iter_mut().enumerate() {
                    let p = from[r].add(at * g.x.px);
                    let v = if SPREAD { S::splat(*p) } else { S::load(p) };
                    for k in 0..K {
                        line[k] = S::mul_add(v, d[k], line[k]);
                    }
                }
            }
        }
        for (r, line) in acc.iter().enumerate() {
            for k in 0..K {
                let to = sums.add(((first + r) * K + k) * S::LANES);
                S::store(to, S::add(S::load(to), line[k]));
            }
        }
    }
}

/// All inputs of a pass, as many at a time as the registers hold. `STEP` is a power of two.
#[inline(always)]
unsafe fn pass<S: Simd, const STEP: usize, const K: usize, const SPREAD: bool>(
    g: &Gradient<'_>,
    x: *const f32,
    dy: *const f32,
    sums: *mut f32,
) {
    let mut at = 0;
    unsafe {
        while at + STEP <= g.inputs.len() {
            inputs::<S, STEP, K, SPREAD>(g, at, x, dy, sums);
            at += STEP;
        }
        while at < g.inputs.len() {
            inputs::<S, 1, K, SPREAD>(g, at, x, dy, sums);
            at += 1;
        }
    }
}

macro_rules! instruction_set {
    ($name:ident, $simd:ty, $(#[$feature:meta])?, $one:literal, $two:literal, $three:literal) => {
        mod $name {
            use super::{Gradient, Run, pass, simd};

            $(#[$feature])?
            unsafe fn run<const STEP: usize, const K: usize, const SPREAD: bool>(
                g: &Gradient<'_>, x: *const f32, dy: *const f32, sums: *mut f32,
            ) {
                unsafe { pass::<$simd, STEP, K, SPREAD>(g, x, dy, sums) }
            }

            pub fn choose(k: usize, spread: bool) -> Run {
                match (k, spread) {
                    (_, false) => run::<$one, 1, false>,
                    (1, true) => run::<$one, 1, true>,
                    (2, true) => run::<$two, 2, true>,
                    (_, true) => run::<$three, 3, true>,
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
instruction_set!(avx512, simd::Avx512, #[target_feature(enable = "avx512f")], 8, 8, 8);
#[cfg(target_arch = "x86_64")]
instruction_set!(avx2, simd::Avx2, #[target_feature(enable = "avx2,fma")], 8, 4, 4);
#[cfg(target_arch = "x86_64")]
instruction_set!(sse2, simd::Sse2, , 8, 4, 2);
#[cfg(target_arch = "aarch64")]
instruction_set!(neon, simd::Neon, , 8, 8, 8);
instruction_set!(portable, simd::Portable, , 2, 1, 1);
