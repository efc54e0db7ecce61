//! Decoded pixels, as every later stage sees them.

/// 8-bit pixels, row by row, channels interleaved, upright (EXIF orientation applied).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    pub width: u32,
    pub height: u32,
    /// 1 (grey) or 3 (RGB).
    pub channels: u32,
    pub pixels: Vec<u8>,
}
