//! Check dialogues, fed in all pieces and with spoilt replies; the connection pump against real servers on loopback.

use holdfast::base::addr::Endpoint;
use holdfast::base::time::Instant;
use holdfast::base::verdict::{Reason, Verdict};
use holdfast::config::model::{Check, CheckKind, Http, HttpProtocol, Misc, Script, Url};
use holdfast::daemon::conn::{open, Conns, Opener};
use holdfast::limits;
use holdfast::probe::{urls, Dialog, Talk, Turn};
use md5::{Digest, Md5};
use mio::{Events, Poll};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(5);

/// The server's place: each check here has its own address and port.
const NOWHERE: Endpoint = Endpoint { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };

fn check(to: SocketAddr, timeout: Duration, kind: CheckKind) -> Check {
    Check {
        delay_loop: LONG,
        retry: 0,
        delay_before_retry: LONG,
        warmup: LONG,
        alpha: false,
        timeout,
        log_all_failures: false,
        connect_ip: Some(to.ip()),
        connect_port: Some(to.port()),
        bind: None,
        bind_port: None,
        bind_if: None,
        fwmark: None,
        kind,
    }
}

fn url(path: &str) -> Url {
    Url { path: path.into(), virtualhost: None, digest: None, status: vec![], regex: None, tls_compliant: false }
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

fn http(urls: Vec<Url>) -> Http {
    Http { tls: false, virtualhost: None, protocol: HttpProtocol::V1_0, sni: None, fast_recovery: false, urls }
}

fn get(http: Http) -> CheckKind {
    CheckKind::Http(Box::new(http))
}

fn digest(bytes: &[u8]) -> CheckKind {
    get(http(vec![Url { digest: Some(md5(bytes)), ..url("/") }]))
}

fn status(ranges: &[(u16, u16)]) -> CheckKind {
    get(http(vec![Url { status: ranges.to_vec(), ..url("/") }]))
}

fn smtp() -> CheckKind {
    CheckKind::Smtp { helo: "me.example.com".into() }
}

fn talk(kind: CheckKind) -> Talk {
    let check = check(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8080), LONG, kind);
    Talk::new(&check, check.to(NOWHERE), 0).unwrap()
}

fn down(reason: Reason) -> Verdict {
    Verdict::Down(reason)
}

/// One whole conversation, the reply cut into these pieces, then the end of the stream. Also what was said.
fn converse<'a>(kind: &CheckKind, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Verdict, String) {
    let (mut talk, mut say) = (talk(kind.clone()), Vec::new());
    let said = |say: &[u8]| String::from_utf8_lossy(say).into_owned();
    if let Turn::Done(verdict) = talk.open(&mut say) {
        return (verdict, said(&say));
    }
    for piece in pieces {
        if let Turn::Done(verdict) = talk.hear(piece, &mut say) {
            return (verdict, said(&say));
        }
    }
    match talk.closed() {
        Turn::Done(verdict) => (verdict, said(&say)),
        Turn::More => panic!("the end of the stream ends the dialogue"),
    }
}

/// The verdict must not depend on how the reply is cut: whole, byte by byte, and at each place.
fn verdict(kind: &CheckKind, reply: &[u8]) -> Verdict {
    let (whole, _) = converse(kind, [reply]);
    assert_eq!(converse(kind, reply.chunks(1)).0, whole, "byte by byte: {}", String::from_utf8_lossy(reply));
    for at in 0..reply.len() {
        let (a, b) = reply.split_at(at);
        assert_eq!(converse(kind, [a, b]).0, whole, "cut at {at}: {}", String::from_utf8_lossy(reply));
    }
    whole
}

// ---- dialogues

#[test]
fn tcp_needs_no_word() {
    assert_eq!(converse(&CheckKind::Tcp, []), (Verdict::Up, String::new()));
}

#[test]
fn what_is_no_conversation() {
    let script = Script { words: vec!["true".into()], user: None, group: None };
    let misc = CheckKind::Misc(Box::new(Misc { script, timeout: LONG, dynamic: false }));
    let to = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 1);
    assert!(Talk::new(&check(to, LONG, misc), NOWHERE, 0).is_none());
    assert!(Talk::new(&check(to, LONG, get(http(vec![]))), NOWHERE, 0).is_none());
}

#[test]
fn requests() {
    let request = |http: Http, ip: &str, round: usize| {
        let to = Endpoint { ip: ip.parse().unwrap(), port: 8080 };
        let check = check(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 1), LONG, get(http));
        let mut say = Vec::new();
        assert_eq!(Talk::new(&check, to, round).unwrap().open(&mut say), Turn::More);
        String::from_utf8(say).unwrap()
    };
    let two = || http(vec![url("/a"), Url { virtualhost: Some("b.example.com".into()), ..url("/b") }]);
    assert_eq!(
        request(two(), "10.0.0.1", 0),
        "GET /a HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 10.0.0.1:8080\r\n\r\n"
    );
    let v1_1 = Http { protocol: HttpProtocol::V1_1, virtualhost: Some("a.example.com".into()), ..two() };
    assert_eq!(
        request(v1_1.clone(), "10.0.0.1", 0),
        "GET /a HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: a.example.com\r\n\r\n"
    );
    assert!(request(v1_1, "10.0.0.1", 1).contains("Host: b.example.com\r\n"), "the URL's name comes first");
    let close = Http { protocol: HttpProtocol::V1_0Close, ..two() };
    assert_eq!(
        request(close, "fd00::1", 2),
        "GET /a HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: [fd00::1]:8080\r\n\r\n"
    );
    assert_eq!(urls(&get(two())), 2);
    assert_eq!(urls(&CheckKind::Tcp), 1);
}

#[test]
fn http_status() {
    let any = status(&[]);
    for good in
        ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 299\r\n\r\nbody", "HTTP/2 204 \r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\nx"]
    {
        assert_eq!(verdict(&any, good.as_bytes()), Verdict::Up, "{good}");
    }
    assert_eq!(verdict(&any, b"HTTP/1.1 404 Not Found\r\n\r\n"), down(Reason::HttpStatus(404)));
    assert_eq!(verdict(&any, b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n"), down(Reason::HttpStatus(301)));
    let some = status(&[(301, 302), (404, 404)]);
    assert_eq!(verdict(&some, b"HTTP/1.1 404 Not Found\r\n\r\n"), Verdict::Up);
    assert_eq!(verdict(&some, b"HTTP/1.1 302 Found\r\n\r\n"), Verdict::Up);
    assert_eq!(verdict(&some, b"HTTP/1.1 303 See\r\n\r\n"), down(Reason::HttpStatus(303)));
    assert_eq!(verdict(&some, b"HTTP/1.1 200 OK\r\n\r\n"), down(Reason::HttpStatus(200)));
    // An interim answer is not the answer.
    let twice = b"HTTP/1.1 100 Continue\r\nContent-Length: 9\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    assert_eq!(verdict(&any, twice), Verdict::Up);
    for bad in [
        "220 mail ready\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 20x OK\r\n\r\n",
        "\r\n",
        "HTTP/1.1 099 X\r\n",
    ] {
        assert_eq!(verdict(&any, bad.as_bytes()), down(Reason::Malformed("no HTTP status line")), "{bad}");
    }
    // Known by its first byte: nothing else may ever come.
    assert_eq!(converse(&any, [&b"\x15\x03\x01"[..]]).0, down(Reason::Malformed("no HTTP status line")));
    assert_eq!(verdict(&any, b""), down(Reason::Closed("the HTTP status line")));
    assert_eq!(verdict(&any, b"HTTP/1.1 200 OK\r\nA: b\r\n"), down(Reason::Closed("the end of the HTTP headers")));
}

#[test]
fn http_digest() {
    let body = b"hello, world\r\n\r\n";
    let want = digest(body);
    let reply = |head: &str, body: &[u8]| [format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes(), body].concat();
    assert_eq!(verdict(&want, &reply("", body)), Verdict::Up);
    assert_eq!(verdict(&want, &reply("cOnTeNt-LeNgTh:   16  \r\n", body)), Verdict::Up);
    assert_eq!(verdict(&want, &reply("Content-Length: 16\r\n", &[&body[..], b"left over"].concat())), Verdict::Up);
    assert_eq!(verdict(&digest(b""), &reply("Content-Length: 0\r\n", b"")), Verdict::Up);
    assert_eq!(verdict(&digest(b""), b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n"), Verdict::Up);
    assert_eq!(verdict(&want, &reply("", b"hello")), down(Reason::Digest(md5(b"hello"))));
    let cut = down(Reason::Closed("the rest of the HTTP body"));
    assert_eq!(verdict(&want, &reply("Content-Length: 17\r\n", body)), cut);
    assert_eq!(verdict(&status(&[]), &reply("Content-Length: 17\r\n", body)), cut);
    // With a length it is over at the last byte, not at the end of the connection.
    let mut talk = talk(want.clone());
    let mut say = Vec::new();
    talk.open(&mut say);
    assert_eq!(talk.hear(&reply("Content-Length: 16\r\n", body), &mut say), Turn::Done(Verdict::Up));
    for bad in ["-1", "1 2", "0x10", "+5", "", "99999999999999999999999", "1,1"] {
        let verdict = verdict(&want, &reply(&format!("Content-Length: {bad}\r\n"), body));
        assert_eq!(verdict, down(Reason::Malformed("Content-Length is not a number")), "{bad}");
    }
    let two = verdict(&want, &reply("Content-Length: 16\r\nContent-Length: 15\r\n", body));
    assert_eq!(two, down(Reason::Malformed("two different Content-Lengths")));
    assert_eq!(verdict(&want, &reply("Content-Length: 16\r\nContent-Length: 16\r\n", body)), Verdict::Up);
    assert_eq!(
        verdict(&want, &reply("Transfer-Encoding: identity\r\nContent-Length: 3\r\n", b"hel")).to_owned(),
        down(Reason::Digest(md5(b"hel")))
    );
}

#[test]
fn http_chunked() {
    let raw = b"5\r\nhello\r\nA ; x=\"y\"\r\n0123456789\r\n000\r\nTrailer: z\r\n\r\n";
    let head = b"HTTP/1.1 200 OK\r\nTransfer-encoding: gzip, CHUNKED\r\n\r\n";
    let reply = [&head[..], raw].concat();
    let body = b"hello0123456789";
    assert_eq!(verdict(&digest(body), &reply), Verdict::Up, "of the page");
    assert_eq!(verdict(&digest(raw), &reply), Verdict::Up, "as keepalived's genhash makes it");
    assert_eq!(verdict(&digest(b"x"), &reply), down(Reason::Digest(md5(body))));
    assert_eq!(verdict(&status(&[]), &reply), Verdict::Up);
    // keepalived looks no further than Content-Length.
    let both = [&b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n"[..], raw].concat();
    assert_eq!(verdict(&digest(&raw[..7]), &both), Verdict::Up);
    assert_eq!(verdict(&digest(body), &both), Verdict::Up);
    for at in 0..raw.len() {
        let cut = [&head[..], &raw[..at]].concat();
        assert_eq!(
            converse(&digest(body), [&cut[..]]).0,
            down(Reason::Closed("the end of the chunked HTTP body")),
            "{at}"
        );
    }
    let chunks = |chunks: &str| verdict(&digest(body), &[&head[..], chunks.as_bytes()].concat());
    assert_eq!(chunks("x\r\n"), down(Reason::Malformed("chunk size is not a number")));
    assert_eq!(chunks("\r\n"), down(Reason::Malformed("chunk size is not a number")));
    assert_eq!(chunks("-1\r\n"), down(Reason::Malformed("chunk size is not a number")));
    assert_eq!(chunks("5\r\nhelloX"), down(Reason::Malformed("chunk does not end where its size says")));
    assert_eq!(chunks("FFFFFFFFFFFFFFFFFFFFFFFFFFFFF\r\n"), down(Reason::TooLong));
    assert_eq!(chunks("7fffffff\r\n"), down(Reason::TooLong));
    assert_eq!(chunks("F\nhello0123456789\n0\n\n"), Verdict::Up);
}

#[test]
fn http_without_end() {
    let endless = |start: &[u8], more: &[u8], kind: CheckKind| {
        let (mut talk, mut say, mut sent) = (talk(kind), Vec::new(), 0);
        talk.open(&mut say);
        talk.hear(start, &mut say);
        while sent < 3 * limits::REPLY_BYTES {
            sent += more.len();
            if let Turn::Done(verdict) = talk.hear(more, &mut say) {
                assert_eq!(verdict, down(Reason::TooLong));
                return sent;
            }
        }
        panic!("takes {sent} bytes of {:?}", String::from_utf8_lossy(start));
    };
    let block = vec![b'a'; 16384];
    for kind in [digest(b"x"), status(&[])] {
        let ok = b"HTTP/1.1 200 OK\r\n";
        assert!(endless(ok, &block, kind.clone()) <= limits::HTTP_HEAD_BYTES + block.len(), "one line");
        assert!(endless(ok, b"A: b\r\n", kind.clone()) <= limits::HTTP_HEAD_BYTES + 6, "many lines");
        assert!(
            endless(b"", b"HTTP/1.1 100 C\r\n\r\n", kind.clone()) <= limits::HTTP_HEAD_BYTES + 18,
            "interim answers"
        );
        let body = limits::REPLY_BYTES + block.len();
        assert!(endless(b"HTTP/1.1 200 OK\r\n\r\n", &block, kind.clone()) <= body);
        assert!(endless(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", &block, kind.clone()) <= body);
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(endless(chunked, b"1\r\na\r\n", kind.clone()) <= body);
        assert!(endless(&[&chunked[..], b"0\r\n"].concat(), &block, kind.clone()) <= body, "trailers");
        assert!(endless(&[&chunked[..], b"1;"].concat(), &block, kind) <= body, "extension");
    }
}

#[test]
fn smtp_dialogue() {
    let (verdict_, said) = converse(&smtp(), [&b"220 hi\r\n"[..], b"250 me\r\n", b"221 bye\r\n"]);
    assert_eq!((verdict_, said.as_str()), (Verdict::Up, "HELO me.example.com\r\nQUIT\r\n"));
    let v = |reply: &str| verdict(&smtp(), reply.as_bytes());
    assert_eq!(v("220-one\r\n220-two\r\n220 three\r\n250-me\r\n250 SIZE\r\n221 bye\r\n"), Verdict::Up);
    assert_eq!(v("220\r\n250\r\n500\r\n"), Verdict::Up, "any answer to QUIT, and codes alone");
    assert_eq!(v("220 a\n250 b\n221 c\n"), Verdict::Up);
    assert_eq!(v("554 no\r\n"), down(Reason::SmtpCode(554, "as greeting")));
    assert_eq!(v("220 hi\r\n502 what\r\n"), down(Reason::SmtpCode(502, "after HELO")));
    assert_eq!(v("220-a\r\n221 b\r\n"), down(Reason::Malformed("the lines of one SMTP reply have different codes")));
    for bad in
        ["hello\r\n", "22\r\n", "\r\n", "2200 x\r\n", "220x\r\n", "999 x\r\n", "2 0 \r\n", "HTTP/1.1 400 Bad\r\n"]
    {
        assert_eq!(v(bad), down(Reason::Malformed("no SMTP reply code")), "{bad}");
    }
    assert_eq!(v(""), down(Reason::Closed("the SMTP greeting")));
    assert_eq!(v("220 hi"), down(Reason::Closed("the SMTP greeting")));
    assert_eq!(v("220 hi\r\n250-x\r\n"), down(Reason::Closed("the reply to HELO")));
    assert_eq!(v("220 hi\r\n250 x\r\n"), down(Reason::Closed("the reply to QUIT")));
    let endless = vec![b'2'; 2 * limits::SMTP_BYTES];
    assert_eq!(converse(&smtp(), [&endless[..]]).0, down(Reason::TooLong));
    let lines = b"220-x\r\n".repeat(limits::SMTP_BYTES);
    assert_eq!(converse(&smtp(), [&lines[..]]).0, down(Reason::TooLong));
}

/// xorshift: the same replies in each run.
struct Rng(u64);

impl Rng {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below.max(1)
    }
}

#[test]
fn spoilt_replies() {
    let seeds: [&[u8]; 5] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        b"220-hi\r\n220 there\r\n250 me\r\n221 bye\r\n",
    ];
    let kinds = [digest(b"hello"), status(&[]), status(&[(400, 499)]), smtp()];
    let tokens: [&[u8]; 12] = [
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"99999999999",
        b"FFFFFFFF",
        b"-1",
        b"chunked",
        b": ",
        b"220 ",
        b"HTTP/1.1 ",
        b"\xff",
    ];
    let (mut rng, mut ups) = (Rng(0x9e3779b97f4a7c15), 0);
    for round in 0..20_000 {
        let mut reply = seeds[rng.next(seeds.len())].to_vec();
        for _ in 0..rng.next(6) {
            let at = rng.next(reply.len() + 1);
            match rng.next(5) {
                0 => reply.truncate(at),
                1 => drop(reply.drain(at..reply.len().min(at + rng.next(8)))),
                2 => drop(reply.splice(at..at, tokens[rng.next(tokens.len())].iter().copied())),
                3 => reply.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << rng.next(8)),
                _ => drop(reply.splice(at..at, reply.clone())),
            }
        }
        let kind = &kinds[rng.next(kinds.len())];
        let (whole, _) = converse(kind, [&reply[..]]);
        let piece = 1 + rng.next(9);
        let (pieces, said) = converse(kind, reply.chunks(piece));
        assert_eq!(whole, pieces, "round {round}, pieces of {piece}: {}", reply.escape_ascii());
        assert!(said.len() < 200, "round {round} says {said}");
        ups += usize::from(whole == Verdict::Up);
    }
    assert!((1000..15_000).contains(&ups), "{ups} of them up: the replies are not spoilt as they should be");
}

// ---- the pump, against servers on loopback

/// A server that runs until the test program ends; what it does with each connection.
fn server(f: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let f = Arc::new(f);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let f = f.clone();
            thread::spawn(move || f(stream));
        }
    });
    at
}

/// Reads a request up to its empty line.
fn request(stream: &mut TcpStream) -> String {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        request.push(byte[0]);
    }
    String::from_utf8_lossy(&request).into_owned()
}

fn answers(reply: impl Into<Vec<u8>>) -> SocketAddr {
    let reply = reply.into();
    server(move |mut stream| {
        request(&mut stream);
        let _ = stream.write_all(&reply);
    })
}

struct Shell {
    poll: Poll,
    conns: Conns,
    start: std::time::Instant,
    out: Vec<(u32, Verdict)>,
    most_open: usize,
    /// Events that left something for a later turn.
    backlogs: usize,
}

impl Shell {
    fn with(open: Opener) -> Shell {
        Shell {
            poll: Poll::new().unwrap(),
            conns: Conns::new(1000, open),
            start: std::time::Instant::now(),
            out: Vec::new(),
            most_open: 0,
            backlogs: 0,
        }
    }

    fn new() -> Shell {
        Shell::with(Box::new(open))
    }

    fn now(&self) -> Instant {
        Instant(self.start.elapsed().as_micros() as u64)
    }

    fn go(&mut self, id: u32, check: &Check, url: usize) {
        let now = self.now();
        self.conns.start(self.poll.registry(), now, id, (check.to(NOWHERE), check), url, &mut self.out);
    }

    /// Turns of the loop until so many verdicts are there, or nothing is left to wait for.
    fn run(&mut self, verdicts: usize) -> BTreeMap<u32, Verdict> {
        let mut events = Events::with_capacity(64);
        let begun = self.now();
        while self.out.len() < verdicts {
            assert!(self.now().since(begun) < 6 * LONG, "hangs: {:?}", self.out);
            let sleep = match (self.conns.has_backlog(), self.conns.deadline()) {
                (true, _) => Duration::ZERO,
                (false, Some(at)) => at.since(self.now()) + Duration::from_micros(1),
                (false, None) => break,
            };
            self.poll.poll(&mut events, Some(sleep)).unwrap();
            let now = self.now();
            for event in &events {
                assert!(self.conns.owns(event.token()));
                self.conns.ready(self.poll.registry(), event.token(), now, &mut self.out);
                self.backlogs += usize::from(self.conns.has_backlog());
            }
            self.conns.due(self.poll.registry(), now, &mut self.out);
            self.most_open = self.most_open.max(self.conns.load().0);
        }
        let n = self.out.len();
        let out: BTreeMap<_, _> = self.out.drain(..).collect();
        assert_eq!(out.len(), n, "one verdict for each check");
        out
    }

    /// Nothing is left behind: no connection, no timer, no queue.
    fn rests(&self) {
        assert_eq!((self.conns.load(), self.conns.deadline(), self.conns.has_backlog()), ((0, 0), None, false));
    }
}

fn one(to: SocketAddr, timeout: Duration, kind: CheckKind) -> Verdict {
    let mut shell = Shell::new();
    shell.go(7, &check(to, timeout, kind), 0);
    let out = shell.run(1);
    shell.rests();
    out.into_iter().next().map(|(id, verdict)| (assert_eq!(id, 7), verdict).1).expect("a verdict")
}

fn refusing() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// A listener whose queue is full: further connections get no answer.
fn mute() -> (SocketAddr, TcpListener, Vec<mio::net::TcpStream>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    // std asks for a queue of 128.
    let fill = (0..140).map(|_| mio::net::TcpStream::connect(at).unwrap()).collect();
    (at, listener, fill)
}

#[test]
fn tcp_check_on_loopback() {
    let closes = server(drop);
    assert_eq!(one(closes, LONG, CheckKind::Tcp), Verdict::Up);
    assert_eq!(one(refusing(), LONG, CheckKind::Tcp), down(Reason::Connect(libc::ECONNREFUSED)));
    let (at, _listener, _fill) = mute();
    assert_eq!(one(at, SHORT, CheckKind::Tcp), down(Reason::Timeout("the connection")));
    // No route: known at once, in the call itself.
    let mut shell = Shell::new();
    shell.go(1, &check("255.255.255.255:80".parse().unwrap(), LONG, CheckKind::Tcp), 0);
    assert!(matches!(shell.out[..], [(1, Verdict::Down(Reason::Connect(_)))]), "{:?}", shell.out);
}

#[test]
fn smtp_check_on_loopback() {
    let mail = server(|mut stream| {
        let mut lines = String::new();
        let _ = stream.write_all(b"220-Hello\r\n220 there\r\n");
        for answer in ["250 me", "221 bye"] {
            let mut byte = [0];
            while !lines.ends_with("\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                lines.push(byte[0].into());
            }
            lines.clear();
            let _ = stream.write_all(format!("{answer}\r\n").as_bytes());
        }
    });
    assert_eq!(one(mail, LONG, smtp()), Verdict::Up);
    let silent = server(|_stream| thread::sleep(LONG));
    assert_eq!(one(silent, SHORT, smtp()), down(Reason::Timeout("the SMTP greeting")));
}

#[test]
fn http_on_loopback() {
    let page = b"<html>hello</html>\n".repeat(1000);
    let ok = answers([b"HTTP/1.0 200 OK\r\n\r\n", &page[..]].concat());
    assert_eq!(one(ok, LONG, digest(&page)), Verdict::Up);
    assert_eq!(one(ok, LONG, digest(b"other")), down(Reason::Digest(md5(&page))));
    let chunked = answers(
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4A38\r\n", &page[..], b"\r\n0\r\n\r\n"].concat(),
    );
    assert_eq!(page.len(), 0x4a38);
    assert_eq!(one(chunked, LONG, digest(&page)), Verdict::Up);
    assert_eq!(one(answers("HTTP/1.1 503 Busy\r\n\r\n"), LONG, status(&[])), down(Reason::HttpStatus(503)));
    let cut = answers("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
    assert_eq!(one(cut, LONG, status(&[])), down(Reason::Closed("the rest of the HTTP body")));
    let hang = server(|mut stream| {
        request(&mut stream);
        thread::sleep(LONG);
    });
    assert_eq!(one(hang, SHORT, status(&[])), down(Reason::Timeout("the HTTP status line")));
    // Stays open after the last byte: Content-Length ends it.
    let keeps = server(|mut stream| {
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        thread::sleep(LONG);
    });
    assert_eq!(one(keeps, SHORT, digest(b"ok")), Verdict::Up);
}

#[test]
fn urls_take_turns() {
    let at = server(|mut stream| {
        let status = if request(&mut stream).starts_with("GET /good ") { "200 OK" } else { "500 No" };
        let _ = stream.write_all(format!("HTTP/1.0 {status}\r\n\r\n").as_bytes());
    });
    let check = check(at, LONG, get(http(vec![url("/good"), url("/bad")])));
    let mut shell = Shell::new();
    (0..4).for_each(|round| shell.go(round, &check, round as usize));
    let bad = down(Reason::HttpStatus(500));
    assert_eq!(shell.run(4).into_values().collect::<Vec<_>>(), [Verdict::Up, bad.clone(), Verdict::Up, bad]);
}

#[test]
fn hostile_http_on_loopback() {
    // A byte now and then keeps each step alive, but not the attempt.
    let drip = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let start = std::time::Instant::now();
    assert_eq!(one(drip, SHORT, status(&[])), down(Reason::Timeout("the end of the answer, which came too slowly")));
    assert!((3..6).contains(&(start.elapsed().as_millis() / SHORT.as_millis())), "{:?}", start.elapsed());

    let endless = |head: &'static [u8], block: &'static [u8]| {
        server(move |mut stream| {
            let block = block.repeat(16384 / block.len());
            let _ = stream.write_all(head);
            while stream.write_all(&block).is_ok() {}
        })
    };
    assert_eq!(one(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), LONG, digest(b"")), down(Reason::TooLong));
    assert_eq!(one(endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"), LONG, digest(b"")), down(Reason::TooLong));
    assert_eq!(one(endless(b"HTTP/1.1 200 OK\r\nA:", b"b"), LONG, digest(b"")), down(Reason::TooLong));
    assert_eq!(one(endless(b"\0", b"\0"), LONG, digest(b"")), down(Reason::Malformed("no HTTP status line")));

    // A reset in the middle: closing with the request unread sends one.
    let reset = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhel");
        thread::sleep(Duration::from_millis(50));
    });
    let verdict = one(reset, LONG, status(&[]));
    assert!(matches!(verdict, Verdict::Down(Reason::Io(libc::ECONNRESET))), "{verdict:?}");
    let half = server(|mut stream| {
        request(&mut stream);
        let _ = stream.shutdown(Shutdown::Write);
        thread::sleep(LONG);
    });
    assert_eq!(one(half, LONG, status(&[])), down(Reason::Closed("the HTTP status line")));
}

#[test]
fn a_fast_sender_leaves_the_others_their_turn() {
    let flood = server(|mut stream| {
        let block = vec![b'x'; 1 << 20];
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&block).is_ok() {}
    });
    let mut shell = Shell::new();
    for id in 0..8 {
        shell.go(id, &check(flood, LONG, digest(b"")), 0);
    }
    assert!(shell.run(8).into_values().all(|v| v == down(Reason::TooLong)));
    shell.rests();
    // 8 MiB each, in shares of 64 KiB when the sender keeps up: not read until the socket is empty, which may be never.
    assert!(shell.backlogs > 8, "{}", shell.backlogs);
}

#[test]
fn many_take_their_turn() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let at = server(move |mut stream| {
        count.fetch_add(1, Ordering::Relaxed);
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
    });
    let check_ = check(at, LONG, status(&[]));
    let refused = check(refusing(), LONG, CheckKind::Tcp);
    let mut shell = Shell::new();
    for id in 0..1500 {
        shell.go(id, if id % 3 == 0 { &refused } else { &check_ }, 0);
        shell.most_open = shell.most_open.max(shell.conns.load().0);
    }
    // One of those that are open and one of those that wait are given up, and one is begun anew.
    shell.conns.abandon(1);
    shell.conns.abandon(1400);
    shell.go(2, &check_, 0);
    let out = shell.run(usize::MAX);
    shell.rests();
    assert_eq!(out.len(), 1498);
    assert!(shell.most_open <= limits::PROBES && shell.most_open > limits::PROBES / 2, "{}", shell.most_open);
    for (id, verdict) in out {
        let want = if id % 3 == 0 { down(Reason::Connect(libc::ECONNREFUSED)) } else { Verdict::Up };
        assert_eq!(verdict, want, "{id}");
    }
    assert!(seen.load(Ordering::Relaxed) >= 998);
}

/// The time of a check in the queue begins when it is opened.
#[test]
fn waiting_costs_no_time() {
    let (at, _listener, _fill) = mute();
    let slow = check(at, SHORT, CheckKind::Tcp);
    let fast = check(server(drop), SHORT, CheckKind::Tcp);
    let mut shell = Shell::new();
    for id in 0..limits::PROBES as u32 {
        shell.go(id, &slow, 0);
    }
    shell.go(9999, &fast, 0);
    assert_eq!(shell.conns.load(), (limits::PROBES, 1));
    thread::sleep(2 * SHORT);
    let out = shell.run(limits::PROBES + 1);
    assert_eq!(out.get(&9999), Some(&Verdict::Up));
    assert_eq!(out.values().filter(|v| **v == down(Reason::Timeout("the connection"))).count(), limits::PROBES);
    shell.rests();
}

/// What came in time counts, also when this process was stopped and looks too late.
#[test]
fn late_to_look() {
    let at = answers("HTTP/1.0 200 OK\r\n\r\n");
    let mut shell = Shell::new();
    shell.go(1, &check(server(drop), SHORT, CheckKind::Tcp), 0);
    shell.go(2, &check(at, SHORT, status(&[])), 0);
    let mut events = Events::with_capacity(4);
    // The request leaves.
    thread::sleep(Duration::from_millis(50));
    shell.poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    let now = shell.now();
    for event in events.iter().filter(|e| e.token().0 == 1001) {
        shell.conns.ready(shell.poll.registry(), event.token(), now, &mut shell.out);
    }
    thread::sleep(3 * SHORT);
    let now = shell.now();
    shell.conns.due(shell.poll.registry(), now, &mut shell.out);
    assert_eq!(shell.run(2).into_values().collect::<Vec<_>>(), [Verdict::Up, Verdict::Up]);
}

#[test]
fn our_own_want_takes_no_server_down() {
    for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL] {
        let mut refusals = 3;
        let mut shell = Shell::with(Box::new(move |to, check| {
            refusals -= 1;
            if refusals >= 0 {
                return Err(io::Error::from_raw_os_error(errno));
            }
            open(to, check)
        }));
        let up = check(server(drop), LONG, CheckKind::Tcp);
        (0..5).for_each(|id| shell.go(id, &up, 0));
        assert_eq!((shell.conns.starved(), shell.conns.load()), (Some(errno), (0, 5)));
        assert!(!shell.conns.has_backlog(), "no spinning");
        let start = std::time::Instant::now();
        assert!(shell.run(5).into_values().all(|v| v == Verdict::Up));
        assert!(start.elapsed() >= 3 * limits::PROBE_STARVED - Duration::from_millis(5), "{:?}", start.elapsed());
        assert_eq!(shell.conns.starved(), None);
        shell.rests();
    }
    // With an address of its own, one that is not here is the check's fault.
    let mut shell = Shell::with(Box::new(|_, _| Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))));
    let mut bound = check(refusing(), LONG, CheckKind::Tcp);
    bound.bind = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    shell.go(1, &bound, 0);
    assert_eq!(shell.run(1).remove(&1), Some(down(Reason::Connect(libc::EADDRNOTAVAIL))));
    let mut shell = Shell::new();
    shell.go(1, &bound, 0);
    assert_eq!(shell.run(1).remove(&1), Some(down(Reason::Connect(libc::EADDRNOTAVAIL))));
}

/// The process really runs out of descriptors.
#[test]
fn out_of_descriptors() {
    const MARK: &str = "HOLDFAST_FEW_DESCRIPTORS";
    if std::env::var_os(MARK).is_none() {
        let program = std::env::current_exe().unwrap();
        let line = "ulimit -n 40; exec \"$0\" --exact out_of_descriptors --test-threads=1";
        let run = Command::new("sh").arg("-c").arg(line).arg(program).env(MARK, "1").output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        return;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let up = check(listener.local_addr().unwrap(), LONG, CheckKind::Tcp);
    let mut shell = Shell::new();
    (0..100).for_each(|id| shell.go(id, &up, 0));
    assert_eq!(shell.conns.starved(), Some(libc::EMFILE));
    assert!(shell.run(100).into_values().all(|v| v == Verdict::Up));
    shell.rests();
}

/// An event of a connection that is gone finds its place taken by another one.
#[test]
fn late_events() {
    let (at, _listener, _fill) = mute();
    let slow = check(at, SHORT, CheckKind::Tcp);
    let mut shell = Shell::new();
    shell.go(1, &check(server(drop), SHORT, CheckKind::Tcp), 0);
    let mut events = Events::with_capacity(4);
    shell.poll.poll(&mut events, Some(LONG)).unwrap();
    let token = events.iter().next().unwrap().token();
    shell.conns.abandon(1);
    shell.go(2, &slow, 0);
    let now = shell.now();
    shell.conns.ready(shell.poll.registry(), token, now, &mut shell.out);
    shell.conns.ready(shell.poll.registry(), mio::Token(3), now, &mut shell.out);
    shell.conns.ready(shell.poll.registry(), mio::Token(1900), now, &mut shell.out);
    assert_eq!(shell.out, []);
    assert_eq!(shell.run(1).remove(&2), Some(down(Reason::Timeout("the connection"))));
}

// ---- TLS

fn ssl(kind: CheckKind, sni: Option<&str>) -> CheckKind {
    match kind {
        CheckKind::Http(http) => get(Http { tls: true, sni: sni.map(Into::into), ..*http }),
        kind => kind,
    }
}

#[test]
#[cfg(not(feature = "tls"))]
fn built_without_tls() {
    let verdict = one(refusing(), LONG, ssl(status(&[]), None));
    assert_eq!(verdict, down(Reason::Unsupported("built without tls")));
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use std::process::{Child, Stdio};

    struct Openssl {
        child: Child,
        dir: std::path::PathBuf,
        at: SocketAddr,
    }

    impl Drop for Openssl {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }

    /// `openssl s_server -WWW` with a fresh certificate (X.509 v1 if asked for) and the file test.html.
    fn openssl(name: &str, v1: bool, args: &[&str]) -> Option<Openssl> {
        if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
            println!("skipped: no openssl");
            return None;
        }
        let dir = std::env::temp_dir().join(format!("probe-tls-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("test.html"), page()).unwrap();
        let run = |line: &str| {
            let out = Command::new("openssl").args(line.split(' ')).current_dir(&dir).output().unwrap();
            assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
        };
        if v1 {
            run("req -newkey rsa:2048 -nodes -keyout key.pem -out req.pem -subj /CN=old");
            run("x509 -req -in req.pem -signkey key.pem -out cert.pem -days 1");
        } else {
            run("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=x -days 1");
        }
        let port = refusing().port();
        let mut child = Command::new("openssl")
            .args(["s_server", "-quiet", "-WWW", "-key", "key.pem", "-cert", "cert.pem", "-accept", &port.to_string()])
            .args(args)
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let at = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        // Up when it listens; /proc, because a connection would be one more client.
        let hex = format!(":{port:04X} ");
        let listens = || {
            ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|f| {
                std::fs::read_to_string(f).unwrap_or_default().lines().any(|l| l.contains(&hex) && l.contains(" 0A "))
            })
        };
        for _ in 0..200 {
            if listens() || child.try_wait().unwrap().is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        assert!(listens(), "openssl s_server {args:?} does not start");
        Some(Openssl { child, dir, at })
    }

    /// More than one TLS record, and more than one turn.
    fn page() -> Vec<u8> {
        b"<html>secure</html>\n".repeat(10_000)
    }

    fn page_is(digest: &[u8]) -> CheckKind {
        get(http(vec![Url { digest: Some(md5(digest)), ..url("/test.html") }]))
    }

    #[test]
    fn tls_1_2_and_1_3() {
        for (name, v1, args) in [
            ("12", false, &["-tls1_2"][..]),
            ("13", false, &["-tls1_3"]),
            ("12v1", true, &["-tls1_2"]),
            ("13v1", true, &["-tls1_3"]),
        ] {
            let Some(server) = openssl(name, v1, args) else { return };
            assert_eq!(one(server.at, LONG, ssl(page_is(&page()), None)), Verdict::Up, "{name}");
            assert_eq!(
                one(server.at, LONG, ssl(page_is(&page()), Some("www.example.com"))),
                Verdict::Up,
                "{name} with SNI"
            );
            assert_eq!(one(server.at, LONG, ssl(page_is(b"x"), None)), down(Reason::Digest(md5(&page()))), "{name}");
        }
    }

    /// Between the steps of a handshake the loop has its turn.
    #[test]
    fn a_handshake_goes_step_by_step() {
        let Some(server) = openssl("step", false, &["-tls1_2"]) else { return };
        // Whether two records of a handshake are there at once is the scheduler's choice; now and then they are.
        let stepped = (0..40).any(|_| {
            let mut shell = Shell::new();
            shell.go(1, &check(server.at, LONG, ssl(get(http(vec![url("/none")])), None)), 0);
            assert_eq!(shell.run(1).len(), 1);
            shell.backlogs >= 2
        });
        assert!(stepped);
    }

    fn words(verdict: Verdict) -> String {
        match verdict {
            Verdict::Down(Reason::Tls(words)) => words.into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_it_cannot_speak_is_named() {
        let Some(server) = openssl("11", false, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]) else { return };
        let said = words(one(server.at, LONG, ssl(page_is(&page()), None)));
        assert!(said.contains("1.0 or 1.1"), "{said}");
        drop(server);
        let Some(server) = openssl("rsa", false, &["-tls1_2", "-cipher", "AES128-SHA"]) else { return };
        let said = words(one(server.at, LONG, ssl(page_is(&page()), None)));
        assert!(said.contains("RSA key exchange"), "{said}");
    }

    /// The HOWTO's SSL_GET blocks say connect_port 80.
    #[test]
    fn a_plain_server() {
        let plain = server(|mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        let said = words(one(plain, LONG, ssl(status(&[]), None)));
        assert_eq!(said, "the server does not speak TLS on this port");
    }

    #[test]
    fn hostile_in_tls() {
        let hang = server(|_stream| thread::sleep(LONG));
        assert_eq!(one(hang, SHORT, ssl(status(&[]), None)), down(Reason::Timeout("the TLS handshake")));
        let closes = server(|mut stream| drop(stream.read(&mut [0; 4096])));
        assert_eq!(one(closes, LONG, ssl(status(&[]), None)), down(Reason::Closed("the TLS handshake")));
        let mut rng = Rng(42);
        for round in 0..200 {
            let mut garbage: Vec<u8> = (0..rng.next(600) + 5).map(|_| rng.next(256) as u8).collect();
            if round % 2 == 0 {
                garbage.splice(0..5, [22, 3, 3, (round >> 4) as u8, rng.next(256) as u8]);
            }
            let at = server(move |mut stream| {
                let _ = stream.write_all(&garbage);
                let _ = stream.read(&mut [0; 4096]);
            });
            let verdict = one(at, LONG, ssl(status(&[]), None));
            assert!(matches!(verdict, Verdict::Down(_)), "{round}: {verdict:?}");
        }
        let name = one(refusing(), LONG, ssl(status(&[]), Some("not a name")));
        assert!(words(name).contains("server name"));
    }
}
