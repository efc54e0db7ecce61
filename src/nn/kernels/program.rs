//! A network as a list of steps over one piece of memory, and the threads that work through it.
//!
//! Each step is a list of tasks which write different places; the next step begins when all are
//! done. Each thread has its share of them, the same rows of the picture in every step, so that
//! it reads what it wrote itself; then it takes what is left of the others'. One that comes late
//! finds nothing to do and holds nobody up, so a busy machine costs speed and never more. Every
//! number is computed by the same operations in the same order whichever thread does it.

use super::simd::{QUAD, transpose};
use super::{Aligned, Call, Layout};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Multiply-accumulates that are worth a task of their own: some microseconds, so that no thread
/// waits long for the last one of a step.
const TASK_MACS: usize = 1 << 18;
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
    fn at(&self, channel: usize, y: usize, x: usize) -> usize {
        self.layout.start
            + channel / self.lanes * self.layout.block
            + y * self.layout.row
            + x * self.layout.px
            + channel % self.lanes
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
    /// Sum of equally shaped activations.
    Sum { from: Vec<Place>, relu: bool },
    /// Channels to another place, from channel `first` on; each pixel `repeat` times both ways.
    Move { from: Place, channels: usize, first: usize, repeat: usize },
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
}

/// More threads than this would wait for each other most of the time.
const THREADS_MAX: usize = 16;

/// Checked steps.
pub struct Program {
    steps: Vec<(Step, Vec<Task>)>,
    len: usize,
}

/// The memory of one run; runs beside each other have one each.
pub struct Memory {
    values: Aligned,
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
        Ok(Self { steps: checked, len })
    }

    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory {
            values: Aligned::zeros(self.len),
            taken: self.steps.iter().map(|_| [const { AtomicUsize::new(0) }; THREADS_MAX]).collect(),
            done: self.steps.iter().map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// Runs all steps, on this thread or on up to `threads` of the pool's. The result does not
    /// depend on their number. `memory` is from [`Self::memory`] of the same program.
    pub fn run(&self, memory: &mut Memory, threads: usize) {
        if memory.values.len() != self.len || memory.taken.len() != self.steps.len() {
            *memory = self.memory();
        }
        for counter in memory.taken.iter_mut().flatten().chain(&mut memory.done) {
            *counter.get_mut() = 0;
        }
        let threads = threads.clamp(1, THREADS_MAX);
        let base = Base(memory.values.as_mut_ptr());
        let team = Team { base, taken: &memory.taken, done: &memory.done, threads };
        if threads == 1 {
            // Safety: the memory is valid for `self.len` floats and borrowed mutably.
            unsafe { self.work(&team, 0) };
            return;
        }
        // The caller sleeps meanwhile: a worker that is woken by a thread which goes on working is
        // often put on that thread's core, and starts when it is too late.
        rayon::broadcast(|worker| {
            if worker.index() < threads {
                // Safety: the memory is valid for `self.len` floats and borrowed mutably; threads
                // share it only through tasks, each of which is taken once.
                unsafe { self.work(&team, worker.index()) };
            }
        });
    }

    /// # Safety
    ///
    /// The team's memory is valid for `self.len` floats which only its threads touch.
    unsafe fn work(&self, team: &Team<'_>, me: usize) {
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
                    unsafe { step.run(*task, team.base.0) };
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

/// What the threads of one run share.
struct Team<'a> {
    base: Base,
    taken: &'a [[AtomicUsize; THREADS_MAX]],
    done: &'a [AtomicUsize],
    threads: usize,
}

/// The memory's address.
struct Base(*mut f32);

// Safety: the pointer is only used inside `Program::work`, whose tasks write different places.
unsafe impl Sync for Base {}

/// So many rows in about `count` equal parts.
fn cut(rows: usize, count: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = count.clamp(1, rows.max(1));
    (0..count).map(move |part| (rows * part / count, rows * (part + 1) / count))
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
            Work::Sum { from, .. } => from.iter().all(|p| {
                (p.lanes, p.blocks, p.height, p.width)
                    == (self.to.lanes, self.to.blocks, self.to.height, self.to.width)
            }),
            Work::Move { from, channels, first, repeat } => {
                *channels <= from.lanes * from.blocks
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
        let mut written = vec![false; self.to.to - self.to.from];
        for call in calls {
            if !call.fits(len, len) {
                return false;
            }
            for block in 0..call.blocks(self.to.lanes) {
                for row in 0..call.rows {
                    for x in 0..call.width {
                        let at = call.y.start + block * call.y.block + row * call.y.row + x * call.y.px;
                        match at.checked_sub(self.to.from).and_then(|at| written.get_mut(at)) {
                            Some(seen) if !*seen && at % self.to.lanes == 0 => *seen = true,
                            _ => return false,
                        }
                    }
                }
            }
        }
        true
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
    /// the task reads or touches what it writes.
    unsafe fn run(&self, task: Task, base: *mut f32) {
        unsafe {
            match (task, &self.work) {
                (Task::Clear, _) => self.clear(base),
                (Task::Rows { call, rows }, Work::Calls(calls)) => calls[call].run_rows(rows, base, base),
                (Task::Rows { rows, .. }, Work::Sum { from, relu }) => self.sum(from, *relu, rows, base),
                (Task::Rows { rows, .. }, Work::Move { from, channels, first, repeat }) => {
                    self.shift(from, *channels, *first, *repeat, rows, base);
                }
                (Task::Rows { .. }, Work::Pool { from, channels }) => self.pool(from, *channels, base),
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

    unsafe fn sum(&self, from: &[Place], relu: bool, rows: (usize, usize), base: *mut f32) {
        let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
        for block in 0..self.to.blocks {
            for y in rows.0..rows.1 {
                for i in 0..self.to.width * self.to.lanes {
                    let at = |p: &Place| p.layout.start + block * p.layout.block + y * p.layout.row + i;
                    let sum: f32 = from.iter().map(|p| unsafe { *base.add(at(p)) }).sum();
                    // Written so that NaN stays NaN.
                    unsafe { *base.add(at(&self.to)) = if sum < floor { floor } else { sum } };
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
        // Into or out of blocks, squares of pixels and channels are turned over.
        let turned = repeat == 1 && first.is_multiple_of(QUAD) && (from.lanes == 1) != (lanes == 1);
        let (step_from, step_to) = match from.lanes {
            1 => (from.layout.block, to.layout.px),
            _ => (from.layout.px, to.layout.block),
        };
        let squares = |count: usize| if turned { count / QUAD * QUAD } else { 0 };
        for y in rows.0..rows.1 {
            // Along a row first: channels lie so far apart that they push each other out of the cache.
            for channel in (0..squares(channels)).step_by(QUAD) {
                for x in (0..squares(to.width)).step_by(QUAD) {
                    let (source, target) = (from.at(channel, y, x), to.at(first + channel, y, x));
                    unsafe { transpose(base.add(source), step_from, base.add(target), step_to) };
                }
            }
            for channel in (0..channels).step_by(if whole { lanes } else { 1 }) {
                let done = if channel < squares(channels) { squares(to.width) } else { 0 };
                let source = from.at(channel, y / repeat, 0);
                let target = to.at(first + channel, y, 0);
                for x in done..to.width {
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
