//! Simulated lines: rendered phones in place of a camera, rendered motors in place of a
//! microphone, each with the truth about it.
//!
//! Sits in front of the station: it writes ordinary files, so that everything behind it is the
//! real path. A unit depends on settings and index alone, never on threads or on what was
//! rendered before. Must not know models, decisions or the store.

mod curve;
pub mod motors;
pub mod phones;
mod write;

pub use write::{SimulatorError, write_dataset, write_unit};

use crate::domain::{SimulatorKind, SimulatorSettings};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The simulated line that the settings name.
pub enum Simulator {
    Phones(Box<phones::Simulator>),
    Motors(Box<motors::Simulator>),
}

pub enum RenderedUnit {
    Phone(phones::RenderedUnit),
    Motor(motors::RenderedUnit),
}

impl Simulator {
    #[must_use]
    pub fn new(settings: SimulatorSettings) -> Self {
        match settings.kind {
            SimulatorKind::Phone => Self::Phones(Box::new(phones::Simulator::new(settings))),
            SimulatorKind::Motor => Self::Motors(Box::new(motors::Simulator::new(settings))),
        }
    }

    /// The same unit for the same settings and index, whatever the thread.
    #[must_use]
    pub fn render(&self, index: u64) -> RenderedUnit {
        match self {
            Self::Phones(simulator) => RenderedUnit::Phone(simulator.render(index)),
            Self::Motors(simulator) => RenderedUnit::Motor(simulator.render(index)),
        }
    }
}

impl RenderedUnit {
    fn files(&self) -> Result<Vec<write::RenderedFile>, SimulatorError> {
        match self {
            Self::Phone(unit) => unit.files(),
            Self::Motor(unit) => Ok(vec![unit.file()]),
        }
    }
}

/// Each part of a unit draws from a stream of its own, so that nothing shifts when another part
/// draws more or less.
fn stream_rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}
