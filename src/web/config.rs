//! stub
#[derive(Debug)]
pub struct WebConfig { pub headers: Vec<(http::HeaderName, http::HeaderValue)> }
