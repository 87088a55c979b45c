//! The NATS door: a service named `remit`, an endpoint for each verb, on `<deployment>.v1.<noun>.<verb>`.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::{
    Client, HeaderMap,
    service::{NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE, Request, Service, ServiceExt as _},
};
use futures::StreamExt as _;
use remit_actors::message::TraceContext;
use remit_api::{Endpoint, Error};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use super::Door;

/// How long the last answers may take when the door closes.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long what has come may take to be read when the door closes.
const READ_WITHIN: Duration = Duration::from_millis(500);

/// The service could not be registered with the broker.
#[derive(Debug, thiserror::Error)]
#[error("the service can't be offered on NATS")]
pub struct Unoffered(#[source] async_nats::Error);

/// The open NATS door. Dropped, it takes no more requests.
pub struct NatsDoor {
    door: Arc<Door>,
    service: Service,
    endpoints: JoinSet<()>,
    /// Closed when the last request has been answered.
    served: mpsc::Receiver<Infallible>,
}

/// How many requests of one endpoint were answered with an error; the service API can't count them itself, since an error's
/// body is ours.
type Errors = Arc<BTreeMap<&'static str, AtomicU64>>;

impl NatsDoor {
    /// Offers the service.
    ///
    /// # Errors
    /// The broker did not take it.
    pub async fn open(client: Client, door: Arc<Door>) -> Result<Self, Unoffered> {
        let errors: Errors = Arc::new(Endpoint::ALL.iter().map(|verb| (verb.as_str(), AtomicU64::new(0))).collect());
        let counted = Arc::clone(&errors);
        let service = client
            .service_builder()
            .description("moves money between accounts in different databases, all or nothing")
            .stats_handler(move |endpoint, _| {
                let errors = counted.iter().find(|(verb, _)| name_of(verb) == endpoint);
                serde_json::json!({ "errors": errors.map_or(0, |(_, errors)| errors.load(Relaxed)) })
            })
            .start("remit", env!("CARGO_PKG_VERSION"))
            .await
            .map_err(Unoffered)?;
        let mut endpoints = JoinSet::new();
        let (serving, served) = mpsc::channel(1);
        for endpoint in Endpoint::ALL {
            let subject = endpoint.subject(&door.genesis.deployment);
            let name = name_of(endpoint.as_str());
            let mut requests = service.endpoint_builder().name(name).add(subject).await.map_err(Unoffered)?;
            let (door, errors, serving) = (Arc::clone(&door), Arc::clone(&errors), serving.clone());
            endpoints.spawn(async move {
                // Read at once: a subscription drops what waits too long. What is too much is refused inside.
                while let Some(request) = requests.next().await {
                    let (door, errors, serving) = (Arc::clone(&door), Arc::clone(&errors), serving.clone());
                    tokio::spawn(async move {
                        serve(&door, endpoint, request, &errors).await;
                        drop(serving);
                    });
                }
            });
        }
        Ok(Self { door, service, endpoints, served })
    }

    /// Takes no more requests, and answers those that are being served: with how things stand, where they would wait for long.
    pub async fn close(mut self) {
        // Without a broker there is nobody to tell.
        self.service.stop().await.ok();
        // What has come by now is served: its clients would wait for an answer that no other node gives.
        let read = async { while self.endpoints.join_next().await.is_some() {} };
        timeout(READ_WITHIN, read).await.ok();
        self.endpoints.abort_all();
        while self.endpoints.join_next().await.is_some() {}
        self.door.say_farewell();
        if timeout(FAREWELL, self.served.recv()).await.is_err() {
            tracing::warn!("some requests are left without an answer; their clients ask again");
        }
    }
}

async fn serve(door: &Door, endpoint: Endpoint, request: Request, errors: &Errors) {
    let trace = request.message.headers.as_ref().and_then(sampled);
    let responded = match door.handle(endpoint, &request.message.payload, trace).await {
        Ok(body) => request.respond(Ok(body.into())).await,
        Err(error) => {
            if let Some(count) = errors.get(endpoint.as_str()) {
                count.fetch_add(1, Relaxed);
            }
            request.respond_with_headers(Ok(error.to_json().into()), headers(&error)).await
        }
    };
    if let Err(error) = responded {
        tracing::debug!(%endpoint, %error, "an answer could not be sent; the client asks again");
    }
}

/// An error's headers, as the service API wants them beside our body.
fn headers(error: &Error) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // A header is one line.
    headers.insert(NATS_SERVICE_ERROR, error.message.replace(['\r', '\n'], " ").as_str());
    headers.insert(NATS_SERVICE_ERROR_CODE, error.code.http_status().to_string().as_str());
    headers
}

/// Endpoint names have no dots.
fn name_of(verb: &str) -> String {
    verb.replace('.', "-")
}

/// The W3C trace context of a request, if it is sampled.
fn sampled(headers: &HeaderMap) -> Option<TraceContext> {
    let text = headers.get("traceparent")?.as_str();
    let mut fields = text.split('-');
    let (_version, trace_id, span_id, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let trace_id = u128::from_str_radix(trace_id, 16).ok().filter(|id| *id != 0 && trace_id.len() == 32)?;
    let parent = u64::from_str_radix(span_id, 16).ok().filter(|id| *id != 0 && span_id.len() == 16)?;
    let flags = u8::from_str_radix(flags, 16).ok().filter(|flags| flags & 1 == 1)?;
    Some(TraceContext { trace_id: trace_id.to_be_bytes(), span_id: parent.to_be_bytes(), flags })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sampled_trace_context_is_taken_along() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", text);
            sampled(&headers)
        };
        let sampled = read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!((sampled.trace_id[0], sampled.span_id[7], sampled.flags), (0x4b, 0xb7, 1));
        for other in
            ["", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", "00-0-0-01", "00-xyz-00f067aa0ba902b7-01"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
