//! The currencies of ISO 4217 that are in use, each with its number of decimals.
//!
//! As of 2026, with the Caribbean guilder (XCG) and without the lev (BGN), which the euro replaced. Left out are the
//! codes without a minor unit (gold, special drawing rights, the code for tests): who wants one declares it, with the
//! decimals to count in.

/// Of which the smallest coin is the unit itself.
const DECIMALS_0: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";

const DECIMALS_2: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF \
     CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL \
     HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR \
     MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP \
     SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER \
     ZAR ZMW ZWG";

const DECIMALS_3: &str = "BHD IQD JOD KWD LYD OMR TND";

const DECIMALS_4: &str = "CLF UYW";

/// Every code with its decimals.
pub(crate) fn codes() -> impl Iterator<Item = (&'static str, u8)> {
    let groups = [(DECIMALS_0, 0), (DECIMALS_2, 2), (DECIMALS_3, 3), (DECIMALS_4, 4)];
    groups.into_iter().flat_map(|(codes, decimals)| codes.split_ascii_whitespace().map(move |code| (code, decimals)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_stands_once_and_has_three_letters() {
        let mut seen = BTreeSet::new();
        for (code, _) in codes() {
            assert!(code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()), "{code}");
            assert!(seen.insert(code), "{code} stands twice");
        }
        assert!(seen.len() > 150, "{}", seen.len());
    }
}
