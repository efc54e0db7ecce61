//! What is heard: a real sound server with a sink that only records plays a stretch of a file, and what it
//! recorded is compared with the file and with where the program said it was.

use crate::sound_server::{Ended, alsa_config, client, place_of, server};
use secondlook::domain::MediaHash;
use secondlook::engine::{PlayRequest, Player};
use secondlook::media::{Sound, WavFormat, encode_wav};
use secondlook::store::Blobs;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const RATE: u32 = 44_100;
/// The file repeats a stretch of noise as often as it takes.
const NOISE_SECS: u32 = 8;
/// Of hours only the end is kept and compared.
const KEPT_SECS: u32 = 60;
/// Clocks drift apart by less than a sample in so short a time.
const NEAR_SECS: f64 = 0.05;
/// Runs the test, and says how many seconds are played, at least three: it measures in real time, which a
/// busy machine does not give.
const ASKED: &str = "SECONDLOOK_LISTEN";
/// How the part that plays is told where it works; it plays only in a process of its own, since a
/// library reads the server's place from the environment.
const FOLDER: &str = "SECONDLOOK_LISTEN_FOLDER";

fn play_secs() -> u32 {
    std::env::var(ASKED).ok().and_then(|secs| secs.parse().ok()).map_or(3, |secs: u32| secs.max(3))
}

/// The stretch that is played.
fn span() -> [u64; 2] {
    [2, 2 + play_secs()].map(|secs| u64::from(secs * RATE))
}

fn media() -> MediaHash {
    MediaHash::of(b"what is played")
}

/// Noise, of which no stretch is like another.
fn noise() -> Vec<f32> {
    let mut seed = 99_u32;
    let mut smooth = 0.0_f32;
    (0..RATE * NOISE_SECS)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = (seed >> 8) as f32 / (1 << 23) as f32 - 1.0;
            // Little at the top, so that another rate's filter takes nothing of it.
            smooth += 0.3 * (white - smooth);
            0.6 * smooth
        })
        .collect()
}

fn now_secs() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// The noise again and again, as a file of 16 bits.
fn write_file(path: &Path) {
    let sound = Sound { rate_hz: RATE, channels: 1, samples: noise() };
    let once = encode_wav(&sound, WavFormat::Pcm16);
    let (mut head, samples) = (once[..44].to_vec(), &once[44..]);
    let times = (play_secs() + 4).div_ceil(NOISE_SECS);
    let bytes = u32::try_from(samples.len()).unwrap() * times;
    head[4..8].copy_from_slice(&(bytes + 36).to_le_bytes());
    head[40..44].copy_from_slice(&bytes.to_le_bytes());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    file.write_all(&head).unwrap();
    for _ in 0..times {
        file.write_all(samples).unwrap();
    }
    file.flush().unwrap();
}

/// Plays, and writes down where it says it is: seconds of the clock and frames of the file.
#[test]
#[ignore = "the part of the test below that plays"]
fn player() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let player = Player::start(&folder, || {}).unwrap();
    player.play(PlayRequest {
        media: media(),
        from: span()[0],
        span: span(),
        is_looped: false,
        speed: 1.0,
        is_evened: false,
        skips_silence: false,
    });
    let (start, mut log, mut has_begun) = (Instant::now(), String::new(), false);
    let kept_from = span()[1].saturating_sub(u64::from(KEPT_SECS * RATE)) as f64;
    while start.elapsed() < Duration::from_secs(u64::from(play_secs()) + 9) {
        let now = player.now();
        if let Some(trouble) = now.trouble {
            writeln!(log, "trouble {trouble}").unwrap();
            break;
        }
        has_begun |= now.is_playing;
        if has_begun && !now.is_playing {
            break;
        }
        if let Some(frame) = now.frame.filter(|frame| *frame >= kept_from) {
            writeln!(log, "{:.6} {frame:.1}", now_secs()).unwrap();
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    std::fs::write(folder.join("said.txt"), log).unwrap();
}

/// What the sink's monitor heard.
struct Recording {
    /// The end of it, left channel, and how many frames came before that.
    heard: Vec<f32>,
    before: usize,
    /// When each piece came, and how many frames there were then.
    pieces: Vec<(f64, usize)>,
}

impl Recording {
    /// The frame that was recorded at a moment: by the piece around it that came with the least delay, since
    /// the server's clock and the machine's drift apart.
    fn frame_at(&self, at: f64) -> f64 {
        let near = self.pieces.iter().skip_while(|(secs, _)| *secs < at - NEAR_SECS);
        let near = near.take_while(|(secs, _)| *secs < at + NEAR_SECS);
        near.map(|(secs, frames)| *frames as f64 + (at - secs) * f64::from(RATE)).fold(0.0, f64::max)
    }
}

/// `listens` is told once it hears: a sink that nobody has asked for anything sleeps for seconds.
fn recorded(socket: &Path, listens: &AtomicBool, until: impl Fn() -> bool) -> Recording {
    let child = client("parec", socket)
        .args(["--device=ear.monitor", "--format=float32le", "--channels=2", "--latency-msec=2", "--raw"])
        .arg(format!("--rate={RATE}"))
        .stdout(Stdio::piped())
        .spawn();
    let mut child = Ended(child.unwrap());
    let mut out = child.0.stdout.take().unwrap();
    let kept_bytes = 8 * (RATE * (KEPT_SECS + 10)) as usize;
    let (mut bytes, mut buffer, mut before) = (Vec::new(), vec![0; 1 << 12], 0);
    let mut pieces = Vec::new();
    while !until() {
        let count = out.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..count]);
        if bytes.len() > 2 * kept_bytes {
            let gone = (bytes.len() - kept_bytes) / 8;
            before += gone;
            bytes.drain(..8 * gone);
            pieces.retain(|(_, frames)| *frames > before);
        }
        listens.store(bytes.len() > 8 * RATE as usize / 5, Ordering::Relaxed);
        pieces.push((now_secs(), before + bytes.len() / 8));
    }
    let left = bytes.chunks_exact(8).map(|frame| f32::from_le_bytes(frame[..4].try_into().unwrap()));
    Recording { heard: left.collect(), before, pieces }
}

/// A machine that is busy elsewhere starves the sound server, too: one of these attempts has to be right.
const ATTEMPTS: usize = 3;

#[test]
fn the_right_samples_are_heard_and_the_cursor_is_where_the_sound_is() {
    if std::env::var_os(ASKED).is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: it takes a sound server that nothing starves; {ASKED}=1 runs it"
        );
        return;
    }
    assert!((0..ATTEMPTS).any(|_| catch_unwind(listen).is_ok()), "not heard as it should be, see above");
}

fn listen() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, socket) = match server(dir.path(), RATE, 2) {
        Ok(server) => server,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
            return;
        }
    };
    let config = alsa_config(dir.path());
    write_file(&Blobs::of_line(dir.path()).path(&media()));
    let said = dir.path().join("said.txt");
    let listens = Arc::new(AtomicBool::new(false));
    let playing = std::thread::Builder::new().name("playing".to_owned()).spawn({
        let (folder, socket, listens) = (dir.path().to_owned(), socket.clone(), Arc::clone(&listens));
        move || {
            let start = Instant::now();
            while !listens.load(Ordering::Relaxed) && start.elapsed() < Duration::from_secs(20) {
                std::thread::park_timeout(Duration::from_millis(10));
            }
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "listen::player", "--ignored", "--test-threads=1"])
                .env(FOLDER, folder)
                .env("ALSA_CONFIG_PATH", config)
                .env("PULSE_SERVER", format!("unix:{}", socket.display()))
                .stdout(Stdio::null())
                .status()
                .unwrap()
        }
    });
    let start = Instant::now();
    let patience = Duration::from_secs(u64::from(play_secs()) + 40);
    let recording = recorded(&socket, &listens, || said.exists() || start.elapsed() > patience);
    assert!(playing.unwrap().join().unwrap().success());
    let said = std::fs::read_to_string(said).unwrap();
    if let Some(trouble) = said.lines().find_map(|line| line.strip_prefix("trouble ")) {
        let _ = writeln!(std::io::stderr(), "SKIPPED: {trouble} (libasound2-plugins?)");
        return;
    }
    compare(&recording, &said);
}

/// The stretch, all of it (or its last minute) and nothing else, and how far the cursor was from it.
fn compare(recording: &Recording, said: &str) {
    let heard = &recording.heard;
    let noise = noise();
    let end = heard.iter().rposition(|v| v.abs() > 1e-4).expect("nothing is heard") + 1;
    let kept = u64::from(KEPT_SECS * RATE).min(span()[1] - span()[0]);
    let from = span()[1] - kept;
    let wanted: Vec<f32> =
        (from..span()[1]).map(|frame| noise[usize::try_from(frame).unwrap() % noise.len()]).collect();
    // Its place by the last moments; then all of it has to be there.
    let (tail, room) = (8_192, 24_000);
    let window_at = end.saturating_sub(tail + room);
    let window = &heard[window_at..(end + 1_000).min(heard.len())];
    let (at, alike) = place_of(&wanted[wanted.len() - tail..], window);
    assert!(alike > 0.999, "what is heard is not the stretch: {alike}");
    let zero = (window_at + at + tail).checked_sub(wanted.len()).expect("too little was heard");
    let begin =
        if kept == span()[1] - span()[0] { heard.iter().position(|v| v.abs() > 1e-4).unwrap() } else { zero };
    let length = end - begin;
    let mut worst = 0.0_f32;
    for (a, b) in wanted.iter().zip(&heard[zero..]) {
        worst = worst.max((a - b).abs());
    }
    let mut off: Vec<f64> = said
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(at, frame)| Some((at.parse::<f64>().ok()?, frame.parse::<f64>().ok()?)))
        .filter(|(_, frame)| (from as f64 + 4_000.0..span()[1] as f64 - 4_000.0).contains(frame))
        .map(|(at, frame)| {
            let truly = from as f64 + recording.frame_at(at) - (recording.before + zero) as f64;
            1e3 * (frame - truly) / f64::from(RATE)
        })
        .collect();
    off.sort_by(f64::total_cmp);
    assert!(off.len() > 50, "the cursor was read {} times only", off.len());
    let at = |percent: usize| off[(off.len() - 1) * percent / 100];
    let _ = writeln!(
        std::io::stderr(),
        "after {:.0} s heard: {length} of {} frames, likeness {alike:.6}, largest difference {worst:.5}; cursor \
         against the monitor {:+.2} ms (5 % {:+.2}, 95 % {:+.2}, n = {})",
        f64::from(play_secs()),
        wanted.len(),
        at(50),
        at(5),
        at(95),
        off.len()
    );
    assert!(length.abs_diff(wanted.len()) < 64, "{length} frames are heard, not {}", wanted.len());
    assert!(worst < 0.002, "samples differ by {worst}");
    // The monitor hears a block of the recorder, 2 ms, ahead of its time.
    assert!(at(5) > -5.0 && at(95) < 5.0, "the cursor is not where the sound is");
}
