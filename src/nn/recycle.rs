//! Buffers that one training step leaves to the next: asking the system for fresh pages costs as
//! much as computing what goes into them.

use parking_lot::Mutex;
use std::sync::Arc;

/// Buffers kept; a step of the largest network here needs about a hundred.
const KEPT_MAX: usize = 512;

/// Where buffers wait for their next use; freed with its last user.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<Vec<Vec<f32>>>>);

impl Shelf {
    /// A buffer of `len` values; what they are is left over from an earlier use.
    #[must_use]
    pub fn unspecified(&self, len: usize) -> Recycled {
        let mut kept = self.0.lock();
        let fitting = kept.iter().position(|buffer| buffer.len() == len);
        let values = fitting.map_or_else(|| vec![0.0; len], |at| kept.swap_remove(at));
        Recycled { values, shelf: self.clone() }
    }

    #[must_use]
    pub fn zeros(&self, len: usize) -> Recycled {
        let mut buffer = self.unspecified(len);
        buffer.fill(0.0);
        buffer
    }

    #[must_use]
    pub fn copy_of(&self, values: &[f32]) -> Recycled {
        let mut copy = self.unspecified(values.len());
        copy.copy_from_slice(values);
        copy
    }
}

/// A buffer that goes back to its shelf when it is dropped.
pub struct Recycled {
    values: Vec<f32>,
    shelf: Shelf,
}

impl std::ops::Deref for Recycled {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl std::ops::DerefMut for Recycled {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

impl Drop for Recycled {
    fn drop(&mut self) {
        let mut kept = self.shelf.0.lock();
        if kept.len() < KEPT_MAX {
            kept.push(std::mem::take(&mut self.values));
        }
    }
}
