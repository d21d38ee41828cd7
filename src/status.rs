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
use axum::routing::get;
use exporter_toolkit::web;
use exporter_toolkit::web::response::{text, with_type};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use http::{Response, StatusCode};

use crate::snapshot::{DataState, StatusReport};
use ago::{Moment, relative};
use query::{Choice, Filter};
use row::Row;

/// For people.
const PATH: &str = "/";
/// For programs.
const API_PATH: &str = "/api/v1/status";
/// Where the style sheet is: a resource of its own needs no exception in the content policy.
const STYLE_PATH: &str = "/assets/status.css";

const STYLE: &str = include_str!("../templates/status.css");

/// Nothing is loaded but the style sheet, forms stay here, and nobody frames the page.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// Rows of one page: more would make a phone's browser stutter.
const PAGE: usize = 1000;

/// The paths of [`pages`].
pub(crate) const PATHS: [&str; 3] = [PATH, API_PATH, STYLE_PATH];

type Reports = Arc<dyn Fn() -> StatusReport + Send + Sync>;

/// The status page, its twin for programs, and its style sheet, over the reports that `source` gives.
pub fn pages(source: impl Fn() -> StatusReport + Send + Sync + 'static, telemetry_path: &str) -> Vec<web::Page> {
    let page = Page { source: Arc::new(source), telemetry_path: telemetry_path.to_owned() };
    let api = page.clone();
    let page = get(move |query| async move { page.html(query).await });
    let api = get(move |query| async move { api.json(query).await });
    vec![
        web::Page { path: PATH, handler: "status", route: page },
        web::Page { path: API_PATH, handler: "api", route: api },
        web::Page { path: STYLE_PATH, handler: "style", route: get(style) },
    ]
}

/// Answers for `/` and `/api/v1/status`.
#[derive(Clone)]
struct Page {
    source: Reports,
    telemetry_path: String,
}

impl Page {
    /// The page for people.
    async fn html(self, filter: Result<Query<Filter>, QueryRejection>) -> Response<Body> {
        let Self { source, telemetry_path } = self;
        respond(filter, move |filter| {
            let report = source();
            let page = Html::new(&report, filter, &telemetry_path).render()?;
            let mut response = with_type(StatusCode::OK, "text/html; charset=utf-8", page);
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
            Ok(response)
        })
        .await
    }

    /// The same for programs.
    async fn json(self, filter: Result<Query<Filter>, QueryRejection>) -> Response<Body> {
        let Self { source, .. } = self;
        respond(filter, move |filter| {
            let report = source();
            let body = serde_json::to_vec(&json::Report::new(&report, filter)).map_err(askama::Error::custom)?;
            Ok(with_type(StatusCode::OK, "application/json", body))
        })
        .await
    }
}

/// Renders off the async threads: a thousand rows take their time.
async fn respond(
    filter: Result<Query<Filter>, QueryRejection>,
    render: impl FnOnce(&Filter) -> Result<Response<Body>, askama::Error> + Send + 'static,
) -> Response<Body> {
    let Ok(Query(filter)) = filter else {
        return text(StatusCode::BAD_REQUEST, "the query is not understood: q=TEXT, state=STATE, page=NUMBER");
    };
    match tokio::task::spawn_blocking(move || render(&filter)).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) | Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "a fault in the exporter itself"),
    }
}

/// The style sheet.
async fn style() -> Response<Body> {
    let mut response = with_type(StatusCode::OK, "text/css; charset=utf-8", STYLE);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=300"));
    response
}

/// A state and how many organizations are in it.
struct StateCount {
    state: DataState,
    count: usize,
}

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
    by_state: Vec<StateCount>,
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
        let count = |state| StateCount { state, count: organizations.iter().filter(|o| o.state == state).count() };
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
            by_state: DataState::ALL.into_iter().map(count).collect(),
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
