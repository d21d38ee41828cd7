//! The second listener, which changes the simulator while it runs and outlives every outage.
//!
//! | path | does |
//! |---|---|
//! | `GET`, `PUT /scenario` | the scenario for everybody, as a word |
//! | `GET /organizations` | ids and display names |
//! | `GET`, `PUT`, `DELETE /organizations/{id}/scenario` | the scenario of one organization; without, that of everybody counts |
//! | `PUT`, `DELETE /organizations/{id}/invitations` | bytes to serve as the list, as they are |
//! | `PUT /organizations/{id}/display-name` | the display name, as text |
//! | `PUT /latency` | a pause before each answer, in milliseconds |
//! | `PUT /token-lifetime` | of access tokens to come, in seconds |
//! | `DELETE /access-tokens` | makes every access token worthless |
//! | `POST /advance` | jumps ahead in simulated time, by seconds |
//! | `GET`, `DELETE /requests` | what was asked, without secrets |

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};

use super::requests::Requests;
use super::scenario::{Scenario, UnknownScenario};
use super::service::{Service, Site};

type Shared = State<Arc<Service>>;
type Done = Result<StatusCode, (StatusCode, String)>;

const DONE: Done = Ok(StatusCode::NO_CONTENT);

/// Every path of the control endpoint.
pub(super) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/scenario", get(scenario).put(set_scenario))
        .route("/organizations", get(organizations))
        .route(
            "/organizations/{id}/scenario",
            get(organization_scenario).put(set_organization_scenario).delete(unset_organization_scenario),
        )
        .route("/organizations/{id}/invitations", put(set_invitations).delete(unset_invitations))
        .route("/organizations/{id}/display-name", put(set_display_name))
        .route("/latency", put(set_latency))
        .route("/token-lifetime", put(set_token_lifetime))
        .route("/access-tokens", delete(revoke_access_tokens))
        .route("/advance", post(advance))
        .route("/requests", get(requests).delete(reset_requests))
        .layer(DefaultBodyLimit::disable())
        .with_state(service)
}

fn parse(word: &str) -> Result<Scenario, (StatusCode, String)> {
    word.trim().parse().map_err(|error: UnknownScenario| (StatusCode::BAD_REQUEST, format!("{error}\n")))
}

fn number(text: &str, unit: &str) -> Result<u64, (StatusCode, String)> {
    text.trim().parse().map_err(|_| (StatusCode::BAD_REQUEST, format!("wanted a whole number of {unit}\n")))
}

fn site<'a>(service: &'a Service, id: &str) -> Result<&'a Site, (StatusCode, String)> {
    service.site(id).ok_or_else(|| (StatusCode::NOT_FOUND, "no organization has this id\n".to_owned()))
}

async fn scenario(State(service): Shared) -> String {
    format!("{}\n", service.active(None).scenario)
}

async fn set_scenario(State(service): Shared, word: String) -> Done {
    service.set_scenario(parse(&word)?);
    DONE
}

async fn organizations(State(service): Shared) -> Json<Value> {
    let all = service.sites.iter().map(|site| json!({ "id": site.facts.id, "displayName": *site.display_name.read() }));
    Json(all.collect())
}

async fn organization_scenario(State(service): Shared, Path(id): Path<String>) -> Result<String, (StatusCode, String)> {
    Ok(format!("{}\n", service.active(Some(site(&service, &id)?)).scenario))
}

async fn set_organization_scenario(State(service): Shared, Path(id): Path<String>, word: String) -> Done {
    site(&service, &id)?.set_scenario(Some(parse(&word)?));
    DONE
}

async fn unset_organization_scenario(State(service): Shared, Path(id): Path<String>) -> Done {
    site(&service, &id)?.set_scenario(None);
    DONE
}

async fn set_invitations(State(service): Shared, Path(id): Path<String>, body: Bytes) -> Done {
    *site(&service, &id)?.invitations.write() = Some(body);
    DONE
}

async fn unset_invitations(State(service): Shared, Path(id): Path<String>) -> Done {
    *site(&service, &id)?.invitations.write() = None;
    DONE
}

async fn set_display_name(State(service): Shared, Path(id): Path<String>, name: String) -> Done {
    *site(&service, &id)?.display_name.write() = name;
    DONE
}

async fn set_latency(State(service): Shared, text: String) -> Done {
    service.settings.write().latency = Duration::from_millis(number(&text, "milliseconds")?);
    DONE
}

async fn set_token_lifetime(State(service): Shared, text: String) -> Done {
    service.settings.write().token_lifetime = Duration::from_secs(number(&text, "seconds")?);
    DONE
}

async fn revoke_access_tokens(State(service): Shared) -> Done {
    service.access.revoke();
    DONE
}

async fn advance(State(service): Shared, text: String) -> Done {
    service.clock.skip(Duration::from_secs(number(&text, "seconds")?));
    DONE
}

async fn requests(State(service): Shared) -> Json<Requests> {
    Json(service.recorder.requests())
}

async fn reset_requests(State(service): Shared) -> Done {
    service.recorder.reset();
    DONE
}
