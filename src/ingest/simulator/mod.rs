//! The simulated phone line: rendered phones with scratches, cracks, chips and stains, their
//! true masks, and harmless dust.
//!
//! Sits in front of the station like a camera: it writes ordinary JPEG files, so that
//! everything behind it is the real path. A unit depends on seed and index alone, never on
//! threads or on what was rendered before. Must not know models, decisions or the store.

mod canvas;
mod defect;
mod scene;
mod surface;
mod write;

pub use defect::DEFECT_CLASSES;
pub use write::{SimulatorError, write_dataset, write_unit};

use crate::domain::{Label, Region, SimulatorSettings};
use crate::media::Raster;
use canvas::Canvas;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scene::Scene;
use surface::Noise;

/// Two megapixels, as from a line camera, with the phone upright.
pub const WIDTH_PX: u32 = 1080;
pub const HEIGHT_PX: u32 = 1920;

/// The stream of random numbers that the shared noise is drawn from; units have their own.
const NOISE_STREAM: u64 = u64::MAX;
/// Defects draw from a stream of their own, so that everything around one is as it were without.
const DEFECT_STREAM: u64 = 1 << 63;

/// One phone as the camera saw it, with the truth about it.
#[derive(Clone, Debug)]
pub struct RenderedUnit {
    /// `P000123` for index 123.
    pub unit: String,
    /// RGB, [`WIDTH_PX`] × [`HEIGHT_PX`].
    pub raster: Raster,
    /// Masks of the defects; empty for a good phone.
    pub regions: Vec<Region>,
    /// The main defect, else `good`.
    pub class: String,
}

pub struct Simulator {
    settings: SimulatorSettings,
    noise: Noise,
    /// The last canvas, used again: 25 MB of fresh memory cost a quarter of a picture's time.
    spare: Mutex<Option<Canvas>>,
}

impl Simulator {
    /// Prepares the noise that all pictures share (some 10 ms, 7 MB).
    #[must_use]
    pub fn new(settings: SimulatorSettings) -> Self {
        let mut rng = unit_rng(settings.seed, NOISE_STREAM);
        Self { settings, noise: Noise::new(WIDTH_PX as usize, &mut rng), spare: Mutex::new(None) }
    }

    #[must_use]
    pub fn settings(&self) -> SimulatorSettings {
        self.settings
    }

    /// The same unit for the same seed and index, whatever the thread.
    #[must_use]
    pub fn render(&self, index: u64) -> RenderedUnit {
        let mut rng = unit_rng(self.settings.seed, index);
        let is_defective = rng.random::<f64>() < self.settings.defect_share;
        let spare = self.spare.lock().take();
        let mut canvas = spare.unwrap_or_else(|| Canvas::new(WIDTH_PX as usize, HEIGHT_PX as usize));
        let scene = Scene::draw(&mut rng, canvas.width, canvas.height);
        surface::paint_scene(&mut canvas, &scene, &self.noise, &mut rng);
        let (class, regions) = if is_defective {
            let mut rng = unit_rng(self.settings.seed, index ^ DEFECT_STREAM);
            defect::paint_defects(&mut canvas, &scene, &mut rng)
        } else {
            (Label::GOOD, Vec::new())
        };
        surface::paint_harmless(&mut canvas, &scene, &mut rng);
        #[expect(clippy::cast_possible_truncation, reason = "a factor near 1")]
        let light = self.settings.light as f32;
        let pixels = surface::develop(&canvas, &scene, light, &self.noise, &mut rng);
        *self.spare.lock() = Some(canvas);
        // A drawing that failed to hit the phone leaves a good phone, and the label says so.
        let class = regions.first().map_or(Label::GOOD, |_| class);
        RenderedUnit {
            unit: unit_name(index),
            raster: Raster { width: WIDTH_PX, height: HEIGHT_PX, channels: 3, pixels },
            regions,
            class: class.to_owned(),
        }
    }
}

/// `P000123`; more digits where six do not suffice.
#[must_use]
pub fn unit_name(index: u64) -> String {
    format!("P{index:06}")
}

fn unit_rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Shape;

    fn simulator(defect_share: f64) -> Simulator {
        Simulator::new(SimulatorSettings { defect_share, seed: 7, ..SimulatorSettings::default() })
    }

    #[test]
    fn a_unit_depends_on_seed_and_index_alone() {
        let one = simulator(0.5);
        let first = one.render(3);
        let _ = one.render(4);
        let again = std::thread::scope(|scope| scope.spawn(|| simulator(0.5).render(3)).join().unwrap());
        assert_eq!(first.raster, again.raster);
        assert_eq!(first.regions, again.regions);
        assert_eq!(first.unit, "P000003");
        assert_ne!(first.raster, one.render(4).raster);
        let other = Simulator::new(SimulatorSettings { seed: 8, ..one.settings() });
        assert_ne!(first.raster, other.render(3).raster);
    }

    #[test]
    fn defects_come_in_all_classes_with_masks_that_show_a_change() {
        let (bad, good) = (simulator(1.0), simulator(0.0));
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..24 {
            let unit = bad.render(index);
            assert!(!unit.regions.is_empty(), "{index}");
            assert!(DEFECT_CLASSES.contains(&unit.class.as_str()), "{}", unit.class);
            seen.insert(unit.class.clone());
            let clean = good.render(index);
            assert_eq!(clean.class, "good");
            assert!(clean.regions.is_empty());
            let change = |at: usize| {
                let pixel = |raster: &Raster| raster.pixels[at * 3..at * 3 + 3].to_vec();
                let pairs = pixel(&unit.raster).into_iter().zip(pixel(&clean.raster));
                pairs.map(|(a, b)| f64::from(a.abs_diff(b))).sum::<f64>()
            };
            let mut covered = vec![0; (WIDTH_PX * HEIGHT_PX) as usize];
            for region in &unit.regions {
                let Shape::Mask(mask) = &region.shape else { panic!("{region:?}") };
                assert_eq!(mask.size, [HEIGHT_PX, WIDTH_PX]);
                assert!(mask.area() >= 24 && mask.area() < 400_000, "{} of {index}", mask.area());
                let pixels = mask.to_pixels();
                let inside: f64 = (0..pixels.len()).filter(|&at| pixels[at] == 1).map(change).sum();
                assert!(inside / mask.area() as f64 > 8.0, "{index} {}: {inside}", region.class);
                covered.iter_mut().zip(pixels).for_each(|(sum, value)| *sum |= value);
            }
            let outside: f64 = (0..covered.len()).filter(|&at| covered[at] == 0).map(change).sum();
            assert!(outside / (covered.len() as f64) < 0.5, "{index}: {outside}");
        }
        assert_eq!(seen.len(), 4, "{seen:?}");
    }

    #[test]
    fn the_share_of_defects_and_the_light_are_as_set() {
        let simulator = simulator(0.3);
        let drawn = |index| {
            let mut rng = unit_rng(simulator.settings.seed, index);
            rng.random::<f64>() < simulator.settings.defect_share
        };
        let defective = (0..2000).filter(|&index| drawn(index)).count();
        assert!((540..660).contains(&defective), "{defective}");
        let mean = |unit: RenderedUnit| {
            unit.raster.pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / unit.raster.pixels.len() as f64
        };
        let dark = Simulator::new(SimulatorSettings { light: 0.5, ..simulator.settings() });
        let ratio = mean(dark.render(1)) / mean(simulator.render(1));
        assert!((0.45..0.56).contains(&ratio), "{ratio}");
    }
}
