//! Forms in which other versions and installations of the service may send the same invitations.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Map, Value};

use super::dice::Dice;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Shape {
    /// As the vendor's reference describes it.
    #[default]
    Today,
    /// As a client that the vendor generated in 2020 expects it.
    Of2020,
    /// Times are seconds.
    Seconds,
    /// Times are dates.
    Rfc3339,
    /// Optional fields are null, zero, empty or not there.
    Nulls,
    /// Status words are written as the vendor's PowerShell cmdlet shows them.
    CamelCase,
    /// The list is in an object.
    Wrapped,
}

const TIMES: [&str; 4] = ["generatedAt", "redeemedAt", "revokedAt", "expirationTime"];

impl Shape {
    /// What stands in front of the first invitation.
    pub(super) fn start(self) -> &'static [u8] {
        match self {
            Self::Wrapped => b"{\"results\":[",
            _ => b"[",
        }
    }

    /// What stands behind the last of so many invitations.
    pub(super) fn end(self, count: u64) -> Vec<u8> {
        match self {
            Self::Wrapped => format!("],\"totalResults\":{count},\"nextLink\":null}}").into_bytes(),
            _ => b"]".to_vec(),
        }
    }

    /// Gives this shape to the invitation that begins at `start`; `key` is its own.
    pub(super) fn give(self, out: &mut Vec<u8>, start: usize, key: u64) {
        if matches!(self, Self::Today | Self::Wrapped) {
            return;
        }
        let Ok(Value::Object(mut invitation)) = serde_json::from_slice(&out[start..]) else { return };
        let mut dice = Dice::new(&[key, 4]);
        match self {
            Self::Today | Self::Wrapped => {}
            Self::Of2020 => {
                for key in ["orgRoleNames", "customRoles", "invitedByUsername"] {
                    invitation.remove(key);
                }
            }
            Self::Seconds => times(&mut invitation, |millis| (millis / 1000).into()),
            Self::Rfc3339 => times(&mut invitation, |millis| date(millis, &mut dice)),
            Self::Nulls => thin_out(&mut invitation, &mut dice),
            Self::CamelCase => {
                if let Some(Value::String(word)) = invitation.get_mut("status") {
                    word.get_mut(1..).into_iter().for_each(str::make_ascii_lowercase);
                }
            }
        }
        out.truncate(start);
        out.extend_from_slice(Value::Object(invitation).to_string().as_bytes());
    }
}

/// Changes each time that is set.
fn times(invitation: &mut Map<String, Value>, mut change: impl FnMut(i64) -> Value) {
    for key in TIMES {
        if let Some(time) = invitation.get_mut(key)
            && let Some(millis) = time.as_i64().filter(|millis| *millis != 0)
        {
            *time = change(millis);
        }
    }
}

/// The moment as a date, in one of the ways in which it may be written.
fn date(millis: i64, dice: &mut Dice) -> Value {
    let Ok(time) = Timestamp::from_millisecond(millis) else { return Value::Null };
    let text = format!("{time:.3}");
    Value::from(match dice.below(3) {
        0 => text.to_lowercase(),
        1 => time.display_with_offset(Offset::constant(2)).to_string(),
        _ => text,
    })
}

/// Takes some of what may be missing away, at any depth: all but the user name, which the API requires.
fn thin_out(object: &mut Map<String, Value>, dice: &mut Dice) {
    object.retain(|key, value| {
        match value {
            Value::Object(inner) => thin_out(inner, dice),
            Value::Array(items) => {
                items.iter_mut().filter_map(Value::as_object_mut).for_each(|inner| thin_out(inner, dice));
            }
            _ => {}
        }
        if key == "username" || !dice.chance(20) {
            return true;
        }
        *value = match value {
            Value::Number(_) if dice.chance(50) => 0.into(),
            Value::String(_) if dice.chance(30) => "".into(),
            Value::Array(_) if dice.chance(30) => Value::Array(Vec::new()),
            _ => Value::Null,
        };
        dice.chance(80)
    });
}
