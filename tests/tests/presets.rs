//! Which presets a run gets, and what they let in.

use fumehood_tests::World;
use std::fs;

/// Tools look for their files upwards from where they are started, and so are presets chosen.
#[test]
fn chosen_by_the_folders_from_the_top_to_the_start() {
    let world = World::with_repository();
    let deep = world.project().join("apps/tool/src");
    fs::create_dir_all(&deep).unwrap();
    fs::create_dir_all(world.project().join("apps/web")).unwrap();
    fs::write(world.project().join("apps/tool/Cargo.toml"), "").unwrap();
    fs::write(world.project().join("apps/web/package.json"), "{}").unwrap();
    fs::write(world.project().join("pom.xml"), "").unwrap();
    let events = world.own("state").join("events");
    let presets = |folder: &std::path::Path| {
        let run = world.sandbox().directory(folder);
        let run = run.flags([std::ffi::OsStr::new("--events"), events.as_os_str()]);
        run.run(&["true"]).ended(0);
        let text = fs::read_to_string(&events).unwrap();
        fs::remove_file(&events).unwrap();
        let start = text.lines().next().unwrap_or_default();
        let list = start.split(r#""presets":["#).nth(1).unwrap_or_default();
        list.split(']').next().unwrap_or_default().to_owned()
    };
    assert_eq!(presets(&world.project()), r#""java","git""#);
    assert_eq!(presets(&deep), r#""rust","java","git""#);
    let said = world
        .sandbox()
        .directory(&deep)
        .flags(["--verbose"])
        .run(&["true"]);
    assert!(
        said.errors()
            .contains("rust (apps/tool/Cargo.toml), java (pom.xml)"),
        "{}",
        said.errors()
    );
}
