//! The boundary, names and destinations: research/egress.md A1–A31, A48, A54 as far as they concern them,
//! and escapes 68–77. Each test has test hosts in a network namespace of its own (tests/network/hosts.py):
//! real servers on one address, a canary on every other one.

use fumehood_tests::{Hosts, World, descendant};
use std::fs;
use std::time::Duration;

const GOOD: [&str; 2] = ["--allow", "good.example"];

/// A19: programs that know no proxy, with nothing in their environment, over IPv4 and IPv6, by every way of
/// looking a name up.
#[test]
fn a19_every_program_is_covered() {
    let hosts = Hosts::new();
    let flags = [
        "--allow",
        "good.example",
        "--allow",
        "good.example:80",
        "--allow",
        "six.example",
    ];
    let script = "curl -sS https://good.example/; curl -sS http://good.example/; curl -sS https://six.example/
        env -i /usr/bin/env python3 -c \"import socket; s=socket.create_connection(('good.example',80)); s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); print(s.recv(100)[-6:].decode(), end='')\"
        printf 'GET / HTTP/1.0\\r\\n\\r\\n' | bash -c 'exec 3<>/dev/tcp/good.example/80; cat >&3; tail -n1 <&3'
        echo | openssl s_client -connect good.example:443 -servername good.example 2>/dev/null | grep -c 'issuer=.*fumehood session'";
    let ran = hosts.sh(&flags, script);
    let out = ran.out.text();
    assert_eq!(
        out.matches("hello").count(),
        5,
        "{out}\n{}\n{}",
        ran.out.errors(),
        ran.log
    );
    ran.nothing_left();
    assert_eq!(out.lines().last(), Some("1"), "{out}");
    assert_eq!(ran.log.matches("\"good\": \"tls\"").count(), 2, "{}", ran.log);
}

/// A14, A16: nothing is allowed where nothing is said, and what was tried is told with the words to allow it.
#[test]
fn a14_denials_teach() {
    let hosts = Hosts::new();
    let ran = hosts.python(
        &GOOD,
        "print(dial('evil.example', 443), dial('good.example', 8443), dial('api.good.example', 443), dial('9.9.9.9', 443), dial('2606:4700::1111', 22))",
    );
    ran.prints("ECONNRESET ECONNRESET ECONNRESET ECONNRESET ECONNRESET")
        .says("blocked evil.example:443: no rule allows this host; --allow evil.example\n")
        .says("blocked good.example:8443: the rule for this host is for another port; --allow good.example:8443\n")
        .says("blocked api.good.example:443: no rule allows this host; --allow api.good.example\n")
        .says("blocked 9.9.9.9:443: no rule allows this host; --allow 9.9.9.9\n")
        .says("blocked [2606:4700::1111]:22: no rule allows this host; --allow [2606:4700::1111]:22\n")
        .nothing_left();
    assert!(!ran.log.contains("good"), "{}", ran.log);
}

/// A2, A4, A5: every name within a flow is the one that was dialled; what was dialled is what was resolved outside,
/// whatever address the client took.
#[test]
fn a2_a4_a5_names_within_a_flow_agree() {
    let hosts = Hosts::new();
    let flags = ["--allow", "good.example", "--allow", "8.8.4.4"];
    let ran = hosts.python(
        &flags,
        "print(tls('good.example', 443, 'good.example'), tls('good.example', 443, 'evil.example'), tls('good.example', 443, None),
         tls('8.8.4.4', 443, None), tls('8.8.4.4', 443, 'evil.example'), tls('x', 443, 'good.example', to='9.9.9.9'),
         tls('evil.example', 443, 'good.example', to='good.example'))",
    );
    ran.prints("200 TLSV1_UNRECOGNIZED_NAME 200 200 TLSV1_UNRECOGNIZED_NAME ECONNRESET 421")
        .says("blocked good.example:443: the TLS greeting names another host than was dialled")
        .says("blocked 8.8.4.4:443: the TLS greeting names another host than was dialled")
        .says("blocked 9.9.9.9:443: no rule allows this host")
        .nothing_left();
    // Of the others nothing came, not even a connection.
    assert_eq!(ran.log.matches("\"good\": \"tls\"").count(), 3, "{}", ran.log);
    assert_eq!(ran.log.matches("\"good\": \"http\"").count(), 3, "{}", ran.log);
}

/// The same where bytes pass unread: only the greeting is looked at.
#[test]
fn a4_names_of_greetings_that_pass_unread() {
    let hosts = Hosts::new();
    hosts.configure("[network]\nallow = [{ host = \"good.example\", tunnel = true }]");
    let ran = hosts.python(
        &[],
        "print(tls('good.example', 443, 'good.example'), tls('good.example', 443, 'evil.example'), tls('good.example', 443, None))",
    );
    ran.prints("200 ECONNRESET ECONNRESET")
        .says("blocked good.example:443: the TLS greeting names another host than was dialled")
        .says("blocked good.example:443: the TLS greeting names no host")
        .nothing_left();
    // Connected, but not a byte of the greetings was passed on.
    assert_eq!(ran.log.matches("\"bytes\": 5}").count(), 1, "{}", ran.log);
}

/// A8: an address is judged as the address it is, however it is written.
#[test]
fn a8_addresses_in_every_spelling() {
    let hosts = Hosts::new();
    let ran = hosts.python(
        &["--allow", "8.8.4.4:80"],
        "for a in ['8.8.4.4', '134743044', '0x08080404', '010.8.4.4', '8.8.1028', '::ffff:8.8.4.4', '::ffff:808:404',
                   '9.9.9.9', '151587081', '::ffff:9.9.9.9', '64:ff9b::909:909', '2002:909:909::1']:
            print(dial(a, 80, b'GET / HTTP/1.0\\r\\n\\r\\n')[:12].split('\\r')[0])",
    );
    let lines: Vec<String> = ran.out.text().lines().map(str::to_owned).collect();
    assert!(
        lines[..7].iter().all(|l| l == "HTTP/1.1 200"),
        "{lines:?} {}",
        ran.out.errors()
    );
    assert!(lines[7..].iter().all(|l| l == "ECONNRESET"), "{lines:?}");
    ran.nothing_left();
}

/// A20, A21: a name that is allowed and leads somewhere private is not dialled; the address has to be named.
#[test]
fn a20_a21_names_that_lead_inside() {
    let hosts = Hosts::new();
    let names = [
        "private",
        "loop",
        "loop6",
        "zero",
        "metadata",
        "carrier",
        "nat64",
        "mapped",
        "synthetic",
    ];
    let flags: Vec<String> = names
        .iter()
        .flat_map(|n| ["--allow".to_owned(), format!("{n}.example:80")])
        .collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let script = format!(
        "print(*(get(n + '.example') for n in '{}'.split()))",
        names.join(" ")
    );
    let ran = hosts.python(&flags, &script);
    ran.prints(&["403"; 9].join(" "))
        .says("blocked private.example:80: the name leads to a private address, which no rule names; --allow 10.1.2.3:80\n")
        .says("blocked metadata.example:80: the name leads to a cloud metadata address, which no rule names; --allow 169.254.169.254:80\n")
        .says("blocked loop.example:80: the name leads to this machine's own address, which no rule names\n")
        .nothing_left();

    // Named, it is reached: the canary sees exactly this one.
    let named = ["--allow", "private.example:80", "--allow", "10.1.2.3:80"];
    let ran = Hosts::new().python(&named, "get('private.example')");
    assert!(
        ran.log
            .contains(r#"{"canary": "10.1.2.3:80", "bytes": "GET / HTTP/1.1\r\nHost: private.example"#),
        "{}",
        ran.log
    );

    // Of a name with both, only the public address is dialled.
    let ran = Hosts::new().python(&["--allow", "mixed.example:80"], "print(get('mixed.example'))");
    ran.prints("200").nothing_left();
}

/// A22, escapes 58, CVE-2025-55284: names carry nothing out; only a name that is dialled, and allowed, is
/// asked for outside.
#[test]
fn a22_names_are_no_tunnel() {
    let hosts = Hosts::new();
    let ran = hosts.python(
        &["--allow", "*.wild.example", "--allow", "asked.example:80"],
        "for n in range(3000): ask('198.18.0.1', 'x%d.evil.example' % n)
for n in range(300): ask(['8.8.8.8', '1.1.1.1', '2606:4700::1111', '127.0.0.53', '192.0.2.53'][n % 5], 's%d.wild.example' % n)
for k in (2, 5, 15, 16, 33, 65, 255): assert ask('8.8.8.8', 'secret.example', kind=k) == (0, 0), k
print(dial('denied.example', 443), get('asked.example'))",
    );
    ran.prints("ECONNRESET 502")
        .says("blocked denied.example:443: no rule")
        .says("no answer from asked.example:80: the name has no address");
    assert!(
        !ran.log.contains("canary")
            && !ran.log.contains("evil")
            && !ran.log.contains("wild")
            && !ran.log.contains("denied"),
        "{}",
        ran.log
    );
    assert!(ran.log.contains(r"\u0005asked\u0007example"), "{}", ran.log);
}

/// Whoever is asked answers alike, over UDP and TCP; a name keeps its address.
#[test]
fn names_are_answered_by_every_resolver() {
    let hosts = Hosts::new();
    let ran = hosts.python(
        &GOOD,
        "print(*{ask(s, 'good.example', tcp) for s in ['198.18.0.1', '8.8.8.8', '9.9.9.9', '127.0.0.1', '2001:4860:4860::8888', '::1'] for tcp in (False, True)})",
    );
    ran.prints("(0, '198.18.1.0')").nothing_left();
}

/// A24: everything that is neither TCP nor a question for a name fails, and at once.
#[test]
fn a24_everything_else_fails_at_once() {
    let hosts = Hosts::new();
    let ran = hosts.python(
        &GOOD,
        "t = time.time()
def udp(host, port):
    try:
        with socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(3); s.connect((host, port)); s.send(b'x'); s.recv(10); return 'answered'
    except OSError as e: return name(e)
def make(*a):
    try: socket.socket(*a).close(); return 'made'
    except OSError as e: return name(e)
print(*(udp(h, p) for h, p in [('8.8.4.4', 443), ('2606:4700::1111', 443), ('127.0.0.1', 443), ('8.8.8.8', 123)]))
print(make(socket.AF_INET, socket.SOCK_RAW, 1), make(socket.AF_INET, socket.SOCK_DGRAM, 1), make(socket.AF_PACKET, socket.SOCK_RAW, 3), make(40, socket.SOCK_STREAM, 0), make(socket.AF_NETLINK, socket.SOCK_RAW, 12))
print(time.time() - t < 1)",
    );
    ran.prints(
        "ECONNREFUSED ECONNREFUSED ECONNREFUSED ECONNREFUSED\nEPERM EACCES EAFNOSUPPORT EAFNOSUPPORT EPROTONOSUPPORT\nTrue",
    )
    .nothing_left();
}

/// A27: loopback inside is the sandbox's own, and works among its programs.
#[test]
fn a27_loopback_is_the_sandboxs_own() {
    let hosts = Hosts::new();
    let ran = hosts.python(
        &GOOD,
        "import threading
def serve(family, address):
    l = socket.socket(family); l.bind((address, 8080)); l.listen()
    def one():
        while True: l.accept()[0].sendall(b'inside')
    threading.Thread(target=one, daemon=True).start()
serve(socket.AF_INET, '127.0.0.1'); serve(socket.AF_INET6, '::1')
print(*(dial(h, 8080) for h in ['127.0.0.1', 'localhost', '::1', '::ffff:127.0.0.1', '0.0.0.0']))
print(*(dial(h, p) for h, p in [('127.0.0.1', 5433), ('127.0.0.1', 443), ('::1', 5432), ('10.0.2.2', 80), ('host.docker.internal', 80)]))",
    );
    ran.prints(
        "inside inside inside inside inside\nECONNREFUSED ECONNREFUSED ECONNREFUSED ECONNRESET ECONNRESET",
    )
    .nothing_left();
}

/// A29: nothing inside can take the boundary down.
#[test]
fn a29_the_boundary_cannot_be_taken_down() {
    for nested in [&[][..], &["--nested"]] {
        let hosts = Hosts::new();
        let flags = [&GOOD[..], nested].concat();
        let ran = hosts.sh(
            &flags,
            "ip link set lo down; ip route del local default dev lo table local; ip route add default dev lo; ip addr add 10.9.9.9/32 dev lo
             unshare -Ur sh -c 'ip link set lo down; ip route del local default dev lo table local; nft flush ruleset'
             unshare -Urn sh -c 'ip link set lo up; curl -sk -m 2 https://9.9.9.9/ https://good.example/'
             curl -sSk https://good.example/",
        );
        assert_eq!(ran.out.text().trim(), "hello", "{} {}", ran.out.errors(), ran.log);
        ran.nothing_left();
    }
}

/// Where the kernel lacks tproxy, and where it lacks nf_tables altogether: the same by name, and what cannot
/// be reached is refused.
#[test]
fn lesser_kernels() {
    let script = "print(tls('good.example', 443, 'good.example'), dial('good.example', 5432), dial('evil.example', 443),
         dial('9.9.9.9', 443), dial('2606:4700::1111', 443), dial('evil.example', 8443), dial('127.0.0.1', 8443), ask('8.8.8.8', 'good.example', True)[0])";
    for (way, unnamed, words) in [
        ("redirect", "ECONNRESET", "every port, by nf_tables' redirect"),
        ("ports", "ECONNREFUSED", "only ports that rules name"),
    ] {
        let hosts = Hosts::new();
        let flags = [&GOOD[..], &["--allow", "good.example:5432", "--boundary", way]].concat();
        let ran = hosts.python(&flags, script);
        let expected = format!("200 ready ECONNRESET ECONNRESET ECONNRESET {unnamed} ECONNREFUSED 0");
        ran.prints(&expected)
            .says(words)
            .says("blocked evil.example:443: no rule allows this host")
            .nothing_left();
    }
}

/// A30, A54: the gate's own ports are nobody's, and what is bound inside takes nothing away from it.
#[test]
fn a30_a54_the_gate_is_not_to_be_taken() {
    let hosts = Hosts::new();
    let ran = hosts.python(
        &GOOD,
        "def bind(address, port, reuse=0):
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
    if reuse: s.setsockopt(socket.SOL_SOCKET, reuse, 1)
    try: s.bind((address, port)); s.listen(); return s
    except OSError as e: return name(e)
print(bind('0.0.0.0', 1023), bind('127.0.0.1', 1023, socket.SO_REUSEPORT), bind('0.0.0.0', 53, socket.SO_REUSEADDR), bind('::', 1023))
taken = bind('8.8.4.4', 8443), bind('0.0.0.0', 8443)
print(dial('8.8.4.4', 8443), dial('198.18.0.1', 1023), dial('127.0.0.1', 1023, b'x\\n')[:12], dial('good.example', 1023))",
    );
    ran.prints("EACCES EACCES EACCES EACCES\nECONNRESET ECONNRESET HTTP/1.1 400 ECONNRESET")
        .nothing_left();
}

/// A port of this machine's loopback, as localhost inside; no other port, and no other address.
#[test]
fn host_ports_appear_as_localhost() {
    let hosts = Hosts::new();
    let ran = hosts.python(
        &["--allow", "localhost:5433"],
        "print(*(dial(h, 5433) for h in ['localhost', '127.0.0.1', '::1', '127.9.9.9']), *(dial(*a) for a in [('9.9.9.9', 5433), ('127.0.0.1', 5432), ('loop.example', 5433)]))",
    );
    ran.prints("ready ready ready ready ECONNRESET ECONNREFUSED ECONNRESET")
        .nothing_left();
}

/// Ports through which programs are controlled come in by that word only, and one that is published cannot
/// be the host's.
#[test]
fn ports_that_would_surprise_are_refused() {
    let world = World::new();
    for (flags, words) in [
        (
            ["--allow", "localhost:2375"].as_slice(),
            "port 2375 of this machine controls programs of it (Docker); if that is meant, write --control 2375",
        ),
        (
            &["--allow", "localhost"],
            "names no port of this machine; add one, such as localhost:5432",
        ),
        (
            &["--allow", "localhost:3000", "-p", "3000"],
            "cannot be the host's inside and the sandbox's outside",
        ),
        (
            &["--allow", "https://good.example/x"],
            "name the host alone, without scheme and path",
        ),
        (&["--allow", "*.com"], "anyone can register a name below it"),
        (&["--allow", "good.example:0"], "not a port"),
        (&["--allow", "0.0.0.0:80"], "can never match"),
        (&["-p", "3000:x"], "write [ADDRESS:]PORT[:PORT]"),
        (&["-p", "192.0.2.1:3000"], "name another port"),
        (
            &["--allow", "good.example", "--isolation", "landlock"],
            "isolation landlock has none by name",
        ),
    ] {
        let out = world.sandbox().flags(flags).run(&["true"]);
        assert!(out.errors().contains(words), "{flags:?}: {}", out.errors());
    }
}

/// A port of the sandbox is reached from outside, over IPv4 and IPv6 inside.
#[test]
fn published_ports() {
    let world = World::new();
    for (address, port) in [("127.0.0.1", 28_765u16), ("::1", 28_766)] {
        let publish = format!("{port}:3000");
        let script = format!(
            "import socket,os\nl=socket.create_server(('{address}',3000),family=socket.AF_INET6 if ':' in '{address}' else socket.AF_INET)\nopen('ready','w').write('x')\nc,_=l.accept(); c.sendall(c.recv(10)+b' back')"
        );
        let mut running = world
            .live()
            .flags(["-p", &publish])
            .start(&["python3", "-c", &script]);
        running.await_file(&world.project().join("ready"));
        let mut outside = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut answer = String::new();
        std::io::Write::write_all(&mut outside, b"there").unwrap();
        std::io::Read::read_to_string(&mut outside, &mut answer).unwrap();
        assert_eq!(answer, "there back");
        running.wait().ended(0);
        fs::remove_file(world.project().join("ready")).unwrap();
        assert!(
            std::net::TcpStream::connect(("127.0.0.1", port)).is_err(),
            "closed with the run"
        );
    }
}

/// Ports are opened while the session runs, before and after the first connection, are listed, and are closed with it.
#[test]
fn ports_are_opened_while_it_runs() {
    let world = World::new();
    let script = "import socket,threading
def serve(l):
    while True:
        c,_=l.accept(); c.sendall(c.recv(10)+b' by %d'%l.getsockname()[1]); c.close()
for p in (3000,3001): threading.Thread(target=serve,args=(socket.create_server(('127.0.0.1',p)),)).start()
open('ready','w').write('x')";
    let mut running = world
        .live()
        .flags(["-p", "28767:3000", "--allow", "localhost:28770"])
        .start(&["python3", "-c", script]);
    running.await_file(&world.project().join("ready"));
    let port = |words: &[&str]| world.sandbox().verb(&[&["port"], words].concat());
    let asked = |port: u16| {
        let mut outside = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut answer = String::new();
        std::io::Write::write_all(&mut outside, b"there").unwrap();
        std::io::Read::read_to_string(&mut outside, &mut answer).unwrap();
        answer
    };
    assert_eq!(
        port(&["-p", "28768:3001"]).ended(0),
        "127.0.0.1:28768 leads to port 3001 inside until the session ends"
    );
    assert_eq!(asked(28_768), "there by 3001");
    assert_eq!(asked(28_767), "there by 3000");
    port(&["-p", "28769:3001"]).ended(0);
    assert_eq!(asked(28_769), "there by 3001");
    assert_eq!(
        port(&[]).ended(0),
        "127.0.0.1:28767 leads to port 3000 inside\n127.0.0.1:28768 leads to port 3001 inside\n\
         127.0.0.1:28769 leads to port 3001 inside"
    );
    assert_eq!(
        port(&["--json"]).ended(0),
        r#"[{"address":"127.0.0.1","port":28767,"inside":3000},{"address":"127.0.0.1","port":28768,"inside":3001},{"address":"127.0.0.1","port":28769,"inside":3001}]"#
    );
    port(&["-p", "28769:3000"]).refused(
        125,
        &[
            "-p 127.0.0.1:28769:3000",
            "address already in use",
            "-p 28770:3000",
        ],
    );
    port(&["-p", "28771:28770"]).refused(125, &["port 28770 inside is the host's"]);
    port(&["-p", "x"]).refused(125, &["write [ADDRESS:]PORT[:PORT]"]);
    let log = world
        .sandbox()
        .verb(&["audit", "query", "--kind", "session.ask"])
        .ended(0);
    assert!(
        log.contains("what=publish port") && log.contains("inside=3001 outside=127.0.0.1:28769"),
        "{log}"
    );
    running.signal("KILL");
    running.wait();
    for port in [28_767, 28_768, 28_769] {
        let closed = fumehood_tests::settle(|| {
            std::net::TcpStream::connect(("127.0.0.1", port))
                .into_iter()
                .collect()
        });
        assert!(closed.is_empty(), "{port} is open");
    }
}

/// Where nothing leads into a session, or a rule says so, no port is opened.
#[test]
fn a_port_is_not_opened_where_none_may_be() {
    let world = World::new();
    let closed = fumehood_tests::Idle::start(&world, &["--live"]);
    let port = |world: &World| world.sandbox().verb(&["port", "-p", "28772:3000"]);
    port(&world).refused(125, &["has no network", "-p 3000"]);
    assert!(world.sandbox().verb(&["port"]).ended(0).starts_with("no port"));
    closed.end();
    let hosts = Hosts::new();
    hosts.configure("[[deny]]\neffect = \"net.publish\"\nbecause = \"nobody serves\"");
    let session = fumehood_tests::Idle::start(&hosts.world, &["--live", "--allow", "localhost:28773"]);
    port(&hosts.world).refused(125, &["nobody serves", "config.toml:2"]);
    assert!(std::net::TcpStream::connect(("127.0.0.1", 28_772)).is_err());
    session.end();
}

/// Bytes arrive whole, in both directions, also after one side has ended; where the server speaks first it
/// is heard first.
#[test]
fn tunnels_are_faithful() {
    let hosts = Hosts::new();
    let ran = hosts.python(
        &["--allow", "good.example:5432"],
        "import threading, hashlib
s = socket.create_connection(('good.example', 5432)); print(s.recv(6).decode().strip())
data = os.urandom(1 << 20) * 8
def send():
    s.sendall(data); s.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
back = b''
while True:
    piece = s.recv(1 << 20)
    if not piece: break
    back += piece
print(back[:len(data)] == data, back[len(data):].decode().strip())",
    );
    ran.prints("ready\nTrue 8388608 in all").nothing_left();
}

/// A48: a flood of connections takes a bounded share, and others are served when it is over.
#[test]
fn a48_a_flood_is_bounded() {
    let hosts = Hosts::new();
    let ran = hosts.python(
        &["--allow", "good.example:5432"],
        "held = []
for n in range(600):
    s = socket.socket(); s.setblocking(False); s.connect_ex(('198.18.77.77', 80)); held.append(s)
print(dial('good.example', 5432))
for s in held: s.close()
many = [socket.create_connection(('good.example', 5432)) for n in range(200)]
print(len([s for s in many if s.recv(6) == b'ready\\n']))
for s in many: s.close()
print(dial('good.example', 5432))",
    );
    ran.prints("ready\n200\nready").nothing_left();
}

/// Gateway and broker are two processes, confined, and neither outlives the run.
#[test]
fn the_walls_stay_when_the_gateway_goes() {
    for which in ["fumehood-gate", "fumehood-broker"] {
        let world = World::new();
        let script = "import socket,time\ndef d():\n  try: s=socket.create_connection(('nobody.example',80),3); s.settimeout(3); return s.recv(1)\n  except OSError as e: return type(e).__name__\nprint(d(), flush=True)\nopen('asked','w').write('x')\nwhile True:\n  time.sleep(.05)\n  try: open('go')\n  except OSError: continue\n  break\nprint(d(), open('/etc/hostname').read() != '' or True)";
        let mut running = world
            .live()
            .flags(["--allow", "good.example"])
            .start(&["python3", "-c", script]);
        running.await_file(&world.project().join("asked"));
        // A list of children may miss one while another ends (proc(5)).
        let look = || descendant(running.pid(), which);
        let pid = (0..50).find_map(|_| {
            look().or_else(|| {
                std::thread::sleep(Duration::from_millis(20));
                None
            })
        });
        let pid = pid.unwrap_or_else(|| panic!("no {which}"));
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        for wall in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
            assert!(status.contains(wall), "{which}: {status}");
        }
        // The broker reads files of the user's.
        for none in ["CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n"] {
            assert!(
                which != "fumehood-gate" || status.contains(none),
                "{which}: {status}"
            );
        }
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
        std::thread::sleep(Duration::from_millis(200));
        fs::write(world.project().join("go"), "").unwrap();
        let out = running.wait();
        assert!(
            out.ended(0)
                .starts_with("ConnectionResetError\nConnectionRefusedError True")
                || out.text().contains("gaierror"),
            "{}",
            out.text()
        );
        assert!(
            out.errors()
                .contains("process was ended from outside: from then on there was no network"),
            "{}",
            out.errors()
        );
        fs::remove_file(world.project().join("asked")).unwrap();
        fs::remove_file(world.project().join("go")).unwrap();
    }
}

/// A run that opens no socket starts neither gateway nor broker.
#[test]
fn what_is_not_used_is_not_started() {
    let world = World::new();
    let mut running = world
        .sandbox()
        .flags(GOOD)
        .start(&["sh", "-c", "echo x >here; sleep 2"]);
    running.await_file(&world.project().join("here"));
    for which in ["fumehood-gate", "fumehood-broker"] {
        assert_eq!(descendant(running.pid(), which), None);
    }
    running.wait().ended(0);
}

/// With a network, what is downloaded goes over the host's cache into a folder of the run's own: the host's is
/// read through it, unchanged, and the folder is gone with the run.
#[test]
fn downloads_go_over_the_hosts_caches() {
    let mut world = World::new();
    let cache = world.home().join(".npm/_cacache");
    fs::create_dir_all(cache.join("folder")).unwrap();
    fs::write(cache.join("folder/old"), "old").unwrap();
    fs::write(world.project().join("package.json"), "{}").unwrap();
    world.remember();
    let script = "cd ~/.npm/_cacache && cat folder/old && echo new >folder/old && rm -r folder && mkdir more && echo ok >more/file && cat more/file";
    let online = world.sandbox().flags(GOOD).sh(script);
    assert_eq!(online.ended(0), "oldok", "{}", online.errors());
    let left = world.own("state").join("fumehood/caches");
    assert_eq!(fs::read_dir(left).unwrap().count(), 0);
    // Without one there is nothing to write.
    let offline = world
        .sandbox()
        .sh("cat ~/.npm/_cacache/folder/old; touch ~/.npm/_cacache/x");
    assert!(
        offline.code != 0 && offline.text() == "old" && offline.errors().contains("Read-only"),
        "{}",
        offline.errors()
    );
}
