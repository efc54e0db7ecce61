//! The window: live counts of the line, the last decisions, and STOP. A front end over `engine`
//! and read-only store queries; all files and database work happen on its `window-data` thread.

mod app;
mod data;
mod theme;

use crate::engine::StationOptions;
use std::path::Path;

/// Opens the window on the line in `folder` and runs its station, until the window closes.
/// The error says in one line why no window could open.
pub fn run(folder: &Path, options: StationOptions) -> Result<(), String> {
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
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([720.0, 480.0]),
        ..eframe::NativeOptions::default()
    };
    let folder = folder.to_owned();
    eframe::run_native(
        "secondlook",
        native,
        Box::new(move |creation| {
            let feed = data::Feed::start(&folder, options, creation.egui_ctx.clone())?;
            Ok(Box::new(app::App::new(&creation.egui_ctx, feed)))
        }),
    )
    .map_err(|error| format!("no window: {error}"))
}
