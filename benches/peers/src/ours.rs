//! Second Look's own network: the inference plan and the training step.

use super::protocol::{Job, Run, timed};
use super::workload::{self, LEARNING_RATE, TRAIN, WEIGHT_DECAY, Workload};
use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use secondlook::nn::{
    ITEM_OUTPUT, Optimiser, PIXEL_OUTPUT, Plan, PlanOutputs, Schedule, TrainNet, start_threads,
};
use std::collections::BTreeMap;
use std::time::Instant;

pub fn load(name: &str) -> Result<Job> {
    // The first workload starts the threads; the driver says how many by RAYON_NUM_THREADS.
    let _ = start_threads(0);
    let workload = workload::find(name)?;
    if name == TRAIN {
        return train(&workload);
    }
    let Workload { graph, weights, input, height, width, .. } = workload;
    let plan = Plan::new(&graph, &weights, height, width)?;
    let threads = rayon::current_num_threads();
    let copy = move |outputs: &PlanOutputs<'_>| -> Vec<f32> {
        graph.outputs.keys().filter_map(|role| outputs.get(role)).flat_map(|o| o.values.to_vec()).collect()
    };
    Ok(Box::new(move || {
        let start = Instant::now();
        // The outputs are there; taking a copy out of them is not the network's work.
        let read = |outputs: &PlanOutputs<'_>| (start.elapsed().as_secs_f64() * 1e3, copy(outputs));
        let (ms, outputs) = plan.run_values(threads, &input, read)?;
        Ok(Run { ms, outputs })
    }))
}

/// Forward, backward and the optimiser's step; gives the loss.
fn train(workload: &Workload) -> Result<Job> {
    let mut net = TrainNet::new(&workload.graph, 0)?;
    net.adopt(&workload.weights)?;
    let constant = Schedule { peak: LEARNING_RATE, warm_up: 0.0 };
    let mut optimiser = Optimiser::new(net.parameters(), constant, WEIGHT_DECAY);
    let input = Tensor::from_slice(&workload.input, workload.shape(), &Device::Cpu)?;
    Ok(Box::new(move || {
        let (ms, loss) = timed(|| {
            let loss = loss(&net.forward(&input)?)?;
            optimiser.step(&loss.backward()?, 0.0)?;
            Ok(loss.to_scalar::<f32>()?)
        })?;
        Ok(Run { ms, outputs: vec![loss] })
    }))
}

/// The mean of the squares of each output, added up: simple, and the same in every engine.
pub fn loss(outputs: &BTreeMap<String, Tensor>) -> Result<Tensor> {
    let mean_square = |role| -> Result<Tensor> {
        Ok(outputs.get(role).context("the network lacks an output")?.sqr()?.mean_all()?)
    };
    Ok((mean_square(PIXEL_OUTPUT)? + mean_square(ITEM_OUTPUT)?)?)
}
