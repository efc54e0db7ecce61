//! The verb that makes clips of a long recording.

use super::Report;
use super::args::Cut;
use super::verbs::{cancel_flag, to_json, usage};
use crate::domain::{CutBy, EnergyCut};
use crate::engine::{self, EngineError};
use serde_json::json;

/// `cut`: clips of a recording, each with its place in it.
pub fn cut(args: &Cut) -> Result<Report, EngineError> {
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
    by.check().map_err(usage)?;
    let cancel = cancel_flag()?;
    let clips = engine::cut_recording(&args.recording, &args.folder, by, &cancel, &mut |_, _| {})?;
    Ok(Report::ok(json!({ "clips": clips.len(), "cuts": to_json(&clips)? })))
}
