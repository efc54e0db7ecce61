//! A network as a list of steps over one piece of memory, and the threads that work through it.
//!
//! Each step is a list of tasks which write different places; the next step begins when all are
//! done. Each thread has its share of them, the same rows of the picture in every step, so that
//! it reads what it wrote itself; then it takes what is left of the others'. One that comes late
//! finds nothing to do and holds nobody up, so a busy machine costs speed and never more. Every
//! number is computed by the same operations in the same order whichever thread does it.

use super::turn::{Strip, TurnLoops};
use super::{Aligned, Bands, Call, LINE, Layout, Limits};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Multiply-accumulates that are worth a task of their own: some microseconds, so that no thread
/// waits long for the last one of a step.
pub const TASK_MACS: usize = 1 << 18;
/// The same for floats that are only moved.
const TASK_FLOATS: usize = 1 << 14;
/// Looks at the counter before a waiting thread offers its core to others: some ten microseconds.
const SPINS: usize = 1 << 9;

/// Where an activation lies in the program's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Pixel 0, 0.
    pub layout: Layout,
    /// Channels in a block, and blocks.
    pub lanes: usize,
    pub blocks: usize,
    pub height: usize,
    pub width: usize,
    /// All of it, zeros around included.
    pub from: usize,
    pub to: usize,
}

impl Place {
    pub(super) fn at(&self, channel: usize, y: usize, x: usize) -> usize {
        self.layout.start
            + channel / self.lanes * self.layout.block
            + y * self.layout.row
            + x * self.layout.px
            + channel % self.lanes
    }

    /// Whether a row is one number after the other.
    fn is_planar(&self) -> bool {
        (self.lanes, self.layout.px) == (1, 1)
    }

    fn is_inside(&self, len: usize) -> bool {
        let end = self.layout.last(self.blocks, self.height, self.width) + self.lanes;
        self.from <= self.layout.start && end <= self.to && self.to <= len
    }
}

/// What a step does.
pub enum Work {
    /// Convolutions; everything that they write is in `to`.
    Calls(Vec<Call>),
    /// Convolutions of the one activation that is read, from planes or to planes.
    Bands(Bands),
    /// Sum of equally shaped activations.
    Sum { from: Vec<Place>, limits: Limits },
    /// Channels to another place, from channel `first` on; each pixel `repeat` times both ways.
    Move { from: Place, channels: usize, first: usize, repeat: usize, turn: TurnLoops },
    /// Mean, then maximum of each channel.
    Pool { from: Place, channels: usize },
}

pub struct Step {
    pub work: Work,
    /// What the step reads.
    pub reads: Vec<Place>,
    pub to: Place,
    /// Whether the zeros around `to` are needed.
    pub clear: bool,
}

/// One piece of a step.
#[derive(Clone, Copy)]
enum Task {
    Clear,
    Rows { call: usize, rows: (usize, usize) },
    Band { passes: (usize, usize), rows: (usize, usize) },
}

/// More threads than this would wait for each other most of the time.
const THREADS_MAX: usize = 16;

/// Checked steps.
pub struct Program {
    steps: Vec<(Step, Vec<Task>)>,
    len: usize,
    /// What each thread needs beside it.
    scratch: usize,
    /// Floats of planes that may lie elsewhere: one step reads them, and no other touches them.
    given: Option<usize>,
}

/// The memory of one run; runs beside each other have one each.
pub struct Memory {
    values: Aligned,
    /// One piece for each thread.
    scratch: Aligned,
    /// For each step: how many tasks of each thread's share are taken, and how many of all done.
    taken: Vec<[AtomicUsize; THREADS_MAX]>,
    done: Vec<AtomicUsize>,
}

impl std::ops::Deref for Memory {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl std::ops::DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

impl Program {
    /// Checks that all reads and writes lie inside `len` floats, that no step writes what it
    /// reads, and that no two tasks write the same place; the error names the step.
    pub fn new(steps: Vec<Step>, len: usize) -> Result<Self, String> {
        let mut checked = Vec::with_capacity(steps.len());
        for (i, step) in steps.into_iter().enumerate() {
            if !step.is_sound(len) {
                return Err(format!("step {i} reaches beyond its memory"));
            }
            let tasks = step.tasks();
            checked.push((step, tasks));
        }
        let scratch = checked.iter().map(|(step, _)| match &step.work {
            Work::Bands(bands) => bands.scratch().next_multiple_of(LINE),
            _ => 0,
        });
        Ok(Self { scratch: scratch.max().unwrap_or(0), given: given(&checked), steps: checked, len })
    }

    /// Whether [`Self::run`] may be given so many floats of planes instead of a copy of them.
    #[must_use]
    pub fn takes(&self, given: usize) -> bool {
        self.given == Some(given)
    }

    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory {
            values: Aligned::zeros(self.len),
            // Made when it is known for how many threads.
            scratch: Aligned::zeros(0),
            taken: self.steps.iter().map(|_| [const { AtomicUsize::new(0) }; THREADS_MAX]).collect(),
            done: self.steps.iter().map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// Runs all steps, on this thread or on up to `threads` of the pool's. The result does not
    /// depend on their number. `memory` is from [`Self::memory`] of the same program; what is
    /// `given`, if it [`takes`](Self::takes) that, stands for what it holds of the input.
    pub fn run(&self, memory: &mut Memory, given: Option<&[f32]>, threads: usize) {
        if memory.values.len() != self.len || memory.taken.len() != self.steps.len() {
            *memory = self.memory();
        }
        for counter in memory.taken.iter_mut().flatten().chain(&mut memory.done) {
            *counter.get_mut() = 0;
        }
        let threads = threads.clamp(1, THREADS_MAX);
        if memory.scratch.len() < threads * self.scratch {
            memory.scratch = Aligned::zeros(threads * self.scratch);
        }
        let (base, scratch) = (Base(memory.values.as_mut_ptr()), Base(memory.scratch.as_mut_ptr()));
        let given = given.filter(|given| self.takes(given.len()));
        let team = Team { base, scratch, given, taken: &memory.taken, done: &memory.done, threads };
        if threads == 1 {
            // Safety: memory and scratch are as long as asked for and borrowed mutably.
            unsafe { self.work(&team, 0) };
            return;
        }
        // The caller sleeps meanwhile: a worker that is woken by a thread which goes on working is
        // often put on that thread's core, and starts when it is too late.
        rayon::broadcast(|worker| {
            if worker.index() < threads {
                // Safety: memory and scratch are as long as asked for and borrowed mutably; threads
                // share memory only through tasks, each of which is taken once, and no scratch.
                unsafe { self.work(&team, worker.index()) };
            }
        });
    }

    /// # Safety
    ///
    /// The team's memory is valid for `self.len` floats which only its threads touch, its scratch
    /// for `self.scratch` floats of each thread, and no two threads of it are `me`.
    unsafe fn work(&self, team: &Team<'_>, me: usize) {
        // Safety: `me` is one of the team.
        let scratch = unsafe { team.scratch.0.add(me * self.scratch) };
        let given = team.given.map(<[f32]>::as_ptr);
        for (((step, tasks), taken), done) in self.steps.iter().zip(team.taken).zip(team.done) {
            let share = |thread: usize| tasks.len() * thread / team.threads;
            for thread in (me..team.threads).chain(0..me) {
                let (first, end) = (share(thread), share(thread + 1));
                loop {
                    let next = first + taken[thread].fetch_add(1, Ordering::Relaxed);
                    let Some(task) = tasks[..end].get(next) else { break };
                    // Counted also when the task panics: the others must not wait for ever.
                    let _counted = Counted(done);
                    // Safety: `new` has checked that the step stays inside the memory and that
                    // its tasks write different places, none of which it reads.
                    unsafe { step.run(*task, team.base.0, given, scratch) };
                }
            }
            let mut spins = 0;
            while done.load(Ordering::Acquire) < tasks.len() {
                spins += 1;
                if spins < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
            }
        }
    }
}

/// Floats of the planes that bands read, if nothing else touches them.
fn given(steps: &[(Step, Vec<Task>)]) -> Option<usize> {
    let mut entering =
        steps.iter().filter(|(step, _)| matches!(&step.work, Work::Bands(bands) if bands.enters()));
    let ((first, _), None) = (entering.next()?, entering.next()) else { return None };
    let planes = first.reads.first()?;
    let touches = |p: &&Place| p.from < planes.to && planes.from < p.to;
    let places = steps.iter().flat_map(|(step, _)| step.reads.iter().chain([&step.to]));
    (places.filter(touches).count() == 1).then_some(planes.to - planes.from)
}

/// What the threads of one run share.
struct Team<'a> {
    base: Base,
    scratch: Base,
    given: Option<&'a [f32]>,
    taken: &'a [[AtomicUsize; THREADS_MAX]],
    done: &'a [AtomicUsize],
    threads: usize,
}

/// The memory's address.
struct Base(*mut f32);

// Safety: the pointer is only used inside `Program::work`, whose tasks write different places and
// whose threads use different pieces of the scratch.
unsafe impl Sync for Base {}

/// So many rows in about `count` equal parts.
pub(super) fn cut(rows: usize, count: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = count.clamp(1, rows.max(1));
    (0..count).map(move |part| (rows * part / count, rows * (part + 1) / count))
}

/// Which vectors of an activation a step writes, to find those that it writes twice.
pub(super) struct Written {
    from: usize,
    lanes: usize,
    seen: Vec<bool>,
}

impl Written {
    pub(super) fn new(to: &Place) -> Self {
        Self { from: to.from, lanes: to.lanes, seen: vec![false; to.to.saturating_sub(to.from)] }
    }

    /// `false` for a place that is outside, not at the beginning of a vector, or not new.
    pub(super) fn mark(&mut self, at: usize) -> bool {
        let seen = at.checked_sub(self.from).and_then(|at| self.seen.get_mut(at));
        seen.is_some_and(|seen| !std::mem::replace(seen, true) && at.is_multiple_of(self.lanes))
    }

    /// So many rows of a call, where it counts rows from `first`.
    pub(super) fn mark_call(&mut self, call: &Call, first: usize, rows: usize) -> bool {
        let at = |block: usize, row: usize, x: usize| {
            call.y.start + block * call.y.block + (first + row) * call.y.row + x * call.y.px
        };
        (0..call.blocks(self.lanes))
            .all(|block| (0..rows).all(|row| (0..call.width).all(|x| self.mark(at(block, row, x)))))
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

impl Step {
    fn is_sound(&self, len: usize) -> bool {
        let apart = |read: &Place| read.to <= self.to.from || self.to.to <= read.from;
        let shapes = match &self.work {
            Work::Calls(calls) => return self.calls_are_sound(calls, len) && self.reads.iter().all(apart),
            Work::Bands(bands) => {
                matches!(&self.reads[..], [from] if bands.is_sound(from, &self.to, len))
            }
            Work::Sum { from, .. } => from.iter().all(|p| {
                (p.lanes, p.blocks, p.height, p.width)
                    == (self.to.lanes, self.to.blocks, self.to.height, self.to.width)
            }),
            Work::Move { from, channels, first, repeat, turn } => {
                let steps = |p: &Place| p.layout.px == p.lanes;
                let most = from.lanes.max(self.to.lanes);
                steps(from)
                    && steps(&self.to)
                    && (most == 1 || most == turn.lanes)
                    && *channels <= from.lanes * from.blocks
                    && first + channels <= self.to.lanes * self.to.blocks
                    && (self.to.height, self.to.width) == (repeat * from.height, repeat * from.width)
            }
            Work::Pool { from, channels } => {
                *channels <= from.lanes * from.blocks && 2 * channels <= self.to.lanes * self.to.blocks
            }
        };
        shapes && self.to.is_inside(len) && self.reads.iter().all(|p| p.is_inside(len) && apart(p))
    }

    /// Inside the memory, inside `to`, no vector written twice.
    fn calls_are_sound(&self, calls: &[Call], len: usize) -> bool {
        if !self.to.is_inside(len) || self.reads.iter().any(|p| !p.is_inside(len)) {
            return false;
        }
        let mut written = Written::new(&self.to);
        calls.iter().all(|call| call.fits(len, len) && written.mark_call(call, 0, call.rows))
    }

    fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        if self.clear {
            tasks.push(Task::Clear);
        }
        match &self.work {
            Work::Calls(calls) => {
                let mut by_row = Vec::new();
                for (call, c) in calls.iter().enumerate() {
                    let count = c.macs_per_row() * c.rows / TASK_MACS;
                    let rows = cut(c.rows, count);
                    by_row.extend(
                        rows.map(|rows| (rows.0 * self.to.height / c.rows, Task::Rows { call, rows })),
                    );
                }
                // From top to bottom, so that shares are parts of the picture.
                by_row.sort_by_key(|(row, _)| *row);
                tasks.extend(by_row.into_iter().map(|(_, task)| task));
            }
            Work::Bands(bands) => {
                tasks.extend(bands.tasks().map(|(passes, rows)| Task::Band { passes, rows }));
            }
            Work::Pool { .. } => tasks.push(Task::Rows { call: 0, rows: (0, 1) }),
            Work::Sum { .. } | Work::Move { .. } => {
                let count = (self.to.to - self.to.from) / TASK_FLOATS;
                tasks.extend(cut(self.to.height, count).map(|rows| Task::Rows { call: 0, rows }));
            }
        }
        tasks
    }

    /// # Safety
    ///
    /// [`Self::is_sound`] holds for the memory behind `base`, and no other thread writes what
    /// the task reads or touches what it writes; `given` are the planes that bands read, if they
    /// lie elsewhere; the scratch is for this thread alone.
    unsafe fn run(&self, task: Task, base: *mut f32, given: Option<*const f32>, scratch: *mut f32) {
        unsafe {
            match (task, &self.work) {
                (Task::Clear, _) => self.clear(base),
                (Task::Rows { call, rows }, Work::Calls(calls)) => calls[call].run_rows(rows, base, base),
                (Task::Rows { rows, .. }, Work::Sum { from, limits }) => self.sum(from, *limits, rows, base),
                (Task::Rows { rows, .. }, Work::Move { from, channels, first, repeat, turn }) => {
                    let (enters, leaves) = (from.is_planar(), self.to.is_planar());
                    let turned = *repeat == 1 && enters != leaves && first.is_multiple_of(self.to.lanes);
                    if turned {
                        self.turn(turn, from, (*channels, *first), rows, base);
                    } else {
                        self.shift(from, *channels, *first, *repeat, rows, base);
                    }
                }
                (Task::Band { passes, rows }, Work::Bands(bands)) => {
                    bands.run((&self.reads[0], &self.to), (passes, rows), base, given, scratch);
                }
                (Task::Rows { .. }, Work::Pool { from, channels }) => self.pool(from, *channels, base),
                // `tasks` makes bands of bands only.
                (Task::Rows { .. }, Work::Bands(_)) | (Task::Band { .. }, _) => {}
            }
        }
    }

    /// Zeros around `to`.
    unsafe fn clear(&self, base: *mut f32) {
        let p = &self.to;
        let (before, inside) = (p.layout.start - p.from, p.width * p.layout.px);
        unsafe {
            for block in 0..p.blocks {
                let from = p.from + block * p.layout.block;
                let zero = |at: usize, count: usize| base.add(at).write_bytes(0, count);
                zero(from, before);
                for row in 1..p.height {
                    let end = from + before + (row - 1) * p.layout.row + inside;
                    zero(end, p.layout.row - inside);
                }
                let end = from + before + (p.height - 1) * p.layout.row + inside;
                zero(end, from + p.layout.block - end);
            }
        }
    }

    unsafe fn sum(&self, from: &[Place], limits: Limits, rows: (usize, usize), base: *mut f32) {
        for block in 0..self.to.blocks {
            for y in rows.0..rows.1 {
                for i in 0..self.to.width * self.to.lanes {
                    let at = |p: &Place| p.layout.start + block * p.layout.block + y * p.layout.row + i;
                    let sum: f32 = from.iter().map(|p| unsafe { *base.add(at(p)) }).sum();
                    unsafe { *base.add(at(&self.to)) = limits.of(sum) };
                }
            }
        }
    }

    /// Rows from planes into blocks, or back.
    unsafe fn turn(
        &self,
        turn: &TurnLoops,
        from: &Place,
        (channels, first): (usize, usize),
        rows: (usize, usize),
        base: *mut f32,
    ) {
        let (to, lanes) = (&self.to, self.to.lanes.max(from.lanes));
        let plane = if from.is_planar() { from.layout.block } else { to.layout.block };
        // Along a row first: channels lie so far apart that they push each other out of the cache.
        for y in rows.0..rows.1 {
            for channel in (0..channels).step_by(lanes) {
                let strip = Strip { channels: lanes.min(channels - channel), plane, width: to.width };
                unsafe {
                    let source = base.add(from.at(channel, y, 0));
                    let target = base.add(to.at(first + channel, y, 0));
                    if from.is_planar() {
                        turn.enter(strip, source, target);
                    } else {
                        turn.leave(strip, source, target);
                    }
                }
            }
        }
    }

    unsafe fn shift(
        &self,
        from: &Place,
        channels: usize,
        first: usize,
        repeat: usize,
        rows: (usize, usize),
        base: *mut f32,
    ) {
        let (to, lanes) = (&self.to, self.to.lanes);
        let whole = from.lanes == lanes && first.is_multiple_of(lanes);
        for y in rows.0..rows.1 {
            for channel in (0..channels).step_by(if whole { lanes } else { 1 }) {
                let source = from.at(channel, y / repeat, 0);
                let target = to.at(first + channel, y, 0);
                for x in 0..to.width {
                    let (source, target) = (source + x / repeat * from.layout.px, target + x * to.layout.px);
                    unsafe {
                        if whole {
                            base.add(source).copy_to(base.add(target), lanes);
                        } else {
                            *base.add(target) = *base.add(source);
                        }
                    }
                }
            }
            if !whole {
                // Lanes without a channel are zero.
                for channel in first + channels..(first + channels).next_multiple_of(lanes) {
                    (0..to.width).for_each(|x| unsafe { *base.add(to.at(channel, y, x)) = 0.0 });
                }
            }
        }
    }

    unsafe fn pool(&self, from: &Place, channels: usize, base: *mut f32) {
        let area = (from.height * from.width) as f32;
        unsafe {
            for channel in 0..channels {
                let (mut sum, mut most) = (0.0_f32, f32::NEG_INFINITY);
                for y in 0..from.height {
                    let row = base.add(from.at(channel, y, 0));
                    for x in 0..from.width {
                        let value = *row.add(x * from.layout.px);
                        sum += value;
                        most = if value < most { most } else { value };
                    }
                }
                *base.add(self.to.at(channel, 0, 0)) = sum / area;
                *base.add(self.to.at(channels + channel, 0, 0)) = most;
            }
            for channel in 2 * channels..self.to.blocks * self.to.lanes {
                *base.add(self.to.at(channel, 0, 0)) = 0.0;
            }
        }
    }
}
