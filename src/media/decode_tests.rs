//! Tests of decoding: every bad input that a camera or a person can deliver.

use super::*;
use crate::media::{encode_jpeg, encode_png_grey};
use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};

const CMYK: &[u8] = include_bytes!("../../tests/fixtures/cmyk.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("../../tests/fixtures/progressive.jpg");
const ANIMATED_GIF: &[u8] = include_bytes!("../../tests/fixtures/animated.gif");
const ANIMATED_WEBP: &[u8] = include_bytes!("../../tests/fixtures/animated.webp");

fn written(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Busy enough that every part of the file matters.
fn textured(width: u32, height: u32) -> Raster {
    let value = |i: u32| u8::try_from((i.wrapping_mul(2_654_435_761) >> 24) & 0xFF).unwrap();
    Raster { width, height, channels: 3, pixels: (0..width * height * 3).map(value).collect() }
}

fn text_of(bytes: &[u8]) -> String {
    let text = decode_image(bytes).expect_err("must be refused").to_string();
    assert!(!text.contains('\n') && text.len() < 240, "{text}");
    text
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    (!crc).to_be_bytes()
}

fn png_chunk(kind: &str, data: &[u8]) -> Vec<u8> {
    let body = [kind.as_bytes(), data].concat();
    [&u32::try_from(data.len()).unwrap().to_be_bytes(), body.as_slice(), &crc(&body)].concat()
}

/// A PNG with other chunks between its header and its data, and another header size.
fn png_with(size: Option<(u32, u32)>, chunks: &[Vec<u8>]) -> Vec<u8> {
    let png = encode_png_grey(8, 8, &[7; 64]).unwrap();
    let mut header = png[16..29].to_vec();
    if let Some((width, height)) = size {
        header[..4].copy_from_slice(&width.to_be_bytes());
        header[4..8].copy_from_slice(&height.to_be_bytes());
    }
    [&png[..8], &png_chunk("IHDR", &header), &chunks.concat(), &png[33..]].concat()
}

fn jpeg_with_size(width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = encode_jpeg(&textured(16, 16), 90).unwrap();
    let at = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

#[test]
fn what_is_no_picture_is_named() {
    assert_eq!(text_of(b""), "the file is empty");
    assert_eq!(text_of(b"just some notes, saved as photo.jpg\n"), "not a picture but a text file");
    assert_eq!(
        text_of("P1 ist der Anfang eines Textes über Bilder".as_bytes()),
        "not a picture but a text file"
    );
    assert_eq!(text_of(b"RIFF\x24\0\0\0WAVEfmt "), "not a picture but a sound");
    assert_eq!(text_of(&[0; 100]), "not a picture but zeros only");
    assert_eq!(text_of(b"%PDF-1.7"), "not a picture but a PDF");
    assert_eq!(
        text_of(b"\0\0\0\x1cftypavif\0\0\0\0mif1"),
        "AVIF pictures are not supported: use JPEG, PNG, BMP, TIFF or WebP"
    );
}

#[test]
fn animated_pictures_are_refused() {
    assert_eq!(text_of(ANIMATED_GIF), "animated pictures are not accepted (GIF)");
    assert_eq!(text_of(ANIMATED_WEBP), "animated pictures are not accepted (WebP)");
    let frames = png_chunk("acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
    assert_eq!(text_of(&png_with(None, &[frames])), "animated pictures are not accepted (APNG)");
    assert!(decode_image(&png_with(None, &[])).is_ok());
}

#[test]
fn sizes_are_refused_by_the_header_alone() {
    for bytes in [png_with(Some((60_000, 60_000)), &[]), jpeg_with_size(60_000, 60_000)] {
        assert!(text_of(&bytes).starts_with("60000 × 60000 pixels are too large"));
    }
    assert!(text_of(&png_with(Some((70_000, 10)), &[])).contains("at most 65535 a side"));
    for bytes in [png_with(Some((0, 0)), &[]), jpeg_with_size(0, 0)] {
        assert_eq!(text_of(&bytes), "the picture has no pixels (0 × 0)");
    }
}

#[test]
fn every_cut_is_an_error_in_every_format() {
    let rgb = textured(90, 70);
    let image = ImageBuffer::<Rgb<u8>, _>::from_raw(90, 70, rgb.pixels.clone()).unwrap();
    let mut files = vec![("JPEG", encode_jpeg(&rgb, 90).unwrap()), ("progressive", PROGRESSIVE.to_vec())];
    for (name, format) in [
        ("PNG", ImageFormat::Png),
        ("BMP", ImageFormat::Bmp),
        ("TIFF", ImageFormat::Tiff),
        ("WebP", ImageFormat::WebP),
    ] {
        files.push((name, written(image.clone(), format)));
    }
    for (name, bytes) in files {
        let whole = decode_image(&bytes).unwrap();
        assert!(whole.width >= 16, "{name}");
        // The last chunk of a PNG carries no pixels; without it nothing is lost.
        let spare = if name == "PNG" { 16 } else { 1 };
        for percent in [2, 10, 30, 50, 90, 99] {
            let _ = text_of(&bytes[..bytes.len() * percent / 100]);
        }
        let _ = text_of(&bytes[..bytes.len() - spare - 1]);
    }
    let jpeg = encode_jpeg(&rgb, 90).unwrap();
    assert_eq!(text_of(&jpeg[..jpeg.len() / 2]), "the JPEG is cut off before its end");
    assert!(decode_image(&[&jpeg[..], b"padding"].concat()).is_ok(), "bytes after the end do no harm");
}

#[test]
fn damage_inside_is_an_error_or_an_answer_but_never_a_panic() {
    let jpeg = encode_jpeg(&textured(64, 64), 85).unwrap();
    let png = written(
        ImageBuffer::<Rgb<u8>, _>::from_raw(64, 64, textured(64, 64).pixels).unwrap(),
        ImageFormat::Png,
    );
    for at in (2..jpeg.len()).step_by(7) {
        let mut bytes = jpeg.clone();
        bytes[at] ^= 0x5A;
        let _ = decode_image(&bytes);
    }
    // Every byte of a PNG's data is covered by a check sum.
    for at in (41..png.len() - 12).step_by(97) {
        let mut bytes = png.clone();
        bytes[at] ^= 0x5A;
        let _ = text_of(&bytes);
    }
}

#[test]
fn deep_grey_palette_and_transparent_pictures_become_8_bit_grey_or_rgb() {
    let grey16 = ImageBuffer::from_fn(3, 1, |x, _| Luma([[0_u16, 32_896, 65_535][x as usize]]));
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let raster = decode_image(&written(grey16.clone(), format)).unwrap();
        assert_eq!((raster.channels, raster.pixels), (1, vec![0, 128, 255]));
    }
    let rgb16 = ImageBuffer::from_pixel(2, 1, Rgb([0_u16, 65_535, 257]));
    let raster = decode_image(&written(rgb16, ImageFormat::Png)).unwrap();
    assert_eq!((raster.channels, raster.pixels), (3, vec![0, 255, 1, 0, 255, 1]));

    let clear = ImageBuffer::from_fn(3, 1, |x, _| Rgba([200, 0, 255, [0_u8, 128, 255][x as usize]]));
    let raster = decode_image(&written(clear, ImageFormat::Png)).unwrap();
    assert_eq!((raster.channels, raster.pixels), (3, vec![128, 128, 128, 164, 64, 192, 200, 0, 255]));
    let clear_grey = ImageBuffer::from_pixel(1, 1, LumaA([250_u8, 0]));
    let raster = decode_image(&written(clear_grey, ImageFormat::Png)).unwrap();
    assert_eq!((raster.channels, raster.pixels), (1, vec![128]));

    // Colour type 3 in the header; two colours, one opaque and one clear.
    let png = encode_png_grey(8, 8, &[1; 64]).unwrap();
    let mut header = png[16..29].to_vec();
    header[9] = 3;
    let palette = [png_chunk("PLTE", &[1, 2, 3, 10, 20, 30]), png_chunk("tRNS", &[0, 255])].concat();
    let bytes = [&png[..8], &png_chunk("IHDR", &header), &palette, &png[33..]].concat();
    let raster = decode_image(&bytes).unwrap();
    assert_eq!((raster.channels, &raster.pixels[..3]), (3, &[10, 20, 30][..]));
}

#[test]
fn cmyk_and_progressive_jpegs_come_out_as_rgb() {
    let raster = decode_image(CMYK).unwrap();
    assert_eq!((raster.width, raster.height, raster.channels), (24, 16, 3));
    // The picture runs from cyan to yellow.
    let near = |pixel: &[u8], expected: [u8; 3]| pixel.iter().zip(expected).all(|(a, b)| a.abs_diff(b) < 40);
    assert!(near(&raster.pixels[..3], [0, 255, 255]), "{:?}", &raster.pixels[..3]);
    let last = &raster.pixels[raster.pixels.len() - 3..];
    assert!(near(last, [255, 255, 0]), "{last:?}");
    assert_eq!(decode_image(PROGRESSIVE).unwrap().channels, 3);
    let grey = Raster { width: 9, height: 5, channels: 1, pixels: vec![77; 45] };
    assert_eq!(decode_image(&encode_jpeg(&grey, 95).unwrap()).unwrap(), grey);
}

#[test]
fn exif_rotation_is_applied() {
    // Left half black, right half white, 32 × 16; orientation 6 asks for a quarter turn clockwise.
    let pixels = (0..32 * 16).map(|i| if i % 32 < 16 { 0 } else { 255 }).collect();
    let jpeg = encode_jpeg(&Raster { width: 32, height: 16, channels: 1, pixels }, 95).unwrap();
    let tiff = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let exif = [&b"\xFF\xE1\0\x22Exif\0\0"[..], tiff].concat();
    let bytes = [&jpeg[..2], &exif, &jpeg[2..]].concat();
    let raster = decode_image(&bytes).unwrap();
    assert_eq!((raster.width, raster.height), (16, 32));
    assert!(raster.pixels[8] < 20 && raster.pixels[31 * 16 + 8] > 235, "black half on top");
}

#[test]
fn a_line_scan_picture_of_53_million_pixels_decodes() {
    let (width, height) = (1944, 27_136);
    let pixels = (0..width * height).map(|i| if i % 977 < 20 { 200 } else { 40 }).collect();
    let raster = Raster { width, height, channels: 1, pixels };
    let decoded = decode_image(&encode_jpeg(&raster, 60).unwrap()).unwrap();
    assert_eq!((decoded.width, decoded.height, decoded.channels), (width, height, 1));
}

#[test]
fn a_panic_in_a_decoder_is_an_error() {
    let bad: &[u8] = &[];
    let result = guarded("PNG", || Ok(bad[std::hint::black_box(3)]));
    assert_eq!(result.unwrap_err().to_string(), "the PNG is damaged in a way that stopped its decoder");
}

#[test]
fn real_photographs_pass_the_strict_decoder() {
    let data = std::env::var_os("SECONDLOOK_DATA").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        std::path::PathBuf::from,
    );
    let Ok(entries) = std::fs::read_dir(data.join("phone-screens/images")) else {
        eprintln!("SKIPPED: no phone-screens below {} (set SECONDLOOK_DATA)", data.display());
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let raster = decode_image(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!((raster.width, raster.height, raster.channels), (1920, 1080, 3), "{}", path.display());
    }
}
