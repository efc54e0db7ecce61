//! The verbs and their arguments.

use super::dataset::{Analyse, Dataset, FinalAudit};
use crate::domain::{Level, Threads};
use crate::engine::{DatasetSource, Format, JoinRange, Reviewer, ViewChoice};
use crate::store::Head;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
#[command(
    name = "secondlook",
    version,
    about = "An inspection station: a model decides what it is sure of, a person decides the rest"
)]
#[command(
    after_help = "Without a verb the window opens. Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused (the data cannot support it)."
)]
pub struct Args {
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// The line that the window opens; else the demo line
    #[arg(long, value_name = "LINE")]
    pub line: Option<PathBuf>,
    /// Print exactly one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum Verb {
    /// Run the simulated phone line with the shipped model
    Demo(Demo),
    /// Make a line
    New(New),
    /// Cut a long recording into clips, around what rises above its noise or into windows
    Cut(Cut),
    /// Take labelled items from a folder with items.jsonl or a speech manifest, or of sounds with Audacity's or
    /// Raven's labels beside them, or rendered ones (simulator:N, motor:N)
    Import(Import),
    /// Train a candidate on the line's labels
    Train(Train),
    /// Draw what a training would show its network
    Examples {
        line: PathBuf,
        out: PathBuf,
        #[command(flatten)]
        how: Training,
    },
    /// Measure what a training gives on units that it has not seen
    CrossValidate(CrossValidate),
    /// Measure what trainings on few and on more labels give on other units
    LearningCurve(LearningCurve),
    /// Measure a model on labelled data
    Evaluate(Evaluate),
    /// Freeze, list and compare versions of the labels; lock an audit set away
    Dataset(Dataset),
    /// Judge a model on the audit set, by criteria that are set down first
    FinalAudit(FinalAudit),
    /// Show where a model errs, and which data would help most
    Analyse(Analyse),
    /// Run the station: take items in, decide, ask
    Run(Run),
    /// Show what waits for a person
    Queue {
        line: PathBuf,
        /// At most this many
        #[arg(long, default_value_t = 1000)]
        limit: usize,
    },
    /// Answer one item
    Answer(Answer),
    /// Take the reviewer's last answer back
    Undo {
        line: PathBuf,
        #[arg(long)]
        reviewer: String,
    },
    /// Show what the evidence supports of the plan's promise
    Promise {
        line: PathBuf,
        #[arg(long)]
        model: Option<String>,
    },
    /// Take thresholds over that the evidence supports now
    Adopt {
        line: PathBuf,
        #[arg(long)]
        reason: String,
    },
    /// Show the alarms that stand, or clear one
    Alarms {
        line: PathBuf,
        /// promise, inputs, model or stale
        #[arg(long, requires = "reason")]
        clear: Option<String>,
        #[arg(long)]
        reason: Option<String>,
    },
    /// Play a labelled data set as a live stream, answered by a simulated person
    Replay(Replay),
    /// List the models of a line
    Models { line: PathBuf },
    /// Make a model the live one
    Promote {
        line: PathBuf,
        model: String,
        /// Needed where its final audit failed
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let a model predict beside the live one, without deciding anything
    Shadow {
        line: PathBuf,
        model: String,
        #[arg(long, default_value = "from the command line")]
        reason: String,
    },
    /// Let a candidate decide a share of the units
    Canary(Canary),
    /// Show a candidate beside the live model and the people
    Compare { line: PathBuf, model: String },
    /// Take a candidate out of shadow, or off its share of the line
    Retire {
        line: PathBuf,
        model: String,
        #[arg(long)]
        reason: String,
    },
    /// Make the model live again that was so before
    Rollback {
        line: PathBuf,
        #[arg(long, default_value = "rolled back from the command line")]
        reason: String,
    },
    /// Change the automation level: manual, shadow, assist, partial or full
    Level {
        line: PathBuf,
        level: Level,
        #[arg(long, default_value = "set from the command line")]
        reason: String,
    },
    /// Write labels out: jsonl, coco, yolo, yolo-seg, voc, masks or csv; for sounds audacity, raven, cuts or
    /// manifest
    Export(Export),
    /// Prove that an export reads back to the same labels
    CheckExport {
        out: PathBuf,
        /// The line that it came from, when that has moved
        #[arg(long)]
        line: Option<PathBuf>,
    },
    /// Write a model as ONNX, with its preprocessing described beside it
    ExportOnnx {
        model: String,
        /// The description takes the same name with the ending .json
        #[arg(value_name = "OUT.onnx")]
        out: PathBuf,
    },
    /// Measure a model's network alone, on one fixed random input
    BenchInfer(BenchInfer),
    /// Check log, blobs, projections and database
    Verify {
        line: PathBuf,
        /// A head noted earlier elsewhere, COUNT:HASH
        #[arg(long)]
        anchor: Option<Head>,
    },
    /// Make every projection again from the log
    Rebuild { line: PathBuf },
    /// Copy a line while everything runs, and verify the copy
    Backup { line: PathBuf, out: PathBuf },
    /// Bring a backup back as a new line
    Restore {
        #[arg(value_name = "OUT")]
        from: PathBuf,
        line: PathBuf,
    },
    /// Say what works on this machine, with a hint for what does not
    Doctor,
    /// Name the microphones of this machine, for `[microphone]` in the plan
    Microphones,
}

#[derive(clap::Args)]
pub struct Demo {
    /// Without a window
    #[arg(long)]
    pub headless: bool,
    /// Stop after this many units (a window: go on for ever)
    #[arg(long)]
    pub items: Option<u64>,
    #[arg(long)]
    pub seed: Option<u64>,
    /// Where the demo line is kept; a fixed place in the user's data folder when absent
    #[arg(long, value_name = "LINE")]
    pub line: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct New {
    pub line: PathBuf,
    /// A plan to start from (line.toml)
    #[arg(long, conflicts_with_all = ["task", "classes"], required_unless_present = "task")]
    pub plan: Option<PathBuf>,
    /// defect, classify or transcribe
    #[arg(long)]
    pub task: Option<String>,
    /// good:pass,crack:divert,…; taken from the model when absent
    #[arg(long, value_delimiter = ',')]
    pub classes: Vec<String>,
    /// All that can be said, of task transcribe: one,two,…, or digits for those of the convention
    #[arg(long, value_delimiter = ',', conflicts_with = "plan")]
    pub words: Vec<String>,
    /// Words of one item, of task transcribe: N or MIN..MAX
    #[arg(long, value_name = "MIN..MAX", conflicts_with = "plan")]
    pub length: Option<String>,
    /// What the last symbol of a serial number is: luhn, luhn-36 or mod-11
    #[arg(long, conflicts_with = "plan")]
    pub check: Option<String>,
    #[arg(long)]
    pub model: Option<String>,
    #[arg(long, default_value = "assist")]
    pub level: Level,
    /// outgoing=0.02@0.95,miss=…,overkill=…,error=…; of one class miss:CLASS=… or error:CLASS=…
    #[arg(long, value_delimiter = ',')]
    pub promise: Vec<String>,
}

#[derive(clap::Args)]
pub struct Import {
    pub line: PathBuf,
    pub dataset: DatasetSource,
    #[arg(long = "where", value_name = "KEY=VALUE", num_args = 1..)]
    pub filter: Vec<String>,
    /// Of simulator:N
    #[arg(long)]
    pub seed: Option<u64>,
}

#[derive(clap::Args)]
pub struct Train {
    pub line: PathBuf,
    /// Go on with the training of this name that was killed, with its own settings
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with_all = ["init", "name", "epochs", "minutes", "filter", "dataset", "seed", "view", "side", "batch", "rate", "set"]
    )]
    pub resume: Option<String>,
    /// Start from this model
    #[arg(long)]
    pub init: Option<String>,
    /// Name of the candidate
    #[arg(long)]
    pub name: Option<String>,
    /// What the data are, for the package's card
    #[arg(long, default_value = "")]
    pub description: String,
    /// Licence of the data, for the package's card
    #[arg(long, default_value = "")]
    pub licence: String,
    #[command(flatten)]
    pub how: Training,
}

/// Clips are files of their own: their names say which frames of the recording they are. The folder may be a
/// running station's inbox.
#[derive(clap::Args)]
pub struct Cut {
    pub recording: PathBuf,
    /// Where the clips go
    pub folder: PathBuf,
    /// Windows of so many seconds instead of what is louder than the noise
    #[arg(long, value_name = "SECS")]
    pub window: Option<f64>,
    /// Around voices instead of what is louder than the noise
    #[arg(long, conflicts_with_all = ["window", "above_db"])]
    pub voice: bool,
    /// A sound begins so far above the noise around it
    #[arg(long, value_name = "DB", default_value_t = 12.0)]
    pub above_db: f64,
    /// Seconds that are kept before and behind a sound; 0.1 and 0.2, of voices 0.25 and 0.25
    #[arg(long, value_name = "SECS")]
    pub pre: Option<f64>,
    #[arg(long, value_name = "SECS")]
    pub post: Option<f64>,
    /// Longer sounds are cut into equal parts, voices where it is quietest; 10, of voices 15
    #[arg(long, value_name = "SECS")]
    pub max: Option<f64>,
}

#[derive(clap::Args)]
pub struct CrossValidate {
    pub line: PathBuf,
    /// Every training begins with the weights of this model
    #[arg(long)]
    pub init: Option<String>,
    /// Parts that the units are dealt into, where the data have no folds of their own
    #[arg(long, default_value_t = 5)]
    pub folds: usize,
    /// Write a line per item here
    #[arg(long, value_name = "OUT.jsonl")]
    pub predictions: Option<PathBuf>,
    /// Write a page with the worst mistakes and their pictures into this folder
    #[arg(long, value_name = "DIR")]
    pub sheet: Option<PathBuf>,
    #[command(flatten)]
    pub how: Training,
}

#[derive(clap::Args)]
pub struct LearningCurve {
    pub line: PathBuf,
    /// Numbers of labels
    #[arg(long, value_delimiter = ',', default_values_t = [20, 50, 100, 200])]
    pub sizes: Vec<usize>,
    /// Train from this model's weights as well
    #[arg(long)]
    pub init: Option<String>,
    #[command(flatten)]
    pub how: Training,
}

/// How to train.
#[derive(clap::Args)]
pub struct Training {
    #[arg(long)]
    pub epochs: Option<usize>,
    #[arg(long)]
    pub minutes: Option<f64>,
    #[arg(long = "where", value_name = "KEY=VALUE", num_args = 1..)]
    pub filter: Vec<String>,
    /// A frozen version of the labels, instead of those of today
    #[arg(long, value_name = "NAME", conflicts_with = "filter")]
    pub dataset: Option<String>,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// single, fit or tiles; chosen from the data when absent
    #[arg(long)]
    pub view: Option<ViewChoice>,
    /// Side in pixels of a square input of the same area
    #[arg(long)]
    pub side: Option<u32>,
    /// Items in one step of training
    #[arg(long)]
    pub batch: Option<usize>,
    /// Highest learning rate
    #[arg(long)]
    pub rate: Option<f64>,
    /// Any other setting, as the package's manifest names it (augmentation.paste=0.3)
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub set: Vec<String>,
}

#[derive(clap::Args)]
pub struct Evaluate {
    pub line: PathBuf,
    #[arg(long)]
    pub model: String,
    #[arg(long)]
    pub data: DatasetSource,
    #[arg(long = "where", value_name = "KEY=VALUE", num_args = 1..)]
    pub filter: Vec<String>,
    /// Measure on strings of so many takes of one group, joined with pauses in an order drawn by the seed
    #[arg(long, value_name = "MIN..MAX")]
    pub join: Option<JoinRange>,
    /// With noise so many dB beneath what is said
    #[arg(long, value_name = "DB", requires = "join")]
    pub snr: Option<f64>,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write a line per item here
    #[arg(long, value_name = "OUT.jsonl")]
    pub predictions: Option<PathBuf>,
    /// Write a page with the worst mistakes and their pictures into this folder
    #[arg(long, value_name = "DIR")]
    pub sheet: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct Run {
    pub line: PathBuf,
    /// folder:DIR, instead of the plan's
    #[arg(long)]
    pub source: Option<String>,
    /// End when the folder is empty
    #[arg(long)]
    pub once: bool,
    /// Accepted for clarity: `run` has no window
    #[arg(long)]
    pub headless: bool,
}

#[derive(clap::Args)]
pub struct Answer {
    pub line: PathBuf,
    pub item: String,
    /// A class of the line, "cannot tell" or "bad input"
    #[arg(long, required_unless_present = "transcript")]
    pub class: Option<String>,
    /// What is said, on lines that write it down
    #[arg(long, conflicts_with_all = ["class", "region"])]
    pub transcript: Option<String>,
    /// X1,Y1,X2,Y2 in pixels, with another class in front where it differs: CLASS:X1,Y1,X2,Y2
    #[arg(long)]
    pub region: Vec<String>,
    #[arg(long)]
    pub reviewer: String,
    /// From seeing to answering
    #[arg(long, default_value_t = 0.0)]
    pub seconds: f64,
}

#[derive(clap::Args)]
pub struct Replay {
    pub line: PathBuf,
    /// A folder with items.jsonl, simulator:N[,light=0.6,new-defect=0.3,…], or predictions of one model in
    /// a file of evaluate's or cross-validate's --predictions
    pub dataset: DatasetSource,
    /// Another data set that follows the first: what changes in the middle
    #[arg(long)]
    pub then: Option<DatasetSource>,
    /// oracle, or noisy:RATE
    #[arg(long, default_value = "oracle")]
    pub reviewer: Reviewer,
    /// Begin with this model instead of the line's live one
    #[arg(long)]
    pub model: Option<String>,
    /// Begin without a model; the plan's [retrain] says when one is trained
    #[arg(long, conflicts_with = "model")]
    pub from_nothing: bool,
    /// Every training begins with the weights of this model
    #[arg(long)]
    pub init: Option<String>,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Several runs, each with the next seed
    #[arg(long, default_value_t = 1)]
    pub runs: u64,
    /// Share of defective units, by leaving some out
    #[arg(long)]
    pub prevalence: Option<f64>,
    /// Another promise than the plan's: outgoing=0.01@0.95,…
    #[arg(long, value_delimiter = ',')]
    pub promise: Vec<String>,
    /// How far the simulated person raises the level
    #[arg(long, default_value = "partial")]
    pub level: Level,
    #[arg(long = "where", value_name = "KEY=VALUE", num_args = 1..)]
    pub filter: Vec<String>,
    /// Write a page and a table into this folder
    #[arg(long, value_name = "DIR")]
    pub page: Option<PathBuf>,
    /// Keep the first run's line here, to look at it in the window
    #[arg(long, value_name = "LINE")]
    pub keep: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct Canary {
    pub line: PathBuf,
    pub model: String,
    /// Of the units, 0 to 1; the plan's next step when absent
    #[arg(long)]
    pub share: Option<f64>,
    /// Even where its check list is not met
    #[arg(long, requires = "reason")]
    pub force: bool,
    #[arg(long)]
    pub reason: Option<String>,
}

#[derive(clap::Args)]
pub struct Export {
    pub line: PathBuf,
    #[arg(long)]
    pub format: Format,
    pub out: PathBuf,
    #[arg(long = "where", value_name = "KEY=VALUE", num_args = 1..)]
    pub filter: Vec<String>,
}

#[derive(clap::Args)]
pub struct BenchInfer {
    pub model: String,
    /// Of the network; a station's own number when absent
    #[arg(long, value_name = "N", default_value_t = Threads::default().network, value_parser = count(THREADS_MAX))]
    pub threads: usize,
    /// Measured runs, after some that are not
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = count(RUNS_MAX))]
    pub runs: usize,
}

/// More than any machine that a station runs on has cores to gain from.
const THREADS_MAX: usize = 64;
/// A hundred thousand times over, the percentiles of anything have long settled.
const RUNS_MAX: usize = 100_000;

/// 1 to `most`.
fn count(most: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("a number from 1 to {most}")),
    }
}
