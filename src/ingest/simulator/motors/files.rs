//! Rendered sounds as WAV files with their truth.

use super::RenderedUnit;
use crate::domain::{Label, MediaKind};
use crate::ingest::simulator::write::RenderedFile;
use crate::media::{WavFormat, encode_wav};
use serde_json::{Value, json};

impl RenderedUnit {
    pub(in crate::ingest::simulator) fn file(&self) -> RenderedFile {
        let name = format!("{}.wav", self.unit);
        RenderedFile { truth: self.truth(&name), bytes: encode_wav(&self.sound, WavFormat::Pcm16), name }
    }

    fn truth(&self, media: &str) -> Value {
        let mut line = json!({ "media": media, "kind": MediaKind::Audio.as_str(), "group": self.unit });
        if self.regions.is_empty() {
            line["label"] = json!(Label::GOOD);
        } else {
            line["regions"] = json!(self.regions);
            line["severity"] = json!(self.severity);
        }
        line
    }
}
