//! Refusals, in the form that the real service gives them.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// What a firewall in front of the service shows in its place.
pub(super) const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Request rejected</title></head><body>The requested URL was rejected.</body></html>\n";

/// An answer that is not what was asked for.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    status: StatusCode,
    form: Form,
    message: String,
    retry_after: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    /// The documented error body.
    Error,
    /// A page of the firewall.
    Page,
    /// Nothing: the connection is closed.
    Hangup,
}

impl Refusal {
    /// An error body with this message.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, form: Form::Error, message: message.into(), retry_after: None }
    }

    /// A firewall's page.
    pub(super) fn page(status: StatusCode) -> Self {
        Self { form: Form::Page, ..Self::new(status, "") }
    }

    /// The connection is closed without an answer.
    pub(super) fn hangup() -> Self {
        Self { form: Form::Hangup, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "") }
    }

    /// 429, with this value of `Retry-After` or without.
    pub(super) fn too_many_requests(retry_after: Option<String>) -> Self {
        Self { retry_after, ..Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests.") }
    }

    /// Whether the connection is to be closed instead of sending `response`.
    pub(super) fn hangs_up(response: &Response) -> bool {
        matches!(response.extensions().get(), Some(Self { form: Form::Hangup, .. }))
    }

    /// Writes the body of a refusal that `response` stands for; `number` is the request's.
    pub(super) fn complete(mut response: Response, request_id: &str, number: u64) -> Response {
        let Some(Self { status, form: Form::Error, message, .. }) = response.extensions().get() else {
            return response;
        };
        let status = status.as_u16();
        let mut body = json!({
            "cspErrorCode": format!("csp.error.{status}"),
            "errorCode": format!("CSP-{status}"),
            "message": message,
            // Seen in both forms.
            "moduleCode": if number.is_multiple_of(2) { json!(540) } else { json!("540") },
            "requestId": request_id,
            "statusCode": status,
        });
        if number.is_multiple_of(3) {
            body["traceId"] = request_id.into();
            body["metadata"] = serde_json::Value::Null;
        }
        *response.body_mut() = Body::from(body.to_string());
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (kind, body) = match self.form {
            Form::Page => ("text/html; charset=utf-8", PAGE),
            Form::Error | Form::Hangup => ("application/json", ""),
        };
        let mut response = (self.status, [(CONTENT_TYPE, kind)], body).into_response();
        if let Some(value) = self.retry_after.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(RETRY_AFTER, value);
        }
        response.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
        response.extensions_mut().insert(self);
        response
    }
}
