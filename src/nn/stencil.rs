//! Which input pixels make an output pixel: one description for a convolution, for its gradient
//! with respect to the input, and for a convolution of a doubled map.
//!
//! Pure geometry; knows no weights and no memory.

use super::graph::Extent;

/// One input pixel of an output pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    /// From the input pixel under the output pixel.
    pub dy: isize,
    pub dx: isize,
    /// Positions in the kernel (row by row) whose weights add up here.
    pub positions: Vec<usize>,
}

/// Output pixels that have the same taps: every `out_step`-th from `first` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    pub first: Extent,
    /// How many there are.
    pub count: Extent,
    pub taps: Vec<Tap>,
}

/// Zeros that the taps need around the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Halo {
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
}

impl Halo {
    /// What serves both.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            top: self.top.max(other.top),
            bottom: self.bottom.max(other.bottom),
            left: self.left.max(other.left),
            right: self.right.max(other.right),
        }
    }
}

/// Sizes are rows and columns; output pixel `first + i · out_step` of a phase looks at input
/// pixels `i · in_step + tap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stencil {
    pub input: Extent,
    pub output: Extent,
    pub in_step: Extent,
    pub out_step: Extent,
    pub phases: Vec<Phase>,
    pub halo: Halo,
}

/// The same along one axis.
struct Axis {
    input: usize,
    output: usize,
    in_step: usize,
    out_step: usize,
    phases: Vec<AxisPhase>,
}

struct AxisPhase {
    first: usize,
    count: usize,
    /// Offset and positions along the kernel.
    taps: Vec<(isize, Vec<usize>)>,
}

impl Axis {
    fn convolution(input: usize, kernel: usize, stride: usize) -> Self {
        let output = input.div_ceil(stride);
        let taps = (0..kernel).map(|k| (signed(k) - signed(kernel / 2), vec![k])).collect();
        let phases = vec![AxisPhase { first: 0, count: output, taps }];
        Self { input, output, in_step: stride, out_step: 1, phases }
    }

    /// From the gradient of the output to that of an input of `size`: input pixel `x` was seen
    /// by output `(x + kernel / 2 − k) / stride` for each `k` that divides.
    fn transposed(size: usize, kernel: usize, stride: usize) -> Self {
        let phases = (0..stride.min(size))
            .map(|first| {
                let reach = |k: usize| signed(first + kernel / 2) - signed(k);
                let taps = (0..kernel)
                    .filter(|&k| reach(k).rem_euclid(signed(stride)) == 0)
                    .map(|k| (reach(k).div_euclid(signed(stride)), vec![k]))
                    .collect();
                AxisPhase { first, count: (size - first).div_ceil(stride), taps }
            })
            .collect();
        Self { input: size.div_ceil(stride), output: size, in_step: 1, out_step: stride, phases }
    }

    /// A convolution of stride 1 over the input with each pixel doubled: taps that fall on the
    /// same pixel become one.
    fn doubled(input: usize, kernel: usize) -> Self {
        let phases = (0..2)
            .map(|first| {
                let mut taps: Vec<(isize, Vec<usize>)> = Vec::new();
                for k in 0..kernel {
                    let at = (signed(first + k) - signed(kernel / 2)).div_euclid(2);
                    match taps.last_mut().filter(|(last, _)| *last == at) {
                        Some((_, positions)) => positions.push(k),
                        None => taps.push((at, vec![k])),
                    }
                }
                AxisPhase { first, count: input, taps }
            })
            .collect();
        Self { input, output: 2 * input, in_step: 1, out_step: 2, phases }
    }

    /// Zeros before and after.
    fn halo(&self) -> (usize, usize) {
        let (mut before, mut after) = (0, 0);
        for phase in self.phases.iter().filter(|phase| phase.count > 0) {
            for &(at, _) in &phase.taps {
                before = before.max(-at);
                after = after.max(signed((phase.count - 1) * self.in_step) + at - (signed(self.input) - 1));
            }
        }
        (before.max(0).unsigned_abs(), after.max(0).unsigned_abs())
    }
}

/// Sizes of images; `Graph` bounds them far below the largest `isize`.
const fn signed(value: usize) -> isize {
    value.cast_signed()
}

impl Stencil {
    /// Zero padding `kernel / 2`, output `⌈input / stride⌉`.
    #[must_use]
    pub fn convolution(input: Extent, kernel: Extent, stride: Extent) -> Self {
        Self::product(
            &Axis::convolution(input.y, kernel.y, stride.y),
            &Axis::convolution(input.x, kernel.x, stride.x),
            kernel.x,
        )
    }

    /// From the output's gradient of that convolution to the input's.
    #[must_use]
    pub fn transposed(input: Extent, kernel: Extent, stride: Extent) -> Self {
        Self::product(
            &Axis::transposed(input.y, kernel.y, stride.y),
            &Axis::transposed(input.x, kernel.x, stride.x),
            kernel.x,
        )
    }

    /// A convolution of stride 1 over the input with each pixel doubled both ways.
    #[must_use]
    pub fn doubled(input: Extent, kernel: Extent) -> Self {
        Self::product(&Axis::doubled(input.y, kernel.y), &Axis::doubled(input.x, kernel.x), kernel.x)
    }

    fn product(y: &Axis, x: &Axis, kernel_width: usize) -> Self {
        let mut phases = Vec::with_capacity(y.phases.len() * x.phases.len());
        for py in &y.phases {
            for px in &x.phases {
                let mut taps = Vec::with_capacity(py.taps.len() * px.taps.len());
                for (dy, rows) in &py.taps {
                    for (dx, columns) in &px.taps {
                        let positions =
                            rows.iter().flat_map(|r| columns.iter().map(move |c| r * kernel_width + c));
                        taps.push(Tap { dy: *dy, dx: *dx, positions: positions.collect() });
                    }
                }
                phases.push(Phase {
                    first: Extent { y: py.first, x: px.first },
                    count: Extent { y: py.count, x: px.count },
                    taps,
                });
            }
        }
        let ((top, bottom), (left, right)) = (y.halo(), x.halo());
        Self {
            input: Extent { y: y.input, x: x.input },
            output: Extent { y: y.output, x: x.output },
            in_step: Extent { y: y.in_step, x: x.in_step },
            out_step: Extent { y: y.out_step, x: x.out_step },
            phases,
            halo: Halo { top, bottom, left, right },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair of input and output pixel that a stencil joins, with the kernel's position.
    fn pairs(s: &Stencil) -> Vec<(isize, isize, usize, usize, usize)> {
        let mut found = Vec::new();
        for phase in &s.phases {
            for i in 0..phase.count.y {
                for j in 0..phase.count.x {
                    for tap in &phase.taps {
                        let y = signed(i * s.in_step.y) + tap.dy;
                        let x = signed(j * s.in_step.x) + tap.dx;
                        assert!(y >= -signed(s.halo.top) && y < signed(s.input.y + s.halo.bottom));
                        assert!(x >= -signed(s.halo.left) && x < signed(s.input.x + s.halo.right));
                        let out = (phase.first.y + i * s.out_step.y, phase.first.x + j * s.out_step.x);
                        for &position in &tap.positions {
                            found.push((y, x, out.0, out.1, position));
                        }
                    }
                }
            }
        }
        found.sort_unstable();
        found
    }

    fn inside(size: Extent, y: isize, x: isize) -> bool {
        (0..signed(size.y)).contains(&y) && (0..signed(size.x)).contains(&x)
    }

    #[test]
    fn the_transposed_stencil_joins_the_same_pixels_the_other_way_round() {
        for (size, kernel, stride) in
            [((5, 7), (3, 3), (2, 2)), ((1, 9), (1, 9), (1, 3)), ((4, 4), (1, 3), (3, 4))]
        {
            let [size, kernel, stride] = [size, kernel, stride].map(|(y, x)| Extent { y, x });
            let forward = Stencil::convolution(size, kernel, stride);
            let backward = Stencil::transposed(size, kernel, stride);
            assert_eq!((backward.input, backward.output), (forward.output, forward.input));
            let mut expected: Vec<_> = pairs(&forward)
                .into_iter()
                .filter(|&(y, x, ..)| inside(size, y, x))
                .map(|(y, x, oy, ox, k)| (signed(oy), signed(ox), y.unsigned_abs(), x.unsigned_abs(), k))
                .collect();
            expected.sort_unstable();
            let mut found = pairs(&backward);
            found.retain(|&(y, x, ..)| inside(forward.output, y, x));
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_doubled_stencil_is_the_convolution_of_the_doubled_map() {
        let (size, kernel) = (Extent { y: 3, x: 2 }, Extent { y: 3, x: 5 });
        let plain = Stencil::convolution(Extent { y: 6, x: 4 }, kernel, Extent::square(1));
        let mut expected: Vec<_> = pairs(&plain)
            .into_iter()
            .map(|(y, x, oy, ox, k)| (y.div_euclid(2), x.div_euclid(2), oy, ox, k))
            .collect();
        expected.sort_unstable();
        let doubled = Stencil::doubled(size, kernel);
        assert_eq!(pairs(&doubled), expected);
        assert!(doubled.phases.iter().all(|phase| phase.taps.len() < 15));
    }
}
