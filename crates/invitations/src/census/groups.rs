//! The groups of a list and what is known of each.

use std::borrow::Cow;

use super::element::{Element, Group};
use super::intern::Interner;
use super::text::{Gate, Sent};
use crate::settings::Filter;

/// Every group of a list: one name, type and domain per id.
#[derive(Debug, Default)]
pub(super) struct Groups {
    ids: Interner,
    expansions: Vec<Expansion>,
    text: usize,
}

/// What the expansions of one group say.
#[derive(Debug, Default)]
struct Expansion {
    /// Whether it came expanded at all.
    expanded: bool,
    /// Whether the filter lets the id pass, as the service sent it.
    is_allowed: bool,
    display_name: Smallest,
    group_type: Smallest,
    domain: Smallest,
}

/// The smallest text that was said, as the gate left it.
#[derive(Debug, Default)]
struct Smallest {
    text: String,
    /// Whether the service sent it like this, too.
    is_plain: bool,
    /// Whether the filter lets pass what the service sent.
    is_allowed: bool,
}

impl Smallest {
    /// Takes in another text. Returns the bytes that were stored.
    fn take(&mut self, sent: Sent<'_>, gate: &mut Gate, allows: impl FnOnce(&str) -> bool) -> usize {
        if self.is_plain && sent.is_short() && sent.text == self.text {
            return 0;
        }
        let clean = gate.pass(sent);
        let is_plain = matches!(clean, Cow::Borrowed(_));
        if self.text.is_empty() || *clean < *self.text {
            let is_allowed = allows(sent.text);
            *self = Self { text: clean.into_owned(), is_plain, is_allowed };
            self.text.len()
        } else {
            if *clean == *self.text {
                self.is_plain |= is_plain;
                self.is_allowed |= allows(sent.text);
            }
            0
        }
    }
}

impl Groups {
    /// The number of a group.
    pub(super) fn number(&mut self, id: Sent<'_>, gate: &mut Gate, filter: &Filter) -> u32 {
        if let Some(number) = self.ids.find(id) {
            return number;
        }
        let clean = gate.pass(id);
        let number = self.ids.add(&clean, matches!(clean, Cow::Borrowed(_)), true);
        if self.expansions.len() < self.ids.len() {
            self.expansions.push(Expansion::default());
        }
        self.expansions[number as usize].is_allowed |= filter.allows(id.text);
        number
    }

    /// The number of a group that came expanded; takes in what its expansion says.
    pub(super) fn expanded(
        &mut self,
        id: Sent<'_>,
        group: &Group,
        element: &Element,
        gate: &mut Gate,
        filter: &Filter,
    ) -> u32 {
        let number = self.number(id, gate, filter);
        let expansion = &mut self.expansions[number as usize];
        expansion.expanded = true;
        if let Some(name) = element.sent(group.display_name) {
            self.text += expansion.display_name.take(name, gate, |name| filter.allows(name));
        }
        for (smallest, field) in [(&mut expansion.group_type, group.kind), (&mut expansion.domain, group.domain)] {
            if let Some(said) = element.sent(field) {
                self.text += smallest.take(said, gate, |_| true);
            }
        }
        number
    }

    /// How many distinct groups there are.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The id behind a number.
    pub(super) fn id(&self, number: u32) -> &str {
        self.ids.get(number)
    }

    /// The name to show: the display name, else the id.
    pub(super) fn name(&self, number: u32) -> &str {
        match self.expansions[number as usize].display_name.text.as_str() {
            "" => self.id(number),
            name => name,
        }
    }

    /// Whether the filter lets the display name pass, else the id.
    pub(super) fn is_allowed(&self, number: u32) -> bool {
        let Expansion { display_name, is_allowed, .. } = &self.expansions[number as usize];
        if display_name.text.is_empty() { *is_allowed } else { display_name.is_allowed }
    }

    /// Type and domain of a group that came expanded; empty when unknown.
    pub(super) fn expansion(&self, number: u32) -> Option<(&str, &str)> {
        let Expansion { expanded, group_type, domain, .. } = &self.expansions[number as usize];
        expanded.then_some((&*group_type.text, &*domain.text))
    }

    /// Bytes in use, roughly.
    pub(super) fn footprint(&self) -> usize {
        self.ids.footprint() + self.expansions.len() * size_of::<Expansion>() + self.text
    }
}
