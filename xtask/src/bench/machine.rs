//! What the kernel reports about the machine and its processes. Linux only: figures of other
//! systems would not be comparable.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// The unit of the times in `/proc/PID/stat`. It is the same on every architecture that Rust runs
/// on.
const TICKS_A_SECOND: f64 = 100.0;

/// Processor time that a process has used so far, in seconds.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).context(path)?;
    // The second field is the program's name in parentheses. It may contain spaces.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Ok(ticks as f64 / TICKS_A_SECOND)
}

/// The most memory that a process has ever held, in megabytes of 10^6 bytes.
pub fn peak_memory_mb(pid: u32) -> anyhow::Result<f64> {
    from_status(pid, "VmHWM:")
}

/// The memory that a process holds now, in megabytes of 10^6 bytes.
pub fn memory_mb(pid: u32) -> anyhow::Result<f64> {
    from_status(pid, "VmRSS:")
}

fn from_status(pid: u32, field: &'static str) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).context(path)?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context(field)?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0 / 1e6)
}

pub struct Machine {
    pub cores: usize,
    pub processor: String,
    pub kernel: String,
    pub filesystem: String,
    pub sync_ms: f64,
}

impl Machine {
    pub fn detect(dir: &Path) -> anyhow::Result<Self> {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = processors.lines().find(|line| line.starts_with("model name"));
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor: processor
                .and_then(|line| line.split_once(": "))
                .map_or("unknown processor", |(_, name)| name)
                .to_owned(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            filesystem: filesystem(dir)?,
            sync_ms: sync_ms(dir)?,
        })
    }

    /// Whether the file system is in memory. There a commit costs nothing, and the figures would
    /// mean nothing.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.filesystem.as_str(), "tmpfs" | "ramfs")
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cores, processor, kernel, filesystem, sync_ms } = self;
        write!(
            out,
            "{cores} cores ({processor}), Linux {kernel}, {filesystem}, fdatasync of 4 KiB more: {sync_ms:.2} ms"
        )
    }
}

/// The type of the file system that holds `dir`: that of the longest mount point above it.
fn filesystem(dir: &Path) -> anyhow::Result<String> {
    let dir = dir.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let holding = mounts.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?;
        dir.starts_with(point).then(|| (point.len(), after.split(' ').next()))
    });
    let longest = holding.max_by_key(|(length, _)| *length).and_then(|(_, name)| name);
    Ok(longest.unwrap_or("unknown file system").to_owned())
}

/// The median time to make an append durable: no commit can be faster.
fn sync_ms(dir: &Path) -> anyhow::Result<f64> {
    let path = dir.join("sync");
    let mut file = File::create(&path)?;
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64) * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_used_some_time_and_memory() {
        let me = std::process::id();
        assert!(cpu_seconds(me).unwrap() < 3600.0);
        let memory = peak_memory_mb(me).unwrap();
        assert!(memory > 0.1 && memory < 10_000.0, "{memory}");
        let now = memory_mb(me).unwrap();
        assert!(now > 0.1 && now <= peak_memory_mb(me).unwrap(), "{now}");
        assert_eq!(filesystem(Path::new("/proc/self")).unwrap(), "proc");
    }
}
