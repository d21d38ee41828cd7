//! The status page and its twin for programs.

mod ago;
mod json;
mod query;
mod row;

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use http::{Response, StatusCode};

use super::deliveries::Deliveries;
use super::response::{text, with_type};
use super::server::Connection;
use super::{Exporter, TelemetryPath};
use crate::snapshot::{DataState, StatusReport};
use ago::{Moment, relative};
use query::{Choice, Filter};
use row::Row;

/// Where the style sheet is: a resource of its own needs no exception in the content policy.
pub(super) const STYLE_PATH: &str = "/assets/status.css";

const STYLE: &str = include_str!("../../templates/status.css");

/// Nothing is loaded but the style sheet, forms stay here, and nobody frames the page.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// Rows of one page: more would make a phone's browser stutter.
const PAGE: usize = 1000;

/// Answers for `/` and `/api/v1/status`.
#[derive(Clone)]
pub(super) struct Page {
    exporter: Arc<dyn Exporter>,
    telemetry_path: TelemetryPath,
    deliveries: Arc<Deliveries>,
}

impl Page {
    pub(super) fn new(exporter: Arc<dyn Exporter>, telemetry_path: TelemetryPath, deliveries: Arc<Deliveries>) -> Self {
        Self { exporter, telemetry_path, deliveries }
    }

    /// The page for people.
    pub(super) async fn html(
        self,
        connection: Connection,
        filter: Result<Query<Filter>, QueryRejection>,
    ) -> Response<Body> {
        let Self { exporter, telemetry_path, deliveries } = self;
        let mut response = respond(&deliveries, connection, filter, "text/html; charset=utf-8", move |filter| {
            let report = exporter.status();
            Ok(Html::new(&report, filter, telemetry_path.as_str()).render()?.into())
        })
        .await;
        if response.status() == StatusCode::OK {
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
        }
        response
    }

    /// The same for programs.
    pub(super) async fn json(
        self,
        connection: Connection,
        filter: Result<Query<Filter>, QueryRejection>,
    ) -> Response<Body> {
        let Self { exporter, deliveries, .. } = self;
        respond(&deliveries, connection, filter, "application/json", move |filter| {
            let report = exporter.status();
            let body = serde_json::to_vec(&json::Report::new(&report, filter)).map_err(askama::Error::custom)?;
            Ok(body.into())
        })
        .await
    }
}

/// Renders off the async threads, for a thousand rows take their time; a limited number at once, for they take memory.
async fn respond(
    deliveries: &Arc<Deliveries>,
    connection: Connection,
    filter: Result<Query<Filter>, QueryRejection>,
    content_type: &'static str,
    render: impl FnOnce(&Filter) -> Result<Bytes, askama::Error> + Send + 'static,
) -> Response<Body> {
    let Ok(Query(filter)) = filter else {
        return text(StatusCode::BAD_REQUEST, "the query is not understood: q=TEXT, state=STATE, page=NUMBER");
    };
    let Some(ticket) = deliveries.admit(connection) else {
        let message = format!("limit of {} status pages at once reached; try again later", deliveries.places());
        return text(StatusCode::SERVICE_UNAVAILABLE, message);
    };
    match tokio::task::spawn_blocking(move || (render(&filter), ticket)).await {
        Ok((Ok(body), ticket)) => {
            ticket.ready([&body]);
            let mut response = with_type(StatusCode::OK, content_type, body);
            response.extensions_mut().insert(ticket);
            response
        }
        Ok((Err(_), _)) | Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "a fault in the exporter itself"),
    }
}

/// The style sheet.
pub(super) async fn style() -> Response<Body> {
    let mut response = with_type(StatusCode::OK, "text/css; charset=utf-8", STYLE);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=300"));
    response
}

/// A state and how many organizations are in it.
struct Tally {
    state: DataState,
    count: usize,
}

/// The page. Its references are relative, each a dot and the path: a proxy may serve it below a path of its own.
#[derive(Template)]
#[template(path = "status.html")]
struct Html<'a> {
    version: &'static str,
    telemetry_path: &'a str,
    style_path: &'static str,
    now: Moment,
    started: Moment,
    uptime: String,
    config_reload_successful: bool,
    shard: Option<(u32, u32)>,
    total: usize,
    trouble: usize,
    tallies: Vec<Tally>,
    pending: u64,
    filter: &'a Filter,
    choices: [Choice; 6],
    matching: usize,
    rows: Vec<Row<'a>>,
    first: usize,
    previous: Option<String>,
    next: Option<String>,
}

impl<'a> Html<'a> {
    fn new(report: &'a StatusReport, filter: &'a Filter, telemetry_path: &'a str) -> Self {
        let StatusReport { now, started, config_reload_successful, shard, organizations } = report;
        let tally = |state| Tally { state, count: organizations.iter().filter(|o| o.state == state).count() };
        let matching = filter.apply(organizations);
        let pages = matching.len().div_ceil(PAGE).max(1);
        let page = filter.page.clamp(1, pages);
        let skip = (page - 1) * PAGE;
        Self {
            version: env!("CARGO_PKG_VERSION"),
            telemetry_path,
            style_path: STYLE_PATH,
            now: Moment::new(*now, *now),
            started: Moment::new(*started, *now),
            uptime: relative(now.since(*started)),
            config_reload_successful: *config_reload_successful,
            shard: *shard,
            total: organizations.len(),
            trouble: organizations.iter().filter(|o| row::is_trouble(o)).count(),
            tallies: DataState::ALL.into_iter().map(tally).collect(),
            pending: organizations.iter().filter_map(|o| o.counts).map(|counts| counts[0]).sum(),
            filter,
            choices: filter.choices(),
            matching: matching.len(),
            rows: matching.iter().skip(skip).take(PAGE).map(|o| Row::new(o, *now)).collect(),
            first: skip + 1,
            previous: (page > 1).then(|| filter.link(page - 1)),
            next: (page < pages).then(|| filter.link(page + 1)),
        }
    }
}
