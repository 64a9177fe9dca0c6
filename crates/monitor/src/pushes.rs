//! Which pushes fly: whose branches are the session's own, and what a push starts.

use fumehood_effect::SessionId;
use fumehood_git::{Base, Ci, Ours};
use fumehood_policy::glob::Glob;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What is known of pushes in one session.
#[derive(Clone, Debug, Default)]
pub struct Pushes {
    /// Patterns of branches that are its own.
    pub own: Vec<Glob>,
    /// The branch that it started on, where nobody protects it.
    pub started: Option<String>,
    /// What a push starts, by patterns of `host/path` in lower case.
    pub ci: Vec<(Glob, Ci)>,
    /// What it started from.
    pub base: Option<Base>,
}

impl Pushes {
    pub(crate) fn ours(&self, session: &SessionId) -> Ours {
        Ours::new(session, self.own.iter().cloned(), self.started.clone())
    }

    /// What a push to this repository of this host starts: the gravest that fits; nobody knows where none does.
    pub(crate) fn ci(&self, host: &str, repository: &str) -> Ci {
        let name = format!("{host}/{repository}").to_ascii_lowercase();
        let name = name.strip_suffix(".git").unwrap_or(&name);
        // A pattern names a path: what could be another under some reading fits none.
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !name.split('/').all(plain) {
            return Ci::WithSecrets;
        }
        let path = Path::new(OsStr::from_bytes(name.as_bytes()));
        let fitting = self.ci.iter().filter(|(glob, _)| glob.covers(path));
        fitting.map(|(_, ci)| *ci).max().unwrap_or(Ci::WithSecrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushes(all: &[(&str, Ci)]) -> Pushes {
        let one = |(glob, ci): &(&str, Ci)| (Glob::parse(glob.as_bytes()).unwrap(), *ci);
        Pushes {
            ci: all.iter().map(one).collect(),
            ..Pushes::default()
        }
    }

    #[test]
    fn the_gravest_that_fits_counts_and_nobody_knows_where_none_does() {
        let all = [
            ("forge.example/acme/**", Ci::None),
            ("forge.example/acme/api", Ci::WithoutSecrets),
            ("forge.example/acme/prod", Ci::WithSecrets),
        ];
        let pushes = pushes(&all);
        let ci = |host: &str, repository: &str| pushes.ci(host, repository);
        assert_eq!(ci("forge.example", "acme/web.git"), Ci::None);
        assert_eq!(ci("forge.example", "ACME/Api.git"), Ci::WithoutSecrets);
        assert_eq!(ci("forge.example", "acme/PROD.GIT"), Ci::WithSecrets);
        assert_eq!(ci("forge.example", "other/api"), Ci::WithSecrets);
        assert_eq!(ci("other.example", "acme/api"), Ci::WithSecrets);
        assert_eq!(ci("forge.example", "acme/../acme/web"), Ci::WithSecrets);
        assert_eq!(ci("forge.example", "acme//web"), Ci::WithSecrets);
        assert_eq!(ci("forge.example", ""), Ci::WithSecrets);
    }
}
