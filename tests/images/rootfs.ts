/**
 * Root file systems out of programs that Debian packages installed on this machine.
 *
 * @module
 */
import { run } from "../../src/linux/mod.ts";
import { dir, file, hardlink, hostFile, program, symlink, withParents } from "./entries.ts";
import { sharedLibraries } from "./shared_libraries.ts";
import type { TarEntry } from "./tar.ts";

/** `/etc/passwd` of the images. */
export const PASSWD = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`;

/** `/etc/group` of the images. */
export const GROUP = `root:x:0:
daemon:x:1:
tty:x:5:
www-data:x:33:
nogroup:x:65534:
`;

/** Stand-ins for applets that Debian's busybox does not have; the specs use them this way only. */
const SCRIPTS = {
  // Matches a part of the command name.
  pgrep: `#!/bin/sh
status=1
for comm in /proc/[0-9]*/comm; do
  { read -r name <"$comm"; } 2>/dev/null || continue
  case $name in
  *"$1"*)
    pid=\${comm#/proc/}
    echo "\${pid%/comm}"
    status=0
    ;;
  esac
done
exit $status
`,
  // Shared memory, whatever was asked for.
  ipcs: `#!/bin/sh
exec cat /proc/sysvipc/shm
`,
};

/**
 * busybox with its applets, its libraries and what a small system has in /etc.
 *
 * Every applet is a hard link: a symbolic link would let a mask over /bin/ls cover all of busybox.
 * The dynamic busybox runs applets by exec; the static one runs them inside its shell, where a mask
 * has no effect.
 */
export async function busyboxRoot(): Promise<TarEntry[]> {
  const busybox = "/bin/busybox";
  const libraries = await sharedLibraries(busybox);
  const { stdout } = await run(busybox, ["--list"]);
  const applets = new TextDecoder().decode(stdout).split("\n").filter((name) =>
    name !== "" && name !== "busybox"
  );
  return withParents([
    ...["dev", "etc", "home", "mnt", "proc", "root", "run", "sys", "usr/bin", "usr/sbin"].map((
      path,
    ) => dir(path)),
    ...["var/lib", "var/www", "var/log", "var/spool"].map((path) => dir(path)),
    dir("tmp", { mode: 0o1777 }),
    dir("var/tmp", { mode: 0o1777 }),
    symlink("var/run", "/run"),
    file("etc/passwd", PASSWD),
    file("etc/group", GROUP),
    file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ...await Promise.all(libraries.map((path) => hostFile(path))),
    await hostFile(busybox, "bin/busybox"),
    ...applets.map((name) => hardlink(`bin/${name}`, "bin/busybox", { mode: 0o755 })),
    ...Object.entries(SCRIPTS)
      .filter(([name]) => !applets.includes(name))
      .map(([name, script]) => program(`bin/${name}`, script)),
  ]);
}

/** nginx and its libraries, on top of {@linkcode busyboxRoot}, listening on `port`. */
export async function nginxRoot(port: number): Promise<TarEntry[]> {
  const nginx = "/usr/sbin/nginx";
  const present = new Set(await sharedLibraries("/bin/busybox"));
  const libraries = (await sharedLibraries(nginx)).filter((path) => !present.has(path));
  return withParents([
    await hostFile(nginx),
    ...await Promise.all(libraries.map((path) => hostFile(path))),
    dir("var/lib/nginx"),
    dir("var/log/nginx"),
    file("etc/nginx/nginx.conf", nginxConfig(port)),
    file("usr/share/nginx/html/index.html", "<h1>nginx</h1>\n"),
  ]);
}

function nginxConfig(port: number): string {
  return `user www-data;
worker_processes 1;
pid /var/run/nginx.pid;
error_log /dev/stderr notice;
events {
  worker_connections 64;
}
http {
  access_log /dev/stdout;
  server {
    listen ${port};
    root /usr/share/nginx/html;
  }
}
`;
}
