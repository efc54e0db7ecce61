//! Convolutions that read planes or write planes without a blocked copy of the whole picture: a
//! few rows at a time are turned over into a scratch that stays in the cache, convolved there, and
//! turned over again on their way out.

use super::program::{Written, cut};
use super::turn::{Strip, TurnLoops};
use super::{Call, Isa, Layout, Place};

/// Fewer bands than this are no work for several threads.
const BANDS_FEW: usize = 4;

/// One convolution of a planar or blocked activation to a planar or blocked one.
pub struct Bands {
    passes: Vec<BandPass>,
    /// Where it reads planes, where it writes planes.
    enter: Option<Enter>,
    leave: Option<Leave>,
    /// Rows of the output, and how many bands they are cut into.
    height: usize,
    count: usize,
    turn: TurnLoops,
}

/// Some output blocks of a band. The call counts rows from the band's first; an operand that is
/// turned over lies in the scratch, one that is not where the band's first row is.
pub struct BandPass {
    pub call: Call,
    /// First of the input blocks that the call sees, and how many.
    pub in_block: usize,
    pub in_blocks: usize,
    pub out_block: usize,
}

/// Rows of planes as the calls read them.
#[derive(Clone, Copy)]
pub struct Enter {
    pub channels: usize,
    /// Input rows from one output row to the next, and rows that one output row looks at.
    pub stride: usize,
    pub reach: usize,
    /// Rows and columns of zeros before pixel 0, 0.
    pub top: usize,
    pub left: usize,
    /// In the scratch, from the band's first row and the first column on, zeros included.
    pub layout: Layout,
}

/// Rows of planes that the calls' outputs become.
#[derive(Clone, Copy)]
pub struct Leave {
    pub channels: usize,
    /// In the scratch, from the band's first row and the first block of a call on.
    pub layout: Layout,
}

impl Leave {
    /// Whether planes have room for these output blocks of these rows, each written once.
    fn is_sound(&self, to: &Place, pass: &BandPass, rows: (usize, usize), written: &mut Written) -> bool {
        let (lanes, call) = (self.layout.px, &pass.call);
        let channels =
            (pass.out_block * lanes, self.channels.min((pass.out_block + call.blocks(lanes)) * lanes));
        to.lanes == 1
            && channels.0 < channels.1
            && call.y == self.layout
            && self.layout.row == to.width * lanes
            && (to.layout.row, to.layout.px) == (to.width, 1)
            && call.width == to.width
            && (channels.0..channels.1).all(|channel| {
                (rows.0..rows.1).all(|y| (0..to.width).all(|x| written.mark(to.at(channel, y, x))))
            })
    }
}

impl Enter {
    /// Rows of the input that so many rows of the output look at.
    const fn rows(&self, rows: usize) -> usize {
        (rows - 1) * self.stride + self.reach
    }

    fn is_sound(&self, from: &Place, pass: &BandPass, rows: usize) -> bool {
        let Layout { row, px, block, .. } = self.layout;
        from.lanes == 1
            && from.layout.px == 1
            && from.from <= from.layout.start
            && self.channels <= from.blocks
            && pass.in_block + pass.in_blocks <= self.channels.div_ceil(px)
            && (self.left + from.width) * px <= row
            && self.rows(rows) * row <= block
    }
}

impl Bands {
    #[must_use]
    pub fn new(
        isa: Isa,
        passes: Vec<BandPass>,
        (enter, leave): (Option<Enter>, Option<Leave>),
        (height, count): (usize, usize),
    ) -> Self {
        Self { passes, enter, leave, height, count, turn: TurnLoops::choose(isa) }
    }

    /// Floats of scratch that a thread needs.
    #[must_use]
    pub fn scratch(&self) -> usize {
        let blocks = self.passes.iter().map(|p| p.in_blocks).max().unwrap_or(0);
        let enter = self.enter.map_or(0, |e| blocks * e.layout.block);
        let blocks = |l: &Leave| self.passes.iter().map(|p| p.call.blocks(l.layout.px)).max().unwrap_or(0);
        enter.max(self.leave.map_or(0, |l| l.layout.start + blocks(&l) * l.layout.block))
    }

    /// Whether it reads planes.
    #[must_use]
    pub const fn enters(&self) -> bool {
        self.enter.is_some()
    }

    /// Passes and rows that are worth a task of their own. A picture of few bands is divided by its
    /// output channels, though each part then turns over the input for itself.
    pub fn tasks(&self) -> impl Iterator<Item = ((usize, usize), (usize, usize))> {
        let parts = if self.count < BANDS_FEW { self.passes.len() } else { 1 };
        cut(self.height, self.count)
            .flat_map(move |rows| cut(self.passes.len(), parts).map(move |passes| (passes, rows)))
    }

    /// Whether every band stays inside of its memory and of the scratch, and nothing is written
    /// twice.
    #[must_use]
    pub fn is_sound(&self, from: &Place, to: &Place, len: usize) -> bool {
        let (mut written, scratch) = (Written::new(to), self.scratch());
        let layouts = self.enter.map(|e| e.layout).into_iter().chain(self.leave.map(|l| l.layout));
        let mut lanes = layouts.map(|layout| layout.px);
        lanes.all(|lanes| lanes == self.turn.lanes)
            && self.tasks().all(|(passes, rows)| {
                self.passes[passes.0..passes.1].iter().all(|pass| {
                    let (call, count) = (&pass.call, rows.1 - rows.0);
                    let left = |turned: bool, layout: &Layout| {
                        if turned { Some(scratch) } else { len.checked_sub(rows.0 * layout.row) }
                    };
                    let room = left(self.enter.is_some(), &call.x).zip(left(self.leave.is_some(), &call.y));
                    call.skip.is_none()
                        && room.is_some_and(|(x, y)| call.fits_rows(count, x, y))
                        && self.enter.is_none_or(|e| e.is_sound(from, pass, count))
                        && match &self.leave {
                            Some(leave) => leave.is_sound(to, pass, rows, &mut written),
                            None => written.mark_call(call, rows.0, count),
                        }
                })
            })
    }

    /// # Safety
    ///
    /// [`Self::is_sound`] holds for the memory behind `base`, of which nobody else writes what the
    /// task reads or touches what it writes; `given` are the planes of `from`, if they lie
    /// elsewhere; nobody else touches the scratch; all are initialised.
    pub unsafe fn run(
        &self,
        (from, to): (&Place, &Place),
        (passes, rows): ((usize, usize), (usize, usize)),
        base: *mut f32,
        given: Option<*const f32>,
        scratch: *mut f32,
    ) {
        let mut entered = None;
        for pass in &self.passes[passes.0..passes.1] {
            let call = &pass.call;
            unsafe {
                let (mut x, mut y) = (base.add(rows.0 * call.x.row), base.add(rows.0 * call.y.row));
                if let Some(enter) = &self.enter {
                    let seen = (pass.in_block, pass.in_blocks);
                    if entered.replace(seen) != Some(seen) {
                        let planes = given.unwrap_or(base.add(from.from));
                        self.enter(enter, from, seen, rows, planes, scratch);
                    }
                    x = scratch;
                }
                if self.leave.is_some() {
                    y = scratch;
                }
                call.run_rows((0, rows.1 - rows.0), x, y);
                if let Some(leave) = &self.leave {
                    self.leave(leave, to, pass, rows, scratch, base);
                }
            }
        }
    }

    /// Some blocks of the rows that a band looks at, with zeros around the picture.
    unsafe fn enter(
        &self,
        e: &Enter,
        from: &Place,
        (first, blocks): (usize, usize),
        rows: (usize, usize),
        planes: *const f32,
        scratch: *mut f32,
    ) {
        let Layout { row, px, block, .. } = e.layout;
        let (count, y) = (e.rows(rows.1 - rows.0), rows.0 * e.stride);
        // Rows of the scratch above the picture, and those that end with it.
        let above = e.top.saturating_sub(y).min(count);
        let end = (from.height + e.top).saturating_sub(y).clamp(above, count);
        // Without zeros between them, rows are one long row.
        let joined = row == from.width * px && from.layout.row == from.width;
        let step = if joined { (end - above).max(1) } else { 1 };
        let (left, inside) = (e.left * px, from.width * px);
        for i in 0..blocks {
            let channel = (first + i) * px;
            let strip = Strip {
                channels: px.min(e.channels - channel),
                plane: from.layout.block,
                width: step * from.width,
            };
            unsafe {
                let to = scratch.add(i * block);
                to.write_bytes(0, above * row);
                for r in (above..end).step_by(step) {
                    let (source, target) = (from.at(channel, y + r - e.top, 0), to.add(r * row));
                    target.write_bytes(0, left);
                    self.turn.enter(strip, planes.add(source - from.from), target.add(left));
                    target.add(left + step * inside).write_bytes(0, row - left - inside);
                }
                to.add(end * row).write_bytes(0, (count - end) * row);
            }
        }
    }

    /// The rows of a call's blocks, which lie one after the other in both forms.
    unsafe fn leave(
        &self,
        l: &Leave,
        to: &Place,
        pass: &BandPass,
        rows: (usize, usize),
        scratch: *const f32,
        planes: *mut f32,
    ) {
        let Layout { start, px, block, .. } = l.layout;
        for i in 0..pass.call.blocks(px) {
            let channel = (pass.out_block + i) * px;
            let strip = Strip {
                channels: px.min(l.channels - channel),
                plane: to.layout.block,
                width: (rows.1 - rows.0) * to.width,
            };
            unsafe {
                let from = scratch.add(start + i * block);
                self.turn.leave(strip, from, planes.add(to.at(channel, rows.0, 0)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Aligned, DenseLoop, Kind, Limits, Program, Step, Work};
    use super::*;

    const LANES: usize = Isa::Portable.lanes();
    const ROW: usize = 5 * LANES;

    /// Planes of 4 × 5.
    fn planes(from: usize, channels: usize) -> Place {
        let layout = Layout { start: from, row: 5, px: 1, block: 20 };
        Place { layout, lanes: 1, blocks: channels, height: 4, width: 5, from, to: from + channels * 20 }
    }

    fn pass(tap: isize, in_block: usize, out_block: usize) -> BandPass {
        let layout = Layout { start: 0, row: ROW, px: LANES, block: 2 * ROW };
        let run = DenseLoop::choose(Isa::Portable, 1, 5, LANES);
        let call = Call {
            kind: Kind::Dense { run, inner: LANES, blocks: 1, last: 3 },
            taps: vec![tap],
            weights: Aligned::zeros(3 * LANES),
            bias: Aligned::zeros(LANES),
            x: layout,
            y: Layout { start: 2 * ROW, ..layout },
            skip: None,
            rows: 2,
            width: 5,
            limits: Limits::NONE,
        };
        BandPass { call, in_block, in_blocks: 1, out_block }
    }

    /// Three planes to seven, pixel by pixel, in so many rows cut into so many bands.
    fn is_sound(passes: Vec<BandPass>, (height, count): (usize, usize), outputs: usize, len: usize) -> bool {
        let layout = passes[0].call.x;
        let enter = Enter { channels: 3, stride: 1, reach: 1, top: 0, left: 0, layout };
        let leave = Leave { channels: 7, layout: passes[0].call.y };
        let bands = Bands::new(Isa::Portable, passes, (Some(enter), Some(leave)), (height, count));
        let (from, to) = (planes(0, 3), planes(64, outputs));
        let step = Step { work: Work::Bands(bands), reads: vec![from], to, clear: false };
        Program::new(vec![step], len).is_ok()
    }

    #[test]
    fn what_would_leave_its_memory_or_write_twice_is_refused() {
        let two = || vec![pass(0, 0, 0), pass(0, 0, 1)];
        let len = 64 + 7 * 20;
        assert!(is_sound(two(), (4, 2), 7, len));
        assert!(!is_sound(two(), (4, 2), 7, len - 1), "memory too short");
        assert!(!is_sound(two(), (4, 2), 6, len), "too few planes");
        assert!(!is_sound(two(), (4, 1), 7, len), "bands larger than the scratch");
        assert!(!is_sound(two(), (5, 3), 7, len), "more rows than planes have");
        assert!(!is_sound(vec![pass(0, 0, 1), pass(0, 0, 1)], (4, 2), 7, len), "written twice");
        assert!(!is_sound(vec![pass(0, 0, 0), pass(0, 0, 2)], (4, 2), 7, len), "a block without channels");
        assert!(!is_sound(vec![pass(0, 1, 0), pass(0, 0, 1)], (4, 2), 7, len), "input without channels");
        assert!(!is_sound(vec![pass(-1, 0, 0), pass(0, 0, 1)], (4, 2), 7, len), "a tap before the scratch");
        assert!(!is_sound(vec![pass(80, 0, 0), pass(0, 0, 1)], (4, 2), 7, len), "a tap behind it");
    }
}
