//! Rows of pixels from planes into blocks and back: squares of as many pixels as channels are
//! turned over in registers.

use super::simd::{self, Simd};
use super::{Isa, LINE};

/// So many numbers before a plane is written there, its line is asked for: it is far from the core,
/// and so many planes at once are more than the processor foresees.
const AHEAD: usize = 2 * LINE;

/// A row of pixels of one block's channels, in planes and blocked.
#[derive(Clone, Copy, Debug)]
pub struct Strip {
    /// Of these channels; the block's others are zero there and have no plane.
    pub channels: usize,
    /// From one plane to the next.
    pub plane: usize,
    pub width: usize,
}

type Run = unsafe fn(Strip, *const f32, *mut f32);

/// The loops of one instruction set.
#[derive(Clone, Copy)]
pub struct TurnLoops {
    /// Channels in a block.
    pub(super) lanes: usize,
    enter: Run,
    leave: Run,
}

impl TurnLoops {
    #[must_use]
    pub fn choose(isa: Isa) -> Self {
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

    /// From the first plane's row to the block's.
    ///
    /// # Safety
    ///
    /// `width` numbers are initialised in each plane, `width` pixels of the block are valid and
    /// touched by nobody else; the processor has the instruction set.
    pub unsafe fn enter(&self, strip: Strip, planes: *const f32, block: *mut f32) {
        unsafe { (self.enter)(strip, planes, block) }
    }

    /// From the block's row to the first plane's.
    ///
    /// # Safety
    ///
    /// As for [`Self::enter`], the other way round.
    pub unsafe fn leave(&self, strip: Strip, block: *const f32, planes: *mut f32) {
        unsafe { (self.leave)(strip, block, planes) }
    }
}

#[inline(always)]
unsafe fn enter<S: Simd>(s: Strip, planes: *const f32, block: *mut f32) {
    unsafe {
        squares::<S>(s.width, |x| {
            let (from, to) = (planes.add(x), block.add(x * S::LANES));
            // Known when the loop is compiled, the usual count needs no questions.
            if s.channels == S::LANES {
                S::turn((from, s.plane, S::LANES), (to, S::LANES, S::LANES));
            } else {
                S::turn((from, s.plane, s.channels), (to, S::LANES, S::LANES));
            }
        });
        for x in whole::<S>(s.width)..s.width {
            for lane in 0..S::LANES {
                let value = if lane < s.channels { *planes.add(lane * s.plane + x) } else { 0.0 };
                *block.add(x * S::LANES + lane) = value;
            }
        }
    }
}

#[inline(always)]
unsafe fn leave<S: Simd>(s: Strip, block: *const f32, planes: *mut f32) {
    unsafe {
        squares::<S>(s.width, |x| {
            let (from, to) = (block.add(x * S::LANES), planes.add(x));
            if x.is_multiple_of(LINE) {
                for channel in 0..s.channels {
                    simd::will_write(to.wrapping_add(channel * s.plane + AHEAD));
                }
            }
            if s.channels == S::LANES {
                S::turn((from, S::LANES, S::LANES), (to, s.plane, S::LANES));
            } else {
                S::turn((from, S::LANES, S::LANES), (to, s.plane, s.channels));
            }
        });
        for x in whole::<S>(s.width)..s.width {
            for lane in 0..s.channels {
                *planes.add(lane * s.plane + x) = *block.add(x * S::LANES + lane);
            }
        }
    }
}

/// Pixels that [`squares`] takes: all, or none of a row that is shorter than a square.
#[inline(always)]
fn whole<S: Simd>(width: usize) -> usize {
    if width < S::LANES { 0 } else { width }
}

#[inline(always)]
fn squares<S: Simd>(width: usize, work: impl FnMut(usize)) {
    if width >= S::LANES {
        super::for_tiles(width, S::LANES, work);
    }
}

macro_rules! instruction_set {
    ($name:ident, $simd:ty, $(#[$feature:meta])?) => {
        mod $name {
            use super::{Simd, Strip, TurnLoops, simd};

            pub const LOOPS: TurnLoops = TurnLoops { lanes: <$simd>::LANES, enter, leave };

            $(#[$feature])?
            unsafe fn enter(strip: Strip, planes: *const f32, block: *mut f32) {
                unsafe { super::enter::<$simd>(strip, planes, block) }
            }

            $(#[$feature])?
            unsafe fn leave(strip: Strip, block: *const f32, planes: *mut f32) {
                unsafe { super::leave::<$simd>(strip, block, planes) }
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
