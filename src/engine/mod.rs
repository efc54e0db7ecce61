//! Where the stages meet: lines, models, the station's threads, imports, training, exports, and
//! what is done with a package alone.
//! `Command`s go in, events come out; front ends never reach behind it.

mod data;
mod decode;
mod error;
mod jobs;
mod latency;
mod line;
mod model;
mod network;
mod record;
mod sheet;
mod source;
mod station;
mod writer;

pub use crate::labels::Format;
pub use crate::learn::{Progress, ViewChoice};
pub use data::{Dataset, DatasetSource};
pub use error::EngineError;
pub use jobs::{
    ImportReport, TrainJob, cross_validate, evaluate, export, import, learning_curve, recheck_export,
    show_examples, train,
};
pub use latency::LatencyMs;
pub use line::{Line, LineRequest};
pub use model::{find_model, model_names};
pub use network::{BenchReport, OnnxReport, bench_network, export_onnx, network_hardware, start_threads};
pub use sheet::write_sheet;
pub use station::{Command, Station, StationEvent, StationOptions, Summary};
