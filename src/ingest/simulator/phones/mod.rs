//! The simulated phone line: rendered phones with scratches, cracks, chips and stains, their
//! true masks, and harmless dirt.
//!
//! A picture goes through `phone` (the make), `scene` (belt, pose, lamps), `ground`, `fittings`,
//! `defect`, `dirt` and `develop`; `drift` says what the script of changes has come to.

mod canvas;
mod defect;
mod develop;
mod dirt;
mod drift;
mod files;
mod fittings;
mod ground;
mod line_defect;
mod noise;
mod patch;
mod pen;
mod phone;
mod scene;
mod spot_defect;
#[cfg(test)]
mod tests;

pub use defect::{DEFECT_CLASSES, NEW_DEFECT_CLASS};

use super::stream_rng;
use crate::domain::{Label, Region, SimulatedPosition, SimulatorSettings};
use crate::media::Raster;
use canvas::Canvas;
use develop::{LensDirt, Optics};
use drift::Drifted;
use noise::Noise;
use parking_lot::Mutex;
use phone::Phone;
use rand::Rng;
use scene::{Belt, Scene};

/// Two megapixels, as from a line camera, with the phone upright.
pub const WIDTH_PX: u32 = 1080;
pub const HEIGHT_PX: u32 = 1920;
const SIZE_PX: [f32; 2] = [WIDTH_PX as f32, HEIGHT_PX as f32];

/// The streams of random numbers that all units share: the noise, and what lies on the lens.
const NOISE_STREAM: u64 = u64::MAX;
const LENS_STREAM: u64 = u64::MAX - 1;
/// Defects draw from a stream of their own, so that everything around one is as it were without.
const DEFECT_STREAM: u64 = 1 << 63;
/// Each picture has a stream, so that it is the same whatever other pictures a unit has.
const PICTURE_STREAM: u64 = 1 << 60;
/// How often a further picture of a defective unit shows a defect too.
const FURTHER_DEFECT_SHARE: f64 = 0.15;

/// One phone as the camera saw it, with the truth about it.
#[derive(Clone, Debug)]
pub struct RenderedUnit {
    /// `P000123` for index 123.
    pub unit: String,
    /// In the order of the settings' positions; one where those are empty.
    pub pictures: Vec<RenderedPicture>,
    /// The main defect, else `good`.
    pub class: String,
}

#[derive(Clone, Debug)]
pub struct RenderedPicture {
    /// Of the file, without its ending: `P000123`, or `P000123_front` where positions are set.
    pub name: String,
    /// From where it is taken, also where its name does not say so.
    pub position: SimulatedPosition,
    /// RGB, [`WIDTH_PX`] × [`HEIGHT_PX`].
    pub raster: Raster,
    /// Masks of the defects; empty for a good picture.
    pub regions: Vec<Region>,
    /// As the camera is set for this picture.
    pub jpeg_quality: u8,
}

pub struct Simulator {
    settings: SimulatorSettings,
    noise: Noise,
    lens_dirt: LensDirt,
    /// The last canvas, used again: 25 MB of fresh memory cost a quarter of a picture's time.
    spare: Mutex<Option<Canvas>>,
}

/// What all pictures of one unit have in common.
struct Unit {
    index: u64,
    phone: Phone,
    belt: Belt,
    positions: Vec<SimulatedPosition>,
    is_defective: bool,
    drifted: Drifted,
}

impl Simulator {
    /// Prepares the noise that all pictures share (some 20 ms, 7 MB).
    #[must_use]
    pub fn new(settings: SimulatorSettings) -> Self {
        let noise = Noise::new(WIDTH_PX as usize, &mut stream_rng(settings.seed, NOISE_STREAM));
        let lens_dirt = LensDirt::draw(&mut stream_rng(settings.seed, LENS_STREAM));
        Self { settings, noise, lens_dirt, spare: Mutex::new(None) }
    }

    #[must_use]
    pub fn settings(&self) -> &SimulatorSettings {
        &self.settings
    }

    /// The same unit for the same settings and index, whatever the thread.
    #[must_use]
    pub fn render(&self, index: u64) -> RenderedUnit {
        let unit = self.unit(index);
        let mut rng = stream_rng(self.settings.seed, index ^ DEFECT_STREAM);
        let main = rng.random_range(0..unit.positions.len());
        let mut class = Label::GOOD;
        let mut pictures = Vec::with_capacity(unit.positions.len());
        for (i, &position) in unit.positions.iter().enumerate() {
            let shows_defect = rng.random_bool(FURTHER_DEFECT_SHARE) || i == main;
            let (picture, seen) = self.picture(&unit, position, unit.is_defective && shows_defect);
            if seen != Label::GOOD && (class == Label::GOOD || i == main) {
                class = seen;
            }
            pictures.push(picture);
        }
        RenderedUnit { unit: unit_name(index), pictures, class: class.to_owned() }
    }

    fn unit(&self, index: u64) -> Unit {
        let mut rng = stream_rng(self.settings.seed, index);
        let drifted = Drifted::at(&self.settings, index);
        let is_defective = rng.random::<f64>() < self.settings.defect_share;
        let is_new = rng.random::<f64>() < drifted.new_color_share;
        let side = match rng.random_range(0..100) {
            0..=54 => SimulatedPosition::Front,
            55..=89 => SimulatedPosition::Back,
            _ => SimulatedPosition::Edge,
        };
        let positions = &self.settings.positions;
        Unit {
            index,
            phone: Phone::draw(&mut rng, HEIGHT_PX as f32, is_new),
            belt: Belt::draw(&mut rng, SIZE_PX),
            positions: if positions.is_empty() { vec![side] } else { positions.clone() },
            is_defective,
            drifted,
        }
    }

    /// One picture, and the class of its main defect or `good`.
    fn picture(
        &self,
        unit: &Unit,
        position: SimulatedPosition,
        is_defective: bool,
    ) -> (RenderedPicture, &'static str) {
        let stream = unit.index ^ (PICTURE_STREAM * (1 + position as u64));
        let mut rng = stream_rng(self.settings.seed, stream);
        let spare = self.spare.lock().take();
        let mut canvas = spare.unwrap_or_else(|| Canvas::new(WIDTH_PX as usize, HEIGHT_PX as usize));
        let scene = Scene::draw(&mut rng, (&unit.phone, &unit.belt), position, &unit.drifted, SIZE_PX);
        let optics = Optics::draw(&mut rng);
        ground::paint_ground(&mut canvas, &scene, &self.noise, &mut rng);
        fittings::paint_fittings(&mut canvas, &scene);
        let mut class = Label::GOOD;
        let mut regions = Vec::new();
        if is_defective {
            let mut rng = stream_rng(self.settings.seed, stream ^ DEFECT_STREAM);
            let new_share = unit.drifted.new_defect_share;
            (class, regions) = defect::paint_defects(&mut canvas, &scene, new_share, &mut rng);
        }
        dirt::paint_dirt(&mut canvas, &scene, &mut rng);
        let level = unit.drifted.dirty_lens;
        let lens = (level > 0.0).then_some((&self.lens_dirt, level));
        let pixels = develop::develop(&canvas, &scene, &optics, lens, &self.noise, &mut rng);
        *self.spare.lock() = Some(canvas);
        // A drawing that failed to hit the phone leaves a good phone, and the label says so.
        let class = regions.first().map_or(Label::GOOD, |_| class);
        let mut name = unit_name(unit.index);
        if !self.settings.positions.is_empty() {
            name = format!("{name}_{}", position.as_str());
        }
        let raster = Raster { width: WIDTH_PX, height: HEIGHT_PX, channels: 3, pixels };
        (RenderedPicture { name, position, raster, regions, jpeg_quality: optics.jpeg_quality }, class)
    }
}

/// `P000123`; more digits where six do not suffice.
#[must_use]
pub fn unit_name(index: u64) -> String {
    format!("P{index:06}")
}
