//! Lists of any length, made from a short one.

/// An endless list: a real one over and over, each time with other references and other people.
pub(crate) struct Stream {
    elements: Vec<u8>,
    /// Where a reference or a user name begins, as often as there are invitations.
    places: Vec<usize>,
    round: usize,
}

impl Stream {
    /// Digits that tell the rounds apart.
    const DIGITS: usize = 8;

    pub(crate) fn of(list: &[u8]) -> Self {
        let mut elements = list[1..list.len() - 1].to_vec();
        elements.push(b',');
        let text = std::str::from_utf8(&elements).expect("a list is text");
        let ends = |key: &str| text.match_indices(key).map(|(at, _)| at + key.len()).collect::<Vec<_>>();
        let mut places: Vec<usize> = ends("\"refLink\":\"");
        for place in &mut places {
            let length = text[*place..].find('"').expect("the end of a reference");
            *place += length - Self::DIGITS;
        }
        places.extend(ends("{\"username\":\""));
        Self { elements, places, round: 0 }
    }

    pub(crate) fn invitations(&self) -> usize {
        self.places.len() / 2
    }

    /// The next round of elements, with a comma behind the last.
    pub(crate) fn next_round(&mut self) -> &[u8] {
        self.round += 1;
        for place in &self.places {
            let mut round = self.round;
            for digit in self.elements[*place..*place + Self::DIGITS].iter_mut().rev() {
                *digit = b"0123456789"[round % 10];
                round /= 10;
            }
        }
        &self.elements
    }
}
