//! The window: a front end over `engine` and read-only store queries. It draws, and it asks; files,
//! the database, decoding and the network are on other threads (`feed`, the engine's `Desk`, `Pictures`
//! and `Task`s).

mod album;
mod app;
mod audits;
mod canary;
mod chord;
mod config;
mod datasets;
mod dialog;
mod differences;
mod errors_card;
mod feed;
mod icon;
mod jobs;
mod labels;
mod layout;
mod levels;
mod line_page;
mod meter;
mod models;
mod page;
mod people_card;
mod plots;
mod promise;
mod question;
mod recordings;
mod releases;
mod review;
mod session;
mod settings;
mod shell;
mod side;
mod start;
mod texts;
mod theme;
mod time;
mod toasts;
mod training;
mod verbs;
mod widgets;

#[cfg(test)]
mod tests;

pub use app::{App, Places};

use crate::engine::{StationOptions, data_folder};
use std::path::PathBuf;

/// Opens the window: on a line and its station, or on the line that was open last. Returns when it
/// closes; the error says in one line why no window could open.
pub fn run(first: Option<(PathBuf, StationOptions)>) -> Result<(), String> {
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"]
        .into_iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    if cfg!(target_os = "linux") && !has_display {
        return Err("no display (neither DISPLAY nor WAYLAND_DISPLAY is set)".into());
    }
    let native = eframe::NativeOptions {
        // Named, since a test dependency may switch the default to another renderer.
        renderer: eframe::Renderer::Glow,
        viewport: eframe::egui::ViewportBuilder::default()
            .with_title("Second Look")
            .with_app_id("secondlook")
            .with_inner_size([1440.0, 900.0])
            .with_min_inner_size([900.0, 600.0]),
        ..eframe::NativeOptions::default()
    };
    eframe::run_native(
        "secondlook",
        native,
        Box::new(move |creation| {
            let places = Places { config: config::folder(), data: data_folder() };
            Ok(Box::new(App::new(&creation.egui_ctx, places, first)))
        }),
    )
    .map_err(|error| {
        // Libraries put places of their source in front of what happened.
        let text = error.to_string();
        let what = text.rsplit(": ").next().unwrap_or(&text);
        format!("no window: {what}. Hint: secondlook doctor says what is missing")
    })
}
