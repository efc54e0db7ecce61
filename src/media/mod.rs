//! Bytes → pixels and samples, and back: decoding under strict limits, encoding, thumbnails, and
//! telling pictures from sounds by content.
//!
//! Knows nothing of files, the store or models.

mod decode;
mod encode;
mod jpeg;
mod mel;
mod raster;
mod resize;
mod sniff;
mod sound;
mod stats;

pub use decode::{FILE_BYTES_MAX, MediaError, PIXELS_MAX, SIDE_PX_MAX, decode_image};
pub use encode::{encode_jpeg, encode_png_grey};
pub use mel::{CEILING_DB, FLOOR_DB, MelColumns, MelSpec, mel_picture};
pub use raster::Raster;
pub use resize::{resize, thumbnail};
pub use sniff::sniff;
pub use sound::{
    CHANNELS_MAX, Peak, Peaks, RATE_HZ_MAX, RATE_HZ_MIN, Resampler, SAMPLES_MAX, SILENCE_DB, Sound,
    SoundFile, SoundSource, Stretch, WavFormat, decode_sound, encode_wav, loudness_lufs, sound_stats, trim,
};
pub use stats::image_stats;

use crate::domain::{InputStats, MediaKind};

/// An item that was decoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    Image(Raster),
    Sound(Sound),
}

impl Decoded {
    #[must_use]
    pub const fn kind(&self) -> MediaKind {
        match self {
            Self::Image(_) => MediaKind::Image,
            Self::Sound(_) => MediaKind::Audio,
        }
    }

    /// What input checks follow.
    #[must_use]
    pub fn stats(&self) -> InputStats {
        match self {
            Self::Image(raster) => InputStats::Image(image_stats(raster)),
            Self::Sound(sound) => InputStats::Sound(sound_stats(sound)),
        }
    }
}

/// Decodes a picture or a sound, whichever the bytes are.
pub fn decode(bytes: &[u8]) -> Result<Decoded, MediaError> {
    match sniff(bytes) {
        Some(MediaKind::Audio) => decode_sound(bytes).map(Decoded::Sound),
        _ => decode_image(bytes).map(Decoded::Image),
    }
}
