//! First weights from a model of other goods: what it sees in pictures is taken over, and not what it looks
//! for, nor how large it sees them.

use crate::infer::{InputSpec, Manifest};
use crate::nn::{INPUT, Weights};

/// What one plane of an input shows of which photograph, 0 being the item and 1 its reference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plane {
    Grey(usize),
    Colour(usize, u32),
    Local(usize),
    Difference,
}

/// In the order in which a network gets them.
fn planes(spec: &InputSpec) -> Vec<Plane> {
    let photographs = 0..spec.photographs();
    let is_grey = spec.channels == 1;
    let channel = |photograph, channel| {
        if is_grey { Plane::Grey(photograph) } else { Plane::Colour(photograph, channel) }
    };
    let mut planes: Vec<Plane> =
        photographs.clone().flat_map(|at| (0..spec.channels).map(move |c| channel(at, c))).collect();
    if spec.local_px > 0 {
        planes.extend(photographs.map(Plane::Local));
    }
    if spec.difference {
        planes.push(Plane::Difference);
    }
    planes
}

/// How much of the filter for `from` a filter for `to` begins with. A grey picture is the same in all three
/// colours.
fn share(from: Plane, to: Plane) -> f32 {
    match (from, to) {
        (Plane::Colour(own, _), Plane::Grey(other)) if own == other => 1.0,
        (Plane::Grey(own), Plane::Colour(other, _)) if own == other => 1.0 / 3.0,
        _ if from == to => 1.0,
        _ => 0.0,
    }
}

/// The weights of a model for a network that gets `to`: without its heads, and with the filters of its first
/// layers made from those for the planes that show the same. What it has never seen begins at nothing.
pub(super) fn transferred(from: &Manifest, mut weights: Weights, to: &InputSpec) -> Weights {
    let is_head = |parameter: &str| {
        parameter.rsplit_once('.').is_some_and(|(layer, _)| from.graph.outputs.values().any(|h| h == layer))
    };
    weights.retain(|parameter, _| !is_head(parameter));
    let (own, wanted) = (planes(&from.input), planes(to));
    for node in from.graph.nodes.iter().filter(|node| node.inputs.iter().any(|name| name == INPUT)) {
        if let Some((shape, values)) = weights.get_mut(&format!("{}.weight", node.name))
            && shape.get(1) == Some(&own.len())
        {
            let filter = shape[2..].iter().product();
            *values = refiltered(values, filter, &own, &wanted);
            shape[1] = wanted.len();
        }
    }
    weights
}

/// Of `[out, planes, rows, columns]`, `filter` being rows × columns.
fn refiltered(values: &[f32], filter: usize, own: &[Plane], wanted: &[Plane]) -> Vec<f32> {
    let mut all = Vec::with_capacity(values.len() / own.len() * wanted.len());
    for of_output in values.chunks_exact(own.len() * filter) {
        for &to in wanted {
            let mut made = vec![0.0; filter];
            for (&from, values) in own.iter().zip(of_output.chunks_exact(filter)) {
                let share = share(from, to);
                made.iter_mut().zip(values).for_each(|(made, value)| *made += share * value);
            }
            all.extend(made);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grey_picture_looks_the_same_through_filters_for_colour() {
        let (colour, grey) = (
            [Plane::Colour(0, 0), Plane::Colour(0, 1), Plane::Colour(0, 2), Plane::Local(0)],
            [Plane::Grey(0), Plane::Grey(1), Plane::Local(0)],
        );
        // Two outputs of a layer of 1 × 1.
        let values = [1.0, 2.0, 4.0, 8.0, -1.0, 0.5, 0.0, 3.0];
        let made = refiltered(&values, 1, &colour, &grey);
        assert_eq!(made, [7.0, 0.0, 8.0, -0.5, 0.0, 3.0]);
        let back = refiltered(&made, 1, &grey, &colour);
        let grey_of = |weights: &[f32]| weights[..3].iter().sum::<f32>();
        assert!((grey_of(&back[..4]) - 7.0).abs() < 1e-6 && (back[3] - 8.0).abs() < 1e-6);
    }
}
