//! The innermost loops, one compiled form for each instruction set, chosen when the program runs.
//!
//! This folder is the only place with `unsafe` code. Activations are *blocked*:
//! `[channels / lanes][height][width][lanes]`, the last block filled up with zeros, so that one
//! vector holds neighbouring channels of one pixel, every read and write is a whole vector, and no
//! loop has a remainder in the channels. What a call reads and writes is described in floats and
//! checked against the lengths of its operands before any loop runs.

mod aligned;
mod bands;
mod call;
mod dense;
mod depthwise;
mod gradient;
mod norm;
mod program;
mod simd;
mod turn;

pub use aligned::{Aligned, LINE};
pub use bands::{BandPass, Bands, Enter, Leave};
pub use call::{Call, Kind};
pub use dense::{Dense, DenseLoop, Skip};
pub use depthwise::{Depthwise, DepthwiseLoop};
pub use gradient::{Gradient, GradientLoop, INPUTS as GRADIENT_INPUTS};
pub use norm::{NormLanes, NormLoops, NormSums};
pub use program::{Memory, Place, Program, Step, TASK_MACS, Work};
pub use turn::TurnLoops;

use simd::Simd;

/// What an activation lets through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub floor: f32,
    pub ceiling: f32,
}

impl Limits {
    pub const NONE: Self = Self { floor: f32::NEG_INFINITY, ceiling: f32::INFINITY };

    /// A NaN stays one, so that a fault is seen and not rectified away.
    #[must_use]
    pub fn of(self, value: f32) -> f32 {
        if value < self.floor {
            self.floor
        } else if value > self.ceiling {
            self.ceiling
        } else {
            value
        }
    }

    /// Whether a value that came out was let through as it was.
    #[must_use]
    pub fn let_through(self, out: f32) -> bool {
        self.floor < out && out < self.ceiling
    }

    unsafe fn splat<S: Simd>(self) -> [S::V; 2] {
        unsafe { [S::splat(self.floor), S::splat(self.ceiling)] }
    }
}

/// An instruction set that the loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Sse2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

impl Isa {
    /// What this processor has, best first; never empty.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                sets.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                sets.push(Self::Avx2);
            }
            sets.push(Self::Sse2);
        }
        #[cfg(target_arch = "aarch64")]
        sets.push(Self::Neon);
        sets.push(Self::Portable);
        sets
    }

    /// The best set of this processor.
    #[must_use]
    pub fn best() -> Self {
        static BEST: std::sync::OnceLock<Isa> = std::sync::OnceLock::new();
        *BEST.get_or_init(|| Self::available()[0])
    }

    /// As models and people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2 and FMA",
            #[cfg(target_arch = "x86_64")]
            Self::Sse2 => "SSE2",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "NEON",
            Self::Portable => "portable",
        }
    }

    /// Channels in one block of an activation.
    #[must_use]
    pub const fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => simd::Avx512::LANES,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => simd::Avx2::LANES,
            #[cfg(target_arch = "x86_64")]
            Self::Sse2 => simd::Sse2::LANES,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => simd::Neon::LANES,
            Self::Portable => simd::Portable::LANES,
        }
    }
}

/// Where the pixels of an operand lie, in floats from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Channel 0 of the first pixel.
    pub start: usize,
    /// From one row to the next, one pixel to the next, one block of channels to the next.
    pub row: usize,
    pub px: usize,
    pub block: usize,
}

impl Layout {
    /// Last offset that a walk over so many blocks, rows and pixels begins a pixel at.
    const fn last(&self, blocks: usize, rows: usize, width: usize) -> usize {
        self.start
            + blocks.saturating_sub(1) * self.block
            + rows.saturating_sub(1) * self.row
            + width.saturating_sub(1) * self.px
    }
}

/// Splits `width` into tiles of `tile` pixels; the last one moves back to end with the row, so
/// that no tile is cut short (some pixels are then computed twice, to the same bits).
#[inline(always)]
fn for_tiles(width: usize, tile: usize, mut work: impl FnMut(usize)) {
    let mut at = 0;
    loop {
        work(at);
        if at + tile >= width {
            return;
        }
        at = if at + 2 * tile > width { width - tile } else { at + tile };
    }
}

/// The tile with the least work for a row, out of those that fit into it; `tiles` holds 1.
fn best_tile(tiles: &[usize], width: usize) -> usize {
    // A tile costs its pixels and, for starting and ending, about as much as one more.
    let cost = |tile: usize| width.div_ceil(tile) * (tile + 1);
    tiles.iter().copied().filter(|&tile| tile <= width).min_by_key(|&tile| cost(tile)).unwrap_or(1)
}
