//! The thread beside the station that listens.

use super::super::source::{TICK, report};
use super::super::station::{Shared, StationEvent};
use super::Hearing;
use super::device::Capture;
use super::recorder::Recorder;
use crate::domain::{MicrophoneRule, Timestamp};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often it is looked for what has come; the ring holds thousands of times as much.
const LOOK: Duration = Duration::from_millis(5);
/// How often a device that is not there is looked for.
const RETRY: Duration = Duration::from_secs(2);
/// A device that delivers nothing for so long is gone, whatever it says.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often front ends are told.
const TELL: Duration = Duration::from_millis(50);

/// Listens until the station stops. A paused line hears nothing, and keeps nothing of what is said meanwhile.
pub(in crate::engine) fn run_microphone(shared: &Shared, rule: &MicrophoneRule) {
    let mut trouble = None;
    let mut past = Hearing::default();
    while !shared.is_stopping() {
        if shared.paused.load(Ordering::Relaxed) {
            tell(shared, Hearing { trouble: Some("the line pauses".to_owned()), ..past.clone() });
            std::thread::sleep(TICK);
            continue;
        }
        let why = match Capture::open(rule.device.as_deref()) {
            Ok(capture) => {
                report(shared, &mut trouble, None);
                let why = listen(shared, rule, &capture, &mut past);
                why.map(|why| format!("the microphone {} is gone: {why}", capture.name))
            }
            Err(why) => Some(why),
        };
        let Some(why) = why else { continue };
        tell(shared, Hearing { trouble: Some(why.clone()), ..past.clone() });
        report(shared, &mut trouble, Some(why));
        let since = Instant::now();
        while since.elapsed() < RETRY && !shared.is_stopping() {
            std::thread::sleep(TICK);
        }
    }
}

fn tell(shared: &Shared, hearing: Hearing) {
    *shared.hearing.lock() = Some(hearing);
}

/// Cuts what comes until the line pauses or stops, or until the device is gone: why, then. `past` has the
/// counts of the station's run.
fn listen(shared: &Shared, rule: &MicrophoneRule, capture: &Capture, past: &mut Hearing) -> Option<String> {
    let mut recorder = Recorder::new(rule, &shared.source_folder, capture.rate_hz, capture.channels);
    let (mut lost, mut dropped, mut overruns, mut peak) = (0, 0, 0, 0.0_f32);
    let (mut heard_at, mut told_at) = (Instant::now(), Instant::now());
    let mut unwritable = None;
    let why = loop {
        if shared.is_stopping() || shared.paused.load(Ordering::Relaxed) {
            break None;
        }
        let mut has_come = false;
        while let Some(caught) = capture.next() {
            let now = Timestamp::now();
            if caught.lost > 0 {
                recorder.finish(now);
                lost += caught.lost;
                let secs = caught.lost as f64 / f64::from(capture.rate_hz);
                shared.tell(StationEvent::Trouble(format!(
                    "{secs:.2} s of the microphone are lost: this machine was too busy"
                )));
            }
            peak = caught.samples.iter().fold(peak, |peak, v| peak.max(v.abs()));
            recorder.take(&caught.samples, now);
            capture.give_back(caught);
            has_come = true;
        }
        if has_come {
            heard_at = Instant::now();
        } else if heard_at.elapsed() > PATIENCE {
            break Some("it delivers nothing".to_owned());
        }
        if capture.overruns() > overruns {
            overruns = capture.overruns();
            // A clip has no holes, as far as that is known.
            recorder.finish(Timestamp::now());
            shared.tell(StationEvent::Trouble(
                "the sound system lost some of what the microphone heard: this machine was too busy"
                    .to_owned(),
            ));
        }
        report(shared, &mut unwritable, recorder.write().err().map(|error| error.to_string()));
        if recorder.dropped > dropped {
            dropped = recorder.dropped;
            shared.tell(StationEvent::Trouble(format!(
                "{dropped} clips of the microphone are lost: they could not be written"
            )));
        }
        if told_at.elapsed() >= TELL {
            told_at = Instant::now();
            tell(shared, now_heard(capture, &recorder, past, (lost, std::mem::take(&mut peak))));
        }
        if let Some(why) = capture.gone() {
            break Some(why);
        }
        std::thread::sleep(LOOK);
    };
    recorder.finish(Timestamp::now());
    report(shared, &mut unwritable, recorder.write().err().map(|error| error.to_string()));
    if recorder.unwritten() > 0 {
        let clips = recorder.unwritten();
        shared.tell(StationEvent::Trouble(format!("{clips} clips of the microphone could not be written")));
    }
    let last = now_heard(capture, &recorder, past, (lost, 0.0));
    *past = Hearing { device: None, is_open: false, score: None, unwritten: 0, ..last };
    why
}

fn now_heard(capture: &Capture, recorder: &Recorder, past: &Hearing, (lost, peak): (u64, f32)) -> Hearing {
    let listener = recorder.listener();
    Hearing {
        device: Some(capture.name.clone()),
        trouble: None,
        peak,
        is_open: listener.is_open(),
        score: listener.score(),
        clips: past.clips + recorder.clips,
        unwritten: recorder.unwritten(),
        heard_secs: past.heard_secs + recorder.heard_secs(),
        lost_secs: past.lost_secs + lost as f64 / f64::from(capture.rate_hz),
    }
}
