//! A loop with everything that it works on but the memory: what a plan keeps, and what training
//! makes for each step.

use super::{Aligned, Dense, DenseLoop, Depthwise, DepthwiseLoop, Layout, Limits, Skip};

/// Which loop.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Input channels in each block, number of blocks, channels in the last one.
    Dense {
        run: DenseLoop,
        inner: usize,
        blocks: usize,
        last: usize,
    },
    Depthwise {
        run: DepthwiseLoop,
    },
}

/// Rows of some output blocks of a convolution.
#[derive(Clone)]
pub struct Call {
    pub kind: Kind,
    pub taps: Vec<isize>,
    pub weights: Aligned,
    pub bias: Aligned,
    pub x: Layout,
    pub y: Layout,
    pub skip: Option<Skip>,
    pub rows: usize,
    pub width: usize,
    pub limits: Limits,
}

impl Call {
    /// Whether everything that is read and written lies inside operands of these lengths.
    #[must_use]
    pub fn fits(&self, x: usize, y: usize) -> bool {
        self.fits_rows(self.rows, x, y)
    }

    /// The same for the first `rows` alone.
    #[must_use]
    pub fn fits_rows(&self, rows: usize, x: usize, y: usize) -> bool {
        match self.kind {
            Kind::Dense { run, .. } => self.dense((0, rows)).is_some_and(|d| run.fits(&d, x, y, x)),
            Kind::Depthwise { run } => self.depthwise((0, rows)).is_some_and(|d| run.fits(&d, x, y)),
        }
    }

    /// All rows; `false`, and nothing done, where an operand is too short.
    #[must_use]
    pub fn run(&self, x: &[f32], y: &mut [f32]) -> bool {
        let fits = self.fits(x.len(), y.len()) && self.skip.is_none();
        if fits {
            // Safety: the extents were just checked; the slices are initialised and not shared.
            unsafe { self.run_rows((0, self.rows), x.as_ptr(), y.as_mut_ptr()) }
        }
        fits
    }

    /// Some of the rows. The skip lies in the memory of `x`.
    ///
    /// # Safety
    ///
    /// [`Self::fits_rows`] holds for the end of `rows` and the memory behind the pointers; `x` is initialised, and nobody else writes it or touches the rows of `y` meanwhile.
    pub unsafe fn run_rows(&self, rows: (usize, usize), x: *const f32, y: *mut f32) {
        unsafe {
            match self.kind {
                Kind::Dense { run, .. } => {
                    if let Some(d) = self.dense(rows) {
                        run.run(&d, x, y, x);
                    }
                }
                Kind::Depthwise { run } => {
                    if let Some(d) = self.depthwise(rows) {
                        run.run(&d, x, y);
                    }
                }
            }
        }
    }

    fn dense(&self, rows: (usize, usize)) -> Option<Dense<'_>> {
        let Kind::Dense { inner, blocks, last, .. } = self.kind else { return None };
        Some(Dense {
            x: self.x,
            taps: &self.taps,
            inner,
            blocks,
            last,
            weights: &self.weights,
            bias: &self.bias,
            y: self.y,
            skip: self.skip,
            rows,
            width: self.width,
            limits: self.limits,
        })
    }

    fn depthwise(&self, rows: (usize, usize)) -> Option<Depthwise<'_>> {
        matches!(self.kind, Kind::Depthwise { .. }).then_some(Depthwise {
            x: self.x,
            taps: &self.taps,
            weights: &self.weights,
            bias: &self.bias,
            y: self.y,
            rows,
            width: self.width,
            limits: self.limits,
        })
    }

    /// Output blocks.
    #[must_use]
    pub fn blocks(&self, lanes: usize) -> usize {
        self.bias.len() / lanes
    }

    /// Multiply-accumulates of one row.
    #[must_use]
    pub fn macs_per_row(&self) -> usize {
        self.weights.len() * self.width
    }
}
