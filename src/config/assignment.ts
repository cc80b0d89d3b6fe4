/** One value for one place of a configuration. */
export interface Assignment {
  /** `["runtime", "log_level"]`, or with the entry's name: `["runtime", "runtimes", "runc"]`. */
  readonly path: readonly string[];
  readonly value: unknown;
}

/** A copy of `values` with `assignments` made in order. */
export function assign<Values extends object>(
  values: Values,
  assignments: readonly Assignment[],
): Values {
  return assignments.reduce((copy, { path, value }) => withValue(copy, path, value), values);
}

function withValue<Values extends object>(
  values: Values,
  [key, ...rest]: readonly string[],
  value: unknown,
): Values {
  const before = (values as Record<string, unknown>)[key!];
  const after = rest.length === 0 ? value : withValue(before as object, rest, value);
  return { ...values, [key!]: after };
}

/** The value at a path of {@linkcode Config}. */
export function valueAt(values: object, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], values);
}
