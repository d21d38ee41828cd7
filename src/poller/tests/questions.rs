//! When names and expirations are asked for.
