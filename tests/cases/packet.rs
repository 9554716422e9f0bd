//! An advert from the words of a `hear` line. Built by hand, so that the machine's own writer is not its own judge.

use holdfast::base::bytes::Writer;
use holdfast::config::model;
use holdfast::wire::{ah, checksum, ip};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

pub struct Advert {
    pub from: IpAddr,
    pub to: IpAddr,
    pub interface: String,
    ttl: u8,
    version: u8,
    kind: u8,
    vrid: u8,
    priority: u8,
    /// Of addresses, where it shall not be true.
    count: Option<u8>,
    interval: Duration,
    vips: Vec<IpAddr>,
    auth_type: u8,
    pass: [u8; 8],
    /// Key and number.
    ah: Option<([u8; 8], u32)>,
    sum: String,
    cut: Option<usize>,
    tail: usize,
}

fn secret(word: &str) -> [u8; 8] {
    let mut all = [0; 8];
    word.bytes().zip(&mut all).for_each(|(from, to)| *to = from);
    all
}

impl Advert {
    /// What another router of the configured virtual router would send, but for what the words say.
    pub fn of(conf: &model::Instance, words: &[&str]) -> Advert {
        let from: IpAddr = match (conf.wire.group, conf.interface.as_str()) {
            (IpAddr::V6(_), _) => "fe80::2".parse().unwrap(),
            (_, "v1") => "10.78.0.2".parse().unwrap(),
            _ => "10.77.0.2".parse().unwrap(),
        };
        let (auth_type, pass, ah) = match conf.auth {
            model::Auth::None => (0, [0; 8], None),
            model::Auth::Pass(pass) => (1, pass, None),
            model::Auth::Ah(key) => (2, [0; 8], Some((key, 1))),
        };
        let mut a = Advert {
            from,
            to: conf.wire.group,
            interface: conf.interface.to_string(),
            ttl: 255,
            version: conf.wire.version,
            kind: 1,
            vrid: conf.vrid,
            priority: 100,
            count: None,
            interval: conf.advert_int,
            vips: conf.vips.iter().map(|v| v.net.addr).collect(),
            auth_type,
            pass,
            ah,
            sum: if conf.wire.checksum_as_v2 { "plain".into() } else { String::new() },
            cut: None,
            tail: 0,
        };
        for pair in words.chunks(2) {
            let [key, value] = pair else { panic!("{:?} has no value", pair) };
            a.set(key, value);
        }
        a
    }

    fn set(&mut self, key: &str, value: &str) {
        let number = || value.parse::<u64>().unwrap_or_else(|_| panic!("{key} {value}: no number"));
        let address = || value.parse::<IpAddr>().unwrap_or_else(|_| panic!("{key} {value}: no address"));
        match key {
            "prio" => self.priority = number() as u8,
            "from" => self.from = address(),
            "to" => self.to = address(),
            "on" => self.interface = value.into(),
            "ttl" => self.ttl = number() as u8,
            "version" => self.version = number() as u8,
            "type" => self.kind = number() as u8,
            "vrid" => self.vrid = number() as u8,
            "count" => self.count = Some(number() as u8),
            "interval" => self.interval = Duration::from_secs_f64(value.parse().unwrap()),
            "vips" if value == "none" => self.vips.clear(),
            "vips" => self.vips = value.split(',').map(|v| v.parse().unwrap()).collect(),
            "authtype" => self.auth_type = number() as u8,
            "pass" => (self.auth_type, self.pass) = (1, secret(value)),
            "key" => self.ah = Some((secret(value), self.ah.map_or(1, |(_, n)| n))),
            "number" => self.ah = self.ah.map(|(key, _)| (key, number() as u32)),
            "sum" => self.sum = value.into(),
            "cut" => self.cut = Some(number() as usize),
            "tail" => self.tail = number() as usize,
            _ => panic!("hear has no word {key}"),
        }
    }

    /// The whole IP packet.
    pub fn bytes(&self) -> Vec<u8> {
        let mut m = vec![self.version << 4 | self.kind, self.vrid, self.priority];
        m.push(self.count.unwrap_or(self.vips.len() as u8));
        match self.version {
            3 => m.extend(((self.interval.as_millis() / 10) as u16).to_be_bytes()),
            _ => m.extend([self.auth_type, self.interval.as_secs() as u8]),
        }
        m.extend([0, 0]);
        for vip in &self.vips {
            match vip {
                IpAddr::V4(ip) => m.extend(ip.octets()),
                IpAddr::V6(ip) => m.extend(ip.octets()),
            }
        }
        if self.version != 3 && self.from.is_ipv4() {
            m.extend(if self.auth_type == 1 { self.pass } else { [0; 8] });
        }
        let plain = self.sum == "plain" || (self.sum != "pseudo" && self.version == 2 && self.from.is_ipv4());
        let dst = if self.sum == "group" { IpAddr::from(Ipv4Addr::new(224, 0, 0, 18)) } else { self.to };
        let head = if plain { vec![] } else { ip::pseudo_header(self.from, dst, 112, m.len()).to_vec() };
        let sum = checksum::checksum_after(&head, &m) ^ u16::from(self.sum == "bad");
        m[6..8].copy_from_slice(&sum.to_be_bytes());
        m.truncate(self.cut.unwrap_or(m.len()));
        m.resize(m.len() + self.tail, 0);
        let mut w = Writer::new();
        let protocol = if self.ah.is_some() { 51 } else { 112 };
        let head = ip::Head { src: self.from, dst: self.to, ttl: self.ttl, protocol };
        head.emit(1, m.len() + if self.ah.is_some() { ah::LEN } else { 0 }, &mut w);
        match (self.ah, self.from) {
            (Some((key, number)), IpAddr::V4(src)) => {
                ah::emit(112, src, number, &mut w);
                w.put(&m);
                ah::seal(&key, &mut w);
            }
            _ => w.put(&m),
        }
        w.bytes
    }
}
