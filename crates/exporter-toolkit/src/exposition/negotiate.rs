//! Which format a scrape wants.

use super::Encoding;

/// A media range or coding of a header, with its parameters.
struct Choice<'a> {
    name: String,
    parameters: Vec<(String, &'a str)>,
    quality: f64,
}

impl Choice<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }
}

/// What is left after `q=0`, best first; equal ones keep the order of the header.
fn choices(header: &str) -> Vec<Choice<'_>> {
    let mut choices = all_choices(header);
    choices.retain(|choice| choice.quality > 0.0);
    choices.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    choices
}

fn all_choices(header: &str) -> Vec<Choice<'_>> {
    let parse = |item| {
        let mut parts = str::split(item, ';').map(str::trim);
        let name = parts.next()?.to_ascii_lowercase();
        let parameters: Vec<_> = parts
            .filter_map(|part| part.split_once('='))
            .map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().trim_matches('"')))
            .collect();
        let quality = parameters.iter().find(|(key, _)| key == "q").map_or(Some(1.0), |(_, value)| quality(value))?;
        (!name.is_empty()).then_some(Choice { name, parameters, quality })
    };
    header.split(',').filter_map(parse).collect()
}

/// `None` for what is not a number: the choice does not count then.
fn quality(text: &str) -> Option<f64> {
    text.parse().ok().filter(|quality: &f64| quality.is_finite())
}

/// The encoding to answer with, and the `Content-Type` that says so, in the spelling of the Prometheus libraries.
#[must_use]
pub fn format(accept: Option<&str>) -> (Encoding, String) {
    choices(accept.unwrap_or_default()).iter().find_map(offered).unwrap_or_else(default_format)
}

fn default_format() -> (Encoding, String) {
    (Encoding::Text, "text/plain; version=0.0.4; charset=utf-8".to_owned())
}

fn offered(choice: &Choice<'_>) -> Option<(Encoding, String)> {
    // Every name here is valid under every escaping scheme, so each is obeyed by doing nothing.
    let escaping = choice
        .parameter("escaping")
        .filter(|escaping| ["allow-utf-8", "underscores", "dots", "values"].contains(escaping))
        .map(|escaping| format!("; escaping={escaping}"))
        .unwrap_or_default();
    match (choice.name.as_str(), choice.parameter("version")) {
        ("application/vnd.google.protobuf", _)
            if choice.parameter("proto") == Some("io.prometheus.client.MetricFamily")
                && choice.parameter("encoding") == Some("delimited") =>
        {
            let media = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
            Some((Encoding::Protobuf, format!("{media}{escaping}")))
        }
        ("application/openmetrics-text", Some("1.0.0") | None) => Some((
            Encoding::OpenMetrics,
            format!("application/openmetrics-text; version=1.0.0; charset=utf-8{escaping}"),
        )),
        ("application/openmetrics-text", Some("0.0.1")) => {
            Some((Encoding::OpenMetrics, "application/openmetrics-text; version=0.0.1; charset=utf-8".to_owned()))
        }
        ("text/plain", Some("1.0.0")) => {
            Some((Encoding::Text, format!("text/plain; version=1.0.0; charset=utf-8{escaping}")))
        }
        // A wildcard is no wish: as in the Prometheus libraries, a named format goes before it whatever its quality.
        ("text/plain", Some("0.0.4") | None) => Some(default_format()),
        _ => None,
    }
}

/// Whether the answer is to be compressed: gzip is acceptable, and not less so than no compression.
#[must_use]
pub fn gzip(accept_encoding: Option<&str>) -> bool {
    let choices = all_choices(accept_encoding.unwrap_or_default());
    let of = |name: &str| choices.iter().find(|choice| choice.name == name).map(|choice| choice.quality);
    let any = of("*");
    let gzip = of("gzip").or_else(|| of("x-gzip")).or(any).unwrap_or(0.0);
    // Without a word about it, identity is acceptable but not asked for.
    gzip > 0.0 && gzip >= of("identity").unwrap_or(0.0)
}

#[cfg(test)]
#[path = "negotiate_tests.rs"]
mod tests;
