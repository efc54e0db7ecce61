//! Where the stages meet: lines, models, the station's threads, imports, training, exports, and
//! what is done with a package alone.
//! `Command`s go in, events come out; front ends never reach behind it.

mod analysis;
mod both;
mod card;
mod compare;
mod cutting;
mod data;
mod dataset;
mod decode;
mod desk;
mod error;
mod evidence;
mod final_audit;
mod fleet;
mod guard;
mod jobs;
mod latency;
mod line;
mod microphone;
mod model;
mod network;
mod people;
mod pictures;
mod player;
mod promise;
mod record;
mod recordings;
mod release;
mod replan;
mod replay;
mod shadow;
mod sheet;
mod sounds;
mod source;
mod station;
mod steward;
mod task;
mod training;
mod wishes;
mod writer;

pub use crate::decide::{
    Comparison, CurvePoint, Estimate, LimitKind, LimitSupport, Origin, Outlook, Requirement, SourceCount,
    Support, UnitKind,
};
pub use crate::infer::{Heat, Manifest};
pub use crate::labels::Format;
pub use crate::learn::{
    Analysis, Changed, Comparison as ModelComparison, JoinRange, NO_WORD, PredictedRegion, Progress,
    SliceKind, ViewChoice,
};
pub use crate::media::{Peak, Raster};
pub use crate::watch::{ClassEstimate, Estimates, SeriesPoint};
pub use analysis::{AnalyseJob, AnalyseOver, AnalysisReport, TrainingOverlap, analyse, write_analysis};
pub use card::{Card, Sight};
pub use compare::{CALL, CompareReport, Differing, Disagreement, Slice, called, compare, differing};
pub use cutting::{Clip, cut_recording};
pub use data::{Dataset, DatasetSource};
pub use dataset::{AuditSetReport, audit_set_report, compare_datasets, freeze, labelled_units, lock_audit};
pub use desk::{Ask, Board, COUNT_MAX, Desk, DeskEvent, LabelList};
pub use error::EngineError;
pub use final_audit::{AuditReport, AuditRequest, audit_line, final_audit, out_of_reach, sign_audit};
pub use jobs::{
    ImportReport, TrainJob, cross_validate, evaluate, export, import, learning_curve, recheck_export,
    show_examples, suited_settings,
};
pub use latency::LatencyMs;
pub use line::{Line, LineRequest, data_folder, demo_line, window_options};
pub use microphone::{Hearing, Microphone, microphones};
pub use model::{find_model, model_names};
pub use network::{BenchReport, OnnxReport, bench_network, export_onnx, network_hardware, start_threads};
pub use people::{BesidePeople, Contradiction, Share, beside_people};
pub use pictures::{Fetched, Pictures, Pyramid, Seen, Want};
pub use player::{PlayRequest, Player, Playing};
pub use promise::{PromiseReport, promise_report};
pub use release::{Proof, ReleaseStep, training_advice};
pub use replay::{Replay, ReplayOptions, ReplaySet, Reviewer, replay, write_page};
pub use sheet::write_sheet;
pub use sounds::{
    BLOCK_FRAMES, Heard, Listened, SoundHead, SoundWant, Sounds, SpectrumAxis, TILE_COLUMNS, TILE_ROWS,
};
pub use station::{Command, Station, StationEvent, StationOptions, Summary};
pub use task::{Task, TaskControl, TaskProgress};
pub use training::{discard_training, interrupted_trainings, resume, train};
