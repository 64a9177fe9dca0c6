//! IPC, desktop and daemons: escapes 78–86.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fumehood_tests::World;

/// Escapes 78: shared memory by key. One is made on the host, found there, and not found inside.
#[test]
fn e078_sysv_and_posix_ipc() {
    let world = World::new();
    let key = (0x00f0_0000 + std::process::id()).to_string();
    assert_eq!(world.control(&["shared_memory", &key, "1"]), "ok reached");
    let inside = world.probe(&["shared_memory", &key, "0"]);
    let sems = world.probe(&["call", "semget", &key, "1", "0"]);
    let messages = world.probe(&["call", "msgget", &key, "0"]);
    assert_eq!(world.control(&["shared_memory", &key, "2"]), "ok reached");
    assert_eq!([inside, sems, messages], ["ENOENT"; 3].map(str::to_owned));
    world.assert_refused(&["call", "mq_open", "@fumehood-test", "0"], &["ENOENT"]);
    assert_eq!(world.sh("tail -n +2 /proc/sysvipc/shm | wc -l").ended(0), "0");
}

/// Escapes 79 (CVE-2024-42318), srt 75: keyrings follow the user, not the namespace.
#[test]
fn e079_keyrings() {
    let world = World::new();
    // KEYCTL_GET_KEYRING_ID of the user's keyring; KEYCTL_SESSION_TO_PARENT; KEYCTL_JOIN_SESSION_KEYRING
    for call in [
        ["keyctl", "0", "-4", "0"],
        ["keyctl", "18", "0", "0"],
        ["keyctl", "1", "0", "0"],
    ] {
        world.assert_refused(&[&["call"], &call[..]].concat(), &["EPERM"]);
    }
    world.assert_refused(
        &["call", "add_key", "@user", "@fumehood-test", "@x", "1", "-4"],
        &["EPERM"],
    );
    world.assert_refused(
        &["call", "request_key", "@user", "@fumehood-test", "0", "-4"],
        &["EPERM"],
    );
    world.assert_refused(&["read", "/proc/keys"], &["EACCES"]);
}

/// A socket in the caller's runtime folder or home, and the variable that leads to it.
fn assert_hidden(name: &str, variable: &str, value: impl Fn(&str) -> String) {
    let mut world = World::new();
    let socket = world.root().join(name);
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    world.far.listen_at(&socket);
    world.remember();
    let path = socket.to_str().unwrap();
    assert_eq!(world.control(&["unix", path]), "ok connected");
    let _the_control = world.far.visitors();
    let run = world.sandbox().env(variable, value(path));
    assert_eq!(run.probe(&["unix", path]), "ENOENT");
    let out = run.sh(format!("printenv {variable} || echo unset"));
    assert_eq!(out.ended(0), "unset", "{variable} passed");
}

/// Escapes 80: `systemd-run --user` would run outside.
#[test]
fn e080_session_bus() {
    assert_hidden("runtime/bus", "DBUS_SESSION_BUS_ADDRESS", |p| {
        format!("unix:path={p}")
    });
    assert_hidden("runtime/systemd/private", "SYSTEMD_EXEC_PID", str::to_owned);
}

/// Escapes 81: keystrokes and the screen.
#[test]
fn e081_display_servers() {
    assert_hidden("runtime/wayland-0", "WAYLAND_DISPLAY", str::to_owned);
    assert_hidden("outside/X0", "DISPLAY", |_| ":0".to_owned());
    let world = World::new();
    world.assert_refused(&["unix", "/tmp/.X11-unix/X0"], &["ENOENT"]);
    world.assert_refused(&["abstract", "/tmp/.X11-unix/X0"], &["ECONNREFUSED", "EPERM"]);
    assert_eq!(
        world
            .sandbox()
            .env("XAUTHORITY", "/x")
            .sh("printenv XAUTHORITY || echo unset")
            .ended(0),
        "unset"
    );
}

/// Escapes 82: signing with keys one cannot read.
#[test]
fn e082_key_agents() {
    assert_hidden("outside/agent.1", "SSH_AUTH_SOCK", str::to_owned);
    assert_hidden("home/.gnupg/S.gpg-agent", "GPG_AGENT_INFO", |p| {
        format!("{p}:1:1")
    });
}

/// Escapes 83: whoever reaches these is root on the host.
#[test]
fn e083_container_engines() {
    assert_hidden("runtime/docker.sock", "DOCKER_HOST", |p| format!("unix://{p}"));
    let world = World::new();
    for socket in [
        "/run/docker.sock",
        "/var/run/docker.sock",
        "/run/podman/podman.sock",
        "/run/containerd/containerd.sock",
        "/run/crio/crio.sock",
        "/run/buildkit/buildkitd.sock",
    ] {
        world.assert_refused(&["unix", socket], &["ENOENT"]);
    }
}

/// Escapes 80, 84: daemons that do work for others. Nothing at all is to be seen in /run.
#[test]
fn e084_system_daemons() {
    let world = World::new();
    for socket in [
        "/run/dbus/system_bus_socket",
        "/run/snapd.socket",
        "/run/libvirt/libvirt-sock",
        "/run/nscd/socket",
        "/run/systemd/private",
        "/run/systemd/journal/stdout",
        "/run/systemd/resolve/io.systemd.Resolve",
        "/run/acpid.socket",
        "/dev/log",
    ] {
        world.assert_refused(&["unix", socket], &["ENOENT"]);
    }
    assert_eq!(
        world
            .sh("ls -A /run; find /run /tmp /dev -type s; find /var -type s")
            .ended(0),
        ""
    );
}

/// Escapes 85: orchestration's tokens, the host's own keys.
#[test]
fn e085_kubernetes_and_host_keys() {
    let world = World::new();
    world.assert_refused(
        &["read", "/var/run/secrets/kubernetes.io/serviceaccount/token"],
        &["ENOENT"],
    );
    world.assert_refused(&["read", "/var/lib/kubelet/config.yaml"], &["ENOENT"]);
    for file in ["/etc/shadow", "/etc/gshadow"] {
        world.assert_refused(&["read", file], &["EACCES", "ENOENT"]);
    }
    let out = world.sh("cat /etc/ssh/ssh_host_*_key /etc/ssl/private/* /etc/sudoers; true");
    assert_eq!(out.ended(0), "");
}

/// Escapes 86: whoever reaches these types into a host shell.
#[test]
fn e086_editor_and_multiplexer_servers() {
    assert_hidden("outside/tmux-0/default", "TMUX", |p| format!("{p},1,0"));
    assert_hidden("runtime/vscode-ipc-1.sock", "VSCODE_IPC_HOOK_CLI", str::to_owned);
    assert_hidden("outside/screen/1.tty", "STY", |_| "1.tty".to_owned());
    assert_hidden("outside/nvim.0", "NVIM", str::to_owned);
}
