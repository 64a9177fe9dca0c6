//! Requests that are read at the boundary: research/egress.md A1–A6, A32–A36, A45 and what DESIGN §5 asks of real
//! clients. The far side is that of tests/network/hosts.py; each denial shows that it saw nothing.

use fumehood_tests::{Hosts, Ran};

const GOOD: [&str; 2] = ["--allow", "good.example"];

/// How many requests reached the far side.
fn requests(ran: &Ran) -> usize {
    ran.log.matches("\"good\": \"http\"").count()
}

/// Programs of many kinds trust the session by themselves: by variables, by the system's bundle where there are none,
/// by a store of their own.
#[test]
fn real_clients_trust_the_session() {
    let hosts = Hosts::new();
    std::fs::write(
        hosts.world.project().join("Fetch.java"),
        "import java.net.URI; import java.net.http.*; class Fetch { public static void main(String[] a) throws Exception {
            var r = HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(a[0])).build(), HttpResponse.BodyHandlers.ofString());
            System.out.print(r.statusCode() + \" \" + r.body()); } }",
    )
    .unwrap();
    let script = "for one in 'curl -sS --http2' 'curl -sS --http1.1' 'env -i /usr/bin/curl -sS' 'wget -qO-' 'env -i /usr/bin/wget -qO-'; do
            echo \"$one: $($one https://good.example/ 2>&1)\"
        done
        echo \"python: $(python3 -c \"import urllib.request as u; print(u.urlopen('https://good.example/').read().decode(), end='')\" 2>&1)\"
        echo \"node: $(node -e \"fetch('https://good.example/').then(r => r.text()).then(t => process.stdout.write(t))\" 2>&1)\"
        echo \"java: $(java -XX:TieredStopAtLevel=1 Fetch.java https://good.example/ 2>&1)\"
        echo \"openssl: $(openssl s_client -connect good.example:443 -verify_return_error </dev/null 2>/dev/null | grep -c 'Verification: OK')\"
        git ls-remote https://good.example/x.git 2>&1 | tail -n1";
    let ran = hosts.sh(&GOOD, script);
    let expected = "curl -sS --http2: hello
curl -sS --http1.1: hello
env -i /usr/bin/curl -sS: hello
wget -qO-: hello
env -i /usr/bin/wget -qO-: hello
python: hello
node: hello
java: 200 hello
openssl: 1
fatal: https://good.example/x.git/info/refs not valid: is this a git repository?";
    ran.prints(expected).nothing_left();
    assert_eq!(requests(&ran), 9, "{}", ran.log);
}

/// A request that no rule allows is answered with the reason, the rule and how to ask, and nothing of it leaves.
#[test]
fn a32_what_is_denied_is_told_and_does_not_leave() {
    let hosts = Hosts::new();
    hosts.configure(
        "[network]\nallow = [{ host = \"good.example\", methods = [\"GET\", \"POST\"], paths = [\"/v1/**\"], \
         query = { key = \"a\" }, headers = { x-team = \"red\" } }]",
    );
    let script = "ask() { curl -sS -o answer -w '%{http_code} ' \"$@\"; python3 -c \"import json; a = json.load(open('answer')); print(a['error'], '|', a['reason'], '|', a.get('rule'), '|', 'how_to_ask' in a)\"; }
        ask -X DELETE 'https://good.example/v1/x?key=a' -H 'X-Team: red'
        ask 'https://good.example/v2/x?key=a' -H 'X-Team: red'
        ask 'https://good.example/v1/../v2?key=a' -H 'X-Team: red' --path-as-is
        ask 'https://good.example/v1/x?key=b' -H 'X-Team: red'
        ask 'https://good.example/v1/x?key=a&key=b' -H 'X-Team: red'
        ask 'https://good.example/v1/x?key=a' -H 'X-Team: blue'
        ask 'https://good.example/v1/x?key=a' -H 'X-Team: red' -H 'X-HTTP-Method-Override: DELETE'
        ask --http1.1 -X DELETE 'https://good.example/v1/x?key=a' -H 'X-Team: red'";
    let ran = hosts.sh(&[], script);
    let line = |why: &str| format!("403 denied by fumehood | {why} | network.allow good.example | True");
    let method = "DELETE good.example:443: the rule does not allow this method";
    let path = "GET good.example:443: the rule does not allow this path";
    let query = "GET good.example:443: the rule does not allow this value of the query key `key`";
    let header = "GET good.example:443: the rule does not allow this value of the header field `x-team`";
    let mut all: Vec<String> = [method, path, query, query, header, method, method]
        .into_iter()
        .map(line)
        .collect();
    let upwards = "400 not sent by fumehood | the target holds a segment that leads upwards | None | False";
    all.insert(2, upwards.to_owned());
    ran.prints(&all.join("\n"))
        .says("blocked good.example:443: DELETE: the rule does not allow this method; outside the sandbox, in fumehood.toml: [network] allow = [{ host = \"good.example:443\", methods = [\"DELETE\"] }]")
        .says("blocked good.example:443: GET: the rule does not allow this path")
        .nothing_left();
    assert_eq!(
        (requests(&ran), ran.log.as_str()),
        (0, ""),
        "nobody was even dialled"
    );

    let ran = hosts.sh(
        &[],
        "curl -sS 'https://good.example/v1/x?key=a' -H 'X-Team: red' -d body=1; curl -sS 'http://good.example/v1/x' | grep -o 'the rule for this host is for another port'",
    );
    ran.prints("hello\nthe rule for this host is for another port");
    assert!(ran.log.contains("POST /v1/x?key=a HTTP/1.1"), "{}", ran.log);
    assert!(
        ran.log.contains(r#""good": "body", "bytes": "body=1""#),
        "{}",
        ran.log
    );
}

/// A host and no more said: what only reads, and little of it.
#[test]
fn a_bare_host_is_read_from_only() {
    let hosts = Hosts::new();
    let script = "code() { curl -sS -o /dev/null -w '%{http_code} ' \"$@\"; }
        code https://good.example/; code -I https://good.example/; code -X OPTIONS https://good.example/
        code -d x https://good.example/; code -X PUT https://good.example/; code -X PATCH https://good.example/; code -X PURGE https://good.example/
        code \"https://good.example/$(printf '%05000d' 0)\"
        head -c 9000 /dev/zero >much; code -X GET --data-binary @much https://good.example/
        code -X GET -H 'Transfer-Encoding: chunked' --http1.1 --data-binary @much https://good.example/";
    let ran = hosts.sh(&GOOD, script);
    ran.prints("200 200 200 403 403 403 403 403 403 403")
        .nothing_left();
    // Of the last, whose length nobody knew before, the head was on its way; its body was not complete.
    assert!(!ran.log.contains("\"length\": 9000"), "{}", ran.log);
    assert!((3..=4).contains(&requests(&ran)), "{}", ran.log);
}

/// Where a rule allows a method, what the catalogue knows as hard to undo does not leave all the same; its harmless twin
/// does.
#[test]
fn what_the_catalogue_knows_does_not_leave() {
    let hosts = Hosts::new();
    hosts.configure(
        "[network]\nallow = [{ host = \"api.github.com\", methods = [\"GET\", \"PUT\", \"POST\"] }]",
    );
    let script = "code() { curl -sS -o /dev/null -w '%{http_code} ' \"$@\"; }
        code -X PUT -d '{}' https://api.github.com/repos/a/b/pulls/7/merge
        code --http1.1 -X PUT -d '{}' https://api.github.com/repos/a/b/pulls/7/merge
        code -d '{\"query\": \"mutation { x: mergePullRequest(input: {pullRequestId: 1}) { clientMutationId } }\"}' https://api.github.com/graphql
        code https://api.github.com/repos/a/b/pulls/7/merge
        code -d '{\"query\": \"query { viewer { login } }\"}' https://api.github.com/graphql";
    let ran = hosts.sh(&["--holds", "deny"], script);
    ran.prints("403 403 403 200 200")
        .says("blocked api.github.com:443: PUT: ")
        .nothing_left();
    assert_eq!(requests(&ran), 2, "{}", ran.log);
    assert!(
        !ran.log.contains("mutation") && !ran.log.contains("PUT"),
        "{}",
        ran.log
    );
}

/// A1, A3, A35: names within a request, however it spells them; what two servers could read differently.
#[test]
fn a1_a3_a35_names_and_smuggling() {
    let hosts = Hosts::new();
    let script = "
c = ssl.create_default_context()
def raw(data):
    with socket.create_connection(('good.example', 443), 5) as s, c.wrap_socket(s, server_hostname='good.example') as t:
        t.sendall(data); t.settimeout(8)
        got = b''
        try:
            while more := t.recv(65536): got += more
        except OSError: pass
        return got[9:12].decode()
print(raw(b'GET / HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n'),
      raw(b'GET https://evil.example/ HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n'),
      raw(b'GET / HTTP/1.1\\r\\nHost: good.example\\r\\nHost: evil.example\\r\\n\\r\\n'),
      raw(b'GET / HTTP/1.1\\r\\n\\r\\n'),
      raw(b'CONNECT evil.example:443 HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n'),
      raw(b'GET / HTTP/1.1\\r\\nHost: good.example\\r\\nContent-Length: 3\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n'),
      raw(b'GET / HTTP/1.1\\r\\nHost: good.example\\r\\nContent-Length: 3\\r\\nContent-Length: 4\\r\\n\\r\\nabc'),
      raw(b'GET / HTTP/1.1\\r\\nHost: good.example\\r\\nX: a\\n\\nGET /two HTTP/1.1\\r\\n\\r\\n'),
      raw(b'GET / HTTP/1.1\\r\\nHost: good.example:443\\r\\nConnection: close\\r\\n\\r\\n'))";
    let ran = hosts.python(&GOOD, script);
    ran.prints("421 421 400 400 405 400 400 400 200").nothing_left();
    assert_eq!(requests(&ran), 1, "{}", ran.log);
}

/// A server whose certificate does not hold gets a handshake and nothing more, and the client is told which of the
/// reasons it is; no setting of a program inside changes that.
#[test]
fn servers_are_verified_outside() {
    let hosts = Hosts::new();
    let flags = [
        "--allow",
        "expired.example",
        "--allow",
        "untrusted.example",
        "--allow",
        "wrong.example",
    ];
    let ran = hosts.sh(
        &flags,
        "for name in expired untrusted wrong; do curl -sSk https://$name.example/; done",
    );
    let out = ran.out.text();
    for words in [
        "the certificate of expired.example:443 has expired; nothing was sent",
        "the certificate of untrusted.example:443 is signed by nobody this machine trusts; nothing was sent",
        "the certificate of wrong.example:443 is for another name; nothing was sent",
        "name its file in SSL_CERT_FILE outside",
    ] {
        assert!(out.contains(words), "{words}: {out}\n{}", ran.log);
    }
    ran.nothing_left();
    assert_eq!(
        (requests(&ran), ran.log.matches("\"tls\"").count()),
        (0, 3),
        "{}",
        ran.log
    );
    let found = hosts
        .world
        .sandbox()
        .verb(&["audit", "query", "--kind", "effect.failed"])
        .ended(0);
    for words in [
        "the certificate of expired.example:443 has expired; nothing was sent",
        "the certificate of untrusted.example:443 is signed by nobody",
        "the certificate of wrong.example:443 is for another name",
    ] {
        assert!(found.contains(words), "{words}: {found}");
    }
}

/// `tunnel = true`: the client speaks with the server itself, and the run says how much passed unread.
#[test]
fn a_tunnel_is_the_servers_own_and_is_said() {
    let hosts = Hosts::new();
    hosts.configure("[network]\nallow = [{ host = \"good.example\", tunnel = true }]");
    let ran = hosts.sh(
        &["-v"],
        "curl -sSk -X DELETE https://good.example/; echo | openssl s_client -connect good.example:443 2>/dev/null | grep -c 'issuer=CN = authority'; env | grep -c CURL_CA_BUNDLE",
    );
    ran.prints("hello\n1\n0")
        .says("network: good.example (uninspected)")
        .says("uninspected good.example:443: ")
        .nothing_left();
    assert!(ran.log.contains("DELETE / HTTP/1.1"), "{}", ran.log);
}

/// A client that trusts nobody but its own list is told so in the run's summary, with what can be done; one that does
/// not speak HTTP too.
#[test]
fn clients_that_cannot_be_read_are_told_the_remedies() {
    let hosts = Hosts::new();
    let ran = hosts.python(
        &["--allow", "good.example", "--allow", "good.example:8443"],
        "c = ssl.create_default_context(); c.load_verify_locations
empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
try:
    with socket.create_connection(('good.example', 443)) as s: empty.wrap_socket(s, server_hostname='good.example')
except OSError as e: print(name(e))
print(dial('good.example', 8443, b'EHLO x\\r\\n\\r\\n')[:12])",
    );
    ran.prints("CERTIFICATE_VERIFY_FAILED\nHTTP/1.1 400")
        .says("blocked good.example:443: the program does not trust this session's certificates: show it the file that SSL_CERT_FILE names inside, or let the host pass unread by `tunnel = true` in its rule")
        .says("blocked good.example:8443: what the program sent cannot be read as HTTP; `tunnel = true` in its rule")
        .nothing_left();
    assert_eq!(ran.log, "", "nobody was dialled");
}

/// Large bodies, events as they come, and WebSocket, which is bytes both ways once the server has agreed.
#[test]
fn bodies_stream() {
    let hosts = Hosts::new();
    hosts.configure("[network]\nallow = [{ host = \"good.example\", methods = [\"GET\", \"POST\"] }]");
    let script = "
import urllib.request as u, hashlib
data = os.urandom(1 << 20) * 8
print(u.urlopen('https://good.example/echo', data).read() == data)
events = u.urlopen('https://good.example/events')
print(events.readline().decode().strip()); events.readline()
u.urlopen('https://good.example/go')
print(events.readline().decode().strip())
c = ssl.create_default_context()
with socket.create_connection(('good.example', 443)) as s, c.wrap_socket(s, server_hostname='good.example') as t:
    t.sendall(b'GET /websocket HTTP/1.1\\r\\nHost: good.example\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n')
    head = b''
    while not head.endswith(b'\\r\\n\\r\\n'): head += t.recv(1)
    print(head[9:12].decode())
    frame = b'\\x81\\x85abcd' + bytes(a ^ b for a, b in zip(b'hello', b'abcda'))
    t.sendall(frame)
    back = b''
    while len(back) < len(frame): back += t.recv(100)
    print(back == frame)";
    let ran = hosts.python(&[], script);
    ran.prints("True\ndata: 1\ndata: 2\n101\nTrue").nothing_left();
    assert!(ran.log.contains("\"length\": 8388608"), "{}", ran.log);
}

/// The session's key is nowhere inside: not in a file, not in a variable, not in a descriptor.
#[test]
fn a50_the_key_of_the_authority_is_not_inside() {
    let hosts = Hosts::new();
    let script = "curl -sS https://good.example/ >/dev/null
        grep -rlaE 'PRIVATE KEY' /run /tmp /proc/self/environ 2>/dev/null; ls -l /proc/*/fd 2>/dev/null | grep -c memfd
        ls /run/fumehood; openssl x509 -in /run/fumehood/session.pem -noout -text | grep -c 'CA:TRUE, pathlen:0'
        touch /run/fumehood/x /run/fumehood/session.pem /etc/ssl/certs/ca-certificates.crt 2>&1 | grep -c 'Read-only\\|denied'";
    let ran = hosts.sh(&GOOD, script);
    ran.prints("0\ncertificates.pem\nsession.pem\n1\n3")
        .nothing_left();
}

/// A45: neither an upgrade to HTTP/2 without TLS nor one that is not asked for opens a way that nobody reads.
#[test]
fn a45_http_2_without_tls_is_no_tunnel() {
    let hosts = Hosts::new();
    let ran = hosts.python(
        &["--allow", "good.example:80"],
        r#"
frames = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
def raw(send):
    with socket.create_connection(("good.example", 80)) as s:
        s.settimeout(30); s.sendall(send)
        got = b""
        try:
            while data := s.recv(4096): got += data
        except ConnectionResetError: pass
        return got
upgrade = b"GET /first HTTP/1.1\r\nHost: good.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
got = raw(upgrade + frames)
print(got.count(b"HTTP/1.1 200"), got.count(b"HTTP/1.1 101"), got.count(b"HTTP/1.1 505"))
print(raw(frames)[:12].decode())
"#,
    );
    ran.prints("1 0 1\nHTTP/1.1 505").nothing_left();
    let seen: Vec<&str> = ran.log.lines().collect();
    assert_eq!(seen.len(), 1, "{}", ran.log);
    for word in ["pgrade", "http2-settings", "PRI"] {
        assert!(
            !seen[0].to_lowercase().contains(&word.to_lowercase()),
            "{}",
            ran.log
        );
    }
}
