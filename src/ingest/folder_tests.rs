//! Tests of the watched folder, with a clock of their own.

use super::*;
use std::io::Write;

const SETTLE: Duration = Duration::from_millis(500);

/// A folder, its watcher and a clock that only the test moves.
struct Bench {
    dir: tempfile::TempDir,
    watcher: FolderWatcher,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("inbox");
        fs::create_dir(&root).unwrap();
        let source = FolderSource { settle_secs: 0.5, rescan_secs: 0.1, ..FolderSource::default() };
        Self { watcher: FolderWatcher::new(&root, &source), dir, now: Instant::now() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("inbox").join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn set_time(&self, name: &str, secs: u64) {
        let file = fs::File::options().write(true).open(self.path(name)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(secs)).unwrap();
    }

    /// Moves the clock, polls, and gives the names.
    fn after(&mut self, step: Duration) -> Vec<String> {
        self.now += step;
        self.watcher.poll(self.now).ready.into_iter().map(|file| file.name).collect()
    }

    /// Everything that is there settles and comes.
    fn all(&mut self) -> Vec<String> {
        let mut names = self.after(SETTLE);
        names.extend(self.after(SETTLE));
        names
    }
}

#[test]
fn files_come_once_when_they_stood_still_oldest_first() {
    let mut bench = Bench::new();
    for (name, secs) in [("c.jpg", 10), ("a.jpg", 20), ("b.jpg", 20), ("sub/d.jpg", 5)] {
        bench.write(name, b"x");
        bench.set_time(name, secs);
    }
    assert!(bench.after(Duration::ZERO).is_empty(), "an old time stamp proves nothing");
    assert!(bench.after(SETTLE / 2).is_empty());
    assert_eq!(bench.after(SETTLE), ["sub/d.jpg", "c.jpg", "a.jpg", "b.jpg"]);
    assert!(bench.all().is_empty());
    assert!(bench.watcher.poll(bench.now).is_idle());
    bench.write("a.jpg", b"another picture");
    assert_eq!(bench.all(), ["a.jpg"], "changed, so it is another file");
}

#[test]
fn a_growing_file_comes_once_and_whole() {
    let mut bench = Bench::new();
    let mut file = fs::File::create(bench.path("slow.jpg")).unwrap();
    for _ in 0..50 {
        file.write_all(&[7; 100]).unwrap();
        assert!(bench.after(Duration::from_millis(200)).is_empty());
    }
    let result = {
        bench.now += SETTLE;
        bench.watcher.poll(bench.now)
    };
    assert_eq!(result.ready.iter().map(|file| file.bytes).collect::<Vec<_>>(), [5000]);
    assert!(bench.all().is_empty());
}

#[test]
fn an_event_wakes_the_watcher_and_a_rename_needs_no_wait() {
    let mut bench = Bench::new();
    bench.watcher.rescan = Duration::from_hours(1);
    assert!(bench.after(Duration::ZERO).is_empty());
    assert_eq!(bench.watcher.poll(bench.now).status, FolderStatus::Watching);
    let hidden = bench.write(".P1.jpg", b"whole");
    fs::rename(hidden, bench.path("P1.jpg")).unwrap();
    let deadline = Instant::now() + Duration::from_mins(10);
    let mut names = Vec::new();
    while names.is_empty() && Instant::now() < deadline {
        bench.watcher.wait(Duration::from_secs(1));
        // The clock stands still: nothing can settle.
        names = bench.after(Duration::ZERO);
    }
    assert_eq!(names, ["P1.jpg"]);
}

#[test]
fn hidden_temporary_and_finished_files_are_left_alone() {
    let mut bench = Bench::new();
    for name in
        [".x.jpg", ".git/x.jpg", "x.tmp", "x.jpg.PART", "x.jpg~", "done/x.jpg", "sub/done/yes.jpg", "yes.jpg"]
    {
        bench.write(name, b"x");
    }
    let mut names = bench.all();
    names.sort();
    assert_eq!(names, ["sub/done/yes.jpg", "yes.jpg"]);
}

#[cfg(unix)]
#[test]
fn linked_files_are_taken_linked_folders_are_not_and_any_name_opens() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let mut bench = Bench::new();
    let outside = bench.dir.path().join("elsewhere.jpg");
    fs::write(&outside, b"linked").unwrap();
    symlink(&outside, bench.path("link.jpg")).unwrap();
    symlink(bench.path(""), bench.path("loop")).unwrap();
    symlink("nowhere", bench.path("dangling.jpg")).unwrap();
    let odd = bench.path("").join(std::ffi::OsStr::from_bytes(b"\xFFodd \n\xE9.jpg"));
    fs::write(&odd, b"x").unwrap();
    bench.write("電話 42\nб.jpg", b"x");
    bench.now += SETTLE;
    bench.watcher.poll(bench.now);
    bench.now += SETTLE;
    let mut ready = bench.watcher.poll(bench.now).ready;
    ready.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<_> = ready.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["link.jpg", "電話 42\nб.jpg", "\u{FFFD}odd \n\u{FFFD}.jpg"]);
    assert!(ready.iter().all(|file| fs::read(&file.path).is_ok()));
    let moved = bench.watcher.move_to_done(&odd).unwrap();
    assert_eq!(moved.file_name(), odd.file_name());
}

#[test]
fn a_folder_that_goes_is_reported_and_taken_up_again_when_it_is_back() {
    let mut bench = Bench::new();
    bench.write("a.jpg", b"x");
    bench.set_time("a.jpg", 50);
    assert_eq!(bench.all(), ["a.jpg"]);
    let (root, aside) = (bench.watcher.root().to_owned(), bench.dir.path().join("aside"));
    fs::rename(&root, &aside).unwrap();
    bench.now += SETTLE;
    let result = bench.watcher.poll(bench.now);
    assert_eq!(result.status, FolderStatus::Missing);
    fs::rename(&aside, &root).unwrap();
    bench.write("b.jpg", b"x");
    assert_eq!(bench.all(), ["b.jpg"], "a.jpg was given out before");
    assert_eq!(bench.watcher.poll(bench.now).status, FolderStatus::Watching);
    fs::remove_dir_all(&root).unwrap();
    fs::write(&root, b"a file in its place").unwrap();
    bench.now += SETTLE;
    let status = bench.watcher.poll(bench.now).status;
    assert!(matches!(status, FolderStatus::Unreadable { .. }), "{status}");
}

#[test]
fn finished_files_move_below_done_and_never_over_another() {
    let mut bench = Bench::new();
    for expected in ["done/sub/a.b.jpg", "done/sub/a.b-1.jpg", "done/sub/a.b-2.jpg"] {
        let path = bench.write("sub/a.b.jpg", expected.as_bytes());
        assert_eq!(bench.all(), ["sub/a.b.jpg"]);
        assert_eq!(bench.watcher.move_to_done(&path).unwrap(), bench.path(expected));
    }
    for name in ["done/sub/a.b.jpg", "done/sub/a.b-1.jpg", "done/sub/a.b-2.jpg"] {
        assert_eq!(fs::read(bench.path(name)).unwrap(), name.as_bytes());
    }
    let gone = bench.watcher.move_to_done(&bench.path("sub/a.b.jpg")).unwrap_err();
    assert!(matches!(gone, FolderError::Gone { .. }), "{gone}");
    let outside = bench.watcher.move_to_done(&bench.path("../x.jpg")).unwrap_err();
    assert!(matches!(outside, FolderError::Outside { .. }), "{outside}");
    assert!(bench.all().is_empty());
}
