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
    /// The smaller one; NaN where `value` is NaN.
    unsafe fn at_most(ceiling: Self::V, value: Self::V) -> Self::V;
    /// A square of `LANES` rows with rows and columns exchanged: address of the first row, steps
    /// between rows and number of rows, of what is read (the other rows count as zeros) and of
    /// what is written (the other rows are left out). Rows that count are valid.
    unsafe fn turn(from: (*const f32, usize, usize), to: (*mut f32, usize, usize));
}

/// `value` within `limits`.
#[inline(always)]
pub unsafe fn within<S: Simd>([floor, ceiling]: [S::V; 2], value: S::V) -> S::V {
    unsafe { S::at_most(ceiling, S::at_least(floor, value)) }
}

/// The rows of a square, those from `count` on zero.
#[inline(always)]
unsafe fn rows<S: Simd, const LANES: usize>(
    (from, step, count): (*const f32, usize, usize),
) -> [S::V; LANES] {
    unsafe {
        let mut rows = [S::splat(0.0); LANES];
        for (i, row) in rows.iter_mut().enumerate() {
            if i < count {
                *row = S::load(from.add(i * step));
            }
        }
        rows
    }
}

/// Writes the first `count` rows of a square.
#[inline(always)]
unsafe fn write_rows<S: Simd, const LANES: usize>(
    rows: [S::V; LANES],
    (to, step, count): (*mut f32, usize, usize),
) {
    for (i, row) in rows.into_iter().enumerate() {
        if i < count {
            unsafe { S::store(to.add(i * step), row) };
        }
    }
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
    #[inline(always)]
    unsafe fn at_most(ceiling: Self::V, value: Self::V) -> Self::V {
        unsafe { core::arch::x86_64::_mm512_min_ps(ceiling, value) }
    }
    #[inline(always)]
    unsafe fn turn(from: (*const f32, usize, usize), to: (*mut f32, usize, usize)) {
        use core::arch::x86_64::{_mm512_castpd_ps, _mm512_castps_pd};
        use core::arch::x86_64::{_mm512_unpackhi_pd, _mm512_unpackhi_ps};
        use core::arch::x86_64::{_mm512_unpacklo_pd, _mm512_unpacklo_ps};
        unsafe {
            let mut turned = [Self::splat(0.0); 16];
            for x in [0, 4, 8, 12] {
                let (r0, r1) = (Self::four(from, 0, x), Self::four(from, 1, x));
                let (r2, r3) = (Self::four(from, 2, x), Self::four(from, 3, x));
                let a = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1));
                let b = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1));
                let c = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3));
                let d = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
                turned[x] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
                turned[x + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
                turned[x + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
                turned[x + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
            }
            write_rows::<Self, 16>(turned, to);
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Avx512 {
    /// Four numbers each of four rows that are 4 apart, put side by side as they are loaded: then
    /// only squares of 4 are left to turn over.
    #[inline(always)]
    unsafe fn four(from: (*const f32, usize, usize), row: usize, x: usize) -> core::arch::x86_64::__m512 {
        use core::arch::x86_64::{_mm512_castps128_ps512, _mm512_insertf32x4};
        unsafe {
            let one = _mm512_castps128_ps512(quarter(from, row, x));
            let two = _mm512_insertf32x4::<1>(one, quarter(from, row + 4, x));
            let three = _mm512_insertf32x4::<2>(two, quarter(from, row + 8, x));
            _mm512_insertf32x4::<3>(three, quarter(from, row + 12, x))
        }
    }
}

/// Four numbers of one row of a square, zeros from row `count` on.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn quarter(
    (from, step, count): (*const f32, usize, usize),
    row: usize,
    x: usize,
) -> core::arch::x86_64::__m128 {
    use core::arch::x86_64::{_mm_loadu_ps, _mm_setzero_ps};
    unsafe { if row < count { _mm_loadu_ps(from.add(row * step + x)) } else { _mm_setzero_ps() } }
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
    #[inline(always)]
    unsafe fn at_most(ceiling: Self::V, value: Self::V) -> Self::V {
        unsafe { core::arch::x86_64::_mm256_min_ps(ceiling, value) }
    }
    #[inline(always)]
    unsafe fn turn(from: (*const f32, usize, usize), to: (*mut f32, usize, usize)) {
        use core::arch::x86_64::{_mm256_shuffle_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps};
        unsafe {
            let mut turned = [Self::splat(0.0); 8];
            for x in [0, 4] {
                let (r0, r1) = (Self::two(from, 0, x), Self::two(from, 1, x));
                let (r2, r3) = (Self::two(from, 2, x), Self::two(from, 3, x));
                let (a, b) = (_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1));
                let (c, d) = (_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3));
                turned[x] = _mm256_shuffle_ps::<0x44>(a, c);
                turned[x + 1] = _mm256_shuffle_ps::<0xee>(a, c);
                turned[x + 2] = _mm256_shuffle_ps::<0x44>(b, d);
                turned[x + 3] = _mm256_shuffle_ps::<0xee>(b, d);
            }
            write_rows::<Self, 8>(turned, to);
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    /// As [`Avx512::four`].
    #[inline(always)]
    unsafe fn two(from: (*const f32, usize, usize), row: usize, x: usize) -> core::arch::x86_64::__m256 {
        use core::arch::x86_64::{_mm256_castps128_ps256, _mm256_insertf128_ps};
        unsafe {
            let one = _mm256_castps128_ps256(quarter(from, row, x));
            _mm256_insertf128_ps::<1>(one, quarter(from, row + 4, x))
        }
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
    #[inline(always)]
    unsafe fn at_most(ceiling: Self::V, value: Self::V) -> Self::V {
        unsafe { core::arch::aarch64::vminq_f32(ceiling, value) }
    }
    #[inline(always)]
    unsafe fn turn(from: (*const f32, usize, usize), to: (*mut f32, usize, usize)) {
        use core::arch::aarch64::{vreinterpretq_f32_f64, vreinterpretq_f64_f32};
        use core::arch::aarch64::{vtrn1q_f32, vtrn1q_f64, vtrn2q_f32, vtrn2q_f64};
        unsafe {
            let r = rows::<Self, 4>(from);
            let wide = |v| vreinterpretq_f64_f32(v);
            let (a, b) = (wide(vtrn1q_f32(r[0], r[1])), wide(vtrn2q_f32(r[0], r[1])));
            let (c, d) = (wide(vtrn1q_f32(r[2], r[3])), wide(vtrn2q_f32(r[2], r[3])));
            let turned = [vtrn1q_f64(a, c), vtrn1q_f64(b, d), vtrn2q_f64(a, c), vtrn2q_f64(b, d)];
            write_rows::<Self, 4>(turned.map(|v| vreinterpretq_f32_f64(v)), to);
        }
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
    #[inline(always)]
    unsafe fn at_most(ceiling: Self::V, value: Self::V) -> Self::V {
        unsafe { core::arch::x86_64::_mm_min_ps(ceiling, value) }
    }
    #[inline(always)]
    unsafe fn turn(from: (*const f32, usize, usize), to: (*mut f32, usize, usize)) {
        use core::arch::x86_64::{_mm_movehl_ps, _mm_movelh_ps, _mm_unpackhi_ps, _mm_unpacklo_ps};
        unsafe {
            let r = rows::<Self, 4>(from);
            let (a, b) = (_mm_unpacklo_ps(r[0], r[1]), _mm_unpackhi_ps(r[0], r[1]));
            let (c, d) = (_mm_unpacklo_ps(r[2], r[3]), _mm_unpackhi_ps(r[2], r[3]));
            let turned = [_mm_movelh_ps(a, c), _mm_movehl_ps(c, a), _mm_movelh_ps(b, d), _mm_movehl_ps(d, b)];
            write_rows::<Self, 4>(turned, to);
        }
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
    #[inline(always)]
    unsafe fn at_most(ceiling: Self::V, value: Self::V) -> Self::V {
        let one = |i: usize| if value[i] > ceiling[i] { ceiling[i] } else { value[i] };
        [one(0), one(1), one(2), one(3)]
    }
    #[inline(always)]
    unsafe fn turn(from: (*const f32, usize, usize), to: (*mut f32, usize, usize)) {
        unsafe {
            let r = rows::<Self, 4>(from);
            let column = |i: usize| [r[0][i], r[1][i], r[2][i], r[3][i]];
            write_rows::<Self, 4>([column(0), column(1), column(2), column(3)], to);
        }
    }
}

/// Asks for a line that is written soon, if it exists. Changes no number.
#[inline(always)]
pub fn will_write(at: *mut f32) {
    #[cfg(target_arch = "x86_64")]
    // Safety: this instruction takes any address, and every processor of this kind.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_ET0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
