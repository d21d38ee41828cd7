//! A list is read the same however it is cut into pieces, and counted as the naive reference counts it.

use std::sync::{Arc, LazyLock};

use invitations::Millis;
use invitations::census::{CensusBuilder, Criteria, ListError, View};
use invitations::settings::{Filter, Metrics};
use serde_json::Value;

use crate::observed::observed;
use crate::reference;

const NOW: i64 = 1_795_000_000_000;

static SETTINGS: LazyLock<Metrics> = LazyLock::new(|| {
    let filter = |allow: &str| Filter { allow: vec![regex::Regex::new(allow).expect("a pattern")], deny: Vec::new() };
    Metrics {
        max_roles: 3,
        max_groups: 2,
        max_pairs: 4,
        roles: filter("^(?s:.*)$"),
        groups: filter("^[^x]*$"),
        joint: true,
        privileged_roles: vec!["org_owner".into()],
        trusted_domains: Some(vec!["example.com".into(), "*.example.org".into()]),
    }
});

fn count_list<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> Result<View, ListError> {
    let mut builder = CensusBuilder::new(Arc::new(Criteria::new(&SETTINGS)), Millis(NOW));
    for piece in pieces {
        builder.write(piece)?;
    }
    Ok(builder.finish()?.census().view)
}

/// The first byte says how long the pieces are.
pub(crate) fn holds(bytes: &[u8]) {
    let Some((&size, body)) = bytes.split_first() else { return };
    let whole = count_list(std::iter::once(body));
    let pieces = count_list(body.chunks(usize::from(size) + 1));
    assert_eq!(whole.is_ok(), pieces.is_ok(), "{whole:?} as a whole, {pieces:?} in pieces");
    let (Ok(whole), Ok(pieces)) = (&whole, &pieces) else {
        let refused = matches!(whole, Err(ListError::TooVaried));
        assert!(refused || serde_json::from_slice::<Vec<Value>>(body).is_err(), "{whole:?}, and it is a list");
        return;
    };
    let (whole, pieces) = (observed(whole), observed(pieces));
    assert_eq!(whole, pieces);
    // Where serde_json reads less (lone surrogates, deep nesting, numbers beyond f64), there is nothing to compare with.
    if let Ok(list) = serde_json::from_slice::<Vec<Value>>(body) {
        assert_eq!(whole, reference::count(&list, &SETTINGS, NOW));
    }
}
