//! Promise: a model leaves as ONNX with all that another program needs to use it, or not at all;
//! and its network's speed is measured alone.

use crate::floor::{Program, model};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_package_becomes_an_onnx_file_and_a_description() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("tile.v1.onnx");
    let json = Program::run(&["export-onnx", "magnetic-tile", text(&out)]).done();
    assert_eq!(names(folder.path()), ["tile.v1.json", "tile.v1.onnx"]);
    assert_eq!(json["model"], "magnetic-tile");
    assert_eq!(json["onnx"], text(&out));
    assert_eq!(json["preprocessing"], text(&folder.path().join("tile.v1.json")));
    assert_eq!(json["input_shape"], json!([1, 2, 352, 352]));
    assert_eq!(json["outputs"], json!({ "pixels": [1, 5, 88, 88], "item": [1, 5, 1, 1] }));
    let bytes = fs::read(&out).unwrap();
    assert_eq!(json["bytes"], bytes.len());
    let hash = json["hash"].as_str().unwrap();
    for said in ["secondlook", "package_blake3", hash, "pixels", "GlobalMaxPool"] {
        assert!(bytes.windows(said.len()).any(|window| window == said.as_bytes()), "{said}");
    }

    let description: Value = serde_json::from_slice(&fs::read(out.with_extension("json")).unwrap()).unwrap();
    assert_eq!(description["package"], json!({ "name": "magnetic-tile", "hash": hash }));
    assert_eq!(description["classes"], json!(["good", "blowhole", "break", "crack", "fray", "uneven"]));
    let channels = json!(["grey of the image", "local contrast of the image"]);
    assert_eq!(description["input"]["channels"], channels);
    assert_eq!(description["outputs"]["pixels"]["channels"][0], "blowhole");
    assert_eq!(description["outputs"]["pixels"]["stride_px"], 4);
    assert!(description["calibration"]["slope"].is_f64() && description["regions"]["pixel_logit"].is_f64());
    let steps = |key: &str| -> Vec<&str> {
        description[key].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
    };
    assert_eq!(
        steps("preprocessing"),
        ["decode", "fit", "channels", "levels", "mirror", "local contrast", "normalise"]
    );
    assert_eq!(
        steps("postprocessing"),
        ["cut", "mean over mirrors", "class score", "probabilities", "regions"]
    );

    // The same package gives the same bytes, also over the files of before.
    Program::run(&["export-onnx", "magnetic-tile", text(&out)]).done();
    assert_eq!(fs::read(&out).unwrap(), bytes);
}

/// A folder with a package that looks at tiles and compares with a reference.
fn tiled(folder: &Path) {
    model().save(folder).unwrap();
    let path = folder.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["input"]["view"] = json!({ "tiles": { "overlap_px": 8 } });
    fs::write(path, manifest.to_string()).unwrap();
}

#[test]
fn a_folder_is_a_package_too_and_tiles_are_described() {
    let folder = TempDir::new().unwrap();
    let package = folder.path().join("package");
    tiled(&package);
    let out = folder.path().join("tiny.onnx");
    let json = Program::run(&["export-onnx", text(&package), text(&out)]).done();
    assert_eq!((&json["model"], &json["input_shape"]), (&json!("tiny"), &json!([1, 1, 32, 32])));
    let description: Value = serde_json::from_slice(&fs::read(out.with_extension("json")).unwrap()).unwrap();
    let step = |key: &str, name: &str| {
        description[key].as_array().unwrap().iter().find(|step| step["step"] == name).cloned()
    };
    assert_eq!(step("preprocessing", "tiles").unwrap()["with"]["overlap_px"], 8);
    assert_eq!(step("preprocessing", "normalise").unwrap()["with"]["mean"], json!([0.7]));
    assert!(step("postprocessing", "join tiles").is_some() && step("preprocessing", "resize").is_none());
}

#[test]
fn what_cannot_be_written_is_said_and_nothing_half_stays() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("taken.onnx")).unwrap();
    fs::create_dir_all(at("beside.json")).unwrap();
    let before = names(folder.path());
    for (model, out, status, expected) in [
        (
            "magnetic-tiles",
            at("a.onnx"),
            1,
            "there is no model \"magnetic-tiles\"; did you mean \"magnetic-tile\"?",
        ),
        ("magnetic-tile", at("nowhere/a.onnx"), 1, "cannot write"),
        ("magnetic-tile", at("taken.onnx"), 1, "cannot write: is a directory"),
        ("magnetic-tile", at("beside.onnx"), 1, "cannot write: is a directory"),
        ("magnetic-tile", at("a.json"), 2, "needs another ending"),
    ] {
        let ran = Program::run(&["export-onnx", model, text(&out)]);
        assert_eq!(ran.status, Some(status), "{}", ran.stderr);
        assert!(ran.complaint().contains(expected), "{}", ran.stderr);
        if model == "magnetic-tile" {
            let named = out.with_extension("");
            assert!(ran.complaint().contains(text(&named)), "the path comes last: {}", ran.stderr);
        }
        assert_eq!(names(folder.path()), before);
        assert!(names(&at("taken.onnx")).is_empty() && names(&at("beside.json")).is_empty());
    }
}

#[test]
fn the_network_alone_is_measured_on_as_many_threads_as_asked() {
    let folder = TempDir::new().unwrap();
    let package = folder.path().join("package");
    model().save(&package).unwrap();
    let run = |more: &[&str]| Program::run(&[&["bench-infer", text(&package)], more].concat());
    for (more, threads, runs) in [(&[][..], 1, 50), (&["--threads", "2", "--runs", "7"], 2, 7)] {
        let json = run(more).done();
        assert_eq!((&json["threads"], &json["runs"]), (&json!(threads), &json!(runs)));
        assert_eq!(json["input_shape"], json!([1, 1, 32, 32]));
        let number = |value: &Value| value.as_f64().unwrap();
        let (p50, p99) = (number(&json["ms"]["p50"]), number(&json["ms"]["p99"]));
        assert!(0.0 < p50 && p50 <= p99, "{json:#}");
        let expected = 2.0 * number(&json["macs"]) / (p50 * 1e6);
        assert!((number(&json["gflop_per_s"]) / expected - 1.0).abs() < 1e-9, "{json:#}");
    }
    for wrong in [["--threads", "0"], ["--threads", "65"], ["--threads", "two"], ["--runs", "0"]] {
        let ran = run(&wrong);
        assert_eq!(ran.status, Some(2), "{wrong:?}");
        assert!(ran.stderr.contains("a number from 1 to"), "{wrong:?}: {}", ran.stderr);
    }
    let ran = Program::run(&["bench-infer", "no-such-model"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.complaint().contains("there is no model \"no-such-model\""), "{}", ran.stderr);
}
