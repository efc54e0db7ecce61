//! What a package is known to have learnt from.

use super::super::LineRequest;
use super::*;
use crate::domain::{Arrival, ItemId, Label, Level, MediaKind, Plan, Task};
use crate::store::StoreError;

fn import_one(line: &mut Line) {
    let item = ItemId::generate();
    let arrival = Arrival {
        item,
        inspection: None,
        unit: "a".into(),
        position: None,
        kind: MediaKind::Image,
        media: MediaHash::of(b"a"),
        bytes: 1,
        reference: None,
        name: "a.png".into(),
        source: "import:found".into(),
        modified_at: None,
        label: None,
        votes: Vec::new(),
        extra: BTreeMap::new(),
    };
    let label = Label::confirmed("good");
    let settle = |tx: &crate::store::Tx<'_>| {
        tx.append(&Event::ItemArrived(arrival))?;
        tx.append(&Event::LabelSettled { item, label })
    };
    line.store.transact::<_, StoreError>("test", settle).unwrap();
}

#[test]
fn a_retraining_from_shipped_weights_knows_what_it_has_learnt_from() {
    let dir = tempfile::tempdir().unwrap();
    let plan = Plan::new("line", Task::Defect, Vec::new());
    let request = LineRequest { plan, level: Level::Assist, model: Some("phone-line".into()) };
    let mut line = Line::create(&dir.path().join("line"), request, "test").unwrap();
    let about = About::new(FrozenFor::Training, Vec::new());
    let version = freeze_rows(&mut line, &[], about, "test").unwrap().version();
    let retrained = |from: &str| {
        let mut manifest = infer::shipped_manifest(from).unwrap();
        manifest.data.earlier = vec![shipped_data(&manifest).unwrap()];
        manifest.data.version = Some(version.clone());
        manifest.name = "next".into();
        manifest
    };
    let unknown = |line: &Line, manifest: &Manifest| lists_behind(line, manifest).unwrap().unknown;
    assert_eq!(unknown(&line, &infer::shipped_manifest("phone-line").unwrap()), None);
    assert_eq!(unknown(&line, &retrained("phone-line")), None);
    assert_eq!(unknown(&line, &retrained("magnetic-tile")), None);
    let mut before = Manifest { name: "renamed".into(), ..infer::shipped_manifest("phone-line").unwrap() };
    before.data.version = None;
    assert!(unknown(&line, &before).unwrap().contains("without a data set version"));
    // What is published may have come in here; what was rendered for the package has not.
    import_one(&mut line);
    assert!(unknown(&line, &retrained("magnetic-tile")).unwrap().contains("published"));
    assert_eq!(unknown(&line, &retrained("phone-line")), None);
    let mut child = retrained("phone-line");
    child.data.earlier_unknown = true;
    assert!(unknown(&line, &child).unwrap().contains("are not listed"));
}
