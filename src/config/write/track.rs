use super::Writer;
use crate::config::model::Config;

pub fn write(_out: &mut Writer, _config: &Config) {}
