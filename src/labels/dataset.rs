//! Reads a folder with an `items.jsonl` into labelled items; one without, as a speech manifest or as
//! sounds with labels beside them.
//!
//! Every line stands for itself: a bad one is reported with its number and left out, the rest
//! goes in. Media files must exist inside the folder but are not decoded; masks are read into
//! regions. Knows nothing of the store: importing is the caller's.

use super::LabelsError;
use super::manifest;
use super::picture;
use super::record::Record;
use super::sounds;
use crate::domain::{Filter, Label, LabelStatus, LabelledItem, MediaKind, Region, Shape};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// The file that makes a folder a data set.
pub const ITEMS_FILE: &str = "items.jsonl";

/// Longer lines are reported, not read: the run-length mask of a 53-megapixel line scan stays
/// below this, and a file without line ends must not fill the memory.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Lines that are worked on at a time, in parallel; bounds the memory for unparsed lines.
const BATCH_LINES: usize = 1024;

/// File name extensions that mean sound where a line does not say its `kind`.
const AUDIO_EXTENSIONS: [&str; 10] =
    ["wav", "flac", "ogg", "oga", "opus", "mp3", "m4a", "aac", "aif", "aiff"];

/// What a folder holds, in the order of its lines.
#[derive(Debug, Default)]
pub struct Dataset {
    pub items: Vec<LabelledItem>,
    pub skipped: Vec<Skipped>,
}

/// A line, or a sound, that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Counts from 1; 0 where it is about no line.
    pub line: u64,
    /// Absent where the line does not even say that.
    pub media: Option<String>,
    pub reason: String,
}

/// Reads the data set in `dir` and keeps what `filter` matches, in the order of its list or, where there
/// is none, of the sounds' names.
///
/// # Errors
/// Only when the folder or its list cannot be read; what is bad in itself is in
/// [`Dataset::skipped`].
pub fn read(dir: &Path, filter: &Filter) -> Result<Dataset, LabelsError> {
    if dir.join(ITEMS_FILE).is_file() {
        return read_list(dir, ITEMS_FILE, |root, line| root.read_line(line, filter));
    }
    if let Some(dataset) = manifest::read(dir, filter)? {
        return Ok(dataset);
    }
    sounds::read(dir, filter)?.ok_or_else(|| LabelsError::NotADataSet { path: dir.to_owned() })
}

/// What a line of a list says; `None` for what a filter leaves out.
pub(super) type ReadLine = Result<Option<LabelledItem>, Refusal>;

/// A list with a line for each item.
pub(super) fn read_list(
    dir: &Path,
    file: &str,
    read_line: impl Fn(&Root, &[u8]) -> ReadLine + Sync,
) -> Result<Dataset, LabelsError> {
    let file_path = dir.join(file);
    let root = Root::open(dir)?;
    let file = File::open(&file_path).map_err(LabelsError::io("open the data set", &file_path))?;
    let mut lines = Lines { reader: BufReader::new(file), number: 0 };
    let mut dataset = Dataset::default();
    let mut first_line_of: HashMap<PathBuf, u64> = HashMap::new();
    loop {
        let batch = lines.next_batch().map_err(LabelsError::io("read the data set", &file_path))?;
        if batch.is_empty() {
            return Ok(dataset);
        }
        let read_one = |line: &Result<Vec<u8>, String>| match line {
            Ok(bytes) => read_line(&root, bytes),
            Err(reason) => Err((None, reason.clone())),
        };
        let read: Vec<_> = batch.par_iter().map(|(number, line)| (*number, read_one(line))).collect();
        for (line, outcome) in read {
            match outcome {
                Ok(None) => {}
                Err((media, reason)) => dataset.skipped.push(Skipped { line, media, reason }),
                Ok(Some(item)) => {
                    if let Some(first) = first_line_of.get(&item.path) {
                        dataset.skipped.push(Skipped {
                            line,
                            media: Some(item.name),
                            reason: format!("the same media is already on line {first}"),
                        });
                    } else {
                        first_line_of.insert(item.path.clone(), line);
                        dataset.items.push(item);
                    }
                }
            }
        }
    }
}

/// One BLAKE3 (hex) over names, file contents, groups and labels of a data set. It does not
/// depend on the order of the items or on where the files are.
///
/// # Errors
/// When a media file cannot be read.
pub fn dataset_hash(items: &[LabelledItem]) -> Result<String, LabelsError> {
    let mut hashes = items.par_iter().map(item_hash).collect::<Result<Vec<_>, _>>()?;
    hashes.sort_unstable();
    let mut all = blake3::Hasher::new();
    for hash in &hashes {
        all.update(hash);
    }
    Ok(all.finalize().to_hex().to_string())
}

pub(super) fn item_hash(item: &LabelledItem) -> Result<[u8; 32], LabelsError> {
    let media = file_hash(&item.path)?;
    let reference = item.reference.as_deref().map(file_hash).transpose()?;
    let mut hasher = blake3::Hasher::new();
    let rest = serde_json::to_vec(&(&item.label, &item.votes, &item.extra))?;
    for part in [
        item.name.as_bytes(),
        item.kind.as_str().as_bytes(),
        item.group.as_bytes(),
        media.as_bytes(),
        reference.as_ref().map_or(&[][..], |hash| hash.as_bytes()),
        &rest,
    ] {
        // Lengths keep neighbours apart: ("ab", "c") is not ("a", "bc").
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    Ok(*hasher.finalize().as_bytes())
}

/// BLAKE3 of a file's bytes.
pub(super) fn file_hash(path: &Path) -> Result<blake3::Hash, LabelsError> {
    let mut hasher = blake3::Hasher::new();
    File::open(path)
        .and_then(|file| hasher.update_reader(file).map(|_| ()))
        .map_err(LabelsError::io("read the file", path))?;
    Ok(hasher.finalize())
}

/// The lines of the file, with their numbers; blank ones are left out.
struct Lines {
    reader: BufReader<File>,
    number: u64,
}

type NumberedLine = (u64, Result<Vec<u8>, String>);

impl Lines {
    /// Up to [`BATCH_LINES`] lines; empty at the end of the file.
    fn next_batch(&mut self) -> std::io::Result<Vec<NumberedLine>> {
        let mut batch = Vec::new();
        while batch.len() < BATCH_LINES {
            let mut line = Vec::new();
            let read = (&mut self.reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            self.number += 1;
            if read as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
                self.reader.skip_until(b'\n')?;
                batch.push((self.number, Err(format!("longer than {} MiB", LINE_BYTES_MAX >> 20))));
                continue;
            }
            let text =
                if self.number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line) } else { &line };
            let text = text.trim_ascii();
            if !text.is_empty() {
                batch.push((self.number, Ok(text.to_vec())));
            }
        }
        Ok(batch)
    }
}

/// The data set's folder; nothing outside is ever opened.
pub(super) struct Root {
    dir: PathBuf,
    /// With links resolved.
    real: PathBuf,
}

/// The media of the line, where known, and why it is left out.
pub(super) type Refusal = (Option<String>, String);

impl Root {
    pub fn open(dir: &Path) -> Result<Self, LabelsError> {
        let real = dir.canonicalize().map_err(LabelsError::io("open the data set", dir))?;
        Ok(Self { dir: dir.to_owned(), real })
    }

    fn read_line(&self, bytes: &[u8], filter: &Filter) -> ReadLine {
        let record: Record =
            serde_json::from_slice(bytes).map_err(|error| (media_of(bytes), plain(&error)))?;
        let media = record.media.clone();
        self.item_of(record, filter).map_err(|reason| (Some(media), reason))
    }

    pub fn item_of(&self, record: Record, filter: &Filter) -> Result<Option<LabelledItem>, String> {
        let path = self.inside(&record.media)?;
        let label = label_of(&record)?;
        let name = record.original_name.unwrap_or(record.media);
        let mut item = LabelledItem {
            kind: record.kind.unwrap_or_else(|| kind_of(&path)),
            path,
            group: record.group.unwrap_or_else(|| name.clone()),
            name,
            reference: None,
            label,
            votes: record.votes,
            extra: record.extra,
        };
        if !filter.matches(&item) {
            return Ok(None);
        }
        self.must_be_file(&item.path)?;
        if let Some(reference) = &record.reference {
            let reference = self.inside(reference).map_err(|why| format!("reference: {why}"))?;
            self.must_be_file(&reference).map_err(|why| format!("reference: {why}"))?;
            item.reference = Some(reference);
        }
        check_shapes(&item)?;
        // Where regions carry masks already, the picture only repeats them for other tools.
        if let Some(mask) = record.mask.filter(|_| !has_mask(&item.label)) {
            self.add_mask(&mut item, &mask)?;
        }
        Ok(Some(item))
    }

    fn add_mask(&self, item: &mut LabelledItem, mask: &str) -> Result<(), String> {
        let mask = self.inside(mask).map_err(|why| format!("mask: {why}"))?;
        self.must_be_file(&mask).map_err(|why| format!("mask: {why}"))?;
        let size = picture::upright_size(&item.path)?;
        let mask = picture::read_mask(&mask, size)?;
        if mask.area() == 0 {
            return Ok(());
        }
        let class = match item.label.class.as_deref() {
            Some(Label::GOOD) => return Err("labelled good, but its mask is not empty".to_owned()),
            Some(class) => class.to_owned(),
            None => {
                let mut classes = item.label.regions.iter().map(|region| &region.class);
                match (classes.next(), classes.next()) {
                    (Some(class), None) => class.clone(),
                    _ => return Err("the mask has no class: a label is missing".to_owned()),
                }
            }
        };
        item.label.regions.push(Region::new(class, Shape::Mask(mask)));
        Ok(())
    }

    /// The path of a file in the folder; its name only, the file may still be missing.
    fn inside(&self, relative: &str) -> Result<PathBuf, String> {
        let mut path = self.dir.clone();
        let mut named = false;
        for part in Path::new(relative).components() {
            match part {
                Component::Normal(name) => {
                    path.push(name);
                    named = true;
                }
                Component::CurDir => {}
                _ => return Err("leads out of the folder".to_owned()),
            }
        }
        if named { Ok(path) } else { Err("names no file".to_owned()) }
    }

    pub fn must_be_file(&self, path: &Path) -> Result<(), String> {
        let real = path.canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_owned(),
            _ => format!("cannot be opened: {error}"),
        })?;
        if !real.starts_with(&self.real) {
            return Err("is a link that leads out of the folder".to_owned());
        }
        if real.is_file() { Ok(()) } else { Err("not a file".to_owned()) }
    }
}

fn label_of(record: &Record) -> Result<Label, String> {
    let status = record.status.unwrap_or(LabelStatus::Confirmed);
    let is_silent = record.label.is_none()
        && record.regions.is_none()
        && record.transcript.is_none()
        && record.mask.is_none();
    if is_silent && status == LabelStatus::Confirmed {
        return Err("has no label, regions or transcript".to_owned());
    }
    let mut classes = record.label.iter().chain(record.regions.iter().flatten().map(|region| &region.class));
    if classes.any(|class| class.trim().is_empty()) {
        return Err("has an empty class name".to_owned());
    }
    Ok(Label {
        status,
        class: record.label.clone(),
        regions: record.regions.clone().unwrap_or_default(),
        transcript: record.transcript.clone(),
    })
}

/// Pictures have pixels and sounds have seconds, and a mask is as large as its picture.
fn check_shapes(item: &LabelledItem) -> Result<(), String> {
    for region in &item.label.regions {
        match (item.kind, &region.shape) {
            (MediaKind::Image, Shape::Span { .. }) => {
                return Err("a picture with a span in seconds".to_owned());
            }
            (MediaKind::Audio, Shape::Box(_) | Shape::Polygon(_) | Shape::Mask(_)) => {
                return Err("a sound with a region in pixels".to_owned());
            }
            _ => {}
        }
    }
    if !has_mask(&item.label) {
        return Ok(());
    }
    // What cannot be decoded has no size to compare with; it may be labelled all the same.
    let Ok([width, height]) = picture::upright_size(&item.path) else { return Ok(()) };
    for region in &item.label.regions {
        if let Shape::Mask(mask) = &region.shape
            && mask.size != [height, width]
        {
            let [h, w] = mask.size;
            return Err(format!("the mask is {w} × {h}, the picture {width} × {height}"));
        }
    }
    Ok(())
}

fn has_mask(label: &Label) -> bool {
    label.regions.iter().any(|region| matches!(region.shape, Shape::Mask(_)))
}

pub(super) fn kind_of(path: &Path) -> MediaKind {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    if AUDIO_EXTENSIONS.contains(&extension.as_str()) { MediaKind::Audio } else { MediaKind::Image }
}

/// The media of a line that is JSON but not a record.
fn media_of(bytes: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    value.get("media")?.as_str().map(str::to_owned)
}

/// serde's message; its "at line 1" would contradict the number of the line.
pub(super) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line 1 column ") {
        Some((what, "0")) => what.to_owned(),
        Some((what, column)) => format!("{what} (column {column})"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(lines: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("images")).unwrap();
        for name in ["a.png", "b.png", "ü\n \"x\".png"] {
            picture::write_grey(&dir.path().join("images").join(name), [4, 3], &[9; 12]).unwrap();
        }
        fs::write(dir.path().join("s.wav"), b"RIFF").unwrap();
        let mask: Vec<u8> = (0..12).map(|i| if i == 5 { 255 } else { 127 }).collect();
        picture::write_grey(&dir.path().join("mask.png"), [4, 3], &mask).unwrap();
        picture::write_grey(&dir.path().join("wide.png"), [5, 3], &[255; 15]).unwrap();
        fs::write(dir.path().join(ITEMS_FILE), lines).unwrap();
        dir
    }

    fn read_all(dir: &tempfile::TempDir) -> Dataset {
        read(dir.path(), &Filter::default()).unwrap()
    }

    #[test]
    fn every_kind_of_label_is_understood() {
        let dir = folder(concat!(
            "\u{feff}{\"media\":\"images/a.png\",\"label\":\"crack\",\"mask\":\"mask.png\",\"fold\":3,\"who\":{\"x\":[1]}}\r\n",
            "\r\n",
            "{\"media\":\"./images/b.png\",\"regions\":[],\"group\":\"g\"}\r\n",
            "{\"media\":\"s.wav\",\"transcript\":\"zwei\",\"votes\":[{\"rater\":\"r\",\"label\":\"2\"}]}\n\n",
            "{\"media\":\"images/ü\\n \\\"x\\\".png\",\"status\":\"cannot tell\"}",
        ));
        let data = read_all(&dir);
        assert_eq!(data.skipped, []);
        let [a, b, s, u] = &data.items[..] else { panic!("{:?}", data.items) };
        assert_eq!(a.label.regions[0].class, "crack");
        let Shape::Mask(mask) = &a.label.regions[0].shape else { panic!() };
        assert_eq!((mask.size, mask.area(), mask.bounds().unwrap().x1), ([3, 4], 1, 1.0));
        assert_eq!((a.extra.len(), a.extra["fold"].as_i64(), a.group.as_str()), (2, Some(3), "images/a.png"));
        assert!(b.label.is_good() && b.group == "g");
        assert_eq!(
            (s.kind, s.label.transcript.as_deref(), s.votes.len()),
            (MediaKind::Audio, Some("zwei"), 1)
        );
        assert_eq!(u.label.status, LabelStatus::CannotTell);
        let filter = Filter::parse(&["label=crack", "fold=3"]).unwrap();
        assert_eq!(read(dir.path(), &filter).unwrap().items.len(), 1);
    }

    #[test]
    fn bad_lines_are_named_and_the_rest_goes_in() {
        let dir = folder(concat!(
            "{\"media\":\"../etc/passwd\",\"label\":\"good\"}\n",
            "{\"media\":\"/etc/passwd\",\"label\":\"good\"}\n",
            "{\"media\":\"images/none.png\",\"label\":\"good\"}\n",
            "not json\n",
            "{\"label\":\"good\"}\n",
            "{\"media\":\"images/a.png\"}\n",
            "{\"media\":\"images/a.png\",\"label\":\"good\",\"regions\":[{\"class\":\"x\",\"box_px\":[3,3,1,1]}]}\n",
            "{\"media\":\"images/a.png\",\"label\":\"x\",\"mask\":\"wide.png\"}\n",
            "{\"media\":\"images/a.png\",\"label\":\"good\",\"mask\":\"mask.png\"}\n",
            "{\"media\":\"images/a.png\",\"label\":\"x\",\"mask\":\"../m.png\"}\n",
            "{\"media\":\"images/a.png\",\"regions\":[{\"class\":\"x\",\"rle\":{\"size\":[2,2],\"counts\":[4]}}]}\n",
            "{\"media\":\"images/b.png\",\"label\":\"good\"}\n",
            "{\"media\":\"images/./b.png\",\"label\":\"bad\"}\n",
            "{\"media\":\"out.png\",\"label\":\"bad\"}\n",
            "{\"media\":\"images\",\"label\":\"bad\"}\n",
        ));
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("out.png")).unwrap();
        let data = read_all(&dir);
        assert_eq!(data.items.len(), 1);
        let expected = [
            "leads out",
            "leads out",
            "no such file",
            "expected",
            "missing field `media`",
            "no label",
            "box_px",
            "the mask is 5 × 3, the picture 4 × 3",
            "not empty",
            "mask: leads out",
            "the mask is 2 × 2",
            "already on line 12",
            "link",
            "not a file",
        ];
        assert_eq!(data.skipped.len(), expected.len());
        for (skipped, part) in data.skipped.iter().zip(expected) {
            assert!(skipped.reason.contains(part), "{skipped:?} has no \"{part}\"");
        }
        assert_eq!(data.skipped[6].media.as_deref(), Some("images/a.png"));
        assert_eq!(data.skipped[11].line, 13);
        assert!(matches!(
            read(&dir.path().join("images"), &Filter::default()),
            Err(LabelsError::NotADataSet { .. })
        ));
    }

    #[test]
    fn the_hash_follows_content_and_not_order_or_place() {
        let dir = folder(
            "{\"media\":\"images/a.png\",\"label\":\"x\"}\n{\"media\":\"images/b.png\",\"label\":\"good\"}",
        );
        let items = read_all(&dir).items;
        let hash = dataset_hash(&items).unwrap();
        let turned: Vec<_> = items.iter().rev().cloned().collect();
        assert_eq!(dataset_hash(&turned).unwrap(), hash);
        let mut relabelled = items.clone();
        relabelled[1].label = Label::confirmed("x");
        assert_ne!(dataset_hash(&relabelled).unwrap(), hash);
        fs::write(dir.path().join("images/b.png"), b"other bytes").unwrap();
        assert_ne!(dataset_hash(&items).unwrap(), hash);
    }

    #[test]
    fn shared_data_sets_read_without_a_skipped_line() {
        let base = std::env::var_os("SECONDLOOK_DATA")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
        for (name, items, masks) in
            [("magnetic-tile", 993, 277), ("deeppcb", 1000, 0), ("fsdd", 2500, 0), ("esc10", 318, 0)]
        {
            let dir = base.join(name);
            if !dir.join(ITEMS_FILE).is_file() {
                println!("SKIPPED: no data set at {}", dir.display());
                continue;
            }
            let data = read(&dir, &Filter::default()).unwrap();
            assert_eq!((data.items.len(), data.skipped.len()), (items, 0), "{name}");
            assert_eq!(data.items.iter().filter(|item| has_mask(&item.label)).count(), masks, "{name}");
        }
    }
}
