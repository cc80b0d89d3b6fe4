/**
 * CRI-O's annotations that change a spec. What a handler does not allow has been taken away before
 * the spec is built.
 *
 * @module
 */
import { CridError } from "../../failure/mod.ts";

/** Names that mean the same, the present one first: it wins. */
export type AnnotationNames = readonly [now: string, before: string];

const V1 = "io.kubernetes.cri-o.";

export const SpecAnnotation = {
  cgroupWritable: ["cgroup2-mount-hierarchy-rw.crio.io", `${V1}cgroup2-mount-hierarchy-rw`],
  devices: ["devices.crio.io", `${V1}Devices`],
  disableFips: ["disable-fips.crio.io", `${V1}DisableFIPS`],
  umask: ["umask.crio.io", `${V1}umask`],
  unified: ["unified-cgroup.crio.io", `${V1}UnifiedCgroup`],
} as const satisfies Record<string, AnnotationNames>;

/** A container has no GOMAXPROCS injected when its pod carries this. */
export const SKIP_GOMAXPROCS = "skip-gomaxprocs.crio.io";

/** The label by which the kubelet tells a container's name. */
export const CONTAINER_NAME = "io.kubernetes.container.name";

type Annotations = Readonly<Record<string, string>>;

/** The value under either name; `undefined` when there is none or it is empty. */
export function annotation(
  annotations: Annotations,
  names: AnnotationNames,
): string | undefined {
  return names.map((name) => annotations[name]).find((value) => value);
}

/** As {@linkcode annotation}, but `<name>/<container>` goes before `<name>`. */
export function containerAnnotation(
  annotations: Annotations,
  [now, before]: AnnotationNames,
): string | undefined {
  const container = annotations[CONTAINER_NAME] ?? "";
  const own = container === ""
    ? undefined
    : annotation(annotations, [`${now}/${container}`, `${before}/${container}`]);
  return own ?? annotation(annotations, [now, before]);
}

/**
 * An octal umask.
 *
 * @throws {CridError} `invalid_argument`: `invalid umask string 999`.
 */
export function parseUmask(text: string): number {
  if (/^[0-7]{1,4}$/.test(text)) return parseInt(text, 8);
  throw new CridError("invalid_argument", `invalid umask string ${text}`);
}

/**
 * Values for the files of a v2 cgroup: `memory.high=100M;pids.max=MTAw`. A value may be base64, in
 * which it can hold a semicolon or a line end.
 *
 * @throws {CridError} `invalid_argument` for a part that names no file.
 */
export function parseUnified(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const part of text.split(";").filter((part) => part.trim() !== "")) {
    const equals = part.indexOf("=");
    const key = part.slice(0, Math.max(equals, 0)).trim();
    if (!/^[a-z0-9_]+\.[A-Za-z0-9._]+$/.test(key)) {
      throw new CridError(
        "invalid_argument",
        `unified cgroup setting ${JSON.stringify(part)}: not <controller>.<file>=<value>`,
      );
    }
    values[key] = fromBase64(part.slice(equals + 1)) ?? part.slice(equals + 1);
  }
  return values;
}

/** `undefined` for what is no base64, or whose bytes are no text: `1000` is a plain number. */
function fromBase64(text: string): string | undefined {
  if (text === "" || /^\d+$/.test(text)) return undefined;
  try {
    const decoded = atob(text);
    return btoa(decoded) === text && /^[\x20-\x7e\n\t]*$/.test(decoded) ? decoded : undefined;
  } catch {
    return undefined;
  }
}
