//! Every form of a convolution, both passes, on every instruction set that the machine has,
//! against plain loops in double precision.

use super::conv::Channels;
use super::graph::{Act, Extent, Graph, INPUT, Node, Op};
use super::kernels::Isa;
use super::plan::Plan;
use super::{PlanOutputs, TrainNet, Weights, defect_network};
use candle_core::{Device, Tensor, Var};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

/// Differences are relative to the largest value of the result.
const TOLERANCE: f64 = 1e-5;

fn random(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

#[derive(Clone, Debug)]
struct Case {
    n: usize,
    channels: Channels,
    size: Extent,
    kernel: Extent,
    stride: Extent,
}

impl Case {
    fn output(&self) -> Extent {
        Extent { y: self.size.y.div_ceil(self.stride.y), x: self.size.x.div_ceil(self.stride.x) }
    }

    fn weight_shape(&self) -> [usize; 4] {
        let c = self.channels;
        [c.output, c.input / c.groups, self.kernel.y, self.kernel.x]
    }

    /// Every product of the convolution: positions of output, input and weight.
    fn products(&self, mut each: impl FnMut(usize, usize, usize)) {
        let (c, out) = (self.channels, self.output());
        let (per_in, per_out) = (c.input / c.groups, c.output / c.groups);
        for n in 0..self.n {
            for o in 0..c.output {
                for i in 0..per_in {
                    let input = o / per_out * per_in + i;
                    for y in 0..out.y {
                        for x in 0..out.x {
                            for ky in 0..self.kernel.y {
                                for kx in 0..self.kernel.x {
                                    let from = |at: usize, k: usize, kernel: usize, size: usize| {
                                        (at + k).checked_sub(kernel / 2).filter(|&at| at < size)
                                    };
                                    let row = from(y * self.stride.y, ky, self.kernel.y, self.size.y);
                                    let column = from(x * self.stride.x, kx, self.kernel.x, self.size.x);
                                    if let (Some(row), Some(column)) = (row, column) {
                                        each(
                                            ((n * c.output + o) * out.y + y) * out.x + x,
                                            ((n * c.input + input) * self.size.y + row) * self.size.x
                                                + column,
                                            ((o * per_in + i) * self.kernel.y + ky) * self.kernel.x + kx,
                                        );
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[track_caller]
fn close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0_f64, |most, v| most.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*f) - e).abs() <= TOLERANCE * scale, "{what}[{i}]: {f}, expected {e}");
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Output, both gradients and the bias's, on one instruction set.
#[track_caller]
fn check(case: &Case, isa: Isa) {
    let (c, out) = (case.channels, case.output());
    let x = random(case.n * c.input * case.size.area(), 1);
    let w = random(case.weight_shape().iter().product(), 2);
    let bias = random(c.output, 3);
    let pull = random(case.n * c.output * out.area(), 4);
    let mut expected = vec![0.0_f64; pull.len()];
    for (i, v) in expected.iter_mut().enumerate() {
        *v = f64::from(bias[i / out.area() % c.output]);
    }
    let (mut dx, mut dw) = (vec![0.0_f64; x.len()], vec![0.0_f64; w.len()]);
    case.products(|o, i, k| {
        expected[o] += f64::from(x[i]) * f64::from(w[k]);
        dx[i] += f64::from(pull[o]) * f64::from(w[k]);
        dw[k] += f64::from(pull[o]) * f64::from(x[i]);
    });
    let mut db = vec![0.0_f64; c.output];
    pull.iter().enumerate().for_each(|(i, v)| db[i / out.area() % c.output] += f64::from(*v));

    let tensor = |v: &[f32], shape: &[usize]| Tensor::from_slice(v, shape, &Device::Cpu).unwrap();
    let Case { kernel, stride, .. } = *case;
    let op = Op::Conv { out: c.output, kernel, stride, groups: c.groups, bn: false, act: Act::None };
    let graph = Graph {
        input_channels: c.input,
        nodes: vec![node("conv", op, &[INPUT])],
        outputs: BTreeMap::from([("y".to_owned(), "conv".to_owned())]),
    };
    let mut net = TrainNet::with(isa, &graph, 0).unwrap();
    let given = [("conv.weight", case.weight_shape().to_vec(), &w), ("conv.bias", vec![c.output], &bias)];
    let given = given.map(|(name, shape, values)| (name.to_owned(), (shape, values.clone())));
    assert_eq!(net.adopt(&Weights::from(given)).unwrap(), 2);
    let x = Var::from_tensor(&tensor(&x, &[case.n, c.input, case.size.y, case.size.x])).unwrap();
    let pull = tensor(&pull, &[case.n, c.output, out.y, out.x]);
    // Tracked, the input gets a gradient; as plain data it is read in its planar form.
    for input in [x.as_tensor().clone(), x.detach()] {
        let y = net.forward(&input).unwrap().remove("y").unwrap();
        close(&values(&y), &expected, &format!("{isa:?} output"));
        let grads = (&y * &pull).unwrap().sum_all().unwrap().backward().unwrap();
        let by_parameter = values(grads.get(net.parameters()).unwrap());
        close(&by_parameter[..dw.len()], &dw, &format!("{isa:?} weight gradient"));
        close(&by_parameter[dw.len()..], &db, &format!("{isa:?} bias gradient"));
        assert_eq!(grads.get(&x).is_some(), input.track_op());
        if let Some(found) = grads.get(&x) {
            close(&values(found), &dx, &format!("{isa:?} input gradient"));
        }
    }
}

fn case(
    n: usize,
    (input, output, groups): (usize, usize, usize),
    size: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
) -> Case {
    let extent = |[y, x]: [usize; 2]| Extent { y, x };
    Case {
        n,
        channels: Channels { input, output, groups },
        size: extent(size),
        kernel: extent(kernel),
        stride: extent(stride),
    }
}

#[test]
fn convolutions_and_gradients_at_the_edges() {
    for isa in Isa::available() {
        for case in [
            case(1, (1, 1, 1), [1, 1], [1, 1], [1, 1]),
            case(2, (1, 1, 1), [1, 1], [3, 3], [2, 2]),
            case(1, (7, 7, 1), [7, 7], [7, 7], [1, 1]),
            case(3, (3, 5, 1), [4, 1], [3, 3], [1, 1]),
            case(2, (24, 40, 1), [9, 14], [3, 3], [1, 1]),
            case(2, (33, 50, 1), [7, 31], [3, 3], [2, 2]),
            case(1, (16, 16, 16), [5, 9], [3, 3], [1, 1]),
            case(2, (20, 20, 20), [6, 7], [3, 3], [2, 2]),
            case(1, (12, 18, 6), [5, 5], [3, 3], [1, 1]),
            case(1, (64, 96, 4), [4, 6], [1, 1], [1, 1]),
            case(2, (2, 9, 1), [1, 50], [1, 9], [1, 1]),
            case(1, (5, 5, 5), [1, 33], [1, 5], [1, 3]),
            case(2, (4, 6, 1), [8, 9], [1, 1], [3, 4]),
            case(9, (3, 4, 1), [5, 6], [5, 3], [2, 1]),
        ] {
            check(&case, isa);
        }
    }
}

prop_compose! {
    fn any_case()(
        n in 1..4_usize, groups in 1..4_usize, input in 1..20_usize, output in 1..20_usize,
        depthwise in any::<bool>(), size in prop::array::uniform2(1..20_usize),
        half in prop::array::uniform2(0..3_usize), stride in prop::array::uniform2(1..5_usize),
    ) -> Case {
        let channels = if depthwise { (input, input, input) } else { (input * groups, output * groups, groups) };
        case(n, channels, size, half.map(|h| 2 * h + 1), stride)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_convolution_and_its_gradients(case in any_case()) {
        for isa in Isa::available() {
            check(&case, isa);
        }
    }
}

fn node(name: &str, op: Op, inputs: &[&str]) -> Node {
    Node { name: name.to_owned(), op, inputs: inputs.iter().map(|&i| i.to_owned()).collect() }
}

fn conv(out: usize, kernel: usize, stride: usize, groups: usize, bn: bool, act: Act) -> Op {
    Op::Conv { out, kernel: Extent::square(kernel), stride: Extent::square(stride), groups, bn, act }
}

/// Every operation, and every way in which the plan folds one into another.
fn zoo() -> Graph {
    let nodes = vec![
        node("stem", conv(10, 3, 1, 1, true, Act::Relu), &[INPUT]),
        node("depth", conv(10, 3, 1, 10, true, Act::Relu), &["stem"]),
        node("down", conv(18, 5, 2, 1, true, Act::Relu6), &["depth"]),
        node("res", conv(18, 3, 1, 3, true, Act::None), &["down"]),
        node("sum", Op::Add { act: Act::Relu6 }, &["down", "res"]),
        node("up", Op::Upsample2, &["sum"]),
        node("after_up", conv(12, 3, 1, 1, true, Act::Relu), &["up"]),
        node("up2", Op::Upsample2, &["sum"]),
        node("lateral", conv(18, 1, 1, 1, false, Act::None), &["depth"]),
        node("merge", Op::Add { act: Act::Relu }, &["up2", "lateral"]),
        node("up3", Op::Upsample2, &["down"]),
        node("after_up3", conv(12, 3, 1, 1, true, Act::None), &["up3"]),
        node("both", Op::Add { act: Act::None }, &["after_up", "after_up3"]),
        node("joined", Op::Concat, &["merge", "both", INPUT]),
        node("three", Op::Add { act: Act::Relu }, &["joined", "joined", "joined"]),
        node("double", Op::Upsample2, &["three"]),
        node("pixels", conv(3, 1, 1, 1, false, Act::None), &["three"]),
        node("pool", Op::GlobalPool, &["sum"]),
        node("hidden", Op::Linear { out: 7, act: Act::Relu6 }, &["pool"]),
        node("item", Op::Linear { out: 3, act: Act::None }, &["hidden"]),
    ];
    let outputs = ["pixels", "item", "double"].map(|name| (name.to_owned(), name.to_owned()));
    Graph { input_channels: 2, nodes, outputs: BTreeMap::from(outputs) }
}

/// The graph by candle's own operations, one sample, batch norm by its running statistics.
fn by_candle(graph: &Graph, weights: &Weights, input: &Tensor) -> BTreeMap<String, Tensor> {
    let get = |name: &str, suffix: &str| {
        let (shape, values) = &weights[&format!("{name}.{suffix}")];
        Tensor::from_slice(values, shape.as_slice(), &Device::Cpu).unwrap()
    };
    let channels = |t: &Tensor| t.reshape((1, t.elem_count(), 1, 1)).unwrap();
    let mut known: BTreeMap<&str, Tensor> = BTreeMap::from([(INPUT, input.clone())]);
    for n in &graph.nodes {
        let x: Vec<&Tensor> = n.inputs.iter().map(|i| &known[i.as_str()]).collect();
        let activate = |t: Tensor, act: Act| match act {
            Act::None => t,
            Act::Relu => t.relu().unwrap(),
            Act::Relu6 => t.clamp(0.0_f32, 6.0_f32).unwrap(),
        };
        let value = match n.op {
            Op::Conv { kernel, stride, groups, bn, act, .. } => {
                let y = x[0].conv2d(&get(&n.name, "weight"), kernel.y / 2, stride.y, 1, groups).unwrap();
                let y = if bn {
                    let std =
                        (get(&n.name, "var") + f64::from(super::norm::EPSILON)).unwrap().sqrt().unwrap();
                    let y = y.broadcast_sub(&channels(&get(&n.name, "mean"))).unwrap();
                    let y = y.broadcast_div(&channels(&std)).unwrap();
                    let y = y.broadcast_mul(&channels(&get(&n.name, "scale"))).unwrap();
                    y.broadcast_add(&channels(&get(&n.name, "shift"))).unwrap()
                } else {
                    y.broadcast_add(&channels(&get(&n.name, "bias"))).unwrap()
                };
                activate(y, act)
            }
            Op::Add { act } => activate(x[1..].iter().fold(x[0].clone(), |sum, t| (sum + *t).unwrap()), act),
            Op::Upsample2 => {
                let (_, _, h, w) = x[0].dims4().unwrap();
                x[0].upsample_nearest2d(2 * h, 2 * w).unwrap()
            }
            Op::Concat => Tensor::cat(&x, 1).unwrap(),
            Op::GlobalPool => {
                let flat = x[0].flatten_from(2).unwrap();
                let pooled = Tensor::cat(&[flat.mean(2).unwrap(), flat.max(2).unwrap()], 1).unwrap();
                channels(&pooled)
            }
            Op::Linear { act, .. } => {
                let row = x[0].flatten_from(1).unwrap();
                let y = row.matmul(&get(&n.name, "weight").t().unwrap()).unwrap();
                activate(channels(&y.broadcast_add(&get(&n.name, "bias")).unwrap()), act)
            }
        };
        known.insert(&n.name, value);
    }
    graph.outputs.iter().map(|(role, name)| (role.clone(), known[name.as_str()].clone())).collect()
}

/// Random weights with running statistics that matter.
fn weights(graph: &Graph, seed: u64) -> Weights {
    let specs = graph.weights().unwrap();
    let make = |(i, spec): (usize, &super::WeightSpec)| {
        let mut values = random(spec.shape.iter().product(), seed + i as u64);
        if spec.name.rsplit('.').next() == Some("var") {
            for v in &mut values {
                *v = v.abs() + 0.1;
            }
        }
        (spec.name.clone(), (spec.shape.clone(), values))
    };
    specs.iter().enumerate().map(make).collect()
}

fn run(plan: &Plan, graph: &Graph, input: &[f32], threads: usize) -> BTreeMap<String, Vec<f32>> {
    let read = |out: &PlanOutputs<'_>| {
        graph.outputs.keys().map(|role| (role.clone(), out.get(role).unwrap().values.to_vec())).collect()
    };
    plan.run_values(threads, input, read).unwrap()
}

#[test]
fn plans_agree_with_candle_and_do_not_depend_on_threads_or_earlier_runs() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    for (graph, [h, w]) in [(zoo(), [14, 22]), (zoo(), [2, 6]), (defect_network(1, 5), [64, 96])] {
        let weights = weights(&graph, 11);
        let inputs = [21, 22].map(|seed| random(graph.input_channels * h * w, seed));
        let tensor = Tensor::from_slice(&inputs[0], (1, graph.input_channels, h, w), &Device::Cpu).unwrap();
        // What a plan gives beside the graph's own outputs is asked for too.
        let asked = graph.with_features();
        assert!(asked.outputs.len() == graph.outputs.len() + 1);
        let expected = by_candle(&asked, &weights, &tensor);
        for isa in Isa::available() {
            let plan = Plan::with(isa, &graph, &weights, h, w).unwrap();
            let graph = &asked;
            let first = run(&plan, graph, &inputs[0], 1);
            for (role, found) in &first {
                let expected: Vec<f64> = values(&expected[role]).into_iter().map(f64::from).collect();
                close(found, &expected, &format!("{isa:?} {role}"));
            }
            pool.install(|| {
                for _ in 0..5 {
                    assert_ne!(run(&plan, graph, &inputs[1], 2), first);
                    assert_eq!(run(&plan, graph, &inputs[0], 2), first, "{isa:?}, 2 threads");
                    assert_eq!(run(&plan, graph, &inputs[0], 3), first, "{isa:?}, 3 threads");
                }
            });
        }
    }
}

/// One layer between planes, which it turns over band by band: the same on each instruction set
/// within its rounding, and the same bits for any number of threads, whether the plan reads the
/// caller's values or a copy of them, with an earlier run's values in its memory.
#[track_caller]
fn check_alone(case: &Case, act: Act, pool: &rayon::ThreadPool) {
    let (c, out) = (case.channels, case.output());
    let Case { kernel, stride, size, .. } = *case;
    let op = Op::Conv { out: c.output, kernel, stride, groups: c.groups, bn: false, act };
    let graph = Graph {
        input_channels: c.input,
        nodes: vec![node("conv", op, &[INPUT])],
        outputs: BTreeMap::from([("y".to_owned(), "conv".to_owned())]),
    };
    let weights = weights(&graph, 31);
    let [w, bias] = ["conv.weight", "conv.bias"].map(|name| &weights[name].1);
    let x = random(c.input * size.area(), 32);
    let mut expected: Vec<f64> =
        bias.iter().flat_map(|b| std::iter::repeat_n(f64::from(*b), out.area())).collect();
    case.products(|o, i, k| expected[o] += f64::from(x[i]) * f64::from(w[k]));
    let limits = act.limits();
    for v in &mut expected {
        *v = v.clamp(f64::from(limits.floor), f64::from(limits.ceiling));
    }
    for isa in Isa::available() {
        let plan = Plan::with(isa, &graph, &weights, size.y, size.x).unwrap();
        run(&plan, &graph, &random(x.len(), 33), 1);
        let one = run(&plan, &graph, &x, 1);
        close(&one["y"], &expected, &format!("{isa:?} {case:?}"));
        pool.install(|| {
            for threads in [2, 3] {
                assert_eq!(run(&plan, &graph, &x, threads), one, "{isa:?}, {threads} threads, {case:?}");
                let filled = plan.run(
                    threads,
                    |input| {
                        for (i, row) in x.chunks_exact(size.x).enumerate() {
                            input.row(i / size.y, i % size.y).copy_from_slice(row);
                        }
                    },
                    |outputs| outputs.get("y").unwrap().values.to_vec(),
                );
                assert_eq!(filled, one["y"], "{isa:?}, {threads} threads, filled, {case:?}");
            }
        });
    }
}

#[test]
fn layers_alone_at_the_edges() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    for case in [
        case(1, (1, 1, 1), [1, 1], [1, 1], [1, 1]),
        case(1, (40, 33, 1), [1, 1], [3, 3], [2, 2]),
        case(1, (2, 33, 1), [9, 40], [3, 3], [1, 1]),
        // Several bands, the last one shorter; more rows than bands, and fewer.
        case(1, (33, 50, 1), [61, 45], [3, 3], [1, 1]),
        case(1, (20, 35, 1), [67, 71], [3, 5], [2, 3]),
        case(1, (65, 100, 1), [57, 19], [1, 1], [1, 1]),
        case(1, (35, 35, 35), [120, 150], [3, 3], [1, 1]),
        case(1, (35, 35, 35), [99, 150], [5, 3], [2, 2]),
        case(1, (24, 36, 3), [50, 60], [3, 3], [1, 1]),
        case(1, (17, 20, 1), [2, 700], [3, 3], [1, 1]),
        case(1, (19, 40, 1), [1, 3001], [1, 9], [1, 1]),
        case(1, (19, 40, 1), [1, 500], [1, 9], [1, 3]),
        case(1, (19, 40, 1), [500, 1], [9, 1], [1, 1]),
        case(1, (18, 4, 1), [30, 3], [7, 7], [5, 4]),
    ] {
        for act in [Act::None, Act::Relu, Act::Relu6] {
            check_alone(&case, act, &pool);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_layer_alone(
        case in any_case(), wide in 1..4_usize, large in prop::array::uniform2(0..40_usize),
        act in prop::sample::select(vec![Act::None, Act::Relu, Act::Relu6]),
    ) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let Channels { input, output, groups } = case.channels;
        let channels = if case.channels.is_depthwise() {
            Channels { input: wide * input, output: wide * output, groups: wide * groups }
        } else {
            Channels { input: wide * input, output: wide * output, groups }
        };
        let size = Extent { y: case.size.y + large[0], x: case.size.x + large[1] };
        check_alone(&Case { n: 1, channels, size, ..case }, act, &pool);
    }
}

#[test]
fn a_fault_in_the_input_is_seen_in_the_output() {
    let graph = defect_network(1, 2);
    for isa in Isa::available() {
        let plan = Plan::with(isa, &graph, &weights(&graph, 1), 32, 32).unwrap();
        let mut input = random(32 * 32, 1);
        input[500] = f32::NAN;
        let outputs = run(&plan, &graph, &input, 1);
        assert!(outputs.values().all(|v| v.iter().any(|v| v.is_nan())), "{isa:?}");
        // And not in the next one's.
        assert!(run(&plan, &graph, &random(32 * 32, 1), 1).values().flatten().all(|v| v.is_finite()));
    }
}

/// One step of training, on every instruction set and number of threads.
#[test]
fn training_steps_agree_over_sets_and_are_the_same_bits_over_threads() {
    let graph = zoo();
    let input = Tensor::from_slice(&random(10 * 2 * 8 * 6, 5), (10, 2, 8, 6), &Device::Cpu).unwrap();
    let step = |isa: Isa, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut net = TrainNet::with(isa, &graph, 9).unwrap();
            let outputs = net.forward(&input).unwrap();
            let loss = outputs.values().map(|out| out.sqr().unwrap().mean_all().unwrap());
            let loss = loss.reduce(|a, b| (a + b).unwrap()).unwrap();
            let grads = loss.backward().unwrap();
            (values(&loss), values(grads.get(net.parameters()).unwrap()), net.weights().unwrap())
        })
    };
    let reference = step(Isa::Portable, 1);
    for isa in Isa::available() {
        let one = step(isa, 1);
        assert_eq!(one, step(isa, 3), "{isa:?}");
        let scale = reference.1.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
        for (found, expected) in one.1.iter().zip(&reference.1) {
            assert!((found - expected).abs() <= 1e-4 * scale, "{isa:?}: {found}, expected {expected}");
        }
    }
}
