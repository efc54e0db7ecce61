//! The waveform: smallest, largest and mean power of what falls on each column of the screen, from the
//! pyramid, and from the samples themselves where one looks closely.

use super::super::super::recordings::Recordings;
use super::axis::Ruled;
use crate::domain::MediaHash;
use crate::engine::{BLOCK_FRAMES, Peak, SoundHead};
use eframe::egui::{Color32, Mesh, Painter, Pos2, Rect, Stroke, pos2, vec2};
use std::sync::Arc;

/// Channels with a lane of their own; of more, those before the last are shown, and it says so.
pub const LANES_MAX: u32 = 4;
/// Below so many frames in a column the samples themselves are read: what the finest stretch of the
/// pyramid holds.
const SAMPLES_BELOW: f64 = 256.0;
/// From so many points between two samples on, each is a dot.
const DOT_POINTS: f64 = 8.0;

/// Colours of the waveform: outline, mean power, middle.
#[derive(Clone, Copy)]
pub struct Ink {
    pub peak: Color32,
    pub mean: Color32,
    pub middle: Color32,
}

/// Where one sound's waveform goes.
pub struct Wave<'a> {
    pub media: &'a MediaHash,
    pub head: &'a SoundHead,
    pub ruled: Ruled,
    pub area: Rect,
    pub ink: Ink,
    /// By which it is drawn higher, like the spectrogram's gain.
    pub gain: f32,
}

impl Wave<'_> {
    pub fn paint(&self, painter: &Painter, recordings: &mut Recordings) {
        let lanes = self.head.channels.clamp(1, LANES_MAX);
        let height = self.area.height() / lanes as f32;
        for channel in 0..lanes {
            let top = self.area.top() + height * channel as f32;
            let lane = Rect::from_min_size(pos2(self.area.left(), top), vec2(self.area.width(), height));
            self.lane(
                &painter.with_clip_rect(lane.intersect(painter.clip_rect())),
                recordings,
                channel,
                lane,
            );
        }
    }

    fn lane(&self, painter: &Painter, recordings: &mut Recordings, channel: u32, lane: Rect) {
        painter.hline(lane.x_range(), lane.center().y, Stroke::new(1.0, self.ink.middle));
        let pixel = 1.0 / painter.ctx().pixels_per_point();
        let frames_per_column = f64::from(pixel) * self.ruled.secs_per_point * f64::from(self.head.rate_hz);
        if frames_per_column < 1.0 {
            self.curve(painter, recordings, channel, lane);
            return;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "columns of a screen")]
        let columns = (lane.width() / pixel).ceil().max(1.0) as usize;
        let first = self.frame(self.ruled.start);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "frames on a screen")]
        let end = first + (columns as f64 * frames_per_column).round() as u64;
        let peaks = if frames_per_column >= SAMPLES_BELOW {
            self.head.peaks.view(channel, first..end, columns)
        } else {
            self.peaks_of_samples(recordings, channel, first, frames_per_column, columns)
        };
        let mut mesh = Mesh::default();
        let (middle, half) = (lane.center().y, lane.height() / 2.0 - 2.0);
        let y = |v: f32| middle - (v * self.gain).clamp(-1.0, 1.0) * half;
        for (column, peak) in peaks.iter().enumerate() {
            let Some(peak) = peak else { continue };
            let x = lane.left() + column as f32 * pixel;
            let bar = |low: f32, high: f32| {
                // Never thinner than a pixel, so that silence is a line.
                Rect::from_min_max(pos2(x, y(high)), pos2(x + pixel, y(low).max(y(high) + pixel)))
            };
            mesh.add_colored_rect(bar(peak.min, peak.max), self.ink.peak);
            let mean = peak.mean_square.sqrt();
            mesh.add_colored_rect(bar((-mean).max(peak.min), mean.min(peak.max)), self.ink.mean);
        }
        painter.add(mesh);
    }

    fn frame(&self, secs: f64) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
        let frame = (secs * f64::from(self.head.rate_hz)).round().max(0.0) as u64;
        frame
    }

    fn peaks_of_samples(
        &self,
        recordings: &mut Recordings,
        channel: u32,
        first: u64,
        frames_per_column: f64,
        columns: usize,
    ) -> Vec<Option<Peak>> {
        let mut samples = Samples::new(self.media, self.head.channels, channel);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "frames on a screen")]
        let edge = |column: usize| first + (column as f64 * frames_per_column).round() as u64;
        (0..columns)
            .map(|column| {
                let (from, to) = (edge(column), edge(column + 1).max(edge(column) + 1).min(self.head.frames));
                let mut peak = Peak { min: f32::INFINITY, max: f32::NEG_INFINITY, mean_square: 0.0 };
                for frame in from..to {
                    let v = samples.at(recordings, frame)?;
                    peak.min = peak.min.min(v);
                    peak.max = peak.max.max(v);
                    peak.mean_square += v * v;
                }
                peak.mean_square /= to.saturating_sub(from).max(1) as f32;
                (from < to).then_some(peak)
            })
            .collect()
    }

    /// Sample by sample, joined by lines.
    fn curve(&self, painter: &Painter, recordings: &mut Recordings, channel: u32, lane: Rect) {
        let mut samples = Samples::new(self.media, self.head.channels, channel);
        let rate = f64::from(self.head.rate_hz);
        let first = self.frame(self.ruled.start).saturating_sub(1);
        let end = (self.frame(self.ruled.end()) + 2).min(self.head.frames);
        let half = lane.height() / 2.0 - 2.0;
        let points: Vec<Pos2> = (first..end)
            .filter_map(|frame| {
                let v = samples.at(recordings, frame)?;
                // A sample stands for the middle of its stretch.
                let x = self.ruled.x_at((frame as f64 + 0.5) / rate);
                Some(pos2(x, lane.center().y - (v * self.gain).clamp(-1.0, 1.0) * half))
            })
            .collect();
        if 1.0 / (rate * self.ruled.secs_per_point) >= DOT_POINTS {
            for point in &points {
                painter.circle_filled(*point, 2.0, self.ink.mean);
            }
        }
        painter.line(points, Stroke::new(1.2, self.ink.mean));
    }
}

/// Samples of one channel, block by block.
struct Samples<'a> {
    media: &'a MediaHash,
    channels: usize,
    channel: usize,
    at: Option<u64>,
    block: Option<Arc<Vec<f32>>>,
}

impl<'a> Samples<'a> {
    fn new(media: &'a MediaHash, channels: u32, channel: u32) -> Self {
        Self { media, channels: channels as usize, channel: channel as usize, at: None, block: None }
    }

    fn at(&mut self, recordings: &mut Recordings, frame: u64) -> Option<f32> {
        let block = frame / BLOCK_FRAMES;
        if self.at != Some(block) {
            self.at = Some(block);
            self.block = recordings.block(self.media, block);
        }
        let within = usize::try_from(frame % BLOCK_FRAMES).ok()?;
        self.block.as_ref()?.get(within * self.channels + self.channel).copied()
    }
}
