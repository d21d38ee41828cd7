//! Answers that are not the promised JSON, one after the other.

use std::io;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::list::List;
use super::refusals::Refusal;

/// How many invitations the elements that are wrong are taken from.
const SAMPLE: usize = 60;

/// What `list` becomes at this `turn`: an HTML page, cut JSON, a body that breaks off, an object, elements with wrong
/// types, elements that are no objects.
pub(super) fn answer(list: List, turn: u64) -> Response {
    let elements = list.elements(SAMPLE);
    let body = match turn % 6 {
        0 => return Refusal::page(StatusCode::OK).into_response(),
        1 => Body::from(cut(&elements)),
        2 => {
            // The error makes the server close the connection; before that, it has to get a turn at sending the rest.
            let chunk = stream::iter([Ok(Bytes::from(cut(&elements)))]);
            let end = stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::from(io::ErrorKind::ConnectionAborted))
            });
            Body::from_stream(chunk.chain(end))
        }
        3 => Body::from(json!({ "results": values(&elements), "totalResults": elements.len() }).to_string()),
        4 => Body::from(wrong_types(&elements).collect::<Value>().to_string()),
        _ => Body::from(no_objects(&elements).collect::<Value>().to_string()),
    };
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn cut(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut json = b"[".to_vec();
    json.extend(elements.join(&b','));
    // Before the closing brace at the latest: what is left is never complete.
    json.truncate((json.len() * 2 / 3).max(1));
    json
}

fn values(elements: &[Vec<u8>]) -> Vec<Value> {
    elements.iter().filter_map(|element| serde_json::from_slice(element).ok()).collect()
}

/// Every second invitation has one field of a type that the API does not promise.
fn wrong_types(elements: &[Vec<u8>]) -> impl Iterator<Item = Value> {
    let wrong = [
        ("status", json!(7)),
        ("generatedAt", json!("yesterday")),
        ("expirationTime", json!({ "seconds": 5 })),
        ("orgRoleNames", json!("org_member")),
        ("customGroupsIds", json!({})),
        ("serviceRolesDtos", json!([null, 3, { "serviceRoleNames": [1, null, "log_intelligence:user"] }])),
        ("username", json!(["a", "b"])),
        ("refLink", json!(12)),
    ];
    values(elements).into_iter().enumerate().map(move |(at, mut element)| {
        if at % 2 == 1 {
            let (field, value) = &wrong[at / 2 % wrong.len()];
            element[*field] = value.clone();
        }
        element
    })
}

/// Between the invitations there is something else.
fn no_objects(elements: &[Vec<u8>]) -> impl Iterator<Item = Value> {
    let others = [Value::Null, json!(42), json!("invitation"), json!([]), json!(true)];
    values(elements).into_iter().enumerate().flat_map(move |(at, element)| [element, others[at % others.len()].clone()])
}
