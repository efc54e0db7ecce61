//! Bytes → pixels: decoding under strict limits, thumbnails, tiles.
//!
//! Knows nothing of files, the store or models.

mod decode;
mod raster;

pub use decode::{MediaError, decode_image};
pub use raster::Raster;
