//! Traces of sampled transfers, exported by OTLP over HTTP: only where `traces.endpoint` is set.
//!
//! What is sampled is for the client to say, by the `traceparent` header of its request. Then the door, the manager and the shards
//! each tell what they have done for it as an event with the target [`traced::TARGET`]; here each becomes a span. A collector that
//! is away or slow holds nothing up: what finds no room is dropped, and the log says so once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, UNIX_EPOCH},
};

use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks},
};
use remit_actors::durable::traced;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    warn,
};
use tracing_subscriber::{Layer, layer::Context};

/// Spans that may wait for the collector.
const WAITING_MAX: usize = 8_192;
/// Spans of one request to it.
const TOGETHER_MAX: usize = 512;
/// How long the collector may take for an answer.
const EXPORTED_WITHIN: Duration = Duration::from_secs(5);

/// Nothing can be exported to this endpoint.
#[derive(Debug, thiserror::Error)]
#[error("`traces.endpoint` is {endpoint}, which can't be exported to: {why}")]
pub struct Unusable {
    /// What was set.
    pub endpoint: String,
    /// Why not.
    pub why: String,
}

/// The export of a node's traces.
pub struct Traces {
    spans: mpsc::Sender<SpanData>,
    is_full: Arc<AtomicBool>,
    exporting: JoinHandle<()>,
}

impl Traces {
    /// Begins to export to this endpoint, under the node's name. Needs a runtime around it.
    ///
    /// # Errors
    /// It is no endpoint.
    pub fn start(endpoint: &str, node: &str) -> Result<Self, Unusable> {
        let builder = opentelemetry_otlp::SpanExporter::builder().with_http().with_endpoint(endpoint);
        let built = builder.with_timeout(EXPORTED_WITHIN).build();
        let mut exporter = built.map_err(|error| Unusable { endpoint: endpoint.to_owned(), why: error.to_string() })?;
        let about = [KeyValue::new("service.instance.id", node.to_owned())];
        exporter.set_resource(&Resource::builder_empty().with_service_name("remit").with_attributes(about).build());
        let (spans, mut waiting) = mpsc::channel(WAITING_MAX);
        let is_full = Arc::new(AtomicBool::new(false));
        let exporting = tokio::spawn(async move {
            let (mut batch, mut is_away) = (Vec::new(), false);
            while waiting.recv_many(&mut batch, TOGETHER_MAX).await > 0 {
                match exporter.export(std::mem::take(&mut batch)).await {
                    Ok(()) => is_away = false,
                    Err(error) => {
                        if !std::mem::replace(&mut is_away, true) {
                            warn!(%error, "the collector of traces does not take them; those of this time are lost");
                        }
                    }
                }
            }
        });
        Ok(Self { spans, is_full, exporting })
    }

    /// What hears of each span.
    pub fn layer<S: Subscriber>(&self) -> impl Layer<S> + use<S> {
        Sampled { spans: self.spans.clone(), is_full: Arc::clone(&self.is_full) }
    }

    /// Waits, but not for long, until what waits is exported. The layer goes on to listen, in vain.
    pub async fn flush(self, within: Duration) {
        let Self { spans, is_full: _, mut exporting } = self;
        let until = tokio::time::Instant::now() + within;
        while spans.capacity() < spans.max_capacity() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // The batch that is on its way.
        timeout(Duration::from_millis(100), &mut exporting).await.ok();
        exporting.abort();
    }
}

/// Makes spans of events.
struct Sampled {
    spans: mpsc::Sender<SpanData>,
    is_full: Arc<AtomicBool>,
}

impl<S: Subscriber> Layer<S> for Sampled {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != traced::TARGET {
            return;
        }
        let mut told = Told::default();
        event.record(&mut told);
        if self.spans.try_send(told.span()).is_err() && !self.is_full.swap(true, Relaxed) {
            warn!("more is sampled than the collector of traces takes; some spans are lost");
        }
    }
}

/// The fields of an event.
#[derive(Default)]
struct Told {
    trace_id: u128,
    span_id: u64,
    parent_id: u64,
    began_us: u64,
    took_us: u64,
    what: String,
    actor: String,
    transfer: Option<String>,
}

impl Told {
    fn span(self) -> SpanData {
        let start_time = UNIX_EPOCH + Duration::from_micros(self.began_us);
        let ids = (TraceId::from(self.trace_id), SpanId::from(self.span_id));
        let span_kind = if self.actor == "gateway" { SpanKind::Server } else { SpanKind::Consumer };
        let actor = KeyValue::new("remit.actor", self.actor);
        let transfer = self.transfer.map(|transfer| KeyValue::new("remit.transfer", transfer));
        SpanData {
            span_context: SpanContext::new(ids.0, ids.1, TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: SpanId::from(self.parent_id),
            // Whoever asked is another process, or might be.
            parent_span_is_remote: true,
            span_kind,
            name: self.what.into(),
            start_time,
            end_time: start_time + Duration::from_micros(self.took_us),
            attributes: [Some(actor), transfer].into_iter().flatten().collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("remit").build(),
        }
    }

    fn put(&mut self, field: &str, text: String) {
        match field {
            "trace_id" => self.trace_id = u128::from_str_radix(&text, 16).unwrap_or_default(),
            "span_id" => self.span_id = u64::from_str_radix(&text, 16).unwrap_or_default(),
            "parent_id" => self.parent_id = u64::from_str_radix(&text, 16).unwrap_or_default(),
            "what" => self.what = text,
            "actor" => self.actor = text,
            "transfer" => self.transfer = Some(text),
            _ => {}
        }
    }
}

impl Visit for Told {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "began_us" => self.began_us = value,
            "took_us" => self.took_us = value,
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }
}
