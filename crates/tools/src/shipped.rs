//! Tools that come with fumehood (`presets/tools`), as data: each file is offered where its marker is.

use crate::manifest::Manifest;
use fumehood_policy::Layer;
use fumehood_policy::config;
use std::ffi::OsString;

/// A file of tools.
struct File {
    name: &'static str,
    /// Names in a project's top folder, one of which is there.
    markers: &'static [&'static str],
    text: &'static str,
}

const FILES: &[File] = &[
    File {
        name: "shipped cargo.toml",
        markers: &["Cargo.toml"],
        text: include_str!("../../../presets/tools/cargo.toml"),
    },
    File {
        name: "shipped pytest.toml",
        markers: &["pytest.ini", "pyproject.toml", "tox.ini", "setup.py"],
        text: include_str!("../../../presets/tools/pytest.toml"),
    },
    File {
        name: "shipped npm.toml",
        markers: &["package.json"],
        text: include_str!("../../../presets/tools/npm.toml"),
    },
    File {
        name: "shipped go.toml",
        markers: &["go.mod"],
        text: include_str!("../../../presets/tools/go.toml"),
    },
    File {
        name: "shipped make.toml",
        markers: &["Makefile", "makefile", "GNUmakefile"],
        text: include_str!("../../../presets/tools/make.toml"),
    },
    File {
        name: "shipped git.toml",
        markers: &[".git"],
        text: include_str!("../../../presets/tools/git.toml"),
    },
];

/// Those for a project whose top folder holds these names.
#[must_use]
pub fn shipped(names: &[OsString]) -> Vec<Manifest> {
    let fits = |file: &&File| file.markers.iter().any(|m| names.iter().any(|n| n == *m));
    let files = FILES.iter().filter(fits);
    // A test holds that all of them load.
    let configs = files.filter_map(|f| config::parse(Layer::Machine, f.name, f.text.as_bytes()).config);
    configs
        .filter_map(|c| Manifest::of_config(&c).ok())
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::lint;

    #[test]
    fn all_of_them_load_and_have_limits() {
        let mut count = 0;
        for file in FILES {
            let config = config::parse(Layer::Machine, file.name, file.text.as_bytes())
                .into_result()
                .unwrap();
            let tools = Manifest::of_config(&config).unwrap();
            let names: Vec<OsString> = vec![file.markers[0].into()];
            assert_eq!(shipped(&names), tools);
            for tool in &tools {
                count += 1;
                let found: Vec<String> = lint(tool).iter().map(ToString::to_string).collect();
                let options = found
                    .iter()
                    .filter(|f| !f.contains("stands where options are read"));
                assert_eq!(options.count(), 0, "{}: {found:?}", tool.name());
                assert_ne!(tool.effect(), crate::Effect::Outward, "{}", tool.name());
            }
        }
        assert_eq!(count, 16);
        assert!(shipped(&["x".into()]).is_empty());
    }
}
