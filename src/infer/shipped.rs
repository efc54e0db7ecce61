//! The packages that travel inside the binary.

use super::package::{MANIFEST_FILE, WEIGHTS_FILE};
use super::{InferError, Manifest, Model};
use include_dir::{Dir, include_dir};

static MODELS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/models");

/// Names of the shipped packages, in alphabetical order.
#[must_use]
pub fn shipped_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = MODELS
        .dirs()
        .filter(|dir| dir.get_file(dir.path().join(MANIFEST_FILE)).is_some())
        .filter_map(|dir| dir.path().file_name()?.to_str())
        .collect();
    names.sort_unstable();
    names
}

fn file(name: &str, file: &str) -> Option<&'static [u8]> {
    MODELS.get_file(format!("{name}/{file}")).map(include_dir::File::contents)
}

/// What a shipped package says of itself, without its weights; `None` where there is none of this name.
#[must_use]
pub fn shipped_manifest(name: &str) -> Option<Manifest> {
    serde_json::from_slice(file(name, MANIFEST_FILE)?).ok()
}

/// Loads a shipped package with the same checks as one on disk.
pub fn shipped(name: &str) -> Result<Model, InferError> {
    match (file(name, MANIFEST_FILE), file(name, WEIGHTS_FILE)) {
        (Some(manifest), Some(weights)) if shipped_names().contains(&name) => {
            Model::from_bytes(manifest, weights)
        }
        _ => Err(InferError::UnknownShipped { name: name.to_owned(), known: shipped_names().join(", ") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Decoded, Raster};

    #[test]
    fn every_shipped_package_loads_and_unknown_names_are_refused() {
        for name in shipped_names() {
            assert_eq!(shipped(name).unwrap().model_ref().name, name);
        }
        assert!(shipped("no-such").unwrap_err().to_string().contains("no-such"));
        assert!(shipped("../models").is_err());
    }

    /// They are first weights, and a station that is given them by mistake passes nothing on their word.
    #[test]
    fn first_weights_decide_nothing() {
        let model = shipped("photographs").unwrap();
        let pixels = (0..64 * 64 * 3).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let picture = Decoded::Image(Raster { width: 64, height: 64, channels: 3, pixels });
        let said = model.predict(&model.prepare(&picture, None).unwrap(), 1).unwrap();
        assert!((said.probabilities["good"].get() - 0.5).abs() < 1e-6 && said.regions.len() <= 1);
    }

    /// Vertical tracks, one of them cut through: not taken from any real board.
    #[test]
    fn the_board_model_finds_what_differs_from_the_reference() {
        let model = shipped("pcb").unwrap();
        let board = |cut: bool| {
            let copper = |x: usize, y: usize| x % 64 < 18 && !(cut && x / 64 == 4 && (300..312).contains(&y));
            let pixels = (0..640 * 640).map(|at| if copper(at % 640, at / 640) { 0 } else { 255 }).collect();
            Raster { width: 640, height: 640, channels: 1, pixels }
        };
        let golden = board(false);
        let look = |raster: Raster| {
            model.predict(&model.prepare(&Decoded::Image(raster), Some(&golden)).unwrap(), 1).unwrap()
        };
        assert!(look(golden.clone()).probabilities["good"].get() > 0.5);
        let found = look(board(true));
        assert!(found.probabilities["good"].get() < 0.5);
        let place = found.regions.iter().find_map(|region| region.shape.bounds()).unwrap();
        assert!(place.x1 < 265.0 && place.x2 > 265.0 && place.y1 < 306.0 && place.y2 > 306.0, "{place:?}");
        assert!(model.prepare(&Decoded::Image(golden), None).is_err());
    }
}
