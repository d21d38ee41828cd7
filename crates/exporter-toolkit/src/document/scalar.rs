//! Readers of single values.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Node, Value};

/// Why a value can't be used. Says what is expected, never what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong(pub String);

impl Wrong {
    /// "expected …", with the kind of value that was found when the kind is what is wrong.
    #[must_use]
    pub fn expected(what: &str, found: &Node) -> Self {
        match &found.value {
            Value::Scalar { .. } => Self(format!("expected {what}")),
            other => Self(format!("expected {what}, found {}", other.kind())),
        }
    }
}

impl From<&str> for Wrong {
    fn from(message: &str) -> Self {
        Self(message.to_owned())
    }
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self(message)
    }
}

/// Text. A plain number or boolean is text too, as written: `client_id: 0123` means what it says.
///
/// # Errors
/// Not a scalar, or empty.
pub fn text(node: &Node) -> Result<String, Wrong> {
    match &node.value {
        Value::Scalar { text, .. } if text.is_empty() => Err("must not be empty".into()),
        Value::Scalar { text, .. } => Ok(text.clone()),
        _ => Err(Wrong::expected("text", node)),
    }
}

/// A path; relative ones are below `folder`.
///
/// # Errors
/// Not a scalar, or empty.
pub fn path(node: &Node, folder: &Path) -> Result<PathBuf, Wrong> {
    text(node).map(|path| folder.join(path))
}

/// `true` or `false`, in YAML's spellings of the core schema, without quotes.
///
/// # Errors
/// Anything else; `yes`, `no`, `on` and `off` are not booleans in YAML 1.2.
pub fn boolean(node: &Node) -> Result<bool, Wrong> {
    match &node.value {
        Value::Scalar { text, plain: true } => match text.as_str() {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            _ => Err(Wrong::expected("true or false", node)),
        },
        Value::Scalar { .. } => Err("expected true or false, found text in quotes".into()),
        _ => Err(Wrong::expected("true or false", node)),
    }
}

/// A whole number, 0 or more, without quotes.
///
/// # Errors
/// Anything else, and what does not fit.
pub fn count<T: TryFrom<u64>>(node: &Node) -> Result<T, Wrong> {
    const WHAT: &str = "a whole number, 0 or more";
    match &node.value {
        Value::Scalar { text, plain: true } if text.bytes().all(|b| b.is_ascii_digit()) => text
            .parse::<u64>()
            .ok()
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| "the number is too large".into()),
        Value::Scalar { plain: false, .. } => Err(format!("expected {WHAT}, found text in quotes").into()),
        _ => Err(Wrong::expected(WHAT, node)),
    }
}

/// A number per second, 0 or more, finite, without quotes.
///
/// # Errors
/// Anything else.
pub fn rate(node: &Node) -> Result<f64, Wrong> {
    const WHAT: &str = "a number, 0 or more";
    match &node.value {
        Value::Scalar { text, plain: true } if text.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number),
                _ => Err(Wrong::expected(WHAT, node)),
            }
        }
        Value::Scalar { plain: false, .. } => Err(format!("expected {WHAT}, found text in quotes").into()),
        _ => Err(Wrong::expected(WHAT, node)),
    }
}

const DURATION: &str = "a duration such as 30s, 5m or 1h 30m";

/// A duration such as `30s`, `5m`, `1h 30m`; `0s` is allowed.
///
/// # Errors
/// Anything else, a number without a unit included, and what is longer than 365 days.
pub fn duration(node: &Node) -> Result<Duration, Wrong> {
    match &node.value {
        Value::Scalar { text, .. } => match parse_duration(text) {
            Some(duration) if duration > LONGEST => Err("must not be longer than 365d".into()),
            Some(duration) => Ok(duration),
            None if text.bytes().all(|b| b.is_ascii_digit()) => {
                Err(format!("expected {DURATION}; the number needs a unit").into())
            }
            None => Err(Wrong::expected(DURATION, node)),
        },
        _ => Err(Wrong::expected(DURATION, node)),
    }
}

/// A [`duration`] above zero.
///
/// # Errors
/// As [`duration`], and zero.
pub fn positive_duration(node: &Node) -> Result<Duration, Wrong> {
    match duration(node)? {
        Duration::ZERO => Err("must be above 0".into()),
        duration => Ok(duration),
    }
}

/// Far enough for every setting, and far from where adding to a clock overflows.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Largest first, which is also the order in which they may be written.
const UNITS: [(&str, u64); 6] =
    [("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Whole numbers with the units w, d, h, m, s, ms (a week is 7 days, a day 24 hours), largest first,
/// each at most once, with or without blanks: `1h 30m`, `1h30m`, `500ms`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut units = UNITS.iter();
    let mut millis = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, factor) = units.find(|(name, _)| *name == unit)?;
        millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = after.trim_start();
    }
    Some(Duration::from_millis(millis))
}

/// A number of bytes above zero: plain, or with B, KB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (of 1024).
///
/// # Errors
/// Anything else.
pub fn size(node: &Node) -> Result<u64, Wrong> {
    const WHAT: &str = "a size such as 1GiB, 512MiB or 10MB";
    match &node.value {
        Value::Scalar { text, .. } => match parse_size(text) {
            Some(0) => Err("must be above 0".into()),
            Some(size) => Ok(size),
            None => Err(Wrong::expected(WHAT, node)),
        },
        _ => Err(Wrong::expected(WHAT, node)),
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit.trim_start() {
        "" | "B" => 1,
        "KB" | "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
