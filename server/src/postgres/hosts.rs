//! The hosts of a URL. Each gets its own time: a frozen server accepts connections and never answers, and the others must
//! get their turn.

use std::time::Duration;

use tokio_postgres::{Config, config::Host};

/// Returns the settings of a connection to each host. If the numbers of hosts, addresses and ports do not fit, returns the
/// settings as they are: connecting says what is wrong.
pub(super) fn each(config: &Config) -> Vec<Config> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = hosts.len().max(addresses.len());
    let fits = |length: usize| length == 0 || length == count;
    if count < 2 || !fits(hosts.len()) || !fits(addresses.len()) || !(fits(ports.len()) || ports.len() == 1) {
        return vec![config.clone()];
    }
    let of = |index: usize| {
        let mut one = without_hosts(config);
        match hosts.get(index) {
            Some(Host::Tcp(host)) => drop(one.host(host)),
            #[cfg(unix)]
            Some(Host::Unix(path)) => drop(one.host_path(path)),
            None => {}
        }
        if let Some(address) = addresses.get(index) {
            one.hostaddr(*address);
        }
        if let Some(port) = ports.get(index).or(ports.first()) {
            one.port(*port);
        }
        one
    };
    (0..count).map(of).collect()
}

fn without_hosts(config: &Config) -> Config {
    let mut one = Config::new();
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    let optional = |timeout: Option<&Duration>| timeout.copied();
    if let Some(timeout) = optional(config.get_connect_timeout()) {
        one.connect_timeout(timeout);
    }
    if let Some(timeout) = optional(config.get_tcp_user_timeout()) {
        one.tcp_user_timeout(timeout);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding())
        .load_balance_hosts(config.get_load_balance_hosts())
        .target_session_attrs(config.get_target_session_attrs());
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_its_port_and_everything_else_of_the_url() {
        let url = "postgres://u:p@a:1,b:2/d?application_name=x&connect_timeout=3&options=-c%20x%3D1&target_session_attrs=read-write\
            &channel_binding=disable&keepalives=0&keepalives_idle=7";
        let config: Config = url.parse().unwrap();
        let expected = ["a:1", "b:2"].map(|host| url.replace("a:1,b:2", host).parse::<Config>().unwrap());
        assert_eq!(each(&config), expected);
        let config: Config = "host=a,b hostaddr=10.0.0.1,10.0.0.2 port=7 user=u".parse().unwrap();
        let [first, second] = &each(&config)[..] else { panic!("two hosts") };
        assert_eq!((first.get_hostaddrs().len(), second.get_ports()), (1, &[7_u16][..]));
    }

    #[test]
    fn one_host_and_numbers_that_do_not_fit_stay_as_they_are() {
        for text in ["postgres://u@a/d", "host=a,b port=1,2,3 user=u", "host=a,b hostaddr=10.0.0.1 user=u"] {
            let config: Config = text.parse().unwrap();
            assert_eq!(each(&config), [config]);
        }
    }
}
