//! Credentials, from end to end: a client that has a placeholder, a server that sees the real one and sends it
//! back.

use crate::bench::{Bench, HOST, World, listen};
use crate::one::until;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use fumehood_broker::{Binding, Minter, Secret, Vault};
use fumehood_policy::config::Config;
use http::Request;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

const KEY: &str = "sk-ant-api03-Real+Value/of=the.Key";
const MINTED: &str = "sk-ant-oat01-0123456789abcdefMINTED";

/// A vault with one key, bound as the words of a configuration say; and its placeholder.
fn vault(binding: &str) -> (Vault, String) {
    let text = format!("version = 1\n[secret.KEY]\nfrom = \"store:KEY\"\n{binding}\n");
    let config: Config = fumehood_policy::config::parse(fumehood_policy::Layer::User, "t", text.as_bytes())
        .into_result()
        .unwrap();
    let mut vault = Vault::new(Minter::new([9; 32]));
    let secret = Secret::new(KEY.as_bytes().to_vec()).unwrap();
    let shown = vault
        .add([("KEY".to_owned(), secret, Binding::new(&config.secrets[0].1))])
        .remove(0);
    (vault, shown.text().to_owned())
}

type Seen = Arc<Mutex<Vec<String>>>;

/// A server that notes each request and answers with what `answer` makes of it.
async fn server(world: &World, answer: fn(&str) -> Vec<u8>) -> (SocketAddr, Seen) {
    let seen: Seen = Arc::default();
    let noted = Arc::clone(&seen);
    let serve = move |mut stream: TlsStream<TcpStream>| {
        let noted = Arc::clone(&noted);
        async move {
            loop {
                let head = until(&mut stream, b"\r\n\r\n").await;
                let mut request = String::from_utf8(head).unwrap();
                if request.is_empty() {
                    return;
                }
                let length = request
                    .lines()
                    .find_map(|l| l.strip_prefix("Content-Length: ")?.parse().ok());
                let mut body = vec![0; length.unwrap_or(0)];
                stream.read_exact(&mut body).await.unwrap();
                request.push_str(&String::from_utf8(body).unwrap());
                noted.lock().unwrap().push(request.clone());
                // A few bytes at a time: what comes back is cut wherever it may be.
                for piece in answer(&request).chunks(7) {
                    stream.write_all(piece).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
        }
    };
    let tls = world.server(HOST, SystemTime::now(), &[b"http/1.1"]);
    (listen(tls, serve).await, seen)
}

fn chunked(body: &str) -> Vec<u8> {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nTrailer: x-t\r\n";
    let mut out = format!("{head}X-Echo: {body}\r\n\r\n").into_bytes();
    for piece in body.as_bytes().chunks(11) {
        out.extend(format!("{:x}\r\n", piece.len()).bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend(format!("0\r\nX-T: {body}\r\n\r\n").bytes());
    out
}

/// The key of a request, in every encoding.
fn reflect(request: &str) -> Vec<u8> {
    let key = request
        .lines()
        .find_map(|l| l.strip_prefix("X-Api-Key: "))
        .unwrap_or_default();
    let each = |format: fn(u8) -> String| key.bytes().map(format).collect::<String>();
    let all = [
        key.to_owned(),
        STANDARD.encode(key),
        STANDARD.encode(format!("u:{key}")),
        URL_SAFE_NO_PAD.encode(format!("us:{key}")),
        each(|b| format!("{b:02x}")),
        each(|b| format!("%{b:02X}")),
        each(|b| format!("\\u{b:04x}")),
        key.replace('/', "\\/"),
    ];
    chunked(&all.join(" "))
}

fn ask(line: &str, fields: &str, body: &str) -> String {
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    format!("{line} HTTP/1.1\r\nHost: {HOST}\r\n{fields}{length}\r\n{body}")
}

async fn bench(world: &World, server: SocketAddr, vault: Vault) -> Bench {
    Bench::keeping(world, server, vault, |_| None).await
}

/// Sends on a connection of its own and reads to the end.
async fn exchange(bench: &Bench, request: &str, end: &[u8]) -> String {
    let mut client = bench.client(&[b"http/1.1"]).await;
    client.write_all(request.as_bytes()).await.unwrap();
    String::from_utf8_lossy(&until(&mut client, end).await).into_owned()
}

/// A chunked body without its frames.
fn unframed(message: &str) -> String {
    let body = message.split_once("\r\n\r\n").unwrap().1;
    body.split("\r\n").skip(1).step_by(2).collect()
}

fn holds_the_key(text: &str) -> bool {
    let inner = &KEY[13..KEY.len() - 2];
    let hex: String = inner.bytes().map(|b| format!("{b:02x}")).collect();
    let plain = text.to_lowercase().replace(['%', '\\'], "").replace("u00", "");
    text.contains(inner)
        || plain.contains(&hex)
        || text.contains(&STANDARD.encode(&KEY[..KEY.len() - 1])[20..])
}

/// A39: the server sees the key; the client gets back neither it nor any encoding of it, however it is cut.
#[tokio::test]
async fn a39_the_server_sees_the_key_and_the_client_never() {
    let world = World::new(SystemTime::now());
    let (server, seen) = server(&world, reflect).await;
    let (vault, shown) = vault("for = \"a.example\"");
    let bench = bench(&world, server, vault).await;
    let got = exchange(
        &bench,
        &ask(
            "GET /",
            &format!("X-Api-Key: {shown}\r\nAccept-Encoding: br\r\nRange: bytes=0-9\r\n"),
            "",
        ),
        b"\r\n0\r\n",
    )
    .await;
    let seen = seen.lock().unwrap().join("");
    assert!(seen.contains(&format!("X-Api-Key: {KEY}\r\n")), "{seen}");
    assert!(seen.contains("identity") && !seen.contains("Range"), "{seen}");
    assert!(
        holds_the_key(&String::from_utf8(reflect(&seen)).unwrap().replace("\r\n", "")),
        "the server sends it back"
    );
    assert!(!holds_the_key(&got) && !holds_the_key(&unframed(&got)), "{got}");
    assert!(unframed(&got).starts_with(&format!("{shown} ")), "{got}");
    assert!(got.contains(&format!("X-Echo: {shown} ")), "{got}");
}

/// A40 to A42: nothing is sent, and the answer says which secret, why and what to do.
#[tokio::test]
async fn a41_a_refused_credential_never_reaches_a_server() {
    let world = World::new(SystemTime::now());
    let (server, seen) = server(&world, reflect).await;
    for (binding, fields, why) in [
        (
            "for = \"other.example\"",
            "X-Api-Key: PLACEHOLDER\r\n",
            "is not for a.example:443",
        ),
        (
            "for = \"a.example\"\npaths = [\"/v2/**\"]",
            "X-Api-Key: PLACEHOLDER\r\n",
            "is not for this path",
        ),
        (
            "for = \"a.example\"\nplace = \"bearer\"",
            "X-Api-Key: PLACEHOLDER\r\n",
            "may not stand in header:x-api-key",
        ),
        (
            "for = \"a.example\"",
            "X-Api-Key: attackers-own\r\n",
            "not of this session",
        ),
    ] {
        let (vault, shown) = vault(binding);
        let bench = bench(&world, server, vault).await;
        let request = ask("GET /v1/x", &fields.replace("PLACEHOLDER", &shown), "");
        let got = exchange(&bench, &request, b"}\n").await;
        assert!(got.starts_with("HTTP/1.1 403 ") && got.contains(why), "{got}");
        assert_eq!(bench.dialled(), 0);
    }
    assert!(seen.lock().unwrap().is_empty());
}

fn mint(request: &str) -> Vec<u8> {
    let body = if request.starts_with("POST /token") {
        format!("{{\"access_token\":\"{MINTED}\",\"expires_in\":3600}}")
    } else {
        "{}".to_owned()
    };
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// F15: a refresh. The token that goes out is real, the one that comes back never is, and it works.
#[tokio::test]
async fn f15_a_token_is_refreshed_and_used_and_never_seen() {
    let world = World::new(SystemTime::now());
    let (server, seen) = server(&world, mint).await;
    let (vault, shown) =
        vault("for = \"a.example\"\nplace = [\"form:refresh_token\", \"json:refresh_token\"]");
    let bench = bench(&world, server, vault).await;
    let form = format!("grant_type=refresh_token&refresh_token={shown}");
    let refresh = ask(
        "POST /token",
        "Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n",
        &form,
    );
    let got = exchange(&bench, &refresh, b"}").await;
    assert!(
        got.starts_with("HTTP/1.1 100 ") && got.contains("expires_in") && !got.contains("MINTED"),
        "{got}"
    );
    let escaped = "sk-ant-api03-Real%2BValue%2Fof%3Dthe.Key";
    let first = seen.lock().unwrap().remove(0);
    assert!(
        first.ends_with(&format!(
            "\r\n\r\ngrant_type=refresh_token&refresh_token={escaped}"
        )),
        "{first}"
    );
    let token = got.split('"').nth(3).unwrap();
    let used = exchange(
        &bench,
        &ask("GET /v1", &format!("Authorization: Bearer {token}\r\n"), ""),
        b"{}",
    )
    .await;
    assert!(used.starts_with("HTTP/1.1 200 "), "{used}");
    assert!(
        seen.lock()
            .unwrap()
            .remove(0)
            .contains(&format!("Authorization: Bearer {MINTED}\r\n"))
    );
}

fn compressed(_: &str) -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nabcd".to_vec()
}

/// A47: what cannot be looked at does not pass, from a host that has the key.
#[tokio::test]
async fn a47_an_answer_that_cannot_be_read_is_withheld() {
    let world = World::new(SystemTime::now());
    let (server, _) = server(&world, compressed).await;
    let (vault, shown) = vault("for = \"a.example\"");
    let bench = bench(&world, server, vault).await;
    let got = exchange(
        &bench,
        &ask("GET /", &format!("X-Api-Key: {shown}\r\n"), ""),
        b"}\n",
    )
    .await;
    assert!(
        got.starts_with("HTTP/1.1 502 ") && got.contains("compressed as br"),
        "{got}"
    );
}

/// Answers with the key in two frames of one message.
async fn frames(mut stream: TlsStream<TcpStream>) {
    let head = String::from_utf8(until(&mut stream, b"\r\n\r\n").await).unwrap();
    assert!(!head.contains("Extensions"), "{head}");
    let key = head.lines().find_map(|l| l.strip_prefix("X-Api-Key: ")).unwrap();
    let answer =
        b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: k\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    let (one, two) = key.split_at(20);
    for (first, part) in [(0x01, one), (0x80, two)] {
        stream
            .write_all(&[&[first, part.len() as u8], part.as_bytes()].concat())
            .await
            .unwrap();
        stream.flush().await.unwrap();
    }
    let mut rest = Vec::new();
    let _client_gone = stream.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn a_websocket_gives_nothing_back() {
    let world = World::new(SystemTime::now());
    let server = listen(world.server(HOST, SystemTime::now(), &[b"http/1.1"]), frames).await;
    let (vault, shown) = vault("for = \"a.example\"");
    let bench = bench(&world, server, vault).await;
    let fields = format!(
        "X-Api-Key: {shown}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
    );
    let end = &shown.as_bytes()[shown.len() - 5..];
    let got = exchange(&bench, &ask("GET /ws", &fields, ""), end).await;
    assert!(
        got.ends_with(&format!("\u{1}\u{14}{}", &shown[..20])) || got.contains(&shown[..20]),
        "{got:?}"
    );
    assert!(!got.contains("Real"), "{got:?}");
}

async fn reflect_two(stream: TlsStream<TcpStream>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let key = request.headers()["x-api-key"].to_str().unwrap().to_owned();
        tokio::spawn(async move {
            let head = http::Response::builder().header("x-echo", &key).body(()).unwrap();
            let mut send = respond.send_response(head, false).unwrap();
            for piece in format!("it is {key}").into_bytes().chunks(5) {
                fumehood_lane::two::send(&mut send, Bytes::copy_from_slice(piece))
                    .await
                    .unwrap();
            }
            let mut trailers = http::HeaderMap::new();
            trailers.insert("x-t", key.parse().unwrap());
            send.send_trailers(trailers).unwrap();
        });
    }
}

/// The same over HTTP/2.
#[tokio::test]
async fn a39_over_http_2() {
    let world = World::new(SystemTime::now());
    let server = listen(world.server(HOST, SystemTime::now(), &[b"h2"]), reflect_two).await;
    let (vault, shown) = vault("for = \"a.example\"");
    let bench = bench(&world, server, vault).await;
    let stream = bench.client(&[b"h2"]).await;
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(format!("https://{HOST}/"))
        .header("x-api-key", &shown)
        .body(())
        .unwrap();
    let (response, _) = send.ready().await.unwrap().send_request(request, true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.headers()["x-echo"], shown.as_str());
    let mut body = response.into_body();
    let mut got = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        got.extend_from_slice(&data);
    }
    assert_eq!(String::from_utf8(got).unwrap(), format!("it is {shown}"));
    assert_eq!(body.trailers().await.unwrap().unwrap()["x-t"], shown.as_str());
}

/// Answers with the key in frames that end where the path says: after that many bytes and at the end, or, for 0, after
/// each byte. One piece is one frame: h2 may cut what it is given, and joins nothing.
async fn reflect_cut(stream: TlsStream<TcpStream>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let message = format!("it is {KEY}.");
        assert_eq!(request.headers()["x-api-key"], KEY);
        let first: usize = request.uri().path()[1..].parse().unwrap();
        tokio::spawn(async move {
            let mut send = respond.send_response(http::Response::new(()), false).unwrap();
            let pieces: Vec<&[u8]> = match first {
                0 => message.as_bytes().chunks(1).collect(),
                _ => <[&[u8]; 2]>::from(message.as_bytes().split_at(first)).to_vec(),
            };
            for piece in pieces {
                fumehood_lane::two::send(&mut send, Bytes::copy_from_slice(piece))
                    .await
                    .unwrap();
            }
            send.send_data(Bytes::new(), true).unwrap();
        });
    }
}

/// Frames that end at each byte of the key, and one frame for each byte.
#[tokio::test]
async fn a39_over_http_2_cut_at_every_byte() {
    let world = World::new(SystemTime::now());
    let server = listen(world.server(HOST, SystemTime::now(), &[b"h2"]), reflect_cut).await;
    let (vault, shown) = vault("for = \"a.example\"");
    let bench = bench(&world, server, vault).await;
    let (mut send, connection) = h2::client::handshake(bench.client(&[b"h2"]).await).await.unwrap();
    tokio::spawn(connection);
    let whole = format!("it is {shown}.");
    for first in 0..whole.len() {
        let request = Request::get(format!("https://{HOST}/{first}"))
            .header("x-api-key", &shown)
            .body(())
            .unwrap();
        send = send.ready().await.unwrap();
        let (response, _) = send.send_request(request, true).unwrap();
        let mut body = response.await.unwrap().into_body();
        let mut got = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            got.extend_from_slice(&data);
        }
        assert_eq!(String::from_utf8(got).unwrap(), whole, "cut at {first}");
    }
}
