//! The inert part of a git configuration: what names and describes, never what runs or leads elsewhere.

/// Keys that travel, in lower case, by section. Everything else (filters, hooks, helpers, includes, aliases,
/// pagers, signing programs) stays on the host.
const INERT: [(&str, &[&str]); 8] = [
    (
        "core",
        &[
            "repositoryformatversion",
            "filemode",
            "bare",
            "logallrefupdates",
            "ignorecase",
            "precomposeunicode",
            "symlinks",
            "autocrlf",
            "eol",
            "safecrlf",
            "quotepath",
            "sparsecheckout",
            "sparsecheckoutcone",
        ],
    ),
    ("extensions", &["objectformat"]),
    ("user", &["name", "email"]),
    ("remote", &["url", "fetch"]),
    ("branch", &["remote", "merge", "rebase"]),
    ("init", &["defaultbranch"]),
    ("pull", &["rebase", "ff"]),
    ("merge", &["conflictstyle", "ff"]),
];

/// The inert lines of a configuration; `None` if it does not read, or the repository is one whose
/// objects lie elsewhere.
pub(super) fn inert(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut out = String::new();
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('[') {
            section = header(line)?;
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let (key, value) = line
            .split_once('=')
            .map_or((line, None), |(k, v)| (k.trim(), Some(v.trim())));
        let key = key.to_ascii_lowercase();
        if matches!(
            (section.as_str(), key.as_str()),
            ("extensions", "partialclone") | ("remote", "promisor")
        ) {
            return None;
        }
        // A value that goes on in the next line would take that line's meaning with it.
        if value.is_some_and(|v| v.ends_with('\\')) {
            return None;
        }
        let known = INERT
            .iter()
            .any(|(s, keys)| *s == section && keys.contains(&key.as_str()));
        if known {
            out.push_str(&entry(&key, value)?);
        }
    }
    Some(out.into_bytes())
}

/// The section's name in lower case, of `[name]` or `[name "sub"]`, with nothing after it.
fn header(line: &str) -> Option<String> {
    let inner = line.strip_prefix('[')?.strip_suffix(']')?;
    let (name, sub) = inner
        .split_once(' ')
        .map_or((inner, None), |(n, s)| (n, Some(s.trim())));
    let plain = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    let quoted = sub.is_none_or(|s| s.len() >= 2 && s.starts_with('"') && s.ends_with('"'));
    (plain && quoted).then(|| name.to_ascii_lowercase())
}

fn entry(key: &str, value: Option<&str>) -> Option<String> {
    let Some(value) = value else {
        return Some(format!("\t{key}\n"));
    };
    if key == "url" {
        return Some(format!("\turl = {}\n", without_credentials(value)));
    }
    Some(format!("\t{key} = {value}\n"))
}

/// A URL without the password or token that some put into it.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    match host.rsplit_once('@') {
        Some((who, host)) if who.contains(':') || scheme.starts_with("http") => {
            format!("{scheme}://{host}{path}")
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> Option<String> {
        inert(text.as_bytes()).map(|b| String::from_utf8(b).unwrap())
    }

    #[test]
    fn what_names_stays_and_what_runs_goes() {
        let text = "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = evil\n\thooksPath = x\n\tsshCommand = evil\n\
                    [filter \"x\"]\n\tclean = evil\n[include]\n\tpath = evil\n[alias]\n\tst = !evil\n\
                    [remote \"o\"]\n\turl = https://ann:token@host/x\n\tfetch = +refs/*:refs/*\n\tuploadpack = evil\n\
                    [user]\n\tname = Ann = x\n";
        let kept = kept(text).unwrap();
        assert!(!kept.contains("evil") && !kept.contains("token"), "{kept}");
        for line in [
            "repositoryformatversion = 0",
            "url = https://host/x",
            "fetch = +refs/*:refs/*",
            "name = Ann = x",
        ] {
            assert!(kept.contains(line), "{line} {kept}");
        }
    }

    #[test]
    fn what_cannot_be_read_line_by_line_is_refused() {
        for text in [
            "[core]\n\teditor = a\\\n[x]",
            "[remote \"o\"]\n\tpromisor = true\n",
            "[extensions]\n\tpartialClone = o\n",
            "[core] fsmonitor = evil\n",
        ] {
            assert_eq!(kept(text), None, "{text}");
        }
    }

    #[test]
    fn urls_keep_the_user_that_ssh_needs() {
        assert_eq!(without_credentials("ssh://git@host/x"), "ssh://git@host/x");
        assert_eq!(without_credentials("git@host:x"), "git@host:x");
        assert_eq!(without_credentials("https://tok@h/x@y"), "https://h/x@y");
    }
}
