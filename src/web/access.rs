//! stub
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use http::HeaderMap;

use super::config::WebConfig;

#[derive(Debug)]
pub struct Access {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal { Misconfigured, TooManyRequests, Unauthorized, Busy }

impl Access {
    pub fn load(_path: Option<&Path>) -> Result<Arc<Self>, std::io::Error> { Ok(Self::open()) }
    pub fn open() -> Arc<Self> { Arc::new(Self {}) }
    pub fn tls_enabled(&self) -> bool { false }
    pub(super) async fn admit(&self, _headers: &HeaderMap, _peer: Option<IpAddr>) -> (Option<Arc<WebConfig>>, Result<(), Refusal>) { (None, Ok(())) }
    pub(super) async fn tls_config(&self) -> std::io::Result<Arc<rustls::ServerConfig>> { Err(std::io::Error::other("stub")) }
}
