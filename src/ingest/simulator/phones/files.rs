//! Rendered pictures as JPEG files with their truth.

use super::{RenderedPicture, RenderedUnit};
use crate::domain::{Label, MediaKind};
use crate::ingest::simulator::write::{RenderedFile, SimulatorError};
use crate::media::encode_jpeg;
use serde_json::{Value, json};

impl RenderedUnit {
    pub(in crate::ingest::simulator) fn files(&self) -> Result<Vec<RenderedFile>, SimulatorError> {
        self.pictures.iter().map(|picture| self.file(picture)).collect()
    }

    fn file(&self, picture: &RenderedPicture) -> Result<RenderedFile, SimulatorError> {
        let name = format!("{}.jpg", picture.name);
        let bytes = encode_jpeg(&picture.raster, picture.jpeg_quality)?;
        Ok(RenderedFile { truth: self.truth(&name, picture), bytes, name })
    }

    fn truth(&self, media: &str, picture: &RenderedPicture) -> Value {
        let mut line = json!({
            "media": media,
            "kind": MediaKind::Image.as_str(),
            "group": self.unit,
            "position": picture.position.as_str(),
        });
        if picture.regions.is_empty() {
            line["label"] = json!(Label::GOOD);
        } else {
            line["regions"] = json!(picture.regions);
        }
        line
    }
}
