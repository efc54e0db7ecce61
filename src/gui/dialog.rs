//! The system's own dialogs, where there are any; a path can be typed everywhere.

use crossbeam_channel::{Receiver, bounded};
use eframe::egui;
use std::path::PathBuf;

/// The system's folder dialog on a thread of its own: where no portal runs it may never answer.
pub fn pick_folder(ctx: &egui::Context) -> Option<Receiver<Option<PathBuf>>> {
    let (sender, picked) = bounded(1);
    let ctx = ctx.clone();
    std::thread::Builder::new()
        .name("dialog".into())
        .spawn(move || {
            let _ = sender.send(rfd::FileDialog::new().pick_folder());
            ctx.request_repaint();
        })
        .ok()
        .map(|_| picked)
}
