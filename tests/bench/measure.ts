/**
 * Samples, medians and the table they are printed in. Benchmarks never judge: they show crid's figure next
 * to the floor of its parts, measured in the same run.
 *
 * @module
 */

/** Milliseconds that `work` took. */
export async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/**
 * Runs `sample` for every number below `count`, `parallel` at a time.
 *
 * @returns What the samples returned, by number.
 */
export async function samples<Result>(
  count: number,
  parallel: number,
  sample: (number: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const number = next++;
      results[number] = await sample(number);
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return results;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) return Number.NaN;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** One figure of the table. */
export interface Figure {
  readonly what: string;
  readonly unit: "ms" | "MB";
  readonly values: readonly number[];
  /** Medians are taken of these, too. */
  readonly floor?: { readonly what: string; readonly values: readonly number[] };
  /** What docs/architecture.md wants to be reached; for the reader, not asserted. */
  readonly budget?: number;
}

/** Prints figures as a table: median, slowest, floor, ratio to the floor, budget. */
export function printFigures(title: string, figures: readonly Figure[]): void {
  console.log(`\n${title}\n`);
  const rows = figures.map(row);
  const header = ["", "median", "worst", "floor", "ratio", "budget", "the floor is"];
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((cells) => cells[column]!.length))
  );
  for (const cells of [header, ...rows]) {
    const line = cells.map((cell, column) =>
      column === 0 || column === 6 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
    );
    console.log(`  ${line.join("  ").trimEnd()}`);
  }
}

function row({ what, unit, values, floor, budget }: Figure): string[] {
  const middle = median(values);
  const least = floor === undefined ? undefined : median(floor.values);
  return [
    what,
    amount(middle, unit),
    amount(Math.max(...values), unit),
    least === undefined ? "" : amount(least, unit),
    least === undefined ? "" : `${(middle / least).toFixed(1)} x`,
    budget === undefined ? "" : amount(budget, unit),
    floor?.what ?? "",
  ];
}

function amount(value: number, unit: Figure["unit"]): string {
  if (Number.isNaN(value)) return "-";
  if (unit === "MB") return `${value.toFixed(0)} MB`;
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(1)} ms`;
}
