//! Bytes → pixels: decoding under strict limits, thumbnails, tiles.
//!
//! Knows nothing of files, the store or models.

mod decode;
mod encode;
mod raster;

pub use decode::{MediaError, decode_image};
pub use encode::{encode_jpeg, encode_png_grey};
pub use raster::Raster;
