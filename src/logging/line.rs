//! The form of a line.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::Format;

/// Bytes of a value that are logged: lines wait in memory while nobody reads them.
const LONGEST_VALUE: usize = 8192;

/// Writes events and the fields of spans in one of the formats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line(pub(super) Format);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::new(self.0);
        event.record(&mut fields);
        let message = fields.message.as_deref().unwrap_or_default();
        let head = head(self.0, &event.metadata().level().as_str().to_lowercase(), message);
        let mut parts = vec![head.written, fields.written];
        for span in context.event_scope().into_iter().flatten() {
            if let Some(formatted) = span.extensions().get::<FormattedFields<N>>() {
                parts.push(formatted.fields.clone());
            }
        }
        parts.retain(|part| !part.is_empty());
        match self.0 {
            Format::Logfmt => writeln!(writer, "{}", parts.join(" ")),
            Format::Json => writeln!(writer, "{{{}}}", parts.join(",")),
        }
    }
}

/// The keys that each line begins with.
fn head(format: Format, level: &str, message: &str) -> Fields {
    let mut head = Fields::new(format);
    head.text("ts", &format!("{:.3}", jiff::Timestamp::now()));
    head.text("level", level);
    head.text("msg", message);
    head
}

/// A whole line for what can be no event, because it is about the log itself.
pub(super) fn warning(format: Format, message: &str, key: &str, count: u64) -> String {
    let mut line = head(format, "warn", message);
    line.key(key);
    // Writing to a string does not fail.
    let _ = write!(line.written, "{count}");
    match format {
        Format::Logfmt => format!("{}\n", line.written),
        Format::Json => format!("{{{}}}\n", line.written),
    }
}

impl<'w> FormatFields<'w> for Line {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, recorded: R) -> fmt::Result {
        let mut fields = Fields::new(self.0);
        recorded.record(&mut fields);
        writer.write_str(&fields.written)
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, recorded: &tracing::span::Record<'_>) -> fmt::Result {
        let mut fields = Fields::new(self.0);
        recorded.record(&mut fields);
        if !current.fields.is_empty() && !fields.written.is_empty() {
            current.fields.push(fields.separator());
        }
        current.fields.push_str(&fields.written);
        Ok(())
    }
}

/// Fields as they are written; the message is kept apart because it comes first.
struct Fields {
    format: Format,
    written: String,
    message: Option<String>,
}

impl Fields {
    fn new(format: Format) -> Self {
        Self { format, written: String::new(), message: None }
    }

    fn separator(&self) -> char {
        match self.format {
            Format::Logfmt => ' ',
            Format::Json => ',',
        }
    }

    fn key(&mut self, key: &str) {
        if !self.written.is_empty() {
            self.written.push(self.separator());
        }
        match self.format {
            Format::Logfmt => {
                self.written.push_str(key);
                self.written.push('=');
            }
            Format::Json => {
                quote(&mut self.written, key);
                self.written.push(':');
            }
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        let shortened: String;
        let value = if value.len() > LONGEST_VALUE {
            let end = (0..=LONGEST_VALUE).rev().find(|&at| value.is_char_boundary(at));
            shortened = format!("{}…", &value[..end.unwrap_or_default()]);
            &shortened
        } else {
            value
        };
        let bare = |c: char| c.is_alphanumeric() || (c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\'));
        if self.format == Format::Logfmt && !value.is_empty() && value.chars().all(bare) {
            self.written.push_str(value);
        } else {
            quote(&mut self.written, value);
        }
    }

    fn field(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = Some(value.to_owned()),
            name => self.text(&free(name), value),
        }
    }

    fn number(&mut self, field: &Field, value: impl fmt::Display) {
        self.key(&free(field.name()));
        // Writing to a string does not fail.
        let _ = write!(self.written, "{value}");
    }
}

/// The name of a field, moved away from the keys that each line has.
fn free(name: &str) -> String {
    if matches!(name, "ts" | "level" | "msg") { format!("{name}_") } else { name.to_owned() }
}

/// `value` as a JSON string, which logfmt's readers understand too. Line ends that JSON leaves alone are escaped as well.
fn quote(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() { self.number(field, value) } else { self.field(field, &value.to_string()) }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.field(field, &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, &format!("{value:?}"));
    }
}
