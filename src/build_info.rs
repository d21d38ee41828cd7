//! Which build this is.

/// The version of the package.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The revision of the source; `unknown` when built outside of a repository and without `CSP_EXPORTER_REVISION`.
pub(crate) const REVISION: &str = env!("BUILD_REVISION");
/// The compiler's version.
pub(crate) const RUST_VERSION: &str = env!("BUILD_RUST_VERSION");
/// What `--version` shows behind the name.
pub(crate) const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("BUILD_REVISION"),
    ", rust ",
    env!("BUILD_RUST_VERSION"),
    ")"
);
