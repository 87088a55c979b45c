//! What comes back over NATS, and what it means that nothing does.

use std::time::Duration;

use async_nats::{HeaderMap, RequestErrorKind, service::NATS_SERVICE_ERROR_CODE};
use serde::de::DeserializeOwned;

use crate::{
    endpoint::{Effect, Endpoint},
    error::{Error, Failure},
};

/// Reads what was answered: what was asked for, or an error, which its header tells.
pub(crate) fn read<A: DeserializeOwned>(
    endpoint: Endpoint,
    headers: Option<&HeaderMap>,
    body: &[u8],
) -> Result<A, Error> {
    let is_error = headers.is_some_and(|headers| headers.get(NATS_SERVICE_ERROR_CODE).is_some());
    // To see once that all of it is Unicode is quicker than to look at each text.
    if !is_error
        && let Ok(text) = str::from_utf8(body)
        && let Ok(answer) = serde_json::from_str(text)
    {
        return Ok(answer);
    }
    match serde_json::from_slice::<Failure>(body) {
        Ok(failure) => Err(failure.error),
        Err(_) => {
            let message = format!("the answer to {endpoint} can't be read: is the deployment of a newer version?");
            Err(Error::unavailable(format!("{message} {}", what_to_do(endpoint))))
        }
    }
}

/// What it means that there is no answer.
pub(crate) fn none(
    endpoint: Endpoint,
    why: RequestErrorKind,
    deployment: &str,
    timeout: Duration,
    payload_max: usize,
) -> Error {
    let what_to_do = what_to_do(endpoint);
    match why {
        // The broker itself says so, and has handed the request to nobody.
        RequestErrorKind::NoResponders => Error::unavailable(format!(
            "nobody answers {}: is the deployment `{deployment}` running on this broker (`remit up`), and is that its name?",
            endpoint.subject(deployment)
        )),
        RequestErrorKind::MaxPayloadExceeded => Error::too_large(format!(
            "the request is over the {payload_max} bytes that the broker takes (`max_payload`): send smaller batches"
        )),
        RequestErrorKind::InvalidSubject => {
            Error::invalid("deployment", format!("`{deployment}` can't name a deployment"))
        }
        RequestErrorKind::TimedOut => {
            Error::unavailable(format!("no answer to {endpoint} within {} ms. {what_to_do}", timeout.as_millis()))
        }
        RequestErrorKind::Other => {
            Error::unavailable(format!("the connection to the broker was lost during {endpoint}. {what_to_do}"))
        }
    }
}

/// What a caller does who does not know whether it was done.
pub(crate) fn what_to_do(endpoint: Endpoint) -> &'static str {
    match endpoint.effect() {
        Effect::Reads => "Ask again.",
        Effect::ChangesAccount => "It may or may not have been done: send the same command again.",
        Effect::Orders => "It may or may not have been done: look at the transfer's story, or order it again.",
        Effect::Places => "It may or may not have been done: look at `shard.list` and `node.list`, or order it again.",
        Effect::Submits => "It may or may not be recorded: send the same id again.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Code, shard, transfer::Transfer};

    #[test]
    fn an_error_answer_is_an_error() {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_SERVICE_ERROR_CODE, "503");
        let overloaded = Error::overloaded("no room", 20);
        for headers in [Some(&headers), None] {
            let answer = read::<Transfer>(Endpoint::TransferSubmit, headers, &overloaded.to_json());
            assert_eq!(answer, Err(overloaded.clone()));
        }
    }

    #[test]
    fn an_answer_that_grew_is_read() {
        let body = br#"{"shards":[],"more":1}"#;
        let answer = read::<shard::List>(Endpoint::ShardList, None, body);
        assert_eq!(answer, Ok(shard::List { shards: vec![] }));
    }

    #[test]
    fn an_answer_that_is_none_is_no_refusal() {
        let error = read::<Transfer>(Endpoint::TransferSubmit, None, b"oops").unwrap_err();
        assert_eq!(error.code, Code::Unavailable);
        assert!(error.message.ends_with("send the same id again."), "{}", error.message);
    }

    #[test]
    fn silence_says_what_to_do() {
        let table = [
            (Endpoint::TransferSubmit, RequestErrorKind::TimedOut, Code::Unavailable, "send the same id again"),
            (Endpoint::TransferSubmitBatch, RequestErrorKind::Other, Code::Unavailable, "send the same id again"),
            (Endpoint::AccountClose, RequestErrorKind::TimedOut, Code::Unavailable, "send the same command again"),
            (
                Endpoint::NodeDrain,
                RequestErrorKind::TimedOut,
                Code::Unavailable,
                "look at `shard.list` and `node.list`",
            ),
            (Endpoint::TransferGet, RequestErrorKind::TimedOut, Code::Unavailable, "Ask again"),
            (Endpoint::TransferGet, RequestErrorKind::NoResponders, Code::Unavailable, "remit.v1.transfer.get"),
            (Endpoint::TransferSubmitBatch, RequestErrorKind::MaxPayloadExceeded, Code::TooLarge, "smaller batches"),
        ];
        for (endpoint, why, code, sentence) in table {
            let error = none(endpoint, why, "remit", Duration::from_secs(7), 1 << 20);
            assert_eq!(error.code, code);
            assert!(error.message.contains(sentence), "{}", error.message);
        }
    }
}
