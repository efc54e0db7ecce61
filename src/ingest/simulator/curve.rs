//! Small functions of numbers that pictures and sounds share.

use rand::Rng;

#[inline]
pub(super) fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

/// 0 at `low`, 1 at `high`, smooth between.
#[inline]
pub(super) fn smooth(low: f32, high: f32, value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Low values are as common as high ones on a scale of ratios.
pub(super) fn log_range(rng: &mut impl Rng, low: f32, high: f32) -> f32 {
    (rng.random_range(low.ln()..high.ln())).exp()
}

/// Whole pixels or samples from a position; negative and broken numbers become 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to int saturates")]
pub(super) fn whole(value: f32) -> usize {
    value as usize
}
