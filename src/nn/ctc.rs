//! Connectionist temporal classification (Graves et al., 2006): the likelihood of a sequence of labels
//! under frames that nobody has aligned with them, with its gradient.
//!
//! Sums over alignments run in double precision on logarithms, so that long sounds do not underflow.

use super::loss::{LossAndGradients, loss_with_gradients};
use super::norm::single;
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

/// Logarithms of probabilities, `[frames][labels + 1]`; the last is the blank.
pub type LogFrames = Vec<Vec<f64>>;

/// Minus the mean log-likelihood of each item's labels. `logits` are `[n, labels + 1, 1, frames]`, the last
/// channel the blank. An item without room for its labels teaches nothing.
pub fn ctc_loss(logits: &Tensor, labels: Vec<Vec<usize>>) -> Result<Tensor> {
    let (n, channels, rows, frames) = logits.dims4()?;
    if n != labels.len() || rows != 1 || labels.iter().flatten().any(|label| label + 1 >= channels) {
        return Err(candle_core::Error::Msg(format!(
            "labels of {} items do not fit logits {:?}",
            labels.len(),
            logits.dims()
        )));
    }
    let share = 1.0 / n.max(1) as f64;
    let unused = Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu)?;
    loss_with_gradients(logits, &unused, move |logits, _| {
        let items: Vec<(f64, Vec<f64>)> = logits
            .par_chunks_exact(channels * frames)
            .zip(&labels)
            .map(|(logits, labels)| {
                item_loss(&log_softmax(logits, channels), labels)
                    .unwrap_or_else(|| (0.0, vec![0.0; channels * frames]))
            })
            .collect();
        LossAndGradients {
            loss: single(share * items.iter().map(|(loss, _)| loss).sum::<f64>()),
            first: items.iter().flat_map(|(_, grad)| grad.iter().map(|g| single(share * g))).collect(),
            second: vec![0.0],
        }
    })
}

/// Frames of logits that lie channel by channel, as logarithms of probabilities.
#[must_use]
pub fn log_softmax(logits: &[f32], channels: usize) -> LogFrames {
    let frames = logits.len() / channels.max(1);
    let frame = |t: usize| {
        let values: Vec<f64> = (0..channels).map(|c| f64::from(logits[c * frames + t])).collect();
        let sum = log_sum(values.iter().copied());
        values.into_iter().map(|v| v - sum).collect()
    };
    (0..frames).map(frame).collect()
}

/// ln Σ exp.
pub fn log_sum(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY { most } else { most + values.map(|v| (v - most).exp()).sum::<f64>().ln() }
}

fn log_add(a: f64, b: f64) -> f64 {
    let (most, least) = if a > b { (a, b) } else { (b, a) };
    if least == f64::NEG_INFINITY { most } else { most + (least - most).exp().ln_1p() }
}

/// The labels with a blank before, between and behind them.
fn with_blanks(labels: &[usize], blank: usize) -> Vec<usize> {
    let mut states = vec![blank];
    for &label in labels {
        states.extend([label, blank]);
    }
    states
}

/// Whether a path may come to state `s` from two before: from one label to another one.
fn skips(states: &[usize], s: usize) -> bool {
    s >= 2 && s % 2 == 1 && states[s] != states[s - 2]
}

/// −ln P(labels), and its gradient by the logits, channel by channel. `None` where no path is long enough.
fn item_loss(frames: &LogFrames, labels: &[usize]) -> Option<(f64, Vec<f64>)> {
    let channels = frames.first()?.len();
    let states = with_blanks(labels, channels - 1);
    let (forward, backward) = (forward(frames, &states), backward(frames, &states));
    let (n, last) = (states.len(), frames.len() - 1);
    let ends = [n.checked_sub(2), Some(n - 1)].into_iter().flatten();
    let likelihood = log_sum(ends.map(|s| forward[last][s]).collect::<Vec<_>>().into_iter());
    if likelihood == f64::NEG_INFINITY {
        return None;
    }
    let mut grad = vec![0.0; channels * frames.len()];
    for (t, frame) in frames.iter().enumerate() {
        for (c, p) in frame.iter().enumerate() {
            grad[c * frames.len() + t] = p.exp();
        }
        for (s, &state) in states.iter().enumerate() {
            // Both sums count the frame's own probability.
            let through = forward[t][s] + backward[t][s] - frame[state] - likelihood;
            grad[state * frames.len() + t] -= through.exp();
        }
    }
    Some((-likelihood, grad))
}

/// ln of all paths that come to a state by a frame, with that frame.
fn forward(frames: &LogFrames, states: &[usize]) -> Vec<Vec<f64>> {
    let mut table: Vec<Vec<f64>> = Vec::with_capacity(frames.len());
    for frame in frames {
        let row = (0..states.len())
            .map(|s| {
                let come = match table.last() {
                    None => {
                        if s < 2 {
                            0.0
                        } else {
                            f64::NEG_INFINITY
                        }
                    }
                    Some(before) => {
                        let mut sum = before[s];
                        if s >= 1 {
                            sum = log_add(sum, before[s - 1]);
                        }
                        if skips(states, s) {
                            sum = log_add(sum, before[s - 2]);
                        }
                        sum
                    }
                };
                come + frame[states[s]]
            })
            .collect();
        table.push(row);
    }
    table
}

/// ln of all paths from a state at a frame to the end, with that frame.
fn backward(frames: &LogFrames, states: &[usize]) -> Vec<Vec<f64>> {
    let n = states.len();
    let mut table: Vec<Vec<f64>> = Vec::with_capacity(frames.len());
    for frame in frames.iter().rev() {
        let row = (0..n)
            .map(|s| {
                let goes = match table.last() {
                    None => {
                        if s + 2 >= n {
                            0.0
                        } else {
                            f64::NEG_INFINITY
                        }
                    }
                    Some(after) => {
                        let mut sum = after[s];
                        if s + 1 < n {
                            sum = log_add(sum, after[s + 1]);
                        }
                        if s + 2 < n && skips(states, s + 2) {
                            sum = log_add(sum, after[s + 2]);
                        }
                        sum
                    }
                };
                goes + frame[states[s]]
            })
            .collect();
        table.push(row);
    }
    table.reverse();
    table
}

/// The likeliest path of these labels (Viterbi): for each its first frame and the one behind its last.
/// `None` where no path is long enough.
#[must_use]
pub fn align_labels(frames: &LogFrames, labels: &[usize]) -> Option<Vec<[usize; 2]>> {
    let states = with_blanks(labels, frames.first()?.len() - 1);
    let n = states.len();
    let mut score: Vec<f64> = Vec::new();
    let mut from: Vec<Vec<usize>> = Vec::with_capacity(frames.len());
    for frame in frames {
        let best = |s: usize| -> (usize, f64) {
            if score.is_empty() {
                return (s, if s < 2 { 0.0 } else { f64::NEG_INFINITY });
            }
            let mut best = (s, score[s]);
            for back in [1, 2] {
                let may = back == 1 && s >= 1 || back == 2 && skips(&states, s);
                if may && score[s - back] > best.1 {
                    best = (s - back, score[s - back]);
                }
            }
            best
        };
        let row: Vec<(usize, f64)> = (0..n).map(best).collect();
        score = row.iter().zip(&states).map(|((_, v), &state)| v + frame[state]).collect();
        from.push(row.into_iter().map(|(s, _)| s).collect());
    }
    let mut s = if n >= 2 && score[n - 2] > score[n - 1] { n - 2 } else { n - 1 };
    if score[s] == f64::NEG_INFINITY {
        return None;
    }
    let mut places = vec![[0, 0]; labels.len()];
    for t in (0..frames.len()).rev() {
        if s % 2 == 1 {
            let place = &mut places[s / 2];
            place[0] = t;
            place[1] = place[1].max(t + 1);
        }
        s = from[t][s];
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const CHANNELS: usize = 3;

    /// What a path says: repetitions are one, then blanks go.
    fn collapsed(path: &[usize]) -> Vec<usize> {
        let mut said: Vec<usize> = path.to_vec();
        said.dedup();
        said.retain(|&c| c != CHANNELS - 1);
        said
    }

    fn paths(frames: usize) -> impl Iterator<Item = Vec<usize>> {
        (0..CHANNELS.pow(u32::try_from(frames).unwrap())).map(move |code| {
            (0..frames).map(|t| code / CHANNELS.pow(u32::try_from(t).unwrap()) % CHANNELS).collect()
        })
    }

    fn random(frames: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..CHANNELS * frames).map(|_| rng.random_range(-2.0..2.0)).collect()
    }

    #[test]
    fn the_likelihood_is_the_sum_over_all_paths() {
        for (frames, seed) in [(1, 1), (3, 2), (5, 3), (6, 4)] {
            let log = log_softmax(&random(frames, seed), CHANNELS);
            for labels in [&[][..], &[0], &[1, 1], &[0, 1], &[0, 1, 0], &[0, 0, 1]] {
                let score =
                    |path: &Vec<usize>| -> f64 { path.iter().zip(&log).map(|(&c, frame)| frame[c]).sum() };
                let of_labels: Vec<Vec<usize>> =
                    paths(frames).filter(|path| collapsed(path) == labels).collect();
                let sum: f64 = of_labels.iter().map(|path| score(path).exp()).sum();
                let Some((loss, _)) = item_loss(&log, labels) else {
                    assert_eq!(sum, 0.0, "{frames} {labels:?}");
                    continue;
                };
                assert!((loss + sum.ln()).abs() < 1e-9, "{frames} {labels:?}: {loss} {}", -sum.ln());
                // The likeliest of these paths is the alignment.
                let best = of_labels.iter().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
                let places = align_labels(&log, labels).unwrap();
                for (place, label) in places.iter().zip(labels) {
                    assert!((place[0]..place[1]).all(|t| best[t] == *label), "{best:?} {places:?}");
                }
            }
        }
    }

    #[test]
    fn the_gradient_agrees_with_differences_and_items_are_averaged() {
        let (frames, labels) = (7, vec![vec![0, 1, 1], vec![], vec![1; 9]]);
        let values: Vec<f32> = (1..=3).flat_map(|seed| random(frames, seed)).collect();
        let loss = |values: &[f32]| {
            let logits = Tensor::from_slice(values, (3, CHANNELS, 1, frames), &Device::Cpu).unwrap();
            f64::from(ctc_loss(&logits, labels.clone()).unwrap().to_scalar::<f32>().unwrap())
        };
        let logits = Var::from_slice(&values, (3, CHANNELS, 1, frames), &Device::Cpu).unwrap();
        let grads = ctc_loss(&logits, labels.clone()).unwrap().backward().unwrap();
        let grads = grads.get(&logits).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (at, grad) in grads.iter().enumerate() {
            let moved = |by: f32| {
                let mut moved = values.clone();
                moved[at] += by;
                loss(&moved)
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((slope - f64::from(*grad)).abs() < 2e-4, "{at}: {slope} {grad}");
        }
        assert!(grads[2 * CHANNELS * frames..].iter().all(|g| *g == 0.0), "nine labels in seven frames");
        assert!(ctc_loss(&logits, vec![vec![2], vec![], vec![]]).is_err(), "the blank is no label");
    }

    #[test]
    fn a_thousand_frames_do_not_underflow() {
        let log = log_softmax(&random(1000, 9), CHANNELS);
        let (loss, grad) = item_loss(&log, &[0, 1, 0, 0, 1]).unwrap();
        assert!(loss.is_finite() && loss > 100.0 && grad.iter().all(|g| g.is_finite()));
    }
}
