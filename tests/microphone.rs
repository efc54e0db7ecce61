//! Promise: what is said into a microphone becomes items of the line, with the samples that were heard; a
//! microphone that is gone is said to be gone, and listened to again once it is there.
//!
//! A real sound server plays a spoken number into a sink, and the built program listens to its monitor.

use crate::floor::until;
use crate::sound_server::{Ended, alsa_config, client, place_of, server};
use secondlook::media::{Resampler, Sound, WavFormat, decode_sound, encode_wav};
use std::fs;
use std::io::Write as _;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The rate at which sound servers work by themselves, and that of the recording.
const RATE_HZ: u32 = 48_000;
const SPOKEN_HZ: u32 = 8000;
/// A machine that is busy elsewhere starves the sound server, too: one of these attempts has to be right.
const ATTEMPTS: usize = 3;

const PLAN: &str = r#"
name = "desk"
task = "transcribe"

[microphone]
name = "desk-2"
"#;

/// Two utterances, of 1.0 and of 0.5 s.
fn spoken() -> Sound {
    decode_sound(&fs::read("tests/fixtures/sound/spoken.flac").unwrap()).unwrap()
}

/// One channel at another rate.
fn at_rate(sound: &Sound, rate_hz: u32) -> Sound {
    let mut samples = Vec::new();
    Resampler::new(sound.rate_hz, rate_hz, 1).push(&sound.mono(), &mut samples);
    Sound { rate_hz, channels: 1, samples }
}

/// How alike a clip is to the stretch of the recording that it is most like: found at the lower rate, and
/// compared at the higher one, where it stands between two samples of the other.
fn alike(clip: &Sound, recording: &Sound) -> f32 {
    let (at, _) = place_of(&at_rate(clip, SPOKEN_HZ).samples, &recording.samples);
    let (clip, recording) = (at_rate(clip, RATE_HZ), at_rate(recording, RATE_HZ));
    let finer = (RATE_HZ / SPOKEN_HZ) as usize;
    let from = (at * finer).saturating_sub(4 * finer);
    let end = (from + clip.samples.len() + 8 * finer).min(recording.samples.len());
    place_of(&clip.samples, &recording.samples[from..end]).1
}

struct Desk {
    line: PathBuf,
    dir: tempfile::TempDir,
    said: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (line, plan) = (dir.path().join("line"), dir.path().join("plan.toml"));
        fs::write(&plan, PLAN).unwrap();
        let made = Command::new(env!("CARGO_BIN_EXE_secondlook"))
            .arg("new")
            .arg(&line)
            .arg("--plan")
            .arg(&plan)
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let said = dir.path().join("said.txt");
        Self { line, dir, said }
    }

    fn station(&self, socket: &Path) -> Ended {
        let child = client(env!("CARGO_BIN_EXE_secondlook"), socket)
            .arg("run")
            .arg(&self.line)
            .env("ALSA_CONFIG_PATH", alsa_config(self.dir.path()))
            .stdout(Stdio::null())
            .stderr(fs::File::create(&self.said).unwrap())
            .spawn();
        Ended(child.unwrap())
    }

    /// What the station said to people.
    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Clips that the station has taken in, oldest first.
    fn clips(&self) -> Vec<PathBuf> {
        let mut clips: Vec<PathBuf> = fs::read_dir(self.line.join("inbox/done"))
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        clips.sort();
        clips
    }
}

/// Whether somebody listens to the sink.
fn is_heard(socket: &Path) -> bool {
    let listed = client("pactl", socket).args(["list", "short", "source-outputs"]).output();
    listed.is_ok_and(|listed| !listed.stdout.is_empty())
}

fn play(socket: &Path, file: &Path) {
    assert!(client("paplay", socket).arg(file).status().unwrap().success());
}

#[test]
fn what_is_said_into_a_microphone_becomes_items_and_one_that_is_gone_is_listened_to_again() {
    let trial = tempfile::tempdir().unwrap();
    if let Err(why) = server(trial.path(), RATE_HZ, 1) {
        let _ = writeln!(std::io::stderr(), "SKIPPED: no microphone can be played: {why}");
        return;
    }
    assert!((0..ATTEMPTS).any(|_| catch_unwind(listen).is_ok()), "not heard as it should be, see above");
}

fn listen() {
    let desk = Desk::new();
    let sound = spoken();
    let file = desk.dir.path().join("spoken.wav");
    fs::write(&file, encode_wav(&at_rate(&sound, RATE_HZ), WavFormat::Pcm16)).unwrap();
    let (first, socket) = server(desk.dir.path(), RATE_HZ, 1).unwrap();
    let _station = desk.station(&socket);
    until("somebody listens", || is_heard(&socket));
    play(&socket, &file);
    until("two clips are taken in", || desk.clips().len() == 2);
    for (clip, secs) in desk.clips().iter().zip([1.0, 0.5]) {
        assert!(clip.file_name().unwrap().to_string_lossy().starts_with("desk-2-20"), "{}", clip.display());
        let clip = decode_sound(&fs::read(clip).unwrap()).unwrap();
        let alike = alike(&clip, &sound);
        assert!(alike > 0.99, "a clip is not what was said: {alike}");
        // A quarter of a second is added before and behind.
        assert!((clip.secs() - secs - 0.5).abs() < 0.2, "{} s", clip.secs());
    }

    drop(first);
    until("it is said that nothing is heard", || desk.said().contains("microphone"));
    let _ = fs::remove_file(&socket);
    let (_second, socket) = server(desk.dir.path(), RATE_HZ, 1).unwrap();
    until("it is listened to again", || is_heard(&socket));
    play(&socket, &file);
    until("two more clips are taken in", || desk.clips().len() == 4);
}
