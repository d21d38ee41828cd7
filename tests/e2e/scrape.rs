//! The text format, read without the exporter's help.

use std::collections::BTreeMap;

/// One line of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// The lines of a scrape, none of which is there twice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrape {
    pub(crate) text: String,
    pub(crate) samples: Vec<Sample>,
}

impl Scrape {
    pub(crate) fn parse(text: &str) -> Self {
        let samples: Vec<Sample> =
            text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(sample).collect();
        let mut seen = std::collections::HashSet::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let series = line.rsplit_once(' ').expect("a value").0;
            assert!(seen.insert(series), "twice: {series}");
        }
        Self { text: text.to_owned(), samples }
    }

    /// The samples of `name` that carry these labels among others.
    pub(crate) fn all(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        let carries = |sample: &Sample| {
            labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|found| found == value))
        };
        self.samples.iter().filter(|sample| sample.name == name && carries(sample)).collect()
    }

    /// Every sample of an organization.
    pub(crate) fn all_of(&self, organization: &str) -> Vec<&Sample> {
        let of = |sample: &&Sample| sample.labels.get("organization").is_some_and(|found| found == organization);
        self.samples.iter().filter(of).collect()
    }

    /// The one sample that carries these labels.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found = self.all(name, labels);
        assert!(found.len() < 2, "{name} {labels:?} is not one: {found:?}");
        found.first().map(|sample| sample.value)
    }

    /// As [`get`](Self::get), 0 when it is not there.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.get(name, labels).unwrap_or(0.0)
    }

    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name, labels).iter().map(|sample| sample.value).sum()
    }

    /// How many polls of an organization failed for `reason`.
    pub(crate) fn failures(&self, organization: &str, reason: &str) -> f64 {
        self.count("csp_poll_failures_total", &[("organization", organization), ("reason", reason)])
    }

    pub(crate) fn up(&self, organization: &str) -> Option<f64> {
        self.get("csp_up", &[("organization", organization)])
    }

    pub(crate) fn is_in_state(&self, organization: &str, state: &str) -> bool {
        self.get("csp_organization_data_state", &[("organization", organization), ("state", state)]) == Some(1.0)
    }

    /// The length of the list behind an organization's numbers.
    pub(crate) fn invitations(&self, organization: &str) -> Option<f64> {
        let rows = self.all("csp_invitations", &[("organization", organization)]);
        (!rows.is_empty()).then(|| rows.iter().map(|sample| sample.value).sum())
    }
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let value = match value {
        "+Inf" => f64::INFINITY,
        value => value.parse().expect("a number"),
    };
    let Some((name, mut rest)) = series.split_once('{') else {
        return Sample { name: series.to_owned(), labels: BTreeMap::new(), value };
    };
    let mut labels = BTreeMap::new();
    while let Some((label, after)) = rest.split_once("=\"") {
        let (text, after) = quoted(after);
        assert!(labels.insert(label.to_owned(), text).is_none(), "a label twice: {line}");
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    assert_eq!(rest, "}", "{line}");
    Sample { name: name.to_owned(), labels, value }
}

/// A label's value up to its closing quote, and what is behind it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next().expect("a closing quote") {
            (at, '"') => return (value, &text[at + 1..]),
            (_, '\\') => value.push(match chars.next().expect("an escaped character").1 {
                'n' => '\n',
                other => other,
            }),
            (_, plain) => value.push(plain),
        }
    }
}
