//! Where a function that only grows reaches a value: by halving, which always ends.

/// Ends between which no number lies any more are found long before.
const HALVINGS_MAX: u32 = 200;

/// The smallest number from `low` to `high` for which `reaches` holds, to the last bit; `high` where it
/// holds for none below. `reaches` must not stop holding as its argument grows.
pub fn smallest(low: f64, high: f64, reaches: impl FnMut(f64) -> bool) -> f64 {
    smallest_within(low, high, HALVINGS_MAX, reaches)
}

/// As [`smallest`], to so many binary digits of the interval: for what takes long to evaluate.
pub fn smallest_within(
    mut low: f64,
    mut high: f64,
    halvings: u32,
    mut reaches: impl FnMut(f64) -> bool,
) -> f64 {
    for _ in 0..halvings {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if reaches(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_found_and_nowhere_is_the_upper_end() {
        assert!((smallest(0.0, 10.0, |x| x * x >= 2.0) - std::f64::consts::SQRT_2).abs() < 1e-15);
        assert!((smallest(0.0, 1.0, |_| false) - 1.0).abs() < 1e-15);
        assert!(smallest(0.0, 1.0, |_| true) < 1e-50);
        assert!((smallest_within(0.0, 8.0, 3, |x| x >= 2.9) - 3.0).abs() < 1e-12);
    }
}
