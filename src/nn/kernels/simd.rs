//! Vectors of single-precision numbers as each instruction set has them.
//!
//! The loops in this folder are written once over [`Simd`] and compiled once for each set.

/// Operations on vectors of `LANES` numbers.
///
/// # Safety
///
/// Every function needs a processor that has the instruction set, and has to be inlined into a
/// function that is compiled for it; `load` and `store` need `LANES` valid numbers at the pointer.
pub trait Simd: Copy + 'static {
    const LANES: usize;
    type V: Copy;

    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, value: Self::V);
    /// `a · b + c`, rounded once where the set can.
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// `value` in the lanes where `a > b`, zero in the others.
    unsafe fn where_above(a: Self::V, b: Self::V, value: Self::V) -> Self::V;
    /// The larger one; NaN where `value` is NaN, so that a fault is seen and not rectified away.
    unsafe fn at_least(floor: Self::V, value: Self::V) -> Self::V;
}

/// Sixteen lanes, 32 registers.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct Avx512;

#[cfg(target_arch = "x86_64")]
impl Simd for Avx512 {
    const LANES: usize = 16;
    type V = core::arch::x86_64::__m512;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        unsafe { core::arch::x86_64::_mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { core::arch::x86_64::_mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        unsafe { core::arch::x86_64::_mm512_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { core::arch::x86_64::_mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        unsafe { core::arch::x86_64::_mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        unsafe { core::arch::x86_64::_mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn where_above(a: Self::V, b: Self::V, value: Self::V) -> Self::V {
        unsafe {
            core::arch::x86_64::_mm512_maskz_mov_ps(
                core::arch::x86_64::_mm512_cmp_ps_mask::<{ core::arch::x86_64::_CMP_GT_OQ }>(a, b),
                value,
            )
        }
    }
    #[inline(always)]
    unsafe fn at_least(floor: Self::V, value: Self::V) -> Self::V {
        // The instruction gives its second operand when either is NaN.
        unsafe { core::arch::x86_64::_mm512_max_ps(floor, value) }
    }
}

/// Eight lanes, 16 registers.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Simd for Avx2 {
    const LANES: usize = 8;
    type V = core::arch::x86_64::__m256;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        unsafe { core::arch::x86_64::_mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { core::arch::x86_64::_mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        unsafe { core::arch::x86_64::_mm256_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { core::arch::x86_64::_mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        unsafe { core::arch::x86_64::_mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        unsafe { core::arch::x86_64::_mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn where_above(a: Self::V, b: Self::V, value: Self::V) -> Self::V {
        unsafe {
            core::arch::x86_64::_mm256_and_ps(
                core::arch::x86_64::_mm256_cmp_ps::<{ core::arch::x86_64::_CMP_GT_OQ }>(a, b),
                value,
            )
        }
    }
    #[inline(always)]
    unsafe fn at_least(floor: Self::V, value: Self::V) -> Self::V {
        // The instruction gives its second operand when either is NaN.
        unsafe { core::arch::x86_64::_mm256_max_ps(floor, value) }
    }
}

/// Four lanes, 32 registers.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy)]
pub struct Neon;

#[cfg(target_arch = "aarch64")]
impl Simd for Neon {
    const LANES: usize = 4;
    type V = core::arch::aarch64::float32x4_t;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        unsafe { core::arch::aarch64::vdupq_n_f32(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { core::arch::aarch64::vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        unsafe { core::arch::aarch64::vst1q_f32(to, value) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { core::arch::aarch64::vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        unsafe { core::arch::aarch64::vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        unsafe { core::arch::aarch64::vsubq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn where_above(a: Self::V, b: Self::V, value: Self::V) -> Self::V {
        unsafe {
            core::arch::aarch64::vbslq_f32(
                core::arch::aarch64::vcgtq_f32(a, b),
                value,
                core::arch::aarch64::vdupq_n_f32(0.0),
            )
        }
    }
    #[inline(always)]
    unsafe fn at_least(floor: Self::V, value: Self::V) -> Self::V {
        // This instruction gives NaN when either operand is NaN.
        unsafe { core::arch::aarch64::vmaxq_f32(floor, value) }
    }
}

/// Four lanes, 16 registers: what every 64-bit x86 has.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct Sse2;

#[cfg(target_arch = "x86_64")]
impl Simd for Sse2 {
    const LANES: usize = 4;
    type V = core::arch::x86_64::__m128;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        unsafe { core::arch::x86_64::_mm_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { core::arch::x86_64::_mm_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        unsafe { core::arch::x86_64::_mm_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { core::arch::x86_64::_mm_add_ps(core::arch::x86_64::_mm_mul_ps(a, b), c) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        unsafe { core::arch::x86_64::_mm_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        unsafe { core::arch::x86_64::_mm_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn where_above(a: Self::V, b: Self::V, value: Self::V) -> Self::V {
        unsafe { core::arch::x86_64::_mm_and_ps(core::arch::x86_64::_mm_cmpgt_ps(a, b), value) }
    }
    #[inline(always)]
    unsafe fn at_least(floor: Self::V, value: Self::V) -> Self::V {
        // The instruction gives its second operand when either is NaN.
        unsafe { core::arch::x86_64::_mm_max_ps(floor, value) }
    }
}

/// Four lanes in plain code, for every other processor; slow.
#[derive(Clone, Copy)]
pub struct Portable;

impl Simd for Portable {
    const LANES: usize = 4;
    type V = [f32; 4];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        unsafe { to.cast::<[f32; 4]>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Two roundings: without the instruction, a fused product is a call for each number.
        [a[0] * b[0] + c[0], a[1] * b[1] + c[1], a[2] * b[2] + c[2], a[3] * b[3] + c[3]]
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        [a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3]]
    }
    #[inline(always)]
    unsafe fn where_above(a: Self::V, b: Self::V, value: Self::V) -> Self::V {
        let one = |i: usize| if a[i] > b[i] { value[i] } else { 0.0 };
        [one(0), one(1), one(2), one(3)]
    }
    #[inline(always)]
    unsafe fn at_least(floor: Self::V, value: Self::V) -> Self::V {
        let one = |f: f32, v: f32| if v < f { f } else { v };
        [one(floor[0], value[0]), one(floor[1], value[1]), one(floor[2], value[2]), one(floor[3], value[3])]
    }
}

/// Side of the squares that [`transpose`] turns over; every number of lanes is a multiple of it.
pub const QUAD: usize = 4;

/// A square of numbers with rows and columns exchanged: rows of `from` are `from_step` apart,
/// those of `to` `to_step`. Every processor of its kind has the instructions for it.
///
/// # Safety
///
/// All rows of `QUAD` numbers are valid, those of `from` initialised.
#[inline(always)]
pub unsafe fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use core::arch::x86_64::{_mm_loadu_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_storeu_ps};
        use core::arch::x86_64::{_mm_unpackhi_ps, _mm_unpacklo_ps};
        let row = |i: usize| _mm_loadu_ps(from.add(i * from_step));
        let (low_01, low_23) = (_mm_unpacklo_ps(row(0), row(1)), _mm_unpacklo_ps(row(2), row(3)));
        let (high_01, high_23) = (_mm_unpackhi_ps(row(0), row(1)), _mm_unpackhi_ps(row(2), row(3)));
        _mm_storeu_ps(to, _mm_movelh_ps(low_01, low_23));
        _mm_storeu_ps(to.add(to_step), _mm_movehl_ps(low_23, low_01));
        _mm_storeu_ps(to.add(2 * to_step), _mm_movelh_ps(high_01, high_23));
        _mm_storeu_ps(to.add(3 * to_step), _mm_movehl_ps(high_23, high_01));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for i in 0..QUAD {
        for j in 0..QUAD {
            unsafe { *to.add(j * to_step + i) = *from.add(i * from_step + j) };
        }
    }
}
