//! A login: tokens in a file of the user's, renewed while the session runs (OAuth, RFC 6749 §6; review F15).
//!
//! What a program inside may do with it is use the access token at its hosts, and have it renewed. A renewal is written
//! here anew from its few known words: whoever is inside could otherwise have another account's tokens minted, which
//! would then stand in the user's file.

mod file;
mod keep;
mod renewal;

pub use keep::{Renewed, keep};

pub(crate) use file::Tokens;
pub(crate) use renewal::rewrite;

use crate::binding::Binding;
use fumehood_policy::preset::Login;
use fumehood_policy::value::Place;

/// Of which token of a login a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Access,
    Refresh,
    Identity,
}

impl Part {
    /// The name of the field in which an issuer's answer has it (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
    pub(crate) fn field(self) -> &'static str {
        match self {
            Part::Access => "access_token",
            Part::Refresh => "refresh_token",
            Part::Identity => "id_token",
        }
    }

    /// Where this token may go.
    pub(crate) fn binding(self, login: &Login) -> Binding {
        match self {
            Part::Access => Binding::login(&login.hosts, &login.paths, &[Place::Header]),
            Part::Refresh => {
                let places = [
                    Place::Json("refresh_token".into()),
                    Place::Form("refresh_token".into()),
                ];
                Binding::login(&login.issuers, std::slice::from_ref(&login.path), &places)
            }
            Part::Identity => Binding::login(&[], &[], &[]),
        }
    }
}

/// What a login is called where it is spoken of: its file's name and folder.
pub(crate) fn name(login: &Login) -> String {
    login.file.to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn login() -> Login {
        let hosts = |host: &str| vec![host.parse().unwrap()];
        Login {
            file: "~/.login.json".parse().unwrap(),
            access: "in.access".into(),
            refresh: "in.refresh".into(),
            identity: None,
            expires: Some("in.expires".into()),
            renewed: Some("renewed".into()),
            keep: vec!["in.plan".into()],
            issuers: hosts("issuer.example"),
            path: "/token".parse().unwrap(),
            hosts: hosts("api.example"),
            paths: Vec::new(),
        }
    }

    /// Of the file a program inside sees what is named, and placeholders: no other token of it.
    #[test]
    fn the_file_inside_holds_placeholders_and_what_is_kept() {
        let text = br#"{"in": {"access": "sk-ant-oat01-REAL0REAL0REAL0", "refresh": "sk-ant-ort01-REAL0REAL0REAL0", "expires": 7,
            "plan": "max", "other": "secret-of-another"}, "more": {"accessToken": "secret-of-another"}}"#;
        let tokens = Tokens::read(&login(), text).unwrap();
        let shown = [(Part::Access, "A"), (Part::Refresh, "R")];
        let inside = tokens.shown().inside(&login(), shown.into_iter());
        let expected = r#"{"in":{"access":"A","expires":7,"plan":"max","refresh":"R"}}"#;
        assert_eq!(String::from_utf8(inside).unwrap(), expected);
        let nested =
            br#"{"in": {"access": "sk-ant-oat01-REAL0REAL0REAL0", "refresh": "sk-ant-ort01-REAL0REAL0REAL0",
            "plan": {"token": "secret-of-another"}}}"#;
        let inside = Tokens::read(&login(), nested)
            .unwrap()
            .shown()
            .inside(&login(), [].into_iter());
        assert_eq!(inside, b"{}");
    }

    #[test]
    fn what_is_no_login_is_none() {
        for text in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"in": {"access": "sk-ant-oat01-REAL0REAL0REAL0"}}"#,
            r#"{"in": {"access": "sk-ant-oat01-REAL0REAL0REAL0", "refresh": null}}"#,
            r#"{"in": {"access": "a\nb-sk-ant-oat01", "refresh": "sk-ant-ort01-REAL0REAL0"}}"#,
        ] {
            assert!(Tokens::read(&login(), text.as_bytes()).is_none(), "{text}");
        }
    }
}
