//! Ports of protocols that are not HTTP.

/// A rule for one of these that says nothing of requests passes bytes unread: there would be none to read. Where the
/// server speaks first nothing could be read at all. Numbers: IANA's registry of service names and ports.
const OTHER_PROTOCOLS: &[(u16, &str)] = &[
    (21, "FTP"),
    (22, "SSH"),
    (25, "SMTP"),
    (110, "POP3"),
    (119, "NNTP"),
    (143, "IMAP"),
    (389, "LDAP"),
    (465, "SMTP over TLS"),
    (587, "mail submission"),
    (636, "LDAP over TLS"),
    (853, "DNS over TLS"),
    (873, "rsync"),
    (989, "FTP over TLS"),
    (990, "FTP over TLS"),
    (993, "IMAP over TLS"),
    (995, "POP3 over TLS"),
    (1433, "SQL Server"),
    (1521, "Oracle"),
    (1883, "MQTT"),
    (3306, "MySQL"),
    (3690, "Subversion"),
    (4222, "NATS"),
    (5432, "PostgreSQL"),
    (5671, "AMQP over TLS"),
    (5672, "AMQP"),
    (5900, "VNC"),
    (6379, "Redis"),
    (6380, "Redis over TLS"),
    (8883, "MQTT over TLS"),
    (9042, "Cassandra"),
    (9092, "Kafka"),
    (9418, "git"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];

/// The protocol of a port that is registered for something else than HTTP.
#[must_use]
pub fn other_protocol(port: u16) -> Option<&'static str> {
    let found = OTHER_PROTOCOLS.iter().find(|(number, _)| *number == port);
    found.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_on_which_http_is_spoken_are_none_of_them() {
        for port in [80, 443, 3000, 4873, 8000, 8080, 8443, 9200] {
            assert_eq!(other_protocol(port), None, "{port}");
        }
        assert_eq!(other_protocol(5432), Some("PostgreSQL"));
        assert!(OTHER_PROTOCOLS.is_sorted_by_key(|(port, _)| port));
    }
}
