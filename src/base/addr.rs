//! Addresses and names as the network knows them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub fn of(ip: &IpAddr) -> Family {
        match ip {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    pub fn max_len(self) -> u8 {
        match self {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// An address with its prefix length: `192.168.1.11/32`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IpNet {
    pub addr: IpAddr,
    pub len: u8,
}

impl IpNet {
    /// None if the prefix is longer than the address.
    pub fn new(addr: IpAddr, len: u8) -> Option<IpNet> {
        (len <= Family::of(&addr).max_len()).then_some(IpNet { addr, len })
    }

    pub fn host(addr: IpAddr) -> IpNet {
        IpNet { addr, len: Family::of(&addr).max_len() }
    }

    pub fn family(&self) -> Family {
        Family::of(&self.addr)
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

impl FromStr for IpNet {
    type Err = ();
    /// `ADDR` or `ADDR/LEN`; without a length the whole address (keepalived's rule for VIPs).
    fn from_str(s: &str) -> Result<IpNet, ()> {
        match s.split_once('/') {
            None => s.parse().map(IpNet::host).map_err(|_| ()),
            Some((addr, len)) => {
                let addr = addr.parse().map_err(|_| ())?;
                IpNet::new(addr, len.parse().map_err(|_| ())?).ok_or(())
            }
        }
    }
}

/// Address and port, smaller than std's SocketAddr (a director holds tens of thousands).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Endpoint {
    pub ip: IpAddr,
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]:{}", self.ip, self.port)
    }
}

/// A network interface name (IFNAMSIZ is 16 with its end mark).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct IfName(heapless::String<15, u8>);

impl IfName {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// An address label, `eth0:1`: of a name's length, and a colon is the usual thing in it.
    pub fn label(s: &str) -> Option<IfName> {
        if s.is_empty() || s.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return None;
        }
        heapless::String::try_from(s).map(IfName).ok()
    }
}

impl FromStr for IfName {
    type Err = ();
    /// What the kernel takes as a name: 1 to 15 bytes, no blank, no slash, no colon, not `.` or `..`.
    fn from_str(s: &str) -> Result<IfName, ()> {
        let bad = |c: char| c.is_whitespace() || c == '/' || c == ':' || c.is_control();
        if s.is_empty() || s == "." || s == ".." || s.contains(bad) {
            return Err(());
        }
        heapless::String::try_from(s).map(IfName).map_err(|_| ())
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// 224.0.0.18, the VRRP group (RFC 9568, section 8.4.1).
pub const VRRP_GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// ff02::12 (RFC 9568, section 8.4.2).
pub const VRRP_GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nets_and_names() {
        assert_eq!("10.0.0.1".parse::<IpNet>().map(|n| n.to_string()), Ok("10.0.0.1/32".into()));
        assert_eq!("10.0.0.1/24".parse::<IpNet>().map(|n| n.len), Ok(24));
        assert!("10.0.0.1/33".parse::<IpNet>().is_err());
        assert!("10.0.0".parse::<IpNet>().is_err());
        assert!("eth0".parse::<IfName>().is_ok());
        assert!("a234567890123456".parse::<IfName>().is_err());
        assert!("a/b".parse::<IfName>().is_err());
    }
}
