//! Token exchanges, and what an access token is good for.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::clock::DAY;
use super::refusals::Refusal;
use super::scenario::Scenario;
use super::service::{Service, Site};
use super::tokens::Grant;

type Answer = Result<Json<Value>, Refusal>;

/// Longest body of a token exchange, in bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// As the real service does it, the message ends with the tail of the token: nobody may log it.
fn wrong_token(status: StatusCode, token: &str) -> Refusal {
    let tail: Vec<char> = token.chars().rev().take(8).collect();
    let tail: String = tail.into_iter().rev().collect();
    Refusal::new(status, format!("invalid_grant: the API token is invalid, expired or revoked: ...{tail}"))
}

async fn split(request: Request<Body>) -> Result<(Parts, Vec<u8>), Refusal> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LONGEST_BODY).await;
    let body = body.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "The body cannot be read."))?;
    Ok((parts, body.to_vec()))
}

fn field(form: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// `POST …/auth/api-tokens/authorize`: an API token for an access token.
pub(super) async fn exchange_api_token(State(service): State<Arc<Service>>, request: Request<Body>) -> Answer {
    let (parts, form) = split(request).await?;
    let token = field(&form, "api_token").or_else(|| field(&form, "refresh_token"));
    let site = token.as_deref().and_then(|token| service.site_of_token(token));
    let scenario = service.enter("token", site, &parts).await?;
    let token = token.ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "api_token is missing."))?;
    let Some(site) = site.filter(|_| scenario != Scenario::CredentialsRevoked) else {
        return Err(wrong_token(StatusCode::BAD_REQUEST, &token));
    };
    let lifetime = service.settings.read().token_lifetime;
    let access_token = service.access.issue(Grant::User(site.index), lifetime);
    Ok(Json(json!({
        "id_token": null,
        "token_type": "bearer",
        "expires_in": lifetime.as_secs(),
        "scope": "ALL_PERMISSIONS openid customer_number",
        "access_token": access_token,
        "refresh_token": token,
    })))
}

/// `POST …/auth/token` and `…/auth/authorize`: an OAuth app's credentials for an access token.
pub(super) async fn exchange_client_credentials(State(service): State<Arc<Service>>, request: Request<Body>) -> Answer {
    let (parts, form) = split(request).await?;
    let organization = field(&form, "orgId");
    let site = organization.as_deref().and_then(|id| service.site(id));
    let scenario = service.enter("token", site, &parts).await?;
    if field(&form, "grant_type").as_deref() != Some("client_credentials") {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "grant_type must be client_credentials."));
    }
    let wanted = format!("{}:{}", service.client_id, service.client_secret);
    let given = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, value) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(value.trim()).ok()).flatten()
    });
    if given.as_deref() != Some(wanted.as_bytes()) || scenario == Scenario::CredentialsRevoked {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "invalid_client: unknown client or wrong secret."));
    }
    let lifetime = service.settings.read().token_lifetime;
    let access_token = service.access.issue(Grant::App(organization), lifetime);
    Ok(Json(json!({
        "access_token": access_token,
        "token_type": "bearer",
        "expires_in": lifetime.as_secs(),
        "refresh_token": null,
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    token_value: String,
}

/// `POST …/auth/api-tokens/details`: when an API token runs out.
pub(super) async fn details(State(service): State<Arc<Service>>, request: Request<Body>) -> Answer {
    let (parts, body) = split(request).await?;
    let token = serde_json::from_slice(&body).ok().map(|Details { token_value }| token_value);
    let site = token.as_deref().and_then(|token| service.site_of_token(token));
    let scenario = service.enter("token_details", site, &parts).await?;
    let token = token.ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "tokenValue is missing."))?;
    let Some(site) = site.filter(|_| scenario != Scenario::CredentialsRevoked) else {
        return Err(wrong_token(StatusCode::NOT_FOUND, &token));
    };
    // Some are about to run out, so that a dashboard has something to warn of.
    let days = [120, 60, 5, 13, 170][site.index % 5];
    let started = service.clock.started();
    Ok(Json(json!({
        "tokenValue": token,
        "orgId": site.facts.id,
        "username": "admin@example.com",
        "tokenName": "exporter",
        "generatedAt": started - 10 * DAY,
        "expiresAt": started / 1000 + days * 86_400,
        "lastUsedAt": null,
    })))
}

/// What the request's access token is good for, else 401.
pub(super) fn grant(service: &Service, headers: &HeaderMap, scenario: Scenario) -> Result<Grant, Refusal> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let token = bearer.or_else(|| headers.get("csp-auth-token").and_then(|value| value.to_str().ok()));
    token
        .filter(|_| scenario != Scenario::CredentialsRevoked)
        .and_then(|token| service.access.grant(token))
        .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "The access token is missing, unknown or expired."))
}

/// The organization `id`, if the request's access token counts in it: else 401, 404 or 403.
pub(super) async fn site<'a>(
    service: &'a Service,
    operation: &'static str,
    id: &str,
    parts: &Parts,
) -> Result<(&'a Site, Scenario), Refusal> {
    let site = service.site(id);
    let scenario = service.enter(operation, site, parts).await?;
    let grant = grant(service, &parts.headers, scenario)?;
    let site = site.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "There is no such organization."))?;
    let counts = match grant {
        Grant::User(index) => index == site.index,
        Grant::App(organization) => organization.is_none_or(|organization| organization == site.facts.id),
    };
    if counts {
        Ok((site, scenario))
    } else {
        Err(Refusal::new(StatusCode::FORBIDDEN, "The caller has no role in this organization."))
    }
}
