//! The simulated test bench of motors: short sounds of electric motors, good ones and ones with
//! faults, with the stretch and the band in which each fault can be heard.
//!
//! A clip goes through `motor` (the unit), `run` (speed and load), `fault` with `impacts` and
//! `friction`, `surroundings`, `microphone` and `truth`; `drift` says what the script of changes
//! has come to. The parts of a clip stay apart until all have gone through the microphone, so that
//! the truth is measured and not assumed.

mod drift;
mod fault;
mod files;
mod friction;
mod impacts;
mod microphone;
mod motor;
mod run;
mod signal;
mod surroundings;
#[cfg(test)]
mod tests;
mod truth;

pub use fault::{FAULT_CLASSES, NEW_FAULT_CLASS};
pub use signal::{CLIP_SAMPLES, RATE_HZ};

use super::stream_rng;
use crate::domain::{Label, Region, SimulatorSettings};
use crate::media::Sound;
use drift::Drifted;
use fault::{Fault, render_faults};
use microphone::Microphone;
use motor::Motor;
use rand::Rng;
use run::Run;
use truth::{Energies, Grid};

/// Faults draw from a stream of their own, so that everything around one is as it were without.
const FAULT_STREAM: u64 = 1 << 63;
/// How much more severe a fault becomes at a time until it can be heard.
const SEVERITY_STEP: f32 = 0.1;

/// One motor as the microphone heard it, with the truth about it.
#[derive(Clone, Debug)]
pub struct RenderedUnit {
    /// `M000123` for index 123.
    pub unit: String,
    /// One channel of [`CLIP_SAMPLES`] at [`RATE_HZ`]; what is louder than full scale is clipped.
    pub sound: Sound,
    /// Where faults can be heard, the main one's first; empty for a good motor.
    pub regions: Vec<Region>,
    /// Of the main fault, from 0 for borderline to 1 for obvious; 0 for a good motor.
    pub severity: f64,
    /// The main fault, else `good`.
    pub class: String,
}

pub struct Simulator {
    settings: SimulatorSettings,
    low: Grid,
    high: Grid,
}

/// All that is heard besides the fault in question, and the energies of it.
struct Rest {
    heard: Vec<f32>,
    low: Energies,
    high: Energies,
}

impl Simulator {
    #[must_use]
    pub fn new(settings: SimulatorSettings) -> Self {
        Self { settings, low: Grid::low(), high: Grid::high() }
    }

    /// The same unit for the same settings and index, whatever the thread.
    #[must_use]
    pub fn render(&self, index: u64) -> RenderedUnit {
        let mut rng = stream_rng(self.settings.seed, index);
        let drifted = Drifted::at(&self.settings, index);
        let is_faulty = rng.random::<f64>() < self.settings.defect_share;
        let motor = Motor::draw(&mut rng);
        let run = Run::draw(&mut rng, motor.shaft_hz);
        let microphone = Microphone::draw(&mut rng, &drifted);
        let healthy = motor.render(&run, &mut rng);
        let mut sound = surroundings::render(&motor, &run, drifted.background, &mut rng);
        signal::add(&mut sound, &healthy);
        let mut heard = microphone.hear(&sound);
        microphone.add_noise(&mut heard, &mut rng);
        let mut rest = self.rest(heard);
        let (mut regions, mut severity) = (Vec::new(), 0.0);
        if is_faulty {
            let mut rng = stream_rng(self.settings.seed, index ^ FAULT_STREAM);
            for mut fault in render_faults(&motor, &run, &healthy, drifted.new_fault_share, &mut rng) {
                let found = self.add_fault(&mut rest, &mut fault, &microphone);
                if regions.is_empty() && !found.is_empty() {
                    severity = f64::from((fault.severity * 100.0).round()) / 100.0;
                }
                regions.extend(found);
            }
        }
        let mut samples = rest.heard;
        for value in &mut samples {
            *value = value.clamp(-1.0, 1.0);
        }
        let class = regions.first().map_or(Label::GOOD, |region| &region.class).to_owned();
        let sound = Sound { rate_hz: RATE_HZ, channels: 1, samples };
        RenderedUnit { unit: unit_name(index), sound, regions, severity, class }
    }

    fn rest(&self, heard: Vec<f32>) -> Rest {
        Rest { low: self.low.energies(&heard), high: self.high.energies(&heard), heard }
    }

    /// Adds a fault to what is heard, and says where it can be heard. One that cannot, however
    /// severe, is left out.
    fn add_fault(&self, rest: &mut Rest, fault: &mut Fault, microphone: &Microphone) -> Vec<Region> {
        let mut heard = microphone.hear(&fault.sound);
        let (low, high) = (self.low.energies(&heard), self.high.energies(&heard));
        loop {
            let factor = fault.factor();
            let power = factor * factor;
            let regions = if fault.is_low() {
                self.low.regions(fault.class, &low, power, &rest.low)
            } else {
                self.high.regions(fault.class, &high, power, &rest.high)
            };
            if !regions.is_empty() {
                signal::scale(&mut heard, factor);
                signal::add(&mut rest.heard, &heard);
                rest.low.add(&low, power);
                rest.high.add(&high, power);
                return regions;
            }
            if fault.severity >= 1.0 {
                return regions;
            }
            fault.severity = (fault.severity + SEVERITY_STEP).min(1.0);
        }
    }
}

/// `M000123`; more digits where six do not suffice.
#[must_use]
pub fn unit_name(index: u64) -> String {
    format!("M{index:06}")
}
