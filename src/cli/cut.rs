//! The verb that makes clips of a long recording.

use super::Report;
use super::args::Cut;
use super::verbs::{cancel_flag, to_json, usage};
use crate::engine::{self, CutBy, EnergyCut, EngineError};
use serde_json::json;

/// `cut`: clips of a recording, each with its place in it.
pub fn cut(args: &Cut) -> Result<Report, EngineError> {
    let lengths = [args.window, Some(args.pre), Some(args.post), Some(args.max)];
    if lengths.into_iter().flatten().any(|secs| !secs.is_finite() || secs < 0.0) || args.window == Some(0.0) {
        return Err(usage("lengths are seconds, and a window is longer than none"));
    }
    let by = match args.window {
        Some(secs) => CutBy::Window { secs },
        None => CutBy::Energy(EnergyCut {
            begin_db: args.above_db,
            pre_roll_secs: args.pre,
            post_roll_secs: args.post,
            secs_max: args.max,
            ..EnergyCut::default()
        }),
    };
    let cancel = cancel_flag()?;
    let clips = engine::cut_recording(&args.recording, &args.folder, by, &cancel, &mut |_, _| {})?;
    Ok(Report::ok(json!({ "clips": clips.len(), "cuts": to_json(&clips)? })))
}
