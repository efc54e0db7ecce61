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
mod listen;
mod log;
mod onnx;
mod outbox;
mod promise;
mod release;
mod review;
mod sounds;
mod station;
mod tidy;
