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
    // Sums of each column over the rows of the square: of the values and of their squares.
    let mut columns = vec![[0.0_f64; 2]; width];
    let moved = |columns: &mut [[f64; 2]], y: usize, sign: f64| {
        for (column, v) in columns.iter_mut().zip(&values[y * width..(y + 1) * width]) {
            let v = f64::from(*v);
            column[0] += sign * v;
            column[1] += sign * v * v;
        }
    };
    (0..radius.min(height)).for_each(|y| moved(&mut columns, y, 1.0));
    for y in 0..height {
        if y + radius < height {
            moved(&mut columns, y + radius, 1.0);
        }
        if y > radius {
            moved(&mut columns, y - radius - 1, -1.0);
        }
        let rows = (y + radius).min(height - 1) + 1 - y.saturating_sub(radius);
        let mut sum = [0.0; 2];
        let mut add = |column: [f64; 2], sign: f64| {
            sum[0] += sign * column[0];
            sum[1] += sign * column[1];
            sum
        };
        columns.iter().take(radius).for_each(|column| {
            add(*column, 1.0);
        });
        for x in 0..width {
            let entering = if x + radius < width { columns[x + radius] } else { [0.0; 2] };
            add(entering, 1.0);
            let leaving = if x > radius { columns[x - radius - 1] } else { [0.0; 2] };
            let sum = add(leaving, -1.0);
            let count = (rows * ((x + radius).min(width - 1) + 1 - x.saturating_sub(radius))) as f64;
            let mean = sum[0] / count;
            let spread = (sum[1] / count - mean * mean).max(0.0).sqrt();
            #[expect(clippy::cast_possible_truncation, reason = "levels of a picture")]
            let (mean, spread) = (mean as f32, spread as f32);
            let z = (values[y * width + x] - mean) / (spread + LOCAL_SPREAD_MIN);
            out.push((LOCAL_MIDDLE + LOCAL_SPREAD * z).clamp(0.0, 255.0));
        }
    }
    out
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
        let flat = local_contrast(&vec![90.0; width * height], width, 40);
        assert!(flat.iter().all(|v| (v - 127.5).abs() < 1e-3));
        assert!(local_contrast(&[], 5, 3).is_empty());
    }
}
