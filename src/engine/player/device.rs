//! A sound device: opened when something is first played, and asked for nothing but to call back.

use super::ring::{Clock, Feeder, Filler, ring};
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, FromSample, SampleFormat, SizedSample, StreamConfig, SupportedBufferSize};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::time::Duration;

/// Samples that are converted at a time.
const SCRATCH: usize = 4096;
/// Calls of the device a second: what it holds is not taken back by a pause.
const CALLS_PER_SEC: u32 = 50;
/// A device in trouble that has asked for nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at a device in trouble, which may come without a pause.
const REST: Duration = Duration::from_millis(5);

pub struct Output {
    /// Ends when it is dropped.
    _stream: cpal::Stream,
    pub filler: Filler,
    /// Why it plays no longer.
    pub gone: Receiver<String>,
    pub rate_hz: u32,
    pub channels: usize,
}

impl Output {
    /// The default device, at the sound's own rate where it plays that.
    pub fn open(clock: &Arc<Clock>, wanted_hz: u32) -> Result<Self, String> {
        let none = || "No sound device: sounds are seen, but not heard".to_owned();
        let device = cpal::default_host().default_output_device().ok_or_else(none)?;
        let usual = device.default_output_config().map_err(|_| none())?;
        let own = device.supported_output_configs().ok().and_then(|ranges| {
            ranges
                .filter(|range| {
                    range.channels() == usual.channels() && range.sample_format() == usual.sample_format()
                })
                .find_map(|range| range.try_with_sample_rate(wanted_hz))
        });
        let chosen = own.unwrap_or(usual);
        let mut config = chosen.config();
        if let SupportedBufferSize::Range { min, max } = chosen.buffer_size() {
            config.buffer_size = BufferSize::Fixed((config.sample_rate / CALLS_PER_SEC).clamp(*min, *max));
        }
        let (filler, feeder) = ring(clock, usize::from(config.channels), config.sample_rate);
        let (tell, gone) = bounded(1);
        clock.note_asked();
        let stream = match chosen.sample_format() {
            SampleFormat::F32 => stream::<f32>(&device, config, feeder, (clock, tell)),
            SampleFormat::I16 => stream::<i16>(&device, config, feeder, (clock, tell)),
            SampleFormat::I32 => stream::<i32>(&device, config, feeder, (clock, tell)),
            SampleFormat::U16 => stream::<u16>(&device, config, feeder, (clock, tell)),
            SampleFormat::U8 => stream::<u8>(&device, config, feeder, (clock, tell)),
            other => return Err(format!("The sound device wants samples as {other}, which is not written")),
        }?;
        stream.play().map_err(|error| format!("The sound device does not begin: {error}"))?;
        Ok(Self {
            _stream: stream,
            filler,
            gone,
            rate_hz: config.sample_rate,
            channels: usize::from(config.channels),
        })
    }
}

fn stream<T: SizedSample + FromSample<f32>>(
    device: &cpal::Device,
    config: StreamConfig,
    mut feeder: Feeder,
    (clock, tell): (&Arc<Clock>, Sender<String>),
) -> Result<cpal::Stream, String> {
    let channels = usize::from(config.channels.max(1));
    let mut scratch = vec![0.0; SCRATCH / channels * channels];
    let per_sample = 1.0 / (f64::from(config.sample_rate) * channels as f64);
    let callback = move |data: &mut [T], info: &cpal::OutputCallbackInfo| {
        let times = info.timestamp();
        let mut latency = times.playback.duration_since(times.callback);
        for piece in data.chunks_mut(scratch.len()) {
            let floats = &mut scratch[..piece.len()];
            feeder.fill(floats, latency);
            piece.iter_mut().zip(floats.iter()).for_each(|(to, from)| *to = T::from_sample(*from));
            latency += Duration::from_secs_f64(piece.len() as f64 * per_sample);
        }
    };
    let clock = Arc::clone(clock);
    let troubled = move |error: cpal::Error| {
        let is_over = matches!(
            error.kind(),
            cpal::ErrorKind::DeviceNotAvailable
                | cpal::ErrorKind::HostUnavailable
                | cpal::ErrorKind::StreamInvalidated
        );
        // Everything else goes on by itself, unless it does not end: a sound server knows no delay before
        // its stream has begun.
        if is_over || clock.unasked() > PATIENCE {
            // One reason is enough.
            let _ = tell.try_send(format!("The sound device is gone: {error}"));
        }
        std::thread::park_timeout(REST);
    };
    device
        .build_output_stream(config, callback, troubled, None)
        .map_err(|error| format!("The sound device cannot be opened: {error}"))
}
