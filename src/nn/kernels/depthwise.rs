//! Convolution of each channel with its own kernel: a tile of pixels of one block stays in
//! registers while the taps pass by.

use super::simd::{self, Simd, within};
use super::{Isa, Layout, Limits, best_tile, for_tiles};

/// One pass over rows of one block: `y = act(bias + Σ weights · x)`.
#[derive(Clone, Copy, Debug)]
pub struct Depthwise<'a> {
    pub x: Layout,
    /// From the input pixel under an output pixel to each tap.
    pub taps: &'a [isize],
    /// `[taps][lanes]`.
    pub weights: &'a [f32],
    /// `lanes`.
    pub bias: &'a [f32],
    pub y: Layout,
    /// Output rows of this pass, counted from `y.start`; `x` counts along.
    pub rows: (usize, usize),
    pub width: usize,
    pub limits: Limits,
}

type Run = unsafe fn(&Depthwise<'_>, *const f32, *mut f32);

/// A compiled loop for one width.
#[derive(Clone, Copy)]
pub struct DepthwiseLoop {
    run: Run,
    width: usize,
    lanes: usize,
}

impl DepthwiseLoop {
    #[must_use]
    pub fn choose(isa: Isa, width: usize) -> Self {
        let run = match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::choose(width),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::choose(width),
            #[cfg(target_arch = "x86_64")]
            Isa::Sse2 => sse2::choose(width),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => neon::choose(width),
            Isa::Portable => portable::choose(width),
        };
        Self { run, width, lanes: isa.lanes() }
    }

    /// Whether everything that `d` reads and writes lies inside operands of these lengths, and
    /// whether this loop is the one for it.
    #[must_use]
    pub fn fits(&self, d: &Depthwise<'_>, x: usize, y: usize) -> bool {
        let first = d.taps.iter().copied().min().unwrap_or(0);
        let last = d.taps.iter().copied().max().unwrap_or(0);
        let walk = d.x.last(1, d.rows.1, d.width) + self.lanes;
        d.x.start.checked_add_signed(first).is_some()
            && walk.checked_add_signed(last).is_some_and(|end| end <= x)
            && d.y.last(1, d.rows.1, d.width) + self.lanes <= y
            && d.weights.len() == d.taps.len() * self.lanes
            && d.bias.len() == self.lanes
            && d.width == self.width
    }

    /// # Safety
    ///
    /// [`Self::fits`] holds for the operands behind the pointers; `x` is initialised, and nobody
    /// else writes it or touches the rows of `y` meanwhile; the processor has the instruction set.
    pub unsafe fn run(&self, d: &Depthwise<'_>, x: *const f32, y: *mut f32) {
        unsafe { (self.run)(d, x, y) }
    }
}

#[inline(always)]
unsafe fn pass<S: Simd, const R: usize>(d: &Depthwise<'_>, x: *const f32, y: *mut f32) {
    unsafe {
        let bias = S::load(d.bias.as_ptr());
        let limits = d.limits.splat::<S>();
        for row in d.rows.0..d.rows.1 {
            let x = x.add(d.x.start + row * d.x.row);
            let y = y.add(d.y.start + row * d.y.row);
            for_tiles(d.width, R, |at| {
                let x = x.add(at * d.x.px);
                let mut acc = [bias; R];
                for (t, &tap) in d.taps.iter().enumerate() {
                    let w = S::load(d.weights.as_ptr().add(t * S::LANES));
                    let from = x.offset(tap);
                    for (r, acc) in acc.iter_mut().enumerate() {
                        *acc = S::mul_add(S::load(from.add(r * d.x.px)), w, *acc);
                    }
                }
                let to = y.add(at * d.y.px);
                for (r, acc) in acc.iter().enumerate() {
                    S::store(to.add(r * d.y.px), within::<S>(limits, *acc));
                }
            });
        }
    }
}

macro_rules! instruction_set {
    ($name:ident, $simd:ty, $(#[$feature:meta])?, [$($r:literal),*]) => {
        mod $name {
            use super::{Depthwise, Run, best_tile, pass, simd};

            $(#[$feature])?
            unsafe fn run<const R: usize>(d: &Depthwise<'_>, x: *const f32, y: *mut f32) {
                unsafe { pass::<$simd, R>(d, x, y) }
            }

            pub fn choose(width: usize) -> Run {
                match best_tile(&[$($r),*], width) {
                    $($r => run::<$r>,)*
                    _ => run::<1>,
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
instruction_set!(avx512, simd::Avx512, #[target_feature(enable = "avx512f")], [8, 7, 4, 2, 1]);
#[cfg(target_arch = "x86_64")]
instruction_set!(avx2, simd::Avx2, #[target_feature(enable = "avx2,fma")], [8, 7, 4, 2, 1]);
#[cfg(target_arch = "x86_64")]
instruction_set!(sse2, simd::Sse2, , [8, 7, 4, 2, 1]);
#[cfg(target_arch = "aarch64")]
instruction_set!(neon, simd::Neon, , [8, 7, 4, 2, 1]);
instruction_set!(portable, simd::Portable, , [2, 1]);
