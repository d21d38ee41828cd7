//! What a format writes of a family before its samples.

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process lives; the name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Classic and native buckets.
    Histogram,
}

impl Kind {
    /// The word that the exposition formats use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Name, type and help of a family.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// The name as users write it, `_total` included.
    pub name: &'a str,
    /// The type.
    pub kind: Kind,
    /// One sentence or two for the reader of the exposition, with a full stop.
    pub help: &'a str,
}

impl<'a> Header<'a> {
    /// The unit in the words of OpenMetrics, when the name carries one.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        let base = self.base();
        ["seconds", "bytes"].into_iter().find(|unit| base.ends_with(unit))
    }

    /// The name without `_total`: what OpenMetrics calls the name of a counter's family.
    #[must_use]
    pub fn base(&self) -> &'a str {
        match self.kind {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            Kind::Gauge | Kind::Histogram => self.name,
        }
    }
}
