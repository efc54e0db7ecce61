//! The network alone: one pass of each shipped package on 1 and 2 threads, and one training step.
//! Thread counts take turns, so that a change of the machine's speed meets all of them alike.

use candle_core::{Device, Tensor};
use secondlook::engine::find_model;
use secondlook::nn::{
    ITEM_OUTPUT, Optimiser, PIXEL_OUTPUT, Schedule, TrainNet, defect_network, start_threads,
};
use std::time::Instant;

const RUNS: usize = 100;
const STEPS: usize = 15;

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    start_threads(2).unwrap();
    for name in ["magnetic-tile", "phone-line"] {
        passes(name);
    }
    steps();
}

fn passes(name: &str) {
    let model = find_model(None, name).unwrap();
    let plan = model.plan();
    let shape = plan.input_shape();
    let macs = plan.graph().macs(shape.height, shape.width).unwrap();
    let values: Vec<f32> =
        (0..shape.channels * shape.height * shape.width).map(|i| (i % 255) as f32 / 127.0 - 1.0).collect();
    let threads = [1, 2];
    let mut ms = [vec![], vec![]];
    for round in 0..RUNS {
        for (threads, ms) in threads.iter().zip(&mut ms) {
            let (run, ()) = timed(|| plan.run_values(*threads, &values, |_| ()).unwrap());
            // The first tenth warms up.
            if round >= RUNS / 10 {
                ms.push(run);
            }
        }
    }
    for (threads, ms) in threads.iter().zip(&mut ms) {
        ms.sort_by(f64::total_cmp);
        let p50 = ms[ms.len() / 2];
        let rate = 2.0 * macs as f64 / p50 / 1e6;
        println!("{name}, {shape}, {threads} threads: p50 {p50:.2} ms, {rate:.0} GFLOP/s");
    }
}

/// Milliseconds, and what was done.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed().as_secs_f64() * 1e3, done)
}

fn steps() {
    let (n, h, w) = (16, 288, 224);
    let graph = defect_network(1, 5);
    let mut net = TrainNet::new(&graph, 1).unwrap();
    let schedule = Schedule { peak: 1e-3, warm_up: 0.1 };
    let mut optimiser = Optimiser::new(net.parameters(), schedule, 0.01);
    let input: Vec<f32> = (0..n * h * w).map(|i| (i * 7 % 255) as f32 / 127.0 - 1.0).collect();
    let input = Tensor::from_vec(input, (n, 1, h, w), &Device::Cpu).unwrap();
    let mut ms = [vec![], vec![], vec![]];
    for _ in 0..STEPS {
        let (forward, loss) = timed(|| {
            let out = net.forward(&input).unwrap();
            let loss = out[PIXEL_OUTPUT].sqr().unwrap().mean_all().unwrap();
            (loss + out[ITEM_OUTPUT].sqr().unwrap().mean_all().unwrap()).unwrap()
        });
        let (backward, grads) = timed(|| loss.backward().unwrap());
        let (update, ()) = timed(|| optimiser.step(&grads, 0.5).unwrap());
        for (ms, part) in ms.iter_mut().zip([forward, backward, update]) {
            ms.push(part);
        }
    }
    let macs = graph.macs(h, w).unwrap() as f64 * n as f64;
    let median = |ms: &mut Vec<f64>| {
        ms.sort_by(f64::total_cmp);
        ms[ms.len() / 2]
    };
    let [forward, backward, update] = ms.each_mut().map(median);
    let all = forward + backward + update;
    println!(
        "training step, {n} × 1 × {h} × {w}, {} threads: forward {forward:.0} ms, backward {backward:.0} ms, \
         update {update:.0} ms; {:.1} ms a sample, {:.0} GFLOP/s",
        rayon::current_num_threads(),
        all / n as f64,
        6.0 * macs / all / 1e6
    );
}
