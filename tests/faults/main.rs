//! The fault matrix: everything that can go wrong between the exporter and the service, for both kinds of credentials, over
//! HTTP/1.1 and HTTP/2, at one organization among many.
//!
//! Of each fault it is shown that the poll fails for the promised reason, or counts what it should; that the last good data
//! stays; that no other organization feels it, the one at the same host least of all; that memory stays bounded; that the
//! next good answer ends it and no event is lost. What came out is a table in `target/tests/faults.md`.
//!
//! What is promised is in [`cases`], and comes from the documentation of reasons, not from what the program does.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]
#![allow(clippy::float_cmp, reason = "counts are whole numbers, whatever their type")]
#![allow(clippy::format_collect, reason = "answers are made once")]
#![allow(clippy::too_many_lines, reason = "tables")]

#[allow(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
#[path = "../e2e/binary.rs"]
mod binary;
#[path = "../../crates/csp-api/tests/common/upstream.rs"]
mod fake;
#[allow(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
#[path = "../e2e/faults.rs"]
mod faults;
#[allow(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
#[path = "../e2e/scrape.rs"]
mod scrape;
#[allow(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
#[path = "../e2e/setup.rs"]
mod setup;

mod cases;
mod ends;
mod hosts;
mod http_2;
mod matrix;
mod pki;
mod script;
mod table;
mod upstream;

use cases::Case;
use hosts::Kind;
use matrix::Matrix;
use upstream::Http;

/// One at a time: each keeps the machine busy by itself.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn matrix(http: Http, kind: Kind, cases: Vec<Case>) {
    let _turn = TURN.lock().await;
    Matrix::start(http, kind, cases).await.run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http1_with_api_tokens() {
    matrix(Http::One, Kind::ApiToken, cases::all(Http::One)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http1_with_an_app_and_cut_at_a_hundred_places() {
    matrix(Http::One, Kind::OAuthApp, [cases::all(Http::One), cases::cuts(Http::One, 100)].concat()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_with_api_tokens() {
    matrix(Http::Two, Kind::ApiToken, cases::all(Http::Two)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_with_an_app_and_cut_at_a_hundred_places() {
    matrix(Http::Two, Kind::OAuthApp, [cases::all(Http::Two), cases::cuts(Http::Two, 100)].concat()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods() {
    matrix(Http::One, Kind::OAuthApp, cases::http1_floods()).await;
    matrix(Http::Two, Kind::OAuthApp, cases::http2_floods()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set() {
    let _turn = TURN.lock().await;
    Matrix::start(Http::Two, Kind::OAuthApp, Vec::new()).await.set_the_clock().await;
}
