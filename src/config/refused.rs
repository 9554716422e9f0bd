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
pub static DBUS: Refusal = harmless("D-Bus is not spoken", "the state is not seen on D-Bus; scripts are told of it");

pub static IPTABLES: Refusal = harmless("nftables does what iptables and its sets would", "nothing else changes");

pub static PROCESS_NAMES: Refusal = harmless("there is one process", "its name is that of the program");

pub static NETLINK_BUFFERS: Refusal =
    harmless("the program sizes its netlink buffers itself", "news that are lost are read anew from the kernel");

pub static TEMPORARY_COPY: Refusal = harmless("the configuration is kept in memory", "no temporary file is written");

pub static DUMP_PATHS: Refusal = harmless("it never had an effect", "dumps go to the usual places");

pub static CHILD_WAIT: Refusal = harmless("there is no child of its own to wait for", "nothing is missed");

pub static DEBUG: Refusal = harmless("the log has one level for all", "-D gives more of it");

pub static BFD_PROCESS: Refusal = harmless("there is one process", "it is scheduled as vrrp_... and checker_... say");
