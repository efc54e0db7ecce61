//! Where a sound is in its recording, as far as nobody said so: a bark or a knock stands out of what is heard
//! before and after it, rain does not.

use crate::media::{CEILING_DB, FLOOR_DB, Raster};

/// In decibels: how far the loudest must lie above what is heard most of the time, how far below it a column
/// still belongs to it, and how far below the loudest band of its column a band does.
const ABOVE_REST_DB: f32 = 20.0;
const BELOW_PEAK_DB: f32 = 15.0;
const BELOW_BAND_DB: f32 = 25.0;
/// The loudest is that which a fiftieth of the columns reach, the rest what a quarter do not exceed.
const LOUDEST: f32 = 0.98;
const REST: f32 = 0.25;
/// What takes longer than this share of a recording is the recording.
const SHARE_MAX: f32 = 0.5;

/// Covered pixels (255) of a mel picture; `None` where nothing stands out.
pub(super) fn stand_out(picture: &Raster) -> Option<Raster> {
    let width = picture.width as usize;
    let db = |level: u8| FLOOR_DB + (CEILING_DB - FLOOR_DB) * f32::from(level) / 255.0;
    let column = |x: usize| picture.pixels.iter().skip(x).step_by(width).copied();
    let loudness: Vec<f32> = (0..width)
        .map(|x| 10.0 * column(x).map(|level| 10.0_f32.powf(db(level) / 10.0)).sum::<f32>().log10())
        .collect();
    let mut sorted = loudness.clone();
    sorted.sort_by(f32::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the columns")]
    let at = |share: f32| sorted[(share * (width - 1) as f32) as usize];
    let (loudest, rest) = (at(LOUDEST), at(REST));
    let least = (loudest - BELOW_PEAK_DB).max(rest + ABOVE_REST_DB / 2.0);
    let loud = loudness.iter().filter(|loudness| **loudness >= least).count();
    if loudest - rest < ABOVE_REST_DB || loud as f32 > SHARE_MAX * width as f32 {
        return None;
    }
    let mut mask = Raster { channels: 1, pixels: vec![0; picture.pixels.len()], ..*picture };
    for x in (0..width).filter(|x| loudness[*x] >= least) {
        let peak = column(x).map(db).fold(FLOOR_DB, f32::max);
        for (y, level) in column(x).enumerate() {
            if db(level) >= peak - BELOW_BAND_DB {
                mask.pixels[y * width + x] = 255;
            }
        }
    }
    Some(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten bands over a hundred columns: `level` in some columns and bands, a quiet hiss elsewhere.
    fn picture(level: u8, columns: std::ops::Range<usize>) -> Raster {
        let is_event = |at: usize| columns.contains(&(at % 100)) && (3..6).contains(&(at / 100));
        let pixels = (0..1000).map(|at| if is_event(at) { level } else { 60 }).collect();
        Raster { width: 100, height: 10, channels: 1, pixels }
    }

    #[test]
    fn a_knock_has_a_place_and_rain_has_none() {
        let knock = picture(160, 40..50);
        let mask = stand_out(&knock).unwrap();
        assert!(
            mask.pixels.iter().zip(&knock.pixels).all(|(covered, level)| (*covered > 0) == (*level > 60))
        );
        assert!(stand_out(&picture(160, 0..100)).is_none(), "all of the time");
        assert!(stand_out(&picture(160, 20..90)).is_none(), "most of the time");
        assert!(stand_out(&picture(80, 40..50)).is_none(), "hardly louder");
    }
}
