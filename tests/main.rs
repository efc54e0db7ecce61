//! One binary, so that it links once: each module below holds the program to one promise.

mod cli;
mod dataset;
#[cfg(target_os = "linux")]
mod disk;
mod floor;
mod hostile;
#[cfg(unix)]
mod kill;
mod lines;
#[cfg(all(feature = "audio", target_os = "linux"))]
mod listen;
mod log;
#[cfg(all(feature = "audio", target_os = "linux"))]
mod microphone;
mod onnx;
mod outbox;
mod promise;
mod release;
mod review;
#[cfg(all(feature = "audio", target_os = "linux"))]
mod sound_server;
mod sounds;
mod spoken;
mod station;
mod tidy;
