//! The network shapes that training starts from.

use super::graph::{Act, Extent, Graph, INPUT, Node, Op};
use std::collections::BTreeMap;

/// Role of the output with one logit for each defect class and pixel, at [`PIXEL_STRIDE`].
pub const PIXEL_OUTPUT: &str = "pixels";
/// Role of the output with one logit for each defect class and item.
pub const ITEM_OUTPUT: &str = "item";
/// Role of the output that a plan adds by itself: what the item's layer sees of the deepest features, mean
/// and then maximum of each channel.
pub const FEATURE_OUTPUT: &str = "features";
/// Role of the output with logits of each word and, last, of none, for each [`FRAME_STRIDE`] columns.
pub const FRAME_OUTPUT: &str = "frames";
/// Input pixels for each pixel of the per-pixel output, along one axis.
pub const PIXEL_STRIDE: u32 = 4;
/// Input columns for each frame.
pub const FRAME_STRIDE: u32 = 4;

/// An encoder to stride 32 with residual blocks and a decoder back to stride 4: per-class
/// pixel logits and, from the deepest features, per-class logits of the whole item. About 165 M
/// multiply-accumulates at 256 × 256, because a station without an accelerator has to keep up.
///
/// The input's height and width must be multiples of 32.
#[must_use]
pub fn defect_network(input_channels: usize, defect_classes: usize) -> Graph {
    network(input_channels, defect_classes, 128)
}

/// The same with half the channels at its deepest, for pictures of sounds: fewer than 300,000 parameters,
/// since labelled recordings are few.
#[must_use]
pub fn event_network(input_channels: usize, classes: usize) -> Graph {
    network(input_channels, classes, 64)
}

fn network(input_channels: usize, classes: usize, deepest: usize) -> Graph {
    let mut b = Builder::default();
    let stem = b.conv("stem", INPUT, 16, 3, 2);
    let s4 = b.conv("down4", &stem, 32, 3, 2);
    let s8 = b.conv("down8", &s4, 48, 3, 2);
    let s8 = b.residual("block8", &s8, 48, 1);
    let s16 = b.conv("down16", &s8, 64, 3, 2);
    let s16 = b.residual("block16", &s16, 64, 2);
    let s32 = b.conv("down32", &s16, deepest, 3, 2);
    let s32 = b.residual("block32", &s32, deepest, 2);
    let top = b.conv("lateral32", &s32, 48, 1, 1);
    let top = b.merge("16", &top, &s16, 48);
    let top = b.merge("8", &top, &s8, 48);
    let top = b.conv("smooth8", &top, 32, 3, 1);
    let top = b.merge("4", &top, &s4, 32);
    let top = b.conv("smooth4", &top, 32, 3, 1);
    let pixels = b.push("pixel_head", conv_op(classes, 1, 1, false, Act::None), &[&top]);
    let pooled = b.push("pool", Op::GlobalPool, &[&s32]);
    let item = b.push("item_head", Op::Linear { out: classes, act: Act::None }, &[&pooled]);
    Graph {
        input_channels,
        nodes: b.nodes,
        outputs: BTreeMap::from([(PIXEL_OUTPUT.to_owned(), pixels), (ITEM_OUTPUT.to_owned(), item)]),
    }
}

/// For what is said: the bands of a picture of at most 64 rows are drawn together to one, columns to one of
/// four, then residual blocks look along time, over about a second in all. Fewer than 300,000 parameters; some
/// 10 M multiply-accumulates for a second of sound in columns of 10 ms.
#[must_use]
pub fn speech_network(input_channels: usize, words: usize) -> Graph {
    let mut b = Builder::default();
    let mut at = INPUT.to_owned();
    let halvings = [
        ("stem", 16, [5, 5], [2, 2]),
        ("down4", 24, [3, 3], [2, 2]),
        ("rows8", 32, [3, 3], [2, 1]),
        ("rows4", 48, [3, 3], [2, 1]),
        ("rows2", 64, [3, 1], [2, 1]),
        ("rows1", SPEECH_CHANNELS, [3, 1], [2, 1]),
    ];
    for (name, out, kernel, stride) in halvings {
        at = b.push(name, extended(out, kernel, stride, Act::Relu), &[&at]);
    }
    for name in ["time1", "time2"] {
        let first = format!("{name}_0");
        let inner = b.push(&first, extended(SPEECH_CHANNELS, [1, 5], [1, 1], Act::Relu), &[&at]);
        let second = format!("{name}_1");
        let inner = b.push(&second, extended(SPEECH_CHANNELS, [1, 5], [1, 1], Act::None), &[&inner]);
        at = b.push(name, Op::Add { act: Act::Relu }, &[&at, &inner]);
    }
    let frames = b.push("frame_head", conv_op(words + 1, 1, 1, false, Act::None), &[&at]);
    Graph { input_channels, nodes: b.nodes, outputs: BTreeMap::from([(FRAME_OUTPUT.to_owned(), frames)]) }
}

/// Channels along time.
const SPEECH_CHANNELS: usize = 96;

/// With kernel and stride as rows and columns.
fn extended(out: usize, [y, x]: [usize; 2], [dy, dx]: [usize; 2], act: Act) -> Op {
    Op::Conv { out, kernel: Extent { y, x }, stride: Extent { y: dy, x: dx }, groups: 1, bn: true, act }
}

fn conv_op(out: usize, kernel: usize, stride: usize, bn: bool, act: Act) -> Op {
    Op::Conv { out, kernel: Extent::square(kernel), stride: Extent::square(stride), groups: 1, bn, act }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
}

impl Builder {
    fn push(&mut self, name: &str, op: Op, inputs: &[&str]) -> String {
        let inputs = inputs.iter().map(|&i| i.to_owned()).collect();
        self.nodes.push(Node { name: name.to_owned(), op, inputs });
        name.to_owned()
    }

    fn conv(&mut self, name: &str, input: &str, out: usize, kernel: usize, stride: usize) -> String {
        self.push(name, conv_op(out, kernel, stride, true, Act::Relu), &[input])
    }

    /// `input + convs(input)`, the last convolution without activation.
    fn residual(&mut self, name: &str, input: &str, width: usize, convs: usize) -> String {
        let mut at = input.to_owned();
        for i in 0..convs {
            let act = if i + 1 == convs { Act::None } else { Act::Relu };
            at = self.push(&format!("{name}_{i}"), conv_op(width, 3, 1, true, act), &[&at]);
        }
        self.push(name, Op::Add { act: Act::Relu }, &[input, &at])
    }

    /// The coarser map, doubled, plus a 1 × 1 view of the finer one.
    fn merge(&mut self, stride: &str, coarse: &str, fine: &str, width: usize) -> String {
        let up = self.push(&format!("up{stride}"), Op::Upsample2, &[coarse]);
        let lateral = self.push(&format!("lateral{stride}"), conv_op(width, 1, 1, true, Act::None), &[fine]);
        self.push(&format!("merge{stride}"), Op::Add { act: Act::Relu }, &[&up, &lateral])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Plan, TrainNet};
    use candle_core::{Device, Tensor};

    #[test]
    fn speech_becomes_one_row_of_frames_and_plans_agree_with_training() {
        let graph = speech_network(1, 10);
        for (rows, columns) in [(64, 512), (32, 96), (8, 64)] {
            let shape = graph.shapes(rows, columns).unwrap()[graph.outputs[FRAME_OUTPUT].as_str()];
            assert_eq!((shape.channels, shape.height, shape.width), (11, 1, columns / FRAME_STRIDE as usize));
        }
        let mut net = TrainNet::new(&graph, 3).unwrap();
        let trained = net.parameters().elem_count();
        assert!(trained < 300_000, "{trained} parameters");
        let macs_per_second = graph.macs(64, 100).unwrap();
        assert!(macs_per_second < 13_000_000, "{macs_per_second}");
        let (rows, columns) = (64, 64);
        let values: Vec<f32> =
            (0_u16..2 * 64 * 64).map(|i| f32::from(i.wrapping_mul(7919) % 251) / 125.0 - 1.0).collect();
        let x = Tensor::from_slice(&values, (2, 1, rows, columns), &Device::Cpu).unwrap();
        // The same batch again and again: running statistics become the batch's.
        for _ in 0..150 {
            net.forward(&x).unwrap();
        }
        let said = net.forward(&x).unwrap()[FRAME_OUTPUT].flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let plan = Plan::new(&graph, &net.weights().unwrap(), rows, columns).unwrap();
        for (sample, said) in values.chunks_exact(rows * columns).zip(said.chunks_exact(said.len() / 2)) {
            let read =
                plan.run_values(1, sample, |out| out.get(FRAME_OUTPUT).unwrap().values.to_vec()).unwrap();
            let worst = read.iter().zip(said).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(read.len() == said.len() && worst < 2e-2, "differs by {worst}");
        }
        assert!(crate::nn::to_onnx(&graph, &net.weights().unwrap(), 64, 64, "speech", &[]).is_ok());
    }
}
