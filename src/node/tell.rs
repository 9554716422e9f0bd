//! What scripts and FIFOs are told, in keepalived's order: the script of the event, `notify`, then the line.

use super::effect::{Effect, Line, Spawn};
use super::note::Half;
use super::vrrp::instance::State;
use super::Ctx;
use crate::base::addr::Endpoint;
use crate::config::model::{Config, Deleted, Group, Instance, Script, Service};
use crate::wire::op::ServiceKey;

/// notify_<state> gets no further arguments; notify gets four.
pub fn state(
    (kind, name): (&str, &str),
    state: &str,
    priority: u8,
    (script, any): (Option<&Script>, Option<&Script>),
    ctx: &mut Ctx,
) {
    if let Some(script) = script {
        run(format!("{kind} {name} notify_{}", state.to_lowercase()), script, Vec::new(), ctx);
    }
    if let Some(script) = any {
        let args = vec![kind.into(), name.into(), state.into(), priority.to_string().into()];
        run(format!("{kind} {name} notify"), script, args, ctx);
    }
    vrrp_line(kind, name, state, priority, ctx);
}

/// An instance that the new configuration has not.
pub fn deleted(conf: &Instance, priority: u8, ctx: &mut Ctx) {
    let (what, script) = match &*conf.notify_deleted {
        Deleted::Fault => ("FAULT", None),
        Deleted::Event => ("DELETED", None),
        Deleted::Script(script) => ("DELETED", Some(script)),
    };
    state(("INSTANCE", &conf.name), what, priority, (script, conf.notify.any.as_ref()), ctx);
}

/// MASTER heard somebody lower: not for `notify`.
pub fn lower(conf: &Instance, priority: u8, ctx: &mut Ctx) {
    if let Some(script) = conf.notify_lower.as_ref() {
        run(format!("INSTANCE {} notify_master_rx_lower_pri", conf.name), script, Vec::new(), ctx);
    }
    vrrp_line("INSTANCE", &conf.name, "MASTER_RX_LOWER_PRI", priority, ctx);
}

/// Another effective priority: a line only, if it is asked for by the instance, its group or for all.
pub fn priority(conf: &Instance, state: State, priority: u8, ctx: &mut Ctx) {
    let group = conf.group.and_then(|g| ctx.conf.groups.get(g));
    if !conf.notify_priority_changes && !group.is_some_and(|g| g.notify_priority_changes) {
        return;
    }
    let what = match state {
        State::Master => "MASTER_PRIORITY",
        State::Backup => "BACKUP_PRIORITY",
        State::Init | State::Fault => return,
    };
    vrrp_line("INSTANCE", &conf.name, what, priority, ctx);
}

/// fifo_write_vrrp_states_on_reload.
pub fn again_group(group: &Group, state: State, ctx: &mut Ctx) {
    vrrp_line("GROUP", &group.name, state.name(), 0, ctx);
}

pub fn again(conf: &Instance, state: State, priority: u8, ctx: &mut Ctx) {
    vrrp_line("INSTANCE", &conf.name, state.name(), priority, ctx);
}

pub fn quorum(service: &Service, up: bool, ctx: &mut Ctx) {
    let (word, script) = match up {
        true => ("quorum_up", &service.quorum_up),
        false => ("quorum_down", &service.quorum_down),
    };
    if let Some(script) = script {
        run(format!("VS {} {word}", service.key), script, Vec::new(), ctx);
    }
    lvs_line(ctx, |conf| format!("VS {} {}", name_of(service, conf), up_or_down(up)));
}

pub fn server(service: &Service, at: Endpoint, script: Option<&Script>, up: bool, ctx: &mut Ctx) {
    if let Some(script) = script {
        let word = if up { "notify_up" } else { "notify_down" };
        run(format!("RS {at} of VS {} {word}", service.key), script, Vec::new(), ctx);
    }
    let protocol = match service.key {
        ServiceKey::Address(protocol, _) => protocol.name().to_lowercase(),
        ServiceKey::Mark(..) => "none".into(),
    };
    lvs_line(ctx, |conf| {
        format!("RS [{}]:{protocol}:{} {} {}", at.ip, at.port, name_of(service, conf), up_or_down(up))
    });
}

fn up_or_down(up: bool) -> &'static str {
    if up {
        "UP"
    } else {
        "DOWN"
    }
}

/// A service of a group has the group's name.
fn name_of(service: &Service, conf: &Config) -> String {
    match service.group.and_then(|g| conf.server_groups.get(g)) {
        Some(group) => format!("[{}]:0", group.name),
        None => service.key.to_string(),
    }
}

fn run(target: String, script: &Script, args: Vec<Box<str>>, ctx: &mut Ctx) {
    ctx.told.push(Effect::Spawn(Spawn { target: target.into(), script: script.clone(), args }));
}

fn vrrp_line(kind: &str, name: &str, what: &str, priority: u8, ctx: &mut Ctx) {
    let fifos = &ctx.conf.global.fifos;
    if fifos.all.path.is_some() || fifos.vrrp.path.is_some() {
        let text = format!("{kind} \"{name}\" {what} {priority}\n").into();
        ctx.told.push(Effect::Fifo(Line { half: Half::Vrrp, text }));
    }
}

/// These end with a NUL, as keepalived's do.
fn lvs_line(ctx: &mut Ctx, text: impl FnOnce(&Config) -> String) {
    let fifos = &ctx.conf.global.fifos;
    if fifos.all.path.is_some() || fifos.lvs.path.is_some() {
        let text = (text(ctx.conf) + "\n\0").into();
        ctx.told.push(Effect::Fifo(Line { half: Half::Checkers, text }));
    }
}
