//! Promise: a full disk is said, loses nothing, and once there is space the station goes on by
//! itself. Needs the right to mount a small file system of its own.

use crate::floor::{Floor, png};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Room for the database and its log, and a little more.
const SIZE_MIB: u64 = 12;

struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path) -> Option<Self> {
        let size = format!("size={SIZE_MIB}m");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output();
        if done.is_ok_and(|output| output.status.success()) {
            Some(Self(folder.to_owned()))
        } else {
            eprintln!(
                "SKIPPED: a full disk is tried on a file system of its own, and this user may not mount"
            );
            None
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Takes all the space that is left on the small disk.
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = fs::File::create(path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
}

#[test]
fn on_a_full_disk_items_wait_and_nothing_is_lost() {
    let folder = tempfile::TempDir::new().unwrap();
    let Some(_disk) = SmallDisk::mount(folder.path()) else { return };
    // The pictures come from elsewhere, so that a full disk does not stop the camera too.
    let camera = tempfile::TempDir::new().unwrap();
    let floor = Floor::permissive_at(folder.path(), |plan| {
        plan.source.path = camera.path().display().to_string();
    });
    let put = |seed: u32| fs::write(camera.path().join(format!("{seed}.png")), png(seed)).unwrap();
    let ballast = folder.path().join("ballast");

    let mut running = floor.run();
    put(0);
    running.until_decided(1);
    for round in 0..3_u32 {
        fill(&ballast);
        let said_before = running.said.len();
        for n in 0..30 {
            put(1 + round * 30 + n);
        }
        running.until("the station says that the disk is full", |running| {
            running.said[said_before..]
                .iter()
                .any(|said| said.starts_with("trouble: ") && said.contains("full"))
        });
        fs::remove_file(&ballast).unwrap();
        running.until_decided(u64::from(1 + (round + 1) * 30));
        running.until("it says that it goes on", |running| {
            running.said[said_before..].iter().any(|said| said.starts_with("recovered: "))
        });
    }
    let ran = running.stop();
    assert_eq!((ran.summary.arrived, ran.summary.passed), (91, 91), "{:?}", ran.said);
    assert_eq!(floor.rows().len(), 91);
    let text = fs::read_to_string(floor.path.join("out/decisions.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 91);
    assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    floor.check();
}

#[test]
fn a_station_that_stops_on_a_full_disk_leaves_the_files_for_the_next_start() {
    let folder = tempfile::TempDir::new().unwrap();
    let Some(_disk) = SmallDisk::mount(folder.path()) else { return };
    let camera = tempfile::TempDir::new().unwrap();
    let floor = Floor::permissive_at(folder.path(), |plan| {
        plan.source.path = camera.path().display().to_string();
    });
    let mut running = floor.run();
    let ballast = folder.path().join("ballast");
    fill(&ballast);
    for seed in 0..20 {
        fs::write(camera.path().join(format!("{seed}.png")), png(seed)).unwrap();
    }
    running.until("the station says that the disk is full", |running| {
        running.said.iter().any(|said| said.contains("full"))
    });
    let ran = running.stop();
    fs::remove_file(&ballast).unwrap();
    assert_eq!(ran.summary.arrived + floor.run_once().summary.arrived, 20);
    assert_eq!(floor.rows().len(), 20);
    floor.check();
}

/// A line of which this one folder, or all but the media, lies on the small disk.
fn parted(disk: &Path, part: &str) -> Floor {
    if part != "media" {
        let floor = Floor::permissive(|_| {});
        move_away(&floor, part, &disk.join(part));
        return floor;
    }
    let elsewhere = tempfile::TempDir::new().unwrap().keep();
    let inbox = elsewhere.join("inbox");
    fs::create_dir(&inbox).unwrap();
    let floor = Floor::permissive_at(disk, |plan| plan.source.path = inbox.display().to_string());
    move_away(&floor, part, &elsewhere.join("media"));
    floor
}

fn move_away(floor: &Floor, part: &str, to: &Path) {
    fs::remove_dir_all(floor.path.join(part)).unwrap();
    fs::create_dir(to).unwrap();
    std::os::unix::fs::symlink(to, floor.path.join(part)).unwrap();
}

#[test]
fn when_the_log_cannot_grow_nothing_is_given_out_or_moved_before_it_can() {
    let folder = tempfile::TempDir::new().unwrap();
    let Some(_disk) = SmallDisk::mount(folder.path()) else { return };
    let floor = parted(folder.path(), "media");
    let inbox = PathBuf::from(floor.line().plan.source.path);
    let ballast = folder.path().join("ballast");
    let mut running = floor.run();
    fill(&ballast);
    for seed in 0..60 {
        fs::write(inbox.join(format!("{seed}.png")), png(seed)).unwrap();
    }
    running.until("the station says that the disk is full", |running| {
        running.said.iter().any(|said| said.starts_with("trouble: ") && said.contains("full"))
    });
    fs::remove_file(&ballast).unwrap();
    running.until_decided(60);
    let ran = running.stop();
    assert_eq!(ran.summary.passed, 60, "{:?}", ran.said);
    assert!(ran.said.iter().any(|said| said.starts_with("recovered: ")), "{:?}", ran.said);
    let text = fs::read_to_string(floor.path.join("out/decisions.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 60);
    assert_eq!(fs::read_dir(inbox.join("done")).unwrap().count(), 60);
    floor.check();
    fs::remove_dir_all(inbox.parent().unwrap()).unwrap();
}

#[test]
fn what_could_not_be_given_out_goes_out_as_soon_as_it_can() {
    let folder = tempfile::TempDir::new().unwrap();
    let Some(_disk) = SmallDisk::mount(folder.path()) else { return };
    let floor = parted(folder.path(), "out");
    let ballast = folder.path().join("ballast");
    let mut running = floor.run();
    floor.put("0.png", &png(0));
    running.until_decided(1);
    // The rest of the outbox's own last block is taken by lines until nothing more fits.
    fill(&ballast);
    let mut seed = 1;
    while !running.said.iter().any(|said| said.contains("full")) {
        floor.put(format!("{seed}.png"), &png(seed));
        seed += 1;
        running.until_decided(u64::from(seed));
    }
    let given = || fs::read_to_string(floor.path.join("out/decisions.jsonl")).unwrap().matches('\n').count();
    assert!(given() < seed as usize);
    fs::remove_file(&ballast).unwrap();
    // No further item has to come for it.
    running.until("everything is given out", |_| given() == seed as usize);
    running.until_said("recovered: decisions are written again");
    running.stop();
    floor.check();
}
