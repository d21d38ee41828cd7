//! What can be read of an organization: its details, its invitations, its groups.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::auth;
use super::life::Life;
use super::list::{self, List, Query};
use super::malformed;
use super::refusals::Refusal;
use super::render;
use super::scenario::Scenario;
use super::service::{Service, Site};
use super::tokens::Grant;

type Answer = Result<Json<Value>, Refusal>;

fn parameters(parts: &Parts) -> impl Iterator<Item = (String, String)> {
    let query = parts.uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).map(|(key, value)| (key.into_owned(), value.into_owned()))
}

/// `expand` counts by its presence, whatever its value; `expandCustomGroups` is a real boolean.
fn query(parts: &Parts) -> Result<Query, Refusal> {
    let mut query = Query::default();
    for (key, value) in parameters(parts) {
        match (key.as_str(), value.as_str()) {
            ("expand", _) => query.expand.roles = true,
            ("expandCustomGroups", "true") => query.expand.groups = true,
            ("expandCustomGroups", "false" | "") => query.expand.groups = false,
            ("expandCustomGroups", _) => {
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "expandCustomGroups must be true or false."));
            }
            ("customGroupId", _) => query.group = Some(value).filter(|group| !group.is_empty()),
            _ => {}
        }
    }
    Ok(query)
}

fn wants_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = quality.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// `GET …/orgs/{id}/invitations`: a bare array.
pub(super) async fn invitations(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let (site, scenario) = auth::site(&service, "invitations", &id, &parts).await?;
    let mut query = query(&parts)?;
    query.shape = scenario.shape();
    if scenario == Scenario::Large {
        query.exactly = Some(service.options.large_invitations as u64);
    }
    let list = || List::new(service.population(site), service.clock.now(), &query);
    if scenario == Scenario::Malformed {
        return Ok(malformed::answer(list(), service.turn(Some(site))));
    }
    let gzip = wants_gzip(&parts.headers);
    let explicit = site.invitations.read().clone();
    let body = match explicit {
        Some(explicit) => {
            let carried = query.group.as_deref().map_or(explicit.clone(), |group| list::carrying(&explicit, group));
            if gzip { list::body(std::iter::once(carried.to_vec()), gzip) } else { Body::from(carried) }
        }
        None => list::body(list(), gzip),
    };
    let mut response = ([(CONTENT_TYPE, "application/json")], body).into_response();
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// `GET …/orgs/{id}/invitations/{invitationId}`.
pub(super) async fn invitation(
    State(service): State<Arc<Service>>,
    Path((id, invitation)): Path<(String, String)>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let (site, scenario) = auth::site(&service, "invitation", &id, &parts).await?;
    let Query { expand, .. } = query(&parts)?;
    let (population, moment) = (service.population(site), service.clock.now());
    let lives = (0..population.slots).filter_map(|slot| Life::shown(&population, slot, moment.simulated, false));
    let found = lives.into_iter().find(|life| {
        let mut id = Vec::with_capacity(36);
        life.write_id(&mut id);
        id == invitation.as_bytes()
    });
    let life = found.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "There is no such invitation."))?;
    let mut body = Vec::new();
    render::invitation(&mut body, &population, &life, moment, expand);
    scenario.shape().give(&mut body, 0, life.key);
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

fn description(site: &Site) -> Value {
    json!({
        "name": format!("{}{:03}", &site.facts.id[..5], site.index),
        "displayName": *site.display_name.read(),
        "refLink": format!("/csp/gateway/am/api/orgs/{}", site.facts.id),
        "parentRefLink": null,
        "domain": null,
        "metadata": null,
        "tags": [],
    })
}

/// `GET …/orgs/{id}`.
pub(super) async fn organization(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Answer {
    let (parts, _) = request.into_parts();
    let (site, _) = auth::site(&service, "organization", &id, &parts).await?;
    Ok(Json(description(site)))
}

/// One page of `all`, as `pageStart` (from 1) and `pageLimit` ask for it.
fn page(parts: &Parts, all: Vec<Value>) -> Json<Value> {
    let number = |wanted: &str, default: usize| {
        parameters(parts).find(|(key, _)| key == wanted).and_then(|(_, value)| value.parse().ok()).unwrap_or(default)
    };
    let (start, limit) = (number("pageStart", 1).max(1), number("pageLimit", 200).clamp(1, 200));
    let total = all.len();
    let results: Vec<_> = all.into_iter().skip(start - 1).take(limit).collect();
    let next = start.saturating_add(results.len());
    let link = format!("{}?pageStart={next}&pageLimit={limit}", parts.uri.path());
    Json(json!({
        "results": results,
        "totalResults": total,
        "nextLink": if next <= total { Value::from(link) } else { Value::Null },
    }))
}

/// `GET …/orgs/{id}/groups`.
pub(super) async fn groups(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Answer {
    let (parts, _) = request.into_parts();
    let (site, _) = auth::site(&service, "groups", &id, &parts).await?;
    let population = service.population(site);
    let groups = population.groups.iter().filter_map(|group| serde_json::from_slice(&group.expanded).ok());
    Ok(page(&parts, groups.collect()))
}

/// `GET …/v2/loggedin/user/orgs`: of user accounts alone. Lists the neighbour too, in which the caller has no role.
pub(super) async fn user_organizations(State(service): State<Arc<Service>>, request: Request<Body>) -> Answer {
    let (parts, _) = request.into_parts();
    let scenario = service.enter("user_organizations", None, &parts).await?;
    match auth::grant(&service, &parts.headers, scenario)? {
        Grant::App(_) => Err(Refusal::new(StatusCode::FORBIDDEN, "Service accounts cannot call this.")),
        Grant::User(index) => Ok(page(&parts, service.sites.iter().skip(index).take(2).map(description).collect())),
    }
}
