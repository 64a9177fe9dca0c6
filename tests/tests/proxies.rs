//! The variables that name the gate as a proxy, and what clients ask it by `CONNECT`, in URLs and by SOCKS: the same
//! destination, judged the same (research/egress.md A1–A5, A8, A9, A17, A30, A31, A45). Real clients, and bytes that
//! no client sends.

use fumehood_tests::{Hosts, Ran, World};

/// `ask(bytes)` sends them to the gate and says what came back until the end; `connect` goes on inside with `then`.
const ASK: &str = r#"
def ask_gate(send, *more):
    with socket.create_connection(("127.0.0.1", 1023), 5) as s:
        s.settimeout(30)
        try:
            s.sendall(send)
            for piece in more:
                s.recv(1000); s.sendall(piece)
            got = b""
            while data := s.recv(4096): got += data
            return got
        except OSError as e: return name(e).encode()
def code(send, *more):
    got = ask_gate(send, *more)
    return int(got[9:12]) if got.startswith(b"HTTP/1.") else list(got[:2])
def connect(target, host=None, fields=b""):
    host = b"" if host is None else b"Host: %s\r\n" % host
    return code(b"CONNECT %s HTTP/1.1\r\n%s%s\r\n" % (target, host, fields))
def get(url, host):
    return code(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (url, host))
def socks(target, port=443, command=1, form=3):
    target = bytes([len(target)]) + target if form == 3 else target
    got = ask_gate(b"\x05\x01\x00", bytes([5, command, 0, form]) + target + struct.pack(">H", port))
    return list(got[:2])
def through(target, send, sni=None):
    with socket.create_connection(("127.0.0.1", 1023), 5) as s:
        s.settimeout(30)
        s.sendall(b"CONNECT %s HTTP/1.1\r\n\r\n" % target)
        head = s.recv(1000)
        if not head.startswith(b"HTTP/1.1 200 "): return head[9:12].decode()
        try:
            if sni:
                c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
                s = c.wrap_socket(s, server_hostname=sni)
            s.sendall(send)
            return s.recv(100)[9:12].decode() or "end"
        except OSError as e: return name(e)
"#;

fn asked(hosts: &Hosts, flags: &[&str], script: &str) -> Ran {
    hosts.python(flags, &format!("{ASK}\n{script}"))
}

/// Programs that know proxies take this one, and reach what they would have reached without it.
#[test]
fn clients_that_know_proxies_are_led_to_the_gate() {
    let hosts = Hosts::new();
    let flags = ["--allow", "good.example", "--allow", "good.example:80"];
    let script = "curl -sS -o /dev/null -w '%{http_connect} %{http_code}\\n' https://good.example/
        curl -svS http://good.example/ http://good.example/ 2>&1 | grep -E '^> GET http://|^hello'
        curl -sS -x socks5h://127.0.0.1:1023 https://good.example/
        curl -sS -x socks5://127.0.0.1:1023 http://good.example/
        GIT_CURL_VERBOSE=1 git ls-remote https://good.example/git/r.git 2>&1 | grep -cE 'CONNECT good.example:443|refs/heads/main'
        python3 -c \"import urllib.request as r; print(r.urlopen('https://good.example/').read().decode() + str(r.getproxies()['https']))\"";
    let ran = hosts.sh(&flags, script);
    let git = ran
        .out
        .text()
        .lines()
        .nth(7)
        .map(|n| n.parse::<u32>().unwrap_or(0));
    assert!(git >= Some(2), "{}{}", ran.out.text(), ran.out.errors());
    let lines: Vec<String> = ran.out.text().lines().map(str::to_owned).collect();
    let get = "> GET http://good.example/ HTTP/1.1";
    let (before, after) = (&lines[..7], &lines[8..]);
    assert_eq!(
        before[1..5]
            .iter()
            .filter(|line| line.as_str() == "hello")
            .count(),
        2,
        "{lines:?}"
    );
    assert_eq!(
        before[1..5].iter().filter(|line| line.trim() == get).count(),
        2,
        "{lines:?}"
    );
    assert_eq!(
        [&before[0], &before[5], &before[6], &after[0], &after[1]],
        ["200 200", "hello", "hello", "hello", "http://127.0.0.1:1023"],
    );
    ran.nothing_left();
    assert!(
        !ran.log.contains("http://"),
        "to the server the target is a path: {}",
        ran.log
    );
}

/// What the run itself says of proxies counts; and a run without a network has none.
#[test]
fn a_run_that_names_a_proxy_has_only_that_one() {
    let hosts = Hosts::new();
    let seen = "env | grep -i proxy | sort";
    let own = [
        "--allow",
        "good.example",
        "--env",
        "HTTPS_PROXY=http://own.example:3128",
    ];
    hosts.sh(&own, seen).prints("HTTPS_PROXY=http://own.example:3128");
    let out = World::new()
        .sandbox()
        .run(&["sh", "-c", &format!("{seen}; echo end")]);
    assert_eq!(out.text().trim(), "end", "{}", out.errors());
}

/// A56: what the user's own environment names as a proxy is not dialled, and does not come inside.
#[test]
fn a56_a_further_proxy_outside_is_not_dialled() {
    let hosts = Hosts::new();
    let further = [
        ("HTTPS_PROXY", "http://9.9.9.9:3000"),
        ("ALL_PROXY", "socks5://9.9.9.9:3000"),
    ];
    let sandbox = further
        .iter()
        .fold(hosts.world.sandbox(), |sandbox, (name, value)| {
            sandbox.env(name, value)
        });
    let script = "echo $HTTPS_PROXY $ALL_PROXY; curl -sS https://good.example/; curl -sS --noproxy '*' https://good.example/";
    let out = hosts
        .around(sandbox.flags(["--allow", "good.example"]))
        .run(&["sh", "-c", script]);
    let ran = Ran {
        out,
        log: hosts.log(),
    };
    ran.prints("http://127.0.0.1:1023 http://127.0.0.1:1023\nhello\nhello")
        .nothing_left();
}

/// A1–A5, A45: each name within what a proxy is asked is the same, and none leads elsewhere than dialling would.
#[test]
fn a1_to_a5_a45_every_name_is_the_one_that_was_asked_for() {
    let hosts = Hosts::new();
    let flags = ["--allow", "good.example", "--allow", "good.example:80"];
    let ran = asked(
        &hosts,
        &flags,
        r#"
request = b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
print(through(b"good.example:443", request % b"good.example", "good.example"),
      through(b"good.example:443", request % b"good.example", "evil.example"),
      through(b"good.example:443", request % b"evil.example", "good.example"),
      through(b"good.example:443", b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n", "good.example"),
      through(b"good.example:80", b"GET http://evil.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n"),
      through(b"good.example:80", request % b"good.example"))
print(connect(b"good.example:443", b"evil.example:443"), get(b"http://good.example/", b"evil.example"),
      get(b"http://evil.example/", b"good.example"), get(b"http://good.example@evil.example/", b"good.example"))
two = b"GET http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\nGET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n"
print(ask_gate(two).count(b"HTTP/1.1 "), b"connection: close" in ask_gate(two).lower())
"#,
    );
    ran.prints("200 TLSV1_UNRECOGNIZED_NAME 421 405 421 200\n421 421 403 400\n1 True")
        .nothing_left();
    assert!(!ran.log.contains("evil"), "{}", ran.log);
}

/// What is refused is told in the words of who asked, and to the user.
#[test]
fn denials_teach_who_asks_a_proxy() {
    let hosts = Hosts::new();
    let ran = asked(
        &hosts,
        &["--allow", "good.example", "--allow", "private.example:80"],
        r#"
import json
print(json.loads(ask_gate(b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n").split(b"\r\n\r\n")[1]))
print(connect(b"good.example:8443"), connect(b"9.9.9.9:443"), connect(b"[2606:4700::1111]:443"), get(b"http://evil.example/", b"evil.example"),
      get(b"http://private.example/", b"private.example"))
print(socks(b"evil.example"), socks(bytes([9, 9, 9, 9]), form=1), socks(bytes(15) + b"\x02", form=4))
"#,
    );
    let json = "{'error': 'denied by fumehood', 'how_to_ask': 'outside the sandbox: fumehood run --allow evil.example', 'reason': 'evil.example:443: no rule allows this host'}";
    ran.prints(&format!("{json}\n403 403 403 403 403\n[5, 2] [5, 2] [5, 2]"))
        .says("blocked evil.example:443: no rule allows this host; --allow evil.example\n")
        .says("blocked good.example:8443: the rule for this host is for another port")
        .says("blocked private.example:80: the name leads to a private address")
        .nothing_left();
    assert!(!ran.log.contains("good"), "{}", ran.log);
}

/// A31: loopback is dialled without a proxy by those that know one, and not reached by it; the host's ports that a
/// run names are on it.
#[test]
fn a31_loopback_is_reached_without_a_proxy() {
    let hosts = Hosts::new();
    let ran = asked(
        &hosts,
        &["--allow", "localhost:5433", "--allow", "good.example"],
        r#"
import http.server, threading, urllib.request
class Server(http.server.ThreadingHTTPServer): address_family = socket.AF_INET6
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.send_header("Content-Length", "6"); self.end_headers(); self.wfile.write(b"inside")
    def log_message(self, *a): pass
server = Server(("::", 8080), Handler); threading.Thread(target=server.serve_forever, daemon=True).start()
hosts = ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"]
def curl(host): return subprocess.run(["curl", "-sS", "http://%s:8080/" % host], capture_output=True, text=True).stdout
print(*(curl(h) for h in hosts))
print(*(urllib.request.urlopen("http://%s:8080/" % h).read().decode() for h in ["localhost", "127.0.0.1"]))
print(dial("localhost", 5433))
print(*(connect(t) for t in [b"localhost:8080", b"127.0.0.1:8080", b"[::1]:8080", b"x.localhost:8080", b"[::ffff:127.0.0.1]:8080", b"localhost:5433", b"127.0.0.1:1023"]))
print(get(b"http://localhost:8080/", b"localhost:8080"), socks(b"localhost", 8080), socks(b"\x7f\x00\x00\x01", 1023, form=1))
"#,
    );
    ran.prints(
        "inside inside inside inside\ninside inside\nready\n403 403 403 403 403 403 403\n403 [5, 2] [5, 2]",
    )
    .nothing_left();
    assert!(!ran.out.errors().contains("blocked"), "{}", ran.out.errors());
}

/// A8, A9, A30, A32: bytes that no client sends.
#[test]
fn a8_a9_a30_a32_bytes_that_no_client_sends() {
    let hosts = Hosts::new();
    let ran = asked(
        &hosts,
        &[
            "--allow",
            "good.example",
            "--allow",
            "good.example:80",
            "--allow",
            "8.8.4.4",
        ],
        r#"
print(*(connect(t) for t in [b"good.example", b"good.example:0", b"evil.example\0.good.example:443", b"134743044:443", b"0x8.8.4.4:443",
      b"u@good.example:443", b"::1:443", b"good.example:443@evil.example"]))
print(connect(b"good.example:443", fields=b"Content-Length: 5\r\n"), connect(b"good.example:443", fields=b"Transfer-Encoding: chunked\r\n"),
      connect(b"good.example:443", fields=b"A : b\r\n"), connect(b"good.example:443", fields=b"A: b\n\r\n"))
print(code(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:1023\r\n\r\n"), get(b"https://good.example/", b"good.example"), code(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      code(b"\x16\x03\x01\r\n\r\n"), code(b"connect good.example:443 HTTP/1.1\r\n\r\n"), code(b"CONNECT good.example:443\r\n\r\n"),
      code(b"A" * 70000))
print(socks(b"evil.example\0.good.example"), socks(b"good.example", 0), socks(b""), socks(b"good.example", command=2), socks(b"good.example", command=3),
      socks(b"good", form=9), list(ask_gate(b"\x05\x01\x02")), code(b"\x04\x01\0\x50\x08\x08\x04\x04\0\r\n\r\n"))
# Whoever is asked for names, it is the gate that answers, by this way too.
question = struct.pack(">HHHHHH", 7, 256, 1, 0, 0, 0) + b"\x04good\x07example\0" + struct.pack(">HH", 1, 1)
with socket.create_connection(("127.0.0.1", 1023)) as s:
    s.sendall(b"CONNECT 8.8.8.8:53 HTTP/1.1\r\n\r\n"); s.recv(1000)
    s.sendall(struct.pack(">H", len(question)) + question); print(s.recv(1000)[-4:-2] == b"\xc6\x12")
# What a client resolved itself is the name that it asked for.
with socket.create_connection(("127.0.0.1", 1023)) as s:
    s.sendall(b"CONNECT %s:80 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: good.example\r\n\r\n" % socket.gethostbyname("good.example").encode())
    got = b""
    while not got.endswith(b"hello\n"): got += s.recv(1000)
    print(got.count(b" 200 "))
"#,
    );
    ran.prints(
        "400 400 400 400 400 400 400 400\n400 400 400 400\n400 400 505 400 400 400 431\n\
         [5, 1] [5, 1] [5, 1] [5, 7] [5, 7] [5, 8] [5, 255] 400\nTrue\n2",
    )
    .nothing_left();
    assert_eq!(ran.log.matches("\"good\"").count(), 1, "{}", ran.log);
}

/// Where bytes pass unread: by `CONNECT` and SOCKS, the greeting read as for who dialled; a request of a proxy's has to
/// be read, and is not passed on.
#[test]
fn what_passes_unread_passes_by_a_proxy_too() {
    let hosts = Hosts::new();
    hosts.configure(
        "[network]\nallow = [{ host = \"good.example\", tunnel = true }, { host = \"good.example:80\", tunnel = true }, \"good.example:5432\"]",
    );
    let ran = asked(
        &hosts,
        &[],
        r#"
request = b"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n"
print(through(b"good.example:443", request, "good.example"), through(b"good.example:443", request, "evil.example"),
      through(b"good.example:80", request), get(b"http://good.example/", b"good.example"))
with socket.create_connection(("127.0.0.1", 1023)) as s:
    s.sendall(b"\x05\x01\x00"); s.recv(2); s.sendall(b"\x05\x01\x00\x03\x0cgood.example" + struct.pack(">H", 5432))
    got = b""
    while not got.endswith(b"ready\n"): got += s.recv(100)
    print(list(got[:2]))
"#,
    );
    ran.prints("200 ECONNRESET 200 403\n[5, 0]")
        .says("blocked good.example:443: the TLS greeting names another host than was dialled")
        .nothing_left();
}

/// Where the kernel lacks tproxy or nf_tables, who knows proxies is served all the same, on every port.
#[test]
fn lesser_kernels_serve_proxies() {
    for way in ["redirect", "ports"] {
        let hosts = Hosts::new();
        let flags = [
            "--allow",
            "good.example",
            "--allow",
            "good.example:8443",
            "--boundary",
            way,
        ];
        let script = "curl -sS -o /dev/null -o /dev/null -w '%{http_connect} %{http_code} ' https://good.example/ https://good.example:8443/
            curl -sS https://evil.example/ || echo $?";
        hosts
            .sh(&flags, script)
            .prints("200 200 200 200 56")
            .nothing_left();
    }
}
