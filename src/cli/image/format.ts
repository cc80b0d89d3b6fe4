/** `sha256:0123456789ab…` as people read it. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Bytes in decimal units, as podman prints them. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Lines with columns side by side. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, at) => widths[at] = Math.max(widths[at] ?? 0, cell.length));
  }
  return rows.map((row) => {
    const cells = row.map((cell, at) => at === row.length - 1 ? cell : cell.padEnd(widths[at]!));
    return cells.join("  ").trimEnd() + "\n";
  }).join("");
}
