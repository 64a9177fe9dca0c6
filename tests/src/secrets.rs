//! What lies in a home that nobody else should read.

/// Secrets by their path below the home directory. The content of each names it, so that a test can
/// tell which one it has seen.
pub const SECRETS: [&str; 16] = [
    ".ssh/id_rsa",
    ".ssh/authorized_keys",
    ".aws/credentials",
    ".config/gh/hosts.yml",
    ".netrc",
    ".docker/config.json",
    ".kube/config",
    ".cargo/credentials.toml",
    ".npmrc",
    ".config/gcloud/application_default_credentials.json",
    ".codex/auth.json",
    ".claude/.credentials.json",
    ".pypirc",
    ".gnupg/private-keys-v1.d/key.key",
    ".mozilla/firefox/p.default/logins.json",
    ".git-credentials",
];

/// The content of one.
pub(crate) fn content(path: &str) -> String {
    format!("canary-{path}\n")
}
