//! One virtual server: which real servers count, quorum with hysteresis, the sorry server; and what IPVS should hold.

use crate::config::model::{Server, Service};
use crate::wire::op::{DestValue, Key, ServiceValue, Value};

#[derive(Clone, Debug, Default)]
pub struct ServiceState {
    pub servers: Vec<ServerState>,
    pub quorum_up: bool,
    pub claims: Vec<Key>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct ServerState {
    /// Checks that count against it.
    pub failed: u16,
    /// Set by misc_dynamic instead of the configured weight.
    pub weight: Option<u32>,
}

impl ServerState {
    pub fn alive(&self) -> bool {
        self.failed == 0
    }

    fn weight(&self, conf: &Server) -> u32 {
        self.weight.unwrap_or(conf.weight)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quorum {
    Same,
    Gained,
    Lost,
}

impl ServiceState {
    /// Weights of the servers that are alive.
    pub fn sum(&self, conf: &Service) -> u64 {
        let alive = self.servers.iter().zip(&conf.servers).filter(|(s, _)| s.alive());
        alive.map(|(s, c)| u64::from(s.weight(c))).sum()
    }

    /// Up from quorum + hysteresis, down at nothing or below quorum - hysteresis.
    pub fn evaluate(&mut self, conf: &Service) -> Quorum {
        let (sum, quorum, hysteresis) = (self.sum(conf), u64::from(conf.quorum), u64::from(conf.hysteresis));
        let up = if self.quorum_up {
            sum != 0 && sum >= quorum.saturating_sub(hysteresis)
        } else {
            sum != 0 && sum >= quorum + hysteresis
        };
        match (self.quorum_up, up) {
            (false, true) => {
                self.quorum_up = true;
                Quorum::Gained
            }
            (true, false) => {
                self.quorum_up = false;
                Quorum::Lost
            }
            _ => Quorum::Same,
        }
    }

    /// The service and its destinations as IPVS should hold them now.
    pub fn desired(&self, conf: &Service) -> Vec<(Key, Value)> {
        let mut want = Vec::with_capacity(self.servers.len() + 2);
        let service = ServiceValue {
            scheduler: conf.scheduler,
            persistence: conf.persistence,
            granularity: conf.granularity,
            one_packet: conf.one_packet,
            scheduler_flags: conf.scheduler_flags,
        };
        want.push((Key::Service(conf.key), Value::Service(service)));
        let sorry = conf.sorry.as_ref();
        let sorry_used = sorry.is_some() && !self.quorum_up;
        for (state, server) in self.servers.iter().zip(&conf.servers) {
            let serves = state.alive() && !sorry_used;
            if !serves && !server.inhibit {
                continue;
            }
            let dest = DestValue {
                forward: server.forward,
                weight: if serves { state.weight(server) } else { 0 },
                upper_threshold: server.upper_threshold(),
                lower_threshold: server.lower_threshold(),
            };
            want.push((Key::Dest(conf.key, server.at), Value::Dest(dest)));
        }
        if let Some(sorry) = sorry.filter(|s| sorry_used || s.inhibit) {
            let weight = u32::from(sorry_used);
            let dest = DestValue { forward: sorry.forward, weight, upper_threshold: 0, lower_threshold: 0 };
            want.push((Key::Dest(conf.key, sorry.at), Value::Dest(dest)));
        }
        want
    }
}
