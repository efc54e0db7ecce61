//! An input of the machine, asked for nothing but to call back.

use super::{Caught, Microphone};
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{FromSample, SampleFormat, SizedSample, StreamConfig};
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Samples of a block, and blocks: half a minute and more at 48 kHz in stereo, 16 MB. Devices call back every
/// 10 to 20 ms, with a block each.
const BLOCK_SAMPLES: usize = 2048;
const BLOCKS: usize = 2048;
const NONE: &str = "No microphone: nothing is heard until there is one";

/// What could be listened to.
pub fn microphones() -> Result<Vec<Microphone>, String> {
    let host = cpal::default_host();
    let default = host.default_input_device().and_then(|device| device.id().ok());
    let devices =
        host.input_devices().map_err(|error| format!("the sound devices do not answer: {error}"))?;
    Ok(devices
        .filter_map(|device| {
            let id = device.id().ok()?;
            let is_default = default.as_ref() == Some(&id);
            Some(Microphone { device: id.to_string(), name: device.to_string(), is_default })
        })
        .collect())
}

/// An open device.
pub struct Capture {
    /// Ends when it is dropped.
    _stream: cpal::Stream,
    full: Receiver<Caught>,
    empty: Sender<Caught>,
    gone: Receiver<String>,
    overruns: Arc<AtomicU64>,
    pub name: String,
    pub rate_hz: u32,
    pub channels: u32,
}

impl Capture {
    /// The device of this name, or the machine's own choice, as it delivers by itself.
    pub fn open(wanted: Option<&str>) -> Result<Self, String> {
        let host = cpal::default_host();
        let device = match wanted {
            None => host.default_input_device().ok_or_else(|| NONE.to_owned())?,
            Some(wanted) => host
                .input_devices()
                .map_err(|error| format!("{NONE}: {error}"))?
                .find(|device| device.id().is_ok_and(|id| id.to_string() == wanted))
                .ok_or_else(|| format!("There is no microphone \"{wanted}\" now"))?,
        };
        let usual = device.default_input_config().map_err(|error| format!("{NONE} ({error})"))?;
        let config = usual.config();
        let (catcher, full, empty) = ring(usize::from(config.channels.max(1)));
        let (tell, gone) = bounded(1);
        let overruns = Arc::new(AtomicU64::new(0));
        let told = || (tell.clone(), Arc::clone(&overruns));
        let stream = match usual.sample_format() {
            SampleFormat::F32 => stream::<f32>(&device, config, catcher, told()),
            SampleFormat::I16 => stream::<i16>(&device, config, catcher, told()),
            SampleFormat::I32 => stream::<i32>(&device, config, catcher, told()),
            SampleFormat::U16 => stream::<u16>(&device, config, catcher, told()),
            SampleFormat::U8 => stream::<u8>(&device, config, catcher, told()),
            other => return Err(format!("The microphone gives samples as {other}, which are not read")),
        }?;
        stream.play().map_err(|error| format!("The microphone does not begin: {error}"))?;
        let (rate_hz, channels) = (config.sample_rate, u32::from(config.channels));
        Ok(Self { _stream: stream, full, empty, gone, overruns, name: device.to_string(), rate_hz, channels })
    }

    /// What was heard next, if it is there.
    pub fn next(&self) -> Option<Caught> {
        self.full.try_recv().ok()
    }

    /// The block goes round.
    pub fn give_back(&self, caught: Caught) {
        let _ = self.empty.try_send(caught);
    }

    /// How often the sound system lost something before it came here.
    pub fn overruns(&self) -> u64 {
        self.overruns.load(Ordering::Relaxed)
    }

    /// Why it delivers no longer.
    pub fn gone(&self) -> Option<String> {
        self.gone.try_recv().ok()
    }
}

fn stream<T: SizedSample>(
    device: &cpal::Device,
    config: StreamConfig,
    mut catcher: Catcher,
    (tell, overruns): (Sender<String>, Arc<AtomicU64>),
) -> Result<cpal::Stream, String>
where
    f32: FromSample<T>,
{
    let callback = move |data: &[T], _: &cpal::InputCallbackInfo| catcher.catch(data);
    let troubled = move |error: cpal::Error| {
        use cpal::ErrorKind::{DeviceChanged, RealtimeDenied, Xrun};
        match error.kind() {
            Xrun => drop(overruns.fetch_add(1, Ordering::Relaxed)),
            // The stream goes on by itself.
            DeviceChanged | RealtimeDenied => {}
            // One reason is enough.
            _ => drop(tell.try_send(error.to_string())),
        }
    };
    device
        .build_input_stream(config, callback, troubled, None)
        .map_err(|error| format!("The microphone cannot be opened: {error}"))
}

/// The callback's end: it neither allocates nor locks nor waits.
struct Catcher {
    full: Sender<Caught>,
    empty: Receiver<Caught>,
    channels: usize,
    /// Frames for which no block was free.
    lost: u64,
}

/// Both ends, with all blocks there will ever be.
fn ring(channels: usize) -> (Catcher, Receiver<Caught>, Sender<Caught>) {
    let ((full, caught), (back, empty)) = (bounded(BLOCKS), bounded(BLOCKS));
    for _ in 0..BLOCKS {
        // As many as there is room for.
        let _ = back.try_send(Caught { lost: 0, samples: Vec::with_capacity(BLOCK_SAMPLES) });
    }
    (Catcher { full, empty, channels, lost: 0 }, caught, back)
}

impl Catcher {
    fn catch<T: Copy>(&mut self, data: &[T])
    where
        f32: FromSample<T>,
    {
        let most = (BLOCK_SAMPLES / self.channels).max(1) * self.channels;
        for piece in data.chunks(most) {
            match self.empty.try_recv() {
                Ok(mut block) => {
                    block.samples.clear();
                    block.samples.extend(piece.iter().map(|v| f32::from_sample_(*v)));
                    block.lost = std::mem::take(&mut self.lost);
                    // There is room for every block there is.
                    let _ = self.full.try_send(block);
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                    self.lost += (piece.len() / self.channels) as u64;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_comes_once_and_what_nobody_fetched_in_time_is_counted() {
        let (mut catcher, full, empty) = ring(2);
        let mut next = 0_i32;
        let mut call = |catcher: &mut Catcher, frames: i32| {
            let data: Vec<f32> = (next..next + frames).flat_map(|v| [v as f32, -v as f32]).collect();
            next += frames;
            catcher.catch(&data);
        };
        let mut seed = 7_u32;
        let (mut expected, mut lost) = (0_u64, 0);
        for round in 0..6_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            call(&mut catcher, (seed >> 8).cast_signed() % 1_500 + 1);
            // For a while nobody looks.
            if (1_000..4_500).contains(&round) {
                continue;
            }
            while let Ok(block) = full.try_recv() {
                lost += block.lost;
                expected += block.lost;
                for frame in block.samples.chunks_exact(2) {
                    assert_eq!((frame[0] as u64, frame[1] as i64), (expected, -expected.cast_signed()));
                    expected += 1;
                }
                empty.try_send(block).unwrap();
            }
        }
        assert_eq!(expected, next as u64);
        assert!(lost > 100_000 && lost < expected / 2, "{lost}");
    }
}
