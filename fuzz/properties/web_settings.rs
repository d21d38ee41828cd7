//! A web configuration is read or refused, and the same again.

pub(crate) fn holds(bytes: &[u8]) {
    exporter_toolkit::web::fuzzing::web_configuration(bytes);
}
