//! Hours of sound: how soon a waveform is there, what a jump and a second of audio cost.
//!
//! `cargo bench --profile dev --bench sound` writes a WAV file of three hours (1.9 GB) under `target/`,
//! measures, and deletes it; `-- FILE …` measures files of any format instead; `-- mixes MODEL DATASET FOLD`
//! asks a model where real events lie that are mixed into noise; `-- voices SPEECH NOISE` cuts spoken numbers
//! out of the noise of real places.

mod mixes;
mod voices;

use secondlook::domain::{EnergyCut, MediaHash};
use secondlook::engine::{Heard, SoundWant, Sounds};
use secondlook::ingest::cut::Envelope;
use secondlook::media::{
    Peaks, Sound, SoundFile, WavFormat, decode_sound, encode_wav, loudness_lufs, sound_stats,
};
use secondlook::store::Blobs;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

const HOURS: usize = 3;
const RATE_HZ: u32 = 44_100;
const THREADS: usize = 2;
const JUMPS: u64 = 100;
const COLUMNS: usize = 2_000;

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let files: Vec<PathBuf> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).map(PathBuf::from).collect();
    if let [what, model, dataset, fold] = &files[..]
        && what == Path::new("mixes")
    {
        mixes::run(model, dataset, &fold.to_string_lossy());
        return;
    }
    if let [what, speech, noise] = &files[..]
        && what == Path::new("voices")
    {
        voices::run(speech, noise);
        return;
    }
    if !files.is_empty() {
        for file in &files {
            measure(file);
        }
        return;
    }
    a_second();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-sound");
    fs::create_dir_all(&folder).unwrap();
    let folder = tempfile::tempdir_in(folder).unwrap();
    let path = folder.path().join("hours.wav");
    write_hours(&path);
    measure(&path);
    in_the_window(folder.path(), &path);
}

/// As the window asks for it: head, waveform and a tile of the spectrogram by the engine's threads.
fn in_the_window(folder: &Path, path: &Path) {
    let media = MediaHash::of(b"hours");
    let blob = Blobs::of_line(folder).path(&media);
    fs::create_dir_all(blob.parent().unwrap()).unwrap();
    fs::rename(path, &blob).unwrap();
    let sounds = Sounds::start(folder, || {}).unwrap();
    let next = || sounds.heard().recv_timeout(Duration::from_mins(1)).unwrap().result.unwrap();
    let started = Instant::now();
    sounds.want(vec![SoundWant::Head(media.clone())]);
    let Heard::Head(head) = next() else { panic!("not the head") };
    println!("as the window opens it\n  head after                  {:>8.1} ms", millis(started));
    while head.peaks.view(0, 0..head.frames, 100).iter().any(Option::is_none) {
        thread::sleep(Duration::from_millis(1));
    }
    println!("  overview of 100 columns at  {:>8.1} ms", millis(started));
    sounds.want(vec![SoundWant::Tile { media, level: 18, index: 0 }]);
    let Heard::Tile(_) = next() else { panic!("not the tile") };
    println!("  a tile of the spectrogram at{:>8.1} ms", millis(started));
    while head.peaks.share() < 1.0 {
        thread::sleep(Duration::from_millis(1));
    }
    println!("  whole waveform after        {:>8.1} ms", millis(started));
    println!("  most memory so far          {:>8} MB", memory_mb());
}

/// A minute of noise, again and again.
fn minute() -> Sound {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let samples = (0..60 * RATE_HZ as usize * 2).map(|_| noise() * 0.2).collect();
    Sound { rate_hz: RATE_HZ, channels: 2, samples }
}

fn write_hours(path: &Path) {
    let minute = encode_wav(&minute(), WavFormat::Pcm16);
    let (mut head, samples) = (minute[..44].to_vec(), &minute[44..]);
    let bytes = u32::try_from(samples.len() * 60 * HOURS).unwrap();
    head[4..8].copy_from_slice(&(bytes + 36).to_le_bytes());
    head[40..44].copy_from_slice(&bytes.to_le_bytes());
    let mut file = File::create(path).unwrap();
    file.write_all(&head).unwrap();
    for _ in 0..60 * HOURS {
        file.write_all(samples).unwrap();
    }
}

fn measure(path: &Path) {
    let open = || SoundFile::new(File::open(path).unwrap()).unwrap();
    let started = Instant::now();
    let mut file = open();
    let peaks = Peaks::new(&file);
    println!(
        "{}: {:.1} min, {} Hz, {} channels",
        path.display(),
        file.secs() / 60.0,
        file.rate_hz(),
        file.channels()
    );
    println!("  opened after                {:>8.1} ms", millis(started));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let worker = thread::Builder::new().name("peaks".into());
            worker.spawn_scoped(scope, || peaks.fill(&mut open(), &|| true).unwrap()).unwrap();
        }
        while peaks.view(0, 0..file.frames(), 100).iter().any(Option::is_none) {
            thread::sleep(Duration::from_millis(1));
        }
        println!("  overview of 100 columns at  {:>8.1} ms", millis(started));
    });
    println!("  whole waveform after        {:>8.1} ms on {THREADS} threads", millis(started));
    let looked = Instant::now();
    black_box(peaks.view(0, 0..file.frames(), COLUMNS));
    println!("  a view of {COLUMNS} columns      {:>8.3} ms", millis(looked));
    let (mut samples, mut place) = (Vec::new(), 0);
    let jumped = Instant::now();
    for jump in 0..JUMPS {
        place = (place + 7_919 * (jump + 1) * file.frames() / 10_007) % file.frames();
        file.read(place, 4_096, &mut samples).unwrap();
    }
    println!("  a jump and 4096 frames      {:>8.3} ms, mean of {JUMPS}", millis(jumped) / JUMPS as f64);
    println!("  most memory so far          {:>8} MB", memory_mb());
    let cut = Instant::now();
    let envelope = Envelope::of(&mut file, &|| true).unwrap().unwrap();
    let cuts = envelope.cuts(&EnergyCut::default());
    println!("  cut by energy               {:>8.1} ms on one thread, {} cuts", millis(cut), cuts.len());
    println!("  most memory so far          {:>8} MB", memory_mb());
}

/// What one second of mono costs, medians.
fn a_second() {
    let samples: Vec<f32> = minute().mono().into_iter().take(RATE_HZ as usize).collect();
    let sound = Sound { rate_hz: RATE_HZ, channels: 1, samples };
    let wav = encode_wav(&sound, WavFormat::Pcm16);
    println!("one second of mono at {RATE_HZ} Hz, medians of 200");
    println!("  decode (WAV)                {:>8.3} ms", median(|| decode_sound(&wav)));
    println!("  measures                    {:>8.3} ms", median(|| sound_stats(&sound)));
    println!("  loudness                    {:>8.3} ms", median(|| loudness_lufs(&sound)));
}

fn median<T>(run: impl Fn() -> T) -> f64 {
    let mut times: Vec<f64> = (0..200)
        .map(|_| {
            let started = Instant::now();
            black_box(run());
            millis(started)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// The most that this process has ever held, where the system says it.
fn memory_mb() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.map_or("?".into(), |kilobytes| (kilobytes / 1024).to_string())
}
