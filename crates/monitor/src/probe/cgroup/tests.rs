//! Control groups as trees of files: every version, and the ways in which containers show them.

use std::fs;

use tempfile::TempDir;

use super::*;

/// A made-up root folder with `/proc/self` and mounted hierarchies in it.
struct Host(TempDir);

impl Host {
    fn new(memberships: &str, mountinfo: &str) -> Host {
        let host = Host(tempfile::tempdir().unwrap());
        host.write("proc/self/cgroup", memberships);
        host.write("proc/self/mountinfo", mountinfo);
        host
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn cgroup(&self) -> Cgroup {
        Cgroup::find(&self.0.path().join("proc/self"), self.0.path()).unwrap()
    }

    fn limits(&self) -> (Option<u64>, Option<u64>) {
        let (hard, soft) = self.cgroup().limits().unwrap();
        (hard.map(Bytes::get), soft.map(Bytes::get))
    }
}

const UNIFIED: &str = "\
    25 1 254:0 / / rw - ext4 /dev/vda rw\n\
    31 25 0:28 / /sys/fs/cgroup rw,nosuid shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate\n";
const SPLIT: &str = "\
    33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
    35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
    41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
const SPLIT_MEMBER: &str = "4:memory:/jobs/one\n1:cpu,cpuacct:/else\n0::/\n";

#[test]
fn version_two_takes_the_least_of_all_ancestors() {
    let host = Host::new("0::/machine/box/job\n", UNIFIED);
    host.write("sys/fs/cgroup/machine/box/job/memory.max", "900\n");
    host.write("sys/fs/cgroup/machine/box/job/memory.high", "max\n");
    host.write("sys/fs/cgroup/machine/box/memory.max", "max\n");
    host.write("sys/fs/cgroup/machine/box/memory.high", "500\n");
    host.write("sys/fs/cgroup/machine/memory.max", "700\n");
    host.write("sys/fs/cgroup/machine/memory.high", "600\n");
    host.write("sys/fs/cgroup/other/memory.max", "1\n");
    assert_eq!(host.limits(), (Some(700), Some(500)));
}

#[test]
fn version_two_without_limits() {
    let host = Host::new("0::/job\n", UNIFIED);
    host.write("sys/fs/cgroup/job/memory.max", "max\n");
    host.write("sys/fs/cgroup/job/memory.current", "123\n");
    assert_eq!(host.limits(), (None, None));
    let usage = CgroupUsage { current: Bytes(123), limit: None, headroom: None };
    assert_eq!(host.cgroup().usage().unwrap(), Some(usage));
}

#[test]
fn version_one_beside_an_empty_version_two() {
    let host = Host::new(SPLIT_MEMBER, SPLIT);
    host.write("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "9223372036854771712\n");
    host.write("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "4096\n");
    host.write("sys/fs/cgroup/memory/jobs/memory.soft_limit_in_bytes", "1\n");
    host.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    host.write("sys/fs/cgroup/unified/cgroup.procs", "1\n");
    assert_eq!(host.limits(), (Some(4096), None));
}

#[test]
fn version_one_unlimited_for_any_page_size() {
    for unlimited in ["9223372036854771712", "9223372036854710272", "9223372036854775807"] {
        let host = Host::new(SPLIT_MEMBER, SPLIT);
        host.write("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", unlimited);
        assert_eq!(host.limits(), (None, None));
    }
}

#[test]
fn the_tighter_of_two_versions_counts() {
    let host = Host::new("4:memory:/a\n0::/b\n", SPLIT);
    host.write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "800");
    host.write("sys/fs/cgroup/unified/b/memory.max", "300");
    assert_eq!(host.limits(), (Some(300), None));
}

#[test]
fn a_container_sees_its_group_at_the_mount_point() {
    let mountinfo = "35 31 0:32 /docker/c0ffee /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    let host = Host::new("4:memory:/docker/c0ffee/inner\n", mountinfo);
    host.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "600");
    host.write("sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "500");
    // Not the same path below the mount point.
    host.write("sys/fs/cgroup/memory/docker/c0ffee/inner/memory.limit_in_bytes", "1");
    assert_eq!(host.limits(), (Some(500), None));
}

#[test]
fn a_group_outside_of_the_mount_falls_back_to_the_mount_point() {
    for group in ["0::/../sibling\n", "0::/elsewhere\n"] {
        let root = if group.contains("..") { "/" } else { "/docker/c0ffee" };
        let host = Host::new(group, &format!("31 25 0:28 {root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"));
        host.write("sys/fs/cgroup/memory.max", "500");
        host.write("sys/fs/sibling/memory.max", "1");
        assert_eq!(host.limits(), (Some(500), None), "{group}");
    }
}

#[test]
fn mount_points_with_escaped_characters() {
    let host = Host::new("0::/job\n", "31 25 0:28 / /mnt/c\\040g\\134x rw - cgroup2 none rw\n");
    host.write("mnt/c g\\x/job/memory.max", "77");
    assert_eq!(host.limits(), (Some(77), None));
}

#[test]
fn nothing_there_is_no_limit() {
    let empty = tempfile::tempdir().unwrap();
    let cgroup = Cgroup::find(&empty.path().join("proc/self"), empty.path()).unwrap();
    assert_eq!(cgroup.limits().unwrap(), (None, None));
    assert_eq!(cgroup.usage().unwrap(), None);

    let unmounted = Host::new("0::/job\n", "25 1 254:0 / / rw - ext4 /dev/vda rw\n");
    unmounted.write("sys/fs/cgroup/job/memory.max", "1");
    assert_eq!(unmounted.limits(), (None, None));

    let nonsense = Host::new("\n::\nx\n", "- \nx\n1 2 - cgroup\n1 2 3 / /x - cgroup\n");
    assert_eq!(nonsense.limits(), (None, None));
}

#[test]
fn a_limit_that_is_no_number_is_an_error() {
    let host = Host::new("0::/job\n", UNIFIED);
    host.write("sys/fs/cgroup/job/memory.max", "plenty\n");
    let message = host.cgroup().limits().unwrap_err().to_string();
    let end = "sys/fs/cgroup/job/memory.max should hold a number of bytes or `max`, but holds `plenty`";
    assert!(message.ends_with(end), "{message}");
}

#[test]
fn headroom_counts_clean_cache_as_free() {
    let host = Host::new("0::/box/job\n", UNIFIED);
    host.write("sys/fs/cgroup/box/job/memory.current", "400\n");
    host.write("sys/fs/cgroup/box/memory.current", "800\n");
    host.write("sys/fs/cgroup/box/memory.max", "1000\n");
    let stat = "anon 300\nfile 500\nfile_dirty 40\nfile_writeback 10\ninactive_file 350\nactive_file 100\n";
    host.write("sys/fs/cgroup/box/memory.stat", stat);
    let usage = host.cgroup().usage().unwrap().unwrap();
    assert_eq!(
        usage,
        CgroupUsage { current: Bytes(400), limit: Some(Bytes(1000)), headroom: Some(Bytes(600)) }
    );
    // A tighter group below it.
    host.write("sys/fs/cgroup/box/job/memory.max", "450\n");
    assert_eq!(host.cgroup().usage().unwrap().unwrap().headroom, Some(Bytes(50)));
}

#[test]
fn headroom_of_version_one_reads_the_totals() {
    let host = Host::new(SPLIT_MEMBER, SPLIT);
    host.write("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "1000");
    host.write("sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes", "900");
    let stat = "dirty 1\ninactive_file 7\ntotal_inactive_file 200\ntotal_active_file 50\ntotal_dirty 20\n\
                total_writeback 5\n";
    host.write("sys/fs/cgroup/memory/jobs/one/memory.stat", stat);
    assert_eq!(host.cgroup().usage().unwrap().unwrap().headroom, Some(Bytes(325)));
}

#[test]
fn headroom_stays_between_nothing_and_the_limit() {
    for (current, stat, headroom) in [
        ("2000", "", 0),
        ("1100", "inactive_file 50\n", 0),
        ("900", "inactive_file 10\nfile_dirty 500\n", 100),
        ("900", "active_file 5000\n", 1000),
    ] {
        let host = Host::new("0::/job\n", UNIFIED);
        host.write("sys/fs/cgroup/job/memory.max", "1000");
        host.write("sys/fs/cgroup/job/memory.current", current);
        host.write("sys/fs/cgroup/job/memory.stat", stat);
        assert_eq!(
            host.cgroup().usage().unwrap().unwrap().headroom,
            Some(Bytes(headroom)),
            "{current} {stat}"
        );
    }
}

/// A group as it is laid out by somebody, and what must be found.
struct Tree {
    name: &'static str,
    cgroup: &'static str,
    mountinfo: &'static str,
    files: &'static [(&'static str, &'static str)],
    limit: Option<u64>,
    soft: Option<u64>,
    used: Option<u64>,
    headroom: Option<u64>,
}

const MIB: u64 = 1 << 20;

/// Paths, options and numbers as these systems write them.
const TREES: [Tree; 7] = [
    Tree {
        name: "version 2, a service of systemd in a slice with a limit",
        cgroup: "0::/system.slice/nightly.slice/tidegate.service\n",
        mountinfo: "26 25 0:23 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 \
                    rw,nsdelegate,memory_recursiveprot\n",
        files: &[
            ("sys/fs/cgroup/system.slice/nightly.slice/tidegate.service/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/nightly.slice/tidegate.service/memory.high", "max\n"),
            ("sys/fs/cgroup/system.slice/nightly.slice/tidegate.service/memory.current", "104857600\n"),
            ("sys/fs/cgroup/system.slice/nightly.slice/memory.max", "536870912\n"),
            ("sys/fs/cgroup/system.slice/nightly.slice/memory.high", "402653184\n"),
            ("sys/fs/cgroup/system.slice/nightly.slice/memory.current", "209715200\n"),
            (
                "sys/fs/cgroup/system.slice/nightly.slice/memory.stat",
                "anon 94371840\nfile 115343360\nshmem 0\nfile_mapped 4096\nfile_dirty 1048576\n\
                 file_writeback 1048576\ninactive_anon 94371840\nactive_anon 0\ninactive_file 83886080\n\
                 active_file 31457280\n",
            ),
            ("sys/fs/cgroup/system.slice/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/memory.current", "909715200\n"),
        ],
        limit: Some(512 * MIB),
        soft: Some(384 * MIB),
        used: Some(100 * MIB),
        headroom: Some((512 - 200 + 80 + 30 - 1 - 1) * MIB),
    },
    Tree {
        name: "version 2, a container in a namespace of its own",
        cgroup: "0::/\n",
        mountinfo: "1200 1190 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw\n",
        files: &[
            ("sys/fs/cgroup/memory.max", "268435456\n"),
            ("sys/fs/cgroup/memory.high", "max\n"),
            ("sys/fs/cgroup/memory.current", "268435456\n"),
            ("sys/fs/cgroup/memory.stat", "anon 68435456\ninactive_file 150000000\nactive_file 50000000\n"),
        ],
        limit: Some(256 * MIB),
        soft: None,
        used: Some(256 * MIB),
        headroom: Some(200_000_000),
    },
    Tree {
        name: "version 2, on the host, without any limit",
        cgroup: "0::/user.slice/user-1000.slice/session-2.scope\n",
        mountinfo: "26 25 0:23 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw\n",
        files: &[
            ("sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope/memory.max", "max\n"),
            ("sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope/memory.current", "8192\n"),
            ("sys/fs/cgroup/user.slice/user-1000.slice/memory.max", "max\n"),
            ("sys/fs/cgroup/user.slice/memory.max", "max\n"),
        ],
        limit: None,
        soft: None,
        used: Some(8192),
        headroom: None,
    },
    Tree {
        name: "version 1, a pod whose tighter limit is that of the pod",
        cgroup: "11:memory:/kubepods/burstable/pod7/c1\n10:cpu,cpuacct:/kubepods/burstable/pod7/c1\n",
        mountinfo: "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                    35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n",
        files: &[
            ("sys/fs/cgroup/memory/kubepods/burstable/pod7/c1/memory.limit_in_bytes", "536870912\n"),
            ("sys/fs/cgroup/memory/kubepods/burstable/pod7/c1/memory.usage_in_bytes", "104857600\n"),
            ("sys/fs/cgroup/memory/kubepods/burstable/pod7/c1/memory.stat", "total_inactive_file 52428800\n"),
            ("sys/fs/cgroup/memory/kubepods/burstable/pod7/memory.limit_in_bytes", "209715200\n"),
            ("sys/fs/cgroup/memory/kubepods/burstable/pod7/memory.usage_in_bytes", "157286400\n"),
            ("sys/fs/cgroup/memory/kubepods/burstable/pod7/memory.stat", "total_inactive_file 52428800\n"),
            ("sys/fs/cgroup/memory/kubepods/burstable/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/kubepods/memory.limit_in_bytes", "8589934592\n"),
            ("sys/fs/cgroup/memory/kubepods/memory.usage_in_bytes", "8589934592\n"),
            ("sys/fs/cgroup/memory/kubepods/memory.stat", "total_inactive_file 1073741824\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ],
        limit: Some(200 * MIB),
        soft: None,
        used: Some(100 * MIB),
        headroom: Some(100 * MIB),
    },
    Tree {
        name: "version 1, a container that sees its own group only",
        cgroup: "9:memory:/docker/0123\n0::/docker/0123\n",
        mountinfo: "700 690 0:32 /docker/0123 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        files: &[
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n"),
        ],
        limit: Some(128 * MIB),
        soft: None,
        used: Some(MIB),
        headroom: Some(127 * MIB),
    },
    Tree {
        name: "both side by side, memory counted in version 1",
        cgroup: "4:memory:/jobs\n1:name=systemd:/jobs\n0::/jobs\n",
        mountinfo: "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                    40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                    41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        files: &[
            ("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "67108864\n"),
            ("sys/fs/cgroup/memory/jobs/memory.usage_in_bytes", "33554432\n"),
            ("sys/fs/cgroup/unified/jobs/cgroup.procs", "1\n"),
            ("sys/fs/cgroup/unified/jobs/memory.pressure", "some avg10=0.00 total=0\n"),
        ],
        limit: Some(64 * MIB),
        soft: None,
        used: Some(32 * MIB),
        headroom: Some(32 * MIB),
    },
    Tree {
        name: "version 2, a process moved out of the namespace that it sees",
        cgroup: "0::/../other\n",
        mountinfo: "31 25 0:28 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        files: &[("sys/fs/cgroup/memory.max", "4096\n"), ("sys/fs/cgroup/memory.current", "1024\n")],
        limit: Some(4096),
        soft: None,
        used: Some(1024),
        headroom: Some(3072),
    },
];

#[test]
fn every_layout_of_groups() {
    for tree in TREES {
        let host = Host::new(tree.cgroup, tree.mountinfo);
        for (path, text) in tree.files {
            host.write(path, text);
        }
        assert_eq!(host.limits(), (tree.limit, tree.soft), "{}", tree.name);
        let usage = host.cgroup().usage().unwrap();
        assert_eq!(usage.map(|usage| usage.current.get()), tree.used, "{}", tree.name);
        assert_eq!(usage.and_then(|usage| usage.limit).map(Bytes::get), tree.limit, "{}", tree.name);
        assert_eq!(usage.and_then(|usage| usage.headroom).map(Bytes::get), tree.headroom, "{}", tree.name);
    }
}

#[test]
fn limits_that_change_are_seen_and_groups_that_go_are_none() {
    let host = Host::new("0::/job\n", UNIFIED);
    host.write("sys/fs/cgroup/job/memory.max", "1000");
    host.write("sys/fs/cgroup/job/memory.current", "300");
    let cgroup = host.cgroup();
    assert_eq!(cgroup.usage().unwrap().unwrap().headroom, Some(Bytes(700)));
    host.write("sys/fs/cgroup/job/memory.max", "400");
    assert_eq!(cgroup.usage().unwrap().unwrap().headroom, Some(Bytes(100)));
    host.write("sys/fs/cgroup/job/memory.max", "max");
    assert_eq!(cgroup.usage().unwrap().unwrap().headroom, None);
}

#[test]
fn the_peak_is_that_of_the_own_group_and_can_be_reset() {
    let two = Host::new("0::/box/job\n", UNIFIED);
    two.write("sys/fs/cgroup/box/job/memory.peak", "700\n");
    two.write("sys/fs/cgroup/box/memory.peak", "900\n");
    let cgroup = two.cgroup();
    assert_eq!(cgroup.peak().unwrap(), Some(Bytes(700)));
    // A plain file keeps what is written to it: the text that asks the kernel for a reset.
    cgroup.reset_peak().unwrap();
    assert_eq!(fs::read_to_string(two.0.path().join("sys/fs/cgroup/box/job/memory.peak")).unwrap(), "000\n");

    let one = Host::new(SPLIT_MEMBER, SPLIT);
    one.write("sys/fs/cgroup/memory/jobs/one/memory.max_usage_in_bytes", "500\n");
    assert_eq!(one.cgroup().peak().unwrap(), Some(Bytes(500)));
    let none = Host::new("0::/job\n", UNIFIED);
    assert_eq!(none.cgroup().peak().unwrap(), None);
    assert!(none.cgroup().reset_peak().is_err());
}

#[test]
fn pressure_is_that_of_the_own_group_in_version_two() {
    let host = Host::new("4:memory:/jobs/one\n0::/box/job\n", &format!("{UNIFIED}{SPLIT}"));
    assert_eq!(host.cgroup().pressure().unwrap(), None);
    host.write("sys/fs/cgroup/unified/box/memory.pressure", "some avg10=9.00 avg60=0 avg300=0 total=9\n");
    host.write("sys/fs/cgroup/unified/box/job/memory.pressure", "some avg10=1.50 avg60=0 avg300=0 total=7\n");
    let some = host.cgroup().pressure().unwrap().unwrap().some;
    assert_eq!((some.avg10, some.total), (1.5, std::time::Duration::from_micros(7)));
}
