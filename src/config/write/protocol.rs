//! What an instance's adverts look like and where they go.

use super::Writer;
use crate::base::addr::Family;
use crate::config::model::{Instance, OldChecksum};

pub fn protocol(out: &mut Writer, i: &Instance) {
    let wire = &i.wire;
    out.value("version", wire.version);
    if wire.family == Family::V6 && i.vips.is_empty() {
        out.line("native_ipv6");
    }
    out.option("unicast_src_ip", wire.unicast_src_ip);
    out.switch("v3_checksum_as_v2", wire.checksum_as_v2);
    let Some(unicast) = &wire.unicast else { return out.value("mcast_dst_ip", wire.group) };
    out.block("unicast_peer", |out| {
        for p in &unicast.peers {
            out.line(format_args!("{} min_ttl {} max_ttl {}", p.ip, p.min_ttl, p.max_ttl));
        }
    });
    out.value("unicast_ttl", unicast.ttl);
    out.flag("unicast_fault_no_peer", unicast.fault_no_peer);
    out.switch("check_unicast_src", unicast.check_src);
    match unicast.old_checksum {
        OldChecksum::Detect => {}
        OldChecksum::Always => out.line("old_unicast_checksum"),
        OldChecksum::Never => out.line("old_unicast_checksum never"),
    }
}
