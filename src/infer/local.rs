//! Local contrast: how a pixel differs from its surroundings, whatever the light there. Shading and
//! the item's own brightness vanish, scratches and holes stay.

/// Levels that a standard deviation of the surroundings becomes, and the middle.
pub const LOCAL_SPREAD: f32 = 42.0;
pub const LOCAL_MIDDLE: f32 = 127.5;
/// Added to the standard deviation: in flat surroundings noise is not blown up.
pub const LOCAL_SPREAD_MIN: f32 = 4.0;

/// `middle + spread · (v − m) / (s + spread_min)`, clamped to 0…255, with mean m and standard
/// deviation s over the square of ± `radius` pixels, as far as it lies inside the picture. `values`
/// are on the scale 0 to 255, row by row.
pub fn local_contrast(values: &[f32], width: usize, radius: usize) -> Vec<f32> {
    let height = values.len() / width.max(1);
    let mut out = Vec::with_capacity(values.len());
    // Sums of each column over the rows of the square, of the values and of their squares; and of
    // all columns to the left of each. Differences of the latter are the sums over the square.
    let (mut sums, mut squares) = (vec![0.0_f64; width], vec![0.0_f64; width]);
    let (mut left_sums, mut left_squares) = (vec![0.0_f64; width + 1], vec![0.0_f64; width + 1]);
    let row_moves = |y: usize, sign: f64, sums: &mut [f64], squares: &mut [f64]| {
        for ((sum, square), v) in sums.iter_mut().zip(squares).zip(&values[y * width..(y + 1) * width]) {
            let v = f64::from(*v);
            *sum += sign * v;
            *square += sign * v * v;
        }
    };
    (0..radius.min(height)).for_each(|y| row_moves(y, 1.0, &mut sums, &mut squares));
    for (y, row) in values.chunks_exact(width.max(1)).enumerate() {
        if y + radius < height {
            row_moves(y + radius, 1.0, &mut sums, &mut squares);
        }
        if y > radius {
            row_moves(y - radius - 1, -1.0, &mut sums, &mut squares);
        }
        let rows = (y + radius).min(height - 1) + 1 - y.saturating_sub(radius);
        add_up(&sums, &mut left_sums);
        add_up(&squares, &mut left_squares);
        // Columns whose square is cut off by the picture's sides, and those between.
        let border = radius.min(width);
        let middle = border..width.saturating_sub(radius).max(border);
        let cut_off = |x: usize| {
            let (from, to) = (x.saturating_sub(radius), (x + radius + 1).min(width));
            let sums = [left_sums[to] - left_sums[from], left_squares[to] - left_squares[from]];
            contrast(row[x], sums, 1.0 / (rows * (to - from)) as f64)
        };
        out.extend((0..middle.start).map(cut_off));
        let share = 1.0 / (rows * (2 * radius + 1)) as f64;
        let sums = left_sums.iter().zip(left_sums.iter().skip(2 * radius + 1));
        let squares = left_squares.iter().zip(left_squares.iter().skip(2 * radius + 1));
        out.extend(
            row[middle.clone()]
                .iter()
                .zip(sums.zip(squares))
                .map(|(v, (sum, square))| contrast(*v, [sum.1 - sum.0, square.1 - square.0], share)),
        );
        out.extend((middle.end..width).map(cut_off));
    }
    out
}

/// A value beside the sums of values and squares around it; `share` is 1 over their number.
#[inline]
fn contrast(value: f32, [sum, squares]: [f64; 2], share: f64) -> f32 {
    let mean = sum * share;
    let spread = (squares * share - mean * mean).max(0.0).sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "levels of a picture")]
    let (mean, spread) = (mean as f32, spread as f32);
    let z = (value - mean) / (spread + LOCAL_SPREAD_MIN);
    (LOCAL_MIDDLE + LOCAL_SPREAD * z).clamp(0.0, 255.0)
}

/// The sum of everything before each place.
fn add_up(values: &[f64], before: &mut [f64]) {
    let mut sum = 0.0;
    for (before, v) in before[1..].iter_mut().zip(values) {
        sum += v;
        *before = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_a_plain_loop_over_the_square_gives_and_shading_vanishes() {
        let (width, height, radius) = (23, 17, 4);
        let values: Vec<f32> = (0..width * height).map(|i| ((i * 7919) % 251) as f32).collect();
        let fast = local_contrast(&values, width, radius);
        for (at, v) in values.iter().enumerate() {
            let (x, y) = (at % width, at / width);
            let square: Vec<f64> = (y.saturating_sub(radius)..=(y + radius).min(height - 1))
                .flat_map(|y| (x.saturating_sub(radius)..=(x + radius).min(width - 1)).map(move |x| (x, y)))
                .map(|(x, y)| f64::from(values[y * width + x]))
                .collect();
            let n = square.len() as f64;
            let mean = square.iter().sum::<f64>() / n;
            let spread = (square.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
            let expected = 127.5 + 42.0 * (f64::from(*v) - mean) / (spread + 4.0);
            assert!((f64::from(fast[at]) - expected.clamp(0.0, 255.0)).abs() < 0.01, "{at}");
        }
        assert_eq!(local_contrast(&values[..7], 7, 20).len(), 7);
        let flat = local_contrast(&vec![90.0; width * height], width, 40);
        assert!(flat.iter().all(|v| (v - 127.5).abs() < 1e-3));
        assert!(local_contrast(&[], 5, 3).is_empty());
    }
}
