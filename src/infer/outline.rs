//! The outline of a set of cells: marching squares on the logit map, so that the line runs where
//! the logit crosses the threshold and not along the edges of cells; then fewer corners.

use std::collections::BTreeMap;

/// Corners closer than this to the line without them are left out, in cells.
const TOLERANCE_CELLS: f32 = 0.3;

/// The outer outline of `cells` in cell coordinates (the centre of the first cell is 0, 0), where
/// `map` (row by row, `width` wide) crosses `level`. Every cell must reach the level. Fewer than
/// three corners never come back.
pub(super) fn outline(map: &[f32], width: usize, cells: &[usize], level: f32) -> Option<Vec<[f32; 2]>> {
    let field = Field::new(map, width, cells, level)?;
    let longest = field.loops().into_iter().max_by(|a, b| area(a).total_cmp(&area(b)))?;
    let corners = simplify(&longest);
    (corners.len() >= 3).then_some(corners)
}

/// The cells of one component with a border of one cell around them; positive is inside.
struct Field {
    values: Vec<f32>,
    width: usize,
    height: usize,
    left: f32,
    top: f32,
}

impl Field {
    fn new(map: &[f32], width: usize, cells: &[usize], level: f32) -> Option<Self> {
        let x = || cells.iter().map(|at| at % width);
        let y = || cells.iter().map(|at| at / width);
        let (x1, x2, y1, y2) = (x().min()?, x().max()?, y().min()?, y().max()?);
        let (w, h) = (x2 - x1 + 3, y2 - y1 + 3);
        let mut values = vec![f32::NAN; w * h];
        let rows = map.len() / width;
        // Around the component: what the map says, kept outside; beyond the map the border lies
        // half a cell past the last centre, which is the edge of the image.
        for fy in 0..h {
            for fx in 0..w {
                let (mx, my) = ((x1 + fx).checked_sub(1), (y1 + fy).checked_sub(1));
                let inside_map = mx.zip(my).filter(|&(mx, my)| mx < width && my < rows);
                values[fy * w + fx] = match inside_map {
                    Some((mx, my)) => (map[my * width + mx] - level).min(-1e-3),
                    None => f32::NEG_INFINITY,
                };
            }
        }
        for &at in cells {
            values[(at / width - y1 + 1) * w + at % width - x1 + 1] = (map[at] - level).max(1e-3);
        }
        Some(Self { values, width: w, height: h, left: x1 as f32 - 1.0, top: y1 as f32 - 1.0 })
    }

    /// Where the line crosses an edge: even ids run right from a node, odd ids down.
    fn crossing(&self, edge: usize) -> [f32; 2] {
        let (node, down) = (edge / 2, edge % 2 == 1);
        let other = if down { node + self.width } else { node + 1 };
        let (a, b) = (self.values[node], self.values[other]);
        let share = if a.is_infinite() || b.is_infinite() { 0.5 } else { (a / (a - b)).clamp(0.05, 0.95) };
        let (x, y) = ((node % self.width) as f32 + self.left, (node / self.width) as f32 + self.top);
        if down { [x, y + share] } else { [x + share, y] }
    }

    fn loops(&self) -> Vec<Vec<[f32; 2]>> {
        let mut next: BTreeMap<usize, usize> = BTreeMap::new();
        for y in 0..self.height - 1 {
            for x in 0..self.width - 1 {
                let node = y * self.width + x;
                let inside = |at: usize, bit: usize| if self.values[at] > 0.0 { bit } else { 0 };
                let case = inside(node, 1)
                    | inside(node + 1, 2)
                    | inside(node + self.width + 1, 4)
                    | inside(node + self.width, 8);
                let (top, left) = (2 * node, 2 * node + 1);
                let (bottom, right) = (2 * (node + self.width), 2 * (node + 1) + 1);
                // The inside lies on the right of the way; opposite corners are joined.
                let ways: &[(usize, usize)] = match case {
                    1 => &[(top, left)],
                    2 => &[(right, top)],
                    3 => &[(right, left)],
                    4 => &[(bottom, right)],
                    5 => &[(top, right), (bottom, left)],
                    6 => &[(bottom, top)],
                    7 => &[(bottom, left)],
                    8 => &[(left, bottom)],
                    9 => &[(top, bottom)],
                    10 => &[(left, top), (right, bottom)],
                    11 => &[(right, bottom)],
                    12 => &[(left, right)],
                    13 => &[(top, right)],
                    14 => &[(left, top)],
                    _ => &[],
                };
                next.extend(ways.iter().copied());
            }
        }
        let mut loops = Vec::new();
        while let Some((start, mut at)) = next.pop_first() {
            let mut points = vec![self.crossing(start)];
            while at != start {
                points.push(self.crossing(at));
                match next.remove(&at) {
                    Some(following) => at = following,
                    None => break,
                }
            }
            loops.push(points);
        }
        loops
    }
}

fn area(points: &[[f32; 2]]) -> f32 {
    let twice: f32 =
        points.iter().zip(points.iter().cycle().skip(1)).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum();
    (twice / 2.0).abs()
}

/// Douglas and Peucker on a closed line, cut at its first point and the one farthest from it.
fn simplify(points: &[[f32; 2]]) -> Vec<[f32; 2]> {
    if points.len() <= 4 {
        return points.to_vec();
    }
    let far = |i: &usize| (points[*i][0] - points[0][0]).hypot(points[*i][1] - points[0][1]);
    let split = (0..points.len()).max_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or(0);
    let mut closed = points.to_vec();
    closed.push(points[0]);
    let mut keep = vec![false; closed.len()];
    keep[0] = true;
    keep[split] = true;
    let mut open = vec![(0, split), (split, closed.len() - 1)];
    while let Some((a, b)) = open.pop() {
        let worst = (a + 1..b)
            .map(|i| (i, distance(closed[i], closed[a], closed[b])))
            .max_by(|x, y| x.1.total_cmp(&y.1));
        if let Some((i, _)) = worst.filter(|w| w.1 > TOLERANCE_CELLS) {
            keep[i] = true;
            open.extend([(a, i), (i, b)]);
        }
    }
    points.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(p, _)| *p).collect()
}

fn distance(p: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length = dx.hypot(dy);
    if length < 1e-6 {
        return (p[0] - a[0]).hypot(p[1] - a[1]);
    }
    ((p[0] - a[0]) * dy - (p[1] - a[1]) * dx).abs() / length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disc_gets_its_area_and_a_corner_cell_reaches_the_image_border() {
        let width = 24;
        let map: Vec<f32> = (0..width * width)
            .map(|at| 6.0 - ((at % width) as f32 - 11.0).hypot((at / width) as f32 - 12.0))
            .collect();
        let cells: Vec<usize> = (0..map.len()).filter(|&at| map[at] >= 0.0).collect();
        let disc = outline(&map, width, &cells, 0.0).unwrap();
        assert!((area(&disc) - std::f32::consts::PI * 36.0).abs() < 6.0, "{}", area(&disc));
        assert!(disc.len() < 40, "{}", disc.len());
        let mut corner = vec![-4.0; 16];
        corner[0] = 4.0;
        let points = outline(&corner, 4, &[0], 0.0).unwrap();
        assert!(points.iter().any(|p| p[0] <= -0.5) && points.iter().any(|p| p[1] <= -0.5), "{points:?}");
    }
}
