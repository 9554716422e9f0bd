//! Keywords that are known and not done, for good: why, and what happens without them.

#[derive(PartialEq, Debug)]
pub struct Refusal {
    pub why: &'static str,
    pub without: &'static str,
    /// Its absence could hurt: what asks for it stays out of MASTER.
    pub safeguard: bool,
}

const fn harmless(why: &'static str, without: &'static str) -> Refusal {
    Refusal { why, without, safeguard: false }
}

pub static SNMP: Refusal = harmless("SNMP is not spoken", "the state is not seen by SNMP");
