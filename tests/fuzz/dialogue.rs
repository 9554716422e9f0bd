//! What a checked server answers: any bytes, in any pieces, end in the same verdict.
#![no_main]

use holdfast::base::addr::Endpoint;
use holdfast::base::verdict::Verdict;
use holdfast::config::model::{Http, HttpProtocol, Url};
use holdfast::probe::{http, smtp, tcp, Dialog, Talk, Turn};
use libfuzzer_sys::fuzz_target;

/// MD5 of "hello".
const DIGEST: [u8; 16] =
    [0x5d, 0x41, 0x40, 0x2a, 0xbc, 0x4b, 0x2a, 0x76, 0xb9, 0x71, 0x9d, 0x91, 0x10, 0x17, 0xc5, 0x92];

fn get(protocol: HttpProtocol, digest: Option<[u8; 16]>, status: &[(u16, u16)]) -> Talk {
    let url =
        Url { path: "/".into(), virtualhost: None, digest, status: status.to_vec(), regex: None, tls_compliant: false };
    let http = Http { tls: false, virtualhost: None, protocol, sni: None, fast_recovery: false, urls: vec![url] };
    let to = Endpoint { ip: [192, 0, 2, 1].into(), port: 80 };
    Talk::Http(Box::new(http::Get::new(&http, to, 0).expect("it has a URL")))
}

fn talk(form: u8) -> Talk {
    match form % 6 {
        0 => get(HttpProtocol::V1_0, None, &[]),
        1 => get(HttpProtocol::V1_1, Some(DIGEST), &[]),
        2 => get(HttpProtocol::V1_0Close, None, &[(100, 199), (404, 404)]),
        3 => get(HttpProtocol::V1_1, Some(DIGEST), &[(200, 599)]),
        4 => Talk::Smtp(Box::new(smtp::Hello::new("here.example"))),
        _ => Talk::Tcp(tcp::Connect),
    }
}

/// The whole conversation, up to the end of the stream, and what was said.
fn converse<'a>(form: u8, pieces: impl Iterator<Item = &'a [u8]>) -> (Verdict, Vec<u8>) {
    let (mut talk, mut say) = (talk(form), Vec::new());
    let mut turn = talk.open(&mut say);
    for piece in pieces {
        if let Turn::Done(verdict) = turn {
            return (verdict, say);
        }
        assert!(!talk.waiting_for().is_empty());
        turn = talk.hear(piece, &mut say);
    }
    match (turn, talk.closed()) {
        (Turn::Done(verdict), _) | (Turn::More, Turn::Done(verdict)) => (verdict, say),
        _ => panic!("the end of the stream ends the dialogue"),
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((form, reply)) = input.split_first() else { return };
    let whole = converse(*form, [reply].into_iter());
    assert!(whole.1.len() < 200, "what is said does not grow with what is heard");
    for size in [1, 2, 7] {
        assert_eq!(converse(*form, reply.chunks(size)), whole, "in pieces of {size}");
    }
});
