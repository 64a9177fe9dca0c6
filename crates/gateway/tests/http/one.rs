//! HTTP/1, from end to end.

use crate::bench::{Answer, Bench, HOST, World, listen};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

const SOON: Duration = Duration::from_secs(10);

/// Reads up to and including some bytes.
pub(crate) async fn until(stream: &mut (impl AsyncRead + Unpin), end: &[u8]) -> Vec<u8> {
    let mut got = Vec::new();
    let read = async {
        while !got.ends_with(end) {
            let mut byte = [0];
            match stream.read(&mut byte).await {
                Ok(1) => got.push(byte[0]),
                _ => break,
            }
        }
    };
    timeout(SOON, read).await.expect("in time");
    got
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

type Seen = Arc<Mutex<Vec<String>>>;

/// A server that notes each head and answers with some bytes.
async fn noting(world: &World, answer: &'static [u8]) -> (std::net::SocketAddr, Seen) {
    let seen: Seen = Arc::default();
    let noted = Arc::clone(&seen);
    let tls = world.server(HOST, SystemTime::now(), &[b"http/1.1"]);
    let serve = move |mut stream: TlsStream<TcpStream>| {
        let noted = Arc::clone(&noted);
        async move {
            loop {
                let head = until(&mut stream, b"\r\n\r\n").await;
                if head.is_empty() {
                    return;
                }
                noted.lock().unwrap().push(text(&head).to_owned());
                stream.write_all(answer).await.unwrap();
            }
        }
    };
    (listen(tls, serve).await, seen)
}

#[tokio::test]
async fn a_server_sees_the_request_written_anew_and_connections_are_kept() {
    let world = World::new(SystemTime::now());
    let (server, seen) = noting(
        &world,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi",
    )
    .await;
    let bench = Bench::open(&world, server).await;
    let mut client = bench.client(&[b"http/1.1"]).await;
    for _ in 0..3 {
        let request = b"GET /x?y HTTP/1.1\r\nHost: A.EXAMPLE\r\nUser-Agent: t\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\n\r\n";
        client.write_all(request).await.unwrap();
        let got = until(&mut client, b"hi").await;
        assert_eq!(
            text(&got),
            "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\nhi"
        );
    }
    let expected = "GET /x?y HTTP/1.1\r\nHost: a.example\r\nUser-Agent: t\r\n\r\n";
    assert_eq!(*seen.lock().unwrap(), [expected; 3]);
    assert_eq!(bench.dialled(), 1, "one connection carried all three");
}

/// Bodies of several megabytes in chunks, both ways at once: an echo.
#[tokio::test]
async fn large_bodies_stream_both_ways() {
    let world = World::new(SystemTime::now());
    let tls = world.server(HOST, SystemTime::now(), &[b"http/1.1"]);
    let echo = |mut stream: TlsStream<TcpStream>| async move {
        until(&mut stream, b"\r\n\r\n").await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await
            .unwrap();
        let (mut read, mut write) = tokio::io::split(stream);
        tokio::io::copy(&mut read, &mut write).await.unwrap_or(0);
    };
    let server = listen(tls, echo).await;
    let bench = Bench::open(&world, server).await;
    let client = bench.client(&[b"http/1.1"]).await;
    let (mut read, mut write) = tokio::io::split(client);
    const SIZE: usize = 8 << 20;
    let sending = tokio::spawn(async move {
        write
            .write_all(b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await
            .unwrap();
        for n in 0..SIZE / 4096 {
            let mut piece = b"1000\r\n".to_vec();
            piece.extend((0..4096).map(|i| (i + n) as u8));
            piece.extend(b"\r\n");
            write.write_all(&piece).await.unwrap();
        }
        write.write_all(b"0\r\n\r\n").await.unwrap();
        // TLS may hold the last of it back where the socket was full.
        write.flush().await.unwrap();
        write
    });
    until(&mut read, b"\r\n\r\n").await;
    let mut body = Vec::new();
    let all = async {
        let mut decoder = fumehood_http::h1::Decoder::chunked();
        let mut buffer = Vec::new();
        loop {
            let (event, used) = decoder.decode(&buffer).unwrap();
            match event {
                fumehood_http::h1::Event::Data(range) => body.extend_from_slice(&buffer[range]),
                fumehood_http::h1::Event::End(_) => break,
                fumehood_http::h1::Event::More if used == 0 => {
                    assert!(read.read_buf(&mut buffer).await.unwrap() > 0);
                }
                fumehood_http::h1::Event::More => {}
            }
            buffer.drain(..used);
        }
    };
    timeout(Duration::from_secs(60), all).await.unwrap();
    assert_eq!(body.len(), SIZE);
    let right = body
        .chunks(4096)
        .enumerate()
        .all(|(n, c)| c.iter().enumerate().all(|(i, b)| *b == (i + n) as u8));
    assert!(right);
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn an_event_arrives_before_the_next_is_sent_and_a_client_that_leaves_is_noticed() {
    let world = World::new(SystemTime::now());
    let tls = world.server(HOST, SystemTime::now(), &[b"http/1.1"]);
    let left = Arc::new(tokio::sync::Notify::new());
    let noticed = Arc::clone(&left);
    let serve = move |mut stream: TlsStream<TcpStream>| {
        let left = Arc::clone(&left);
        async move {
            until(&mut stream, b"\r\n\r\n").await;
            let head =
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head).await.unwrap();
            stream.write_all(b"9\r\ndata: 1\n\n\r\n").await.unwrap();
            // The second only after the client has the first, as it says on another line of this test.
            let mut rest = [0; 1];
            assert_eq!(stream.read(&mut rest).await.unwrap_or(0), 0);
            left.notify_one();
        }
    };
    let server = listen(tls, serve).await;
    let bench = Bench::open(&world, server).await;
    let mut client = bench.client(&[b"http/1.1"]).await;
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        .await
        .unwrap();
    let got = until(&mut client, b"data: 1\n\n").await;
    assert!(text(&got).contains("text/event-stream"));
    drop(client);
    timeout(SOON, noticed.notified())
        .await
        .expect("the server sees that the client has left");
}

#[tokio::test]
async fn a_client_that_expects_it_is_told_to_continue() {
    let world = World::new(SystemTime::now());
    let tls = world.server(HOST, SystemTime::now(), &[b"http/1.1"]);
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        let head = until(&mut stream, b"\r\n\r\n").await;
        assert!(text(&head).contains("Expect: 100-continue"));
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        assert_eq!(until(&mut stream, b"hello").await, b"hello");
        stream
            .write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
    };
    let server = listen(tls, serve).await;
    let bench = Bench::open(&world, server).await;
    let mut client = bench.client(&[b"http/1.1"]).await;
    let head = b"POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.write_all(head).await.unwrap();
    assert_eq!(
        text(&until(&mut client, b"\r\n\r\n").await),
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    client.write_all(b"hello").await.unwrap();
    assert!(text(&until(&mut client, b"\r\n\r\n").await).starts_with("HTTP/1.1 201 "));
}

#[tokio::test]
async fn a_web_socket_passes_bytes_once_the_server_has_agreed() {
    let world = World::new(SystemTime::now());
    let tls = world.server(HOST, SystemTime::now(), &[b"http/1.1"]);
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        let head = until(&mut stream, b"\r\n\r\n").await;
        assert!(text(&head).contains("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
        let mut early = [0; 1];
        let nothing = timeout(Duration::from_millis(100), stream.read(&mut early)).await;
        assert!(nothing.is_err(), "bytes came before the server agreed");
        let agreed =
            b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: k\r\n\r\n";
        stream.write_all(agreed).await.unwrap();
        assert_eq!(until(&mut stream, b"ping").await, b"ping");
        stream.write_all(b"pong").await.unwrap();
    };
    let server = listen(tls, serve).await;
    let bench = Bench::open(&world, server).await;
    let mut client = bench.client(&[b"http/1.1"]).await;
    let ask = b"GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\nping";
    client.write_all(ask).await.unwrap();
    let head = until(&mut client, b"\r\n\r\n").await;
    assert!(text(&head).starts_with("HTTP/1.1 101 ") && text(&head).contains("Sec-WebSocket-Accept: k"));
    assert_eq!(until(&mut client, b"pong").await, b"pong");
    // The server ends, and so does the connection.
    assert_eq!(until(&mut client, b"more").await, b"");
}

#[tokio::test]
async fn a_response_that_breaks_off_is_seen_to_be_incomplete() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let world = World::new(SystemTime::now());
        let tls = world.server(HOST, SystemTime::now(), &[b"http/1.1"]);
        let serve = move |mut stream: TlsStream<TcpStream>| async move {
            until(&mut stream, b"\r\n\r\n").await;
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
        };
        let server = listen(tls, serve).await;
        let bench = Bench::open(&world, server).await;
        let mut client = bench.client(&[b"http/1.1"]).await;
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            .await
            .unwrap();
        let mut got = Vec::new();
        let end = timeout(SOON, client.read_to_end(&mut got)).await.unwrap();
        assert!(end.is_err(), "the end came in order: {}", text(&got));
        assert!(text(&got).contains("half") && !got.ends_with(b"0\r\n\r\n"));
    }
}

/// A client that does not read stops the server: nothing is piled up in between.
#[tokio::test]
async fn who_does_not_read_stops_who_writes() {
    let world = World::new(SystemTime::now());
    let tls = world.server(HOST, SystemTime::now(), &[b"http/1.1"]);
    let written = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&written);
    let serve = move |mut stream: TlsStream<TcpStream>| {
        let written = Arc::clone(&counted);
        async move {
            until(&mut stream, b"\r\n\r\n").await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let piece = vec![7; 1 << 16];
            while written.load(Ordering::Relaxed) < 512 << 20 && stream.write_all(&piece).await.is_ok() {
                written.fetch_add(piece.len(), Ordering::Relaxed);
            }
        }
    };
    let server = listen(tls, serve).await;
    let bench = Bench::open(&world, server).await;
    let mut client = bench.client(&[b"http/1.1"]).await;
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        .await
        .unwrap();
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = written.load(Ordering::Relaxed);
        if now == before && now > 0 {
            break;
        }
        before = now;
    }
    // What the kernel holds for four sockets, and a few pieces of ours.
    assert!(before < 64 << 20, "{before} bytes went on to nobody");
}

/// A server that closes a connection that waited does not cost a request; one that could act twice is not
/// sent twice.
#[tokio::test]
async fn a_request_is_sent_again_only_where_it_may_be() {
    let world = World::new(SystemTime::now());
    let tls = world.server(HOST, SystemTime::now(), &[b"http/1.1"]);
    let heads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&heads);
    // Answers the first request of a connection, reads the second and hangs up.
    let serve = move |mut stream: TlsStream<TcpStream>| {
        let heads = Arc::clone(&counted);
        async move {
            until(&mut stream, b"\r\n\r\n").await;
            heads.fetch_add(1, Ordering::Relaxed);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
                .await
                .unwrap();
            if !until(&mut stream, b"\r\n\r\n").await.is_empty() {
                heads.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let server = listen(tls, serve).await;
    let bench = Bench::open(&world, server).await;
    let mut client = bench.client(&[b"http/1.1"]).await;
    for _ in 0..2 {
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            .await
            .unwrap();
        assert!(text(&until(&mut client, b"hi").await).starts_with("HTTP/1.1 200 "));
    }
    assert_eq!((heads.load(Ordering::Relaxed), bench.dialled()), (3, 2));
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    let got = until(&mut client, b"}\n").await;
    assert!(
        text(&got).starts_with("HTTP/1.1 502 ") && text(&got).contains("ended the connection"),
        "{}",
        text(&got)
    );
    assert_eq!((heads.load(Ordering::Relaxed), bench.dialled()), (4, 2));
}

/// Where the body decides, it is read first, and the one that is sent is the one that was judged.
#[tokio::test]
async fn a_body_that_was_judged_is_the_one_that_is_sent() {
    let world = World::new(SystemTime::now());
    let (server, seen) = noting(&world, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let same = Bench::new(&world, server, |_| Some(Answer::Body(None))).await;
    let other = Bench::new(&world, server, |_| Some(Answer::Body(Some(b"{\"a\":1}")))).await;
    let request = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 11\r\n\r\n{\"a\":1}\r\n\r\n";
    let mut client = same.client(&[b"http/1.1"]).await;
    client.write_all(request).await.unwrap();
    assert!(text(&until(&mut client, b"hi").await).starts_with("HTTP/1.1 200 "));
    let before = seen.lock().unwrap().len();
    let mut client = other.client(&[b"http/1.1"]).await;
    client.write_all(request).await.unwrap();
    let got = until(&mut client, b"}\n").await;
    assert!(text(&got).starts_with("HTTP/1.1 403 ") && text(&got).contains("not the one that was judged"));
    assert_eq!((seen.lock().unwrap().len(), other.dialled()), (before, 0));
}

/// The same in HTTP/1.
#[tokio::test]
async fn an_early_answer_arrives_whole() {
    const LONG: usize = 3 << 20;
    let world = World::new(SystemTime::now());
    let tls = world.server(HOST, SystemTime::now(), &[b"http/1.1"]);
    let early = |mut stream: TlsStream<TcpStream>| async move {
        until(&mut stream, b"\r\n\r\n").await;
        let head = format!("HTTP/1.1 413 Too Much\r\nContent-Length: {LONG}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![7; LONG]).await.unwrap();
        // Until the far end leaves.
        while matches!(stream.read(&mut [0; 4096]).await, Ok(n) if n > 0) {}
    };
    let server = listen(tls, early).await;
    let bench = Bench::open(&world, server).await;
    for _ in 0..4 {
        let client = bench.client(&[b"http/1.1"]).await;
        let (mut read, mut write) = tokio::io::split(client);
        let sending = tokio::spawn(async move {
            let head = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 99999999\r\n\r\n";
            let _taken = write.write_all(head).await;
            while write.write_all(&[1; 16 * 1024]).await.is_ok() {}
        });
        let head = until(&mut read, b"\r\n\r\n").await;
        assert!(text(&head).starts_with("HTTP/1.1 413 "));
        let mut got = vec![0; LONG];
        timeout(SOON, read.read_exact(&mut got))
            .await
            .expect("in time")
            .unwrap();
        sending.abort();
    }
}

/// A server that has read a request and closes without an answer may have acted on it: it is not sent again, whatever
/// its method, unless the connection had waited and nothing of the request is an effect.
#[tokio::test]
async fn a_request_is_sent_again_only_where_nobody_can_have_acted_on_it() {
    for (method, on_waiting, expected) in [
        ("GET", false, 1),
        ("DELETE", false, 1),
        ("GET", true, 2),
        ("DELETE", true, 1),
        ("POST", true, 1),
    ] {
        let world = World::new(SystemTime::now());
        let seen: Seen = Arc::default();
        let noted = Arc::clone(&seen);
        let tls = world.server(HOST, SystemTime::now(), &[b"http/1.1"]);
        let serve = move |mut stream: TlsStream<TcpStream>| {
            let noted = Arc::clone(&noted);
            async move {
                loop {
                    let head = until(&mut stream, b"\r\n\r\n").await;
                    if head.is_empty() {
                        return;
                    }
                    let first = text(&head).contains(" /first ");
                    noted.lock().unwrap().push(text(&head).to_owned());
                    if !first {
                        return; // read, and closed without a word
                    }
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
                    stream.write_all(answer).await.unwrap();
                }
            }
        };
        let server = listen(tls, serve).await;
        let bench = Bench::open(&world, server).await;
        let mut client = bench.client(&[b"http/1.1"]).await;
        if on_waiting {
            client
                .write_all(b"GET /first HTTP/1.1\r\nHost: a.example\r\n\r\n")
                .await
                .unwrap();
            until(&mut client, b"hi").await;
        }
        let request = format!("{method} /second HTTP/1.1\r\nHost: a.example\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let head = until(&mut client, b"\r\n\r\n").await;
        assert!(text(&head).starts_with("HTTP/1.1 502 "), "{}", text(&head));
        let seconds = seen
            .lock()
            .unwrap()
            .iter()
            .filter(|h| h.contains(" /second "))
            .count();
        assert_eq!(
            seconds, expected,
            "{method} on a waiting connection: {on_waiting}"
        );
    }
}
