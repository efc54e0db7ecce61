//! Bytes → pixels and samples, and back: decoding under strict limits, encoding, thumbnails, and
//! telling pictures from sounds by content.
//!
//! Knows nothing of files, the store or models.

mod decode;
mod encode;
mod jpeg;
mod raster;
mod resize;
mod sniff;
mod sound;
mod stats;

pub use decode::{FILE_BYTES_MAX, MediaError, PIXELS_MAX, SIDE_PX_MAX, decode_image};
pub use encode::{encode_jpeg, encode_png_grey};
pub use raster::Raster;
pub use resize::{resize, thumbnail};
pub use sniff::sniff;
pub use sound::{
    CHANNELS_MAX, RATE_HZ_MAX, RATE_HZ_MIN, SAMPLES_MAX, Sound, SoundFile, SoundSource, WavFormat,
    decode_sound, encode_wav,
};
pub use stats::image_stats;
