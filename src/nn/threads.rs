//! The one pool that networks run on, forward and in training: rayon's global one.

use super::NnError;

/// Starts the pool with so many threads (0: as many as `RAYON_NUM_THREADS` says, else one for
/// each core), before anything has run on it. Each thread keeps to a core of its own where there
/// are enough: the system often wakes a thread on the core of the one that wakes it, and two that
/// should work side by side then take turns.
pub fn start_threads(threads: usize) -> Result<(), NnError> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("network-{}", index + 1))
        .start_handler(move |index| {
            if rayon::current_num_threads() <= cores.len() {
                // Where the system refuses, the thread runs wherever there is room.
                let _ = core_affinity::set_for_current(cores[index]);
            }
        })
        .build_global()
        .map_err(|error| NnError::Threads(error.to_string()))
}
