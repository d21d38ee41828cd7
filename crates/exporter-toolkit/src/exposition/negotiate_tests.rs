use super::*;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[test]
fn each_accept_header_gets_the_format_that_a_client_library_would_send() {
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let table = [
        (None, TEXT.to_owned()),
        (Some(""), TEXT.to_owned()),
        (Some("*/*"), TEXT.to_owned()),
        (Some("text/*"), TEXT.to_owned()),
        (Some("text/plain"), TEXT.to_owned()),
        (Some("text/html,application/xhtml+xml,*/*;q=0.8"), TEXT.to_owned()),
        (Some("image/png"), TEXT.to_owned()),
        (Some("text/plain;version=9"), TEXT.to_owned()),
        (
            Some(
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            ),
            OPENMETRICS.to_owned(),
        ),
        (
            Some(
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            ),
            OPENMETRICS.to_owned(),
        ),
        (
            Some(
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            ),
            format!("{OPENMETRICS}; escaping=allow-utf-8"),
        ),
        (
            Some("application/openmetrics-text;version=0.0.1"),
            "application/openmetrics-text; version=0.0.1; charset=utf-8".to_owned(),
        ),
        (Some("application/openmetrics-text; version=1.0.0; q=0, */*"), TEXT.to_owned()),
        (Some("text/plain;version=0.0.4;q=0.3, application/openmetrics-text;q=0.4"), OPENMETRICS.to_owned()),
        (Some("text/plain;version=0.0.4, application/openmetrics-text"), TEXT.to_owned()),
        (
            Some("text/plain;version=1.0.0;escaping=underscores"),
            "text/plain; version=1.0.0; charset=utf-8; escaping=underscores".to_owned(),
        ),
        (Some("text/plain;version=1.0.0;escaping=mystery"), "text/plain; version=1.0.0; charset=utf-8".to_owned()),
        (Some(protobuf), protobuf.replace(';', "; ")),
        (
            Some("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text"),
            TEXT.to_owned(),
        ),
        (Some("application/vnd.google.protobuf"), TEXT.to_owned()),
        (Some("application/openmetrics-text;q=nonsense,text/plain;q=0.1"), TEXT.to_owned()),
    ];
    for (accept, expected) in table {
        assert_eq!(format(accept).1, expected, "for {accept:?}");
    }
}

#[test]
fn gzip_is_used_only_where_it_is_wanted() {
    for wanted in ["gzip", "GZIP", "gzip;q=0.5, deflate", "*", "gzip, identity;q=0.5", "br, *;q=0.1", "gzip;q=1.0"] {
        assert!(gzip(Some(wanted)), "{wanted}");
    }
    for unwanted in ["", "identity", "gzip;q=0", "gzip;q=0, *", "deflate", "identity, gzip;q=0.5", "*;q=0", "gzip;q=x"]
    {
        assert!(!gzip(Some(unwanted)), "{unwanted}");
    }
    assert!(!gzip(None));
}
