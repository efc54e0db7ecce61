//! Whether items and scores are still like those that the model knows: one item far outside goes to
//! a person, a lasting shift lowers the level.
//!
//! Each measure has two charts of cumulated sums (Page, 1954). Their limit follows from the mean number
//! of items between false alarms that the plan asks for, by Siegmund's approximation (1985), shared
//! among all charts.

use super::features::FeatureNorm;
use crate::decide::smallest;
use crate::domain::{
    Alarm, AlarmKind, DataNorms, InputStats, MediaKind, ModelRef, Norm, Plan, Prediction, Task,
};

/// A shift of one normal deviation is found soonest with half of it.
const SLACK: f64 = 0.5;
/// One item moves a sum by no more than this: what a single item is like is for [`deviations`].
const STEP_MAX: f64 = 4.0;
/// Siegmund's correction for steps that overshoot.
const OVERSHOOT: f64 = 1.166;
/// A chart with this limit alarms once in e⁶⁰ items.
const LIMIT_MAX: f64 = 60.0;

/// Places of the measures: score, what the network sees, those of the item itself, then how fast is spoken.
const SCORE: usize = 0;
const FEATURES: usize = 1;
const ITEM: usize = 2;

/// What is normal for each measure of an item and, where that is known, for the score, for what the
/// network sees and for how fast is spoken.
#[derive(Clone, Debug, PartialEq)]
pub struct Norms {
    /// All items are of this kind; one of another is not compared.
    kind: MediaKind,
    items: Vec<Norm>,
    score: Option<Norm>,
    features: Option<FeatureNorm>,
    speaking_rate: Option<Norm>,
    /// Whose scores and features these are: another network sees the same items quite differently.
    model: Option<ModelRef>,
}

impl Norms {
    /// From predictions made where all was well; `None` where there are none with measures.
    pub fn of<'a>(plan: &Plan, seen: impl IntoIterator<Item = &'a Prediction>) -> Option<Self> {
        let seen: Vec<&Prediction> = seen.into_iter().filter(|one| one.inputs.is_some()).collect();
        let kind = seen.first()?.inputs?.kind();
        let seen: Vec<&Prediction> =
            seen.into_iter().filter(|one| one.inputs.is_some_and(|stats| stats.kind() == kind)).collect();
        let rows: Vec<Vec<f32>> = seen.iter().filter_map(|one| Some(one.inputs?.values())).collect();
        let items =
            (0..InputStats::names(kind).len()).map(|i| Norm::of(rows.iter().map(|row| row[i]).collect()));
        let rates: Vec<f32> = seen.iter().filter_map(|one| speaking_rate(plan, one)).collect();
        let is_known = rates.len() >= Norm::QUANTILES;
        let features: Vec<&[f32]> = seen.iter().map(|one| one.features.as_slice()).collect();
        let model = seen.first().map(|one| one.model.clone());
        Some(Self {
            kind,
            items: items.collect::<Option<_>>()?,
            score: Norm::of(seen.iter().map(|one| log_odds(plan, one)).collect()),
            features: FeatureNorm::of(&features),
            speaking_rate: Norm::of(rates).filter(|_| is_known),
            model,
        })
    }

    /// From the data that a model was trained on. What is normal for the score stays open: people label what
    /// the station asks them, and that is what the model is less sure of than of all that comes. What the
    /// network sees and how fast is spoken are learnt on the line alone, so that packages need not bring them.
    #[must_use]
    pub fn of_data(norms: &DataNorms) -> Option<Self> {
        [MediaKind::Image, MediaKind::Audio].into_iter().find_map(|kind| {
            let items = InputStats::keys(kind).iter().map(|key| norms.inputs.get(*key).cloned());
            let items = items.collect::<Option<_>>()?;
            Some(Self { kind, items, score: None, features: None, speaking_rate: None, model: None })
        })
    }

    fn measures(&self) -> usize {
        ITEM + self.items.len() + usize::from(self.speaking_rate.is_some())
    }

    fn name(&self, measure: usize) -> &'static str {
        match measure {
            SCORE => "defect score",
            FEATURES => "strangeness to the network",
            item => InputStats::names(self.kind).get(item - ITEM).unwrap_or(&"speaking rate"),
        }
    }

    /// How far each measure is from normal, where that is known; `None` for a prediction without measures.
    fn deviations(&self, plan: &Plan, prediction: &Prediction) -> Option<Vec<Option<f64>>> {
        let stats = prediction.inputs.filter(|stats| stats.kind() == self.kind)?;
        let is_own = self.model.as_ref() == Some(&prediction.model);
        let odds = f64::from(log_odds(plan, prediction));
        let score = self.score.as_ref().filter(|_| is_own).map(|norm| norm.deviation(odds));
        let features = self.features.as_ref().filter(|_| is_own);
        let features = features.and_then(|norm| norm.deviation(&prediction.features));
        let item =
            self.items.iter().zip(stats.values()).map(|(norm, value)| Some(norm.deviation(f64::from(value))));
        // Where no word is heard there is no rate.
        let rate = self
            .speaking_rate
            .as_ref()
            .map(|norm| speaking_rate(plan, prediction).map(|rate| norm.deviation(f64::from(rate))));
        Some([score, features].into_iter().chain(item).chain(rate).collect())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "norms are kept in single precision")]
fn speaking_rate(plan: &Plan, prediction: &Prediction) -> Option<f32> {
    let rate = prediction.speaking_rate().filter(|_| plan.task == Task::Transcribe)?;
    Some(rate as f32)
}

#[expect(clippy::cast_possible_truncation, reason = "within ±14")]
fn log_odds(plan: &Plan, prediction: &Prediction) -> f32 {
    let suspicion = match plan.task {
        // What is said has no classes: what drifts is how sure readings are.
        Task::Transcribe => prediction.doubt(),
        Task::Defect | Task::Classify => prediction.divert_probability(plan),
    };
    suspicion.log_odds() as f32
}

/// The measure that is farthest from normal, and how far. The score is none: a surely defective part is no
/// strange item.
#[must_use]
pub fn deviations(plan: &Plan, norms: &Norms, prediction: &Prediction) -> Option<(&'static str, f64)> {
    let all = norms.deviations(plan, prediction)?.into_iter().enumerate();
    all.filter(|(measure, _)| *measure != SCORE)
        .filter_map(|(measure, deviation)| Some((norms.name(measure), deviation?)))
        .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
}

/// The charts of one model on one line.
#[derive(Clone, Debug)]
pub struct InputWatch {
    norms: Norms,
    model: ModelRef,
    /// Upwards and downwards.
    sums: Vec<[f64; 2]>,
    limit: f64,
    seen: u64,
}

impl InputWatch {
    #[must_use]
    pub fn new(plan: &Plan, norms: Norms, model: ModelRef) -> Self {
        let charts = 2.0 * norms.measures() as f64;
        let limit = chart_limit(plan.watch.items_between_false_alarms * charts);
        let sums = vec![[0.0; 2]; norms.measures()];
        Self { norms, model, sums, limit, seen: 0 }
    }

    #[must_use]
    pub fn norms(&self) -> &Norms {
        &self.norms
    }

    #[must_use]
    pub fn model(&self) -> &ModelRef {
        &self.model
    }

    /// Takes one more item in; the alarm once a sum is over its limit. The chart begins anew then.
    pub fn push(&mut self, plan: &Plan, prediction: &Prediction) -> Option<Alarm> {
        let deviations = self.norms.deviations(plan, prediction)?;
        self.seen += 1;
        let mut worst: Option<(usize, f64)> = None;
        for (i, z) in deviations.into_iter().enumerate() {
            let Some(z) = z.map(|z| z.clamp(-STEP_MAX, STEP_MAX)) else { continue };
            for (sum, z) in self.sums[i].iter_mut().zip([z, -z]) {
                *sum = (*sum + z - SLACK).max(0.0);
                if *sum > self.limit && worst.is_none_or(|(_, most)| *sum > most) {
                    worst = Some((i, *sum));
                }
            }
        }
        let (measure, sum) = worst?;
        let is_up = self.sums[measure][0] >= self.sums[measure][1];
        self.sums.fill([0.0; 2]);
        let which = if is_up { "higher" } else { "lower" };
        Some(Alarm {
            kind: AlarmKind::Inputs,
            text: format!("{} has become {which} than what the model knows", self.norms.name(measure)),
            value: sum,
            limit: self.limit,
            model: Some(self.model.clone()),
        })
    }
}

/// The limit of one chart with this mean number of items between false alarms.
fn chart_limit(items: f64) -> f64 {
    let mean_items = |limit: f64| {
        let x = 2.0 * SLACK * (limit + OVERSHOOT);
        (x.exp() - x - 1.0) / (2.0 * SLACK * SLACK)
    };
    smallest(0.0, LIMIT_MAX, |limit| mean_items(limit) >= items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Class, ImageStats, Probability, Region, Route, Shape, Timing};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::collections::BTreeMap;

    fn plan(items: f64) -> Plan {
        let class = |name: &str, route| Class { name: name.into(), route };
        let mut plan =
            Plan::new("x", Task::Defect, vec![class("good", Route::Pass), class("bad", Route::Divert)]);
        plan.watch.items_between_false_alarms = items;
        plan
    }

    /// A picture of a steady line: every measure normal, each for itself.
    fn seen(random: &mut ChaCha8Rng, darker: f32) -> Prediction {
        let mut normal = |mean: f32, sd: f32| {
            let sum: f32 = (0..12).map(|_| random.random::<f32>()).sum();
            mean + sd * (sum - 6.0)
        };
        let bad = f64::from(1.0 / (1.0 + (-normal(-3.0, 1.0)).exp()));
        Prediction {
            model: ModelRef { name: "m".into(), hash: "h".into() },
            probabilities: BTreeMap::from([
                ("good".to_owned(), Probability::saturating(1.0 - bad)),
                ("bad".to_owned(), Probability::saturating(bad)),
            ]),
            regions: Vec::new(),
            transcript: None,
            timing: Timing::default(),
            features: (0..4).map(|i| normal(i as f32, 1.0)).collect(),
            inputs: Some(InputStats::Image(ImageStats {
                brightness: normal(120.0 - darker, 8.0),
                contrast: normal(40.0, 5.0),
                sharpness: normal(12.0, 2.0),
                noise: normal(3.0, 0.8),
                red_green: normal(0.0, 2.0),
                blue_yellow: normal(0.0, 2.0),
            })),
        }
    }

    fn watch(plan: &Plan, random: &mut ChaCha8Rng) -> InputWatch {
        let known: Vec<Prediction> = (0..2000).map(|_| seen(random, 0.0)).collect();
        InputWatch::new(plan, Norms::of(plan, &known).unwrap(), known[0].model.clone())
    }

    #[test]
    fn false_alarms_come_about_as_seldom_as_asked_and_a_dark_lamp_is_seen_at_once() {
        let plan = plan(2000.0);
        let mut random = ChaCha8Rng::seed_from_u64(11);
        let mut watch = watch(&plan, &mut random);
        let alarms = (0..200_000).filter(|_| {
            let one = seen(&mut random, 0.0);
            watch.push(&plan, &one).is_some()
        });
        let mean = 200_000.0 / alarms.count().max(1) as f64;
        // Never more often; measures that have no long tails alarm more seldom.
        assert!((2000.0..12_000.0).contains(&mean), "one in {mean}");
        // Two deviations darker.
        let delay = (1..200).find_map(|i| {
            let one = seen(&mut random, 16.0);
            watch.push(&plan, &one).map(|alarm| (i, alarm))
        });
        let (items, alarm) = delay.unwrap();
        assert!(
            items < 20 && alarm.text.contains("brightness") && alarm.text.contains("lower"),
            "{items} {alarm:?}"
        );
    }

    /// Five words at about so many a second; now and then none is heard.
    fn spoken(random: &mut ChaCha8Rng, per_sec: f64) -> Prediction {
        let is_heard = random.random_bool(0.95);
        let word_secs = (0.9 + 0.2 * random.random::<f64>()) / per_sec;
        let words = (0..if is_heard { 5 } else { 0 }).map(|i| {
            let span_secs = [0.3 + f64::from(i) * word_secs, 0.3 + f64::from(i + 1) * word_secs];
            Region::new("one", Shape::Span { span_secs, band_hz: None })
        });
        let regions = words.collect();
        Prediction { regions, transcript: Some("good".into()), ..seen(random, 0.0) }
    }

    #[test]
    fn who_speaks_twice_as_fast_is_heard_and_where_nothing_is_said_nobody_is() {
        let plan = Plan { task: Task::Transcribe, classes: Vec::new(), ..plan(1e6) };
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let known: Vec<Prediction> = (0..200).map(|_| spoken(&mut random, 2.5)).collect();
        let norms = Norms::of(&plan, &known).unwrap();
        let mut watch = InputWatch::new(&plan, norms, known[0].model.clone());
        let steady: Vec<Prediction> = (0..500).map(|_| spoken(&mut random, 2.5)).collect();
        assert!(steady.iter().all(|one| watch.push(&plan, one).is_none()));
        let silent = Prediction { regions: Vec::new(), ..steady[0].clone() };
        assert!((0..500).all(|_| watch.norms().deviations(&plan, &silent).unwrap().last() == Some(&None)));
        let (items, alarm) = (1..100)
            .find_map(|i| watch.push(&plan, &spoken(&mut random, 5.0)).map(|alarm| (i, alarm)))
            .unwrap();
        let said = "speaking rate has become higher than what the model knows";
        assert!(items < 20 && alarm.text == said, "{items} {alarm:?}");
        // Where nothing is written down, stretches of time are no words.
        let naming = Plan { task: Task::Classify, ..plan };
        assert_eq!(Norms::of(&naming, &known).unwrap().speaking_rate, None);
    }

    #[test]
    fn one_strange_picture_is_far_from_normal() {
        let plan = plan(50_000.0);
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let watch = watch(&plan, &mut random);
        let mut strange = seen(&mut random, 0.0);
        assert!(deviations(&plan, watch.norms(), &strange).unwrap().1.abs() < 6.0);
        let stats = *strange.inputs.as_ref().and_then(InputStats::image).unwrap();
        strange.inputs = Some(InputStats::Image(ImageStats { brightness: 3.0, ..stats }));
        let (what, far) = deviations(&plan, watch.norms(), &strange).unwrap();
        assert!(what == "brightness" && far < -8.0);
        strange = Prediction { features: vec![9.0, -9.0, 9.0, -9.0], ..seen(&mut random, 0.0) };
        let (what, far) = deviations(&plan, watch.norms(), &strange).unwrap();
        assert!(what.contains("network") && far > 6.0, "{what} {far}");
        // To a canary's network all of them look otherwise than to the live one's, and that says nothing.
        let canary = ModelRef { name: "next".into(), hash: "n".into() };
        let by_other = Prediction { model: canary, ..strange.clone() };
        assert!(deviations(&plan, watch.norms(), &by_other).unwrap().1.abs() < 6.0);
        // What an older version recorded says nothing of features, and everything of the picture.
        strange.features.clear();
        assert!(deviations(&plan, watch.norms(), &strange).unwrap().1.abs() < 6.0);
        strange.inputs = None;
        assert!(deviations(&plan, watch.norms(), &strange).is_none());
    }
}
