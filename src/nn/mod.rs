//! Networks as data: one layer graph, from which shape checks, training modules and the
//! inference plan and ONNX files are all derived; the operations under them; the optimiser.
//!
//! Knows nothing of files, the store, labels or what the numbers mean. Sits under `infer`
//! (plans) and `learn` (training nets).
//!
//! Work is spread over rayon's global pool ([`start_threads`]). All sums run in an order that
//! does not depend on which thread computes them.

mod bands;
mod blocked;
mod compile;
mod conv;
mod conv_layer;
#[cfg(test)]
mod conv_tests;
mod ctc;
mod families;
mod fold;
mod graph;
#[expect(
    unsafe_code,
    clippy::inline_always,
    clippy::needless_range_loop,
    reason = "the loops at the machine's limit: every block says what it rests on, and all of a loop has to \
              end up in the function that is compiled for its instruction set"
)]
mod kernels;
mod loss;
mod norm;
mod onnx;
mod onnx_proto;
#[cfg(test)]
mod onnx_tests;
mod optim;
mod plan;
mod recycle;
mod slices;
mod stencil;
mod tape;
mod threads;
mod train;

pub use ctc::{LogFrames, align_labels, ctc_loss, log_softmax, log_sum};
pub use families::{
    FEATURE_OUTPUT, FRAME_OUTPUT, FRAME_STRIDE, ITEM_OUTPUT, PIXEL_OUTPUT, PIXEL_STRIDE, defect_network,
    event_network, speech_network,
};
pub use graph::{Act, Extent, Graph, INPUT, Node, Op, Shape3, WeightSpec};
pub use loss::{LossAndGradients, loss_with_gradients};
pub use onnx::{OPSET, to_onnx};
pub use optim::{Optimiser, Schedule};
pub use plan::{Plan, PlanInput, PlanOutput, PlanOutputs};
pub use threads::start_threads;
pub use train::TrainNet;

use thiserror::Error;

/// What can be wrong with a network.
#[derive(Debug, Error)]
pub enum NnError {
    /// The graph contradicts itself; the text names the layer.
    #[error("layer graph: {0}")]
    Graph(String),
    /// Weights do not belong to the graph; the text is a readable difference.
    #[error("weights do not fit the layer graph: {0}")]
    Weights(String),
    /// An input of another shape than the network was derived for.
    #[error("network input is {got}, expected {expected}")]
    Input { got: String, expected: String },
    /// The pool could not be started.
    #[error("cannot start the network's threads: {0}")]
    Threads(String),
    /// The tensor library refused.
    #[error("tensor: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// The instruction set that networks run on here; numbers depend on it by their rounding.
#[must_use]
pub fn instruction_set() -> &'static str {
    kernels::Isa::best().name()
}

/// Named tensors in the order of the graph: name, shape, values (row by row).
pub type Weights = std::collections::BTreeMap<String, (Vec<usize>, Vec<f32>)>;
