//! A sound server of a test's own, with a sink that only its monitor hears.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A child that ends with the test.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server whose sink is called `ear`, if the machine has the programs.
pub fn server(dir: &Path, rate_hz: u32, channels: u32) -> Result<(Ended, PathBuf), String> {
    for tool in ["pulseaudio", "parec", "paplay", "pactl"] {
        Command::new(tool).arg("--version").output().map_err(|error| format!("{tool}: {error}"))?;
    }
    let socket = dir.join("pulse.socket");
    let log = std::fs::File::create(dir.join("pulse.log")).unwrap();
    let child = Command::new("pulseaudio")
        .args(["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes"])
        .arg(format!("--load=module-native-protocol-unix auth-anonymous=1 socket={}", socket.display()))
        .arg(format!("--load=module-null-sink sink_name=ear rate={rate_hz} channels={channels}"))
        .env("HOME", dir)
        .env("PULSE_RUNTIME_PATH", dir)
        .env("XDG_RUNTIME_DIR", dir)
        .stderr(log)
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("pulseaudio: {error}"))?;
    let child = Ended(child);
    let start = Instant::now();
    while !socket.exists() {
        if start.elapsed() > Duration::from_secs(20) {
            let log = std::fs::read_to_string(dir.join("pulse.log")).unwrap_or_default();
            return Err(format!("pulseaudio does not start: {log}"));
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok((child, socket))
}

/// How ALSA's programs find the server.
pub fn alsa_config(dir: &Path) -> PathBuf {
    let config = dir.join("asound.conf");
    let text = "</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n";
    std::fs::write(&config, text).unwrap();
    config
}

/// A program that talks to the server.
pub fn client(program: &str, socket: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("PULSE_SERVER", format!("unix:{}", socket.display()));
    command
}

/// Where `wanted` stands in `heard`, and how alike it is there.
pub fn place_of(wanted: &[f32], heard: &[f32]) -> (usize, f32) {
    let energy = |samples: &[f32]| samples.iter().map(|v| v * v).sum::<f32>();
    let own = energy(wanted);
    (0..(heard.len() + 1).saturating_sub(wanted.len()))
        .map(|at| {
            let there = &heard[at..at + wanted.len()];
            let both: f32 = wanted.iter().zip(there).map(|(a, b)| a * b).sum();
            (at, both / (own * energy(there)).sqrt().max(1e-9))
        })
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap()
}
