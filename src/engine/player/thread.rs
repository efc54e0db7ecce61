//! The thread between requests and the device. The newest request counts; a device that is not needed
//! for a while is given back.

use super::device::Output;
use super::job::{Account, Job};
use super::ring::Clock;
use super::{EngineError, Path, PlayRequest, Playing};
use crate::domain::MediaHash;
use crate::engine::sounds::open_sound;
use crate::store::Blobs;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How often free blocks are looked for; the ring holds many times as much.
const LOOK: Duration = Duration::from_millis(8);
/// After so long without a sound the device is free for other programs.
const IDLE: Duration = Duration::from_secs(20);

/// A fifth of a second: a device that has only just begun gets silence first.
const LEAD_INS_PER_SEC: u32 = 5;

enum Ask {
    Play(PlayRequest),
    Stop,
}

#[derive(Default)]
struct Mail {
    /// Only the newest counts.
    ask: Option<Ask>,
    is_over: bool,
}

/// What the thread tells of its request.
#[derive(Default)]
struct Status {
    of: u64,
    media: Option<MediaHash>,
    from: f64,
    rate_hz: u32,
    /// Frames of the device, once all are handed over.
    total: Option<u64>,
    gain_db: f32,
    trouble: Option<String>,
}

struct Shared {
    mail: Mutex<Mail>,
    changed: Condvar,
    clock: Arc<Clock>,
    account: Account,
    status: Mutex<Status>,
}

/// The front end's end; dropping it ends the thread and closes the device.
pub struct Player {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Player {
    /// `wake` is called when a sound has begun, ended or failed. No device is opened yet.
    pub fn start(folder: &Path, wake: impl Fn() + Send + Sync + 'static) -> Result<Self, EngineError> {
        let shared = Arc::new(Shared {
            mail: Mutex::default(),
            changed: Condvar::new(),
            clock: Arc::new(Clock::new()),
            account: Account::default(),
            status: Mutex::default(),
        });
        let (blobs, of_thread) = (Blobs::of_line(folder), Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("player".into())
            .spawn(move || run(&of_thread, &blobs, &wake))
            .map_err(|error| EngineError::Failed(format!("cannot start the player's thread: {error}")))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Until it begins, what was asked for stands at its first frame.
    pub fn play(&self, request: PlayRequest) {
        {
            let mut status = self.shared.status.lock();
            let (media, from) = (Some(request.media.clone()), request.from as f64);
            *status = Status { media, from, gain_db: status.gain_db, ..Status::default() };
        }
        self.ask(Ask::Play(request));
    }

    pub fn stop(&self) {
        self.ask(Ask::Stop);
    }

    fn ask(&self, ask: Ask) {
        self.shared.mail.lock().ask = Some(ask);
        self.shared.changed.notify_all();
    }

    /// What is heard at this moment.
    #[must_use]
    pub fn now(&self) -> Playing {
        let status = self.shared.status.lock();
        let mut now = Playing {
            media: status.media.clone(),
            is_playing: status.media.is_some(),
            frame: status.media.as_ref().map(|_| status.from),
            gain_db: status.gain_db,
            trouble: status.trouble.clone(),
            ..Playing::default()
        };
        let reading = self.shared.clock.read().filter(|reading| reading.of == status.of && now.is_playing);
        let Some(reading) = reading else { return now };
        let since = self.shared.clock.since_epoch().as_secs_f64() - reading.at.as_secs_f64();
        // Never beyond what was written: a device that waits for samples stands still.
        let heard = reading.frame as f64 + since * f64::from(status.rate_hz);
        let heard = heard.clamp(0.0, reading.written as f64);
        now.is_playing = status.total.is_none_or(|total| heard < total as f64);
        now.is_over = !now.is_playing;
        let account = self.shared.account.lock();
        let part = account.iter().rev().find(|part| part.begin <= heard).or(account.front());
        if let Some(part) = part {
            now.frame = Some(part.source + (heard - part.begin).clamp(0.0, part.length) * part.step);
            now.peak = if now.is_playing { part.peak } else { [0.0; 2] };
        }
        now
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.shared.mail.lock().is_over = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, blobs: &Blobs, wake: &(impl Fn() + Send + Sync)) {
    let (mut output, mut job): (Option<Output>, Option<Job>) = (None, None);
    loop {
        let ask = {
            let mut mail = shared.mail.lock();
            if mail.ask.is_none() && !mail.is_over {
                match (&job, &output) {
                    (Some(_), _) => {
                        shared.changed.wait_for(&mut mail, LOOK);
                    }
                    (None, Some(_)) if shared.changed.wait_for(&mut mail, IDLE).timed_out() => output = None,
                    (None, Some(_)) => {}
                    (None, None) => shared.changed.wait(&mut mail),
                }
            }
            if mail.is_over {
                return;
            }
            mail.ask.take()
        };
        match ask {
            Some(Ask::Play(request)) => {
                job = match begin(shared, blobs, request, &mut output) {
                    Ok(begun) => Some(begun),
                    Err(trouble) => {
                        *shared.status.lock() = Status { trouble: Some(trouble), ..Status::default() };
                        None
                    }
                };
                wake();
            }
            Some(Ask::Stop) => {
                job = None;
                shared.clock.want();
                shared.status.lock().media = None;
                wake();
            }
            None => {}
        }
        if let Some(trouble) = output.as_ref().and_then(|device| device.gone.try_recv().ok()) {
            (job, output) = (None, None);
            *shared.status.lock() = Status { trouble: Some(trouble), ..Status::default() };
            wake();
        }
        let (Some(playing), Some(device)) = (&mut job, &output) else { continue };
        if let Err(trouble) = playing.fill(&device.filler, &shared.account) {
            *shared.status.lock() = Status { trouble: Some(trouble), ..Status::default() };
            job = None;
            wake();
        } else if playing.is_read() {
            shared.status.lock().total = Some(playing.given);
            job = None;
        }
    }
}

/// Opens what is needed, at the sound's own rate where the device plays that.
fn begin(
    shared: &Shared,
    blobs: &Blobs,
    request: PlayRequest,
    output: &mut Option<Output>,
) -> Result<Job, String> {
    let of = shared.clock.want();
    let file = open_sound(&blobs.path(&request.media))?;
    let own = file.rate_hz();
    let kept = output.take().filter(|output| output.rate_hz == own);
    let is_new = kept.is_none();
    let device = match kept {
        Some(device) => device,
        None => Output::open(&shared.clock, own)?,
    };
    let (media, from) = (request.media.clone(), request.from as f64);
    let job = Job::new(of, request, file, device.rate_hz, device.channels);
    let rate_hz = device.rate_hz;
    *output = Some(device);
    let mut job = job?;
    if is_new {
        job.lead_in(rate_hz / LEAD_INS_PER_SEC);
    }
    shared.account.lock().clear();
    *shared.status.lock() =
        Status { of, media: Some(media), from, rate_hz, total: None, gain_db: job.gain_db(), trouble: None };
    Ok(job)
}
