//! How a new network looks at items, chosen from what they are like.

use super::data::{Listening, Look};
use super::settings::{TrainSettings, ViewChoice};
use crate::infer::{InputSpec, Levels, View};
use crate::media::MelSpec;

/// Side of a square input; about 165 M multiply-accumulates.
pub(super) const SIDE_PX: u32 = 256;
/// The same for a network that sees from the start: it finds what is finer.
pub(super) const TRANSFER_SIDE_PX: u32 = 352;
/// Views up to this many times the area of a window are shown whole.
const WINDOW_SHARE_MAX: f32 = 1.7;
/// Several times the width of a fine defect, and a fraction of an item.
const LOCAL_PX: u32 = 12;
/// A defect thinner than this in the network's input gives its output (stride 4) less than one
/// cell and a half, and is lost.
const DEFECT_SIDE_MIN_PX: f32 = 6.0;
/// Tiles overlap by an eighth, so that a small defect is whole in one of them.
const OVERLAP_PX: u32 = 32;
/// Inputs stay between 1 : 3 and 3 : 1; shapes that are tried on either side of the square.
const ASPECT_MAX: f32 = 3.0;
const ASPECT_STEPS: i16 = 8;
/// By how much whole blocks of 32 px may exceed the area that was asked for.
const AREA_ROUNDED: f32 = 1.02;

/// Items whose ratios of width to height differ by more than this are not pressed into one shape.
const ASPECTS_ALIKE: f32 = 1.15;

/// What one training example shows: the whole view, or a window of a view that is much larger. A
/// window does not show the whole item, so the item's own logit stays silent then.
pub(super) fn window(spec: &InputSpec, window_px: u32) -> InputSpec {
    let is_larger = spec.area() as f32 > WINDOW_SHARE_MAX * (window_px as f32).powi(2);
    if window_px == 0 || !is_larger || matches!(spec.view, View::Tiles { .. }) {
        return spec.clone();
    }
    let side = window_px.next_multiple_of(32).min(spec.width_px).min(spec.height_px);
    InputSpec { width_px: side, height_px: side, view: View::Tiles { overlap_px: 0 }, ..spec.clone() }
}

/// Chooses channels, size, view and reference from what the data look like.
pub(super) fn choose_input(look: &Look, settings: &TrainSettings) -> InputSpec {
    let aspect = (look.width / look.height).clamp(1.0 / ASPECT_MAX, ASPECT_MAX);
    // The area stays that of the square, so that the time per item does.
    let side = |ratio: f32| {
        let px = settings.side_px as f32 * ratio.sqrt();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most twice the side")]
        let blocks = (px / 32.0).round() as u32;
        blocks.max(1) * 32
    };
    let shape = |aspect: f32| [side(aspect), side(1.0 / aspect)];
    let [width_px, height_px] = shape(aspect);
    let shrink = (look.width / width_px as f32).max(look.height / height_px as f32);
    let lost = look.defect_side.is_some_and(|d| d / shrink < DEFECT_SIDE_MIN_PX);
    let by_itself = match look {
        _ if lost && shrink > 1.0 => ViewChoice::Tiles,
        look if look.aspects > ASPECTS_ALIKE => ViewChoice::Fit,
        _ => ViewChoice::Single,
    };
    let (view, [width_px, height_px]) = match settings.view.unwrap_or(by_itself) {
        ViewChoice::Single => (View::Single, [width_px, height_px]),
        ViewChoice::Fit => {
            let ratio = |step: i16| ASPECT_MAX.powf(f32::from(step) / f32::from(ASPECT_STEPS));
            let area_max = AREA_ROUNDED * (settings.side_px as f32).powi(2);
            let others = (-ASPECT_STEPS..=ASPECT_STEPS).map(|step| shape(ratio(step)));
            let as_large = others.filter(|[width, height]| (width * height) as f32 <= area_max);
            (View::Fit, least_shrunk(&look.sizes, std::iter::once([width_px, height_px]).chain(as_large)))
        }
        ViewChoice::Tiles => {
            (View::Tiles { overlap_px: OVERLAP_PX }, [settings.side_px.next_multiple_of(32); 2])
        }
    };
    let channels: u32 = if look.grey { 1 } else { 3 };
    let may_mirror = settings.augmentation.flip_x && settings.augmentation.flip_y;
    // Four times the work: for few units, whose scores are much chance.
    let gains = settings.transfer && look.has_rare_class && !look.reference;
    InputSpec {
        width_px,
        height_px,
        channels,
        levels: Levels::PerItem,
        mean: vec![0.5; channels as usize],
        std: vec![0.165; channels as usize],
        view,
        reference: look.reference,
        local_px: settings.local_px.unwrap_or(if look.reference { 0 } else { LOCAL_PX }),
        sound: None,
        difference: look.reference && settings.difference,
        mirrored: may_mirror && settings.mirrored.unwrap_or(gains),
    }
}

/// The shape of an input that items are shrunk least for; the first where several do as well. Some stand and some
/// lie: for the median's shape those of the other kind would be shrunk to a third.
fn least_shrunk(sizes: &[[f32; 2]], shapes: impl Iterator<Item = [u32; 2]>) -> [u32; 2] {
    let loss = |[width, height]: [u32; 2]| -> f32 {
        let shrink = |[w, h]: &[f32; 2]| (w / width as f32).max(h / height as f32).max(1.0);
        sizes.iter().map(|size| shrink(size).ln()).sum()
    };
    shapes.min_by(|a, b| loss(*a).total_cmp(&loss(*b))).unwrap_or([SIDE_PX; 2])
}

/// Sounds are looked at in as many bands, over at most so many columns; longer ones in windows of these.
const BANDS: u32 = 64;
const COLUMNS_MAX: u32 = 512;
/// Of sounds with a class that nobody has placed in them: those teach it only where they are heard whole. The
/// widest input that a package may have.
const WHOLE_COLUMNS_MAX: u32 = 2048;
/// Seconds from one column to the next: finer than this, recordings of a few seconds gain nothing.
const HOP_SECS: f64 = 0.01;
const WINDOW_SECS: f64 = 0.032;
/// What is coarser than this is no longer heard: a knock would be a fraction of a column.
const HOP_MAX_SECS: f64 = 0.05;
/// Lowest and highest frequency that is looked at, as far as the recordings have it.
const LOW_HZ: f64 = 40.0;
const HIGH_HZ: f64 = 16_000.0;
/// Below half the rate recordings fade out.
pub(super) const USED_BAND: f64 = 0.96;

/// Chooses the picture of sounds from what the recordings are like.
pub(super) fn choose_hearing(listening: &Listening, settings: &TrainSettings) -> InputSpec {
    let whole_secs = listening.whole_secs.unwrap_or(0.0);
    let hop_secs = (whole_secs / f64::from(WHOLE_COLUMNS_MAX)).clamp(HOP_SECS, HOP_MAX_SECS);
    let sound = MelSpec {
        bands: BANDS,
        low_hz: LOW_HZ,
        high_hz: HIGH_HZ.min(USED_BAND * f64::from(listening.rate_hz) / 2.0).round(),
        hop_secs,
        // Half of each window lies in the next, so that nothing falls between two.
        window_secs: WINDOW_SECS.max(2.0 * hop_secs),
        range_db: None,
    };
    let width = |secs, most| sound.columns(secs).next_multiple_of(32).min(most);
    let width_px = width(listening.secs, COLUMNS_MAX).max(width(whole_secs, WHOLE_COLUMNS_MAX));
    InputSpec {
        width_px,
        height_px: sound.bands,
        channels: 1,
        levels: Levels::PerItem,
        mean: vec![0.5],
        std: vec![0.165],
        // What lies on the border of one is whole in another.
        view: View::Tiles { overlap_px: (width_px / 2).min(sound.bands - 1) },
        reference: false,
        local_px: settings.local_px.unwrap_or(0),
        sound: Some(sound),
        difference: false,
        mirrored: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(sizes: Vec<[f32; 2]>) -> Look {
        Look {
            width: 268.0,
            height: 323.0,
            sizes,
            aspects: 3.0,
            defect_side: None,
            grey: true,
            reference: false,
            has_rare_class: true,
        }
    }

    #[test]
    fn few_units_that_begin_with_other_goods_are_seen_in_mirrors() {
        let mirrored = |settings: &TrainSettings| choose_input(&look(vec![[1.0; 2]]), settings).mirrored;
        let transfer = TrainSettings { transfer: true, ..TrainSettings::default() };
        assert!(mirrored(&transfer) && !mirrored(&TrainSettings::default()));
        assert!(!mirrored(&TrainSettings { mirrored: Some(false), ..transfer }));
    }

    #[test]
    fn standing_and_lying_items_are_shrunk_alike() {
        let side = |sizes| {
            let spec = choose_input(&look(sizes), &TrainSettings::default());
            assert_eq!(spec.view, View::Fit);
            [spec.width_px, spec.height_px]
        };
        // All standing: the median's shape. Half of them lying: neither suffers alone.
        assert_eq!(side(vec![[268.0, 323.0]; 4]), [224, 288]);
        let mixed = side([[268.0, 323.0], [600.0, 240.0]].repeat(4));
        let shrink = |[w, h]: [f32; 2]| (w / mixed[0] as f32).max(h / mixed[1] as f32);
        assert!(shrink([600.0, 240.0]) < 2.4 && shrink([268.0, 323.0]) < 1.3, "{mixed:?}");
    }
}
