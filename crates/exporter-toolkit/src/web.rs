//! The HTTP side: scrapes, health, reload and pages of the application, and who may see them.
//!
//! It sees the application through [`Application`] and its [`Page`]s alone. A request passes, from
//! the outside in: the connection's limits ([`Limits`]), the rate limit, authentication ([`Access`]),
//! and only then the routes. What is refused outside never reaches a route, whether it exists or not.
//!
//! ```no_run
//! # async fn start(exporter: std::sync::Arc<dyn exporter_toolkit::web::Application>) -> Result<(), Box<dyn std::error::Error>> {
//! use exporter_toolkit::web::{Access, Settings, Web, listen};
//!
//! let access = Access::load(None).await?;
//! let listeners = listen::bind(&[":10094".parse()?]).await?;
//! let shutdown = tokio_util::sync::CancellationToken::new();
//! Web::new(exporter, access, Settings::default(), Vec::new()).serve(listeners, shutdown).await;
//! # Ok(())
//! # }
//! ```

mod access;
mod auth;
mod config;
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod in_flight;
pub mod listen;
mod reload;
pub mod response;
mod routes;
mod scrape;
mod server;
mod tls;

use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use access::Access;
pub use server::{Drained, Limits};

use crate::exposition::Scrape;
use routes::Handlers;

/// What the web side asks of the application: an exporter.
pub trait Application: Send + Sync + 'static {
    /// One exposition of one moment, in the format and encoding that the request's headers ask for.
    ///
    /// May take long on the CPU: it is called on a thread for blocking work.
    fn scrape(&self, accept: Option<&str>, accept_encoding: Option<&str>) -> Scrape;

    /// What [`Application::scrape`] would answer, when it is at hand: must return at once.
    fn cached_scrape(&self, accept: Option<&str>, accept_encoding: Option<&str>) -> Option<Scrape> {
        let _ = (accept, accept_encoding);
        None
    }

    /// Liveness.
    ///
    /// # Errors
    /// Why the process should be restarted, in words.
    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    /// Readiness.
    ///
    /// # Errors
    /// What is still missing, in words.
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    /// Reads the configuration again and applies it as a whole.
    ///
    /// The future is always driven to its end, also when the client goes away.
    ///
    /// # Errors
    /// What is wrong with the configuration, in words that are safe to show; nothing was changed.
    fn reload(&self) -> BoxFuture<'_, Result<(), String>>;

    /// Counts an answered request; `handler` is one of a closed set of names.
    fn count_request(&self, handler: &'static str, status: u16) {
        let _ = (handler, status);
    }
}

/// A page of the application, beside those that every exporter has. It answers GET, and with it HEAD.
#[derive(Debug, Clone)]
pub struct Page {
    /// Absolute, literal, and not that of another page.
    pub path: &'static str,
    /// What [`Application::count_request`] calls it.
    pub handler: &'static str,
    /// What answers.
    pub route: MethodRouter,
}

/// What can be chosen on the command line.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where scrapes are answered.
    pub telemetry_path: TelemetryPath,
    /// Scrapes that are answered at once, further ones with 503; 0 is no limit.
    pub max_requests: usize,
    /// Times and numbers that keep peers from harming each other.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self { telemetry_path: TelemetryPath::default(), max_requests: 40, limits: Limits::default() }
    }
}

/// The path of `--web.telemetry-path`: absolute, literal, and not that of another route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryPath(String);

impl TelemetryPath {
    /// The path, with its leading slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TelemetryPath {
    fn default() -> Self {
        Self("/metrics".to_owned())
    }
}

impl FromStr for TelemetryPath {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        if !path.starts_with('/') {
            return Err("must start with a slash".to_owned());
        }
        let literal = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
        if !path.bytes().all(literal) {
            return Err("may consist of letters, digits and / - . _ ~ only".to_owned());
        }
        if routes::is_reserved(path) {
            return Err("is the path of another page".to_owned());
        }
        Ok(Self(path.to_owned()))
    }
}

/// The exporter's pages behind its access rules, ready to be served.
#[derive(Debug)]
pub struct Web {
    app: Router,
    access: Arc<Access>,
    limits: Limits,
}

impl Web {
    /// Puts `application`, and its pages, behind `access`.
    ///
    /// # Panics
    /// Two pages have the same path.
    #[must_use]
    pub fn new(application: Arc<dyn Application>, access: Arc<Access>, settings: Settings, pages: Vec<Page>) -> Self {
        let Settings { telemetry_path, max_requests, limits } = settings;
        let handlers = Handlers::of(&telemetry_path, &pages);
        let pages = routes::pages(&application, &telemetry_path, max_requests, limits, pages);
        let app = guard::wrap(pages, application, Arc::clone(&access), handlers);
        Self { app, access, limits }
    }

    /// Serves until `shutdown`, then drains: nothing new is accepted, idle connections are closed at
    /// once, and requests under way get [`Limits::drain`] to finish.
    pub async fn serve(&self, listeners: Vec<TcpListener>, shutdown: CancellationToken) -> Drained {
        let tls = self.access.tls_enabled().then(|| Arc::clone(&self.access));
        server::serve(listeners, self.app.clone(), tls, self.limits, shutdown).await
    }
}

/// Serves the health pages and nothing else: plain HTTP, no authentication, for probes that have no credentials.
///
/// Drains as [`Web::serve`] does.
pub async fn serve_probes(
    application: Arc<dyn Application>,
    listeners: Vec<TcpListener>,
    limits: Limits,
    shutdown: CancellationToken,
) -> Drained {
    let app = guard::wrap(routes::probes(&application), application, Access::open(), Handlers::default());
    // A share of its own, so that neither listener can use up the other's.
    let limits = Limits { connections: limits.connections.min(256), ..limits };
    server::serve(listeners, app, None, limits, shutdown).await
}
