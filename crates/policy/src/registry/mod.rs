//! Where packages come from on this machine, read from the clients' own configuration, so
//! that a company's mirror works and no registry is named in our source.
//!
//! Each parser is a pure function from the text of one client's configuration to the hosts in
//! it. The texts are the user's, but they are read like any other: bounded, nothing odd is an
//! error, what cannot be understood is left out. Credentials in a URL are dropped at once and
//! are in no value that leaves here.

mod cargo;
mod go;
mod maven;
mod npm;
mod pip;
mod url;

pub use url::Origin as RegistryOrigin;

use crate::preset::RegistryClient;

/// A file or variable in which a client names its registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, as a path template; one that begins with neither `~` nor `/` nor a variable
    /// is below the project. The project's own are untrusted: they count as its requests.
    File(&'static str),
    /// A variable of the user's environment.
    Variable(&'static str),
}

impl Source {
    /// Whether the project wrote it.
    pub fn is_of_the_project(self) -> bool {
        matches!(self, Self::File(path) if !path.starts_with(['~', '/', '$']))
    }
}

/// Where a client looks, the strongest first.
pub fn sources(client: RegistryClient) -> &'static [Source] {
    use Source::{File, Variable};
    match client {
        RegistryClient::Npm => &[
            Variable("npm_config_registry"),
            Variable("NPM_CONFIG_REGISTRY"),
            File(".npmrc"),
            File("${NPM_CONFIG_USERCONFIG:-~/.npmrc}"),
            File("${PREFIX:-/usr/local}/etc/npmrc"),
            File("/etc/npmrc"),
        ],
        RegistryClient::Cargo => &[
            File(".cargo/config.toml"),
            File("${CARGO_HOME:-~/.cargo}/config.toml"),
            File("${CARGO_HOME:-~/.cargo}/config"),
        ],
        RegistryClient::Pip => &[
            Variable("PIP_INDEX_URL"),
            Variable("PIP_EXTRA_INDEX_URL"),
            Variable("UV_INDEX_URL"),
            Variable("UV_DEFAULT_INDEX"),
            File("${PIP_CONFIG_FILE}"),
            File("${XDG_CONFIG_HOME:-~/.config}/pip/pip.conf"),
            File("~/.pip/pip.conf"),
            File("/etc/pip.conf"),
        ],
        RegistryClient::Go => &[
            Variable("GOPROXY"),
            File("${GOENV:-${XDG_CONFIG_HOME:-~/.config}/go/env}"),
        ],
        RegistryClient::Maven => &[File("~/.m2/settings.xml"), File(".mvn/settings.xml")],
    }
}

/// Bytes of one text that are looked at.
const MAX_TEXT: usize = 1024 * 1024;
/// Origins taken from one text.
const MAX_ORIGINS: usize = 64;

/// The registries that a text names, each once, in the order of the text.
pub fn origins(client: RegistryClient, source: Source, text: &[u8]) -> Vec<RegistryOrigin> {
    let text = String::from_utf8_lossy(&text[..text.len().min(MAX_TEXT)]);
    let urls: Vec<String> = match (client, source) {
        (RegistryClient::Go, Source::Variable(_)) => go::list(&text),
        (_, Source::Variable(_)) => text.split_whitespace().map(str::to_owned).collect(),
        (RegistryClient::Npm, _) => npm::urls(&text),
        (RegistryClient::Cargo, _) => cargo::urls(&text),
        (RegistryClient::Pip, _) => pip::urls(&text),
        (RegistryClient::Go, _) => go::urls(&text),
        (RegistryClient::Maven, _) => maven::urls(&text),
    };
    let mut found: Vec<RegistryOrigin> = Vec::new();
    for origin in urls.iter().filter_map(|url| RegistryOrigin::of_url(url)) {
        if !found.contains(&origin) && found.len() < MAX_ORIGINS {
            found.push(origin);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLIENTS: [RegistryClient; 5] = [
        RegistryClient::Cargo,
        RegistryClient::Npm,
        RegistryClient::Pip,
        RegistryClient::Go,
        RegistryClient::Maven,
    ];

    fn of(client: RegistryClient, text: &str) -> String {
        let list = origins(client, Source::File("x"), text.as_bytes());
        list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn npm() {
        let text = "; comment\nregistry = https://packages.example/npm/\n@acme:registry=http://npm.acme.example:4873\n\
                    //packages.example/npm/:_authToken=secret\n#registry=https://other.example/\nproxy=http://p.example\n";
        assert_eq!(
            of(RegistryClient::Npm, text),
            "https://packages.example http://npm.acme.example:4873"
        );
        assert_eq!(of(RegistryClient::Npm, "registry=${NPM_URL}"), "");
    }

    #[test]
    fn cargo() {
        let text = r#"
[source.crates-io]
replace-with = "mirror"
[source.mirror]
registry = "sparse+https://packages.example/index/"
[registries.acme]
index = "https://ana:pw@git.acme.example/index"
token = "https://not.example"
[registry]
default = "acme"
"#;
        assert_eq!(
            of(RegistryClient::Cargo, text),
            "https://git.acme.example https://packages.example"
        );
        assert_eq!(
            of(
                RegistryClient::Cargo,
                "[source.x]\ndirectory = \"vendor\"\n[broken"
            ),
            ""
        );
    }

    #[test]
    fn pip() {
        let text = "[global]\nindex-url = https://ana:pw@packages.example/simple\nextra-index-url =\n    https://a.example/simple\n    https://b.example/simple\n\
                    trusted-host = c.example\n[install]\nfind-links: https://d.example/wheels\n";
        assert_eq!(
            of(RegistryClient::Pip, text),
            "https://packages.example https://a.example https://b.example https://d.example"
        );
    }

    #[test]
    fn go() {
        let variable =
            |text: &str| origins(RegistryClient::Go, Source::Variable("GOPROXY"), text.as_bytes()).len();
        assert_eq!(variable("https://a.example,https://b.example|direct"), 2);
        assert_eq!(variable("off"), 0);
        assert_eq!(
            of(
                RegistryClient::Go,
                "GOFLAGS=-x\nGOPROXY=https://packages.example/go,direct\n"
            ),
            "https://packages.example"
        );
    }

    #[test]
    fn maven() {
        let text = "<settings><!-- <url>https://comment.example</url> --><mirrors><mirror><id>a</id>\n<url> https://packages.example/maven </url></mirror></mirrors>\
                    <servers><server><password>https://x:y@pw.example</password></server></servers>\
                    <proxies><proxy><host>p.example</host></proxy></proxies></settings>";
        assert_eq!(of(RegistryClient::Maven, text), "https://packages.example");
    }

    #[test]
    fn the_project_s_own_files_are_told_apart() {
        assert!(Source::File(".npmrc").is_of_the_project());
        assert!(!Source::File("~/.npmrc").is_of_the_project());
        assert!(!Source::Variable("GOPROXY").is_of_the_project());
    }

    #[test]
    fn every_file_is_a_template() {
        for source in CLIENTS.iter().flat_map(|client| sources(*client)) {
            if let Source::File(path) = source {
                assert!(path.parse::<crate::value::PathTemplate>().is_ok(), "{path}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_credential_comes_out(user in "[a-z]{3,8}", password in "[A-Z0-9]{12,20}", client in 0usize..5) {
            let url = format!("https://{user}:{password}@packages.example/x");
            let text = match CLIENTS[client] {
                RegistryClient::Cargo => format!("[registry]\nindex = \"{url}\"\n"),
                RegistryClient::Npm => format!("registry={url}\n"),
                RegistryClient::Pip => format!("[global]\nindex-url = {url}\n"),
                RegistryClient::Go => format!("GOPROXY={url}\n"),
                RegistryClient::Maven => format!("<mirror><url>{url}</url></mirror>"),
            };
            prop_assert_eq!(of(CLIENTS[client], &text), "https://packages.example");
        }

        #[test]
        fn any_text_is_read(bytes: Vec<u8>, text in "[a-z:/@<>=!\\[\\]\" \n-]{0,80}", client in 0usize..5) {
            origins(CLIENTS[client], Source::File("x"), &bytes);
            origins(CLIENTS[client], Source::File("x"), text.as_bytes());
        }
    }
}
