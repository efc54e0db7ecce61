//! Samples → a WAV file.

use super::Sound;

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WavFormat {
    /// Rounded to 16 bits; what lies beyond full scale is clipped.
    Pcm16,
    /// Rounded to 24 bits, likewise.
    Pcm24,
    /// As it is, without loss.
    Float32,
}

/// Writes a clip (see [`super::SAMPLES_MAX`]) as a WAV file.
#[must_use]
pub fn encode_wav(sound: &Sound, format: WavFormat) -> Vec<u8> {
    let (tag, bytes): (u16, u16) = match format {
        WavFormat::Pcm16 => (1, 2),
        WavFormat::Pcm24 => (1, 3),
        WavFormat::Float32 => (3, 4),
    };
    let channels = u16::try_from(sound.channels).unwrap_or(u16::MAX);
    let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let samples_bytes = sound.samples.len() * usize::from(bytes);
    let frame_bytes = channels.saturating_mul(bytes);
    let second_bytes = sound.rate_hz.saturating_mul(u32::from(frame_bytes));
    // Whatever is not PCM says how long its extension is, and how many frames there are (Microsoft,
    // "New Multimedia Data Types", 1994).
    let is_pcm = tag == 1;
    let (format_bytes, fact_bytes) = if is_pcm { (16_u32, 0) } else { (18, 12) };
    let head_bytes = 20 + format_bytes as usize + fact_bytes;
    let mut out = Vec::with_capacity(8 + head_bytes + samples_bytes + 1);
    out.extend(b"RIFF");
    out.extend(size(head_bytes + samples_bytes + samples_bytes % 2).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(format_bytes.to_le_bytes());
    out.extend(tag.to_le_bytes());
    out.extend(channels.to_le_bytes());
    out.extend(sound.rate_hz.to_le_bytes());
    out.extend(second_bytes.to_le_bytes());
    out.extend(frame_bytes.to_le_bytes());
    out.extend((bytes * 8).to_le_bytes());
    if !is_pcm {
        out.extend(0_u16.to_le_bytes());
        out.extend(b"fact");
        out.extend(4_u32.to_le_bytes());
        out.extend(size(sound.samples.len() / usize::from(channels.max(1))).to_le_bytes());
    }
    out.extend(b"data");
    out.extend(size(samples_bytes).to_le_bytes());
    match format {
        WavFormat::Pcm16 => {
            out.extend(sound.samples.iter().flat_map(|&sample| {
                i16::try_from(rounded(sample, 32_768.0)).unwrap_or_default().to_le_bytes()
            }));
        }
        WavFormat::Pcm24 => out.extend(sound.samples.iter().flat_map(|&sample| {
            let [a, b, c, _] = rounded(sample, 8_388_608.0).to_le_bytes();
            [a, b, c]
        })),
        WavFormat::Float32 => out.extend(sound.samples.iter().flat_map(|sample| sample.to_le_bytes())),
    }
    if samples_bytes % 2 == 1 {
        out.push(0);
    }
    out
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the scale, of at most 24 bits")]
fn rounded(sample: f32, scale: f32) -> i32 {
    (sample * scale).round().clamp(-scale, scale - 1.0) as i32
}
