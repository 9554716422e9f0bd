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

pub static ENCAP: Refusal = Refusal {
    why: "routes into tunnels and labels are left to `ip route`",
    without: "the route is not set, and what asks for it is kept out of MASTER",
    safeguard: true,
};
pub static LABELS: Refusal = harmless("MPLS routes are left to `ip route`", "the route is set without it");
