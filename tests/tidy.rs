//! The house rules that no lint knows: which room may use which, what may be named where, and
//! what every file must have. The allowed edges are read from the table in
//! `docs/ARCHITECTURE.md`, so that the document and the code cannot drift apart.
//!
//! The checks work on text with comments and literals blanked out; they know no more of Rust.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 600;
const WINDOW_CRATES: [&str; 3] = ["egui", "eframe", "rfd"];
const SQL_VERBS: [&str; 9] =
    ["SELECT", "INSERT", "UPDATE", "DELETE", "PRAGMA", "CREATE", "ALTER", "DROP", "REPLACE"];
const PANICS: [&str; 7] =
    [".unwrap()", ".expect(", "panic!", "todo!", "unimplemented!", "unreachable!", "dbg!"];
/// Files that may contain `unsafe`: the convolution kernels, once they are there.
const KERNEL_FILES: &str = "src/nn/kernels/";

/// Rust text with the same line breaks, in which comments and the inside of literals are spaces.
struct Blanked {
    code: String,
    /// The same without the items under `#[cfg(test)]`.
    shipped: String,
    /// String literals with their line.
    strings: Vec<(usize, String)>,
}

impl Blanked {
    fn new(text: &str) -> Self {
        let (code, strings) = blank_literals(text);
        let shipped = without_tests(&code);
        Self { code, shipped, strings }
    }
}

fn blank_literals(text: &str) -> (String, Vec<(usize, String)>) {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut strings = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let end = literal_end(&chars, i);
        let Some((end, is_string)) = end else {
            line += usize::from(chars[i] == '\n');
            code.push(chars[i]);
            i += 1;
            continue;
        };
        let span = &chars[i..end];
        if is_string {
            let inside: String = span.iter().collect();
            let inside =
                inside.trim_start_matches(['b', 'c', 'r', '#']).trim_end_matches('#').trim_matches('"');
            strings.push((line, inside.to_owned()));
        }
        line += span.iter().filter(|&&c| c == '\n').count();
        code.extend(span.iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
        i = end;
    }
    (code, strings)
}

/// Where the comment or literal that begins at `i` ends, and whether it is a string.
fn literal_end(chars: &[char], i: usize) -> Option<(usize, bool)> {
    let at = |j: usize| chars.get(j).copied().unwrap_or('\0');
    let find_from =
        |j: usize, stop: &dyn Fn(usize) -> bool| (j..chars.len()).find(|&k| stop(k)).unwrap_or(chars.len());
    match (at(i), at(i + 1)) {
        ('/', '/') => Some((find_from(i, &|k| chars[k] == '\n'), false)),
        ('/', '*') => {
            let (mut depth, mut j) = (1, i + 2);
            while j < chars.len() && depth > 0 {
                match (at(j), at(j + 1)) {
                    ('/', '*') => (depth, j) = (depth + 1, j + 2),
                    ('*', '/') => (depth, j) = (depth - 1, j + 2),
                    _ => j += 1,
                }
            }
            Some((j, false))
        }
        ('"', _) => {
            let mut j = i + 1;
            while j < chars.len() && chars[j] != '"' {
                j += if chars[j] == '\\' { 2 } else { 1 };
            }
            Some(((j + 1).min(chars.len()), true))
        }
        ('r', '"' | '#') if i == 0 || !is_word(at(i - 1)) || at(i - 1) == 'b' => {
            let hashes = (i + 1..chars.len()).take_while(|&k| chars[k] == '#').count();
            if at(i + 1 + hashes) != '"' {
                return None; // r#ident
            }
            let close = |k: usize| chars[k] == '"' && (1..=hashes).all(|h| at(k + h) == '#');
            let end = find_from(i + 2 + hashes, &close);
            Some(((end + 1 + hashes).min(chars.len()), true))
        }
        ('\'', '\\') => Some((find_from(i + 3, &|k| chars[k] == '\'') + 1, false)),
        // Anything else after a quote is a lifetime.
        ('\'', _) if at(i + 2) == '\'' => Some((i + 3, false)),
        _ => None,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Blanks every item under `#[cfg(test)]`: to its closing brace, or to its semicolon.
fn without_tests(code: &str) -> String {
    let mut shipped = code.to_owned();
    while let Some(start) = shipped.find("#[cfg(test)]").or_else(|| shipped.find("#[cfg(all(test")) {
        let (mut depth, mut end) = (0_usize, shipped.len());
        for (at, byte) in shipped.bytes().enumerate().skip(start) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && matches!(byte, b'}' | b';') {
                end = at + 1;
                break;
            }
        }
        let blank: String = shipped[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        shipped.replace_range(start..end, &blank);
    }
    shipped
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Where `word` stands as a whole word.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| !code[..at].ends_with(is_word) && !code[at + word.len()..].starts_with(is_word))
}

/// The rooms that `crate::…` paths lead to, each with its line.
fn uses(code: &str) -> Vec<(usize, String)> {
    let first_word = |text: &str| text.trim_start().chars().take_while(|&c| is_word(c)).collect::<String>();
    let mut found = Vec::new();
    for at in words(code, "crate") {
        let Some(rest) = code[at + "crate".len()..].trim_start().strip_prefix("::") else { continue };
        let line = line_of(code, at);
        let Some(group) = rest.trim_start().strip_prefix('{') else {
            found.push((line, first_word(rest)));
            continue;
        };
        let (mut depth, mut part_start) = (1, 0);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && c == ',') {
                found.push((line, first_word(&group[part_start..i])));
                part_start = i + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    found.retain(|(_, name)| !name.is_empty());
    found
}

/// Room → rooms it may use, from the rows "| `room` | … | may use | … |".
fn rooms(document: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in document.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (Some(name), Some(may)) = (cells.get(1), cells.get(3)) else { continue };
        let allowed = if *may == "all above" {
            rooms.keys().cloned().collect()
        } else {
            may.split(',')
                .map(|room| room.trim().to_owned())
                .filter(|room| room.starts_with(is_word))
                .collect()
        };
        rooms.insert(name.trim_matches('`').to_owned(), allowed);
    }
    rooms
}

/// `path` is relative to the package: `src/store/log.rs`.
fn check_source(path: &str, text: &str, rooms: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut findings = Vec::new();
    let blanked = Blanked::new(text);
    let is_test_file = path.starts_with("tests/")
        || path.starts_with("benches/")
        || path.ends_with("/tests.rs")
        || path.contains("/tests/")
        || path.ends_with("_tests.rs");
    let in_src = path.starts_with("src/");
    let room = path.strip_prefix("src/").and_then(|rest| rest.split(['/', '.']).next()).unwrap_or("");
    let shipped = if is_test_file { "" } else { blanked.shipped.as_str() };
    let mut say = |line: usize, what: String| findings.push(format!("{path}:{line}: {what}"));

    if !text.trim_start().starts_with("//!") {
        say(1, "no `//!` header that says what the file does".into());
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        say(lines, format!("{lines} lines, at most {FILE_LINES_MAX}"));
    }
    let is_root = matches!(path, "src/lib.rs" | "src/main.rs");
    if in_src && !is_root {
        match rooms.get(room) {
            None => say(1, format!("`{room}` is no room of docs/ARCHITECTURE.md")),
            Some(allowed) => {
                for (line, used) in uses(shipped) {
                    if used != room && rooms.contains_key(&used) && !allowed.contains(&used) {
                        say(line, format!("`{room}` may not use `{used}`"));
                    }
                }
            }
        }
    }
    if in_src && room != "gui" {
        for name in WINDOW_CRATES {
            words(&blanked.code, name)
                .for_each(|at| say(line_of(&blanked.code, at), format!("`{name}` outside gui")));
        }
    }
    if in_src && room != "store" {
        words(&blanked.code, "rusqlite")
            .for_each(|at| say(line_of(&blanked.code, at), "`rusqlite` outside store".into()));
        for (line, string) in &blanked.strings {
            let mut spoken = string.split_whitespace();
            if spoken.next().is_some_and(|verb| SQL_VERBS.contains(&verb)) && spoken.next().is_some() {
                say(*line, "SQL outside store".into());
            }
        }
    }
    if in_src {
        for panic in PANICS {
            for (at, _) in shipped.match_indices(panic) {
                if panic.starts_with('.') || !shipped[..at].ends_with(is_word) {
                    say(line_of(shipped, at), format!("`{panic}` outside tests"));
                }
            }
        }
    }
    if !path.starts_with(KERNEL_FILES) {
        words(&blanked.code, "unsafe").for_each(|at| say(line_of(&blanked.code, at), "`unsafe`".into()));
    }
    for at in silenced_without_reason(&blanked.code) {
        say(line_of(&blanked.code, at), "a silenced lint without `reason =`".into());
    }
    findings
}

/// `#[allow(…)]` and `#[expect(…)]` without a reason, also inside `cfg_attr`.
fn silenced_without_reason(code: &str) -> Vec<usize> {
    let silencers =
        ["allow", "expect"].into_iter().flat_map(|word| words(code, word).map(move |at| (at, word)));
    silencers
        .filter(|&(at, word)| {
            let before = code[..at].trim_end();
            let is_attribute = before.ends_with("#[") || before.ends_with("#![") || {
                before.ends_with(',') && before.rfind("cfg_attr(").is_some_and(|i| !before[i..].contains(']'))
            };
            let Some(inside) = code[at + word.len()..].strip_prefix('(') else { return false };
            let inside = inside.split(')').next().unwrap_or("");
            is_attribute && words(inside, "reason").next().is_none()
        })
        .map(|(at, _)| at)
        .collect()
}

/// Each dependency and each allowed lint ends with the reason for it.
fn check_manifest(text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut section = "";
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_start_matches('[').split(']').next().unwrap_or("");
            if section.contains("dependencies.") {
                findings.push(format!("Cargo.toml:{}: a dependency is one line with its reason", i + 1));
            }
            continue;
        }
        let wants_reason = section.ends_with("dependencies") || line.contains("\"allow\"");
        if line.contains('=') && !line.starts_with('#') && wants_reason && !line.contains(" # ") {
            findings.push(format!("Cargo.toml:{}: no reason after `#`", i + 1));
        }
    }
    findings
}

fn package_root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn known_rooms() -> BTreeMap<String, BTreeSet<String>> {
    rooms(&fs::read_to_string(package_root().join("docs/ARCHITECTURE.md")).unwrap())
}

#[test]
fn the_house_is_tidy() {
    let root = package_root();
    let rooms = known_rooms();
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        rust_files(&root.join(folder), &mut files);
    }
    files.sort();
    assert!(files.len() > 20, "only {} files found: the check looks in the wrong place", files.len());
    let mut findings = check_manifest(&fs::read_to_string(root.join("Cargo.toml")).unwrap());
    for file in files {
        let path = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        findings.extend(check_source(&path, &fs::read_to_string(&file).unwrap(), &rooms));
    }
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn the_document_names_every_room_and_no_room_uses_a_front_end() {
    let rooms = known_rooms();
    let names =
        "cli decide domain engine gui infer ingest labels learn media nn release review serve store watch";
    assert_eq!(rooms.keys().map(String::as_str).collect::<Vec<_>>().join(" "), names);
    assert!(rooms["domain"].is_empty() && rooms["engine"].contains("store") && rooms["engine"].len() == 12);
    for (room, allowed) in &rooms {
        assert!(["cli", "gui", "serve"].iter().all(|front| !allowed.contains(*front)), "{room}");
    }
}

/// The findings of a small file with a header, without their place.
#[track_caller]
fn check(path: &str, body: &str, expected: &[&str]) {
    let found = check_source(path, &format!("//! Header.\n{body}\n"), &known_rooms());
    let found: Vec<&str> =
        found.iter().map(|finding| finding.splitn(3, ':').nth(2).unwrap().trim()).collect();
    assert_eq!(found, expected, "{path}: {body}");
}

#[test]
fn a_forbidden_edge_is_found_in_every_spelling() {
    check("src/decide/x.rs", "use crate::domain::Plan;", &[]);
    check("src/decide/x.rs", "use crate::store::Store;", &["`decide` may not use `store`"]);
    check(
        "src/ingest.rs",
        "use crate::{domain::{Item, Plan}, infer, media::Raster};",
        &["`ingest` may not use `infer`"],
    );
    check("src/media/x.rs", "fn f() { crate :: nn::g(); }", &["`media` may not use `nn`"]);
    check("src/cli/x.rs", "pub(crate) use crate::learn::train;", &["`cli` may not use `learn`"]);
    check("src/cli/x.rs", "use crate::engine::Command;", &[]);
    check("src/media/x.rs", "// crate::store\nconst A: &str = \"crate::store\";", &[]);
    check("src/media/x.rs", "#[cfg(test)]\nmod tests { use crate::store::Store; }", &[]);
    check("src/main.rs", "use crate::store::Store;", &[]);
    check("src/cellar/x.rs", "", &["`cellar` is no room of docs/ARCHITECTURE.md"]);
}

#[test]
fn window_and_database_are_named_only_in_their_rooms() {
    check("src/engine/x.rs", "use egui::Ui;", &["`egui` outside gui"]);
    check("src/gui/x.rs", "use egui::Ui;", &[]);
    check("src/cli/x.rs", "let sql = \"SELECT 1 FROM t\";", &["SQL outside store"]);
    check("src/cli/x.rs", "let sql = r#\"\n  DELETE FROM t\"#;", &["SQL outside store"]);
    check("src/cli/x.rs", "let text = \"Select a line\"; let key = \"DELETE\";", &[]);
    check("src/review/x.rs", "fn f(c: &rusqlite::Connection) {}", &["`rusqlite` outside store"]);
    check("src/store/x.rs", "use rusqlite::Connection; const Q: &str = \"SELECT 1\";", &[]);
}

#[test]
fn panics_unsafe_and_silenced_lints_are_found() {
    check("src/nn/x.rs", "fn f() { g().unwrap(); }", &["`.unwrap()` outside tests"]);
    check("src/nn/x.rs", "fn f() { g()\n.expect(\"x\"); }", &["`.expect(` outside tests"]);
    check("src/nn/x.rs", "fn f() { std::panic!(); }", &["`panic!` outside tests"]);
    check("src/nn/x.rs", "fn f() { g().unwrap_or(1); let q = '\"'; h::<'static>(); } // .unwrap()", &[]);
    check(
        "src/nn/x.rs",
        "#[cfg(test)]\nmod tests { fn f() { g().unwrap(); } }\nfn h() { todo!() }",
        &["`todo!` outside tests"],
    );
    check("src/nn/x/tests.rs", "fn f() { g().unwrap(); }", &[]);
    check("src/nn/x.rs", "fn f() { unsafe { g() } }", &["`unsafe`"]);
    check("src/nn/kernels/x.rs", "fn f() { unsafe { g() } }", &[]);
    check("src/nn/x.rs", "#![deny(unsafe_code)]", &[]);
    check("src/nn/x.rs", "#[allow(dead_code)]\nfn f() {}", &["a silenced lint without `reason =`"]);
    check(
        "tests/x.rs",
        "#[cfg_attr(feature = \"a\", expect(unused))]",
        &["a silenced lint without `reason =`"],
    );
    check("src/nn/x.rs", "#[expect(dead_code, reason = \"because\")]\nfn f() {}", &[]);
}

#[test]
fn files_have_a_header_and_an_end() {
    let found = check_source("src/nn/x.rs", "fn f() {}\n", &known_rooms());
    assert!(found.len() == 1 && found[0].contains("header"), "{found:?}");
    check("src/nn/x.rs", &"\n".repeat(FILE_LINES_MAX), &["602 lines, at most 600"]);
}

#[test]
fn dependencies_and_allowed_lints_need_a_reason() {
    let findings = check_manifest(
        "[dependencies]\na = \"1\" # because\nb = \"1\"\n[lints.clippy]\nall = { level = \"warn\" }\nc = \"allow\"\n[dependencies.d]\n",
    );
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert!(findings[0].starts_with("Cargo.toml:3") && findings[1].starts_with("Cargo.toml:6"));
}
