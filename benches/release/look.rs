//! What a look at a canary costs.

use super::{percentile, plan};
use secondlook::domain::{
    Arrival, BoxPx, Class, DecidedBy, Decision, Event, InspectionId, ItemId, Label, Level, MediaHash,
    MediaKind, ModelRef, Outcome, Plan, Prediction, Probability, Reason, Region, Route, Shape, Timing,
};
use secondlook::engine::{Line, LineRequest};
use secondlook::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Items that a long step has compared, and those that come in a second.
const LOOKED_AT: usize = 5000;
const NEW: usize = 20;

/// What a station reads each second while a canary decides a share: everything that both models have seen,
/// or only what is new.
pub fn looking(folder: &Path) {
    let plan = Plan { classes: vec![class("good", Route::Pass), class("crack", Route::Divert)], ..plan() };
    let request = LineRequest { plan, level: Level::Assist, model: None };
    let mut store = Line::create(&folder.join("look"), request, "bench").unwrap().store;
    let since = store.now();
    for first in (0..LOOKED_AT).step_by(100) {
        compared(&mut store, first..first + 100);
    }
    let head = store.head().unwrap().count;
    compared(&mut store, LOOKED_AT..LOOKED_AT + NEW);
    let read = |after: Option<i64>| {
        let mut ms: Vec<f64> = (0..5)
            .map(|_| {
                let start = Instant::now();
                let rows = store.view().seen_by_both("candidate", since, after).unwrap().len();
                assert_eq!(rows, after.map_or(LOOKED_AT + NEW, |_| NEW));
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        ms.sort_by(f64::total_cmp);
        percentile(&ms, 0.5)
    };
    println!(
        "\na look at a canary after {LOOKED_AT} compared items: all of them {:.1} ms, the {NEW} newest {:.2} ms",
        read(None),
        read(Some(head)),
    );
}

fn class(name: &str, route: Route) -> Class {
    Class { name: name.into(), route }
}

/// Items that one model has decided, the other has looked at, and a person has answered.
fn compared(store: &mut Store, numbers: std::ops::Range<usize>) {
    let p = Probability::saturating;
    let by = |name: &str, crack: f64| Prediction {
        model: ModelRef { name: name.into(), hash: name.into() },
        probabilities: [("good".to_owned(), p(1.0 - crack)), ("crack".to_owned(), p(crack))].into(),
        regions: vec![Region::new("crack", Shape::Box(BoxPx::new(10.0, 10.0, 30.0, 20.0))); 3],
        transcript: None,
        timing: Timing::default(),
        inputs: None,
        features: Vec::new(),
    };
    store
        .transact::<_, StoreError>("bench", |tx| {
            for number in numbers {
                let (item, inspection) = (ItemId::generate(), InspectionId::generate());
                tx.append(&Event::ItemArrived(Arrival {
                    item,
                    inspection: Some(inspection),
                    unit: format!("unit {number}"),
                    position: None,
                    kind: MediaKind::Image,
                    media: MediaHash::of(&number.to_le_bytes()),
                    bytes: 0,
                    reference: None,
                    name: format!("{number}.png"),
                    source: "bench".into(),
                    modified_at: None,
                    label: None,
                    votes: Vec::new(),
                    extra: BTreeMap::new(),
                }))?;
                let decided = by("live", 0.2);
                tx.append(&Event::ItemPredicted { item, prediction: decided.clone() })?;
                let decision = Decision {
                    outcome: Outcome::Review,
                    decided_by: DecidedBy::Model,
                    reason: Reason::LevelAsks { level: Level::Assist },
                    policy: None,
                    model: Some(decided.model),
                    audit: None,
                };
                tx.append(&Event::ItemDecided { item, inspection, decision })?;
                tx.append(&Event::ShadowPredicted { item, prediction: by("candidate", 0.3) })?;
                tx.append(&Event::LabelSettled { item, label: Label::confirmed("good") })?;
            }
            Ok(())
        })
        .unwrap();
}
