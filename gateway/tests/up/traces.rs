//! A transfer whose client samples it can be followed through all that it went through; any other leaves no trace.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::mpsc,
    thread,
    time::Duration,
};

use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use prost::Message as _;
use serde_json::{Value, json};

use crate::stage::{Up, log_of};

/// A bound for what should take a second or two.
const BOUND: Duration = Duration::from_secs(60);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SAMPLED: &str = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a61";
const OTHER: &str = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a62";

/// A collector: takes what is posted to it, and tells the spans.
fn collector() -> (String, mpsc::Receiver<Span>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (spans, collected) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, spans) = (connection.unwrap(), spans.clone());
            thread::spawn(move || {
                let mut reader = BufReader::new(connection.try_clone().unwrap());
                while let Some(body) = request(&mut reader) {
                    let request = ExportTraceServiceRequest::decode(&*body).unwrap();
                    let of_nodes = request.resource_spans.into_iter().flat_map(|node| node.scope_spans);
                    of_nodes.flat_map(|scope| scope.spans).for_each(|span| drop(spans.send(span)));
                    connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
                }
            });
        }
    });
    (endpoint, collected)
}

/// The body of the next request, until the connection ends.
fn request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut size = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            size = length.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            let mut body = vec![0; size];
            reader.read_exact(&mut body).unwrap();
            return Some(body);
        }
    }
}

#[test]
fn a_sampled_transfer_is_one_trace_and_one_grep_and_any_other_is_none() {
    let (endpoint, collected) = collector();
    let folder = tempfile::tempdir().unwrap();
    let settings = [("REMIT__TRACES__ENDPOINT", &*endpoint)];
    let up = Up::start_as(folder.path(), &["--shards", "2", "--managers", "1"], &settings);
    for (id, kind) in [("s0:world", "external"), ("s1:bob", "customer")] {
        up.person(&["account", "open", id, "--currency", "EUR", "--kind", kind]);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = async_nats::connect(up.url()).await.unwrap();
        for (id, flags) in [(OTHER, "00"), (SAMPLED, "01")] {
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-{flags}").as_str());
            let body = json!({"id": id, "from": "s0:world", "to": "s1:bob", "amount": 5, "currency": "EUR", "wait": "settled"});
            let asked = client.request_with_headers("remit.v1.transfer.submit", headers, body.to_string().into());
            let answer: Value = serde_json::from_slice(&asked.await.unwrap().payload).unwrap();
            assert_eq!(answer["status"], "completed", "{answer}");
        }
    });
    let mut spans: BTreeMap<String, Span> = BTreeMap::new();
    let mut names = Vec::new();
    while names.len() < 6 {
        let span = collected.recv_timeout(BOUND).unwrap_or_else(|_| panic!("{names:?}"));
        assert_eq!(span.trace_id, u128::from_str_radix(TRACE, 16).unwrap().to_be_bytes());
        let ids = span.attributes.iter().find(|attribute| attribute.key == "remit.transfer").unwrap();
        assert!(format!("{ids:?}").contains(SAMPLED), "{ids:?}");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        names.push(span.name.clone());
        spans.insert(span.name.clone(), span);
    }
    names.sort();
    assert_eq!(names, ["credit", "debit", "hear", "hear", "start", "submit"]);
    let submit = &spans["submit"];
    assert_eq!(submit.parent_span_id, [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7], "the client's span");
    for name in ["start", "debit", "credit", "hear"] {
        assert_eq!(spans[name].parent_span_id, submit.span_id, "{name}");
    }
    up.stop();
    assert!(collected.try_iter().next().is_none(), "there is no further span");
    let log = log_of(folder.path());
    let lines = |id| log.lines().filter(|line| line.contains(id)).count();
    assert_eq!((lines(SAMPLED), lines(OTHER)), (6, 0), "{log}");
}
