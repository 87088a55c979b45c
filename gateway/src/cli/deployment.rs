//! `remit deployment`.

use super::{error::Error, exit::Exit, render, session::Session};

pub(super) async fn run(session: &Session) -> Result<Exit, Error> {
    let desk = session.desk();
    let deployment = desk.client().await?.deployment_get().await?;
    let output = session.output();
    if output.is_json() {
        output.json(&deployment)?;
    } else {
        let currencies = desk.currencies_to_show(deployment.totals.in_transit.iter().map(|part| part.currency)).await;
        output.text(&render::deployment::facts(&deployment, &currencies))?;
    }
    Ok(Exit::CameTrue)
}
