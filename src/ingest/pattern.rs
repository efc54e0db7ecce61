//! Unit, position and product from a file's path, by the plan's pattern: `{unit}`,
//! `{unit}_{position}`, `{product}/{unit}-{position}`.
//!
//! Names come in any script, with spaces and newlines. Knows nothing of files.

use regex_lite::Regex;
use thiserror::Error;

/// Longer patterns are a mistake in the plan.
const PATTERN_BYTES_MAX: usize = 1024;
/// What may stand in braces, with what it matches: never across folders. The unit takes as
/// much as it can, since serial numbers contain the separators of everything else.
const PLACEHOLDERS: [(&str, &str); 3] = [("unit", "[^/]+"), ("position", "[^/]+?"), ("product", "[^/]+?")];

#[derive(Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    #[error("a brace is not closed or not opened in the pattern \"{0}\"")]
    Brace(String),
    #[error("{{{name}}} is not known: {{unit}}, {{position}} or {{product}}, in the pattern \"{pattern}\"")]
    Unknown { name: String, pattern: String },
    #[error("{{{name}}} stands twice in the pattern \"{pattern}\"")]
    Twice { name: String, pattern: String },
    #[error("nothing separates two placeholders in the pattern \"{0}\"")]
    Unseparated(String),
    #[error("{{unit}} is missing in the pattern \"{0}\"")]
    NoUnit(String),
    #[error("the pattern is longer than {PATTERN_BYTES_MAX} bytes")]
    TooLong,
    #[error("the file's name says no {{{name}}}, which the reference \"{pattern}\" needs")]
    NotCaptured { name: String, pattern: String },
    #[error("{{{name}}} cannot be \"{value}\" in a path, for the reference \"{pattern}\"")]
    UnsafeValue { name: String, value: String, pattern: String },
}

/// What a path says of its picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captures {
    pub unit: String,
    pub position: Option<String>,
    pub product: Option<String>,
    /// False where the name does not follow the pattern: then its whole stem is the unit.
    pub is_match: bool,
}

impl Captures {
    fn get(&self, name: &str) -> Option<&str> {
        match name {
            "unit" => Some(&self.unit),
            "position" => self.position.as_deref(),
            "product" => self.product.as_deref(),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    /// How many of the path's last parts the pattern speaks of.
    parts: usize,
}

/// A piece of a pattern: plain text, or a name that stood in braces.
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn pieces(pattern: &str) -> Result<Vec<Piece<'_>>, PatternError> {
    let broken = || PatternError::Brace(pattern.to_owned());
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(PatternError::TooLong);
    }
    let (mut pieces, mut rest) = (Vec::new(), pattern);
    while !rest.is_empty() {
        let (text, after) = rest.split_once('{').unwrap_or((rest, ""));
        if text.contains('}') {
            return Err(broken());
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        if text.len() == rest.len() {
            break;
        }
        let (name, after) = after.split_once('}').ok_or_else(broken)?;
        if !PLACEHOLDERS.iter().any(|(known, _)| *known == name) {
            return Err(PatternError::Unknown { name: name.to_owned(), pattern: pattern.to_owned() });
        }
        pieces.push(Piece::Name(name));
        rest = after;
    }
    Ok(pieces)
}

impl Pattern {
    pub fn parse(pattern: &str) -> Result<Self, PatternError> {
        let pieces = pieces(pattern)?;
        let (mut text, mut names, mut after_name) = (String::from("^"), Vec::new(), false);
        for piece in &pieces {
            match piece {
                Piece::Text(plain) => text.push_str(&regex_lite::escape(plain)),
                Piece::Name(_) if after_name => return Err(PatternError::Unseparated(pattern.to_owned())),
                Piece::Name(name) if names.contains(name) => {
                    return Err(PatternError::Twice {
                        name: (*name).to_owned(),
                        pattern: pattern.to_owned(),
                    });
                }
                Piece::Name(name) => {
                    let matches = PLACEHOLDERS.iter().find(|(known, _)| known == name).map_or("", |p| p.1);
                    text.extend(["(?<", *name, ">", matches, ")"]);
                    names.push(name);
                }
            }
            after_name = matches!(piece, Piece::Name(_));
        }
        text.push('$');
        if !names.contains(&"unit") {
            return Err(PatternError::NoUnit(pattern.to_owned()));
        }
        let regex = Regex::new(&text).map_err(|_| PatternError::TooLong)?;
        Ok(Self { regex, parts: pattern.matches('/').count() + 1 })
    }

    /// Reads a path relative to its source, parts separated by `/`. Its ending does not count,
    /// and neither do folders above those that the pattern speaks of.
    #[must_use]
    pub fn read(&self, name: &str) -> Captures {
        let stem = strip_ending(name);
        let start = stem.rmatch_indices('/').nth(self.parts - 1).map_or(0, |(at, _)| at + 1);
        let found = self.regex.captures(&stem[start..]);
        let value = |key: &str| found.as_ref()?.name(key).map(|m| m.as_str().to_owned());
        match value("unit") {
            Some(unit) => {
                Captures { unit, position: value("position"), product: value("product"), is_match: true }
            }
            None => Captures {
                unit: stem.rsplit('/').next().unwrap_or(stem).to_owned(),
                position: None,
                product: None,
                is_match: false,
            },
        }
    }
}

/// `a/b.c.jpg` → `a/b.c`; a name that begins with its only dot stays whole.
fn strip_ending(name: &str) -> &str {
    let file = name.rfind('/').map_or(0, |at| at + 1);
    match name[file..].rfind('.') {
        Some(dot) if dot > 0 => &name[..file + dot],
        _ => name,
    }
}

/// Where the golden image of an item is: the plan's `reference` with what the name said put in.
/// Relative to the line's folder, as the plan is.
pub fn reference_path(pattern: &str, captures: &Captures) -> Result<String, PatternError> {
    let mut path = String::new();
    for piece in pieces(pattern)? {
        match piece {
            Piece::Text(text) => path.push_str(text),
            Piece::Name(name) => {
                let value = captures.get(name).ok_or_else(|| PatternError::NotCaptured {
                    name: name.to_owned(),
                    pattern: pattern.to_owned(),
                })?;
                // A file's name must not lead out of the folder that the plan names.
                if value.is_empty() || value == "." || value == ".." || value.contains(['/', '\\', '\0']) {
                    return Err(PatternError::UnsafeValue {
                        name: name.to_owned(),
                        value: value.to_owned(),
                        pattern: pattern.to_owned(),
                    });
                }
                path.push_str(value);
            }
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, unit: &str, position: Option<&str>, product: Option<&str>) {
        let captures = Pattern::parse(pattern).unwrap().read(name);
        assert_eq!(
            (captures.unit.as_str(), captures.position.as_deref(), captures.product.as_deref()),
            (unit, position, product)
        );
        assert!(captures.is_match);
    }

    #[test]
    fn names_are_read_by_the_pattern() {
        check("{unit}", "P000123.jpg", "P000123", None, None);
        check("{unit}", "shift 2/2026.11.03.jpg", "2026.11.03", None, None);
        check("{unit}_{position}", "A_12_front.png", "A_12", Some("front"), None);
        check("{product}/{unit}-{position}", "in/x9/SN-77-left.tiff", "SN-77", Some("left"), Some("x9"));
        check("{product}_{unit}_{position}", "x9_a_b_top.jpg", "a_b", Some("top"), Some("x9"));
        check("cam1 ({unit})", "cam1 (7+[x]).jpg", "7+[x]", None, None);
        check("{unit}_{position}", "電話 42\nб_上.jpg", "電話 42\nб", Some("上"), None);
        check("{unit}", ".jpg", ".jpg", None, None);
    }

    #[test]
    fn a_name_that_does_not_match_is_a_unit_of_its_own_and_says_so() {
        let pattern = Pattern::parse("{product}/{unit}-{position}").unwrap();
        for (name, unit) in [("x9/whole.jpg", "whole"), ("SN-1.jpg", "SN-1"), ("a/b/-x.jpg", "-x")] {
            let captures = pattern.read(name);
            assert_eq!((captures.unit.as_str(), captures.is_match), (unit, false), "{name}");
            assert!(captures.position.is_none() && captures.product.is_none());
        }
    }

    #[test]
    fn nonsense_patterns_are_refused() {
        let refused = |pattern: &str| Pattern::parse(pattern).unwrap_err().to_string();
        assert!(refused("{unit").contains("brace"));
        assert!(refused("unit}{unit}").contains("brace"));
        assert!(refused("{units}").contains("{units} is not known"));
        assert!(refused("{unit}{position}").contains("separates"));
        assert!(refused("{unit}-{unit}").contains("twice"));
        assert!(refused("{product}").contains("{unit} is missing"));
    }

    #[test]
    fn references_are_filled_in_and_stay_where_the_plan_says() {
        let captures = Pattern::parse("{product}/{unit}-{position}").unwrap().read("x9/7-top.jpg");
        assert_eq!(
            reference_path("golden/{product}/{position}.png", &captures).unwrap(),
            "golden/x9/top.png"
        );
        assert_eq!(reference_path("golden.png", &captures).unwrap(), "golden.png");
        let alone = Pattern::parse("{unit}").unwrap().read("7.jpg");
        let error = reference_path("golden/{product}.png", &alone).unwrap_err();
        assert!(error.to_string().contains("says no {product}"), "{error}");
        let climbing = Captures { product: Some("..".into()), ..alone };
        assert!(reference_path("golden/{product}/a.png", &climbing).is_err());
    }
}
