//! Between the thread that reads sounds and the callback that a device calls: blocks of samples that are
//! made once and go round, and a clock that says what is being heard.
//!
//! The callback neither allocates nor locks nor touches a file. Both channels are only ever tried, so
//! that nobody sleeps on them and no one has to be woken.

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

/// Frames of a block, and blocks: 170 ms at 48 kHz lie ready, enough for a busy machine.
pub const BLOCK_FRAMES: usize = 512;
const BLOCKS: usize = 16;

/// Samples for the device, interleaved as it wants them.
pub struct Block {
    /// Which request it belongs to; what is older than the newest is not played.
    pub of: u64,
    pub samples: Vec<f32>,
    pub frames: usize,
}

/// What the callback tells of itself. One writes, any number read: a sequence lock of atomics.
pub struct Clock {
    epoch: Instant,
    sequence: AtomicU64,
    of: AtomicU64,
    /// A frame of the request, and when it is heard, in nanoseconds since `epoch`.
    frame: AtomicU64,
    at_nanos: AtomicU64,
    /// Frames of the request that were handed to the device.
    written: AtomicU64,
    /// The newest request.
    wanted: AtomicU64,
    /// When the device last asked for samples, in nanoseconds since `epoch`.
    asked_nanos: AtomicU64,
}

/// One reading of the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    pub of: u64,
    pub frame: u64,
    pub at: Duration,
    pub written: u64,
}

impl Clock {
    pub fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            epoch: Instant::now(),
            sequence: zero(),
            of: zero(),
            frame: zero(),
            at_nanos: zero(),
            written: zero(),
            wanted: zero(),
            asked_nanos: zero(),
        }
    }

    pub fn since_epoch(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// A new request; blocks of older ones are dropped from now on.
    pub fn want(&self) -> u64 {
        self.wanted.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub fn wanted(&self) -> u64 {
        self.wanted.load(Ordering::Acquire)
    }

    /// The device asks for samples now.
    pub fn note_asked(&self) {
        self.asked_nanos.store(nanos(self.since_epoch()), Ordering::Relaxed);
    }

    /// For how long it has not asked.
    pub fn unasked(&self) -> Duration {
        let asked = Duration::from_nanos(self.asked_nanos.load(Ordering::Relaxed));
        self.since_epoch().saturating_sub(asked)
    }

    fn write(&self, reading: Reading) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.of.store(reading.of, Ordering::Relaxed);
        self.frame.store(reading.frame, Ordering::Relaxed);
        self.at_nanos.store(nanos(reading.at), Ordering::Relaxed);
        self.written.store(reading.written, Ordering::Relaxed);
        self.sequence.store(sequence + 2, Ordering::Release);
    }

    /// `None` while it is being written, which takes nanoseconds.
    pub fn read(&self) -> Option<Reading> {
        (0..100).find_map(|_| {
            let before = self.sequence.load(Ordering::Acquire);
            let reading = Reading {
                of: self.of.load(Ordering::Relaxed),
                frame: self.frame.load(Ordering::Relaxed),
                at: Duration::from_nanos(self.at_nanos.load(Ordering::Relaxed)),
                written: self.written.load(Ordering::Relaxed),
            };
            fence(Ordering::Acquire);
            (before.is_multiple_of(2) && self.sequence.load(Ordering::Relaxed) == before).then_some(reading)
        })
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The reading thread's end.
pub struct Filler {
    full: Sender<Block>,
    empty: Receiver<Block>,
}

impl Filler {
    /// An empty block, if one is free.
    pub fn take(&self) -> Option<Block> {
        self.empty.try_recv().ok()
    }

    /// There is room for every block there is.
    pub fn put(&self, block: Block) {
        let _ = self.full.try_send(block);
    }
}

/// The callback's end.
pub struct Feeder {
    full: Receiver<Block>,
    empty: Sender<Block>,
    clock: Arc<Clock>,
    channels: usize,
    rate_hz: u32,
    current: Option<(Block, usize)>,
    /// Of which request `written` counts the frames.
    of: u64,
    written: u64,
}

/// Both ends, with all blocks there will ever be.
pub fn ring(clock: &Arc<Clock>, channels: usize, rate_hz: u32) -> (Filler, Feeder) {
    let ((full, to_play), (empty, free)) = (bounded(BLOCKS), bounded(BLOCKS));
    for _ in 0..BLOCKS {
        let block = Block { of: 0, samples: vec![0.0; BLOCK_FRAMES * channels], frames: 0 };
        // As many as there is room for.
        let _ = empty.try_send(block);
    }
    let clock = Arc::clone(clock);
    let feeder = Feeder { full: to_play, empty, clock, channels, rate_hz, current: None, of: 0, written: 0 };
    (Filler { full, empty: free }, feeder)
}

impl Feeder {
    /// Fills what the device asks for, whose first frame is heard after `latency`; silence where nothing
    /// is to be played.
    pub fn fill(&mut self, out: &mut [f32], latency: Duration) {
        let heard = self.clock.since_epoch() + latency;
        self.clock.note_asked();
        let channels = self.channels;
        let frames = out.len() / channels.max(1);
        let mut done = 0;
        let mut begun = None;
        while done < frames {
            let Some((block, at)) = self.next() else { break };
            let count = (block.frames - at).min(frames - done);
            let samples = &block.samples[at * channels..(at + count) * channels];
            out[done * channels..(done + count) * channels].copy_from_slice(samples);
            let of = block.of;
            if let Some((_, at)) = &mut self.current {
                *at += count;
            }
            if self.of != of {
                (self.of, self.written) = (of, 0);
                begun = None;
            }
            begun.get_or_insert((self.written, done));
            self.written += count as u64;
            done += count;
        }
        out[done * channels..].fill(0.0);
        if let Some((frame, offset)) = begun {
            let after = Duration::from_secs_f64(offset as f64 / f64::from(self.rate_hz.max(1)));
            self.clock.write(Reading { of: self.of, frame, at: heard + after, written: self.written });
        }
    }

    /// The block that is being played; those of older requests, and what is used up, go back.
    fn next(&mut self) -> Option<(&Block, usize)> {
        let wanted = self.clock.wanted();
        loop {
            if let Some((block, at)) = &self.current
                && block.of == wanted
                && *at < block.frames
            {
                break;
            }
            if let Some((block, _)) = self.current.take() {
                let _ = self.empty.try_send(block);
            }
            match self.full.try_recv() {
                Ok(block) => self.current = Some((block, 0)),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
            }
        }
        self.current.as_ref().map(|(block, at)| (block, *at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of counted frames, each frame its number in both channels.
    fn put(filler: &Filler, of: u64, next: &mut u32, frames: usize) -> bool {
        let Some(mut block) = filler.take() else { return false };
        for frame in 0..frames {
            block.samples[2 * frame..2 * frame + 2].fill(*next as f32);
            *next += 1;
        }
        filler.put(Block { of, frames, ..block });
        true
    }

    #[test]
    fn no_frame_is_lost_or_comes_twice_whatever_the_sizes_and_whoever_waits() {
        let clock = Arc::new(Clock::new());
        let (filler, mut feeder) = ring(&clock, 2, 48_000);
        let of = clock.want();
        let (mut next, mut heard) = (1, Vec::new());
        let mut seed = 7_u32;
        let mut random = move |max: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            1 + (seed >> 8) % max
        };
        while next < 200_000 {
            for _ in 0..random(20) {
                put(&filler, of, &mut next, random(BLOCK_FRAMES as u32) as usize);
            }
            let mut out = vec![-1.0; 2 * random(3_000) as usize];
            feeder.fill(&mut out, Duration::ZERO);
            heard.extend(out.chunks_exact(2).filter(|frame| frame[0] != 0.0).map(|frame| frame[1] as u32));
        }
        assert!(heard.len() > 150_000);
        assert!(heard.iter().copied().eq(1..=heard.len() as u32), "frames are lost or come twice");
        assert_eq!(clock.read().unwrap().written, heard.len() as u64);
    }

    #[test]
    fn a_new_request_is_heard_at_once_and_its_frames_count_from_zero() {
        let clock = Arc::new(Clock::new());
        let (filler, mut feeder) = ring(&clock, 2, 1000);
        let first = clock.want();
        let mut next = 1;
        while put(&filler, first, &mut next, 100) {}
        let mut out = vec![0.0; 2 * 150];
        feeder.fill(&mut out, Duration::from_millis(30));
        let reading = clock.read().unwrap();
        assert_eq!((reading.of, reading.frame, reading.written), (first, 0, 150));
        assert!(reading.at >= Duration::from_millis(30));
        let second = clock.want();
        feeder.fill(&mut out, Duration::ZERO);
        assert!(out.iter().all(|sample| *sample == 0.0), "what is no longer wanted is heard");
        let mut next = 5_000;
        assert!(put(&filler, second, &mut next, 100), "blocks did not come back");
        feeder.fill(&mut out, Duration::ZERO);
        assert_eq!((out[0], out[198], out[200]), (5_000.0, 5_099.0, 0.0));
        let reading = clock.read().unwrap();
        assert_eq!((reading.of, reading.frame, reading.written), (second, 0, 100));
    }
}
