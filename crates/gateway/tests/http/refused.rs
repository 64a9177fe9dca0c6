//! What does not pass: the server sees none of it.

use crate::bench::{Answer, Bench, HOST, World, listen};
use crate::one::until;
use fumehood_gateway::Ended;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

const DAY: Duration = Duration::from_secs(86_400);

/// A server that counts the bytes it is sent.
async fn canary(world: &World, host: &str, at: SystemTime) -> (SocketAddr, Arc<AtomicUsize>) {
    let bytes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&bytes);
    let serve = move |mut stream: TlsStream<TcpStream>| {
        let bytes = Arc::clone(&counted);
        async move {
            let mut room = [0; 1024];
            while let Ok(n @ 1..) = stream.read(&mut room).await {
                bytes.fetch_add(n, Ordering::Relaxed);
            }
        }
    };
    (listen(world.server(host, at, &[b"http/1.1"]), serve).await, bytes)
}

async fn ask(bench: &Bench, request: &[u8]) -> String {
    let mut client = bench.client(&[b"http/1.1"]).await;
    client.write_all(request).await.unwrap();
    let mut got = Vec::new();
    let _late = timeout(Duration::from_secs(60), client.read_to_end(&mut got))
        .await
        .expect("in time");
    String::from_utf8(got).unwrap()
}

/// A1, A3, A32, A36: each is answered, and the server sees nothing.
#[tokio::test]
async fn a1_a32_requests_with_two_readings_never_leave() {
    let world = World::new(SystemTime::now());
    let (server, bytes) = canary(&world, HOST, SystemTime::now()).await;
    let bench = Bench::open(&world, server).await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        (
            "GET https://evil.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
            421,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a.example\r\nHost: evil.example\r\n\r\n",
            400,
        ),
        (
            "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
            405,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("GET / HTTP/1.1\r\nHost: a.example\r\n X: folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: a.example\n\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ] {
        let got = ask(&bench, request.as_bytes()).await;
        assert!(
            got.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {got}"
        );
        assert!(got.contains("Connection: close"), "{got}");
    }
    // Whatever follows the first is not read as a second.
    let hidden = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 6\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGGET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    let got = ask(&bench, hidden.as_bytes()).await;
    assert_eq!(got.matches("HTTP/1.1 ").count(), 1, "{got}");
    assert_eq!(
        (
            bench.dialled(),
            bytes.load(Ordering::Relaxed),
            bench.asked().len()
        ),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn a_denial_says_why_and_the_connection_goes_on() {
    let world = World::new(SystemTime::now());
    let (server, bytes) = canary(&world, HOST, SystemTime::now()).await;
    let bench = Bench::new(&world, server, |_| Some(Answer::Deny)).await;
    let mut client = bench.client(&[b"http/1.1"]).await;
    for _ in 0..2 {
        client
            .write_all(b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello")
            .await
            .unwrap();
        let got = String::from_utf8(until(&mut client, b"}\n").await).unwrap();
        let (head, body) = got.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 403 ") && head.contains("application/json"),
            "{head}"
        );
        let read: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(read["reason"], "the rule does not allow this method");
        assert_eq!(read["rule"], HOST);
        assert_eq!(read["how_to_ask"], "name the method");
    }
    assert_eq!((bench.dialled(), bytes.load(Ordering::Relaxed)), (0, 0));
}

/// A1, A4: the name in the ClientHello is the destination's, or there is no handshake.
#[tokio::test]
async fn a4_another_name_in_the_client_hello_is_refused() {
    let world = World::new(SystemTime::now());
    let (server, bytes) = canary(&world, HOST, SystemTime::now()).await;
    let bench = Bench::open(&world, server).await;
    let error = bench
        .client_as("evil.example", &bench.session, &[])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("UnrecognisedName"), "{error}");
    assert_eq!(*bench.ended.lock().unwrap(), [Ended::OtherName]);
    assert_eq!((bench.dialled(), bytes.load(Ordering::Relaxed)), (0, 0));
}

#[tokio::test]
async fn a_client_with_roots_of_its_own_is_told_apart() {
    let world = World::new(SystemTime::now());
    let (server, _) = canary(&world, HOST, SystemTime::now()).await;
    let bench = Bench::open(&world, server).await;
    let other = fumehood_authority::Authority::new(SystemTime::now()).unwrap();
    assert!(bench.client_as(HOST, other.certificate(), &[]).await.is_err());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(*bench.ended.lock().unwrap(), [Ended::Untrusted]);
}

/// A51: a certificate that is not right is refused with the reason, before a byte of the request is sent.
#[tokio::test]
async fn a51_servers_that_cannot_be_verified_see_nothing() {
    let now = SystemTime::now();
    let (world, stranger) = (World::new(now - 20 * DAY), World::new(now));
    let expired = canary(&world, HOST, now - 10 * DAY).await;
    let early = canary(&world, HOST, now + 2 * DAY).await;
    let other = canary(&world, "b.example", now).await;
    let unknown = canary(&stranger, HOST, now).await;
    for ((server, bytes), why) in [
        (expired, "has expired"),
        (early, "is not valid yet"),
        (other, "is for another name"),
        (unknown, "is signed by nobody this machine trusts"),
    ] {
        let bench = Bench::open(&world, server).await;
        let got = ask(
            &bench,
            b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(
            got.starts_with("HTTP/1.1 502 ") && got.contains(why),
            "{why}: {got}"
        );
        assert_eq!((bench.dialled(), bytes.load(Ordering::Relaxed)), (1, 0));
    }
}

/// A48: who begins and does not go on is not waited for for ever.
#[tokio::test(start_paused = true)]
async fn a48_a_slow_head_is_given_up() {
    let world = World::new(SystemTime::now());
    let (server, _) = canary(&world, HOST, SystemTime::now()).await;
    let bench = Bench::open(&world, server).await;
    let got = ask(&bench, b"GET / HTTP/1.1\r\nHost: a.exa").await;
    assert!(got.starts_with("HTTP/1.1 408 "), "{got}");
    let mut silent = TcpStream::connect(bench.gateway).await.unwrap();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(bench.ended.lock().unwrap().contains(&Ended::Silent));
}

#[tokio::test]
async fn what_is_no_http_upstream_is_said_so() {
    let world = World::new(SystemTime::now());
    let tls = world.server(HOST, SystemTime::now(), &[b"http/1.1"]);
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
        let _end = stream.read(&mut [0; 1024]).await;
    };
    let server = listen(tls, serve).await;
    let bench = Bench::open(&world, server).await;
    let got = ask(
        &bench,
        b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(
        got.starts_with("HTTP/1.1 502 ") && got.contains("does not answer in HTTP"),
        "{got}"
    );
}
