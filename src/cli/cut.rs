//! The verb that makes clips of a long recording.

use super::Report;
use super::args::Cut;
use super::verbs::{cancel_flag, to_json, usage};
use crate::domain::{CutBy, EnergyCut, VoiceCut};
use crate::engine::{self, EngineError};
use serde_json::json;

/// `cut`: clips of a recording, each with its place in it.
pub fn cut(args: &Cut) -> Result<Report, EngineError> {
    let by = match args.window {
        Some(secs) => CutBy::Window { secs },
        None if args.voice => {
            let usual = VoiceCut::default();
            CutBy::Voice(VoiceCut {
                pre_roll_secs: args.pre.unwrap_or(usual.pre_roll_secs),
                post_roll_secs: args.post.unwrap_or(usual.post_roll_secs),
                secs_max: args.max.unwrap_or(usual.secs_max),
                ..usual
            })
        }
        None => {
            let usual = EnergyCut::default();
            CutBy::Energy(EnergyCut {
                begin_db: args.above_db,
                pre_roll_secs: args.pre.unwrap_or(usual.pre_roll_secs),
                post_roll_secs: args.post.unwrap_or(usual.post_roll_secs),
                secs_max: args.max.unwrap_or(usual.secs_max),
                ..usual
            })
        }
    };
    by.check().map_err(usage)?;
    let cancel = cancel_flag()?;
    let clips = engine::cut_recording(&args.recording, &args.folder, by, &cancel, &mut |_, _| {})?;
    Ok(Report::ok(json!({ "clips": clips.len(), "cuts": to_json(&clips)? })))
}
