//! The verbs around what a model learns from and is judged by: data set versions, the audit set, the
//! final audit, and the analysis of errors.

use super::verbs::{ACTOR, cancel_flag, parse_filter, to_json, usage};
use super::{Report, output};
use crate::domain::{AuditLock, Criterion, EventId, Probability, Timestamp};
use crate::engine::{
    self, AnalyseJob, AnalyseOver, AuditRequest, DatasetSource, EngineError, Line, find_model,
};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Dataset {
    pub line: PathBuf,
    #[command(subcommand)]
    pub action: Action,
}

#[derive(Subcommand)]
pub enum Action {
    /// Freeze the labels of today under a name, without the audit set
    Freeze {
        name: String,
        #[arg(long = "where", value_name = "KEY=VALUE", num_args = 1..)]
        filter: Vec<String>,
    },
    /// Show all versions, and the audit set
    List,
    /// Show what was added, removed and relabelled from one version to another
    Diff { a: String, b: String },
    /// Lock a share of all units away from every training, for ever and for units to come
    LockAudit {
        #[arg(long, default_value_t = 0.15)]
        share: f64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Show every look at the audit set, and the final audits
    AuditUses,
}

#[derive(clap::Args)]
pub struct FinalAudit {
    pub line: PathBuf,
    #[arg(long)]
    pub model: String,
    /// auroc>=0.95, miss<=0.05@0.95, overkill<=…, recall:CLASS>=…; written to the log before the audit
    #[arg(long, value_name = "CRITERION", required = true)]
    pub require: Vec<Criterion>,
    /// P(defect) from which a unit counts as diverted
    #[arg(long, value_name = "P", default_value_t = 0.5)]
    pub divert_from: f64,
    /// Who stands for the audit; changes nothing of its outcome
    #[arg(long, value_name = "NAME")]
    pub signed: Option<String>,
    /// Of the intervals beside the outcome
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(clap::Args)]
pub struct Analyse {
    pub line: PathBuf,
    #[arg(long)]
    pub model: String,
    /// A frozen version; the labels of today when absent, without the audit set
    #[arg(long, value_name = "NAME", conflicts_with_all = ["data", "filter"])]
    pub dataset: Option<String>,
    /// A folder with items.jsonl, simulator:N or motor:N
    #[arg(long)]
    pub data: Option<DatasetSource>,
    #[arg(long = "where", value_name = "KEY=VALUE", num_args = 1..)]
    pub filter: Vec<String>,
    /// Another model, measured on the same items
    #[arg(long, value_name = "MODEL")]
    pub against: Option<String>,
    /// Only units that the model has not learnt from
    #[arg(long)]
    pub unseen: bool,
    /// Write a page with the slices, the worst items and their pictures into this folder
    #[arg(long, value_name = "DIR")]
    pub sheet: Option<PathBuf>,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

pub fn dataset(args: &Dataset) -> Result<Report, EngineError> {
    let mut line = Line::open(&args.line, ACTOR)?;
    let json = match &args.action {
        Action::Freeze { name, filter } => {
            to_json(&engine::freeze(&mut line, name, &parse_filter(filter)?, ACTOR)?)?
        }
        Action::List => list(&line)?,
        Action::Diff { a, b } => to_json(&engine::compare_datasets(&line, a, b)?)?,
        Action::LockAudit { share, seed } => {
            let lock = AuditLock { share: *share, seed: *seed };
            with_time(to_json(&engine::lock_audit(&mut line, lock, ACTOR)?)?)
        }
        Action::AuditUses => uses(&line)?,
    };
    Ok(Report::ok(json))
}

fn list(line: &Line) -> Result<Value, EngineError> {
    let mut versions = Vec::new();
    for noted in line.store.view().datasets()? {
        let mut row = to_json(&noted.what)?;
        row["frozen_at"] = noted.at.to_string().into();
        row["frozen_by"] = noted.actor.into();
        versions.push(row);
    }
    let audit = with_time(to_json(&engine::audit_set_report(line)?)?);
    Ok(json!({ "versions": versions, "audit_set": audit }))
}

/// Times inside the program are numbers; people read a date.
fn with_time(mut audit_set: Value) -> Value {
    if let Some(micros) = audit_set.get("locked_at").and_then(Value::as_i64) {
        audit_set["locked_at"] = Timestamp::from_micros(micros).to_string().into();
    }
    audit_set
}

fn uses(line: &Line) -> Result<Value, EngineError> {
    let view = line.store.view();
    let mut uses = Vec::new();
    for noted in view.audit_uses()? {
        let mut row = to_json(&noted.what)?;
        row["at"] = noted.at.to_string().into();
        row["by"] = noted.actor.into();
        uses.push(row);
    }
    let signatures = view.audit_signatures()?;
    let finished = view.final_audits()?;
    let mut audits = Vec::new();
    for noted in &finished {
        let mut row = to_json(&noted.what)?;
        row["audit"] = to_json(&noted.event)?;
        row["at"] = noted.at.to_string().into();
        let names = signatures.iter().filter(|signed| signed.what.0 == noted.event);
        row["signed_by"] = names.map(|signed| signed.what.1.as_str()).collect::<Vec<_>>().into();
        audits.push(row);
    }
    let is_open = |event: EventId| finished.iter().all(|noted| noted.what.criteria != event);
    let mut unfinished = Vec::new();
    for noted in view.audit_criteria()?.iter().filter(|noted| is_open(noted.event)) {
        let mut row = to_json(&noted.what)?;
        row["at"] = noted.at.to_string().into();
        unfinished.push(row);
    }
    Ok(json!({ "uses": uses, "final_audits": audits, "broken_off": unfinished }))
}

pub fn final_audit(args: &FinalAudit) -> Result<Report, EngineError> {
    let mut line = Line::open(&args.line, ACTOR)?;
    let model = find_model(Some(&args.line), &args.model)?;
    let divert_from = Probability::new(args.divert_from)
        .ok_or_else(|| usage(format!("--divert-from {} is no probability", args.divert_from)))?;
    let request = AuditRequest {
        criteria: args.require.clone(),
        divert_from,
        signed_by: args.signed.clone(),
        seed: args.seed,
    };
    let cancel = cancel_flag()?;
    let bar = output::bar("auditing", 0);
    let report = engine::final_audit(&mut line, &model, &request, ACTOR, &cancel, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let outcome = &report.outcome;
    let mut json = to_json(outcome)?;
    json["audit"] = to_json(&report.event)?;
    json["signed_by"] = to_json(&args.signed)?;
    json["used"] = format!("used {} times by this model, {} in all", outcome.times, outcome.uses).into();
    json["metrics"] = to_json(&report.report.metrics())?;
    let failed = outcome.results.iter().filter(|result| !result.passed);
    json["failed"] = to_json(&failed.collect::<Vec<_>>())?;
    Ok(Report::refused_unless(outcome.passed, json))
}

pub fn analyse(args: &Analyse) -> Result<Report, EngineError> {
    let mut line = Line::open(&args.line, ACTOR)?;
    let model = find_model(Some(&args.line), &args.model)?;
    let against = args.against.as_ref().map(|name| find_model(Some(&args.line), name)).transpose()?;
    let cancel = cancel_flag()?;
    let filter = parse_filter(&args.filter)?;
    let mut simulator = line.plan.simulator.clone().unwrap_or_default();
    simulator.seed = args.seed;
    let data = args.data.as_ref().map(|source| source.open(&filter, &simulator)).transpose()?;
    let over = match (&args.dataset, &data) {
        (Some(name), _) => AnalyseOver::Version(name.clone()),
        (None, Some(data)) => AnalyseOver::Data(data),
        (None, None) => AnalyseOver::Labels(filter),
    };
    let bar = output::bar("analysing", 0);
    let job = AnalyseJob {
        model: &model,
        against: against.as_ref(),
        over,
        unseen_only: args.unseen,
        seed: args.seed,
    };
    let report = engine::analyse(&mut line, job, ACTOR, &cancel, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    if let Some(folder) = &args.sheet {
        output::warn_of(engine::write_analysis(
            folder,
            &format!("{} on {}", args.model, report.over),
            &report,
        ));
    }
    let mut json = to_json(&report.analysis)?;
    json["model"] = to_json(model.model_ref())?;
    json["over"] = report.over.clone().into();
    json["training"] = to_json(&report.training)?;
    json["metrics"] = to_json(&report.evaluation.report.metrics())?;
    json["by_size"] = to_json(&report.evaluation.report.by_size)?;
    json["skipped"] = to_json(&report.evaluation.report.skipped)?;
    Ok(Report::ok(json))
}
