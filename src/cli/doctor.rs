//! `doctor`: what works on this machine, and what to do about what does not.

use super::Report;
use super::verbs::to_json;
use crate::engine::{self, EngineError, find_model, model_names, network_hardware};
use serde_json::{Value, json};

pub fn doctor() -> Report {
    let checks = [
        ("display", display()),
        ("graphics", graphics()),
        ("audio", audio()),
        ("disk", disk()),
        ("models", models()),
        ("network", Ok(network_hardware())),
    ];
    let ok = checks.iter().all(|(_, result)| result.is_ok());
    let checks: serde_json::Map<String, Value> = checks
        .into_iter()
        .map(|(name, result)| {
            let value = match result {
                Ok(found) => json!({ "ok": true, "found": found }),
                Err(hint) => json!({ "ok": false, "hint": hint }),
            };
            (name.to_owned(), value)
        })
        .collect();
    Report::ok(json!({ "ok": ok, "checks": checks, "version": env!("CARGO_PKG_VERSION") }))
}

/// `microphones`: what the plan can name.
pub fn microphones() -> Result<Report, EngineError> {
    Ok(Report::ok(json!({ "microphones": to_json(&engine::microphones()?)? })))
}

fn display() -> Result<String, String> {
    ["WAYLAND_DISPLAY", "DISPLAY"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()).map(|v| format!("{name}={v}")))
        .ok_or_else(|| {
            "no display: the window cannot open, everything else works (secondlook demo --headless)".into()
        })
}

/// Looks for the library that the window draws with, where the loader would look.
fn graphics() -> Result<String, String> {
    if !cfg!(feature = "gui") {
        return Err("this build has no window (feature gui)".into());
    }
    if !cfg!(target_os = "linux") {
        return Ok("the system's own".into());
    }
    let folders = ["/usr/lib", "/usr/lib64", "/lib", "/usr/local/lib"];
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    ["libEGL.so.1", "libGL.so.1"]
        .into_iter()
        .find(|library| {
            folders.iter().any(|folder| {
                let folder = std::path::Path::new(folder);
                folder.join(library).exists() || folder.join(&triplet).join(library).exists()
            })
        })
        .map(str::to_owned)
        .ok_or_else(|| "no OpenGL library: install libgl1 and libegl1 (Debian)".into())
}

#[cfg(feature = "audio")]
fn audio() -> Result<String, String> {
    use cpal::traits::{DeviceTrait, HostTrait};
    // ALSA always names a default device; only one with a format can play.
    let device = cpal::default_host().default_output_device();
    match device.and_then(|device| device.default_output_config().ok()) {
        Some(config) => Ok(format!("a device that plays {} Hz", config.sample_rate())),
        None => Err("no sound device: pictures are inspected, clips would not be heard".into()),
    }
}

#[cfg(not(feature = "audio"))]
fn audio() -> Result<String, String> {
    Err("this build has no sound (feature audio)".into())
}

/// Whether the place for data can be written durably.
fn disk() -> Result<String, String> {
    let path = std::env::temp_dir().join(format!("secondlook-doctor-{}", uuid::Uuid::now_v7()));
    let start = std::time::Instant::now();
    let written = std::fs::File::create(&path).and_then(|file| file.sync_all());
    let _ = std::fs::remove_file(&path);
    match written {
        Ok(()) => Ok(format!("a file is durable after {:.1} ms", start.elapsed().as_secs_f64() * 1e3)),
        Err(error) => Err(format!("cannot write temporary files: {error}")),
    }
}

fn models() -> Result<String, String> {
    let names = model_names(None);
    let broken: Vec<String> =
        names.iter().filter_map(|name| find_model(None, name).err().map(|error| error.to_string())).collect();
    if broken.is_empty() { Ok(names.join(", ")) } else { Err(broken.join("; ")) }
}
