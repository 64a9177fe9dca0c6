//! Signing for AWS: of the two secrets of a key one goes along, and one signs.

use super::Vault;
use crate::binding::Seen;
use crate::denied::Denied;
use crate::sigv4::{self, Authorization};
use fumehood_http::RequestHead;

impl Vault {
    /// Signs a request anew that was signed with a placeholder.
    pub(super) fn sign(
        &self,
        head: &mut RequestHead,
        body: Option<&[u8]>,
        used: &mut Vec<usize>,
    ) -> Result<(), Denied> {
        let from = sigv4::authorization(head).and_then(Authorization::parse);
        let from = from.ok_or(Denied::Aws("its Authorization is not understood"))?;
        let Some(id) = self
            .credentials
            .iter()
            .rposition(|c| c.placeholder.text() == from.key_id)
        else {
            // Another account's; at a bound host that was refused before.
            return Ok(());
        };
        let signs = |name: &str| {
            let by = |c: &super::Credential| c.binding.aws_key_id().is_some_and(|n| n.as_str() == name);
            self.credentials.iter().rposition(by)
        };
        let key = signs(&self.credentials[id].name)
            .ok_or(Denied::Aws("no secret has this key id in `place = \"aws:…\"`"))?;
        let (id, key) = (&self.credentials[id], (&self.credentials[key], key));
        key.0.binding.check(&key.0.name, head, Seen::Aws)?;
        // The session token, and whatever else is signed, must be there in its last form.
        self.in_target(head, used)?;
        self.in_other_fields(head, used)?;
        super::readable_answer(head, true);
        let real_id = String::from_utf8_lossy(id.secret.expose()).into_owned();
        used.push(key.1);
        sigv4::sign(head, &from, &real_id, key.0.secret.expose(), body).map_err(Denied::Aws)
    }

    fn in_other_fields(&self, head: &mut RequestHead, used: &mut Vec<usize>) -> Result<(), Denied> {
        let authorization: Vec<_> = head
            .fields
            .iter()
            .filter(|f| f.is("authorization"))
            .cloned()
            .collect();
        head.fields.remove("authorization");
        let done = self.in_fields(head, used);
        for field in authorization {
            head.fields.set(field);
        }
        done
    }
}
