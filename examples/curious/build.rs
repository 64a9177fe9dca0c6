//! A build script runs with all the rights of whoever builds: this one looks around, as a hijacked
//! dependency would, and writes down what it could have taken. It changes and sends nothing.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

fn main() {
    println!("cargo:rerun-if-env-changed=CURIOUS");
    println!("cargo:rerun-if-changed=always");
    let home = std::env::var("HOME").unwrap_or_default();
    let mut report = String::new();
    for name in [".ssh", ".aws", ".netrc", ".config/gh", ".docker", ".kube", ".gnupg", ".bash_history"] {
        let seen = Path::new(&home).join(name).exists();
        report += &format!("~/{name:<14} {}\n", if seen { "THERE" } else { "does not exist" });
    }
    let secrets = std::env::vars().filter(|(n, _)| n.contains("TOKEN") || n.contains("SECRET") || n.contains("KEY_ID"));
    report += &format!("secret variables {}\n", secrets.count());
    let others = std::fs::read_dir("/proc").map_or(0, |d| {
        d.flatten().filter(|e| e.file_name().to_string_lossy().parse::<u32>().is_ok()).count()
    });
    report += &format!("processes seen   {others}\n");
    let address: SocketAddr = "192.0.2.1:443".parse().unwrap();
    let reached = TcpStream::connect_timeout(&address, Duration::from_millis(300));
    report += &format!("network          {}\n", reached.map_or_else(|e| e.to_string(), |_| "REACHED".into()));
    let out = std::env::var("OUT_DIR").unwrap();
    std::fs::write(Path::new(&out).join("report.txt"), report).unwrap();
}
