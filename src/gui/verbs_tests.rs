//! No two verbs on one key, and keys that a person changed.

use super::super::chord::Chord;
use super::*;
use std::collections::BTreeSet;

#[test]
fn every_verb_is_in_the_table_once_and_no_two_share_a_key() {
    let keymap = Keymap::default();
    let ids: BTreeSet<String> = TABLE.iter().map(|about| about.verb.id()).collect();
    assert_eq!(ids.len(), TABLE.len());
    assert!((1..=CLASS_KEYS).all(|n| ids.contains(&format!("class-{n}"))));
    for about in TABLE {
        assert!(!about.label.is_empty() && !about.hint.is_empty());
        if about.key.is_empty() {
            continue;
        }
        let chord: Chord = about.key.parse().unwrap();
        assert_eq!(chord.to_string(), about.key, "{:?}", about.verb);
        assert_eq!(keymap.clash(about.verb, chord), None, "{:?}", about.verb);
    }
}

#[test]
fn a_key_that_is_taken_is_refused_and_a_changed_one_reads_back() {
    let mut keymap = Keymap::default();
    let taken = keymap.set(Verb::Skip, "G".parse().ok());
    assert!(taken.unwrap_err().contains("Good"));
    keymap.set(Verb::Skip, "Y".parse().ok()).unwrap();
    keymap.set(Verb::Theme, None).unwrap();
    let settings = keymap.to_settings();
    assert_eq!(settings.get("Skip").map(String::as_str), Some("Y"));
    let (back, troubles) = Keymap::from_settings(&settings);
    assert!(troubles.is_empty());
    assert_eq!(back, keymap);
    let nonsense = [("Skip".to_owned(), "Hyper+Y".to_owned()), ("Fly".to_owned(), "Y".to_owned())].into();
    assert_eq!(Keymap::from_settings(&nonsense).1.len(), 2);
}
