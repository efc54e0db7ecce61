//! Batch norm over pixels of one block: every lane has its own constants.

use super::simd::{self, Simd, within};
use super::{Isa, Limits};

/// Constants of one block, each of `lanes` values.
#[derive(Clone, Copy)]
pub struct NormLanes<'a> {
    /// The norm as `y · factor + offset`, within `limits`.
    pub factor: &'a [f32],
    pub offset: &'a [f32],
    pub limits: Limits,
    pub mean: &'a [f32],
}

/// What the gradient subtracts, each of `lanes` values.
#[derive(Clone, Copy)]
pub struct NormSums<'a> {
    pub plain: &'a [f32],
    pub slope: &'a [f32],
}

/// The loops of one instruction set. Rows are pixels of `lanes` values; of rows of different
/// lengths the shortest counts.
#[derive(Clone, Copy)]
pub struct NormLoops {
    forward: Forward,
    moments: Moments,
    sums: Sums,
    gradient: Gradient,
    lanes: usize,
}

type Forward = unsafe fn(&NormLanes<'_>, &[f32], &mut [f32]);
type Moments = unsafe fn(&[f32], &mut [f32], &mut [f32]);
type Sums = unsafe fn(&NormLanes<'_>, &[f32], &[f32], &mut [f32], &mut [f32]);
type Gradient = unsafe fn(&NormLanes<'_>, NormSums<'_>, &[f32], &[f32], &mut [f32]);

impl NormLoops {
    #[must_use]
    pub const fn of(isa: Isa) -> Self {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::LOOPS,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::LOOPS,
            #[cfg(target_arch = "x86_64")]
            Isa::Sse2 => sse2::LOOPS,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => neon::LOOPS,
            Isa::Portable => portable::LOOPS,
        }
    }

    fn fits(&self, constants: &[&[f32]]) -> bool {
        constants.iter().all(|c| c.len() == self.lanes)
    }

    /// `out = y · factor + offset`, within the limits.
    pub fn forward(&self, l: &NormLanes<'_>, y: &[f32], out: &mut [f32]) {
        if self.fits(&[l.factor, l.offset]) {
            // Safety: constants are whole vectors, rows are cut to whole pixels of the shortest;
            // the loops are those of a set of this processor. The same holds below.
            unsafe { (self.forward)(l, y, out) }
        }
    }

    /// Mean, and sum of squared deviations from it.
    pub fn moments(&self, y: &[f32], mean: &mut [f32], squares: &mut [f32]) {
        if self.fits(&[mean, squares]) {
            // Safety: as above.
            unsafe { (self.moments)(y, mean, squares) }
        }
    }

    /// Σ grad and Σ grad · (y − mean), where the limits let `y` through.
    pub fn sums(&self, l: &NormLanes<'_>, y: &[f32], grad: &[f32], plain: &mut [f32], slope: &mut [f32]) {
        if self.fits(&[l.factor, l.offset, l.mean, plain, slope]) {
            // Safety: as above.
            unsafe { (self.sums)(l, y, grad, plain, slope) }
        }
    }

    /// `factor · (grad − plain − (y − mean) · slope)`, `grad` as far as the limits let it through.
    pub fn gradient(&self, l: &NormLanes<'_>, s: NormSums<'_>, y: &[f32], grad: &[f32], dy: &mut [f32]) {
        if self.fits(&[l.factor, l.offset, l.mean, s.plain, s.slope]) {
            // Safety: as above.
            unsafe { (self.gradient)(l, s, y, grad, dy) }
        }
    }
}

/// Sums that run beside each other, so that one addition need not wait for the one before.
const BESIDE: usize = 4;

#[inline(always)]
unsafe fn forward<S: Simd>(l: &NormLanes<'_>, y: &[f32], out: &mut [f32]) {
    unsafe {
        let (factor, offset) = (S::load(l.factor.as_ptr()), S::load(l.offset.as_ptr()));
        let limits = l.limits.splat::<S>();
        for at in 0..y.len().min(out.len()) / S::LANES {
            let v = S::mul_add(S::load(y.as_ptr().add(at * S::LANES)), factor, offset);
            S::store(out.as_mut_ptr().add(at * S::LANES), within::<S>(limits, v));
        }
    }
}

/// Adds up vectors `value(pixel)`.
#[inline(always)]
unsafe fn total<S: Simd>(count: usize, value: impl Fn(usize) -> S::V) -> S::V {
    unsafe {
        let mut sums = [S::splat(0.0); BESIDE];
        for at in 0..count / BESIDE {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = S::add(*sum, value(at * BESIDE + i));
            }
        }
        for at in count / BESIDE * BESIDE..count {
            sums[0] = S::add(sums[0], value(at));
        }
        S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3]))
    }
}

#[inline(always)]
unsafe fn moments<S: Simd>(y: &[f32], mean: &mut [f32], squares: &mut [f32]) {
    unsafe {
        let count = y.len() / S::LANES;
        let load = |at: usize| S::load(y.as_ptr().add(at * S::LANES));
        let sum = total::<S>(count, load);
        let middle = S::mul_add(sum, S::splat(1.0 / count as f32), S::splat(0.0));
        S::store(mean.as_mut_ptr(), middle);
        let square = |at: usize| {
            let off = S::sub(load(at), middle);
            S::mul_add(off, off, S::splat(0.0))
        };
        S::store(squares.as_mut_ptr(), total::<S>(count, square));
    }
}

/// `grad` where the limits let `value` through, zero elsewhere.
#[inline(always)]
unsafe fn let_through<S: Simd>([floor, ceiling]: [S::V; 2], value: S::V, grad: S::V) -> S::V {
    unsafe { S::where_above(ceiling, value, S::where_above(value, floor, grad)) }
}

#[inline(always)]
unsafe fn sums<S: Simd>(l: &NormLanes<'_>, y: &[f32], grad: &[f32], plain: &mut [f32], slope: &mut [f32]) {
    unsafe {
        let (factor, offset) = (S::load(l.factor.as_ptr()), S::load(l.offset.as_ptr()));
        let (limits, mean) = (l.limits.splat::<S>(), S::load(l.mean.as_ptr()));
        let (mut plains, mut slopes) = ([S::splat(0.0); 2], [S::splat(0.0); 2]);
        let count = y.len().min(grad.len()) / S::LANES;
        for at in 0..count {
            let v = S::load(y.as_ptr().add(at * S::LANES));
            let g = S::load(grad.as_ptr().add(at * S::LANES));
            let g = let_through::<S>(limits, S::mul_add(v, factor, offset), g);
            plains[at % 2] = S::add(plains[at % 2], g);
            slopes[at % 2] = S::mul_add(g, S::sub(v, mean), slopes[at % 2]);
        }
        S::store(plain.as_mut_ptr(), S::add(plains[0], plains[1]));
        S::store(slope.as_mut_ptr(), S::add(slopes[0], slopes[1]));
    }
}

#[inline(always)]
unsafe fn gradient<S: Simd>(l: &NormLanes<'_>, s: NormSums<'_>, y: &[f32], grad: &[f32], dy: &mut [f32]) {
    unsafe {
        let (factor, offset) = (S::load(l.factor.as_ptr()), S::load(l.offset.as_ptr()));
        let (limits, mean) = (l.limits.splat::<S>(), S::load(l.mean.as_ptr()));
        let (plain, slope) = (S::load(s.plain.as_ptr()), S::load(s.slope.as_ptr()));
        for at in 0..y.len().min(grad.len()).min(dy.len()) / S::LANES {
            let v = S::load(y.as_ptr().add(at * S::LANES));
            let g = S::load(grad.as_ptr().add(at * S::LANES));
            let g = let_through::<S>(limits, S::mul_add(v, factor, offset), g);
            let off = S::mul_add(S::sub(mean, v), slope, S::sub(g, plain));
            S::store(dy.as_mut_ptr().add(at * S::LANES), S::mul_add(off, factor, S::splat(0.0)));
        }
    }
}

macro_rules! instruction_set {
    ($name:ident, $simd:ty, $(#[$feature:meta])?) => {
        mod $name {
            use super::{NormLanes, NormLoops, NormSums, Simd, simd};

            pub const LOOPS: NormLoops =
                NormLoops { forward, moments, sums, gradient, lanes: <$simd>::LANES };

            $(#[$feature])?
            unsafe fn forward(l: &NormLanes<'_>, y: &[f32], out: &mut [f32]) {
                unsafe { super::forward::<$simd>(l, y, out) }
            }

            $(#[$feature])?
            unsafe fn moments(y: &[f32], mean: &mut [f32], squares: &mut [f32]) {
                unsafe { super::moments::<$simd>(y, mean, squares) }
            }

            $(#[$feature])?
            unsafe fn sums(
                l: &NormLanes<'_>, y: &[f32], grad: &[f32], plain: &mut [f32], slope: &mut [f32],
            ) {
                unsafe { super::sums::<$simd>(l, y, grad, plain, slope) }
            }

            $(#[$feature])?
            unsafe fn gradient(
                l: &NormLanes<'_>, s: NormSums<'_>, y: &[f32], grad: &[f32], dy: &mut [f32],
            ) {
                unsafe { super::gradient::<$simd>(l, s, y, grad, dy) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
instruction_set!(avx512, simd::Avx512, #[target_feature(enable = "avx512f")]);
#[cfg(target_arch = "x86_64")]
instruction_set!(avx2, simd::Avx2, #[target_feature(enable = "avx2,fma")]);
#[cfg(target_arch = "x86_64")]
instruction_set!(sse2, simd::Sse2,);
#[cfg(target_arch = "aarch64")]
instruction_set!(neon, simd::Neon,);
instruction_set!(portable, simd::Portable,);
