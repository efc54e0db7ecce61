//! The command line: arguments in, one JSON document or a readable text out, and the exit status
//! that `docs/FORMATS.md` names. A front end over `engine`; decides nothing itself.

mod args;
mod cut;
mod dataset;
mod doctor;
mod output;
mod release;
mod station;
mod verbs;

use crate::engine::{self, EngineError, StationOptions};
use args::{Args, Verb};
use clap::Parser;
use clap::error::ErrorKind;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// What a verb comes to: its document, and whether all is well (`verify` and `check-export` give
/// a full report and still fail).
pub(crate) struct Report {
    pub json: Value,
    /// 0 where all is well.
    status: u8,
}

impl Report {
    pub fn ok(json: Value) -> Self {
        Self { json, status: 0 }
    }

    /// A full report of something that may be found wanting.
    pub fn checked(ok: bool, json: Value) -> Self {
        Self { json, status: u8::from(!ok) }
    }

    /// A full report of something that the data may not support.
    pub fn refused_unless(ok: bool, json: Value) -> Self {
        Self { json, status: if ok { 0 } else { 3 } }
    }
}

/// Opens the window on a line, with a station, or on the line that was open last; the error says in
/// one line why it cannot.
pub type Window = fn(Option<(PathBuf, StationOptions)>) -> Result<(), String>;

/// `window` is the other front end, where this build has it: the two do not know each other.
pub fn main(window: Option<Window>) -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are answers; everything else is wrong usage.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            if !asked && std::env::args().any(|argument| argument == "--json") {
                let text = error.render().to_string();
                let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
                output::print(&json!({ "error": first, "support": Value::Null }), true);
            }
            return ExitCode::from(if asked { 0 } else { 2 });
        }
    };
    let json = args.json;
    match run(args, window) {
        Ok(Some(report)) => {
            output::print(&report.json, json);
            ExitCode::from(report.status)
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            fail(&error, json);
            ExitCode::from(error.exit_status())
        }
    }
}

/// One readable line on standard error; with `--json` also the document that a program reads.
fn fail(error: &EngineError, json: bool) {
    let text = error.to_string().replace('\n', " ");
    eprintln!("secondlook: {text}");
    if json {
        let support = match error {
            EngineError::Refused { support, .. } => json!(**support),
            _ => Value::Null,
        };
        output::print(&json!({ "error": text, "support": support }), true);
    }
}

fn run(args: Args, window: Option<Window>) -> Result<Option<Report>, EngineError> {
    engine::start_threads(match &args.verb {
        Some(Verb::BenchInfer(bench)) => bench.threads,
        _ => 0,
    })?;
    let Some(verb) = args.verb else {
        return station::open_window(args.line.as_deref(), window).map(|()| None);
    };
    match verb {
        Verb::Demo(demo) => station::demo(&demo, window),
        Verb::Run(run) => station::run(&run).map(Some),
        Verb::New(new) => verbs::new(&new).map(Some),
        Verb::Cut(args) => cut::cut(&args).map(Some),
        Verb::Import(import) => verbs::import(&import).map(Some),
        Verb::Train(train) => verbs::train(&train).map(Some),
        Verb::Examples { line, out, how } => verbs::examples(&line, &out, &how).map(Some),
        Verb::CrossValidate(cross) => verbs::cross_validate(&cross).map(Some),
        Verb::LearningCurve(curve) => verbs::learning_curve(&curve).map(Some),
        Verb::Dataset(dataset) => dataset::dataset(&dataset).map(Some),
        Verb::FinalAudit(audit) => dataset::final_audit(&audit).map(Some),
        Verb::Analyse(analyse) => dataset::analyse(&analyse).map(Some),
        Verb::Evaluate(evaluate) => verbs::evaluate(&evaluate).map(Some),
        Verb::Queue { line, limit } => verbs::queue(&line, limit).map(Some),
        Verb::Answer(answer) => verbs::answer(&answer).map(Some),
        Verb::Undo { line, reviewer } => verbs::undo(&line, &reviewer).map(Some),
        Verb::Promise { line, model } => verbs::promise(&line, model.as_deref()).map(Some),
        Verb::Adopt { line, reason } => verbs::adopt(&line, &reason).map(Some),
        Verb::Alarms { line, clear, reason } => {
            verbs::alarms(&line, clear.as_deref(), reason.as_deref()).map(Some)
        }
        Verb::Replay(replay) => verbs::replay(&replay).map(Some),
        Verb::Models { line } => release::models(&line).map(Some),
        Verb::Promote { line, model, reason } => release::promote(&line, &model, reason.as_deref()).map(Some),
        Verb::Shadow { line, model, reason } => release::shadow(&line, &model, &reason).map(Some),
        Verb::Canary(canary) => release::canary(&canary).map(Some),
        Verb::Compare { line, model } => release::compare(&line, &model).map(Some),
        Verb::Retire { line, model, reason } => release::retire(&line, &model, &reason).map(Some),
        Verb::Rollback { line, reason } => release::rollback(&line, &reason).map(Some),
        Verb::Level { line, level, reason } => verbs::level(&line, level, &reason).map(Some),
        Verb::Export(export) => verbs::export(&export).map(Some),
        Verb::CheckExport { out, line } => verbs::check_export(&out, line.as_deref()).map(Some),
        Verb::ExportOnnx { model, out } => verbs::export_onnx(&model, &out).map(Some),
        Verb::BenchInfer(bench) => verbs::bench_infer(&bench).map(Some),
        Verb::Verify { line, anchor } => verbs::verify(&line, anchor).map(Some),
        Verb::Rebuild { line } => verbs::rebuild(&line).map(Some),
        Verb::Backup { line, out } => verbs::backup(&line, &out).map(Some),
        Verb::Restore { from, line } => verbs::restore(&from, &line).map(Some),
        Verb::Doctor => Ok(Some(doctor::doctor())),
        Verb::Microphones => doctor::microphones().map(Some),
    }
}
