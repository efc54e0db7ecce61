//! The training loop, from labelled items to a candidate package.

use super::LearnError;
use super::augment::{Example, Recipe, example};
use super::average::Average;
use super::calibrate::{Scored, calibration};
use super::checkpoint::{FirstRun, Keeper, Numbers, RunState};
use super::data::{self, Loaded, Sample, Wanted};
use super::draw::{Donors, beds, draw_epoch, draw_weights};
use super::input::window;
use super::loss::loss;
use super::network::{graph_for, priors, silence_item};
use super::pack::{Candidate, Judged, single_log_odds};
use super::progress::Progress;
use super::set_up::{SetUp, beyond, set_up};
use super::settings::{Keep, TrainSettings, epochs_by_itself};
use super::speech::{Spoken, examples};
use super::split::{Part, split};
use super::spoken::Speech;
use super::transfer::transferred;
use super::validate::{Checked, pixel_threshold, validation_score};
use crate::domain::{LabelledItem, Task};
use crate::infer::{InputSpec, Metric, Model, raw_scores, weights_from_bytes};
use crate::nn::{
    FRAME_OUTPUT, Graph, ITEM_OUTPUT, Optimiser, PIXEL_OUTPUT, Plan, Schedule, TrainNet, Weights, ctc_loss,
};
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Share of the training that warms the learning rate up.
const WARM_UP: f64 = 0.08;
/// Epochs without a better validation score before training stops early.
const PATIENCE: usize = 20;
/// Not before this share of the training: with few groups the score jumps by chance while the
/// learning rate is high.
const PATIENT_SHARE: f64 = 0.6;

/// What a training made.
pub struct TrainReport {
    /// The candidate; [`Model::save`] writes it.
    pub model: Model,
    /// On the evidence groups.
    pub metrics: BTreeMap<String, Metric>,
    pub seconds: f64,
    pub epochs: usize,
    pub best_epoch: usize,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    pub skipped: Vec<(String, String)>,
}

/// Trains a candidate. `init` gives first weights where layers agree in name and shape. Setting
/// `cancel` ends the training with the best weights so far (an error if there are none yet).
///
/// Where a class has few units, the network is trained a second time, on the validation groups too, and
/// keeps the calibration that these gave the first: its scores on new units are the first one's,
/// slightly improved (`refit`).
///
/// With `epochs` and no `minutes`, the package's bytes are the same for the same items, settings,
/// number of threads and instruction set; its weights for any number of threads.
pub fn train(
    items: &[LabelledItem],
    settings: &TrainSettings,
    init: Option<&Model>,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(&Progress),
) -> Result<TrainReport, LearnError> {
    train_kept(items, settings, init, &mut Keeper::default(), cancel, progress)
}

/// The same, kept by `keeper` after every epoch: a training that goes on where a killed one was comes to
/// the same bytes, with `epochs` and no `minutes`.
pub fn train_kept(
    items: &[LabelledItem],
    settings: &TrainSettings,
    init: Option<&Model>,
    keeper: &mut Keeper,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(&Progress),
) -> Result<TrainReport, LearnError> {
    let start = Instant::now();
    let goldens = data::goldens(items, init.map(|init| init.manifest().task).or(settings.task));
    let set_up = set_up(items, &goldens, settings, init)?;
    let SetUp { usable, spec, .. } = &set_up;
    let rule = (set_up.task == Task::Transcribe).then(|| settings.convention());
    let stands_out = set_up.task == Task::Classify && settings.stands_out;
    let wanted = Wanted { classes: set_up.shown(), rule: rule.as_ref(), stands_out };
    let mut reads = |so_far, all| progress(&Progress::loading(so_far, all, start.elapsed().as_secs_f64()));
    let loaded = data::load(usable, spec, wanted, cancel, &mut reads)?;
    let kept: Vec<&LabelledItem> = loaded.samples.iter().map(|s| usable[s.item]).collect();
    let parts = split(&kept, settings.seed, settings.validation_share, settings.evidence_share);
    let beyond = beyond(&set_up, &loaded, &parts)?;
    let refits = settings.refit.unwrap_or_else(|| data::has_rare_class(&kept));
    let mut report = |of_part: &Progress, part: usize| progress(&of_part.clone().part(part, refits));
    keeper.begin(&loaded.hash, settings)?;
    let (first, mut stopped) = if let Some(first) = keeper.first_run() {
        (first, false)
    } else {
        let mut run = Run::new(settings, &set_up, &loaded, &parts, init, [refits, false])?;
        // Reading counts for the minutes that a person allows.
        run.start = start;
        let stopped = run.epochs(keeper, cancel, &mut |p| report(p, 0))?;
        let judged = run.judge(&kept, &parts)?;
        let Fitted { weights, best_epoch, epochs } = run.fitted()?;
        (FirstRun { judged, epochs, best_epoch, weights }, stopped)
    };
    let judged = first.judged.clone();
    let mut fitted =
        Fitted { weights: first.weights.clone(), best_epoch: first.best_epoch, epochs: first.epochs };
    if refits && !stopped {
        keeper.second_begins(first);
        let all: Vec<Part> = parts.iter().map(|part| part.refitted()).collect();
        let mut again = Run::new(settings, &set_up, &loaded, &all, init, [true, true])?;
        stopped = again.epochs(keeper, cancel, &mut |p| report(p, 1))?;
        if !stopped {
            fitted = again.fitted()?;
        }
    }
    let Fitted { weights, best_epoch, epochs } = fitted;
    let graph = graph_for(set_up.task, spec, set_up.shown().len(), init, settings.transfer);
    let candidate = Candidate { settings, set_up: &set_up, loaded: &loaded, judged };
    let model = candidate.pack(graph, &weights, [epochs, best_epoch], &kept, &parts)?;
    Ok(TrainReport {
        metrics: model.manifest().metrics.clone(),
        model,
        seconds: start.elapsed().as_secs_f64(),
        epochs,
        best_epoch,
        stopped,
        skipped: [&set_up.skipped[..], &loaded.skipped, &beyond].concat(),
    })
}

/// One training under way.
struct Run<'a> {
    settings: &'a TrainSettings,
    task: Task,
    spec: &'a InputSpec,
    /// What an example shows of it.
    window: InputSpec,
    train: Vec<&'a Sample<'a>>,
    validation: Vec<&'a Sample<'a>>,
    /// Items of `train` whose defects may be laid over good ones.
    donors: Donors<'a>,
    /// Those that may be heard beneath others.
    beds: Vec<&'a Sample<'a>>,
    draw: Vec<f64>,
    /// Where the task is to write down what is said.
    speech: Option<Speech<'a>>,
    graph: Graph,
    net: TrainNet,
    optimiser: Optimiser,
    average: Average,
    /// Of this run alone.
    minutes: Option<f64>,
    start: Instant,
    started_epochs: Instant,
    epoch: usize,
    /// Mean of the running epoch.
    loss: f64,
    best: Option<(f64, Weights)>,
    best_epoch: usize,
    last: Option<f64>,
}

impl<'a> Run<'a> {
    fn new(
        settings: &'a TrainSettings,
        set_up: &'a SetUp<'_>,
        loaded: &'a Loaded<'a>,
        parts: &[Part],
        init: Option<&Model>,
        [refits, is_again]: [bool; 2],
    ) -> Result<Self, LearnError> {
        let of = |part: Part| -> Vec<&'a Sample<'a>> {
            loaded.samples.iter().zip(parts).filter(|(_, p)| **p == part).map(|(s, _)| s).collect()
        };
        let (train, validation) = (of(Part::Train), of(Part::Validation));
        if train.is_empty() || (validation.is_empty() && !is_again) {
            return Err(LearnError::TooLittle(format!(
                "{} items train and {} validate; more groups are needed",
                train.len(),
                validation.len()
            )));
        }
        let SetUp { spec, task, .. } = set_up;
        let shown = set_up.shown().len();
        let graph = graph_for(*task, spec, shown, init, settings.transfer);
        let mut net = TrainNet::new(&graph, settings.seed)?;
        // Only the whole view surely shows a defect that nobody has placed.
        let is_placed = train.iter().all(|sample| !sample.unplaced.contains(&true));
        let window = window(spec, if is_placed { settings.window_px } else { 0 });
        net.adopt(&priors(&graph, shown))?;
        if let Some(init) = init {
            let mut weights = weights_from_bytes(init.package().1)?;
            if settings.transfer {
                weights = transferred(init.manifest(), weights, spec);
            }
            if net.adopt(&weights)? == 0 {
                return Err(LearnError::Initial("no layer agrees in name and shape".to_owned()));
            }
        }
        let share = if init.is_some() && settings.transfer { settings.transfer_rate } else { 1.0 };
        let schedule = Schedule { peak: share * settings.rate, warm_up: WARM_UP };
        let optimiser = Optimiser::new(net.parameters(), schedule, settings.weight_decay);
        let draw = draw_weights(&train, settings.defective_share);
        let average = Average::new(&net, settings.average_steps)?;
        let donors = Donors::new(&train);
        let beds = beds(*task, &train);
        let takes = [&train, &validation].map(|part| part.iter().filter_map(|s| s.take.as_ref()).collect());
        let is_speech = *task == Task::Transcribe;
        let speech = is_speech.then(|| Speech::new(takes, set_up.shown(), spec, settings)).transpose()?;
        Ok(Self {
            settings,
            task: *task,
            spec,
            window,
            train,
            validation,
            donors,
            beds,
            draw,
            speech,
            graph,
            net,
            optimiser,
            average,
            minutes: settings.minutes.map(|all| if refits { all / 2.0 } else { all }),
            start: Instant::now(),
            started_epochs: Instant::now(),
            epoch: 0,
            loss: 0.0,
            best: None,
            best_epoch: 0,
            last: None,
        })
    }

    fn epochs_wanted(&self) -> Option<usize> {
        match (self.settings.epochs, self.minutes) {
            (None, None) => {
                let sees = self.settings.transfer && self.spec.sound.is_none();
                Some(epochs_by_itself(self.task, sees, self.train.len()))
            }
            (epochs, _) => epochs,
        }
    }

    /// Share done, by epochs or by minutes, whichever is further.
    fn done(&self, within_epoch: f64) -> f64 {
        let by_epochs = self
            .epochs_wanted()
            .map_or(0.0, |all| ((self.epoch.saturating_sub(1)) as f64 + within_epoch) / all.max(1) as f64);
        let minutes = self.start.elapsed().as_secs_f64() / 60.0;
        let by_minutes = self.minutes.map_or(0.0, |all| minutes / all.max(1e-6));
        by_epochs.max(by_minutes).min(1.0)
    }

    /// Runs all epochs, or those that are left; `true` when it was stopped from outside.
    fn epochs(
        &mut self,
        keeper: &mut Keeper,
        cancel: &AtomicBool,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<bool, LearnError> {
        if let Some(state) = keeper.take() {
            self.restore(state)?;
        }
        self.started_epochs = Instant::now();
        while !self.is_over() {
            self.epoch += 1;
            if !self.one_epoch(cancel, progress)? {
                return if self.best.is_some() { Ok(true) } else { Err(LearnError::Stopped) };
            }
            let weights = self.kept_weights();
            self.last = self.validate(&weights)?;
            let score = self.last.unwrap_or_default();
            let is_best = self.best.as_ref().is_none_or(|(best, _)| score > *best);
            if is_best || self.last.is_none() || self.settings.keep == Keep::Last {
                self.best = Some((score, weights));
                self.best_epoch = self.epoch;
            }
            keeper.keep(|| self.state())?;
            progress(&self.progress(1.0, self.loss));
        }
        Ok(false)
    }

    fn is_over(&self) -> bool {
        let out_of_patience = self.epoch >= self.best_epoch + PATIENCE && self.done(1.0) >= PATIENT_SHARE;
        self.epoch > 0 && (self.done(1.0) >= 1.0 || out_of_patience)
    }

    fn state(&self) -> Result<RunState, LearnError> {
        let (moments, optimiser_steps) = self.optimiser.state();
        let numbers = Numbers {
            epoch: self.epoch,
            best_epoch: self.best_epoch,
            best: self.best.as_ref().map(|(score, _)| *score),
            last: self.last,
            optimiser_steps,
            mean_steps: self.average.steps(),
            spent_secs: self.start.elapsed().as_secs_f64(),
        };
        Ok(RunState {
            numbers,
            net: self.net.weights()?,
            mean: self.average.weights().clone(),
            best: self.best.as_ref().map(|(_, weights)| weights.clone()).unwrap_or_default(),
            moments: moments.map(<[f32]>::to_vec),
        })
    }

    fn restore(&mut self, state: RunState) -> Result<(), LearnError> {
        let Numbers { epoch, best_epoch, best, last, optimiser_steps, mean_steps, spent_secs } =
            state.numbers;
        if self.net.adopt(&state.net)? != state.net.len() || state.mean.len() != state.net.len() {
            return Err(LearnError::Checkpoint("the checkpoint is of another network".to_owned()));
        }
        self.optimiser.restore(state.moments, optimiser_steps)?;
        self.average.restore(state.mean, mean_steps);
        (self.epoch, self.best_epoch, self.last) = (epoch, best_epoch, last);
        self.best = best.map(|score| (score, state.best));
        // The time that was spent before counts; a clock too young for it begins anew.
        let spent = Duration::try_from_secs_f64(spent_secs).unwrap_or_default();
        self.start = self.start.checked_sub(spent).unwrap_or(self.start);
        Ok(())
    }

    /// `None` where no group validates.
    fn validate(&self, weights: &Weights) -> Result<Option<f64>, LearnError> {
        if self.validation.is_empty() {
            return Ok(None);
        }
        if let Some(speech) = &self.speech {
            return Ok(Some(speech.score(&self.plan(weights)?, self.spec)?));
        }
        // As it was trained, for a quarter of the time: the order of epochs is what is asked for.
        let spec = InputSpec { mirrored: false, ..self.spec.clone() };
        let scores = self.scores(&self.plan(weights)?, &spec, &self.validation)?;
        Ok(Some(validation_score(self.task, &scores, &self.validation)))
    }

    /// `false` when it was stopped, or when the minutes are over in the middle of an epoch and
    /// there are weights to keep.
    fn one_epoch(
        &mut self,
        cancel: &AtomicBool,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<bool, LearnError> {
        let order = draw_epoch(&self.draw, self.train.len(), self.settings.seed, self.epoch);
        let (mut sum, mut batches) = (0.0, 0_usize);
        let total = order.len().div_ceil(self.settings.batch.max(1));
        for batch in order.chunks(self.settings.batch.max(1)) {
            if cancel.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let within = batches as f64 / total as f64;
            sum += self.step(batch, batches, self.done(within))?;
            batches += 1;
            self.loss = sum / batches as f64;
            progress(&self.progress(batches as f64 / total as f64, self.loss));
        }
        Ok(true)
    }

    /// What would be packed now.
    fn kept_weights(&self) -> Weights {
        let mut weights = self.average.weights().clone();
        if !self.judges_items() {
            silence_item(&self.graph, &mut weights);
        }
        weights
    }

    /// Whether the item's own layer learns: it sees the whole item, and is not told to be silent.
    fn judges_items(&self) -> bool {
        self.window == *self.spec && self.settings.loss.head > 0.0
    }

    fn step(&mut self, batch: &[usize], number: usize, done: f64) -> Result<f64, LearnError> {
        let loss = if self.speech.is_some() {
            self.spoken_loss(batch, number)?
        } else {
            self.seen_loss(batch, number)?
        };
        let value = f64::from(loss.to_scalar::<f32>()?);
        if !value.is_finite() {
            return Err(LearnError::Diverged { epoch: self.epoch });
        }
        self.optimiser.step(&loss.backward()?, done)?;
        self.average.follow(&self.net)?;
        Ok(value)
    }

    /// Of what is said in a batch of strings.
    fn spoken_loss(&mut self, batch: &[usize], number: usize) -> Result<Tensor, LearnError> {
        let (Some(speech), Some(settings)) = (&self.speech, &self.settings.speech) else {
            return Err(LearnError::TooLittle("there are no takes".to_owned()));
        };
        let settings = (settings, &self.settings.augmentation);
        let key = [self.settings.seed, self.epoch as u64, number as u64];
        let Spoken { values, width, labels } = examples(&speech.speakers, batch, self.spec, settings, key)?;
        let shape = (batch.len(), self.spec.planes(), self.spec.height_px as usize, width as usize);
        let outputs = self.net.forward(&Tensor::from_vec(values, shape, &Device::Cpu)?)?;
        let lacking = || LearnError::Initial("the graph lacks an output".to_owned());
        Ok(ctc_loss(outputs.get(FRAME_OUTPUT).ok_or_else(lacking)?, labels)?)
    }

    /// Of what is seen in a batch of pictures.
    fn seen_loss(&mut self, batch: &[usize], number: usize) -> Result<Tensor, LearnError> {
        let (seed, epoch) = (self.settings.seed, self.epoch as u64);
        let (train, settings) = (&self.train, self.settings);
        let spec = &self.window;
        let recipe =
            Recipe { spec, settings: &settings.augmentation, donors: &self.donors, beds: &self.beds };
        let first = (number * self.settings.batch) as u64;
        let examples: Result<Vec<Example>, LearnError> = batch
            .par_iter()
            .enumerate()
            .map(|(i, &at)| example(train[at], &recipe, [seed, epoch, first + i as u64]))
            .collect();
        let examples = examples?;
        let shape = (batch.len(), spec.planes(), spec.height_px as usize, spec.width_px as usize);
        let values: Vec<f32> = examples.iter().flat_map(|e| e.values.iter().copied()).collect();
        let input = Tensor::from_vec(values, shape, &Device::Cpu)?;
        let outputs = self.net.forward(&input)?;
        let (Some(pixels), Some(item)) = (outputs.get(PIXEL_OUTPUT), outputs.get(ITEM_OUTPUT)) else {
            return Err(LearnError::Initial("the graph lacks an output".to_owned()));
        };
        loss(pixels, item, &examples, &settings.loss, self.judges_items())
    }

    fn progress(&self, within: f64, loss: f64) -> Progress {
        let done = self.done(within);
        let spent = self.started_epochs.elapsed().as_secs_f64();
        let by_share = (done > 0.0).then(|| spent / done * (1.0 - done));
        Progress {
            loaded: None,
            epoch: self.epoch,
            epochs: self.epochs_wanted(),
            done,
            loss,
            validation: self.last,
            kept: self.best.as_ref().map(|b| b.0),
            seconds: self.start.elapsed().as_secs_f64(),
            seconds_left: by_share,
        }
    }

    fn scores(
        &self,
        plan: &Plan,
        spec: &InputSpec,
        samples: &[&Sample<'_>],
    ) -> Result<Vec<Checked>, LearnError> {
        // Items run beside each other, each on one thread.
        let checked = |sample: &&Sample<'_>| -> Result<Checked, LearnError> {
            let canvas = sample.canvas()?;
            let raw = raw_scores(plan, spec, &canvas.input, 1)?;
            Ok(Checked::new(self.task, &raw, sample, &canvas))
        };
        samples.par_iter().map(checked).collect()
    }

    fn plan(&self, weights: &Weights) -> Result<Plan, LearnError> {
        let (height, width) = (self.spec.height_px as usize, self.spec.width_px as usize);
        Ok(Plan::new(&self.graph, weights, height, width)?)
    }

    /// What the validation groups say of the kept weights.
    fn judge(&self, kept: &[&LabelledItem], parts: &[Part]) -> Result<Judged, LearnError> {
        let Some((_, weights)) = &self.best else { return Err(LearnError::Stopped) };
        if let Some(speech) = &self.speech {
            let calibration = speech.calibration(&self.plan(weights)?, self.spec)?;
            return Ok(Judged { calibration, pixel_logit: 0.0, log_odds: Vec::new() });
        }
        let scores = self.scores(&self.plan(weights)?, self.spec, &self.validation)?;
        let items: Vec<&LabelledItem> =
            kept.iter().zip(parts).filter(|(_, p)| **p == Part::Validation).map(|(item, _)| *item).collect();
        let mut items_of: BTreeMap<&str, f64> = BTreeMap::new();
        for item in &items {
            *items_of.entry(&item.group).or_default() += 1.0;
        }
        let scored: Vec<Scored> = scores
            .iter()
            .zip(&self.validation)
            .zip(&items)
            .map(|((checked, sample), item)| Scored {
                score: checked.score,
                names: checked.names.clone(),
                positive: sample.positive.clone(),
                weight: 1.0 / items_of[item.group.as_str()],
            })
            .collect();
        let pixel_logit = pixel_threshold(&scores, &self.validation).0;
        let calibration = calibration(self.task, &scored);
        let log_odds = scored.iter().map(|one| single_log_odds(calibration.probability(one.score))).collect();
        Ok(Judged { calibration, pixel_logit, log_odds })
    }

    fn fitted(self) -> Result<Fitted, LearnError> {
        let (_, weights) = self.best.ok_or(LearnError::Stopped)?;
        Ok(Fitted { weights, best_epoch: self.best_epoch, epochs: self.epoch })
    }
}

/// What a run has learnt.
struct Fitted {
    weights: Weights,
    best_epoch: usize,
    epochs: usize,
}

#[cfg(test)]
#[path = "train_tests.rs"]
mod tests;
