//! What a picture or a sound measures, and what is normal.

use super::MediaKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Measures of one picture, on the scale 0 to 255.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageStats {
    /// Mean and standard deviation of the luma.
    pub brightness: f32,
    pub contrast: f32,
    /// Mean size of the second difference along edges, and its median: the median is what is left
    /// where there is no edge.
    pub sharpness: f32,
    pub noise: f32,
    /// Mean of red − green, and of blue − (red + green) / 2.
    pub red_green: f32,
    pub blue_yellow: f32,
}

impl ImageStats {
    pub const NAMES: [&str; 6] =
        ["brightness", "contrast", "sharpness", "noise", "red against green", "blue against yellow"];

    /// The same as they are written.
    pub const KEYS: [&str; 6] = ["brightness", "contrast", "sharpness", "noise", "red_green", "blue_yellow"];

    #[must_use]
    pub const fn values(self) -> [f32; 6] {
        [self.brightness, self.contrast, self.sharpness, self.noise, self.red_green, self.blue_yellow]
    }
}

/// Measures of one sound. Levels are in decibels of full scale, shares in percent, so that one
/// least spread (see [`Norm`]) is small on all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SoundStats {
    /// Root mean square over all, and the highest sample.
    pub level_db: f32,
    pub peak_db: f32,
    /// The level that a tenth of all short moments stays below.
    pub noise_floor_db: f32,
    /// Below which nearly all energy lies, treble weighted up.
    pub bandwidth_hz: f32,
    /// Percent of the samples that are at full scale several times in a row.
    pub clipping: f32,
    /// Percent of the time that is silence.
    pub silence: f32,
    /// The mean, in percent of full scale.
    pub dc: f32,
}

impl SoundStats {
    pub const NAMES: [&str; 7] =
        ["level", "peak", "noise floor", "bandwidth", "clipping", "silence", "constant offset"];

    /// The same as they are written.
    pub const KEYS: [&str; 7] =
        ["level_db", "peak_db", "noise_floor_db", "bandwidth_hz", "clipping", "silence", "dc"];

    #[must_use]
    pub const fn values(self) -> [f32; 7] {
        [
            self.level_db,
            self.peak_db,
            self.noise_floor_db,
            self.bandwidth_hz,
            self.clipping,
            self.silence,
            self.dc,
        ]
    }
}

/// Measures of one item.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum InputStats {
    Image(ImageStats),
    Sound(SoundStats),
}

impl InputStats {
    #[must_use]
    pub const fn kind(&self) -> MediaKind {
        match self {
            Self::Image(_) => MediaKind::Image,
            Self::Sound(_) => MediaKind::Audio,
        }
    }

    /// In the order of the names.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        match self {
            Self::Image(stats) => stats.values().to_vec(),
            Self::Sound(stats) => stats.values().to_vec(),
        }
    }

    /// What is measured of items of this kind, in words.
    #[must_use]
    pub const fn names(kind: MediaKind) -> &'static [&'static str] {
        match kind {
            MediaKind::Image => &ImageStats::NAMES,
            MediaKind::Audio => &SoundStats::NAMES,
        }
    }

    /// The same as they are written.
    #[must_use]
    pub const fn keys(kind: MediaKind) -> &'static [&'static str] {
        match kind {
            MediaKind::Image => &ImageStats::KEYS,
            MediaKind::Audio => &SoundStats::KEYS,
        }
    }

    #[must_use]
    pub const fn image(&self) -> Option<&ImageStats> {
        match self {
            Self::Image(stats) => Some(stats),
            Self::Sound(_) => None,
        }
    }

    #[must_use]
    pub const fn sound(&self) -> Option<&SoundStats> {
        match self {
            Self::Sound(stats) => Some(stats),
            Self::Image(_) => None,
        }
    }
}

/// How one measure is distributed where all is well: [`Norm::QUANTILES`] quantiles from the smallest to
/// the largest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>", into = "Vec<f32>")]
pub struct Norm(Vec<f32>);

impl From<Norm> for Vec<f32> {
    fn from(norm: Norm) -> Self {
        norm.0
    }
}

impl TryFrom<Vec<f32>> for Norm {
    type Error = String;
    /// Packages come from elsewhere: what is not so many rising numbers would give nonsense.
    fn try_from(quantiles: Vec<f32>) -> Result<Self, Self::Error> {
        let is_sound = quantiles.len() == Self::QUANTILES
            && quantiles.iter().all(|q| q.is_finite())
            && quantiles.is_sorted();
        if is_sound {
            Ok(Self(quantiles))
        } else {
            Err(format!("a norm is {} rising numbers, not {quantiles:?}", Self::QUANTILES))
        }
    }
}

impl Norm {
    pub const QUANTILES: usize = 21;
    /// A measure that hardly varies (a synthetic picture, a dead channel) has at least this spread, so
    /// that rounding is no deviation.
    const SPREAD_MIN: f64 = 0.25;
    /// Normal score of the outermost quantiles, half a unit in a few hundred from the end.
    const EDGE: f64 = 2.6;

    /// `None` without values.
    #[must_use]
    pub fn of(mut values: Vec<f32>) -> Option<Self> {
        values.retain(|v| v.is_finite());
        values.sort_by(f32::total_cmp);
        let last = values.len().checked_sub(1)?;
        let steps = Self::QUANTILES - 1;
        Some(Self((0..=steps).map(|i| values[(i * last + steps / 2) / steps]).collect()))
    }

    fn at(&self, share: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = (share * (self.0.len().saturating_sub(1)) as f64).round() as usize;
        self.0.get(index).copied().map_or(0.0, f64::from)
    }

    /// Half the width of the middle two thirds: the standard deviation of a normal distribution.
    fn spread(&self) -> f64 {
        ((self.at(0.85) - self.at(0.15)) / 2.07).max(Self::SPREAD_MIN)
    }

    /// How many normal deviations a value is from the middle: by its place among the quantiles, and by
    /// the spread outside of them.
    #[must_use]
    pub fn deviation(&self, value: f64) -> f64 {
        let (low, high, spread) = (self.at(0.0), self.at(1.0), self.spread());
        if value.is_nan() {
            return f64::INFINITY;
        }
        if value > high {
            return Self::EDGE + (value - high) / spread;
        }
        if value < low {
            return -Self::EDGE - (low - value) / spread;
        }
        let place = self.0.partition_point(|q| f64::from(*q) < value);
        let upper = self.0.partition_point(|q| f64::from(*q) <= value);
        // Between two quantiles by the way gone; on several alike, the middle of them.
        let position = if upper > place {
            (place + upper - 1) as f64 / 2.0
        } else {
            let (a, b) = (f64::from(self.0[place - 1]), f64::from(self.0[place]));
            (place - 1) as f64 + (value - a) / (b - a).max(f64::MIN_POSITIVE)
        };
        let share = position / (self.0.len() - 1) as f64;
        normal_score(share).clamp(-Self::EDGE, Self::EDGE)
    }
}

/// What is normal for the data that a model was trained on; it travels in the package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataNorms {
    /// The line whose own items all of them are; absent where some came from elsewhere, or where
    /// somebody chose among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// How many items were measured: those of training and validation.
    pub items: usize,
    /// By the measure's key, see [`InputStats::keys`].
    pub inputs: BTreeMap<String, Norm>,
    /// Log-odds of the calibrated defect probability, of the items that the weights were judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Norm>,
}

impl DataNorms {
    /// `None` without items. They are all of one kind.
    #[must_use]
    pub fn of(line: Option<String>, seen: &[InputStats], log_odds: Vec<f32>) -> Option<Self> {
        let kind = seen.first()?.kind();
        let rows: Vec<Vec<f32>> =
            seen.iter().filter(|one| one.kind() == kind).map(InputStats::values).collect();
        let norm = |(place, key): (usize, &&str)| {
            let values = rows.iter().map(|row| row[place]).collect();
            Some(((*key).to_owned(), Norm::of(values)?))
        };
        let inputs: Option<BTreeMap<String, Norm>> =
            InputStats::keys(kind).iter().enumerate().map(norm).collect();
        Some(Self { line, items: seen.len(), inputs: inputs?, score: Norm::of(log_odds) })
    }
}

/// The value under which a standard normal variable lies with this probability, within 0.0005
/// (Abramowitz & Stegun, 26.2.23).
fn normal_score(share: f64) -> f64 {
    let tail = share.min(1.0 - share).max(1e-9);
    let t = (-2.0 * tail.ln()).sqrt();
    let top = 2.515_517 + 0.802_853 * t + 0.010_328 * t * t;
    let low = 1.0 + 1.432_788 * t + 0.189_269 * t * t + 0.001_308 * t * t * t;
    let score = t - top / low;
    if share < 0.5 { -score } else { score }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_follow_the_distribution_and_go_on_outside() {
        let norm = Norm::of((0..1001).map(|i| 100.0 + (i as f32 - 500.0) / 50.0).collect()).unwrap();
        assert!(norm.deviation(100.0).abs() < 0.05);
        assert!((norm.deviation(106.83) - 1.0).abs() < 0.1, "{}", norm.deviation(106.83));
        assert!(norm.deviation(160.0) > 8.0 && norm.deviation(40.0) < -8.0);
        let constant = Norm::of(vec![7.0; 50]).unwrap();
        assert!(constant.deviation(7.0).abs() < 0.01 && constant.deviation(7.3) > 2.0);
        assert!(Norm::of(vec![f32::NAN]).is_none());
        assert!(norm.deviation(f64::NAN) > 1e9, "no number is far from all");
    }

    #[test]
    fn norms_of_data_read_back_and_nonsense_is_refused() {
        let picture = |i: u8| ImageStats { brightness: f32::from(i), ..ImageStats::default() };
        let seen: Vec<InputStats> = (0..60).map(|i| InputStats::Image(picture(i))).collect();
        let norms = DataNorms::of(Some("line".into()), &seen, vec![-3.0, -2.0, 4.0]).unwrap();
        let text = serde_json::to_string(&norms).unwrap();
        assert_eq!(serde_json::from_str::<DataNorms>(&text).unwrap(), norms);
        assert!(norms.inputs["brightness"].deviation(500.0) > 6.0 && norms.items == 60);
        assert!(DataNorms::of(None, &[], Vec::new()).is_none());
        for nonsense in ["[]".to_owned(), "[1, 2]".to_owned(), format!("[{}9, 8]", "1, ".repeat(19))] {
            assert!(serde_json::from_str::<Norm>(&nonsense).is_err(), "{nonsense}");
        }
    }
}
