//! Header fields, and which of them end at this hop.

/// The most bytes of a head, and of a trailer section.
pub const MAX_HEAD: usize = 64 * 1024;
/// The most fields of a head.
pub const MAX_FIELDS: usize = 256;

/// One header field.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// The name as it was written: a token (RFC 9110 §5.6.2).
    pub name: String,
    /// The value: no control characters but the tab, no space at either end.
    pub value: Vec<u8>,
}

/// Values may be credentials: only the name is shown.
impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} bytes", self.name, self.value.len())
    }
}

/// Why bytes are no header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadField {
    /// The name is not a token.
    #[error("the name of a header field is no token")]
    Name,
    /// The value holds a control character.
    #[error("the value of a header field holds a control character")]
    Value,
    /// A line without a colon.
    #[error("a header line has no colon")]
    Colon,
    /// A line that continues the one before it (RFC 9112 §5.2).
    #[error("a header line is folded")]
    Folded,
    /// There are more than [`MAX_FIELDS`].
    #[error("there are more than {MAX_FIELDS} header fields")]
    Many,
    /// They are longer than [`MAX_HEAD`] together.
    #[error("the header fields are longer than {MAX_HEAD} bytes")]
    Long,
}

impl Field {
    /// A field, if it is one.
    ///
    /// # Errors
    /// The name is no token, or the value holds what no value may hold.
    pub fn new(name: &[u8], value: &[u8]) -> Result<Field, BadField> {
        let named = std::str::from_utf8(name).ok().filter(|_| is_token(name));
        let value = trimmed(value);
        if !value.iter().all(|b| *b == b'\t' || (*b >= 0x20 && *b != 0x7f)) {
            return Err(BadField::Value);
        }
        Ok(Field {
            name: named.ok_or(BadField::Name)?.to_owned(),
            value: value.to_vec(),
        })
    }

    /// Whether it is the field of this name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// A token (RFC 9110 §5.6.2): what methods and names of fields are.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !bytes.is_empty() && bytes.iter().all(allowed)
}

fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Header fields in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fields(Vec<Field>);

/// Fields that speak of the connection and end here (RFC 9110 §7.6.1, RFC 9112), whether `Connection`
/// names them or not. `Proxy-Authorization` was for us.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "te",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Fields that a trailer section must not bring along (RFC 9110 §6.5.1): framing, routing, credentials.
const NOT_IN_TRAILERS: &[&str] = &[
    "authorization",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "host",
    "set-cookie",
];

impl Fields {
    /// Adds a field at the end.
    ///
    /// # Errors
    /// There are too many.
    pub fn push(&mut self, field: Field) -> Result<(), BadField> {
        if self.0.len() >= MAX_FIELDS {
            return Err(BadField::Many);
        }
        self.0.push(field);
        Ok(())
    }

    /// Each field.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All values of a field.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |f| f.is(name))
            .map(|f| f.value.as_slice())
    }

    /// Removes every field of a name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|f| !f.is(name));
    }

    /// Sets a field to one value: where it stood first, else at the end.
    pub fn set(&mut self, field: Field) {
        match self.0.iter().position(|f| f.is(&field.name)) {
            Some(at) => {
                let name = field.name.clone();
                self.0[at] = field;
                let mut seen = 0;
                self.0.retain(|f| {
                    seen += usize::from(f.is(&name));
                    !f.is(&name) || seen == 1
                });
            }
            None => self.0.push(field),
        }
    }

    /// The members of a list-valued field, in lower case (RFC 9110 §5.6.1).
    pub fn members(&self, name: &str) -> Vec<String> {
        let members = |value: &[u8]| {
            let text = String::from_utf8_lossy(value).to_ascii_lowercase();
            let all: Vec<String> = text.split(',').map(|m| m.trim().to_owned()).collect();
            all
        };
        let all = self.values(name).flat_map(members);
        all.filter(|m| !m.is_empty()).collect()
    }

    /// Removes what ends at this hop: the fixed ones and those that `Connection` names.
    pub fn remove_hop_by_hop(&mut self) {
        let named = self.members("connection");
        let ends = |f: &Field| {
            let name = f.name.to_ascii_lowercase();
            HOP_BY_HOP.contains(&name.as_str()) || named.contains(&name)
        };
        self.0.retain(|f| !ends(f));
    }

    /// Keeps what may be a trailer.
    pub fn remove_forbidden_in_trailers(&mut self) {
        self.remove_hop_by_hop();
        self.0.retain(|f| !NOT_IN_TRAILERS.iter().any(|name| f.is(name)));
    }

    /// Bytes of all names and values.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().map(|f| f.name.len() + f.value.len() + 4).sum()
    }
}

impl IntoIterator for Fields {
    type Item = Field;
    type IntoIter = std::vec::IntoIter<Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(all: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in all {
            fields
                .push(Field::new(name.as_bytes(), value.as_bytes()).unwrap())
                .unwrap();
        }
        fields
    }

    /// A38: no byte that could end a line or a field is in a value.
    #[test]
    fn a38_every_byte_in_a_name_and_a_value() {
        for byte in 0..=255u8 {
            let value = Field::new(b"x", &[b'a', byte, b'b']);
            assert_eq!(value.is_ok(), byte == b'\t' || (byte >= 0x20 && byte != 0x7f));
            let name = Field::new(&[b'a', byte], b"x");
            assert_eq!(name.is_ok(), is_token(&[byte]), "{byte}");
        }
        assert!(Field::new(b"", b"x").is_err());
    }

    #[test]
    fn what_ends_at_this_hop_is_gone_and_what_connection_names() {
        let mut all = fields(&[
            ("Connection", "keep-alive, X-Secret-Hop"),
            ("Keep-Alive", "timeout=5"),
            ("X-Secret-hop", "1"),
            ("Proxy-Authorization", "Basic eDp5"),
            ("TE", "trailers"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABk"),
            ("Accept", "*/*"),
        ]);
        all.remove_hop_by_hop();
        assert_eq!(all, fields(&[("Accept", "*/*")]));
    }

    #[test]
    fn a_field_is_set_once() {
        let mut all = fields(&[("A", "1"), ("B", "2"), ("a", "3")]);
        all.set(Field::new(b"A", b"4").unwrap());
        assert_eq!(all, fields(&[("A", "4"), ("B", "2")]));
    }

    #[test]
    fn values_are_not_in_debug_output() {
        assert!(!format!("{:?}", fields(&[("Authorization", "hunter2")])).contains("hunter2"));
    }
}
