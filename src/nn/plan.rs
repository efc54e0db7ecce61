//! The inference form of a layer graph, compiled once for one input size: filled, run and read.

use super::compile::{Compiled, compile};
use super::graph::{Graph, Shape3};
use super::kernels::{Isa, Memory, Place, Program};
use super::{NnError, Weights};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many differences an error names before it only counts them.
const DIFFERENCES_SHOWN: usize = 5;
/// Memories kept for later runs: more runs than this at once are rare, and their memory is freed.
const MEMORIES_MAX: usize = 16;

/// One output of a forward pass: `channels × height × width`, row by row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanOutput<'a> {
    pub shape: Shape3,
    pub values: &'a [f32],
}

/// A network ready to run; shared between threads.
pub struct Plan {
    graph: Graph,
    program: Program,
    input: Place,
    input_shape: Shape3,
    outputs: BTreeMap<String, (Shape3, Place)>,
    memories: Mutex<Vec<Memory>>,
}

/// The input of a run, to be filled.
pub struct PlanInput<'a> {
    values: &'a mut [f32],
    place: Place,
}

impl PlanInput<'_> {
    /// One row of a channel. All rows have to be filled: they still hold an earlier run's.
    pub fn row(&mut self, channel: usize, y: usize) -> &mut [f32] {
        let layout = self.place.layout;
        let start = layout.start + channel * layout.block + y * layout.row;
        &mut self.values[start..start + self.place.width]
    }
}

/// The outputs of a run.
pub struct PlanOutputs<'a> {
    values: &'a [f32],
    outputs: &'a BTreeMap<String, (Shape3, Place)>,
}

impl<'a> PlanOutputs<'a> {
    #[must_use]
    pub fn get(&self, role: &str) -> Option<PlanOutput<'a>> {
        let (shape, place) = self.outputs.get(role)?;
        let count = shape.channels * shape.height * shape.width;
        Some(PlanOutput { shape: *shape, values: &self.values[place.layout.start..][..count] })
    }
}

impl Plan {
    /// Checks names and shapes of all tensors against the graph, then compiles it for inputs of
    /// `height × width` and this processor.
    pub fn new(graph: &Graph, weights: &Weights, height: usize, width: usize) -> Result<Self, NnError> {
        Self::with(Isa::best(), graph, weights, height, width)
    }

    /// The same for an instruction set of [`Isa::available`].
    pub(super) fn with(
        isa: Isa,
        graph: &Graph,
        weights: &Weights,
        height: usize,
        width: usize,
    ) -> Result<Self, NnError> {
        check(graph, weights)?;
        let Compiled { program, input, input_shape, outputs } =
            compile(isa, &graph.with_features(), weights, height, width)?;
        Ok(Self {
            graph: graph.clone(),
            program,
            input,
            input_shape,
            outputs,
            memories: Mutex::new(Vec::new()),
        })
    }

    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Channels, height and width that it was compiled for.
    #[must_use]
    pub fn input_shape(&self) -> Shape3 {
        self.input_shape
    }

    /// Runs one sample on this thread, or on up to `threads` of rayon's pool where that is more
    /// than one. The results are the same bits for any number of them. Nothing is allocated after
    /// the first run (but for what the pool needs to call its threads).
    pub fn run<R>(
        &self,
        threads: usize,
        fill: impl FnOnce(&mut PlanInput<'_>),
        read: impl FnOnce(&PlanOutputs<'_>) -> R,
    ) -> R {
        self.run_with(threads, None, fill, read)
    }

    /// What is given stands for what `fill` would write.
    fn run_with<R>(
        &self,
        threads: usize,
        given: Option<&[f32]>,
        fill: impl FnOnce(&mut PlanInput<'_>),
        read: impl FnOnce(&PlanOutputs<'_>) -> R,
    ) -> R {
        let mut memory = self.memories.lock().pop().unwrap_or_else(|| self.program.memory());
        if given.is_none() {
            fill(&mut PlanInput { values: &mut memory, place: self.input });
        }
        self.program.run(&mut memory, given, threads.min(rayon::current_num_threads()));
        let result = read(&PlanOutputs { values: &memory, outputs: &self.outputs });
        let mut memories = self.memories.lock();
        if memories.len() < MEMORIES_MAX {
            memories.push(memory);
        }
        result
    }

    /// The same for an input of `channels × height × width` values, row by row, which are copied
    /// only where the plan cannot read them as they lie.
    pub fn run_values<R>(
        &self,
        threads: usize,
        values: &[f32],
        read: impl FnOnce(&PlanOutputs<'_>) -> R,
    ) -> Result<R, NnError> {
        let Shape3 { channels, height, width } = self.input_shape;
        if values.len() != channels * height * width {
            return Err(NnError::Input {
                got: format!("{} values", values.len()),
                expected: self.input_shape.to_string(),
            });
        }
        let fill = |input: &mut PlanInput<'_>| {
            for (i, row) in values.chunks_exact(width).enumerate() {
                input.row(i / height, i % height).copy_from_slice(row);
            }
        };
        let given = self.program.takes(values.len()).then_some(values);
        Ok(self.run_with(threads, given, fill, read))
    }
}

/// Missing, superfluous and misshapen tensors, in words.
pub(super) fn check(graph: &Graph, weights: &Weights) -> Result<(), NnError> {
    let specs = graph.weights()?;
    let mut differences = Vec::new();
    for spec in &specs {
        match weights.get(&spec.name) {
            None => differences.push(format!("\"{}\" {:?} is missing", spec.name, spec.shape)),
            Some((shape, _)) if *shape != spec.shape => {
                differences.push(format!("\"{}\" is {shape:?}, expected {:?}", spec.name, spec.shape));
            }
            Some((_, values)) if values.iter().any(|v| !v.is_finite()) => {
                differences.push(format!("\"{}\" holds values that are not finite", spec.name));
            }
            Some(_) => {}
        }
    }
    for name in weights.keys().filter(|name| specs.iter().all(|s| s.name != **name)) {
        differences.push(format!("\"{name}\" belongs to no layer"));
    }
    if differences.is_empty() {
        return Ok(());
    }
    let mut text = differences.iter().take(DIFFERENCES_SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if differences.len() > DIFFERENCES_SHOWN {
        let _ = write!(text, "; and {} more", differences.len() - DIFFERENCES_SHOWN);
    }
    Err(NnError::Weights(text))
}
