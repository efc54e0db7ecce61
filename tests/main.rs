//! One binary, so that it links once: each module below holds the program to one promise.

mod lines;
mod log;
mod outbox;
mod review;
mod tidy;
