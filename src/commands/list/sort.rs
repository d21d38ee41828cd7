//! In which order invitations are listed.

use invitations::Millis;
use invitations::census::Invitation;

use crate::cli::Sort;

/// Sorts rows; what the key does not decide, organization and name do.
pub(super) fn rows(rows: &mut [super::Row], by: Sort) {
    let last = |time: Option<Millis>| (time.is_none(), time);
    rows.sort_by(|a, b| {
        let (one, other) = (&a.invitation, &b.invitation);
        let name = || {
            let person = |invitation: &Invitation| invitation.username.as_ref().map(|name| name.to_lowercase());
            (person(one).is_none(), person(one), &a.organization).cmp(&(
                person(other).is_none(),
                person(other),
                &b.organization,
            ))
        };
        match by {
            Sort::Expires => last(one.expires).cmp(&last(other.expires)).then_with(name),
            Sort::Generated => last(one.generated).cmp(&last(other.generated)).then_with(name),
            Sort::Username => name().then_with(|| last(one.expires).cmp(&last(other.expires))),
        }
    });
}
