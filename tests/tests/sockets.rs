//! Sockets of the host: escapes 55–67, codex 30, 31, srt 49, 58–60, 62, 64.
//!
//! The network is off; by-name access (escapes 68–77) comes with the gateway.

use fumehood_tests::{World, probe};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

/// Nobody listens in the sandbox's own network, and there is no way out of it.
const NOWHERE: [&str; 2] = ["ECONNREFUSED", "ENETUNREACH"];

/// Escapes 55, codex 30, srt 49: the host's loopback, under all its names.
#[test]
fn e055_host_loopback() {
    let world = World::new();
    let (port4, port6) = (world.far.tcp4(), world.far.tcp6());
    for address in ["127.0.0.1", "127.0.0.2", "0.0.0.0"] {
        world.assert_walled(&["tcp", address, &port4], &NOWHERE);
    }
    world.assert_walled(&["tcp", "::ffff:127.0.0.1", &port4], &NOWHERE);
    world.assert_walled(&["tcp", "::1", &port6], &NOWHERE);
}

/// Codex 30: a refusal comes at once, so that programs do not hang.
#[test]
fn codex30_refused_at_once() {
    let world = World::new();
    let script = format!(
        "import socket,time\nfor h,p in [('127.0.0.1',{}),('192.0.2.1',80),('8.8.8.8',53)]:\n  t=time.time()\n  try: socket.create_connection((h,p),5)\n  except OSError: print(time.time()-t < 0.1)",
        world.far.tcp4()
    );
    assert_eq!(
        world.sandbox().run(&["python3", "-c", &script]).ended(0),
        "True\nTrue\nTrue"
    );
}

/// Escapes 56: cloud credentials by address.
#[test]
fn e056_metadata_service() {
    let world = World::new();
    world.assert_refused(&["tcp", "169.254.169.254", "80"], &["ENETUNREACH"]);
    world.assert_refused(&["tcp", "fd00:ec2::254", "80"], &["ENETUNREACH"]);
}

/// Escapes 57: the host's other addresses and the network around it.
#[test]
fn e057_local_network() {
    let world = World::new();
    for address in [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "192.0.2.1",
        "100.64.0.1",
        "fe80::1",
        "2001:db8::1",
    ] {
        world.assert_refused(&["tcp", address, "80"], &["ENETUNREACH", "EINVAL"]);
    }
    let out = world.sh("cat /proc/net/route /proc/net/fib_trie | grep -v 127 | grep -c /; ls /sys/class/net; awk 'NR>2{print $1}' /proc/net/dev");
    assert!(out.text().ends_with("lo:"), "{}", out.text());
}

/// Escapes 58 (CVE-2025-55284), srt 59: data in a name that is looked up.
#[test]
fn e058_names_are_not_looked_up() {
    let world = World::new();
    let out = world.sh("getent hosts c2VjcmV0.x.example; getent ahosts example.com; echo done");
    assert_eq!(out.ended(0), "done");
    for server in ["8.8.8.8", "127.0.0.53", "192.0.2.53"] {
        world.assert_refused(
            &["udp", server, "53"],
            &["ENETUNREACH", "ECONNREFUSED", "ok sent"][..if server == "127.0.0.53" { 3 } else { 2 }],
        );
    }
}

/// Escapes 59: UDP, ping, raw and packet sockets. A datagram to the own loopback is sent, and lost.
#[test]
fn e059_udp_icmp_raw_and_packet() {
    let world = World::new();
    world.assert_walled(
        &["udp", "127.0.0.1", &world.far.udp4()],
        &["ok sent", "ECONNREFUSED"],
    );
    world.assert_walled(&["udp", "::1", &world.far.udp6()], &["ok sent", "ECONNREFUSED"]);
    let sockets: [(&str, &str, &str, &[&str]); 6] = [
        ("2", "3", "1", &["EPERM"]),         // AF_INET, SOCK_RAW, ICMP
        ("10", "3", "58", &["EPERM"]),       // AF_INET6, SOCK_RAW, ICMPv6
        ("2", "2", "1", &["EACCES"]),        // AF_INET, SOCK_DGRAM, ICMP
        ("2", "3", "255", &["EPERM"]),       // IPPROTO_RAW
        ("17", "3", "3", &["EAFNOSUPPORT"]), // AF_PACKET
        ("17", "2", "3", &["EAFNOSUPPORT"]),
    ];
    for (family, kind, protocol, errors) in sockets {
        world.assert_refused(&["call", "socket", family, kind, protocol], errors);
    }
}

/// Escapes 60: TCP by another protocol number, and connecting without connect.
#[test]
fn e060_mptcp_sctp_and_fastopen() {
    let world = World::new();
    world.assert_walled(&["fastopen", "127.0.0.1", &world.far.tcp4()], &NOWHERE);
    world.assert_walled(&["mptcp", "127.0.0.1", &world.far.tcp4()], &NOWHERE);
    world.assert_refused(
        &["call", "socket", "2", "1", "132"],
        &["EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EPERM"],
    );
}

/// Escapes 61, 63: abstract sockets, and with them the passing of descriptors.
#[test]
fn e061_abstract_sockets() {
    let world = World::new();
    world.assert_walled(
        &["abstract", &world.far.abstract_stream()],
        &["ECONNREFUSED", "EPERM"],
    );
    world.assert_walled(
        &["abstract_datagram", &world.far.abstract_datagram()],
        &["ECONNREFUSED", "EPERM"],
    );
    assert!(
        !world
            .sh("cat /proc/net/unix")
            .text()
            .contains(&world.far.abstract_stream())
    );
}

/// Escapes 62, 63, srt 62: pathname sockets outside.
#[test]
fn e062_pathname_sockets_outside() {
    let world = World::new();
    let socket = world.outside().join("socket").display().to_string();
    world.assert_walled(&["unix", &socket], &["ENOENT"]);
    // A folder that is shown read-only does not open the sockets in it.
    let granted = world.sandbox().flags(["--ro", world.outside().to_str().unwrap()]);
    let refused = granted.probe(&["unix", &socket]);
    assert!(
        ["EACCES", "EPERM", "ECONNREFUSED", "ENOENT", "EROFS"].contains(&refused.as_str()),
        "{refused}"
    );
}

/// Codex 31: a listener of the host in the project itself: an editor's, a language server's.
#[test]
fn codex31_pathname_socket_in_the_project() {
    let mut world = World::new();
    world.far.listen_at(&world.project().join("host.sock"));
    let control = world.control(&["unix", "host.sock"]);
    assert_eq!(control, "ok connected");
    let _the_control = world.far.visitors();
    let refused = world.probe(&["unix", "host.sock"]);
    assert!(
        ["EACCES", "EPERM", "ECONNREFUSED", "ENOENT"].contains(&refused.as_str()),
        "{refused}"
    );
}

/// Escapes 64, 65: sockets that do not end at the network namespace, and those nobody needs.
#[test]
fn e064_vsock_and_odd_families() {
    let world = World::new();
    // vsock, alg, xdp, tipc, rds, can, key, llc, bluetooth, nfc, caif, kcm, qipcrtr, smc, mctp
    for family in [
        "40", "38", "44", "30", "21", "29", "15", "26", "31", "39", "37", "41", "42", "43", "45",
    ] {
        for kind in ["1", "2", "3", "5"] {
            world.assert_refused(&["call", "socket", family, kind, "0"], &["EAFNOSUPPORT"]);
        }
    }
    // NETLINK_ROUTE works, the others (netfilter, audit, connector, uevent) do not.
    assert!(world.probe(&["call", "socket", "16", "3", "0"]).starts_with("ok"));
    for protocol in ["12", "9", "11", "15"] {
        world.assert_refused(&["call", "socket", "16", "3", protocol], &["EPROTONOSUPPORT"]);
    }
    world.assert_refused(&["call", "socketpair", "40", "1", "0", "+8"], &["EAFNOSUPPORT"]);
}

/// Escapes 66, srt 74: a ring does what seccomp does not see.
#[test]
fn e066_io_uring() {
    let world = World::new();
    world.assert_refused(&["call", "io_uring_setup", "4", "+120"], &["ENOSYS", "EPERM"]);
    world.assert_refused(
        &["call", "io_uring_enter", "0", "0", "0", "0", "0", "0"],
        &["ENOSYS", "EPERM"],
    );
    world.assert_refused(
        &["call", "io_uring_register", "0", "0", "0", "0"],
        &["ENOSYS", "EPERM"],
    );
}

/// Escapes 67: a port that listens inside is not one of the host's.
#[test]
fn e067_listening_port_seen_from_outside() {
    let world = World::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let ready = world.project().join("ready");
    let mut running = world.sandbox().start(&[
        probe().to_str().unwrap(),
        "serve",
        &free.to_string(),
        ready.to_str().unwrap(),
    ]);
    running.await_file(&ready);
    for address in ["127.0.0.1", "[::1]"] {
        let refused = TcpStream::connect(format!("{address}:{free}")).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED), "{address}");
    }
    assert_eq!(running.wait().ended(0), "ok served");
}

/// Escapes 61 the other way: an abstract name taken inside is free outside.
#[test]
fn e067_abstract_name_seen_from_outside() {
    let world = World::new();
    let name = format!("{}-inside", world.far.abstract_stream());
    let ready = world.project().join("ready");
    let mut running = world.sandbox().start(&[
        probe().to_str().unwrap(),
        "abstract_bind",
        &name,
        ready.to_str().unwrap(),
    ]);
    running.await_file(&ready);
    let refused = UnixStream::connect_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED));
    assert_eq!(running.wait().ended(0), "ok served");
}

/// srt 60, 64: servers and pairs inside work.
#[test]
fn srt60_own_loopback_works() {
    let world = World::new();
    assert_eq!(world.probe(&["loopback_works"]), "ok served itself");
    assert_eq!(world.probe(&["pair_works"]), "ok hello");
    let out = world
        .sandbox()
        .deadline(Duration::from_secs(10))
        .sh("echo; cat /proc/net/if_inet6 | awk '{print $6}'");
    assert_eq!(out.ended(0).trim(), "lo");
}
