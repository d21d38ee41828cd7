//! Reads the fields of an invitation, and counts those that are malformed.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

static RFC3339: LazyLock<Regex> = LazyLock::new(|| Regex::new(RFC3339_PATTERN).expect("a pattern"));
const RFC3339_PATTERN: &str = "^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](([01][0-9]|2[0-3]):[0-5][0-9]:)([0-5][0-9]|60)([.][0-9]+)?\
                       ([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

fn date(text: &str) -> Option<i64> {
    let parts = RFC3339.captures(text)?;
    let part = |number: usize| parts.get(number).map_or("", |part| part.as_str());
    let second = if part(4) == "60" { "59" } else { part(4) };
    let fraction: String = part(5).chars().take(4).collect();
    let plain = format!("{}T{}{second}{fraction}{}", part(1), part(2), part(6).to_uppercase());
    let time: jiff::Timestamp = plain.parse().ok()?;
    Some(time.as_millisecond()).filter(|time| (100_000_000_000..=7_000_000_000_000).contains(time))
}

pub(super) fn time(object: &Map<String, Value>, key: &str, anomalies: &mut [u64; 6]) -> Option<i64> {
    let value = object.get(key)?;
    if value.is_null() {
        return None;
    }
    if let Some(text) = value.as_str() {
        let time = date(text);
        anomalies[4] += u64::from(time.is_none());
        return time;
    }
    let Some(number) = value.as_f64() else {
        anomalies[4] += 1;
        return None;
    };
    #[allow(clippy::cast_possible_truncation, reason = "checked to be a whole number in a small range")]
    let whole = (number.fract() == 0.0).then_some(number as i64);
    match whole {
        Some(0) => None,
        Some(millis @ 100_000_000_000..=7_000_000_000_000) => Some(millis),
        Some(seconds @ 1_000_000_000..=7_000_000_000) => Some(seconds * 1000),
        _ => {
            anomalies[1] += 1;
            None
        }
    }
}

pub(super) fn text(object: &Map<String, Value>, key: &str, anomalies: &mut [u64; 6]) -> Option<String> {
    match object.get(key)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        _ => {
            anomalies[4] += 1;
            None
        }
    }
}

fn items<'v>(object: &'v Map<String, Value>, key: &str, anomalies: &mut [u64; 6]) -> &'v [Value] {
    match object.get(key) {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items,
        Some(_) => {
            anomalies[4] += 1;
            &[]
        }
    }
}

pub(super) fn objects<'v>(
    object: &'v Map<String, Value>,
    key: &str,
    anomalies: &mut [u64; 6],
) -> Vec<&'v Map<String, Value>> {
    let mut found = Vec::new();
    for item in items(object, key, anomalies) {
        match item {
            Value::Object(object) => found.push(object),
            Value::Null => {}
            _ => anomalies[4] += 1,
        }
    }
    found
}

pub(super) fn names(object: &Map<String, Value>, key: &str, anomalies: &mut [u64; 6]) -> Vec<String> {
    let mut found = Vec::new();
    for item in items(object, key, anomalies) {
        match item {
            Value::String(name) => found.push(name.clone()),
            Value::Null => {}
            _ => anomalies[4] += 1,
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

pub(super) fn bindings(object: &Map<String, Value>, key: &str, anomalies: &mut [u64; 6]) -> Vec<String> {
    objects(object, key, anomalies).into_iter().filter_map(|binding| text(binding, "name", anomalies)).collect()
}

pub(super) fn service_roles(object: &Map<String, Value>, key: &str, anomalies: &mut [u64; 6]) -> Vec<String> {
    let mut found = Vec::new();
    for service in objects(object, key, anomalies) {
        found.extend(names(service, "serviceRoleNames", anomalies));
        found.extend(bindings(service, "serviceRoles", anomalies));
    }
    found
}
