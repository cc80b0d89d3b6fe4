import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import {
  deviceNumber,
  Errno,
  FileType,
  FsMagic,
  isErrno,
  isMountPoint,
  lgetxattr,
  llistxattr,
  lsetxattr,
  mkdirInRoot,
  mknod,
  mount,
  MountFlag,
  mountId,
  mountNew,
  mountsBelow,
  OfdLock,
  OpenFlag,
  openInRoot,
  pathOf,
  PidFd,
  readFileInRoot,
  resolveInRoot,
  statfs,
  syncFileSystem,
  umount,
} from "../../../src/linux/mod.ts";

let directory: string;
beforeEach(async () => {
  directory = await Deno.makeTempDir({ prefix: "crid-linux-" });
});
afterEach(async () => {
  for (const path of mountsBelow(directory)) umount(path, 2);
  await Deno.remove(directory, { recursive: true });
});

describe("system calls", () => {
  it("fail with the error's name, number, call and subject", () => {
    assert.throws(() => mount("none", "/nowhere/at/all", "tmpfs"), (error) => {
      assert.ok(error instanceof Errno);
      assert.equal(error.code, "ENOENT");
      assert.equal(error.errno, 2);
      assert.equal(error.syscall, "mount");
      assert.match(error.message, /none on \/nowhere\/at\/all: No such file or directory/);
      return true;
    });
  });

  it("mount and unmount, with flags, and tell mount points apart", () => {
    mount("crid-test", directory, "tmpfs", MountFlag.NODEV | MountFlag.NOSUID, "size=1m");
    assert.ok(isMountPoint(directory));
    assert.notEqual(mountId(directory), mountId("/tmp"));
    assert.equal(statfs(directory).type, FsMagic.TMPFS);
    assert.equal(statfs(directory).size, 1024 * 1024);
    umount(directory);
    assert.ok(!isMountPoint(directory));
    mountNew("tmpfs", directory, [["size", "2m"], ["ro", undefined]]);
    assert.equal(statfs(directory).size, 2 * 1024 * 1024);
    umount(directory);
  });

  it("make device nodes and extended attributes", async () => {
    const node = join(directory, "null");
    mknod(node, FileType.CHARACTER | 0o666, deviceNumber(1, 3));
    assert.ok(Deno.statSync(node).isCharDevice);
    const file = join(directory, "file");
    Deno.writeTextFileSync(file, "");
    lsetxattr(file, "user.a", "value");
    assert.deepEqual(llistxattr(file), ["user.a"]);
    assert.equal(new TextDecoder().decode(lgetxattr(file, "user.a")), "value");
    assert.equal(lgetxattr(file, "user.b"), undefined);
    await syncFileSystem(directory);
  });
});

describe("an OFD lock", () => {
  it("excludes a POSIX lock of another process, and the other way round", async () => {
    const path = join(directory, "lock");
    const script = `
import fcntl, sys
fd = open(${JSON.stringify(path)}, "r+")
try: fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError: print("busy", flush=True)
else:
  print("locked", flush=True)
  sys.stdin.read()`;
    {
      using _lock = OfdLock.tryAcquire(path, "write")!;
      // Closing another descriptor of the file does not lose the lock, unlike a POSIX one.
      Deno.readTextFileSync(path);
      const { stdout } = await new Deno.Command("python3", { args: ["-c", script] }).output();
      assert.equal(new TextDecoder().decode(stdout), "busy\n");
    }
    const holder = new Deno.Command("python3", {
      args: ["-c", script],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const output = holder.stdout.getReader();
    assert.match(new TextDecoder().decode((await output.read()).value), /^locked/);
    assert.equal(OfdLock.tryAcquire(path, "read"), undefined);
    let got = false;
    const waiting = OfdLock.acquire(path, "write").then((lock) => {
      got = true;
      return lock;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(!got, "it waits, and the event loop runs meanwhile");
    await holder.stdin.close();
    using _lock = await waiting;
    await output.cancel();
    await holder.status;
  });

  it("lets readers in together and a writer alone, also within one process", () => {
    const path = join(directory, "lock");
    using first = OfdLock.tryAcquire(path, "read");
    using second = OfdLock.tryAcquire(path, "read");
    assert.ok(first && second);
    assert.equal(OfdLock.tryAcquire(path, "write"), undefined);
  });

  it("stops waiting when its signal aborts, and does not keep the lock it never got", async () => {
    const path = join(directory, "lock");
    const holder = OfdLock.tryAcquire(path, "write")!;
    const controller = new AbortController();
    const waiting = OfdLock.acquire(path, "write", controller.signal);
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await assert.rejects(waiting, /enough/);
    holder[Symbol.dispose]();
    using next = await OfdLock.acquire(path, "write");
    assert.ok(next);
  });

  it("is not inherited by a child", async () => {
    const path = join(directory, "lock");
    const lock = OfdLock.tryAcquire(path, "write")!;
    const child = new Deno.Command("sleep", { args: ["30"] }).spawn();
    lock[Symbol.dispose]();
    // Tests run in threads of one process: between fork and exec somebody's child has every
    // descriptor for a moment. This child would keep it for 30 seconds.
    using _again = await OfdLock.acquire(path, "write", AbortSignal.timeout(5_000));
    child.kill("SIGKILL");
    await child.status;
  });
});

describe("a pidfd", () => {
  it("tells when a process ends, also of hundreds, and sends signals", async () => {
    const children = Array.from(
      { length: 100 },
      () => new Deno.Command("sleep", { args: ["60"] }).spawn(),
    );
    const fds = children.map((child) => PidFd.open(child.pid)!);
    let ended = 0;
    const exits = fds.map((fd) => fd.exited().then(() => ended++));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(ended, 0);
    const threads = [...Deno.readDirSync("/proc/self/task")].length;
    assert.ok(threads < 60, `one thread waits for all of them, there are ${threads} in total`);
    for (const fd of fds) assert.ok(fd.kill(9));
    await Promise.all(exits);
    for (const child of children) await child.status;
    for (const fd of fds) {
      assert.ok(!fd.alive);
      assert.ok(!fd.kill(9));
      fd[Symbol.dispose]();
    }
  });

  it("can be waited for twice, and no longer than a signal allows", async () => {
    const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
    using fd = PidFd.open(child.pid)!;
    const controller = new AbortController();
    const given = fd.exited(controller.signal);
    const kept = fd.exited();
    controller.abort(new Error("no longer"));
    await assert.rejects(given, /no longer/);
    child.kill("SIGKILL");
    await kept;
    await child.status;
    assert.equal(PidFd.open(child.pid), undefined);
  });
});

describe("paths inside a root", () => {
  it("resolve links and dots as in a chroot", () => {
    const root = join(directory, "root");
    Deno.mkdirSync(join(root, "usr/lib"), { recursive: true });
    Deno.symlinkSync("/usr/lib", join(root, "lib"));
    Deno.symlinkSync("../../../../etc", join(root, "up"));
    Deno.writeTextFileSync(join(root, "usr/lib/file"), "inside");
    assert.equal(resolveInRoot(root, "/lib/file"), join(root, "usr/lib/file"));
    assert.equal(resolveInRoot(root, "../../../usr"), join(root, "usr"));
    assert.equal(resolveInRoot(root, "/up"), undefined);
    using file = openInRoot(root, "lib/file", OpenFlag.READ);
    assert.equal(pathOf(file), join(root, "usr/lib/file"));
  });

  it("are made with all directories above, and follow links inside only", () => {
    const root = join(directory, "root");
    const outside = join(directory, "outside");
    Deno.mkdirSync(root);
    Deno.mkdirSync(outside);
    Deno.symlinkSync(outside, join(root, "absolute"));
    Deno.mkdirSync(join(root, "real"));
    Deno.symlinkSync("/real", join(root, "link"));
    using made = mkdirInRoot(root, "/link/a/b", { uid: 7, gid: 8, mode: 0o700 });
    assert.equal(pathOf(made), join(root, "real/a/b"));
    assert.equal(Deno.statSync(join(root, "real/a")).uid, 7);
    assert.equal(Deno.statSync(join(root, "real/a/b")).mode! & 0o7777, 0o700);
    assert.throws(
      () => mkdirInRoot(root, "/absolute/x")[Symbol.dispose](),
      /\/absolute is not a directory/,
    );
    assert.deepEqual([...Deno.readDirSync(outside)], []);
  });

  it("are read only when they are regular files of a sane size", async () => {
    const root = join(directory, "root");
    Deno.mkdirSync(join(root, "etc"), { recursive: true });
    Deno.writeTextFileSync(join(root, "etc/passwd"), "root:x:0:0");
    assert.equal(new TextDecoder().decode(readFileInRoot(root, "/etc/passwd", 100)), "root:x:0:0");
    assert.throws(() => readFileInRoot(root, "/etc/passwd", 5), /at most 5 bytes/);
    assert.equal(readFileInRoot(root, "/etc/group", 100), undefined);
    await new Deno.Command("mkfifo", { args: [join(root, "etc/fifo")] }).output();
    assert.throws(() => readFileInRoot(root, "/etc/fifo", 100), /no regular file/);
  });

  it("report what is missing as an error with a code", () => {
    assert.throws(
      () => openInRoot(directory, "missing", OpenFlag.READ),
      (error) => isErrno(error, "ENOENT"),
    );
  });
});
