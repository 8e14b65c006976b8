//! What the operating system says of this process, by the names that every exporter has. Elsewhere
//! than on Linux there are none.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What was found out of the process.
#[cfg(target_os = "linux")]
pub(super) fn register(registry: &mut Registry) {
    use std::sync::atomic::AtomicU64;

    use rustix::process::{Resource, getrlimit};
    use rustix::time::{ClockId, clock_gettime};

    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let seconds: Counter<f64, AtomicU64> = Counter::default();
    let spent = std::time::Duration::new(
        u64::try_from(cpu.tv_sec).unwrap_or(0),
        u32::try_from(cpu.tv_nsec).unwrap_or(0),
    );
    seconds.inc_by(spent.as_secs_f64());
    registry.register("process_cpu_seconds", "Processor time that the process has used", seconds);
    if let Some(bytes) = resident_bytes() {
        gauge(registry, "process_resident_memory_bytes", "Memory of the process", bytes);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        let open = i64::try_from(files.count()).unwrap_or(i64::MAX);
        gauge(registry, "process_open_fds", "Open files of the process", open);
    }
    let most = getrlimit(Resource::Nofile).current.and_then(|most| i64::try_from(most).ok());
    if let Some(most) = most {
        gauge(registry, "process_max_fds", "How many files the process may have open", most);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn register(_: &mut Registry) {}

#[cfg(target_os = "linux")]
fn gauge(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<i64>().ok()?.checked_mul(1_024)
}
