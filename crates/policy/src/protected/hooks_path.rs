//! `core.hooksPath` of a git configuration: hooks may lie in the working tree.

use std::path::{Component, PathBuf};

/// The last `core.hooksPath` that the text sets, if it lies in the repository. The text is
/// untrusted: anything odd is no path. Includes are not followed.
pub(super) fn hooks_path(config: &[u8]) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(&config[..config.len().min(256 * 1024)]);
    let mut in_core = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            in_core = section.trim_end_matches(']').trim().eq_ignore_ascii_case("core");
        } else if let Some((key, value)) = line.split_once('=')
            && in_core
            && key.trim().eq_ignore_ascii_case("hooksPath")
        {
            found = Some(value.trim().trim_matches('"').to_owned());
        }
    }
    let path: PathBuf = PathBuf::from(found?)
        .components()
        .filter(|c| *c != Component::CurDir)
        .collect();
    let inside = path.components().all(|c| matches!(c, Component::Normal(_)));
    (inside && !path.as_os_str().is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_paths_in_the_tree_count() {
        let of = |text: &str| hooks_path(text.as_bytes()).map(|p| p.to_str().unwrap().to_owned());
        assert_eq!(
            of("[core]\n\tbare = false\n\thooksPath = .husky/_\n").as_deref(),
            Some(".husky/_")
        );
        assert_eq!(of("[Core]\nHOOKSPATH=\"./hooks\"\n").as_deref(), Some("hooks"));
        assert_eq!(of("[core]\nhooksPath = /etc/hooks\n"), None);
        assert_eq!(of("[core]\nhooksPath = ../hooks\n"), None);
        assert_eq!(of("[alias]\nhooksPath = x\n"), None);
        assert_eq!(of("[core]\nhooksPath =\n"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            hooks_path(&bytes);
        }
    }
}
