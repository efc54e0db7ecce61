//! Masks to outlines and back, without losing a pixel.
//!
//! Outlines run along the pixels' edges, so that filling them at pixel centres gives the mask
//! again. A hole is joined to its outline by a cut of no width, walked there and back: formats
//! that know only one ring per object then still say it. Pure; knows nothing of formats.

use super::MaskRle;

/// One connected part of a mask (pixels that share an edge).
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// Corners in pixels, closed by itself, clockwise on the screen.
    pub points: Vec<[f32; 2]>,
    pub holes: usize,
}

/// Directions in clockwise order on the screen: east, south, west, north.
const STEPS: [[isize; 2]; 4] = [[1, 0], [0, 1], [-1, 0], [0, -1]];

/// From a corner, the pixel to the right of the way in each direction.
const RIGHT_PIXEL: [[isize; 2]; 4] = [[0, 0], [-1, 0], [-1, -1], [0, -1]];

/// A way along pixel edges: its corners as column and row.
type Ring = Vec<[usize; 2]>;

/// The parts of a mask in reading order of their first pixel; empty for an empty mask.
pub fn outlines(mask: &MaskRle) -> Vec<Outline> {
    let Some(grid) = Grid::new(mask) else { return Vec::new() };
    let parts = grid.parts();
    let mut rings: Vec<(Option<Ring>, Vec<Ring>)> = Vec::new();
    for (part, ring) in grid.rings(&parts) {
        if rings.len() <= part {
            rings.resize_with(part + 1, Default::default);
        }
        if let Some(slot) = rings.get_mut(part) {
            if twice_area(&ring) > 0 { slot.0 = Some(ring) } else { slot.1.push(ring) }
        }
    }
    rings
        .into_iter()
        .filter_map(|(outer, holes)| {
            let count = holes.len();
            let joined = holes.into_iter().fold(outer?, join);
            let [left, top] = grid.origin;
            let points = joined.into_iter().map(|[x, y]| [(left + x) as f32, (top + y) as f32]).collect();
            Some(Outline { points, holes: count })
        })
        .collect()
}

/// Sets `value` in every pixel of a `width` × `height` grid whose centre is inside the polygon
/// (even-odd). Parts of the polygon outside of the grid are ignored.
pub fn fill(points: &[[f32; 2]], [width, height]: [u32; 2], value: u8, pixels: &mut [u8]) {
    let (width, rows) = (width as usize, height as usize);
    let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); rows];
    for (i, &a) in points.iter().enumerate() {
        let b = points[(i + 1) % points.len()];
        // Upper end first: the same edge walked both ways must give the same bits.
        let (top, bottom) = if (a[1], a[0]) <= (b[1], b[0]) { (a, b) } else { (b, a) };
        let [[x1, y1], [x2, y2]] = [top.map(f64::from), bottom.map(f64::from)];
        let first = first_centre(y1, rows);
        let lines = crossings.iter_mut().enumerate().take(first_centre(y2, rows)).skip(first);
        for (row, line) in lines {
            let y = row as f64 + 0.5;
            line.push(x1 + (y - y1) / (y2 - y1) * (x2 - x1));
        }
    }
    for (row, line) in crossings.iter_mut().enumerate() {
        line.sort_unstable_by(f64::total_cmp);
        for pair in line.chunks_exact(2) {
            let (from, to) = (first_centre(pair[0], width), first_centre(pair[1], width));
            pixels[row * width + from..row * width + to.max(from)].fill(value);
        }
    }
}

/// The first of `count` pixels whose centre is at or behind `position`.
fn first_centre(position: f64, count: usize) -> usize {
    let first = (position - 0.5).ceil().clamp(0.0, count as f64);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=count just above"
    )]
    {
        first as usize
    }
}

/// The part of a mask that has pixels inside: defects are small on large pictures.
struct Grid {
    pixels: Vec<u8>,
    width: usize,
    height: usize,
    /// Column and row of the first pixel in the mask.
    origin: [usize; 2],
}

impl Grid {
    /// `None` for an empty mask.
    fn new(mask: &MaskRle) -> Option<Self> {
        let bounds = mask.bounds()?;
        let [rows, columns] = mask.size.map(|v| v as usize);
        let [left, right] = [bounds.x1, bounds.x2].map(|edge| first_centre(f64::from(edge), columns));
        let [top, bottom] = [bounds.y1, bounds.y2].map(|edge| first_centre(f64::from(edge), rows));
        let whole = mask.to_pixels();
        let pixels = (top..bottom).flat_map(|y| &whole[y * columns + left..y * columns + right]).copied();
        Some(Self {
            pixels: pixels.collect(),
            width: right - left,
            height: bottom - top,
            origin: [left, top],
        })
    }

    /// The index of the pixel at a corner plus an offset, when it is inside the mask.
    fn inside(&self, [x, y]: [usize; 2], [dx, dy]: [isize; 2]) -> Option<usize> {
        let (x, y) = (x.checked_add_signed(dx)?, y.checked_add_signed(dy)?);
        let index = (x < self.width && y < self.height).then(|| y * self.width + x)?;
        (self.pixels[index] != 0).then_some(index)
    }

    /// The part that each pixel belongs to, in reading order of the parts; outside is `u32::MAX`.
    fn parts(&self) -> Vec<u32> {
        let mut parts = vec![u32::MAX; self.pixels.len()];
        let mut next = 0_u32;
        let mut stack = Vec::new();
        for start in 0..parts.len() {
            if self.pixels[start] == 0 || parts[start] != u32::MAX {
                continue;
            }
            parts[start] = next;
            stack.push(start);
            while let Some(index) = stack.pop() {
                let at = [index % self.width, index / self.width];
                for step in STEPS {
                    if let Some(neighbour) = self.inside(at, step)
                        && parts[neighbour] == u32::MAX
                    {
                        parts[neighbour] = next;
                        stack.push(neighbour);
                    }
                }
            }
            next += 1;
        }
        parts
    }

    /// Which of the four ways out of a corner run along the mask with its inside on the right.
    fn ways(&self, corner: [usize; 2]) -> [bool; 4] {
        let right = RIGHT_PIXEL.map(|offset| self.inside(corner, offset).is_some());
        // The pixel on the left of a way is the one on the right of the way before it.
        [0, 1, 2, 3].map(|way| right[way] && !right[(way + 3) % 4])
    }

    /// All closed ways around the mask's parts and holes, with the part that they belong to.
    fn rings(&self, parts: &[u32]) -> Vec<(usize, Ring)> {
        let columns = self.width + 1;
        let mut is_walked = vec![[false; 4]; columns * (self.height + 1)];
        let mut rings = Vec::new();
        for start in 0..is_walked.len() {
            let corner = [start % columns, start / columns];
            let ways = self.ways(corner);
            for way in (0..4).filter(|&way| ways[way]) {
                if is_walked[start][way] {
                    continue;
                }
                let Some(pixel) = self.inside(corner, RIGHT_PIXEL[way]) else { continue };
                let ring = self.walk(corner, way, &mut is_walked);
                rings.push((parts[pixel] as usize, ring));
            }
        }
        rings
    }

    fn walk(&self, start: [usize; 2], start_way: usize, is_walked: &mut [[bool; 4]]) -> Ring {
        let mut ring = Ring::new();
        let (mut at, mut way) = (start, start_way);
        loop {
            is_walked[at[1] * (self.width + 1) + at[0]][way] = true;
            let [dx, dy] = STEPS[way];
            at = [at[0].wrapping_add_signed(dx), at[1].wrapping_add_signed(dy)];
            let ways = self.ways(at);
            // Right first: where two pixels touch at a corner only, the way stays with its own.
            let next = [1, 0, 3].into_iter().map(|turn| (way + turn) % 4).find(|&next| ways[next]);
            let next = next.unwrap_or(start_way);
            if next != way {
                ring.push(at);
            }
            if (at, next) == (start, start_way) {
                return ring;
            }
            way = next;
        }
    }
}

/// Positive for outlines, negative for holes.
fn twice_area(ring: &Ring) -> i128 {
    ring.iter()
        .zip(ring.iter().cycle().skip(1))
        .map(|(a, b)| (a[0] * b[1]) as i128 - (b[0] * a[1]) as i128)
        .sum()
}

/// Walks to the hole, around it and back, from the nearest corner of the outline.
fn join(mut outer: Ring, hole: Ring) -> Ring {
    let Some(&entry) = hole.first() else { return outer };
    let distance = |p: &[usize; 2]| p[0].abs_diff(entry[0]).pow(2) + p[1].abs_diff(entry[1]).pow(2);
    let Some((index, &nearest)) = outer.iter().enumerate().min_by_key(|(_, p)| distance(p)) else {
        return outer;
    };
    outer.splice((index + 1)..=index, hole.into_iter().chain([entry, nearest]));
    outer
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask_of(rows: &[&str]) -> MaskRle {
        let (w, h) = (rows[0].len() as u32, rows.len() as u32);
        MaskRle::from_fn(w, h, |x, y| rows[y as usize].as_bytes()[x as usize] == b'#')
    }

    fn filled(mask: &MaskRle) -> Vec<u8> {
        let [h, w] = mask.size;
        let mut pixels = vec![0; (w * h) as usize];
        for outline in outlines(mask) {
            fill(&outline.points, [w, h], 1, &mut pixels);
        }
        pixels
    }

    #[test]
    fn parts_and_holes_are_told_apart() {
        let mask = mask_of(&["####..", "#..#.#", "##.##.", "####.."]);
        let found = outlines(&mask);
        assert_eq!(found.iter().map(|o| o.holes).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(found[1].points, [[6.0, 1.0], [6.0, 2.0], [5.0, 2.0], [5.0, 1.0]]);
        assert_eq!(filled(&mask), mask.to_pixels());
        assert_eq!(outlines(&mask_of(&["..", ".."])), []);
    }

    #[test]
    fn filling_takes_centres_and_ignores_what_is_outside() {
        let mut pixels = vec![0; 16];
        fill(&[[-5.0, 0.6], [2.4, 0.6], [2.4, 90.0], [-5.0, 90.0]], [4, 4], 7, &mut pixels);
        assert_eq!(pixels, [0, 0, 0, 0, 7, 7, 0, 0, 7, 7, 0, 0, 7, 7, 0, 0]);
    }

    proptest! {
        #[test]
        fn outlines_fill_to_the_same_mask(w in 1_u32..14, h in 1_u32..14, bits in prop::collection::vec(any::<bool>(), 196)) {
            let mask = MaskRle::from_fn(w, h, |x, y| bits[(y * 14 + x) as usize]);
            prop_assert_eq!(filled(&mask), mask.to_pixels());
        }
    }
}
