//! Rendered sounds as WAV files with their truth.

use super::RenderedUnit;
use super::signal::RATE_HZ;
use crate::domain::{Label, MediaKind};
use crate::ingest::simulator::write::{RenderedFile, SimulatorError};
use serde_json::{Value, json};

impl RenderedUnit {
    pub(in crate::ingest::simulator) fn files(&self) -> Result<Vec<RenderedFile>, SimulatorError> {
        let name = format!("{}.wav", self.unit);
        Ok(vec![RenderedFile { truth: self.truth(&name), bytes: wav(&self.samples), name }])
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

/// Mono, 16 bits.
fn wav(samples: &[f32]) -> Vec<u8> {
    let bytes = u32::try_from(2 * samples.len()).unwrap_or(u32::MAX);
    let mut file = Vec::with_capacity(44 + 2 * samples.len());
    for part in [&b"RIFF"[..], &(36 + bytes).to_le_bytes(), b"WAVEfmt ", &16_u32.to_le_bytes()] {
        file.extend_from_slice(part);
    }
    for value in [1_u16, 1] {
        file.extend_from_slice(&value.to_le_bytes());
    }
    for value in [RATE_HZ, 2 * RATE_HZ] {
        file.extend_from_slice(&value.to_le_bytes());
    }
    for value in [2_u16, 16] {
        file.extend_from_slice(&value.to_le_bytes());
    }
    file.extend_from_slice(b"data");
    file.extend_from_slice(&bytes.to_le_bytes());
    for value in samples {
        #[expect(clippy::cast_possible_truncation, reason = "float to int saturates")]
        let value = (value * 32_767.0).round() as i16;
        file.extend_from_slice(&value.to_le_bytes());
    }
    file
}
