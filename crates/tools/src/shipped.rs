//! Tools that come with fumehood (`presets/tools`), as data: each file is offered where its marker is.

use crate::manifest::Manifest;
use fumehood_policy::Layer;
use fumehood_policy::config;
use std::ffi::OsString;

/// A file of tools.
struct File {
    name: &'static str,
    /// Names in a project's top folder, one of which is there; none means everywhere.
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
    File {
        name: "shipped files.toml",
        markers: &[],
        text: include_str!("../../../presets/tools/files.toml"),
    },
];

/// Those for a project whose top folder holds these names.
#[must_use]
pub fn shipped(names: &[OsString]) -> Vec<Manifest> {
    let fits =
        |file: &&File| file.markers.is_empty() || file.markers.iter().any(|m| names.iter().any(|n| n == *m));
    let files = FILES.iter().filter(fits);
    // A test holds that all of them load.
    let configs = files.filter_map(|f| config::parse(Layer::Machine, f.name, f.text.as_bytes()).config);
    configs
        .filter_map(|c| Manifest::of_config(&c).ok())
        .flatten()
        .map(Manifest::by_us)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::lint;
    use crate::manifest::Deed;

    #[test]
    fn all_of_them_load_and_have_limits() {
        let mut count = 0;
        for file in FILES {
            let config = config::parse(Layer::Machine, file.name, file.text.as_bytes())
                .into_result()
                .unwrap();
            let tools = Manifest::of_config(&config).unwrap().into_iter();
            let tools: Vec<Manifest> = tools.map(Manifest::by_us).collect();
            let names: Vec<OsString> = file.markers.first().map(Into::into).into_iter().collect();
            assert!(shipped(&names).starts_with(&tools));
            for tool in &tools {
                count += 1;
                let found: Vec<String> = lint(tool).iter().map(ToString::to_string).collect();
                if tool.deed().is_some() {
                    assert_eq!(tool.deed(), Deed::named(&format!("fumehood:{}", tool.name())));
                    assert_eq!(found, Vec::<String>::new());
                    continue;
                }
                let options = found
                    .iter()
                    .filter(|f| !f.contains("stands where options are read"));
                assert_eq!(options.count(), 0, "{}: {found:?}", tool.name());
                assert_ne!(tool.effect(), crate::Effect::Outward, "{}", tool.name());
            }
        }
        assert_eq!(count, 20);
        assert!(shipped(&["x".into()]).iter().all(|t| t.deed().is_some()));
        assert_eq!(shipped(&[]).len(), 4);
    }

    /// What a configuration writes in place of a program is a program, also where it is our word for a deed.
    #[test]
    fn only_shipped_files_name_deeds() {
        let text = "version = 1\n[tool.read_file]\ndescription = \"d\"\nargv = [\"fumehood:read_file\"]\n";
        for layer in [Layer::Machine, Layer::User, Layer::Project] {
            let config = config::parse(layer, "x", text.as_bytes()).into_result().unwrap();
            let tools = Manifest::of_config(&config).unwrap();
            assert_eq!(tools[0].deed(), None);
            assert_ne!(tools[0].digest(), tools[0].clone().by_us().digest());
        }
    }
}
